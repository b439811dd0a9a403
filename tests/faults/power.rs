//! The power is cut under load, again and again, on a disk that forgets what was not made durable.

use crate::{
    journeys::durability::{Told, check, gather, kept_ids, load, make_a_door},
    support::{
        Program, TestDatabase,
        forgetful::{Forgetful, Honours, Left},
        program::run_well,
    },
};
use std::time::Duration;

/// What was told until the last cut, and what the disk has then.
struct After {
    told: Told,
    disk: Forgetful,
}

/// Serves a SQLite file on a forgetful disk and cuts its power so many times, each at another place of the load. After every second
/// cut some of what was not durable is there all the same.
fn cut_again_and_again(honours: Honours, cuts: u64) -> After {
    let mut disk = Forgetful::mount(honours);
    let database = TestDatabase::at(&disk.path().join("pushback.sqlite3"));
    let door = make_a_door(&database);
    let mut told = Told::default();
    for round in 0..cuts {
        let program = Program::serve(&database);
        let senders = load(&program, &door);
        std::thread::sleep(Duration::from_millis(round * 7919 % 300));
        disk.cut();
        program.kill();
        gather(senders, &mut told);
        disk.come_back(if round % 2 == 0 { Left::Nothing } else { Left::Some(round) });
    }
    println!("{honours:?}: {cuts} cuts, {} acknowledged, {} flushes", told.acknowledged.len(), disk.flushes());
    assert!(told.acknowledged.len() as u64 > 8 * cuts, "only {} reports were sent", told.acknowledged.len());
    After { told, disk }
}

/// The database as the disk has it, somewhere else.
fn copy(disk: &Forgetful, folder: &tempfile::TempDir) -> TestDatabase {
    TestDatabase::at(&disk.copy_to(folder.path()).join("pushback.sqlite3"))
}

/// How many cuts: as many as `PUSHBACK_TEST_CUTS` says, which the long run sets.
fn cuts() -> u64 {
    std::env::var("PUSHBACK_TEST_CUTS").map_or(20, |text| text.parse().expect("a number of cuts"))
}

#[test]
fn no_acknowledged_report_is_lost_when_the_power_is_cut_again_and_again() {
    let After { told, disk } = cut_again_and_again(Honours::Everything, cuts());
    let folder = tempfile::tempdir().expect("a folder");
    let database = copy(&disk, &folder);
    check(&database, &told);
    let said = run_well(&["ledger", "verify", "--database", &database.url], "");
    assert!(said.ends_with("Nothing was changed."), "{said}");
}

#[test]
fn a_disk_that_flushes_logs_only_at_checkpoints_as_with_synchronous_normal_loses_reports_here() {
    let After { told, disk } = cut_again_and_again(Honours::LogsAtCheckpoints, 4);
    let folder = tempfile::tempdir().expect("a folder");
    let kept = kept_ids(&copy(&disk, &folder));
    let lost = told.acknowledged.iter().filter(|id| !kept.contains(id)).count();
    println!("{lost} of {} acknowledged reports are lost", told.acknowledged.len());
    assert!(lost > 0, "the test of the power loss cannot fail");
}
