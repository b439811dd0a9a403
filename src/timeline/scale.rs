//! From values to places: time axes, square-root rate scales, linear counts, and the ticks on them.
//!
//! Pure arithmetic; no drawing. Every function answers with finite numbers, whatever it is given.

use super::words;
use crate::domain::Time;

/// Lengths that people count time in, seconds, ascending.
const SPANS: [i64; 22] = [
    10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000,
    1_728_000, 2_592_000, 7_776_000, 15_552_000, 31_536_000,
];

/// How many buckets an axis has at most.
pub(super) const BUCKETS: usize = 40;

/// A time axis: where an instant lies between two edges, px.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeScale {
    from: Time,
    seconds: f64,
    left: f64,
    plot: f64,
}

impl TimeScale {
    /// An axis of `plot` px that begins at `left`; a range under a minute is widened to one.
    pub fn new(from: Time, to: Time, left: f64, plot: f64) -> TimeScale {
        let seconds = ((to - from).num_milliseconds() as f64 / 1000.0).max(60.0);
        TimeScale { from, seconds, left, plot }
    }

    /// Where an instant lies; it may lie outside the edges.
    pub fn x(&self, time: Time) -> f64 {
        self.at(self.offset(time))
    }

    /// Where an instant lies, moved to the nearest edge if it is outside.
    pub fn x_within(&self, time: Time) -> f64 {
        self.x(time).clamp(self.left, self.left + self.plot)
    }

    /// Where so many seconds after the left edge lie.
    pub fn at(&self, offset: f64) -> f64 {
        self.left + offset / self.seconds * self.plot
    }

    /// Seconds from the left edge to an instant.
    pub fn offset(&self, time: Time) -> f64 {
        (time - self.from).num_milliseconds() as f64 / 1000.0
    }

    /// The instant so many seconds after the left edge.
    pub fn time(&self, offset: f64) -> Time {
        let millis = if offset.is_finite() { (offset * 1000.0).round() as i64 } else { 0 };
        self.from.checked_add_signed(chrono::TimeDelta::milliseconds(millis)).unwrap_or(self.from)
    }

    /// The length of the range, seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Ticks at round instants, at least `apart` px from each other.
    pub fn ticks(&self, apart: f64) -> Vec<TimeTick> {
        let least = apart / self.plot.max(1.0) * self.seconds;
        let step = SPANS.into_iter().find(|span| *span as f64 >= least).unwrap_or(SPANS[SPANS.len() - 1]);
        self.rounds(step)
            .into_iter()
            .map(|offset| {
                let time = self.time(offset);
                let midnight = time.timestamp().rem_euclid(86_400) == 0;
                TimeTick { x: self.at(offset), time, midnight, by_day: step >= 86_400 }
            })
            .collect()
    }

    /// The bucket length in which the range has at most `most` buckets, seconds.
    pub fn bucket(&self, most: usize) -> i64 {
        let least = self.seconds / most.max(1) as f64;
        // Ten seconds is for ticks; counts by less than a minute say nothing.
        SPANS.into_iter().find(|span| *span >= 60 && *span as f64 >= least).unwrap_or(SPANS[SPANS.len() - 1])
    }

    /// How many minutes may be one without being seen: a twelfth of a bucket of this axis at most, and whole ones fill a bucket.
    pub fn grain(&self) -> i64 {
        let bucket = self.bucket(BUCKETS) / 60;
        let fits = |minutes: &i64| bucket % minutes == 0 && 12 * minutes <= bucket;
        [60, 30, 15, 10, 5, 2].into_iter().find(fits).unwrap_or(1)
    }

    /// Buckets of that length on round instants, as offsets from the left edge in seconds; the first and the last are cut.
    pub fn buckets(&self, length: i64) -> Vec<(f64, f64)> {
        let mut edges = self.rounds(length);
        if edges.first().is_none_or(|first| *first > 0.001) {
            edges.insert(0, 0.0);
        }
        if edges.last().is_none_or(|last| *last < self.seconds - 0.001) {
            edges.push(self.seconds);
        }
        edges.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Offsets of instants that are multiples of `step` seconds since 1970, within the range.
    fn rounds(&self, step: i64) -> Vec<f64> {
        let step = step.max(1);
        let start = self.from.timestamp_millis() as f64 / 1000.0;
        let first = (start / step as f64).ceil() * step as f64 - start;
        let count = ((self.seconds - first) / step as f64 + 1e-9).floor();
        if !(0.0..=10_000.0).contains(&count) {
            return Vec::new();
        }
        (0..=count as i64).map(|i| first + (i * step) as f64).collect()
    }
}

/// One tick of a time axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeTick {
    /// Where, px.
    pub x: f64,
    /// When.
    pub time: Time,
    /// Whether a UTC day begins there.
    pub midnight: bool,
    /// Whether ticks are a day or more apart.
    pub by_day: bool,
}

impl TimeTick {
    /// The words at the tick: the clock, or the day where one begins.
    pub fn words(&self) -> String {
        if self.by_day || self.midnight { words::short_day(self.time) } else { words::clock(self.time) }
    }
}

/// A square-root scale from 0: counts of rare things scatter evenly on it, and an early rise and a late climb both show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RootScale {
    /// The value at the top.
    pub top: f64,
    /// The height, px.
    pub height: f64,
}

impl RootScale {
    /// How far above the base a value lies, px; what is above the top lies on it.
    pub fn up(&self, value: f64) -> f64 {
        if self.top <= 0.0 || !value.is_finite() {
            return 0.0;
        }
        (value.clamp(0.0, self.top) / self.top).sqrt() * self.height
    }

    /// Round values from 0 to the top that are at least `apart` px from each other.
    pub fn ticks(&self, apart: f64) -> Vec<f64> {
        let mut ticks: Vec<f64> = Vec::new();
        let mut value = round_down(self.top);
        while value > 0.0 && self.up(value) >= apart {
            if ticks.last().is_none_or(|above| self.up(*above) - self.up(value) >= apart) {
                ticks.push(value);
            }
            value = next_lower(value);
        }
        ticks.push(0.0);
        ticks.reverse();
        ticks
    }
}

/// The next of 1, 2, 5, 10, 20 … at or above a value; 1 where there is none.
pub fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|part| part * power).find(|top| *top >= value * 0.999_999).unwrap_or(power)
}

/// The next of 1, 1.5, 2, 3, 4, 6, 8, 10, 15 … at or above a value, for the top of a scale; 1 where there is none.
pub fn round_up_finely(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let parts = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0];
    parts.into_iter().map(|part| part * power).find(|top| *top >= value * 0.999_999).unwrap_or(power * 10.0)
}

fn round_down(value: f64) -> f64 {
    let up = round_up(value);
    if up <= value * 1.000_001 { up } else { next_lower(up) }
}

fn next_lower(value: f64) -> f64 {
    let power = 10f64.powf((value.log10() + 1e-9).floor());
    match (value / power).round() as i64 {
        1 => power / 2.0,
        2 => power,
        _ => power * 2.0,
    }
}

/// Round values from 0 for a linear count scale of that height, at least `apart` px from each other; the last is the top.
pub fn count_ticks(most: f64, height: f64, apart: f64) -> Vec<f64> {
    let most = if most.is_finite() { most.max(1.0) } else { 1.0 };
    let parts = (height / apart.max(1.0)).floor().max(1.0);
    let step = round_up((most / parts).max(1.0)).round();
    let count = (most / step - 1e-9).ceil().max(1.0) as i64;
    (0..=count).map(|i| i as f64 * step).collect()
}

/// What a past rate lets expect, per thousand units of exposure, 95 %: a smooth Poisson interval after Anscombe (1948).
/// None where nothing ran or nothing is known of the past.
pub fn band(expected_per_unit: f64, units: f64) -> Option<(f64, f64)> {
    let known = units.is_finite() && expected_per_unit.is_finite();
    if !known || units <= 0.0 || expected_per_unit < 0.0 {
        return None;
    }
    let root = (expected_per_unit * units + 0.375).sqrt();
    let low = ((root - 0.98).max(0.0).powi(2) - 0.375).max(0.0);
    let high = (root + 0.98).powi(2) - 0.375;
    Some((low / units * 1000.0, high / units * 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::{minutes, parse};

    fn time(text: &str) -> Time {
        parse(text).expect("valid")
    }

    fn range(length_minutes: i64, plot: f64) -> TimeScale {
        let from = time("2026-03-03T00:07:00Z");
        TimeScale::new(from, from + minutes(length_minutes), 160.0, plot)
    }

    #[test]
    fn ticks_are_round_and_apart_for_any_range_from_half_an_hour_to_a_month() {
        for length in [30, 45, 60, 180, 480, 600, 1440, 1800, 3 * 1440, 7 * 1440, 30 * 1440] {
            for (plot, apart) in [(960.0, 72.0), (320.0, 62.0)] {
                let ticks = range(length, plot).ticks(apart);
                assert!((2..=16).contains(&ticks.len()), "{length} minutes on {plot} px: {} ticks", ticks.len());
                assert!(ticks.windows(2).all(|pair| pair[1].x - pair[0].x >= apart - 0.01), "{length}");
                assert!(ticks.iter().all(|tick| tick.time.timestamp() % 60 == 0), "{length}");
            }
        }
    }

    #[test]
    fn eight_hours_are_ticked_by_the_hour_and_counted_by_the_quarter() {
        let from = time("2026-03-03T00:00:00Z");
        let scale = TimeScale::new(from, from + minutes(480), 160.0, 960.0);
        let words: Vec<String> = scale.ticks(72.0).iter().map(TimeTick::words).collect();
        assert_eq!(words, ["3 Mar", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00", "08:00"]);
        assert_eq!(scale.bucket(40), 900);
        assert_eq!(scale.buckets(900).len(), 32);
    }

    #[test]
    fn buckets_cover_the_range_without_gap_also_from_a_crooked_start() {
        for length in [30, 480, 1800, 30 * 1440] {
            let scale = range(length, 960.0);
            let buckets = scale.buckets(scale.bucket(40));
            assert!(buckets.len() <= 41, "{length}: {}", buckets.len());
            assert_eq!(buckets[0].0, 0.0);
            assert!((buckets[buckets.len() - 1].1 - length as f64 * 60.0).abs() < 0.01);
            assert!(buckets.windows(2).all(|pair| pair[0].1 == pair[1].0));
        }
    }

    #[test]
    fn what_is_summed_unseen_fills_buckets_and_is_a_twelfth_of_one_at_most() {
        let grain = |minutes: i64| range(minutes, 960.0).grain();
        assert_eq!([30, 480, 1440, 3 * 1440, 7 * 1440, 90 * 1440].map(grain), [1, 1, 5, 10, 30, 60]);
        for minutes in (1..200).map(|step| step * 137) {
            let scale = range(minutes, 960.0);
            let (bucket, grain) = (scale.bucket(BUCKETS), 60 * scale.grain());
            assert!(bucket % grain == 0 && (grain == 60 || 12 * grain <= bucket), "{minutes}: {grain} of {bucket}");
        }
    }

    #[test]
    fn an_empty_range_is_a_minute_long() {
        let from = time("2026-03-03T00:00:00Z");
        let scale = TimeScale::new(from, from, 0.0, 100.0);
        assert_eq!(scale.seconds(), 60.0);
        assert!(scale.x(from + minutes(1)).is_finite());
    }

    #[test]
    fn a_quarter_of_the_top_is_half_as_high() {
        let scale = RootScale { top: 1000.0, height: 140.0 };
        assert_eq!(scale.up(250.0), 70.0);
        assert_eq!(scale.up(5000.0), 140.0);
        assert_eq!(scale.up(f64::NAN), 0.0);
        assert_eq!(scale.ticks(20.0), [0.0, 50.0, 200.0, 500.0, 1000.0]);
    }

    #[test]
    fn count_ticks_are_whole_and_reach_the_largest_count() {
        for most in [0.0, 1.0, 3.0, 13.0, 99.0, 1e6] {
            let ticks = count_ticks(most, 100.0, 22.0);
            assert!(ticks[ticks.len() - 1] >= most && ticks.len() <= 6, "{most}: {ticks:?}");
            assert!(ticks.iter().all(|tick| tick.fract() == 0.0), "{most}: {ticks:?}");
        }
    }

    #[test]
    fn the_band_widens_as_exposure_falls_and_is_unknown_without_any() {
        let (wide_low, wide_high) = band(0.012, 10.0).expect("valid");
        let (low, high) = band(0.012, 1000.0).expect("valid");
        assert!(wide_high - wide_low > high - low);
        assert!(low <= 12.0 && 12.0 <= high);
        assert_eq!(band(0.012, 0.0), None);
        assert_eq!(band(f64::NAN, 1.0), None);
    }
}
