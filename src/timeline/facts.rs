//! What a drawing is given: plain values, already filtered by release, cell and signature, with links ready to print.
//!
//! No rule is applied here and nothing is judged; the caller brings what the record and the judge say. For a drawing
//! "as known then" the caller brings what had arrived by then, and `known_at` makes sure that no later mark is drawn.

use crate::domain::{
    Time,
    finding::{Decision, Ending, Kind, Known, Onset},
    step::Action,
};

/// Everything that one service timeline shows. Times are UTC; texts are plain and are escaped when drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Sets this picture's patterns apart from those of other pictures on one page: letters, digits and dashes.
    pub ident: String,
    /// The service.
    pub service: String,
    /// Where.
    pub environment: String,
    /// The left end of the axis.
    pub from: Time,
    /// The right end of the axis; at least a minute after `from` (less is widened to a minute).
    pub to: Time,
    /// The present.
    pub now: Time,
    /// The instant that the page is read as of; nothing later is drawn.
    pub known_at: Option<Time>,
    /// The reader's zone, minutes east of UTC.
    pub local_offset_minutes: i32,
    /// Releases that ran in the range, in order of importance.
    pub releases: Vec<Release>,
    /// What ran; should begin 30 minutes before `from`, because rates trail by as much.
    pub exposures: Vec<Exposed>,
    /// Crashes; should begin 30 minutes before `from`.
    pub crashes: Vec<CrashMark>,
    /// A list of crashes to link bars and cells to; `from=`, `to=` and `cell=` are appended to it.
    pub crashes_href: Option<String>,
    /// Pushes of this service that have steps in the range.
    pub pushes: Vec<PushLine>,
    /// Steps of those pushes.
    pub steps: Vec<StepMark>,
    /// Questions put to the gate and what it said.
    pub gates: Vec<GateMark>,
    /// Pushes of other services in reach of this one.
    pub nearby: Vec<NearbyPush>,
    /// Flags that this service reads.
    pub flags: Vec<FlagLine>,
    /// Regressions that overlap the range.
    pub regressions: Vec<RegressionMark>,
    /// Holds placed on pushes of this service.
    pub holds: Vec<HoldMark>,
    /// Notes about this service or its pushes.
    pub notes: Vec<NoteMark>,
    /// Notices sent, and who opened what.
    pub notices: Vec<NoticeMark>,
}

impl Facts {
    /// The last instant that anything may be drawn at: the instant read as of, or the present.
    pub fn until(&self) -> Time {
        self.known_at.map_or(self.now, |known| known.min(self.now))
    }
}

/// What a release is in this picture; it decides colour, texture and dash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The release being replaced, or the only one that runs (A).
    Replaced,
    /// The release being pushed (B).
    Pushed,
    /// A third release (C).
    Third,
    /// Any further release; these are drawn together.
    Other,
}

/// A release that ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The version string.
    pub name: String,
    /// What it is in this picture.
    pub class: Class,
    /// Crashes per instance-hour that its own past lets expect; none where it has no past.
    pub expected_per_hour: Option<f64>,
    /// Crashes per session that its own past lets expect, for services that know sessions only.
    pub expected_per_session: Option<f64>,
}

/// A window in which a release ran in a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposed {
    /// The release.
    pub release: String,
    /// The cell.
    pub cell: String,
    /// The start of the window.
    pub at: Time,
    /// Its length, seconds.
    pub seconds: f64,
    /// Instances running through it; zero where only sessions are known.
    pub instances: f64,
    /// Sessions carried in it, where known.
    pub sessions: Option<f64>,
}

/// Crashes at one instant: one of them, or as many as the caller counted together for a minute.
#[derive(Debug, Clone, PartialEq)]
pub struct CrashMark {
    /// When.
    pub at: Time,
    /// The release that crashed, where known.
    pub release: Option<String>,
    /// The cell.
    pub cell: String,
    /// How many crashes this stands for.
    pub count: u64,
    /// Clients dropped by them.
    pub clients: u64,
}

/// A push of this service.
#[derive(Debug, Clone, PartialEq)]
pub struct PushLine {
    /// Its name.
    pub name: String,
    /// The release that it brings.
    pub release: String,
    /// The release that it replaces, where known.
    pub previous: Option<String>,
    /// Its page.
    pub href: String,
}

/// A step of a push of this service.
#[derive(Debug, Clone, PartialEq)]
pub struct StepMark {
    /// When.
    pub at: Time,
    /// What it did.
    pub action: Action,
    /// The share after it, 0 to 100.
    pub percent: Option<f64>,
    /// One or two letters of the actor's name; empty prints none.
    pub initials: String,
    /// What was known, if the step continued a regression.
    pub known: Option<Known>,
    /// Its line in the record.
    pub href: String,
    /// The whole step in one sentence.
    pub title: String,
}

/// What the gate said to a question, or that Pushback did not record what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The gate's answer.
    Gate(Decision),
    /// Pushback refused to record it.
    Refused,
}

/// A question put to the gate. An answer that a step followed at once is told by that step and not drawn again.
#[derive(Debug, Clone, PartialEq)]
pub struct GateMark {
    /// When.
    pub at: Time,
    /// What was answered.
    pub answer: Answer,
    /// Two or three words above the mark; empty prints none.
    pub label: String,
    /// One or two letters of the asker's name; empty prints none.
    pub initials: String,
    /// Its line in the record.
    pub href: String,
    /// The whole answer in one sentence.
    pub title: String,
}

/// A push of another service.
#[derive(Debug, Clone, PartialEq)]
pub struct NearbyPush {
    /// Its name and what is known of it: "billing-77, healthy".
    pub label: String,
    /// Its steps, in order.
    pub steps: Vec<NearbyStep>,
}

/// A step of a push of another service.
#[derive(Debug, Clone, PartialEq)]
pub struct NearbyStep {
    /// When.
    pub at: Time,
    /// The share after it, 0 to 100.
    pub percent: Option<f64>,
    /// Its line in the record.
    pub href: String,
    /// The whole step in one sentence.
    pub title: String,
}

/// A flag and how its share moved.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagLine {
    /// The flag.
    pub name: String,
    /// What is said of it beside its name: "flag, percent; no harm follows it". Empty prints "flag, percent".
    pub about: String,
    /// The share at the left end of the axis, 0 to 100; none where unknown.
    pub percent_at_start: Option<f64>,
    /// Its changes, in order.
    pub changes: Vec<FlagMark>,
}

/// One recorded change of a flag.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagMark {
    /// When.
    pub at: Time,
    /// The share after it, 0 to 100; none where the rule has no share.
    pub percent: Option<f64>,
    /// One or two letters of the actor's name; empty prints none.
    pub initials: String,
    /// Its line in the record.
    pub href: String,
    /// The whole change in one sentence.
    pub title: String,
}

/// A regression.
#[derive(Debug, Clone, PartialEq)]
pub struct RegressionMark {
    /// Its short name.
    pub id: String,
    /// When the harm began, with its interval.
    pub onset: Onset,
    /// When it could first be read.
    pub detected_at: Time,
    /// When it ended; none while it goes on.
    pub ended_at: Option<Time>,
    /// Why it ended.
    pub ending: Option<Ending>,
    /// What kind of harm.
    pub kind: Kind,
    /// The releases that crash; empty where the harm is not bound to releases.
    pub victims: Vec<String>,
    /// The change that is blamed, where one is: "push relay-118".
    pub blamed: Option<String>,
    /// Whether it was later overturned; it stays drawn, as an outline.
    pub withdrawn: bool,
    /// Its page.
    pub href: String,
}

/// Somebody's request that a push stop.
#[derive(Debug, Clone, PartialEq)]
pub struct HoldMark {
    /// When it was placed.
    pub at: Time,
    /// When it was lifted; none while in force.
    pub until: Option<Time>,
    /// One or two letters of the holder's name; empty prints none.
    pub initials: String,
    /// Its line in the record.
    pub href: String,
    /// The whole hold in one sentence.
    pub title: String,
}

/// Something a person said.
#[derive(Debug, Clone, PartialEq)]
pub struct NoteMark {
    /// When.
    pub at: Time,
    /// One or two letters of the author's name; empty prints none.
    pub initials: String,
    /// Its line in the record.
    pub href: String,
    /// The whole note in one sentence.
    pub title: String,
}

/// What happened to a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// It was sent to so many.
    Sent,
    /// Somebody opened it, or opened this page.
    Opened,
}

/// A notice sent or opened.
#[derive(Debug, Clone, PartialEq)]
pub struct NoticeMark {
    /// When.
    pub at: Time,
    /// Sent or opened.
    pub kind: NoticeKind,
    /// A word or two beside the mark: "to 9", "DA".
    pub label: String,
    /// Its line in the record.
    pub href: String,
    /// The whole event in one sentence.
    pub title: String,
}
