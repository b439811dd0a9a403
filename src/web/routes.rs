//! Every route, on one page.

use super::{App, WebError, assets, headers, pages};
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
        .wrap(middleware::Compress::default())
        .wrap(middleware::from_fn(headers::around))
        .configure(pages)
        .configure(api)
        .route("/assets/{version}/{name}", get().to(assets::serve))
        .default_service(web::to(nowhere))
}

fn pages(site: &mut web::ServiceConfig) {
    site.route("/sign-in", get().to(pages::sign_in::form))
        .route("/sign-in", post().to(pages::sign_in::sign_in))
        .route("/sign-out", post().to(pages::sign_in::sign_out))
        .route("/welcome/{link}", get().to(pages::sign_in::welcome))
        .route("/welcome/{link}", post().to(pages::sign_in::accept))
        .configure(pushes_and_flags);
}

fn pushes_and_flags(site: &mut web::ServiceConfig) {
    site.route("/", get().to(pages::start::start))
        .route("/start/service", post().to(pages::start::name_service))
        .route("/pushes", get().to(pages::pushes::list))
        .route("/pushes/{push}", get().to(pages::pushes::show))
        .route("/pushes/{push}/steps.csv", get().to(pages::pushes::steps_as_csv))
        .route("/pushes/{push}/hold", post().to(pages::holds::hold_from_push))
        .route("/pushes/{push}/bad", post().to(pages::pushes::mark_bad))
        .route("/pushes/{push}/reply", post().to(pages::pushes::reply))
        .route("/holds", post().to(pages::holds::hold_from_now))
        .route("/holds/{hold}/lift", post().to(pages::holds::lift))
        .route("/regressions/{regression}/risk", get().to(pages::risk::show))
        .route("/regressions/{regression}/risk", post().to(pages::risk::take))
        .route("/regressions/{regression}/risk/close", post().to(pages::risk::close))
        .route("/flags", get().to(pages::flags::list))
        .route("/flags/{service}/{flag}", get().to(pages::flags::history));
}

fn api(site: &mut web::ServiceConfig) {
    site.service(scope("/api/v1"));
}

async fn nowhere() -> Result<HttpResponse, WebError> {
    Err(WebError::not_found("There is nothing at this address. The navigation above leads to everything there is."))
}
