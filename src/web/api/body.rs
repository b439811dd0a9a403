//! Reading a request's body: never more than a limit, never longer than a time, packed as it came. Unpacking is in `intake`.

use actix_web::{
    HttpRequest,
    http::header,
    web::{self, Bytes},
};
use std::time::Duration;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// It is longer than the limit, bytes on the wire.
    #[error("The body is larger than {0} bytes on the wire. Send fewer items in one request, or smaller ones.")]
    TooLarge(usize),
    /// It did not come in time.
    #[error("The body did not arrive within {} seconds. Send it again.", .0.as_secs())]
    TooSlow(Duration),
    /// The sender went away in the middle.
    #[error("The body broke off in the middle. Send it again.")]
    BrokenOff,
}

/// The body as it came, still packed.
///
/// # Errors
/// Past the limit (before reading, where the sender says how long it is), past the time, or broken off.
pub async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
    within: Duration,
) -> Result<Bytes, NotRead> {
    let declared = header(request, header::CONTENT_LENGTH.as_str()).and_then(|text| text.trim().parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(NotRead::TooLarge(limit));
    }
    match tokio::time::timeout(within, payload.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(_))) => Err(NotRead::BrokenOff),
        Ok(Err(_)) => Err(NotRead::TooLarge(limit)),
        Err(_) => Err(NotRead::TooSlow(within)),
    }
}

/// A header's text; none where it is missing or no text.
pub fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// How the body is packed, as the sender says.
pub fn encoding(request: &HttpRequest) -> Option<String> {
    header(request, header::CONTENT_ENCODING.as_str()).map(str::to_owned)
}
