//! Small pictures that stand in tables and lists: progress of a push, a rate against its band, a dot with its interval.
//!
//! The numbers stand in words beside them, so that all but the progress are hidden from those who listen.

use super::{
    Class,
    svg::{n, points},
    words,
};
use std::fmt::Write;

/// How a push stands, for the colour of its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may go on, or waits.
    Quiet,
    /// The gate says stop.
    Stop,
}

/// The plan of a push as a ruled scale of shares, 0 to 100: where it stands and what comes next. `reached` need not be a
/// planned stage; it is then drawn as a stage of its own. Empty `stages` leave only what is reached.
pub fn track(stages: &[f64], reached: f64, standing: Standing) -> String {
    const WIDTH: f64 = 300.0;
    const USED: f64 = WIDTH - 16.0;
    let reached = if reached.is_finite() { reached.clamp(0.0, 100.0) } else { 0.0 };
    let mut levels: Vec<f64> = stages.iter().copied().filter(|stage| (0.0..=100.0).contains(stage)).collect();
    if reached > 0.0 {
        levels.push(reached);
    }
    levels.sort_by(f64::total_cmp);
    levels.dedup_by(|a, b| (*a - *b).abs() < 0.05);
    let places = track_places(&levels, USED);
    let end =
        places.iter().zip(&levels).filter(|(_, level)| **level <= reached + 0.05).map(|(x, _)| *x).fold(0.0, f64::max);
    let plan: Vec<String> = stages.iter().map(|stage| words::share(*stage)).collect();
    let label = if plan.is_empty() {
        format!("No plan given; now at {} percent", words::share(reached))
    } else {
        format!("Plan {} percent; now at {} percent", plan.join(", "), words::share(reached))
    };
    let class = match standing {
        Standing::Quiet => "track",
        Standing::Stop => "track track-stop",
    };
    let mut out = format!(
        "<svg class=\"{class}\" viewBox=\"0 0 300 34\" width=\"300\" height=\"34\" role=\"img\" aria-label=\"{label}\">\
         <line class=\"rail\" x1=\"0\" y1=\"10\" x2=\"{}\" y2=\"10\"/><line class=\"done\" x1=\"0\" y1=\"10\" x2=\"{}\" y2=\"10\"/>",
        n(USED + 2.0),
        n(end)
    );
    let mut free_from = f64::MIN;
    for (x, level) in places.iter().zip(&levels) {
        let (class, radius) = match level - reached {
            gap if gap.abs() < 0.05 => ("now", 5.5),
            gap if gap < 0.0 => ("past", 4.0),
            _ => ("next", 4.0),
        };
        let _ = write!(out, "<circle class=\"{class}\" cx=\"{}\" cy=\"10\" r=\"{radius}\"/>", n(*x));
        let text = words::share(*level);
        let half = words::width_of(&text, 11.0, true) / 2.0;
        if x - half > free_from + 3.0 {
            let _ = write!(
                out,
                "<text class=\"t-tick {class}\" x=\"{}\" y=\"29\" text-anchor=\"middle\">{text}</text>",
                n((*x).max(half))
            );
            free_from = x + half;
        }
    }
    out + "</svg>"
}

/// Places of the levels: a square-root-like scale that gives the small stages room, pushed apart where there are many.
fn track_places(levels: &[f64], used: f64) -> Vec<f64> {
    let apart = (used / levels.len().max(1) as f64 * 0.8).min(30.0);
    let mut places: Vec<f64> =
        levels.iter().map(|level| 2.0 + (0.04 + 0.96 * (level / 100.0).powf(0.6)) * used).collect();
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + apart);
    }
    // What was pushed past the end moves back, in turn.
    let mut limit = used + 2.0;
    for place in places.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - apart;
    }
    places
}

/// A rate over time against its expected band, on a square-root scale without axes. A point is none where too little ran;
/// the line has a gap there. `band` is the expected rate's low and high end in the same unit.
pub fn spark(points_in: &[Option<f64>], band: Option<(f64, f64)>, class: Class) -> String {
    const WIDTH: f64 = 112.0;
    const HEIGHT: f64 = 26.0;
    let key = class.key();
    let mut out = format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" aria-hidden=\"true\">"
    );
    let root = |value: f64| if value.is_finite() { value.max(0.0).sqrt() } else { 0.0 };
    let most = points_in.iter().flatten().map(|value| root(*value)).fold(0.0, f64::max);
    let top = (most * 1.05).max(band.map_or(0.0, |(_, high)| root(high) * 1.5)).max(1e-9);
    let x = |i: usize| 2.0 + i as f64 / (points_in.len().max(2) - 1) as f64 * (WIDTH - 8.0);
    let y = |value: f64| HEIGHT - 3.0 - (root(value) / top).min(1.0) * (HEIGHT - 6.0);
    if let Some((low, high)) = band {
        let _ = write!(
            out,
            "<rect class=\"band band-{key}\" x=\"2\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            n(y(high)),
            n(WIDTH - 8.0),
            n((y(low) - y(high)).max(0.0))
        );
    }
    let mut run: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for (i, point) in points_in.iter().enumerate() {
        match point {
            Some(value) => {
                run.push((x(i), y(*value)));
                last = run.last().copied();
            }
            None => draw_run(&mut out, &mut run, key),
        }
    }
    draw_run(&mut out, &mut run, key);
    if let Some((x, y)) = last {
        let _ = write!(out, "<circle class=\"end end-{key}\" cx=\"{}\" cy=\"{}\" r=\"2.6\"/>", n(x), n(y));
    }
    out + "</svg>"
}

fn draw_run(out: &mut String, run: &mut Vec<(f64, f64)>, key: &str) {
    if run.len() > 1 {
        let _ = write!(out, "<path class=\"line line-{key}\" d=\"{}\"/>", points(run));
    }
    run.clear();
}

/// A dot with its 95 % interval on a scale from 0 to `scale_max` that a whole column shares. What lies beyond is cut there.
pub fn interval(estimate: f64, low: f64, high: f64, scale_max: f64) -> String {
    const WIDTH: f64 = 84.0;
    let top = if scale_max.is_finite() && scale_max > 0.0 { scale_max } else { 1.0 };
    let x = |value: f64| 4.0 + if value.is_finite() { value.clamp(0.0, top) / top } else { 0.0 } * (WIDTH - 8.0);
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 84 14\" width=\"84\" height=\"14\" aria-hidden=\"true\">\
         <line class=\"base\" x1=\"4\" y1=\"7\" x2=\"80\" y2=\"7\"/>\
         <line class=\"range\" x1=\"{}\" y1=\"7\" x2=\"{}\" y2=\"7\"/><circle class=\"dot\" cx=\"{}\" cy=\"7\" r=\"3.5\"/></svg>",
        n(x(low.min(high))),
        n(x(high.max(low))),
        n(x(estimate))
    )
}

/// A probability, 0 to 1, as a bar.
pub fn chance(probability: f64) -> String {
    let part = if probability.is_finite() { probability.clamp(0.0, 1.0) * 60.0 } else { 0.0 };
    format!(
        "<svg class=\"chance\" viewBox=\"0 0 60 7\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"base\" width=\"60\" height=\"7\"/><rect class=\"part\" width=\"{}\" height=\"7\"/></svg>",
        n(part)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_where_the_push_stands_and_fills_the_rail_to_there() {
        let drawn = track(&[1.0, 10.0, 50.0, 100.0], 50.0, Standing::Quiet);
        assert!(drawn.contains("Plan 1, 10, 50, 100 percent; now at 50 percent"));
        assert_eq!(drawn.matches("class=\"past\"").count(), 2);
        assert_eq!(drawn.matches("<circle class=\"now\"").count(), 1);
    }

    #[test]
    fn a_share_between_two_stages_is_a_stage_of_its_own() {
        assert_eq!(track(&[10.0, 100.0], 37.5, Standing::Stop).matches("<circle").count(), 3);
        assert!(track(&[], 0.0, Standing::Quiet).contains("No plan given"));
    }

    #[test]
    fn stages_stay_in_order_and_on_the_rail_however_many_there_are() {
        for levels in [vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (0..40).map(|i| 60.0 + f64::from(i)).collect()] {
            let places = track_places(&levels, 284.0);
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
            assert!(places.iter().all(|x| (0.0..=286.1).contains(x)), "{places:?}");
        }
    }

    #[test]
    fn a_rate_is_not_drawn_where_too_little_ran() {
        let drawn = spark(&[Some(1.0), Some(2.0), None, Some(3.0), Some(2.5)], Some((0.0, 4.0)), Class::Pushed);
        assert_eq!(drawn.matches("<path").count(), 2);
        let nothing = spark(&[None, None], None, Class::Replaced);
        assert!(!nothing.contains("<path") && !nothing.contains("<circle"));
        assert!(!spark(&[Some(f64::NAN)], Some((f64::NAN, 0.0)), Class::Other).contains("NaN"));
    }

    #[test]
    fn an_interval_beyond_the_scale_ends_at_its_edge() {
        let drawn = interval(500.0, 90.0, 900.0, 160.0);
        assert!(drawn.contains("cx=\"80\""));
        assert!(!interval(f64::NAN, 0.0, f64::INFINITY, 0.0).contains("NaN"));
    }
}
