//! The only folder that knows SQL: connections, transactions, the schema, and one file per table family.
//!
//! Reads take a [`Read`], writes a [`Tx`] that only [`Store::write`] makes. Everything here blocks; async code calls it
//! from a thread that may wait.

mod arrivals;
mod blocks;
mod condition;
mod connect;
mod copies;
mod disk;
mod error;
mod ledger;
mod lock;
pub mod schema;
mod tx;
mod upkeep;

pub mod accounts;
pub mod actors;
pub mod arrived;
pub mod changes;
pub mod counting;
pub mod findings;
pub mod holds;
pub mod incidents;
pub mod keeping;
mod known;
pub mod leases;
pub mod outcomes;
pub mod packing;
pub mod pairs;
pub mod people;
mod report_ids;
pub mod reports;
mod rollups;
pub mod services;
mod signatures;
mod sums;
pub mod telemetry;

/// A table that is asked many times for each report. Its hashes are quick, and other ones in each process.
pub(crate) type Quick<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

pub use condition::Condition;
pub use connect::{Backend, Db, redact};
pub use copies::{Copied, Restored, backup, restore};
pub use error::{StoreError, Transient};
pub use ledger::Actor;
pub use tx::{Read, Store, Tx};

/// Runs the same query body on whichever engine the connection is: written once, type-checked for each.
macro_rules! on_each {
    ($db:expr, $c:ident => $body:expr) => {
        match &mut *$db {
            $crate::store::Db::Sqlite($c) => $body,
            $crate::store::Db::Postgres($c) => $body,
        }
    };
}
pub(crate) use on_each;
