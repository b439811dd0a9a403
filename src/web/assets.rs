//! Static files, inside the binary, under a path that changes with their content.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// The path of a static file; it holds the start of the file's hash, so that it may be kept for ever.
pub fn path(name: &str) -> String {
    match Files::get(name) {
        Some(file) => format!("/assets/{}/{name}", hex::encode(&file.metadata.sha256_hash()[..8])),
        None => format!("/assets/missing/{name}"),
    }
}

/// The text of a static file; empty where there is none.
pub fn text(name: &str) -> String {
    Files::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default()
}

/// Serves a static file.
pub async fn serve(request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (version, name) = path.into_inner();
    let Some(file) = Files::get(&name) else { return HttpResponse::NotFound().finish() };
    let tag = hex::encode(&file.metadata.sha256_hash()[..8]);
    let kept = format!("\"{tag}\"");
    if request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(&kept) {
        return HttpResponse::NotModified().finish();
    }
    let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let keep = if version == tag { "public, max-age=31536000, immutable" } else { "no-cache" };
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CACHE_CONTROL, keep))
        .insert_header((header::ETAG, kept))
        .body(file.data.into_owned())
}
