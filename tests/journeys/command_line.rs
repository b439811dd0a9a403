//! What scripts rely on: values alone on standard output, sentences on standard error, exit codes.

use crate::support::{
    Engine, Program, TestDatabase,
    program::{pushback, run, run_well},
    server::PASSWORD,
};
use pushback::story;

fn on<'a>(database: &'a TestDatabase, arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(["--database", database.url.as_str()]).collect()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

#[test]
fn admin_commands_print_the_value_and_nothing_else() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let add = on(&database, &["admin", "user", "add", "Dana@Example.com", "--role", "member", "--password-stdin"]);
        assert_eq!(run_well(&add, &format!("{PASSWORD}\n")), "dana@example.com");
        let dsn =
            run_well(&on(&database, &["admin", "service", "add", "relay", "--base-url", "https://push.example"]), "");
        let (key, rest) = dsn.strip_prefix("https://").and_then(|dsn| dsn.split_once('@')).expect("a DSN");
        assert!(is_hex(key, 32) && rest == "push.example/1", "{dsn}");
        let again =
            run_well(&on(&database, &["admin", "service", "add", "relay", "--base-url", "https://push.example"]), "");
        assert_eq!(again, dsn, "a service that is here already keeps its key");
        let token = run_well(
            &on(&database, &["admin", "token", "create", "deploy", "--scope", "push", "--scope", "ingest"]),
            "",
        );
        assert!(token.strip_prefix("pb_token_").is_some_and(|rest| is_hex(rest, 64)), "{token}");

        let dump = match engine {
            Engine::Sqlite => {
                let mut bytes = Vec::new();
                for entry in std::fs::read_dir(database.folder()).expect("a folder") {
                    bytes.extend(std::fs::read(entry.expect("an entry").path()).expect("a file"));
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Engine::Postgres => ["person", "token", "session", "invitation", "ledger_entry"]
                .map(|table| database.texts(&format!("select {table}::text as t from {table}")).join("\n"))
                .join("\n"),
        };
        assert!(dump.contains("dana@example.com") && dump.contains("$argon2id$"), "{engine:?}");
        assert!(!dump.contains(PASSWORD) && !dump.contains(&token), "a secret is kept in the clear on {engine:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said_in_a_sentence_and_ends_with_1() {
    let database = TestDatabase::new(Engine::Sqlite);
    let dana = ["admin", "user", "add", "dana@example.com", "--role", "member", "--password-stdin"];
    run_well(&on(&database, &dana), PASSWORD);
    let cases: [(&[&str], &str, &str); 6] = [
        (&dana, PASSWORD, "dana@example.com is here already."),
        (
            &["admin", "user", "add", "sam@example.com", "--role", "member", "--password-stdin"],
            "short",
            "at least 12 characters",
        ),
        (&["admin", "user", "add", "nobody", "--role", "member"], "", "An e-mail address is expected"),
        (&["admin", "service", "add", "a b"], "", "A service's name has letters"),
        (&["admin", "token", "create", " ", "--scope", "read"], "", "A token needs a name"),
        (&["import", "/nowhere/at/all"], "", "/nowhere/at/all cannot be read"),
    ];
    for (arguments, input, sentence) in cases {
        let output = run(&on(&database, arguments), input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("pushback: ") && said.contains(sentence), "{said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    for url in ["mysql://root:hunter2@db/x", "sqlite:"] {
        let output = run(&["export", "--database", url], "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let unreachable = run(&["export", "--database", "postgres://x:hunter2@127.0.0.1:1/x"], "");
    let said = String::from_utf8_lossy(&unreachable.stderr);
    assert!(
        unreachable.status.code() == Some(1) && said.contains("cannot be reached") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn every_command_explains_itself() {
    let commands: [&[&str]; 12] = [
        &[],
        &["serve"],
        &["demo"],
        &["import"],
        &["export"],
        &["replay"],
        &["admin"],
        &["admin", "user", "add"],
        &["admin", "service", "add"],
        &["admin", "token", "create"],
        &["ledger"],
        &["ledger", "verify"],
    ];
    for command in commands {
        let help = run_well(&command.iter().copied().chain(["--help"]).collect::<Vec<_>>(), "");
        assert!(help.contains("Usage: ") && help.len() > 100, "{command:?}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 110), "{command:?} is too wide:\n{help}");
    }
}

#[test]
fn a_file_with_a_bad_line_is_not_taken_and_the_line_is_named() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let file = database.folder().join("bad.ndjson");
        let good = r#"{"type":"note","at":"2026-03-03T01:00:00Z","actor":"dana@example.com","text":"hm"}"#;
        std::fs::write(
            &file,
            format!("{good}\n{{\"type\":\"crash\",\"id\":\"c1\",\"at\":\"yesterday\",\"service\":\"relay\"}}\n"),
        )
        .expect("written");
        let path = file.to_string_lossy().into_owned();
        let output = run(&on(&database, &["import", &path]), "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("was not taken") && said.contains("Line 2, at: ") && said.contains("RFC 3339"), "{said}");
        assert_eq!(run_well(&on(&database, &["export"]), ""), "", "something of it was kept on {engine:?}");
        assert_eq!(run_well(&on(&database, &["import", "-"]), good), "1 lines: 1 new, 0 known already.");
        assert_eq!(run_well(&on(&database, &["export"]), ""), good);
    }
}

#[test]
fn a_replay_of_the_export_is_a_replay_of_the_file_byte_for_byte() {
    let database = TestDatabase::new(Engine::Sqlite);
    let path = |name: &str| database.folder().join(name).to_string_lossy().into_owned();
    let (told, export) = (path("told.ndjson"), path("export.ndjson"));
    std::fs::write(&told, story::TOLD).expect("written");
    run_well(&on(&database, &["import", &told]), "");
    assert_eq!(run_well(&on(&database, &["export", "--output", &export]), ""), "");
    let [one, other] = [&told, &export].map(|file| run_well(&["replay", file, "--format", "json"], ""));
    assert!(one == other && one.len() > 1000, "the replays differ");
    let text = run_well(&["replay", &told], "");
    assert!(text.contains("relay-118") && text.contains("collateral"), "{text}");
}

#[test]
fn the_demo_serves_this_machine_only() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let output = run(&["demo", "--listen", listen], "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{listen}: {said}");
        assert!(said.contains("the demo signs in whoever opens it"), "{said}");
    }
}

#[test]
fn the_demo_answers_at_once_says_that_it_is_one_and_leaves_nothing_behind() {
    // A folder of its own for what is thrown away: other demos of the same run come and go in the usual one.
    let folder = tempfile::tempdir().expect("a folder");
    let left = || std::fs::read_dir(folder.path()).expect("a folder").count();
    let program = Program::demo_in(folder.path());
    let bar = "A told story, its clock, and a database that is thrown away.";
    for place in ["/", "/services", "/people"] {
        let page = program.client().page(place);
        let signed_in = format!("{bar} You are lee@example.com, because you come from this machine.");
        assert!(page.says(&signed_in), "{place}: {}", page.body);
    }
    for place in ["/nowhere", "/pushes/nowhere"] {
        let page = program.client().get(place);
        assert!(page.status == 404 && page.says(bar), "{place}: {}", page.body);
    }
    assert_eq!(left(), 1, "the demo's database is not where it was asked to be");
    assert!(program.terminate().success());
    assert_eq!(left(), 0, "the demo's database stays behind");
}

#[test]
fn settings_come_from_the_environment_too() {
    let database = TestDatabase::new(Engine::Sqlite);
    let output = pushback(&["admin", "service", "add", "relay"])
        .env("PUSHBACK_DATABASE_URL", &database.url)
        .env("PUSHBACK_BASE_URL", "https://push.example/")
        .output()
        .expect("the program runs");
    assert!(String::from_utf8_lossy(&output.stdout).trim().ends_with("@push.example/1"), "{output:?}");
    assert_eq!(database.texts("select slug as t from service"), ["relay"]);
}
