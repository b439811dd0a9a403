//! One history: draws crash reports and exposure from a fleet and puts them, with what people did, in order of arrival.

use crate::{
    dice::Dice,
    faults,
    fleet::{Course, Fleet, ORDINARY},
    plan::Plan,
    spec::{On, Scenario, Shape},
    truth::{Harmed, Truth},
};
use pushback::domain::{
    Record,
    crash::Crash,
    exposure::Exposure,
    flag::FlagChanged,
    percent::Percent,
    push::{PushKind, PushStarted, Stage},
    service::ServiceDeclared,
    step::{Action, PushStep},
    time::{self, Time},
};
use serde_json::{Map, Value, json};

/// Minutes of an exposure line.
const WINDOW: i64 = 5;
/// Client sessions of an instance in a minute at mean traffic.
const SESSIONS: f64 = 20.0;

/// A history with what really happened in it.
pub struct History {
    /// In order of arrival.
    pub records: Vec<Record>,
    /// What really happened.
    pub truth: Truth,
}

/// Draws one history.
pub struct Draw<'a> {
    pub(crate) spec: &'a Scenario,
    pub(crate) fleet: &'a Fleet,
    pub(crate) plan: &'a Plan,
    pub(crate) course: &'a Course,
    pub(crate) start: Time,
    pub(crate) records: Vec<Record>,
    pub(crate) harmed: Vec<Vec<Harmed>>,
    number: u64,
}

/// What one crash is, before it is a report.
struct Blow<'a> {
    service: usize,
    cell: usize,
    release: usize,
    minute: i64,
    signature: &'a str,
}

/// The instant of a live minute; the calendar is chosen by the scenario's day of the week.
pub fn start_of(spec: &Scenario) -> Time {
    // A Monday.
    time::from_micros(1_772_409_600_000_000) + time::minutes(spec.world.weekday * 1440)
}

/// The history of a scenario from a seed at so many crashes a day.
pub fn draw(spec: &Scenario, seed: u64, replicate: usize, crashes_a_day: f64) -> History {
    let mut dice = Dice::new(seed);
    let fleet = Fleet::new(spec, crashes_a_day, &mut dice);
    let names: Vec<String> = fleet.services.iter().map(|it| it.name.clone()).collect();
    let cells: Vec<usize> = fleet.services.iter().map(|it| it.cells.len()).collect();
    let end = spec.ends[replicate % spec.ends.len()];
    let plan = Plan::new(spec, &names, &cells, end, &mut dice);
    let course = fleet.course(spec, &plan);
    let mut draw = Draw {
        spec,
        fleet: &fleet,
        plan: &plan,
        course: &course,
        start: start_of(spec),
        records: Vec::new(),
        harmed: vec![Vec::new(); spec.harms.len()],
        number: 0,
    };
    draw.people();
    for service in 0..fleet.services.len() {
        draw.usual(service, &mut dice);
    }
    draw.harm(&mut dice);
    draw.bursts(crashes_a_day, &mut dice);
    faults::spoil(&mut draw, crashes_a_day, &mut dice);
    let Draw { mut records, harmed, .. } = draw;
    Record::sort_by_arrival(&mut records);
    let truth = Truth::new(spec, &fleet, &plan, &course, harmed);
    History { records, truth }
}

impl Draw<'_> {
    /// The instant at the start of a minute.
    pub(crate) fn at(&self, minute: i64) -> Time {
        self.start + time::minutes(minute)
    }

    /// Pushes, flag changes and declarations.
    fn people(&mut self) {
        for service in &self.fleet.services {
            let talks = if service.talks_to_relay { vec!["relay".to_owned()] } else { Vec::new() };
            self.records.push(Record::Service(ServiceDeclared {
                service: service.name.clone(),
                at: None,
                received_at: None,
                name: None,
                team: None,
                owner: None,
                depends_on: talks,
                extra: Map::new(),
            }));
        }
        for push in &self.plan.pushes {
            let service = &self.fleet.services[push.service];
            let all: f64 = service.cells.iter().sum();
            let share =
                |cells: &[f64]| cells.iter().zip(&service.cells).map(|(share, of)| share * of).sum::<f64>() / all;
            let began = self.at(push.steps[0].at - 2);
            let actor = if push.automatic { "argo-rollouts" } else { "dana@example.com" };
            let levels = push.steps.iter().filter(|step| step.action == Action::Advance);
            self.records.push(Record::PushStarted(PushStarted {
                push: push.id.clone(),
                service: service.name.clone(),
                environment: "production".into(),
                release: push.release.clone(),
                previous: Some(push.previous.clone()),
                at: began,
                received_at: began,
                actor: actor.into(),
                purpose: None,
                kind: PushKind::Deploy,
                features: Vec::new(),
                commit: None,
                url: None,
                plan: levels
                    .filter_map(|step| Percent::new((share(&step.cells) * 10000.0).round() / 100.0))
                    .map(|percent| Stage { percent, soak_minutes: None })
                    .collect(),
                extra: Map::new(),
            }));
            for step in &push.steps {
                let at = self.at(step.at);
                let percent = |share: f64| Percent::new((share * 10000.0).round() / 100.0);
                let known = !service.cells_unknown && step.action == Action::Advance;
                let cells = step.cells.iter().enumerate().filter(|_| known);
                self.records.push(Record::PushStep(PushStep {
                    push: push.id.clone(),
                    at,
                    received_at: at + time::seconds(1),
                    actor: actor.into(),
                    action: step.action,
                    percent: percent(share(&step.cells)),
                    cells: cells.filter_map(|it| Some((cell_name(it.0), percent(*it.1)?))).collect(),
                    reason: None,
                    automatic: push.automatic,
                    extra: Map::new(),
                }));
            }
        }
        let rule = |share: f64| match json!({ "percent": (share * 10000.0).round() / 100.0 }) {
            Value::Object(rule) => Some(rule),
            _ => None,
        };
        for flag in &self.plan.flags {
            let at = self.at(flag.at);
            self.records.push(Record::FlagChanged(FlagChanged {
                change: flag.id.clone(),
                flag: flag.flag.clone(),
                service: self.fleet.services[flag.service].name.clone(),
                environment: "production".into(),
                at,
                received_at: at + time::seconds(1),
                actor: "lee@example.com".into(),
                before: rule(flag.before),
                after: rule(flag.after),
                reason: None,
                url: None,
                extra: Map::new(),
            }));
        }
    }

    /// Exposure and ordinary crashes of one service, past and live.
    fn usual(&mut self, number: usize, dice: &mut Dice) {
        let (spec, fleet, plan) = (self.spec, self.fleet, self.plan);
        let service = &fleet.services[number];
        let (cells, width) = (service.cells.len(), service.releases.len());
        let mut ran = vec![0.0; cells * width];
        let mut sessions = vec![0.0; cells * width];
        let mut before: Vec<Vec<f64>> = Vec::new();
        for minute in fleet.first..fleet.last {
            let place = fleet.place(minute);
            let (load, quality) = (service.load[place], service.quality[place]);
            for cell in 0..cells {
                let mix = fleet.mix(number, plan, cell, minute);
                for (release, instances) in mix.iter().enumerate().filter(|it| *it.1 > 0.0) {
                    let at = cell * width + release;
                    ran[at] += instances;
                    sessions[at] += instances * load * SESSIONS;
                    let name = &service.releases[release];
                    let better = spec.world.release_rates.iter().find(|it| it.0 == *name).map_or(1.0, |it| it.1);
                    let mean = service.rate * service.cell_rates[cell] * load * quality * better * instances;
                    let restarted = before.get(cell).map_or(0.0, |before| (instances - before[release]).max(0.0));
                    let single = mean * (1.0 - spec.world.clumps)
                        + restarted * spec.world.restart_crashes * f64::from(u8::from(number == 0));
                    for _ in 0..dice.poisson(single) {
                        self.ordinary(number, cell, release, minute, 1, dice);
                    }
                    for _ in 0..dice.poisson(mean * spec.world.clumps / 4.0) {
                        self.ordinary(number, cell, release, minute, 2 + dice.below(5), dice);
                    }
                }
                if before.len() <= cell { before.push(mix) } else { before[cell] = mix }
            }
            if (minute + 1).rem_euclid(WINDOW) == 0 && !spec.world.unheard {
                self.exposure(number, minute + 1 - WINDOW, &ran, &sessions, dice);
                ran.fill(0.0);
                sessions.fill(0.0);
            }
        }
    }

    fn exposure(&mut self, number: usize, minute: i64, ran: &[f64], sessions: &[f64], dice: &mut Dice) {
        let service = &self.fleet.services[number];
        let width = service.releases.len();
        let received_at = self.at(minute + WINDOW) + time::seconds(1 + dice.below(4) as i64);
        for release in 0..width {
            let mut told = |cell: String, ran: f64, sessions: f64| {
                self.records.push(Record::Exposure(Exposure {
                    service: service.name.clone(),
                    environment: "production".into(),
                    release: service.releases[release].clone(),
                    cell,
                    at: self.start + time::minutes(minute),
                    received_at,
                    seconds: WINDOW as f64 * 60.0,
                    instances: if service.sessions_only {
                        0.0
                    } else {
                        (ran * 1000.0 / WINDOW as f64).round() / 1000.0
                    },
                    sessions: Some(sessions.round()),
                    flags: Map::new(),
                    extra: Map::new(),
                }));
            };
            let of = |values: &[f64]| values.iter().skip(release).step_by(width).sum::<f64>();
            if service.cells_unknown {
                if of(ran) > 0.0 {
                    told("default".into(), of(ran), of(sessions));
                }
                continue;
            }
            for cell in 0..service.cells.len() {
                let at = cell * width + release;
                if ran[at] > 0.0 {
                    told(cell_name(cell), ran[at], sessions[at]);
                }
            }
        }
    }

    /// So many ordinary crashes of one host, within a few minutes where there are several.
    fn ordinary(&mut self, service: usize, cell: usize, release: usize, minute: i64, size: usize, dice: &mut Dice) {
        let mut left = dice.unit();
        let mut which = 0;
        while which + 1 < ORDINARY.len() && left >= ORDINARY[which].1 {
            left -= ORDINARY[which].1;
            which += 1;
        }
        let name = &self.fleet.services[service].releases[release];
        let renamed = service == 0 && self.spec.world.renamed.iter().any(|it| it.0 == *name && it.1 == which);
        let signature = if renamed { format!("{} | v2", ORDINARY[which].0) } else { ORDINARY[which].0.to_owned() };
        let host = self.host(service, cell, release, minute, dice);
        for index in 0..size {
            let minute = if index == 0 { minute } else { (minute + dice.below(4) as i64).min(self.fleet.last - 1) };
            let blow = Blow { service, cell, release, minute, signature: &signature };
            self.crash(&blow, Some(&host), None, dice);
        }
    }

    /// A machine that runs the release: those with a newer one come first in a cell.
    pub(crate) fn host(&self, service: usize, cell: usize, release: usize, minute: i64, dice: &mut Dice) -> String {
        let mix = self.fleet.mix(service, self.plan, cell, minute);
        let newer: f64 = mix[release + 1..].iter().sum();
        let place = newer + dice.unit() * mix[release].max(1.0);
        format!("{}-{}-{:03}", self.fleet.services[service].name, cell_name(cell), place as u32)
    }

    /// Crashes that harm adds.
    fn harm(&mut self, dice: &mut Dice) {
        for (number, effect) in self.spec.effects.iter().enumerate() {
            let victim = self.fleet.service(&effect.service);
            let service = &self.fleet.services[victim];
            let (cells, width) = (service.cells.len(), service.releases.len());
            for minute in 0..self.fleet.last {
                for cell in 0..cells {
                    for release in 0..width {
                        let mean = self.course.harms[number][(minute as usize * cells + cell) * width + release];
                        if mean <= 0.0 {
                            continue;
                        }
                        // The mean of a Pareto variable from 1 up is a / (a - 1); cut at 60, a little less.
                        let each = effect.heavy.map_or(1.0, |exponent| exponent / (exponent - 1.0));
                        for _ in 0..dice.poisson(mean / each) {
                            let size = effect.heavy.map_or(1.0, |exponent| dice.pareto(exponent).min(60.0));
                            for _ in 0..size as usize {
                                self.victim(number, victim, cell, release, minute, dice);
                            }
                        }
                    }
                }
            }
        }
    }

    fn victim(&mut self, effect: usize, service: usize, cell: usize, release: usize, minute: i64, dice: &mut Dice) {
        let of = &self.spec.effects[effect];
        let signature = match &self.fleet.looks[effect] {
            Some(look) => look.clone(),
            None => {
                let mut left = dice.unit();
                let found = ORDINARY.iter().find(|it| {
                    left -= it.1;
                    left < 0.0
                });
                found.unwrap_or(&ORDINARY[0]).0.to_owned()
            }
        };
        let peer = match (&of.on, &of.shape, &of.dose) {
            (On::Others(guilty), Shape::Share, Some(_)) if self.spec.world.peers && dice.happens(0.95) => {
                Some(guilty.clone())
            }
            _ => None,
        };
        let host = self.host(service, cell, release, minute, dice);
        let blow = Blow { service, cell, release, minute, signature: &signature };
        let (at, received_at, clients) = self.crash(&blow, Some(&host), peer, dice);
        let crashed = &self.fleet.services[service].releases[release];
        let guilty = self.spec.harms[of.harm].change.as_deref().and_then(|id| self.plan.push(id));
        let own = guilty.is_some_and(|push| push.service == service && push.release == *crashed);
        let harmed = Harmed { at: time::micros(at), received_at: time::micros(received_at), clients, own };
        self.harmed[of.harm].push(harmed);
    }

    /// One report.
    fn crash(&mut self, blow: &Blow, host: Option<&str>, peer: Option<String>, dice: &mut Dice) -> (Time, Time, i64) {
        let service = &self.fleet.services[blow.service];
        let at = self.at(blow.minute) + time::seconds(dice.below(60) as i64);
        let received_at = at + time::seconds(3 + dice.below(25) as i64);
        let clients = if dice.happens(0.02) { 100 + dice.below(900) } else { 20 + dice.below(60) } as i64;
        let peer = peer.or_else(|| {
            self.spec.world.peers.then(|| {
                let mix = self.fleet.mix(blow.service, self.plan, blow.cell, blow.minute);
                let mut left = dice.unit() * mix.iter().sum::<f64>();
                let found = mix.iter().position(|it| {
                    left -= it;
                    left < 0.0
                });
                service.releases[found.unwrap_or(0)].clone()
            })
        });
        self.number += 1;
        self.records.push(Record::Crash(Crash {
            id: format!("c-{}", self.number),
            service: service.name.clone(),
            environment: "production".into(),
            release: Some(service.releases[blow.release].clone()),
            cell: if service.cells_unknown { "default".into() } else { cell_name(blow.cell) },
            host: host.map(str::to_owned),
            at,
            received_at,
            signature: blow.signature.to_owned(),
            signature_given: true,
            clients_dropped: Some(clients),
            peer_release: peer,
            uptime_s: None,
            exception: None,
            flags: Map::new(),
            extra: Map::new(),
        }));
        (at, received_at, clients)
    }

    /// Bursts of one signature over many hosts of a cell, now and then, as ever.
    fn bursts(&mut self, crashes_a_day: f64, dice: &mut Dice) {
        let span = (self.fleet.last - self.fleet.first) as f64 / 1440.0;
        let size = (crashes_a_day / 1200.0).clamp(0.4, 2.0);
        for _ in 0..dice.poisson(self.spec.world.bursts * span) {
            let minute = self.fleet.first + dice.below((self.fleet.last - self.fleet.first - 6) as usize) as i64;
            let cell = dice.below(self.fleet.services[0].cells.len());
            let mix = self.fleet.mix(0, self.plan, cell, minute);
            let release = mix.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |it| it.0);
            for _ in 0..(dice.between(10.0, 40.0) * size) as usize {
                let minute = minute + dice.below(5) as i64;
                let host = self.host(0, cell, release, minute, dice);
                let blow = Blow { service: 0, cell, release, minute, signature: ORDINARY[3].0 };
                self.crash(&blow, Some(&host), None, dice);
            }
        }
    }

    /// A report of a given host at an instant, for the faults.
    pub(crate) fn report(&mut self, cell: usize, release: usize, minute: i64, look: &str, host: &str, dice: &mut Dice) {
        let blow = Blow { service: 0, cell, release, minute, signature: look };
        self.crash(&blow, Some(host), None, dice);
    }
}

/// The name of a cell.
pub fn cell_name(cell: usize) -> String {
    format!("cell-{}", cell + 1)
}
