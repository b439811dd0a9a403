//! The services: a list with what runs and what is wrong, a form for another one, and each one's settings.

use crate::{
    domain::{Time, access::Act, service::DEFAULT_ENVIRONMENT, time},
    flows::{self, administer},
    intake::TagNames,
    store::{Read, changes::PushFilter, findings::StoredRegression, services::Service},
    web::{
        App, Frame, Posted, SignedIn, WebError, blocking,
        extract::encode,
        flash,
        href::part,
        pages::timeline::{path, told::Told},
        render, render_refused, see_other,
    },
};
use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Template)]
#[template(path = "services/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    /// Whether it is not the beginning of the list, and where it goes on.
    is_later: bool,
    further: Option<String>,
    name: String,
    refusals: Vec<String>,
}

/// A service in the list.
struct Row {
    service: String,
    called: Option<String>,
    href: String,
    settings: String,
    team: Option<String>,
    owner: Option<String>,
    places: Vec<Place>,
    dsn: String,
}

/// A service in one environment.
struct Place {
    environment: String,
    href: String,
    running: Vec<String>,
    heard: Option<Time>,
    open: Vec<(String, String, String)>,
    last_push: Option<(String, String, Time, &'static str)>,
}

#[derive(Template)]
#[template(path = "services/settings.html")]
struct SettingsPage {
    frame: Frame,
    service: Service,
    href: String,
    dsn: String,
    names: TagNames,
    refusals: Vec<String>,
    taken: Vec<Ended>,
    dropped: Vec<Ended>,
    known: bool,
}

/// What became of reports in the last 24 hours.
struct Ended {
    door: String,
    reason: String,
    reports: i64,
}

/// How long after its last window a release counts as running, minutes.
const RUNNING: i64 = 60;

/// Services on one page.
const PAGE: i64 = 100;

/// Which services are asked for: those after a name.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    after: Option<String>,
}

/// A page of the list, and whether there are more.
fn rows(app: &App, read: &mut Read<'_>, after: &str) -> Result<(Vec<Row>, bool), flows::Error> {
    let mut rows = Vec::new();
    let mut services = read.services_after(after, PAGE + 1)?;
    let is_more = services.len() > PAGE as usize;
    services.truncate(PAGE as usize);
    let mut open: BTreeMap<(String, String), Vec<StoredRegression>> = BTreeMap::new();
    for it in read.open_regressions()?.into_iter().rev() {
        open.entry((it.finding.service.clone(), it.finding.environment.clone())).or_default().push(it);
    }
    for it in services {
        let mut places = Vec::new();
        for environment in read.environments(&it.service)? {
            let open = open.remove(&(it.service.clone(), environment.clone())).unwrap_or_default();
            places.push(place(read, &it.service, environment, open)?);
        }
        rows.push(Row {
            href: format!("/services/{}", part(&it.service)),
            settings: format!("/services/{}/settings", part(&it.service)),
            dsn: administer::dsn(&app.base_url, &it),
            called: it.name.filter(|name| !name.eq_ignore_ascii_case(&it.service)),
            service: it.service,
            team: it.team,
            owner: it.owner,
            places,
        });
    }
    Ok((rows, is_more))
}

fn place(
    read: &mut Read<'_>,
    service: &str,
    environment: String,
    minded: Vec<StoredRegression>,
) -> Result<Place, flows::Error> {
    let heard = read.last_heard(service, &environment)?;
    let mut running: Vec<(String, f64)> = Vec::new();
    if let Some(heard) = heard {
        let windows = read.exposures_between(service, &environment, heard - time::minutes(RUNNING), heard)?;
        let last = windows.iter().map(|window| window.at).max();
        for window in windows.into_iter().filter(|window| Some(window.at) == last) {
            match running.iter_mut().find(|(release, _)| *release == window.release) {
                Some(found) => found.1 += window.instances,
                None => running.push((window.release, window.instances)),
            }
        }
    }
    running.sort_by(|one, other| other.1.total_cmp(&one.1));
    let words = |(release, instances): (String, f64)| match instances {
        none if none <= 0.0 => release,
        some => format!("{release} on {}", crate::timeline::grouped(some)),
    };
    let mut open = Vec::new();
    for stored in minded {
        if let Some(told) = Told::load(read, stored, Vec::new(), None)? {
            open.push((told.href(), told.regression.id.clone(), told.standing()));
        }
    }
    let filter = PushFilter {
        service: Some(service.to_owned()),
        environment: Some(environment.clone()),
        limit: 1,
        ..PushFilter::default()
    };
    let last_push = read.pushes(&filter)?.into_iter().next().map(|push| {
        let id = push.started.push;
        (format!("/pushes/{}", part(&id)), id, push.started.at, push.standing.state.says())
    });
    let href = path(service, &environment);
    Ok(Place { environment, href, running: running.into_iter().map(words).collect(), heard, open, last_push })
}

async fn list_page(
    app: &Data<App>,
    signed: &SignedIn,
    after: String,
    name: String,
    refusals: Vec<String>,
) -> Result<ListPage, WebError> {
    let is_later = !after.is_empty();
    let (rows, is_more) = blocking(app, move |app| app.store.read(|read| rows(app, read, &after))).await?;
    let further = rows.last().filter(|_| is_more).map(|row| format!("/services?after={}", encode(&row.service)));
    Ok(ListPage { frame: Frame::new(app, signed, "/services"), rows, is_later, further, name, refusals })
}

/// Every service, a page of them at a time.
pub async fn list(app: Data<App>, signed: SignedIn, wanted: Query<Wanted>) -> Result<HttpResponse, WebError> {
    let after = wanted.into_inner().after.unwrap_or_default();
    render(&list_page(&app, &signed, after, String::new(), Vec::new()).await?)
}

/// Another service.
pub async fn add(app: Data<App>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let (name, by, now) = (posted.text("name").to_owned(), posted.signed.actor(), app.clock.now());
    let wanted = name.clone();
    let added = blocking(&app, move |app| match administer::add_service(&app.store, &by, &wanted, now) {
        Ok(service) => Ok(Ok(service)),
        Err(flows::Error::Refused(reasons)) => Ok(Err(reasons)),
        Err(other) => Err(other),
    })
    .await?;
    match added {
        Ok(service) => {
            let to = format!("/services/{}/settings", part(&service.service));
            Ok(flash(see_other(to), &format!("{} is here. Its crash door is open.", service.service)))
        }
        Err(reasons) => render_refused(&list_page(&app, &posted.signed, String::new(), name, reasons).await?),
    }
}

/// A service without an environment leads to the one that matters most.
pub async fn main_place(app: Data<App>, _signed: SignedIn, name: Path<String>) -> Result<HttpResponse, WebError> {
    let name = name.into_inner();
    let wanted = name.clone();
    let places = blocking(&app, move |app| {
        app.store.read(|read| {
            read.service(&wanted)?.ok_or_else(|| flows::Error::no("service", &wanted))?;
            Ok(read.environments(&wanted)?)
        })
    })
    .await?;
    let usual = DEFAULT_ENVIRONMENT.to_owned();
    let place = if places.contains(&usual) { usual } else { places.into_iter().next().unwrap_or(usual) };
    Ok(see_other(path(&name, &place)))
}

async fn settings_page(
    app: &Data<App>,
    signed: &SignedIn,
    name: String,
    typed: Option<TagNames>,
    refusals: Vec<String>,
) -> Result<SettingsPage, WebError> {
    let since = app.clock.now() - time::minutes(24 * 60);
    let (service, outcomes) = blocking(app, move |app| {
        app.store.read(|read| {
            let service = read.service(&name)?.ok_or_else(|| flows::Error::no("service", &name))?;
            let outcomes = read.outcomes(&name, since)?;
            Ok((service, outcomes))
        })
    })
    .await?;
    let known = !outcomes.is_empty();
    let ended = outcomes.into_iter().map(|it| Ended { door: it.door, reason: it.reason, reports: it.reports });
    let (taken, dropped) = ended.partition(|it| is_taken(&it.reason));
    Ok(SettingsPage {
        frame: Frame::new(app, signed, "/services"),
        href: format!("/services/{}", part(&service.service)),
        dsn: administer::dsn(&app.base_url, &service),
        names: typed.unwrap_or_else(|| tag_names(&service.tag_names)),
        service,
        refusals,
        taken,
        dropped,
        known,
    })
}

/// Whether reports with this end were kept.
fn is_taken(reason: &str) -> bool {
    matches!(reason, "crash" | "handled" | "message" | "exposure" | "repeat")
}

fn tag_names(text: &str) -> TagNames {
    let usual = TagNames::default();
    let said: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let name = |field: &str, usual: String| {
        said.get(field).and_then(|name| name.as_str()).filter(|name| !name.is_empty()).map_or(usual, str::to_owned)
    };
    TagNames {
        cell: name("cell", usual.cell),
        peer_release: name("peer_release", usual.peer_release),
        clients_dropped: name("clients_dropped", usual.clients_dropped),
    }
}

/// The settings of a service.
pub async fn settings(app: Data<App>, signed: SignedIn, name: Path<String>) -> Result<HttpResponse, WebError> {
    render(&settings_page(&app, &signed, name.into_inner(), None, Vec::new()).await?)
}

/// Other names for what reports carry.
pub async fn set_names(app: Data<App>, posted: Posted, name: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let name = name.into_inner();
    let field = |field: &str| posted.text(field).to_owned();
    let typed = TagNames {
        cell: field("cell"),
        peer_release: field("peer_release"),
        clients_dropped: field("clients_dropped"),
    };
    let wrong = refusals(&typed);
    if !wrong.is_empty() {
        return render_refused(&settings_page(&app, &posted.signed, name, Some(typed), wrong).await?);
    }
    let names =
        json!({ "cell": typed.cell, "peer_release": typed.peer_release, "clients_dropped": typed.clients_dropped });
    let (by, now, service) = (posted.signed.actor(), app.clock.now(), name.clone());
    blocking(&app, move |app| administer::set_tag_names(&app.store, &by, &service, &names.to_string(), now)).await?;
    let to = format!("/services/{}/settings", part(&name));
    Ok(flash(see_other(to), "These names hold for every report from now on."))
}

fn refusals(names: &TagNames) -> Vec<String> {
    let all = [&names.cell, &names.peer_release, &names.clients_dropped];
    let mut wrong = Vec::new();
    if all.iter().any(|name| name.is_empty() || name.chars().count() > 100) {
        wrong.push(
            "Each name has 1 to 100 characters, such as zone. Leave the usual names where your clients use them."
                .into(),
        );
    }
    if all[0] == all[1] || all[0] == all[2] || all[1] == all[2] {
        wrong.push("The three names differ from each other, or a report could not say which is meant.".into());
    }
    wrong
}
