//! The telemetry lane: crash reports with their signatures, and exposure.

use super::{
    Read, StoreError, Tx,
    changes::{Kept, record},
    on_each,
    schema::{crash, exposure, signature},
};
use crate::domain::{
    Record, Time,
    crash::{Crash, ReportKind},
    exposure::Exposure,
    time,
};
use diesel::{prelude::*, upsert::excluded};
use serde_json::{Map, Value, json};

/// How hard a report's body is compressed: zstd's default, a few tens of microseconds for 5 KB.
const ZSTD_LEVEL: i32 = 3;
/// No stored body unpacks to more, bytes.
const LONGEST_BODY: usize = 32 * 1024 * 1024;

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
}

/// A signature with its counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRow {
    /// The service.
    pub service: String,
    /// The signature.
    pub signature: String,
    /// First seen.
    pub first_at: Time,
    /// Last seen.
    pub last_at: Time,
    /// Crash reports.
    pub crashes: i64,
    /// Handled errors and messages.
    pub handled: i64,
    /// Clients dropped.
    pub clients: i64,
    /// The latest report.
    pub last_id: String,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = exposure, treat_none_as_default_value = false)]
struct ExposureRow {
    service: String,
    environment: String,
    at: i64,
    hash: Vec<u8>,
    release: String,
    cell: String,
    received_at: i64,
    seconds: f64,
    instances: f64,
    sessions: Option<f64>,
    rest: Option<String>,
}

impl From<ExposureRow> for Exposure {
    fn from(row: ExposureRow) -> Exposure {
        let mut rest: Map<String, Value> =
            row.rest.as_deref().and_then(|rest| serde_json::from_str(rest).ok()).unwrap_or_default();
        let mut take = |name: &str| match rest.shift_remove(name) {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        Exposure {
            service: row.service,
            environment: row.environment,
            release: row.release,
            cell: row.cell,
            at: time::from_micros(row.at),
            received_at: time::from_micros(row.received_at),
            seconds: row.seconds,
            instances: row.instances,
            sessions: row.sessions,
            flags: take("flags"),
            extra: take("extra"),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = crash)]
struct MarkRow {
    id: String,
    at: i64,
    received_at: i64,
    release: Option<String>,
    cell: String,
    host: Option<String>,
    signature: String,
    clients_dropped: Option<i64>,
    standing: String,
}

impl From<MarkRow> for CrashMark {
    fn from(row: MarkRow) -> CrashMark {
        CrashMark {
            id: row.id,
            at: time::from_micros(row.at),
            received_at: time::from_micros(row.received_at),
            release: row.release,
            cell: row.cell,
            host: row.host,
            signature: row.signature,
            clients_dropped: row.clients_dropped,
            // The table allows these three words only.
            kind: ReportKind::parse(&row.standing).unwrap_or(ReportKind::Message),
        }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = signature)]
struct SignatureColumns {
    service: String,
    title: String,
    first_at: i64,
    last_at: i64,
    crashes: i64,
    handled: i64,
    clients: i64,
    last_id: String,
}

impl From<SignatureColumns> for SignatureRow {
    fn from(row: SignatureColumns) -> SignatureRow {
        SignatureRow {
            service: row.service,
            signature: row.title,
            first_at: time::from_micros(row.first_at),
            last_at: time::from_micros(row.last_at),
            crashes: row.crashes,
            handled: row.handled,
            clients: row.clients,
            last_id: row.last_id,
        }
    }
}

fn pack(line: &str, detail: Option<&str>) -> Result<Vec<u8>, StoreError> {
    let text = match detail {
        Some(detail) => format!("{line}\n{detail}"),
        None => line.to_owned(),
    };
    zstd::bulk::compress(text.as_bytes(), ZSTD_LEVEL).map_err(|error| StoreError::Other(error.to_string()))
}

fn unpack(body: &[u8]) -> Result<(Crash, Option<String>), StoreError> {
    let bytes = zstd::bulk::decompress(body, LONGEST_BODY).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let (line, detail) = match text.split_once('\n') {
        Some((line, detail)) => (line, Some(detail.to_owned())),
        None => (text.as_str(), None),
    };
    match record(line)? {
        Record::Crash(it) => Ok((it, detail)),
        _ => Err(StoreError::Corrupt("a crash was expected in its table".into())),
    }
}

impl Tx<'_> {
    /// Keeps a crash report and counts it in its signature, once per id.
    pub fn keep_crash(&mut self, it: &Crash, kind: ReportKind, detail: Option<&str>) -> Result<Kept, StoreError> {
        let line = Record::Crash(it.clone());
        let hash = line.content_hash().to_vec();
        let row = (
            crash::service.eq(&it.service),
            crash::id.eq(&it.id),
            crash::environment.eq(&it.environment),
            crash::release.eq(&it.release),
            crash::cell.eq(&it.cell),
            crash::host.eq(&it.host),
            crash::at.eq(time::micros(it.at)),
            crash::received_at.eq(time::micros(it.received_at)),
            crash::signature.eq(&it.signature),
            crash::clients_dropped.eq(it.clients_dropped),
            crash::standing.eq(kind.word()),
            crash::hash.eq(&hash),
            crash::body.eq(pack(&line.to_line(), detail)?),
        );
        let new =
            on_each!(self.db, c => diesel::insert_into(crash::table).values(row).on_conflict_do_nothing().execute(c))?;
        if new == 0 {
            let known: Vec<u8> =
                on_each!(self.db, c => crash::table.find((&it.service, &it.id)).select(crash::hash).first(c))?;
            return Ok(if known == hash { Kept::Repeat } else { Kept::Different });
        }
        let crashed = i64::from(kind == ReportKind::Crash);
        let counts = SignatureColumns {
            service: it.service.clone(),
            title: it.signature.clone(),
            first_at: time::micros(it.at),
            last_at: time::micros(it.at),
            crashes: crashed,
            handled: 1 - crashed,
            clients: it.clients_dropped.unwrap_or(0),
            last_id: it.id.clone(),
        };
        let known: Option<(i64, i64)> = on_each!(self.db, c => signature::table
            .find((&it.service, &it.signature))
            .select((signature::first_at, signature::last_at))
            .first(c)
            .optional())?;
        let (first, last) = known.map_or((counts.first_at, counts.last_at), |(first, last)| {
            (first.min(counts.first_at), last.max(counts.last_at))
        });
        let newest = last == counts.last_at;
        on_each!(self.db, c => diesel::insert_into(signature::table)
            .values(&counts)
            .on_conflict((signature::service, signature::title))
            .do_update()
            .set((
                signature::crashes.eq(signature::crashes + excluded(signature::crashes)),
                signature::handled.eq(signature::handled + excluded(signature::handled)),
                signature::clients.eq(signature::clients + excluded(signature::clients)),
                signature::first_at.eq(first),
                signature::last_at.eq(last),
            ))
            .execute(c))?;
        if newest {
            on_each!(self.db, c => diesel::update(signature::table.find((&it.service, &it.signature)))
                .set(signature::last_id.eq(&it.id))
                .execute(c))?;
        }
        Ok(Kept::New)
    }

    /// Keeps a window of exposure; the same window with the same content again is a repeat.
    pub fn keep_exposure(&mut self, it: &Exposure) -> Result<Kept, StoreError> {
        let mut rest = Map::new();
        for (name, fields) in [("flags", &it.flags), ("extra", &it.extra)] {
            if !fields.is_empty() {
                rest.insert(name.to_owned(), json!(fields));
            }
        }
        let row = ExposureRow {
            service: it.service.clone(),
            environment: it.environment.clone(),
            at: time::micros(it.at),
            hash: Record::Exposure(it.clone()).content_hash()[..16].to_vec(),
            release: it.release.clone(),
            cell: it.cell.clone(),
            received_at: time::micros(it.received_at),
            seconds: it.seconds,
            instances: it.instances,
            sessions: it.sessions,
            rest: (!rest.is_empty()).then(|| Value::Object(rest).to_string()),
        };
        let new = on_each!(self.db, c => diesel::insert_into(exposure::table).values(&row).on_conflict_do_nothing().execute(c))?;
        Ok(if new == 1 { Kept::New } else { Kept::Repeat })
    }
}

impl Read<'_> {
    /// One report of a service.
    pub fn crash(&mut self, service: &str, id: &str) -> Result<Option<StoredReport>, StoreError> {
        let row: Option<(Vec<u8>, String)> = on_each!(self.db, c => crash::table
            .find((service, id))
            .select((crash::body, crash::standing))
            .first(c)
            .optional())?;
        let Some((body, kind)) = row else { return Ok(None) };
        let (crash, detail) = unpack(&body)?;
        let kind = ReportKind::parse(&kind).ok_or_else(|| StoreError::Corrupt(format!("report kind {kind}")))?;
        Ok(Some(StoredReport { crash, kind, detail }))
    }

    /// The crash reports of a service in a range of time, in order. Handled errors are left out.
    pub fn crashes_between(
        &mut self,
        service: &str,
        environment: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<CrashMark>, StoreError> {
        let rows: Vec<MarkRow> = on_each!(self.db, c => crash::table
            .filter(crash::service.eq(service))
            .filter(crash::environment.eq(environment))
            .filter(crash::at.between(time::micros(from), time::micros(to)))
            .filter(crash::standing.eq(ReportKind::Crash.word()))
            .order(crash::at.asc())
            .select(MarkRow::as_select())
            .load(c))?;
        Ok(rows.into_iter().map(CrashMark::from).collect())
    }

    /// The latest reports of one signature, handled ones too.
    pub fn reports_of(&mut self, service: &str, signature: &str, limit: i64) -> Result<Vec<CrashMark>, StoreError> {
        let rows: Vec<MarkRow> = on_each!(self.db, c => crash::table
            .filter(crash::service.eq(service))
            .filter(crash::signature.eq(signature))
            .order(crash::at.desc())
            .limit(limit)
            .select(MarkRow::as_select())
            .load(c))?;
        Ok(rows.into_iter().map(CrashMark::from).collect())
    }

    /// Windows of exposure of a service that begin in a range of time, in order.
    pub fn exposures_between(
        &mut self,
        service: &str,
        environment: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<Exposure>, StoreError> {
        let rows: Vec<ExposureRow> = on_each!(self.db, c => exposure::table
            .filter(exposure::service.eq(service))
            .filter(exposure::environment.eq(environment))
            .filter(exposure::at.between(time::micros(from), time::micros(to)))
            .order(exposure::at.asc())
            .select(ExposureRow::as_select())
            .load(c))?;
        Ok(rows.into_iter().map(Exposure::from).collect())
    }

    /// The environments that a service was seen in.
    pub fn environments(&mut self, service: &str) -> Result<Vec<String>, StoreError> {
        use super::schema::push;
        let mut found: Vec<String> = on_each!(self.db, c => crash::table
            .filter(crash::service.eq(service))
            .select(crash::environment)
            .distinct()
            .load(c))?;
        found.extend(on_each!(self.db, c => push::table
            .filter(push::service.eq(service))
            .select(push::environment)
            .distinct()
            .load::<String>(c))?);
        found.extend(on_each!(self.db, c => exposure::table
            .filter(exposure::service.eq(service))
            .select(exposure::environment)
            .distinct()
            .load::<String>(c))?);
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// When anything of a service was last heard of in an environment: its latest exposure or crash.
    pub fn last_heard(&mut self, service: &str, environment: &str) -> Result<Option<Time>, StoreError> {
        let ran: Option<i64> = on_each!(self.db, c => exposure::table
            .filter(exposure::service.eq(service))
            .filter(exposure::environment.eq(environment))
            .select(diesel::dsl::max(exposure::at))
            .first(c))?;
        let crashed: Option<i64> = on_each!(self.db, c => crash::table
            .filter(crash::service.eq(service))
            .filter(crash::environment.eq(environment))
            .select(diesel::dsl::max(crash::at))
            .first(c))?;
        Ok(ran.max(crashed).map(time::from_micros))
    }

    /// Signatures, latest first, of one service or of all.
    pub fn signatures(
        &mut self,
        service: Option<&str>,
        before: Option<Time>,
        limit: i64,
    ) -> Result<Vec<SignatureRow>, StoreError> {
        let rows: Vec<SignatureColumns> = on_each!(self.db, c => {
            let mut query = signature::table.select(SignatureColumns::as_select()).into_boxed();
            if let Some(service) = service {
                query = query.filter(signature::service.eq(service));
            }
            if let Some(before) = before {
                query = query.filter(signature::last_at.lt(time::micros(before)));
            }
            query.order((signature::last_at.desc(), signature::title.asc())).limit(limit).load(c)
        })?;
        Ok(rows.into_iter().map(SignatureRow::from).collect())
    }

    /// One signature of a service.
    pub fn signature(&mut self, service: &str, text: &str) -> Result<Option<SignatureRow>, StoreError> {
        let row: Option<SignatureColumns> = on_each!(self.db, c => signature::table
            .find((service, text))
            .select(SignatureColumns::as_select())
            .first(c)
            .optional())?;
        Ok(row.map(SignatureRow::from))
    }

    /// Crash reports and windows of exposure that reached us from an instant on, as records in no order.
    pub fn telemetry_since(&mut self, since: Time) -> Result<Vec<Record>, StoreError> {
        self.telemetry_between(since, Time::MAX_UTC)
    }

    /// The same of what arrived before another instant.
    pub fn telemetry_between(&mut self, since: Time, before: Time) -> Result<Vec<Record>, StoreError> {
        let exposures: Vec<ExposureRow> = on_each!(self.db, c => exposure::table
            .filter(exposure::received_at.ge(time::micros(since)))
            .filter(exposure::received_at.lt(time::micros(before)))
            .select(ExposureRow::as_select())
            .load(c))?;
        let crashes: Vec<Vec<u8>> = on_each!(self.db, c => crash::table
            .filter(crash::received_at.ge(time::micros(since)))
            .filter(crash::received_at.lt(time::micros(before)))
            .filter(crash::standing.eq(ReportKind::Crash.word()))
            .select(crash::body)
            .load(c))?;
        let mut records: Vec<Record> = exposures.into_iter().map(|row| Record::Exposure(row.into())).collect();
        for body in crashes {
            records.push(Record::Crash(unpack(&body)?.0));
        }
        Ok(records)
    }

    /// An instant before which, from `since` on, about `count` reports and as many windows arrived; none where fewer are left.
    pub fn arrivals_end(&mut self, since: Time, count: i64) -> Result<Option<Time>, StoreError> {
        let from = time::micros(since);
        let crashes: Option<i64> = on_each!(self.db, c => crash::table
            .filter(crash::received_at.ge(from))
            .order(crash::received_at.asc())
            .select(crash::received_at)
            .offset(count)
            .first(c)
            .optional())?;
        let windows: Option<i64> = on_each!(self.db, c => exposure::table
            .filter(exposure::received_at.ge(from))
            .order(exposure::received_at.asc())
            .select(exposure::received_at)
            .offset(count)
            .first(c)
            .optional())?;
        // Where all of them arrived at one instant, that instant goes whole.
        let end = [crashes, windows].into_iter().flatten().min();
        Ok(end.map(|end| time::from_micros(end.max(from.saturating_add(1)))))
    }

    /// Whether any crash report or exposure has ever reached us.
    pub fn has_telemetry(&mut self) -> Result<bool, StoreError> {
        let crashes: i64 = on_each!(self.db, c => crash::table.limit(1).count().first(c))?;
        let windows: i64 = on_each!(self.db, c => exposure::table.limit(1).count().first(c))?;
        Ok(crashes + windows > 0)
    }
}
