//! The telemetry lane: windows of exposure, and what they and the crash reports say together.

use super::{
    Read, StoreError, Tx,
    blocks::Rows,
    changes::Kept,
    on_each,
    rollups::ten_minutes,
    schema::{crash_minute, crash_ten_minutes, exposure, outcome, report, report_block, signature_hour},
};
use crate::domain::{Record, Time, exposure::Exposure, time};
use diesel::prelude::*;
use serde_json::{Map, Value, json};

pub use super::{
    blocks::{RowWritten, RowsRead},
    reports::{CrashMark, StoredReport},
    rollups::{CrashCount, CrashMinute, SignatureHour},
    signatures::SignatureRow,
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = exposure, treat_none_as_default_value = false)]
struct ExposureRow {
    service: String,
    environment: String,
    at: i64,
    hash: Vec<u8>,
    release: String,
    cell: String,
    received_at: i64,
    seconds: f64,
    instances: f64,
    sessions: Option<f64>,
    rest: Option<String>,
}

impl From<ExposureRow> for Exposure {
    fn from(row: ExposureRow) -> Exposure {
        let mut rest: Map<String, Value> =
            row.rest.as_deref().and_then(|rest| serde_json::from_str(rest).ok()).unwrap_or_default();
        let mut take = |name: &str| match rest.shift_remove(name) {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        Exposure {
            service: row.service,
            environment: row.environment,
            release: row.release,
            cell: row.cell,
            at: time::from_micros(row.at),
            received_at: time::from_micros(row.received_at),
            seconds: row.seconds,
            instances: row.instances,
            sessions: row.sessions,
            flags: take("flags"),
            extra: take("extra"),
        }
    }
}

/// All values of a key's second part in order, each found in the index by the one before: a few steps instead of a walk over
/// every row.
pub(super) fn one_after_another(
    mut next: impl FnMut(&str) -> Result<Option<String>, StoreError>,
) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = Vec::new();
    while let Some(value) = next(found.last().map_or("", String::as_str))? {
        found.push(value);
    }
    Ok(found)
}

/// As many rows of counted reports are read at once, however few they hold.
const MOST_ROWS: i64 = 400;
/// How much of the oldest telemetry is dropped at once, microseconds of time.
const AT_ONCE: i64 = 3_600_000_000;

impl Tx<'_> {
    /// Drops windows of exposure that reached us before an instant, the oldest first, an hour of them at most. Whether there may
    /// be more.
    pub fn drop_exposures(&mut self, before: Time) -> Result<bool, StoreError> {
        let before = time::micros(before);
        let first: Option<i64> = on_each!(self.db, c => exposure::table
            .filter(exposure::received_at.lt(before))
            .order(exposure::received_at.asc())
            .select(exposure::received_at)
            .first(c)
            .optional())?;
        let Some(first) = first else { return Ok(false) };
        let until = before.min(first.saturating_add(AT_ONCE));
        on_each!(self.db, c => diesel::delete(exposure::table.filter(exposure::received_at.lt(until))).execute(c))?;
        Ok(until < before)
    }

    /// Drops counts of minutes and hours before an instant, of crashes and of what became of requests: a day of each at most, of
    /// crashes by the minute of each service and environment (of these as far as whole tens of minutes go). Whether there may be more.
    pub fn drop_counts(&mut self, before: Time) -> Result<bool, StoreError> {
        let before = time::micros(before);
        let mut more = false;
        // Minutes go together with the ten minutes that they are counted in.
        let whole = ten_minutes(before);
        for service in self.services()? {
            let service = service.service;
            for environment in self.environments_of_reports(&service)? {
                let ours = || {
                    crash_minute::table
                        .filter(crash_minute::service.eq(&service))
                        .filter(crash_minute::environment.eq(&environment))
                };
                let first: Option<i64> = on_each!(self.db, c => ours()
                    .order(crash_minute::minute.asc())
                    .select(crash_minute::minute)
                    .first(c)
                    .optional())?;
                let Some(first) = first.filter(|first| *first < whole) else { continue };
                let until = whole.min(ten_minutes(first).saturating_add(24 * AT_ONCE));
                more = more || until < whole;
                on_each!(self.db, c => diesel::delete(ours().filter(crash_minute::minute.lt(until))).execute(c))?;
                on_each!(self.db, c => diesel::delete(
                    crash_ten_minutes::table
                        .filter(crash_ten_minutes::service.eq(&service))
                        .filter(crash_ten_minutes::environment.eq(&environment))
                        .filter(crash_ten_minutes::begins.lt(until)),
                ).execute(c))?;
            }
            on_each!(self.db, c => diesel::delete(
                outcome::table.filter(outcome::service.eq(&service)).filter(outcome::minute.lt(before)),
            ).execute(c))?;
        }
        let first: Option<i64> = on_each!(self.db, c => signature_hour::table
            .order(signature_hour::hour.asc())
            .select(signature_hour::hour)
            .first(c)
            .optional())?;
        if let Some(first) = first.filter(|first| *first < before) {
            let until = before.min(first.saturating_add(24 * AT_ONCE));
            more = more || until < before;
            on_each!(self.db, c => diesel::delete(signature_hour::table.filter(signature_hour::hour.lt(until)))
                .execute(c))?;
        }
        Ok(more)
    }

    /// Keeps a window of exposure; the same window with the same content again is a repeat.
    pub fn keep_exposure(&mut self, it: &Exposure) -> Result<Kept, StoreError> {
        let mut rest = Map::new();
        for (name, fields) in [("flags", &it.flags), ("extra", &it.extra)] {
            if !fields.is_empty() {
                rest.insert(name.to_owned(), json!(fields));
            }
        }
        let row = ExposureRow {
            service: it.service.clone(),
            environment: it.environment.clone(),
            at: time::micros(it.at),
            hash: Record::Exposure(it.clone()).content_hash()[..16].to_vec(),
            release: it.release.clone(),
            cell: it.cell.clone(),
            received_at: time::micros(it.received_at),
            seconds: it.seconds,
            instances: it.instances,
            sessions: it.sessions,
            rest: (!rest.is_empty()).then(|| Value::Object(rest).to_string()),
        };
        let new = on_each!(self.db, c => diesel::insert_into(exposure::table).values(&row).on_conflict_do_nothing().execute(c))?;
        Ok(if new == 1 { Kept::New } else { Kept::Repeat })
    }
}

impl Read<'_> {
    /// Windows of exposure of a service that begin in a range of time, in order.
    pub fn exposures_between(
        &mut self,
        service: &str,
        environment: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<Exposure>, StoreError> {
        let rows: Vec<ExposureRow> = on_each!(self.db, c => exposure::table
            .filter(exposure::service.eq(service))
            .filter(exposure::environment.eq(environment))
            .filter(exposure::at.between(time::micros(from), time::micros(to)))
            .order(exposure::at.asc())
            .select(ExposureRow::as_select())
            .load(c))?;
        Ok(rows.into_iter().map(Exposure::from).collect())
    }

    /// The environments that a service was seen in.
    pub fn environments(&mut self, service: &str) -> Result<Vec<String>, StoreError> {
        use super::schema::push;
        let mut found = self.environments_of_reports(service)?;
        found.extend(on_each!(self.db, c => push::table
            .filter(push::service.eq(service))
            .select(push::environment)
            .distinct()
            .load::<String>(c))?);
        found.extend(one_after_another(|after| {
            Ok(on_each!(self.db, c => exposure::table
                .filter(exposure::service.eq(service))
                .filter(exposure::environment.gt(after))
                .order(exposure::environment.asc())
                .select(exposure::environment)
                .first(c)
                .optional())?)
        })?);
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The environments that reports of a service came from.
    fn environments_of_reports(&mut self, service: &str) -> Result<Vec<String>, StoreError> {
        one_after_another(|after| {
            Ok(on_each!(self.db, c => crash_minute::table
                .filter(crash_minute::service.eq(service))
                .filter(crash_minute::environment.gt(after))
                .order(crash_minute::environment.asc())
                .select(crash_minute::environment)
                .first(c)
                .optional())?)
        })
    }

    /// When anything of a service was last heard of in an environment: its latest exposure, or the minute of its latest report.
    pub fn last_heard(&mut self, service: &str, environment: &str) -> Result<Option<Time>, StoreError> {
        let ran: Option<i64> = on_each!(self.db, c => exposure::table
            .filter(exposure::service.eq(service))
            .filter(exposure::environment.eq(environment))
            .select(diesel::dsl::max(exposure::at))
            .first(c))?;
        let crashed: Option<i64> = on_each!(self.db, c => crash_minute::table
            .filter(crash_minute::service.eq(service))
            .filter(crash_minute::environment.eq(environment))
            .select(diesel::dsl::max(crash_minute::minute))
            .first(c))?;
        Ok(ran.max(crashed).map(time::from_micros))
    }

    /// What is judged of crash reports and windows of exposure that reached us from one instant on and before another, as
    /// records in no order.
    pub fn telemetry_received(&mut self, from: Time, before: Time) -> Result<Vec<Record>, StoreError> {
        self.telemetry((from, before), Rows::All)
    }

    /// The same, for whoever reads part by part what there is and then what is new: the rows of counted reports are noted as read.
    pub fn telemetry_noted(
        &mut self,
        from: Time,
        before: Time,
        read: &mut RowsRead,
    ) -> Result<Vec<Record>, StoreError> {
        self.telemetry((from, before), Rows::Noted(read))
    }

    /// The same, for whoever reads the last seconds again and again: of counted reports those are left out that were read before.
    pub fn telemetry_anew(&mut self, from: Time, before: Time, read: &mut RowsRead) -> Result<Vec<Record>, StoreError> {
        self.telemetry((from, before), Rows::Anew(read))
    }

    fn telemetry(&mut self, within: (Time, Time), rows: Rows<'_>) -> Result<Vec<Record>, StoreError> {
        let mut records = self.exposures_received(within)?;
        records.extend(self.crashes_received(within, rows)?.into_iter().map(Record::Crash));
        Ok(records)
    }

    /// The same with everything that is kept of the reports.
    pub fn everything_received(&mut self, from: Time, before: Time) -> Result<Vec<Record>, StoreError> {
        let mut records = self.exposures_received((from, before))?;
        records.extend(self.whole_crashes_received((from, before))?.into_iter().map(Record::Crash));
        Ok(records)
    }

    fn exposures_received(&mut self, (from, before): (Time, Time)) -> Result<Vec<Record>, StoreError> {
        let rows: Vec<ExposureRow> = on_each!(self.db, c => exposure::table
            .filter(exposure::received_at.ge(time::micros(from)))
            .filter(exposure::received_at.lt(time::micros(before)))
            .select(ExposureRow::as_select())
            .load(c))?;
        Ok(rows.into_iter().map(|row| Record::Exposure(row.into())).collect())
    }

    /// An instant before which, from `since` on, about `count` reports and as many windows arrived; none where fewer are left.
    pub fn arrivals_end(&mut self, since: Time, count: i64) -> Result<Option<Time>, StoreError> {
        let from = time::micros(since);
        let whole: Option<i64> = on_each!(self.db, c => report::table
            .filter(report::received_at.ge(from))
            .order(report::received_at.asc())
            .select(report::received_at)
            .offset(count)
            .first(c)
            .optional())?;
        let rows: Vec<(i64, i64)> = on_each!(self.db, c => report_block::table
            .filter(report_block::last_received.ge(from))
            .order(report_block::last_received.asc())
            .select((report_block::last_received, report_block::reports))
            .limit(MOST_ROWS)
            .load(c))?;
        // Rows are full in a storm, and hold a few reports each where many services send a few.
        let mut held = 0_i64;
        let beyond = rows.iter().find(|(_, reports)| {
            held = held.saturating_add(*reports);
            held > count
        });
        let counted = beyond.or(rows.get(MOST_ROWS as usize - 1)).map(|(last, _)| *last);
        let windows: Option<i64> = on_each!(self.db, c => exposure::table
            .filter(exposure::received_at.ge(from))
            .order(exposure::received_at.asc())
            .select(exposure::received_at)
            .offset(count)
            .first(c)
            .optional())?;
        // Where all of them arrived at one instant, that instant goes whole.
        let end = [whole, counted, windows].into_iter().flatten().min();
        Ok(end.map(|end| time::from_micros(end.max(from.saturating_add(1)))))
    }

    /// Whether any crash report or exposure has ever reached us.
    pub fn has_telemetry(&mut self) -> Result<bool, StoreError> {
        let window: Option<i64> = on_each!(self.db, c => exposure::table.select(exposure::at).first(c).optional())?;
        Ok(window.is_some() || self.has_reports()?)
    }
}
