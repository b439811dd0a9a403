//! Services: their names, their keys, and what was declared of them.

use super::{
    Read, StoreError, Tx, on_each,
    schema::{declaration, service},
};
use crate::domain::{Record, Time, policy::Policy, service::ServiceDeclared, time};
use diesel::{prelude::*, upsert::excluded};

/// A service as it is kept.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = service, treat_none_as_default_value = false)]
struct Row {
    slug: String,
    project: i64,
    public_key: String,
    name: Option<String>,
    team: Option<String>,
    owner: Option<String>,
    depends_on: String,
    tag_names: String,
    created_at: i64,
    policy: String,
}

/// A service, with what was last declared of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its short name.
    pub service: String,
    /// Its number in a DSN.
    pub project: i64,
    /// The public key in its DSN.
    pub public_key: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The team that answers for it.
    pub team: Option<String>,
    /// The person who answers for it.
    pub owner: Option<String>,
    /// Services that it calls or is called by.
    pub depends_on: Vec<String>,
    /// The names under which its reports carry cell, peer release and clients dropped: JSON.
    pub tag_names: String,
    /// When it was first heard of.
    pub created_at: Time,
    /// What it asks of its own pushes.
    pub policy: Policy,
}

impl TryFrom<Row> for Service {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Service, StoreError> {
        // A policy that cannot be read must not pass for one that asks for nothing.
        let policy = Policy::parse(&row.policy)
            .map_err(|wrong| StoreError::Corrupt(format!("policy of {}: {}", row.slug, wrong.join(" "))))?;
        Ok(Service {
            service: row.slug,
            project: row.project,
            public_key: row.public_key,
            name: row.name,
            team: row.team,
            owner: row.owner,
            depends_on: serde_json::from_str(&row.depends_on).unwrap_or_default(),
            tag_names: row.tag_names,
            created_at: time::from_micros(row.created_at),
            policy,
        })
    }
}

impl Read<'_> {
    /// Every service, by name.
    pub fn services(&mut self) -> Result<Vec<Service>, StoreError> {
        let rows: Vec<Row> =
            on_each!(self.db, c => service::table.select(Row::as_select()).order(service::slug.asc()).load(c))?;
        rows.into_iter().map(Service::try_from).collect()
    }

    /// The next services by name, at most so many; from the first on with an empty name.
    pub fn services_after(&mut self, name: &str, limit: i64) -> Result<Vec<Service>, StoreError> {
        let rows: Vec<Row> = on_each!(self.db, c => service::table
            .filter(service::slug.gt(name))
            .select(Row::as_select())
            .order(service::slug.asc())
            .limit(limit)
            .load(c))?;
        rows.into_iter().map(Service::try_from).collect()
    }

    /// One service.
    pub fn service(&mut self, name: &str) -> Result<Option<Service>, StoreError> {
        let row: Option<Row> =
            on_each!(self.db, c => service::table.find(name).select(Row::as_select()).first(c).optional())?;
        row.map(Service::try_from).transpose()
    }

    /// The service whose crash door is project `number`.
    pub fn service_by_project(&mut self, number: i64) -> Result<Option<Service>, StoreError> {
        let row: Option<Row> = on_each!(self.db, c => service::table
            .filter(service::project.eq(number))
            .select(Row::as_select())
            .first(c)
            .optional())?;
        row.map(Service::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Makes sure that a service is known, with the key given if it is new. Says whether it is new.
    pub fn ensure_service(&mut self, name: &str, public_key: &str, now: Time) -> Result<bool, StoreError> {
        if self.service(name)?.is_some() {
            return Ok(false);
        }
        let last: Option<i64> =
            on_each!(self.db, c => service::table.select(diesel::dsl::max(service::project)).first(c))?;
        let row = Row {
            slug: name.to_owned(),
            project: last.unwrap_or(0) + 1,
            public_key: public_key.to_owned(),
            name: None,
            team: None,
            owner: None,
            depends_on: "[]".into(),
            tag_names: "{}".into(),
            created_at: time::micros(now),
            policy: "{}".into(),
        };
        on_each!(self.db, c => diesel::insert_into(service::table).values(&row).execute(c))?;
        Ok(true)
    }

    /// Keeps a declaration and brings the service up to date with it, field by field. Says whether it is new.
    pub fn declare(&mut self, it: &ServiceDeclared) -> Result<bool, StoreError> {
        let line = Record::Service(it.clone());
        let row = (
            declaration::service.eq(&it.service),
            declaration::hash.eq(line.content_hash().to_vec()),
            declaration::received_at.eq(time::micros(line.received_at())),
            declaration::body.eq(line.to_line()),
        );
        let new = on_each!(self.db, c => diesel::insert_into(declaration::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c))?;
        if new == 0 {
            return Ok(false);
        }
        let known = self.service(&it.service)?.ok_or(StoreError::NotFound)?;
        let depends_on = if it.depends_on.is_empty() { known.depends_on } else { it.depends_on.clone() };
        let changes = (
            service::name.eq(it.name.clone().or(known.name)),
            service::team.eq(it.team.clone().or(known.team)),
            service::owner.eq(it.owner.clone().or(known.owner)),
            service::depends_on.eq(serde_json::json!(depends_on).to_string()),
        );
        on_each!(self.db, c => diesel::update(service::table.find(&it.service)).set(changes).execute(c))?;
        Ok(true)
    }

    /// Sets the names under which a service's reports carry cell, peer release and clients dropped.
    pub fn set_tag_names(&mut self, name: &str, tag_names: &str) -> Result<(), StoreError> {
        let changed = on_each!(self.db, c => diesel::update(service::table.find(name))
            .set(service::tag_names.eq(tag_names))
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Sets what a service asks of its own pushes.
    pub fn set_policy(&mut self, name: &str, policy: &Policy) -> Result<(), StoreError> {
        let changed = on_each!(self.db, c => diesel::update(service::table.find(name))
            .set(service::policy.eq(serde_json::json!(policy).to_string()))
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Keeps a setting of the installation.
    pub fn set_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        use super::schema::setting;
        on_each!(self.db, c => diesel::insert_into(setting::table)
            .values((setting::name.eq(name), setting::value.eq(value)))
            .on_conflict(setting::name)
            .do_update()
            .set(setting::value.eq(excluded(setting::value)))
            .execute(c))?;
        Ok(())
    }
}

impl Read<'_> {
    /// A setting of the installation.
    pub fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        use super::schema::setting;
        Ok(on_each!(self.db, c => setting::table.find(name).select(setting::value).first(c).optional())?)
    }
}
