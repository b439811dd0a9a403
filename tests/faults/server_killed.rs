//! The PostgreSQL server is killed under load, again and again, while the program goes on running.

use crate::{
    journeys::durability::{Told, check, gather, make_a_door, send},
    support::{Program, TestDatabase, eventually, postgres::Cluster, program::run_well},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

const SENDERS: u32 = 8;

/// Senders that go on whatever they are answered, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU32>,
    longest: Arc<AtomicU32>,
    senders: Vec<JoinHandle<Told>>,
}

impl Load {
    fn start(program: &Program, door: &str) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let (acknowledged, longest) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let sender = |sender: u32| {
            let (client, door) = (program.client(), door.to_owned());
            let (stop, acknowledged, longest) = (stop.clone(), acknowledged.clone(), longest.clone());
            std::thread::spawn(move || {
                let mut told = Told::default();
                for number in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("{sender:016x}{number:016x}");
                    let began = Instant::now();
                    let answer = send(&client, &door, &id);
                    longest.fetch_max(began.elapsed().as_millis() as u32, Ordering::Relaxed);
                    match answer {
                        Some(200) => {
                            told.acknowledged.insert(id);
                            acknowledged.fetch_add(1, Ordering::Relaxed);
                        }
                        // It may be kept all the same: the server may have died after it was.
                        Some(429 | 503) | None => {
                            told.unknown.insert(id);
                            std::thread::sleep(Duration::from_millis(20));
                        }
                        Some(other) => panic!("answered {other}"),
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
                told
            })
        };
        let senders = (0..SENDERS).map(sender).collect();
        Load { stop, acknowledged, longest, senders }
    }

    fn acknowledged(&self) -> u32 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until more is acknowledged than `before`.
    fn goes_on(&self, before: u32) {
        eventually("reports are acknowledged", 30, || (self.acknowledged() > before + 2 * SENDERS).then_some(()));
    }
}

/// How many kills: a tenth of what `PUSHBACK_TEST_KILLS` says, which the long run sets.
fn kills() -> u64 {
    std::env::var("PUSHBACK_TEST_KILLS").map_or(5, |text| text.parse::<u64>().expect("a number of kills") / 10)
}

#[test]
fn no_acknowledged_report_is_lost_or_kept_twice_when_the_postgresql_server_is_killed_and_the_program_recovers_by_itself()
 {
    let cluster = Cluster::own();
    let database = TestDatabase::on(&cluster);
    let door = make_a_door(&database);
    let program = Program::serve(&database);
    let load = Load::start(&program, &door);
    let mut slowest = Duration::ZERO;
    for round in 0..kills() {
        load.goes_on(load.acknowledged());
        std::thread::sleep(Duration::from_millis(round * 7919 % 300));
        cluster.kill();
        // Whoever asks meanwhile is told so, and does not hang.
        let ready = program.client().get("/readyz");
        assert_eq!(ready.status, 503, "{}", ready.body);
        cluster.start_again();
        let (began, before) = (Instant::now(), load.acknowledged());
        eventually("reports are taken again", 10, || (load.acknowledged() > before).then_some(()));
        slowest = slowest.max(began.elapsed());
    }
    load.stop.store(true, Ordering::Relaxed);
    let longest = load.longest.load(Ordering::Relaxed);
    let mut told = Told::default();
    gather(load.senders, &mut told);
    println!(
        "{} kills of the server: {} acknowledged, {} refused or unanswered; taken again after {slowest:?} at most, longest answer {longest} ms",
        kills(),
        told.acknowledged.len(),
        told.unknown.len()
    );
    assert!(longest < 10_000, "somebody waited {longest} ms");
    // While the server is gone its clients wait or are refused: some were under way at every kill.
    assert!(!told.unknown.is_empty() || longest > 100, "no request was under way at any kill");
    assert_eq!(program.client().get("/readyz").status, 200);
    assert!(program.terminate().success());
    check(&database, &told);
    let said = run_well(&["ledger", "verify", "--database", &database.url], "");
    assert!(said.ends_with("Nothing was changed."), "{said}");
}
