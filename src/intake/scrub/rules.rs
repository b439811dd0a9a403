//! The patterns of personal data and secrets, in the order in which they are applied.

use regex::{Captures, Regex};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// One kind of thing that is removed.
pub(super) struct Rule {
    /// What is put in brackets in its place, and counted.
    pub word: &'static str,
    /// What a text must have for the pattern to be worth running.
    pub needs: Traits,
    /// What it looks like. The groups `before` and `after` stay.
    pub pattern: Regex,
    /// Whether a match is the thing; gets the match and the whole text.
    pub is_real: fn(&Captures, &str) -> bool,
}

/// What a text has, found in one pass over its bytes: a cheap way past most patterns for most texts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traits {
    at_signs: usize,
    digits: usize,
    dots: usize,
    colons: usize,
    separators: usize,
    slashes: usize,
    dashes: usize,
    length: usize,
}

impl Traits {
    pub fn of(text: &str) -> Traits {
        let mut traits = Traits { length: text.len(), ..Traits::default() };
        for byte in text.bytes() {
            match byte {
                b'@' | b'%' => traits.at_signs += 1,
                b'0'..=b'9' => traits.digits += 1,
                b'.' => traits.dots += 1,
                b':' => {
                    traits.colons += 1;
                    traits.separators += 1;
                }
                b'=' => traits.separators += 1,
                b'/' | b'\\' => traits.slashes += 1,
                b'-' => traits.dashes += 1,
                _ => {}
            }
        }
        traits
    }

    /// Whether there is at least as much of everything.
    pub fn covers(self, needs: Traits) -> bool {
        self.at_signs >= needs.at_signs
            && self.digits >= needs.digits
            && self.dots >= needs.dots
            && self.colons >= needs.colons
            && self.separators >= needs.separators
            && self.slashes >= needs.slashes
            && self.dashes >= needs.dashes
            && self.length >= needs.length
    }
}

/// Compiles a pattern of ours.
pub(super) fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants, and a test compiles them all")
}

const ANY: Traits =
    Traits { at_signs: 0, digits: 0, dots: 0, colons: 0, separators: 0, slashes: 0, dashes: 0, length: 0 };

/// Every rule. Whole blocks first, then named values, then things known by their shape.
pub(super) static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let always: fn(&Captures, &str) -> bool = |_, _| true;
    let rule = |word, needs, pattern: &str, is_real| Rule { word, needs, pattern: compile(pattern), is_real };
    vec![
        rule(
            "key",
            Traits { dashes: 10, ..ANY },
            r"(?s)-----BEGIN [A-Z0-9 ]{0,40}-----.*?(?:-----END [A-Z0-9 ]{0,40}-----|\z)",
            always,
        ),
        rule(
            "header",
            Traits { separators: 1, ..ANY },
            r#"(?i)(?P<before>\b(?:proxy-authorization|authorization|set-cookie|cookie|x-api-key|x-auth-token)["']?\s*[:=]\s*)(?P<value>"[^"\r\n]*"?|'[^'\r\n]*'?|[^\s"'\[][^\r\n]*)"#,
            |found, _| !is_prose(&found["value"]),
        ),
        rule(
            "user",
            Traits { at_signs: 1, slashes: 2, ..ANY },
            r#"(?i)(?P<before>\b[a-z][a-z0-9+.-]{1,20}://)[^\s/"'<>]+(?P<after>@)"#,
            always,
        ),
        rule("token", Traits { length: 20, ..ANY }, KNOWN_TOKENS, always),
        rule("secret", Traits { separators: 1, ..ANY }, NAMED_VALUES, named_value),
        rule(
            "token",
            Traits { length: 14, ..ANY },
            r"(?i)(?P<before>\b(?:bearer|basic)\s+)(?P<it>[a-z0-9._~+/-]{8,}=*)",
            |found, _| {
                let it = &found["it"];
                it.len() >= 24 || it.bytes().any(|byte| byte.is_ascii_digit() || byte == b'=')
            },
        ),
        rule(
            "email",
            Traits { at_signs: 1, dots: 1, ..ANY },
            r"(?i)[a-z0-9._+'\p{L}-]{1,64}(?:@|%40)(?P<domain>(?:[a-z0-9\p{L}-]{1,63}\.)+[a-z\p{L}]{2,24})\b",
            email,
        ),
        rule(
            "iban",
            Traits { digits: 8, length: 15, ..ANY },
            r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
            |found, _| iban(&found[0]),
        ),
        rule("card", Traits { digits: 13, ..ANY }, r"\b[0-9](?:[ -]?[0-9]){12,18}\b", |found, _| card(&found[0])),
        rule(
            "ssn",
            Traits { digits: 9, dashes: 2, ..ANY },
            r"\b(?P<area>[0-9]{3})-(?P<group>[0-9]{2})-(?P<serial>[0-9]{4})\b",
            |found, text| {
                let area = &found["area"];
                let possible = area != "000" && area != "666" && !area.starts_with('9');
                possible && &found["group"] != "00" && &found["serial"] != "0000" && stands_alone(found, text, b"-")
            },
        ),
        rule(
            "mac",
            Traits { length: 17, ..ANY },
            r"(?i)\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b|\b(?:[0-9a-f]{2}-){5}[0-9a-f]{2}\b",
            |found, text| stands_alone(found, text, b":-"),
        ),
        rule("ip", Traits { colons: 2, ..ANY }, r"(?i)[0-9a-f:]*:[0-9a-f:]*:[0-9a-f.:]*[0-9a-f:]", ipv6),
        rule("ip", Traits { digits: 4, dots: 3, ..ANY }, r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b", ipv4),
        rule(
            "user",
            Traits { slashes: 2, ..ANY },
            r#"(?P<before>(?:/var|/mnt|/export|/usr|/data)?/home/|/Users/|(?i:[a-z]:(?:\\{1,2}|/)(?:Users|Documents and Settings)(?:\\{1,2}|/)))[^/\\:*?"'<>|\r\n\[]{1,64}?(?P<after>[/\\])"#,
            begins_a_path,
        ),
        rule(
            "user",
            Traits { slashes: 2, ..ANY },
            r#"(?P<before>(?:/var|/mnt|/export|/usr|/data)?/home/|/Users/|(?i:[a-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/)))[^/\\:*?"'<>|\s\[\])(,;]{1,64}"#,
            begins_a_path,
        ),
    ]
});

/// Tokens whose makers gave them a shape.
const KNOWN_TOKENS: &str = concat!(
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"|\bgl(?:pat|ptt|dt|rt)-[A-Za-z0-9_-]{16,}",
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"|\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}",
    r"|\bwhsec_[A-Za-z0-9+/=]{16,}",
    r"|\bAIza[0-9A-Za-z_-]{30,}",
    r"|\bya29\.[0-9A-Za-z_-]{20,}",
    r"|\bsk-[A-Za-z0-9_-]{20,}",
    r"|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{30,}",
    r"|\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"|\bhv[sb]\.[A-Za-z0-9_-]{20,}",
    r"|\bglsa_[A-Za-z0-9_]{20,}|\bdop_v1_[a-f0-9]{32,}",
);

/// `name = value` in any of the ways that programs write it, where the name says that the value is a secret.
const NAMED_VALUES: &str = concat!(
    r#"(?i)(?P<before>(?P<name>[a-z0-9_.-]*(?:passw(?:or)?d|passwd|passphrase|pwd|secret|credentials?|api[-_ ]?key|private[-_ ]?key|"#,
    r#"access[-_ ]?key|auth(?:orization)?|token|session[-_]?id|csrf|xsrf|jwt|otp|cvv|cvc)"#,
    // What may follow is listed, so that `TokenExpiredError: …` is the name of an error and not of a token.
    r#"(?:[_-]?(?:key|value|val|hash|id|text|string|param|header|confirm(?:ation)?|base64|b64|[0-9]{1,3}))?)["']?(?P<sep>\s*(?:=>|[:=])\s*))"#,
    r#"(?P<value>"(?:[^"\\\r\n]|\\.)+"|'(?:[^'\\\r\n]|\\.)+'|[^\s"'&,;}\])]+)"#,
);

/// Names that also stand in plain prose ("token: unexpected end"): there the value must look like one.
const WEAK_NAMES: [&str; 5] = ["auth", "token", "authorization", "jwt", "otp"];

/// What prose says after the name of a secret and a colon, where a value would stand.
const PROSE: [&str; 34] = [
    "a",
    "an",
    "the",
    "is",
    "are",
    "was",
    "must",
    "should",
    "cannot",
    "can't",
    "not",
    "no",
    "none",
    "null",
    "nil",
    "undefined",
    "missing",
    "required",
    "invalid",
    "incorrect",
    "wrong",
    "empty",
    "expired",
    "failed",
    "denied",
    "unknown",
    "unexpected",
    "too",
    "has",
    "does",
    "could",
    "unauthorized",
    "forbidden",
    "true",
];

fn is_prose(value: &str) -> bool {
    let end = value.find(|it: char| !it.is_alphabetic() && it != '\'').unwrap_or(value.len());
    // `required-by-9f8` is a value: only what prose has after a word may follow.
    let ends = value[end..].chars().next().is_none_or(|it| it.is_whitespace() || ",.;!)}>\"]".contains(it));
    ends && PROSE.contains(&value[..end].to_ascii_lowercase().as_str())
}

fn named_value(found: &Captures, _: &str) -> bool {
    let name = found["name"].to_ascii_lowercase();
    let value = &found["value"];
    let by_colon = found["sep"].contains(':');
    // What another rule has put here stays; a path of the program's own (`auth::login`) and a comparison are no values.
    if value.starts_with('[') && value.len() < 12 || value.starts_with([':', '=']) || by_colon && is_prose(value) {
        return false;
    }
    let weak = WEAK_NAMES.iter().any(|weak| name.ends_with(weak)) && by_colon;
    let plain = value.len() < 16 && !value.bytes().any(|byte| byte.is_ascii_digit());
    !(weak && plain)
}

/// Neither a release (`web@2.0.0-beta.rc`, `bar@v1.2.3-rc.beta`) nor a file of a package (`react@18.js`).
fn email(found: &Captures, _: &str) -> bool {
    let domain = &found["domain"];
    let mut labels = domain.split('.');
    let (first, second) = (labels.next().unwrap_or(""), labels.next().unwrap_or(""));
    let digits = |label: &str| label.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let is_number = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
    let version = is_number(first.trim_start_matches('v')) && digits(second) && labels.next().is_some();
    let file = matches!(
        domain.rsplit('.').next(),
        Some("js" | "mjs" | "cjs" | "ts" | "tsx" | "jsx" | "css" | "map" | "py" | "go" | "so" | "rb")
    );
    !(version || file && is_number(first.trim_start_matches('v')))
}

/// The ISO 13616 check: the letters as numbers, the first four characters last, modulo 97 is one.
fn iban(text: &str) -> bool {
    let compact: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    if !(15..=34).contains(&compact.len()) {
        return false;
    }
    let remainder = compact[4..].iter().chain(&compact[..4]).fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    remainder == 1
}

/// A card number by its issuer's prefix, or a telephone's IMEI by its registrar's, with the Luhn check digit.
fn card(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
    let two = digits[0] * 10 + digits[1];
    let card = match digits[0] {
        4 => matches!(digits.len(), 13 | 16 | 19),
        5 => (51..=55).contains(&two) && digits.len() == 16,
        2 => (22..=27).contains(&two) && digits.len() == 16,
        3 => {
            matches!(two, 34 | 37) && digits.len() == 15
                || matches!(two, 30 | 36 | 38 | 39) && digits.len() == 14
                || two == 35 && digits.len() == 16
        }
        6 => matches!(two, 60 | 62 | 64 | 65) && (16..=19).contains(&digits.len()),
        _ => false,
    };
    let imei = digits.len() == 15 && matches!(two, 1 | 35 | 86 | 99);
    (card || imei) && luhn(&digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit) * 2) {
            (0, _) => u32::from(*digit),
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Neither a version (`1.2.3.4.5`, `v1.2.3.4`) nor an address that everybody has.
fn ipv4(found: &Captures, text: &str) -> bool {
    let Ok(address) = found[0].parse::<Ipv4Addr>() else { return false };
    !address.is_loopback() && !address.is_unspecified() && stands_alone(found, text, b".-+")
}

fn ipv6(found: &Captures, text: &str) -> bool {
    let Ok(address) = found[0].parse::<Ipv6Addr>() else { return false };
    // `dead::beef` may be a path in a program; an address nearly always has a digit or four groups.
    let likely = found[0].bytes().any(|byte| byte.is_ascii_digit()) || found[0].split(':').count() > 4;
    !address.is_loopback() && !address.is_unspecified() && likely && stands_alone(found, text, b":_")
}

/// A home lies at the beginning of a path: `/app/home/index.js` is a program's own file.
fn begins_a_path(found: &Captures, text: &str) -> bool {
    let before = found.get_match().start().checked_sub(1).map(|at| text.as_bytes()[at]);
    !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether no letter, digit or one of these stands directly at the match's ends.
fn stands_alone(found: &Captures, text: &str, joiners: &[u8]) -> bool {
    let whole = found.get_match();
    let bytes = text.as_bytes();
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || joiners.contains(&byte);
    let before = whole.start().checked_sub(1).is_some_and(|at| joins(bytes[at]));
    let after = match bytes.get(whole.end()) {
        // A full stop ends a sentence, unless more of the same follows.
        Some(b'.' | b'-' | b':') => {
            bytes
                .get(whole.end() + 1)
                .is_some_and(|next| joiners.contains(&bytes[whole.end()]) && next.is_ascii_alphanumeric())
                && bytes[whole.end()] != b':'
        }
        Some(byte) => joins(*byte),
        None => false,
    };
    !before && !after
}
