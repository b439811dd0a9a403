//! What the judge said, kept for good: regressions, everything ever said of them, continuations, and who looked when.

use super::{
    Read, StoreError, Tx, on_each,
    schema::{continuation, regression, said, sighting},
};
use crate::domain::{
    Time,
    finding::{Continuation, Known, Regression, SuspectKind},
    time,
};
use diesel::{prelude::*, upsert::excluded};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// A regression as it is kept: what is said of it now, and who minds the risk that it left.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRegression {
    /// What is said of it now.
    pub finding: Regression,
    /// Its lasting name for the judge.
    pub key: String,
    /// The evidence behind it, as JSON.
    pub evidence: String,
    /// When this was said.
    pub said_at: Time,
    /// Who minds the open risk.
    pub risk_owner: Option<String>,
    /// How the open risk was closed.
    pub risk_closed: Option<RiskClosed>,
}

/// How an open risk was closed: by showing a fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskClosed {
    /// When.
    pub at: Time,
    /// By whom.
    pub actor: String,
    /// What was shown.
    pub reason: String,
}

impl StoredRegression {
    /// Whether it still has to be minded.
    pub fn is_open(&self) -> bool {
        self.finding.is_open() && self.risk_closed.is_none()
    }
}

/// Everything that was said of a regression at one time, so that any page can be shown as it was then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saying {
    /// The regression.
    pub regression: Regression,
    /// The steps that had gone on by then.
    pub continuations: Vec<Continuation>,
    /// The evidence, as JSON.
    pub evidence: serde_json::Value,
}

/// A continuation as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredContinuation {
    /// What is said of it.
    pub finding: Continuation,
    /// Where the harm is.
    pub service: String,
    /// Where.
    pub environment: String,
    /// Crashes counted after the step, which assumes nothing.
    pub counted: i64,
}

/// Somebody looked at a regression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The regression.
    pub regression: String,
    /// Who looked, by address.
    pub person: String,
    /// First.
    pub first_at: Time,
    /// Last.
    pub last_at: Time,
    /// How many times.
    pub times: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = regression)]
struct Row {
    key: String,
    said_at: i64,
    body: String,
    evidence: String,
    risk_owner: Option<String>,
    risk_closed_at: Option<i64>,
    risk_closed_by: Option<String>,
    risk_reason: Option<String>,
}

impl TryFrom<Row> for StoredRegression {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<StoredRegression, StoreError> {
        let risk_closed = match (row.risk_closed_at, row.risk_closed_by, row.risk_reason) {
            (Some(at), Some(actor), Some(reason)) => Some(RiskClosed { at: time::from_micros(at), actor, reason }),
            _ => None,
        };
        Ok(StoredRegression {
            finding: json(&row.body)?,
            key: row.key,
            evidence: row.evidence,
            said_at: time::from_micros(row.said_at),
            risk_owner: row.risk_owner,
            risk_closed,
        })
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Other(error.to_string()))
}

/// Which continuations are asked for.
#[derive(Debug, Clone, Default)]
pub struct ContinuationFilter {
    /// From this instant on.
    pub from: Option<Time>,
    /// Up to this instant.
    pub to: Option<Time>,
    /// Where the harm was.
    pub service: Option<String>,
    /// Of one person or program.
    pub actor: Option<String>,
    /// Of people of a team.
    pub actors: Option<Vec<String>>,
    /// At this level of knowledge.
    pub known: Option<Known>,
    /// Of this push, or of this flag change.
    pub subject: Option<String>,
    /// Of this regression.
    pub regression: Option<String>,
}

impl Read<'_> {
    /// Every regression, latest detection first.
    pub fn regressions(&mut self, limit: i64) -> Result<Vec<StoredRegression>, StoreError> {
        let rows: Vec<Row> = on_each!(self.db, c => regression::table
            .select(Row::as_select())
            .order((regression::detected_at.desc(), regression::number.desc()))
            .limit(limit)
            .load(c))?;
        rows.into_iter().map(StoredRegression::try_from).collect()
    }

    /// Regressions of one service, in order of onset.
    pub fn regressions_of(&mut self, service: &str, environment: &str) -> Result<Vec<StoredRegression>, StoreError> {
        let rows: Vec<Row> = on_each!(self.db, c => regression::table
            .filter(regression::service.eq(service))
            .filter(regression::environment.eq(environment))
            .select(Row::as_select())
            .order(regression::onset_at.asc())
            .load(c))?;
        rows.into_iter().map(StoredRegression::try_from).collect()
    }

    /// Regressions of a service in every environment, in order of onset.
    pub fn regressions_anywhere_of(&mut self, service: &str) -> Result<Vec<StoredRegression>, StoreError> {
        let rows: Vec<Row> = on_each!(self.db, c => regression::table
            .filter(regression::service.eq(service))
            .select(Row::as_select())
            .order(regression::onset_at.asc())
            .load(c))?;
        rows.into_iter().map(StoredRegression::try_from).collect()
    }

    /// Regressions that a push or flag change is blamed for, in order of onset.
    pub fn regressions_blamed_on(&mut self, change: &str) -> Result<Vec<StoredRegression>, StoreError> {
        let rows: Vec<Row> = on_each!(self.db, c => regression::table
            .filter(regression::blamed_id.eq(change))
            .select(Row::as_select())
            .order(regression::onset_at.asc())
            .load(c))?;
        rows.into_iter().map(StoredRegression::try_from).collect()
    }

    /// Regressions that any of these pushes or flag changes is blamed for, in order of onset.
    pub fn regressions_blamed_on_any(&mut self, changes: &[String]) -> Result<Vec<StoredRegression>, StoreError> {
        let rows: Vec<Row> = on_each!(self.db, c => regression::table
            .filter(regression::blamed_id.eq_any(changes))
            .select(Row::as_select())
            .order(regression::onset_at.asc())
            .load(c))?;
        rows.into_iter().map(StoredRegression::try_from).collect()
    }

    /// Regressions that still have to be minded, latest detection first.
    pub fn open_regressions(&mut self) -> Result<Vec<StoredRegression>, StoreError> {
        let gone = crate::domain::finding::Ending::VictimsGone.word();
        let open = || {
            let kept = regression::table.filter(regression::withdrawn_at.is_null());
            kept.filter(regression::risk_closed_at.is_null())
        };
        // One after the other and put in order here: asked for both in order, SQLite would walk through all there ever were.
        let mut rows: Vec<(i64, i64, Row)> = on_each!(self.db, c => open()
            .filter(regression::ended_because.is_null())
            .select((regression::detected_at, regression::number, Row::as_select()))
            .load(c))?;
        rows.extend(on_each!(self.db, c => open()
            .filter(regression::ended_because.eq(gone))
            .select((regression::detected_at, regression::number, Row::as_select()))
            .load::<(i64, i64, Row)>(c))?);
        rows.sort_by_key(|(detected, number, _)| Reverse((*detected, *number)));
        let rows = rows.into_iter().map(|(.., row)| row);
        rows.map(StoredRegression::try_from).collect()
    }

    /// One regression.
    pub fn regression(&mut self, id: &str) -> Result<Option<StoredRegression>, StoreError> {
        let row: Option<Row> =
            on_each!(self.db, c => regression::table.find(id).select(Row::as_select()).first(c).optional())?;
        row.map(StoredRegression::try_from).transpose()
    }

    /// The judge's names of all regressions, with their ids.
    pub fn regression_keys(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(on_each!(self.db, c => regression::table
            .select((regression::key, regression::id))
            .order(regression::number.asc())
            .load(c))?)
    }

    /// What had been said of a regression by an instant, if anything.
    pub fn said_by(&mut self, id: &str, at: Time) -> Result<Option<(Time, Saying)>, StoreError> {
        let row: Option<(i64, String)> = on_each!(self.db, c => said::table
            .filter(said::regression.eq(id))
            .filter(said::at.le(time::micros(at)))
            .order(said::number.desc())
            .select((said::at, said::body))
            .first(c)
            .optional())?;
        row.map(|(at, body)| Ok((time::from_micros(at), json(&body)?))).transpose()
    }

    /// Everything ever said of a regression, in order.
    pub fn sayings(&mut self, id: &str) -> Result<Vec<(Time, Saying)>, StoreError> {
        let rows: Vec<(i64, String)> = on_each!(self.db, c => said::table
            .filter(said::regression.eq(id))
            .order(said::number.asc())
            .select((said::at, said::body))
            .load(c))?;
        rows.into_iter().map(|(at, body)| Ok((time::from_micros(at), json(&body)?))).collect()
    }

    /// Continuations, in order of their steps.
    pub fn continuations(&mut self, filter: &ContinuationFilter) -> Result<Vec<StoredContinuation>, StoreError> {
        type Columns = (String, String, i64, String, String);
        let rows: Vec<Columns> = on_each!(self.db, c => {
            let mut query = continuation::table
                .select((
                    continuation::service,
                    continuation::environment,
                    continuation::counted,
                    continuation::known,
                    continuation::body,
                ))
                .into_boxed();
            if let Some(from) = filter.from {
                query = query.filter(continuation::step_at.ge(time::micros(from)));
            }
            if let Some(to) = filter.to {
                query = query.filter(continuation::step_at.lt(time::micros(to)));
            }
            if let Some(service) = &filter.service {
                query = query.filter(continuation::service.eq(service));
            }
            if let Some(actor) = &filter.actor {
                query = query.filter(continuation::actor.eq(actor));
            }
            if let Some(actors) = &filter.actors {
                query = query.filter(continuation::actor.eq_any(actors));
            }
            if let Some(known) = filter.known {
                query = query.filter(continuation::known.eq(known.word()));
            }
            if let Some(regression) = &filter.regression {
                query = query.filter(continuation::regression.eq(regression));
            }
            if let Some(subject) = &filter.subject {
                query = query.filter(continuation::subject.eq(subject));
            }
            query.order((continuation::step_at.asc(), continuation::regression.asc())).load(c)
        })?;
        rows.into_iter()
            .map(|(service, environment, counted, known, body)| {
                let mut finding: Continuation = json(&body)?;
                finding.known = Known::parse(&known).ok_or_else(|| StoreError::Corrupt(format!("known {known}")))?;
                Ok(StoredContinuation { finding, service, environment, counted })
            })
            .collect()
    }

    /// Continuations of one regression, in order of their steps.
    pub fn continuations_of(&mut self, id: &str) -> Result<Vec<StoredContinuation>, StoreError> {
        self.continuations(&ContinuationFilter { regression: Some(id.to_owned()), ..ContinuationFilter::default() })
    }

    /// Who looked at a regression, in order of their first look.
    pub fn sightings(&mut self, id: &str) -> Result<Vec<Sighting>, StoreError> {
        let rows: Vec<(String, String, i64, i64, i64)> = on_each!(self.db, c => sighting::table
            .filter(sighting::regression.eq(id))
            .order(sighting::first_at.asc())
            .load(c))?;
        let sighting = |(regression, person, first, last, times)| Sighting {
            regression,
            person,
            first_at: time::from_micros(first),
            last_at: time::from_micros(last),
            times,
        };
        Ok(rows.into_iter().map(sighting).collect())
    }
}

impl Tx<'_> {
    /// The number of the next regression.
    pub fn next_regression(&mut self) -> Result<i64, StoreError> {
        let last: Option<i64> =
            on_each!(self.db, c => regression::table.select(diesel::dsl::max(regression::number)).first(c))?;
        Ok(last.unwrap_or(0) + 1)
    }

    /// Keeps what is said of a regression now, and adds it to everything ever said of it. `number` counts for a new one.
    pub fn keep_saying(&mut self, key: &str, number: i64, at: Time, it: &Saying) -> Result<(), StoreError> {
        let finding = &it.regression;
        let blamed = finding.blamed();
        let kind = |kind: SuspectKind| match kind {
            SuspectKind::Push => "push",
            SuspectKind::FlagChange => "flag_change",
        };
        let now = (
            regression::kind.eq(finding.kind.word()),
            regression::onset_at.eq(time::micros(finding.onset.at)),
            regression::detected_at.eq(time::micros(finding.detected_at)),
            regression::ended_at.eq(finding.ended_at.map(time::micros)),
            regression::ended_because.eq(finding.ended_because.map(|ending| ending.word())),
            regression::withdrawn_at.eq(finding.withdrawn.as_ref().map(|withdrawn| time::micros(withdrawn.at))),
            regression::blamed_kind.eq(blamed.map(|suspect| kind(suspect.kind))),
            regression::blamed_id.eq(blamed.map(|suspect| suspect.id.clone())),
            regression::said_at.eq(time::micros(at)),
            regression::body.eq(to_json(finding)?),
            regression::evidence.eq(it.evidence.to_string()),
        );
        let changed =
            on_each!(self.db, c => diesel::update(regression::table.find(&finding.id)).set(now.clone()).execute(c))?;
        if changed == 0 {
            let new = (
                regression::id.eq(&finding.id),
                regression::number.eq(number),
                regression::key.eq(key),
                regression::service.eq(&finding.service),
                regression::environment.eq(&finding.environment),
            );
            on_each!(self.db, c => diesel::insert_into(regression::table).values((new, now)).execute(c))?;
        }
        let last: Option<i64> = on_each!(self.db, c => said::table
            .filter(said::regression.eq(&finding.id))
            .select(diesel::dsl::max(said::number))
            .first(c))?;
        let row = (
            said::regression.eq(&finding.id),
            said::number.eq(last.unwrap_or(0) + 1),
            said::at.eq(time::micros(at)),
            said::body.eq(to_json(it)?),
        );
        on_each!(self.db, c => diesel::insert_into(said::table).values(row).execute(c))?;
        Ok(())
    }

    /// Gives a regression the name by which the judge calls it now.
    pub fn rename_regression(&mut self, id: &str, key: &str) -> Result<(), StoreError> {
        on_each!(self.db, c => diesel::update(regression::table.find(id)).set(regression::key.eq(key)).execute(c))?;
        Ok(())
    }

    /// Keeps a continuation as it is seen now.
    pub fn keep_continuation(&mut self, it: &StoredContinuation) -> Result<(), StoreError> {
        let finding = &it.finding;
        let (kind, subject) = match (&finding.push, &finding.change) {
            (Some(push), _) => ("push", push),
            (None, Some(change)) => ("flag_change", change),
            (None, None) => return Err(StoreError::Corrupt("a continuation names a push or a flag change".into())),
        };
        let row = (
            continuation::regression.eq(&finding.regression),
            continuation::subject.eq(subject),
            continuation::step_at.eq(time::micros(finding.step_at)),
            continuation::service.eq(&it.service),
            continuation::environment.eq(&it.environment),
            continuation::kind.eq(kind),
            continuation::actor.eq(&finding.actor),
            continuation::known.eq(finding.known.word()),
            continuation::counted.eq(it.counted),
            continuation::body.eq(to_json(finding)?),
        );
        on_each!(self.db, c => diesel::insert_into(continuation::table)
            .values(row)
            .on_conflict((continuation::regression, continuation::subject, continuation::step_at))
            .do_update()
            .set((
                continuation::known.eq(excluded(continuation::known)),
                continuation::counted.eq(excluded(continuation::counted)),
                continuation::body.eq(excluded(continuation::body)),
            ))
            .execute(c))?;
        Ok(())
    }

    /// Notes that somebody looked at a regression.
    pub fn keep_sighting(&mut self, regression: &str, person: &str, now: Time) -> Result<(), StoreError> {
        let now = time::micros(now);
        let row = (
            sighting::regression.eq(regression),
            sighting::person.eq(person),
            sighting::first_at.eq(now),
            sighting::last_at.eq(now),
            sighting::times.eq(1),
        );
        on_each!(self.db, c => diesel::insert_into(sighting::table)
            .values(row)
            .on_conflict((sighting::regression, sighting::person))
            .do_update()
            .set((sighting::last_at.eq(excluded(sighting::last_at)), sighting::times.eq(sighting::times + excluded(sighting::times))))
            .execute(c))?;
        Ok(())
    }

    /// Names who minds the risk that a regression left.
    pub fn set_risk_owner(&mut self, id: &str, owner: &str) -> Result<(), StoreError> {
        let changed = on_each!(self.db, c => diesel::update(regression::table.find(id))
            .set(regression::risk_owner.eq(Some(owner)))
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Closes the risk that a regression left.
    pub fn close_risk(&mut self, id: &str, closed: &RiskClosed) -> Result<(), StoreError> {
        let changes = (
            regression::risk_closed_at.eq(Some(time::micros(closed.at))),
            regression::risk_closed_by.eq(Some(&closed.actor)),
            regression::risk_reason.eq(Some(&closed.reason)),
        );
        let changed = on_each!(self.db, c => diesel::update(regression::table.find(id).filter(regression::risk_closed_at.is_null()))
            .set(changes)
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
