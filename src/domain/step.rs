//! A step: the act of moving a push, at a time, by an actor.

use super::{Time, percent::Percent};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Brings the release to more of the fleet.
    Advance,
    /// Waits; the push may go on.
    Pause,
    /// Goes on after a pause.
    Resume,
    /// Ends the push where it stands.
    Stop,
    /// Takes the release back.
    RollBack,
    /// Closes the push as done.
    Complete,
}

impl Action {
    /// Every action, in the order of a push's life.
    pub const ALL: [Action; 6] =
        [Action::Advance, Action::Pause, Action::Resume, Action::Stop, Action::RollBack, Action::Complete];

    /// The word in the history file.
    pub fn word(self) -> &'static str {
        match self {
            Action::Advance => "advance",
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Stop => "stop",
            Action::RollBack => "roll_back",
            Action::Complete => "complete",
        }
    }

    /// The words for people.
    pub fn says(self) -> &'static str {
        match self {
            Action::Advance => "advance",
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Stop => "stop",
            Action::RollBack => "roll back",
            Action::Complete => "complete",
        }
    }

    /// Reads the word of the history file.
    pub fn parse(word: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// One `push_step` line of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct PushStep {
    /// The push that moves.
    pub push: String,
    /// When the step was taken.
    pub at: Time,
    /// When that reached us.
    pub received_at: Time,
    /// Who took it.
    pub actor: String,
    /// What it does.
    pub action: Action,
    /// The share of the fleet on the release once the step is done.
    pub percent: Option<Percent>,
    /// The share per cell, where it differs from `percent`.
    pub cells: Vec<(String, Percent)>,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// Whether a program took it with nobody looking.
    pub automatic: bool,
    /// Fields of the sender that we do not know.
    pub extra: Map<String, Value>,
}
