//! What became of every report that came to a door: taken, skipped, refused, and why. Silence must never look like health.

use super::{Read, StoreError, Tx, on_each, schema::outcome};
use crate::domain::{Time, time};
use diesel::{prelude::*, upsert::excluded};

/// How many reports of a service came to one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The service.
    pub service: String,
    /// The door: `envelope`, `store`, `api`, `import`.
    pub door: String,
    /// What became of them: `crash`, `handled`, `repeat`, `skipped transaction` …
    pub reason: String,
    /// How many.
    pub reports: i64,
}

impl Tx<'_> {
    /// Adds to the count of one end in the minute of `now`.
    pub fn count_outcome(&mut self, it: &Outcome, now: Time) -> Result<(), StoreError> {
        let row = (
            outcome::service.eq(&it.service),
            outcome::minute.eq(time::micros(time::minute(now))),
            outcome::door.eq(&it.door),
            outcome::reason.eq(&it.reason),
            outcome::reports.eq(it.reports),
        );
        on_each!(self.db, c => diesel::insert_into(outcome::table)
            .values(row)
            .on_conflict((outcome::service, outcome::minute, outcome::door, outcome::reason))
            .do_update()
            .set(outcome::reports.eq(outcome::reports + excluded(outcome::reports)))
            .execute(c))?;
        Ok(())
    }
}

impl Read<'_> {
    /// The outcomes of one service since an instant, summed.
    pub fn outcomes(&mut self, service: &str, since: Time) -> Result<Vec<Outcome>, StoreError> {
        let rows: Vec<(String, String, i64)> = on_each!(self.db, c => outcome::table
            .filter(outcome::service.eq(service))
            .filter(outcome::minute.ge(time::micros(since)))
            .select((outcome::door, outcome::reason, outcome::reports))
            .load(c))?;
        let mut sums = std::collections::BTreeMap::new();
        for (door, reason, reports) in rows {
            *sums.entry((door, reason)).or_insert(0) += reports;
        }
        Ok(sums
            .into_iter()
            .map(|((door, reason), reports)| Outcome { service: service.to_owned(), door, reason, reports })
            .collect())
    }
}
