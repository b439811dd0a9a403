//! Coming in: the first administrator's link, invitations, passwords, sessions.

use super::Error;
use crate::{
    domain::{Time, access::Role, time},
    secret,
    store::{Actor, Store, accounts::Invitation, people::Person},
};
use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use serde_json::json;

/// How long a link to set a password holds.
const INVITATION_HOURS: i64 = 72;
/// How long a session lasts at most.
const SESSION_DAYS: i64 = 7;
/// The shortest password, characters.
const SHORTEST: usize = 12;
/// The longest password, bytes.
const LONGEST: usize = 1024;

/// Passwords that everybody tries first; too short ones are refused anyway.
const COMMON: [&str; 12] = [
    "123456789012",
    "1234567890123",
    "passwordpassword",
    "password1234",
    "password12345",
    "administrator",
    "administrator1",
    "qwertyuiop12",
    "qwertyuiopas",
    "iloveyou1234",
    "letmeinletmein",
    "pushbackpushback",
];

/// A password that may be used, hashed with argon2id, or a refusal that says what is missing. Takes tens of milliseconds.
pub fn hash_password(password: &str, email: &str) -> Result<String, Error> {
    if password.chars().count() < SHORTEST {
        return Err(Error::refused(format!(
            "A password of at least {SHORTEST} characters, please; a few words are easiest to remember."
        )));
    }
    if password.len() > LONGEST {
        return Err(Error::refused(format!("A password may have {LONGEST} bytes at most.")));
    }
    let lower = password.to_lowercase();
    let name = email.split('@').next().unwrap_or(email).to_lowercase();
    let same_letter = lower.chars().all(|letter| lower.starts_with(letter));
    if COMMON.contains(&lower.as_str())
        || lower == email.to_lowercase()
        || (name.len() > 3 && lower.replace(&name, "").len() < 4)
        || same_letter
    {
        return Err(Error::refused("This password is among the first that anybody would try. Choose another one."));
    }
    let hash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &secret::random::<16>())
        .map_err(|error| Error::Store(crate::store::StoreError::Other(format!("argon2: {error}"))))?;
    Ok(hash.to_string())
}

fn matches(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Keeps a one-time link with which somebody sets a password: a person, or the first administrator.
pub fn invite(store: &Store, person: Option<&str>, link: &str, now: Time) -> Result<(), Error> {
    let invitation = Invitation {
        person: person.map(str::to_owned),
        expires_at: now + time::minutes(60 * INVITATION_HOURS),
        used_at: None,
    };
    store.write(|tx| {
        tx.add_invitation(&secret::hash(link), &invitation, now)?;
        let subject = format!("person:{}", person.unwrap_or("first"));
        tx.record(now, "person.invite", &Actor::system(), subject, json!({}))?;
        Ok(())
    })
}

/// The invitation behind a link, if it may still be used, with the person whose it is.
pub fn invitation(store: &Store, link: &str, now: Time) -> Result<(Invitation, Option<Person>), Error> {
    store.read(|read| {
        let invitation = read.invitation(&secret::hash(link))?;
        let gone =
            || Error::NotFound("This link was used already, or is too old. Ask an administrator for a new one.".into());
        let invitation = invitation.filter(|it| it.used_at.is_none() && it.expires_at > now).ok_or_else(gone)?;
        let person = match &invitation.person {
            Some(id) => Some(read.person(id)?.ok_or_else(gone)?),
            None if read.has_administrator()? => return Err(gone()),
            None => None,
        };
        Ok((invitation, person))
    })
}

/// An address that can name somebody.
pub fn email(text: &str) -> Result<String, Error> {
    let text = text.trim().to_lowercase();
    let good = text.len() <= 254
        && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
        && !text.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    if good { Ok(text) } else { Err(Error::refused("An e-mail address is expected, as in dana@example.com.")) }
}

/// Uses a one-time link up: sets the person's password, or makes the first administrator. Gives back who may now sign in.
pub fn accept(
    store: &Store,
    link: &str,
    first: Option<(&str, &str)>,
    password: &str,
    now: Time,
) -> Result<Person, Error> {
    let (_, person) = invitation(store, link, now)?;
    let new = match (person, first) {
        (Some(person), _) => Person { password_hash: Some(hash_password(password, &person.email)?), ..person },
        (None, Some((address, name))) => {
            let email = email(address)?;
            let name = name.trim();
            Person {
                id: secret::new_id(now),
                name: if name.is_empty() { email.clone() } else { name.to_owned() },
                team: None,
                role: Role::Administrator,
                password_hash: Some(hash_password(password, &email)?),
                auth_epoch: 1,
                created_at: now,
                disabled_at: None,
                email,
            }
        }
        (None, None) => return Err(Error::refused("The first administrator needs a name and an e-mail address.")),
    };
    store.write(|tx| {
        tx.use_invitation(&secret::hash(link), now)?;
        let by = Actor { id: new.id.clone(), auth: "link".into() };
        match tx.person(&new.id)? {
            Some(_) => tx.set_password(&new.id, new.password_hash.as_deref().unwrap_or_default())?,
            None => tx.add_person(&new)?,
        }
        tx.record(
            now,
            "person.set_password",
            &by,
            format!("person:{}", new.id),
            json!({ "email": new.email, "role": new.role }),
        )?;
        Ok::<_, Error>(())
    })?;
    store.read(|read| read.person(&new.id)?.ok_or_else(|| Error::no("person", &new.email)))
}

/// Checks a name and a password. Somebody unknown costs as much time as a wrong password. Takes tens of milliseconds.
pub fn check_password(store: &Store, address: &str, password: &str) -> Result<Person, Error> {
    let wrong = || Error::NotAllowed("This address and password do not go together.".into());
    let person = store.read::<_, Error>(|read| Ok(read.person_by_email(address.trim())?))?;
    // Verified against when nobody is there, so that the time does not tell.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let hash = person.as_ref().and_then(|person| person.password_hash.clone()).unwrap_or_else(|| NOBODY.to_owned());
    let good = password.len() <= LONGEST && matches(&hash, password);
    person.filter(|person| good && person.disabled_at.is_none() && person.password_hash.is_some()).ok_or_else(wrong)
}

/// Opens a session for somebody who has shown who they are. Gives back the cookie's secret.
pub fn open_session(store: &Store, person: &Person, now: Time) -> Result<String, Error> {
    let cookie = secret::new_secret("session");
    let csrf = hex::encode(secret::random::<16>());
    store.write(|tx| {
        tx.add_session(&secret::hash(&cookie), person, &csrf, now, now + time::minutes(60 * 24 * SESSION_DAYS))?;
        let by = Actor { id: person.id.clone(), auth: "password".into() };
        tx.record(now, "session.open", &by, format!("person:{}", person.id), json!({}))?;
        Ok::<_, Error>(())
    })?;
    Ok(cookie)
}

/// Ends a session.
pub fn close_session(store: &Store, person: &Person, cookie: &str, now: Time) -> Result<(), Error> {
    store.write(|tx| {
        tx.end_session(&secret::hash(cookie))?;
        let by = Actor { id: person.id.clone(), auth: "session".into() };
        tx.record(now, "session.close", &by, format!("person:{}", person.id), json!({}))?;
        Ok(())
    })
}

/// Changes one's own password; every other session ends.
pub fn change_password(store: &Store, person: &Person, old: &str, new: &str, now: Time) -> Result<(), Error> {
    check_password(store, &person.email, old)
        .map_err(|_| Error::refused("The present password is not right. Nothing was changed."))?;
    let hash = hash_password(new, &person.email)?;
    store.write(|tx| {
        tx.set_password(&person.id, &hash)?;
        let by = Actor { id: person.id.clone(), auth: "session".into() };
        tx.record(now, "person.set_password", &by, format!("person:{}", person.id), json!({}))?;
        Ok::<_, Error>(())
    })
}
