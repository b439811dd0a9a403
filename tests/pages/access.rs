//! Who may open what and who may send which form: one table, held against every route that there is.

use super::routes::{Route, routes};
use crate::support::{Client, Engine, TestApp, at, server::PASSWORD};
use pushback::{
    domain::access::{Act, Role},
    store::StoreError,
};

/// Routes that anybody may use.
const OPEN: [&str; 6] = ["/sign-in", "/welcome/{link}", "/assets/{version}/{name}", "/healthz", "/readyz", "/metrics"];

/// Forms and pages that ask for more than being signed in, by the start of their pattern.
const NEEDS: [(&str, &str, Act); 18] = [
    ("post", "/sign-out", Act::Read),
    ("post", "/account/password", Act::Read),
    ("post", "/pushes/{push}/reply", Act::Read),
    ("post", "/pushes/{push}/hold", Act::Hold),
    ("post", "/pushes/{push}/bad", Act::Record),
    ("post", "/holds", Act::Hold),
    ("post", "/regressions/{regression}/risk", Act::Write),
    ("post", "/regressions/{id}/incident", Act::Write),
    ("post", "/postmortems", Act::Write),
    ("post", "/start/service", Act::Administer),
    ("post", "/services/{service}/guards/pairs", Act::Record),
    ("post", "/services", Act::Administer),
    ("post", "/settings", Act::Administer),
    ("get", "/settings", Act::Administer),
    ("get", "/postmortems/new", Act::Write),
    ("get", "/postmortems/{id}/edit", Act::Write),
    ("get", "/continued.", Act::Export),
    ("get", "/pushes/{push}/steps.csv", Act::Export),
];

fn needs(route: &Route) -> Act {
    let listed = NEEDS.iter().find(|(method, start, _)| *method == route.method && route.pattern.starts_with(start));
    match listed {
        Some((_, _, act)) => *act,
        None if route.method == "get" => Act::Read,
        None => panic!("{} {} is in no table of who may: add it to NEEDS", route.method, route.pattern),
    }
}

fn is_open(route: &Route) -> bool {
    OPEN.contains(&route.pattern.as_str())
}

/// The secret of this person's forms, also where no page shows them one.
fn secret(app: &TestApp, client: &Client) -> String {
    let cookie = client.cookie("pushback").expect("signed in");
    let now = at(pushback::demo::NOW);
    let session = app.store.read::<_, StoreError>(|read| read.session(&pushback::secret::hash(&cookie), now));
    session.expect("read").expect("a session").csrf
}

/// Somebody of each role in the told story, signed in.
fn everybody(app: &TestApp) -> Vec<(Role, Client)> {
    let people = [
        (Role::Viewer, "amir@example.com"),
        (Role::Member, "sam@example.com"),
        (Role::Auditor, "priya@example.com"),
        (Role::Administrator, "lee@example.com"),
    ];
    let sign_in = |(role, email)| {
        let client = app.client();
        client.sign_in(email, PASSWORD);
        (role, client)
    };
    people.map(sign_in).into_iter().collect()
}

#[test]
fn nobody_gets_in_without_signing_in() {
    let app = TestApp::told(Engine::Sqlite);
    let stranger = app.client();
    for route in routes().iter().filter(|route| !is_open(route)) {
        let (pattern, path) = (&route.pattern, &route.path);
        if route.method == "get" {
            let answer = stranger.get(path);
            // An address that cannot be read is refused before anybody asks who is there.
            if answer.status == 400 {
                assert!(
                    !answer.body.contains("relay-118") && !answer.body.contains("csrf"),
                    "{pattern}: {}",
                    answer.body
                );
                continue;
            }
            assert_eq!(answer.status, 303, "{pattern}: {}", answer.body);
            let to = answer.header("location").expect("somewhere");
            assert!(to.starts_with("/sign-in?to="), "{pattern}: {to}");
            assert!(answer.body.is_empty(), "{pattern} shows something to a stranger");
        } else {
            let answer = stranger.post(path, &[("csrf", "0123456789abcdef0123456789abcdef")]);
            assert!([401, 403].contains(&answer.status), "{pattern}: {}", answer.status);
        }
    }
}

#[test]
fn each_role_may_do_what_the_table_says_and_nothing_else() {
    let app = TestApp::told(Engine::Sqlite);
    for (role, client) in everybody(&app) {
        let csrf = secret(&app, &client);
        for route in routes().iter().filter(|route| !is_open(route) && route.pattern != "/sign-out") {
            let (pattern, path) = (&route.pattern, &route.path);
            let answer = match route.method {
                "get" => client.get(path),
                _ => client.post(path, &[("csrf", &csrf)]),
            };
            let what = format!("{} {pattern} as {}: {}", route.method, role.word(), answer.status);
            if role.may(needs(route)) {
                assert!(![401, 403].contains(&answer.status), "{what}");
            } else {
                assert_eq!(answer.status, 403, "{what}");
                assert!(answer.says(&format!("you are here as {}", role.word())), "{what} does not say why");
            }
            assert!(answer.status < 500, "{what}: {}", answer.body);
        }
    }
}

#[test]
fn a_form_without_its_secret_or_from_another_site_does_nothing() {
    let app = TestApp::told(Engine::Sqlite);
    let client = app.client();
    client.sign_in("lee@example.com", PASSWORD);
    let csrf = secret(&app, &client);
    let entries = || app.store.read::<_, StoreError>(|read| read.ledger_head()).expect("a head");
    let before = entries();
    for route in routes().iter().filter(|route| route.method == "post" && !is_open(route)) {
        let (pattern, path) = (&route.pattern, &route.path);
        for wrong in ["", "0123456789abcdef0123456789abcdef"] {
            assert_eq!(client.post(path, &[("csrf", wrong)]).status, 403, "{pattern} with {wrong:?}");
        }
        assert_eq!(client.post(path, &[]).status, 403, "{pattern} without");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for elsewhere in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let headers = [form[0], elsewhere];
            let answer = client.send("POST", path, &headers, format!("csrf={csrf}").as_bytes());
            assert_eq!(answer.status, 403, "{pattern} from {elsewhere:?}");
        }
    }
    assert_eq!(entries(), before, "something was done all the same");
    client.page("/");
}

#[test]
fn signing_in_from_another_site_is_refused_too() {
    let app = TestApp::told(Engine::Sqlite);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let body = format!("email=lee%40example.com&password={}&to=%2F", PASSWORD.replace(' ', "+"));
    let answer = app.client().send("POST", "/sign-in", &headers, body.as_bytes());
    assert_eq!((answer.status, answer.header("set-cookie")), (403, None));
}

#[test]
fn looking_changes_nothing_but_the_note_that_somebody_looked() {
    let app = TestApp::told(Engine::Sqlite);
    let client = app.client();
    client.sign_in("lee@example.com", PASSWORD);
    let head = || app.store.read::<_, StoreError>(|read| read.ledger_head()).expect("a head");
    let before = head();
    for route in routes().iter().filter(|route| route.method == "get") {
        client.get(&route.path);
    }
    assert_eq!(head(), before, "a GET left an entry in the ledger");
}

#[test]
fn a_person_who_is_shut_out_is_out_at_once() {
    let app = TestApp::told(Engine::Sqlite);
    let client = app.client();
    client.sign_in("sam@example.com", PASSWORD);
    client.page("/");
    let sam = app.store.read::<_, StoreError>(|read| read.person_by_email("sam@example.com")).expect("read");
    let id = sam.expect("there").id;
    let now = pushback::clock::Clock::system().now();
    pushback::flows::administer::set_disabled(&app.store, &pushback::store::Actor::console(), &id, true, now)
        .expect("shut out");
    assert_eq!(client.get("/").status, 303);
    let again = app.client().post("/sign-in", &[("email", "sam@example.com"), ("password", PASSWORD), ("to", "/")]);
    assert_eq!(again.status, 403);
}
