//! One file per group of pages; each page's struct stands beside its handler.

pub mod flags;
pub mod holds;
pub mod pushes;
pub mod risk;
pub mod sign_in;
pub mod start;
mod words;
