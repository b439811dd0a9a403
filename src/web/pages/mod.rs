//! One file per group of pages; each page's struct stands beside its handler.

pub mod continued;
pub mod postmortems;
pub mod sign_in;
pub mod start;
