//! One file per wire format: bytes to domain records. Which request carries which format is known by the doors.

pub mod arrival;
pub mod client_report;
pub mod context;
pub mod envelope;
pub mod event;
pub mod fields;
pub mod session;
pub mod stack;
pub mod store;

#[cfg(test)]
mod dialects;
