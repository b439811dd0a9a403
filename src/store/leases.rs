//! Leases: work that one of several nodes does, and that another goes on with when that one dies.

use super::{Db, StoreError, Tx, on_each, schema::lease};
use crate::domain::{Time, time};
use diesel::{prelude::*, sql_types::BigInt};
use std::time::Duration;

/// A piece of work, and who would do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The work.
    pub work: &'static str,
    /// The node that asks: no other node has this name.
    pub node: String,
    /// For how long it is held after each time it was asked for.
    pub lasts: Duration,
}

#[derive(QueryableByName)]
struct Clock {
    #[diesel(sql_type = BigInt)]
    micros: i64,
}

impl Tx<'_> {
    /// Takes a lease that is free or has run out, or extends one that is held already. Whether this node holds it; if so, no other
    /// node gets it before this transaction has ended, however long that takes.
    ///
    /// Times are those of the database where it has a clock of its own, so that nodes with unlike clocks agree; `now` elsewhere.
    pub fn hold_lease(&mut self, it: &Lease, now: Time) -> Result<bool, StoreError> {
        let now = self.lease_clock(now)?;
        let until = now.saturating_add(i64::try_from(it.lasts.as_micros()).unwrap_or(i64::MAX));
        let extended = on_each!(self.db, c => diesel::update(lease::table.filter(lease::name.eq(it.work)))
            .filter(lease::holder.eq(&it.node))
            .set(lease::expires_at.eq(until))
            .execute(c))?;
        if extended > 0 {
            return Ok(true);
        }
        let taken = on_each!(self.db, c => diesel::update(lease::table.filter(lease::name.eq(it.work)))
            .filter(lease::expires_at.le(now))
            .set((lease::holder.eq(&it.node), lease::epoch.eq(lease::epoch + 1), lease::expires_at.eq(until)))
            .execute(c))?;
        if taken > 0 {
            return Ok(true);
        }
        let first =
            (lease::name.eq(it.work), lease::holder.eq(&it.node), lease::epoch.eq(1), lease::expires_at.eq(until));
        let made = on_each!(self.db, c => diesel::insert_into(lease::table)
            .values(first)
            .on_conflict(lease::name)
            .do_nothing()
            .execute(c))?;
        Ok(made > 0)
    }

    /// Gives a lease up, so that another node need not wait for it to run out.
    pub fn give_up_lease(&mut self, it: &Lease) -> Result<(), StoreError> {
        on_each!(self.db, c => diesel::update(lease::table.filter(lease::name.eq(it.work)))
            .filter(lease::holder.eq(&it.node))
            .set((lease::holder.eq(""), lease::expires_at.eq(0)))
            .execute(c))?;
        Ok(())
    }

    fn lease_clock(&mut self, now: Time) -> Result<i64, StoreError> {
        match &mut *self.db {
            Db::Sqlite(_) => Ok(time::micros(now)),
            Db::Postgres(c) => {
                let asked = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint as micros";
                Ok(diesel::sql_query(asked).get_result::<Clock>(c)?.micros)
            }
        }
    }
}
