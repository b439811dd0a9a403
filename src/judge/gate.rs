//! What a push that asks "may I go on?" is told, from what the judge knows. Plans, holds and policies of people are added elsewhere.

use super::{
    HOUR, Judge, MINUTE, Micros, Room,
    candidate::Change,
    change::Push,
    frame::Frame,
    site::{BUCKET, Basis},
    watch::has_past,
};
use crate::domain::{
    finding::{Decision, Ending, GateAnswer},
    time,
};

/// How probable harm that is worse than what is to be ruled out may remain: one in ten.
const DOUBT: f64 = 10.0;

impl Judge {
    /// The answer to a push at `now`.
    pub(crate) fn answer(&self, number: usize, now: Micros) -> Option<GateAnswer> {
        let push = &self.changes.pushes[number];
        let begun = push.begun.as_ref()?;
        let mut stops = Vec::new();
        let mut holds = Vec::new();
        let around = self.changes.around(&begun.service);
        for case in &self.cases {
            let site = &self.rooms[case.room].site;
            if case.number > 0 && case.withdrawn.is_none() && case.blamed() == Some(Change::Push(number)) {
                match case.ended.map(|ended| ended.1) {
                    None | Some(Ending::RolledBack | Ending::Stopped | Ending::VictimsGone) => stops.push(case.id()),
                    Some(Ending::FlagReverted | Ending::Fixed | Ending::Subsided) => {}
                }
                continue;
            }
            if !case.is_watched() || site.environment != begun.environment || !around.contains(&site.service) {
                continue;
            }
            // What is blamed on another change is no reason to hold this one: it may be the way out.
            if case.number == 0 {
                holds.push(format!("More crashes than usual on {}, not yet explained.", site.service));
            } else if case.blamed().is_none() {
                holds.push(case.id());
            }
        }
        if let Some(room) = self.places.get(&(begun.service.clone(), begun.environment.clone())) {
            holds.extend(self.unmet(push, &self.rooms[*room], now));
        }
        if begun.rollback {
            // Going back is not to be held up by what is not yet known.
            holds.clear();
        }
        let decision = match (stops.is_empty(), holds.is_empty()) {
            (false, _) => Decision::Stop,
            (true, false) => Decision::Hold,
            (true, true) => Decision::Go,
        };
        stops.extend(holds);
        Some(GateAnswer { push: push.id.clone(), at: time::from_micros(now), decision, reasons: stops })
    }

    /// What is not yet known of a push that already reaches somebody, in sentences.
    fn unmet(&self, push: &Push, room: &Room, now: Micros) -> Vec<String> {
        let site = &room.site;
        let mut unmet = Vec::new();
        if room.watch.together >= self.settings.hold {
            unmet.push(format!(
                "More crashes than usual on {}: the evidence stands at {:.0}, and {:.0} would be an alarm.",
                site.service, room.watch.together, self.settings.alarm
            ));
        }
        let (Some(first), Some(begun)) = (push.first_exposed(), &push.begun) else { return unmet };
        if let Some(frontier) = site.frontier
            && now - frontier > 20 * MINUTE
        {
            let since = time::from_micros(frontier).format("%-d %B %Y %H:%M");
            unmet.push(format!("Nothing has been heard of what {} runs since {since} UTC.", site.service));
        }
        if !has_past(&room.normal, &self.settings) {
            unmet.push(format!("Not enough is known of the past of {} to hold this push against it.", site.service));
            return unmet;
        }
        let Some(release) = site.releases.find(&begun.release) else { return unmet };
        let pushes = self.changes.pushes_of(&site.service, &site.environment);
        let until = site.known_until(now);
        let from = first.max(until - 48 * HOUR);
        if until <= from {
            return unmet;
        }
        let mut frame = Frame::new(site, &pushes, from, until, ((until - from) / BUCKET + 2).clamp(1, 600) as usize);
        let counts = frame.counts(site, |event| event.counts && event.at >= from);
        let expected = room.normal.expected(&frame, &|_| true);
        let theta = self.settings.rule_out;
        let (mut ran, mut usual, mut found) = (0.0, 0.0, 0.0);
        for at in 0..counts.len() {
            if usize::from(frame.population(at % frame.width()).0) == release {
                ran += frame.ran[at];
                usual += expected[at];
                found += counts[at];
            }
        }
        // The reverse test: how much better "as usual" explains the release than harm of this size does.
        let safety = (theta - 1.0) * usual - found * theta.ln();
        if safety < DOUBT.ln() {
            let rate = room.normal.rate().max(1e-12);
            let needed = (DOUBT.ln() + found * theta.ln()) / (theta - 1.0) / rate;
            let unit = match site.basis() {
                Basis::Instances => "instance-hours",
                Basis::Sessions => "thousand sessions",
                Basis::Shares => "fleet-hours",
            };
            unmet.push(format!(
                "{} {unit} of {} so far; {} are needed to rule out {theta:.0} times its usual crashes.",
                figure(ran),
                begun.release,
                figure(needed.max(ran))
            ));
        }
        unmet
    }
}

fn figure(value: f64) -> String {
    if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
