//! Incidents, revisions of their postmortems, action items.

use super::{keep, minute, read};
use crate::support::on_both;
use pushback::{
    domain::incident::{ItemKind, ItemState, Section, Severity, Status},
    store::{
        Store, StoreError,
        incidents::{ActionItem, Incident, Revision},
    },
};
use std::collections::BTreeMap;

fn incident(number: i64) -> Incident {
    Incident {
        id: format!("PM-{number}"),
        number,
        title: "B killed every A it talked to".into(),
        severity: Severity::Sev2,
        service: "relay".into(),
        environment: "production".into(),
        regression: None,
        opened_at: minute(number),
        opened_by: "lee@example.com".into(),
        status: Status::Draft,
        owner: "dana@example.com".into(),
        changed_at: minute(number),
        revision: 1,
        reviewed: None,
        published: None,
    }
}

fn opened(store: &Store, number: i64) -> Incident {
    let it = incident(number);
    keep(store, |tx| tx.add_incident(&it));
    it
}

#[test]
fn incidents_are_numbered_and_listed_newest_first() {
    on_both(|store| {
        assert_eq!(keep(store, |tx| tx.next_incident()), 1);
        let (one, two) = (opened(store, 1), opened(store, 2));
        assert_eq!(keep(store, |tx| tx.next_incident()), 3);
        assert_eq!(read(store, |read| read.incidents(9)), [two.clone(), one.clone()]);
        assert_eq!(read(store, |read| read.incidents(1)), [two]);
        assert_eq!(read(store, |read| read.incident("PM-1")), Some(one));
        assert_eq!(read(store, |read| read.incident("PM-9")), None);
        assert_eq!(read(store, |read| read.incidents_of("r1")), []);
    });
}

#[test]
fn a_change_on_top_of_one_that_was_not_seen_changes_nothing() {
    on_both(|store| {
        let it = opened(store, 1);
        let first = Incident {
            title: "B kills A by contact".into(),
            severity: Severity::Sev1,
            status: Status::Published,
            owner: "lee@example.com".into(),
            changed_at: minute(9),
            revision: 2,
            reviewed: Some(("priya@example.com".into(), minute(8))),
            published: Some(("lee@example.com".into(), minute(9))),
            ..it.clone()
        };
        assert!(keep(store, |tx| tx.change_incident(&it, &first)));
        let second = Incident { title: "lost".into(), revision: 2, ..first.clone() };
        assert!(!keep(store, |tx| tx.change_incident(&it, &second)), "another revision was seen");
        let draft = Incident { status: Status::Draft, ..first.clone() };
        assert!(!keep(store, |tx| tx.change_incident(&draft, &second)), "another status was seen");
        assert_eq!(read(store, |read| read.incident("PM-1")), Some(first));
    });
}

#[test]
fn every_revision_of_a_postmortem_can_be_read_again() {
    on_both(|store| {
        opened(store, 1);
        let revision = |number, text: &str| Revision {
            number,
            at: minute(number),
            actor: "dana@example.com".into(),
            title: "B kills A".into(),
            sections: BTreeMap::from([(Section::Summary, text.to_owned()), (Section::Causes, String::new())]),
        };
        let (one, two) = (revision(1, "first *words*"), revision(2, "better “words”\n\n- a\n- b"));
        keep(store, |tx| tx.add_revision("PM-1", &one));
        keep(store, |tx| tx.add_revision("PM-1", &two));
        assert_eq!(read(store, |read| read.revisions("PM-1")), [one.clone(), two.clone()]);
        assert_eq!(read(store, |read| read.revision("PM-1", 2)), Some(two.clone()));
        assert_eq!(read(store, |read| read.revision("PM-1", 3)), None);
        let again = store.keep::<_, StoreError>(|tx| tx.add_revision("PM-1", &two));
        assert!(matches!(again, Err(StoreError::Taken(_))), "a revision is never written over: {again:?}");
    });
}

#[test]
fn an_action_item_ends_once_and_says_how() {
    on_both(|store| {
        opened(store, 1);
        let item = |id: &str, due| ActionItem {
            id: id.into(),
            incident: "PM-1".into(),
            words: "Read frames of the release before".into(),
            kind: ItemKind::Prevent,
            owner: "dana@example.com".into(),
            due_at: minute(due),
            proof: "a test with A and B in one cell".into(),
            state: ItemState::Open,
            created_at: minute(1),
            created_by: "lee@example.com".into(),
            ended_at: None,
            ended_by: None,
            ended_reason: None,
        };
        let (one, two) = (item("i1", 900), item("i2", 800));
        keep(store, |tx| tx.add_action_item(&one));
        keep(store, |tx| tx.add_action_item(&two));
        assert_eq!(read(store, |read| read.action_item(&one.id)), Some(one.clone()));
        assert_eq!(read(store, |read| read.action_items("PM-1")), [one.clone(), two.clone()]);
        assert_eq!(read(store, |read| read.open_action_items()), [two.clone(), one.clone()], "due first, first");
        assert_eq!(read(store, |read| read.action_item("i2")), Some(two.clone()));
        assert_eq!(read(store, |read| read.action_item("i9")), None);
        let end = |state| {
            store.keep::<_, StoreError>(|tx| tx.end_action_item("i1", state, minute(700), "dana@example.com", "PR 12"))
        };
        end(ItemState::Done).expect("open until now");
        assert!(matches!(end(ItemState::Dropped), Err(StoreError::NotFound)));
        let ended = ActionItem {
            state: ItemState::Done,
            ended_at: Some(minute(700)),
            ended_by: Some("dana@example.com".into()),
            ended_reason: Some("PR 12".into()),
            ..one
        };
        assert_eq!(read(store, |read| read.action_items("PM-1")), [ended, two.clone()]);
        assert_eq!(read(store, |read| read.open_action_items()), [two]);
    });
}
