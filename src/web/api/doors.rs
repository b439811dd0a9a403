//! The crash doors: where clients that speak Sentry's protocol send crash reports and session counts.
//!
//! Cheap questions come first: is there room, is the key right. Then the body is read under a limit and unpacked away from
//! the threads that serve requests. The answer 200 comes after the commit that holds the report, never before.

mod one_by_one;
mod projects;
mod refusal;

use super::body::{self, Room};
use crate::{
    domain::{
        Time,
        crash::{Crash, ReportKind},
    },
    flows::take_telemetry::Delivery,
    intake::{
        self, Door, IntakeError, Standing, Taken,
        body::Limits,
        key::{KeyError, sentry_key},
    },
    secret,
    store::{StoreError, packing::Packer, reports::Report},
    web::{App, aside},
    workers::commit_telemetry::{NotTaken, Telemetry},
};
use actix_web::{
    HttpRequest, HttpResponse, guard,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::{self, Bytes, Data, ServiceConfig},
};
use one_by_one::OneByOne;
use projects::{Project, Projects, look_up};
use refusal::{RATE_LIMITS, Refusal, open};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// How long a body may take to arrive.
const WITHIN: Duration = Duration::from_secs(30);
/// How much memory bodies may take up while they are read and unpacked, bytes on the wire.
const ROOM: usize = 256 << 20;
/// Bodies up to this size are unpacked where requests are driven, bytes on the wire: handing one to another thread would cost
/// more than it spares, and the cap on what one may unpack to bounds the time.
const AT_ONCE: usize = 8 << 10;
/// What is never kept: clients that obey stop sending it for a day.
const NOT_STORED: &str = "86400:transaction;span;replay;profile;profile_chunk:key:not_stored";

/// Puts the doors into the site. Where an address leads is told here by its parts: the patterns of the site's own routes would take
/// longer than reading the report.
pub fn routes(site: &mut ServiceConfig) {
    let is_ours = guard::fn_guard(|asked| parts(asked.head().uri.path()).is_some());
    site.service(web::scope("/api").guard(is_ours).default_service(web::to(enter)));
}

/// The number of a project and what stands behind it, in the address of a door.
fn parts(path: &str) -> Option<(&str, &str)> {
    let (project, rest) = path.strip_prefix("/api/")?.split_once('/')?;
    let is_number = !project.is_empty() && project.bytes().all(|it| it.is_ascii_digit());
    is_number.then_some((project, rest.strip_suffix('/').unwrap_or(rest)))
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
    fn parse(word: &str) -> Option<Kind> {
        [Kind::Envelope, Kind::Store].into_iter().find(|kind| kind.word() == word)
    }

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

/// What the doors share: keys looked up lately, and bounds on what strangers can make this server hold and do at once.
#[derive(Debug)]
pub struct Doors {
    projects: Projects,
    room: Room,
    /// As many large bodies are unpacked at once.
    unpacking: Semaphore,
    /// Of those whose coding may look back on 16 MiB, one.
    far_back: OneByOne,
}

impl Default for Doors {
    fn default() -> Doors {
        // Large bodies are unpacked by as many as there are processors: more at once would take memory and no less time.
        let at_once = std::thread::available_parallelism().map_or(2, |it| it.get().clamp(2, 64));
        Doors {
            projects: Projects::default(),
            room: Room::new(ROOM),
            unpacking: Semaphore::new(at_once),
            far_back: OneByOne::default(),
        }
    }
}

fn preflight() -> HttpResponse {
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

fn wrong_method() -> HttpResponse {
    let mut answer = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Reports are sent here with POST.").answer();
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    answer
}

fn no_such_door() -> HttpResponse {
    let detail =
        "There is no such door. Crash reports go to envelope/ or store/ of a project; minidumps are not taken yet.";
    Refusal::new(StatusCode::NOT_FOUND, detail).answer()
}

async fn enter(app: Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some((project, rest)) = parts(request.path()) else { return no_such_door() };
    let Some(kind) = Kind::parse(rest) else { return no_such_door() };
    match *request.method() {
        Method::POST => {}
        Method::OPTIONS => return preflight(),
        _ => return wrong_method(),
    }
    match take(kind, &app, &request, project, payload).await {
        Ok(id) => {
            let limits = (HeaderName::from_static(RATE_LIMITS), HeaderValue::from_static(NOT_STORED));
            open(StatusCode::OK).insert_header(limits).json(Accepted { id })
        }
        Err(refusal) => refusal.answer(),
    }
}

/// What is answered after the commit.
#[derive(Serialize)]
struct Accepted {
    /// The event's id, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// Takes one request in. Gives back the event's id, where there is one, after it is committed.
async fn take(
    kind: Kind,
    app: &Data<App>,
    request: &HttpRequest,
    project: &str,
    payload: web::Payload,
) -> Result<Option<String>, Refusal> {
    let number: i64 = project.parse().map_err(|_| Refusal::stranger())?;
    let in_the_way = match app.store.may_take() {
        Err(error) => Some(Refusal::from(error)),
        Ok(()) => app.telemetry.is_full().then(|| Refusal::from(NotTaken::QueueFull)),
    };
    if let Some(refusal) = in_the_way {
        let known = app.doors.projects.remembered(number).flatten();
        return Err(match Auth::of(request).key(None).map(|key| admit(known, &key)) {
            Ok(Ok(project)) => refuse(app, &project.service, kind, refusal),
            // Whoever it is learns no more than that.
            Ok(Err(_)) | Err(_) => refusal,
        });
    }
    let project = match app.doors.projects.remembered(number) {
        Some(project) => project,
        None => {
            let app = app.clone();
            aside(move || look_up(&app, number)).await.map_err(|_| Refusal::from(NotTaken::QueueFull))??
        }
    };
    let auth = Auth::of(request);
    let early = match auth.key(None) {
        Ok(key) => Some(admit(project.clone(), &key)?),
        // It may still stand in the envelope's own first line.
        Err(KeyError::Missing) if kind == Kind::Envelope => None,
        Err(error) => return Err(error.into()),
    };
    let room = Some(&app.doors.room);
    let (bytes, held) = match body::read(request, payload, kind.limits().compressed, WITHIN, room).await {
        Ok(read) => read,
        Err(error) => {
            let refusal = Refusal::from(error);
            return Err(match early {
                Some(project) => refuse(app, &project.service, kind, refusal),
                None => refusal,
            });
        }
    };
    let (packing, received_at) = (body::encoding(request), app.clock.now());
    let unpacking = Unpacking { kind, auth, early, project, packing, received_at, telemetry: app.telemetry.clone() };
    let unpacked = if bytes.len() <= AT_ONCE {
        unpacking.run(&bytes)
    } else {
        let turn = app.doors.unpacking.acquire().await.map_err(|_| Refusal::from(NotTaken::Stopping))?;
        let looks_far_back = unpacking.packing.as_deref().is_some_and(|it| it.trim().eq_ignore_ascii_case("br"));
        let unpacked = if looks_far_back {
            app.doors.far_back.run(move || unpacking.run(&bytes)).await.ok()
        } else {
            aside(move || unpacking.run(&bytes)).await.ok()
        };
        drop(turn);
        unpacked.ok_or(Refusal::from(NotTaken::QueueFull))?
    };
    drop(held);
    match unpacked {
        Ok((id, delivery)) => {
            if !(delivery.reports.is_empty() && delivery.exposures.is_empty() && delivery.left_out.is_empty()) {
                let service = delivery.service.clone();
                let put = app.telemetry.put(delivery).await;
                put.map_err(|error| refuse(app, &service, kind, error.into()))?;
            }
            Ok(id)
        }
        Err((Some(project), refusal)) => Err(refuse(app, &project.service, kind, refusal)),
        Err((None, refusal)) => Err(refusal),
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

fn admit(project: Option<Arc<Project>>, key: &str) -> Result<Arc<Project>, Refusal> {
    project.filter(|project| secret::same(&project.key, key)).ok_or_else(Refusal::stranger)
}

type Unpacked = Result<(Option<String>, Delivery), (Option<Arc<Project>>, Refusal)>;

/// A body to be taken apart, with everything that this needs.
struct Unpacking {
    kind: Kind,
    auth: Auth,
    early: Option<Arc<Project>>,
    project: Option<Arc<Project>>,
    packing: Option<String>,
    received_at: Time,
    telemetry: Telemetry,
}

impl Unpacking {
    /// From bytes to records. Everything here costs the processor: large bodies go where threads may be busy.
    fn run(self, bytes: &Bytes) -> Unpacked {
        let Unpacking { kind, auth, early, project, packing, received_at, telemetry } = self;
        let plain = intake::body::decode(packing.as_deref(), bytes, &kind.limits())
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
        let reads_on = |crash: &Crash| telemetry.examples().have_room_for(crash);
        let door = Door { service: &project.service, names: &project.names, received_at, reads_on: &reads_on };
        let taken = match kind {
            Kind::Envelope => intake::envelope(&plain, &door),
            Kind::Store => intake::store_event(&plain, &door),
        };
        let taken = taken.map_err(|error| (Some(project.clone()), error.into()))?;
        let id = taken.event_id.clone();
        match delivery(kind, &project, taken, received_at, telemetry.packer()) {
            Ok(delivery) => Ok((id, delivery)),
            Err(error) => Err((Some(project), error.into())),
        }
    }
}

fn delivery(
    kind: Kind,
    project: &Project,
    taken: Taken,
    received_at: Time,
    packer: &Packer,
) -> Result<Delivery, StoreError> {
    let report = |report: intake::Report| {
        let kind = match report.standing {
            Standing::Crash => ReportKind::Crash,
            Standing::Handled => ReportKind::Handled,
            Standing::Message => ReportKind::Message,
        };
        let kept = match report.detail {
            Some(detail) => Report::whole(report.crash, kind, serde_json::to_string(&detail).ok().as_deref(), packer)?,
            None => Report::counted(report.crash, kind),
        };
        Ok(kept.claiming(report.claimed))
    };
    let left_out = taken.outcomes.into_iter().map(|outcome| {
        (format!("{} {}", outcome.reason, outcome.category), i64::try_from(outcome.quantity).unwrap_or(i64::MAX))
    });
    Ok(Delivery {
        service: project.service.clone(),
        door: kind.word(),
        reports: taken.reports.into_iter().map(report).collect::<Result<_, StoreError>>()?,
        exposures: taken.exposures,
        left_out: left_out.collect(),
        received_at: Some(received_at),
    })
}

/// Counts a request that is refused, so that silence does not look like health. Only requests with the right key count.
fn refuse(app: &Data<App>, service: &str, kind: Kind, refusal: Refusal) -> Refusal {
    let why = match refusal.status {
        _ if refusal.is_over_quota() => "refused over_quota",
        StatusCode::PAYLOAD_TOO_LARGE => "refused too_large",
        StatusCode::REQUEST_TIMEOUT => "refused too_slow",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "refused too_busy",
        StatusCode::INSUFFICIENT_STORAGE => "refused disk_full",
        _ => "refused malformed",
    };
    app.telemetry.count_refused(service, kind.word(), why);
    refusal
}

#[cfg(test)]
mod tests;
