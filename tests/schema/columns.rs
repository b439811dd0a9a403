//! What `schema.rs` says is what both databases have.

use crate::support::{Engine, TestDatabase};
use std::collections::BTreeMap;

/// A column: its name, its type in words of the schema, and whether it may be null.
type Column = (String, String, bool);

/// The tables of `schema.rs` by name, with their columns in order.
fn declared() -> BTreeMap<String, Vec<Column>> {
    let text = concat!(include_str!("../../src/store/schema.rs"), include_str!("../../src/store/schema/counts.rs"));
    let mut tables = BTreeMap::new();
    for block in text.split("table! {").skip(1) {
        let mut lines = block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let head = lines.next().expect("a table's name");
        let name = head.split([' ', '(']).next().unwrap_or_default().to_owned();
        let columns = lines.take_while(|line| *line != "}").map(|line| {
            let (column, kind) = line.trim_end_matches(',').split_once(" -> ").expect(line);
            let inner = kind.strip_prefix("Nullable<").and_then(|rest| rest.strip_suffix('>'));
            (column.to_owned(), inner.unwrap_or(kind).to_owned(), inner.is_some())
        });
        tables.insert(name, columns.collect());
    }
    assert!(tables.len() > 20, "{}", tables.len());
    tables
}

/// The tables of a database, in the same words.
fn found(database: &TestDatabase) -> BTreeMap<String, Vec<Column>> {
    let statement = match database.engine {
        Engine::Sqlite => {
            "select m.name || ' ' || c.name || ' ' || lower(c.type) || ' ' || case when c.\"notnull\" = 1 then 'NO' else 'YES' end as t \
             from sqlite_master m, pragma_table_info(m.name) c \
             where m.type = 'table' and m.name not like 'sqlite_%' and m.name not like '\\_\\_%' escape '\\' \
             order by m.name, c.cid"
        }
        Engine::Postgres => {
            "select table_name || ' ' || column_name || ' ' || replace(data_type, ' ', '-') || ' ' || is_nullable as t \
             from information_schema.columns where table_schema = 'public' and table_name not like '\\_\\_%' \
             order by table_name, ordinal_position"
        }
    };
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in database.texts(statement) {
        let parts: Vec<&str> = row.split(' ').collect();
        let [table, column, kind, nullable] = parts[..] else { panic!("{row}") };
        let kind = match kind {
            "integer" | "bigint" => "BigInt",
            "real" | "double-precision" => "Double",
            "text" => "Text",
            "blob" | "bytea" => "Binary",
            "boolean" => "Bool",
            other => panic!("{table}.{column} has type {other}, which the schema has no word for"),
        };
        tables.entry(table.to_owned()).or_default().push((column.to_owned(), kind.to_owned(), nullable == "YES"));
    }
    tables
}

#[test]
fn the_schema_names_the_tables_and_columns_of_both_databases_in_their_order() {
    let declared = declared();
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        drop(database.open());
        let found = found(&database);
        assert_eq!(found.keys().collect::<Vec<_>>(), declared.keys().collect::<Vec<_>>(), "tables on {engine:?}");
        for (table, columns) in &declared {
            assert_eq!(&found[table], columns, "{table} on {engine:?}");
        }
    }
}

#[test]
fn every_table_of_sqlite_is_strict() {
    let database = TestDatabase::new(Engine::Sqlite);
    drop(database.open());
    let loose = database.texts(
        "select name as t from pragma_table_list where type = 'table' and strict = 0 and schema = 'main' \
         and name not like 'sqlite_%' and name not like '\\_\\_%' escape '\\'",
    );
    assert_eq!(loose, Vec::<String>::new());
    let strict = database.texts("select name as t from pragma_table_list where type = 'table' and strict = 1");
    assert_eq!(strict.len(), declared().len());
}

#[test]
fn a_sqlite_file_is_ours_and_writes_ahead() {
    let database = TestDatabase::new(Engine::Sqlite);
    drop(database.open());
    assert_eq!(database.texts("select journal_mode as t from pragma_journal_mode"), ["wal"]);
    assert_eq!(database.texts("select cast(application_id as text) as t from pragma_application_id"), ["1347769160"]);
    assert_eq!(database.texts("select integrity_check as t from pragma_integrity_check"), ["ok"]);
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let database = TestDatabase::new(Engine::Sqlite);
    database.batch("create table theirs (x); insert into theirs values (1);").expect("their table");
    let refusal = pushback::store::Store::open(&database.url).err().expect("refused").to_string();
    assert!(refusal.contains("belongs to another program"), "{refusal}");
    assert_eq!(database.texts("select name as t from sqlite_master"), ["theirs"]);
}

#[test]
fn a_row_that_points_nowhere_is_refused_on_both() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let store = database.open();
        let now = crate::support::at("2026-03-03T01:00:00Z");
        let nobody = pushback::store::people::Person {
            id: "nobody".into(),
            email: "nobody@example.com".into(),
            name: "Nobody".into(),
            team: None,
            role: pushback::domain::access::Role::Viewer,
            password_hash: None,
            auth_epoch: 1,
            created_at: now,
            disabled_at: None,
        };
        let refused =
            store.keep::<_, pushback::store::StoreError>(|tx| tx.add_session(&[1; 32], &nobody, "csrf", now, now));
        let refusal = refused.expect_err("a session of nobody").to_string().to_lowercase();
        assert!(refusal.contains("foreign key"), "{engine:?}: {refusal}");
    }
}
