//! What is normal for a service: its crash rates before the changes that are on trial, by signature, release, cell and hour.

use super::{
    HOUR, MINUTE, Micros,
    change::Push,
    frame::{Frame, exposure_of},
    rhythm::Rhythm,
    site::{BUCKET, Event, NOBODY, Site},
    watch::Level,
};

/// Crashes with which a release's own rate is drawn towards its service's: of one signature, which may come or go with a release, and
/// of all signatures, by which releases that do no harm are taken to differ by a seventh or so. A release whose past was cut off soon after it
/// began has hardly run: a rate from its own few crashes would be held against all that it runs from then on.
const DRAWN_ONE: f64 = 2.0;
const DRAWN_ALL: f64 = 50.0;

/// Buckets that the past may reach back when it is read anew.
const LONGEST: i64 = 28 * 24 * HOUR / BUCKET;

/// Crashes and exposure of a service's own past, folded bucket by bucket up to an anchor that never enters a trial.
#[derive(Debug, Clone, Default)]
pub(crate) struct Normal {
    first: Option<i64>,
    /// The first bucket that is not in.
    anchor: i64,
    folded: (usize, usize),
    /// How often it was read from the beginning.
    readings: u64,
    exposure: f64,
    of_release: Vec<f64>,
    /// The same weighed by the rhythm of its hours: what rates are rates of.
    loaded: f64,
    loaded_of_release: Vec<f64>,
    of_cell: Vec<(f64, f64)>,
    rhythm: Rhythm,
    counts: Vec<Past>,
    all: f64,
    all_by_release: Vec<(u16, f64)>,
    /// Reports, of which an episode may have several.
    reports: f64,
}

/// One signature's past.
#[derive(Debug, Clone, Default)]
struct Past {
    /// Episodes.
    count: f64,
    by_release: Vec<(u16, f64)>,
}

fn add(by_release: &mut Vec<(u16, f64)>, event: &Event) {
    match by_release.iter_mut().find(|it| it.0 == event.release) {
        Some(it) => it.1 += f64::from(event.times),
        None => by_release.push((event.release, f64::from(event.times))),
    }
}

fn of(by_release: &[(u16, f64)], release: u16) -> f64 {
    by_release.iter().find(|it| it.0 == release).map_or(0.0, |it| it.1)
}

impl Normal {
    /// Moves the anchor to `until`, from the beginning where something was changed behind it. What came in lately counts where it belongs.
    pub(crate) fn advance(&mut self, site: &Site, pushes: &[&Push], until: Micros) {
        self.advance_with(site, pushes, until, &site.fresh);
    }

    /// The same with what came in behind the anchor since it was moved last.
    pub(crate) fn advance_with(&mut self, site: &Site, pushes: &[&Push], until: Micros, fresh: &[Event]) {
        let until = until.div_euclid(BUCKET);
        let shape = (site.explained.len(), site.explained.iter().filter(|it| it.to == Micros::MAX).count());
        // What is older than four weeks says little of today, and a wrong clock must not make it an age.
        let first = site.buckets.range(until - LONGEST..).next().map(|it| *it.0);
        let first = self.first.filter(|own| first.is_some_and(|first| first > *own)).or(first);
        let anew = until < self.anchor || shape != self.folded || first != self.first;
        if anew {
            let readings = self.readings + 1;
            *self = Normal { folded: shape, first, anchor: first.unwrap_or(until), readings, ..Normal::default() };
        }
        let Some(first) = first else { return };
        self.of_release.resize(site.releases.len(), 0.0);
        self.of_cell.resize(site.cells.len(), (0.0, 0.0));
        self.counts.resize(site.signatures.len(), Past::default());
        let is_late = |event: &&Event| (first..self.anchor).contains(&event.at.div_euclid(BUCKET)) && !anew;
        let late: Vec<Event> = fresh.iter().filter(is_late).copied().collect();
        late.iter().filter(|event| !site.is_clouded(event.at.div_euclid(BUCKET) * BUCKET)).for_each(|event| {
            self.crashed(site, event);
        });
        let moved = self.anchor < until;
        while self.anchor < until {
            self.fold(site, pushes, self.anchor);
            self.anchor += 1;
        }
        if anew || moved || !late.is_empty() {
            (self.loaded, self.loaded_of_release) = self.rhythm.settle(site.releases.len());
        }
    }

    /// Exposure and crashes by release, as they would be with the anchor at `until`, which lies behind it: without what else would be
    /// moved for that.
    pub(crate) fn by_release_until(&self, site: &Site, pushes: &[&Push], until: Micros) -> (Vec<f64>, Vec<(u16, f64)>) {
        let (mut exposure, mut crashes) = (self.of_release.clone(), self.all_by_release.clone());
        exposure.resize(site.releases.len(), 0.0);
        let indices = self.anchor..until.div_euclid(BUCKET);
        for index in indices.filter(|index| self.first.is_some() && !site.is_clouded(index * BUCKET)) {
            for (release, _, amount) in exposure_of(site, pushes, index, (index + 1) * BUCKET) {
                exposure[usize::from(release)] += amount;
            }
            let events = site.buckets.get(&index).into_iter().flat_map(|bucket| &bucket.events);
            let counts = |event: &&Event| event.counts && !site.is_explained(event.signature, event.at);
            events.filter(counts).filter(|event| event.release != NOBODY).for_each(|event| add(&mut crashes, event));
        }
        (exposure, crashes)
    }

    /// Stays the same as long as the past is about the same: which reading of it, and the hour up to which it was read.
    pub(crate) fn edition(&self) -> (u64, i64) {
        (self.readings, (self.anchor * BUCKET).div_euclid(HOUR))
    }

    fn fold(&mut self, site: &Site, pushes: &[&Push], index: i64) {
        let start = index * BUCKET;
        if site.is_clouded(start) {
            return;
        }
        let bucket = site.buckets.get(&index);
        for ran in bucket.iter().flat_map(|bucket| &bucket.ran).filter(|ran| ran.sessions > 0.0 && ran.hours > 0.0) {
            self.rhythm.carried(start, f64::from(ran.sessions), f64::from(ran.hours));
        }
        for (release, cell, amount) in exposure_of(site, pushes, index, start + BUCKET) {
            self.exposure += amount;
            self.of_release[usize::from(release)] += amount;
            self.of_cell[usize::from(cell)].1 += amount;
            self.rhythm.ran(start, release, amount);
        }
        let Some(bucket) = bucket else { return };
        bucket.events.iter().for_each(|event| self.crashed(site, event));
    }

    fn crashed(&mut self, site: &Site, event: &Event) {
        if site.is_explained(event.signature, event.at) {
            return;
        }
        let times = f64::from(event.times);
        self.reports += times;
        if !event.counts {
            return;
        }
        let past = &mut self.counts[event.signature as usize];
        past.count += times;
        self.all += times;
        self.rhythm.crashed(event.at.div_euclid(BUCKET) * BUCKET, event.signature, times);
        if event.release != NOBODY {
            add(&mut past.by_release, event);
            add(&mut self.all_by_release, event);
        }
        self.of_cell[usize::from(event.cell)].0 += times;
    }

    /// How long the past is.
    pub(crate) fn span(&self) -> Micros {
        self.first.map_or(0, |first| (self.anchor - first) * BUCKET)
    }

    /// Crashes in a usual minute.
    pub(crate) fn a_minute(&self) -> f64 {
        let span = self.span();
        if span > 0 { self.all * MINUTE as f64 / span as f64 } else { 0.0 }
    }

    /// Exposure of the past.
    pub(crate) fn exposure(&self) -> f64 {
        self.exposure
    }

    /// Crashes of the past with signatures that pass the filter.
    pub(crate) fn count(&self, wanted: impl Fn(u32) -> bool) -> f64 {
        self.counts.iter().enumerate().filter(|(number, _)| wanted(*number as u32)).map(|(_, past)| past.count).sum()
    }

    /// Crashes of one release in the past, with signatures that pass the filter.
    pub(crate) fn count_of(&self, release: u16, wanted: impl Fn(u32) -> bool) -> f64 {
        let pasts = self.counts.iter().enumerate().filter(|(number, _)| wanted(*number as u32));
        pasts.flat_map(|(_, past)| &past.by_release).filter(|it| it.0 == release).map(|it| it.1).sum()
    }

    /// Crashes by exposure, all signatures and releases.
    pub(crate) fn rate_of_all(&self) -> f64 {
        if self.loaded > 0.0 { (self.all + 0.5) / self.loaded } else { 0.0 }
    }

    /// How wrong an expectation of these signatures may be for hours around an instant: the standard deviation of its logarithm.
    pub(crate) fn doubt(&self, wanted: &dyn Fn(u32) -> bool, at: Micros) -> f64 {
        let rate = if self.loaded > 0.0 { self.count(wanted) / self.loaded } else { 0.0 };
        self.rhythm.doubt(rate, wanted, at)
    }

    /// Whether a signature was ever seen.
    pub(crate) fn knows(&self, signature: u32) -> bool {
        self.counts.get(signature as usize).is_some_and(|past| past.count > 0.0)
    }

    /// The signatures that crashed most in the past, at most so many.
    pub(crate) fn most_frequent(&self, at_most: usize) -> Vec<u32> {
        let mut all: Vec<(f64, u32)> = self
            .counts
            .iter()
            .enumerate()
            .filter(|it| it.1.count > 0.0)
            .map(|(n, past)| (past.count, n as u32))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all.into_iter().take(at_most).map(|it| it.1).collect()
    }

    /// Reports for each episode of the past.
    pub(crate) fn reports_each(&self) -> f64 {
        if self.all > 0.0 { (self.reports / self.all).max(1.0) } else { 1.0 }
    }

    /// Crashes of the past at one level.
    pub(crate) fn count_at(&self, level: Level) -> f64 {
        match level {
            Level::All => self.all,
            Level::Signature(signature) => self.counts.get(signature as usize).map_or(0.0, |past| past.count),
        }
    }

    /// How wrong an expectation at one level may be, as `doubt` says.
    pub(crate) fn doubt_at(&self, level: Level, at: Micros) -> f64 {
        let rate = if self.loaded > 0.0 { self.count_at(level) / self.loaded } else { 0.0 };
        self.rhythm.doubt(rate, &|signature| level.has(signature), at)
    }

    /// The rate at one level for one release, as `rate_of` says.
    pub(crate) fn rate_at(&self, release: u16, level: Level) -> f64 {
        let by_release = match level {
            Level::All => self.all_by_release.as_slice(),
            Level::Signature(signature) => {
                self.counts.get(signature as usize).map_or(&[][..], |past| past.by_release.as_slice())
            }
        };
        self.rate(release, self.count_at(level), of(by_release, release))
    }

    /// The rate of some signatures for one release: its own past, drawn towards the service's.
    ///
    /// A set that was never seen is expected half a crash in the whole past, or one in a hundred of all crashes.
    pub(crate) fn rate_of(&self, release: u16, wanted: &dyn Fn(u32) -> bool) -> f64 {
        self.rate(release, self.count(wanted), self.count_of(release, wanted))
    }

    fn rate(&self, release: u16, count: f64, count_of: f64) -> f64 {
        if self.loaded <= 0.0 {
            return 0.0;
        }
        let service =
            if count > 0.0 { (count + 0.5) / self.loaded } else { (0.5 / self.loaded).max(0.01 * self.rate_of_all()) };
        let own = self.loaded_of_release.get(usize::from(release)).copied().unwrap_or(0.0);
        let part = if self.all > 0.0 { (count / self.all).min(1.0) } else { 0.0 };
        let drawn = DRAWN_ONE + (DRAWN_ALL - DRAWN_ONE) * part * part;
        (count_of + drawn) / (own + drawn / service)
    }

    /// How much a cell crashes against the service, drawn towards one by the weight of eight crashes.
    fn cell_factor(&self, cell: usize) -> f64 {
        let (count, exposure) = self.of_cell.get(cell).copied().unwrap_or((0.0, 0.0));
        // The rhythm is that of all cells.
        let weighed = if self.exposure > 0.0 { exposure * self.loaded / self.exposure } else { 0.0 };
        (count + 8.0) / (self.rate_of_all() * weighed + 8.0)
    }

    /// Expected crashes by block, release and cell.
    pub(crate) fn expected(&self, frame: &Frame, wanted: &dyn Fn(u32) -> bool) -> Vec<f64> {
        let rates: Vec<f64> = frame.releases.iter().map(|release| self.rate_of(*release, wanted)).collect();
        let mut expected = self.weighed(frame);
        Normal::at_rates(&mut expected, frame, &rates);
        expected
    }

    /// Exposure by block, release and cell, weighed by rhythm, load and cell: what rates are to be multiplied with.
    pub(crate) fn weighed(&self, frame: &Frame) -> Vec<f64> {
        let cells: Vec<f64> = (0..frame.cells).map(|cell| self.cell_factor(cell)).collect();
        let mut weighed = Vec::with_capacity(frame.ran.len());
        for (block, (start, end)) in frame.blocks.iter().enumerate() {
            let factor = self.rhythm.factor((start + end) / 2, frame.load[block]);
            let ran = &frame.ran[block * frame.width()..(block + 1) * frame.width()];
            weighed.extend(ran.iter().enumerate().map(|(place, ran)| ran * cells[place % frame.cells] * factor));
        }
        weighed
    }

    /// Multiplies weighed exposure by the rate of each release.
    pub(crate) fn at_rates(weighed: &mut [f64], frame: &Frame, rates: &[f64]) {
        for block in weighed.chunks_mut(frame.width().max(1)) {
            block.iter_mut().enumerate().for_each(|(place, it)| *it *= rates[place / frame.cells]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day of release 0, and five minutes of release 1 with too many crashes for so short a time.
    fn past(signatures: u32) -> Normal {
        let mut normal = Normal::default();
        normal.advance(&day(signatures), &[], 289 * BUCKET);
        normal
    }

    fn day(signatures: u32) -> Site {
        let mut site = Site::new("relay", "production");
        for name in ["A", "B"] {
            site.name_release(name);
        }
        for window in 0..288 {
            site.ran("A", "one", window * BUCKET, 300.0, 100.0, 0.0);
            let signature = format!("signature {}", window as u32 % signatures);
            (0..4).for_each(|n| {
                site.crashed(Some("A"), "one", None, window * BUCKET + n * MINUTE, &signature, 0, None);
            });
        }
        site.ran("B", "one", 288 * BUCKET, 300.0, 100.0, 0.0);
        (0..12).for_each(|n| {
            site.crashed(Some("B"), "one", None, 288 * BUCKET + n * MINUTE / 4, "signature 0", 0, None);
        });
        site
    }

    #[test]
    fn what_is_told_by_release_up_to_an_instant_is_what_moving_the_anchor_there_would_give() {
        let (site, mut told) = (day(6), Normal::default());
        for anchor in [0, 1, 100, 288, 289, 400] {
            told.advance_with(&site, &[], anchor * BUCKET, &[]);
            for until in [100, 288, 289, 300, 400].into_iter().filter(|until| *until >= anchor) {
                let mut moved = told.clone();
                moved.advance_with(&site, &[], until * BUCKET, &[]);
                let (exposure, crashes) = told.by_release_until(&site, &[], until * BUCKET);
                assert_eq!((exposure.len(), &exposure, &crashes), (2, &moved.of_release, &moved.all_by_release));
                assert!(exposure[0] > 0.0, "{anchor} to {until}");
            }
        }
    }

    #[test]
    fn a_release_that_has_hardly_run_is_expected_to_crash_as_its_service_does_unless_it_is_one_signature_that_may_be_its_own()
     {
        let normal = past(6);
        let (all, one) = (|_: u32| true, |it: u32| it == 0);
        let against = |wanted: &dyn Fn(u32) -> bool| normal.rate_of(1, wanted) / normal.rate_of(0, wanted);
        assert!(against(&all) < 1.3, "of all: {}", against(&all));
        assert!(against(&one) > 2.0, "of one in six: {}", against(&one));
        assert!((normal.rate_of(0, &all) / (1152.0 / 2400.0) - 1.0).abs() < 0.02, "what ran long is as it was");
    }
}
