//! What the judge says: regressions, continuations and gate answers, in the public form of `GET /api/v1/findings` and `pushback replay`.

use super::time::{Time, as_text, as_text_or_null};
use serde::{Deserialize, Serialize};

/// Everything that is said about a history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// In order of detection.
    pub regressions: Vec<Regression>,
    /// In order of their steps.
    pub continuations: Vec<Continuation>,
    /// In order of their steps.
    pub gates: Vec<GateAnswer>,
}

/// Crashes beyond what was expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// Short name, unique within the findings.
    pub id: String,
    /// Where the crashes are, which need not be where the change is.
    pub service: String,
    /// Where.
    pub environment: String,
    /// The signatures that carry the harm.
    pub signatures: Vec<String>,
    /// Who crashes.
    pub victims: Vec<Victim>,
    /// What kind of harm.
    pub kind: Kind,
    /// When the harm began.
    pub onset: Onset,
    /// When it could first be read here.
    #[serde(with = "as_text")]
    pub detected_at: Time,
    /// Every change considered worth naming, most probable first; what is missing to one is "none of these".
    pub suspects: Vec<Suspect>,
    /// Crash rate of the victims per instance-time, against what was expected without the change.
    pub rate_ratio: Estimate,
    /// Crashes beyond expectation, from onset to end.
    pub excess_crashes: Estimate,
    /// Clients dropped beyond expectation, from onset to end.
    pub clients_dropped: Estimate,
    /// When it ended; none while it goes on.
    #[serde(with = "as_text_or_null")]
    pub ended_at: Option<Time>,
    /// Why it ended; none while it goes on.
    pub ended_because: Option<Ending>,
    /// What was said and later overturned.
    pub withdrawn: Option<Withdrawn>,
}

impl Regression {
    /// Whether a crash of that release is one of a victim; every crash is, where no victim is named.
    pub fn harms(&self, release: Option<&str>) -> bool {
        self.victims.is_empty() || self.victims.iter().any(|victim| Some(victim.release.as_str()) == release)
    }

    /// Whether a crash of that release and signature is one of those that carry the harm.
    pub fn carries(&self, release: Option<&str>, signature: &str) -> bool {
        self.harms(release) && (self.signatures.is_empty() || self.signatures.iter().any(|it| signature == it))
    }

    /// The suspect that is blamed, if one has a probability of 0.5 or more.
    pub fn blamed(&self) -> Option<&Suspect> {
        self.suspects.first().filter(|suspect| suspect.probability >= BLAME)
    }

    /// Whether it still has to be minded: going on, or ended because the victims ran out.
    pub fn is_open(&self) -> bool {
        self.withdrawn.is_none() && (self.ended_because.is_none() || self.ended_because == Some(Ending::VictimsGone))
    }
}

/// The probability from which a change is blamed.
pub const BLAME: f64 = 0.5;

/// A release that crashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victim {
    /// The release.
    pub release: String,
}

/// The kinds of regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The release being pushed crashes.
    #[serde(rename = "self")]
    Itself,
    /// Other releases, or another service, crash because of it.
    Collateral,
    /// Both.
    Mixed,
    /// Follows a flag change.
    Flag,
    /// Began with a rollback.
    Rollback,
    /// No change explains it.
    Ambient,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 6] = [Kind::Itself, Kind::Collateral, Kind::Mixed, Kind::Flag, Kind::Rollback, Kind::Ambient];

    /// The word of the public form.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Itself => "self",
            Kind::Collateral => "collateral",
            Kind::Mixed => "mixed",
            Kind::Flag => "flag",
            Kind::Rollback => "rollback",
            Kind::Ambient => "ambient",
        }
    }

    /// Reads the word of the public form.
    pub fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// When harm began, as best judged now, with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onset {
    /// The best single answer.
    #[serde(with = "as_text")]
    pub at: Time,
    /// The early end of the interval.
    #[serde(with = "as_text")]
    pub earliest: Time,
    /// The late end of the interval.
    #[serde(with = "as_text")]
    pub latest: Time,
}

/// A change near a regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// A push or a flag change.
    pub kind: SuspectKind,
    /// The push's or the change's id.
    pub id: String,
    /// How probable it is that this change brought the harm, 0 to 1.
    pub probability: f64,
    /// The evidence in one sentence.
    pub why: String,
}

/// What a suspect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspectKind {
    /// A push.
    Push,
    /// A flag change.
    FlagChange,
}

/// A number with its 95 % interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The best single answer.
    pub estimate: f64,
    /// The low end.
    pub low: f64,
    /// The high end.
    pub high: f64,
}

/// Why a regression ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The push was taken back.
    RolledBack,
    /// The push was stopped, and the harm with it.
    Stopped,
    /// The flag was turned back.
    FlagReverted,
    /// The rate fell while the victims were still running.
    Fixed,
    /// The rate was still high when the last victim went away: not a recovery.
    VictimsGone,
    /// It fell by itself.
    Subsided,
}

impl Ending {
    /// Every ending.
    pub const ALL: [Ending; 6] = [
        Ending::RolledBack,
        Ending::Stopped,
        Ending::FlagReverted,
        Ending::Fixed,
        Ending::VictimsGone,
        Ending::Subsided,
    ];

    /// The word of the public form.
    pub fn word(self) -> &'static str {
        match self {
            Ending::RolledBack => "rolled_back",
            Ending::Stopped => "stopped",
            Ending::FlagReverted => "flag_reverted",
            Ending::Fixed => "fixed",
            Ending::VictimsGone => "victims_gone",
            Ending::Subsided => "subsided",
        }
    }

    /// The words for people.
    pub fn says(self) -> &'static str {
        match self {
            Ending::RolledBack => "rolled back",
            Ending::Stopped => "stopped",
            Ending::FlagReverted => "flag turned back",
            Ending::Fixed => "fixed",
            Ending::VictimsGone => "victims gone, not a recovery",
            Ending::Subsided => "subsided",
        }
    }
}

/// Something that was said and later overturned. It stays listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// When.
    #[serde(with = "as_text")]
    pub at: Time,
    /// By what evidence.
    pub why: String,
}

/// What was known when a step was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// It was happening; nobody could have read it here yet.
    Undetected,
    /// It was on the page.
    Detected,
    /// This actor had it open or had been told.
    Seen,
    /// It went past a stop.
    Overrode,
}

impl Known {
    /// Every level, from the least to the most known.
    pub const ALL: [Known; 4] = [Known::Undetected, Known::Detected, Known::Seen, Known::Overrode];

    /// The word of the public form, which is also the word for people.
    pub fn word(self) -> &'static str {
        match self {
            Known::Undetected => "undetected",
            Known::Detected => "detected",
            Known::Seen => "seen",
            Known::Overrode => "overrode",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Known> {
        Known::ALL.into_iter().find(|known| known.word() == word)
    }

    /// What the level means, in one sentence.
    pub fn means(self) -> &'static str {
        match self {
            Known::Undetected => "It was happening; nobody could have read it here yet.",
            Known::Detected => "It was on the page.",
            Known::Seen => "This actor had it open or had been told.",
            Known::Overrode => "The gate said stop, or a hold stood; it went past.",
        }
    }
}

/// A step that raised exposure to a blamed change after the onset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// The regression that it continued.
    pub regression: String,
    /// The push that went on, where it was a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<String>,
    /// The later flag change, where it was a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// When the step was taken.
    #[serde(with = "as_text")]
    pub step_at: Time,
    /// Who took it.
    pub actor: String,
    /// The step's action, or `flag_changed`.
    pub action: String,
    /// The share after it.
    pub percent: Option<f64>,
    /// What was known then.
    pub known: Known,
    /// Crashes beyond expectation after the step.
    pub excess_crashes: Estimate,
    /// Clients dropped beyond expectation after the step.
    pub clients_dropped: Estimate,
}

/// The gate's answer to "may I go on?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing speaks against it.
    Go,
    /// Not enough evidence yet, or a rule is unmet, or somebody holds it.
    Hold,
    /// It harms.
    Stop,
}

impl Decision {
    /// The word of the public form, which is also the word for people.
    pub fn word(self) -> &'static str {
        match self {
            Decision::Go => "go",
            Decision::Hold => "hold",
            Decision::Stop => "stop",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Decision> {
        [Decision::Go, Decision::Hold, Decision::Stop].into_iter().find(|decision| decision.word() == word)
    }

    /// The exit code of `pushback gate`.
    pub fn exit_code(self) -> u8 {
        match self {
            Decision::Go => 0,
            Decision::Hold => 10,
            Decision::Stop => 20,
        }
    }
}

/// What a gate asked at a step would have answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateAnswer {
    /// The push that asks.
    pub push: String,
    /// When.
    #[serde(with = "as_text")]
    pub at: Time,
    /// The answer.
    pub decision: Decision,
    /// Regressions by their ids, and rules in a sentence.
    pub reasons: Vec<String>,
}
