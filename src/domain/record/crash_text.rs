//! The line of a crash, written at once: reports come by the thousand, and a tree of all their values takes longer than reading them.

use super::write::number;
use crate::domain::{
    crash::{Crash, Exception},
    time,
};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What a crash says, as [`super::Record::to_line`] writes it without `received_at`, in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashText {
    /// An object of what every report says.
    head: String,
    /// An object of what some say.
    tail: String,
    /// The signature, where the sender gave it, as JSON.
    signature: Option<String>,
}

#[derive(Serialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    type_word: &'static str,
    id: &'a str,
    at: String,
    service: &'a str,
    environment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
    cell: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients_dropped: Option<i64>,
}

#[derive(Serialize)]
struct Tail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_release: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_s: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a Exception>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    flags: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    extra: &'a Map<String, Value>,
}

impl CrashText {
    /// What this crash says.
    pub fn of(it: &Crash) -> CrashText {
        let signature = Some(it.signature.as_str()).filter(|_| it.signature_given);
        let head = Head {
            type_word: "crash",
            id: &it.id,
            at: time::text(it.at),
            service: &it.service,
            environment: &it.environment,
            release: it.release.as_deref(),
            cell: &it.cell,
            host: it.host.as_deref(),
            signature,
            clients_dropped: it.clients_dropped,
        };
        let tail = Tail {
            peer_release: it.peer_release.as_deref(),
            uptime_s: it.uptime_s.map(number),
            exception: it.exception.as_ref(),
            flags: &it.flags,
            extra: &it.extra,
        };
        CrashText { head: json(&head), tail: json(&tail), signature: signature.map(|it| json(&it)) }
    }

    /// The content hash of the record.
    pub fn content_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        match fields(&self.tail) {
            "" => hash.update(&self.head),
            tail => {
                hash.update("{");
                hash.update(fields(&self.head));
                hash.update(",");
                hash.update(tail);
                hash.update("}");
            }
        }
        hash.finalize().into()
    }

    /// An object of the fields for which a database of reports has no columns: a signature that was given, and what only some say.
    pub fn rest(&self) -> String {
        match (&self.signature, fields(&self.tail)) {
            (None, _) => self.tail.clone(),
            (Some(signature), "") => format!(r#"{{"signature":{signature}}}"#),
            (Some(signature), tail) => format!(r#"{{"signature":{signature},{tail}}}"#),
        }
    }
}

/// Text under names of text is always written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What stands between the brackets of an object.
fn fields(object: &str) -> &str {
    object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Record;

    #[test]
    fn what_a_crash_says_is_what_its_line_says() {
        let some = [
            r#""signature":"S""#,
            r#""release":"A","host":"h \"1\"","signature":"S | \u00e9","clients_dropped":3"#,
            r#""peer_release":"B","uptime_s":7,"signature":"S""#,
            r#""uptime_s":7.25,"exception":{"type":"E","value":"v","frames":[{"function":"f","line":3,"in_app":true},{}]}"#,
            r#""clients_dropped":0,"exception":{"type":"E"},"flags":{"b":1,"a":{"x":[null,1.5]}},"ticket":"more","extra":{"z":1,"a":2}"#,
        ];
        for more in some {
            for received in ["", r#""received_at":"2026-03-03T01:14:22.275Z","#] {
                let line = format!(
                    r#"{{"type":"crash","id":"c \u00e9","at":"2026-03-03T01:14:05.646123Z",{received}"service":"relay",{more}}}"#
                );
                let record = Record::parse(&line).expect("valid");
                let Record::Crash(crash) = &record else { panic!("a crash: {line}") };
                let text = CrashText::of(crash);
                assert_eq!(text.content_hash(), record.content_hash(), "{line}");
                let mut fields = record.to_fields();
                let columns = ["type", "id", "at", "received_at", "service", "environment", "release", "cell", "host"];
                columns.iter().chain(&["clients_dropped"]).for_each(|name| drop(fields.shift_remove(*name)));
                assert_eq!(text.rest(), Value::Object(fields).to_string(), "{line}");
            }
        }
    }
}
