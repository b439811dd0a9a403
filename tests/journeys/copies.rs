//! Backups and what goes before a migration: taken under load, checked, never over anything, and put back.

use super::durability::{Told, check, gather, load, with_a_door};
use crate::support::{
    Engine, Program, TestDatabase,
    program::{run, run_well},
};
use pushback::store::Store;

/// Runs a command that must be refused, and gives back its sentence.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments, "");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_backup_under_load_is_whole_and_can_be_put_back_only_when_nobody_has_the_database_open() {
    let (database, door) = with_a_door(Engine::Sqlite);
    let program = Program::serve(&database);
    let senders = load(&program, &door);
    let copies: Vec<_> = (0..3).map(|number| database.folder().join(format!("copy-{number}.sqlite3"))).collect();
    for copy in &copies {
        let to = copy.to_str().expect("UTF-8");
        let said = run_well(&["backup", to, "--database", &database.url], "");
        assert!(said.contains(" bytes, ") && said.contains(" entries in the ledger"), "{said}");
        let again = refused(&["backup", to, "--database", &database.url]);
        assert!(again.contains("is not overwritten"), "{again}");
    }
    let copy = copies[2].to_str().expect("UTF-8");
    let restore = ["restore", copy, "--database", &database.url];
    let busy = refused(&["restore", copy, "--replace", "--database", &database.url]);
    assert!(busy.contains("Stop it first"), "{busy}");
    program.kill();
    let mut told = Told::default();
    gather(senders, &mut told);
    check(&database, &told);

    let there = refused(&restore);
    assert!(there.contains("--replace"), "{there}");
    let before = database.texts("select cast(sum(crashes) as text) as t from signature");
    let said = run_well(&["restore", copy, "--replace", "--database", &database.url], "");
    let aside = format!("{}.replaced-1", database.url.trim_start_matches("sqlite:"));
    assert!(said.contains(&aside), "{said}");
    let of_copy = database.texts("select cast(sum(crashes) as text) as t from signature");
    assert!(of_copy[0].parse::<u32>().expect("a number") > 0);
    let verified = run_well(&["ledger", "verify", "--database", &database.url], "");
    assert!(verified.ends_with("Nothing was changed."), "{verified}");
    // What was moved aside has everything that was acknowledged, also what stood in its log only.
    let url = format!("sqlite:{aside}");
    run_well(&["restore", &aside, "--replace", "--database", &database.url], "");
    assert_eq!(database.texts("select cast(sum(crashes) as text) as t from signature"), before);
    check(&database, &told);
    drop(Store::open(&url).expect("what was moved aside opens"));
}

#[test]
fn a_broken_or_foreign_copy_is_refused_before_anything_is_touched() {
    let (database, _) = with_a_door(Engine::Sqlite);
    let copy = database.folder().join("copy.sqlite3");
    let path = copy.to_str().expect("UTF-8");
    run_well(&["backup", path, "--database", &database.url], "");
    let whole = std::fs::read(&copy).expect("the copy");
    let restore = ["restore", path, "--replace", "--database", &database.url];
    let mut broken = whole.clone();
    broken[4096..].fill(0xaa);
    std::fs::write(&copy, broken).expect("written");
    refused(&restore);
    std::fs::write(&copy, "not a database, only some text that is long enough to be looked at".repeat(100))
        .expect("written");
    assert!(refused(&restore).contains("cannot be read as a database of Pushback"));
    std::fs::write(&copy, &whole).expect("written");
    TestDatabase::at(&copy).batch("update ledger_entry set actor = 'x' where seq = 0").expect("tampered");
    assert!(refused(&restore).contains("tampered with"));
    assert!(!database.folder().join("pushback.sqlite3.replaced-1").exists());
    assert_eq!(database.texts("select slug as t from service"), ["relay"]);
    assert!(refused(&["restore", "/nowhere/x", "--database", &database.url]).contains("is not there"));
}

#[test]
fn copies_of_postgresql_are_left_to_its_own_tools() {
    let database = TestDatabase::new(Engine::Postgres);
    let to = database.folder().join("copy");
    let to = to.to_str().expect("UTF-8");
    assert!(refused(&["backup", to, "--database", &database.url]).contains("pg_dump"));
    assert!(refused(&["restore", to, "--database", &database.url]).contains("pg_restore"));
}

/// A database as the first version of the schema left it.
fn of_the_first_schema() -> TestDatabase {
    let database = TestDatabase::new(Engine::Sqlite);
    let first = include_str!("../../migrations/sqlite/2026-11-24-000001_first/up.sql");
    database
        .batch(&format!(
            "pragma application_id = {}; {first}
             create table __diesel_schema_migrations (version varchar(50) primary key not null, run_on timestamp not null default current_timestamp);
             insert into __diesel_schema_migrations (version) values ('20261124000001');
             insert into setting (name, value) values ('from', 'before');",
            0x5055_5348
        ))
        .expect("the first schema");
    database
}

#[test]
fn an_older_file_is_copied_before_its_schema_is_changed_and_left_alone_where_it_cannot_be() {
    let database = of_the_first_schema();
    drop(database.open());
    let copies: Vec<_> = std::fs::read_dir(database.folder())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(".before-"))
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    let copy = TestDatabase::at(&copies[0]);
    assert_eq!(copy.texts("select version as t from __diesel_schema_migrations"), ["20261124000001"]);
    assert_eq!(copy.texts("select value as t from setting where name = 'from'"), ["before"]);
    drop(database.open());
    let known = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).expect("a folder").count();
    assert_eq!(
        database.texts("select version as t from __diesel_schema_migrations").len(),
        known,
        "it is not migrated"
    );

    let database = of_the_first_schema();
    let file = database.url.trim_start_matches("sqlite:").to_owned();
    let name = copies[0].to_string_lossy();
    let version = name.rsplit_once(".before-").expect("a version").1;
    for number in ["", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-9"] {
        std::fs::write(format!("{file}.before-{version}{number}"), "").expect("written");
    }
    let Err(error) = Store::open(&database.url) else { panic!("it was opened without a copy") };
    assert!(error.to_string().contains("Nothing was changed"), "{error}");
    assert_eq!(database.texts("select version as t from __diesel_schema_migrations").len(), 1);
}

#[test]
fn a_database_that_is_newer_than_this_program_is_refused_on_both_engines() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        drop(database.open());
        database.batch("insert into __diesel_schema_migrations (version) values ('20990101000000')").expect("newer");
        let Err(error) = Store::open(&database.url) else { panic!("{engine:?} was opened") };
        let said = error.to_string();
        assert!(said.contains("20990101000000") && said.contains("newer version of Pushback"), "{engine:?}: {said}");
    }
}

#[test]
fn a_file_that_was_not_closed_well_is_read_before_it_is_used() {
    let (database, _) = with_a_door(Engine::Sqlite);
    let file = database.url.trim_start_matches("sqlite:").to_owned();
    let marked = || std::fs::read_to_string(format!("{file}.lock")).expect("a lock file");
    assert_eq!(marked(), "closed\n");
    let program = Program::serve(&database);
    assert_eq!(marked(), "open\n");
    // A command beside it says nothing of how the server ends.
    run_well(&["admin", "service", "add", "edge", "--database", &database.url], "");
    assert_eq!(marked(), "open\n");
    program.kill();
    database.batch("pragma wal_checkpoint(truncate)").expect("a checkpoint");
    let whole = std::fs::read(&file).expect("the file");
    let mut broken = whole.clone();
    let at = whole.len() - 8192;
    broken[at..].fill(0xaa);
    std::fs::write(&file, broken).expect("written");
    let said = refused(&["admin", "service", "add", "more", "--database", &database.url]);
    assert!(said.contains("pushback restore"), "{said}");
    std::fs::write(&file, whole).expect("written");
    run_well(&["admin", "service", "add", "more", "--database", &database.url], "");
    assert_eq!(marked(), "closed\n");
}
