//! Which of many ids are kept already: asked before every batch, so each id has to cost one step in an index.

use super::{
    Db, Read, StoreError,
    schema::{counted, report},
};
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

/// PostgreSQL knows nothing of a table that has just begun to fill, takes it for small, and holds every id against every row: in the
/// first minutes of a storm, or wherever statistics are old. A limit inside a lateral join leaves it no choice but the index.
const WHOLE: &str = "select asked.id as id, it.hash as hash from unnest($2) as asked(id) cross join lateral \
    (select hash from report where service = $1 and report.id = asked.id limit 1) as it";
const COUNTED: &str = "select asked.id as id from unnest($2) as asked(id) cross join lateral \
    (select 1 from counted where service = $1 and counted.id = asked.id limit 1) as it";

impl Read<'_> {
    /// Which of these ids of a service are kept whole.
    pub(super) fn whole_among(&mut self, service: &str, ids: &[&str]) -> Result<KnownIds, StoreError> {
        let mut found = HashMap::new();
        for some in ids.chunks(500) {
            match &mut *self.db {
                Db::Sqlite(c) => found.extend(
                    report::table
                        .filter(report::service.eq(service))
                        .filter(report::id.eq_any(some))
                        .select((report::id, report::hash))
                        .load::<(String, Vec<u8>)>(c)?,
                ),
                Db::Postgres(c) => {
                    let query = sql_query(WHOLE).bind::<Text, _>(service).bind::<Array<Text>, _>(some);
                    found.extend(query.load::<WholeRow>(c)?.into_iter().map(|row| (row.id, row.hash)));
                }
            }
        }
        Ok(found)
    }

    /// Which of these ids are noted as counted.
    pub(super) fn counted_among(&mut self, service: &str, marks: &[i64]) -> Result<HashSet<i64>, StoreError> {
        let mut found = HashSet::new();
        for some in marks.chunks(500) {
            match &mut *self.db {
                Db::Sqlite(c) => found.extend(
                    counted::table
                        .filter(counted::service.eq(service))
                        .filter(counted::id.eq_any(some))
                        .select(counted::id)
                        .load::<i64>(c)?,
                ),
                Db::Postgres(c) => {
                    let query = sql_query(COUNTED).bind::<Text, _>(service).bind::<Array<BigInt>, _>(some);
                    found.extend(query.load::<CountedRow>(c)?.into_iter().map(|row| row.id));
                }
            }
        }
        Ok(found)
    }
}
