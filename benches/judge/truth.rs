//! What really happened in a history, from the world that made it. No judge is asked.

use crate::{
    fleet::{Course, Fleet, ORDINARY},
    history::start_of,
    plan::{Plan, Push},
    spec::{End, Look, On, Scenario},
};
use pushback::domain::{
    finding::{Ending, Kind},
    step::Action,
    time,
};
use serde_json::{Value, json};

/// Microseconds since 1970.
pub type Micros = i64;
/// A minute.
pub const MINUTE: Micros = 60_000_000;
/// Harm with fewer crashes, or fewer nats, is scored apart.
pub const LEAST_CRASHES: usize = 8;
/// The same, in expected log-likelihood against no harm.
pub const LEAST_NATS: f64 = 25.0;
/// Paths are compared over so many minutes.
const HORIZON: i64 = 480;

/// One crash that harm brought.
#[derive(Debug, Clone, Copy)]
pub struct Harmed {
    /// When.
    pub at: Micros,
    /// When its report came, before anything spoilt it.
    pub received_at: Micros,
    /// Clients cut off.
    pub clients: i64,
    /// Whether it is the release that the guilty push brought that crashed.
    pub own: bool,
}

/// Expected further crashes on each path, from the second step after the onset.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// When the paths part.
    pub at: Micros,
    /// Taking it back within minutes.
    pub back: f64,
    /// Standing still.
    pub hold: f64,
    /// Going on as planned.
    pub forward: f64,
}

/// One harm.
#[derive(Debug, Clone)]
pub struct True {
    /// Its kind.
    pub kind: Kind,
    /// The change that brought it.
    pub change: Option<String>,
    /// Changes that nobody could tell from it, itself included.
    pub like: Vec<String>,
    /// Where the crashes are.
    pub services: Vec<String>,
    /// Who crashes; empty where everybody does.
    pub victims: Vec<String>,
    /// Its signatures; empty where all are.
    pub signatures: Vec<String>,
    /// The first minute with harm.
    pub onset: Micros,
    /// The end, where there is one in the history, and why.
    pub end: Option<(Micros, Option<Ending>)>,
    /// Expected crashes by live minute.
    pub by_minute: Vec<f64>,
    /// The crashes that came of it, in order.
    pub crashes: Vec<Harmed>,
    /// Expected log-likelihood of the harm against none.
    pub nats: f64,
    /// Whether several changes were in flight.
    pub overlap: bool,
    /// Whether it is below what is looked for, or too faint to be held against anybody.
    pub faint: bool,
    /// Steps that raised exposure after the onset and before the end: whose, and when.
    pub continuations: Vec<(String, Micros)>,
    /// The three paths.
    pub ways: Option<Ways>,
    /// Share of the guilty change by live minute.
    pub shares: Vec<f64>,
}

impl True {
    /// Crashes up to an instant.
    pub fn crashes_until(&self, at: Micros) -> usize {
        self.crashes.iter().filter(|it| it.at <= at).count()
    }

    /// The kind of what had arrived by an instant: of harm to be to both, one of them may not have crashed yet.
    pub fn kind_until(&self, at: Micros) -> Kind {
        let mut arrived = self.crashes.iter().filter(|it| it.received_at <= at).map(|it| it.own).peekable();
        if self.kind != Kind::Mixed || arrived.peek().is_none() {
            return self.kind;
        }
        match arrived.fold((false, false), |(own, other), it| (own || it, other || !it)) {
            (true, false) => Kind::Itself,
            (false, true) => Kind::Collateral,
            _ => Kind::Mixed,
        }
    }

    /// Whether blaming this change is right.
    pub fn is_guilty(&self, change: &str) -> bool {
        self.change.as_deref() == Some(change) || self.like.iter().any(|it| it == change)
    }
}

/// Everything that really happened.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Harms with at least one crash.
    pub harms: Vec<True>,
    /// Every push and flag change, with the instant at which it first exposed anybody.
    pub changes: Vec<(String, Micros)>,
    /// How many of them are pushes.
    pub pushes: Vec<String>,
    /// Start of the live part.
    pub start: Micros,
    /// Whether saying "ambient" is no mistake.
    pub tolerates_ambient: bool,
    /// How it ended.
    pub end: End,
}

impl Truth {
    /// The truth of one history.
    pub fn new(spec: &Scenario, fleet: &Fleet, plan: &Plan, course: &Course, harmed: Vec<Vec<Harmed>>) -> Truth {
        let start = time::micros(start_of(spec));
        let mut harms = Vec::new();
        for (number, mut crashes) in harmed.into_iter().enumerate() {
            crashes.sort_by_key(|it| it.at);
            if !crashes.is_empty() {
                harms.extend(harm(spec, fleet, plan, course, number, crashes, start));
            }
        }
        let first = |push: &Push| start + push.steps[0].at * MINUTE;
        let mut changes: Vec<(String, Micros)> =
            plan.pushes.iter().map(|push| (push.id.clone(), first(push))).collect();
        changes.extend(plan.flags.iter().map(|flag| (flag.id.clone(), start + flag.at * MINUTE)));
        Truth {
            harms,
            changes,
            pushes: plan.pushes.iter().map(|push| push.id.clone()).collect(),
            start,
            tolerates_ambient: spec.tolerates_ambient,
            end: plan.end,
        }
    }

    /// The truth as it is written beside a history.
    pub fn to_json(&self) -> Value {
        let text = |at: Micros| time::text(time::from_micros(at));
        let harm = |it: &True| {
            let clients = it.crashes.iter().map(|it| it.clients).sum::<i64>();
            let each = clients as f64 / it.crashes.len().max(1) as f64;
            json!({
                "class": it.kind.word(),
                "change": it.change,
                "indistinguishable_from": it.like,
                "population": {"services": it.services, "releases": it.victims},
                "signatures": it.signatures,
                "onset": text(it.onset),
                "ended_at": it.end.map(|end| text(end.0)),
                "end_state": it.end.and_then(|end| end.1).map(Ending::word),
                "harm_by_minute": it.by_minute.iter().map(|it| (it * 1e4).round() / 1e4).collect::<Vec<f64>>(),
                "crashes": it.crashes.len(),
                "clients": clients,
                "nats": it.nats,
                "faint": it.faint,
                "expected_action": if it.change.is_some() { "stop" } else { "hold" },
                "steps_after_onset": it.continuations.iter().map(|it| json!([it.0, text(it.1)])).collect::<Vec<_>>(),
                "cf_excess": it.ways.map(|it| json!({"from": text(it.at), "back": it.back, "hold": it.hold,
                    "forward": it.forward, "clients_each": each})),
            })
        };
        json!({"harms": self.harms.iter().map(harm).collect::<Vec<_>>(), "end": format!("{:?}", self.end),
            "expected_action": if self.harms.is_empty() { "go" } else { "see harms" }})
    }
}

fn harm(
    spec: &Scenario,
    fleet: &Fleet,
    plan: &Plan,
    course: &Course,
    number: usize,
    crashes: Vec<Harmed>,
    start: Micros,
) -> Option<True> {
    let of = &spec.harms[number];
    let by_minute = course.by_minute(spec, number, fleet.last);
    let peak = by_minute.iter().copied().fold(0.0, f64::max);
    let first = by_minute.iter().position(|it| *it > 0.0)? as i64;
    let end = by_minute.iter().rposition(|it| *it > 0.02 * peak)? as i64 + 1;
    let effects = || spec.effects.iter().zip(&fleet.looks).filter(|it| it.0.harm == number);
    let mut services: Vec<String> = effects().map(|it| it.0.service.clone()).collect();
    services.dedup();
    let mut signatures: Vec<String> = effects().filter_map(|it| it.1.clone()).collect();
    if effects().any(|it| it.0.signature == Look::All) {
        signatures.clear();
    }
    signatures.dedup();
    let mut victims = Vec::new();
    for (effect, values) in spec.effects.iter().zip(&course.harms).filter(|it| it.0.harm == number) {
        let service = &fleet.services[fleet.service(&effect.service)];
        for (release, name) in service.releases.iter().enumerate() {
            let hit = values.iter().skip(release).step_by(service.releases.len()).any(|it| *it > 0.0);
            if hit && effect.on != On::All && !victims.contains(name) {
                victims.push(name.clone());
            }
        }
    }
    // An end within half an hour of the history's own cannot be known.
    let ended = (end < fleet.last - 30).then(|| (start + end * MINUTE, ending(spec, plan, number)));
    let shares = shares(spec, fleet, plan, course, number);
    let nats = nats(spec, fleet, course, number);
    let faint = of.small || crashes.len() < LEAST_CRASHES || nats < LEAST_NATS;
    Some(True {
        kind: of.kind,
        change: of.change.clone(),
        like: of.like.clone(),
        services,
        victims,
        signatures,
        onset: start + first * MINUTE,
        end: ended,
        continuations: continuations(plan, of.change.as_deref(), first, end, start),
        ways: ways(spec, fleet, plan, number, first, start),
        by_minute,
        crashes,
        nats,
        overlap: of.overlap,
        faint,
        shares,
    })
}

fn ending(spec: &Scenario, plan: &Plan, number: usize) -> Option<Ending> {
    let of = &spec.harms[number];
    if of.ended.is_some() {
        return of.ended;
    }
    if of.change.is_none() {
        return Some(Ending::Subsided);
    }
    match plan.end {
        End::RolledBack => Some(Ending::RolledBack),
        End::Hotfix => Some(Ending::Fixed),
        End::FlagReverted => Some(Ending::FlagReverted),
        End::GoesOn | End::Stopped => {
            let others = spec.effects.iter().any(|it| it.harm == number && matches!(it.on, On::Others(_)));
            Some(if others { Ending::VictimsGone } else { Ending::Subsided })
        }
    }
}

fn continuations(plan: &Plan, change: Option<&str>, first: i64, end: i64, start: Micros) -> Vec<(String, Micros)> {
    let Some(change) = change else { return Vec::new() };
    let within = |at: i64| at > first && at < end;
    let mut found = Vec::new();
    if let Some(push) = plan.push(change) {
        for pair in push.steps.windows(2) {
            let rises = pair[1].cells.iter().zip(&pair[0].cells).any(|(to, from)| *to > from + 1e-9);
            let moves = matches!(pair[1].action, Action::Advance | Action::Resume | Action::Complete);
            if rises && moves && within(pair[1].at) {
                found.push((push.id.clone(), start + pair[1].at * MINUTE));
            }
        }
    } else if let Some(flag) = plan.flag_of(change) {
        for it in plan.flags.iter().filter(|it| it.flag == flag && it.after > it.before && within(it.at)) {
            found.push((it.id.clone(), start + it.at * MINUTE));
        }
    }
    found
}

/// Expected log-likelihood of the harm against none, by release, cell, minute and signature. A signature that was never
/// seen is taken to have a hundredth of the usual rate.
fn nats(spec: &Scenario, fleet: &Fleet, course: &Course, number: usize) -> f64 {
    let mut sum = 0.0;
    for (index, effect) in spec.effects.iter().enumerate().filter(|it| it.1.harm == number) {
        let victim = fleet.service(&effect.service);
        let service = &fleet.services[victim];
        let (cells, width) = (service.cells.len(), service.releases.len());
        let part = match &fleet.looks[index] {
            None => 1.0,
            Some(look) => ORDINARY.iter().find(|it| it.0 == look).map_or(0.01, |it| it.1),
        };
        for (at, harm) in course.harms[index].iter().enumerate().filter(|it| *it.1 > 0.0) {
            let (minute, cell, release) = (at / width / cells, at / width % cells, at % width);
            let place = fleet.place(minute as i64);
            let ran = course.mixes[victim][minute * cells + cell][release];
            let usual = service.rate * service.cell_rates[cell] * service.load[place] * service.quality[place] * ran;
            let usual = (usual * part).max(1e-12);
            sum += (usual + harm) * (1.0 + harm / usual).ln() - harm;
        }
    }
    sum
}

/// The share of the guilty change in its fleet, by live minute.
fn shares(spec: &Scenario, fleet: &Fleet, plan: &Plan, course: &Course, number: usize) -> Vec<f64> {
    let Some(change) = &spec.harms[number].change else { return Vec::new() };
    if let Some(push) = plan.push(change) {
        let release = fleet.services[push.service].releases.iter().position(|it| *it == push.release).unwrap_or(0);
        return (0..fleet.last as usize).map(|minute| course.share(fleet, push.service, release, minute)).collect();
    }
    let Some(flag) = plan.flag_of(change) else { return Vec::new() };
    (0..fleet.last).map(|minute| plan.flag_share(flag, minute)).collect()
}

/// What each way on would have cost, by running the world again along it.
fn ways(spec: &Scenario, fleet: &Fleet, plan: &Plan, number: usize, first: i64, start: Micros) -> Option<Ways> {
    let change = spec.harms[number].change.as_deref()?;
    let index = plan.pushes.iter().position(|push| push.id == change)?;
    let push = &plan.pushes[index];
    let place = push.steps.iter().enumerate().filter(|it| it.1.at > first).nth(1)?.0;
    let at = push.steps[place].at;
    if push.steps[place].action != Action::Advance {
        return None;
    }
    let cost = |steps: Vec<crate::plan::Step>| {
        let mut plan = plan.clone();
        plan.pushes[index].steps = steps;
        let sums = fleet.course(spec, &plan).by_minute(spec, number, fleet.last);
        sums[at as usize..(at + HORIZON).min(fleet.last) as usize].iter().sum::<f64>()
    };
    let before = push.steps[..place].to_vec();
    let mut back = before.clone();
    let last = before.last()?;
    back.push(crate::plan::Step { at, action: Action::RollBack, cells: vec![0.0; last.cells.len()] });
    let forward = cost(push.steps.clone());
    Some(Ways { at: start + at * MINUTE, back: cost(back), hold: cost(before), forward })
}
