//! Exporting everything that was recorded, as a history file that imports into an empty database as the same records.

use super::Error;
use crate::{
    domain::{Record, time},
    store::{Store, StoreError},
};

/// Every record, in order of arrival.
pub fn all_records(store: &Store) -> Result<Vec<Record>, Error> {
    let mut records = store.read::<_, StoreError>(|read| {
        let ever = time::from_micros(i64::MIN);
        let mut records = read.changes_since(ever)?;
        records.extend(read.all_telemetry()?);
        Ok(records)
    })?;
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
