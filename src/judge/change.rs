//! Pushes and flag changes as the judge keeps them: shares over time. Whether one of them harms is decided elsewhere.

use super::Micros;
use crate::domain::{
    flag::{self, FlagChanged},
    push::{PushKind, PushStarted},
    step::{Action, PushStep},
    time,
};

/// A push with its steps in order of their times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Push {
    pub(crate) id: String,
    /// None while only steps are known.
    pub(crate) begun: Option<Begun>,
    pub(crate) steps: Vec<Step>,
}

/// What a push's first line says.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) service: String,
    pub(crate) environment: String,
    pub(crate) release: String,
    pub(crate) previous: Option<String>,
    pub(crate) at: Micros,
    pub(crate) rollback: bool,
    /// Whether everything that it ships can be turned off by flag.
    pub(crate) switchable: bool,
    /// The intended shares, each with the minutes that it is to run.
    pub(crate) plan: Vec<(f64, Option<f64>)>,
}

/// One step of a push, with the share that it leads to.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) at: Micros,
    pub(crate) actor: String,
    pub(crate) action: Action,
    /// The share of the fleet after it, 0 to 1.
    pub(crate) share: f64,
    pub(crate) cells: Vec<(String, f64)>,
    stated: Option<f64>,
}

impl Push {
    /// Takes the first line in.
    pub(crate) fn begin(&mut self, line: &PushStarted) {
        self.begun = Some(Begun {
            service: line.service.clone(),
            environment: line.environment.clone(),
            release: line.release.clone(),
            previous: line.previous.clone(),
            at: time::micros(line.at),
            rollback: line.kind == PushKind::Rollback,
            switchable: line.can_be_turned_off(),
            plan: line.plan.iter().map(|stage| (stage.percent.share(), stage.soak_minutes)).collect(),
        });
    }

    /// Takes a step in, at its place in time; false where it was there already.
    pub(crate) fn step(&mut self, line: &PushStep) -> bool {
        let at = time::micros(line.at);
        if self.steps.iter().any(|step| step.at == at && step.action == line.action && step.actor == line.actor) {
            return false;
        }
        let place = self.steps.partition_point(|step| step.at <= at);
        let cells = line.cells.iter().map(|(cell, percent)| (cell.clone(), percent.share())).collect();
        let stated = line.percent.map(|percent| percent.share());
        let step = Step { at, actor: line.actor.clone(), action: line.action, share: 0.0, cells, stated };
        self.steps.insert(place, step);
        let mut share = 0.0;
        for step in &mut self.steps {
            let of_cells = step.cells.iter().map(|(_, share)| *share).sum::<f64>() / step.cells.len().max(1) as f64;
            share =
                match (step.stated, step.action) {
                    (Some(stated), _) => stated,
                    (None, Action::RollBack) => 0.0,
                    (None, Action::Complete) => 1.0,
                    (None, Action::Advance | Action::Pause | Action::Resume | Action::Stop) => {
                        if step.cells.is_empty() { share } else { of_cells }
                    }
                };
            step.share = share;
        }
        true
    }

    /// The last step at or before `at`.
    pub(crate) fn step_at(&self, at: Micros) -> Option<&Step> {
        // Most pushes are over when they are looked at.
        match self.steps.last() {
            Some(last) if last.at <= at => Some(last),
            _ => self.steps[..self.steps.partition_point(|step| step.at <= at)].last(),
        }
    }

    /// The intended share of the fleet at `at`.
    pub(crate) fn share(&self, at: Micros) -> f64 {
        self.step_at(at).map_or(0.0, |step| step.share)
    }

    /// The intended share of one cell at `at`.
    pub(crate) fn share_in(&self, cell: &str, at: Micros) -> f64 {
        self.step_at(at).map_or(0.0, |step| share_of(step, cell))
    }

    /// When it first exposed anybody.
    pub(crate) fn first_exposed(&self) -> Option<Micros> {
        self.steps
            .iter()
            .find(|step| step.share > 0.0 || step.cells.iter().any(|(_, share)| *share > 0.0))
            .map(|it| it.at)
    }

    /// The last time that it moved.
    pub(crate) fn last_moved(&self) -> Option<Micros> {
        self.steps.last().map(|step| step.at).or(self.begun.as_ref().map(|begun| begun.at))
    }

    /// The last moment at which it was being taken back.
    pub(crate) fn taken_back(&self) -> Option<Micros> {
        self.steps.iter().rev().find(|step| step.action == Action::RollBack).map(|step| step.at)
    }

    /// Whether the step at `index` brought the release to more of the fleet than before.
    pub(crate) fn raised(&self, index: usize) -> bool {
        let Some(step) = self.steps.get(index) else { return false };
        let before = index.checked_sub(1).map(|before| &self.steps[before]);
        let was = before.map_or(0.0, |step| step.share);
        let in_a_cell =
            step.cells.iter().any(|(cell, share)| *share > before.map_or(0.0, |before| share_of(before, cell)) + 1e-9);
        match step.action {
            Action::Advance | Action::Resume | Action::Complete => step.share > was + 1e-9 || in_a_cell,
            Action::Pause | Action::Stop | Action::RollBack => false,
        }
    }
}

fn share_of(step: &Step, cell: &str) -> f64 {
    step.cells.iter().find(|(name, _)| name == cell).map_or(step.share, |(_, share)| *share)
}

/// One flag change.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    pub(crate) id: String,
    pub(crate) flag: String,
    pub(crate) service: String,
    pub(crate) environment: String,
    pub(crate) at: Micros,
    pub(crate) actor: String,
    /// The share before, 0 to 1; where the rule names none, none.
    pub(crate) before: Option<f64>,
    /// The share after.
    pub(crate) after: Option<f64>,
    cells: Vec<(String, f64)>,
    cells_before: Vec<(String, f64)>,
}

impl Flag {
    pub(crate) fn new(line: &FlagChanged) -> Flag {
        let cells = |rule: &Option<serde_json::Map<String, serde_json::Value>>| {
            let names = rule.as_ref().and_then(|rule| rule.get("cells")).and_then(|cells| cells.as_object());
            let share = |cell: &str| rule.as_ref().and_then(|rule| flag::percent_in(rule, cell)).map(|it| it.share());
            names
                .map(|names| names.keys().filter_map(|cell| Some((cell.clone(), share(cell)?))).collect())
                .unwrap_or_default()
        };
        Flag {
            id: line.change.clone(),
            flag: line.flag.clone(),
            service: line.service.clone(),
            environment: line.environment.clone(),
            at: time::micros(line.at),
            actor: line.actor.clone(),
            before: line.percent_before().map(|percent| percent.share()),
            after: line.percent_after().map(|percent| percent.share()),
            cells: cells(&line.after),
            cells_before: cells(&line.before),
        }
    }

    /// The share after the change in one cell; a rule without shares counts as all.
    pub(crate) fn share_in(&self, cell: &str) -> f64 {
        in_cell(&self.cells, cell).or(self.after).unwrap_or(1.0)
    }

    fn share_before_in(&self, cell: &str) -> f64 {
        in_cell(&self.cells_before, cell).or(self.before).unwrap_or(0.0)
    }

    /// Whether it widened the flag's audience.
    pub(crate) fn widened(&self) -> bool {
        self.after.unwrap_or(1.0) > self.before.unwrap_or(0.0) + 1e-9
            || self.cells.iter().any(|(cell, share)| *share > self.share_before_in(cell) + 1e-9)
    }
}

fn in_cell(cells: &[(String, f64)], cell: &str) -> Option<f64> {
    cells.iter().find(|(name, _)| name == cell).map(|(_, share)| *share)
}

/// How far a flag stands, at `at` in one cell, from where it stood before the change `first`: 0 to 1. `changes` are all
/// changes of that flag, in order of their times.
pub(crate) fn flag_dose(changes: &[&Flag], first: usize, cell: &str, at: Micros) -> f64 {
    let Some(start) = changes.get(first).filter(|start| start.at <= at) else { return 0.0 };
    let base = start.share_before_in(cell);
    let place = changes.partition_point(|change| change.at <= at);
    let now = changes[..place].last().map_or(base, |change| change.share_in(cell));
    if start.share_in(cell) >= base { (now - base).max(0.0) } else { (base - now).max(0.0) }
}
