//! The way back from harm: the plan from A over C to D as a list that recorded events tick off.

use super::facts::{Facts, Later};
use crate::{
    domain::{Time, finding::Ending, push::PushState, step::Action, time},
    web::{Frame, pages::words},
};

/// How long a fix has to run everywhere without harm before it counts, minutes.
const QUIET: i64 = 24 * 60;

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What has to happen.
    pub text: String,
    /// What was recorded of it; none while it is open.
    pub done: Option<String>,
    /// Whether the risk can be taken here.
    pub takes_risk: bool,
}

/// The list; empty where the push is blamed for nothing.
pub fn items(facts: &Facts, frame: &Frame) -> Vec<Item> {
    let Some(first) = facts.first() else { return Vec::new() };
    let release = &facts.push.started.release;
    let features = features(facts);
    let item = |text: String, done: Option<String>| Item { text, done, takes_risk: false };
    let mut items = Vec::new();
    if first.finding.ended_because == Some(Ending::VictimsGone) {
        let owner = first.risk_owner.clone();
        let takes_risk = owner.is_none() && first.is_open();
        items.push(Item { takes_risk, ..item("Owner of the open risk named".into(), owner) });
    } else {
        let back = facts.steps.iter().rfind(|step| step.action == Action::RollBack);
        let done = back.map(|step| format!("{}, {}", frame.when(step.at), step.actor));
        items.push(item(format!("{release} taken back"), done));
    }
    let marked = facts.push.bad.as_ref().map(|bad| format!("{}, {}", frame.when(bad.at), bad.actor));
    items.push(item(format!("{release} marked as bad, so that nobody brings it back beside what it harms"), marked));
    let fix = fix(facts);
    let pushed = fix.map(|it| format!("{} ({})", it.push.started.release, it.push.started.push));
    items.push(item(format!("C: {features} out, the crash fixed; pushed at an ordinary pace"), pushed));
    let quiet = fix.and_then(|it| quiet_since(it, frame.now)).map(|at| format!("100 % since {}", frame.when(at)));
    items.push(item("C everywhere, no harm seen for 24 hours".into(), quiet));
    let again = fix.and_then(|fix| again(facts, fix));
    let again = again.map(|it| format!("{} ({})", it.push.started.release, it.push.started.push));
    items.push(item(format!("D: {features} again, behind a flag, 1 % first"), again));
    let shown = first.risk_closed.as_ref().map(|it| format!("{}, {}: {}", frame.when(it.at), it.actor, it.reason));
    if first.finding.ended_because == Some(Ending::VictimsGone) {
        items.push(item(format!("The open risk of {} closed by showing the fix", first.finding.id), shown));
    }
    items
}

fn features(facts: &Facts) -> String {
    let started = &facts.push.started;
    let bare: Vec<String> = started.features.iter().filter(|it| it.flag.is_none()).map(|it| it.name.clone()).collect();
    if bare.is_empty() { "the feature".into() } else { words::listed(&bare) }
}

/// The first later push that brought something else than the harmful release and the one before it.
fn fix(facts: &Facts) -> Option<&Later> {
    let started = &facts.push.started;
    facts.later.iter().find(|it| {
        let release = &it.push.started.release;
        *release != started.release
            && Some(release) != started.previous.as_ref()
            && it.steps.iter().any(|step| step.action == Action::Advance)
    })
}

/// Since when a fix runs everywhere, if that is long enough and no harm is blamed on it.
fn quiet_since(it: &Later, now: Time) -> Option<Time> {
    let standing = it.push.standing;
    let everywhere = standing.percent.value() >= 100.0
        && matches!(standing.state, PushState::UnderWay | PushState::Paused | PushState::Done);
    standing.since.filter(|since| everywhere && it.blamed.is_empty() && now - *since >= time::minutes(QUIET))
}

/// The push after the fix that brings features back behind flags and begins small.
fn again<'a>(facts: &'a Facts, fix: &Later) -> Option<&'a Later> {
    facts.later.iter().find(|it| {
        let small = it.steps.iter().find(|step| step.action == Action::Advance).and_then(|step| step.percent);
        it.push.started.at > fix.push.started.at
            && it.push.started.can_be_turned_off()
            && small.is_some_and(|percent| percent.value() <= 1.0)
    })
}
