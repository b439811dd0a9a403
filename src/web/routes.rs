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
        .route("/", get().to(pages::start::start));
    lookout(site);
}

/// Services, their timelines, regressions, signatures.
fn lookout(site: &mut web::ServiceConfig) {
    site.route("/services", get().to(pages::services::list))
        .route("/services", post().to(pages::services::add))
        .route("/services/{service}", get().to(pages::services::main_place))
        .route("/services/{service}/settings", get().to(pages::services::settings))
        .route("/services/{service}/settings", post().to(pages::services::set_names))
        .route("/services/{service}/{environment}", get().to(pages::timeline::show))
        .route("/services/{service}/{environment}/timeline.svg", get().to(pages::timeline::svg))
        .route("/services/{service}/{environment}/events.csv", get().to(pages::timeline::events_csv))
        .route("/services/{service}/{environment}/crashes", get().to(pages::signatures::crashes))
        .route("/regressions", get().to(pages::regressions::list))
        .route("/regressions/{id}.json", get().to(pages::regressions::as_json))
        .route("/regressions/{id}", get().to(pages::regressions::show))
        .route("/signatures", get().to(pages::signatures::list))
        .route("/signatures/{service}/{signature}", get().to(pages::signatures::show))
        .route("/signatures/{service}/{signature}/{report}", get().to(pages::signatures::report));
}

fn api(site: &mut web::ServiceConfig) {
    site.service(scope("/api/v1"));
}

async fn nowhere() -> Result<HttpResponse, WebError> {
    Err(WebError::not_found("There is nothing at this address. The navigation above leads to everything there is."))
}
