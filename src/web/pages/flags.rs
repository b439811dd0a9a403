//! Flags: every one as it stands, and the history of one with what is blamed on each change.

mod rule;

use super::{pushes::instant, start::share, words};
use crate::{
    domain::{Time, finding::Ending, flag::FlagChanged, time},
    flows,
    store::findings::StoredRegression,
    timeline::{FlagLine, FlagMark, Width, flag_history},
    web::{App, Frame, SignedIn, WebError, blocking, frame::short, href::part, render},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};
use askama::Template;
use rule::{Difference, differences};
use serde::Deserialize;

/// How many changes one page of a history shows.
const PAGE: i64 = 100;

/// Which flags are asked for.
#[derive(Deserialize)]
pub struct Listed {
    service: Option<String>,
}

/// From where on a history is read.
#[derive(Deserialize)]
pub struct Earlier {
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "flags/list.html")]
struct ListPage {
    frame: Frame,
    services: Vec<(String, String, bool)>,
    flags: Vec<Line>,
}

struct Line {
    flag: String,
    href: String,
    service: String,
    environment: String,
    state: String,
    when: String,
    who: String,
    changes: i64,
    harms: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "flags/history.html")]
struct HistoryPage {
    frame: Frame,
    flag: String,
    service: String,
    timeline: String,
    href: String,
    about: String,
    drawings: Vec<Drawing>,
    changes: Vec<Change>,
    earlier: Option<String>,
    is_first: bool,
}

struct Drawing {
    environment: String,
    wide: String,
    narrow: String,
}

struct Change {
    anchor: String,
    when: String,
    local: Option<String>,
    environment: String,
    share: String,
    differences: Vec<Difference>,
    reason: Option<String>,
    url: Option<String>,
    who: String,
    who_href: String,
    harms: Vec<Harm>,
}

struct Harm {
    id: String,
    href: String,
    standing: &'static str,
    ran_out: bool,
}

/// Every flag as it stands now.
pub async fn list(app: Data<App>, signed: SignedIn, query: Query<Listed>) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(&app, &signed, "/flags").with_data("/api/v1/flag-changes");
    let chosen = query.into_inner().service.filter(|service| !service.is_empty());
    let page = blocking(&app, move |app| {
        app.store.read::<_, flows::Error>(|read| {
            let all = read.flags()?;
            let mut names: Vec<String> = all.iter().map(|(it, _)| it.service.clone()).collect();
            names.dedup();
            let latest: Vec<String> = all.iter().map(|(it, _)| it.change.clone()).collect();
            let blamed = read.regressions_blamed_on_any(&latest)?;
            let shown = all.iter().filter(|(it, _)| chosen.as_ref().is_none_or(|chosen| *chosen == it.service));
            Ok(ListPage {
                services: service_links(&names, chosen.as_deref()),
                flags: shown.map(|(it, changes)| line(it, *changes, &blamed, &frame)).collect(),
                frame,
            })
        })
    })
    .await?;
    render(&page)
}

fn service_links(services: &[String], chosen: Option<&str>) -> Vec<(String, String, bool)> {
    let mut links = vec![("every service".to_owned(), "/flags".to_owned(), chosen.is_none())];
    links.extend(services.iter().map(|it| (it.clone(), format!("/flags?service={}", part(it)), chosen == Some(it))));
    links
}

fn line(it: &FlagChanged, changes: i64, blamed: &[StoredRegression], frame: &Frame) -> Line {
    Line {
        flag: it.flag.clone(),
        href: format!("/flags/{}/{}", part(&it.service), part(&it.flag)),
        service: it.service.clone(),
        environment: it.environment.clone(),
        state: it.percent_after().map_or("a rule without a share".into(), |percent| match percent.value() {
            0.0 => "off".into(),
            _ => format!("{percent} %"),
        }),
        when: frame.when(it.at),
        who: short(&it.actor).to_owned(),
        changes,
        harms: harms(it, blamed).into_iter().map(|harm| (harm.id, harm.href)).collect(),
    }
}

fn harms(it: &FlagChanged, blamed: &[StoredRegression]) -> Vec<Harm> {
    let of = |known: &&StoredRegression| {
        known.finding.withdrawn.is_none() && known.finding.blamed().is_some_and(|suspect| suspect.id == it.change)
    };
    let harm = |known: &StoredRegression| Harm {
        id: known.finding.id.clone(),
        href: format!("/regressions/{}", part(&known.finding.id)),
        standing: words::standing(&known.finding),
        ran_out: known.finding.ended_because == Some(Ending::VictimsGone),
    };
    blamed.iter().filter(of).map(harm).collect()
}

/// The history of one flag.
pub async fn history(
    app: Data<App>,
    signed: SignedIn,
    path: Path<(String, String)>,
    query: Query<Earlier>,
) -> Result<HttpResponse, WebError> {
    let (service, flag) = path.into_inner();
    let frame = Frame::new(&app, &signed, "/flags");
    let before = query.before.as_deref().map(instant).transpose()?;
    let page = blocking(&app, move |app| {
        let (changes, blamed) = app.store.read::<_, flows::Error>(|read| {
            let changes = read.flag_changes(Some(&service), Some(&flag), before, PAGE)?;
            let ids: Vec<String> = changes.iter().map(|it| it.change.clone()).collect();
            let blamed = read.regressions_blamed_on_any(&ids)?;
            Ok((changes, blamed))
        })?;
        Ok(history_page(&service, &flag, &changes, &blamed, before, frame))
    })
    .await?;
    render(&page)
}

fn history_page(
    service: &str,
    flag: &str,
    changes: &[FlagChanged],
    blamed: &[StoredRegression],
    before: Option<Time>,
    frame: Frame,
) -> HistoryPage {
    let oldest = changes.last().filter(|_| changes.len() as i64 == PAGE);
    let base = format!("/flags/{}/{}", part(service), part(flag));
    HistoryPage {
        flag: flag.to_owned(),
        service: service.to_owned(),
        timeline: changes.first().map_or(format!("/services/{}/production", part(service)), |it| {
            format!("/services/{}/{}", part(service), part(&it.environment))
        }),
        about: changes.first().map_or("No change was recorded of it.".into(), |it| {
            let now = it.percent_after().map_or("a rule without a share".into(), |percent| format!("{percent} %"));
            format!("{now} in {} since {}.", it.environment, frame.when(it.at))
        }),
        href: base.clone(),
        drawings: drawings(flag, changes, before.unwrap_or(frame.now), frame.now),
        changes: changes.iter().map(|it| change(it, blamed, &frame)).collect(),
        earlier: oldest.map(|it| format!("{base}?before={}", part(&time::text(it.at)))),
        is_first: before.is_none(),
        frame,
    }
}

/// One drawing for each environment, from a little before its first change on this page.
fn drawings(flag: &str, changes: &[FlagChanged], to: Time, now: Time) -> Vec<Drawing> {
    let mut environments: Vec<&str> = changes.iter().map(|it| it.environment.as_str()).collect();
    environments.sort_unstable();
    environments.dedup();
    let one = |environment: &str| {
        let mut of: Vec<&FlagChanged> = changes.iter().filter(|it| it.environment == environment).collect();
        of.sort_by_key(|it| it.at);
        let first = of.first()?;
        let margin = ((to - first.at) / 20).max(time::minutes(10));
        let mark = |it: &&FlagChanged| FlagMark {
            at: it.at,
            percent: it.percent_after().map(|percent| percent.value()),
            initials: initials(&it.actor),
            href: format!("#{}", anchor(it)),
            title: format!("{} {}: {} by {}", it.at.format("%H:%M"), it.flag, share_words(it), it.actor),
        };
        let line = FlagLine {
            name: flag.to_owned(),
            about: format!("percent, {environment}"),
            percent_at_start: first.percent_before().map(|percent| percent.value()),
            changes: of.iter().map(mark).collect(),
        };
        let draw = |width| flag_history(&line, first.at - margin, to, now, width);
        Some(Drawing { environment: environment.to_owned(), wide: draw(Width::Wide), narrow: draw(Width::Narrow) })
    };
    environments.into_iter().filter_map(one).collect()
}

fn share_words(it: &FlagChanged) -> String {
    match it.percent_after() {
        Some(_) => format!("{} %", share(it.percent_before(), it.percent_after())),
        None => share(it.percent_before(), None),
    }
}

fn initials(actor: &str) -> String {
    short(actor).chars().filter(|letter| letter.is_alphanumeric()).take(2).collect::<String>().to_uppercase()
}

fn anchor(it: &FlagChanged) -> String {
    format!("change-{}", part(&it.change))
}

fn change(it: &FlagChanged, blamed: &[StoredRegression], frame: &Frame) -> Change {
    let link = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
    Change {
        anchor: anchor(it),
        when: frame.when(it.at),
        local: frame.local_hm(it.at),
        environment: it.environment.clone(),
        share: share_words(it),
        differences: differences(it.before.as_ref(), it.after.as_ref()),
        reason: it.reason.clone(),
        url: it.url.as_ref().filter(link).cloned(),
        who: short(&it.actor).to_owned(),
        who_href: format!("/people/{}", part(&it.actor)),
        harms: harms(it, blamed),
    }
}
