//! A small fleet that never was: draws exposure and crash reports for a scenario, from a seed. What the judge makes of them is
//! asserted elsewhere.

use crate::domain::{
    Record,
    crash::Crash,
    exposure::Exposure,
    flag::FlagChanged,
    percent::Percent,
    push::{PushKind, PushStarted},
    service::ServiceDeclared,
    step::{Action, PushStep},
    time::{self, Time},
};
use crate::judge::{Judge, Said, Settings};
use serde_json::{Map, json};

/// A generator with a stable sequence (SplitMix64; Steele, Lea, Flood 2014).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn poisson(&mut self, mean: f64) -> u32 {
        let (mut product, mut count, limit) = (self.unit(), 0, (-mean).exp());
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

/// Ordinary signatures and their parts of the base rate.
pub const ORDINARY: [(&str, f64); 4] = [
    ("SIGABRT | out_of_memory", 0.4),
    ("Timeout | upstream_read", 0.3),
    ("panic | index | session_table", 0.2),
    ("SIGSEGV | tls_close", 0.1),
];

/// What runs and what crashes, by minute.
pub struct Fleet {
    pub service: String,
    pub start: Time,
    pub minutes: i64,
    /// Instances in each cell.
    pub cells: Vec<f64>,
    /// Crashes by instance-hour with nothing wrong.
    pub base: f64,
    /// The length of an exposure line, minutes; zero for none at all.
    pub window: i64,
    /// Exposure carries sessions instead of instances.
    pub sessions_only: bool,
}

impl Default for Fleet {
    fn default() -> Fleet {
        Fleet {
            service: "relay".into(),
            start: time::parse("2026-03-02T06:00:00Z").expect("valid"),
            minutes: 24 * 60,
            cells: vec![46.0, 42.0, 40.0, 40.0, 38.0, 34.0],
            base: 0.012,
            window: 5,
            sessions_only: false,
        }
    }
}

/// A factor on the ordinary crashes, and further signatures with their crashes by instance-hour.
pub type Rates<'a> = dyn Fn(&Moment) -> (f64, Vec<(&'static str, f64)>) + 'a;

/// What one population does in one minute.
pub struct Moment<'a> {
    pub minute: i64,
    pub release: &'a str,
    /// The share of each release in the cell.
    pub shares: &'a [(&'a str, f64)],
}

impl Moment<'_> {
    pub fn share(&self, release: &str) -> f64 {
        self.shares.iter().find(|it| it.0 == release).map_or(0.0, |it| it.1)
    }
}

impl Fleet {
    pub fn at(&self, minute: i64) -> Time {
        self.start + time::minutes(minute)
    }

    pub fn cell(&self, cell: usize) -> String {
        format!("cell-{}", cell + 1)
    }

    /// Exposure and crashes. `shares` says what part of a cell runs what; `rates` the crashes by instance-hour and signature, on top of
    /// the ordinary ones times the factor that it returns first.
    pub fn run<'a>(
        &self,
        dice: &mut Dice,
        shares: &dyn Fn(i64, usize) -> Vec<(&'a str, f64)>,
        rates: &Rates,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        for minute in 0..self.minutes {
            for (cell, instances) in self.cells.iter().enumerate() {
                let mix = shares(minute, cell);
                for (release, share) in &mix {
                    if *share <= 0.0 {
                        continue;
                    }
                    if self.window > 0 && minute % self.window == 0 {
                        records.push(self.exposure(minute, cell, release, instances * share));
                    }
                    let moment = Moment { minute, release, shares: &mix };
                    let (factor, extra) = rates(&moment);
                    let ordinary = ORDINARY.iter().map(|it| (it.0, it.1 * self.base * factor));
                    for (signature, rate) in ordinary.chain(extra) {
                        for _ in 0..dice.poisson(rate * instances * share / 60.0) {
                            records.push(self.crash(dice, minute, cell, release, signature));
                        }
                    }
                }
            }
        }
        records
    }

    fn exposure(&self, minute: i64, cell: usize, release: &str, instances: f64) -> Record {
        Record::Exposure(Exposure {
            service: self.service.clone(),
            environment: "production".into(),
            release: release.into(),
            cell: self.cell(cell),
            at: self.at(minute),
            received_at: self.at(minute + self.window) + time::seconds(2),
            seconds: self.window as f64 * 60.0,
            instances: if self.sessions_only { 0.0 } else { instances },
            sessions: self.sessions_only.then_some(instances * 60.0 * self.window as f64),
            flags: Map::new(),
            extra: Map::new(),
        })
    }

    pub fn crash(&self, dice: &mut Dice, minute: i64, cell: usize, release: &str, signature: &str) -> Record {
        let at = self.at(minute) + time::seconds((dice.unit() * 60.0) as i64);
        let host = format!("{}-{:03}", self.cell(cell), (dice.unit() * self.cells[cell]) as u32);
        Record::Crash(Crash {
            id: format!("{}-{:016x}", self.service, dice.next()),
            service: self.service.clone(),
            environment: "production".into(),
            release: Some(release.into()),
            cell: self.cell(cell),
            host: Some(host),
            at,
            received_at: at + time::seconds(5 + (dice.unit() * 20.0) as i64),
            signature: signature.into(),
            signature_given: true,
            clients_dropped: Some(20 + (dice.unit() * 60.0) as i64),
            peer_release: None,
            uptime_s: None,
            exception: None,
            flags: Map::new(),
            extra: Map::new(),
        })
    }

    /// A push and its advances, as minute and share; a negative share rolls it back.
    pub fn push(&self, id: &str, release: &str, previous: &str, steps: &[(i64, f64)]) -> Vec<Record> {
        let first = self.at(steps[0].0);
        let mut records = vec![Record::PushStarted(PushStarted {
            push: id.into(),
            service: self.service.clone(),
            environment: "production".into(),
            release: release.into(),
            previous: Some(previous.into()),
            at: first,
            received_at: first,
            actor: "dana@example.com".into(),
            purpose: None,
            kind: PushKind::Deploy,
            features: Vec::new(),
            commit: None,
            url: None,
            plan: Vec::new(),
            extra: Map::new(),
        })];
        for (minute, share) in steps {
            let at = self.at(*minute) + time::seconds(17);
            records.push(Record::PushStep(PushStep {
                push: id.into(),
                at,
                received_at: at,
                actor: "dana@example.com".into(),
                action: if *share < 0.0 { Action::RollBack } else { Action::Advance },
                percent: Percent::new(share.max(0.0) * 100.0),
                cells: Vec::new(),
                reason: None,
                automatic: false,
                extra: Map::new(),
            }));
        }
        records
    }

    pub fn flag(&self, id: &str, flag: &str, minute: i64, before: f64, after: f64) -> Record {
        let rule = |share: f64| json!({"percent": share * 100.0}).as_object().cloned();
        Record::FlagChanged(FlagChanged {
            change: id.into(),
            flag: flag.into(),
            service: self.service.clone(),
            environment: "production".into(),
            at: self.at(minute),
            received_at: self.at(minute),
            actor: "lee@example.com".into(),
            before: rule(before),
            after: rule(after),
            reason: None,
            url: None,
            extra: Map::new(),
        })
    }

    pub fn declared(&self, depends_on: &[&str]) -> Record {
        Record::Service(ServiceDeclared {
            service: self.service.clone(),
            at: None,
            received_at: None,
            name: None,
            team: None,
            owner: None,
            depends_on: depends_on.iter().map(|it| (*it).to_owned()).collect(),
            extra: Map::new(),
        })
    }
}

/// A judge that heard the records in order of arrival, and everything that it said.
pub fn heard(records: &mut [Record]) -> (Judge, Vec<Said>) {
    Record::sort_by_arrival(records);
    let mut judge = Judge::new(Settings::default());
    let mut said = Vec::new();
    for record in &*records {
        judge.observe(record);
        said.extend(judge.said());
    }
    (judge, said)
}

/// The share that steps lead to; each step takes ten minutes to reach everybody it is meant for.
pub fn share_of(steps: &[(i64, f64)], minute: i64) -> f64 {
    const DRAIN: f64 = 10.0;
    let mut share = 0.0;
    for (at, to) in steps {
        if minute >= *at {
            share += (to.max(0.0) - share) * ((minute - at) as f64 / DRAIN).min(1.0);
        }
    }
    share
}
