//! Flag changes: recorded and listed.

use super::{
    caller::Reader,
    pushes::{limit_in, time_in},
    sent::{self, Blanks, USUAL},
};
use crate::{
    domain::{Record, access::Scope, time},
    flows::{Error, record_change::record_change},
    secret,
    web::{App, Bearer, WebError, blocking},
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Which flag changes.
#[derive(Debug, Deserialize)]
pub struct Asked {
    service: Option<String>,
    flag: Option<String>,
    before: Option<String>,
    limit: Option<i64>,
}

/// Flag changes, latest first.
pub async fn list(app: Data<App>, reader: Reader, asked: Query<Asked>) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let Asked { service, flag, before, limit } = asked.into_inner();
    let (before, limit) = (time_in("before", before.as_deref())?, limit_in(limit));
    let changes = blocking(&app, move |app| {
        app.store.read::<_, Error>(|read| Ok(read.flag_changes(service.as_deref(), flag.as_deref(), before, limit)?))
    })
    .await?;
    let full = usize::try_from(limit).is_ok_and(|limit| changes.len() == limit);
    let next = changes.last().filter(|_| full).map(|last| time::text(last.at));
    let changes: Vec<Value> =
        changes.into_iter().map(|it| Value::Object(sent::told(&Record::FlagChanged(it)))).collect();
    Ok(HttpResponse::Ok().json(json!({ "flag_changes": changes, "before": next })))
}

/// Records that a flag's rule changed. The change's id is made where none is sent.
pub async fn change(
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Push)?;
    let mut fields = sent::object(&sent::bytes(&request, payload, USUAL).await?)?;
    let now = app.clock.now();
    let (kept, id) = blocking(&app, move |app| {
        sent::fill(&mut fields, "change", || secret::new_id(now));
        // Sent again without a time, it is the same change, made when it was first heard of.
        let known = match fields.get("change").and_then(Value::as_str) {
            Some(id) => app.store.read::<_, Error>(|read| Ok(read.flag_change(id)?))?,
            None => None,
        };
        let at = known.map_or(now, |known| known.at);
        let blanks = Blanks { received_at: now, at, actor: Some(bearer.token.name.clone()) };
        let record = sent::record("flag_changed", fields, &blanks).map_err(|error| sent::refused(&error))?;
        let kept = record_change(&app.store, &bearer.actor(), &record, now)?;
        Ok((kept, record.id().unwrap_or_default().to_owned()))
    })
    .await?;
    app.judging.wake();
    Ok(sent::kept(kept, json!({ "change": id })))
}
