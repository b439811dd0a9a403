//! How these pages say verdicts, levels of knowledge, shares, spans and estimates. No decisions here.

use crate::{
    domain::{
        Time,
        finding::{Decision, Ending, Estimate, Kind, Known, Regression},
        step::Action,
    },
    timeline::two_digits,
};

/// The symbol of a gate's answer.
pub fn decision_icon(decision: Decision) -> &'static str {
    match decision {
        Decision::Go => "go",
        Decision::Hold => "wait",
        Decision::Stop => "stop",
    }
}

/// The symbol of a step by what it does.
pub fn action_icon(action: Action) -> &'static str {
    match action {
        Action::Advance | Action::Resume => "step",
        Action::Pause => "pause",
        Action::Stop => "halt",
        Action::RollBack => "back",
        Action::Complete => "done",
    }
}

/// A gate's answer, ready to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `go`, `hold` or `stop`.
    pub word: &'static str,
    /// Its symbol.
    pub icon: &'static str,
    /// Whether it is a stop, which is the only one with a colour.
    pub stops: bool,
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Verdict {
        Verdict { word: decision.word(), icon: decision_icon(decision), stops: decision == Decision::Stop }
    }
}

/// An estimate with its interval, ready to print: two digits each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The best single answer.
    pub estimate: String,
    /// The low end.
    pub low: String,
    /// The high end.
    pub high: String,
}

impl From<Estimate> for Range {
    fn from(it: Estimate) -> Range {
        // Below one crash an estimate has no two digits to speak of.
        let figure = |value: f64| if value < 0.95 { format!("{:.0}", value.max(0.0)) } else { two_digits(value) };
        Range { estimate: figure(it.estimate), low: figure(it.low), high: figure(it.high) }
    }
}

/// A ratio of rates, ready to print: two digits, below one too.
pub fn ratio(it: Estimate) -> Range {
    Range { estimate: two_digits(it.estimate), low: two_digits(it.low), high: two_digits(it.high) }
}

/// A number of minutes in words: `48 min`, `2 h 5 min`, `3 days`.
pub fn span(minutes: i64) -> String {
    match minutes.max(0) {
        m if m < 120 => format!("{m} min"),
        m if m < 48 * 60 && m % 60 == 0 => format!("{} h", m / 60),
        m if m < 48 * 60 => format!("{} h {} min", m / 60, m % 60),
        m => format!("{} days", m / (24 * 60)),
    }
}

/// Whole minutes from one instant to another.
pub fn minutes_between(from: Time, to: Time) -> i64 {
    (to - from).num_minutes()
}

/// Names in a row: `A`, `A and B`, `A, B and C`.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The victims' names in a row.
pub fn victims(it: &Regression) -> String {
    listed(&it.victims.iter().map(|victim| victim.release.clone()).collect::<Vec<_>>())
}

/// The victims as the start of a sentence about several crashes; where nobody knows the release, the service.
pub fn whose(it: &Regression) -> String {
    if it.victims.is_empty() { it.service.clone() } else { victims(it) }
}

/// Where a regression stands, in words.
pub fn standing(it: &Regression) -> &'static str {
    match (&it.withdrawn, it.ended_because) {
        (Some(_), _) => "withdrawn",
        (None, None) => "going on",
        (None, Some(Ending::VictimsGone)) => "ran out of victims",
        (None, Some(ending)) => ending.says(),
    }
}

/// What kind of harm it is, in a few words.
pub fn kind_says(kind: Kind) -> &'static str {
    match kind {
        Kind::Itself => "the pushed release crashes",
        Kind::Collateral => "others crash because of it",
        Kind::Mixed => "it crashes, and others because of it",
        Kind::Flag => "follows a flag change",
        Kind::Rollback => "began with a rollback",
        Kind::Ambient => "no change explains it",
    }
}

/// Words as a sentence: with a capital letter and a full stop.
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// What was known at most among several steps.
pub fn most_known(known: impl Iterator<Item = Known>) -> Option<Known> {
    known.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_below_one_crash_is_said_as_a_whole_number() {
        let range = Range::from(Estimate { estimate: 0.4, low: 0.0, high: 113.4 });
        assert_eq!((range.estimate.as_str(), range.low.as_str(), range.high.as_str()), ("0", "0", "110"));
    }

    #[test]
    fn a_span_is_said_in_the_unit_that_people_use() {
        let said = [48, 125, 180, 3 * 24 * 60 + 5].map(span);
        assert_eq!(said, ["48 min", "2 h 5 min", "3 h", "3 days"]);
    }
}
