//! Single bursts: many crashes of one cell at one time, which say less than as many that came one by one. A signature that is known
//! to come in bursts blames no change by one of them; and a few bursts of one signature, while a change moves, do not yet say that
//! nobody is behind it.

use super::{attribution::Attribution, candidate::Change, frame::Frame, shape::Shape};

impl Attribution {
    /// Blames no change more than without its largest bursts: what it has less is trouble that no change explains.
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

    /// Whether there is something beyond the usual, and next to nothing left of it without its largest burst.
    pub(crate) fn is_one_burst(&self) -> bool {
        self.is_of_bursts(1)
    }

    /// Whether there is something beyond the usual, and next to nothing left of it without its so many largest bursts.
    pub(crate) fn is_of_bursts(&self, most: usize) -> bool {
        const LEFT: f64 = 0.25;
        let beyond = |counts: &[f64]| counts.iter().zip(&self.expected).map(|it| it.0 - it.1).sum::<f64>();
        let all = beyond(&self.counts);
        let mut counts = self.counts.clone();
        (0..most).for_each(|_| spare(&self.frame, &mut counts, &self.expected));
        all > 0.0 && beyond(&counts) < LEFT * all
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
    use crate::judge::{HOUR, MINUTE, attribution::Explanation, site::Site};

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

    /// An attribution to two changes with these probabilities, the rest to no change.
    fn told(guilty: f64, other: f64) -> Attribution {
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
            weighed: Vec::new(),
            candidates: Vec::new(),
            burst_doubted: false,
            explanations: vec![
                explanation(Some(Change::Push(0)), Shape::Release, guilty),
                explanation(Some(Change::Push(1)), Shape::Release, other),
                explanation(None, Shape::Ambient, 1.0 - guilty - other),
            ],
        }
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
    fn one_burst_is_told_from_crashes_that_keep_coming() {
        let of = |times: &[(usize, f64)], most: usize| {
            let frame = frame();
            let mut counts = vec![0.0; frame.blocks.len() * frame.width()];
            times.iter().for_each(|(block, count)| counts[block * frame.width()] = *count);
            let expected = vec![0.01; counts.len()];
            Attribution { frame, counts, expected, ..told(0.5, 0.1) }.is_of_bursts(most)
        };
        assert!(of(&[(3, 12.0)], 1) && of(&[(3, 9.0), (4, 3.0)], 1), "one burst");
        assert!(of(&[(3, 12.0), (6, 1.0)], 1), "and next to nothing else");
        let three = [(1, 4.0), (3, 5.0), (6, 4.0)];
        assert!(!of(&three, 1) && !of(&three, 2) && of(&three, 3), "three of them");
        assert!(!of(&[], 1) && !of(&[], 3), "no more than usual, or less");
    }

    #[test]
    fn blame_that_hangs_on_one_burst_goes_to_no_change_and_other_blame_stays() {
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
