//! Which token may call what: every way of the API's own description, with each scope and without any.

use crate::support::{Answer, Client, Engine, TestApp};
use pushback::{clock::Clock, domain::access::Scope, flows::administer, store::Actor};
use serde_json::{Value, json};

pub fn token(app: &TestApp, scope: Scope) -> Client {
    let now = Clock::starting_at(crate::support::at(pushback::demo::NOW)).now();
    let by = Actor::console();
    let (_, secret) =
        administer::create_token(&app.store, &by, "console", scope.word(), &[scope], None, now).expect("a token");
    Client::with_token(&app.base, &secret)
}

/// Every way: its method and an address of it.
fn ways() -> Vec<(String, String)> {
    let described: Value = serde_json::from_str(include_str!("../../src/web/api/openapi.json")).expect("JSON");
    let paths = described["paths"].as_object().expect("paths");
    let mut ways = Vec::new();
    for (path, methods) in paths {
        let path = path.replace("{push}", "relay-118").replace("{regression}", "r1").replace("{service}", "relay");
        // Some ways need a query before they ask who calls.
        let path = match path.rsplit('/').next() {
            Some("gate") if !path.contains("relay-118") => format!("{path}?push=relay-118"),
            Some("pairs") => format!("{path}?service=relay"),
            Some("notes") => format!("{path}?service=relay"),
            _ => path,
        };
        assert!(!path.contains('{'), "an address with a parameter that has no example: {path}");
        for method in methods.as_object().expect("methods").keys().filter(|it| ["get", "post"].contains(&it.as_str())) {
            ways.push((method.clone(), format!("/api/v1{}", path.trim_start_matches("/api/v1"))));
        }
    }
    assert!(ways.len() >= 20, "{ways:?}");
    ways
}

fn call(client: &Client, method: &str, path: &str) -> Answer {
    match method {
        "get" => client.get(path),
        _ => client.post_json(path, &json!({})),
    }
}

/// What a way needs; none where anybody may.
fn needs(method: &str, path: &str) -> Option<Scope> {
    match (method, path) {
        (_, "/api/v1/openapi.json") => None,
        (_, "/api/v1/exposure" | "/api/v1/crashes") => Some(Scope::Ingest),
        ("post", "/api/v1/history" | "/api/v1/services/relay/policy") => Some(Scope::Admin),
        // Asking the gate leaves a record of what it said.
        (_, path) if path.contains("/gate") => Some(Scope::Push),
        ("post", _) => Some(Scope::Push),
        _ => Some(Scope::Read),
    }
}

#[test]
fn each_scope_opens_its_own_ways_and_no_others() {
    let app = TestApp::told(Engine::Sqlite);
    let strangers = [app.client(), Client::with_token(&app.base, "pb_token_0000"), Client::with_token(&app.base, "")];
    let programs = Scope::ALL.map(|scope| (scope, token(&app, scope)));
    for (method, path) in ways().iter().filter(|(_, path)| path != "/api/v1/me") {
        let Some(needed) = needs(method, path) else { continue };
        for stranger in &strangers {
            let answer = call(stranger, method, path).expect(401);
            assert!(answer.json()["detail"].is_string(), "{method} {path}: {}", answer.body);
        }
        for (scope, program) in &programs {
            let answer = call(program, method, path);
            let what = format!("{method} {path} with {}: {} {}", scope.word(), answer.status, answer.body);
            if scope.allows(needed) {
                assert!(![401, 403].contains(&answer.status), "{what}");
            } else {
                assert_eq!(answer.status, 403, "{what}");
                assert!(answer.body.contains(&format!("--scope {}", needed.word())), "{what}");
            }
            assert!(answer.status < 500, "{what}");
        }
    }
}

#[test]
fn a_token_that_was_taken_back_opens_nothing() {
    let app = TestApp::told(Engine::Sqlite);
    let reader = token(&app, Scope::Read);
    reader.page("/api/v1/findings");
    let tokens = app.store.read::<_, pushback::store::StoreError>(|read| read.tokens()).expect("read");
    let now = crate::support::at(pushback::demo::NOW);
    administer::revoke_token(&app.store, &Actor::console(), &tokens[0].id, now).expect("taken back");
    reader.get("/api/v1/findings").expect(401);
}

#[test]
fn a_browsers_session_reads_the_api_and_changes_nothing_there() {
    let app = TestApp::told(Engine::Sqlite);
    let client = app.client();
    client.sign_in("lee@example.com", crate::support::server::PASSWORD);
    client.page("/api/v1/findings");
    for (method, path) in ways().iter().filter(|(method, _)| method == "post") {
        assert_eq!(call(&client, method, path).status, 401, "{path} takes a cookie");
    }
}
