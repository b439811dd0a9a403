//! Ids of reports as they are stored: the 32 hexadecimal digits that clients make take up 23 letters, of which the first says so. No
//! id that comes from outside has a control character, so that nothing else can begin like that. And what stands for an id in the
//! table of all ids.

use crate::domain::Time;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    sql_types::Text,
};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// How ids begin that are stored short.
const SHORT: char = '\u{1}';

/// An id as it came, read from what is stored of it.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub(super) struct ReportId(pub(super) String);

impl<DB: Backend> FromSql<Text, DB> for ReportId
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        String::from_sql(bytes).map(|stored| ReportId(lengthen(stored)))
    }
}

impl From<ReportId> for String {
    fn from(id: ReportId) -> String {
        id.0
    }
}

/// What is stored of an id.
pub(super) fn shorten(id: &str) -> Cow<'_, str> {
    let mut bytes = [0; 16];
    let is_lower = !id.bytes().any(|letter| letter.is_ascii_uppercase());
    if is_lower && hex::decode_to_slice(id, &mut bytes).is_ok() {
        let mut short = String::with_capacity(23);
        short.push(SHORT);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut short);
        return Cow::Owned(short);
    }
    Cow::Borrowed(id)
}

fn lengthen(stored: String) -> String {
    let bytes = stored.strip_prefix(SHORT).and_then(|short| URL_SAFE_NO_PAD.decode(short).ok());
    bytes.map_or(stored, hex::encode)
}

/// How many seconds a round of slots has.
const SECONDS: u16 = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 10;

/// Which part of the table of ids a report's id is noted in: a second of a round of 1,024, by what the sender wrote as its time. Ids
/// lie anywhere, but reports of one storm say nearly the same time, so that those that come together touch few pages of the table. What
/// is sent again says the same time again, whatever is made of it here. Without one the id may be noted anywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot(Option<u16>);

impl Slot {
    /// The one of a report whose sender wrote this time into it.
    pub fn of(written: Time) -> Slot {
        Slot(u16::try_from(written.timestamp().rem_euclid(i64::from(SECONDS))).ok())
    }

    /// What is stored of it.
    pub(super) fn stored(self) -> Option<i64> {
        self.0.map(i64::from)
    }

    pub(super) fn from_stored(stored: Option<i64>) -> Slot {
        Slot(stored.and_then(|slot| u16::try_from(slot).ok()))
    }
}

/// What stands for an id: its slot, and 54 bits of its hash; 64 where it has no slot. Of a hundred thousand that say the same second,
/// two of which are taken for one have odds of about three in ten million.
pub(super) fn mark(service: &str, id: &str, slot: Slot) -> i64 {
    marked(hash(service, id), slot)
}

/// What else stands for the id of a report that says a time which was not believed: it is told with another one, and so it may come back
/// in a history.
pub(super) fn told_mark(service: &str, id: &str, slot: Slot, at: Time) -> Option<i64> {
    let told = Slot::of(at);
    (slot != Slot::default() && told != slot).then(|| mark(service, id, told))
}

/// What may stand for an id, whichever slot it has.
pub(super) fn in_slots(service: &str, id: &str) -> Vec<i64> {
    let hash = hash(service, id);
    (0..SECONDS).map(|slot| marked(hash, Slot(Some(slot)))).collect()
}

fn marked(hash: u64, Slot(slot): Slot) -> i64 {
    let mark = match slot {
        Some(slot) => u64::from(slot) << (u64::BITS - SLOT_BITS) | hash >> SLOT_BITS,
        None => hash,
    };
    mark.cast_signed()
}

fn hash(service: &str, id: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(b"report\0");
    hash.update(service.as_bytes());
    hash.update([0]);
    hash.update(id.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    u64::from_be_bytes(std::array::from_fn(|at| hash[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_gives_the_id_back_and_is_short_where_clients_made_it() {
        for (id, stored) in [
            ("0123456789abcdef0123456789abcdef", 23),
            ("0123456789ABCDEF0123456789ABCDEF", 32),
            ("0123456789abcdef0123456789abcde", 31),
            ("0123456789abcdef0123456789abcdef00", 34),
            ("crash of the third cell, no. 12x", 32),
            ("", 0),
            ("c1", 2),
        ] {
            assert_eq!(shorten(id).len(), stored, "{id}");
            assert_eq!(lengthen(shorten(id).into_owned()), id);
        }
    }
    #[test]
    fn ids_that_say_the_same_second_are_noted_beside_each_other() {
        let second = |seconds: i64| Slot::of(Time::from_timestamp(seconds, 999_999_999).expect("in range"));
        let mark_of = |id: &str, seconds: i64| mark("relay", id, second(seconds));
        assert_eq!(second(-1), Slot(Some(1_023)));
        assert_eq!(second(1_772_500_000), Slot::from_stored(second(1_772_500_000 + 1_024).stored()));
        for (id, other) in [("c1", "c2"), ("c2", "c3"), ("0123456789abcdef0123456789abcdef", "c1")] {
            let (one, next) = (mark_of(id, 1_772_500_000), mark_of(other, 1_772_500_000));
            assert_ne!(one, next);
            assert_eq!(one >> 54, next >> 54);
            assert_ne!(one >> 54, mark_of(id, 1_772_500_001) >> 54);
            let all = in_slots("relay", id);
            assert!(
                all.contains(&one) && !all.contains(&next) && !all.contains(&mark("fleet", id, second(1_772_500_000)))
            );
        }
    }
}
