//! Pushback records every push and flag change, takes in crash reports, correlates them, and says stop.
//!
//! Start reading at `domain`, which holds what is talked about.

pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod console;
pub mod demo;
pub mod domain;
pub mod flows;
pub mod intake;
pub mod judge;
pub mod ledger;
pub mod outbound;
pub mod secret;
pub mod serve;
pub mod store;
pub mod story;
pub mod timeline;
pub mod web;
pub mod workers;
