//! The judge: a deterministic fold over records in order of arrival. No IO and no clock.
//!
//! `watch` says that something is wrong, `attribution` who is to blame, `onset` since when, `ending` until when and why, `cost`
//! what it came to, `gate` what a push that asks is told, `paths` what each way on would cost. `site` and `change` keep what
//! was observed; `normal` knows what to expect. The same code judges live and replayed records: evaluations happen at whole
//! minutes of arrival, every five seconds where something seems to be wrong or what comes while a change moves is unusual, and just
//! before a step, never "now".

mod attribution;
mod beside;
mod burst;
mod candidate;
mod case;
mod change;
mod cost;
mod drift;
mod early;
mod ending;
mod evidence;
mod frame;
mod gate;
mod harmless;
mod joining;
mod normal;
mod onset;
mod paths;
mod power;
mod precedents;
mod proposals;
mod report;
mod review;
mod rhythm;
mod shape;
mod site;
mod spells;
mod stats;
#[cfg(test)]
mod tests;
mod watch;
mod weighing;

pub use attribution::TEMPER;
pub use gate::Guard;
pub use power::StepPower;

pub use evidence::{Baseline, CellEvidence, Evidence, Fit, PathCost, Paths, Said, WayBack};

use crate::domain::{
    Record,
    finding::{Estimate, Findings, GateAnswer},
    step::Action,
    time::{self, Time},
};
use candidate::{Change, Changes};
use case::Case;
use change::Flag;
use normal::Normal;
use site::Site;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};
use watch::{Reading, Watch};

/// Microseconds since 1970, the judge's time.
pub(crate) type Micros = i64;
pub(crate) const MINUTE: Micros = 60_000_000;
pub(crate) const HOUR: Micros = 60 * MINUTE;
/// Where something seems to be wrong, looks are this close.
pub(crate) const SOON: Micros = 5_000_000;

/// What may be set. The defaults are what the evaluation in the tests was made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The e-value from which there is an alarm: one in so many healthy stretches of hours rises a false one.
    pub alarm: f64,
    /// The e-value from which a gate says hold.
    pub hold: f64,
    /// The probability of one explanation from which a regression is said with it.
    pub sure: f64,
    /// How long an alarm waits for an explanation that is sure before it is said without, microseconds.
    pub patience: i64,
    /// The past that is needed before it is held against the present, microseconds.
    pub least_past: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { alarm: 50.0, hold: 20.0, sure: 0.9, patience: 10 * MINUTE, least_past: HOUR }
    }
}

/// One service in one environment with everything that is worked out about it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) site: Site,
    pub(crate) normal: Normal,
    pub(crate) watch: Watch,
    pub(crate) readings: Vec<Reading>,
    /// Until when the last change here, or at a service around, counts as moving.
    pub(crate) moving_until: Micros,
    /// The past as it is told to people, up to some hours ago.
    told: Mutex<Normal>,
}

/// One instance judges all services whose records it is fed.
#[derive(Debug)]
pub struct Judge {
    settings: Settings,
    rooms: Vec<Room>,
    places: BTreeMap<(String, String), usize>,
    changes: Changes,
    cases: Vec<Case>,
    detected: usize,
    gates: Vec<GateAnswer>,
    said: Vec<Said>,
    /// What was said last of each regression, by key.
    said_last: BTreeMap<String, crate::domain::finding::Regression>,
    /// Reports by their ids; none where each comes once.
    seen: Option<HashSet<u64>>,
    /// The latest arrival.
    now: Micros,
    /// The last mark, every five seconds, up to which everything due was judged.
    closed: Micros,
}

/// Judges a whole history: sorts it by arrival, feeds it, and lets time pass to the minute after the last arrival.
pub fn replay(mut records: Vec<Record>) -> Findings {
    Record::sort_by_arrival(&mut records);
    let mut replay = Replay::default();
    records.iter().for_each(|record| replay.feed(record));
    replay.finish()
}

/// A history being judged record by record, in order of arrival: what is said meanwhile is only kept as findings.
#[derive(Debug, Default)]
pub struct Replay {
    judge: Judge,
}

impl Replay {
    /// Takes the next record in.
    pub fn feed(&mut self, record: &Record) {
        self.judge.observe(record);
        self.judge.said.clear();
    }

    /// Lets time pass to the minute after the last arrival, and tells everything that was found.
    pub fn finish(mut self) -> Findings {
        if self.judge.now > Micros::MIN {
            self.judge.close(next_minute(self.judge.now));
        }
        self.judge.findings()
    }
}

impl Default for Judge {
    fn default() -> Judge {
        Judge::new(Settings::default())
    }
}

fn next_minute(at: Micros) -> Micros {
    (at.div_euclid(MINUTE) + 1) * MINUTE
}

/// What people are told of a release's past is read anew for so long, since exposure and reports of that time may still come in. What
/// comes later than that counts from the next reading of the whole history on.
const COMING_IN: Micros = 6 * HOUR;

/// How long a change counts as moving after its last step.
pub(crate) const MOVES: Micros = 2 * HOUR;

/// FNV-1a, 64 bits: stable from one run to the next, unlike the standard library's.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(settings: Settings) -> Judge {
        Judge {
            settings,
            rooms: Vec::new(),
            places: BTreeMap::new(),
            changes: Changes::default(),
            cases: Vec::new(),
            detected: 0,
            gates: Vec::new(),
            said: Vec::new(),
            said_last: BTreeMap::new(),
            seen: Some(HashSet::new()),
            now: Micros::MIN,
            closed: Micros::MIN,
        }
    }

    /// A judge that has seen nothing, of a store that keeps every report once: it need not remember which it has seen.
    pub fn of_a_store(settings: Settings) -> Judge {
        Judge { seen: None, ..Judge::new(settings) }
    }

    /// Takes one record in. Records come in order of arrival; one that comes a little out of order counts as arriving now.
    pub fn observe(&mut self, record: &Record) {
        let arrived = time::micros(record.received_at()).max(self.now);
        self.close(arrived);
        self.now = arrived;
        match record {
            Record::Service(line) => {
                line.depends_on.iter().for_each(|other| self.changes.connect(&line.service, other))
            }
            Record::PushStarted(line) => {
                self.changes.begin(line);
                let room = self.room(&line.service, &line.environment);
                let site = &mut self.rooms[room].site;
                site.name_release(&line.release);
                line.previous.iter().for_each(|release| {
                    site.name_release(release);
                });
            }
            Record::PushStep(line) => self.step(line),
            Record::FlagChanged(line) => {
                self.room(&line.service, &line.environment);
                self.judge_around(&line.service, &line.environment);
                if self.changes.flag(Flag::new(line)) {
                    self.tell_continuations(Change::Flag(self.changes.flags.len() - 1));
                }
            }
            Record::Exposure(line) => {
                let room = self.room(&line.service, &line.environment);
                let sessions = line.sessions.unwrap_or(0.0);
                let at = time::micros(line.at).min(arrived);
                self.rooms[room].site.ran(&line.release, &line.cell, at, line.seconds, line.instances, sessions);
            }
            Record::Crash(line) => {
                if self.seen.as_mut().is_some_and(|seen| !seen.insert(hash(&line.id))) {
                    return;
                }
                let room = self.room(&line.service, &line.environment);
                let clients = line.clients_dropped.unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32;
                let host = line.host.as_deref().map(|host| hash(host) as u32);
                self.rooms[room].site.crashed(
                    line.release.as_deref(),
                    &line.cell,
                    host,
                    time::micros(line.at).min(arrived),
                    &line.signature,
                    clients,
                    line.peer_release.as_deref(),
                );
            }
            Record::Note(_) => {}
        }
    }

    /// Lets time go by to `now` without records: closes what is due. Everything that arrived before `now` must have been fed.
    pub fn pass(&mut self, now: Time) {
        self.close(time::micros(now));
    }

    /// What was said since the last call, in order.
    pub fn said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// Everything said so far, in the public form.
    pub fn findings(&self) -> Findings {
        let mut said: Vec<&Case> = self.cases.iter().filter(|case| case.number > 0).collect();
        said.sort_by_key(|case| case.number);
        let mut continuations: Vec<_> = said.iter().flat_map(|case| case.continuations.clone()).collect();
        continuations.sort_by_key(|it| it.step_at);
        let mut gates = self.gates.clone();
        gates.sort_by_key(|gate| gate.at);
        let regressions = said.iter().map(|case| case.regression(self)).collect();
        Findings { regressions, continuations, gates }
    }

    /// The keys of every regression said so far, in order of detection.
    pub fn keys(&self) -> Vec<String> {
        self.cases.iter().filter(|case| case.number > 0).map(|case| case.key.clone()).collect()
    }

    /// The lasting name of a regression that this judge calls by that id. Ids are numbers of one reading of the history and may
    /// change when it is read again.
    pub fn key_of(&self, id: &str) -> Option<&str> {
        self.cases.iter().find(|case| case.number > 0 && case.id() == id).map(|case| case.key.as_str())
    }

    /// What a gate asked at each step of a push would have answered, in order.
    pub fn gates_of(&self, push: &str) -> Vec<GateAnswer> {
        let mut gates: Vec<GateAnswer> = self.gates.iter().filter(|gate| gate.push == push).cloned().collect();
        gates.sort_by_key(|gate| gate.at);
        gates
    }

    /// Crashes beyond expectation before a regression could be known here, and from then on.
    pub fn excess_before_and_after(&self, key: &str) -> Option<(Estimate, Estimate)> {
        self.cases.iter().find(|case| case.number > 0 && case.key == key).map(|case| case.parted)
    }

    /// What a push that asks now may do; none where no such push has begun.
    pub fn gate(&self, push: &str, now: Time, guard: &Guard) -> Option<GateAnswer> {
        let number = self.changes.find_push(push)?;
        self.answer(number, time::micros(now), guard)
    }

    /// The evidence behind a regression, by its key.
    pub fn evidence(&self, key: &str) -> Option<Evidence> {
        self.cases.iter().find(|case| case.number > 0 && case.key == key).and_then(|case| case.evidence.clone())
    }

    /// Every release's own past, those of regressions left out, for the band of what is to be expected.
    pub fn baselines(&self, service: &str, environment: &str) -> Vec<Baseline> {
        let Some(room) = self.places.get(&(service.to_owned(), environment.to_owned())) else { return Vec::new() };
        let Room { site, told, .. } = &self.rooms[*room];
        let pushes = self.changes.pushes_of(service, environment);
        let now = self.now.max(0);
        // A long past is read once, and kept but for the last hours, in which exposure and reports still come in.
        let (exposure, crashes) = {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.advance_with(site, &pushes, now - COMING_IN, &[]);
            told.by_release_until(site, &pushes, now)
        };
        let crashes: HashMap<u16, f64> = crashes.into_iter().collect();
        let of = |(number, name): (usize, &str)| {
            let hours = exposure.get(number).copied().unwrap_or(0.0);
            let count = crashes.get(&(number as u16)).copied().unwrap_or(0.0);
            let rate = if hours > 0.0 { count / hours } else { 0.0 };
            (hours > 0.0).then(|| Baseline { release: name.to_owned(), rate, count, hours })
        };
        site.releases.iter().enumerate().filter_map(of).collect()
    }

    /// What each way on would have cost, as it was worked out last before `at`; none where no change is blamed.
    pub fn paths(&self, key: &str, at: Time) -> Option<Paths> {
        let case = self.cases.iter().find(|case| case.number > 0 && case.key == key)?;
        case.paths.iter().rev().find(|paths| paths.at <= at).or(case.paths.first()).cloned()
    }

    fn room(&mut self, service: &str, environment: &str) -> usize {
        if let Some(room) = self.places.get(&(service.to_owned(), environment.to_owned())) {
            return *room;
        }
        let site = Site::new(service, environment);
        self.rooms.push(Room {
            site,
            normal: Normal::default(),
            watch: Watch::default(),
            readings: Vec::new(),
            moving_until: Micros::MIN,
            told: Mutex::default(),
        });
        self.places.insert((service.to_owned(), environment.to_owned()), self.rooms.len() - 1);
        self.rooms.len() - 1
    }

    fn step(&mut self, line: &crate::domain::step::PushStep) {
        let number = {
            self.changes.push(&line.push);
            self.changes.find_push(&line.push).unwrap_or_default()
        };
        if let Some(begun) = self.changes.pushes[number].begun.clone() {
            self.judge_around(&begun.service, &begun.environment);
        }
        let moves_on = matches!(line.action, Action::Advance | Action::Resume | Action::Complete);
        let answer =
            if moves_on { self.answer(number, self.now.max(time::micros(line.at)), &Guard::default()) } else { None };
        if !self.changes.pushes[number].step(line) {
            return;
        }
        let at = time::micros(line.at);
        let index =
            self.changes.pushes[number].steps.iter().rposition(|step| step.at == at && step.action == line.action);
        let raised = index.is_some_and(|index| self.changes.pushes[number].raised(index));
        if let Some(answer) = answer
            && (raised || line.action == Action::Advance)
        {
            self.gates.push(GateAnswer { at: line.at, ..answer });
        }
        self.tell_continuations(Change::Push(number));
    }

    /// Judges what is due at every mark up to and including `until`.
    fn close(&mut self, until: Micros) {
        let last = until.div_euclid(SOON) * SOON;
        if self.closed == Micros::MIN {
            self.closed = last;
        }
        while self.closed < last {
            let due = self.next_due(self.closed + SOON);
            let Some(next) = due.filter(|due| *due <= last) else {
                self.closed = last;
                return;
            };
            self.closed = next;
            for room in 0..self.rooms.len() {
                if self.is_due(room, next) {
                    self.judge_room(room, next);
                }
            }
        }
    }

    /// The first mark at or after `from` at which anything may have to be judged: whole minutes where crashes came in, marks where
    /// something seems to be wrong.
    fn next_due(&self, from: Micros) -> Option<Micros> {
        let every = |step: Micros| (from + step - 1).div_euclid(step) * step;
        if (0..self.rooms.len()).any(|room| self.is_pressing(room)) {
            return Some(from);
        }
        if self.rooms.iter().any(|room| room.site.unread.is_some()) {
            return Some(every(MINUTE));
        }
        self.cases.iter().any(Case::is_watched).then(|| every(5 * MINUTE))
    }

    fn is_due(&self, room: usize, at: Micros) -> bool {
        let site = &self.rooms[room].site;
        let readable = site.unread.is_some_and(|_| site.known_until(at) > site.read_until);
        let open = self.cases.iter().any(|case| case.room == room && case.is_watched());
        let whole = at % MINUTE == 0 || self.is_pressing(room);
        (readable && whole) || (open && at % (5 * MINUTE) == 0)
    }

    /// Whether crashes came in that are not to wait for the minute's end: an alarm waits for an explanation, evidence has gathered, or far
    /// more came at once than in a usual minute. While a change moves less is enough, and any crash of a kind that never was.
    fn is_pressing(&self, number: usize) -> bool {
        let room = &self.rooms[number];
        let fresh = room.site.fresh.len() as f64;
        let moving = self.closed < room.moving_until;
        let (gathers, burst) = if moving { (2.0, 2.0) } else { (5.0, 5.0) };
        let never = || moving && room.site.fresh.iter().any(|event| !room.normal.knows(event.signature));
        let waits = || self.cases.iter().any(|case| case.room == number && case.number == 0 && case.is_watched());
        fresh > 0.0
            && (room.watch.together >= gathers || fresh >= burst * (1.0 + room.normal.a_minute()) || never() || waits())
    }

    /// Judges a service and those around it with everything that has arrived, as just before a step. From now on a change moves there.
    fn judge_around(&mut self, service: &str, environment: &str) {
        for service in self.changes.around(service) {
            if let Some(room) = self.places.get(&(service, environment.to_owned())).copied() {
                self.judge_room(room, self.now);
                self.rooms[room].moving_until = self.now + MOVES;
            }
        }
    }

    /// Reads the watch of one service.
    fn look(&mut self, number: usize, now: Micros) {
        let room = &mut self.rooms[number];
        room.readings = room.watch.look(&room.site, &self.changes, &room.normal, &self.settings, now);
    }

    /// Looks at one service: reads the watch, opens cases, and goes over those that are open.
    fn judge_room(&mut self, number: usize, now: Micros) {
        self.part_trouble(number, now);
        let asked = self.asked_from(number, now);
        let room = &mut self.rooms[number];
        let pushes = self.changes.pushes_of(&room.site.service, &room.site.environment);
        let anchor = self.changes.past_ends(&room.site, now).min(asked);
        room.normal.advance(&room.site, &pushes, anchor);
        self.look(number, now);
        let room = &mut self.rooms[number];
        let known = room.site.known_until(now);
        room.site.fresh.clear();
        room.site.read_until = known;
        if room.site.unread.is_some_and(|unread| unread < known) {
            room.site.unread = None;
        }
        self.open_cases(number, now);
        self.review_cases(number, now);
    }
}
