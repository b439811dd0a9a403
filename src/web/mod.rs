//! Pages and the API: takes a request apart, calls one flow or one read, renders. No SQL, no write handles.

pub mod api;
mod assets;
mod error;
pub mod extract;
mod frame;
mod headers;
mod health;
mod href;
mod markdown;
mod page;
pub mod pages;
mod routes;
mod throttle;

pub use error::{PageError, WebError};
pub use extract::{Bearer, Posted, SignedIn};
pub use frame::{Frame, Place};
pub use page::{aside, blocking, flash, render, render_refused, see_other, with_status};
pub use routes::application;

use crate::{
    clock::Clock,
    domain::Time,
    secret,
    store::Store,
    workers::{commit_telemetry::Telemetry, judge_live::Judging},
};

use std::sync::atomic::{AtomicBool, Ordering};

/// What all handlers share.
pub struct App {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Where crash doors put what they took in.
    pub telemetry: Telemetry,
    /// The live judge.
    pub judging: Judging,
    /// The address that people and programs reach this server by, without a slash at the end.
    pub base_url: String,
    /// Whether this serves the told story.
    pub demo: bool,
    /// The form secret of demo visitors, who have no session.
    pub demo_csrf: String,
    /// How many password hashes may be computed at once: each takes a core for tens of milliseconds.
    pub hashing: tokio::sync::Semaphore,
    /// Who tried to sign in how often.
    pub throttle: throttle::Throttle,
    /// What the crash doors share.
    pub doors: api::doors::Doors,
    /// When this server began.
    pub started_at: Time,
    stopping: AtomicBool,
}

impl App {
    /// Puts the shared parts together.
    pub fn new(
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        judging: Judging,
        base_url: String,
        demo: bool,
    ) -> App {
        App {
            store,
            clock,
            telemetry,
            judging,
            base_url: base_url.trim_end_matches('/').to_owned(),
            demo,
            demo_csrf: hex::encode(secret::random::<16>()),
            hashing: tokio::sync::Semaphore::new(2),
            throttle: throttle::Throttle::default(),
            doors: api::doors::Doors::default(),
            started_at: clock.now(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Says that the server is stopping: from now on it is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether people reach this server over TLS, which decides the cookie's name and flags.
    pub fn is_secure(&self) -> bool {
        self.base_url.starts_with("https://")
    }
}
