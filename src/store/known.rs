//! Which of many ids are kept already: asked before every batch, so each id has to cost one step in an index.

use super::{Db, Read, StoreError, Tx, blocks::mark, on_each, schema::report};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Binary, Text},
};
use std::collections::{HashMap, HashSet};

/// What is known of ids: the hash of what is kept under each.
pub(super) type KnownIds = HashMap<String, Vec<u8>>;

#[derive(QueryableByName)]
struct WholeRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Binary)]
    hash: Vec<u8>,
}

#[derive(QueryableByName)]
struct CountedRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Asked of few: PostgreSQL may know nothing yet of a service whose reports have just begun to come, and take any index that begins with
/// the service for as good as the one by id.
const WHOLE: &str = "select id, hash from report where service = $1 and id = any($2)";
/// Nor does it know of a table that has just begun to fill, takes it for small, and holds every id against every row. A limit inside a
/// lateral join leaves it no choice but the index, of which this table has one.
const COUNTED: &str = "select asked.id as id from unnest($2) as asked(id) cross join lateral \
    (select 1 from counted where service = $1 and counted.id = asked.id limit 1) as it";
const NOTE: &str = "insert into counted (service, id) select $1, * from unnest($2) on conflict do nothing returning id";
/// SQLite takes a list as JSON, so that thousands of ids are one statement and need not be written into its text.
const WHOLE_OF_JSON: &str = "select report.id as id, hash from json_each(?2) as asked cross join report on service = ?1 and report.id = asked.value";
const COUNTED_OF_JSON: &str = "select counted.id as id from json_each(?2) as asked cross join counted on service = ?1 and counted.id = asked.value";
const NOTE_OF_JSON: &str = "insert into counted (service, id) select ?1, value from json_each(?2) where true on conflict do nothing returning id";

/// The name of the setting that says that the ids of all reports that are kept whole are noted.
const ALL_NOTED: &str = "ids_of_whole_reports_noted";
/// As many are noted at once.
const AT_ONCE: i64 = 5_000;

impl Read<'_> {
    /// Which of these ids of a service are kept whole.
    pub(super) fn whole_among(&mut self, service: &str, ids: &[&str]) -> Result<KnownIds, StoreError> {
        let rows: Vec<WholeRow> = match &mut *self.db {
            Db::Sqlite(c) => sql_query(WHOLE_OF_JSON).bind::<Text, _>(service).bind::<Text, _>(json(ids)?).load(c)?,
            Db::Postgres(c) => sql_query(WHOLE).bind::<Text, _>(service).bind::<Array<Text>, _>(ids).load(c)?,
        };
        Ok(rows.into_iter().map(|row| (row.id, row.hash)).collect())
    }

    /// Whether the ids of all reports that are kept whole are noted.
    pub(super) fn has_noted_all(&mut self) -> Result<bool, StoreError> {
        Ok(self.setting(ALL_NOTED)?.is_some())
    }

    /// Which of these ids are noted: those of reports that are kept whole, too.
    pub(super) fn counted_among(&mut self, service: &str, marks: &[i64]) -> Result<HashSet<i64>, StoreError> {
        let rows: Vec<CountedRow> = match &mut *self.db {
            Db::Sqlite(c) => {
                sql_query(COUNTED_OF_JSON).bind::<Text, _>(service).bind::<Text, _>(json(marks)?).load(c)?
            }
            Db::Postgres(c) => sql_query(COUNTED).bind::<Text, _>(service).bind::<Array<BigInt>, _>(marks).load(c)?,
        };
        Ok(rows.into_iter().map(|row| row.id).collect())
    }
}

impl Tx<'_> {
    /// Notes ids of reports that are counted or kept whole, and gives back those that were not noted before. In order, so that each
    /// page is found once, and that two writers never wait for each other in a circle.
    pub(super) fn note_counted(&mut self, service: &str, mut marks: Vec<i64>) -> Result<HashSet<i64>, StoreError> {
        marks.sort_unstable();
        let rows: Vec<CountedRow> = match &mut *self.db {
            Db::Sqlite(c) => sql_query(NOTE_OF_JSON).bind::<Text, _>(service).bind::<Text, _>(json(&marks)?).load(c)?,
            Db::Postgres(c) => sql_query(NOTE).bind::<Text, _>(service).bind::<Array<BigInt>, _>(&marks).load(c)?,
        };
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Notes the ids of reports that an earlier version kept whole, which noted only the others. Once.
    pub(super) fn note_whole(&mut self) -> Result<(), StoreError> {
        let mut after = (String::new(), String::new());
        loop {
            let (service, id) = &after;
            let rows: Vec<(String, String)> = on_each!(self.db, c => report::table
                .filter(report::service.gt(service).or(report::service.eq(service).and(report::id.gt(id))))
                .order((report::service.asc(), report::id.asc()))
                .limit(AT_ONCE)
                .select((report::service, report::id))
                .load(c))?;
            let Some(last) = rows.last() else { break };
            after = last.clone();
            for some in rows.chunk_by(|one, other| one.0 == other.0) {
                self.note_counted(&some[0].0, some.iter().map(|(service, id)| mark(service, id)).collect())?;
            }
        }
        self.set_setting(ALL_NOTED, "1")
    }
}

fn json<T: serde::Serialize>(list: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|error| StoreError::Other(error.to_string()))
}
