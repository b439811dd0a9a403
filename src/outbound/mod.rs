//! How others are told.

pub mod text;
