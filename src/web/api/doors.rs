//! The crash doors: where clients that speak Sentry's protocol send crash reports and session counts.
//!
//! Cheap questions come first: is there room, is the key right. Then the body is read under a limit and unpacked away from
//! the threads that serve requests. The answer 200 comes after the commit that holds the report, never before.

use super::body::{self, NotRead};
use crate::{
    domain::crash::ReportKind,
    flows::take_telemetry::Delivery,
    intake::{
        self, Door, IntakeError, Standing, TagNames, Taken,
        body::Limits,
        key::{KeyError, sentry_key},
    },
    secret,
    store::StoreError,
    web::App,
    workers::commit_telemetry::NotTaken,
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web::{self, Bytes, Data, Path, ServiceConfig},
};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a body may take to arrive.
const WITHIN: Duration = Duration::from_secs(30);
/// How long a key that was looked up is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// How many projects are remembered; past that everything is forgotten and looked up again.
const REMEMBERED: usize = 1000;
/// When a client may try again, seconds.
const AGAIN: u64 = 5;
/// What is never kept: clients that obey stop sending it for a day.
const NOT_STORED: &str = "86400:transaction;span;replay;profile;profile_chunk:key:not_stored";

/// Puts the doors into the site.
pub fn routes(site: &mut ServiceConfig) {
    let door = |kind: Kind, path: &str| {
        web::resource(path)
            .route(web::post().to(
                move |app: Data<App>, request: HttpRequest, path: Path<(String, String)>, payload: web::Payload| {
                    enter(kind, app, request, path, payload)
                },
            ))
            .route(web::method(actix_web::http::Method::OPTIONS).to(preflight))
            .default_service(web::to(wrong_method))
    };
    site.service(door(Kind::Envelope, "/api/{project:\\d+}/envelope{slash:/?}"))
        .service(door(Kind::Store, "/api/{project:\\d+}/store{slash:/?}"))
        .service(web::resource("/api/{project:\\d+}/{rest:.*}").default_service(web::to(no_such_door)));
}

/// Which door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Everything current: a report, sessions, and more in one body.
    Envelope,
    /// One event, from old clients.
    Store,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Envelope => "envelope",
            Kind::Store => "store",
        }
    }

    fn limits(self) -> Limits {
        match self {
            Kind::Envelope => Limits::ENVELOPE,
            Kind::Store => Limits::EVENT,
        }
    }
}

/// What a door must know of a service.
#[derive(Debug)]
struct Project {
    service: String,
    key: String,
    names: TagNames,
}

/// Projects that were looked up a moment ago, also those that do not exist.
#[derive(Debug, Default)]
pub struct Projects(Mutex<HashMap<i64, (Instant, Option<Arc<Project>>)>>);

impl Projects {
    fn remembered(&self, number: i64) -> Option<Option<Arc<Project>>> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(&number).filter(|(looked, _)| looked.elapsed() < BELIEVED).map(|(_, project)| project.clone())
    }

    fn remember(&self, number: i64, project: Option<Arc<Project>>) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= REMEMBERED {
            table.clear();
        }
        table.insert(number, (Instant::now(), project));
    }
}

/// Waits for the database where the project was not looked up lately.
fn look_up(app: &App, number: i64) -> Result<Option<Arc<Project>>, StoreError> {
    if let Some(project) = app.projects.remembered(number) {
        return Ok(project);
    }
    let found = app.store.read::<_, StoreError>(|read| read.service_by_project(number))?;
    let project = found.map(|it| {
        let names = serde_json::from_str(&it.tag_names).unwrap_or_else(|error| {
            tracing::warn!(%error, "a service's tag names cannot be read; the usual ones are used");
            TagNames::default()
        });
        Arc::new(Project { service: it.service, key: it.public_key, names })
    });
    app.projects.remember(number, project.clone());
    Ok(project)
}

/// Why nothing was taken, in the protocol's words.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    detail: String,
    again: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, detail: impl Into<String>) -> Refusal {
        Refusal { status, detail: detail.into(), again: None }
    }

    fn not_now(status: StatusCode, detail: impl Into<String>) -> Refusal {
        Refusal { again: Some(AGAIN), ..Refusal::new(status, detail) }
    }

    /// The same words whether the project or its key is wrong, so that nobody learns which projects there are.
    fn stranger() -> Refusal {
        Refusal::new(
            StatusCode::FORBIDDEN,
            "No such project, or not its key. Copy the DSN again from the service's page.",
        )
    }

    fn answer(self) -> HttpResponse {
        let mut answer = open(self.status);
        if let Some(seconds) = self.again {
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            answer.insert_header(("X-Sentry-Rate-Limits", format!("{AGAIN}::key:queue_full")));
        }
        answer.insert_header(("X-Sentry-Error", ascii(&self.detail)));
        answer.json(json!({ "detail": self.detail }))
    }
}

/// Header values hold plain characters only.
fn ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' }).take(300).collect()
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Refusal {
        let status = match error {
            KeyError::Missing => StatusCode::UNAUTHORIZED,
            KeyError::Disagree | KeyError::Malformed(_) => StatusCode::FORBIDDEN,
        };
        Refusal::new(status, error.to_string())
    }
}

impl From<NotRead> for Refusal {
    fn from(error: NotRead) -> Refusal {
        let status = match error {
            NotRead::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            NotRead::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            NotRead::BrokenOff => StatusCode::BAD_REQUEST,
        };
        Refusal::new(status, error.to_string())
    }
}

impl From<IntakeError> for Refusal {
    fn from(error: IntakeError) -> Refusal {
        let status = if error.is_about_size() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
        Refusal::new(status, error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::Full => Refusal::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "The disk is full. Nothing was kept until somebody makes room.",
            ),
            other => {
                tracing::error!(error = %other, "a crash door could not use the database");
                Refusal::not_now(StatusCode::SERVICE_UNAVAILABLE, "The database did not keep it. Send it again.")
            }
        }
    }
}

impl From<NotTaken> for Refusal {
    fn from(error: NotTaken) -> Refusal {
        match error {
            NotTaken::QueueFull => Refusal::not_now(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
            NotTaken::Stopping => Refusal::not_now(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            NotTaken::Store(error) => error.into(),
        }
    }
}

/// An answer that a browser of any origin may read.
fn open(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_EXPOSE_HEADERS, "X-Sentry-Error, X-Sentry-Rate-Limits, Retry-After"))
        .insert_header(("cross-origin-resource-policy", "cross-origin"));
    answer
}

async fn preflight() -> HttpResponse {
    open(StatusCode::OK)
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "X-Sentry-Auth, X-Requested-With, Origin, Accept, Content-Type, Authentication, Authorization, Content-Encoding, \
             sentry-trace, baggage",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "3600"))
        .finish()
}

async fn wrong_method() -> HttpResponse {
    let mut answer = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Reports are sent here with POST.").answer();
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST, OPTIONS"));
    answer
}

async fn no_such_door() -> HttpResponse {
    let detail =
        "There is no such door. Crash reports go to envelope/ or store/ of a project; minidumps are not taken yet.";
    Refusal::new(StatusCode::NOT_FOUND, detail).answer()
}

async fn enter(
    kind: Kind,
    app: Data<App>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: web::Payload,
) -> HttpResponse {
    match take(kind, &app, &request, &path.0, payload).await {
        Ok(Some(id)) => {
            open(StatusCode::OK).insert_header(("X-Sentry-Rate-Limits", NOT_STORED)).json(json!({ "id": id }))
        }
        Ok(None) => open(StatusCode::OK).insert_header(("X-Sentry-Rate-Limits", NOT_STORED)).json(json!({})),
        Err(refusal) => refusal.answer(),
    }
}

/// Takes one request in. Gives back the event's id, where there is one, after it is committed.
async fn take(
    kind: Kind,
    app: &Data<App>,
    request: &HttpRequest,
    project: &str,
    payload: web::Payload,
) -> Result<Option<String>, Refusal> {
    if app.telemetry.is_full() {
        return Err(NotTaken::QueueFull.into());
    }
    let number: i64 = project.parse().map_err(|_| Refusal::stranger())?;
    let project = match app.projects.remembered(number) {
        Some(project) => project,
        None => {
            let app = app.clone();
            web::block(move || look_up(&app, number)).await.map_err(|_| Refusal::from(NotTaken::QueueFull))??
        }
    };
    let early = match key_of(request, None) {
        Ok(key) => Some(admit(project.clone(), &key)?),
        // It may still stand in the envelope's own first line.
        Err(KeyError::Missing) if kind == Kind::Envelope => None,
        Err(error) => return Err(error.into()),
    };
    let bytes = match body::read(request, payload, kind.limits().compressed, WITHIN).await {
        Ok(bytes) => bytes,
        Err(error) => {
            let refusal = Refusal::from(error);
            if let Some(project) = early {
                count_refused(app, &project.service, kind, &refusal).await;
            }
            return Err(refusal);
        }
    };
    let (packing, received_at) = (body::encoding(request), app.clock.now());
    let auth = Auth::of(request);
    let unpacked = web::block(move || unpack(kind, &auth, early, project, packing.as_deref(), &bytes, received_at))
        .await
        .map_err(|_| Refusal::from(NotTaken::QueueFull))?;
    match unpacked {
        Ok((id, delivery)) => {
            if !(delivery.reports.is_empty() && delivery.exposures.is_empty() && delivery.left_out.is_empty()) {
                app.telemetry.put(delivery).await?;
            }
            Ok(id)
        }
        Err((project, refusal)) => {
            if let Some(project) = project {
                count_refused(app, &project.service, kind, &refusal).await;
            }
            Err(refusal)
        }
    }
}

/// The places of a key that are there before the body is read.
struct Auth {
    x_sentry_auth: Option<String>,
    authorization: Option<String>,
    query: String,
}

impl Auth {
    fn of(request: &HttpRequest) -> Auth {
        Auth {
            x_sentry_auth: body::header(request, "x-sentry-auth").map(str::to_owned),
            authorization: body::header(request, "authorization").map(str::to_owned),
            query: request.query_string().to_owned(),
        }
    }

    fn key(&self, dsn: Option<&str>) -> Result<String, KeyError> {
        sentry_key(self.x_sentry_auth.as_deref(), self.authorization.as_deref(), &self.query, dsn)
    }
}

fn key_of(request: &HttpRequest, dsn: Option<&str>) -> Result<String, KeyError> {
    Auth::of(request).key(dsn)
}

fn admit(project: Option<Arc<Project>>, key: &str) -> Result<Arc<Project>, Refusal> {
    project.filter(|project| secret::same(&project.key, key)).ok_or_else(Refusal::stranger)
}

type Unpacked = Result<(Option<String>, Delivery), (Option<Arc<Project>>, Refusal)>;

/// From bytes to records. Everything here costs the processor, so it runs where threads may be busy.
fn unpack(
    kind: Kind,
    auth: &Auth,
    early: Option<Arc<Project>>,
    project: Option<Arc<Project>>,
    packing: Option<&str>,
    bytes: &Bytes,
    received_at: crate::domain::Time,
) -> Unpacked {
    let plain = intake::body::decode(packing, bytes, &kind.limits())
        .map_err(|error| (early.clone(), IntakeError::from(error).into()))?;
    let project = match kind {
        Kind::Store => early,
        Kind::Envelope => {
            let dsn = intake::envelope_dsn(&plain);
            let key = auth.key(dsn.as_deref()).map_err(|error| (early, error.into()))?;
            Some(admit(project, &key).map_err(|refusal| (None, refusal))?)
        }
    };
    let Some(project) = project else { return Err((None, Refusal::stranger())) };
    let door = Door { service: &project.service, names: &project.names, received_at };
    let taken = match kind {
        Kind::Envelope => intake::envelope(&plain, &door),
        Kind::Store => intake::store_event(&plain, &door),
    };
    let taken = taken.map_err(|error| (Some(project.clone()), error.into()))?;
    Ok((taken.event_id.clone(), delivery(kind, &project, taken, received_at)))
}

fn delivery(kind: Kind, project: &Project, taken: Taken, received_at: crate::domain::Time) -> Delivery {
    let reports = taken.reports.into_iter().map(|report| {
        let kind = match report.standing {
            Standing::Crash => ReportKind::Crash,
            Standing::Handled => ReportKind::Handled,
            Standing::Message => ReportKind::Message,
        };
        (report.crash, kind, serde_json::to_string(&report.detail).ok())
    });
    let left_out = taken.outcomes.into_iter().map(|outcome| {
        (format!("{} {}", outcome.reason, outcome.category), i64::try_from(outcome.quantity).unwrap_or(i64::MAX))
    });
    Delivery {
        service: project.service.clone(),
        door: kind.word(),
        reports: reports.collect(),
        exposures: taken.exposures,
        left_out: left_out.collect(),
        received_at: Some(received_at),
    }
}

/// Counts a request that was refused, so that silence does not look like health. Only requests with the right key count.
async fn count_refused(app: &Data<App>, service: &str, kind: Kind, refusal: &Refusal) {
    let why = match refusal.status {
        StatusCode::PAYLOAD_TOO_LARGE => "refused too_large",
        StatusCode::REQUEST_TIMEOUT => "refused too_slow",
        _ => "refused malformed",
    };
    let left_out = vec![(why.to_owned(), 1)];
    let delivery = Delivery { service: service.to_owned(), door: kind.word(), left_out, ..Delivery::default() };
    if let Err(error) = app.telemetry.put(delivery).await {
        tracing::debug!(%error, "a refused request was not counted");
    }
}

#[cfg(test)]
mod tests;
