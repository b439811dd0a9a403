//! A database that is open, and what keeps it well: its pools of connections, opening it anew after a failure, its log
//! within bounds, and room on its disk. A worker calls [`Store::look_after`] about twice a second.

use super::{
    Backend, Condition, StoreError,
    condition::Health,
    connect::{Manager, copy_log, empty_log, migrate, quick_check},
    disk::Disk,
    lock::{Lock, beside},
};
use crate::domain::Time;
use diesel::r2d2::Pool;
use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// The size in bytes above which the write-ahead log is copied into the file beside the commits.
const LOG_COPIED: u64 = 4 << 20;
/// The size in bytes above which the write-ahead log is emptied into the file.
const LOG_AT_MOST: u64 = 64 << 20;
/// Looks between two tries to open a failed database anew, at most.
const LOOKS_APART: u32 = 16;

/// A database, with its pools of connections. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    shared: Arc<Shared>,
    origin: Arc<str>,
}

struct Shared {
    /// None for the moment in which every connection is closed.
    pools: RwLock<Option<Arc<Pools>>>,
    health: Arc<Health>,
    disk: Option<Disk>,
    /// Looks until the next try to open anew, and how long the wait before it was.
    backoff: Mutex<(u32, u32)>,
    reopened: AtomicU32,
    /// How many transactions of people and workers wait or are under way.
    in_line: AtomicU32,
    // Last, so that it is given back after every connection is closed.
    _lock: Option<Lock>,
}

/// The connections of one opening.
pub(super) struct Pools {
    pub(super) writers: Pool<Manager>,
    pub(super) readers: Pool<Manager>,
    pub(super) generation: u64,
}

/// A place in line for the writer.
pub(super) struct InLine<'a>(&'a AtomicU32);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pools {
    fn open(backend: &Backend, health: &Arc<Health>, generation: u64) -> Result<Pools, StoreError> {
        // SQLite has one writer; a second one would only wait for the first.
        // A server that went away is asked for again at growing intervals, half of the patience at most: short patience is what
        // has a new server found soon, and what has people told soon that there is none.
        let (writers, readers, patience) = match backend {
            Backend::Sqlite(_) => (1, 4, Duration::from_secs(10)),
            Backend::Postgres(_) => (6, 4, Duration::from_secs(4)),
        };
        let pool = |writes: bool, size: u32| {
            Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .connection_timeout(patience)
                .test_on_check_out(matches!(backend, Backend::Postgres(_)))
                .build(Manager { backend: backend.clone(), writes, health: health.clone(), generation })
        };
        Ok(Pools { writers: pool(true, writers)?, readers: pool(false, readers)?, generation })
    }
}

/// Says what to do about a file with broken pages, whichever query met them first.
fn broken(error: StoreError) -> StoreError {
    let said = error.to_string();
    if said.contains("malformed") && !said.contains("pushback restore") {
        return StoreError::Corrupt(format!("{said}. Restore a backup with pushback restore"));
    }
    error
}

impl Store {
    /// Opens a database by its URL, checks it, and brings it to the newest schema. A SQLite file that was not closed well is
    /// read for broken pages first.
    pub fn open(url: &str) -> Result<Store, StoreError> {
        let backend = Backend::parse(url)?;
        let (mut lock, mut disk) = (None, None);
        if let Backend::Sqlite(path) = &backend {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).map_err(|error| {
                    StoreError::Unusable(format!("{} cannot be created: {error}", folder.display()))
                })?;
            }
            lock = Some(Lock::share(path)?);
            disk = Some(Disk::of(path));
        }
        let mut first = backend.connect(true).map_err(broken)?;
        if lock.as_ref().is_some_and(|lock| lock.was_left_open) {
            tracing::info!("the database was not closed well; every page of it is read before it is used");
            quick_check(&mut first).map_err(broken)?;
        }
        migrate(&backend, &mut first)?;
        drop(first);
        let health = Arc::new(Health::default());
        let pools = Pools::open(&backend, &health, health.generation())?;
        let shared = Shared {
            pools: RwLock::new(Some(Arc::new(pools))),
            health,
            disk,
            backoff: Mutex::default(),
            reopened: AtomicU32::new(0),
            in_line: AtomicU32::new(0),
            _lock: lock,
        };
        let store = Store { backend, shared: Arc::new(shared), origin: Arc::from("pushback") };
        if !store.read::<_, StoreError>(|read| read.has_noted_all())? {
            store.keep::<_, StoreError>(|tx| tx.note_whole())?;
        }
        Ok(store)
    }

    /// Which engine, and where.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The name that checkpoints of this ledger carry.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What can be asked of the database now, and since when that is so where it is not sound.
    pub fn condition(&self) -> (Condition, Option<Time>) {
        self.shared.health.condition()
    }

    /// Whether telemetry would be kept now: asked before a request's body is read.
    ///
    /// # Errors
    /// `Full` or `Failed`
    pub fn may_take(&self) -> Result<(), StoreError> {
        self.shared.health.may_take()?;
        self.shared.health.may_write(self.shared.health.generation())
    }

    /// How often it was opened anew after a failure. Whoever remembers what was read before must read it again when this
    /// has grown: a commit that seemed to fail may be there.
    pub fn reopened(&self) -> u32 {
        self.shared.reopened.load(Ordering::Acquire)
    }

    pub(super) fn health(&self) -> &Health {
        &self.shared.health
    }

    pub(super) fn pools(&self) -> Result<Arc<Pools>, StoreError> {
        let pools = self.shared.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.clone().ok_or_else(|| StoreError::Failed("it is being opened anew".into()))
    }

    /// Stands in line for the writer, before telemetry, until dropped.
    pub(super) fn wait_in_line(&self) -> InLine<'_> {
        self.shared.in_line.fetch_add(1, Ordering::AcqRel);
        InLine(&self.shared.in_line)
    }

    /// Lets whoever stands in line go first: telemetry would take the one writer again and again before those who wait have
    /// woken up. Never for long, so that telemetry goes on too.
    pub(super) fn let_people_pass(&self) {
        for _ in 0..100 {
            if self.shared.in_line.load(Ordering::Acquire) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    pub(super) fn give_up_reserve(&self) -> bool {
        self.shared.disk.as_ref().is_some_and(Disk::give_up_reserve)
    }

    /// Looks after a SQLite file: opens it anew where it failed, notes how much room its disk has, makes the reserve, keeps
    /// the log within bounds. Blocks as long as that takes. A server looks after itself.
    pub fn look_after(&self, now: Time) {
        let (Backend::Sqlite(path), Some(disk)) = (&self.backend, &self.shared.disk) else {
            // Where a server ran out of room, only another try can tell whether it has some again.
            return self.shared.health.room(None, now);
        };
        match disk.room() {
            Ok(room) => {
                let scarce = disk.is_scarce(room);
                self.shared.health.room(scarce.then_some(room.free), now);
                if !scarce {
                    disk.make_reserve(room);
                }
            }
            Err(error) => tracing::warn!(%error, "nobody can say how much room the database’s disk has"),
        }
        if self.shared.health.is_failed() {
            if self.is_due() {
                match self.reopen() {
                    Ok(()) => tracing::warn!("the database was opened anew and is sound: it is written again"),
                    Err(error) => tracing::error!(%error, "the database could not be opened anew; it is tried again"),
                }
            }
            return;
        }
        let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
        if log > LOG_AT_MOST {
            match self.backend.connect(true).and_then(|mut db| empty_log(&mut db)) {
                Ok(emptied) => tracing::debug!(emptied, "the log was large"),
                Err(error) => tracing::warn!(%error, "the log could not be emptied"),
            }
        } else if log > LOG_COPIED
            && let Err(error) = self.backend.connect(true).and_then(|mut db| copy_log(&mut db))
        {
            tracing::warn!(%error, "the log could not be copied into the file");
        }
    }

    /// Whether it is time for another try to open anew: at once, then after twice as many looks each time.
    fn is_due(&self) -> bool {
        let mut backoff = self.shared.backoff.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, last) = *backoff;
        if left > 0 {
            *backoff = (left - 1, last);
            return false;
        }
        let next = (last * 2).clamp(1, LOOKS_APART);
        *backoff = (next, next);
        true
    }

    /// Closes every connection, opens new ones, and lets nobody write before every page was read.
    fn reopen(&self) -> Result<(), StoreError> {
        let old = self.shared.pools.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(old) = old {
            // Readers end within seconds; what they hold of the file's old state must be gone before it is opened anew.
            for _ in 0..120 {
                if Arc::strong_count(&old) == 1 {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            drop(old);
        }
        let generation = self.shared.health.next_generation();
        let pools = Arc::new(Pools::open(&self.backend, &self.shared.health, generation)?);
        *self.shared.pools.write().unwrap_or_else(PoisonError::into_inner) = Some(pools);
        quick_check(&mut self.backend.connect(true)?)?;
        self.shared.reopened.fetch_add(1, Ordering::AcqRel);
        *self.shared.backoff.lock().unwrap_or_else(PoisonError::into_inner) = (0, 0);
        self.shared.health.mend();
        Ok(())
    }
}
