//! New against old as canary judges do it: Mann-Whitney over samples of the crash rate of both, at 98 % confidence, "high" if the
//! lower limit of the Hodges-Lehmann shift exceeds a quarter of its estimate (spinnaker/kayenta, `NetflixACAJudge`). Samples
//! are of five minutes, since exposure comes so, over the last three hours; looked at every hour, and only while no more of the
//! new release runs than of the others: a canary is compared with a baseline of its own size, and a small rest of old
//! instances, nearly always at zero, would make every new release look bad.

use super::{Alarm, BUCKET, Board, HOUR, PushSeen, Rule};
use crate::truth::Micros;
use pushback::domain::finding::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// The 99 % point of the normal distribution, for a two-sided 98 %.
const Z98: f64 = 2.326;

/// The pushes that were told already.
#[derive(Default)]
pub struct MannWhitney {
    told: BTreeSet<String>,
}

impl Rule for MannWhitney {
    fn look(&mut self, board: &Board, now: Micros) -> Vec<Alarm> {
        if now % HOUR != 0 {
            return Vec::new();
        }
        let mut alarms = Vec::new();
        for push in board.watched(now) {
            let (arm, rest) = board.arms(push, now - HOUR, now - BUCKET);
            if arm.hours > rest.hours || (arm.hours <= 0.0 && arm.sessions > rest.sessions) {
                continue;
            }
            let (new, old) = samples(board, push, now);
            if new.len() >= 6 && old.len() >= 6 && is_high(&new, &old) && self.told.insert(push.id.clone()) {
                let (change, service) = (Some(push.id.clone()), push.service.clone());
                alarms.push(Alarm { change, kind: Kind::Itself, service });
            }
        }
        alarms
    }
}

fn samples(board: &Board, push: &PushSeen, now: Micros) -> (Vec<f64>, Vec<f64>) {
    let Some(place) = board.services.get(&push.service) else { return Default::default() };
    let number = place.releases.iter().position(|it| *it == push.release);
    let from = (now - 3 * HOUR).max(push.first().unwrap_or(now));
    let mut sums: BTreeMap<i64, [(f64, f64); 2]> = BTreeMap::new();
    for ((bucket, release), it) in place.between(from, now - BUCKET) {
        let side = usize::from(Some(*release) != number);
        let amount = if it.hours > 0.0 { it.hours } else { it.sessions };
        let sum = &mut sums.entry(*bucket).or_default()[side];
        *sum = (sum.0 + it.crashes, sum.1 + amount);
    }
    let side = |side: usize| {
        let of = sums.values().map(|it| it[side]).filter(|it| it.1 > 0.0);
        of.map(|it| it.0 / it.1).collect::<Vec<f64>>()
    };
    (side(0), side(1))
}

fn is_high(new: &[f64], old: &[f64]) -> bool {
    let mut shifts: Vec<f64> = new.iter().flat_map(|one| old.iter().map(move |other| one - other)).collect();
    shifts.sort_by(f64::total_cmp);
    let (n, m) = (new.len() as f64, old.len() as f64);
    let rank = n * m / 2.0 - Z98 * (n * m * (n + m + 1.0) / 12.0).sqrt();
    let lower = shifts[(rank.floor().max(0.0) as usize).min(shifts.len() - 1)];
    let middle = shifts[shifts.len() / 2];
    lower > 0.25 * middle.abs()
}
