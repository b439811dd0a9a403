//! A few seconds of everything that is not about hours or millions, on any build of the program: whether the parts of the load run
//! still work, and whether what was acknowledged under load is there.

use crate::{
    bodies::Bodies,
    pages,
    senders::{self, Plan},
    servers::{FOR_GOOD, Server, Target},
    soak::{number, open},
    storm::{self, Size},
};
use std::{path::Path, sync::Arc, time::Duration};

const CONNECTIONS: usize = 16;
const SECOND: Duration = Duration::from_secs(1);

/// Runs it.
///
/// # Errors
/// A part that does not work, or reports that were acknowledged and are not there once each.
pub fn run(program: &Path) -> Result<(), String> {
    acknowledged(program)?;
    let (connections, bodies) = (CONNECTIONS, Arc::new(Bodies::endless()));
    storm::run(program, &Size { connections, seconds: 1, reading: SECOND, bodies, slow: 50 })?;
    pages::told_story(program, 1)
}

/// Sends to the bare handler and to the program, and counts what the program has kept.
fn acknowledged(program: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("short.sqlite3");
    let url = format!("sqlite:{}", file.display());
    // One of each kind is kept whole, so that others are only counted.
    let (folder, examples) = (folder.path(), Some("1"));
    let target = Target { program, database: &url, folder, round: 0, examples, days: FOR_GOOD };
    let plan = Plan { connections: CONNECTIONS, length: 4 * SECOND, every: None };
    let bodies = Arc::new(Bodies::endless());
    let bare = senders::send(&Server::bare()?, &plan, &bodies, &Arc::default())?.some("the bare handler")?;
    let server = Server::program(&target)?;
    let sent = senders::send(&server, &plan, &bodies, &Arc::default())?.some("the program")?;
    server.stop()?;
    // What was only noted when it stopped is counted by the next start.
    let server = Server::program(&Target { round: 1, ..target })?;
    pages::wait_until_ready(&server)?;
    server.stop()?;
    let mut db = open(&file)?;
    let whole = number(&mut db, "select count(*) as number from report")?;
    let counted = number(&mut db, "select coalesce(sum(reports), 0) as number from report_block")?;
    let told = number(&mut db, "select coalesce(sum(crashes), 0) as number from crash_minute")?;
    let waiting = number(&mut db, "select count(*) as number from arrived")?;
    println!(
        "{} acknowledged ({} by the bare handler): {whole} are kept whole and {counted} are counted; by the minute {told}, {waiting} wait",
        sent.accepted, bare.accepted
    );
    let all = i64::try_from(sent.accepted).unwrap_or(i64::MAX);
    let kept_each_once = whole + counted == all && told == all && waiting == 0;
    if kept_each_once { Ok(()) } else { Err("what was acknowledged is not there once each".to_owned()) }
}
