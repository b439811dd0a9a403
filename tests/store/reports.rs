//! A few reports of each kind are kept whole, all of them are counted, each once, whatever is remembered between batches.

use super::{keep, minute, read, record};
use crate::support::{Engine, TestDatabase, on_both};
use pushback::{
    domain::{
        Record, Time,
        crash::{Crash, ReportKind},
        time,
    },
    flows::{
        prune_telemetry::{Retention, prune_telemetry},
        take_telemetry::{Delivery, Keeper, Taken, train_dictionary, wants_dictionary},
    },
    store::{
        Store, StoreError,
        changes::Kept,
        keeping::{Examples, Memory},
        packing::{Dictionary, Packer},
        reports::Report,
    },
};

pub fn crash(id: &str, at: Time, signature: &str) -> Crash {
    let line = format!(
        r#"{{"type":"crash","id":"{id}","at":"{}","service":"relay","release":"A","cell":"eu-1","host":"h-{id}","signature":"{signature}","clients_dropped":2,"peer_release":"B","exception":{{"type":"SIGSEGV","value":"at {id}"}}}}"#,
        time::text(at)
    );
    match record(&line) {
        Record::Crash(it) => it,
        other => panic!("{other:?}"),
    }
}

pub fn whole(it: Crash) -> Report {
    Report::whole(it, ReportKind::Crash, Some(r#"{"os":"Debian"}"#), &Packer::default()).expect("it packs")
}

pub fn take(keeper: &mut Keeper, store: &Store, reports: Vec<Report>) -> (Taken, usize) {
    let delivery = Delivery { service: "relay".into(), door: "envelope", reports, ..Delivery::default() };
    let mut written = keeper.take(store, &[delivery], minute(60));
    (written.answers.remove(0).expect("taken"), written.records.len())
}

fn new(count: usize) -> Taken {
    Taken { new: count, ..Taken::default() }
}

#[test]
fn a_few_of_each_signature_release_and_hour_are_kept_whole_and_all_are_counted_once() {
    on_both(|store| {
        let mut keeper = Keeper::new(Examples::new(3));
        let some = |from: usize, to: usize, at: Time| {
            (from..to).map(|number| whole(crash(&format!("c{number}"), at, "S"))).collect::<Vec<_>>()
        };
        assert_eq!(take(&mut keeper, store, some(0, 5, minute(1))), (new(5), 5));
        assert_eq!(take(&mut keeper, store, some(5, 9, minute(2))), (new(4), 4));
        // The next hour and another release have room of their own.
        assert_eq!(take(&mut keeper, store, some(9, 11, minute(61))), (new(2), 2));
        let other = Crash { release: Some("B".into()), ..crash("b1", minute(2), "S") };
        assert_eq!(take(&mut keeper, store, vec![whole(other)]), (new(1), 1));
        // Whoever remembers nothing knows all the same what is here; what was only counted is known by its id alone.
        let mut fresh = Keeper::new(Examples::new(3));
        assert_eq!(
            take(&mut fresh, store, some(0, 9, minute(2))),
            (Taken { repeats: 6, different: 3, ..Taken::default() }, 0)
        );
        assert_eq!(take(&mut fresh, store, some(20, 22, minute(3))), (new(2), 2));

        let row = read(store, |read| read.signature("relay", "S")).expect("a signature");
        assert_eq!((row.crashes, row.clients, row.first_at, row.last_at), (14, 28, minute(1), minute(61)));
        assert!(read(store, |read| read.crash("relay", &row.last_id)).is_some(), "the example can be opened");
        let kept = read(store, |read| read.reports_of("relay", "S", 100));
        assert_eq!(kept.len(), 3 + 2 + 1);
        assert!(kept.iter().all(|mark| mark.is_whole));
        let marks = read(store, |read| read.crashes_between("relay", "production", minute(0), minute(100)));
        assert_eq!(marks.len(), 14);
        assert!(marks.is_sorted_by_key(|mark| mark.at));
        let counted: Vec<&str> = marks.iter().filter(|mark| !mark.is_whole).map(|mark| mark.id.as_str()).collect();
        assert_eq!(counted.len(), 8);
        assert!(counted.contains(&"c8") && counted.contains(&"c21"));
        let found = marks.iter().find(|mark| mark.id == "c8").expect("counted");
        assert_eq!((found.host.as_deref(), found.clients_dropped, found.at), (Some("h-c8"), Some(2), minute(2)));

        let minutes = read(store, |read| read.crash_minutes("relay", "production", minute(0), minute(100)));
        assert_eq!(minutes.iter().map(|it| it.crashes).sum::<i64>(), 14);
        assert_eq!(minutes.iter().map(|it| it.clients).sum::<i64>(), 28);
        let hours = read(store, |read| read.signature_hours("relay", "S", minute(0)));
        assert_eq!(
            hours.iter().map(|it| (it.crashes, it.handled)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
            (14, 0)
        );
    });
}

#[test]
fn what_is_only_counted_is_judged_and_exported_like_the_rest() {
    on_both(|store| {
        let mut keeper = Keeper::new(Examples::new(1));
        let reports = (0..4).map(|number| whole(crash(&format!("c{number}"), minute(number), "S"))).collect();
        take(&mut keeper, store, reports);
        let judged = |record: &Record| match record {
            Record::Crash(it) => (it.id.clone(), it.at, it.peer_release.clone(), it.host.clone()),
            other => panic!("{other:?}"),
        };
        let expected: Vec<_> = (0..4)
            .map(|number| (format!("c{number}"), minute(number), Some("B".to_owned()), Some(format!("h-c{number}"))))
            .collect();
        for mut found in [
            read(store, |read| read.telemetry_received(minute(0), minute(9))),
            read(store, |read| read.everything_received(minute(0), Time::MAX_UTC)),
        ] {
            Record::sort_by_arrival(&mut found);
            assert_eq!(found.iter().map(judged).collect::<Vec<_>>(), expected);
        }
        let since = read(store, |read| read.telemetry_received(minute(2), minute(9)));
        assert_eq!(since.len(), 2);
    });
}

#[test]
fn what_is_remembered_saves_reading_and_nothing_else() {
    on_both(|store| {
        let mut memory = Memory::new(Examples::new(1));
        keep(store, |tx| tx.ensure_service("relay", "key", minute(0)).map(drop));
        let next = |memory: &Memory, id: &str| {
            let report = whole(crash(id, minute(0), "S"));
            let (kept, learned) = keep(store, |tx| tx.keep_reports(&[&report], memory));
            assert_eq!(kept, [Kept::New]);
            learned
        };
        let learned = next(&memory, "c0");
        assert_eq!(learned.whole, 1);
        memory.learn(learned);
        let learned = next(&memory, "c1");
        assert_eq!(learned.whole, 0);
        memory.learn(learned);
        memory.forget();
        assert_eq!(next(&memory, "c2").whole, 0);
        assert_eq!(read(store, |read| read.report_texts(9)).len(), 1);
    });
}

#[test]
fn a_batch_that_fails_is_not_remembered() {
    on_both(|store| {
        let mut keeper = Keeper::new(Examples::new(1));
        take(&mut keeper, store, vec![whole(crash("c0", minute(0), "S")), whole(crash("c1", minute(0), "S"))]);
        let delivery = |reports| Delivery { service: "relay".into(), door: "envelope", reports, ..Delivery::default() };
        // A NUL is text that PostgreSQL does not keep; on SQLite the row is as good as any.
        let bad = Crash { host: Some("\0".into()), ..crash("bad", minute(0), "T") };
        let batch = [delivery(vec![whole(bad)]), delivery(vec![whole(crash("c2", minute(0), "S"))])];
        let written = keeper.take(store, &batch, minute(60));
        assert!(written.answers[1].is_ok(), "one bad row costs only itself: {:?}", written.answers);
        assert_eq!(take(&mut keeper, store, vec![whole(crash("c2", minute(0), "S"))]).0.repeats, 1);
        assert_eq!(take(&mut keeper, store, vec![whole(crash("c3", minute(0), "S"))]).0.new, 1);
        let row = read(store, |read| read.signature("relay", "S")).expect("a signature");
        assert_eq!(row.crashes, 4);
        let marks = read(store, |read| read.crashes_between("relay", "production", minute(0), minute(1)));
        assert_eq!(marks.iter().filter(|mark| mark.signature == "S").count(), 4);
    });
}

#[test]
fn rows_of_counted_reports_are_filled_and_dropped_with_their_ids_when_they_are_old() {
    on_both(|store| {
        let mut keeper = Keeper::new(Examples::new(1));
        for hour in 0..3 {
            let reports =
                (0..1_200).map(|number| whole(crash(&format!("c{hour}-{number}"), minute(60 * hour), "S"))).collect();
            take(&mut keeper, store, reports);
        }
        let count = || read(store, |read| read.crashes_between("relay", "production", minute(0), minute(999))).len();
        assert_eq!(count(), 3_600);
        let dropped = keep(store, |tx| tx.drop_blocks(minute(60), 100));
        assert_eq!(dropped, 2, "1,199 reports fill one row and begin another");
        assert_eq!(count(), 2_401);
        // Whoever still remembers the last of the rows does not bring it back with the next report.
        assert_eq!(keep(store, |tx| tx.drop_blocks(minute(999), 100)), 4);
        assert_eq!(count(), 3);
        take(&mut keeper, store, vec![whole(crash("late", minute(180), "S")), whole(crash("later", minute(180), "S"))]);
        assert_eq!(count(), 5);
        assert_eq!(keep(store, |tx| tx.drop_reports(minute(60), 100)), 1);
        assert_eq!(count(), 4);
        // Counts outlive what they count.
        assert_eq!(read(store, |read| read.signature("relay", "S")).expect("kept").crashes, 3_602);
        let again = |id: &str, at| take(&mut Keeper::new(Examples::new(1)), store, vec![whole(crash(id, at, "S"))]).0;
        assert_eq!(again("later", minute(180)).repeats, 1, "a report of a younger row is still known");
        assert_eq!(again("c1-7", minute(60)).new, 1, "one that was dropped is not");
    });
}

#[test]
fn telemetry_is_dropped_when_it_is_older_than_it_is_kept_and_sums_stay() {
    on_both(|store| {
        let day = |days: i64| minute(days * 24 * 60);
        let mut keeper = Keeper::new(Examples::new(1));
        for days in [0, 5, 9] {
            let reports = (0..3).map(|number| whole(crash(&format!("c{days}-{number}"), day(days), "S"))).collect();
            let line = format!(
                r#"{{"type":"exposure","service":"relay","release":"A","cell":"eu-1","at":"{}","seconds":60,"instances":2}}"#,
                time::text(day(days))
            );
            let Record::Exposure(window) = record(&line) else { panic!("a window") };
            let delivery = Delivery {
                service: "relay".into(),
                door: "api",
                reports,
                exposures: vec![window],
                ..Delivery::default()
            };
            let written = keeper.take(store, &[delivery], day(days));
            assert!(written.answers[0].is_ok());
        }
        let retention = Retention { reports_days: 2, counts_days: 5 };
        let mut rounds = 0;
        while prune_telemetry(store, retention, day(10) + time::minutes(10)).expect("pruned") {
            rounds += 1;
            assert!(rounds < 100, "it comes to an end");
        }
        let marks = read(store, |read| read.crashes_between("relay", "production", minute(0), day(99)));
        let left: Vec<(&str, bool)> = marks.iter().map(|mark| (mark.id.as_str(), mark.is_whole)).collect();
        assert_eq!(left, [("c9-0", true), ("c9-1", false), ("c9-2", false)]);
        let exposures = read(store, |read| read.exposures_between("relay", "production", minute(0), day(99)));
        assert_eq!(exposures.iter().map(|it| it.at).collect::<Vec<_>>(), [day(9)]);
        let minutes = read(store, |read| read.crash_minutes("relay", "production", minute(0), day(99)));
        assert_eq!(minutes.iter().map(|it| (it.minute, it.crashes)).collect::<Vec<_>>(), [(day(9), 3)]);
        let totals = read(store, |read| read.crash_totals("relay", "production", (minute(0), day(99)), 10));
        assert_eq!(totals, [(day(9), 3)], "those by ten minutes go with those by the minute");
        let hours = read(store, |read| read.signature_hours("relay", "S", minute(0)));
        assert_eq!(hours.iter().map(|it| it.crashes).collect::<Vec<_>>(), [3]);
        assert!(
            read(store, |read| read.outcomes("relay", minute(0))).iter().all(|it| it.reports == 3 || it.reports == 1)
        );
        assert_eq!(read(store, |read| read.signature("relay", "S")).expect("kept").crashes, 9);
        for (table, more) in [("drop_exposures", false), ("drop_counts", false)] {
            let again =
                keep(
                    store,
                    |tx| if table == "drop_counts" { tx.drop_counts(day(5)) } else { tx.drop_exposures(day(5)) },
                );
            assert_eq!(again, more, "{table}");
        }
    });
}

#[test]
fn a_dictionary_makes_reports_smaller_and_those_before_it_can_still_be_read() {
    on_both(|store| {
        assert!(!wants_dictionary(&Dictionary::default(), 999) && wants_dictionary(&Dictionary::default(), 1_000));
        let detail = |number: usize| {
            format!(
                r#"{{"breadcrumbs":["peer sent {number} bytes","state {}"],"os":"Debian GNU/Linux 12","runtime":"rust 1.90"}}"#,
                number % 7
            )
        };
        let packer = Packer::default();
        let report = |number: usize| {
            let it = crash(&format!("c{number}"), minute(0), "SIGSEGV | frame_decode | conn_read | main");
            Report::whole(it, ReportKind::Crash, Some(&detail(number)), &packer).expect("it packs")
        };
        let mut keeper = Keeper::new(Examples::all());
        take(&mut keeper, store, (0..1_000).map(report).collect());
        assert!(train_dictionary(store, &packer, 1_000, minute(60)).expect("trained"));
        assert_eq!(read(store, |read| read.latest_dictionary()), packer.dictionary());
        assert!(!keep(store, |tx| tx.keep_dictionary(&packer.dictionary(), minute(61))), "it is kept already");
        assert!(!wants_dictionary(&packer.dictionary(), 29_999) && wants_dictionary(&packer.dictionary(), 30_000));
        take(&mut keeper, store, vec![report(2_000)]);
        for number in [7, 2_000] {
            let found = read(store, |read| read.crash("relay", &format!("c{number}"))).expect("kept");
            assert_eq!(found.detail.as_deref(), Some(detail(number).as_str()));
            assert_eq!(found.crash.exception.and_then(|it| it.value), Some(format!("at c{number}")));
        }
        let size = |id: &str| read(store, |read| read.body_size("relay", id)).expect("kept");
        assert!(size("c2000") * 2 < size("c7"), "{} after {}", size("c2000"), size("c7"));
    });
}

/// What earlier versions kept is still there after their database was brought to this schema.
#[test]
fn reports_of_an_earlier_schema_are_still_read_counted_and_known() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        for name in ["2026-11-24-000001_first", "2026-11-26-000002_policy_and_pairs"] {
            database.migrate(name);
        }
        let it = crash("c1", minute(5), "S");
        let line = Record::Crash(it.clone());
        let body =
            zstd::bulk::compress(format!("{}\n{{\"os\":\"Debian\"}}", line.to_line()).as_bytes(), 3).expect("packed");
        let bytes = |bytes: &[u8]| match engine {
            Engine::Sqlite => format!("x'{}'", hex::encode(bytes)),
            Engine::Postgres => format!("'\\x{}'::bytea", hex::encode(bytes)),
        };
        let at = time::micros(it.at);
        database
            .batch(&format!(
                "insert into signature values ('relay', 'S', {at}, {at}, 1, 0, 2, 'c1'); \
                 insert into crash values ('relay', 'c1', 'production', 'A', 'eu-1', 'h-c1', {at}, {at}, 'S', 2, 'crash', {}, {});",
                bytes(&line.content_hash()),
                bytes(&body),
            ))
            .expect("a report of before");
        let store = database.open();
        let found = read(&store, |read| read.crash("relay", "c1")).expect("kept");
        assert_eq!((&found.crash, found.detail.as_deref()), (&it, Some(r#"{"os":"Debian"}"#)));
        let judged = read(&store, |read| read.telemetry_received(minute(0), minute(9)));
        assert!(matches!(&judged[..], [Record::Crash(it)] if it.peer_release.as_deref() == Some("B")), "{judged:?}");
        let mut keeper = Keeper::new(Examples::new(5));
        assert_eq!(take(&mut keeper, &store, vec![whole(it.clone())]).0.repeats, 1);
        let other = Crash { host: Some("another".into()), ..it };
        assert_eq!(take(&mut keeper, &store, vec![whole(other)]).0.different, 1);
        assert_eq!(take(&mut keeper, &store, vec![whole(crash("c2", minute(6), "S"))]).0, new(1));
        assert_eq!(read(&store, |read| read.signature("relay", "S")).expect("kept").crashes, 2);
        let minutes = read(&store, |read| read.crash_minutes("relay", "production", minute(0), minute(9)));
        assert_eq!(minutes.iter().map(|it| it.crashes).sum::<i64>(), 2);
        assert!(store.read::<_, StoreError>(|read| read.has_telemetry()).expect("a read"));
    }
}

#[test]
fn whole_reports_of_the_version_that_knew_them_by_their_long_ids_are_numbered_at_the_next_start() {
    for engine in Engine::BOTH {
        const LONG: &str = "0123456789abcdef0123456789abcdef";
        let (it, before) = (crash(LONG, minute(5), "S"), TestDatabase::new(engine));
        // What this version writes, taken back to where that one left it.
        let store = before.open();
        let mut keeper = Keeper::new(Examples::new(5));
        assert_eq!(take(&mut keeper, &store, vec![whole(it.clone())]).0, new(1));
        drop(store);
        for migration in ["2026-12-01-000009_slots_of_ids", "2026-12-01-000007_numbered_reports"] {
            before.batch(&down(migration, engine)).expect("a way down");
        }
        assert_ne!(before.texts("select id as t from report"), [LONG], "ids are stored short");
        before
            .batch(&format!(
                "delete from setting where name = 'numbers_of_whole_reports_noted'; update report set id = '{LONG}'; \
                 delete from __diesel_schema_migrations where version in ('20261201000007', '20261201000009');",
            ))
            .expect("as before");
        for noted in ["", "delete from counted"] {
            before.batch(noted).expect("as before");
            let store = before.open();
            assert_eq!(read(&store, |read| read.crash("relay", LONG)).expect("kept").crash, it);
            let mut keeper = Keeper::new(Examples::new(5));
            assert_eq!(take(&mut keeper, &store, vec![whole(it.clone())]).0.repeats, 1);
            let other = Crash { host: Some("another".into()), ..it.clone() };
            assert_eq!(take(&mut keeper, &store, vec![whole(other)]).0.different, 1);
            drop(store);
            before.batch("delete from setting where name = 'numbers_of_whole_reports_noted'").expect("as before");
        }
    }
}

fn down(migration: &str, engine: Engine) -> String {
    let folder = if engine == Engine::Sqlite { "sqlite" } else { "postgresql" };
    let path = format!("{}/migrations/{folder}/{migration}/down.sql", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("a migration")
}
