//! What a template may hold: no scripts or styles of its own, no text that goes out unescaped.

use super::sources::sources;

/// What may pass as it is, by template: pictures that `src/timeline` drew and escaped itself.
const DRAWN: [(&str, &[&str]); 9] = [
    ("templates/continued/continued.html", &["row.interval"]),
    ("templates/flags/history.html", &["drawing.wide", "drawing.narrow"]),
    ("templates/now/under_way.html", &["push.track", "rate.spark"]),
    ("templates/postmortems/parts/record.html", &["picture.wide", "picture.narrow"]),
    ("templates/pushes/paths.html", &["wide", "narrow"]),
    ("templates/pushes/steps.html", &["drawn"]),
    (
        "templates/regressions/show.html",
        &["crate::timeline::chance(*suspect.probability)", "crate::timeline::chance(*none.1)"],
    ),
    ("templates/timeline/reading.html", &["said::bar(*suspect.probability)", "said::bar(*it.none.1)"]),
    (
        "templates/timeline/show.html",
        &["pictures.wide", "pictures.narrow", "pictures.overview", "pictures.overview_narrow"],
    ),
];

#[test]
fn nothing_goes_out_unescaped_but_what_our_own_code_drew_or_cleaned() {
    let mut found = Vec::new();
    for file in sources("templates", &["html", "xml"]) {
        let known = DRAWN.iter().find(|(path, _)| *path == file.path).map_or(&[][..], |(_, known)| known);
        for expression in file.text.split("{{").skip(1).filter_map(|part| part.split("}}").next()) {
            let Some((passed, _)) = expression.split_once('|').filter(|(_, filter)| filter.contains("safe")) else {
                continue;
            };
            if !known.contains(&passed.trim()) {
                found.push(format!("{}: {}", file.path, expression.trim()));
            }
        }
    }
    assert!(found.is_empty(), "|safe outside the list:\n{}", found.join("\n"));
}

#[test]
fn no_template_has_a_script_or_a_style_of_its_own() {
    let mut found = Vec::new();
    for file in sources("templates", &["html"]) {
        for (number, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let script = lower.contains("<script") && !lower.contains("<script src=\"{{ frame.asset(");
            let style = lower.contains("<style") || lower.contains(" style=");
            let handler = lower.split(' ').any(|part| {
                part.starts_with("on")
                    && part.split_once('=').is_some_and(|(name, _)| name.chars().all(char::is_alphabetic))
            });
            if script || style || handler || lower.contains("javascript:") {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "inline script or style:\n{}", found.join("\n"));
}

#[test]
fn every_form_that_changes_something_carries_its_secret() {
    // Who signs in has no session yet; a one-time link is itself the secret.
    let outside = ["templates/account/sign_in.html", "templates/account/welcome.html"];
    let mut found = Vec::new();
    for file in sources("templates", &["html"]).iter().filter(|file| !outside.contains(&file.path.as_str())) {
        for (at, _) in file.text.match_indices("method=\"post\"") {
            let form = &file.text[at..];
            let form = &form[..form.find("</form>").unwrap_or(form.len())];
            if !form.contains("name=\"csrf\"") && !form.contains("csrf") {
                found.push(file.path.clone());
            }
        }
    }
    assert!(found.is_empty(), "forms without their secret: {found:?}");
}

#[test]
fn every_page_has_one_heading_of_the_first_level() {
    let mut found = Vec::new();
    for file in sources("templates", &["html"]) {
        if file.text.contains("{% extends") && !file.text.contains("<h1") {
            found.push(file.path);
        }
    }
    assert!(found.is_empty(), "pages without an h1: {found:?}");
}
