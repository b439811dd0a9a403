//! The two folders of migrations go together, and lead back to where they began.

use crate::support::{Engine, TestDatabase};
use std::{collections::BTreeSet, path::PathBuf};

fn folder(engine: Engine) -> PathBuf {
    let name = match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgresql",
    };
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name)
}

/// The names of an engine's migrations, in order.
fn names(engine: Engine) -> Vec<String> {
    let entries = std::fs::read_dir(folder(engine)).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn sql(engine: Engine, name: &str, way: &str) -> String {
    let path = folder(engine).join(name).join(format!("{way}.sql"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a migration says, without comments, in words that both engines share.
fn shared_words(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or(line)).collect();
    let code = code.join("\n").to_lowercase().replace("double precision", "real");
    let code = code.replace(") strict, without rowid;", ");").replace(") strict;", ");");
    let words = code.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).filter(|word| !word.is_empty());
    words
        .map(|word| match word {
            "bigint" | "bigserial" => "integer",
            "bytea" => "blob",
            other => other,
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn both_engines_have_the_same_migrations_word_for_word_but_for_types() {
    assert_eq!(names(Engine::Sqlite), names(Engine::Postgres));
    assert!(!names(Engine::Sqlite).is_empty());
    for name in names(Engine::Sqlite) {
        for way in ["up", "down"] {
            let (one, other) = (sql(Engine::Sqlite, &name, way), sql(Engine::Postgres, &name, way));
            assert!(!shared_words(&one).is_empty(), "{name} has an empty {way}.sql");
            assert_eq!(shared_words(&one), shared_words(&other), "{name}, {way}.sql");
        }
    }
}

#[test]
fn every_index_says_which_query_it_serves() {
    for engine in Engine::BOTH {
        for name in names(engine) {
            let text = sql(engine, &name, "up");
            let lines: Vec<&str> = text.lines().collect();
            for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("create index")) {
                let before = number.checked_sub(1).map_or("", |number| lines[number]);
                assert!(before.starts_with("--"), "{engine:?} {name}: no comment above {line}");
            }
        }
    }
}

/// Everything that somebody made in a database.
fn objects(database: &TestDatabase) -> BTreeSet<String> {
    let statement = match database.engine {
        Engine::Sqlite => {
            "select type || ' ' || name as t from sqlite_master where name not like 'sqlite_%' and name not like '\\_\\_%' escape '\\'"
        }
        Engine::Postgres => {
            "select relkind::text || ' ' || relname as t from pg_class \
             where relnamespace = 'public'::regnamespace and relname not like '\\_\\_%'"
        }
    };
    database.texts(statement).into_iter().collect()
}

#[test]
fn the_way_down_leaves_nothing_and_the_way_up_can_be_gone_again() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let up = |database: &TestDatabase| {
            for name in names(engine) {
                database
                    .batch(&sql(engine, &name, "up"))
                    .unwrap_or_else(|error| panic!("{engine:?} {name} up: {error}"));
            }
        };
        up(&database);
        let first = objects(&database);
        assert!(first.len() > 20, "{engine:?}: {first:?}");
        for name in names(engine).into_iter().rev() {
            database
                .batch(&sql(engine, &name, "down"))
                .unwrap_or_else(|error| panic!("{engine:?} {name} down: {error}"));
        }
        assert_eq!(objects(&database), BTreeSet::new(), "left behind on {engine:?}");
        up(&database);
        assert_eq!(objects(&database), first, "{engine:?}");
    }
}

#[test]
fn opening_a_database_a_second_time_changes_nothing() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        drop(database.open());
        let first = objects(&database);
        drop(database.open());
        assert_eq!(objects(&database), first, "{engine:?}");
    }
}

#[test]
fn two_programs_may_open_an_empty_database_at_once() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let openings: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| pushback::store::Store::open(&database.url).err().map(|error| error.to_string()))
                })
                .collect();
            openings.into_iter().map(|opening| opening.join().expect("no panic")).collect()
        });
        // One of them migrates; the others wait or are told to try again, and none leaves the schema half-made.
        assert!(opened.iter().any(Option::is_none), "{engine:?}: {opened:?}");
        drop(database.open());
        assert!(objects(&database).len() > 20, "{engine:?}");
    }
}
