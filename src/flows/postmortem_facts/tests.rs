//! The facts of the told story, as its record gives them.

use super::*;
use crate::{
    demo,
    domain::{Record, finding::Known},
    flows::{import_history::read_history, incident},
    judge::Settings,
    store::{Actor, Store},
    story,
};

fn told() -> (tempfile::TempDir, Facts) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite:{}", folder.path().join("test.sqlite3").display())).expect("a database");
    demo::load(&store).expect("the story");
    let now = time::parse(demo::NOW).expect("valid");
    let mut judge = Judge::new(Settings::default());
    let mut records = read_history(std::io::BufReader::new(story::TOLD.as_bytes())).expect("the story's file");
    Record::sort_by_arrival(&mut records);
    for record in records.iter().filter(|record| record.received_at() <= now) {
        judge.observe(record);
    }
    judge.pass(now);
    let by = Actor { id: "lee".into(), auth: "test".into() };
    let all = store.read::<_, Error>(|read| Ok(read.regressions_blamed_on("relay-118")?)).expect("read");
    let it = incident::open_from_regression(&store, &by, "lee@example.com", &all[0].finding.id, now).expect("opened");
    let facts = store.read(|read| facts(read, &judge, &it, now)).expect("read").expect("a regression stands behind it");
    (folder, facts)
}

#[test]
fn the_told_story_says_what_was_known_when_and_never_calls_its_end_a_recovery() {
    let (_folder, facts) = told();
    assert!(facts.ran_out());
    let counted = |measure| facts.impact.iter().find(|row| row.measure == measure).expect("there").counted;
    assert_eq!(counted(Measure::Before) + counted(Measure::After), counted(Measure::Crashes));
    assert!(counted(Measure::After) > 5 * counted(Measure::Before), "most of it could have been known");
    assert_eq!(facts.times.stopped, None, "nobody ever stopped it");
    assert_eq!(facts.times.first_seen.as_ref().map(|(_, who)| who.as_str()), Some("dana@example.com"));
    assert_eq!(facts.times.first_hold.as_ref().map(|(_, who)| who.as_str()), Some("lee@example.com"));

    let known: Vec<Known> = facts.decisions.iter().map(|it| it.went_on.finding.known).collect();
    use Known::{Detected, Overrode, Seen, Undetected};
    assert_eq!(known, [Undetected, Detected, Seen, Overrode, Overrode, Overrode]);
    assert_eq!(facts.steps, 7);
    let first = &facts.decisions[0];
    assert!(first.ways.is_empty() && first.shown_for_minutes.is_none(), "nobody could have known: {first:?}");
    let rolled_back = |it: &Decision| it.ways.iter().find(|way| way.way == Way::RollingBack).map(|way| way.crashes);
    let back = rolled_back(&facts.decisions[1]).expect("worked out by then");
    let after = facts.decisions[1].went_on.finding.excess_crashes;
    assert!(back.high < after.low, "going back at 10 % would have cost next to nothing: {back:?} instead of {after:?}");
    assert!(facts.decisions.iter().any(|it| !it.words.is_empty()) && facts.decisions[4].holds.len() == 1);
}

#[test]
fn every_line_of_the_timeline_is_in_order_and_leads_to_its_record() {
    let (_folder, facts) = told();
    assert!(facts.lines.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let steps = facts.lines.iter().filter(|line| matches!(line.kind, LineKind::Step(..)));
    let entries: Vec<i64> = steps.map(|line| facts.entry(&line.source).expect("a step has an entry")).collect();
    assert_eq!(entries.len(), facts.steps);
    assert!(entries.windows(2).all(|pair| pair[0] < pair[1]), "{entries:?}");
    let has = |kind: &LineKind| facts.lines.iter().any(|line| line.kind == *kind);
    assert!(has(&LineKind::ImpactBegins) && has(&LineKind::ImpactEnds) && has(&LineKind::Held) && has(&LineKind::Note));
}
