//! Servers in processes of their own, and what each has used: processor time and memory, as the kernel counts them.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

/// The word that makes this program serve the bare handler.
pub const BARE: &str = "serve-bare";
/// The kernel counts processor time in hundredths of a second for programs to read.
const TICK: Duration = Duration::from_millis(10);

/// So many days that nothing is ever dropped.
pub const FOR_GOOD: &str = "36500";

/// Which program, on which database.
pub struct Target<'a> {
    /// The program.
    pub program: &'a Path,
    /// `sqlite`, or a URL.
    pub database: &'a str,
    /// Where throw-away databases are.
    pub folder: &'a Path,
    /// The number of the round.
    pub round: usize,
    /// How many reports of a kind are kept whole, where that is said.
    pub examples: Option<&'a str>,
    /// For how many days reports are kept.
    pub days: &'a str,
}

impl Target<'_> {
    /// Whether each round begins with an empty database.
    pub fn is_thrown_away(&self) -> bool {
        self.database == "sqlite"
    }

    fn url(&self) -> String {
        if self.is_thrown_away() {
            format!("sqlite:{}", self.folder.join(format!("load-{}.sqlite3", self.round)).display())
        } else {
            self.database.to_owned()
        }
    }
}

/// A server under load.
pub struct Server {
    /// None where somebody else runs it.
    child: Option<Child>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where bodies go.
    pub path: String,
    /// Whether a database server works beside it.
    with_postgres: bool,
}

impl Server {
    /// The handler that only reads the body.
    pub fn bare() -> Result<Server, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        Server::start(Command::new(own).arg(BARE), "/api/1/envelope/".to_owned(), false)
    }

    /// The program with one service.
    pub fn program(target: &Target) -> Result<Server, String> {
        let url = target.url();
        let slug = format!("relay-{}", target.round);
        let added = Command::new(target.program)
            .args(["admin", "service", "add", &slug, "--database", &url])
            .output()
            .map_err(|error| format!("{}: {error}", target.program.display()))?;
        let dsn = String::from_utf8_lossy(&added.stdout).trim().to_owned();
        // http://KEY@HOST/PROJECT
        let parts = dsn.split_once("://").and_then(|(_, rest)| rest.split_once('@')).and_then(|(key, rest)| {
            let (_, project) = rest.rsplit_once('/')?;
            Some((key.to_owned(), project.to_owned()))
        });
        let (key, project) = parts.ok_or_else(|| String::from_utf8_lossy(&added.stderr).into_owned())?;
        let mut command = Command::new(target.program);
        command.args(["--listen", "127.0.0.1:0", "--database", &url]).env("PUSHBACK_LOG", "warn");
        // The told story lies in the past.
        command.env("PUSHBACK_KEEP_REPORTS_DAYS", target.days).env("PUSHBACK_KEEP_COUNTS_DAYS", target.days);
        if let Some(examples) = target.examples {
            command.args(["--examples", examples]);
        }
        let path = format!("/api/{project}/envelope/?sentry_key={key}&sentry_version=7");
        Server::start(&mut command, path, url.starts_with("postgres"))
    }

    /// A server that runs already and takes envelopes, by its DSN: `http://KEY@ADDRESS:PORT/PROJECT`.
    pub fn running(dsn: &str) -> Result<Server, String> {
        let wrong = || format!("http://KEY@ADDRESS:PORT/PROJECT was expected, found {dsn}");
        let (key, rest) = dsn.strip_prefix("http://").and_then(|rest| rest.split_once('@')).ok_or_else(wrong)?;
        let (address, project) = rest.split_once('/').ok_or_else(wrong)?;
        let path = format!("/api/{project}/envelope/?sentry_key={key}&sentry_version=7");
        Ok(Server { child: None, address: address.parse().map_err(|_| wrong())?, path, with_postgres: false })
    }

    /// Any server that says on its standard output where it listens.
    pub fn start(command: &mut Command, path: String, with_postgres: bool) -> Result<Server, String> {
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let address = lines.by_ref().find_map(|line| {
            let (_, rest) = line.split_once("http://")?;
            rest.split(['/', ' ']).next()?.parse().ok()
        });
        // Whatever it says later must not fill its pipe.
        std::thread::spawn(move || lines.for_each(drop));
        match address {
            Some(address) => Ok(Server { child: Some(child), address, path, with_postgres }),
            None => Err(format!("{command:?} did not say where it listens")),
        }
    }

    /// Processor time so far, of the server and of the PostgreSQL beside it; none of a server that somebody else runs.
    pub fn cpu(&self) -> Result<Duration, String> {
        let Some(child) = &self.child else { return Ok(Duration::ZERO) };
        let mut all = of_process(child.id()).ok_or("the server is gone")?;
        if self.with_postgres {
            all += of_postgres();
        }
        Ok(all)
    }

    /// The most memory ever, and the memory now, MiB.
    pub fn memory(&self) -> Result<(f64, f64), String> {
        let Some(child) = &self.child else { return Ok((0.0, 0.0)) };
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).map_err(|it| it.to_string())?;
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
        };
        of("VmHWM:").zip(of("VmRSS:")).ok_or_else(|| "the kernel does not say how much memory it has".to_owned())
    }

    /// How many files and connections it holds open.
    pub fn descriptors(&self) -> Result<usize, String> {
        let Some(child) = &self.child else { return Ok(0) };
        std::fs::read_dir(format!("/proc/{}/fd", child.id())).map(Iterator::count).map_err(|it| it.to_string())
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) -> Result<(), String> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let asked = Command::new("kill").arg(child.id().to_string()).status().map_err(|it| it.to_string())?;
        let ended = child.wait().map_err(|it| it.to_string())?;
        if asked.success() && ended.success() { Ok(()) } else { Err(format!("it ended with {ended}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// User and system time of a process and its threads.
fn of_process(id: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}

/// Processor time of every PostgreSQL process of this machine.
fn of_postgres() -> Duration {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Duration::ZERO };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let postgres = ids.filter(|id| {
        std::fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim_end() == "postgres")
    });
    postgres.filter_map(of_process).sum()
}

/// Serves a handler that reads the body and does nothing with it, as the program itself serves.
pub fn serve_bare() -> ExitCode {
    use actix_web::{App, HttpResponse, HttpServer, web};
    async fn read(body: web::Bytes) -> HttpResponse {
        HttpResponse::Ok().content_type("application/json").body(format!("{{\"length\":{}}}", body.len()))
    }
    let served = actix_web::rt::System::new().block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        println!("http://{}", listener.local_addr()?);
        let app = || {
            App::new()
                .app_data(web::PayloadConfig::new(32 << 20))
                .route("/api/{project}/envelope/", web::post().to(read))
        };
        HttpServer::new(app)
            .tcp_nodelay(true)
            .workers(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8))
            .listen(listener)?
            .run()
            .await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Waits until the machine does next to nothing, so long at most. How long that took.
pub fn until_idle(longest: Duration) -> Result<Duration, String> {
    let began = Instant::now();
    let mut before = processors()?;
    loop {
        std::thread::sleep(LOOK_EVERY);
        let (busy, all) = processors()?;
        let part = (busy - before.0) / (all - before.1).max(1.0);
        if part < IDLE {
            return Ok(began.elapsed().saturating_sub(LOOK_EVERY));
        }
        if began.elapsed() > longest {
            return Err(format!("after {longest:?} the machine is still busy, {:.0} % of it", 100.0 * part));
        }
        before = (busy, all);
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The part of the processors' time up to which a machine is idle.
const IDLE: f64 = 0.08;

/// The time of all processors since the machine began, that in which they worked and all of it, in ticks.
fn processors() -> Result<(f64, f64), String> {
    let stat = std::fs::read_to_string("/proc/stat").map_err(|error| error.to_string())?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|tick| tick.parse().ok()).collect();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    let all: f64 = ticks.iter().take(8).sum();
    if all > 0.0 { Ok((all - idle, all)) } else { Err("the kernel does not say how busy it is".to_owned()) }
}
