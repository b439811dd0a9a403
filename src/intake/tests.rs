//! What an envelope as a whole becomes, and that no bytes bring the intake down.

use super::*;
use crate::domain::time;
use proptest::prelude::*;
use serde_json::{Value, json};

const RECEIVED: &str = "2026-11-23T12:00:00Z";

fn door<T>(use_it: impl FnOnce(&Door) -> T) -> T {
    let names = TagNames::default();
    use_it(&Door {
        service: "relay",
        names: &names,
        received_at: time::parse(RECEIVED).expect("valid"),
        reads_on: &|_| true,
    })
}

fn take(body: &[u8]) -> Result<Taken, IntakeError> {
    door(|door| envelope(body, door))
}

fn one(event: Value) -> Report {
    let body = format!("{{}}\n{{\"type\":\"event\"}}\n{event}");
    take(body.as_bytes()).expect("readable").reports.remove(0)
}

fn counted(taken: &Taken) -> Vec<(&str, &str, u64)> {
    taken.outcomes.iter().map(|it| (it.category.as_str(), it.reason.as_str(), it.quantity)).collect()
}

#[test]
fn an_empty_event_is_a_message_received_now() {
    let Report { crash, standing, .. } = one(json!({}));
    assert_eq!(standing, Standing::Message);
    assert_eq!(
        (time::text(crash.at).as_str(), crash.environment.as_str(), crash.cell.as_str()),
        (RECEIVED, "production", "default")
    );
    assert_eq!((crash.release, crash.host, crash.uptime_s), (None, None, None));
}

#[test]
fn parts_of_a_fingerprint_of_which_nothing_is_seen_are_not_there() {
    let computed = one(json!({})).crash.signature;
    for unseen in [json!(["\0"]), json!([" ", "\u{1}"]), json!("\n"), json!(["", "{{ default }}"])] {
        assert_eq!(one(json!({ "fingerprint": unseen })).crash.signature, computed, "{unseen}");
    }
    assert_eq!(one(json!({"fingerprint": ["\0", "pool"]})).crash.signature, "pool");
}

#[test]
fn null_anywhere_is_as_good_as_missing() {
    let names = [
        "event_id",
        "level",
        "timestamp",
        "platform",
        "release",
        "environment",
        "server_name",
        "exception",
        "threads",
        "message",
        "logentry",
        "fingerprint",
        "tags",
        "user",
        "contexts",
        "breadcrumbs",
        "request",
        "extra",
        "sdk",
        "debug_meta",
    ];
    let nulls: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    let (with, without) = (one(Value::Object(nulls)), one(json!({})));
    assert_eq!((with.crash.signature, with.detail), (without.crash.signature, without.detail));
}

#[test]
fn an_event_without_id_gets_the_same_one_when_it_is_sent_again() {
    let body = b"{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}";
    let first = take(body).expect("readable").event_id.expect("an id");
    assert_eq!(take(body).expect("readable").event_id.as_deref(), Some(first.as_str()));
    assert_eq!(first.len(), 32);
}

#[test]
fn the_envelopes_id_wins_over_the_events() {
    let body = b"{\"event_id\":\"AAAAAAAA-aaaa-aaaa-aaaa-aaaaaaaaaaaa\"}\n{\"type\":\"event\"}\n{\"event_id\":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"}";
    let taken = take(body).expect("readable");
    assert_eq!(taken.reports[0].crash.id, "a".repeat(32));
    assert_eq!(taken.event_id, Some("a".repeat(32)));
}

#[test]
fn unhandled_or_fatal_is_a_crash_and_unknown_is_not() {
    let standing = |handled: Value, level: &str| {
        one(json!({"level": level, "exception": [{"type": "E", "mechanism": {"handled": handled}}]})).standing
    };
    assert_eq!(standing(json!(false), "error"), Standing::Crash);
    assert_eq!(standing(json!(true), "fatal"), Standing::Crash);
    assert_eq!(standing(json!(true), "error"), Standing::Handled);
    assert_eq!(standing(json!(null), "error"), Standing::Handled);
}

#[test]
fn a_dump_beside_an_event_makes_it_a_crash() {
    let body = "{}\n{\"type\":\"event\"}\n{\"exception\":[{\"type\":\"E\"}]}\n{\"type\":\"attachment\",\"length\":4,\"attachment_type\":\"event.minidump\",\"filename\":\"a\"}\nMDMP\n";
    let taken = take(body.as_bytes()).expect("readable");
    assert_eq!(taken.reports[0].standing, Standing::Crash);
    assert_eq!(counted(&taken), [("attachment", "not_kept", 1)]);
}

#[test]
fn a_fingerprint_is_the_signature_and_may_hold_the_computed_one() {
    let signature = |fingerprint: Value| {
        let crash = one(json!({"fingerprint": fingerprint, "exception": [{"type": "E", "stacktrace": {"frames": [{"function": "f"}]}}]})).crash;
        (crash.signature, crash.signature_given)
    };
    for default in [json!([]), json!(null), json!(["{{ default }}"]), json!([null, "{{default}}"]), json!({})] {
        assert_eq!(signature(default), ("E | f".to_owned(), false));
    }
    assert_eq!(signature(json!(["payments", 7])), ("payments | 7".to_owned(), true));
    assert_eq!(signature(json!(["{{ default }}", "eu"])), ("E | f | eu".to_owned(), true));
    assert_eq!(signature(json!(["for anna@example.com"])), ("for [email]".to_owned(), true));
}

#[test]
fn a_signature_computed_from_a_message_holds_no_person() {
    let crash = one(json!({"level": "fatal", "message": "no account for anna@example.com"})).crash;
    assert_eq!(crash.signature, "fatal | no account for [email]");
}

#[test]
fn a_service_may_call_its_cells_otherwise() {
    let names = TagNames { cell: "zone".into(), peer_release: "server".into(), clients_dropped: "lost".into() };
    let door = Door {
        service: "relay",
        names: &names,
        received_at: time::parse(RECEIVED).expect("valid"),
        reads_on: &|_| true,
    };
    let body = br#"{"tags":[["zone","eu-2"],["cell","no"]],"contexts":{"server":{"release":"B"},"lost":{"value":12}}}"#;
    let crash = store_event(body, &door).expect("readable").reports.remove(0).crash;
    assert_eq!(
        (crash.cell.as_str(), crash.peer_release.as_deref(), crash.clients_dropped),
        ("eu-2", Some("B"), Some(12))
    );
}

#[test]
fn one_broken_item_does_not_cost_the_others_and_alone_it_is_refused() {
    let session = r#"{"init":true,"started":"2026-11-23T11:00:00Z","attrs":{"release":"A"}}"#;
    let both = format!("{{}}\n{{\"type\":\"event\"}}\nnonsense\n{{\"type\":\"session\"}}\n{session}\n");
    let taken = take(both.as_bytes()).expect("the session is kept");
    assert_eq!((taken.exposures.len(), counted(&taken)), (1, vec![("error", "malformed", 1)]));
    let error = take(b"{}\n{\"type\":\"event\"}\nnonsense").expect_err("nothing is kept");
    assert!(!error.is_about_size() && error.to_string().contains("event could not be read"), "{error}");
}

#[test]
fn an_event_that_is_too_large_or_too_deep_is_refused_in_words() {
    let large = format!("{{}}\n{{\"type\":\"event\"}}\n{{\"message\":\"{}\"}}", "x".repeat(LONGEST_EVENT));
    let error = take(large.as_bytes()).expect_err("too large");
    assert!(error.is_about_size() && error.to_string().contains("1048576"), "{error}");
    let deep = format!("{{}}\n{{\"type\":\"event\"}}\n{}", "[".repeat(100_000));
    assert!(take(deep.as_bytes()).expect_err("too deep").to_string().contains("nested deeper than 64"));
}

#[test]
fn what_is_not_kept_is_counted() {
    let body = concat!(
        "{}\n{\"type\":\"transaction\"}\n{}\n{\"type\":\"log\",\"item_count\":12}\n{\"items\":[]}\n{\"type\":\"brand new\"}\nx\n",
        "{\"type\":\"event\"}\n{\"message\":\"a\"}\n{\"type\":\"event\"}\n{\"message\":\"b\"}\n",
        "{\"type\":\"client_report\"}\n{\"discarded_events\":[{\"reason\":\"queue_overflow\",\"category\":\"error\",\"quantity\":9}]}\n",
    );
    let taken = take(body.as_bytes()).expect("readable");
    assert_eq!(taken.reports.len(), 1);
    let expected = [
        ("default", "not_kept", 1),
        ("error", "second_event", 1),
        ("error", "sender_queue_overflow", 9),
        ("log_item", "not_kept", 12),
        ("transaction", "not_kept", 1),
    ];
    assert_eq!(counted(&taken), expected);
}

#[test]
fn an_envelope_of_unknown_items_only_is_fine() {
    assert_eq!(take(b"{}\n").expect("empty is fine"), Taken::default());
    assert_eq!(take(b"{}\n{\"type\":\"x\"}\n\n").expect("fine").event_id, None);
}

#[test]
fn a_detail_survives_being_stored() {
    let detail = one(json!({
        "level": "fatal", "tags": {"a": "b"}, "exception": [{"type": "E", "value": {"code": 1}, "mechanism": {"type": "m", "handled": false}}],
        "breadcrumbs": [{"message": "m", "level": "warn"}], "contexts": {"app": {"app_identifier": "x", "app_version": "1", "app_build": 7}},
    }))
    .detail
    .expect("everything is read");
    let stored = serde_json::to_string(&detail).expect("plain");
    assert_eq!(serde_json::from_str::<Detail>(&stored).expect("read back"), detail);
    assert_eq!(detail.app.as_deref(), Some("x 1 (7)"));
}

#[test]
fn of_what_is_only_counted_the_same_is_judged_and_nothing_else_is_read() {
    let event = json!({
        "level": "fatal", "release": "B", "environment": "staging", "server_name": "h1", "timestamp": 1795420580,
        "tags": {"cell": "eu-1", "clients_dropped": "7", "peer_release": "A"}, "breadcrumbs": [{"message": "m"}],
        "exception": [{"type": "E", "value": "v", "stacktrace": {"frames": [{"function": "f"}]}}],
    });
    let whole = one(event.clone());
    let body = format!("{{}}\n{{\"type\":\"event\"}}\n{event}");
    let names = TagNames::default();
    let received_at = time::parse(RECEIVED).expect("valid");
    let door = Door { service: "relay", names: &names, received_at, reads_on: &|it| it.signature != "E | f" };
    let counted = envelope(body.as_bytes(), &door).expect("readable").reports.remove(0);
    assert_eq!((counted.detail, &counted.crash.exception), (None, &None));
    assert!(whole.detail.is_some_and(|detail| detail.breadcrumbs.len() == 1));
    assert_eq!(counted.crash, crate::domain::crash::Crash { exception: None, ..whole.crash });
    assert_eq!(counted.standing, whole.standing);
}

#[test]
fn no_canary_gets_through_any_field() {
    let canary = "canary-7f3a@example.com";
    let event = json!({
        "message": canary, "logger": canary, "transaction": canary, "culprit": canary, "dist": canary, "platform": canary,
        "fingerprint": [canary], "tags": {"note": canary, "password": "canary-7f3a", canary: "x"}, "user": {"email": canary, "name": canary},
        "extra": {"x": canary}, "request": {"url": format!("https://h/{canary}?q={canary}"), "data": canary, "cookies": canary, "env": {"A": canary}, "headers": [["A", canary]]},
        "contexts": {"os": {"name": canary}, "runtime": {"name": canary}, "device": {"name": canary, "model": canary}, "app": {"app_name": canary},
            "flags": {"values": [{"flag": "f", "result": canary}, {"flag": "g", "result": {"deep": [canary]}}]}, "trace": {"trace_id": canary}, "other": {"x": canary}},
        "exception": {"values": [{"type": canary, "value": canary, "module": canary, "mechanism": {"type": canary, "data": {"x": canary}}, "stacktrace": {"frames": [
            {"function": canary, "module": canary, "filename": canary, "abs_path": canary, "context_line": canary, "vars": {"x": canary}}]}}]},
        "breadcrumbs": [{"message": canary, "category": canary, "data": {"url": format!("https://h/?{canary}"), "x": canary, "to": canary}}],
        "modules": {canary: "1"}, "_meta": {"x": canary}, canary: canary,
    });
    let report = one(event);
    let stored = format!("{:?} {}", report, serde_json::to_string(&report.detail).expect("plain"));
    assert!(!stored.contains("canary-7f3a"), "{stored}");
}

/// A valid envelope with most of what is read.
fn rich() -> Vec<u8> {
    let event = include_str!("../../tests/fixtures/intake/python.jsonl");
    let (event, sessions) = event.split_once('\n').expect("two lines");
    format!(
        "{{\"event_id\":\"3f0c8a1d5e6b4c7f9a0b1c2d3e4f5a6b\",\"sent_at\":\"2026-11-23T11:59:59Z\"}}\n{{\"type\":\"event\"}}\n{event}\n{{\"type\":\"sessions\"}}\n{sessions}"
    )
    .into_bytes()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(?s).{0,12}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "values",
        "frames",
        "type",
        "value",
        "stacktrace",
        "mechanism",
        "handled",
        "flag",
        "result",
        "key",
        "id",
        "data",
        "images",
        "image_addr",
        "instruction_addr",
        "crashed",
        "name",
        "url",
        "message",
        "timestamp",
        "level",
        "app",
        "flags",
        "app_start_time",
        "started",
        "exited",
    ]);
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>()),
        ]
    })
}

#[test]
fn a_stack_without_frames_is_not_known_by_the_thread_that_stood_in_for_it() {
    let signature = |function: &str, frames: Value| {
        let event = json!({
            "exception": [{"type": "Stands in", "stacktrace": {"frames": frames}}],
            "threads": [{"crashed": true, "stacktrace": {"frames": [{"function": function}]}}],
        });
        let body = format!("{{}}\n{{\"type\":\"event\"}}\n{event}");
        let (names, received_at) = (TagNames::default(), time::parse(RECEIVED).expect("valid"));
        let door = Door { service: "relay", names: &names, received_at, reads_on: &|_| false };
        envelope(body.as_bytes(), &door).expect("readable").reports.remove(0).crash.signature
    };
    for frames in [json!([]), json!([null, 7])] {
        let of = |function: &str| signature(function, frames.clone());
        assert_eq!((of("f"), of("g")), ("Stands in | f".to_owned(), "Stands in | g".to_owned()));
    }
}

/// Chains of exceptions whose stacks are few, so that the same ones come again and again.
fn any_chain() -> impl Strategy<Value = Value> {
    let frame = (prop::sample::select(vec!["f", "g", "h", ""]), prop::option::of(any::<bool>()), any::<bool>())
        .prop_map(|(function, in_app, has_address)| {
            let address = if has_address { json!("0x1010") } else { Value::Null };
            json!({"function": function, "in_app": in_app, "package": "/lib/x.so", "instruction_addr": address})
        });
    let stack = prop::collection::vec(frame, 0..5);
    let thrown = (prop::sample::select(vec!["E", "F", ""]), "[ab]", stack, any::<bool>()).prop_map(
        |(kind, value, frames, has_stack)| {
            let stack = if has_stack { json!({"frames": frames, "registers": {}}) } else { Value::Null };
            json!({"type": kind, "value": value, "stacktrace": stack})
        },
    );
    prop::collection::vec(prop_oneof![4 => thrown, 1 => Just(Value::Null)], 0..3).prop_map(Value::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_was_met_before_changes_nothing(
        chain in prop_oneof![3 => any_chain(), 1 => any_json()],
        more in prop::collection::vec((prop::sample::select(vec!["threads", "message", "fingerprint", "extra", "contexts"]), any_json()), 0..3),
        threads in prop::option::of(prop_oneof![any_chain(), any_chain().prop_map(|it| json!([it[0]]))]),
        has_images in any::<bool>(),
    ) {
        let mut event: Value = more.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        event["exception"] = json!({ "values": chain });
        if let Some(threads) = threads {
            event["threads"] = json!({ "values": threads });
        }
        if has_images {
            event["debug_meta"] = json!({"images": [{"code_file": "/lib/y.so", "image_addr": "0x1000", "image_size": 4096}]});
        }
        let body = format!("{{\"event_id\":\"{:032x}\"}}\n{{\"type\":\"event\"}}\n{event}", 7);
        let (names, received_at) = (TagNames::default(), time::parse(RECEIVED).expect("valid"));
        let take = |reads_on: bool| {
            let door = Door { service: "relay", names: &names, received_at, reads_on: &|_| reads_on };
            envelope(body.as_bytes(), &door).expect("readable").reports.remove(0)
        };
        let (first, again, whole) = (take(false), take(false), take(true));
        prop_assert_eq!(&first, &again);
        prop_assert_eq!((&first.crash.signature, first.standing), (&whole.crash.signature, whole.standing), "{}", event);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = take(&bytes);
        let _ = door(|door| store_event(&bytes, door));
        let _ = envelope_dsn(&bytes);
    }

    #[test]
    fn a_damaged_envelope_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..12)) {
        let mut body = rich();
        for (place, byte, how) in changes {
            let place = place.index(body.len());
            match how {
                0 => body[place] = byte,
                1 => body.insert(place, byte),
                _ => { body.remove(place); }
            }
        }
        let _ = take(&body);
    }

    #[test]
    fn fields_of_any_shape_never_panic_and_always_give_a_report(
        fields in prop::collection::vec((prop::sample::select(vec![
            "event_id", "level", "timestamp", "release", "exception", "threads", "message", "logentry", "fingerprint", "tags",
            "user", "contexts", "breadcrumbs", "request", "extra", "sdk", "debug_meta", "stacktrace", "environment",
        ]), any_json()), 0..8)
    ) {
        let event: Value = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let report = one(event);
        prop_assert!(!report.crash.signature.is_empty() && !report.crash.environment.is_empty());
        prop_assert!(report.crash.at <= report.crash.received_at + time::seconds(60));
    }

    #[test]
    fn sessions_of_any_shape_never_panic(item in any_json(), attributes in any_json()) {
        let body = format!("{{}}\n{{\"type\":\"sessions\"}}\n{}\n{{\"type\":\"session\"}}\n{}",
            json!({"attrs": attributes, "aggregates": item}), json!({"init": true, "started": item, "attrs": {"release": "A"}, "status": item}));
        let taken = take(body.as_bytes()).expect("readable");
        prop_assert!(taken.exposures.iter().all(|window| window.sessions.is_some_and(|count| count > 0.0)));
    }
}
