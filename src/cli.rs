//! The command line: what can be said to the program, and which part of it does that.

use crate::{
    clock::Clock,
    config::{
        Config, DEFAULT_COUNTS_DAYS, DEFAULT_DATABASE, DEFAULT_EXAMPLES, DEFAULT_LISTEN, DEFAULT_REPORTS_DAYS, Kept,
    },
    console::{Failure, start_log},
    demo,
    domain::{
        Record,
        access::{Role, Scope},
    },
    flows::{
        self,
        administer::{self, NewPerson},
        export_history, import_history,
        prune_telemetry::Retention,
        replay_history::replay_history,
    },
    serve::{Application, first_link},
    store::{self, Actor, Store},
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Records every push and flag change, takes in crash reports, and says who is being harmed by whom while it can still be
/// stopped. Without a command, serves an installation.
#[derive(Parser)]
#[command(name = "pushback", version, max_term_width = 110)]
pub struct Cli {
    #[command(flatten, next_help_heading = "Settings of a server")]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Settings {
    /// Where to listen
    #[arg(long, global = true, env = "PUSHBACK_LISTEN", default_value = DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// The database: sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, global = true, env = "PUSHBACK_DATABASE_URL", default_value = DEFAULT_DATABASE, hide_env_values = true)]
    database: String,
    /// The address that people and programs reach the server by, if it is not the one it listens on
    #[arg(long, global = true, env = "PUSHBACK_BASE_URL")]
    base_url: Option<String>,
    /// How many reports of each signature, release and hour are kept whole; all others are counted
    #[arg(long, global = true, env = "PUSHBACK_EXAMPLES", default_value_t = DEFAULT_EXAMPLES, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    examples: u32,
    /// For how many days reports are kept whole
    #[arg(long, global = true, env = "PUSHBACK_KEEP_REPORTS_DAYS", default_value_t = DEFAULT_REPORTS_DAYS, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_reports_days: u32,
    /// For how many days counted reports, counts by the minute and the hour, and exposure are kept
    #[arg(long, global = true, env = "PUSHBACK_KEEP_COUNTS_DAYS", default_value_t = DEFAULT_COUNTS_DAYS, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_counts_days: u32,
    /// How many crash reports of one service are taken in a minute; more are refused and counted [default: no limit]
    #[arg(long, global = true, env = "PUSHBACK_QUOTA", value_parser = clap::value_parser!(u32).range(1..))]
    quota: Option<u32>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve an installation (the same as no command)
    Serve,
    /// Serve the told story from a database that is thrown away
    Demo,
    /// Load a history file into the database: all of it, or nothing
    Import {
        /// The file, one record per line; - for standard input
        file: PathBuf,
    },
    /// Write everything that was recorded as a history file
    Export {
        /// The file to write; standard output if none is named
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Copy the SQLite database into a file, also while a server runs; the copy is checked before it gets its name
    Backup {
        /// The file to write; never overwritten
        to: PathBuf,
    },
    /// Put a copy that pushback backup wrote in the place of the SQLite database; checks it first
    Restore {
        /// The copy
        from: PathBuf,
        /// Move the database that is there aside, and keep it under another name
        #[arg(long)]
        replace: bool,
    },
    /// Judge a history file, using at each moment only what had arrived by then
    Replay {
        /// The file, one record per line; - for standard input
        file: PathBuf,
        /// How to print what was found
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Do what an administrator does on a page, on the database directly
    Admin {
        #[command(subcommand)]
        what: Admin,
    },
    /// Check the ledger: every entry, every payload, the whole tree
    Ledger {
        #[command(subcommand)]
        what: Ledger,
    },
    /// Write the told story's history file to standard output
    #[command(hide = true)]
    Story,
    #[command(flatten)]
    Client(crate::client::Command),
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Text,
}

#[derive(Subcommand)]
enum Admin {
    /// People
    User {
        #[command(subcommand)]
        what: AdminUser,
    },
    /// Services
    Service {
        #[command(subcommand)]
        what: AdminService,
    },
    /// Tokens for programs
    Token {
        #[command(subcommand)]
        what: AdminToken,
    },
}

#[derive(Subcommand)]
enum AdminUser {
    /// Add a person; prints the address
    Add {
        /// The e-mail address, which is also the name that this person acts under
        email: String,
        /// viewer, member, auditor or administrator
        #[arg(long, value_parser = role)]
        role: Role,
        /// Read the password from standard input, its first line
        #[arg(long)]
        password_stdin: bool,
        /// The name for people
        #[arg(long)]
        name: Option<String>,
        /// The team
        #[arg(long)]
        team: Option<String>,
    },
}

#[derive(Subcommand)]
enum AdminService {
    /// Add a service; prints the DSN that its crash clients send to
    Add {
        /// The service's short name
        slug: String,
    },
}

#[derive(Subcommand)]
enum AdminToken {
    /// Make a token; prints it, once
    Create {
        /// Who or what will use it
        name: String,
        /// What it may be used for: read, push, ingest, admin; may be given several times
        #[arg(long = "scope", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// After how many days it ends; never if none are named
        #[arg(long)]
        days: Option<i64>,
    },
}

#[derive(Subcommand)]
enum Ledger {
    /// Read the whole ledger and find every kind of tampering; ends with 1 where it finds any
    Verify,
}

fn role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| "one of viewer, member, auditor, administrator is expected".into())
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| "one of read, push, ingest, admin is expected".into())
}

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match command(cli) {
        Ok(code) => code,
        Err(Failure(message)) => {
            eprintln!("pushback: {message}");
            ExitCode::FAILURE
        }
    }
}

fn command(cli: Cli) -> Result<ExitCode, Failure> {
    let settings = cli.settings;
    match cli.command {
        None | Some(Command::Serve) => serve(&settings)?,
        Some(Command::Demo) => demo::run(settings.listen, settings.base_url)?,
        Some(Command::Import { file }) => import(&settings, &file)?,
        Some(Command::Export { output }) => export(&settings, output)?,
        Some(Command::Backup { to }) => backup(&settings, &to)?,
        Some(Command::Restore { from, replace }) => restore(&settings, &from, replace)?,
        Some(Command::Replay { file, format }) => replay(&file, format)?,
        Some(Command::Admin { what }) => admin(&settings, what)?,
        Some(Command::Ledger { what: Ledger::Verify }) => return verify(&settings),
        Some(Command::Story) => io::stdout().write_all(crate::story::TOLD.as_bytes())?,
        Some(Command::Client(command)) => return command.run(),
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(settings: &Settings) -> Result<(), Failure> {
    start_log();
    let store = Store::open(&settings.database)?;
    let config = Config {
        listen: settings.listen,
        database: settings.database.clone(),
        base_url: settings.base_url.clone(),
        kept: Kept {
            examples: settings.examples,
            retention: Retention { reports_days: settings.keep_reports_days, counts_days: settings.keep_counts_days },
            quota: settings.quota,
        },
        demo: false,
    };
    actix_web::rt::System::new().block_on(async move {
        let application = Application::build(&config, store, Clock::system())?;
        println!("Pushback listens on {}", application.app.base_url);
        if let Some(link) = first_link(&application.app)? {
            println!(
                "\nNobody can sign in yet. Open this link, once, to become the first administrator:\n\n  {link}\n"
            );
            println!(
                "What comes next, on the page that greets you: name a service, give its DSN to your crash client,"
            );
            println!("record a push. The link holds for 72 hours; start the server again for a new one.");
        }
        application.run().await?;
        Ok(())
    })
}

fn open(file: &PathBuf) -> Result<Box<dyn Read>, Failure> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin()));
    }
    match File::open(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(unreadable(file, &error)),
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure(format!("{} cannot be read: {error}", file.display()))
}

fn history(file: &PathBuf) -> Result<Vec<Record>, Failure> {
    import_history::read_history(BufReader::new(open(file)?)).map_err(|error| not_taken(file, error))
}

fn not_taken(file: &Path, error: flows::Error) -> Failure {
    match error {
        flows::Error::Refused(reasons) => {
            Failure(format!("{} was not taken:\n  {}", file.display(), reasons.join("\n  ")))
        }
        other => Failure(other.to_string()),
    }
}

fn import(settings: &Settings, file: &PathBuf) -> Result<(), Failure> {
    let records = history(file)?;
    let store = Store::open(&settings.database)?;
    let done = import_history::import_history(&store, &Actor::console(), records, Clock::system().now())?;
    println!("{} lines: {} new, {} known already.", done.lines, done.new, done.repeats);
    Ok(())
}

fn export(settings: &Settings, output: Option<PathBuf>) -> Result<(), Failure> {
    let store = Store::open(&settings.database)?;
    let lines = export_history::to_lines(&export_history::all_records(&store)?);
    match output {
        None => io::stdout().write_all(lines.as_bytes())?,
        Some(file) => std::fs::write(&file, lines)
            .map_err(|error| Failure(format!("{} cannot be written: {error}", file.display())))?,
    }
    Ok(())
}

fn backup(settings: &Settings, to: &Path) -> Result<(), Failure> {
    let began = std::time::Instant::now();
    let made = store::backup(&settings.database, to)?;
    println!(
        "{}: {} bytes, {} entries in the ledger, copied and checked in {:.1} s.",
        to.display(),
        made.bytes,
        made.entries,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

fn restore(settings: &Settings, from: &Path, replace: bool) -> Result<(), Failure> {
    let began = std::time::Instant::now();
    let done = store::restore(from, &settings.database, replace)?;
    println!(
        "{} is in place: {} bytes, {} entries in the ledger, checked and copied in {:.1} s.",
        from.display(),
        done.copied.bytes,
        done.copied.entries,
        began.elapsed().as_secs_f64()
    );
    if let Some(moved) = done.moved {
        println!("What was there before is kept as {}.", moved.display());
    }
    Ok(())
}

fn replay(file: &PathBuf, format: Format) -> Result<(), Failure> {
    let judged = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        replay_history(io::Cursor::new(bytes))
    } else {
        let source = File::open(file).map_err(|error| unreadable(file, &error))?;
        replay_history(source)
    };
    let findings = judged.map_err(|error| not_taken(file, error))?;
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&findings)?,
        Format::Text => crate::outbound::text::findings(&findings),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

fn admin(settings: &Settings, what: Admin) -> Result<(), Failure> {
    let store = Store::open(&settings.database)?;
    let (by, now) = (Actor::console(), Clock::system().now());
    match what {
        Admin::User { what: AdminUser::Add { email, role, password_stdin, name, team } } => {
            let password = if password_stdin {
                let mut line = String::new();
                io::stdin().read_line(&mut line)?;
                Some(line.trim_end_matches(['\r', '\n']).to_owned())
            } else {
                None
            };
            let (name, team) = (name.as_deref(), team.as_deref());
            let new = NewPerson { email: &email, name, team, role, password: password.as_deref() };
            let person = administer::add_person(&store, &by, new, now)?;
            println!("{}", person.email);
        }
        Admin::Service { what: AdminService::Add { slug } } => {
            let service = administer::add_service(&store, &by, &slug, now)?;
            let base = settings.base_url.clone().unwrap_or_else(|| format!("http://{}", settings.listen));
            println!("{}", administer::dsn(base.trim_end_matches('/'), &service));
        }
        Admin::Token { what: AdminToken::Create { name, scopes, days } } => {
            let (_, secret) = administer::create_token(&store, &by, "console", &name, &scopes, days, now)?;
            println!("{secret}");
        }
    }
    Ok(())
}

fn verify(settings: &Settings) -> Result<ExitCode, Failure> {
    let store = Store::open(&settings.database)?;
    match store.read::<_, flows::Error>(|read| Ok(read.verify_ledger()?))? {
        Ok(verified) => {
            println!(
                "{} entries, root {}, {} payloads erased. Nothing was changed.",
                verified.size,
                crate::secret::hex(&verified.root),
                verified.erased
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(what) => {
            println!("TAMPERED: {what}");
            Ok(ExitCode::FAILURE)
        }
    }
}
