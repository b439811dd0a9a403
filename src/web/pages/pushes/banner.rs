//! The sentence that must be read first: what this push did, or what the gate answers.

use super::facts::Facts;
use crate::{
    domain::{
        finding::{Decision, Ending, Kind},
        push::PushStarted,
    },
    store::findings::StoredRegression,
    timeline::two_digits,
    web::{
        Frame,
        href::part,
        pages::{
            start::risk,
            words::{self, Range, Verdict},
        },
    },
};

/// What is said of one regression.
pub struct Banner {
    /// The regression, which is also the anchor.
    pub id: String,
    /// Whether it speaks for a stop.
    pub stops: bool,
    /// The sentence.
    pub say: String,
    /// What kind of harm.
    pub kind: &'static str,
    /// Who crashed, and when: `while B ran, A`.
    pub subject: String,
    /// How much more often than expected.
    pub ratio: Range,
    /// Crashes beyond expectation.
    pub excess: Range,
    /// Crashes counted, which assumes nothing.
    pub counted: Option<i64>,
    /// How it ended, or that it goes on.
    pub ending: String,
    /// Why an extinction is no recovery.
    pub not_a_recovery: Option<String>,
    /// The evidence in a sentence.
    pub why: String,
    /// Its page.
    pub href: String,
    /// Where its risk is minded, while it is open.
    pub risk: Option<String>,
    /// Where the harm is seen.
    pub timeline: String,
}

/// What the gate answers now.
pub struct Answer {
    /// The answer.
    pub verdict: Verdict,
    /// Its reasons that are not regressions told of already.
    pub reasons: Vec<String>,
}

/// What is said of each regression that the push is blamed for.
pub fn banners(facts: &Facts, frame: &Frame) -> Vec<Banner> {
    facts.blamed.iter().enumerate().map(|(place, it)| banner(facts, it, place == 0, frame)).collect()
}

/// The gate's answer now, without what the banners say.
pub fn answer(facts: &Facts) -> Option<Answer> {
    let answer = facts.answer.as_ref()?;
    let reasons = answer.reasons.iter().filter(|reason| !is_id(reason)).cloned().collect();
    Some(Answer { verdict: answer.decision.into(), reasons })
}

/// Whether a reason is the short name of a regression and no sentence.
fn is_id(reason: &str) -> bool {
    reason.strip_prefix('r').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn banner(facts: &Facts, it: &StoredRegression, first: bool, frame: &Frame) -> Banner {
    let finding = &it.finding;
    let started = &facts.push.started;
    let at = finding.ended_at.map(|at| frame.when(at)).unwrap_or_default();
    let victims = words::whose(finding);
    let ending = match finding.ended_because {
        Some(Ending::VictimsGone) => format!("until no {victims} was left at {at}"),
        Some(ending) => format!("until {at}: {}", ending.says()),
        None => format!("since {}, and it goes on", frame.when(finding.onset.at)),
    };
    let not_a_recovery =
        (finding.ended_because == Some(Ending::VictimsGone)).then(|| match facts.last_rate.filter(|_| first) {
            Some(rate) => {
                format!(": {victims}’s rate in its last half hour was {} per 1,000 instance-hours.", two_digits(rate))
            }
            None => ": the rate was still high when the last of them went.".into(),
        });
    Banner {
        stops: it.is_open(),
        say: say(facts, it, frame),
        kind: finding.kind.word(),
        subject: subject(finding.kind, started, &victims),
        ratio: words::ratio(finding.rate_ratio),
        excess: finding.excess_crashes.into(),
        counted: first.then_some(facts.crashes.iter().map(|crash| crash.crashes).sum()),
        ending,
        not_a_recovery,
        why: finding.blamed().map(|suspect| suspect.why.clone()).unwrap_or_default(),
        href: format!("/regressions/{}", part(&finding.id)),
        risk: it.is_open().then(|| risk(&finding.id)),
        timeline: format!("/services/{}/{}", part(&finding.service), part(&finding.environment)),
        id: finding.id.clone(),
    }
}

fn subject(kind: Kind, started: &PushStarted, victims: &str) -> String {
    let release = &started.release;
    match kind {
        Kind::Collateral | Kind::Mixed => format!("while {release} ran, {victims} crashed"),
        Kind::Itself | Kind::Flag | Kind::Ambient => format!("{victims} crashed"),
        Kind::Rollback => format!("after {release} came back, {victims} crashed"),
    }
}

/// The verdict in one sentence.
fn say(facts: &Facts, it: &StoredRegression, frame: &Frame) -> String {
    let (id, finding) = (&it.finding.id, &it.finding);
    let open = facts.push.standing.state.is_open();
    match (finding.ended_because, &it.risk_closed, &it.risk_owner) {
        (_, Some(closed), _) => {
            format!("{id} is closed: {} showed a fix on {}.", closed.actor, frame.day(closed.at))
        }
        (Some(Ending::VictimsGone), None, None) if open => {
            format!("This push cannot be closed as done: {id} ran out of victims, and nobody has shown a fix.")
        }
        (Some(Ending::VictimsGone), None, None) => {
            format!("{id} ran out of victims, nobody has shown a fix, and nobody minds the risk.")
        }
        (Some(Ending::VictimsGone), None, Some(owner)) => {
            format!("{id} ran out of victims, and nobody has shown a fix. {owner} minds the risk.")
        }
        (None, None, _) => format!("{} crashes since this push, and it goes on: {id}.", words::whose(finding)),
        (Some(ending), None, _) => format!("This push did harm, and it ended: {id}, {}.", ending.says()),
    }
}

/// Whether the sentence at the top is a stop.
pub fn is_stop(facts: &Facts) -> bool {
    facts.blamed.iter().any(StoredRegression::is_open)
        || facts.answer.as_ref().is_some_and(|answer| answer.decision == Decision::Stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_name_is_taken_for_a_regression() {
        assert!(is_id("r12"));
        for reason in ["r", "r1 is open", "rolled", "Hold by lee"] {
            assert!(!is_id(reason), "{reason}");
        }
    }
}
