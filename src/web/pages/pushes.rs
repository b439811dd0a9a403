//! One push with everything that is known of it, and what people do on its page. The list is beside it.

mod banner;
mod facts;
mod list;
mod power;
mod prices;
mod recovery;
mod steps;
#[cfg(test)]
mod tests;

use super::{
    holds::{HoldLine, Refusal, refused},
    words,
};
use crate::{
    domain::{Time, access::Act, step::PushStep, time},
    flows::{self, change_push, guard_push, mind_risk},
    outbound::csv,
    store::{changes::Push, holds::Reply},
    web::{
        App, Frame, Posted, SignedIn, WebError, blocking, flash, frame::short, href::part, render, render_refused,
        see_other,
    },
};
use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path, Query},
};
use askama::Template;
use facts::Facts;
pub use list::{instant, list};
use serde::Deserialize;
use steps::Row;

/// Which moment the paths are priced at: the number of a continuation.
#[derive(Deserialize)]
pub struct Moment {
    before: Option<usize>,
}

#[derive(Template)]
#[template(path = "pushes/push.html")]
struct PushPage {
    frame: Frame,
    id: String,
    href: String,
    push: Push,
    timeline: String,
    about: String,
    stops: bool,
    banners: Vec<banner::Banner>,
    answer: Option<banner::Answer>,
    withdrawn: Vec<(String, String, String)>,
    team: Option<String>,
    plan: Option<String>,
    entry: Option<i64>,
    recorded: String,
    marked: Option<String>,
    features: Vec<(String, Option<(String, String)>)>,
    rows: Vec<Row>,
    raised: Option<String>,
    victims: String,
    power: Vec<power::Power>,
    prices: Option<prices::Prices>,
    over: Option<String>,
    recovery: Vec<recovery::Item>,
    risk: Option<String>,
    replies: Vec<ReplyLine>,
    may_reply: Vec<(String, String, bool)>,
    holds: Vec<HoldLine>,
    may_mark: bool,
    may_export: bool,
    refusal: Refusal,
}

struct ReplyLine {
    step: String,
    known: Option<&'static str>,
    who: String,
    written: String,
    paragraphs: Vec<String>,
}

impl PushPage {
    fn new(facts: Facts, frame: Frame, signed: &SignedIn, moment: Option<usize>, refusal: Refusal) -> PushPage {
        let started = &facts.push.started;
        let flag = |name: &String| (name.clone(), format!("/flags/{}/{}", part(&started.service), part(name)));
        let after_onset = |step: &&PushStep| facts.continuation(step).is_some();
        let replied = |step: &&PushStep| facts.replies.iter().any(|reply| reply.step_at == step.at);
        let own = |step: &&PushStep| step.actor.eq_ignore_ascii_case(&signed.person.email);
        let choice = |step: &PushStep| {
            let at = time::text(step.at);
            (at.clone(), step_words(step, &frame), refusal.of("reply") && refusal.push == at)
        };
        PushPage {
            id: started.push.clone(),
            href: format!("/pushes/{}", part(&started.push)),
            timeline: format!("/services/{}/{}", part(&started.service), part(&started.environment)),
            about: about(&facts.push, &frame),
            stops: banner::is_stop(&facts),
            banners: banner::banners(&facts, &frame),
            answer: banner::answer(&facts),
            withdrawn: facts
                .withdrawn
                .iter()
                .map(|it| {
                    let why = it.finding.withdrawn.as_ref().map(|it| it.why.clone()).unwrap_or_default();
                    (it.finding.id.clone(), format!("/regressions/{}", part(&it.finding.id)), why)
                })
                .collect(),
            team: facts.team.clone(),
            plan: plan(&facts.push),
            entry: facts.entry,
            recorded: frame.when(started.received_at),
            marked: facts.push.bad.as_ref().map(|bad| frame.when(bad.at)),
            features: started.features.iter().map(|it| (it.name.clone(), it.flag.as_ref().map(flag))).collect(),
            rows: steps::rows(&facts, &frame),
            raised: raised(&facts),
            victims: facts.first().map(|it| words::whose(&it.finding)).unwrap_or_default(),
            power: power::powers(&facts, &frame),
            prices: prices::prices(&facts, moment, &frame),
            over: guard_push::override_in(&started.extra).map(str::to_owned),
            recovery: recovery::items(&facts, &frame),
            risk: facts.first().map(|it| format!("/regressions/{}/risk", part(&it.finding.id))),
            replies: facts.replies.iter().map(|reply| reply_line(&facts, reply, &frame)).collect(),
            may_reply: facts
                .steps
                .iter()
                .filter(own)
                .filter(after_onset)
                .filter(|it| !replied(it))
                .map(choice)
                .collect(),
            holds: facts.holds.iter().rev().map(|hold| HoldLine::new(hold, &frame, &signed.person)).collect(),
            may_mark: signed.person.role.may(Act::Record) && facts.push.bad.is_none(),
            may_export: signed.person.role.may(Act::Export),
            refusal,
            push: facts.push,
            frame,
        }
    }
}

/// One push. Whoever opens it has seen what it is blamed for.
pub async fn show(
    app: Data<App>,
    signed: SignedIn,
    push: Path<String>,
    query: Query<Moment>,
) -> Result<HttpResponse, WebError> {
    page(&app, &signed, &push, query.before, Refusal::default()).await
}

/// The page of a push, with what was refused on it.
pub async fn page(
    app: &Data<App>,
    signed: &SignedIn,
    push: &str,
    moment: Option<usize>,
    refusal: Refusal,
) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(app, signed, "/pushes").with_data(format!("/api/v1/pushes/{}", part(push)));
    let (push, signed, refusing) = (push.to_owned(), signed.clone(), !refusal.reasons.is_empty());
    let page = blocking(app, move |app| {
        let facts = Facts::load(&app.store, &push, frame.now)?.asked_of(&app.judging.read(), frame.now);
        let seen: Vec<String> = facts.blamed.iter().map(|it| it.finding.id.clone()).collect();
        mind_risk::see(&app.store, &signed.person.email, &seen, frame.now)?;
        Ok(PushPage::new(facts, frame, &signed, moment, refusal))
    })
    .await?;
    if refusing { render_refused(&page) } else { render(&page) }
}

/// The steps of a push for a spreadsheet.
pub async fn steps_as_csv(app: Data<App>, signed: SignedIn, push: Path<String>) -> Result<HttpResponse, WebError> {
    signed.must(Act::Export)?;
    let (push, now) = (push.into_inner(), app.clock.now());
    let name = push.clone();
    let table = blocking(&app, move |app| {
        let facts = Facts::load(&app.store, &push, now)?.asked_of(&app.judging.read(), now);
        csv::table(&steps::HEADING, &steps::csv(&facts))
            .map_err(|error| flows::Error::Store(crate::store::StoreError::Other(error.to_string())))
    })
    .await?;
    let file: String =
        name.chars().map(|it| if it.is_ascii_alphanumeric() || "-_.".contains(it) { it } else { '_' }).collect();
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}-steps.csv\"")))
        .body(table))
}

/// Marks the release of a push as bad.
pub async fn mark_bad(app: Data<App>, push: Path<String>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Record)?;
    let (by, person, now) = (posted.signed.actor(), posted.signed.person.email.clone(), app.clock.now());
    let (push, typed) = (push.into_inner(), posted.text("reason").to_owned());
    let (on, why) = (push.clone(), typed.clone());
    let marked =
        blocking(&app, move |app| refused(change_push::mark_bad(&app.store, &by, &person, &on, &why, now))).await?;
    match marked {
        Ok(()) => Ok(flash(see_other(format!("/pushes/{}", part(&push))), "The release is marked as bad.")),
        Err(reasons) => {
            let refusal = Refusal { form: "bad".into(), push: push.clone(), typed, reasons };
            page(&app, &posted.signed, &push, None, refusal).await
        }
    }
}

/// Puts the reader's own words beside a step that they took.
pub async fn reply(app: Data<App>, push: Path<String>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Read)?;
    let (by, person, now) = (posted.signed.actor(), posted.signed.person.email.clone(), app.clock.now());
    let (push, step, typed) = (push.into_inner(), posted.text("step").to_owned(), posted.text("words").to_owned());
    let at = time::parse(&step).ok_or_else(|| WebError::bad_request("Choose the step that the words are about."))?;
    let (on, words) = (push.clone(), typed.clone());
    let kept =
        blocking(&app, move |app| refused(change_push::reply(&app.store, &by, &person, &on, at, &words, now))).await?;
    match kept {
        Ok(()) => Ok(flash(see_other(format!("/pushes/{}#replies", part(&push))), "Your words stand beside the step.")),
        Err(reasons) => {
            let refusal = Refusal { form: "reply".into(), push: step, typed, reasons };
            page(&app, &posted.signed, &push, None, refusal).await
        }
    }
}

/// Where a push began and stands, in one line.
fn about(push: &Push, frame: &Frame) -> String {
    let since = push.standing.since.map(|since| format!(" since {}", frame.when(since)));
    let begun = format!("begun {} on {}", frame.hm(push.started.at), frame.day(push.started.at));
    let (state, percent) = (push.standing.state, push.standing.percent);
    if state.is_open() {
        let paused = if state == crate::domain::push::PushState::Paused { ", paused" } else { "" };
        match since {
            Some(since) => format!("{begun}, at {percent} %{since}{paused}. Not closed."),
            None => format!("{begun}. Nothing is exposed yet."),
        }
    } else {
        format!("{begun}, {}{}, at {percent} %.", state.says(), since.unwrap_or_default().replace(" since ", " "))
    }
}

/// The plan in one line: the stages, and how long each is to run.
fn plan(push: &Push) -> Option<String> {
    let plan = &push.started.plan;
    if plan.is_empty() {
        return None;
    }
    let stages: Vec<String> = plan.iter().map(|stage| stage.percent.to_string()).collect();
    let soaks: Vec<f64> = plan.iter().filter_map(|stage| stage.soak_minutes).collect();
    let bake = match soaks.first() {
        Some(first) if soaks.len() == plan.len() && soaks.iter().all(|it| it == first) => {
            format!(", {first} minutes of bake time each")
        }
        Some(_) => ", with bake times".to_owned(),
        None => String::new(),
    };
    Some(format!("{} %{bake}", stages.join(", ")))
}

/// How many of the steps raised the share after the onset.
fn raised(facts: &Facts) -> Option<String> {
    let count = facts.steps.iter().filter(|step| facts.continuation(step).is_some()).count();
    let release = &facts.push.started.release;
    (count > 0).then(|| format!("{count} of {} raised {release}’s share after the onset.", facts.steps.len()))
}

fn step_words(step: &PushStep, frame: &Frame) -> String {
    let to = step.percent.map_or(step.action.says().to_owned(), |percent| format!("to {percent} %"));
    format!("{to}, {}", frame.when(step.at))
}

fn reply_line(facts: &Facts, reply: &Reply, frame: &Frame) -> ReplyLine {
    let step = facts.steps.iter().find(|step| step.at == reply.step_at);
    let known = step.and_then(|step| facts.continuation(step)).map(|it| it.finding.known.word());
    let written: Time = reply.at;
    ReplyLine {
        step: step.map_or_else(|| frame.when(reply.step_at), |step| step_words(step, frame)),
        known,
        who: short(&reply.person).to_owned(),
        written: format!("{} {}", frame.day(written), frame.hm(written)),
        paragraphs: reply
            .words
            .replace("\r\n", "\n")
            .split("\n\n")
            .map(|it| it.trim().to_owned())
            .filter(|it| !it.is_empty())
            .collect(),
    }
}
