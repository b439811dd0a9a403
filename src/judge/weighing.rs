//! Blocks of time under one explanation, weighed with the weather that all explanations share.

use super::{
    MINUTE,
    attribution::Attribution,
    drift::{Belief, Drift, KAPPA},
    stats::ln_block,
};

/// One block's crashes under one explanation.
pub(crate) struct Row {
    count: f64,
    mean: f64,
    pub(crate) harm: f64,
    /// Crashes, expectation and harm by unit of size, of each population that crashed.
    crashed: Vec<(f64, f64, f64)>,
}

impl Row {
    /// How much less surprising harm of this size makes the crashes where they are, as a logarithm.
    pub(crate) fn moved(&self, size: f64) -> f64 {
        self.crashed.iter().map(|(count, mean, harm)| count * (1.0 + size * harm / mean).ln()).sum()
    }

    /// How much better harm of this size explains the block than none, each block with a weather of its own: quick, and too
    /// sure where trouble lasts.
    pub(crate) fn gain(&self, size: f64) -> f64 {
        let harmed = ln_block(self.moved(size), self.count, self.mean + size * self.harm, KAPPA);
        harmed - ln_block(0.0, self.count, self.mean, KAPPA)
    }
}

/// The blocks without any harm, and what the weather is believed to be after each of them.
pub(crate) struct Calm {
    drift: Drift,
    /// Crashes and expectation of every block.
    blocks: Vec<(f64, f64)>,
    /// The belief before each block, and after the last.
    beliefs: Vec<Belief>,
}

impl Calm {
    pub(crate) fn of(it: &Attribution, doubt: f64, count: f64) -> Calm {
        let width = it.frame.width();
        let sum = |values: &[f64], block: usize| values[block * width..(block + 1) * width].iter().sum::<f64>();
        let blocks: Vec<(f64, f64)> =
            (0..it.frame.blocks.len()).map(|block| (sum(&it.counts, block), sum(&it.expected, block))).collect();
        let length = it.frame.blocks.first().map_or(MINUTE, |block| block.1 - block.0);
        let drift = Drift::new(doubt, count, length);
        let mut beliefs = vec![drift.beginning()];
        for (count, mean) in &blocks {
            beliefs.push(drift.step(beliefs[beliefs.len() - 1], *count, *mean));
        }
        Calm { drift, blocks, beliefs }
    }

    /// How much better harm of this size in these blocks explains everything than none, as a logarithm.
    pub(crate) fn gain(&self, rows: &[Row], size: f64, harmed: std::ops::Range<usize>) -> f64 {
        let is_harmed = |block: &usize| rows[*block].harm > 0.0;
        let Some(first) = harmed.clone().find(is_harmed) else { return 0.0 };
        let (mut belief, mut moved) = (self.beliefs[first], 0.0);
        for (block, (count, mean)) in self.blocks.iter().enumerate().skip(first) {
            let mut mean = *mean;
            if harmed.contains(&block) {
                mean += size * rows[block].harm;
                moved += rows[block].moved(size);
            }
            belief = self.drift.step(belief, *count, mean);
        }
        let calm = self.beliefs.last().map_or(0.0, |it| it.ln_likelihood);
        belief.ln_likelihood - calm + moved
    }
}

/// Every block, whether harm is expected in it or not.
pub(crate) fn rows(it: &Attribution, pattern: &[f64]) -> Vec<Row> {
    let width = it.frame.width();
    let mut rows = Vec::with_capacity(it.frame.blocks.len());
    for block in 0..it.frame.blocks.len() {
        let mut row = Row { count: 0.0, mean: 0.0, harm: 0.0, crashed: Vec::new() };
        let place = block * width..(block + 1) * width;
        for (at, part) in place.clone().zip(&pattern[place]) {
            let harm = part * it.full(at);
            row.count += it.counts[at];
            row.mean += it.expected[at];
            row.harm += harm;
            if it.counts[at] > 0.0 && harm > 0.0 {
                row.crashed.push((it.counts[at], it.expected[at].max(1e-12), harm));
            }
        }
        rows.push(row);
    }
    rows
}
