//! Who is to blame: named explanations of the same crashes weighed against each other. Whether there is anything to explain
//! is decided by the watch.
//!
//! Each explanation says where harm should appear (release, cell, time); its size is averaged over a fine grid, since on a coarse
//! one the luckier grid point wins. Blocks share a frailty (`stats::ln_block`), so that the contrast between populations is the evidence
//! and common drift is nearly free. "No change explains it" pays for its freedom to begin and end at any time in any cell.

use super::{
    HOUR, Micros,
    candidate::{Candidate, Change, Changes},
    frame::Frame,
    normal::Normal,
    site::{Event, Site},
    stats::{ln_block, ln_sum},
};
use crate::domain::finding::Kind;

/// Common drift of a block: a Gamma with this shape, about 18 %.
const KAPPA: f64 = 30.0;
/// Evidence is divided by this for what the model leaves unexplained.
const TEMPER: f64 = 1.15;
const SIZES: usize = 50;
/// Blocks that an attribution looks at.
const BLOCKS: usize = 120;

/// A size of harm on the grid, in units of the service's own crash rate.
fn size(index: usize) -> f64 {
    0.15 * 1.37_f64.powi(index as i32)
}

/// How harm follows a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The release itself, wherever it runs.
    Release,
    /// In each cell by the change's share there.
    ShareInCell,
    /// In each cell where the change is at all.
    PresentInCell,
    /// Everywhere by the change's share of all.
    ShareOfAll,
    /// Everywhere once the change is anywhere.
    PresentAnywhere,
    /// Everywhere from the change's beginning on, even after it has gone.
    EverPresent,
    /// The release itself, and the others by its share in their cell.
    ReleaseAndShare,
    /// Within one release, by the flag's share.
    FlagInRelease,
    /// By the share of the release that comes back.
    Returning,
    /// For some time, in all cells or one.
    Ambient,
    /// Nothing but chance.
    Chance,
}

impl Shape {
    /// Words for the table of explanations.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Shape::Release => "the release itself",
            Shape::ShareInCell => "by its share in the cell",
            Shape::PresentInCell => "wherever it is in the cell",
            Shape::ShareOfAll => "by its share of all cells",
            Shape::PresentAnywhere => "once it is anywhere",
            Shape::EverPresent => "from its beginning on, even after it is gone",
            Shape::ReleaseAndShare => "the release itself, and the others by its share in the cell",
            Shape::FlagInRelease => "the flag within one release",
            Shape::Returning => "by the share that comes back",
            Shape::Ambient => "some hours that no change explains",
            Shape::Chance => "chance",
        }
    }
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

/// Everything that an attribution looked at, and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Attribution {
    pub(crate) frame: Frame,
    pub(crate) counts: Vec<f64>,
    pub(crate) expected: Vec<f64>,
    /// The service's crash rate, all signatures: the unit of harm.
    pub(crate) unit: f64,
    pub(crate) candidates: Vec<Candidate>,
    /// Most probable first.
    pub(crate) explanations: Vec<Explanation>,
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

    /// The probability that it is nothing but chance.
    pub(crate) fn chance(&self) -> f64 {
        self.explanations.iter().filter(|it| it.shape == Shape::Chance).map(|it| it.probability).sum()
    }

    /// The best explanation that blames this change, or the best that blames none.
    pub(crate) fn best(&self, change: Option<Change>) -> Option<&Explanation> {
        self.explanations.iter().find(|it| it.change == change && it.shape != Shape::Chance)
    }

    /// Harm expected by an explanation, in crashes, by block and population.
    pub(crate) fn harm(&self, it: &Explanation) -> Vec<f64> {
        it.pattern.iter().zip(&self.frame.ran).map(|(pattern, ran)| pattern * ran * self.unit * it.size).collect()
    }
}

/// What an attribution is about.
pub(crate) struct Question<'a> {
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
        let counts =
            frame.counts(self.site, |event| event.counts && (self.wanted)(event.signature) && !(self.other)(event));
        let expected = self.normal.expected(&frame, self.wanted);
        let unit = self.normal.rate().max(1e-9);
        let mut it =
            Attribution { frame, counts, expected, unit, candidates: candidates.clone(), explanations: Vec::new() };
        let new_signature = self.normal.count(self.wanted) == 0.0;
        let mut explanations = Vec::new();
        for candidate in &candidates {
            self.propose(&it, candidate, new_signature, &mut explanations);
        }
        // However many changes there are, together they stand against "none of these" as a few would.
        let all: f64 = explanations.iter().map(|it| it.prior).sum();
        if all > 1.0 {
            explanations.iter_mut().for_each(|it| it.prior /= all);
        }
        for explanation in &mut explanations {
            self.weigh(&it, explanation);
        }
        explanations.push(ambient(&it));
        explanations.push(Explanation {
            change: None,
            kind: Kind::Ambient,
            shape: Shape::Chance,
            prior: 0.15,
            ln_likelihood: 0.0,
            probability: 0.0,
            size: 0.0,
            pattern: vec![0.0; it.counts.len()],
        });
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

    /// Every way in which one change may harm, with its prior: pushes in proportion to what post-mortems found of triggers, harm to
    /// others by the two thirds of upgrade failures that come from two versions together (Zhang et al., SOSP 2021).
    fn propose(&self, it: &Attribution, candidate: &Candidate, new_signature: bool, found: &mut Vec<Explanation>) {
        let frame = &it.frame;
        let doses = self.changes.doses(candidate, self.site, frame);
        if doses.iter().all(|dose| *dose <= 0.0) && candidate.moves.len() < 2 {
            return;
        }
        let age = (self.from - candidate.first).max(0) as f64 / (24 * HOUR) as f64;
        let topology = if candidate.own { 1.0 } else { 0.5 };
        // However often a flag was turned, it is one flag.
        let turns = match candidate.change {
            Change::Flag(number) => {
                let (line, _) = self.changes.flag_line(number);
                let among = |it: &&Candidate| line.iter().any(|flag| self.changes.id(it.change) == flag.id);
                it.candidates.iter().filter(|it| matches!(it.change, Change::Flag(_))).filter(among).count().max(1)
            }
            Change::Push(_) => 1,
        };
        // A signature that the old code never showed cannot come from the old code alone: something else has changed.
        let clue = match (new_signature, candidate.own, candidate.change) {
            (true, true, Change::Push(_)) => 3.0,
            (true, true, Change::Flag(_)) => 2.0,
            (true, false, _) | (false, _, _) => 1.0,
        };
        let scale = topology * (-age).exp() / turns as f64;
        let all = |block: usize| {
            let cells = 0..frame.cells;
            let ran: f64 = cells.clone().map(|cell| frame.in_cell(block, cell)).sum();
            let dosed: f64 = cells.map(|cell| frame.in_cell(block, cell) * doses[block * frame.cells + cell]).sum();
            if ran > 0.0 { dosed / ran } else { 0.0 }
        };
        let of_all: Vec<f64> = (0..frame.blocks.len()).map(all).collect();
        let anywhere: Vec<bool> = (0..frame.blocks.len())
            .map(|block| (0..frame.cells).any(|cell| doses[block * frame.cells + cell] > 0.0))
            .collect();
        let mut since = false;
        let ever: Vec<bool> = anywhere
            .iter()
            .map(|it| {
                since |= *it;
                since
            })
            .collect();
        let mut add = |kind: Kind, shape: Shape, prior: f64, pattern: &dyn Fn(usize, u16, usize) -> f64| {
            let mut values = Vec::with_capacity(it.counts.len());
            for block in 0..frame.blocks.len() {
                for place in 0..frame.width() {
                    let (release, cell) = frame.population(place);
                    values.push(pattern(block, release, cell));
                }
            }
            if values.iter().any(|value| *value > 0.0) {
                found.push(Explanation {
                    change: Some(candidate.change),
                    kind,
                    shape,
                    prior: prior * scale,
                    ln_likelihood: 0.0,
                    probability: 0.0,
                    size: 0.0,
                    pattern: values,
                });
            }
        };
        let dose = |block: usize, cell: usize| doses[block * frame.cells + cell];
        let yes = |it: bool| if it { 1.0 } else { 0.0 };
        match (candidate.change, candidate.release) {
            (Change::Push(number), Some(release)) => {
                let own = move |other: u16| yes(other == release);
                let itself = if candidate.rollback { Kind::Rollback } else { Kind::Itself };
                add(itself, Shape::Release, 0.28, &|_, other, _| own(other));
                let prior = 0.17 * clue;
                add(Kind::Collateral, Shape::ShareInCell, 0.4 * prior, &|b, other, c| (1.0 - own(other)) * dose(b, c));
                add(Kind::Collateral, Shape::PresentInCell, 0.2 * prior, &|b, other, c| {
                    (1.0 - own(other)) * yes(dose(b, c) > 0.0)
                });
                add(Kind::Collateral, Shape::ShareOfAll, 0.2 * prior, &|b, other, _| (1.0 - own(other)) * of_all[b]);
                add(Kind::Collateral, Shape::PresentAnywhere, 0.1 * prior, &|b, other, _| {
                    (1.0 - own(other)) * yes(anywhere[b])
                });
                add(Kind::Collateral, Shape::EverPresent, 0.1 * prior, &|b, other, _| {
                    (1.0 - own(other)) * yes(ever[b])
                });
                // The release crashes by itself and harms the others too, in some proportion.
                for itself in [0.1, 0.3, 1.0] {
                    add(Kind::Mixed, Shape::ReleaseAndShare, 0.012, &|b, other, c| {
                        if other == release { itself } else { dose(b, c) }
                    });
                }
                // Everybody alike by its share: where all cells have the same share, that is hardly more than "it rose".
                let even =
                    (0..frame.blocks.len()).all(|b| (1..frame.cells).all(|c| (dose(b, c) - dose(b, 0)).abs() < 0.02));
                add(Kind::Mixed, Shape::ShareInCell, if even { 0.003 } else { 0.02 }, &|b, _, c| dose(b, c));
                if let Some(back) = self.changes.pushes[number].taken_back() {
                    add(Kind::Rollback, Shape::Returning, 0.1 * clue, &|b, other, c| {
                        let (start, end) = frame.blocks[b];
                        let after = (end - back.clamp(start, end)) as f64 / (end - start).max(1) as f64;
                        (1.0 - own(other)) * (1.0 - dose(b, c)) * after
                    });
                }
            }
            (Change::Push(_), None) => {
                add(Kind::Collateral, Shape::ShareInCell, 0.1 * clue, &|b, _, c| dose(b, c));
                add(Kind::Collateral, Shape::PresentAnywhere, 0.05 * clue, &|b, _, _| yes(anywhere[b]));
            }
            (Change::Flag(_), _) => {
                add(Kind::Flag, Shape::ShareInCell, 0.12 * clue, &|b, _, c| dose(b, c));
                add(Kind::Flag, Shape::PresentAnywhere, 0.03 * clue, &|b, _, _| yes(anywhere[b]));
                for push in it.candidates.iter().filter(|push| push.own && candidate.own) {
                    let Some(release) = push.release else { continue };
                    add(Kind::Flag, Shape::FlagInRelease, 0.04, &|b, other, c| yes(other == release) * dose(b, c));
                }
            }
        }
    }

    /// The likelihood of one explanation, averaged over sizes of harm.
    fn weigh(&self, it: &Attribution, explanation: &mut Explanation) {
        let rows = rows(it, &explanation.pattern);
        let at = |index: usize| rows.iter().map(|row| row.gain(size(index))).sum::<f64>();
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
            share += if full > 0.0 { full } else { it.frame.share_of_all(block, guilty as u16) };
            if usize::from(event.peer) == guilty + 1 {
                named += 1.0;
            } else {
                other += 1.0;
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

/// One block's crashes under one explanation.
struct Row {
    count: f64,
    mean: f64,
    harm: f64,
    /// Crashes, expectation and harm by unit of size, of each population that crashed.
    crashed: Vec<(f64, f64, f64)>,
}

impl Row {
    /// How much better harm of this size explains the block than none, as a logarithm.
    fn gain(&self, size: f64) -> f64 {
        let moved: f64 = self.crashed.iter().map(|(count, mean, harm)| count * (1.0 + size * harm / mean).ln()).sum();
        ln_block(moved, self.count, self.mean + size * self.harm, KAPPA) - ln_block(0.0, self.count, self.mean, KAPPA)
    }
}

fn rows(it: &Attribution, pattern: &[f64]) -> Vec<Row> {
    let width = it.frame.width();
    let mut rows = Vec::new();
    for block in 0..it.frame.blocks.len() {
        let mut row = Row { count: 0.0, mean: 0.0, harm: 0.0, crashed: Vec::new() };
        let place = block * width..(block + 1) * width;
        for (at, part) in place.clone().zip(&pattern[place]) {
            let harm = part * it.frame.ran[at] * it.unit;
            row.count += it.counts[at];
            row.mean += it.expected[at];
            row.harm += harm;
            if it.counts[at] > 0.0 && harm > 0.0 {
                row.crashed.push((it.counts[at], it.expected[at].max(1e-12), harm));
            }
        }
        if row.harm > 0.0 {
            rows.push(row);
        }
    }
    rows
}

/// "No change explains it": some size, from some block on, for some time, in all cells or in one; all of it paid for.
fn ambient(it: &Attribution) -> Explanation {
    const LENGTHS: [usize; 7] = [1, 2, 4, 8, 16, 32, usize::MAX];
    let blocks = it.frame.blocks.len();
    let width = it.frame.width();
    let mut of_cell = vec![0.0; it.frame.cells];
    for (at, count) in it.counts.iter().enumerate() {
        of_cell[it.frame.population(at % width).1] += count;
    }
    let all: f64 = of_cell.iter().sum();
    // Trouble of one cell alone is only tried where that cell carries much of what there is.
    let with_crashes = |cell: usize| of_cell[cell] > 0.0 && of_cell[cell] >= 0.3 * all;
    let mut places: Vec<(Option<usize>, f64)> = vec![(None, if it.frame.cells > 1 { 0.5 } else { 1.0 })];
    if it.frame.cells > 1 {
        let each = 0.5 / it.frame.cells as f64;
        places.extend((0..it.frame.cells).filter(|cell| with_crashes(*cell)).map(|cell| (Some(cell), each)));
    }
    let mut total: Vec<f64> = Vec::new();
    let mut best = (f64::NEG_INFINITY, None, 0, 0, 0.0);
    for (place, share) in places {
        let inside = |at: usize| place.is_none_or(|cell| it.frame.population(at % width).1 == cell);
        let pattern: Vec<f64> = (0..it.counts.len()).map(|at| if inside(at) { 1.0 } else { 0.0 }).collect();
        let mut of_block: Vec<Option<Row>> = (0..blocks).map(|_| None).collect();
        let mut kept = rows(it, &pattern).into_iter();
        for (block, slot) in of_block.iter_mut().enumerate() {
            let harmed = (block * width..(block + 1) * width).any(|at| pattern[at] * it.frame.ran[at] * it.unit > 0.0);
            *slot = if harmed { kept.next() } else { None };
        }
        let price = (share / (blocks * LENGTHS.len() * SIZES) as f64).ln();
        for index in 0..SIZES {
            let mut sums = vec![0.0; blocks + 1];
            for block in 0..blocks {
                sums[block + 1] = sums[block] + of_block[block].as_ref().map_or(0.0, |row| row.gain(size(index)));
            }
            for start in 0..blocks {
                for length in LENGTHS {
                    let end = start.saturating_add(length).min(blocks);
                    let value = sums[end] - sums[start] + price;
                    if value > best.0 {
                        best = (value, place, start, end, size(index));
                    }
                    if value > best.0 - 25.0 {
                        total.push(value);
                    }
                }
            }
        }
    }
    let (_, place, start, end, size) = best;
    let inside = |at: usize| {
        let block = at / width.max(1);
        (start..end).contains(&block) && place.is_none_or(|cell| it.frame.population(at % width).1 == cell)
    };
    Explanation {
        change: None,
        kind: Kind::Ambient,
        shape: Shape::Ambient,
        prior: 0.32,
        ln_likelihood: ln_sum(&total),
        probability: 0.0,
        size,
        pattern: (0..it.counts.len()).map(|at| if inside(at) { 1.0 } else { 0.0 }).collect(),
    }
}
