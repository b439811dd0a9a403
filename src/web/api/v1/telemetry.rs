//! Exposure and crash reports as JSON: one, an array, or one per line. Taken in by the same lane as the crash doors.

use super::sent::{self, Blanks, USUAL};
use crate::{
    domain::{Record, Time, access::Scope, crash::ReportKind, record::RecordError},
    flows::{
        Error,
        take_telemetry::{Delivery, Taken},
    },
    secret,
    store::reports::Report,
    web::{App, Bearer, WebError, aside},
    workers::commit_telemetry::NotTaken,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Payload},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Takes windows of exposure.
pub async fn exposure(
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    take("exposure", app, bearer, request, payload).await
}

/// Takes crash reports. Ids are made where none are sent.
pub async fn crashes(
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    take("crash", app, bearer, request, payload).await
}

async fn take(
    word: &'static str,
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Ingest)?;
    let bytes = sent::bytes(&request, payload, USUAL).await?;
    let now = app.clock.now();
    let reader = app.clone();
    let read = aside(move || sent::objects(&bytes).and_then(|items| deliveries(word, items, &reader, now)));
    let (deliveries, ids) =
        read.await.map_err(|_| Error::Later { what: "The server is too busy to read that.".into(), seconds: 5 })??;
    let mut all = Taken::default();
    for delivery in deliveries {
        let service = delivery.service.clone();
        let taken = app.telemetry.put(delivery).await.map_err(|error| {
            let why = if matches!(error, NotTaken::OverQuota(_)) { "refused over_quota" } else { "refused too_busy" };
            app.telemetry.count_refused(&service, "api", why);
            not_taken(error)
        })?;
        all.new += taken.new;
        all.repeats += taken.repeats;
        all.different += taken.different;
    }
    let status = match all {
        Taken { different: 1.., .. } => StatusCode::CONFLICT,
        Taken { new: 1.., .. } => StatusCode::CREATED,
        Taken { .. } => StatusCode::OK,
    };
    let mut answer = json!({ "new": all.new, "repeats": all.repeats, "different": all.different });
    if !ids.is_empty() {
        answer["ids"] = json!(ids);
    }
    if all.different > 0 {
        answer["detail"] =
            "Some ids are here already with other content; what was here first stays, and everything else was \
            kept. Ids are unique: give each report its own."
                .into();
    }
    Ok(HttpResponse::build(status).json(answer))
}

/// The records by service, since what became of them is counted by service; and the ids of reports, in their order.
fn deliveries(
    word: &'static str,
    items: Vec<Map<String, Value>>,
    app: &App,
    now: Time,
) -> Result<(Vec<Delivery>, Vec<String>), WebError> {
    let mut by_service: BTreeMap<String, Delivery> = BTreeMap::new();
    let (mut ids, mut wrong) = (Vec::new(), Vec::new());
    for (number, mut fields) in items.into_iter().enumerate() {
        if word == "crash" {
            sent::fill(&mut fields, "id", || secret::new_id(now));
        }
        let at = known_at(&fields, app)?.unwrap_or(now);
        let blanks = Blanks { received_at: now, at, actor: None };
        let record = match sent::record(word, fields, &blanks) {
            Ok(record) => record,
            Err(RecordError { field, expected }) => {
                wrong.push(format!("Item {}, {field}: {expected}.", number + 1));
                if wrong.len() == 10 {
                    break;
                }
                continue;
            }
        };
        ids.extend(record.id().map(str::to_owned));
        let service = match &record {
            Record::Crash(it) => it.service.clone(),
            Record::Exposure(it) => it.service.clone(),
            Record::Service(_)
            | Record::PushStarted(_)
            | Record::PushStep(_)
            | Record::FlagChanged(_)
            | Record::Note(_) => continue,
        };
        let delivery = by_service.entry(service.clone()).or_insert_with(|| Delivery {
            service,
            door: "api",
            received_at: Some(now),
            ..Delivery::default()
        });
        match record {
            Record::Crash(it) => {
                let report =
                    Report::whole(it, ReportKind::Crash, None, app.telemetry.packer()).map_err(Error::Store)?;
                delivery.reports.push(report);
            }
            Record::Exposure(it) => delivery.exposures.push(it),
            Record::Service(_)
            | Record::PushStarted(_)
            | Record::PushStep(_)
            | Record::FlagChanged(_)
            | Record::Note(_) => {}
        }
    }
    if wrong.is_empty() {
        return Ok((by_service.into_values().collect(), ids));
    }
    wrong.push("Nothing of this request was kept.".into());
    Err(Error::Refused(wrong).into())
}

/// When a report that is sent again without a time was first heard of: it is the same report.
fn known_at(fields: &Map<String, Value>, app: &App) -> Result<Option<Time>, Error> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    match (fields.get("at").is_none_or(Value::is_null), text("service"), text("id")) {
        (true, Some(service), Some(id)) => {
            let known = app.store.read::<_, Error>(|read| Ok(read.crash_by_id_alone(service, id)?))?;
            Ok(known.map(|known| known.crash.at))
        }
        _ => Ok(None),
    }
}

fn not_taken(error: NotTaken) -> WebError {
    match error {
        NotTaken::OverQuota(seconds) => Error::Later { what: error.to_string(), seconds }.into(),
        NotTaken::QueueFull | NotTaken::Stopping => Error::Later { what: error.to_string(), seconds: 5 }.into(),
        NotTaken::Store(error) => Error::Store(error).into(),
    }
}
