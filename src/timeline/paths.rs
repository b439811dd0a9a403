//! The paths that a push may take from here, priced: one row each, a dot with its interval, all on one scale.

use super::{
    scale,
    show::Width,
    svg::{Anchor, Svg, n},
    words,
};
use crate::domain::finding::Estimate;

/// What choosing a path does to harm, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// Harm goes on: going on, freezing.
    GoesOn,
    /// Harm is brought to an end: rolling back, turning a flag off.
    Ends,
}

/// One path.
#[derive(Debug, Clone, PartialEq)]
pub struct PathRow {
    /// What would be done: "Roll back to A".
    pub name: String,
    /// How: "same pace, backwards".
    pub about: String,
    /// What it does to harm.
    pub kind: PathKind,
    /// Further crashes to be expected on it; none where it is not open, and then `words` say why.
    pub cost: Option<Estimate>,
    /// Words in place of a cost: "It would have been 0 further crashes", "not enough data".
    pub words: String,
}

/// The paths chart: wide is 720 px, narrow 328 px.
pub fn paths(rows: &[PathRow], width: Width) -> String {
    let narrow = width.is_narrow();
    let px = if narrow { 328.0 } else { 720.0 };
    let (left, right) = if narrow { (12.0, 12.0) } else { (170.0, 140.0) };
    let (row_height, top) = (if narrow { 56.0 } else { 44.0 }, 26.0);
    let plot = px - left - right;
    let most = rows
        .iter()
        .filter_map(|row| row.cost)
        .map(|cost| finite(cost.high).max(finite(cost.estimate)))
        .fold(0.0, f64::max);
    let ticks = scale::count_ticks(most, plot, if narrow { 70.0 } else { 90.0 });
    let end = ticks[ticks.len() - 1];
    let x = |value: f64| left + finite(value).clamp(0.0, end) / end * plot;
    let height = top + row_height * rows.len() as f64 + if narrow { 12.0 } else { 6.0 };
    let class = if narrow { "paths-chart narrow" } else { "paths-chart" };
    let mut svg = Svg::new(class, px, height, "Expected further crashes on each path, with 95 % intervals");
    for (i, tick) in ticks.iter().enumerate() {
        svg.line(x(*tick), top, x(*tick), height - 6.0, if i == 0 { "axis" } else { "grid-v" });
        let anchor = match i {
            0 => Anchor::Start,
            last if last + 1 == ticks.len() && narrow => Anchor::End,
            _ => Anchor::Middle,
        };
        svg.text(x(*tick), 13.0, &words::grouped(*tick), "t-tick", anchor);
    }
    for (i, row) in rows.iter().enumerate() {
        let y = top + i as f64 * row_height + row_height / 2.0 + if narrow { 12.0 } else { 0.0 };
        if narrow {
            // Fonts differ by a fifth and more; one text flows whatever its width.
            let name = words::fitted(&row.name, 12.5, true, px - left * 2.0);
            let left_over = (px - left * 2.0 - words::width_of(&name, 12.5, true)) * 0.75;
            let about = words::fitted(&row.about, 11.5, false, left_over);
            svg.text_split(left + 4.0, y - 16.0, &name, &format!(", {about}"), "t-label halo", Anchor::Start);
        } else {
            svg.text(0.0, y - 2.0, &words::fitted(&row.name, 12.5, true, left - 8.0), "t-name", Anchor::Start);
            svg.text(0.0, y + 12.0, &words::fitted(&row.about, 11.5, false, left - 8.0), "t-sub", Anchor::Start);
        }
        let Some(cost) = row.cost else {
            // A sentence for each line, where one line would be too long for both.
            let (first, rest) = match row.words.split_once(". ") {
                Some((first, rest)) if narrow => (format!("{first}."), rest),
                _ => (row.words.clone(), ""),
            };
            for (line, text) in [first.as_str(), rest].into_iter().filter(|text| !text.is_empty()).enumerate() {
                let fitted = words::fitted(text, 11.5, false, px - left - 16.0);
                svg.text(left + 8.0, y + 4.0 + 15.0 * line as f64, &fitted, "t-note", Anchor::Start);
            }
            continue;
        };
        draw_cost(&mut svg, row, cost, (x(cost.low), x(cost.estimate), x(cost.high), y), px, narrow);
    }
    svg.done()
}

fn draw_cost(svg: &mut Svg, row: &PathRow, cost: Estimate, place: (f64, f64, f64, f64), px: f64, narrow: bool) {
    let (low, at, high, y) = place;
    let key = match row.kind {
        PathKind::GoesOn => "onward",
        PathKind::Ends => "back",
    };
    let class = format!("range range-{key}");
    svg.line(low, y, high, y, &class);
    for end in [low, high] {
        svg.line(end, y - 5.0, end, y + 5.0, &class);
    }
    svg.add(&format!("<circle class=\"dot dot-{key}\" cx=\"{}\" cy=\"{}\" r=\"5\"/>", n(at), n(y)));
    let estimate = words::two_digits(cost.estimate);
    let rest = format!(" ({} to {})", words::two_digits(cost.low), words::two_digits(cost.high));
    match (narrow, at < px - 150.0) {
        (true, true) => svg.text_split(at + 8.0, y + 18.0, &estimate, &rest, "t-label halo", Anchor::Start),
        (true, false) => svg.text_split(px - 12.0, y + 18.0, &estimate, &rest, "t-label halo", Anchor::End),
        (false, _) => svg.text_split(px, y + 4.0, &estimate, &rest, "t-label", Anchor::End),
    }
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cost: Option<Estimate>) -> PathRow {
        PathRow {
            name: "Freeze <8 hours>".into(),
            about: "both stay".into(),
            kind: PathKind::GoesOn,
            cost,
            words: "no flag".into(),
        }
    }

    #[test]
    fn every_path_is_drawn_on_one_scale_from_zero() {
        let drawn = paths(&[row(Some(Estimate { estimate: 92.0, low: 44.0, high: 160.0 })), row(None)], Width::Wide);
        assert!(drawn.contains("92</tspan> (44 to 160)"), "{drawn}");
        assert!(drawn.contains("no flag") && drawn.contains("Freeze &lt;8 hours&gt;"));
        assert_eq!(drawn.matches("<circle").count(), 1);
    }

    #[test]
    fn a_path_without_numbers_draws_no_nonsense() {
        for width in [Width::Wide, Width::Narrow] {
            let wild = Estimate { estimate: f64::NAN, low: f64::INFINITY, high: -1.0 };
            assert!(!paths(&[row(Some(wild))], width).contains("NaN"));
            assert!(paths(&[], width).starts_with("<svg"));
        }
    }
}
