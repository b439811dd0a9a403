//! Services: declared, and listed with what their crash clients need.

use super::{
    caller::Reader,
    sent::{self, Blanks, USUAL},
};
use crate::{
    domain::{access::Scope, policy::Policy, time},
    flows::{Error, administer, guard_push, record_change::record_change},
    store::services::Service,
    web::{App, Bearer, WebError, blocking},
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Payload},
};
use serde_json::{Value, json};

fn told(base_url: &str, it: &Service) -> Value {
    json!({
        "service": it.service,
        "name": it.name,
        "team": it.team,
        "owner": it.owner,
        "depends_on": it.depends_on,
        "policy": it.policy,
        "dsn": administer::dsn(base_url, it),
        "created_at": time::text(it.created_at),
    })
}

/// Every service, by name.
pub async fn list(app: Data<App>, reader: Reader) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let services = blocking(&app, |app| app.store.read::<_, Error>(|read| Ok(read.services()?))).await?;
    let services: Vec<Value> = services.iter().map(|it| told(&app.base_url, it)).collect();
    Ok(HttpResponse::Ok().json(json!({ "services": services })))
}

/// Declares a service, or brings it up to date field by field.
pub async fn declare(
    app: Data<App>,
    bearer: Bearer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Push)?;
    let fields = sent::object(&sent::bytes(&request, payload, USUAL).await?)?;
    let now = app.clock.now();
    let (kept, service) = blocking(&app, move |app| {
        if let Some(name) = fields.get("service").and_then(Value::as_str) {
            administer::slug(name)?;
        }
        let blanks = Blanks { received_at: now, at: now, actor: None };
        let record = sent::record("service", fields, &blanks).map_err(|error| sent::refused(&error))?;
        let kept = record_change(&app.store, &bearer.actor(), &record, now)?;
        let crate::domain::Record::Service(it) = record else { return Err(Error::no("service", "")) };
        let service = app
            .store
            .read::<_, Error>(|read| read.service(&it.service)?.ok_or_else(|| Error::no("service", &it.service)))?;
        Ok((kept, service))
    })
    .await?;
    app.judging.wake();
    Ok(sent::kept(kept, told(&app.base_url, &service)))
}

/// What a service asks of its own pushes.
pub async fn policy(app: Data<App>, reader: Reader, path: Path<String>) -> Result<HttpResponse, WebError> {
    reader.must_read()?;
    let name = path.into_inner();
    let policy = blocking(&app, move |app| {
        app.store.read(|read| Ok(read.service(&name)?.ok_or_else(|| Error::no("service", &name))?.policy))
    })
    .await?;
    Ok(HttpResponse::Ok().json(policy))
}

/// Sets what a service asks of its own pushes: all of it, what is left out asks for nothing.
pub async fn set_policy(
    app: Data<App>,
    bearer: Bearer,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, WebError> {
    bearer.must(Scope::Admin)?;
    let fields = sent::object(&sent::bytes(&request, payload, USUAL).await?)?;
    let (name, now) = (path.into_inner(), app.clock.now());
    let policy = blocking(&app, move |app| {
        let policy = Policy::parse(&Value::Object(fields).to_string()).map_err(Error::Refused)?;
        guard_push::set_policy(&app.store, &bearer.actor(), &name, &policy, now)?;
        Ok(policy)
    })
    .await?;
    Ok(HttpResponse::Ok().json(policy))
}
