//! The telemetry writer: requests wait in one bounded queue, and each is answered after the commit that holds it.

use super::{
    fold_telemetry::Folding,
    quota::{Quota, Refused},
};
use crate::{
    clock::Clock,
    config::Kept,
    flows::{
        prune_telemetry::prune_telemetry,
        take_telemetry::{Delivery, Fresh, Keeper, Taken, train_dictionary, wants_dictionary},
    },
    outbound::metrics::Metrics,
    secret,
    store::{Backend, Store, StoreError, keeping::Examples, leases::Lease, packing::Packer},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// How many deliveries may wait. The only buffer there is.
const QUEUE: usize = 1024;
/// How many deliveries share one commit at most.
const BATCH: usize = 256;
/// How long the writer waits for more to come, once it has one.
const LINGER: Duration = Duration::from_millis(2);
/// How often what is too old is looked for, and how often while there is more of it.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
const PRUNE_ON: Duration = Duration::from_millis(250);

struct Waiting {
    delivery: Delivery,
    done: oneshot::Sender<Result<Taken, StoreError>>,
}

/// Where doors put what they took in. Cheap to clone; the writer ends when the last one is gone.
#[derive(Clone)]
pub struct Telemetry {
    queue: mpsc::Sender<Waiting>,
    examples: Examples,
    packer: Packer,
    quota: Arc<Quota>,
    refused: Arc<Refused>,
    to_fold: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// Why a delivery was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotTaken {
    /// The queue is full.
    #[error("more is coming in than can be written down; try again in a few seconds")]
    QueueFull,
    /// The service has had its share of this minute.
    #[error("this service has sent as many reports as are taken of it in a minute; go on in {0} seconds")]
    OverQuota(u64),
    /// The server is stopping.
    #[error("this server is stopping")]
    Stopping,
    /// The database did not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Telemetry {
    /// Starts the writer. Its thread ends after the last handle is dropped and everything taken is committed. What is new is
    /// handed to `committed`.
    pub fn start(
        store: Store,
        clock: Clock,
        kept: Kept,
        committed: impl Fn(Fresh) + Send + 'static,
    ) -> Result<(Telemetry, JoinHandle<()>), StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (examples, packer) = (Examples::new(kept.examples), Packer::default());
        packer.take_up(store.read::<_, StoreError>(|read| read.latest_dictionary())?);
        let (quota, refused) = (Arc::new(Quota::new(kept.quota)), Arc::new(Refused::default()));
        let metrics = Arc::<Metrics>::default();
        let shared = matches!(store.backend(), Backend::Postgres(_));
        let node = secret::new_id(clock.now());
        let lease = shared.then_some(Lease { work: "retention", node, lasts: 2 * PRUNE_EVERY });
        let mut keeper = Keeper::new(examples.clone());
        // What was noted before the last end counts before anybody looks. Other nodes that share a database fold their own.
        if let Err(error) = keeper.fold_left_behind(&store, !shared, clock.now()) {
            tracing::warn!(%error, "reports of before the last end are not counted yet; that is tried again");
        }
        let committed = Arc::new(Mutex::new(committed));
        let folding =
            Folding::start(keeper.folder(), store.clone(), clock, metrics.clone(), hand_over(committed.clone()))?;
        let to_fold = folding.waiting();
        let writer = Writer {
            metrics: metrics.clone(),
            refused: refused.clone(),
            keeper,
            folding,
            store,
            clock,
            packer: packer.clone(),
            whole: 0,
            training: Arc::default(),
            kept,
            prune_at: Instant::now(),
            lease,
        };
        let thread = std::thread::Builder::new()
            .name("commit-telemetry".into())
            .spawn(move || writer.run(waiting, hand_over(committed)))
            .map_err(|error| {
                StoreError::Unusable(format!("no thread could be had for the telemetry writer: {error}"))
            })?;
        Ok((Telemetry { queue, examples, packer, quota, refused, to_fold, metrics, clock }, thread))
    }

    /// Whether another delivery would be refused: asked before a body is read.
    pub fn is_full(&self) -> bool {
        self.queue.capacity() == 0
    }

    /// How many deliveries wait to be written, and how many may.
    pub fn queue(&self) -> (usize, usize) {
        (QUEUE - self.queue.capacity(), QUEUE)
    }

    /// How many reports are kept and not counted yet.
    pub fn to_fold(&self) -> usize {
        self.to_fold.load(Ordering::Relaxed)
    }

    /// Whether the writer takes anything at all.
    pub fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }

    /// The counters of this process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Counts a request that was refused, so that silence does not look like health.
    pub fn count_refused(&self, service: &str, door: &'static str, reason: &'static str) {
        self.metrics.became(door, reason, 1);
        if self.refused.count(service, door, reason) {
            // Wakes the writer; where the queue is full it is awake.
            let (done, _) = oneshot::channel();
            drop(self.queue.try_send(Waiting { delivery: Delivery::default(), done }));
        }
    }

    /// How many of each kind of report are kept whole, and how many are by now.
    pub fn examples(&self) -> &Examples {
        &self.examples
    }

    /// Packs bodies as they are to be kept.
    pub fn packer(&self) -> &Packer {
        &self.packer
    }

    /// Waits until the delivery is committed.
    pub async fn put(&self, delivery: Delivery) -> Result<Taken, NotTaken> {
        // Windows of exposure are no reports: without them nobody could say how bad the reports are.
        let reports = u32::try_from(delivery.reports.len()).unwrap_or(u32::MAX);
        if reports > 0 {
            self.quota.take(&delivery.service, reports, self.clock.now()).map_err(NotTaken::OverQuota)?;
        }
        let (done, answer) = oneshot::channel();
        self.queue.try_send(Waiting { delivery, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::QueueFull,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Stopping,
        })?;
        answer.await.map_err(|_| NotTaken::Stopping)?.map_err(NotTaken::Store)
    }
}

/// What two threads hand new records to.
fn hand_over<F: Fn(Fresh)>(committed: Arc<Mutex<F>>) -> impl Fn(Fresh) {
    move |fresh| committed.lock().unwrap_or_else(PoisonError::into_inner)(fresh)
}

/// Whether a reason says that a request was refused.
fn is_refusal(reason: &str) -> bool {
    reason.starts_with("refused ")
}

/// What was refused, to be written down with a batch.
fn of_refused(((service, door, reason), count): (&(String, &'static str, &'static str), &i64)) -> Delivery {
    Delivery { service: service.clone(), door, left_out: vec![((*reason).to_owned(), *count)], ..Delivery::default() }
}

struct Writer {
    metrics: Arc<Metrics>,
    refused: Arc<Refused>,
    keeper: Keeper,
    folding: Folding,
    store: Store,
    clock: Clock,
    packer: Packer,
    /// Reports that were kept whole since the dictionary in use was trained.
    whole: i64,
    training: Arc<AtomicBool>,
    kept: Kept,
    prune_at: Instant,
    lease: Option<Lease>,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Waiting>, committed: impl Fn(Fresh)) {
        let mut batch = Vec::with_capacity(BATCH);
        while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
            let until = Instant::now() + LINGER;
            while batch.len() < BATCH && Instant::now() < until {
                match waiting.try_recv() {
                    Ok(more) => batch.push(more),
                    Err(_) => std::thread::sleep(Duration::from_micros(200)),
                }
            }
            let (mut deliveries, answers): (Vec<Delivery>, Vec<_>) =
                batch.drain(..).map(|it| (it.delivery, it.done)).unzip();
            let refused = self.refused.drain();
            deliveries.extend(refused.iter().map(of_refused));
            let began = Instant::now();
            let written = self.keeper.take(&self.store, &deliveries, self.clock.now());
            let failed = written.answers.iter().filter(|answer| answer.is_err()).count();
            self.metrics.written(deliveries.len(), began.elapsed(), failed);
            // Refusals were counted when they happened.
            for ((door, reason), reports) in written.outcomes.iter().filter(|((_, reason), _)| !is_refusal(reason)) {
                self.metrics.became(door, reason, *reports);
            }
            if let Some(error) = written.answers.iter().find_map(|answer| answer.as_ref().err()) {
                tracing::error!(%error, deliveries = deliveries.len(), "a telemetry batch was not kept whole");
            }
            // What was refused is counted again with the next batch, where this one did not count it.
            let ends = written.answers.get(answers.len()..).unwrap_or_default();
            let uncounted = refused.into_iter().zip(ends).filter(|(_, end)| end.is_err());
            self.refused.put_back(uncounted.map(|(what, _)| what).collect());
            for (answer, taken) in answers.into_iter().zip(written.answers) {
                // A sender that went away meanwhile is no reason to stop: what it sent is kept.
                drop(answer.send(taken));
            }
            committed(Fresh { records: written.records, rows: None });
            // What seemed to fail may be there all the same.
            self.folding.note(written.noted.max(failed));
            self.train(written.whole);
            self.prune();
        }
    }

    /// Drops a little of what is too old, now and then.
    fn prune(&mut self) {
        if Instant::now() < self.prune_at {
            return;
        }
        let more = self.drop_old().unwrap_or_else(|error| {
            tracing::warn!(%error, "what is too old could not be dropped");
            false
        });
        self.prune_at = Instant::now() + if more { PRUNE_ON } else { PRUNE_EVERY };
    }

    /// Drops some of what is too old; of several nodes that share a database, one does. Whether there may be more.
    fn drop_old(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        if let Some(lease) = &self.lease
            && !self.store.keep::<_, StoreError>(|tx| tx.hold_lease(lease, now))?
        {
            return Ok(false);
        }
        prune_telemetry(&self.store, self.kept.retention, now)
    }

    /// Trains a dictionary where there are enough new reports for it, beside the writing.
    fn train(&mut self, whole: usize) {
        self.whole += whole as i64;
        if !wants_dictionary(&self.packer.dictionary(), self.whole) || self.training.swap(true, Ordering::AcqRel) {
            return;
        }
        let (store, packer, training) = (self.store.clone(), self.packer.clone(), self.training.clone());
        let (whole, now) = (std::mem::take(&mut self.whole), self.clock.now());
        let trained = std::thread::Builder::new().name("train-dictionary".into()).spawn(move || {
            match train_dictionary(&store, &packer, whole, now) {
                Ok(trained) => tracing::info!(trained, reports = whole, "a dictionary for reports was to be trained"),
                Err(error) => tracing::warn!(%error, "a dictionary for reports could not be trained"),
            }
            training.store(false, Ordering::Release);
        });
        if let Err(error) = trained {
            tracing::warn!(%error, "no thread could be had to train a dictionary");
        }
    }
}
