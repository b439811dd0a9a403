//! What all lanes of one picture share: the axis, lane names, value ticks, and the regressions behind and over them.

use super::{
    Facts, RegressionMark, Width,
    scale::TimeScale,
    series::Series,
    svg::{Anchor, Svg, escape, n},
    words::{self, clock},
};
use crate::domain::{Time, finding::Ending};

/// A lane's place in the picture, px.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) top: f64,
    pub(super) height: f64,
}

/// A regression that could be read at the instant the picture is drawn for.
pub(super) struct Harm<'a> {
    pub(super) mark: &'a RegressionMark,
    pub(super) onset: f64,
    pub(super) earliest: f64,
    pub(super) latest: f64,
    pub(super) detected: f64,
    /// Where the bar ends: at its end, or where the picture ends.
    pub(super) end: f64,
    /// Why it ended, if that could be read already.
    pub(super) ended: Option<Ending>,
    /// Whether the onset lies in the picture.
    pub(super) onset_seen: bool,
    /// Whether the end lies in the picture.
    pub(super) end_seen: bool,
    /// Where totals turned, if they fell only because victims ran out.
    pub(super) turn: Option<f64>,
}

impl Harm<'_> {
    /// Whether it ended because no victim was left.
    pub(super) fn ran_out(&self) -> bool {
        self.ended == Some(Ending::VictimsGone)
    }

    /// Who crashes, in few words.
    pub(super) fn victims(&self) -> String {
        match self.mark.victims.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        }
    }
}

/// A picture in the making, with all that lanes need to know of each other.
pub(super) struct Frame<'a> {
    pub(super) svg: Svg,
    pub(super) facts: &'a Facts,
    pub(super) series: &'a Series,
    pub(super) scale: TimeScale,
    pub(super) width: Width,
    pub(super) left: f64,
    pub(super) plot: f64,
    /// Where the drawn part ends, px.
    pub(super) until: f64,
    pub(super) harms: Vec<Harm<'a>>,
    pub(super) ident: String,
    /// Whether the expected band has its name already.
    pub(super) band_named: bool,
}

/// The edges of the plot: its left, and the room to its right.
pub(super) fn edges(width: Width) -> (f64, f64) {
    match width {
        Width::Wide => (160.0, 96.0),
        Width::Report => (140.0, 96.0),
        Width::Narrow => (4.0, 4.0),
    }
}

/// The regressions that could be read, by the time of their onset.
pub(super) fn harms<'a>(facts: &'a Facts, scale: &TimeScale, series: &Series) -> Vec<Harm<'a>> {
    let until = facts.until();
    let mut seen: Vec<&RegressionMark> = facts
        .regressions
        .iter()
        .filter(|mark| mark.detected_at <= until && scale.offset(mark.onset.at) < series.until)
        .filter(|mark| mark.ended_at.is_none_or(|end| scale.offset(end) > 0.0))
        .collect();
    seen.sort_by_key(|mark| mark.onset.at);
    seen.into_iter()
        .map(|mark| {
            let over = mark.ended_at.filter(|end| *end <= until);
            let end_offset = over.map_or(series.until, |end| scale.offset(end).min(series.until));
            let ended = over.and(mark.ending);
            let turn = (ended == Some(Ending::VictimsGone)).then(|| turning(mark, scale, series, end_offset)).flatten();
            Harm {
                mark,
                onset: scale.x_within(mark.onset.at),
                earliest: scale.x_within(mark.onset.earliest.min(mark.onset.at)),
                latest: scale.x_within(mark.onset.latest.max(mark.onset.at)),
                detected: scale.x(mark.detected_at),
                end: scale.at(end_offset),
                ended,
                onset_seen: scale.offset(mark.onset.at) >= 0.0,
                end_seen: over.is_some_and(|end| scale.offset(end) <= scale.seconds()),
                turn,
            }
        })
        .collect()
}

/// The end of the bucket with the most crashes after detection: from there on totals fall.
fn turning(mark: &RegressionMark, scale: &TimeScale, series: &Series, end: f64) -> Option<f64> {
    let detected = scale.offset(mark.detected_at);
    series
        .buckets
        .iter()
        .zip(&series.totals)
        .filter(|((from, to), _)| *from >= detected && *to <= end)
        .max_by_key(|(_, (count, _))| *count)
        .map(|((_, to), _)| scale.at(*to))
}

impl Frame<'_> {
    pub(super) fn narrow(&self) -> bool {
        self.width.is_narrow()
    }

    /// The size of a mark, px.
    pub(super) fn mark_size(&self) -> f64 {
        if self.narrow() { 14.0 } else { 18.0 }
    }

    /// An instant in words: the clock, and the day before it where the range is longer than one.
    pub(super) fn when(&self, time: Time) -> String {
        if self.scale.seconds() > 90_000.0 {
            format!("{} {}", words::short_day(time), clock(time))
        } else {
            clock(time)
        }
    }

    /// The right end of the plot.
    pub(super) fn right(&self) -> f64 {
        self.left + self.plot
    }

    /// Patterns that fills refer to.
    pub(super) fn patterns(&mut self) {
        let id = &self.ident;
        let defs = format!(
            "<defs><pattern id=\"{id}-hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern>\
             <pattern id=\"{id}-none\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <line class=\"hatch-none\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"5\"/></pattern>\
             <pattern id=\"{id}-b\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
             <line class=\"hatch-b\" x1=\"0\" y1=\"0.5\" x2=\"4\" y2=\"0.5\"/></pattern>\
             <pattern id=\"{id}-c\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
             <circle class=\"hatch-c\" cx=\"1.5\" cy=\"1.5\" r=\"0.9\"/></pattern></defs>"
        );
        self.svg.add(&defs);
    }

    /// A fill with one of the patterns.
    pub(super) fn fill(&self, pattern: &str) -> String {
        format!(" fill=\"url(#{}-{pattern})\"", self.ident)
    }

    /// The tint of regressions, behind everything.
    pub(super) fn tint(&mut self, top: f64, bottom: f64) {
        for harm in self.harms.iter().filter(|harm| !harm.mark.withdrawn) {
            self.svg.rect(harm.onset, top, harm.end - harm.onset, bottom - top, "regression-area");
        }
    }

    /// Lines of regressions, over everything.
    pub(super) fn lines(&mut self, top: f64, bottom: f64) {
        for harm in self.harms.iter().filter(|harm| !harm.mark.withdrawn) {
            if harm.onset_seen {
                self.svg.line(harm.onset, top, harm.onset, bottom, "onset-line");
            }
            if harm.detected >= self.left {
                self.svg.line(harm.detected, top, harm.detected, bottom, "detected-line");
            }
            if harm.end_seen {
                self.svg.line(harm.end, top, harm.end, bottom, "gone-line");
            }
        }
    }

    /// The time axis above and below the lanes, UTC in bold with local beneath, and the line of the present.
    pub(super) fn axis(&mut self, grid_top: f64, grid_bottom: f64, height: f64) {
        let narrow = self.narrow();
        let offset = self.facts.local_offset_minutes;
        let (left, right) = (self.left, self.right());
        let ticks = self.scale.ticks(if narrow { 62.0 } else { 72.0 });
        let clocks = ticks.iter().any(|tick| !tick.by_day);
        for tick in ticks {
            self.svg.line(tick.x, grid_top, tick.x, grid_bottom, "grid-v");
            let (x, anchor) = match (tick.x < left + 20.0, tick.x > right - 20.0) {
                (true, _) => (tick.x.max(left), Anchor::Start),
                (false, true) => (tick.x.min(right), Anchor::End),
                (false, false) => (tick.x, Anchor::Middle),
            };
            // The day at the left edge is told beside the axis already.
            let hour = if tick.midnight && !tick.by_day && tick.x < left + 20.0 && !narrow {
                clock(tick.time)
            } else {
                tick.words()
            };
            let local = if tick.by_day || offset == 0 { String::new() } else { words::local_clock(tick.time, offset) };
            self.svg.line(tick.x, 31.0, tick.x, 36.0, "tick");
            let below = if narrow { height - 8.0 } else { height - 18.0 };
            for (y, text, class) in [(13.0, &hour, "t-hour"), (27.0, &local, "t-local"), (below, &hour, "t-hour")] {
                self.svg.text_where_free(&[(x, y, anchor)], text, class);
            }
            if !narrow {
                self.svg.text_where_free(&[(x, height - 4.0, anchor)], &local, "t-local");
            }
        }
        self.svg.line(left, 36.0, right, 36.0, "axis");
        if !narrow {
            let until = self.scale.time(self.scale.seconds());
            let days = format!("UTC, {}", words::days(self.facts.from, until));
            let fits = words::width_of(&days, 12.5, true) < left - 8.0;
            // Without the year where there is no room for it: the page's own range has it.
            let days =
                if fits { days } else { days.rsplit_once(' ').map_or(days.clone(), |(rest, _)| rest.to_owned()) };
            let days = words::fitted(&days, 12.5, true, left - 8.0);
            self.svg.text(0.0, 13.0, &days, "t-name", Anchor::Start);
            if offset != 0 && clocks {
                self.svg.text(0.0, 27.0, &format!("local ({})", words::zone(offset)), "t-sub", Anchor::Start);
            }
        }
        if self.until < right - 0.5 {
            self.svg.line(self.until, grid_top, self.until, grid_bottom, "now-line");
            self.svg.line(self.until, 31.0, self.until, 41.0, "tick");
            let at = self.when(self.facts.until());
            let says = match self.facts.known_at {
                Some(known) if known < self.facts.now => format!("known at {at}; nothing later is shown"),
                _ => format!("now {at}"),
            };
            if !narrow {
                let places = [(self.until + 5.0, 49.0, Anchor::Start), (self.until - 5.0, 49.0, Anchor::End)];
                self.svg.text_where_free(&places, &says, "t-now");
            }
        }
    }

    /// A lane's name, and what it counts.
    pub(super) fn name(&mut self, place: Place, title: &str, subs: &[String]) {
        if self.narrow() {
            let title = words::fitted(title, 12.5, true, (self.plot - 4.0) * 0.7);
            let room = self.plot - words::width_of(&title, 12.5, true) - 6.0;
            let sub = subs.first().map(|sub| words::fitted(sub.trim_end_matches([',', ':', ';']), 11.5, false, room));
            self.svg.text_with_sub(self.left, place.top - 6.0, &title, sub.as_deref().unwrap_or_default());
            return;
        }
        self.title(title, place.top + 11.0);
        self.subs(place, subs);
    }

    /// What a lane counts, under its name.
    pub(super) fn subs(&mut self, place: Place, subs: &[String]) {
        for (i, sub) in subs.iter().enumerate() {
            let y = place.top + 25.0 + 13.0 * i as f64;
            let sub = words::fitted(sub, 11.5, false, self.room_for_subs());
            self.svg.text(0.0, y, &sub, "t-sub", Anchor::Start);
        }
    }

    /// The room for words under a lane's name. Value ticks of up to three digits stand at the right end of the column, and a reader's
    /// fonts may run a tenth wider than the widths that are reckoned with.
    pub(super) fn room_for_subs(&self) -> f64 {
        (self.left - 30.0) / 1.1
    }

    /// A lane's title; one that is cut shows itself whole when pointed at.
    fn title(&mut self, title: &str, y: f64) {
        let cut = words::fitted(title, 12.5, true, self.left - 22.0);
        if cut == title {
            self.svg.text(0.0, y, title, "t-name", Anchor::Start);
        } else {
            self.svg.add(&format!("<g><title>{}</title>", escape(title)));
            self.svg.text(0.0, y, &cut, "t-name", Anchor::Start);
            self.svg.add("</g>");
        }
    }

    /// Grid lines and words for values; `up` is a value's height above the lane's base.
    pub(super) fn value_ticks(&mut self, place: Place, ticks: &[(f64, String)], up: impl Fn(f64) -> f64) {
        for (value, text) in ticks {
            let y = place.top + place.height - up(*value);
            self.svg.line(self.left, y, self.right(), y, if *value > 0.0 { "grid-h" } else { "base" });
            if !self.narrow() {
                self.svg.text_where_free(&[(self.left - 6.0, y + 4.0, Anchor::End)], text, "t-tick");
            } else if *value > 0.0 {
                let x = self.right();
                let places = [(x, y - 2.0, Anchor::End), (x, y + 9.0, Anchor::End)];
                self.svg.text_where_free(&places, text, "t-tick halo");
            }
        }
    }

    /// A hairline under a row of marks.
    pub(super) fn under(&mut self, place: Place) {
        let y = place.top + place.height;
        let from = if self.narrow() { self.left } else { 0.0 };
        self.svg.line(from, y, self.right(), y, "grid-h");
    }

    /// The room from a place to the right edge of the picture, px.
    pub(super) fn svg_room(&self, x: f64) -> f64 {
        self.width.px() - x
    }

    /// Keeps labels off a drawn line.
    pub(super) fn keep_clear(&mut self, run: &[(f64, f64)]) {
        for pair in run.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            self.svg.reserve(x0.min(x1), y0.min(y1) - 1.5, x0.max(x1), y0.max(y1) + 1.5);
        }
    }
}

/// An element id of letters, digits and dashes.
pub(super) fn plain_ident(ident: &str, width: Width) -> String {
    let kept: String = ident.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    format!("tl-{kept}-{}", width.suffix())
}

/// Path data of a shape between an upper and a lower edge, both from left to right.
pub(super) fn between(upper: &[(f64, f64)], lower: &[(f64, f64)]) -> String {
    if upper.len() < 2 || lower.len() < 2 {
        return String::new();
    }
    let mut run = upper.to_vec();
    run.extend(lower.iter().rev());
    super::svg::points(&run) + "Z"
}

/// A triangle that points down at `x`, above `y`.
pub(super) fn notch(x: f64, y: f64) -> String {
    format!("M{} {}h10l-5 8z", n(x - 5.0), n(y))
}

/// The same line without points in the middle of level stretches.
pub(super) fn without_level_points(run: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let level = |a: f64, b: f64| (a - b).abs() < 0.05;
    let mut kept: Vec<(f64, f64)> = Vec::with_capacity(run.len() / 2);
    for (i, point) in run.iter().enumerate() {
        let before = kept.last().is_some_and(|last| level(last.1, point.1));
        let after = run.get(i + 1).is_some_and(|next| level(next.1, point.1));
        if !(before && after) {
            kept.push(*point);
        }
    }
    kept
}
