//! The share of a flag over time, as a step line with a pennant at each change.

use super::{
    Facts, FlagLine, Width,
    frame::{Frame, Place, edges, plain_ident},
    scale::TimeScale,
    series::{Series, in_view},
    svg::{Anchor, Mark, Svg, points},
    words::share,
};
use crate::domain::Time;

/// One flag's lane.
pub(super) fn flag(frame: &mut Frame<'_>, place: Place, flag: &FlagLine) {
    let about = if flag.about.is_empty() { "flag, percent" } else { &flag.about };
    let subs: Vec<String> = if frame.narrow() {
        vec![about.to_owned()]
    } else {
        // Two lines of the lane's name column, broken between words.
        broken(about, 20)
    };
    frame.name(place, &flag.name, &subs);
    line(frame, place, flag);
}

fn line(frame: &mut Frame<'_>, place: Place, flag: &FlagLine) {
    let base = place.top + place.height;
    let y = |percent: f64| base - (percent / 100.0).clamp(0.0, 1.0) * place.height;
    let ticks = [0.0, 50.0, 100.0].map(|value| (value, format!("{} %", share(value))));
    frame.value_ticks(place, &ticks, |value| value / 100.0 * place.height);
    let facts = frame.facts;
    let mut changes: Vec<_> = flag.changes.iter().filter(|change| in_view(facts, &frame.scale, change.at)).collect();
    changes.sort_by_key(|change| change.at);
    let mut level = flag.percent_at_start.filter(|percent| percent.is_finite());
    let mut run: Vec<(f64, f64)> = Vec::new();
    if let Some(percent) = level {
        run.push((frame.left, y(percent)));
    }
    // A rule without a share breaks the line: nobody knows how high to draw it.
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    for change in &changes {
        let x = frame.scale.x(change.at);
        if let Some(percent) = level {
            run.push((x, y(percent)));
        }
        level = change.percent.filter(|percent| percent.is_finite());
        match level {
            Some(percent) => run.push((x, y(percent))),
            None => runs.push(std::mem::take(&mut run)),
        }
    }
    if let Some(percent) = level {
        run.push((frame.until, y(percent)));
    }
    runs.push(run);
    for run in &runs {
        if run.len() > 1 {
            frame.svg.path(&points(run), "line line-flag");
            frame.keep_clear(run);
        }
    }
    let size = frame.mark_size();
    for change in &changes {
        let at = change.percent.filter(|percent| percent.is_finite()).map_or(base, y);
        let (x, mark_y) = (frame.scale.x(change.at) + size / 2.0 - 3.0, at - size / 2.0 + 1.0);
        let (href, title) = (&change.href, &change.title);
        frame.svg.mark(&Mark { symbol: "flag", x, y: mark_y, size: size - 2.0, class: "mark-flag", href, title });
        if !frame.narrow() {
            let level = change.percent.map_or("changed".to_owned(), |percent| format!("{} %", share(percent)));
            let words = format!("{level} {}", change.initials);
            let x = frame.scale.x(change.at) + size + 2.0;
            let places = [(x, at - 5.0, Anchor::Start), (x - size - 8.0, at - 5.0, Anchor::End)];
            frame.svg.text_where_free(&places, words.trim_end(), "t-who");
        }
    }
    if runs.iter().all(|run| run.len() < 2) && !frame.narrow() {
        let places = [(frame.left + 8.0, base - place.height / 2.0 + 4.0, Anchor::Start)];
        frame.svg.text_where_free(&places, "its share is not known", "t-note halo");
    }
}

/// Draws the shares of one flag as a step line from `from` to `to`, with its changes up to `until`.
pub fn flag_history(flag: &FlagLine, from: Time, to: Time, until: Time, width: Width) -> String {
    let facts = Facts { flags: vec![flag.clone()], known_at: Some(until), ..Facts::blank(from, to, until) };
    let narrow = width.is_narrow();
    let (left, right) = edges(width);
    let plot = width.px() - left - right;
    let scale = TimeScale::new(from, to, left, plot);
    let series = Series::new(&facts);
    let height = if narrow { 150.0 } else { 160.0 };
    let class = if narrow { "timeline narrow" } else { "timeline" };
    let svg = Svg::new(class, width.px(), height, &format!("Share of flag {} over time", flag.name));
    let drawn_to = scale.at(series.until);
    let ident = plain_ident("flag", width);
    let (facts, series) = (&facts, &series);
    let mut frame = Frame {
        svg,
        facts,
        series,
        scale,
        width,
        left,
        plot,
        until: drawn_to,
        harms: Vec::new(),
        ident,
        band_named: false,
    };
    frame.axis(46.0, height - 36.0, height);
    let place =
        Place { top: if narrow { 66.0 } else { 60.0 }, height: height - 36.0 - if narrow { 66.0 } else { 60.0 } };
    self::flag(&mut frame, place, flag);
    frame.svg.done()
}

/// A text in lines of about so many letters, broken between words.
fn broken(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.truncate(2);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::time::{minutes, parse},
        timeline::FlagMark,
    };

    #[test]
    fn a_change_after_the_instant_read_is_not_in_the_history() {
        let from = parse("2026-03-03T00:00:00Z").expect("valid");
        let change = |at, percent| FlagMark {
            at: from + minutes(at),
            percent,
            initials: "KI".into(),
            href: "#e".into(),
            title: "flag blue-buttons".into(),
        };
        let flag = FlagLine {
            name: "blue-buttons".into(),
            about: String::new(),
            percent_at_start: None,
            changes: vec![change(60, Some(20.0)), change(120, None), change(300, Some(50.0))],
        };
        for width in [Width::Wide, Width::Narrow] {
            let drawn = flag_history(&flag, from, from + minutes(480), from + minutes(200), width);
            assert_eq!(drawn.matches("#i-flag").count(), 2);
            assert_eq!(drawn.matches("line line-flag").count(), 1);
        }
    }
}
