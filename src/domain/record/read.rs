//! Reading one line of a history: what is there, what is missing, and what was expected instead.

use super::{LONGEST_NAME, LONGEST_TEXT, Record, RecordError};
use crate::domain::{
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
use serde_json::{Map, Value};

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
