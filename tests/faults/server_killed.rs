//! The PostgreSQL server is killed under load, again and again, while the program goes on running.

use super::load::Load;
use crate::{
    journeys::durability::{Told, check, make_a_door},
    support::{Program, TestDatabase, postgres::Cluster, program::run_well},
};
use std::time::{Duration, Instant};

const SENDERS: u32 = 8;

/// How many kills: a tenth of what `PUSHBACK_TEST_KILLS` says, which the long run sets.
fn kills() -> u64 {
    std::env::var("PUSHBACK_TEST_KILLS").map_or(5, |text| text.parse::<u64>().expect("a number of kills") / 10)
}

#[test]
fn no_acknowledged_report_is_lost_or_kept_twice_when_the_postgresql_server_is_killed_and_the_program_recovers() {
    let cluster = Cluster::own();
    let database = TestDatabase::on(&cluster);
    let door = make_a_door(&database);
    let program = Program::serve(&database);
    let load = Load::start(&program, &door, SENDERS);
    let mut slowest = Duration::ZERO;
    for round in 0..kills() {
        load.goes_on("reports are acknowledged", 2 * SENDERS, 30);
        std::thread::sleep(Duration::from_millis(round * 7919 % 300));
        cluster.kill();
        // Whoever asks meanwhile is told so, and does not hang.
        let ready = program.client().get("/readyz");
        assert_eq!(ready.status, 503, "{}", ready.body);
        cluster.start_again();
        let began = Instant::now();
        load.goes_on("reports are taken again", 1, 10);
        slowest = slowest.max(began.elapsed());
    }
    let mut told = Told::default();
    let longest = load.end(&mut told);
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
