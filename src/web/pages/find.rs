//! Finding things by a part of their name, and what the words on these pages mean.

use crate::{
    domain::{
        finding::{Decision, Ending, Kind, Known},
        incident::Severity,
    },
    flows::Error,
    store::{Read, actors::Hit},
    web::{App, Frame, SignedIn, WebError, blocking, href, render},
};
use actix_web::{
    HttpResponse,
    web::{Data, Query},
};
use askama::Template;
use serde::Deserialize;

/// How many of a kind are listed.
const MOST: i64 = 20;
/// How much text is looked for, characters.
const LONGEST: usize = 200;

/// What is looked for.
#[derive(Deserialize)]
pub struct Looked {
    #[serde(default)]
    q: String,
}

struct Found {
    href: String,
    name: String,
    about: String,
}

struct Group {
    name: &'static str,
    found: Vec<Found>,
    more: bool,
}

#[derive(Template)]
#[template(path = "find/search.html")]
struct SearchPage {
    frame: Frame,
    groups: Vec<Group>,
    asked: bool,
}

/// Whatever has the text in its name.
pub async fn search(app: Data<App>, signed: SignedIn, query: Query<Looked>) -> Result<HttpResponse, WebError> {
    let text: String = query.q.trim().chars().take(LONGEST).collect();
    let mut frame = Frame::new(&app, &signed, "");
    frame.query = text.clone();
    let groups = if text.is_empty() {
        Vec::new()
    } else {
        let text = text.clone();
        blocking(&app, move |app| app.store.read::<_, Error>(|read| find(read, &text))).await?
    };
    render(&SearchPage { groups, asked: !text.is_empty(), frame })
}

fn find(read: &mut Read<'_>, text: &str) -> Result<Vec<Group>, Error> {
    let lower = text.to_lowercase();
    let mut groups = Vec::new();
    let mut add = |name, found: Vec<Found>| {
        if !found.is_empty() {
            let more = found.len() as i64 > MOST;
            groups.push(Group { name, found: found.into_iter().take(MOST as usize).collect(), more });
        }
    };
    let all = |hits: Vec<Hit>, say: fn(Hit) -> Found| hits.into_iter().map(say).collect::<Vec<Found>>();
    add("Services", services(read, &lower)?);
    add(
        "Pushes",
        all(read.find_pushes(text, MOST + 1)?, |hit| Found {
            href: href::push(&hit.name),
            about: format!("{} of {}", hit.about, hit.service),
            name: hit.name,
        }),
    );
    add(
        "Flags",
        all(read.find_flags(text, MOST + 1)?, |hit| Found {
            href: href::flag(&hit.service, &hit.name),
            about: hit.service,
            name: hit.name,
        }),
    );
    add(
        "Regressions",
        all(read.find_regressions(text, MOST + 1)?, |hit| Found {
            href: href::regression(&hit.name),
            about: format!("{} harm to {}", hit.about, hit.service),
            name: hit.name,
        }),
    );
    add(
        "Signatures",
        all(read.find_signatures(text, MOST + 1)?, |hit| Found {
            href: href::signature(&hit.service, &hit.name),
            about: format!("{}, {}", hit.service, hit.about),
            name: hit.name,
        }),
    );
    add(
        "Postmortems",
        all(read.find_incidents(text, MOST + 1)?, |hit| Found {
            href: format!("/postmortems/{}", hit.name),
            about: hit.about,
            name: hit.name,
        }),
    );
    add("People and programs", people(read, &lower)?);
    Ok(groups)
}

fn services(read: &mut Read<'_>, text: &str) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for it in read.services()? {
        let name = it.name.clone().unwrap_or_default();
        if !it.service.to_lowercase().contains(text) && !name.to_lowercase().contains(text) {
            continue;
        }
        for environment in read.environments(&it.service)? {
            let about = if name.is_empty() { environment.clone() } else { format!("{name}, {environment}") };
            found.push(Found { href: href::service(&it.service, &environment), name: it.service.clone(), about });
        }
    }
    Ok(found)
}

fn people(read: &mut Read<'_>, text: &str) -> Result<Vec<Found>, Error> {
    let people = read.people()?;
    let mut found: Vec<Found> = people
        .iter()
        .filter(|it| it.email.contains(text) || it.name.to_lowercase().contains(text))
        .map(|it| Found { href: href::person(&it.email), name: it.name.clone(), about: it.email.clone() })
        .collect();
    let known = |actor: &str| people.iter().any(|person| person.email == actor);
    let others = read.actors()?.into_iter().filter(|actor| actor.to_lowercase().contains(text) && !known(actor));
    found.extend(others.map(|actor| Found {
        href: href::person(&actor),
        about: "on the record".to_owned(),
        name: actor,
    }));
    Ok(found)
}

/// A word and what it means.
struct Word {
    says: &'static str,
    means: &'static str,
    icon: Option<String>,
}

struct Chapter {
    id: &'static str,
    name: &'static str,
    about: &'static str,
    words: Vec<Word>,
}

#[derive(Template)]
#[template(path = "find/words.html")]
struct WordsPage {
    frame: Frame,
    chapters: Vec<Chapter>,
}

/// What the words mean.
pub async fn words(app: Data<App>, signed: SignedIn) -> Result<HttpResponse, WebError> {
    render(&WordsPage { frame: Frame::new(&app, &signed, "/words"), chapters: chapters() })
}

fn word(says: &'static str, means: &'static str) -> Word {
    Word { says, means, icon: None }
}

const RECORD: [(&str, &str); 18] = [
    ("release", "A build that never changes, known by its version string."),
    ("push", "One owner bringing one release to one environment, from its beginning to its end."),
    ("plan, stage", "The shares that a push is meant to go through: 1 %, 5 %, 25 %, and so on."),
    ("step", "The act of moving a push: advance, pause, resume, stop, roll back, complete; at a time, by an actor."),
    ("bake time", "How long a stage has to run before the next step."),
    ("cell", "A part of the fleet that fails alone: a region, a zone, a cluster, a shard."),
    ("flag, flag change", "A switch in running code, and one recorded edit of it."),
    ("crash report, signature", "One report that came in, and what groups those of one cause."),
    ("exposure", "How long how many instances ran a release, by cell; sessions where only those are known."),
    ("owner, actor", "Who answers for a push, and who took a step: a person or a program."),
    (
        "hold",
        "Anybody’s request that a push stop, with a name and a reason. It stands until somebody lifts it by name.",
    ),
    ("gate, verdict", "The question before a step, and its answer: go, hold or stop."),
    ("rule", "What a service asks of its own pushes before the gate says go. A rollback is not asked."),
    ("pair", "Two releases that run side by side, and what came of it: no harm seen, harmful or lethal."),
    (
        "marked as bad, override",
        "A release to which nobody goes back, and the written reason of whoever does all the same.",
    ),
    ("incident, severity", "Harm to users that is being handled, and how bad it was."),
    (
        "postmortem, revision, action item",
        "What was learned in writing, one saved state of it, and one thing to be done by one person by a date.",
    ),
    ("ledger, entry", "The record that is only ever added to, and one line of it. A correction is a new line."),
];

const HARM: [(&str, &str); 10] = [
    ("regression", "Crashes beyond what a release’s own past lets expect."),
    ("onset", "When the harm began, as best judged now, with an interval of 95 %."),
    ("detected", "When the harm could first be read here."),
    ("victim", "The release that crashes. It need not be the release that is pushed."),
    ("suspect", "A change near a regression, with a probability and the evidence. From 0.5 on it is blamed."),
    ("continuation", "A step that raised exposure to the blamed change after the onset."),
    ("expected band", "Where the crash rate of a release lies by its own past, 95 % of the time."),
    (
        "excess, counted",
        "Excess: crashes beyond expectation, an estimate with its interval. Counted: the plain number, which assumes nothing.",
    ),
    ("power of a step", "The smallest harm that would have shown in the time that the step had."),
    (
        "open risk",
        "What a regression leaves behind when its victims ran out: the defect is still there, and somebody minds it.",
    ),
];

fn chapters() -> Vec<Chapter> {
    let list = |words: &[(&'static str, &'static str)]| words.iter().map(|(says, means)| word(says, means)).collect();
    let known =
        Known::ALL.into_iter().map(|it| Word { icon: Some(it.word().to_owned()), ..word(it.word(), it.means()) });
    let kind = |it: Kind| match it {
        Kind::Itself => "The release that is pushed crashes.",
        Kind::Collateral => {
            "Other releases, or another service, crash because of what is pushed. Its own graphs stay clean."
        }
        Kind::Mixed => "Both the pushed release and others crash.",
        Kind::Flag => "It follows a flag change.",
        Kind::Rollback => "It began with a rollback.",
        Kind::Ambient => "No recorded change explains it.",
    };
    let ending = |it: Ending| match it {
        Ending::RolledBack => "The push was taken back, and the crashes ended.",
        Ending::Stopped => "The push was stopped, and the harm with it.",
        Ending::FlagReverted => "The flag was turned back, and the crashes ended.",
        Ending::Fixed => "The crash rate fell while the victims were still running.",
        Ending::VictimsGone => {
            "The crash rate of the victims was still high when the last of them went away. Totals fall to zero; nothing was mended."
        }
        Ending::Subsided => "It fell by itself.",
    };
    let verdict = |it: Decision| match it {
        Decision::Go => ("go", "Nothing speaks against the next step."),
        Decision::Hold => ("wait", "Not enough evidence yet, or a rule is unmet, or somebody holds the push."),
        Decision::Stop => ("stop", "It harms. Going on is recorded as going past a stop."),
    };
    let verdicts = [Decision::Go, Decision::Hold, Decision::Stop].map(|it| {
        let (icon, means) = verdict(it);
        Word { icon: Some(icon.to_owned()), ..word(it.word(), means) }
    });
    vec![
        Chapter { id: "record", name: "The record", about: "What is written down", words: list(&RECORD) },
        Chapter { id: "harm", name: "Harm", about: "What is judged from it", words: list(&HARM) },
        Chapter {
            id: "kinds",
            name: "Kinds of regression",
            about: "Who crashes, and by what",
            words: Kind::ALL.into_iter().map(|it| word(it.word(), kind(it))).collect(),
        },
        Chapter {
            id: "known",
            name: "What was known",
            about: "At a step that went on after an onset. The more was known, the more ink the sign has",
            words: known.collect(),
        },
        Chapter {
            id: "endings",
            name: "How a regression ends",
            about: "Only a rate that falls while victims still run is a recovery",
            words: Ending::ALL.into_iter().map(|it| word(it.says(), ending(it))).collect(),
        },
        Chapter { id: "gate", name: "What the gate answers", about: "Before a step", words: verdicts.into() },
        Chapter {
            id: "severities",
            name: "Severities",
            about: "How bad it was for users",
            words: Severity::ALL.into_iter().map(|it| word(it.word(), it.means())).collect(),
        },
    ]
}
