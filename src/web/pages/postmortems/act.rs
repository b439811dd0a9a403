//! What moves a postmortem on: opening it, its status, its action items.

use super::{
    href,
    report::{Refused, TypedItem, page},
};
use crate::{
    domain::{
        Time,
        access::Act,
        incident::{ItemKind, ItemState, Status},
        time,
    },
    flows::{Error, incident as flow},
    web::{App, Posted, WebError, blocking, flash, see_other, with_status},
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};

/// Opens an incident from a regression.
pub async fn open_from_regression(
    app: Data<App>,
    posted: Posted,
    path: Path<String>,
) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Write)?;
    let (id, now, signed) = (path.into_inner(), app.clock.now(), posted.signed);
    let it = blocking(&app, move |app| {
        flow::open_from_regression(&app.store, &signed.actor(), &signed.person.email, &id, now)
    })
    .await?;
    let says = format!("{} holds what the record says. Now people write what it means.", it.id);
    Ok(flash(see_other(href(&it)), &says))
}

/// Moves a postmortem on, or says why not on its page.
pub async fn set_status(app: Data<App>, posted: Posted, path: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Write)?;
    let next = Status::parse(posted.text("next")).ok_or_else(|| WebError::bad_request("The form names no status."))?;
    let seen = seen(&posted)?;
    let (id, now, signed) = (path.into_inner(), app.clock.now(), posted.signed.clone());
    let (kept, by) = (id.clone(), signed.clone());
    let outcome =
        refusable(&app, move |app| flow::set_status(&app.store, &by.actor(), &by.person.email, &kept, next, seen, now))
            .await?;
    match outcome {
        Ok(it) => Ok(flash(see_other(href(&it)), &format!("{} is {} now.", it.id, it.status.says()))),
        Err((status, refusals)) => {
            let refused = Refused { refusals, ..Refused::default() };
            Ok(with_status(page(&app, &signed, &id, refused).await?, status))
        }
    }
}

/// The revision that a form was made from.
pub fn seen(posted: &Posted) -> Result<i64, WebError> {
    posted
        .text("seen")
        .parse()
        .map_err(|_| WebError::bad_request("The form does not say which revision it was made from."))
}

/// Adds an action item, or shows what was typed with what is missing.
pub async fn add_item(app: Data<App>, posted: Posted, path: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Write)?;
    let typed = TypedItem {
        words: posted.text("words").to_owned(),
        kind: posted.text("kind").to_owned(),
        owner: posted.text("owner").to_owned(),
        due: posted.text("due").to_owned(),
        proof: posted.text("proof").to_owned(),
    };
    let item = flow::NewItem {
        words: typed.words.clone(),
        kind: ItemKind::parse(&typed.kind).unwrap_or(ItemKind::Prevent),
        owner: typed.owner.clone(),
        due_at: end_of_day(&typed.due),
        proof: typed.proof.clone(),
    };
    let (id, now, signed) = (path.into_inner(), app.clock.now(), posted.signed.clone());
    let (kept, by) = (id.clone(), signed.clone());
    let outcome =
        refusable(&app, move |app| flow::add_item(&app.store, &by.actor(), &by.person.email, &kept, &item, now))
            .await?;
    match outcome {
        Ok(item) => {
            let says = format!("Noted: due {}.", item.due_at.format("%-d %B %Y"));
            Ok(flash(see_other(format!("/postmortems/{id}#actions")), &says))
        }
        Err((status, item_refusals)) => {
            let refused = Refused { item_refusals, typed, ..Refused::default() };
            Ok(with_status(page(&app, &signed, &id, refused).await?, status))
        }
    }
}

/// The last second of a day, UTC, as a date field sends it.
fn end_of_day(text: &str) -> Option<Time> {
    time::parse(&format!("{text}T23:59:59Z"))
}

/// Ends an action item.
pub async fn end_item(app: Data<App>, posted: Posted, path: Path<(String, String)>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Write)?;
    let (id, item) = path.into_inner();
    let state = ItemState::parse(posted.text("state")).unwrap_or(ItemState::Open);
    let (why, now, signed) = (posted.text("reason").to_owned(), app.clock.now(), posted.signed.clone());
    let by = signed.clone();
    let outcome =
        refusable(&app, move |app| flow::end_item(&app.store, &by.actor(), &by.person.email, &item, state, &why, now))
            .await?;
    match outcome {
        Ok(_) => Ok(flash(see_other(format!("/postmortems/{id}#actions")), &format!("Noted as {}.", state.word()))),
        Err((status, item_refusals)) => {
            let refused = Refused { item_refusals, ..Refused::default() };
            Ok(with_status(page(&app, &signed, &id, refused).await?, status))
        }
    }
}

type Outcome<T> = Result<T, (StatusCode, Vec<String>)>;

/// Runs a flow whose refusal is shown on the page it came from; everything else is answered as ever.
pub async fn refusable<T: Send + 'static>(
    app: &Data<App>,
    body: impl FnOnce(&App) -> Result<T, Error> + Send + 'static,
) -> Result<Outcome<T>, WebError> {
    blocking(app, move |app| match body(app) {
        Ok(done) => Ok(Ok(done)),
        Err(Error::Refused(reasons)) => Ok(Err((StatusCode::UNPROCESSABLE_ENTITY, reasons))),
        Err(Error::Changed(reason)) => Ok(Err((StatusCode::CONFLICT, vec![reason]))),
        Err(other) => Err(other),
    })
    .await
}
