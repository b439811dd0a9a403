//! Taking in telemetry: one transaction for as many deliveries as came together. What a door made of a request's bytes is
//! a [`Delivery`]; each is answered after the commit that holds it. Reports that are only counted are noted as they came, and
//! folded a moment later, many commits at once: only then is it known which were repeats, and only then does the judge hear of them.

use super::{Error, record_change::know_service};
use crate::{
    domain::{Record, Time, crash::ReportKind, exposure::Exposure, time},
    store::{
        Actor, Backend, Store, StoreError, Tx,
        arrived::{Arrived, Noted},
        changes::Kept,
        counting::Counted,
        keeping::{Examples, Learned, Memory},
        outcomes::Outcome,
        packing::{self, Dictionary, Packer},
        reports::Report,
        telemetry::RowWritten,
    },
};
use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher, RandomState},
};

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
    /// Reports and windows that are kept now; those that came to be counted only are all taken for new.
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
    /// What this one notes reports under that are not folded yet, and the number of the next.
    node: i64,
    number: i64,
    /// What it noted is folded from this number on.
    fold_from: i64,
}

/// A batch that is written: what became of each delivery, and the records that are new.
#[derive(Debug, Default)]
pub struct Written {
    /// What became of each delivery, in their order.
    pub answers: Vec<Result<Taken, StoreError>>,
    /// What the judge has not seen yet.
    pub records: Vec<Record>,
    /// How many reports were kept whole.
    pub whole: usize,
    /// How many reports were noted, to be folded.
    pub noted: usize,
    /// What became of what came through each door.
    pub outcomes: Outcomes,
}

/// How often what came through a door became what.
pub type Outcomes = BTreeMap<(&'static str, String), i64>;

/// What came of folding reports that were only noted.
#[derive(Debug, Default)]
pub struct Folded {
    /// How many reports it was, with those that turned out to be repeats. None are left where it is none.
    pub reports: usize,
    /// What the judge has not seen yet.
    pub fresh: Fresh,
    /// What became of what came through each door.
    pub outcomes: BTreeMap<(String, String), i64>,
}

/// What was just committed here, and the judge has not seen yet.
#[derive(Debug, Default)]
pub struct Fresh {
    /// The records.
    pub records: Vec<Record>,
    /// The node that noted those of them that were folded, and the rows that it wrote for that: who has these records need not read them.
    pub rows: Option<(i64, Vec<RowWritten>)>,
}

/// Services that are remembered as known; past that all are asked for again.
const REMEMBERED: usize = 10_000;
/// After so many seconds reports that another node noted are folded by whoever finds them: that node is gone.
const LEFT_BEHIND: i64 = 15;

/// As many noted reports are folded in one transaction, and the rest of the commit that the last of them came with. Their ids lie
/// on the same pages where they say the same seconds, and their counts are mostly the same rows: the more there are, the less is
/// written for each. But SQLite's one writer is held meanwhile: with 4,096 there pages wait longer, and so does whoever is refused.
pub fn folded_at_once(store: &Store) -> usize {
    match store.backend() {
        Backend::Sqlite(_) => 2_048,
        Backend::Postgres(_) => 4_096,
    }
}

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
        let node = RandomState::new().hash_one(std::process::id()).cast_signed();
        Keeper { memory: Memory::new(examples), services: HashSet::new(), node, number: 0, fold_from: 0 }
    }

    /// Another one, which folds what this one notes, beside it.
    pub fn folder(&self) -> Keeper {
        Keeper {
            memory: Memory::new(self.memory.examples().clone()),
            services: HashSet::new(),
            node: self.node,
            number: 0,
            fold_from: 0,
        }
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
                let mut written = Written::default();
                for it in deliveries.chunks(1) {
                    let alone = self.together(store, it, now).unwrap_or_else(|error| self.failed(it, &error));
                    written.answers.extend(alone.answers);
                    written.records.extend(alone.records);
                    written.whole += alone.whole;
                    written.noted += alone.noted;
                    for (what, reports) in alone.outcomes {
                        *written.outcomes.entry(what).or_insert(0) += reports;
                    }
                }
                written
            }
            Err(error) => self.failed(deliveries, &error),
        }
    }

    /// A commit that failed may have happened all the same: nothing is remembered of it, and its numbers are not used again.
    fn failed(&mut self, deliveries: &[Delivery], error: &StoreError) -> Written {
        self.memory.forget();
        self.services.clear();
        self.number = self.number.saturating_add(deliveries.len() as i64).saturating_add(1_000);
        Written { answers: deliveries.iter().map(|_| Err(error.clone())).collect(), ..Written::default() }
    }

    fn together(&mut self, store: &Store, deliveries: &[Delivery], now: Time) -> Result<Written, StoreError> {
        let all = deliveries.iter().flat_map(|it| it.reports.iter().map(|report| (it.door, report)));
        let counted: Vec<(&str, &Report)> = all.filter(|(_, report)| report.whole.is_none()).collect();
        // What needs no writing is done before: others wait for whoever writes.
        let noted = Noted::of(self.node, self.number, &counted)?;
        let kept = store.take(|tx| {
            let services = self.know_services(tx, deliveries, now)?;
            tx.note_arrived(&noted)?;
            self.keep(tx, deliveries, services, now)
        });
        let Kepts { taken, records, learned, services, outcomes } = kept.inspect_err(|_| {
            self.memory.forget();
            self.services.clear();
        })?;
        self.number = noted.next();
        let noted = counted.len();
        let whole = learned.whole;
        self.memory.learn(learned);
        if self.services.len() > REMEMBERED {
            self.services.clear();
        }
        self.services.extend(services.into_iter().map(str::to_owned));
        Ok(Written { answers: taken.into_iter().map(Ok).collect(), records, whole, noted, outcomes })
    }

    /// Folds some of the reports that were only noted: those that are new are counted, and the judge is to hear of them.
    pub fn fold(&mut self, store: &Store, now: Time) -> Result<Folded, StoreError> {
        let (node, mut from) = (self.node, self.fold_from);
        let folded = self.fold_rows(store, node, &mut from, now);
        self.fold_from = from;
        folded
    }

    /// Folds what other nodes noted and did not come to fold; with `all`, however little time they had. The judge reads it by itself.
    pub fn fold_left_behind(&mut self, store: &Store, all: bool, now: Time) -> Result<usize, StoreError> {
        let before = if all { Time::MAX_UTC } else { now - time::seconds(LEFT_BEHIND) };
        let nodes = store.read::<_, StoreError>(|read| read.nodes_of_arrived(before))?;
        let (own, mut reports) = (self.node, 0);
        for node in nodes.into_iter().filter(|node| *node != own) {
            let mut from = i64::MIN;
            loop {
                let folded = self.fold_rows(store, node, &mut from, now)?;
                reports += folded.reports;
                if folded.reports == 0 {
                    break;
                }
            }
        }
        Ok(reports)
    }

    /// Folds what a node noted, from one number on. A row that cannot be folded is left where it is, and passed over from then on.
    fn fold_rows(&mut self, store: &Store, node: i64, from: &mut i64, now: Time) -> Result<Folded, StoreError> {
        loop {
            let error = match self.fold_some(store, node, *from, folded_at_once(store), now) {
                Err(StoreError::Other(_) | StoreError::Corrupt(_)) => {
                    match self.fold_some(store, node, *from, 1, now) {
                        Err(error @ (StoreError::Other(_) | StoreError::Corrupt(_))) => error,
                        outcome => return outcome,
                    }
                }
                outcome => return outcome,
            };
            let Some(first) = store.read::<_, StoreError>(|read| read.first_arrived(node, *from))? else {
                return Ok(Folded::default());
            };
            tracing::error!(%error, node, row = first, "reports that are kept cannot be counted; the others go on");
            *from = first.saturating_add(1);
        }
    }

    fn fold_some(
        &mut self,
        store: &Store,
        node: i64,
        from: i64,
        enough: usize,
        now: Time,
    ) -> Result<Folded, StoreError> {
        let arrived = store.read::<_, StoreError>(|read| read.arrived(node, from, enough))?;
        let reports: Vec<&Report> = arrived.iter().flat_map(|it| &it.reports).collect();
        let ready = store.read::<_, StoreError>(|read| read.prepare_to_count(&reports, &self.memory))?;
        let counted = store.take::<_, StoreError>(|tx| {
            tx.drop_arrived(&arrived)?;
            let counted = tx.count_reports(&ready, &self.memory)?;
            let outcomes = became(&arrived, counted.as_ref().map_or(ready.kept(), |it| &it.kept));
            for ((service, door, reason), reports) in outcomes {
                let (service, door, reason) = (service.to_owned(), door.to_owned(), reason.to_owned());
                tx.count_outcome(&Outcome { service, door, reason, reports }, now)?;
            }
            Ok(counted)
        });
        let Counted { kept, learned, written } = match counted.inspect_err(|_| self.memory.forget())? {
            Some(instead) => instead,
            None => ready.into_counted(),
        };
        let mut folded = Folded { reports: reports.len(), ..Folded::default() };
        for ((_, door, reason), reports) in became(&arrived, &kept) {
            *folded.outcomes.entry((door.to_owned(), reason.to_owned())).or_insert(0) += reports;
        }
        self.memory.learn(learned);
        let all = arrived.into_iter().flat_map(|it| it.reports).zip(kept);
        let crashed = all.filter(|(it, kept)| *kept == Kept::New && it.kind == ReportKind::Crash);
        let records = crashed.map(|(it, _)| Record::Crash(it.crash)).collect();
        folded.fresh = Fresh { records, rows: Some((node, written)) };
        Ok(folded)
    }

    /// Keeps all but the reports that are only counted.
    fn keep<'a>(
        &self,
        tx: &mut Tx<'_>,
        deliveries: &'a [Delivery],
        services: HashSet<&'a str>,
        now: Time,
    ) -> Result<Kepts<'a>, StoreError> {
        let reports: Vec<&Report> =
            deliveries.iter().flat_map(|it| &it.reports).filter(|report| report.whole.is_some()).collect();
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
            taken.new += it.reports.iter().filter(|report| report.whole.is_none()).count();
            let whole = it.reports.iter().filter(|report| report.whole.is_some());
            for (report, kept) in whole.zip(&mut kept) {
                count(taken.note(kept, report.kind.word()), 1);
                if kept == Kept::New && report.kind == ReportKind::Crash {
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

/// How often reports became what, by service and door, what became of each being given in their order.
fn became<'a>(arrived: &'a [Arrived], kept: &[Kept]) -> BTreeMap<(&'a str, &'a str, &'static str), i64> {
    let (mut kept, mut outcomes) = (kept.iter(), BTreeMap::new());
    for it in arrived {
        for (report, kept) in it.reports.iter().zip(&mut kept) {
            let reason = Taken::default().note(*kept, report.kind.word());
            *outcomes.entry((it.service.as_str(), it.door.as_str(), reason)).or_insert(0) += 1;
        }
    }
    outcomes
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
    fn note(&mut self, kept: Kept, new: &'static str) -> &'static str {
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
