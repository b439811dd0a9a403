//! Services: declared, and listed with what their crash clients need.

use super::{
    caller::Reader,
    sent::{self, Blanks, USUAL},
};
use crate::{
    domain::{access::Scope, time},
    flows::{Error, administer, record_change::record_change},
    store::services::Service,
    web::{App, Bearer, WebError, blocking},
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use serde_json::{Value, json};

fn told(base_url: &str, it: &Service) -> Value {
    json!({
        "service": it.service,
        "name": it.name,
        "team": it.team,
        "owner": it.owner,
        "depends_on": it.depends_on,
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
