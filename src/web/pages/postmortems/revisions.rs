//! What a postmortem said before: every revision, one of them, and what changed between two.

use super::report::{Written, sections};
use crate::{
    domain::incident::Section,
    flows,
    store::incidents::{Incident, Revision},
    web::{App, Frame, SignedIn, WebError, blocking, frame::short, render},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use askama::Template;
use similar::{ChangeTag, TextDiff};

struct Row {
    number: i64,
    when: String,
    iso: String,
    actor: String,
    says: String,
}

#[derive(Template)]
#[template(path = "postmortems/revisions.html")]
struct RevisionsPage {
    frame: Frame,
    it: Incident,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "postmortems/revision.html")]
struct RevisionPage {
    frame: Frame,
    it: Incident,
    number: i64,
    title: String,
    said: String,
    sections: Vec<Written>,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Same(String),
    Added(String),
    Gone(String),
    /// So many lines that are the same.
    Skipped(usize),
}

struct Part {
    says: &'static str,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "postmortems/difference.html")]
struct DifferencePage {
    frame: Frame,
    it: Incident,
    from: i64,
    to: i64,
    said: String,
    parts: Vec<Part>,
}

async fn load(app: &Data<App>, id: &str) -> Result<(Incident, Vec<Revision>), WebError> {
    let id = id.to_owned();
    blocking(app, move |app| {
        app.store.read::<_, flows::Error>(|read| {
            let it = read.incident(&id)?.ok_or_else(|| flows::Error::no("postmortem", &id))?;
            Ok((it, read.revisions(&id)?))
        })
    })
    .await
}

fn one(all: &[Revision], number: i64) -> Result<&Revision, WebError> {
    let found = all.iter().find(|revision| revision.number == number);
    found.ok_or_else(|| WebError::not_found(format!("There is no revision {number} of this postmortem.")))
}

/// Every revision, newest first.
pub async fn revisions(app: Data<App>, signed: SignedIn, path: Path<String>) -> Result<HttpResponse, WebError> {
    let (it, all) = load(&app, &path).await?;
    let frame = Frame::new(&app, &signed, "/postmortems");
    let row = |(place, revision): (usize, &Revision)| Row {
        number: revision.number,
        when: frame.when(revision.at),
        iso: frame.iso(revision.at),
        actor: revision.actor.clone(),
        says: changed(place.checked_sub(1).map(|before| &all[before]), revision),
    };
    let rows = all.iter().enumerate().map(row).rev().collect();
    render(&RevisionsPage { rows, it, frame })
}

/// Which sections differ, in words.
fn changed(before: Option<&Revision>, after: &Revision) -> String {
    let Some(before) = before else { return "drafted from the record when it was opened".to_owned() };
    let mut names: Vec<&str> = Section::ALL
        .into_iter()
        .filter(|section| before.sections.get(section) != after.sections.get(section))
        .map(Section::says)
        .collect();
    if before.title != after.title {
        names.insert(0, "Title");
    }
    if names.is_empty() { "severity or owner only".to_owned() } else { names.join(", ") }
}

/// One revision as it stood.
pub async fn revision(app: Data<App>, signed: SignedIn, path: Path<(String, i64)>) -> Result<HttpResponse, WebError> {
    let (id, number) = path.into_inner();
    let (it, all) = load(&app, &id).await?;
    let frame = Frame::new(&app, &signed, "/postmortems");
    let revision = one(&all, number)?;
    let said = format!("Saved {} UTC by {}", frame.when(revision.at), revision.actor);
    let sections = sections(revision).into_iter().filter(|written| !written.prose.is_empty()).collect();
    render(&RevisionPage { number, title: revision.title.clone(), said, sections, it, frame })
}

/// What changed between two revisions.
pub async fn difference(
    app: Data<App>,
    signed: SignedIn,
    path: Path<(String, i64, i64)>,
) -> Result<HttpResponse, WebError> {
    let (id, from, to) = path.into_inner();
    let (it, all) = load(&app, &id).await?;
    let frame = Frame::new(&app, &signed, "/postmortems");
    let (before, after) = (one(&all, from)?, one(&all, to)?);
    let said = format!("Revision {to} was saved {} UTC by {}.", frame.when(after.at), after.actor);
    render(&DifferencePage { from, to, said, parts: parts(before, after), it, frame })
}

fn parts(before: &Revision, after: &Revision) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut compare = |says, old: &str, new: &str| {
        if old != new {
            parts.push(Part { says, lines: lines(old, new) });
        }
    };
    compare("Title", &before.title, &after.title);
    let text = |revision: &Revision, section| revision.sections.get(&section).cloned().unwrap_or_default();
    for section in Section::ALL {
        compare(section.says(), &text(before, section), &text(after, section));
    }
    parts
}

/// How many lines around a change are shown.
const AROUND: usize = 3;

fn lines(old: &str, new: &str) -> Vec<Line> {
    let all: Vec<Line> = TextDiff::from_lines(old, new)
        .iter_all_changes()
        .map(|change| {
            let text = change.value().trim_end_matches(['\n', '\r']).to_owned();
            match change.tag() {
                ChangeTag::Equal => Line::Same(text),
                ChangeTag::Delete => Line::Gone(text),
                ChangeTag::Insert => Line::Added(text),
            }
        })
        .collect();
    let changed: Vec<usize> =
        all.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Same(_))).map(|(place, _)| place).collect();
    let near = |place: usize| changed.iter().any(|change| change.abs_diff(place) <= AROUND);
    let mut shown = Vec::new();
    let mut skipped = 0;
    for (place, line) in all.into_iter().enumerate() {
        if near(place) {
            if skipped > 0 {
                shown.push(Line::Skipped(skipped));
                skipped = 0;
            }
            shown.push(line);
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        shown.push(Line::Skipped(skipped));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_came_and_went_and_a_little_around_it() {
        let old: String = (1..=20).map(|line| format!("{line}\n")).collect();
        let new = old.replace("10\n", "ten\n");
        let shown = lines(&old, &new);
        let same = |text: &str| Line::Same(text.into());
        assert_eq!(
            shown,
            [
                Line::Skipped(6),
                same("7"),
                same("8"),
                same("9"),
                Line::Gone("10".into()),
                Line::Added("ten".into()),
                same("11"),
                same("12"),
                same("13"),
                Line::Skipped(7)
            ]
        );
    }
}
