//! What was reported of two releases of a service that ran side by side.

use super::{Read, StoreError, Tx, on_each, schema::pair_report};
use crate::domain::{
    pair::{PairReport, PairVerdict},
    time,
};
use diesel::prelude::*;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = pair_report, treat_none_as_default_value = false)]
struct Row {
    service: String,
    id: String,
    release: String,
    peer_release: String,
    verdict: String,
    at: i64,
    actor: String,
    note: Option<String>,
    url: Option<String>,
}

impl TryFrom<Row> for PairReport {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<PairReport, StoreError> {
        let verdict = PairVerdict::parse(&row.verdict)
            .ok_or_else(|| StoreError::Corrupt(format!("verdict on a pair {}", row.verdict)))?;
        Ok(PairReport {
            service: row.service,
            release: row.release,
            peer_release: row.peer_release,
            verdict,
            at: time::from_micros(row.at),
            actor: row.actor,
            note: row.note,
            url: row.url,
        })
    }
}

impl Read<'_> {
    /// The reports on pairs of a service, newest first, at most so many.
    pub fn pair_reports(&mut self, service: &str, at_most: i64) -> Result<Vec<PairReport>, StoreError> {
        let rows: Vec<Row> = on_each!(self.db, c => pair_report::table
            .filter(pair_report::service.eq(service))
            .order((pair_report::at.desc(), pair_report::id.desc()))
            .limit(at_most)
            .select(Row::as_select())
            .load(c))?;
        rows.into_iter().map(PairReport::try_from).collect()
    }

    /// The reports on two releases of a service, in whichever order they are named, oldest first.
    pub fn reports_on_pair(&mut self, service: &str, one: &str, other: &str) -> Result<Vec<PairReport>, StoreError> {
        let both = [one, other];
        let rows: Vec<Row> = on_each!(self.db, c => pair_report::table
            .filter(pair_report::service.eq(service))
            .filter(pair_report::release.eq_any(both))
            .filter(pair_report::peer_release.eq_any(both))
            .order((pair_report::at.asc(), pair_report::id.asc()))
            .select(Row::as_select())
            .load(c))?;
        // Both names among the two is also a release beside itself, which is no pair.
        let about = |it: &Result<PairReport, StoreError>| it.as_ref().map_or(true, |it| it.is_about(one, other));
        rows.into_iter().map(PairReport::try_from).filter(about).collect()
    }
}

impl Tx<'_> {
    /// Keeps a report under its id.
    pub fn keep_pair_report(&mut self, id: &str, it: &PairReport) -> Result<(), StoreError> {
        let row = Row {
            service: it.service.clone(),
            id: id.to_owned(),
            release: it.release.clone(),
            peer_release: it.peer_release.clone(),
            verdict: it.verdict.word().to_owned(),
            at: time::micros(it.at),
            actor: it.actor.clone(),
            note: it.note.clone(),
            url: it.url.clone(),
        };
        on_each!(self.db, c => diesel::insert_into(pair_report::table).values(&row).execute(c))?;
        Ok(())
    }
}
