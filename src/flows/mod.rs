//! One file per thing that someone can do, called alike from a page, the API, the command line or a worker.
//!
//! A flow loads facts, asks the domain, stores, and tells the ledger, in one transaction. It knows no HTTP and no SQL.

mod error;

pub mod administer;
pub mod ask_gate;
pub mod change_push;
pub mod export_history;
pub mod guard_push;
pub mod hold_push;
pub mod import_history;
pub mod incident;
pub mod judge_history;
pub mod list_findings;
pub mod mind_risk;
pub mod postmortem_facts;
pub mod prune_telemetry;
pub mod record_change;
pub mod replay_history;
pub mod report_pair;
pub mod sign_in;
pub mod take_telemetry;

pub use error::Error;
