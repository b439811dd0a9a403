//! How long things may be, and what may not be left lying about.

use super::sources::{mentions, sources};

/// The longest file, lines.
const LONGEST_FILE: usize = 500;
/// The longest template, lines.
const LONGEST_TEMPLATE: usize = 150;

#[test]
fn a_file_can_be_read_in_one_sitting() {
    let files = [sources("src", &["rs"]), sources("tests", &["rs"])];
    let long = files.iter().flatten().filter(|file| file.text.lines().count() > LONGEST_FILE);
    let found: Vec<String> = long.map(|file| format!("{} has {}", file.path, file.text.lines().count())).collect();
    assert!(found.is_empty(), "at most {LONGEST_FILE} lines:\n{}", found.join("\n"));
}

#[test]
fn a_template_fits_on_two_screens() {
    let long: Vec<String> = sources("templates", &["html", "xml", "txt", "md"])
        .iter()
        .filter(|file| file.text.lines().count() > LONGEST_TEMPLATE)
        .map(|file| format!("{} has {} lines", file.path, file.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "at most {LONGEST_TEMPLATE} lines:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
    ];
    let mut found = Vec::new();
    let files = [
        sources("src", &["rs"]),
        sources("tests", &["rs", "py", "mjs", "sh"]),
        sources("templates", &["html", "xml", "txt", "md"]),
        sources("migrations", &["sql"]),
        sources("static", &["css", "js", "svg"]),
    ];
    for file in files.iter().flatten() {
        for mark in
            marks.iter().filter(|mark| mentions(&file.text, mark.trim_end_matches('!')) && file.text.contains(**mark))
        {
            found.push(format!("{} says {mark}", file.path));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn nothing_is_called_a_helper() {
    let vague: Vec<String> = sources("src", &["rs"])
        .into_iter()
        .map(|file| file.path)
        .filter(|path| ["util", "helper", "manager", "common", "misc"].iter().any(|word| path.contains(word)))
        .collect();
    assert!(vague.is_empty(), "names that say nothing: {vague:?}");
}
