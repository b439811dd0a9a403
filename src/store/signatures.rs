//! Signatures: what groups reports, each with its number, its counts and its latest example.

use super::{Read, StoreError, Tx, on_each, schema::signature};
use crate::domain::{Time, time};
use diesel::{dsl::case_when, prelude::*, upsert::excluded};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// A signature with its counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRow {
    /// The service.
    pub service: String,
    /// The signature.
    pub signature: String,
    /// First seen.
    pub first_at: Time,
    /// Last seen.
    pub last_at: Time,
    /// Crash reports.
    pub crashes: i64,
    /// Handled errors and messages.
    pub handled: i64,
    /// Clients dropped.
    pub clients: i64,
    /// The latest report that was kept whole.
    pub last_id: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = signature, treat_none_as_default_value = false)]
pub(super) struct SignatureColumns {
    pub(super) service: String,
    pub(super) title: String,
    pub(super) number: i64,
    pub(super) first_at: i64,
    pub(super) last_at: i64,
    pub(super) crashes: i64,
    pub(super) handled: i64,
    pub(super) clients: i64,
    pub(super) last_id: String,
}

impl From<SignatureColumns> for SignatureRow {
    fn from(row: SignatureColumns) -> SignatureRow {
        SignatureRow {
            service: row.service,
            signature: row.title,
            first_at: time::from_micros(row.first_at),
            last_at: time::from_micros(row.last_at),
            crashes: row.crashes,
            handled: row.handled,
            clients: row.clients,
            last_id: row.last_id,
        }
    }
}

/// The number that a signature gets when it is first seen: the same on every node.
pub(super) fn new_number(service: &str, title: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(service.as_bytes());
    hash.update([0]);
    hash.update(title.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    i64::from_be_bytes(std::array::from_fn(|at| hash[at])) & i64::MAX
}

impl Read<'_> {
    /// The numbers of those signatures of a service that have one.
    pub(super) fn signature_numbers(
        &mut self,
        service: &str,
        titles: &[&str],
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let mut found = Vec::with_capacity(titles.len());
        for some in titles.chunks(500) {
            found.extend(on_each!(self.db, c => signature::table
                .filter(signature::service.eq(service))
                .filter(signature::title.eq_any(some))
                .select((signature::title, signature::number))
                .load::<(String, i64)>(c))?);
        }
        Ok(found)
    }

    /// The titles of signatures of a service, by number.
    pub(super) fn signature_titles(
        &mut self,
        service: &str,
        mut numbers: Vec<i64>,
    ) -> Result<HashMap<i64, String>, StoreError> {
        numbers.sort_unstable();
        numbers.dedup();
        let mut found = HashMap::with_capacity(numbers.len());
        for some in numbers.chunks(500) {
            found.extend(on_each!(self.db, c => signature::table
                .filter(signature::service.eq(service))
                .filter(signature::number.eq_any(some))
                .select((signature::number, signature::title))
                .load::<(i64, String)>(c))?);
        }
        Ok(found)
    }

    /// Signatures, latest first, of one service or of all.
    pub fn signatures(
        &mut self,
        service: Option<&str>,
        before: Option<Time>,
        limit: i64,
    ) -> Result<Vec<SignatureRow>, StoreError> {
        let rows: Vec<SignatureColumns> = on_each!(self.db, c => {
            let mut query = signature::table.select(SignatureColumns::as_select()).into_boxed();
            if let Some(service) = service {
                query = query.filter(signature::service.eq(service));
            }
            if let Some(before) = before {
                query = query.filter(signature::last_at.lt(time::micros(before)));
            }
            query.order((signature::last_at.desc(), signature::title.asc())).limit(limit).load(c)
        })?;
        Ok(rows.into_iter().map(SignatureRow::from).collect())
    }

    /// One signature of a service.
    pub fn signature(&mut self, service: &str, text: &str) -> Result<Option<SignatureRow>, StoreError> {
        let row: Option<SignatureColumns> = on_each!(self.db, c => signature::table
            .find((service, text))
            .select(SignatureColumns::as_select())
            .first(c)
            .optional())?;
        Ok(row.map(SignatureRow::from))
    }
}

impl Tx<'_> {
    /// Adds to the counts of signatures. Rows come sorted, so that two writers never wait for each other in a circle. A row
    /// without `last_id` leaves the latest example as it is.
    pub(super) fn count_signatures(&mut self, rows: &[SignatureColumns]) -> Result<(), StoreError> {
        for some in rows.chunks(200) {
            on_each!(self.db, c => diesel::insert_into(signature::table)
                .values(some)
                .on_conflict((signature::service, signature::title))
                .do_update()
                .set((
                    signature::crashes.eq(signature::crashes + excluded(signature::crashes)),
                    signature::handled.eq(signature::handled + excluded(signature::handled)),
                    signature::clients.eq(signature::clients + excluded(signature::clients)),
                    signature::last_id.eq(case_when(
                        excluded(signature::last_id).ne("").and(excluded(signature::last_at).ge(signature::last_at)),
                        excluded(signature::last_id),
                    )
                    .otherwise(signature::last_id)),
                    signature::first_at.eq(case_when(
                        excluded(signature::first_at).lt(signature::first_at),
                        excluded(signature::first_at),
                    )
                    .otherwise(signature::first_at)),
                    signature::last_at.eq(case_when(
                        excluded(signature::last_at).gt(signature::last_at),
                        excluded(signature::last_at),
                    )
                    .otherwise(signature::last_at)),
                ))
                .execute(c))?;
        }
        Ok(())
    }
}
