//! One private PostgreSQL cluster per test run: made when the first test asks, on a free port of this machine, with fsync
//! on as in earnest, and gone when the test process is, however that ends.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// The cluster of this run.
pub struct Cluster {
    port: u16,
    // The supervising shell waits for the end of this pipe, which the kernel closes also after a kill -9.
    _supervisor: Child,
}

/// Makes the cluster, says `ready`, waits for its standard input to end, and takes everything away again.
const SUPERVISOR: &str = r#"
set -eu
umask 077
as_owner() { if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; else "$@"; fi; }
mkdir "$FOLDER"
if [ "$(id -u)" -eq 0 ]; then chown postgres: "$FOLDER"; fi
cd "$FOLDER"
trap 'as_owner "$BIN/pg_ctl" -D "$FOLDER/data" -m immediate -w stop >/dev/null 2>&1 || true; cd /; rm -rf "$FOLDER"' EXIT
as_owner "$BIN/initdb" -D "$FOLDER/data" -U pushback --auth=trust -E UTF8 --locale=C --no-sync >"$FOLDER/initdb.log" 2>&1 </dev/null || { cat "$FOLDER/initdb.log"; exit 1; }
as_owner "$BIN/pg_ctl" -D "$FOLDER/data" -w -t 60 -l "$FOLDER/data/server.log" \
  -o "-c listen_addresses=127.0.0.1 -p $PORT -k $FOLDER -c max_connections=400 -c shared_buffers=64MB" start >/dev/null 2>&1 </dev/null \
  || { cat "$FOLDER/data/server.log"; exit 1; }
echo ready
cat >/dev/null || true
"#;

impl Cluster {
    /// The cluster, started by whoever asks first.
    pub fn get() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Cluster::start)
    }

    /// The URL of a database in it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://pushback@127.0.0.1:{}/{database}", self.port)
    }

    // The shell is waited for by nobody: it ends after this process, and takes the cluster with it.
    #[allow(clippy::zombie_processes)]
    fn start() -> Cluster {
        let bin = programs();
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("pushback-tests-pg-{}-{port}", std::process::id()));
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR])
            .env("BIN", &bin)
            .env("FOLDER", &folder)
            .env("PORT", port.to_string())
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh can be started");
        let mut said = String::new();
        for line in BufReader::new(supervisor.stdout.take().expect("piped")).lines() {
            let line = line.expect("the supervisor speaks UTF-8");
            if line == "ready" {
                return Cluster { port, _supervisor: supervisor };
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("the private PostgreSQL of the tests could not be started with {}:\n{said}", bin.display());
    }
}

/// Where the newest installed server's programs are.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin): &(u32, PathBuf)| Path::exists(&bin.join("initdb")))
        .collect();
    found.sort();
    match found.pop() {
        Some((_, bin)) => bin,
        None => panic!(
            "No PostgreSQL server is installed (looked for /usr/lib/postgresql/*/bin/initdb). Install the Debian package \
             `postgresql`, or run tests/run, which does."
        ),
    }
}

/// A port that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
