//! Tolerant reading of fields that come in several shapes. Which fields there are is known by the formats.

use crate::intake::json::{Fields, Value};
use std::borrow::Cow;

/// What stands under the first of these names that is there and not null.
pub fn under<'a>(fields: &'a Fields<'a>, names: &[&str]) -> &'a Value<'a> {
    names.iter().filter_map(|name| fields.get(name)).find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

/// A scalar as text; nothing for null, an empty text, a list or an object.
pub fn text<'a>(value: &'a Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(Cow::Borrowed),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) | Value::Unread(_) => None,
    }
}

/// A scalar as text, or a list or an object as its JSON.
pub fn text_or_json<'a>(value: &'a Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Array(_) | Value::Object(_) => Some(Cow::Owned(value.to_string())),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null | Value::Unread(_) => text(value),
    }
}

/// The text under a name.
pub fn text_under<'a>(fields: &'a Fields<'a>, name: &str) -> Option<Cow<'a, str>> {
    text(under(fields, &[name]))
}

/// A whole number, also where it is written as text or with a fraction of zero.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 9e15).map(|it| it as i64)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) | Value::Unread(_) => None,
    }
}

/// A truth, also where it is written as text.
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) | Value::Unread(_) => None,
    }
}

/// A list in any of its shapes: `{"values": […]}`, a bare list, a single object, or nothing.
pub fn list<'a>(value: &'a Value<'a>) -> &'a [Value<'a>] {
    match value {
        Value::Array(values) => values,
        Value::Object(fields) => match fields.get("values") {
            Some(Value::Array(values)) => values,
            Some(single @ Value::Object(_)) => std::slice::from_ref(single),
            Some(_) => &[],
            None if fields.is_empty() => &[],
            None => std::slice::from_ref(value),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Unread(_) => &[],
    }
}

/// Pairs in any of their shapes: an object, a list of pairs, or a list of `{key, value}`.
pub fn pairs<'a>(value: &'a Value<'a>) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
    let (fields, items) = match value {
        Value::Object(fields) => (Some(fields), &[][..]),
        Value::Array(items) => (None, items.as_slice()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Unread(_) => (None, &[][..]),
    };
    let of_field = |(key, value): (&'a str, &'a Value<'a>)| Some((Cow::Borrowed(key.trim()), text(value)?));
    let of_item = |item: &'a Value<'a>| match item {
        Value::Array(pair) => text(pair.first()?).zip(text(pair.get(1)?)),
        Value::Object(fields) => text(fields.get("key")?).zip(text(fields.get("value")?)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Unread(_) => None,
    };
    fields.into_iter().flat_map(Fields::iter).filter_map(of_field).chain(items.iter().filter_map(of_item))
}

/// The fields of an object; none where it is something else.
pub fn object<'a>(value: &'a Value<'a>) -> &'a Fields<'a> {
    static NONE: std::sync::LazyLock<Fields<'static>> = std::sync::LazyLock::new(Fields::default);
    value.as_object().unwrap_or(&NONE)
}

/// An id of 32 hexadecimal digits, with or without hyphens and in any case, as 32 lower-case digits.
pub fn id(value: &Value) -> Option<String> {
    let mut id = value.as_str()?.trim().to_owned();
    id.retain(|it| it != '-');
    id.make_ascii_lowercase();
    let fits = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0');
    fits.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::json::json;

    #[test]
    fn a_list_is_found_in_each_of_its_shapes() {
        for value in [json!({"values": [{"a": 1}]}), json!([{"a": 1}]), json!({"a": 1}), json!({"values": {"a": 1}})] {
            assert_eq!(list(&value), [json!({"a": 1})], "{value}");
        }
        for value in [json!(null), json!({}), json!({"values": null}), json!("x"), json!([])] {
            assert!(list(&value).is_empty(), "{value}");
        }
    }

    #[test]
    fn pairs_are_found_in_each_of_their_shapes() {
        for value in [json!({"a": 1, "b": null}), json!([["a", 1], ["b"], null]), json!([{"key": "a", "value": 1}, {}])]
        {
            assert_eq!(pairs(&value).collect::<Vec<_>>(), [("a".into(), "1".into())], "{value}");
        }
    }

    #[test]
    fn an_id_loses_its_hyphens_and_nonsense_is_none() {
        assert_eq!(
            id(&json!("5869BD35-842c-430d-85a3-a25a1600bca9")).as_deref(),
            Some("5869bd35842c430d85a3a25a1600bca9")
        );
        for value in [json!("5869"), json!(null), json!("0".repeat(32)), json!("g".repeat(32))] {
            assert_eq!(id(&value), None);
        }
    }
}
