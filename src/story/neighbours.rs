//! The services around relay: quiet, but for the day before, when upstream DNS was gone for a while, which was
//! nobody's push, and sync tried a release that killed itself and took it back.

use super::{
    dice::Dice,
    relay::{CELLS, WITHOUT_DNS, exposure},
    reports::{Dead, Death, march, report},
    script,
};
use crate::domain::{Record, Time, service::DEFAULT_CELL, time};

/// A service that does not change, or changes harmlessly.
struct Neighbour {
    service: &'static str,
    release: &'static str,
    cells: Vec<(&'static str, u64)>,
    /// Ordinary deaths of an instance, per million hours.
    ordinary: u64,
    /// Whether it asks upstream DNS.
    needs_dns: bool,
    /// The length of its exposure windows, minutes.
    window: i64,
}

/// A release and how much of it runs.
#[derive(Debug, PartialEq)]
struct Running {
    release: &'static str,
    instances: u64,
    /// The number of its first host; the others follow.
    first_host: u64,
    /// When its first instance came up.
    since: Time,
}

/// Deaths of an instance of s64, which cannot merge what s63 wrote, per million hours.
const UNMERGEABLE: u64 = 5_000_000;

/// Whether upstream DNS is gone: 2 March, 14:20 to 15:02.
pub fn dns_is_gone(at: Time) -> bool {
    (march(2, 14, 20)..march(2, 15, 2)).contains(&at)
}

fn neighbours() -> Vec<Neighbour> {
    let one = |service, release, instances, ordinary, window| Neighbour {
        service,
        release,
        cells: vec![(DEFAULT_CELL, instances)],
        ordinary,
        needs_dns: false,
        window,
    };
    vec![
        Neighbour {
            service: "edge",
            release: "e212",
            cells: CELLS.iter().map(|(cell, _)| (*cell, 10)).collect(),
            ordinary: 9_000,
            needs_dns: true,
            window: 15,
        },
        one("chat", "c31", 24, 4_000, 30),
        one("billing", "r409", BILLING, 8_000, 5),
        one("web", "w88", 30, 6_000, 15),
        one("sync", "s63", 120, 3_000, 10),
    ]
}

/// The instances of billing.
const BILLING: u64 = 40;

/// Exposure and deaths of every service but relay.
pub fn records(dice: &mut Dice) -> Vec<Record> {
    let mut records = Vec::new();
    for neighbour in neighbours() {
        for (cell, instances) in &neighbour.cells {
            live(dice, &neighbour, cell, *instances, &mut records);
        }
    }
    records
}

fn live(dice: &mut Dice, neighbour: &Neighbour, cell: &str, instances: u64, records: &mut Vec<Record>) {
    for minute in 0..(script::end() - script::start()).num_minutes() {
        let at = script::start() + time::minutes(minute);
        for Running { release, instances: running, first_host, since } in running(neighbour, instances, at) {
            if minute % neighbour.window == 0 {
                let length = (script::end() - at).num_minutes().min(neighbour.window);
                records.push(exposure(dice, neighbour.service, release, cell, at, length, running));
            }
            for second in 0..60 {
                let at = at + time::seconds(second);
                let mut deaths = vec![(Death::Ordinary, neighbour.ordinary)];
                if neighbour.needs_dns && dns_is_gone(at) {
                    deaths.push((Death::Unresolved, WITHOUT_DNS));
                }
                if release == "s64" {
                    deaths.push((Death::Unmergeable, UNMERGEABLE));
                }
                for (death, rate) in deaths {
                    if dice.happens_in_a_second(rate * running) {
                        let host = host(neighbour.service, cell, first_host + dice.below(running));
                        let uptime = dice.between(1, (at - since).num_seconds().clamp(1, 200_000));
                        let dead = Dead { service: neighbour.service, release, cell, host, at, uptime };
                        records.push(Record::Crash(report(dice, dead, death)));
                    }
                }
            }
        }
    }
}

/// The name of a host, unique among its service's cells.
fn host(service: &str, cell: &str, number: u64) -> String {
    match cell {
        DEFAULT_CELL => format!("{service}-{:03}", number + 1),
        cell => format!("{service}-{cell}-{:03}", number + 1),
    }
}

/// Which releases run in this minute, the new one last. Pushes here take their steps at once, at whole windows.
fn running(neighbour: &Neighbour, instances: u64, at: Time) -> Vec<Running> {
    let (release, began, new) = match neighbour.service {
        "billing" => {
            let steps = script::billing_steps();
            let taken = steps.iter().filter(|(_, step, _)| at >= *step).map(|(_, _, new)| u64::from(*new)).max();
            ("r410", steps[0].1, taken.unwrap_or(0))
        }
        "sync" => {
            let (began, taken_back) = script::sync_64();
            ("s64", began, if (began..taken_back).contains(&at) { 2 } else { 0 })
        }
        _ => ("", script::start(), 0),
    };
    let long_ago = script::start() - time::minutes(20 * 24 * 60);
    let old = Running { release: neighbour.release, instances: instances - new, first_host: new, since: long_ago };
    let new = Running { release, instances: new, first_host: 0, since: began };
    [old, new].into_iter().filter(|running| running.instances > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn billing_runs_its_new_release_as_its_steps_say() {
        let neighbours = neighbours();
        let billing = neighbours.iter().find(|one| one.service == "billing").expect("there is billing");
        let at =
            |at| running(billing, BILLING, at).into_iter().map(|it| (it.release, it.instances)).collect::<Vec<_>>();
        assert_eq!(at(march(3, 0, 34)), [("r409", 40)]);
        assert_eq!(at(march(3, 1, 30)), [("r409", 36), ("r410", 4)]);
        assert_eq!(at(march(3, 3, 30)), [("r410", 40)]);
    }
}
