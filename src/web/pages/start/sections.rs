//! The lists below the pushes under way: open regressions, flag changes, what came to an end.

use super::risk;
use crate::{
    domain::{finding::Ending, flag::FlagChanged, percent::Percent, push::PushState, step::PushStep},
    store::{changes::Push, findings::StoredRegression},
    web::{
        Frame,
        frame::short,
        href::part,
        pages::words::{self, Range},
    },
};

/// A regression that has to be minded.
pub struct OpenRegression {
    /// Its short name.
    pub id: String,
    /// Its page.
    pub href: String,
    /// Where the crashes are.
    pub service: String,
    /// The kind of harm.
    pub kind: &'static str,
    /// Whether its victims ran out, so that it is a risk and no recovery.
    pub open_risk: bool,
    /// The evidence, and since when or until when.
    pub text: String,
    /// Who minds it, where it is a risk.
    pub owner: Option<String>,
    /// The page where the risk is minded.
    pub risk: String,
}

/// A flag change, ready to print.
pub struct FlagRow {
    /// When it was changed.
    pub when: String,
    /// The flag’s history.
    pub href: String,
    /// The flag.
    pub flag: String,
    /// The service that reads it.
    pub service: String,
    /// The share before and after.
    pub share: String,
    /// Who changed it.
    pub who: String,
    /// Regressions blamed on it, with their pages.
    pub harms: Vec<(String, String)>,
}

/// A push that came to an end, ready to print.
pub struct ClosedRow {
    /// The push.
    pub id: String,
    /// Its page.
    pub href: String,
    /// How it ended, and when.
    pub state: String,
    /// Whether its victims ran out.
    pub ran_out: bool,
    /// What it did.
    pub text: String,
    /// Why it was ended early, in the actor’s words.
    pub reason: Option<String>,
}

/// What is shown of an open regression.
pub fn open_regression(it: &StoredRegression, frame: &Frame) -> OpenRegression {
    let finding = &it.finding;
    let because = finding.blamed().map(|suspect| format!("{}. ", suspect.why.trim_end_matches('.')));
    let ended = match (finding.ended_at, finding.ended_because) {
        (Some(at), Some(ending)) => {
            let words = if ending == Ending::VictimsGone { "victims gone" } else { ending.says() };
            format!("Ended {}, {words}.", frame.when(at))
        }
        _ => {
            let range = Range::from(finding.excess_crashes);
            let (estimate, low, high) = (range.estimate, range.low, range.high);
            format!("Since {}: {estimate} crashes ({low} to {high}) more than expected.", frame.when(finding.onset.at))
        }
    };
    OpenRegression {
        id: finding.id.clone(),
        href: format!("/regressions/{}", part(&finding.id)),
        service: finding.service.clone(),
        kind: finding.kind.word(),
        open_risk: finding.ended_because == Some(Ending::VictimsGone),
        text: format!("{}{ended}", because.unwrap_or_else(|| "No change explains it. ".into())),
        owner: it.risk_owner.clone(),
        risk: risk(&finding.id),
    }
}

/// What is shown of a flag change.
pub fn flag_row(it: &FlagChanged, harms: &[StoredRegression], frame: &Frame) -> FlagRow {
    let id = |it: &StoredRegression| (it.finding.id.clone(), format!("/regressions/{}", part(&it.finding.id)));
    FlagRow {
        when: frame.when(it.at),
        href: format!("/flags/{}/{}", part(&it.service), part(&it.flag)),
        flag: it.flag.clone(),
        service: it.service.clone(),
        share: share(it.percent_before(), it.percent_after()),
        who: short(&it.actor).to_owned(),
        harms: harms.iter().filter(|it| it.finding.withdrawn.is_none()).map(id).collect(),
    }
}

/// A change of share in words; the rule changed otherwise where no share is named.
pub fn share(before: Option<Percent>, after: Option<Percent>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!("{before} to {after}"),
        (None, Some(after)) => format!("to {after}"),
        (_, None) => "rule changed".into(),
    }
}

/// What is shown of a push that came to an end, by its last step and the harm that it is blamed for.
pub fn closed_row(push: &Push, last: &Option<PushStep>, blamed: &[StoredRegression], frame: &Frame) -> ClosedRow {
    let at = push.standing.since.unwrap_or(push.started.at);
    let harm = blamed.iter().find(|it| it.finding.withdrawn.is_none());
    let text = match harm {
        None => format!("{} %, no regression was detected.", push.standing.percent),
        Some(it) => {
            let range = Range::from(it.finding.excess_crashes);
            let kind = words::kind_says(it.finding.kind);
            let owner = it.risk_owner.as_ref().filter(|_| it.is_open());
            format!(
                "{}: {kind}; {} crashes ({} to {}), {}.{}",
                it.finding.id,
                range.estimate,
                range.low,
                range.high,
                words::standing(&it.finding),
                owner.map_or(String::new(), |owner| format!(" Open risk with {owner}."))
            )
        }
    };
    let ended_early = matches!(push.standing.state, PushState::Stopped | PushState::RolledBack);
    ClosedRow {
        id: push.started.push.clone(),
        href: format!("/pushes/{}", part(&push.started.push)),
        state: format!("{} {}", push.standing.state.says(), frame.when(at)),
        ran_out: harm.is_some_and(|it| it.finding.ended_because == Some(Ending::VictimsGone)),
        text,
        reason: last.as_ref().filter(|_| ended_early).and_then(|step| step.reason.clone()),
    }
}
