//! Writing: one form with a prompt beside every field, a preview, and what to do when somebody else saved meanwhile.

use super::{
    act::seen,
    owners,
    told::{Told, told},
};
use crate::{
    domain::{
        access::Act,
        incident::{Section, Severity, language_warnings},
    },
    flows::{
        self,
        incident::{self as flow, Saving},
        postmortem_facts,
    },
    store::{
        incidents::{Incident, Revision},
        people::Person,
    },
    web::{
        App, Frame, Posted, SignedIn, WebError, blocking, flash,
        frame::short,
        markdown::{self, Prose},
        render, see_other, with_status,
    },
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use std::collections::BTreeMap;

/// One field of the form.
struct Field {
    section: Section,
    text: String,
    warnings: Vec<String>,
    preview: Prose,
    /// What is there now, where it differs from what was typed and somebody else saved.
    theirs: Option<String>,
}

#[derive(Template)]
#[template(path = "postmortems/edit.html")]
struct EditPage {
    frame: Frame,
    it: Incident,
    title: String,
    severity: Severity,
    owner: String,
    seen: i64,
    fields: Vec<Field>,
    people: Vec<Person>,
    refusals: Vec<String>,
    previewed: bool,
    told: Option<Told>,
    /// Who saved meanwhile, when, and under which title.
    overtaken: Option<(String, String, String)>,
}

impl EditPage {
    fn severities(&self) -> [Severity; 4] {
        Severity::ALL
    }
}

/// What the form is made of: the incident, its latest text, who may own it, and the record to write beside.
type Loaded = (Incident, Revision, Vec<Person>, Option<Told>);

async fn load(app: &Data<App>, frame: &Frame, id: &str) -> Result<Loaded, WebError> {
    let (id, frame, now) = (id.to_owned(), frame.clone(), app.clock.now());
    blocking(app, move |app| {
        app.store.read::<_, flows::Error>(|read| {
            let it = read.incident(&id)?.ok_or_else(|| flows::Error::no("postmortem", &id))?;
            let latest = read.revision(&id, it.revision)?.ok_or_else(|| flows::Error::no("revision of", &id))?;
            let people = read.people()?;
            let facts = postmortem_facts::facts(read, &app.judging.read(), &it, now)?;
            let told = facts.map(|facts| told(&facts, &people, &frame));
            Ok((it, latest, people, told))
        })
    })
    .await
}

/// The form with what is there now.
pub async fn form(app: Data<App>, signed: SignedIn, path: Path<String>) -> Result<HttpResponse, WebError> {
    signed.must(Act::Write)?;
    let frame = Frame::new(&app, &signed, "/postmortems");
    let (it, latest, people, told) = load(&app, &frame, &path).await?;
    flow::writable(&it)?;
    let written = flow::Written {
        seen: it.revision,
        title: it.title.clone(),
        severity: it.severity,
        owner: it.owner.clone(),
        sections: latest.sections,
    };
    render(&EditPage { told, ..page(frame, it, people, written, None) })
}

/// The form with what was typed; beside it what somebody else saved, if that differs.
fn page(
    frame: Frame,
    it: Incident,
    people: Vec<Person>,
    written: flow::Written,
    theirs: Option<&Revision>,
) -> EditPage {
    let overtaken = theirs.map(|theirs| (short(&theirs.actor).to_owned(), frame.when(theirs.at), theirs.title.clone()));
    let field = |section: Section| {
        let text = written.sections.get(&section).cloned().unwrap_or_default();
        let other = theirs.map(|theirs| theirs.sections.get(&section).cloned().unwrap_or_default());
        Field {
            section,
            warnings: language_warnings(&text),
            preview: markdown::render(&text),
            theirs: other.filter(|other| other.trim() != text.replace("\r\n", "\n").trim()),
            text,
        }
    };
    EditPage {
        fields: Section::ALL.into_iter().map(field).collect(),
        title: written.title,
        severity: written.severity,
        owner: written.owner,
        seen: written.seen,
        people: owners(people),
        refusals: Vec::new(),
        previewed: false,
        told: None,
        overtaken,
        it,
        frame,
    }
}

fn typed(posted: &Posted) -> Result<flow::Written, WebError> {
    let sections: BTreeMap<Section, String> =
        Section::ALL.into_iter().map(|section| (section, posted.text(section.word()).to_owned())).collect();
    let severity = Severity::parse(posted.text("severity"));
    Ok(flow::Written {
        seen: seen(posted)?,
        title: posted.text("title").to_owned(),
        severity: severity.ok_or_else(|| WebError::bad_request("The form names no severity."))?,
        owner: posted.text("owner").to_owned(),
        sections,
    })
}

/// Keeps what was written, or shows it: as a preview, with what is wrong, or beside what somebody else saved.
pub async fn save(app: Data<App>, posted: Posted, path: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Write)?;
    let written = typed(&posted)?;
    let (id, signed, now) = (path.into_inner(), posted.signed.clone(), app.clock.now());
    let frame = Frame::new(&app, &signed, "/postmortems");
    if posted.text("act") == "preview" {
        let (it, _, people, told) = load(&app, &frame, &id).await?;
        return render(&EditPage { previewed: true, told, ..page(frame, it, people, written, None) });
    }
    let (kept, sent) = (id.clone(), written.clone());
    let outcome = super::act::refusable(&app, move |app| {
        flow::save(&app.store, &signed.actor(), &signed.person.email, &kept, &sent, now)
    })
    .await?;
    let to = format!("/postmortems/{id}");
    match outcome {
        Ok(Saving::Kept(number)) => Ok(flash(see_other(to), &format!("Kept as revision {number}."))),
        Ok(Saving::Unchanged) => Ok(flash(see_other(to), "Nothing had changed, so no revision was made.")),
        Ok(Saving::Conflict(theirs)) => {
            let (_, _, people, told) = load(&app, &frame, &id).await?;
            let (it, latest) = *theirs;
            let written = flow::Written { seen: it.revision, ..written };
            let answer = render(&EditPage { told, ..page(frame, it, people, written, Some(&latest)) })?;
            Ok(with_status(answer, StatusCode::CONFLICT))
        }
        Err((status, refusals)) => {
            let (it, _, people, told) = load(&app, &frame, &id).await?;
            let answer = render(&EditPage { refusals, told, ..page(frame, it, people, written, None) })?;
            Ok(with_status(answer, status))
        }
    }
}
