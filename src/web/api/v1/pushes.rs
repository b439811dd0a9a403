//! Pushes: begun, moved, held, and shown with everything that happened to them.

use super::{
    caller::Reader,
    sent::{self, Blanks, USUAL},
};
use crate::{
    domain::{Record, Time, access::Scope, record::RecordError, time},
    flows::{
        Error,
        hold_push::hold_push,
        record_change::{begin_push, new_push_id, record_change},
    },
    store::{
        changes::{Push, PushFilter},
        holds::{GateAsked, Hold},
    },
    web::{App, Bearer, WebError, blocking, extract::encode},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path, Payload, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Which pushes.
#[derive(Debug, Deserialize)]
pub struct Asked {
    service: Option<String>,
    environment: Option<String>,
    release: Option<String>,
    open: Option<bool>,
    before: Option<String>,
    limit: Option<i64>,
}

/// A time in a query; refused where it is not one.
pub fn time_in(name: &str, text: Option<&str>) -> Result<Option<Time>, WebError> {
    text.map(|text| {
        time::parse(text).ok_or_else(|| {
            WebError::bad_request(format!(
                "{name}: a time in RFC 3339 with a zone was expected, as in 2026-03-03T01:13:40Z."
            ))
        })
    })
    .transpose()
}

/// A limit in a query: 100 where none is named, 1000 at most.
pub fn limit_in(limit: Option<i64>) -> i64 {
    limit.unwrap_or(100).clamp(1, 1000)
}

pub(super) fn link(app: &App, push: &str) -> String {
    format!("{}/pushes/{}", app.base_url, encode(push).replace('/', "%2F"))
}

fn told(app: &App, it: &Push) -> Value {
    let mut fields = sent::told(&Record::PushStarted(it.started.clone()));
    fields.insert("state".into(), json!(it.standing.state));
    fields.insert("percent".into(), number(it.standing.percent.value()));
    fields.insert("since".into(), json!(it.standing.since.map(time::text)));
    let bad = it.bad.as_ref().map(|bad| json!({ "at": time::text(bad.at), "actor": bad.actor, "reason": bad.reason }));
    fields.insert("bad".into(), json!(bad));
    fields.insert("page".into(), link(app, &it.started.push).into());
    Value::Object(fields)
}

/// A number as JSON: whole ones without a fraction.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

fn told_hold(it: &Hold) -> Value {
    let lifted =
        it.lifted.as_ref().map(|by| json!({ "at": time::text(by.at), "actor": by.actor, "reason": by.reason }));
    json!({ "hold": it.id, "push": it.push, "at": time::text(it.at), "actor": it.actor, "reason": it.reason, "lifted": lifted })
}

fn told_answer(it: &GateAsked) -> Value {
    json!({ "at": time::text(it.at), "actor": it.actor, "decision": it.decision, "reasons": it.reasons })
}

/// Pushes, latest first.
pub async fn list(app: Data<App>, reader: Reader, asked: Query<Asked>) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let asked = asked.into_inner();
    let filter = PushFilter {
        service: asked.service,
        environment: asked.environment,
        before: time_in("before", asked.before.as_deref())?,
        open: asked.open.unwrap_or(false),
        limit: limit_in(asked.limit),
        ..PushFilter::default()
    };
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let pushes = blocking(&app, move |app| app.store.read::<_, Error>(|read| Ok(read.pushes(&filter)?))).await?;
    let next = pushes.last().filter(|_| pushes.len() == limit).map(|last| time::text(last.started.at));
    let shown = pushes.iter().filter(|it| asked.release.as_ref().is_none_or(|release| it.started.release == *release));
    let pushes: Vec<Value> = shown.map(|it| told(&app, it)).collect();
    Ok(HttpResponse::Ok().json(json!({ "pushes": pushes, "before": next, "now": time::text(app.clock.now()) })))
}

/// One push with its steps and holds.
pub async fn show(app: Data<App>, reader: Reader, path: Path<String>) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let id = path.into_inner();
    let (push, steps, holds, answers, power) = blocking(&app, move |app| {
        let power = app.judging.read().power(&id, app.clock.now());
        app.store.read::<_, Error>(|read| {
            let push = read.push(&id)?.ok_or_else(|| Error::no("push", &id))?;
            Ok((push, read.steps(&id)?, read.holds_of(&id)?, read.gate_answers(&id)?, power))
        })
    })
    .await?;
    let mut answer = told(&app, &push);
    let steps: Vec<Value> = steps.into_iter().map(|it| Value::Object(sent::told(&Record::PushStep(it)))).collect();
    answer["steps"] = json!(steps);
    answer["holds"] = holds.iter().map(told_hold).collect();
    answer["gate_answers"] = answers.iter().map(told_answer).collect();
    answer["power"] = json!(power);
    answer["now"] = time::text(app.clock.now()).into();
    Ok(HttpResponse::Ok().json(answer))
}

/// Records that a push exists, and its first step where one is sent along. Its id is made where none is sent.
pub async fn start(
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Push)?;
    let mut fields = sent::object(&sent::bytes(&request, payload, USUAL).await?)?;
    let now = app.clock.now();
    let (kept, id) = blocking(&app, move |app| {
        let service = fields.get("service").and_then(Value::as_str).unwrap_or("push").to_owned();
        let step = fields.shift_remove("step").filter(|step| !step.is_null());
        sent::fill(&mut fields, "push", || new_push_id(&service, now));
        // Sent again without a time, it is the same push, begun when it was first heard of.
        let known = match fields.get("push").and_then(Value::as_str) {
            Some(id) => app.store.read::<_, Error>(|read| Ok(read.push(id)?))?,
            None => None,
        };
        let at = known.map_or(now, |known| known.started.at);
        let blanks = Blanks { received_at: now, at, actor: Some(bearer.token.name.clone()) };
        let record = sent::record("push_started", fields, &blanks).map_err(|error| sent::refused(&error))?;
        let id = record.id().unwrap_or_default().to_owned();
        let kept = match step {
            None => record_change(&app.store, &bearer.actor(), &record, now)?,
            Some(step) => {
                let first = first_step(step, &record, &blanks).map_err(|error| sent::refused(&error))?;
                begin_push(&app.store, &bearer.actor(), &record, &first, now)?
            }
        };
        Ok((kept, id))
    })
    .await?;
    app.judging.wake();
    let page = link(&app, &id);
    Ok(sent::kept(kept, json!({ "push": id, "page": page })))
}

/// The step that was sent along with a push, at the push's own time and by its actor where it names none.
fn first_step(step: Value, begun: &Record, blanks: &Blanks) -> Result<Record, RecordError> {
    let within = |error: RecordError| RecordError::new(format!("step.{}", error.field), error.expected);
    let (Value::Object(mut fields), Record::PushStarted(begun)) = (step, begun) else {
        return Err(RecordError::new("step", "an object was expected, as in {\"action\":\"advance\",\"percent\":1}"));
    };
    fields.insert("push".into(), begun.push.clone().into());
    let blanks = Blanks { at: begun.at, actor: Some(begun.actor.clone()), ..blanks.clone() };
    sent::record("push_step", fields, &blanks).map_err(within)
}

/// Records that a push moved.
pub async fn step(
    app: Data<App>,
    bearer: Bearer,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Push)?;
    let id = path.into_inner();
    let mut fields = sent::object(&sent::bytes(&request, payload, USUAL).await?)?;
    let now = app.clock.now();
    let (kept, record) = blocking(&app, move |app| {
        if let Some(other) = fields.get("push").and_then(Value::as_str).filter(|other| *other != id) {
            return Err(Error::refused(format!(
                "push: “{id}” or nothing was expected, as in the address, found “{other}”."
            )));
        }
        sent::fill(&mut fields, "push", || id.clone());
        let blanks = Blanks { received_at: now, at: now, actor: Some(bearer.token.name.clone()) };
        let record = sent::record("push_step", fields, &blanks).map_err(|error| sent::refused(&error))?;
        let kept = record_change(&app.store, &bearer.actor(), &record, now)?;
        Ok((kept, record))
    })
    .await?;
    app.judging.wake();
    Ok(sent::kept(kept, Value::Object(sent::told(&record))))
}

/// Why, and who asks.
#[derive(Debug, Deserialize)]
struct HoldSent {
    reason: Option<String>,
    actor: Option<String>,
}

/// Asks for a push to stop.
pub async fn hold(
    app: Data<App>,
    bearer: Bearer,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Push)?;
    let fields = sent::object(&sent::bytes(&request, payload, USUAL).await?)?;
    let asked: HoldSent = serde_json::from_value(Value::Object(fields))
        .map_err(|error| Error::refused(format!("reason and actor: text was expected: {error}.")))?;
    let (id, now) = (path.into_inner(), app.clock.now());
    let hold = blocking(&app, move |app| {
        let person = asked.actor.unwrap_or_else(|| bearer.token.name.clone());
        hold_push(&app.store, &bearer.actor(), &person, &id, asked.reason.as_deref().unwrap_or(""), now)
    })
    .await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(told_hold(&hold)))
}
