//! What every test stands on: servers in this process, the real program beside it, databases of both engines, a client.
//! Nothing here is skipped: where something is missing, the test that needs it fails and says what to install.

pub mod browser;
pub mod client;
pub mod databases;
pub mod forgetful;
pub mod postgres;
pub mod program;
pub mod server;

pub use browser::Browser;
pub use client::{Answer, Client};
pub use databases::{Engine, TestDatabase, on_both};
pub use program::Program;
pub use server::TestApp;

use pushback::domain::{Time, time};
use std::time::{Duration, Instant};

/// An instant of the story's day, from RFC 3339.
pub fn at(text: &str) -> Time {
    time::parse(text).expect("a test's own times are RFC 3339")
}

/// Waits until something is there, and fails with `what` where it is not there in time.
pub fn eventually<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}
