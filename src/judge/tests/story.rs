//! The told story: version B kills every version A that it talks to, and is pushed faster until no A is left.

use super::fleet::{Dice, Fleet, share_of};
use crate::{
    domain::{
        Record,
        finding::{Decision, Ending, Findings, Kind, Known},
        time::{self, Time},
    },
    judge::{Judge, Said, Settings, replay},
};

/// Minutes after 06:00 of the day before; the push begins at 01:11.
const STEPS: [(i64, f64); 7] =
    [(1151, 0.01), (1199, 0.05), (1259, 0.10), (1329, 0.25), (1402, 0.50), (1430, 0.75), (1454, 1.0)];
const HARM: &str = "SIGSEGV | frame_decode | conn_read";

pub(super) fn told(seed: u64) -> Vec<Record> {
    let fleet = Fleet { minutes: 27 * 60, window: 1, ..Fleet::default() };
    let mut dice = Dice::new(seed);
    // The last step drains until 06:48.
    let share = |minute: i64| {
        if minute < 1454 { share_of(&STEPS, minute) } else { 0.75 + 0.25 * ((minute - 1454) as f64 / 34.0).min(1.0) }
    };
    let mut records =
        fleet.run(&mut dice, &|minute, _| vec![("A", 1.0 - share(minute)), ("B", share(minute))], &|it| {
            let outage = if (420..462).contains(&it.minute) { 6.0 } else { 1.0 };
            match it.release {
                "A" => (outage, vec![(HARM, 0.8 * it.share("B"))]),
                _ => (0.3 * outage, vec![]),
            }
        });
    records.extend(fleet.push("relay-118", "B", "A", &STEPS));
    let billing = Fleet { service: "billing".into(), cells: vec![12.0], ..Fleet::default() };
    let steps = [(1151, 0.1), (1210, 0.5), (1290, 1.0)];
    let one = |minute: i64| share_of(&steps, minute);
    records.extend(billing.run(
        &mut dice,
        &|minute, _| vec![("7.0", 1.0 - one(minute)), ("7.1", one(minute))],
        &|_| (1.0, vec![]),
    ));
    records.extend(billing.push("billing-77", "7.1", "7.0", &steps));
    let web = Fleet { service: "web".into(), ..Fleet::default() };
    records.push(web.flag("f-1", "blue-buttons", 1164, 0.0, 0.2));
    records.push(web.flag("f-2", "blue-buttons", 1360, 0.2, 0.5));
    records.push(fleet.declared(&["web"]));
    Record::sort_by_arrival(&mut records);
    records
}

fn clock(text: &str) -> Time {
    time::parse(&format!("2026-03-03T{text}:00Z")).expect("valid")
}

fn harm(findings: &Findings) -> &crate::domain::finding::Regression {
    findings.regressions.iter().find(|it| it.signatures.iter().any(|it| it == HARM)).expect("the harm is said")
}

#[test]
fn the_told_story_is_seen_before_the_third_step_and_is_not_called_a_recovery() {
    let mut early = 0;
    for seed in 1..=3 {
        let findings = replay(told(seed));
        let it = harm(&findings);
        assert_eq!(it.kind, Kind::Collateral, "seed {seed}");
        assert_eq!(it.blamed().map(|it| it.id.as_str()), Some("relay-118"), "seed {seed}");
        assert!(it.suspects[0].probability >= 0.9, "seed {seed}: {:?}", it.suspects);
        assert!(
            it.onset.earliest <= clock("01:12") && clock("01:11") <= it.onset.latest,
            "seed {seed}: {:?}",
            it.onset
        );
        assert!(it.onset.at <= it.detected_at);
        assert!(it.detected_at < clock("03:10"), "seed {seed}: {}", it.detected_at);
        early += u32::from(it.detected_at < clock("02:59"));
        assert_eq!(it.ended_because, Some(Ending::VictimsGone), "seed {seed}");
        let ended = it.ended_at.expect("ended");
        assert!(clock("06:45") <= ended && ended <= clock("06:55"), "seed {seed}: {ended}");
        assert_eq!(it.victims.iter().map(|it| it.release.as_str()).collect::<Vec<_>>(), ["A"], "seed {seed}");
        let steps = findings.continuations.iter().filter(|step| step.regression == it.id);
        let known: Vec<Known> = steps.map(|step| step.known).collect();
        assert_eq!(known.len(), 6, "seed {seed}");
        assert_eq!(known[0], Known::Undetected);
        assert_eq!(known[2..], [Known::Detected; 4]);
        let gates: Vec<Decision> =
            findings.gates.iter().filter(|gate| gate.push == "relay-118").map(|gate| gate.decision).collect();
        assert_eq!(gates.len(), 7);
        assert_eq!(gates[3..], [Decision::Stop; 4], "seed {seed}");
        assert!(
            !findings
                .regressions
                .iter()
                .any(|other| { other.blamed().is_some_and(|it| it.id != "relay-118") && other.withdrawn.is_none() })
        );
    }
    assert!(early >= 2, "seen before the 10 % step in {early} of 3");
}

#[test]
fn records_without_a_time_of_arrival_tell_the_same_story() {
    let prompt: Vec<Record> = told(4)
        .into_iter()
        .filter(|it| !matches!(it, Record::Service(_)))
        .map(|mut it| {
            let at = it.at().expect("all have one");
            it.set_received_at(at);
            it
        })
        .collect();
    let findings = replay(prompt);
    let it = harm(&findings);
    assert_eq!((it.kind, it.ended_because), (Kind::Collateral, Some(Ending::VictimsGone)));
    assert!(it.detected_at < clock("02:59"), "{}", it.detected_at);
    assert_eq!(it.suspects[0].id, "relay-118");
    assert_eq!(it.suspects.len(), 1, "a flag of a service that relay does not talk to is no suspect");
}

#[test]
fn what_is_said_live_is_what_a_replay_says_however_time_is_passed() {
    let records = told(1);
    let replayed = replay(records.clone());
    let mut live = Judge::new(Settings::default());
    let mut said: Vec<Said> = Vec::new();
    for (number, record) in records.iter().enumerate() {
        if number % 7 == 0 {
            live.pass(record.received_at());
        }
        live.observe(record);
        if number % 11 == 0 {
            said.extend(live.said());
        }
    }
    live.pass(records.last().expect("some").received_at() + time::minutes(1));
    said.extend(live.said());
    assert_eq!(live.findings(), replayed);
    for regression in &replayed.regressions {
        let last = said.iter().rfind(|said| said.regression.id == regression.id).expect("said");
        assert_eq!(last.regression.ended_because, regression.ended_because);
        assert!(live.evidence(&last.key).is_some_and(|it| !it.fits.is_empty()));
    }
}
