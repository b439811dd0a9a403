//! The facts of a postmortem: read from the record at every view, never kept and never typed by anybody. Plain values; how
//! they are said and drawn is the page's business.

mod decisions;
mod impact;
mod lines;
#[cfg(test)]
mod tests;

pub use decisions::{Decision, Way, WayOn};
pub use impact::{Impact, Measure};
pub use lines::{Line, LineKind};

use super::Error;
use crate::{
    domain::{
        Time,
        finding::{Ending, SuspectKind},
        flag::FlagChanged,
        note::Note,
        step::{Action, PushStep},
        time,
    },
    judge::Judge,
    store::{
        Read,
        changes::Push,
        findings::{Sighting, StoredContinuation, StoredRegression},
        holds::{GateAsked, Hold, Reply},
        incidents::{ActionItem, Incident},
    },
};
use std::collections::HashMap;

/// How much before the onset and after the end is told, minutes.
const MARGIN: i64 = 60;
/// How many regressions are looked through for the same signature.
const LOOKED_THROUGH: i64 = 1000;

/// The change that is blamed.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// A push.
    Push(Box<Push>),
    /// A flag change.
    Flag(Box<FlagChanged>),
}

/// What a fact rests on: what one follows to check it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A push as it was announced.
    Push(String),
    /// One step of a push.
    Step(String, Time),
    /// What the judge said.
    Regression(String),
    /// A flag change: its id, service and flag.
    FlagChange(String, String, String),
    /// A note of a service; notes have no page of their own.
    Note(String),
}

impl Source {
    /// The ledger's name for it; none where entries are not found by name.
    pub fn subject(&self) -> Option<String> {
        match self {
            Source::Push(id) => Some(format!("push:{id}")),
            Source::Step(push, at) => Some(format!("step:{push}@{}", time::text(*at))),
            Source::Regression(id) => Some(format!("regression:{id}")),
            Source::FlagChange(change, ..) => Some(format!("flag:{change}")),
            Source::Note(_) => None,
        }
    }
}

/// When what happened. Every instant that did not come is none.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyTimes {
    /// When the first report since the onset that carries the harm reached us.
    pub first_received: Option<Time>,
    /// Who first had it on the screen.
    pub first_seen: Option<(Time, String)>,
    /// The first hold since the onset.
    pub first_hold: Option<(Time, String)>,
    /// The first step since the onset that held the change or took it back.
    pub stopped: Option<(Time, Action)>,
}

/// A regression that looked the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// The regression.
    pub regression: StoredRegression,
    /// Incidents opened from it, each with the action items that are still open.
    pub incidents: Vec<(Incident, Vec<ActionItem>)>,
}

/// Everything that the record says about one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The regression behind it.
    pub regression: StoredRegression,
    /// The change that is blamed, where one is and is known here.
    pub trigger: Option<Trigger>,
    /// What was counted, and what is estimated from it.
    pub impact: Vec<Impact>,
    /// When what happened.
    pub times: KeyTimes,
    /// Everything in order of time.
    pub lines: Vec<Line>,
    /// Every step that went on, with what was known.
    pub decisions: Vec<Decision>,
    /// How many steps the blamed push took in all.
    pub steps: usize,
    /// Who looked when.
    pub sightings: Vec<Sighting>,
    /// Who asked for a stop.
    pub holds: Vec<Hold>,
    /// Other regressions with a signature of this one.
    pub recurrence: Vec<Earlier>,
    /// The span that is told.
    pub span: (Time, Time),
    /// Numbers of ledger entries by subject.
    pub entries: HashMap<String, i64>,
}

impl Facts {
    /// The ledger's entry behind a source.
    pub fn entry(&self, source: &Source) -> Option<i64> {
        self.entries.get(&source.subject()?).copied()
    }

    /// Whether it ended because no victim was left, which nobody may call a recovery.
    pub fn ran_out(&self) -> bool {
        self.regression.finding.ended_because == Some(Ending::VictimsGone)
    }
}

/// What was recorded beside a blamed change.
#[derive(Default)]
struct Beside {
    steps: Vec<PushStep>,
    changes: Vec<FlagChanged>,
    holds: Vec<Hold>,
    gates: Vec<GateAsked>,
    replies: Vec<Reply>,
    notes: Vec<Note>,
    sightings: Vec<Sighting>,
    continuations: Vec<StoredContinuation>,
}

/// Reads the facts; none where the incident was opened without a regression.
pub fn facts(read: &mut Read<'_>, judge: &Judge, incident: &Incident, now: Time) -> Result<Option<Facts>, Error> {
    let Some(id) = &incident.regression else { return Ok(None) };
    let regression = read.regression(id)?.ok_or_else(|| Error::no("regression", id))?;
    let trigger = trigger(read, &regression)?;
    let onset = regression.finding.onset.at;
    let end = regression.finding.ended_at.unwrap_or(now);
    let begun = match &trigger {
        Some(Trigger::Push(push)) => push.started.at,
        Some(Trigger::Flag(change)) => change.at,
        None => onset,
    };
    let from = onset.min(begun.max(onset - time::minutes(24 * 60))) - time::minutes(MARGIN);
    let span = (from, (end + time::minutes(MARGIN)).min(now));
    let beside = beside(read, &regression, &trigger, span)?;
    let (impact, times) = impact::count(read, judge, &regression, &trigger, &beside, end)?;
    let decisions = decisions::decisions(read, judge, &regression, &beside)?;
    let lines = lines::lines(&regression, &trigger, &beside);
    let mut facts = Facts {
        impact,
        times,
        decisions,
        lines,
        steps: beside.steps.len(),
        sightings: beside.sightings,
        holds: beside.holds,
        recurrence: recurrence(read, &regression)?,
        span,
        entries: HashMap::new(),
        trigger,
        regression,
    };
    let mut subjects: Vec<String> = facts.lines.iter().filter_map(|line| line.source.subject()).collect();
    subjects.push(format!("incident:{}", incident.id));
    subjects.sort();
    subjects.dedup();
    // Later entries come first, so that collecting leaves the first entry of each subject.
    facts.entries = read.first_entries(&subjects)?.into_iter().collect();
    Ok(Some(facts))
}

fn trigger(read: &mut Read<'_>, regression: &StoredRegression) -> Result<Option<Trigger>, Error> {
    Ok(match regression.finding.blamed() {
        Some(suspect) if suspect.kind == SuspectKind::Push => {
            read.push(&suspect.id)?.map(|push| Trigger::Push(Box::new(push)))
        }
        Some(suspect) => read.flag_change(&suspect.id)?.map(|change| Trigger::Flag(Box::new(change))),
        None => None,
    })
}

fn beside(
    read: &mut Read<'_>,
    regression: &StoredRegression,
    trigger: &Option<Trigger>,
    (from, to): (Time, Time),
) -> Result<Beside, Error> {
    let id = &regression.finding.id;
    let mut beside = Beside {
        sightings: read.sightings(id)?,
        continuations: read.continuations_of(id)?,
        notes: read.notes_between(&regression.finding.service, from, to)?,
        ..Beside::default()
    };
    match trigger {
        Some(Trigger::Push(push)) => {
            let push = &push.started.push;
            beside.steps = read.steps(push)?;
            beside.holds = read.holds_of(push)?;
            beside.gates = read.gate_answers(push)?;
            beside.replies = read.replies(push)?;
        }
        Some(Trigger::Flag(change)) => {
            beside.changes = read.flag_changes_between(Some(&change.service), from, to)?;
            beside.changes.retain(|it| it.flag == change.flag && it.environment == change.environment);
        }
        None => {}
    }
    Ok(beside)
}

fn recurrence(read: &mut Read<'_>, regression: &StoredRegression) -> Result<Vec<Earlier>, Error> {
    let this = &regression.finding;
    let same: Vec<StoredRegression> = read
        .regressions(LOOKED_THROUGH)?
        .into_iter()
        .filter(|other| other.finding.id != this.id && other.finding.service == this.service)
        .filter(|other| other.finding.signatures.iter().any(|signature| this.signatures.contains(signature)))
        .collect();
    let open = read.open_action_items()?;
    let mut found = Vec::with_capacity(same.len());
    for regression in same {
        let incidents = read.incidents_of(&regression.finding.id)?;
        let items = |incident: &Incident| open.iter().filter(|item| item.incident == incident.id).cloned().collect();
        let incidents = incidents.into_iter().map(|incident| (incident.clone(), items(&incident))).collect();
        found.push(Earlier { regression, incidents });
    }
    Ok(found)
}
