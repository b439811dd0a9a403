//! Judging a history file as it would have been judged live. The file may be far larger than memory: its lines are read one after
//! another, and only where they do not stand in order of arrival are they visited a second time, by an index.

use super::{Error, import_history::check_id};
use crate::{
    domain::{Record, finding::Findings, time},
    judge::Replay,
};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
};

/// How many mistakes are named before the rest is left unread.
const MISTAKES_NAMED: usize = 10;

/// Where a line stands, and when it reached us.
struct Place {
    arrived: i64,
    offset: u64,
    length: u32,
}

/// Judges a history file.
///
/// # Errors
/// Refused where a line is not right, with the line, the field and what was expected; where an id stands twice with different
/// content; and where the file cannot be read.
pub fn replay_history(mut source: impl Read + Seek) -> Result<Findings, Error> {
    let (places, replay) = read_through(BufReader::with_capacity(1 << 20, &mut source))?;
    match replay {
        Some(replay) => Ok(replay.finish()),
        None => in_order(source, places),
    }
}

/// Reads the file once: checks every line, notes where it stands, and judges as long as the order holds.
fn read_through(mut source: impl BufRead) -> Result<(Vec<Place>, Option<Replay>), Error> {
    let mut places: Vec<Place> = Vec::new();
    let (mut ids, mut mistakes) = (HashMap::new(), Vec::new());
    let mut turn = Turn::default();
    let mut replay = Some(Replay::default());
    let (mut line, mut offset, mut number) = (String::new(), 0_u64, 0_usize);
    loop {
        line.clear();
        number += 1;
        let length = source.read_line(&mut line).map_err(|error| unread(number, &error))?;
        if length == 0 {
            break;
        }
        let start = offset;
        offset += length as u64;
        let Some(text) = words(&line) else { continue };
        let record = match Record::parse(text) {
            Ok(record) => record,
            Err(error) => {
                mistakes.push(format!("Line {number}, {}: {}.", error.field, error.expected));
                if mistakes.len() == MISTAKES_NAMED {
                    mistakes.push("There may be more.".into());
                    break;
                }
                continue;
            }
        };
        check_id(&mut ids, &record)?;
        let arrived = time::micros(record.received_at());
        places.push(Place { arrived, offset: start, length: length as u32 });
        if arrived < turn.arrived {
            replay = None;
        }
        if let Some(replay) = &mut replay {
            turn.take(record, arrived, replay);
        }
    }
    if !mistakes.is_empty() {
        return Err(Error::Refused(mistakes));
    }
    if let Some(replay) = &mut replay {
        turn.end(replay);
    }
    Ok((places, replay))
}

/// Visits lines in order of arrival.
fn in_order(mut source: impl Read + Seek, mut places: Vec<Place>) -> Result<Findings, Error> {
    places.sort_by_key(|place| place.arrived);
    let (mut replay, mut turn, mut bytes) = (Replay::default(), Turn::default(), Vec::new());
    let moved = |error: &std::io::Error| Error::refused(format!("The file could not be read a second time: {error}."));
    let mut at = u64::MAX;
    let mut reader = BufReader::with_capacity(1 << 16, &mut source);
    for place in &places {
        if at == u64::MAX {
            reader.seek(SeekFrom::Start(place.offset)).map_err(|error| moved(&error))?;
        } else {
            // Lines that are nearly in order are found in what was read already.
            reader.seek_relative(place.offset as i64 - at as i64).map_err(|error| moved(&error))?;
        }
        bytes.resize(place.length as usize, 0);
        reader.read_exact(&mut bytes).map_err(|error| moved(&error))?;
        at = place.offset + u64::from(place.length);
        let line = std::str::from_utf8(&bytes).ok().and_then(words);
        let record = line.and_then(|line| Record::parse(line).ok());
        let record = record.ok_or_else(|| Error::refused("The file was changed while it was read. Run it again."))?;
        turn.take(record, place.arrived, &mut replay);
    }
    turn.end(&mut replay);
    Ok(replay.finish())
}

/// Records that arrived at the same instant: they are judged in an order of their own, not in that of their lines.
#[derive(Default)]
struct Turn {
    arrived: i64,
    records: Vec<Record>,
}

impl Turn {
    fn take(&mut self, record: Record, arrived: i64, replay: &mut Replay) {
        if arrived != self.arrived {
            self.end(replay);
            self.arrived = arrived;
        }
        self.records.push(record);
    }

    fn end(&mut self, replay: &mut Replay) {
        if self.records.len() > 1 {
            Record::sort_by_arrival(&mut self.records);
        }
        self.records.drain(..).for_each(|record| replay.feed(&record));
    }
}

/// What a line says; nothing where it is empty.
fn words(line: &str) -> Option<&str> {
    Some(line.trim_start_matches('\u{feff}').trim()).filter(|line| !line.is_empty())
}

fn unread(number: usize, error: &std::io::Error) -> Error {
    Error::refused(format!("Line {number}: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{judge, story};
    use std::io::Cursor;

    #[test]
    fn the_order_of_lines_makes_no_difference_and_neither_does_reading_all_at_once() {
        let records = crate::flows::import_history::read_history(story::TOLD.as_bytes()).expect("the story");
        let whole = judge::replay(records.clone());
        let mut sorted = records.clone();
        Record::sort_by_arrival(&mut sorted);
        let text = |records: &[Record]| records.iter().map(|it| it.to_line() + "\r\n").collect::<String>();
        let mut backwards = sorted.clone();
        backwards.reverse();
        for (order, text) in [("told", story::TOLD.to_owned()), ("sorted", text(&sorted)), ("back", text(&backwards))] {
            assert!(replay_history(Cursor::new(text)).expect(order) == whole, "{order}");
        }
        assert!(!whole.regressions.is_empty());
    }

    #[test]
    fn a_bad_line_is_named_and_so_is_an_id_that_stands_twice() {
        let note = r#"{"type":"note","at":"2026-03-03T01:00:00Z","actor":"dana","text":"x"}"#;
        let crash =
            |at: &str| format!(r#"{{"type":"crash","id":"c1","service":"relay","at":"2026-03-03T01:00:0{at}Z"}}"#);
        let said = |text: String| match replay_history(Cursor::new(text)) {
            Err(Error::Refused(reasons)) => reasons.join(" "),
            Err(other) => panic!("{other}"),
            Ok(findings) => panic!("{findings:?}"),
        };
        assert!(said(format!("{note}\n\n{{\"type\":\"note\"}}\n")).starts_with("Line 3, at: "));
        assert!(said(format!("{}\n{}\n", crash("1"), crash("2"))).contains("c1"));
        let repeated = format!("{}\n{}\n", crash("1"), crash("1"));
        assert!(replay_history(Cursor::new(repeated)).is_ok());
        assert!(replay_history(Cursor::new(String::new())).is_ok_and(|it| it == Findings::default()));
    }
}
