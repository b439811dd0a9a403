//! Every page of the story in a browser: fits a telephone, complains of nothing, works without scripts, light and dark.

use crate::support::{Browser, Engine, TestApp, server::PASSWORD};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where a look around begins; the rest is found by following links.
const BEGIN: [&str; 9] = [
    "/",
    "/services",
    "/pushes",
    "/flags",
    "/regressions",
    "/postmortems",
    "/continued",
    "/account",
    "/postmortems/new",
];

/// What only differs in its numbers is looked at once: the start of the path without its last part, and how long it is.
fn kind(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if BEGIN.contains(&path) {
        return path.to_owned();
    }
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["", first, _] if ["pushes", "people", "regressions", "postmortems", "ledger"].contains(&first) => {
            format!("/{first}/…")
        }
        ["", first, _, ref rest @ ..]
            if ["services", "signatures", "flags", "pushes", "regressions", "postmortems"].contains(&first) =>
        {
            let rest: Vec<&str> = rest
                .iter()
                .map(|part| if part.len() < 12 && part.chars().all(char::is_lowercase) { *part } else { "…" })
                .collect();
            format!("/{first}/…/{}", rest.join("/"))
        }
        _ => path.to_owned(),
    }
}

/// One page of every kind that can be reached from the places, with a postmortem among them.
fn pages(app: &TestApp) -> Vec<String> {
    let client = app.client();
    client.sign_in("lee@example.com", PASSWORD);
    let list = client.page("/postmortems");
    if let Some(form) = list
        .body
        .split("action=\"")
        .skip(1)
        .filter_map(|part| part.split('"').next())
        .find(|it| it.ends_with("/incident"))
    {
        client.post(form, &[("csrf", &list.csrf())]).expect(303);
    }
    let (mut waiting, mut kinds, mut found) = (BEGIN.map(str::to_owned).to_vec(), BTreeSet::new(), Vec::new());
    waiting.reverse();
    waiting.insert(0, "/services/relay/production?at=2026-03-03T03:00:00Z".into());
    while let Some(path) = waiting.pop() {
        if !kinds.insert(kind(&path)) {
            continue;
        }
        let answer = client.get(&path);
        if answer.status != 200 || !answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            continue;
        }
        let (main, end) = (answer.body.find("<main").unwrap_or(0), answer.body.len());
        for link in answer.body[main..end].split("href=\"").skip(1).filter_map(|part| part.split('"').next()) {
            let plain = link.split('#').next().unwrap_or_default().replace("&amp;", "&").replace("&#38;", "&");
            if plain.starts_with('/')
                && !plain.starts_with("/assets")
                && !plain.starts_with("/api")
                && !kinds.contains(&kind(&plain))
            {
                waiting.insert(0, plain);
            }
        }
        found.push(path);
    }
    assert!(found.len() >= 12, "{found:?}");
    found
}

fn signed_in(app: &TestApp) -> Browser {
    let browser = Browser::start();
    browser.open(&format!("{}/sign-in", app.base));
    browser.write("#email", "lee@example.com");
    browser.write("#password", PASSWORD);
    browser.follow("form button.main");
    browser
}

#[test]
fn every_page_fits_a_telephone_in_both_themes_and_the_console_stays_empty() {
    let app = TestApp::told(Engine::Sqlite);
    let (pages, browser) = (pages(&app), signed_in(&app));
    println!("{} pages: {pages:?}", pages.len());
    let mut found = Vec::new();
    for path in pages.iter().map(String::as_str).chain(["/sign-in", "/nowhere"]) {
        for (width, dark) in [(360, false), (1280, true)] {
            browser.set_width(width);
            browser.set_dark(dark);
            browser.open(&format!("{}{path}", app.base));
            let wide = browser.run("return document.scrollingElement.scrollWidth").as_u64().expect("a width");
            if wide > u64::from(width) {
                let who = browser.run(&format!(
                    "return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > {width} + 1)\
                     .slice(0, 4).map(e => e.tagName + '.' + (e.getAttribute('class') || '') + ' ' + e.textContent.trim().slice(0, 30))",
                ));
                found.push(format!("{path} is {wide} px wide on a screen of {width}: {who}"));
            }
            let headings = browser.run("return document.querySelectorAll('h1').length");
            if headings != 1 {
                found.push(format!("{path} has {headings} headings of the first level"));
            }
            let ids = browser.run("const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.filter((id, at) => ids.indexOf(id) !== at)");
            if ids.as_array().is_some_and(|ids| !ids.is_empty()) {
                found.push(format!("{path} uses an id twice: {ids}"));
            }
            let unnamed = browser.run(
                "return [...document.querySelectorAll('input:not([type=hidden]), select, textarea')].filter(e => !e.labels?.length && !e.getAttribute('aria-label')).map(e => e.outerHTML.slice(0, 90))",
            );
            if unnamed.as_array().is_some_and(|unnamed| !unnamed.is_empty()) {
                found.push(format!("{path} has fields without a label: {unnamed}"));
            }
            let complaints = browser.complaints();
            let complaints: Vec<&String> =
                complaints.iter().filter(|line| !(path == "/nowhere" && line.contains("404"))).collect();
            if !complaints.is_empty() {
                found.push(format!("{path}: {complaints:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_page_shows_the_same_words_without_scripts() {
    let app = TestApp::demo(Engine::Sqlite);
    let browser = Browser::start();
    for path in ["/", "/services/relay/production", "/pushes/relay-118", "/continued"] {
        let words = |on: bool| {
            browser.set_scripts(on);
            browser.open(&format!("{}{path}", app.base));
            let title = browser.run("return document.querySelector('h1').innerText");
            let rows = browser.run("return document.querySelectorAll('main tr').length");
            let links = browser.run("return document.querySelectorAll('main a').length");
            (title, rows, links)
        };
        assert_eq!(words(true), words(false), "{path}");
    }
    browser.set_scripts(true);
}

#[test]
fn what_a_reporter_sends_is_shown_and_never_run() {
    let app = TestApp::told(Engine::Sqlite);
    let evil = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>";
    let line = serde_json::json!({
        "type": "crash", "id": "evil-1", "service": "relay", "at": "2026-03-03T07:30:00Z", "release": evil, "cell": evil, "host": evil,
        "exception": { "type": evil, "value": evil, "frames": [{ "function": evil, "file": evil, "line": 1 }] },
    });
    let Ok(pushback::domain::Record::Crash(crash)) = pushback::domain::Record::parse(&line.to_string()) else {
        panic!("a crash line")
    };
    let kind = pushback::domain::crash::ReportKind::Crash;
    let title = crash.signature.clone();
    app.store.keep::<_, pushback::store::StoreError>(|tx| tx.keep_crash(&crash, kind, None)).expect("kept");
    let browser = signed_in(&app);
    let path = format!("/signatures/relay/{}", crate::support::client::coded(&title));
    for path in ["/signatures", &path, "/services/relay/production", "/"] {
        browser.open(&format!("{}{path}", app.base));
        // On a busy machine the page may not have come yet.
        browser.find("main");
        let title = browser.run("return document.title");
        assert!(title.as_str().is_some_and(|title| title.contains("Pushback")), "{path}: {title}");
        let inside = browser.run("return document.querySelectorAll('main img, main script').length");
        assert_eq!(inside, Value::from(0), "{path} took what was sent for its own");
    }
    browser.open(&format!("{}{path}", app.base));
    browser.must_say("onerror=");
}
