//! Adding to counts that need no reports to be read: crashes by the minute and by ten minutes, reports of a signature by the hour.

use super::{
    StoreError, Tx, on_each,
    rollups::ten_minutes,
    schema::{crash_minute, crash_ten_minutes, signature_hour},
};
use diesel::{prelude::*, upsert::excluded};
use std::collections::BTreeMap;

#[derive(Debug, Insertable)]
#[diesel(table_name = crash_minute, treat_none_as_default_value = false)]
pub(super) struct MinuteRow {
    pub(super) service: String,
    pub(super) environment: String,
    pub(super) minute: i64,
    pub(super) release: String,
    pub(super) cell: String,
    pub(super) crashes: i64,
    pub(super) clients: i64,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = crash_ten_minutes, treat_none_as_default_value = false)]
struct TenMinutesRow<'a> {
    service: &'a str,
    environment: &'a str,
    begins: i64,
    release: &'a str,
    cell: &'a str,
    crashes: i64,
    clients: i64,
}

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = signature_hour, treat_none_as_default_value = false)]
pub(super) struct HourRow {
    pub(super) service: String,
    pub(super) signature: i64,
    pub(super) hour: i64,
    pub(super) environment: String,
    pub(super) release: String,
    pub(super) crashes: i64,
    pub(super) handled: i64,
    pub(super) clients: i64,
}

/// The same counts by ten minutes, in order.
fn by_ten_minutes(rows: &[MinuteRow]) -> Vec<TenMinutesRow<'_>> {
    let mut sums: BTreeMap<(&str, &str, i64, &str, &str), (i64, i64)> = BTreeMap::new();
    for it in rows {
        let key = (&*it.service, &*it.environment, ten_minutes(it.minute), &*it.release, &*it.cell);
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + it.crashes, sum.1 + it.clients);
    }
    let row = |((service, environment, begins, release, cell), (crashes, clients))| TenMinutesRow {
        service,
        environment,
        begins,
        release,
        cell,
        crashes,
        clients,
    };
    sums.into_iter().map(row).collect()
}

/// Adds crashes and clients to the rows of a table of minutes or of ten minutes.
macro_rules! add_crashes {
    ($db:expr, $rows:expr, $table:ident, $begins:ident) => {
        for some in $rows.chunks(200) {
            on_each!($db, c => diesel::insert_into($table::table)
                .values(some)
                .on_conflict(($table::service, $table::environment, $table::$begins, $table::release, $table::cell))
                .do_update()
                .set((
                    $table::crashes.eq($table::crashes + excluded($table::crashes)),
                    $table::clients.eq($table::clients + excluded($table::clients)),
                ))
                .execute(c))?;
        }
    };
}

impl Tx<'_> {
    /// Adds to counts by the minute and by ten minutes. Rows come sorted, so that two writers never wait for each other in a circle.
    pub(super) fn count_minutes(&mut self, rows: &[MinuteRow]) -> Result<(), StoreError> {
        add_crashes!(self.db, rows, crash_minute, minute);
        add_crashes!(self.db, by_ten_minutes(rows), crash_ten_minutes, begins);
        Ok(())
    }

    /// Adds to counts of signatures by the hour. Rows come sorted.
    pub(super) fn count_hours(&mut self, rows: &[HourRow]) -> Result<(), StoreError> {
        for some in rows.chunks(200) {
            on_each!(self.db, c => diesel::insert_into(signature_hour::table)
                .values(some)
                .on_conflict((
                    signature_hour::service,
                    signature_hour::signature,
                    signature_hour::hour,
                    signature_hour::environment,
                    signature_hour::release,
                ))
                .do_update()
                .set((
                    signature_hour::crashes.eq(signature_hour::crashes + excluded(signature_hour::crashes)),
                    signature_hour::handled.eq(signature_hour::handled + excluded(signature_hour::handled)),
                    signature_hour::clients.eq(signature_hour::clients + excluded(signature_hour::clients)),
                ))
                .execute(c))?;
        }
        Ok(())
    }
}
