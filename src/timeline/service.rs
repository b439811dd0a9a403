//! The service timeline: lanes above one another on one time axis. Which lanes there are, how high, in which order.

use super::{
    Class, Facts, Show, Width, counts, flags,
    frame::{self, Frame, Place},
    marks, population,
    rates::{self, RateStrip},
    scale::TimeScale,
    series::{Basis, CellRow, Series, in_view},
    svg::{Anchor, Svg},
};
use crate::domain::Time;

/// Most flags drawn; the rest is said in words.
const MOST_FLAGS: usize = 4;
/// Most cells drawn; the rest is folded into one row.
const MOST_CELLS: usize = 40;

/// A lane and what it needs to be drawn.
enum Lane<'a> {
    Regressions,
    Steps,
    Holds,
    Notices,
    Nearby,
    Population,
    Rate(RateStrip),
    Totals,
    Cells(Vec<CellRow>, Vec<String>),
    Flag(&'a super::FlagLine),
    Words(String),
}

impl Lane<'_> {
    /// Rows of marks stand close, strips apart.
    fn is_row(&self) -> bool {
        match self {
            Lane::Regressions | Lane::Steps | Lane::Holds | Lane::Notices => true,
            Lane::Nearby
            | Lane::Population
            | Lane::Rate(_)
            | Lane::Totals
            | Lane::Cells(..)
            | Lane::Flag(_)
            | Lane::Words(_) => false,
        }
    }
}

/// Draws the timeline of one service in one environment.
pub fn service(facts: &Facts, width: Width, show: &Show) -> String {
    let [drawn] = service_at(facts, [width], show);
    drawn
}

/// The same at several widths: what is drawn is summed once.
pub fn service_at<const N: usize>(facts: &Facts, widths: [Width; N], show: &Show) -> [String; N] {
    let series = Series::new(facts);
    widths.map(|width| compose(facts, &series, width, show).done())
}

/// The picture before it is turned into text, so that tests can ask it what its labels cover.
pub(super) fn compose(facts: &Facts, series: &Series, width: Width, show: &Show) -> Svg {
    let narrow = width.is_narrow();
    let (left, right) = frame::edges(width);
    let plot = width.px() - left - right;
    let scale = TimeScale::new(facts.from, facts.to, left, plot);
    let class = if narrow { "timeline narrow" } else { "timeline" };
    let label = format!("Timeline of {} in {}", facts.service, facts.environment);
    let harms = if show.regressions { frame::harms(facts, &scale, series) } else { Vec::new() };
    let mut frame = Frame {
        svg: Svg::new(class, width.px(), 0.0, &label),
        facts,
        series,
        until: scale.at(series.until),
        scale,
        width,
        left,
        plot,
        harms,
        ident: frame::plain_ident(&facts.ident, width),
        band_named: false,
    };
    let lanes = plan(&frame, show);
    let (places, bottom) = stack(&lanes, narrow);
    let height = bottom + if narrow { 22.0 } else { 34.0 };
    frame.svg = Svg::new(class, width.px(), height, &label);
    draw(&mut frame, &lanes, &places, bottom, height, show);
    frame.svg
}

/// Lanes with something to show, from the top, with their heights.
fn plan<'a>(frame: &Frame<'a>, show: &Show) -> Vec<(Lane<'a>, f64)> {
    let (facts, series, narrow) = (frame.facts, frame.series, frame.narrow());
    let pick = |wide: f64, small: f64| if narrow { small } else { wide };
    let seen = |at: Time| in_view(facts, &frame.scale, at);
    let mut lanes: Vec<(Lane<'a>, f64)> = Vec::new();
    if !frame.harms.is_empty() {
        let rows = marks::regression_rows(frame).into_iter().max().unwrap_or(0) + 1;
        let more = if rows > marks::MOST_ROWS { 14.0 } else { 0.0 };
        let rows = rows.min(marks::MOST_ROWS) as f64;
        lanes.push((Lane::Regressions, pick(12.0 + 32.0 * rows, 2.0 + 20.0 * rows) + more));
    }
    let steps = facts.steps.iter().any(|step| seen(step.at)) || facts.gates.iter().any(|gate| seen(gate.at));
    if (show.steps || show.continuations) && steps {
        lanes.push((Lane::Steps, pick(60.0, 34.0)));
    }
    let held = show.holds
        && facts.holds.iter().any(|hold| hold.at <= facts.until() && hold.until.is_none_or(|end| end >= facts.from));
    if held || show.notes && facts.notes.iter().any(|note| seen(note.at)) {
        lanes.push((Lane::Holds, pick(34.0, 26.0)));
    }
    if show.notices && facts.notices.iter().any(|notice| seen(notice.at)) {
        lanes.push((Lane::Notices, pick(34.0, 26.0)));
    }
    if show.nearby && facts.nearby.iter().any(|push| push.steps.iter().any(|step| seen(step.at))) {
        let rows = facts.nearby.len().min(marks::MOST_ROWS) as f64;
        let more = if facts.nearby.len() > marks::MOST_ROWS { 13.0 } else { 0.0 };
        lanes.push((
            Lane::Nearby,
            if rows <= 1.0 { pick(34.0, 24.0) } else { pick(20.0 + 13.0 * rows + more, 20.0 * rows) },
        ));
    }
    if show.population && (facts.crashes.iter().any(|crash| crash.at <= facts.until()) || series.basis != Basis::Counts)
    {
        lanes.push((Lane::Population, if series.basis == Basis::Counts { 24.0 } else { pick(108.0, 80.0) }));
    }
    if show.rates {
        for strip in rates::strips(series, show.fleet, narrow) {
            let height = if strip.samples.is_empty() { strip.scale.height.min(48.0) } else { strip.scale.height };
            let strip = RateStrip { scale: super::scale::RootScale { height, ..strip.scale }, ..strip };
            lanes.push((Lane::Rate(strip), height));
        }
    }
    if show.totals {
        lanes.push((Lane::Totals, pick(100.0, 74.0)));
    }
    if show.cells {
        let subject = counts::subject(frame);
        let rows = series.cells(facts, &frame.scale, &subject, MOST_CELLS);
        if !rows.is_empty() {
            let pitch = if rows.len() > 16 { pick(14.0, 11.0) } else { pick(20.0, 13.0) };
            let height = (pitch * rows.len() as f64).max(pick(52.0, 13.0));
            lanes.push((Lane::Cells(rows, subject), height));
        }
    }
    if show.flags {
        // Flags that moved in view come before those that stood still.
        let (moved, still): (Vec<_>, Vec<_>) =
            facts.flags.iter().partition(|flag| flag.changes.iter().any(|change| seen(change.at)));
        let all: Vec<_> = moved.into_iter().chain(still).collect();
        lanes.extend(all.iter().take(MOST_FLAGS).map(|flag| (Lane::Flag(flag), pick(46.0, 34.0))));
        if all.len() > MOST_FLAGS {
            let words = format!("and {} more flags that this service reads", all.len() - MOST_FLAGS);
            lanes.push((Lane::Words(words), 14.0));
        }
    }
    lanes
}

/// Where each lane lies, and where the plot ends.
fn stack(lanes: &[(Lane<'_>, f64)], narrow: bool) -> (Vec<Place>, f64) {
    let (above, gap) = if narrow { (19.0, 10.0) } else { (0.0, 16.0) };
    let mut y: f64 = 40.0;
    let mut places = Vec::with_capacity(lanes.len());
    for (i, (lane, height)) in lanes.iter().enumerate() {
        // The words at the present need room above a strip that comes first.
        if i == 0 && !lane.is_row() && !narrow {
            y += 14.0;
        }
        y += above;
        places.push(Place { top: y, height: *height });
        y += height + if lane.is_row() && !narrow { 2.0 } else { gap };
        // The last row of marks ends where the tint begins.
        if lane.is_row() && !narrow && lanes.get(i + 1).is_some_and(|(next, _)| !next.is_row()) {
            y += 10.0;
        }
    }
    (places, y - gap + 6.0)
}

fn draw(frame: &mut Frame<'_>, lanes: &[(Lane<'_>, f64)], places: &[Place], bottom: f64, height: f64, show: &Show) {
    let measured = lanes.iter().position(|(lane, _)| !lane.is_row() && !matches!(lane, Lane::Nearby));
    let top = measured.map_or(40.0, |i| places[i].top - 4.0);
    let plot_bottom = bottom - 6.0;
    frame.patterns();
    frame.tint(top, plot_bottom);
    frame.axis(top, plot_bottom, height);
    for ((lane, _), place) in lanes.iter().zip(places) {
        match lane {
            Lane::Regressions => marks::regressions(frame, *place),
            Lane::Steps => marks::steps(frame, *place, show),
            Lane::Holds => marks::holds(frame, *place, show),
            Lane::Notices => marks::notices(frame, *place),
            Lane::Nearby => marks::nearby(frame, *place),
            Lane::Population => population::population(frame, *place),
            Lane::Rate(strip) => {
                rates::rate(frame, *place, strip);
                let ran_out = frame.harms.iter().find(|harm| harm.ran_out() && harm.end_seen).map(|harm| harm.end);
                if let (rates::Strip::Fleet, Some(end), false) = (strip.strip, ran_out, frame.narrow()) {
                    let places =
                        [(end + 12.0, place.top + 20.0, Anchor::Start), (end - 12.0, place.top + 12.0, Anchor::End)];
                    frame.svg.text_where_free(&places, "looks mended", "t-note halo");
                }
            }
            Lane::Totals => counts::totals(frame, *place),
            Lane::Cells(rows, subject) => counts::cells(frame, *place, rows, subject),
            Lane::Flag(line) => flags::flag(frame, *place, line),
            Lane::Words(words) => {
                let x = if frame.narrow() { frame.left } else { 0.0 };
                frame.svg.text(x, place.top + 10.0, words, "t-sub", Anchor::Start);
            }
        }
    }
    if lanes.is_empty() {
        frame.svg.text(frame.left + 8.0, 52.0, "Nothing was recorded in this range.", "t-note", Anchor::Start);
    }
    frame.lines(top, plot_bottom);
    frame.svg.line(frame.left, bottom - 4.0, frame.right(), bottom - 4.0, "axis");
}

impl Facts {
    /// Facts of a range in which nothing is recorded: begin here and fill in what is known.
    pub fn blank(from: Time, to: Time, now: Time) -> Facts {
        Facts {
            ident: String::new(),
            service: String::new(),
            environment: String::new(),
            from,
            to,
            now,
            known_at: None,
            local_offset_minutes: 0,
            releases: Vec::new(),
            exposures: Vec::new(),
            crashes: Vec::new(),
            crashes_href: None,
            pushes: Vec::new(),
            steps: Vec::new(),
            gates: Vec::new(),
            nearby: Vec::new(),
            flags: Vec::new(),
            regressions: Vec::new(),
            holds: Vec::new(),
            notes: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The release of a class, if there is exactly one.
    pub fn release_of(&self, class: Class) -> Option<&str> {
        let mut found = self.releases.iter().filter(|release| release.class == class);
        match (found.next(), found.next()) {
            (Some(one), None) => Some(&one.name),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }
}
