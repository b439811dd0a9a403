//! The told story, read as it was known while it went on.

use super::{
    asked::{Asked, Query},
    drawn::{Links, Roles, facts},
    events::events,
    loaded::Loaded,
};
use crate::{
    demo,
    domain::{Time, time},
    store::Store,
    timeline::{self, Width},
};

fn at(text: &str) -> Time {
    time::parse(text).expect("valid")
}

fn load(store: &Store, query: &str) -> (Loaded, Asked) {
    let query = actix_web::web::Query::<Query>::from_query(query).expect("valid").into_inner();
    let asked = Asked::read(super::path("relay", "production"), query).expect("valid");
    let now = at(demo::NOW);
    let loaded = store.read(|read| Loaded::read(read, "relay", "production", &asked, now)).expect("readable");
    (loaded, asked)
}

/// Everything that the picture, the table and the sentence say, as one text.
fn everything(loaded: &Loaded, asked: &Asked) -> String {
    let roles = Roles::of(loaded);
    let links = Links { site: String::new(), page: String::new() };
    let facts = facts(loaded, asked, &roles, None, &links);
    let mut said = timeline::service(&facts, Width::Wide, &asked.marks.show());
    for it in events(loaded, asked.marks, &roles) {
        said.push_str(&format!(
            "\n{} {}{}{} {} {}",
            it.at.format("%H:%M"),
            it.before,
            it.link,
            it.after,
            it.words,
            it.who
        ));
    }
    let told = loaded.leading().expect("a regression is told");
    said + "\n" + &told.sentence(&|at| at.format("%H:%M").to_string())
}

#[test]
fn what_was_known_at_an_instant_holds_nothing_later_and_no_word_that_knows_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite:{}", folder.path().join("told.sqlite3").display())).expect("a store");
    demo::load(&store).expect("the story loads");

    let (now, asked) = load(&store, "from=2026-03-03T00:00:00Z&to=2026-03-03T08:00:00Z");
    let said = everything(&now, &asked);
    for word in ["04:09", "victims gone", "because no A was left", "Last step.", "Please stop and look"] {
        assert!(said.contains(word), "now: {word}");
    }

    let (then, asked) = load(&store, "from=2026-03-03T00:00:00Z&to=2026-03-03T08:00:00Z&at=2026-03-03T02:59:41Z");
    let said = everything(&then, &asked);
    for word in ["02:59", "04:09", "05:22", "06:48", "07:05"] {
        let found = said.lines().skip(1).find(|line| line.starts_with(word));
        // 02:59 itself holds what came before the step at 02:59:42.
        assert!(found.is_none_or(|line| !line.contains("Advance")), "{found:?}");
    }
    for word in ["25 %", "victims gone", "no A was left", "ast step.", "Please stop", "extinct", "recovery", "mended"] {
        assert!(!said.contains(word), "then: {word}");
    }
    assert!(then.exposures.iter().all(|it| it.received_at <= asked.at.expect("given")));
    assert!(then.told.iter().all(|told| told.regression.id != "r2" || told.goes_on()));
    assert!(!then.baselines_then().is_empty(), "a release's past is read from what had arrived");
    assert_eq!(then.next_step, Some(at("2026-03-03T02:59:42Z")));

    // Before anything had been said, nothing is said.
    let (before, _) = load(&store, "from=2026-03-03T00:00:00Z&to=2026-03-03T08:00:00Z&at=2026-03-03T01:30:00Z");
    assert!(before.told.iter().all(|told| told.regression.id == "r1"));
}
