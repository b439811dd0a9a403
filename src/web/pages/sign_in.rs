//! Coming in and going out: sign-in form, one-time links.

use crate::{
    flows::{self, sign_in as flow},
    store::people::Person,
    web::{App, Frame, Posted, WebError, blocking, extract, render, see_other},
};
use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    web::{Data, Form, Path, Query},
};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "account/sign_in.html")]
struct SignInPage {
    frame: Frame,
    to: String,
    email: String,
    refusals: Vec<String>,
}

#[derive(Template)]
#[template(path = "account/welcome.html")]
struct WelcomePage {
    frame: Frame,
    link: String,
    known: Option<Person>,
    email: String,
    name: String,
    refusals: Vec<String>,
}

/// Where to go after signing in.
#[derive(Deserialize)]
pub struct To {
    to: Option<String>,
}

/// The sign-in form's fields.
#[derive(Deserialize)]
pub struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    to: String,
}

/// The fields of a one-time link's form.
#[derive(Deserialize)]
pub struct Accepted {
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: String,
    password: String,
    again: String,
}

/// Only paths of this site; anything else leads to the start.
fn inside(to: &str) -> &str {
    if to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\n', '\r']) { to } else { "/" }
}

/// Asks who is there.
pub async fn form(app: Data<App>, query: Query<To>) -> Result<HttpResponse, WebError> {
    let to = inside(query.to.as_deref().unwrap_or("/")).to_owned();
    render(&SignInPage { frame: Frame::outside(&app), to, email: String::new(), refusals: Vec::new() })
}

/// Lets somebody in, or says why not.
pub async fn sign_in(app: Data<App>, request: HttpRequest, form: Form<Credentials>) -> Result<HttpResponse, WebError> {
    let Credentials { email, password, to } = form.into_inner();
    let to = inside(&to).to_owned();
    let network = request.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
    let now = app.clock.now();
    let names = [format!("account {}", email.trim().to_lowercase()), format!("network {network}")];
    let wait = names.iter().map(|name| app.throttle.wait(name, now)).max().unwrap_or(0);
    let refuse = |status, refusal: String| -> Result<HttpResponse, WebError> {
        let page =
            SignInPage { frame: Frame::outside(&app), to: to.clone(), email: email.clone(), refusals: vec![refusal] };
        let mut response = render(&page)?;
        *response.status_mut() = status;
        Ok(response)
    };
    use actix_web::http::StatusCode;
    if wait > 0 {
        let mut response =
            refuse(StatusCode::TOO_MANY_REQUESTS, format!("Too many tries. Try again in {wait} seconds."))?;
        response.headers_mut().insert(actix_web::http::header::RETRY_AFTER, wait.into());
        return Ok(response);
    }
    let _turn = app.hashing.acquire().await.map_err(|_| WebError::bad_request("The server is stopping."))?;
    let (address, secret) = (email.clone(), password);
    let outcome = blocking(&app, move |app| match flow::check_password(&app.store, &address, &secret) {
        Ok(person) => Ok(Some(flow::open_session(&app.store, &person, now)?)),
        Err(flows::Error::NotAllowed(_)) => Ok(None),
        Err(other) => Err(other),
    })
    .await?;
    match outcome {
        Some(cookie) => {
            names.iter().for_each(|name| app.throttle.succeeded(name));
            Ok(with_cookie(&app, see_other(&to), &cookie))
        }
        None => {
            names.iter().for_each(|name| app.throttle.failed(name, now));
            refuse(
                StatusCode::FORBIDDEN,
                "This address and password do not go together. Check both; an administrator can send you a new link."
                    .into(),
            )
        }
    }
}

pub(super) fn with_cookie(app: &App, mut response: HttpResponse, secret: &str) -> HttpResponse {
    let cookie = Cookie::build(extract::cookie_name(app), secret)
        .path("/")
        .http_only(true)
        .secure(app.is_secure())
        .same_site(SameSite::Lax)
        .max_age(Duration::days(7))
        .finish();
    // The cookie's text is made of our own characters, so it is always a valid header.
    if let Err(error) = response.add_cookie(&cookie) {
        tracing::error!(%error, "a session cookie could not be set");
    }
    response
}

/// Ends the session.
pub async fn sign_out(app: Data<App>, posted: Posted) -> Result<HttpResponse, WebError> {
    let signed = posted.signed;
    let now = app.clock.now();
    if let Some(cookie) = signed.cookie {
        blocking(&app, move |app| flow::close_session(&app.store, &signed.person, &cookie, now)).await?;
    }
    let mut response = see_other("/sign-in");
    let gone = Cookie::build(extract::cookie_name(&app), "")
        .path("/")
        .secure(app.is_secure())
        .max_age(Duration::ZERO)
        .finish();
    if let Err(error) = response.add_cookie(&gone) {
        tracing::error!(%error, "a session cookie could not be removed");
    }
    Ok(response)
}

/// A one-time link: sets a password, or makes the first administrator.
pub async fn welcome(app: Data<App>, link: Path<String>) -> Result<HttpResponse, WebError> {
    let (now, link) = (app.clock.now(), link.into_inner());
    let kept = link.clone();
    let (_, known) = blocking(&app, move |app| flow::invitation(&app.store, &kept, now)).await?;
    render(&WelcomePage {
        frame: Frame::outside(&app),
        link,
        known,
        email: String::new(),
        name: String::new(),
        refusals: Vec::new(),
    })
}

/// Takes the password, and lets its owner in.
pub async fn accept(app: Data<App>, link: Path<String>, form: Form<Accepted>) -> Result<HttpResponse, WebError> {
    let (now, link, form) = (app.clock.now(), link.into_inner(), form.into_inner());
    let kept = link.clone();
    let (_, known) = blocking(&app, move |app| flow::invitation(&app.store, &kept, now)).await?;
    let (email, name, password, again) = (form.email, form.name, form.password, form.again);
    let refuse = |refusals: Vec<String>, email: String, name: String, known: Option<Person>, link: String| {
        let mut response = render(&WelcomePage { frame: Frame::outside(&app), link, known, email, name, refusals })?;
        *response.status_mut() = actix_web::http::StatusCode::UNPROCESSABLE_ENTITY;
        Ok(response)
    };
    if password != again {
        return refuse(vec!["The two passwords differ. Type the same one twice.".into()], email, name, known, link);
    }
    let _turn = app.hashing.acquire().await.map_err(|_| WebError::bad_request("The server is stopping."))?;
    let (address, called, used) = (email.clone(), name.clone(), link.clone());
    let outcome =
        blocking(&app, move |app| match flow::accept(&app.store, &used, Some((&address, &called)), &password, now) {
            Ok(person) => Ok(Ok(flow::open_session(&app.store, &person, now)?)),
            Err(flows::Error::Refused(reasons)) => Ok(Err(reasons)),
            Err(other) => Err(other),
        })
        .await?;
    match outcome {
        Ok(cookie) => Ok(with_cookie(&app, see_other("/"), &cookie)),
        Err(reasons) => refuse(reasons, email, name, known, link),
    }
}
