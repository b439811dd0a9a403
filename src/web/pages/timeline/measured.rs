//! How things stood at an instant: shares of releases and their crash rates, from what had run and crashed by then.

use super::loaded::{Loaded, TRAIL};
use crate::{
    domain::{Time, time},
    timeline::two_digits,
};

/// Less than so many instance-hours in the trailing half hour say nothing about a rate.
const LEAST_HOURS: f64 = 0.6;

/// How many crashes a mean lets expect: the 95 % range of the Poisson distribution, both ends included.
pub fn expected(mean: f64) -> (u64, u64) {
    if !mean.is_finite() || mean <= 0.0 {
        return (0, 0);
    }
    if mean > 500.0 {
        let spread = 1.96 * mean.sqrt();
        return ((mean - spread).floor() as u64, (mean + spread).ceil() as u64);
    }
    let (mut chance, mut below, mut count, mut low) = ((-mean).exp(), 0.0, 0u64, None);
    loop {
        below += chance;
        if low.is_none() && below >= 0.025 {
            low = Some(count);
        }
        if below >= 0.975 || count > 2000 {
            return (low.unwrap_or(0), count);
        }
        count += 1;
        chance *= mean / count as f64;
    }
}

/// What can be asked about any instant of the range.
pub struct Measured<'a> {
    loaded: &'a Loaded,
}

impl<'a> Measured<'a> {
    /// Over what was read.
    pub fn of(loaded: &'a Loaded) -> Measured<'a> {
        Measured { loaded }
    }

    /// The share of running instances on a release; none where nothing is known to have run then.
    pub fn share(&self, release: &str, at: Time) -> Option<String> {
        let (mut all, mut some) = (0.0, 0.0);
        for window in &self.loaded.exposures {
            let end = window.at + chrono::TimeDelta::milliseconds((window.seconds * 1000.0) as i64);
            if window.at <= at && at < end {
                all += window.instances;
                if window.release == release {
                    some += window.instances;
                }
            }
        }
        (all > 0.0).then(|| format!("{:.1} %", some / all * 100.0).replace(".0 %", " %"))
    }

    /// Crashes of a release per 1,000 instance-hours in the half hour before an instant, in words where too little ran.
    pub fn rate(&self, release: &str, at: Time) -> String {
        let from = at - time::minutes(TRAIL);
        let (mut hours, mut known) = (0.0, false);
        for window in self.loaded.exposures.iter().filter(|window| window.release == release) {
            let end = window.at + chrono::TimeDelta::milliseconds((window.seconds * 1000.0) as i64);
            let overlap = end.min(at) - window.at.max(from);
            known = true;
            hours += window.instances * overlap.num_seconds().max(0) as f64 / 3600.0;
        }
        if !known {
            return "–".into();
        }
        if hours < LEAST_HOURS {
            return format!("too little {release}");
        }
        let crashes = &self.loaded.crashes;
        let ours = crashes.iter().filter(|it| it.release.as_deref() == Some(release) && it.at > from && it.at <= at);
        let count: i64 = ours.map(|it| it.crashes).sum();
        two_digits(count as f64 / hours * 1000.0)
    }

    /// Crashes and instance-hours of a release from one instant to another.
    pub fn since(&self, release: &str, from: Time, to: Time) -> (i64, f64) {
        let hours = self.loaded.exposures.iter().filter(|it| it.release == release && it.at >= from && it.at <= to);
        let crashes = self.loaded.crashes.iter().filter(|it| it.release.as_deref() == Some(release));
        let count = crashes.filter(|it| it.at >= from && it.at <= to).map(|it| it.crashes).sum();
        (count, hours.map(|it| it.instance_hours()).sum())
    }

    /// How many instances of all releases ran last, and in how many cells; none where instances are not known.
    pub fn fleet(&self) -> Option<(f64, usize)> {
        let last = self.loaded.exposures.iter().filter(|it| it.instances > 0.0).map(|it| it.at).max()?;
        let recent: Vec<_> = self
            .loaded
            .exposures
            .iter()
            .filter(|it| {
                let end = it.at + chrono::TimeDelta::milliseconds((it.seconds * 1000.0) as i64);
                it.instances > 0.0 && it.at <= last && last < end
            })
            .collect();
        let mut cells: Vec<&str> = recent.iter().map(|it| it.cell.as_str()).collect();
        cells.sort_unstable();
        cells.dedup();
        Some((recent.iter().map(|it| it.instances).sum(), cells.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_range_widens_with_the_mean_and_holds_it() {
        assert_eq!(expected(0.0), (0, 0));
        assert_eq!(expected(0.01), (0, 0));
        assert_eq!(expected(6.7), (2, 12));
        let (low, high) = expected(900.0);
        assert!(low < 850 && high > 950, "{low} to {high}");
    }
}
