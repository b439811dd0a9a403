//! Reading a request's body: never more than a limit, never longer than a time, packed as it came. Unpacking is in `intake`.

use actix_web::{
    HttpRequest,
    body::{BodyStream, MessageBody},
    http::header,
    web::{self, Bytes, BytesMut},
};
use std::{future::poll_fn, pin::pin, time::Duration};
use tokio::sync::{Semaphore, SemaphorePermit};

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
    /// Too many others are being read.
    #[error("More is coming in than can be held at once. Send it again in a few seconds.")]
    NoRoom,
}

/// The memory for bodies that are being read, shared by all who read. What arrives is counted as it arrives, so that a slow
/// sender holds no more than it sent.
#[derive(Debug)]
pub struct Room(Semaphore);

/// The most that is set aside for a body before it comes, bytes.
const AHEAD: usize = 1 << 20;
/// Bytes that one permit stands for.
const PIECE: usize = 1024;

impl Room {
    /// Room for that many bytes.
    pub fn new(bytes: usize) -> Room {
        Room(Semaphore::new(bytes / PIECE))
    }
}

/// The room that a body takes up, given back when this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    room: Option<&'a Room>,
    permit: Option<SemaphorePermit<'a>>,
}

impl Held<'_> {
    /// Takes room for a body that has grown to so many bytes.
    fn grow(&mut self, bytes: usize) -> Result<(), NotRead> {
        let Some(room) = self.room else { return Ok(()) };
        let held = self.permit.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = u32::try_from(bytes.div_ceil(PIECE).saturating_sub(held)).map_err(|_| NotRead::NoRoom)?;
        let permit = room.0.try_acquire_many(more).map_err(|_| NotRead::NoRoom)?;
        match &mut self.permit {
            Some(all) => all.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

/// The body as it came, still packed, and the room that it takes up; without `room`, nothing is counted.
///
/// # Errors
/// Past the limit (before reading, where the sender says how long it is), past the time, broken off, or no room.
pub async fn read<'a>(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
    within: Duration,
    room: Option<&'a Room>,
) -> Result<(Bytes, Held<'a>), NotRead> {
    let declared = header(request, header::CONTENT_LENGTH.as_str()).and_then(|text| text.trim().parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(NotRead::TooLarge(limit));
    }
    let mut held = Held { room, permit: None };
    // What is declared is set aside at once, so that it need not be moved while it grows; it takes no memory before it comes.
    let ahead = usize::try_from(declared.unwrap_or(0)).unwrap_or(usize::MAX).min(AHEAD);
    let bytes = tokio::time::timeout(within, gather(payload, limit, ahead, &mut held)).await;
    Ok((bytes.map_err(|_| NotRead::TooSlow(within))??, held))
}

async fn gather(payload: web::Payload, limit: usize, ahead: usize, held: &mut Held<'_>) -> Result<Bytes, NotRead> {
    let mut body = pin!(BodyStream::new(payload));
    let mut gathered = BytesMut::with_capacity(ahead);
    while let Some(chunk) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        let chunk = chunk.map_err(|_| NotRead::BrokenOff)?;
        if gathered.len() + chunk.len() > limit {
            return Err(NotRead::TooLarge(limit));
        }
        held.grow(gathered.len() + chunk.len())?;
        gathered.extend_from_slice(&chunk);
    }
    Ok(gathered.freeze())
}

/// A header's text; none where it is missing or no text.
pub fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// How the body is packed, as the sender says.
pub fn encoding(request: &HttpRequest) -> Option<String> {
    header(request, header::CONTENT_ENCODING.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_as_a_body_grows_and_given_back_with_it() {
        let room = Room::new(10 * PIECE);
        let mut first = Held { room: Some(&room), permit: None };
        assert_eq!((first.grow(1), first.grow(PIECE), first.grow(4 * PIECE + 1)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(room.0.available_permits(), 5);
        let mut second = Held { room: Some(&room), permit: None };
        assert_eq!((second.grow(5 * PIECE), second.grow(6 * PIECE)), (Ok(()), Err(NotRead::NoRoom)));
        drop((first, second));
        assert_eq!(room.0.available_permits(), 10);
    }
}
