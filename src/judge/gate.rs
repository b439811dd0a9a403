//! What a push that asks "may I go on?" is told, from what the judge knows. Plans, holds and policies of people are added elsewhere.

use super::{
    HOUR, Judge, MINUTE, Micros, Room,
    candidate::Change,
    case::Case,
    change::Push,
    frame::Frame,
    review::LIKELY,
    site::{BUCKET, Basis, NOBODY},
    watch::has_past,
};
use crate::domain::{
    finding::{Decision, Ending, GateAnswer},
    time,
};

/// How probable harm that is worse than what is to be ruled out may remain: one in ten.
const DOUBT: f64 = 10.0;

/// What must be ruled out before a gate says go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guard {
    /// The ratio of rates, for every population that the push may harm.
    pub rule_out: f64,
    /// Whether "it cannot be told yet" is good enough.
    pub accept_unknown: bool,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard { rule_out: 5.0, accept_unknown: false }
    }
}

impl Judge {
    /// The answer to a push at `now`.
    pub(crate) fn answer(&self, number: usize, now: Micros, guard: &Guard) -> Option<GateAnswer> {
        let push = &self.changes.pushes[number];
        let begun = push.begun.as_ref()?;
        let mut stops = Vec::new();
        let mut holds = Vec::new();
        let around = self.changes.around(&begun.service);
        for case in &self.cases {
            let site = &self.rooms[case.room].site;
            if case.number > 0 && case.withdrawn.is_none() && case.blamed() == Some(Change::Push(number)) {
                let sure = self.is_firm(case);
                match case.ended.map(|ended| ended.1) {
                    // Blamed, but not by far or only just now: that is a reason to wait, not yet one to stop.
                    None if !sure => holds.push(case.id()),
                    // What never came to an alarm does not stop it either, and does not let it go on.
                    Some(Ending::RolledBack | Ending::Stopped | Ending::VictimsGone) if case.alarmed.is_none() => {
                        holds.push(case.id());
                    }
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
            } else if case.blamed().is_none() && case.quiet.is_none() {
                holds.push(case.id());
            }
        }
        if let Some(room) = self.places.get(&(begun.service.clone(), begun.environment.clone())) {
            holds.extend(self.unmet(push, &self.rooms[*room], now, guard));
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

    /// Whether blame is firm enough to stop a push by it. There has to have been an alarm. Crashes that are usual here rise for many
    /// reasons, and waves of them that fit a push by chance fit it less a few minutes later: for those it has to be sure, and to have stood
    /// for a while.
    fn is_firm(&self, case: &Case) -> bool {
        const STOOD: Micros = 5 * MINUTE;
        const FIRM: f64 = 0.95;
        let probability = case.suspects.first().map_or(0.0, |it| it.probability);
        let stood = case.reviewed - case.blamed_at >= STOOD;
        let enough = if case.usual { probability >= FIRM && stood } else { probability >= LIKELY };
        enough && case.streak.1 == 0 && case.alarmed.is_some()
    }

    /// What is not yet known of a push that already reaches somebody, in sentences.
    fn unmet(&self, push: &Push, room: &Room, now: Micros, guard: &Guard) -> Vec<String> {
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
        let until = site.known_until(now);
        let from = first.max(until - 48 * HOUR);
        if until <= from || guard.accept_unknown {
            return unmet;
        }
        let theta = guard.rule_out.max(1.1);
        let mut guarded = Guarded::of(self, room, from, until, release as u16);
        guarded.theta = theta;
        if guarded.is_unsafe(&guarded.own) {
            let rate = room.normal.rate_of_all().max(1e-12);
            let needed = guarded.needed(&guarded.own) / rate;
            let unit = match site.basis() {
                Basis::Instances => "instance-hours",
                Basis::Sessions => "thousand sessions",
                Basis::Shares => "fleet-hours",
            };
            unmet.push(format!(
                "{} {unit} of {} so far; {} are needed to rule out {theta:.0} times its usual crashes.",
                figure(guarded.own.ran),
                begun.release,
                figure(needed.max(guarded.own.ran))
            ));
        }
        if guarded.is_unsafe(&guarded.beside) {
            unmet.push(guarded.says(&format!("the releases beside {}", begun.release), &guarded.beside));
        }
        if guarded.is_unsafe(&guarded.all) {
            unmet.push(guarded.says(&format!("all of {}", site.service), &guarded.all));
        }
        for service in self.changes.around(&site.service).into_iter().filter(|it| *it != site.service) {
            let Some(room) = self.places.get(&(service.clone(), site.environment.clone())).map(|it| &self.rooms[*it])
            else {
                continue;
            };
            if !has_past(&room.normal, &self.settings) {
                continue;
            }
            let (until, none) = (room.site.known_until(now), NOBODY);
            if until > from {
                let it = Guarded { theta, ..Guarded::of(self, room, from, until, none) };
                if it.is_unsafe(&it.all) {
                    unmet.push(it.says(&format!("{service}, which {} talks to", site.service), &it.all));
                }
            }
        }
        unmet
    }
}

/// Crashes of one population since a push first exposed anybody, with what it ran and what was to be expected.
#[derive(Debug, Clone, Copy, Default)]
struct Population {
    ran: f64,
    expected: f64,
    found: f64,
}

/// The populations that a push may harm.
struct Guarded {
    /// The pushed release.
    own: Population,
    /// The others, in cells in which it runs.
    beside: Population,
    /// Everybody.
    all: Population,
    /// The ratio of rates to be ruled out.
    theta: f64,
}

impl Guarded {
    fn of(judge: &Judge, room: &Room, from: Micros, until: Micros, release: u16) -> Guarded {
        let site = &room.site;
        let pushes = judge.changes.pushes_of(&site.service, &site.environment);
        let mut frame = Frame::new(site, &pushes, from, until, ((until - from) / BUCKET + 2).clamp(1, 600) as usize);
        let counts = frame.counts(site, |event| event.counts && event.at >= from);
        let expected = room.normal.expected(&frame, &|_| true);
        let nothing = Population::default();
        let mut guarded = Guarded { own: nothing, beside: nothing, all: nothing, theta: 1.1 };
        for at in 0..counts.len() {
            let (block, place) = (at / frame.width(), at % frame.width());
            let (other, cell) = frame.population(place);
            let add = |to: &mut Population| {
                to.ran += frame.ran[at];
                to.expected += expected[at];
                to.found += counts[at];
            };
            add(&mut guarded.all);
            if other == release {
                add(&mut guarded.own);
            } else if frame.share(block, release, cell) > 0.0 {
                add(&mut guarded.beside);
            }
        }
        guarded
    }

    /// The reverse test: whether harm of this size still explains the population nearly as well as "as usual" does.
    fn is_unsafe(&self, it: &Population) -> bool {
        (self.theta - 1.0) * it.expected - it.found * self.theta.ln() < DOUBT.ln()
    }

    /// How many crashes would have to be expected for it to be ruled out, with those that were found.
    fn needed(&self, it: &Population) -> f64 {
        (DOUBT.ln() + it.found * self.theta.ln()) / (self.theta - 1.0)
    }

    fn says(&self, whose: &str, it: &Population) -> String {
        format!(
            "Of {whose}, {} crashes were to be expected so far, {:.0} came; {} expected ones are needed to rule out {:.0} times as many.",
            figure(it.expected),
            it.found,
            figure(self.needed(it)),
            self.theta
        )
    }
}

fn figure(value: f64) -> String {
    if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
