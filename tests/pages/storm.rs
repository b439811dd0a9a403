//! A storm that is only counted: its pages say how many crashed, and never that nothing did.

use crate::support::{Engine, TestApp, at};
use pushback::domain::{access::Role, time};

#[test]
fn a_stretch_of_a_storm_in_which_nothing_was_kept_whole_says_how_many_crashed() {
    for engine in Engine::BOTH {
        let app = TestApp::told(engine);
        let minute = time::micros(at("2026-03-03T07:30:00Z"));
        app.database
            .batch(&format!(
                "insert into crash_minute (service, environment, minute, release, cell, crashes, clients) \
                 values ('relay', 'production', {minute}, 'Z', 'eu-1', 30000, 0); \
                 insert into crash_ten_minutes (service, environment, begins, release, cell, crashes, clients) \
                 values ('relay', 'production', {minute}, 'Z', 'eu-1', 30000, 0)"
            ))
            .expect("a storm");
        let client = app.signed_in(Role::Viewer);
        let list = "/services/relay/production/crashes?from=2026-03-03T07:30:00Z&to=2026-03-03T07:35:00Z";
        let page = client.page(&format!("{list}&release=Z"));
        assert!(page.says("30,000 crash reports came in") && page.says("only counted"), "{}", page.body);
        assert!(!page.says("No crash report"), "{}", page.body);
        assert!(client.page(&format!("{list}&release=Y")).says("No crash report"), "of another release there was none");
        // Crashes of a storm do not say which signature they are of; those to choose from are there all the same.
        let picture = client.page("/services/relay/production");
        assert!(picture.body.contains("signature=") && picture.says("drawn by the minute"), "{}", picture.body);
        // No stretch of it seems empty, however short.
        let within = list.replace("07:30:00Z&to=2026-03-03T07:35:00Z", "07:30:20Z&to=2026-03-03T07:30:40Z");
        assert!(client.page(&format!("{within}&release=Z")).says("30,000 crash reports came in"), "within one minute");
    }
}
