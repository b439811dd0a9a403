//! The services around relay: quiet, but for an outage of upstream DNS on the day before that was nobody's push.

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
        one("sync", "s63", 18, 4_000, 30),
        one("billing", "r409", BILLING, 8_000, 5),
        one("web", "w88", 30, 6_000, 15),
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
        for (release, running) in running(neighbour, instances, at) {
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
                for (death, rate) in deaths {
                    if dice.happens_in_a_second(rate * running) {
                        let host = format!("{}-{:03}", neighbour.service, dice.below(instances) + 1);
                        let uptime = dice.between(600, 200_000);
                        let dead = Dead { service: neighbour.service, release, cell, host, at, uptime };
                        records.push(Record::Crash(report(dice, dead, death)));
                    }
                }
            }
        }
    }
}

/// Which releases run in this minute, and on how many instances. Billing takes its steps at once, at whole windows.
fn running(neighbour: &Neighbour, instances: u64, at: Time) -> Vec<(&'static str, u64)> {
    let new = match neighbour.service {
        "billing" => {
            script::billing_steps().iter().filter(|(_, step, _)| at >= *step).map(|(_, _, new)| u64::from(*new)).max()
        }
        _ => None,
    };
    let new = new.unwrap_or(0);
    let mut running = vec![(neighbour.release, instances - new), ("r410", new)];
    running.retain(|(_, instances)| *instances > 0);
    running
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn billing_runs_its_new_release_as_its_steps_say() {
        let neighbours = neighbours();
        let billing = neighbours.iter().find(|one| one.service == "billing").expect("there is billing");
        assert_eq!(running(billing, BILLING, march(3, 0, 34)), [("r409", 40)]);
        assert_eq!(running(billing, BILLING, march(3, 1, 30)), [("r409", 36), ("r410", 4)]);
        assert_eq!(running(billing, BILLING, march(3, 3, 30)), [("r410", 40)]);
    }
}
