//! The timeline of a service: what was pushed, who crashed, what was known, on one axis; as it is, or as it was known.

mod asked;
mod drawn;
mod events;
mod files;
mod filters;
mod in_report;
mod loaded;
mod measured;
mod said;
#[cfg(test)]
mod tests;
pub mod told;

pub use asked::Query;
pub use files::{events_csv, svg};
pub use in_report::{Picture, picture};

use crate::{
    flows::mind_risk,
    timeline::{self, Width},
    web::{App, Frame, SignedIn, WebError, blocking, href::part, render},
};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path},
};
use askama::Template;
use asked::Asked;
use drawn::{Links, Roles};
use events::Event;
use loaded::Loaded;
use said::Reading;

/// The path of a timeline.
pub fn path(service: &str, environment: &str) -> String {
    format!("/services/{}/{}", part(service), part(environment))
}

#[derive(Template)]
#[template(path = "timeline/show.html")]
struct Page {
    frame: Frame,
    service: String,
    environment: String,
    environments: Vec<(String, String)>,
    about: String,
    hold: Option<String>,
    reading: Option<Reading>,
    quiet: String,
    elsewhere: Vec<(String, String, String, String)>,
    known_at: Option<String>,
    back: String,
    filters: Vec<filters::Row>,
    kept: Vec<(&'static str, String)>,
    at_value: String,
    path: String,
    jumps: Vec<Jump>,
    forward: Option<String>,
    pictures: Pictures,
    svg_href: String,
    csv_href: String,
    events: Vec<Event>,
    range_words: String,
    b: String,
    a: String,
    nothing_ran: bool,
    storm: Option<&'static str>,
}

struct Jump {
    text: String,
    href: String,
    on: bool,
}

#[derive(Default)]
struct Pictures {
    overview: String,
    overview_narrow: String,
    wide: String,
    narrow: String,
}

/// One service in one environment.
pub async fn show(
    app: Data<App>,
    signed: SignedIn,
    path: Path<(String, String)>,
    query: web::Query<Query>,
) -> Result<HttpResponse, WebError> {
    let (service, environment) = path.into_inner();
    let asked = Asked::read(self::path(&service, &environment), query.into_inner())?;
    let (now, person) = (app.clock.now(), signed.person.email.clone());
    let (loaded, asked) = blocking(&app, move |app| {
        let loaded = Loaded::load(app, &service, &environment, &asked, now)?;
        if asked.at.is_none() {
            // Who had it open counts as having seen it: a later step of theirs is not an unknowing one.
            let minded = loaded.told.iter().filter(|told| told.is_open()).map(|told| told.regression.id.clone());
            mind_risk::see(&app.store, &person, &minded.collect::<Vec<_>>(), now)?;
        }
        Ok((loaded, asked))
    })
    .await?;
    render(&Page::of(&loaded, &asked, Frame::new(&app, &signed, "/services")))
}

impl Page {
    fn of(loaded: &Loaded, asked: &Asked, frame: Frame) -> Page {
        let roles = Roles::of(loaded);
        let csv_href = asked.href("/events.csv");
        let open = drawn::main_push(loaded).filter(|(push, _)| push.standing.state.is_open());
        let others = loaded.environments.iter().filter(|other| **other != loaded.environment);
        let when = |at| frame.when(at);
        let elsewhere = loaded.elsewhere.iter().map(|told| {
            let it = &told.regression;
            (told.href(), it.id.clone(), it.service.clone(), told.sentence(&when))
        });
        let (from, to) = loaded.shown;
        let axis = if from.date_naive() == to.date_naive() { "%H:%M" } else { "%-d %B %H:%M" };
        let end = to.min(loaded.until);
        Page {
            service: loaded.service.service.clone(),
            environment: loaded.environment.clone(),
            environments: others.map(|other| (other.clone(), path(&loaded.service.service, other))).collect(),
            about: said::about(loaded),
            hold: open.filter(|_| asked.at.is_none()).map(|(push, _)| push.started.push.clone()),
            reading: said::reading(loaded, &frame, &roles),
            quiet: quiet(loaded),
            elsewhere: elsewhere.collect(),
            known_at: asked.at.map(|_| format!("{} UTC on {}", frame.hm(loaded.until), frame.day(loaded.until))),
            back: asked.known_at(None, loaded.shown),
            filters: filters::rows(loaded, asked, &roles),
            kept: Asked { at: None, span: asked::Span::Fixed(from, to), ..asked.clone() }.pairs(),
            at_value: loaded.until.format("%Y-%m-%d %H:%M UTC").to_string(),
            path: asked.path.clone(),
            jumps: jumps(loaded, asked, &frame),
            forward: loaded.next_step.map(|at| asked.known_at(Some(at), loaded.shown)),
            pictures: Pictures::of(loaded, asked, &roles, &frame),
            svg_href: asked.href("/timeline.svg"),
            events: events::events(loaded, asked.marks, &roles),
            range_words: format!("{} to {} UTC", from.format(axis), end.format(axis)),
            b: roles.b.clone().unwrap_or_else(|| "Pushed".into()),
            a: roles.a.clone().unwrap_or_else(|| "Running".into()),
            storm: storm(loaded, asked),
            nothing_ran: loaded.heard.is_none() && loaded.pushes.is_empty(),
            frame: frame.with_data(csv_href.clone()),
            csv_href,
        }
    }
}

impl Pictures {
    fn of(loaded: &Loaded, asked: &Asked, roles: &Roles, frame: &Frame) -> Pictures {
        let here = Links { site: String::new(), page: String::new() };
        let facts = drawn::facts(loaded, asked, roles, frame.zone, &here);
        let show = asked.marks.show();
        let overview = drawn::overview(loaded);
        let strip = |width| overview.as_ref().map(|facts| timeline::overview(facts, width)).unwrap_or_default();
        let [wide, narrow] = timeline::service_at(&facts, [Width::Wide, Width::Narrow], &show);
        Pictures { overview: strip(Width::Wide), overview_narrow: strip(Width::Narrow), wide, narrow }
    }
}

/// How crashes are drawn where too many came to draw each.
fn storm(loaded: &Loaded, asked: &Asked) -> Option<&'static str> {
    let many = loaded.crashes.iter().any(|crash| crash.received_at.is_none());
    many.then_some(match (&asked.signature, asked.at) {
        (Some(_), _) => {
            "So many crashes came in that those of one signature are counted by the hour, all cells together, and drawn at the beginning of each hour."
        }
        (None, Some(_)) => {
            "So many crashes came in that they are drawn by the minute in which they happened, also those that were heard of only later."
        }
        (None, None) => "So many crashes came in that they are drawn by the minute.",
    })
}

/// What is said where no regression is shown: healthy is quiet, and silence is not health.
fn quiet(loaded: &Loaded) -> String {
    if loaded.exposures.is_empty() && loaded.crashes.is_empty() {
        return "Nothing was heard of this service in this range. That is not the same as health.".into();
    }
    if loaded.exposures.iter().all(|window| window.instances == 0.0 && window.sessions.is_none()) {
        return "Crash reports came in, but nobody says how much ran, so there is not enough data for a rate.".into();
    }
    "No regression was found in this range.".into()
}

fn jumps(loaded: &Loaded, asked: &Asked, frame: &Frame) -> Vec<Jump> {
    let mut jumps: Vec<Jump> = said::jumps(loaded, frame)
        .into_iter()
        .map(|(text, at)| Jump { text, href: asked.known_at(Some(at), loaded.shown), on: asked.at == Some(at) })
        .collect();
    let now = Jump { text: "now".into(), href: asked.known_at(None, loaded.shown), on: asked.at.is_none() };
    jumps.push(now);
    jumps
}
