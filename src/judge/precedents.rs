//! What came before: trouble without a change that was said of the same service or the same signatures, and when it turns out to have
//! been a change's after all.

use super::{HOUR, Judge, Micros, case::Case};
use crate::domain::{
    finding::{Kind, Withdrawn},
    time,
};

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
                && case.over().is_none_or(|over| until - over < 2 * HOUR)
        });
        beside.map(|(_, case)| (case.onset.at, case.over().unwrap_or(until))).collect()
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
                && other.over().is_some_and(|over| over < case.alarm && case.alarm - over < REMEMBERED)
        });
        let shared = before.filter(|other| other.signatures.iter().any(|it| case.signatures.contains(it)));
        shared.map(|other| 1 + other.returns).sum()
    }

    /// Goes on with a case that was taken for over. That it came and went is remembered.
    pub(crate) fn reopen(&mut self, number: usize) {
        let case = &mut self.cases[number];
        case.returns += usize::from(case.over().is_some());
        (case.ended, case.quiet) = (None, None);
    }

    /// Where a push is blamed, what went quiet beside it before and crashed alike was the first of it.
    pub(crate) fn take_back_quiet(&mut self, number: usize, now: Micros) {
        let Some(change) = self.cases[number].blamed() else { return };
        let it = &self.cases[number];
        let alike = |other: &Case| other.signatures.iter().any(|signature| it.signatures.contains(signature));
        let first = |other: &Case| {
            other.room == it.room && other.number > 0 && other.quiet.is_some() && other.is_watched() && alike(other)
        };
        let first: Vec<usize> = (0..self.cases.len()).filter(|other| first(&self.cases[*other])).collect();
        for other in first {
            let what = self.changes.id(change);
            let why = format!("Further crashes of the kind follow {what}: see {}.", self.cases[number].id());
            self.cases[other].withdrawn = Some(Withdrawn { at: time::from_micros(now), why });
            self.tell(other, now, true);
            // What it explained is the push's.
            let room = &mut self.rooms[self.cases[other].room];
            room.site.explained.retain(|it| it.case != other);
            room.watch.forget();
        }
    }
}
