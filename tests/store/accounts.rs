//! People, sessions, tokens, invitations.

use super::{keep, minute, read};
use crate::support::on_both;
use pushback::{
    domain::access::{Role, Scope},
    store::{
        Store, StoreError,
        accounts::{Invitation, Token},
        people::Person,
    },
};

fn person(name: &str, role: Role) -> Person {
    Person {
        id: format!("p-{name}"),
        email: format!("{name}@example.com"),
        name: name.into(),
        team: Some("transport".into()),
        role,
        password_hash: None,
        auth_epoch: 1,
        created_at: minute(0),
        disabled_at: None,
    }
}

fn add(store: &Store, it: &Person) {
    keep(store, |tx| tx.add_person(it));
}

#[test]
fn a_person_comes_back_as_kept_and_an_address_is_taken_once() {
    on_both(|store| {
        let dana = person("dana", Role::Member);
        add(store, &dana);
        add(store, &person("amir", Role::Viewer));
        assert_eq!(read(store, |read| read.person("p-dana")), Some(dana.clone()));
        assert_eq!(read(store, |read| read.person_by_email("Dana@Example.com")), Some(dana.clone()));
        let people = read(store, |read| read.people());
        assert_eq!(people.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["amir", "dana"]);
        let again = Person { id: "other".into(), ..dana };
        let refused = store.keep::<_, StoreError>(|tx| tx.add_person(&again));
        assert!(matches!(refused, Err(StoreError::Taken(_))), "{refused:?}");
    });
}

#[test]
fn there_is_an_administrator_once_one_can_sign_in() {
    on_both(|store| {
        let has = || read(store, |read| read.has_administrator());
        assert!(!has());
        add(store, &person("lee", Role::Administrator));
        assert!(!has(), "without a password nobody can sign in");
        keep(store, |tx| tx.set_password("p-lee", "hash"));
        assert!(has());
        keep(store, |tx| tx.set_disabled("p-lee", Some(minute(3))));
        assert!(!has());
        let nobody = store.keep::<_, StoreError>(|tx| tx.set_password("nobody", "hash"));
        assert!(matches!(nobody, Err(StoreError::NotFound)));
    });
}

#[test]
fn a_session_dies_with_its_time_its_person_a_new_password_and_a_new_role() {
    on_both(|store| {
        let end = minute(100);
        let kill: [(&str, fn(&Store)); 4] = [
            ("a password", |store| keep(store, |tx| tx.set_password("p-dana", "new"))),
            ("a role", |store| keep(store, |tx| tx.change_person("p-dana", "Dana", None, Role::Auditor))),
            ("shut out", |store| keep(store, |tx| tx.set_disabled("p-dana", Some(minute(5))))),
            ("signed out", |store| keep(store, |tx| tx.end_session(&[7; 32]))),
        ];
        add(store, &person("dana", Role::Member));
        let alive = |now| read(store, |read| read.session(&[7; 32], now));
        for (why, kill) in kill {
            keep(store, |tx| tx.set_disabled("p-dana", None));
            let dana = read(store, |read| read.person("p-dana")).expect("there");
            keep(store, |tx| {
                tx.end_session(&[7; 32])?;
                tx.add_session(&[7; 32], &dana, "csrf", minute(1), end)
            });
            let session = alive(minute(2)).expect("alive");
            assert_eq!((session.person.id.as_str(), session.csrf.as_str()), ("p-dana", "csrf"));
            assert_eq!((session.seen_at, session.expires_at), (minute(1), end));
            assert_eq!(alive(end), None, "over at its end");
            kill(store);
            assert_eq!(alive(minute(2)), None, "{why}");
        }
        assert_eq!(read(store, |read| read.session(&[8; 32], minute(2))), None);
    });
}

#[test]
fn a_name_and_a_team_may_change_without_ending_a_session_and_its_use_is_noted() {
    on_both(|store| {
        let dana = person("dana", Role::Member);
        add(store, &dana);
        keep(store, |tx| tx.add_session(&[7; 32], &dana, "csrf", minute(1), minute(100)));
        keep(store, |tx| tx.change_person("p-dana", "Dana D.", Some("wire"), Role::Member));
        keep(store, |tx| tx.touch_session(&[7; 32], minute(9)));
        let session = read(store, |read| read.session(&[7; 32], minute(10))).expect("alive");
        assert_eq!((session.person.name.as_str(), session.person.team.as_deref()), ("Dana D.", Some("wire")));
        assert_eq!(session.seen_at, minute(9));
    });
}

#[test]
fn a_token_is_found_by_its_hash_and_can_be_taken_back_once() {
    on_both(|store| {
        let token = Token {
            id: "t1".into(),
            name: "relay deploy script".into(),
            prefix: "pb_token_abc".into(),
            scopes: vec![Scope::Push, Scope::Ingest],
            created_by: "console".into(),
            created_at: minute(0),
            expires_at: Some(minute(60)),
            used_at: None,
            revoked_at: None,
        };
        keep(store, |tx| tx.add_token(&token, &[1; 32]));
        keep(store, |tx| tx.add_token(&Token { id: "t2".into(), created_at: minute(1), ..token.clone() }, &[2; 32]));
        assert_eq!(read(store, |read| read.token(&[1; 32])), Some(token.clone()));
        assert_eq!(read(store, |read| read.token(&[3; 32])), None);
        assert!(token.is_valid_at(minute(59)) && !token.is_valid_at(minute(60)));
        let ids: Vec<String> = read(store, |read| read.tokens()).into_iter().map(|it| it.id).collect();
        assert_eq!(ids, ["t2", "t1"]);
        keep(store, |tx| tx.touch_token("t1", minute(2)));
        keep(store, |tx| tx.revoke_token("t1", minute(3)));
        let known = read(store, |read| read.token(&[1; 32])).expect("kept");
        assert_eq!((known.used_at, known.revoked_at), (Some(minute(2)), Some(minute(3))));
        assert!(!known.is_valid_at(minute(4)));
        let again = store.keep::<_, StoreError>(|tx| tx.revoke_token("t1", minute(5)));
        assert!(matches!(again, Err(StoreError::NotFound)));
    });
}

#[test]
fn an_invitation_works_once_and_a_newer_one_ends_it() {
    on_both(|store| {
        add(store, &person("dana", Role::Member));
        for whose in [None, Some("p-dana".to_owned())] {
            let it = Invitation { person: whose, expires_at: minute(90), used_at: None };
            let (old, new) = (
                if it.person.is_some() { [1; 32] } else { [3; 32] },
                if it.person.is_some() { [2; 32] } else { [4; 32] },
            );
            keep(store, |tx| tx.add_invitation(&old, &it, minute(0)));
            keep(store, |tx| tx.add_invitation(&new, &it, minute(1)));
            assert_eq!(read(store, |read| read.invitation(&old)), None);
            assert_eq!(read(store, |read| read.invitation(&new)), Some(it.clone()));
            keep(store, |tx| tx.use_invitation(&new, minute(2)));
            assert_eq!(read(store, |read| read.invitation(&new)).and_then(|it| it.used_at), Some(minute(2)));
            let again = store.keep::<_, StoreError>(|tx| tx.use_invitation(&new, minute(3)));
            assert!(matches!(again, Err(StoreError::NotFound)));
        }
    });
}
