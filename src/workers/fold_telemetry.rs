//! Folds reports that were only noted into the counts, beside the writer that notes them: a moment after they came, or as soon as there
//! are many.

use crate::{
    clock::Clock,
    flows::take_telemetry::{Fresh, Keeper, folded_at_once},
    outbound::metrics::Metrics,
    store::{Store, StoreError},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long reports wait until they are folded, from the first of them on; less where many come.
const AFTER: Duration = Duration::from_millis(500);
/// And how long after that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// How often it is looked whether another node is gone that left such reports.
const MIND_EVERY: Duration = Duration::from_secs(10);
/// As many reports may wait; past that whoever notes more waits a little each time.
const MOST: usize = 65_536;

/// Where the writer says what it noted. The thread ends after this is dropped and everything is folded.
pub struct Folding {
    noted: Option<Sender<usize>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Folding {
    /// Starts the thread. What the judge has not seen is handed to `committed`.
    pub fn start(
        keeper: Keeper,
        store: Store,
        clock: Clock,
        metrics: Arc<Metrics>,
        committed: impl Fn(Fresh) + Send + 'static,
    ) -> Result<Folding, StoreError> {
        let (noted, receiver) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let mind_at = Instant::now() + MIND_EVERY;
        let folder = Folder { keeper, store, clock, metrics, waiting: waiting.clone(), fold_at: None, mind_at };
        let thread = std::thread::Builder::new()
            .name("fold-telemetry".into())
            .spawn(move || folder.run(&receiver, committed))
            .map_err(|error| {
                StoreError::Unusable(format!("no thread could be had to fold counted reports: {error}"))
            })?;
        Ok(Folding { noted: Some(noted), waiting, thread: Some(thread) })
    }

    /// How many reports wait to be folded, as far as is known; it goes on to say so.
    pub fn waiting(&self) -> Arc<AtomicUsize> {
        self.waiting.clone()
    }

    /// Notes that so many reports are to be folded. Where more wait than are folded in a second or so, this takes a while.
    pub fn note(&self, reports: usize) {
        if reports == 0 {
            return;
        }
        let waiting = self.waiting.fetch_add(reports, Ordering::AcqRel) + reports;
        if let Some(noted) = &self.noted {
            // Where nobody folds any more, the next start does.
            let _ = noted.send(reports);
        }
        if waiting > MOST {
            std::thread::sleep(Duration::from_millis((waiting / MOST).min(10) as u64 * 20));
        }
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        self.noted = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("counted reports were not all folded; the next start does");
        }
    }
}

struct Folder {
    keeper: Keeper,
    store: Store,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// How many reports are noted and not folded, as far as is known, and when they are to be.
    waiting: Arc<AtomicUsize>,
    fold_at: Option<Instant>,
    mind_at: Instant,
}

impl Folder {
    fn run(mut self, noted: &Receiver<usize>, committed: impl Fn(Fresh)) {
        loop {
            let until = self.fold_at.map_or(self.mind_at, |at| at.min(self.mind_at));
            match noted.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(_) => {
                    self.fold_at.get_or_insert_with(|| Instant::now() + AFTER);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // Where folding has just failed, many are no reason to hurry.
            let hurry = self.fold_at.is_some_and(|at| at <= Instant::now() + AFTER);
            let many = hurry && self.waiting.load(Ordering::Acquire) >= folded_at_once(&self.store);
            if many || self.fold_at.is_some_and(|at| Instant::now() >= at) {
                self.fold(&committed);
            }
            if Instant::now() >= self.mind_at {
                self.mind();
            }
        }
        while self.waiting.load(Ordering::Acquire) > 0 && self.fold(&committed) {}
    }

    /// Folds some of what was noted. Whether that could be done.
    fn fold(&mut self, committed: &impl Fn(Fresh)) -> bool {
        let before = self.waiting.load(Ordering::Acquire);
        match self.keeper.fold(&self.store, self.clock.now()) {
            Ok(folded) => {
                // Where nothing is left, what was thought to wait before does not.
                let done = if folded.reports == 0 { before } else { folded.reports };
                let less = |waiting: usize| Some(waiting.saturating_sub(done));
                let left = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).unwrap_or(0);
                self.fold_at = (left > done).then(|| {
                    Instant::now() + if left - done >= folded_at_once(&self.store) { Duration::ZERO } else { AFTER }
                });
                for ((door, reason), reports) in &folded.outcomes {
                    self.metrics.became(door, reason, *reports);
                }
                committed(folded.fresh);
                true
            }
            Err(error) => {
                tracing::error!(%error, "reports that are kept could not be counted yet; it is tried again");
                self.fold_at = Some(Instant::now() + AGAIN);
                false
            }
        }
    }

    /// Folds what a node left that is gone.
    fn mind(&mut self) {
        self.mind_at = Instant::now() + MIND_EVERY;
        match self.keeper.fold_left_behind(&self.store, false, self.clock.now()) {
            Ok(0) => {}
            Ok(reports) => tracing::info!(reports, "reports of another node are counted, which left them behind"),
            Err(error) => tracing::warn!(%error, "what other nodes left behind could not be counted"),
        }
    }
}
