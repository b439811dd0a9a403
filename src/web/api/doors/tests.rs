//! The doors as clients meet them, over a database in a throw-away folder.

use super::*;
use crate::config::Kept;
use crate::{
    clock::Clock,
    flows::administer,
    store::{Actor, Store, StoreError, services::Service},
    workers::{commit_telemetry::Telemetry, judge_live::Judging},
};
use actix_web::{
    App as Site,
    body::MessageBody,
    dev::ServiceResponse,
    test::{TestRequest, call_service, init_service, read_body},
};
use serde_json::Value;
use std::sync::mpsc;

/// A server's shared part, with a service to send to. `committed` runs in the writer, after each commit.
fn house(committed: impl Fn() + Send + 'static) -> (tempfile::TempDir, Data<App>, Service) {
    house_that_keeps(Kept::default(), committed)
}

fn house_that_keeps(kept: Kept, committed: impl Fn() + Send + 'static) -> (tempfile::TempDir, Data<App>, Service) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite:{}", folder.path().join("db.sqlite3").display())).expect("a database");
    // A minute has just begun, so that none ends during a test.
    let clock = Clock::starting_at(crate::domain::time::parse("2026-11-23T07:50:01Z").expect("valid"));
    let service = administer::add_service(&store, &Actor::console(), "relay", clock.now()).expect("a service");
    let (judging, _) = Judging::start(store.clone(), clock).expect("a judge");
    let (telemetry, _) = Telemetry::start(store.clone(), clock, kept, move |_| committed()).expect("a writer");
    let app = Data::new(App::new(store, clock, telemetry, judging, "http://push.example".into(), false));
    (folder, app, service)
}

async fn send(app: &Data<App>, request: TestRequest) -> ServiceResponse<impl MessageBody> {
    let site = init_service(Site::new().app_data(app.clone()).configure(routes)).await;
    call_service(&site, request.to_request()).await
}

async fn told(app: &Data<App>, request: TestRequest) -> (u16, Value) {
    let answer = send(app, request).await;
    let status = answer.status().as_u16();
    assert_eq!(answer.headers().get("access-control-allow-origin").map(|it| it.as_bytes()), Some(&b"*"[..]));
    let body = read_body(answer).await;
    (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") })
}

const EVENT: &str = "{\"event_id\":\"5869bd35-842c-430d-85a3-a25a1600bca9\"}\n{\"type\":\"event\"}\n{\"level\":\"fatal\",\"release\":\"B\",\"exception\":{\"values\":[{\"type\":\"panic\"}]}}\n";

fn post(service: &Service, key: &str, body: impl Into<Bytes>) -> TestRequest {
    TestRequest::post().uri(&format!("/api/{}/envelope/?sentry_key={key}", service.project)).set_payload(body)
}

#[actix_web::test]
async fn a_report_that_is_answered_is_kept() {
    let (_folder, app, service) = house(|| {});
    let answer = send(&app, post(&service, &service.public_key, EVENT)).await;
    assert_eq!(answer.status(), 200);
    let limits = answer.headers().get("x-sentry-rate-limits").and_then(|it| it.to_str().ok()).expect("limits");
    assert!(!limits.contains("error") && !limits.contains("session"), "{limits}");
    let body: Value = serde_json::from_slice(&read_body(answer).await).expect("JSON");
    let id = body["id"].as_str().expect("an id").to_owned();
    let kept = app.store.read::<_, StoreError>(|read| read.crash("relay", &id)).expect("a read").expect("a report");
    assert_eq!(kept.crash.release.as_deref(), Some("B"));
}

#[actix_web::test]
async fn an_answer_is_too_short_to_be_packed() {
    let (_folder, app, service) = house(|| {});
    let site = init_service(crate::web::routes::application(app.clone())).await;
    for (asked, packed) in
        [(post(&service, &service.public_key, EVENT), false), (TestRequest::get().uri("/sign-in"), true)]
    {
        let asked = asked.insert_header(("accept-encoding", "gzip")).to_request();
        let answer = call_service(&site, asked).await;
        assert_eq!((answer.status().as_u16(), answer.headers().contains_key("content-encoding")), (200, packed));
    }
}

#[actix_web::test]
async fn a_wrong_key_and_an_unknown_project_are_answered_alike() {
    let (_folder, app, service) = house(|| {});
    let wrong = told(&app, post(&service, "0123456789abcdef0123456789abcdef", EVENT)).await;
    let nobody = Service { project: service.project + 7, ..service.clone() };
    let unknown = told(&app, post(&nobody, &service.public_key, EVENT)).await;
    assert_eq!(wrong.0, 403);
    assert_eq!(wrong, unknown);
}

#[actix_web::test]
async fn a_key_may_stand_in_the_envelope_alone_but_must_not_contradict() {
    let (_folder, app, service) = house(|| {});
    let in_body = |key: &str| format!("{{\"dsn\":\"http://{key}@push.example/{}\"}}\n", service.project);
    let bare = || TestRequest::post().uri(&format!("/api/{}/envelope", service.project));
    assert_eq!(told(&app, bare().set_payload(in_body(&service.public_key))).await.0, 200);
    assert_eq!(told(&app, bare().set_payload(in_body("0123456789abcdef0123456789abcdef"))).await.0, 403);
    assert_eq!(told(&app, bare().set_payload("{}\n")).await.0, 401);
    let other = in_body("0123456789abcdef0123456789abcdef");
    assert_eq!(told(&app, post(&service, &service.public_key, other)).await.0, 403);
}

#[actix_web::test]
async fn a_full_queue_is_said_before_the_body_is_read() {
    let (locked, unlock) = (mpsc::channel::<()>(), mpsc::channel::<()>());
    let (_folder, app, service) = house(move || {
        // The writer says that it is here, and goes on when told.
        let _ = locked.0.send(());
        let _ = unlock.1.recv();
    });
    let first =
        Delivery { service: "relay".into(), door: "envelope", left_out: vec![("x".into(), 1)], ..Delivery::default() };
    app.telemetry.put(first.clone()).await.expect("the first is committed");
    locked.1.recv().expect("the writer is held");
    while !app.telemetry.is_full() {
        let (app, delivery) = (app.clone(), first.clone());
        actix_web::rt::spawn(async move { app.telemetry.put(delivery).await });
        tokio::task::yield_now().await;
    }
    let answer = send(&app, post(&service, "nobodys", Bytes::from(vec![b'x'; 30 << 20]))).await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers().get("retry-after").map(|it| it.as_bytes()), Some(&b"5"[..]));
    assert!(answer.headers().contains_key("x-sentry-rate-limits"));
    drop(unlock.0);
}

#[actix_web::test]
async fn what_is_refused_with_the_right_key_is_counted() {
    let (_folder, app, service) = house(|| {});
    assert_eq!(told(&app, post(&service, &service.public_key, "garbage")).await.0, 400);
    assert_eq!(told(&app, post(&service, &service.public_key, vec![b'x'; (20 << 20) + 1])).await.0, 413);
    assert_eq!(told(&app, post(&service, "0123456789abcdef0123456789abcdef", "garbage")).await.0, 403);
    let counted = counted(&app, "refused too_large").await;
    assert_eq!(counted, [("refused malformed".to_owned(), 1), ("refused too_large".to_owned(), 1)]);
}

#[actix_web::test]
async fn a_browser_may_ask_first_and_other_doors_say_that_they_are_none() {
    let (_folder, app, _) = house(|| {});
    let ask = TestRequest::default().method(actix_web::http::Method::OPTIONS).uri("/api/1/envelope/");
    let answer = send(&app, ask).await;
    assert_eq!(answer.status(), 200);
    let allowed =
        answer.headers().get("access-control-allow-headers").and_then(|it| it.to_str().ok()).expect("headers");
    assert!(allowed.contains("X-Sentry-Auth") && !allowed.contains("  "), "{allowed}");
    assert_eq!(told(&app, TestRequest::post().uri("/api/1/minidump/")).await.0, 404);
    assert_eq!(told(&app, TestRequest::get().uri("/api/1/envelope/")).await.0, 405);
}

#[actix_web::test]
async fn an_old_client_sends_one_event_as_base64_of_zlib() {
    let (_folder, app, service) = house(|| {});
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, b"{\"level\":50,\"message\":\"old\"}").expect("memory");
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, packer.finish().expect("memory"));
    let auth = format!("Sentry sentry_version=5,sentry_key={},sentry_secret=x", service.public_key);
    let store =
        TestRequest::post().uri(&format!("/api/{}/store/", service.project)).insert_header(("x-sentry-auth", auth));
    let (status, body) = told(&app, store.set_payload(body)).await;
    assert_eq!((status, body["id"].as_str().map(str::len)), (200, Some(32)), "{body}");
}

#[actix_web::test]
async fn a_service_past_its_quota_is_told_when_to_go_on_and_that_is_counted() {
    let (_folder, app, service) = house_that_keeps(Kept { quota: Some(2), ..Kept::default() }, || {});
    let report = |number: u32| {
        let event = format!(r#"{{"event_id":"{number:032x}","level":"fatal","message":"m"}}"#);
        let uri = format!("/api/{}/envelope/?sentry_key={}", service.project, service.public_key);
        TestRequest::post().uri(&uri).set_payload(format!("{{}}\n{{\"type\":\"event\"}}\n{event}"))
    };
    for number in 1..=2 {
        assert_eq!(told(&app, report(number)).await.0, 200);
    }
    let answer = send(&app, report(3)).await;
    assert_eq!(answer.status(), 429);
    let header = |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let seconds: u64 = header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&seconds));
    assert_eq!(header("x-sentry-rate-limits"), format!("{seconds}:error:key:over_quota"));
    // Session counts are no reports and go on; what was refused is written down with them.
    let sessions = r#"{"type":"sessions"}
{"attrs":{"release":"A"},"aggregates":[{"started":"2026-11-23T07:48:00Z","exited":5}]}"#;
    let uri = format!("/api/{}/envelope/?sentry_key={}", service.project, service.public_key);
    assert_eq!(told(&app, TestRequest::post().uri(&uri).set_payload(format!("{{}}\n{sessions}"))).await.0, 200);
    let counted = counted(&app, "refused over_quota").await;
    let counted: Vec<(&str, i64)> = counted.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!(counted, [("crash", 2), ("exposure", 1), ("refused over_quota", 1)]);
}

/// What became of what was sent, once this is among it: refusals are written down a moment after the answer.
async fn counted(app: &Data<App>, among: &str) -> Vec<(String, i64)> {
    let ever = crate::domain::time::from_micros(0);
    for _ in 0..250 {
        let outcomes = app.store.read::<_, StoreError>(|read| read.outcomes("relay", ever)).expect("a read");
        if outcomes.iter().any(|it| it.reason == among) {
            return outcomes.into_iter().map(|it| (it.reason, it.reports)).collect();
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{among} was not counted");
}
