//! A service, and what was declared of it.

use super::Time;
use serde_json::{Map, Value};

/// One `service` line of a history: what somebody declared of a service. Later ones replace earlier ones, field by field.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceDeclared {
    /// The service's own short name, unique.
    pub service: String,
    /// When it was declared; a declaration without a time holds from the beginning.
    pub at: Option<Time>,
    /// When it reached us.
    pub received_at: Option<Time>,
    /// A name for people.
    pub name: Option<String>,
    /// The team that answers for it.
    pub team: Option<String>,
    /// The person who answers for it.
    pub owner: Option<String>,
    /// Services that this one calls or is called by.
    pub depends_on: Vec<String>,
    /// Fields of the sender that we do not know.
    pub extra: Map<String, Value>,
}

/// The environment where none is named.
pub const DEFAULT_ENVIRONMENT: &str = "production";

/// The cell where none is named.
pub const DEFAULT_CELL: &str = "default";
