//! What a postmortem goes through, against a database of its own.

use super::*;
use crate::{
    demo,
    domain::{
        access::Role,
        incident::{ItemKind, ItemState},
        time,
    },
    flows::administer,
};

const LEE: &str = "lee@example.com";
const NOOR: &str = "noor@example.com";

fn at(minute: i64) -> Time {
    time::parse("2026-03-04T09:00:00Z").expect("valid") + time::minutes(minute)
}

fn by(who: &str) -> Actor {
    Actor { id: who.split('@').next().unwrap_or(who).into(), auth: "test".into() }
}

/// A database with two people, a service and an incident that lee answers for.
fn opened() -> (tempfile::TempDir, Store, Incident) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite:{}", folder.path().join("test.sqlite3").display())).expect("a database");
    for who in [LEE, NOOR] {
        administer::add_person(
            &store,
            &by("test"),
            administer::NewPerson { email: who, name: None, team: None, role: Role::Member, password: None },
            at(0),
        )
        .expect("added");
    }
    administer::add_service(&store, &by("test"), "edge", at(0)).expect("added");
    let opening = Opening {
        title: "Calls had gaps".into(),
        severity: Severity::Sev3,
        service: "edge".into(),
        environment: "production".into(),
        owner: LEE.into(),
    };
    let it = open(&store, &by(LEE), LEE, &opening, at(1)).expect("opened");
    (folder, store, it)
}

fn text(seen: i64, summary: &str) -> Written {
    Written {
        seen,
        title: "Calls had gaps".into(),
        severity: Severity::Sev3,
        owner: LEE.into(),
        sections: BTreeMap::from([(Section::Summary, summary.to_owned())]),
    }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::Refused(reasons)) => reasons.join(" "),
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

#[test]
fn who_saves_second_gets_both_texts_and_loses_neither() {
    let (_folder, store, it) = opened();
    assert_eq!(save(&store, &by(LEE), LEE, &it.id, &text(1, "first"), at(2)).expect("kept"), Saving::Kept(2));
    let Saving::Conflict(theirs) = save(&store, &by(NOOR), NOOR, &it.id, &text(1, "second"), at(3)).expect("answered")
    else {
        panic!("a conflict was expected")
    };
    assert_eq!((theirs.0.revision, theirs.1.sections[&Section::Summary].as_str()), (2, "first"));
    assert_eq!(save(&store, &by(NOOR), NOOR, &it.id, &text(2, "both"), at(4)).expect("kept"), Saving::Kept(3));
    let kept = store.read::<_, Error>(|read| Ok(read.revisions(&it.id)?)).expect("read");
    let texts: Vec<_> = kept.iter().map(|revision| revision.sections.get(&Section::Summary).cloned()).collect();
    assert_eq!(texts, [None, Some("first".into()), Some("both".into())]);
}

#[test]
fn saving_what_is_there_already_makes_no_revision() {
    let (_folder, store, it) = opened();
    save(&store, &by(LEE), LEE, &it.id, &text(1, "same\r\nlines"), at(2)).expect("kept");
    let again = save(&store, &by(LEE), LEE, &it.id, &text(2, "same\nlines  \n"), at(3)).expect("answered");
    assert_eq!(again, Saving::Unchanged);
}

#[test]
fn a_postmortem_is_not_reviewed_by_its_owner_nor_unread_nor_empty() {
    let (_folder, store, it) = opened();
    let set = |who: &str, next, seen| set_status(&store, &by(who), who, &it.id, next, seen, at(5));
    assert!(refused(set(LEE, Status::InReview, 1)).contains("summary is empty"));
    save(&store, &by(LEE), LEE, &it.id, &text(1, "Calls on edge had gaps."), at(2)).expect("kept");
    assert!(matches!(set(LEE, Status::InReview, 1), Err(Error::Changed(_))));
    set(LEE, Status::InReview, 2).expect("handed over");
    assert!(refused(set(LEE, Status::Reviewed, 2)).contains("somebody else reviews it"));
    let reviewed = set(NOOR, Status::Reviewed, 2).expect("reviewed");
    assert_eq!(reviewed.reviewed.map(|(who, _)| who), Some(NOOR.to_owned()));
}

#[test]
fn a_published_text_stands_until_it_goes_back_to_draft() {
    let (_folder, store, it) = opened();
    let set = |next| set_status(&store, &by(NOOR), NOOR, &it.id, next, 2, at(5));
    save(&store, &by(LEE), LEE, &it.id, &text(1, "Calls on edge had gaps."), at(2)).expect("kept");
    set(Status::Published).expect("published");
    assert!(refused(save(&store, &by(LEE), LEE, &it.id, &text(2, "else"), at(6))).contains("stands as it was read"));
    assert_eq!(set(Status::Draft).expect("back").published, None);
    assert_eq!(save(&store, &by(LEE), LEE, &it.id, &text(2, "else"), at(7)).expect("kept"), Saving::Kept(3));
}

#[test]
fn it_closes_only_when_every_action_item_is_done_or_dropped_with_a_reason() {
    let (_folder, store, it) = opened();
    save(&store, &by(LEE), LEE, &it.id, &text(1, "Calls on edge had gaps."), at(2)).expect("kept");
    let item = NewItem {
        words: "Ask the gate before every step".into(),
        kind: ItemKind::Prevent,
        owner: NOOR.into(),
        due_at: Some(at(1000)),
        proof: "no step is recorded as not asked".into(),
    };
    let late = NewItem { due_at: Some(at(-1000)), proof: String::new(), ..item.clone() };
    let reasons = refused(add_item(&store, &by(LEE), LEE, &it.id, &late, at(3)));
    assert!(reasons.contains("date is past") && reasons.contains("how we will know"), "{reasons}");
    let stranger = NewItem { owner: "nobody@example.com".into(), ..item.clone() };
    assert!(refused(add_item(&store, &by(LEE), LEE, &it.id, &stranger, at(3))).contains("nobody who can sign in"));
    let kept = add_item(&store, &by(LEE), LEE, &it.id, &item, at(3)).expect("added");
    let set = |next| set_status(&store, &by(LEE), LEE, &it.id, next, 2, at(5));
    set(Status::Published).expect("published");
    assert!(refused(set(Status::Closed)).contains("still open"));
    let end = |why: &str| end_item(&store, &by(NOOR), NOOR, &kept.id, ItemState::Dropped, why, at(6));
    assert!(refused(end(" ")).contains("why it will not be done"));
    assert_eq!(end("The script was retired.").expect("dropped"), it.id);
    assert!(matches!(end("again"), Err(Error::Changed(_))));
    assert_eq!(set(Status::Closed).expect("closed").status, Status::Closed);
}

#[test]
fn an_incident_from_the_told_story_begins_with_a_draft_and_is_opened_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite:{}", folder.path().join("test.sqlite3").display())).expect("a database");
    demo::load(&store).expect("the story");
    let all = store.read::<_, Error>(|read| Ok(read.regressions_blamed_on("relay-118")?)).expect("read");
    let id = &all[0].finding.id;
    let it = open_from_regression(&store, &by(LEE), LEE, id, at(0)).expect("opened");
    assert_eq!((it.severity, it.owner.as_str()), (Severity::Sev2, LEE), "not dana, who brought the change");
    assert_eq!(it.title, "relay A crashed while push relay-118 went on, until no A was left");
    let draft = store.read::<_, Error>(|read| Ok(read.revision(&it.id, 1)?)).expect("read").expect("there");
    let summary = &draft.sections[&Section::Summary];
    assert!(summary.contains("6 steps raised its share") && summary.ends_with("That is not a recovery."), "{summary}");
    assert_eq!(open_from_regression(&store, &by(NOOR), NOOR, id, at(9)).expect("found").id, it.id);
    set_status(&store, &by(LEE), LEE, &it.id, Status::InReview, 1, at(10)).expect("handed over");
    let dana = "dana@example.com";
    let own = set_status(&store, &by(dana), dana, &it.id, Status::Reviewed, 1, at(11));
    assert!(refused(own).contains("was yours"));
}
