//! What somebody did, and finding things by a few letters, in the told story.

use super::{keep, minute, read};
use crate::support::{Engine, TestDatabase};
use pushback::{
    domain::push::PushState,
    store::{Store, actors::Hit},
};

fn in_the_story(test: impl Fn(&Store)) {
    for engine in Engine::BOTH {
        println!("on {engine:?}");
        let database = TestDatabase::told(engine);
        test(&database.open());
    }
}

#[test]
fn what_a_person_did_is_found_newest_first() {
    in_the_story(|store| {
        let dana = "dana@example.com";
        let pushes = read(store, |read| read.pushes_of_actor(dana, 9));
        let short: Vec<(&str, PushState)> = pushes.iter().map(|(push, state)| (push.push.as_str(), *state)).collect();
        assert_eq!(short, [("relay-118", PushState::UnderWay)]);
        assert_eq!(read(store, |read| read.step_counts_of_actor(dana)), (7, 0));
        assert_eq!(read(store, |read| read.step_counts_of_actor("kim@example.com")), (0, 2));
        let changes = read(store, |read| read.flag_changes_of_actor("kim@example.com", 1));
        assert_eq!(changes.iter().map(|it| it.change.as_str()).collect::<Vec<_>>(), ["blue-buttons-2"]);
        let holds = read(store, |read| read.holds_of_actor("lee@example.com"));
        assert_eq!(holds.len(), 1);
        assert!(holds[0].push == "relay-118" && holds[0].reason.contains("edge loses clients"), "{holds:?}");
        assert_eq!(holds, read(store, |read| read.holds_of("relay-118")));
        let replies = read(store, |read| read.replies_of_person(dana));
        assert!(replies.len() == 2 && replies[0].at > replies[1].at, "{replies:?}");
        let actors = read(store, |read| read.actors());
        assert_eq!(actors, ["dana@example.com", "jo@example.com", "kim@example.com", "sam@example.com"]);
        assert_eq!(read(store, |read| read.pushes_of_actor("nobody", 9)), []);
    });
}

#[test]
fn things_are_found_by_a_few_letters_of_any_case() {
    in_the_story(|store| {
        let names = |hits: Vec<Hit>| hits.into_iter().map(|hit| hit.name).collect::<Vec<_>>();
        assert_eq!(names(read(store, |read| read.find_pushes("RELAY-1", 9))), ["relay-118"]);
        assert_eq!(names(read(store, |read| read.find_pushes("r410", 9))), ["billing-77"], "by its release");
        assert_eq!(names(read(store, |read| read.find_flags("Blue", 9))), ["blue-buttons"]);
        let contact = names(read(store, |read| read.find_signatures("frame_decode", 9)));
        assert!(contact.len() == 1 && contact[0].starts_with("SIGSEGV | frame_decode"), "{contact:?}");
        let found = read(store, |read| read.find_regressions("relay-118", 9));
        assert!(!found.is_empty() && found.iter().any(|hit| hit.service == "relay"), "{found:?}");
        let first = &found[0].name;
        assert_eq!(names(read(store, |read| read.find_regressions(&first.to_uppercase(), 9)))[0], *first, "by its id");
        assert_eq!(read(store, |read| read.find_incidents("PM", 9)), []);
        for wild in ["%", "_%_", "\\"] {
            assert_eq!(read(store, |read| read.find_pushes(wild, 9)), [], "{wild} is a letter and no wildcard");
        }
    });
}

#[test]
fn an_incident_and_its_item_are_found() {
    in_the_story(|store| {
        let by = super::tester();
        let id = read(store, |read| read.regressions_blamed_on("relay-118"))[0].finding.id.clone();
        let it = pushback::flows::incident::open_from_regression(store, &by, "lee@example.com", &id, minute(500))
            .expect("opened");
        let found = read(store, |read| read.find_incidents(&it.title[..6].to_uppercase(), 9));
        assert_eq!(found, [Hit { service: "relay".into(), name: it.id.clone(), about: it.title.clone() }]);
        assert_eq!(read(store, |read| read.incidents_of(&id)), [it]);
    });
}

#[test]
fn what_is_open_and_what_several_changes_are_blamed_for_is_asked_in_one_go() {
    in_the_story(|store| {
        let open = read(store, |read| read.open_regressions());
        assert!(open.iter().all(|it| it.is_open()));
        assert!(open.iter().any(|it| it.finding.service == "relay" && it.finding.blamed().is_some()));
        let all = read(store, |read| read.regressions(1000));
        assert_eq!(open.len(), all.iter().filter(|it| it.is_open()).count());
        let both = ["relay-118".to_owned(), "sync-64".to_owned()];
        let blamed = read(store, |read| read.regressions_blamed_on_any(&both));
        let one_by_one: usize =
            both.iter().map(|change| read(store, |read| read.regressions_blamed_on(change)).len()).sum();
        assert!(one_by_one > 0 && blamed.len() == one_by_one, "{} of {one_by_one}", blamed.len());
        assert_eq!(read(store, |read| read.regressions_blamed_on_any(&[])), []);
        keep(store, |tx| tx.set_risk_owner(&open[0].finding.id, "dana@example.com"));
        assert_eq!(read(store, |read| read.open_regressions()).len(), open.len(), "minded is not closed");
    });
}
