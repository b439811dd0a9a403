//! The events of a timeline as lines of a table: what happened, who did it, what was known, and how things stood then.

use super::{
    asked::Marks,
    drawn::{Roles, known, row_at, row_id, share, step_words},
    loaded::{Loaded, Moved},
    measured::Measured,
    told::Told,
};
use crate::{
    domain::{
        Time,
        finding::{Decision, Known},
        flag::FlagChanged,
        step::{Action, PushStep},
        time,
    },
    web::href::part,
};

/// A step within so many minutes of an answer is the step that was asked about.
pub const ANSWERED: i64 = 10;

/// One line.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// When.
    pub at: Time,
    /// What marks link to.
    pub id: String,
    /// Before a link.
    pub before: String,
    /// The link's target; empty where there is none.
    pub href: String,
    /// The link's text.
    pub link: String,
    /// After the link.
    pub after: String,
    /// What a person said.
    pub words: String,
    /// Who did it.
    pub who: String,
    /// The symbol, if any.
    pub icon: &'static str,
    /// The symbol's colour: `harm`, `kind-flag` or nothing.
    pub tone: &'static str,
    /// What was known, if a regression was continued.
    pub known: Option<Known>,
    /// The gate's answer.
    pub gate: Option<Decision>,
    /// Further words about what was known or answered.
    pub answer: String,
    /// The pushed release's share then.
    pub share: String,
    /// The replaced release's crashes per 1,000 instance-hours then.
    pub rate: String,
    /// Whether harm was going on.
    pub harmed: bool,
    /// Set on the line that says when the harm began.
    pub divider: bool,
}

/// Every event of the range, in order.
pub fn events(loaded: &Loaded, marks: Marks, roles: &Roles) -> Vec<Event> {
    let mut all: Vec<(Marks, Event)> = Vec::new();
    for moved in &loaded.pushes {
        push(loaded, moved, &mut all);
    }
    for moved in &loaded.nearby {
        all.push((Marks::Steps, near(loaded, moved)));
    }
    for change in loaded.flags.iter().flat_map(|flag| &flag.changes) {
        all.push((Marks::Flags, flag(loaded, change)));
    }
    for told in &loaded.told {
        regression(told, &mut all);
    }
    people(loaded, &mut all);
    let (from, to) = (loaded.shown.0, loaded.shown.1.min(loaded.until));
    let measured = Measured::of(loaded);
    let mut events: Vec<Event> = all
        .into_iter()
        .filter(|(kind, event)| {
            let shown = match marks {
                Marks::Everything => true,
                Marks::Continuations => *kind == Marks::Steps && event.known.is_some(),
                one => *kind == one,
            };
            (shown || *kind == Marks::Everything) && (from..=to).contains(&event.at)
        })
        .map(|(_, mut event)| {
            event.share = roles.b.as_deref().and_then(|b| measured.share(b, event.at)).unwrap_or_else(|| "–".into());
            event.rate = roles.a.as_deref().map_or("–".into(), |a| measured.rate(a, event.at));
            event.harmed = loaded.told.iter().any(|told| {
                let it = &told.regression;
                it.withdrawn.is_none() && it.onset.at <= event.at && it.ended_at.is_none_or(|end| event.at <= end)
            });
            event
        })
        .collect();
    events.sort_by_key(|event| (event.at, !event.divider));
    events
}

fn push(loaded: &Loaded, (push, steps): &Moved, all: &mut Vec<(Marks, Event)>) {
    let started = &push.started;
    all.push((
        Marks::Steps,
        Event {
            at: started.at,
            id: row_id("push", &[&started.push]),
            before: "Push ".into(),
            href: format!("/pushes/{}", part(&started.push)),
            link: started.push.clone(),
            after: format!(" of {} begun{}", started.release, if started.purpose.is_some() { ":" } else { "" }),
            words: started.purpose.clone().unwrap_or_default(),
            who: started.actor.clone(),
            ..Event::default()
        },
    ));
    all.extend(steps.iter().map(|it| (Marks::Steps, step(loaded, it))));
}

fn step(loaded: &Loaded, step: &PushStep) -> Event {
    let gate = loaded
        .gates
        .iter()
        .rev()
        .find(|gate| gate.push == step.push && gate.at <= step.at && step.at - gate.at <= time::minutes(ANSWERED));
    let held = loaded.holds.iter().any(|hold| hold.push == step.push && hold.in_force_at(step.at));
    let raises = matches!(step.action, Action::Advance | Action::Resume | Action::Complete);
    let mut answer: Vec<&str> = Vec::new();
    if gate.is_none() && raises {
        answer.push("gate not asked");
    }
    if held && raises {
        answer.push("a hold stood");
    }
    let words = step_words(step);
    let (first, rest) = words.split_at(words.chars().next().map_or(0, char::len_utf8));
    Event {
        at: step.at,
        id: row_at("step", &step.push, step.at),
        before: format!("{}{rest}, ", first.to_uppercase()),
        href: format!("/pushes/{}", part(&step.push)),
        link: step.push.clone(),
        after: if step.reason.is_some() { ":".into() } else { String::new() },
        words: step.reason.clone().unwrap_or_default(),
        who: if step.automatic { format!("{} (nobody looking)", step.actor) } else { step.actor.clone() },
        icon: match step.action {
            Action::Advance | Action::Resume => "step",
            Action::Pause => "pause",
            Action::Stop => "halt",
            Action::RollBack => "back",
            Action::Complete => "done",
        },
        known: known(loaded, &step.push, step.at),
        gate: gate.map(|gate| gate.decision),
        answer: answer.join(", "),
        ..Event::default()
    }
}

fn near(loaded: &Loaded, (push, steps): &Moved) -> Event {
    let (from, to) = loaded.shown;
    let shown: Vec<&PushStep> = steps.iter().filter(|step| (from..=to).contains(&step.at)).collect();
    let said: Vec<String> =
        shown.iter().map(|step| format!("{} at {}", step_words(step), step.at.format("%H:%M"))).collect();
    let service = &push.started.service;
    let near = if loaded.neighbours.contains(service) { "connected" } else { "not connected" };
    Event {
        at: shown.first().map_or(push.started.at, |step| step.at),
        id: row_id("near", &[&push.started.push]),
        before: "Push ".into(),
        href: format!("/pushes/{}", part(&push.started.push)),
        link: push.started.push.clone(),
        after: format!(" of {service}, {near}: {}", said.join(", ")),
        who: push.started.actor.clone(),
        icon: "step-open",
        ..Event::default()
    }
}

fn flag(loaded: &Loaded, change: &FlagChanged) -> Event {
    let moved = match (change.percent_before(), change.percent_after()) {
        (Some(before), Some(after)) => format!(" from {} to {}", share(before), share(after)),
        (None, Some(after)) => format!(" to {}", share(after)),
        (_, None) => " changed".into(),
    };
    let of = if change.service == loaded.service.service { String::new() } else { format!(" of {}", change.service) };
    let went_on = loaded.told.iter().chain(&loaded.elsewhere).flat_map(|told| &told.continuations);
    Event {
        at: change.at,
        id: row_id("flag", &[&change.change]),
        before: "Flag ".into(),
        href: format!("/flags/{}/{}", part(&change.service), part(&change.flag)),
        link: change.flag.clone(),
        after: format!("{of}{moved}{}", if change.reason.is_some() { ":" } else { "" }),
        words: change.reason.clone().unwrap_or_default(),
        who: change.actor.clone(),
        icon: "flag",
        tone: "kind-flag",
        known: went_on.filter(|it| it.change.as_ref() == Some(&change.change)).map(|it| it.known).max(),
        ..Event::default()
    }
}

fn regression(told: &Told, all: &mut Vec<(Marks, Event)>) {
    let it = &told.regression;
    let line = |at, kind: &str| Event {
        at,
        id: row_id(kind, &[&it.id]),
        href: told.href(),
        link: it.id.clone(),
        ..Event::default()
    };
    let hm = |at: Time| at.format("%H:%M");
    let went_on =
        if told.blamed.is_some() { " Every diamond below is a step that went on while it harmed." } else { "" };
    let onset =
        format!(" began at {}, {} to {}.{went_on}", hm(it.onset.at), hm(it.onset.earliest), hm(it.onset.latest));
    all.push((Marks::Everything, Event { after: onset, divider: true, ..line(it.onset.at, "onset") }));
    let detected = Event {
        after: format!(" detected: {}", it.kind.word()),
        who: "Pushback".into(),
        answer: if told.blamed.is_some() { "could be read from here on".into() } else { String::new() },
        ..line(it.detected_at, "detected")
    };
    all.push((Marks::Everything, detected));
    if let (Some(at), Some(because)) = (it.ended_at, it.ended_because) {
        let gone = because == crate::domain::finding::Ending::VictimsGone;
        let ended = Event {
            after: format!(" ended: {}.", because.says()),
            who: "Pushback".into(),
            icon: if gone { "extinct" } else { "" },
            tone: "harm",
            answer: if gone { "open risk".into() } else { String::new() },
            ..line(at, "ended")
        };
        all.push((Marks::Everything, ended));
    }
    for look in &told.sightings {
        let seen = Event {
            id: row_id("seen", &[&it.id, &look.person]),
            before: "Opened ".into(),
            who: look.person.clone(),
            icon: "opened",
            ..line(look.first_at, "seen")
        };
        all.push((Marks::Notices, seen));
    }
}

fn people(loaded: &Loaded, all: &mut Vec<(Marks, Event)>) {
    for hold in &loaded.holds {
        let link = |at, id| Event {
            at,
            id,
            href: format!("/pushes/{}", part(&hold.push)),
            link: hold.push.clone(),
            icon: "hold",
            ..Event::default()
        };
        all.push((
            Marks::Holds,
            Event {
                before: "Hold on ".into(),
                after: ":".into(),
                words: hold.reason.clone(),
                who: hold.actor.clone(),
                answer: if hold.lifted.is_none() { "in force".into() } else { String::new() },
                ..link(hold.at, row_id("hold", &[&hold.id]))
            },
        ));
        if let Some(lifted) = &hold.lifted {
            let event = link(lifted.at, row_id("lifted", &[&hold.id]));
            let (before, words, who) = ("Hold lifted on ".into(), lifted.reason.clone(), lifted.actor.clone());
            all.push((Marks::Holds, Event { before, after: ":".into(), words, who, ..event }));
        }
    }
    for gate in &loaded.gates {
        all.push((
            Marks::Steps,
            Event {
                at: gate.at,
                id: row_at("gate", &gate.push, gate.at),
                before: "Gate asked for ".into(),
                href: format!("/pushes/{}", part(&gate.push)),
                link: gate.push.clone(),
                after: if gate.reasons.is_empty() { String::new() } else { format!(": {}", gate.reasons.join("; ")) },
                who: gate.actor.clone(),
                gate: Some(gate.decision),
                ..Event::default()
            },
        ));
    }
    for note in &loaded.notes {
        all.push((
            Marks::Notes,
            Event {
                at: note.at,
                id: row_at("note", crate::web::frame::short(&note.actor), note.at),
                words: note.text.clone(),
                who: note.actor.clone(),
                icon: "note",
                ..Event::default()
            },
        ));
    }
}
