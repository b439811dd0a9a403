//! A fixed threshold on the new release: more than three times the past rate by instance-hour in the last hour, and at least
//! ten crashes. The other releases are not looked at.

use super::{Alarm, BUCKET, Board, HOUR, Rule};
use crate::truth::Micros;
use pushback::domain::finding::Kind;
use std::collections::BTreeSet;

/// The pushes that were told already.
#[derive(Default)]
pub struct Threshold {
    told: BTreeSet<String>,
}

impl Rule for Threshold {
    fn look(&mut self, board: &Board, now: Micros) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for push in board.watched(now) {
            let past = board.past(push);
            let (new, _) = board.arms(push, (now - HOUR - BUCKET).max(push.first().unwrap_or(now)), now - BUCKET);
            // Where instances are not known, sessions stand for them.
            let rate = |it: &super::Sums| it.crashes / if past.hours > 0.0 { it.hours } else { it.sessions }.max(1e-9);
            let known = past.hours > 0.0 || past.sessions > 0.0;
            if known && new.crashes >= 10.0 && rate(&new) > 3.0 * rate(&past) && self.told.insert(push.id.clone()) {
                let (change, service) = (Some(push.id.clone()), push.service.clone());
                alarms.push(Alarm { change, kind: Kind::Itself, service });
            }
        }
        alarms
    }
}
