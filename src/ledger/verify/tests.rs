//! The tamper matrix: whatever is done to a kept ledger is found, and said to be where it is.

use super::*;
use crate::{
    domain::time,
    ledger::entry::{Draft, Entry, Sealed, append, erased_subject},
};

const SIZE: u64 = 200;
const CHECKPOINTS: [u64; 3] = [50, 129, SIZE];

/// A ledger of 200 entries and three checkpoints taken on the way.
fn ledger() -> (Vec<Stored>, Vec<Checkpoint>) {
    let mut frontier = Frontier::default();
    let (mut entries, mut checkpoints) = (Vec::new(), Vec::new());
    for number in 0..SIZE {
        let draft = Draft {
            at: time::from_micros(1_772_515_328_000_001 + number as i64 * 7_000_003),
            kind: "push.step".into(),
            actor: format!("p_{}", number % 7),
            auth: "session".into(),
            subject: format!("push:relay-{}", number % 5),
            payload: format!(r#"{{"percent":{number},"reason":"né 😀"}}"#).into_bytes(),
        };
        entries.push(append(&mut frontier, draft, [number as u8; 32]).expect("valid"));
        if CHECKPOINTS.contains(&frontier.size()) {
            checkpoints.push(Checkpoint::of("example.com/log", &frontier));
        }
    }
    (entries, checkpoints)
}

fn check(entries: &[Stored], checkpoints: &[Checkpoint]) -> Result<Verified, Tampered> {
    verify(entries.iter().cloned(), checkpoints)
}

/// Makes an entry agree with itself again, as somebody would who can write the whole database.
fn forge(stored: &mut Stored) {
    if let Some(sealed) = &stored.sealed {
        stored.entry.commitment = commitment(&sealed.salt, &sealed.payload);
    }
    stored.leaf_hash = stored.entry.leaf_hash();
}

fn flipped_text(text: &str, place: usize, mask: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[place] ^= mask;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn flipped_number(number: i64, place: usize, mask: u8) -> i64 {
    let mut bytes = number.to_be_bytes();
    bytes[place] ^= mask;
    i64::from_be_bytes(bytes)
}

type Field = fn(&mut Stored, usize, u8);

/// Every part of a stored entry: its name, its length in bytes, and how to flip one of them.
fn fields(stored: &Stored) -> Vec<(&'static str, usize, Field)> {
    fn sealed(stored: &mut Stored) -> &mut Sealed {
        stored.sealed.as_mut().expect("not erased")
    }
    let entry = &stored.entry;
    vec![
        ("seq", 8, |s, place, mask| s.entry.seq = flipped_number(s.entry.seq, place, mask)),
        ("at", 8, |s, place, mask| {
            s.entry.at = time::from_micros(flipped_number(time::micros(s.entry.at), place, mask));
        }),
        ("kind", entry.kind.len(), |s, place, mask| s.entry.kind = flipped_text(&s.entry.kind, place, mask)),
        ("actor", entry.actor.len(), |s, place, mask| s.entry.actor = flipped_text(&s.entry.actor, place, mask)),
        ("auth", entry.auth.len(), |s, place, mask| s.entry.auth = flipped_text(&s.entry.auth, place, mask)),
        ("subject", entry.subject.len(), |s, place, mask| {
            s.entry.subject = flipped_text(&s.entry.subject, place, mask);
        }),
        ("commitment", 32, |s, place, mask| s.entry.commitment[place] ^= mask),
        ("leaf_hash", 32, |s, place, mask| s.leaf_hash[place] ^= mask),
        ("salt", 32, |s, place, mask| sealed(s).salt[place] ^= mask),
        ("payload", stored.sealed.as_ref().map_or(0, |sealed| sealed.payload.len()), |s, place, mask| {
            sealed(s).payload[place] ^= mask;
        }),
    ]
}

#[test]
fn an_untouched_ledger_verifies_and_says_how_much_of_it_is_fixed() {
    let (entries, checkpoints) = ledger();
    let root = checkpoints[2].root;
    assert_eq!(check(&entries, &checkpoints), Ok(Verified { size: SIZE, root, covered: SIZE, erased: 0 }));
    assert_eq!(check(&entries, &checkpoints[..1]).map(|verified| verified.covered), Ok(50));
    assert_eq!(check(&entries, &[]).map(|verified| verified.covered), Ok(0));
    assert_eq!(check(&[], &[]).map(|verified| verified.size), Ok(0));
    let backwards: Vec<Checkpoint> = checkpoints.iter().rev().chain(&checkpoints).cloned().collect();
    assert!(check(&entries, &backwards).is_ok());
}

#[test]
fn every_flipped_byte_is_found_at_its_entry() {
    let (entries, checkpoints) = ledger();
    let mut verifier = Verifier::new(&checkpoints).expect("one log");
    let mut tried = 0;
    for (number, stored) in entries.iter().enumerate() {
        for (name, length, flip) in fields(stored) {
            let what = match name {
                "seq" => None,
                "salt" | "payload" => Some(What::Payload),
                _ => Some(What::Leaf),
            };
            for place in 0..length {
                let mut changed = stored.clone();
                flip(&mut changed, place, 1 << (place % 8));
                // What was read before the entry is untouched, so that the verifier stands there as it would.
                let found = verifier.clone().observe(&changed).expect_err(name);
                assert_eq!((found.first, found.last), (number as i64, number as i64), "{name}, byte {place}");
                let expected = what.unwrap_or(What::Number { found: changed.entry.seq });
                assert_eq!(found.what, expected, "{name}, byte {place} of entry {number}");
                tried += 1;
            }
        }
        verifier.observe(stored).expect("untouched");
    }
    assert!(verifier.finish().is_ok());
    assert!(tried > 35_000, "{tried}");
}

#[test]
fn a_change_that_was_covered_up_is_found_between_its_checkpoints() {
    let (entries, checkpoints) = ledger();
    for number in 0..entries.len() {
        for (name, length, flip) in fields(&entries[number]) {
            if matches!(name, "seq" | "leaf_hash" | "commitment") || length == 0 {
                continue;
            }
            let mut changed = entries.clone();
            flip(&mut changed[number], number % length, 1);
            forge(&mut changed[number]);
            let found = check(&changed, &checkpoints).expect_err(name);
            let end = CHECKPOINTS.into_iter().find(|size| number < *size as usize).expect("covered");
            assert_eq!(found.what, What::Rewritten { checkpoint: end }, "{name} of entry {number}");
            assert!((found.first..=found.last).contains(&(number as i64)), "{found}");
            assert!(check(&changed, &[]).is_ok(), "only a checkpoint can tell");
        }
    }
}

#[test]
fn a_removed_entry_is_found_with_and_without_renumbering() {
    let (entries, checkpoints) = ledger();
    for number in 0..entries.len() {
        let mut removed = entries.clone();
        removed.remove(number);
        let found = check(&removed, &checkpoints).expect_err("removed");
        assert_eq!(found.first, number as i64);
        match found.what {
            What::Number { found } => assert_eq!(found, number as i64 + 1),
            other => assert_eq!((number, other), (199, What::Truncated { checkpoint: SIZE })),
        }
        for (seq, stored) in removed.iter_mut().enumerate() {
            stored.entry.seq = seq as i64;
        }
        if number < 199 {
            let found = check(&removed, &checkpoints).expect_err("renumbered");
            assert_eq!((found.first, found.what), (number as i64, What::Leaf));
        }
        removed.iter_mut().for_each(forge);
        let found = check(&removed, &checkpoints).expect_err("covered up");
        match found.what {
            // Behind the last checkpoint but one, all that can be told is that the ledger became too short.
            What::Truncated { checkpoint } => assert_eq!((number >= 129, checkpoint), (true, SIZE)),
            other => {
                assert!(matches!(other, What::Rewritten { .. }), "{found}");
                assert!((found.first..=found.last).contains(&(number as i64)), "{number}: {found}");
            }
        }
    }
}

#[test]
fn an_inserted_entry_is_found_with_and_without_renumbering() {
    let (entries, checkpoints) = ledger();
    for number in 0..entries.len() {
        let mut inserted = entries.clone();
        inserted.insert(number, entries[(number + 90) % entries.len()].clone());
        let found = check(&inserted, &checkpoints).expect_err("inserted");
        assert_eq!(found.first, number as i64);
        assert!(matches!(found.what, What::Number { .. }), "{found}");
        for (seq, stored) in inserted.iter_mut().enumerate() {
            stored.entry.seq = seq as i64;
            forge(stored);
        }
        let found = check(&inserted, &checkpoints).expect_err("covered up");
        assert!(matches!(found.what, What::Rewritten { .. }), "{found}");
        assert!((found.first..=found.last).contains(&(number as i64)), "{number}: {found}");
    }
}

#[test]
fn swapped_and_repeated_entries_are_found() {
    let (entries, checkpoints) = ledger();
    for number in 1..entries.len() {
        for distance in [1, 64, 150] {
            let Some(other) = number.checked_sub(distance) else { continue };
            let mut swapped = entries.clone();
            swapped.swap(number, other);
            let found = check(&swapped, &checkpoints).expect_err("swapped");
            assert_eq!((found.first, found.what), (other as i64, What::Number { found: number as i64 }));
            swapped[number].entry.seq = number as i64;
            swapped[other].entry.seq = other as i64;
            let found = check(&swapped, &checkpoints).expect_err("swapped and renumbered");
            assert_eq!((found.first, found.what), (other as i64, What::Leaf));
            swapped.iter_mut().for_each(forge);
            let found = check(&swapped, &checkpoints).expect_err("covered up");
            assert!((found.first..=found.last).contains(&(other as i64)), "{found}");
        }
        let mut repeated = entries.clone();
        repeated[number] = entries[number - 1].clone();
        let found = check(&repeated, &checkpoints).expect_err("repeated");
        assert_eq!((found.first, found.what), (number as i64, What::Number { found: number as i64 - 1 }));
    }
}

#[test]
fn a_ledger_cut_off_below_a_kept_checkpoint_is_found_and_above_it_is_not() {
    let (entries, checkpoints) = ledger();
    for length in 0..entries.len() {
        let found = check(&entries[..length], &checkpoints).expect_err("cut off");
        let checkpoint = CHECKPOINTS.into_iter().find(|size| length < *size as usize).expect("one is larger");
        assert_eq!((found.first, found.what), (length as i64, What::Truncated { checkpoint }));
        assert_eq!(check(&entries[..length], &checkpoints[..1]).is_ok(), length >= 50, "{length}");
    }
}

#[test]
fn a_changed_checkpoint_is_found() {
    let (entries, checkpoints) = ledger();
    for kept in 0..checkpoints.len() {
        for place in 0..32 {
            let mut changed = checkpoints.clone();
            changed[kept].root[place] ^= 1 << (place % 8);
            let found = check(&entries, &changed).expect_err("another root");
            assert_eq!(found.what, What::Rewritten { checkpoint: CHECKPOINTS[kept] });
        }
        for size in (0..300).filter(|size| !CHECKPOINTS.contains(size)) {
            let mut changed = checkpoints.clone();
            changed[kept].size = size;
            assert!(check(&entries, &changed).is_err(), "{size}");
        }
    }
}

#[test]
fn two_checkpoints_of_one_size_that_differ_are_a_fork() {
    let (entries, mut checkpoints) = ledger();
    let mut other = checkpoints[1].clone();
    other.root[3] ^= 4;
    checkpoints.push(other);
    let found = check(&entries, &checkpoints).expect_err("forked");
    assert_eq!(found.what, What::Forked { checkpoint: 129 });
    assert_eq!(found.to_string(), "entries 0 to 128: two checkpoints over 129 entries differ");
}

#[test]
fn a_branch_that_was_shown_to_somebody_else_is_found_by_the_checkpoint_that_they_kept() {
    let (mut entries, checkpoints) = ledger();
    for stored in &mut entries[120..] {
        stored.entry.actor = "p_99".into();
        forge(stored);
    }
    assert!(check(&entries, &checkpoints[..1]).is_ok());
    let found = check(&entries, &checkpoints).expect_err("branched");
    assert_eq!(found, Tampered { first: 50, last: 128, what: What::Rewritten { checkpoint: 129 } });
}

#[test]
fn a_checkpoint_of_another_log_is_not_taken_for_one_of_this() {
    let (entries, mut checkpoints) = ledger();
    checkpoints[2].origin = "example.com/other".into();
    assert_eq!(check(&entries, &checkpoints).expect_err("other").what, What::OtherLog { checkpoint: SIZE });
}

#[test]
fn an_erased_payload_needs_an_entry_that_says_so() {
    let (mut entries, checkpoints) = ledger();
    entries[17].sealed = None;
    let gone = Tampered { first: 17, last: 17, what: What::PayloadGone };
    assert_eq!(check(&entries, &checkpoints), Err(gone));
    let mut frontier = Frontier::default();
    for stored in &entries {
        frontier.append(&stored.leaf_hash);
    }
    let erase = |subject: String| Draft {
        at: time::from_micros(1_772_600_000_000_000),
        kind: ERASED.into(),
        actor: "p_1".into(),
        auth: "session".into(),
        subject,
        payload: b"asked for by the person it names".to_vec(),
    };
    let mut other = entries.clone();
    other.push(append(&mut frontier.clone(), erase(erased_subject(18)), [1; 32]).expect("valid"));
    assert_eq!(check(&other, &checkpoints), Err(gone), "an entry about another does not explain it");
    entries.push(append(&mut frontier, erase(erased_subject(17)), [1; 32]).expect("valid"));
    assert_eq!(check(&entries, &checkpoints).map(|verified| (verified.erased, verified.covered)), Ok((1, SIZE)));
}

#[test]
fn the_payload_of_an_erasing_entry_is_not_explained_by_itself() {
    let mut frontier = Frontier::default();
    let draft = Draft {
        at: time::from_micros(0),
        kind: ERASED.into(),
        actor: "p_1".into(),
        auth: "session".into(),
        subject: erased_subject(0),
        payload: Vec::new(),
    };
    let mut stored = append(&mut frontier, draft, [1; 32]).expect("valid");
    stored.sealed = None;
    assert_eq!(check(&[stored], &[]).expect_err("gone").what, What::PayloadGone);
}

#[test]
fn entries_say_the_same_after_a_way_through_their_leaves() {
    let (entries, checkpoints) = ledger();
    let again: Vec<Stored> = entries
        .into_iter()
        .map(|stored| Stored { entry: Entry::from_leaf(&stored.entry.leaf()).expect("canonical"), ..stored })
        .collect();
    assert!(check(&again, &checkpoints).is_ok());
}
