//! What programs ask a server: does it live, can it serve, how does it go.

use crate::support::{
    Client, Engine, Program, TestApp, TestDatabase, at,
    program::{run_well, signal},
};
use pushback::{domain::access::Scope, flows::administer, store::Actor};
use std::time::{Duration, Instant};

/// A token's secret.
fn new_token(app: &TestApp, scope: Scope) -> String {
    let (by, now) = (Actor::console(), at("2026-03-03T07:00:00Z"));
    administer::create_token(&app.store, &by, "console", scope.word(), &[scope], None, now).expect("a token").1
}

#[test]
fn a_server_lives_is_ready_and_tells_what_it_counted_on_both_engines() {
    for engine in Engine::BOTH {
        let app = TestApp::told(engine);
        let client = Client::new(&app.base);
        assert_eq!(client.page("/healthz").body, "alive\n");
        assert_eq!(client.page("/readyz").body, "ready\n");
        let nobody = client.get("/metrics");
        assert_eq!(nobody.status, 401, "behind a proxy everybody seems to sit at this machine");
        assert!(nobody.json()["detail"].is_string(), "a program is answered as one: {}", nobody.body);
        let token = new_token(&app, Scope::Read);
        let watcher = Client::with_token(&app.base, &token);
        let text = watcher.page("/metrics").body;
        for expected in [
            "# TYPE pushback_telemetry_commit_seconds histogram\n",
            "pushback_telemetry_queue_capacity 1024\n",
            "pushback_judge_ready 1\n",
            "pushback_http_seconds_count{asked=\"other\",status=\"2xx\"} 2\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(watcher.get("/metrics").header("content-type").is_some_and(|kind| kind.contains("version=0.0.4")));
        let sender = Client::with_token(&app.base, &new_token(&app, Scope::Ingest));
        assert_eq!(sender.get("/metrics").status, 403);
    }
}

#[test]
fn told_to_stop_a_server_ends_in_time_though_a_sender_dawdles_and_at_once_when_told_again() {
    let database = TestDatabase::new(Engine::Sqlite);
    let dsn = run_well(&["admin", "service", "add", "relay", "--database", &database.url], "");
    let key = dsn.split("//").nth(1).and_then(|rest| rest.split('@').next()).expect("a key").to_owned();
    for again in [false, true] {
        let mut program = Program::serve(&database);
        let address = program.base.trim_start_matches("http://").to_owned();
        let mut dawdler = std::net::TcpStream::connect(&address).expect("connected");
        let head =
            format!("POST /api/1/envelope/?sentry_key={key} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{");
        std::io::Write::write_all(&mut dawdler, head.as_bytes()).expect("sent");
        std::thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        signal(program.id(), "TERM");
        if again {
            std::thread::sleep(Duration::from_millis(300));
            signal(program.id(), "TERM");
        }
        let code = program.ended(Duration::from_secs(20)).code();
        let took = began.elapsed();
        println!("{code:?} after {took:?}");
        if again {
            assert!(took < Duration::from_secs(3), "{took:?}");
            assert_eq!(code, Some(130));
        } else {
            assert!(took < Duration::from_secs(10), "{took:?}");
            assert_eq!(code, Some(0));
        }
        drop(dawdler);
    }
}
