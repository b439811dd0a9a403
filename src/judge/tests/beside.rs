//! A change that harms while trouble goes on that nobody is blamed for.

use super::{
    families::{PUSH, fleet, pushed, steps},
    fleet::heard,
};
use crate::{
    domain::finding::{Decision, Kind},
    judge::Guard,
};

/// Everything crashes ten times as often from an hour before a push on, and the pushed release so many times more often than that.
fn beside(seed: u64, times: f64) -> (Vec<(Kind, Option<String>, f64)>, Decision) {
    let mut records = pushed(&fleet(0.05), seed, &steps(), &|it| {
        let trouble = if it.minute >= PUSH - 60 { 10.0 } else { 1.0 };
        (trouble * if it.release == "B" { times } else { 1.0 }, vec![])
    });
    let (judge, said) = heard(&mut records);
    let gate = judge.gate("relay-118", records.last().expect("some").received_at(), &Guard::default());
    let found = judge.findings().regressions;
    assert!(said.iter().any(|it| it.regression.kind == Kind::Ambient), "seed {seed}: the trouble itself is said");
    let told = found.iter().filter(|it| it.withdrawn.is_none());
    let told = told.map(|it| (it.kind, it.blamed().map(|it| it.id.clone()), it.rate_ratio.estimate)).collect();
    (told, gate.expect("known").decision)
}

#[test]
fn harm_beside_trouble_that_nobody_is_blamed_for_is_not_taken_for_more_of_it() {
    for seed in 1..=3 {
        let (told, decision) = beside(seed, 8.0);
        let blamed = |it: &&(Kind, Option<String>, f64)| it.1.as_deref() == Some("relay-118");
        let harm = told.iter().find(blamed).unwrap_or_else(|| panic!("seed {seed}: {told:?}"));
        assert_eq!(harm.0, Kind::Itself, "seed {seed}: {told:?}");
        // Against what it would have crashed in that trouble, and not against a quiet day.
        assert!((4.0..14.0).contains(&harm.2), "seed {seed}: {told:?}");
        assert_eq!(decision, Decision::Stop, "seed {seed}: {told:?}");
        assert!(told.iter().any(|it| it.1.is_none()), "seed {seed}: the trouble stays nobody's, {told:?}");
    }
}

#[test]
fn trouble_that_goes_on_is_no_harm_by_a_push_that_begins_in_it() {
    for seed in 1..=3 {
        let (told, decision) = beside(seed, 1.0);
        assert!(told.iter().all(|it| it.1.is_none()), "seed {seed}: {told:?}");
        assert_ne!(decision, Decision::Stop, "seed {seed}: {told:?}");
    }
}
