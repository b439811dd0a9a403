//! People: who they are, their role, and whether they may come in.

use super::{Read, StoreError, Tx, on_each, schema::person};
use crate::domain::{Time, access::Role, time};
use diesel::prelude::*;

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id in the ledger; it says nothing about the person.
    pub id: String,
    /// The e-mail address, lower case, which is also the name that records carry as actor.
    pub email: String,
    /// The name for people.
    pub name: String,
    /// The team.
    pub team: Option<String>,
    /// What the person is here for.
    pub role: Role,
    /// The argon2id hash; none before the first password was set.
    pub password_hash: Option<String>,
    /// Goes up when the password or the role changes; sessions of an older epoch are dead.
    pub auth_epoch: i64,
    /// When the person was added.
    pub created_at: Time,
    /// When the person was shut out.
    pub disabled_at: Option<Time>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = person, treat_none_as_default_value = false)]
struct Row {
    id: String,
    email: String,
    name: String,
    team: Option<String>,
    role: String,
    password_hash: Option<String>,
    auth_epoch: i64,
    created_at: i64,
    disabled_at: Option<i64>,
}

impl TryFrom<Row> for Person {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Person, StoreError> {
        Ok(Person {
            role: Role::parse(&row.role).ok_or_else(|| StoreError::Corrupt(format!("role {}", row.role)))?,
            id: row.id,
            email: row.email,
            name: row.name,
            team: row.team,
            password_hash: row.password_hash,
            auth_epoch: row.auth_epoch,
            created_at: time::from_micros(row.created_at),
            disabled_at: row.disabled_at.map(time::from_micros),
        })
    }
}

impl Read<'_> {
    /// Everybody, by address.
    pub fn people(&mut self) -> Result<Vec<Person>, StoreError> {
        let rows: Vec<Row> =
            on_each!(self.db, c => person::table.select(Row::as_select()).order(person::email.asc()).load(c))?;
        rows.into_iter().map(Person::try_from).collect()
    }

    /// One person by id.
    pub fn person(&mut self, id: &str) -> Result<Option<Person>, StoreError> {
        let row: Option<Row> =
            on_each!(self.db, c => person::table.find(id).select(Row::as_select()).first(c).optional())?;
        row.map(Person::try_from).transpose()
    }

    /// One person by address.
    pub fn person_by_email(&mut self, email: &str) -> Result<Option<Person>, StoreError> {
        let row: Option<Row> = on_each!(self.db, c => person::table
            .filter(person::email.eq(email.to_lowercase()))
            .select(Row::as_select())
            .first(c)
            .optional())?;
        row.map(Person::try_from).transpose()
    }

    /// Whether there is an administrator who can sign in.
    pub fn has_administrator(&mut self) -> Result<bool, StoreError> {
        let found: i64 = on_each!(self.db, c => person::table
            .filter(person::role.eq(Role::Administrator.word()))
            .filter(person::password_hash.is_not_null())
            .filter(person::disabled_at.is_null())
            .count()
            .first(c))?;
        Ok(found > 0)
    }
}

impl Tx<'_> {
    /// Adds a person.
    pub fn add_person(&mut self, it: &Person) -> Result<(), StoreError> {
        let row = Row {
            id: it.id.clone(),
            email: it.email.to_lowercase(),
            name: it.name.clone(),
            team: it.team.clone(),
            role: it.role.word().into(),
            password_hash: it.password_hash.clone(),
            auth_epoch: it.auth_epoch,
            created_at: time::micros(it.created_at),
            disabled_at: it.disabled_at.map(time::micros),
        };
        on_each!(self.db, c => diesel::insert_into(person::table).values(&row).execute(c))?;
        Ok(())
    }

    /// Sets a person's password hash; every session from before is dead.
    pub fn set_password(&mut self, id: &str, hash: &str) -> Result<(), StoreError> {
        let changed = on_each!(self.db, c => diesel::update(person::table.find(id))
            .set((person::password_hash.eq(Some(hash)), person::auth_epoch.eq(person::auth_epoch + 1)))
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Changes a person's name, team and role; a session from before is dead where the role changes.
    pub fn change_person(&mut self, id: &str, name: &str, team: Option<&str>, role: Role) -> Result<(), StoreError> {
        let known = self.person(id)?.ok_or(StoreError::NotFound)?;
        let epoch = known.auth_epoch + i64::from(known.role != role);
        on_each!(self.db, c => diesel::update(person::table.find(id))
            .set((person::name.eq(name), person::team.eq(team), person::role.eq(role.word()), person::auth_epoch.eq(epoch)))
            .execute(c))?;
        Ok(())
    }

    /// Shuts a person out, or lets them in again.
    pub fn set_disabled(&mut self, id: &str, at: Option<Time>) -> Result<(), StoreError> {
        let changed = on_each!(self.db, c => diesel::update(person::table.find(id))
            .set((person::disabled_at.eq(at.map(time::micros)), person::auth_epoch.eq(person::auth_epoch + 1)))
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
