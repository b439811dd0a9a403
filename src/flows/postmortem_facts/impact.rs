//! What was counted and what is estimated from it, and when what happened first.

use super::{Beside, KeyTimes, Trigger};
use crate::{
    domain::{
        Time,
        finding::{Estimate, Kind},
        step::Action,
    },
    flows::Error,
    judge::Judge,
    store::{Read, findings::StoredRegression, telemetry::CrashCount},
};

/// What a row of the impact measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Crashes of the victims beyond their past, from onset to end.
    Crashes,
    /// Those before anybody could have read of it here.
    Before,
    /// Those from then on.
    After,
    /// Clients cut off.
    Clients,
    /// Crashes of the release that was pushed, where it is no victim.
    Pushed,
}

/// One row of the impact.
#[derive(Debug, Clone, PartialEq)]
pub struct Impact {
    /// What it measures.
    pub measure: Measure,
    /// Beyond expectation, with a 95 % interval; none where nothing is estimated.
    pub estimate: Option<Estimate>,
    /// The plain count, which assumes nothing.
    pub counted: i64,
}

/// Counts the impact between onset and end.
pub(super) fn count(
    read: &mut Read<'_>,
    judge: &Judge,
    regression: &StoredRegression,
    trigger: &Option<Trigger>,
    beside: &Beside,
    end: Time,
) -> Result<(Vec<Impact>, KeyTimes), Error> {
    let it = &regression.finding;
    let (onset, detected) = (it.onset.at, it.detected_at);
    let all = read.crash_counts(&it.service, &it.environment, onset, end)?;
    let victims: Vec<&CrashCount> = all.iter().filter(|crash| it.harms(crash.release.as_deref())).collect();
    let examples = read.crash_examples(&it.service, &it.environment, onset, end)?;
    let carriers = examples.iter().filter(|crash| it.carries(crash.release.as_deref(), &crash.signature));
    let parted = judge.excess_before_and_after(&regression.key);
    let counted: i64 = victims.iter().map(|crash| crash.crashes).sum();
    let before: i64 = victims.iter().filter(|crash| crash.at < detected).map(|crash| crash.crashes).sum();
    let clients = victims.iter().map(|crash| crash.clients).sum();
    let row = |measure, estimate, counted| Impact { measure, estimate, counted };
    let mut impact = vec![
        row(Measure::Crashes, Some(it.excess_crashes), counted),
        row(Measure::Before, parted.map(|it| it.0), before),
        row(Measure::After, parted.map(|it| it.1), counted - before),
    ];
    if clients > 0 || it.clients_dropped.estimate > 0.0 {
        impact.push(row(Measure::Clients, Some(it.clients_dropped), clients));
    }
    if let (Kind::Collateral, Some(Trigger::Push(push))) = (it.kind, trigger) {
        let new = &push.started;
        let crashes = read.crash_counts(&new.service, &new.environment, onset, end)?;
        let ours = crashes.iter().filter(|crash| crash.release.as_ref() == Some(&new.release));
        impact.push(row(Measure::Pushed, None, ours.map(|crash| crash.crashes).sum()));
    }
    let times = KeyTimes {
        first_received: carriers.map(|crash| crash.received_at).min(),
        first_seen: beside.sightings.first().map(|seen| (seen.first_at, seen.person.clone())),
        first_hold: beside.holds.iter().find(|hold| hold.at >= onset).map(|hold| (hold.at, hold.actor.clone())),
        stopped: stopped(beside, onset, end),
    };
    Ok((impact, times))
}

/// The first step that held the change or took it back while harm went on.
fn stopped(beside: &Beside, onset: Time, end: Time) -> Option<(Time, Action)> {
    let step = beside
        .steps
        .iter()
        .filter(|step| (onset..=end).contains(&step.at))
        .find(|step| matches!(step.action, Action::Pause | Action::Stop | Action::RollBack));
    let lowered = beside.changes.iter().filter(|change| (onset..=end).contains(&change.at)).find(|change| {
        matches!((change.percent_before(), change.percent_after()), (Some(from), Some(to)) if to.value() < from.value())
    });
    step.map(|step| (step.at, step.action)).or(lowered.map(|change| (change.at, Action::RollBack)))
}
