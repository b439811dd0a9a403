//! Small things that every handler does: wait for the database, render, send on.

use super::{App, WebError};
use crate::flows::Error;
use actix_web::{
    HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    error::BlockingError,
    http::{StatusCode, header},
    web,
};
use std::time::Instant;

/// Runs something that waits or takes long, away from the threads that serve requests. What it logs bears the request's id.
pub async fn aside<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Result<T, BlockingError> {
    let (span, asked) = (tracing::Span::current(), Instant::now());
    let body = move || {
        let began = Instant::now();
        let done = body();
        let waited_ms = (began - asked).as_millis() as u64;
        tracing::debug!(waited_ms, took_ms = began.elapsed().as_millis() as u64, "a worker thread is done");
        done
    };
    web::block(move || span.in_scope(body)).await
}

/// Runs something that waits for the database, away from the threads that serve requests.
pub async fn blocking<T: Send + 'static>(
    app: &web::Data<App>,
    body: impl FnOnce(&App) -> Result<T, Error> + Send + 'static,
) -> Result<T, WebError> {
    let app = app.clone();
    aside(move || body(&app))
        .await
        .map_err(|_| {
            WebError::from(Error::Later { what: "The server is too busy to look that up.".into(), seconds: 5 })
        })?
        .map_err(WebError::from)
}

/// A page.
pub fn render(page: &impl askama::Template) -> Result<HttpResponse, WebError> {
    let html = page
        .render()
        .map_err(|error| WebError::from(Error::Store(crate::store::StoreError::Other(error.to_string()))))?;
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(html))
}

/// After a form: look at this page.
pub fn see_other(href: impl AsRef<str>) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, href.as_ref())).finish()
}

/// The same page again, with what was typed and why it was refused.
pub fn render_refused(page: &impl askama::Template) -> Result<HttpResponse, WebError> {
    Ok(with_status(render(page)?, StatusCode::UNPROCESSABLE_ENTITY))
}

/// The same answer, with one line that the next page shows: what just happened.
pub fn flash(mut response: HttpResponse, says: &str) -> HttpResponse {
    let cookie = Cookie::build("flash", super::extract::encode(says))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::minutes(1))
        .finish();
    // The text is encoded, so it is always a valid header.
    if let Err(error) = response.add_cookie(&cookie) {
        tracing::error!(%error, "a message could not be passed on");
    }
    response
}

/// The same page with another status: a form that was refused, a text that was overtaken.
pub fn with_status(mut response: HttpResponse, status: StatusCode) -> HttpResponse {
    *response.status_mut() = status;
    response
}
