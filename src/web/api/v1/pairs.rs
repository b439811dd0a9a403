//! Releases of a service beside each other: what mixed-version tests report, and what was observed.

use super::{
    caller::Reader,
    sent::{self, USUAL},
};
use crate::{
    domain::{
        access::Scope,
        pair::{PairReport, PairVerdict},
        time,
    },
    flows::{
        Error, administer,
        guard_push::{Seen, Source},
        report_pair::{pairs, report_pair},
    },
    web::{App, Bearer, WebError, blocking},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Payload, Query},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Of which service.
#[derive(Debug, Deserialize)]
pub struct Asked {
    service: Option<String>,
}

fn told(it: &Seen) -> Value {
    let (regression, actor, note, url) = match &it.source {
        Source::Regression(id) => (Some(id), None, None, None),
        Source::Report { actor, note, url } => (None, Some(actor), note.as_ref(), url.as_ref()),
    };
    json!({
        "release": it.release,
        "peer_release": it.peer_release,
        "verdict": it.verdict,
        "at": time::text(it.at),
        "regression": regression,
        "actor": actor,
        "note": note,
        "url": url,
    })
}

/// Everything that is known of a service's releases beside each other, newest first.
pub async fn list(app: Data<App>, reader: Reader, asked: Query<Asked>) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let service = asked.into_inner().service;
    let service = service.ok_or_else(|| WebError::bad_request("Name a service: ?service=NAME."))?;
    let seen = blocking(&app, move |app| pairs(&app.store, &service)).await?;
    Ok(HttpResponse::Ok().json(json!({ "pairs": seen.iter().map(told).collect::<Vec<_>>() })))
}

/// Reports what came of two releases that ran side by side.
pub async fn report(
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Push)?;
    let fields = sent::object(&sent::bytes(&request, payload, USUAL).await?)?;
    let now = app.clock.now();
    let seen = blocking(&app, move |app| {
        let report = read(&fields, &bearer.token.name, now)?;
        report_pair(&app.store, &bearer.actor(), &report, now)?;
        Ok(Seen::from(report))
    })
    .await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(told(&seen)))
}

fn read(fields: &Map<String, Value>, actor: &str, now: time::Time) -> Result<PairReport, Error> {
    const KNOWN: [&str; 8] = ["service", "release", "peer_release", "verdict", "at", "actor", "note", "url"];
    let mut wrong = Vec::new();
    wrong.extend(
        fields
            .keys()
            .filter(|name| !KNOWN.contains(&name.as_str()))
            .map(|name| format!("{name}: not a field of a report on a pair. There are {}.", KNOWN.join(", "))),
    );
    let mut text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Some(_) => {
            wrong.push(format!("{name}: text was expected."));
            None
        }
    };
    let (service, release, peer_release) = (text("service"), text("release"), text("peer_release"));
    let (verdict, at) = (text("verdict"), text("at"));
    let (by, note, url) = (text("actor"), text("note"), text("url"));
    let words = PairVerdict::REPORTED.map(PairVerdict::word).join(", ");
    let verdict = verdict.as_deref().and_then(PairVerdict::parse);
    let at = at.map(|at| {
        time::parse(&at).ok_or("at: a time in RFC 3339 with a zone was expected, as in 2026-03-03T01:13:40Z.")
    });
    for (name, missing) in
        [("service", service.is_none()), ("release", release.is_none()), ("peer_release", peer_release.is_none())]
    {
        if missing {
            wrong.push(format!("{name}: a name was expected."));
        }
    }
    if verdict.is_none() {
        wrong.push(format!("verdict: one of {words} was expected."));
    }
    if let Some(Err(reason)) = at {
        wrong.push(reason.to_owned());
    }
    let (Some(verdict), true) = (verdict, wrong.is_empty()) else { return Err(Error::Refused(wrong)) };
    Ok(PairReport {
        service: administer::slug(&service.unwrap_or_default())?,
        release: release.unwrap_or_default(),
        peer_release: peer_release.unwrap_or_default(),
        verdict,
        at: at.and_then(Result::ok).unwrap_or(now),
        actor: by.unwrap_or_else(|| actor.to_owned()),
        note,
        url,
    })
}
