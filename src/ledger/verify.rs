//! Whether a kept ledger is the one that its checkpoints were taken of.
//!
//! Entries are read once, in order, and nothing is kept of them but the frontier and the numbers of erased payloads
//! that still want an explanation. What comes after the last checkpoint is checked in itself only: whoever can write
//! all of it can write it anew.

use super::{
    checkpoint::Checkpoint,
    entry::{ERASED, Stored, commitment, erased_by},
    frontier::Frontier,
    tree::Hash,
};
use std::collections::BTreeSet;

/// A ledger in which nothing was found to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many entries there are.
    pub size: u64,
    /// The root over all of them.
    pub root: Hash,
    /// How many of them, from the first, are fixed by a kept checkpoint.
    pub covered: u64,
    /// How many payloads were erased, each with an entry that says so.
    pub erased: u64,
}

/// The first sign of tampering: where, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", place(*.first, *.last))]
pub struct Tampered {
    /// The number of the first entry that it may be.
    pub first: i64,
    /// The number of the last entry that it may be; the first one again where it is known exactly.
    pub last: i64,
    /// What is wrong there.
    pub what: What,
}

/// A kind of tampering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// Another entry stands where this one should: one was removed, inserted, moved or renumbered.
    #[error("entry {found} was found in its place")]
    Number {
        /// The number that was found.
        found: i64,
    },
    /// The entry is not the one whose hash was kept when it was written.
    #[error("the entry or its kept hash was changed")]
    Leaf,
    /// The payload or its salt is not the one that the entry commits to.
    #[error("the payload or its salt was changed")]
    Payload,
    /// The payload is gone, and no later entry says that it was erased.
    #[error("the payload is gone, and no entry says that it was erased")]
    PayloadGone,
    /// The entries agree with themselves but not with a checkpoint: history was written anew, or this is another branch of it.
    #[error("history differs from the checkpoint over {checkpoint} entries")]
    Rewritten {
        /// The size of that checkpoint.
        checkpoint: u64,
    },
    /// The ledger ends before a checkpoint does.
    #[error("the ledger ends here, and a checkpoint over {checkpoint} entries was kept")]
    Truncated {
        /// The size of that checkpoint.
        checkpoint: u64,
    },
    /// Two checkpoints over as many entries have different roots: somebody was shown another history.
    #[error("two checkpoints over {checkpoint} entries differ")]
    Forked {
        /// The size of both.
        checkpoint: u64,
    },
    /// The checkpoints are not all of one log.
    #[error("the checkpoint over {checkpoint} entries is of another log")]
    OtherLog {
        /// The size of the one that does not belong.
        checkpoint: u64,
    },
}

fn place(first: i64, last: i64) -> String {
    if first == last { format!("entry {first}") } else { format!("entries {first} to {last}") }
}

/// Reads a whole ledger against kept checkpoints, which may come in any order and be none.
pub fn verify(entries: impl Iterator<Item = Stored>, checkpoints: &[Checkpoint]) -> Result<Verified, Tampered> {
    let mut verifier = Verifier::new(checkpoints)?;
    for stored in entries {
        verifier.observe(&stored)?;
    }
    verifier.finish()
}

/// A verification under way, for callers who read the entries piece by piece. After an error there is nothing more to learn.
#[derive(Debug, Clone)]
pub struct Verifier {
    /// The roots that are still ahead, smallest size last.
    ahead: Vec<(u64, Hash)>,
    covered: u64,
    frontier: Frontier,
    unexplained: BTreeSet<i64>,
    erased: u64,
}

impl Verifier {
    /// Begins before the first entry.
    pub fn new(checkpoints: &[Checkpoint]) -> Result<Verifier, Tampered> {
        if let Some(other) = checkpoints.iter().find(|checkpoint| checkpoint.origin != checkpoints[0].origin) {
            return Err(tampered(other.size, other.size, What::OtherLog { checkpoint: other.size }));
        }
        let mut ahead: Vec<(u64, Hash)> = checkpoints.iter().map(|kept| (kept.size, kept.root)).collect();
        ahead.sort_unstable_by(|one, other| other.cmp(one));
        ahead.dedup();
        if let Some(pair) = ahead.windows(2).rev().find(|pair| pair[0].0 == pair[1].0) {
            let checkpoint = pair[0].0;
            return Err(tampered(0, checkpoint, What::Forked { checkpoint }));
        }
        let mut verifier =
            Verifier { ahead, covered: 0, frontier: Frontier::default(), unexplained: BTreeSet::new(), erased: 0 };
        verifier.compare()?;
        Ok(verifier)
    }

    /// Reads the next entry.
    pub fn observe(&mut self, stored: &Stored) -> Result<(), Tampered> {
        let entry = &stored.entry;
        let here = |what| Tampered { first: number(self.frontier.size()), last: number(self.frontier.size()), what };
        if entry.seq != number(self.frontier.size()) {
            return Err(here(What::Number { found: entry.seq }));
        }
        let leaf_hash = entry.leaf_hash();
        if leaf_hash != stored.leaf_hash {
            return Err(here(What::Leaf));
        }
        match &stored.sealed {
            Some(sealed) if commitment(&sealed.salt, &sealed.payload) != entry.commitment => {
                return Err(here(What::Payload));
            }
            Some(_) => {}
            None => {
                self.unexplained.insert(entry.seq);
            }
        }
        if entry.kind == ERASED {
            self.explain(entry.seq, &entry.subject);
        }
        self.frontier.append(&leaf_hash);
        self.compare()
    }

    /// Ends after the last entry.
    pub fn finish(self) -> Result<Verified, Tampered> {
        let size = self.frontier.size();
        if let Some((checkpoint, _)) = self.ahead.last() {
            return Err(tampered(size, *checkpoint, What::Truncated { checkpoint: *checkpoint }));
        }
        if let Some(seq) = self.unexplained.first() {
            return Err(Tampered { first: *seq, last: *seq, what: What::PayloadGone });
        }
        Ok(Verified { size, root: self.frontier.root(), covered: self.covered, erased: self.erased })
    }

    /// Takes an erased entry off the list that want an explanation. An entry can speak for earlier ones only.
    fn explain(&mut self, by: i64, subject: &str) {
        if let Some(seq) = erased_by(subject)
            && seq < by
            && self.unexplained.remove(&seq)
        {
            self.erased += 1;
        }
    }

    /// Compares the root with the checkpoint over as many entries, if one was kept.
    fn compare(&mut self) -> Result<(), Tampered> {
        let size = self.frontier.size();
        if let Some((_, root)) = self.ahead.pop_if(|(ahead, _)| *ahead == size) {
            if root != self.frontier.root() {
                return Err(tampered(self.covered, size, What::Rewritten { checkpoint: size }));
            }
            self.covered = size;
        }
        Ok(())
    }
}

/// Tampering with some entry from number `from` up to, not including, number `end`.
fn tampered(from: u64, end: u64, what: What) -> Tampered {
    Tampered { first: number(from), last: number(end.saturating_sub(1).max(from)), what }
}

fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
