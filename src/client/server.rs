//! Talking to a server: addresses, tokens, tries, and answers that are errors. What is said is decided by the commands.

use super::{Reach, words};
use crate::{
    console::Failure,
    domain::{finding::Decision, percent::Percent},
};
use serde_json::Value;
use std::time::Duration;
use ureq::{
    Agent, Body,
    http::{Response, StatusCode, header},
    tls::{Certificate, RootCerts, TlsConfig},
};

/// How often something is said at most, where the connection breaks or the server is too busy.
const TRIES: u32 = 3;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and the token for it.
pub struct Server {
    agent: Agent,
    base: String,
    token: String,
}

/// A push that was found.
pub struct Found {
    /// Its id.
    pub id: String,
    /// The server's clock when it was found.
    pub now: String,
}

/// What the gate said.
pub struct GateAnswer {
    /// The whole answer.
    pub whole: Value,
    /// When it was given, by the server's clock.
    pub at: String,
    /// The exit code that stands for it.
    pub code: u8,
}

impl GateAnswer {
    /// The answer for people: the verdict, then why, then where to look.
    pub fn text(&self) -> String {
        let word = |name: &str| self.whole[name].as_str().unwrap_or_default();
        let mut lines = vec![format!("{}: {}", word("decision"), word("push"))];
        let because = self.whole["because"].as_array().or(self.whole["reasons"].as_array());
        lines.extend(because.into_iter().flatten().filter_map(Value::as_str).map(|reason| format!("  {reason}")));
        lines.push(format!("  {}", word("page")));
        lines.join("\n")
    }
}

impl Server {
    /// The server that the flags or the environment name.
    pub fn at(reach: &Reach) -> Result<Server, Failure> {
        let missing = |what: &str, how: &str| Failure(format!("{what}. Set {how}"));
        let base = reach.url.as_deref().map(|url| url.trim().trim_end_matches('/')).filter(|url| !url.is_empty());
        let base = base.ok_or_else(|| {
            missing("no server is named", "PUSHBACK_URL to its address, as in https://push.example, or give --url")
        })?;
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(Failure(format!("“{base}” is no address of a server. It begins with https:// or http://")));
        }
        let token = reach.token.as_deref().map(str::trim).filter(|token| !token.is_empty()).ok_or_else(|| {
            missing(
                "no token is named",
                "PUSHBACK_TOKEN. An administrator makes one with `pushback admin token create NAME --scope push`",
            )
        })?;
        Ok(Server { agent: agent(base), base: base.to_owned(), token: token.to_owned() })
    }

    /// The push with that id; or, of a service with that name, the one that is open.
    pub fn push(&self, which: &str, environment: Option<&str>) -> Result<Found, Failure> {
        if let Some(it) = self.get_if_there(&format!("/pushes/{}", words::segment(which)))? {
            return Ok(found(&it, &it));
        }
        let place = environment.map_or_else(String::new, |it| format!("&environment={}", words::segment(it)));
        let name = words::segment(which);
        let open = self.get(&format!("/pushes?service={name}&open=true{place}"))?;
        let pushes = open["pushes"].as_array().map(Vec::as_slice).unwrap_or_default();
        match pushes {
            [only] => Ok(found(only, &open)),
            [] => {
                let latest = self.get(&format!("/pushes?service={name}&limit=1{place}"))?;
                Err(Failure(none_open(which, latest["pushes"].get(0))))
            }
            several => {
                let name = |it: &Value| {
                    let field = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
                    format!("\n  {} ({}, {})", field("push"), field("release"), field("environment"))
                };
                let names: String = several.iter().map(name).collect();
                Err(Failure(format!("{} pushes of “{which}” are open. Say which one is meant:{names}", several.len())))
            }
        }
    }

    /// Asks the gate for a push, which may say the share that it would go to.
    pub fn gate(&self, push: &str, next: Option<Percent>) -> Result<GateAnswer, Failure> {
        let next = next.map_or_else(String::new, |percent| format!("?percent={}", percent.value()));
        let whole = self.get(&format!("/pushes/{}/gate{next}", words::segment(push)))?;
        let word = whole["decision"].as_str().unwrap_or_default();
        let decision = Decision::parse(word)
            .ok_or_else(|| Failure(format!("the server gave a verdict that this program does not know: “{word}”")))?;
        let at = whole["at"].as_str().unwrap_or_default().to_owned();
        Ok(GateAnswer { at, code: decision.exit_code(), whole })
    }

    /// Says something.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let body = body.to_string();
        let answer = self.tried(|| {
            self.agent
                .post(self.address(path))
                .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
                .content_type("application/json")
                .send(body.as_str())
        })?;
        self.read(answer)
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.ask(path)?;
        self.read(answer)
    }

    fn get_if_there(&self, path: &str) -> Result<Option<Value>, Failure> {
        let answer = self.ask(path)?;
        if answer.status() == StatusCode::NOT_FOUND { Ok(None) } else { self.read(answer).map(Some) }
    }

    fn ask(&self, path: &str) -> Result<Response<Body>, Failure> {
        self.tried(|| {
            self.agent.get(self.address(path)).header(header::AUTHORIZATION, format!("Bearer {}", self.token)).call()
        })
    }

    fn address(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }

    /// Says it again where the connection breaks or the server is too busy. Everything said here carries its own id or time,
    /// so that the server sees a repeat.
    fn tried(&self, say: impl Fn() -> Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = say();
            let again = match &answer {
                Ok(answer) => matches!(answer.status().as_u16(), 502..=504),
                Err(_) => true,
            };
            if again && tries < TRIES {
                std::thread::sleep(Duration::from_millis(400 * u64::from(tries)));
                continue;
            }
            return answer.map_err(|error| {
                Failure(format!(
                    "{} could not be reached: {error}. Tried {tries} times. See whether the server runs and PUSHBACK_URL names it",
                    self.base
                ))
            });
        }
    }

    fn read(&self, mut answer: Response<Body>) -> Result<Value, Failure> {
        let status = answer.status();
        if status.is_redirection() {
            let to = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            return Err(Failure(format!(
                "{} sends this program on to {to}. Set PUSHBACK_URL to the address that is meant, so that the token goes nowhere else",
                self.base
            )));
        }
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        let body: Option<Value> = text.ok().and_then(|text| serde_json::from_str(&text).ok());
        match body {
            Some(body) if status.is_success() => Ok(body),
            Some(body) => {
                let reasons = body["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let reasons: Vec<&str> = reasons.collect();
                let told = if reasons.is_empty() {
                    body["detail"].as_str().unwrap_or("").into()
                } else {
                    reasons.join("\n  ")
                };
                Err(Failure(format!(
                    "{told} (status {}, request {})",
                    status.as_u16(),
                    body["request"].as_str().unwrap_or("?")
                )))
            }
            None => Err(Failure(format!(
                "{} answered with status {} and no JSON. Is PUSHBACK_URL the address of a Pushback server?",
                self.base,
                status.as_u16()
            ))),
        }
    }
}

fn found(push: &Value, answer: &Value) -> Found {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Found { id: text(&push["push"]), now: text(&answer["now"]) }
}

fn none_open(which: &str, latest: Option<&Value>) -> String {
    let begin = format!("Begin one with `pushback push start {which} --release RELEASE`");
    match latest {
        None => format!("there is neither a push nor a service with a push that is called “{which}”. {begin}"),
        Some(latest) => format!(
            "no push of “{which}” is open; the latest, {}, is {}. Name it by its id, if it is meant. {begin}",
            latest["push"].as_str().unwrap_or_default(),
            latest["state"].as_str().unwrap_or_default().replace('_', " ")
        ),
    }
}

fn agent(base: &str) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(PATIENCE))
        .user_agent(concat!("pushback/", env!("CARGO_PKG_VERSION")));
    if !base.starts_with("https://") {
        return config.build().into();
    }
    // What this machine trusts, and not a list of its own: servers within a company have certificates of the company.
    let trusted = rustls_native_certs::load_native_certs().certs;
    let trusted: Vec<Certificate<'static>> = trusted.iter().map(|it| Certificate::from_der(it).to_owned()).collect();
    let roots = if trusted.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&trusted) };
    config.tls_config(TlsConfig::builder().root_certs(roots).build()).build().into()
}
