//! Explanations that make crashes nothing to speak of: instances that were just started, and old crashes under a new name.

use super::{
    HOUR,
    attribution::{Attribution, Explanation, Question, SIZES, size},
    shape::Shape,
    stats::ln_sum,
    weighing::{Calm, rows},
};
use std::collections::{BTreeMap, BTreeSet};

impl Question<'_> {
    /// A few of the instances that a push has just started crash, whatever they run: at most one in ten of them, then it would be
    /// harm.
    pub(crate) fn restarts(&self, it: &Attribution, calm: &Calm) -> Option<Explanation> {
        const MOST: f64 = 0.1;
        let frame = &it.frame;
        let mut pattern = vec![0.0; it.counts.len()];
        for release in it.candidates.iter().filter(|candidate| candidate.own).filter_map(|candidate| candidate.release)
        {
            for block in 1..frame.blocks.len() {
                for cell in 0..frame.cells {
                    let share = |back: usize| block.checked_sub(back).map_or(0.0, |b| frame.share(b, release, cell));
                    let started = (share(0) - share(1)).max(0.0) + 0.3 * (share(1) - share(2)).max(0.0);
                    let Some(at) = frame.at(block, release, cell as u16).filter(|at| frame.ran[*at] > 0.0) else {
                        continue;
                    };
                    pattern[at] = started * frame.in_cell(block, cell) / frame.ran[at];
                }
            }
        }
        if pattern.iter().all(|it| *it <= 0.0) {
            return None;
        }
        let rows = rows(it, &pattern);
        // Started instances are counted in blocks of exposure: so much harm is one crash of each.
        let block = frame.blocks.first().map_or(HOUR, |block| block.1 - block.0) as f64 / HOUR as f64;
        let most = MOST / (it.unit * block).max(1e-12);
        let sizes: Vec<f64> = (0..SIZES).map(size).filter(|size| *size <= most).collect();
        let gains: Vec<f64> = sizes.iter().map(|size| calm.gain(&rows, *size, 0..rows.len())).collect();
        let mut found = Explanation::without_change(Shape::Restart, 0.1, pattern);
        let top = gains.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?.0;
        found.size = sizes[top];
        found.ln_likelihood = ln_sum(&gains) - (gains.len() as f64).ln();
        Some(found)
    }

    /// Signatures that a new release shows for the first time, as old ones that it no longer shows: as many of the new as were to be
    /// expected of the old, and none of the old. Names that share parts are likelier the same.
    pub(crate) fn renamed(&self, it: &Attribution, calm: &Calm) -> Option<Explanation> {
        /// How much of the old name is still to be seen.
        const LEFT: f64 = 0.05;
        /// Old signatures that are tried, the most frequent ones.
        const TRIED: usize = 24;
        let release = it.candidates.iter().filter(|candidate| candidate.own).find_map(|candidate| candidate.release)?;
        let places: Vec<usize> =
            (0..it.counts.len()).filter(|at| it.frame.population(at % it.frame.width()).0 == release).collect();
        let on_release = |wanted: &dyn Fn(u32) -> bool| -> f64 {
            let expected = self.normal.expected(&it.frame, wanted);
            places.iter().map(|at| expected[*at]).sum()
        };
        let mut found: BTreeMap<u32, f64> = BTreeMap::new();
        for event in it.frame.events(self.site, |event| event.counts && event.release == release) {
            *found.entry(event.signature).or_default() += f64::from(event.times);
        }
        let count = |signature: u32| found.get(&signature).copied().unwrap_or(0.0);
        let full: f64 = places.iter().map(|at| it.full(*at)).sum();
        let new: Vec<u32> = found.keys().copied().filter(|it| (self.wanted)(*it) && !self.normal.knows(*it)).collect();
        let (mut size, mut gone) = (0.0, 0.0);
        let mut taken: Vec<u32> = Vec::new();
        for name in &new {
            let old: Vec<(u32, f64, f64)> = self
                .normal
                .most_frequent(TRIED)
                .into_iter()
                .filter(|old| !taken.contains(old))
                .map(|old| {
                    let usual = on_release(&|it| it == old);
                    let shared =
                        alike(self.site.signatures.name(*name as usize), self.site.signatures.name(old as usize));
                    let weight = if shared >= 0.3 { 0.5 } else { 0.5 / TRIED as f64 };
                    let vanished = count(old) * LEFT.ln() + usual * (1.0 - LEFT);
                    let shown = count(*name) * usual.max(1e-9).ln() - usual;
                    (old, usual, vanished + weight.ln() + shown)
                })
                .collect();
            let (old, usual, value) = old.into_iter().max_by(|a, b| a.2.total_cmp(&b.2))?;
            taken.push(old);
            size += usual / full.max(1e-12);
            gone += value - (count(*name) * usual.max(1e-9).ln() - usual);
        }
        if new.is_empty() || size <= 0.0 {
            return None;
        }
        let mut pattern = vec![0.0; it.counts.len()];
        places.iter().for_each(|at| pattern[*at] = 1.0);
        let mut explanation = Explanation::without_change(Shape::Renamed, 0.15, pattern);
        explanation.size = size;
        let rows = rows(it, &explanation.pattern);
        explanation.ln_likelihood = calm.gain(&rows, explanation.size, 0..rows.len()) + gone;
        Some(explanation)
    }
}

/// How many of the parts of two names are the same: their intersection against their union (Jaccard 1901).
fn alike(one: &str, other: &str) -> f64 {
    let parts = |name: &'_ str| {
        name.split([' ', '|', ':', '.', '(', ')'])
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect::<BTreeSet<String>>()
    };
    let (one, other) = (parts(one), parts(other));
    one.intersection(&other).count() as f64 / one.union(&other).count().max(1) as f64
}
