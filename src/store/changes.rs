//! Pushes, steps, flag changes and notes. What people and gates said about them is in `holds`.

use super::{
    Read, StoreError, Tx, on_each,
    schema::{flag_change, note, push, push_step, service},
};
use crate::domain::{
    Record, Time,
    flag::FlagChanged,
    note::Note,
    percent::Percent,
    push::{PushStarted, PushState, Standing},
    step::PushStep,
    time,
};
use diesel::prelude::*;

/// Whether a record was new, or the same as one that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is kept now.
    New,
    /// It was kept already, with the same content.
    Repeat,
    /// Its id is taken by a record with other content.
    Different,
}

/// A push with where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// As it was recorded.
    pub started: PushStarted,
    /// Where it stands.
    pub standing: Standing,
    /// When it was marked as bad, by whom and why.
    pub bad: Option<Bad>,
}

/// A push marked as bad, so that nobody rolls back into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bad {
    /// When.
    pub at: Time,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Reads a record back from its line.
pub(super) fn record(body: &str) -> Result<Record, StoreError> {
    Record::parse(body).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn wrong(what: &str) -> StoreError {
    StoreError::Corrupt(format!("a {what} was expected in its table"))
}

fn as_step(body: &str) -> Result<PushStep, StoreError> {
    match record(body)? {
        Record::PushStep(it) => Ok(it),
        _ => Err(wrong("push_step")),
    }
}

fn as_flag_change(body: &str) -> Result<FlagChanged, StoreError> {
    match record(body)? {
        Record::FlagChanged(it) => Ok(it),
        _ => Err(wrong("flag_changed")),
    }
}

fn as_note(body: &str) -> Result<Note, StoreError> {
    match record(body)? {
        Record::Note(it) => Ok(it),
        _ => Err(wrong("note")),
    }
}

type PushColumns = (String, String, f64, Option<i64>, Option<i64>, Option<String>, Option<String>);

fn as_push((body, state, percent, since, bad_at, bad_by, bad_reason): PushColumns) -> Result<Push, StoreError> {
    let Record::PushStarted(started) = record(&body)? else {
        return Err(wrong("push_started"));
    };
    Ok(Push {
        started,
        standing: Standing {
            state: PushState::parse(&state).ok_or_else(|| StoreError::Corrupt(format!("push state {state}")))?,
            percent: Percent::new(percent).ok_or_else(|| StoreError::Corrupt(format!("share {percent}")))?,
            since: since.map(time::from_micros),
        },
        bad: bad(bad_at, bad_by, bad_reason),
    })
}

pub(super) fn bad(at: Option<i64>, actor: Option<String>, reason: Option<String>) -> Option<Bad> {
    Some(Bad { at: time::from_micros(at?), actor: actor?, reason: reason? })
}

macro_rules! push_columns {
    () => {
        (push::body, push::state, push::percent, push::since, push::bad_at, push::bad_by, push::bad_reason)
    };
}

/// Which pushes are asked for.
#[derive(Debug, Clone, Default)]
pub struct PushFilter {
    /// Of this service only.
    pub service: Option<String>,
    /// In this environment only.
    pub environment: Option<String>,
    /// Begun before this instant only, to page on.
    pub before: Option<Time>,
    /// Of those begun at exactly `before`, also the ones whose id comes before this one, so that no page leaves out a push.
    pub before_id: Option<String>,
    /// That may still move only.
    pub open: bool,
    /// That came to an end only.
    pub closed: bool,
    /// At most so many.
    pub limit: i64,
}

impl Read<'_> {
    /// One push.
    pub fn push(&mut self, id: &str) -> Result<Option<Push>, StoreError> {
        let row: Option<PushColumns> = on_each!(self.db, c => push::table
            .filter(push::id.eq(id))
            .select(push_columns!())
            .first(c)
            .optional())?;
        row.map(as_push).transpose()
    }

    /// Pushes, newest first.
    pub fn pushes(&mut self, filter: &PushFilter) -> Result<Vec<Push>, StoreError> {
        let open = [PushState::UnderWay.word(), PushState::Paused.word()];
        let rows: Vec<PushColumns> = on_each!(self.db, c => {
            let mut query = push::table.select(push_columns!()).into_boxed();
            if let Some(service) = &filter.service {
                query = query.filter(push::service.eq(service));
            }
            if let Some(environment) = &filter.environment {
                query = query.filter(push::environment.eq(environment));
            }
            match (filter.before.map(time::micros), &filter.before_id) {
                (Some(at), Some(id)) => query = query.filter(push::at.lt(at).or(push::at.eq(at).and(push::id.lt(id)))),
                (Some(at), None) => query = query.filter(push::at.lt(at)),
                (None, _) => {}
            }
            if filter.open {
                query = query.filter(push::state.eq_any(open));
            }
            if filter.closed {
                query = query.filter(push::state.ne_all(open));
            }
            query.order((push::at.desc(), push::id.desc())).limit(filter.limit).load(c)
        })?;
        rows.into_iter().map(as_push).collect()
    }

    /// The steps of one push, in order of their times.
    pub fn steps(&mut self, push: &str) -> Result<Vec<PushStep>, StoreError> {
        let rows: Vec<String> = on_each!(self.db, c => push_step::table
            .filter(push_step::push.eq(push))
            .order((push_step::at.asc(), push_step::received_at.asc()))
            .select(push_step::body)
            .load(c))?;
        rows.iter().map(|body| as_step(body)).collect()
    }

    /// When pushes of any service moved in a range of time, in order: which push, when, and when that reached us.
    pub fn when_moved(&mut self, from: Time, to: Time) -> Result<Vec<(String, Time, Time)>, StoreError> {
        // Steps lie by service: each one's part of the range is a seek.
        let rows: Vec<(String, i64, i64)> = on_each!(self.db, c => push_step::table
            .filter(push_step::service.eq_any(service::table.select(service::slug)))
            .filter(push_step::at.between(time::micros(from), time::micros(to)))
            .order(push_step::at.asc())
            .select((push_step::push, push_step::at, push_step::received_at))
            .load(c))?;
        let moved = |(push, at, received)| (push, time::from_micros(at), time::from_micros(received));
        Ok(rows.into_iter().map(moved).collect())
    }

    /// The steps of one actor, newest first.
    pub fn steps_of_actor(&mut self, actor: &str, limit: i64) -> Result<Vec<PushStep>, StoreError> {
        let rows: Vec<String> = on_each!(self.db, c => push_step::table
            .filter(push_step::actor.eq(actor))
            .order(push_step::at.desc())
            .limit(limit)
            .select(push_step::body)
            .load(c))?;
        rows.iter().map(|body| as_step(body)).collect()
    }

    /// One flag change.
    pub fn flag_change(&mut self, change: &str) -> Result<Option<FlagChanged>, StoreError> {
        let row: Option<String> = on_each!(self.db, c => flag_change::table
            .filter(flag_change::change.eq(change))
            .select(flag_change::body)
            .first(c)
            .optional())?;
        row.map(|body| as_flag_change(&body)).transpose()
    }

    /// Flag changes, newest first: of one service, of one flag, before an instant, as asked.
    pub fn flag_changes(
        &mut self,
        service: Option<&str>,
        flag: Option<&str>,
        before: Option<Time>,
        limit: i64,
    ) -> Result<Vec<FlagChanged>, StoreError> {
        let rows: Vec<String> = on_each!(self.db, c => {
            let mut query = flag_change::table.select(flag_change::body).into_boxed();
            if let Some(service) = service {
                query = query.filter(flag_change::service.eq(service));
            }
            if let Some(flag) = flag {
                query = query.filter(flag_change::flag.eq(flag));
            }
            if let Some(before) = before {
                query = query.filter(flag_change::at.lt(time::micros(before)));
            }
            query.order((flag_change::at.desc(), flag_change::change.desc())).limit(limit).load(c)
        })?;
        rows.iter().map(|body| as_flag_change(body)).collect()
    }

    /// Every flag as it was last changed, by service, environment and name, with how many changes it has had.
    pub fn flags(&mut self) -> Result<Vec<(FlagChanged, i64)>, StoreError> {
        type Group = (String, String, String, Option<i64>, i64);
        let groups: Vec<Group> = on_each!(self.db, c => flag_change::table
            .group_by((flag_change::service, flag_change::environment, flag_change::flag))
            .select((
                flag_change::service,
                flag_change::environment,
                flag_change::flag,
                diesel::dsl::max(flag_change::at),
                diesel::dsl::count_star(),
            ))
            .load(c))?;
        let mut flags = Vec::with_capacity(groups.len());
        for groups in groups.chunks(500) {
            let times: Vec<i64> = groups.iter().filter_map(|group| group.3).collect();
            let rows: Vec<String> = on_each!(self.db, c => flag_change::table
                .filter(flag_change::at.eq_any(&times))
                .order(flag_change::change.asc())
                .select(flag_change::body)
                .load(c))?;
            let changes = rows.iter().map(|body| as_flag_change(body)).collect::<Result<Vec<_>, _>>()?;
            for (service, environment, flag, at, count) in groups {
                let latest = changes.iter().rfind(|it| {
                    it.service == *service
                        && it.environment == *environment
                        && it.flag == *flag
                        && Some(time::micros(it.at)) == *at
                });
                flags.extend(latest.map(|it| (it.clone(), *count)));
            }
        }
        let name = |it: &FlagChanged| (it.service.clone(), it.flag.clone(), it.environment.clone());
        flags.sort_by_key(|(it, _)| name(it));
        Ok(flags)
    }

    /// Flag changes of one service or of all in a range of time, in order.
    pub fn flag_changes_between(
        &mut self,
        service: Option<&str>,
        from: Time,
        to: Time,
    ) -> Result<Vec<FlagChanged>, StoreError> {
        let rows: Vec<String> = on_each!(self.db, c => {
            let between = flag_change::table
                .filter(flag_change::at.between(time::micros(from), time::micros(to)))
                .order(flag_change::at.asc())
                .select(flag_change::body);
            match service {
                Some(one) => between.filter(flag_change::service.eq(one)).load(c),
                None => between.filter(flag_change::service.eq_any(service::table.select(service::slug))).load(c),
            }
        })?;
        rows.iter().map(|body| as_flag_change(body)).collect()
    }

    /// Notes about a service in a range of time, in order; also those about no service.
    pub fn notes_between(&mut self, service: &str, from: Time, to: Time) -> Result<Vec<Note>, StoreError> {
        let rows: Vec<String> = on_each!(self.db, c => note::table
            .filter(note::service.eq(service).or(note::service.is_null()))
            .filter(note::at.between(time::micros(from), time::micros(to)))
            .order(note::at.asc())
            .select(note::body)
            .load(c))?;
        rows.iter().map(|body| as_note(body)).collect()
    }

    /// Declarations, pushes, steps, flag changes and notes that reached us from an instant on, as records in no order.
    pub fn changes_since(&mut self, since: Time) -> Result<Vec<Record>, StoreError> {
        use super::schema::declaration;
        let since = time::micros(since);
        let mut bodies: Vec<String> = on_each!(self.db, c => push::table
            .filter(push::received_at.ge(since))
            .select(push::body)
            .load(c))?;
        bodies.extend(on_each!(self.db, c => push_step::table
            .filter(push_step::received_at.ge(since))
            .select(push_step::body)
            .load::<String>(c))?);
        bodies.extend(on_each!(self.db, c => flag_change::table
            .filter(flag_change::received_at.ge(since))
            .select(flag_change::body)
            .load::<String>(c))?);
        bodies.extend(on_each!(self.db, c => note::table
            .filter(note::received_at.ge(since))
            .select(note::body)
            .load::<String>(c))?);
        bodies.extend(on_each!(self.db, c => declaration::table
            .filter(declaration::received_at.ge(since))
            .select(declaration::body)
            .load::<String>(c))?);
        bodies.iter().map(|body| record(body)).collect()
    }

    /// The push that brought a release of a service and was marked as bad, with the mark.
    pub fn bad_release(&mut self, service: &str, release: &str) -> Result<Option<(String, Bad)>, StoreError> {
        let row: Option<PushColumns> = on_each!(self.db, c => push::table
            .filter(push::service.eq(service))
            .filter(push::release.eq(release))
            .filter(push::bad_at.is_not_null())
            .order(push::bad_at.desc())
            .select(push_columns!())
            .first(c)
            .optional())?;
        let push = row.map(as_push).transpose()?;
        Ok(push.and_then(|it| it.bad.map(|bad| (it.started.push, bad))))
    }
}

impl Tx<'_> {
    /// Keeps a push.
    pub fn keep_push(&mut self, it: &PushStarted) -> Result<Kept, StoreError> {
        let line = Record::PushStarted(it.clone());
        let hash = line.content_hash().to_vec();
        let row = (
            push::service.eq(&it.service),
            push::id.eq(&it.push),
            push::environment.eq(&it.environment),
            push::release.eq(&it.release),
            push::previous.eq(&it.previous),
            push::kind.eq(it.kind.word()),
            push::actor.eq(&it.actor),
            push::at.eq(time::micros(it.at)),
            push::received_at.eq(time::micros(it.received_at)),
            push::hash.eq(&hash),
            push::body.eq(line.to_line()),
            push::state.eq(PushState::UnderWay.word()),
            push::percent.eq(0.0),
        );
        let new =
            on_each!(self.db, c => diesel::insert_into(push::table).values(row).on_conflict_do_nothing().execute(c))?;
        if new == 1 {
            return Ok(Kept::New);
        }
        let known: Vec<u8> =
            on_each!(self.db, c => push::table.filter(push::id.eq(&it.push)).select(push::hash).first(c))?;
        Ok(if known == hash { Kept::Repeat } else { Kept::Different })
    }

    /// Keeps a step of a push of that service, and where the push stands after it.
    pub fn keep_step(&mut self, service: &str, it: &PushStep) -> Result<Kept, StoreError> {
        let line = Record::PushStep(it.clone());
        let row = (
            push_step::service.eq(service),
            push_step::push.eq(&it.push),
            push_step::hash.eq(line.content_hash().to_vec()),
            push_step::at.eq(time::micros(it.at)),
            push_step::received_at.eq(time::micros(it.received_at)),
            push_step::actor.eq(&it.actor),
            push_step::action.eq(it.action.word()),
            push_step::percent.eq(it.percent.map(Percent::value)),
            push_step::body.eq(line.to_line()),
        );
        let new = on_each!(self.db, c => diesel::insert_into(push_step::table).values(row).on_conflict_do_nothing().execute(c))?;
        if new == 0 {
            return Ok(Kept::Repeat);
        }
        let standing = crate::domain::push::standing(&self.steps(&it.push)?);
        let changes = (
            push::state.eq(standing.state.word()),
            push::percent.eq(standing.percent.value()),
            push::since.eq(standing.since.map(time::micros)),
        );
        on_each!(self.db, c => diesel::update(push::table.filter(push::id.eq(&it.push))).set(changes).execute(c))?;
        Ok(Kept::New)
    }

    /// Keeps a flag change.
    pub fn keep_flag_change(&mut self, it: &FlagChanged) -> Result<Kept, StoreError> {
        let line = Record::FlagChanged(it.clone());
        let hash = line.content_hash().to_vec();
        let row = (
            flag_change::service.eq(&it.service),
            flag_change::change.eq(&it.change),
            flag_change::environment.eq(&it.environment),
            flag_change::flag.eq(&it.flag),
            flag_change::at.eq(time::micros(it.at)),
            flag_change::received_at.eq(time::micros(it.received_at)),
            flag_change::actor.eq(&it.actor),
            flag_change::hash.eq(&hash),
            flag_change::body.eq(line.to_line()),
        );
        let new = on_each!(self.db, c => diesel::insert_into(flag_change::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c))?;
        if new == 1 {
            return Ok(Kept::New);
        }
        let known: Vec<u8> = on_each!(self.db, c => flag_change::table
            .filter(flag_change::change.eq(&it.change))
            .select(flag_change::hash)
            .first(c))?;
        Ok(if known == hash { Kept::Repeat } else { Kept::Different })
    }

    /// Keeps a note.
    pub fn keep_note(&mut self, it: &Note) -> Result<Kept, StoreError> {
        let line = Record::Note(it.clone());
        let row = (
            note::hash.eq(line.content_hash().to_vec()),
            note::service.eq(&it.service),
            note::push.eq(&it.push),
            note::at.eq(time::micros(it.at)),
            note::received_at.eq(time::micros(it.received_at)),
            note::actor.eq(&it.actor),
            note::body.eq(line.to_line()),
        );
        let new =
            on_each!(self.db, c => diesel::insert_into(note::table).values(row).on_conflict_do_nothing().execute(c))?;
        Ok(if new == 1 { Kept::New } else { Kept::Repeat })
    }

    /// Marks a push as bad, once.
    pub fn mark_bad(&mut self, id: &str, mark: &Bad) -> Result<(), StoreError> {
        let changes = (
            push::bad_at.eq(Some(time::micros(mark.at))),
            push::bad_by.eq(Some(&mark.actor)),
            push::bad_reason.eq(Some(&mark.reason)),
        );
        let changed = on_each!(self.db, c => diesel::update(push::table.filter(push::id.eq(id)).filter(push::bad_at.is_null()))
            .set(changes)
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
