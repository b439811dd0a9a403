//! Deploy scripts: one `curl` line or one command records a push and a step, the gate answers by exit code.

use super::scopes::token;
use crate::support::{
    Client, Engine, Program, TestApp, TestDatabase,
    program::{pushback, run_well},
};
use pushback::domain::access::Scope;
use serde_json::json;

#[test]
fn a_push_and_a_step_are_recorded_by_one_line_each_and_a_repeat_changes_nothing() {
    for engine in Engine::BOTH {
        let app = TestApp::start(engine);
        let now = pushback::clock::Clock::system().now();
        let by = pushback::store::Actor::console();
        let scopes = [Scope::Push, Scope::Ingest];
        let (_, secret) =
            pushback::flows::administer::create_token(&app.store, &by, "console", "deploy", &scopes, None, now)
                .expect("a token");
        let script = Client::with_token(&app.base, &secret);
        let start = json!({ "push": "relay-1", "service": "relay", "release": "B", "previous": "A", "at": "2026-03-03T01:00:00Z" });
        script.post_json("/api/v1/pushes", &start).expect(201);
        script.post_json("/api/v1/pushes", &start).expect(200);
        let other = json!({ "push": "relay-1", "service": "relay", "release": "C", "at": "2026-03-03T01:00:00Z" });
        let taken = script.post_json("/api/v1/pushes", &other).expect(409);
        assert!(taken.json()["detail"].as_str().is_some_and(|words| words.contains("relay-1")), "{}", taken.body);
        let step = json!({ "action": "advance", "percent": 5, "at": "2026-03-03T01:10:00Z", "reason": "first cells" });
        script.post_json("/api/v1/pushes/relay-1/steps", &step).expect(201);
        script.post_json("/api/v1/pushes/relay-1/steps", &step).expect(200);
        script.post_json("/api/v1/pushes/none/steps", &step).expect(404);
        let flag = json!({ "change": "f-1", "flag": "wire", "service": "relay", "before": { "percent": 0 }, "after": { "percent": 5 } });
        script.post_json("/api/v1/flag-changes", &flag).expect(201);
        script.post_json("/api/v1/notes", &json!({ "text": "watching", "service": "relay" })).expect(201);
        let window =
            json!({ "service": "relay", "release": "A", "at": "2026-03-03T01:00:00Z", "seconds": 60, "instances": 28 });
        script.post_json("/api/v1/exposure", &json!([window])).expect(201);
        script.post_json("/api/v1/exposure", &json!([window])).expect(200);
        let crash =
            json!({ "id": "c-1", "service": "relay", "release": "A", "at": "2026-03-03T01:01:00Z", "signature": "S" });
        script.post_json("/api/v1/crashes", &crash).expect(201);
        script.post_json("/api/v1/crashes", &crash).expect(200);

        let shown = script.page("/api/v1/pushes/relay-1").json();
        assert_eq!(shown["steps"].as_array().map(Vec::len), Some(1), "{shown}");
        assert_eq!(shown["steps"][0]["actor"], "deploy", "a program acts under its token's name");
        let history = script.page("/api/v1/history");
        let mut types: Vec<String> = history
            .body
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).expect("JSON")["type"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        types.sort();
        assert_eq!(types, ["crash", "exposure", "flag_changed", "note", "push_started", "push_step"]);
    }
}

#[test]
fn one_line_records_a_push_with_its_first_step_or_neither() {
    for engine in Engine::BOTH {
        let app = TestApp::start(engine);
        let script = token(&app, Scope::Push);
        let first =
            |step: serde_json::Value| json!({ "push": "relay-2", "service": "relay", "release": "B", "step": step });
        for (step, field) in [
            (json!("advance"), "step"),
            (json!({ "percent": 1 }), "step.action"),
            (json!({ "action": "advance", "percent": 200 }), "step.percent"),
        ] {
            let refused = script.post_json("/api/v1/pushes", &first(step));
            assert_eq!(refused.status, 422, "{}", refused.body);
            assert!(refused.json()["detail"].as_str().is_some_and(|it| it.starts_with(field)), "{}", refused.body);
            assert_eq!(script.get("/api/v1/pushes/relay-2").status, 404, "the push was kept without its step");
        }
        let line = first(json!({ "action": "advance", "percent": 1 }));
        script.post_json("/api/v1/pushes", &line).expect(201);
        script.post_json("/api/v1/pushes", &line).expect(200);
        let shown = script.page("/api/v1/pushes/relay-2").json();
        assert_eq!(shown["steps"].as_array().map(Vec::len), Some(1), "{shown}");
        assert_eq!((&shown["percent"], &shown["steps"][0]["at"]), (&json!(1), &shown["at"]), "{shown}");
    }
}

#[test]
fn what_is_wrong_with_a_record_is_said_by_field() {
    let app = TestApp::told(Engine::Sqlite);
    let script = token(&app, Scope::Push);
    let wrong = [
        (json!({ "service": "relay" }), "release"),
        (json!({ "service": "relay", "release": "B", "at": "yesterday" }), "at"),
        (json!({ "service": "relay", "release": "B", "plan": [{ "percent": 200 }] }), "percent"),
        (json!({ "service": [], "release": "B" }), "service"),
    ];
    for (body, field) in wrong {
        let answer = script.post_json("/api/v1/pushes", &body);
        assert!([400, 422].contains(&answer.status), "{body}: {}", answer.status);
        assert!(answer.json()["detail"].as_str().is_some_and(|words| words.contains(field)), "{body}: {}", answer.body);
    }
}

#[test]
fn the_gate_answers_scripts_by_exit_code_and_curl_by_status() {
    for engine in Engine::BOTH {
        let database = TestDatabase::told(engine);
        let on = |arguments: &[&str]| {
            run_well(&arguments.iter().copied().chain(["--database", database.url.as_str()]).collect::<Vec<_>>(), "")
        };
        let secret = on(&["admin", "token", "create", "deploy", "--scope", "push"]);
        let program = Program::serve(&database);
        let script = |arguments: &[&str]| {
            let output = pushback(arguments).env("PUSHBACK_URL", &program.base).env("PUSHBACK_TOKEN", &secret).output();
            let output = output.expect("the program runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            println!("pushback {arguments:?}: {} {errors}", output.status);
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (code, said) = script(&["gate", "relay-118"]);
        assert_eq!(code, Some(20), "{said}");
        assert!(said.contains("stop"), "{said}");
        // A new push of a service of which nothing is known: not enough evidence is an answer.
        let (code, id) =
            script(&["push", "start", "quiet", "--release", "q2", "--previous", "q1", "--actor", "noor@example.com"]);
        let id = id.trim().to_owned();
        assert!(code == Some(0) && !id.contains(char::is_whitespace), "{id}");
        let (code, said) = script(&["gate", &id]);
        assert_eq!(code, Some(0), "nothing is exposed yet: {said}");
        let (code, said) = script(&["push", "advance", &id, "--percent", "1"]);
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = script(&["gate", &id]);
        assert_eq!(code, Some(10), "nothing has been heard of q2: {said}");
        // Going past a stop needs a reason, which is kept with the step.
        let (code, said) = script(&["push", "advance", "relay-118", "--percent", "100"]);
        assert_eq!(code, Some(20), "{said}");
        let client = Client::with_token(&program.base, &secret);
        let steps = || client.page("/api/v1/pushes/relay-118").json()["steps"].as_array().map_or(0, Vec::len);
        let before = steps();
        let (code, said) = script(&["push", "advance", "relay-118", "--percent", "100", "--reason", "drill"]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(steps(), before + 1);
        assert_eq!(client.get("/api/v1/pushes/relay-118/gate?style=exit").status, 409);
        // Who cannot be asked has not said go.
        let nobody =
            pushback(&["gate", "relay-118", "--url", "http://127.0.0.1:1", "--token", "x"]).output().expect("runs");
        assert_eq!(nobody.status.code(), Some(1));
        let (code, _) = script(&["gate", "no-such-push"]);
        assert_eq!(code, Some(1));
    }
}
