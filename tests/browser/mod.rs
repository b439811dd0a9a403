//! What a reader sees in a real browser.

mod fit;
mod journey;
