//! What each way on would have cost, just before each step that went on. Kept apart from what happened.

use super::facts::Facts;
use crate::{
    domain::{Time, finding::Estimate},
    judge::{PathCost, Paths, WayBack},
    timeline::{self, PathKind, PathRow, Width, two_digits},
    web::{Frame, href::part, pages::words},
};

/// One moment that can be chosen.
pub struct Moment {
    /// What the step went to.
    pub label: String,
    /// The page with this moment chosen.
    pub href: String,
    /// Whether it is chosen.
    pub chosen: bool,
    /// The share of the release then, and the further crashes on each path; none where too little was known.
    pub costs: Option<Costs>,
}

/// Further crashes on each path, in two digits, each with its 95 % interval.
pub struct Costs {
    /// The share of the release, percent.
    pub share: String,
    /// Going on.
    pub going_on: (String, String),
    /// Taking it back.
    pub rolling_back: (String, String),
    /// Staying where it is.
    pub freezing: (String, String),
}

/// The paths as they stood just before one step.
pub struct Prices {
    /// Every step that went on after the onset.
    pub moments: Vec<Moment>,
    /// What the chosen step went to.
    pub before: String,
    /// Who the crashes are of.
    pub whose: String,
    /// The paths, drawn wide and narrow; none where too little was known before that step.
    pub drawn: Option<(String, String)>,
    /// What was assumed, in sentences.
    pub assumptions: Vec<String>,
    /// From which step on going on costs less than taking it back.
    pub no_return: Option<String>,
    /// What is to be said of the way back where it may not end the harm; none where it does.
    pub way_back: Option<&'static str>,
    /// The share from which on going on would have cost no more than going back, as it was expected then.
    pub turns_at: Option<String>,
    /// The same in clients dropped, in a sentence.
    pub clients: Option<String>,
    /// How many crashes the size of harm rests on.
    pub counted: i64,
}

/// The paths before each continuation; none where nothing went on after an onset.
pub fn prices(facts: &Facts, chosen: Option<usize>, frame: &Frame) -> Option<Prices> {
    let first = facts.first().filter(|_| !facts.paths.is_empty())?;
    let known = |index: &usize| facts.paths[*index].1.is_some();
    let chosen = chosen
        .and_then(|number| number.checked_sub(1))
        .filter(|index| *index < facts.paths.len())
        .or_else(|| (0..facts.paths.len()).find(known))
        .unwrap_or(0);
    let base = format!("/pushes/{}", part(&facts.push.started.push));
    let moment = |(index, (at, paths)): (usize, &(Time, Option<Paths>))| Moment {
        label: label(facts, *at, frame),
        href: format!("{base}?before={}#paths", index + 1),
        chosen: index == chosen,
        costs: paths.as_ref().map(costs),
    };
    let moments: Vec<Moment> = facts.paths.iter().enumerate().map(moment).collect();
    let (at, paths) = &facts.paths[chosen];
    let drawn = paths.as_ref().map(|paths| {
        let rows = rows(facts, paths);
        (timeline::paths(&rows, Width::Wide), timeline::paths(&rows, Width::Narrow))
    });
    let turned = facts.paths.iter().position(|(_, paths)| {
        paths.as_ref().is_some_and(|it| it.going_on.crashes.estimate <= it.rolling_back.crashes.estimate)
    });
    Some(Prices {
        before: moments[chosen].label.clone(),
        no_return: turned.map(|index| moments[index].label.clone()),
        moments,
        whose: words::whose(&first.finding),
        drawn,
        assumptions: paths.as_ref().map(|paths| paths.assumptions.clone()).unwrap_or_default(),
        way_back: paths.as_ref().and_then(|paths| way_back(paths.way_back)),
        turns_at: paths.as_ref().and_then(|paths| paths.no_return).map(|share| figure(share * 100.0)),
        clients: paths.as_ref().and_then(clients),
        counted: facts.crashes.iter().filter(|crash| crash.at <= *at).map(|crash| crash.crashes).sum(),
    })
}

fn way_back(it: WayBack) -> Option<&'static str> {
    match it {
        WayBack::Ends => None,
        WayBack::NotKnown => Some("Whether the way back ends the harm was not known: harm may outlive the release."),
        WayBack::NotSafe => {
            Some("The way back is not safe: harm most probably outlives the release, and what comes back meets it.")
        }
    }
}

fn clients(paths: &Paths) -> Option<String> {
    if paths.going_on.clients.high <= 0.0 {
        return None;
    }
    let words = |cost: PathCost| {
        let it = cost.clients;
        format!("{} ({} to {})", figure(it.estimate), figure(it.low), figure(it.high))
    };
    let off = paths.flag_off.map(|cost| format!(", turning the flag off {}", words(cost))).unwrap_or_default();
    let (back, on, stay) = (words(paths.rolling_back), words(paths.going_on), words(paths.freezing));
    Some(format!("In clients dropped: rolling back {back}, going on {on}, freezing {stay}{off}."))
}

fn label(facts: &Facts, at: Time, frame: &Frame) -> String {
    let step = facts.steps.iter().find(|step| step.at == at);
    step.and_then(|step| step.percent).map_or_else(|| frame.when(at), |percent| format!("{percent} %"))
}

fn costs(paths: &Paths) -> Costs {
    let crashes = |cost: PathCost| {
        let it = cost.crashes;
        (figure(it.estimate), format!("{} to {}", figure(it.low), figure(it.high)))
    };
    Costs {
        share: figure(paths.share * 100.0),
        going_on: crashes(paths.going_on),
        rolling_back: crashes(paths.rolling_back),
        freezing: crashes(paths.freezing),
    }
}

fn figure(value: f64) -> String {
    if value < 0.95 { format!("{value:.0}") } else { two_digits(value) }
}

/// Below one crash an estimate has no two digits to speak of.
fn whole(it: Estimate) -> Estimate {
    let figure = |value: f64| if value < 0.95 { value.round() } else { value };
    Estimate { estimate: figure(it.estimate), low: figure(it.low), high: figure(it.high) }
}

fn rows(facts: &Facts, paths: &Paths) -> Vec<PathRow> {
    let started = &facts.push.started;
    let row = |name: String, about: &str, kind, cost: Option<Estimate>, words: &str| PathRow {
        name,
        about: about.into(),
        kind,
        cost,
        words: words.into(),
    };
    let back = started.previous.as_ref().map_or("Roll back".into(), |release| format!("Roll back to {release}"));
    let planned = if started.plan.is_empty() { "at the pace so far" } else { "by its plan" };
    let off = paths.flag_off.map(|cost| whole(cost.crashes));
    let off_about = if off.is_some() { "everything is behind flags" } else { "no flag: not possible" };
    vec![
        row(back, "until none of it is left", PathKind::Ends, Some(whole(paths.rolling_back.crashes)), ""),
        row("Go on to 100 %".into(), planned, PathKind::GoesOn, Some(whole(paths.going_on.crashes)), ""),
        row(
            "Freeze for 8 hours".into(),
            "both releases stay",
            PathKind::GoesOn,
            Some(whole(paths.freezing.crashes)),
            "",
        ),
        row(
            "Turn the flag off".into(),
            off_about,
            PathKind::Ends,
            off,
            "Some of it ships without a flag. With one, it would have ended the harm at once.",
        ),
    ]
}
