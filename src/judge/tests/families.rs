//! Families of scenarios, each with what is true of it. Drawn from seeds; what is asserted is asserted over many of them.

use super::fleet::{Dice, Fleet, Rates, share_of};
use crate::{
    domain::{
        Record,
        finding::{Ending, Findings, Kind, Regression},
        time,
    },
    judge::replay,
};

/// The minute at which the push begins.
pub(super) const PUSH: i64 = 18 * 60;
const HOURS: i64 = 24;
pub(super) const NEW: &str = "SIGSEGV | frame_decode | conn_read";

type Shares = dyn Fn(i64, usize) -> Vec<(&'static str, f64)>;

pub(super) fn steps() -> Vec<(i64, f64)> {
    [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0]
        .iter()
        .enumerate()
        .map(|(n, share)| (PUSH + 45 * n as i64, *share))
        .collect()
}

pub(super) fn fleet(base: f64) -> Fleet {
    let base = base * rate();
    Fleet { minutes: HOURS * 60, base, ..Fleet::default() }
}

/// How many times the usual crashes: `JUDGE_RATE=4`.
pub(super) fn rate() -> f64 {
    std::env::var("JUDGE_RATE").ok().and_then(|it| it.parse().ok()).unwrap_or(1.0)
}

/// A history of a push of B over A by `steps`, with these crash rates.
pub(super) fn pushed(fleet: &Fleet, seed: u64, steps: &[(i64, f64)], rates: &Rates) -> Vec<Record> {
    let mut dice = Dice::new(seed);
    let own = steps.to_vec();
    let shares: Box<Shares> = Box::new(move |minute, _| {
        let share = share_of(&own, minute);
        vec![("A", 1.0 - share), ("B", share)]
    });
    let mut records = fleet.run(&mut dice, &shares, rates);
    records.extend(fleet.push("relay-118", "B", "A", steps));
    records
}

/// What came of many seeds.
#[derive(Debug, Default)]
struct Tally {
    runs: u32,
    right: u32,
    said: u32,
    lines: Vec<String>,
}

impl Tally {
    fn of(
        name: &str,
        seeds: std::ops::Range<u64>,
        make: impl Fn(u64) -> Vec<Record>,
        right: impl Fn(&Findings) -> bool,
    ) -> Tally {
        let mut tally = Tally::default();
        for seed in seeds {
            let findings = replay(make(seed));
            tally.runs += 1;
            tally.said += findings.regressions.len() as u32;
            if right(&findings) {
                tally.right += 1;
                if findings.regressions.len() > 1 && std::env::var("JUDGE_MORE").is_ok() {
                    println!("    more {name} {seed}: {}", brief(&findings));
                }
            } else {
                tally.lines.push(format!("{name} {seed}: {}", brief(&findings)));
            }
        }
        println!("{name}: {} of {} right, {} said", tally.right, tally.runs, tally.said);
        for line in tally.lines.iter().take(4) {
            println!("    {line}");
        }
        tally
    }

    fn assert_at_least(&self, part: f64) {
        assert!(f64::from(self.right) >= part * f64::from(self.runs), "{self:#?}");
    }
}

fn brief(findings: &Findings) -> String {
    let of = |it: &Regression| {
        format!(
            "{} {:?} {:?} {:?} onset {} said {} ended {:?} {:?} withdrawn {}",
            it.id,
            it.signatures.iter().map(|it| it.chars().take(14).collect::<String>()).collect::<Vec<_>>(),
            it.kind,
            it.suspects.iter().map(|it| format!("{}={:.2}", it.id, it.probability)).collect::<Vec<_>>(),
            it.onset.at.format("%H:%M"),
            it.detected_at.format("%H:%M"),
            it.ended_at.map(|at| at.format("%H:%M").to_string()),
            it.ended_because,
            it.withdrawn.is_some()
        )
    };
    findings.regressions.iter().map(of).collect::<Vec<_>>().join("; ")
}

fn blames_nobody(findings: &Findings) -> bool {
    findings.regressions.iter().all(|it| it.blamed().is_none())
}

fn standing(findings: &Findings) -> impl Iterator<Item = &Regression> {
    findings.regressions.iter().filter(|it| it.withdrawn.is_none())
}

/// Exactly this change is blamed, as this kind, and nothing else ever was.
fn blames(findings: &Findings, id: &str, kinds: &[Kind]) -> bool {
    standing(findings).any(|it| it.blamed().is_some_and(|it| it.id == id) && kinds.contains(&it.kind))
        && findings.regressions.iter().all(|it| it.blamed().is_none_or(|it| it.id == id))
}

fn ended(findings: &Findings, id: &str, ending: Ending) -> bool {
    standing(findings).any(|it| it.blamed().is_some_and(|it| it.id == id) && it.ended_because == Some(ending))
}

/// Few seeds each time, more when asked for: `JUDGE_SEEDS=40 cargo test judge::`.
fn seeds() -> std::ops::Range<u64> {
    if let Some(one) = std::env::var("JUDGE_SEED").ok().and_then(|it| it.parse().ok()) {
        return one..one + 1;
    }
    1..1 + std::env::var("JUDGE_SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(3)
}

#[test]
fn a_healthy_push_is_never_blamed() {
    let quiet = |base| move |seed| pushed(&fleet(base), seed, &steps(), &|_| (1.0, vec![]));
    Tally::of("quiet", seeds(), quiet(0.05), blames_nobody).assert_at_least(1.0);
    Tally::of("quiet, many crashes", seeds(), quiet(0.3), blames_nobody).assert_at_least(1.0);
    Tally::of("quiet, few crashes", seeds(), quiet(0.005), blames_nobody).assert_at_least(1.0);
    let healthier =
        |seed| pushed(&fleet(0.1), seed, &steps(), &|it| (if it.release == "B" { 0.3 } else { 1.0 }, vec![]));
    Tally::of("healthier", seeds(), healthier, blames_nobody).assert_at_least(1.0);
}

fn rhythm(minute: i64, seed: u64) -> f64 {
    let day = (minute as f64 / 1440.0 + seed as f64 * 0.13) * std::f64::consts::TAU;
    1.0 + 0.3 * day.sin() + 0.15 * (minute as f64 / 400.0 + seed as f64).sin()
}

#[test]
fn rhythm_drift_and_traffic_are_not_held_against_a_push() {
    let daily = |seed| pushed(&fleet(0.05), seed, &steps(), &|it| (rhythm(it.minute, seed), vec![]));
    Tally::of("daily", seeds(), daily, blames_nobody).assert_at_least(1.0);
    let traffic =
        |seed| pushed(&fleet(0.05), seed, &steps(), &|it| (if it.minute > PUSH + 100 { 3.0 } else { 1.0 }, vec![]));
    Tally::of("traffic", seeds(), traffic, blames_nobody).assert_at_least(0.9);
}

#[test]
fn an_outage_is_ambient_even_exactly_at_a_step() {
    let outage = |from: i64, length: i64| {
        move |seed| {
            pushed(&fleet(0.05), seed, &steps(), &|it| {
                (if (from..from + length).contains(&it.minute) { 8.0 } else { 1.0 }, vec![])
            })
        }
    };
    let ambient =
        |findings: &Findings| blames_nobody(findings) && findings.regressions.iter().any(|it| it.kind == Kind::Ambient);
    Tally::of("outage", seeds(), outage(PUSH + 150, 60), ambient).assert_at_least(0.8);
    Tally::of("outage at a step", seeds(), outage(PUSH + 135, 60), ambient).assert_at_least(0.8);
    Tally::of("outage at the first step", seeds(), outage(PUSH, 60), ambient).assert_at_least(0.8);
}

#[test]
fn a_release_that_crashes_itself_is_blamed() {
    let eightfold =
        |seed| pushed(&fleet(0.05), seed, &steps(), &|it| (if it.release == "B" { 8.0 } else { 1.0 }, vec![]));
    Tally::of("self x8", seeds(), eightfold, |it| blames(it, "relay-118", &[Kind::Itself])).assert_at_least(0.8);
    let new = |seed| {
        pushed(&fleet(0.05), seed, &steps(), &|it| {
            (1.0, if it.release == "B" { vec![(NEW, 0.3 * rate())] } else { vec![] })
        })
    };
    Tally::of("self, new signature", seeds(), new, |it| blames(it, "relay-118", &[Kind::Itself])).assert_at_least(0.8);
}

#[test]
fn harm_to_the_others_is_collateral() {
    let collateral = |findings: &Findings| blames(findings, "relay-118", &[Kind::Collateral]);
    let seed_story = |seed| {
        pushed(&fleet(0.05), seed, &steps(), &|it| match it.release {
            "A" => (1.0, vec![(NEW, 20.0 * 0.05 * it.share("B") * rate())]),
            _ => (0.3, vec![]),
        })
    };
    Tally::of("collateral by share", seeds(), seed_story, collateral).assert_at_least(0.8);
    let old_signatures = |seed| {
        pushed(&fleet(0.05), seed, &steps(), &|it| match it.release {
            "A" => (1.0 + 20.0 * it.share("B"), vec![]),
            _ => (0.3, vec![]),
        })
    };
    Tally::of("collateral, old signatures", seeds(), old_signatures, collateral).assert_at_least(0.8);
    let present = |seed| {
        pushed(&fleet(0.05), seed, &steps(), &|it| match it.release {
            "A" if it.share("B") > 0.0 => (6.0, vec![]),
            _ => (1.0, vec![]),
        })
    };
    Tally::of("collateral by presence", seeds(), present, collateral).assert_at_least(0.8);
}

#[test]
fn flags_and_pushes_are_told_apart() {
    let flag = |seed| {
        let fleet = fleet(0.05);
        let on = |minute: i64| if minute >= PUSH + 100 { 0.5 } else { 0.0 };
        let mut records = pushed(&fleet, seed, &steps(), &|it| (1.0 + 12.0 * on(it.minute), vec![]));
        records.push(fleet.flag("f-1", "wire", PUSH + 100, 0.0, 0.5));
        records
    };
    Tally::of("flag", seeds(), flag, |it| blames(it, "f-1", &[Kind::Flag])).assert_at_least(0.8);
    let decoy = |seed| {
        let fleet = fleet(0.05);
        let mut records = pushed(&fleet, seed, &steps(), &|it| (if it.release == "B" { 8.0 } else { 1.0 }, vec![]));
        records.push(fleet.flag("f-1", "wire", PUSH - 10, 0.0, 0.2));
        records.push(fleet.flag("f-2", "wire", PUSH + 80, 0.2, 0.5));
        records
    };
    Tally::of("flag decoy", seeds(), decoy, |it| blames(it, "relay-118", &[Kind::Itself])).assert_at_least(0.8);
    let reverted = |seed| {
        let fleet = fleet(0.05);
        let on = |minute: i64| if (PUSH + 100..PUSH + 200).contains(&minute) { 0.5 } else { 0.0 };
        let mut records = pushed(&fleet, seed, &steps(), &|it| (1.0 + 14.0 * on(it.minute), vec![]));
        records.push(fleet.flag("f-1", "wire", PUSH + 100, 0.0, 0.5));
        records.push(fleet.flag("f-2", "wire", PUSH + 200, 0.5, 0.0));
        records
    };
    let right = |it: &Findings| blames(it, "f-1", &[Kind::Flag]) && ended(it, "f-1", Ending::FlagReverted);
    Tally::of("flag reverted", seeds(), reverted, right).assert_at_least(0.8);
}

#[test]
fn of_two_pushes_the_guilty_one_is_blamed() {
    let edge_steps = [(PUSH + 20, 0.1), (PUSH + 70, 0.4), (PUSH + 200, 1.0)];
    let other = |guilty: bool| {
        move |seed| {
            let fleet = fleet(0.05);
            let mut records = pushed(&fleet, seed, &steps(), &|it| {
                let share = share_of(&edge_steps, it.minute);
                let own = if it.release == "B" && !guilty { 8.0 } else { 1.0 };
                (own, if guilty { vec![(NEW, 0.5 * share * rate())] } else { vec![] })
            });
            let edge = Fleet { service: "edge".into(), base: 0.01, ..self::fleet(0.01) };
            let shares: Box<Shares> = Box::new(move |minute, _| {
                let share = share_of(&edge_steps, minute);
                vec![("e1", 1.0 - share), ("e2", share)]
            });
            records.extend(edge.run(&mut Dice::new(seed + 1000), &shares, &|_| (1.0, vec![])));
            records.extend(edge.push("edge-9", "e2", "e1", &edge_steps));
            records.push(fleet.declared(&["edge"]));
            records
        }
    };
    Tally::of("the neighbour's push", seeds(), other(true), |it| blames(it, "edge-9", &[Kind::Collateral]))
        .assert_at_least(0.6);
    Tally::of("not the neighbour's push", seeds(), other(false), |it| blames(it, "relay-118", &[Kind::Itself]))
        .assert_at_least(0.8);
}

#[test]
fn endings_are_told_apart() {
    let mut back = steps()[..4].to_vec();
    back.push((PUSH + 180, -1.0));
    let rolled = |seed| {
        pushed(&fleet(0.05), seed, &back, &|it| match it.release {
            "A" => (1.0, vec![(NEW, 1.6 * it.share("B") * rate())]),
            _ => (0.3, vec![]),
        })
    };
    let right = |it: &Findings| ended(it, "relay-118", Ending::RolledBack);
    Tally::of("rolled back, collateral", seeds(), rolled, right).assert_at_least(0.8);
    let rolled = |seed| pushed(&fleet(0.05), seed, &back, &|it| (if it.release == "B" { 12.0 } else { 1.0 }, vec![]));
    Tally::of("rolled back, self", seeds(), rolled, right).assert_at_least(0.8);
    let gone = |seed| {
        pushed(&fleet(0.05), seed, &steps(), &|it| match it.release {
            "A" => (1.0, vec![(NEW, 1.2 * it.share("B") * rate())]),
            _ => (0.3, vec![]),
        })
    };
    Tally::of("victims gone", seeds(), gone, |it| ended(it, "relay-118", Ending::VictimsGone)).assert_at_least(0.8);
    let own = steps()[..5].to_vec();
    let fix: Vec<(i64, f64)> = vec![(PUSH + 210, 0.2), (PUSH + 230, 0.6), (PUSH + 250, 1.0)];
    let fixed = |seed| {
        let fleet = fleet(0.05);
        let (b, c) = (own.clone(), fix.clone());
        let shares: Box<Shares> = Box::new(move |minute, _| {
            let (b, c) = (share_of(&b, minute), share_of(&c, minute));
            vec![("A", (1.0 - b) * (1.0 - c)), ("B", b * (1.0 - c)), ("C", c)]
        });
        let mut records = fleet.run(&mut Dice::new(seed), &shares, &|it| {
            (1.0, if it.release == "B" { vec![(NEW, 0.5 * rate())] } else { vec![] })
        });
        records.extend(fleet.push("relay-118", "B", "A", &own));
        records.extend(fleet.push("relay-119", "C", "B", &fix));
        records
    };
    Tally::of("fixed by a later release", seeds(), fixed, |it| ended(it, "relay-118", Ending::Fixed))
        .assert_at_least(0.8);
}

#[test]
fn noise_of_reporting_is_not_held_against_a_push() {
    let host_loop = |seed| {
        let fleet = fleet(0.05);
        let mut records = pushed(&fleet, seed, &steps(), &|_| (1.0, vec![]));
        let mut dice = Dice::new(seed + 77);
        for minute in PUSH + 60..PUSH + 240 {
            let mut record =
                fleet.crash(&mut dice, minute, 2, if seed % 2 == 0 { "A" } else { "B" }, "panic | disk_full");
            if let Record::Crash(crash) = &mut record {
                crash.host = Some("cell-3-007".into());
            }
            records.push(record);
        }
        records
    };
    Tally::of("host loop", seeds(), host_loop, blames_nobody).assert_at_least(1.0);
    let repeated = |seed| {
        let mut records = pushed(&fleet(0.05), seed, &steps(), &|_| (1.0, vec![]));
        let crashes: Vec<Record> = records.iter().filter(|it| matches!(it, Record::Crash(_))).cloned().collect();
        for copy in 1..4 {
            records.extend(crashes.iter().cloned().map(|mut it| {
                let at = it.received_at();
                it.set_received_at(at + time::minutes(20 * copy));
                it
            }));
        }
        records
    };
    Tally::of("sent four times", seeds(), repeated, blames_nobody).assert_at_least(1.0);
    let backfill = |seed| {
        let fleet = fleet(0.05);
        let mut records = pushed(&fleet, seed, &steps(), &|_| (1.0, vec![]));
        let mut dice = Dice::new(seed + 78);
        for number in 0..120 {
            let mut record =
                fleet.crash(&mut dice, 60 + number * 7, (number % 6) as usize, "A", "panic | index | session_table");
            record.set_received_at(fleet.at(PUSH + 100));
            records.push(record);
        }
        records
    };
    Tally::of("old reports come in at once", seeds(), backfill, blames_nobody).assert_at_least(1.0);
}

#[test]
fn without_instances_sessions_or_shares_do() {
    let sessions = |seed| {
        let fleet = Fleet { sessions_only: true, ..fleet(0.05) };
        pushed(&fleet, seed, &steps(), &|it| (if it.release == "B" { 8.0 } else { 1.0 }, vec![]))
    };
    Tally::of("sessions only", seeds(), sessions, |it| blames(it, "relay-118", &[Kind::Itself])).assert_at_least(0.8);
    let shares = |seed| {
        let fleet = Fleet { window: 0, ..fleet(0.05) };
        pushed(&fleet, seed, &steps(), &|it| match it.release {
            "A" => (1.0, vec![(NEW, 1.0 * it.share("B") * rate())]),
            _ => (0.5, vec![]),
        })
    };
    Tally::of("shares only", seeds(), shares, |it| blames(it, "relay-118", &[Kind::Collateral])).assert_at_least(0.8);
    let quiet = |seed| {
        let fleet = Fleet { window: 0, ..fleet(0.05) };
        pushed(&fleet, seed, &steps(), &|_| (1.0, vec![]))
    };
    Tally::of("shares only, quiet", seeds(), quiet, blames_nobody).assert_at_least(1.0);
}

#[test]
fn a_release_that_crashes_and_harms_is_mixed() {
    let both = |seed| {
        pushed(&fleet(0.05), seed, &steps(), &|it| match it.release {
            "A" => (1.0, vec![(NEW, 1.0 * it.share("B") * rate())]),
            _ => (1.0, vec![(NEW, 0.3 * rate())]),
        })
    };
    let right = |it: &Findings| blames(it, "relay-118", &[Kind::Mixed, Kind::Collateral, Kind::Itself]);
    Tally::of("both, blamed", seeds(), both, right).assert_at_least(0.9);
    Tally::of("both, mixed", seeds(), both, |it| blames(it, "relay-118", &[Kind::Mixed])).assert_at_least(0.6);
}

#[test]
fn restarts_bursts_and_new_names_are_not_held_against_a_push() {
    let restarts = |seed| {
        pushed(&fleet(0.05), seed, &steps(), &|it| {
            let restarting = steps().iter().any(|step| (step.0..step.0 + 3).contains(&it.minute));
            (1.0, if restarting { vec![("SIGTERM | drain", 0.1 * rate())] } else { vec![] })
        })
    };
    Tally::of("restarts", seeds(), restarts, blames_nobody).assert_at_least(0.6);
    let bursts = |seed: u64| {
        pushed(&fleet(0.05), seed, &steps(), &|it| {
            let burst = (it.minute + 37 * seed as i64) % 307 < 12;
            (1.0, if burst { vec![("Timeout | flaky", 0.25 * rate())] } else { vec![] })
        })
    };
    Tally::of("bursts", seeds(), bursts, blames_nobody).assert_at_least(0.9);
    let renamed = |seed| {
        pushed(&fleet(0.05), seed, &steps(), &|it| match it.release {
            "B" => (0.6, vec![("SIGABRT | out_of_memory_v2", 0.4 * 0.05 * rate())]),
            _ => (1.0, vec![]),
        })
    };
    Tally::of("renamed", seeds(), renamed, blames_nobody).assert_at_least(0.6);
}

#[test]
fn contact_named_by_the_other_end_and_the_way_back_are_read() {
    let peers = |seed| {
        let mut records = pushed(&fleet(0.05), seed, &steps(), &|it| match it.release {
            "A" => (1.0, vec![(NEW, 1.0 * it.share("B") * rate())]),
            _ => (0.5, vec![]),
        });
        for record in &mut records {
            if let Record::Crash(crash) = record
                && crash.signature == NEW
            {
                crash.peer_release = Some("B".into());
            }
        }
        records
    };
    Tally::of("peers", seeds(), peers, |it| blames(it, "relay-118", &[Kind::Collateral])).assert_at_least(0.9);
    let mut way = steps();
    way.truncate(5);
    way.push((PUSH + 300, -1.0));
    let returning = |seed| {
        pushed(&fleet(0.05), seed, &way, &|it| match it.release {
            "A" if it.minute >= PUSH + 300 => (1.0, vec![("panic | newer record", 1.0 * rate())]),
            _ => (1.0, vec![]),
        })
    };
    Tally::of("the way back", seeds(), returning, |it| blames(it, "relay-118", &[Kind::Rollback])).assert_at_least(0.8);
    let stopped = |seed| {
        let fleet = fleet(0.05);
        let three = steps()[..4].to_vec();
        let mut records = pushed(&fleet, seed, &three, &|it| {
            (1.0, if it.release == "B" && it.minute < PUSH + 200 { vec![(NEW, 1.0 * rate())] } else { vec![] })
        });
        let mut stop = fleet.push("relay-118", "B", "A", &[(PUSH + 195, 0.25)]).pop().expect("a step");
        if let Record::PushStep(step) = &mut stop {
            step.action = crate::domain::step::Action::Stop;
        }
        records.push(stop);
        records
    };
    Tally::of("stopped", seeds(), stopped, |it| ended(it, "relay-118", Ending::Stopped)).assert_at_least(0.8);
}
