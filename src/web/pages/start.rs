//! Where a visit begins: what is being pushed now, what it harms, who asked for a stop. Before anything was pushed, a guide.

mod rates;
mod sections;
mod under_way;

use crate::{
    domain::{
        Time,
        access::{Act, Scope},
        flag::FlagChanged,
        step::PushStep,
    },
    flows::{self, administer},
    store::{
        Read, StoreError,
        changes::{Push, PushFilter},
        findings::StoredRegression,
        holds::Hold,
        services::Service,
    },
    web::{
        App, Frame, Posted, SignedIn, WebError, blocking, flash,
        pages::holds::{HoldLine, Refusal},
        render, render_refused, see_other,
    },
};
use actix_web::{HttpResponse, web::Data};
use askama::Template;
pub use sections::share;
use sections::{ClosedRow, FlagRow, OpenRegression, closed_row, flag_row, open_regression};
pub use under_way::risk;
use under_way::{Facts, UnderWay};

/// How many pushes under way the page shows; the rest are in the list.
const UNDER_WAY: i64 = 30;
const FLAG_CHANGES: i64 = 8;
const CLOSED: i64 = 6;

#[derive(Template)]
#[template(path = "now/now.html")]
struct Page {
    frame: Frame,
    about: String,
    pushes: Vec<UnderWay>,
    regressions: Vec<OpenRegression>,
    holds: Vec<HoldLine>,
    flags: Vec<FlagRow>,
    closed: Vec<ClosedRow>,
    refusal: Refusal,
}

#[derive(Template)]
#[template(path = "now/first.html")]
struct GuidePage {
    frame: Frame,
    service: Option<(String, String, String)>,
    others: usize,
    heard: bool,
    token: bool,
    base_url: String,
    regressions: Vec<OpenRegression>,
    refusal: Refusal,
}

/// Everything that the page is made of, as it was read.
struct Loaded {
    open: Vec<Facts>,
    regressions: Vec<StoredRegression>,
    holds: Vec<Hold>,
    flags: Vec<(FlagChanged, Vec<StoredRegression>)>,
    closed: Vec<(Push, Option<PushStep>, Vec<StoredRegression>)>,
    guide: Option<(Vec<Service>, bool, bool)>,
}

/// Pushes under way, open regressions, recent flag changes, holds.
pub async fn start(app: Data<App>, signed: SignedIn) -> Result<HttpResponse, WebError> {
    page(&app, &signed, Refusal::default()).await
}

/// The page, with what was refused on it.
pub async fn page(app: &Data<App>, signed: &SignedIn, refusal: Refusal) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(app, signed, "/").with_data("/api/v1/pushes?open=true");
    let refused = !refusal.reasons.is_empty();
    let person = signed.person.clone();
    let (page, guide) = blocking(app, move |app| {
        let now = frame.now;
        let mut loaded = app.store.read::<_, flows::Error>(|read| Ok(load(read, now)?))?;
        if let Some((services, heard, token)) = loaded.guide.take() {
            let regressions = loaded.regressions.iter().map(|it| open_regression(it, &frame)).collect();
            let base_url = app.base_url.clone();
            let with_dsn =
                |it: &Service| (it.service.clone(), frame.when(it.created_at), administer::dsn(&app.base_url, it));
            let service = services.last().map(with_dsn);
            let others = services.len().saturating_sub(1);
            return Ok((
                None,
                Some(GuidePage { service, others, heard, token, base_url, regressions, refusal, frame }),
            ));
        }
        let judge = app.judging.read();
        let mut pushes: Vec<UnderWay> =
            loaded.open.into_iter().map(|facts| UnderWay::new(facts, &judge, &frame)).collect();
        drop(judge);
        pushes.sort_by_key(UnderWay::urgency);
        let holds: Vec<HoldLine> = loaded.holds.iter().map(|hold| HoldLine::new(hold, &frame, &person)).collect();
        let page = Page {
            about: about(pushes.len(), loaded.regressions.len(), holds.len()),
            regressions: loaded.regressions.iter().map(|it| open_regression(it, &frame)).collect(),
            flags: loaded.flags.iter().map(|(it, harms)| flag_row(it, harms, &frame)).collect(),
            closed: loaded.closed.iter().map(|(push, last, blamed)| closed_row(push, last, blamed, &frame)).collect(),
            pushes,
            holds,
            refusal,
            frame,
        };
        Ok((Some(page), None))
    })
    .await?;
    match (page, guide) {
        (Some(page), _) if refused => render_refused(&page),
        (Some(page), _) => render(&page),
        (None, Some(guide)) if refused => render_refused(&guide),
        (None, Some(guide)) => render(&guide),
        (None, None) => Err(WebError::not_found("There is nothing to show.")),
    }
}

/// Names the first service.
pub async fn name_service(app: Data<App>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let (name, by, now) = (posted.text("service").to_owned(), posted.signed.actor(), app.clock.now());
    let typed = name.clone();
    let added = blocking(&app, move |app| match administer::add_service(&app.store, &by, &name, now) {
        Err(flows::Error::Refused(reasons)) => Ok(Err(reasons)),
        other => Ok(Ok(other?)),
    })
    .await?;
    match added {
        Ok(service) => Ok(flash(see_other("/"), &format!("{} exists now.", service.service))),
        Err(reasons) => {
            page(&app, &posted.signed, Refusal { form: "service".into(), push: String::new(), typed, reasons }).await
        }
    }
}

fn load(read: &mut Read<'_>, now: Time) -> Result<Loaded, StoreError> {
    let holds = read.holds_in_force()?;
    let open = read.pushes(&PushFilter { open: true, limit: UNDER_WAY, ..PushFilter::default() })?;
    let ended = read.pushes(&PushFilter { closed: true, limit: CLOSED, ..PushFilter::default() })?;
    let changes = read.flag_changes(None, None, None, FLAG_CHANGES)?;
    let guide = if open.is_empty() && ended.is_empty() && changes.is_empty() {
        let token = read
            .tokens()?
            .iter()
            .any(|token| token.is_valid_at(now) && token.scopes.iter().any(|scope| scope.allows(Scope::Push)));
        let mut services = read.services()?;
        services.sort_by_key(|it| it.created_at);
        Some((services, read.has_telemetry()?, token))
    } else {
        None
    };
    let ids: Vec<String> =
        changes.iter().map(|it| it.change.clone()).chain(ended.iter().map(|it| it.started.push.clone())).collect();
    let blamed = read.regressions_blamed_on_any(&ids)?;
    let of = |id: &str| -> Vec<StoredRegression> {
        blamed.iter().filter(|it| it.finding.blamed().is_some_and(|suspect| suspect.id == id)).cloned().collect()
    };
    let mut closed = Vec::new();
    for push in ended {
        let last = read.steps(&push.started.push)?.pop();
        let blamed = of(&push.started.push);
        closed.push((push, last, blamed));
    }
    Ok(Loaded {
        open: open.into_iter().map(|push| Facts::read(read, push, &holds, now)).collect::<Result<_, _>>()?,
        regressions: read.open_regressions()?,
        flags: changes.into_iter().map(|it| (it.clone(), of(&it.change))).collect(),
        holds,
        closed,
        guide,
    })
}

fn about(pushes: usize, regressions: usize, holds: usize) -> String {
    let many = |count: usize, one: &str, more: &str| match count {
        0 => format!("No {one}"),
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    };
    format!(
        "{} under way, {}, {} in force. Everybody who signs in sees this page.",
        many(pushes, "push", "pushes"),
        many(regressions, "open regression", "open regressions").replace("No ", "no "),
        many(holds, "hold", "holds").replace("No ", "no ")
    )
}
