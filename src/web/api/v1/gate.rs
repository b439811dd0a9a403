//! The gate: may this push go on? One verdict, two styles of answer: always 200 with the verdict in the JSON, or a status
//! that a script can stop on.

use super::{caller::Reader, pushes::link};
use crate::{
    domain::{
        access::Scope,
        finding::{Decision, GateAnswer, SuspectKind},
        push::PushState,
        time,
    },
    flows::{
        Error,
        ask_gate::{ask_gate, look_at_gate},
    },
    judge::Guard,
    store::{
        changes::{Push, PushFilter},
        findings::StoredRegression,
    },
    web::{App, WebError, blocking},
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// How the answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Style {
    /// 200 whatever the verdict.
    Json,
    /// 200 for go, 409 for hold and stop, so that `curl -fsS` alone is a gate.
    Exit,
}

/// Which style.
#[derive(Debug, Deserialize)]
pub struct Told {
    style: Option<Style>,
    percent: Option<f64>,
}

/// Which push, by its id or by what it brings where.
#[derive(Debug, Deserialize)]
pub struct Asked {
    push: Option<String>,
    service: Option<String>,
    release: Option<String>,
    environment: Option<String>,
    style: Option<Style>,
    percent: Option<f64>,
}

/// How long a push that was recorded a moment ago may wait for the judge to have read it.
const READ_WITHIN: Duration = Duration::from_secs(3);

/// Asks for a push by its id.
pub async fn of_push(
    app: Data<App>,
    reader: Reader,
    path: Path<String>,
    told: Query<Told>,
) -> Result<HttpResponse, WebError> {
    answer(&app, reader, path.into_inner(), told.percent, told.style).await
}

/// Asks for a push by its id, or for the open push of a service.
pub async fn by_name(app: Data<App>, reader: Reader, asked: Query<Asked>) -> Result<HttpResponse, WebError> {
    let Asked { push, service, release, environment, style, percent } = asked.into_inner();
    let push = match (push, service) {
        (Some(push), _) => push,
        (None, Some(service)) => blocking(&app, move |app| find(app, service, release.as_deref(), environment)).await?,
        (None, None) => {
            return Err(WebError::bad_request(
                "Name a push, or a service: ?push=ID, or ?service=NAME&release=RELEASE.",
            ));
        }
    };
    answer(&app, reader, push, percent, style).await
}

/// The one push that is meant: the open one of the service; with a release, the latest that brings it.
fn find(app: &App, service: String, release: Option<&str>, environment: Option<String>) -> Result<String, Error> {
    let filter = PushFilter {
        service: Some(service.clone()),
        environment,
        open: release.is_none(),
        limit: 1000,
        ..PushFilter::default()
    };
    let pushes = app.store.read::<_, Error>(|read| Ok(read.pushes(&filter)?))?;
    let meant: Vec<&Push> =
        pushes.iter().filter(|it| release.is_none_or(|release| it.started.release == release)).collect();
    match (meant.as_slice(), release) {
        ([], None) => Err(Error::NotFound(format!("No push of “{service}” is open. Record its beginning first."))),
        ([], Some(release)) => Err(Error::NotFound(format!(
            "There is no push that brings “{release}” to “{service}”. Record its beginning first."
        ))),
        ([only], _) => Ok(only.started.push.clone()),
        ([latest, ..], Some(_)) => Ok(latest.started.push.clone()),
        (several, None) => {
            let names: Vec<&str> = several.iter().map(|it| it.started.push.as_str()).collect();
            Err(Error::Changed(format!(
                "{} pushes of “{service}” are open: {}. Say which one with ?push=.",
                names.len(),
                names.join(", ")
            )))
        }
    }
}

async fn answer(
    app: &Data<App>,
    reader: Reader,
    push: String,
    percent: Option<f64>,
    style: Option<Style>,
) -> Result<HttpResponse, WebError> {
    if percent.is_some_and(|it| !(0.0..=100.0).contains(&it)) {
        return Err(WebError::bad_request("percent: the share that the push asks for was expected, 0 to 100."));
    }
    if let Reader::Program(bearer) = &reader {
        bearer.must(Scope::Push)?;
    } else {
        reader.must_read()?;
    }
    wait_until_read(app, &push).await;
    let now = app.clock.now();
    let (answer, because) = blocking(app, move |app| {
        let judge = app.judging.read();
        let answer = match &reader {
            Reader::Program(bearer) => {
                ask_gate(&app.store, &judge, &bearer.actor(), &bearer.token.name, &push, percent, now)?
            }
            // A link that somebody followed is a look, not a question on the record.
            Reader::Person(_) => look_at_gate(&app.store, &judge, &push, percent, now)?.1,
        };
        drop(judge);
        let because = because(app, &answer)?;
        Ok((answer, because))
    })
    .await?;
    let status = match (style, answer.decision) {
        (Some(Style::Exit), Decision::Hold | Decision::Stop) => StatusCode::CONFLICT,
        (Some(Style::Exit), Decision::Go) | (Some(Style::Json) | None, _) => StatusCode::OK,
    };
    Ok(HttpResponse::build(status).json(json!({
        "push": answer.push,
        "at": time::text(answer.at),
        "decision": answer.decision,
        "reasons": answer.reasons,
        "because": because,
        "page": link(app, &answer.push),
    })))
}

/// A push that was recorded a moment ago is read by the judge within milliseconds; asked before, the gate could only say "not yet".
async fn wait_until_read(app: &Data<App>, push: &str) {
    let pause = Duration::from_millis(40);
    let until = tokio::time::Instant::now() + READ_WITHIN;
    let known = |app: &App| app.judging.read().gate(push, app.clock.now(), &Guard::default()).is_some();
    if known(app) {
        return;
    }
    let id = push.to_owned();
    let recorded = blocking(app, move |app| {
        let begun = app.store.read::<_, Error>(|read| Ok(read.push(&id)?))?;
        Ok(begun.is_some_and(|it| it.standing.state != PushState::Done))
    });
    if !matches!(recorded.await, Ok(true)) {
        return;
    }
    while !known(app) && tokio::time::Instant::now() < until {
        app.judging.wake();
        tokio::time::sleep(pause).await;
    }
}

/// The reasons in sentences: what an id stands for, and where to look.
fn because(app: &App, answer: &GateAnswer) -> Result<Vec<String>, Error> {
    app.store.read::<_, Error>(|read| {
        let mut all = Vec::with_capacity(answer.reasons.len());
        for reason in &answer.reasons {
            all.push(match read.regression(reason)? {
                Some(it) => sentence(app, &it),
                None => reason.clone(),
            });
        }
        Ok(all)
    })
}

fn sentence(app: &App, it: &StoredRegression) -> String {
    let finding = &it.finding;
    let mut who = vec![finding.service.as_str()];
    who.extend(finding.victims.iter().map(|victim| victim.release.as_str()));
    let times = finding.rate_ratio.estimate;
    let times = if times < 3.0 { format!("{times:.1}") } else { format!("{times:.0}") };
    let blamed = finding.blamed().map_or_else(String::new, |suspect| {
        let kind = match suspect.kind {
            SuspectKind::Push => "Push",
            SuspectKind::FlagChange => "Flag change",
        };
        // Nothing is certain, so no rounding may say so.
        let percent = (suspect.probability * 100.0).round().min(99.0);
        format!(" {kind} {} is blamed with {percent} %: {}.", suspect.id, suspect.why.trim_end_matches('.'))
    });
    format!(
        "{id}: {who} crashes about {times} times as often as it should, since {onset} UTC.{blamed} {base}/regressions/{id}",
        id = finding.id,
        who = who.join(" "),
        onset = finding.onset.at.format("%Y-%m-%d %H:%M"),
        base = app.base_url,
    )
}
