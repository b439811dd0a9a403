//! What guards the pushes of a service: the rules that it sets, and what is known of its releases beside each other.

use crate::{
    domain::{
        Time,
        access::Act,
        pair::{PairReport, PairVerdict},
        policy::{Day, Policy},
    },
    flows::{
        self, guard_push,
        guard_push::{Seen, Source},
        report_pair,
    },
    web::{App, Frame, Posted, SignedIn, WebError, blocking, flash, href::part, render, render_refused, see_other},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use askama::Template;
use serde_json::{Map, Value, json};

#[derive(Template)]
#[template(path = "services/guards.html")]
struct Page {
    frame: Frame,
    service: String,
    href: String,
    /// The rules in words, as they hold.
    rules: Vec<String>,
    policy: PolicyTyped,
    policy_refusals: Vec<String>,
    pairs: Vec<PairRow>,
    pair: PairTyped,
    pair_refusals: Vec<String>,
    may_report: bool,
}

/// The policy as somebody types it.
#[derive(Debug, Clone, Default)]
struct PolicyTyped {
    bake: String,
    largest: String,
    /// Each day's word, its name, and whether it is chosen.
    days: Vec<(&'static str, &'static str, bool)>,
    from: String,
    until: String,
    needs_pair_test: bool,
    rule_out: String,
    accept_unknown: bool,
}

/// A report as somebody types it.
#[derive(Debug, Clone, Default)]
struct PairTyped {
    release: String,
    peer_release: String,
    verdict: String,
    note: String,
    url: String,
}

/// One thing that is known of two releases.
struct PairRow {
    at: Time,
    release: String,
    peer_release: String,
    verdict: &'static str,
    bad: bool,
    regression: Option<(String, String)>,
    who: Option<String>,
    note: Option<String>,
    url: Option<String>,
}

impl From<Seen> for PairRow {
    fn from(it: Seen) -> PairRow {
        let (regression, who, note, url) = match it.source {
            Source::Regression(id) => (Some((format!("/regressions/{}", part(&id)), id)), None, None, None),
            Source::Report { actor, note, url } => (None, Some(actor), note, url),
        };
        PairRow {
            at: it.at,
            release: it.release,
            peer_release: it.peer_release,
            verdict: it.verdict.words(),
            bad: it.verdict >= PairVerdict::Harmful,
            regression,
            who,
            note,
            url,
        }
    }
}

fn name(day: Day) -> &'static str {
    match day {
        Day::Mon => "Monday",
        Day::Tue => "Tuesday",
        Day::Wed => "Wednesday",
        Day::Thu => "Thursday",
        Day::Fri => "Friday",
        Day::Sat => "Saturday",
        Day::Sun => "Sunday",
    }
}

fn figure(value: f64) -> String {
    format!("{}", (value * 100.0).round() / 100.0)
}

impl PolicyTyped {
    fn of(policy: &Policy) -> PolicyTyped {
        let hours = policy.hours.as_ref();
        PolicyTyped {
            bake: policy.bake_minutes.map(figure).unwrap_or_default(),
            largest: policy.largest_step.map(figure).unwrap_or_default(),
            days: days(|day| hours.is_some_and(|hours| hours.days.contains(&day))),
            from: hours.map(|hours| String::from(hours.from)).unwrap_or_default(),
            until: hours.map(|hours| String::from(hours.until)).unwrap_or_default(),
            needs_pair_test: policy.needs_pair_test,
            rule_out: figure(policy.rule_out),
            accept_unknown: policy.accept_unknown,
        }
    }

    fn posted(posted: &Posted) -> PolicyTyped {
        let text = |field: &str| posted.text(field).to_owned();
        let chosen = posted.all("day[]");
        PolicyTyped {
            bake: text("bake_minutes"),
            largest: text("largest_step"),
            days: days(|day| chosen.contains(&day.word())),
            from: text("from"),
            until: text("until"),
            needs_pair_test: !posted.text("needs_pair_test").is_empty(),
            rule_out: text("rule_out"),
            accept_unknown: !posted.text("accept_unknown").is_empty(),
        }
    }

    /// The policy that is meant, or what is wrong, in sentences.
    fn read(&self) -> Result<Policy, Vec<String>> {
        let mut wrong = Vec::new();
        let mut number = |name: &str, what: &str, text: &str| {
            if text.is_empty() {
                return None;
            }
            let read = text.replace(',', ".").parse::<f64>().ok().filter(|it| it.is_finite());
            if read.is_none() {
                wrong.push(format!("{what}: a number was expected, found “{text}”."));
            }
            read.map(|value| (name.to_owned(), json!(value)))
        };
        let mut fields: Map<String, Value> = [
            number("bake_minutes", "Bake time", &self.bake),
            number("largest_step", "Largest step", &self.largest),
            number("rule_out", "Harm to rule out", &self.rule_out),
        ]
        .into_iter()
        .flatten()
        .collect();
        let days: Vec<&str> = self.days.iter().filter(|day| day.2).map(|day| day.0).collect();
        if !days.is_empty() || !self.from.is_empty() || !self.until.is_empty() {
            if self.from.is_empty() || self.until.is_empty() || days.is_empty() {
                wrong.push(
                    "Hours: days, a beginning and an end belong together. Leave all three empty for any time.".into(),
                );
            } else {
                fields.insert("hours".into(), json!({ "days": days, "from": self.from, "until": self.until }));
            }
        }
        fields.insert("needs_pair_test".into(), self.needs_pair_test.into());
        fields.insert("accept_unknown".into(), self.accept_unknown.into());
        match Policy::parse(&Value::Object(fields).to_string()) {
            Ok(policy) if wrong.is_empty() => Ok(policy),
            Ok(_) => Err(wrong),
            Err(more) => {
                wrong.extend(more);
                Err(wrong)
            }
        }
    }
}

fn days(chosen: impl Fn(Day) -> bool) -> Vec<(&'static str, &'static str, bool)> {
    Day::ALL.into_iter().map(|day| (day.word(), name(day), chosen(day))).collect()
}

/// A page that was asked for, with what somebody typed where it was refused.
#[derive(Default)]
struct Refused {
    policy: Option<(PolicyTyped, Vec<String>)>,
    pair: Option<(PairTyped, Vec<String>)>,
}

async fn page(app: &Data<App>, signed: &SignedIn, name: String, refused: Refused) -> Result<Page, WebError> {
    let wanted = name.clone();
    let (policy, pairs) = blocking(app, move |app| {
        let service =
            app.store.read(|read| read.service(&wanted)?.ok_or_else(|| flows::Error::no("service", &wanted)))?;
        Ok((service.policy, report_pair::pairs(&app.store, &wanted)?))
    })
    .await?;
    let (typed, policy_refusals) = refused.policy.unwrap_or_else(|| (PolicyTyped::of(&policy), Vec::new()));
    let (pair, pair_refusals) = refused.pair.unwrap_or_default();
    Ok(Page {
        frame: Frame::new(app, signed, "/services"),
        href: format!("/services/{}", part(&name)),
        service: name,
        rules: policy.says(),
        policy: typed,
        policy_refusals,
        pairs: pairs.into_iter().map(PairRow::from).collect(),
        pair,
        pair_refusals,
        may_report: signed.person.role.may(Act::Record),
    })
}

/// The rules of a service and its pairs of releases.
pub async fn show(app: Data<App>, signed: SignedIn, name: Path<String>) -> Result<HttpResponse, WebError> {
    render(&page(&app, &signed, name.into_inner(), Refused::default()).await?)
}

/// Other rules.
pub async fn set_policy(app: Data<App>, posted: Posted, name: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let (name, typed) = (name.into_inner(), PolicyTyped::posted(&posted));
    let policy = match typed.read() {
        Ok(policy) => policy,
        Err(wrong) => {
            let refused = Refused { policy: Some((typed, wrong)), ..Refused::default() };
            return render_refused(&page(&app, &posted.signed, name, refused).await?);
        }
    };
    let (by, now, service) = (posted.signed.actor(), app.clock.now(), name.clone());
    blocking(&app, move |app| guard_push::set_policy(&app.store, &by, &service, &policy, now)).await?;
    let to = format!("/services/{}/guards", part(&name));
    Ok(flash(see_other(to), "These rules hold from the next question to the gate on."))
}

/// Another report on two releases.
pub async fn report(app: Data<App>, posted: Posted, name: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Record)?;
    let name = name.into_inner();
    let text = |field: &str| posted.text(field).to_owned();
    let typed = PairTyped {
        release: text("release"),
        peer_release: text("peer_release"),
        verdict: text("verdict"),
        note: text("note"),
        url: text("url"),
    };
    let now = app.clock.now();
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let wrong = match PairVerdict::parse(&typed.verdict) {
        None => vec!["Say what came of it: no harm seen, harmful or lethal.".to_owned()],
        Some(verdict) => {
            let it = PairReport {
                service: name.clone(),
                release: typed.release.clone(),
                peer_release: typed.peer_release.clone(),
                verdict,
                at: now,
                actor: posted.signed.person.email.clone(),
                note: some(&typed.note),
                url: some(&typed.url),
            };
            let by = posted.signed.actor();
            let kept = blocking(&app, move |app| match report_pair::report_pair(&app.store, &by, &it, now) {
                Ok(()) => Ok(Vec::new()),
                Err(flows::Error::Refused(reasons)) => Ok(reasons),
                Err(other) => Err(other),
            });
            kept.await?
        }
    };
    if !wrong.is_empty() {
        let refused = Refused { pair: Some((typed, wrong)), ..Refused::default() };
        return render_refused(&page(&app, &posted.signed, name, refused).await?);
    }
    let to = format!("/services/{}/guards#pairs", part(&name));
    Ok(flash(see_other(to), "The report is kept. The gate knows of it at once."))
}
