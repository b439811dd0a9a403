//! What must hold of the streams of evidence whatever the crashes.

use super::*;
use crate::judge::{HOUR, MINUTE, candidate::Candidate, tests::Dice};

const CELLS: usize = 3;
const BLOCKS: usize = 48;

/// Four hours of two releases in three cells: B has 5 %, 20 % and 50 % of one each.
fn scenery() -> (Frame, Vec<Dosed>) {
    let mut site = Site::new("relay", "production");
    for cell in 0..CELLS {
        let share = [0.05, 0.2, 0.5][cell];
        for (release, part) in [("A", 1.0 - share), ("B", share)] {
            let name = format!("cell-{}", cell + 1);
            site.ran(release, &name, 0, BLOCKS as f64 * 300.0, 100.0 * part, 0.0);
        }
    }
    let frame = Frame::new(&site, &[], 0, BLOCKS as Micros * 5 * MINUTE, BLOCKS);
    let candidate = Candidate {
        change: Change::Push(0),
        own: true,
        release: Some(1),
        rollback: false,
        first: 0,
        moves: vec![HOUR],
    };
    let doses = (0..BLOCKS).flat_map(|_| [0.05, 0.2, 0.5]).collect();
    (frame, vec![Dosed { candidate, doses, of_all: vec![0.25; BLOCKS] }])
}

/// Every stream's mean over the grid after all blocks, `factor` saying by how much each population crashes more than expected.
fn walk(draw: &mut dyn FnMut(f64) -> f64, rate: f64, factor: &dyn Fn(usize, u16, usize) -> f64) -> Vec<(Stream, f64)> {
    let (frame, doses) = scenery();
    let scene = Scene { doses: &doses, historical: true, tolerance: LEAST_TOLERANCE };
    let expected: Vec<f64> = frame.ran.iter().map(|ran| ran * rate).collect();
    let mut streams = Vec::new();
    for block in 0..BLOCKS {
        let mut counts = vec![0.0; expected.len()];
        for place in 0..frame.width() {
            let at = block * frame.width() + place;
            let (release, cell) = frame.population(place);
            counts[at] = draw(expected[at] * factor(block, release, cell));
        }
        scene.step(&mut streams, &frame, block, &counts, &expected);
    }
    streams.iter().map(|it| (it.0, it.1.iter().sum::<f64>() / it.1.len() as f64)).collect()
}

/// The mean of each stream over many walks, with its standard error.
fn means(walks: impl Iterator<Item = Vec<(Stream, f64)>>) -> Vec<(Stream, f64, f64)> {
    let mut sums: Vec<(Stream, f64, f64, f64)> = Vec::new();
    for (stream, value) in walks.flatten() {
        match sums.iter_mut().find(|it| it.0 == stream) {
            Some(it) => (it.1, it.2, it.3) = (it.1 + 1.0, it.2 + value, it.3 + value * value),
            None => sums.push((stream, 1.0, value, value * value)),
        }
    }
    let mean = |it: &(Stream, f64, f64, f64)| {
        let mean = it.2 / it.1;
        (it.0, mean, ((it.3 / it.1 - mean * mean).max(0.0) / it.1).sqrt())
    };
    sums.iter().map(mean).collect()
}

#[test]
fn no_stream_grows_while_nothing_is_wrong_however_the_crashes_clump() {
    // The worst of what is tolerated: everybody crashes a quarter more than expected, and by Poisson, or with the dispersion that is
    // taken for granted.
    let mut dice = Dice::new(7);
    for dispersed in [false, true] {
        let mut draw = |mean: f64| {
            let gamma: f64 = (0..50).map(|_| -(1.0 - dice.unit()).ln() / 50.0).sum();
            f64::from(dice.poisson(if dispersed { mean * gamma } else { mean }))
        };
        let walks = (0..1500).map(|_| walk(&mut draw, 0.05, &|_, _, _| LEAST_TOLERANCE));
        let found = means(walks);
        assert_eq!(found.len(), 7, "all kinds of stream are there: {found:?}");
        for (stream, mean, error) in found {
            assert!(mean <= 1.0 + 3.0 * error, "{stream:?}: {mean} ± {error}, dispersed {dispersed}");
            assert!(mean > 0.02, "{stream:?} never moves: {mean}");
        }
    }
}

#[test]
fn harm_of_each_kind_moves_the_streams_that_look_for_it() {
    let mut dice = Dice::new(8);
    let mut of = |factor: &dyn Fn(usize, u16, usize) -> f64| {
        let mut draw = |mean: f64| f64::from(dice.poisson(mean));
        walk(&mut draw, 0.05, factor)
    };
    let evidence = |found: &[(Stream, f64)], wanted: &dyn Fn(Stream) -> bool| {
        found.iter().filter(|it| wanted(it.0)).map(|it| it.1).fold(0.0, f64::max)
    };
    let own = of(&|_, release, _| if release == 1 { 6.0 } else { 1.0 });
    assert!(evidence(&own, &|it| it == Stream::Release(1)) > 1000.0, "{own:?}");
    assert!(evidence(&own, &|it| matches!(it, Stream::Direct(_))) > 1000.0, "{own:?}");
    let others = of(&|_, release, cell| if release == 0 { 1.0 + 10.0 * [0.05, 0.2, 0.5][cell] } else { 1.0 });
    assert!(evidence(&others, &|it| matches!(it, Stream::Dose(_))) > 1000.0, "{others:?}");
    assert!(evidence(&others, &|it| matches!(it, Stream::Cells(_))) > 1000.0, "{others:?}");
    let by_all = of(&|_, release, _| if release == 0 { 1.0 + 6.0 * 0.25 } else { 1.0 });
    let everywhere = evidence(&by_all, &|it| matches!(it, Stream::Everywhere(_)));
    assert!(everywhere > 1000.0, "{by_all:?}");
    assert!(everywhere > 10.0 * evidence(&by_all, &|it| matches!(it, Stream::Dose(_))), "{by_all:?}");
    let all = of(&|_, _, _| 4.0);
    assert!(evidence(&all, &|it| it == Stream::Total) > 1000.0, "{all:?}");
}

#[test]
fn what_compares_cells_and_releases_does_not_see_the_rate_of_a_minute() {
    // The same crashes where everything was expected to crash nine times as often in every second block.
    let (frame, doses) = scenery();
    let scene = Scene { doses: &doses, historical: true, tolerance: LEAST_TOLERANCE };
    let mut dice = Dice::new(9);
    let (mut plain, mut scaled) = (Vec::new(), Vec::new());
    for block in 0..BLOCKS {
        let expected: Vec<f64> = frame.ran.iter().map(|ran| ran * 0.05).collect();
        let times = if block % 2 == 0 { 9.0 } else { 1.0 };
        let more: Vec<f64> = expected.iter().map(|it| it * times).collect();
        let counts: Vec<f64> = expected.iter().map(|mean| f64::from(dice.poisson(2.0 * mean))).collect();
        scene.step(&mut plain, &frame, block, &counts, &expected);
        scene.step(&mut scaled, &frame, block, &counts, &more);
    }
    for ((stream, one), (_, other)) in plain.iter().zip(&scaled) {
        let near = one.iter().zip(other).all(|(one, other)| (one / other - 1.0).abs() < 1e-6);
        match stream {
            Stream::Cells(_) | Stream::Direct(_) => assert!(near, "{stream:?}: {one:?} {other:?}"),
            Stream::Total | Stream::Release(_) | Stream::Dose(_) | Stream::Everywhere(_) => {
                assert!(!near, "{stream:?} compares with the past")
            }
        }
    }
}
