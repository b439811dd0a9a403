//! Reports on pairs of releases, and the policy of a service.

use super::{keep, minute, read};
use crate::support::on_both;
use pushback::{
    domain::{
        pair::{PairReport, PairVerdict},
        policy::Policy,
    },
    store::StoreError,
};

fn report(release: &str, peer_release: &str, verdict: PairVerdict, at: i64) -> PairReport {
    PairReport {
        service: "relay".into(),
        release: release.into(),
        peer_release: peer_release.into(),
        verdict,
        at: minute(at),
        actor: "ci".into(),
        note: Some("an hour in the lab".into()),
        url: None,
    }
}

#[test]
fn reports_are_listed_newest_first_and_found_in_whichever_order_the_two_are_named() {
    on_both(|store| {
        let all = [
            report("B", "A", PairVerdict::NoHarmSeen, 1),
            report("A", "B", PairVerdict::Lethal, 3),
            report("C", "A", PairVerdict::Harmful, 2),
            PairReport { service: "edge".into(), ..report("B", "A", PairVerdict::Harmful, 4) },
        ];
        for (number, it) in all.iter().enumerate() {
            keep(store, |tx| tx.keep_pair_report(&format!("p{number}"), it));
        }
        let listed = read(store, |read| read.pair_reports("relay", 10));
        assert_eq!(listed, [all[1].clone(), all[2].clone(), all[0].clone()]);
        assert_eq!(read(store, |read| read.pair_reports("relay", 1)), [all[1].clone()]);
        for (one, other) in [("A", "B"), ("B", "A")] {
            let found = read(store, |read| read.reports_on_pair("relay", one, other));
            assert_eq!(found, [all[0].clone(), all[1].clone()], "oldest first");
        }
        assert_eq!(read(store, |read| read.reports_on_pair("relay", "B", "C")), []);
        let twice = store.keep::<_, StoreError>(|tx| tx.keep_pair_report("p0", &all[0]));
        assert!(twice.is_err(), "an id stands once");
    });
}

#[test]
fn a_policy_is_set_on_a_service_that_is_there_and_comes_back_as_it_was() {
    on_both(|store| {
        keep(store, |tx| tx.ensure_service("relay", "k", minute(0)));
        assert_eq!(read(store, |read| read.service("relay")).map(|it| it.policy), Some(Policy::default()));
        let policy = Policy { bake_minutes: Some(45.0), needs_pair_test: true, ..Policy::default() };
        keep(store, |tx| tx.set_policy("relay", &policy));
        assert_eq!(read(store, |read| read.service("relay")).map(|it| it.policy), Some(policy.clone()));
        let nobody = store.keep::<_, StoreError>(|tx| tx.set_policy("nobody", &policy));
        assert!(matches!(nobody, Err(StoreError::NotFound)));
    });
}
