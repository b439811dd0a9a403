//! Who calls the API: a program with a token; or, for reading only, somebody who is signed in on the pages.

use crate::{
    domain::access::{Act, Scope},
    web::{App, Bearer, SignedIn, WebError},
};
use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{StatusCode, header},
    web::Data,
};
use serde_json::json;
use std::{future::Future, pin::Pin};

/// Who reads.
pub enum Reader {
    /// A program.
    Program(Bearer),
    /// A person, by the cookie of the pages.
    Person(Box<SignedIn>),
}

impl Reader {
    /// Refuses who may not read.
    pub fn must_read(&self) -> Result<(), WebError> {
        match self {
            Reader::Program(bearer) => bearer.must(Scope::Read),
            Reader::Person(signed) => signed.must(Act::Read),
        }
    }

    /// Refuses who may not take everything away.
    pub fn must_export(&self) -> Result<(), WebError> {
        match self {
            Reader::Program(bearer) => bearer.must(Scope::Read),
            Reader::Person(signed) => signed.must(Act::Export),
        }
    }
}

impl FromRequest for Reader {
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Reader, WebError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if request.headers().contains_key(header::AUTHORIZATION) {
            let bearer = Bearer::from_request(request, payload);
            return Box::pin(async move { Ok(Reader::Program(bearer.await?)) });
        }
        let signed = SignedIn::from_request(request, payload);
        Box::pin(async move {
            match signed.await {
                Ok(signed) => Ok(Reader::Person(Box::new(signed))),
                Err(error) if error.status() == StatusCode::UNAUTHORIZED => Err(WebError::new(
                    StatusCode::UNAUTHORIZED,
                    "No valid token",
                    "Send a token as `Authorization: Bearer …`. An administrator makes one with `pushback admin token create`.",
                )),
                Err(error) => Err(error),
            }
        })
    }
}

/// Who this token or cookie is, and what it may do. The first thing to try when something is refused.
pub async fn me(app: Data<App>, reader: Reader) -> Result<HttpResponse, WebError> {
    let now = crate::domain::time::text(app.clock.now());
    Ok(HttpResponse::Ok().json(match reader {
        Reader::Program(bearer) => json!({ "actor": bearer.token.name, "scopes": bearer.token.scopes, "now": now }),
        Reader::Person(signed) => json!({ "actor": signed.person.email, "role": signed.person.role, "now": now }),
    }))
}
