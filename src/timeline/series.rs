//! From windows and crashes to running sums: how much ran, how much crashed, how much was to be expected, by class,
//! by bucket and by cell. Sums only; what may be said of them is said where they are drawn.

use super::{
    Class, Facts,
    scale::{BUCKETS, TimeScale},
};
use crate::domain::Time;
use std::collections::{BTreeMap, HashMap};

/// What rates are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// Instance-hours.
    Hours,
    /// Sessions.
    Sessions,
    /// Nothing was reported to run: counts only.
    Counts,
}

impl Basis {
    /// The least exposure that a rate is drawn for.
    pub(super) fn least(self) -> f64 {
        match self {
            Basis::Hours => 0.6,
            Basis::Sessions => 60.0,
            Basis::Counts => f64::INFINITY,
        }
    }

    /// What a rate counts, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Basis::Hours => "crashes per 1,000 hours",
            Basis::Sessions => "per 1,000 sessions",
            Basis::Counts => "crashes",
        }
    }

    /// The unit after "per 1,000".
    pub(super) fn unit(self) -> &'static str {
        match self {
            Basis::Hours => "h",
            Basis::Sessions => "sessions",
            Basis::Counts => "",
        }
    }
}

/// Running sums of one class, or of the whole fleet.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// The releases in it, by name, in the caller's order.
    pub(super) names: Vec<String>,
    units: Vec<f64>,
    instance_seconds: Vec<f64>,
    crashes: Vec<f64>,
    expected: Vec<f64>,
    /// Whether every release in it has a past to compare with.
    pub(super) has_past: bool,
}

/// One sample of a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// Seconds from the left edge.
    pub(super) offset: f64,
    /// Crashes per thousand units over the trailing window.
    pub(super) rate: f64,
    /// Crashes counted in it.
    pub(super) count: f64,
    /// What ran in it.
    pub(super) units: f64,
    /// What the past lets expect, per thousand units.
    pub(super) band: Option<(f64, f64)>,
    /// The expected rate itself, per thousand units.
    pub(super) expected: Option<f64>,
}

/// One cell's counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CellRow {
    pub(super) name: String,
    /// Crashes by bucket.
    pub(super) counts: Vec<u64>,
    /// What ran, by bucket.
    pub(super) units: Vec<f64>,
    pub(super) total: u64,
}

/// All sums of one drawing.
pub(super) struct Series {
    pub(super) basis: Basis,
    /// The trailing window of rates, seconds.
    pub(super) trail: f64,
    /// The bucket length of bars and cells, seconds.
    pub(super) bucket: i64,
    /// Buckets as offsets from the left edge.
    pub(super) buckets: Vec<(f64, f64)>,
    /// Crashes by bucket: all, and of these the pushed release's.
    pub(super) totals: Vec<(u64, u64)>,
    lines: BTreeMap<Class, Line>,
    pub(super) fleet: Line,
    step: f64,
    /// The last offset with anything to draw.
    pub(super) until: f64,
}

impl Series {
    /// Adds everything up to the last instant that may be drawn, however wide that will be.
    pub(super) fn new(facts: &Facts) -> Series {
        let scale = TimeScale::new(facts.from, facts.to, 0.0, 1.0);
        let bucket = scale.bucket(BUCKETS);
        let trail = (bucket as f64).max(1800.0);
        let step = trail / (trail / (scale.seconds() / 960.0).max(15.0)).ceil();
        let until = scale.offset(facts.until()).clamp(0.0, scale.seconds());
        let basis = basis(facts);
        let buckets = scale.buckets(bucket);
        let mut series = Series {
            basis,
            trail,
            bucket,
            totals: vec![(0, 0); buckets.len()],
            buckets,
            lines: BTreeMap::new(),
            fleet: Line::default(),
            step,
            until,
        };
        let cells = ((trail + scale.seconds()) / step).ceil() as usize + 1;
        series.add(facts, &scale, cells);
        series
    }

    fn add(&mut self, facts: &Facts, scale: &TimeScale, cells: usize) {
        let fallback = facts.releases.iter().find_map(|release| past(release, self.basis));
        let known: HashMap<&str, (Class, Option<f64>)> = facts
            .releases
            .iter()
            .map(|release| (release.name.as_str(), (release.class, past(release, self.basis))))
            .collect();
        let of = |name: &str| known.get(name).copied().unwrap_or((Class::Other, None));
        self.fleet = Line::empty(cells);
        self.fleet.has_past = fallback.is_some();
        for window in &facts.exposures {
            let (class, expected) = of(&window.release);
            let line = self.lines.entry(class).or_insert_with(|| Line::empty(cells));
            let start = scale.offset(window.at);
            let end = (start + window.seconds.max(0.0)).min(self.until);
            let units = units_per_second(window, self.basis);
            if end <= start || end <= -self.trail || !(units.is_finite() && window.instances.is_finite()) {
                continue;
            }
            line.name(&window.release, expected.is_some());
            self.fleet.name(&window.release, true);
            let (first, last) = ((start + self.trail).max(0.0), end + self.trail);
            let mut i = (first / self.step) as usize;
            while i < cells && (i as f64) * self.step < last {
                let overlap = last.min((i + 1) as f64 * self.step) - first.max(i as f64 * self.step);
                let added = overlap.max(0.0);
                line.grow(i, units * added, window.instances.max(0.0) * added, expected.unwrap_or(0.0));
                self.fleet.grow(
                    i,
                    units * added,
                    window.instances.max(0.0) * added,
                    expected.or(fallback).unwrap_or(0.0),
                );
                i += 1;
            }
        }
        for crash in &facts.crashes {
            let offset = scale.offset(crash.at);
            if crash.at > facts.until() || offset < -self.trail || offset >= scale.seconds() {
                continue;
            }
            let class = crash.release.as_deref().map(|name| of(name).0);
            let i = (((offset + self.trail) / self.step) as usize).min(cells - 1);
            self.fleet.crashes[i] += crash.count as f64;
            if let Some(line) = class.and_then(|class| self.lines.get_mut(&class)) {
                line.crashes[i] += crash.count as f64;
            }
            if let Some(sum) = bucket_of(&self.buckets, offset).and_then(|i| self.totals.get_mut(i)) {
                sum.0 = sum.0.saturating_add(crash.count);
                if class == Some(Class::Pushed) {
                    sum.1 = sum.1.saturating_add(crash.count);
                }
            }
        }
        self.fleet.run();
        self.lines.values_mut().for_each(Line::run);
        self.lines.retain(|_, line| !line.names.is_empty());
    }

    /// The sums of a class that ran.
    pub(super) fn line(&self, class: Class) -> Option<&Line> {
        self.lines.get(&class)
    }

    /// How much of a class runs at an offset, averaged over one step; 0 where it does not.
    pub(super) fn instances(&self, class: Class, offset: f64) -> f64 {
        self.line(class).map_or(0.0, |line| self.running(line, offset))
    }

    /// How much of a line runs at an offset: instances, or sessions per minute where only those are known.
    pub(super) fn running(&self, line: &Line, offset: f64) -> f64 {
        let at = offset.min(self.until - self.step * 0.5).max(0.0);
        let i = ((at + self.trail) / self.step + 1e-6).floor() as usize;
        let (sums, per) = match self.basis {
            Basis::Hours => (&line.instance_seconds, 1.0),
            Basis::Sessions | Basis::Counts => (&line.units, 60.0),
        };
        match (sums.get(i), sums.get(i + 1)) {
            (Some(before), Some(after)) => {
                let left = (self.until + self.trail - i as f64 * self.step).min(self.step);
                if left > 0.0 { ((after - before) / left * per).max(0.0) } else { 0.0 }
            }
            _ => 0.0,
        }
    }

    /// Offsets at which rates and population are sampled, up to the last that may be drawn.
    pub(super) fn samples_at(&self) -> Vec<f64> {
        let count = (self.until / self.step).floor() as usize;
        (0..=count).map(|i| i as f64 * self.step).collect()
    }

    /// The trailing rate of a line at an offset on the sampling grid; none where too little ran, or where nothing runs any more.
    pub(super) fn sample(&self, line: &Line, offset: f64) -> Option<Sample> {
        let to = ((offset + self.trail) / self.step).round() as usize;
        let from = to.checked_sub((self.trail / self.step).round() as usize)?;
        let over = |sums: &Vec<f64>| Some(sums.get(to)? - sums.get(from)?);
        let (units, count, mu) = (over(&line.units)?, over(&line.crashes)?, over(&line.expected)?);
        let before = to.checked_sub(1)?;
        let runs = line.units.get(to)? - line.units.get(before)? > 1e-9;
        if units < self.basis.least() || !runs {
            return None;
        }
        let expected = line.has_past.then_some(mu / units);
        Some(Sample {
            offset,
            rate: count / units * 1000.0,
            count,
            units,
            band: expected.and_then(|rate| super::scale::band(rate, units)),
            expected: expected.map(|rate| rate * 1000.0),
        })
    }

    /// Crashes that the past lets expect between two offsets, for the whole fleet.
    pub(super) fn expected_between(&self, from: f64, to: f64) -> Option<f64> {
        let at = |offset: f64| {
            let place = (offset.min(self.until) + self.trail) / self.step;
            let i = place.floor() as usize;
            let low = *self.fleet.expected.get(i)?;
            let high = *self.fleet.expected.get(i + 1).unwrap_or(&low);
            Some(low + (high - low) * place.fract())
        };
        if !self.fleet.has_past { None } else { Some((at(to)? - at(from)?).max(0.0)) }
    }

    /// Counts by cell of these releases, or of all where none are named; by name, the smallest folded into one row.
    pub(super) fn cells(&self, facts: &Facts, scale: &TimeScale, releases: &[String], most: usize) -> Vec<CellRow> {
        let wanted = |release: Option<&str>| {
            releases.is_empty() || release.is_some_and(|name| releases.iter().any(|wanted| wanted == name))
        };
        let width = self.buckets.len();
        let mut rows: BTreeMap<&str, CellRow> = BTreeMap::new();
        let blank =
            |name: &str| CellRow { name: name.to_owned(), counts: vec![0; width], units: vec![0.0; width], total: 0 };
        for window in &facts.exposures {
            let start = scale.offset(window.at);
            let end = (start + window.seconds.max(0.0)).min(self.until);
            if end <= 0.0 || start >= self.until {
                continue;
            }
            let row = rows.entry(&window.cell).or_insert_with(|| blank(&window.cell));
            let units = units_per_second(window, self.basis);
            if !wanted(Some(&window.release)) || !units.is_finite() {
                continue;
            }
            let first = bucket_of(&self.buckets, start.max(0.0)).unwrap_or(0);
            for (i, (from, to)) in self.buckets.iter().enumerate().skip(first).take_while(|(_, (from, _))| *from < end)
            {
                row.units[i] += units * (end.min(*to) - start.max(*from)).max(0.0);
            }
        }
        for crash in &facts.crashes {
            let offset = scale.offset(crash.at);
            if crash.at > facts.until() || !wanted(crash.release.as_deref()) {
                continue;
            }
            if let Some(i) = bucket_of(&self.buckets, offset) {
                let row = rows.entry(&crash.cell).or_insert_with(|| blank(&crash.cell));
                row.counts[i] = row.counts[i].saturating_add(crash.count);
                row.total = row.total.saturating_add(crash.count);
            }
        }
        fold(rows.into_values().collect(), most, blank(""))
    }
}

/// Keeps the cells with the most crashes, and sums the rest into one row that says how many they are.
fn fold(mut rows: Vec<CellRow>, most: usize, mut rest: CellRow) -> Vec<CellRow> {
    if rows.len() <= most {
        return rows;
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(rows[*i].total));
    let folded: Vec<usize> = order.split_off(most.saturating_sub(1));
    rest.name = format!("{} other cells", folded.len());
    for i in &folded {
        for (bucket, count) in rows[*i].counts.iter().enumerate() {
            rest.counts[bucket] = rest.counts[bucket].saturating_add(*count);
            rest.units[bucket] += rows[*i].units[bucket];
        }
        rest.total = rest.total.saturating_add(rows[*i].total);
    }
    let mut i = 0;
    rows.retain(|_| {
        i += 1;
        !folded.contains(&(i - 1))
    });
    rows.push(rest);
    rows
}

fn bucket_of(buckets: &[(f64, f64)], offset: f64) -> Option<usize> {
    if offset < 0.0 {
        return None;
    }
    let i = buckets.partition_point(|(_, end)| *end <= offset);
    (i < buckets.len()).then_some(i)
}

fn basis(facts: &Facts) -> Basis {
    if facts.exposures.iter().any(|window| window.instances > 0.0) {
        Basis::Hours
    } else if facts.exposures.iter().any(|window| window.sessions.is_some_and(|sessions| sessions > 0.0)) {
        Basis::Sessions
    } else {
        Basis::Counts
    }
}

fn past(release: &super::Release, basis: Basis) -> Option<f64> {
    match basis {
        Basis::Hours => release.expected_per_hour,
        Basis::Sessions => release.expected_per_session,
        Basis::Counts => None,
    }
    .filter(|rate| rate.is_finite() && *rate >= 0.0)
}

fn units_per_second(window: &super::Exposed, basis: Basis) -> f64 {
    match basis {
        Basis::Hours => window.instances.max(0.0) / 3600.0,
        Basis::Sessions => window.sessions.unwrap_or(0.0).max(0.0) / window.seconds.max(1.0),
        Basis::Counts => 0.0,
    }
}

impl Line {
    fn empty(cells: usize) -> Line {
        let zero = vec![0.0; cells];
        Line {
            names: Vec::new(),
            units: zero.clone(),
            instance_seconds: zero.clone(),
            crashes: zero.clone(),
            expected: zero,
            has_past: true,
        }
    }

    fn name(&mut self, release: &str, has_past: bool) {
        if !self.names.iter().any(|name| name == release) {
            self.names.push(release.to_owned());
        }
        self.has_past &= has_past;
    }

    fn grow(&mut self, i: usize, units: f64, instance_seconds: f64, expected_per_unit: f64) {
        self.units[i] += units;
        self.instance_seconds[i] += instance_seconds;
        self.expected[i] += units * expected_per_unit;
    }

    /// Turns counts per step into sums up to each step's start.
    fn run(&mut self) {
        for sums in [&mut self.units, &mut self.instance_seconds, &mut self.crashes, &mut self.expected] {
            let mut sum = 0.0;
            for value in sums.iter_mut() {
                let here = *value;
                *value = sum;
                sum += here;
            }
            sums.push(sum);
        }
    }

    /// The releases in it, in few words.
    pub(super) fn words(&self) -> String {
        match self.names.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [first, second] => format!("{first}, {second}"),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        }
    }
}

/// Whether an instant may be drawn: not later than the instant read as of, and within the range.
pub(super) fn in_view(facts: &Facts, scale: &TimeScale, at: Time) -> bool {
    at <= facts.until() && scale.offset(at) >= 0.0 && scale.offset(at) <= scale.seconds()
}
