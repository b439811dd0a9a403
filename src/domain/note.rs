//! A note: something a person said or did that belongs on the timeline.

use super::Time;
use serde_json::{Map, Value};

/// One `note` line of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// When it was said or done.
    pub at: Time,
    /// When it reached us.
    pub received_at: Time,
    /// Who said it.
    pub actor: String,
    /// What was said.
    pub text: String,
    /// The service that it is about, if one.
    pub service: Option<String>,
    /// The push that it is about, if one.
    pub push: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
    /// Fields of the sender that we do not know.
    pub extra: Map<String, Value>,
}
