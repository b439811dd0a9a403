//! A share of a fleet or of a flag's audience.

use serde::Serialize;

/// A share from 0 to 100, fractions allowed.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Percent(f64);

impl Percent {
    /// Nothing.
    pub const ZERO: Percent = Percent(0.0);
    /// Everything.
    pub const ALL: Percent = Percent(100.0);

    /// A share if it lies between 0 and 100.
    pub fn new(value: f64) -> Option<Percent> {
        (0.0..=100.0).contains(&value).then_some(Percent(value))
    }

    /// Reads `5`, `5%`, `5 %` or `0.5`.
    pub fn parse(text: &str) -> Option<Percent> {
        Percent::new(text.trim().trim_end_matches('%').trim().parse().ok()?)
    }

    /// The number, 0 to 100.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The same share as a fraction of one.
    pub fn share(self) -> f64 {
        self.0 / 100.0
    }
}

impl std::fmt::Display for Percent {
    /// `25`, or `2.5` where there is a fraction; the sign is left to the sentence.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", (self.0 * 1000.0).round() / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_outside_0_to_100_is_refused() {
        for text in ["-1", "100.1", "NaN", "", "%"] {
            assert_eq!(Percent::parse(text), None, "{text}");
        }
        assert_eq!(Percent::parse(" 2.5 %").map(|p| p.to_string()), Some("2.5".into()));
    }
}
