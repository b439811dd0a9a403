//! The rules that people use today, on the same records in the same order, with what they need kept by five minutes.
//! They are given reports without repeats, times as stated, and the past of the service: more than they often have.

mod crash_free;
mod last_change;
mod mann_whitney;
mod threshold;
mod votes;

use crate::{
    account::{Account, Call, Word},
    truth::{MINUTE, Micros},
};
use pushback::domain::{Record, finding::Kind, step::Action, time};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Instant,
};

/// A bucket of the board.
pub const BUCKET: Micros = 5 * MINUTE;
/// An hour.
pub const HOUR: Micros = 60 * MINUTE;
/// A push is watched for so long after its last step.
const WATCHED: Micros = 6 * HOUR;

/// What a rule may look at.
#[derive(Default)]
pub struct Board {
    /// By service.
    pub services: BTreeMap<String, Place>,
    /// Every push.
    pub pushes: Vec<PushSeen>,
    /// Every flag change: id, service, when.
    pub flags: Vec<(String, String, Micros)>,
    /// Who talks to whom, both ways.
    pub edges: BTreeSet<(String, String)>,
    seen: HashSet<String>,
}

/// One service.
#[derive(Default)]
pub struct Place {
    /// Releases, by number.
    pub releases: Vec<String>,
    /// By five minutes and release.
    pub buckets: BTreeMap<(i64, usize), Sums>,
    /// Crashes as they came: when, release, signature, host.
    pub crashes: Vec<(Micros, usize, String, String)>,
}

/// Sums of five minutes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Instance-hours.
    pub hours: f64,
    /// Sessions.
    pub sessions: f64,
    /// Crashes.
    pub crashes: f64,
}

/// One push.
pub struct PushSeen {
    /// Its id.
    pub id: String,
    /// What it pushes.
    pub service: String,
    /// What it brings.
    pub release: String,
    /// Steps, and whether each raised exposure.
    pub steps: Vec<(Micros, bool)>,
}

impl PushSeen {
    /// The first step.
    pub fn first(&self) -> Option<Micros> {
        self.steps.first().map(|it| it.0)
    }
}

/// What a rule says.
pub struct Alarm {
    /// The change that it blames.
    pub change: Option<String>,
    /// The kind that this amounts to.
    pub kind: Kind,
    /// Where.
    pub service: String,
}

/// A rule.
pub trait Rule {
    /// Looks at the board every five minutes.
    fn look(&mut self, board: &Board, now: Micros) -> Vec<Alarm>;
}

/// Every rule with its name.
pub fn all() -> Vec<(&'static str, Box<dyn Rule>)> {
    vec![
        ("Mann-Whitney", Box::new(mann_whitney::MannWhitney::default())),
        ("threshold", Box::new(threshold::Threshold::default())),
        ("crash-free", Box::new(crash_free::CrashFree::default())),
        ("votes", Box::new(votes::Votes::default())),
        ("last change", Box::new(last_change::LastChange::default())),
    ]
}

impl Board {
    fn take(&mut self, record: &Record) {
        match record {
            Record::Service(it) => it.depends_on.iter().for_each(|other| {
                self.edges.insert((it.service.clone(), other.clone()));
                self.edges.insert((other.clone(), it.service.clone()));
            }),
            Record::PushStarted(it) => self.pushes.push(PushSeen {
                id: it.push.clone(),
                service: it.service.clone(),
                release: it.release.clone(),
                steps: Vec::new(),
            }),
            Record::PushStep(it) => {
                let raises = matches!(it.action, Action::Advance | Action::Resume);
                if let Some(push) = self.pushes.iter_mut().find(|push| push.id == it.push) {
                    push.steps.push((time::micros(it.at), raises));
                }
            }
            Record::FlagChanged(it) => {
                self.flags.push((it.change.clone(), it.service.clone(), time::micros(it.at)));
            }
            Record::Exposure(it) => {
                let sums = self.sums(&it.service, &it.release, time::micros(it.at));
                sums.hours += it.instance_hours();
                sums.sessions += it.sessions.unwrap_or(0.0);
            }
            Record::Crash(it) => {
                if self.seen.insert(it.id.clone()) {
                    let release = it.release.clone().unwrap_or_default();
                    let at = time::micros(it.at);
                    self.sums(&it.service, &release, at).crashes += 1.0;
                    let place = self.services.entry(it.service.clone()).or_default();
                    let number = place.releases.iter().position(|known| *known == release).unwrap_or(0);
                    place.crashes.push((at, number, it.signature.clone(), it.host.clone().unwrap_or_default()));
                }
            }
            Record::Note(_) => {}
        }
    }

    fn sums(&mut self, service: &str, release: &str, at: Micros) -> &mut Sums {
        let place = self.services.entry(service.to_owned()).or_default();
        let number = place.releases.iter().position(|known| known == release).unwrap_or_else(|| {
            place.releases.push(release.to_owned());
            place.releases.len() - 1
        });
        place.buckets.entry((at.div_euclid(BUCKET), number)).or_default()
    }

    /// Pushes that are watched now: begun, and moved not long ago.
    pub fn watched(&self, now: Micros) -> impl Iterator<Item = &PushSeen> {
        self.pushes.iter().filter(move |push| push.steps.last().is_some_and(|last| now - last.0 < WATCHED))
    }

    /// The part of the fleet that a push moves, against the rest of it, from one instant to another.
    pub fn arms(&self, push: &PushSeen, from: Micros, to: Micros) -> (Sums, Sums) {
        let Some(place) = self.services.get(&push.service) else { return Default::default() };
        let new = place.releases.iter().position(|it| *it == push.release);
        let (mut arm, mut rest) = (Sums::default(), Sums::default());
        for ((_, release), sums) in place.between(from, to) {
            let side = if Some(*release) == new { &mut arm } else { &mut rest };
            side.hours += sums.hours;
            side.sessions += sums.sessions;
            side.crashes += sums.crashes;
        }
        (arm, rest)
    }

    /// Everything that the service ran and crashed before the push, at most three days of it.
    pub fn past(&self, push: &PushSeen) -> Sums {
        let Some(first) = push.first() else { return Sums::default() };
        let (arm, rest) = self.arms(push, first - 72 * HOUR, first);
        Sums {
            hours: arm.hours + rest.hours,
            sessions: arm.sessions + rest.sessions,
            crashes: arm.crashes + rest.crashes,
        }
    }
}

impl Place {
    /// Buckets that begin from one instant to before another.
    pub fn between(&self, from: Micros, to: Micros) -> impl Iterator<Item = (&(i64, usize), &Sums)> {
        let bucket = |at: Micros| (at + BUCKET - 1).div_euclid(BUCKET);
        self.buckets.range((bucket(from), 0)..(bucket(to).max(bucket(from)), 0))
    }
}

/// What a rule says of a history.
pub fn run(rule: &mut dyn Rule, records: &[Record]) -> Account {
    let began = Instant::now();
    let mut board = Board::default();
    let mut account = Account::default();
    let mut next = Micros::MIN;
    for record in records {
        let now = time::micros(record.received_at());
        if next == Micros::MIN && now > HOUR {
            next = (now.div_euclid(BUCKET) + 12 * 12) * BUCKET;
        }
        while next != Micros::MIN && now >= next {
            for alarm in rule.look(&board, next) {
                hear(&mut account, alarm, next);
            }
            next += BUCKET;
        }
        board.take(record);
    }
    for call in &mut account.calls {
        let Some(first) = call.words.first() else { continue };
        let pushes = board.pushes.iter().filter(|push| first.blamed() == Some(push.id.as_str()));
        for push in pushes {
            let later = push.steps.iter().filter(|step| step.1 && step.0 > first.at);
            call.continuations.extend(later.map(|step| (push.id.clone(), step.0)));
        }
    }
    account.seconds = began.elapsed().as_secs_f64();
    account
}

fn hear(account: &mut Account, alarm: Alarm, at: Micros) {
    let suspects: Vec<(String, f64)> = alarm.change.iter().map(|id| (id.clone(), 1.0)).collect();
    if let Some(id) = &alarm.change
        && account.stops.iter().all(|it| it.0 != *id)
    {
        account.stops.push((id.clone(), at));
    }
    account.calls.push(Call {
        key: format!("call-{}", account.calls.len() + 1),
        id: format!("r{}", account.calls.len() + 1),
        service: alarm.service,
        signatures: Vec::new(),
        words: vec![Word {
            at,
            kind: Some(alarm.kind),
            suspects,
            onset: None,
            ended: None,
            excess: None,
            withdrawn: false,
        }],
        continuations: Vec::new(),
        ways: None,
    });
}
