//! The risk that a regression leaves when its victims ran out: naming who minds it, and closing it by showing a fix.
//! Also: noting that somebody looked.

use super::{Error, hold_push::reason};
use crate::{
    domain::{Time, time},
    store::{Actor, Store, findings::RiskClosed},
};
use serde_json::json;

/// Names who minds the open risk.
pub fn take_risk(store: &Store, by: &Actor, owner: &str, id: &str, now: Time) -> Result<(), Error> {
    store.write(|tx| {
        let it = tx.regression(id)?.ok_or_else(|| Error::no("regression", id))?;
        if !it.is_open() {
            return Err(Error::refused(format!("{id} is not an open risk.")));
        }
        tx.set_risk_owner(id, owner)?;
        tx.record(now, "risk.take", by, format!("regression:{id}"), json!({ "owner": owner }))?;
        Ok(())
    })
}

/// Closes the open risk by showing a fix.
pub fn close_risk(store: &Store, by: &Actor, person: &str, id: &str, shown: &str, now: Time) -> Result<(), Error> {
    let shown = reason(shown, "Say what shows that this cannot happen again: the release, the change, the test.")?;
    store.write(|tx| {
        let it = tx.regression(id)?.ok_or_else(|| Error::no("regression", id))?;
        if !it.is_open() {
            return Err(Error::Changed(format!("{id} is not an open risk any more.")));
        }
        tx.close_risk(id, &RiskClosed { at: now, actor: person.to_owned(), reason: shown.clone() })?;
        tx.record(now, "risk.close", by, format!("regression:{id}"), json!({ "person": person, "shown": shown }))?;
        Ok(())
    })
}

/// Notes that somebody had these regressions on the screen. At most once a minute each.
pub fn see(store: &Store, person: &str, ids: &[String], now: Time) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let fresh: Vec<String> = store.read::<_, Error>(|read| {
        let mut fresh = Vec::new();
        for id in ids {
            let seen = read.sightings(id)?;
            let last = seen.iter().find(|it| it.person == person).map(|it| it.last_at);
            if last.is_none_or(|last| now - last >= time::minutes(1)) {
                fresh.push(id.clone());
            }
        }
        Ok(fresh)
    })?;
    if fresh.is_empty() {
        return Ok(());
    }
    store.keep(|tx| {
        for id in &fresh {
            tx.keep_sighting(id, person, now)?;
        }
        Ok::<_, Error>(())
    })
}
