//! A flag change: one recorded edit of a switch.

use super::{Time, percent::Percent};
use serde_json::{Map, Value};

/// One `flag_changed` line of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagChanged {
    /// The sender's id, unique among flag changes.
    pub change: String,
    /// The flag.
    pub flag: String,
    /// The service that reads it.
    pub service: String,
    /// Where.
    pub environment: String,
    /// When it was changed.
    pub at: Time,
    /// When that reached us.
    pub received_at: Time,
    /// Who changed it.
    pub actor: String,
    /// The rule before.
    pub before: Option<Map<String, Value>>,
    /// The rule after.
    pub after: Option<Map<String, Value>>,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
    /// Fields of the sender that we do not know.
    pub extra: Map<String, Value>,
}

impl FlagChanged {
    /// The share before, where the rule has one.
    pub fn percent_before(&self) -> Option<Percent> {
        self.before.as_ref().and_then(percent)
    }

    /// The share after, where the rule has one.
    pub fn percent_after(&self) -> Option<Percent> {
        self.after.as_ref().and_then(percent)
    }

    /// The share after in one cell: the cell's own where it has one, else the rule's.
    pub fn percent_after_in(&self, cell: &str) -> Option<Percent> {
        self.after.as_ref().and_then(|rule| percent_in(rule, cell))
    }
}

/// The share that a rule names; `enabled: false` is none of the audience, `enabled: true` alone is all of it.
pub fn percent(rule: &Map<String, Value>) -> Option<Percent> {
    if rule.get("enabled").and_then(Value::as_bool) == Some(false) {
        return Some(Percent::ZERO);
    }
    match rule.get("percent").and_then(Value::as_f64) {
        Some(value) => Percent::new(value),
        None => (rule.get("enabled").and_then(Value::as_bool) == Some(true)).then_some(Percent::ALL),
    }
}

/// The share that a rule names for one cell.
pub fn percent_in(rule: &Map<String, Value>, cell: &str) -> Option<Percent> {
    rule.get("cells")
        .and_then(|cells| cells.get(cell))
        .and_then(Value::as_f64)
        .and_then(Percent::new)
        .or_else(|| percent(rule))
}
