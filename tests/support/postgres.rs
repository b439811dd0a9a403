//! A private PostgreSQL cluster for the test run: made when the first test asks, on a free port of this machine, with fsync
//! on as in earnest, and gone when the test process is, however that ends. A test that kills its server makes one of its own.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock},
};

/// A cluster.
pub struct Cluster {
    port: u16,
    // The supervising shell waits for the end of its input, which the kernel closes also after a kill -9.
    supervisor: Mutex<Supervisor>,
}

struct Supervisor {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

/// Makes the cluster, says `ready`, does what its standard input says until that ends, and takes everything away again.
const SUPERVISOR: &str = r#"
set -eu
umask 077
as_owner() { if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; else "$@"; fi; }
mkdir "$FOLDER"
if [ "$(id -u)" -eq 0 ]; then chown postgres: "$FOLDER"; fi
cd "$FOLDER"
trap 'as_owner "$BIN/pg_ctl" -D "$FOLDER/data" -m immediate -w stop >/dev/null 2>&1 || true; cd /; rm -rf "$FOLDER"' EXIT
as_owner "$BIN/initdb" -D "$FOLDER/data" -U pushback --auth=trust -E UTF8 --locale=C --no-sync >"$FOLDER/initdb.log" 2>&1 </dev/null || { cat "$FOLDER/initdb.log"; exit 1; }
start() {
  as_owner "$BIN/pg_ctl" -D "$FOLDER/data" -w -t 60 -l "$FOLDER/data/server.log" \
    -o "-c listen_addresses=127.0.0.1 -p $PORT -k $FOLDER -c max_connections=400 -c shared_buffers=64MB" start >/dev/null 2>&1 </dev/null
}
start || { cat "$FOLDER/data/server.log"; exit 1; }
echo ready
while read -r wish; do
  case "$wish" in
    kill)
      server=$(head -n 1 "$FOLDER/data/postmaster.pid")
      kill -s KILL "$server" $(cat /proc/"$server"/task/*/children)
      ;;
    start)
      # What is left of the killed server is on its way out; until then a new one does not start.
      tries=0
      until start; do
        tries=$((tries + 1))
        if [ "$tries" -ge 50 ]; then cat "$FOLDER/data/server.log"; exit 1; fi
        sleep 0.1
      done
      ;;
  esac
  echo done
done
"#;

impl Cluster {
    /// The cluster, started by whoever asks first.
    pub fn get() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Cluster::own)
    }

    /// Kills the server and all its processes with SIGKILL.
    pub fn kill(&self) {
        self.wish("kill");
    }

    /// Starts the server again after a kill, and comes back when it takes connections.
    pub fn start_again(&self) {
        self.wish("start");
    }

    fn wish(&self, what: &str) {
        let mut supervisor = self.supervisor.lock().expect("one wish at a time");
        writeln!(supervisor.child.stdin.as_mut().expect("piped"), "{what}").expect("the supervisor listens");
        let mut said = String::new();
        for line in supervisor.says.by_ref().map_while(Result::ok) {
            if line == "done" {
                return;
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("the private PostgreSQL of the tests did not {what}:\n{said}");
    }

    /// The URL of a database in it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://pushback@127.0.0.1:{}/{database}", self.port)
    }

    /// A new cluster.
    // Nobody waits for the shell: it ends after this process, or when its input does, and takes the cluster with it.
    #[allow(clippy::zombie_processes)]
    pub fn own() -> Cluster {
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
        let mut says = BufReader::new(supervisor.stdout.take().expect("piped")).lines();
        while let Some(line) = says.next() {
            let line = line.expect("the supervisor speaks UTF-8");
            if line == "ready" {
                return Cluster { port, supervisor: Mutex::new(Supervisor { child: supervisor, says }) };
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
