//! Exporting everything that was recorded, as a history file that imports into an empty database as the same records.

use super::Error;
use crate::{
    domain::{Record, Time, time},
    store::{Store, StoreError},
};

/// How many crash reports, and how many windows of exposure, are read in one transaction: well under a second's work.
const PAGE: i64 = 20_000;

/// Every record, in order of arrival.
pub fn all_records(store: &Store) -> Result<Vec<Record>, Error> {
    records_by(store, PAGE)
}

/// The same, `page` reports and windows at a time, each in a transaction of its own: a reader that stays keeps the log of
/// SQLite from being emptied, and a history can be long. What arrives meanwhile may be there or not.
pub fn records_by(store: &Store, page: i64) -> Result<Vec<Record>, Error> {
    let mut since = time::from_micros(i64::MIN);
    let mut records = store.read::<_, StoreError>(|read| read.changes_since(since))?;
    loop {
        let (some, end) = store.read::<_, StoreError>(|read| {
            let end = read.arrivals_end(since, page)?;
            Ok((read.everything_received(since, end.unwrap_or(Time::MAX_UTC))?, end))
        })?;
        records.extend(some);
        match end {
            Some(end) => since = end,
            None => break,
        }
    }
    Record::sort_by_arrival(&mut records);
    Ok(records)
}

/// The records as lines of a history file.
pub fn to_lines(records: &[Record]) -> String {
    let mut lines = String::with_capacity(records.len() * 200);
    for record in records {
        lines.push_str(&record.to_line());
        lines.push('\n');
    }
    lines
}
