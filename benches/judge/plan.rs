//! What people do in one history: pushes with their steps, flag changes, by the minute. What comes of it is elsewhere.

use crate::{
    dice::Dice,
    spec::{End, Scenario, When},
};
use pushback::domain::step::Action;

/// Minutes until a step has reached everybody it is meant for.
const RAMP: f64 = 5.0;

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// The minute, from the start of the live part.
    pub at: i64,
    /// What it does.
    pub action: Action,
    /// The share of each cell once it is done.
    pub cells: Vec<f64>,
}

/// A push.
#[derive(Debug, Clone)]
pub struct Push {
    /// Its id.
    pub id: String,
    /// What it pushes, by place.
    pub service: usize,
    /// What it brings.
    pub release: String,
    /// What it replaces.
    pub previous: String,
    /// Whether programs take the steps.
    pub automatic: bool,
    /// In order.
    pub steps: Vec<Step>,
    /// When its steps were meant to be, taken or not.
    pub scheduled: Vec<i64>,
}

impl Push {
    /// The share of a cell in a minute.
    pub fn share(&self, cell: usize, minute: i64) -> f64 {
        let mut share = 0.0;
        for step in self.steps.iter().take_while(|step| step.at <= minute) {
            share += (step.cells[cell] - share) * ((minute - step.at + 1) as f64 / RAMP).min(1.0);
        }
        share
    }
}

/// A flag change.
#[derive(Debug, Clone)]
pub struct FlagChange {
    /// Its id.
    pub id: String,
    /// The flag.
    pub flag: String,
    /// Who reads it, by place.
    pub service: usize,
    /// The minute.
    pub at: i64,
    /// The share before.
    pub before: f64,
    /// The share after.
    pub after: f64,
}

/// All that people do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In the order in which releases follow each other.
    pub pushes: Vec<Push>,
    /// In order of time, flag by flag.
    pub flags: Vec<FlagChange>,
    /// How it ends.
    pub end: End,
    /// Minutes by which everything that the file fixes is moved.
    pub moved: i64,
}

impl Plan {
    /// What people do in this replicate. `cells` are the cells of each service, by place.
    pub fn new(spec: &Scenario, names: &[String], cells: &[usize], end: End, dice: &mut Dice) -> Plan {
        let place = |name: &str| names.iter().position(|it| it == name).unwrap_or(0);
        let moved = dice.below(41) as i64;
        let mut plan = Plan { pushes: Vec::new(), flags: Vec::new(), end, moved };
        if spec.world.past_push {
            let first = (-spec.world.history_days * 1440.0) as i64 + 600 + dice.below(240) as i64;
            let steps = [(0, 0.05), (50, 0.2), (100, 0.5), (150, 0.8), (200, 1.0)];
            let mut push = lay("past-1", 0, "A", "A0", first, &steps, cells[0], true, dice);
            push.automatic = true;
            plan.pushes.push(push);
        }
        for it in &spec.pushes {
            let service = place(&it.service);
            let steps = it.pace.steps();
            let (at, cells) = (it.at + moved, cells[service]);
            let mut push = lay(&it.id, service, &it.release, &it.previous, at, &steps, cells, it.waves, dice);
            push.automatic = it.automatic;
            plan.pushes.push(push);
        }
        for it in &spec.flags {
            let mut before = 0.0;
            for (index, (after_minutes, share)) in it.steps.iter().enumerate() {
                plan.flags.push(FlagChange {
                    id: format!("{}-{}", it.flag, index + 1),
                    flag: it.flag.clone(),
                    service: place(&it.service),
                    at: it.at + moved + after_minutes,
                    before,
                    after: *share,
                });
                before = *share;
            }
        }
        plan.finish(spec, cells, dice);
        plan
    }

    /// The push or flag that people turn back, repair or stop: the first harm's, or the first push.
    fn finish(&mut self, spec: &Scenario, cells: &[usize], dice: &mut Dice) {
        let change = spec.harms.iter().find_map(|harm| harm.change.clone());
        let push = match &change {
            Some(id) => self.pushes.iter().position(|push| push.id == *id),
            None => self.pushes.iter().position(|push| !push.id.starts_with("past")),
        };
        match (self.end, push) {
            (End::GoesOn, _) => {}
            (End::RolledBack | End::Stopped, Some(push)) => {
                let push = &mut self.pushes[push];
                let last = push.steps.len() - 1;
                let step = last.min(3 + dice.below(3));
                let at = push.steps[step].at + 20 + dice.below(30) as i64;
                let (action, cells) = match self.end {
                    End::RolledBack => (Action::RollBack, vec![0.0; push.steps[step].cells.len()]),
                    _ => (Action::Stop, push.steps[step].cells.clone()),
                };
                push.steps.truncate(step + 1);
                push.steps.push(Step { at, action, cells });
            }
            (End::Hotfix, Some(push)) => {
                let broken = self.pushes[push].clone();
                let at = broken.steps.last().map_or(0, |step| step.at) + 60 + dice.below(60) as i64;
                let steps = [(0, 0.1), (10, 0.5), (20, 1.0)];
                let of = broken.service;
                let fix = lay("push-fix", of, "fixed", &broken.release, at, &steps, cells[of], true, dice);
                self.pushes.push(fix);
            }
            (End::FlagReverted, _) => {
                let flag = change.as_deref().and_then(|id| id.rsplit_once('-')).map(|it| it.0.to_owned());
                let last = self.flags.iter().filter(|it| Some(&it.flag) == flag.as_ref()).max_by_key(|it| it.at);
                if let Some(last) = last.cloned() {
                    let at = last.at + 120 + dice.below(60) as i64;
                    let id = format!("{}-back", last.flag);
                    self.flags.push(FlagChange { id, at, before: last.after, after: 0.0, ..last });
                }
            }
            (End::RolledBack | End::Stopped | End::Hotfix, None) => {}
        }
    }

    /// The push with this id.
    pub fn push(&self, id: &str) -> Option<&Push> {
        self.pushes.iter().find(|push| push.id == id)
    }

    /// The minute that a scenario file means.
    pub fn minute(&self, when: &When) -> i64 {
        match when {
            When::Minute(minute) => minute + self.moved,
            When::Step { of, step, after } => {
                let scheduled = self.push(of).map_or(&[][..], |push| &push.scheduled);
                scheduled.get(*step).or(scheduled.last()).copied().unwrap_or(0) + after
            }
        }
    }

    /// The share of a flag in a minute.
    pub fn flag_share(&self, flag: &str, minute: i64) -> f64 {
        let of = self.flags.iter().filter(|it| it.flag == flag && it.at <= minute);
        of.max_by_key(|it| it.at).map_or(0.0, |it| it.after)
    }

    /// The flag that an effect's dose names, with or without the number of a change.
    pub fn flag_of(&self, dose: &str) -> Option<&str> {
        self.flags.iter().find(|it| it.flag == dose || it.id == dose).map(|it| it.flag.as_str())
    }
}

/// Lays a push out over cells; with waves, cells get there one after the other, in an order that chance chooses.
#[allow(clippy::too_many_arguments)]
fn lay(
    id: &str,
    service: usize,
    release: &str,
    previous: &str,
    at: i64,
    steps: &[(i64, f64)],
    cells: usize,
    waves: bool,
    dice: &mut Dice,
) -> Push {
    let mut order: Vec<usize> = (0..cells).collect();
    for place in (1..cells).rev() {
        order.swap(place, dice.below(place + 1));
    }
    let lag = |cell: usize| if waves && cells > 1 { 0.6 + 1.2 * order[cell] as f64 / (cells - 1) as f64 } else { 1.0 };
    let mut laid = Vec::new();
    for (index, (minutes, share)) in steps.iter().enumerate() {
        let jitter = if index == 0 { 0 } else { dice.below(4) as i64 };
        let cells = (0..cells).map(|cell| share.powf(lag(cell))).collect();
        laid.push(Step { at: at + minutes + jitter, action: Action::Advance, cells });
    }
    if let Some(last) = laid.last().cloned()
        && steps.last().is_some_and(|step| step.1 >= 1.0)
    {
        let at = last.at + 30;
        laid.push(Step { at, action: Action::Complete, cells: last.cells });
    }
    let scheduled = laid.iter().map(|step| step.at).collect();
    let (id, release, previous) = (id.to_owned(), release.to_owned(), previous.to_owned());
    Push { id, service, release, previous, automatic: false, steps: laid, scheduled }
}
