//! Reading of JSON that strangers wrote: how deep and how much, and the two faults that real clients have.

use serde_json::{Map, Value};

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
pub fn read(bytes: &[u8]) -> Result<Value, JsonError> {
    measure(bytes)?;
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) => serde_json::from_str(&mend(bytes)).map_err(|_| JsonError::Malformed(position(&error))),
    }
}

/// Reads one JSON object.
///
/// # Errors
/// As `read`, or another kind of value.
pub fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
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
    let (mut depth, mut values, mut in_text, mut escaped) = (0_usize, 1_usize, false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
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

/// The number in a `\uXXXX` that begins here.
fn surrogate(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_nested_too_deep_is_refused_at_once() {
        let deep = "[".repeat(100_000);
        assert_eq!(read(deep.as_bytes()), Err(JsonError::TooDeep));
        let fine = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        assert!(read(fine.as_bytes()).is_ok());
        let brackets_in_text = format!("\"{}\"", "[".repeat(500));
        assert!(read(brackets_in_text.as_bytes()).is_ok());
    }

    #[test]
    fn too_many_values_are_refused() {
        let many = format!("[{}0]", "0,".repeat(MOST_VALUES));
        assert_eq!(read(many.as_bytes()), Err(JsonError::TooMany));
    }

    #[test]
    fn half_an_emoji_does_not_cost_the_report() {
        let value = read(br#"{"a":"cut \ud83d","b":"\ud83d\ude00","c":"\\ud83d"}"#).expect("mended");
        assert_eq!(value["a"], "cut \u{fffd}");
        assert_eq!(value["b"], "😀");
        assert_eq!(value["c"], "\\ud83d");
    }

    #[test]
    fn pythons_numbers_and_foreign_bytes_do_not_cost_the_report() {
        let value = read(b"{\"a\":NaN,\"b\":[-Infinity,Infinity],\"c\":\"NaN\",\"d\":\"\xff\"}").expect("mended");
        assert_eq!(value.to_string(), "{\"a\":null,\"b\":[null,null],\"c\":\"NaN\",\"d\":\"\u{fffd}\"}");
    }

    #[test]
    fn a_fault_is_told_by_place_and_never_by_content() {
        let error = read(b"{\"password\": hunter2}").expect_err("not JSON").to_string();
        assert!(error.contains("line 1") && !error.contains("hunter"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn text_that_looks_like_json_never_panics(text in r#"[\[\]{}":,\\uNaInfty0-9d8cé-]{0,80}"#) {
            let _ = read(text.as_bytes());
        }
    }
}
