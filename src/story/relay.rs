//! The fleet of relay: which host ran which release in which minute, and which of them died.
//!
//! Each A dies at its ordinary rate, and beyond that in proportion to the share of B among its neighbours in the
//! cell. B dies at the ordinary rate only. Nothing here knows who would notice.

use super::{
    dice::Dice,
    neighbours,
    reports::{Dead, Death, report},
    script,
};
use crate::domain::{Record, Time, exposure::Exposure, service::DEFAULT_ENVIRONMENT, time};
use serde_json::Map;

/// The cells of relay and their instances.
pub const CELLS: [(&str, u64); 6] =
    [("eu-1", 46), ("eu-2", 42), ("us-1", 40), ("us-2", 40), ("ap-1", 38), ("ap-2", 34)];

/// Ordinary deaths of an instance of either release, per million hours.
const ORDINARY: u64 = 12_000;
/// Further deaths of any instance while upstream DNS is gone, per million hours.
pub const WITHOUT_DNS: u64 = 75_000;
/// Further deaths of an A among none but Bs, per million hours.
const AMONG_B: u64 = 800_000;
/// How long a host takes to come back, seconds.
const RESTART: i64 = 8;

/// Exposure and deaths of relay, from the story's start to its end.
pub fn records(dice: &mut Dice) -> Vec<Record> {
    let mut records = Vec::new();
    let minutes = (script::end() - script::start()).num_minutes();
    for (place, (cell, instances)) in CELLS.into_iter().enumerate() {
        // Everybody runs since some day in the weeks before.
        let mut up_since: Vec<Time> =
            (0..instances).map(|_| script::start() - time::seconds(dice.between(3600, 20 * 86_400))).collect();
        let mut b_before = 0;
        for minute in 0..minutes {
            let at = script::start() + time::minutes(minute);
            let b = share_of_b(place as u64, instances, at);
            for since in &mut up_since[b_before as usize..b as usize] {
                *since = at;
            }
            b_before = b;
            if let Some(length) = window(at) {
                for (release, running) in [("A", instances - b), ("B", b)] {
                    if running > 0 {
                        records.push(exposure(dice, "relay", release, cell, at, length, running));
                    }
                }
            }
            for second in 0..60 {
                let at = at + time::seconds(second);
                for (release, death, rate) in rates(at, instances, b) {
                    if dice.happens_in_a_second(rate) {
                        let host = match release {
                            "B" => dice.below(b),
                            _ => b + dice.below(instances - b),
                        } as usize;
                        let dead = Dead {
                            service: "relay",
                            release,
                            cell,
                            host: format!("{cell}-{:03}", host + 1),
                            at,
                            uptime: (at - up_since[host]).num_seconds().max(0),
                        };
                        up_since[host] = at + time::seconds(RESTART);
                        records.push(Record::Crash(report(dice, dead, death)));
                    }
                }
            }
        }
    }
    records
}

/// Who dies of what, and how often, deaths per million hours of the cell.
fn rates(at: Time, instances: u64, b: u64) -> Vec<(&'static str, Death, u64)> {
    let a = instances - b;
    let mut rates = vec![("A", Death::Ordinary, a * ORDINARY), ("B", Death::Ordinary, b * ORDINARY)];
    if neighbours::dns_is_gone(at) {
        rates.push(("A", Death::Unresolved, a * WITHOUT_DNS));
        rates.push(("B", Death::Unresolved, b * WITHOUT_DNS));
    }
    rates.push(("A", Death::Contact, a * AMONG_B * b / instances));
    rates.retain(|(_, _, rate)| *rate > 0);
    rates
}

/// The number of deaths by contact that the rates imply: what a run of any seed has on average.
#[cfg(test)]
pub fn implied_by_contact() -> f64 {
    let minutes = (script::end() - script::start()).num_minutes();
    let rate = |place: usize, instances: u64, minute: i64| {
        let at = script::start() + time::minutes(minute);
        let of_contact = rates(at, instances, share_of_b(place as u64, instances, at));
        of_contact.iter().filter(|(_, death, _)| *death == Death::Contact).map(|(_, _, rate)| *rate).sum::<u64>()
    };
    let sum: u64 = (0..minutes)
        .flat_map(|minute| CELLS.iter().enumerate().map(move |(place, (_, n))| rate(place, *n, minute)))
        .sum();
    sum as f64 / 60.0 / 1e6
}

/// How many instances of a cell run B in this minute. The cells take a step one after another, within its ramp.
fn share_of_b(place: u64, instances: u64, at: Time) -> u64 {
    let mut have = 0;
    for step in script::relay_steps() {
        let goal = (u64::from(step.percent) * instances).div_ceil(100);
        let passed = (at - time::minute(step.at)).num_minutes();
        if passed <= 0 {
            break;
        }
        // In fourteenths of a minute: the last cell begins after five fourteenths of the ramp and ends with it.
        let ramp = u64::from(step.ramp);
        let whole = (9 * ramp).max(14);
        let done = (passed as u64 * 14).saturating_sub(place * ramp).min(whole);
        have += match step.percent {
            // The last ones go slowly: sessions have to leave them.
            100 => (goal - have) * (16 * done * whole - 6 * done * done) / (10 * whole * whole),
            _ => (goal - have) * done / whole,
        };
        if done < whole {
            break;
        }
    }
    have
}

/// The length in minutes of the exposure window that begins in this minute, if one does: one minute around the push,
/// five before and after.
fn window(at: Time) -> Option<i64> {
    use super::reports::march;
    if (march(3, 0, 45)..march(3, 7, 0)).contains(&at) {
        return Some(1);
    }
    let minute = (at - script::start()).num_minutes();
    (minute % 5 == 0).then(|| (script::end() - at).num_minutes().min(5))
}

/// One exposure record. It tells what runs as the window begins, and reaches us then.
pub fn exposure(
    dice: &mut Dice,
    service: &str,
    release: &str,
    cell: &str,
    at: Time,
    minutes: i64,
    instances: u64,
) -> Record {
    let sessions =
        matches!(service, "relay" | "edge").then(|| instances * 52 + dice.below(2 * instances + 1) - instances);
    Record::Exposure(Exposure {
        service: service.to_owned(),
        environment: DEFAULT_ENVIRONMENT.to_owned(),
        release: release.to_owned(),
        cell: cell.to_owned(),
        at,
        received_at: at,
        seconds: (minutes * 60) as f64,
        instances: instances as f64,
        sessions: sessions.map(|sessions| sessions as f64),
        flags: Map::new(),
        extra: Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::reports::march;

    fn b_at(at: Time) -> u64 {
        CELLS.iter().enumerate().map(|(place, (_, instances))| share_of_b(place as u64, *instances, at)).sum()
    }

    #[test]
    fn b_never_goes_back_and_reaches_every_goal_before_the_next_step() {
        let mut before = 0;
        for minute in 0..(script::end() - script::start()).num_minutes() {
            let b = b_at(script::start() + time::minutes(minute));
            assert!(b >= before);
            before = b;
        }
        for (step, next) in script::relay_steps().iter().zip(script::relay_steps().iter().skip(1)) {
            let goal: u64 = CELLS.iter().map(|(_, n)| (u64::from(step.percent) * n).div_ceil(100)).sum();
            assert_eq!(b_at(time::minute(next.at)), goal, "before the step to {}", next.percent);
        }
    }

    #[test]
    fn the_last_a_leaves_at_06_48() {
        assert!(b_at(march(3, 6, 47)) < 240);
        assert_eq!(b_at(march(3, 6, 48)), 240);
    }

    #[test]
    fn no_b_runs_before_the_first_step() {
        assert_eq!(b_at(march(3, 1, 11)), 0);
        assert!(b_at(march(3, 1, 13)) > 0);
    }

    #[test]
    fn a_cell_without_b_has_no_deaths_by_contact() {
        assert!(rates(march(3, 0, 0), 46, 0).iter().all(|(_, death, _)| *death == Death::Ordinary));
        let half = rates(march(3, 5, 0), 40, 20);
        assert!(half.contains(&("A", Death::Contact, 20 * 400_000)));
    }
}
