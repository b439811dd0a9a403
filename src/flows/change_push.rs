//! What people add to a push: a mark that its release is bad, and their own words beside a step.

use super::{Error, hold_push::reason};
use crate::{
    domain::{Time, time},
    secret,
    store::{Actor, Store, StoreError, changes::Bad, holds::Reply},
};
use serde_json::json;

/// Marks the release of a push as bad, so that nobody rolls back into it.
pub fn mark_bad(store: &Store, by: &Actor, person: &str, push: &str, why: &str, now: Time) -> Result<(), Error> {
    let why = reason(why, "Say what is wrong with this release.")?;
    store.write(|tx| {
        tx.push(push)?.ok_or_else(|| Error::no("push", push))?;
        let mark = Bad { at: now, actor: person.to_owned(), reason: why.clone() };
        match tx.mark_bad(push, &mark) {
            Err(StoreError::NotFound) => return Err(Error::Changed("This push is marked as bad already.".into())),
            other => other?,
        }
        tx.record(now, "push.mark_bad", by, format!("push:{push}"), json!({ "person": person, "reason": why }))?;
        Ok(())
    })
}

/// Puts a person's own words beside a step that this person took. Nobody else edits them.
pub fn reply(
    store: &Store,
    by: &Actor,
    person: &str,
    push: &str,
    step_at: Time,
    words: &str,
    now: Time,
) -> Result<(), Error> {
    let words = reason(words, "Say what you were looking at, what you expected, what was pressing.")?;
    store.write(|tx| {
        let known = tx.push(push)?.ok_or_else(|| Error::no("push", push))?;
        let step = tx
            .steps(push)?
            .into_iter()
            .find(|step| step.at == step_at)
            .ok_or_else(|| Error::no("step at", &time::text(step_at)))?;
        if !step.actor.eq_ignore_ascii_case(person) {
            return Err(Error::NotAllowed(format!(
                "This step was taken by {}; only they can put words beside it.",
                step.actor
            )));
        }
        let reply = Reply { push: push.to_owned(), step_at, person: person.to_owned(), at: now, words: words.clone() };
        tx.keep_reply(&secret::new_id(now), &known.started.service, &reply)?;
        let subject = format!("step:{push}@{}", time::text(step_at));
        tx.record(now, "step.reply", by, subject, json!({ "person": person, "words": words }))?;
        Ok(())
    })
}
