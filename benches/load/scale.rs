//! A database as large as the program is meant for, and how quick each page of it is.
//!
//! Pushes, steps and signatures come in by the program's own import. Ten million reports would take it an hour: a few thousand are
//! sent, and what they left (a row of counted reports, counts by the minute and the hour, ids) is multiplied in the tables.

use crate::{
    bodies::Bodies,
    pages,
    senders::{self, Plan},
    servers::{FOR_GOOD, Server, Target},
    storm,
};
use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
    sql_types::BigInt,
};
use std::{
    fmt::Write as _,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const PUSHES: i64 = 10_000;
const STEPS: i64 = 20;
const SIGNATURES: i64 = 20_000;
const REPORTS: i64 = 10_000_000;
const SERVICES: i64 = 200;
const DAYS: i64 = 90;
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// How often each page is read.
const LOOKS: Duration = Duration::from_secs(2);

/// Builds it and prints a line for each page.
pub fn run(program: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("scale.sqlite3");
    let url = format!("sqlite:{}", file.display());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_micros() as i64;
    let history = folder.path().join("history.ndjson");
    std::fs::write(&history, lines(now)).map_err(|error| error.to_string())?;
    let began = Instant::now();
    let imported = Command::new(program).arg("import").arg(&history).args(["--database", &url]).output();
    let imported = imported.map_err(|error| error.to_string())?;
    if !imported.status.success() {
        return Err(String::from_utf8_lossy(&imported.stderr).into_owned());
    }
    println!("{} in {:.0} s", String::from_utf8_lossy(&imported.stdout).trim(), began.elapsed().as_secs_f64());
    // What a report leaves that is only counted.
    let target =
        Target { program, database: &url, folder: folder.path(), round: 0, examples: Some("1"), days: FOR_GOOD };
    let server = Server::program(&target)?;
    let plan = Plan { connections: 64, length: Duration::from_secs(2), every: None };
    senders::send(&server, &plan, &Arc::new(Bodies::endless()), &Arc::default())?;
    server.stop()?;
    multiply(&file, now)?;
    let size = std::fs::metadata(&file).map_or(0, |it| it.len()) >> 20;
    println!("{REPORTS} reports, {PUSHES} pushes, {} steps, {SIGNATURES} signatures: {size} MiB", PUSHES * STEPS);
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--database", &url]).env("PUSHBACK_LOG", "error");
    command.env("PUSHBACK_KEEP_REPORTS_DAYS", FOR_GOOD).env("PUSHBACK_KEEP_COUNTS_DAYS", FOR_GOOD);
    let began = Instant::now();
    let server = Server::start(&mut command, String::new(), false)?;
    storm::add_reader(program, &url)?;
    let cookie = storm::sign_in(&server)?;
    pages::wait_until_ready(&server)?;
    println!("the judge had read it after {:.0} s", began.elapsed().as_secs_f64());
    println!("{:>9}{:>9}  page", "p50 ms", "p99 ms");
    for page in LIST {
        let sent = pages::read(&server, page, Some(&cookie), (1, Duration::ZERO), LOOKS)?;
        if sent.refused > 0 {
            return Err(format!("{page}: {} answers were no page", sent.refused));
        }
        let part = |part: f64| sent.percentile(part).as_secs_f64() * 1e3;
        println!("{:>9.1}{:>9.1}  {page}", part(0.5), part(0.99));
    }
    println!("memory: {:.0} MiB at most", server.memory()?.0);
    server.stop()
}

/// Every kind of page that reads much.
const LIST: [&str; 25] = [
    "/",
    "/pushes",
    "/pushes?service=relay",
    "/pushes/push-5000",
    "/pushes/push-9990",
    "/services",
    "/services/relay/production",
    "/services/svc-5/production",
    "/services/relay/guards",
    "/services/relay/settings",
    "/regressions",
    "/continued",
    "/continued?service=relay",
    "/people",
    "/people/p5@example.com",
    "/ledger",
    "/ledger/100000",
    "/search?q=push-50",
    "/search?q=SIG100",
    "/search?q=nowhere",
    "/signatures",
    "/signatures?service=relay",
    "/signatures/relay/SIG100",
    "/feed.atom",
    "/postmortems",
];

fn service(number: i64) -> String {
    if number % 10 == 0 { "relay".to_owned() } else { format!("svc-{}", number % (SERVICES - 1)) }
}

/// The history that is imported.
fn lines(now: i64) -> String {
    let mut text = String::new();
    let at = |micros: i64| chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default().format("%FT%TZ");
    let first = now - (DAYS - 1) * DAY;
    for push in 0..PUSHES {
        let begun = first + push * ((DAYS - 1) * DAY - DAY / 3) / PUSHES;
        let (service, actor) = (service(push), push % 60);
        let _ = writeln!(
            text,
            r#"{{"type":"push_started","push":"push-{push}","at":"{}","service":"{service}","environment":"production","release":"r{push}","previous":"r{}","actor":"p{actor}@example.com"}}"#,
            at(begun),
            push - SERVICES
        );
        for step in 0..STEPS {
            let action = if step + 1 == STEPS { "complete" } else { "advance" };
            let _ = writeln!(
                text,
                r#"{{"type":"push_step","push":"push-{push}","at":"{}","action":"{action}","percent":{},"actor":"p{}@example.com"}}"#,
                at(begun + (15 * step + 1) * MINUTE),
                5 * (step + 1),
                (push + step) % 60
            );
        }
    }
    for crash in 0..SIGNATURES {
        let service = if crash % 2 == 0 { "relay".to_owned() } else { format!("svc-{}", crash % (SERVICES - 1)) };
        let _ = writeln!(
            text,
            r#"{{"type":"crash","id":"c{crash}","at":"{}","service":"{service}","environment":"production","release":"r{}","cell":"eu","signature":"SIG{crash}","host":"h{}"}}"#,
            at(now - 80 * DAY + crash * (80 * DAY - MINUTE) / SIGNATURES),
            crash / 2,
            crash % 50
        );
    }
    for window in 0..12 * 48 {
        let begun = now - (12 * 48 - window) * 5 * MINUTE;
        let _ = writeln!(
            text,
            r#"{{"type":"exposure","at":"{}","received_at":"{}","seconds":300,"service":"relay","environment":"production","release":"r9990","cell":"eu","instances":100}}"#,
            at(begun),
            at(begun + 5 * MINUTE)
        );
    }
    text
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Makes ten million reports of the last week out of nothing: rows of counted reports, their ids, and their counts.
fn multiply(file: &Path, now: i64) -> Result<(), String> {
    let mut db = SqliteConnection::establish(&file.to_string_lossy()).map_err(|error| error.to_string())?;
    let count = |query: &str, db: &mut SqliteConnection| {
        sql_query(query).get_result::<Count>(db).map(|it| it.count).map_err(|error| error.to_string())
    };
    let in_a_row = count("select max(reports) as count from report_block", &mut db)?.max(1);
    let rows = REPORTS / in_a_row;
    let (week, minute, hour) = (7 * DAY, now - now % MINUTE, now - now % (60 * MINUTE));
    let each = REPORTS / (7 * 24 * 60) / 18;
    let numbers =
        |to: i64| format!("with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < {to})");
    db.batch_execute(&format!(
        "pragma synchronous = off; pragma cache_size = -400000; begin;
         {} insert into report_block (service, block, first_at, last_at, first_received, last_received, reports, body)
           select 'relay', randomblob(16), {from} + i * {gap}, {from} + i * {gap} + 15000000, {from} + i * {gap},
             {from} + i * {gap} + 15000000, reports, body
           from n, (select reports, body from report_block order by reports desc limit 1);
         {} insert or ignore into counted (service, id) select 'relay', random() from n order by 2;
         {} insert or ignore into crash_minute (service, environment, minute, release, cell, crashes, clients)
           select 'relay', 'production', {minute} - i / 18 * {MINUTE}, 'r' || (9990 + i % 3), 'c' || (i / 3 % 6), {each}, 0 from n;
         insert or replace into crash_ten_minutes (service, environment, begins, release, cell, crashes, clients)
           select service, environment, minute - minute % 600000000, release, cell, sum(crashes), sum(clients)
           from crash_minute group by 1, 2, 3, 4, 5;
         {} insert or ignore into signature_hour (service, signature, hour, environment, release, crashes, handled, clients)
           select 'relay', number, {hour} - i * {MINUTE} * 60, 'production', 'r9990', 20, 0, 0
           from n, (select number from signature where service = 'relay' limit 4000);
         commit",
        numbers(rows),
        numbers(REPORTS),
        numbers(18 * 7 * 24 * 60),
        numbers(48),
        from = now - week,
        gap = week / rows,
    ))
    .map_err(|error| error.to_string())?;
    let found = count("select count(*) as count from counted", &mut db)?;
    if found < REPORTS - 1000 { Err(format!("only {found} reports were made")) } else { Ok(()) }
}
