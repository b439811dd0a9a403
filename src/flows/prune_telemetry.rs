//! Dropping telemetry that is older than an installation keeps it: in the path of the writes, a little at a time, so that nothing
//! ever waits long for it.

use crate::{
    domain::{Time, time},
    store::{Store, StoreError},
};

/// For how long telemetry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Reports that are kept whole, days.
    pub reports_days: u32,
    /// Reports that are only counted, counts by the minute and the hour, exposure and what became of requests, days.
    pub counts_days: u32,
}

/// Reports that are dropped in one transaction.
const REPORTS: i64 = 1_000;
/// Rows of counted reports that are dropped in one transaction, each of up to a thousand.
const BLOCKS: i64 = 4;

/// Drops some of what is too old. Whether there may be more.
pub fn prune_telemetry(store: &Store, retention: Retention, now: Time) -> Result<bool, StoreError> {
    let days = |days: u32| now - time::minutes(i64::from(days) * 24 * 60);
    let (reports, counts) = (days(retention.reports_days), days(retention.counts_days));
    store.keep::<_, StoreError>(|tx| {
        let full = [
            tx.drop_reports(reports.max(counts), REPORTS)? as i64 == REPORTS,
            tx.drop_blocks(counts, BLOCKS)? as i64 == BLOCKS,
            tx.drop_exposures(counts)?,
            tx.drop_counts(counts)?,
        ];
        Ok(full.contains(&true))
    })
}
