//! The report: facts locked to the record, prose by people, action items, and what moves it on. Also the same as Markdown.

use super::{
    href, owners,
    told::{Told, told},
};
use crate::{
    domain::{
        Time,
        incident::{ItemKind, ItemState, Section, Status},
        time,
    },
    flows::{self, incident as flow, postmortem_facts},
    store::{
        incidents::{ActionItem, Incident, Revision},
        people::Person,
    },
    web::{
        App, Frame, SignedIn, WebError, blocking,
        frame::short,
        markdown::{self, Prose},
        pages::timeline::{self, Picture},
        render,
    },
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use askama::Template;

/// A section that people write.
pub struct Written {
    /// Which.
    pub section: Section,
    /// As HTML.
    pub prose: Prose,
    /// As it was typed.
    pub text: String,
}

/// An action item in words.
pub struct Item {
    /// The item.
    pub it: ActionItem,
    /// By when.
    pub due: String,
    /// Where it stands, in words.
    pub state: String,
    /// Whether it may still be ended.
    pub open: bool,
    /// Whether its date is past.
    pub overdue: bool,
}

/// A status that it may have next.
pub struct Next {
    /// The status.
    pub status: Status,
    /// What the button says.
    pub says: &'static str,
}

/// What was typed into the form for an action item, to be shown again when it was refused.
#[derive(Default)]
pub struct TypedItem {
    /// What is to be done.
    pub words: String,
    /// What it is for.
    pub kind: String,
    /// Who does it.
    pub owner: String,
    /// By when.
    pub due: String,
    /// How we will know that it worked.
    pub proof: String,
}

#[derive(Template)]
#[template(path = "postmortems/report.html")]
struct ReportPage {
    frame: Frame,
    it: Incident,
    about: String,
    reviewed: String,
    today: String,
    told: Option<Told>,
    sections: Vec<Written>,
    items: Vec<Item>,
    items_say: String,
    nexts: Vec<Next>,
    owners: Vec<Person>,
    refusals: Vec<String>,
    item_refusals: Vec<String>,
    typed: TypedItem,
    sealed: Option<String>,
    picture: Option<Picture>,
}

#[derive(Template)]
#[template(path = "postmortems/export.md", escape = "none")]
struct ExportPage {
    it: Incident,
    about: String,
    reviewed: String,
    today: String,
    told: Option<Told>,
    sections: Vec<Written>,
    items: Vec<Item>,
    sealed: Option<String>,
}

/// What a report is made of.
struct Loaded {
    it: Incident,
    revision: Revision,
    told: Option<Told>,
    span: Option<(Time, Time)>,
    items: Vec<ActionItem>,
    people: Vec<Person>,
}

/// What is wrong with what was sent, and what was typed.
#[derive(Default)]
pub struct Refused {
    /// Why the whole was refused.
    pub refusals: Vec<String>,
    /// Why an action item was refused.
    pub item_refusals: Vec<String>,
    /// What was typed.
    pub typed: TypedItem,
}

async fn load(app: &Data<App>, frame: &Frame, id: &str) -> Result<Loaded, WebError> {
    let (id, frame, now) = (id.to_owned(), frame.clone(), app.clock.now());
    blocking(app, move |app| {
        app.store.read::<_, flows::Error>(|read| {
            let it = read.incident(&id)?.ok_or_else(|| flows::Error::no("postmortem", &id))?;
            let revision = read.revision(&id, it.revision)?.ok_or_else(|| flows::Error::no("revision of", &id))?;
            let people = read.people()?;
            let facts = postmortem_facts::facts(read, &app.judging.read(), &it, now)?;
            let span = facts.as_ref().map(|facts| facts.span);
            let told = facts.map(|facts| told(&facts, &people, &frame));
            Ok(Loaded { items: read.action_items(&id)?, it, revision, told, span, people })
        })
    })
    .await
}

/// The report.
pub async fn report(app: Data<App>, signed: SignedIn, path: Path<String>) -> Result<HttpResponse, WebError> {
    page(&app, &signed, &path, Refused::default()).await
}

/// The report, with what was refused at its top.
pub async fn page(app: &Data<App>, signed: &SignedIn, id: &str, refused: Refused) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(app, signed, "/postmortems").with_data(format!("/postmortems/{id}.md"));
    let loaded = load(app, &frame, id).await?;
    let items = items(loaded.items, &frame);
    let picture = drawn(app, &loaded.it, loaded.span, frame.zone).await?;
    render(&ReportPage {
        about: about(&loaded.it, &frame),
        reviewed: reviewed(&loaded.it, &frame),
        today: frame.day(frame.now),
        told: loaded.told,
        sections: sections(&loaded.revision),
        items_say: items_say(&items),
        items,
        nexts: nexts(loaded.it.status),
        owners: owners(loaded.people),
        refusals: refused.refusals,
        item_refusals: refused.item_refusals,
        typed: refused.typed,
        sealed: sealed(&loaded.it, &loaded.revision),
        it: loaded.it,
        picture,
        frame,
    })
}

/// The service's timeline over the span that is told.
async fn drawn(
    app: &Data<App>,
    it: &Incident,
    span: Option<(Time, Time)>,
    zone: Option<i32>,
) -> Result<Option<Picture>, WebError> {
    let Some(span) = span else { return Ok(None) };
    let (service, environment, now) = (it.service.clone(), it.environment.clone(), app.clock.now());
    let draw = move |app: &App| timeline::picture(app, &service, &environment, span, zone, now).map(Some);
    blocking(app, draw).await
}

/// The report as Markdown, facts included.
pub async fn markdown(app: Data<App>, signed: SignedIn, path: Path<String>) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(&app, &signed, "/postmortems");
    let loaded = load(&app, &frame, &path).await?;
    let name = format!("attachment; filename=\"{}.md\"", loaded.it.id);
    let page = ExportPage {
        about: about(&loaded.it, &frame),
        reviewed: reviewed(&loaded.it, &frame),
        today: frame.iso(frame.now),
        told: loaded.told,
        sections: sections(&loaded.revision),
        items: items(loaded.items, &frame),
        sealed: sealed(&loaded.it, &loaded.revision),
        it: loaded.it,
    };
    let text = page
        .render()
        .map_err(|error| WebError::from(flows::Error::Store(crate::store::StoreError::Other(error.to_string()))))?;
    Ok(HttpResponse::Ok()
        .content_type("text/markdown; charset=utf-8")
        .insert_header(("content-disposition", name))
        .body(text))
}

/// The line above the title.
fn about(it: &Incident, frame: &Frame) -> String {
    let status = match (&it.published, it.status) {
        (Some((_, at)), Status::Published | Status::Closed) => {
            let closed = if it.status == Status::Closed { ", closed" } else { "" };
            format!("published {}, revision {}{closed}", frame.day(*at), it.revision)
        }
        (_, status) => format!("{}, revision {}", status.says(), it.revision),
    };
    format!("Postmortem {} · {} · {}, {} · {status}", it.id, it.severity.word(), it.service, it.environment)
}

fn reviewed(it: &Incident, frame: &Frame) -> String {
    it.reviewed.as_ref().map_or_else(|| "nobody yet".to_owned(), |(who, at)| format!("{who}, {} UTC", frame.when(*at)))
}

/// Every section, those that nobody wrote as well.
pub fn sections(revision: &Revision) -> Vec<Written> {
    Section::ALL
        .into_iter()
        .map(|section| {
            let text = revision.sections.get(&section).cloned().unwrap_or_default();
            Written { section, prose: markdown::render(&text), text }
        })
        .collect()
}

fn items(items: Vec<ActionItem>, frame: &Frame) -> Vec<Item> {
    let item = |it: ActionItem| {
        let overdue = it.state == ItemState::Open && it.due_at < frame.now;
        let when = it.ended_at.map(|at| frame.when(at)).unwrap_or_default();
        let state = match it.state {
            ItemState::Open if overdue => "open, overdue".to_owned(),
            ItemState::Open => "open".to_owned(),
            ItemState::Done => format!("✓ done {when}"),
            ItemState::Dropped => format!("dropped {when}"),
        };
        // The form asks for a day; the item is due at the end of it.
        Item { due: frame.day(it.due_at), state, open: it.state == ItemState::Open, overdue, it }
    };
    items.into_iter().map(item).collect()
}

fn items_say(items: &[Item]) -> String {
    if items.is_empty() {
        return "none yet".to_owned();
    }
    let count = |state: ItemState| items.iter().filter(|item| item.it.state == state).count();
    let overdue = match items.iter().filter(|item| item.overdue).count() {
        0 => "none overdue".to_owned(),
        many => format!("{many} overdue"),
    };
    let dropped = count(ItemState::Dropped);
    let dropped = if dropped == 0 { String::new() } else { format!("{dropped} dropped, ") };
    format!("{}: {} done, {dropped}{} open, {overdue}", items.len(), count(ItemState::Done), count(ItemState::Open))
}

fn nexts(status: Status) -> Vec<Next> {
    let says = |next| match (status, next) {
        (_, Status::Draft) => "Back to draft",
        (_, Status::InReview) => "Hand over for review",
        (_, Status::Reviewed) => "I have reviewed it",
        (Status::Closed, Status::Published) => "Open it again",
        (_, Status::Published) => "Publish",
        (_, Status::Closed) => "Close",
    };
    let mut nexts: Vec<Next> = Status::ALL
        .into_iter()
        .filter(|next| status.may_become(*next))
        .map(|status| Next { status, says: says(status) })
        .collect();
    // What moves it on comes before what takes it back.
    nexts.sort_by_key(|next| next.status == Status::Draft);
    nexts
}

/// The hash of a text that is published, as the ledger holds it.
fn sealed(it: &Incident, revision: &Revision) -> Option<String> {
    it.published.as_ref().map(|_| hex::encode(flow::fingerprint(revision)))
}

impl ReportPage {
    fn section(&self, word: &str) -> &Written {
        of(&self.sections, word)
    }

    fn kinds(&self) -> [ItemKind; 4] {
        ItemKind::ALL
    }

    fn href(&self) -> String {
        href(&self.it)
    }

    fn is_settled(&self) -> bool {
        matches!(self.it.status, Status::Published | Status::Closed)
    }

    fn is_writable(&self) -> bool {
        self.frame.may_write() && flow::writable(&self.it).is_ok()
    }

    fn soon(&self) -> String {
        (self.frame.now + time::minutes(14 * 24 * 60)).format("%Y-%m-%d").to_string()
    }
}

impl ExportPage {
    fn section(&self, word: &str) -> &Written {
        of(&self.sections, word)
    }
}

/// A cell of a Markdown table: no bar ends it, no line break breaks it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn of<'a>(sections: &'a [Written], word: &str) -> &'a Written {
    // Templates name sections by words that the tests below hold against the list.
    sections.iter().find(|written| written.section.word() == word).unwrap_or(&sections[0])
}
