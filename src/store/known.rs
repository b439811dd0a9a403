//! Which of many ids are kept already: asked before every batch, so each id has to cost one step in an index.

use super::{
    Db, Read, StoreError, Tx, on_each,
    report_ids::{ReportId, Slot, in_slots, mark},
    schema::{counted, report},
};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, Text},
    upsert::excluded,
};
use std::collections::{HashMap, HashSet};

/// What is known of ids that are noted: the number of the report, where it is kept whole.
pub(super) type NotedIds = HashMap<i64, Option<i64>>;

#[derive(QueryableByName)]
struct NotedRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    report: Option<i64>,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// PostgreSQL knows nothing of a table that has just begun to fill, takes it for small, and holds every id against every row. A limit
/// inside a lateral join leaves it no choice but the index, of which this table has one.
const NOTED: &str = "select asked.id as id, it.report as report from unnest($2) as asked(id) cross join lateral \
    (select counted.report from counted where service = $1 and counted.id = asked.id limit 1) as it";
const NOTE: &str =
    "insert into counted (service, id, report) select $1, * from unnest($2, $3) on conflict do nothing returning id";
/// SQLite takes a list as JSON, so that thousands of ids are one statement and need not be written into its text.
const NOTED_OF_JSON: &str = "select counted.id as id, report from json_each(?2) as asked cross join counted on service = ?1 and counted.id = asked.value";
const NOTE_OF_JSON: &str = "insert into counted (service, id) select ?1, value from json_each(?2) where true on conflict do nothing returning id";
/// Pairs are read out of their own text, which takes longer: only for those that are kept whole.
const NOTE_PAIRS_OF_JSON: &str = "insert into counted (service, id, report) select ?1, value ->> 0, value ->> 1 from json_each(?2) where true \
    on conflict do nothing returning id";

/// The name of the setting that says that the ids of all reports that are kept whole are noted with their numbers.
const ALL_NOTED: &str = "numbers_of_whole_reports_noted";
/// As many are noted at once.
const AT_ONCE: i64 = 5_000;

impl Read<'_> {
    /// Of reports by their numbers: the hashes of what they say.
    pub(super) fn whole_among(&mut self, numbers: &[i64]) -> Result<HashMap<i64, Vec<u8>>, StoreError> {
        let mut known = HashMap::new();
        for some in numbers.chunks(500) {
            let rows: Vec<(i64, Vec<u8>)> = on_each!(self.db, c => report::table
                .filter(report::number.eq_any(some))
                .select((report::number, report::hash))
                .load(c))?;
            known.extend(rows);
        }
        Ok(known)
    }

    /// Whether the ids of all reports that are kept whole are noted.
    pub(super) fn has_noted_all(&mut self) -> Result<bool, StoreError> {
        Ok(self.setting(ALL_NOTED)?.is_some())
    }

    /// Which of these ids are noted.
    pub(super) fn noted_among(&mut self, service: &str, marks: &[i64]) -> Result<NotedIds, StoreError> {
        let rows: Vec<NotedRow> = match &mut *self.db {
            Db::Sqlite(c) => sql_query(NOTED_OF_JSON).bind::<Text, _>(service).bind::<Text, _>(json(marks)?).load(c)?,
            Db::Postgres(c) => sql_query(NOTED).bind::<Text, _>(service).bind::<Array<BigInt>, _>(marks).load(c)?,
        };
        Ok(rows.into_iter().map(|row| (row.id, row.report)).collect())
    }

    /// The number of a report that is kept whole: of one without a time, or of the first where several say different times under one id.
    pub(super) fn number_of_report(&mut self, service: &str, id: &str) -> Result<Option<i64>, StoreError> {
        match self.number_among(service, &[mark(service, id, Slot::default())])? {
            Some(alone) => Ok(Some(alone)),
            None => self.number_among(service, &in_slots(service, id)),
        }
    }

    /// The smallest number of a report that is kept whole under one of these marks.
    pub(super) fn number_among(&mut self, service: &str, marks: &[i64]) -> Result<Option<i64>, StoreError> {
        Ok(self.noted_among(service, marks)?.into_values().flatten().min())
    }
}

impl Tx<'_> {
    /// Notes ids of reports, with their numbers where they are kept whole, and gives back those that were not noted before. In order,
    /// so that each page is found once, and that two writers never wait for each other in a circle.
    pub(super) fn note_ids(
        &mut self,
        service: &str,
        mut ids: Vec<(i64, Option<i64>)>,
    ) -> Result<HashSet<i64>, StoreError> {
        ids.sort_unstable();
        let rows: Vec<IdRow> = match &mut *self.db {
            Db::Sqlite(c) => {
                let (note, list) = if ids.iter().all(|(_, number)| number.is_none()) {
                    (NOTE_OF_JSON, json(&ids.iter().map(|(mark, _)| *mark).collect::<Vec<_>>())?)
                } else {
                    (NOTE_PAIRS_OF_JSON, json(&ids)?)
                };
                sql_query(note).bind::<Text, _>(service).bind::<Text, _>(list).load(c)?
            }
            Db::Postgres(c) => {
                let (marks, numbers): (Vec<i64>, Vec<Option<i64>>) = ids.into_iter().unzip();
                sql_query(NOTE)
                    .bind::<Text, _>(service)
                    .bind::<Array<BigInt>, _>(&marks)
                    .bind::<Array<Nullable<BigInt>>, _>(&numbers)
                    .load(c)?
            }
        };
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Notes the ids of reports that an earlier version kept whole, with their numbers: that version noted no ids of theirs, or the ids
    /// alone. Once.
    pub(super) fn note_whole(&mut self) -> Result<(), StoreError> {
        let mut after = i64::MIN;
        loop {
            let rows: Vec<(i64, String, ReportId, Option<i64>)> = on_each!(self.db, c => report::table
                .filter(report::number.gt(after))
                .order(report::number.asc())
                .limit(AT_ONCE)
                .select((report::number, report::service, report::id, report::slot))
                .load(c))?;
            let Some((last, ..)) = rows.last() else { break };
            after = *last;
            let rows: Vec<_> = rows
                .iter()
                .map(|(number, service, id, slot)| {
                    let mark = mark(service, &id.0, Slot::from_stored(*slot));
                    (counted::service.eq(service), counted::id.eq(mark), counted::report.eq(number))
                })
                .collect();
            for some in rows.chunks(500) {
                on_each!(self.db, c => diesel::insert_into(counted::table)
                    .values(some)
                    .on_conflict((counted::service, counted::id))
                    .do_update()
                    .set(counted::report.eq(excluded(counted::report)))
                    .execute(c))?;
            }
        }
        self.set_setting(ALL_NOTED, "1")
    }
}

fn json<T: serde::Serialize>(list: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|error| StoreError::Other(error.to_string()))
}
