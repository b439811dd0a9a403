//! What reached us in a range of time: for the judge, for exports, and to train dictionaries on.

use super::{
    Read, StoreError,
    blocks::Rows,
    on_each,
    packing::Unpacker,
    reports::{HASH, HeadRow},
    schema::report,
};
use crate::domain::{
    Time,
    crash::{Crash, ReportKind},
    time,
};
use diesel::prelude::*;
use std::collections::HashMap;

impl Read<'_> {
    /// Crashes that reached us from one instant on and before another, in no order, with what their columns say: all that is
    /// judged.
    pub(super) fn crashes_received(&mut self, within: (Time, Time), rows: Rows<'_>) -> Result<Vec<Crash>, StoreError> {
        let whole: Vec<(HeadRow, Vec<u8>)> = on_each!(self.db, c => report::table
            .filter(report::received_at.ge(time::micros(within.0)))
            .filter(report::received_at.lt(time::micros(within.1)))
            .filter(report::standing.eq(ReportKind::Crash.word()))
            .select((HeadRow::as_select(), report::hash))
            .load(c))?;
        let mut crashes = Vec::with_capacity(whole.len());
        for (service, whole) in by_service(whole, |(head, _)| &head.service) {
            let titles = self.signature_titles(&service, whole.iter().map(|(head, _)| head.signature).collect())?;
            for (head, hash) in whole {
                // In rows that were there before the column was, only the body knows who was at the other end.
                let crash = if hash.len() > HASH {
                    self.crash(&service, &head.id)?.map(|it| it.crash)
                } else {
                    let title = titles.get(&head.signature).cloned().unwrap_or_default();
                    Some(head.crash(title))
                };
                crashes.extend(crash);
            }
        }
        crashes.extend(self.counted_crashes(within, rows)?);
        Ok(crashes)
    }

    /// Crashes that reached us from one instant on and before another, in no order, with everything that is kept of them.
    pub(super) fn whole_crashes_received(&mut self, within: (Time, Time)) -> Result<Vec<Crash>, StoreError> {
        let rows: Vec<(HeadRow, i64, Vec<u8>)> = on_each!(self.db, c => report::table
            .filter(report::received_at.ge(time::micros(within.0)))
            .filter(report::received_at.lt(time::micros(within.1)))
            .filter(report::standing.eq(ReportKind::Crash.word()))
            .select((HeadRow::as_select(), report::dictionary, report::body))
            .load(c))?;
        let (mut crashes, mut unpacker) = (Vec::with_capacity(rows.len()), Unpacker::default());
        for (service, rows) in by_service(rows, |(head, ..)| &head.service) {
            let titles = self.signature_titles(&service, rows.iter().map(|(head, ..)| head.signature).collect())?;
            for (head, dictionary, body) in rows {
                let text = unpacker.unpack(self, dictionary, &body)?;
                let title = titles.get(&head.signature).cloned().unwrap_or_default();
                crashes.push(head.with_body(&text, title)?.crash);
            }
        }
        crashes.extend(self.counted_crashes(within, Rows::All)?);
        Ok(crashes)
    }

    fn counted_crashes(
        &mut self,
        within: (Time, Time),
        rows: Rows<'_>,
    ) -> Result<impl Iterator<Item = Crash> + use<>, StoreError> {
        let counted = self.counted_received(within, rows)?;
        Ok(counted.into_iter().filter(|(_, kind)| *kind == ReportKind::Crash).map(|(it, _)| it))
    }

    /// Whether any report is kept whole, as the first of each kind is.
    pub(super) fn has_reports(&mut self) -> Result<bool, StoreError> {
        let any: Option<i64> = on_each!(self.db, c => report::table.select(report::at).first(c).optional())?;
        Ok(any.is_some())
    }

    /// Texts of the latest reports that are kept whole, as they are packed: to train a dictionary on.
    pub fn report_texts(&mut self, most: i64) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(i64, Vec<u8>)> = on_each!(self.db, c => report::table
            .order(report::received_at.desc())
            .limit(most)
            .select((report::dictionary, report::body))
            .load(c))?;
        let mut unpacker = Unpacker::default();
        rows.into_iter().map(|(dictionary, body)| unpacker.unpack(self, dictionary, &body)).collect()
    }
}

fn by_service<R>(rows: Vec<R>, service: impl Fn(&R) -> &String) -> HashMap<String, Vec<R>> {
    let mut sorted: HashMap<String, Vec<R>> = HashMap::new();
    for row in rows {
        let name = service(&row).clone();
        sorted.entry(name).or_default().push(row);
    }
    sorted
}
