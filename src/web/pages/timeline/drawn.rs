//! From what was read to what the drawing takes: releases get their roles, records their marks and links.

use super::{
    asked::Asked,
    loaded::{Flag, Loaded, Moved, TRAIL},
    told::Told,
};
use crate::{
    domain::{Time, finding::Known, percent::Percent, sentence::Blamed, step::PushStep, time},
    timeline::{
        Answer, Class, CrashMark, Exposed, Facts, FlagLine, FlagMark, GateMark, HoldMark, NearbyPush, NearbyStep,
        NoteMark, NoticeKind, NoticeMark, Overview, PushLine, RegressionMark, Release, StepMark,
    },
    web::{frame::short, href::part},
};
use std::collections::BTreeMap;

/// Which release is which in a picture.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// The release being replaced, or the only one.
    pub a: Option<String>,
    /// The release being pushed.
    pub b: Option<String>,
    /// Every release of the range, in order of importance.
    pub all: Vec<String>,
}

impl Roles {
    /// Finds out who is who: by the push that matters most, then by how much each ran.
    pub fn of(loaded: &Loaded) -> Roles {
        let start = loaded.shown.0 - time::minutes(TRAIL);
        let mut ran: BTreeMap<&str, f64> = BTreeMap::new();
        for window in loaded.exposures.iter().filter(|window| window.at >= start) {
            *ran.entry(&window.release).or_default() +=
                window.instance_hours() + window.sessions.unwrap_or(0.0) / 1000.0;
        }
        for crash in loaded.crashes.iter().filter(|crash| crash.at >= start) {
            ran.entry(crash.release.as_deref().unwrap_or_default()).or_default();
        }
        ran.remove("");
        let mut order: Vec<(&str, f64)> = ran.into_iter().collect();
        order.sort_by(|one, other| other.1.total_cmp(&one.1));
        let main = main_push(loaded).map(|(push, _)| &push.started);
        let b = main.map(|push| push.release.clone());
        let most = order.iter().map(|(name, _)| (*name).to_owned()).find(|name| Some(name) != b.as_ref());
        let a = main.and_then(|push| push.previous.clone()).filter(|name| Some(name) != b.as_ref()).or(most);
        let mut all: Vec<String> = b.iter().chain(&a).cloned().collect();
        for (name, _) in order {
            if !all.iter().any(|other| other == name) {
                all.push(name.to_owned());
            }
        }
        Roles { a, b, all }
    }

    /// What a release is in the picture.
    pub fn class(&self, name: &str) -> Class {
        let third = self.all.iter().find(|other| Some(*other) != self.a.as_ref() && Some(*other) != self.b.as_ref());
        match name {
            name if self.b.as_deref() == Some(name) => Class::Pushed,
            name if self.a.as_deref() == Some(name) => Class::Replaced,
            name if third.is_some_and(|third| third == name) => Class::Third,
            _ => Class::Other,
        }
    }

    /// The letter that style and macros know the role by.
    pub fn key(&self, name: &str) -> &'static str {
        match self.class(name) {
            Class::Replaced => "a",
            Class::Pushed => "b",
            Class::Third => "c",
            Class::Other => "other",
        }
    }
}

/// The push that the picture is about: the one asked for, the one blamed, or the latest.
pub fn main_push(loaded: &Loaded) -> Option<&Moved> {
    let named = |id: &str| loaded.pushes.iter().find(|(push, _)| push.started.push == id);
    let blamed = loaded.leading().filter(|told| matches!(told.blamed, Some(Blamed::Push { .. })));
    loaded
        .around
        .as_deref()
        .and_then(named)
        .or_else(|| blamed.and_then(|told| named(&told.suspects.first()?.name)))
        .or_else(|| loaded.pushes.iter().rev().find(|(_, steps)| !steps.is_empty()))
        .or_else(|| loaded.pushes.last())
}

/// Makes links: within the page, or whole where the picture leaves it.
pub struct Links {
    /// The address of this site; empty on the page itself.
    pub site: String,
    /// The address of the page; empty on the page itself.
    pub page: String,
}

impl Links {
    fn row(&self, id: &str) -> String {
        format!("{}#{id}", self.page)
    }

    fn page(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }
}

/// The name of a row: letters, digits and dashes.
pub fn row_id(kind: &str, parts: &[&str]) -> String {
    let mut id = format!("e-{kind}");
    for part in parts {
        id.push('-');
        id.extend(part.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }));
    }
    id
}

/// The name of something that happened at an instant, within its kind.
pub fn row_at(kind: &str, name: &str, at: Time) -> String {
    row_id(kind, &[name, &at.format("%Y%m%dT%H%M%S").to_string()])
}

/// One or two letters of a name.
pub fn initials(actor: &str) -> String {
    short(actor).chars().filter(|letter| letter.is_alphanumeric()).take(2).flat_map(char::to_uppercase).collect()
}

/// What was known at a step, if it continued anything.
pub fn known(loaded: &Loaded, push: &str, at: Time) -> Option<Known> {
    let went_on = loaded.told.iter().chain(&loaded.elsewhere).flat_map(|told| &told.continuations);
    went_on.filter(|it| it.push.as_deref() == Some(push) && it.step_at == at).map(|it| it.known).max()
}

/// A share as it is printed, without needless decimals.
pub fn share(percent: Percent) -> String {
    format!("{} %", (percent.value() * 10.0).round() / 10.0)
}

/// A step in words: "advance to 5 %".
pub fn step_words(step: &PushStep) -> String {
    match step.percent {
        Some(percent) => format!("{} to {}", step.action.says(), share(percent)),
        None => step.action.says().to_owned(),
    }
}

/// What the drawing takes.
pub fn facts(loaded: &Loaded, asked: &Asked, roles: &Roles, zone: Option<i32>, links: &Links) -> Facts {
    let until = loaded.until;
    let (from, to) = loaded.shown;
    let wanted = |release: Option<&str>, cell: &str| {
        asked.release.as_deref().is_none_or(|only| release == Some(only))
            && asked.cell.as_deref().is_none_or(|only| cell == only)
    };
    // In a short range the overview's hours were read too; in a long one nothing earlier than rates trail by.
    let long = to - from > time::minutes(36 * 60);
    let start = if long { Time::MIN_UTC } else { from - time::minutes(TRAIL) };
    let exposures = loaded.exposures.iter().filter(|it| it.at >= start && wanted(Some(&it.release), &it.cell));
    let crashes = loaded.crashes.iter().filter(|it| {
        it.at >= start
            && asked.release.as_deref().is_none_or(|only| it.release.as_deref() == Some(only))
            && asked.cell.as_deref().is_none_or(|only| it.cell.as_deref().is_none_or(|cell| cell == only))
            && asked.signature.as_deref().is_none_or(|only| it.signature.as_deref() == Some(only))
    });
    Facts {
        ident: "timeline".into(),
        service: loaded.service.service.clone(),
        environment: loaded.environment.clone(),
        from,
        to,
        now: loaded.now,
        known_at: asked.at.map(|_| until),
        local_offset_minutes: zone.unwrap_or(0),
        releases: releases(loaded, asked, roles),
        exposures: exposures
            .map(|it| Exposed {
                release: it.release.clone(),
                cell: it.cell.clone(),
                at: it.at,
                seconds: it.seconds,
                instances: it.instances,
                sessions: it.sessions,
            })
            .collect(),
        crashes: crashes
            .map(|it| CrashMark {
                at: it.at,
                release: it.release.clone(),
                cell: it.cell.clone().unwrap_or_default(),
                count: u64::try_from(it.crashes).unwrap_or(0),
                clients: u64::try_from(it.clients).unwrap_or(0),
            })
            .collect(),
        crashes_href: Some(links.page(&crash_list(asked))),
        pushes: loaded.pushes.iter().map(|(push, _)| push_line(push, links)).collect(),
        steps: steps(loaded, links),
        gates: gates(loaded, links),
        nearby: loaded.nearby.iter().map(|moved| nearby(loaded, moved, links)).collect(),
        flags: loaded.flags.iter().map(|flag| flag_line(loaded, flag, links)).collect(),
        regressions: loaded.told.iter().map(|told| regression(told, links)).collect(),
        holds: loaded.holds.iter().map(|hold| hold_mark(hold, links)).collect(),
        notes: loaded
            .notes
            .iter()
            .map(|note| NoteMark {
                at: note.at,
                initials: initials(&note.actor),
                href: links.row(&row_at("note", short(&note.actor), note.at)),
                title: format!("{} wrote: {}", note.actor, note.text),
            })
            .collect(),
        notices: notices(loaded, links),
    }
}

/// The list of crash reports behind the bars, with the picture's filters.
fn crash_list(asked: &Asked) -> String {
    let mut href = format!("{}/crashes", asked.path);
    let mut join = '?';
    for (name, value) in [("release", &asked.release), ("signature", &asked.signature)] {
        if let Some(value) = value {
            href.push_str(&format!("{join}{name}={}", part(value)));
            join = '&';
        }
    }
    href
}

fn releases(loaded: &Loaded, asked: &Asked, roles: &Roles) -> Vec<Release> {
    let wanted = roles.all.iter().filter(|name| asked.release.as_ref().is_none_or(|only| only == *name));
    wanted
        .map(|name| {
            // One signature's crashes are not to be held against what all signatures let expect.
            let past = loaded.baselines.iter().find(|it| it.release == *name && asked.signature.is_none());
            let counted = loaded.exposures.iter().any(|it| it.release == *name && it.instances > 0.0);
            let carried = loaded.exposures.iter().any(|it| it.release == *name && it.sessions.is_some());
            Release {
                name: name.clone(),
                class: roles.class(name),
                expected_per_hour: past.filter(|_| counted).map(|it| it.rate),
                // The judge's basis is a thousand sessions where instances are not known.
                expected_per_session: past.filter(|_| !counted && carried).map(|it| it.rate / 1000.0),
            }
        })
        .collect()
}

fn push_line(push: &crate::store::changes::Push, links: &Links) -> PushLine {
    PushLine {
        name: push.started.push.clone(),
        release: push.started.release.clone(),
        previous: push.started.previous.clone(),
        href: links.page(&format!("/pushes/{}", part(&push.started.push))),
    }
}

fn steps(loaded: &Loaded, links: &Links) -> Vec<StepMark> {
    let mut marks = Vec::new();
    for (push, steps) in &loaded.pushes {
        for step in steps {
            let known = known(loaded, &step.push, step.at);
            let level = known.map(|known| format!("; {}", known.word())).unwrap_or_default();
            marks.push(StepMark {
                at: step.at,
                action: step.action,
                percent: step.percent.map(Percent::value),
                initials: initials(&step.actor),
                known,
                href: links.row(&row_at("step", &push.started.push, step.at)),
                title: format!(
                    "{} {} at {} UTC by {}{level}",
                    step.push,
                    step_words(step),
                    step.at.format("%H:%M"),
                    step.actor
                ),
            });
        }
    }
    marks.sort_by_key(|mark| mark.at);
    marks
}

/// The gate's answers that no step followed at once; the others are told by their steps.
fn gates(loaded: &Loaded, links: &Links) -> Vec<GateMark> {
    let followed = |push: &str, at: Time| {
        let mut steps = loaded.pushes.iter().flat_map(|(_, steps)| steps).filter(|step| step.push == push);
        steps.any(|step| step.at >= at && step.at - at <= time::minutes(super::events::ANSWERED))
    };
    let open = loaded.gates.iter().filter(|gate| !followed(&gate.push, gate.at));
    open.map(|gate| GateMark {
        at: gate.at,
        answer: Answer::Gate(gate.decision),
        label: gate.decision.word().into(),
        initials: initials(&gate.actor),
        href: links.row(&row_at("gate", &gate.push, gate.at)),
        title: format!("{} asked for {}: {}", gate.actor, gate.push, gate.decision.word()),
    })
    .collect()
}

fn nearby(loaded: &Loaded, (push, steps): &Moved, links: &Links) -> NearbyPush {
    let service = &push.started.service;
    let near = loaded.neighbours.contains(service);
    NearbyPush {
        label: if near {
            format!("{} of {service}", push.started.push)
        } else {
            format!("{}, elsewhere", push.started.push)
        },
        steps: steps
            .iter()
            .map(|step| NearbyStep {
                at: step.at,
                percent: step.percent.map(Percent::value),
                href: links.row(&row_id("near", &[&push.started.push])),
                title: format!("{} of {service}: {} by {}", push.started.push, step_words(step), step.actor),
            })
            .collect(),
    }
}

fn flag_line(loaded: &Loaded, flag: &Flag, links: &Links) -> FlagLine {
    let ours = flag.service == loaded.service.service;
    FlagLine {
        name: flag.name.clone(),
        about: if ours { String::new() } else { format!("of {}, percent", flag.service) },
        percent_at_start: flag.before.map(Percent::value),
        changes: flag
            .changes
            .iter()
            .map(|change| FlagMark {
                at: change.at,
                percent: change.percent_after().map(Percent::value),
                initials: initials(&change.actor),
                href: links.row(&row_id("flag", &[&change.change])),
                title: format!("flag {} changed by {}", change.flag, change.actor),
            })
            .collect(),
    }
}

fn regression(told: &Told, links: &Links) -> RegressionMark {
    let it = &told.regression;
    RegressionMark {
        id: it.id.clone(),
        onset: it.onset,
        detected_at: it.detected_at,
        ended_at: it.ended_at,
        ending: it.ended_because,
        kind: it.kind,
        victims: it.victims.iter().map(|victim| victim.release.clone()).collect(),
        blamed: told.suspects.first().filter(|_| told.blamed.is_some()).map(|it| format!("{} {}", it.kind, it.name)),
        withdrawn: it.withdrawn.is_some(),
        href: links.page(&told.href()),
    }
}

fn hold_mark(hold: &crate::store::holds::Hold, links: &Links) -> HoldMark {
    HoldMark {
        at: hold.at,
        until: hold.lifted.as_ref().map(|lifted| lifted.at),
        initials: initials(&hold.actor),
        href: links.row(&row_id("hold", &[&hold.id])),
        title: format!("{} asked {} to stop: {}", hold.actor, hold.push, hold.reason),
    }
}

fn notices(loaded: &Loaded, links: &Links) -> Vec<NoticeMark> {
    let looks = loaded.told.iter().flat_map(|told| told.sightings.iter());
    looks
        .filter(|look| (loaded.shown.0..=loaded.shown.1).contains(&look.first_at))
        .map(|look| NoticeMark {
            at: look.first_at,
            kind: NoticeKind::Opened,
            label: initials(&look.person),
            href: links.row(&row_id("seen", &[&look.regression, &look.person])),
            title: format!("{} had {} open", look.person, look.regression),
        })
        .collect()
}

/// The strip above the picture: thirty hours of crashes with the shown range marked.
pub fn overview(loaded: &Loaded) -> Option<Overview> {
    let (from, crashes) = loaded.overview.as_ref()?;
    let ambient = loaded.told.iter().filter(|told| told.regression.kind == crate::domain::finding::Kind::Ambient);
    Some(Overview {
        from: *from,
        to: loaded.shown.1,
        until: loaded.until,
        shown_from: loaded.shown.0,
        shown_to: loaded.shown.1,
        crashes: crashes.iter().map(|(at, count)| (*at, u64::try_from(*count).unwrap_or(0))).collect(),
        ambient: ambient
            .map(|told| {
                let it = &told.regression;
                (it.onset.at, it.ended_at.unwrap_or(loaded.until), format!("{}: ambient, no change explains it", it.id))
            })
            .collect(),
    })
}
