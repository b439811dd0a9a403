//! Every proof of every small tree holds, and none that was tampered with does.

use super::*;
use crate::ledger::tree::{leaf_hash, tests::known_leaves};

const SIZES: usize = 70;

fn leaves(count: usize) -> Vec<Hash> {
    (0..count as u64).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| hex::decode(text).expect("hexadecimal").try_into().expect("32 bytes")).collect()
}

/// Each way to spoil a proof a little: every hash with one bit flipped, left out, doubled or swapped, and one too many at either end.
fn mutants(proof: &[Hash], bystander: Hash) -> Vec<Vec<Hash>> {
    let mut mutants = vec![[proof, &[bystander]].concat(), [&[bystander], proof].concat()];
    for place in 0..proof.len() {
        for byte in 0..32 {
            let mut flipped = proof.to_vec();
            flipped[place][byte] ^= 1 << (byte % 8);
            mutants.push(flipped);
        }
        let mut without = proof.to_vec();
        without.remove(place);
        mutants.push(without);
        let mut doubled = proof.to_vec();
        doubled.insert(place, proof[place]);
        mutants.push(doubled);
        if place > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(place - 1, place);
            mutants.push(swapped);
        }
    }
    mutants
}

#[test]
fn proofs_are_those_of_the_known_vectors() {
    let leaves = known_leaves();
    let first = hashes(&[
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
    assert_eq!(inclusion(&leaves, 0), Some(first.clone()));
    assert_eq!(consistency(&leaves, 1), Some(first));
    let from_six = hashes(&[
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]);
    assert_eq!(consistency(&leaves, 6), Some(from_six));
}

#[test]
fn every_entry_of_every_tree_is_shown_to_be_in_it_and_no_other_entry_is() {
    for size in 1..=SIZES {
        let leaves = leaves(size);
        let tree_root = root(&leaves);
        for index in 0..size {
            let proof = inclusion(&leaves, index).expect("inside");
            for claimed in 0..=size as u64 {
                let answer = verify_inclusion(&leaves[index], claimed, size as u64, &proof, &tree_root);
                assert_eq!(answer.is_ok(), claimed == index as u64, "{claimed} for {index} of {size}");
            }
            let other = leaf_hash(b"another leaf");
            assert!(verify_inclusion(&other, index as u64, size as u64, &proof, &tree_root).is_err());
        }
        assert_eq!(inclusion(&leaves, size), None);
    }
}

#[test]
fn every_tree_is_shown_to_have_grown_from_every_smaller_one_and_from_no_other() {
    let all = leaves(SIZES);
    for size in 0..=SIZES {
        let new_root = root(&all[..size]);
        for old in 0..=size {
            let old_root = root(&all[..old]);
            let proof = consistency(&all[..size], old).expect("not larger");
            verify_consistency(old as u64, &old_root, size as u64, &new_root, &proof)
                .unwrap_or_else(|error| panic!("{old} to {size}: {error}"));
            let mut forked = old_root;
            forked[31] ^= 1;
            assert!(verify_consistency(old as u64, &forked, size as u64, &new_root, &proof).is_err());
            if old > 0 {
                let mut forked = new_root;
                forked[0] ^= 0x80;
                assert!(verify_consistency(old as u64, &old_root, size as u64, &forked, &proof).is_err());
            }
        }
        assert_eq!(consistency(&all[..size], size + 1), None);
    }
}

#[test]
fn a_log_that_was_rewritten_anywhere_before_the_old_size_has_no_proof() {
    let size = 33;
    let honest = leaves(size);
    for old in 1..size {
        let old_root = root(&honest[..old]);
        for changed in 0..old {
            let mut rewritten = honest.clone();
            rewritten[changed][0] ^= 1;
            let proof = consistency(&rewritten, old).expect("not larger");
            let answer = verify_consistency(old as u64, &old_root, size as u64, &root(&rewritten), &proof);
            assert_eq!(answer, Err(ProofError::Root), "entry {changed}, {old} to {size}");
        }
    }
}

#[test]
fn no_mutant_of_a_proof_of_inclusion_holds() {
    let mut tried = 0;
    for size in 1..=SIZES {
        let leaves = leaves(size);
        let tree_root = root(&leaves);
        for index in 0..size {
            let proof = inclusion(&leaves, index).expect("inside");
            for mutant in mutants(&proof, tree_root) {
                tried += 1;
                let answer = verify_inclusion(&leaves[index], index as u64, size as u64, &mutant, &tree_root);
                assert!(answer.is_err(), "entry {index} of {size}");
            }
        }
    }
    assert!(tried > 400_000, "{tried}");
}

#[test]
fn no_mutant_of_a_proof_of_consistency_holds() {
    let all = leaves(40);
    for size in 1..=40 {
        let new_root = root(&all[..size]);
        for old in 0..=size {
            let old_root = root(&all[..old]);
            let proof = consistency(&all[..size], old).expect("not larger");
            for mutant in mutants(&proof, new_root) {
                let answer = verify_consistency(old as u64, &old_root, size as u64, &new_root, &mutant);
                assert!(answer.is_err(), "{old} to {size}");
            }
        }
    }
}

#[test]
fn sizes_that_make_no_sense_are_refused_without_arithmetic_going_wrong() {
    let hash = leaf_hash(b"");
    assert!(matches!(verify_inclusion(&hash, 0, 0, &[], &hash), Err(ProofError::Outside { .. })));
    assert!(verify_inclusion(&hash, u64::MAX - 1, u64::MAX, &[hash; 64], &hash).is_err());
    assert!(verify_inclusion(&hash, 0, 1, &[], &hash).is_ok());
    assert!(matches!(verify_consistency(2, &hash, 1, &hash, &[]), Err(ProofError::Outside { .. })));
    assert!(verify_consistency(u64::MAX - 1, &hash, u64::MAX, &hash, &[hash; 128]).is_err());
    assert_eq!(verify_consistency(0, &hash, 5, &hash, &[]), Err(ProofError::Root));
    assert_eq!(verify_consistency(3, &hash, 5, &hash, &[]), Err(ProofError::Length { found: 0 }));
}
