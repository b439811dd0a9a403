//! The table of settings in the README is what the program reads, with its defaults; nothing more and nothing less.

use crate::support::program::run;
use std::collections::BTreeMap;

/// Flag, environment variable and default of each setting of a server.
type Table = BTreeMap<String, (String, String)>;

/// The rows of the README's table that have a flag, by flag.
fn written() -> Table {
    let text = include_str!("../../README.md");
    let table =
        text.split("### Settings").nth(1).and_then(|rest| rest.split("###").next()).expect("a table of settings");
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows = table.lines().filter(|line| line.starts_with("| `--"));
    rows.map(|row| {
        let cells: Vec<String> = row.trim_matches('|').split('|').map(cell).collect();
        (cells[0].clone(), (cells[1].clone(), cells[2].clone()))
    })
    .collect()
}

/// The flags under "Settings of a server" in the program's own help.
fn told() -> Table {
    let output = run(&["--help"], "");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let part = help.split("Settings of a server:").nth(1).expect("the settings stand in the help");
    let between = |text: &str, from: &str, to: char| {
        let rest = text.split(from).nth(1)?;
        Some(rest[..rest.find(to)?].trim().trim_end_matches('=').to_owned())
    };
    let mut found = Table::new();
    for entry in part.split("\n      --").skip(1) {
        let entry = &entry.split_whitespace().collect::<Vec<_>>().join(" ");
        let flag = format!("--{}", entry.split_whitespace().next().unwrap_or_default());
        let variable = between(entry, "[env: ", ']').expect("every setting can be set by the environment");
        let default = between(entry, "[default: ", ']').unwrap_or_default();
        found.insert(flag, (variable, default));
    }
    found
}

#[test]
fn the_table_of_settings_is_what_the_program_says_of_itself() {
    let (mut written, told) = (written(), told());
    assert!(told.len() >= 7, "{told:?}");
    // Where it listens is known only when it listens.
    let base = written.get_mut("--base-url").expect("a row");
    assert_eq!(std::mem::take(&mut base.1), "where it listens");
    assert_eq!(written, told);
}

#[test]
fn every_variable_of_the_environment_that_is_read_is_in_the_table() {
    let table = include_str!("../../README.md");
    let mut missing = Vec::new();
    for file in crate::architecture::sources::sources("src", &["rs"]) {
        for part in file.code().split("\"PUSHBACK_").skip(1) {
            let name = format!("PUSHBACK_{}", part.split('"').next().unwrap_or_default());
            if !table.contains(&format!("`{name}`")) {
                missing.push(format!("{name} in {}", file.path));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}
