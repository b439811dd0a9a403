//! How others are told.
