//! A feed for readers that know Atom: pushes, regressions, published postmortems. Feed readers have no session, so a token
//! with the scope `read` in the address works too; it opens nothing but this.

use crate::{
    domain::{Time, access::Scope, incident::Status, time},
    flows::{Error, incident::drafted_summary},
    secret,
    store::{Read, changes::PushFilter},
    web::{App, SignedIn, WebError, blocking, href},
};
use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use serde::Deserialize;

/// How many entries the feed has.
const MOST: usize = 50;

/// The token of a feed reader.
#[derive(Deserialize)]
pub struct Key {
    #[serde(default)]
    token: String,
}

struct Entry {
    id: String,
    href: String,
    title: String,
    summary: String,
    published: String,
    updated: String,
    at: Time,
    author: String,
}

#[derive(Template)]
#[template(path = "find/feed.xml")]
struct Feed {
    base: String,
    updated: String,
    entries: Vec<Entry>,
}

/// The feed, newest first.
pub async fn feed(app: Data<App>, request: HttpRequest, query: Query<Key>) -> Result<HttpResponse, WebError> {
    if query.token.is_empty() {
        SignedIn::from_request(&request, &mut Payload::None).await?;
    } else {
        let (hash, now) = (secret::hash(&query.token), app.clock.now());
        let token = blocking(&app, move |app| app.store.read::<_, Error>(|read| Ok(read.token(&hash)?))).await?;
        let reads = |scopes: &[Scope]| scopes.iter().any(|scope| scope.allows(Scope::Read));
        if !token.is_some_and(|token| token.is_valid_at(now) && reads(&token.scopes)) {
            let reason = "This token is unknown, too old, was taken back, or has no scope “read”.";
            return Err(WebError::new(StatusCode::UNAUTHORIZED, "No valid token", reason));
        }
    }
    let base = app.base_url.clone();
    let mut entries = blocking(&app, |app| app.store.read::<_, Error>(entries)).await?;
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    entries.truncate(MOST);
    let updated = time::text(entries.first().map_or_else(|| app.clock.now(), |entry| entry.at));
    let body = Feed { base, updated, entries }.render();
    let body =
        body.map_err(|error| WebError::from(Error::Store(crate::store::StoreError::Other(error.to_string()))))?;
    Ok(HttpResponse::Ok().content_type("application/atom+xml; charset=utf-8").body(body))
}

fn entries(read: &mut Read<'_>) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let many = MOST as i64;
    for push in read.pushes(&PushFilter { limit: many, ..PushFilter::default() })? {
        let it = push.started;
        entries.push(Entry {
            id: format!("push:{}", it.push),
            href: href::push(&it.push),
            title: format!("{}: {} of {} in {}", it.push, it.release, it.service, it.environment),
            summary: it.purpose.unwrap_or_default(),
            published: time::text(it.at),
            updated: time::text(push.standing.since.unwrap_or(it.at)),
            at: it.at,
            author: it.actor,
        });
    }
    for stored in read.regressions(many)? {
        let it = stored.finding;
        let after = read.continuations_of(&it.id)?.len();
        let withdrawn = if it.withdrawn.is_some() { ", withdrawn" } else { "" };
        entries.push(Entry {
            id: format!("regression:{}", it.id),
            href: href::regression(&it.id),
            title: format!("{}: {} harm to {} in {}{withdrawn}", it.id, it.kind.word(), it.service, it.environment),
            summary: drafted_summary(&it, after),
            published: time::text(it.detected_at),
            updated: time::text(stored.said_at),
            at: it.detected_at,
            author: "Pushback".to_owned(),
        });
    }
    for it in read.incidents(many)? {
        let Some((who, at)) = it.published.filter(|_| matches!(it.status, Status::Published | Status::Closed)) else {
            continue;
        };
        entries.push(Entry {
            id: format!("postmortem:{}", it.id),
            href: format!("/postmortems/{}", it.id),
            title: format!("Postmortem {}: {}", it.id, it.title),
            summary: format!("{}, {}, {}, revision {}", it.severity.word(), it.service, it.environment, it.revision),
            published: time::text(at),
            updated: time::text(it.changed_at),
            at,
            author: who,
        });
    }
    Ok(entries)
}
