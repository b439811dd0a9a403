//! Action items: one thing, one person, one date, and how we will know that it worked.

use super::{Error, known_owner, reason};
use crate::{
    domain::{
        Time,
        incident::{ItemKind, ItemState},
    },
    secret,
    store::{Actor, Store, StoreError, incidents::ActionItem},
};
use serde_json::json;

/// What somebody wants to be done.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// What is to be done, beginning with a verb.
    pub words: String,
    /// What it is for.
    pub kind: ItemKind,
    /// The address of the one who does it.
    pub owner: String,
    /// By when; none where the form's date could not be read.
    pub due_at: Option<Time>,
    /// How we will know that it worked.
    pub proof: String,
}

/// Adds an action item to an incident.
pub fn add_item(
    store: &Store,
    by: &Actor,
    person: &str,
    id: &str,
    it: &NewItem,
    now: Time,
) -> Result<ActionItem, Error> {
    let words =
        reason(&it.words, "Say what is to be done, beginning with a verb, and so that one can see when it is done.");
    let proof =
        reason(&it.proof, "Say how we will know that it worked: what can be seen then that cannot be seen now.");
    let mut reasons = Vec::new();
    for outcome in [words.as_ref().err(), proof.as_ref().err()].into_iter().flatten() {
        reasons.push(outcome.to_string());
    }
    match it.due_at {
        None => reasons.push("A date is missing: by when?".into()),
        Some(due) if due < now => reasons.push("The date is past. By when from now?".into()),
        Some(_) => {}
    }
    let (Ok(words), Ok(proof), Some(due_at), true) = (words, proof, it.due_at, reasons.is_empty()) else {
        return Err(Error::Refused(reasons));
    };
    store.write(|tx| {
        tx.incident(id)?.ok_or_else(|| Error::no("postmortem", id))?;
        known_owner(tx, &it.owner)?;
        let item = ActionItem {
            id: secret::new_id(now),
            incident: id.to_owned(),
            words: words.clone(),
            kind: it.kind,
            owner: it.owner.trim().to_lowercase(),
            due_at,
            proof: proof.clone(),
            state: ItemState::Open,
            created_at: now,
            created_by: person.to_owned(),
            ended_at: None,
            ended_by: None,
            ended_reason: None,
        };
        tx.add_action_item(&item)?;
        let what = json!({ "item": item.id, "words": item.words, "kind": item.kind, "owner": item.owner, "due": crate::domain::time::text(due_at), "proof": item.proof });
        tx.record(now, "item.add", by, format!("incident:{id}"), what)?;
        Ok(item)
    })
}

/// Ends an action item: done, with what shows it, or dropped, with a reason. Gives back the incident's id.
pub fn end_item(
    store: &Store,
    by: &Actor,
    person: &str,
    item: &str,
    state: ItemState,
    why: &str,
    now: Time,
) -> Result<String, Error> {
    let ask = match state {
        ItemState::Done => "Say what shows that it is done.",
        ItemState::Dropped => "Say why it will not be done.",
        ItemState::Open => {
            return Err(Error::refused("An action item that has ended is not opened again; add a new one."));
        }
    };
    let why = reason(why, ask)?;
    store.write(|tx| {
        let known = tx.action_item(item)?.ok_or_else(|| Error::no("action item", item))?;
        match tx.end_action_item(item, state, now, person, &why) {
            Err(StoreError::NotFound) => {
                return Err(Error::Changed("Somebody else ended this action item meanwhile.".into()));
            }
            other => other?,
        }
        let kind = if state == ItemState::Done { "item.done" } else { "item.drop" };
        let what = json!({ "item": item, "person": person, "reason": why });
        tx.record(now, kind, by, format!("incident:{}", known.incident), what)?;
        Ok(known.incident)
    })
}
