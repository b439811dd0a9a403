//! What every command shares with the terminal it was started from: how it fails, and where it logs.

use std::io;

/// Why a command did not do what it should: a sentence.
pub struct Failure(pub String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

/// Where log lines go: standard error; `PUSHBACK_LOG` says how much, `PUSHBACK_LOG_FORMAT=json` how.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PUSHBACK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,pushback=info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if std::env::var("PUSHBACK_LOG_FORMAT").is_ok_and(|form| form == "json") {
        lines.json().init();
    } else {
        lines.with_target(false).init();
    }
}
