//! What an administrator does, on a page or at the console: people, services, tokens.

use super::{Error, sign_in};
use crate::{
    domain::{
        Time,
        access::{Role, Scope},
        time,
    },
    secret,
    store::{Actor, Store, StoreError, accounts::Token, people::Person, services::Service},
};
use serde_json::json;

/// A name that can stand in a URL and in records.
pub fn slug(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let good = !text.is_empty()
        && text.len() <= 100
        && text.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter))
        && !text.starts_with('.');
    if good {
        Ok(text.to_owned())
    } else {
        Err(Error::refused(
            "A service's name has letters, digits, hyphens, underscores and dots, 100 at most, as in checkout-api.",
        ))
    }
}

/// Somebody to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewPerson<'a> {
    /// The e-mail address.
    pub email: &'a str,
    /// The name for people; the address stands in for it.
    pub name: Option<&'a str>,
    /// The team.
    pub team: Option<&'a str>,
    /// What the person is here for.
    pub role: Role,
    /// The password; without one, an invitation lets them set it.
    pub password: Option<&'a str>,
}

/// Adds a person.
pub fn add_person(store: &Store, by: &Actor, new: NewPerson<'_>, now: Time) -> Result<Person, Error> {
    let NewPerson { email, name, team, role, password } = new;
    let email = sign_in::email(email)?;
    let some = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let person = Person {
        id: secret::new_id(now),
        name: some(name).unwrap_or_else(|| email.clone()),
        team: some(team),
        role,
        password_hash: password.map(|password| sign_in::hash_password(password, &email)).transpose()?,
        auth_epoch: 1,
        created_at: now,
        disabled_at: None,
        email,
    };
    store.write(|tx| {
        match tx.add_person(&person) {
            Err(StoreError::Taken(_)) => return Err(Error::Changed(format!("{} is here already.", person.email))),
            other => other?,
        }
        let what = json!({ "email": person.email, "role": role, "team": person.team });
        tx.record(now, "person.add", by, format!("person:{}", person.id), what)?;
        Ok(())
    })?;
    Ok(person)
}

/// Changes a person's name, team and role. The last administrator stays one.
pub fn change_person(
    store: &Store,
    by: &Actor,
    id: &str,
    name: &str,
    team: Option<&str>,
    role: Role,
    now: Time,
) -> Result<(), Error> {
    store.write(|tx| {
        let known = tx.person(id)?.ok_or_else(|| Error::no("person", id))?;
        if known.role == Role::Administrator && role != Role::Administrator && is_last(tx.people()?, id) {
            return Err(Error::refused("This is the last administrator. Make somebody else one first."));
        }
        tx.change_person(id, name.trim(), team, role)?;
        tx.record(now, "person.change", by, format!("person:{id}"), json!({ "role": role, "team": team }))?;
        Ok(())
    })
}

/// Shuts a person out, or lets them in again. The last administrator stays in.
pub fn set_disabled(store: &Store, by: &Actor, id: &str, disabled: bool, now: Time) -> Result<(), Error> {
    store.write(|tx| {
        let known = tx.person(id)?.ok_or_else(|| Error::no("person", id))?;
        if disabled && known.role == Role::Administrator && is_last(tx.people()?, id) {
            return Err(Error::refused("This is the last administrator, who cannot be shut out."));
        }
        tx.set_disabled(id, disabled.then_some(now))?;
        let kind = if disabled { "person.disable" } else { "person.enable" };
        tx.record(now, kind, by, format!("person:{id}"), json!({}))?;
        Ok(())
    })
}

fn is_last(people: Vec<Person>, id: &str) -> bool {
    !people.iter().any(|other| other.id != id && other.role == Role::Administrator && other.disabled_at.is_none())
}

/// A new link with which a person sets a password; older ones end.
pub fn invite(store: &Store, id: &str, now: Time) -> Result<String, Error> {
    store.read::<_, Error>(|read| read.person(id)?.ok_or_else(|| Error::no("person", id)))?;
    let link = secret::new_secret("welcome");
    sign_in::invite(store, Some(id), &link, now)?;
    Ok(link)
}

/// Adds a service. One that is here already comes back as it is.
pub fn add_service(store: &Store, by: &Actor, name: &str, now: Time) -> Result<Service, Error> {
    let name = slug(name)?;
    store.keep(|tx| {
        super::record_change::know_service(tx, by, &name, now)?;
        tx.service(&name)?.ok_or_else(|| Error::no("service", &name))
    })
}

/// The address that a service's crash clients send to.
pub fn dsn(base_url: &str, service: &Service) -> String {
    match base_url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}@{rest}/{}", service.public_key, service.project),
        None => format!("http://{}@{base_url}/{}", service.public_key, service.project),
    }
}

/// Sets the names under which a service's reports carry cell, peer release and clients dropped (JSON of the three).
pub fn set_tag_names(store: &Store, by: &Actor, service: &str, tag_names: &str, now: Time) -> Result<(), Error> {
    store.write(|tx| {
        tx.service(service)?.ok_or_else(|| Error::no("service", service))?;
        tx.set_tag_names(service, tag_names)?;
        tx.record(now, "service.set_names", by, format!("service:{service}"), json!({ "names": tag_names }))?;
        Ok(())
    })
}

/// Makes a token. Gives back what is kept of it, and the secret, which is shown once.
pub fn create_token(
    store: &Store,
    by: &Actor,
    creator: &str,
    name: &str,
    scopes: &[Scope],
    days: Option<i64>,
    now: Time,
) -> Result<(Token, String), Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(Error::refused(
            "A token needs a name of up to 100 characters: who or what will use it, as in relay deploy script.",
        ));
    }
    if scopes.is_empty() {
        return Err(Error::refused("A token needs at least one scope: read, push, ingest or admin."));
    }
    let secret = secret::new_secret("token");
    let token = Token {
        id: secret::new_id(now),
        name: name.to_owned(),
        prefix: secret.chars().take(15).collect(),
        scopes: scopes.to_vec(),
        created_by: creator.to_owned(),
        created_at: now,
        expires_at: days.map(|days| now + time::minutes(days * 24 * 60)),
        used_at: None,
        revoked_at: None,
    };
    store.write(|tx| {
        tx.add_token(&token, &secret::hash(&secret))?;
        let what = json!({ "name": token.name, "scopes": token.scopes });
        tx.record(now, "token.create", by, format!("token:{}", token.id), what)?;
        Ok::<_, Error>(())
    })?;
    Ok((token, secret))
}

/// Takes a token back.
pub fn revoke_token(store: &Store, by: &Actor, id: &str, now: Time) -> Result<(), Error> {
    store.write(|tx| {
        tx.revoke_token(id, now).map_err(|error| match error {
            StoreError::NotFound => Error::no("token in use", id),
            other => other.into(),
        })?;
        tx.record(now, "token.revoke", by, format!("token:{id}"), json!({}))?;
        Ok(())
    })
}
