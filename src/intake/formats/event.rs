//! One event: a crash, an error that was caught, or a message. From its JSON to a report.

use super::arrival::{self, Arrival};
use super::context;
use super::fields::{id, list, object, text, text_under, under};
use super::stack;
use crate::domain::crash::{Crash, Exception};
use crate::domain::record::LONGEST_NAME;
use crate::domain::service::{DEFAULT_CELL, DEFAULT_ENVIRONMENT};
use crate::domain::{Time, signature};
use crate::intake::detail::{Detail, Level, Thrown};
use crate::intake::json::{Fields, Value};
use crate::intake::scrub::{self, Scrubber};
use crate::intake::{Door, Report, Standing};
use serde_json::json;

/// The longest message that is kept, characters.
const LONGEST_MESSAGE: usize = 4_000;
/// The longest one-line text that is kept, characters.
const LONGEST_LINE: usize = 300;
/// Parts of a fingerprint that are read.
const MOST_PARTS: usize = 20;
/// A process that claims to have run for longer than this, in seconds, has a wrong clock: ten years.
const LONGEST_UPTIME: f64 = 10.0 * 366.0 * 86_400.0;

/// The part of a fingerprint that stands for what would be computed.
const DEFAULT_PART: [&str; 2] = ["{{ default }}", "{{default}}"];

/// What the request says about an event that the event does not.
pub struct Cover<'a> {
    /// The id under which the event is known: the envelope's, else the event's, else made from the bytes.
    pub id: String,
    /// When it was sent and received.
    pub arrival: Arrival,
    /// Whether a memory dump or a system's own crash report came with it: then the program died, whatever the event says.
    pub with_dump: bool,
    /// Who takes it in.
    pub door: &'a Door<'a>,
}

/// The event's own id.
pub fn own_id(event: &Fields) -> Option<String> {
    id(under(event, &["event_id"]))
}

/// Whether the client (named in an event or in an envelope's header) keeps reports for long after writing `sent_at`: native ones write it at the crash and send at the next start.
pub fn is_kept_by_client(event: &Fields) -> bool {
    text_under(object(under(event, &["sdk"])), "name").is_some_and(|name| name.starts_with("sentry.native"))
}

/// What stands under these names of an event is for people to read and never counts.
pub const UNCOUNTED: [&str; 9] = [
    "breadcrumbs",
    "sentry.interfaces.Breadcrumbs",
    "extra",
    "modules",
    "request",
    "sentry.interfaces.Http",
    "spans",
    "user",
    "sentry.interfaces.User",
];

/// Reads what counts of one event. Never fails: what is missing or odd is left out.
pub fn counted(event: &Fields, cover: &Cover) -> Report {
    read(event, cover, false)
}

/// Reads all of one event that is kept. Never fails either.
pub fn whole(event: &Fields, cover: &Cover) -> Report {
    read(event, cover, true)
}

fn read(event: &Fields, cover: &Cover, whole: bool) -> Report {
    let mut scrubber = Scrubber::new();
    let door = cover.door;
    let level = context::level(under(event, &["level"]));
    let message = message(event, &mut scrubber);
    // Of a report that is only counted nobody will read more than what groups it.
    let chain = if whole { stack::thrown(event, &mut scrubber) } else { Vec::new() };
    let exception = whole.then(|| raised(event, chain.last().cloned(), &message, level, &mut scrubber));
    let computed = || match &exception {
        Some(exception) => computed(event, exception),
        None => stack::met_signature(event, |thrown| {
            computed(event, &raised(event, thrown, &message, level, &mut Scrubber::new()))
        }),
    };
    let (signature, signature_given) = signature_of(event, computed, &mut scrubber);
    let unhandled = stack::is_unhandled(event) || level == Level::Fatal || cover.with_dump;
    let standing = match (unhandled, !stack::is_raised(event)) {
        (true, _) => Standing::Crash,
        (false, false) => Standing::Handled,
        (false, true) => Standing::Message,
    };
    let claimed = arrival::read(under(event, &["timestamp"]));
    let (at, extra) = cover.arrival.place(claimed);
    let flags = context::flags(event, &mut scrubber);
    let named = |name: &str| {
        context::tag_or_context(event, name).map(|it| scrub::clean(&it, LONGEST_NAME / 4)).filter(|it| !it.is_empty())
    };
    let name = |field: &str| {
        text_under(event, field).map(|it| scrub::clean(&it, LONGEST_NAME / 4)).filter(|it| !it.is_empty())
    };
    let mut crash = Crash {
        id: cover.id.clone(),
        service: door.service.to_owned(),
        environment: name("environment").unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned()),
        release: name("release"),
        cell: named(&door.names.cell).unwrap_or_else(|| DEFAULT_CELL.to_owned()),
        host: name("server_name"),
        at,
        received_at: door.received_at,
        signature,
        signature_given,
        clients_dropped: named(&door.names.clients_dropped).as_deref().and_then(context::count),
        peer_release: named(&door.names.peer_release),
        uptime_s: claimed.and_then(|claimed| uptime(event, claimed)),
        exception: None,
        flags,
        extra,
    };
    let detail = exception.map(|exception| {
        let detail = detail(event, level, message, chain, &exception, door, &mut scrubber);
        if !detail.removed.is_empty() {
            crash.extra.insert("scrubbed".into(), json!(detail.removed.values().sum::<u32>()));
        }
        crash.exception = Some(exception).filter(|it| *it != Exception::default());
        detail
    });
    Report { crash, standing, claimed, detail }
}

/// What was raised: the last exception of the chain. Where there is none, the message stands in, as after `panic("text")` in Go.
fn raised(
    event: &Fields,
    last: Option<Thrown>,
    message: &Option<String>,
    level: Level,
    scrubber: &mut Scrubber,
) -> Exception {
    match last {
        Some(Thrown { kind, value, frames, .. }) => {
            Exception { kind, value: value.or_else(|| message.clone()), frames }
        }
        None => {
            let go =
                text_under(object(under(event, &["sdk"])), "name").is_some_and(|name| name.starts_with("sentry.go"));
            let kind = match level {
                Level::Fatal if go => "panic",
                Level::Fatal => "fatal",
                Level::Sample | Level::Debug | Level::Info | Level::Warning | Level::Error => "message",
            };
            let frames = stack::bare(event, scrubber);
            Exception { kind: Some(kind.to_owned()), value: message.clone(), frames }
        }
    }
}

/// What groups an event of which the sender does not say it.
fn computed(event: &Fields, exception: &Exception) -> String {
    // The template of a message groups better than one filled in.
    let template = logentry(event).and_then(|entry| text_under(entry, "message"));
    match (template, list(under(event, &["exception"])).is_empty(), exception.frames.is_empty()) {
        (Some(template), true, true) => {
            let value = Some(Scrubber::new().text(&template, LONGEST_MESSAGE));
            signature::of(&Exception { value, ..exception.clone() })
        }
        _ => signature::of(exception),
    }
}

/// What groups the event, and whether the sender said so.
fn signature_of(event: &Fields, computed: impl Fn() -> String, scrubber: &mut Scrubber) -> (String, bool) {
    let mut parts: Vec<String> = match under(event, &["fingerprint"]) {
        Value::Array(parts) => parts.iter().take(MOST_PARTS).filter_map(text).map(|part| part.into_owned()).collect(),
        single => text(single).map(|part| part.into_owned()).into_iter().collect(),
    };
    // A part of which nothing can be seen (spaces, a NUL) names no group.
    parts.retain(|part| !scrub::clean(part, LONGEST_LINE).trim().is_empty());
    if parts.iter().all(|part| DEFAULT_PART.contains(&part.as_str())) {
        return (computed(), false);
    }
    let part = |part: &String| {
        if DEFAULT_PART.contains(&part.as_str()) { computed() } else { scrubber.text(part, LONGEST_LINE) }
    };
    (signature::cut(&parts.iter().map(part).collect::<Vec<_>>().join(" | ")), true)
}

fn logentry<'a>(event: &'a Fields<'a>) -> Option<&'a Fields<'a>> {
    match under(event, &["logentry", "sentry.interfaces.Message", "message"]) {
        Value::Object(entry) => Some(entry),
        _ => None,
    }
}

/// The message as it reads, scrubbed.
fn message(event: &Fields, scrubber: &mut Scrubber) -> Option<String> {
    let entry = logentry(event).and_then(|entry| text(under(entry, &["formatted", "message"])));
    let shown = entry.or_else(|| text(under(event, &["logentry", "message"])));
    shown.map(|shown| scrubber.text(&shown, LONGEST_MESSAGE))
}

/// Seconds from the start of the process to the crash, both by the sender's clock.
fn uptime(event: &Fields, claimed: Time) -> Option<f64> {
    let started = arrival::read(under(context::context(event, "app"), &["app_start_time"]))?;
    let seconds = claimed.signed_duration_since(started).num_milliseconds() as f64 / 1000.0;
    (0.0..=LONGEST_UPTIME).contains(&seconds).then_some(seconds)
}

fn detail(
    event: &Fields,
    level: Level,
    message: Option<String>,
    exceptions: Vec<Thrown>,
    exception: &Exception,
    door: &Door,
    scrubber: &mut Scrubber,
) -> Detail {
    if !object(under(event, &["extra"])).is_empty() {
        scrubber.note("extra data");
    }
    let sdk = object(under(event, &["sdk"]));
    let mut line = |fields: &Fields, name: &str| text_under(fields, name).map(|it| scrubber.text(&it, LONGEST_LINE));
    let transaction = line(event, "transaction");
    let culprit = line(event, "culprit").or_else(|| place(exception)).or_else(|| transaction.clone());
    let (platform, logger, dist) = (line(event, "platform"), line(event, "logger"), line(event, "dist"));
    let device = ["family", "model"].iter().find_map(|name| line(context::context(event, "device"), name));
    let name = |name: &str| text_under(sdk, name).map(|it| scrub::clean(&it, 100));
    let mut detail = Detail {
        level,
        platform,
        message,
        transaction,
        culprit,
        logger,
        sdk_name: name("name"),
        sdk_version: name("version"),
        dist,
        tags: context::tags(event, scrubber),
        os: context::named_version(context::context(event, "os"), "name", "version", scrubber),
        runtime: context::named_version(context::context(event, "runtime"), "name", "version", scrubber),
        device,
        app: context::app(event, scrubber),
        trace_id: context::trace_part(event, "trace_id"),
        span_id: context::trace_part(event, "span_id"),
        request: context::request(event, scrubber),
        user_hash: context::user_hash(event, door.service, scrubber),
        exceptions,
        threads: stack::threads(event),
        breadcrumbs: context::breadcrumbs(event, scrubber),
        removed: Default::default(),
    };
    detail.removed = std::mem::take(scrubber).removed();
    detail
}

/// The innermost frame of the program's own code, in one line.
fn place(exception: &Exception) -> Option<String> {
    let own = exception.frames.iter().rev().find(|frame| frame.in_app != Some(false));
    let frame = own.or_else(|| exception.frames.last())?;
    let place = frame.module.as_deref().or(frame.file.as_deref());
    match (place, frame.function.as_deref()) {
        (Some(place), Some(function)) => Some(format!("{place} in {function}")),
        (place, function) => place.or(function).map(str::to_owned),
    }
}
