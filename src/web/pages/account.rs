//! One's own account: what is kept, the password, the way out.

use super::sign_in::with_cookie;
use crate::{
    flows::{self, sign_in as flow},
    web::{App, Frame, Posted, SignedIn, WebError, blocking, flash, href, render, see_other, with_status},
};
use actix_web::{HttpResponse, http::StatusCode, web::Data};
use askama::Template;

#[derive(Template)]
#[template(path = "account/account.html")]
struct Page {
    frame: Frame,
    name: String,
    team: String,
    role: &'static str,
    since: String,
    person_href: String,
    has_password: bool,
    refusals: Vec<String>,
}

fn page(app: &App, signed: &SignedIn, refusals: Vec<String>) -> Page {
    let frame = Frame::new(app, signed, "/account");
    let person = &signed.person;
    Page {
        name: person.name.clone(),
        team: person.team.clone().unwrap_or_else(|| "none".to_owned()),
        role: person.role.word(),
        since: frame.day(person.created_at),
        person_href: href::person(&person.email),
        has_password: person.password_hash.is_some(),
        refusals,
        frame,
    }
}

/// What is kept of the reader.
pub async fn account(app: Data<App>, signed: SignedIn) -> Result<HttpResponse, WebError> {
    render(&page(&app, &signed, Vec::new()))
}

/// Changes the reader's password. Every other session ends; this one goes on under a new cookie.
pub async fn change_password(app: Data<App>, posted: Posted) -> Result<HttpResponse, WebError> {
    let (old, new, again) = (posted.raw("old").to_owned(), posted.raw("new").to_owned(), posted.raw("again"));
    let refuse =
        |refusals| Ok(with_status(render(&page(&app, &posted.signed, refusals))?, StatusCode::UNPROCESSABLE_ENTITY));
    if new != again {
        return refuse(vec!["The two new passwords differ. Type the same one twice.".into()]);
    }
    let (now, person) = (app.clock.now(), posted.signed.person.clone());
    let name = format!("account {}", person.email);
    let wait = app.throttle.wait(&name, now);
    if wait > 0 {
        return refuse(vec![format!("Too many tries. Try again in {wait} seconds.")]);
    }
    let _turn = app.hashing.acquire().await.map_err(|_| WebError::bad_request("The server is stopping."))?;
    let outcome = blocking(&app, move |app| match flow::change_password(&app.store, &person, &old, &new, now) {
        Ok(()) => {
            let fresh = app.store.read::<_, flows::Error>(|read| Ok(read.person(&person.id)?))?;
            let fresh = fresh.ok_or_else(|| flows::Error::no("person", &person.email))?;
            Ok(Ok(flow::open_session(&app.store, &fresh, now)?))
        }
        Err(flows::Error::Refused(reasons)) => Ok(Err(reasons)),
        Err(other) => Err(other),
    })
    .await?;
    match outcome {
        Ok(cookie) => {
            let answer = flash(see_other("/account"), "The password is changed. Every other session has ended.");
            Ok(with_cookie(&app, answer, &cookie))
        }
        Err(reasons) => {
            app.throttle.failed(&name, now);
            refuse(reasons)
        }
    }
}
