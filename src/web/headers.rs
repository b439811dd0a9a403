//! What every answer carries, and what every request must pass: request ids, security headers, same-origin forms,
//! and bodies for errors.

use super::{App, Frame, SignedIn, WebError};
use crate::{outbound::metrics::Asked, secret};
use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody},
    cookie::{Cookie, time::Duration},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use askama::Template;
use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tracing::{Instrument, Level, Span, level_filters::LevelFilter};

const REQUEST_ID: &str = "x-request-id";

/// Where a line for each request is logged, for whoever wants them.
const ACCESS: &str = "pushback::access";

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'";

/// The headers of every answer, errors and static files included.
static ALWAYS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    (header::PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    status: u16,
    title: &'a str,
    reasons: &'a [String],
    request: &'a str,
}

/// Goes around every request.
pub async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    let id = sent_id(&request).unwrap_or_else(new_id);
    let api = request.path().starts_with("/api/") || request.path() == "/metrics";
    let (asked, app) = (asked(request.path()), request.app_data::<Data<App>>().cloned());
    // A report that is taken leaves no line: the context of lines would cost more than taking it.
    let silent = asked == Asked::Door && LevelFilter::current() < LevelFilter::DEBUG;
    let span = if silent { Span::none() } else { tracing::error_span!("request", id) };
    let checked = if api { Ok(()) } else { same_origin(&request) };
    let response = match checked {
        Ok(()) if silent => next.call(request).await?.map_into_boxed_body(),
        Ok(()) => next.call(request).instrument(span.clone()).await?.map_into_boxed_body(),
        Err(error) => request.error_response(error).map_into_boxed_body(),
    };
    let failed = silent && response.status().is_server_error();
    let span = if failed { tracing::error_span!("request", id) } else { span };
    let response = span.in_scope(|| {
        let response = finish(response, &id, api);
        if tracing::enabled!(target: ACCESS, Level::DEBUG) {
            let (method, status) = (response.request().method(), response.status().as_u16());
            // Never the address: links can hold secrets.
            let route = response.request().match_pattern().unwrap_or_default();
            tracing::debug!(target: ACCESS, %method, route, status, ms = began.elapsed().as_millis() as u64, "answered");
        }
        response
    });
    if let Some(app) = app {
        app.telemetry.metrics().answered(asked, response.status().as_u16(), began.elapsed());
    }
    Ok(response)
}

/// An id that no other request of this process has, and none of another is likely to.
fn new_id() -> String {
    static FIRST: LazyLock<u64> = LazyLock::new(|| u64::from_be_bytes(secret::random::<8>()));
    static BEFORE: AtomicU64 = AtomicU64::new(0);
    // An odd factor takes no number twice, and neighbours look nothing alike.
    let step = BEFORE.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:016x}", FIRST.wrapping_add(step))
}

/// The id that a proxy in front of us gave the request, where it is a plain word: its lines and ours are then about the same.
fn sent_id(request: &ServiceRequest) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
    (1..=64).contains(&id.len()).then_some(id).filter(|id| id.bytes().all(plain)).map(str::to_owned)
}

/// What an address is, for counting.
fn asked(path: &str) -> Asked {
    match path {
        _ if path.starts_with("/api/v1/") => Asked::Api,
        _ if path.starts_with("/api/") => Asked::Door,
        "/healthz" | "/readyz" | "/metrics" => Asked::Other,
        _ if path.starts_with("/assets/") => Asked::Other,
        _ => Asked::Page,
    }
}

/// An unsafe request must come from a page of this site: browsers say so themselves.
fn same_origin(request: &ServiceRequest) -> Result<(), WebError> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let refused = || {
        WebError::forbidden(
            "This form was sent from another site, so nothing was done. Open the page here and send it again.",
        )
    };
    if let Some(site) = header("sec-fetch-site") {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(refused()) };
    }
    match (header("origin"), header("host")) {
        (Some(origin), Some(host)) => {
            let same = origin.split_once("://").is_some_and(|(_, name)| name.eq_ignore_ascii_case(host));
            if same { Ok(()) } else { Err(refused()) }
        }
        // Neither header: no browser of today. The form's own secret is still asked for.
        _ => Ok(()),
    }
}

fn finish(mut response: ServiceResponse<BoxBody>, id: &str, api: bool) -> ServiceResponse<BoxBody> {
    let error = response.response().extensions().get::<WebError>().cloned();
    if let Some(error) = &error {
        log(&response, error);
        response = explain(response, error, id, api);
    }
    let request = response.request().clone();
    let secure = request.app_data::<Data<App>>().is_some_and(|app| app.is_secure());
    let showed_flash = !api
        && request.cookie("flash").is_some()
        && response.status() == StatusCode::OK
        && !request.path().starts_with("/assets/");
    let headers = response.headers_mut();
    for (name, value) in &ALWAYS {
        set_missing(headers, name.clone(), value);
    }
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    set_missing(headers, header::CACHE_CONTROL, "no-store");
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), value);
    }
    if showed_flash {
        let gone = Cookie::build("flash", "").path("/").max_age(Duration::ZERO).finish();
        if let Ok(value) = HeaderValue::from_str(&gone.to_string()) {
            headers.append(header::SET_COOKIE, value);
        }
    }
    response
}

fn set_missing(headers: &mut header::HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn log(response: &ServiceResponse<BoxBody>, error: &WebError) {
    let request = response.request();
    let (method, route) = (request.method(), request.match_pattern().unwrap_or_default());
    if let Some(cause) = error.cause() {
        tracing::error!(%method, route, status = error.status().as_u16(), cause, "a request failed");
    } else {
        tracing::debug!(%method, route, status = error.status().as_u16(), "a request was refused");
    }
}

/// The body of an error: a page for people, JSON for programs.
fn explain(response: ServiceResponse<BoxBody>, error: &WebError, id: &str, api: bool) -> ServiceResponse<BoxBody> {
    let (request, response) = response.into_parts();
    let explained = error.explained();
    let mut answer = actix_web::HttpResponse::build(explained.status);
    if let Some(value) = response.headers().get(header::RETRY_AFTER) {
        answer.insert_header((header::RETRY_AFTER, value.clone()));
    }
    if api {
        let body = serde_json::json!({ "error": explained.title, "detail": explained.reasons.join(" "), "reasons": explained.reasons, "request": id });
        let answer = answer.json(body);
        return ServiceResponse::new(request, answer).map_into_boxed_body();
    }
    if error.wants_sign_in() && request.method() == Method::GET {
        let back = request.uri().path_and_query().map_or("/", |uri| uri.as_str()).to_owned();
        let to = format!("/sign-in?to={}", super::extract::encode(&back));
        let answer = actix_web::HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish();
        return ServiceResponse::new(request, answer).map_into_boxed_body();
    }
    let Some(app) = request.app_data::<Data<App>>().cloned() else {
        return ServiceResponse::new(request, response).map_into_boxed_body();
    };
    let frame = match request.extensions().get::<SignedIn>() {
        Some(signed) => Frame::new(&app, signed, ""),
        None => Frame::outside(&app),
    };
    let page = ErrorPage {
        frame,
        status: explained.status.as_u16(),
        title: &explained.title,
        reasons: &explained.reasons,
        request: id,
    };
    let answer = match page.render() {
        Ok(html) => answer.content_type("text/html; charset=utf-8").body(html),
        Err(_) => answer.body(explained.reasons.join(" ")),
    };
    ServiceResponse::new(request, answer).map_into_boxed_body()
}
