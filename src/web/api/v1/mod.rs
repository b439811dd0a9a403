//! The JSON API: every route of `/api/v1` in one table, and who may call it. One file per resource.
//!
//! Bodies are lines of the history file without their `type`, which the address implies.

mod caller;
mod findings;
mod flags;
mod gate;
mod history;
mod notes;
mod pairs;
mod pushes;
mod sent;
mod services;
mod telemetry;

use super::super::WebError;
use actix_web::{
    HttpResponse, Route, Scope,
    http::StatusCode,
    web::{self, get, post},
};

/// One thing that the API can do.
struct Way {
    /// The method, in lower case.
    method: &'static str,
    /// The address below `/api/v1`.
    path: &'static str,
    /// What answers it.
    handler: fn() -> Route,
}

const fn way(method: &'static str, path: &'static str, handler: fn() -> Route) -> Way {
    Way { method, path, handler }
}

/// Every way. The router and the description are both held against this table.
const WAYS: [Way; 26] = [
    way("get", "/services", || get().to(services::list)),
    way("post", "/services", || post().to(services::declare)),
    way("get", "/services/{service}/policy", || get().to(services::policy)),
    way("post", "/services/{service}/policy", || post().to(services::set_policy)),
    way("get", "/pairs", || get().to(pairs::list)),
    way("post", "/pairs", || post().to(pairs::report)),
    way("get", "/pushes", || get().to(pushes::list)),
    way("post", "/pushes", || post().to(pushes::start)),
    way("get", "/pushes/{push}", || get().to(pushes::show)),
    way("post", "/pushes/{push}/steps", || post().to(pushes::step)),
    way("post", "/pushes/{push}/holds", || post().to(pushes::hold)),
    way("get", "/pushes/{push}/gate", || get().to(gate::of_push)),
    way("get", "/gate", || get().to(gate::by_name)),
    way("get", "/flag-changes", || get().to(flags::list)),
    way("post", "/flag-changes", || post().to(flags::change)),
    way("post", "/exposure", || post().to(telemetry::exposure)),
    way("post", "/crashes", || post().to(telemetry::crashes)),
    way("post", "/notes", || post().to(notes::add)),
    way("get", "/notes", || get().to(notes::list)),
    way("get", "/history", || get().to(history::export)),
    way("post", "/history", || post().to(history::import)),
    way("get", "/findings", || get().to(findings::list)),
    way("get", "/regressions", || get().to(findings::regressions)),
    way("get", "/regressions/{regression}", || get().to(findings::regression)),
    way("get", "/me", || get().to(caller::me)),
    way("get", "/openapi.json", || get().to(openapi)),
];

/// Puts every way into its scope. A known address with another method says so.
pub fn routes(mut scope: Scope) -> Scope {
    let mut paths: Vec<&str> = WAYS.iter().map(|way| way.path).collect();
    paths.dedup();
    for path in paths {
        let ways: Vec<&Way> = WAYS.iter().filter(|way| way.path == path).collect();
        let methods = ways.iter().map(|way| way.method.to_uppercase()).collect::<Vec<_>>().join(" and ");
        let resource = ways.iter().fold(web::resource(path), |resource, way| resource.route((way.handler)()));
        scope = scope.service(resource.default_service(web::to(move || wrong_method(methods.clone()))));
    }
    scope.default_service(web::to(nowhere))
}

/// The API's description, OpenAPI 3.1.
const OPENAPI: &str = include_str!("../openapi.json");

async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OPENAPI)
}

async fn wrong_method(methods: String) -> Result<HttpResponse, WebError> {
    let reason = format!("This address of the API answers {methods} only. What there is: /api/v1/openapi.json");
    Err(WebError::new(StatusCode::METHOD_NOT_ALLOWED, "Not this method", reason))
}

async fn nowhere() -> Result<HttpResponse, WebError> {
    Err(WebError::not_found("There is nothing at this address of the API. What there is: /api/v1/openapi.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn description() -> Value {
        serde_json::from_str(OPENAPI).expect("the description is JSON")
    }

    #[test]
    fn the_description_names_every_way_and_no_other() {
        let ways: BTreeSet<String> = WAYS.iter().map(|way| format!("{} {}", way.method, way.path)).collect();
        assert_eq!(ways.len(), WAYS.len(), "a way stands twice in the table");
        let mut described = BTreeSet::new();
        for (path, item) in description()["paths"].as_object().expect("paths") {
            for method in item.as_object().expect("a path's methods").keys().filter(|key| *key != "parameters") {
                described.insert(format!("{method} {path}"));
            }
        }
        assert_eq!(described, ways);
    }

    #[test]
    fn every_reference_in_the_description_leads_somewhere() {
        let description = description();
        let mut references = Vec::new();
        collect(&description, &mut references);
        assert!(references.len() > 30, "{}", references.len());
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("references stay within the description");
            assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    references.push(reference.clone());
                }
                fields.values().for_each(|value| collect(value, references));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_way_is_described_with_a_summary_an_own_name_and_what_it_answers() {
        let mut names = BTreeSet::new();
        let description = description();
        for (path, item) in description["paths"].as_object().expect("paths") {
            let described: BTreeSet<&str> = item["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|reference| description.pointer(reference["$ref"].as_str()?.strip_prefix('#')?))
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            let wanted: BTreeSet<&str> =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(described, wanted, "{path}");
            for (method, way) in item.as_object().expect("methods").iter().filter(|(key, _)| *key != "parameters") {
                assert!(way["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
                assert!(names.insert(way["operationId"].as_str().expect("a name").to_owned()), "{method} {path}");
                let answers = way["responses"].as_object().expect("answers");
                assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
            }
        }
    }
}
