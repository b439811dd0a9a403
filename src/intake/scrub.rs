//! Personal data and secrets out of text, before anything is stored. Which fields are kept at all is decided by the formats:
//! they take a short list of fields and leave the rest; what is here cleans the texts that they do take.
//!
//! What is removed leaves a word in brackets and a count by rule, never itself. All patterns run in linear time.

mod rules;

use regex::{Captures, Regex};
use rules::{RULES, Rule, Traits};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Takes personal data and secrets out of texts, and counts by rule how often.
#[derive(Debug, Default)]
pub struct Scrubber {
    removed: BTreeMap<&'static str, u32>,
}

impl Scrubber {
    /// One that has removed nothing yet.
    pub fn new() -> Scrubber {
        Scrubber::default()
    }

    /// The text without personal data, secrets and control characters, cut to `longest` characters.
    pub fn text(&mut self, text: &str, longest: usize) -> String {
        if text.len() > LONGEST_KNOWN {
            return self.scrub(text, longest);
        }
        let mark = Known::mark(text);
        if text.len() <= longest && Known::has(mark) {
            return text.to_owned();
        }
        let scrubbed = self.scrub(text, longest);
        if scrubbed == text {
            Known::note(mark);
        }
        scrubbed
    }

    fn scrub(&mut self, text: &str, longest: usize) -> String {
        let mut text = Cow::Borrowed(head(text, longest));
        let mut traits = Traits::of(&text);
        for rule in RULES.iter() {
            if traits.covers(rule.needs)
                && let Some(changed) = self.apply(rule, &text)
            {
                traits = Traits::of(&changed);
                text = Cow::Owned(changed);
            }
        }
        clean(&text, longest)
    }

    /// The text of a named field: all of it goes where the name says that it is a secret or a person.
    pub fn named(&mut self, name: &str, text: &str, longest: usize) -> String {
        match secret_name(name) {
            Some(rule) => {
                self.note(rule);
                "[removed]".to_owned()
            }
            None => self.text(text, longest),
        }
    }

    /// Counts something that is dropped whole.
    pub fn note(&mut self, rule: &'static str) {
        *self.removed.entry(rule).or_default() += 1;
    }

    /// How often each rule removed something.
    pub fn removed(self) -> BTreeMap<String, u32> {
        self.removed.into_iter().map(|(rule, count)| (rule.to_owned(), count)).collect()
    }

    fn apply(&mut self, rule: &Rule, text: &str) -> Option<String> {
        let mut changed = String::new();
        let mut kept = 0;
        for found in rule.pattern.captures_iter(text) {
            let whole = found.get_match();
            if !(rule.is_real)(&found, text) {
                continue;
            }
            changed.push_str(&text[kept..whole.start()]);
            changed.push_str(group(&found, "before"));
            changed.push('[');
            changed.push_str(rule.word);
            changed.push(']');
            changed.push_str(group(&found, "after"));
            kept = whole.end();
            self.note(rule.word);
        }
        (kept > 0).then(|| {
            changed.push_str(&text[kept..]);
            changed
        })
    }
}

/// Longer texts are seldom sent twice, bytes.
const LONGEST_KNOWN: usize = 200;
/// How many texts a thread remembers; past that it begins anew.
const MOST_KNOWN: usize = 16_384;

/// Texts that a moment ago held nothing to remove: names of functions and files come again with every report of a crash. Only
/// hashes are remembered, with keys that no sender knows.
struct Known;

thread_local! {
    static KNOWN: RefCell<HashSet<u64, foldhash::fast::RandomState>> = RefCell::default();
}

impl Known {
    fn mark(text: &str) -> u64 {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        KEYS.hash_one(text)
    }

    fn has(mark: u64) -> bool {
        KNOWN.with_borrow(|known| known.contains(&mark))
    }

    fn note(mark: u64) {
        KNOWN.with_borrow_mut(|known| {
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(mark);
        });
    }
}

fn group<'a>(found: &Captures<'a>, name: &str) -> &'a str {
    found.name(name).map_or("", |part| part.as_str())
}

/// The text without control characters (a NUL cannot be stored at all), cut to `longest` characters. For names, which are not scrubbed.
pub fn clean(text: &str, longest: usize) -> String {
    if text.len() <= longest && text.bytes().all(|it| matches!(it, b' '..=b'~')) {
        return text.to_owned();
    }
    let unseen = |it: char| {
        (it.is_control() && it != '\n' && it != '\t') || matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut kept: String = text.chars().filter(|it| !unseen(*it)).take(longest + 1).collect();
    if let Some((end, _)) = kept.char_indices().nth(longest) {
        kept.truncate(end);
        kept.pop();
        kept.push('…');
    }
    kept
}

/// The part of a text that is worth scrubbing when `longest` characters of it are kept. Cut at a space, so that no secret is
/// cut into something that no rule knows.
fn head(text: &str, longest: usize) -> &str {
    let most = longest.saturating_mul(4).max(4096);
    if text.len() <= most {
        return text;
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = &text[..end];
    match cut.rfind(char::is_whitespace) {
        Some(space) if space > end / 2 => &cut[..space],
        _ => cut,
    }
}

/// Which rule, if any, a field's name falls under: `secret` or `person`.
pub fn secret_name(name: &str) -> Option<&'static str> {
    static SECRET: LazyLock<Regex> = LazyLock::new(|| {
        rules::compile(
            r"(?i)passw|passphrase|\bpwd|[_.-]pwd|secret|credential|api[-_. ]?key|apikey|private[-_. ]?key|access[-_. ]?key|(?:^|[-_. ])auth(?:$|[-_. ]|oriz)|token(?:$|[^s])|cookie|session[-_. ]?id|csrf|xsrf|jwt|(?:^|[-_. ])(?:otp|pin|cvv|cvc|ssn|iban)(?:$|[-_. ])|card[-_. ]?n(?:umbe|o|r)|bearer|signature",
        )
    });
    static PERSON: LazyLock<Regex> = LazyLock::new(|| {
        rules::compile(
            r"(?i)^(?:.*[-_. ])?(?:e?mail|e-mail|user_?name|login|full_?name|first_?name|last_?name|surname|phone|mobile|ip|ip[-_. ]?addr(?:ess)?|remote[-_. ]?addr|client[-_. ]?ip|birth(?:day|date)?|dob)(?:[-_. ]?address)?$|^(?:user|customer)(?:[-_. ](?:id|key|data))?$",
        )
    });
    if SECRET.is_match(name) {
        Some("secret")
    } else if PERSON.is_match(name) {
        Some("person")
    } else {
        None
    }
}

/// A short keyed hash of a person's id, good only for counting different people within one service.
pub fn person_hash(service: &str, id: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update(b"person in a crash report\0");
    hash.update(service.as_bytes());
    hash.update([0]);
    hash.update(id.as_bytes());
    hex::encode(&hash.finalize()[..8])
}

/// An address without its query, fragment and user, since those hold secrets more often than not.
pub fn address(scrubber: &mut Scrubber, address: &str, longest: usize) -> String {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    if end < address.len() {
        scrubber.note("query");
    }
    scrubber.text(&address[..end], longest)
}

#[cfg(test)]
mod corpus;
