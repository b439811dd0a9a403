//! The headers that protect whoever reads a page stand on every answer, whatever it is.

use super::routes::routes;
use crate::support::{Answer, Engine, TestApp};

fn check(what: &str, answer: &Answer) {
    let exactly = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ];
    for (name, value) in exactly {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{what} has no policy"));
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{what} has no number"));
    assert_eq!(id.len(), 16, "{what}: {id}");
    assert_eq!(answer.header("server"), None, "{what}");
}

#[test]
fn every_answer_carries_them_errors_and_static_files_too() {
    let app = TestApp::demo(Engine::Sqlite);
    let client = app.client();
    for route in routes().iter().filter(|route| route.method == "get") {
        check(&route.pattern, &client.get(&route.path));
    }
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("GET", "/pushes/no-such-push", 404),
        ("GET", "/assets/0/none.css", 404),
        ("POST", "/sign-out", 400),
        ("GET", "/api/v1/nowhere", 404),
        ("POST", "/api/999/envelope/", 401),
        ("GET", "/api/1/nowhere/", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%00", 404),
        ("DELETE", "/", 404),
    ] {
        let answer = client.send(method, path, &[], b"");
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        check(path, &answer);
    }
}

#[test]
fn a_page_is_kept_by_nobody_and_a_static_file_for_ever() {
    let app = TestApp::demo(Engine::Sqlite);
    let client = app.client();
    let page = client.page("/");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let style = page.body.split('"').find(|part| part.ends_with("/style.css")).expect("a style sheet").to_owned();
    let sheet = client.page(&style);
    assert_eq!(sheet.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(sheet.header("content-type"), Some("text/css; charset=utf-8"));
    let tag = sheet.header("etag").expect("a tag").to_owned();
    assert_eq!(client.send("GET", &style, &[("if-none-match", &tag)], b"").status, 304);
    let old = client.get("/assets/0000000000000000/style.css").expect(200);
    assert_eq!(old.header("cache-control"), Some("no-cache"), "an address of another version is not kept");
}

#[test]
fn an_error_page_says_its_number_and_what_to_do_and_nothing_of_the_inside() {
    let app = TestApp::demo(Engine::Sqlite);
    let answer = app.client().get("/nowhere/at%20all%3Cb%3E");
    assert_eq!(answer.status, 404);
    let id = answer.header("x-request-id").expect("a number").to_owned();
    assert!(answer.body.contains(&id), "the page does not show its number");
    assert!(!answer.body.contains("<b>") && !answer.body.contains("src/"), "{}", answer.body);
    let api = app.client().get("/api/v1/nowhere").json();
    assert!(api["error"].is_string() && api["detail"].is_string() && api["request"].is_string(), "{api}");
}
