//! The records of a history file: reading one line, writing one line, and when two lines are the same.
//!
//! The form is public and kept for good. What reads a whole file, keeps it or sends it is elsewhere.

use super::{
    Time,
    crash::{Crash, Exception},
    exposure::Exposure,
    flag::FlagChanged,
    note::Note,
    percent::Percent,
    push::{Feature, PushKind, PushStarted, Stage},
    service::{DEFAULT_CELL, DEFAULT_ENVIRONMENT, ServiceDeclared},
    signature,
    step::{Action, PushStep},
    time,
};
use serde_json::{Map, Value, json};
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
    /// Reads one line of a history.
    pub fn parse(line: &str) -> Result<Record, RecordError> {
        match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(fields)) => Record::from_fields(fields),
            Ok(other) => {
                Err(RecordError::new("line", format!("a JSON object was expected, found {}", kind_of(&other))))
            }
            Err(error) => Err(RecordError::new("line", format!("a JSON object was expected: {error}"))),
        }
    }

    /// Reads one record from the fields of its line.
    pub fn from_fields(fields: Map<String, Value>) -> Result<Record, RecordError> {
        let mut fields = Fields(fields);
        let word = fields.name("type")?;
        match word.as_str() {
            "service" => fields.service().map(Record::Service),
            "push_started" => fields.push_started().map(Record::PushStarted),
            "push_step" => fields.push_step().map(Record::PushStep),
            "flag_changed" => fields.flag_changed().map(Record::FlagChanged),
            "exposure" => fields.exposure().map(Record::Exposure),
            "crash" => fields.crash().map(Record::Crash),
            "note" => fields.note().map(Record::Note),
            other => Err(RecordError::new(
                "type",
                format!(
                    "one of service, push_started, push_step, flag_changed, exposure, crash, note was expected, found \"{other}\""
                ),
            )),
        }
    }

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

    /// The record as the fields of its line, in the order of the public form. `received_at` is left out where it equals `at`.
    pub fn to_fields(&self) -> Map<String, Value> {
        let mut line = Line::new(self.type_word());
        match self {
            Record::Service(it) => {
                line.put("service", &it.service);
                line.time("at", it.at);
                line.time("received_at", it.received_at.filter(|received| Some(*received) != it.at));
                line.text("name", &it.name).text("team", &it.team).text("owner", &it.owner);
                if !it.depends_on.is_empty() {
                    line.put("depends_on", &it.depends_on);
                }
                line.extra(&it.extra);
            }
            Record::PushStarted(it) => {
                line.put("push", &it.push).put("service", &it.service).put("environment", &it.environment);
                line.put("release", &it.release).text("previous", &it.previous);
                line.times(it.at, it.received_at).put("actor", &it.actor).text("purpose", &it.purpose);
                if it.kind != PushKind::Deploy {
                    line.put("kind", it.kind.word());
                }
                if !it.features.is_empty() {
                    line.value("features", json!(it.features));
                }
                line.text("commit", &it.commit).text("url", &it.url);
                if !it.plan.is_empty() {
                    line.value("plan", Value::Array(it.plan.iter().map(stage_fields).collect()));
                }
                line.extra(&it.extra);
            }
            Record::PushStep(it) => {
                line.put("push", &it.push).times(it.at, it.received_at).put("actor", &it.actor);
                line.put("action", it.action.word());
                if let Some(percent) = it.percent {
                    line.number("percent", percent.value());
                }
                if !it.cells.is_empty() {
                    let cells = it.cells.iter().map(|(cell, percent)| (cell.clone(), number(percent.value())));
                    line.value("cells", Value::Object(cells.collect()));
                }
                line.text("reason", &it.reason);
                if it.automatic {
                    line.put("automatic", true);
                }
                line.extra(&it.extra);
            }
            Record::FlagChanged(it) => {
                line.put("change", &it.change).put("flag", &it.flag).put("service", &it.service);
                line.put("environment", &it.environment).times(it.at, it.received_at).put("actor", &it.actor);
                for (name, rule) in [("before", &it.before), ("after", &it.after)] {
                    if let Some(rule) = rule {
                        line.value(name, Value::Object(rule.clone()));
                    }
                }
                line.text("reason", &it.reason).text("url", &it.url).extra(&it.extra);
            }
            Record::Exposure(it) => {
                line.put("service", &it.service).put("environment", &it.environment).put("release", &it.release);
                line.put("cell", &it.cell).times(it.at, it.received_at);
                line.number("seconds", it.seconds).number("instances", it.instances);
                if let Some(sessions) = it.sessions {
                    line.number("sessions", sessions);
                }
                line.object("flags", &it.flags).extra(&it.extra);
            }
            Record::Crash(it) => {
                line.put("id", &it.id).times(it.at, it.received_at).put("service", &it.service);
                line.put("environment", &it.environment).text("release", &it.release).put("cell", &it.cell);
                line.text("host", &it.host);
                if it.signature_given {
                    line.put("signature", &it.signature);
                }
                if let Some(clients) = it.clients_dropped {
                    line.put("clients_dropped", clients);
                }
                line.text("peer_release", &it.peer_release);
                if let Some(uptime) = it.uptime_s {
                    line.number("uptime_s", uptime);
                }
                if let Some(exception) = &it.exception {
                    line.value("exception", json!(exception));
                }
                line.object("flags", &it.flags).extra(&it.extra);
            }
            Record::Note(it) => {
                line.times(it.at, it.received_at).put("actor", &it.actor).put("text", &it.text);
                line.text("service", &it.service).text("push", &it.push).text("url", &it.url).extra(&it.extra);
            }
        }
        line.0
    }

    /// The record as one line, without the newline.
    pub fn to_line(&self) -> String {
        Value::Object(self.to_fields()).to_string()
    }

    /// SHA-256 of what the record says, `received_at` apart: two records with the same id and the same hash are one.
    pub fn content_hash(&self) -> [u8; 32] {
        let mut fields = self.to_fields();
        fields.shift_remove("received_at");
        Sha256::digest(Value::Object(fields).to_string().as_bytes()).into()
    }
}

fn stage_fields(stage: &Stage) -> Value {
    let mut fields = Map::new();
    fields.insert("percent".into(), number(stage.percent.value()));
    if let Some(minutes) = stage.soak_minutes {
        fields.insert("soak_minutes".into(), number(minutes));
    }
    Value::Object(fields)
}

/// A number as JSON: whole ones without a fraction.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A line being written.
struct Line(Map<String, Value>);

impl Line {
    fn new(type_word: &str) -> Line {
        Line(Map::from_iter([("type".to_owned(), Value::from(type_word))]))
    }

    fn value(&mut self, name: &str, value: Value) -> &mut Line {
        self.0.insert(name.to_owned(), value);
        self
    }

    fn put(&mut self, name: &str, value: impl serde::Serialize) -> &mut Line {
        self.value(name, json!(value))
    }

    fn text(&mut self, name: &str, text: &Option<String>) -> &mut Line {
        if let Some(text) = text {
            self.put(name, text);
        }
        self
    }

    fn number(&mut self, name: &str, value: f64) -> &mut Line {
        self.value(name, number(value))
    }

    fn time(&mut self, name: &str, at: Option<Time>) -> &mut Line {
        if let Some(at) = at {
            self.put(name, time::text(at));
        }
        self
    }

    fn times(&mut self, at: Time, received_at: Time) -> &mut Line {
        self.time("at", Some(at)).time("received_at", Some(received_at).filter(|received| *received != at))
    }

    fn object(&mut self, name: &str, fields: &Map<String, Value>) -> &mut Line {
        if !fields.is_empty() {
            self.value(name, Value::Object(fields.clone()));
        }
        self
    }

    fn extra(&mut self, extra: &Map<String, Value>) -> &mut Line {
        self.object("extra", extra)
    }
}

/// The fields of a line being read; what is left over at the end is `extra`. Null counts as absent.
struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    fn required(&mut self, name: &str, expected: &str) -> Result<Value, RecordError> {
        self.take(name).ok_or_else(|| RecordError::new(name, format!("{expected} is required, found nothing")))
    }

    /// Text that must be there and must not be empty.
    fn name(&mut self, name: &str) -> Result<String, RecordError> {
        let value = self.required(name, "text")?;
        short_text(name, value)
    }

    fn name_or(&mut self, name: &str, otherwise: &str) -> Result<String, RecordError> {
        Ok(self.optional_name(name)?.unwrap_or_else(|| otherwise.to_owned()))
    }

    fn optional_name(&mut self, name: &str) -> Result<Option<String>, RecordError> {
        self.take(name).map(|value| short_text(name, value)).transpose()
    }

    fn optional_text(&mut self, name: &str) -> Result<Option<String>, RecordError> {
        self.take(name).map(|value| text_up_to(name, value, LONGEST_TEXT)).transpose()
    }

    fn time(&mut self, name: &str) -> Result<Time, RecordError> {
        let value = self.required(name, "a time in RFC 3339 with a zone")?;
        read_time(name, &value)
    }

    fn optional_time(&mut self, name: &str) -> Result<Option<Time>, RecordError> {
        self.take(name).map(|value| read_time(name, &value)).transpose()
    }

    fn times(&mut self) -> Result<(Time, Time), RecordError> {
        let at = self.time("at")?;
        Ok((at, self.optional_time("received_at")?.unwrap_or(at)))
    }

    fn optional_number(&mut self, name: &str) -> Result<Option<f64>, RecordError> {
        self.take(name).map(|value| not_negative(name, &value)).transpose()
    }

    fn number(&mut self, name: &str) -> Result<f64, RecordError> {
        let value = self.required(name, "a number of zero or more")?;
        not_negative(name, &value)
    }

    fn optional_object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, RecordError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(fields)),
            Some(other) => Err(RecordError::new(name, format!("an object was expected, found {}", kind_of(&other)))),
        }
    }

    fn array(&mut self, name: &str) -> Result<Vec<Value>, RecordError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(RecordError::new(name, format!("an array was expected, found {}", kind_of(&other)))),
        }
    }

    /// What nobody took, together with what a former export put under `extra`.
    fn extra(mut self) -> Result<Map<String, Value>, RecordError> {
        let mut extra = self.optional_object("extra")?.unwrap_or_default();
        extra.extend(self.0);
        Ok(extra)
    }

    fn service(mut self) -> Result<ServiceDeclared, RecordError> {
        Ok(ServiceDeclared {
            service: self.name("service")?,
            at: self.optional_time("at")?,
            received_at: self.optional_time("received_at")?,
            name: self.optional_name("name")?,
            team: self.optional_name("team")?,
            owner: self.optional_name("owner")?,
            depends_on: self
                .array("depends_on")?
                .into_iter()
                .map(|item| short_text("depends_on", item))
                .collect::<Result<_, _>>()?,
            extra: self.extra()?,
        })
    }

    fn push_started(mut self) -> Result<PushStarted, RecordError> {
        let (at, received_at) = self.times()?;
        Ok(PushStarted {
            push: self.name("push")?,
            service: self.name("service")?,
            environment: self.name_or("environment", DEFAULT_ENVIRONMENT)?,
            release: self.name("release")?,
            previous: self.optional_name("previous")?,
            at,
            received_at,
            actor: self.name("actor")?,
            purpose: self.optional_text("purpose")?,
            kind: match self.optional_name("kind")? {
                None => PushKind::Deploy,
                Some(word) => PushKind::parse(&word).ok_or_else(|| {
                    RecordError::new("kind", format!("one of deploy, rollback, config was expected, found \"{word}\""))
                })?,
            },
            features: self.array("features")?.into_iter().map(feature).collect::<Result<_, _>>()?,
            commit: self.optional_name("commit")?,
            url: self.optional_text("url")?,
            plan: self.array("plan")?.into_iter().map(stage).collect::<Result<_, _>>()?,
            extra: self.extra()?,
        })
    }

    fn push_step(mut self) -> Result<PushStep, RecordError> {
        let (at, received_at) = self.times()?;
        let push = self.name("push")?;
        let actor = self.name("actor")?;
        let word = self.name("action")?;
        let action = Action::parse(&word).ok_or_else(|| {
            let words = Action::ALL.map(Action::word).join(", ");
            RecordError::new("action", format!("one of {words} was expected, found \"{word}\""))
        })?;
        let percent = self.take("percent").map(|value| share("percent", &value)).transpose()?;
        let cells = self.optional_object("cells")?.unwrap_or_default();
        Ok(PushStep {
            push,
            at,
            received_at,
            actor,
            action,
            percent,
            cells: cells
                .into_iter()
                .map(|(cell, value)| share(&format!("cells.{cell}"), &value).map(|percent| (cell, percent)))
                .collect::<Result<_, _>>()?,
            reason: self.optional_text("reason")?,
            automatic: match self.take("automatic") {
                None => false,
                Some(Value::Bool(automatic)) => automatic,
                Some(other) => {
                    return Err(RecordError::new(
                        "automatic",
                        format!("true or false was expected, found {}", kind_of(&other)),
                    ));
                }
            },
            extra: self.extra()?,
        })
    }

    fn flag_changed(mut self) -> Result<FlagChanged, RecordError> {
        let (at, received_at) = self.times()?;
        Ok(FlagChanged {
            change: self.name("change")?,
            flag: self.name("flag")?,
            service: self.name("service")?,
            environment: self.name_or("environment", DEFAULT_ENVIRONMENT)?,
            at,
            received_at,
            actor: self.name("actor")?,
            before: self.optional_object("before")?,
            after: self.optional_object("after")?,
            reason: self.optional_text("reason")?,
            url: self.optional_text("url")?,
            extra: self.extra()?,
        })
    }

    fn exposure(mut self) -> Result<Exposure, RecordError> {
        let (at, received_at) = self.times()?;
        let seconds = self.number("seconds")?;
        if !(seconds > 0.0 && seconds <= 31_622_400.0) {
            return Err(RecordError::new(
                "seconds",
                format!("a length above zero and up to a year was expected, found {seconds}"),
            ));
        }
        Ok(Exposure {
            service: self.name("service")?,
            environment: self.name_or("environment", DEFAULT_ENVIRONMENT)?,
            release: self.name("release")?,
            cell: self.name_or("cell", DEFAULT_CELL)?,
            at,
            received_at,
            seconds,
            instances: self.number("instances")?,
            sessions: self.optional_number("sessions")?,
            flags: self.optional_object("flags")?.unwrap_or_default(),
            extra: self.extra()?,
        })
    }

    fn crash(mut self) -> Result<Crash, RecordError> {
        let (at, received_at) = self.times()?;
        let exception = match self.take("exception") {
            None => None,
            Some(value) => Some(serde_json::from_value::<Exception>(value).map_err(|error| {
                RecordError::new("exception", format!("an object with type, value and frames was expected: {error}"))
            })?),
        };
        let given = self.optional_text("signature")?.map(|text| signature::cut(&text));
        Ok(Crash {
            id: self.name("id")?,
            service: self.name("service")?,
            environment: self.name_or("environment", DEFAULT_ENVIRONMENT)?,
            release: self.optional_name("release")?,
            cell: self.name_or("cell", DEFAULT_CELL)?,
            host: self.optional_name("host")?,
            at,
            received_at,
            signature_given: given.is_some(),
            signature: given.unwrap_or_else(|| signature::of(&exception.clone().unwrap_or_default())),
            clients_dropped: self.optional_number("clients_dropped")?.map(|clients| clients as i64),
            peer_release: self.optional_name("peer_release")?,
            uptime_s: self.optional_number("uptime_s")?,
            exception,
            flags: self.optional_object("flags")?.unwrap_or_default(),
            extra: self.extra()?,
        })
    }

    fn note(mut self) -> Result<Note, RecordError> {
        let (at, received_at) = self.times()?;
        let text = self.required("text", "text")?;
        Ok(Note {
            at,
            received_at,
            actor: self.name("actor")?,
            text: text_up_to("text", text, LONGEST_TEXT)?,
            service: self.optional_name("service")?,
            push: self.optional_name("push")?,
            url: self.optional_text("url")?,
            extra: self.extra()?,
        })
    }
}

fn text_up_to(name: &str, value: Value, longest: usize) -> Result<String, RecordError> {
    let text = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        other => return Err(RecordError::new(name, format!("text was expected, found {}", kind_of(&other)))),
    };
    if text.len() > longest {
        return Err(RecordError::new(name, format!("at most {longest} bytes were expected, found {}", text.len())));
    }
    Ok(text)
}

fn short_text(name: &str, value: Value) -> Result<String, RecordError> {
    let text = text_up_to(name, value, LONGEST_NAME)?;
    if text.trim().is_empty() {
        return Err(RecordError::new(name, "text was expected, found an empty one"));
    }
    if text.contains('\0') || text.chars().any(char::is_control) {
        return Err(RecordError::new(name, "text without control characters was expected"));
    }
    Ok(text)
}

fn read_time(name: &str, value: &Value) -> Result<Time, RecordError> {
    value.as_str().and_then(time::parse).ok_or_else(|| {
        RecordError::new(
            name,
            format!("a time in RFC 3339 with a zone was expected, as 2026-03-03T01:14:05Z, found {value}"),
        )
    })
}

fn not_negative(name: &str, value: &Value) -> Result<f64, RecordError> {
    match value.as_f64() {
        Some(number) if number >= 0.0 && number.is_finite() => Ok(number),
        _ => Err(RecordError::new(name, format!("a number of zero or more was expected, found {value}"))),
    }
}

fn share(name: &str, value: &Value) -> Result<Percent, RecordError> {
    value
        .as_f64()
        .and_then(Percent::new)
        .ok_or_else(|| RecordError::new(name, format!("a share from 0 to 100 was expected, found {value}")))
}

fn feature(value: Value) -> Result<Feature, RecordError> {
    match value {
        Value::String(name) => Ok(Feature { name, flag: None }),
        Value::Object(fields) => {
            let mut fields = Fields(fields);
            Ok(Feature {
                name: fields.name("name").map_err(inside("features"))?,
                flag: fields.optional_name("flag").map_err(inside("features"))?,
            })
        }
        other => Err(RecordError::new(
            "features",
            format!("objects with name and flag were expected, found {}", kind_of(&other)),
        )),
    }
}

fn stage(value: Value) -> Result<Stage, RecordError> {
    match value {
        Value::Object(fields) => {
            let mut fields = Fields(fields);
            let percent = fields.required("percent", "a share from 0 to 100").map_err(inside("plan"))?;
            Ok(Stage {
                percent: share("plan.percent", &percent)?,
                soak_minutes: fields.optional_number("soak_minutes").map_err(inside("plan"))?,
            })
        }
        other => Ok(Stage { percent: share("plan", &other)?, soak_minutes: None }),
    }
}

fn inside(outer: &'static str) -> impl Fn(RecordError) -> RecordError {
    move |error| RecordError::new(format!("{outer}.{}", error.field), error.expected)
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
