//! When harm began, to the minute, with a 95 % interval. What harmed is taken as given.

use super::{
    MINUTE, Micros,
    attribution::{Attribution, Explanation},
    site::Site,
};

/// The best single answer, and the ends of the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Began {
    pub(crate) at: Micros,
    pub(crate) earliest: Micros,
    pub(crate) latest: Micros,
}

/// When the harm of this explanation began: at the change's first exposure with weight 0.6, or in any minute since. Without a
/// change, in any minute at all.
pub(crate) fn began(
    site: &Site,
    it: &Attribution,
    explanation: &Explanation,
    first: Option<Micros>,
    wanted: &dyn Fn(u32) -> bool,
    alarm: Micros,
) -> Began {
    let harm = it.harm(explanation);
    let width = it.frame.width();
    let by_block: Vec<f64> =
        (0..it.frame.blocks.len()).map(|b| harm[b * width..(b + 1) * width].iter().sum()).collect();
    let (frame_start, frame_end) =
        (it.frame.blocks.first().map_or(alarm, |b| b.0), it.frame.blocks.last().map_or(alarm, |b| b.1));
    // An explanation without a change is fitted in blocks; its first harm may lie a little before the first of them.
    let start = first.unwrap_or_else(|| {
        let block = by_block.iter().position(|harm| *harm > 0.0).unwrap_or(0);
        it.frame.blocks[block].0 - 30 * MINUTE
    });
    let start = start.max(frame_start).min(alarm);
    let end = alarm.min(frame_end).max(start + 1);
    // Whom harm that began at some time reaches: everybody, or, where a change is behind it, whom it reached in the end.
    let reach = |at: usize| {
        let last = explanation.pattern.len().saturating_sub(width) + at % width.max(1);
        if explanation.shape.is_later() { explanation.pattern.get(last).copied().unwrap_or(0.0) } else { 1.0 }
    };
    // What a crash says: it is harm, or it was to be expected.
    let mut crashes: Vec<(Micros, f64)> = Vec::new();
    for event in
        it.frame.events(site, |event| event.counts && event.at >= start && event.at < end && wanted(event.signature))
    {
        let Some(block) = it.frame.block_of(event.at) else { continue };
        let Some(at) = it.frame.release_of(block, event).and_then(|release| it.frame.at(block, release, event.cell))
        else {
            continue;
        };
        let harm = if first.is_some() { harm[at] } else { it.full(at) * explanation.size * reach(at) };
        if harm > 0.0 {
            crashes.push((event.at, f64::from(event.times) * (1.0 + harm / it.expected[at].max(1e-12)).ln()));
        }
    }
    let rate_at = |at: Micros| {
        let block = it.frame.block_of(at).unwrap_or(0);
        let (from, to) = it.frame.blocks[block];
        let harm = if first.is_some() || by_block[block] > 0.0 {
            by_block[block]
        } else {
            (block * width..(block + 1) * width).map(|at| it.full(at) * explanation.size * reach(at)).sum()
        };
        harm / (to - from).max(1) as f64
    };
    // ln of the weight of "it began in this minute": what was spared before, less the crashes that then go unexplained.
    let minutes = ((end - start) / MINUTE).clamp(1, 36 * 60) as usize;
    let mut weights = Vec::with_capacity(minutes);
    let (mut spared, mut lost, mut next) = (0.0, 0.0, 0);
    for minute in 0..minutes {
        let at = start + minute as Micros * MINUTE;
        while next < crashes.len() && crashes[next].0 < at {
            lost += crashes[next].1;
            next += 1;
        }
        weights.push(spared - lost);
        spared += rate_at(at) * MINUTE as f64;
    }
    let top = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let flat: f64 = if first.is_some() { 0.4 } else { 1.0 };
    let mut weights: Vec<f64> = weights.iter().map(|it| (it - top).exp() * flat / minutes as f64).collect();
    if first.is_some() {
        weights[0] += 0.6 * (-top).exp();
    }
    let all: f64 = weights.iter().sum();
    let quantile = |p: f64| {
        let mut sum = 0.0;
        let found = weights.iter().position(|weight| {
            sum += weight / all;
            sum >= p
        });
        start + found.unwrap_or(minutes - 1) as Micros * MINUTE
    };
    let earliest = quantile(0.025);
    let at = if weights[0] / all >= 0.5 { start } else { quantile(0.5) };
    let mut latest = quantile(0.975) + MINUTE;
    // The first crash that can be harm is never outside: harm begins at the latest with it.
    if let Some((first_crash, _)) = crashes.iter().find(|it| it.1 > 1.0) {
        latest = latest.max((*first_crash).min(start + 3 * 60 * MINUTE));
    }
    let latest = latest.min(alarm);
    Began { at: at.min(latest), earliest: earliest.min(at).min(latest), latest }
}
