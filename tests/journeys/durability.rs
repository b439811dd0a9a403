//! What was acknowledged is kept: through kill -9 under load, through SIGTERM under load, once and only once.

use crate::support::{Client, Engine, Program, TestDatabase, eventually, program::run_well};
use chrono::Utc;
use pushback::{
    domain::record::Record,
    flows::{export_history::all_records, take_telemetry::Keeper},
    store::keeping::Examples,
};
use std::{
    collections::BTreeSet,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Senders at once.
const SENDERS: u32 = 8;

/// What senders were told.
#[derive(Default)]
pub struct Told {
    /// Ids that were answered with 200.
    pub acknowledged: BTreeSet<String>,
    /// Ids that were sent and not answered: they may be kept or not.
    pub unknown: BTreeSet<String>,
}

pub fn envelope(id: &str) -> Vec<u8> {
    let event = format!(
        r#"{{"event_id":"{id}","timestamp":1772500000.5,"platform":"native","level":"fatal","release":"A","environment":"production","exception":{{"values":[{{"type":"SIGSEGV","value":"boom","mechanism":{{"type":"signal","handled":false}}}}]}}}}"#
    );
    format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len()).into_bytes()
}

pub fn send(client: &Client, door: &str, id: &str) -> Option<u16> {
    client.try_send("POST", door, &[], &envelope(id)).ok().map(|answer| answer.status)
}

/// Sends reports, one after another from each sender, until nobody answers. Comes back when the load is running.
pub fn load(program: &Program, door: &str) -> Vec<JoinHandle<Told>> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let answered = Arc::new(AtomicU32::new(0));
    let sender = || {
        let (client, door, answered) = (program.client(), door.to_owned(), answered.clone());
        std::thread::spawn(move || {
            let mut told = Told::default();
            loop {
                let id = format!("{:032x}", NUMBER.fetch_add(1, Ordering::Relaxed));
                match send(&client, &door, &id) {
                    Some(200) => {
                        told.acknowledged.insert(id);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Some(429 | 503) => std::thread::sleep(Duration::from_millis(20)),
                    Some(other) => panic!("answered {other}"),
                    None => {
                        told.unknown.insert(id);
                        break;
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            told
        })
    };
    let senders = (0..SENDERS).map(|_| sender()).collect();
    eventually("the senders are answered", 30, || (answered.load(Ordering::Relaxed) > SENDERS).then_some(()));
    senders
}

pub fn gather(senders: Vec<JoinHandle<Told>>, into: &mut Told) {
    for sender in senders {
        let told = sender.join().expect("a sender");
        into.acknowledged.extend(told.acknowledged);
        into.unknown.extend(told.unknown);
    }
}

/// A database with one service, and the path of its door.
pub fn with_a_door(engine: Engine) -> (TestDatabase, String) {
    let database = TestDatabase::new(engine);
    let door = make_a_door(&database);
    (database, door)
}

/// Adds a service, and gives back the path of its door.
pub fn make_a_door(database: &TestDatabase) -> String {
    let dsn = run_well(&["admin", "service", "add", "relay", "--database", &database.url], "");
    let key = dsn.split("//").nth(1).and_then(|rest| rest.split('@').next()).expect("a key").to_owned();
    format!("/api/1/envelope/?sentry_key={key}&sentry_version=7")
}

/// The ids of all reports that are kept, whole or only counted, as they are exported.
pub fn kept_ids(database: &TestDatabase) -> Vec<String> {
    let records = all_records(&database.open()).expect("everything can be read");
    let reports = records.iter().filter(|record| matches!(record, Record::Crash(_)));
    reports.filter_map(|record| Some(record.id()?.to_owned())).collect()
}

/// Holds what is kept against what was told, as it was left, and after what was noted only has been folded into the counts.
pub fn check(database: &TestDatabase, told: &Told) {
    let left = check_ids(database, told);
    let store = database.open();
    Keeper::new(Examples::new(1)).fold_left_behind(&store, true, Utc::now()).expect("folded");
    let folded = check_ids(database, told);
    assert_eq!(left, folded, "folding loses or doubles a report");
    let counted = database.texts("select cast(coalesce(sum(crashes), 0) as text) as t from signature");
    assert_eq!(counted, [folded.len().to_string()], "a report is counted twice or not at all");
}

/// The ids of what is kept: each once, all that were acknowledged, and none that nobody sent.
fn check_ids(database: &TestDatabase, told: &Told) -> BTreeSet<String> {
    let kept = kept_ids(database);
    let once: BTreeSet<String> = kept.iter().cloned().collect();
    assert_eq!(kept.len(), once.len(), "a report is kept twice");
    let lost: Vec<&String> = told.acknowledged.difference(&once).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged reports are lost: {lost:?}", lost.len(), told.acknowledged.len());
    let strange = once.iter().filter(|id| !told.acknowledged.contains(*id) && !told.unknown.contains(*id)).count();
    assert_eq!(strange, 0, "reports are kept that nobody sent");
    once
}

fn kill_again_and_again(engine: Engine, kills: u64) {
    let (database, door) = with_a_door(engine);
    let mut told = Told::default();
    let mut ready = Vec::new();
    for round in 0..kills {
        let began = Instant::now();
        let program = Program::serve(&database);
        let client = program.client();
        eventually("it is ready again", 30, || {
            client.try_send("GET", "/readyz", &[], b"").ok().filter(|answer| answer.status == 200)
        });
        ready.push(began.elapsed());
        let senders = load(&program, &door);
        // Not always at the same place: up to 300 ms into the load.
        std::thread::sleep(Duration::from_millis(round * 7919 % 300));
        program.kill();
        gather(senders, &mut told);
    }
    assert!(told.acknowledged.len() as u64 > 8 * kills, "only {} reports were sent", told.acknowledged.len());
    assert!(!told.unknown.is_empty(), "no request was under way at any kill");
    check(&database, &told);

    // A client that got no answer sends the same report again, and so may one that did.
    let program = Program::serve(&database);
    let client = program.client();
    let again: Vec<String> = told.unknown.iter().chain(told.acknowledged.iter().take(50)).cloned().collect();
    for id in &again {
        assert_eq!(send(&client, &door, id), Some(200), "{id}");
    }
    assert!(program.terminate().success());
    told.acknowledged.append(&mut told.unknown);
    check(&database, &told);
    assert_eq!(kept_ids(&database).len(), told.acknowledged.len());
    let said = run_well(&["ledger", "verify", "--database", &database.url], "");
    assert!(said.ends_with("Nothing was changed."), "{said}");
    ready.sort_unstable();
    println!(
        "{engine:?}: {kills} kills, {} reports; ready again after {:?} at the median, {:?} at most; fdatasync {:?}",
        told.acknowledged.len(),
        ready[ready.len() / 2],
        ready[ready.len() - 1],
        fdatasync(database.folder())
    );
}

/// What a fdatasync of 4 KiB takes in a folder: the median of 50.
fn fdatasync(folder: &Path) -> Duration {
    let mut file = std::fs::File::create(folder.join("fdatasync")).expect("a file");
    let mut taken: Vec<Duration> = (0..50)
        .map(|_| {
            file.write_all(&[1; 4096]).expect("written");
            let began = Instant::now();
            file.sync_data().expect("on the disk");
            began.elapsed()
        })
        .collect();
    taken.sort_unstable();
    taken[25]
}

/// How many kills: as many as `PUSHBACK_TEST_KILLS` says, which the long run sets.
fn kills(usual: u64, part: u64) -> u64 {
    let asked = std::env::var("PUSHBACK_TEST_KILLS").ok();
    asked.map_or(usual, |text| text.parse::<u64>().expect("a number of kills") / part)
}

#[test]
fn no_acknowledged_report_is_lost_or_kept_twice_through_20_kills_on_sqlite() {
    kill_again_and_again(Engine::Sqlite, kills(20, 1));
}

#[test]
fn no_acknowledged_report_is_lost_or_kept_twice_through_8_kills_on_postgresql() {
    kill_again_and_again(Engine::Postgres, kills(8, 10));
}

#[test]
fn sigterm_under_load_answers_what_is_under_way_and_ends_with_0() {
    for engine in Engine::BOTH {
        let (database, door) = with_a_door(engine);
        let mut told = Told::default();
        for _ in 0..2 {
            let program = Program::serve(&database);
            let senders = load(&program, &door);
            std::thread::sleep(Duration::from_millis(400));
            let began = Instant::now();
            let status = program.terminate();
            assert_eq!(status.code(), Some(0), "{engine:?}: {status}");
            assert!(began.elapsed() < Duration::from_secs(10), "{engine:?}: {:?}", began.elapsed());
            gather(senders, &mut told);
        }
        assert!(told.acknowledged.len() > 50, "{}", told.acknowledged.len());
        check(&database, &told);
    }
}
