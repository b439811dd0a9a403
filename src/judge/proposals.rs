//! Every way in which one change may harm: where, when, and how probable before the crashes are looked at. How well each explains them
//! is weighed in `attribution`.

use super::{
    HOUR, MINUTE, Micros,
    attribution::{Attribution, Explanation, Question},
    candidate::{Candidate, Change},
    shape::Shape,
};
use crate::domain::finding::Kind;

impl Question<'_> {
    /// Every way in which one change may harm, with its prior: pushes in proportion to what post-mortems found of triggers, harm to
    /// others by the two thirds of upgrade failures that come from two versions together (Zhang et al., SOSP 2021).
    pub(crate) fn propose(
        &self,
        it: &Attribution,
        candidate: &Candidate,
        new_signature: bool,
        found: &mut Vec<Explanation>,
    ) {
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
        let of_all = self.changes.of_all(candidate, frame, &doses);
        let anywhere: Vec<bool> = (0..frame.blocks.len())
            .map(|block| (0..frame.cells).any(|cell| doses[block * frame.cells + cell] > 0.0))
            .collect();
        // The share of all as it was: an hour behind, and piled up over four hours.
        let (mut behind, mut piled) = (Vec::new(), Vec::new());
        let (mut late, mut stock) = (0.0, 0.0_f64);
        for (block, share) in of_all.iter().enumerate() {
            let (start, end) = frame.blocks[block];
            let hours = (end - start) as f64 / HOUR as f64;
            let keep = (-hours).exp();
            late = late * keep + share * (1.0 - keep);
            stock = (stock + share * hours / 4.0).min(1.0);
            behind.push(late);
            piled.push(stock);
        }
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
                for hours in [1, 4] {
                    let back = ((Micros::from(hours) * HOUR) / (frame.blocks[0].1 - frame.blocks[0].0).max(1)) as usize;
                    add(itself, Shape::ReleaseAged(hours), 0.02, &|b, other, c| {
                        let now = frame.share(b, release, c);
                        if other != release || b < back || now <= 0.0 {
                            return 0.0;
                        }
                        (frame.share(b - back, release, c) / now).min(1.0)
                    });
                }
                // Just after a step some of it still bears the old name: what is heard of it a little before or after tells how much.
                let length = (frame.blocks[0].1 - frame.blocks[0].0).max(1);
                let near = (1 + 15 * MINUTE / length) as usize;
                let steps = &self.changes.pushes[number].steps;
                let unsaid = |b: usize, other: u16, c: usize| {
                    let (start, end) = frame.blocks[b];
                    let ran = frame.at(b, other, c as u16).map_or(0.0, |at| frame.ran[at]);
                    if ran <= 0.0 || !steps.iter().any(|step| step.at < end && start < step.at + 15 * MINUTE) {
                        return 0.0;
                    }
                    let around = b.saturating_sub(near)..(b + near + 1).min(frame.blocks.len());
                    let most = around.map(|b| dose(b, c)).fold(0.0, f64::max);
                    ((most - dose(b, c)) * frame.in_cell(b, c) / ran).clamp(0.0, 1.0)
                };
                add(itself, Shape::ReleaseMislabelled, 0.04, &|b, other, c| {
                    if other == release { 1.0 } else { unsaid(b, other, c) }
                });
                add(Kind::Collateral, Shape::ShareBehind, 0.06 * prior, &|b, other, _| (1.0 - own(other)) * behind[b]);
                add(Kind::Collateral, Shape::PilesUp, 0.06 * prior, &|b, other, _| (1.0 - own(other)) * piled[b]);
                // The release crashes by itself and harms the others too, in some proportion.
                for itself in [0.1, 0.3, 1.0] {
                    add(Kind::Mixed, Shape::ReleaseAndShare, 0.004 * clue, &|b, other, c| {
                        if other == release { itself } else { dose(b, c) }
                    });
                }
                // Everybody alike by its share: where all cells have the same share, that is hardly more than "it rose".
                let even =
                    (0..frame.blocks.len()).all(|b| (1..frame.cells).all(|c| (dose(b, c) - dose(b, 0)).abs() < 0.02));
                add(Kind::Mixed, Shape::ShareInCell, clue * if even { 0.001 } else { 0.006 }, &|b, _, c| dose(b, c));
                if let Some(back) = self.changes.pushes[number].taken_back() {
                    add(Kind::Rollback, Shape::Returning, 0.05 * clue, &|b, other, c| {
                        let (start, end) = frame.blocks[b];
                        let after = (end - back.clamp(start, end)) as f64 / (end - start).max(1) as f64;
                        (1.0 - own(other)) * (1.0 - dose(b, c)) * after
                    });
                }
            }
            (Change::Push(_), None) => {
                add(Kind::Collateral, Shape::ShareInCell, 0.06 * clue, &|b, _, c| dose(b, c));
                add(Kind::Collateral, Shape::ShareOfAll, 0.05 * clue, &|b, _, _| of_all[b]);
                add(Kind::Collateral, Shape::PresentAnywhere, 0.04 * clue, &|b, _, _| yes(anywhere[b]));
                add(Kind::Collateral, Shape::ShareBehind, 0.02 * clue, &|b, _, _| behind[b]);
                add(Kind::Collateral, Shape::PilesUp, 0.01 * clue, &|b, _, _| piled[b]);
            }
            (Change::Flag(_), _) => {
                add(Kind::Flag, Shape::ShareInCell, 0.12 * clue, &|b, _, c| dose(b, c));
                add(Kind::Flag, Shape::PresentAnywhere, 0.03 * clue, &|b, _, _| yes(anywhere[b]));
                for push in it.candidates.iter().filter(|push| push.own && candidate.own) {
                    let Some(release) = push.release else { continue };
                    add(Kind::Flag, Shape::FlagInRelease, 0.06, &|b, other, c| yes(other == release) * dose(b, c));
                }
            }
        }
    }
}
