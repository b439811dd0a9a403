//! A crash report: one event received from a program that died, or that caught an error.

use super::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One frame of a stack, innermost last in a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The module or package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    /// Whether the program's owners wrote it; unknown where the sender did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_app: Option<bool>,
}

/// What was thrown or signalled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Exception {
    /// The kind of error: `TypeError`, `SIGSEGV`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The stack, outermost call first and the place of the crash last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
}

/// One `crash` line of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Crash {
    /// The sender's id, unique among crash reports.
    pub id: String,
    /// The service that crashed.
    pub service: String,
    /// Where.
    pub environment: String,
    /// The release that crashed, where known.
    pub release: Option<String>,
    /// The cell it ran in.
    pub cell: String,
    /// The machine it ran on.
    pub host: Option<String>,
    /// When it crashed.
    pub at: Time,
    /// When the report reached us.
    pub received_at: Time,
    /// What groups reports: given by the sender, or computed from the exception.
    pub signature: String,
    /// Whether the sender gave the signature.
    pub signature_given: bool,
    /// Clients that were cut off.
    pub clients_dropped: Option<i64>,
    /// The release of the instance at the other end, where known.
    pub peer_release: Option<String>,
    /// How long the process had run, seconds.
    pub uptime_s: Option<f64>,
    /// What was thrown.
    pub exception: Option<Exception>,
    /// Flags and their values in the process.
    pub flags: Map<String, Value>,
    /// Fields of the sender that we do not know.
    pub extra: Map<String, Value>,
}

/// What a report stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// The program died, or nobody caught the error. Only these are judged.
    Crash,
    /// The error was caught. Counted apart.
    Handled,
    /// Words, no error. Counted apart.
    Message,
}

impl ReportKind {
    /// The word in databases.
    pub fn word(self) -> &'static str {
        match self {
            ReportKind::Crash => "crash",
            ReportKind::Handled => "handled",
            ReportKind::Message => "message",
        }
    }

    /// Reads the word of a database.
    pub fn parse(word: &str) -> Option<ReportKind> {
        [ReportKind::Crash, ReportKind::Handled, ReportKind::Message].into_iter().find(|kind| kind.word() == word)
    }
}
