//! The timeline, the decision points and the ways not taken, in words.

use super::told::{Clock, about, capital, interval, who};
use crate::{
    domain::{Time, finding::Known, step::Action},
    flows::postmortem_facts::{Decision, Facts, Line, LineKind, Source, Way},
    store::people::Person,
    timeline::grouped,
    web::{frame::short, href},
};

/// One line of the timeline.
pub struct LineTold {
    /// When.
    pub at: String,
    /// The same where the reader is.
    pub local: Option<String>,
    /// Whether it divides the table: impact begins, impact ends.
    pub divides: bool,
    /// What happened.
    pub what: String,
    /// What a person said with it.
    pub words: Option<String>,
    /// What was known, where somebody went on.
    pub known: Option<Known>,
    /// Who.
    pub who: String,
    /// What it rests on.
    pub source: String,
    /// Where that leads.
    pub href: Option<String>,
}

/// A decision point.
pub struct DecisionTold {
    /// When.
    pub at: String,
    /// The same where the reader is.
    pub local: Option<String>,
    /// What was done: `to 25 %`.
    pub what: String,
    /// What was known.
    pub known: Known,
    /// What the record says of it, in sentences.
    pub evidence: Vec<String>,
    /// The reason given with the step.
    pub reason: Option<String>,
    /// The actor's own words, each with when they were written.
    pub words: Vec<(String, String)>,
    /// The timeline as it was on the screen.
    pub href: String,
}

/// A way that was not taken.
pub struct WayTold {
    /// From when on.
    pub at: String,
    /// Before which step.
    pub before: String,
    /// What would have been done.
    pub way: &'static str,
    /// Crashes that were to be expected from there.
    pub crashes: String,
    /// The interval of that.
    pub interval: String,
    /// What came instead.
    pub instead: String,
    /// Whether it could be done then.
    pub possible: &'static str,
}

fn step(action: Action, percent: Option<f64>) -> String {
    let share = percent.map(|percent| format!(" to {} %", (percent * 10.0).round() / 10.0));
    match action {
        Action::Advance => format!("Step{}", share.unwrap_or_default()),
        Action::Pause | Action::Resume | Action::Stop | Action::RollBack | Action::Complete => {
            format!("{}{}", capital(action.says()), share.unwrap_or_default())
        }
    }
}

fn knew(known: Option<Known>) -> &'static str {
    match known {
        None => "",
        Some(Known::Undetected) => "; nobody could have read the harm here yet",
        Some(Known::Detected) => "; the harm was on the page",
        Some(Known::Seen) => "; this actor had it open",
        Some(Known::Overrode) => "; past a stop",
    }
}

/// One line of the timeline in words.
pub fn line(it: &Line, facts: &Facts, people: &[Person], clock: &Clock<'_>) -> LineTold {
    let finding = &facts.regression.finding;
    let share = |share: Option<f64>| share.map_or_else(|| "a rule".to_owned(), |share| format!("{share} %"));
    let victims: Vec<&str> = finding.victims.iter().map(|victim| victim.release.as_str()).collect();
    let (what, known) = match &it.kind {
        LineKind::Begun(push) => (format!("Push {push} begun"), None),
        LineKind::Step(action, percent, known) => (format!("{}{}", step(*action, *percent), knew(*known)), *known),
        LineKind::Flag(from, to, known) => {
            (format!("Flag from {} to {}{}", share(*from), share(*to), knew(*known)), *known)
        }
        LineKind::ImpactBegins => {
            let (early, late) = (clock.at(finding.onset.earliest), clock.at(finding.onset.latest));
            (format!("Impact begins {} ({early} to {late})", clock.at(it.at)), None)
        }
        LineKind::Detected => {
            (format!("{} detected: {} harm, {} crashes", finding.id, finding.kind.word(), victims.join(" and ")), None)
        }
        LineKind::Looked => (format!("{} opened for the first time by this person", finding.id), None),
        LineKind::Gate(verdict) => (format!("Gate asked: {}", verdict.word()), None),
        LineKind::Held => ("Hold".to_owned(), None),
        LineKind::Lifted => ("Hold lifted".to_owned(), None),
        LineKind::Note => ("Note".to_owned(), None),
        LineKind::ImpactEnds => {
            let why = finding.ended_because.map_or("", |ending| ending.says());
            (format!("Impact ends {}: {why}", clock.at(it.at)), None)
        }
        LineKind::MarkedBad => ("Release marked as bad".to_owned(), None),
        LineKind::Withdrawn => (format!("{} withdrawn", finding.id), None),
        LineKind::RiskClosed => ("Open risk closed".to_owned(), None),
    };
    let (source, href) = source(it, facts);
    LineTold {
        at: clock.at(it.at),
        local: clock.frame.local_hm(it.at),
        divides: matches!(it.kind, LineKind::ImpactBegins | LineKind::ImpactEnds),
        what,
        words: it.words.clone(),
        known,
        who: it.actor.as_deref().map_or_else(|| "Pushback".to_owned(), |actor| who(actor, people)),
        source,
        href,
    }
}

/// What a line rests on: its ledger entry where it has one of its own.
fn source(it: &Line, facts: &Facts) -> (String, Option<String>) {
    let own = matches!(it.kind, LineKind::Begun(_) | LineKind::Step(..) | LineKind::Flag(..) | LineKind::Detected);
    let entry = facts.entry(&it.source).filter(|_| own).map(|entry| format!("entry {}", grouped(entry as f64)));
    let (name, href) = match &it.source {
        Source::Push(id) | Source::Step(id, _) => (id.clone(), Some(href::push(id))),
        Source::Regression(id) => (id.clone(), Some(href::regression(id))),
        Source::FlagChange(change, service, flag) => (change.clone(), Some(href::flag(service, flag))),
        Source::Note(service) => (service.clone(), None),
    };
    (entry.unwrap_or(name), href)
}

/// A decision point in words.
pub fn decision(it: &Decision, facts: &Facts, clock: &Clock<'_>) -> DecisionTold {
    let went_on = &it.went_on.finding;
    let finding = &facts.regression.finding;
    let mut evidence = Vec::new();
    let crashed = format!("{} crashes of victims since the onset.", grouped(it.crashed_before as f64));
    match it.shown_for_minutes {
        Some(minutes) => evidence.push(format!("{} on the page for {minutes} minutes, {crashed}", finding.id)),
        None => evidence.push(format!("Not on the page yet; {crashed}")),
    }
    if let Some(seen) = it.seen_at {
        evidence.push(format!("This actor had it open at {}.", clock.at(seen)));
    }
    evidence.push(match it.gate {
        Some((at, verdict)) => format!("Gate asked at {}: {}.", clock.at(at), verdict.word()),
        None if it.automatic => "An automatic step: nobody stood here, and the gate was not asked.".to_owned(),
        None => "Gate not asked.".to_owned(),
    });
    for hold in &it.holds {
        evidence.push(format!("Hold by {} in force since {}.", short(&hold.actor), clock.at(hold.at)));
    }
    let ways: Vec<String> = it
        .ways
        .iter()
        .map(|way| format!("{} {} ({})", way_word(way.way), about(way.crashes), interval(way.crashes)))
        .collect();
    if !ways.is_empty() {
        evidence.push(format!("Expected from there: {}.", ways.join(", ")));
    }
    evidence.push(format!(
        "Excess crashes after it: {} ({}), counted {}.",
        about(went_on.excess_crashes),
        interval(went_on.excess_crashes),
        grouped(it.went_on.counted as f64)
    ));
    let written = |at: &Time| clock.frame.when(*at);
    DecisionTold {
        at: clock.at(went_on.step_at),
        local: clock.frame.local_hm(went_on.step_at),
        what: went_on.percent.map_or_else(|| went_on.action.replace('_', " "), |percent| format!("to {percent} %")),
        known: went_on.known,
        evidence,
        reason: it.reason.clone(),
        words: it.words.iter().map(|(at, words)| (written(at), words.clone())).collect(),
        href: href::known_at(&finding.service, &finding.environment, went_on.step_at),
    }
}

fn way_word(way: Way) -> &'static str {
    match way {
        Way::GoingOn => "go on",
        Way::Freezing => "freeze",
        Way::RollingBack => "roll back",
        Way::FlagOff => "flag off",
    }
}

/// The ways that were open before a decision and were not taken.
pub fn ways(it: &Decision, clock: &Clock<'_>) -> Vec<WayTold> {
    let went_on = &it.went_on.finding;
    let before = went_on.percent.map_or_else(|| "before it".to_owned(), |percent| format!("before {percent} %"));
    let told = |way: &crate::flows::postmortem_facts::WayOn, done| WayTold {
        at: clock.at(went_on.step_at),
        before: before.clone(),
        way: done,
        crashes: about(way.crashes),
        interval: interval(way.crashes),
        instead: about(went_on.excess_crashes),
        possible: if way.crashes.estimate > went_on.excess_crashes.estimate { "yes, and worse" } else { "yes" },
    };
    it.ways
        .iter()
        .filter_map(|way| match way.way {
            Way::GoingOn => None,
            Way::Freezing => Some(told(way, "frozen for 8 hours")),
            Way::RollingBack => Some(told(way, "rolled back")),
            Way::FlagOff => Some(told(way, "turned the flag off")),
        })
        .collect()
}
