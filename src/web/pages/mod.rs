//! One file per group of pages; each page's struct stands beside its handler.

pub mod account;
pub mod continued;
pub mod feed;
pub mod find;
pub mod flags;
pub mod guards;
pub mod holds;
pub mod ledger;
pub mod people;
pub mod postmortems;
pub mod pushes;
pub mod regression;
pub mod regressions;
pub mod risk;
pub mod services;
pub mod settings;
pub mod sign_in;
pub mod signatures;
pub mod start;
pub mod timeline;
mod words;
