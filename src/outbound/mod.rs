//! How others are told.

pub mod csv;
pub mod text;
