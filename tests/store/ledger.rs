//! The ledger as it is written: with what it records or not at all, without gaps, and so that changes show.

use super::{minute, read, tester};
use crate::support::{Engine, TestDatabase, on_both};
use pushback::{
    ledger::{Stored, Verified, Verifier},
    store::{Store, StoreError},
};
use serde_json::json;

fn entries(store: &Store) -> Vec<Stored> {
    read(store, |read| read.ledger_entries(0, 100_000))
}

fn verified(store: &Store) -> Result<Verified, String> {
    let mut verifier = Verifier::new(&[]).map_err(|error| error.to_string())?;
    for entry in entries(store) {
        verifier.observe(&entry).map_err(|error| error.to_string())?;
    }
    verifier.finish().map_err(|error| error.to_string())
}

fn change(store: &Store, name: &str) -> Result<(), StoreError> {
    store.write(|tx| {
        tx.set_setting(name, "1")?;
        tx.record(minute(1), "setting.set", &tester(), format!("setting:{name}"), json!({ "name": name }))
    })
}

#[test]
fn an_entry_is_appended_in_the_transaction_of_what_it_records() {
    on_both(|store| {
        assert_eq!(read(store, |read| read.ledger_head()), None);
        change(store, "one").expect("kept");
        change(store, "two").expect("kept");
        let (size, root, at) = read(store, |read| read.ledger_head()).expect("a head");
        let verified = verified(store).expect("nothing was changed");
        assert_eq!((size, at), (2, minute(1)));
        assert_eq!((verified.size, verified.root.to_vec()), (2, root));
        let entries = entries(store);
        assert_eq!(entries[1].entry.subject, "setting:two");
        assert_eq!((entries[1].entry.actor.as_str(), entries[1].entry.auth.as_str()), ("tester", "session"));
        assert_eq!(entries[1].sealed.as_ref().map(|it| it.payload.clone()), Some(br#"{"name":"two"}"#.to_vec()));
        assert_ne!(entries[0].sealed.as_ref().map(|it| it.salt), entries[1].sealed.as_ref().map(|it| it.salt));
        assert_eq!(read(store, |read| read.ledger_entries(1, 1)), [entries[1].clone()]);
        let subjects = ["setting:two".to_owned(), "setting:none".to_owned()];
        assert_eq!(read(store, |read| read.first_entries(&subjects)), [("setting:two".to_owned(), 1)]);
    });
}

#[test]
fn a_write_that_says_nothing_is_refused_and_leaves_nothing() {
    on_both(|store| {
        let silent = store.write::<_, StoreError>(|tx| tx.set_setting("silent", "1"));
        assert!(matches!(silent, Err(StoreError::NoLedgerEntry)), "{silent:?}");
        assert_eq!(read(store, |read| read.setting("silent")), None);
        assert_eq!(entries(store), []);
    });
}

#[test]
fn a_change_that_fails_takes_its_entry_with_it_and_an_entry_that_fails_takes_the_change() {
    on_both(|store| {
        change(store, "one").expect("kept");
        let failed = store.write::<(), StoreError>(|tx| {
            tx.set_setting("two", "1")?;
            tx.record(minute(1), "setting.set", &tester(), "setting:two".into(), json!({}))?;
            Err(StoreError::Other("the caller changed its mind".into()))
        });
        assert!(failed.is_err());
        // An address may not stand in an entry, since it could never be erased there.
        let named = pushback::store::Actor { id: "dana@example.com".into(), auth: "session".into() };
        let refused = store.write::<(), StoreError>(|tx| {
            tx.set_setting("three", "1")?;
            tx.record(minute(1), "setting.set", &named, "setting:three".into(), json!({}))
        });
        assert!(refused.expect_err("refused").to_string().contains("e-mail address"));
        assert_eq!(read(store, |read| read.setting("two")), None);
        assert_eq!(read(store, |read| read.setting("three")), None);
        change(store, "four").expect("the next one gets the next number");
        assert_eq!(verified(store).map(|it| it.size), Ok(2));
    });
}

#[test]
fn writers_at_once_get_numbers_without_gaps() {
    on_both(|store| {
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let store = store.clone();
                scope.spawn(move || {
                    for turn in 0..25 {
                        change(&store, &format!("s{writer}-{turn}")).expect("every writer gets its turn");
                    }
                });
            }
        });
        let numbers: Vec<i64> = entries(store).iter().map(|it| it.entry.seq).collect();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
        assert_eq!(verified(store).map(|it| it.size), Ok(200));
        assert_eq!(read(store, |read| read.ledger_head()).map(|(size, ..)| size), Some(200));
    });
}

#[test]
fn a_database_opened_again_goes_on_where_it_was() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        change(&database.open(), "one").expect("kept");
        change(&database.open(), "two").expect("kept");
        assert_eq!(verified(&database.open()).map(|it| it.size), Ok(2), "{engine:?}");
    }
}

#[test]
fn every_kind_of_tampering_behind_our_back_is_found() {
    let ways = [
        ("an actor", "update ledger_entry set actor = 'somebody' where seq = 2"),
        ("a time", "update ledger_entry set at = at + 1 where seq = 2"),
        ("a payload", "update ledger_entry set payload = '{\"name\":\"other\"}' where seq = 2"),
        ("an entry gone", "delete from ledger_entry where seq = 2"),
        ("renumbered", "delete from ledger_entry where seq = 2; update ledger_entry set seq = seq - 1 where seq > 2"),
        ("a payload gone", "update ledger_entry set payload = null, salt = null where seq = 2"),
    ];
    for engine in Engine::BOTH {
        for (what, statement) in ways {
            let database = TestDatabase::new(engine);
            let store = database.open();
            for number in 0..5 {
                change(&store, &format!("s{number}")).expect("kept");
            }
            let before = verified(&store).expect("untouched");
            database.batch(statement).expect(what);
            let after = verified(&store);
            // What is cut or changed so that it is consistent in itself shows against the head.
            let found = after.as_ref().map_or(true, |after| (after.size, after.root) != (before.size, before.root));
            assert!(found, "{what} on {engine:?}: {after:?}");
        }
    }
}
