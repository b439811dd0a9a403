//! One regression: everything that is said of it, what was said when, and the evidence opened. Nothing is judged here.

use super::regressions::estimate;
use crate::{
    domain::{Time, finding::Ending, sentence::kind_means, time},
    flows::{self, mind_risk},
    judge::{CellEvidence, Evidence, Fit, TEMPER},
    store::{
        Read,
        findings::{Saying, StoredContinuation, StoredRegression},
        incidents::Incident,
        telemetry::CrashMark,
    },
    timeline::{grouped, two_digits},
    web::{
        App, Frame, SignedIn, WebError, blocking,
        href::part,
        pages::timeline::told::{Told, chance},
        render,
    },
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use askama::Template;
use serde_json::json;

#[derive(Template)]
#[template(path = "regressions/show.html")]
struct Page {
    frame: Frame,
    told: Told,
    say: String,
    kind_means: &'static str,
    timeline: String,
    json_href: String,
    is_stop: bool,
    open_risk: bool,
    times: Vec<(&'static str, String, String)>,
    excess: String,
    clients: String,
    ratio: String,
    counted: Option<u64>,
    ending: String,
    ended: String,
    none: (String, f64),
    continuations: Vec<Step>,
    sayings: Vec<SaidThen>,
    said_count: usize,
    opened: Option<Opened>,
    signatures: Vec<(String, String)>,
    example: Option<(String, String)>,
    incidents: Vec<(String, String)>,
}

/// A step that went on.
struct Step {
    at: Time,
    href: String,
    what: String,
    actor: String,
    known: &'static str,
    means: &'static str,
    excess: String,
    counted: i64,
    clients: String,
}

/// What was said at one time, and what about it was new.
struct SaidThen {
    at: Time,
    href: String,
    onset: String,
    suspect: String,
    excess: String,
    new: String,
}

/// The evidence in words and rows.
struct Opened {
    at: Time,
    words: Vec<String>,
    cells: Vec<CellEvidence>,
    fits: Vec<FitRow>,
    basis: String,
}

/// An explanation that was weighed.
struct FitRow {
    what: String,
    kind: &'static str,
    shape: String,
    ln_likelihood: String,
    prior: String,
    probability: String,
    size: String,
}

/// Everything about a regression, as it is read at once.
struct Whole {
    told: Told,
    stored: StoredRegression,
    continuations: Vec<StoredContinuation>,
    sayings: Vec<(Time, Saying)>,
    first_exposure: Option<Time>,
    first_report: Option<CrashMark>,
    example: Option<CrashMark>,
    incidents: Vec<Incident>,
}

fn whole(read: &mut Read<'_>, id: &str) -> Result<Whole, flows::Error> {
    let stored = read.regression(id)?.ok_or_else(|| flows::Error::no("regression", id))?;
    let continuations = read.continuations_of(id)?;
    let found = continuations.iter().map(|it| it.finding.clone()).collect();
    let told = Told::load(read, stored.clone(), found, None)?.ok_or_else(|| flows::Error::no("regression", id))?;
    let it = &told.regression;
    let end = it.ended_at.unwrap_or(stored.said_at);
    let reports = read.crash_examples(&it.service, &it.environment, it.onset.earliest, end)?;
    let ours = |crash: &&CrashMark| it.carries(crash.release.as_deref(), &crash.signature);
    let first_report = reports.iter().filter(ours).min_by_key(|crash| crash.received_at).cloned();
    let example = reports.iter().filter(ours).rfind(|crash| crash.is_whole).cloned();
    let first_exposure = match told.suspects.first().filter(|it| told.blamed.is_some() && it.kind == "push") {
        Some(push) => read.steps(&push.name)?.first().map(|step| step.at),
        None => None,
    };
    let (sayings, incidents) = (read.sayings(id)?, read.incidents_of(id)?);
    Ok(Whole { told, stored, continuations, sayings, first_exposure, first_report, example, incidents })
}

/// One regression.
pub async fn show(app: Data<App>, signed: SignedIn, id: Path<String>) -> Result<HttpResponse, WebError> {
    let (id, now, person) = (id.into_inner(), app.clock.now(), signed.person.email.clone());
    let whole = blocking(&app, move |app| {
        let whole = app.store.read(|read| whole(read, &id))?;
        if whole.told.is_open() {
            mind_risk::see(&app.store, &person, &[id], now)?;
        }
        Ok(whole)
    })
    .await?;
    render(&Page::of(whole, Frame::new(&app, &signed, "/regressions")))
}

/// The same for programs.
pub async fn as_json(app: Data<App>, _signed: SignedIn, id: Path<String>) -> Result<HttpResponse, WebError> {
    let id = id.into_inner();
    let whole = blocking(&app, move |app| app.store.read(|read| whole(read, &id))).await?;
    let said =
        whole.sayings.iter().map(|(at, saying)| json!({ "at": time::text(*at), "regression": saying.regression }));
    let looks = whole
        .told
        .sightings
        .iter()
        .map(|look| json!({ "person": look.person, "first_at": time::text(look.first_at), "times": look.times }));
    let evidence: serde_json::Value = serde_json::from_str(&whole.stored.evidence).unwrap_or_default();
    Ok(HttpResponse::Ok().json(json!({
        "regression": whole.told.regression,
        "continuations": whole.told.continuations,
        "evidence": evidence,
        "risk_owner": whole.told.risk_owner,
        "risk_closed": whole.told.risk_closed.as_ref().map(|closed| {
            json!({ "at": time::text(closed.at), "actor": closed.actor, "reason": closed.reason })
        }),
        "said": said.collect::<Vec<_>>(),
        "seen": looks.collect::<Vec<_>>(),
    })))
}

impl Page {
    fn of(whole: Whole, frame: Frame) -> Page {
        let told = whole.told;
        let it = &told.regression;
        let timeline = super::timeline::path(&it.service, &it.environment);
        let range = format!("{timeline}?range={}", part(&it.id));
        let open_risk = told.is_open() && it.ended_because == Some(Ending::VictimsGone);
        let none = told.none_of_these();
        let signature = |text: &String| (text.clone(), super::signatures::path(&it.service, text));
        Page {
            say: told.sentence(&|at| frame.when(at)),
            kind_means: kind_means(it.kind),
            json_href: format!("{}.json", told.href()),
            is_stop: told.is_open() && told.blamed.is_some(),
            open_risk,
            times: times(&told, whole.first_exposure, whole.first_report.as_ref(), &frame),
            excess: estimate(&it.excess_crashes),
            clients: estimate(&it.clients_dropped),
            ratio: estimate(&it.rate_ratio),
            counted: told.evidence.as_ref().map(|evidence| evidence.crashes),
            ending: match (it.ended_at, it.ended_because) {
                (Some(_), Some(because)) => because.says().into(),
                _ => "none yet".into(),
            },
            ended: match it.ended_at {
                Some(at) if open_risk => format!("{}, open risk", frame.when(at)),
                Some(at) if told.risk_closed.is_some() => format!("{}, risk closed", frame.when(at)),
                Some(at) => frame.when(at),
                None => "under way".into(),
            },
            none: (chance(none), none),
            continuations: whole.continuations.iter().map(step).collect(),
            sayings: said_then(&whole.sayings, &range, &frame),
            said_count: whole.sayings.len(),
            opened: told.evidence.as_ref().map(opened),
            signatures: it.signatures.iter().map(signature).collect(),
            example: whole.example.map(|crash| {
                let place = super::signatures::path(&it.service, &crash.signature);
                (format!("{place}/{}", part(&crash.id)), crash.id)
            }),
            incidents: whole
                .incidents
                .iter()
                .map(|incident| (format!("/postmortems/{}", part(&incident.id)), incident.title.clone()))
                .collect(),
            timeline: range,
            frame: frame.with_data(format!("{}.json", told.href())),
            told,
        }
    }

    fn victims(&self) -> String {
        crate::domain::sentence::victims(&self.told.regression, false)
    }
}

/// The four times that are easily taken for each other.
fn times(
    told: &Told,
    first_exposure: Option<Time>,
    first_report: Option<&CrashMark>,
    frame: &Frame,
) -> Vec<(&'static str, String, String)> {
    let it = &told.regression;
    let unknown = || "not known".to_owned();
    let interval = format!("95 % between {} and {}", frame.when(it.onset.earliest), frame.when(it.onset.latest));
    let late = first_report.map(|crash| {
        let delay = crash.received_at - crash.at;
        format!("it crashed at {}, {} s earlier", frame.when(crash.at), delay.num_seconds())
    });
    let after = it.detected_at - it.onset.at;
    let exposure = match told.blamed {
        Some(_) => first_exposure.map_or_else(unknown, |at| frame.when(at)),
        None => "no change is blamed".into(),
    };
    vec![
        ("First exposure", exposure, "the first step of the change that is blamed".into()),
        ("Onset", frame.when(it.onset.at), interval),
        (
            "First report of it",
            first_report.map_or_else(unknown, |crash| frame.when(crash.received_at)),
            late.unwrap_or_default(),
        ),
        (
            "Detected",
            frame.when(it.detected_at),
            format!("{} minutes after the onset, as best judged now", after.num_minutes()),
        ),
    ]
}

fn step(it: &StoredContinuation) -> Step {
    let finding = &it.finding;
    let subject = finding.push.as_deref().or(finding.change.as_deref()).unwrap_or_default();
    let percent = finding.percent.map_or(String::new(), |percent| format!(" to {percent} %"));
    let action = if finding.action == "flag_changed" { "flag changed" } else { finding.action.as_str() };
    Step {
        at: finding.step_at,
        href: match &finding.push {
            Some(push) => format!("/pushes/{}", part(push)),
            None => "/flags".into(),
        },
        what: format!("{subject}: {}{percent}", action.replace('_', " ")),
        actor: finding.actor.clone(),
        known: finding.known.word(),
        means: finding.known.means(),
        excess: estimate(&finding.excess_crashes),
        counted: it.counted,
        clients: estimate(&finding.clients_dropped),
    }
}

/// How many times, as far as anybody wants to know: an e-value soon has twenty digits.
fn how_often(e_value: f64) -> String {
    if e_value >= 1e6 { "more than a million".into() } else { grouped(e_value) }
}

/// Everything said, and in a few words what was new each time.
fn said_then(sayings: &[(Time, Saying)], timeline: &str, frame: &Frame) -> Vec<SaidThen> {
    let mut rows = Vec::new();
    let mut before: Option<&Saying> = None;
    for (at, saying) in sayings {
        let it = &saying.regression;
        let mut new = Vec::new();
        match before.map(|saying| &saying.regression) {
            None => new.push(format!("first said: {}", it.kind.word())),
            Some(old) => {
                if old.kind != it.kind {
                    new.push(format!("now {}", it.kind.word()));
                }
                if old.ended_because != it.ended_because {
                    new.push(
                        it.ended_because
                            .map_or("goes on after all".into(), |because| format!("ended: {}", because.says())),
                    );
                }
                if old.withdrawn.is_none() && it.withdrawn.is_some() {
                    new.push("withdrawn".into());
                }
                if old.onset.at != it.onset.at {
                    new.push("onset moved".into());
                }
            }
        }
        let steps = before.map_or(0, |saying| saying.continuations.len());
        if saying.continuations.len() > steps {
            new.push("a step went on".into());
        }
        let last = rows.len() + 1 == sayings.len();
        // Most sayings only carry newer counts; those that change something are told, and the last.
        if !new.is_empty() || last || before.is_none() {
            rows.push(SaidThen {
                at: *at,
                href: format!("{timeline}&at={}", part(&time::text(*at))),
                onset: format!(
                    "{} ({} to {})",
                    frame.hm(it.onset.at),
                    frame.hm(it.onset.earliest),
                    frame.hm(it.onset.latest)
                ),
                suspect: it
                    .suspects
                    .first()
                    .map_or("none named".into(), |one| format!("{} {}", one.id, chance(one.probability))),
                excess: estimate(&it.excess_crashes),
                new: if new.is_empty() { "newer counts".into() } else { new.join("; ") },
            });
        }
        before = Some(saying);
    }
    rows
}

fn opened(it: &Evidence) -> Opened {
    let basis = &it.basis;
    let mut words = vec![
        format!(
            "Since the onset the victims had {} crashes with these signatures in {} {basis}: {} for each, where their past lets expect {}. That past expects {} crashes in as much.",
            it.crashes,
            two_digits(it.exposure),
            two_digits(it.found_rate),
            two_digits(it.expected_rate),
            two_digits(it.expected)
        ),
        format!(
            "{}, harm explained the crashes {} times better than chance did (the e-value); from {} on {}. An e-value may be looked at after every report without raising false alarms more often.",
            if it.short_of_alarm { "When it was first looked into" } else { "At the alarm" },
            how_often(it.e_value),
            grouped(it.threshold),
            if it.short_of_alarm {
                "it is looked into while a change is in flight. There has been no alarm yet: until there is one, a push is told to hold and not to stop"
            } else {
                "there is one"
            }
        ),
    ];
    if it.repeats > 0 {
        words.push(format!(
            "{} further reports were left out of the test: repeats of one host within ten minutes, or of a host that crashes alone.",
            it.repeats
        ));
    }
    words.push(match it.smallest_ratio {
        Some(ratio) => format!(
            "With what ran so far, nothing smaller than {} times the expected rate could have been shown.",
            two_digits(ratio)
        ),
        None => {
            "There is no past to hold it against: not enough data for the smallest ratio that could have been shown."
                .into()
        }
    });
    let best = it.fits.iter().map(|fit| fit.ln_likelihood).fold(f64::MIN, f64::max);
    words.push(format!(
        "Each explanation below has a prior before the crashes were looked at and a likelihood of the crashes under it; prior times likelihood, shared out to a sum of one, is its probability. ln L is the natural logarithm of how many times as well as chance it explains the crashes: {} for the best. It counts divided by {TEMPER}, for what no model explains.",
        two_digits(best.max(0.0))
    ));
    if it.burst_doubted {
        words.push(
            "Crashes like these came in bursts before, with no change behind them. A change therefore has no more here than without the largest burst; the rest is counted as trouble that no change explains."
                .into(),
        );
    }
    let fit = |fit: &Fit| FitRow {
        what: fit.suspect.clone().unwrap_or_else(|| "no change".into()),
        kind: fit.kind.word(),
        shape: fit.shape.clone(),
        ln_likelihood: format!("{:.1}", fit.ln_likelihood).replace('-', "−"),
        prior: format!("{:.3}", fit.prior),
        probability: chance(fit.probability),
        size: if fit.size > 0.0 { format!("{} ×", two_digits(fit.size)) } else { "–".into() },
    };
    Opened { at: it.at, words, cells: it.cells.clone(), fits: it.fits.iter().map(fit).collect(), basis: basis.clone() }
}
