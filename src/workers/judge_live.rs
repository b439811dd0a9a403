//! The live judge: feeds it what was just committed, and keeps what it says.

mod seen;

use crate::{
    clock::Clock,
    domain::{Record, Time, time},
    flows::{
        Error,
        import_history::HISTORY_EPOCH,
        judge_history::{Clerk, keep_ids, keep_sayings, withdraw_missing},
        take_telemetry::Fresh,
    },
    judge::{Judge, Said, Settings},
    secret,
    store::{
        Backend, Store,
        leases::Lease,
        telemetry::{RowWritten, RowsRead},
    },
};
use seen::Seen;
use std::{
    collections::HashSet,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How far back a look at the database goes beyond what was fed already, seconds: commits do not end in order of arrival.
const SLACK: i64 = 20;
/// How long the worker sleeps when nothing wakes it. The judge looks every five seconds where something seems to be wrong: with this
/// and what is left for reports on their way, what it says is known within ten seconds of what it says it of.
const SLEEP: Duration = Duration::from_secs(1);
/// How often what other nodes took in is read.
const POLL: Duration = Duration::from_secs(2);
/// How long a node that keeps what the judge says is waited for, and how often it says that it is still there.
const LEASE: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(3);
/// How long a report may be on its way from its arrival to the judge, seconds; one that takes longer counts as arriving later.
const ON_ITS_WAY: i64 = 3;
/// The shortest time between two looks: a storm is fed in handfuls.
const BETWEEN: Duration = Duration::from_millis(100);
/// How many records may wait to be fed; past that they are read from the database when there is time.
const WAITING: usize = 50_000;
/// How many reports, and how many windows of exposure, of a history are read at once.
const AT_ONCE: i64 = 20_000;

/// The judge as it stands, for whoever asks the gate. Cheap to clone.
#[derive(Clone)]
pub struct Judging {
    judge: Arc<RwLock<Judge>>,
    signal: Arc<(Mutex<Signal>, Condvar)>,
}

#[derive(Default)]
struct Signal {
    woken: bool,
    ready: bool,
    /// Whether whoever feeds the judge is gone.
    ended: bool,
    /// When the oldest record reached us that was committed here and is not fed.
    oldest: Option<Time>,
    /// Whether somebody did something: whoever asks the gate next must find it known.
    urgent: bool,
    stopping: bool,
    /// Whether it is for this node to keep what the judge says.
    keeps: bool,
    /// What was just committed here, and the rows that hold it.
    records: Vec<Record>,
    rows: Vec<RowWritten>,
    /// The node that folded it.
    node: Option<i64>,
    /// Whether some of it was dropped, since more came than could be fed.
    dropped: bool,
}

struct Feed {
    store: Store,
    clock: Clock,
    clerk: Clerk,
    /// Whether it is for this node to keep what the judge says, and when that was asked last.
    keeps: bool,
    asked: Instant,
    judging: Judging,
    fed_to: Time,
    seen: Seen,
    epoch: Option<String>,
    /// Whether telemetry that is in the database may not have been fed yet.
    behind: bool,
    /// Whether beginning again was begun and has not come to its end: nothing that is remembered holds then.
    again: bool,
    polled: Instant,
    rows_read: RowsRead,
    /// What the judge said that is not kept yet.
    unsaid: Vec<Said>,
    reopened: u32,
}

impl Judging {
    /// Reads the whole history in a thread of its own, keeps what the judge says of it, and goes on from there. Until it has
    /// been read, the judge to ask knows nothing, so that a gate says hold.
    pub fn start(store: Store, clock: Clock) -> Result<(Judging, JoinHandle<()>), Error> {
        let judging =
            Judging { judge: Arc::new(RwLock::new(Judge::of_a_store(Settings::default()))), signal: Arc::default() };
        let feed = Feed::new(store, clock, judging.clone());
        let fed = Fed(judging.clone());
        let feeding = move || {
            feed.run();
            drop(fed);
        };
        let worker = std::thread::Builder::new().name("judge".into()).spawn(feeding).map_err(|error| {
            Error::Store(crate::store::StoreError::Unusable(format!("no thread could be had for the judge: {error}")))
        })?;
        Ok((judging, worker))
    }

    /// The judge, to ask.
    pub fn read(&self) -> RwLockReadGuard<'_, Judge> {
        self.judge.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the history has been read, and whoever feeds the judge is still there.
    pub fn is_ready(&self) -> bool {
        let signal = self.signal();
        signal.ready && !signal.ended
    }

    /// Whether this node keeps what the judge says: the only one, or the one of several that does.
    pub fn keeps(&self) -> bool {
        let signal = self.signal();
        signal.keeps && !signal.ended
    }

    /// How long the oldest record that was committed here and not fed has been waiting, seconds.
    pub fn lag(&self, now: Time) -> f64 {
        let oldest = self.signal().oldest;
        oldest.map_or(0.0, |oldest| ((now - oldest).num_milliseconds() as f64 / 1000.0).max(0.0))
    }

    /// Waits until the history has been read, so long at most. Whether it has.
    pub fn wait(&self, longest: Duration) -> bool {
        let waited =
            self.signal.1.wait_timeout_while(self.signal(), longest, |signal| !signal.ready && !signal.stopping);
        waited.unwrap_or_else(PoisonError::into_inner).0.ready
    }

    /// Hands over telemetry that was just committed.
    pub fn take(&self, Fresh { records, rows }: Fresh) {
        let mut signal = self.signal();
        if let Some((node, rows)) = rows.filter(|_| !signal.dropped) {
            signal.node = Some(node);
            signal.rows.extend(rows);
        }
        if records.is_empty() {
            return;
        }
        if signal.oldest.is_none() {
            signal.oldest = records.first().map(Record::received_at);
        }
        if signal.records.len() + records.len() > WAITING {
            // What is dropped is not known either: it is read from its rows.
            (signal.records, signal.rows) = (Vec::new(), Vec::new());
            signal.dropped = true;
        } else if !signal.dropped {
            signal.records.extend(records);
        }
        signal.woken = true;
        self.signal.1.notify_all();
    }

    /// Says that something else was committed.
    pub fn wake(&self) {
        let mut signal = self.signal();
        (signal.woken, signal.urgent) = (true, true);
        drop(signal);
        self.signal.1.notify_all();
    }

    /// Says that the server is stopping.
    pub fn stop(&self) {
        self.signal().stopping = true;
        self.signal.1.notify_all();
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that what was taken out is fed: the oldest that waits is now what came since.
    fn fed(&self) {
        let mut signal = self.signal();
        signal.oldest = signal.records.first().map(Record::received_at);
    }

    /// What waits to be fed, with the node that folded it, and whether some of it has to be read from the database.
    fn waiting(&self) -> (Fresh, bool) {
        let mut signal = self.signal();
        let (records, rows) = (std::mem::take(&mut signal.records), std::mem::take(&mut signal.rows));
        (Fresh { records, rows: signal.node.map(|node| (node, rows)) }, std::mem::take(&mut signal.dropped))
    }

    /// Sleeps until woken. False when the server is stopping.
    fn sleep(&self) -> bool {
        let signal = self.signal();
        let (mut signal, _) = self
            .signal
            .1
            .wait_timeout_while(signal, SLEEP, |signal| !signal.woken && !signal.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        (signal.woken, signal.urgent) = (false, false);
        !signal.stopping
    }

    /// Lets telemetry gather for a moment, unless something urgent comes.
    fn gather(&self, longest: Duration) {
        let signal = self.signal();
        let waited = self.signal.1.wait_timeout_while(signal, longest, |signal| !signal.urgent && !signal.stopping);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Says that nobody feeds the judge any more, however that came about.
struct Fed(Judging);

impl Drop for Fed {
    fn drop(&mut self) {
        self.0.signal().ended = true;
    }
}

impl Feed {
    fn new(store: Store, clock: Clock, judging: Judging) -> Feed {
        // Several nodes may share a PostgreSQL: all of them judge, for whoever asks them, and one keeps what is said.
        let shared = matches!(store.backend(), Backend::Postgres(_));
        let node = secret::new_id(clock.now());
        let lease = shared.then_some(Lease { work: "judge", node, lasts: LEASE });
        Feed {
            clerk: Clerk::new(store.clone(), lease),
            keeps: false,
            asked: Instant::now(),
            store,
            clock,
            judging,
            fed_to: time::from_micros(0),
            seen: Seen::default(),
            epoch: None,
            behind: false,
            again: true,
            polled: Instant::now(),
            rows_read: RowsRead::default(),
            unsaid: Vec::new(),
            reopened: 0,
        }
    }

    fn run(mut self) {
        while let Err(error) = self.start_again() {
            tracing::error!(%error, "the history could not be read for the judge; it is tried again");
            self.judging.wake();
            self.judging.gather(SLEEP);
            if !self.judging.sleep() {
                return;
            }
        }
        while self.judging.sleep() {
            let began = Instant::now();
            if let Err(error) = self.look() {
                tracing::error!(%error, "the judge could not read or keep; it tries again");
                // What was handed over and not fed is still in the database.
                self.behind = true;
            }
            self.judging.gather(BETWEEN.saturating_sub(began.elapsed()));
        }
        if self.keeps
            && let Err(error) = self.clerk.leave()
        {
            tracing::warn!(%error, "another node keeps what the judge says only once this one has been waited for");
        }
    }

    /// Asks whether it is for this node to keep what the judge says.
    fn ask(&mut self) -> Result<(), Error> {
        let keeps = self.clerk.is_on_duty(self.clock.now())?;
        self.asked = Instant::now();
        self.set_keeps(keeps);
        Ok(())
    }

    fn set_keeps(&mut self, keeps: bool) {
        match (self.clerk.is_one_of_several(), self.keeps, keeps) {
            (true, false, true) => tracing::info!("this node keeps what the judge says from now on"),
            (true, true, false) => tracing::warn!("another node keeps what the judge says from now on"),
            _ => {}
        }
        self.keeps = keeps;
        self.judging.signal().keeps = keeps;
    }

    /// Feeds what is new, or begins again where an import changed the past.
    fn look(&mut self) -> Result<(), Error> {
        // A clock that was set back gives arrivals that lie before what was fed; and after a failure of the database, a
        // commit that seemed to fail may be there. Nothing that is remembered tells what was missed: all is read again.
        let set_back = self.clock.now() < self.fed_to - time::seconds(SLACK / 2);
        if self.again || set_back || self.store.reopened() != self.reopened {
            return self.start_again();
        }
        if self.asked.elapsed() >= RENEW {
            let kept = self.keeps;
            self.ask()?;
            // What the node that kept it before had not kept when it went away is said anew.
            if self.keeps && !kept {
                return self.start_again();
            }
        }
        if self.behind {
            self.catch_up()?;
        }
        let (Fresh { mut records, rows }, dropped) = self.judging.waiting();
        // Other nodes write into the same PostgreSQL.
        let shared = matches!(self.store.backend(), Backend::Postgres(_)) && self.polled.elapsed() >= POLL;
        let read_telemetry = dropped || shared;
        let since = self.fed_to - time::seconds(SLACK);
        if let Some((node, rows)) = rows {
            self.rows_read.know(node, rows, since);
        }
        let (epoch, stored) = self.store.read::<_, Error>(|read| {
            let epoch = read.setting(HISTORY_EPOCH)?;
            let mut stored = read.changes_since(since)?;
            if read_telemetry {
                stored.extend(read.telemetry_anew(since, Time::MAX_UTC, &mut self.rows_read)?);
            }
            Ok((epoch, stored))
        })?;
        if read_telemetry {
            self.polled = Instant::now();
        }
        if epoch != self.epoch {
            return self.start_again();
        }
        records.extend(stored);
        self.seen.drop_from(&mut records);
        let judge = self.judging.judge.clone();
        let mut judge = judge.write().unwrap_or_else(PoisonError::into_inner);
        self.observe(records, &mut judge);
        self.judging.fed();
        let (said, now) = self.said(&mut judge);
        drop(judge);
        if !self.keeps {
            self.unsaid.clear();
            return Ok(());
        }
        // What could not be kept last time comes first.
        self.unsaid.extend(said);
        let kept = keep_sayings(&self.clerk, &self.unsaid, now)?;
        self.set_keeps(kept);
        self.unsaid.clear();
        Ok(())
    }

    /// Feeds what is in the database since a little before what was fed last, part by part: after a failure, rows may count as read
    /// that were never fed.
    fn catch_up(&mut self) -> Result<(), Error> {
        let mut from = self.fed_to - time::seconds(SLACK);
        let mut changes = self.store.read::<_, Error>(|read| Ok(read.changes_since(from)?))?;
        let judge = self.judging.judge.clone();
        loop {
            let (end, mut records) = self.store.read::<_, Error>(|read| {
                let end = read.arrivals_end(from, AT_ONCE)?;
                Ok((end, read.telemetry_received(from, end.unwrap_or(Time::MAX_UTC))?))
            })?;
            let is_due = |record: &Record| end.is_none_or(|end| record.received_at() < end);
            let (due, later) = changes.into_iter().partition(is_due);
            records.extend::<Vec<Record>>(due);
            changes = later;
            self.seen.drop_from(&mut records);
            self.observe(records, &mut judge.write().unwrap_or_else(PoisonError::into_inner));
            match end {
                Some(end) => from = end,
                None => break,
            }
        }
        self.behind = false;
        Ok(())
    }

    fn start_again(&mut self) -> Result<(), Error> {
        self.again = true;
        let reopened = self.store.reopened();
        let (epoch, mut changes) = self.store.read::<_, Error>(|read| {
            let ever = time::from_micros(i64::MIN);
            Ok((read.setting(HISTORY_EPOCH)?, read.changes_since(ever)?))
        })?;
        // Beside the one that is asked, which knows more until this one has caught up.
        let mut judge = Judge::of_a_store(Settings::default());
        self.seen.clear();
        self.rows_read = RowsRead::default();
        self.fed_to = time::from_micros(0);
        let began = self.clock.now();
        // Part by part, so that a long history need not be held at once.
        let mut from = time::from_micros(i64::MIN);
        loop {
            self.ask()?;
            let end = self.store.read::<_, Error>(|read| Ok(read.arrivals_end(from, AT_ONCE)?))?;
            let (last, before) = (end.is_none(), end.unwrap_or(Time::MAX_UTC));
            if last {
                // What was handed over until here is in the database, and what comes from here on is handed over.
                drop(self.judging.waiting());
            }
            let (mut records, meanwhile) = self.store.read::<_, Error>(|read| {
                // What people did while the rest was read.
                let meanwhile = if last { read.changes_since(began - time::seconds(SLACK))? } else { Vec::new() };
                Ok((read.telemetry_noted(from, before, &mut self.rows_read)?, meanwhile))
            })?;
            changes.extend(meanwhile);
            let (due, later) = changes.into_iter().partition(|record: &Record| last || record.received_at() < before);
            records.extend::<Vec<Record>>(due);
            changes = later;
            self.seen.drop_from(&mut records);
            Record::sort_by_arrival(&mut records);
            let mut records = records.into_iter().peekable();
            while records.peek().is_some() {
                // Nothing of it is said or kept before its end: the next start reads it again.
                if self.judging.signal().stopping {
                    return Ok(());
                }
                self.observe(records.by_ref().take(1_000).collect(), &mut judge);
            }
            if last {
                break;
            }
            self.rows_read.forget(self.fed_to - time::seconds(SLACK));
            from = before;
        }
        let (said, now) = self.said(&mut judge);
        let keys: HashSet<String> = judge.keys().into_iter().collect();
        *self.judging.judge.write().unwrap_or_else(PoisonError::into_inner) = judge;
        let kept = self.keeps
            && keep_ids(&self.clerk, &said, &keys, now)?
            && keep_sayings(&self.clerk, &said, now)?
            && withdraw_missing(&self.clerk, &keys, now)?;
        self.set_keeps(kept);
        (self.epoch, self.unsaid, self.reopened, self.again) = (epoch, Vec::new(), reopened, false);
        self.judging.signal().ready = true;
        self.judging.signal.1.notify_all();
        Ok(())
    }

    /// Feeds records in order of arrival.
    fn observe(&mut self, mut records: Vec<Record>, judge: &mut Judge) {
        let now = self.clock.now();
        Record::sort_by_arrival(&mut records);
        for record in &records {
            judge.observe(record);
        }
        if let Some(last) = records.last() {
            self.fed_to = self.fed_to.max(last.received_at().min(now));
        }
        let horizon = self.fed_to - time::seconds(2 * SLACK);
        records.iter().filter(|record| record.received_at() >= horizon).for_each(|record| self.seen.note(record));
        self.seen.forget(horizon);
    }

    /// What the judge says by now, and when that is.
    fn said(&self, judge: &mut Judge) -> (Vec<Said>, Time) {
        let now = self.clock.now();
        judge.pass(now - time::seconds(ON_ITS_WAY));
        (judge.said(), now)
    }
}

#[cfg(test)]
mod tests;
