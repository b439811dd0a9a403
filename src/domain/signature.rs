//! What groups crash reports: the kind of error and the innermost frames of the program's own code.

use super::crash::{Exception, Frame};

/// How many frames go into a signature.
pub const FRAMES: usize = 3;

/// Whether a frame is one of those that go into a signature first: the program's own, with a name.
pub fn counts(frame: &Frame) -> bool {
    frame.in_app != Some(false) && name(frame).is_some()
}

/// The signature of an exception: its type and the innermost in-app frames, joined by ` | `.
///
/// Where no frame is marked as the program's own, the innermost of all are taken. Without frames the
/// message stands in, with what varies from one report to the next taken out.
pub fn of(exception: &Exception) -> String {
    let kind = exception.kind.as_deref().map(str::trim).filter(|kind| !kind.is_empty()).unwrap_or("error");
    let own: Vec<&Frame> = exception.frames.iter().filter(|frame| frame.in_app != Some(false)).collect();
    let frames: Vec<&Frame> = if own.is_empty() { exception.frames.iter().collect() } else { own };
    let mut parts = String::from(kind);
    for name in frames.iter().rev().filter_map(|frame| name(frame)).take(FRAMES) {
        parts.push_str(" | ");
        parts.push_str(name);
    }
    if parts.len() == kind.len()
        && let Some(value) = exception.value.as_deref().map(str::trim).filter(|value| !value.is_empty())
    {
        parts.push_str(" | ");
        parts.push_str(&without_variables(value));
    }
    cut(&parts)
}

/// A signature longer than this is cut.
const LONGEST: usize = 300;

/// Text cut to the longest signature, at a character's edge, on one line.
pub fn cut(text: &str) -> String {
    if text.len() <= LONGEST && text.bytes().all(|it| matches!(it, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars().take(LONGEST).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn name(frame: &Frame) -> Option<&str> {
    let function = frame.function.as_deref().map(str::trim).filter(|name| !name.is_empty() && *name != "?");
    let place = || frame.module.as_deref().or(frame.file.as_deref()).map(str::trim).filter(|name| !name.is_empty());
    function.map(without_address).or_else(place)
}

/// A function's name without generic hashes and offsets: `read::h0123456789abcdef+0x1f` is `read`.
fn without_address(function: &str) -> &str {
    let offset = memchr::memchr_iter(b'+', function.as_bytes()).find(|at| function[*at..].starts_with("+0x"));
    let function = &function[..offset.unwrap_or(function.len())];
    match function.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => function,
    }
}

/// A message with its numbers, hexadecimal runs and quoted parts replaced, so that two reports of one fault agree.
fn without_variables(message: &str) -> String {
    let line = message.lines().next().unwrap_or("");
    let mut words = Vec::new();
    for word in line.split_whitespace().take(12) {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        words.push(if digits > 0 { "#" } else { word });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, in_app: Option<bool>) -> Frame {
        Frame { function: Some(function.into()), in_app, ..Frame::default() }
    }

    #[test]
    fn the_innermost_frames_of_the_programs_own_code_come_first() {
        let exception = Exception {
            kind: Some("SIGSEGV".into()),
            value: None,
            frames: vec![
                frame("main", None),
                frame("conn_read", None),
                frame("frame_decode", None),
                frame("memcpy", Some(false)),
            ],
        };
        assert_eq!(of(&exception), "SIGSEGV | frame_decode | conn_read | main");
    }

    #[test]
    fn a_message_stands_in_for_missing_frames_without_what_varies() {
        let exception = Exception {
            kind: Some("Timeout".into()),
            value: Some("no answer from 10.0.0.7 in 250 ms".into()),
            frames: vec![],
        };
        assert_eq!(of(&exception), "Timeout | no answer from # in # ms");
    }

    #[test]
    fn an_exception_that_says_nothing_still_has_a_signature() {
        assert_eq!(of(&Exception::default()), "error");
    }

    #[test]
    fn hashes_and_offsets_do_not_split_a_signature() {
        assert_eq!(without_address("relay::read::h0123456789abcdef+0x1f"), "relay::read");
    }
}
