//! Whether what is about to be said was said already, and what becomes of two that are one.

use super::{HOUR, Judge, Micros, case::View};
use crate::domain::finding::BLAME;

impl Judge {
    /// A regression of the same service with the same blame that goes on.
    pub(crate) fn same_as(&self, number: usize) -> Option<usize> {
        let case = &self.cases[number];
        (0..self.cases.len()).find(|other| {
            let it = &self.cases[*other];
            *other != number
                && it.room == case.room
                && it.number > 0
                && it.withdrawn.is_none()
                && it.blamed() == case.blamed()
                && it.ended.is_none_or(|ended| {
                    case.onset.at - ended.0 < if it.blamed().is_some() { HOUR / 2 } else { 2 * HOUR }
                })
        })
    }

    /// Adds the signatures of a case to another that is the same harm.
    pub(crate) fn merge(&mut self, number: usize, into: usize, now: Micros) {
        self.detected -= 1;
        self.cases[number].number = 0;
        self.cases[number].dropped = true;
        self.join(number, into);
        self.cases[into].alarmed = self.cases[into].alarmed.or(self.cases[number].alarmed);
        self.reopen(into);
        self.explain(into);
        if self.cases[into].parted_at.is_some() {
            // That more is nobody's too: so much is to be expected from now on.
            self.part(into, Some(now));
        }
        let room = self.cases[number].room;
        self.rooms[room].watch.forget();
        self.review(into, now);
    }

    /// Adds the signatures of a case to another.
    fn join(&mut self, number: usize, into: usize) {
        let (signatures, known) = (self.cases[number].signatures.clone(), self.cases[number].known);
        let into = &mut self.cases[into];
        if into.signatures.is_empty() || signatures.is_empty() {
            into.signatures.clear();
            into.known = into.known.max(known);
        } else {
            into.signatures.extend(signatures);
            into.signatures.sort_unstable();
            into.signatures.dedup();
        }
    }

    /// Whether two troubles of usual crashes that nobody is blamed for, each looked at by itself, would together be a change's: what
    /// rises here and there, at one time and another, is weather.
    pub(crate) fn blames_only_together(&mut self, number: usize, other: usize, now: Micros) -> bool {
        if self.cases[number].blamed().is_some() || !self.is_usual(number) {
            return false;
        }
        let apart = (self.cases[other].signatures.clone(), self.cases[other].known);
        self.join(number, other);
        let blames = |view: View| view.changes.first().is_some_and(|it| it.1 >= BLAME);
        let together = self.view(other, now).is_some_and(blames);
        (self.cases[other].signatures, self.cases[other].known) = apart;
        together
    }
}
