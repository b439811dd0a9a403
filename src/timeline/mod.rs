//! From records to a drawing: lanes, scales, ticks, SVG. No IO and no clock.
//!
//! Callers bring plain facts (`Facts`) with links ready to print and get SVG text back. Looks live in the style sheet:
//! a picture carries classes and presentation attributes only, since pages forbid inline style and script. Symbols are
//! those of the sprite that every page holds.
//!
//! Nothing is judged here. What a regression is, when it began and what a step knew arrive as facts.

mod counts;
mod facts;
mod flags;
mod frame;
mod marks;
mod overview;
mod paths;
mod population;
mod rates;
pub mod scale;
mod series;
mod service;
mod show;
mod small;
mod svg;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;
mod words;

pub use facts::*;
pub use flags::flag_history;
pub use overview::{Overview, grain as overview_grain, overview};
pub use paths::{PathKind, PathRow, paths};
pub use service::{service, service_at};
pub use show::{Show, Width};
pub use small::{Standing, chance, interval, spark, track};
pub use words::{grouped, two_digits};

impl Class {
    /// The letter that the style sheet knows the class by.
    fn key(self) -> &'static str {
        match self {
            Class::Replaced => "a",
            Class::Pushed => "b",
            Class::Third => "c",
            Class::Other => "other",
        }
    }
}
