//! The telemetry writer: requests wait in one bounded queue, and each is answered after the commit that holds it.

use crate::{
    clock::Clock,
    flows::take_telemetry::{Delivery, Taken, take_telemetry},
    store::{Store, StoreError},
};
use std::{
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

struct Waiting {
    delivery: Delivery,
    done: oneshot::Sender<Result<Taken, StoreError>>,
}

/// Where doors put what they took in. Cheap to clone; the writer ends when the last one is gone.
#[derive(Clone)]
pub struct Telemetry {
    queue: mpsc::Sender<Waiting>,
}

/// Why a delivery was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotTaken {
    /// The queue is full.
    #[error("more is coming in than can be written down; try again in a few seconds")]
    QueueFull,
    /// The server is stopping.
    #[error("this server is stopping")]
    Stopping,
    /// The database did not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Telemetry {
    /// Starts the writer. Its thread ends after the last handle is dropped and everything taken is committed.
    pub fn start(
        store: Store,
        clock: Clock,
        committed: impl Fn() + Send + 'static,
    ) -> std::io::Result<(Telemetry, JoinHandle<()>)> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("commit-telemetry".into())
            .spawn(move || write(waiting, &store, clock, committed))?;
        Ok((Telemetry { queue }, writer))
    }

    /// Whether another delivery would be refused: asked before a body is read.
    pub fn is_full(&self) -> bool {
        self.queue.capacity() == 0
    }

    /// Waits until the delivery is committed.
    pub async fn put(&self, delivery: Delivery) -> Result<Taken, NotTaken> {
        let (done, answer) = oneshot::channel();
        self.queue.try_send(Waiting { delivery, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::QueueFull,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Stopping,
        })?;
        answer.await.map_err(|_| NotTaken::Stopping)?.map_err(NotTaken::Store)
    }
}

fn write(mut waiting: mpsc::Receiver<Waiting>, store: &Store, clock: Clock, committed: impl Fn()) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
        let until = Instant::now() + LINGER;
        while batch.len() < BATCH && Instant::now() < until {
            match waiting.try_recv() {
                Ok(more) => batch.push(more),
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
        let (deliveries, answers): (Vec<Delivery>, Vec<_>) = batch.drain(..).map(|it| (it.delivery, it.done)).unzip();
        let results = take_telemetry(store, &deliveries, clock.now());
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            tracing::error!(%error, deliveries = deliveries.len(), "a telemetry batch was not kept whole");
        }
        for (answer, result) in answers.into_iter().zip(results) {
            // A sender that went away meanwhile is no reason to stop: what it sent is kept.
            drop(answer.send(result));
        }
        committed();
    }
}
