//! Proofs: that an entry is in a tree, and that a tree only grew.
//!
//! Making follows the recursive definitions of RFC 6962, section 2.1; verifying follows the loops of RFC 9162,
//! sections 2.1.3.2 and 2.1.4.2. Sizes and roots are taken as given: they have to come from a checkpoint that is
//! believed, since a proof alone does not fix the size of a tree.

use super::tree::{Hash, empty_root, node_hash, root};

/// Why a proof does not show what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The entry's number is not below the size, or the old size is above the new one.
    #[error("there is nothing to prove: {part} is outside a tree of {size} entries")]
    Outside {
        /// The entry's number or the old size.
        part: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The proof has too few or too many hashes for these sizes.
    #[error("the proof has {found} hashes, which is not the number that these sizes need")]
    Length {
        /// How many hashes there are.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to another root than the one given")]
    Root,
}

/// The hashes that show the leaf at `index` to be in the tree over `leaves`, nearest first; none where there is no such leaf.
///
/// Takes time linear in the number of leaves.
pub fn inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    (index < leaves.len()).then(|| {
        let mut path = Vec::new();
        walk(leaves, index, &mut path);
        path
    })
}

fn walk(leaves: &[Hash], index: usize, path: &mut Vec<Hash>) {
    if leaves.len() < 2 {
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if index < left.len() {
        walk(left, index, path);
        path.push(root(right));
    } else {
        walk(right, index - left.len(), path);
        path.push(root(left));
    }
}

/// The hashes that show the tree over the first `old` leaves to be a beginning of the tree over all of them; none where
/// `old` is more than there are. From nothing, and from a tree to itself, the proof is empty.
///
/// Takes time linear in the number of leaves.
pub fn consistency(leaves: &[Hash], old: usize) -> Option<Vec<Hash>> {
    (old <= leaves.len()).then(|| {
        let mut path = Vec::new();
        if old > 0 {
            compare(leaves, old, true, &mut path);
        }
        path
    })
}

/// `whole` as long as the part is the old tree itself, whose root the verifier has already.
fn compare(leaves: &[Hash], old: usize, whole: bool, path: &mut Vec<Hash>) {
    if old == leaves.len() {
        if !whole {
            path.push(root(leaves));
        }
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if old <= left.len() {
        compare(left, old, whole, path);
        path.push(root(right));
    } else {
        compare(right, old - left.len(), false, path);
        path.push(root(left));
    }
}

/// The largest power of two below the size, which is two or more.
fn split(size: usize) -> usize {
    1 << (size - 1).ilog2()
}

/// Whether `proof` shows that `leaf_hash` is entry `index` of the tree with this size and root.
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    tree_root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Outside { part: index, size });
    }
    let length = ProofError::Length { found: proof.len() };
    let (mut place, mut last) = (index, size - 1);
    let mut hash = *leaf_hash;
    for other in proof {
        if last == 0 {
            return Err(length);
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(other, &hash);
            // A node without a sibling is passed up as it is.
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, other);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    if hash == *tree_root { Ok(()) } else { Err(ProofError::Root) }
}

/// Whether `proof` shows that the tree of `new_size` and `new_root` begins with all of the tree of `old_size` and `old_root`.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Outside { part: old_size, size: new_size });
    }
    let length = ProofError::Length { found: proof.len() };
    if old_size == 0 || old_size == new_size {
        let same = if old_size == new_size { old_root == new_root } else { true };
        // An empty tree has one root only, whichever side claims it.
        let empty = (old_size > 0 || *old_root == empty_root()) && (new_size > 0 || *new_root == empty_root());
        return match (proof.is_empty(), same && empty) {
            (false, _) => Err(length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let mut others = proof.iter();
    // A complete old tree is itself the node to begin with, and is not sent along.
    let first = if old_size.is_power_of_two() { *old_root } else { *others.next().ok_or(length)? };
    let (mut place, mut last) = (old_size - 1, new_size - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (first, first);
    for other in others {
        if last == 0 {
            return Err(length);
        }
        if place & 1 == 1 || place == last {
            old = node_hash(other, &old);
            new = node_hash(other, &new);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, other);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    if old == *old_root && new == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

#[cfg(test)]
mod tests;
