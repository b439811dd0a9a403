//! Real crash clients from their registries send to the real program, and what they sent is found on its pages.

use crate::support::{Client, Engine, Program, TestDatabase, eventually, program::run_well, server::PASSWORD};
use pushback::{
    domain::crash::ReportKind,
    store::{Store, StoreError, telemetry::SignatureRow},
};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Where tests/run put a client.
fn installed(path: &str) -> PathBuf {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-clients").join(path);
    assert!(found.exists(), "{} is not installed. Run tests/run once, which installs it.", found.display());
    found
}

/// A serving program with one service, somebody who can sign in, and the service's DSN.
struct Served {
    store: Store,
    reader: Client,
    dsn: String,
    _program: Program,
    _database: TestDatabase,
}

fn served(engine: Engine) -> Served {
    let database = TestDatabase::new(engine);
    let on = |arguments: &[&str], input: &str| {
        run_well(&arguments.iter().copied().chain(["--database", database.url.as_str()]).collect::<Vec<_>>(), input)
    };
    on(&["admin", "user", "add", "lee@example.com", "--role", "administrator", "--password-stdin"], PASSWORD);
    let program = Program::serve(&database);
    let dsn = on(&["admin", "service", "add", "web", "--base-url", &program.base], "");
    let reader = program.client();
    reader.sign_in("lee@example.com", PASSWORD);
    Served { store: database.open(), reader, dsn, _program: program, _database: database }
}

impl Served {
    fn run(&self, mut command: Command) -> Output {
        for (name, _) in std::env::vars().filter(|(name, _)| name.to_lowercase().ends_with("_proxy")) {
            command.env_remove(name);
        }
        command.env("SENTRY_DSN", &self.dsn).env("NO_PROXY", "127.0.0.1").output().expect("the client starts")
    }

    fn python(&self, script: &str) -> Output {
        let mut command = Command::new(installed("python/bin/python"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script));
        self.run(command)
    }

    /// Node.js looks for packages beside the script, so the script is put there.
    fn node(&self, script: &str) -> Output {
        let folder = installed("node/node_modules/@sentry/node").join("../../..").canonicalize().expect("a folder");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
        let to = folder.join(script);
        std::fs::copy(&from, &to).expect("the script is copied");
        let mut command = Command::new("node");
        command.arg(to).current_dir(folder);
        self.run(command)
    }

    fn signatures(&self) -> Vec<SignatureRow> {
        self.store.read::<_, StoreError>(|read| read.signatures(Some("web"), None, 100)).expect("read")
    }

    /// The one signature that holds these words, once its report is there.
    fn signature(&self, words: &str) -> SignatureRow {
        eventually(words, 20, || self.signatures().into_iter().find(|it| it.signature.contains(words)))
    }

    /// The signature's page, reached as a reader does: from the list.
    fn page_of(&self, signature: &SignatureRow) -> crate::support::Answer {
        let list = self.reader.page("/signatures");
        assert!(list.says(&signature.signature), "the list does not name {}", signature.signature);
        let words = signature.signature.split(" | ").last().expect("some");
        let links = list.body.split("href=\"").skip(1).filter_map(|part| part.split('"').next());
        let mut pages = links.filter(|link| link.starts_with("/signatures/web/")).map(|link| self.reader.page(link));
        pages.find(|page| page.says(&signature.signature)).unwrap_or_else(|| panic!("no page of {words}"))
    }

    /// Sessions that a release carried, and how many of them went wrong in a way: `sessions_crashed`, `sessions_errored`.
    fn sessions(&self, release: &str, way: &str) -> (f64, f64) {
        let read = || {
            let now = pushback::clock::Clock::system().now();
            let from = now - pushback::domain::time::minutes(30);
            let windows = self
                .store
                .read::<_, StoreError>(|read| read.exposures_between("web", "production", from, now))
                .expect("read");
            let ours: Vec<_> = windows.into_iter().filter(|it| it.release == release).collect();
            (!ours.is_empty()).then(|| {
                assert!(ours.iter().all(|it| it.instances == 0.0), "sessions say nothing of instances: {ours:?}");
                let bad = |it: &pushback::domain::exposure::Exposure| {
                    it.extra.get(way).and_then(|it| it.as_f64()).unwrap_or(0.0)
                };
                (ours.iter().filter_map(|it| it.sessions).sum(), ours.iter().map(bad).sum())
            })
        };
        eventually(&format!("sessions of {release}"), 20, read)
    }

    fn kind_of(&self, signature: &SignatureRow) -> ReportKind {
        let report = self.store.read::<_, StoreError>(|read| read.crash("web", &signature.last_id)).expect("read");
        report.expect("kept").kind
    }
}

#[track_caller]
fn well(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

#[test]
fn the_python_sdk_reports_caught_and_uncaught_errors_and_sessions_on_both_engines() {
    for engine in Engine::BOTH {
        let served = served(engine);
        well(&served.python("python_handled.py"));
        let handled = served.signature("KeyError | read_basket");
        assert_eq!((handled.crashes, handled.handled), (0, 1), "a caught error is no crash");
        assert_eq!(served.sessions("web@1.2.3+77", "sessions_errored"), (3.0, 1.0));

        let died = served.python("python_unhandled.py");
        assert_eq!(died.status.code(), Some(1), "the program dies as it would without us");
        let crash = served.signature("IndexError | decode_frame | read_connection");
        assert_eq!((crash.crashes, crash.handled), (1, 0));
        let page = served.page_of(&crash);
        for words in ["IndexError", "index out of range", "decode_frame", "web@1.2.4+78", "eu-2"] {
            assert!(page.says(words), "the signature's page does not say {words:?}");
        }
    }
}

#[test]
fn the_node_sdk_reports_caught_and_uncaught_errors_and_sessions() {
    let served = served(Engine::Sqlite);
    well(&served.node("node_handled.mjs"));
    let handled = served.signature("TypeError | readBasket");
    assert_eq!((handled.crashes, handled.handled), (0, 1), "a caught error is no crash");
    assert_eq!(served.sessions("web@2.0.0", "sessions_errored"), (1.0, 1.0));

    let died = served.node("node_unhandled.mjs");
    assert!(!died.status.success(), "the program dies as it would without us");
    let crash = served.signature("RangeError | decodeFrame | readConnection");
    assert_eq!((crash.crashes, crash.handled), (1, 0));
    assert_eq!(served.sessions("web@2.0.1", "sessions_crashed"), (1.0, 1.0));
    let page = served.page_of(&crash);
    for words in ["RangeError", "no byte 7 in a frame of 5", "decodeFrame", "web@2.0.1", "us-2"] {
        assert!(page.says(words), "the signature's page does not say {words:?}");
    }
}

#[test]
fn sentry_cli_sends_an_event() {
    let served = served(Engine::Sqlite);
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let mut command = Command::new(installed(&format!("node/node_modules/@sentry/cli-linux-{machine}/bin/sentry-cli")));
    command.args(["send-event", "--message", "disk is full", "--release", "web@3.0.0", "--env", "production"]);
    let output = served.run(command);
    well(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("Event id: "), "{output:?}");
    let found = served.signature("disk is full");
    assert_eq!((found.crashes, found.handled), (0, 1), "a message is no crash");
    assert_eq!(served.kind_of(&found), ReportKind::Message);
    assert!(served.page_of(&found).says("web@3.0.0"));
}

#[test]
fn a_client_with_a_wrong_key_is_told_so_and_leaves_nothing() {
    let mut served = served(Engine::Sqlite);
    let (scheme, rest) = served.dsn.split_once("://").expect("a DSN");
    let (_, place) = rest.split_once('@').expect("a DSN");
    served.dsn = format!("{scheme}://{}@{place}", "0".repeat(32));
    well(&served.python("python_handled.py"));
    assert_eq!(served.signatures(), []);
}
