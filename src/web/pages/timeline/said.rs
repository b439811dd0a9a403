//! The first thing that a timeline says: the sentence of the leading regression, its suspects, and the key figures.

use super::{
    drawn::{Roles, main_push, share, step_words},
    loaded::Loaded,
    measured::{Measured, expected},
    told::{Named, Told, chance},
};
use crate::{
    domain::{
        finding::{Ending, Estimate, Known},
        percent::Percent,
        sentence::kind_means,
        step::Action,
    },
    timeline,
    web::Frame,
};

/// What is told of the leading regression.
pub struct Reading {
    /// Its short name.
    pub id: String,
    /// Its page.
    pub href: String,
    /// The sentence that must be read first.
    pub say: String,
    /// Whether the banner is one of harm that has to be minded.
    pub is_stop: bool,
    /// The kind's word.
    pub kind: &'static str,
    /// What the kind means.
    pub kind_means: &'static str,
    /// Who crashes, with the role of each in the picture.
    pub victims: Vec<(String, &'static str)>,
    /// How the pushed release itself did, beside what was to be expected.
    pub pushed: Option<Pushed>,
    /// Whether it ended because the victims ran out, and nobody has shown a fix.
    pub open_risk: bool,
    /// Counts so far, in words, while it goes on.
    pub so_far: Option<String>,
    /// Every change named.
    pub suspects: Vec<Named>,
    /// The probability that it was none of them.
    pub none: (String, f64),
    /// The evidence in one line.
    pub why: Option<String>,
    /// Key figures.
    pub figures: Vec<Figure>,
}

/// How the pushed release itself did.
pub struct Pushed {
    /// The release.
    pub name: String,
    /// Its role in the picture.
    pub key: &'static str,
    /// Crashes in instance-hours, and what was to be expected, in words.
    pub words: String,
}

/// A key figure.
pub struct Figure {
    /// What it is.
    pub label: String,
    /// The figure.
    pub value: String,
    /// Its interval, or what stands beside it.
    pub small: String,
}

/// A bar for a probability.
pub fn bar(probability: f64) -> String {
    timeline::chance(probability)
}

/// Reads the leading regression.
pub fn reading(loaded: &Loaded, frame: &Frame, roles: &Roles) -> Option<Reading> {
    let told = loaded.leading()?;
    let it = &told.regression;
    let when = |at| frame.when(at);
    let none = told.none_of_these();
    let open_risk = told.is_open() && it.ended_because == Some(Ending::VictimsGone);
    Some(Reading {
        id: it.id.clone(),
        href: told.href(),
        say: say(loaded, told, &when),
        is_stop: told.is_open() && told.blamed.is_some(),
        kind: it.kind.word(),
        kind_means: kind_means(it.kind),
        victims: it.victims.iter().map(|it| (it.release.clone(), roles.key(&it.release))).collect(),
        pushed: pushed(loaded, told, roles),
        open_risk,
        so_far: told.goes_on().then(|| so_far(told)).flatten(),
        suspects: told.suspects.clone(),
        none: (chance(none), none),
        why: told.suspects.first().map(|suspect| suspect.why.clone()),
        figures: figures(loaded, told, frame, roles),
    })
}

/// The sentence; with “Stop.” before it while a blamed push may still move.
fn say(loaded: &Loaded, told: &Told, when: &dyn Fn(crate::domain::Time) -> String) -> String {
    let sentence = told.sentence(when);
    let moves = main_push(loaded).is_some_and(|(push, steps)| {
        let standing = crate::domain::push::standing(steps);
        standing.state.is_open() && told.suspects.first().is_some_and(|it| it.name == push.started.push)
    });
    if told.goes_on() && told.blamed.is_some() && moves { format!("Stop. {sentence}") } else { sentence }
}

fn so_far(told: &Told) -> Option<String> {
    let evidence = told.evidence.as_ref()?;
    let expected = match evidence.expected {
        mean if mean < 0.95 => "less than 1 expected".to_owned(),
        mean => format!("{} expected", timeline::two_digits(mean)),
    };
    Some(format!("{} crashes of the victims so far, {expected}", evidence.crashes))
}

/// How the pushed release itself did since the onset, never without what was to be expected of it.
fn pushed(loaded: &Loaded, told: &Told, roles: &Roles) -> Option<Pushed> {
    let name = roles.b.clone()?;
    let it = &told.regression;
    if it.victims.iter().any(|victim| victim.release == name) || it.onset.at < loaded.shown.0 {
        return None;
    }
    let (count, hours) = Measured::of(loaded).since(&name, it.onset.at, it.ended_at.unwrap_or(loaded.until));
    let past = |name: &str| loaded.baselines.iter().find(|it| it.release == name);
    let (rate, whose) = match (past(&name), roles.a.as_deref().and_then(past)) {
        // A release with hardly any past is held against the past of what it replaces, and this is said.
        (Some(own), _) if own.hours >= 50.0 => (own.rate, "its own past"),
        (_, Some(other)) => (other.rate, "the past of the release that it replaces"),
        (Some(_), None) | (None, None) => return None,
    };
    let mean = rate * hours;
    let crashes = if count == 1 { "crash" } else { "crashes" };
    let ran = format!("itself had {count} {crashes} in {} instance-hours", timeline::two_digits(hours));
    let words = if mean < 1.0 && count == 0 {
        format!("{ran}; with so few there is not enough data to say that it is well")
    } else {
        let (low, high) = expected(mean);
        format!("{ran}, {low} to {high} expected from {whose}")
    };
    Some(Pushed { key: roles.key(&name), name, words })
}

fn figures(loaded: &Loaded, told: &Told, frame: &Frame, roles: &Roles) -> Vec<Figure> {
    let it = &told.regression;
    let figure = |label: &str, value: String, small: String| Figure { label: label.into(), value, small };
    let b = roles.b.as_deref();
    let at_detection = b
        .and_then(|b| Some(format!("{b} at {}", Measured::of(loaded).share(b, it.detected_at)?)))
        .unwrap_or_else(|| "when it could first be read here".into());
    let range = |it: &Estimate| format!("{} to {}", timeline::two_digits(it.low), timeline::two_digits(it.high));
    let counted =
        told.evidence.as_ref().map_or(String::new(), |evidence| format!("; {} with its signatures", evidence.crashes));
    let end = match (it.ended_at, it.ended_because) {
        (Some(at), Some(because)) => {
            let owner = match (&told.risk_owner, &told.risk_closed) {
                (_, Some(_)) => ", risk closed".to_owned(),
                (Some(owner), None) => format!(", open risk, owner {owner}"),
                (None, None) if because == Ending::VictimsGone => ", open risk, no owner yet".to_owned(),
                (None, None) => String::new(),
            };
            let words = if because == Ending::VictimsGone { "victims gone" } else { because.says() };
            figure("End", words.into(), format!("{}{owner}", frame.when(at)))
        }
        _ => figure("End", "none yet".into(), "under way".into()),
    };
    let victims = crate::domain::sentence::victims(it, false);
    let mut figures = vec![
        figure(
            "Onset",
            frame.when(it.onset.at),
            format!("{} to {}", frame.hm(it.onset.earliest), frame.hm(it.onset.latest)),
        ),
        figure("Detected", frame.when(it.detected_at), at_detection),
    ];
    figures.extend(steps_after(loaded, told));
    figures.extend([
        figure(
            "Excess crashes",
            timeline::two_digits(it.excess_crashes.estimate),
            format!("{}{counted}", range(&it.excess_crashes)),
        ),
        figure("Clients dropped", timeline::two_digits(it.clients_dropped.estimate), range(&it.clients_dropped)),
        figure(
            &format!("Rate against {victims}’s past"),
            format!("{} ×", timeline::two_digits(it.rate_ratio.estimate)),
            range(&it.rate_ratio),
        ),
        end,
    ]);
    figures
}

/// How many steps went on, beside all steps of the same push.
fn steps_after(loaded: &Loaded, told: &Told) -> Option<Figure> {
    told.blamed.as_ref()?;
    let after = told.continuations.len();
    let known = told.continuations.iter().filter(|it| it.known > Known::Undetected).count();
    let raises = |action: Action| matches!(action, Action::Advance | Action::Resume);
    let all: usize = loaded
        .pushes
        .iter()
        .filter(|(push, _)| told.suspects.first().is_some_and(|it| it.name == push.started.push))
        .map(|(_, steps)| steps.iter().filter(|step| raises(step.action)).count())
        .sum();
    let of = if all >= after && all > 0 { format!("of {all}; ") } else { String::new() };
    let label = "Steps after onset".into();
    Some(Figure { label, value: after.to_string(), small: format!("{of}{known} after it was known here") })
}

/// The line under the heading: what runs, who answers, who is near.
pub fn about(loaded: &Loaded) -> String {
    let mut said = Vec::new();
    if let Some((instances, cells)) = Measured::of(loaded).fleet() {
        let cells = if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") };
        said.push(format!("{} instances in {cells}.", timeline::grouped(instances)));
    }
    let (owner, team) = (&loaded.service.owner, &loaded.service.team);
    match (owner, team) {
        (Some(owner), Some(team)) => said.push(format!("Owner {owner}, team {team}.")),
        (Some(owner), None) => said.push(format!("Owner {owner}.")),
        (None, Some(team)) => said.push(format!("Team {team}.")),
        (None, None) => said.push("Nobody has said who owns it.".into()),
    }
    if let [first @ .., last] = loaded.neighbours.as_slice() {
        let names = if first.is_empty() { last.clone() } else { format!("{} and {last}", first.join(", ")) };
        said.push(format!("Talks to {names}."));
    }
    said.join(" ")
}

/// Instants worth looking back from: detection, and before each step.
pub fn jumps(loaded: &Loaded, frame: &Frame) -> Vec<(String, crate::domain::Time)> {
    let mut jumps = Vec::new();
    if let Some(told) = loaded.leading() {
        let at = told.regression.detected_at;
        jumps.push((format!("detection {}", frame.hm(at)), at));
    }
    if let Some((_, steps)) = main_push(loaded) {
        for step in steps.iter().filter(|step| (loaded.shown.0..=loaded.shown.1).contains(&step.at)) {
            let what = step.percent.map_or_else(|| step_words(step), |percent: Percent| share(percent));
            jumps.push((format!("before {what} {}", frame.hm(step.at)), step.at - crate::domain::time::seconds(1)));
        }
    }
    jumps.sort_by_key(|(_, at)| *at);
    jumps
}
