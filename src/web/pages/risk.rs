//! Minding the risk that a regression leaves: taking it, and closing it by showing a fix.

use super::{holds::refused, words};
use crate::{
    domain::{access::Act, finding::Ending},
    flows::{self, mind_risk},
    store::findings::StoredRegression,
    web::{App, Frame, Posted, SignedIn, WebError, blocking, flash, href::part, render, render_refused, see_other},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use askama::Template;

#[derive(Template)]
#[template(path = "now/risk.html")]
struct Page {
    frame: Frame,
    id: String,
    href: String,
    service: String,
    ran_out: bool,
    says: String,
    owner: Option<String>,
    closed: Option<(String, String, String)>,
    open: bool,
    typed: String,
    reasons: Vec<String>,
}

impl Page {
    fn new(it: &StoredRegression, frame: Frame) -> Page {
        let finding = &it.finding;
        let closed = it.risk_closed.as_ref().map(|it| (frame.when(it.at), it.actor.clone(), it.reason.clone()));
        Page {
            href: format!("/regressions/{}", part(&finding.id)),
            id: finding.id.clone(),
            service: finding.service.clone(),
            ran_out: finding.ended_because == Some(Ending::VictimsGone),
            says: words::sentence(words::kind_says(finding.kind)),
            owner: it.risk_owner.clone(),
            open: it.is_open(),
            closed,
            typed: String::new(),
            reasons: Vec::new(),
            frame,
        }
    }
}

/// Who minds the risk, and the forms to take and to close it.
pub async fn show(app: Data<App>, signed: SignedIn, id: Path<String>) -> Result<HttpResponse, WebError> {
    render(&page(&app, &signed, id.into_inner()).await?)
}

async fn page(app: &Data<App>, signed: &SignedIn, id: String) -> Result<Page, WebError> {
    let frame = Frame::new(app, signed, "/regressions");
    blocking(app, move |app| {
        let it = app
            .store
            .read::<_, flows::Error>(|read| read.regression(&id)?.ok_or_else(|| flows::Error::no("regression", &id)))?;
        Ok(Page::new(&it, frame))
    })
    .await
}

/// Names who sent the form as the one who minds the risk.
pub async fn take(app: Data<App>, id: Path<String>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Write)?;
    let (by, owner, now) = (posted.signed.actor(), posted.signed.person.email.clone(), app.clock.now());
    let (id, named) = (id.into_inner(), owner.clone());
    let taken = id.clone();
    let outcome =
        blocking(&app, move |app| refused(mind_risk::take_risk(&app.store, &by, &named, &taken, now))).await?;
    if let Err(reasons) = outcome {
        let again = page(&app, &posted.signed, id).await?;
        return render_refused(&Page { reasons, ..again });
    }
    let to = match posted.text("from") {
        "now" => "/".to_owned(),
        "push" => format!("/pushes/{}#recovery", part(posted.text("push"))),
        _ => format!("/regressions/{}", part(&id)),
    };
    Ok(flash(see_other(to), &format!("{owner} minds the open risk of {id} now.")))
}

/// Closes the risk by showing a fix.
pub async fn close(app: Data<App>, id: Path<String>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Write)?;
    let (by, person, now) = (posted.signed.actor(), posted.signed.person.email.clone(), app.clock.now());
    let (id, typed) = (id.into_inner(), posted.text("shown").to_owned());
    let (closed, shown) = (id.clone(), typed.clone());
    let outcome =
        blocking(&app, move |app| refused(mind_risk::close_risk(&app.store, &by, &person, &closed, &shown, now)))
            .await?;
    match outcome {
        Ok(()) => Ok(flash(see_other(format!("/regressions/{}", part(&id))), &format!("The risk of {id} is closed."))),
        Err(reasons) => {
            let again = page(&app, &posted.signed, id).await?;
            render_refused(&Page { reasons, typed, ..again })
        }
    }
}
