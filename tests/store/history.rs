//! The told story goes in, comes out the same, and is judged the same wherever it lies.

use super::{minute, read, record, tester};
use crate::support::{Engine, TestDatabase, at, on_both};
use pushback::{
    domain::{Record, crash::ReportKind, finding::Findings},
    flows::{
        Error,
        export_history::{all_records, to_lines},
        import_history::{Imported, import_history, read_history},
        take_telemetry::{Delivery, Keeper, Taken},
    },
    judge,
    store::{Store, StoreError, findings::ContinuationFilter, keeping::Examples, packing::Packer, reports::Report},
    story,
    workers::judge_live::Judging,
};

fn told() -> Vec<Record> {
    read_history(story::TOLD.as_bytes()).expect("the story is a history")
}

fn import(store: &Store, records: Vec<Record>) -> Result<Imported, Error> {
    import_history(store, &tester(), records, at("2026-03-03T07:42:00Z"))
}

#[test]
fn the_story_goes_through_both_engines_and_comes_back_the_same() {
    let mut lines: Vec<&str> = story::TOLD.lines().collect();
    lines.sort_unstable();
    let mut records = told();
    Record::sort_by_arrival(&mut records);
    let mut exports = Vec::new();
    for engine in Engine::BOTH {
        let (first, second) = (TestDatabase::new(engine), TestDatabase::new(engine));
        let store = first.open();
        let done = import(&store, told()).expect("imported");
        assert_eq!((done.lines, done.new, done.repeats), (lines.len(), lines.len(), 0));
        let again = import(&store, told()).expect("a repeat is no error");
        assert_eq!((again.new, again.repeats), (0, lines.len()), "{engine:?}");
        let export = to_lines(&all_records(&store).expect("exported"));
        let mut exported: Vec<&str> = export.lines().collect();
        exported.sort_unstable();
        assert!(exported == lines, "the export differs from the file on {engine:?}");
        let copy = second.open();
        import(&copy, read_history(export.as_bytes()).expect("a history")).expect("imported");
        assert!(
            to_lines(&all_records(&copy).expect("exported")) == export,
            "a second trip changes something on {engine:?}"
        );
        // The judge is a function of records in this order: the same records are judged the same.
        assert!(all_records(&store).expect("exported") == records, "the records differ on {engine:?}");
        exports.push(export);
    }
    assert!(exports[0] == exports[1], "the two engines export differently");
}

/// What stands in the database as found, without the ids, which the database gives out itself.
fn found(store: &Store) -> Findings {
    let mut regressions: Vec<_> = read(store, |read| read.regressions(100)).into_iter().map(|it| it.finding).collect();
    regressions.sort_by(|one, other| (one.detected_at, &one.service).cmp(&(other.detected_at, &other.service)));
    let continuations = read(store, |read| read.continuations(&ContinuationFilter::default()));
    without_ids(Findings {
        regressions,
        continuations: continuations.into_iter().map(|it| it.finding).collect(),
        gates: vec![],
    })
}

fn without_ids(mut findings: Findings) -> Findings {
    let onset = |findings: &Findings, id: &str| {
        let it = findings.regressions.iter().find(|it| it.id == id).expect("a continuation's regression");
        format!("{} {}", it.service, it.onset.at)
    };
    for number in 0..findings.continuations.len() {
        findings.continuations[number].regression =
            onset(&findings, &findings.continuations[number].regression.clone());
    }
    findings
        .continuations
        .sort_by(|one, other| (one.step_at, &one.regression).cmp(&(other.step_at, &other.regression)));
    findings.regressions.iter_mut().for_each(|it| it.id.clear());
    findings.gates.clear();
    findings
}

#[test]
fn what_the_live_judge_keeps_is_what_a_replay_finds() {
    let mut replayed = judge::replay(told());
    replayed
        .regressions
        .sort_by(|one, other| (one.detected_at, &one.service).cmp(&(other.detected_at, &other.service)));
    let replayed = without_ids(replayed);
    assert!(!replayed.regressions.is_empty() && !replayed.continuations.is_empty());
    on_both(|store| {
        import(store, told()).expect("imported");
        let clock = pushback::clock::Clock::starting_at(at("2026-03-03T07:43:05Z"));
        let (judging, thread) = Judging::start(store.clone(), clock).expect("the judge starts");
        assert!(judging.wait(std::time::Duration::from_secs(120)), "it reads the history");
        assert_eq!(found(store), replayed);
        judging.stop();
        thread.join().expect("the judge ends");
        let (judging, thread) = Judging::start(store.clone(), clock).expect("the judge starts again");
        assert!(judging.wait(std::time::Duration::from_secs(120)), "it reads the history again");
        assert_eq!(found(store), replayed, "a restart says nothing twice and nothing else");
        judging.stop();
        thread.join().expect("the judge ends");
    });
}

#[test]
fn a_file_with_one_bad_line_keeps_nothing_and_names_the_line_the_field_and_what_was_expected() {
    let good = r#"{"type":"note","at":"2026-03-03T01:00:00Z","actor":"dana@example.com","text":"hm"}"#;
    let cases = [
        (r#"{"type":"note","at":"2026-03-03T01:00:00","actor":"d","text":"x"}"#, "at"),
        (r#"{"type":"note","at":"2026-03-03T01:00:00Z","text":"x"}"#, "actor"),
        (r#"{"type":"nonsense"}"#, "type"),
        (r#"{"type":"crash","at":"2026-03-03T01:00:00Z","service":"relay"}"#, "id"),
        (
            r#"{"type":"exposure","service":"relay","release":"A","at":"2026-03-03T01:00:00Z","seconds":-1,"instances":1}"#,
            "seconds",
        ),
        (r#"{"type":"push_step","push":"p","at":"2026-03-03T01:00:00Z","actor":"d","action":"widen"}"#, "action"),
        ("not json", "line"),
    ];
    for (line, field) in cases {
        let file = format!("{good}\n\n{line}\n");
        let refusal = read_history(file.as_bytes()).expect_err(line).to_string();
        assert!(refusal.contains(&format!("Line 3, {field}: ")), "{refusal}");
    }
}

#[test]
fn an_import_is_kept_whole_or_not_at_all() {
    on_both(|store| {
        let start = r#"{"type":"push_started","push":"p1","service":"relay","release":"B","at":"2026-03-03T01:00:00Z","actor":"d"}"#;
        import(store, vec![record(start)]).expect("imported");
        let before = read(store, |read| read.ledger_head());
        let cases = [
            // An id that is taken by something else.
            vec![
                r#"{"type":"note","at":"2026-03-03T01:00:00Z","actor":"d","text":"x"}"#.to_owned(),
                start.replace("\"B\"", "\"C\""),
            ],
            // A step of a push that nobody began.
            vec![
                r#"{"type":"crash","id":"c1","service":"new","at":"2026-03-03T01:00:00Z","signature":"S"}"#.to_owned(),
                r#"{"type":"push_step","push":"p9","at":"2026-03-03T01:00:00Z","actor":"d","action":"advance"}"#
                    .to_owned(),
            ],
            // One id twice in one file.
            vec![start.replace("p1", "p2"), start.replace("p1", "p2").replace("\"B\"", "\"C\"")],
        ];
        for lines in cases {
            import(store, lines.iter().map(|line| record(line)).collect()).expect_err("refused");
            assert_eq!(all_records(store).expect("read").len(), 1, "{lines:?}");
            assert_eq!(read(store, |read| read.ledger_head()), before);
            assert!(read(store, |read| read.service("new")).is_none());
        }
    });
}

#[test]
fn deliveries_share_a_commit_and_each_is_told_what_became_of_it() {
    on_both(|store| {
        let crash = |id: &str, host: &str| {
            let line = format!(
                r#"{{"type":"crash","id":"{id}","service":"relay","at":"2026-03-03T01:00:00Z","signature":"S","host":"{host}"}}"#
            );
            match record(&line) {
                Record::Crash(it) => Report::whole(it, ReportKind::Crash, None, &Packer::default()).expect("it packs"),
                other => panic!("{other:?}"),
            }
        };
        let delivery = |reports| Delivery {
            service: "relay".into(),
            door: "envelope",
            reports,
            left_out: vec![("skipped transaction".into(), 3)],
            ..Delivery::default()
        };
        let written = Keeper::new(Examples::new(100)).take(
            store,
            &[
                delivery(vec![crash("c1", "h1"), crash("c2", "h1")]),
                delivery(vec![crash("c1", "h1")]),
                delivery(vec![crash("c1", "h2")]),
            ],
            minute(60),
        );
        let answers: Vec<Taken> = written.answers.into_iter().map(|answer| answer.expect("taken")).collect();
        let taken = |new, repeats, different| Taken { new, repeats, different };
        assert_eq!(answers, [taken(2, 0, 0), taken(0, 1, 0), taken(0, 0, 1)]);
        let outcomes = read(store, |read| read.outcomes("relay", minute(0)));
        let short: Vec<(&str, i64)> = outcomes.iter().map(|it| (it.reason.as_str(), it.reports)).collect();
        assert_eq!(short, [("crash", 2), ("id taken", 1), ("repeat", 1), ("skipped transaction", 9)]);
        assert!(read(store, |read| read.service("relay")).is_some(), "a service is created by its first use");
    });
}

#[test]
fn a_reader_sees_one_moment_however_long_it_reads() {
    on_both(|store| {
        let seen = store.read::<_, StoreError>(|read| {
            let before = read.setting("x")?;
            store.keep::<_, StoreError>(|tx| tx.set_setting("x", "1"))?;
            Ok((before, read.setting("x")?))
        });
        assert_eq!(seen.expect("read"), (None, None));
        assert_eq!(read(store, |read| read.setting("x")), Some("1".into()));
    });
}

#[test]
fn a_history_read_in_small_pages_is_the_same_history() {
    for engine in Engine::BOTH {
        let store = TestDatabase::told(engine).open();
        let whole = all_records(&store).expect("read");
        assert!(whole.len() > 1000);
        for page in [50, 333] {
            let paged = pushback::flows::export_history::records_by(&store, page).expect("read");
            assert!(paged == whole, "{page} at a time differ on {engine:?}");
        }
        let ever = at("2020-01-01T00:00:00Z");
        let end = read(&store, |read| read.arrivals_end(ever, 100)).expect("more than 100 arrived");
        let some = read(&store, |read| read.telemetry_received(ever, end));
        assert!((1..=200).contains(&some.len()) && some.iter().all(|it| it.received_at() < end));
        assert_eq!(read(&store, |read| read.arrivals_end(end, i64::from(u32::MAX))), None);
        let verified = read(&store, |read| read.verify_ledger()).expect("untouched");
        assert!(verified.size > 10);
        let said = store.read::<_, StoreError>(|read| read.ledger_head()).expect("a head").map(|(size, ..)| size);
        assert_eq!(said, i64::try_from(verified.size).ok());
    }
}
