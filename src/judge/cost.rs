//! What a regression costs: crashes and clients beyond expectation since any instant. Counts are of reports, not of episodes.

use super::{
    Micros,
    beside::Part,
    candidate::Changes,
    frame::Frame,
    normal::Normal,
    site::{Event, Site},
    stats::{Z95, poisson_interval},
};
use crate::domain::finding::Estimate;

/// The victims' crashes since the onset, in order, with what was to be expected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cost {
    /// When, how many at once, and the clients of all of those.
    reports: Vec<(Micros, f64, f64)>,
    /// Start, end and expected reports of each block.
    expected: Vec<(Micros, Micros, f64)>,
    /// Crashes that the expectation rests on.
    past: f64,
    /// What the victims ran, in the basis.
    pub(crate) exposure: f64,
    /// Reports that are not evidence of their own.
    pub(crate) repeats: u64,
    /// All crashes of the victims against all that were to be expected.
    pub(crate) ratio: Estimate,
}

/// Which crashes are meant.
pub(crate) struct Scope<'a> {
    pub(crate) case: usize,
    pub(crate) victims: &'a [u16],
    pub(crate) wanted: &'a dyn Fn(u32) -> bool,
    /// Whether a crash belongs to another regression.
    pub(crate) other: &'a dyn Fn(&Event) -> bool,
}

impl Cost {
    /// Counts from `from` to `until`.
    pub(crate) fn new(
        site: &Site,
        changes: &Changes,
        normal: &Normal,
        scope: &Scope,
        from: Micros,
        until: Micros,
    ) -> Cost {
        let pushes = changes.pushes_of(&site.service, &site.environment);
        let until = until.max(from + 1);
        let frame = Frame::new(site, &pushes, from, until, 300);
        let weighed = normal.weighed(&frame);
        let with_beside = |wanted: &dyn Fn(u32) -> bool| {
            let mut expected = normal.expected(&frame, wanted);
            site.add_beside(&mut expected, &frame, &weighed, wanted, (Part::Whole, Some(scope.case)));
            expected
        };
        let (wanted, all) = (with_beside(scope.wanted), with_beside(&|_| true));
        let mut cost = Cost { past: normal.count(scope.wanted), ..Cost::default() };
        let (mut all_expected, mut all_found) = (0.0, 0.0);
        for (block, (start, end)) in frame.blocks.iter().enumerate() {
            // The onset lies inside its block: only the rest of it counts.
            let part = (end - from.clamp(*start, *end)) as f64 / (end - start) as f64;
            let mut sum = 0.0;
            for place in 0..frame.width() {
                let at = block * frame.width() + place;
                if scope.victims.contains(&frame.population(place).0) {
                    sum += wanted[at] * part;
                    all_expected += all[at] * part;
                    cost.exposure += frame.ran[at] * part;
                }
            }
            cost.expected.push((*start.max(&from), *end, sum * normal.reports_each()));
        }
        for event in frame.events(site, |event| event.at >= from && !(scope.other)(event)) {
            let release = frame.block_of(event.at).and_then(|block| frame.release_of(block, event));
            if !release.is_some_and(|release| scope.victims.contains(&release)) {
                continue;
            }
            all_found += f64::from(event.times);
            if (scope.wanted)(event.signature) {
                cost.reports.push((event.at, f64::from(event.times), f64::from(event.clients)));
                cost.repeats += if event.counts { 0 } else { u64::from(event.times) };
            }
        }
        let all_expected = (all_expected * normal.reports_each()).max(1e-6);
        let (low, high) = poisson_interval(all_found);
        let doubt = 1.0 + Z95 / (normal.count(|_| true) + 1.0).sqrt();
        cost.ratio = Estimate {
            estimate: round(all_found / all_expected),
            low: round(low / all_expected / doubt),
            high: round(high / all_expected * doubt),
        };
        cost
    }

    /// Reports since an instant.
    pub(crate) fn found(&self, since: Micros) -> f64 {
        self.reports.iter().filter(|it| it.0 >= since).map(|it| it.1).sum()
    }

    /// Reports to be expected since an instant.
    pub(crate) fn expected(&self, since: Micros) -> f64 {
        let part =
            |it: &(Micros, Micros, f64)| it.2 * ((it.1 - since.clamp(it.0, it.1)) as f64 / (it.1 - it.0).max(1) as f64);
        self.expected.iter().map(part).sum()
    }

    /// Clients of a report, on the mean.
    pub(crate) fn clients_each(&self) -> f64 {
        if self.reports.is_empty() {
            return 0.0;
        }
        let (reports, clients) = self.reports.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.1, sum.1 + it.2));
        clients / reports
    }

    /// Reports beyond expectation since an instant: what was found is a Poisson count, what was expected has the doubt of
    /// the past that it rests on.
    pub(crate) fn excess(&self, since: Micros) -> Estimate {
        self.beyond(self.found(since), self.expected(since))
    }

    /// Reports beyond expectation before an instant, counted from the onset.
    pub(crate) fn excess_before(&self, until: Micros) -> Estimate {
        let all = Micros::MIN;
        self.beyond(self.found(all) - self.found(until), self.expected(all) - self.expected(until))
    }

    fn beyond(&self, found: f64, expected: f64) -> Estimate {
        let doubt = Z95 / (self.past + 1.0).sqrt();
        let (low, high) = poisson_interval(found);
        Estimate {
            estimate: round((found - expected).max(0.0)),
            low: round((low - expected * (1.0 + doubt)).max(0.0)),
            high: round((high - expected * (1.0 - doubt).max(0.0)).max(0.0)),
        }
    }

    /// Clients dropped beyond expectation since an instant: a compound Poisson sum, whose variance is the sum of the squares.
    pub(crate) fn clients(&self, since: Micros) -> Estimate {
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        for (_, times, clients) in self.reports.iter().filter(|it| it.0 >= since) {
            sum += clients;
            squares += clients * clients / times;
            count += times;
        }
        if count == 0.0 {
            return Estimate::default();
        }
        let each = sum / count;
        let expected = self.expected(since);
        let estimate = (sum - expected * each).max(0.0);
        let doubt = expected * each / (self.past + 1.0).sqrt();
        let half = Z95 * (squares + doubt * doubt).sqrt();
        Estimate {
            estimate: estimate.round(),
            low: (estimate - half).max(0.0).round(),
            high: (estimate + half).round(),
        }
    }
}

/// Four significant digits, so that a figure means what it shows.
pub(crate) fn round(value: f64) -> f64 {
    if value.abs() < 1e-12 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}
