//! Copies of a SQLite file: taken while it is in use, checked before anybody relies on them, and put back.
//!
//! `VACUUM INTO` makes them: one statement that reads one snapshot, while writers go on. The engine's other way, page by page,
//! begins again whenever another process writes, and under load would not end. What it costs: the WAL grows meanwhile.

use super::{
    Backend, Db, Read, StoreError,
    connect::{NumberRow, TextRow, open_copy, refuse_newer},
    lock::{Lock, beside},
};
use diesel::{RunQueryDsl, SqliteConnection, sql_query, sql_types::Text};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// A copy that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Its size in bytes.
    pub bytes: u64,
    /// How many entries its ledger has.
    pub entries: u64,
}

/// A database that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was put in place.
    pub copied: Copied,
    /// Where the database went that was there before.
    pub moved: Option<PathBuf>,
}

/// Writes a checked copy of a SQLite database, in use or not, under its name only once it is whole. Never overwrites. Other
/// engines have tools of their own, which the refusal names.
pub fn backup(url: &str, to: &Path) -> Result<Copied, StoreError> {
    match Backend::parse(url)? {
        Backend::Sqlite(path) => {
            let mut source = open_copy(&path)?;
            let _looking = Lock::look(&path)?;
            copy(&mut source, to)
        }
        Backend::Postgres(_) => Err(not_sqlite("back it up with pg_dump, or with base backups and its archived log")),
    }
}

/// Puts a copy in the place of a SQLite database that nobody has open. Where one is there already, `replace` moves it aside;
/// without, that is refused.
pub fn restore(from: &Path, url: &str, replace: bool) -> Result<Restored, StoreError> {
    let database = match Backend::parse(url)? {
        Backend::Sqlite(path) => path,
        Backend::Postgres(_) => return Err(not_sqlite("restore it with pg_restore or psql, or from a base backup")),
    };
    if !from.is_file() {
        return Err(StoreError::Unusable(format!(
            "{} is not there. Name a file that pushback backup wrote",
            from.display()
        )));
    }
    check(from)?;
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| failed("make", folder, &error))?;
    }
    let _alone = Lock::alone(&database)?;
    if database.exists() && !replace {
        return Err(StoreError::Unusable(format!(
            "{} is there already. With --replace it is moved aside, and kept under another name",
            database.display()
        )));
    }
    let fresh = beside(&database, ".restoring");
    // What an earlier try left behind is of no use to anybody.
    drop(std::fs::remove_file(&fresh));
    let copied = copy(&mut open_copy(from)?, &fresh)?;
    let moved = if database.exists() { Some(move_aside(&database)?) } else { None };
    // A log without its database would be read into the new one.
    for rest in ["-wal", "-shm"] {
        drop(std::fs::remove_file(beside(&database, rest)));
    }
    put(&fresh, &database)?;
    Ok(Restored { copied, moved })
}

/// A checked copy before the schema is changed to `version`, beside the database. Gives back where it is.
pub(super) fn copy_before(database: &Path, version: &str) -> Result<PathBuf, StoreError> {
    let names = std::iter::once(String::new()).chain((2..10).map(|number| format!("-{number}")));
    let to = names
        .map(|number| beside(database, &format!(".before-{version}{number}")))
        .find(|to| !to.exists())
        .ok_or_else(|| StoreError::Unusable(format!("{} and others are there already", database.display())));
    let made = to.and_then(|to| copy(&mut open_copy(database)?, &to).map(|copied| (to, copied)));
    match made {
        Ok((to, copied)) => {
            tracing::info!(copy = %to.display(), bytes = copied.bytes, "a checked copy was made before the schema is changed");
            Ok(to)
        }
        Err(error) => Err(StoreError::Unusable(format!(
            "{} must be brought to a newer schema, and the copy before that could not be made: {error}. Nothing was \
             changed. Make room beside it, or move older copies (….before-{version}) away, and start again",
            database.display()
        ))),
    }
}

fn copy(source: &mut SqliteConnection, to: &Path) -> Result<Copied, StoreError> {
    let there =
        || StoreError::Unusable(format!("{} is there already and is not overwritten. Name another file", to.display()));
    if to.exists() {
        return Err(there());
    }
    let partial = beside(to, &format!(".partial-{}", std::process::id()));
    let made = write_copy(source, &partial).and_then(|copied| {
        put(&partial, to).map_err(|error| if to.exists() { there() } else { error })?;
        Ok(copied)
    });
    if made.is_err() {
        drop(std::fs::remove_file(&partial));
        drop(std::fs::remove_file(beside(&partial, "-journal")));
    }
    made
}

fn write_copy(source: &mut SqliteConnection, partial: &Path) -> Result<Copied, StoreError> {
    let name = partial.to_str().ok_or_else(|| {
        StoreError::Unusable(format!("{} is not UTF-8, which SQLite needs. Name another file", partial.display()))
    })?;
    sql_query("vacuum into ?")
        .bind::<Text, _>(name)
        .execute(source)
        .map_err(|error| StoreError::Unusable(format!("{} could not be written: {error}", partial.display())))?;
    File::open(partial).and_then(|file| file.sync_all()).map_err(|error| failed("flush", partial, &error))?;
    flush_folder(partial)?;
    check(partial)
}

/// Reads a whole file and says what it holds, or what is wrong with it: whose it is, whether this program knows its schema,
/// every page, every reference, every ledger entry.
fn check(path: &Path) -> Result<Copied, StoreError> {
    let wrong = |what: String| StoreError::Unusable(format!("{} is not a good copy: {what}", path.display()));
    let mut connection = open_copy(path)?;
    let said: Vec<TextRow> =
        sql_query("select integrity_check as value from pragma_integrity_check").load(&mut connection)?;
    if let Some(said) = said.iter().find(|said| said.value != "ok") {
        return Err(wrong(said.value.clone()));
    }
    let loose: NumberRow =
        sql_query("select count(*) as value from pragma_foreign_key_check").get_result(&mut connection)?;
    if loose.value > 0 {
        return Err(wrong(format!("{} rows refer to rows that are not there", loose.value)));
    }
    let mut db = Db::Sqlite(connection);
    refuse_newer(&mut db, &path.display().to_string())?;
    let verified = Read { db: &mut db }
        .verify_ledger()?
        .map_err(|what| StoreError::Corrupt(format!("the ledger was tampered with: {what}")))?;
    let bytes = std::fs::metadata(path).map_err(|error| failed("read", path, &error))?.len();
    Ok(Copied { bytes, entries: verified.size })
}

fn move_aside(database: &Path) -> Result<PathBuf, StoreError> {
    let aside = (1..1000)
        .map(|number| beside(database, &format!(".replaced-{number}")))
        .find(|aside| !aside.exists())
        .ok_or_else(|| StoreError::Unusable(format!("too many files {}.replaced-… are there", database.display())))?;
    // Its log goes with it, under the name that belongs to it, and first: alone it says nothing.
    let log = beside(database, "-wal");
    if log.exists() {
        put(&log, &beside(&aside, "-wal"))?;
    }
    put(database, &aside)?;
    Ok(aside)
}

/// Gives a file its name, which nothing may have yet, and makes that last.
fn put(from: &Path, to: &Path) -> Result<(), StoreError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot promise that.
        Err(rustix::io::Errno::INVAL) if !to.exists() => std::fs::rename(from, to),
        named => named.map_err(io::Error::from),
    }
    .map_err(|error| failed("name", to, &error))?;
    flush_folder(to)
}

fn flush_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("flush", folder, &error))
}

fn failed(what: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unusable(format!("could not {what} {}: {error}", path.display()))
}

fn not_sqlite(what: &str) -> StoreError {
    StoreError::Unusable(format!("this database is PostgreSQL: {what}"))
}
