//! What the record lets one say before anybody has written a word: a title, a severity, a first sentence. No IO.

use crate::{
    domain::{
        finding::{Ending, Kind, Regression, SuspectKind},
        incident::Severity,
    },
    timeline::two_digits,
};

/// Clients dropped, or crashes, from which many users are taken to have felt it.
const MANY: (f64, f64) = (1000.0, 100.0);
/// Clients dropped, or crashes, from which some are.
const SOME: (f64, f64) = (100.0, 10.0);

/// The severity that the counts suggest. Never the worst: whether data was lost, the record does not know.
pub fn proposed_severity(it: &Regression) -> Severity {
    let (clients, crashes) = (it.clients_dropped.estimate, it.excess_crashes.estimate);
    let over = |limit: (f64, f64)| clients >= limit.0 || crashes >= limit.1;
    if over(MANY) {
        Severity::Sev2
    } else if over(SOME) {
        Severity::Sev3
    } else {
        Severity::Sev4
    }
}

/// A title without a name in it: who was harmed, and by what.
pub fn drafted_title(it: &Regression) -> String {
    let service = &it.service;
    let victims = victims(it);
    let gone = it.ended_because == Some(Ending::VictimsGone) && it.withdrawn.is_none();
    let by = it.blamed().map(|suspect| match suspect.kind {
        SuspectKind::Push => format!("push {}", suspect.id),
        SuspectKind::FlagChange => format!("flag change {}", suspect.id),
    });
    let mut title = match (it.kind, by) {
        (Kind::Collateral, Some(by)) => format!("{service} {victims} crashed while {by} went on"),
        (Kind::Itself, Some(by)) => format!("{service} {victims} crashed as {by} brought it"),
        (Kind::Mixed, Some(by)) => format!("{service} {victims} crashed side by side during {by}"),
        (Kind::Flag, Some(by)) => format!("{service} crashed after {by}"),
        (Kind::Rollback, Some(by)) => format!("{service} crashed as {by} took it back"),
        (Kind::Ambient, _) | (_, None) => format!("{service} crashed more than its past, with no change to blame"),
    };
    if gone {
        title.push_str(&format!(", until no {} was left", if victims.is_empty() { "victim" } else { &victims }));
    }
    title.replace("  ", " ")
}

/// Two or three sentences of counted facts, for people to make sense of.
pub fn drafted_summary(it: &Regression, continuations: usize) -> String {
    let range = |of: &crate::domain::finding::Estimate| {
        format!("about {} ({} to {})", two_digits(of.estimate), two_digits(of.low), two_digits(of.high))
    };
    let who = if victims(it).is_empty() { it.service.clone() } else { format!("{} {}", it.service, victims(it)) };
    let mut text = format!(
        "On {} from {} UTC on, {who} in {} crashed {} times beyond what its own past lets expect",
        it.onset.at.format("%-d %B %Y"),
        it.onset.at.format("%H:%M"),
        it.environment,
        range(&it.excess_crashes),
    );
    if it.clients_dropped.estimate >= 1.0 {
        text.push_str(&format!("; {} client connections were dropped", range(&it.clients_dropped)));
    }
    text.push('.');
    match it.blamed() {
        Some(suspect) => {
            let what = match suspect.kind {
                SuspectKind::Push => "push",
                SuspectKind::FlagChange => "flag change",
            };
            text.push_str(&format!(
                " The suspect is {what} {}, with a probability of {}; {} raised its share after the harm had begun.",
                suspect.id,
                if suspect.probability > 0.995 {
                    "more than 0.99".to_owned()
                } else {
                    format!("{:.2}", suspect.probability)
                },
                match continuations {
                    0 => "no step".to_owned(),
                    1 => "one step".to_owned(),
                    many => format!("{many} steps"),
                }
            ));
        }
        None => text.push_str(" No recorded change explains it."),
    }
    let end = it.ended_at.map(|at| at.format("%H:%M").to_string()).unwrap_or_default();
    text.push_str(&match it.ended_because {
        Some(Ending::VictimsGone) => {
            format!(" The crashes ended at {end} because their victims did: no instance of {} was left. That is not a recovery.", if victims(it).is_empty() { "them".into() } else { victims(it) })
        }
        Some(ending) => format!(" It ended at {end}: {}.", ending.says()),
        None => " It goes on as this is drafted.".to_owned(),
    });
    text
}

fn victims(it: &Regression) -> String {
    let names: Vec<&str> = it.victims.iter().map(|victim| victim.release.as_str()).collect();
    names.join(" and ")
}
