//! A push: one owner bringing one release to one environment.

use super::{
    Time,
    percent::Percent,
    step::{Action, PushStep},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What kind of change a push brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushKind {
    /// A new release.
    Deploy,
    /// An older release, brought back.
    Rollback,
    /// The same code with other settings.
    Config,
}

impl PushKind {
    /// The word in the history file.
    pub fn word(self) -> &'static str {
        match self {
            PushKind::Deploy => "deploy",
            PushKind::Rollback => "rollback",
            PushKind::Config => "config",
        }
    }

    /// Reads the word of the history file.
    pub fn parse(word: &str) -> Option<PushKind> {
        [PushKind::Deploy, PushKind::Rollback, PushKind::Config].into_iter().find(|kind| kind.word() == word)
    }
}

/// Something that a push brings, and the flag that it sits behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// What the feature is called.
    pub name: String,
    /// The flag that turns it off; none means that it ships with the code.
    pub flag: Option<String>,
}

/// One intended level of a push.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stage {
    /// The share that the stage brings the release to.
    pub percent: Percent,
    /// How long the stage is to run before the next step, minutes.
    pub soak_minutes: Option<f64>,
}

/// One `push_started` line of a history: a push exists, nothing is exposed yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PushStarted {
    /// The sender's id, unique among pushes.
    pub push: String,
    /// The service that is pushed.
    pub service: String,
    /// Where.
    pub environment: String,
    /// The release that the push brings.
    pub release: String,
    /// The release that it replaces, where known.
    pub previous: Option<String>,
    /// When the push began.
    pub at: Time,
    /// When that reached us.
    pub received_at: Time,
    /// Who began it.
    pub actor: String,
    /// In the name of what.
    pub purpose: Option<String>,
    /// What kind of change.
    pub kind: PushKind,
    /// What ships with it, and behind which flags.
    pub features: Vec<Feature>,
    /// The commit that was built.
    pub commit: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
    /// The intended stages.
    pub plan: Vec<Stage>,
    /// Fields of the sender that we do not know.
    pub extra: Map<String, Value>,
}

impl PushStarted {
    /// Whether everything that ships could be turned off without another push. A push that names no features cannot say so.
    pub fn can_be_turned_off(&self) -> bool {
        !self.features.is_empty() && self.features.iter().all(|feature| feature.flag.is_some())
    }
}

/// Where a push stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// Begun, or moving from stage to stage.
    UnderWay,
    /// Paused by somebody; it may go on.
    Paused,
    /// Stopped where it stands.
    Stopped,
    /// Taken back.
    RolledBack,
    /// Closed as done.
    Done,
}

impl PushState {
    /// The word for databases and programs.
    pub fn word(self) -> &'static str {
        match self {
            PushState::UnderWay => "under_way",
            PushState::Paused => "paused",
            PushState::Stopped => "stopped",
            PushState::RolledBack => "rolled_back",
            PushState::Done => "done",
        }
    }

    /// The words for people.
    pub fn says(self) -> &'static str {
        match self {
            PushState::UnderWay => "under way",
            PushState::Paused => "paused",
            PushState::Stopped => "stopped",
            PushState::RolledBack => "rolled back",
            PushState::Done => "done",
        }
    }

    /// Reads the word of a database.
    pub fn parse(word: &str) -> Option<PushState> {
        [PushState::UnderWay, PushState::Paused, PushState::Stopped, PushState::RolledBack, PushState::Done]
            .into_iter()
            .find(|state| state.word() == word)
    }

    /// Whether the push may still move.
    pub fn is_open(self) -> bool {
        match self {
            PushState::UnderWay | PushState::Paused => true,
            PushState::Stopped | PushState::RolledBack | PushState::Done => false,
        }
    }
}

/// What the steps of a push amount to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Where the push stands.
    pub state: PushState,
    /// The share of the fleet that is meant to run the release.
    pub percent: Percent,
    /// When it came to stand there; none before the first step.
    pub since: Option<Time>,
}

/// Where a push stands after these steps, which are taken in order of their times.
pub fn standing<'a>(steps: impl IntoIterator<Item = &'a PushStep>) -> Standing {
    let mut steps: Vec<&PushStep> = steps.into_iter().collect();
    steps.sort_by_key(|step| step.at);
    let mut standing = Standing { state: PushState::UnderWay, percent: Percent::ZERO, since: None };
    for step in steps {
        standing.state = match step.action {
            Action::Advance | Action::Resume => PushState::UnderWay,
            Action::Pause => PushState::Paused,
            Action::Stop => PushState::Stopped,
            Action::RollBack => PushState::RolledBack,
            Action::Complete => PushState::Done,
        };
        standing.percent = match (step.percent, step.action) {
            (Some(percent), _) => percent,
            (None, Action::RollBack) => Percent::ZERO,
            (None, Action::Complete) => Percent::ALL,
            (None, Action::Advance | Action::Pause | Action::Resume | Action::Stop) => standing.percent,
        };
        standing.since = Some(step.at);
    }
    standing
}
