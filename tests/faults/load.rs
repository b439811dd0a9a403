//! Senders that go on whatever they are answered, while something fails below the program or beside it.

use crate::{
    journeys::durability::{Told, envelope, gather},
    support::{Program, eventually},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Statuses that tell a sender to come back later.
const LATER: [u16; 3] = [429, 503, 507];

/// What the senders share.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    acknowledged: AtomicU32,
    /// The longest wait for an answer, ms.
    longest: AtomicU32,
}

/// Running senders.
pub struct Load {
    seen: Arc<Seen>,
    senders: Vec<JoinHandle<Told>>,
}

impl Load {
    /// So many of them, each report with an id of its own.
    pub fn start(program: &Program, door: &str, senders: u32) -> Load {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let seen = Arc::new(Seen::default());
        let sender = |_| {
            let (client, door, seen) = (program.client(), door.to_owned(), seen.clone());
            std::thread::spawn(move || {
                let mut told = Told::default();
                while !seen.stop.load(Ordering::Relaxed) {
                    let id = format!("{:032x}", NUMBER.fetch_add(1, Ordering::Relaxed));
                    let began = Instant::now();
                    let answer = client.try_send("POST", &door, &[], &envelope(&id));
                    seen.longest.fetch_max(began.elapsed().as_millis() as u32, Ordering::Relaxed);
                    match answer {
                        Ok(answer) if answer.status == 200 => {
                            told.acknowledged.insert(id);
                            seen.acknowledged.fetch_add(1, Ordering::Relaxed);
                        }
                        // It may be kept all the same: what failed may have failed after it was.
                        answer => {
                            let later = answer.as_ref().map_or(true, |it| LATER.contains(&it.status));
                            assert!(later, "{answer:?}");
                            told.unknown.insert(id);
                        }
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                told
            })
        };
        let senders = (0..senders).map(sender).collect();
        Load { seen, senders }
    }

    /// Waits until so many more are acknowledged.
    pub fn goes_on(&self, what: &str, more: u32, seconds: u64) {
        let acknowledged = || self.seen.acknowledged.load(Ordering::Relaxed);
        let before = acknowledged();
        eventually(what, seconds, || (acknowledged() >= before + more).then_some(()));
    }

    /// Ends it: adds what the senders were told, and gives back the longest wait, ms.
    pub fn end(self, into: &mut Told) -> u32 {
        self.seen.stop.store(true, Ordering::Relaxed);
        gather(self.senders, into);
        self.seen.longest.load(Ordering::Relaxed)
    }
}
