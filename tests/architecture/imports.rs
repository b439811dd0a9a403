//! Who may import whom, as the module docs of each folder promise.

use super::sources::{mentions, names_below, sources};

/// A folder, and what its code may never mention.
struct Rule {
    folder: &'static str,
    folders: &'static [&'static str],
    words: &'static [&'static str],
}

const CLOCKS: [&str; 5] = ["Utc::now", "Local::now", "SystemTime", "Instant::now", "Clock::system"];

const RULES: [Rule; 8] = [
    Rule {
        folder: "domain",
        folders: &[
            "judge", "ledger", "timeline", "store", "flows", "web", "intake", "workers", "outbound", "serve", "cli",
            "config", "clock", "secret", "demo", "client", "story",
        ],
        words: &["diesel", "actix_web", "askama", "tokio", "std::fs", "std::net", "std::env", "std::process", "File"],
    },
    Rule {
        folder: "judge",
        folders: &["store", "flows", "web", "intake", "workers", "outbound", "serve", "cli", "clock"],
        words: &["diesel", "actix_web", "askama", "tokio", "std::fs", "std::net"],
    },
    Rule {
        folder: "ledger",
        folders: &["store", "flows", "web", "intake", "workers", "outbound", "serve", "cli", "clock"],
        words: &["diesel", "actix_web", "askama", "tokio", "std::fs", "std::net"],
    },
    Rule {
        folder: "timeline",
        folders: &["store", "flows", "web", "intake", "workers", "outbound", "serve", "cli", "clock"],
        words: &["diesel", "actix_web", "tokio", "std::fs", "std::net"],
    },
    Rule {
        folder: "store",
        folders: &["flows", "web", "intake", "workers", "judge", "outbound", "serve", "cli", "clock"],
        words: &["actix_web", "askama"],
    },
    Rule {
        folder: "flows",
        folders: &["web", "workers", "intake", "serve", "cli", "clock"],
        words: &["diesel", "actix_web", "askama"],
    },
    Rule { folder: "intake", folders: &["store", "flows", "web", "serve", "cli"], words: &["diesel"] },
    Rule { folder: "web", folders: &["serve", "cli", "demo"], words: &["diesel", "Tx"] },
];

/// Where the rules of a folder leave the clock alone.
const MAY_WAIT: [&str; 2] = ["intake", "web"];

#[test]
fn no_folder_mentions_what_it_must_not_know() {
    let mut found = Vec::new();
    for rule in &RULES {
        let files: Vec<_> = sources("src", &["rs"]).into_iter().filter(|file| file.folder() == rule.folder).collect();
        assert!(!files.is_empty(), "src/{} is empty", rule.folder);
        for file in files {
            let code = file.code();
            // A test may read what it compares with, look at a clock, and stand on the story.
            let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
            let clocks: &[&str] = if MAY_WAIT.contains(&rule.folder) || is_test { &[] } else { &CLOCKS };
            let words = rule.words.iter().filter(|word| !(is_test && word.starts_with("std::")));
            for word in words.clone().chain(clocks).filter(|word| mentions(&code, word)) {
                found.push(format!("{} mentions {word}", file.path));
            }
            let folders: Vec<&&str> = rule.folders.iter().filter(|name| !(is_test && **name == "demo")).collect();
            for name in names_below(&code, "crate").iter().filter(|name| folders.iter().any(|it| it == name)) {
                found.push(format!("{} imports crate::{name}", file.path));
            }
            let std = names_below(&code, "std");
            for name in words.filter_map(|word| word.strip_prefix("std::")) {
                if std.iter().any(|used| used == name) {
                    found.push(format!("{} imports std::{name}", file.path));
                }
            }
        }
    }
    assert!(found.is_empty(), "imports that the architecture does not allow:\n{}", found.join("\n"));
}

#[test]
fn the_current_time_is_asked_for_in_one_file() {
    let asking: Vec<String> = sources("src", &["rs"])
        .into_iter()
        .filter(|file| ["Utc::now", "Local::now", "SystemTime"].iter().any(|word| mentions(&file.code(), word)))
        .map(|file| file.path)
        .collect();
    assert_eq!(asking, ["src/clock.rs"]);
}

#[test]
fn only_the_store_makes_a_write_handle_and_only_it_knows_sql() {
    let mut found = Vec::new();
    for file in sources("src", &["rs"]).into_iter().filter(|file| file.folder() != "store") {
        let code = file.code();
        for word in ["diesel", "tokio_postgres", "libsqlite3_sys", "SqliteConnection"] {
            if mentions(&code, word) {
                found.push(format!("{} mentions {word}", file.path));
            }
        }
        if code.contains("Tx {") && !code.contains("impl Tx {") {
            found.push(format!("{} makes a Tx", file.path));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent: Vec<String> = sources("src", &["rs"])
        .into_iter()
        .chain(sources("tests", &["rs"]))
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| file.path)
        .collect();
    assert!(silent.is_empty(), "files without module docs:\n{}", silent.join("\n"));
}
