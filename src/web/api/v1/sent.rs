//! Bodies of the API: from bytes to records, with what the sender may leave out filled in. What is done with them is elsewhere.

use super::super::body::{self, NotRead};
use crate::{
    domain::{Record, Time, record::RecordError, time},
    flows::Error,
    intake::body::{BodyError, Limits, decode},
    store::changes::Kept,
    web::{WebError, aside},
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::time::Duration;

/// What one request may bring: 1 MiB, within half a minute.
pub const USUAL: Allowance = Allowance { bytes: 1 << 20, within: Duration::from_secs(30) };
/// What a history may bring: 256 MiB, within ten minutes.
pub const HISTORY: Allowance = Allowance { bytes: 256 << 20, within: Duration::from_secs(600) };

/// How much, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    bytes: usize,
    within: Duration,
}

/// The body, unpacked.
pub async fn bytes(request: &HttpRequest, payload: web::Payload, allowed: Allowance) -> Result<Vec<u8>, WebError> {
    let title = "That could not be read";
    let (raw, _) = body::read(request, payload, allowed.bytes, allowed.within, None).await.map_err(|error| {
        let status = match error {
            NotRead::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            NotRead::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            NotRead::BrokenOff => StatusCode::BAD_REQUEST,
            NotRead::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        };
        WebError::new(status, title, error.to_string())
    })?;
    let packing = body::encoding(request);
    let limits = Limits { compressed: allowed.bytes, decompressed: allowed.bytes, ratio: 100 };
    let unpacked = aside(move || decode(packing.as_deref(), &raw, &limits).map(std::borrow::Cow::into_owned))
        .await
        .map_err(|_| Error::Later { what: "The server is too busy to read that.".into(), seconds: 5 })?;
    unpacked.map_err(|error| {
        let status = match error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::UnknownEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyError::Corrupt(_) => StatusCode::BAD_REQUEST,
        };
        WebError::new(status, title, error.to_string())
    })
}

/// An object in which no key stands twice: of two values, nobody could say which one was meant.
struct Plain(Map<String, Value>);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plain, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Plain;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plain, A::Error> {
                let mut fields = Map::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value()?;
                    if fields.insert(name.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("the key \"{name}\" stands twice")));
                    }
                }
                Ok(Plain(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// One JSON object.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, WebError> {
    match serde_json::from_slice::<Plain>(without_mark(bytes)) {
        Ok(Plain(fields)) => Ok(fields),
        Err(error) => Err(WebError::bad_request(format!("One JSON object was expected: {error}."))),
    }
}

/// One JSON object, an array of them, or one per line.
pub fn objects(bytes: &[u8]) -> Result<Vec<Map<String, Value>>, WebError> {
    let bytes = without_mark(bytes);
    let expected = |number: usize, error: serde_json::Error| {
        WebError::bad_request(format!(
            "JSON objects were expected, one alone, in an array, or one per line. After {number} of them: {error}."
        ))
    };
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let items: Vec<Plain> = serde_json::from_slice(bytes).map_err(|error| expected(0, error))?;
        return Ok(items.into_iter().map(|Plain(fields)| fields).collect());
    }
    let mut all = Vec::new();
    for item in serde_json::Deserializer::from_slice(bytes).into_iter::<Plain>() {
        let Plain(fields) = item.map_err(|error| expected(all.len(), error))?;
        all.push(fields);
    }
    Ok(all)
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// What stands in for what the sender left out.
#[derive(Debug, Clone)]
pub struct Blanks {
    /// When it reached us, whatever the sender says.
    pub received_at: Time,
    /// When it happened, where the sender does not say.
    pub at: Time,
    /// Who did it, where the sender does not say; none for records that have no actor.
    pub actor: Option<String>,
}

/// A record of that type from its fields, with the blanks filled.
pub fn record(word: &str, mut fields: Map<String, Value>, blanks: &Blanks) -> Result<Record, RecordError> {
    match fields.get("type").and_then(Value::as_str) {
        None => {}
        Some(given) if given == word => {}
        Some(given) => {
            return Err(RecordError::new(
                "type",
                format!("\"{word}\" or nothing was expected here, found \"{given}\""),
            ));
        }
    }
    fields.insert("type".into(), word.into());
    fields.shift_remove("received_at");
    fill(&mut fields, "at", || time::text(blanks.at));
    if let Some(actor) = &blanks.actor {
        fill(&mut fields, "actor", || actor.clone());
    }
    let mut record = Record::from_fields(fields)?;
    record.set_received_at(blanks.received_at);
    Ok(record)
}

/// Puts a text where there is none.
pub fn fill(fields: &mut Map<String, Value>, name: &str, text: impl FnOnce() -> String) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), text().into());
    }
}

/// What is wrong with a body, as a refusal.
pub fn refused(error: &RecordError) -> Error {
    Error::refused(format!("{}: {}.", error.field, error.expected))
}

/// What became of a record: 201 where it is new, 200 where it was here already.
pub fn kept(kept: Kept, mut answer: Value) -> HttpResponse {
    let (status, word) = match kept {
        Kept::New => (StatusCode::CREATED, "new"),
        Kept::Repeat | Kept::Different => (StatusCode::OK, "repeat"),
    };
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("kept".into(), word.into());
    }
    HttpResponse::build(status).json(answer)
}

/// A record as the API shows it: its line without the type.
pub fn told(record: &Record) -> Map<String, Value> {
    let mut fields = record.to_fields();
    fields.shift_remove("type");
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn blanks() -> Blanks {
        let now = time::parse("2026-03-03T02:00:00Z").expect("a time");
        Blanks { received_at: now, at: now, actor: Some("deploy script".into()) }
    }

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_its_name() {
        let error = object(br#"{"push":"a","push":"b"}"#).expect_err("twice");
        assert!(error.reasons()[0].contains("\"push\" stands twice"), "{:?}", error.reasons());
        assert!(object(br#"{"push":"a","extra":{"x":1}}"#).is_ok());
    }

    #[test]
    fn objects_come_alone_in_an_array_or_one_per_line() {
        for body in ["{\"a\":1}", "[{\"a\":1}]", " [ {\"a\":1} ] ", "{\"a\":1}\n", "\u{feff}{\"a\":1}\r\n"] {
            assert_eq!(objects(body.as_bytes()).expect(body), [fields(json!({ "a": 1 }))], "{body}");
        }
        assert_eq!(objects(b"{\"a\":1}\n{\"a\":2}\n\n").map(|all| all.len()).ok(), Some(2));
        let error = objects(b"{\"a\":1}\n{\"a\":\n").expect_err("cut short");
        assert!(error.reasons()[0].contains("After 1 of them"), "{:?}", error.reasons());
    }

    #[test]
    fn what_is_left_out_is_filled_and_what_is_said_stays() {
        let step =
            json!({ "push": "relay-118", "action": "advance", "actor": null, "received_at": "1999-01-01T00:00:00Z" });
        let Ok(Record::PushStep(it)) = record("push_step", fields(step), &blanks()) else { panic!("a step") };
        assert_eq!((it.actor.as_str(), it.at, it.received_at), ("deploy script", blanks().at, blanks().received_at));
        let step = json!({ "push": "relay-118", "action": "advance", "actor": "dana", "at": "2026-03-03T01:00:00Z" });
        let Ok(Record::PushStep(it)) = record("push_step", fields(step), &blanks()) else { panic!("a step") };
        assert_eq!((it.actor.as_str(), time::text(it.at)), ("dana", "2026-03-03T01:00:00Z".into()));
        assert_eq!(it.received_at, blanks().received_at);
    }

    #[test]
    fn another_type_than_the_address_says_is_refused() {
        let error = record("note", fields(json!({ "type": "crash", "text": "x" })), &blanks()).expect_err("a crash");
        assert_eq!(error.field, "type");
        assert!(record("note", fields(json!({ "type": "note", "text": "x" })), &blanks()).is_ok());
    }

    #[test]
    fn unknown_fields_are_kept_as_extra() {
        let told = told(&record("note", fields(json!({ "text": "x", "channel": "#ops" })), &blanks()).expect("a note"));
        assert_eq!(told.get("extra"), Some(&json!({ "channel": "#ops" })));
        assert_eq!(told.get("type"), None);
    }
}
