//! The filters of a timeline, as links: every one leads to the same page with one thing changed.

use super::{
    asked::{Asked, Marks, Span},
    drawn::Roles,
    loaded::Loaded,
};
use crate::domain::time;
use std::collections::BTreeMap;

/// Most values offered of one kind.
const MOST: usize = 12;
/// Most signatures offered.
pub(super) const MOST_SIGNATURES: usize = 5;

/// One kind of filter.
pub struct Row {
    /// What is filtered by.
    pub name: &'static str,
    /// What may be chosen.
    pub choices: Vec<Choice>,
    /// Whether the choices are code, such as signatures.
    pub is_code: bool,
}

/// A link that chooses something.
pub struct Choice {
    /// What it says.
    pub text: String,
    /// Where it leads.
    pub href: String,
    /// Whether it is on.
    pub on: bool,
}

/// Every filter.
pub fn rows(loaded: &Loaded, asked: &Asked, roles: &Roles) -> Vec<Row> {
    let mut rows = vec![range(loaded, asked), marks(asked)];
    let cells = cells(loaded);
    if cells.len() > 1 || asked.cell.is_some() {
        let name = format!("all {}", cells.len());
        rows.push(one_of("Cells", name, cells, &asked.cell, |cell| asked.of_cell(cell)));
    }
    let releases: Vec<String> = roles.all.iter().take(MOST).cloned().collect();
    if releases.len() > 1 || asked.release.is_some() {
        rows.push(one_of("Release", "all".into(), releases, &asked.release, |name| asked.of_release(name)));
    }
    let signatures = &loaded.signatures;
    if signatures.len() > 1 || asked.signature.is_some() {
        let row =
            one_of("Signature", "all".into(), signatures.clone(), &asked.signature, |name| asked.of_signature(name));
        rows.push(Row { is_code: true, ..row });
    }
    rows
}

fn one_of(
    name: &'static str,
    all: String,
    mut values: Vec<String>,
    chosen: &Option<String>,
    href: impl Fn(Option<&str>) -> String,
) -> Row {
    // What is chosen is always there to be seen, even where nothing of it is left.
    if let Some(chosen) = chosen.as_ref().filter(|chosen| !values.contains(chosen)) {
        values.push(chosen.clone());
    }
    let mut choices = vec![Choice { text: all, href: href(None), on: chosen.is_none() }];
    choices.extend(values.into_iter().map(|value| Choice {
        href: href(Some(&value)),
        on: chosen.as_ref() == Some(&value),
        text: value,
    }));
    Row { name, choices, is_code: false }
}

fn range(loaded: &Loaded, asked: &Asked) -> Row {
    let mut choices = Vec::new();
    for (hours, text) in [(3, "3 hours"), (8, "8 hours"), (30, "30 hours"), (168, "7 days")] {
        let on = asked.span == Span::Hours(hours);
        choices.push(Choice { text: text.into(), href: asked.over(Span::Hours(hours)), on });
    }
    let pushes = loaded.recent.iter().map(|push| push.started.push.clone());
    for id in pushes.chain(loaded.known_ids.iter().take(4).cloned()) {
        let on = loaded.around.as_ref() == Some(&id);
        choices.push(Choice { text: id.clone(), href: asked.over(Span::Around(id)), on });
    }
    let (from, to) = loaded.shown;
    let length = to - from;
    choices.push(Choice { text: "« earlier".into(), href: asked.over(Span::Fixed(from - length, from)), on: false });
    if to < loaded.until {
        choices.push(Choice { text: "later »".into(), href: asked.over(Span::Fixed(to, to + length)), on: false });
    }
    if let Span::Fixed(from, to) = asked.span {
        let form = if to - from > time::minutes(24 * 60) { "%-d %b %H:%M" } else { "%H:%M" };
        let text = format!("{} to {}", from.format(form), to.format(form));
        choices.push(Choice { text, href: asked.href(""), on: true });
    }
    Row { name: "Range", choices, is_code: false }
}

fn marks(asked: &Asked) -> Row {
    let choices = Marks::ALL.into_iter().map(|marks| Choice {
        text: marks.word().into(),
        href: asked.with_marks(marks),
        on: asked.marks == marks,
    });
    Row { name: "Show", choices: choices.collect(), is_code: false }
}

fn cells(loaded: &Loaded) -> Vec<String> {
    let mut cells: BTreeMap<&str, f64> = BTreeMap::new();
    for window in &loaded.exposures {
        *cells.entry(&window.cell).or_default() += window.instance_hours();
    }
    for crash in loaded.crashes.iter().filter(|crash| crash.at >= loaded.shown.0) {
        crash.cell.iter().for_each(|cell| {
            cells.entry(cell).or_default();
        });
    }
    let mut cells: Vec<(&str, f64)> = cells.into_iter().collect();
    if cells.len() > MOST {
        cells.sort_by(|one, other| other.1.total_cmp(&one.1));
    }
    cells.into_iter().take(MOST).map(|(cell, _)| cell.to_owned()).collect()
}
