//! The whole way of a reader: sign in, the story's timeline, the push, who went on, an incident, a published postmortem.

use crate::support::{Browser, Engine, TestApp, server::PASSWORD};
use serde_json::Value;

fn sign_in(browser: &Browser, app: &TestApp, email: &str) {
    browser.open(&app.base);
    assert!(browser.path().starts_with("/sign-in"), "{}", browser.url());
    browser.write("#email", email);
    browser.write("#password", PASSWORD);
    browser.follow("form button.main");
}

fn walk(engine: Engine) {
    let (app, browser) = (TestApp::told(engine), Browser::start());
    sign_in(&browser, &app, "lee@example.com");
    assert_eq!(browser.path(), "/");
    browser.must_say("relay-118");

    // The timeline of the harmed service: drawn, with marks that lead somewhere and say what they are.
    browser.follow("nav.places a[href='/services']");
    browser.follow("main a[href^='/services/relay']");
    if !browser.path().starts_with("/services/relay/production") {
        browser.follow("main a[href^='/services/relay/production']");
    }
    let drawn = browser
        .run("return [...document.querySelectorAll('main svg')].some(svg => svg.getBoundingClientRect().width > 600)");
    assert_eq!(drawn, Value::Bool(true), "no drawing fills the page");
    let marks = browser.run(
        "return [...document.querySelectorAll('main svg a')].map(a => [a.href.baseVal ?? a.getAttribute('href'), a.textContent.trim()])",
    );
    let marks = marks.as_array().expect("a list").clone();
    assert!(marks.len() >= 7, "{marks:?}");
    assert!(marks.iter().all(|mark| mark[0] != "" && mark[1] != ""), "a mark without link or words: {marks:?}");
    browser.must_say("victims gone");
    for percent in ["5 %", "10 %", "25 %", "50 %", "75 %", "100 %"] {
        browser.must_say(percent);
    }

    // The push: its steps, what was known at each, and the words of the person.
    browser.follow("main table a[href^='/pushes/relay-118']");
    browser.must_say("relay-118");
    browser.must_say("undetected");
    browser.must_say("detected");
    browser.must_say("overrode");
    browser.must_say("dana");
    browser.must_say("The sooner A is gone, the sooner it stops.");

    // The regression that it is blamed for, and an incident from it.
    browser.follow("main a[href^='/regressions/']:not([href*='risk']):not([href$='.json'])");
    let regression = browser.path().split(['?', '#']).next().unwrap_or_default().to_owned();
    browser.must_say("collateral");
    browser.must_say("not a recovery");
    browser.follow("form[action$='/incident'] button");
    let report = browser.path().split(['?', '#']).next().unwrap_or_default().to_owned();
    assert!(report.starts_with("/postmortems/PM-"), "{report}");
    browser.must_say("draft");
    browser.must_say("relay-118");
    browser.must_say("dana@example.com");

    // Writing what it means, and publishing it.
    browser.follow(&format!("a[href='{report}/edit']"));
    browser.rewrite("#summary", "B killed every A that it met. It ended because no A was left.");
    browser.rewrite("#causes", "- A did not check the length of a frame.\n- B was clean on every graph.");
    browser.follow("button[name='act'][value='save']");
    assert_eq!(browser.path(), report);
    browser.must_say("B killed every A that it met.");
    browser.follow("button[name='next'][value='published']");
    browser.must_say("published");

    // Who continued: every later step of that push, and from there to what was written.
    browser.follow("nav.places a[href='/continued']");
    browser.must_say("dana");
    let steps = browser.all("main table tbody tr").len();
    assert!(steps >= 6, "{steps} steps");
    browser.must_say("Half done, turning back now costs as much.");
    browser.follow(&format!("main table a[href='{regression}']"));
    browser.follow(&format!("main a[href='{report}']"));
    browser.must_say("published");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn from_signing_in_to_a_published_postmortem_on_sqlite() {
    walk(Engine::Sqlite);
}

#[test]
fn from_signing_in_to_a_published_postmortem_on_postgresql() {
    walk(Engine::Postgres);
}

#[test]
fn a_wrong_password_is_told_on_the_page_and_the_address_stays() {
    let (app, browser) = (TestApp::told(Engine::Sqlite), Browser::start());
    browser.open(&app.base);
    browser.write("#email", "lee@example.com");
    browser.write("#password", "wrong wrong wrong");
    browser.follow("form button.main");
    browser.must_say("This address and password do not go together.");
    let typed =
        browser.run("return [document.querySelector('#email').value, document.querySelector('#password').value]");
    assert_eq!(typed, serde_json::json!(["lee@example.com", ""]));
}

#[test]
fn the_way_to_a_push_can_be_gone_with_the_keyboard_alone() {
    let (app, browser) = (TestApp::demo(Engine::Sqlite), Browser::start());
    browser.open(&app.base);
    let focused =
        || browser.run("return document.activeElement.getAttribute('href') || document.activeElement.tagName");
    let (tab, enter) = ('\u{e004}', '\u{e007}');
    browser.press(tab);
    assert_eq!(focused(), "#main", "the first stop skips what every page repeats");
    let mut seen = Vec::new();
    for _ in 0..80 {
        let at = focused().as_str().unwrap_or_default().to_owned();
        let visible = browser.run(
            "const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect(); \
             return e === document.body || (r.width > 0 && r.height > 0 && (s.outlineStyle !== 'none' || s.boxShadow !== 'none'))",
        );
        assert_eq!(visible, Value::Bool(true), "nobody sees that {at} has the focus");
        seen.push(at);
        if seen.last().is_some_and(|at| at.starts_with("/pushes/relay-118")) {
            break;
        }
        browser.press(tab);
    }
    for place in ["/", "/services", "/pushes", "/flags", "/regressions", "/postmortems", "/continued"] {
        assert!(seen.iter().any(|at| at == place), "the keyboard does not reach {place}: {seen:?}");
    }
    assert!(seen.last().is_some_and(|at| at.starts_with("/pushes/relay-118")), "{seen:?}");
    browser.press(enter);
    crate::support::eventually("the push opens", 10, || browser.path().starts_with("/pushes/relay-118").then_some(()));
}
