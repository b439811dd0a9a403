//! Faults that strace puts into system calls of the running program.

use crate::{
    journeys::durability::{envelope, kept_ids, with_a_door},
    support::{Client, Engine, Program, eventually, program::signal},
};
use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The calls that make writes durable.
const FLUSHES: &str = "fdatasync,fsync";

/// strace beside a program, until it is dropped.
pub struct Injected(Child);

impl Injected {
    /// Puts a fault into system calls, in strace's words.
    pub fn into_calls(program: &Program, calls: &str, fault: &str) -> Injected {
        let process = program.id();
        let child = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:{fault}"), "-p", &process.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is installed: tests/run does it");
        let injected = Injected(child);
        // Every thread of the program must be held before the fault can be counted on.
        eventually("strace holds the program", 20, || {
            let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
            let held = tasks.flatten().all(|task| {
                let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
                status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|id| id.trim() != "0"))
            });
            held.then_some(())
        });
        injected
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        // Asked to end, it lets the program go; killed, it would take it along.
        signal(self.0.id(), "TERM");
        let _ = self.0.wait();
    }
}

fn id(number: u32) -> String {
    format!("{number:032x}")
}

fn send(client: &Client, door: &str, number: u32) -> u16 {
    client.send("POST", door, &[], &envelope(&id(number))).status
}

#[test]
fn after_a_failed_fsync_nothing_is_acknowledged_until_the_file_was_opened_anew_and_a_retry_is_kept_once() {
    let (database, door) = with_a_door(Engine::Sqlite);
    let program = Program::serve(&database);
    let client = program.client();
    for number in 1..=3 {
        assert_eq!(send(&client, &door, number), 200);
    }
    let injected = Injected::into_calls(&program, FLUSHES, "error=EIO:when=1");
    let first = client.send("POST", &door, &[], &envelope(&id(4)));
    assert_eq!(first.status, 503, "{}", first.body);
    assert!(first.header("retry-after").is_some());
    drop(injected);
    let began = Instant::now();
    eventually("reports are taken again", 10, || (send(&client, &door, 4) == 200).then_some(()));
    println!("taken again {:?} after the fault was gone", began.elapsed());
    assert_eq!(send(&client, &door, 4), 200, "a retry is no new report");
    assert_eq!(client.get("/readyz").status, 200);
    assert!(program.terminate().success());
    let mut kept = kept_ids(&database);
    kept.sort();
    assert_eq!(kept, (1..=4).map(id).collect::<Vec<_>>());
    let counted = database.texts("select cast(sum(crashes) as text) as t from signature");
    assert_eq!(counted, ["4"]);
}

#[test]
fn on_a_slow_disk_reports_are_taken_and_nobody_waits_longer_than_five_seconds() {
    for (delay, senders, least) in [(50_000, 16, 100), (500_000, 64, 64)] {
        let (database, door) = with_a_door(Engine::Sqlite);
        let program = Program::serve(&database);
        let client = program.client();
        assert_eq!(send(&client, &door, 1), 200);
        let injected = Injected::into_calls(&program, FLUSHES, &format!("delay_exit={delay}"));
        let until = Instant::now() + Duration::from_secs(3);
        let mut all: Vec<(u16, Duration)> = Vec::new();
        std::thread::scope(|scope| {
            let sender = |number: u32| {
                let (client, door) = (program.client(), door.clone());
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    for round in 0.. {
                        let began = Instant::now();
                        if began > until {
                            break;
                        }
                        seen.push((send(&client, &door, 1_000 * number + round), began.elapsed()));
                    }
                    seen
                })
            };
            let running: Vec<_> = (1..=senders).map(sender).collect();
            all.extend(running.into_iter().flat_map(|sender| sender.join().expect("a sender")));
        });
        drop(injected);
        let longest = all.iter().map(|(_, took)| *took).max().expect("answers");
        let taken = all.iter().filter(|(status, _)| *status == 200).count();
        println!("{} µs later: {taken} of {} were taken, the longest wait was {longest:?}", delay, all.len());
        assert!(longest < Duration::from_secs(5), "{longest:?}");
        assert!(taken >= least, "only {taken} were taken");
        assert!(all.iter().all(|(status, _)| [200, 429, 503].contains(status)));
        assert!(program.terminate().success());
        assert_eq!(kept_ids(&database).len(), taken + 1);
    }
}
