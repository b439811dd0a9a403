//! What people and gates said about pushes: holds, gate answers, replies beside steps.

use super::{
    Read, StoreError, Tx,
    changes::{Bad, bad},
    on_each,
    schema::{gate_asked, hold, reply},
};
use crate::domain::{Time, finding::Decision, time};
use diesel::prelude::*;

/// Somebody's request that a push stop.
#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    /// Its id.
    pub id: String,
    /// The service of the push.
    pub service: String,
    /// The push.
    pub push: String,
    /// When it was asked for.
    pub at: Time,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When it was lifted, by whom and why.
    pub lifted: Option<Bad>,
}

impl Hold {
    /// Whether it was in force at an instant.
    pub fn in_force_at(&self, at: Time) -> bool {
        self.at <= at && self.lifted.as_ref().is_none_or(|lifted| lifted.at > at)
    }
}

/// What the gate answered when it was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct GateAsked {
    /// The push that asked.
    pub push: String,
    /// When.
    pub at: Time,
    /// Who asked.
    pub actor: String,
    /// The answer.
    pub decision: Decision,
    /// Why, in sentences.
    pub reasons: Vec<String>,
}

/// A person's own words beside a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The push.
    pub push: String,
    /// The step that the words are about.
    pub step_at: Time,
    /// Who speaks.
    pub person: String,
    /// When they were written.
    pub at: Time,
    /// The words.
    pub words: String,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = hold, treat_none_as_default_value = false)]
struct HoldRow {
    id: String,
    service: String,
    push: String,
    at: i64,
    actor: String,
    reason: String,
    lifted_at: Option<i64>,
    lifted_by: Option<String>,
    lifted_reason: Option<String>,
}

impl From<HoldRow> for Hold {
    fn from(row: HoldRow) -> Hold {
        Hold {
            id: row.id,
            service: row.service,
            push: row.push,
            at: time::from_micros(row.at),
            actor: row.actor,
            reason: row.reason,
            lifted: bad(row.lifted_at, row.lifted_by, row.lifted_reason),
        }
    }
}

impl Read<'_> {
    /// Holds on one push, in order.
    pub fn holds_of(&mut self, push: &str) -> Result<Vec<Hold>, StoreError> {
        let rows: Vec<HoldRow> = on_each!(self.db, c => hold::table
            .filter(hold::push.eq(push))
            .order(hold::at.asc())
            .select(HoldRow::as_select())
            .load(c))?;
        Ok(rows.into_iter().map(Hold::from).collect())
    }

    /// One hold.
    pub fn hold(&mut self, id: &str) -> Result<Option<Hold>, StoreError> {
        let row: Option<HoldRow> =
            on_each!(self.db, c => hold::table.find(id).select(HoldRow::as_select()).first(c).optional())?;
        Ok(row.map(Hold::from))
    }

    /// Every hold that has not been lifted, oldest first.
    pub fn holds_in_force(&mut self) -> Result<Vec<Hold>, StoreError> {
        let rows: Vec<HoldRow> = on_each!(self.db, c => hold::table
            .filter(hold::lifted_at.is_null())
            .order(hold::at.asc())
            .select(HoldRow::as_select())
            .load(c))?;
        Ok(rows.into_iter().map(Hold::from).collect())
    }

    /// What the gate answered for one push, in order.
    pub fn gate_answers(&mut self, push: &str) -> Result<Vec<GateAsked>, StoreError> {
        let rows: Vec<(String, i64, String, String, String)> = on_each!(self.db, c => gate_asked::table
            .filter(gate_asked::push.eq(push))
            .order(gate_asked::at.asc())
            .select((gate_asked::push, gate_asked::at, gate_asked::actor, gate_asked::decision, gate_asked::reasons))
            .load(c))?;
        rows.into_iter()
            .map(|(push, at, actor, decision, reasons)| {
                Ok(GateAsked {
                    push,
                    at: time::from_micros(at),
                    actor,
                    decision: Decision::parse(&decision)
                        .ok_or_else(|| StoreError::Corrupt(format!("gate decision {decision}")))?,
                    reasons: serde_json::from_str(&reasons).map_err(|error| StoreError::Corrupt(error.to_string()))?,
                })
            })
            .collect()
    }

    /// Replies beside the steps of one push, in order.
    pub fn replies(&mut self, push: &str) -> Result<Vec<Reply>, StoreError> {
        let rows: Vec<(String, i64, String, i64, String)> = on_each!(self.db, c => reply::table
            .filter(reply::push.eq(push))
            .order((reply::step_at.asc(), reply::at.asc()))
            .select((reply::push, reply::step_at, reply::person, reply::at, reply::words))
            .load(c))?;
        let reply = |(push, step_at, person, at, words)| Reply {
            push,
            step_at: time::from_micros(step_at),
            person,
            at: time::from_micros(at),
            words,
        };
        Ok(rows.into_iter().map(reply).collect())
    }
}

impl Tx<'_> {
    /// Keeps a hold.
    pub fn keep_hold(&mut self, it: &Hold) -> Result<(), StoreError> {
        let row = HoldRow {
            id: it.id.clone(),
            service: it.service.clone(),
            push: it.push.clone(),
            at: time::micros(it.at),
            actor: it.actor.clone(),
            reason: it.reason.clone(),
            lifted_at: None,
            lifted_by: None,
            lifted_reason: None,
        };
        on_each!(self.db, c => diesel::insert_into(hold::table).values(&row).execute(c))?;
        Ok(())
    }

    /// Lifts a hold that is in force.
    pub fn lift_hold(&mut self, id: &str, lifted: &Bad) -> Result<(), StoreError> {
        let changes = (
            hold::lifted_at.eq(Some(time::micros(lifted.at))),
            hold::lifted_by.eq(Some(&lifted.actor)),
            hold::lifted_reason.eq(Some(&lifted.reason)),
        );
        let changed = on_each!(self.db, c => diesel::update(hold::table.find(id).filter(hold::lifted_at.is_null()))
            .set(changes)
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Keeps what the gate answered.
    pub fn keep_gate_answer(&mut self, id: &str, service: &str, it: &GateAsked) -> Result<(), StoreError> {
        let row = (
            gate_asked::id.eq(id),
            gate_asked::service.eq(service),
            gate_asked::push.eq(&it.push),
            gate_asked::at.eq(time::micros(it.at)),
            gate_asked::actor.eq(&it.actor),
            gate_asked::decision.eq(it.decision.word()),
            gate_asked::reasons.eq(serde_json::json!(it.reasons).to_string()),
        );
        on_each!(self.db, c => diesel::insert_into(gate_asked::table).values(row).execute(c))?;
        Ok(())
    }

    /// Keeps a person's own words beside a step.
    pub fn keep_reply(&mut self, id: &str, service: &str, it: &Reply) -> Result<(), StoreError> {
        let row = (
            reply::id.eq(id),
            reply::service.eq(service),
            reply::push.eq(&it.push),
            reply::step_at.eq(time::micros(it.step_at)),
            reply::person.eq(&it.person),
            reply::at.eq(time::micros(it.at)),
            reply::words.eq(&it.words),
        );
        on_each!(self.db, c => diesel::insert_into(reply::table).values(row).execute(c))?;
        Ok(())
    }
}
