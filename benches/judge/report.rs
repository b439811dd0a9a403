//! The report as text and as JSON: one table for the judge and each rule, the judge family by family, the worst cases.

use crate::{
    account::Account,
    score::{Score, tenth},
    spec::Scenario,
    tally::{self, Figure, mean, percentile},
    truth::{MINUTE, Micros, Truth},
};
use pushback::domain::finding::Kind;
use serde_json::{Value, json};

/// Every history's score, by rule.
pub struct Column {
    /// The rule.
    pub name: String,
    /// One score a history.
    pub scores: Vec<Score>,
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.decimals$}"))
}

/// The report as text.
pub fn text(title: &str, families: &[Scenario], columns: &[Column]) -> String {
    let mut out = format!("{title}\n\n");
    let figures: Vec<Vec<Figure>> =
        columns.iter().map(|it| tally::figures(&it.scores.iter().collect::<Vec<&Score>>())).collect();
    out += &format!("{:<54}", "");
    columns.iter().for_each(|column| out += &format!("{:>14}", column.name));
    out += "   cases  target of the judge\n";
    for line in 0..figures[0].len() {
        out += &format!("{:<54}", figures[0][line].name);
        for column in &figures {
            out += &format!("{:>14}", number(column[line].value, column[line].decimals));
        }
        let own = &figures[0][line];
        let target = match (own.target, own.value) {
            (Some(target), Some(value)) => {
                format!("{:<10}{}", target.says(), if target.is_met(value) { "met" } else { "MISSED" })
            }
            (Some(target), None) => target.says(),
            (None, _) => String::new(),
        };
        out += format!("{:>8}  {target}", own.of).trim_end();
        out.push('\n');
    }
    out += &levels(&columns[0].scores);
    out += &confusion(&columns[0].scores);
    out += "\nFamily by family, the judge: histories; harms above the line, found, right change said; kind and blame right in\n";
    out += "the end; median minutes, crashes, % of rollout until then; calls without a harm; innocent pushes blamed, stopped;\n";
    out += "ending right; median cost error, %; beside it, right change said by each rule (false stops where nothing harms).\n\n";
    for family in families {
        out += &family_line(family, columns);
    }
    out += "\nThe worst ten of the judge\n\n";
    let mut worst: Vec<(f64, Vec<String>, &Score)> = columns[0]
        .scores
        .iter()
        .map(|score| {
            let (sum, words) = tally::badness(score);
            (sum, words, score)
        })
        .filter(|it| it.0 > 0.0)
        .collect();
    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (sum, words, score) in worst.into_iter().take(10) {
        out += &format!(
            "{:>6.0}  family {:02} {:<4} seed {:>8} {:<12} {}\n",
            sum,
            score.family,
            score.level,
            score.seed,
            score.end,
            words.join("; ")
        );
    }
    out
}

/// The judge's figures at each level of traffic, where there are several.
fn levels(scores: &[Score]) -> String {
    let mut names: Vec<&str> = scores.iter().map(|score| score.level.as_str()).collect();
    names.dedup();
    let mut seen: Vec<&str> = Vec::new();
    names.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name);
        new
    });
    if names.len() < 2 {
        return String::new();
    }
    let of =
        |name: &&str| tally::figures(&scores.iter().filter(|score| score.level == **name).collect::<Vec<&Score>>());
    let columns: Vec<Vec<Figure>> = names.iter().map(of).collect();
    let mut out = format!("\n{:<54}", "The judge by level");
    names.iter().for_each(|name| out += &format!("{name:>14}"));
    out.push('\n');
    for line in 0..columns[0].len() {
        out += &format!("{:<54}", columns[0][line].name);
        columns.iter().for_each(|column| out += &format!("{:>14}", number(column[line].value, column[line].decimals)));
        out.push('\n');
    }
    out
}

/// True kinds against the kind that the judge said last.
fn confusion(scores: &[Score]) -> String {
    let harms: Vec<_> = scores.iter().flat_map(|score| &score.harms).filter(|told| !told.faint).collect();
    let said = |told: &crate::score::Told| told.kinds.as_ref().map_or("missed", |kinds| kinds.1.as_str()).to_owned();
    let kinds = Kind::ALL.map(Kind::word);
    let mut out = format!("\n{:<12}", "true \\ said");
    kinds.iter().chain(["missed"].iter()).for_each(|kind| out += &format!("{kind:>12}"));
    out.push('\n');
    for real in kinds {
        out += &format!("{real:<12}");
        for kind in kinds.iter().chain(["missed"].iter()) {
            out += &format!("{:>12}", harms.iter().filter(|it| it.kind == real && said(it) == *kind).count());
        }
        out.push('\n');
    }
    out
}

fn family_line(family: &Scenario, columns: &[Column]) -> String {
    let of = |column: &'_ Column| -> Vec<Score> {
        column.scores.iter().filter(|score| score.family == family.family).cloned().collect()
    };
    let scores = of(&columns[0]);
    if scores.is_empty() {
        return String::new();
    }
    let harms: Vec<_> = scores.iter().flat_map(|score| &score.harms).filter(|told| !told.faint).collect();
    let found: Vec<_> = harms.iter().filter(|told| told.found).collect();
    let list = |of: &dyn Fn(&crate::score::Told) -> Option<f64>| {
        found.iter().filter_map(|told| of(told)).collect::<Vec<f64>>()
    };
    let yes = |it: bool| f64::from(u8::from(it));
    let sum = |of: &dyn Fn(&Score) -> usize| scores.iter().map(of).sum::<usize>();
    let mut line = format!("{:02} {:<34}{:>4}", family.family, family.name, scores.len());
    if harms.is_empty() {
        line += &format!("  {:<62}", if family.harms.is_empty() { "nothing harms" } else { "harm below the line" });
    } else {
        let said = found.iter().filter(|told| told.delay.is_some()).count();
        line += &format!(
            "{:>5}{:>5}{:>5}  kind {:>4} blame {:>4}  {:>6}{:>7}{:>6}  end {:>4} cost {:>6}",
            harms.len(),
            found.len(),
            said,
            number(mean(&list(&|told| told.kind_right.map(|it| yes(it.1)))), 2),
            number(mean(&list(&|told| told.blame_right.map(|it| yes(it.1)))), 2),
            number(percentile(&list(&|told| told.delay), 0.5), 0),
            number(percentile(&list(&|told| told.excess), 0.5), 0),
            number(percentile(&list(&|told| told.share.map(|it| it * 100.0)), 0.5), 0),
            number(mean(&list(&|told| told.ending.as_ref().map(|it| yes(it.0 == it.1)))), 2),
            number(percentile(&list(&|told| told.cost.map(|it| it.0 * 100.0)), 0.5), 1),
        );
    }
    line += &format!(
        "  false {:>2} blamed {:>2} stopped {:>2}  |",
        sum(&|score| score.false_calls),
        sum(&|score| score.blamed.len()),
        sum(&|score| score.stopped.len())
    );
    for column in &columns[1..] {
        let other = of(column);
        let told: Vec<f64> = if harms.is_empty() {
            other.iter().map(|score| yes(!score.stopped.is_empty())).collect()
        } else {
            let above = other.iter().flat_map(|score| &score.harms).filter(|told| !told.faint);
            above.map(|told| yes(told.delay.is_some())).collect()
        };
        line += &format!(" {:>4}", number(mean(&told), 2));
    }
    line + "\n"
}

/// The report as JSON.
pub fn json(title: &str, families: &[Scenario], columns: &[Column]) -> Value {
    let column = |it: &Column| {
        let of = |family: &Scenario| {
            let scores: Vec<&Score> = it.scores.iter().filter(|score| score.family == family.family).collect();
            let figures = if scores.is_empty() { Value::Null } else { tally::to_json(&tally::figures(&scores)) };
            (format!("{:02} {}", family.family, family.name), figures)
        };
        json!({
            "rule": it.name,
            "all": tally::to_json(&tally::figures(&it.scores.iter().collect::<Vec<&Score>>())),
            "families": Value::Object(families.iter().map(of).collect()),
            "histories": if it.name == "judge" { serde_json::to_value(&it.scores).unwrap_or(Value::Null) } else { Value::Null },
        })
    };
    json!({ "run": title, "columns": columns.iter().map(column).collect::<Vec<Value>>() })
}

/// What the judge said of one history, call by call, in live minutes, beside the truth.
pub fn told(title: &str, truth: &Truth, account: &Account) -> String {
    let minute = |at: Micros| (at - truth.start) / MINUTE;
    let mut out = format!("{title} ({:?})\n", truth.end);
    for harm in &truth.harms {
        out += &format!(
            "  truth: {} by {} on {} {:?}, {:?}, onset {}, end {:?}, {} crashes, {:.0} nats{}\n",
            harm.kind.word(),
            harm.change.as_deref().unwrap_or("nothing"),
            harm.services.join(" "),
            harm.victims,
            harm.signatures,
            minute(harm.onset),
            harm.end.map(|end| (minute(end.0), end.1)),
            harm.crashes.len(),
            harm.nats,
            tenth(truth, harm).map_or(String::new(), |it| format!(", a tenth at {} with {} come", minute(it.0), it.1))
        );
    }
    for call in &account.calls {
        out += &format!("  call {} on {} {:?}\n", call.key, call.service, call.signatures);
        let mut before = String::new();
        for word in &call.words {
            let onset = word.onset.map(|it| (minute(it.0), minute(it.1), minute(it.2)));
            let says = format!(
                "{} {:?} onset {onset:?} ended {:?}{}",
                word.kind.map_or("none", |kind| kind.word()),
                word.suspects.iter().take(3).map(|it| format!("{} {:.2}", it.0, it.1)).collect::<Vec<_>>(),
                word.ended,
                if word.withdrawn { " withdrawn" } else { "" }
            );
            if says != before {
                out += &format!("    {:>5} {says} excess {:?}\n", minute(word.at), word.excess.map(|it| it.0));
                before = says;
            }
        }
    }
    out + &format!(
        "  stops {:?}, {} misdated\n",
        account.stops.iter().map(|it| (it.0.as_str(), minute(it.1))).collect::<Vec<_>>(),
        account.misdated
    )
}
