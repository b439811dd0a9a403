//! The append-only ledger: canonical bytes, Merkle tree, checkpoints, proofs, verification. No IO and no clock.
//!
//! Whatever changes state leaves an [`Entry`] behind. The canonical bytes of an entry are a leaf of the Merkle tree of
//! RFC 6962; the tree's root and size are a [`Checkpoint`]. Who keeps a checkpoint can tell later whether anything
//! before it was changed, removed or inserted ([`verify`]), without trusting whoever keeps the entries.
//!
//! What an entry says in full (names, addresses, free text, differences) is its payload. The leaf holds only a
//! commitment to it, SHA-256 of a random salt followed by the payload, so that a payload can be erased together with
//! its salt and every proof stays valid. Erasing is itself an entry ([`ERASED`]); a payload that is gone without one
//! was tampered with.
//!
//! What this can prove: append-only, and the same for everybody who keeps a checkpoint. What it cannot: that an entry
//! was true when it was written, or that nothing after the last kept checkpoint was changed or cut off.

mod checkpoint;
mod entry;
mod frontier;
mod proof;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, CheckpointError, Signature};
pub use entry::{
    Draft, ERASED, Entry, EntryError, LONGEST_LEAF, Sealed, Stored, append, commitment, erased_by, erased_subject,
};
pub use frontier::{Frontier, FrontierError};
pub use proof::{ProofError, consistency, inclusion, verify_consistency, verify_inclusion};
pub use tree::{Hash, empty_root, leaf_hash, node_hash, root};
pub use verify::{Tampered, Verified, Verifier, What, verify};
