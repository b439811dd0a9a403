//! What came before: trouble without a change that was said of the same service or the same signatures. A signature that is known to
//! come in bursts blames no change by a single burst.

use super::{HOUR, Judge, Micros, attribution::Attribution, candidate::Change, frame::Frame, shape::Shape};
use crate::domain::finding::Kind;

/// So many times before without a change is a habit.
pub(crate) const HABIT: usize = 2;

impl Judge {
    /// Trouble of the same service that no change explains and that was said, going on or lately over.
    pub(crate) fn spells_beside(&self, number: usize, until: Micros) -> Vec<(Micros, Micros)> {
        let beside = self.cases.iter().enumerate().filter(|(other, case)| {
            *other != number
                && case.room == self.cases[number].room
                && case.number > 0
                && case.withdrawn.is_none()
                && case.kind == Kind::Ambient
                && case.ended.is_none_or(|ended| until - ended.0 < 2 * HOUR)
        });
        beside.map(|(_, case)| (case.onset.at, case.ended.map_or(until, |ended| ended.0))).collect()
    }

    /// How often, in the two weeks before, one of a case's signatures crashed too much and went quiet again without a change behind it.
    pub(crate) fn precedents(&self, number: usize) -> usize {
        const REMEMBERED: Micros = 14 * 24 * HOUR;
        let case = &self.cases[number];
        let before = self.cases.iter().filter(|other| {
            other.room == case.room
                && other.number > 0
                && other.withdrawn.is_none()
                && other.blamed().is_none()
                && other.ended.is_some_and(|ended| ended.0 < case.alarm && case.alarm - ended.0 < REMEMBERED)
        });
        before.filter(|other| other.signatures.iter().any(|it| case.signatures.contains(it))).count()
    }
}

impl Attribution {
    /// Blames no change more than without the largest burst: what it has less is trouble that no change explains.
    pub(crate) fn doubt_burst(&mut self, without: &Attribution) {
        let without = without.changes();
        let part = |(change, with): (Change, f64)| {
            let without = without.iter().find(|it| it.0 == change).map_or(0.0, |it| it.1);
            (change, if with > without { without / with } else { 1.0 })
        };
        let less: Vec<(Change, f64)> = self.changes().into_iter().map(part).collect();
        let mut lost = 0.0;
        for it in &mut self.explanations {
            let Some(part) = less.iter().find(|less| Some(less.0) == it.change).map(|less| less.1) else { continue };
            lost += it.probability * (1.0 - part);
            it.probability *= part;
        }
        if let Some(ambient) = self.explanations.iter_mut().find(|it| it.shape == Shape::Ambient) {
            ambient.probability += lost;
        }
        self.burst_doubted = lost > 0.0;
        self.explanations.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    }
}

/// Takes the two neighbouring blocks of one cell with the most crashes beyond the usual back to the usual.
pub(crate) fn spare(frame: &Frame, counts: &mut [f64], expected: &[f64]) {
    let width = frame.width();
    let places = |block: usize, cell: usize| {
        let last = (block + 2).min(frame.blocks.len()) * width;
        (block * width..last).filter(move |at| frame.population(at % width).1 == cell)
    };
    let beyond = |(block, cell): (usize, usize)| places(block, cell).map(|at| counts[at] - expected[at]).sum::<f64>();
    let bursts = (0..frame.blocks.len()).flat_map(|block| (0..frame.cells).map(move |cell| (block, cell)));
    let Some((block, cell)) = bursts.max_by(|a, b| beyond(*a).total_cmp(&beyond(*b))) else { return };
    for at in places(block, cell) {
        counts[at] = counts[at].min(expected[at].round());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{MINUTE, attribution::Explanation, site::Site};

    /// Two hours of one release in two cells, in eight blocks.
    fn frame() -> Frame {
        let mut site = Site::new("relay", "production");
        for window in 0..24 {
            for cell in ["one", "two"] {
                site.ran("A", cell, window * 5 * MINUTE, 300.0, 10.0, 0.0);
            }
        }
        Frame::new(&site, &[], 0, 2 * HOUR, 8)
    }

    #[test]
    fn the_largest_burst_is_taken_back_to_the_usual_and_nothing_else() {
        let frame = frame();
        let (blocks, width) = (frame.blocks.len(), frame.width());
        let of_cell = |cell: usize| (0..width).find(|place| frame.population(*place).1 == cell).expect("a place");
        let at = |block: usize, cell: usize| block * width + of_cell(cell);
        let expected = vec![1.0; blocks * width];
        let mut counts = vec![1.0; blocks * width];
        counts[at(2, 0)] = 9.0;
        counts[at(3, 0)] = 7.0;
        counts[at(3, 1)] = 6.0;
        counts[at(5, 0)] = 0.0;
        let mut want = counts.clone();
        (want[at(2, 0)], want[at(3, 0)]) = (1.0, 1.0);
        spare(&frame, &mut counts, &expected);
        assert_eq!(counts, want);
    }

    #[test]
    fn blame_that_hangs_on_one_burst_goes_to_no_change_and_other_blame_stays() {
        let told = |guilty: f64, other: f64| {
            let explanation = |change: Option<Change>, shape: Shape, probability: f64| Explanation {
                change,
                probability,
                ..Explanation::without_change(shape, 0.1, Vec::new())
            };
            Attribution {
                frame: frame(),
                counts: Vec::new(),
                reports: Vec::new(),
                expected: Vec::new(),
                unit: 1.0,
                candidates: Vec::new(),
                burst_doubted: false,
                explanations: vec![
                    explanation(Some(Change::Push(0)), Shape::Release, guilty),
                    explanation(Some(Change::Push(1)), Shape::Release, other),
                    explanation(None, Shape::Ambient, 1.0 - guilty - other),
                ],
            }
        };
        let mut it = told(0.9, 0.05);
        it.doubt_burst(&told(0.09, 0.5));
        let of = |number: usize| it.changes().iter().find(|it| it.0 == Change::Push(number)).map_or(0.0, |it| it.1);
        assert!((of(0) - 0.09).abs() < 1e-9 && (of(1) - 0.05).abs() < 1e-9, "{:?}", it.changes());
        assert!((it.ambient() - 0.86).abs() < 1e-9, "{}", it.ambient());
        assert_eq!(it.explanations[0].shape, Shape::Ambient, "the most probable first");
        assert!(it.burst_doubted);
        let mut sure = told(0.9, 0.05);
        sure.doubt_burst(&told(0.95, 0.05));
        assert!(!sure.burst_doubted && (sure.explanations[0].probability - 0.9).abs() < 1e-9, "{sure:?}");
    }
}
