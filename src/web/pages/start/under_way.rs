//! One push under way, as the start page shows it: where it stands, what the gate answers and why, how its releases do.

use super::rates::{self, Rate};
use crate::{
    domain::{
        Time,
        finding::{Decision, Ending, GateAnswer, Known},
        push::PushState,
        time,
    },
    flows::{ask_gate, guard_push::Rules},
    judge::Judge,
    store::{
        Read, StoreError,
        changes::Push,
        findings::{ContinuationFilter, StoredContinuation, StoredRegression},
        holds::Hold,
        telemetry::CrashCount,
    },
    timeline::{self, Class, Standing},
    web::{
        Frame,
        href::part,
        pages::words::{self, Verdict},
    },
};

/// What is read of one push.
pub struct Facts {
    /// The push.
    pub push: Push,
    holds: Vec<Hold>,
    rules: Rules,
    blamed: Vec<StoredRegression>,
    continuations: Vec<StoredContinuation>,
    exposures: Vec<crate::domain::exposure::Exposure>,
    crashes: Vec<CrashCount>,
}

impl Facts {
    /// Reads what is shown of a push.
    pub fn read(read: &mut Read<'_>, push: Push, holds: &[Hold], now: Time) -> Result<Facts, StoreError> {
        let id = &push.started.push;
        let (service, environment) = (&push.started.service, &push.started.environment);
        let from = now - time::minutes(rates::BACK);
        let filter = ContinuationFilter { subject: Some(id.clone()), ..ContinuationFilter::default() };
        Ok(Facts {
            holds: holds.iter().filter(|hold| hold.push == *id).cloned().collect(),
            rules: Rules::of(read, &push)?,
            blamed: read.regressions_blamed_on(id)?,
            continuations: read.continuations(&filter)?,
            exposures: read.exposures_between(service, environment, from, now)?,
            crashes: read.crash_counts(service, environment, from, now)?,
            push,
        })
    }
}

/// A reason of the gate: a regression by its name, or a rule in a sentence.
pub struct Reason {
    /// The regression's name and page.
    pub regression: Option<(String, String)>,
    /// The words.
    pub text: String,
}

/// A push under way, ready to print.
pub struct UnderWay {
    /// The push.
    pub id: String,
    /// Its page.
    pub href: String,
    /// The service, and its timeline.
    pub service: (String, String),
    /// Where.
    pub environment: String,
    /// The release that it brings.
    pub release: String,
    /// The release that it replaces.
    pub previous: Option<String>,
    /// Who began it.
    pub actor: String,
    /// When.
    pub since: String,
    /// In the name of what.
    pub purpose: Option<String>,
    /// The flags that all of it sits behind, with their pages; empty where something ships without.
    pub flags: Vec<(String, String)>,
    /// What ships without a flag.
    pub bare: String,
    /// The plan, drawn.
    pub track: String,
    /// Where it stands, in words.
    pub level: String,
    /// Whether it cannot be closed as done.
    pub unclosable: bool,
    /// The gate's answer.
    pub verdict: Verdict,
    /// The first reason, where it is a regression.
    pub headline: Option<Reason>,
    /// The other reasons.
    pub reasons: Vec<Reason>,
    /// The page where the open risk is minded, if one has no owner.
    pub risk: Option<String>,
    /// Who holds it: address, time, reason.
    pub holds: Vec<(String, String, String)>,
    /// How many steps came after an onset, how many of those past a stop, and the symbol of the most that was known.
    pub continued: Option<(usize, usize, &'static str)>,
    /// The rates of its releases.
    pub rates: Vec<Rate>,
    decision: Decision,
    at: Time,
}

impl UnderWay {
    /// Puts together what is shown of a push.
    pub fn new(facts: Facts, judge: &Judge, frame: &Frame) -> UnderWay {
        let now = frame.now;
        let answer = ask_gate::answer(judge, &facts.push, &facts.holds, &facts.rules, None, now);
        let (headline, reasons) = told(&answer, &facts, judge);
        let started = &facts.push.started;
        let unclosable = facts.blamed.iter().any(|it| ran_out(it) && it.risk_owner.is_none());
        let stages: Vec<f64> = started.plan.iter().map(|stage| stage.percent.value()).collect();
        let colour = if answer.decision == Decision::Stop { Standing::Stop } else { Standing::Quiet };
        let all_flagged = started.can_be_turned_off();
        let bare: Vec<String> =
            started.features.iter().filter(|it| it.flag.is_none()).map(|it| it.name.clone()).collect();
        let flag = |name: &String| (name.clone(), format!("/flags/{}/{}", part(&started.service), part(name)));
        UnderWay {
            href: format!("/pushes/{}", part(&started.push)),
            service: (
                started.service.clone(),
                format!("/services/{}/{}", part(&started.service), part(&started.environment)),
            ),
            environment: started.environment.clone(),
            release: started.release.clone(),
            previous: started.previous.clone(),
            actor: started.actor.clone(),
            since: frame.when(started.at),
            purpose: started.purpose.clone(),
            flags: started
                .features
                .iter()
                .filter_map(|it| it.flag.as_ref())
                .filter(|_| all_flagged)
                .map(flag)
                .collect(),
            bare: words::listed(&bare),
            track: timeline::track(&stages, facts.push.standing.percent.value(), colour),
            level: level(&facts.push, now, frame),
            unclosable,
            verdict: answer.decision.into(),
            headline,
            reasons,
            risk: facts.blamed.iter().find(|it| ran_out(it) && it.risk_owner.is_none()).map(|it| risk(&it.finding.id)),
            holds: facts
                .holds
                .iter()
                .filter(|hold| hold.in_force_at(now))
                .map(|hold| (hold.actor.clone(), frame.when(hold.at), hold.reason.clone()))
                .collect(),
            continued: continued(&facts.continuations),
            rates: rates_of(&facts, judge, now),
            decision: answer.decision,
            at: started.at,
            id: started.push.clone(),
        }
    }

    /// The order on the page: the worst answer first, then the latest push.
    pub fn urgency(&self) -> (std::cmp::Reverse<Decision>, std::cmp::Reverse<Time>) {
        (std::cmp::Reverse(self.decision), std::cmp::Reverse(self.at))
    }
}

/// The page where a regression's open risk is minded.
pub fn risk(id: &str) -> String {
    format!("/regressions/{}/risk", part(id))
}

fn ran_out(it: &StoredRegression) -> bool {
    it.is_open() && it.finding.ended_because == Some(Ending::VictimsGone)
}

fn rates_of(facts: &Facts, judge: &Judge, now: Time) -> Vec<Rate> {
    let started = &facts.push.started;
    let past = judge.baselines(&started.service, &started.environment);
    let rate = |name: &str, class| rates::rate(name, class, &facts.exposures, &facts.crashes, &past, now);
    let mut all: Vec<Rate> = started.previous.iter().map(|name| rate(name, Class::Replaced)).collect();
    all.push(rate(&started.release, Class::Pushed));
    all
}

/// The gate's reasons in words that a reader needs no key for; holds are said apart.
fn told(answer: &GateAnswer, facts: &Facts, judge: &Judge) -> (Option<Reason>, Vec<Reason>) {
    let of_hold = |text: &str| facts.holds.iter().any(|hold| text.starts_with(&format!("Hold by {}, ", hold.actor)));
    let mut reasons: Vec<Reason> = Vec::new();
    for text in answer.reasons.iter().filter(|text| !of_hold(text)) {
        let key = judge.key_of(text);
        match facts.blamed.iter().find(|it| Some(it.key.as_str()) == key) {
            Some(it) => reasons.insert(0, of_regression(it)),
            None => reasons.push(Reason { regression: None, text: text.clone() }),
        }
    }
    let first = reasons.first().is_some_and(|reason| reason.regression.is_some());
    let headline = first.then(|| reasons.remove(0));
    (headline, reasons)
}

fn of_regression(it: &StoredRegression) -> Reason {
    let id = it.finding.id.clone();
    let text = match it.finding.ended_because {
        Some(Ending::VictimsGone) => "ran out of victims".to_owned(),
        Some(ending) => format!("{}, on {}", ending.says(), it.finding.service),
        None => {
            let ratio = words::ratio(it.finding.rate_ratio);
            format!("{} crashes {} × as often as expected", words::whose(&it.finding), ratio.estimate)
        }
    };
    Reason { regression: Some((id.clone(), format!("/regressions/{}", part(&id)))), text }
}

fn continued(all: &[StoredContinuation]) -> Option<(usize, usize, &'static str)> {
    let steps: std::collections::BTreeSet<Time> = all.iter().map(|it| it.finding.step_at).collect();
    let past: std::collections::BTreeSet<Time> =
        all.iter().filter(|it| it.finding.known == Known::Overrode).map(|it| it.finding.step_at).collect();
    let most = words::most_known(all.iter().map(|it| it.finding.known))?;
    Some((steps.len(), past.len(), most.word()))
}

/// Where a push stands and what its plan says comes next.
fn level(push: &Push, now: Time, frame: &Frame) -> String {
    let standing = push.standing;
    let Some(since) = standing.since else { return "Begun; nothing is exposed yet.".into() };
    let minutes = words::minutes_between(since, now);
    let here = push.started.plan.iter().rev().find(|stage| stage.percent <= standing.percent);
    let soak = here.and_then(|stage| stage.soak_minutes);
    let of = soak.filter(|soak| *soak > minutes as f64).map_or(String::new(), |soak| format!(" of {soak:.0}"));
    let mut text = format!("{} % for {}{of}.", standing.percent, words::span(minutes));
    if standing.percent.value() >= 100.0 {
        text = format!("100 % since {}.", frame.when(since));
    }
    match push.standing.state {
        PushState::Paused => text += " Paused.",
        PushState::UnderWay | PushState::Stopped | PushState::RolledBack | PushState::Done => {}
    }
    if let Some(next) = push.started.plan.iter().find(|stage| stage.percent > standing.percent) {
        let from = soak.map(|soak| since + time::seconds((soak * 60.0) as i64)).filter(|from| *from > now);
        let when = from.map_or("any time".to_owned(), |from| format!("at {}", frame.when(from)));
        text += &format!(" By plan {} % {when}.", next.percent);
    }
    text
}
