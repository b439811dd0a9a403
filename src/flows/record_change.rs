//! Recording one change: a service declared, a push begun, a step, a flag change, a note.
//! Telemetry has a lane of its own.

use super::{Error, guard_push::refuse_bad_target};
use crate::{
    domain::{
        Record, Time,
        finding::Ending,
        step::{Action, PushStep},
        time,
    },
    secret,
    store::{Actor, Store, Tx, changes::Kept},
};
use serde_json::Value;

/// Keeps one change in its own transaction. A repeat changes nothing and is no error.
pub fn record_change(store: &Store, by: &Actor, record: &Record, now: Time) -> Result<Kept, Error> {
    store.keep(|tx| {
        if let Record::PushStep(step) = record {
            refuse_false_ending(tx, by, step, now)?;
        }
        keep_new(tx, by, record, now)
    })
}

/// Keeps the beginning of a push and its first step together: both, or neither. New where either is.
pub fn begin_push(store: &Store, by: &Actor, begun: &Record, first: &Record, now: Time) -> Result<Kept, Error> {
    store.keep(|tx| {
        let begun = keep_new(tx, by, begun, now)?;
        let first = keep_new(tx, by, first, now)?;
        Ok(if first == Kept::New { first } else { begun })
    })
}

/// Keeps one change, unless it is new and goes back to a bad release without saying why.
fn keep_new(tx: &mut Tx<'_>, by: &Actor, record: &Record, now: Time) -> Result<Kept, Error> {
    let kept = keep_change(tx, by, record, now)?;
    if kept == Kept::New {
        refuse_bad_target(tx, record)?;
    }
    Ok(kept)
}

/// Keeps one change inside a transaction that is already open, with its ledger entry.
pub fn keep_change(tx: &mut Tx<'_>, by: &Actor, record: &Record, now: Time) -> Result<Kept, Error> {
    let (kind, subject, kept) = match record {
        Record::Service(it) => {
            know_service(tx, by, &it.service, now)?;
            let new = tx.declare(it)?;
            ("service.declare", format!("service:{}", it.service), if new { Kept::New } else { Kept::Repeat })
        }
        Record::PushStarted(it) => {
            know_service(tx, by, &it.service, now)?;
            ("push.start", format!("push:{}", it.push), tx.keep_push(it)?)
        }
        Record::PushStep(it) => {
            let push = tx.push(&it.push)?.ok_or_else(|| unknown_push(&it.push))?;
            let kind = match it.action {
                Action::Advance => "push.advance",
                Action::Pause => "push.pause",
                Action::Resume => "push.resume",
                Action::Stop => "push.stop",
                Action::RollBack => "push.roll_back",
                Action::Complete => "push.complete",
            };
            let at = time::text(it.at);
            (kind, format!("step:{}@{at}", it.push), tx.keep_step(&push.started.service, it)?)
        }
        Record::FlagChanged(it) => {
            know_service(tx, by, &it.service, now)?;
            ("flag.change", format!("flag:{}", it.change), tx.keep_flag_change(it)?)
        }
        Record::Note(it) => {
            if let Some(service) = &it.service {
                know_service(tx, by, service, now)?;
            }
            ("note.add", format!("note:{}", hex::encode(&record.content_hash()[..8])), tx.keep_note(it)?)
        }
        Record::Exposure(_) | Record::Crash(_) => {
            return Err(Error::refused("Crash reports and exposure go through the telemetry lane, not this one."));
        }
    };
    match kept {
        Kept::New => tx.record(now, kind, by, subject, Value::Object(record.to_fields()))?,
        Kept::Repeat => {}
        Kept::Different => {
            let id = record.id().unwrap_or_default();
            return Err(Error::Changed(format!(
                "{} “{id}” is here already with other content. Ids are unique: give this one its own.",
                record.type_word()
            )));
        }
    }
    Ok(kept)
}

/// An id for a push whose sender has none: the service and the time, so that people can say it to each other.
pub fn new_push_id(service: &str, now: Time) -> String {
    let tail = secret::hex(&secret::random::<2>());
    format!("{service}-{}-{tail}", now.format("%Y%m%d-%H%M%S"))
}

/// Creates a service by its first use.
pub fn know_service(tx: &mut Tx<'_>, by: &Actor, name: &str, now: Time) -> Result<(), Error> {
    if tx.ensure_service(name, &secret::new_public_key(), now)? {
        tx.record(now, "service.create", by, format!("service:{name}"), serde_json::json!({ "service": name }))?;
    }
    Ok(())
}

fn unknown_push(id: &str) -> Error {
    Error::NotFound(format!(
        "There is no push “{id}”. Record its beginning first, with type push_started or `pushback push start`."
    ))
}

/// A push whose victims ran out cannot be closed as done while nobody minds the risk that it left.
fn refuse_false_ending(tx: &mut Tx<'_>, by: &Actor, step: &PushStep, now: Time) -> Result<(), Error> {
    if step.action != Action::Complete {
        return Ok(());
    }
    for it in tx.regressions_blamed_on(&step.push)? {
        let extinct = it.finding.ended_because == Some(Ending::VictimsGone);
        if extinct && it.is_open() && it.risk_owner.is_none() {
            let reason = format!(
                "{id} ran out of victims, and nobody has shown a fix. That is not a recovery. Name an owner for the open risk \
                 on the page of {id}; then this push can be closed.",
                id = it.finding.id
            );
            tracing::info!(push = %step.push, regression = %it.finding.id, actor = %by.id, at = %now, "closing was refused");
            return Err(Error::refused(reason));
        }
    }
    Ok(())
}
