//! Who asks, and what a form says. One place turns a cookie or a token into somebody.

use super::{App, WebError, blocking};
use crate::{
    domain::{
        Time,
        access::{Act, Scope},
        time,
    },
    flows::Error,
    secret,
    store::{
        Actor,
        accounts::{Session, Token},
        people::Person,
    },
};
use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header,
    web::{Data, Form},
};
use std::{future::Future, pin::Pin};

/// The demo's member.
pub const DEMO_MEMBER: &str = "lee@example.com";

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// What forms must carry.
    pub csrf: String,
    /// The reader's zone, minutes east of UTC.
    pub zone: Option<i32>,
    /// What happened a moment ago.
    pub flash: Option<String>,
    /// How many entries the ledger has.
    pub ledger: Option<i64>,
    /// The cookie's secret; none in the demo.
    pub cookie: Option<String>,
}

impl SignedIn {
    /// Refuses who may not do that.
    pub fn must(&self, act: Act) -> Result<(), WebError> {
        if self.person.role.may(act) {
            return Ok(());
        }
        let role = self.person.role.word();
        let needed = match act {
            Act::Read | Act::Hold => "anybody signed in",
            Act::Export => "members, auditors and administrators",
            Act::Record | Act::Write => "members and administrators",
            Act::Administer => "administrators",
        };
        Err(WebError::forbidden(format!(
            "This is for {needed}; you are here as {role}. An administrator can change that."
        )))
    }

    /// The ledger's name for this person.
    pub fn actor(&self) -> Actor {
        Actor { id: self.person.id.clone(), auth: if self.cookie.is_some() { "session".into() } else { "demo".into() } }
    }
}

/// The name of the session cookie: over TLS one that no other host can set.
pub fn cookie_name(app: &App) -> &'static str {
    if app.is_secure() { "__Host-pushback" } else { "pushback" }
}

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, WebError>>>>;

impl FromRequest for SignedIn {
    type Error = WebError;
    type Future = Extracted<SignedIn>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let signed = signed_in(&request).await?;
            request.extensions_mut().insert(signed.clone());
            Ok(signed)
        })
    }
}

async fn signed_in(request: &HttpRequest) -> Result<SignedIn, WebError> {
    let app = request.app_data::<Data<App>>().cloned().ok_or_else(WebError::sign_in)?;
    let cookie = request.cookie(cookie_name(&app)).map(|cookie| cookie.value().to_owned());
    let zone = request
        .cookie("zone")
        .and_then(|cookie| cookie.value().parse().ok())
        // In UTC the reader’s hour is the one that stands there already.
        .filter(|zone: &i32| *zone != 0 && zone.abs() <= 14 * 60);
    let flash = request.cookie("flash").map(|cookie| decode(cookie.value()));
    let here = request.peer_addr().is_some_and(|peer| peer.ip().is_loopback());
    let demo = app.demo && here;
    let now = app.clock.now();
    let kept = cookie.clone();
    let (session, member, ledger) = blocking(&app, move |app| {
        app.store.read::<_, Error>(|read| {
            let session = match &kept {
                Some(cookie) => read.session(&secret::hash(cookie), now)?,
                None => None,
            };
            let member = if demo && session.is_none() { read.person_by_email(DEMO_MEMBER)? } else { None };
            Ok((session, member, read.ledger_head()?.map(|(size, ..)| size)))
        })
    })
    .await?;
    match (session, member) {
        (Some(session), _) => {
            touch(&app, cookie.clone(), &session, now);
            Ok(SignedIn { person: session.person, csrf: session.csrf, zone, flash, ledger, cookie })
        }
        (None, Some(person)) => Ok(SignedIn { person, csrf: app.demo_csrf.clone(), zone, flash, ledger, cookie: None }),
        (None, None) => Err(WebError::sign_in()),
    }
}

/// Notes, at most every five minutes, that a session was used. Nobody waits for it.
fn touch(app: &Data<App>, cookie: Option<String>, session: &Session, now: Time) {
    if let Some(cookie) = cookie.filter(|_| now - session.seen_at > time::minutes(5)) {
        let (app, span) = (app.clone(), tracing::Span::current());
        drop(actix_web::rt::task::spawn_blocking(move || {
            let _entered = span.enter();
            if let Err(error) = app.store.keep::<_, Error>(|tx| Ok(tx.touch_session(&secret::hash(&cookie), now)?)) {
                tracing::warn!(%error, "the use of a session was not noted");
            }
        }));
    }
}

/// A form sent by somebody signed in, with the secret that only our own pages hold.
pub struct Posted {
    /// Who sent it.
    pub signed: SignedIn,
    fields: Vec<(String, String)>,
}

impl FromRequest for Posted {
    type Error = WebError;
    type Future = Extracted<Posted>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let signed = SignedIn::from_request(request, payload);
        let form = Form::<Vec<(String, String)>>::from_request(request, payload);
        Box::pin(async move {
            let signed = signed.await?;
            let fields = form
                .await
                .map_err(|error| WebError::bad_request(format!("The form could not be read: {error}.")))?
                .into_inner();
            // No text that a person typed holds a NUL, and PostgreSQL keeps none.
            let fields = fields.into_iter().map(|(name, value)| (name, value.replace('\0', ""))).collect();
            let posted = Posted { signed, fields };
            let twice = posted.fields.iter().any(|(name, _)| {
                !name.ends_with("[]") && posted.fields.iter().filter(|(other, _)| other == name).count() > 1
            });
            if twice {
                return Err(WebError::bad_request(
                    "A field of the form came twice. Open the page again and send it once more.",
                ));
            }
            if !secret::same(posted.text("csrf"), &posted.signed.csrf) {
                return Err(WebError::forbidden(
                    "This form is too old, so nothing was done. Open the page again and send it once more.",
                ));
            }
            Ok(posted)
        })
    }
}

impl Posted {
    /// A field's text, trimmed; empty where it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    /// A field's text as it was sent, for passwords; empty where it is missing.
    pub fn raw(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// Every value of a field whose name ends in `[]`.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// A program with a token.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The token.
    pub token: Token,
}

impl Bearer {
    /// Refuses a token that may not do that.
    pub fn must(&self, needed: Scope) -> Result<(), WebError> {
        if self.token.scopes.iter().any(|scope| scope.allows(needed)) {
            return Ok(());
        }
        Err(WebError::forbidden(format!(
            "This token has no scope “{}”. Make one that has, with `pushback admin token create NAME --scope {}`.",
            needed.word(),
            needed.word()
        )))
    }

    /// The ledger's name for this token.
    pub fn actor(&self) -> Actor {
        Actor { id: self.token.id.clone(), auth: format!("token:{}", self.token.id) }
    }
}

impl FromRequest for Bearer {
    type Error = WebError;
    type Future = Extracted<Bearer>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let unknown =
                |reason: &str| WebError::new(actix_web::http::StatusCode::UNAUTHORIZED, "No valid token", reason);
            let app = request.app_data::<Data<App>>().cloned().ok_or_else(|| unknown("This server is not ready."))?;
            let secret = request
                .headers()
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")))
                .map(|value| secret::hash(value.trim()))
                .ok_or_else(|| unknown("Send a token as `Authorization: Bearer …`. An administrator makes one with `pushback admin token create`."))?;
            let now = app.clock.now();
            let token = blocking(&app, move |app| {
                let token = app.store.read::<_, Error>(|read| Ok(read.token(&secret)?))?;
                let valid = token.filter(|token| token.is_valid_at(now));
                if let Some(token) =
                    valid.as_ref().filter(|token| token.used_at.is_none_or(|used| now - used > time::minutes(60)))
                {
                    app.store.keep::<_, Error>(|tx| Ok(tx.touch_token(&token.id, now)?))?;
                }
                Ok(valid)
            })
            .await?;
            token
                .map(|token| Bearer { token })
                .ok_or_else(|| unknown("This token is unknown, too old, or was taken back."))
        })
    }
}

/// Text for a query string or a cookie: everything but letters, digits and `-._~/` as percent and two digits.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// Reads what [`encode`] wrote; what is not UTF-8 afterwards is replaced.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], digits.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
