//! What two releases of a service do to each other where they run side by side.

use super::{
    Time,
    finding::{Ending, Kind, Regression},
};
use serde::{Deserialize, Serialize};

/// What is known of a pair. Worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairVerdict {
    /// Nobody has seen or tested them together.
    Untested,
    /// They were together, and no harm was seen.
    NoHarmSeen,
    /// One makes the other crash more than it should.
    Harmful,
    /// One kills the other: none was left, or ten times as many crashed as should.
    Lethal,
}

impl PairVerdict {
    /// What may be reported; worst last.
    pub const REPORTED: [PairVerdict; 3] = [PairVerdict::NoHarmSeen, PairVerdict::Harmful, PairVerdict::Lethal];

    /// The word in JSON and databases.
    pub fn word(self) -> &'static str {
        match self {
            PairVerdict::Untested => "untested",
            PairVerdict::NoHarmSeen => "no_harm_seen",
            PairVerdict::Harmful => "harmful",
            PairVerdict::Lethal => "lethal",
        }
    }

    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            PairVerdict::NoHarmSeen => "no harm seen",
            other => other.word(),
        }
    }

    /// Reads a word that may be reported.
    pub fn parse(word: &str) -> Option<PairVerdict> {
        PairVerdict::REPORTED.into_iter().find(|it| it.word() == word)
    }
}

/// What is known of two releases, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What they do to each other.
    pub verdict: PairVerdict,
    /// How that is known, in words.
    pub says: String,
}

/// What somebody, or a test in CI, reports of two releases that ran side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct PairReport {
    /// The service.
    pub service: String,
    /// One release.
    pub release: String,
    /// The other.
    pub peer_release: String,
    /// What came of it.
    pub verdict: PairVerdict,
    /// When it was tested.
    pub at: Time,
    /// Who says so.
    pub actor: String,
    /// What was tested, in words.
    pub note: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
}

impl PairReport {
    /// Whether it is about these two, in whichever order.
    pub fn is_about(&self, one: &str, other: &str) -> bool {
        are((&self.release, &self.peer_release), (one, other))
    }
}

/// Whether two releases are these two, in whichever order.
pub fn are(pair: (&str, &str), these: (&str, &str)) -> bool {
    pair == these || pair == (these.1, these.0)
}

/// What a regression shows of the release that is blamed and its victims; nothing where it is no harm between releases.
pub fn shown_by(it: &Regression) -> Option<PairVerdict> {
    let between = match it.kind {
        Kind::Collateral | Kind::Mixed | Kind::Rollback => true,
        Kind::Itself | Kind::Flag | Kind::Ambient => false,
    };
    if !between || it.withdrawn.is_some() || it.blamed().is_none() {
        return None;
    }
    let lethal = it.ended_because == Some(Ending::VictimsGone) || it.rate_ratio.estimate >= 10.0;
    Some(if lethal { PairVerdict::Lethal } else { PairVerdict::Harmful })
}

/// What is known of two releases from everything that was reported and observed: the worst that was ever seen.
pub fn standing(seen: impl IntoIterator<Item = Pair>) -> Pair {
    let untested = Pair { verdict: PairVerdict::Untested, says: "nobody has seen or tested them together".into() };
    // Of equally bad ones the first: it was seen first.
    seen.into_iter().fold(untested, |worst, it| if it.verdict > worst.verdict { it } else { worst })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_was_seen_stands_and_nothing_seen_is_untested() {
        let pair = |verdict, says: &str| Pair { verdict, says: says.into() };
        assert_eq!(standing([]).verdict, PairVerdict::Untested);
        let seen = [
            pair(PairVerdict::NoHarmSeen, "CI"),
            pair(PairVerdict::Lethal, "r2"),
            pair(PairVerdict::Harmful, "r1"),
            pair(PairVerdict::Lethal, "r3"),
        ];
        assert_eq!(standing(seen), pair(PairVerdict::Lethal, "r2"));
    }
}
