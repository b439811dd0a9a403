//! The surroundings of a report: tags, contexts, flags, breadcrumbs, the request.

use super::arrival;
use super::fields::{list, object, pairs, text, text_under, under, whole};
use crate::domain::time;
use crate::intake::detail::{Breadcrumb, Level};
use crate::intake::json::{Fields, Value};
use crate::intake::scrub::{self, Scrubber};
use serde_json::Value as Json;
use std::borrow::Cow;

const MOST_TAGS: usize = 50;
const LONGEST_TAG: usize = 200;
const MOST_FLAGS: usize = 100;
const MOST_BREADCRUMBS: usize = 20;
const LONGEST_BREADCRUMB: usize = 500;
/// What of a breadcrumb's data is taken, as `name=value`.
const BREADCRUMB_DATA: [&str; 6] = ["method", "status_code", "reason", "from", "to", "url"];
/// What a flag's value may weigh as JSON, bytes.
const HEAVIEST_FLAG: usize = 200;

/// The level in a report: a word or a number; `error` where there is none or another.
pub fn level(value: &Value) -> Level {
    let word = text(value).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    match word.as_str() {
        "fatal" | "critical" | "50" => Level::Fatal,
        "warning" | "warn" | "30" => Level::Warning,
        "info" | "log" | "20" => Level::Info,
        "debug" | "10" => Level::Debug,
        "sample" => Level::Sample,
        _ => Level::Error,
    }
}

/// The tags, scrubbed.
pub fn tags(event: &Fields, scrubber: &mut Scrubber) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    for (key, value) in pairs(under(event, &["tags"])).take(MOST_TAGS) {
        let value = scrubber.named(&key, &value, LONGEST_TAG);
        kept.push((scrubber.text(&key, LONGEST_TAG), value));
    }
    kept
}

/// The text that a tag or a context of this name holds. A context holds it as a scalar or under `value`, `name` or `release`.
pub fn tag_or_context<'a>(event: &'a Fields<'a>, name: &str) -> Option<Cow<'a, str>> {
    let tag = pairs(under(event, &["tags"])).find(|(key, _)| key == name).map(|(_, value)| value);
    tag.or_else(|| {
        let context = object(under(event, &["contexts"])).get(name)?;
        let value = match context {
            Value::Object(fields) => under(fields, &["value", "name", "release"]),
            scalar => scalar,
        };
        text(value)
    })
}

/// The fields of a context.
pub fn context<'a>(event: &'a Fields<'a>, name: &str) -> &'a Fields<'a> {
    object(under(object(under(event, &["contexts"])), &[name]))
}

/// A context's name and version in one line.
pub fn named_version(context: &Fields, name: &str, version: &str, scrubber: &mut Scrubber) -> Option<String> {
    let name = text_under(context, name)?;
    let line = match text_under(context, version) {
        Some(version) => format!("{name} {version}"),
        None => name.into_owned(),
    };
    Some(scrubber.text(&line, LONGEST_TAG))
}

/// The program in one line: `identifier version (build)`.
pub fn app(event: &Fields, scrubber: &mut Scrubber) -> Option<String> {
    let app = context(event, "app");
    let parts = [
        text(under(app, &["app_identifier", "app_name"])).map(|it| it.into_owned()),
        text_under(app, "app_version").map(|it| it.into_owned()),
        text_under(app, "app_build").map(|build| format!("({build})")),
    ];
    let line = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then(|| scrubber.text(&line, LONGEST_TAG))
}

/// A trace's or a span's id: hexadecimal digits only.
pub fn trace_part(event: &Fields, name: &str) -> Option<String> {
    let id: String = text_under(context(event, "trace"), name)?.chars().filter(|it| *it != '-').collect();
    (!id.is_empty() && id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// The flags that the program had evaluated, the last value of each.
pub fn flags(event: &Fields, scrubber: &mut Scrubber) -> serde_json::Map<String, Json> {
    let mut kept = serde_json::Map::new();
    for flag in list(under(object(under(event, &["contexts"])), &["flags"])).iter().take(MOST_FLAGS).map(object) {
        let Some(name) = text_under(flag, "flag") else { continue };
        let value = match under(flag, &["result"]) {
            Value::String(text) => Json::String(scrubber.text(text, LONGEST_TAG)),
            heavy @ (Value::Object(_) | Value::Array(_)) => {
                let json = heavy.to_json();
                if json.to_string().len() > HEAVIEST_FLAG {
                    Json::String("[too long]".into())
                } else {
                    scrubbed_json(&json, scrubber)
                }
            }
            light => light.to_json(),
        };
        kept.insert(scrub::clean(&name, LONGEST_TAG), value);
    }
    kept
}

/// A small JSON value with its texts scrubbed.
fn scrubbed_json(value: &Json, scrubber: &mut Scrubber) -> Json {
    match value {
        Json::String(text) => Json::String(scrubber.text(text, LONGEST_TAG)),
        Json::Array(items) => items.iter().map(|item| scrubbed_json(item, scrubber)).collect(),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    Json::String(text) => Json::String(scrubber.named(name, text, LONGEST_TAG)),
                    other => scrubbed_json(other, scrubber),
                };
                (scrubber.text(name, LONGEST_TAG), value)
            })
            .collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
    }
}

/// The last breadcrumbs, oldest first.
pub fn breadcrumbs(event: &Fields, scrubber: &mut Scrubber) -> Vec<Breadcrumb> {
    let crumbs = list(under(event, &["breadcrumbs", "sentry.interfaces.Breadcrumbs"]));
    let last = &crumbs[crumbs.len().saturating_sub(MOST_BREADCRUMBS)..];
    last.iter().filter_map(Value::as_object).map(|crumb| breadcrumb(crumb, scrubber)).collect()
}

fn breadcrumb(crumb: &Fields, scrubber: &mut Scrubber) -> Breadcrumb {
    let data = object(under(crumb, &["data"]));
    let mut words: Vec<String> = text_under(crumb, "message").map(|it| it.into_owned()).into_iter().collect();
    for name in BREADCRUMB_DATA {
        if let Some(value) = text_under(data, name) {
            // Addresses lose their query: that is where tokens travel.
            let value = value.split(['?', '#']).next().unwrap_or_default();
            words.push(format!("{name}={value}"));
        }
    }
    let message = words.join(" ");
    Breadcrumb {
        at: arrival::read(under(crumb, &["timestamp"])).map(time::text),
        category: text(under(crumb, &["category", "type"])).map(|it| scrubber.text(&it, LONGEST_TAG)),
        level: crumb.get("level").filter(|it| !it.is_null()).map(level),
        message: (!message.is_empty()).then(|| scrubber.text(&message, LONGEST_BREADCRUMB)),
    }
}

/// The request in one line. Its body, cookies, headers, query and environment are never taken; that they were there is noted.
pub fn request(event: &Fields, scrubber: &mut Scrubber) -> Option<String> {
    let request = object(under(event, &["request", "sentry.interfaces.Http"]));
    for (field, rule) in [
        ("cookies", "cookies"),
        ("headers", "request headers"),
        ("data", "request body"),
        ("query_string", "query"),
        ("env", "request environment"),
    ] {
        let there = request.get(field).is_some_and(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::Unread(_) => true,
        });
        if there {
            scrubber.note(rule);
        }
    }
    let url = text_under(request, "url")?;
    let url = scrub::address(scrubber, &url, 500);
    Some(match text_under(request, "method") {
        Some(method) => format!("{} {url}", scrub::clean(&method, 20)),
        None => url,
    })
}

/// A hash of the person concerned, by id, e-mail address, name or network address, whichever is there first. The rest is dropped.
pub fn user_hash(event: &Fields, service: &str, scrubber: &mut Scrubber) -> Option<String> {
    let user = object(under(event, &["user", "sentry.interfaces.User"]));
    if user.iter().any(|(_, value)| !value.is_null()) {
        scrubber.note("person");
    }
    let id = ["id", "email", "username", "ip_address"].iter().find_map(|name| text_under(user, name))?;
    (id != "{{auto}}").then(|| scrub::person_hash(service, &id))
}

/// A report that says that it cut off more clients than this says nothing: sums of it would be worth nothing.
const MOST_CLIENTS: i64 = 1_000_000_000;

/// A count that must not be negative, nor absurd.
pub fn count(text: &str) -> Option<i64> {
    let number = || serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number);
    whole(&Value::String(text.into())).or_else(|| whole(&number()?)).filter(|it| (0..=MOST_CLIENTS).contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::json::json;

    fn with<T>(event: Value, read: impl Fn(&Fields, &mut Scrubber) -> T) -> T {
        read(object(&event), &mut Scrubber::new())
    }

    #[test]
    fn levels_are_words_or_numbers() {
        let cases = [
            (json!("fatal"), Level::Fatal),
            (json!("critical"), Level::Fatal),
            (json!(50), Level::Fatal),
            (json!(40), Level::Error),
            (json!("warn"), Level::Warning),
            (json!(30), Level::Warning),
            (json!("log"), Level::Info),
            (json!(10), Level::Debug),
            (json!("sample"), Level::Sample),
            (json!(null), Level::Error),
            (json!("odd"), Level::Error),
            (json!("ERROR"), Level::Error),
        ];
        for (value, expected) in cases {
            assert_eq!(level(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_name_is_found_in_tags_first_and_then_in_contexts() {
        let find = |event: Value| with(event, |event, _| tag_or_context(event, "cell").map(Cow::into_owned));
        assert_eq!(
            find(json!({"tags": {"cell": "eu-1"}, "contexts": {"cell": {"name": "us"}}})).as_deref(),
            Some("eu-1")
        );
        for context in [json!("us"), json!({"name": "us"}), json!({"value": "us"}), json!({"release": "us"})] {
            assert_eq!(find(json!({"tags": null, "contexts": {"cell": context}})).as_deref(), Some("us"));
        }
        assert_eq!(find(json!({"contexts": {"cell": {"other": 1}}})), None);
    }

    #[test]
    fn flags_are_read_with_the_last_value_of_each() {
        let event = json!({"contexts": {"flags": {"values": [{"flag": "a", "result": false}, {"flag": "b", "result": "x@y.example"}, {"flag": "a", "result": true}, {"flag": null}]}}});
        let flags = with(event, flags);
        assert_eq!(Json::Object(flags), serde_json::json!({"a": true, "b": "[email]"}));
    }

    #[test]
    fn the_last_breadcrumbs_are_kept_without_queries() {
        let crumbs: Vec<Value> = (0..30).map(|n| json!({"category": "http", "timestamp": 1795420580 + n, "data": {"url": "https://h/x?token=abc", "status_code": n}})).collect();
        let kept = with(json!({"breadcrumbs": {"values": crumbs}}), breadcrumbs);
        assert_eq!(kept.len(), MOST_BREADCRUMBS);
        assert_eq!(kept[19].message.as_deref(), Some("status_code=29 url=https://h/x"));
    }

    #[test]
    fn of_a_request_only_method_and_address_are_kept() {
        let event = json!({"request": {"method": "POST", "url": "https://h/login?next=/", "cookies": {"sid": "s3cret"}, "headers": {"Authorization": "Bearer x"}, "data": "password=x", "env": {"REMOTE_ADDR": "203.0.113.9"}}});
        let mut scrubber = Scrubber::new();
        assert_eq!(request(object(&event), &mut scrubber).as_deref(), Some("POST https://h/login"));
        let removed = scrubber.removed();
        for rule in ["cookies", "request headers", "request body", "request environment", "query"] {
            assert_eq!(removed.get(rule), Some(&1), "{rule}");
        }
    }

    #[test]
    fn a_person_is_a_hash_that_differs_between_services() {
        let hash = |service: &str| {
            with(json!({"user": {"id": 42, "email": "a@example.com"}}), |event, it| user_hash(event, service, it))
        };
        assert_eq!(hash("relay").map(|hash| hash.len()), Some(16));
        assert_ne!(hash("relay"), hash("web"));
        assert_eq!(with(json!({"user": {"ip_address": "{{auto}}"}}), |event, it| user_hash(event, "relay", it)), None);
        assert_eq!(with(json!({"user": {}}), |event, it| user_hash(event, "relay", it)), None);
    }
}
