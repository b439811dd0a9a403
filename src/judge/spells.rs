//! Trouble that no change explains: for some time, in all cells or one. New trouble pays for its freedom; trouble that is known already
//! does not pay again.

use super::{
    Micros,
    attribution::{Attribution, Explanation, Question, SIZES, size},
    shape::Shape,
    stats::ln_sum,
    weighing::{Calm, rows},
};
use crate::domain::finding::Kind;

impl Question<'_> {
    /// Part of trouble that is known already: when it began and ended need not be paid for again.
    pub(crate) fn known_spell(&self, it: &Attribution, calm: &Calm, spell: (Micros, Micros)) -> Option<Explanation> {
        let width = it.frame.width();
        let inside = |block: usize| {
            let (start, end) = it.frame.blocks[block];
            start < spell.1 && end > spell.0
        };
        let pattern: Vec<f64> = (0..it.counts.len()).map(|at| if inside(at / width) { 1.0 } else { 0.0 }).collect();
        if pattern.iter().all(|it| *it <= 0.0) {
            return None;
        }
        let mut found = Explanation::without_change(Shape::Ambient, 0.3 / self.known_spells.len() as f64, pattern);
        self.weigh(it, calm, &mut found);
        Some(found)
    }
}

/// Trouble without a change: where, from which block to which, how much.
#[derive(Clone, Copy)]
struct Spell {
    place: Option<usize>,
    start: usize,
    end: usize,
    size: f64,
    /// The logarithm of its likelihood with its price, by the quick reckoning.
    quick: f64,
    price: f64,
}

/// "No change explains it": some size, from some block on, for some time, in all cells or in one; all of it paid for.
///
/// Every spell is reckoned quickly; the best of each place and length are reckoned again with the weather, and what that takes from
/// them is taken from the sum.
pub(crate) fn ambient(it: &Attribution, calm: &Calm) -> Explanation {
    const LENGTHS: [usize; 7] = [1, 2, 4, 8, 16, 32, usize::MAX];
    const CELLS_TRIED: usize = 4;
    let blocks = it.frame.blocks.len();
    let width = it.frame.width();
    let mut of_cell = vec![(0.0, 0.0); it.frame.cells];
    for (at, (count, expected)) in it.counts.iter().zip(&it.expected).enumerate() {
        let cell = &mut of_cell[it.frame.population(at % width).1];
        *cell = (cell.0 + count, cell.1 + expected);
    }
    // Trouble of one cell alone is tried where most beyond the usual came.
    let beyond = |cell: usize| (of_cell[cell].0 - of_cell[cell].1) / (of_cell[cell].1 + 1.0).sqrt();
    let mut cells: Vec<usize> = (0..it.frame.cells).filter(|cell| of_cell[*cell].0 > 0.0).collect();
    cells.sort_by(|a, b| beyond(*b).total_cmp(&beyond(*a)));
    let mut places: Vec<(Option<usize>, f64)> = vec![(None, if it.frame.cells > 1 { 0.5 } else { 1.0 })];
    if it.frame.cells > 1 {
        let each = 0.5 / it.frame.cells as f64;
        places.extend(cells.into_iter().take(CELLS_TRIED).map(|cell| (Some(cell), each)));
    }
    let mut total: Vec<f64> = Vec::new();
    let mut highest = f64::NEG_INFINITY;
    let mut spells: Vec<(Spell, f64)> = Vec::new();
    for (place, share) in places {
        let inside = |at: usize| place.is_none_or(|cell| it.frame.population(at % width).1 == cell);
        let pattern: Vec<f64> = (0..it.counts.len()).map(|at| if inside(at) { 1.0 } else { 0.0 }).collect();
        let rows = rows(it, &pattern);
        let price = (share / (blocks * LENGTHS.len() * SIZES) as f64).ln();
        let mut best: [Option<Spell>; LENGTHS.len()] = [None; LENGTHS.len()];
        for index in 0..SIZES {
            let mut sums = vec![0.0; blocks + 1];
            for block in 0..blocks {
                let row = &rows[block];
                sums[block + 1] = sums[block] + if row.harm > 0.0 { row.gain(size(index)) } else { 0.0 };
            }
            for start in 0..blocks {
                for (number, length) in LENGTHS.into_iter().enumerate() {
                    let end = start.saturating_add(length).min(blocks);
                    let quick = sums[end] - sums[start] + price;
                    highest = highest.max(quick);
                    if quick > highest - 25.0 {
                        total.push(quick);
                    }
                    if best[number].is_none_or(|best| quick > best.quick) {
                        best[number] = Some(Spell { place, start, end, size: size(index), quick, price });
                    }
                }
            }
        }
        let again = |spell: Spell| (spell, calm.gain(&rows, spell.size, spell.start..spell.end) + spell.price);
        spells.extend(best.into_iter().flatten().map(again));
    }
    let top = spells.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|it| it.0);
    let quick: Vec<f64> = spells.iter().map(|it| it.0.quick).collect();
    let slow: Vec<f64> = spells.iter().map(|it| it.1).collect();
    let inside = |at: usize| {
        let block = at / width.max(1);
        top.is_some_and(|top| {
            (top.start..top.end).contains(&block)
                && top.place.is_none_or(|cell| it.frame.population(at % width).1 == cell)
        })
    };
    Explanation {
        change: None,
        kind: Kind::Ambient,
        shape: Shape::Ambient,
        prior: 0.32,
        ln_likelihood: ln_sum(&total) + ln_sum(&slow) - ln_sum(&quick),
        probability: 0.0,
        size: top.map_or(0.0, |top| top.size),
        pattern: (0..it.counts.len()).map(|at| if inside(at) { 1.0 } else { 0.0 }).collect(),
    }
}

/// The same harm, but only from some block on, since something else had to come to it: it pays for not saying when.
pub(crate) fn later(it: &Attribution, calm: &Calm, early: &Explanation, new: bool) -> Option<Explanation> {
    /// How much less probable than harm from the beginning on, by crashes that are usual here and by such as never were.
    const RARER: f64 = 0.015;
    const RARER_NEW: f64 = 0.15;
    let shape = match early.shape {
        Shape::Release => Shape::ReleaseLater,
        Shape::ShareInCell => Shape::ShareLater,
        _ => return None,
    };
    let blocks = it.frame.blocks.len();
    let rows = rows(it, &early.pattern);
    let first = rows.iter().position(|row| row.harm > 0.0)?;
    let price = -((blocks - first) as f64 * SIZES as f64).ln();
    let (mut all, mut best) = (Vec::new(), None::<(f64, usize, f64)>);
    for index in 0..SIZES {
        let mut sum = 0.0;
        for start in (first..blocks).rev() {
            sum += if rows[start].harm > 0.0 { rows[start].gain(size(index)) } else { 0.0 };
            if start == first {
                continue;
            }
            all.push(sum + price);
            if best.is_none_or(|best| sum > best.0) {
                best = Some((sum, start, size(index)));
            }
        }
    }
    let (quick, start, most_likely) = best?;
    let slow = calm.gain(&rows, most_likely, start..blocks);
    let width = it.frame.width();
    let keep = |(at, part): (usize, &f64)| if at / width < start { 0.0 } else { *part };
    Some(Explanation {
        shape,
        prior: early.prior * if new { RARER_NEW } else { RARER },
        ln_likelihood: ln_sum(&all) + slow - quick,
        size: most_likely,
        pattern: early.pattern.iter().enumerate().map(keep).collect(),
        ..early.clone()
    })
}
