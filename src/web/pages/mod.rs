//! One file per group of pages; each page's struct stands beside its handler.

pub mod regressions;
pub mod services;
pub mod sign_in;
pub mod signatures;
pub mod start;
pub mod timeline;
