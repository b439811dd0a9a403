//! The records of a history file: what one is, when two are the same, and the order in which they are judged.
//!
//! The form is public and kept for good; `read` takes a line apart, `write` puts one together. What reads a whole file,
//! keeps it or sends it is elsewhere.

mod crash_text;
mod read;
mod write;

pub use crash_text::CrashText;

use super::{
    Time, crash::Crash, exposure::Exposure, flag::FlagChanged, note::Note, push::PushStarted, service::ServiceDeclared,
    step::PushStep, time,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One line of a history.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A service was declared.
    Service(ServiceDeclared),
    /// A push began.
    PushStarted(PushStarted),
    /// A push moved.
    PushStep(PushStep),
    /// A flag's rule changed.
    FlagChanged(FlagChanged),
    /// Instances ran.
    Exposure(Exposure),
    /// A program crashed.
    Crash(Crash),
    /// Somebody said something.
    Note(Note),
}

/// What is wrong with a line: where, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {expected}")]
pub struct RecordError {
    /// The field, as a path from the line's top: `exception.frames`.
    pub field: String,
    /// What was expected there, and what was found.
    pub expected: String,
}

impl RecordError {
    /// An error at a field.
    pub fn new(field: impl Into<String>, expected: impl Into<String>) -> RecordError {
        RecordError { field: field.into(), expected: expected.into() }
    }
}

/// The longest text that a name or an id may have, bytes.
pub const LONGEST_NAME: usize = 512;
/// The longest text of a reason, a purpose or a note, bytes.
pub const LONGEST_TEXT: usize = 16 * 1024;

impl Record {
    /// The word in the line's `type`.
    pub fn type_word(&self) -> &'static str {
        match self {
            Record::Service(_) => "service",
            Record::PushStarted(_) => "push_started",
            Record::PushStep(_) => "push_step",
            Record::FlagChanged(_) => "flag_changed",
            Record::Exposure(_) => "exposure",
            Record::Crash(_) => "crash",
            Record::Note(_) => "note",
        }
    }

    /// When it happened; none for a service declared without a time.
    pub fn at(&self) -> Option<Time> {
        match self {
            Record::Service(it) => it.at,
            Record::PushStarted(it) => Some(it.at),
            Record::PushStep(it) => Some(it.at),
            Record::FlagChanged(it) => Some(it.at),
            Record::Exposure(it) => Some(it.at),
            Record::Crash(it) => Some(it.at),
            Record::Note(it) => Some(it.at),
        }
    }

    /// When it reached us; 1970 for a service declared without a time, so that it comes first.
    pub fn received_at(&self) -> Time {
        match self {
            Record::Service(it) => it.received_at.or(it.at).unwrap_or_else(|| time::from_micros(0)),
            Record::PushStarted(it) => it.received_at,
            Record::PushStep(it) => it.received_at,
            Record::FlagChanged(it) => it.received_at,
            Record::Exposure(it) => it.received_at,
            Record::Crash(it) => it.received_at,
            Record::Note(it) => it.received_at,
        }
    }

    /// Sets when it reached us.
    pub fn set_received_at(&mut self, received_at: Time) {
        match self {
            Record::Service(it) => it.received_at = Some(received_at),
            Record::PushStarted(it) => it.received_at = received_at,
            Record::PushStep(it) => it.received_at = received_at,
            Record::FlagChanged(it) => it.received_at = received_at,
            Record::Exposure(it) => it.received_at = received_at,
            Record::Crash(it) => it.received_at = received_at,
            Record::Note(it) => it.received_at = received_at,
        }
    }

    /// The sender's id, for the types that have one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Record::PushStarted(it) => Some(&it.push),
            Record::FlagChanged(it) => Some(&it.change),
            Record::Crash(it) => Some(&it.id),
            Record::Service(_) | Record::PushStep(_) | Record::Exposure(_) | Record::Note(_) => None,
        }
    }

    /// The order among records that reached us in the same microsecond: what declares before what happens.
    fn rank(&self) -> u8 {
        match self {
            Record::Service(_) => 0,
            Record::PushStarted(_) => 1,
            Record::PushStep(_) => 2,
            Record::FlagChanged(_) => 3,
            Record::Exposure(_) => 4,
            Record::Crash(_) => 5,
            Record::Note(_) => 6,
        }
    }

    /// Sorts records in order of arrival, the order in which they are judged. Ties are broken by the records
    /// themselves, so that the order of lines in a file, or of rows in a database, makes no difference.
    pub fn sort_by_arrival(records: &mut [Record]) {
        records.sort_by_cached_key(|record| {
            let (first, second) = match record {
                Record::Service(it) => (it.service.clone(), String::new()),
                Record::PushStarted(it) => (it.push.clone(), String::new()),
                Record::PushStep(it) => (it.push.clone(), it.action.word().to_owned()),
                Record::FlagChanged(it) => (it.change.clone(), String::new()),
                Record::Exposure(it) => (it.service.clone(), format!("{} {} {}", it.environment, it.release, it.cell)),
                Record::Crash(it) => (it.id.clone(), String::new()),
                Record::Note(it) => (it.text.clone(), String::new()),
            };
            (record.received_at(), record.rank(), record.at(), first, second)
        });
    }

    /// The record as one line, without the newline.
    pub fn to_line(&self) -> String {
        Value::Object(self.to_fields()).to_string()
    }

    /// SHA-256 of what the record says, `received_at` apart: two records with the same id and the same hash are one.
    pub fn content_hash(&self) -> [u8; 32] {
        let mut fields = self.to_fields();
        fields.shift_remove("received_at");
        // Text under names of text is always written.
        Sha256::digest(serde_json::to_string(&fields).unwrap_or_default().as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 7] = [
        r#"{"type":"service","service":"relay","name":"Relay","team":"transport","owner":"dana@example.com","depends_on":["edge"]}"#,
        r#"{"type":"push_started","push":"relay-118","service":"relay","environment":"production","release":"B","previous":"A","at":"2026-03-03T01:11:00Z","actor":"dana@example.com","purpose":"smaller frames on the wire","features":[{"name":"compact frames","flag":null}]}"#,
        r#"{"type":"push_step","push":"relay-118","at":"2026-03-03T01:11:17Z","actor":"dana@example.com","action":"advance","percent":1,"cells":{"eu-1":2.5},"automatic":true}"#,
        r#"{"type":"flag_changed","change":"f-9","flag":"wire-v2","service":"relay","environment":"production","at":"2026-03-03T06:49:15Z","actor":"lee@example.com","before":{"percent":0},"after":{"percent":5,"who":"staff"}}"#,
        r#"{"type":"exposure","service":"relay","environment":"production","release":"A","cell":"eu-1","at":"2026-03-03T01:11:00Z","seconds":60,"instances":28,"sessions":1602}"#,
        r#"{"type":"crash","id":"0b7c","at":"2026-03-03T01:14:05.646Z","received_at":"2026-03-03T01:14:22.275Z","service":"relay","environment":"production","release":"A","cell":"eu-1","host":"eu-1-010","signature":"SIGSEGV | frame_decode | conn_read","clients_dropped":57}"#,
        r#"{"type":"note","at":"2026-03-03T04:31:00Z","actor":"dana@example.com","text":"Only the A instances are crashing.","push":"relay-118"}"#,
    ];

    #[test]
    fn every_type_is_written_as_it_was_read() {
        for line in LINES {
            let record = Record::parse(line).expect(line);
            assert_eq!(record.to_line(), line);
            assert_eq!(Record::parse(&record.to_line()).expect(line), record);
        }
    }

    #[test]
    fn unknown_fields_are_kept_under_extra_and_survive_two_journeys() {
        let record = Record::parse(r#"{"type":"note","at":"2026-03-03T04:31:00Z","actor":"d","text":"t","ticket":7}"#)
            .expect("valid");
        let written = record.to_line();
        assert!(written.ends_with(r#""extra":{"ticket":7}}"#), "{written}");
        assert_eq!(Record::parse(&written).expect("valid"), record);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_with_what_was_expected() {
        let cases = [
            (r#"{"type":"teapot"}"#, "type", "found \"teapot\""),
            (r#"{"push":"x"}"#, "type", "is required"),
            (r#"[1]"#, "line", "found an array"),
            (r#"{"type":"note","at":"2026-03-03T04:31:00","actor":"d","text":"t"}"#, "at", "RFC 3339"),
            (
                r#"{"type":"push_step","push":"p","at":"2026-03-03T04:31:00Z","actor":"d","action":"advance","percent":101}"#,
                "percent",
                "0 to 100",
            ),
            (
                r#"{"type":"push_step","push":"p","at":"2026-03-03T04:31:00Z","actor":"d","action":"advance","cells":{"eu":-1}}"#,
                "cells.eu",
                "0 to 100",
            ),
            (
                r#"{"type":"exposure","service":"s","release":"A","at":"2026-03-03T04:31:00Z","seconds":0,"instances":3}"#,
                "seconds",
                "above zero",
            ),
            (r#"{"type":"crash","service":"s","at":"2026-03-03T04:31:00Z"}"#, "id", "is required"),
            (
                r#"{"type":"push_started","push":"p","service":"s","release":"B","at":"2026-03-03T04:31:00Z","actor":"d","features":[{"flag":"x"}]}"#,
                "features.name",
                "is required",
            ),
        ];
        for (line, field, expected) in cases {
            let error = Record::parse(line).expect_err(line);
            assert_eq!(error.field, field, "{line}");
            assert!(error.expected.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn the_time_of_arrival_is_not_content() {
        let mut late = Record::parse(LINES[5]).expect("valid");
        let hash = late.content_hash();
        late.set_received_at(time::parse("2026-03-04T00:00:00Z").expect("valid"));
        assert_eq!(late.content_hash(), hash);
    }

    #[test]
    fn arrival_order_does_not_depend_on_the_order_of_lines() {
        let mut forwards: Vec<Record> = LINES.iter().map(|line| Record::parse(line).expect(line)).collect();
        let mut backwards: Vec<Record> = forwards.iter().rev().cloned().collect();
        Record::sort_by_arrival(&mut forwards);
        Record::sort_by_arrival(&mut backwards);
        assert_eq!(forwards, backwards);
        assert_eq!(forwards[0].type_word(), "service");
    }
}
