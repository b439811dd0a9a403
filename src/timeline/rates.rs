//! Crash rates, one strip per release: its own line against its own expected band.
//!
//! All strips share one square-root scale, the same pixels per unit; below a least exposure nothing is drawn.

use super::{
    Class,
    frame::{Frame, Place, between, without_level_points},
    population::STACK,
    scale::{RootScale, round_up_finely},
    series::{Basis, Line, Sample, Series},
    svg::{Anchor, points},
    words::{fitted, grouped, two_digits, width_of},
};
use crate::domain::Time;

/// One strip of rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strip {
    /// One class of releases.
    Of(Class),
    /// All of them together.
    Fleet,
}

/// A strip with its samples and the value at its top.
pub(super) struct RateStrip {
    pub(super) strip: Strip,
    pub(super) samples: Vec<Sample>,
    pub(super) scale: RootScale,
}

/// The strips that there is something to draw for, with one scale for all: as many px per unit in each.
pub(super) fn strips(series: &Series, fleet: bool, narrow: bool) -> Vec<RateStrip> {
    let (tallest, least): (f64, f64) = if narrow { (108.0, 54.0) } else { (140.0, 70.0) };
    let mut found: Vec<(Strip, Vec<Sample>)> = Vec::new();
    let add = |strip: Strip, line: Option<&Line>, found: &mut Vec<(Strip, Vec<Sample>)>| {
        if let Some(line) = line {
            let samples = series.samples_at().into_iter().filter_map(|at| series.sample(line, at)).collect();
            found.push((strip, samples));
        }
    };
    let classes: Vec<Class> = STACK.into_iter().filter(|class| series.line(*class).is_some()).collect();
    for class in [Class::Pushed, Class::Third, Class::Other] {
        add(Strip::Of(class), series.line(class), &mut found);
    }
    if fleet && classes.len() > 1 {
        add(Strip::Fleet, Some(&series.fleet), &mut found);
    }
    add(Strip::Of(Class::Replaced), series.line(Class::Replaced), &mut found);
    if series.basis == Basis::Counts {
        found.clear();
    }
    // What was counted decides, and the band of what runs most; a band that is wide for want of exposure does not.
    let counted: Vec<f64> = found.iter().map(|(_, samples)| most_counted(samples)).collect();
    let bands: Vec<f64> = found.iter().map(|(_, samples)| room_for_band(samples)).collect();
    let firm = bands.iter().copied().filter(|band| *band > 0.0).fold(f64::INFINITY, f64::min);
    let most = counted.iter().copied().fold(if firm.is_finite() { firm } else { 0.0 }, f64::max);
    let harmed = counted.iter().any(|rate| *rate > 0.0);
    let tops: Vec<f64> = counted
        .iter()
        .zip(&bands)
        .zip(&found)
        .map(|((counted, band), (_, samples))| {
            let any = samples.iter().map(|sample| sample.rate).fold(0.0, f64::max);
            let own = match (*counted > 0.0, harmed, most > 0.0) {
                (true, _, _) => counted.max(band.min(most)),
                // Quiet beside harm: the lower part of the scale is enough.
                (false, true, _) => most / 4.0,
                (false, false, true) => band.min(most),
                (false, false, false) => any,
            };
            round_up_finely(own.max(1e-6))
        })
        .collect();
    let shared = tops.iter().copied().fold(0.0, f64::max);
    found
        .into_iter()
        .zip(tops)
        .map(|((strip, samples), own)| {
            // Short strips show the lower part of the shared scale.
            let height = (tallest * (own / shared).sqrt()).clamp(least, tallest);
            let top = shared * (height / tallest).powi(2);
            RateStrip { strip, samples, scale: RootScale { top, height } }
        })
        .collect()
}

/// The highest rate that says something: it rests on four crashes, or on two and lies above its band; 0 where none does.
fn most_counted(samples: &[Sample]) -> f64 {
    let above = |sample: &Sample| sample.count >= 2.0 && sample.band.is_some_and(|(_, high)| sample.rate > high);
    samples.iter().filter(|sample| sample.count >= 4.0 || above(sample)).map(|sample| sample.rate).fold(0.0, f64::max)
}

/// Room for the band where it is narrowest; 0 without one.
fn room_for_band(samples: &[Sample]) -> f64 {
    let high = samples.iter().filter_map(|sample| sample.band).map(|(_, high)| high).fold(f64::INFINITY, f64::min);
    if high.is_finite() { high * 1.3 } else { 0.0 }
}

/// One strip of rates with its expected band.
pub(super) fn rate(frame: &mut Frame<'_>, place: Place, strip: &RateStrip) {
    let series = frame.series;
    let (key, line) = match strip.strip {
        Strip::Of(class) => (class.key(), series.line(class)),
        Strip::Fleet => ("fleet", Some(&series.fleet)),
    };
    let Some(line) = line else { return };
    let (title, subs) = rate_words(frame, strip, line);
    frame.name(place, &title, &subs);
    let base = place.top + place.height;
    let scale = strip.scale;
    let runs = split_runs(&strip.samples, series);
    for run in &runs {
        let edge = |pick: fn((f64, f64)) -> f64| -> Vec<(f64, f64)> {
            let all = run.iter().filter_map(|sample| {
                sample.band.map(|band| (frame.scale.at(sample.offset), base - scale.up(pick(band))))
            });
            without_level_points(all.collect())
        };
        let shape = between(&edge(|band| band.1), &edge(|band| band.0));
        frame.svg.path(&shape, &format!("band band-{key}"));
    }
    let ticks: Vec<(f64, String)> = scale
        .ticks(if frame.narrow() { 20.0 } else { 22.0 })
        .into_iter()
        .map(|value| (value, if value < 10.0 { two_digits(value) } else { grouped(value) }))
        .collect();
    frame.value_ticks(place, &ticks, |value| scale.up(value));
    for run in &runs {
        let all = run.iter().map(|sample| (frame.scale.at(sample.offset), base - scale.up(sample.rate))).collect();
        let drawn = without_level_points(all);
        frame.svg.path(&points(&drawn), &format!("line line-{key}"));
        frame.keep_clear(&drawn);
    }
    if strip.samples.is_empty() {
        let words = "not enough data: too little of it ran for a rate";
        let x = frame.left + 8.0;
        let words = fitted(words, 11.5, false, frame.plot - 16.0);
        frame.svg.text(x, base - 8.0, &words, "t-note halo", Anchor::Start);
        return;
    }
    rate_notes(frame, place, strip);
}

/// Samples without the gaps in which too little ran.
fn split_runs<'s>(samples: &'s [Sample], series: &Series) -> Vec<&'s [Sample]> {
    let all = series.samples_at();
    let apart = all.get(1).copied().unwrap_or(1.0) * 1.5;
    samples.chunk_by(|a, b| b.offset - a.offset < apart).collect()
}

fn rate_words(frame: &Frame<'_>, strip: &RateStrip, line: &Line) -> (String, Vec<String>) {
    let series = frame.series;
    let counts = series.basis.words();
    let alone = series.line(Class::Pushed).is_none();
    let ran_out = frame.harms.iter().find(|harm| harm.ran_out());
    let room = frame.room_for_subs();
    let fits = |words: &str| width_of(words, 11.5, false) <= room;
    let short = counts.trim_start_matches("crashes ");
    let mut subs = vec![if frame.narrow() || fits(counts) { counts } else { short }.to_owned()];
    let title = match strip.strip {
        Strip::Fleet => {
            subs[0] = "all releases".to_owned();
            let inside = strip.samples.last().is_some_and(|last| last.band.is_some_and(|(_, high)| last.rate <= high));
            if ran_out.is_some() && inside {
                subs = vec!["all releases: rises,".into(), "then looks mended".into()];
                if frame.narrow() {
                    subs = vec!["rises, then looks mended".into()];
                }
            }
            "Fleet".to_owned()
        }
        Strip::Of(class) => {
            let role = match class {
                Class::Replaced if alone => "",
                Class::Replaced => ", the old release",
                Class::Pushed => ", the new release",
                Class::Third => ", a third release",
                Class::Other => "",
            };
            let whole =
                if class == Class::Other { "Other releases".to_owned() } else { format!("{}{role}", line.words()) };
            // The tick at the strip's top stands beside the title.
            let room = if frame.narrow() { frame.plot * 0.7 } else { frame.left - 40.0 };
            if width_of(&whole, 12.5, true) > room && !role.is_empty() {
                subs.insert(0, role.trim_start_matches(", ").to_owned());
                line.words()
            } else {
                whole
            }
        }
    };
    let victim = ran_out.filter(|harm| harm.mark.victims.iter().any(|name| line.names.contains(name)));
    let quiet = strip.samples.iter().filter(|s| s.band.is_some_and(|(_, high)| s.rate > high)).count() * 20
        <= strip.samples.len();
    match strip.strip {
        Strip::Of(Class::Replaced) if victim.is_some() && !frame.narrow() => {
            let words = format!("of a surviving {},", line.words());
            let fits = fits(&words);
            subs.push(if fits { words } else { "of each survivor,".to_owned() });
            subs.push("until none is left".into());
        }
        Strip::Of(Class::Replaced) if victim.is_some() => subs = vec!["until none is left".into()],
        Strip::Of(Class::Pushed) if ran_out.is_some() && quiet && !strip.samples.is_empty() && !frame.narrow() => {
            subs.push("quiet, and all that".into());
            subs.push("a canary judge sees".into());
        }
        Strip::Of(_) | Strip::Fleet => {}
    }
    if series.trail > 1800.0 && !frame.narrow() {
        subs.push(format!("trailing {}", super::words::span(series.trail as i64)));
    }
    if !line.has_past && !frame.narrow() {
        subs.push("no past to compare with".into());
    }
    (title, subs)
}

fn rate_notes(frame: &mut Frame<'_>, place: Place, strip: &RateStrip) {
    let series = frame.series;
    let base = place.top + place.height;
    let (Some(first), Some(last)) = (strip.samples.first(), strip.samples.last()) else { return };
    let names: &[String] = match strip.strip {
        Strip::Of(class) => series.line(class).map_or(&[], |line| line.names.as_slice()),
        Strip::Fleet => &[],
    };
    let gone: Option<(String, Sample, String)> = frame
        .harms
        .iter()
        .filter(|harm| harm.ran_out() && harm.end_seen)
        .filter(|harm| harm.mark.victims.iter().any(|name| names.contains(name)))
        .find_map(|harm| {
            harm.mark.ended_at.and_then(|at| {
                let last = last_before(frame, strip, at)?;
                Some((frame.when(at), last, harm.mark.href.clone()))
            })
        });
    let narrow = frame.narrow();
    if let Some((at, last, href)) = &gone {
        let (x, y) = (frame.scale.at(last.offset), base - strip.scale.up(last.rate));
        let title = format!("last {} gone {at} while its rate was still high: not a recovery", names.join(", "));
        frame.svg.open_link(href, "mark mark-extinct", &title);
        frame.svg.rect(x - 12.0, y - 12.0, 24.0, 24.0, "hit");
        frame.svg.add(&format!(
            "<use href=\"#i-extinct\" class=\"extinct-mark\" x=\"{}\" y=\"{}\" width=\"14\" height=\"14\"/></a>",
            super::svg::n(x - 7.0),
            super::svg::n(y - 7.0)
        ));
        frame.svg.reserve(x - 7.0, y - 7.0, x + 7.0, y + 7.0);
        let name = fitted(&names.join(", "), 12.0, true, 60.0);
        if narrow {
            let words = format!("no {name} left");
            let places = [(frame.right(), base - 5.0, Anchor::End), (x - 10.0, base - 5.0, Anchor::End)];
            frame.svg.text_where_free(&places, &words, "t-strong halo");
        } else {
            let times = last.expected.filter(|expected| *expected > 0.0).map(|expected| last.rate / expected);
            let mut lines = vec![
                (format!("last {name} gone {at}"), "t-strong halo"),
                (format!("{} per 1,000 {},", two_digits(last.rate), series.basis.unit()), "t-label halo"),
            ];
            if let Some(times) = times {
                lines.push((format!("{} × its own past", two_digits(times)), "t-label halo"));
            }
            for (i, (words, class)) in lines.iter().enumerate() {
                let line_y = (y + 4.0).clamp(place.top + 12.0, base - 34.0) + 14.0 * i as f64;
                let (near, far) = ((x + 10.0, line_y, Anchor::Start), (x - 12.0, line_y, Anchor::End));
                frame.svg.text_where_free(&[near, far], words, class);
            }
        }
        climb_words(frame, strip, base, &name);
    }
    if narrow {
        return;
    }
    // Said once, beside the first band that reaches the right end.
    let reaches = last.offset + 120.0 >= series.until && last.band.is_some();
    if reaches && !frame.band_named {
        frame.band_named = true;
        let high = last.band.map_or(0.0, |(_, high)| high);
        let line_y = base - strip.scale.up(high) / 2.0 + 4.0;
        let x = frame.until + 8.0;
        if frame.svg_room(x) > 84.0 {
            frame.svg.text_where_free(&[(x, line_y, Anchor::Start)], "expected band", "t-note halo");
        }
    }
    if strip.strip == Strip::Of(Class::Pushed) {
        let x = frame.scale.at(first.offset) - 8.0;
        let name = fitted(&names.join(", "), 11.5, false, 70.0);
        if first.offset > 0.0 && x - frame.left > 130.0 {
            let words = format!("few {name} yet:");
            frame.svg.text_where_free(&[(x, place.top + 16.0, Anchor::End)], &words, "t-note");
            frame.svg.text_where_free(&[(x, place.top + 29.0, Anchor::End)], "not enough data", "t-note");
        }
    }
}

/// The last sample of a line that breaks off as a regression ends; none where it goes on, for then nothing died out.
fn last_before(frame: &Frame<'_>, strip: &RateStrip, end: Time) -> Option<Sample> {
    let end = frame.scale.offset(end);
    let near = frame.series.trail.min(1800.0);
    split_runs(&strip.samples, frame.series)
        .into_iter()
        .filter_map(|run| run.last().copied())
        .find(|last| (last.offset - end).abs() <= near && last.offset + 90.0 < frame.series.until.max(end + 91.0))
}

/// "Crashes per surviving A climb", above the line where there is room, if its rate did at least double.
fn climb_words(frame: &mut Frame<'_>, strip: &RateStrip, base: f64, name: &str) {
    let Some(last) = strip.samples.last() else { return };
    let half = strip.samples.get(strip.samples.len() / 2).map_or(0.0, |sample| sample.rate);
    if frame.narrow() || last.rate < half * 2.0 {
        return;
    }
    let words = format!("crashes per surviving {name} climb");
    let after = strip.samples.len() * 7 / 10;
    let places: Vec<(f64, f64, Anchor)> = strip.samples[after..]
        .iter()
        .rev()
        .step_by(4)
        .map(|sample| (frame.scale.at(sample.offset) - 14.0, base - strip.scale.up(sample.rate) - 6.0, Anchor::End))
        .filter(|(_, y, _)| *y < base - strip.scale.height * 0.35 && *y > base - strip.scale.height + 22.0)
        .collect();
    frame.svg.text_where_free(&places, &words, "t-a halo");
}
