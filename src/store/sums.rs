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

impl Tx<'_> {
    /// Adds to counts by the minute and by ten minutes. Rows come sorted, so that two writers never wait for each other in a circle.
    pub(super) fn count_minutes(&mut self, rows: &[MinuteRow]) -> Result<(), StoreError> {
        for some in rows.chunks(200) {
            on_each!(self.db, c => diesel::insert_into(crash_minute::table)
                .values(some)
                .on_conflict((
                    crash_minute::service,
                    crash_minute::environment,
                    crash_minute::minute,
                    crash_minute::release,
                    crash_minute::cell,
                ))
                .do_update()
                .set((
                    crash_minute::crashes.eq(crash_minute::crashes + excluded(crash_minute::crashes)),
                    crash_minute::clients.eq(crash_minute::clients + excluded(crash_minute::clients)),
                ))
                .execute(c))?;
        }
        for some in by_ten_minutes(rows).chunks(200) {
            on_each!(self.db, c => diesel::insert_into(crash_ten_minutes::table)
                .values(some)
                .on_conflict((
                    crash_ten_minutes::service,
                    crash_ten_minutes::environment,
                    crash_ten_minutes::begins,
                    crash_ten_minutes::release,
                    crash_ten_minutes::cell,
                ))
                .do_update()
                .set((
                    crash_ten_minutes::crashes.eq(crash_ten_minutes::crashes + excluded(crash_ten_minutes::crashes)),
                    crash_ten_minutes::clients.eq(crash_ten_minutes::clients + excluded(crash_ten_minutes::clients)),
                ))
                .execute(c))?;
        }
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
