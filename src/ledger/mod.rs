//! The append-only ledger: canonical bytes, Merkle tree, checkpoints, proofs, verification. No IO and no clock.
