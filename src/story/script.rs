//! What people do in the story: services declared, pushes begun and stepped, flags turned, things said.

use super::reports::march;
use crate::domain::{
    Record, Time,
    flag::FlagChanged,
    note::Note,
    percent::Percent,
    push::{Feature, PushKind, PushStarted, Stage},
    service::{DEFAULT_ENVIRONMENT, ServiceDeclared},
    step::{Action, PushStep},
    time,
};
use serde_json::{Map, json};

/// The start of the story.
pub fn start() -> Time {
    march(2, 6, 0)
}

/// The end of the story.
pub fn end() -> Time {
    march(3, 7, 42)
}

/// One step of relay-118: percent, when, and how many minutes the ramp took once it had begun.
pub struct RelayStep {
    /// The share of B that it aims at, percent.
    pub percent: u8,
    /// When it was taken.
    pub at: Time,
    /// How long the cells took to follow, minutes.
    pub ramp: u16,
    /// Why, in Dana's words.
    pub reason: Option<&'static str>,
}

/// The steps of relay-118.
pub fn relay_steps() -> Vec<RelayStep> {
    let step = |percent, (hour, minute, second), ramp, reason| RelayStep {
        percent,
        at: march(3, hour, minute) + time::seconds(second),
        ramp,
        reason,
    };
    vec![
        step(1, (1, 11, 17), 3, None),
        step(5, (1, 59, 11), 4, None),
        step(10, (2, 59, 42), 6, None),
        step(25, (4, 9, 26), 12, None),
        step(50, (5, 22, 8), 22, Some("The sooner A is gone, the sooner it stops.")),
        step(75, (5, 50, 33), 20, Some("Half done, turning back now costs as much.")),
        step(100, (6, 14, 5), 34, Some("Last step.")),
    ]
}

/// The shares of billing-77: percent and the instances of 40 that run r410 from then on.
pub fn billing_steps() -> [(u8, Time, u16); 4] {
    [(1, march(3, 0, 35), 1), (10, march(3, 1, 30), 4), (50, march(3, 2, 30), 20), (100, march(3, 3, 30), 40)]
}

/// When sync-64 took its only step, to 1 % (two instances), and when it was taken back.
pub fn sync_64() -> (Time, Time) {
    (march(2, 18, 50), march(2, 19, 20))
}

const DANA: &str = "dana@example.com";
const SAM: &str = "sam@example.com";
const KIM: &str = "kim@example.com";
const JO: &str = "jo@example.com";

/// Everything that somebody declares, does or says.
pub fn deeds() -> Vec<Record> {
    let mut deeds = services();
    deeds.extend(relay_118());
    deeds.extend(billing_77());
    deeds.extend(blue_buttons());
    deeds.extend(sync_64_records());
    deeds.push(note(march(3, 4, 31) + time::seconds(20), "Only the A instances are crashing. B looks clean."));
    deeds.push(note(march(3, 6, 52) + time::seconds(48), "A is gone, crashes stopped. Calling it done."));
    deeds
}

fn services() -> Vec<Record> {
    let declare = |service: &str, name: &str, team: &str, owner: &str, depends_on: &[&str]| {
        Record::Service(ServiceDeclared {
            service: service.into(),
            at: Some(start()),
            received_at: None,
            name: Some(name.into()),
            team: Some(team.into()),
            owner: Some(owner.into()),
            depends_on: depends_on.iter().map(|service| (*service).to_owned()).collect(),
            extra: Map::new(),
        })
    };
    vec![
        declare("relay", "Relay", "transport", DANA, &["edge", "chat", "sync"]),
        declare("edge", "Edge", "edge", "lee@example.com", &["relay"]),
        declare("chat", "Chat", "chat", "ana@example.com", &["relay"]),
        declare("sync", "Sync", "sync", JO, &["relay"]),
        declare("billing", "Billing", "billing", SAM, &[]),
        declare("web", "Web", "web", KIM, &[]),
    ]
}

fn stages(percents: &[u8], soak_minutes: u8) -> Vec<Stage> {
    percents
        .iter()
        .map(|value| Stage { percent: percent(*value), soak_minutes: Some(f64::from(soak_minutes)) })
        .collect()
}

fn percent(value: u8) -> Percent {
    Percent::new(f64::from(value)).unwrap_or(Percent::ALL)
}

fn step(push: &str, at: Time, actor: &str, action: Action, to: Option<u8>, reason: Option<&str>) -> Record {
    Record::PushStep(PushStep {
        push: push.into(),
        at,
        received_at: at,
        actor: actor.into(),
        action,
        percent: to.map(percent),
        cells: Vec::new(),
        reason: reason.map(str::to_owned),
        automatic: false,
        extra: Map::new(),
    })
}

fn feature(name: &str, flag: Option<&str>) -> Feature {
    Feature { name: name.into(), flag: flag.map(str::to_owned) }
}

/// The push that killed by contact. It was never closed: who tried was asked for an owner of the open risk.
fn relay_118() -> Vec<Record> {
    let begun = march(3, 0, 48) + time::seconds(9);
    let mut records = vec![Record::PushStarted(PushStarted {
        push: "relay-118".into(),
        service: "relay".into(),
        environment: DEFAULT_ENVIRONMENT.into(),
        release: "B".into(),
        previous: Some("A".into()),
        at: begun,
        received_at: begun,
        actor: DANA.into(),
        purpose: Some("Smaller frames on the wire, for the partner demo on 4 March".into()),
        kind: PushKind::Deploy,
        features: vec![feature("compact frames", None), feature("retry budget", Some("relay-retry-budget"))],
        commit: None,
        url: None,
        plan: stages(&[1, 5, 10, 25, 50, 75, 100], 45),
        extra: Map::new(),
    })];
    records.extend(
        relay_steps()
            .iter()
            .map(|taken| step("relay-118", taken.at, DANA, Action::Advance, Some(taken.percent), taken.reason)),
    );
    records
}

/// A push next door that does no harm.
fn billing_77() -> Vec<Record> {
    let begun = march(3, 0, 21) + time::seconds(40);
    let mut records = vec![Record::PushStarted(PushStarted {
        push: "billing-77".into(),
        service: "billing".into(),
        environment: DEFAULT_ENVIRONMENT.into(),
        release: "r410".into(),
        previous: Some("r409".into()),
        at: begun,
        received_at: begun,
        actor: SAM.into(),
        purpose: Some("Round taxes per line, as the auditors asked".into()),
        kind: PushKind::Deploy,
        features: vec![feature("taxes per line", Some("billing-line-taxes"))],
        commit: None,
        url: None,
        plan: stages(&[1, 10, 50, 100], 50),
        extra: Map::new(),
    })];
    records.extend(
        billing_steps()
            .iter()
            .map(|(percent, at, _)| step("billing-77", *at, SAM, Action::Advance, Some(*percent), None)),
    );
    records.push(step("billing-77", march(3, 4, 15), SAM, Action::Complete, None, None));
    records
}

/// A push on the day before that harmed itself, was seen to, and was taken back within half an hour.
fn sync_64_records() -> Vec<Record> {
    let begun = march(2, 18, 41) + time::seconds(15);
    let (step_at, back_at) = sync_64();
    vec![
        Record::PushStarted(PushStarted {
            push: "sync-64".into(),
            service: "sync".into(),
            environment: DEFAULT_ENVIRONMENT.into(),
            release: "s64".into(),
            previous: Some("s63".into()),
            at: begun,
            received_at: begun,
            actor: JO.into(),
            purpose: Some("Merge edits without asking the server for the order".into()),
            kind: PushKind::Deploy,
            features: vec![feature("local merge", None)],
            commit: None,
            url: None,
            plan: stages(&[1, 10, 50, 100], 60),
            extra: Map::new(),
        }),
        step("sync-64", step_at, JO, Action::Advance, Some(1), None),
        step(
            "sync-64",
            back_at,
            JO,
            Action::RollBack,
            Some(0),
            Some("s64 panics on what s63 wrote. Back until it reads both."),
        ),
    ]
}

/// A flag that is turned in the middle of it all and has nothing to do with it.
fn blue_buttons() -> Vec<Record> {
    [("blue-buttons-1", march(3, 1, 24), 0, 20), ("blue-buttons-2", march(3, 4, 40), 20, 50)]
        .into_iter()
        .map(|(change, at, before, after)| {
            let rule = |value: i32| Map::from_iter([("percent".to_owned(), json!(value))]);
            Record::FlagChanged(FlagChanged {
                change: change.into(),
                flag: "blue-buttons".into(),
                service: "web".into(),
                environment: DEFAULT_ENVIRONMENT.into(),
                at,
                received_at: at,
                actor: KIM.into(),
                before: Some(rule(before)),
                after: Some(rule(after)),
                reason: None,
                url: None,
                extra: Map::new(),
            })
        })
        .collect()
}

fn note(at: Time, text: &str) -> Record {
    Record::Note(Note {
        at,
        received_at: at,
        actor: DANA.into(),
        text: text.into(),
        service: Some("relay".into()),
        push: Some("relay-118".into()),
        url: None,
        extra: Map::new(),
    })
}
