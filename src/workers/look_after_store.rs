//! Looks after the database twice a second: opens it anew after a failure, keeps its log small, watches its disk.

use crate::{clock::Clock, store::Store};
use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::Duration,
};

/// How long it sleeps between two looks.
const SLEEP: Duration = Duration::from_millis(500);

/// The worker; it ends when this is dropped.
pub struct LookingAfter {
    alive: Option<Sender<()>>,
    worker: Option<JoinHandle<()>>,
}

impl LookingAfter {
    /// Looks once, then goes on in a thread of its own.
    pub fn start(store: Store, clock: Clock) -> std::io::Result<LookingAfter> {
        store.look_after(clock.now());
        let (alive, ended) = mpsc::channel();
        let worker = std::thread::Builder::new().name("look-after-store".into()).spawn(move || {
            while ended.recv_timeout(SLEEP) == Err(RecvTimeoutError::Timeout) {
                store.look_after(clock.now());
            }
        })?;
        Ok(LookingAfter { alive: Some(alive), worker: Some(worker) })
    }
}

impl Drop for LookingAfter {
    fn drop(&mut self) {
        self.alive.take();
        if self.worker.take().is_some_and(|worker| worker.join().is_err()) {
            tracing::error!("the worker that looks after the database ended badly");
        }
    }
}
