//! A crash storm from its quiet beginning to five times too much: how long acknowledgements take at half load, what is still
//! taken when far more comes, how quickly the rest is refused, how quick pages stay, how much memory it takes; and how many bytes
//! a report takes on disk, kept whole and only counted.

use crate::{
    bodies::{Bodies, Crashed},
    figures::Disk,
    pages,
    senders::{self, Plan, Sent},
    servers::{FOR_GOOD, Server, Target},
};
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// How many times as many connections as in a full load.
const TIMES: usize = 5;
const PAGES: [&str; 2] = ["/services/relay/production", "/pushes/relay-118"];
/// How long a reader looks at a page before the next.
const LOOKS: Duration = Duration::from_millis(40);
const PASSWORD: &str = "correct horse battery staple";

/// How much of everything.
pub struct Size {
    /// Connections under full and under half load.
    pub connections: usize,
    /// How long each part lasts, seconds.
    pub seconds: u64,
    /// How long each page is read, before the storm and in it.
    pub reading: Duration,
    /// What is sent.
    pub bodies: Arc<Bodies>,
    /// Senders that dawdle: each sends its head and then a byte a second.
    pub slow: usize,
}

impl Size {
    /// Of the figures: each page is read a few hundred times, of which the slowest hundredth says something.
    pub fn full(connections: usize, seconds: u64) -> Size {
        let many = (200_000 * seconds as usize).min(2_000_000);
        let bodies = Arc::new(Bodies::pack(many, Crashed::InOrder));
        Size { connections, seconds, reading: Duration::from_secs(14), bodies, slow: 2000 }
    }
}

/// Runs it all and prints what was found.
pub fn run(program: &Path, size: &Size) -> Result<(), String> {
    let Size { connections, seconds, reading, ref bodies, .. } = *size;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    on_disk(program, folder.path(), bodies, connections, seconds)?;
    let database = folder.path().join("storm.sqlite3");
    with_the_story(program, &database)?;
    let target = Target {
        program,
        database: &format!("sqlite:{}", database.display()),
        folder: folder.path(),
        round: 0,
        examples: None,
        days: FOR_GOOD,
    };
    let server = Server::program(&target)?;
    pages::wait_until_ready(&server)?;
    println!("at rest, the told story in its database: {:.1} MiB", server.memory()?.1);
    let cookie = sign_in(&server)?;
    println!("just after somebody signed in: {:.1} MiB", server.memory()?.1);
    let quiet = read_pages(&server, &cookie, reading)?;
    let sent = Arc::<AtomicUsize>::default();
    let length = Duration::from_secs(seconds);
    let disk = Disk::measure(folder.path())?;

    let full = senders::send(&server, &Plan { connections, length, every: None }, bodies, &sent)?.some("full load")?;
    let most = rate(&full);
    println!("full load, {connections} connections: {most:.0} a second, p99 {}", millis(&full, 0.99));
    println!("the most memory by then: {:.1} MiB; fdatasync median {:.0} µs", server.memory()?.0, disk.median_micros);

    let every = Some(Duration::from_secs_f64(connections as f64 / (most / 2.0)));
    let half = senders::send(&server, &Plan { connections, length, every }, bodies, &sent)?.some("half load")?;
    println!(
        "half load: {:.0} a second, p50 {}, p99 {}, {} refused",
        rate(&half),
        millis(&half, 0.5),
        millis(&half, 0.99),
        half.refused
    );
    let beside = |plan: &Plan, each| {
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_pages(&server, &cookie, each));
            let sent = senders::send(&server, plan, bodies, &sent)?.some("a server that is read meanwhile")?;
            Ok::<_, String>((sent, reader.join().unwrap_or_else(|_| Err("a reader panicked".into()))?))
        })
    };
    for (load, every, each) in [("half load", every, reading), ("full load", None, reading / 2)] {
        let plan = Plan { connections, length: each * PAGES.len() as u32, every };
        let (sent, meanwhile) = beside(&plan, each)?;
        println!("{load} and somebody who reads pages: {:.0} a second, p99 {}", rate(&sent), millis(&sent, 0.99));
        for (page, (before, meanwhile)) in PAGES.iter().zip(quiet.iter().zip(&meanwhile)) {
            println!(
                "{page}: p50 {} quiet, {} at {load}; p99 {} quiet, {} at {load}, {:.1} times",
                millis(before, 0.5),
                millis(meanwhile, 0.5),
                millis(before, 0.99),
                millis(meanwhile, 0.99),
                meanwhile.percentile(0.99).as_secs_f64() / before.percentile(0.99).as_secs_f64()
            );
        }
    }

    let ending = Arc::<AtomicBool>::default();
    let dawdling = dawdle(&server, size.slow, ending.clone());
    let plan = Plan { connections: TIMES * connections, length, every: None };
    let over = beside(&plan, length / PAGES.len() as u32);
    ending.store(true, Ordering::Relaxed);
    let slow = dawdling.join().map_err(|_| "a slow sender panicked".to_owned())?;
    let (over, stormy) = over?;
    println!(
        "{TIMES} times as many connections and {slow} that dawdle: {:.0} a second taken, {:.2} of the most; {} refused, p99 of refusals {}",
        rate(&over),
        rate(&over) / most,
        over.refused,
        over.refusal_percentile(0.99).map_or("-".into(), |it| format!("{:.1} ms", it.as_secs_f64() * 1e3)),
    );
    for (page, meanwhile) in PAGES.iter().zip(&stormy) {
        println!("{page}: p99 {} meanwhile", millis(meanwhile, 0.99));
    }
    println!("the most memory ever: {:.1} MiB", server.memory()?.0);
    server.stop()
}

/// Bytes on disk for each report, where all are kept whole and where all but one of each kind are only counted.
fn on_disk(
    program: &Path,
    folder: &Path,
    bodies: &Arc<Bodies>,
    connections: usize,
    seconds: u64,
) -> Result<(), String> {
    for (what, examples, round) in [("kept whole", "1000000", 100), ("only counted", "1", 101)] {
        let target = Target { program, database: "sqlite", folder, round, examples: Some(examples), days: FOR_GOOD };
        let server = Server::program(&target)?;
        let plan = Plan { connections, length: Duration::from_secs(2 * seconds), every: None };
        let sent = senders::send(&server, &plan, bodies, &Arc::default())?.some(what)?;
        server.stop()?;
        let size = |end: &str| {
            std::fs::metadata(folder.join(format!("load-{round}.sqlite3{end}"))).map_or(0, |it| it.len()) as f64
        };
        let bytes = size("") + size("-wal");
        println!(
            "{what}: {:.0} bytes on disk a report ({} reports, {:.0} a second; indexes, counts and everything else included)",
            bytes / sent.accepted.max(1) as f64,
            sent.accepted,
            rate(&sent)
        );
    }
    Ok(())
}

/// Loads the told story into a database where somebody can sign in.
fn with_the_story(program: &Path, database: &Path) -> Result<(), String> {
    let url = format!("sqlite:{}", database.display());
    let story = concat!(env!("CARGO_MANIFEST_DIR"), "/src/story/told.ndjson");
    command(program, &["import", story, "--database", &url], "")?;
    add_reader(program, &url)
}

/// Adds somebody who may read pages.
pub fn add_reader(program: &Path, url: &str) -> Result<(), String> {
    let words =
        ["admin", "user", "add", "reader@example.com", "--role", "viewer", "--password-stdin", "--database", url];
    command(program, &words, PASSWORD)
}

fn command(program: &Path, words: &[&str], input: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    let mut child =
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    if let Some(mut to) = child.stdin.take() {
        to.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    }
    let ended = child.wait().map_err(|error| error.to_string())?;
    if ended.success() { Ok(()) } else { Err(format!("{words:?} ended with {ended}")) }
}

/// The cookie of a session of somebody who reads pages.
pub fn sign_in(server: &Server) -> Result<String, String> {
    let body = format!("email=reader%40example.com&password={}&to=%2F", PASSWORD.replace(' ', "+"));
    let request = format!(
        "POST /sign-in HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        server.address,
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(server.address).map_err(|error| error.to_string())?;
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).map_err(|error| error.to_string())?;
    let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).ok_or("nobody could sign in")?;
    Ok(set.split(';').next().unwrap_or(set).to_owned())
}

fn read_pages(server: &Server, cookie: &str, each: Duration) -> Result<Vec<Sent>, String> {
    let read = |page: &&str| {
        let looks = pages::read(server, page, Some(cookie), (1, LOOKS), each)?.some(page)?;
        if looks.refused > 0 { Err(format!("{page}: {} answers were no page", looks.refused)) } else { Ok(looks) }
    };
    PAGES.iter().map(read).collect()
}

/// Connections that send next to nothing, until the end. How many there were.
fn dawdle(server: &Server, slow: usize, ending: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    let (address, path) = (server.address, server.path.clone());
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return 0 };
        runtime.block_on(async {
            let mut open = Vec::with_capacity(slow);
            let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5000\r\n\r\n{{");
            for _ in 0..slow {
                if let Ok(mut stream) = TcpStream::connect(address).await
                    && stream.write_all(head.as_bytes()).await.is_ok()
                {
                    open.push(stream);
                }
            }
            while !ending.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_secs(1)).await;
                for stream in &mut open {
                    // A server that has had enough of one may end it.
                    let _ = stream.write_all(b" ").await;
                }
            }
            open.len()
        })
    })
}

fn rate(sent: &Sent) -> f64 {
    sent.accepted as f64 / sent.lasted.as_secs_f64()
}

fn millis(sent: &Sent, part: f64) -> String {
    format!("{:.1} ms", sent.percentile(part).as_secs_f64() * 1e3)
}
