//! Everything that is tested from outside the library, in one binary: it links once, and shares servers and databases.

mod api;
mod architecture;
mod browser;
mod clients;
mod faults;
mod journeys;
mod pages;
mod schema;
mod store;
mod support;
