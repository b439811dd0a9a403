//! People: who is here, and what one of them did. Evidence beside every name, all steps beside every continuation, and no
//! order but the alphabet's and time's.

use crate::{
    domain::{finding::Known, step::PushStep},
    flows::{self, Error},
    store::{
        findings::{ContinuationFilter, StoredContinuation},
        holds::Hold,
        people::Person,
    },
    timeline::{grouped, two_digits},
    web::{App, Frame, SignedIn, WebError, blocking, extract::encode, href, render},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use askama::Template;

/// How many pushes and steps of one actor are listed.
const MOST: i64 = 200;

struct Row {
    href: String,
    name: String,
    address: String,
    team: String,
    role: &'static str,
    out: bool,
}

#[derive(Template)]
#[template(path = "people/people.html")]
struct PeoplePage {
    frame: Frame,
    people: Vec<Row>,
    programs: Vec<(String, String)>,
    others: Vec<(String, String)>,
}

/// Everybody who may sign in, and every actor that the record names.
pub async fn people(app: Data<App>, signed: SignedIn) -> Result<HttpResponse, WebError> {
    let (people, actors) =
        blocking(&app, |app| app.store.read::<_, Error>(|read| Ok((read.people()?, read.actors()?)))).await?;
    let known = |actor: &String| people.iter().any(|person| person.email == *actor);
    let link = |actor: String| (href::person(&actor), actor);
    let (others, programs): (Vec<String>, Vec<String>) =
        actors.into_iter().filter(|actor| !known(actor)).partition(|actor| actor.contains('@'));
    let row = |person: &Person| Row {
        href: href::person(&person.email),
        name: person.name.clone(),
        address: person.email.clone(),
        team: person.team.clone().unwrap_or_default(),
        role: person.role.word(),
        out: person.disabled_at.is_some(),
    };
    render(&PeoplePage {
        people: people.iter().map(row).collect(),
        programs: programs.into_iter().map(link).collect(),
        others: others.into_iter().map(link).collect(),
        frame: Frame::new(&app, &signed, "/people"),
    })
}

struct PushRow {
    href: String,
    id: String,
    what: String,
    when: String,
    purpose: Option<String>,
    state: &'static str,
}

struct StepRow {
    href: String,
    subject: String,
    what: String,
    when: String,
    known: Option<Known>,
    excess: String,
    reason: Option<String>,
}

struct Said {
    when: String,
    about: String,
    href: String,
    words: String,
    after: String,
}

#[derive(Template)]
#[template(path = "people/person.html")]
struct PersonPage {
    frame: Frame,
    title: String,
    about: String,
    steps_say: String,
    continued_say: String,
    levels: Vec<(Known, usize)>,
    continued_href: String,
    pushes: Vec<PushRow>,
    steps: Vec<StepRow>,
    holds: Vec<Said>,
    words: Vec<Said>,
    is_program: bool,
}

struct Loaded {
    person: Option<Person>,
    pushes: Vec<PushRow>,
    steps: Vec<(PushStep, Option<StoredContinuation>)>,
    flags: Vec<StepRow>,
    counts: (i64, i64),
    continuations: Vec<StoredContinuation>,
    holds: Vec<Hold>,
    words: Vec<Said>,
}

fn load(app: &App, actor: &str, frame: &Frame) -> Result<Loaded, Error> {
    app.store.read::<_, flows::Error>(|read| {
        let person = read.person_by_email(actor)?;
        let filter = ContinuationFilter { actor: Some(actor.to_owned()), ..ContinuationFilter::default() };
        let continuations = read.continuations(&filter)?;
        let went_on = |push: Option<&str>, change: Option<&str>, at| {
            let same = |it: &&StoredContinuation| {
                it.finding.step_at == at
                    && (push.is_some() && it.finding.push.as_deref() == push
                        || change.is_some() && it.finding.change.as_deref() == change)
            };
            continuations.iter().find(same).cloned()
        };
        let pushes = read
            .pushes_of_actor(actor, MOST)?
            .into_iter()
            .map(|(it, state)| PushRow {
                href: href::push(&it.push),
                what: format!("{} of {} in {}", it.release, it.service, it.environment),
                when: frame.when(it.at),
                state: state.says(),
                purpose: it.purpose,
                id: it.push,
            })
            .collect();
        let steps = read.steps_of_actor(actor, MOST)?;
        let steps = steps.into_iter().map(|it| (it.clone(), went_on(Some(&it.push), None, it.at))).collect();
        let flags = read.flag_changes_of_actor(actor, MOST)?;
        let flags = flags
            .into_iter()
            .map(|it| {
                let share = it.percent_after().map_or_else(|| "a rule".to_owned(), |share| format!("{share} %"));
                let known = went_on(None, Some(&it.change), it.at);
                StepRow {
                    href: href::flag(&it.service, &it.flag),
                    subject: format!("flag {}", it.flag),
                    what: format!("to {share}"),
                    when: frame.when(it.at),
                    excess: excess(known.as_ref()),
                    known: known.map(|it| it.finding.known),
                    reason: it.reason,
                }
            })
            .collect();
        let words = read
            .replies_of_person(actor)?
            .into_iter()
            .map(|it| Said {
                when: frame.when(it.at),
                about: format!("beside the step of {} in {}", frame.when(it.step_at), it.push),
                href: href::push(&it.push),
                words: it.words,
                after: String::new(),
            })
            .collect();
        let counts = read.step_counts_of_actor(actor)?;
        Ok(Loaded { holds: read.holds_of_actor(actor)?, person, pushes, steps, flags, counts, continuations, words })
    })
}

fn excess(it: Option<&StoredContinuation>) -> String {
    it.map_or_else(String::new, |it| {
        let of = it.finding.excess_crashes;
        format!(
            "{} ({} to {}), counted {}",
            two_digits(of.estimate),
            two_digits(of.low),
            two_digits(of.high),
            grouped(it.counted as f64)
        )
    })
}

fn many(count: i64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(count as f64)) }
}

/// What one actor did.
pub async fn person(app: Data<App>, signed: SignedIn, path: Path<String>) -> Result<HttpResponse, WebError> {
    let frame = Frame::new(&app, &signed, "/people");
    let (actor, kept) = (path.into_inner(), frame.clone());
    let name = actor.clone();
    let it = blocking(&app, move |app| load(app, &name, &kept)).await?;
    let nothing = it.counts == (0, 0) && it.pushes.is_empty() && it.holds.is_empty();
    if it.person.is_none() && nothing {
        return Err(WebError::not_found(format!("Nobody called “{actor}” is here or on the record.")));
    }
    let about = match &it.person {
        Some(person) => {
            let team = person.team.as_ref().map(|team| format!(", team {team}")).unwrap_or_default();
            let out = if person.disabled_at.is_some() { ", shut out" } else { "" };
            format!("{}{team}, {}{out}", person.email, person.role.word())
        }
        None if actor.contains('@') => "On the record; not somebody who can sign in here.".to_owned(),
        None => "A program, as the record names it.".to_owned(),
    };
    let all = it.counts.0 + it.counts.1;
    let went_on = it.continuations.len();
    let level = |known| (known, it.continuations.iter().filter(|it| it.finding.known == known).count());
    let mut steps: Vec<StepRow> = it.steps.iter().map(|(step, known)| step_row(step, known.as_ref(), &frame)).collect();
    steps.extend(it.flags);
    render(&PersonPage {
        title: it.person.as_ref().map_or_else(|| actor.clone(), |person| person.name.clone()),
        about,
        steps_say: format!("{} and {}", many(it.counts.0, "step"), many(it.counts.1, "flag change")),
        continued_say: format!(
            "{} among {}",
            many(went_on as i64, "continuation"),
            many(all, "step and flag change").replace("step and flag changes", "steps and flag changes")
        ),
        levels: Known::ALL.into_iter().map(level).filter(|(_, count)| *count > 0).collect(),
        continued_href: format!("/continued?period=any&actor={}", encode(&actor)),
        pushes: it.pushes,
        steps,
        holds: it.holds.iter().map(|hold| held(hold, &frame)).collect(),
        words: it.words,
        is_program: !actor.contains('@'),
        frame,
    })
}

fn step_row(it: &PushStep, known: Option<&StoredContinuation>, frame: &Frame) -> StepRow {
    let share = it.percent.map(|percent| format!(" to {percent} %")).unwrap_or_default();
    StepRow {
        href: href::push(&it.push),
        subject: it.push.clone(),
        what: format!("{}{share}", it.action.says()),
        when: frame.when(it.at),
        known: known.map(|it| it.finding.known),
        excess: excess(known),
        reason: it.reason.clone(),
    }
}

fn held(it: &Hold, frame: &Frame) -> Said {
    Said {
        when: frame.when(it.at),
        about: format!("hold on {}", it.push),
        href: href::push(&it.push),
        words: it.reason.clone(),
        after: match &it.lifted {
            Some(lifted) => format!("Lifted {} by {}: “{}”", frame.when(lifted.at), lifted.actor, lifted.reason),
            None => "In force.".to_owned(),
        },
    }
}
