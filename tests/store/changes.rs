//! Pushes, steps, flag changes, notes; holds, gate answers, replies.

use super::{keep, minute, read, record};
use crate::support::on_both;
use pushback::{
    domain::{
        Record, Time,
        finding::Decision,
        flag::FlagChanged,
        note::Note,
        push::{PushStarted, PushState},
        step::PushStep,
        time,
    },
    store::{
        Store, StoreError,
        changes::{Bad, Kept, PushFilter},
        holds::{GateAsked, Hold, Reply},
    },
};

fn push(id: &str, service: &str, at: Time) -> PushStarted {
    let line = format!(
        r#"{{"type":"push_started","push":"{id}","service":"{service}","release":"B","previous":"A","at":"{}","actor":"dana@example.com","purpose":"smaller frames","features":[{{"name":"compact","flag":null}}],"plan":[{{"percent":1,"soak_minutes":45}}],"ticket":"W-1"}}"#,
        time::text(at)
    );
    match record(&line) {
        Record::PushStarted(it) => it,
        other => panic!("{other:?}"),
    }
}

fn step(push: &str, at: Time, rest: &str) -> PushStep {
    let line = format!(
        r#"{{"type":"push_step","push":"{push}","at":"{}","actor":"dana@example.com",{rest}}}"#,
        time::text(at)
    );
    match record(&line) {
        Record::PushStep(it) => it,
        other => panic!("{other:?}"),
    }
}

fn flag(change: &str, flag: &str, service: &str, at: Time) -> FlagChanged {
    let line = format!(
        r#"{{"type":"flag_changed","change":"{change}","flag":"{flag}","service":"{service}","at":"{}","actor":"kim@example.com","before":{{"percent":0}},"after":{{"percent":5,"rule":"beta"}}}}"#,
        time::text(at)
    );
    match record(&line) {
        Record::FlagChanged(it) => it,
        other => panic!("{other:?}"),
    }
}

fn note(text: &str, service: Option<&str>, at: Time) -> Note {
    let about = service.map(|service| format!(r#","service":"{service}""#)).unwrap_or_default();
    let line =
        format!(r#"{{"type":"note","at":"{}","actor":"dana@example.com","text":"{text}"{about}}}"#, time::text(at));
    match record(&line) {
        Record::Note(it) => it,
        other => panic!("{other:?}"),
    }
}

fn begun(store: &Store, id: &str, at: Time) {
    keep(store, |tx| {
        tx.ensure_service("relay", "key", minute(0))?;
        tx.keep_push(&push(id, "relay", at))
    });
}

#[test]
fn a_push_comes_back_as_recorded_with_fields_that_we_do_not_know() {
    on_both(|store| {
        let started = push("relay-118", "relay", minute(48));
        begun(store, "relay-118", minute(48));
        let found = read(store, |read| read.push("relay-118")).expect("kept");
        assert_eq!(found.started, started);
        assert_eq!((found.standing.state, found.standing.percent.value(), found.bad), (PushState::UnderWay, 0.0, None));
        assert_eq!(read(store, |read| read.push("relay-119")), None);
    });
}

#[test]
fn the_same_push_again_is_a_repeat_and_another_one_under_its_id_is_told_apart() {
    on_both(|store| {
        begun(store, "relay-118", minute(48));
        let mut again = push("relay-118", "relay", minute(48));
        again.received_at = minute(50);
        assert_eq!(keep(store, |tx| tx.keep_push(&again)), Kept::Repeat, "when it arrived is not content");
        again.release = "C".into();
        assert_eq!(keep(store, |tx| tx.keep_push(&again)), Kept::Different);
        let elsewhere = push("relay-118", "edge", minute(48));
        assert_eq!(keep(store, |tx| tx.keep_push(&elsewhere)), Kept::Different, "ids are unique across services");
        assert_eq!(read(store, |read| read.push("relay-118")).map(|it| it.started.release), Some("B".into()));
    });
}

#[test]
fn steps_move_a_push_in_the_order_of_their_times_however_they_arrive() {
    on_both(|store| {
        begun(store, "relay-118", minute(48));
        let later = step(
            "relay-118",
            minute(120),
            r#""action":"advance","percent":5,"cells":{"eu-1":100},"reason":"on we go""#,
        );
        let first = step("relay-118", minute(60), r#""action":"advance","percent":1"#);
        assert_eq!(keep(store, |tx| tx.keep_step("relay", &later)), Kept::New);
        assert_eq!(keep(store, |tx| tx.keep_step("relay", &first)), Kept::New);
        assert_eq!(keep(store, |tx| tx.keep_step("relay", &first)), Kept::Repeat);
        assert_eq!(read(store, |read| read.steps("relay-118")), [first.clone(), later.clone()]);
        let standing = read(store, |read| read.push("relay-118")).expect("kept").standing;
        assert_eq!((standing.percent.value(), standing.since), (5.0, Some(minute(120))));
        let moved = |from, to| read(store, |read| read.when_moved(minute(from), minute(to)));
        let when = |it: &PushStep| (it.push.clone(), it.at, it.received_at);
        assert_eq!(moved(0, 61), [when(&first)]);
        assert_eq!(moved(0, 120), [when(&first), when(&later)]);
        assert_eq!(moved(121, 999), []);
        assert_eq!(read(store, |read| read.steps_of_actor("dana@example.com", 1)), [later]);
    });
}

#[test]
fn lists_of_pushes_are_newest_first_and_page_on_by_time() {
    on_both(|store| {
        for number in 0..5 {
            begun(store, &format!("relay-{number}"), minute(number));
        }
        keep(store, |tx| tx.keep_push(&push("edge-1", "edge", minute(9))));
        keep(store, |tx| tx.keep_step("relay", &step("relay-4", minute(20), r#""action":"complete""#)));
        keep(store, |tx| tx.keep_step("relay", &step("relay-3", minute(20), r#""action":"pause""#)));
        let ids = |filter: &PushFilter| {
            let found = read(store, |read| read.pushes(filter));
            found.into_iter().map(|it| it.started.push).collect::<Vec<_>>()
        };
        let all = PushFilter { limit: 3, ..PushFilter::default() };
        assert_eq!(ids(&all), ["edge-1", "relay-4", "relay-3"]);
        assert_eq!(ids(&PushFilter { before: Some(minute(3)), ..all.clone() }), ["relay-2", "relay-1", "relay-0"]);
        let relay = PushFilter { service: Some("relay".into()), open: true, limit: 9, ..PushFilter::default() };
        assert_eq!(
            ids(&relay),
            ["relay-3", "relay-2", "relay-1", "relay-0"],
            "a paused push may still move, a closed one not"
        );
        assert_eq!(ids(&PushFilter { environment: Some("staging".into()), limit: 9, ..relay }), Vec::<String>::new());
    });
}

#[test]
fn flag_changes_are_found_by_service_flag_and_time() {
    on_both(|store| {
        for (change, name, service, at) in
            [("f-1", "wire-v2", "relay", 1), ("f-2", "blue", "web", 2), ("f-3", "wire-v2", "relay", 3)]
        {
            keep(store, |tx| tx.ensure_service(service, service, minute(0)));
            assert_eq!(keep(store, |tx| tx.keep_flag_change(&flag(change, name, service, minute(at)))), Kept::New);
        }
        let known = flag("f-1", "wire-v2", "relay", minute(1));
        assert_eq!(keep(store, |tx| tx.keep_flag_change(&known)), Kept::Repeat);
        let other = flag("f-1", "wire-v3", "relay", minute(1));
        assert_eq!(keep(store, |tx| tx.keep_flag_change(&other)), Kept::Different);
        assert_eq!(read(store, |read| read.flag_change("f-1")), Some(known.clone()));
        assert_eq!(read(store, |read| read.flag_change("f-9")), None);
        let list = |service, flag, before, limit| {
            let found = read(store, |read| read.flag_changes(service, flag, before, limit));
            found.into_iter().map(|it| it.change).collect::<Vec<_>>()
        };
        assert_eq!(list(None, None, None, 9), ["f-3", "f-2", "f-1"]);
        assert_eq!(list(Some("relay"), Some("wire-v2"), None, 9), ["f-3", "f-1"]);
        assert_eq!(list(None, None, Some(minute(3)), 1), ["f-2"]);
        let flags: Vec<(String, i64)> =
            read(store, |read| read.flags()).into_iter().map(|(it, count)| (it.change, count)).collect();
        assert_eq!(flags, [("f-3".to_owned(), 2), ("f-2".to_owned(), 1)], "each as it was last changed");
        let between = |service| {
            let found = read(store, |read| read.flag_changes_between(service, minute(1), minute(2)));
            found.into_iter().map(|it| it.change).collect::<Vec<_>>()
        };
        assert_eq!(between(Some("relay")), ["f-1"]);
        assert_eq!(between(None), ["f-1", "f-2"]);
    });
}

#[test]
fn notes_about_everything_stand_beside_notes_about_a_service() {
    on_both(|store| {
        let (ours, all, theirs) = (
            note("B looks clean", Some("relay"), minute(2)),
            note("partner demo tomorrow", None, minute(1)),
            note("billing is late", Some("billing"), minute(1)),
        );
        for it in [&ours, &all, &theirs] {
            assert_eq!(keep(store, |tx| tx.keep_note(it)), Kept::New);
        }
        assert_eq!(keep(store, |tx| tx.keep_note(&ours)), Kept::Repeat);
        assert_eq!(read(store, |read| read.notes_between("relay", minute(0), minute(5))), [all, ours]);
    });
}

#[test]
fn a_hold_stands_until_somebody_lifts_it_once() {
    on_both(|store| {
        begun(store, "relay-118", minute(48));
        let hold = Hold {
            id: "h1".into(),
            service: "relay".into(),
            push: "relay-118".into(),
            at: minute(60),
            actor: "lee@example.com".into(),
            reason: "edge loses clients".into(),
            lifted: None,
        };
        keep(store, |tx| tx.keep_hold(&hold));
        assert_eq!(read(store, |read| read.hold("h1")), Some(hold.clone()));
        assert_eq!(read(store, |read| read.holds_in_force()), std::slice::from_ref(&hold));
        let lifted = Bad { at: minute(70), actor: "dana@example.com".into(), reason: "fixed in 119".into() };
        keep(store, |tx| tx.lift_hold("h1", &lifted));
        let again = store.keep::<_, StoreError>(|tx| tx.lift_hold("h1", &lifted));
        assert!(matches!(again, Err(StoreError::NotFound)));
        assert_eq!(read(store, |read| read.holds_in_force()), []);
        let kept = read(store, |read| read.holds_of("relay-118"));
        assert_eq!(kept, [Hold { lifted: Some(lifted), ..hold }]);
        assert!(
            kept[0].in_force_at(minute(69)) && !kept[0].in_force_at(minute(70)) && !kept[0].in_force_at(minute(59))
        );
    });
}

#[test]
fn gate_answers_replies_and_a_bad_mark_stay_beside_their_push() {
    on_both(|store| {
        begun(store, "relay-118", minute(48));
        let asked = GateAsked {
            push: "relay-118".into(),
            at: minute(61),
            actor: "dana@example.com".into(),
            decision: Decision::Stop,
            reasons: vec!["r1".into(), "A dies “by contact”".into()],
        };
        keep(store, |tx| tx.keep_gate_answer("g1", "relay", &asked));
        assert_eq!(read(store, |read| read.gate_answers("relay-118")), [asked]);
        let reply = Reply {
            push: "relay-118".into(),
            step_at: minute(60),
            person: "dana@example.com".into(),
            at: minute(400),
            words: "B was clean on every graph I knew how to read.".into(),
        };
        keep(store, |tx| tx.keep_reply("w1", "relay", &reply));
        assert_eq!(read(store, |read| read.replies("relay-118")), [reply]);
        let bad = Bad { at: minute(500), actor: "lee@example.com".into(), reason: "kills A".into() };
        keep(store, |tx| tx.mark_bad("relay-118", &bad));
        assert_eq!(read(store, |read| read.push("relay-118")).and_then(|it| it.bad), Some(bad.clone()));
        let release = read(store, |read| read.push("relay-118")).expect("there").started.release;
        let found = read(store, |read| read.bad_release("relay", &release));
        assert_eq!(found, Some(("relay-118".to_owned(), bad.clone())));
        assert_eq!(read(store, |read| read.bad_release("edge", &release)), None);
        assert_eq!(read(store, |read| read.bad_release("relay", "another")), None);
        let again = store.keep::<_, StoreError>(|tx| tx.mark_bad("relay-118", &bad));
        assert!(matches!(again, Err(StoreError::NotFound)), "marked once");
    });
}

#[test]
fn what_arrived_since_an_instant_is_asked_for_by_arrival_and_not_by_time() {
    on_both(|store| {
        begun(store, "relay-1", minute(1));
        let mut late = push("relay-2", "relay", minute(2));
        late.received_at = minute(50);
        keep(store, |tx| tx.keep_push(&late));
        keep(store, |tx| tx.keep_flag_change(&flag("f-1", "wire", "relay", minute(60))));
        keep(store, |tx| tx.keep_note(&note("hm", None, minute(61))));
        keep(store, |tx| tx.keep_step("relay", &step("relay-1", minute(62), r#""action":"advance","percent":1"#)));
        let mut words: Vec<&str> =
            read(store, |read| read.changes_since(minute(50))).iter().map(Record::type_word).collect();
        words.sort_unstable();
        assert_eq!(words, ["flag_changed", "note", "push_started", "push_step"]);
    });
}
