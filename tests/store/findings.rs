//! What the judge said, continuations, and who looked.

use super::{keep, minute, read};
use crate::support::on_both;
use pushback::{
    domain::finding::{
        Continuation, Ending, Estimate, Kind, Known, Onset, Regression, Suspect, SuspectKind, Victim, Withdrawn,
    },
    store::{
        Store, StoreError,
        findings::{ContinuationFilter, RiskClosed, Saying, StoredContinuation},
    },
};

fn regression(number: i64) -> Regression {
    let at = minute(10 * number);
    Regression {
        id: format!("r{number}"),
        service: "relay".into(),
        environment: "production".into(),
        signatures: vec!["SIGSEGV | frame_decode".into()],
        victims: vec![Victim { release: "A".into() }],
        kind: Kind::Collateral,
        onset: Onset { at, earliest: minute(10 * number - 1), latest: minute(10 * number + 1) },
        detected_at: minute(10 * number + 5),
        suspects: vec![Suspect {
            kind: SuspectKind::Push,
            id: format!("relay-{number}"),
            probability: 0.97,
            why: "A's crash rate follows B's share in 6 of 6 cells".into(),
        }],
        rate_ratio: Estimate { estimate: 12.1, low: 6.2, high: 21.0 },
        excess_crashes: Estimate { estimate: 108.0, low: 88.0, high: 129.0 },
        clients_dropped: Estimate::default(),
        ended_at: None,
        ended_because: None,
        withdrawn: None,
    }
}

fn say(store: &Store, number: i64, at: i64, regression: Regression) -> Saying {
    let saying = Saying { regression, continuations: vec![], evidence: serde_json::json!({ "crashes": number }) };
    keep(store, |tx| tx.keep_saying(&format!("key-{number}"), number, minute(at), &saying));
    saying
}

#[test]
fn a_regression_is_what_was_said_last_and_everything_said_before_stays() {
    on_both(|store| {
        assert_eq!(keep(store, |tx| tx.next_regression()), 1);
        let first = say(store, 1, 15, regression(1));
        let ended = Regression {
            ended_at: Some(minute(300)),
            ended_because: Some(Ending::VictimsGone),
            withdrawn: Some(Withdrawn { at: minute(400), why: "it was the upstream".into() }),
            ..regression(1)
        };
        let second = say(store, 1, 400, ended.clone());
        assert_eq!(keep(store, |tx| tx.next_regression()), 2);
        let now = read(store, |read| read.regression("r1")).expect("kept");
        assert_eq!((now.finding, now.key.as_str(), now.said_at), (ended, "key-1", minute(400)));
        assert_eq!(now.evidence, r#"{"crashes":1}"#);
        let all = [(minute(15), first.clone()), (minute(400), second)];
        assert_eq!(read(store, |read| read.sayings("r1")), all);
        assert_eq!(read(store, |read| read.said_by("r1", minute(399))), Some((minute(15), first)));
        assert_eq!(read(store, |read| read.said_by("r1", minute(14))), None, "nothing had been said yet");
        assert_eq!(read(store, |read| read.regression("r2")), None);
        assert_eq!(read(store, |read| read.regression_keys()), [("key-1".to_owned(), "r1".to_owned())]);
        keep(store, |tx| tx.rename_regression("r1", "key-1b"));
        assert_eq!(read(store, |read| read.regression_keys()), [("key-1b".to_owned(), "r1".to_owned())]);
    });
}

#[test]
fn regressions_are_found_by_place_and_by_blame() {
    on_both(|store| {
        for number in 1..=3 {
            say(store, number, 10 * number + 5, regression(number));
        }
        let unsure = Suspect { probability: 0.4, ..regression(4).suspects.remove(0) };
        say(store, 4, 45, Regression { service: "edge".into(), suspects: vec![unsure], ..regression(4) });
        let ids = |found: Vec<pushback::store::findings::StoredRegression>| {
            found.into_iter().map(|it| it.finding.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(read(store, |read| read.regressions(3))), ["r4", "r3", "r2"]);
        assert_eq!(ids(read(store, |read| read.regressions_of("relay", "production"))), ["r1", "r2", "r3"]);
        assert_eq!(ids(read(store, |read| read.regressions_of("relay", "staging"))), Vec::<String>::new());
        assert_eq!(ids(read(store, |read| read.regressions_anywhere_of("relay"))), ["r1", "r2", "r3"]);
        assert_eq!(ids(read(store, |read| read.regressions_anywhere_of("edge"))), ["r4"]);
        assert_eq!(ids(read(store, |read| read.regressions_blamed_on("relay-2"))), ["r2"]);
        assert_eq!(
            ids(read(store, |read| read.regressions_blamed_on("relay-4"))),
            Vec::<String>::new(),
            "below one half nobody is blamed"
        );
    });
}

#[test]
fn an_open_risk_has_an_owner_and_is_closed_once() {
    on_both(|store| {
        say(
            store,
            1,
            15,
            Regression { ended_because: Some(Ending::VictimsGone), ended_at: Some(minute(14)), ..regression(1) },
        );
        let now = || read(store, |read| read.regression("r1")).expect("kept");
        assert!(now().is_open() && now().risk_owner.is_none());
        keep(store, |tx| tx.set_risk_owner("r1", "dana@example.com"));
        assert_eq!(now().risk_owner.as_deref(), Some("dana@example.com"));
        let closed = RiskClosed { at: minute(900), actor: "dana@example.com".into(), reason: "C reads both".into() };
        keep(store, |tx| tx.close_risk("r1", &closed));
        assert!(!now().is_open());
        assert_eq!(now().risk_closed, Some(closed.clone()));
        for refused in [
            store.keep::<_, StoreError>(|tx| tx.close_risk("r1", &closed)),
            store.keep::<_, StoreError>(|tx| tx.set_risk_owner("r9", "nobody")),
        ] {
            assert!(matches!(refused, Err(StoreError::NotFound)));
        }
        say(store, 1, 1000, regression(1));
        assert_eq!(now().risk_closed, Some(closed.clone()), "what people did outlives what is said next");
    });
}

fn continuation(regression: &str, push: Option<&str>, at: i64, actor: &str, known: Known) -> StoredContinuation {
    StoredContinuation {
        finding: Continuation {
            regression: regression.into(),
            push: push.map(str::to_owned),
            change: push.is_none().then(|| "f-1".to_owned()),
            step_at: minute(at),
            actor: actor.into(),
            action: if push.is_some() { "advance" } else { "flag_changed" }.into(),
            percent: Some(5.0),
            known,
            excess_crashes: Estimate { estimate: 9.5, low: 8.0, high: 12.0 },
            clients_dropped: Estimate::default(),
        },
        service: "relay".into(),
        environment: "production".into(),
        counted: 12,
    }
}

#[test]
fn continuations_are_found_by_every_filter_and_kept_as_last_seen() {
    on_both(|store| {
        say(store, 1, 15, regression(1));
        say(store, 2, 25, regression(2));
        let (dana, sam) = ("dana@example.com", "sam@example.com");
        let one = continuation("r1", Some("relay-1"), 20, dana, Known::Undetected);
        let two = continuation("r1", Some("relay-1"), 30, sam, Known::Detected);
        let three = continuation("r2", None, 40, dana, Known::Overrode);
        for it in [&three, &two, &one] {
            keep(store, |tx| tx.keep_continuation(it));
        }
        let found = |filter: ContinuationFilter| read(store, |read| read.continuations(&filter));
        let any = ContinuationFilter::default;
        assert_eq!(found(any()), [one.clone(), two.clone(), three.clone()]);
        assert_eq!(
            found(ContinuationFilter { from: Some(minute(30)), to: Some(minute(40)), ..any() }),
            std::slice::from_ref(&two)
        );
        assert_eq!(found(ContinuationFilter { actor: Some(dana.into()), ..any() }), [one.clone(), three.clone()]);
        assert_eq!(found(ContinuationFilter { actors: Some(vec![sam.into()]), ..any() }), std::slice::from_ref(&two));
        assert_eq!(found(ContinuationFilter { actors: Some(vec![]), ..any() }), [], "a team of nobody");
        assert_eq!(found(ContinuationFilter { known: Some(Known::Overrode), ..any() }), [three]);
        assert_eq!(found(ContinuationFilter { service: Some("edge".into()), ..any() }), []);
        let mut seen = one.clone();
        seen.finding.known = Known::Seen;
        seen.counted = 20;
        keep(store, |tx| tx.keep_continuation(&seen));
        assert_eq!(read(store, |read| read.continuations_of("r1")), [seen, two]);
    });
}

#[test]
fn looks_are_counted_by_person() {
    on_both(|store| {
        say(store, 1, 15, regression(1));
        for (person, at) in [("dana@example.com", 20), ("lee@example.com", 21), ("dana@example.com", 30)] {
            keep(store, |tx| tx.keep_sighting("r1", person, minute(at)));
        }
        let seen = read(store, |read| read.sightings("r1"));
        let short: Vec<_> = seen.iter().map(|it| (it.person.as_str(), it.first_at, it.last_at, it.times)).collect();
        assert_eq!(
            short,
            [("dana@example.com", minute(20), minute(30), 2), ("lee@example.com", minute(21), minute(21), 1)]
        );
        assert_eq!(read(store, |read| read.sightings("r2")), []);
    });
}

#[test]
fn what_is_open_and_what_several_changes_are_blamed_for_is_asked_in_one_go() {
    on_both(|store| {
        say(store, 1, 15, regression(1));
        say(store, 2, 25, Regression { ended_because: Some(Ending::VictimsGone), ..regression(2) });
        say(store, 3, 35, Regression { ended_because: Some(Ending::RolledBack), ..regression(3) });
        let withdrawn = Withdrawn { at: minute(60), why: "the upstream".into() };
        say(store, 4, 45, Regression { withdrawn: Some(withdrawn), ..regression(4) });
        let ids = |found: Vec<pushback::store::findings::StoredRegression>| {
            found.into_iter().map(|it| it.finding.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(read(store, |read| read.open_regressions())), ["r2", "r1"], "victims gone is not a recovery");
        let closed = RiskClosed { at: minute(900), actor: "dana@example.com".into(), reason: "C reads both".into() };
        keep(store, |tx| tx.close_risk("r2", &closed));
        assert_eq!(ids(read(store, |read| read.open_regressions())), ["r1"]);
        let changes = ["relay-3".to_owned(), "relay-1".to_owned(), "relay-9".to_owned()];
        assert_eq!(ids(read(store, |read| read.regressions_blamed_on_any(&changes))), ["r1", "r3"]);
        assert_eq!(ids(read(store, |read| read.regressions_blamed_on_any(&[]))), Vec::<String>::new());
    });
}
