//! Two nodes on one PostgreSQL: both judge, one keeps what is said, and the other goes on with that when it dies.

use crate::support::{Engine, Program, TestDatabase, program::run_well};
use std::time::{Duration, Instant};

const STORY: &str = include_str!("../../src/story/told.ndjson");
/// The story up to here has no harm by the push that it tells of.
const MORNING: &str = "2026-03-02T12:00:00Z";

/// Who keeps what the judge says.
fn keeper(database: &TestDatabase) -> Option<String> {
    database.texts("select holder as t from lease where name = 'judge' and holder <> ''").pop()
}

/// Waits until something is so. How long that took.
#[track_caller]
fn until(what: &str, seconds: u64, so: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(seconds), "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(100));
    }
    began.elapsed()
}

fn regressions(database: &TestDatabase) -> Vec<String> {
    database.texts("select key as t from regression order by key")
}

#[test]
fn what_is_said_is_kept_once_and_by_the_other_node_after_the_first_was_killed_or_told_to_stop() {
    let database = TestDatabase::new(Engine::Postgres);
    let at = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("a line")["at"].to_string();
    let (before, after): (Vec<&str>, Vec<&str>) = STORY.lines().partition(|line| at(line).trim_matches('"') < MORNING);
    let import = |lines: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("history.ndjson");
        std::fs::write(&file, lines.join("\n") + "\n").expect("written");
        run_well(&["import", &file.to_string_lossy(), "--database", &database.url], "")
    };
    import(&before);
    let first = Program::serve(&database);
    until("the first node keeps", 20, || keeper(&database).is_some());
    let of_first = keeper(&database);
    let second = Program::serve(&database);
    // Longer than a lease lasts: the second asks again and again, and the first goes on.
    std::thread::sleep(Duration::from_secs(11));
    assert_eq!(keeper(&database), of_first, "the node that kept first goes on");

    first.kill();
    let took = until("the second node takes over", 20, || keeper(&database).is_some() && keeper(&database) != of_first);
    let of_second = keeper(&database);
    let known = regressions(&database).len();
    import(&after);
    until("the second keeps what the judge says of the rest", 30, || regressions(&database).len() > known);
    println!("the node that was killed was replaced after {took:?}");

    let third = Program::serve(&database);
    assert!(second.terminate().success());
    let took = until("the third node takes over", 8, || keeper(&database).is_some() && keeper(&database) != of_second);
    println!("the node that was told to stop was replaced after {took:?}");
    // It reads everything again and finds what is kept already.
    let kept = regressions(&database);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(regressions(&database), kept);
    let mut once = kept.clone();
    once.dedup();
    assert_eq!(once, kept, "each once");
    assert!(third.terminate().success());
}
