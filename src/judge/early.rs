//! What is looked at before it is an alarm: while a change has only begun, waiting costs most, and most can still be spared.

use super::{
    HOUR, Judge, Micros,
    candidate::{Candidate, Change},
    case::Case,
    watch::{Level, Reading},
};
use std::cmp::Ordering;

/// The part of an alarm from which a change that has only begun is looked at.
const SOONER: f64 = 0.1;
/// The share from which a change has reached most of what it could harm.
const MOST: f64 = 0.5;

impl Judge {
    /// Whether a change is moving that has reached somebody, and not yet most of them.
    pub(crate) fn can_spare(&self, candidates: &[Candidate], now: Micros) -> bool {
        let few = |change: Change| {
            let reached = self.changes.reached(change, now);
            reached > 0.0 && reached < MOST
        };
        candidates.iter().any(|it| it.is_moving(now) && few(it.change))
    }

    /// Whether a level says nothing new, since what it shows was said already and is only short of an alarm.
    fn awaits_alarm(&self, room: usize, level: Level) -> bool {
        let has = |case: &Case| match level {
            Level::All => true,
            Level::Signature(signature) => case.wants(signature),
        };
        self.cases.iter().any(|case| case.room == room && case.awaits_alarm() && has(case))
    }

    /// Where what was said short of an alarm has come to one, it is the alarm's: it is no longer watched, and may stop a push.
    pub(crate) fn reach_alarm(&mut self, room: usize, now: Micros) {
        for number in 0..self.cases.len() {
            let case = &self.cases[number];
            if case.room != room || !case.awaits_alarm() {
                continue;
            }
            let loud = self.rooms[room].readings.iter().filter(|it| it.evidence >= it.threshold).copied();
            let (all, own): (Vec<Reading>, Vec<Reading>) = loud.partition(|it| it.level == Level::All);
            let own =
                own.into_iter().find(|it| matches!(it.level, Level::Signature(signature) if case.wants(signature)));
            let Some(reading) = own.or(all.first().copied()) else { continue };
            let before = (case.e_value, case.threshold);
            self.alarm_by(number, Some((now, reading)));
            self.look(room, now);
            let is_loud = |it: &Reading| it.level == Level::All && it.evidence >= it.threshold;
            if reading.level == Level::All && self.rooms[room].readings.iter().any(is_loud) {
                // Everything together is in alarm without it too.
                self.alarm_by(number, None);
                (self.cases[number].e_value, self.cases[number].threshold) = before;
                self.look(room, now);
            }
        }
    }

    fn alarm_by(&mut self, number: usize, alarm: Option<(Micros, Reading)>) {
        let case = &mut self.cases[number];
        case.alarmed = alarm.map(|it| it.0);
        if let Some((_, reading)) = alarm {
            (case.e_value, case.threshold) = (reading.evidence, reading.threshold);
            // It is looked at anew and told at once.
            (case.reviewed, case.told) = (Micros::MIN, Micros::MIN);
        }
        self.explain(number);
    }

    /// Opens a case for what is short of an alarm while a change is in flight: only where that change explains it nearly for certain is
    /// it said, as early as that.
    pub(crate) fn open_early(&mut self, number: usize, now: Micros) {
        let room = &self.rooms[number];
        let candidates = self.changes.candidates(&room.site, now, now);
        let part = if self.can_spare(&candidates, now) { SOONER } else { self.settings.hold / self.settings.alarm };
        let rank = |it: &&Reading| (it.level != Level::All, it.evidence / it.threshold);
        let near = room
            .readings
            .iter()
            .filter(|it| it.evidence >= part * it.threshold && !self.awaits_alarm(number, it.level));
        let Some(top) = near.max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(Ordering::Equal)).copied() else {
            return;
        };
        let signatures = match top.level {
            Level::Signature(signature) => vec![signature],
            Level::All => Vec::new(),
        };
        if let Some(unsaid) = self.cases.iter_mut().find(|it| it.room == number && it.number == 0 && it.is_watched()) {
            if unsaid.is_early() && unsaid.signatures == signatures {
                unsaid.loud = now;
            }
            return;
        }
        let just_now = |case: &Case| case.room == number && case.over().is_some_and(|over| now - over < 2 * HOUR);
        // Trouble that goes on comes in waves: what comes beside it waits for an alarm.
        let beside = room.site.beside.iter().any(|it| it.has(&|signature| top.level.has(signature)));
        if beside || !candidates.iter().any(|it| it.is_moving(now)) || self.cases.iter().any(just_now) {
            return;
        }
        let known = room.site.signatures.len() as u32;
        let (e_value, threshold) = (top.evidence, part * top.threshold);
        self.open(Case { alarm: now, room: number, signatures, known, e_value, threshold, ..Case::default() });
    }
}
