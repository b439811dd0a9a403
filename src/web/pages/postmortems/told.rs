//! The facts of a postmortem in words, for the page and for the Markdown export alike.

use super::lived::{DecisionTold, LineTold, WayTold, decision, line, ways};
use crate::{
    domain::{
        Time,
        finding::{Ending, Estimate, SuspectKind},
        time,
    },
    flows::postmortem_facts::{Facts, Impact, Measure, Trigger},
    store::people::Person,
    timeline::{grouped, two_digits},
    web::{Frame, frame::short, href, pages::timeline::told::chance},
};

/// A label and what is said beside it.
pub struct Fact {
    /// What is told.
    pub label: &'static str,
    /// What is said.
    pub text: String,
    /// What a person said, where it is their words.
    pub words: Option<String>,
    /// Where it leads.
    pub href: Option<String>,
}

/// A row of the impact.
pub struct ImpactTold {
    /// What was measured.
    pub what: String,
    /// The estimate, or why there is none.
    pub estimate: String,
    /// Its interval.
    pub interval: String,
    /// The plain count.
    pub counted: String,
}

/// One of the key times.
pub struct KeyTime {
    /// What happened then.
    pub label: &'static str,
    /// When, or that it never did.
    pub value: String,
    /// The same where the reader is.
    pub local: Option<String>,
    /// What belongs to it.
    pub small: String,
    /// Whether it tells of harm that went on.
    pub harm: bool,
}

/// Everything that the record says, in words.
pub struct Told {
    /// Trigger and purpose.
    pub trigger: Vec<Fact>,
    /// The impact.
    pub impact: Vec<ImpactTold>,
    /// The key times.
    pub times: Vec<KeyTime>,
    /// How it stands, in a sentence.
    pub end_state: String,
    /// Whether it ended for want of victims.
    pub ran_out: bool,
    /// How the open risk stands, in a sentence.
    pub risk: Option<String>,
    /// The timeline.
    pub lines: Vec<LineTold>,
    /// The decision points.
    pub decisions: Vec<DecisionTold>,
    /// How many steps there were in all, in a sentence.
    pub steps: String,
    /// How it was found, in a sentence.
    pub found: String,
    /// Who looked when.
    pub looked: Vec<Fact>,
    /// Ways on that were open at each decision.
    pub ways: Vec<WayTold>,
    /// What those assume.
    pub assumptions: Vec<String>,
    /// Whether a flag could have ended it.
    pub flag: Option<String>,
    /// Other regressions with a signature of this one.
    pub recurrence: Vec<Fact>,
    /// The regression.
    pub regression: String,
    /// Its page.
    pub regression_href: String,
    /// The service's timeline.
    pub timeline_href: String,
    /// The days that are told.
    pub days: String,
}

/// How the page says instants: with the day where the record spans more than one.
pub struct Clock<'a> {
    /// The reader's frame.
    pub frame: &'a Frame,
    /// Whether the day must be said.
    pub days: bool,
}

impl Clock<'_> {
    /// An instant.
    pub fn at(&self, at: Time) -> String {
        at.format(if self.days { "%-d %B %H:%M" } else { "%H:%M" }).to_string()
    }
}

/// Says the facts.
pub fn told(facts: &Facts, people: &[Person], frame: &Frame) -> Told {
    let it = &facts.regression.finding;
    let (from, to) = facts.span;
    let clock = Clock { frame, days: it.onset.at.date_naive() != it.ended_at.unwrap_or(frame.now).date_naive() };
    let decided = facts.decisions.len();
    let last = facts.decisions.iter().rev().find_map(|decision| decision.ways_at.as_ref());
    Told {
        trigger: trigger(facts, &clock),
        impact: facts.impact.iter().map(|row| impact(row, facts)).collect(),
        times: times(facts, &clock),
        end_state: end_state(facts, &clock),
        ran_out: facts.ran_out(),
        risk: risk(facts, &clock),
        lines: facts.lines.iter().map(|it| line(it, facts, people, &clock)).collect(),
        decisions: facts.decisions.iter().map(|it| decision(it, facts, &clock)).collect(),
        steps: match (facts.steps, decided) {
            (_, 0) => "No step raised exposure after the onset.".to_owned(),
            (0, 1) => "One change after the onset.".to_owned(),
            (0, many) => format!("{many} changes after the onset."),
            (all, after) => format!("{all} steps in all; {after} raised exposure after the onset."),
        },
        found: found(facts, &clock),
        looked: looked(facts, people, &clock),
        ways: facts.decisions.iter().flat_map(|decision| ways(decision, &clock)).collect(),
        assumptions: last.map(|(_, assumptions)| assumptions.clone()).unwrap_or_default(),
        flag: flag(facts),
        recurrence: facts.recurrence.iter().map(|earlier| recurrence(earlier, &clock)).collect(),
        regression: it.id.clone(),
        regression_href: href::regression(&it.id),
        timeline_href: format!(
            "{}?from={}&to={}",
            href::service(&it.service, &it.environment),
            time::text(time::minute(from)),
            time::text(time::minute(to))
        ),
        days: if clock.days { format!("{} to {}", frame.day(from), frame.day(to)) } else { frame.day(it.onset.at) },
    }
}

fn fact(label: &'static str, text: impl Into<String>) -> Fact {
    Fact { label, text: text.into(), words: None, href: None }
}

fn trigger(facts: &Facts, clock: &Clock<'_>) -> Vec<Fact> {
    let mut rows = Vec::new();
    match &facts.trigger {
        Some(Trigger::Push(push)) => {
            let it = &push.started;
            let from = it.previous.as_ref().map(|previous| format!("{previous} to ")).unwrap_or_default();
            let text = format!(
                "{}: {from}{} of {} in {}, begun {} UTC by {}",
                it.push,
                it.release,
                it.service,
                it.environment,
                clock.frame.when(it.at),
                it.actor
            );
            rows.push(Fact { href: Some(href::push(&it.push)), ..fact("Push", text) });
            let none = it.purpose.is_none().then(|| "No purpose was recorded.".to_owned());
            rows.push(Fact { words: it.purpose.clone(), ..fact("In the name of", none.unwrap_or_default()) });
            let name = |feature: &crate::domain::push::Feature| match &feature.flag {
                Some(flag) => format!("{} behind flag {flag}", feature.name),
                None => format!("{} behind no flag", feature.name),
            };
            let features: Vec<String> = it.features.iter().map(name).collect();
            let switch = if it.can_be_turned_off() { "Yes." } else { "No." };
            let features = if features.is_empty() { "none recorded".to_owned() } else { features.join(", ") };
            rows.push(fact("Features", format!("{features}. Could this be turned off without a push? {switch}")));
        }
        Some(Trigger::Flag(it)) => {
            let share = |share: Option<crate::domain::percent::Percent>| {
                share.map_or_else(|| "a rule without a share".to_owned(), |share| format!("{share} %"))
            };
            let text = format!(
                "{} of {} in {}, from {} to {}, {} UTC by {}",
                it.flag,
                it.service,
                it.environment,
                share(it.percent_before()),
                share(it.percent_after()),
                clock.frame.when(it.at),
                it.actor
            );
            rows.push(Fact { href: Some(href::flag(&it.service, &it.flag)), ..fact("Flag change", text) });
            rows.push(Fact {
                words: it.reason.clone(),
                ..fact("Reason", if it.reason.is_none() { "No reason was recorded." } else { "" })
            });
        }
        None => rows.push(fact("Change", "No recorded change explains it.")),
    }
    let kind = |kind| match kind {
        SuspectKind::Push => "push",
        SuspectKind::FlagChange => "flag change",
    };
    let suspects: Vec<String> = facts
        .regression
        .finding
        .suspects
        .iter()
        .map(|it| format!("{} {} with probability {}", kind(it.kind), it.id, chance(it.probability)))
        .collect();
    let rest = 1.0 - facts.regression.finding.suspects.iter().map(|it| it.probability).sum::<f64>();
    let rest = format!("none of these {}", chance(rest.max(0.0)));
    rows.push(fact("Suspects", suspects.into_iter().chain([rest]).collect::<Vec<_>>().join(", ")));
    if let Some(why) = facts.regression.finding.blamed().map(|suspect| suspect.why.clone()) {
        rows.push(fact("Evidence", why));
    }
    rows
}

/// An estimate as people read it, without its interval.
pub fn about(estimate: Estimate) -> String {
    figure(estimate.estimate)
}

/// The 95 % interval of an estimate.
pub fn interval(estimate: Estimate) -> String {
    format!("{} to {}", figure(estimate.low), figure(estimate.high))
}

/// Two digits; below one crash a tenth is all that is worth saying.
fn figure(value: f64) -> String {
    if value < 0.05 {
        "0".to_owned()
    } else if value < 1.0 {
        format!("{value:.1}").trim_end_matches(".0").to_owned()
    } else {
        two_digits(value)
    }
}

fn impact(row: &Impact, facts: &Facts) -> ImpactTold {
    let it = &facts.regression.finding;
    let victims: Vec<&str> = it.victims.iter().map(|victim| victim.release.as_str()).collect();
    let of = if victims.is_empty() { String::new() } else { format!(" of {}", victims.join(" and ")) };
    let what = match row.measure {
        Measure::Crashes => format!("Crashes{of} beyond its past"),
        Measure::Before => "of these, before anybody could have read it here".to_owned(),
        Measure::After => "of these, from then on".to_owned(),
        Measure::Clients => "Client connections dropped beyond expectation".to_owned(),
        Measure::Pushed => match &facts.trigger {
            Some(Trigger::Push(push)) => format!("Crashes of {}, the release that was pushed", push.started.release),
            Some(Trigger::Flag(_)) | None => "Crashes of the release that was pushed".to_owned(),
        },
    };
    ImpactTold {
        what,
        estimate: row.estimate.map_or_else(|| "not estimated".to_owned(), about),
        interval: row.estimate.map_or_else(|| "–".to_owned(), interval),
        counted: grouped(row.counted as f64),
    }
}

fn minutes_after(at: Time, onset: Time) -> String {
    let minutes = (at - onset).num_minutes();
    if minutes < 120 {
        format!("{minutes} min after the onset")
    } else {
        format!("{} h {} min after the onset", minutes / 60, minutes % 60)
    }
}

fn times(facts: &Facts, clock: &Clock<'_>) -> Vec<KeyTime> {
    let it = &facts.regression.finding;
    let onset = it.onset.at;
    let local = |at: Time| clock.frame.local_hm(at);
    let at =
        |label, at: Time, small: String| KeyTime { label, value: clock.at(at), local: local(at), small, harm: false };
    let never =
        |label, small: &str, harm| KeyTime { label, value: "never".into(), local: None, small: small.into(), harm };
    let mut times = vec![
        at("Harm began", onset, format!("{} to {}", clock.at(it.onset.earliest), clock.at(it.onset.latest))),
        at("Detected", it.detected_at, minutes_after(it.detected_at, onset)),
    ];
    if let Some(received) = facts.times.first_received {
        times.push(at("First report here", received, minutes_after(received.max(onset), onset)));
    }
    times.push(match &facts.times.first_seen {
        Some((seen, who)) => at("First opened", *seen, format!("by {}, {}", short(who), minutes_after(*seen, onset))),
        None => never("First opened", "nobody looked while signed in", false),
    });
    times.push(match &facts.times.first_hold {
        Some((held, who)) => at("First hold", *held, format!("by {}", short(who))),
        None => never("First hold", "nobody asked for a stop here", false),
    });
    times.push(match (facts.times.stopped, it.ended_at) {
        (Some((stopped, action)), _) => {
            at("Stopped", stopped, format!("{}, {}", action.says(), minutes_after(stopped, onset)))
        }
        (None, Some(ended)) if facts.ran_out() => {
            never("Stopped", &format!("ran out of victims {}", clock.at(ended)), true)
        }
        (None, _) => never("Stopped", "no step held it or took it back", true),
    });
    times
}

fn end_state(facts: &Facts, clock: &Clock<'_>) -> String {
    let it = &facts.regression.finding;
    match (it.ended_because, it.ended_at) {
        (Some(Ending::VictimsGone), Some(at)) => {
            format!(
                "Extinct at {}. It ran out of victims: not a recovery, and not counted as a time to restore.",
                clock.at(at)
            )
        }
        (Some(ending), Some(at)) => {
            format!("{} at {}, {}.", capital(ending.says()), clock.at(at), minutes_after(at, it.onset.at))
        }
        (Some(_) | None, _) => "It goes on.".to_owned(),
    }
}

fn risk(facts: &Facts, clock: &Clock<'_>) -> Option<String> {
    let it = &facts.regression;
    if !facts.ran_out() {
        return None;
    }
    Some(match (&it.risk_closed, &it.risk_owner) {
        (Some(closed), _) => {
            format!("Open risk closed {} by {}: “{}”", clock.frame.when(closed.at), short(&closed.actor), closed.reason)
        }
        (None, Some(owner)) => format!("The defect is still there. {} minds the open risk.", short(owner)),
        (None, None) => "The defect is still there, and nobody minds the open risk.".to_owned(),
    })
}

fn found(facts: &Facts, clock: &Clock<'_>) -> String {
    let it = &facts.regression.finding;
    let before = facts.impact.iter().find(|row| row.measure == Measure::Before).map_or(0, |row| row.counted);
    format!(
        "Found by Pushback at {}, {}, with {} crashes of victims on record by then.",
        clock.at(it.detected_at),
        minutes_after(it.detected_at, it.onset.at),
        grouped(before as f64)
    )
}

/// Somebody, with their team.
pub fn who(actor: &str, people: &[Person]) -> String {
    match people.iter().find(|person| person.email == actor).and_then(|person| person.team.as_deref()) {
        Some(team) => format!("{}, team {team}", short(actor)),
        None => short(actor).to_owned(),
    }
}

fn looked(facts: &Facts, people: &[Person], clock: &Clock<'_>) -> Vec<Fact> {
    let mut rows: Vec<(Time, Fact)> = Vec::new();
    for it in &facts.sightings {
        let again = if it.times > 1 { format!(", last at {}", clock.at(it.last_at)) } else { String::new() };
        rows.push((
            it.first_at,
            fact("Opened it", format!("{}{again}: {}", clock.at(it.first_at), who(&it.person, people))),
        ));
    }
    for it in &facts.holds {
        let text = format!("{}: {}", clock.at(it.at), who(&it.actor, people));
        rows.push((it.at, Fact { words: Some(it.reason.clone()), ..fact("Asked for a stop", text) }));
    }
    rows.sort_by_key(|row| row.0);
    rows.into_iter().map(|row| row.1).collect()
}

fn flag(facts: &Facts) -> Option<String> {
    match &facts.trigger {
        Some(Trigger::Push(push)) if push.started.features.is_empty() => {
            Some("Whether a flag could have ended it is not recorded: the push names no features.".to_owned())
        }
        Some(Trigger::Push(push)) if !push.started.can_be_turned_off() => Some(
            "Turning a flag off was not possible at any moment: not everything that shipped was behind one.".to_owned(),
        ),
        Some(Trigger::Push(_) | Trigger::Flag(_)) | None => None,
    }
}

fn recurrence(earlier: &crate::flows::postmortem_facts::Earlier, clock: &Clock<'_>) -> Fact {
    let it = &earlier.regression.finding;
    let mut text = format!("{} of {}, {}", it.id, it.service, clock.frame.when(it.onset.at));
    for (incident, items) in &earlier.incidents {
        let open = match items.len() {
            0 => "no action item open".to_owned(),
            1 => format!("one action item open: {}", items[0].words),
            many => format!("{many} action items open"),
        };
        text.push_str(&format!("; {} “{}”, {open}", incident.id, incident.title));
    }
    Fact { href: Some(href::regression(&it.id)), ..fact("Same signature", text) }
}

/// The same words with a capital letter.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
