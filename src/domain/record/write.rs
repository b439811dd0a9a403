//! Writing one line of a history, its fields in the order of the public form.

use super::Record;
use crate::domain::{
    Time,
    push::{PushKind, Stage},
    time,
};
use serde_json::{Map, Value, json};

impl Record {
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
pub(super) fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
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
