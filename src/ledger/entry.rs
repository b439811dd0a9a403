//! One line of the ledger: its fields, its canonical bytes, and what it commits to.

use super::{
    frontier::Frontier,
    tree::{Hash, leaf_hash},
};
use crate::domain::{Time, time};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// One entry of the ledger. It holds no personal data: who acted is an id, and all that is said is in the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, counted from zero without gaps; also its place in the tree.
    pub seq: i64,
    /// When it was written, to the microsecond.
    pub at: Time,
    /// What was done, in words of the domain joined by dots: `push.step`.
    pub kind: String,
    /// Who did it: a person's id or a program's name, never an address.
    pub actor: String,
    /// By what the actor was known: `session`, `token:` and its id, `system`.
    pub auth: String,
    /// What it was done to: `push:relay-118`.
    pub subject: String,
    /// SHA-256 of the salt followed by the payload.
    pub commitment: Hash,
}

/// The longest leaf, bytes; a longer one could not be served in the tiles of C2SP tlog-tiles, whose lengths have 16 bits.
pub const LONGEST_LEAF: usize = 65_535;

/// The kind of an entry that says that another's payload and salt were erased.
pub const ERASED: &str = "ledger.erased";

/// The subject of an entry that erases the payload of entry `seq`.
pub fn erased_subject(seq: i64) -> String {
    format!("entry:{seq}")
}

/// The number of the entry that an erasing entry with this subject speaks of; none where it speaks of no entry.
pub fn erased_by(subject: &str) -> Option<i64> {
    let seq = subject.strip_prefix("entry:")?.parse().ok()?;
    (erased_subject(seq) == subject).then_some(seq)
}

/// What an entry says in full, and the salt that keeps the commitment from being guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// 32 random bytes, new for each entry.
    pub salt: [u8; 32],
    /// Names, free text, differences; as JSON, though nothing here reads it.
    pub payload: Vec<u8>,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The entry.
    pub entry: Entry,
    /// The hash of its leaf as computed when it was written: tells which entry was changed, where the root tells only that one was.
    pub leaf_hash: Hash,
    /// The payload and its salt; none once they were erased.
    pub sealed: Option<Sealed>,
}

/// What is to be written: an entry before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// When.
    pub at: Time,
    /// What was done.
    pub kind: String,
    /// Who did it: a person's id or a program's name.
    pub actor: String,
    /// By what the actor was known.
    pub auth: String,
    /// What it was done to.
    pub subject: String,
    /// What there is to say in full.
    pub payload: Vec<u8>,
}

/// Why something cannot be an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A field that must say something is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A field looks like an e-mail address, which could never be erased from a leaf.
    #[error("{0} looks like an e-mail address; an entry names a person by id")]
    Address(&'static str),
    /// The leaf would be too long.
    #[error("the leaf has {0} bytes, at most {LONGEST_LEAF} fit")]
    TooLong(usize),
    /// The ledger holds as many entries as can be numbered.
    #[error("the ledger is full")]
    Full,
    /// The bytes are not a leaf.
    #[error("not a leaf: {0}")]
    NotALeaf(String),
    /// The bytes say what an entry says, but not in the one way in which it is written.
    #[error("the leaf is not in its canonical form")]
    NotCanonical,
}

/// SHA-256 of a salt followed by a payload.
pub fn commitment(salt: &[u8; 32], payload: &[u8]) -> Hash {
    Sha256::new().chain_update(salt).chain_update(payload).finalize().into()
}

/// Gives a draft the next number, seals its payload with `salt` (32 random bytes, never used twice), and adds its leaf
/// to the tree. The frontier is left as it was where the draft is refused.
pub fn append(frontier: &mut Frontier, draft: Draft, salt: [u8; 32]) -> Result<Stored, EntryError> {
    let fields = [("kind", &draft.kind), ("actor", &draft.actor), ("auth", &draft.auth), ("subject", &draft.subject)];
    for (name, text) in fields {
        if text.is_empty() {
            return Err(EntryError::Empty(name));
        }
        if name != "subject" && text.contains('@') {
            return Err(EntryError::Address(name));
        }
    }
    let entry = Entry {
        seq: i64::try_from(frontier.size()).map_err(|_| EntryError::Full)?,
        at: time::to_micros(draft.at),
        kind: draft.kind,
        actor: draft.actor,
        auth: draft.auth,
        subject: draft.subject,
        commitment: commitment(&salt, &draft.payload),
    };
    let leaf = entry.leaf();
    if leaf.len() > LONGEST_LEAF {
        return Err(EntryError::TooLong(leaf.len()));
    }
    let leaf_hash = leaf_hash(&leaf);
    frontier.append(&leaf_hash);
    Ok(Stored { entry, leaf_hash, sealed: Some(Sealed { salt, payload: draft.payload }) })
}

impl Entry {
    /// The canonical bytes: one JSON object in UTF-8 without white space, its keys in this order, whole numbers only.
    ///
    /// `at` is in microseconds since 1970 and `c`, the commitment, in lower-case hexadecimal. In text, quotation marks,
    /// backslashes and the control characters below U+0020 are escaped (`\b \t \n \f \r` by letter, the others as
    /// `\u00` and two lower-case digits), and nothing else is.
    pub fn leaf(&self) -> Vec<u8> {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        format!(
            r#"{{"v":1,"seq":{},"at":{},"kind":{},"actor":{},"auth":{},"subject":{},"c":"{}"}}"#,
            self.seq,
            time::micros(self.at),
            text(&self.kind),
            text(&self.actor),
            text(&self.auth),
            text(&self.subject),
            hex::encode(self.commitment),
        )
        .into_bytes()
    }

    /// The hash of the leaf.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.leaf())
    }

    /// Reads canonical bytes, and refuses any other way of saying the same.
    pub fn from_leaf(leaf: &[u8]) -> Result<Entry, EntryError> {
        if leaf.len() > LONGEST_LEAF {
            return Err(EntryError::TooLong(leaf.len()));
        }
        let fields: Fields = serde_json::from_slice(leaf).map_err(|error| EntryError::NotALeaf(error.to_string()))?;
        if fields.v != 1 {
            return Err(EntryError::NotALeaf(format!("version {} is not known", fields.v)));
        }
        let mut commitment = Hash::default();
        hex::decode_to_slice(&fields.c, &mut commitment)
            .map_err(|error| EntryError::NotALeaf(format!("c: {error}")))?;
        let entry = Entry {
            seq: fields.seq,
            at: time::from_micros(fields.at),
            kind: fields.kind,
            actor: fields.actor,
            auth: fields.auth,
            subject: fields.subject,
            commitment,
        };
        if entry.leaf() == leaf { Ok(entry) } else { Err(EntryError::NotCanonical) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    v: i64,
    seq: i64,
    at: i64,
    kind: String,
    actor: String,
    auth: String,
    subject: String,
    c: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            at: time::parse("2026-03-03T05:22:08.000001Z").expect("valid"),
            kind: "push.step".into(),
            actor: "p_17".into(),
            auth: "session".into(),
            subject: "push:relay-118".into(),
            payload: br#"{"reason":"The sooner A is gone, the sooner it stops."}"#.to_vec(),
        }
    }

    #[test]
    fn the_leaf_is_these_bytes_for_good() {
        let stored = append(&mut Frontier::default(), draft(), [7; 32]).expect("valid");
        let expected = concat!(
            r#"{"v":1,"seq":0,"at":1772515328000001,"kind":"push.step","actor":"p_17","auth":"session","#,
            r#""subject":"push:relay-118","c":"031dd4f83d9a6990796e71896ba67f667bc6f3f2e407afb3a96bf25aa6eda1cc"}"#
        );
        assert_eq!(String::from_utf8(stored.entry.leaf()).expect("UTF-8"), expected);
        // Both hashes were computed by another program, from the documentation alone.
        assert_eq!(hex::encode(stored.leaf_hash), "8c23072b71f365211a461086850041551bacb6d634502026d24e8b685ca895a6");
        assert_eq!(Entry::from_leaf(&stored.entry.leaf()), Ok(stored.entry));
    }

    #[test]
    fn odd_text_is_escaped_in_one_way_only() {
        let subject = "a\"b\\c\u{8}\t\n\u{c}\r\u{1}\u{1f}\u{7f}é\u{2028}😀/";
        let stored = append(&mut Frontier::default(), Draft { subject: subject.into(), ..draft() }, [7; 32]);
        let leaf = String::from_utf8(stored.expect("valid").entry.leaf()).expect("UTF-8");
        let expected = "\"subject\":\"a\\\"b\\\\c\\b\\t\\n\\f\\r\\u0001\\u001f\u{7f}é\u{2028}😀/\",";
        assert!(leaf.contains(expected), "{leaf}");
        assert_eq!(Entry::from_leaf(leaf.as_bytes()).expect("canonical").subject, subject);
    }

    #[test]
    fn any_other_way_of_writing_a_leaf_is_refused() {
        let leaf = append(&mut Frontier::default(), draft(), [7; 32]).expect("valid").entry.leaf();
        let leaf = String::from_utf8(leaf).expect("UTF-8");
        let others = [
            leaf.replace("\"v\":1,\"seq\":0,", "\"seq\":0,\"v\":1,"),
            leaf.replace(":1,", ": 1,"),
            leaf.replace("push.step", "push\\u002estep"),
            leaf.replace("\"seq\":0", "\"seq\":-0"),
            leaf.replace("\"v\":1", "\"v\":2"),
            leaf.replace("}", ",\"x\":1}"),
            leaf.replace("\"c\":\"", "\"c\":\"00"),
            format!("{leaf}\n"),
        ];
        for other in others {
            assert_ne!(other, leaf);
            assert!(Entry::from_leaf(other.as_bytes()).is_err(), "{other}");
        }
        let (head, commitment) = leaf.split_at(leaf.len() - 66);
        let upper = format!("{head}{}", commitment.to_uppercase());
        assert_eq!(Entry::from_leaf(upper.as_bytes()), Err(EntryError::NotCanonical));
    }

    #[test]
    fn a_draft_that_cannot_be_an_entry_leaves_the_tree_as_it_was() {
        let refused = [
            Draft { actor: "dana@example.com".into(), ..draft() },
            Draft { auth: "mail:dana@example.com".into(), ..draft() },
            Draft { kind: String::new(), ..draft() },
            Draft { subject: "x".repeat(LONGEST_LEAF), ..draft() },
        ];
        let mut frontier = Frontier::default();
        for draft in refused {
            assert!(append(&mut frontier, draft, [0; 32]).is_err());
        }
        assert_eq!(frontier, Frontier::default());
        assert_eq!(append(&mut frontier, draft(), [0; 32]).map(|stored| stored.entry.seq), Ok(0));
        assert_eq!(append(&mut frontier, draft(), [1; 32]).map(|stored| stored.entry.seq), Ok(1));
    }
}
