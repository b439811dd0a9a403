//! Votes and vetoes by node, in the manner of Gandalf (Li et al., NSDI 2020), simplified: a signature is anomalous where the
//! last hour exceeds the past by four deviations; hosts with the new release that show it vote for the push, as many as showed it
//! before are vetoes; at least half of the hosts that show it must run the new release.

use super::{Alarm, BUCKET, Board, HOUR, Rule};
use crate::truth::Micros;
use pushback::domain::finding::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// The least score of a blamed push: three times as many votes as vetoes.
const LEAST: f64 = 1.1;

/// The pushes that were told already.
#[derive(Default)]
pub struct Votes {
    told: BTreeSet<String>,
}

impl Rule for Votes {
    fn look(&mut self, board: &Board, now: Micros) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for (name, place) in &board.services {
            let recent = place.crashes.iter().rev().take(4000).filter(|it| it.0 >= now - HOUR && it.0 < now);
            let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
            recent.for_each(|it| *counts.entry(it.2.as_str()).or_default() += 1.0);
            for (signature, count) in counts {
                if count < 4.0 || !is_anomalous(place, signature, count, now) {
                    continue;
                }
                let mut best: Option<(f64, &str)> = None;
                for push in board.watched(now).filter(|push| push.service == *name) {
                    let score = score(board, place, push, signature, now).unwrap_or(f64::NEG_INFINITY);
                    if score >= LEAST && best.is_none_or(|best| score > best.0) {
                        best = Some((score, &push.id));
                    }
                }
                if let Some((_, id)) = best
                    && self.told.insert(id.to_owned())
                {
                    alarms.push(Alarm { change: Some(id.to_owned()), kind: Kind::Itself, service: name.clone() });
                }
            }
        }
        alarms
    }
}

/// Four deviations above the mean of the hours of the last two days.
fn is_anomalous(place: &super::Place, signature: &str, count: f64, now: Micros) -> bool {
    let mut hours = [0.0; 48];
    for it in place.crashes.iter().filter(|it| it.2 == signature) {
        let hour = (now - HOUR - it.0).div_euclid(HOUR);
        if (0..48).contains(&hour) {
            hours[hour as usize] += 1.0;
        }
    }
    let mean = hours.iter().sum::<f64>() / 48.0;
    let deviation = (hours.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / 48.0).sqrt();
    count > mean + 4.0 * deviation.max(0.3)
}

/// ln((votes - vetoes + 1) / (vetoes + 1)); none where the fault is elsewhere than the new release.
fn score(board: &Board, place: &super::Place, push: &super::PushSeen, signature: &str, now: Micros) -> Option<f64> {
    let first = push.first()?;
    let new = place.releases.iter().position(|it| *it == push.release)?;
    let of = |it: &&(Micros, usize, String, String)| it.2 == signature;
    let hosts = |from: Micros, to: Micros, only: Option<usize>| {
        let within = place.crashes.iter().filter(of).filter(|it| it.0 >= from && it.0 < to);
        let wanted = within.filter(|it| only.is_none_or(|only| it.1 == only));
        wanted.map(|it| it.3.as_str()).collect::<BTreeSet<&str>>().len() as f64
    };
    let all = hosts(now - HOUR, now, None);
    let here = hosts(now - HOUR, now, Some(new));
    if all <= 0.0 || here / all < 0.5 {
        return None;
    }
    // Hosts that showed it in the day before, as many as in the exposure that the new release has had.
    let (arm, rest) = board.arms(push, first, now - BUCKET);
    let share = arm.hours / (arm.hours + rest.hours).max(1e-9);
    let vetoes = hosts(first - 24 * HOUR, first, None) * share * (now - first) as f64 / (24 * HOUR) as f64;
    let votes = hosts(first, now, Some(new));
    (votes > vetoes).then(|| ((votes - vetoes + 1.0) / (vetoes + 1.0)).ln())
}
