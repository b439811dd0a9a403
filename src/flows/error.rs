//! Why a flow did not happen. Knows no HTTP.

use crate::store::{StoreError, Transient};

/// Why something that somebody wanted did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It breaks a rule; every reason says what, why and what now.
    #[error("{}", .0.join(" "))]
    Refused(Vec<String>),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// Somebody else changed it meanwhile, or the id is taken by something else.
    #[error("{0}")]
    Changed(String),
    /// This person or token may not do that.
    #[error("{0}")]
    NotAllowed(String),
    /// Not now; again after so many seconds.
    #[error("{what}")]
    Later {
        /// What is in the way.
        what: String,
        /// When to try again.
        seconds: u64,
    },
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// A refusal with one reason.
    pub fn refused(reason: impl Into<String>) -> Error {
        Error::Refused(vec![reason.into()])
    }

    /// There is no such thing.
    pub fn no(what: &str, name: &str) -> Error {
        Error::NotFound(format!("There is no {what} “{name}” here."))
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        matches!(self, Error::Store(error) if error.is_transient())
    }

    fn is_full(&self) -> bool {
        matches!(self, Error::Store(error) if error.is_full())
    }
}
