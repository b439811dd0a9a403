//! What the judge answers besides its findings: snapshots, evidence, paths, gates, pasts.

use super::{fleet::Fleet, story::told};
use crate::{
    domain::{
        Record,
        finding::{Decision, Kind},
        time::{self, Time},
    },
    judge::{Guard, Judge, Said, Settings},
};

fn clock(text: &str) -> Time {
    time::parse(&format!("2026-03-03T{text}:00Z")).expect("valid")
}

/// Feeds records, letting time pass before every one of `each`, and collects what is said on the way.
fn fed(records: &[Record], each: usize) -> (Judge, Vec<Said>) {
    let mut judge = Judge::new(Settings::default());
    let mut said = Vec::new();
    for (number, record) in records.iter().enumerate() {
        if each > 0 && number % each == 0 {
            judge.pass(record.received_at());
        }
        judge.observe(record);
        said.extend(judge.said());
    }
    (judge, said)
}

#[test]
fn every_snapshot_is_the_same_however_often_time_is_passed() {
    let records = told(2);
    let (_, never) = fed(&records, 0);
    let (_, often) = fed(&records, 3);
    assert!(!never.is_empty());
    assert_eq!(never, often);
    for said in &never {
        let text = serde_json::to_string(said).expect("writes");
        let read: Said = serde_json::from_str(&text).expect("reads");
        assert_eq!((&read.key, &read.regression.suspects), (&said.key, &said.regression.suspects));
        assert!(said.regression.onset.at <= said.regression.detected_at && said.regression.detected_at <= said.at);
    }
}

#[test]
fn a_regression_keeps_its_key_whatever_else_is_judged() {
    let records = told(3);
    let alone: Vec<Record> = records
        .iter()
        .filter(|record| match record {
            Record::Exposure(it) => it.service != "billing",
            Record::Crash(it) => it.service != "billing",
            Record::PushStarted(it) => it.service != "billing",
            Record::PushStep(it) => it.push != "billing-77",
            Record::Service(_) | Record::FlagChanged(_) | Record::Note(_) => true,
        })
        .cloned()
        .collect();
    let keys = |records: &[Record]| {
        let of_relay = |said: &Said| said.regression.service == "relay";
        fed(records, 0).1.iter().filter(|it| of_relay(it)).map(|it| (it.at, it.key.clone())).collect::<Vec<_>>()
    };
    assert_eq!(keys(&records), keys(&alone));
}

#[test]
fn evidence_and_paths_stand_behind_a_collateral_verdict() {
    let (judge, said) = fed(&told(4), 0);
    let last = said.iter().rfind(|it| it.regression.kind == Kind::Collateral).expect("said");
    let evidence = judge.evidence(&last.key).expect("kept");
    assert_eq!(evidence.basis, "instance-hours");
    assert_eq!(evidence.cells.len(), 6);
    assert!(evidence.found_rate > 20.0 * evidence.expected_rate, "{evidence:#?}");
    assert!(evidence.e_value >= evidence.threshold);
    let sum: f64 = evidence.fits.iter().map(|fit| fit.probability).sum();
    assert!((sum - 1.0).abs() < 0.01, "{sum}");
    assert!(evidence.fits.iter().any(|fit| fit.suspect.is_none()), "ambient is a rival");

    // At a tenth, going on costs a multiple of taking it back; without a flag there is nothing to turn off.
    let then = judge.paths(&last.key, clock("04:00")).expect("kept");
    assert!(then.at <= clock("04:00"));
    assert!(then.going_on.crashes.estimate > 10.0 * then.rolling_back.crashes.estimate, "{then:#?}");
    assert!(then.freezing.crashes.low < then.freezing.crashes.estimate);
    assert!(then.flag_off.is_none());
    assert!(then.going_on.clients.estimate > then.going_on.crashes.estimate);
}

#[test]
fn a_gate_says_what_is_missing_in_a_sentence() {
    let records: Vec<Record> = told(5).into_iter().filter(|it| it.received_at() < clock("01:50")).collect();
    let (judge, _) = fed(&records, 0);
    let answer = judge.gate("relay-118", clock("01:50"), &Guard::default()).expect("known");
    assert_eq!(answer.decision, Decision::Hold);
    assert!(answer.reasons.iter().any(|it| it.contains("instance-hours of B so far")), "{:?}", answer.reasons);
    assert!(judge.gate("no-such-push", clock("01:50"), &Guard::default()).is_none());
}

#[test]
fn a_healthy_push_may_go_on_once_enough_of_it_ran() {
    let fleet = Fleet { base: 0.1, ..Fleet::default() };
    let steps = [(1000, 0.1), (1060, 0.5)];
    let mut dice = super::fleet::Dice::new(9);
    let share = |minute: i64| super::fleet::share_of(&steps, minute);
    let mut records =
        fleet.run(&mut dice, &|minute, _| vec![("A", 1.0 - share(minute)), ("B", share(minute))], &|_| (1.0, vec![]));
    records.extend(fleet.push("p", "B", "A", &steps));
    Record::sort_by_arrival(&mut records);
    let (judge, said) = fed(&records, 0);
    assert!(said.is_empty());
    let answer = judge.gate("p", fleet.at(1439), &Guard::default()).expect("known");
    assert_eq!((answer.decision, answer.reasons.as_slice()), (Decision::Go, [].as_slice()));
}

#[test]
fn the_way_back_is_not_held_up_by_what_is_not_known() {
    let mut records: Vec<Record> = told(5).into_iter().filter(|it| it.received_at() < clock("04:30")).collect();
    let fleet = Fleet::default();
    let mut back = fleet.push("relay-119", "A", "B", &[(1345, 0.5)]);
    if let Some(Record::PushStarted(begun)) = back.first_mut() {
        begun.kind = crate::domain::push::PushKind::Rollback;
    }
    records.extend(back);
    Record::sort_by_arrival(&mut records);
    let (judge, _) = fed(&records, 0);
    assert_eq!(judge.gate("relay-118", clock("04:30"), &Guard::default()).map(|it| it.decision), Some(Decision::Stop));
    assert_eq!(judge.gate("relay-119", clock("04:30"), &Guard::default()).map(|it| it.decision), Some(Decision::Go));
}

#[test]
fn a_releases_own_past_leaves_regressions_out() {
    let (judge, _) = fed(&told(6), 0);
    let pasts = judge.baselines("relay", "production");
    let of = |release: &str| pasts.iter().find(|it| it.release == release).expect("ran");
    assert!((0.008..0.018).contains(&of("A").rate), "{pasts:?}");
    assert!(of("B").rate < 0.012, "{pasts:?}");
    assert!(judge.baselines("nobody", "production").is_empty());
}

#[test]
fn records_of_wrong_clocks_neither_hang_nor_accuse() {
    let mut records = told(7);
    let mut odd = Vec::new();
    for (number, at) in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"].iter().enumerate() {
        let copy = records.iter().find(|it| matches!(it, Record::Crash(_))).cloned();
        if let Some(Record::Crash(mut crash)) = copy {
            crash.id = format!("odd-{number}");
            crash.at = time::parse(at).expect("valid");
            odd.push(Record::Crash(crash));
        }
    }
    records.extend(odd);
    Record::sort_by_arrival(&mut records);
    let (judge, _) = fed(&records, 0);
    assert!(judge.findings().regressions.iter().filter_map(|it| it.blamed()).all(|it| it.id == "relay-118"));
}

#[test]
fn a_burst_is_said_within_seconds_and_not_when_the_minute_closes() {
    // A tenth of the fleet has run B for an hour; then one B after another dies, one a second.
    let fleet = Fleet { minutes: 12 * 60, base: 0.06, ..Fleet::default() };
    let steps = [(11 * 60, 0.1)];
    let mut dice = super::fleet::Dice::new(3);
    let shares = |minute: i64, _: usize| {
        let share = super::fleet::share_of(&steps, minute);
        vec![("A", 1.0 - share), ("B", share)]
    };
    let mut records = fleet.run(&mut dice, &shares, &|_| (1.0, vec![]));
    records.extend(fleet.push("relay-118", "B", "A", &steps));
    let first = fleet.at(12 * 60) + time::seconds(7);
    for second in 0..40 {
        let mut record = fleet.crash(&mut dice, 12 * 60, (second % 6) as usize, "B", "SIGSEGV | frame_decode");
        let at = first + time::seconds(second);
        if let Record::Crash(crash) = &mut record {
            (crash.at, crash.received_at, crash.host) = (at, at, Some(format!("b-{second}")));
        }
        records.push(record);
    }
    Record::sort_by_arrival(&mut records);
    let (_, said) = fed(&records, 0);
    let verdict = said.iter().find(|it| it.regression.blamed().is_some()).expect("a verdict before the minute is over");
    let took = (verdict.at - first).num_seconds();
    assert!((0..=20).contains(&took), "{took} s after the first crash");
    assert_eq!(verdict.regression.kind, Kind::Itself);
}

#[test]
fn a_releases_own_past_is_the_same_whether_it_was_asked_for_before_or_not() {
    let mut records = told(6);
    Record::sort_by_arrival(&mut records);
    let mut asked = Judge::default();
    for (number, record) in records.iter().enumerate() {
        asked.observe(record);
        if number % 500 == 0 {
            asked.baselines("relay", "production");
        }
    }
    let mut fresh = Judge::default();
    records.iter().for_each(|record| fresh.observe(record));
    let (asked, fresh) = (asked.baselines("relay", "production"), fresh.baselines("relay", "production"));
    assert_eq!(asked.len(), fresh.len());
    for (one, other) in asked.iter().zip(&fresh) {
        assert_eq!((&one.release, one.count), (&other.release, other.count));
        assert!((one.hours - other.hours).abs() < 1e-6 * other.hours, "{one:?} {other:?}");
    }
}
