//! What Pushback talks about, as plain values and plain rules.
//!
//! Nothing here reads a clock, a file, a database or a network; a rule takes facts and the time that it is asked for.

pub mod access;
pub mod crash;
pub mod exposure;
pub mod finding;
pub mod flag;
pub mod incident;
pub mod note;
pub mod pair;
pub mod percent;
pub mod policy;
pub mod push;
pub mod record;
pub mod sentence;
pub mod service;
pub mod signature;
pub mod step;
pub mod time;

pub use record::{Record, RecordError};
pub use time::Time;
