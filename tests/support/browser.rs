//! A real browser: headless Chromium, driven through chromedriver in the WebDriver protocol, which is JSON over HTTP.

use super::{eventually, postgres::free_port};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use ureq::Agent;

/// One browser window with a profile of its own.
pub struct Browser {
    agent: Agent,
    session: String,
    driver: Child,
    _profile: TempDir,
}

/// Something on the page.
#[derive(Debug, Clone)]
pub struct Element(String);

/// The key of an element in the protocol, the same for every driver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

fn program(name: &str, package: &str) -> String {
    let places = std::env::var("PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|folder| folder.join(name)).find(|path| path.exists());
    let found = found.or_else(|| Some(Path::new("/usr/bin").join(name)).filter(|path| path.exists()));
    match found {
        Some(path) => path.to_string_lossy().into_owned(),
        None => {
            panic!("{name} is not installed. Install the Debian package `{package}`, or run tests/run, which does.")
        }
    }
}

impl Browser {
    /// Starts a browser.
    pub fn start() -> Browser {
        let (driver, chromium) = (program("chromedriver", "chromium-driver"), program("chromium", "chromium"));
        let (profile, port) = (TempDir::with_prefix("pushback-test-browser-").expect("a folder"), free_port());
        let driver = Command::new(driver)
            .arg(format!("--port={port}"))
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        let agent: Agent = config.build().into();
        let base = format!("http://127.0.0.1:{port}");
        eventually("chromedriver answers", 20, || agent.get(format!("{base}/status")).call().ok());
        let folder = profile.path().join("profile");
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1000",
        ];
        let arguments: Vec<String> =
            arguments.map(str::to_owned).into_iter().chain([format!("--user-data-dir={}", folder.display())]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let mut browser = Browser { agent, session: base.clone(), driver, _profile: profile };
        let made = browser.ask("POST", "/session", Some(wanted));
        let id = made["sessionId"].as_str().expect("a session");
        browser.session = format!("{base}/session/{id}");
        browser.ask("POST", "/timeouts", Some(json!({ "pageLoad": 30_000, "implicit": 0 })));
        browser
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        match self.try_ask(method, path, body) {
            Ok(value) => value,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    fn try_ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let answer = match (method, body) {
            ("GET", _) => self.agent.get(url).call(),
            ("DELETE", _) => self.agent.delete(url).call(),
            (_, body) => self.agent.post(url).send_json(body.unwrap_or_else(|| json!({}))),
        };
        let mut answer = answer.map_err(|error| error.to_string())?;
        let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let mut said: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let value = said["value"].take();
        match value["error"].as_str() {
            Some(error) if value["message"].is_string() => {
                Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default()))
            }
            _ => Ok(value),
        }
    }

    /// Opens an address.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", Some(json!({ "url": url })));
    }

    /// The address in the bar.
    pub fn url(&self) -> String {
        self.ask("GET", "/url", None).as_str().expect("an address").to_owned()
    }

    /// The path in the address, without the server.
    pub fn path(&self) -> String {
        let url = self.url();
        url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default()
    }

    /// The elements that a CSS selector picks.
    pub fn all(&self, selector: &str) -> Vec<Element> {
        let found = self.ask("POST", "/elements", Some(json!({ "using": "css selector", "value": selector })));
        let found = found.as_array().expect("a list").iter();
        found.map(|it| Element(it[ELEMENT].as_str().expect("an element").to_owned())).collect()
    }

    /// The first element that a CSS selector picks, waited for.
    #[track_caller]
    pub fn find(&self, selector: &str) -> Element {
        let look = || self.all(selector).into_iter().next();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(std::time::Instant::now() < until, "{} has no {selector}:\n{}", self.url(), self.words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks as a person does: what cannot be seen or is covered cannot be clicked. Waits until a page that this leads to
    /// is there.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let Element(id) = self.find(selector);
        self.run("document.documentElement.dataset.left = 'no'");
        self.ask("POST", &format!("/element/{id}/click"), None);
    }

    /// Clicks something that leads to another page, and waits for it.
    #[track_caller]
    pub fn follow(&self, selector: &str) {
        self.click(selector);
        let gone = || {
            let ready = self.run("return document.readyState === 'complete' && !document.documentElement.dataset.left");
            (ready == Value::Bool(true)).then_some(())
        };
        eventually(&format!("{selector} leads to another page"), 20, gone);
    }

    /// Types into a field, after what is there.
    #[track_caller]
    pub fn write(&self, selector: &str, text: &str) {
        let Element(id) = self.find(selector);
        self.ask("POST", &format!("/element/{id}/value"), Some(json!({ "text": text })));
    }

    /// Empties a field, then types into it.
    #[track_caller]
    pub fn rewrite(&self, selector: &str, text: &str) {
        let Element(id) = self.find(selector);
        self.ask("POST", &format!("/element/{id}/clear"), None);
        self.ask("POST", &format!("/element/{id}/value"), Some(json!({ "text": text })));
    }

    /// Presses a key, for whatever has the focus.
    pub fn press(&self, key: char) {
        let press =
            json!([{ "type": "keyDown", "value": key.to_string() }, { "type": "keyUp", "value": key.to_string() }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": press }] });
        self.ask("POST", "/actions", Some(actions));
    }

    /// Runs a script in the page, past its policy, and gives back what it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", Some(json!({ "script": script, "args": [] })))
    }

    /// The words on the page, as a reader sees them.
    pub fn words(&self) -> String {
        let text = self.run("return document.body ? document.body.innerText : ''");
        text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether the page says this where a reader can see it.
    #[track_caller]
    pub fn must_say(&self, words: &str) {
        let said = self.words();
        let found = said.to_lowercase().contains(&words.to_lowercase());
        assert!(found, "{} does not say {words:?}:\n{said}", self.url());
    }

    /// What the console said since it was last asked: errors, and what the policy kept from loading.
    pub fn complaints(&self) -> Vec<String> {
        let lines = self.ask("POST", "/se/log", Some(json!({ "type": "browser" })));
        let bad = |line: &&Value| matches!(line["level"].as_str(), Some("SEVERE" | "WARNING"));
        let lines = lines.as_array().expect("a list").iter().filter(bad);
        lines.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Shows pages as on a screen of that width, CSS pixels.
    pub fn set_width(&self, width: u32) {
        self.command(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 700 }),
        );
    }

    /// Shows pages as to somebody who asked for dark ones, or for light ones.
    pub fn set_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.command("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Turns scripts of pages off or on.
    pub fn set_scripts(&self, on: bool) {
        self.command("Emulation.setScriptExecutionDisabled", &json!({ "value": !on }));
    }

    fn command(&self, name: &str, parameters: &Value) {
        self.ask("POST", "/goog/cdp/execute", Some(json!({ "cmd": name, "params": parameters })));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser goes with its session; a driver that does not answer any more is ended all the same.
        let _ = self.try_ask("DELETE", "", None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
