//! The timeline in words: every record that bears on the incident, in order of time.

use super::{Beside, Source, Trigger};
use crate::{
    domain::{
        Time,
        finding::{Decision, Known},
        flag::FlagChanged,
        step::{Action, PushStep},
    },
    store::findings::StoredRegression,
};

/// What a line tells.
#[derive(Debug, Clone, PartialEq)]
pub enum LineKind {
    /// A push was begun.
    Begun(String),
    /// A step, with its share, and what was known if it went on after the onset.
    Step(Action, Option<f64>, Option<Known>),
    /// A flag change: the shares before and after, and what was known if it went on.
    Flag(Option<f64>, Option<f64>, Option<Known>),
    /// The harm began.
    ImpactBegins,
    /// The harm could be read here.
    Detected,
    /// Somebody had it on the screen.
    Looked,
    /// The gate was asked.
    Gate(Decision),
    /// Somebody asked for a stop.
    Held,
    /// A hold was lifted.
    Lifted,
    /// Somebody wrote a note.
    Note,
    /// The harm ended.
    ImpactEnds,
    /// The release was marked as bad.
    MarkedBad,
    /// What was said was overturned.
    Withdrawn,
    /// The open risk was closed by showing a fix.
    RiskClosed,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// When.
    pub at: Time,
    /// What.
    pub kind: LineKind,
    /// What a person said with it.
    pub words: Option<String>,
    /// Who; none where Pushback itself speaks.
    pub actor: Option<String>,
    /// What it rests on.
    pub source: Source,
}

pub(super) fn lines(regression: &StoredRegression, trigger: &Option<Trigger>, beside: &Beside) -> Vec<Line> {
    let mut lines = said_by_judge(regression);
    let known = |at: Time| beside.continuations.iter().find(|it| it.finding.step_at == at).map(|it| it.finding.known);
    if let Some(Trigger::Push(push)) = trigger {
        let source = Source::Push(push.started.push.clone());
        let begun = LineKind::Begun(push.started.push.clone());
        lines.push(line(
            push.started.at,
            begun,
            push.started.purpose.clone(),
            Some(&push.started.actor),
            source.clone(),
        ));
        if let Some(bad) = &push.bad {
            lines.push(line(bad.at, LineKind::MarkedBad, Some(bad.reason.clone()), Some(&bad.actor), source.clone()));
        }
        for gate in &beside.gates {
            lines.push(line(gate.at, LineKind::Gate(gate.decision), None, Some(&gate.actor), source.clone()));
        }
        for hold in &beside.holds {
            lines.push(line(hold.at, LineKind::Held, Some(hold.reason.clone()), Some(&hold.actor), source.clone()));
            if let Some(it) = &hold.lifted {
                lines.push(line(it.at, LineKind::Lifted, Some(it.reason.clone()), Some(&it.actor), source.clone()));
            }
        }
    }
    lines.extend(beside.steps.iter().map(|it| step(it, known(it.at))));
    lines.extend(beside.changes.iter().map(|it| change(it, known(it.at))));
    let looked = Source::Regression(regression.finding.id.clone());
    lines.extend(
        beside.sightings.iter().map(|it| line(it.first_at, LineKind::Looked, None, Some(&it.person), looked.clone())),
    );
    lines.extend(beside.notes.iter().map(|it| {
        let source = it.push.clone().map_or_else(|| Source::Note(regression.finding.service.clone()), Source::Push);
        line(it.at, LineKind::Note, Some(it.text.clone()), Some(&it.actor), source)
    }));
    lines.sort_by_key(|line| line.at);
    lines
}

fn said_by_judge(regression: &StoredRegression) -> Vec<Line> {
    let it = &regression.finding;
    let source = Source::Regression(it.id.clone());
    let mut lines = vec![
        line(it.onset.at, LineKind::ImpactBegins, None, None, source.clone()),
        line(it.detected_at, LineKind::Detected, None, None, source.clone()),
    ];
    if let Some(at) = it.ended_at {
        lines.push(line(at, LineKind::ImpactEnds, None, None, source.clone()));
    }
    if let Some(withdrawn) = &it.withdrawn {
        lines.push(line(withdrawn.at, LineKind::Withdrawn, Some(withdrawn.why.clone()), None, source.clone()));
    }
    if let Some(closed) = &regression.risk_closed {
        let words = Some(closed.reason.clone());
        lines.push(line(closed.at, LineKind::RiskClosed, words, Some(&closed.actor), source));
    }
    lines
}

fn step(it: &PushStep, known: Option<Known>) -> Line {
    let kind = LineKind::Step(it.action, it.percent.map(|percent| percent.value()), known);
    line(it.at, kind, it.reason.clone(), Some(&it.actor), Source::Step(it.push.clone(), it.at))
}

fn change(it: &FlagChanged, known: Option<Known>) -> Line {
    let shares = (it.percent_before().map(|it| it.value()), it.percent_after().map(|it| it.value()));
    let source = Source::FlagChange(it.change.clone(), it.service.clone(), it.flag.clone());
    line(it.at, LineKind::Flag(shares.0, shares.1, known), it.reason.clone(), Some(&it.actor), source)
}

fn line(at: Time, kind: LineKind, words: Option<String>, actor: Option<&String>, source: Source) -> Line {
    Line { at, kind, words, actor: actor.cloned(), source }
}
