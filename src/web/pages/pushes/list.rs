//! All pushes, newest first, page by page.

use crate::{
    domain::{Time, finding::Ending, time},
    flows,
    store::{
        Read, StoreError,
        changes::{Push, PushFilter},
        findings::StoredRegression,
    },
    web::{App, Frame, SignedIn, WebError, blocking, frame::short, href::part, pages::words, render},
};
use actix_web::{
    HttpResponse,
    web::{Data, Query},
};
use askama::Template;
use serde::Deserialize;

/// How many pushes one page of the list shows.
const PAGE: i64 = 50;

/// Which pushes are asked for.
#[derive(Deserialize)]
pub struct Listed {
    service: Option<String>,
    before: Option<String>,
    id: Option<String>,
}

#[derive(Template)]
#[template(path = "pushes/list.html")]
struct ListPage {
    frame: Frame,
    services: Vec<(String, String, bool)>,
    pushes: Vec<Line>,
    earlier: Option<String>,
    is_first: bool,
}

struct Line {
    when: String,
    id: String,
    href: String,
    service: String,
    environment: String,
    previous: Option<String>,
    release: String,
    state: String,
    who: String,
    harms: Vec<Harm>,
    bad: bool,
}

/// A regression that a push is blamed for, ready to print.
struct Harm {
    id: String,
    href: String,
    ran_out: bool,
    standing: &'static str,
}

/// Every push, newest first, of one service or of all.
pub async fn list(app: Data<App>, signed: SignedIn, query: Query<Listed>) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(&app, &signed, "/pushes").with_data("/api/v1/pushes");
    let query = query.into_inner();
    let before = query.before.as_deref().map(instant).transpose()?;
    let service = query.service.filter(|service| !service.is_empty());
    let filter = PushFilter { service, before, before_id: query.id, limit: PAGE + 1, ..PushFilter::default() };
    let page =
        blocking(&app, move |app| app.store.read::<_, flows::Error>(|read| Ok(read_page(read, &filter, frame)?)));
    render(&page.await?)
}

/// An instant in a query.
pub fn instant(text: &str) -> Result<Time, WebError> {
    time::parse(text)
        .ok_or_else(|| WebError::bad_request("`before` is an instant in RFC 3339, as in 2026-03-03T01:11:00Z."))
}

fn read_page(read: &mut Read<'_>, filter: &PushFilter, frame: Frame) -> Result<ListPage, StoreError> {
    let services: Vec<String> = read.services()?.into_iter().map(|it| it.service).collect();
    let mut pushes = read.pushes(filter)?;
    let more = pushes.len() as i64 > PAGE;
    pushes.truncate(PAGE as usize);
    let ids: Vec<String> = pushes.iter().map(|it| it.started.push.clone()).collect();
    let blamed = read.regressions_blamed_on_any(&ids)?;
    Ok(ListPage {
        services: service_links(&services, filter.service.as_deref()),
        earlier: pushes.last().filter(|_| more).map(|it| earlier(filter, it)),
        is_first: filter.before.is_none(),
        pushes: pushes.iter().map(|push| line(push, &blamed, &frame)).collect(),
        frame,
    })
}

fn harms(push: &str, blamed: &[StoredRegression]) -> Vec<Harm> {
    let of = |it: &&StoredRegression| {
        it.finding.withdrawn.is_none() && it.finding.blamed().is_some_and(|suspect| suspect.id == push)
    };
    let harm = |it: &StoredRegression| Harm {
        id: it.finding.id.clone(),
        href: format!("/regressions/{}", part(&it.finding.id)),
        ran_out: it.finding.ended_because == Some(Ending::VictimsGone),
        standing: words::standing(&it.finding),
    };
    blamed.iter().filter(of).map(harm).collect()
}

fn earlier(filter: &PushFilter, last: &Push) -> String {
    let service = filter.service.as_ref().map_or(String::new(), |it| format!("&service={}", part(it)));
    format!("/pushes?before={}&id={}{service}", part(&time::text(last.started.at)), part(&last.started.push))
}

fn service_links(services: &[String], chosen: Option<&str>) -> Vec<(String, String, bool)> {
    let mut links = vec![("every service".to_owned(), "/pushes".to_owned(), chosen.is_none())];
    links.extend(services.iter().map(|it| (it.clone(), format!("/pushes?service={}", part(it)), chosen == Some(it))));
    links
}

fn line(push: &Push, blamed: &[StoredRegression], frame: &Frame) -> Line {
    let started = &push.started;
    Line {
        when: frame.when(started.at),
        id: started.push.clone(),
        href: format!("/pushes/{}", part(&started.push)),
        service: started.service.clone(),
        environment: started.environment.clone(),
        previous: started.previous.clone(),
        release: started.release.clone(),
        state: format!("{}, {} %", push.standing.state.says(), push.standing.percent),
        who: short(&started.actor).to_owned(),
        harms: harms(&started.push, blamed),
        bad: push.bad.is_some(),
    }
}
