//! The frontier of a growing tree: the roots of its complete subtrees, from which the next root follows.

use super::tree::{Hash, empty_root, node_hash};

/// What has to be kept of a tree in order to append to it: one hash for every bit that is set in its size.
///
/// The first hash stands for the largest complete subtree, which holds the oldest leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// Why bytes are not a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// The first byte names no form that is known.
    #[error("the frontier has form {0}, only form 1 is known")]
    Form(u8),
    /// There are too few or too many bytes for the size that they name.
    #[error("a frontier of {size} entries takes {expected} bytes, {found} were found")]
    Length {
        /// The number of entries that the bytes name.
        size: u64,
        /// The bytes that such a frontier takes.
        expected: usize,
        /// The bytes that there are.
        found: usize,
    },
}

/// The form of the stored bytes.
const FORM: u8 = 1;
/// The form byte and the size.
const HEAD: usize = 9;

impl Frontier {
    /// How many leaves the tree has; also the number of the next entry.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, in time logarithmic in the size.
    pub fn append(&mut self, leaf_hash: &Hash) {
        let mut hash = *leaf_hash;
        // Each set bit at the low end is a complete subtree as large as what is being added: the two become one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        match self.peaks.split_last() {
            None => empty_root(),
            Some((last, rest)) => rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// The frontier as bytes: the form, the size (big end first), and the hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.peaks.as_flattened());
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] wrote. That the hashes belong to the entries is for the caller to check, against a root.
    pub fn from_bytes(bytes: &[u8]) -> Result<Frontier, FrontierError> {
        if let Some(form) = bytes.first().filter(|form| **form != FORM) {
            return Err(FrontierError::Form(*form));
        }
        let size = bytes
            .get(1..HEAD)
            .and_then(|size| size.try_into().ok())
            .map(u64::from_be_bytes)
            .ok_or(FrontierError::Length { size: 0, expected: HEAD, found: bytes.len() })?;
        let (peaks, rest) = bytes[HEAD..].as_chunks::<32>();
        let count = size.count_ones() as usize;
        if !rest.is_empty() || peaks.len() != count {
            return Err(FrontierError::Length { size, expected: HEAD + 32 * count, found: bytes.len() });
        }
        Ok(Frontier { size, peaks: peaks.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree::{leaf_hash, tests::defined_root};

    #[test]
    fn the_root_is_that_of_the_definition_at_every_size() {
        let mut frontier = Frontier::default();
        let mut leaves = Vec::new();
        for index in 0..=300_u32 {
            assert_eq!(frontier.root(), defined_root(&leaves), "{index} leaves");
            assert_eq!(frontier.size(), u64::from(index));
            let leaf = leaf_hash(&index.to_be_bytes());
            leaves.push(leaf);
            frontier.append(&leaf);
        }
    }

    #[test]
    fn a_frontier_read_back_grows_on_as_the_one_that_was_written() {
        let mut frontier = Frontier::default();
        for index in 0..130_u32 {
            let mut again = Frontier::from_bytes(&frontier.to_bytes()).expect("valid");
            assert_eq!(again, frontier);
            let leaf = leaf_hash(&index.to_be_bytes());
            again.append(&leaf);
            frontier.append(&leaf);
            assert_eq!(again.root(), frontier.root());
        }
    }

    #[test]
    fn bytes_that_are_no_frontier_are_refused() {
        let mut frontier = Frontier::default();
        for index in 0..7_u32 {
            frontier.append(&leaf_hash(&index.to_be_bytes()));
        }
        let bytes = frontier.to_bytes();
        assert_eq!(bytes.len(), 9 + 3 * 32);
        for length in 0..bytes.len() {
            assert!(Frontier::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
        for more in [1, 32, 64] {
            assert!(Frontier::from_bytes(&[bytes.clone(), vec![0; more]].concat()).is_err(), "{more} bytes more");
        }
        assert_eq!(Frontier::from_bytes(&[&[2], &bytes[1..]].concat()), Err(FrontierError::Form(2)));
    }
}
