//! How long a long history takes, and how much memory: made minute by minute and fed as it is made, so that what is measured is
//! the judge and not a list of records.

use crate::dice::Dice;
use pushback::{
    domain::{
        Record,
        crash::Crash,
        exposure::Exposure,
        percent::Percent,
        push::{PushKind, PushStarted},
        step::{Action, PushStep},
        time::{self, Time},
    },
    judge::Replay,
};
use serde_json::Map;
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::{Duration, Instant},
};

/// A history that is only long.
pub struct Long {
    /// What it is called in the output.
    pub name: &'static str,
    /// What its file is called.
    file: &'static str,
    minutes: i64,
    cells: usize,
    instances: f64,
    /// Exposure lines of each release and cell in every minute.
    lines: i64,
    /// Crashes over the whole of it with nothing wrong.
    crashes: f64,
    signatures: usize,
    /// A push begins every so many minutes.
    pushes: i64,
}

/// What is measured: one and a half days of an ordinary service, and a month of a large one.
pub const LONG: [Long; 2] = [
    Long {
        name: "36 hours, 240 instances in 6 cells",
        file: "36-hours",
        minutes: 36 * 60,
        cells: 6,
        instances: 240.0,
        lines: 1,
        crashes: 11_500.0,
        signatures: 12,
        pushes: 12 * 60,
    },
    Long {
        name: "a month, 2,000 instances in 20 cells",
        file: "a-month",
        minutes: 31 * 24 * 60,
        cells: 20,
        instances: 2_000.0,
        lines: 3,
        crashes: 200_000.0,
        signatures: 60,
        pushes: 24 * 60,
    },
];

/// The stages of every push, percent, 45 minutes apart.
const STAGES: [f64; 8] = [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 100.0];
const STAGE: i64 = 45;
const SERVICE: &str = "relay";
const SEED: u64 = 20_260_302;
const START: &str = "2026-03-02T00:00:00Z";

/// What came of one.
pub struct Figures {
    exposures: usize,
    crashes: usize,
    said: usize,
    judging: Duration,
    /// Of the last tenth of the records against the first tenth, time by record.
    growth: f64,
    resident: Option<f64>,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let records = self.exposures + self.crashes;
        let each = self.judging.as_secs_f64() * 1e6 / records.max(1) as f64;
        write!(
            f,
            "{} exposure lines, {} crashes, {} regressions said: {:.2} s, {each:.1} µs a record, the last tenth {:.1} times the \
             second; ",
            self.exposures,
            self.crashes,
            self.said,
            self.judging.as_secs_f64(),
            self.growth,
        )?;
        match self.resident {
            Some(resident) => write!(f, "most memory so far {resident:.0} MiB"),
            None => write!(f, "memory not measured on this system"),
        }
    }
}

impl Long {
    /// Feeds it to the judge.
    pub fn run(&self) -> Figures {
        let mut dice = Dice::new(SEED);
        let start = time::parse(START).expect("a time");
        let mut replay = Replay::default();
        let (mut exposures, mut crashes) = (0, 0);
        let mut tenths = [Duration::ZERO; 10];
        for minute in 0..self.minutes {
            let mut records = self.minute(minute, start, &mut dice);
            Record::sort_by_arrival(&mut records);
            crashes += records.iter().filter(|it| matches!(it, Record::Crash(_))).count();
            exposures += records.iter().filter(|it| matches!(it, Record::Exposure(_))).count();
            let began = Instant::now();
            records.iter().for_each(|record| replay.feed(record));
            tenths[(minute * 10 / self.minutes) as usize] += began.elapsed();
        }
        let began = Instant::now();
        let findings = replay.finish();
        let judging = tenths.iter().sum::<Duration>() + began.elapsed();
        // The first tenth has next to no past to be held against; the second is the first that is like the last.
        let growth = tenths[9].as_secs_f64() / tenths[1].as_secs_f64().max(1e-9);
        Figures { exposures, crashes, said: findings.regressions.len(), judging, growth, resident: most_resident() }
    }

    /// Writes it as a history file, for `pushback replay`.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let mut dice = Dice::new(SEED);
        let start = time::parse(START).expect("a time");
        std::fs::create_dir_all(folder)?;
        let mut file = BufWriter::new(File::create(folder.join(format!("{}.ndjson", self.file)))?);
        for minute in 0..self.minutes {
            let mut records = self.minute(minute, start, &mut dice);
            Record::sort_by_arrival(&mut records);
            for record in &records {
                writeln!(file, "{}", record.to_line())?;
            }
        }
        file.flush()
    }

    /// The share of release `number` in a cell: one cell after the other, as far as the stage goes.
    fn share(&self, number: i64, minute: i64, cell: usize) -> f64 {
        let since = minute - number * self.pushes;
        if number == 0 {
            return 1.0;
        }
        if since < 0 {
            return 0.0;
        }
        let stage = STAGES[((since / STAGE) as usize).min(STAGES.len() - 1)] / 100.0;
        (stage * self.cells as f64 - cell as f64).clamp(0.0, 1.0)
    }

    fn minute(&self, minute: i64, start: Time, dice: &mut Dice) -> Vec<Record> {
        let at = |minute: i64| start + time::minutes(minute);
        let mut records = Vec::new();
        let push = minute / self.pushes;
        let since = minute - push * self.pushes;
        if push > 0 && since % STAGE == 0 && (since / STAGE) < STAGES.len() as i64 {
            if since == 0 {
                records.push(started(push, at(minute)));
            }
            records.push(stepped(push, at(minute), STAGES[(since / STAGE) as usize]));
        }
        let busy = 1.0 + 0.3 * (minute as f64 / 1440.0 * std::f64::consts::TAU).sin();
        let rate = self.crashes / self.minutes as f64 / self.cells as f64 * busy;
        for cell in 0..self.cells {
            let new = self.share(push, minute, cell);
            for (number, share) in [(push, new), (push - 1, 1.0 - new)] {
                if share <= 0.0 || number < 0 {
                    continue;
                }
                let (release, cell) = (format!("r{number}"), format!("cell-{}", cell + 1));
                let instances = self.instances / self.cells as f64 * share;
                for part in 0..self.lines {
                    let from = at(minute) + time::seconds(part * 60 / self.lines);
                    records.push(self.ran(&release, &cell, from, instances, busy));
                }
                for _ in 0..dice.poisson(rate * share) {
                    records.push(self.crashed(&release, &cell, at(minute), dice));
                }
            }
        }
        records
    }

    fn ran(&self, release: &str, cell: &str, at: Time, instances: f64, busy: f64) -> Record {
        Record::Exposure(Exposure {
            service: SERVICE.into(),
            environment: "production".into(),
            release: release.into(),
            cell: cell.into(),
            at,
            received_at: at + time::seconds(60 / self.lines),
            seconds: 60.0 / self.lines as f64,
            instances,
            sessions: Some((instances * 60.0 * busy / self.lines as f64).round()),
            flags: Map::new(),
            extra: Map::new(),
        })
    }

    fn crashed(&self, release: &str, cell: &str, minute: Time, dice: &mut Dice) -> Record {
        let at = minute + time::seconds(dice.below(60) as i64);
        // A few signatures have most of the crashes.
        let signature = (dice.unit().powi(2) * self.signatures as f64) as usize;
        Record::Crash(Crash {
            id: format!("{:016x}", dice.bits()),
            service: SERVICE.into(),
            environment: "production".into(),
            release: Some(release.into()),
            cell: cell.into(),
            host: Some(format!("{cell}-{}", dice.below(self.instances as usize))),
            at,
            received_at: at + time::seconds(3 + dice.below(20) as i64),
            signature: format!("SIGSEGV | frame_{signature}"),
            signature_given: true,
            clients_dropped: Some(20 + dice.below(40) as i64),
            peer_release: None,
            uptime_s: None,
            exception: None,
            flags: Map::new(),
            extra: Map::new(),
        })
    }
}

fn started(number: i64, at: Time) -> Record {
    Record::PushStarted(PushStarted {
        push: format!("p{number}"),
        service: SERVICE.into(),
        environment: "production".into(),
        release: format!("r{number}"),
        previous: Some(format!("r{}", number - 1)),
        at,
        received_at: at,
        actor: "dana@example.com".into(),
        purpose: None,
        kind: PushKind::Deploy,
        features: Vec::new(),
        commit: None,
        url: None,
        plan: Vec::new(),
        extra: Map::new(),
    })
}

fn stepped(number: i64, at: Time, percent: f64) -> Record {
    Record::PushStep(PushStep {
        push: format!("p{number}"),
        at,
        received_at: at,
        actor: "dana@example.com".into(),
        action: Action::Advance,
        percent: Percent::new(percent),
        cells: Vec::new(),
        reason: None,
        automatic: false,
        extra: Map::new(),
    })
}

/// The most memory that this process ever had resident, MiB, where the system says so.
fn most_resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}
