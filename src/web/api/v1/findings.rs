//! What the judge found, in the public form.

use super::{caller::Reader, pushes::limit_in};
use crate::{
    domain::{Time, time},
    flows::{Error, list_findings::list_findings},
    judge::Judge,
    store::findings::{StoredContinuation, StoredRegression},
    web::{App, WebError, blocking},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Everything found: regressions, continuations, gate answers.
pub async fn list(app: Data<App>, reader: Reader) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let findings = blocking(&app, |app| list_findings(&app.store, &app.judging.read())).await?;
    Ok(HttpResponse::Ok().json(findings))
}

/// Which regressions.
#[derive(Debug, Deserialize)]
pub struct Asked {
    service: Option<String>,
    open: Option<bool>,
    limit: Option<i64>,
}

fn told(app: &App, it: &StoredRegression) -> Value {
    let mut fields = json!(it.finding);
    fields["open"] = it.is_open().into();
    fields["said_at"] = time::text(it.said_at).into();
    fields["risk_owner"] = json!(it.risk_owner);
    fields["risk_closed"] = json!(
        it.risk_closed
            .as_ref()
            .map(|closed| json!({ "at": time::text(closed.at), "actor": closed.actor, "reason": closed.reason }))
    );
    fields["page"] = format!("{}/regressions/{}", app.base_url, it.finding.id).into();
    fields
}

/// Regressions, latest detection first.
pub async fn regressions(app: Data<App>, reader: Reader, asked: Query<Asked>) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let Asked { service, open, limit } = asked.into_inner();
    let all =
        blocking(&app, |app| app.store.read::<_, Error>(|read| Ok(read.regressions(i64::from(i32::MAX))?))).await?;
    let shown = all
        .iter()
        .filter(|it| service.as_ref().is_none_or(|service| it.finding.service == *service))
        .filter(|it| open.is_none_or(|open| it.is_open() == open))
        .take(usize::try_from(limit_in(limit)).unwrap_or(100));
    let shown: Vec<Value> = shown.map(|it| told(&app, it)).collect();
    Ok(HttpResponse::Ok().json(json!({ "regressions": shown })))
}

/// One regression, with its continuations, and who minds the risk that it left.
pub async fn regression(app: Data<App>, reader: Reader, path: Path<String>) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let id = path.into_inner();
    let (regression, continuations, paths) = blocking(&app, move |app| {
        let (regression, continuations) = app.store.read::<_, Error>(|read| {
            let regression = read.regression(&id)?.ok_or_else(|| Error::no("regression", &id))?;
            Ok((regression, read.continuations_of(&id)?))
        })?;
        let paths = paths(&app.judging.read(), &regression, &continuations, app.clock.now());
        Ok((regression, continuations, paths))
    })
    .await?;
    let mut answer = told(&app, &regression);
    let continuations: Vec<Value> = continuations
        .iter()
        .map(|it| {
            let mut fields = json!(it.finding);
            fields["counted_crashes"] = it.counted.into();
            fields
        })
        .collect();
    answer["continuations"] = json!(continuations);
    answer["paths"] = paths;
    Ok(HttpResponse::Ok().json(answer))
}

/// What each way on would have cost, as it stood just before each step that went on and as it stands now.
fn paths(judge: &Judge, it: &StoredRegression, continuations: &[StoredContinuation], now: Time) -> Value {
    let at = |label: &str, step: Option<Time>, at: Time| {
        let known = judge.paths(&it.key, at).filter(|paths| paths.at <= at)?;
        Some(json!({ "asked": label, "step_at": step.map(time::text), "paths": known }))
    };
    let before = continuations.iter().filter_map(|it| {
        let step = it.finding.step_at;
        at("before_step", Some(step), time::from_micros(time::micros(step) - 1))
    });
    before.chain(at("now", None, now)).collect()
}
