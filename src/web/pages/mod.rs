//! One file per group of pages; each page's struct stands beside its handler.

pub mod services;
pub mod sign_in;
pub mod start;
pub mod timeline;
