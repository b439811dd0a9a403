//! Keeping many reports in one transaction: each once per id, a few of each kind whole, all of them counted.

use super::{
    Quick, Read, StoreError, Tx,
    blocks::{BlockRow, OpenBlock},
    changes::Kept,
    counting::Sums,
    packing::Packer,
    reports::Report,
    rollups::{HOUR, hour},
    signatures::new_number,
};
use crate::domain::{
    crash::{Crash, ReportKind},
    time,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::BuildHasher,
    sync::{Arc, Mutex, PoisonError},
};

/// How many reports of each signature, release and hour are kept whole, and how many are by now. Shared by whoever reads
/// reports (what will not be kept whole need not be prepared) and whoever writes them down.
#[derive(Debug, Clone)]
pub struct Examples {
    most: u32,
    counts: Arc<Mutex<HashMap<u64, u32>>>,
    hasher: foldhash::fast::RandomState,
}

/// Signatures, releases and hours that are remembered; past that all are forgotten and counted again.
const REMEMBERED: usize = 100_000;

impl Examples {
    /// Keeps at most so many of each.
    pub fn new(most: u32) -> Examples {
        Examples { most, counts: Arc::default(), hasher: Default::default() }
    }

    /// Keeps all of them.
    pub fn all() -> Examples {
        Examples::new(u32::MAX)
    }

    fn key(&self, it: &Crash) -> u64 {
        self.hasher.hash_one((&it.service, &it.signature, &it.release, hour(time::micros(it.at))))
    }

    /// Whether one more may be kept whole, as far as is known.
    pub fn have_room_for(&self, it: &Crash) -> bool {
        self.known(self.key(it)).is_none_or(|count| count < self.most)
    }

    fn known(&self, key: u64) -> Option<u32> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    fn note(&self, counts: HashMap<u64, u32>) {
        let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + counts.len() > REMEMBERED {
            known.clear();
        }
        known.extend(counts);
    }

    fn forget(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What whoever writes reports down remembers from one transaction to the next. Nothing of it is needed: it saves reading.
/// What a transaction learned is taken over only once it is committed.
#[derive(Debug)]
pub struct Memory {
    examples: Examples,
    numbers: Numbers,
    open: HashMap<String, OpenBlock>,
}

/// The numbers of signatures by their titles, by service.
pub(super) type Numbers = Quick<String, Quick<String, i64>>;

/// What a transaction learned, to be taken over once it is committed.
#[derive(Debug, Default)]
pub struct Learned {
    /// How many reports were kept whole.
    pub whole: usize,
    examples: HashMap<u64, u32>,
    numbers: Numbers,
    open: HashMap<String, OpenBlock>,
    /// Rows that were filled, by service.
    full: Vec<(String, OpenBlock)>,
}

impl Learned {
    /// Only these numbers so far.
    pub(super) fn of(numbers: Numbers) -> Learned {
        Learned { numbers, ..Learned::default() }
    }

    /// Puts a report into the row of its service that takes reports in.
    pub(super) fn put_into_row(&mut self, report: &Report, memory: &Memory) {
        let it = &report.crash;
        if !self.open.contains_key(&it.service) {
            self.open.insert(it.service.clone(), memory.open.get(&it.service).cloned().unwrap_or_default());
        }
        let Some(open) = self.open.get_mut(&it.service) else { return };
        if open.is_closed(it.received_at) {
            let full = std::mem::take(open);
            // What is written already may have been dropped since for its age.
            if full.has_grown() {
                self.full.push((it.service.clone(), full));
            }
        }
        open.add(report);
    }

    /// The rows that are to be written.
    pub(super) fn rows(&self) -> Result<Vec<BlockRow>, StoreError> {
        let full = self.full.iter().map(|(service, block)| (service, block));
        full.chain(&self.open).map(|(service, block)| block.row(service)).collect()
    }
}

impl Memory {
    /// Remembers nothing yet.
    pub fn new(examples: Examples) -> Memory {
        Memory { examples, numbers: Numbers::default(), open: HashMap::new() }
    }

    /// How many of each kind are kept whole, and how many are by now.
    pub fn examples(&self) -> &Examples {
        &self.examples
    }

    /// Takes over what a committed transaction learned.
    pub fn learn(&mut self, mut learned: Learned) {
        learned.open.values_mut().for_each(OpenBlock::is_written);
        self.examples.note(learned.examples);
        let many = |numbers: &Numbers| numbers.values().map(HashMap::len).sum::<usize>();
        if !learned.numbers.is_empty() && many(&self.numbers) + many(&learned.numbers) > REMEMBERED {
            self.numbers.clear();
        }
        for (service, numbers) in learned.numbers {
            self.numbers.entry(service).or_default().extend(numbers);
        }
        self.open.extend(learned.open);
    }

    /// Forgets everything: after a failure nobody knows what the database holds.
    pub fn forget(&mut self) {
        self.examples.forget();
        self.numbers.clear();
        self.open.clear();
    }
}

/// The number of a report's signature.
pub(super) fn number_of(it: &Crash, memory: &Memory, learned: &Learned) -> i64 {
    let known = [&learned.numbers, &memory.numbers];
    let number = known.iter().find_map(|numbers| numbers.get(&it.service)?.get(&it.signature));
    number.copied().unwrap_or_else(|| new_number(&it.service, &it.signature))
}

/// What is known of the ids of one service.
#[derive(Default)]
struct Ids {
    whole: HashMap<i64, Vec<u8>>,
    counted: HashSet<i64>,
}

impl Ids {
    /// What a report is, as far as its id says; it is noted as seen.
    fn meet(&mut self, it: &Report, mark: i64) -> Kept {
        let mark = it.heard_mark().filter(|heard| self.counted.contains(heard)).unwrap_or(mark);
        if let Some(hash) = self.whole.get(&mark) {
            let same = it.whole.as_ref().is_none_or(|whole| whole.agrees(hash));
            return if same { Kept::Repeat } else { Kept::Different };
        }
        if !self.counted.insert(mark) {
            return Kept::Repeat;
        }
        if let Some(whole) = &it.whole {
            self.whole.insert(mark, whole.hash().to_vec());
        }
        Kept::New
    }
}

impl Tx<'_> {
    /// Keeps reports, each once per id, and counts them. Of each signature, release and hour a few are kept whole, where they
    /// came with a body; the others are only counted. Gives back what became of each, in their order, and what is to be
    /// remembered once this is committed.
    pub fn keep_reports(&mut self, reports: &[&Report], memory: &Memory) -> Result<(Vec<Kept>, Learned), StoreError> {
        let all_marks: Vec<i64> = reports.iter().map(|it| it.mark()).collect();
        let mut ids = self.known_ids(reports, &all_marks)?;
        let mut learned = Learned::of(self.learn_numbers(reports, memory)?);
        let mut sums = Sums::default();
        let mut whole: Vec<(&Report, i64)> = Vec::new();
        let mut whole_marks: Vec<i64> = Vec::new();
        let mut marks: BTreeMap<&str, Vec<(i64, Option<i64>)>> = BTreeMap::new();
        let mut kept = Vec::with_capacity(reports.len());
        for (it, mark) in reports.iter().zip(all_marks) {
            let crash = &it.crash;
            let known = ids.entry(&crash.service).or_default().meet(it, mark);
            kept.push(known);
            if known != Kept::New {
                continue;
            }
            let number = number_of(crash, memory, &learned);
            let is_whole = it.whole.is_some() && self.has_room(crash, number, memory, &mut learned)?;
            match is_whole {
                true => {
                    whole.push((it, number));
                    whole_marks.push(mark);
                }
                false => {
                    marks.entry(&crash.service).or_default().push((mark, None));
                    learned.put_into_row(it, memory);
                }
            }
            sums.add(crash, it.kind, number, is_whole);
        }
        learned.whole = whole.len();
        let numbers = self.keep_whole(&whole)?;
        for (((it, _), mark), number) in whole.iter().zip(whole_marks).zip(numbers) {
            marks.entry(&it.crash.service).or_default().push((mark, Some(number)));
        }
        let mut missed = 0;
        for (service, marks) in marks {
            missed += marks.len() - self.note_ids(service, marks)?.len();
        }
        if missed > 0 {
            // Another node wrote some of them since they were looked for; the next try finds them.
            return Err(StoreError::Busy);
        }
        self.note_told(reports.iter().zip(&kept).filter(|(_, kept)| **kept == Kept::New).map(|(it, _)| *it))?;
        for row in learned.rows()? {
            self.keep_block(&row)?;
        }
        sums.rows().write(self)?;
        Ok((kept, learned))
    }

    /// Notes what else stands for the ids of reports.
    pub(super) fn note_told<'a>(&mut self, reports: impl Iterator<Item = &'a Report>) -> Result<(), StoreError> {
        let mut told: BTreeMap<&str, Vec<(i64, Option<i64>)>> = BTreeMap::new();
        for it in reports {
            if let Some(mark) = it.told_mark() {
                told.entry(&it.crash.service).or_default().push((mark, None));
            }
        }
        told.into_iter().try_for_each(|(service, marks)| self.note_ids(service, marks).map(drop))
    }

    /// Keeps one report whole, whatever there is of its kind.
    pub fn keep_crash(&mut self, it: &Crash, kind: ReportKind, detail: Option<&str>) -> Result<Kept, StoreError> {
        let report = Report::whole(it.clone(), kind, detail, &Packer::default())?;
        let (kept, _) = self.keep_reports(&[&report], &Memory::new(Examples::all()))?;
        Ok(kept.first().copied().unwrap_or(Kept::Repeat))
    }

    fn known_ids<'a>(&mut self, reports: &[&'a Report], all: &[i64]) -> Result<HashMap<&'a str, Ids>, StoreError> {
        let mut asked: HashMap<&str, Vec<i64>> = HashMap::new();
        for (it, mark) in reports.iter().zip(all) {
            let asked = asked.entry(&it.crash.service).or_default();
            asked.push(*mark);
            asked.extend(it.heard_mark());
        }
        let mut known = HashMap::new();
        for (service, marks) in asked {
            let noted = self.noted_among(service, &marks)?;
            // Few are known, and of those alone it is to be told what they were.
            let numbers: Vec<i64> = noted.values().copied().flatten().collect();
            let hashes = if numbers.is_empty() { HashMap::new() } else { self.whole_among(&numbers)? };
            let hash_of = |number: &Option<i64>| hashes.get(number.as_ref()?).cloned();
            let whole = noted.iter().filter_map(|(mark, number)| Some((*mark, hash_of(number)?))).collect();
            known.insert(service, Ids { whole, counted: noted.into_keys().collect() });
        }
        Ok(known)
    }

    /// Whether one more report may be kept whole; then it is counted as kept.
    fn has_room(
        &mut self,
        it: &Crash,
        number: i64,
        memory: &Memory,
        learned: &mut Learned,
    ) -> Result<bool, StoreError> {
        if memory.examples.most == u32::MAX {
            return Ok(true);
        }
        let key = memory.examples.key(it);
        let count = match learned.examples.get(&key).copied().or_else(|| memory.examples.known(key)) {
            Some(count) => count,
            None => {
                let from = hour(time::micros(it.at));
                let count = self.count_whole(number, it.release.as_deref(), (from, from + HOUR))?;
                u32::try_from(count).unwrap_or(u32::MAX)
            }
        };
        let has_room = count < memory.examples.most;
        learned.examples.insert(key, if has_room { count + 1 } else { count });
        Ok(has_room)
    }
}

impl Read<'_> {
    /// The numbers of the signatures of these reports that are not remembered: read, or made where they are new.
    pub(super) fn learn_numbers(&mut self, reports: &[&Report], memory: &Memory) -> Result<Numbers, StoreError> {
        let mut unknown: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
        for Report { crash, .. } in reports.iter().copied() {
            if memory.numbers.get(&crash.service).is_none_or(|known| !known.contains_key(&crash.signature)) {
                unknown.entry(&crash.service).or_default().insert(&crash.signature);
            }
        }
        let mut learned = Numbers::default();
        for (service, titles) in unknown {
            let titles: Vec<&str> = titles.into_iter().collect();
            let mut found: HashMap<String, i64> = self.signature_numbers(service, &titles)?.into_iter().collect();
            let numbers = learned.entry(service.to_owned()).or_default();
            for title in titles {
                let number = found.remove(title).unwrap_or_else(|| new_number(service, title));
                numbers.insert(title.to_owned(), number);
            }
        }
        Ok(learned)
    }
}
