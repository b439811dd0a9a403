//! From bytes on the wire to domain records: limits, decompression, formats, scrubbing.
//!
//! Everything here is a function of its arguments; what time it is comes with them. Routes, keys' owners and databases are
//! elsewhere. A crash report's way: `body::decode` unpacks it under a cap, `key::sentry_key` finds whose it is, `envelope`
//! takes it apart into reports, exposure and outcomes. Everything that is dropped on the way is counted in an outcome.

pub mod body;
pub mod detail;
pub mod formats;
pub mod json;
pub mod key;
pub mod scrub;

use crate::domain::Time;
use crate::domain::crash::Crash;
use crate::domain::exposure::Exposure;
use crate::intake::json::Fields;
use body::BodyError;
use detail::Detail;
use formats::arrival::{self, Arrival};
use formats::envelope::{FrameError, Item};
use formats::fields::{id, text_under, under, whole};
use formats::{client_report, event, session, stack, store};
use json::{JsonError, Shortened};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The longest event, bytes of JSON.
pub const LONGEST_EVENT: usize = 1 << 20;
/// The longest report of what a client discarded, bytes.
const LONGEST_CLIENT_REPORT: usize = 16 * 1024;

/// The names of the tags or contexts in which a service's clients say more than the protocol has fields for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TagNames {
    /// The cell that the program runs in.
    pub cell: String,
    /// The release of the instance at the other end.
    pub peer_release: String,
    /// How many clients were cut off.
    pub clients_dropped: String,
}

impl Default for TagNames {
    fn default() -> TagNames {
        TagNames {
            cell: "cell".to_owned(),
            peer_release: "peer_release".to_owned(),
            clients_dropped: "clients_dropped".to_owned(),
        }
    }
}

/// Where a request came in: for which service, and when.
#[derive(Clone, Copy)]
pub struct Door<'a> {
    /// The service whose key the request carries.
    pub service: &'a str,
    /// What the service's clients call things.
    pub names: &'a TagNames,
    /// When the request reached us.
    pub received_at: Time,
    /// Whether more of a report is to be read than counts: its exceptions, tags and breadcrumbs.
    pub reads_on: &'a dyn Fn(&Crash) -> bool,
}

/// What was taken out of one request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    /// The id to answer with, 32 hexadecimal digits: the envelope's, else the event's, else one made from the event's bytes.
    /// None where the request names none and holds no event.
    pub event_id: Option<String>,
    /// Crash reports, caught errors and messages.
    pub reports: Vec<Report>,
    /// Session counts by the minute.
    pub exposures: Vec<Exposure>,
    /// What was not kept, and what the client says it threw away, in order of category and reason.
    pub outcomes: Vec<Outcome>,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The record. Only where `standing` says so is it a crash.
    pub crash: Crash,
    /// What it counts as.
    pub standing: Standing,
    /// The time that the sender wrote into it, whatever is made of that.
    pub claimed: Option<Time>,
    /// What is kept beside the record, for reading; none where the report is only counted, and then it has no exception
    /// either.
    pub detail: Option<Detail>,
}

/// What an event counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The program did not deal with it (`handled: false`), or it is fatal, or a dump came with it.
    Crash,
    /// An exception that the program dealt with, or of which nobody said.
    Handled,
    /// A message without an exception.
    Message,
}

impl Standing {
    /// The word in databases and on pages.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Crash => "crash",
            Standing::Handled => "handled",
            Standing::Message => "message",
        }
    }
}

/// Something that was not kept, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The protocol's data category: `error`, `session`, `transaction` …; never a stranger's word.
    pub category: String,
    /// Why: `not_kept`, `malformed`, `too_large`, `too_many_items`, `too_many_buckets`, `second_event`, `no_release`, or `sender_…` for what the
    /// client itself threw away.
    pub reason: String,
    /// How many.
    pub quantity: u64,
}

/// Counts outcomes by category and reason. Both are words of this program, so that a stranger cannot invent labels.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<(&'static str, &'static str), u64>);

impl Tally {
    /// Counts some more; nothing where the quantity is zero.
    pub fn add(&mut self, category: &'static str, reason: &'static str, quantity: u64) {
        if quantity > 0 {
            let count = self.0.entry((category, reason)).or_default();
            *count = count.saturating_add(quantity);
        }
    }

    /// The counts, in order of category and reason.
    pub fn outcomes(self) -> Vec<Outcome> {
        let outcome = |((category, reason), quantity): ((&str, &str), u64)| Outcome {
            category: category.to_owned(),
            reason: reason.to_owned(),
            quantity,
        };
        self.0.into_iter().map(outcome).collect()
    }
}

/// Why nothing could be taken out of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The envelope's frame is broken.
    #[error("The envelope could not be taken apart: {0}. Nothing of it was kept; send it again with the frame mended.")]
    Frame(#[from] FrameError),
    /// An item's JSON cannot be read.
    #[error("The {item} could not be read: {fault}. Nothing was kept; send it again with that mended.")]
    Item {
        /// Which item, by its type.
        item: &'static str,
        /// What is wrong.
        fault: JsonError,
    },
    /// An item is too large.
    #[error("The {item} is {size} bytes long and may have {limit}. Nothing was kept; send less context with it.")]
    TooLarge {
        /// Which item, by its type.
        item: &'static str,
        /// How long it is, bytes.
        size: usize,
        /// How long it may be, bytes.
        limit: usize,
    },
    /// The body's own packing.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl IntakeError {
    /// Whether it is about size, which has an answer of its own.
    pub fn is_about_size(&self) -> bool {
        match self {
            IntakeError::TooLarge { .. } | IntakeError::Body(BodyError::TooLarge { .. }) => true,
            IntakeError::Frame(_) | IntakeError::Item { .. } | IntakeError::Body(_) => false,
        }
    }
}

/// The DSN in an envelope's header line, without reading the rest.
pub fn envelope_dsn(body: &[u8]) -> Option<String> {
    formats::envelope::dsn(body)
}

/// Takes an envelope apart.
///
/// One item that cannot be read does not cost the others: it is counted. Only where nothing else was kept is it an error.
///
/// # Errors
/// A broken frame, or an item that cannot be read where nothing else was kept.
pub fn envelope(body: &[u8], door: &Door) -> Result<Taken, IntakeError> {
    let envelope = formats::envelope::read(body)?;
    let sent_at = arrival::read(under(&envelope.header, &["sent_at"]));
    let arrival = Arrival { received_at: door.received_at, sent_at, kept: event::is_kept_by_client(&envelope.header) };
    let with_dump = envelope.items.iter().any(is_dump);
    let mut taken = Taken { event_id: id(under(&envelope.header, &["event_id"])), ..Taken::default() };
    let mut tally = Tally::default();
    let mut windows = session::Windows::default();
    let mut refused = None;
    for item in &envelope.items {
        let read = match item.kind.as_str() {
            "event" if !taken.reports.is_empty() => {
                tally.add("error", "second_event", 1);
                Ok(())
            }
            "event" => take_event(item.payload, arrival, with_dump, door, &mut taken, &mut tally),
            "session" => fields("session", item.payload, LONGEST_EVENT)
                .map(|session| session::update(&session, &arrival, door, &mut windows, &mut tally)),
            "sessions" => fields("sessions item", item.payload, LONGEST_EVENT)
                .map(|item| session::aggregate(&item, &arrival, door, &mut windows, &mut tally)),
            "client_report" => fields("client report", item.payload, LONGEST_CLIENT_REPORT)
                .map(|report| client_report::read(&report, &mut tally)),
            other => {
                let many = whole(under(&item.header, &["item_count"])).unwrap_or(1).clamp(1, 100_000);
                tally.add(client_report::category_of_item(other), "not_kept", many.unsigned_abs());
                Ok(())
            }
        };
        if let Err(error) = read {
            let reason = if error.is_about_size() { "too_large" } else { "malformed" };
            tally.add(client_report::category_of_item(&item.kind), reason, 1);
            refused.get_or_insert(error);
        }
    }
    tally.add("default", "too_many_items", envelope.beyond as u64);
    taken.exposures = windows.into_exposures();
    taken.outcomes = tally.outcomes();
    match refused {
        Some(error) if taken.reports.is_empty() && taken.exposures.is_empty() => Err(error),
        _ => Ok(taken),
    }
}

/// Reads the body of the legacy route for single events.
///
/// # Errors
/// A body that does not unpack, is too large, or is not a JSON object.
pub fn store_event(body: &[u8], door: &Door) -> Result<Taken, IntakeError> {
    let json = store::unwrap(body)?;
    let arrival = Arrival { received_at: door.received_at, sent_at: None, kept: false };
    let (mut taken, mut tally) = (Taken::default(), Tally::default());
    take_event(&json, arrival, false, door, &mut taken, &mut tally)?;
    taken.outcomes = tally.outcomes();
    Ok(taken)
}

/// Reads one event: first only what counts, and all of it where somebody may read it.
fn take_event(
    bytes: &[u8],
    arrival: Arrival,
    with_dump: bool,
    door: &Door,
    taken: &mut Taken,
    tally: &mut Tally,
) -> Result<(), IntakeError> {
    check_length("event", bytes, LONGEST_EVENT)?;
    let unread = |fault| IntakeError::Item { item: "event", fault };
    let document = Shortened::of(bytes, stack::is_known);
    let event = json::read_object_without(&document, &event::UNCOUNTED).map_err(unread)?;
    if text_under(&event, "type").as_deref() == Some("transaction") {
        tally.add("transaction", "not_kept", 1);
        return Ok(());
    }
    let id = taken.event_id.clone().or_else(|| event::own_id(&event)).unwrap_or_else(|| made_id(door, bytes));
    taken.event_id = Some(id.clone());
    let arrival = Arrival { kept: arrival.kept || event::is_kept_by_client(&event), ..arrival };
    let cover = event::Cover { id, arrival, with_dump, door };
    let counted = event::counted(&event, &cover);
    let report = if (door.reads_on)(&counted.crash) { event::whole(&event.read_through(), &cover) } else { counted };
    taken.reports.push(report);
    Ok(())
}

/// An id for an event that has none, made from its bytes: sent again, it is the same event.
fn made_id(door: &Door, bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(door.service.as_bytes());
    hash.update([0]);
    hash.update(bytes);
    hex::encode(&hash.finalize()[..16])
}

fn is_dump(item: &Item) -> bool {
    item.kind == "attachment"
        && text_under(&item.header, "attachment_type")
            .is_some_and(|kind| matches!(kind.as_ref(), "event.minidump" | "event.applecrashreport"))
}

fn check_length(item: &'static str, payload: &[u8], limit: usize) -> Result<(), IntakeError> {
    if payload.len() > limit {
        return Err(IntakeError::TooLarge { item, size: payload.len(), limit });
    }
    Ok(())
}

fn fields<'a>(item: &'static str, payload: &'a [u8], limit: usize) -> Result<Fields<'a>, IntakeError> {
    check_length(item, payload, limit)?;
    json::read_object(payload).map_err(|fault| IntakeError::Item { item, fault })
}

#[cfg(test)]
mod tests;
