//! How soon a verdict is there: the told story, moved so that its harm begins to show now, and its reports sent as they came.

use crate::support::{Client, Engine, Program, TestDatabase, at, eventually, program::run_well};
use pushback::{
    clock::Clock,
    domain::{Time, time},
};
use serde_json::Value;
use std::time::{Duration, Instant};

const STORY: &str = include_str!("../../src/story/told.ndjson");
/// Before the judge of the story says who harms whom: the reports that decide come 84 and 102 seconds later, when the program has started,
/// whatever part of a minute is over now.
const BEFORE: &str = "2026-03-03T02:03:00Z";
/// From the commit of what a verdict rests on to the verdict.
const SOON: Duration = Duration::from_secs(10);

/// Moves every time in a record.
fn moved(value: &mut Value, by: chrono::TimeDelta) {
    match value {
        Value::String(text) => {
            if let Some(time) = time::parse(text) {
                *text = time::text(time + by);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|it| moved(it, by)),
        Value::Object(all) => all.values_mut().for_each(|it| moved(it, by)),
        _ => {}
    }
}

/// When a record reached us.
fn arrival(record: &Value) -> Time {
    let of = |name: &str| record[name].as_str().and_then(time::parse);
    let seconds = record["seconds"].as_i64().unwrap_or(0);
    of("received_at").or(of("at").map(|at| at + time::seconds(seconds))).expect("a time")
}

/// The verdict on the push, as programs get it: when it was said to be detected.
fn verdict(client: &Client) -> Option<Time> {
    let told = client.page("/api/v1/findings").json();
    let found = told["regressions"].as_array()?.iter().find(|it| it["suspects"][0]["id"] == "relay-118")?;
    time::parse(found["detected_at"].as_str()?)
}

fn a_verdict_is_there_soon(engine: Engine) {
    let now = Clock::system().now();
    // Whole minutes: the judge looks at marks of the clock.
    let by = time::minute(now) - at(BEFORE);
    let records = STORY.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    let (before, after): (Vec<Value>, Vec<Value>) = records
        .map(|mut it| {
            moved(&mut it, by);
            it
        })
        .partition(|it| arrival(it) < at(BEFORE) + by);
    let database = TestDatabase::new(engine);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("history.ndjson");
    let lines: Vec<String> = before.iter().map(Value::to_string).collect();
    std::fs::write(&file, lines.join("\n") + "\n").expect("written");
    run_well(&["import", &file.to_string_lossy(), "--database", &database.url], "");
    let token = run_well(&["admin", "token", "create", "script", "--scope", "admin", "--database", &database.url], "");
    let program = Program::serve(&database);
    let client = Client::with_token(&program.base, &token);
    eventually("the history is read", 30, || (client.get("/readyz").status == 200).then_some(()));
    assert_eq!(verdict(&client), None, "nothing is said before it shows");

    let mut after: Vec<Value> =
        after.into_iter().filter(|it| it["type"] == "crash" || it["type"] == "exposure").collect();
    after.sort_by_key(arrival);
    let mut committed: Vec<(Time, Instant)> = Vec::new();
    let mut coming = after.into_iter().peekable();
    let began = Instant::now();
    let (detected, seen) = loop {
        assert!(began.elapsed() < Duration::from_secs(150), "nothing was said");
        let now = Clock::system().now();
        while let Some(record) = coming.next_if(|it| arrival(it) <= now) {
            let door = if record["type"] == "crash" { "/api/v1/crashes" } else { "/api/v1/exposure" };
            let is_crash = record["type"] == "crash";
            let status = client.post_json(door, &record).status;
            assert!([200, 201].contains(&status), "{status}: {record}");
            if is_crash {
                committed.push((Clock::system().now(), Instant::now()));
            }
        }
        if let Some(detected) = verdict(&client) {
            break (detected, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let evidence = committed.iter().rfind(|it| it.0 <= detected).expect("reports that it rests on were sent here").1;
    let took = seen - evidence;
    println!("{engine:?}: said {took:?} after the commit of the last report that it rests on");
    assert!(took <= SOON, "{engine:?}: said {took:?} after the commit of the last report that it rests on");
    let of_detected = Clock::system().now() - detected;
    assert!(of_detected <= time::seconds(10), "{engine:?}: said {of_detected} after the instant that it names");
    assert!(program.terminate().success());
}

#[test]
fn a_verdict_follows_its_evidence_within_10_seconds_on_sqlite() {
    a_verdict_is_there_soon(Engine::Sqlite);
}

#[test]
fn a_verdict_follows_its_evidence_within_10_seconds_on_postgresql() {
    a_verdict_is_there_soon(Engine::Postgres);
}
