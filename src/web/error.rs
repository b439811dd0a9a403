//! The one mapping from what went wrong to what is answered. The body is made where the request is known, in `headers`.

use crate::{flows::Error, store::StoreError};
use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};

/// What is told to whoever asked.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The status.
    pub status: StatusCode,
    /// What happened, in a few words.
    pub title: String,
    /// Why, and what now.
    pub reasons: Vec<String>,
}

/// Something that went wrong while a request was answered.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .explained.title)]
pub struct WebError {
    explained: Explained,
    retry_after: Option<u64>,
    sign_in: bool,
    cause: Option<String>,
}

/// What page handlers give back when they cannot give a page.
pub type PageError = WebError;

impl WebError {
    /// An answer with a status, a title and one reason.
    pub fn new(status: StatusCode, title: &str, reason: impl Into<String>) -> WebError {
        let explained = Explained { status, title: title.into(), reasons: vec![reason.into()] };
        WebError { explained, retry_after: None, sign_in: false, cause: None }
    }

    /// The form or the query does not say what is needed.
    pub fn bad_request(reason: impl Into<String>) -> WebError {
        WebError::new(StatusCode::BAD_REQUEST, "That could not be read", reason)
    }

    /// There is no such page.
    pub fn not_found(reason: impl Into<String>) -> WebError {
        WebError::new(StatusCode::NOT_FOUND, "Not found", reason)
    }

    /// Not for this person.
    pub fn forbidden(reason: impl Into<String>) -> WebError {
        WebError::new(StatusCode::FORBIDDEN, "Not allowed", reason)
    }

    /// Nobody is signed in.
    pub fn sign_in() -> WebError {
        let error =
            WebError::new(StatusCode::UNAUTHORIZED, "Sign in first", "This page is for people who are signed in.");
        WebError { sign_in: true, ..error }
    }

    /// Why and what now.
    pub fn reasons(&self) -> &[String] {
        &self.explained.reasons
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.explained.status
    }

    /// Whether a browser should be sent to the sign-in page.
    pub(super) fn wants_sign_in(&self) -> bool {
        self.sign_in
    }

    /// What to write into the log, where the fault is ours.
    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl From<Error> for WebError {
    fn from(error: Error) -> WebError {
        let with = |status, title: &str, reasons| WebError {
            explained: Explained { status, title: title.into(), reasons },
            retry_after: None,
            sign_in: false,
            cause: None,
        };
        match error {
            Error::Refused(reasons) => with(StatusCode::UNPROCESSABLE_ENTITY, "That was not done", reasons),
            Error::NotFound(what) => with(StatusCode::NOT_FOUND, "Not found", vec![what]),
            Error::Changed(what) => with(StatusCode::CONFLICT, "Somebody was there before", vec![what]),
            Error::NotAllowed(what) => with(StatusCode::FORBIDDEN, "Not allowed", vec![what]),
            Error::Later { what, seconds } => WebError {
                retry_after: Some(seconds),
                ..with(StatusCode::SERVICE_UNAVAILABLE, "Not now", vec![what])
            },
            Error::Store(StoreError::Busy) => WebError {
                retry_after: Some(1),
                ..with(StatusCode::SERVICE_UNAVAILABLE, "Not now", vec!["The database is busy. Try again in a second.".into()])
            },
            Error::Store(StoreError::Full) => WebError {
                retry_after: Some(10),
                ..with(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "The disk is full",
                    vec!["Nothing was kept. Make room on the database’s disk; then this works again by itself.".into()],
                )
            },
            Error::Store(StoreError::Failed(_)) => WebError {
                retry_after: Some(5),
                ..with(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The database failed",
                    vec!["It is being opened anew and checked. Whether this was kept is not known: look, or send the same again, which is harmless.".into()],
                )
            },
            Error::Store(
                error @ (StoreError::NotFound
                | StoreError::Taken(_)
                | StoreError::NoLedgerEntry
                | StoreError::Corrupt(_)
                | StoreError::Unusable(_)
                | StoreError::Other(_)),
            ) => WebError {
                cause: Some(error.to_string()),
                ..with(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something broke here",
                    vec!["It is not your doing. The log has the details under the request’s number; nothing half-done was kept.".into()],
                )
            },
        }
    }
}

impl ResponseError for WebError {
    fn status_code(&self) -> StatusCode {
        self.explained.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.explained.status);
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        let mut response = response.body(self.explained.reasons.join(" "));
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl WebError {
    /// What is told to whoever asked.
    pub fn explained(&self) -> &Explained {
        &self.explained
    }
}
