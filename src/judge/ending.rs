//! When and why a regression ended. Crashes that stop are no evidence of anything while nobody is left who could crash.

use super::{
    HOUR, MINUTE, Micros,
    attribution::{Attribution, Explanation},
    candidate::{Change, Changes},
    shape::Shape,
    site::{Basis, Site},
    stats::{ln_recovery, poisson_tail},
};
use crate::domain::{
    finding::{Ending, Kind},
    step::Action,
};

/// What must be quiet for how long before an ending is said.
const QUIET: Micros = 10 * MINUTE;

/// What is asked about a regression.
pub(crate) struct Inquest<'a> {
    pub(crate) site: &'a Site,
    pub(crate) changes: &'a Changes,
    pub(crate) it: &'a Attribution,
    pub(crate) explanation: &'a Explanation,
    pub(crate) victims: &'a [u16],
    pub(crate) onset: Micros,
    pub(crate) until: Micros,
}

/// Sums over a stretch of blocks.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Episodes.
    count: f64,
    /// Reports of them.
    reports: f64,
    expected: f64,
    /// Expected if the harm went on as it was.
    elevated: f64,
}

/// The harm that would go on.
struct Elevated {
    /// In crashes, by block and population, as the explanation makes it.
    harm: Vec<f64>,
    /// What it came to against that.
    scale: f64,
    /// The most that each unit of exposure suffers.
    each: f64,
}

impl Inquest<'_> {
    /// The ending, if there is one.
    pub(crate) fn ending(&self) -> Option<(Micros, Ending)> {
        if let Some((gone, ending)) = self.culprit_gone().filter(|gone| gone.0 >= self.onset) {
            // Once the culprit is gone, it is its absence that has to be quiet; only after hours does anything else count.
            if self.is_quiet_since(gone) {
                return Some((gone, ending));
            }
            if self.until - gone < 2 * HOUR {
                return None;
            }
        }
        if let Some((at, ending)) = self.fell() {
            // Harm that goes away while its suspect stays speaks against the suspect: that is for the next look to weigh.
            let by_itself = matches!(ending, Ending::Subsided | Ending::Fixed);
            let contradicts = by_itself && self.explanation.change.is_some() && self.culprit_gone().is_none();
            // Nobody is blamed, but a push goes on that may come to be: the quiet may only be one between two waves, or that of victims
            // that were replaced.
            let beside = ending == Ending::Subsided && self.is_pushed();
            // After one burst that is not told apart at all before the push is over.
            if beside && self.it.is_one_burst() {
                return self.victims_gone();
            }
            let least = match (contradicts, beside) {
                (true, _) => 2 * HOUR,
                (false, true) => HOUR,
                (false, false) => 0,
            };
            if self.until - at < least {
                return None;
            }
            return self.victims_gone().filter(|_| beside).or(Some((at, ending)));
        }
        self.victims_gone()
    }

    /// Whether a push to this service that may have to do with it is in flight.
    pub(crate) fn is_pushed(&self) -> bool {
        self.it.candidates.iter().any(|it| match it.change {
            Change::Push(number) => {
                it.own && it.is_moving(self.until) && self.changes.pushes[number].taken_back().is_none()
            }
            Change::Flag(_) => false,
        })
    }

    /// When the change was taken back, and what it would be called if the harm went with it.
    fn culprit_gone(&self) -> Option<(Micros, Ending)> {
        let change = self.explanation.change?;
        let (gone, ending) = match change {
            Change::Push(number) => {
                let push = &self.changes.pushes[number];
                let begun = push.begun.as_ref()?;
                if self.explanation.shape == Shape::Returning {
                    return None;
                }
                let own = begun.service == self.site.service && begun.environment == self.site.environment;
                let release = self.site.releases.find(&begun.release).filter(|_| own);
                // What was never heard of cannot have gone silent.
                let heard_of = |release: &usize| self.site.lives.get(*release).is_some_and(|life| life.1 > Micros::MIN);
                let measured = release.filter(|_| self.site.basis() != Basis::Shares).filter(heard_of);
                let back = push.steps.last().filter(|step| step.share <= 0.0).map(|step| step.at);
                let gone = match measured {
                    Some(release) => {
                        let last = self.site.lives.get(release)?.1;
                        let heard = self.site.frontier.unwrap_or(self.until).min(self.until);
                        // News of it may have been missing before it was taken back.
                        let last = back.map_or(last, |back| last.max(back));
                        let silent = heard - last >= QUIET / 2;
                        Some(last).filter(|last| silent && (back.is_some() || self.are_replaced(*last)))?
                    }
                    None => back?,
                };
                let newer = release.is_some_and(|release| self.newer_runs(release));
                (gone, if newer { Ending::Fixed } else { Ending::RolledBack })
            }
            Change::Flag(number) => {
                let (line, place) = self.changes.flag_line(number);
                let last = line.last().filter(|_| line.len() > place + 1)?;
                let base = line[place].before.unwrap_or(0.0);
                let opened = line[place].widened();
                let now = last.after.unwrap_or(1.0);
                let back = if opened { now <= base + 1e-9 } else { now >= base - 1e-9 };
                if !back {
                    return None;
                }
                (last.at, Ending::FlagReverted)
            }
        };
        Some((gone, ending))
    }

    /// Whether no more crashed since than usual, and enough could have.
    fn is_quiet_since(&self, gone: Micros) -> bool {
        if self.until - gone < QUIET {
            return false;
        }
        let after = self.sums(&self.elevated(), gone, None);
        let quiet = poisson_tail(after.count, after.expected * 1.25 + 0.02) > 0.01;
        quiet && (after.elevated >= 3.0 || self.until - gone >= 30 * MINUTE || !self.victims_run())
    }

    /// Whether the fleet now mostly runs a release that came after this one.
    fn newer_runs(&self, release: usize) -> bool {
        let block = self.it.frame.blocks.len() - 1;
        let first = self.site.lives.get(release).map_or(Micros::MAX, |life| life.0);
        let newer = self.it.frame.releases.iter().filter(|it| {
            self.site.lives.get(usize::from(**it)).is_some_and(|life| life.0 > first && life.0 != Micros::MAX)
        });
        newer.map(|it| self.it.frame.share_of_all(block, *it)).sum::<f64>() > 0.5
    }

    /// Whether a victim still ran at the end.
    fn victims_run(&self) -> bool {
        let block = self.it.frame.blocks.len() - 1;
        self.victims.iter().any(|it| self.it.frame.share_of_all(block, *it) > 0.0)
    }

    /// The rate fell while victims were running: at least three crashes were to be expected if it had not, and few came.
    fn fell(&self) -> Option<(Micros, Ending)> {
        let blocks = &self.it.frame.blocks;
        let first = self.it.frame.block_of(self.onset).map_or(0, |block| block + 1);
        // An end is looked for in every block of a day or more: the evidence has to be as strong as for an alarm.
        let elevated = self.elevated();
        let mut best: Option<(f64, Micros)> = None;
        for (start, _) in &blocks[first.min(blocks.len())..] {
            if *start < self.onset || self.until - start < QUIET {
                continue;
            }
            let sums = self.sums(&elevated, *start, Some(self.victims));
            let ratio = (sums.elevated / sums.expected.max(1e-9)).min(20.0);
            if sums.elevated < 3.0 || ratio < 1.3 {
                continue;
            }
            // Every report counts against an ending: hosts that crash again and again have not recovered.
            let evidence = ln_recovery(sums.reports, sums.elevated, ratio);
            if evidence >= 1000_f64.ln() && best.is_none_or(|best| evidence > best.0) {
                best = Some((evidence, *start));
            }
        }
        let at = best?.1;
        Some((at, self.why_it_fell(at)))
    }

    fn why_it_fell(&self, at: Micros) -> Ending {
        let near = |moved: Micros| moved > self.onset && moved >= at - 2 * HOUR && moved <= at + QUIET;
        if self.explanation.kind == Kind::Ambient {
            return Ending::Subsided;
        }
        if let Some(Change::Push(number)) = self.explanation.change {
            if self.changes.pushes[number].taken_back().is_some_and(|back| back > self.onset) {
                return Ending::RolledBack;
            }
            let stopped = |action: Action| action == Action::Stop || action == Action::Pause;
            if self.changes.pushes[number].steps.iter().any(|step| stopped(step.action) && near(step.at)) {
                return Ending::Stopped;
            }
        }
        let others = self.changes.candidates(self.site, at, at + QUIET);
        let helped =
            others.iter().any(|it| Some(it.change) != self.explanation.change && it.moves.iter().any(|at| near(*at)));
        if helped { Ending::Fixed } else { Ending::Subsided }
    }

    /// Whether only the blamed release itself crashed: that it goes away is then for `culprit_gone` to read.
    fn victims_are_the_culprit(&self) -> bool {
        let Some(Change::Push(number)) = self.explanation.change else { return false };
        let release = self.changes.pushes[number].begun.as_ref().and_then(|it| self.site.releases.find(&it.release));
        release.is_some_and(|release| self.victims.iter().all(|it| usize::from(*it) == release))
    }

    /// The last victim went away while the rate was as high as ever.
    fn victims_gone(&self) -> Option<(Micros, Ending)> {
        let patience = if self.victims_are_the_culprit() { HOUR } else { QUIET / 2 };
        let at =
            if self.site.basis() == Basis::Shares {
                let block =
                    self.it.frame.blocks.iter().enumerate().rev().find(|(block, _)| {
                        self.victims.iter().any(|it| self.it.frame.share_of_all(*block, *it) > 0.0)
                    })?;
                block.1.1
            } else {
                self.victims.iter().filter_map(|it| self.site.lives.get(usize::from(*it))).map(|life| life.1).max()?
            };
        // Somebody else must have been heard of since: silence of everybody is a gap, not an ending.
        let heard = self.site.frontier.unwrap_or(self.until);
        let gone = self.until - at >= patience && heard - at >= QUIET / 2 && at > self.onset;
        (gone && self.are_replaced(at)).then_some((at, Ending::VictimsGone))
    }

    /// Whether victims that are no longer heard of since an instant are really gone: no push means them to run any more, or others
    /// fill their place. Otherwise only the news of them is missing.
    fn are_replaced(&self, at: Micros) -> bool {
        const NEARLY_NONE: f64 = 0.02;
        const FILLED: f64 = 0.97;
        let pushes = self.changes.pushes_of(&self.site.service, &self.site.environment);
        let mut meant: Vec<(usize, f64)> = Vec::new();
        for push in &pushes {
            let Some(begun) = &push.begun else { continue };
            let share = push.share(self.until);
            let previous = begun.previous.as_deref().and_then(|name| self.site.releases.find(name));
            if meant.is_empty() {
                meant.extend(previous.map(|release| (release, 1.0)));
            }
            meant.iter_mut().for_each(|part| part.1 *= 1.0 - share);
            meant.extend(self.site.releases.find(&begun.release).map(|release| (release, share)));
        }
        let still =
            |release: &u16| meant.iter().filter(|part| part.0 == usize::from(*release)).map(|part| part.1).sum::<f64>();
        if self.victims.iter().map(still).sum::<f64>() <= NEARLY_NONE {
            return true;
        }
        let frame = &self.it.frame;
        let by_hour = |block: usize| {
            let (start, end) = frame.blocks[block];
            frame.ran[block * frame.width()..(block + 1) * frame.width()].iter().sum::<f64>()
                / (end - start).max(1) as f64
        };
        let (Some(before), Some(after)) = (frame.block_of(at - HOUR), frame.blocks.len().checked_sub(2)) else {
            return false;
        };
        !self.victims_are_the_culprit() && by_hour(after) >= FILLED * by_hour(before)
    }

    /// Crashes since an instant, of some releases or all, with what was expected, and would be if harm went on.
    fn sums(&self, elevated: &Elevated, since: Micros, releases: Option<&[u16]>) -> Sums {
        let frame = &self.it.frame;
        // Little of it came before an early instant; all of it says more, though quiet that has set in makes it less.
        let scale = self.scale(&elevated.harm, since).0.min(elevated.scale);
        let mut sums = Sums::default();
        for (block, (start, end)) in frame.blocks.iter().enumerate() {
            let part = (end - since.clamp(*start, *end)) as f64 / (end - start).max(1) as f64;
            if part <= 0.0 {
                continue;
            }
            for place in 0..frame.width() {
                let at = block * frame.width() + place;
                if releases.is_none_or(|them| them.contains(&frame.population(place).0)) {
                    sums.expected += self.it.expected[at] * part;
                    let harm = (elevated.harm[at] * scale).min(elevated.each * frame.ran[at]);
                    sums.elevated += (self.it.expected[at] + harm) * part;
                    if *start >= since {
                        sums.count += self.it.counts[at];
                        sums.reports += self.it.reports[at];
                    } else {
                        sums.count += self.after(block, place, since).min(self.it.counts[at]);
                        sums.reports += self.after(block, place, since).min(self.it.reports[at]);
                    }
                }
            }
        }
        sums
    }

    /// The harm that would go on, and how far it is to be trusted, from all of it.
    fn elevated(&self) -> Elevated {
        let harm = self.elevation();
        let (scale, each) = self.scale(&harm, self.until);
        Elevated { harm, scale, each }
    }

    /// What harm came to before an instant against what its explanation makes of it: the weather that all explanations share leaves the
    /// size of harm open where next to nothing was to be expected. Drawn towards one by the weight of three crashes. And, where others than
    /// the culprit crash, what each of them suffered so far: what is left of them suffers no more only because the culprit spread.
    fn scale(&self, harm: &[f64], before: Micros) -> (f64, f64) {
        const WEIGHT: f64 = 3.0;
        let frame = &self.it.frame;
        let (mut found, mut meant, mut ran) = (WEIGHT, WEIGHT, 0.0);
        for (block, (start, end)) in frame.blocks.iter().enumerate() {
            if *start < self.onset || *end > before {
                continue;
            }
            for at in (block * frame.width()..(block + 1) * frame.width()).filter(|at| harm[*at] > 0.0) {
                found += self.it.counts[at] - self.it.expected[at];
                meant += harm[at];
                ran += frame.ran[at];
            }
        }
        let others = matches!(self.explanation.kind, Kind::Collateral | Kind::Mixed);
        let each = if others && ran > 0.0 { (found / ran).max(0.0) } else { f64::MAX };
        ((found / meant).clamp(0.1, 3.0), each)
    }

    /// Reports of one population in the block that `since` falls into, after it.
    fn after(&self, block: usize, place: usize, since: Micros) -> f64 {
        let (release, cell) = self.it.frame.population(place);
        let (from, to) = self.it.frame.blocks[block];
        let of = |it: &&super::site::Event| {
            it.at >= since.max(from) && it.at < to && it.release == release && usize::from(it.cell) == cell
        };
        self.it.frame.events(self.site, |_| true).filter(of).map(|it| f64::from(it.times)).sum()
    }

    /// The harm that would go on: where the change is, or, once it is gone or there was none, as it last was.
    fn elevation(&self) -> Vec<f64> {
        let frame = &self.it.frame;
        let width = frame.width();
        let mut pattern = self.explanation.pattern.clone();
        let ambient = self.explanation.shape == Shape::Ambient;
        let gone = |block: usize| (0..width).all(|place| pattern[block * width + place] <= 0.0);
        let last = (0..frame.blocks.len()).rev().find(|block| !gone(*block));
        let Some(last) = last else { return vec![0.0; pattern.len()] };
        let carried =
            ambient || matches!(self.explanation.change, Some(Change::Flag(_))) || last + 1 < frame.blocks.len();
        if carried {
            // As in the last block before it ended in which it stood fully; the very last may be cut short.
            let from = last.saturating_sub(1);
            for block in last + 1..frame.blocks.len() {
                for place in 0..width {
                    pattern[block * width + place] = pattern[from * width + place].max(pattern[last * width + place]);
                }
            }
        }
        let size = self.explanation.size;
        pattern.iter().enumerate().map(|(at, pattern)| pattern * self.it.full(at) * size).collect()
    }
}
