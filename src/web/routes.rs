//! Every route, on one page.

use super::{App, WebError, api, assets, headers, pages};
use actix_web::{
    App as ActixApp, Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware,
    web::{self, Data, get, post, scope},
};

/// The whole site.
pub fn application(
    app: Data<App>,
) -> ActixApp<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    ActixApp::new()
        .app_data(app)
        .app_data(web::FormConfig::default().limit(1024 * 1024))
        .app_data(web::PayloadConfig::new(32 * 1024 * 1024))
        .app_data(web::QueryConfig::default().error_handler(|error, _| wrong_address("query", &error)))
        .app_data(web::PathConfig::default().error_handler(|error, _| wrong_address("path", &error)))
        .wrap(middleware::Compress::default())
        .wrap(middleware::from_fn(headers::around))
        .configure(pages)
        .configure(programs)
        .route("/assets/{version}/{name}", get().to(assets::serve))
        .default_service(web::to(nowhere))
}

fn pages(site: &mut web::ServiceConfig) {
    site.route("/sign-in", get().to(pages::sign_in::form))
        .route("/sign-in", post().to(pages::sign_in::sign_in))
        .route("/sign-out", post().to(pages::sign_in::sign_out))
        .route("/welcome/{link}", get().to(pages::sign_in::welcome))
        .route("/welcome/{link}", post().to(pages::sign_in::accept))
        .route("/", get().to(pages::start::start));
}

fn programs(site: &mut web::ServiceConfig) {
    site.service(api::v1::routes(scope("/api/v1")));
    api::doors::routes(site);
}

fn wrong_address(part: &str, error: &dyn std::fmt::Display) -> Error {
    WebError::bad_request(format!("The {part} of this address could not be read: {error}.")).into()
}

async fn nowhere() -> Result<HttpResponse, WebError> {
    Err(WebError::not_found("There is nothing at this address. The navigation above leads to everything there is."))
}
