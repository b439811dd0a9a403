//! What came before: trouble without a change that was said of the same service or the same signatures, and when it turns out to have
//! been a change's after all.

use super::{HOUR, Judge, Micros, case::Case, review::CLOSED};
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
                && case.parted_at.is_none()
                && case.over().is_none_or(|over| until - over < 2 * HOUR)
        });
        beside.map(|(_, case)| (case.onset.at, case.over().unwrap_or(until))).collect()
    }

    /// Since when it is still asked who is behind a regression that goes on. The past is not read into that: the regression's crashes are
    /// left out of it, and with what ran meanwhile everything that crashes on would look like harm.
    pub(crate) fn asked_from(&self, room: usize, now: Micros) -> Micros {
        let asked = self
            .cases
            .iter()
            .filter(|case| case.room == room && case.number > 0 && case.is_watched() && now - case.alarm <= CLOSED);
        asked.map(|case| case.onset.earliest.min(case.alarm - HOUR)).min().unwrap_or(Micros::MAX)
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
        usize::from(self.is_beside(number)) + shared.map(|other| 1 + other.returns).sum::<usize>()
    }

    /// Goes on with a case that was taken for over. That it came and went is remembered.
    pub(crate) fn reopen(&mut self, number: usize) {
        let case = &mut self.cases[number];
        case.returns += usize::from(case.over().is_some());
        (case.ended, case.quiet) = (None, None);
    }

    /// Where a change is blamed, what went quiet beside it before and crashed alike was the first of it, unless that was before it can have
    /// begun.
    pub(crate) fn take_back_quiet(&mut self, number: usize, now: Micros) {
        let Some(change) = self.cases[number].blamed() else { return };
        let it = &self.cases[number];
        let alike = |other: &Case| other.signatures.iter().any(|signature| it.signatures.contains(signature));
        let first = |other: &Case| {
            let goes_on = other.number > 0 && other.quiet.is_some() && other.is_watched();
            goes_on && other.room == it.room && alike(other) && it.onset.earliest <= other.onset.latest
        };
        let first: Vec<usize> = (0..self.cases.len()).filter(|other| first(&self.cases[*other])).collect();
        for other in first {
            let what = self.changes.id(change);
            let why = format!("Further crashes of the kind follow {what}: see {}.", self.cases[number].id());
            self.cases[other].withdrawn = Some(Withdrawn { at: time::from_micros(now), why });
            self.tell(other, now, true);
            // What it explained is the change's.
            let room = &mut self.rooms[self.cases[other].room];
            room.site.explained.retain(|it| it.case != other);
            room.watch.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            Record,
            finding::{Suspect, SuspectKind},
        },
        judge::{MINUTE, candidate::Change, onset::Began, site::Explained},
    };

    /// A judge of one push with a case that went quiet after crashes from `first` on, and one that is blamed on the push from its begin.
    fn judge(first: Micros, signature: u32) -> Judge {
        let mut judge = Judge::default();
        let line = r#"{"type":"push_started","push":"relay-118","at":"1970-01-01T01:00:00Z","service":"relay","environment":"production","release":"B","actor":"dana@example.com"}"#;
        judge.observe(&Record::parse(line).expect("a push"));
        let onset = |at: Micros| Began { at, earliest: at, latest: at };
        let (quiet, blamed) = (Some(first + 10 * MINUTE), Some(Change::Push(0)));
        let suspect =
            Suspect { kind: SuspectKind::Push, id: "relay-118".into(), probability: 0.99, why: String::new() };
        judge.cases = vec![
            Case { number: 1, signatures: vec![7], onset: onset(first), quiet, ..Case::default() },
            Case {
                number: 2,
                signatures: vec![signature],
                onset: onset(HOUR),
                blames: blamed,
                suspects: vec![suspect],
                ..Case::default()
            },
        ];
        judge.rooms[0].site.explained.push(Explained {
            case: 0,
            signatures: vec![7],
            known: 8,
            from: first,
            to: first,
            watched: false,
        });
        judge
    }

    #[test]
    fn what_went_quiet_is_taken_back_where_a_push_is_blamed_for_more_of_the_same() {
        let mut told = judge(2 * HOUR, 7);
        told.take_back_quiet(1, 4 * HOUR);
        let withdrawn = told.cases[0].withdrawn.as_ref().expect("withdrawn");
        assert_eq!(withdrawn.at, time::from_micros(4 * HOUR));
        assert!(withdrawn.why.contains("relay-118") && withdrawn.why.contains("r2"), "{}", withdrawn.why);
        assert!(told.rooms[0].site.explained.is_empty(), "what it explained is the push's");
        // Other crashes, and crashes from before the push, are something else.
        for mut told in [judge(2 * HOUR, 8), judge(HOUR / 2, 7)] {
            told.take_back_quiet(1, 4 * HOUR);
            assert!(told.cases[0].withdrawn.is_none() && told.rooms[0].site.explained.len() == 1);
        }
    }
}
