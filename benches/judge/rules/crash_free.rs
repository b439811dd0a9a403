//! Crash-free sessions by release: 1 - crashes / sessions in the last hour, no least sample, no interval, no other release, as
//! release-health products check it (getsentry/sentry, `is_crash_free_rate_healthy`). The threshold that a person would have
//! to choose is taken from the past: three times its part of crashed sessions.

use super::{Alarm, BUCKET, Board, HOUR, Rule};
use crate::truth::Micros;
use pushback::domain::finding::Kind;
use std::collections::BTreeSet;

/// The pushes that were told already.
#[derive(Default)]
pub struct CrashFree {
    told: BTreeSet<String>,
}

impl Rule for CrashFree {
    fn look(&mut self, board: &Board, now: Micros) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for push in board.watched(now) {
            let past = board.past(push);
            let (new, _) = board.arms(push, (now - HOUR - BUCKET).max(push.first().unwrap_or(now)), now - BUCKET);
            if past.sessions <= 0.0 || new.sessions <= 0.0 {
                continue;
            }
            let least = 1.0 - 3.0 * past.crashes / past.sessions;
            let free = 1.0 - new.crashes / new.sessions;
            if free < least && self.told.insert(push.id.clone()) {
                let (change, service) = (Some(push.id.clone()), push.service.clone());
                alarms.push(Alarm { change, kind: Kind::Itself, service });
            }
        }
        alarms
    }
}
