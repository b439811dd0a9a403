//! What is answered where nothing is taken, and what every answer of the doors carries. The status says whether sending it
//! again could help.

use super::super::body::NotRead;
use crate::{
    intake::{IntakeError, key::KeyError},
    store::StoreError,
    workers::commit_telemetry::NotTaken,
};
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde_json::json;

/// When a client may try again, seconds.
const AGAIN: u64 = 5;

/// The header in which clients are told what not to send for a while.
pub(super) const RATE_LIMITS: &str = "x-sentry-rate-limits";
/// The limits that clients are told: categories, scope and reason. No category means all of them.
const QUEUE_FULL: &str = ":key:queue_full";
const OVER_QUOTA: &str = "error:key:over_quota";

/// Why nothing was taken, in the protocol's words.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The status.
    pub(super) status: StatusCode,
    detail: String,
    again: Option<u64>,
    /// The rate limit that a client is told, in the protocol's words, where it is one.
    limit: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Refusal {
        Refusal { status, detail: detail.into(), again: None, limit: None }
    }

    pub(super) fn not_now(status: StatusCode, detail: impl Into<String>) -> Refusal {
        let limit = (status == StatusCode::TOO_MANY_REQUESTS).then_some(QUEUE_FULL);
        Refusal { again: Some(AGAIN), limit, ..Refusal::new(status, detail) }
    }

    /// Whether the service has had its share of this minute.
    pub(super) fn is_over_quota(&self) -> bool {
        self.limit == Some(OVER_QUOTA)
    }

    /// The same words whether the project or its key is wrong, so that nobody learns which projects there are.
    pub(super) fn stranger() -> Refusal {
        Refusal::new(
            StatusCode::FORBIDDEN,
            "No such project, or not its key. Copy the DSN again from the service's page.",
        )
    }

    pub(super) fn answer(self) -> HttpResponse {
        let mut answer = open(self.status);
        if let Some(seconds) = self.again {
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let (Some(limit), Some(seconds)) = (self.limit, self.again) {
            answer.insert_header((RATE_LIMITS, format!("{seconds}:{limit}")));
        }
        answer.insert_header(("X-Sentry-Error", ascii(&self.detail)));
        answer.json(json!({ "detail": self.detail }))
    }
}

/// Header values hold plain characters only.
fn ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' }).take(300).collect()
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Refusal {
        let status = match error {
            KeyError::Missing => StatusCode::UNAUTHORIZED,
            KeyError::Disagree | KeyError::Malformed(_) => StatusCode::FORBIDDEN,
        };
        Refusal::new(status, error.to_string())
    }
}

impl From<NotRead> for Refusal {
    fn from(error: NotRead) -> Refusal {
        let status = match error {
            NotRead::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            NotRead::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            NotRead::BrokenOff => StatusCode::BAD_REQUEST,
            NotRead::NoRoom => return Refusal::not_now(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        };
        Refusal::new(status, error.to_string())
    }
}

impl From<IntakeError> for Refusal {
    fn from(error: IntakeError) -> Refusal {
        let status = if error.is_about_size() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
        Refusal::new(status, error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::Full => Refusal::not_now(
                StatusCode::INSUFFICIENT_STORAGE,
                "The disk is full. Nothing was kept until somebody makes room.",
            ),
            other => {
                tracing::error!(error = %other, "a crash door could not use the database");
                Refusal::not_now(StatusCode::SERVICE_UNAVAILABLE, "The database did not keep it. Send it again.")
            }
        }
    }
}

impl From<NotTaken> for Refusal {
    fn from(error: NotTaken) -> Refusal {
        match error {
            NotTaken::QueueFull => Refusal::not_now(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
            NotTaken::OverQuota(seconds) => Refusal {
                again: Some(seconds),
                limit: Some(OVER_QUOTA),
                ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, error.to_string())
            },
            NotTaken::Stopping => Refusal::not_now(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            NotTaken::Store(error) => error.into(),
        }
    }
}

/// An answer that a browser of any origin may read.
pub(super) fn open(status: StatusCode) -> HttpResponseBuilder {
    const EXPOSED: &str = "X-Sentry-Error, X-Sentry-Rate-Limits, Retry-After";
    let mut answer = HttpResponse::build(status);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
        (header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"),
    ] {
        answer.insert_header((name, HeaderValue::from_static(value)));
    }
    answer
}
