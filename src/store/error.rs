//! What a database can answer when it does not do what was asked.

use diesel::result::{DatabaseErrorKind, Error as Diesel};

/// Why a query or a commit did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No row, where one had to be.
    #[error("no such row")]
    NotFound,
    /// A row with this key is there already.
    #[error("already there: {0}")]
    Taken(String),
    /// Another transaction was in the way; the whole may be tried again.
    #[error("another transaction was in the way")]
    Busy,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The file or its disk failed: nothing is written before it has been opened anew and checked. Whether a write that ran
    /// into this is kept is not known; the same ids sent again are harmless.
    #[error("the database failed and must be opened anew first: {0}")]
    Failed(String),
    /// A state change was about to be committed that left no ledger entry.
    #[error("nothing was written to the ledger, so nothing was changed")]
    NoLedgerEntry,
    /// What is stored cannot be read back as what it should be.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// The database cannot be used: what, and what to do.
    #[error("{0}")]
    Unusable(String),
    /// Anything else that the engine said.
    #[error("database: {0}")]
    Other(String),
}

impl StoreError {
    pub(super) fn says_busy(error: &Diesel) -> bool {
        match error {
            Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
            Diesel::DatabaseError(_, info) => {
                info.message().contains("database is locked") || info.message().contains("deadlock detected")
            }
            _ => false,
        }
    }
}

impl From<Diesel> for StoreError {
    fn from(error: Diesel) -> StoreError {
        match error {
            Diesel::NotFound => StoreError::NotFound,
            error if StoreError::says_busy(&error) => StoreError::Busy,
            Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                StoreError::Taken(info.message().to_owned())
            }
            Diesel::DatabaseError(_, info)
                if info.message().contains("database or disk is full")
                    || info.message().contains("No space left on device") =>
            {
                StoreError::Full
            }
            other => StoreError::Other(other.to_string()),
        }
    }
}

impl From<diesel::r2d2::PoolError> for StoreError {
    fn from(error: diesel::r2d2::PoolError) -> StoreError {
        StoreError::Other(format!("no connection could be had: {error}"))
    }
}

/// Errors that may go away when the whole transaction is tried again.
pub trait Transient {
    /// Whether another try makes sense.
    fn is_transient(&self) -> bool;

    /// Whether it was for lack of room on the disk.
    fn is_full(&self) -> bool;
}

impl Transient for StoreError {
    fn is_transient(&self) -> bool {
        matches!(self, StoreError::Busy)
    }

    fn is_full(&self) -> bool {
        matches!(self, StoreError::Full)
    }
}
