//! Every route, on one page.

use super::{App, WebError, api, assets, headers, health, pages};
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
        .wrap(middleware::from_fn(headers::around))
        // First, since each address is held against one after another, and a storm comes in here. Its answers are too short to be packed.
        .configure(api::doors::routes)
        .service(scope("").wrap(middleware::Compress::default()).configure(all_else))
}

fn all_else(site: &mut web::ServiceConfig) {
    site.route("/healthz", get().to(health::alive))
        .route("/readyz", get().to(health::ready))
        .route("/metrics", get().to(health::metrics))
        .configure(pages)
        .service(api::v1::routes(scope("/api/v1")))
        .route("/assets/{version}/{name}", get().to(assets::serve))
        .default_service(web::to(nowhere));
}

fn pages(site: &mut web::ServiceConfig) {
    site.route("/sign-in", get().to(pages::sign_in::form))
        .route("/sign-in", post().to(pages::sign_in::sign_in))
        .route("/sign-out", post().to(pages::sign_in::sign_out))
        .route("/welcome/{link}", get().to(pages::sign_in::welcome))
        .route("/welcome/{link}", post().to(pages::sign_in::accept))
        .configure(pushes_and_flags)
        .configure(written)
        .configure(lookout);
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

/// Postmortems, who continued, people, settings, and finding things.
fn written(site: &mut web::ServiceConfig) {
    use pages::{account, continued, feed, find, people, postmortems, settings};
    site.route("/postmortems", get().to(postmortems::list))
        .route("/postmortems", post().to(postmortems::open))
        .route("/postmortems/new", get().to(postmortems::new))
        .route("/regressions/{id}/incident", post().to(postmortems::open_from_regression))
        .route("/postmortems/{id:[^/.]+}.md", get().to(postmortems::markdown))
        .route("/postmortems/{id}", get().to(postmortems::report))
        .route("/postmortems/{id}/edit", get().to(postmortems::form))
        .route("/postmortems/{id}/edit", post().to(postmortems::save))
        .route("/postmortems/{id}/status", post().to(postmortems::set_status))
        .route("/postmortems/{id}/items", post().to(postmortems::add_item))
        .route("/postmortems/{id}/items/{item}", post().to(postmortems::end_item))
        .route("/postmortems/{id}/revisions", get().to(postmortems::revisions))
        .route("/postmortems/{id}/revisions/{number:\\d+}", get().to(postmortems::revision))
        .route("/postmortems/{id}/revisions/{from:\\d+}..{to:\\d+}", get().to(postmortems::difference))
        .route("/continued", get().to(continued::continued))
        .route("/continued.csv", get().to(continued::as_csv))
        .route("/continued.json", get().to(continued::as_json))
        .route("/people", get().to(people::people))
        .route("/people/{actor}", get().to(people::person))
        .route("/account", get().to(account::account))
        .route("/account/password", post().to(account::change_password))
        .route("/settings", get().to(settings::people))
        .route("/settings/people", post().to(settings::add_person))
        .route("/settings/people/{id}", post().to(settings::change_person))
        .route("/settings/people/{id}/out", post().to(settings::shut_out))
        .route("/settings/people/{id}/link", post().to(settings::invite))
        .route("/settings/tokens", get().to(settings::tokens))
        .route("/settings/tokens", post().to(settings::create_token))
        .route("/settings/tokens/{id}/revoke", post().to(settings::revoke_token))
        .route("/ledger", get().to(pages::ledger::entries))
        .route("/ledger/{seq:\\d+}", get().to(pages::ledger::entry))
        .route("/search", get().to(find::search))
        .route("/words", get().to(find::words))
        .route("/feed.atom", get().to(feed::feed));
}

/// Services, their timelines, regressions, signatures.
fn lookout(site: &mut web::ServiceConfig) {
    site.route("/services", get().to(pages::services::list))
        .route("/services", post().to(pages::services::add))
        .route("/services/{service}", get().to(pages::services::main_place))
        .route("/services/{service}/settings", get().to(pages::services::settings))
        .route("/services/{service}/settings", post().to(pages::services::set_names))
        .route("/services/{service}/guards", get().to(pages::guards::show))
        .route("/services/{service}/guards/policy", post().to(pages::guards::set_policy))
        .route("/services/{service}/guards/pairs", post().to(pages::guards::report))
        .route("/services/{service}/{environment}", get().to(pages::timeline::show))
        .route("/services/{service}/{environment}/timeline.svg", get().to(pages::timeline::svg))
        .route("/services/{service}/{environment}/events.csv", get().to(pages::timeline::events_csv))
        .route("/services/{service}/{environment}/crashes", get().to(pages::signatures::crashes))
        .route("/regressions", get().to(pages::regressions::list))
        .route("/regressions/{id}.json", get().to(pages::regression::as_json))
        .route("/regressions/{id}", get().to(pages::regression::show))
        .route("/signatures", get().to(pages::signatures::list))
        .route("/signatures/{service}/{signature}", get().to(pages::signatures::show))
        .route("/signatures/{service}/{signature}/{report}", get().to(pages::signatures::report));
}

fn wrong_address(part: &str, error: &dyn std::fmt::Display) -> Error {
    WebError::bad_request(format!("The {part} of this address could not be read: {error}.")).into()
}

async fn nowhere() -> Result<HttpResponse, WebError> {
    Err(WebError::not_found("There is nothing at this address. From the start, everything can be reached."))
}
