//! A document without what in it is known by heart: in a storm the same stacks come again and again, and make up most of each
//! report. Where one is known to be a list in JSON, there is no need to go through it once more.

use super::FRAMES;
use memchr::memmem::Finder;
use std::{borrow::Cow, sync::LazyLock};

/// A document in which known lists stand empty, and where they were.
pub struct Shortened<'a> {
    bytes: &'a [u8],
    /// The document and its shortened form; none where it is not text.
    text: Option<(&'a str, Cow<'a, str>)>,
    cuts: Vec<Cut>,
}

/// A list that stands empty.
struct Cut {
    /// Where it begins in the shortened document.
    at: usize,
    /// How many bytes longer it was.
    longer: usize,
}

/// How an empty list is written.
const EMPTY: &str = "[]";
/// A list of objects ends like this. What is nested in them may look the same, so a few places are tried.
const END: &[u8] = b"}]";
const TRIED: usize = 3;
/// As many lists of a document are looked at, and so much of each, bytes: what strangers send must not be gone through again and again.
const MOST_LISTS: usize = 32;
const LONGEST: usize = 16 << 10;

impl<'a> Shortened<'a> {
    /// The document without the lists under the name `frames` that are known to be lists.
    pub fn of(bytes: &'a [u8], is_known: impl Fn(&str) -> bool) -> Shortened<'a> {
        let Ok(whole) = std::str::from_utf8(bytes) else { return Shortened { bytes, text: None, cuts: Vec::new() } };
        let (mut text, mut cuts, mut kept) = (String::new(), Vec::new(), 0);
        for begin in lists(whole).take(MOST_LISTS) {
            if begin < kept {
                continue;
            }
            let window = &bytes[begin..bytes.len().min(begin + LONGEST)];
            let ends = memchr::memmem::find_iter(window, END).take(TRIED).map(|at| begin + at + END.len());
            let Some(end) = ends.into_iter().find(|end| is_known(&whole[begin..*end])) else { continue };
            text.push_str(&whole[kept..begin]);
            cuts.push(Cut { at: text.len(), longer: end - begin - EMPTY.len() });
            text.push_str(EMPTY);
            kept = end;
        }
        let short = if cuts.is_empty() {
            Cow::Borrowed(whole)
        } else {
            text.push_str(&whole[kept..]);
            Cow::Owned(text)
        };
        Shortened { bytes, text: Some((whole, short)), cuts }
    }

    /// The whole document.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The shortened document; none where it is not text.
    pub fn text(&self) -> Option<&str> {
        self.text.as_ref().map(|(_, short)| short.as_ref())
    }

    /// What a part of the shortened document was in the whole one.
    pub fn original<'b>(&'b self, part: &'b str) -> &'b str {
        let Some((whole, short)) = self.text.as_ref().filter(|_| !self.cuts.is_empty()) else { return part };
        let Some(begin) = (part.as_ptr() as usize).checked_sub(short.as_ptr() as usize) else { return part };
        let place =
            |at: usize| at + self.cuts.iter().take_while(|cut| cut.at < at).map(|cut| cut.longer).sum::<usize>();
        whole.get(place(begin)..place(begin + part.len())).unwrap_or(part)
    }
}

/// Where lists begin that stand under the name. A quote that no backslash precedes begins or ends a text; before a name and a colon it
/// can only begin one, in whatever is JSON.
fn lists(text: &str) -> impl Iterator<Item = usize> {
    static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(FRAMES.as_bytes()));
    let bytes = text.as_bytes();
    let blank = |at: usize| at + bytes.iter().skip(at).take_while(|byte| byte.is_ascii_whitespace()).count();
    NAME.find_iter(bytes).filter_map(move |at| {
        let before = at.checked_sub(1)?;
        let begins = bytes[before] == b'"' && before.checked_sub(1).is_none_or(|it| bytes[it] != b'\\');
        let colon = blank(at + FRAMES.len() + 1);
        let list = blank(colon + 1);
        let is_name = begins && bytes.get(at + FRAMES.len()) == Some(&b'"') && bytes.get(colon) == Some(&b':');
        (is_name && bytes.get(list) == Some(&b'[')).then_some(list)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Value, read_object, read_object_without};
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = r#"[{"function":"a","vars":[{"x":1}]},{"function":"b"}]"#;

    fn shortened(text: &str) -> Shortened<'_> {
        Shortened::of(text.as_bytes(), |list| list == LIST)
    }

    /// Reads a document shortened and as it is: the same, and how many lists were left out.
    fn read(text: &str) -> usize {
        let short = shortened(text);
        let (some, all) = (read_object_without(&short, &["extra"]), read_object(text.as_bytes()));
        match (some, all) {
            (Ok(some), Ok(all)) => assert_eq!(some.read_through(), all, "{text}"),
            (some, all) => assert_eq!(some.is_err(), all.is_err(), "{text}"),
        }
        short.cuts.len()
    }

    #[test]
    fn a_known_list_is_left_out_and_what_is_read_is_the_same() {
        assert_eq!(read(&format!(r#"{{"a":{{"frames":{LIST}}},"b":1}}"#)), 1);
        assert_eq!(read(&format!(r#"{{"a":{{"frames" : {LIST}}},"é":[{{"frames":{LIST},"c":"ü"}}],"d":2}}"#)), 2);
        // What is left unread as a whole holds it too, and so does one list another.
        assert_eq!(read(&format!(r#"{{"extra":{{"frames":{LIST}}},"x":{{"frames":{{"frames":{LIST}}}}}}}"#)), 2);
        assert_eq!(read(&format!(r#"{{"frames":[{{"frames":{LIST}}}],"z":[1,2]}}"#)), 1);
        let short = shortened(r#"{"a":{"frames":[{"function":"a","vars":[{"x":1}]},{"function":"b"}]}}"#);
        let fields = read_object_without(&short, &[]).expect("JSON");
        let frames = fields.get("a").and_then(Value::as_object).and_then(|it| it.get("frames")).cloned();
        assert_eq!(frames, Some(Value::Unread(LIST)));
    }

    #[test]
    fn what_only_looks_like_a_list_under_the_name_stays() {
        for text in [
            // In a text, and under a name that ends like it.
            format!(r#"{{"a":"\"frames\":{}"}}"#, LIST.replace('"', "\\\"")),
            format!(r#"{{"x\"frames":{LIST}}}"#),
            format!(r#"{{"xframes":{LIST}}}"#),
            r#"{"frames":[{"function":"other"}]}"#.to_owned(),
            r#"{"frames":[]}"#.to_owned(),
            r#"{"frames":"#.to_owned(),
            r#"{"frames"#.to_owned(),
        ] {
            assert_eq!(read(&text), 0, "{text}");
        }
    }

    #[test]
    fn however_often_the_name_stands_there_little_is_gone_through() {
        let mut text = "\"frames\":[".repeat(100_000);
        text.push_str(LIST);
        let tried = std::cell::Cell::new(0);
        let none = Shortened::of(text.as_bytes(), |list| {
            tried.set(tried.get() + list.len());
            false
        });
        assert!(none.cuts.is_empty() && tried.get() <= MOST_LISTS * TRIED * LONGEST, "{}", tried.get());
        let many = format!(r#"{{"x":[{}0]}}"#, format!(r#"{{"frames":{LIST}}},"#).repeat(100));
        assert_eq!(read(&many), MOST_LISTS);
    }

    #[test]
    fn what_is_no_json_does_not_become_json() {
        for text in [
            format!(r#"{{"a":{{"frames":{LIST}x}}}}"#),
            format!(r#"{{"a":{{"frames":{LIST}}}"#),
            format!(r#"{{"a":"x"frames":{LIST}}}"#),
            format!(r#"{{"a":["frames":{LIST}]}}"#),
        ] {
            let short = shortened(&text);
            assert!(read_object_without(&short, &[]).is_err(), "{text}");
        }
        assert!(Shortened::of(b"{\"frames\":\xff}", |_| true).text().is_none());
    }

    proptest! {
        #[test]
        fn whatever_stands_around_it_what_is_read_is_the_same(
            parts in proptest::collection::vec(prop_oneof![
                Just("\"frames\":".to_owned()), Just(LIST.to_owned()), Just("\"frames\" : [".to_owned()), Just("}]".to_owned()),
                Just("{".to_owned()), Just("}".to_owned()), Just(",".to_owned()), Just("\"a\":".to_owned()), Just("\"\\\"".to_owned()),
                Just("\"".to_owned()), Just("1".to_owned()), Just("\\".to_owned()), Just("é".to_owned()),
            ], 0..8),
            wrapped in any::<bool>(),
        ) {
            let text = parts.concat();
            read(&if wrapped { format!("{{{text}}}") } else { text });
        }
    }
}
