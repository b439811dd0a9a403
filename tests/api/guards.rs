//! What guards a push beside the judge: the policy of its service, pairs of releases, and the way back to a release marked as bad.

use super::scopes::token;
use crate::support::{Client, Engine, TestApp};
use pushback::{
    domain::access::{Role, Scope},
    flows::change_push,
    store::Actor,
};
use serde_json::{Value, json};

/// What the gate answers, in sentences.
fn because(script: &Client, push: &str, query: &str) -> (String, String) {
    let answer = script.page(&format!("/api/v1/pushes/{push}/gate{query}")).json();
    let reasons = answer["because"].as_array().expect("reasons").iter().filter_map(Value::as_str);
    (answer["decision"].as_str().expect("a decision").to_owned(), reasons.collect::<Vec<_>>().join(" "))
}

fn begin(script: &Client, push: &str, release: &str, previous: &str, kind: &str) {
    let begun = json!({ "push": push, "service": "relay", "release": release, "previous": previous, "kind": kind });
    script.post_json("/api/v1/pushes", &begun).expect(201);
}

#[test]
fn every_rule_of_the_policy_holds_a_push_with_its_sentence() {
    for engine in Engine::BOTH {
        let app = TestApp::start(engine);
        let (admin, script) = (token(&app, Scope::Admin), token(&app, Scope::Push));
        begin(&script, "relay-1", "B", "A", "deploy");
        let set = |policy: Value| admin.post_json("/api/v1/services/relay/policy", &policy).expect(200).json();
        let kept = set(json!({ "largest_step": 10, "needs_pair_test": true, "rule_out": 3 }));
        assert_eq!((&kept["largest_step"], &kept["rule_out"]), (&json!(10.0), &json!(3.0)));
        assert_eq!(admin.page("/api/v1/services/relay/policy").json(), kept);
        assert_eq!(admin.page("/api/v1/services").json()["services"][0]["policy"], kept);

        let (decision, why) = because(&script, "relay-1", "?percent=25");
        assert_eq!(decision, "hold", "{why}");
        assert!(why.contains("Go to 10 % first."), "{why}");
        assert!(why.contains("Nobody has tested B beside A"), "{why}");
        assert!(!because(&script, "relay-1", "?percent=10").1.contains("first."), "ten points are allowed");

        set(json!({ "bake_minutes": 60 }));
        script.post_json("/api/v1/pushes/relay-1/steps", &json!({ "action": "advance", "percent": 5 })).expect(201);
        let (decision, why) = because(&script, "relay-1", "");
        assert!(decision == "hold" && why.contains("This step bakes until"), "{decision} {why}");

        set(json!({ "hours": { "days": ["mon"], "from": "00:00", "until": "00:01" } }));
        let (decision, why) = because(&script, "relay-1", "");
        assert!(decision == "hold" && why.contains("This service is pushed mon, 00:00 to 00:01 UTC only."), "{why}");

        // The way back is asked for none of it.
        begin(&script, "relay-2", "A", "B", "rollback");
        assert!(!because(&script, "relay-2", "").1.contains("only."), "a rollback keeps no hours");
        script.get("/api/v1/pushes/relay-1/gate?percent=101").expect(400);
    }
}

#[test]
fn a_policy_that_makes_no_sense_is_refused_in_sentences_and_the_old_one_stays() {
    let app = TestApp::start(Engine::Sqlite);
    let (admin, script) = (token(&app, Scope::Admin), token(&app, Scope::Push));
    admin.post_json("/api/v1/services/relay/policy", &json!({})).expect(404);
    begin(&script, "relay-1", "B", "A", "deploy");
    admin.post_json("/api/v1/services/relay/policy", &json!({ "bake_minutes": 30 })).expect(200);
    for (body, words) in [
        (json!({ "bake_minutes": -1 }), "bake_minutes"),
        (json!({ "largest_step": 0 }), "largest_step"),
        (json!({ "rule_out": 1 }), "rule_out"),
        (json!({ "hours": { "days": ["mon"], "from": "25:00", "until": "26:00" } }), "08:30"),
        (json!({ "bake": 30 }), "bake"),
    ] {
        let refused = admin.post_json("/api/v1/services/relay/policy", &body).expect(422);
        assert!(refused.body.contains(words), "{}", refused.body);
    }
    assert_eq!(admin.page("/api/v1/services/relay/policy").json()["bake_minutes"], json!(30.0));
}

#[test]
fn a_pair_that_is_known_to_be_lethal_holds_every_push_that_brings_it_about() {
    for engine in Engine::BOTH {
        let app = TestApp::start(engine);
        let script = token(&app, Scope::Push);
        begin(&script, "relay-1", "B", "A", "deploy");
        let pair = |verdict: &str, note: &str| json!({ "service": "relay", "release": "A", "peer_release": "B", "verdict": verdict, "note": note, "url": "https://ci.example.com/1" });
        script.post_json("/api/v1/pairs", &pair("no_harm_seen", "an hour in the lab")).expect(201);
        assert!(!because(&script, "relay-1", "").1.contains("known to be"));
        let told = script.post_json("/api/v1/pairs", &pair("lethal", "A dies on B's frames")).expect(201).json();
        assert_eq!((&told["verdict"], &told["actor"]), (&json!("lethal"), &json!("push")));
        let (decision, why) = because(&script, "relay-1", "");
        assert!(
            decision == "hold" && why.contains("B beside A is known to be lethal: push reported: A dies on"),
            "{why}"
        );
        let reader = token(&app, Scope::Read);
        let listed = reader.page("/api/v1/pairs?service=relay").json();
        let verdicts: Vec<&str> =
            listed["pairs"].as_array().expect("pairs").iter().filter_map(|it| it["verdict"].as_str()).collect();
        assert_eq!(verdicts, ["lethal", "no_harm_seen"], "newest first");
        for (body, words) in [
            (json!({}), "verdict"),
            (
                json!({ "service": "relay", "release": "A", "peer_release": "A", "verdict": "lethal" }),
                "another release",
            ),
            (json!({ "service": "relay", "release": "A", "peer_release": "B", "verdict": "fine" }), "no_harm_seen"),
            (
                json!({ "service": "relay", "release": "A", "peer_release": "B", "verdict": "lethal", "url": "ftp://x" }),
                "https://",
            ),
            (
                json!({ "service": "relay", "release": "A", "peer_release": "B", "verdict": "lethal", "peer": 1 }),
                "peer: not a field",
            ),
        ] {
            let refused = script.post_json("/api/v1/pairs", &body).expect(422);
            assert!(refused.body.contains(words), "{}", refused.body);
        }
    }
}

#[test]
fn what_was_observed_is_known_of_a_pair_too() {
    let app = TestApp::told(Engine::Sqlite);
    let reader = token(&app, Scope::Read);
    let listed = reader.page("/api/v1/pairs?service=relay").json();
    let seen = &listed["pairs"][0];
    assert_eq!(
        (&seen["release"], &seen["peer_release"], &seen["verdict"]),
        (&json!("B"), &json!("A"), &json!("lethal"))
    );
    assert_eq!(seen["regression"], "r2");
    let script = token(&app, Scope::Push);
    begin(&script, "relay-119", "B", "A", "deploy");
    let (_, why) = because(&script, "relay-119", "");
    assert!(why.contains("B beside A is known to be lethal: r2 showed it."), "{why}");
    let person = app.signed_in(Role::Member);
    let page = person.page("/services/relay/guards");
    assert!(page.says("lethal") && page.body.contains("/regressions/r2"), "{}", page.body);
}

#[test]
fn nobody_goes_back_to_a_bad_release_without_saying_why() {
    for engine in Engine::BOTH {
        let app = TestApp::start(engine);
        let script = token(&app, Scope::Push);
        begin(&script, "relay-1", "B", "A", "deploy");
        begin(&script, "relay-2", "C", "B", "deploy");
        let now = pushback::clock::Clock::system().now();
        change_push::mark_bad(&app.store, &Actor::console(), "dana", "relay-1", "It kills A.", now).expect("marked");

        let back = |over: Option<&str>| json!({ "push": "relay-3", "service": "relay", "release": "B", "previous": "C", "kind": "rollback", "override": over });
        for over in [None, Some("  ")] {
            let refused = script.post_json("/api/v1/pushes", &back(over)).expect(422);
            assert!(
                refused.body.contains("B is no way back") && refused.body.contains("It kills A."),
                "{}",
                refused.body
            );
        }
        script.get("/api/v1/pushes/relay-3").expect(404);
        let step = |over: Option<&str>| json!({ "action": "roll_back", "percent": 0, "override": over });
        script.post_json("/api/v1/pushes/relay-2/steps", &step(None)).expect(422);
        assert_eq!(script.page("/api/v1/pushes/relay-2").json()["state"], "under_way");

        // What was taken before the mark and is sent again, as after a broken connection, is a repeat.
        let early = json!({ "push": "relay-0", "service": "relay", "release": "C", "kind": "rollback", "at": "2026-03-03T01:00:00Z" });
        script.post_json("/api/v1/pushes", &early).expect(201);
        change_push::mark_bad(&app.store, &Actor::console(), "dana", "relay-2", "It leaks.", now).expect("marked");
        script.post_json("/api/v1/pushes", &early).expect(200);

        script.post_json("/api/v1/pushes/relay-2/steps", &step(Some("No A is left to kill."))).expect(201);
        script.post_json("/api/v1/pushes", &back(Some("No A is left to kill."))).expect(201);
        assert_eq!(script.page("/api/v1/pushes/relay-2").json()["state"], "rolled_back");
        let history = script.page("/api/v1/history").body;
        let kept = history.lines().filter(|line| line.contains(r#""override":"No A is left to kill.""#)).count();
        assert_eq!(kept, 2, "{history}");
        let entries =
            app.store.read::<_, pushback::store::StoreError>(|read| read.ledger_entries(0, 100)).expect("the ledger");
        let words = |kind: &str| {
            entries.iter().any(|it| {
                it.entry.kind == kind
                    && it
                        .sealed
                        .as_ref()
                        .is_some_and(|it| String::from_utf8_lossy(&it.payload).contains("No A is left to kill."))
            })
        };
        assert!(words("push.roll_back") && words("push.start"), "the ledger has the words");
        let person = app.signed_in(Role::Member);
        for push in ["relay-2", "relay-3"] {
            assert!(person.page(&format!("/pushes/{push}")).says("No A is left to kill."), "{push}");
        }
    }
}

#[test]
fn the_rules_are_set_on_a_page_and_mistakes_are_shown_beside_what_was_typed() {
    let app = TestApp::told(Engine::Sqlite);
    let admin = app.signed_in(Role::Administrator);
    let secret = admin.page("/services/relay/guards").csrf();
    let send = |fields: &[(&str, &str)]| {
        let all: Vec<(&str, &str)> = [("csrf", secret.as_str())].into_iter().chain(fields.iter().copied()).collect();
        admin.post("/services/relay/guards/policy", &all)
    };
    let refused = send(&[("bake_minutes", "soon"), ("from", "08:00"), ("rule_out", "5")]).expect(422);
    assert!(refused.says("Bake time: a number was expected") && refused.says("belong together"), "{}", refused.body);
    assert!(refused.body.contains(r#"value="soon""#), "what was typed is still there");
    send(&[
        ("bake_minutes", "45"),
        ("largest_step", "25"),
        ("day[]", "mon"),
        ("day[]", "tue"),
        ("from", "08:00"),
        ("until", "16:00"),
        ("rule_out", "4"),
        ("needs_pair_test", "yes"),
    ])
    .expect(303);
    let page = admin.page("/services/relay/guards");
    assert!(page.says("Every step runs 45 minutes before the next."), "{}", page.body);
    assert!(page.says("Pushes go on mon tue, 08:00 to 16:00 UTC only."), "{}", page.body);
    let report = [
        ("csrf", secret.as_str()),
        ("release", "C"),
        ("peer_release", "B"),
        ("verdict", "no_harm_seen"),
        ("note", "lab"),
    ];
    admin.post("/services/relay/guards/pairs", &report).expect(303);
    assert!(admin.page("/services/relay/guards").says("no harm seen"));
}

#[test]
fn what_each_step_could_have_shown_is_told_on_the_page_and_by_the_api() {
    let app = TestApp::told(Engine::Sqlite);
    let told = token(&app, Scope::Read).page("/api/v1/pushes/relay-118").json();
    let power = told["power"].as_array().expect("power");
    assert_eq!(power.len(), 7, "one for each step that raised the share: {power:?}");
    let own = |index: usize| power[index]["own"].as_f64();
    assert!(own(0).is_none_or(|ratio| ratio > 20.0), "one percent for an hour shows next to nothing: {:?}", own(0));
    assert!(power.iter().any(|it| it["beside"].as_f64().is_some_and(|ratio| ratio < 10.0)), "{power:?}");
    let person = app.signed_in(Role::Member);
    assert!(person.page("/pushes/relay-118").says("What each step could have shown"));
}

#[test]
fn every_way_on_is_priced_in_crashes_and_clients_before_each_step_and_now() {
    let app = TestApp::told(Engine::Sqlite);
    let told = token(&app, Scope::Read).page("/api/v1/regressions/r2").json();
    let paths = told["paths"].as_array().expect("paths");
    let before = paths.iter().filter(|it| it["asked"] == "before_step").count();
    assert!(before >= 4 && paths.last().is_some_and(|it| it["asked"] == "now"), "{paths:?}");
    for it in paths {
        for way in ["going_on", "freezing", "rolling_back"] {
            for what in ["crashes", "clients"] {
                let cost = &it["paths"][way][what];
                let figure = |name: &str| cost[name].as_f64().unwrap_or(-1.0);
                assert!(figure("low") >= 0.0 && figure("low") <= figure("high"), "{way} {what}: {cost}");
            }
        }
        assert!(it["paths"]["way_back"].is_string() && !it["paths"]["assumptions"][0].is_null());
    }
    let page = app.signed_in(Role::Member).page("/pushes/relay-118");
    assert!(page.says("In clients dropped: rolling back"), "{}", page.body);
}
