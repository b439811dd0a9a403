//! Exposure: how much of a release ran, where, and for how long.

use super::Time;
use serde_json::{Map, Value};

/// One `exposure` line of a history: a window in which instances of a release ran.
///
/// `instances` is zero where only client sessions are known; such a window says nothing about instance-time.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposure {
    /// The service.
    pub service: String,
    /// Where.
    pub environment: String,
    /// The release that ran.
    pub release: String,
    /// The cell it ran in.
    pub cell: String,
    /// The start of the window.
    pub at: Time,
    /// When it reached us.
    pub received_at: Time,
    /// The length of the window, seconds.
    pub seconds: f64,
    /// Instances running through the window.
    pub instances: f64,
    /// Client sessions carried in it, where known.
    pub sessions: Option<f64>,
    /// Flags and their values during the window.
    pub flags: Map<String, Value>,
    /// Fields of the sender that we do not know.
    pub extra: Map<String, Value>,
}

impl Exposure {
    /// Instance-hours that the window stands for.
    pub fn instance_hours(&self) -> f64 {
        self.instances * self.seconds / 3600.0
    }
}
