//! Who is to blame: named explanations of the same crashes weighed against each other. Whether there is anything to explain
//! is decided by the watch.
//!
//! Each explanation says where harm should appear (release, cell, time); its size is averaged over a fine grid, since on a coarse
//! one the luckier grid point wins. All populations of a block share the weather (`drift`), so that the contrast between populations is
//! the evidence and a slow common rise is nearly free. "No change explains it" pays for its freedom to begin and end at any time
//! in any cell.

use super::{
    HOUR, Micros,
    beside::Part,
    burst::spare,
    candidate::{Candidate, Change, Changes},
    frame::Frame,
    normal::Normal,
    shape::Shape,
    site::{Event, Site},
    spells::{ambient, later},
    stats::ln_sum,
    weighing::{Calm, rows},
};
use crate::domain::finding::Kind;

/// Evidence is divided by this for what the model leaves unexplained.
pub const TEMPER: f64 = 1.15;
pub(crate) const SIZES: usize = 50;
/// Blocks that an attribution looks at.
const BLOCKS: usize = 120;

/// A size of harm on the grid, in units of the service's own crash rate.
pub(crate) fn size(index: usize) -> f64 {
    0.15 * 1.37_f64.powi(index as i32)
}

/// One explanation and what the crashes say of it.
#[derive(Debug, Clone)]
pub(crate) struct Explanation {
    pub(crate) change: Option<Change>,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    pub(crate) prior: f64,
    /// Logarithm of the likelihood, averaged over sizes of harm, against chance.
    pub(crate) ln_likelihood: f64,
    pub(crate) probability: f64,
    /// The most likely size, in units of the service's crash rate.
    pub(crate) size: f64,
    /// Where harm is expected, 0 to 1, by block and population.
    pub(crate) pattern: Vec<f64>,
}

impl Explanation {
    pub(crate) fn without_change(shape: Shape, prior: f64, pattern: Vec<f64>) -> Explanation {
        let kind = Kind::Ambient;
        Explanation { change: None, kind, shape, prior, ln_likelihood: 0.0, probability: 0.0, size: 0.0, pattern }
    }
}

/// Everything that an attribution looked at, and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Attribution {
    pub(crate) frame: Frame,
    /// Episodes, by block and population: what the explanations are weighed on.
    pub(crate) counts: Vec<f64>,
    /// Every report of them: where one host crashes again and again, episodes say less than there is.
    pub(crate) reports: Vec<f64>,
    pub(crate) expected: Vec<f64>,
    /// The service's crash rate, all signatures: the unit of harm.
    pub(crate) unit: f64,
    /// Exposure by block and population, weighed by rhythm, load and cell: harm follows them as usual crashes do.
    pub(crate) weighed: Vec<f64>,
    pub(crate) candidates: Vec<Candidate>,
    /// Most probable first.
    pub(crate) explanations: Vec<Explanation>,
    /// Whether changes lost probability since a single burst blames none.
    pub(crate) burst_doubted: bool,
}

impl Attribution {
    /// The probability of each change, most probable first.
    pub(crate) fn changes(&self) -> Vec<(Change, f64)> {
        let mut found: Vec<(Change, f64)> = Vec::new();
        for it in &self.explanations {
            let Some(change) = it.change else { continue };
            match found.iter_mut().find(|other| other.0 == change) {
                Some(other) => other.1 += it.probability,
                None => found.push((change, it.probability)),
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found
    }

    /// The probability that no change did it and it is more than chance.
    pub(crate) fn ambient(&self) -> f64 {
        self.explanations.iter().filter(|it| it.shape == Shape::Ambient).map(|it| it.probability).sum()
    }

    /// The probability that it is nothing to speak of: chance, restarts, or old crashes under a new name.
    pub(crate) fn chance(&self) -> f64 {
        self.explanations.iter().filter(|it| it.shape.is_harmless()).map(|it| it.probability).sum()
    }

    /// The best explanation that blames this change, or the best that blames none: of the kind that is most probable, all its
    /// shapes together.
    pub(crate) fn best(&self, change: Option<Change>) -> Option<&Explanation> {
        let found = || self.explanations.iter().filter(|it| it.change == change && !it.shape.is_harmless());
        let of = |kind: Kind| found().filter(|it| it.kind == kind).map(|it| it.probability).sum::<f64>();
        // The first of several that are as probable is the one that is more probable by itself.
        let kind = found().map(|it| it.kind).reduce(|best, it| if of(it) > of(best) { it } else { best })?;
        found().find(|it| it.kind == kind)
    }

    /// Harm expected by an explanation, in crashes, by block and population.
    pub(crate) fn harm(&self, it: &Explanation) -> Vec<f64> {
        it.pattern.iter().enumerate().map(|(at, pattern)| pattern * self.full(at) * it.size).collect()
    }

    /// Full harm of size one at a place, in crashes.
    pub(crate) fn full(&self, at: usize) -> f64 {
        self.weighed[at] * self.unit
    }
}

/// What an attribution is about.
pub(crate) struct Question<'a> {
    pub(crate) case: usize,
    pub(crate) site: &'a Site,
    pub(crate) changes: &'a Changes,
    pub(crate) normal: &'a Normal,
    /// Whether a signature belongs to it.
    pub(crate) wanted: &'a dyn Fn(u32) -> bool,
    /// Whether a crash belongs to another regression.
    pub(crate) other: &'a dyn Fn(&Event) -> bool,
    /// The earliest time of interest.
    pub(crate) from: Micros,
    /// Changes that began later are no suspects.
    pub(crate) latest_start: Micros,
    /// When other trouble without a change was going on here: its beginning and end.
    pub(crate) known_spells: &'a [(Micros, Micros)],
    /// How often the same signatures crashed like this before and no change was behind it.
    pub(crate) precedents: usize,
    /// How many of the largest bursts are left out: what it is without.
    pub(crate) spared: usize,
    pub(crate) until: Micros,
}

impl Question<'_> {
    /// Weighs every explanation.
    pub(crate) fn answer(&self) -> Attribution {
        let candidates = self.changes.candidates(self.site, self.from, self.latest_start);
        let earliest = candidates.iter().map(|it| it.first).min().unwrap_or(self.from).min(self.from) - 2 * HOUR;
        let pushes = self.changes.pushes_of(&self.site.service, &self.site.environment);
        let from = earliest.max(self.until - 30 * HOUR);
        let mut frame = Frame::new(self.site, &pushes, from, self.until, BLOCKS);
        let mut counts =
            frame.counts(self.site, |event| event.counts && (self.wanted)(event.signature) && !(self.other)(event));
        let reports = frame.counts(self.site, |event| (self.wanted)(event.signature) && !(self.other)(event));
        let weighed = self.normal.weighed(&frame);
        let mut expected = self.normal.expected(&frame, self.wanted);
        self.site.add_beside(&mut expected, &frame, &weighed, self.wanted, (Part::Whole, Some(self.case)));
        (0..self.spared).for_each(|_| spare(&frame, &mut counts, &expected));
        let unit = self.normal.rate_of_all().max(1e-9);
        let mut it = Attribution {
            weighed,
            frame,
            counts,
            reports,
            expected,
            unit,
            candidates: candidates.clone(),
            explanations: Vec::new(),
            burst_doubted: false,
        };
        let goes_on = self.site.beside.iter().any(|it| it.case != self.case && it.has(self.wanted));
        let new_signature = self.normal.count(self.wanted) == 0.0 && !goes_on;
        let mut explanations = Vec::new();
        for candidate in &candidates {
            self.propose(&it, candidate, new_signature, &mut explanations);
        }
        // However many changes there are, together they stand against "none of these" as a few would; and less where the like came
        // without a change before.
        let all: f64 = explanations.iter().map(|it| it.prior).sum();
        let against = all.max(1.0) * (1.0 + 2.0 * self.precedents as f64);
        explanations.iter_mut().for_each(|it| it.prior /= against);
        let calm = Calm::of(&it, self.normal.doubt(self.wanted, self.until), self.normal.count(self.wanted));
        for explanation in &mut explanations {
            self.weigh(&it, &calm, explanation);
        }
        let late: Vec<Explanation> =
            explanations.iter().filter_map(|early| later(&it, &calm, early, new_signature)).collect();
        explanations.extend(late);
        explanations.push(ambient(&it, &calm));
        explanations.extend(self.known_spells.iter().filter_map(|spell| self.known_spell(&it, &calm, *spell)));
        explanations.extend(self.restarts(&it, &calm));
        if new_signature {
            explanations.extend(self.renamed(&it, &calm));
        }
        // Every hour of every service is looked at, so that chance gets many tries; what never crashed before gets fewer.
        let chance = if new_signature { 0.6 } else { 3.0 };
        explanations.push(Explanation::without_change(Shape::Chance, chance, vec![0.0; it.counts.len()]));
        let weights: Vec<f64> =
            explanations.iter().map(|it| it.prior.max(1e-12).ln() + it.ln_likelihood / TEMPER).collect();
        let all = ln_sum(&weights);
        for (explanation, weight) in explanations.iter_mut().zip(weights) {
            explanation.probability = (weight - all).exp();
        }
        explanations.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        it.explanations = explanations;
        it
    }
    /// The likelihood of one explanation, averaged over sizes of harm.
    pub(crate) fn weigh(&self, it: &Attribution, calm: &Calm, explanation: &mut Explanation) {
        let rows = rows(it, &explanation.pattern);
        let at = |index: usize| calm.gain(&rows, size(index), 0..rows.len());
        let coarse = (0..SIZES).step_by(4).map(|index| (index, at(index)));
        let best = coarse.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |it| it.0);
        let fine: Vec<(usize, f64)> =
            (best.saturating_sub(6)..(best + 7).min(SIZES)).map(|index| (index, at(index))).collect();
        let top = fine.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
        explanation.size = size(top.0);
        let values: Vec<f64> = fine.iter().map(|it| it.1).collect();
        explanation.ln_likelihood = ln_sum(&values) - (SIZES as f64).ln() + self.peers(it, explanation);
    }
    /// What the releases at the other end say: harm by contact names the guilty release there, anything else its share.
    fn peers(&self, it: &Attribution, explanation: &Explanation) -> f64 {
        let (Kind::Collateral, Some(Change::Push(number))) = (explanation.kind, explanation.change) else { return 0.0 };
        let Some(begun) = &self.changes.pushes[number].begun else { return 0.0 };
        let Some(guilty) = self.site.releases.find(&begun.release) else { return 0.0 };
        let wanted = |event: &Event| {
            event.counts && event.peer > 0 && usize::from(event.release) != guilty && (self.wanted)(event.signature)
        };
        let (mut named, mut other, mut share) = (0.0, 0.0, 0.0);
        for event in it.frame.events(self.site, wanted) {
            let Some(block) = it.frame.block_of(event.at) else { continue };
            let full = self.changes.pushes[number].share(it.frame.blocks[block].1);
            let share_then = if full > 0.0 { full } else { it.frame.share_of_all(block, guilty as u16) };
            share += share_then * f64::from(event.times);
            if usize::from(event.peer) == guilty + 1 {
                named += f64::from(event.times);
            } else {
                other += f64::from(event.times);
            }
        }
        if named + other == 0.0 {
            return 0.0;
        }
        let share = (share / (named + other)).clamp(0.01, 0.99);
        let harm: f64 = it.harm(explanation).iter().sum();
        let usual: f64 = it.expected.iter().sum();
        let part = (harm / (harm + usual).max(1e-9)).clamp(0.0, 0.99);
        let gain = named * ((part * 0.95 + (1.0 - part) * share) / share).ln()
            + other * ((part * 0.05 + (1.0 - part) * (1.0 - share)) / (1.0 - share)).ln();
        gain.clamp(-40.0, 40.0)
    }
}
