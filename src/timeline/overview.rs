//! The strip above a timeline: total crashes over a longer time, with the range that is shown below marked on it.

use super::{
    scale::TimeScale,
    show::Width,
    svg::{Anchor, Svg, n},
    words,
};
use crate::domain::Time;

/// What the strip shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// The left end of the strip.
    pub from: Time,
    /// Its right end.
    pub to: Time,
    /// The last instant that anything may be drawn at.
    pub until: Time,
    /// The left end of the range shown below.
    pub shown_from: Time,
    /// Its right end.
    pub shown_to: Time,
    /// When crashes happened, and how many, in any order.
    pub crashes: Vec<(Time, u64)>,
    /// Spans that no change explains, with words for them: "upstream DNS outage: ambient, no change explains it".
    pub ambient: Vec<(Time, Time, String)>,
}

/// How many bars the strip has at most, by its width.
const BARS: usize = 72;
const BARS_NARROW: usize = 60;

/// How many minutes of a strip from one instant to another may be one without being seen.
pub fn grain(from: Time, to: Time) -> i64 {
    let scale = TimeScale::new(from, to, 0.0, 1.0);
    let bars = [BARS, BARS_NARROW].map(|most| scale.bucket(most) / 60);
    let fits = |minutes: &i64| bars.iter().all(|bar| bar % minutes == 0);
    [60, 30, 15, 10, 5, 2].into_iter().find(fits).unwrap_or(1)
}

/// Draws the strip.
pub fn overview(facts: &Overview, width: Width) -> String {
    let narrow = width.is_narrow();
    let (left, right) = match width {
        Width::Wide => (160.0, 96.0),
        Width::Report => (140.0, 96.0),
        Width::Narrow => (4.0, 4.0),
    };
    let plot = width.px() - left - right;
    let (height, top) = if narrow { (34.0, 16.0) } else { (46.0, 18.0) };
    let scale = TimeScale::new(facts.from, facts.to, left, plot);
    let length = scale.bucket(if narrow { BARS_NARROW } else { BARS });
    let span = words::span(scale.seconds().round() as i64 / 3600 * 3600);
    let class = if narrow { "overview narrow" } else { "overview" };
    let label = format!("{span} of total crashes, with the shown range marked");
    let mut svg = Svg::new(class, width.px(), top + height + 24.0, &label);
    if !narrow {
        svg.text(0.0, top + 12.0, &span, "t-name", Anchor::Start);
        svg.text(0.0, top + 26.0, "total crashes", "t-sub", Anchor::Start);
        svg.text(0.0, top + 39.0, &words::every(length), "t-sub", Anchor::Start);
    }
    let (x0, x1) = (scale.x_within(facts.shown_from), scale.x_within(facts.shown_to));
    svg.rect(x0, top - 4.0, x1 - x0, height + 8.0, "window");
    bars(&mut svg, facts, &scale, length, top, height);
    let base = top + height;
    svg.line(left, base, left + plot, base, "base");
    // The words of the window come first, the axis gives way.
    let places = [
        (x0 + 6.0, top + 8.0, Anchor::Start),
        (x1 + 6.0, top + 8.0, Anchor::Start),
        (x0 - 6.0, top + 8.0, Anchor::End),
    ];
    let words_shown = if narrow { "shown" } else { "shown below" };
    svg.text_where_free(&places, words_shown, "t-strong halo");
    for x in [x0, x1] {
        svg.path(&format!("M{} {}v{}", n(x), n(top - 4.0), n(height + 8.0)), "window-edge");
    }
    axis(&mut svg, &scale, base, (left, plot), narrow);
    for (from, to, text) in &facts.ambient {
        if *from < facts.until {
            let middle = (scale.x_within(*from) + scale.x_within((*to).min(facts.until))) / 2.0;
            let y = top + 14.0;
            let places = [
                (middle, y, Anchor::Middle),
                (middle, y, Anchor::End),
                (middle, y, Anchor::Start),
                (left, y, Anchor::Start),
            ];
            let short = text.split(':').next().unwrap_or_default();
            if narrow || !svg.text_where_free(&places, text, "t-note halo") {
                svg.text_where_free(&places, short, "t-note halo");
            }
        }
    }
    svg.done()
}

fn bars(svg: &mut Svg, facts: &Overview, scale: &TimeScale, length: i64, top: f64, height: f64) {
    let buckets = scale.buckets(length);
    let until = scale.offset(facts.until);
    let mut counts = vec![0u64; buckets.len()];
    for (at, count) in &facts.crashes {
        let offset = scale.offset(*at);
        if *at > facts.until || offset < 0.0 {
            continue;
        }
        let i = buckets.partition_point(|(_, end)| *end <= offset);
        if let Some(sum) = counts.get_mut(i) {
            *sum = sum.saturating_add(*count);
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(4) as f64;
    for ((start, end), count) in buckets.iter().zip(&counts) {
        if *start >= until {
            break;
        }
        let ambient =
            facts.ambient.iter().any(|(from, to, _)| scale.offset(*from) < *end && scale.offset(*to) > *start);
        let tall = *count as f64 / most * height;
        let (x0, x1) = (scale.at(*start), scale.at(*end));
        svg.rect(x0 + 0.5, top + height - tall, x1 - x0 - 1.0, tall, if ambient { "bar-ambient" } else { "bar-harm" });
    }
}

fn axis(svg: &mut Svg, scale: &TimeScale, base: f64, plot: (f64, f64), narrow: bool) {
    let ticks = scale.ticks(if narrow { 58.0 } else { 90.0 });
    // Days first: where one begins matters more than one more hour.
    let (days, hours): (Vec<_>, Vec<_>) = ticks.into_iter().partition(|tick| tick.midnight);
    for tick in days.iter().chain(&hours) {
        svg.line(tick.x, base, tick.x, base + 4.0, "tick");
        let places = [
            (tick.x, base + 14.0, Anchor::Middle),
            (plot.0, base + 14.0, Anchor::Start),
            (plot.0 + plot.1, base + 14.0, Anchor::End),
        ];
        let near_left = tick.x < plot.0 + 20.0;
        let near_right = tick.x > plot.0 + plot.1 - 20.0;
        let chosen = match (near_left, near_right) {
            (true, _) => &places[1..2],
            (false, true) => &places[2..3],
            (false, false) => &places[0..1],
        };
        svg.text_where_free(chosen, &tick.words(), "t-local");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::{minutes, parse};

    fn strip() -> Overview {
        let from = parse("2026-03-02T06:00:00Z").expect("valid");
        Overview {
            from,
            to: from + minutes(30 * 60),
            until: from + minutes(20 * 60),
            shown_from: from + minutes(18 * 60),
            shown_to: from + minutes(26 * 60),
            crashes: vec![(from + minutes(10), 3), (from + minutes(25 * 60), 99)],
            ambient: vec![(from + minutes(500), from + minutes(540), "upstream DNS outage: ambient".into())],
        }
    }

    #[test]
    fn crashes_that_are_summed_by_the_grain_are_drawn_as_they_are_one_by_one() {
        for (span, expected) in [(30 * 60, 30), (31 * 60, 30), (6 * 60, 5), (72 * 60, 60), (7 * 1440, 60)] {
            let from = parse("2026-03-02T06:07:00Z").expect("valid");
            let to = from + minutes(span);
            assert_eq!(grain(from, to), expected, "{span}");
            let one_by_one: Vec<(Time, u64)> =
                (0..span).step_by(7).map(|at| (from + minutes(at), 1 + (at % 5) as u64)).collect();
            let length = grain(from, to) * 60;
            let begins = |at: Time| minutes((at.timestamp() - at.timestamp().rem_euclid(length)) / 60);
            let epoch = parse("1970-01-01T00:00:00Z").expect("valid");
            let summed = one_by_one.iter().map(|(at, count)| ((epoch + begins(*at)).max(from), *count)).collect();
            for width in [Width::Wide, Width::Narrow] {
                let draw = |crashes| overview(&Overview { from, to, until: to, crashes, ..strip() }, width);
                assert_eq!(draw(one_by_one.clone()), draw(Vec::clone(&summed)));
            }
        }
    }

    #[test]
    fn what_came_after_the_instant_read_is_not_drawn() {
        for width in [Width::Wide, Width::Narrow] {
            assert_eq!(overview(&strip(), width).matches("bar-harm").count(), 1);
        }
    }

    #[test]
    fn the_shown_range_is_marked_and_the_ambient_span_is_named() {
        let drawn = overview(&strip(), Width::Wide);
        assert!(drawn.contains("shown below") && drawn.contains("upstream DNS outage: ambient"));
        assert_eq!(drawn.matches("window-edge").count(), 2);
        assert!(overview(&strip(), Width::Narrow).contains(">upstream DNS outage<"));
    }
}
