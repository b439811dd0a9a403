//! Half load for a long time, with retention on: what grows that should not.

use crate::{
    bodies::Bodies,
    figures::Disk,
    senders::{self, Plan},
    servers::{Server, Target},
};
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use std::{
    path::Path,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
/// How long full load lasts, which says what half of it is and leaves reports to grow old.
const FULL: Duration = Duration::from_secs(20);

/// Runs it and prints a line by the minute, then how the last quarter stands against the second.
///
/// What was taken under full load is made a day old, less the minutes of the run, so that all along there is something that retention
/// drops.
pub fn run(program: &Path, connections: usize, minutes: u64) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("soak.sqlite3");
    let url = format!("sqlite:{}", file.display());
    let target = Target { program, database: &url, folder: folder.path(), round: 0, examples: None, days: "1" };
    let bodies = Arc::new(Bodies::endless());
    let next = Arc::<AtomicUsize>::default();
    let server = Server::program(&target)?;
    let full = senders::send(&server, &Plan { connections, length: FULL, every: None }, &bodies, &next)?;
    server.stop()?;
    let most = full.accepted as f64 / full.lasted.as_secs_f64();
    age(&file, minutes)?;
    let disk = Disk::measure(folder.path())?;
    println!("full load: {most:.0} a second; fdatasync median {:.0} µs", disk.median_micros);

    let server = Server::program(&Target { round: 1, ..target })?;
    let every = Some(Duration::from_secs_f64(connections as f64 / (most / 2.0)));
    let plan = Plan { connections, length: MINUTE, every };
    let size = |end: &str| std::fs::metadata(format!("{}{end}", file.display())).map_or(0, |it| it.len()) >> 20;
    println!(
        "{:>6} {:>8} {:>8} {:>8} {:>9} {:>6} {:>9} {:>8}",
        "minute", "taken/s", "refused", "p99 ms", "MiB", "open", "file MiB", "log MiB"
    );
    let mut found = Vec::new();
    for minute in 1..=minutes {
        let sent = senders::send(&server, &plan, &bodies, &next)?;
        let (memory, open) = (server.memory()?.1, server.descriptors()?);
        println!(
            "{minute:>6} {:>8.0} {:>8} {:>8.1} {memory:>9.1} {open:>6} {:>9} {:>8}",
            sent.accepted as f64 / sent.lasted.as_secs_f64(),
            sent.refused,
            sent.percentile(0.99).as_secs_f64() * 1e3,
            size(""),
            size("-wal"),
        );
        found.push((memory, open));
    }
    let quarter = found.len().div_ceil(4);
    let mean = |part: &[(f64, usize)]| {
        let all = part.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1 as f64));
        (all.0 / part.len().max(1) as f64, all.1 / part.len().max(1) as f64)
    };
    let (early, late) = (
        mean(&found[quarter.min(found.len() - 1)..(2 * quarter).min(found.len())]),
        mean(&found[found.len() - quarter..]),
    );
    println!(
        "the last quarter against the second: memory {:.1} MiB, {:.2} times; open {:.0}, {:.2} times",
        late.0,
        late.0 / early.0,
        late.1,
        late.1 / early.1
    );
    println!("of {} taken before, {} are left", full.accepted, left(&file)?);
    server.stop()
}

/// Makes what is in a database that nobody has open older, so that a day is over for each part of it in turn within the minutes.
fn age(file: &Path, minutes: u64) -> Result<(), String> {
    const DAY: u64 = 24 * 3600 * 1_000_000;
    let mut db = open(file)?;
    let (run, full) = (minutes * MINUTE.as_micros() as u64, FULL.as_micros() as u64);
    for (table, column) in [("report", "received_at"), ("report_block", "last_received")] {
        let first = number(&mut db, &format!("select min({column}) as number from {table}"))?;
        // The first of them is a day old now, the last will be shortly before the end.
        let older =
            format!("update {table} set {column} = {first} - {DAY} + ({column} - {first}) * {run} / {full} * 9 / 10");
        diesel::sql_query(older).execute(&mut db).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// How many reports that were kept whole are older than half a day.
fn left(file: &Path) -> Result<i64, String> {
    const HALF_A_DAY: u64 = 12 * 3600 * 1_000_000;
    let old = format!("received_at < (select max(received_at) from report) - {HALF_A_DAY}");
    number(&mut open(file)?, &format!("select count(*) as number from report where {old}"))
}

/// A connection to a SQLite file.
pub fn open(file: &Path) -> Result<SqliteConnection, String> {
    SqliteConnection::establish(&file.to_string_lossy()).map_err(|error| error.to_string())
}

/// What a query gives as `number`.
pub fn number(db: &mut SqliteConnection, query: &str) -> Result<i64, String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }
    diesel::sql_query(query).get_result::<Row>(db).map(|it| it.number).map_err(|error| error.to_string())
}
