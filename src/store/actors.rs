//! What one actor did, wherever it was recorded: a person by address, a program by name. And finding things by a part of
//! their name.

use super::{
    Read, StoreError,
    changes::{Bad, record},
    holds::{Hold, Reply},
    on_each,
    schema::{flag_change, hold, incident, push, push_step, regression, reply, signature},
    telemetry::one_after_another,
};
use crate::domain::{Record, Time, flag::FlagChanged, push::PushStarted, push::PushState, time};
use diesel::{dsl::count_star, prelude::*};
use std::collections::BTreeMap;

/// Something that was found, with what it is called and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The service that it belongs to.
    pub service: String,
    /// Its id or text.
    pub name: String,
    /// What else is worth reading in a list.
    pub about: String,
}

/// The text as a pattern that finds it anywhere, with its own wildcards made plain.
fn anywhere(text: &str) -> String {
    format!("%{}%", text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

diesel::define_sql_function! {
    /// Small letters; SQLite knows them for ASCII only.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

type HoldColumns = (String, String, String, i64, String, String, Option<i64>, Option<String>, Option<String>);

impl Read<'_> {
    /// The pushes that somebody began, newest first, with where they stand.
    pub fn pushes_of_actor(&mut self, actor: &str, limit: i64) -> Result<Vec<(PushStarted, PushState)>, StoreError> {
        let rows: Vec<(String, String)> = on_each!(self.db, c => push::table
            .filter(push::actor.eq(actor))
            .order(push::at.desc())
            .limit(limit)
            .select((push::body, push::state))
            .load(c))?;
        rows.iter()
            .map(|(body, state)| match (record(body)?, PushState::parse(state)) {
                (Record::PushStarted(started), Some(state)) => Ok((started, state)),
                _ => Err(StoreError::Corrupt(format!("a push in state {state}"))),
            })
            .collect()
    }

    /// The flag changes that somebody made, newest first.
    pub fn flag_changes_of_actor(&mut self, actor: &str, limit: i64) -> Result<Vec<FlagChanged>, StoreError> {
        let rows: Vec<String> = on_each!(self.db, c => flag_change::table
            .filter(flag_change::actor.eq(actor))
            .order(flag_change::at.desc())
            .limit(limit)
            .select(flag_change::body)
            .load(c))?;
        rows.iter()
            .map(|body| match record(body)? {
                Record::FlagChanged(change) => Ok(change),
                _ => Err(StoreError::Corrupt("a flag_changed was expected in its table".into())),
            })
            .collect()
    }

    /// How many steps somebody took, and how many flag changes somebody made.
    pub fn step_counts_of_actor(&mut self, actor: &str) -> Result<(i64, i64), StoreError> {
        let steps = on_each!(self.db, c => push_step::table.filter(push_step::actor.eq(actor)).count().first(c))?;
        let changes = on_each!(self.db, c => flag_change::table.filter(flag_change::actor.eq(actor)).count().first(c))?;
        Ok((steps, changes))
    }

    /// Everybody who ever took a step, by name.
    fn step_takers(&mut self) -> Result<Vec<String>, StoreError> {
        one_after_another(|after| {
            Ok(on_each!(self.db, c => push_step::table
                .filter(push_step::actor.gt(after))
                .order(push_step::actor.asc())
                .select(push_step::actor)
                .first(c)
                .optional())?)
        })
    }

    /// Everybody who ever took a step or changed a flag, people and programs, by name.
    pub fn actors(&mut self) -> Result<Vec<String>, StoreError> {
        let mut actors = self.step_takers()?;
        actors.extend(one_after_another(|after| {
            Ok(on_each!(self.db, c => flag_change::table
                .filter(flag_change::actor.gt(after))
                .order(flag_change::actor.asc())
                .select(flag_change::actor)
                .first(c)
                .optional())?)
        })?);
        actors.sort();
        actors.dedup();
        Ok(actors)
    }

    /// Who took steps and changed flags in a range of time, in one service or in all, and how many of both together, by name.
    pub fn changes_by_actor(
        &mut self,
        service: Option<&str>,
        from: Time,
        to: Time,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let (from, to) = (time::micros(from), time::micros(to));
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        match service {
            Some(service) => counts.extend(on_each!(self.db, c => push_step::table
                .filter(push_step::service.eq(service))
                .filter(push_step::at.between(from, to))
                .group_by(push_step::actor)
                .select((push_step::actor, count_star()))
                .load::<(String, i64)>(c))?),
            // One by one: each count stands together in the index, where all of them would have to be gone through in its order.
            None => {
                for actor in self.step_takers()? {
                    let steps: i64 = on_each!(self.db, c => push_step::table
                        .filter(push_step::actor.eq(&actor))
                        .filter(push_step::at.between(from, to))
                        .count()
                        .get_result(c))?;
                    counts.insert(actor, steps);
                }
            }
        }
        let flags: Vec<(String, i64)> = on_each!(self.db, c => {
            let query = flag_change::table
                .filter(flag_change::at.between(from, to))
                .group_by(flag_change::actor)
                .select((flag_change::actor, count_star()));
            match service {
                Some(service) => query.filter(flag_change::service.eq(service)).load(c),
                None => query.load(c),
            }
        })?;
        for (actor, changes) in flags {
            *counts.entry(actor).or_insert(0) += changes;
        }
        Ok(counts.into_iter().filter(|it| it.1 > 0).collect())
    }

    /// The holds that somebody placed, newest first.
    pub fn holds_of_actor(&mut self, actor: &str) -> Result<Vec<Hold>, StoreError> {
        let rows: Vec<HoldColumns> = on_each!(self.db, c => hold::table
            .filter(hold::actor.eq(actor))
            .order(hold::at.desc())
            .select((
                hold::id,
                hold::service,
                hold::push,
                hold::at,
                hold::actor,
                hold::reason,
                hold::lifted_at,
                hold::lifted_by,
                hold::lifted_reason,
            ))
            .load(c))?;
        let hold = |(id, service, push, at, actor, reason, lifted_at, lifted_by, lifted_reason): HoldColumns| Hold {
            id,
            service,
            push,
            at: time::from_micros(at),
            actor,
            reason,
            lifted: match (lifted_at, lifted_by, lifted_reason) {
                (Some(at), Some(actor), Some(reason)) => Some(Bad { at: time::from_micros(at), actor, reason }),
                _ => None,
            },
        };
        Ok(rows.into_iter().map(hold).collect())
    }

    /// What somebody wrote beside steps of theirs, newest first.
    pub fn replies_of_person(&mut self, person: &str) -> Result<Vec<Reply>, StoreError> {
        let rows: Vec<(String, i64, String, i64, String)> = on_each!(self.db, c => reply::table
            .filter(reply::person.eq(person))
            .order(reply::at.desc())
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

    /// Pushes whose id or release holds a text, newest first.
    pub fn find_pushes(&mut self, text: &str, limit: i64) -> Result<Vec<Hit>, StoreError> {
        let like = anywhere(text);
        let rows: Vec<(String, String, String)> = on_each!(self.db, c => push::table
            .filter(lower(push::id).like(&like).escape('\\').or(lower(push::release).like(&like).escape('\\')))
            .order(push::at.desc())
            .limit(limit)
            .select((push::service, push::id, push::release))
            .load(c))?;
        Ok(rows.into_iter().map(|(service, name, about)| Hit { service, name, about }).collect())
    }

    /// Flags whose name holds a text, by name.
    pub fn find_flags(&mut self, text: &str, limit: i64) -> Result<Vec<Hit>, StoreError> {
        let like = anywhere(text);
        let rows: Vec<(String, String)> = on_each!(self.db, c => flag_change::table
            .filter(lower(flag_change::flag).like(&like).escape('\\'))
            .select((flag_change::service, flag_change::flag))
            .distinct()
            .order((flag_change::flag.asc(), flag_change::service.asc()))
            .limit(limit)
            .load(c))?;
        Ok(rows.into_iter().map(|(service, name)| Hit { service, name, about: String::new() }).collect())
    }

    /// Signatures that hold a text, latest first.
    pub fn find_signatures(&mut self, text: &str, limit: i64) -> Result<Vec<Hit>, StoreError> {
        let like = anywhere(text);
        // Names alone stand in an index; the counts of all that do not fit need not be read.
        let rows: Vec<(String, String)> = on_each!(self.db, c => signature::table
            .filter(lower(signature::title).like(&like).escape('\\'))
            .order(signature::last_at.desc())
            .limit(limit)
            .select((signature::service, signature::title))
            .load(c))?;
        let mut hits = Vec::new();
        for (service, name) in rows {
            let crashes = self.signature(&service, &name)?.map_or(0, |it| it.crashes);
            hits.push(Hit { service, name, about: format!("{crashes} crashes") });
        }
        Ok(hits)
    }

    /// Regressions whose id is a text, or whose record holds it (signatures, victims, suspects), latest first.
    pub fn find_regressions(&mut self, text: &str, limit: i64) -> Result<Vec<Hit>, StoreError> {
        let like = anywhere(text);
        let rows: Vec<(String, String, String)> = on_each!(self.db, c => regression::table
            .filter(regression::id.eq(text.to_lowercase())
                .or(lower(regression::service).like(&like).escape('\\'))
                .or(lower(regression::body).like(&like).escape('\\')))
            .order(regression::detected_at.desc())
            .limit(limit)
            .select((regression::service, regression::id, regression::kind))
            .load(c))?;
        Ok(rows.into_iter().map(|(service, name, about)| Hit { service, name, about }).collect())
    }

    /// Postmortems whose id or title holds a text, newest first.
    pub fn find_incidents(&mut self, text: &str, limit: i64) -> Result<Vec<Hit>, StoreError> {
        let like = anywhere(text);
        let rows: Vec<(String, String, String)> = on_each!(self.db, c => incident::table
            .filter(lower(incident::id).like(&like).escape('\\').or(lower(incident::title).like(&like).escape('\\')))
            .order(incident::number.desc())
            .limit(limit)
            .select((incident::service, incident::id, incident::title))
            .load(c))?;
        Ok(rows.into_iter().map(|(service, name, about)| Hit { service, name, about }).collect())
    }
}
