//! Reading of JSON that strangers wrote: how deep and how much, and the two faults that real clients have. What is read points
//! into the bytes that came, so that a report of hundreds of texts is not hundreds of copies.

mod shortened;

pub use shortened::Shortened;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, value::RawValue};
use std::{borrow::Cow, fmt};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// null
    Null,
    /// true or false
    Bool(bool),
    /// A number
    Number(Number),
    /// A text
    String(Cow<'a, str>),
    /// A list
    Array(Vec<Value<'a>>),
    /// Names and values
    Object(Fields<'a>),
    /// What seldom counts, as it came: checked, and read only where somebody asks. The frames of a stack, or one of them.
    Unread(&'a str),
}

/// The names and values of a JSON object, in the sender's order. Of a name that stands twice, the last counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Value<'a> {
    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The whole number that is not negative, where it is one.
    pub fn as_u64(&self) -> Option<u64> {
        if let Value::Number(number) = self { number.as_u64() } else { None }
    }

    /// The fields, where it is an object.
    pub fn as_object(&self) -> Option<&Fields<'a>> {
        if let Value::Object(fields) = self { Some(fields) } else { None }
    }

    /// The value itself, read now where it was not.
    pub fn read_on(&self) -> Cow<'_, Value<'a>> {
        match self {
            Value::Unread(text) => Cow::Owned(read_late(text)),
            known => Cow::Borrowed(known),
        }
    }

    /// The items of a list, which stay unread where the list was; nothing where it is something else.
    pub fn items(&self) -> Cow<'_, [Value<'a>]> {
        match self {
            Value::Array(items) => Cow::Borrowed(items),
            Value::Unread(text) => match serde_json::from_str::<Vec<&'a RawValue>>(text) {
                Ok(items) => items.into_iter().map(|item| Value::Unread(item.get())).collect(),
                // What has to be mended cannot be told apart before it is.
                Err(_) => match read_late(text) {
                    Value::Array(items) => Cow::Owned(items),
                    _ => Cow::Borrowed(&[]),
                },
            },
            _ => Cow::Borrowed(&[]),
        }
    }

    /// The same with everything read.
    pub fn read_through(self) -> Value<'a> {
        match self {
            Value::Unread(text) => read_late(text),
            Value::Array(items) => Value::Array(items.into_iter().map(Value::read_through).collect()),
            Value::Object(fields) => Value::Object(fields.read_through()),
            known => known,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The same with texts of its own.
    fn into_owned(self) -> Value<'static> {
        let text = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Value::Null => Value::Null,
            Value::Bool(truth) => Value::Bool(truth),
            Value::Number(number) => Value::Number(number),
            Value::String(it) => Value::String(text(it)),
            Value::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Value::Object(fields) => Value::Object(Fields(
                fields.0.into_iter().map(|(name, value)| (text(name), value.into_owned())).collect(),
            )),
            Value::Unread(it) => read_late(it).into_owned(),
        }
    }

    /// The same as a value that can be kept.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(truth) => serde_json::Value::Bool(*truth),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::String(text) => serde_json::Value::String(text.clone().into_owned()),
            Value::Array(items) => items.iter().map(Value::to_json).collect(),
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.to_owned(), value.to_json())).collect(),
            Value::Unread(_) => self.read_on().to_json(),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(formatter)
    }
}

impl<'a> Fields<'a> {
    /// These names and values.
    pub fn new(fields: Vec<(Cow<'a, str>, Value<'a>)>) -> Fields<'a> {
        Fields(fields)
    }

    /// What stands under a name.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The same with everything read.
    pub fn read_through(self) -> Fields<'a> {
        Fields(self.0.into_iter().map(|(name, value)| (name, value.read_through())).collect())
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(Reading::All)
    }
}

/// The name under which stacks stand: hundreds of frames, of which the innermost few count.
const FRAMES: &str = "frames";

/// Builds a value out of what the parser meets.
#[derive(Clone, Copy)]
enum Reading<'a> {
    /// All of it.
    All,
    /// All but the frames of stacks, which stay as they came in this document.
    Outline(&'a Shortened<'a>),
}

impl<'de> DeserializeSeed<'de> for Reading<'de> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'de> {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some(Name(name)) = entries.next_key::<Name<'de>>()? {
            let value = match self {
                Reading::Outline(document) if name == FRAMES => unread(document, entries.next_value()?)?,
                Reading::Outline(_) | Reading::All => entries.next_value_seed(self)?,
            };
            fields.push((name, value));
        }
        Ok(Value::Object(Fields(fields)))
    }
}

/// A list as it came; anything else is read.
fn unread<'a, E: serde::de::Error>(document: &'a Shortened<'a>, raw: &'a RawValue) -> Result<Value<'a>, E> {
    let text = document.original(raw.get());
    if text.starts_with('[') { Ok(Value::Unread(text)) } else { serde_json::from_str(text).map_err(E::custom) }
}

/// The name of a field, which points into the bytes where it can.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'a>, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a field")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reading)
    }
}

#[cfg(test)]
impl serde::Serialize for Value<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// How deep arrays and objects may be nested.
pub const DEEPEST: usize = 64;
/// How many values one document may hold.
pub const MOST_VALUES: usize = 20_000;

/// Why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Nested deeper than `DEEPEST`.
    #[error("it is nested deeper than {DEEPEST} levels; lower the client's normalisation depth")]
    TooDeep,
    /// More than `MOST_VALUES` values.
    #[error("it holds more than {MOST_VALUES} values; send less context with each report")]
    TooMany,
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    Malformed(String),
    /// JSON, but not an object.
    #[error("a JSON object was expected")]
    NotAnObject,
}

/// Reads one JSON value.
///
/// Half a surrogate pair (JavaScript cuts strings in the middle of an emoji), bytes that are no UTF-8, and Python's `NaN`
/// and `Infinity` are mended rather than refused: a crash report is worth more than the character.
///
/// # Errors
/// Too deep, too many values, or not JSON.
pub fn read(bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    measure(bytes)?;
    // Read as text, no part of it has to be looked through for bytes that are none.
    let read = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    match read {
        Ok(value) => Ok(value),
        Err(error) => match serde_json::from_str::<Value<'_>>(&mend(bytes)) {
            Ok(value) => Ok(value.into_owned()),
            Err(_) => Err(JsonError::Malformed(position(&error))),
        },
    }
}

/// Reads what was left unread, which was checked when it came. It may have to be mended all the same.
fn read_late(text: &str) -> Value<'_> {
    serde_json::from_str(text).or_else(|_| read(text.as_bytes())).unwrap_or(Value::Null)
}

/// Reads one JSON object. What stands under some of its names stays as it came, and so do the frames of its stacks: a report's
/// breadcrumbs and the like make up most of it. All of it is checked.
///
/// # Errors
/// As `read_object`.
pub fn read_object_without<'a>(
    document: &'a Shortened<'a>,
    names: &'static [&'static str],
) -> Result<Fields<'a>, JsonError> {
    measure(document.bytes())?;
    let Some(text) = document.text() else { return read_object(document.bytes()) };
    let mut parser = serde_json::Deserializer::from_str(text);
    match parser.deserialize_map(Without(document, names)).and_then(|fields| parser.end().map(|()| fields)) {
        Ok(fields) => Ok(fields),
        // It may have to be mended, or be something else.
        Err(_) => read_object(document.bytes()),
    }
}

/// Builds an object of which what stands under these names stays unread.
struct Without<'a>(&'a Shortened<'a>, &'static [&'static str]);

impl<'de> Visitor<'de> for Without<'de> {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Vec::with_capacity(16);
        while let Some(Name(name)) = entries.next_key::<Name<'de>>()? {
            let Without(document, names) = self;
            let value = if names.contains(&name.as_ref()) {
                Value::Unread(document.original(entries.next_value::<&'de RawValue>()?.get()))
            } else if name == FRAMES {
                unread(document, entries.next_value()?)?
            } else {
                entries.next_value_seed(Reading::Outline(document))?
            };
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}

/// Reads one JSON object.
///
/// # Errors
/// As `read`, or another kind of value.
pub fn read_object(bytes: &[u8]) -> Result<Fields<'_>, JsonError> {
    match read(bytes)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Where and of which kind the fault is. The parser's own words may quote what was sent, so they are not passed on.
fn position(error: &serde_json::Error) -> String {
    let kind = if error.is_eof() { "it ends too early" } else { "something unexpected stands" };
    format!("{kind} at line {}, column {}", error.line(), error.column())
}

/// Counts depth and values without building anything.
fn measure(bytes: &[u8]) -> Result<(), JsonError> {
    // So short a text has not so many values, and so few brackets are not nested so deep: no need to tell them from those in texts.
    if bytes.len() <= MOST_VALUES && memchr::memchr2_iter(b'{', b'[', bytes).take(DEEPEST + 1).count() <= DEEPEST {
        return Ok(());
    }
    let (mut depth, mut values, mut at) = (0_usize, 1_usize, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = after_text(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                values += 1;
                if depth > DEEPEST {
                    return Err(JsonError::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if values > MOST_VALUES {
            return Err(JsonError::TooMany);
        }
    }
    Ok(())
}

/// Where a text ends that begins here, its closing quote included.
fn after_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        if bytes[at + found] == b'"' {
            return at + found + 1;
        }
        // What is escaped ends nothing.
        at += found + 2;
    }
    bytes.len()
}

/// The document with halves of surrogate pairs replaced, other encodings' bytes replaced, and numbers that JSON does not know as null.
fn mend(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let bytes = text.as_bytes();
    let mut mended = String::with_capacity(text.len());
    let (mut at, mut kept, mut in_text) = (0, 0, false);
    while at < bytes.len() {
        let (length, replacement) = match bytes[at] {
            b'"' => {
                in_text = !in_text;
                (1, None)
            }
            b'\\' if in_text => match surrogate(bytes, at) {
                Some(0xd800..0xdc00) if matches!(surrogate(bytes, at + 6), Some(0xdc00..0xe000)) => (12, None),
                Some(0xd800..0xe000) => (6, Some("\\ufffd")),
                Some(_) => (6, None),
                None => (2, None),
            },
            b'N' if !in_text && bytes[at..].starts_with(b"NaN") => (3, Some("null")),
            b'I' if !in_text && bytes[at..].starts_with(b"Infinity") => (8, Some("null")),
            b'-' if !in_text && bytes[at..].starts_with(b"-Infinity") => (9, Some("null")),
            _ => (1, None),
        };
        if let Some(replacement) = replacement {
            mended.push_str(&text[kept..at]);
            mended.push_str(replacement);
            kept = at + length;
        }
        at += length;
    }
    mended.push_str(&text[kept.min(text.len())..]);
    mended
}

/// The number of the `\u` and four digits that begin here.
fn surrogate(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
impl From<serde_json::Value> for Value<'static> {
    fn from(value: serde_json::Value) -> Value<'static> {
        serde_json::from_str::<Value<'_>>(&value.to_string()).expect("JSON").into_owned()
    }
}

/// A value as it is written in a test.
#[cfg(test)]
macro_rules! json {
    ($($json:tt)+) => { $crate::intake::json::Value::from(serde_json::json!($($json)+)) };
}
#[cfg(test)]
pub(crate) use json;

#[cfg(test)]
mod tests;
