//! A disk that runs full under a running server: crash reports are refused, people go on, and all comes back by itself. The
//! disk is a small one of this machine's memory; where none can be mounted, this test fails and says so.

use super::durability::{Told, check, envelope, make_a_door};
use crate::support::{Program, TestDatabase, eventually, program::run_well};
use serde_json::json;
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// A file system of its own, of 64 MiB.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> SmallDisk {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "none"])
            .arg(folder.path())
            .status()
            .expect("mount is installed");
        assert!(
            mounted.success(),
            "a small disk must be mounted: run the tests as root, or in a user namespace (unshare -rm)"
        );
        SmallDisk(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until there is no room at all.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).expect("a file");
        for size in [1 << 20, 4096] {
            let block = vec![1_u8; size];
            while file.write_all(&block).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Still in use where a test failed: it goes when its last user does.
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

#[test]
fn a_full_disk_refuses_reports_lets_people_go_on_and_recovers_by_itself_within_10_seconds() {
    let disk = SmallDisk::new();
    let file = disk.path().join("pushback.sqlite3");
    let url = format!("sqlite:{}", file.display());
    let database = TestDatabase::at(&file);
    let door = make_a_door(&database);
    let token = run_well(&["admin", "token", "create", "deploy", "--scope", "push", "--database", &url], "");
    let program = Program::start(&["--listen", "127.0.0.1:0", "--database", &url]);
    let client = program.client();
    let (mut number, mut told) = (0, Told::default());
    let mut send = || {
        number += 1;
        let id = format!("{number:032x}");
        let answer = client.send("POST", &door, &[], &envelope(&id));
        if answer.status == 200 {
            told.acknowledged.insert(id);
        }
        answer
    };
    let reserve = disk.path().join("pushback.sqlite3.reserve");
    assert!(reserve.exists(), "no reserve was made");
    assert_eq!(send().status, 200);

    let filler = disk.fill();
    let refused = eventually("reports are refused", 5, || Some(send()).filter(|answer| answer.status != 200));
    assert_eq!(refused.status, 507, "{}", refused.body);
    assert!(refused.header("retry-after").is_some());

    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let post = |path: &str, body: serde_json::Value| {
        let began = Instant::now();
        let answer = client.send("POST", path, &headers, body.to_string().as_bytes());
        assert!(began.elapsed() < Duration::from_secs(2), "{path}: {:?}", began.elapsed());
        answer
    };
    for push in 0..20 {
        let begun = json!({"push": format!("relay-{push}"), "service": "relay", "release": format!("B{push}"), "previous": "A"});
        let answer = post("/api/v1/pushes", begun);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let hold = post(&format!("/api/v1/pushes/relay-{push}/holds"), json!({"reason": "the disk is full"}));
        assert!(hold.status < 300, "{}: {}", hold.status, hold.body);
        assert_eq!(send().status, 507, "a report took from the reserve");
    }
    assert!(!reserve.exists(), "the reserve was not needed");
    assert_eq!(client.get("/sign-in").status, 200);
    let ready = client.get("/readyz");
    assert_eq!(ready.status, 200, "a balancer would cut people off: {}", ready.body);
    assert!(ready.body.contains("disk is full") || ready.body.contains("are left"), "{}", ready.body);

    std::fs::remove_file(filler).expect("room again");
    let began = Instant::now();
    eventually("reports are taken again", 10, || (send().status == 200).then_some(()));
    eventually("the reserve is made again", 10, || reserve.exists().then_some(()));
    println!("taken again {:?} after there was room", began.elapsed());
    assert!(program.terminate().success());
    let said = run_well(&["ledger", "verify", "--database", &url], "");
    assert!(said.ends_with("Nothing was changed."), "{said}");
    // What was refused is not kept either: nothing is half taken.
    check(&database, &told);
}
