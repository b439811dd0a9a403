//! The steps of a push, with what was known when each was taken, what the gate answered, and what came after.

use super::facts::Facts;
use crate::{
    domain::{
        Time,
        finding::{Decision, Known},
        step::{Action, PushStep},
        time,
    },
    flows::guard_push::override_in,
    store::findings::StoredContinuation,
    timeline,
    web::{
        Frame,
        frame::short,
        href::{self, part},
        pages::words::{self, Range, Verdict},
    },
};

/// A line of the table.
pub enum Row {
    /// Something that happened between two steps.
    Divider(String),
    /// A step.
    Step(Box<StepRow>),
}

/// A step, ready to print.
pub struct StepRow {
    /// The anchor.
    pub anchor: String,
    /// When, UTC.
    pub when: String,
    /// When, where the reader is.
    pub local: Option<String>,
    /// What the step did, where it was not an advance.
    pub action: Option<&'static str>,
    /// The share that it brought.
    pub to: Option<String>,
    /// Who took it.
    pub who: String,
    /// What that person did otherwise.
    pub who_href: String,
    /// Whether a program took it with nobody looking.
    pub automatic: bool,
    /// How long the stage before had run.
    pub bake: Option<String>,
    /// How long it was to run by plan, where that is longer.
    pub bake_of: Option<String>,
    /// The symbol of what was known, or of the action.
    pub icon: &'static str,
    /// What was known, where it went on after an onset.
    pub known: Option<&'static str>,
    /// The same in words.
    pub detail: String,
    /// The timeline as it was just before.
    pub as_was: Option<String>,
    /// The actor's reason.
    pub reason: Option<String>,
    /// Why a release that was marked as bad was gone back to all the same.
    pub over: Option<String>,
    /// What the gate answered, where it was asked.
    pub asked: Option<Verdict>,
    /// What it would have said, where it was not asked.
    pub would: Option<&'static str>,
    /// The victims' crashes since the onset.
    pub since: Option<i64>,
    /// What came after: drawn, and in figures.
    pub after: Option<(String, Range)>,
    /// Whether it came after an onset.
    pub after_onset: bool,
}

/// The rows of the table, in order of time.
pub fn rows(facts: &Facts, frame: &Frame) -> Vec<Row> {
    let mut events: Vec<(Time, Row)> = Vec::new();
    for it in &facts.blamed {
        let (id, onset) = (&it.finding.id, it.finding.onset);
        let said = |at: Time, text: String| (at, Row::Divider(text));
        let interval = format!("{} to {}", frame.when(onset.earliest), frame.when(onset.latest));
        events.push(said(onset.at, format!("{} onset of {id} ({interval})", frame.when(onset.at))));
        let detected = it.finding.detected_at;
        events.push(said(detected, format!("{} {id} detected", frame.when(detected))));
        if let (Some(at), Some(ending)) = (it.finding.ended_at, it.finding.ended_because) {
            events.push(said(at, format!("{} {id} ended: {}", frame.when(at), ending.says())));
        }
    }
    let most = scale(facts);
    for (index, step) in facts.steps.iter().enumerate() {
        events.push((step.at, Row::Step(Box::new(row(facts, index, step, most, frame)))));
    }
    // At one instant the step comes first: what it began is told after it.
    events.sort_by_key(|(at, row)| (*at, matches!(row, Row::Divider(_))));
    events.into_iter().map(|(_, row)| row).collect()
}

/// The end of the scale that the column of excesses shares.
fn scale(facts: &Facts) -> f64 {
    let after = facts.continuations.iter().map(|it| it.finding.excess_crashes.high);
    facts.blamed.iter().map(|it| it.finding.excess_crashes.high).chain(after).fold(1.0, f64::max)
}

fn row(facts: &Facts, index: usize, step: &PushStep, most: f64, frame: &Frame) -> StepRow {
    let continuation = facts.continuation(step);
    let first = facts.first();
    let onset = first.map(|it| it.finding.onset.at);
    let after_onset = onset.is_some_and(|onset| step.at > onset) && continuation.is_some();
    let excess = match (continuation, first) {
        (Some(it), _) => Some(it.finding.excess_crashes),
        (None, Some(it)) if step.at <= it.finding.onset.at => Some(it.finding.excess_crashes),
        (None, _) => None,
    };
    let asked = facts.asked_for(index);
    let would = facts.gates.iter().find(|gate| gate.at == step.at).map(|gate| gate.decision.word());
    let (bake, bake_of) = baked(facts, index);
    StepRow {
        anchor: format!("step-{}", index + 1),
        when: frame.when(step.at),
        local: frame.local_hm(step.at),
        action: (step.action != Action::Advance).then(|| step.action.says()),
        to: step.percent.map(|percent| format!("{percent} %")),
        who: short(&step.actor).to_owned(),
        who_href: format!("/people/{}", part(&step.actor)),
        automatic: step.automatic,
        bake,
        bake_of,
        icon: continuation.map_or(words::action_icon(step.action), |it| it.finding.known.word()),
        known: continuation.map(|it| it.finding.known.word()),
        detail: detail(facts, step, continuation, frame),
        as_was: continuation.filter(|it| it.finding.known != Known::Undetected).map(|_| as_was(facts, step.at)),
        reason: step.reason.clone(),
        over: override_in(&step.extra).map(str::to_owned),
        asked: asked.map(|it| it.decision.into()),
        would: would.filter(|_| asked.is_none()),
        since: onset.filter(|onset| step.at > *onset).map(|_| counted(facts, step.at)),
        after: excess.map(|it| (timeline::interval(it.estimate, it.low, it.high, most), it.into())),
        after_onset,
    }
}

/// The victims' crashes from the onset to an instant.
fn counted(facts: &Facts, until: Time) -> i64 {
    facts.crashes.iter().filter(|crash| crash.at <= until).map(|crash| crash.crashes).sum()
}

fn as_was(facts: &Facts, at: Time) -> String {
    let place = facts.first().map_or((&facts.push.started.service, &facts.push.started.environment), |it| {
        (&it.finding.service, &it.finding.environment)
    });
    href::known_at(place.0, place.1, at)
}

/// How long the stage before this step had run, and how long it was to run where that is longer.
fn baked(facts: &Facts, index: usize) -> (Option<String>, Option<String>) {
    let Some(before) = index.checked_sub(1).map(|before| &facts.steps[before]) else { return (None, None) };
    let minutes = words::minutes_between(before.at, facts.steps[index].at);
    let planned = before.percent.and_then(|percent| {
        facts.push.started.plan.iter().find(|stage| stage.percent == percent).and_then(|stage| stage.soak_minutes)
    });
    let of = planned.filter(|planned| *planned > minutes as f64).map(|planned| format!("of {planned:.0}"));
    (Some(words::span(minutes)), of)
}

/// What was known then, in words.
fn detail(facts: &Facts, step: &PushStep, continuation: Option<&StoredContinuation>, frame: &Frame) -> String {
    let Some(it) = continuation else { return uncontinued(facts, step) };
    let finding = &it.finding;
    let regression = facts.blamed.iter().find(|known| known.finding.id == finding.regression);
    let who = short(&step.actor);
    match finding.known {
        Known::Undetected => "nobody could have read it here yet".into(),
        Known::Detected => {
            let before = regression.map(|it| words::minutes_between(it.finding.detected_at, step.at));
            format!("{} before; not opened by {who}", words::span(before.unwrap_or(0)))
        }
        Known::Seen => facts
            .sightings
            .get(&finding.regression)
            .and_then(|seen| seen.iter().find(|it| it.person.eq_ignore_ascii_case(&step.actor)))
            .map_or("it had been told".into(), |it| format!("opened at {}", frame.when(it.first_at))),
        Known::Overrode => overrode(facts, step),
    }
}

/// What a step went past.
fn overrode(facts: &Facts, step: &PushStep) -> String {
    let place = facts.steps.iter().position(|other| other.at == step.at).unwrap_or_default();
    let stopped = facts.asked_for(place).is_some_and(|it| it.decision == Decision::Stop);
    let mut held: Vec<String> = facts
        .holds
        .iter()
        .filter(|hold| hold.at < step.at && hold.in_force_at(step.at))
        .map(|hold| short(&hold.actor).to_owned())
        .collect();
    held.dedup();
    match (stopped, held.is_empty()) {
        (true, true) => "the gate’s stop".into(),
        (true, false) => format!("the gate’s stop, and the hold of {}", words::listed(&held)),
        (false, false) => format!("the hold of {}", words::listed(&held)),
        (false, true) => "a stop".into(),
    }
}

fn uncontinued(facts: &Facts, step: &PushStep) -> String {
    let Some(first) = facts.first() else { return "no regression is blamed on it".into() };
    let finding = &first.finding;
    if step.at <= finding.onset.at {
        "before the onset".into()
    } else if finding.ended_at.is_some_and(|ended| step.at >= ended) {
        format!("after {} had ended", finding.id)
    } else {
        "did not raise its share".into()
    }
}

/// The heading of the table as CSV.
pub const HEADING: [&str; 22] = [
    "push",
    "service",
    "environment",
    "release",
    "previous",
    "at",
    "action",
    "percent",
    "actor",
    "automatic",
    "reason",
    "regression",
    "known",
    "gate_asked",
    "gate_would_have_said",
    "crashes_since_onset",
    "excess_after",
    "excess_after_low",
    "excess_after_high",
    "clients_dropped_after",
    "clients_dropped_after_low",
    "clients_dropped_after_high",
];

/// The steps as rows of CSV, one for each, with the continuation that each is.
pub fn csv(facts: &Facts) -> Vec<Vec<String>> {
    let started = &facts.push.started;
    let onset = facts.first().map(|it| it.finding.onset.at);
    let row = |(index, step): (usize, &PushStep)| {
        let it = facts.continuation(step).map(|it| &it.finding);
        let figure = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let would = facts.gates.iter().find(|gate| gate.at == step.at).map(|gate| gate.decision.word());
        let since = onset.filter(|onset| step.at > *onset).map(|_| counted(facts, step.at).to_string());
        vec![
            started.push.clone(),
            started.service.clone(),
            started.environment.clone(),
            started.release.clone(),
            started.previous.clone().unwrap_or_default(),
            time::text(step.at),
            step.action.word().into(),
            step.percent.map_or(String::new(), |percent| percent.to_string()),
            step.actor.clone(),
            step.automatic.to_string(),
            step.reason.clone().unwrap_or_default(),
            it.map_or(String::new(), |it| it.regression.clone()),
            it.map_or(String::new(), |it| it.known.word().into()),
            facts.asked_for(index).map_or(String::new(), |it| it.decision.word().into()),
            would.unwrap_or_default().into(),
            since.unwrap_or_default(),
            figure(it.map(|it| it.excess_crashes.estimate)),
            figure(it.map(|it| it.excess_crashes.low)),
            figure(it.map(|it| it.excess_crashes.high)),
            figure(it.map(|it| it.clients_dropped.estimate)),
            figure(it.map(|it| it.clients_dropped.low)),
            figure(it.map(|it| it.clients_dropped.high)),
        ]
    };
    facts.steps.iter().enumerate().map(row).collect()
}
