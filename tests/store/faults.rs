//! What the store does when the file under it fails, and how its log stays small.

use super::{keep, read};
use crate::support::{Engine, TestDatabase, at};
use diesel::connection::SimpleConnection;
use pushback::store::{Condition, Store, StoreError};
use std::{io::Write, os::unix::fs::FileExt, path::PathBuf};

fn set(store: &Store, name: &str) -> Result<(), StoreError> {
    store.keep(|tx| tx.set_setting(name, "1"))
}

fn beside(database: &TestDatabase, what: &str) -> PathBuf {
    PathBuf::from(format!("{}{what}", database.url.trim_start_matches("sqlite:")))
}

#[test]
fn after_the_first_failure_nothing_is_written_until_the_file_was_opened_anew_and_is_sound() {
    let database = TestDatabase::new(Engine::Sqlite);
    let now = at("2026-03-03T00:00:00Z");
    {
        let store = database.open();
        set(&store, "first").expect("kept");
    }
    database.batch("pragma wal_checkpoint(truncate)").expect("a checkpoint");
    let file = beside(&database, "");
    let whole = std::fs::read(&file).expect("the file");
    let store = database.open();
    let raw = std::fs::OpenOptions::new().write(true).open(&file).expect("the file");
    raw.write_all_at(&vec![0xaa; whole.len() - 4096], 4096).expect("broken");
    assert!(set(&store, "second").is_err());
    let (condition, _) = store.condition();
    assert!(matches!(condition, Condition::Failed { .. }), "{condition:?}");
    assert!(condition.sentence().expect("a sentence").contains("nothing is written"));
    assert!(matches!(set(&store, "second"), Err(StoreError::Failed(_))));

    // Opened anew, it is still broken: it stays closed for writing.
    store.look_after(now);
    assert!(matches!(set(&store, "second"), Err(StoreError::Failed(_))));
    assert_eq!(store.condition().1, Some(now));
    assert_eq!(store.reopened(), 0);
    raw.write_all_at(&whole[4096..], 4096).expect("mended");
    assert!(matches!(set(&store, "second"), Err(StoreError::Failed(_))), "it was written before anybody looked");
    for _ in 0..4 {
        store.look_after(now);
    }
    assert_eq!(store.condition(), (Condition::Sound, None));
    assert_eq!(store.reopened(), 1);
    set(&store, "second").expect("kept");
    assert_eq!(read(&store, |read| read.setting("first")).as_deref(), Some("1"));
}

#[test]
fn sqlite_is_compiled_without_locks_for_what_no_two_threads_share() {
    let options = TestDatabase::new(Engine::Sqlite).texts("select compile_options as t from pragma_compile_options");
    let has = |option: &str| options.iter().any(|it| it == option);
    assert!(has("THREADSAFE=2") && has("DEFAULT_MEMSTATUS=0") && !has("ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}

#[test]
fn the_log_is_emptied_once_a_long_reader_ends_and_writes_go_on_meanwhile() {
    let database = TestDatabase::new(Engine::Sqlite);
    let store = database.open();
    let now = at("2026-03-03T00:00:00Z");
    keep(&store, |tx| tx.set_setting("x", "1"));
    let mut reader = database.sqlite();
    reader.batch_execute("begin; select count(*) from setting").expect("a reader");
    let log = || std::fs::metadata(beside(&database, "-wal")).map_or(0, |log| log.len());
    for number in 0..80_u32 {
        let much = number.to_string().repeat(1 << 19);
        keep(&store, |tx| tx.set_setting(&format!("n{}", number % 4), &much));
        if number % 20 == 19 {
            store.look_after(now);
        }
    }
    let grown = log();
    assert!(grown > 64 << 20, "{grown}");
    reader.batch_execute("rollback").expect("the reader ends");
    store.look_after(now);
    assert!(log() <= 1 << 20, "{} of {grown} bytes are left", log());
    keep(&store, |tx| tx.set_setting("x", "2"));
    println!("the log grew to {} MiB and was emptied to {} bytes", grown >> 20, log());
}

#[test]
fn a_reserve_beside_the_file_is_really_there_and_stays_the_only_one() {
    use std::os::unix::fs::MetadataExt;
    let database = TestDatabase::new(Engine::Sqlite);
    let store = database.open();
    store.look_after(at("2026-03-03T00:00:00Z"));
    let reserve = std::fs::metadata(beside(&database, ".reserve")).expect("a reserve");
    assert!((16 << 20..=64 << 20).contains(&reserve.len()), "{}", reserve.len());
    assert!(reserve.blocks() * 512 >= reserve.len(), "its blocks are not there");
    let mut mark = std::fs::OpenOptions::new().append(true).open(beside(&database, ".reserve")).expect("open");
    mark.write_all(b"x").expect("marked");
    store.look_after(at("2026-03-03T00:00:01Z"));
    assert_eq!(std::fs::metadata(beside(&database, ".reserve")).expect("a reserve").len(), reserve.len() + 1);
}

#[test]
fn a_hold_never_waits_long_behind_telemetry() {
    use std::{
        sync::atomic::{AtomicBool, AtomicU32, Ordering},
        time::{Duration, Instant},
    };
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let store = database.open();
        let (over, batches) = (AtomicBool::new(false), AtomicU32::new(0));
        let mut waits = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let kept = store.take::<_, StoreError>(|tx| {
                        (0..256).try_for_each(|row| tx.set_setting(&format!("telemetry-{row}"), "x"))
                    });
                    kept.expect("a batch is kept");
                    batches.fetch_add(1, Ordering::Relaxed);
                }
            });
            while batches.load(Ordering::Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            for _ in 0..60 {
                let began = Instant::now();
                let kept = set(&store, "hold");
                waits.push(began.elapsed());
                kept.expect("a hold is kept");
                std::thread::sleep(Duration::from_millis(5));
            }
            over.store(true, Ordering::Relaxed);
        });
        waits.sort();
        let (middle, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
        println!("{engine:?}: a hold waits {middle:?}, at most {longest:?}, beside {batches:?} batches of 256");
        assert!(longest < Duration::from_secs(2), "{engine:?}: {longest:?}");
        assert!(batches.load(Ordering::Relaxed) > 2, "telemetry starves on {engine:?}");
    }
}

#[test]
fn commits_are_durable_where_postgresql_is_set_to_answer_before_they_are() {
    let database = TestDatabase::new(Engine::Postgres);
    drop(database.open());
    // What a transaction of the program itself finds set, written down by the database as it takes a setting in.
    let watched = "create table seen (t text not null);
        create function look() returns trigger language plpgsql as
            $$ begin insert into seen values (current_setting('synchronous_commit')); return new; end $$;
        create trigger look before insert or update on setting for each row execute function look();
        do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$;";
    database.batch(watched).expect("set behind the program's back");
    assert_eq!(database.texts("select current_setting('synchronous_commit') as t"), ["off"]);
    let store = database.open();
    keep(&store, |tx| tx.set_setting("x", "1"));
    assert_eq!(database.texts("select t from seen"), ["on"]);
}
