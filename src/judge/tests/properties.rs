//! What must hold of the judge whatever the history: the order of what comes together, what comes twice, units, idle cells, and that
//! nothing said is ever taken back or given an earlier date by what came later.

use super::fleet::{Dice, Fleet, share_of};
use crate::{
    domain::{Record, exposure::Exposure, finding::Findings, time},
    judge::{Judge, Said, Settings, replay},
};

const STEPS: [(i64, f64); 5] = [(600, 0.05), (645, 0.2), (690, 0.5), (735, 0.8), (780, 1.0)];

/// Fourteen hours in which B harms A by its share in the cell.
fn harmed(seed: u64) -> Vec<Record> {
    let fleet = Fleet { minutes: 14 * 60, base: 0.06, ..Fleet::default() };
    let mut dice = Dice::new(seed);
    let shares = |minute: i64, _: usize| {
        let share = share_of(&STEPS, minute);
        vec![("A", 1.0 - share), ("B", share)]
    };
    let mut records = fleet.run(&mut dice, &shares, &|it| match it.release {
        "A" => (1.0, vec![("SIGSEGV | frame_decode", 1.2 * it.share("B"))]),
        _ => (1.0, vec![]),
    });
    records.extend(fleet.push("relay-118", "B", "A", &STEPS));
    Record::sort_by_arrival(&mut records);
    records
}

fn said(records: &[Record]) -> Vec<Said> {
    let mut judge = Judge::new(Settings::default());
    let mut said = Vec::new();
    for record in records {
        judge.observe(record);
        said.extend(judge.said());
    }
    said
}

/// Everything that is said, but for the arithmetic behind it, where sums in another order round otherwise.
fn told(records: &[Record]) -> Vec<impl PartialEq + use<>> {
    said(records).into_iter().map(|it| (it.at, it.key, it.regression, it.continuations, it.gates)).collect()
}

/// The part of the findings that no rounding touches.
fn words(findings: &Findings) -> Vec<String> {
    let of = |it: &crate::domain::finding::Regression| {
        let suspects: Vec<String> = it.suspects.iter().map(|it| format!("{} {:.2}", it.id, it.probability)).collect();
        format!(
            "{} {:?} {} {} {} {suspects:?} {:?} {:?} {:.0}",
            it.id,
            it.signatures,
            it.kind.word(),
            time::text(it.onset.at),
            time::text(it.detected_at),
            it.ended_at,
            it.ended_because,
            it.excess_crashes.estimate
        )
    };
    findings.regressions.iter().map(of).collect()
}

#[test]
fn what_arrives_together_may_come_in_any_order() {
    let mut records = harmed(1);
    // Crashes and exposure are handed on in batches of seven minutes, as a slow collector does.
    let seven = 7 * 60;
    for record in &mut records {
        if matches!(record, Record::Crash(_) | Record::Exposure(_)) {
            let late = record.received_at().timestamp().rem_euclid(seven);
            record.set_received_at(record.received_at() + time::seconds(seven - late));
        }
    }
    Record::sort_by_arrival(&mut records);
    let expected = told(&records);
    assert!(!expected.is_empty());
    for seed in 1..=3 {
        let mut dice = Dice::new(seed);
        let mut shuffled = records.clone();
        for place in (1..shuffled.len()).rev() {
            let other = ((dice.unit() * 200.0) as usize).min(place);
            let (one, two) = (&shuffled[place], &shuffled[place - other]);
            let batched = |it: &Record| matches!(it, Record::Crash(_));
            let together = one.received_at() == two.received_at();
            if together && batched(one) && batched(two) {
                shuffled.swap(place, place - other);
            }
        }
        assert_ne!(shuffled, records, "something was moved");
        assert!(told(&shuffled) == expected, "shuffled with {seed}");
    }
}

#[test]
fn what_comes_twice_came_once() {
    let records = harmed(2);
    let twice: Vec<Record> = records.iter().flat_map(|it| [it.clone(), it.clone()]).collect();
    assert!(!replay(records.clone()).regressions.is_empty());
    assert_eq!(replay(twice), replay(records));
}

#[test]
fn units_of_exposure_change_nothing() {
    let records = harmed(3);
    let times = |factor: f64| -> Vec<Record> {
        let scaled = |it: &Record| match it {
            Record::Exposure(it) => Record::Exposure(Exposure { instances: it.instances * factor, ..it.clone() }),
            other => other.clone(),
        };
        records.iter().map(scaled).collect()
    };
    let plain = words(&replay(records.clone()));
    assert!(!plain.is_empty());
    // Powers of two, so that not even rounding differs.
    for factor in [64.0, 0.0078125] {
        assert_eq!(words(&replay(times(factor))), plain, "times {factor}");
    }
}

#[test]
fn a_cell_in_which_nothing_runs_changes_no_verdict() {
    let records = harmed(4);
    let idle = records.iter().filter_map(|it| match it {
        Record::Exposure(it) if it.cell == "cell-1" => {
            Some(Record::Exposure(Exposure { cell: "idle".into(), instances: 0.0, ..it.clone() }))
        }
        _ => None,
    });
    let with: Vec<Record> = records.iter().cloned().chain(idle).collect();
    let verdicts = |records: Vec<Record>| -> Vec<_> {
        let said = |it: &crate::domain::finding::Regression| {
            (it.kind, it.signatures.clone(), it.blamed().map(|it| it.id.clone()), it.onset.at, it.ended_because)
        };
        replay(records).regressions.iter().map(said).collect()
    };
    let plain = verdicts(records);
    assert!(!plain.is_empty());
    assert_eq!(verdicts(with), plain);
}

#[test]
fn a_history_cut_anywhere_says_the_same_up_to_there() {
    let records = harmed(5);
    let whole = said(&records);
    assert!(whole.len() > 5);
    let mut dice = Dice::new(1);
    for _ in 0..12 {
        let cut = (dice.unit() * records.len() as f64) as usize;
        let part = said(&records[..cut]);
        assert_eq!(part.as_slice(), &whole[..part.len()], "cut at {cut}");
        // And nothing is missing that could have been said by then.
        let now = records[..cut].last().map(Record::received_at);
        let due = whole.iter().filter(|it| now.is_some_and(|now| it.at < now - time::minutes(1))).count();
        assert!(part.len() >= due, "cut at {cut}: {} of {due}", part.len());
    }
}

#[test]
fn nothing_is_detected_before_its_evidence_came() {
    for seed in 6..=8 {
        let records = harmed(seed);
        let said = said(&records);
        assert!(!said.is_empty(), "seed {seed}");
        for it in said {
            let first = records.iter().find_map(|record| match record {
                Record::Crash(crash) if it.regression.signatures.contains(&crash.signature) => Some(crash.received_at),
                _ => None,
            });
            assert!(first.is_some_and(|first| first <= it.regression.detected_at), "{}", it.key);
            assert!(it.regression.onset.at <= it.regression.detected_at);
            assert!(it.regression.detected_at <= it.at);
        }
    }
}
