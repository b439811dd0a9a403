//! What ran: the population by release, the pushed one at the bottom, so that its edge climbs as the push goes on.

use super::{
    Class,
    frame::{Frame, Place, between, without_level_points},
    scale::round_up,
    series::{Basis, Line},
    svg::{Anchor, points},
    words::{fitted, grouped, short, two_digits},
};
use crate::domain::step::Action;

/// From the bottom of the population to its top.
pub(super) const STACK: [Class; 4] = [Class::Pushed, Class::Third, Class::Other, Class::Replaced];

/// Running instances by release, the pushed one at the bottom.
pub(super) fn population(frame: &mut Frame<'_>, place: Place) {
    let series = frame.series;
    match series.basis {
        Basis::Hours => frame.name(place, "Population", &["running instances".into(), "by release".into()]),
        Basis::Sessions => {
            let subs = ["sessions a minute,".into(), "by release; no count".into(), "of instances".into()];
            frame.name(place, "Population", &subs);
        }
        Basis::Counts => {
            let words = "not enough data: nothing was reported to run, so there are counts and no rates";
            frame.name(place, "Population", &[]);
            let (x, y) =
                if frame.narrow() { (frame.left, place.top + 9.0) } else { (frame.left + 8.0, place.top + 11.0) };
            let words = fitted(words, 11.5, false, frame.right() - x);
            frame.svg.text(x, y, &words, "t-note", Anchor::Start);
            return;
        }
    }
    let at = series.samples_at();
    let most = at.iter().map(|offset| series.running(&series.fleet, *offset)).fold(0.0, f64::max);
    let most = if most >= 10.0 { most.ceil() } else { round_up(most.max(0.1)) };
    let up = |value: f64| (value / most).clamp(0.0, 1.0) * place.height;
    let base = place.top + place.height;
    let mut lower = vec![0.0; at.len()];
    for class in STACK.into_iter().filter(|class| series.line(*class).is_some()) {
        let upper: Vec<f64> =
            at.iter().zip(&lower).map(|(offset, below)| below + series.instances(class, *offset)).collect();
        let run = |values: &[f64]| -> Vec<(f64, f64)> {
            let all = at.iter().zip(values).map(|(offset, value)| (frame.scale.at(*offset), base - up(*value)));
            without_level_points(all.collect())
        };
        let (top_run, bottom_run) = (run(&upper), run(&lower));
        let shape = between(&top_run, &bottom_run);
        let key = class.key();
        frame.svg.path(&shape, &format!("area-{key}"));
        if matches!(class, Class::Pushed | Class::Third) && !shape.is_empty() {
            let fill = frame.fill(key);
            frame.svg.add(&format!("<path class=\"area-lines\"{fill} d=\"{shape}\"/>"));
        }
        if !matches!(class, Class::Replaced) {
            frame.svg.path(&points(&top_run), &format!("edge edge-{key}"));
        }
        lower = upper;
    }
    let ticks: Vec<(f64, String)> = [0.0, most / 2.0, most].map(|value| (value, tick_words(value))).to_vec();
    frame.value_ticks(place, &ticks, up);
    population_words(frame, place, most, up);
}

fn tick_words(value: f64) -> String {
    if value < 10.0 && value.fract() > 0.01 {
        two_digits(value)
    } else if value >= 100_000.0 {
        short(value as u64)
    } else {
        grouped(value)
    }
}

fn population_words(frame: &mut Frame<'_>, place: Place, most: f64, up: impl Fn(f64) -> f64) {
    let (series, narrow) = (frame.series, frame.narrow());
    let base = place.top + place.height;
    let until = series.until;
    let words = |class: Class, offset: f64| {
        let name = series.line(class).map(Line::words).unwrap_or_default();
        let name = fitted(&name, 14.0, true, 150.0);
        if narrow { name } else { format!("{name} {}", grouped(series.instances(class, offset))) }
    };
    let below = |class: Class, offset: f64| -> f64 {
        STACK.iter().take_while(|other| **other != class).map(|other| series.instances(*other, offset)).sum()
    };
    // How much of the pushed release each step brought, where it has settled.
    let mut ends: Vec<f64> = frame.facts.steps.iter().map(|step| frame.scale.offset(step.at)).collect();
    ends.sort_by(f64::total_cmp);
    for step in frame.facts.steps.iter().filter(|step| step.action == Action::Advance) {
        let from = frame.scale.offset(step.at);
        if from < 0.0 || from > until {
            continue;
        }
        let x = frame.scale.at(from);
        frame.svg.line(x, place.top, x, base, "step-drop");
        let next = ends.iter().copied().find(|end| *end > from + 1.0).unwrap_or(until).min(until);
        let settled = series.instances(Class::Pushed, next - 60.0);
        let reached = series
            .samples_at()
            .into_iter()
            .find(|at| *at >= from && series.instances(Class::Pushed, *at) >= settled * 0.98)
            .filter(|at| *at < next);
        if let (Some(at), false) = (reached, narrow || settled < 1.0 || settled > most * 0.75) {
            let places = [(frame.scale.at(at) + 3.0, base - up(settled) - 5.0, Anchor::Start)];
            frame.svg.text_where_free(&places, &grouped(settled), "t-b halo");
        }
    }
    for class in STACK.into_iter().filter(|class| series.line(*class).is_some()) {
        let tone = match class {
            Class::Replaced => "t-a t-big halo",
            Class::Pushed => "t-b t-big halo",
            Class::Third => "t-c t-big halo",
            Class::Other => "t-note halo",
        };
        let middle = |offset: f64| base - up(below(class, offset) + series.instances(class, offset) / 2.0) + 5.0;
        let roomy = |offset: f64| up(series.instances(class, offset)) > 18.0;
        // At its right end if there is room, else at its left, else where it is thickest.
        let thickest = series
            .samples_at()
            .into_iter()
            .max_by(|a, b| series.instances(class, *a).total_cmp(&series.instances(class, *b)))
            .unwrap_or(0.0);
        let order = if class == Class::Replaced { [0.0, until, thickest] } else { [until, 0.0, thickest] };
        let drawn = order.into_iter().find(|offset| roomy(*offset)).is_some_and(|offset| {
            let x = frame.scale.at(offset);
            let (x, anchor) = match (x < frame.left + 60.0, x > frame.until - 60.0) {
                (true, _) => (frame.left + 8.0, Anchor::Start),
                (false, true) => (frame.until - 8.0, Anchor::End),
                (false, false) => (x, Anchor::Middle),
            };
            frame.svg.text_where_free(&[(x, middle(offset), anchor)], &words(class, offset), tone)
        });
        if !drawn && !narrow && series.instances(class, until) > 0.0 {
            let y = base - up(below(class, until) + series.instances(class, until));
            let x = frame.until + 8.0;
            let places = [(x, y + 4.0, Anchor::Start), (x, y - 8.0, Anchor::Start), (x, y + 16.0, Anchor::Start)];
            let beside = fitted(&words(class, until), 11.5, true, frame.svg_room(x));
            let tone = tone.replace("t-big ", "t-beside ");
            frame.svg.text_where_free(&places, &beside, &tone);
        }
    }
}
