//! One kind of system call after another fails now and then under load.

use super::{injected::Injected, load::Load};
use crate::{
    journeys::durability::{Told, check, with_a_door},
    support::{Engine, Program, program::run_well},
};
use std::time::{Duration, Instant};

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

#[test]
fn whichever_system_call_fails_nobody_hangs_nothing_acknowledged_is_lost_and_the_program_recovers_by_itself() {
    let (database, door) = with_a_door(Engine::Sqlite);
    let mut program = Program::serve(&database);
    let mut told = Told::default();
    for every in [1, 5] {
        for (calls, error) in FAULTS {
            let load = Load::start(&program, &door, SENDERS);
            let injected = Injected::into_calls(&program, calls, &format!("error={error}:when=1+{every}"));
            std::thread::sleep(Duration::from_millis(700));
            drop(injected);
            let began = Instant::now();
            load.goes_on(&format!("reports are taken again after {calls} failed with {error}"), 1, 10);
            let recovered = began.elapsed();
            let before = (told.acknowledged.len(), told.unknown.len());
            let longest = load.end(&mut told);
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
