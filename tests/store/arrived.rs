//! Reports that are only noted when they come, and counted a moment later.

use super::{
    keep, minute, read,
    reports::{crash, take, whole},
};
use crate::support::{Engine, TestDatabase, on_both};
use pushback::{
    domain::{
        Record, Time,
        crash::{Crash, ReportKind},
        time,
    },
    flows::take_telemetry::{Delivery, Keeper, Taken},
    store::{
        Store, StoreError,
        arrived::Noted,
        changes::Kept,
        keeping::{Examples, Memory},
        outcomes::Outcome,
        reports::Report,
        telemetry::RowsRead,
    },
};

fn counted(id: &str, at: i64) -> Report {
    Report::counted(crash(id, minute(at), "S"), ReportKind::Crash)
}

fn ids(records: &[Record]) -> Vec<&str> {
    let mut ids: Vec<&str> = records.iter().filter_map(Record::id).collect();
    ids.sort_unstable();
    ids
}

fn new(count: usize) -> Taken {
    Taken { new: count, ..Taken::default() }
}

/// Crashes of the signature, of the minutes, of the hours, and the marks of the reports.
fn sums(store: &Store) -> [i64; 4] {
    let signature = read(store, |read| read.signature("relay", "S")).map_or(0, |row| row.crashes);
    let minutes = read(store, |read| read.crash_minutes("relay", "production", minute(0), minute(99)));
    let hours = read(store, |read| read.signature_hours("relay", "S", minute(0)));
    let marks = read(store, |read| read.crashes_between("relay", "production", minute(0), minute(99))).len();
    [signature, minutes.iter().map(|it| it.crashes).sum(), hours.iter().map(|it| it.crashes).sum(), marks as i64]
}

#[test]
fn what_is_noted_is_read_at_once_and_counts_once_when_it_is_folded() {
    on_both(|store| {
        let mut keeper = Keeper::new(Examples::new(1));
        // One is kept whole; it comes again among those that are only noted, as does one of them.
        assert_eq!(take(&mut keeper, store, vec![whole(crash("w", minute(1), "S"))]), (new(1), 1));
        let some = vec![counted("a", 1), counted("b", 2), counted("a", 1), counted("w", 1)];
        assert_eq!(take(&mut keeper, store, some), (new(4), 0), "the judge hears of them when they are folded");
        assert_eq!(sums(store), [1, 1, 1, 3], "whoever reads reports finds them, each once");
        let received = read(store, |read| read.telemetry_received(minute(0), minute(9)));
        assert_eq!(ids(&received), ["a", "b", "w"]);
        assert_eq!(ids(&read(store, |read| read.telemetry_received(minute(2), minute(9)))), ["b"]);

        let folded = keeper.fold(store, minute(60)).expect("folded");
        assert_eq!((folded.reports, ids(&folded.fresh.records)), (4, vec!["a", "b"]));
        assert_eq!(sums(store), [3, 3, 3, 3]);
        assert_eq!(ids(&read(store, |read| read.telemetry_received(minute(0), minute(9)))), ["a", "b", "w"]);
        let outcome = |reason: &str, reports| Outcome {
            service: "relay".into(),
            door: "envelope".into(),
            reason: reason.into(),
            reports,
        };
        let outcomes = read(store, |read| read.outcomes("relay", minute(0)));
        assert_eq!(outcomes, [outcome("crash", 3), outcome("repeat", 2)]);

        // What comes again later is known, whichever way it comes.
        take(&mut keeper, store, vec![counted("b", 2), counted("c", 3)]);
        assert_eq!(take(&mut keeper, store, vec![whole(crash("b", minute(2), "S"))]).0.repeats, 1);
        assert_eq!(ids(&keeper.fold(store, minute(60)).expect("folded").fresh.records), ["c"]);
        assert_eq!(keeper.fold(store, minute(60)).expect("nothing is left").reports, 0);
        assert_eq!(sums(store), [4, 4, 4, 4]);
    });
}

#[test]
fn ids_are_noted_by_the_second_that_their_senders_wrote_and_a_retry_is_known_whenever_it_comes() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let store = database.open();
        let mut keeper = Keeper::new(Examples::new(1));
        let said = |report: Report, second: i64| report.claiming(Some(minute(0) + time::seconds(second)));
        assert_eq!(take(&mut keeper, &store, vec![said(whole(crash("w", minute(1), "S")), 1)]), (new(1), 1));
        take(&mut keeper, &store, vec![said(counted("a", 1), 1), said(counted("b", 1), 2), said(counted("a", 1), 1)]);
        assert_eq!(ids(&keeper.fold(&store, minute(60)).expect("folded").fresh.records), ["a", "b"]);
        // By the two seconds that they said, and by the one that all three are told with.
        let noted = database.texts("select distinct cast(id / 18014398509481984 as text) as t from counted");
        assert_eq!((noted.len(), database.texts("select 'it' as t from counted").len()), (3, 6));

        // Whatever is made of its time later; and so for whoever remembers nothing.
        let mut fresh = Keeper::new(Examples::new(1));
        let late = vec![said(whole(crash("a", minute(9), "S")), 1), said(whole(crash("w", minute(1), "S")), 1)];
        assert_eq!(take(&mut fresh, &store, late).0.repeats, 2);
        let other = Crash { host: Some("another".into()), ..crash("w", minute(1), "S") };
        assert_eq!(take(&mut fresh, &store, vec![said(whole(other), 1)]).0.different, 1);
        take(&mut fresh, &store, vec![said(counted("w", 7), 1), said(counted("b", 7), 2)]);
        assert_eq!(sums(&store), [3; 4], "before they are folded");
        assert_eq!(fresh.fold(&store, minute(60)).expect("folded").fresh.records, []);

        // The same id with another time is another report, of which the first is opened.
        let again = Crash { environment: "staging".into(), ..crash("w", minute(3), "T") };
        assert_eq!(take(&mut fresh, &store, vec![said(whole(again), 3)]).0.new, 1);
        assert_eq!(read(&store, |read| read.crash("relay", "w")).expect("kept").crash.at, minute(1));

        // They go with their reports.
        assert_eq!(database.texts("select 'it' as t from counted").len(), 8);
        assert_eq!(keep(&store, |tx| tx.drop_blocks(minute(99), 1_000)), 1);
        assert_eq!(keep(&store, |tx| tx.drop_reports(minute(99), 1_000)), 2);
        assert!(database.texts("select 'it' as t from counted").is_empty());
    }
}

#[test]
fn what_comes_back_in_a_history_is_known_whatever_its_sender_said_of_the_time() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let store = database.open();
        let mut keeper = Keeper::new(Examples::new(9));
        // One that was believed, one that was not, and one that said nothing; of each a whole one and one that is only counted.
        let claims = [Some(minute(5)), Some(minute(500_000) + time::seconds(7)), None];
        for (number, claimed) in claims.into_iter().enumerate() {
            let whole = whole(crash(&format!("whole-{number}"), minute(5), "S")).claiming(claimed);
            let counted = counted(&format!("counted-{number}"), 5).claiming(claimed);
            take(&mut keeper, &store, vec![whole, counted]);
        }
        assert_eq!(keeper.fold(&store, minute(60)).expect("folded").fresh.records.len(), 3);
        assert_eq!(database.texts("select 'it' as t from counted").len(), 6 + 2);

        for it in read(&store, |read| read.everything_received(minute(0), Time::MAX_UTC)) {
            let Record::Crash(it) = it else { panic!("{it:?}") };
            let kept = keep(&store, |tx| tx.keep_crash(&it, ReportKind::Crash, None));
            assert_ne!(kept, Kept::New, "{} is there already", it.id);
        }
        let alone = |id: &str| read(&store, |read| read.crash_by_id_alone("relay", id)).map(|it| it.crash.id);
        assert_eq!([0, 1, 2].map(|it| alone(&format!("whole-{it}"))), [None, None, Some("whole-2".to_owned())]);
        let opened = (0..3).filter_map(|it| read(&store, |read| read.crash("relay", &format!("whole-{it}"))));
        assert_eq!(opened.count(), 3);

        // They go with their reports.
        assert_eq!(keep(&store, |tx| tx.drop_blocks(minute(99), 1_000)), 1);
        assert_eq!(keep(&store, |tx| tx.drop_reports(minute(99), 1_000)), 3);
        assert!(database.texts("select 'it' as t from counted").is_empty());
    }
}

#[test]
fn many_are_folded_part_by_part_and_every_row_of_counted_reports_is_full() {
    on_both(|store| {
        let mut keeper = Keeper::new(Examples::new(1));
        for part in 0..3 {
            let reports = (0..2_000).map(|number| counted(&format!("c{part}-{number}"), number % 5)).collect();
            take(&mut keeper, store, reports);
        }
        let parts: Vec<usize> = (0..4).map(|_| keeper.fold(store, minute(60)).expect("folded").reports).collect();
        assert_eq!(parts.iter().sum::<usize>(), 6_000, "{parts:?}");
        let whole = parts.iter().take_while(|part| **part > 0);
        assert!(whole.clone().all(|part| part % 2_000 == 0) && parts[3] == 0, "commits are folded whole: {parts:?}");
        assert_eq!(sums(store), [6_000; 4]);
        // Whoever reads the last minutes again and again is told only what is new.
        let mut rows = RowsRead::default();
        let anew = |rows: &mut RowsRead| read(store, |read| read.telemetry_anew(minute(0), minute(99), rows)).len();
        assert_eq!((anew(&mut rows), anew(&mut rows)), (6_000, 0));
        take(&mut keeper, store, vec![counted("late", 4)]);
        assert_eq!((anew(&mut rows), anew(&mut rows)), (1, 1), "what is not folded is no row yet");
        let fresh = keeper.fold(store, minute(60)).expect("folded").fresh;
        let grown = 6_001 % 1_024;
        // Who was told of a report by the node that folded it reads neither its row nor what the node has yet to fold.
        let (mut told, (node, written)) = (rows.clone(), fresh.rows.expect("rows"));
        told.know(node, written.clone(), minute(0));
        assert_eq!((fresh.records.len(), anew(&mut told)), (1, 0));
        assert_eq!((anew(&mut rows), anew(&mut rows)), (grown, 0), "the row that grew is read again");
        // So it is for who has read it all part by part, until that is forgotten.
        let mut begun = RowsRead::default();
        let mut part = |from, before| read(store, |read| read.telemetry_noted(minute(from), before, &mut begun)).len();
        assert_eq!(part(0, minute(3)) + part(3, Time::MAX_UTC), 6_001);
        assert_eq!(anew(&mut begun), 0);
        begun.forget(minute(99));
        assert_eq!(anew(&mut begun), 6_001);
        let mut other = Keeper::new(Examples::new(1));
        take(&mut keeper, store, vec![counted("later", 4)]);
        take(&mut other, store, vec![counted("elsewhere", 4)]);
        assert_eq!((anew(&mut told), anew(&mut rows)), (1, 2));
        assert_eq!(keeper.fold(store, minute(60)).expect("folded").reports, 1);
        assert_eq!(anew(&mut told), grown + 1 + 1, "of a row that grew nobody was told");
        assert_eq!(other.fold(store, minute(60)).expect("folded").reports, 1);
        let held = 6_003_usize;
        assert_eq!(keep(store, |tx| tx.drop_blocks(minute(99), 1_000)), held.div_ceil(1_024) + 1);
        assert_eq!(sums(store), [6_003, 6_003, 6_003, 0]);
    });
}

#[test]
fn parts_of_what_arrived_are_of_about_as_many_reports_as_asked_however_many_share_a_row() {
    on_both(|store| {
        let mut keeper = Keeper::new(Examples::new(1));
        let ever = minute(-1);
        take(&mut keeper, store, (0..6_000).map(|number| counted(&format!("c{number}"), number / 700)).collect());
        while keeper.fold(store, minute(60)).expect("folded").reports > 0 {}
        let end = read(store, |read| read.arrivals_end(ever, 2_000));
        assert_eq!(end, Some(minute(2)), "two rows of 1,024 are more than that");
        assert_eq!(read(store, |read| read.telemetry_received(ever, minute(2))).len(), 1_400);
        assert_eq!(read(store, |read| read.arrivals_end(ever, 6_000)), None);
        // Each of these has a row of its own.
        take(&mut keeper, store, (1..500).map(|number| counted(&format!("r{number}"), 100 + number * 11)).collect());
        while keeper.fold(store, minute(9_999)).expect("folded").reports > 0 {}
        let end = read(store, |read| read.arrivals_end(minute(50), 20_000)).expect("a part of them");
        let part = read(store, |read| read.telemetry_received(minute(50), end)).len();
        assert!((100..=499).contains(&part), "{part}");
    });
}

#[test]
fn what_a_node_left_behind_is_folded_once_by_whoever_finds_it() {
    on_both(|store| {
        let (mut gone, mut here) = (Keeper::new(Examples::new(1)), Keeper::new(Examples::new(1)));
        take(&mut gone, store, vec![counted("a", 1), counted("b", 2)]);
        take(&mut here, store, vec![counted("c", 2)]);
        let soon = minute(2) + pushback::domain::time::seconds(10);
        assert_eq!(here.fold_left_behind(store, false, soon).expect("looked"), 0, "it may still come to it");
        assert_eq!(here.fold_left_behind(store, false, minute(3)).expect("folded"), 2);
        assert_eq!(gone.fold(store, minute(3)).expect("it was not gone").reports, 0);
        assert_eq!(sums(store), [2, 2, 2, 3], "its own wait for their time");
        assert_eq!(gone.fold_left_behind(store, true, minute(2)).expect("all"), 1);
        assert_eq!(sums(store), [3; 4]);
    });
}

#[test]
fn a_row_that_cannot_be_read_stays_and_keeps_no_other_from_being_counted() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let store = database.open();
        let mut keeper = Keeper::new(Examples::new(1));
        for id in ["a", "b", "c"] {
            take(&mut keeper, &store, vec![counted(id, 1)]);
        }
        let zero = if engine == Engine::Sqlite { "x'00'" } else { "'\\x00'" };
        database.batch(&format!("update arrived set body = {zero} where number = 1")).expect("broken");
        let folded: Vec<usize> = (0..3).map(|_| keeper.fold(&store, minute(60)).expect("folded").reports).collect();
        assert_eq!(folded, [1, 1, 0]);
        assert_eq!(read(&store, |read| read.signature("relay", "S")).expect("counted").crashes, 2);
        assert_eq!(database.texts("select cast(number as text) as t from arrived"), ["1"], "nothing is thrown away");
        assert!(Keeper::new(Examples::new(1)).fold_left_behind(&store, true, minute(60)).is_ok());
        // What could never be folded is not taken, and costs nobody else.
        let nul = Report::counted(
            pushback::domain::crash::Crash { host: Some("\0".into()), ..crash("nul", minute(1), "S") },
            ReportKind::Crash,
        );
        let delivery = |report| Delivery {
            service: "relay".into(),
            door: "envelope",
            reports: vec![report],
            ..Delivery::default()
        };
        let written = keeper.take(&store, &[delivery(nul), delivery(counted("d", 1))], minute(60));
        assert!(written.answers[0].is_err() && written.answers[1].is_ok(), "{:?}", written.answers);
        assert_eq!(keeper.fold(&store, minute(60)).expect("folded").reports, 1);
    }
}

#[test]
fn a_nodes_rows_are_taken_in_their_order_and_by_one_at_a_time() {
    on_both(|store| {
        let reports: Vec<Report> = ["a", "b"].iter().map(|id| counted(id, 1)).collect();
        let note = |node, number, reports: &[(&str, &Report)]| {
            let noted = Noted::of(node, number, reports).expect("no NUL");
            keep(store, |tx| tx.note_arrived(&noted));
            noted.next()
        };
        let noted = |number, report| note(7, number, &[("envelope", report)]);
        assert_eq!((noted(3, &reports[0]), noted(5, &reports[1])), (4, 6));
        let twice: Vec<(&str, &Report)> = vec![("envelope", &reports[0]), ("store", &reports[1])];
        assert_eq!(note(8, 0, &twice), 2, "each door has a row");
        assert_eq!(read(store, |read| read.first_arrived(7, 4)), Some(5));
        let mut nodes = read(store, |read| read.nodes_of_arrived(Time::MAX_UTC));
        nodes.sort_unstable();
        assert_eq!((nodes, read(store, |read| read.nodes_of_arrived(minute(0)))), (vec![7, 8], vec![]));
        let taken = read(store, |read| read.arrived(7, 0, 1));
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].service.as_str(), taken[0].door.as_str()), ("relay", "envelope"));
        assert_eq!((taken[0].number, taken[0].reports[0].crash.id.as_str()), (3, "a"));
        keep(store, |tx| tx.drop_arrived(&taken));
        let gone = store.keep::<_, StoreError>(|tx| tx.drop_arrived(&taken));
        assert!(matches!(gone, Err(StoreError::Busy)), "somebody else folds it: {gone:?}");
        keep(store, |tx| tx.ensure_service("relay", "key", minute(0)).map(drop));
        let (memory, twice) = (Memory::new(Examples::new(1)), [&reports[1], &reports[1]]);
        let count = |again: bool| {
            let ready = read(store, |read| read.prepare_to_count(&twice, &memory));
            assert_eq!(ready.kept(), [Kept::New, Kept::Repeat]);
            let counted = keep(store, |tx| tx.count_reports(&ready, &memory));
            assert_eq!(counted.is_some(), again, "it is told where that is not what became of them");
            counted.unwrap_or_else(|| ready.into_counted()).kept
        };
        assert_eq!((count(false), count(true)), (vec![Kept::New, Kept::Repeat], vec![Kept::Repeat; 2]));
        assert_eq!(read(store, |read| read.signature("relay", "S")).expect("counted").crashes, 1);
    });
}
