//! What one actor did, and finding things by a part of their name.

use super::{keep, minute, read, record, tester};
use crate::support::on_both;
use pushback::{
    domain::{Record, push::PushState, time},
    flows::record_change,
    store::{
        Store,
        changes::Bad,
        holds::{Hold, Reply},
    },
};

fn take(store: &Store, line: &str) {
    let it: Record = record(line);
    store.write(|tx| record_change::keep_change(tx, &tester(), &it, minute(60))).expect("recorded");
}

fn day(store: &Store) {
    let at = |n| time::text(minute(n));
    for (id, service, n) in [("relay-118", "relay", 10), ("relay_119", "relay", 20), ("Edge-1", "edge", 30)] {
        take(
            store,
            &format!(
                r#"{{"type":"push_started","push":"{id}","service":"{service}","release":"B%1","at":"{}","actor":"dana@example.com"}}"#,
                at(n)
            ),
        );
    }
    take(
        store,
        &format!(
            r#"{{"type":"push_step","push":"relay-118","at":"{}","actor":"argo","action":"advance","percent":5,"automatic":true}}"#,
            at(12)
        ),
    );
    take(
        store,
        &format!(
            r#"{{"type":"flag_changed","change":"f1","flag":"Blue-Buttons","service":"web","at":"{}","actor":"kim@example.com","after":{{"percent":5}}}}"#,
            at(14)
        ),
    );
}

#[test]
fn what_somebody_did_is_found_by_their_name_newest_first() {
    on_both(|store| {
        day(store);
        let pushes = read(store, |read| read.pushes_of_actor("dana@example.com", 2));
        let names: Vec<(&str, PushState)> = pushes.iter().map(|(it, state)| (it.push.as_str(), *state)).collect();
        assert_eq!(names, [("Edge-1", PushState::UnderWay), ("relay_119", PushState::UnderWay)]);
        let changes = read(store, |read| read.flag_changes_of_actor("kim@example.com", 9));
        assert_eq!(changes.iter().map(|it| it.change.as_str()).collect::<Vec<_>>(), ["f1"]);
        assert_eq!(read(store, |read| read.step_counts_of_actor("argo")), (1, 0));
        assert_eq!(read(store, |read| read.step_counts_of_actor("kim@example.com")), (0, 1));
        assert_eq!(read(store, |read| read.actors()), ["argo", "kim@example.com"]);
    });
}

#[test]
fn steps_and_flag_changes_are_counted_by_who_made_them_in_one_service_or_in_all() {
    on_both(|store| {
        day(store);
        for (n, actor) in [(13, "argo"), (15, "dana@example.com"), (50, "argo")] {
            take(
                store,
                &format!(
                    r#"{{"type":"push_step","push":"relay_119","at":"{}","actor":"{actor}","action":"advance","percent":{n}}}"#,
                    time::text(minute(n))
                ),
            );
        }
        let counts = |service: Option<&str>, from: i64, to: i64| {
            let found = read(store, |read| read.changes_by_actor(service, minute(from), minute(to)));
            found.into_iter().map(|(actor, count)| format!("{actor} {count}")).collect::<Vec<_>>()
        };
        assert_eq!(counts(None, 0, 99), ["argo 3", "dana@example.com 1", "kim@example.com 1"]);
        assert_eq!(counts(None, 13, 14), ["argo 1", "kim@example.com 1"]);
        assert_eq!(counts(Some("relay"), 0, 49), ["argo 2", "dana@example.com 1"]);
        assert_eq!(counts(Some("web"), 0, 99), ["kim@example.com 1"]);
        assert_eq!(counts(Some("edge"), 0, 99), Vec::<String>::new());
    });
}

#[test]
fn holds_and_words_of_somebody_come_back_as_kept() {
    on_both(|store| {
        day(store);
        let lifted = Bad { at: minute(33), actor: "dana@example.com".into(), reason: "looked".into() };
        let hold = Hold {
            id: "h1".into(),
            service: "relay".into(),
            push: "relay-118".into(),
            at: minute(31),
            actor: "lee@example.com".into(),
            reason: "please look".into(),
            lifted: None,
        };
        keep(store, |tx| tx.keep_hold(&hold));
        assert_eq!(read(store, |read| read.holds_of_actor("lee@example.com")), std::slice::from_ref(&hold));
        keep(store, |tx| tx.lift_hold("h1", &lifted));
        let after = read(store, |read| read.holds_of_actor("lee@example.com"));
        assert_eq!(after, [Hold { lifted: Some(lifted.clone()), ..hold.clone() }]);
        let reply = Reply {
            push: "relay-118".into(),
            step_at: minute(12),
            person: "lee@example.com".into(),
            at: minute(40),
            words: "I looked at B.".into(),
        };
        keep(store, |tx| tx.keep_reply("w1", "relay", &reply));
        assert_eq!(read(store, |read| read.replies_of_person("lee@example.com")), [reply]);
        assert!(read(store, |read| read.replies_of_person("dana@example.com")).is_empty());
    });
}

#[test]
fn a_part_of_a_name_finds_it_whatever_its_capitals_and_no_letter_is_a_wildcard() {
    on_both(|store| {
        day(store);
        let pushes = |text: &str| -> Vec<String> {
            read(store, |read| read.find_pushes(text, 9)).into_iter().map(|hit| hit.name).collect()
        };
        assert_eq!(pushes("RELAY"), ["relay_119", "relay-118"]);
        assert_eq!(pushes("edge"), ["Edge-1"]);
        assert_eq!(pushes("relay_"), ["relay_119"], "an underscore is an underscore");
        assert_eq!(pushes("b%1").len(), 3, "releases are looked at too");
        assert!(pushes("%2").is_empty() && pushes("\\").is_empty());
        let flags = read(store, |read| read.find_flags("buttons", 9));
        assert_eq!((flags[0].name.as_str(), flags[0].service.as_str()), ("Blue-Buttons", "web"));
        assert!(read(store, |read| read.find_signatures("x", 9)).is_empty());
        assert!(read(store, |read| read.find_regressions("r1", 9)).is_empty());
        assert!(read(store, |read| read.find_incidents("PM", 9)).is_empty());
    });
}
