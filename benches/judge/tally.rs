//! Sums over histories: one column of the table for each rule, its figures for one family, and the worst cases.

use crate::score::{Score, Told};
use serde_json::{Map, Value};

/// One line of the table: what it is, the figure, and how many cases are behind it.
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// The figure; none where the rule says nothing of the kind.
    pub value: Option<f64>,
    /// How many cases.
    pub of: usize,
    /// Decimals.
    pub decimals: usize,
    /// What is to be reached.
    pub target: Option<Target>,
}

/// What a figure is to be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// From one to the other.
    Within(f64, f64),
}

impl Target {
    /// Whether a figure reaches it.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Target::AtLeast(least) => value >= least,
            Target::AtMost(most) => value <= most,
            Target::Within(least, most) => (least..=most).contains(&value),
        }
    }

    /// In a few signs.
    pub fn says(self) -> String {
        match self {
            Target::AtLeast(least) => format!(">= {least}"),
            Target::AtMost(most) => format!("<= {most}"),
            Target::Within(least, most) => format!("{least}-{most}"),
        }
    }
}

/// What was set before the judge was built further; the rest of the figures have no target.
const TARGETS: [(&str, Target); 22] = [
    ("precision", Target::AtLeast(0.97)),
    ("recall", Target::AtLeast(0.97)),
    ("kind right when first said, of what had arrived", Target::AtLeast(0.98)),
    ("kind right in the end", Target::AtLeast(0.98)),
    ("attribution, overlapping changes, first", Target::AtLeast(0.95)),
    ("attribution, overlapping changes, end", Target::AtLeast(0.95)),
    ("onset error, median, min", Target::AtMost(2.0)),
    ("onset interval coverage", Target::Within(0.9, 0.99)),
    ("gate says stop, median, excess crashes", Target::AtMost(8.0)),
    ("collateral flagged before 10 % (where 8 had arrived)", Target::AtLeast(0.9)),
    ("false blame per 1,000 healthy pushes", Target::AtMost(5.0)),
    ("false stops per 1,000 healthy pushes", Target::AtMost(1.0)),
    ("ambient blamed on a change, %", Target::AtMost(0.5)),
    ("continuation precision", Target::AtLeast(0.97)),
    ("continuation recall", Target::AtLeast(0.97)),
    ("ending right", Target::AtLeast(0.95)),
    ("victims gone called recovery", Target::AtMost(0.0)),
    ("cost error, median, %", Target::AtMost(3.0)),
    ("cost error, 90th percentile, %", Target::AtMost(10.0)),
    ("cost interval coverage", Target::AtLeast(0.85)),
    ("misdated words", Target::AtMost(0.0)),
    ("seconds a history, mean", Target::AtMost(1.0)),
];

/// Every figure of one rule over some histories.
pub fn figures(scores: &[&Score]) -> Vec<Figure> {
    let all: Vec<&Told> = scores.iter().flat_map(|score| &score.harms).collect();
    let harms: Vec<&Told> = all.iter().copied().filter(|told| !told.faint).collect();
    let faint: Vec<&Told> = all.iter().copied().filter(|told| told.faint).collect();
    let found: Vec<&Told> = harms.iter().copied().filter(|told| told.found).collect();
    let right_calls = all.iter().filter(|told| told.found).count();
    let false_calls: usize = scores.iter().map(|score| score.false_calls).sum();
    let repeats: usize = scores.iter().map(|score| score.repeats).sum();
    let healthy: Vec<&&Score> = scores.iter().filter(|score| score.healthy).collect();
    let sum = |of: &dyn Fn(&Score) -> usize| scores.iter().map(|score| of(score)).sum::<usize>();
    let sum_healthy = |of: &dyn Fn(&Score) -> usize| healthy.iter().map(|score| of(score)).sum::<usize>();
    let healthy_pushes = sum_healthy(&|score| score.innocents);
    let innocents = sum(&|score| score.innocents);
    let answers = sum_healthy(&|score| score.answers.0 + score.answers.1 + score.answers.2);
    let ambient: Vec<&Told> = all.iter().copied().filter(|told| told.kind == "ambient").collect();
    let blamed_ambient = ambient.iter().filter(|told| told.wrong_blame).count();
    let true_steps: usize = harms.iter().map(|told| told.continuations.0).sum();
    let said_steps: usize = harms.iter().map(|told| told.continuations.1).sum();
    let said_all: usize = all.iter().map(|told| told.continuations.1).sum();
    let false_steps: usize = scores.iter().map(|score| score.false_continuations).sum();
    let list = |of: &dyn Fn(&Told) -> Option<f64>| found.iter().filter_map(|told| of(told)).collect::<Vec<f64>>();
    let yes = |it: bool| f64::from(u8::from(it));
    let overlap: Vec<f64> = found
        .iter()
        .filter(|told| told.overlap)
        .filter_map(|told| told.blame_right)
        .map(|right| yes(right.0))
        .collect();
    let overlap_last: Vec<f64> = found
        .iter()
        .filter(|told| told.overlap)
        .filter_map(|told| told.blame_right)
        .map(|right| yes(right.1))
        .collect();
    let gone: Vec<f64> = all
        .iter()
        .filter(|told| told.ending.as_ref().is_some_and(|it| it.0 == "victims_gone"))
        .map(|told| yes(told.called_recovery))
        .collect();
    let early: Vec<f64> = harms.iter().filter_map(|told| told.early).map(yes).collect();
    let guilty: Vec<f64> = harms.iter().filter(|it| it.kind != "ambient").map(|it| yes(it.delay.is_some())).collect();
    let stopped: Vec<f64> = harms.iter().filter(|it| it.by_push).map(|it| yes(it.stop.is_some())).collect();
    let onsets = list(&|told| told.onset.map(|it| it.0.abs()));
    let costs = list(&|told| told.cost.map(|it| it.0 * 100.0));
    let delays = list(&|told| told.delay);
    let excess = list(&|told| told.excess);
    let shares = list(&|told| told.share.map(|it| it * 100.0));
    let ratio = |part: usize, of: usize| (of > 0).then(|| part as f64 / of as f64);
    let thousand = |part: usize, of: usize| (of > 0).then(|| 1000.0 * part as f64 / of as f64);
    let target = |name: &str| TARGETS.iter().find(|it| it.0 == name).map(|it| it.1);
    let line = |name, value: Option<f64>, of, decimals| Figure { name, value, of, decimals, target: target(name) };
    let part = |name, values: &[f64]| line(name, mean(values), values.len(), 3);
    let at = |name, values: &[f64], quantile: f64| line(name, percentile(values, quantile), values.len(), 1);
    vec![
        line("precision", ratio(right_calls, right_calls + false_calls), right_calls + false_calls, 3),
        line("recall", ratio(found.len(), harms.len()), harms.len(), 3),
        part("right change said while it went on (recall of stop)", &guilty),
        part("kind right when first said, of what had arrived", &list(&|told| told.kind_of_arrived.map(yes))),
        part("kind right when first said, of what it came to", &list(&|told| told.kind_right.map(|it| yes(it.0)))),
        part("kind right in the end", &list(&|told| told.kind_right.map(|it| yes(it.1)))),
        part("attribution right when first said", &list(&|told| told.blame_right.map(|it| yes(it.0)))),
        part("attribution right in the end", &list(&|told| told.blame_right.map(|it| yes(it.1)))),
        part("attribution, overlapping changes, first", &overlap),
        part("attribution, overlapping changes, end", &overlap_last),
        at("onset error, median, min", &onsets, 0.5),
        at("onset error, 90th percentile, min", &onsets, 0.9),
        part("onset interval coverage", &list(&|told| told.onset.map(|it| yes(it.1)))),
        at("delay, median, min", &delays, 0.5),
        at("delay, 90th percentile, min", &delays, 0.9),
        at("delay, median, excess crashes", &excess, 0.5),
        at("delay, 90th percentile, excess crashes", &excess, 0.9),
        at("delay, median, % of rollout", &shares, 0.5),
        at("delay, 90th percentile, % of rollout", &shares, 0.9),
        at("gate says stop, median, excess crashes", &list(&|told| told.stop), 0.5),
        at("gate says stop, 90th percentile, excess crashes", &list(&|told| told.stop), 0.9),
        part("harmful pushes told to stop while harm went on", &stopped),
        part("collateral flagged before 10 % (where 8 had arrived)", &early),
        line(
            "false blame per 1,000 healthy pushes",
            thousand(sum_healthy(&|score| score.blamed.len()), healthy_pushes),
            healthy_pushes,
            1,
        ),
        line(
            "false stops per 1,000 healthy pushes",
            thousand(sum_healthy(&|score| score.stopped.len()), healthy_pushes),
            healthy_pushes,
            1,
        ),
        line(
            "innocent pushes blamed beside a harm, per 1,000",
            thousand(
                sum(&|score| score.blamed.len()) - sum_healthy(&|score| score.blamed.len()),
                innocents - healthy_pushes,
            ),
            innocents - healthy_pushes,
            1,
        ),
        line("innocent flag changes blamed", Some(sum(&|score| score.flags_blamed.len()) as f64), scores.len(), 0),
        line("ambient blamed on a change, %", ratio(blamed_ambient * 100, ambient.len()), ambient.len(), 2),
        line("steps of healthy pushes told hold, %", ratio(sum_healthy(&|it| it.answers.1) * 100, answers), answers, 1),
        line("continuation precision", ratio(said_all, said_all + false_steps), said_all + false_steps, 3),
        line("continuation recall", ratio(said_steps, true_steps), true_steps, 3),
        part("ending right", &list(&|told| told.ending.as_ref().map(|it| yes(it.0 == it.1)))),
        line("victims gone called recovery", (!gone.is_empty()).then(|| gone.iter().sum()), gone.len(), 0),
        at("cost error, median, %", &costs, 0.5),
        at("cost error, 90th percentile, %", &costs, 0.9),
        part("cost interval coverage", &list(&|told| told.cost.map(|it| yes(it.1)))),
        part("cheapest way on named", &list(&|told| told.way_right.map(yes))),
        line("second calls on the same harm, per harm", ratio(repeats, right_calls), right_calls, 2),
        line(
            "harms below the line found",
            ratio(faint.iter().filter(|told| told.found).count(), faint.len()),
            faint.len(),
            3,
        ),
        line("misdated words", Some(scores.iter().map(|it| f64::from(it.misdated)).sum()), scores.len(), 0),
        line(
            "seconds a history, mean",
            mean(&scores.iter().map(|it| it.seconds).collect::<Vec<f64>>()),
            scores.len(),
            2,
        ),
    ]
}

/// The mean, where there is anything.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A percentile, the value at its rank.
pub fn percentile(values: &[f64], quantile: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = ((sorted.len() as f64 * quantile).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied()
}

/// Figures as JSON.
pub fn to_json(figures: &[Figure]) -> Value {
    let of = |figure: &Figure| {
        let value = serde_json::json!({
            "value": figure.value, "cases": figure.of, "target": figure.target.map(Target::says),
        });
        (figure.name.to_owned(), value)
    };
    Value::Object(figures.iter().map(of).collect::<Map<String, Value>>())
}

/// How bad a history went, and in what words; zero where nothing went wrong.
pub fn badness(score: &Score) -> (f64, Vec<String>) {
    let mut words = Vec::new();
    let mut sum = 0.0;
    let mut add = |weight: f64, word: String| {
        sum += weight;
        words.push(word);
    };
    if !score.stopped.is_empty() {
        add(100.0, format!("stopped the innocent {}", score.stopped.join(", ")));
    } else if !score.blamed.is_empty() {
        add(90.0, format!("blamed the innocent {}", score.blamed.join(", ")));
    }
    if !score.flags_blamed.is_empty() {
        add(70.0, format!("blamed the innocent {}", score.flags_blamed.join(", ")));
    }
    if score.misdated > 0 {
        add(150.0, format!("{} misdated words", score.misdated));
    }
    if score.false_calls > 0 {
        add(15.0 * score.false_calls as f64, format!("{} calls without a harm", score.false_calls));
    }
    for told in score.harms.iter().filter(|told| !told.faint) {
        if !told.found {
            add(
                60.0 + told.nats.min(1000.0) / 25.0,
                format!("missed {} ({} crashes, {} nats)", told.kind, told.crashes, told.nats),
            );
            continue;
        }
        if told.called_recovery {
            add(90.0, "called victims gone a recovery".to_owned());
        }
        if told.delay.is_none() {
            add(50.0, "never said the right change".to_owned());
        }
        if let (Some((_, false)), Some((first, last))) = (told.kind_right, &told.kinds) {
            add(30.0, format!("said {first}, then {last}, for {}", told.kind));
        }
        if let Some((real, said)) = told.ending.as_ref().filter(|it| it.0 != it.1) {
            add(12.0, format!("ended {said} for {real}"));
        }
        if let Some((error, _)) = told.cost.filter(|it| it.0 > 0.25) {
            add(10.0 * error.min(3.0), format!("cost off by {:.0} %", error * 100.0));
        }
    }
    (sum, words)
}
