//! A stretch of a service's time cut into blocks: exposure by release and cell, crashes, and what was expected of them.

use super::{
    HOUR, MINUTE, Micros,
    change::Push,
    site::{BUCKET, Basis, Event, NOBODY, Site},
};

/// Blocks of time by releases and cells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) releases: Vec<u16>,
    pub(crate) cells: usize,
    pub(crate) blocks: Vec<(Micros, Micros)>,
    /// Exposure in the service's basis, by block, release and cell.
    pub(crate) ran: Vec<f64>,
    /// Sessions by instance-hour in each block, where both are known.
    pub(crate) load: Vec<Option<f64>>,
    buckets_a_block: i64,
    first: i64,
}

impl Frame {
    /// The blocks that cover `from` to `to`, at most `most` of them; the last one ends at `to`.
    pub(crate) fn new(site: &Site, pushes: &[&Push], from: Micros, to: Micros, most: usize) -> Frame {
        let first = from.div_euclid(BUCKET);
        let last = (to - 1).div_euclid(BUCKET).max(first);
        let width = (last - first + 1).div_euclid(most as i64) + i64::from((last - first + 1) % most as i64 != 0);
        let mut frame =
            Frame { first, buckets_a_block: width.max(1), cells: site.cells.len().max(1), ..Frame::default() };
        let parts: Vec<Vec<(u16, u16, f64)>> =
            (first..=last).map(|index| exposure_of(site, pushes, index, to)).collect();
        for part in &parts {
            for (release, _, amount) in part {
                if *amount > 0.0 && !frame.releases.contains(release) {
                    frame.releases.push(*release);
                }
            }
        }
        frame.releases.sort_unstable();
        let mut index = first;
        while index <= last {
            let end = ((index + frame.buckets_a_block) * BUCKET).min(to);
            frame.blocks.push((index * BUCKET, end.max(index * BUCKET + 1)));
            index += frame.buckets_a_block;
        }
        frame.ran = vec![0.0; frame.blocks.len() * frame.width()];
        for (place, part) in parts.iter().enumerate() {
            let block = place / frame.buckets_a_block as usize;
            for (release, cell, amount) in part {
                if let Some(at) = frame.at(block, *release, *cell) {
                    frame.ran[at] += amount;
                }
            }
        }
        frame.load = (0..frame.blocks.len()).map(|block| frame.load_of(site, block)).collect();
        // What was not reported yet is as busy as what was last.
        let newest = site.frontier.map(|frontier| (frontier - 1).div_euclid(BUCKET));
        let last = newest.and_then(|last| load_of(site, last, last + 1));
        let frontier = site.frontier.unwrap_or(Micros::MAX);
        for (block, load) in frame.blocks.iter().zip(&mut frame.load) {
            if load.is_none() && block.0 >= frontier {
                *load = last;
            }
        }
        frame
    }

    /// Populations in one block: releases times cells.
    pub(crate) fn width(&self) -> usize {
        self.releases.len() * self.cells
    }

    /// Where a population stands in the arrays of this frame.
    pub(crate) fn at(&self, block: usize, release: u16, cell: u16) -> Option<usize> {
        let place = self.releases.iter().position(|it| *it == release)?;
        let cell = usize::from(cell);
        (cell < self.cells).then_some(block * self.width() + place * self.cells + cell)
    }

    /// The release and cell of a place within a block.
    pub(crate) fn population(&self, place: usize) -> (u16, usize) {
        (self.releases[place / self.cells], place % self.cells)
    }

    /// The block that holds an instant.
    pub(crate) fn block_of(&self, at: Micros) -> Option<usize> {
        let block = (at.div_euclid(BUCKET) - self.first).div_euclid(self.buckets_a_block.max(1));
        let (_, end) = self.blocks.last()?;
        (block >= 0 && at < *end && (block as usize) < self.blocks.len()).then_some(block as usize)
    }

    /// Exposure of everybody in a cell during a block.
    pub(crate) fn in_cell(&self, block: usize, cell: usize) -> f64 {
        (0..self.releases.len()).map(|release| self.ran[block * self.width() + release * self.cells + cell]).sum()
    }

    /// The share of a release in a cell during a block.
    pub(crate) fn share(&self, block: usize, release: u16, cell: usize) -> f64 {
        let all = self.in_cell(block, cell);
        let own = self.at(block, release, cell as u16).map_or(0.0, |at| self.ran[at]);
        if all > 0.0 { own / all } else { 0.0 }
    }

    /// The share of a release in all cells during a block.
    pub(crate) fn share_of_all(&self, block: usize, release: u16) -> f64 {
        let all: f64 = self.ran[block * self.width()..(block + 1) * self.width()].iter().sum();
        let own: f64 =
            (0..self.cells).filter_map(|cell| self.at(block, release, cell as u16)).map(|at| self.ran[at]).sum();
        if all > 0.0 { own / all } else { 0.0 }
    }

    /// Every crash report inside the frame that passes the filter.
    pub(crate) fn events<'a>(
        &'a self,
        site: &'a Site,
        wanted: impl Fn(&Event) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Event> + 'a {
        let end = self.blocks.last().map_or(0, |block| block.1);
        site.buckets
            .range(self.first..=(end - 1).div_euclid(BUCKET))
            .flat_map(|(_, bucket)| bucket.events.iter())
            .filter(move |event| event.at < end && wanted(event))
    }

    /// The release that a crash is held against: its own, or the only one that ran there where it names none.
    pub(crate) fn release_of(&self, block: usize, event: &Event) -> Option<u16> {
        if event.release != NOBODY {
            return Some(event.release);
        }
        let cell = usize::from(event.cell);
        let mut there = self.releases.iter().copied().filter(|release| self.share(block, *release, cell) > 0.0);
        there.next().filter(|_| there.next().is_none())
    }

    /// Crashes by block, release and cell. A population that crashed without exposure gets a small one: a fiftieth of its cell.
    pub(crate) fn counts(&mut self, site: &Site, wanted: impl Fn(&Event) -> bool) -> Vec<f64> {
        let mut counts = vec![0.0; self.ran.len()];
        self.places(site, wanted).into_iter().for_each(|(at, _, times)| counts[at] += times);
        counts
    }

    /// Where crashes stand, with their signature and how many they are; populations that crashed without exposure get a small one, as in `counts`.
    pub(crate) fn places(&mut self, site: &Site, wanted: impl Fn(&Event) -> bool) -> Vec<(usize, u32, f64)> {
        let mut places = Vec::new();
        let mut missing = Vec::new();
        for event in self.events(site, wanted) {
            let Some(block) = self.block_of(event.at) else { continue };
            let Some(at) = self.release_of(block, event).and_then(|release| self.at(block, release, event.cell)) else {
                continue;
            };
            places.push((at, event.signature, f64::from(event.times)));
            if self.ran[at] <= 0.0 {
                missing.push((at, block, usize::from(event.cell)));
            }
        }
        for (at, block, cell) in missing {
            if self.ran[at] <= 0.0 {
                self.ran[at] = (self.in_cell(block, cell) / 50.0).max(1e-6);
            }
        }
        places
    }

    fn load_of(&self, site: &Site, block: usize) -> Option<f64> {
        let first = self.first + block as i64 * self.buckets_a_block;
        load_of(site, first, first + self.buckets_a_block)
    }
}

/// Sessions by instance-hour in the buckets from `first` to before `end`, where both are known.
fn load_of(site: &Site, first: i64, end: i64) -> Option<f64> {
    if site.basis() != Basis::Instances {
        return None;
    }
    let (mut hours, mut sessions) = (0.0, 0.0);
    for (_, bucket) in site.buckets.range(first..end) {
        for ran in &bucket.ran {
            hours += f64::from(ran.hours);
            sessions += f64::from(ran.sessions);
        }
    }
    (hours > 0.0 && sessions > 0.0).then(|| sessions / hours)
}

/// Exposure of one bucket in the service's basis, counted up to `until`.
pub(crate) fn exposure_of(site: &Site, pushes: &[&Push], index: i64, until: Micros) -> Vec<(u16, u16, f64)> {
    let start = index * BUCKET;
    let elapsed = (until.min(start + BUCKET) - start).max(0) as f64;
    if site.basis() == Basis::Shares {
        return by_shares(site, pushes, start, elapsed / HOUR as f64);
    }
    let frontier = site.frontier.unwrap_or(until);
    let measured = |index: i64| site.buckets.get(&index).map(|bucket| &bucket.ran).filter(|ran| !ran.is_empty());
    if start < frontier {
        let covered = (frontier.min(start + BUCKET) - start).max(1) as f64;
        let part = (elapsed / covered).min(if elapsed < covered { 1.0 } else { BUCKET as f64 });
        let Some(ran) = measured(index) else { return Vec::new() };
        let mut parts: Vec<(u16, u16, f64)> =
            ran.iter().map(|ran| (ran.release, ran.cell, site.amount(ran) * part)).collect();
        add_unheard(site, pushes, index, elapsed / BUCKET as f64, &mut parts);
        return parts;
    }
    // Nothing was reported for this time: the last that was is taken to go on.
    let last = (frontier - 1).div_euclid(BUCKET);
    let covered = (frontier - last * BUCKET).max(1) as f64;
    let Some(ran) = measured(last) else { return Vec::new() };
    let mut parts: Vec<(u16, u16, f64)> = ran.iter().map(|ran| (ran.release, ran.cell, site.amount(ran))).collect();
    add_unheard(site, pushes, last, covered / BUCKET as f64, &mut parts);
    parts.iter_mut().for_each(|it| it.2 *= elapsed / covered);
    move_on(site, pushes, last * BUCKET, start + elapsed as Micros / 2, &mut parts);
    parts
}

/// The share of a cell that a push has reached where nothing of it was measured: a step is under way for some minutes, and who crashes
/// just after it need not be of what it brings.
fn reached(push: &Push, cell: &str, at: Micros) -> f64 {
    const UNDER_WAY: i64 = 4;
    let lately = (0..=UNDER_WAY).map(|minutes| push.share_in(cell, at - minutes * MINUTE));
    lately.sum::<f64>() / (UNDER_WAY + 1) as f64
}

/// Moves a mix that was measured at `from` on to `until` as the steps in between meant it: what a push gained is taken from the others.
fn move_on(site: &Site, pushes: &[&Push], from: Micros, until: Micros, parts: &mut Vec<(u16, u16, f64)>) {
    for push in pushes {
        if push.last_moved().is_none_or(|moved| moved <= from - 20 * MINUTE) {
            continue;
        }
        let Some(release) = push.begun.as_ref().and_then(|begun| site.releases.find(&begun.release)) else { continue };
        for cell in 0..site.cells.len() {
            let meant = reached(push, site.cells.name(cell), until);
            let here = |it: &&(u16, u16, f64)| usize::from(it.1) == cell;
            let all: f64 = parts.iter().filter(here).map(|it| it.2).sum();
            let own: f64 = parts.iter().filter(here).filter(|it| usize::from(it.0) == release).map(|it| it.2).sum();
            let more = meant * all - own;
            if more <= 0.0 || all - own <= 0.0 {
                continue;
            }
            let left = 1.0 - more / (all - own);
            for part in parts.iter_mut().filter(|it| usize::from(it.1) == cell && usize::from(it.0) != release) {
                part.2 *= left;
            }
            match parts.iter_mut().find(|it| usize::from(it.0) == release && usize::from(it.1) == cell) {
                Some(it) => it.2 += more,
                None => parts.push((release as u16, cell as u16, more)),
            }
        }
    }
}

/// What a release must have run that was heard of before, is not heard of now, and crashes all the same: by the share that its push
/// meant it to have, beside what was heard of the others.
/// Where the others run so much more that nothing is missing, it bears another name for a while. `part` is how much of the bucket
/// `parts` tell of, 0 to 1.
fn add_unheard(site: &Site, pushes: &[&Push], index: i64, part: f64, parts: &mut Vec<(u16, u16, f64)>) {
    /// Measured against intended: less than this is not a slow rollout but a gap.
    const HEARD: f64 = 0.35;
    /// How long after a step a release may still be on its way.
    const UNDER_WAY: Micros = 20 * MINUTE;
    let start = index * BUCKET;
    for push in pushes {
        let share = push.share(start).min(push.share(start - UNDER_WAY));
        // Most pushes of a long past are over.
        if !(0.005..0.99).contains(&share) {
            continue;
        }
        let Some(release) = push.begun.as_ref().and_then(|begun| site.releases.find(&begun.release)) else { continue };
        let before = site.lives.get(release).is_some_and(|life| life.0 < start - UNDER_WAY);
        if !before || push.taken_back().is_some_and(|back| back <= start) {
            continue;
        }
        let all: f64 = parts.iter().map(|it| it.2).sum();
        let own: f64 = parts.iter().filter(|it| usize::from(it.0) == release).map(|it| it.2).sum();
        let crashes = || {
            let near = site.buckets.range(index - 6..=index + 6);
            near.flat_map(|(_, bucket)| &bucket.events).any(|event| usize::from(event.release) == release)
        };
        if all <= 0.0 || own >= HEARD * share * all || !crashes() {
            continue;
        }
        let first = push.first_exposed().map_or(index, |first| first.div_euclid(BUCKET));
        let whole: f64 = site.buckets.get(&(first - 1)).iter().flat_map(|it| &it.ran).map(|ran| site.amount(ran)).sum();
        if all >= whole * part * (1.0 - share / 2.0) && whole > 0.0 {
            continue;
        }
        for cell in 0..site.cells.len() {
            let others: f64 = parts
                .iter()
                .filter(|it| usize::from(it.1) == cell && usize::from(it.0) != release)
                .map(|it| it.2)
                .sum();
            let meant = push.share_in(site.cells.name(cell), start).clamp(0.0, 0.99);
            let missing = others * meant / (1.0 - meant);
            match parts.iter_mut().find(|it| usize::from(it.0) == release && usize::from(it.1) == cell) {
                Some(it) => it.2 = it.2.max(missing),
                None => parts.push((release as u16, cell as u16, missing)),
            }
        }
    }
}

/// The fleet as the pushes meant it to be: each push takes its share from what ran before it.
fn by_shares(site: &Site, pushes: &[&Push], at: Micros, hours: f64) -> Vec<(u16, u16, f64)> {
    let cells = site.cells.len().max(1);
    let mut parts = Vec::new();
    for cell in 0..cells {
        // In the middle of the bucket, so that a step within it counts for about its part.
        let share = |push: &Push| {
            let release = site.releases.find(&push.begun.as_ref()?.release)?;
            Some((release as u16, reached(push, site.cells.name(cell), at + BUCKET / 2)))
        };
        // What runs everywhere leaves nothing of what came before it, and a service may have been pushed thousands of times.
        let mut latest: Vec<(u16, f64)> = Vec::new();
        for part in pushes.iter().rev().filter_map(|push| share(push)) {
            latest.push(part);
            if part.1 >= 1.0 {
                break;
            }
        }
        let mut mix: Vec<(u16, f64)> = Vec::new();
        for (release, share) in latest.into_iter().rev() {
            mix.iter_mut().for_each(|part| part.1 *= 1.0 - share);
            mix.push((release, share));
        }
        let taken: f64 = mix.iter().map(|part| part.1).sum();
        let first = pushes.iter().find_map(|push| push.begun.as_ref()).and_then(|begun| {
            let previous = begun.previous.as_deref().and_then(|name| site.releases.find(name));
            previous.or_else(|| (0..site.releases.len()).find(|it| site.releases.name(*it) != begun.release))
        });
        let rest = first.or_else(|| (site.releases.len() > 0 && pushes.is_empty()).then_some(0));
        if let Some(rest) = rest {
            mix.push((rest as u16, (1.0 - taken).max(0.0)));
        }
        parts.extend(mix.into_iter().map(|(release, share)| (release, cell as u16, share * hours / cells as f64)));
    }
    parts
}
