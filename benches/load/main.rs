//! Load runs against the release binary on this machine: how fast crash reports are taken in durably against a handler that only
//! reads the body, how quick pages are, how large the program and its memory are. `README.md` beside this file says more.

mod bodies;
mod figures;
mod pages;
mod scale;
mod senders;
mod servers;
mod short;
mod soak;
mod storm;

use bodies::{Bodies, Crashed};
use figures::{Disk, Round, median, spread};
use senders::Plan;
use servers::{Server, Target};
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use storm::Size;

const HELP: &str = "\
Usage: cargo bench --bench load -- [options]

Build the program first: cargo build --release. Everything runs on the loopback address of this machine.

  --program FILE       the program to load (default target/release/pushback)
  --database URL       sqlite (a throw-away file, the default) or postgres://… (an empty database of yours)
  --connections N      connections at once (default 256)
  --seconds N          length of each round (default 5)
  --rounds N           rounds of each server, in turn (default 3)
  --no-ingest          leave the ingest rounds out
  --no-pages           leave the pages of the told story out
  --scattered          crashes of one minute in no order, instead of in the order in which they are sent
  --against DSN        another server that takes envelopes and runs already: rounds of it and of the program, in turn
  --soak MINUTES       half load for so long, with retention on: memory, descriptors and disk by the minute (SQLite)
  --scale              pages with ten million reports, 10,000 pushes, 200,000 steps and 20,000 signatures (SQLite)
  --short              a few seconds of most of it, on any build; fails where what was acknowledged is not there (SQLite)
  --storm              half load, full load, five times too much; pages and memory meanwhile; bytes on disk (SQLite)
";

/// What is asked for.
struct Request {
    program: PathBuf,
    database: String,
    connections: usize,
    seconds: u64,
    rounds: usize,
    ingest: bool,
    pages: bool,
    crashed: Crashed,
    short: bool,
    storm: bool,
    scale: bool,
    soak: Option<u64>,
    against: Option<String>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.iter().any(|word| word == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    // The handler that only reads the body is this program itself, in a process of its own.
    if words.first().is_some_and(|word| word == servers::BARE) {
        return servers::serve_bare();
    }
    match request(&words).and_then(|request| run(&request)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn request(words: &[String]) -> Result<Request, String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut it = Request {
        program: root.join("target/release/pushback"),
        database: "sqlite".to_owned(),
        connections: 256,
        seconds: 5,
        rounds: 3,
        ingest: true,
        pages: true,
        crashed: Crashed::InOrder,
        short: false,
        storm: false,
        scale: false,
        soak: None,
        against: None,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or_else(|| format!("{word} needs a value"));
        let whole = |text: String| text.parse::<usize>().map_err(|_| format!("a number was expected, found {text}"));
        match word.as_str() {
            "--program" => it.program = value()?.into(),
            "--database" => it.database = value()?,
            "--connections" => it.connections = whole(value()?)?.max(1),
            "--seconds" => it.seconds = whole(value()?)?.max(1) as u64,
            "--rounds" => it.rounds = whole(value()?)?.max(1),
            "--no-ingest" => it.ingest = false,
            "--no-pages" => it.pages = false,
            "--scattered" => it.crashed = Crashed::Scattered,
            "--short" => it.short = true,
            "--storm" => it.storm = true,
            "--scale" => it.scale = true,
            "--soak" => it.soak = Some(whole(value()?)?.max(1) as u64),
            "--against" => it.against = Some(value()?),
            other => return Err(format!("{other} is not known.\n\n{HELP}")),
        }
    }
    Ok(it)
}

fn run(request: &Request) -> Result<(), String> {
    if !request.program.exists() {
        return Err(format!("{} is not there. Build it: cargo build --release", request.program.display()));
    }
    let size = std::fs::metadata(&request.program).map_err(|error| error.to_string())?.len();
    println!("{}: {:.1} MB", request.program.display(), size as f64 / 1e6);
    if request.short {
        return short::run(&request.program);
    }
    if request.ingest {
        ingest(request)?;
    }
    if let Some(dsn) = &request.against {
        against(request, dsn)?;
    }
    if request.storm {
        storm::run(&request.program, &Size::full(request.connections, request.seconds))?;
    }
    if request.scale {
        scale::run(&request.program)?;
    }
    if let Some(minutes) = request.soak {
        soak::run(&request.program, request.connections, minutes)?;
    }
    if request.pages {
        pages::told_story(&request.program, request.seconds)?;
    }
    Ok(())
}

/// Rounds of the bare handler and of the program, in turn, with the same bodies and connections.
fn ingest(request: &Request) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (plan, bodies) = prepare(request);
    let mut found: Vec<(Round, Round)> = Vec::new();
    let mut rest = None;
    // A throw-away database is new in each round; yours keeps what the round before sent, so that goes on from there.
    let sent = Arc::new(AtomicUsize::new(0));
    for round in 0..request.rounds {
        let disk = Disk::measure(folder.path())?;
        let bare = measure(&Server::bare()?, &plan, &bodies, &Arc::default(), &disk)?;
        println!("{}", bare.line("bare"));
        let target = Target {
            program: &request.program,
            database: &request.database,
            folder: folder.path(),
            round,
            examples: None,
            days: servers::FOR_GOOD,
        };
        let server = Server::program(&target)?;
        // What the round before left in a database of yours is judged first.
        pages::wait_until_ready(&server)?;
        rest.get_or_insert(server.memory()?.1);
        if target.is_thrown_away() {
            sent.store(0, Ordering::Relaxed);
        }
        let own = measure(&server, &plan, &bodies, &sent, &Disk::measure(folder.path())?)?;
        println!("{}", own.line("pushback"));
        server.stop()?;
        found.push((bare, own));
    }
    let list = |of: &dyn Fn(&(Round, Round)) -> f64| found.iter().map(of).collect::<Vec<f64>>();
    let rate = list(&|it| it.1.accepted_a_second() / it.0.accepted_a_second());
    let cost = list(&|it| it.1.cpu_each() / it.0.cpu_each());
    println!("\nrequests/s against the bare handler: {:.2} (median; {})", median(&rate), spread(&rate));
    println!("CPU a request against it:            {:.2} (median; {})", median(&cost), spread(&cost));
    println!("memory at rest, before the first request: {:.1} MiB\n", rest.unwrap_or_default());
    Ok(())
}

/// What is sent and how; begins the table of rounds.
fn prepare(request: &Request) -> (Plan, Arc<Bodies>) {
    let plan = Plan { connections: request.connections, length: Duration::from_secs(request.seconds), every: None };
    // As many as a fast machine could take, new ones for each round of a database that is not thrown away; what is not sent was packed
    // for nothing.
    let rounds = if request.database == "sqlite" { 1 } else { request.rounds };
    let each = 40_000 * request.seconds as usize * rounds;
    let bodies = Arc::new(Bodies::pack(each.min(1_200_000), request.crashed));
    println!(
        "envelopes: {} bytes of JSON, {} bytes gzip on the wire, on average; {} connections, {} s a round\n",
        bodies.plain, bodies.packed, plan.connections, request.seconds
    );
    println!(
        "{:<10}{:>10}{:>12}{:>10}{:>10}{:>10}{:>12}{:>12}",
        "server", "2xx/s", "CPU µs/req", "p50 ms", "p99 ms", "refused", "peak MiB", "fsync µs"
    );
    (plan, bodies)
}

/// Rounds of another server and of the program, in turn, with the same bodies and connections.
/// How long another server may take for what it took in, after its round.
const QUIET_BY: Duration = Duration::from_secs(900);

fn against(request: &Request, dsn: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (plan, bodies) = prepare(request);
    let (theirs, mut rates) = (Arc::new(AtomicUsize::new(0)), Vec::new());
    for round in 0..request.rounds {
        let disk = Disk::measure(folder.path())?;
        let other = measure(&Server::running(dsn)?, &plan, &bodies, &theirs, &disk)?;
        println!("{}", other.line("other"));
        // Each has the machine for itself: the other may answer before it has done the work.
        let waited = servers::until_idle(QUIET_BY)?;
        println!("{:<10}went on working for {:.0} s", "", waited.as_secs_f64());
        let (program, folder) = (request.program.as_path(), folder.path());
        let target = Target { program, database: "sqlite", folder, round, examples: None, days: servers::FOR_GOOD };
        let server = Server::program(&target)?;
        let own = measure(&server, &plan, &bodies, &Arc::default(), &Disk::measure(folder)?)?;
        println!("{}", own.line("pushback"));
        server.stop()?;
        rates.push(own.accepted_a_second() / other.accepted_a_second());
    }
    println!("\naccepted requests/s against the other: {:.0} times (median; {})\n", median(&rates), spread(&rates));
    Ok(())
}

fn measure(
    server: &Server,
    plan: &Plan,
    bodies: &Arc<Bodies>,
    next: &Arc<AtomicUsize>,
    disk: &Disk,
) -> Result<Round, String> {
    let before = server.cpu()?;
    let sent = senders::send(server, plan, bodies, next)?;
    let cpu = server.cpu()? - before;
    Ok(Round { sent, cpu, peak: server.memory()?.0, fsync: disk.median_micros })
}
