//! The moments at which somebody went on, with what the record says was known, asked, answered and said then.

use super::Beside;
use crate::{
    domain::{
        Time,
        finding::{Decision as Verdict, Estimate},
        time,
    },
    flows::Error,
    judge::Judge,
    store::{
        Read,
        findings::{StoredContinuation, StoredRegression},
        holds::Hold,
    },
};

/// How long before a step a gate's answer still counts as asked for it.
const ASKED_WITHIN: i64 = 30;

/// A way on from a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As planned.
    GoingOn,
    /// Staying where it is for eight hours.
    Freezing,
    /// Taking it back.
    RollingBack,
    /// Turning the flag off.
    FlagOff,
}

/// What a way on was expected to cost, from what had arrived by then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WayOn {
    /// Which way.
    pub way: Way,
    /// Further crashes beyond expectation.
    pub crashes: Estimate,
}

/// A step that went on.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The step, what was known, and what came after it.
    pub went_on: StoredContinuation,
    /// Crashes of victims from the onset to the step.
    pub crashed_before: i64,
    /// How long it had been on the page.
    pub shown_for_minutes: Option<i64>,
    /// When this actor first had it on the screen, before the step.
    pub seen_at: Option<Time>,
    /// The gate's answer that was asked for this step.
    pub gate: Option<(Time, Verdict)>,
    /// Holds in force then.
    pub holds: Vec<Hold>,
    /// The reason given with the step.
    pub reason: Option<String>,
    /// Whether a program took it with nobody looking.
    pub automatic: bool,
    /// The actor's own words, with when they were written.
    pub words: Vec<(Time, String)>,
    /// The ways on, where anything could be worked out by then.
    pub ways: Vec<WayOn>,
    /// When those were worked out, and on which assumptions.
    pub ways_at: Option<(Time, Vec<String>)>,
}

pub(super) fn decisions(
    read: &mut Read<'_>,
    judge: &Judge,
    regression: &StoredRegression,
    beside: &Beside,
) -> Result<Vec<Decision>, Error> {
    let it = &regression.finding;
    let Some(last) = beside.continuations.iter().map(|it| it.finding.step_at).max() else { return Ok(Vec::new()) };
    let crashes = read.crash_counts(&it.service, &it.environment, it.onset.at, last)?;
    let times: Vec<(Time, i64)> = crashes
        .iter()
        .filter(|crash| it.harms(crash.release.as_deref()))
        .map(|crash| (crash.at, crash.crashes))
        .collect();
    Ok(beside.continuations.iter().map(|went_on| decision(judge, regression, beside, went_on, &times)).collect())
}

fn decision(
    judge: &Judge,
    regression: &StoredRegression,
    beside: &Beside,
    went_on: &StoredContinuation,
    crashes: &[(Time, i64)],
) -> Decision {
    let at = went_on.finding.step_at;
    let actor = &went_on.finding.actor;
    let detected = regression.finding.detected_at;
    let step = beside.steps.iter().find(|step| step.at == at && went_on.finding.push.as_ref() == Some(&step.push));
    let change = beside.changes.iter().find(|it| Some(&it.change) == went_on.finding.change.as_ref());
    // An answer belongs to the step that came next after it.
    let previous = beside.steps.iter().map(|step| step.at).filter(|other| *other < at).max();
    let gate = beside
        .gates
        .iter()
        .rfind(|gate| gate.at <= at && at - gate.at <= time::minutes(ASKED_WITHIN))
        .filter(|gate| previous.is_none_or(|previous| gate.at > previous));
    // What was worked out at the instant of the step already counts the step itself.
    let before = at - time::seconds(1);
    let paths = judge.paths(&regression.key, before).filter(|paths| paths.at <= before && at >= detected);
    let mut ways = Vec::new();
    if let Some(paths) = &paths {
        let mut way = |way, cost: &crate::judge::PathCost| ways.push(WayOn { way, crashes: cost.crashes });
        way(Way::GoingOn, &paths.going_on);
        way(Way::Freezing, &paths.freezing);
        way(Way::RollingBack, &paths.rolling_back);
        if let Some(off) = &paths.flag_off {
            way(Way::FlagOff, off);
        }
    }
    Decision {
        crashed_before: crashes.iter().filter(|crash| crash.0 < at).map(|crash| crash.1).sum(),
        shown_for_minutes: (at >= detected).then(|| (at - detected).num_minutes()),
        seen_at: beside.sightings.iter().find(|it| it.person == *actor && it.first_at < at).map(|it| it.first_at),
        gate: gate.map(|gate| (gate.at, gate.decision)),
        holds: beside.holds.iter().filter(|hold| hold.at < at && hold.in_force_at(at)).cloned().collect(),
        reason: step.and_then(|step| step.reason.clone()).or(change.and_then(|change| change.reason.clone())),
        automatic: step.is_some_and(|step| step.automatic),
        words: beside.replies.iter().filter(|it| it.step_at == at).map(|it| (it.at, it.words.clone())).collect(),
        ways,
        ways_at: paths.map(|paths| (paths.at, paths.assumptions)),
        went_on: went_on.clone(),
    }
}
