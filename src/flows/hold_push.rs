//! Holding a push, and lifting a hold. Anybody signed in can ask for a stop with one line.

use super::Error;
use crate::{
    domain::Time,
    secret,
    store::{Actor, Store, changes::Bad, holds::Hold},
};
use serde_json::json;

/// The longest reason, characters.
const LONGEST: usize = 1000;

/// A reason that says something, or a refusal that says what is missing.
pub fn reason(text: &str, ask: &str) -> Result<String, Error> {
    let text: String = text.trim().chars().filter(|letter| !letter.is_control() || *letter == '\n').collect();
    if text.is_empty() {
        return Err(Error::refused(format!("{ask} One line is enough.")));
    }
    if text.chars().count() > LONGEST {
        return Err(Error::refused(format!("{ask} At most {LONGEST} characters.")));
    }
    Ok(text)
}

/// Asks for a push to stop. `person` is the address that everybody sees.
pub fn hold_push(store: &Store, by: &Actor, person: &str, push: &str, why: &str, now: Time) -> Result<Hold, Error> {
    let why = reason(why, "Say what you saw, so that others can look at it too.")?;
    store.write(|tx| {
        let known = tx.push(push)?.ok_or_else(|| Error::no("push", push))?;
        let hold = Hold {
            id: secret::new_id(now),
            service: known.started.service,
            push: push.to_owned(),
            at: now,
            actor: person.to_owned(),
            reason: why.clone(),
            lifted: None,
        };
        tx.keep_hold(&hold)?;
        tx.record(
            now,
            "push.hold",
            by,
            format!("push:{push}"),
            json!({ "hold": hold.id, "person": person, "reason": why }),
        )?;
        Ok(hold)
    })
}

/// Lifts a hold, with a name and a reason.
pub fn lift_hold(store: &Store, by: &Actor, person: &str, id: &str, why: &str, now: Time) -> Result<Hold, Error> {
    let why = reason(why, "Say why the hold may be lifted.")?;
    store.write(|tx| {
        let hold = tx.hold(id)?.ok_or_else(|| Error::no("hold", id))?;
        if hold.lifted.is_some() {
            return Err(Error::Changed("This hold was lifted by somebody else meanwhile.".into()));
        }
        let lifted = Bad { at: now, actor: person.to_owned(), reason: why.clone() };
        tx.lift_hold(id, &lifted)?;
        tx.record(
            now,
            "push.lift_hold",
            by,
            format!("push:{}", hold.push),
            json!({ "hold": id, "person": person, "reason": why }),
        )?;
        Ok(Hold { lifted: Some(lifted), ..hold })
    })
}
