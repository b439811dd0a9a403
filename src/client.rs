//! The commands that deploy scripts use: they talk to a server, named by PUSHBACK_URL, with a token, PUSHBACK_TOKEN.
//!
//! What they send is what the JSON API takes; the server decides. Nothing here opens a database.

mod server;
mod words;

use crate::{clock::Clock, console::Failure, domain::percent::Percent, flows::record_change::new_push_id, secret};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use server::Server;
use std::process::ExitCode;
use words::{CellShare, NamedFeature, PlannedStage};

/// What a script can say to a server.
#[derive(Subcommand)]
pub enum Command {
    /// Record what a push does, on a server
    Push {
        /// What it does
        #[command(subcommand)]
        what: Push,
    },
    /// Record, on a server, that a flag's rule changed
    #[command(after_help = "Example:\n  pushback flag wire-v2 --service relay --before 0 --percent 5")]
    Flag(Flag),
    /// Ask a server whether a push may go on: ends with 0 for go, 10 for hold, 20 for stop
    #[command(
        after_help = "Ends with 0 for go, 10 for hold, 20 for stop; with 1 where the server could not be asked.\n\nExample:\n  pushback gate relay && ./deploy relay --percent 5"
    )]
    Gate(Gate),
}

/// What a push does.
#[derive(Subcommand)]
pub enum Push {
    /// Record that a push begins; prints its id. Nothing is exposed yet
    #[command(
        after_help = "Example:\n  PUSH=$(pushback push start relay --release B --previous A --plan 1:30m,5:2h,25,100)"
    )]
    Start(Box<Start>),
    /// Ask the gate, and record that the release goes to more of the fleet
    ///
    /// Where the gate says hold or stop, nothing is recorded, and the command ends with 10 or 20. To go past it, give a
    /// reason: it is kept with the step, under your name.
    #[command(after_help = "Example:\n  pushback push advance relay --percent 5 && ./deploy relay --percent 5")]
    Advance(Step),
    /// Record that the push waits; it may go on
    Pause(Step),
    /// Record that the push goes on after a pause
    Resume(Step),
    /// Record that the push ends where it stands
    Stop(Step),
    /// Record that the release is taken back
    RollBack(Step),
    /// Record that the push is done
    Complete(Step),
}

/// Which server, and who speaks.
#[derive(Args)]
pub struct Reach {
    /// The server's address, as in `https://push.example`
    #[arg(long, env = "PUSHBACK_URL")]
    url: Option<String>,
    /// A token with the scope “push”; better in the environment, since other programs can read a command line
    #[arg(long, env = "PUSHBACK_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
}

/// Who did it.
#[derive(Args)]
struct Who {
    /// Who did it: an e-mail address, a login, or a program's own name. The token's name, if nobody is named
    #[arg(long, env = "PUSHBACK_ACTOR")]
    actor: Option<String>,
}

/// A push that begins.
#[derive(Args)]
pub struct Start {
    /// The service that is pushed
    service: String,
    /// The release that the push brings
    #[arg(long)]
    release: String,
    /// The release that it replaces
    #[arg(long)]
    previous: Option<String>,
    /// In the name of what: why this push
    #[arg(long)]
    purpose: Option<String>,
    /// Where; production, if nothing is named
    #[arg(long)]
    environment: Option<String>,
    /// Your own id for this push, unique; made, if none is named
    #[arg(long, value_name = "ID")]
    push: Option<String>,
    /// Something that ships with it, and the flag that turns it off; may be given several times
    #[arg(long = "feature", value_name = "NAME[:FLAG]", value_parser = words::feature)]
    features: Vec<NamedFeature>,
    /// The intended stages, and how long each is to run before the next step
    #[arg(long, value_name = "PERCENT[:TIME],…", value_delimiter = ',', value_parser = words::stage)]
    plan: Vec<PlannedStage>,
    /// deploy, rollback or config
    #[arg(long)]
    kind: Option<String>,
    /// The commit that was built
    #[arg(long)]
    commit: Option<String>,
    /// Why a release that was marked as bad is gone back to all the same; kept on the record
    #[arg(long = "override", value_name = "WHY")]
    over: Option<String>,
    /// Where to read more about the change
    #[arg(long, value_name = "URL")]
    url_of_change: Option<String>,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    reach: Reach,
}

/// A push that moves.
#[derive(Args)]
pub struct Step {
    /// The push's id; or a service, which means its one open push
    #[arg(value_name = "SERVICE-OR-PUSH")]
    which: String,
    /// The share of the fleet on the release once this step is done
    #[arg(long, value_parser = words::percent)]
    percent: Option<Percent>,
    /// The share in one cell, where it differs; may be given several times
    #[arg(long = "cell", value_name = "CELL=PERCENT", value_parser = words::cell)]
    cells: Vec<CellShare>,
    /// Why. Going past the gate needs it
    #[arg(long)]
    reason: Option<String>,
    /// Why a release that was marked as bad is gone back to all the same; kept on the record
    #[arg(long = "override", value_name = "WHY")]
    over: Option<String>,
    /// A program took this step with nobody looking
    #[arg(long)]
    automatic: bool,
    /// Of a service, the push in this environment
    #[arg(long)]
    environment: Option<String>,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    reach: Reach,
}

/// A flag that changed.
#[derive(Args)]
pub struct Flag {
    /// The flag
    flag: String,
    /// The service that reads it
    #[arg(long)]
    service: String,
    /// The share of the audience after the change
    #[arg(long, value_parser = words::percent)]
    percent: Percent,
    /// The share before it
    #[arg(long, value_parser = words::percent, value_name = "PERCENT")]
    before: Option<Percent>,
    /// The share in one cell after the change, where it differs; may be given several times
    #[arg(long = "cell", value_name = "CELL=PERCENT", value_parser = words::cell)]
    cells: Vec<CellShare>,
    /// Where; production, if nothing is named
    #[arg(long)]
    environment: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Your own id for this change, unique; made, if none is named
    #[arg(long, value_name = "ID")]
    change: Option<String>,
    /// Where to read more about the change
    #[arg(long, value_name = "URL")]
    url_of_change: Option<String>,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    reach: Reach,
}

/// A question to the gate.
#[derive(Args)]
pub struct Gate {
    /// The push's id; or a service, which means its one open push
    #[arg(value_name = "PUSH-OR-SERVICE")]
    which: String,
    /// The share that it would go to; without it, the next stage of the push's plan
    #[arg(long, value_parser = words::percent)]
    percent: Option<Percent>,
    /// How to print the answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Of a service, the push in this environment
    #[arg(long)]
    environment: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Text,
}

impl Command {
    /// Says it, and gives back the exit code.
    pub fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Command::Push { what: Push::Start(start) } => start.run(),
            Command::Push { what: Push::Advance(step) } => step.advance(),
            Command::Push { what: Push::Pause(step) } => step.take("pause"),
            Command::Push { what: Push::Resume(step) } => step.take("resume"),
            Command::Push { what: Push::Stop(step) } => step.take("stop"),
            Command::Push { what: Push::RollBack(step) } => step.take("roll_back"),
            Command::Push { what: Push::Complete(step) } => step.take("complete"),
            Command::Flag(flag) => flag.run(),
            Command::Gate(gate) => gate.run(),
        }
    }
}

/// Puts a value in where there is one.
fn put(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

fn cells(cells: &[CellShare]) -> Option<Value> {
    let shares: Map<String, Value> = cells.iter().map(|it| (it.cell.clone(), it.percent.value().into())).collect();
    (!shares.is_empty()).then_some(Value::Object(shares))
}

impl Start {
    fn run(self) -> Result<ExitCode, Failure> {
        let server = Server::at(&self.reach)?;
        // Named here and not by the server, so that sending it again after a broken connection is harmless.
        let id = self.push.unwrap_or_else(|| new_push_id(&self.service, Clock::system().now()));
        let mut fields = Map::new();
        put(&mut fields, "push", Some(id));
        put(&mut fields, "service", Some(self.service));
        put(&mut fields, "release", Some(self.release));
        put(&mut fields, "previous", self.previous);
        put(&mut fields, "purpose", self.purpose);
        put(&mut fields, "environment", self.environment);
        put(&mut fields, "kind", self.kind);
        put(&mut fields, "commit", self.commit);
        put(&mut fields, "override", self.over);
        put(&mut fields, "url", self.url_of_change);
        put(&mut fields, "actor", self.who.actor);
        let features: Vec<Value> = self.features.iter().map(|it| json!({ "name": it.name, "flag": it.flag })).collect();
        put(&mut fields, "features", (!features.is_empty()).then_some(features));
        let plan: Vec<Value> = self.plan.iter().map(PlannedStage::fields).collect();
        put(&mut fields, "plan", (!plan.is_empty()).then_some(plan));
        let answer = server.post("/pushes", &Value::Object(fields))?;
        println!("{}", answer["push"].as_str().unwrap_or_default());
        eprintln!("Recorded. Nothing is exposed yet. {}", answer["page"].as_str().unwrap_or_default());
        Ok(ExitCode::SUCCESS)
    }
}

impl Step {
    /// Records the step as it is.
    fn take(self, action: &str) -> Result<ExitCode, Failure> {
        let server = Server::at(&self.reach)?;
        let push = server.push(&self.which, self.environment.as_deref())?;
        self.record(&server, &push.id, action, &push.now)
    }

    /// Asks the gate first; goes past it only with a reason.
    fn advance(self) -> Result<ExitCode, Failure> {
        let server = Server::at(&self.reach)?;
        let push = server.push(&self.which, self.environment.as_deref())?;
        let answer = server.gate(&push.id, self.percent)?;
        if answer.code != 0 {
            eprintln!("{}", answer.text());
            if self.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
                eprintln!(
                    "Nothing was recorded. Wait, or take the release back with `pushback push roll-back {}`. To go past the \
                     gate, say why with --reason; it is kept with the step.",
                    push.id
                );
                return Ok(ExitCode::from(answer.code));
            }
        }
        self.record(&server, &push.id, "advance", &answer.at)
    }

    /// The time is the server's own, so that sending it again after a broken connection is harmless, and a wrong clock
    /// here does no harm.
    fn record(self, server: &Server, push: &str, action: &str, at: &str) -> Result<ExitCode, Failure> {
        let mut fields = Map::new();
        put(&mut fields, "action", Some(action));
        put(&mut fields, "at", Some(at));
        put(&mut fields, "actor", self.who.actor);
        put(&mut fields, "percent", self.percent.map(Percent::value));
        put(&mut fields, "cells", cells(&self.cells));
        put(&mut fields, "reason", self.reason);
        put(&mut fields, "override", self.over);
        put(&mut fields, "automatic", self.automatic.then_some(true));
        server.post(&format!("/pushes/{}/steps", words::segment(push)), &Value::Object(fields))?;
        let share = self.percent.map_or_else(String::new, |percent| format!(" to {percent} %"));
        println!("{push}: {}{share} recorded.", action.replace('_', " "));
        Ok(ExitCode::SUCCESS)
    }
}

impl Flag {
    fn run(self) -> Result<ExitCode, Failure> {
        let server = Server::at(&self.reach)?;
        let mut after = Map::new();
        put(&mut after, "percent", Some(self.percent.value()));
        put(&mut after, "cells", cells(&self.cells));
        let mut fields = Map::new();
        put(&mut fields, "change", Some(self.change.unwrap_or_else(|| secret::new_id(Clock::system().now()))));
        put(&mut fields, "flag", Some(self.flag.clone()));
        put(&mut fields, "service", Some(self.service));
        put(&mut fields, "environment", self.environment);
        put(&mut fields, "actor", self.who.actor);
        put(&mut fields, "before", self.before.map(|percent| json!({ "percent": percent.value() })));
        put(&mut fields, "after", Some(Value::Object(after)));
        put(&mut fields, "reason", self.reason);
        put(&mut fields, "url", self.url_of_change);
        let answer = server.post("/flag-changes", &Value::Object(fields))?;
        println!("{}", answer["change"].as_str().unwrap_or_default());
        eprintln!("{} at {} % recorded.", self.flag, self.percent);
        Ok(ExitCode::SUCCESS)
    }
}

impl Gate {
    fn run(self) -> Result<ExitCode, Failure> {
        let server = Server::at(&self.reach)?;
        let push = server.push(&self.which, self.environment.as_deref())?;
        let answer = server.gate(&push.id, self.percent)?;
        match self.format {
            Format::Json => println!("{}", serde_json::to_string_pretty(&answer.whole)?),
            Format::Text => println!("{}", answer.text()),
        }
        Ok(ExitCode::from(answer.code))
    }
}
