//! The list of postmortems, and the form for one that no regression stands behind.

use super::{act::refusable, href, owners};
use crate::{
    domain::{
        access::Act,
        finding::Ending,
        incident::{ItemState, Severity, Status},
        service::DEFAULT_ENVIRONMENT,
    },
    flows::{self, incident as flow},
    store::{
        incidents::{ActionItem, Incident},
        people::Person,
    },
    web::{
        App, Frame, Posted, SignedIn, WebError, blocking, flash, frame::short, href as to, render, see_other,
        with_status,
    },
};
use actix_web::{
    HttpResponse,
    web::{Data, Query},
};
use askama::Template;
use serde::Deserialize;

/// How many are listed at most.
const MOST: i64 = 200;
/// How many regressions are looked through for what nobody wrote about.
const LOOKED_THROUGH: i64 = 200;

struct Row {
    href: String,
    it: Incident,
    opened: String,
    items: String,
    overdue: usize,
}

/// A regression that asks for a postmortem and has none.
struct Wanting {
    id: String,
    href: String,
    title: String,
    why: String,
}

struct Choice {
    href: String,
    says: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "postmortems/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    choices: Vec<Choice>,
    wanting: Vec<Wanting>,
    overdue: Vec<(ActionItem, String)>,
    any: bool,
}

/// Which are listed.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    status: String,
}

/// Every postmortem, newest first; what is overdue; what nobody wrote about yet.
pub async fn list(app: Data<App>, signed: SignedIn, query: Query<Which>) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(&app, &signed, "/postmortems");
    let wanted = query.into_inner().status;
    let (all, items, wanting) = blocking(&app, |app| {
        app.store.read::<_, flows::Error>(|read| {
            let all = read.incidents(MOST)?;
            let mut items = Vec::new();
            for it in &all {
                items.push(read.action_items(&it.id)?);
            }
            Ok((all, items, wanting(read)?))
        })
    })
    .await?;
    let late = |item: &ActionItem| item.state == ItemState::Open && item.due_at < frame.now;
    let overdue: Vec<(ActionItem, String)> =
        items.iter().flatten().filter(|item| late(item)).map(|item| (item.clone(), frame.day(item.due_at))).collect();
    let any = !all.is_empty();
    let rows = all.into_iter().zip(items).map(|(it, items)| row(it, &items, &frame)).collect::<Vec<Row>>();
    let rows = rows.into_iter().filter(|row| shown(row, &wanted)).collect();
    render(&ListPage { rows, choices: choices(&wanted), wanting, overdue, any, frame })
}

fn shown(row: &Row, wanted: &str) -> bool {
    match wanted {
        "" => true,
        "overdue" => row.overdue > 0,
        word => row.it.status.word() == word,
    }
}

fn choices(wanted: &str) -> Vec<Choice> {
    let choice = |word: &str, says: &str| Choice {
        href: if word.is_empty() { "/postmortems".into() } else { format!("/postmortems?status={word}") },
        says: says.to_owned(),
        here: word == wanted,
    };
    let mut all = vec![choice("", "all")];
    all.extend(Status::ALL.iter().map(|status| choice(status.word(), status.says())));
    all.push(choice("overdue", "with overdue action items"));
    all
}

fn row(it: Incident, items: &[ActionItem], frame: &Frame) -> Row {
    let open = items.iter().filter(|item| item.state == ItemState::Open).count();
    let overdue = items.iter().filter(|item| item.state == ItemState::Open && item.due_at < frame.now).count();
    let said = match items.len() {
        0 => "none yet".to_owned(),
        all => format!("{open} open of {all}"),
    };
    Row { href: href(&it), opened: frame.when(it.opened_at), items: said, overdue, it }
}

/// Regressions that somebody went on in, or that ended for want of victims, and that have no incident.
fn wanting(read: &mut crate::store::Read<'_>) -> Result<Vec<Wanting>, flows::Error> {
    let mut found = Vec::new();
    for stored in read.regressions(LOOKED_THROUGH)? {
        let it = &stored.finding;
        if it.withdrawn.is_some() || !read.incidents_of(&it.id)?.is_empty() {
            continue;
        }
        let went_on = read.continuations_of(&it.id)?.len();
        let gone = it.ended_because == Some(Ending::VictimsGone);
        let mut why: Vec<String> = Vec::new();
        match went_on {
            0 => {}
            1 => why.push("one step went on after its onset".into()),
            many => why.push(format!("{many} steps went on after its onset")),
        }
        if gone {
            why.push("it ended because its victims were gone".into());
        }
        if !why.is_empty() {
            let title = flow::drafted_title(it);
            found.push(Wanting { href: to::regression(&it.id), id: it.id.clone(), title, why: why.join(", and ") });
        }
    }
    Ok(found)
}

#[derive(Template)]
#[template(path = "postmortems/new.html")]
struct NewPage {
    frame: Frame,
    services: Vec<String>,
    owners: Vec<Person>,
    opening: flow::Opening,
    refusals: Vec<String>,
}

impl NewPage {
    fn severities(&self) -> [Severity; 4] {
        Severity::ALL
    }
}

/// The form for an incident of which the judge says nothing.
pub async fn new(app: Data<App>, signed: SignedIn) -> Result<HttpResponse, WebError> {
    signed.must(Act::Write)?;
    let opening = flow::Opening {
        title: String::new(),
        severity: Severity::Sev3,
        service: String::new(),
        environment: DEFAULT_ENVIRONMENT.to_owned(),
        owner: signed.person.email.clone(),
    };
    new_page(&app, &signed, opening, Vec::new()).await
}

async fn new_page(
    app: &Data<App>,
    signed: &SignedIn,
    opening: flow::Opening,
    refusals: Vec<String>,
) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(app, signed, "/postmortems");
    let (services, people) =
        blocking(app, |app| app.store.read::<_, flows::Error>(|read| Ok((read.services()?, read.people()?)))).await?;
    let services = services.into_iter().map(|service| service.service).collect();
    render(&NewPage { frame, services, owners: owners(people), opening, refusals })
}

/// Opens an incident without a regression.
pub async fn open(app: Data<App>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Write)?;
    let opening = flow::Opening {
        title: posted.text("title").to_owned(),
        severity: Severity::parse(posted.text("severity")).unwrap_or(Severity::Sev3),
        service: posted.text("service").to_owned(),
        environment: posted.text("environment").to_owned(),
        owner: posted.text("owner").to_owned(),
    };
    let (now, signed, typed) = (app.clock.now(), posted.signed.clone(), opening.clone());
    let by = signed.clone();
    match refusable(&app, move |app| flow::open(&app.store, &by.actor(), &by.person.email, &opening, now)).await? {
        Ok(it) => Ok(flash(see_other(href(&it)), &format!("{} is open. Write what is known so far.", it.id))),
        Err((status, refusals)) => Ok(with_status(new_page(&app, &signed, typed, refusals).await?, status)),
    }
}
