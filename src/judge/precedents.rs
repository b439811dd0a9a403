//! What came before: trouble without a change that was said of the same service or the same signatures.

use super::{HOUR, Judge, Micros};
use crate::domain::finding::Kind;

/// So many times before without a change is a habit.
pub(crate) const HABIT: usize = 2;

impl Judge {
    /// Trouble of the same service that no change explains and that was said, going on or lately over.
    pub(crate) fn spells_beside(&self, number: usize, until: Micros) -> Vec<(Micros, Micros)> {
        let beside = self.cases.iter().enumerate().filter(|(other, case)| {
            *other != number
                && case.room == self.cases[number].room
                && case.number > 0
                && case.withdrawn.is_none()
                && case.kind == Kind::Ambient
                && case.ended.is_none_or(|ended| until - ended.0 < 2 * HOUR)
        });
        beside.map(|(_, case)| (case.onset.at, case.ended.map_or(until, |ended| ended.0))).collect()
    }

    /// How often, in the two weeks before, one of a case's signatures crashed too much and went quiet again without a change behind it.
    pub(crate) fn precedents(&self, number: usize) -> usize {
        const REMEMBERED: Micros = 14 * 24 * HOUR;
        let case = &self.cases[number];
        let before = self.cases.iter().filter(|other| {
            other.room == case.room
                && other.number > 0
                && other.withdrawn.is_none()
                && other.blamed().is_none()
                && other.ended.is_some_and(|ended| ended.0 < case.alarm && case.alarm - ended.0 < REMEMBERED)
        });
        let shared = before.filter(|other| other.signatures.iter().any(|it| case.signatures.contains(it)));
        shared.map(|other| 1 + other.returns).sum()
    }

    /// Goes on with a case that was taken for over. That it came and went is remembered.
    pub(crate) fn reopen(&mut self, number: usize) {
        let case = &mut self.cases[number];
        case.returns += usize::from(case.ended.take().is_some());
    }
}
