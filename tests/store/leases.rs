//! Leases: one node has the work, and another gets it when that one has gone.

use super::{keep, minute};
use crate::support::{Engine, TestDatabase, on_both};
use pushback::{
    domain::{Time, time},
    store::{Store, StoreError, leases::Lease},
};
use std::time::Duration;

fn lease(work: &'static str, node: &str, lasts: Duration) -> Lease {
    Lease { work, node: node.into(), lasts }
}

fn holds(store: &Store, it: &Lease, now: Time) -> bool {
    keep(store, |tx| tx.hold_lease(it, now))
}

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn one_node_holds_a_lease_until_it_gives_it_up_and_other_work_is_held_apart() {
    on_both(|store| {
        let (one, other) = (lease("judge", "one", LONG), lease("judge", "other", LONG));
        assert!(holds(store, &one, minute(0)) && !holds(store, &other, minute(1)));
        assert!(holds(store, &one, minute(2)), "whoever holds it extends it");
        assert!(holds(store, &lease("retention", "other", LONG), minute(2)));
        keep(store, |tx| tx.give_up_lease(&other));
        assert!(!holds(store, &other, minute(3)), "it was not its own to give up");
        keep(store, |tx| tx.give_up_lease(&one));
        assert!(holds(store, &other, minute(4)) && !holds(store, &one, minute(5)));
    });
}

#[test]
fn a_lease_that_ran_out_goes_to_whoever_asks_first() {
    on_both(|store| {
        let short = Duration::from_millis(300);
        let (one, other) = (lease("judge", "one", short), lease("judge", "other", LONG));
        let now = minute(0);
        assert!(holds(store, &one, now) && !holds(store, &other, now));
        std::thread::sleep(2 * short);
        assert!(holds(store, &other, now + time::seconds(1)) && !holds(store, &one, now + time::seconds(1)));
    });
}

#[test]
fn nobody_gets_a_lease_on_postgresql_while_its_holder_is_in_the_midst_of_keeping_something_however_long_that_takes() {
    let database = TestDatabase::new(Engine::Postgres);
    let store = database.open();
    let (one, other) = (lease("judge", "one", Duration::from_millis(1)), lease("judge", "other", LONG));
    assert!(holds(&store, &one, minute(0)));
    let second = store.clone();
    let got = store.keep::<_, StoreError>(|tx| {
        assert!(tx.hold_lease(&one, minute(0))?, "nobody else has asked");
        let (second, other) = (second.clone(), other.clone());
        let asking = std::thread::spawn(move || holds(&second, &other, minute(0)));
        std::thread::sleep(Duration::from_millis(400));
        assert!(!asking.is_finished(), "it has to wait for the transaction");
        Ok(asking)
    });
    assert!(got.expect("kept").join().expect("asked"), "and gets it after that, since it has run out");
}
