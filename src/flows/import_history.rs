//! Importing a history file: all of it, or nothing.

use super::{
    Error,
    record_change::{keep_change, know_service},
};
use crate::{
    domain::{
        Record, Time,
        crash::{Crash, ReportKind},
    },
    store::{
        Actor, Store, StoreError, Tx,
        changes::Kept,
        keeping::{Examples, Memory},
        packing::Packer,
        reports::Report,
    },
};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet},
    io::BufRead,
};

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Lines of the file.
    pub lines: usize,
    /// Records that are kept now.
    pub new: usize,
    /// Records that were kept already.
    pub repeats: usize,
}

/// Crash reports that are written together.
const AT_ONCE: usize = 500;

/// The name of the setting that says how often the past was changed; the judge starts again when it moves.
pub const HISTORY_EPOCH: &str = "history_epoch";

/// Reads a history file. Any line that is not right is an error that names the line, the field and what was expected.
pub fn read_history(source: impl BufRead) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    let mut errors = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let line = line.map_err(|error| Error::refused(format!("Line {}: {error}.", number + 1)))?;
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            continue;
        }
        match Record::parse(line) {
            Ok(record) => records.push(record),
            Err(error) => errors.push(format!("Line {}, {}: {}.", number + 1, error.field, error.expected)),
        }
        if errors.len() == 10 {
            errors.push("There may be more; nothing was kept.".into());
            break;
        }
    }
    if errors.is_empty() { Ok(records) } else { Err(Error::Refused(errors)) }
}

/// Keeps a whole history in one transaction, or nothing of it.
pub fn import_history(store: &Store, by: &Actor, mut records: Vec<Record>, now: Time) -> Result<Imported, Error> {
    check_ids(&records)?;
    Record::sort_by_arrival(&mut records);
    // Steps come after the pushes that they move, whatever their times of arrival say.
    records.sort_by_key(|record| match record {
        Record::Service(_) => 0,
        Record::PushStarted(_) => 1,
        Record::PushStep(_) | Record::FlagChanged(_) | Record::Note(_) => 2,
        Record::Exposure(_) | Record::Crash(_) => 3,
    });
    store.keep(|tx| {
        let mut done = Imported { lines: records.len(), ..Imported::default() };
        let mut known: HashSet<&str> = HashSet::new();
        let mut crashes = Vec::new();
        for record in &records {
            let kept = match record {
                Record::Exposure(it) => {
                    first_use(tx, by, &it.service, &mut known, now)?;
                    tx.keep_exposure(it)?
                }
                Record::Crash(it) => {
                    first_use(tx, by, &it.service, &mut known, now)?;
                    crashes.push(it);
                    continue;
                }
                Record::Service(_)
                | Record::PushStarted(_)
                | Record::PushStep(_)
                | Record::FlagChanged(_)
                | Record::Note(_) => keep_change(tx, by, record, now)?,
            };
            match kept {
                Kept::New => done.new += 1,
                Kept::Repeat | Kept::Different => done.repeats += 1,
            }
        }
        import_crashes(tx, &crashes, &mut done)?;
        if done.new > 0 {
            let epoch: i64 = tx.setting(HISTORY_EPOCH)?.and_then(|text| text.parse().ok()).unwrap_or(0);
            tx.set_setting(HISTORY_EPOCH, &(epoch + 1).to_string())?;
            tx.record(now, "history.import", by, "history".into(), serde_json::json!(done))?;
        }
        Ok(done)
    })
}

/// Crash reports of a file are all kept whole: what is exported again is what was imported.
fn import_crashes(tx: &mut Tx<'_>, crashes: &[&Crash], done: &mut Imported) -> Result<(), Error> {
    let (mut memory, packer) = (Memory::new(Examples::all()), Packer::default());
    for some in crashes.chunks(AT_ONCE) {
        let whole = |it: &&Crash| Report::whole((*it).clone(), ReportKind::Crash, None, &packer);
        let reports: Vec<Report> = some.iter().map(whole).collect::<Result<_, StoreError>>()?;
        let (kept, learned) = tx.keep_reports(&reports.iter().collect::<Vec<_>>(), &memory)?;
        memory.learn(learned);
        for (it, kept) in some.iter().zip(kept) {
            match kept {
                Kept::New => done.new += 1,
                Kept::Repeat => done.repeats += 1,
                Kept::Different => {
                    return Err(Error::Changed(format!(
                        "crash “{}” is here already with other content. Nothing of this file was kept.",
                        it.id
                    )));
                }
            }
        }
    }
    Ok(())
}

fn first_use<'a>(
    tx: &mut Tx<'_>,
    by: &Actor,
    service: &'a str,
    known: &mut HashSet<&'a str>,
    now: Time,
) -> Result<(), Error> {
    if known.insert(service) {
        know_service(tx, by, service, now)?;
    }
    Ok(())
}

/// The same id twice in one file is a repeat only with the same content.
fn check_ids(records: &[Record]) -> Result<(), Error> {
    let mut ids = HashMap::new();
    records.iter().try_for_each(|record| check_id(&mut ids, record))
}

/// Ids with their types, and what stood under them, both as the first half of a SHA-256.
pub(super) type Ids = HashMap<[u8; 16], [u8; 16]>;

/// Notes the id of a record; refused where it stands there already with other content.
pub(super) fn check_id(ids: &mut Ids, record: &Record) -> Result<(), Error> {
    let Some(id) = record.id() else { return Ok(()) };
    let half = |hash: &[u8]| std::array::from_fn(|at| hash[at]);
    let name = half(&Sha256::digest(format!("{} {id}", record.type_word())));
    let content = half(&record.content_hash());
    if *ids.entry(name).or_insert(content) != content {
        return Err(Error::refused(format!(
            "{} “{id}” stands twice in this file with different content. Ids are unique; nothing was kept.",
            record.type_word()
        )));
    }
    Ok(())
}
