//! Signatures: what crash reports have in common, how often by release and day, and one report opened.

use crate::{
    domain::{
        Time,
        crash::{Frame as StackFrame, ReportKind},
        time,
    },
    flows::Error,
    intake::detail::Detail,
    store::telemetry::{CrashMark, SignatureHour, SignatureRow, StoredReport},
    web::{
        App, Frame, SignedIn, WebError, blocking,
        href::part,
        pages::timeline::{path as timeline_path, told::Told},
        render,
    },
};
use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};
use askama::Template;
use chrono::NaiveDate;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Signatures on one page.
const PAGE: i64 = 50;
/// How far before the last report of a signature its days are looked for.
const MOST_DAYS: i64 = 60;
/// Reports listed.
const LISTED: i64 = 20;
/// Days in the table of counts.
const DAYS: usize = 14;
/// Crash reports of a stretch of time on one page.
const MOST_CRASHES: usize = 500;

/// The path of a signature's page.
pub fn path(service: &str, signature: &str) -> String {
    format!("/signatures/{}/{}", part(service), part(signature))
}

#[derive(Template)]
#[template(path = "signatures/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<(String, SignatureRow)>,
    services: Vec<(String, String, bool)>,
    later: Option<String>,
    is_filtered: bool,
}

/// Which signatures are asked for.
#[derive(Deserialize)]
pub struct Wanted {
    service: Option<String>,
    before: Option<String>,
}

/// Signatures, latest first.
pub async fn list(app: Data<App>, signed: SignedIn, wanted: Query<Wanted>) -> Result<HttpResponse, WebError> {
    let Wanted { service, before } = wanted.into_inner();
    let service = service.filter(|service| !service.is_empty());
    let before = before.as_deref().and_then(crate::domain::time::parse_lenient);
    let wanted = service.clone();
    let (rows, names) = blocking(&app, move |app| {
        app.store.read::<_, Error>(|read| {
            let rows = read.signatures(wanted.as_deref(), before, PAGE)?;
            Ok((rows, read.services()?.into_iter().map(|it| it.service).collect::<Vec<_>>()))
        })
    })
    .await?;
    let of = |name: Option<&str>| match name {
        Some(name) => format!("/signatures?service={}", part(name)),
        None => "/signatures".into(),
    };
    let mut services = vec![("all".to_owned(), of(None), service.is_none())];
    services.extend(names.into_iter().map(|name| {
        let on = service.as_deref() == Some(name.as_str());
        (name.clone(), of(Some(&name)), on)
    }));
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
    let later = rows.last().filter(|_| full).map(|row| {
        let join = if service.is_some() { '&' } else { '?' };
        format!("{}{join}before={}", of(service.as_deref()), part(&crate::domain::time::text(row.last_at)))
    });
    let rows = rows.into_iter().map(|row| (path(&row.service, &row.signature), row)).collect();
    let is_filtered = service.is_some() || before.is_some();
    render(&ListPage { frame: Frame::new(&app, &signed, ""), rows, services, later, is_filtered })
}

#[derive(Template)]
#[template(path = "signatures/show.html")]
struct Page {
    frame: Frame,
    row: SignatureRow,
    here: String,
    carried_by: Vec<(String, String, String)>,
    releases: Vec<String>,
    days: Vec<Day>,
    reports: Vec<(String, CrashMark)>,
    example: Option<Opened>,
}

/// The counts of one day.
struct Day {
    day: NaiveDate,
    counts: Vec<String>,
    all: i64,
    clients: i64,
}

/// A report opened.
struct Opened {
    id: String,
    kind: &'static str,
    facts: Vec<(&'static str, String)>,
    stacks: Vec<Stack>,
    tags: Vec<(String, String)>,
    flags: Vec<(String, String)>,
    crumbs: Vec<(String, String, String)>,
    removed: Vec<(String, u32)>,
}

/// One exception with its stack, innermost frame first.
struct Stack {
    kind: String,
    value: String,
    frames: Vec<(String, String, bool)>,
}

/// One signature.
pub async fn show(app: Data<App>, signed: SignedIn, names: Path<(String, String)>) -> Result<HttpResponse, WebError> {
    let (service, signature) = names.into_inner();
    let (row, reports, hours, told, example) = blocking(&app, move |app| {
        app.store.read::<_, Error>(|read| {
            let row = read.signature(&service, &signature)?.ok_or_else(|| Error::no("signature", &signature))?;
            let reports = read.reports_of(&service, &signature, LISTED)?;
            // Days with reports, however long ago the last of them was.
            let since = row.last_at - time::minutes(MOST_DAYS * 24 * 60);
            let hours = read.signature_hours(&service, &signature, since)?;
            let mut told = Vec::new();
            for environment in read.environments(&service)? {
                for stored in read.regressions_of(&service, &environment)? {
                    if stored.finding.signatures.contains(&signature) {
                        told.extend(Told::load(read, stored, Vec::new(), None)?);
                    }
                }
            }
            let example = read.crash(&service, &row.last_id)?;
            Ok((row, reports, hours, told, example))
        })
    })
    .await?;
    let frame = Frame::new(&app, &signed, "");
    let carried_by =
        told.iter().map(|told| (told.href(), told.regression.id.clone(), told.sentence(&|at| frame.when(at))));
    let here = path(&row.service, &row.signature);
    let (releases, days) = by_day(&hours);
    render(&Page {
        carried_by: carried_by.collect(),
        reports: reports.into_iter().map(|it| (format!("{here}/{}", part(&it.id)), it)).collect(),
        example: example.map(|report| opened(report, &frame)),
        releases,
        days,
        here,
        row,
        frame,
    })
}

/// Counts by day and release, latest day first; the releases with the most reports, in order.
fn by_day(hours: &[SignatureHour]) -> (Vec<String>, Vec<Day>) {
    let name = |it: &SignatureHour| it.release.clone().unwrap_or_else(|| "unknown".into());
    let mut totals: BTreeMap<String, i64> = BTreeMap::new();
    for it in hours {
        *totals.entry(name(it)).or_default() += it.crashes + it.handled;
    }
    let mut releases: Vec<(String, i64)> = totals.into_iter().collect();
    releases.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let releases: Vec<String> = releases.into_iter().take(6).map(|(name, _)| name).collect();
    let days: BTreeSet<NaiveDate> = hours.iter().map(|it| it.hour.date_naive()).collect();
    let day = |day: NaiveDate| {
        let ours: Vec<&SignatureHour> = hours.iter().filter(|it| it.hour.date_naive() == day).collect();
        let count = |it: &&&SignatureHour| it.crashes + it.handled;
        let of = |release: &String| ours.iter().filter(|it| name(it) == *release).map(|it| count(&it)).sum::<i64>();
        let words = |count: i64| if count == 0 { "–".to_owned() } else { count.to_string() };
        Day {
            day,
            counts: releases.iter().map(|name| words(of(name))).collect(),
            all: ours.iter().map(|it| count(&it)).sum(),
            clients: ours.iter().map(|it| it.clients).sum(),
        }
    };
    let days = days.into_iter().rev().take(DAYS).map(day).collect();
    (releases, days)
}

#[derive(Template)]
#[template(path = "signatures/report.html")]
struct ReportPage {
    frame: Frame,
    service: String,
    signature: String,
    here: String,
    it: Opened,
}

/// One report.
pub async fn report(
    app: Data<App>,
    signed: SignedIn,
    names: Path<(String, String, String)>,
) -> Result<HttpResponse, WebError> {
    let (service, signature, id) = names.into_inner();
    let (from, wanted) = (service.clone(), signature.clone());
    let found = blocking(&app, move |app| {
        let found = app.store.read::<_, Error>(|read| Ok(read.crash(&from, &id)?))?;
        found.filter(|report| report.crash.signature == wanted).ok_or_else(|| Error::no("report", &id))
    })
    .await?;
    let frame = Frame::new(&app, &signed, "");
    let here = path(&service, &signature);
    render(&ReportPage { it: opened(found, &frame), here, service, signature, frame })
}

fn opened(report: StoredReport, frame: &Frame) -> Opened {
    let it = report.crash;
    let detail: Option<Detail> = report.detail.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let mut facts: Vec<(&'static str, String)> = vec![
        ("Crashed", format!("{} UTC", frame.when(it.at))),
        (
            "Reached us",
            format!("{} UTC, {} s later", frame.when(it.received_at), (it.received_at - it.at).num_seconds()),
        ),
        ("Release", it.release.clone().unwrap_or_else(|| "not known".into())),
        ("Environment", it.environment.clone()),
        ("Cell", it.cell.clone()),
    ];
    let mut say = |name, value: Option<String>| facts.extend(value.filter(|it| !it.is_empty()).map(|it| (name, it)));
    say("Host", it.host.clone());
    say("Release at the other end", it.peer_release.clone());
    say("Clients dropped", it.clients_dropped.map(|clients| grouped(&clients)));
    say("Had run for", it.uptime_s.map(ran_for));
    if let Some(detail) = &detail {
        say("Level", Some(detail.level.word().to_owned()));
        say("Message", detail.message.clone());
        say("Doing", detail.transaction.clone());
        say("Where", detail.culprit.clone());
        say("Request", detail.request.clone());
        say("Platform", detail.platform.clone());
        say("System", detail.os.clone());
        say("Runtime", detail.runtime.clone());
        say("Device", detail.device.clone());
        say("Program", detail.app.clone());
        say("Logger", detail.logger.clone());
        say("Trace", detail.trace_id.clone());
        let client =
            detail.sdk_name.clone().map(|name| format!("{name} {}", detail.sdk_version.clone().unwrap_or_default()));
        say("Sent by", client);
    }
    let flags = it
        .flags
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    Opened {
        kind: match report.kind {
            ReportKind::Crash => "crash",
            ReportKind::Handled => "handled error",
            ReportKind::Message => "message",
        },
        flags: flags.collect(),
        stacks: stacks(&it, detail.as_ref()),
        id: it.id,
        facts,
        tags: detail.as_ref().map(|it| it.tags.clone()).unwrap_or_default(),
        removed: detail.as_ref().map(|it| it.removed.clone().into_iter().collect()).unwrap_or_default(),
        crumbs: detail.map(|it| it.breadcrumbs.into_iter().map(crumb).collect()).unwrap_or_default(),
    }
}

fn crumb(it: crate::intake::detail::Breadcrumb) -> (String, String, String) {
    (it.at.unwrap_or_default(), it.category.unwrap_or_default(), it.message.unwrap_or_default())
}

/// Every exception of a report, the one that was raised first.
fn stacks(it: &crate::domain::crash::Crash, detail: Option<&Detail>) -> Vec<Stack> {
    let stack = |kind: &Option<String>, value: &Option<String>, frames: &[StackFrame]| Stack {
        kind: kind.clone().unwrap_or_else(|| "error".into()),
        value: value.clone().unwrap_or_default(),
        frames: frames.iter().rev().map(frame_words).collect(),
    };
    match detail.filter(|detail| !detail.exceptions.is_empty()) {
        Some(detail) => detail.exceptions.iter().rev().map(|it| stack(&it.kind, &it.value, &it.frames)).collect(),
        None => it.exception.iter().map(|it| stack(&it.kind, &it.value, &it.frames)).collect(),
    }
}

fn frame_words(it: &StackFrame) -> (String, String, bool) {
    let name = it.function.clone().or_else(|| it.module.clone()).unwrap_or_else(|| "unknown".into());
    let place = it.file.clone().or_else(|| it.module.clone()).unwrap_or_default();
    let line = it.line.map(|line| format!(":{line}")).unwrap_or_default();
    (name, format!("{place}{line}"), it.in_app != Some(false))
}

#[derive(Template)]
#[template(path = "signatures/crashes.html")]
struct CrashesPage {
    frame: Frame,
    service: String,
    environment: String,
    timeline: String,
    said: String,
    rows: Vec<(String, CrashMark)>,
    more: i64,
    /// Whether they are counted by the hour, all cells together.
    by_hour: bool,
}

impl CrashesPage {
    fn more_said(&self) -> String {
        grouped(&self.more)
    }
}

/// Which crash reports are asked for.
#[derive(Deserialize)]
pub struct Stretch {
    from: String,
    to: String,
    cell: Option<String>,
    release: Option<String>,
    signature: Option<String>,
}

/// The crash reports behind a bar or a cell of a timeline.
pub async fn crashes(
    app: Data<App>,
    signed: SignedIn,
    place: Path<(String, String)>,
    wanted: Query<Stretch>,
) -> Result<HttpResponse, WebError> {
    let ((service, environment), wanted) = (place.into_inner(), wanted.into_inner());
    let instant = |text: &str| -> Result<Time, WebError> {
        crate::domain::time::parse_lenient(text)
            .ok_or_else(|| WebError::bad_request(format!("“{text}” is no time such as 2026-03-03T02:58:00Z.")))
    };
    let (from, to) = (instant(&wanted.from)?, instant(&wanted.to)?);
    let (name, at) = (service.clone(), environment.clone());
    let signature = wanted.signature.clone();
    let (mut found, mut counts) = blocking(&app, move |app| {
        app.store.read::<_, Error>(|read| {
            let counts = match &signature {
                Some(only) => read.crash_counts_of(&name, &at, only, from, to)?,
                // What is counted by the minute is asked for from its minute on, so that no stretch seems empty that is not.
                None => read.crash_counts(&name, &at, crate::domain::time::minute(from), to)?,
            };
            Ok((read.crash_examples(&name, &at, from, to)?, counts))
        })
    })
    .await?;
    let fits = |only: &Option<String>, value: Option<&str>| only.as_deref().is_none_or(|only| value == Some(only));
    counts.retain(|it| {
        it.at < to
            && (it.at >= from || it.received_at.is_none())
            && (it.cell.is_none() || fits(&wanted.cell, it.cell.as_deref()))
            && fits(&wanted.release, it.release.as_deref())
    });
    let by_hour = counts.iter().any(|it| it.cell.is_none());
    let all: i64 = counts.iter().map(|it| it.crashes).sum();
    found.retain(|it| {
        it.at < to
            && fits(&wanted.cell, Some(&it.cell))
            && fits(&wanted.release, it.release.as_deref())
            && fits(&wanted.signature, Some(&it.signature))
    });
    let frame = Frame::new(&app, &signed, "");
    let mut said = format!("{} to {} UTC", frame.when(from), frame.when(to));
    for only in [&wanted.cell, &wanted.release, &wanted.signature].into_iter().flatten() {
        said.push_str(&format!(", {only}"));
    }
    let more = (all - found.len().min(MOST_CRASHES) as i64).max(0);
    let link = |it: CrashMark| (format!("{}/{}", path(&service, &it.signature), part(&it.id)), it);
    let rows = found.into_iter().take(MOST_CRASHES).map(link).collect();
    let timeline = timeline_path(&service, &environment);
    render(&CrashesPage { frame, timeline, said, rows, more, by_hour, service, environment })
}

/// A count in groups of three digits.
fn grouped(count: &i64) -> String {
    crate::timeline::grouped(*count as f64)
}

/// For how long an instance had run before it crashed: seconds below two minutes, else as people say it.
fn ran_for(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { super::words::span((seconds / 60.0) as i64) }
}
