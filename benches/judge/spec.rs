//! The form of a scenario file: a family of histories as data. How one is drawn from it is elsewhere.

use pushback::domain::finding::{Ending, Kind};
use serde::Deserialize;

/// One family. A seed and a traffic level make one history of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its number; 1 to 52 are those of the list that the benchmark began from, later ones were added.
    pub family: u32,
    /// A few words.
    pub name: String,
    /// What is hard about it.
    pub says: String,
    /// The fleet that nothing has happened to yet.
    #[serde(default)]
    pub world: World,
    /// Services beside `relay`.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Pushes in the live part.
    #[serde(default)]
    pub pushes: Vec<Push>,
    /// Flag changes in the live part.
    #[serde(default)]
    pub flags: Vec<Flag>,
    /// What harms whom.
    #[serde(default)]
    pub effects: Vec<Effect>,
    /// What is wrong with the telemetry.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What really happened; nothing means that the right answer is silence.
    #[serde(default)]
    pub harms: Vec<Harm>,
    /// What people do in the end; replicates go through these in turn.
    #[serde(default = "goes_on")]
    pub ends: Vec<End>,
    /// Whether saying "ambient, nobody to blame" is no mistake although no harm is listed.
    #[serde(default)]
    pub tolerates_ambient: bool,
}

fn goes_on() -> Vec<End> {
    vec![End::GoesOn]
}

/// The fleet of `relay` and the weather over it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct World {
    /// Days before the live part.
    pub history_days: f64,
    /// Hours of the live part.
    pub live_hours: f64,
    /// Instances of `relay`.
    pub instances: f64,
    /// Its cells.
    pub cells: usize,
    /// Crashes against the level's.
    pub rate: f64,
    /// How far traffic swings over a day, 0 to 1.
    pub daily: f64,
    /// How far crashes by session swing over a day.
    pub hourly: f64,
    /// Deviation of the slow drift of crashes by session.
    pub drift: f64,
    /// The part of crashes that come in clumps of one host.
    pub clumps: f64,
    /// Traffic at weekends against other days.
    pub weekend: f64,
    /// Crashes by session at weekends against other days.
    pub weekend_rate: f64,
    /// The day of the week on which the live part begins; 0 is Monday.
    pub weekday: i64,
    /// Traffic times this factor from a minute to another.
    pub surge: Option<Stretch>,
    /// Instances times this factor from a minute to another, the same traffic on them.
    pub scaling: Option<Stretch>,
    /// The daily shape comes an hour earlier in the live part.
    pub clock_change: bool,
    /// Crashes by session in the first cell against the others, always.
    pub odd_cell: f64,
    /// Crashes by instance restarted at a step.
    pub restart_crashes: f64,
    /// Bursts of one signature, by day.
    pub bursts: f64,
    /// The release factor of each release, where it is not 1.
    pub release_rates: Vec<(String, f64)>,
    /// Signatures that the push's release shows under another name.
    pub renamed: Vec<(String, usize)>,
    /// Whether crash reports name the release at the other end.
    pub peers: bool,
    /// Whether of `relay` only sessions are known.
    pub sessions_only: bool,
    /// Whether nothing is heard of what runs, ever.
    pub unheard: bool,
    /// Whether an ordinary push went through on the first day.
    pub past_push: bool,
}

impl Default for World {
    fn default() -> World {
        World {
            history_days: 3.0,
            live_hours: 16.0,
            instances: 600.0,
            cells: 6,
            rate: 1.0,
            daily: 0.4,
            hourly: 0.15,
            drift: 0.1,
            clumps: 0.15,
            weekend: 1.0,
            weekend_rate: 1.0,
            weekday: 2,
            surge: None,
            scaling: None,
            clock_change: false,
            odd_cell: 1.0,
            restart_crashes: 0.0,
            bursts: 0.0,
            release_rates: Vec::new(),
            renamed: Vec::new(),
            peers: false,
            sessions_only: false,
            unheard: false,
            past_push: true,
        }
    }
}

/// A factor that holds for some minutes of the live part.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// The first minute.
    pub from: i64,
    /// How many.
    pub minutes: i64,
    /// The factor.
    pub factor: f64,
}

/// Another service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its instances.
    pub instances: f64,
    /// Its cells.
    pub cells: usize,
    /// Its crashes against the level's.
    pub rate: f64,
    /// Whether it is declared to talk to `relay`.
    #[serde(default)]
    pub talks_to_relay: bool,
    /// Whether only sessions are known of it.
    #[serde(default)]
    pub sessions_only: bool,
    /// Whether its cells are not known.
    #[serde(default)]
    pub cells_unknown: bool,
}

/// A push.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Its id.
    pub id: String,
    /// What it pushes.
    #[serde(default = "relay")]
    pub service: String,
    /// What it brings.
    pub release: String,
    /// What it replaces.
    pub previous: String,
    /// The live minute of its first step.
    pub at: i64,
    /// How it goes.
    #[serde(default)]
    pub pace: Pace,
    /// Whether cells move at different times.
    #[serde(default = "yes")]
    pub waves: bool,
    /// Whether programs take the steps.
    #[serde(default)]
    pub automatic: bool,
}

fn relay() -> String {
    "relay".to_owned()
}

fn yes() -> bool {
    true
}

/// How a push goes: minutes after its first step, and shares of the fleet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Eight steps, 45 minutes each.
    #[default]
    Usual,
    /// Eight steps, 10 minutes each.
    Fast,
    /// All at once.
    BigBang,
    /// Five steps, 70 minutes each.
    Slow,
    /// These.
    Steps(Vec<(i64, f64)>),
}

impl Pace {
    /// Minutes after the first step, and shares.
    pub fn steps(&self) -> Vec<(i64, f64)> {
        const SHARES: [f64; 8] = [0.005, 0.04, 0.16, 0.35, 0.59, 0.81, 0.95, 1.0];
        let every = |minutes: i64, shares: &[f64]| {
            shares.iter().enumerate().map(|(index, share)| (index as i64 * minutes, *share)).collect()
        };
        match self {
            Pace::Usual => every(45, &SHARES),
            Pace::Fast => every(10, &SHARES),
            Pace::BigBang => vec![(0, 1.0)],
            Pace::Slow => every(70, &[0.05, 0.2, 0.5, 0.8, 1.0]),
            Pace::Steps(steps) => steps.clone(),
        }
    }
}

/// A flag that is turned, step by step.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    /// The flag; its changes are called by it and their number from 1: `wire-v2-1`.
    pub flag: String,
    /// Who reads it.
    #[serde(default = "relay")]
    pub service: String,
    /// The live minute of the first change.
    pub at: i64,
    /// Minutes after the first change, and the share after each.
    pub steps: Vec<(i64, f64)>,
}

/// One way in which somebody is harmed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// The harm that it belongs to, by place in `harms`.
    #[serde(default)]
    pub harm: usize,
    /// The push, or the flag, whose share is the dose; none for what comes by itself.
    #[serde(default)]
    pub dose: Option<String>,
    /// Where the crashes are.
    #[serde(default = "relay")]
    pub service: String,
    /// Who crashes there.
    pub on: On,
    /// How harm follows the dose.
    pub shape: Shape,
    /// Crashes by instance at full dose against the service's usual rate.
    pub size: f64,
    /// What they look like.
    #[serde(default)]
    pub signature: Look,
    /// Nothing happens in the first minutes after the first exposure.
    #[serde(default)]
    pub delay: i64,
    /// Only from here on.
    #[serde(default)]
    pub from: Option<When>,
    /// Only so many minutes from there.
    #[serde(default)]
    pub minutes: Option<i64>,
    /// Only in these cells.
    #[serde(default)]
    pub cells: Option<Vec<usize>>,
    /// Only in these hours of the day, UTC.
    #[serde(default)]
    pub hours: Option<(i64, i64)>,
    /// Crashes come in clumps over many hosts, their sizes Pareto with this exponent.
    #[serde(default)]
    pub heavy: Option<f64>,
}

/// A live minute, or a step of a push.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum When {
    /// A minute of the live part.
    Minute(i64),
    /// A step of a push, from 0, and minutes after it.
    Step {
        /// The push.
        of: String,
        /// The step, from 0.
        step: usize,
        /// Minutes after it.
        #[serde(default)]
        after: i64,
    },
}

/// Who crashes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Everybody.
    All,
    /// One release.
    Release(String),
    /// Every other release.
    Others(String),
}

/// How harm follows the dose.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The share in the cell.
    Share,
    /// Any in the cell.
    Present,
    /// The share of the fleet.
    ShareOfAll,
    /// Any anywhere.
    PresentAnywhere,
    /// Any anywhere, ever: what it left behind stays.
    Ever,
    /// What it left behind grows: full after so many hours at full share, and stays.
    Accumulating(f64),
    /// The share in the cell, half of the full harm at this share.
    Saturating(f64),
    /// Nothing up to this share of the fleet, everything above.
    Threshold(f64),
    /// The share of the fleet through a queue that drains over so many minutes.
    Queue(f64),
    /// Instances that have run for so many minutes.
    Aged(i64),
    /// What the share was when it was highest, after a rollback began: the old release meets what was left.
    Returning,
    /// No dose.
    Always,
}

/// What crashes look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// A signature that was never seen.
    New,
    /// One of the ordinary signatures.
    Old,
    /// One or the other, by chance.
    #[default]
    Either,
    /// All ordinary signatures as usual.
    All,
}

/// What is wrong with the telemetry.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Each crash report is delivered up to so many times more.
    Repeats(usize),
    /// At a live minute so many old reports come in, up to so many days old.
    Backfill {
        /// The minute.
        at: i64,
        /// How many, by 1,200 crashes a day.
        count: f64,
        /// How old at most.
        days: f64,
    },
    /// Exposure of a release does not arrive.
    Unheard {
        /// The release.
        release: String,
        /// The first minute.
        from: i64,
        /// How many.
        minutes: i64,
    },
    /// One host of a release crashes over and over.
    Loop {
        /// The release.
        release: String,
        /// The first minute.
        from: i64,
        /// How many.
        minutes: i64,
        /// Seconds from one crash to the next.
        every: i64,
    },
    /// Crash reports come late, by so many minutes on the mean.
    Late(f64),
    /// Clocks of some hosts are wrong, by up to so many minutes.
    Skew(f64),
    /// For so many minutes after each step the new release reports as the old one.
    Mislabelled(i64),
    /// A release sends no crash reports.
    Mute(String),
}

/// What really happened.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Harm {
    /// Its kind.
    pub kind: Kind,
    /// The push or flag change that brought it.
    #[serde(default)]
    pub change: Option<String>,
    /// Changes that nobody could tell from it.
    #[serde(default)]
    pub like: Vec<String>,
    /// Whether several changes were in flight.
    #[serde(default)]
    pub overlap: bool,
    /// Whether it is smaller than what anybody looks for.
    #[serde(default)]
    pub small: bool,
    /// Why it ended, where that does not follow from what people did.
    #[serde(default)]
    pub ended: Option<Ending>,
}

/// What people do in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The push goes on to everybody.
    GoesOn,
    /// It is taken back on the way.
    RolledBack,
    /// It is stopped where it stands, on the way.
    Stopped,
    /// Another push brings a repaired release.
    Hotfix,
    /// The flag is turned back.
    FlagReverted,
}
