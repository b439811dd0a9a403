//! A checkpoint: which log, how many entries, and their root, as text that anybody can keep.
//!
//! The body is that of C2SP tlog-checkpoint, and a checkpoint with signatures is a C2SP signed note. Nothing here
//! signs or checks a signature; signature lines are kept as they are, so that programs that can need no other form.

use super::{frontier::Frontier, tree::Hash};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The head of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a name without a scheme, such as a host and a path.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// Further lines of the body, covered by signatures.
    pub extensions: Vec<String>,
    /// Signatures over the body; none where nobody signs yet.
    pub signatures: Vec<Signature>,
}

/// One signature line of a signed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    /// Four bytes of key id, then the signature.
    pub bytes: Vec<u8>,
}

/// Why text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It ends early, or not with a newline.
    #[error("the checkpoint is cut off")]
    Cut,
    /// The first line names no log.
    #[error("line 1 should name the log, and is empty")]
    Origin,
    /// The second line is no size.
    #[error("line 2 should be the number of entries in decimal digits without leading zeros")]
    Size,
    /// The third line is no root.
    #[error("line 3 should be the root, 32 bytes in base64")]
    Root,
    /// A further line of the body is empty.
    #[error("a line of the body is empty")]
    Extension,
    /// A signature line is not of the form of a signed note.
    #[error("a signature line should be a dash, the key's name, and base64")]
    Signature,
}

impl Checkpoint {
    /// The unsigned checkpoint of the log `origin` as it stands.
    pub fn of(origin: impl Into<String>, frontier: &Frontier) -> Checkpoint {
        Checkpoint {
            origin: origin.into(),
            size: frontier.size(),
            root: frontier.root(),
            extensions: Vec::new(),
            signatures: Vec::new(),
        }
    }

    /// The body, which is what signatures cover: three lines or more, each ended by a newline.
    pub fn body(&self) -> String {
        let mut body = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root));
        for line in &self.extensions {
            body.push_str(line);
            body.push('\n');
        }
        body
    }

    /// The body alone, or the signed note where there are signatures.
    pub fn text(&self) -> String {
        let mut text = self.body();
        if !self.signatures.is_empty() {
            text.push('\n');
        }
        for signature in &self.signatures {
            text.push_str(&format!("\u{2014} {} {}\n", signature.name, STANDARD.encode(&signature.bytes)));
        }
        text
    }

    /// Reads a body, signed or not. Only text that [`Checkpoint::text`] would write is accepted.
    pub fn parse(text: &str) -> Result<Checkpoint, CheckpointError> {
        let (body, signatures) = match text.split_once("\n\n") {
            Some((body, signatures)) => (body, Some(signatures.strip_suffix('\n').ok_or(CheckpointError::Cut)?)),
            None => (text.strip_suffix('\n').ok_or(CheckpointError::Cut)?, None),
        };
        let mut lines = body.split('\n');
        let origin = lines.next().filter(|line| !line.trim().is_empty()).ok_or(CheckpointError::Origin)?;
        let size = lines.next().ok_or(CheckpointError::Cut)?;
        let root = lines.next().ok_or(CheckpointError::Cut)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Extension);
        }
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size: read_size(size).ok_or(CheckpointError::Size)?,
            root: STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(CheckpointError::Root)?,
            extensions,
            signatures: match signatures {
                None => Vec::new(),
                Some(lines) => {
                    lines.split('\n').map(read_signature).collect::<Option<_>>().ok_or(CheckpointError::Signature)?
                }
            },
        })
    }
}

fn read_size(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn read_signature(line: &str) -> Option<Signature> {
    let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(bytes).ok()?;
    let well_formed = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+') && bytes.len() > 4;
    well_formed.then(|| Signature { name: name.to_owned(), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree::leaf_hash;

    fn checkpoint() -> Checkpoint {
        let mut frontier = Frontier::default();
        frontier.append(&leaf_hash(b""));
        Checkpoint::of("pushback.example.com/log/1", &frontier)
    }

    #[test]
    fn the_body_is_three_lines() {
        let expected = "pushback.example.com/log/1\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n";
        assert_eq!(checkpoint().text(), expected);
        assert_eq!(Checkpoint::parse(expected), Ok(checkpoint()));
    }

    #[test]
    fn signatures_and_further_lines_are_kept() {
        let signature = |name: &str| Signature { name: name.into(), bytes: vec![1, 2, 3, 4, 5, 6] };
        let signed = Checkpoint {
            extensions: vec!["further line".into()],
            signatures: vec![signature("pushback.example.com"), signature("witness.example.org/w1")],
            ..checkpoint()
        };
        assert!(
            signed
                .text()
                .ends_with("further line\n\n— pushback.example.com AQIDBAUG\n— witness.example.org/w1 AQIDBAUG\n")
        );
        assert_eq!(Checkpoint::parse(&signed.text()), Ok(signed));
    }

    #[test]
    fn text_that_would_be_written_otherwise_is_refused() {
        let good = checkpoint().text();
        let bad = [
            (String::new(), CheckpointError::Cut),
            (good.trim_end().to_owned(), CheckpointError::Cut),
            ("log\n1\n".into(), CheckpointError::Cut),
            (good.replace("pushback.example.com/log/1", ""), CheckpointError::Origin),
            (good.replace("\n1\n", "\n01\n"), CheckpointError::Size),
            (good.replace("\n1\n", "\n+1\n"), CheckpointError::Size),
            (good.replace("\n1\n", "\n-1\n"), CheckpointError::Size),
            (good.replace("\n1\n", "\n18446744073709551616\n"), CheckpointError::Size),
            (good.replace('=', ""), CheckpointError::Root),
            (good.replace("B0=", "B1="), CheckpointError::Root),
            (good.replace("bjQL", ""), CheckpointError::Root),
            (format!("{good}\n"), CheckpointError::Cut),
            (format!("{good}\n\n"), CheckpointError::Signature),
            (format!("{good}\n- name AQIDBAUG\n"), CheckpointError::Signature),
            (format!("{good}\n— name AQID\n"), CheckpointError::Signature),
            (format!("{good}\n— name AQIDBAUG\n\n"), CheckpointError::Signature),
        ];
        for (text, error) in bad {
            assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn no_bit_of_a_checkpoint_can_flip_unnoticed() {
        let good = checkpoint();
        let text = good.text().into_bytes();
        for place in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[place] ^= 1 << bit;
                if let Some(read) = String::from_utf8(flipped).ok().and_then(|text| Checkpoint::parse(&text).ok()) {
                    assert_ne!(read, good, "byte {place}, bit {bit}");
                }
            }
        }
    }
}
