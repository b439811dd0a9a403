//! The commands that deploy scripts use: they talk to a server, named by PUSHBACK_URL, with a token, PUSHBACK_TOKEN.

use crate::cli::Failure;
use clap::Subcommand;
use std::process::ExitCode;

/// What a script can say to a server.
#[derive(Subcommand)]
pub enum Command {}

impl Command {
    /// Says it, and gives back the exit code.
    pub fn run(self) -> Result<ExitCode, Failure> {
        match self {}
    }
}
