//! What an installation is told: by flags, by the environment, or by default.

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
    /// How many reports of each signature, release and hour are kept whole; all others are counted.
    pub most_examples: u32,
    /// Whether it serves the told story: whoever comes from this machine is signed in.
    pub demo: bool,
}

/// Where a server listens if nobody says.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
/// Which database a server uses if nobody says.
pub const DEFAULT_DATABASE: &str = "sqlite:./data/pushback.sqlite3";
/// How many reports of each signature, release and hour are kept whole if nobody says.
pub const DEFAULT_EXAMPLES: u32 = 25;
