//! What each way on from here would cost. Expectations from the fit as it stands; nothing here changes a verdict.

use super::{
    HOUR, MINUTE, Micros,
    attribution::{Attribution, Explanation},
    candidate::{Change, Changes},
    evidence::{PathCost, Paths, WayBack},
    shape::Shape,
    site::Site,
    stats::{Z95, poisson_interval},
};
use crate::domain::{
    finding::{Estimate, Kind},
    step::Action,
    time,
};

/// How long freezing is counted, and every path at most.
const HORIZON: Micros = 8 * HOUR;
/// How long taking it back is taken to last where the service was never seen to do so.
const BACK: Micros = 15 * MINUTE;
/// How long a stage is taken to last where nothing is known of the pace.
const PACE: Micros = HOUR;
/// Explanations of a change that are less probable than this part of it are not priced.
const WORTH_PRICING: f64 = 0.05;
/// Shares that a push without a plan is taken to go through.
const LADDER: [f64; 7] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0];

/// What is known when the paths are asked for.
pub(crate) struct Fork<'a> {
    pub(crate) site: &'a Site,
    pub(crate) changes: &'a Changes,
    pub(crate) it: &'a Attribution,
    pub(crate) explanation: &'a Explanation,
    /// Crashes beyond expectation so far: what the size of harm rests on.
    pub(crate) excess: f64,
    pub(crate) clients_each: f64,
    pub(crate) at: Micros,
}

/// A stretch of time in which the share moves evenly: from, to, how long.
type Leg = (f64, f64, Micros);

/// How harm of one explanation follows the share of its change.
#[derive(Clone, Copy)]
struct Course {
    kind: Kind,
    shape: Shape,
    /// How probable it is among the explanations of its change.
    weight: f64,
    /// Harm by hour if all of the fleet were reached and all could be harmed.
    full: f64,
}

impl Course {
    /// Harm at shares from `a` to `b` on the mean, as a part of the whole: victims are what has not been reached, for
    /// collateral harm, and what has been, for any other. The exact mean over a linear way between the two.
    fn harm(&self, (a, b): (f64, f64)) -> f64 {
        let untouched = 1.0 - (a + b) / 2.0;
        match (self.kind, self.shape) {
            // Once it was there, those that are left crash whether it still is or not.
            (Kind::Collateral, Shape::EverPresent) => untouched,
            (Kind::Collateral, Shape::PresentAnywhere | Shape::PresentInCell) => {
                if a.max(b) > 0.0 {
                    untouched
                } else {
                    0.0
                }
            }
            (Kind::Collateral, _) => (a + b) / 2.0 - (a * a + a * b + b * b) / 3.0,
            (Kind::Rollback, _) => untouched,
            (Kind::Itself | Kind::Mixed | Kind::Flag | Kind::Ambient, _) => (a + b) / 2.0,
        }
    }

    /// Expected crashes along legs.
    fn sum(&self, legs: &[Leg]) -> f64 {
        legs.iter().map(|leg| self.harm((leg.0, leg.1)) * leg.2 as f64 / HOUR as f64).sum::<f64>() * self.full
    }

    fn follows(&self) -> &'static str {
        match (self.kind, self.shape) {
            (Kind::Collateral, Shape::EverPresent) => {
                "releases that are not the pushed one crash from its beginning on, even after it is gone."
            }
            (Kind::Collateral, Shape::PresentAnywhere | Shape::PresentInCell) => {
                "releases that are not the pushed one crash while any of it runs."
            }
            (Kind::Collateral, _) => "it follows the share of the pushed release times the share of the others.",
            (Kind::Itself | Kind::Mixed, _) => "it follows the share of the pushed release.",
            (Kind::Flag, _) => "it follows the share of the flag.",
            (Kind::Rollback, _) => "it follows the share of the release that comes back.",
            (Kind::Ambient, _) => "no change explains it.",
        }
    }
}

impl Fork<'_> {
    /// The paths, where a change is blamed.
    pub(crate) fn paths(&self) -> Option<Paths> {
        let change = self.explanation.change?;
        let share = self.share_now(change);
        let courses = self.courses(change);
        let leader = *courses.first()?;
        let (going_on, pace) = self.going_on(change, share);
        let (back, measured) = self.way_back_lasts(change);
        let rolling_back = |from: f64| [(from, 0.0, back), (0.0, 0.0, (HORIZON - back).max(0))];
        let switch = match change {
            Change::Flag(_) => true,
            Change::Push(number) => self.changes.pushes[number].begun.as_ref().is_some_and(|begun| begun.switchable),
        };
        let stays: f64 = courses.iter().filter(|it| it.shape == Shape::EverPresent).map(|it| it.weight).sum();
        let way_back = if stays >= 0.5 {
            WayBack::NotSafe
        } else if stays >= 0.2 {
            WayBack::NotKnown
        } else {
            WayBack::Ends
        };
        let no_return = (1..100).map(|part| f64::from(part) / 100.0).find(|from| {
            let on = self.going_on(change, *from).0;
            leader.sum(&on) <= leader.sum(&rolling_back(*from))
        });
        let minutes = back / MINUTE;
        let mut assumptions = vec![
            format!("The harm goes on as it does now: {} Nothing else changes.", leader.follows()),
            pace,
            match measured {
                true => format!("Taking it back lasts {minutes} minutes, as this service’s earlier ways back did."),
                false => format!("Taking it back lasts {minutes} minutes; none of this service was seen yet."),
            },
            "Every path is counted for at most 8 hours.".to_owned(),
        ];
        if courses.len() > 1 {
            assumptions.push("Ranges cover every way of harming that is still possible.".to_owned());
        }
        match way_back {
            WayBack::Ends => {}
            WayBack::NotKnown => assumptions
                .push("Whether harm ends with a way back is not known: what it left behind may go on harming.".into()),
            WayBack::NotSafe => {
                assumptions.push("A way back is not safe: what comes back meets what was left behind.".into());
            }
        }
        if switch {
            assumptions
                .push("The flag reaches everybody within a minute, and nothing harmful stays behind.".to_owned());
        }
        Some(Paths {
            at: time::from_micros(self.at),
            share,
            going_on: self.cost(&courses, &going_on),
            freezing: self.cost(&courses, &[(share, share, HORIZON)]),
            rolling_back: self.cost(&courses, &rolling_back(share)),
            flag_off: switch.then(|| self.cost(&courses[..1], &[(share, share, MINUTE)])),
            way_back,
            no_return,
            assumptions,
        })
    }

    /// The ways of harming that the blamed change may have, most probable first; together they weigh one.
    fn courses(&self, change: Change) -> Vec<Course> {
        let own: Vec<&Explanation> = self.it.explanations.iter().filter(|it| it.change == Some(change)).collect();
        let all: f64 = own.iter().map(|it| it.probability).sum::<f64>().max(1e-12);
        let fleet = self.fleet() * self.it.unit;
        let course = |it: &&Explanation| Course {
            kind: it.kind,
            shape: it.shape,
            weight: it.probability / all,
            full: fleet * it.size,
        };
        let mut courses: Vec<Course> = own.iter().map(course).filter(|it| it.weight >= WORTH_PRICING).collect();
        if courses.is_empty() {
            courses.extend(own.first().map(course));
        }
        courses
    }

    /// How long taking it back lasts, and whether earlier ways back of this service say so.
    fn way_back_lasts(&self, change: Change) -> (Micros, bool) {
        match change {
            Change::Flag(_) => (MINUTE, false),
            Change::Push(number) => {
                let usual = self.changes.usual_way_back(self.site, number);
                (usual.unwrap_or(BACK).clamp(MINUTE, HORIZON), usual.is_some())
            }
        }
    }

    /// Exposure of the whole service by hour now.
    fn fleet(&self) -> f64 {
        let frame = &self.it.frame;
        let Some(block) = frame.blocks.len().checked_sub(2).or(frame.blocks.len().checked_sub(1)) else { return 0.0 };
        let (from, to) = frame.blocks[block];
        let ran: f64 = frame.ran[block * frame.width()..(block + 1) * frame.width()].iter().sum();
        ran * HOUR as f64 / (to - from).max(1) as f64
    }

    fn share_now(&self, change: Change) -> f64 {
        match change {
            Change::Push(number) => self.changes.pushes[number].share(self.at),
            Change::Flag(number) => {
                let (line, place) = self.changes.flag_line(number);
                let base = line[place].before.unwrap_or(0.0);
                let now = line.iter().rfind(|it| it.at <= self.at).and_then(|it| it.after).unwrap_or(1.0);
                (now - base).abs()
            }
        }
    }

    /// The legs of going on, each with the share at its start, at its end, and its length; and the sentence on the pace.
    fn going_on(&self, change: Change, share: f64) -> (Vec<Leg>, String) {
        let Change::Push(number) = change else {
            return (vec![(share, share, HORIZON)], "Going on leaves the flag where it is.".to_owned());
        };
        let push = &self.changes.pushes[number];
        let plan = push.begun.as_ref().map(|begun| begun.plan.clone()).unwrap_or_default();
        let advances: Vec<Micros> = push
            .steps
            .iter()
            .filter(|step| step.at <= self.at && matches!(step.action, Action::Advance | Action::Resume))
            .map(|step| step.at)
            .collect();
        let gaps = advances.len().saturating_sub(1) as i64;
        let (pace, whose) = match (advances.first(), advances.last()) {
            (Some(first), Some(last)) if gaps > 0 => ((last - first) / gaps, "the pace so far"),
            _ => match self.changes.usual_pace(number) {
                Some(usual) => (usual, "the usual pace of this service"),
                None => (PACE, "no pace is known yet"),
            },
        };
        let pace = pace.clamp(5 * MINUTE, 4 * HOUR);
        let planned: Vec<(f64, Micros)> = plan
            .iter()
            .filter(|stage| stage.0 > share + 1e-9)
            .map(|stage| (stage.0, stage.1.map_or(pace, |minutes| (minutes * MINUTE as f64) as Micros)))
            .collect();
        let stages = if planned.is_empty() {
            LADDER.iter().filter(|level| **level > share + 1e-9).map(|level| (*level, pace)).collect()
        } else {
            planned
        };
        let mut legs = vec![(share, share, pace)];
        let mut left = HORIZON - pace;
        for (level, length) in stages {
            let length = length.min(left);
            legs.push((level, level, length));
            left -= length;
        }
        let last = legs.last().map_or(share, |leg| leg.1);
        if left > 0 {
            legs.push((last, last, left));
        }
        let sentence = if plan.is_empty() {
            format!("Going on takes the usual shares, {} minutes each: {whose}.", pace / MINUTE)
        } else {
            "Going on follows the plan of the push.".to_owned()
        };
        (legs, sentence)
    }

    /// Expected crashes along legs, over all ways of harming, with the doubt of the way, of the harm's size and of chance; and
    /// their clients.
    fn cost(&self, courses: &[Course], legs: &[Leg]) -> PathCost {
        let all: f64 = courses.iter().map(|it| it.weight).sum::<f64>().max(1e-12);
        let doubt = Z95 / self.excess.max(1.0).sqrt();
        let (mut mean, mut low, mut high) = (0.0, f64::INFINITY, 0.0_f64);
        for course in courses {
            let crashes = course.sum(legs);
            mean += crashes * course.weight / all;
            low = low.min(poisson_interval((crashes * (1.0 - doubt).max(0.05)).max(0.0)).0);
            if crashes >= 1e-3 {
                high = high.max(poisson_interval(crashes * (1.0 + doubt)).1);
            }
        }
        let of = |factor: f64| Estimate {
            estimate: super::cost::round(mean * factor),
            low: super::cost::round(low.min(mean) * factor),
            high: super::cost::round(high.max(mean) * factor),
        };
        PathCost { crashes: of(1.0), clients: of(self.clients_each) }
    }
}
