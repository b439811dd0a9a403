//! The list of regressions: those that still have to be minded first. One of them, opened, is in `regression`.

use crate::{
    domain::{
        Time,
        finding::{Ending, Estimate, Kind},
    },
    flows,
    timeline::two_digits,
    web::{App, Frame, SignedIn, WebError, blocking, href::part, pages::timeline::told::Told, render},
};
use actix_web::{
    HttpResponse,
    web::{Data, Query},
};
use askama::Template;
use serde::Deserialize;

/// Most regressions on a page.
const MOST: i64 = 500;

#[derive(Template)]
#[template(path = "regressions/list.html")]
struct ListPage {
    frame: Frame,
    open: Vec<Line>,
    ended: Vec<Line>,
    kinds: Vec<Choice>,
    services: Vec<Choice>,
    is_filtered: bool,
}

/// A regression in the list.
struct Line {
    href: String,
    id: String,
    service: String,
    environment: String,
    timeline: String,
    kind: &'static str,
    say: String,
    onset: Time,
    detected: Time,
    excess: String,
    standing: String,
    owner: Option<String>,
    is_gone: bool,
}

/// A link that filters.
struct Choice {
    text: String,
    href: String,
    on: bool,
}

/// Which regressions are asked for.
#[derive(Deserialize)]
pub struct Wanted {
    kind: Option<String>,
    service: Option<String>,
}

/// Every regression, those that still have to be minded first.
pub async fn list(app: Data<App>, signed: SignedIn, wanted: Query<Wanted>) -> Result<HttpResponse, WebError> {
    let wanted = wanted.into_inner();
    let kind = match wanted.kind.as_deref().filter(|kind| !kind.is_empty()) {
        Some(word) => Some(Kind::parse(word).ok_or_else(|| {
            WebError::bad_request(format!(
                "There is no kind “{word}”. The kinds are {}.",
                Kind::ALL.map(Kind::word).join(", ")
            ))
        })?),
        None => None,
    };
    let told = blocking(&app, |app| {
        app.store.read(|read| {
            let mut all = Vec::new();
            for stored in read.regressions(MOST)? {
                all.extend(Told::load(read, stored, Vec::new(), None)?);
            }
            Ok::<_, flows::Error>(all)
        })
    })
    .await?;
    let frame = Frame::new(&app, &signed, "/regressions");
    let service = wanted.service.filter(|service| !service.is_empty());
    let (kinds, services) = choices(&told, kind, service.as_deref());
    let fits = |told: &&Told| {
        kind.is_none_or(|kind| told.regression.kind == kind)
            && service.as_ref().is_none_or(|service| told.regression.service == *service)
    };
    let (open, ended): (Vec<&Told>, Vec<&Told>) = told.iter().filter(fits).partition(|told| told.is_open());
    let mut open = open;
    open.sort_by_key(|told| std::cmp::Reverse(told.weight()));
    let lines = |all: Vec<&Told>| all.into_iter().map(|told| line(told, &frame)).collect();
    let is_filtered = kind.is_some() || service.is_some();
    render(&ListPage { open: lines(open), ended: lines(ended), kinds, services, is_filtered, frame })
}

fn choices(told: &[Told], kind: Option<Kind>, service: Option<&str>) -> (Vec<Choice>, Vec<Choice>) {
    let href = |kind: Option<Kind>, service: Option<&str>| {
        let mut pairs = Vec::new();
        pairs.extend(kind.map(|kind| format!("kind={}", kind.word())));
        pairs.extend(service.map(|service| format!("service={}", part(service))));
        if pairs.is_empty() { "/regressions".to_owned() } else { format!("/regressions?{}", pairs.join("&")) }
    };
    let mut kinds = vec![Choice { text: "all".into(), href: href(None, service), on: kind.is_none() }];
    kinds.extend(
        Kind::ALL.into_iter().filter(|one| told.iter().any(|told| told.regression.kind == *one)).map(|one| Choice {
            text: one.word().into(),
            href: href(Some(one), service),
            on: kind == Some(one),
        }),
    );
    let mut names: Vec<&str> = told.iter().map(|told| told.regression.service.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut services = vec![Choice { text: "all".into(), href: href(kind, None), on: service.is_none() }];
    services.extend(names.into_iter().map(|name| Choice {
        text: name.into(),
        href: href(kind, Some(name)),
        on: service == Some(name),
    }));
    (kinds, services)
}

fn line(told: &Told, frame: &Frame) -> Line {
    let it = &told.regression;
    Line {
        href: told.href(),
        id: it.id.clone(),
        timeline: format!("{}?range={}", super::timeline::path(&it.service, &it.environment), part(&it.id)),
        service: it.service.clone(),
        environment: it.environment.clone(),
        kind: it.kind.word(),
        say: told.sentence(&|at| frame.when(at)),
        onset: it.onset.at,
        detected: it.detected_at,
        excess: estimate(&it.excess_crashes),
        standing: told.standing(),
        owner: told.risk_owner.clone(),
        is_gone: it.ended_because == Some(Ending::VictimsGone),
    }
}

/// An estimate as it is printed, never without its interval.
pub fn estimate(it: &Estimate) -> String {
    format!("{} ({} to {})", two_digits(it.estimate), two_digits(it.low), two_digits(it.high))
}
