//! The told story, as the server tells it: harm to A before the 10 % step, the push and not its neighbours, each later
//! step a continuation, an ending that is no recovery, and a postmortem whose facts are there already.

use crate::support::{Answer, Client, Engine, TestApp, at, server::PASSWORD};
use pushback::{
    clock::Clock,
    domain::{access::Scope, finding::*, time::Time},
    flows::administer,
    store::Actor,
};

const PUSH: &str = "relay-118";

/// Findings as a program gets them.
fn findings(app: &TestApp) -> Findings {
    let now = Clock::system().now();
    let (_, token) =
        administer::create_token(&app.store, &Actor::console(), "console", "reader", &[Scope::Read], None, now)
            .expect("a token");
    let answer = Client::with_token(&app.base, &token).get("/api/v1/findings").expect(200);
    serde_json::from_str(&answer.body).expect("findings in their public form")
}

fn blamed_on(findings: &Findings, id: &str) -> Vec<Regression> {
    let blamed = |it: &&Regression| it.withdrawn.is_none() && it.blamed().is_some_and(|suspect| suspect.id == id);
    findings.regressions.iter().filter(blamed).cloned().collect()
}

fn harm_to_a(findings: &Findings) -> Regression {
    let found = blamed_on(findings, PUSH);
    let harm = found.iter().find(|it| it.service == "relay").expect("harm to relay");
    harm.clone()
}

fn step(text: &str) -> Time {
    at(&format!("2026-03-03T{text}Z"))
}

#[test]
fn the_story_is_told_as_it_happened_on_both_engines() {
    for engine in Engine::BOTH {
        let app = TestApp::told(engine);
        let findings = findings(&app);
        let harm = harm_to_a(&findings);
        assert_eq!(harm.kind, Kind::Collateral);
        assert_eq!(harm.victims, [Victim { release: "A".into() }]);
        assert!(harm.onset.at <= harm.detected_at);
        assert!(harm.onset.earliest <= step("01:20:00") && step("01:11:17") <= harm.onset.latest, "{:?}", harm.onset);
        assert!(harm.detected_at < step("02:59:42"), "detected only at {}", harm.detected_at);
        assert_eq!(harm.ended_because, Some(Ending::VictimsGone));
        let ended = harm.ended_at.expect("ended");
        assert!(step("06:40:00") < ended && ended < step("07:05:00"), "{ended}");
        assert!(harm.rate_ratio.low > 1.0 && harm.excess_crashes.low > 50.0, "{harm:?}");

        // The neighbours: a healthy push, a harmless flag change, an outage the day before.
        for decoy in ["billing-77", "blue-buttons-1", "blue-buttons-2"] {
            assert_eq!(blamed_on(&findings, decoy), [], "{decoy} did nothing");
        }
        // The push that did harm itself the day before is not let off for that.
        assert!(blamed_on(&findings, "sync-64").iter().all(|it| it.kind == Kind::Itself && it.service == "sync"));

        let steps: Vec<&Continuation> = findings.continuations.iter().filter(|it| it.regression == harm.id).collect();
        let short: Vec<(Time, Option<f64>)> = steps.iter().map(|it| (it.step_at, it.percent)).collect();
        let expected = [
            ("01:59:11", 5.0),
            ("02:59:42", 10.0),
            ("04:09:26", 25.0),
            ("05:22:08", 50.0),
            ("05:50:33", 75.0),
            ("06:14:05", 100.0),
        ]
        .map(|(text, percent)| (step(text), Some(percent)));
        assert_eq!(short, expected, "each step after the first went on");
        assert!(steps.iter().all(|it| it.actor == "dana@example.com" && it.push.as_deref() == Some(PUSH)));
        let known: Vec<Known> = steps.iter().map(|it| it.known).collect();
        assert!(known.is_sorted(), "{known:?}");
        assert_eq!(known[1], Known::Detected, "at 10 % it was on the page");
        assert_eq!(known[2], Known::Seen, "at 25 % she had it open since 03:58");
        assert_eq!(known[3..], [Known::Overrode; 3], "the gate said stop, then Lee held it");
        let gates: Vec<Decision> = findings.gates.iter().filter(|it| it.push == PUSH).map(|it| it.decision).collect();
        assert_eq!(gates.len(), 7, "a gate would have answered at each step");
        assert_eq!(gates[3..], [Decision::Stop; 4], "from 25 % on, stop");
        let neighbour = findings.gates.iter().filter(|it| it.push == "billing-77");
        assert!(neighbour.clone().count() > 2 && neighbour.clone().all(|it| it.decision != Decision::Stop));
    }
}

/// Reads a page with a form, and sends the form of that action with these fields.
fn submit(client: &Client, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
    let shown = client.page(page);
    assert!(shown.body.contains(&format!("action=\"{action}\"")), "{page} has no form for {action}");
    let csrf = shown.csrf();
    client.post(action, &[&[("csrf", csrf.as_str())], fields].concat())
}

#[test]
fn from_a_regression_to_a_published_postmortem_on_both_engines() {
    for engine in Engine::BOTH {
        let app = TestApp::told(engine);
        let harm = harm_to_a(&findings(&app));
        let client = app.client();
        client.sign_in("lee@example.com", PASSWORD);
        let open = format!("/regressions/{}/incident", harm.id);
        let opened = submit(&client, "/postmortems", &open, &[]).expect(303);
        let report = opened.header("location").expect("its page").to_owned();
        assert!(report.starts_with("/postmortems/PM-"), "{report}");

        // The facts wrote themselves: who, what, when, with the numbers and both words for the ending.
        let draft = client.page(&report);
        for fact in [
            PUSH,
            "dana@example.com",
            "collateral",
            "not a recovery",
            "draft",
            "relay",
            "The sooner A is gone, the sooner it stops.",
        ] {
            assert!(draft.says(fact), "the draft does not say {fact:?}");
        }
        let edit = format!("{report}/edit");
        let form = client.page(&edit);
        let seen = field(&form, "seen");
        let (title, severity) = (field(&form, "title"), "SEV2");
        assert!(!title.is_empty() && !title.contains("Dana"), "{title}");
        let words = "B sent frames that A could not read. <script>alert(1)</script> **Every** A that met a B died.";
        let written = [
            ("csrf", form.csrf()),
            ("seen", seen.clone()),
            ("act", "save".to_owned()),
            ("title", title),
            ("severity", severity.to_owned()),
            ("owner", "dana@example.com".to_owned()),
            ("summary", words.to_owned()),
            ("causes", "- A read frames without checking their length.\n- B was clean on every graph.".to_owned()),
        ];
        let written: Vec<(&str, &str)> = written.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.post(&edit, &written).expect(303);
        let page = client.page(&report);
        assert!(page.body.contains("<strong>Every</strong>"), "Markdown is shown as such");
        assert!(!page.body.contains("<script>alert"), "what people write is cleaned");
        // Somebody who still has the old form open overwrites nothing.
        let late = client.post(&edit, &written).expect(409);
        assert!(late.says("saved revision") && late.says("B sent frames"), "{}", late.body);

        let status = format!("{report}/status");
        let now_seen = field(&client.page(&report), "seen");
        let stale = submit(&client, &report, &status, &[("next", "published"), ("seen", &seen)]);
        assert_eq!(stale.status, 409, "what was not read is not published");
        submit(&client, &report, &status, &[("next", "published"), ("seen", &now_seen)]).expect(303);
        assert!(client.page(&report).says("published"));
        assert!(client.page("/postmortems?status=published").body.contains(&format!("href=\"{report}\"")));
        assert!(!client.page("/postmortems?status=draft").body.contains(&format!("href=\"{report}\"")));
        let locked = client.post(&edit, &written);
        assert!([409, 422].contains(&locked.status), "a published text stands: {}", locked.status);
        let markdown = client.page(&format!("{report}.md"));
        assert!(
            markdown.header("content-type").is_some_and(|kind| kind.contains("markdown")),
            "{:?}",
            markdown.headers
        );
        assert!(markdown.body.contains("**Every** A that met a B died.") && markdown.body.contains(PUSH));
        let revisions = client.page(&format!("{report}/revisions"));
        assert!(revisions.body.contains(&format!("{report}/revisions/1")), "{}", revisions.body);
    }
}

/// The value of a form's field.
fn field(page: &Answer, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.body.split_once(&start).unwrap_or_else(|| panic!("no field {name}: {}", page.body));
    rest.split('"').next().unwrap_or_default().to_owned()
}
