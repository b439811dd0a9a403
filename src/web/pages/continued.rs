//! Who continued: every step that raised exposure after a regression's onset. Evidence first, the name last; sorted by time
//! and by nothing else, and never without all the steps among which they are counted.

use crate::{
    domain::{
        Time,
        access::Act,
        finding::{Estimate, Known, Regression},
        time,
    },
    flows::{self, Error},
    outbound::csv,
    store::{
        Read, StoreError,
        findings::{ContinuationFilter, StoredContinuation},
        holds::Reply,
        people::Person,
    },
    timeline::{self, grouped, two_digits},
    web::{App, Frame, SignedIn, WebError, blocking, extract::encode, frame::short, href, render},
};
use actix_web::{
    HttpResponse,
    web::{Data, Query},
};
use askama::Template;
use serde::Deserialize;
use std::collections::HashMap;

/// What is asked for. Everything left out means all.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    period: String,
    #[serde(default)]
    known: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    team: String,
}

struct Choice {
    href: String,
    says: String,
    here: bool,
}

struct Filter {
    name: &'static str,
    choices: Vec<Choice>,
}

struct Level {
    known: Known,
    count: usize,
}

/// One continuation in words.
struct Row {
    when: String,
    iso: String,
    step: String,
    step_href: String,
    share: String,
    regression: String,
    regression_href: String,
    evidence: String,
    as_known_href: String,
    known: Known,
    interval: String,
    excess: String,
    range: String,
    counted: String,
    clients: String,
    reason: Option<String>,
    reply: Option<String>,
    automatic: bool,
    actor_href: String,
    actor_short: String,
    is_program: bool,
}

#[derive(Template)]
#[template(path = "continued/continued.html")]
struct Page {
    frame: Frame,
    filters: Vec<Filter>,
    count: String,
    among: String,
    rest: String,
    levels: Vec<Level>,
    rows: Vec<Row>,
    most: String,
    csv_href: String,
    json_href: String,
    any: bool,
}

/// What was read for one continuation.
struct Found {
    it: StoredContinuation,
    regression: Option<Regression>,
    reason: Option<String>,
    reply: Option<Reply>,
    automatic: bool,
    flag: Option<(String, String)>,
}

struct Loaded {
    found: Vec<Found>,
    /// All steps and changes in the period, and how many actors took them.
    steps: (usize, usize, usize),
    services: Vec<String>,
    people: Vec<Person>,
    /// Everybody who took a step in the period, in order of their names.
    names: Vec<String>,
}

/// Actors that the filter names; further ones are found through their pages.
const MOST_NAMES: usize = 12;

/// Whether a program acted: people have addresses.
fn is_program(actor: &str) -> bool {
    !actor.contains('@')
}

impl Asked {
    /// The span that is meant: from, until, and how it is called.
    fn span(&self, now: Time) -> (Option<Time>, String) {
        let days = |days: i64| Some(now - time::minutes(days * 24 * 60));
        match self.period.as_str() {
            "7d" => (days(7), "in the last 7 days".into()),
            "quarter" => (days(91), "in the last 91 days".into()),
            "any" => (None, "since the record began".into()),
            _ => (days(31), "in the last 31 days".into()),
        }
    }

    fn actors(&self, people: &[Person]) -> Option<Vec<String>> {
        (!self.team.is_empty()).then(|| {
            people
                .iter()
                .filter(|person| person.team.as_deref() == Some(&self.team))
                .map(|it| it.email.clone())
                .collect()
        })
    }

    /// Whether somebody's step counts for what is asked.
    fn wants(&self, actor: &str, team: &Option<Vec<String>>) -> bool {
        let kind = match self.actor.as_str() {
            "people" => !is_program(actor),
            "programs" => is_program(actor),
            "" => true,
            one => actor == one,
        };
        kind && team.as_ref().is_none_or(|team| team.iter().any(|email| email == actor))
    }

    /// The same question with one answer changed, as a query.
    fn with(&self, name: &str, value: &str) -> String {
        let mut parts = Vec::new();
        for (field, is) in [
            ("period", &self.period),
            ("known", &self.known),
            ("service", &self.service),
            ("team", &self.team),
            ("actor", &self.actor),
        ] {
            let is = if field == name { value } else { is };
            if !is.is_empty() {
                parts.push(format!("{field}={}", encode(is).replace('/', "%2F")));
            }
        }
        if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
    }
}

fn load(read: &mut Read<'_>, asked: &Asked, now: Time) -> Result<Loaded, Error> {
    let people = read.people()?;
    let services: Vec<String> = read.services()?.into_iter().map(|service| service.service).collect();
    let (from, _) = asked.span(now);
    let team = asked.actors(&people);
    let filter = ContinuationFilter {
        from,
        service: Some(asked.service.clone()).filter(|service| !service.is_empty()),
        known: Known::parse(&asked.known),
        ..ContinuationFilter::default()
    };
    let all = read.continuations(&filter)?;
    let mut found = Vec::new();
    let mut replies: HashMap<String, Vec<Reply>> = HashMap::new();
    for it in all.into_iter().filter(|it| asked.wants(&it.finding.actor, &team)) {
        found.push(one(read, it, &mut replies)?);
    }
    let from = from.unwrap_or(time::from_micros(0));
    let actors = read.changes_by_actor(filter.service.as_deref(), from, now)?;
    let names = actors.iter().map(|it| it.0.clone()).collect();
    let wanted: Vec<&(String, i64)> = actors.iter().filter(|it| asked.wants(&it.0, &team)).collect();
    let steps = wanted.iter().map(|it| it.1).sum::<i64>() as usize;
    let programs = wanted.iter().filter(|it| is_program(&it.0)).count();
    let people_of = wanted.len() - programs;
    Ok(Loaded { found, steps: (steps, people_of, programs), services, people, names })
}

fn one(
    read: &mut Read<'_>,
    it: StoredContinuation,
    replies: &mut HashMap<String, Vec<Reply>>,
) -> Result<Found, StoreError> {
    let regression = read.regression(&it.finding.regression)?.map(|stored| stored.finding);
    let at = it.finding.step_at;
    let mut found = Found { regression, reason: None, reply: None, automatic: false, flag: None, it };
    if let Some(push) = &found.it.finding.push {
        if let Some(step) = read.steps(push)?.into_iter().find(|step| step.at == at) {
            (found.reason, found.automatic) = (step.reason, step.automatic);
        }
        if !replies.contains_key(push) {
            replies.insert(push.clone(), read.replies(push)?);
        }
        found.reply = replies[push].iter().find(|reply| reply.step_at == at).cloned();
    } else if let Some(change) = &found.it.finding.change
        && let Some(change) = read.flag_change(change)?
    {
        found.flag = Some((change.service, change.flag));
        found.reason = change.reason;
    }
    Ok(found)
}

async fn loaded(app: &Data<App>, asked: &Asked) -> Result<Loaded, WebError> {
    let (asked, now) = (asked.clone(), app.clock.now());
    blocking(app, move |app| app.store.read::<_, flows::Error>(|read| load(read, &asked, now))).await
}

/// The page.
pub async fn continued(app: Data<App>, signed: SignedIn, query: Query<Asked>) -> Result<HttpResponse, WebError> {
    let asked = query.into_inner();
    let frame = Frame::new(&app, &signed, "/continued").with_data(format!("/continued.json{}", asked.with("", "")));
    let loaded = loaded(&app, &asked).await?;
    let most = loaded.found.iter().map(|found| found.it.finding.excess_crashes.high).fold(1.0, f64::max);
    let (steps, people, programs) = loaded.steps;
    let count = loaded.found.len();
    let (_, period) = asked.span(frame.now);
    let level =
        |known| Level { known, count: loaded.found.iter().filter(|found| found.it.finding.known == known).count() };
    render(&Page {
        filters: filters(&asked, &loaded),
        count: format!(
            "{} among {}",
            many(count, "continuation"),
            many(steps, "step").replace("steps", "steps and flag changes")
        ),
        among: format!("by {} and {}, {period}", many_people(people), many(programs, "program")),
        rest: match steps.saturating_sub(count) {
            0 => String::new(),
            rest => format!("{} came before any onset or touched no blamed change.", many(rest, "step")),
        },
        levels: Known::ALL.into_iter().map(level).collect(),
        rows: loaded.found.iter().map(|found| row(found, &frame, most)).collect(),
        most: two_digits(most),
        csv_href: format!("/continued.csv{}", asked.with("", "")),
        json_href: format!("/continued.json{}", asked.with("", "")),
        any: steps > 0,
        frame,
    })
}

fn many(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(count as f64)) }
}

fn many_people(count: usize) -> String {
    if count == 1 { "1 person".into() } else { format!("{} people", grouped(count as f64)) }
}

fn filters(asked: &Asked, loaded: &Loaded) -> Vec<Filter> {
    let choice = |name: &str, value: &str, says: &str, is: &str| Choice {
        href: format!("/continued{}", asked.with(name, value)),
        says: says.to_owned(),
        here: is == value,
    };
    let period = [("7d", "7 days"), ("", "31 days"), ("quarter", "quarter"), ("any", "any")];
    let mut known = vec![choice("known", "", "all", &asked.known)];
    known.extend(Known::ALL.iter().map(|it| choice("known", it.word(), it.word(), &asked.known)));
    let mut service = vec![choice("service", "", "all", &asked.service)];
    service.extend(loaded.services.iter().map(|it| choice("service", it, it, &asked.service)));
    let mut teams: Vec<&str> = loaded.people.iter().filter_map(|person| person.team.as_deref()).collect();
    teams.sort_unstable();
    teams.dedup();
    let mut team = vec![choice("team", "", "all", &asked.team)];
    team.extend(teams.into_iter().map(|it| choice("team", it, it, &asked.team)));
    let kinds = [("", "people and programs"), ("people", "people"), ("programs", "programs")];
    let mut actor: Vec<Choice> = kinds.iter().map(|(value, says)| choice("actor", value, says, &asked.actor)).collect();
    // Everybody who took a step, not only who continued: a row of names is a filter, not a list of the accused.
    let mut names: Vec<&str> = loaded.names.iter().map(String::as_str).take(MOST_NAMES).collect();
    if !names.contains(&asked.actor.as_str()) && !kinds.iter().any(|(value, _)| *value == asked.actor) {
        names.push(&asked.actor);
    }
    actor.extend(names.into_iter().map(|it| choice("actor", it, short(it), &asked.actor)));
    vec![
        Filter {
            name: "Period",
            choices: period.iter().map(|(value, says)| choice("period", value, says, &asked.period)).collect(),
        },
        Filter { name: "Known", choices: known },
        Filter { name: "Service", choices: service },
        Filter { name: "Team", choices: team },
        Filter { name: "Actor", choices: actor },
    ]
}

fn evidence(found: &Found) -> String {
    let Some(it) = &found.regression else { return String::new() };
    let at = found.it.finding.step_at;
    let victims: Vec<&str> = it.victims.iter().map(|victim| victim.release.as_str()).collect();
    let harm = match victims.is_empty() {
        true => it.kind.word().to_owned(),
        false => format!("{}, {} crashes", it.kind.word(), victims.join(" and ")),
    };
    if at < it.detected_at {
        let minutes = (it.detected_at - at).num_minutes();
        return format!("{harm}; on the page {minutes} min later");
    }
    let minutes = (at - it.detected_at).num_minutes();
    let withdrawn = if it.withdrawn.is_some() { "; withdrawn since" } else { "" };
    format!("{harm}; on the page for {minutes} min{withdrawn}")
}

fn row(found: &Found, frame: &Frame, most: f64) -> Row {
    let it = &found.it.finding;
    let (step, step_href) = match (&it.push, &found.flag, &it.change) {
        (Some(push), ..) => (push.clone(), href::push(push)),
        (None, Some((service, flag)), _) => (format!("flag {flag}"), href::flag(service, flag)),
        (None, None, change) => (change.clone().unwrap_or_default(), "/flags".to_owned()),
    };
    let Estimate { estimate, low, high } = it.excess_crashes;
    Row {
        when: frame.when(it.step_at),
        iso: frame.iso(it.step_at),
        step,
        step_href,
        share: it.percent.map_or_else(|| it.action.replace('_', " "), |percent| format!("to {percent} %")),
        regression: it.regression.clone(),
        regression_href: href::regression(&it.regression),
        evidence: evidence(found),
        as_known_href: href::known_at(&found.it.service, &found.it.environment, it.step_at),
        known: it.known,
        interval: timeline::interval(estimate, low, high, most),
        excess: two_digits(estimate),
        range: format!("{} to {}", two_digits(low), two_digits(high)),
        counted: grouped(found.it.counted as f64),
        clients: if it.clients_dropped.high > 0.0 { two_digits(it.clients_dropped.estimate) } else { "–".to_owned() },
        reason: found.reason.clone(),
        reply: found.reply.as_ref().map(|reply| reply.words.clone()),
        automatic: found.automatic,
        actor_short: short(&it.actor).to_owned(),
        is_program: is_program(&it.actor),
        actor_href: href::person(&it.actor),
    }
}

/// The same as a table for spreadsheets.
pub async fn as_csv(app: Data<App>, signed: SignedIn, query: Query<Asked>) -> Result<HttpResponse, WebError> {
    signed.must(Act::Export)?;
    let loaded = loaded(&app, &query).await?;
    let heading = [
        "step_at",
        "push",
        "flag_change",
        "action",
        "percent",
        "service",
        "environment",
        "regression",
        "kind",
        "known",
        "excess_crashes",
        "excess_low",
        "excess_high",
        "counted",
        "clients_dropped",
        "clients_low",
        "clients_high",
        "automatic",
        "reason",
        "reply",
        "actor",
    ];
    let rows: Vec<Vec<String>> = loaded.found.iter().map(cells).collect();
    let body = csv::table(&heading, &rows)
        .map_err(|error| WebError::from(Error::Store(StoreError::Other(error.to_string()))))?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("content-disposition", "attachment; filename=\"continued.csv\""))
        .body(body))
}

fn cells(found: &Found) -> Vec<String> {
    let it = &found.it.finding;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        time::text(it.step_at),
        text(&it.push),
        text(&it.change),
        it.action.clone(),
        it.percent.map(|percent| percent.to_string()).unwrap_or_default(),
        found.it.service.clone(),
        found.it.environment.clone(),
        it.regression.clone(),
        found.regression.as_ref().map(|it| it.kind.word().to_owned()).unwrap_or_default(),
        it.known.word().to_owned(),
        it.excess_crashes.estimate.to_string(),
        it.excess_crashes.low.to_string(),
        it.excess_crashes.high.to_string(),
        found.it.counted.to_string(),
        it.clients_dropped.estimate.to_string(),
        it.clients_dropped.low.to_string(),
        it.clients_dropped.high.to_string(),
        found.automatic.to_string(),
        text(&found.reason),
        found.reply.as_ref().map(|reply| reply.words.clone()).unwrap_or_default(),
        it.actor.clone(),
    ]
}

/// The same for programs.
pub async fn as_json(app: Data<App>, signed: SignedIn, query: Query<Asked>) -> Result<HttpResponse, WebError> {
    signed.must(Act::Export)?;
    let loaded = loaded(&app, &query).await?;
    let (steps, people, programs) = loaded.steps;
    let rows: Vec<serde_json::Value> = loaded
        .found
        .iter()
        .map(|found| {
            let mut row = serde_json::json!(found.it.finding);
            row["service"] = found.it.service.clone().into();
            row["environment"] = found.it.environment.clone().into();
            row["counted"] = found.it.counted.into();
            row["automatic"] = found.automatic.into();
            row["reason"] = found.reason.clone().into();
            row["reply"] = found.reply.as_ref().map(|reply| reply.words.clone()).into();
            row
        })
        .collect();
    let among = serde_json::json!({ "steps": steps, "people": people, "programs": programs });
    Ok(HttpResponse::Ok().json(serde_json::json!({ "among": among, "continuations": rows })))
}
