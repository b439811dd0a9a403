//! The last change did it: where the crashes of a service in half an hour exceed its past by four deviations, whatever moved
//! last in the service or in one that it talks to is blamed; nothing, where nothing moved in a day.

use super::{Alarm, BUCKET, Board, HOUR, Rule};
use crate::truth::Micros;
use pushback::domain::finding::Kind;
use std::collections::BTreeMap;

/// When each service was last told of.
#[derive(Default)]
pub struct LastChange {
    told: BTreeMap<String, Micros>,
}

impl Rule for LastChange {
    fn look(&mut self, board: &Board, now: Micros) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for (name, place) in &board.services {
            if self.told.get(name).is_some_and(|told| now - told < 6 * HOUR) {
                continue;
            }
            let mut halves = [0.0; 97];
            for (key, sums) in place.between(now - BUCKET - 97 * HOUR / 2, now - BUCKET) {
                let half = (now - BUCKET - key.0 * BUCKET - 1).div_euclid(HOUR / 2).clamp(0, 96);
                halves[half as usize] += sums.crashes;
            }
            let mean = halves[1..].iter().sum::<f64>() / 96.0;
            let deviation = (halves[1..].iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / 96.0).sqrt();
            if halves[0] < 5.0 || halves[0] <= mean + 4.0 * deviation.max(0.3) {
                continue;
            }
            self.told.insert(name.clone(), now);
            let near = |service: &str| service == name || board.edges.contains(&(service.to_owned(), name.clone()));
            let pushes = board.pushes.iter().filter(|push| near(&push.service)).filter_map(|push| {
                let last = push.steps.iter().rev().find(|step| step.0 <= now)?;
                let kind = if push.service == *name { Kind::Itself } else { Kind::Collateral };
                Some((last.0, push.id.clone(), kind))
            });
            let flags = board.flags.iter().filter(|flag| near(&flag.1) && flag.2 <= now);
            let all = pushes.chain(flags.map(|flag| (flag.2, flag.0.clone(), Kind::Flag)));
            let last = all.filter(|it| now - it.0 < 24 * HOUR).max_by_key(|it| it.0);
            let kind = last.as_ref().map_or(Kind::Ambient, |it| it.2);
            alarms.push(Alarm { change: last.map(|it| it.1), kind, service: name.clone() });
        }
        alarms
    }
}
