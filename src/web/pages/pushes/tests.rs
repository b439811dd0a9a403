//! The page of the told story's push, from a database in which the story's people acted.

use super::{banner, facts::Facts, prices, recovery, steps};
use crate::{
    demo,
    domain::{Record, Time, time},
    flows::{change_push, import_history, mind_risk},
    judge::{Judge, Settings},
    store::{Actor, Store},
    story,
    web::Frame,
};
use std::sync::LazyLock;

fn now() -> Time {
    time::parse(demo::NOW).expect("valid")
}

/// The story's judge at the end of the story.
static JUDGE: LazyLock<Judge> = LazyLock::new(|| {
    let mut records = import_history::read_history(story::TOLD.as_bytes()).expect("the story is a history");
    Record::sort_by_arrival(&mut records);
    let mut judge = Judge::new(Settings::default());
    records.iter().for_each(|record| judge.observe(record));
    judge.pass(now());
    judge
});

fn told() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite:{}", folder.path().join("told.sqlite3").display())).expect("a database");
    demo::load(&store).expect("the story loads");
    (folder, store)
}

fn facts(store: &Store) -> Facts {
    Facts::load(store, "relay-118", now()).expect("the push is there").asked_of(&JUDGE, now())
}

fn frame() -> Frame {
    Frame::plain(now())
}

#[test]
fn each_step_says_what_was_known_then_and_what_it_went_past() {
    let (_folder, store) = told();
    let facts = facts(&store);
    let rows = steps::rows(&facts, &frame());
    let lines: Vec<(Option<&str>, &str)> = rows
        .iter()
        .filter_map(|row| match row {
            steps::Row::Step(step) => Some((step.known, step.detail.as_str())),
            steps::Row::Divider(_) => None,
        })
        .collect();
    let known: Vec<Option<&str>> = lines.iter().map(|line| line.0).collect();
    let (past, seen) = (Some("overrode"), Some("seen"));
    assert_eq!(known, [None, Some("undetected"), Some("detected"), seen, past, past, past]);
    assert_eq!(lines[0].1, "before the onset");
    assert_eq!(lines[3].1, "opened at 03:58");
    assert_eq!(lines[4].1, "the gate’s stop");
    assert_eq!(lines[5].1, "the hold of lee");
}

#[test]
fn a_divider_stands_before_the_first_step_that_came_after_it() {
    let (_folder, store) = told();
    let rows = steps::rows(&facts(&store), &frame());
    let place = |word: &str| {
        rows.iter().position(|row| matches!(row, steps::Row::Divider(text) if text.contains(word))).expect(word)
    };
    let step = |anchor: &str| {
        rows.iter().position(|row| matches!(row, steps::Row::Step(step) if step.anchor == anchor)).expect(anchor)
    };
    assert!(step("step-1") < place("onset") && place("onset") < step("step-2"));
    assert!(step("step-2") < place("detected") && place("detected") < step("step-3"));
    assert!(step("step-7") < place("ended"));
}

#[test]
fn an_extinction_is_never_said_to_be_a_recovery() {
    let (_folder, store) = told();
    let facts = facts(&store);
    let banners = banner::banners(&facts, &frame());
    assert_eq!(banners.len(), 1);
    assert!(banners[0].say.starts_with("This push cannot be closed as done: "), "{}", banners[0].say);
    assert!(banners[0].not_a_recovery.is_some() && banners[0].stops);
    assert!(facts.last_rate.is_some_and(|rate| rate > 100.0), "{:?}", facts.last_rate);
}

#[test]
fn paths_are_priced_from_what_was_known_before_the_step() {
    let (_folder, store) = told();
    let prices = prices::prices(&facts(&store), None, &frame()).expect("steps went on");
    let shares: Vec<Option<&str>> =
        prices.moments.iter().map(|it| it.costs.as_ref().map(|costs| costs.share.as_str())).collect();
    // The share just before each step is that of the step before; before detection nothing could be priced.
    assert_eq!(shares, [None, Some("5"), Some("10"), Some("25"), Some("50"), Some("75")]);
    assert_eq!(prices.before, "10 %");
    let last = prices::prices(&facts(&store), Some(6), &frame()).expect("steps went on");
    assert_eq!(last.before, "100 %");
}

#[test]
fn the_way_back_is_ticked_by_what_was_recorded_and_by_nothing_else() {
    let (_folder, store) = told();
    let done = |facts: &Facts| -> Vec<bool> {
        recovery::items(facts, &frame()).iter().map(|item| item.done.is_some()).collect()
    };
    assert_eq!(done(&facts(&store)), [false; 6]);
    let (lee, by) = ("lee@example.com", Actor::console());
    let id = facts(&store).blamed[0].finding.id.clone();
    mind_risk::take_risk(&store, &by, lee, &id, now()).expect("taken");
    change_push::mark_bad(&store, &by, lee, "relay-118", "kills A", now()).expect("marked");
    assert_eq!(done(&facts(&store)), [true, true, false, false, false, false]);
}

#[test]
fn the_steps_for_a_spreadsheet_have_a_cell_for_each_heading() {
    let (_folder, store) = told();
    let rows = steps::csv(&facts(&store));
    assert_eq!(rows.len(), 7);
    assert!(rows.iter().all(|row| row.len() == steps::HEADING.len()));
    let at = |name: &str| steps::HEADING.iter().position(|heading| *heading == name).expect(name);
    assert_eq!(rows[4][at("gate_asked")], "stop");
    assert_eq!(rows[2][at("gate_would_have_said")], "stop");
    assert_eq!(rows[0][at("known")], "");
}
