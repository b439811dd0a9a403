//! Keeping what the judge says: numbers for regressions, what people knew when they went on, and what was said before.

use super::Error;
use crate::{
    domain::{
        Time,
        finding::{Continuation, Decision, Known, Regression, Withdrawn},
        time,
    },
    judge::Said,
    store::{
        Actor, Store, Tx,
        findings::{Saying, StoredContinuation},
        leases::Lease,
    },
};
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// Whoever keeps what the judge says: the only node there is, or the one of several that holds the lease.
#[derive(Clone)]
pub struct Clerk {
    store: Store,
    lease: Option<Lease>,
}

impl Clerk {
    /// Keeps in that database, as long as the lease is held where there is one.
    pub fn new(store: Store, lease: Option<Lease>) -> Clerk {
        Clerk { store, lease }
    }

    /// Whether other nodes may keep in the same database.
    pub fn is_one_of_several(&self) -> bool {
        self.lease.is_some()
    }

    /// Asks for the lease, or extends it. Whether this node is the one that keeps.
    pub fn is_on_duty(&self, now: Time) -> Result<bool, Error> {
        match &self.lease {
            Some(_) => self.keep(now, |_| Ok(())),
            None => Ok(true),
        }
    }

    /// Lets another node keep from now on.
    pub fn leave(&self) -> Result<(), Error> {
        match &self.lease {
            Some(lease) => self.store.keep(|tx| Ok(tx.give_up_lease(lease)?)),
            None => Ok(()),
        }
    }

    /// Keeps something in a transaction that holds the lease: a node that lost it keeps nothing, however late it notices.
    fn keep(&self, now: Time, mut body: impl FnMut(&mut Tx<'_>) -> Result<(), Error>) -> Result<bool, Error> {
        self.store.keep(|tx| {
            if let Some(lease) = &self.lease
                && !tx.hold_lease(lease, now)?
            {
                return Ok(false);
            }
            body(tx).map(|()| true)
        })
    }
}

/// Keeps everything new that the judge said. What was said before, and is said again after a restart, is left out. Whether it was for
/// this node to keep; if not, nothing more was.
pub fn keep_sayings(clerk: &Clerk, said: &[Said], now: Time) -> Result<bool, Error> {
    for said in said {
        if !clerk.keep(now, |tx| keep_one(tx, said, now))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Keeps ids and links where a judge that reads the whole history again calls the same harm by another name, as after an
/// upgrade: a regression that is not found any more hands its id to the one that was found in its place.
pub fn keep_ids(clerk: &Clerk, said: &[Said], keys: &HashSet<String>, now: Time) -> Result<bool, Error> {
    let latest: HashMap<&str, &Said> = said.iter().map(|it| (it.key.as_str(), it)).collect();
    clerk.keep(now, |tx| {
        let known = tx.regression_keys()?;
        let mut orphans = Vec::new();
        for (key, id) in &known {
            if !keys.contains(key) {
                orphans.extend(tx.regression(id)?);
            }
        }
        let mut found: Vec<&&Said> = latest.values().filter(|it| known.iter().all(|(key, _)| *key != it.key)).collect();
        found.sort_by_key(|it| it.regression.detected_at);
        for said in found {
            if let Some(place) = orphans.iter().position(|orphan| is_same_harm(&orphan.finding, &said.regression)) {
                tx.rename_regression(&orphans.remove(place).finding.id, &said.key)?;
            }
        }
        Ok(())
    })
}

/// Whether two findings speak of one harm: in one place, blamed on the same, and at overlapping times.
fn is_same_harm(one: &Regression, other: &Regression) -> bool {
    let blamed = |it: &Regression| it.blamed().map(|suspect| suspect.id.clone());
    let ends = |it: &Regression| it.ended_at.unwrap_or(Time::MAX_UTC);
    one.service == other.service
        && one.environment == other.environment
        && blamed(one) == blamed(other)
        && one.onset.earliest <= ends(other)
        && other.onset.earliest <= ends(one)
}

fn keep_one(tx: &mut Tx<'_>, said: &Said, now: Time) -> Result<(), Error> {
    let ids: HashMap<String, String> = tx.regression_keys()?.into_iter().collect();
    let (id, number) = match ids.get(&said.key) {
        Some(id) => (id.clone(), 0),
        None => {
            let number = tx.next_regression()?;
            (format!("r{number}"), number)
        }
    };
    let before = tx.regression(&id)?;
    if before.as_ref().is_some_and(|before| before.said_at >= said.at) {
        return Ok(());
    }
    let mut regression = said.regression.clone();
    regression.id = id.clone();
    let continuations: Vec<Continuation> = said
        .continuations
        .iter()
        .map(|it| Continuation { regression: id.clone(), ..it.clone() })
        .map(|it| known_then(tx, it))
        .collect::<Result<_, Error>>()?;
    let saying = Saying { regression, continuations, evidence: json!(said.evidence) };
    tx.keep_saying(&said.key, number, said.at, &saying)?;
    for finding in &saying.continuations {
        let counted = counted_after(tx, &saying, finding, now)?;
        let (service, environment) = (saying.regression.service.clone(), saying.regression.environment.clone());
        tx.keep_continuation(&StoredContinuation { finding: finding.clone(), service, environment, counted })?;
    }
    // Only what changes the meaning goes to the ledger; a growing count does not.
    let meaning = |it: &Regression| {
        (it.kind, it.blamed().map(|suspect| suspect.id.clone()), it.ended_because, it.withdrawn.clone())
    };
    if before.as_ref().is_none_or(|before| meaning(&before.finding) != meaning(&saying.regression)) {
        let kind = if before.is_none() { "regression.detect" } else { "regression.change" };
        tx.record(said.at, kind, &Actor::system(), format!("regression:{id}"), json!(saying.regression))?;
    }
    Ok(())
}

/// Raises what was known to what this actor had seen, or went past.
fn known_then(tx: &mut Tx<'_>, mut it: Continuation) -> Result<Continuation, Error> {
    let at = it.step_at;
    let seen = tx.sightings(&it.regression)?;
    if it.known == Known::Detected && seen.iter().any(|sighting| sighting.person == it.actor && sighting.first_at < at)
    {
        it.known = Known::Seen;
    }
    if let Some(push) = &it.push {
        let held = tx.holds_of(push)?.iter().any(|hold| hold.at < at && hold.in_force_at(at));
        // An answer counts for the step that came next after it.
        let previous = tx.steps(push)?.iter().map(|step| step.at).filter(|step| *step < at).max();
        let stopped = tx.gate_answers(push)?.iter().any(|answer| {
            answer.decision == Decision::Stop && answer.at <= at && previous.is_none_or(|previous| answer.at > previous)
        });
        if held || stopped {
            it.known = Known::Overrode;
        }
    }
    Ok(it)
}

/// Crashes of the victims counted from the step to the end: a number that assumes nothing. In a storm, from the first whole minute
/// after the step.
fn counted_after(tx: &mut Tx<'_>, saying: &Saying, it: &Continuation, now: Time) -> Result<i64, Error> {
    let regression = &saying.regression;
    let until = regression.ended_at.unwrap_or(now);
    let victims: HashSet<&str> = regression.victims.iter().map(|victim| victim.release.as_str()).collect();
    let crashes = tx.crash_counts(&regression.service, &regression.environment, it.step_at, until)?;
    let ours = crashes.iter().filter(|crash| crash.release.as_deref().is_some_and(|release| victims.contains(release)));
    Ok(ours.map(|crash| crash.crashes).sum())
}

/// Looks again at what was known at each continuation of a regression, after something arrived that bears on it.
pub fn know_again(store: &Store, id: &str) -> Result<(), Error> {
    store.keep(|tx| {
        for mut stored in tx.continuations_of(id)? {
            let finding = known_then(tx, stored.finding.clone())?;
            if finding != stored.finding {
                stored.finding = finding;
                tx.keep_continuation(&stored)?;
            }
        }
        Ok::<_, Error>(())
    })
}

/// Withdraws every regression that the judge no longer finds, after the past itself was changed by an import.
/// What was said stays listed.
pub fn withdraw_missing(clerk: &Clerk, keys: &HashSet<String>, now: Time) -> Result<bool, Error> {
    clerk.keep(now, |tx| {
        for (key, id) in tx.regression_keys()? {
            let Some(it) = tx.regression(&id)? else { continue };
            if keys.contains(&key) || it.finding.withdrawn.is_some() {
                continue;
            }
            let mut regression = it.finding.clone();
            regression.withdrawn =
                Some(Withdrawn { at: now, why: "Records that arrived later explain the crashes without it.".into() });
            let evidence = serde_json::from_str(&it.evidence).unwrap_or_default();
            let continuations = tx.continuations_of(&id)?.into_iter().map(|stored| stored.finding).collect();
            tx.keep_saying(
                &key,
                0,
                now.max(it.said_at + time::seconds(1)),
                &Saying { regression, continuations, evidence },
            )?;
            tx.record(now, "regression.withdraw", &Actor::system(), format!("regression:{id}"), json!({ "id": id }))?;
        }
        Ok(())
    })
}
