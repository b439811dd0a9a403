//! Counts that need no reports to be read: crashes by the minute, which say where and when a service was heard of, and
//! reports of a signature by the hour, which its page shows by day. Where few crashed, reports are read for a picture; in a storm,
//! these counts are, so that a page is as quick as ever.

use super::{
    Read, StoreError, on_each,
    reports::CrashMark,
    schema::{crash_minute, crash_ten_minutes, signature_hour},
    sums::HourRow,
};
use crate::domain::{Time, time};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Text},
};
use std::collections::BTreeMap;

/// Crashes of one release in one cell in one minute; none where only handled errors were reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashMinute {
    /// The start of the minute.
    pub minute: Time,
    /// The release, where known.
    pub release: Option<String>,
    /// The cell.
    pub cell: String,
    /// Crashes.
    pub crashes: i64,
    /// Clients that were cut off.
    pub clients: i64,
}

/// Crashes that a picture draws as one: a single one, or in a storm as many as are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashCount {
    /// When: the start of the minute or hour where it stands for several.
    pub at: Time,
    /// When it reached us; none where it stands for several.
    pub received_at: Option<Time>,
    /// The release, where known.
    pub release: Option<String>,
    /// The cell; none where it stands for all of them.
    pub cell: Option<String>,
    /// What groups it; none where it stands for all of them.
    pub signature: Option<String>,
    /// How many.
    pub crashes: i64,
    /// Clients that were cut off.
    pub clients: i64,
}

impl From<CrashMark> for CrashCount {
    fn from(it: CrashMark) -> CrashCount {
        CrashCount {
            at: it.at,
            received_at: Some(it.received_at),
            release: it.release,
            cell: Some(it.cell),
            signature: Some(it.signature),
            crashes: 1,
            clients: it.clients_dropped.unwrap_or(0).max(0),
        }
    }
}

/// As many crashes are read one by one; more are a storm.
const ONE_BY_ONE: i64 = 20_000;

/// Reports of one signature and release in one hour, all environments together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHour {
    /// The start of the hour.
    pub hour: Time,
    /// The release, where known.
    pub release: Option<String>,
    /// Crashes.
    pub crashes: i64,
    /// Handled errors and messages.
    pub handled: i64,
    /// Clients that were cut off.
    pub clients: i64,
}

/// An hour, microseconds.
pub(super) const HOUR: i64 = 3_600_000_000;

/// Ten minutes, microseconds.
pub(super) const TEN_MINUTES: i64 = 600_000_000;

/// The start of the ten minutes that hold an instant, microseconds.
pub(super) fn ten_minutes(at: i64) -> i64 {
    at.div_euclid(TEN_MINUTES) * TEN_MINUTES
}

/// The start of the hour that holds an instant, microseconds.
pub(super) fn hour(at: i64) -> i64 {
    at.div_euclid(HOUR) * HOUR
}

fn known(release: String) -> Option<String> {
    Some(release).filter(|release| !release.is_empty())
}

/// The counts of a place in a part of a range, from a table of minutes or of ten minutes.
macro_rules! counts_within {
    ($table:ident, $begins:ident, $place:expr, $from:expr, $before:expr) => {
        $table::table
            .filter($table::service.eq($place.0))
            .filter($table::environment.eq($place.1))
            .filter($table::$begins.ge($from))
            .filter($table::$begins.lt($before))
    };
}

/// A minute, microseconds.
const MINUTE: i64 = 60_000_000;

/// A part of a range of time, from one instant on and before another, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Counted by the minute.
    Minutes(i64, i64),
    /// Counted by ten minutes.
    Tens(i64, i64),
}

/// A range (both ends belong to it) for a picture in which so many minutes are one: by ten minutes where nobody sees the difference, and
/// what is left of it at either end by the minute.
fn parts((from, to): (i64, i64), minutes: i64) -> Vec<Part> {
    let before = to.saturating_add(1);
    let (first, last) = (ten_minutes(from.saturating_add(TEN_MINUTES - 1)), ten_minutes(before));
    if minutes < 10 || minutes % 10 != 0 || first >= last {
        return vec![Part::Minutes(from, before)];
    }
    vec![Part::Minutes(from, first), Part::Tens(first, last), Part::Minutes(last, before)]
}

impl Read<'_> {
    /// Crashes of a service by minute, release and cell, in order of time.
    pub fn crash_minutes(
        &mut self,
        service: &str,
        environment: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<CrashMinute>, StoreError> {
        // There are thousands of them in a storm: no more is read than is told.
        let rows: Vec<(i64, String, String, i64, i64)> = on_each!(self.db, c => crash_minute::table
            .filter(crash_minute::service.eq(service))
            .filter(crash_minute::environment.eq(environment))
            .filter(crash_minute::minute.between(time::micros(time::minute(from)), time::micros(to)))
            .order(crash_minute::minute.asc())
            .select((
                crash_minute::minute,
                crash_minute::release,
                crash_minute::cell,
                crash_minute::crashes,
                crash_minute::clients,
            ))
            .load(c))?;
        let minute = |(minute, release, cell, crashes, clients)| CrashMinute {
            minute: time::from_micros(minute),
            release: known(release),
            cell,
            crashes,
            clients,
        };
        Ok(rows.into_iter().map(minute).collect())
    }

    /// Whether so many crashes of a service came in a range that they are told by the minute. In a storm the first of its minutes say so.
    fn is_storm(&mut self, service: &str, environment: &str, from: Time, to: Time) -> Result<bool, StoreError> {
        const FIRST: i64 = 1_000;
        let minutes = (time::micros(time::minute(from)), time::micros(to));
        let first: Vec<i64> = on_each!(self.db, c => crash_minute::table
            .filter(crash_minute::service.eq(service))
            .filter(crash_minute::environment.eq(environment))
            .filter(crash_minute::minute.between(minutes.0, minutes.1))
            .select(crash_minute::crashes)
            .limit(FIRST)
            .load(c))?;
        let found = first.iter().fold(0_i64, |sum, it| sum.saturating_add(*it));
        if found > ONE_BY_ONE || first.len() < FIRST as usize {
            return Ok(found > ONE_BY_ONE);
        }
        let all: i64 = on_each!(self.db, c => crash_minute::table
            .filter(crash_minute::service.eq(service))
            .filter(crash_minute::environment.eq(environment))
            .filter(crash_minute::minute.between(minutes.0, minutes.1))
            .select(sql::<BigInt>("cast(coalesce(sum(crashes), 0) as bigint)"))
            .first(c))?;
        Ok(all > ONE_BY_ONE)
    }

    /// The crashes of a service in a range of time, in order: each by itself, or in a storm by minute, release and cell. Then only
    /// minutes that begin in the range count.
    pub fn crash_counts(
        &mut self,
        service: &str,
        environment: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<CrashCount>, StoreError> {
        if !self.is_storm(service, environment, from, to)? {
            let marks = self.crashes_between(service, environment, from, to)?;
            return Ok(marks.into_iter().map(CrashCount::from).collect());
        }
        let minutes = self.crash_minutes(service, environment, from, to)?;
        let count = |it: CrashMinute| CrashCount {
            at: it.minute,
            received_at: None,
            release: it.release,
            cell: Some(it.cell),
            signature: None,
            crashes: it.crashes,
            clients: it.clients,
        };
        Ok(minutes.into_iter().filter(|it| it.crashes > 0 && it.minute >= from).map(count).collect())
    }

    /// The same for a picture in which so many minutes are one: in a storm they are summed where they are found, so that days of it are
    /// a few hundred rows. Where the range cuts the first of them, what it has is told at the range's beginning.
    pub fn crash_counts_by(
        &mut self,
        service: &str,
        environment: &str,
        (from, to): (Time, Time),
        minutes: i64,
    ) -> Result<Vec<CrashCount>, StoreError> {
        if minutes <= 1 || !self.is_storm(service, environment, from, to)? {
            return self.crash_counts(service, environment, from, to);
        }
        let length = minutes.saturating_mul(MINUTE);
        let mut sums: BTreeMap<(i64, String, String), (i64, i64)> = BTreeMap::new();
        for part in parts((time::micros(from), time::micros(to)), minutes) {
            for (at, release, cell, crashes, clients) in self.crash_sums(service, environment, part, length)? {
                let sum = sums.entry((at, release, cell)).or_default();
                *sum = (sum.0 + crashes, sum.1 + clients);
            }
        }
        let count = |((at, release, cell), (crashes, clients))| CrashCount {
            at: time::from_micros(at).max(from),
            received_at: None,
            release: known(release),
            cell: Some(cell),
            signature: None,
            crashes,
            clients,
        };
        Ok(sums.into_iter().map(count).collect())
    }

    /// The crashes of a part of a range, so much time as one, by release and cell, in order of time.
    fn crash_sums(
        &mut self,
        service: &str,
        environment: &str,
        part: Part,
        length: i64,
    ) -> Result<Vec<(i64, String, String, i64, i64)>, StoreError> {
        let sums = |begins: &str| {
            sql::<(BigInt, Text, Text, BigInt, BigInt)>(&format!(
                "{begins} - {begins} % {length}, release, cell, cast(sum(crashes) as bigint), cast(sum(clients) as bigint)"
            ))
        };
        Ok(match part {
            Part::Minutes(from, before) => {
                on_each!(self.db, c => counts_within!(crash_minute, minute, (service, environment), from, before)
                .filter(crash_minute::crashes.gt(0))
                .group_by(sql::<BigInt>("1, 2, 3"))
                .select(sums("minute"))
                .order(sql::<BigInt>("1"))
                .load(c))?
            }
            Part::Tens(from, before) => {
                on_each!(self.db, c => counts_within!(crash_ten_minutes, begins, (service, environment), from, before)
                .filter(crash_ten_minutes::crashes.gt(0))
                .group_by(sql::<BigInt>("1, 2, 3"))
                .select(sums("begins"))
                .order(sql::<BigInt>("1"))
                .load(c))?
            }
        })
    }

    /// How many crashes of a service there were when, all releases and cells together, so many minutes as one, in order. Only minutes that
    /// begin in the range count; where it cuts the first of those that are one, what that has is told at the range's beginning.
    pub fn crash_totals(
        &mut self,
        service: &str,
        environment: &str,
        (from, to): (Time, Time),
        minutes: i64,
    ) -> Result<Vec<(Time, i64)>, StoreError> {
        let mut rows: Vec<(i64, i64)> = Vec::new();
        for part in parts((time::micros(from), time::micros(to)), minutes) {
            rows.extend(self.crash_sums_of_all(service, environment, part)?);
        }
        let length = minutes.max(1).saturating_mul(MINUTE);
        let mut totals: Vec<(Time, i64)> = Vec::new();
        for (minute, crashes) in rows {
            let at = time::from_micros(minute - minute.rem_euclid(length)).max(from);
            match totals.last_mut().filter(|last| last.0 == at) {
                Some(last) => last.1 = last.1.saturating_add(crashes),
                None => totals.push((at, crashes)),
            }
        }
        Ok(totals)
    }

    /// The crashes of a part of a range by the minute or ten minutes, in order of time: in the order of an index, so that nothing has to be
    /// sorted.
    fn crash_sums_of_all(
        &mut self,
        service: &str,
        environment: &str,
        part: Part,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let sum = || sql::<BigInt>("cast(sum(crashes) as bigint)");
        Ok(match part {
            Part::Minutes(from, before) => {
                on_each!(self.db, c => counts_within!(crash_minute, minute, (service, environment), from, before)
                .group_by(crash_minute::minute)
                .select((crash_minute::minute, sum()))
                .order(crash_minute::minute.asc())
                .load(c))?
            }
            Part::Tens(from, before) => {
                on_each!(self.db, c => counts_within!(crash_ten_minutes, begins, (service, environment), from, before)
                .group_by(crash_ten_minutes::begins)
                .select((crash_ten_minutes::begins, sum()))
                .order(crash_ten_minutes::begins.asc())
                .load(c))?
            }
        })
    }

    /// Every crash of a service in a range of time, in order, or in a storm the first of those that are kept whole.
    pub fn crash_examples(
        &mut self,
        service: &str,
        environment: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<CrashMark>, StoreError> {
        if !self.is_storm(service, environment, from, to)? {
            return self.crashes_between(service, environment, from, to);
        }
        self.whole_between(service, environment, from, to, ONE_BY_ONE)
    }

    /// The crashes of one signature, as `crash_counts` tells those of all; in a storm by hour and release, every hour that the range
    /// touches.
    pub fn crash_counts_of(
        &mut self,
        service: &str,
        environment: &str,
        signature: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<CrashCount>, StoreError> {
        if !self.is_storm(service, environment, from, to)? {
            let mut marks = self.crashes_between(service, environment, from, to)?;
            marks.retain(|mark| mark.signature == signature);
            return Ok(marks.into_iter().map(CrashCount::from).collect());
        }
        let Some((_, number)) = self.signature_numbers(service, &[signature])?.pop() else { return Ok(Vec::new()) };
        let rows: Vec<HourRow> = on_each!(self.db, c => signature_hour::table
            .filter(signature_hour::service.eq(service))
            .filter(signature_hour::signature.eq(number))
            .filter(signature_hour::hour.between(hour(time::micros(from)), time::micros(to)))
            .filter(signature_hour::environment.eq(environment))
            .filter(signature_hour::crashes.gt(0))
            .order(signature_hour::hour.asc())
            .select(HourRow::as_select())
            .load(c))?;
        let count = |row: HourRow| CrashCount {
            at: time::from_micros(row.hour),
            received_at: None,
            release: known(row.release),
            cell: None,
            signature: Some(signature.to_owned()),
            crashes: row.crashes,
            clients: row.clients,
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// Reports of a signature by hour and release since an instant, latest hour first.
    pub fn signature_hours(
        &mut self,
        service: &str,
        signature: &str,
        since: Time,
    ) -> Result<Vec<SignatureHour>, StoreError> {
        let Some((_, number)) = self.signature_numbers(service, &[signature])?.pop() else { return Ok(Vec::new()) };
        let rows: Vec<HourRow> = on_each!(self.db, c => signature_hour::table
            .filter(signature_hour::service.eq(service))
            .filter(signature_hour::signature.eq(number))
            .filter(signature_hour::hour.ge(time::micros(since)))
            .order(signature_hour::hour.desc())
            .select(HourRow::as_select())
            .load(c))?;
        let hour = |row: HourRow| SignatureHour {
            hour: time::from_micros(row.hour),
            release: known(row.release),
            crashes: row.crashes,
            handled: row.handled,
            clients: row.clients,
        };
        Ok(rows.into_iter().map(hour).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_by_ten_minutes_as_far_as_it_holds_whole_ones_and_nobody_sees_it() {
        let at = |minute: i64| minute * MINUTE;
        let all = |minutes| parts((at(3), at(47)), minutes);
        let end = at(47) + 1;
        let by_tens = [Part::Minutes(at(3), at(10)), Part::Tens(at(10), at(40)), Part::Minutes(at(40), end)];
        assert_eq!((all(10), all(30)), (by_tens.to_vec(), by_tens.to_vec()));
        for minutes in [1, 5, 15] {
            assert_eq!(all(minutes), [Part::Minutes(at(3), end)], "{minutes}");
        }
        assert_eq!(parts((at(11), at(19)), 10), [Part::Minutes(at(11), at(19) + 1)]);
        // A minute that ends a range belongs to it.
        assert_eq!(
            parts((at(10), at(19) + MINUTE - 1), 10),
            [Part::Minutes(at(10), at(10)), Part::Tens(at(10), at(20)), Part::Minutes(at(20), at(20))]
        );
    }
}
