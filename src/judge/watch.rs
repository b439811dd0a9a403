//! The sequential test: whether anything is wrong at a service at all. Who is to blame is decided elsewhere.
//!
//! For each signature, and for all together, six streams of evidence are kept, each blind to something else: the whole service
//! and each release against their own past, other releases against their past by how much of a change is in their cell, and
//! by how much of everything it is, cells against each other by the first of these, and the new release against the others
//! beside it. Each is a mixture over sizes of harm and over the time at which it began, updated bucket by bucket:
//! S <- (S (1 - w) + w) L. Under "nothing is wrong" its mean never exceeds one, however often it is looked at (Ville 1939;
//! e-detectors: Shin, Ramdas, Rinaldo 2022), and streams are combined by a weighted mean, which needs no independence
//! (Vovk, Wang 2021).

use super::{
    HOUR, Micros, Settings,
    beside::Part,
    candidate::{Change, Changes, Dosed},
    frame::Frame,
    normal::Normal,
    site::{BUCKET, Basis, Event, Site},
    stats::ln_factor,
};

/// Sizes of harm that are looked for, as ratios.
const RATIOS: [f64; 7] = [1.75, 2.5, 4.0, 8.0, 16.0, 40.0, 150.0];
/// Sizes of harm by unit of dose.
const SLOPES: [f64; 7] = [1.5, 3.0, 6.0, 12.0, 25.0, 60.0, 400.0];
/// Buckets behind the newest that are worked out again each time, since reports come late.
const OPEN_BUCKETS: i64 = 6;
/// Buckets that a new signature's evidence reaches back.
const REACH: i64 = 144;
/// The weight of "it begins in this bucket": once in two hours, and more where a change moved.
const BEGINS: f64 = 1.0 / 24.0;
const BEGINS_AT_STEP: f64 = 0.12;
/// The part of the threshold that all signatures together have.
pub(crate) const ALL_WEIGHT: f64 = 0.4;
/// A rise that is no incident, however sure it is.
const LEAST_TOLERANCE: f64 = 1.25;
/// Overdispersion that is taken for granted.
const PHI: f64 = 0.02;

type Grid = [f64; 7];
/// The logarithm of a bucket's factor, by place in the grid.
type Factor<'a> = &'a dyn Fn(usize) -> f64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Total,
    Release(u16),
    Dose(Change),
    Everywhere(Change),
    Cells(Change),
    Direct(Change),
}

/// What is watched: one signature, or all that no regression accounts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    All,
    Signature(u32),
}

impl Level {
    pub(crate) fn has(self, signature: u32) -> bool {
        match self {
            Level::All => true,
            Level::Signature(own) => own == signature,
        }
    }
}

#[derive(Debug, Clone)]
struct Track {
    level: Level,
    streams: Vec<(Stream, Grid)>,
    /// The first bucket that is not in `streams`.
    settled: i64,
    evidence: f64,
    /// How wrong an expectation may be, and for which edition of the past and which hour that was worked out.
    doubt: Option<((u64, i64), i64, f64)>,
}

impl Track {
    fn new(level: Level, settled: i64) -> Track {
        Track { level, streams: Vec::new(), settled, evidence: 0.0, doubt: None }
    }

    fn doubt(&mut self, normal: &Normal, until: Micros) -> f64 {
        let (edition, hour) = (normal.edition(), until.div_euclid(HOUR));
        match self.doubt {
            Some((known, at, doubt)) if known == edition && at == hour => doubt,
            _ => {
                let doubt = normal.doubt_at(self.level, until);
                self.doubt = Some((edition, hour, doubt));
                doubt
            }
        }
    }
}

/// The evidence at one level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) level: Level,
    /// The e-value.
    pub(crate) evidence: f64,
    /// The e-value from which it is an alarm.
    pub(crate) threshold: f64,
}

/// The state of the test for one service.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    tracks: Vec<Track>,
    /// The e-value of everything together.
    pub(crate) together: f64,
}

impl Watch {
    /// Forgets what was gathered at all levels, since what is normal or explained has changed.
    pub(crate) fn forget(&mut self) {
        self.tracks.clear();
    }

    /// Brings the evidence up to `now` and reads it.
    pub(crate) fn look(
        &mut self,
        site: &Site,
        changes: &Changes,
        normal: &Normal,
        settings: &Settings,
        now: Micros,
    ) -> Vec<Reading> {
        let until = site.known_until(now);
        let last = (until - 1).div_euclid(BUCKET);
        let oldest = (last - REACH).max(normal_start(site, last));
        let levels = self.levels(site, until);
        self.tracks.retain(|track| levels.contains(&track.level));
        for level in &levels {
            if !self.tracks.iter().any(|track| track.level == *level) {
                self.tracks.push(Track::new(*level, oldest));
            }
        }
        for track in &mut self.tracks {
            let is_late = |event: &Event| (oldest..track.settled).contains(&event.at.div_euclid(BUCKET));
            let disturbed = site.fresh.iter().any(|event| track.level.has(event.signature) && is_late(event));
            if track.settled < oldest || disturbed {
                track.streams.clear();
                track.settled = oldest;
            }
        }
        let from = self.tracks.iter().map(|track| track.settled).min().unwrap_or(last);
        let pushes = changes.pushes_of(&site.service, &site.environment);
        let mut frame = Frame::new(site, &pushes, from * BUCKET, until, (last - from + 1).max(1) as usize);
        let candidates = changes.candidates(site, until, until);
        let doses: Vec<Dosed> = candidates.into_iter().take(8).map(|it| changes.dosed(it, site, &frame)).collect();
        let historical = has_past(normal, settings);
        let places = frame.places(site, |event| event.counts && site.is_watched(event.signature, event.at));
        let weighed = normal.weighed(&frame);
        let (mut counts, mut expected) = (vec![0.0; frame.ran.len()], weighed.clone());
        for track in &mut self.tracks {
            let level = track.level;
            counts.fill(0.0);
            places.iter().filter(|it| level.has(it.1)).for_each(|it| counts[it.0] += it.2);
            let shy = 1.0 + 1.0 / (normal.count_at(level) + 1.0).sqrt();
            let rates: Vec<f64> = frame.releases.iter().map(|release| shy * normal.rate_at(*release, level)).collect();
            expected.copy_from_slice(&weighed);
            Normal::at_rates(&mut expected, &frame, &rates);
            site.add_beside(&mut expected, &frame, &weighed, &|it| level.has(it), (Part::Since, None));
            // What the weather alone does in nine of ten hours is not yet an incident.
            let weather = (1.3 * track.doubt(normal, until)).exp();
            let scene = Scene { doses: &doses, historical, tolerance: tolerance(site).max(weather) };
            let mut now_streams = track.streams.clone();
            for index in track.settled..=last {
                scene.step(&mut now_streams, &frame, (index - from) as usize, &counts, &expected);
                if index == last - OPEN_BUCKETS {
                    track.streams = now_streams.clone();
                    track.settled = index + 1;
                }
            }
            track.evidence = weigh(&now_streams);
        }
        self.read(normal, settings)
    }

    /// All signatures together, and each that crashed at least twice lately; the most frequent first where there are many.
    fn levels(&self, site: &Site, until: Micros) -> Vec<Level> {
        let mut recent: Vec<u32> = vec![0; site.signatures.len()];
        let first = until.div_euclid(BUCKET) - REACH;
        for (_, bucket) in site.buckets.range(first..=until.div_euclid(BUCKET)) {
            for event in bucket.events.iter().filter(|event| event.counts && event.at < until) {
                if site.is_watched(event.signature, event.at) {
                    recent[event.signature as usize] += event.times;
                }
            }
        }
        let mut seen: Vec<(u32, u32)> = recent
            .iter()
            .enumerate()
            .filter(|(_, count)| **count >= 2)
            .map(|(number, count)| (*count, number as u32))
            .collect();
        seen.sort_by_key(|(count, number)| (std::cmp::Reverse(*count), *number));
        let signatures = seen.into_iter().take(48).map(|(_, number)| Level::Signature(number));
        std::iter::once(Level::All).chain(signatures).collect()
    }

    /// Splits the threshold over the levels: 0.4 of it for all together, 0.3 for known signatures, 0.3 for new ones.
    fn read(&mut self, normal: &Normal, settings: &Settings) -> Vec<Reading> {
        let known = self.tracks.iter().filter(|track| is_known(track.level, normal)).count().max(1) as f64;
        let mut new = 0.0;
        let mut readings = Vec::new();
        self.together = 0.0;
        for track in &self.tracks {
            let weight = match track.level {
                Level::All => ALL_WEIGHT,
                Level::Signature(_) if is_known(track.level, normal) => 0.3 / known,
                Level::Signature(_) => {
                    new += 1.0;
                    0.3 / (new * (new + 1.0))
                }
            };
            self.together += weight * track.evidence;
            readings.push(Reading { level: track.level, evidence: track.evidence, threshold: settings.alarm / weight });
        }
        readings
    }
}

fn is_known(level: Level, normal: &Normal) -> bool {
    matches!(level, Level::Signature(signature) if normal.knows(signature))
}

/// The first bucket about which anything is known.
fn normal_start(site: &Site, last: i64) -> i64 {
    site.buckets.keys().next().copied().unwrap_or(last).min(last)
}

/// Whether the past is long enough to be held against the present.
pub(crate) fn has_past(normal: &Normal, settings: &Settings) -> bool {
    normal.span() >= settings.least_past && normal.exposure() > 0.0
}

/// The rise that is not yet an incident; more where exposure is only what was intended.
pub(crate) fn tolerance(site: &Site) -> f64 {
    match site.basis() {
        Basis::Instances | Basis::Sessions => LEAST_TOLERANCE,
        Basis::Shares => 1.6,
    }
}

/// A sixth for each kind of stream that there is, split within a kind.
fn weigh(streams: &[(Stream, Grid)]) -> f64 {
    let mut kinds = [(0.0, 0.0); 6];
    for (stream, grid) in streams {
        let kind = match stream {
            Stream::Total => 0,
            Stream::Release(_) => 1,
            Stream::Dose(_) => 2,
            Stream::Cells(_) => 3,
            Stream::Direct(_) => 4,
            Stream::Everywhere(_) => 5,
        };
        kinds[kind].0 += grid.iter().sum::<f64>() / grid.len() as f64;
        kinds[kind].1 += 1.0;
    }
    let there = kinds.iter().filter(|kind| kind.1 > 0.0).count().max(1) as f64;
    kinds.iter().filter(|kind| kind.1 > 0.0).map(|kind| kind.0 / kind.1).sum::<f64>() / there
}

struct Scene<'a> {
    doses: &'a [Dosed],
    historical: bool,
    tolerance: f64,
}

impl Scene<'_> {
    /// A ratio that is looked for: always above what is tolerated, or crashes that stay away would count as evidence.
    fn ratio(&self, k: usize) -> f64 {
        RATIOS[k] * self.tolerance / LEAST_TOLERANCE
    }

    fn step(&self, streams: &mut Vec<(Stream, Grid)>, frame: &Frame, block: usize, counts: &[f64], expected: &[f64]) {
        let (start, end) = frame.blocks[block];
        let stepped = |it: &&Dosed| it.candidate.moves.iter().any(|at| *at >= start && *at < end);
        let begins = if self.doses.iter().any(|it| stepped(&it)) { BEGINS_AT_STEP } else { BEGINS };
        let place = block * frame.width()..(block + 1) * frame.width();
        let (counts, expected, ran) = (&counts[place.clone()], &expected[place.clone()], &frame.ran[place]);
        let cells = frame.cells;
        let mut add = |stream: Stream, ln: Factor| {
            let at = streams.iter().position(|it| it.0 == stream).unwrap_or_else(|| {
                streams.push((stream, [0.0; 7]));
                streams.len() - 1
            });
            for (k, value) in streams[at].1.iter_mut().enumerate() {
                *value = ((*value * (1.0 - begins) + begins) * ln(k).clamp(-600.0, 600.0).exp()).min(1e200);
            }
        };
        if self.historical {
            let (all, mean) = (counts.iter().sum(), expected.iter().sum());
            add(Stream::Total, &|k| ln_factor(all, mean, self.ratio(k), self.tolerance, PHI));
            for (number, release) in frame.releases.iter().enumerate() {
                let own = number * cells..(number + 1) * cells;
                let (count, mean) = (counts[own.clone()].iter().sum(), expected[own.clone()].iter().sum());
                if ran[own].iter().sum::<f64>() > 0.0 {
                    add(Stream::Release(*release), &|k| ln_factor(count, mean, self.ratio(k), self.tolerance, PHI));
                }
            }
        }
        for Dosed { candidate, doses, of_all } in self.doses {
            let doses = &doses[block * cells..(block + 1) * cells];
            if doses.iter().all(|dose| *dose <= 0.0) {
                continue;
            }
            let skip = frame.releases.iter().position(|release| Some(*release) == candidate.release);
            let others = (0..counts.len()).filter(|place| Some(place / cells) != skip);
            let mut of_cell = vec![(0.0, 0.0); cells];
            for place in others {
                of_cell[place % cells].0 += counts[place];
                of_cell[place % cells].1 += expected[place];
            }
            let count: f64 = of_cell.iter().map(|it| it.0).sum();
            let mean: f64 = of_cell.iter().map(|it| it.1).sum();
            if self.historical {
                add(Stream::Dose(candidate.change), &|k| {
                    let of = |(cell, it): (usize, &(f64, f64))| {
                        let ratio = 1.0 + SLOPES[k] * doses[cell];
                        if ratio > self.tolerance { ln_factor(it.0, it.1, ratio, self.tolerance, PHI) } else { 0.0 }
                    };
                    of_cell.iter().enumerate().map(of).sum()
                });
            }
            if self.historical {
                add(Stream::Everywhere(candidate.change), &|k| {
                    let ratio = 1.0 + SLOPES[k] * of_all[block];
                    if ratio > self.tolerance { ln_factor(count, mean, ratio, self.tolerance, PHI) } else { 0.0 }
                });
            }
            let (least, most) = doses.iter().fold((f64::MAX, 0.0_f64), |it, dose| (it.0.min(*dose), it.1.max(*dose)));
            if count > 0.0 && mean > 0.0 && most > least {
                add(Stream::Cells(candidate.change), &|k| {
                    let ratio = |cell: usize| 1.0 + SLOPES[k] * doses[cell];
                    let weighted: f64 = of_cell.iter().enumerate().map(|(cell, it)| it.1 * ratio(cell)).sum();
                    let gained: f64 = of_cell.iter().enumerate().map(|(cell, it)| it.0 * ratio(cell).ln()).sum();
                    gained - count * (weighted / mean).ln()
                });
            }
            if let Some(new) = skip {
                self.direct(&mut add, candidate.change, new, frame, counts, ran);
            }
        }
    }

    /// The new release against the others in the same cell at the same time: given their sum, a binomial share.
    fn direct(
        &self,
        add: &mut dyn FnMut(Stream, Factor),
        change: Change,
        new: usize,
        frame: &Frame,
        counts: &[f64],
        ran: &[f64],
    ) {
        const TOLERANCE: f64 = 1.1;
        let cells = frame.cells;
        let sums: Vec<(f64, f64, f64, f64)> = (0..cells)
            .map(|cell| {
                let mut sums = (0.0, 0.0, 0.0, 0.0);
                for release in 0..frame.releases.len() {
                    let place = release * cells + cell;
                    if release == new {
                        sums.0 += counts[place];
                        sums.1 += ran[place];
                    } else {
                        sums.2 += counts[place];
                        sums.3 += ran[place];
                    }
                }
                sums
            })
            .filter(|it| it.0 + it.2 > 0.0 && it.1 > 0.0 && it.3 > 0.0)
            .collect();
        if sums.is_empty() {
            return;
        }
        add(Stream::Direct(change), &|k| {
            let of = |it: &(f64, f64, f64, f64)| {
                let share = |ratio: f64| ratio * it.1 / (it.3 + ratio * it.1);
                let (one, null) = (share(RATIOS[k]), share(TOLERANCE));
                it.0 * (one / null).ln() + it.2 * ((1.0 - one) / (1.0 - null)).ln()
            };
            sums.iter().map(of).sum()
        });
    }
}

#[cfg(test)]
mod tests;
