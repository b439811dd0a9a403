//! Reports that are kept whole: a few of each signature, release and hour, for people to read. All others are only counted.

use super::{
    Read, StoreError, Tx, on_each,
    packing::{Packer, Unpacker},
    report_ids::{ReportId, Slot, mark, shorten, told_mark},
    schema::{counted, report},
};
use crate::domain::{
    Record, Time,
    crash::{Crash, ReportKind},
    record::CrashText,
    time,
};
use diesel::prelude::*;
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::HashMap};

/// A crash report as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReport {
    /// The report.
    pub crash: Crash,
    /// What it stands for.
    pub kind: ReportKind,
    /// What else the sender said, as JSON.
    pub detail: Option<String>,
}

/// What a chart needs of one crash report.
#[derive(Debug, Clone, PartialEq)]
pub struct CrashMark {
    /// The report's id.
    pub id: String,
    /// When it crashed.
    pub at: Time,
    /// When that reached us.
    pub received_at: Time,
    /// The release, where known.
    pub release: Option<String>,
    /// The cell.
    pub cell: String,
    /// The machine.
    pub host: Option<String>,
    /// What groups it.
    pub signature: String,
    /// Clients that were cut off.
    pub clients_dropped: Option<i64>,
    /// What it stands for.
    pub kind: ReportKind,
    /// Whether the report can be read whole; otherwise it was only counted.
    pub is_whole: bool,
}

impl CrashMark {
    /// The mark of a report that was only counted.
    pub(super) fn counted(it: Crash, kind: ReportKind) -> CrashMark {
        CrashMark {
            id: it.id,
            at: it.at,
            received_at: it.received_at,
            release: it.release,
            cell: it.cell,
            host: it.host,
            signature: it.signature,
            clients_dropped: it.clients_dropped,
            kind,
            is_whole: false,
        }
    }
}

/// A report on its way into the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The report.
    pub crash: Crash,
    /// What it stands for.
    pub kind: ReportKind,
    /// Where its id is noted.
    pub slot: Slot,
    /// Its body, where it may be kept whole.
    pub whole: Option<Whole>,
}

/// The body of a report: everything that the columns do not say, packed.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The beginning of the SHA-256 of what the report says: the same id with another hash is another report.
    hash: Vec<u8>,
    dictionary: i64,
    body: Vec<u8>,
}

/// How long the hash of a report is, bytes. Rows that were there before had all 32.
pub(super) const HASH: usize = 8;

impl Report {
    /// A report with its body packed, to be kept whole where there is room. `detail` is what else the sender said, as JSON.
    pub fn whole(crash: Crash, kind: ReportKind, detail: Option<&str>, packer: &Packer) -> Result<Report, StoreError> {
        let line = CrashText::of(&crash);
        let (hash, mut text) = (line.content_hash()[..HASH].to_vec(), line.rest());
        if let Some(detail) = detail {
            text.push('\n');
            text.push_str(detail);
        }
        let (dictionary, body) = packer.pack(&text)?;
        Ok(Report { crash, kind, slot: Slot::default(), whole: Some(Whole { hash, dictionary, body }) })
    }

    /// The report as far as it is judged.
    pub fn judged(&self) -> Crash {
        let it = &self.crash;
        Crash {
            id: it.id.clone(),
            service: it.service.clone(),
            environment: it.environment.clone(),
            release: it.release.clone(),
            cell: it.cell.clone(),
            host: it.host.clone(),
            at: it.at,
            received_at: it.received_at,
            signature: it.signature.clone(),
            signature_given: true,
            clients_dropped: it.clients_dropped,
            peer_release: it.peer_release.clone(),
            uptime_s: None,
            exception: None,
            flags: Map::new(),
            extra: Map::new(),
        }
    }

    /// A report of which only the count is kept.
    pub fn counted(crash: Crash, kind: ReportKind) -> Report {
        Report { crash, kind, slot: Slot::default(), whole: None }
    }

    /// The same, whose sender made its id and wrote this time into it; both stay the same however often it is sent.
    pub fn claiming(self, claimed: Option<Time>) -> Report {
        Report { slot: claimed.map(Slot::of).unwrap_or_default(), ..self }
    }

    /// What stands for its id.
    pub(super) fn mark(&self) -> i64 {
        mark(&self.crash.service, &self.crash.id, self.slot)
    }

    /// What else stands for it, so that it is known when it comes back with the time that it is told with.
    pub(super) fn told_mark(&self) -> Option<i64> {
        told_mark(&self.crash.service, &self.crash.id, self.slot, self.crash.at)
    }

    /// What its id may be noted under as well, where it comes from no client: it may tell again of a report that one sent.
    pub(super) fn heard_mark(&self) -> Option<i64> {
        let Report { crash, slot, .. } = self;
        (*slot == Slot::default()).then(|| mark(&crash.service, &crash.id, Slot::of(crash.at)))
    }

    /// What is judged of a report that is only counted.
    pub(super) fn into_judged(self) -> (Crash, ReportKind) {
        (self.crash, self.kind)
    }
}

#[derive(Insertable)]
#[diesel(table_name = report, treat_none_as_default_value = false)]
struct NewRow<'a> {
    service: &'a str,
    id: Cow<'a, str>,
    environment: &'a str,
    release: Option<&'a str>,
    cell: &'a str,
    host: Option<&'a str>,
    peer_release: Option<&'a str>,
    at: i64,
    received_at: i64,
    signature: i64,
    clients_dropped: Option<i64>,
    standing: &'static str,
    hash: &'a [u8],
    dictionary: i64,
    body: &'a [u8],
    slot: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = report)]
pub(super) struct HeadRow {
    pub(super) service: String,
    #[diesel(deserialize_as = ReportId)]
    pub(super) id: String,
    environment: String,
    release: Option<String>,
    cell: String,
    host: Option<String>,
    peer_release: Option<String>,
    at: i64,
    received_at: i64,
    pub(super) signature: i64,
    clients_dropped: Option<i64>,
    standing: String,
}

impl HeadRow {
    /// The table allows three words only.
    fn kind(&self) -> ReportKind {
        ReportKind::parse(&self.standing).unwrap_or(ReportKind::Message)
    }

    fn mark(self, titles: &HashMap<i64, String>) -> CrashMark {
        CrashMark {
            kind: self.kind(),
            at: time::from_micros(self.at),
            received_at: time::from_micros(self.received_at),
            signature: titles.get(&self.signature).cloned().unwrap_or_default(),
            id: self.id,
            release: self.release,
            cell: self.cell,
            host: self.host,
            clients_dropped: self.clients_dropped,
            is_whole: true,
        }
    }

    /// The report without its body.
    pub(super) fn crash(self, signature: String) -> Crash {
        Crash {
            id: self.id,
            service: self.service,
            environment: self.environment,
            release: self.release,
            cell: self.cell,
            host: self.host,
            at: time::from_micros(self.at),
            received_at: time::from_micros(self.received_at),
            signature,
            signature_given: true,
            clients_dropped: self.clients_dropped,
            peer_release: self.peer_release,
            uptime_s: None,
            exception: None,
            flags: Map::new(),
            extra: Map::new(),
        }
    }

    /// The report with what its body says.
    pub(super) fn with_body(self, text: &str, title: String) -> Result<StoredReport, StoreError> {
        let (line, detail) = match text.split_once('\n') {
            Some((line, detail)) => (line, Some(detail.to_owned())),
            None => (text, None),
        };
        let mut fields: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| StoreError::Corrupt(format!("report {}: {error}", self.id)))?;
        let kind = self.kind();
        let head = Record::Crash(self.crash(title.clone())).to_fields();
        for (name, value) in head {
            // Whether the signature was given by the sender is what the body knows.
            if name != "signature" {
                fields.insert(name, value);
            }
        }
        match Record::from_fields(fields) {
            // What groups it was said when it came, whatever a later program would compute.
            Ok(Record::Crash(crash)) => Ok(StoredReport { crash: Crash { signature: title, ..crash }, kind, detail }),
            Ok(_) => Err(StoreError::Corrupt("a crash was expected in its table".into())),
            Err(error) => Err(StoreError::Corrupt(error.to_string())),
        }
    }
}

impl Tx<'_> {
    /// Keeps reports whole whose ids are new, each with the number of its signature. Gives back their numbers, in the order of the reports.
    pub(super) fn keep_whole<'a>(&mut self, reports: &[(&'a Report, i64)]) -> Result<Vec<i64>, StoreError> {
        let mut numbers = Vec::with_capacity(reports.len());
        for some in reports.chunks(100) {
            let row = |(report, signature): &(&'a Report, i64)| {
                let (it, whole) = (&report.crash, report.whole.as_ref()?);
                Some(NewRow {
                    service: &it.service,
                    id: shorten(&it.id),
                    environment: &it.environment,
                    release: it.release.as_deref(),
                    cell: &it.cell,
                    host: it.host.as_deref(),
                    peer_release: it.peer_release.as_deref(),
                    at: time::micros(it.at),
                    received_at: time::micros(it.received_at),
                    signature: *signature,
                    clients_dropped: it.clients_dropped,
                    standing: report.kind.word(),
                    hash: &whole.hash,
                    dictionary: whole.dictionary,
                    body: &whole.body,
                    slot: report.slot.stored(),
                })
            };
            let rows: Vec<NewRow<'_>> = some.iter().filter_map(row).collect();
            let kept: Vec<(i64, String, ReportId, Option<i64>)> = on_each!(self.db, c => diesel::insert_into(report::table)
                .values(&rows)
                .returning((report::number, report::service, report::id, report::slot))
                .get_results(c))?;
            let kept: HashMap<(&str, &str, Option<i64>), i64> =
                kept.iter().map(|(number, service, id, slot)| ((&**service, &*id.0, *slot), *number)).collect();
            for (Report { crash: it, slot, .. }, _) in some {
                let number = kept.get(&(&*it.service, &*it.id, slot.stored()));
                numbers.push(*number.ok_or_else(|| StoreError::Other(format!("report {} got no number", it.id)))?);
            }
        }
        Ok(numbers)
    }

    /// Drops reports that reached us before an instant, at most so many. How many it was.
    pub fn drop_reports(&mut self, before: Time, most: i64) -> Result<usize, StoreError> {
        let old: Vec<(i64, String, ReportId, Option<i64>, i64)> = on_each!(self.db, c => report::table
            .filter(report::received_at.lt(time::micros(before)))
            .order(report::received_at.asc())
            .limit(most)
            .select((report::number, report::service, report::id, report::slot, report::at))
            .load(c))?;
        let mut by_service: HashMap<&str, Vec<i64>> = HashMap::new();
        for (_, service, id, slot, at) in &old {
            let (slot, at) = (Slot::from_stored(*slot), time::from_micros(*at));
            let marks = by_service.entry(service).or_default();
            marks.push(mark(service, &id.0, slot));
            marks.extend(told_mark(service, &id.0, slot, at));
        }
        for some in old.chunks(500) {
            let numbers: Vec<i64> = some.iter().map(|(number, ..)| *number).collect();
            on_each!(self.db, c => diesel::delete(report::table.filter(report::number.eq_any(&numbers))).execute(c))?;
        }
        for (service, marks) in by_service {
            for marks in marks.chunks(500) {
                on_each!(self.db, c => diesel::delete(
                    counted::table.filter(counted::service.eq(service)).filter(counted::id.eq_any(marks)),
                ).execute(c))?;
            }
        }
        Ok(old.len())
    }
}

impl Whole {
    pub(super) fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// Whether a stored hash is of the same content.
    pub(super) fn agrees(&self, stored: &[u8]) -> bool {
        stored.get(..HASH) == Some(&self.hash[..])
    }
}

impl Read<'_> {
    /// How many reports of a signature (whose number says of which service) and a release with crashes in a range of microseconds are
    /// kept whole.
    pub(super) fn count_whole(
        &mut self,
        signature: i64,
        release: Option<&str>,
        (from, to): (i64, i64),
    ) -> Result<i64, StoreError> {
        Ok(on_each!(self.db, c => {
            let query = report::table
                .filter(report::signature.eq(signature))
                .filter(report::at.ge(from))
                .filter(report::at.lt(to))
                .into_boxed();
            match release {
                Some(release) => query.filter(report::release.eq(release)).count().get_result(c),
                None => query.filter(report::release.is_null()).count().get_result(c),
            }
        })?)
    }

    /// One report of a service that is kept whole.
    pub fn crash(&mut self, service: &str, id: &str) -> Result<Option<StoredReport>, StoreError> {
        match self.number_of_report(service, id)? {
            Some(number) => self.crash_numbered(service, id, number),
            None => Ok(None),
        }
    }

    /// The same, of those that say no time that their senders stand for.
    pub fn crash_by_id_alone(&mut self, service: &str, id: &str) -> Result<Option<StoredReport>, StoreError> {
        match self.number_among(service, &[mark(service, id, Slot::default())])? {
            Some(number) => self.crash_numbered(service, id, number),
            None => Ok(None),
        }
    }

    fn crash_numbered(&mut self, service: &str, id: &str, number: i64) -> Result<Option<StoredReport>, StoreError> {
        let row: Option<(HeadRow, i64, Vec<u8>)> = on_each!(self.db, c => report::table
            .find(number)
            .select((HeadRow::as_select(), report::dictionary, report::body))
            .first(c)
            .optional())?;
        // Ids that are noted alike stand for one.
        let row = row.filter(|(head, ..)| head.service == service && head.id == id);
        let Some((head, dictionary, body)) = row else { return Ok(None) };
        let text = Unpacker::default().unpack(self, dictionary, &body)?;
        let title = self.signature_titles(service, vec![head.signature])?.remove(&head.signature).unwrap_or_default();
        head.with_body(&text, title).map(Some)
    }

    /// How many bytes the body of a report takes up, packed.
    pub fn body_size(&mut self, service: &str, id: &str) -> Result<Option<usize>, StoreError> {
        let Some(number) = self.number_of_report(service, id)? else { return Ok(None) };
        let body: Option<Vec<u8>> =
            on_each!(self.db, c => report::table.find(number).select(report::body).first(c).optional())?;
        Ok(body.map(|body| body.len()))
    }

    /// The marks of rows of one service.
    fn marks(&mut self, service: &str, rows: Vec<HeadRow>) -> Result<Vec<CrashMark>, StoreError> {
        let titles = self.signature_titles(service, rows.iter().map(|row| row.signature).collect())?;
        Ok(rows.into_iter().map(|row| row.mark(&titles)).collect())
    }

    /// The crash reports of a service in a range of time that are kept whole, the first so many of them, in order.
    pub(super) fn whole_between(
        &mut self,
        service: &str,
        environment: &str,
        from: Time,
        to: Time,
        most: i64,
    ) -> Result<Vec<CrashMark>, StoreError> {
        let rows: Vec<HeadRow> = on_each!(self.db, c => report::table
            .filter(report::service.eq(service))
            .filter(report::at.between(time::micros(from), time::micros(to)))
            .filter(report::environment.eq(environment))
            .filter(report::standing.eq(ReportKind::Crash.word()))
            .order(report::at.asc())
            .limit(most)
            .select(HeadRow::as_select())
            .load(c))?;
        self.marks(service, rows)
    }

    /// The crash reports of a service in a range of time, in order, also those that were only counted. Handled errors are
    /// left out.
    pub fn crashes_between(
        &mut self,
        service: &str,
        environment: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<CrashMark>, StoreError> {
        let mut marks = self.whole_between(service, environment, from, to, i64::MAX)?;
        let counted = self.counted_between(service, from, to)?;
        if !counted.is_empty() {
            marks.extend(
                counted
                    .into_iter()
                    .filter(|(it, kind)| *kind == ReportKind::Crash && it.environment == environment)
                    .map(|(it, kind)| CrashMark::counted(it, kind)),
            );
            marks.sort_by_key(|mark| mark.at);
        }
        Ok(marks)
    }

    /// The latest reports of one signature that are kept whole, handled ones too.
    pub fn reports_of(&mut self, service: &str, signature: &str, limit: i64) -> Result<Vec<CrashMark>, StoreError> {
        let Some((_, number)) = self.signature_numbers(service, &[signature])?.pop() else { return Ok(Vec::new()) };
        let rows: Vec<HeadRow> = on_each!(self.db, c => report::table
            .filter(report::signature.eq(number))
            .order(report::at.desc())
            .limit(limit)
            .select(HeadRow::as_select())
            .load(c))?;
        self.marks(service, rows)
    }
}
