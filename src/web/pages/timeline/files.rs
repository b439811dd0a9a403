//! A timeline to take away: the picture as a file that needs nothing else, and the events as a table for spreadsheets.

use super::{
    asked::{Asked, Query},
    drawn::{Links, Roles, facts},
    events::events,
    loaded::Loaded,
};
use crate::{
    domain::time,
    flows::Error,
    outbound::csv,
    timeline::{self, Width},
    web::{App, SignedIn, WebError, assets, blocking},
};
use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Data, Path},
};

/// The picture as a file.
pub async fn svg(
    app: Data<App>,
    signed: SignedIn,
    path: Path<(String, String)>,
    query: web::Query<Query>,
) -> Result<HttpResponse, WebError> {
    let (service, environment) = path.into_inner();
    let asked = Asked::read(super::path(&service, &environment), query.into_inner())?;
    let now = app.clock.now();
    let (loaded, asked) =
        blocking(&app, move |app| Ok((Loaded::load(app, &service, &environment, &asked, now)?, asked))).await?;
    let links = Links { site: app.base_url.clone(), page: format!("{}{}", app.base_url, asked.href("")) };
    let facts = facts(&loaded, &asked, &Roles::of(&loaded), signed.zone, &links);
    let drawn = standalone(&timeline::service(&facts, Width::Wide, &asked.marks.show()));
    Ok(file("image/svg+xml", &name(&loaded, "svg"), drawn.into_bytes()))
}

/// The events as a table.
pub async fn events_csv(
    app: Data<App>,
    _signed: SignedIn,
    path: Path<(String, String)>,
    query: web::Query<Query>,
) -> Result<HttpResponse, WebError> {
    let (service, environment) = path.into_inner();
    let asked = Asked::read(super::path(&service, &environment), query.into_inner())?;
    let now = app.clock.now();
    let (loaded, asked) =
        blocking(&app, move |app| Ok((Loaded::load(app, &service, &environment, &asked, now)?, asked))).await?;
    let roles = Roles::of(&loaded);
    let share = format!("{} share", roles.b.as_deref().unwrap_or("pushed release"));
    let rate = format!("{} crashes per 1,000 instance-hours", roles.a.as_deref().unwrap_or("replaced release"));
    let head = ["time (UTC)", "what", "words", "who", "known", "gate", "answer", &share, &rate];
    let rows = events(&loaded, asked.marks, &roles).into_iter().map(|it| {
        let what = format!("{}{}{}", it.before, it.link, it.after);
        let known = it.known.map_or("", |known| known.word()).to_owned();
        let gate = it.gate.map_or("", |gate| gate.word()).to_owned();
        vec![time::text(it.at), what, it.words, it.who, known, gate, it.answer, it.share, it.rate]
    });
    Ok(file(
        "text/csv; charset=utf-8",
        &name(&loaded, "csv"),
        csv::table(&head, &rows.collect::<Vec<_>>()).map_err(unwritten)?,
    ))
}

fn unwritten(error: impl std::fmt::Display) -> WebError {
    WebError::from(Error::Store(crate::store::StoreError::Other(error.to_string())))
}

fn name(loaded: &Loaded, ending: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
    };
    let day = loaded.shown.0.format("%Y-%m-%d");
    format!("{}-{}-{day}.{ending}", plain(&loaded.service.service), plain(&loaded.environment))
}

fn file(kind: &str, name: &str, body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .body(body)
}

/// A picture with the looks and the symbols that pages give it, in the colours of the light theme.
fn standalone(picture: &str) -> String {
    let sheet = assets::text("style.css");
    let pictures = between(&sheet, "/* ---- pictures ", "/* ---- narrow ");
    let tokens = tokens(&sheet);
    let style = plain_colours(
        &format!(
            "{pictures} .open,.open-paper{{stroke:currentColor;stroke-width:2}} .open{{fill:none}} .open-paper{{fill:var(--paper)}} .solid{{fill:currentColor}} .stroke{{fill:none;stroke:currentColor;stroke-width:2.4}} svg{{background:var(--paper);color:var(--ink)}}"
        ),
        &tokens,
    );
    let symbols = include_str!("../../../../templates/macros/sprite.html");
    let symbols = between(symbols, "<symbol", "</svg>");
    let head_end = picture.find('>').map_or(0, |at| at + 1);
    let (head, body) = picture.split_at(head_end);
    let head = if head.contains("xmlns=") {
        head.to_owned()
    } else {
        head.replacen("<svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"", 1)
    };
    let style = style.replace('&', "&amp;").replace('<', "&lt;");
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{head}<style>{style}</style><defs>{symbols}</defs>{body}")
}

/// The text from `start` on, up to `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or(text.len());
    let rest = &text[from..];
    &rest[..rest.find(end).unwrap_or(rest.len())]
}

/// The custom properties at the head of the sheet, each with its value in the light theme.
fn tokens(sheet: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in between(sheet, ":root {", "\n}").lines() {
        let Some((name, value)) = line.trim().trim_end_matches(';').split_once(':') else { continue };
        if name.starts_with("--") {
            let value = value.trim();
            let light = value.strip_prefix("light-dark(").and_then(|both| both.split(',').next()).unwrap_or(value);
            found.push((name.to_owned(), light.trim().to_owned()));
        }
    }
    found
}

/// The sheet without custom properties, which drawing programs do not know.
fn plain_colours(sheet: &str, tokens: &[(String, String)]) -> String {
    let mut out = sheet.to_owned();
    for (name, value) in tokens {
        out = out.replace(&format!("var({name})"), value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_leaves_the_page_takes_its_looks_and_symbols_along() {
        let file = standalone("<svg class=\"timeline\"><use href=\"#i-overrode\"/></svg>");
        assert!(file.contains("xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(file.contains("<symbol id=\"i-overrode\""));
        assert!(file.contains(".t-name"));
        assert!(!file.contains("light-dark("), "{}", &file[file.find("light-dark(").unwrap_or(0)..][..80]);
        assert!(!file.contains("var(--"), "{}", &file[file.find("var(--").unwrap_or(0)..][..80]);
    }
}
