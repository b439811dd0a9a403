//! In which condition a database is: sound, nearly full, full, or failed. Connections note what their queries ran into;
//! transactions ask before they begin and again before they say that something is kept.

use super::StoreError;
use crate::domain::Time;
use diesel::{
    connection::{Instrumentation, InstrumentationEvent},
    result::{DatabaseErrorKind, Error as Diesel},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::Level;

/// Where statements are logged, for whoever wants to see how pages read: `PUSHBACK_LOG=pushback::sql=trace`.
const SQL: &str = "pushback::sql";

/// What can be asked of a database now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Everything.
    Sound,
    /// Everything but telemetry: little room is left on the disk.
    NearlyFull {
        /// Bytes that are left.
        free: u64,
    },
    /// What people do, as long as the reserve lasts: the disk is full.
    Full,
    /// Reading only, until the file has been opened anew and checked.
    Failed {
        /// What the engine said.
        why: String,
    },
}

impl Condition {
    /// One word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Condition::Sound => "sound",
            Condition::NearlyFull { .. } => "nearly full",
            Condition::Full => "full",
            Condition::Failed { .. } => "failed",
        }
    }

    /// What is so and what now, for administrators; none where nothing is to be said.
    pub fn sentence(&self) -> Option<String> {
        match self {
            Condition::Sound => None,
            Condition::NearlyFull { free } => Some(format!(
                "Only {} MiB are left on the database’s disk: crash reports are refused until there is more room.",
                free >> 20
            )),
            Condition::Full => Some(
                "The database’s disk is full: crash reports are refused, and what people do goes on from a small reserve. \
                 Make room; the rest comes back by itself."
                    .into(),
            ),
            Condition::Failed { why } => Some(format!(
                "The database failed ({why}): nothing is written until it has been opened anew and checked, which is \
                 tried by itself. Look at the disk; if this stays, restore a backup."
            )),
        }
    }
}

/// The condition of one database, shared by all its connections.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    generation: u64,
    failed: Option<String>,
    full: bool,
    free: Option<u64>,
    since: Option<Time>,
}

impl Health {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the database was opened anew.
    pub(super) fn generation(&self) -> u64 {
        self.inner().generation
    }

    /// Whose connections are believed from now on. What older ones ran into says nothing about the newer ones.
    pub(super) fn next_generation(&self) -> u64 {
        let mut inner = self.inner();
        inner.generation += 1;
        inner.generation
    }

    /// Whether anything may be written by connections of this generation.
    pub(super) fn may_write(&self, generation: u64) -> Result<(), StoreError> {
        let inner = self.inner();
        match &inner.failed {
            Some(why) => Err(StoreError::Failed(why.clone())),
            None if inner.generation != generation => Err(StoreError::Failed("it was opened anew meanwhile".into())),
            None => Ok(()),
        }
    }

    /// Whether telemetry may be written.
    pub(super) fn may_take(&self) -> Result<(), StoreError> {
        let inner = self.inner();
        if inner.full || inner.free.is_some() { Err(StoreError::Full) } else { Ok(()) }
    }

    /// Notes that a write or a read failed in a way after which the file must be looked at.
    pub(super) fn fail(&self, generation: u64, why: &str) {
        let mut inner = self.inner();
        if inner.generation == generation && inner.failed.is_none() {
            tracing::error!(why, "the database failed: nothing is written before it is opened anew and checked");
            inner.failed = Some(why.to_owned());
            inner.since = None;
        }
    }

    /// Notes that the file was opened anew and is sound.
    pub(super) fn mend(&self) {
        let mut inner = self.inner();
        inner.failed = None;
        inner.since = None;
    }

    pub(super) fn is_failed(&self) -> bool {
        self.inner().failed.is_some()
    }

    pub(super) fn fill(&self) {
        let mut inner = self.inner();
        if !inner.full {
            tracing::error!("the database’s disk is full: telemetry is refused until there is room");
            inner.full = true;
            inner.since = None;
        }
    }

    /// Notes how much room there is: `scarce` bytes where it is too little for telemetry.
    pub(super) fn room(&self, scarce: Option<u64>, now: Time) {
        let mut inner = self.inner();
        let was = inner.full || inner.free.is_some();
        if scarce.is_none() {
            inner.full = false;
        }
        inner.free = scarce;
        let is = inner.full || inner.free.is_some();
        if was != is {
            tracing::warn!(
                free = scarce,
                "telemetry is {} for lack of room",
                if is { "refused" } else { "no more refused" }
            );
            inner.since = None;
        }
        if is || inner.failed.is_some() {
            inner.since.get_or_insert(now);
        } else {
            inner.since = None;
        }
    }

    /// The condition, and since when where it is not sound; the time is known within a second of the fault.
    pub(super) fn condition(&self) -> (Condition, Option<Time>) {
        let inner = self.inner();
        let condition = match (&inner.failed, inner.full, inner.free) {
            (Some(why), ..) => Condition::Failed { why: why.clone() },
            (None, true, _) => Condition::Full,
            (None, false, Some(free)) => Condition::NearlyFull { free },
            (None, false, None) => Condition::Sound,
        };
        (condition, inner.since)
    }
}

/// Listens to one connection. Errors are noted where they happen, so that no caller can lose them on the way.
pub(super) struct Listener {
    pub(super) health: Arc<Health>,
    pub(super) generation: u64,
}

impl Instrumentation for Listener {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { query, .. } if tracing::enabled!(target: SQL, Level::TRACE) => {
                // Never the values: they are people's.
                let text = query.to_string();
                let statement = text.split(" -- binds:").next().unwrap_or_default();
                tracing::trace!(target: SQL, statement, "asked");
            }
            InstrumentationEvent::FinishQuery { error: Some(error), .. } => {
                if let Some(why) = broken(error) {
                    self.health.fail(self.generation, &why);
                }
            }
            _ => {}
        }
    }
}

/// What SQLite said, where that speaks of a broken file or disk.
fn broken(error: &Diesel) -> Option<String> {
    const SAID: [&str; 5] = [
        "disk I/O error",
        "database disk image is malformed",
        "file is not a database",
        "unable to open database file",
        "malformed database schema",
    ];
    match error {
        Diesel::DatabaseError(DatabaseErrorKind::Unknown | DatabaseErrorKind::UnableToSendCommand, info) => {
            SAID.iter().any(|said| info.message().contains(said)).then(|| info.message().to_owned())
        }
        _ => None,
    }
}
