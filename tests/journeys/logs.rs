//! What the program logs: each line bears the id of the request that it is about, also where a worker thread wrote it.

use crate::support::{Engine, Program, TestDatabase};

#[test]
fn every_line_about_a_request_bears_its_id_in_worker_threads_too() {
    let database = TestDatabase::new(Engine::Sqlite);
    let program = Program::serve_logging(&database, "warn,pushback=debug");
    let client = program.client();
    let own = client.get("/readyz").header("x-request-id").expect("an id").to_owned();
    let sent = client.send("GET", "/readyz", &[("x-request-id", "proxy-7.a_B")], b"");
    assert_eq!(sent.header("x-request-id"), Some("proxy-7.a_B"), "an id from a proxy is kept");
    let odd = "x\"} forged".repeat(9);
    for odd in ["", "two words", odd.as_str()] {
        let answer = client.send("GET", "/readyz", &[("x-request-id", odd)], b"");
        let id = answer.header("x-request-id").expect("an id");
        assert!(id != odd && id.len() == 16, "{odd:?} became {id:?}");
    }
    for id in [own.as_str(), "proxy-7.a_B"] {
        let lines = program.printed(id, 2);
        let of = |said: &str| {
            let read = lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
            let mut found = read.filter(|line| line["fields"]["message"] == said);
            let line = found.next().unwrap_or_else(|| panic!("{said:?} is not among {lines:#?}"));
            assert!(found.next().is_none(), "{said:?} twice");
            assert_eq!(line["span"]["id"], id, "{line}");
            line
        };
        let answered = of("answered");
        assert_eq!(answered["target"], "pushback::access");
        assert_eq!(
            (answered["fields"]["route"].as_str(), answered["fields"]["method"].as_str()),
            (Some("/readyz"), Some("GET"))
        );
        assert!(answered["fields"]["status"].is_u64() && answered["fields"]["ms"].is_u64(), "{answered}");
        // The database was asked in a thread of its own.
        assert!(of("a worker thread is done")["fields"]["took_ms"].is_u64());
    }
}
