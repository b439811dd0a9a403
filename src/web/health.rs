//! Whether this process lives, whether it can serve, and what operators watch. For programs; none of it needs a page.

use super::App;
use crate::{
    domain::{access::Scope, time},
    outbound::metrics::Gauges,
    store::{Condition, StoreError},
    web::{Bearer, WebError},
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use std::time::Duration;

/// How long the database may take to answer.
const WITHIN: Duration = Duration::from_secs(1);

/// The process answers. Nothing else is asked.
pub async fn alive() -> HttpResponse {
    plain(StatusCode::OK, "alive\n".into())
}

/// Whether requests can be served: one sentence for each thing that stands in the way. A disk that is full or nearly so is told
/// and stands in nobody's way: crash reports get their refusal here as anywhere, and people can still stop a push.
pub async fn ready(app: Data<App>) -> HttpResponse {
    let mut missing = Vec::new();
    if app.is_stopping() {
        missing.push("This server is stopping.");
    }
    let asked = app.clone();
    let answer = super::aside(move || asked.store.read::<_, StoreError>(|read| read.setting("history_epoch")));
    if !matches!(tokio::time::timeout(WITHIN, answer).await, Ok(Ok(Ok(_)))) {
        missing.push("The database does not answer.");
    }
    let condition = app.store.condition().0;
    let sentence = condition.sentence().unwrap_or_default();
    if matches!(condition, Condition::Failed { .. }) {
        missing.push(&sentence);
    }
    if !app.telemetry.is_open() {
        missing.push("The telemetry writer has ended.");
    }
    if !app.judging.is_ready() {
        missing.push("The judge is still reading the history; until then every gate says hold.");
    }
    if missing.is_empty() {
        let told = if sentence.is_empty() { sentence } else { sentence + "\n" };
        return plain(StatusCode::OK, format!("ready\n{told}"));
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
}

/// Counters and gauges, for whoever has a token that may read. Where a request comes from says nothing: behind a proxy on this
/// machine everybody seems to sit at it.
pub async fn metrics(app: Data<App>, bearer: Bearer) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Read)?;
    let now = app.clock.now();
    let gauges = Gauges {
        queue: app.telemetry.queue(),
        to_fold: app.telemetry.to_fold(),
        judge_lag: app.judging.lag(now),
        judge_ready: app.judging.is_ready(),
        judge_keeps: app.judging.keeps(),
        database: app.store.condition().0.word(),
        started: time::micros(app.started_at) as f64 / 1e6,
    };
    let text = app.telemetry.metrics().text(&gauges);
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

fn plain(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}
