//! A client of the tests: keeps cookies as a browser does, follows nothing by itself, and hands back every status.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};
use ureq::{Agent, Body, http};

/// Somebody at a browser or a script, talking to one server.
pub struct Client {
    base: String,
    agent: Agent,
    cookies: RefCell<BTreeMap<String, String>>,
    bearer: Option<String>,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Whether the page says this somewhere, entities and line breaks aside.
    pub fn says(&self, words: &str) -> bool {
        let plain = |text: &str| {
            let text = text.replace("&#38;", "&").replace("&amp;", "&").replace("&#39;", "'").replace("&#34;", "\"");
            text.replace("&lt;", "<").replace("&#60;", "<").replace("&gt;", ">").replace("&#62;", ">")
        };
        plain(&self.body).split_whitespace().collect::<Vec<_>>().join(" ").contains(words)
    }

    /// The secret of the page's forms.
    #[track_caller]
    pub fn csrf(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").expect("a form with its secret");
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

impl Client {
    /// Somebody new, without cookies.
    pub fn new(base: &str) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Client { base: base.to_owned(), agent: config.into(), cookies: RefCell::default(), bearer: None }
    }

    /// A program with a token.
    pub fn with_token(base: &str, token: &str) -> Client {
        Client { bearer: Some(token.to_owned()), ..Client::new(base) }
    }

    /// Asks for a page.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], &[])
    }

    /// Asks for a page that must be there.
    #[track_caller]
    pub fn page(&self, path: &str) -> Answer {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer
    }

    /// Sends a form.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", coded(name), coded(value))).collect();
        self.send("POST", path, &[("content-type", "application/x-www-form-urlencoded")], body.join("&").as_bytes())
    }

    /// Sends JSON.
    pub fn post_json(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Sends any request.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends any request to a server that may be gone before it answers.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(token) = &self.bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = if body.is_empty() && method != "POST" {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            self.agent.run(request.body(body).expect("a request"))
        };
        self.taken(response?)
    }

    /// The value of a cookie that the server has set.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    /// Signs in through the form.
    #[track_caller]
    pub fn sign_in(&self, email: &str, password: &str) {
        let answer = self.post("/sign-in", &[("email", email), ("password", password), ("to", "/")]);
        assert_eq!(answer.status, 303, "{}", answer.body);
    }

    /// The secret that this person's forms carry, from whichever page shows one.
    #[track_caller]
    pub fn secret(&self) -> String {
        ["/postmortems/new", "/account", "/", "/pushes/relay-118"]
            .iter()
            .map(|path| self.get(path))
            .find(|answer| answer.status == 200 && answer.body.contains("name=\"csrf\""))
            .expect("a page with a form")
            .csrf()
    }

    fn taken(&self, mut response: http::Response<Body>) -> Result<Answer, ureq::Error> {
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        for (_, cookie) in headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            if let Some((name, value)) = pair.split_once('=') {
                if attributes.contains("Max-Age=0") {
                    self.cookies.borrow_mut().remove(name);
                } else {
                    self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
                }
            }
        }
        let bytes = response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_vec()?;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { status: response.status().as_u16(), headers, body })
    }
}

/// Text as it stands in a form or in one part of a path: everything but letters, digits and `-._~` as percent and two digits.
pub fn coded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
