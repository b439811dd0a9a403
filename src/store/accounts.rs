//! Credentials: sessions, tokens and invitations. Only hashes of them are kept.

use super::{
    Read, StoreError, Tx, on_each,
    people::Person,
    schema::{invitation, session, token},
};
use crate::domain::{Time, access::Scope, time};
use diesel::prelude::*;

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who is signed in.
    pub person: Person,
    /// What forms must carry.
    pub csrf: String,
    /// When the session was last used.
    pub seen_at: Time,
    /// When it ends at the latest.
    pub expires_at: Time,
}

/// A token for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// What people call it, which is also the actor that its records carry.
    pub name: String,
    /// Its first characters, to recognise it by.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was last used, to the hour.
    pub used_at: Option<Time>,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
}

impl Token {
    /// Whether it may be used at an instant.
    pub fn is_valid_at(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// A one-time link with which somebody sets a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Whose password; none for the first administrator.
    pub person: Option<String>,
    /// When it ends.
    pub expires_at: Time,
    /// When it was used.
    pub used_at: Option<Time>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = token, treat_none_as_default_value = false)]
struct TokenRow {
    id: String,
    name: String,
    token_hash: Vec<u8>,
    prefix: String,
    scopes: String,
    created_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<TokenRow> for Token {
    fn from(row: TokenRow) -> Token {
        Token {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes.split(' ').filter_map(Scope::parse).collect(),
            created_by: row.created_by,
            created_at: time::from_micros(row.created_at),
            expires_at: row.expires_at.map(time::from_micros),
            used_at: row.used_at.map(time::from_micros),
            revoked_at: row.revoked_at.map(time::from_micros),
        }
    }
}

impl Read<'_> {
    /// The session behind a cookie's hash, if it is alive: not over, and of its person's present epoch.
    pub fn session(&mut self, token_hash: &[u8], now: Time) -> Result<Option<Session>, StoreError> {
        let row: Option<(String, String, i64, i64, i64)> = on_each!(self.db, c => session::table
            .find(token_hash)
            .select((session::person, session::csrf, session::auth_epoch, session::seen_at, session::expires_at))
            .first(c)
            .optional())?;
        let Some((person, csrf, epoch, seen_at, expires_at)) = row else { return Ok(None) };
        let (seen_at, expires_at) = (time::from_micros(seen_at), time::from_micros(expires_at));
        let person = self.person(&person)?.ok_or(StoreError::NotFound)?;
        let alive = person.auth_epoch == epoch && person.disabled_at.is_none() && expires_at > now;
        Ok(alive.then_some(Session { person, csrf, seen_at, expires_at }))
    }

    /// The token with this hash, whether or not it may still be used.
    pub fn token(&mut self, token_hash: &[u8]) -> Result<Option<Token>, StoreError> {
        let row: Option<TokenRow> = on_each!(self.db, c => token::table
            .filter(token::token_hash.eq(token_hash))
            .select(TokenRow::as_select())
            .first(c)
            .optional())?;
        Ok(row.map(Token::from))
    }

    /// Every token, newest first.
    pub fn tokens(&mut self) -> Result<Vec<Token>, StoreError> {
        let rows: Vec<TokenRow> =
            on_each!(self.db, c => token::table.select(TokenRow::as_select()).order(token::created_at.desc()).load(c))?;
        Ok(rows.into_iter().map(Token::from).collect())
    }

    /// The invitation with this hash.
    pub fn invitation(&mut self, token_hash: &[u8]) -> Result<Option<Invitation>, StoreError> {
        let row: Option<(Option<String>, i64, Option<i64>)> = on_each!(self.db, c => invitation::table
            .find(token_hash)
            .select((invitation::person, invitation::expires_at, invitation::used_at))
            .first(c)
            .optional())?;
        Ok(row.map(|(person, expires_at, used_at)| Invitation {
            person,
            expires_at: time::from_micros(expires_at),
            used_at: used_at.map(time::from_micros),
        }))
    }
}

impl Tx<'_> {
    /// Keeps a new session.
    pub fn add_session(
        &mut self,
        token_hash: &[u8],
        person: &Person,
        csrf: &str,
        now: Time,
        expires_at: Time,
    ) -> Result<(), StoreError> {
        let row = (
            session::token_hash.eq(token_hash),
            session::person.eq(&person.id),
            session::csrf.eq(csrf),
            session::auth_epoch.eq(person.auth_epoch),
            session::created_at.eq(time::micros(now)),
            session::seen_at.eq(time::micros(now)),
            session::expires_at.eq(time::micros(expires_at)),
        );
        on_each!(self.db, c => diesel::insert_into(session::table).values(row).execute(c))?;
        on_each!(self.db, c => diesel::delete(session::table.filter(session::expires_at.lt(time::micros(now)))).execute(c))?;
        Ok(())
    }

    /// Notes that a session was used.
    pub fn touch_session(&mut self, token_hash: &[u8], now: Time) -> Result<(), StoreError> {
        on_each!(self.db, c => diesel::update(session::table.find(token_hash))
            .set(session::seen_at.eq(time::micros(now)))
            .execute(c))?;
        Ok(())
    }

    /// Ends a session.
    pub fn end_session(&mut self, token_hash: &[u8]) -> Result<(), StoreError> {
        on_each!(self.db, c => diesel::delete(session::table.find(token_hash)).execute(c))?;
        Ok(())
    }

    /// Keeps a new token by its hash.
    pub fn add_token(&mut self, it: &Token, token_hash: &[u8]) -> Result<(), StoreError> {
        let scopes: Vec<&str> = it.scopes.iter().map(|scope| scope.word()).collect();
        let row = TokenRow {
            id: it.id.clone(),
            name: it.name.clone(),
            token_hash: token_hash.to_vec(),
            prefix: it.prefix.clone(),
            scopes: scopes.join(" "),
            created_by: it.created_by.clone(),
            created_at: time::micros(it.created_at),
            expires_at: it.expires_at.map(time::micros),
            used_at: None,
            revoked_at: None,
        };
        on_each!(self.db, c => diesel::insert_into(token::table).values(&row).execute(c))?;
        Ok(())
    }

    /// Notes that a token was used.
    pub fn touch_token(&mut self, id: &str, now: Time) -> Result<(), StoreError> {
        on_each!(self.db, c => diesel::update(token::table.find(id))
            .set(token::used_at.eq(Some(time::micros(now))))
            .execute(c))?;
        Ok(())
    }

    /// Takes a token back.
    pub fn revoke_token(&mut self, id: &str, now: Time) -> Result<(), StoreError> {
        let changed = on_each!(self.db, c => diesel::update(token::table.find(id).filter(token::revoked_at.is_null()))
            .set(token::revoked_at.eq(Some(time::micros(now))))
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Keeps an invitation by its hash. Unused ones for the same person are dead from now on.
    pub fn add_invitation(&mut self, token_hash: &[u8], it: &Invitation, now: Time) -> Result<(), StoreError> {
        let unused = invitation::table.filter(invitation::used_at.is_null());
        match &it.person {
            Some(id) => on_each!(self.db, c => diesel::delete(unused.filter(invitation::person.eq(id))).execute(c))?,
            None => on_each!(self.db, c => diesel::delete(unused.filter(invitation::person.is_null())).execute(c))?,
        };
        let row = (
            invitation::token_hash.eq(token_hash),
            invitation::person.eq(&it.person),
            invitation::created_at.eq(time::micros(now)),
            invitation::expires_at.eq(time::micros(it.expires_at)),
        );
        on_each!(self.db, c => diesel::insert_into(invitation::table).values(row).execute(c))?;
        Ok(())
    }

    /// Uses an invitation up. Not found where it was used already.
    pub fn use_invitation(&mut self, token_hash: &[u8], now: Time) -> Result<(), StoreError> {
        let changed = on_each!(self.db, c => diesel::update(invitation::table.find(token_hash).filter(invitation::used_at.is_null()))
            .set(invitation::used_at.eq(Some(time::micros(now))))
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
