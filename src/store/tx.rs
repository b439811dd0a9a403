//! Transactions: the handle that reads, the handle that writes, and who may make one.

use super::{Db, StoreError, Transient, ledger};
use diesel::{
    Connection,
    connection::{AnsiTransactionManager, TransactionManager},
    result::Error as Diesel,
};
use std::time::Duration;

pub use super::upkeep::Store;

/// A handle that can only read.
pub struct Read<'a> {
    pub(super) db: &'a mut Db,
}

/// A handle that can write, inside one transaction.
pub struct Tx<'a> {
    pub(super) read: Read<'a>,
    pub(super) entries: Vec<ledger::Pending>,
}

impl<'a> std::ops::Deref for Tx<'a> {
    type Target = Read<'a>;

    fn deref(&self) -> &Read<'a> {
        &self.read
    }
}

impl<'a> std::ops::DerefMut for Tx<'a> {
    fn deref_mut(&mut self) -> &mut Read<'a> {
        &mut self.read
    }
}

/// How a transaction can fail: by the engine, or because the caller changed its mind.
enum Failed<E> {
    Engine(Diesel),
    Caller(E),
}

impl<E: Transient> Failed<E> {
    fn is_transient(&self) -> bool {
        match self {
            Failed::Engine(error) => StoreError::says_busy(error),
            Failed::Caller(error) => error.is_transient(),
        }
    }
}

impl<E> From<Diesel> for Failed<E> {
    fn from(error: Diesel) -> Failed<E> {
        Failed::Engine(error)
    }
}

/// How often a transaction is tried when others are in its way.
const TRIES: u64 = 5;

impl Store {
    /// Reads, in one snapshot.
    pub fn read<T, E: From<StoreError>>(&self, body: impl FnOnce(&mut Read<'_>) -> Result<T, E>) -> Result<T, E> {
        let pools = self.pools()?;
        let mut db = pools.readers.get().map_err(StoreError::from)?;
        let body = |db: &mut Db| body(&mut Read { db });
        settle(match &mut *db {
            // A plain BEGIN on SQLite takes its snapshot at the first read; readers never wait for the writer.
            Db::Sqlite(_) => snapshot(&mut db, body, "begin"),
            Db::Postgres(_) => snapshot(&mut db, body, "begin isolation level repeatable read read only"),
        })
    }

    /// Changes state, in one transaction that also holds the ledger entries of the change. A change without an entry is
    /// refused and rolled back.
    pub fn write<T, E: From<StoreError> + Transient>(
        &self,
        mut body: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transact(|tx| {
            let done = body(tx)?;
            if tx.entries.is_empty() {
                return Err(StoreError::NoLedgerEntry.into());
            }
            ledger::append(tx)?;
            Ok(done)
        })
    }

    /// Keeps what is not a change of the record: telemetry batches, sessions, sightings, what the judge says. Entries that
    /// the body makes are appended; it need not make any.
    pub fn keep<T, E: From<StoreError> + Transient>(
        &self,
        mut body: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transact(|tx| {
            let done = body(tx)?;
            ledger::append(tx)?;
            Ok(done)
        })
    }

    /// Keeps telemetry, as [`Store::keep`] does, as long as there is room that people do not need: it gets nothing of the
    /// reserve. [`StoreError::Full`] otherwise.
    pub fn take<T, E: From<StoreError> + Transient>(
        &self,
        mut body: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.health().may_take()?;
        self.let_people_pass();
        self.try_to(|tx| {
            let done = body(tx)?;
            ledger::append(tx)?;
            Ok(done)
        })
    }

    /// Runs a transaction of people or workers: where the disk is full, the reserve is given up for it.
    fn transact<T, E: From<StoreError> + Transient>(
        &self,
        mut body: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let waiting = self.wait_in_line();
        let outcome = self.try_to(&mut body);
        drop(waiting);
        match outcome {
            Err(error) if error.is_full() && self.give_up_reserve() => self.try_to(body),
            outcome => outcome,
        }
    }

    fn try_to<T, E: From<StoreError> + Transient>(
        &self,
        mut body: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tries = 0;
        loop {
            tries += 1;
            let pools = self.pools()?;
            self.health().may_write(pools.generation)?;
            let mut db = pools.writers.get().map_err(StoreError::from)?;
            // It may have failed while this one waited for its turn.
            self.health().may_write(pools.generation)?;
            let run = |db: &mut Db| body(&mut Tx { read: Read { db }, entries: Vec::new() });
            let outcome = match &mut *db {
                // A plain BEGIN that reads and then writes fails at once when another writer came between.
                Db::Sqlite(_) => snapshot(&mut db, run, "begin immediate"),
                Db::Postgres(_) => snapshot(&mut db, run, "begin"),
            };
            // What failed meanwhile may be what was written here: nobody is told that it is kept.
            self.health().may_write(pools.generation)?;
            match outcome {
                Err(Failed::Engine(error)) if matches!(&*db, Db::Sqlite(_)) && StoreError::says_busy(&error) => {
                    // SQLite has waited for five seconds by itself, and others write for moments. A lock that an unlock failed to
                    // give back goes only with every connection.
                    let why =
                        "its lock was not to be had for seconds, by another process or since it was never given back";
                    self.health().fail(pools.generation, why);
                    return settle(Err(Failed::Engine(error)));
                }
                Err(failed) if tries < TRIES && failed.is_transient() => {
                    drop(db);
                    std::thread::sleep(Duration::from_millis(10 * tries * tries));
                }
                outcome => {
                    let settled = settle(outcome);
                    if settled.as_ref().is_err_and(Transient::is_full) {
                        self.health().fill();
                    }
                    return settled;
                }
            }
        }
    }
}

fn settle<T, E: From<StoreError>>(outcome: Result<T, Failed<E>>) -> Result<T, E> {
    outcome.map_err(|failed| match failed {
        Failed::Engine(error) => StoreError::from(error).into(),
        Failed::Caller(error) => error,
    })
}

/// Runs the body between `begin` and commit; any error rolls back.
fn snapshot<T, E>(db: &mut Db, body: impl FnOnce(&mut Db) -> Result<T, E>, begin: &str) -> Result<T, Failed<E>> {
    begin_on(db, begin)?;
    match body(db) {
        Ok(done) => {
            commit_on(db)?;
            Ok(done)
        }
        Err(error) => {
            // The body's error is the one worth telling; a connection that cannot roll back is thrown away by the pool.
            if let Err(rollback) = rollback_on(db) {
                tracing::error!(error = %rollback, "a transaction could not be rolled back");
            }
            Err(Failed::Caller(error))
        }
    }
}

fn begin_on(db: &mut Db, begin: &str) -> Result<(), Diesel> {
    match db {
        Db::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, begin),
        Db::Postgres(c) => {
            <PgManager as TransactionManager<_>>::begin_transaction(c)?;
            match begin.strip_prefix("begin ") {
                Some(mode) => {
                    diesel::connection::SimpleConnection::batch_execute(c, &format!("set transaction {mode}"))
                }
                None => Ok(()),
            }
        }
    }
}

type PgManager = <super::connect::PgConnection as Connection>::TransactionManager;

fn commit_on(db: &mut Db) -> Result<(), Diesel> {
    match db {
        Db::Sqlite(c) => AnsiTransactionManager::commit_transaction(c),
        Db::Postgres(c) => PgManager::commit_transaction(c),
    }
}

fn rollback_on(db: &mut Db) -> Result<(), Diesel> {
    match db {
        Db::Sqlite(c) => AnsiTransactionManager::rollback_transaction(c),
        Db::Postgres(c) => PgManager::rollback_transaction(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        value: i64,
    }

    #[test]
    fn every_pooled_connection_of_sqlite_is_durable_patient_and_strict_and_readers_cannot_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite:{}", folder.path().join("x.sqlite3").display())).expect("opens");
        let pools = store.pools().expect("open");
        for (pool, query_only) in [(&pools.writers, 0), (&pools.readers, 1)] {
            // All at once, so that each is another one.
            let mut connections: Vec<_> = (0..pool.max_size()).map(|_| pool.get().expect("a connection")).collect();
            for connection in &mut connections {
                let Db::Sqlite(connection) = &mut **connection else { panic!("SQLite was opened") };
                let wanted =
                    [("synchronous", 2), ("foreign_keys", 1), ("trusted_schema", 0), ("query_only", query_only)];
                for (name, wanted) in wanted {
                    let found: Number = sql_query(format!("select {name} as value from pragma_{name}"))
                        .get_result(connection)
                        .expect(name);
                    assert_eq!(found.value, wanted, "{name}");
                }
                let patience: Number = sql_query("select timeout as value from pragma_busy_timeout")
                    .get_result(connection)
                    .expect("busy_timeout");
                assert!(patience.value >= 1000);
                let written = sql_query("insert into setting (name, value) values ('x', '1') on conflict do nothing")
                    .execute(connection);
                assert_eq!(written.is_ok(), query_only == 0);
            }
        }
    }
}
