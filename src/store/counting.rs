//! Counting reports of which nothing else is kept, many at once. What needs no writing is done before the transaction that writes:
//! a database may have one writer only, and people wait for it.

use super::{
    Quick, Read, StoreError, Tx,
    blocks::{BlockRow, RowWritten},
    changes::Kept,
    keeping::{Learned, Memory, Numbers, number_of},
    reports::Report,
    rollups::hour,
    signatures::SignatureColumns,
    sums::{HourRow, MinuteRow},
};
use crate::domain::{
    crash::{Crash, ReportKind},
    time,
};
use std::collections::{BTreeMap, HashSet};

/// What became of reports, in their order, and what is to be remembered once that is committed.
#[derive(Debug)]
pub struct Counted {
    /// What became of each.
    pub kept: Vec<Kept>,
    /// What is to be remembered.
    pub learned: Learned,
    /// The rows that hold them.
    pub written: Vec<RowWritten>,
}

/// Reports that are ready to be counted, each once per id, none of them kept whole.
pub struct Ready<'a> {
    ids: Ids<'a>,
    /// The numbers of their signatures, as far as nobody remembered them.
    numbers: Numbers,
    /// What is to be written where no id is known.
    counts: Counts,
}

/// Reports and what stands for their ids, in their order; and which of them each service has.
struct Ids<'a> {
    reports: &'a [&'a Report],
    marks: Vec<i64>,
    by_service: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Ids<'a> {
    fn of(reports: &'a [&'a Report]) -> Ids<'a> {
        let mut by_service: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, it) in reports.iter().enumerate() {
            by_service.entry(&it.crash.service).or_default().push(place);
        }
        let marks = reports.iter().map(|it| it.mark()).collect();
        Ids { reports, marks, by_service }
    }

    /// What becomes of each where `new` picks of the ids of a service those that are not noted yet.
    fn kept<E>(&self, mut new: impl FnMut(&str, Vec<i64>) -> Result<HashSet<i64>, E>) -> Result<Vec<Kept>, E> {
        let mut kept = vec![Kept::Repeat; self.reports.len()];
        for (service, places) in &self.by_service {
            let mut new = new(service, places.iter().map(|place| self.marks[*place]).collect())?;
            // An id that came twice is new once.
            places.iter().filter(|place| new.remove(&self.marks[**place])).for_each(|place| kept[*place] = Kept::New);
        }
        Ok(kept)
    }
}

/// What is to be written for reports, and what became of them then.
struct Counts {
    counted: Counted,
    rows: Vec<BlockRow>,
    sums: SumRows,
}

impl Counts {
    fn of(reports: &[&Report], kept: Vec<Kept>, numbers: Numbers, memory: &Memory) -> Result<Counts, StoreError> {
        let (mut learned, mut sums) = (Learned::of(numbers), Sums::default());
        for (it, _) in reports.iter().zip(&kept).filter(|(_, kept)| **kept == Kept::New) {
            let number = number_of(&it.crash, memory, &learned);
            learned.put_into_row(it, memory);
            sums.add(&it.crash, it.kind, number, false);
        }
        let rows = learned.rows()?;
        let written = rows.iter().map(BlockRow::written).collect();
        Ok(Counts { rows, sums: sums.rows(), counted: Counted { kept, learned, written } })
    }

    fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.rows.iter().try_for_each(|row| tx.keep_block(row))?;
        self.sums.write(tx)
    }
}

impl Ready<'_> {
    /// What becomes of the reports where none of their ids is known.
    pub fn kept(&self) -> &[Kept] {
        &self.counts.counted.kept
    }

    /// The same, with what is to be remembered then.
    pub fn into_counted(self) -> Counted {
        self.counts.counted
    }
}

impl Read<'_> {
    /// Prepares reports to be counted, each once per id, none of them kept whole.
    pub fn prepare_to_count<'a>(
        &mut self,
        reports: &'a [&'a Report],
        memory: &Memory,
    ) -> Result<Ready<'a>, StoreError> {
        let (ids, numbers) = (Ids::of(reports), self.learn_numbers(reports, memory)?);
        let kept = ids.kept(|_, marks| Ok::<_, StoreError>(marks.into_iter().collect()))?;
        let counts = Counts::of(reports, kept, numbers.clone(), memory)?;
        Ok(Ready { ids, numbers, counts })
    }
}

impl Tx<'_> {
    /// Counts reports that are ready for it. Gives back nothing where none of their ids was known, otherwise what became of them instead.
    pub fn count_reports(&mut self, ready: &Ready<'_>, memory: &Memory) -> Result<Option<Counted>, StoreError> {
        let note = |service: &str, marks: Vec<i64>| {
            self.note_ids(service, marks.into_iter().map(|mark| (mark, None)).collect())
        };
        let kept = ready.ids.kept(note)?;
        let new = ready.ids.reports.iter().zip(&kept).filter(|(_, kept)| **kept == Kept::New);
        self.note_told(new.map(|(it, _)| *it))?;
        if kept == ready.kept() {
            ready.counts.write(self)?;
            return Ok(None);
        }
        let counts = Counts::of(ready.ids.reports, kept, ready.numbers.clone(), memory)?;
        counts.write(self)?;
        Ok(Some(counts.counted))
    }
}

/// Sums that are written once for all reports of a transaction, in the order of their keys.
#[derive(Default)]
pub(super) struct Sums<'a> {
    signatures: Quick<(&'a str, &'a str), SignatureColumns>,
    minutes: Quick<(&'a str, &'a str, i64, &'a str, &'a str), (i64, i64)>,
    hours: Quick<(&'a str, i64, i64, &'a str, &'a str), (i64, i64, i64)>,
}

impl<'a> Sums<'a> {
    pub(super) fn add(&mut self, it: &'a Crash, kind: ReportKind, number: i64, is_whole: bool) {
        let (at, clients) = (time::micros(it.at), it.clients_dropped.unwrap_or(0));
        let crashed = i64::from(kind == ReportKind::Crash);
        let release = it.release.as_deref().unwrap_or_default();
        let sum = self.signatures.entry((&it.service, &it.signature)).or_insert_with(|| SignatureColumns {
            service: it.service.clone(),
            title: it.signature.clone(),
            number,
            first_at: at,
            last_at: at,
            crashes: 0,
            handled: 0,
            clients: 0,
            last_id: String::new(),
        });
        if is_whole && (sum.last_id.is_empty() || at >= sum.last_at) {
            sum.last_id = it.id.clone();
        }
        (sum.first_at, sum.last_at) = (sum.first_at.min(at), sum.last_at.max(at));
        sum.crashes += crashed;
        sum.handled += 1 - crashed;
        sum.clients += clients;
        // Handled errors leave a row of zeros: the service was heard of there and then.
        let minute = time::micros(time::minute(it.at));
        let sum = self.minutes.entry((&it.service, &it.environment, minute, release, &it.cell)).or_default();
        *sum = (sum.0 + crashed, sum.1 + crashed * clients);
        let sum = self.hours.entry((&it.service, number, hour(at), &it.environment, release)).or_default();
        *sum = (sum.0 + crashed, sum.1 + 1 - crashed, sum.2 + clients);
    }

    /// The sums as they are to be added to what is there.
    pub(super) fn rows(self) -> SumRows {
        let minute = |(service, environment, minute, release, cell): (&str, &str, i64, &str, &str), sum: (i64, i64)| {
            let [service, environment, release, cell] = [service, environment, release, cell].map(str::to_owned);
            MinuteRow { service, environment, minute, release, cell, crashes: sum.0, clients: sum.1 }
        };
        let hour = |(service, signature, hour, environment, release): (&str, i64, i64, &str, &str),
                    sum: (i64, i64, i64)| {
            let [service, environment, release] = [service, environment, release].map(str::to_owned);
            let (crashes, handled, clients) = sum;
            HourRow { service, signature, hour, environment, release, crashes, handled, clients }
        };
        SumRows {
            signatures: in_order(self.signatures, |_, sum| sum),
            minutes: in_order(self.minutes, minute),
            hours: in_order(self.hours, hour),
        }
    }
}

/// Rows of sums, each kind in the order of its keys.
pub(super) struct SumRows {
    signatures: Vec<SignatureColumns>,
    minutes: Vec<MinuteRow>,
    hours: Vec<HourRow>,
}

impl SumRows {
    pub(super) fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.count_signatures(&self.signatures)?;
        tx.count_minutes(&self.minutes)?;
        tx.count_hours(&self.hours)
    }
}

/// Rows in the order of their keys.
fn in_order<K: Ord, V, R>(sums: Quick<K, V>, row: impl Fn(K, V) -> R) -> Vec<R> {
    let mut sums: Vec<(K, V)> = sums.into_iter().collect();
    sums.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    sums.into_iter().map(|(key, sum)| row(key, sum)).collect()
}
