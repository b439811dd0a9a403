//! The real program, as an operator runs it: its own process, its own command line, killed where a test wants that.

use super::{Client, TestDatabase};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

/// A serving process.
pub struct Program {
    /// Where it is reached.
    pub base: String,
    /// The one-time link that it printed, where nobody can sign in yet.
    pub link: Option<String>,
    child: Child,
    /// What it printed once it served.
    lines: Arc<Mutex<Vec<String>>>,
}

/// The program's command line, with nothing from this environment.
pub fn pushback(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushback"));
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PUSHBACK_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end, with something on its standard input.
pub fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = pushback(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

/// Runs a command that must succeed, and gives back its standard output without the last line's end.
#[track_caller]
pub fn run_well(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pushback {arguments:?}: {} {said}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

impl Program {
    /// Serves a database on a free port of this machine.
    pub fn serve(database: &TestDatabase) -> Program {
        Program::start(&["--listen", "127.0.0.1:0", "--database", &database.url])
    }

    /// Serves a database, and logs as JSON what the filter lets through.
    pub fn serve_logging(database: &TestDatabase, filter: &str) -> Program {
        let arguments = ["--listen", "127.0.0.1:0", "--database", &database.url];
        Program::start_command(pushback(&arguments).env("PUSHBACK_LOG", filter).env("PUSHBACK_LOG_FORMAT", "json"))
    }

    /// Waits for so many printed lines that hold a text, and gives them back.
    #[track_caller]
    pub fn printed(&self, text: &str, least: usize) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let lines = self.lines.lock().expect("lines").clone();
            let found: Vec<String> = lines.iter().filter(|line| line.contains(text)).cloned().collect();
            if found.len() >= least {
                return found;
            }
            assert!(Instant::now() < until, "“{text}” {} times of {least} in:\n{}", found.len(), lines.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Serves the told story, its database in a folder for what is thrown away.
    pub fn demo_in(temporary: &std::path::Path) -> Program {
        let arguments = ["demo", "--listen", "127.0.0.1:0"];
        Program::start_command(pushback(&arguments).env("TMPDIR", temporary))
    }

    /// Starts it, and waits until it answers.
    pub fn start(arguments: &[&str]) -> Program {
        Program::start_command(&mut pushback(arguments))
    }

    fn start_command(command: &mut Command) -> Program {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (lines, heard) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let also = lines.clone();
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(|line| drop(also.send(line))));
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        let until = Instant::now() + Duration::from_secs(60);
        let (mut base, mut link, mut said) = (None, None, Vec::new());
        while let Ok(line) = heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(found) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                if found.contains("/welcome/") {
                    link = Some(found.to_owned());
                } else {
                    base.get_or_insert_with(|| found.to_owned());
                }
            }
            let complete = line.starts_with("The link holds") || line.contains("Ctrl-C ends it");
            let nothing_more = base.is_some() && line.starts_with("Pushback listens on");
            said.push(line);
            if complete {
                break;
            }
            if nothing_more {
                // The lines about the first administrator follow at once, where there are any.
                while let Ok(line) = heard.recv_timeout(Duration::from_millis(150)) {
                    if let Some(found) = line.split_whitespace().find(|word| word.contains("/welcome/")) {
                        link = Some(found.to_owned());
                    }
                }
                break;
            }
        }
        // The pipes must not fill up.
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        std::thread::spawn(move || heard.into_iter().for_each(|line| kept.lock().expect("lines").push(line)));
        let base = base.unwrap_or_else(|| panic!("{command:?} did not say where it listens:\n{}", said.join("\n")));
        Program { base, link, child, lines }
    }

    /// Somebody who has just come.
    pub fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Ends it as a crash of the machine would: kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(mut self) -> ExitStatus {
        signal(self.child.id(), "TERM");
        self.ended(Duration::from_secs(20))
    }

    /// Waits for its end.
    pub fn ended(&mut self, at_most: Duration) -> ExitStatus {
        let until = Instant::now() + at_most;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < until, "the program did not end within {at_most:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Sends a signal to one process.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {process}")]).status().expect("sh");
    assert!(sent.success(), "kill -s {name} {process}");
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
