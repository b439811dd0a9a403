//! A thread that does one thing after another: for work of which each piece takes up much memory. Threads that take turns would
//! do no less with it, but each would ask the allocator anew, for memory that the others have just given back.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
};
use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// The thread; it is started when it is first asked to do something, and ends when this is dropped.
#[derive(Debug, Default)]
pub struct OneByOne(OnceLock<Option<Sender<Work>>>);

/// It could not be done: no thread was to be had, or it panicked.
#[derive(Debug, PartialEq, Eq)]
pub struct Undone;

impl OneByOne {
    /// Does something after everything that was asked for before. What it logs bears the request's id.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Undone> {
        let queue = self.0.get_or_init(start).as_ref().ok_or(Undone)?;
        let (done, answer) = oneshot::channel();
        let span = tracing::Span::current();
        let work = move || {
            if let Ok(result) = catch_unwind(AssertUnwindSafe(|| span.in_scope(work))) {
                // Whoever asked may be gone.
                drop(done.send(result));
            }
        };
        queue.send(Box::new(work)).map_err(|_| Undone)?;
        answer.await.map_err(|_| Undone)
    }
}

fn start() -> Option<Sender<Work>> {
    let (queue, waiting) = channel::<Work>();
    let thread = std::thread::Builder::new().name("one-by-one".into());
    let started = thread.spawn(move || waiting.into_iter().for_each(|work| work()));
    started.inspect_err(|error| tracing::error!(%error, "no thread could be had")).ok().map(|_| queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_is_done_by_one_thread_and_a_panic_costs_only_itself() {
        let lane = OneByOne::default();
        let first = lane.run(|| std::thread::current().id()).await;
        assert_eq!(lane.run(|| -> u8 { panic!("on purpose") }).await, Err(Undone));
        assert_eq!(lane.run(|| std::thread::current().id()).await, first);
        assert_ne!(first, Ok(std::thread::current().id()));
    }
}
