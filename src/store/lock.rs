//! Who has a SQLite file open, and whether it was closed well: a lock file beside it, locked together by everybody who has
//! the database open, and alone by whoever puts another in its place.

use super::StoreError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

const OPEN: &str = "open\n";
const CLOSED: &str = "closed\n";

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    marks: bool,
    /// Whether whoever had the database open last did not close it, as after a crash or a power cut.
    pub(super) was_left_open: bool,
}

/// The path of a file that belongs to a database: its own with something after it.
pub(super) fn beside(database: &Path, what: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(what);
    PathBuf::from(name)
}

impl Lock {
    /// Says that the database is in use. Refused while it is being replaced.
    pub(super) fn share(database: &Path) -> Result<Lock, StoreError> {
        let mut file = open(database)?;
        let mut was_left_open = false;
        // Whoever is alone can tell how it was left; a second one would read what the first has written.
        if file.try_lock().is_ok() {
            let mut text = String::new();
            was_left_open = file.read_to_string(&mut text).is_ok() && text == OPEN;
            mark(&mut file, OPEN).map_err(|error| unusable(database, &error))?;
            file.unlock().map_err(|error| unusable(database, &error))?;
        }
        match file.try_lock_shared() {
            Ok(()) => Ok(Lock { file, marks: true, was_left_open }),
            Err(TryLockError::WouldBlock) => {
                // Somebody else may have looked in the same moment.
                std::thread::sleep(std::time::Duration::from_millis(100));
                file.try_lock_shared().map_err(|_| {
                    StoreError::Unusable(format!(
                        "{} is being restored by another process. Wait until that has ended",
                        database.display()
                    ))
                })?;
                Ok(Lock { file, marks: true, was_left_open })
            }
            Err(TryLockError::Error(error)) => Err(unusable(database, &error)),
        }
    }

    /// Says that the database is read as it is, so that nobody replaces it meanwhile; says nothing of how it was closed.
    pub(super) fn look(database: &Path) -> Result<Lock, StoreError> {
        let file = open(database)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Lock { file, marks: false, was_left_open: false }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
                "{} is being started or restored by another process. Try again when that has ended",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(unusable(database, &error)),
        }
    }

    /// Takes the database for oneself. Refused while anybody has it open.
    pub(super) fn alone(database: &Path) -> Result<Lock, StoreError> {
        let file = open(database)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { file, marks: true, was_left_open: false }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
                "{} is open in a running server or another command. Stop it first",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(unusable(database, &error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The last one to leave says that all was closed. If that cannot be said, the next start looks more closely.
        if self.marks && self.file.unlock().is_ok() && self.file.try_lock().is_ok() {
            drop(mark(&mut self.file, CLOSED));
        }
    }
}

fn open(database: &Path) -> Result<File, StoreError> {
    let path = beside(database, ".lock");
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| StoreError::Unusable(format!("{} cannot be opened: {error}", path.display())))
}

fn mark(file: &mut File, word: &str) -> std::io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(word.as_bytes())
}

fn unusable(database: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unusable(format!("the lock beside {} cannot be used: {error}", database.display()))
}
