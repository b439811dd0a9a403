//! What is not said at once: stops by crashes that are usual, and the end of an outage beside a push.

use super::{
    families::{NEW, PUSH, fleet, pushed, rate, steps},
    fleet::{Fleet, heard},
};
use crate::{
    domain::{
        Record,
        finding::{Decision, Ending, Kind},
        time::Time,
    },
    judge::{Guard, Judge, Said, Settings},
};

#[test]
fn a_stop_needs_an_alarm_and_usual_crashes_stop_a_push_only_after_blame_has_stood_for_a_while() {
    let when = |usual: bool, seed: u64| {
        let mut records = pushed(&fleet(0.05), seed, &steps(), &|it| match (it.release, usual) {
            ("B", true) => (8.0, vec![]),
            ("B", false) => (1.0, vec![(NEW, 1.0 * rate())]),
            _ => (1.0, vec![]),
        });
        Record::sort_by_arrival(&mut records);
        let mut judge = Judge::new(Settings::default());
        let (mut blamed, mut alarmed, mut stopped) = (None, None, None);
        for record in &records {
            judge.observe(record);
            let now = record.received_at();
            let blames = |it: &&Said| it.regression.suspects.first().is_some_and(|it| it.id == "relay-118");
            for said in judge.said().iter().filter(blames) {
                blamed = blamed.or(Some(now));
                alarmed = alarmed.or((!said.evidence.short_of_alarm).then_some(now));
            }
            if blamed.is_some() {
                let answer = judge.gate("relay-118", now, &Guard::default()).expect("known");
                assert_ne!(answer.decision, Decision::Go, "seed {seed}");
                if answer.decision == Decision::Stop {
                    stopped = Some(now);
                    break;
                }
            }
        }
        let minutes = |one: Option<Time>| (stopped.expect("stopped") - one.expect("said")).num_minutes();
        (minutes(blamed), minutes(alarmed))
    };
    let mut waited = 0;
    for seed in 1..=3 {
        let (usual, new) = (when(true, seed), when(false, seed));
        assert!((4..=40).contains(&usual.0), "seed {seed}: {usual:?} minutes");
        assert!(new.1 < 1, "seed {seed}: stopped {new:?} minutes after blame and alarm");
        waited += i32::from(new.0 > new.1);
    }
    assert!(waited > 0, "none was blamed before its alarm, so that none of these shows that a stop waits for it");
}

#[test]
fn a_short_quiet_of_an_outage_beside_a_push_is_not_called_its_end() {
    // An outage of ten minutes while a push moves on, and the same some hours before it.
    let outage = |from: i64, seed: u64| {
        let mut records = pushed(&fleet(0.2), seed, &steps(), &|it| {
            (if (from..from + 10).contains(&it.minute) { 60.0 } else { 1.0 }, vec![])
        });
        let (_, said) = heard(&mut records);
        let ended = said.iter().find(|it| it.regression.ended_because == Some(Ending::Subsided)).expect("subsided");
        (ended.at - ended.regression.ended_at.expect("ended")).num_minutes()
    };
    for seed in 1..=3 {
        let (beside, alone) = (outage(PUSH + 60, seed), outage(PUSH - 200, seed));
        assert!(beside >= 60, "seed {seed}: {beside} minutes");
        assert!(alone < 60, "seed {seed}: {alone} minutes");
    }
}

#[test]
fn crashes_that_never_were_before_have_not_subsided_while_a_push_goes_on() {
    // The same new signature everywhere for ten minutes, while a push moves on and some hours before it.
    let outage = |from: i64, seed: u64| {
        let mut records = pushed(&fleet(0.05), seed, &steps(), &|it| {
            (1.0, if (from..from + 10).contains(&it.minute) { vec![(NEW, 2.0 * rate())] } else { vec![] })
        });
        let (judge, mut said) = heard(&mut records);
        said.retain(|it| it.regression.signatures == [NEW]);
        assert!(said.iter().all(|it| it.regression.kind == Kind::Ambient), "seed {seed}: {said:?}");
        let last = said.last().expect("said").clone();
        (last, judge.gate("relay-118", records.last().expect("some").received_at(), &Guard::default()))
    };
    for seed in 1..=3 {
        let (beside, gate) = outage(PUSH + 60, seed);
        assert_eq!(beside.regression.ended_because, None, "seed {seed}");
        let reasons = gate.expect("known").reasons;
        assert!(!reasons.contains(&beside.regression.id), "seed {seed}: it is quiet, {reasons:?}");
        assert_eq!(outage(PUSH - 300, seed).0.regression.ended_because, Some(Ending::Subsided), "seed {seed}");
    }
}

#[test]
fn trouble_that_nobody_is_blamed_for_is_not_a_push_s_because_it_lasts() {
    // A usual kind of crash comes more often after the push is through, and a day later still does. Twelve hours after its begin the push is no longer
    // on trial, and the past is read further.
    for seed in 1..=3 {
        let long = Fleet { minutes: PUSH + 22 * 60, ..fleet(0.05) };
        let mut records = pushed(&long, seed, &steps(), &|it| {
            let usual = if it.minute >= PUSH + 400 { 0.3 } else { 0.05 };
            (1.0, vec![(NEW, usual * rate())])
        });
        let (judge, said) = heard(&mut records);
        let nobody = |it: &&Said| it.regression.kind == Kind::Ambient && it.regression.blamed().is_none();
        assert!(
            said.iter().any(|it| nobody(&it)),
            "seed {seed}: {:?}",
            said.iter()
                .map(|it| (it.at, it.regression.kind, it.regression.blamed().map(|it| it.probability)))
                .collect::<Vec<_>>()
        );
        let blames = said.iter().find(|it| !nobody(it));
        assert!(blames.is_none(), "seed {seed}: {blames:#?}");
        let gate = judge.gate("relay-118", records.last().expect("some").received_at(), &Guard::default());
        assert_ne!(gate.expect("known").decision, Decision::Stop, "seed {seed}");
    }
}
