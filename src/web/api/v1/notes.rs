//! Notes: something that somebody said or did, on the timeline.

use super::{
    caller::Reader,
    pushes::time_in,
    sent::{self, Blanks, USUAL},
};
use crate::{
    domain::{Record, access::Scope, time},
    flows::{Error, record_change::record_change},
    web::{App, Bearer, WebError, blocking},
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Which notes.
#[derive(Debug, Deserialize)]
pub struct Asked {
    service: String,
    from: Option<String>,
    to: Option<String>,
}

/// Notes about a service, and those about none, in order of time: of the last week where no times are named.
pub async fn list(app: Data<App>, reader: Reader, asked: Query<Asked>) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let asked = asked.into_inner();
    let to = time_in("to", asked.to.as_deref())?.unwrap_or_else(|| app.clock.now());
    let from = time_in("from", asked.from.as_deref())?.unwrap_or(to - time::minutes(7 * 24 * 60));
    let notes = blocking(&app, move |app| {
        app.store.read::<_, Error>(|read| Ok(read.notes_between(&asked.service, from, to)?))
    })
    .await?;
    let notes: Vec<Value> = notes.into_iter().map(|it| Value::Object(sent::told(&Record::Note(it)))).collect();
    Ok(HttpResponse::Ok().json(json!({ "notes": notes, "from": time::text(from), "to": time::text(to) })))
}

/// Adds a note.
pub async fn add(
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Push)?;
    let fields = sent::object(&sent::bytes(&request, payload, USUAL).await?)?;
    let now = app.clock.now();
    let (kept, record) = blocking(&app, move |app| {
        let blanks = Blanks { received_at: now, at: now, actor: Some(bearer.token.name.clone()) };
        let record = sent::record("note", fields, &blanks).map_err(|error| sent::refused(&error))?;
        Ok((record_change(&app.store, &bearer.actor(), &record, now)?, record))
    })
    .await?;
    app.judging.wake();
    Ok(sent::kept(kept, Value::Object(sent::told(&record))))
}
