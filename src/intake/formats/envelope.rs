//! The frame of an envelope: a header line, then items with a header line and a payload each. What the payloads mean is
//! read in the neighbouring files.

use crate::intake::json::{self, JsonError};
use crate::intake::json::{Fields, Value};

/// Items beyond this many in one envelope are counted and not read.
pub const MOST_ITEMS: usize = 100;
/// The longest header line, bytes.
const LONGEST_HEADER: usize = 64 * 1024;
/// Items beyond `MOST_ITEMS` are counted no further than this; the body's rest is left alone.
const MOST_COUNTED: usize = 1_000;

/// An envelope taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The envelope's own header.
    pub header: Fields<'a>,
    /// The items that are read, in order.
    pub items: Vec<Item<'a>>,
    /// Items past the limit, which are not read.
    pub beyond: usize,
}

/// One item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<'a> {
    /// Its `type`.
    pub kind: String,
    /// Its header.
    pub header: Fields<'a>,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// There is nothing at all.
    #[error("the body is empty; an envelope begins with a header line, at least {{}}")]
    Empty,
    /// The envelope's header line.
    #[error("the first line is not an envelope header: {0}")]
    Header(JsonError),
    /// An item's header line; items are counted from 1.
    #[error("the header of item {item} (byte {at}): {fault}")]
    ItemHeader {
        /// Which item.
        item: usize,
        /// Where its header begins, bytes from the start.
        at: usize,
        /// What is wrong.
        fault: JsonError,
    },
    /// An item's header has no `type`.
    #[error("item {item} (byte {at}) has no \"type\"")]
    NoType {
        /// Which item.
        item: usize,
        /// Where its header begins, bytes from the start.
        at: usize,
    },
    /// An item is longer than what is left, or its `length` is no length.
    #[error("item {item} (byte {at}) says that it is {length} bytes long, and {left} are left")]
    TooShort {
        /// Which item.
        item: usize,
        /// Where its payload begins, bytes from the start.
        at: usize,
        /// The length that its header names.
        length: String,
        /// The bytes that follow.
        left: usize,
    },
    /// After an item of known length comes something else than a line's end.
    #[error("item {item} does not end where its length says (byte {at}): a newline or the end was expected")]
    NoNewline {
        /// Which item.
        item: usize,
        /// Where the newline was expected, bytes from the start.
        at: usize,
    },
}

/// Takes an envelope apart without reading the payloads.
///
/// # Errors
/// Where the frame is broken; everything before the break is lost too, since a wrong length may have cut any item.
pub fn read(body: &[u8]) -> Result<Envelope<'_>, FrameError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(FrameError::Empty);
    }
    let (line, mut at) = line(body, 0);
    let header = header_line(line).map_err(FrameError::Header)?;
    let mut envelope = Envelope { header, items: Vec::new(), beyond: 0 };
    loop {
        while matches!(body.get(at), Some(b'\n' | b'\r')) {
            at += 1;
        }
        if at >= body.len() || envelope.beyond >= MOST_COUNTED {
            return Ok(envelope);
        }
        let (item, next) = item(body, at, envelope.items.len() + envelope.beyond + 1)?;
        at = next;
        if envelope.items.len() < MOST_ITEMS {
            envelope.items.push(item);
        } else {
            envelope.beyond += 1;
        }
    }
}

/// The envelope header's `dsn`, without reading anything else.
pub fn dsn(body: &[u8]) -> Option<String> {
    let header = header_line(line(body, 0).0).ok()?;
    Some(header.get("dsn")?.as_str()?.to_owned())
}

fn item(body: &[u8], start: usize, number: usize) -> Result<(Item<'_>, usize), FrameError> {
    let (header, at) = line(body, start);
    let header = header_line(header).map_err(|fault| FrameError::ItemHeader { item: number, at: start, fault })?;
    let kind = header.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
    let kind = kind.ok_or(FrameError::NoType { item: number, at: start })?.to_owned();
    let left = body.len() - at;
    let (payload, next) = match header.get("length") {
        None | Some(Value::Null) => line(body, at),
        Some(length) => {
            let fits = length.as_u64().and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= left);
            let Some(length) = fits else {
                let length = length.to_string().chars().take(24).collect();
                return Err(FrameError::TooShort { item: number, at, length, left });
            };
            let end = at + length;
            match body.get(end) {
                None => (&body[at..], end),
                Some(b'\n') => (&body[at..end], end + 1),
                Some(_) => return Err(FrameError::NoNewline { item: number, at: end }),
            }
        }
    };
    Ok((Item { kind, header, payload }, next))
}

/// The bytes up to the next newline or the end, and where the next line begins.
fn line(body: &[u8], at: usize) -> (&[u8], usize) {
    let rest = body.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(length) => (&rest[..length], at + length + 1),
        None => (rest, body.len()),
    }
}

fn header_line(line: &[u8]) -> Result<Fields<'_>, JsonError> {
    if line.len() > LONGEST_HEADER {
        return Err(JsonError::Malformed(format!("a header line of more than {LONGEST_HEADER} bytes")));
    }
    json::read_object(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = r#"{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc"}"#;

    fn shape(body: &str) -> Vec<(String, usize)> {
        let envelope = read(body.as_bytes()).expect(body);
        envelope.items.iter().map(|item| (item.kind.clone(), item.payload.len())).collect()
    }

    #[test]
    fn two_items_with_a_windows_newline_inside_a_payload_of_known_length() {
        let body = format!(
            "{ID}\n{{\"type\":\"attachment\",\"length\":10,\"filename\":\"hello.txt\"}}\n\u{feff}Hello\r\n\n{{\"type\":\"event\",\"length\":41,\"filename\":\"application.log\"}}\n{{\"message\":\"hello world\",\"level\":\"error\"}}\n"
        );
        assert_eq!(shape(&body), [("attachment".into(), 10), ("event".into(), 41)]);
        let envelope = read(body.as_bytes()).expect("valid");
        assert!(envelope.items[0].payload.ends_with(b"Hello\r\n"));
    }

    #[test]
    fn the_last_newline_may_be_left_out() {
        let body = format!("{ID}\n{{\"type\":\"event\",\"length\":2}}\n{{}}");
        assert_eq!(shape(&body), [("event".into(), 2)]);
        assert_eq!(shape(&format!("{body}\n")), [("event".into(), 2)]);
    }

    #[test]
    fn attachments_may_be_empty() {
        let one = "{\"type\":\"attachment\",\"length\":0}\n";
        assert_eq!(shape(&format!("{ID}\n{one}\n{one}\n")), [("attachment".into(), 0), ("attachment".into(), 0)]);
        assert_eq!(shape(&format!("{ID}\n{one}\n{one}")), [("attachment".into(), 0), ("attachment".into(), 0)]);
        assert_eq!(
            shape(&format!("{ID}\n{one}\n{}", one.trim_end())),
            [("attachment".into(), 0), ("attachment".into(), 0)]
        );
    }

    #[test]
    fn a_payload_without_length_runs_to_the_newline_or_the_end() {
        let item = "{\"type\":\"attachment\"}\nhelloworld";
        assert_eq!(shape(&format!("{ID}\n{item}\n")), [("attachment".into(), 10)]);
        assert_eq!(shape(&format!("{ID}\n{item}")), [("attachment".into(), 10)]);
        assert_eq!(shape(&format!("{ID}\n{item}\n{item}\r")), [("attachment".into(), 10), ("attachment".into(), 11)]);
    }

    #[test]
    fn an_empty_header_with_one_session_is_an_envelope() {
        let session = r#"{"started": "2020-02-07T14:16:00Z","attrs":{"release":"sentry-test@1.0.0"}}"#;
        assert_eq!(shape(&format!("{{}}\n{{\"type\":\"session\"}}\n{session}")), [("session".into(), session.len())]);
    }

    #[test]
    fn an_envelope_may_hold_nothing() {
        for body in ["{}", "{}\n", "{}\n\n", "{\"event_id\":null}\n"] {
            assert_eq!(shape(body), []);
        }
    }

    #[test]
    fn a_broken_frame_is_refused_and_says_where() {
        let cases = [
            ("", "empty"),
            ("\n \n", "empty"),
            ("[]\n", "first line"),
            ("{\n", "first line"),
            ("{}\n{\"length\":3}\nabc", "item 1 (byte 3) has no \"type\""),
            ("{}\n{\"type\":\"event\",\"length\":4}\nabc", "4 bytes long, and 3 are left"),
            ("{}\n{\"type\":\"event\",\"length\":-1}\nabc", "-1 bytes"),
            ("{}\n{\"type\":\"event\",\"length\":18446744073709551615}\nabc", "bytes long"),
            ("{}\n{\"type\":\"event\",\"length\":2}\nabc", "byte 33"),
            ("{}\n{\"type\":\"x\"}\n1\nnonsense\n", "item 2"),
        ];
        for (body, says) in cases {
            let error = read(body.as_bytes()).expect_err(body).to_string();
            assert!(error.contains(says), "{body:?}: {error}");
        }
    }

    #[test]
    fn items_past_the_limit_are_counted_and_not_read() {
        let body = format!("{{}}\n{}", "{\"type\":\"session\"}\n{}\n".repeat(MOST_ITEMS + 7));
        let envelope = read(body.as_bytes()).expect("valid");
        assert_eq!((envelope.items.len(), envelope.beyond), (MOST_ITEMS, 7));
    }

    #[test]
    fn the_dsn_is_read_from_the_header_alone() {
        assert_eq!(dsn(b"{\"dsn\":\"https://k@h/1\"}\nnonsense"), Some("https://k@h/1".into()));
        assert_eq!(dsn(b"{}\n{\"dsn\":\"https://k@h/1\"}"), None);
        assert_eq!(dsn(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let _ = dsn(&bytes);
        }

        #[test]
        fn what_is_framed_with_lengths_is_read_back(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..8)) {
            let mut body = b"{}\n".to_vec();
            for payload in &payloads {
                body.extend(format!("{{\"type\":\"a\",\"length\":{}}}\n", payload.len()).bytes());
                body.extend(payload);
                body.push(b'\n');
            }
            let envelope = read(&body).expect("well framed");
            prop_assert_eq!(envelope.items.iter().map(|item| item.payload.to_vec()).collect::<Vec<_>>(), payloads);
        }
    }
}
