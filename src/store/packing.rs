//! How bodies of reports are packed: zstd, with a dictionary that was trained on this installation's own reports once there
//! were enough of them.

use super::{Read, StoreError, Tx, on_each, schema::dictionary};
use crate::domain::{Time, time};
use diesel::prelude::*;
use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// How hard is compressed without a dictionary: zstd's default, a few tens of microseconds for 5 KB.
const LEVEL: i32 = 3;
/// And with one. At 6 bodies of the load run are a fifteenth larger.
const LEVEL_WITH: i32 = 9;
/// No stored body unpacks to more, bytes.
const LONGEST: usize = 32 * 1024 * 1024;
/// The size of a dictionary at most, bytes. With 112 KiB bodies of the load run are a fifth larger.
const DICTIONARY: usize = 256 * 1024;
/// And in parts of what it is trained on: of less than ten times as much it learns single reports by heart.
const OF_SAMPLES: usize = 10;

/// Packs bodies with the dictionary that is in use. Cheap to clone; each thread prepares a dictionary once.
#[derive(Clone, Default)]
pub struct Packer {
    dictionary: Arc<RwLock<Dictionary>>,
}

/// A dictionary; the one with number 0 is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary {
    /// Its number. Later ones have greater numbers.
    pub number: i64,
    /// How many reports were kept whole when it was trained.
    pub reports: i64,
    bytes: Arc<[u8]>,
}

thread_local! {
    static COMPRESSOR: RefCell<Option<(i64, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
}

impl Packer {
    /// Packs with this dictionary from now on, unless a later one is in use.
    pub fn take_up(&self, dictionary: Dictionary) {
        let mut used = self.dictionary.write().unwrap_or_else(PoisonError::into_inner);
        if dictionary.number > used.number {
            *used = dictionary;
        }
    }

    /// The dictionary in use.
    pub fn dictionary(&self) -> Dictionary {
        self.dictionary.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The packed text and the number of its dictionary.
    pub(super) fn pack(&self, text: &str) -> Result<(i64, Vec<u8>), StoreError> {
        let dictionary = self.dictionary();
        let packed = COMPRESSOR.with_borrow_mut(|kept| {
            let mut compressor = match kept.take() {
                Some((number, compressor)) if number == dictionary.number => compressor,
                _ if dictionary.number == 0 => zstd::bulk::Compressor::new(LEVEL)?,
                _ => zstd::bulk::Compressor::with_dictionary(LEVEL_WITH, &dictionary.bytes)?,
            };
            let packed = compressor.compress(text.as_bytes());
            *kept = Some((dictionary.number, compressor));
            packed
        });
        Ok((dictionary.number, packed.map_err(failed)?))
    }
}

/// Packs without any dictionary: for rows that hold many reports.
pub(super) fn pack_alone(text: &[u8]) -> Result<Vec<u8>, StoreError> {
    thread_local! {
        static ALONE: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    ALONE.with_borrow_mut(|kept| {
        let mut compressor = match kept.take() {
            Some(compressor) => compressor,
            None => zstd::bulk::Compressor::new(LEVEL).map_err(failed)?,
        };
        let packed = compressor.compress(text).map_err(failed);
        *kept = Some(compressor);
        packed
    })
}

/// Unpacks what [`pack_alone`] packed.
pub(super) fn unpack_alone(body: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::decompress(body, LONGEST).map_err(corrupt)
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Other(error.to_string())
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// Unpacks bodies, preparing each dictionary once.
#[derive(Default)]
pub(super) struct Unpacker(HashMap<i64, zstd::bulk::Decompressor<'static>>);

impl Unpacker {
    /// The text of a body, whose dictionary is read where it is not known yet.
    pub(super) fn unpack(&mut self, read: &mut Read<'_>, number: i64, body: &[u8]) -> Result<String, StoreError> {
        let decompressor = match self.0.entry(number) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let bytes = read.dictionary_bytes(number)?;
                place.insert(zstd::bulk::Decompressor::with_dictionary(&bytes).map_err(failed)?)
            }
        };
        let bytes = decompressor.decompress(body, LONGEST.min(known_length(body))).map_err(corrupt)?;
        String::from_utf8(bytes).map_err(corrupt)
    }
}

/// The length that a packed body says it has unpacked, so that no more room is made than is needed.
fn known_length(body: &[u8]) -> usize {
    match zstd::zstd_safe::get_frame_content_size(body) {
        Ok(Some(length)) => usize::try_from(length).unwrap_or(LONGEST),
        _ => LONGEST,
    }
}

/// Trains a dictionary on texts of reports, to follow another. None where they are too few or too much alike.
pub fn train(texts: &[String], after: &Dictionary, reports: i64) -> Option<Dictionary> {
    let samples: usize = texts.iter().map(String::len).sum();
    let bytes = zstd::dict::from_samples(texts, DICTIONARY.min(samples / OF_SAMPLES)).ok()?;
    Some(Dictionary { number: after.number + 1, reports, bytes: bytes.into() })
}

impl Read<'_> {
    /// The latest dictionary; the empty one where none was trained.
    pub fn latest_dictionary(&mut self) -> Result<Dictionary, StoreError> {
        let row: Option<(i64, i64, Vec<u8>)> = on_each!(self.db, c => dictionary::table
            .order(dictionary::number.desc())
            .select((dictionary::number, dictionary::reports, dictionary::body))
            .first(c)
            .optional())?;
        Ok(row.map_or_else(Dictionary::default, |(number, reports, bytes)| Dictionary {
            number,
            reports,
            bytes: bytes.into(),
        }))
    }

    fn dictionary_bytes(&mut self, number: i64) -> Result<Vec<u8>, StoreError> {
        if number == 0 {
            return Ok(Vec::new());
        }
        Ok(on_each!(self.db, c => dictionary::table.find(number).select(dictionary::body).first(c))?)
    }
}

impl Tx<'_> {
    /// Keeps a dictionary, before anything is packed with it. False where there is one with its number already.
    pub fn keep_dictionary(&mut self, it: &Dictionary, now: Time) -> Result<bool, StoreError> {
        let row = (
            dictionary::number.eq(it.number),
            dictionary::trained_at.eq(time::micros(now)),
            dictionary::reports.eq(it.reports),
            dictionary::body.eq(it.bytes.to_vec()),
        );
        let new = on_each!(self.db, c => diesel::insert_into(dictionary::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c))?;
        Ok(new == 1)
    }
}
