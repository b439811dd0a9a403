//! What each way on from here would cost. Expectations from the fit as it stands; nothing here changes a verdict.

use super::{
    HOUR, MINUTE, Micros,
    attribution::{Attribution, Explanation},
    candidate::{Change, Changes},
    evidence::{PathCost, Paths},
    stats::{Z95, poisson_interval},
};
use crate::domain::{
    finding::{Estimate, Kind},
    step::Action,
    time,
};

/// How long freezing is counted, and every path at most.
const HORIZON: Micros = 8 * HOUR;
/// How long taking it back is taken to last.
const BACK: Micros = 15 * MINUTE;
/// Shares that a push without a plan is taken to go through.
const LADDER: [f64; 7] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0];

/// What is known when the paths are asked for.
pub(crate) struct Fork<'a> {
    pub(crate) changes: &'a Changes,
    pub(crate) it: &'a Attribution,
    pub(crate) explanation: &'a Explanation,
    /// Crashes beyond expectation so far: what the size of harm rests on.
    pub(crate) excess: f64,
    pub(crate) clients_each: f64,
    pub(crate) at: Micros,
}

impl Fork<'_> {
    /// The paths, where a change is blamed.
    pub(crate) fn paths(&self) -> Option<Paths> {
        let change = self.explanation.change?;
        let share = self.share_now(change);
        // Harm by hour if all of the fleet were reached and all could be harmed.
        let full = self.fleet() * self.it.unit * self.explanation.size;
        let (going_on, pace) = self.going_on(change, share);
        let hours = |from: f64, to: f64, length: Micros| self.harm(from, to) * length as f64 / HOUR as f64;
        let sum = |legs: &[(f64, f64, Micros)]| legs.iter().map(|leg| hours(leg.0, leg.1, leg.2)).sum::<f64>() * full;
        let switch = match change {
            Change::Flag(_) => true,
            Change::Push(number) => self.changes.pushes[number].begun.as_ref().is_some_and(|begun| begun.switchable),
        };
        let mut assumptions = vec![
            format!("The harm goes on as it does now: {} Nothing else changes.", self.follows()),
            pace,
            "Taking it back lasts 15 minutes.".to_owned(),
            "Every path is counted for at most 8 hours.".to_owned(),
        ];
        if switch {
            assumptions
                .push("The flag reaches everybody within a minute, and nothing harmful stays behind.".to_owned());
        }
        Some(Paths {
            at: time::from_micros(self.at),
            share,
            going_on: self.cost(sum(&going_on)),
            freezing: self.cost(sum(&[(share, share, HORIZON)])),
            rolling_back: self.cost(sum(&[(share, 0.0, BACK)])),
            flag_off: switch.then(|| self.cost(sum(&[(share, share, MINUTE)]))),
            assumptions,
        })
    }

    /// Harm at shares from `a` to `b` on the mean, as a part of the whole: victims are what has not been reached, for
    /// collateral harm, and what has been, for any other. The exact mean over a linear way between the two.
    fn harm(&self, a: f64, b: f64) -> f64 {
        match self.explanation.kind {
            Kind::Collateral if self.by_presence() => {
                if a.max(b) > 0.0 {
                    1.0 - (a + b) / 2.0
                } else {
                    0.0
                }
            }
            Kind::Collateral => (a + b) / 2.0 - (a * a + a * b + b * b) / 3.0,
            Kind::Rollback => 1.0 - (a + b) / 2.0,
            Kind::Itself | Kind::Mixed | Kind::Flag | Kind::Ambient => (a + b) / 2.0,
        }
    }

    fn by_presence(&self) -> bool {
        use super::attribution::Shape;
        matches!(self.explanation.shape, Shape::PresentAnywhere | Shape::PresentInCell | Shape::EverPresent)
    }

    fn follows(&self) -> &'static str {
        match self.explanation.kind {
            Kind::Collateral if self.by_presence() => {
                "releases that are not the pushed one crash while any of it runs."
            }
            Kind::Collateral => "it follows the share of the pushed release times the share of the others.",
            Kind::Itself | Kind::Mixed => "it follows the share of the pushed release.",
            Kind::Flag => "it follows the share of the flag.",
            Kind::Rollback => "it follows the share of the release that comes back.",
            Kind::Ambient => "no change explains it.",
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
    fn going_on(&self, change: Change, share: f64) -> (Vec<(f64, f64, Micros)>, String) {
        let Change::Push(number) = change else {
            return (vec![(share, share, HORIZON)], "The flag stays where it is.".to_owned());
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
        let pace = match (advances.first(), advances.last()) {
            (Some(first), Some(last)) if gaps > 0 => ((last - first) / gaps).clamp(5 * MINUTE, 4 * HOUR),
            _ => HOUR,
        };
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
            format!("Going on takes the usual shares, {} minutes each, the pace so far.", pace / MINUTE)
        } else {
            "Going on follows the plan of the push.".to_owned()
        };
        (legs, sentence)
    }

    /// Expected crashes with the doubt of the harm's size and of chance, and their clients.
    fn cost(&self, crashes: f64) -> PathCost {
        let doubt = Z95 / self.excess.max(1.0).sqrt();
        let (low, _) = poisson_interval((crashes * (1.0 - doubt).max(0.05)).max(0.0));
        let (_, high) = poisson_interval(crashes * (1.0 + doubt));
        let high = if crashes < 1e-3 { 0.0 } else { high };
        let of = |factor: f64| Estimate {
            estimate: super::cost::round(crashes * factor),
            low: super::cost::round(low * factor),
            high: super::cost::round(high * factor),
        };
        PathCost { crashes: of(1.0), clients: of(self.clients_each) }
    }
}
