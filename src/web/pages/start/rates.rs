//! How often each release of a push crashed in the last hours, beside what its own past lets expect. Nothing is judged here.

use crate::{
    domain::{Time, exposure::Exposure, time},
    judge::Baseline,
    store::telemetry::CrashCount,
    timeline::{self, Class, two_digits},
};

/// How far back rates are drawn, minutes.
pub const BACK: i64 = 8 * 60;
/// The length of a bucket, minutes; a rate counts the last three.
const BUCKET: i64 = 10;
const TRAILING: usize = 3;
/// Below so many instance-hours in half an hour nothing is drawn.
const LEAST: f64 = 0.6;
/// Below so many instance-hours of its own past, nothing is expected of a release.
const LEAST_PAST: f64 = 20.0;

/// One release's rate, ready to print.
pub struct Rate {
    /// The release.
    pub release: String,
    /// The class of its name: `release-a` or `release-b`.
    pub class: &'static str,
    /// The rate over time; empty where too little ran.
    pub spark: String,
    /// The latest rate per 1,000 instance-hours, where enough ran.
    pub figure: Option<String>,
    /// What is said beside it.
    pub words: String,
}

/// What ran and what crashed of one release, in buckets of ten minutes.
struct Series {
    hours: Vec<f64>,
    crashes: Vec<f64>,
}

/// The rate of one release up to now.
pub fn rate(
    release: &str,
    class: Class,
    exposures: &[Exposure],
    crashes: &[CrashCount],
    baselines: &[Baseline],
    now: Time,
) -> Rate {
    let series = series(release, exposures, crashes, now);
    let points: Vec<Option<(f64, f64)>> = (TRAILING..=series.hours.len()).map(|end| trailing(&series, end)).collect();
    let past = baselines.iter().find(|it| it.release == release && it.hours >= LEAST_PAST);
    // The last half hour at whose end the release still ran.
    let runs = |at: &usize| points[*at].is_some() && series.hours[*at + TRAILING - 1] > 0.0;
    let latest = (0..points.len()).rev().find(runs);
    let band = latest.and_then(|at| points[at]).and_then(|(_, hours)| timeline::scale::band(past?.rate, hours));
    let drawn: Vec<Option<f64>> = (0..points.len())
        .map(|at| points[at].filter(|_| latest.is_some_and(|latest| at <= latest)).map(|(rate, _)| rate))
        .collect();
    let class_name = if class == Class::Replaced { "release-a" } else { "release-b" };
    let Some(at) = latest else {
        return Rate {
            release: release.to_owned(),
            class: class_name,
            spark: String::new(),
            figure: None,
            words: "not enough data".into(),
        };
    };
    let gone = at + 2 < points.len();
    let last = if gone { last_half_hour(release, exposures, crashes, now) } else { points[at] };
    let band = last.and_then(|(_, hours)| timeline::scale::band(past?.rate, hours)).or(band);
    let when = if gone { " in its last half hour" } else { "" };
    let expected = match band {
        Some((low, high)) => format!("expected {} to {}", figure(low), figure(high)),
        None => "no past of its own to expect from".into(),
    };
    Rate {
        release: release.to_owned(),
        class: class_name,
        spark: timeline::spark(&drawn, band, class),
        figure: last.or(points[at]).map(|(rate, _)| figure(rate)),
        words: format!("{when}, {expected}"),
    }
}

fn figure(value: f64) -> String {
    if value < 1.0 { format!("{value:.0}") } else { two_digits(value) }
}

fn series(release: &str, exposures: &[Exposure], crashes: &[CrashCount], now: Time) -> Series {
    let count = (BACK / BUCKET) as usize;
    let (length, from) = (BUCKET as f64 * 60.0, now - time::minutes(BACK));
    let mut series = Series { hours: vec![0.0; count], crashes: vec![0.0; count] };
    let seconds = |at: Time| (at - from).num_milliseconds() as f64 / 1000.0;
    for it in exposures.iter().filter(|it| it.release == release) {
        let (start, end) = (seconds(it.at).max(0.0), (seconds(it.at) + it.seconds).min(length * count as f64));
        let mut at = start;
        while at < end {
            let bucket = ((at / length) as usize).min(count - 1);
            let stop = end.min((bucket + 1) as f64 * length);
            series.hours[bucket] += it.instances * (stop - at) / 3600.0;
            if stop <= at {
                break;
            }
            at = stop;
        }
    }
    for it in crashes.iter().filter(|it| it.release.as_deref() == Some(release)) {
        let at = seconds(it.at);
        if at >= 0.0 {
            series.crashes[((at / length) as usize).min(count - 1)] += it.crashes as f64;
        }
    }
    series
}

/// The rate per 1,000 instance-hours in the half hour before a bucket's end, with the hours that it rests on.
fn trailing(series: &Series, end: usize) -> Option<(f64, f64)> {
    let range = end - TRAILING..end;
    let (hours, crashes): (f64, f64) = (series.hours[range.clone()].iter().sum(), series.crashes[range].iter().sum());
    (hours >= LEAST).then(|| (crashes / hours * 1000.0, hours))
}

/// The rate per 1,000 instance-hours in the half hour before the last instance went, with the hours that it rests on.
fn last_half_hour(release: &str, exposures: &[Exposure], crashes: &[CrashCount], now: Time) -> Option<(f64, f64)> {
    let end_of = |it: &Exposure| it.at + time::seconds(it.seconds as i64);
    let ours = || exposures.iter().filter(|it| it.release == release && it.instances > 0.0);
    let end = ours().map(end_of).max()?.min(now);
    let from = end - time::minutes(30);
    let hours: f64 = ours()
        .map(|it| {
            let ran = end_of(it).min(end) - it.at.max(from);
            it.instances * ran.num_milliseconds().max(0) as f64 / 3_600_000.0
        })
        .sum();
    let ours = crashes.iter().filter(|it| it.release.as_deref() == Some(release) && it.at > from && it.at <= end);
    let count: i64 = ours.map(|it| it.crashes).sum();
    (hours >= LEAST).then(|| (count as f64 / hours * 1000.0, hours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn now() -> Time {
        time::parse("2026-03-03T08:00:00Z").expect("valid")
    }

    fn ran(minutes_before: i64, seconds: f64, instances: f64) -> Exposure {
        Exposure {
            service: "relay".into(),
            environment: "production".into(),
            release: "A".into(),
            cell: "eu".into(),
            at: now() - time::minutes(minutes_before),
            received_at: now(),
            seconds,
            instances,
            sessions: None,
            flags: Map::new(),
            extra: Map::new(),
        }
    }

    #[test]
    fn a_long_window_counts_in_every_bucket_that_it_covers() {
        let series = series("A", &[ran(60, 3600.0, 6.0)], &[], now());
        assert_eq!(series.hours[series.hours.len() - 6..], [1.0; 6]);
        assert!((series.hours.iter().sum::<f64>() - 6.0).abs() < 1e-9);
    }

    #[test]
    fn a_release_that_hardly_ran_has_no_rate_at_all() {
        let rate = rate("A", Class::Replaced, &[ran(20, 600.0, 1.0)], &[], &[], now());
        assert_eq!((rate.figure, rate.words.as_str(), rate.spark.as_str()), (None, "not enough data", ""));
    }

    #[test]
    fn a_release_that_is_gone_keeps_the_rate_of_its_last_half_hour() {
        let rate = rate("A", Class::Replaced, &[ran(180, 3600.0, 100.0)], &[], &[], now());
        assert_eq!(rate.figure.as_deref(), Some("0"));
        assert!(rate.words.starts_with(" in its last half hour"), "{}", rate.words);
    }
}
