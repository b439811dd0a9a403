//! Threads that wake, call one flow, sleep, and stop cleanly.

pub mod commit_telemetry;
mod fold_telemetry;
pub mod judge_live;
pub mod look_after_store;
pub mod quota;
