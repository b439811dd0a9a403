//! The ledger's rows: appending entries inside the transaction of what they record, and reading them back for verification.
//! What an entry's bytes are and how the tree grows is in `ledger`.

use super::{
    Read, StoreError, Tx, on_each,
    schema::{ledger_entry, ledger_head},
};
use crate::{
    domain::{Time, time},
    ledger::{self, Draft, Entry, Frontier, Sealed, Stored, Verified, Verifier},
};
use diesel::{prelude::*, upsert::excluded};

/// Who did something, and how we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person's id, the token's id, or the name of a program.
    pub id: String,
    /// How it was known: `session`, `token:…`, `console`, `system`.
    pub auth: String,
}

impl Actor {
    /// Pushback itself.
    pub fn system() -> Actor {
        Actor { id: "pushback".into(), auth: "system".into() }
    }

    /// Somebody with a shell on the machine.
    pub fn console() -> Actor {
        Actor { id: "console".into(), auth: "console".into() }
    }
}

/// An entry that waits for its transaction's end.
pub(super) struct Pending {
    draft: Draft,
    salt: [u8; 32],
}

/// The name of the one ledger of an installation.
const HEAD: &str = "main";

impl Tx<'_> {
    /// Says what this transaction does. Appended when it commits.
    ///
    /// `subject` names the thing (`push:relay-118`), `payload` is what was done, kept beside the entry and not in it, so
    /// that it can be redacted without touching the chain.
    pub fn record(
        &mut self,
        at: Time,
        kind: &'static str,
        actor: &Actor,
        subject: String,
        payload: serde_json::Value,
    ) -> Result<(), StoreError> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)
            .map_err(|error| StoreError::Unusable(format!("no random bytes could be had: {error}")))?;
        let draft = Draft {
            at,
            kind: kind.to_owned(),
            actor: actor.id.clone(),
            auth: actor.auth.clone(),
            subject,
            payload: payload.to_string().into_bytes(),
        };
        self.entries.push(Pending { draft, salt });
        Ok(())
    }
}

/// Appends what the transaction has said, in order.
pub(super) fn append(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let pending = std::mem::take(&mut tx.entries);
    if pending.is_empty() {
        return Ok(());
    }
    let mut frontier = head(tx)?;
    let mut at = time::from_micros(0);
    for it in pending {
        let stored = ledger::append(&mut frontier, it.draft, it.salt)
            .map_err(|error| StoreError::Other(format!("the ledger refuses this entry: {error}")))?;
        at = stored.entry.at;
        keep_entry(tx, &stored)?;
    }
    keep_head(tx, &frontier, at)
}

fn keep_entry(tx: &mut Tx<'_>, stored: &Stored) -> Result<(), StoreError> {
    let entry = &stored.entry;
    let payload = stored.sealed.as_ref().map(|sealed| String::from_utf8_lossy(&sealed.payload).into_owned());
    let row = (
        ledger_entry::seq.eq(entry.seq),
        ledger_entry::at.eq(time::micros(entry.at)),
        ledger_entry::kind.eq(&entry.kind),
        ledger_entry::actor.eq(&entry.actor),
        ledger_entry::auth.eq(&entry.auth),
        ledger_entry::subject.eq(&entry.subject),
        ledger_entry::commitment.eq(entry.commitment.to_vec()),
        ledger_entry::leaf_hash.eq(stored.leaf_hash.to_vec()),
        ledger_entry::payload.eq(payload),
        ledger_entry::salt.eq(stored.sealed.as_ref().map(|sealed| sealed.salt.to_vec())),
    );
    on_each!(tx.db, c => diesel::insert_into(ledger_entry::table).values(row).execute(c))?;
    Ok(())
}

/// The head, locked for this transaction, so that numbers are given out one after another.
fn head(tx: &mut Tx<'_>) -> Result<Frontier, StoreError> {
    let find = ledger_head::table.find(HEAD).select(ledger_head::frontier);
    let bytes: Option<Vec<u8>> = match &mut *tx.db {
        super::Db::Sqlite(c) => find.first(c).optional()?,
        super::Db::Postgres(c) => {
            // The row must be there before it can be locked.
            let empty = Frontier::default();
            diesel::insert_into(ledger_head::table)
                .values((
                    ledger_head::name.eq(HEAD),
                    ledger_head::size.eq(0),
                    ledger_head::frontier.eq(empty.to_bytes()),
                    ledger_head::root.eq(empty.root().to_vec()),
                    ledger_head::at.eq(0),
                ))
                .on_conflict_do_nothing()
                .execute(c)?;
            find.for_update().first(c).optional()?
        }
    };
    match bytes {
        None => Ok(Frontier::default()),
        Some(bytes) => {
            Frontier::from_bytes(&bytes).map_err(|error| StoreError::Corrupt(format!("the ledger's head: {error}")))
        }
    }
}

fn keep_head(tx: &mut Tx<'_>, frontier: &Frontier, at: Time) -> Result<(), StoreError> {
    let row = (
        ledger_head::name.eq(HEAD),
        ledger_head::size.eq(i64::try_from(frontier.size()).map_err(|error| StoreError::Corrupt(error.to_string()))?),
        ledger_head::frontier.eq(frontier.to_bytes()),
        ledger_head::root.eq(frontier.root().to_vec()),
        ledger_head::at.eq(time::micros(at)),
    );
    on_each!(tx.db, c => diesel::insert_into(ledger_head::table)
        .values(row)
        .on_conflict(ledger_head::name)
        .do_update()
        .set((
            ledger_head::size.eq(excluded(ledger_head::size)),
            ledger_head::frontier.eq(excluded(ledger_head::frontier)),
            ledger_head::root.eq(excluded(ledger_head::root)),
            ledger_head::at.eq(excluded(ledger_head::at)),
        ))
        .execute(c))?;
    Ok(())
}

impl Read<'_> {
    /// Verifies every entry and the head, all of one moment. The inner error says what was tampered with.
    pub fn verify_ledger(&mut self) -> Result<Result<Verified, String>, StoreError> {
        /// Entries read at once.
        const PAGE: i64 = 1000;
        let mut verifier = match Verifier::new(&[]) {
            Ok(verifier) => verifier,
            Err(tampered) => return Ok(Err(tampered.to_string())),
        };
        let mut next = 0;
        loop {
            let entries = self.ledger_entries(next, PAGE)?;
            for entry in &entries {
                if let Err(tampered) = verifier.observe(entry) {
                    return Ok(Err(tampered.to_string()));
                }
            }
            match entries.last() {
                Some(last) => next = last.entry.seq + 1,
                None => break,
            }
        }
        let verified = match verifier.finish() {
            Ok(verified) => verified,
            Err(tampered) => return Ok(Err(tampered.to_string())),
        };
        let (size, root) = self.ledger_head()?.map_or((0, verified.root.to_vec()), |(size, root, _)| (size, root));
        if u64::try_from(size) != Ok(verified.size) || root != verified.root {
            return Ok(Err(format!(
                "the head names {size} entries with another root than the {} entries that are there",
                verified.size
            )));
        }
        Ok(Ok(verified))
    }

    /// How many entries the ledger has, its root, and when it was last added to.
    pub fn ledger_head(&mut self) -> Result<Option<(i64, Vec<u8>, Time)>, StoreError> {
        let row: Option<(i64, Vec<u8>, i64)> = on_each!(self.db, c => ledger_head::table
            .find(HEAD)
            .select((ledger_head::size, ledger_head::root, ledger_head::at))
            .first(c)
            .optional())?;
        Ok(row.map(|(size, root, at)| (size, root, time::from_micros(at))))
    }

    /// Entries from a number on, in order.
    pub fn ledger_entries(&mut self, from: i64, limit: i64) -> Result<Vec<Stored>, StoreError> {
        let rows: Vec<Columns> = on_each!(self.db, c => ledger_entry::table
            .filter(ledger_entry::seq.ge(from))
            .order(ledger_entry::seq.asc())
            .limit(limit)
            .load(c))?;
        rows.into_iter().map(as_stored).collect()
    }

    /// The numbers of the entries about these subjects: the first of each.
    pub fn first_entries(&mut self, subjects: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        let rows: Vec<(String, i64)> = on_each!(self.db, c => ledger_entry::table
            .filter(ledger_entry::subject.eq_any(subjects))
            .order(ledger_entry::seq.desc())
            .select((ledger_entry::subject, ledger_entry::seq))
            .load(c))?;
        Ok(rows)
    }
}

type Columns = (i64, i64, String, String, String, String, Vec<u8>, Vec<u8>, Option<String>, Option<Vec<u8>>);

fn as_stored(
    (seq, at, kind, actor, auth, subject, commitment, leaf_hash, payload, salt): Columns,
) -> Result<Stored, StoreError> {
    let hash = |bytes: Vec<u8>, what: &str| {
        <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::Corrupt(format!("entry {seq} has no {what} of 32 bytes")))
    };
    let sealed = match (payload, salt) {
        (Some(payload), Some(salt)) => Some(Sealed { salt: hash(salt, "salt")?, payload: payload.into_bytes() }),
        _ => None,
    };
    let commitment = hash(commitment, "commitment")?;
    let entry = Entry { seq, at: time::from_micros(at), kind, actor, auth, subject, commitment };
    Ok(Stored { entry, leaf_hash: hash(leaf_hash, "leaf hash")?, sealed })
}
