//! What the judge was fed lately, so that what is read once more is not fed once more.

use crate::{
    domain::{Record, Time, time},
    store::Quick,
};
use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher, Hash, Hasher, RandomState},
};

/// How long each part covers, seconds of arrival.
const PART: i64 = 10;

/// Records by when they reached us, each as 64 bits of a hash that nobody outside can foresee: a storm brings a million within the time
/// that is remembered, of which two are taken for one with odds of one in thirty million. A part is forgotten as a whole.
#[derive(Default)]
pub(super) struct Seen {
    parts: BTreeMap<i64, Quick<u64, ()>>,
    hasher: RandomState,
}

impl Seen {
    /// Takes out what was seen, and all but the first of what is there several times.
    pub(super) fn drop_from(&self, records: &mut Vec<Record>) {
        let mut met = HashSet::with_capacity(records.len());
        records.retain(|record| {
            let key = self.key(record);
            !self.parts.values().any(|part| part.contains_key(&key)) && met.insert(key)
        });
    }

    /// Notes a record.
    pub(super) fn note(&mut self, record: &Record) {
        let part = record.received_at().timestamp().div_euclid(PART);
        let key = self.key(record);
        self.parts.entry(part).or_default().insert(key, ());
    }

    /// Forgets what reached us long before an instant.
    pub(super) fn forget(&mut self, before: Time) {
        self.parts = self.parts.split_off(&before.timestamp().div_euclid(PART));
    }

    pub(super) fn clear(&mut self) {
        self.parts.clear();
    }

    /// What makes a record the one that it is: a report's id and time, everything else's content.
    fn key(&self, record: &Record) -> u64 {
        let mut hash = self.hasher.build_hasher();
        match record {
            Record::Crash(it) => (&it.service, &it.id, time::micros(it.at)).hash(&mut hash),
            other => other.content_hash().hash(&mut hash),
        }
        hash.finish()
    }
}

#[cfg(test)]
impl Seen {
    pub(super) fn len(&self) -> usize {
        self.parts.values().map(|part| part.len()).sum()
    }
}
