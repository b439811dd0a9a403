//! An installation in which nothing has happened yet: every place is there and says what to do next.

use crate::support::{Engine, TestApp};
use pushback::domain::access::Role;

#[test]
fn every_place_of_an_empty_installation_is_there_and_says_something() {
    for engine in Engine::BOTH {
        let app = TestApp::start(engine);
        for role in Role::ALL {
            let client = app.signed_in(role);
            for place in [
                "/",
                "/services",
                "/pushes",
                "/flags",
                "/regressions",
                "/signatures",
                "/postmortems",
                "/continued",
                "/people",
                "/account",
                "/words",
            ] {
                let page = client.page(place);
                let main = page.body.split("<main").nth(1).unwrap_or_default();
                let words: String =
                    main.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
                assert!(words.split_whitespace().count() >= 8, "{place} says nothing to a {}: {words}", role.word());
                assert!(!words.contains("NaN") && !words.contains("Some("), "{place}: {words}");
            }
            for gone in [
                "/services/none",
                "/services/none/production",
                "/pushes/none",
                "/regressions/r1",
                "/signatures/none/none",
                "/postmortems/PM-1",
            ] {
                let answer = client.get(gone);
                assert!(answer.status == 404, "{gone} as {}: {}", role.word(), answer.status);
            }
        }
    }
}
