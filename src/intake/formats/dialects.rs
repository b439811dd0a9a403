//! One realistic body per client family, framed and packed as that family does it. Each claims what must come out.

use crate::domain::crash::Crash;
use crate::domain::time;
use crate::intake::body::{self, Limits};
use crate::intake::detail::{Detail, Level};
use crate::intake::{Door, Report, Standing, TagNames, Taken, envelope, store_event};
use std::io::Write;

/// How a family writes an envelope.
#[derive(Clone, Copy)]
enum Framing {
    /// With the length of each item.
    Lengths,
    /// Each item on a line of its own.
    Lines,
}

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/intake/", $name, ".jsonl"))
    };
}

fn framed(header: &str, kinds: &[&str], payloads: &str, framing: Framing) -> Vec<u8> {
    let mut body = format!("{header}\n");
    for (kind, payload) in kinds.iter().zip(payloads.lines()) {
        match framing {
            Framing::Lengths => body += &format!("{{\"type\":\"{kind}\",\"length\":{}}}\n{payload}\n", payload.len()),
            Framing::Lines => body += &format!("{{\"type\":\"{kind}\"}}\n{payload}\n"),
        }
    }
    body.into_bytes()
}

fn door<T>(use_it: impl FnOnce(&Door) -> T) -> T {
    let names = TagNames::default();
    let received_at = time::parse("2026-11-23T07:57:00Z").expect("valid");
    use_it(&Door { service: "shop", names: &names, received_at, reads_on: &|_| true })
}

fn taken(header: &str, kinds: &[&str], payloads: &str, framing: Framing) -> Taken {
    door(|door| envelope(&framed(header, kinds, payloads, framing), door)).expect("a real body")
}

/// A report with its detail.
struct Whole {
    crash: Crash,
    standing: Standing,
    detail: Detail,
}

fn only(taken: Taken) -> Whole {
    assert_eq!(taken.reports.len(), 1);
    let Report { crash, standing, detail, .. } = taken.reports.into_iter().next().expect("one");
    Whole { crash, standing, detail: detail.expect("everything is read") }
}

fn packed_br(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 4096, 4, 22).write_all(plain).expect("memory");
    packed
}

fn packed_zlib(plain: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(plain).expect("memory");
    packer.finish().expect("memory")
}

fn base64_zlib(plain: &[u8]) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(packed_zlib(plain)).into_bytes()
}

#[test]
fn python_with_brotli_text_times_and_counted_sessions() {
    let header = r#"{"event_id":"3f0c8a1d5e6b4c7f9a0b1c2d3e4f5a6b","sent_at":"2026-11-23T07:56:59.9Z","trace":{}}"#;
    let plain = framed(header, &["event", "sessions"], fixture!("python"), Framing::Lengths);
    let packed = packed_br(&plain);
    let body = body::decode(Some("br"), &packed, &Limits::ENVELOPE).expect("brotli");
    let taken = door(|door| envelope(&body, door)).expect("a real body");
    assert_eq!(taken.event_id.as_deref(), Some("3f0c8a1d5e6b4c7f9a0b1c2d3e4f5a6b"));
    assert_eq!((taken.exposures.len(), taken.exposures[0].sessions), (1, Some(3.0)));
    assert_eq!(taken.exposures[0].extra["sessions_crashed"], 1);
    let stored = format!("{taken:?}{}", serde_json::to_string(&taken.reports[0].detail).expect("plain"));
    for secret in ["anna.schmidt", "4111", "Bearer", "203.0.113.9", "token=abc", "manage.py", "sid=1", "WSGIRequest"] {
        assert!(!stored.contains(secret), "{secret} is still there");
    }
    let Whole { crash, standing, detail } = only(taken);
    assert_eq!(standing, Standing::Crash);
    assert_eq!(crash.signature, "PaymentError | charge | pay");
    assert_eq!(
        (crash.cell.as_str(), crash.peer_release.as_deref(), crash.clients_dropped),
        ("eu-1", Some("relay@9.1.0"), Some(57))
    );
    assert_eq!((crash.host.as_deref(), crash.release.as_deref()), (Some("web-7"), Some("web@1.2.3+77")));
    assert_eq!(time::text(crash.at), "2026-11-23T07:48:02.123456Z");
    assert_eq!(
        serde_json::Value::Object(crash.flags),
        serde_json::json!({"compact-frames": true, "checkout-v2": "blue"})
    );
    assert_eq!(detail.exceptions.len(), 2);
    assert_eq!(detail.exceptions[1].value.as_deref(), Some("no total for [email]"));
    assert_eq!(detail.culprit.as_deref(), Some("checkout.payment in charge"));
    assert_eq!(detail.runtime.as_deref(), Some("CPython 3.11.2"));
    assert_eq!(detail.trace_id.as_deref(), Some("771a43a4192642f0b136d5159a501700"));
    assert_eq!(detail.request.as_deref(), Some("POST https://shop.example/pay"));
    assert_eq!(detail.user_hash.as_deref().map(str::len), Some(16));
    assert_eq!(detail.removed["local variables"], 2);
}

#[test]
fn node_without_lengths_and_a_message_in_an_exception_without_type() {
    let taken = taken(
        "{\"event_id\":\"a1b2c3d4e5f60718293a4b5c6d7e8f90\"}",
        &["event", "sessions"],
        fixture!("node"),
        Framing::Lines,
    );
    assert_eq!(taken.exposures[0].sessions, Some(10.0));
    let Whole { crash, standing, detail } = only(taken);
    assert_eq!(standing, Standing::Handled);
    assert_eq!((detail.level, detail.breadcrumbs.len()), (Level::Info, 1));
    assert_eq!(crash.signature, "error | restart");
    assert_eq!(crash.uptime_s, Some(600.0));
    assert_eq!(crash.flags.len(), 2);
    assert_eq!(detail.os.as_deref(), Some("Debian GNU/Linux 12"));
}

#[test]
fn a_browsers_second_update_is_not_a_second_session() {
    let taken = taken("{}", &["event", "session", "session"], fixture!("browser"), Framing::Lines);
    assert_eq!((taken.exposures.len(), taken.exposures[0].sessions), (1, Some(1.0)));
    let Whole { crash, standing, detail } = only(taken);
    assert_eq!(
        (standing, crash.signature.as_str()),
        (Standing::Crash, "TypeError | render | https://shop.example/app.js")
    );
    assert_eq!(detail.request.as_deref(), Some("https://shop.example/basket"));
    assert_eq!(detail.exceptions[0].value.as_deref(), Some("Cannot read properties of undefined (reading 'token')"));
}

#[test]
fn go_with_a_bare_list_of_exceptions_and_nanoseconds() {
    let Whole { crash, standing, detail } = only(taken("{}", &["event"], fixture!("go-error"), Framing::Lengths));
    assert_eq!(standing, Standing::Handled);
    assert_eq!(crash.signature, "*errors.errorString | (*Conn).Read | main");
    assert_eq!(time::text(crash.at), "2026-11-23T07:56:20.438892Z");
    assert_eq!(detail.exceptions[0].value.as_deref(), Some("read tcp [ip]:443: connection reset"));
}

#[test]
fn a_go_panic_with_a_text_is_a_crash_without_any_exception() {
    let Whole { crash, standing, detail } = only(taken("{}", &["event"], fixture!("go-panic"), Framing::Lengths));
    assert_eq!((standing, detail.level), (Standing::Crash, Level::Fatal));
    assert_eq!(crash.signature, "panic | frame of # bytes is too long");
    assert!(detail.exceptions.is_empty());
}

#[test]
fn ruby_with_an_empty_encoding_header_and_an_empty_fingerprint() {
    let plain = framed("{}", &["event"], fixture!("ruby"), Framing::Lines);
    let body = body::decode(Some(""), &plain, &Limits::ENVELOPE).expect("plain");
    let Whole { crash, standing, detail } = only(door(|door| envelope(&body, door)).expect("a real body"));
    assert_eq!((standing, crash.environment.as_str()), (Standing::Crash, "staging"));
    assert_eq!((crash.signature.as_str(), crash.signature_given), ("ActiveRecord::RecordNotFound | show", false));
    assert_eq!((detail.message, detail.threads), (None, 1));
}

#[test]
fn rust_with_hyphens_in_the_envelope_and_a_session_that_begins_by_crashing() {
    let header = r#"{"event_id":"5869bd35-842c-430d-85a3-a25a1600bca9"}"#;
    let taken = taken(header, &["event", "session"], fixture!("rust"), Framing::Lengths);
    assert_eq!(taken.event_id.as_deref(), Some("5869bd35842c430d85a3a25a1600bca9"));
    assert_eq!((taken.exposures[0].sessions, &taken.exposures[0].extra["sessions_crashed"]), (Some(1.0), &1.into()));
    let Whole { crash, standing, .. } = only(taken);
    assert_eq!((standing, crash.id.as_str()), (Standing::Crash, "5869bd35842c430d85a3a25a1600bca9"));
    assert_eq!(crash.signature, "panic | wire::decode | main");
    assert_eq!(time::text(crash.at), "2026-11-23T07:56:20.438892Z");
}

#[test]
fn a_missing_level_is_an_error_and_an_unknown_handling_is_no_crash() {
    let Whole { crash, standing, detail } = only(taken("{}", &["event"], fixture!("rust-handled"), Framing::Lengths));
    assert_eq!((standing, detail.level), (Standing::Handled, Level::Error));
    assert_eq!(
        (crash.signature.as_str(), crash.environment.as_str()),
        ("ParseIntError | invalid digit found in string", "production")
    );
}

#[test]
fn php_gzipped_without_a_level() {
    let plain = framed("{}", &["event"], fixture!("php"), Framing::Lines);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&plain).expect("memory");
    let packed = packer.finish().expect("memory");
    let body = body::decode(Some("GZIP"), &packed, &Limits::ENVELOPE).expect("gzip");
    let Whole { crash, standing, detail } = only(door(|door| envelope(&body, door)).expect("a real body"));
    assert_eq!((standing, detail.level), (Standing::Handled, Level::Error));
    assert_eq!(crash.signature, "RuntimeException | App\\Post::load | /index.php");
    assert_eq!(crash.flags.len(), 2);
}

#[test]
fn raven_for_python_deflated_with_a_number_for_a_level() {
    let packed = packed_zlib(fixture!("raven-python").as_bytes());
    let body = body::decode(Some("deflate"), &packed, &Limits::EVENT).expect("zlib");
    let Whole { crash, standing, detail } = only(door(|door| store_event(&body, door)).expect("a real body"));
    assert_eq!((standing, detail.level), (Standing::Handled, Level::Error));
    assert_eq!((crash.signature.as_str(), crash.signature_given), ("ValueError | run", false));
    assert_eq!(
        (time::text(crash.at).as_str(), detail.culprit.as_deref()),
        ("2026-11-23T07:56:20Z", Some("app.job in run"))
    );
    assert!(detail.user_hash.is_some());
}

#[test]
fn raven_for_node_and_ruby_in_base64_over_zlib_without_any_header() {
    let node = base64_zlib(fixture!("raven-node").as_bytes());
    assert!(node.starts_with(b"eJ"));
    let Whole { crash, .. } = only(door(|door| store_event(&node, door)).expect("a real body"));
    assert_eq!(
        (crash.signature.as_str(), crash.release, crash.environment.as_str()),
        ("Error | run", None, "production")
    );
    let ruby = base64_zlib(fixture!("raven-ruby").as_bytes());
    let Whole { crash, detail, .. } = only(door(|door| store_event(&ruby, door)).expect("a real body"));
    assert_eq!((crash.signature.as_str(), crash.release.as_deref()), ("ZeroDivisionError | call", Some("1a2b3c")));
    assert_eq!(detail.message.as_deref(), Some("ZeroDivisionError: divided by 0"));
}

#[test]
fn the_command_line_clients_environment_is_never_kept() {
    let taken = taken("{}", &["event"], fixture!("cli"), Framing::Lengths);
    let stored = format!("{taken:?}");
    for secret in ["AWS_SECRET", "wJalr", "anna", "environ\""] {
        assert!(!stored.contains(secret), "{secret}");
    }
    let Whole { crash, standing, detail } = only(taken);
    assert_eq!((standing, crash.signature.as_str()), (Standing::Message, "message | deploy of %s failed"));
    assert_eq!(detail.message.as_deref(), Some("deploy of web failed"));
    assert_eq!(detail.tags, [("stage".to_owned(), "25%".to_owned())]);
    assert_eq!(detail.removed["extra data"], 1);
}
