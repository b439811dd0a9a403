//! What a timeline's address asks for, and the links that ask for something else. Nothing is read from the store here.

use crate::{
    domain::{Time, time},
    timeline::Show,
    web::{WebError, href},
};
use serde::Deserialize;

/// The query of a timeline's address, as it came.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Query {
    from: Option<String>,
    to: Option<String>,
    range: Option<String>,
    release: Option<String>,
    cell: Option<String>,
    signature: Option<String>,
    show: Option<String>,
    at: Option<String>,
}

/// Which stretch of time is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Whatever matters most.
    Matters,
    /// The last hours before anything was last heard.
    Hours(i64),
    /// From the one instant to the other.
    Fixed(Time, Time),
    /// Around a push or a regression, by its id.
    Around(String),
}

/// The kinds of marks that may be asked for alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Everything.
    Everything,
    /// Steps.
    Steps,
    /// Steps that continued a regression.
    Continuations,
    /// Flag changes.
    Flags,
    /// Holds.
    Holds,
    /// Notices sent and opened.
    Notices,
    /// Notes.
    Notes,
}

impl Marks {
    /// Every kind, in the order of the page.
    pub const ALL: [Marks; 7] = [
        Marks::Everything,
        Marks::Steps,
        Marks::Continuations,
        Marks::Flags,
        Marks::Holds,
        Marks::Notices,
        Marks::Notes,
    ];

    /// The word in addresses and on the page.
    pub fn word(self) -> &'static str {
        match self {
            Marks::Everything => "everything",
            Marks::Steps => "steps",
            Marks::Continuations => "continuations",
            Marks::Flags => "flags",
            Marks::Holds => "holds",
            Marks::Notices => "notices",
            Marks::Notes => "notes",
        }
    }

    /// What the picture then has. What was measured always stays.
    pub fn show(self) -> Show {
        let measured = Show::MEASURED;
        match self {
            Marks::Everything => Show::EVERYTHING,
            Marks::Steps => Show { steps: true, continuations: true, nearby: true, ..measured },
            Marks::Continuations => Show { continuations: true, ..measured },
            Marks::Flags => Show { flags: true, ..measured },
            Marks::Holds => Show { holds: true, ..measured },
            Marks::Notices => Show { notices: true, ..measured },
            Marks::Notes => Show { notes: true, ..measured },
        }
    }
}

/// A timeline's address, understood.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The path of the timeline.
    pub path: String,
    /// The stretch of time.
    pub span: Span,
    /// One release only.
    pub release: Option<String>,
    /// One cell only.
    pub cell: Option<String>,
    /// One signature only.
    pub signature: Option<String>,
    /// Which kinds of marks.
    pub marks: Marks,
    /// As known at this instant.
    pub at: Option<Time>,
}

/// The longest stretch that is drawn, days.
const LONGEST_DAYS: i64 = 31;

impl Asked {
    /// Reads an address; says what is wrong with it in words.
    pub fn read(path: String, query: Query) -> Result<Asked, WebError> {
        let some = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let marks = match some(query.show) {
            None => Marks::Everything,
            Some(word) => Marks::ALL.into_iter().find(|marks| marks.word() == word).ok_or_else(|| {
                let all = Marks::ALL.map(Marks::word).join(", ");
                WebError::bad_request(format!("“show” is one of {all}; “{word}” is none of them."))
            })?,
        };
        let at = some(query.at).map(|text| instant("at", &text)).transpose()?;
        let from = some(query.from).map(|text| instant("from", &text)).transpose()?;
        let to = some(query.to).map(|text| instant("to", &text)).transpose()?;
        let span = match (from, to, some(query.range)) {
            (Some(from), Some(to), _) => fixed(from, to)?,
            (Some(from), None, _) => fixed(from, from + time::minutes(8 * 60))?,
            (None, Some(to), _) => fixed(to - time::minutes(8 * 60), to)?,
            (None, None, None) => Span::Matters,
            (None, None, Some(range)) => hours(&range).map_or(Span::Around(range), Span::Hours),
        };
        Ok(Asked {
            path,
            span,
            release: some(query.release),
            cell: some(query.cell),
            signature: some(query.signature),
            marks,
            at,
        })
    }

    /// The address of the same page, or of `tail` below it, as asked here.
    pub fn href(&self, tail: &str) -> String {
        let mut out = format!("{}{tail}", self.path);
        let mut join = '?';
        for (name, value) in self.pairs() {
            out.push(join);
            out.push_str(name);
            out.push('=');
            out.push_str(&href::part(&value));
            join = '&';
        }
        out
    }

    /// What the address says, field by field; what is as usual is left out.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        match &self.span {
            Span::Matters => {}
            Span::Hours(hours) if hours % 24 == 0 && *hours > 30 => pairs.push(("range", format!("{}d", hours / 24))),
            Span::Hours(hours) => pairs.push(("range", format!("{hours}h"))),
            Span::Around(id) => pairs.push(("range", id.clone())),
            Span::Fixed(from, to) => pairs.extend([("from", time::text(*from)), ("to", time::text(*to))]),
        }
        for (name, value) in [("release", &self.release), ("cell", &self.cell), ("signature", &self.signature)] {
            pairs.extend(value.clone().map(|value| (name, value)));
        }
        if self.marks != Marks::Everything {
            pairs.push(("show", self.marks.word().to_owned()));
        }
        pairs.extend(self.at.map(|at| ("at", time::text(at))));
        pairs
    }

    /// The same page over another stretch of time.
    pub fn over(&self, span: Span) -> String {
        Asked { span, ..self.clone() }.href("")
    }

    /// The same page as known at an instant, or now, over the same stretch of time.
    pub fn known_at(&self, at: Option<Time>, shown: (Time, Time)) -> String {
        Asked { at, span: Span::Fixed(shown.0, shown.1), ..self.clone() }.href("")
    }

    /// The same page with one release, or all.
    pub fn of_release(&self, release: Option<&str>) -> String {
        Asked { release: release.map(str::to_owned), ..self.clone() }.href("")
    }

    /// The same page with one cell, or all.
    pub fn of_cell(&self, cell: Option<&str>) -> String {
        Asked { cell: cell.map(str::to_owned), ..self.clone() }.href("")
    }

    /// The same page with one signature, or all.
    pub fn of_signature(&self, signature: Option<&str>) -> String {
        Asked { signature: signature.map(str::to_owned), ..self.clone() }.href("")
    }

    /// The same page with other marks.
    pub fn with_marks(&self, marks: Marks) -> String {
        Asked { marks, ..self.clone() }.href("")
    }
}

fn fixed(from: Time, to: Time) -> Result<Span, WebError> {
    if to - from < time::minutes(1) {
        return Err(WebError::bad_request("The range ends before it begins. Give a “to” that is later than “from”."));
    }
    if to - from > time::minutes(LONGEST_DAYS * 24 * 60) {
        return Err(WebError::bad_request(format!(
            "A timeline shows at most {LONGEST_DAYS} days. Give a shorter range."
        )));
    }
    Ok(Span::Fixed(from, to))
}

fn hours(text: &str) -> Option<i64> {
    let digits = |end: char| text.strip_suffix(end).and_then(|count| count.parse::<i64>().ok());
    let hours = digits('h').or_else(|| digits('d').and_then(|days| days.checked_mul(24)))?;
    (1..=LONGEST_DAYS * 24).contains(&hours).then_some(hours)
}

/// An instant as people write it: RFC 3339, or `2026-03-03 02:58 UTC`.
fn instant(name: &str, text: &str) -> Result<Time, WebError> {
    time::parse_lenient(text.trim_end_matches("UTC").trim()).ok_or_else(|| {
        WebError::bad_request(format!(
            "“{name}” is a time like 2026-03-03 02:58 UTC or 2026-03-03T02:58:00Z; “{text}” is not."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: Query) -> Result<Asked, WebError> {
        Asked::read("/services/relay/production".into(), query)
    }

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        let query = Query {
            range: Some("7d".into()),
            cell: Some("eu 1&2".into()),
            show: Some("holds".into()),
            at: Some("2026-03-03 02:58 UTC".into()),
            ..Query::default()
        };
        let href = read(query).expect("valid").href("");
        assert_eq!(href, "/services/relay/production?range=7d&cell=eu%201%262&show=holds&at=2026-03-03T02%3A58%3A00Z");
    }

    #[test]
    fn what_is_no_length_of_time_is_the_name_of_something() {
        for (range, span) in [
            ("8h", Span::Hours(8)),
            ("7d", Span::Hours(168)),
            ("r2", Span::Around("r2".into())),
            ("0h", Span::Around("0h".into())),
            ("999d", Span::Around("999d".into())),
        ] {
            assert_eq!(read(Query { range: Some(range.into()), ..Query::default() }).expect("valid").span, span);
        }
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_refused_in_words() {
        let query =
            Query { from: Some("2026-03-03 02:00".into()), to: Some("2026-03-03 01:00".into()), ..Query::default() };
        let refused = read(query).expect_err("refused");
        assert!(refused.reasons()[0].contains("later than"));
    }
}
