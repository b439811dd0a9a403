//! What an installation is told: by flags, by the environment, or by default.

use crate::flows::prune_telemetry::Retention;
use std::net::SocketAddr;

/// The settings of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The database URL.
    pub database: String,
    /// The address that people and programs reach it by, without a slash at the end; where it listens if nobody said.
    pub base_url: Option<String>,
    /// What is kept of telemetry.
    pub kept: Kept,
    /// Whether it serves the told story: whoever comes from this machine is signed in.
    pub demo: bool,
}

/// Where a server listens if nobody says.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
/// Which database a server uses if nobody says.
pub const DEFAULT_DATABASE: &str = "sqlite:./data/pushback.sqlite3";
/// What is kept of telemetry, how much and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// How many reports of each signature, release and hour are kept whole; all others are counted.
    pub examples: u32,
    /// How long.
    pub retention: Retention,
    /// How many reports of one service are taken in a minute; none where there is no limit.
    pub quota: Option<u32>,
}

impl Default for Kept {
    fn default() -> Kept {
        let retention = Retention { reports_days: DEFAULT_REPORTS_DAYS, counts_days: DEFAULT_COUNTS_DAYS };
        Kept { examples: DEFAULT_EXAMPLES, retention, quota: None }
    }
}

/// How many reports of each signature, release and hour are kept whole if nobody says.
pub const DEFAULT_EXAMPLES: u32 = 25;
/// For how many days reports are kept whole if nobody says.
pub const DEFAULT_REPORTS_DAYS: u32 = 90;
/// For how many days counted reports, counts by the minute and the hour, and exposure are kept if nobody says.
pub const DEFAULT_COUNTS_DAYS: u32 = 400;
