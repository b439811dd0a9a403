//! Every route of the site, read off the one page that lists them, with example values in place of its parameters.

/// A route of the site.
#[derive(Debug, Clone)]
pub struct Route {
    /// `get` or `post`.
    pub method: &'static str,
    /// Its pattern as written.
    pub pattern: String,
    /// An address that it answers, in the told story.
    pub path: String,
}

/// Example values of parameters, by the start of the pattern in which they stand.
const EXAMPLES: [(&str, &[&str]); 20] = [
    ("/welcome/", &["pb_welcome_none"]),
    ("/assets/", &["0", "style.css"]),
    ("/services/", &["relay", "production", "x", "x"]),
    ("/pushes/", &["relay-118", "1", "x"]),
    ("/holds/", &["h1", "x"]),
    ("/regressions/", &["r1", "x"]),
    ("/signatures/", &["relay", "SIGSEGV%20%7C%20x", "x"]),
    ("/flags/", &["web", "blue-buttons", "x"]),
    ("/postmortems/", &["PM-1", "1", "2", "x"]),
    ("/people/", &["dana@example.com", "x"]),
    ("/actors/", &["dana@example.com", "x"]),
    ("/continued", &["x"]),
    ("/settings/", &["x", "y", "z"]),
    ("/admin/", &["x", "y", "z"]),
    ("/account/", &["x", "y"]),
    ("/crashes/", &["relay", "c1"]),
    ("/reports/", &["relay", "c1"]),
    ("/words/", &["x"]),
    ("/feed", &["x"]),
    ("/ledger", &["0", "x"]),
];

/// Every page and form, the doors and the API apart.
pub fn routes() -> Vec<Route> {
    let text = include_str!("../../src/web/routes.rs");
    let mut found = Vec::new();
    for part in text.split(".route(").skip(1) {
        let Some(pattern) = part.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
            continue;
        };
        let pattern = pattern.replace("\\\\", "\\");
        let Some((_, rest)) = part.split_once("\",") else { continue };
        let method = match rest.trim_start() {
            rest if rest.starts_with("get()") => "get",
            rest if rest.starts_with("post()") => "post",
            other => panic!("a route is neither get nor post: {other}"),
        };
        found.push(Route { method, path: filled(&pattern), pattern });
    }
    assert!(found.len() >= 8, "only {} routes were found", found.len());
    found
}

fn filled(pattern: &str) -> String {
    let mut values = EXAMPLES
        .iter()
        .find(|(start, _)| pattern.starts_with(start))
        .map(|(_, values)| values.iter())
        .unwrap_or_default();
    let (mut path, mut rest) = (String::new(), pattern);
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str(values.next().unwrap_or_else(|| panic!("no example for the parameters of {pattern}")));
        // A parameter's own pattern may hold braces.
        let mut depth = 1;
        let end = after.char_indices().find(|(_, letter)| {
            depth += match letter {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0
        });
        rest = end.map_or("", |(at, _)| &after[at + 1..]);
    }
    path.push_str(rest);
    path
}
