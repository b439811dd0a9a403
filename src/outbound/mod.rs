//! How others are told.

pub mod csv;
pub mod text;

pub mod metrics;
