//! One kind of system call after another fails now and then under load.

use super::injected::Injected;
use crate::{
    journeys::durability::{Told, check, envelope, gather, with_a_door},
    support::{Engine, Program, eventually, program::run_well},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// What fails, and how: calls that touch files and the network. Each fails every so many times in each thread, from the first on.
/// Plain `write` is not among them: threads wake each other with it, and without that no program goes on.
const FAULTS: [(&str, &str); 15] = [
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("pread64", "EIO"),
    ("fdatasync,fsync", "EIO"),
    ("fdatasync,fsync", "ENOSPC"),
    ("ftruncate", "EIO"),
    ("fallocate", "ENOSPC"),
    ("openat", "EMFILE"),
    ("openat", "EACCES"),
    ("newfstatat,fstat,statx", "EIO"),
    ("fcntl", "ENOLCK"),
    ("unlink,unlinkat", "EIO"),
    ("accept4", "EMFILE"),
    ("recvfrom", "ECONNRESET"),
    ("sendto", "EPIPE"),
];

const SENDERS: u32 = 4;

/// Statuses that tell a sender to come back later, and why.
const LATER: [u16; 3] = [429, 503, 507];

#[test]
fn whichever_system_call_fails_nobody_hangs_nothing_acknowledged_is_lost_and_the_program_recovers_by_itself() {
    let (database, door) = with_a_door(Engine::Sqlite);
    let mut program = Program::serve(&database);
    let (mut told, number) = (Told::default(), Arc::new(AtomicU32::new(1)));
    for every in [1, 5] {
        for (calls, error) in FAULTS {
            let (stop, longest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
            let sender = |_| {
                let (client, door, number) = (program.client(), door.clone(), number.clone());
                let (stop, longest) = (stop.clone(), longest.clone());
                std::thread::spawn(move || {
                    let mut told = Told::default();
                    while !stop.load(Ordering::Relaxed) {
                        let id = format!("{:032x}", number.fetch_add(1, Ordering::Relaxed));
                        let began = Instant::now();
                        let answer = client.try_send("POST", &door, &[], &envelope(&id));
                        longest.fetch_max(began.elapsed().as_millis() as u32, Ordering::Relaxed);
                        match answer {
                            Ok(answer) if answer.status == 200 => drop(told.acknowledged.insert(id)),
                            Ok(answer) => {
                                assert!(
                                    LATER.contains(&answer.status),
                                    "{calls} {error}: {}: {}",
                                    answer.status,
                                    answer.body
                                );
                                told.unknown.insert(id);
                            }
                            Err(_) => drop(told.unknown.insert(id)),
                        }
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    told
                })
            };
            let senders: Vec<_> = (0..SENDERS).map(sender).collect();
            let injected = Injected::into_calls(&program, calls, &format!("error={error}:when=1+{every}"));
            std::thread::sleep(Duration::from_millis(700));
            drop(injected);
            let began = Instant::now();
            let client = program.client();
            eventually(&format!("reports are taken again after {calls} failed with {error}"), 10, || {
                let id = format!("{:032x}", number.fetch_add(1, Ordering::Relaxed));
                let answer = client.try_send("POST", &door, &[], &envelope(&id)).ok()?;
                if answer.status == 200 {
                    told.acknowledged.insert(id)
                } else {
                    told.unknown.insert(id)
                };
                (answer.status == 200).then_some(())
            });
            let recovered = began.elapsed();
            stop.store(true, Ordering::Relaxed);
            let before = (told.acknowledged.len(), told.unknown.len());
            gather(senders, &mut told);
            let longest = longest.load(Ordering::Relaxed);
            println!(
                "{calls} {error} every {every}: {} acknowledged, {} not, longest {longest} ms, taken again after {recovered:?}",
                told.acknowledged.len() - before.0,
                told.unknown.len() - before.1
            );
            assert!(longest < 10_000, "{calls} {error}: somebody waited {longest} ms");
        }
    }
    assert!(program.is_running(), "the program ended");
    assert_eq!(program.client().get("/readyz").status, 200);
    assert!(program.terminate().success());
    check(&database, &told);
    let said = run_well(&["ledger", "verify", "--database", &database.url], "");
    assert!(said.ends_with("Nothing was changed."), "{said}");
}
