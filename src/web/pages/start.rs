//! Where a visit begins: what is being pushed now.

use crate::web::{App, Frame, SignedIn, WebError, render};
use actix_web::{HttpResponse, web::Data};
use askama::Template;

#[derive(Template)]
#[template(path = "now/now.html")]
struct Page {
    frame: Frame,
}

/// Pushes under way, open regressions, recent flag changes, holds.
pub async fn start(app: Data<App>, signed: SignedIn) -> Result<HttpResponse, WebError> {
    render(&Page { frame: Frame::new(&app, &signed, "/") })
}
