//! Bad input at every door: refused with a status and a sentence, by a server that stays small and goes on serving.

use crate::support::{Client, Engine, Program, TestDatabase, program::run_well};
use std::{io::Write, sync::OnceLock};

/// The most memory that the server may have had, KiB.
const MOST: u64 = 256 * 1024;

/// The most memory that a process ever had, KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("KiB")
}

fn zeros(mut into: impl Write, mebibytes: usize) {
    let block = vec![0; 1024 * 1024];
    for _ in 0..mebibytes {
        into.write_all(&block).expect("written");
    }
}

/// Bodies that are small and unpack to 512 MiB: each with the name of its coding.
fn bombs() -> &'static [(&'static str, Vec<u8>)] {
    static BOMBS: OnceLock<Vec<(&'static str, Vec<u8>)>> = OnceLock::new();
    BOMBS.get_or_init(pack)
}

fn pack() -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zeros(&mut gzip, 512);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zeros(&mut zlib, 512);
    let mut packed = Vec::new();
    let mut brotli = brotli::CompressorWriter::new(&mut packed, 1 << 16, 1, 22);
    zeros(&mut brotli, 512);
    drop(brotli);
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    zeros(&mut zstd, 512);
    vec![
        ("gzip", gzip.finish().expect("packed")),
        ("deflate", zlib.finish().expect("packed")),
        ("br", packed),
        ("zstd", zstd.finish().expect("packed")),
    ]
}

struct House {
    _database: TestDatabase,
    program: Program,
    envelope: String,
    store: String,
    script: Client,
    sender: Client,
}

fn house() -> House {
    let database = TestDatabase::new(Engine::Sqlite);
    let on = |arguments: &[&str]| {
        run_well(&arguments.iter().copied().chain(["--database", database.url.as_str()]).collect::<Vec<_>>(), "")
    };
    let dsn = on(&["admin", "service", "add", "relay"]);
    let key = dsn.split("//").nth(1).and_then(|rest| rest.split('@').next()).expect("a key");
    let token = on(&["admin", "token", "create", "script", "--scope", "admin"]);
    let door = |name: &str| format!("/api/1/{name}/?sentry_key={key}&sentry_version=7");
    let (envelope, store) = (door("envelope"), door("store"));
    let program = Program::serve(&database);
    let (script, sender) = (Client::with_token(&program.base, &token), program.client());
    House { _database: database, program, envelope, store, script, sender }
}

const EVENT: &str = r#"{"event_id":"0123456789abcdef0123456789abcdef","level":"fatal","release":"A","exception":{"values":[{"type":"X","value":"y"}]}}"#;

fn envelope(items: &str) -> Vec<u8> {
    format!("{{\"event_id\":\"0123456789abcdef0123456789abcdef\"}}\n{items}\n").into_bytes()
}

#[test]
fn the_crash_doors_refuse_what_is_bad_and_stay_small() {
    let house = house();
    let good = envelope(&format!("{{\"type\":\"event\",\"length\":{}}}\n{EVENT}", EVENT.len()));
    let deep = format!("{{\"extra\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!(
        "{{\"type\":\"event\"}}\n{{{}}}",
        (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",")
    );
    let big = vec![b'x'; 40 * 1024 * 1024];
    let mut half = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    half.write_all(&good).expect("written");
    let half = half.finish().expect("packed");
    let refused: Vec<(&str, &str, Vec<(&str, &str)>, Vec<u8>)> = vec![
        ("nothing", &house.envelope, vec![], vec![]),
        ("no JSON", &house.envelope, vec![], b"hello\nworld\n".to_vec()),
        ("a list", &house.envelope, vec![], b"[]\n".to_vec()),
        ("a lying length", &house.envelope, vec![], envelope("{\"type\":\"event\",\"length\":99999}\n{}")),
        ("a negative length", &house.envelope, vec![], envelope("{\"type\":\"event\",\"length\":-1}\n{}")),
        ("no UTF-8", &house.envelope, vec![], b"\xff\xfe{}\n{}\n".to_vec()),
        ("too big", &house.envelope, vec![], big.clone()),
        ("half a body", &house.envelope, vec![("content-encoding", "gzip")], half[..half.len() / 2].to_vec()),
        ("not packed", &house.envelope, vec![("content-encoding", "gzip")], good.clone()),
        ("another coding", &house.envelope, vec![("content-encoding", "lzma")], good.clone()),
        ("packed twice", &house.envelope, vec![("content-encoding", "gzip, gzip")], good.clone()),
        ("an empty event", &house.store, vec![], vec![]),
        ("a broken event", &house.store, vec![], EVENT.as_bytes()[..40].to_vec()),
        ("a list of events", &house.store, vec![], b"[1,2,3]".to_vec()),
        ("a big event", &house.store, vec![], big),
    ];
    for (what, door, headers, body) in &refused {
        let answer = house.sender.send("POST", door, headers, body);
        assert!([400, 413, 415].contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
        assert!(answer.json()["detail"].as_str().is_some_and(|words| words.len() > 10), "{what}: {}", answer.body);
    }
    // Hostile, though of the right form: answered one way or the other, and quickly.
    for (what, body) in [("deep", envelope(&format!("{{\"type\":\"event\"}}\n{deep}"))), ("wide", envelope(&wide))] {
        let began = std::time::Instant::now();
        let answer = house.sender.send("POST", &house.envelope, &[], &body);
        assert!([200, 400, 413].contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
        assert!(began.elapsed().as_secs() < 5, "{what} took {:?}", began.elapsed());
    }
    for (coding, bomb) in bombs() {
        for door in [&house.envelope, &house.store] {
            let answer = house.sender.send("POST", door, &[("content-encoding", coding)], bomb);
            assert!([400, 413].contains(&answer.status), "{coding} of {} bytes: {}", bomb.len(), answer.body);
        }
    }
    let wrong = house.envelope.replace("sentry_key=", "sentry_key=0");
    assert_eq!(house.sender.send("POST", &wrong, &[], &good).status, 403);
    assert_eq!(house.sender.send("POST", "/api/1/envelope/", &[], &good).status, 401);
    let elsewhere = house.envelope.replace("/api/1/", "/api/2/");
    assert_eq!(house.sender.send("POST", &elsewhere, &[], &good).status, 403);
    assert_eq!(house.sender.send("GET", &house.envelope, &[], b"").status, 405);

    assert_eq!(house.sender.send("POST", &house.envelope, &[], &good).status, 200, "after all that it still serves");
    assert_eq!(house.sender.send("POST", &house.envelope, &[], &good).status, 200, "and a repeat is no error");
    let peak = peak(house.program.id());
    assert!(peak < MOST, "the server had {} MiB", peak / 1024);
    assert!(house.program.terminate().success());
}

#[test]
fn the_json_api_refuses_what_is_bad_and_stays_small() {
    let house = house();
    let line = r#"{"type":"note","at":"2026-03-03T01:00:00Z","actor":"d","text":"x"}"#;
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let ways = ["/services", "/pushes", "/pushes/none/steps", "/flag-changes", "/exposure", "/crashes", "/notes"];
    for way in ways.map(|way| format!("/api/v1{way}")) {
        let bad: [(&str, Vec<u8>); 7] = [
            ("nothing", vec![]),
            ("no JSON", b"hello".to_vec()),
            ("half", br#"{"service":"relay","#.to_vec()),
            ("a number", b"7".to_vec()),
            ("no UTF-8", b"{\"service\":\"\xff\"}".to_vec()),
            ("deep", deep.clone().into_bytes()),
            ("a key twice", br#"{"service":"a","service":"b"}"#.to_vec()),
        ];
        for (what, body) in bad {
            // No lines are no telemetry, and that is no error.
            if body.is_empty() && ["/api/v1/exposure", "/api/v1/crashes"].contains(&way.as_str()) {
                continue;
            }
            let answer = house.script.send("POST", &way, &[("content-type", "application/json")], &body);
            assert!([400, 404, 413, 422].contains(&answer.status), "{way}, {what}: {} {}", answer.status, answer.body);
            assert!(
                answer.json()["detail"].as_str().is_some_and(|words| words.len() > 10),
                "{way}, {what}: {}",
                answer.body
            );
        }
        let big = vec![b' '; 80 * 1024 * 1024];
        match house.script.try_send("POST", &way, &[("content-type", "application/json")], &big) {
            Ok(answer) => assert_eq!(answer.status, 413, "{way}: {}", answer.body),
            // The answer may be overtaken by the end of the connection, since the rest of the body is not read.
            Err(error) => println!("{way}: {error}"),
        }
        for (coding, bomb) in bombs() {
            let answer = house.script.send("POST", &way, &[("content-encoding", coding)], bomb);
            assert!(
                [400, 413, 415, 422].contains(&answer.status),
                "{way}, {coding}: {} {}",
                answer.status,
                answer.body
            );
        }
    }
    let bad_history = format!("{line}\nnonsense\n");
    let answer = house.script.send("POST", "/api/v1/history", &[], bad_history.as_bytes());
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(answer.json()["detail"].as_str().is_some_and(|words| words.contains("Line 2")), "{}", answer.body);
    assert_eq!(house.script.page("/api/v1/history").body, "", "nothing of it was kept");
    let peak = peak(house.program.id());
    assert!(peak < MOST, "the server had {} MiB", peak / 1024);
    assert!(house.program.terminate().success());
}

#[test]
fn a_bomb_is_refused_without_being_held() {
    let house = house();
    let good = envelope(&format!("{{\"type\":\"event\"}}\n{EVENT}"));
    assert_eq!(house.sender.send("POST", &house.envelope, &[], &good).status, 200);
    let before = peak(house.program.id());
    for (coding, bomb) in bombs() {
        for _ in 0..3 {
            let answer = house.sender.send("POST", &house.envelope, &[("content-encoding", coding)], bomb);
            assert_eq!(answer.status, 413, "{coding}: {}", answer.body);
        }
    }
    let more = |after: u64| (after - before) / 1024;
    let one_by_one = more(peak(house.program.id()));
    // Fifty at once, of every coding.
    let door = &house.envelope;
    std::thread::scope(|scope| {
        for (coding, bomb) in bombs().iter().cycle().take(50) {
            let sender = house.program.client();
            scope.spawn(move || {
                let answer = sender.send("POST", door, &[("content-encoding", *coding)], bomb);
                assert_eq!(answer.status, 413, "{coding}: {}", answer.body);
            });
        }
    });
    let at_once = more(peak(house.program.id()));
    println!("bombs took {one_by_one} MiB one by one and {at_once} MiB at once, more than {} MiB", before / 1024);
    assert!(one_by_one < 64, "bombs took {one_by_one} MiB more than {} MiB", before / 1024);
    assert!(at_once < 64, "fifty bombs took {at_once} MiB more than {} MiB", before / 1024);
    assert!(house.program.terminate().success());
}
