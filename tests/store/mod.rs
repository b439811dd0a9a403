//! The store on both engines: everything that can be asked or kept, at least once.

mod accounts;
mod actors;
mod arrived;
mod changes;
mod coverage;
mod faults;
mod findings;
mod history;
mod incidents;
mod leases;
mod ledger;
mod pairs;
mod reports;
mod services;
mod storm;
mod telemetry;

use pushback::{
    domain::{Record, Time},
    store::{Actor, Read, Store, StoreError, Tx},
};

/// Reads, where nothing should go wrong.
#[track_caller]
pub fn read<T>(store: &Store, body: impl FnOnce(&mut Read<'_>) -> Result<T, StoreError>) -> T {
    store.read(body).expect("a read")
}

/// Keeps something without a ledger entry, where nothing should go wrong.
#[track_caller]
pub fn keep<T>(store: &Store, body: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>) -> T {
    store.keep(body).expect("something is kept")
}

/// A record from its line.
#[track_caller]
pub fn record(line: &str) -> Record {
    Record::parse(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The n-th minute of the story's day.
pub fn minute(n: i64) -> Time {
    crate::support::at("2026-03-03T00:00:00Z") + pushback::domain::time::minutes(n)
}

/// Somebody who does things in tests.
pub fn tester() -> Actor {
    Actor { id: "tester".into(), auth: "session".into() }
}
