//! Everything a timeline needs, read at once and cut to what was known. Nothing is drawn and nothing is put in words.

use super::{
    asked::{Asked, Span},
    filters::MOST_SIGNATURES,
    told::Told,
};
use crate::{
    domain::{
        Time, exposure::Exposure, finding::Continuation, flag::FlagChanged, note::Note, percent::Percent,
        step::PushStep, time,
    },
    flows::Error,
    judge::Baseline,
    store::{
        Read,
        changes::{Push, PushFilter},
        findings::{ContinuationFilter, StoredRegression},
        holds::{GateAsked, Hold},
        services::Service,
        telemetry::CrashCount,
    },
    timeline::{overview_grain, scale::TimeScale},
    web::App,
};
use std::collections::{BTreeMap, BTreeSet};

/// Rates trail by as much, so that what ran and crashed is read from this much before the range on, minutes.
pub const TRAIL: i64 = 30;
/// The overview reaches back from the end of the range by as much, hours.
const OVERVIEW_HOURS: i64 = 30;
/// The stretch of time that is shown where nothing asks for another, hours.
const MATTERS: i64 = 8;
/// Pushes offered as ranges.
const MOST_RECENT: usize = 3;
/// How many pushes and flags of services that are no neighbours are shown beside those that are.
const FEW: usize = 4;

/// A push with its steps, in order.
pub type Moved = (Push, Vec<PushStep>);

/// A flag with its share before the range and its changes in it.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The service that reads it.
    pub service: String,
    /// The flag.
    pub name: String,
    /// The share at the start of the range.
    pub before: Option<Percent>,
    /// Its changes in the range, in order.
    pub changes: Vec<FlagChanged>,
}

/// What a timeline tells.
pub struct Loaded {
    /// The service.
    pub service: Service,
    /// Where.
    pub environment: String,
    /// Where else.
    pub environments: Vec<String>,
    /// Services that this one calls or is called by.
    pub neighbours: Vec<String>,
    /// The present.
    pub now: Time,
    /// The last instant that is told.
    pub until: Time,
    /// The range.
    pub shown: (Time, Time),
    /// What the range is around, where it is around something.
    pub around: Option<String>,
    /// Pushes of this service with something in the range.
    pub pushes: Vec<Moved>,
    /// The latest pushes of this service.
    pub recent: Vec<Push>,
    /// Pushes of other services with steps in the range.
    pub nearby: Vec<Moved>,
    /// Flags with changes in the range.
    pub flags: Vec<Flag>,
    /// Holds on pushes of the range.
    pub holds: Vec<Hold>,
    /// Questions put to the gate by pushes of the range.
    pub gates: Vec<GateAsked>,
    /// Notes.
    pub notes: Vec<Note>,
    /// Regressions of this service that overlap the range, in order of onset.
    pub told: Vec<Told>,
    /// Every regression of this service by id, latest first, for links.
    pub known_ids: Vec<String>,
    /// Regressions of other services that a push of the range is blamed for.
    pub elsewhere: Vec<Told>,
    /// What ran, all releases and cells.
    pub exposures: Vec<Exposure>,
    /// What crashed, all releases, cells and signatures.
    pub crashes: Vec<CrashCount>,
    /// Signatures to choose from, the most frequent first.
    pub signatures: Vec<String>,
    /// The left end of the overview, and how many crashed when; none where the range is as long itself.
    pub overview: Option<(Time, Vec<(Time, i64)>)>,
    /// Every release's own past.
    pub baselines: Vec<Baseline>,
    /// When anything was last heard of the service here.
    pub heard: Option<Time>,
    /// The step that comes after the instant read as of, for going forward one step.
    pub next_step: Option<Time>,
}

impl Loaded {
    /// Reads it all.
    pub fn load(app: &App, service: &str, environment: &str, asked: &Asked, now: Time) -> Result<Loaded, Error> {
        let mut loaded = app.store.read(|read| Loaded::read(read, service, environment, asked, now))?;
        loaded.baselines = match asked.at {
            None => app.judging.read().baselines(service, environment),
            Some(_) => loaded.baselines_then(),
        };
        Ok(loaded)
    }

    pub(super) fn read(
        read: &mut Read<'_>,
        name: &str,
        environment: &str,
        asked: &Asked,
        now: Time,
    ) -> Result<Loaded, Error> {
        let service = read.service(name)?.ok_or_else(|| Error::no("service", name))?;
        let environments = read.environments(name)?;
        // A service that nobody heard of yet has no environments; its first page says what to do.
        if !environments.is_empty() && !environments.iter().any(|it| it == environment) {
            return Err(Error::no("environment", environment));
        }
        let stored = read.regressions_of(name, environment)?;
        let until = asked.at.map_or(now, |at| at.min(now));
        let heard = read.last_heard(name, environment)?.map(|heard| heard.min(until));
        let recent: Vec<Push> = read
            .pushes(&PushFilter {
                service: Some(name.to_owned()),
                environment: Some(environment.to_owned()),
                limit: 50,
                ..PushFilter::default()
            })?
            .into_iter()
            .filter(|push| push.started.received_at <= until)
            .collect();
        let all = tell(read, stored, asked.at)?;
        let (shown, around) = range(read, asked, &all, heard, until)?;
        let mut loaded = Loaded {
            neighbours: neighbours(read, &service)?,
            known_ids: all.iter().rev().map(|told| told.regression.id.clone()).collect(),
            told: all.into_iter().filter(|told| overlaps(told, shown)).collect(),
            environment: environment.to_owned(),
            recent: recent.into_iter().take(MOST_RECENT).collect(),
            service,
            environments,
            now,
            until,
            shown,
            around,
            pushes: Vec::new(),
            nearby: Vec::new(),
            flags: Vec::new(),
            holds: Vec::new(),
            gates: Vec::new(),
            notes: Vec::new(),
            elsewhere: Vec::new(),
            exposures: Vec::new(),
            crashes: Vec::new(),
            signatures: Vec::new(),
            overview: None,
            baselines: Vec::new(),
            heard,
            next_step: None,
        };
        loaded.read_changes(read, asked.at)?;
        loaded.read_telemetry(read, asked)?;
        Ok(loaded)
    }

    /// Pushes, steps, flag changes, holds, gate answers and notes of the range.
    fn read_changes(&mut self, read: &mut Read<'_>, known_at: Option<Time>) -> Result<(), Error> {
        let (from, to) = self.shown;
        let until = self.until;
        let here = self.service.service.clone();
        let mut ids: BTreeSet<String> = BTreeSet::new();
        let begun = read.pushes(&PushFilter {
            service: Some(here.clone()),
            environment: Some(self.environment.clone()),
            before: Some(to.min(until)),
            limit: 50,
            ..PushFilter::default()
        })?;
        ids.extend(begun.into_iter().filter(|push| push.started.at >= from).map(|push| push.started.push));
        let moves = read.when_moved(from, to)?;
        let is_next = |push: &String, at: &Time| known_at.is_some_and(|known| *at > known) && ids.contains(push);
        self.next_step = moves.iter().filter(|(push, at, _)| is_next(push, at)).map(|(_, at, _)| *at).min();
        let known = |(_, at, received): &&(String, Time, Time)| *at <= until && *received <= until;
        let moved: BTreeSet<String> = moves.iter().filter(known).map(|(push, ..)| push.clone()).collect();
        ids.extend(moves.into_iter().map(|(push, ..)| push));
        for told in &self.told {
            ids.extend(told.suspects.iter().filter(|it| it.kind == "push").map(|it| it.name.clone()));
        }
        let mut nearby = Vec::new();
        for id in ids {
            let Some(push) = read.push(&id)? else { continue };
            if push.started.environment != self.environment || push.started.received_at > until {
                continue;
            }
            if push.started.service == here {
                self.pushes.push((push, read.steps(&id)?));
            } else if moved.contains(&id) {
                nearby.push(push);
            }
        }
        self.pushes.sort_by_key(|(push, _)| push.started.at);
        let near = |push: &Push| self.neighbours.contains(&push.started.service);
        nearby.sort_by_key(|push| (!near(push), push.started.at));
        // In a fleet many move at any time: only of those that are shown every step is read.
        nearby.truncate(nearby.iter().filter(|push| near(push)).count().max(FEW));
        for push in nearby {
            let steps = read.steps(&push.started.push)?;
            self.nearby.push((push, steps));
        }
        for (_, steps) in self.pushes.iter_mut().chain(&mut self.nearby) {
            steps.retain(|step| step.at <= until && step.received_at <= until);
        }
        for (push, _) in &self.pushes {
            let id = &push.started.push;
            self.holds.extend(read.holds_of(id)?.into_iter().filter(|hold| hold.at <= until));
            self.gates.extend(read.gate_answers(id)?.into_iter().filter(|gate| gate.at <= until));
            for stored in read.regressions_blamed_on(id)? {
                if stored.finding.service != here {
                    let told = tell(read, vec![stored], known_at)?;
                    self.elsewhere.extend(told);
                }
            }
        }
        for hold in &mut self.holds {
            hold.lifted = hold.lifted.take().filter(|lifted| lifted.at <= until);
        }
        self.flags = self.read_flags(read)?;
        let mut notes = read.notes_between(&here, from, to.min(until))?;
        notes.retain(|note| note.received_at <= until);
        notes.retain(|note| note.service.is_some() || note.push.is_none() || self.is_ours(note.push.as_deref()));
        self.notes = notes;
        Ok(())
    }

    fn is_ours(&self, push: Option<&str>) -> bool {
        push.is_some_and(|id| self.pushes.iter().any(|(push, _)| push.started.push == id))
    }

    fn read_flags(&self, read: &mut Read<'_>) -> Result<Vec<Flag>, Error> {
        let (from, to) = self.shown;
        let mut flags: BTreeMap<(u8, String, String), Vec<FlagChanged>> = BTreeMap::new();
        for change in read.flag_changes_between(None, from, to.min(self.until))? {
            if change.environment != self.environment || change.received_at > self.until {
                continue;
            }
            let reach = match &change.service {
                ours if *ours == self.service.service => 0,
                near if self.neighbours.contains(near) => 1,
                _ => 2,
            };
            flags.entry((reach, change.service.clone(), change.flag.clone())).or_default().push(change);
        }
        let connected = flags.keys().filter(|(reach, ..)| *reach < 2).count();
        let mut found = Vec::new();
        for ((_, service, name), changes) in flags.into_iter().take(connected.max(FEW)) {
            let earlier = read.flag_changes(Some(&service), Some(&name), Some(from), 1)?;
            let before = earlier
                .first()
                .and_then(FlagChanged::percent_after)
                .or_else(|| changes.first().and_then(FlagChanged::percent_before));
            found.push(Flag { service, name, before, changes });
        }
        Ok(found)
    }

    /// What ran and what crashed.
    fn read_telemetry(&mut self, read: &mut Read<'_>, asked: &Asked) -> Result<(), Error> {
        let (from, to) = self.shown;
        // Over days, rates trail by hours.
        let trail = if to - from > time::minutes(36 * 60) { 12 * TRAIL } else { TRAIL };
        let (start, until) = (from - time::minutes(trail), self.until);
        let (service, environment) = (self.service.service.clone(), self.environment.clone());
        let long = to - from >= time::minutes(OVERVIEW_HOURS * 60);
        let left = if long { start } else { (to - time::minutes(OVERVIEW_HOURS * 60)).min(start) };
        // Without the present's own memory of the past, a release's past is read from the overview's hours.
        let ran_from = if asked.at.is_some() { left } else { start };
        let grain = TimeScale::new(from, to, 0.0, 1.0).grain();
        self.exposures = read.exposures_between(&service, &environment, ran_from, to.min(until))?;
        self.exposures.retain(|window| window.received_at <= until);
        self.crashes = read.crash_counts_by(&service, &environment, (ran_from, to.min(until)), grain)?;
        self.crashes.retain(|crash| crash.received_at.is_none_or(|at| at <= until));
        if !long {
            let known = asked.at.map(|_| self.crashes.iter().map(|crash| (crash.at, crash.crashes)).collect());
            let within = (left, to.min(until));
            let totals = known
                .map_or_else(|| read.crash_totals(&service, &environment, within, overview_grain(left, to)), Ok)?;
            self.overview = Some((left, totals));
        }
        self.signatures = self.frequent();
        if self.crashes.iter().any(|crash| crash.signature.is_none()) {
            // In a storm, crashes do not say which signature they are of.
            let latest = read.signatures(Some(&service), None, 200)?;
            let mut heard: Vec<_> = latest.into_iter().filter(|it| it.last_at >= from && it.first_at <= to).collect();
            heard.sort_by_key(|it| std::cmp::Reverse(it.crashes));
            self.signatures = heard.into_iter().take(MOST_SIGNATURES).map(|it| it.signature).collect();
            if let Some(only) = &asked.signature {
                self.crashes = read.crash_counts_of(&service, &environment, only, left, to.min(until))?;
            }
        }
        Ok(())
    }

    /// The signatures that crashed most in the range.
    fn frequent(&self) -> Vec<String> {
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for crash in self.crashes.iter().filter(|crash| crash.at >= self.shown.0) {
            if let Some(signature) = &crash.signature {
                *counts.entry(signature).or_default() += crash.crashes;
            }
        }
        let mut counts: Vec<(&str, i64)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.into_iter().take(MOST_SIGNATURES).map(|(signature, _)| signature.to_owned()).collect()
    }

    /// Every release's own past as far as it had been heard of by then, hours of regressions left out.
    pub(super) fn baselines_then(&self) -> Vec<Baseline> {
        let harmed: Vec<(Time, Time)> = self
            .told
            .iter()
            .map(|told| (told.regression.onset.earliest, told.regression.ended_at.unwrap_or(self.until)))
            .collect();
        let quiet = |at: Time| !harmed.iter().any(|(from, to)| (*from..=*to).contains(&at));
        let mut past: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for window in self.exposures.iter().filter(|window| quiet(window.at)) {
            past.entry(&window.release).or_default().0 += window.instance_hours();
        }
        for crash in self.crashes.iter().filter(|crash| quiet(crash.at)) {
            if let Some(sums) = crash.release.as_deref().and_then(|release| past.get_mut(release)) {
                sums.1 += crash.crashes as f64;
            }
        }
        past.into_iter()
            .filter(|(_, (hours, _))| *hours > 0.0)
            .map(|(release, (hours, count))| Baseline {
                release: release.to_owned(),
                rate: count / hours,
                count,
                hours,
            })
            .collect()
    }

    /// The regression that is told first: what goes on before open risks before what has ended.
    pub fn leading(&self) -> Option<&Told> {
        let asked = self.around.as_deref();
        self.told
            .iter()
            .find(|told| Some(told.regression.id.as_str()) == asked)
            .or_else(|| self.told.iter().max_by_key(|told| told.weight()))
    }
}

/// Services that this one calls or is called by, by name.
fn neighbours(read: &mut Read<'_>, service: &Service) -> Result<Vec<String>, Error> {
    let mut found: BTreeSet<String> = service.depends_on.iter().cloned().collect();
    for other in read.services()? {
        if other.depends_on.contains(&service.service) {
            found.insert(other.service);
        }
    }
    found.remove(&service.service);
    Ok(found.into_iter().collect())
}

fn tell(read: &mut Read<'_>, stored: Vec<StoredRegression>, known_at: Option<Time>) -> Result<Vec<Told>, Error> {
    let earliest = stored.iter().map(|it| it.finding.onset.earliest).min();
    let continuations: Vec<Continuation> = match (known_at, earliest) {
        (None, Some(from)) => {
            let filter = ContinuationFilter { from: Some(from), ..ContinuationFilter::default() };
            read.continuations(&filter)?.into_iter().map(|it| it.finding).collect()
        }
        (Some(_), _) | (None, None) => Vec::new(),
    };
    let mut all = Vec::new();
    for it in stored {
        let id = it.finding.id.clone();
        let went_on = continuations.iter().filter(|step| step.regression == id).cloned().collect();
        all.extend(Told::load(read, it, went_on, known_at)?);
    }
    Ok(all)
}

fn overlaps(told: &Told, (from, to): (Time, Time)) -> bool {
    told.regression.onset.earliest <= to && told.regression.ended_at.is_none_or(|end| end >= from)
}

/// The range asked for, and the id of what it is around.
fn range(
    read: &mut Read<'_>,
    asked: &Asked,
    told: &[Told],
    heard: Option<Time>,
    until: Time,
) -> Result<((Time, Time), Option<String>), Error> {
    let last = |hours: i64| {
        let end = ceil(heard.map_or(until, |heard| (heard + time::minutes(15)).min(until)), 15);
        (end - time::minutes(hours * 60), end)
    };
    let around_told = |told: &Told| {
        let end = told.regression.ended_at.unwrap_or(until);
        (around(told.regression.onset.earliest, end), Some(told.regression.id.clone()))
    };
    Ok(match &asked.span {
        Span::Fixed(from, to) => ((*from, *to), None),
        Span::Hours(hours) => (last(*hours), None),
        Span::Matters => {
            // What ended before the hours that are shown anyway is history: it must not hide what happens now.
            let recent = |it: &&Told| {
                it.is_open() || it.regression.ended_at.is_none_or(|end| end >= until - time::minutes(MATTERS * 60))
            };
            match told.iter().filter(|it| it.regression.withdrawn.is_none()).filter(recent).max_by_key(|it| it.weight())
            {
                Some(told) => around_told(told),
                None => (last(MATTERS), None),
            }
        }
        Span::Around(id) => match told.iter().find(|told| told.regression.id == *id) {
            Some(told) => around_told(told),
            None => {
                let push = read.push(id)?.filter(|push| push.started.received_at <= until);
                let push = push.ok_or_else(|| Error::no("push or regression", id))?;
                let steps = read.steps(id)?;
                let last = steps.iter().map(|step| step.at).filter(|at| *at <= until).max();
                let end = if push.standing.state.is_open() { until } else { last.unwrap_or(push.started.at) };
                (around(push.started.at, end.max(push.started.at)), Some(id.clone()))
            }
        },
    })
}

/// A stretch of time with margins, on whole hours or quarters, 31 days at most.
fn around(from: Time, to: Time) -> (Time, Time) {
    let length = to - from;
    let margin = (length / 7).clamp(time::minutes(45), time::minutes(24 * 60));
    let unit = if length > time::minutes(180) { 60 } else { 15 };
    let (from, to) = (floor(from - margin, unit), ceil(to + margin, unit));
    (from.max(to - time::minutes(31 * 24 * 60)), to)
}

fn floor(at: Time, minutes: i64) -> Time {
    let unit = minutes * 60_000_000;
    time::from_micros(time::micros(at).div_euclid(unit) * unit)
}

fn ceil(at: Time, minutes: i64) -> Time {
    let down = floor(at, minutes);
    if down == at { at } else { down + time::minutes(minutes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        time::parse(text).expect("valid")
    }

    #[test]
    fn a_range_around_something_has_margins_and_round_ends() {
        let (from, to) = around(at("2026-03-03T01:11:17Z"), at("2026-03-03T06:48:00Z"));
        assert_eq!((from, to), (at("2026-03-03T00:00:00Z"), at("2026-03-03T08:00:00Z")));
        let (from, to) = around(at("2026-03-02T14:20:00Z"), at("2026-03-02T15:00:00Z"));
        assert_eq!((from, to), (at("2026-03-02T13:30:00Z"), at("2026-03-02T15:45:00Z")));
    }

    #[test]
    fn a_range_never_grows_beyond_a_month() {
        let (from, to) = around(at("2025-01-01T00:00:00Z"), at("2026-03-02T15:00:00Z"));
        assert_eq!(to - from, time::minutes(31 * 24 * 60));
    }
}
