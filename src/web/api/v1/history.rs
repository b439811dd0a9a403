//! The whole record: taken away, or brought in at once.

use super::{
    caller::Reader,
    sent::{self, HISTORY},
};
use crate::{
    domain::access::Scope,
    flows::{export_history, import_history},
    web::{App, Bearer, WebError, blocking},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};

/// Everything that was recorded, as a history file.
pub async fn export(app: Data<App>, reader: Reader) -> Result<HttpResponse, WebError> {
    reader.must_export()?;
    let lines = blocking(&app, |app| Ok(export_history::to_lines(&export_history::all_records(&app.store)?))).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"history.ndjson\""))
        .body(lines))
}

/// Brings a history file in: all of it, or nothing.
pub async fn import(
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Admin)?;
    let bytes = sent::bytes(&request, payload, HISTORY).await?;
    let now = app.clock.now();
    let done = blocking(&app, move |app| {
        let records = import_history::read_history(bytes.as_slice())?;
        drop(bytes);
        import_history::import_history(&app.store, &bearer.actor(), records, now)
    })
    .await?;
    app.judging.wake();
    Ok(HttpResponse::Ok().json(done))
}
