//! The live judge: feeds it what was just committed, and keeps what it says.

use crate::{
    clock::Clock,
    domain::{Record, Time, time},
    flows::{
        Error,
        export_history::all_records,
        import_history::HISTORY_EPOCH,
        judge_history::{keep_ids, keep_sayings, withdraw_missing},
    },
    judge::{Judge, Settings},
    store::Store,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
    thread::JoinHandle,
    time::Duration,
};

/// How far back a look at the database goes beyond what was fed already: commits do not end in order of arrival.
const SLACK: i64 = 60;
/// How long the worker sleeps when nothing wakes it.
const SLEEP: Duration = Duration::from_secs(2);

/// The judge as it stands, for whoever asks the gate. Cheap to clone.
#[derive(Clone)]
pub struct Judging {
    judge: Arc<RwLock<Judge>>,
    signal: Arc<(Mutex<Signal>, Condvar)>,
}

#[derive(Default)]
struct Signal {
    woken: bool,
    stopping: bool,
}

struct Feed {
    store: Store,
    clock: Clock,
    judging: Judging,
    fed_to: Time,
    seen: HashMap<[u8; 32], Time>,
    epoch: Option<String>,
    reopened: u32,
}

impl Judging {
    /// Reads the whole history, keeps what the judge says of it, and goes on from there in a thread of its own.
    pub fn start(store: Store, clock: Clock) -> Result<(Judging, JoinHandle<()>), Error> {
        let judging = Judging { judge: Arc::new(RwLock::new(Judge::new(Settings::default()))), signal: Arc::default() };
        let mut feed = Feed {
            store,
            clock,
            judging: judging.clone(),
            fed_to: time::from_micros(0),
            seen: HashMap::new(),
            epoch: None,
            reopened: 0,
        };
        feed.start_again()?;
        let worker = std::thread::Builder::new().name("judge".into()).spawn(move || feed.run()).map_err(|error| {
            Error::Store(crate::store::StoreError::Unusable(format!("no thread could be had for the judge: {error}")))
        })?;
        Ok((judging, worker))
    }

    /// The judge, to ask.
    pub fn read(&self) -> RwLockReadGuard<'_, Judge> {
        self.judge.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that something was committed.
    pub fn wake(&self) {
        self.signal().woken = true;
        self.signal.1.notify_one();
    }

    /// Says that the server is stopping.
    pub fn stop(&self) {
        self.signal().stopping = true;
        self.signal.1.notify_one();
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until woken. False when the server is stopping.
    fn sleep(&self) -> bool {
        let signal = self.signal();
        let (mut signal, _) = self
            .signal
            .1
            .wait_timeout_while(signal, SLEEP, |signal| !signal.woken && !signal.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        signal.woken = false;
        !signal.stopping
    }
}

impl Feed {
    fn run(mut self) {
        while self.judging.sleep() {
            if let Err(error) = self.look() {
                tracing::error!(%error, "the judge could not read or keep; it tries again");
            }
        }
    }

    /// Feeds what is new, or begins again where an import changed the past.
    fn look(&mut self) -> Result<(), Error> {
        // A clock that was set back gives arrivals that lie before what was fed; and after a failure of the database, a
        // commit that seemed to fail may be there. Nothing that is remembered tells what was missed: all is read again.
        let set_back = self.clock.now() < self.fed_to - time::seconds(SLACK / 2);
        if set_back || self.store.reopened() != self.reopened {
            return self.start_again();
        }
        let since = self.fed_to - time::seconds(SLACK);
        let (epoch, records) = self.store.read::<_, Error>(|read| {
            let epoch = read.setting(HISTORY_EPOCH)?;
            let mut records = read.telemetry_since(since)?;
            records.extend(read.changes_since(since)?);
            Ok((epoch, records))
        })?;
        if epoch != self.epoch {
            return self.start_again();
        }
        let records: Vec<Record> =
            records.into_iter().filter(|record| !self.seen.contains_key(&record.content_hash())).collect();
        self.feed(records, false)
    }

    fn start_again(&mut self) -> Result<(), Error> {
        let reopened = self.store.reopened();
        self.epoch = self.store.read::<_, Error>(|read| Ok(read.setting(HISTORY_EPOCH)?))?;
        let records = all_records(&self.store)?;
        *self.judging.judge.write().unwrap_or_else(PoisonError::into_inner) = Judge::new(Settings::default());
        self.seen.clear();
        self.fed_to = time::from_micros(0);
        self.feed(records, true)?;
        self.reopened = reopened;
        let keys: HashSet<String> = self.judging.read().keys().into_iter().collect();
        withdraw_missing(&self.store, &keys, self.clock.now())
    }

    /// Feeds records in order of arrival; `again` where this is the whole history, read anew.
    fn feed(&mut self, mut records: Vec<Record>, again: bool) -> Result<(), Error> {
        let now = self.clock.now();
        Record::sort_by_arrival(&mut records);
        let said = {
            let mut judge = self.judging.judge.write().unwrap_or_else(PoisonError::into_inner);
            for record in &records {
                judge.observe(record);
            }
            // What is still on its way may have reached us a moment ago.
            judge.pass(now - time::seconds(5));
            judge.said()
        };
        if let Some(last) = records.last() {
            self.fed_to = self.fed_to.max(last.received_at().min(now));
        }
        let horizon = self.fed_to - time::seconds(2 * SLACK);
        self.seen.retain(|_, arrived| *arrived >= horizon);
        for record in records {
            if record.received_at() >= horizon {
                self.seen.insert(record.content_hash(), record.received_at());
            }
        }
        if again {
            let keys: HashSet<String> = self.judging.read().keys().into_iter().collect();
            keep_ids(&self.store, &said, &keys)?;
        }
        keep_sayings(&self.store, &said, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::take_telemetry::{Delivery, take_telemetry};

    fn report(store: &Store, id: &str, now: Time) {
        let at = time::text(now);
        let line = format!(
            r#"{{"type":"crash","id":"{id}","at":"{at}","received_at":"{at}","service":"relay","environment":"production","release":"A","signature":"boom"}}"#
        );
        let Ok(Record::Crash(crash)) = Record::parse(&line) else { panic!("{line} is a crash") };
        let reports = vec![(crash, crate::domain::crash::ReportKind::Crash, None)];
        let delivery = Delivery { service: "relay".into(), door: "api", reports, ..Delivery::default() };
        take_telemetry(store, &[delivery], now).pop().expect("an answer").expect("kept");
    }

    #[test]
    fn a_clock_that_jumps_back_an_hour_or_forward_a_day_hides_no_report_from_the_judge() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite:{}", folder.path().join("x.sqlite3").display())).expect("opens");
        let begun = time::parse("2026-03-03T12:00:00Z").expect("a time");
        let judging = Judging { judge: Arc::new(RwLock::new(Judge::new(Settings::default()))), signal: Arc::default() };
        let mut feed = Feed {
            store: store.clone(),
            clock: Clock::starting_at(begun),
            judging,
            fed_to: time::from_micros(0),
            seen: HashMap::new(),
            epoch: None,
            reopened: 0,
        };
        feed.start_again().expect("begun");
        for (id, minutes) in [("first", 0), ("back", -60), ("later", -59), ("forward", 24 * 60), ("back-again", 1)] {
            let now = begun + time::minutes(minutes);
            feed.clock = Clock::starting_at(now);
            report(&store, id, now);
            feed.look().expect("read");
            // The first look after a jump begins again; the next one feeds what came since.
            feed.look().expect("read");
            let fed = feed.seen.values().any(|arrived| *arrived == now);
            assert!(fed, "{id} was never fed to the judge");
        }
    }
}
