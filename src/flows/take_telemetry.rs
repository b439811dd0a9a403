//! Taking in telemetry: one transaction for as many deliveries as came together. What a door made of a request's bytes is
//! a [`Delivery`]; each is answered after the commit that holds it.

use super::{Error, record_change::know_service};
use crate::{
    domain::{Record, Time, exposure::Exposure},
    store::{
        Actor, Store, StoreError, Tx,
        changes::Kept,
        keeping::{Examples, Learned, Memory},
        outcomes::Outcome,
        packing::{self, Dictionary, Packer},
        reports::Report,
    },
};
use std::collections::{BTreeMap, HashSet};

/// What one request brought.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The service, as far as the door knows it.
    pub service: String,
    /// The door that it came through: `envelope`, `store`, `api`.
    pub door: &'static str,
    /// Crash reports, handled errors and messages.
    pub reports: Vec<Report>,
    /// Windows of exposure.
    pub exposures: Vec<Exposure>,
    /// What was skipped or thrown away, with how often.
    pub left_out: Vec<(String, i64)>,
    /// When it reached us.
    pub received_at: Option<Time>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Reports and windows that are kept now.
    pub new: usize,
    /// Those that were kept already.
    pub repeats: usize,
    /// Reports whose id is taken by one with other content; the first one stays.
    pub different: usize,
}

/// Writes deliveries down, one batch after another.
#[derive(Debug)]
pub struct Keeper {
    memory: Memory,
    services: HashSet<String>,
}

/// A batch that is written: what became of each delivery, and the records that are new.
#[derive(Debug)]
pub struct Written {
    /// What became of each delivery, in their order.
    pub answers: Vec<Result<Taken, StoreError>>,
    /// What the judge has not seen yet.
    pub records: Vec<Record>,
    /// How many reports were kept whole.
    pub whole: usize,
    /// What became of what came through each door.
    pub outcomes: Outcomes,
}

/// How often what came through a door became what.
pub type Outcomes = BTreeMap<(&'static str, String), i64>;

/// Services that are remembered as known; past that all are asked for again.
const REMEMBERED: usize = 10_000;

/// What became of deliveries in one transaction, what it learned, and the services that it used.
struct Kepts<'a> {
    taken: Vec<Taken>,
    records: Vec<Record>,
    learned: Learned,
    services: HashSet<&'a str>,
    outcomes: Outcomes,
}

impl Keeper {
    /// Keeps as many reports whole as `examples` allow.
    pub fn new(examples: Examples) -> Keeper {
        Keeper { memory: Memory::new(examples), services: HashSet::new() }
    }

    /// Commits deliveries together. If the whole fails by one of them, each is tried alone, so that one bad row costs only
    /// itself.
    pub fn take(&mut self, store: &Store, deliveries: &[Delivery], now: Time) -> Written {
        match self.together(store, deliveries, now) {
            Ok(written) => written,
            Err(error @ (StoreError::Full | StoreError::Failed(_) | StoreError::Unusable(_))) => {
                self.failed(deliveries, &error)
            }
            Err(_) if deliveries.len() > 1 => {
                let mut written =
                    Written { answers: Vec::new(), records: Vec::new(), whole: 0, outcomes: Outcomes::new() };
                for it in deliveries.chunks(1) {
                    let alone = self.together(store, it, now).unwrap_or_else(|error| self.failed(it, &error));
                    written.answers.extend(alone.answers);
                    written.records.extend(alone.records);
                    written.whole += alone.whole;
                    for (what, reports) in alone.outcomes {
                        *written.outcomes.entry(what).or_insert(0) += reports;
                    }
                }
                written
            }
            Err(error) => self.failed(deliveries, &error),
        }
    }

    /// A commit that failed may have happened all the same: nothing is remembered of it.
    fn failed(&mut self, deliveries: &[Delivery], error: &StoreError) -> Written {
        self.memory.forget();
        self.services.clear();
        Written {
            answers: deliveries.iter().map(|_| Err(error.clone())).collect(),
            records: Vec::new(),
            whole: 0,
            outcomes: Outcomes::new(),
        }
    }

    fn together(&mut self, store: &Store, deliveries: &[Delivery], now: Time) -> Result<Written, StoreError> {
        let kept = store.take(|tx| self.keep(tx, deliveries, now));
        let Kepts { taken, records, learned, services, outcomes } = kept.inspect_err(|_| {
            self.memory.forget();
            self.services.clear();
        })?;
        let whole = learned.whole;
        self.memory.learn(learned);
        if self.services.len() > REMEMBERED {
            self.services.clear();
        }
        self.services.extend(services.into_iter().map(str::to_owned));
        Ok(Written { answers: taken.into_iter().map(Ok).collect(), records, whole, outcomes })
    }

    fn keep<'a>(&self, tx: &mut Tx<'_>, deliveries: &'a [Delivery], now: Time) -> Result<Kepts<'a>, StoreError> {
        let services = self.know_services(tx, deliveries, now)?;
        let reports: Vec<&Report> = deliveries.iter().flat_map(|it| &it.reports).collect();
        let (kept, learned) = tx.keep_reports(&reports, &self.memory)?;
        let mut kept = kept.into_iter();
        let (mut answers, mut records) = (Vec::with_capacity(deliveries.len()), Vec::new());
        let mut outcomes: BTreeMap<(&str, &'static str, String), i64> = BTreeMap::new();
        let mut by_door = Outcomes::new();
        for it in deliveries {
            let mut taken = Taken::default();
            let mut count = |reason: &str, reports: i64| {
                *outcomes.entry((&it.service, it.door, reason.to_owned())).or_insert(0) += reports;
            };
            for (report, kept) in it.reports.iter().zip(&mut kept) {
                count(taken.note(kept, report.kind.word()), 1);
                if kept == Kept::New && report.kind == crate::domain::crash::ReportKind::Crash {
                    records.push(Record::Crash(report.judged()));
                }
            }
            for exposure in &it.exposures {
                let kept = tx.keep_exposure(exposure)?;
                count(taken.note(kept, "exposure"), 1);
                if kept == Kept::New {
                    records.push(Record::Exposure(exposure.clone()));
                }
            }
            it.left_out.iter().for_each(|(reason, reports)| count(reason, *reports));
            answers.push(taken);
        }
        for ((service, door, reason), reports) in outcomes {
            *by_door.entry((door, reason.clone())).or_insert(0) += reports;
            let outcome = Outcome { service: service.to_owned(), door: door.to_owned(), reason, reports };
            tx.count_outcome(&outcome, now)?;
        }
        Ok(Kepts { taken: answers, records, learned, services, outcomes: by_door })
    }

    /// Creates services by their first use.
    fn know_services<'a>(
        &self,
        tx: &mut Tx<'_>,
        deliveries: &'a [Delivery],
        now: Time,
    ) -> Result<HashSet<&'a str>, StoreError> {
        let named = |it: &'a Delivery| {
            let reports = it.reports.iter().map(|report| &report.crash.service);
            reports.chain(it.exposures.iter().map(|it| &it.service))
        };
        let used: HashSet<&str> = deliveries
            .iter()
            .flat_map(named)
            .map(String::as_str)
            .filter(|name| !self.services.contains(*name))
            .collect();
        for service in &used {
            match know_service(tx, &Actor::system(), service, now) {
                Ok(()) => {}
                Err(Error::Store(error)) => return Err(error),
                Err(other) => return Err(StoreError::Other(other.to_string())),
            }
        }
        Ok(used)
    }
}

/// How many reports a dictionary is trained on.
const SAMPLES: i64 = 1_000;
/// A dictionary is trained anew when so many times more reports were kept whole than when the last one was.
const OFTEN: i64 = 30;

/// Whether it is time to train a dictionary, `whole` reports having been kept whole since the one in use was trained.
pub fn wants_dictionary(in_use: &Dictionary, whole: i64) -> bool {
    whole >= SAMPLES.max(in_use.reports.saturating_mul(OFTEN))
}

/// Trains a dictionary on the latest reports and keeps it; what is packed from then on is smaller.
pub fn train_dictionary(store: &Store, packer: &Packer, whole: i64, now: Time) -> Result<bool, StoreError> {
    let texts = store.read::<_, StoreError>(|read| read.report_texts(SAMPLES))?;
    let in_use = packer.dictionary();
    let Some(dictionary) = packing::train(&texts, &in_use, in_use.reports + whole) else { return Ok(false) };
    let new = store.keep::<_, StoreError>(|tx| tx.keep_dictionary(&dictionary, now))?;
    // Another node may have been quicker; then its dictionary is as good.
    packer.take_up(if new { dictionary } else { store.read::<_, StoreError>(|read| read.latest_dictionary())? });
    Ok(new)
}

impl Taken {
    /// Counts a report or a window, and says which word it is counted under.
    fn note<'a>(&mut self, kept: Kept, new: &'a str) -> &'a str {
        match kept {
            Kept::New => {
                self.new += 1;
                new
            }
            Kept::Repeat => {
                self.repeats += 1;
                "repeat"
            }
            Kept::Different => {
                self.different += 1;
                "id taken"
            }
        }
    }
}
