//! Reports that are only counted: what the judge and the charts need of each, many in one row, column by column, so that one
//! costs tens of bytes. The ids stand in a table of their own, as 64 bits each, so that a retry is known; those of whole reports too.

use super::{
    Quick, Read, StoreError, Tx, on_each,
    packing::{pack_alone, unpack_alone},
    report_ids::Slot,
    reports::Report,
    schema::{counted, report_block},
};
use crate::domain::{
    Time,
    crash::{Crash, ReportKind},
    time,
};
use diesel::{prelude::*, upsert::excluded};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use std::collections::HashMap;

/// How many reports share a row at most. While a row grows it is written anew with each fold; a shorter one leaves more of its last page
/// empty: of the load run's reports 64 bytes each were on disk with rows of 256, 60 to 63 with rows of 512, 55 with these.
const MOST: usize = 1_024;
/// A row takes reports in for so long, microseconds of arrival.
const LONGEST: i64 = 10 * 60 * 1_000_000;

/// A row that still takes reports in.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenBlock {
    name: [u8; 16],
    columns: Columns,
    /// Whether it holds reports that no committed transaction has written.
    has_grown: bool,
    /// The smallest and the greatest time of crashes, and of arrivals.
    at: (i64, i64),
    received: (i64, i64),
}

/// The reports of a row. Times are microseconds, each as the difference to the one before; words are places in `words`, from
/// one on, zero for none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Columns {
    words: Vec<String>,
    id: Vec<String>,
    at: Vec<i64>,
    received: Vec<i64>,
    environment: Vec<usize>,
    release: Vec<usize>,
    cell: Vec<usize>,
    host: Vec<usize>,
    signature: Vec<usize>,
    peer_release: Vec<usize>,
    standing: Vec<usize>,
    clients: Vec<Option<i64>>,
    /// Where the ids are noted. Rows of earlier versions have none.
    #[serde(default)]
    slot: Vec<Option<i64>>,
    #[serde(skip)]
    places: Quick<String, usize>,
    #[serde(skip)]
    last: (i64, i64),
}

impl Columns {
    fn word(&mut self, word: &str) -> usize {
        if let Some(place) = self.places.get(word) {
            return *place;
        }
        self.words.push(word.to_owned());
        self.places.insert(word.to_owned(), self.words.len());
        self.words.len()
    }

    fn add(&mut self, Report { crash: it, kind, slot, .. }: &Report) {
        let (at, received) = (time::micros(it.at), time::micros(it.received_at));
        self.id.push(it.id.clone());
        self.at.push(at.wrapping_sub(self.last.0));
        self.received.push(received.wrapping_sub(self.last.1));
        self.last = (at, received);
        let place = self.word(&it.environment);
        self.environment.push(place);
        let place = it.release.as_deref().map_or(0, |word| self.word(word));
        self.release.push(place);
        let place = self.word(&it.cell);
        self.cell.push(place);
        let place = it.host.as_deref().map_or(0, |word| self.word(word));
        self.host.push(place);
        let place = self.word(&it.signature);
        self.signature.push(place);
        let place = it.peer_release.as_deref().map_or(0, |word| self.word(word));
        self.peer_release.push(place);
        let place = self.word(kind.word());
        self.standing.push(place);
        self.clients.push(it.clients_dropped);
        self.slot.push(slot.stored());
    }

    /// The reports again, as far as they are kept.
    fn reports(&self, service: &str) -> Result<Vec<Report>, StoreError> {
        let broken = || StoreError::Corrupt("a row of counted reports".into());
        let word = |column: &[usize], number: usize| match column.get(number) {
            Some(0) => Ok(None),
            Some(place) => self.words.get(place - 1).map(|word| Some(word.clone())).ok_or_else(broken),
            None => Err(broken()),
        };
        let must = |column: &[usize], number: usize| word(column, number)?.ok_or_else(broken);
        let (mut at, mut received) = (0_i64, 0_i64);
        let mut reports = Vec::with_capacity(self.id.len());
        for (number, id) in self.id.iter().enumerate() {
            at = at.wrapping_add(*self.at.get(number).ok_or_else(broken)?);
            received = received.wrapping_add(*self.received.get(number).ok_or_else(broken)?);
            let crash = Crash {
                id: id.clone(),
                service: service.to_owned(),
                environment: must(&self.environment, number)?,
                release: word(&self.release, number)?,
                cell: must(&self.cell, number)?,
                host: word(&self.host, number)?,
                at: time::from_micros(at),
                received_at: time::from_micros(received),
                signature: must(&self.signature, number)?,
                signature_given: true,
                clients_dropped: *self.clients.get(number).ok_or_else(broken)?,
                peer_release: word(&self.peer_release, number)?,
                uptime_s: None,
                exception: None,
                flags: Map::new(),
                extra: Map::new(),
            };
            let kind = ReportKind::parse(&must(&self.standing, number)?).ok_or_else(broken)?;
            let slot = Slot::from_stored(self.slot.get(number).copied().flatten());
            reports.push(Report { slot, ..Report::counted(crash, kind) });
        }
        Ok(reports)
    }
}

impl OpenBlock {
    /// Whether a report that arrives at this time belongs into another row.
    pub(super) fn is_closed(&self, received: Time) -> bool {
        let count = self.columns.id.len();
        let (received, (first, last)) = (time::micros(received), self.received);
        count >= MOST || (count > 0 && last.max(received) - first.min(received) > LONGEST)
    }

    pub(super) fn add(&mut self, report: &Report) {
        let it = &report.crash;
        let (at, received) = (time::micros(it.at), time::micros(it.received_at));
        let wider = |(from, to): (i64, i64), it: i64| (from.min(it), to.max(it));
        if self.columns.id.is_empty() {
            (self.at, self.received) = ((at, at), (received, received));
            // Ordered by arrival, and as unique as the first report's id.
            self.name[..8].copy_from_slice(&received.to_be_bytes());
            self.name[8..].copy_from_slice(&report.mark().to_be_bytes());
        }
        (self.at, self.received) = (wider(self.at, at), wider(self.received, received));
        self.columns.add(report);
        self.has_grown = true;
    }

    pub(super) fn has_grown(&self) -> bool {
        self.has_grown
    }

    /// How many reports it holds, the smallest and the greatest time of their crashes, and of their arrivals.
    pub(super) fn extent(&self) -> (i64, (i64, i64), (i64, i64)) {
        (self.columns.id.len() as i64, self.at, self.received)
    }

    /// The reports as text, column by column.
    pub(super) fn text(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(&self.columns).map_err(|error| StoreError::Other(error.to_string()))
    }

    /// The row of a service as it is to be written.
    pub(super) fn row(&self, service: &str) -> Result<BlockRow, StoreError> {
        Ok(BlockRow {
            service: service.to_owned(),
            block: self.name.to_vec(),
            first_at: self.at.0,
            last_at: self.at.1,
            first_received: self.received.0,
            last_received: self.received.1,
            reports: self.columns.id.len() as i64,
            body: pack_alone(&self.text()?)?,
        })
    }

    /// Notes that all of it is written.
    pub(super) fn is_written(&mut self) {
        self.has_grown = false;
    }
}

/// Many reports as they are kept, packed.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = report_block, treat_none_as_default_value = false)]
pub(super) struct BlockRow {
    service: String,
    block: Vec<u8>,
    first_at: i64,
    last_at: i64,
    first_received: i64,
    last_received: i64,
    reports: i64,
    body: Vec<u8>,
}

impl BlockRow {
    pub(super) fn written(&self) -> RowWritten {
        RowWritten {
            service: self.service.clone(),
            block: self.block.clone(),
            reports: self.reports,
            last_received: self.last_received,
        }
    }
}

/// A row of counted reports as it was just written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowWritten {
    service: String,
    block: Vec<u8>,
    reports: i64,
    last_received: i64,
}

/// Rows of counted reports whose reports are known, with how many each held then: whoever reads the last seconds again and again reads
/// each once, and not at all what its own node wrote and told it.
#[derive(Debug, Clone, Default)]
pub struct RowsRead {
    /// By service and name; with the last arrival in it.
    rows: HashMap<(String, Vec<u8>), (i64, i64)>,
    /// The node that tells by itself what it notes, once it is folded.
    node: Option<i64>,
}

/// Which rows of counted reports are read.
pub(super) enum Rows<'a> {
    /// All, of which nothing is noted.
    All,
    /// All, and they are noted as read.
    Noted(&'a mut RowsRead),
    /// Those that were not read before, or have grown.
    Anew(&'a mut RowsRead),
}

impl RowsRead {
    /// Notes a row as it was read first: what came into it since is read another time.
    fn note(&mut self, row: &BlockRow) {
        let name = (row.service.clone(), row.block.clone());
        self.rows.entry(name).or_insert((row.reports, row.last_received));
    }

    /// Forgets rows whose last report reached us before an instant.
    pub fn forget(&mut self, before: Time) {
        self.rows.retain(|_, (_, last)| *last >= time::micros(before));
    }

    /// Takes rows for known that a node wrote, whoever reads having been told every report of them; and leaves out from now on what that
    /// node has not folded yet. What is read begins at no earlier arrival than `from` from now on.
    pub fn know(&mut self, node: i64, written: Vec<RowWritten>, from: Time) {
        self.node = Some(node);
        let rows = written.into_iter().map(|it| ((it.service, it.block), (it.reports, it.last_received)));
        self.rows.extend(rows);
        self.forget(from);
    }
}

impl Tx<'_> {
    /// Writes a row, anew where it has grown.
    pub(super) fn keep_block(&mut self, row: &BlockRow) -> Result<(), StoreError> {
        on_each!(self.db, c => diesel::insert_into(report_block::table)
            .values(row)
            .on_conflict((report_block::service, report_block::block))
            .do_update()
            .set((
                report_block::first_at.eq(excluded(report_block::first_at)),
                report_block::last_at.eq(excluded(report_block::last_at)),
                report_block::first_received.eq(excluded(report_block::first_received)),
                report_block::last_received.eq(excluded(report_block::last_received)),
                report_block::reports.eq(excluded(report_block::reports)),
                report_block::body.eq(excluded(report_block::body)),
            ))
            .execute(c))?;
        Ok(())
    }

    /// Drops rows of reports that all reached us before an instant, at most so many rows, with their ids. How many rows it was.
    pub fn drop_blocks(&mut self, before: Time, most: i64) -> Result<usize, StoreError> {
        let rows: Vec<BlockRow> = on_each!(self.db, c => report_block::table
            .filter(report_block::last_received.lt(time::micros(before)))
            .order(report_block::last_received.asc())
            .limit(most)
            .select(BlockRow::as_select())
            .load(c))?;
        for row in &rows {
            let reports = reports_of(row)?;
            let marks: Vec<i64> = reports.iter().flat_map(|it| [Some(it.mark()), it.told_mark()]).flatten().collect();
            on_each!(self.db, c => diesel::delete(
                counted::table.filter(counted::service.eq(&row.service)).filter(counted::id.eq_any(&marks)),
            ).execute(c))?;
            on_each!(self.db, c => diesel::delete(report_block::table.find((&row.service, &row.block))).execute(c))?;
        }
        Ok(rows.len())
    }
}

fn reports_of(row: &BlockRow) -> Result<Vec<Report>, StoreError> {
    read_text(&unpack_alone(&row.body)?, &row.service)
}

/// The reports of a service that a text holds, as [`OpenBlock::text`] gave it.
pub(super) fn read_text(text: &[u8], service: &str) -> Result<Vec<Report>, StoreError> {
    let columns: Columns = serde_json::from_slice(text)
        .map_err(|error| StoreError::Corrupt(format!("a row of counted reports: {error}")))?;
    columns.reports(service)
}

impl Read<'_> {
    /// Reports of a service that were only counted, whose crashes fall into a range of time.
    pub(super) fn counted_between(
        &mut self,
        service: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<(Crash, ReportKind)>, StoreError> {
        let rows: Vec<BlockRow> = on_each!(self.db, c => report_block::table
            .filter(report_block::service.eq(service))
            .filter(report_block::last_at.ge(time::micros(from)))
            .filter(report_block::first_at.le(time::micros(to)))
            .select(BlockRow::as_select())
            .load(c))?;
        let mut found = Vec::new();
        for row in &rows {
            found.extend(
                reports_of(row)?.into_iter().map(Report::into_judged).filter(|(it, _)| (from..=to).contains(&it.at)),
            );
        }
        found.extend(self.arrived_between(service, from, to)?);
        Ok(found)
    }

    /// Reports that were only counted and reached us from one instant on and before another.
    pub(super) fn counted_received(
        &mut self,
        (from, to): (Time, Time),
        rows: Rows<'_>,
    ) -> Result<Vec<(Crash, ReportKind)>, StoreError> {
        // An index has no other bound for the end of a range. Rows of earlier versions are twice as long at most where a clock was set back
        // once.
        let last = time::micros(to).saturating_add(2 * LONGEST);
        let rows_within = || {
            report_block::table
                .filter(report_block::last_received.ge(time::micros(from)))
                .filter(report_block::last_received.le(last))
                .filter(report_block::first_received.lt(time::micros(to)))
        };
        let meant = |row: &BlockRow| -> Result<Vec<(Crash, ReportKind)>, StoreError> {
            let reports = reports_of(row)?.into_iter().map(Report::into_judged);
            Ok(reports.filter(|(it, _)| (from..to).contains(&it.received_at)).collect())
        };
        let (mut found, mut except) = (Vec::new(), None);
        if let Rows::Anew(known) = rows {
            let rows: Vec<(String, Vec<u8>, i64, i64)> = on_each!(self.db, c => rows_within()
                .select((report_block::service, report_block::block, report_block::reports, report_block::last_received))
                .load(c))?;
            let rows: HashMap<(String, Vec<u8>), (i64, i64)> =
                rows.into_iter().map(|(service, block, reports, last)| ((service, block), (reports, last))).collect();
            for (name, _) in rows.iter().filter(|(name, extent)| known.rows.get(name) != Some(extent)) {
                let row: BlockRow = on_each!(self.db, c => report_block::table
                    .find((&name.0, &name.1))
                    .select(BlockRow::as_select())
                    .first(c))?;
                found.extend(meant(&row)?);
            }
            known.rows = rows;
            except = known.node;
        } else {
            let read: Vec<BlockRow> = on_each!(self.db, c => rows_within()
                .select(BlockRow::as_select())
                .load(c))?;
            for row in &read {
                found.extend(meant(row)?);
            }
            if let Rows::Noted(known) = rows {
                read.iter().for_each(|row| known.note(row));
            }
        }
        found.extend(self.arrived_within((from, to), except)?);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Record;

    #[test]
    fn what_is_counted_comes_back_as_far_as_it_is_judged() {
        let line = |id: &str, more: &str| {
            let line = format!(
                r#"{{"type":"crash","id":"{id}","at":"2026-03-03T01:14:05.646123Z","received_at":"2026-03-03T01:14:22.275Z","service":"relay","signature":"S"{more}}}"#
            );
            match Record::parse(&line).expect("valid") {
                Record::Crash(it) => it,
                other => panic!("{other:?}"),
            }
        };
        let first = line("c1", r#","release":"A","cell":"eu-1","host":"h","clients_dropped":3,"peer_release":"B""#);
        let second = line("c2", r#","environment":"staging""#);
        let mut block = OpenBlock::default();
        let first = Report::counted(first, ReportKind::Crash).claiming(Some(time::from_micros(1_772_500_000_000_000)));
        let second = Report::counted(second, ReportKind::Handled);
        block.add(&first);
        block.add(&second);
        let packed = pack_alone(&serde_json::to_vec(&block.columns).expect("JSON")).expect("packed");
        let columns: Columns = serde_json::from_slice(&unpack_alone(&packed).expect("unpacked")).expect("JSON");
        let found = columns.reports("relay").expect("whole");
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn a_row_that_names_a_word_which_is_not_there_is_an_error() {
        let columns = Columns {
            id: vec!["c".into()],
            at: vec![1],
            received: vec![1],
            environment: vec![7],
            ..Columns::default()
        };
        assert!(columns.reports("relay").is_err());
    }

    #[test]
    fn a_row_is_closed_when_it_is_full_or_old() {
        let record =
            Record::parse(r#"{"type":"crash","id":"c","at":"2026-03-03T01:14:05Z","service":"s","signature":"S"}"#);
        let Ok(Record::Crash(it)) = record else { panic!("valid") };
        let add = |block: &mut OpenBlock, it: &Crash| block.add(&Report::counted(it.clone(), ReportKind::Crash));
        let mut block = OpenBlock::default();
        assert!(!block.is_closed(it.received_at));
        add(&mut block, &it);
        assert!(
            !block.is_closed(it.received_at + time::minutes(9)) && block.is_closed(it.received_at + time::minutes(11))
        );
        // However often a clock is set back, no row grows longer than that.
        let mut earlier = it.clone();
        earlier.received_at = it.received_at - time::minutes(6);
        add(&mut block, &earlier);
        assert!(
            block.is_closed(it.received_at + time::minutes(5)) && block.is_closed(it.received_at - time::minutes(11))
        );
        (0..MOST).for_each(|_| add(&mut block, &it));
        assert!(block.is_closed(it.received_at));
    }
}
