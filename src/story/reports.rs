//! What a crash of the story looks like as a report: signatures, frames, who was cut off, when it arrived.

use super::dice::Dice;
use crate::domain::{
    Time,
    crash::{Crash, Exception, Frame},
    service::DEFAULT_ENVIRONMENT,
    signature, time,
};
use serde_json::Map;

/// How an instance died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Of nothing special; every program of this size does.
    Ordinary,
    /// Because upstream DNS was gone.
    Unresolved,
    /// Because of a fault of its own in a new release of sync.
    Unmergeable,
    /// Because a peer of the other release sent it a frame that it could not read.
    Contact,
}

/// Who died, where and when.
pub struct Dead<'a> {
    /// The service.
    pub service: &'a str,
    /// Its release.
    pub release: &'a str,
    /// The cell.
    pub cell: &'a str,
    /// The host.
    pub host: String,
    /// The second in which it died.
    pub at: Time,
    /// How long it had run, seconds.
    pub uptime: i64,
}

/// The signature of a crash by contact.
#[cfg(test)]
pub const CONTACT: &str = "SIGSEGV | frame_decode | conn_read";
/// The signature of a crash for want of DNS.
pub const UNRESOLVED: &str = "timeout | upstream_dial";

/// The report of one death.
pub fn report(dice: &mut Dice, dead: Dead<'_>, death: Death) -> Crash {
    let at = dead.at + chrono::TimeDelta::milliseconds(dice.between(0, 999));
    // Most reports take a few seconds; the slow ones come from hosts that restart first.
    let delay = if dice.below(5) == 0 { dice.between(15_000, 40_000) } else { dice.between(2_000, 15_000) };
    let (given, exception) = match death {
        Death::Ordinary => ordinary(dice, dead.service),
        Death::Unresolved => (Some(UNRESOLVED.to_owned()), None),
        Death::Unmergeable => (None, Some(unmergeable_clock())),
        Death::Contact => (None, Some(unreadable_frame(dice))),
    };
    let computed = exception.as_ref().map(signature::of);
    // The other end is known only where the report holds the connection's handshake, about one in three.
    let peer = death == Death::Contact && dice.below(3) == 0;
    Crash {
        id: format!("{:012x}", dice.bits() >> 16),
        service: dead.service.to_owned(),
        environment: DEFAULT_ENVIRONMENT.to_owned(),
        release: Some(dead.release.to_owned()),
        cell: dead.cell.to_owned(),
        host: Some(dead.host),
        at,
        received_at: at + chrono::TimeDelta::milliseconds(delay),
        signature_given: given.is_some(),
        signature: given.or(computed).unwrap_or_else(|| signature::of(&Exception::default())),
        clients_dropped: carries_clients(dead.service).then(|| dice.around(52, 11).max(8)),
        peer_release: peer.then(|| "B".to_owned()),
        uptime_s: Some(dead.uptime as f64),
        exception,
        flags: Map::new(),
        extra: Map::new(),
    }
}

fn carries_clients(service: &str) -> bool {
    matches!(service, "relay" | "edge")
}

/// A signature that was given, or the exception to compute one from.
type Cause = (Option<String>, Option<Exception>);

fn ordinary(dice: &mut Dice, service: &str) -> Cause {
    match service {
        "relay" => match dice.below(100) {
            0..30 => (Some("OutOfMemory | buffer_grow".into()), None),
            30..58 => (None, Some(route_lookup())),
            58..80 => (None, Some(timer_wheel())),
            _ => (Some("timeout | chat_backend".into()), None),
        },
        "edge" => (Some("panic | tls_accept".into()), None),
        "billing" => (Some("DeadlockDetected | post_entry".into()), None),
        "web" => (Some("OutOfMemory | render_page".into()), None),
        _ => (Some("timeout | store_read".into()), None),
    }
}

fn route_lookup() -> Exception {
    Exception {
        kind: Some("panic".into()),
        value: Some("index out of bounds: the len is 16 but the index is 16".into()),
        frames: vec![
            frame("thread_start", "libc", None, false),
            frame("session_open", "relay", Some(("session.rs", 214)), true),
            frame("route_lookup", "relay", Some(("routes.rs", 88)), true),
            frame("panic_bounds_check", "core", None, false),
        ],
    }
}

fn timer_wheel() -> Exception {
    Exception {
        kind: Some("SIGABRT".into()),
        value: Some("timer in the past".into()),
        frames: vec![
            frame("main", "relay", Some(("main.rs", 41)), true),
            frame("event_loop", "relay", Some(("event_loop.rs", 130)), true),
            frame("timer_wheel_advance", "relay", Some(("timer.rs", 57)), true),
            frame("abort", "libc", None, false),
        ],
    }
}

fn unmergeable_clock() -> Exception {
    Exception {
        kind: Some("panic".into()),
        value: Some("clock without an origin".into()),
        frames: vec![
            frame("apply_change", "sync", Some(("apply.rs", 77)), true),
            frame("merge_clock", "sync", Some(("clock.rs", 23)), true),
            frame("panic_fmt", "core", None, false),
        ],
    }
}

/// What an A makes of a compact frame: it takes the length from the wrong place and copies from beyond its buffer.
fn unreadable_frame(dice: &mut Dice) -> Exception {
    Exception {
        kind: Some("SIGSEGV".into()),
        value: Some(format!("invalid read at 0x7f{:010x}", dice.below(1 << 28) << 12)),
        frames: vec![
            frame("thread_start", "libc", None, false),
            frame("conn_read", "relay", Some(("conn.rs", 311)), true),
            frame("frame_decode", "relay", Some(("frame.rs", 142)), true),
            frame("memcpy", "libc", None, false),
        ],
    }
}

fn frame(function: &str, module: &str, place: Option<(&str, i64)>, in_app: bool) -> Frame {
    Frame {
        function: Some(function.to_owned()),
        module: Some(module.to_owned()),
        file: place.map(|(file, _)| file.to_owned()),
        line: place.map(|(_, line)| line),
        in_app: Some(in_app),
    }
}

/// The moment of March 2026 at this day, hour and minute, UTC.
pub fn march(day: i64, hour: i64, minute: i64) -> Time {
    // 2026-03-01T00:00:00Z is 1,772,323,200 seconds after 1970.
    time::from_micros((1_772_323_200 + (day - 1) * 86_400 + hour * 3600 + minute * 60) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn march_is_in_2026() {
        assert_eq!(time::text(march(3, 1, 11)), "2026-03-03T01:11:00Z");
    }

    #[test]
    fn a_crash_by_contact_has_the_storys_signature_though_it_is_computed() {
        assert_eq!(signature::of(&unreadable_frame(&mut Dice::new(0))), CONTACT);
    }
}
