//! The power ledger: for each step of a push, the smallest harm that the time at it could have shown. A stage that could only have
//! shown a hundredfold harm was no test; here that is said in a number.

use super::{
    HOUR, Judge, Micros, Room,
    change::Push,
    frame::Frame,
    report::smallest_ratio,
    watch::{ALL_WEIGHT, has_past},
};
use crate::domain::time::{self, Time, as_text};
use serde::Serialize;

/// What one step could have shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepPower {
    /// The step.
    #[serde(with = "as_text")]
    pub at: Time,
    /// Until when it is counted: the next step, or now.
    #[serde(with = "as_text")]
    pub until: Time,
    /// The smallest ratio of the pushed release's crash rate to its usual one that could have raised an alarm within the step; none
    /// where no ratio could, or no past is known.
    pub own: Option<f64>,
    /// The same for the releases beside it, in the cells in which it runs.
    pub beside: Option<f64>,
}

/// No step is counted for longer.
const LONGEST: Micros = 48 * HOUR;

impl Judge {
    /// The power of every step of a push that raised its share, in order; empty where the push is not known.
    pub fn power(&self, push: &str, now: Time) -> Vec<StepPower> {
        let Some(push) = self.changes.find_push(push).map(|number| &self.changes.pushes[number]) else {
            return Vec::new();
        };
        let Some(begun) = &push.begun else { return Vec::new() };
        let Some(room) = self.places.get(&(begun.service.clone(), begun.environment.clone())) else {
            return Vec::new();
        };
        let room = &self.rooms[*room];
        let now = time::micros(now);
        let raised = (0..push.steps.len()).filter(|index| push.raised(*index) && push.steps[*index].at < now);
        raised.map(|index| self.of_step(push, &begun.release, room, index, now)).collect()
    }

    fn of_step(&self, push: &Push, release: &str, room: &Room, index: usize, now: Micros) -> StepPower {
        let from = push.steps[index].at;
        let next = push.steps.get(index + 1).map_or(now, |step| step.at);
        let until = next.min(room.site.known_until(now)).min(from + LONGEST).max(from);
        let mut power =
            StepPower { at: time::from_micros(from), until: time::from_micros(until), own: None, beside: None };
        let known = room.site.releases.find(release).filter(|_| has_past(&room.normal, &self.settings));
        let (Some(release), true) = (known, until > from) else { return power };
        let pushes = self.changes.pushes_of(&room.site.service, &room.site.environment);
        let frame = Frame::new(&room.site, &pushes, from, until, 300);
        let expected = room.normal.expected(&frame, &|_| true);
        let (mut own, mut beside) = (0.0, 0.0);
        for (at, mean) in expected.iter().enumerate() {
            let (block, place) = (at / frame.width(), at % frame.width());
            let (start, end) = frame.blocks[block];
            // The step lies inside its block: only the rest of it counts.
            let mean = mean * (end - from.clamp(start, end)) as f64 / (end - start).max(1) as f64;
            let (other, cell) = frame.population(place);
            if usize::from(other) == release {
                own += mean;
            } else if frame.share(block, release as u16, cell) > 0.0 {
                beside += mean;
            }
        }
        let threshold = self.settings.alarm / ALL_WEIGHT;
        power.own = smallest_ratio(own, threshold);
        power.beside = smallest_ratio(beside, threshold);
        power
    }
}
