//! Reports that are only counted, as they came: each commit leaves one row of them, which costs next to nothing, and the counts, the
//! ids and the rows that hold many are written from many commits at once. Whoever reads reports finds them in either place.

use super::{
    Read, StoreError, Tx,
    blocks::{OpenBlock, read_text},
    on_each,
    reports::Report,
    schema::arrived,
};
use crate::domain::{
    Time,
    crash::{Crash, ReportKind},
    time,
};
use diesel::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Reports that came together to one door of a service, and were not folded yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrived {
    /// The service.
    pub service: String,
    /// The node that noted them.
    pub node: i64,
    /// The number of the row among those of the node.
    pub number: i64,
    /// The door that they came through.
    pub door: String,
    /// The reports, in the order in which they came.
    pub reports: Vec<Report>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = arrived, treat_none_as_default_value = false)]
struct ArrivedRow {
    service: String,
    node: i64,
    number: i64,
    door: String,
    first_at: i64,
    last_at: i64,
    first_received: i64,
    last_received: i64,
    reports: i64,
    body: Vec<u8>,
}

/// Rows that are looked at together.
const ROWS: i64 = 128;

impl ArrivedRow {
    fn reports(&self) -> Result<Vec<Report>, StoreError> {
        read_text(&self.body, &self.service)
    }
}

/// Reports that are only counted, ready to be noted.
pub struct Noted {
    rows: Vec<ArrivedRow>,
    first: i64,
}

impl Noted {
    /// Reports, each with the door that it came through: a row for each service and door, under numbers of this node from the given one
    /// on.
    ///
    /// # Errors
    /// For a report that could not be folded: with a NUL in one of its texts, which PostgreSQL does not keep.
    pub fn of(node: i64, first: i64, reports: &[(&str, &Report)]) -> Result<Noted, StoreError> {
        let mut blocks: BTreeMap<(&str, &str), OpenBlock> = BTreeMap::new();
        for (door, report) in reports {
            if has_nul(&report.crash) {
                return Err(StoreError::Other(format!("report “{}” has a NUL in one of its texts", report.crash.id)));
            }
            blocks.entry((&report.crash.service, door)).or_default().add(report);
        }
        let row = |(number, ((service, door), block)): (i64, ((&str, &str), OpenBlock))| {
            let (reports, at, received) = block.extent();
            Ok(ArrivedRow {
                service: service.to_owned(),
                node,
                number,
                door: door.to_owned(),
                first_at: at.0,
                last_at: at.1,
                first_received: received.0,
                last_received: received.1,
                reports,
                body: block.text()?,
            })
        };
        Ok(Noted { rows: (first..).zip(blocks).map(row).collect::<Result<_, StoreError>>()?, first })
    }

    /// The number of the node's next row.
    pub fn next(&self) -> i64 {
        self.first.saturating_add(self.rows.len() as i64)
    }
}

impl Tx<'_> {
    /// Notes reports that are only counted. They count as soon as they are folded.
    pub fn note_arrived(&mut self, noted: &Noted) -> Result<(), StoreError> {
        for row in &noted.rows {
            on_each!(self.db, c => diesel::insert_into(arrived::table).values(row).execute(c))?;
        }
        Ok(())
    }

    /// Takes out rows that were read to be folded.
    ///
    /// # Errors
    /// Busy where one of them is gone: somebody else folds them.
    pub fn drop_arrived(&mut self, rows: &[Arrived]) -> Result<(), StoreError> {
        for row in rows {
            let key = (&row.service, row.node, row.number);
            if on_each!(self.db, c => diesel::delete(arrived::table.find(key)).execute(c))? == 0 {
                return Err(StoreError::Busy);
            }
        }
        Ok(())
    }
}

impl Read<'_> {
    /// Reports of a node that were not folded yet, row by row in the order of their numbers from one on, until it is at least so many.
    pub fn arrived(&mut self, node: i64, from: i64, enough: usize) -> Result<Vec<Arrived>, StoreError> {
        let rows: Vec<ArrivedRow> = on_each!(self.db, c => arrived::table
            .filter(arrived::node.eq(node))
            .filter(arrived::number.ge(from))
            .order(arrived::number.asc())
            .limit(ROWS)
            .select(ArrivedRow::as_select())
            .load(c))?;
        let (mut taken, mut reports) = (Vec::with_capacity(rows.len()), 0);
        for row in rows {
            if reports >= enough {
                break;
            }
            reports += usize::try_from(row.reports).unwrap_or(0);
            let reports = row.reports()?;
            taken.push(Arrived { service: row.service, node, number: row.number, door: row.door, reports });
        }
        Ok(taken)
    }

    /// The nodes that have left reports which are not folded, all of which reached us before an instant.
    pub fn nodes_of_arrived(&mut self, before: Time) -> Result<Vec<i64>, StoreError> {
        Ok(on_each!(self.db, c => arrived::table
            .filter(arrived::last_received.lt(time::micros(before)))
            .select(arrived::node)
            .distinct()
            .load(c))?)
    }

    /// The number of the first row of a node that is not folded yet, from one on.
    pub fn first_arrived(&mut self, node: i64, from: i64) -> Result<Option<i64>, StoreError> {
        Ok(on_each!(self.db, c => arrived::table
            .filter(arrived::node.eq(node))
            .filter(arrived::number.ge(from))
            .select(diesel::dsl::min(arrived::number))
            .first(c))?)
    }

    /// Reports of a service that are not folded yet, whose crashes fall into a range of time.
    pub(super) fn arrived_between(
        &mut self,
        service: &str,
        from: Time,
        to: Time,
    ) -> Result<Vec<(Crash, ReportKind)>, StoreError> {
        let rows: Vec<ArrivedRow> = on_each!(self.db, c => arrived::table
            .filter(arrived::service.eq(service))
            .filter(arrived::last_at.ge(time::micros(from)))
            .filter(arrived::first_at.le(time::micros(to)))
            .select(ArrivedRow::as_select())
            .load(c))?;
        self.not_known(&rows, |it| (from..=to).contains(&it.at))
    }

    /// Reports that are not folded yet and reached us from one instant on and before another, but for those that one node noted.
    pub(super) fn arrived_within(
        &mut self,
        (from, to): (Time, Time),
        except: Option<i64>,
    ) -> Result<Vec<(Crash, ReportKind)>, StoreError> {
        let rows: Vec<ArrivedRow> = on_each!(self.db, c => {
            let within = arrived::table
                .filter(arrived::last_received.ge(time::micros(from)))
                .filter(arrived::first_received.lt(time::micros(to)))
                .select(ArrivedRow::as_select());
            match except {
                Some(node) => within.filter(arrived::node.ne(node)).load(c),
                None => within.load(c),
            }
        })?;
        self.not_known(&rows, |it| (from..to).contains(&it.received_at))
    }

    /// The reports of these rows that are meant, each once, without those that were kept before under the same id: what would be left
    /// of them if they were folded now.
    fn not_known(
        &mut self,
        rows: &[ArrivedRow],
        is_meant: impl Fn(&Crash) -> bool,
    ) -> Result<Vec<(Crash, ReportKind)>, StoreError> {
        let mut by_service: BTreeMap<&str, Vec<Report>> = BTreeMap::new();
        for row in rows {
            let meant = row.reports()?.into_iter().filter(|it| is_meant(&it.crash));
            by_service.entry(&row.service).or_default().extend(meant);
        }
        let mut left = Vec::new();
        for (service, reports) in by_service {
            let marks: Vec<i64> = reports.iter().map(Report::mark).collect();
            let mut met: HashSet<i64> = self.noted_among(service, &marks)?.into_keys().collect();
            let new = |(_, mark): &(Report, i64)| met.insert(*mark);
            left.extend(reports.into_iter().zip(marks).filter(new).map(|(it, _)| it.into_judged()));
        }
        Ok(left)
    }
}

fn has_nul(it: &Crash) -> bool {
    let maybe = [&it.release, &it.host, &it.peer_release].into_iter().flatten();
    let mut texts = [&it.id, &it.service, &it.environment, &it.cell, &it.signature].into_iter().chain(maybe);
    texts.any(|text| memchr::memchr(0, text.as_bytes()).is_some())
}
