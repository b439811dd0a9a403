//! Everything that is read of one push before its page is put together.

use crate::{
    domain::{
        Time,
        finding::{Ending, GateAnswer},
        step::PushStep,
        time,
    },
    flows::{Error, ask_gate, guard_push::Rules},
    judge::{Judge, Paths, StepPower},
    store::{
        Read, Store, StoreError,
        changes::{Push, PushFilter},
        findings::{ContinuationFilter, Sighting, StoredContinuation, StoredRegression},
        holds::{GateAsked, Hold, Reply},
        telemetry::CrashCount,
    },
};
use std::collections::HashMap;

/// How many later pushes of the service are looked at for a recovery.
const LATER: i64 = 50;

/// A later push of the same service, with its steps and the harm that it is blamed for.
pub struct Later {
    /// The push.
    pub push: Push,
    /// Its steps, in order.
    pub steps: Vec<PushStep>,
    /// Regressions that it is blamed for.
    pub blamed: Vec<StoredRegression>,
}

/// What is read.
pub struct Facts {
    /// The push.
    pub push: Push,
    /// Its steps, in order.
    pub steps: Vec<PushStep>,
    /// Holds on it, lifted ones too.
    pub holds: Vec<Hold>,
    /// What the gate answered when it was asked.
    pub asked: Vec<GateAsked>,
    /// What a gate asked at each step would have answered.
    pub gates: Vec<GateAnswer>,
    /// The gate's answer now, where the push may still move.
    pub answer: Option<GateAnswer>,
    /// Words beside its steps.
    pub replies: Vec<Reply>,
    /// Regressions that it is blamed for, the greatest harm first; withdrawn ones are left out.
    pub blamed: Vec<StoredRegression>,
    /// What was said of it and later overturned.
    pub withdrawn: Vec<StoredRegression>,
    /// Its steps that went on after an onset.
    pub continuations: Vec<StoredContinuation>,
    /// Who looked at each regression, by id.
    pub sightings: HashMap<String, Vec<Sighting>>,
    /// Crashes of the victims of the first regression, from its onset to its end.
    pub crashes: Vec<CrashCount>,
    /// The victims' rate in their last half hour, per 1,000 instance-hours, where they ran out.
    pub last_rate: Option<f64>,
    /// What each way on would have cost before each continuation of the first regression, where that was known.
    pub paths: Vec<(Time, Option<Paths>)>,
    /// What its service asks of it.
    pub rules: Rules,
    /// What each step could have shown.
    pub power: Vec<StepPower>,
    /// Later pushes of the same service to the same place.
    pub later: Vec<Later>,
    /// The team of who began it.
    pub team: Option<String>,
    /// The ledger's entry about its beginning.
    pub entry: Option<i64>,
}

impl Facts {
    /// Reads everything of a push that is kept.
    pub fn load(store: &Store, id: &str, now: Time) -> Result<Facts, Error> {
        store.read::<_, Error>(|read| {
            let push = read.push(id)?.ok_or_else(|| Error::no("push", id))?;
            Ok(read_all(read, push, now)?)
        })
    }

    /// The same with what the judge says of the push: gates, the answer now, and prices.
    pub fn asked_of(mut self, judge: &Judge, now: Time) -> Facts {
        self.ask(judge, now);
        self
    }

    /// The regression that did the greatest harm.
    pub fn first(&self) -> Option<&StoredRegression> {
        self.blamed.first()
    }

    /// The continuation that a step is, of the first regression if it is one of it.
    pub fn continuation(&self, step: &PushStep) -> Option<&StoredContinuation> {
        let of_step = || self.continuations.iter().filter(|it| it.finding.step_at == step.at);
        let known = |it: &&StoredContinuation| self.blamed.iter().any(|r| r.finding.id == it.finding.regression);
        self.first()
            .and_then(|first| of_step().find(|it| it.finding.regression == first.finding.id))
            .or_else(|| of_step().find(known))
    }

    /// What the gate answered when it was asked for this step: between the step before and this one.
    pub fn asked_for(&self, index: usize) -> Option<&GateAsked> {
        let at = self.steps[index].at;
        let before = self.steps[..index].iter().map(|step| step.at).filter(|before| *before < at).max();
        self.asked.iter().rfind(|it| it.at <= at && before.is_none_or(|before| it.at > before))
    }

    fn ask(&mut self, judge: &Judge, now: Time) {
        let id = self.push.started.push.clone();
        self.gates = judge.gates_of(&id);
        self.power = judge.power(&id, now);
        if self.push.standing.state.is_open() {
            self.answer = Some(ask_gate::answer(judge, &self.push, &self.holds, &self.rules, None, now));
        }
        let Some(first) = self.blamed.first() else { return };
        // Worked out strictly before: at the step's own instant the judge has taken the step in already.
        let before = |at: Time| {
            let last = time::from_micros(time::micros(at) - 1);
            judge.paths(&first.key, last).filter(|paths| paths.at <= last)
        };
        self.paths = self
            .continuations
            .iter()
            .filter(|it| it.finding.regression == first.finding.id)
            .map(|it| (it.finding.step_at, before(it.finding.step_at)))
            .collect();
    }
}

fn read_all(read: &mut Read<'_>, push: Push, now: Time) -> Result<Facts, StoreError> {
    let id = push.started.push.clone();
    let (withdrawn, mut blamed): (Vec<_>, Vec<_>) =
        read.regressions_blamed_on(&id)?.into_iter().partition(|it| it.finding.withdrawn.is_some());
    let harm = |it: &StoredRegression| it.finding.excess_crashes.estimate;
    blamed.sort_by(|a, b| harm(b).total_cmp(&harm(a)));
    let mut sightings = HashMap::new();
    for it in &blamed {
        sightings.insert(it.finding.id.clone(), read.sightings(&it.finding.id)?);
    }
    let (crashes, last_rate) = match blamed.first() {
        Some(first) => harmed(read, first, now)?,
        None => (Vec::new(), None),
    };
    let by_subject = ContinuationFilter { subject: Some(id.clone()), ..ContinuationFilter::default() };
    let subject = format!("push:{id}");
    Ok(Facts {
        steps: read.steps(&id)?,
        holds: read.holds_of(&id)?,
        rules: Rules::of(read, &push)?,
        power: Vec::new(),
        asked: read.gate_answers(&id)?,
        gates: Vec::new(),
        answer: None,
        replies: read.replies(&id)?,
        continuations: read.continuations(&by_subject)?,
        sightings,
        crashes,
        last_rate,
        paths: Vec::new(),
        later: if blamed.is_empty() { Vec::new() } else { later(read, &push)? },
        team: read.person_by_email(&push.started.actor)?.and_then(|person| person.team),
        entry: read.first_entries(&[subject])?.into_iter().map(|(_, seq)| seq).min(),
        blamed,
        withdrawn,
        push,
    })
}

/// The victims' crashes from onset to end, and their rate in their last half hour where they ran out.
fn harmed(read: &mut Read<'_>, it: &StoredRegression, now: Time) -> Result<(Vec<CrashCount>, Option<f64>), StoreError> {
    let finding = &it.finding;
    let until = finding.ended_at.unwrap_or(now);
    let is_victim = |release: &str| finding.victims.iter().any(|victim| victim.release == release);
    let mut crashes = read.crash_counts(&finding.service, &finding.environment, finding.onset.at, until)?;
    crashes.retain(|crash| finding.harms(crash.release.as_deref()));
    if finding.ended_because != Some(Ending::VictimsGone) {
        return Ok((crashes, None));
    }
    let from = until - time::minutes(30);
    let ran = read.exposures_between(&finding.service, &finding.environment, from, until)?;
    let hours: f64 = ran.iter().filter(|it| is_victim(&it.release)).map(|it| it.instance_hours()).sum();
    let count: i64 = crashes.iter().filter(|crash| crash.at >= from).map(|crash| crash.crashes).sum();
    Ok((crashes, (hours > 0.0).then(|| count as f64 / hours * 1000.0)))
}

fn later(read: &mut Read<'_>, push: &Push) -> Result<Vec<Later>, StoreError> {
    let filter = PushFilter {
        service: Some(push.started.service.clone()),
        environment: Some(push.started.environment.clone()),
        limit: LATER,
        ..PushFilter::default()
    };
    let mut later = Vec::new();
    for other in read.pushes(&filter)?.into_iter().rev() {
        if other.started.at > push.started.at && other.started.push != push.started.push {
            let id = other.started.push.clone();
            let (steps, mut blamed) = (read.steps(&id)?, read.regressions_blamed_on(&id)?);
            blamed.retain(|it| it.finding.withdrawn.is_none());
            later.push(Later { push: other, steps, blamed });
        }
    }
    Ok(later)
}
