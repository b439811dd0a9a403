//! The ledger, to look at: its entries, and one entry with what it commits to.

use crate::{
    domain::{Time, access::Act},
    flows::Error,
    ledger::{Stored, commitment},
    secret,
    web::{App, Frame, SignedIn, WebError, blocking, render},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};
use askama::Template;
use serde::Deserialize;

/// Entries on one page.
const PAGE: i64 = 50;

struct Line {
    seq: i64,
    at: Time,
    kind: String,
    subject: String,
    actor: String,
    auth: String,
}

#[derive(Template)]
#[template(path = "ledger/entries.html")]
struct EntriesPage {
    frame: Frame,
    lines: Vec<Line>,
    size: i64,
    root: String,
    older: Option<i64>,
}

#[derive(Template)]
#[template(path = "ledger/entry.html")]
struct EntryPage {
    frame: Frame,
    line: Line,
    leaf: String,
    leaf_hash: String,
    commitment: String,
    salt: Option<String>,
    payload: Option<String>,
    holds: bool,
    last: bool,
}

/// Where to begin.
#[derive(Deserialize)]
pub struct Before {
    before: Option<i64>,
}

fn line(stored: &Stored, who: &[(String, String)]) -> Line {
    let entry = &stored.entry;
    let name = who.iter().find(|(id, _)| *id == entry.actor).map_or(&entry.actor, |(_, email)| email);
    Line {
        seq: entry.seq,
        at: entry.at,
        kind: entry.kind.clone(),
        subject: entry.subject.clone(),
        actor: name.clone(),
        auth: entry.auth.clone(),
    }
}

/// Entries, the latest first.
pub async fn entries(app: Data<App>, signed: SignedIn, query: Query<Before>) -> Result<HttpResponse, WebError> {
    let before = query.before;
    let (entries, who, head) = blocking(&app, move |app| {
        app.store.read::<_, Error>(|read| {
            let head = read.ledger_head()?;
            let end = before.unwrap_or(i64::MAX).min(head.as_ref().map_or(0, |(size, ..)| *size)).max(0);
            let from = (end - PAGE).max(0);
            let entries = read.ledger_entries(from, end - from)?;
            let who: Vec<(String, String)> = read.people()?.into_iter().map(|it| (it.id, it.email)).collect();
            Ok((entries, who, head))
        })
    })
    .await?;
    let lines: Vec<Line> = entries.iter().rev().map(|it| line(it, &who)).collect();
    let older = lines.last().map(|it| it.seq).filter(|seq| *seq > 0);
    let (size, root) = head.map_or((0, String::new()), |(size, root, _)| (size, secret::hex(&root)));
    render(&EntriesPage { frame: Frame::new(&app, &signed, "/ledger"), lines, size, root, older })
}

/// One entry: its leaf, and what it commits to.
pub async fn entry(app: Data<App>, signed: SignedIn, seq: Path<i64>) -> Result<HttpResponse, WebError> {
    let seq = seq.into_inner();
    let (stored, who, size) = blocking(&app, move |app| {
        app.store.read::<_, Error>(|read| {
            let stored = read.ledger_entries(seq, 1)?.into_iter().find(|it| it.entry.seq == seq);
            let stored = stored.ok_or_else(|| Error::no("ledger entry", &seq.to_string()))?;
            let who: Vec<(String, String)> = read.people()?.into_iter().map(|it| (it.id, it.email)).collect();
            Ok((stored, who, read.ledger_head()?.map_or(0, |(size, ..)| size)))
        })
    })
    .await?;
    // What people typed belongs to everybody who is signed in; who was added with which address does not.
    let shown = signed.person.role.may(Act::Export) || !stored.entry.kind.starts_with("person.");
    let sealed = stored.sealed.as_ref();
    let holds = stored.entry.leaf_hash() == stored.leaf_hash
        && sealed.is_none_or(|it| commitment(&it.salt, &it.payload) == stored.entry.commitment);
    let page = EntryPage {
        frame: Frame::new(&app, &signed, "/ledger"),
        line: line(&stored, &who),
        leaf: String::from_utf8_lossy(&stored.entry.leaf()).into_owned(),
        leaf_hash: secret::hex(&stored.leaf_hash),
        commitment: secret::hex(&stored.entry.commitment),
        salt: sealed.map(|it| secret::hex(&it.salt)).filter(|_| shown),
        payload: sealed.map(|it| pretty(&it.payload)).filter(|_| shown),
        holds,
        last: seq + 1 == size,
    };
    render(&page)
}

fn pretty(payload: &[u8]) -> String {
    match serde_json::from_slice::<serde_json::Value>(payload) {
        Ok(value) => format!("{value:#}"),
        Err(_) => String::from_utf8_lossy(payload).into_owned(),
    }
}
