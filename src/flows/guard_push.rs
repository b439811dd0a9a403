//! What guards a push besides the judge: the policy of its service, what is known of its release beside the one that it replaces, and
//! that nobody goes back to a release that was marked as bad without saying why.

use super::Error;
use crate::{
    domain::{
        Record, Time,
        finding::{SuspectKind, Victim},
        pair::{Pair, PairReport, PairVerdict, are, shown_by, standing},
        policy::{Asking, Policy},
        push::PushKind,
        step::{Action, PushStep},
    },
    judge::Guard,
    store::{Actor, Read, Store, StoreError, Tx, changes::Push},
};
use serde_json::{Map, Value, json};

/// The rules that hold for one push.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// What its service asks.
    pub policy: Policy,
    /// What is known of its release beside the one that it replaces; none where it names none.
    pub pair: Option<Pair>,
}

impl Rules {
    /// Reads the rules for a push.
    pub fn of(read: &mut Read<'_>, push: &Push) -> Result<Rules, StoreError> {
        let started = &push.started;
        let policy = read.service(&started.service)?.map(|it| it.policy).unwrap_or_default();
        let pair = match &started.previous {
            Some(previous) => Some(known(read, &started.service, &started.release, previous)?),
            None => None,
        };
        Ok(Rules { policy, pair })
    }

    /// What the judge has to rule out.
    pub fn guard(&self) -> Guard {
        Guard { rule_out: self.policy.rule_out, accept_unknown: self.policy.accept_unknown }
    }

    /// The rules that a push does not meet which asks to go on, in sentences. `next` is the share that it asks for, percent; where it is
    /// not said, the next stage of its plan is meant.
    pub fn unmet(&self, push: &Push, next: Option<f64>, now: Time) -> Vec<String> {
        if push.started.kind == PushKind::Rollback || !push.standing.state.is_open() {
            // Going back is not to be held up by hours and bake times.
            return Vec::new();
        }
        let percent = push.standing.percent;
        let stage = push.started.plan.iter().rev().find(|stage| stage.percent <= percent);
        let planned = push.started.plan.iter().find(|stage| stage.percent > percent);
        self.policy.unmet(&Asking {
            now,
            percent: percent.value(),
            since: push.standing.since,
            next: next.or(planned.map(|stage| stage.percent.value())),
            planned_minutes: stage.and_then(|stage| stage.soak_minutes),
            release: &push.started.release,
            pair: push.started.previous.as_deref().zip(self.pair.clone()),
        })
    }
}

/// One thing that is known of two releases.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The release that did harm, or that was tested.
    pub release: String,
    /// The one beside it.
    pub peer_release: String,
    /// What came of it.
    pub verdict: PairVerdict,
    /// When it was seen.
    pub at: Time,
    /// How it is known.
    pub source: Source,
}

/// How something is known of two releases.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The regression with this id showed it.
    Regression(String),
    /// Somebody reported it.
    Report {
        /// Who.
        actor: String,
        /// What was tested, in words.
        note: Option<String>,
        /// Where to read more.
        url: Option<String>,
    },
}

impl From<PairReport> for Seen {
    fn from(it: PairReport) -> Seen {
        Seen {
            release: it.release,
            peer_release: it.peer_release,
            verdict: it.verdict,
            at: it.at,
            source: Source::Report { actor: it.actor, note: it.note, url: it.url },
        }
    }
}

impl Seen {
    /// The same as a pair, with how it is known.
    fn pair(&self) -> Pair {
        let says = match &self.source {
            Source::Regression(id) => format!("{id} showed it"),
            Source::Report { actor, note: Some(note), .. } => format!("{actor} reported: {note}"),
            Source::Report { actor, note: None, .. } => format!("{actor} reported it"),
        };
        Pair { verdict: self.verdict, says }
    }
}

/// What regressions of a service showed of its releases beside each other; of these two only, where two are named.
pub fn shown(read: &mut Read<'_>, service: &str, these: Option<(&str, &str)>) -> Result<Vec<Seen>, StoreError> {
    let mut seen = Vec::new();
    for it in read.regressions_anywhere_of(service)? {
        let finding = &it.finding;
        let (Some(verdict), Some(suspect)) = (shown_by(finding), finding.blamed()) else { continue };
        let named = |release: &str| these.is_none_or(|(one, other)| release == one || release == other);
        if suspect.kind != SuspectKind::Push || !finding.victims.iter().any(|victim| named(&victim.release)) {
            continue;
        }
        let Some(push) = read.push(&suspect.id)?.filter(|push| push.started.service == service) else { continue };
        let release = &push.started.release;
        let meant = |victim: &&Victim| {
            victim.release != *release && these.is_none_or(|these| are((release, &victim.release), these))
        };
        for victim in finding.victims.iter().filter(meant) {
            seen.push(Seen {
                release: release.clone(),
                peer_release: victim.release.clone(),
                verdict,
                at: finding.detected_at,
                source: Source::Regression(finding.id.clone()),
            });
        }
    }
    Ok(seen)
}

/// What is known of two releases of a service: the worst that was reported or observed.
pub fn known(read: &mut Read<'_>, service: &str, one: &str, other: &str) -> Result<Pair, StoreError> {
    let reported = read.reports_on_pair(service, one, other)?.into_iter().map(Seen::from);
    let mut seen: Vec<Seen> = reported.collect();
    seen.extend(shown(read, service, Some((one, other)))?);
    seen.sort_by_key(|it| it.at);
    Ok(standing(seen.iter().map(Seen::pair)))
}

/// Sets what a service asks of its own pushes.
pub fn set_policy(store: &Store, by: &Actor, service: &str, policy: &Policy, now: Time) -> Result<(), Error> {
    store.write(|tx| {
        tx.service(service)?.ok_or_else(|| Error::no("service", service))?;
        tx.set_policy(service, policy)?;
        tx.record(now, "service.set_policy", by, format!("service:{service}"), json!({ "policy": policy }))?;
        Ok(())
    })
}

/// The words with which somebody goes back to a bad release all the same; none where they are missing or blank.
pub fn override_in(extra: &Map<String, Value>) -> Option<&str> {
    extra.get("override").and_then(Value::as_str).map(str::trim).filter(|words| !words.is_empty())
}

/// Refuses the way back to a release that was marked as bad, unless an override comes with it in writing. For records that are new: a
/// repeat of what was taken before the mark stays one.
pub(super) fn refuse_bad_target(tx: &mut Tx<'_>, record: &Record) -> Result<(), Error> {
    let (service, target, extra) = match record {
        Record::PushStarted(it) if it.kind == PushKind::Rollback => {
            (it.service.clone(), Some(it.release.clone()), &it.extra)
        }
        Record::PushStep(PushStep { action: Action::RollBack, push, extra, .. }) => {
            let Some(push) = tx.push(push)? else { return Ok(()) };
            (push.started.service, push.started.previous, extra)
        }
        _ => return Ok(()),
    };
    let Some(target) = target else { return Ok(()) };
    if override_in(extra).is_some() {
        return Ok(());
    }
    match tx.bad_release(&service, &target)? {
        None => Ok(()),
        Some((push, bad)) => Err(Error::refused(format!(
            "{target} is no way back: {} marked it as bad after push {push}, “{}”. Take another release, or say in \"override\" why \
             this one all the same; it is kept on the record.",
            bad.actor, bad.reason
        ))),
    }
}
