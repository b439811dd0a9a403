//! Services, what was declared of them, settings, outcomes.

use super::{keep, minute, read, record};
use crate::support::on_both;
use pushback::{
    domain::Record,
    store::{StoreError, outcomes::Outcome},
};

#[test]
fn a_service_gets_the_next_project_number_and_keeps_its_key() {
    on_both(|store| {
        assert!(keep(store, |tx| tx.ensure_service("relay", "k1", minute(0))));
        assert!(!keep(store, |tx| tx.ensure_service("relay", "k2", minute(1))));
        assert!(keep(store, |tx| tx.ensure_service("edge", "k3", minute(2))));
        let found = read(store, |read| read.services());
        let short: Vec<(&str, i64, &str)> =
            found.iter().map(|it| (it.service.as_str(), it.project, it.public_key.as_str())).collect();
        assert_eq!(short, [("edge", 2, "k3"), ("relay", 1, "k1")]);
        let after = |name: &str, limit| -> Vec<String> {
            read(store, |read| read.services_after(name, limit)).into_iter().map(|it| it.service).collect()
        };
        assert_eq!(
            (after("", 1), after("edge", 2), after("relay", 2)),
            (vec!["edge".into()], vec!["relay".into()], vec![])
        );
        assert_eq!(found[1].created_at, minute(0));
        assert_eq!(read(store, |read| read.service_by_project(2)).map(|it| it.service), Some("edge".into()));
        assert_eq!(read(store, |read| read.service_by_project(3)), None);
        assert_eq!(read(store, |read| read.service("nobody")), None);
    });
}

#[test]
fn a_later_declaration_replaces_field_by_field() {
    on_both(|store| {
        let declare = |line: &str| {
            let Record::Service(it) = record(line) else { panic!("a service line") };
            keep(store, |tx| {
                tx.ensure_service(&it.service, &it.service, minute(0))?;
                tx.declare(&it)
            })
        };
        let first = r#"{"type":"service","service":"relay","at":"2026-03-02T06:00:00Z","name":"Relay","team":"transport","depends_on":["edge"]}"#;
        assert!(declare(first));
        assert!(!declare(first), "the same again is a repeat");
        assert!(declare(
            r#"{"type":"service","service":"relay","at":"2026-03-02T07:00:00Z","team":"wire","owner":"dana@example.com"}"#
        ));
        let it = read(store, |read| read.service("relay")).expect("declared");
        assert_eq!((it.name.as_deref(), it.team.as_deref()), (Some("Relay"), Some("wire")));
        assert_eq!((it.owner.as_deref(), it.depends_on), (Some("dana@example.com"), vec!["edge".to_owned()]));
    });
}

#[test]
fn tag_names_are_set_on_a_service_that_is_there() {
    on_both(|store| {
        keep(store, |tx| tx.ensure_service("relay", "k", minute(0)));
        keep(store, |tx| tx.set_tag_names("relay", r#"{"cell":"zone"}"#));
        assert_eq!(read(store, |read| read.service("relay")).map(|it| it.tag_names), Some(r#"{"cell":"zone"}"#.into()));
        let nobody = store.keep::<_, StoreError>(|tx| tx.set_tag_names("nobody", "{}"));
        assert!(matches!(nobody, Err(StoreError::NotFound)));
    });
}

#[test]
fn a_setting_is_what_was_set_last() {
    on_both(|store| {
        assert_eq!(read(store, |read| read.setting("epoch")), None);
        keep(store, |tx| tx.set_setting("epoch", "1"));
        keep(store, |tx| tx.set_setting("epoch", "2"));
        assert_eq!(read(store, |read| read.setting("epoch")), Some("2".into()));
    });
}

#[test]
fn outcomes_add_up_over_minutes_and_doors_stay_apart() {
    on_both(|store| {
        let outcome = |door: &str, reason: &str, reports| Outcome {
            service: "relay".into(),
            door: door.into(),
            reason: reason.into(),
            reports,
        };
        for (at, it) in [
            (minute(1), outcome("envelope", "crash", 2)),
            (minute(1), outcome("envelope", "crash", 3)),
            (minute(9), outcome("envelope", "crash", 4)),
            (minute(9), outcome("store", "repeat", 1)),
        ] {
            keep(store, |tx| tx.count_outcome(&it, at));
        }
        let since = |at| read(store, |read| read.outcomes("relay", at));
        assert_eq!(since(minute(0)), [outcome("envelope", "crash", 9), outcome("store", "repeat", 1)]);
        assert_eq!(since(minute(5)), [outcome("envelope", "crash", 4), outcome("store", "repeat", 1)]);
        assert_eq!(read(store, |read| read.outcomes("edge", minute(0))), []);
    });
}
