//! Incidents and their postmortems: opening one, writing it, handing it on, publishing it. Action items have a file of
//! their own, and so has the draft that the record gives. The facts of a postmortem are not kept: see `postmortem_facts`.

mod draft;
mod items;
#[cfg(test)]
mod tests;

pub use draft::{drafted_summary, drafted_title, proposed_severity};
pub use items::{NewItem, add_item, end_item};

use super::{Error, hold_push::reason};
use crate::{
    domain::{
        Time,
        finding::{Regression, SuspectKind},
        incident::{ItemState, Section, Severity, Status},
    },
    store::{
        Actor, Store, StoreError, Tx,
        incidents::{Incident, Revision},
    },
};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The longest title, characters.
const LONGEST_TITLE: usize = 160;
/// The longest text of one section, bytes.
const LONGEST_SECTION: usize = 40_000;

/// What somebody says who opens an incident that no regression stands behind.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What happened, in one line.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// The harmed service.
    pub service: String,
    /// Where.
    pub environment: String,
    /// The address of who will answer for the postmortem.
    pub owner: String,
}

/// What a form sends back: the revision that was on the screen, and everything that may be changed.
#[derive(Debug, Clone)]
pub struct Written {
    /// The revision that the writer began from.
    pub seen: i64,
    /// The title.
    pub title: String,
    /// The severity.
    pub severity: Severity,
    /// The address of who answers for it.
    pub owner: String,
    /// Markdown by section.
    pub sections: BTreeMap<Section, String>,
}

/// What became of a text that was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Saving {
    /// It is kept as this revision.
    Kept(i64),
    /// It says what was there already.
    Unchanged,
    /// Somebody saved meanwhile; this is what is there now. Nothing was kept.
    Conflict(Box<(Incident, Revision)>),
}

/// Opens an incident from a regression, with a draft from the record; one that is open already comes back as it is.
pub fn open_from_regression(store: &Store, by: &Actor, person: &str, id: &str, now: Time) -> Result<Incident, Error> {
    if let Some(known) = store.read::<_, Error>(|read| Ok(read.incidents_of(id)?.pop()))? {
        return Ok(known);
    }
    store.write(|tx| {
        let it = tx.regression(id)?.ok_or_else(|| Error::no("regression", id))?;
        let after = tx.continuations_of(id)?.len();
        let declared = tx.service(&it.finding.service)?.and_then(|service| service.owner);
        let brought = brought_by(tx, &it.finding)?;
        // Whoever minds the risk answers for the text; else the service's owner, unless the change that it is about was theirs.
        let mut owner = person.to_owned();
        let declared = declared.filter(|declared| brought.as_ref() != Some(declared));
        for name in [declared, it.risk_owner.clone()].into_iter().flatten() {
            if let Some(known) = tx.person_by_email(&name)?.filter(|known| known.disabled_at.is_none()) {
                owner = known.email;
            }
        }
        let summary = drafted_summary(&it.finding, after);
        let opening = Opening {
            title: drafted_title(&it.finding),
            severity: proposed_severity(&it.finding),
            service: it.finding.service.clone(),
            environment: it.finding.environment.clone(),
            owner,
        };
        begin(tx, by, person, &opening, Some(id), BTreeMap::from([(Section::Summary, summary)]), now)
    })
}

/// Opens an incident of which the judge says nothing.
pub fn open(store: &Store, by: &Actor, person: &str, opening: &Opening, now: Time) -> Result<Incident, Error> {
    let mut reasons = title(&opening.title).err().into_iter().collect::<Vec<_>>();
    if opening.service.trim().is_empty() {
        reasons.push("Choose the service that was harmed.".into());
    }
    if !reasons.is_empty() {
        return Err(Error::Refused(reasons));
    }
    store.write(|tx| {
        tx.service(&opening.service)?
            .ok_or_else(|| Error::refused(format!("There is no service “{}” here.", opening.service)))?;
        known_owner(tx, &opening.owner)?;
        begin(tx, by, person, opening, None, BTreeMap::new(), now)
    })
}

fn begin(
    tx: &mut Tx<'_>,
    by: &Actor,
    person: &str,
    opening: &Opening,
    regression: Option<&str>,
    sections: BTreeMap<Section, String>,
    now: Time,
) -> Result<Incident, Error> {
    let number = tx.next_incident()?;
    let it = Incident {
        id: format!("PM-{number}"),
        number,
        title: opening.title.trim().to_owned(),
        severity: opening.severity,
        service: opening.service.clone(),
        environment: opening.environment.clone(),
        regression: regression.map(str::to_owned),
        opened_at: now,
        opened_by: person.to_owned(),
        status: Status::Draft,
        owner: opening.owner.clone(),
        changed_at: now,
        revision: 1,
        reviewed: None,
        published: None,
    };
    match tx.add_incident(&it) {
        Err(StoreError::Taken(_)) => {
            return Err(Error::Changed(
                "Somebody opened an incident at the same moment. Look at the list first.".into(),
            ));
        }
        other => other?,
    }
    let first = Revision { number: 1, at: now, actor: person.to_owned(), title: it.title.clone(), sections };
    tx.add_revision(&it.id, &first)?;
    let what = json!({ "title": it.title, "severity": it.severity, "service": it.service, "environment": it.environment, "regression": it.regression, "owner": it.owner });
    tx.record(now, "incident.open", by, format!("incident:{}", it.id), what)?;
    Ok(it)
}

/// Keeps a new revision, unless somebody else saved since the one that the writer began from.
pub fn save(store: &Store, by: &Actor, person: &str, id: &str, it: &Written, now: Time) -> Result<Saving, Error> {
    let mut reasons: Vec<String> = title(&it.title).err().into_iter().collect();
    reasons.extend(it.sections.iter().filter(|(_, text)| text.len() > LONGEST_SECTION).map(|(section, text)| {
        format!(
            "“{}” has {} bytes; {LONGEST_SECTION} fit. Move some of it into another section.",
            section.says(),
            text.len()
        )
    }));
    if !reasons.is_empty() {
        return Err(Error::Refused(reasons));
    }
    let sections: BTreeMap<Section, String> = it
        .sections
        .iter()
        .map(|(section, text)| (*section, text.replace("\r\n", "\n").trim().to_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let (known, latest) = store.read::<_, Error>(|read| {
        let known = read.incident(id)?.ok_or_else(|| Error::no("postmortem", id))?;
        let latest = read.revision(id, known.revision)?.ok_or_else(|| Error::no("revision of", id))?;
        Ok((known, latest))
    })?;
    if known.revision != it.seen {
        return Ok(Saving::Conflict(Box::new((known, latest))));
    }
    writable(&known)?;
    let title = it.title.trim().to_owned();
    if latest.sections == sections && known.title == title && known.severity == it.severity && known.owner == it.owner {
        return Ok(Saving::Unchanged);
    }
    let next = Incident {
        title: title.clone(),
        severity: it.severity,
        owner: it.owner.clone(),
        changed_at: now,
        revision: it.seen + 1,
        ..known.clone()
    };
    let kept = store.write(|tx| {
        if next.owner != known.owner {
            known_owner(tx, &next.owner)?;
        }
        if !tx.change_incident(&known, &next)? {
            return Err(Error::Changed(String::new()));
        }
        let revision =
            Revision { number: next.revision, at: now, actor: person.to_owned(), title: title.clone(), sections: sections.clone() };
        tx.add_revision(id, &revision)?;
        let what = json!({ "revision": next.revision, "title": title, "severity": next.severity, "owner": next.owner, "sections": sections });
        tx.record(now, "postmortem.revise", by, format!("incident:{id}"), what)?;
        Ok(next.revision)
    });
    match kept {
        Ok(number) => Ok(Saving::Kept(number)),
        Err(Error::Changed(_)) => store.read(|read| {
            let known = read.incident(id)?.ok_or_else(|| Error::no("postmortem", id))?;
            let latest = read.revision(id, known.revision)?.ok_or_else(|| Error::no("revision of", id))?;
            Ok(Saving::Conflict(Box::new((known, latest))))
        }),
        Err(other) => Err(other),
    }
}

/// Moves a postmortem on. `seen` is the revision that was on the screen: what was not read is not reviewed or published.
pub fn set_status(
    store: &Store,
    by: &Actor,
    person: &str,
    id: &str,
    next: Status,
    seen: i64,
    now: Time,
) -> Result<Incident, Error> {
    store.write(|tx| {
        let known = tx.incident(id)?.ok_or_else(|| Error::no("postmortem", id))?;
        if known.revision != seen {
            let (now_at, latest) = (known.revision, seen);
            return Err(Error::Changed(format!(
                "You were looking at revision {latest}; somebody saved revision {now_at} meanwhile. Read that one first."
            )));
        }
        if !known.status.may_become(next) {
            return Err(Error::refused(format!(
                "{id} is {}; from there it cannot become {}.",
                known.status.says(),
                next.says()
            )));
        }
        let latest = tx.revision(id, seen)?.ok_or_else(|| Error::no("revision of", id))?;
        may_move(tx, &known, &latest, person, next)?;
        let mut after = Incident { status: next, changed_at: now, ..known.clone() };
        match next {
            Status::Draft => (after.reviewed, after.published) = (None, None),
            Status::InReview => after.reviewed = None,
            Status::Reviewed => after.reviewed = Some((person.to_owned(), now)),
            Status::Published if known.status != Status::Closed => after.published = Some((person.to_owned(), now)),
            Status::Published | Status::Closed => {}
        }
        if !tx.change_incident(&known, &after)? {
            return Err(Error::Changed(format!("Somebody changed {id} at the same moment. Look at it again first.")));
        }
        let what = json!({ "status": next, "revision": seen, "person": person, "text_sha256": hex::encode(fingerprint(&latest)) });
        tx.record(now, "postmortem.status", by, format!("incident:{id}"), what)?;
        Ok(after)
    })
}

/// What a status asks for beyond the order of statuses.
fn may_move(tx: &mut Tx<'_>, it: &Incident, latest: &Revision, person: &str, next: Status) -> Result<(), Error> {
    let empty = latest.sections.get(&Section::Summary).is_none_or(|text| text.trim().is_empty());
    match next {
        Status::Draft => Ok(()),
        Status::InReview | Status::Published if empty => Err(Error::refused(
            "The summary is empty. Write two or three sentences that a stranger understands, then hand it on.",
        )),
        Status::InReview => Ok(()),
        Status::Reviewed => {
            if person.eq_ignore_ascii_case(&it.owner) {
                return Err(Error::refused(
                    "You answer for this postmortem, so somebody else reviews it: best somebody from outside the pushing team.",
                ));
            }
            if blamed_actor(tx, it)?.is_some_and(|actor| actor.eq_ignore_ascii_case(person)) {
                return Err(Error::refused(
                    "The change that it is about was yours, so somebody else reviews it: best somebody from another team.",
                ));
            }
            Ok(())
        }
        Status::Published => Ok(()),
        Status::Closed => {
            let open = tx.action_items(&it.id)?.iter().filter(|item| item.state == ItemState::Open).count();
            if open == 0 {
                return Ok(());
            }
            let items = if open == 1 { "1 action item is".to_owned() } else { format!("{open} action items are") };
            Err(Error::refused(format!(
                "{items} still open. Show what is done, or drop what will not be done with a reason; then close it."
            )))
        }
    }
}

/// Who brought the change that the incident's regression is blamed on.
fn blamed_actor(tx: &mut Tx<'_>, it: &Incident) -> Result<Option<String>, Error> {
    let Some(id) = &it.regression else { return Ok(None) };
    let Some(regression) = tx.regression(id)? else { return Ok(None) };
    brought_by(tx, &regression.finding)
}

/// Who brought the change that is blamed, where one is.
fn brought_by(tx: &mut Tx<'_>, finding: &Regression) -> Result<Option<String>, Error> {
    Ok(match finding.blamed() {
        Some(suspect) if suspect.kind == SuspectKind::Push => tx.push(&suspect.id)?.map(|push| push.started.actor),
        Some(suspect) => tx.flag_change(&suspect.id)?.map(|change| change.actor),
        None => None,
    })
}

/// A text that was reviewed or published stays as it was read.
pub fn writable(it: &Incident) -> Result<(), Error> {
    match it.status {
        Status::Draft | Status::InReview => Ok(()),
        Status::Reviewed | Status::Published | Status::Closed => Err(Error::refused(format!(
            "{} is {}: its text stands as it was read. Take it back to draft to change it; the earlier revision stays.",
            it.id,
            it.status.says()
        ))),
    }
}

/// The hash of a revision's text: its title and sections in the order of the page.
pub fn fingerprint(it: &Revision) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(it.title.as_bytes());
    for section in Section::ALL {
        if let Some(text) = it.sections.get(&section) {
            hash.update(format!("\n\n## {}\n\n{text}", section.says()));
        }
    }
    hash.finalize().into()
}

fn title(text: &str) -> Result<(), String> {
    match text.trim().chars().count() {
        0 => Err("A title is missing: what happened, in one line, without a name in it.".into()),
        count if count > LONGEST_TITLE => {
            Err(format!("The title has {count} characters; {LONGEST_TITLE} fit on one line."))
        }
        _ => Ok(()),
    }
}

/// Refuses an owner whom nobody could ask.
fn known_owner(tx: &mut Tx<'_>, owner: &str) -> Result<(), Error> {
    match tx.person_by_email(owner.trim())? {
        Some(person) if person.disabled_at.is_none() => Ok(()),
        Some(_) | None => Err(Error::refused(format!(
            "“{owner}” is nobody who can sign in here. Name one person, by address, who is on the list of people."
        ))),
    }
}
