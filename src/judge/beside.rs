//! Trouble that nobody is blamed for and that goes on while a change begins: from then on it explains no more than it brought before, so
//! that what the change brings is not taken for more of it.

use super::{HOUR, Judge, Micros, Room, case::Case, frame::Frame, site::Site};

/// As much of the trouble before the change as is looked at.
const LOOKED_BACK: Micros = 6 * HOUR;

/// What is to be expected of such trouble.
#[derive(Debug, Clone)]
pub(crate) struct Beyond {
    pub(crate) case: usize,
    /// When the trouble began.
    from: Micros,
    /// Since when no more than this is expected of it.
    since: Micros,
    /// When it ended; `Micros::MAX` while it goes on.
    to: Micros,
    /// Crashes beyond the usual by signature and weighed exposure.
    rates: Vec<(u32, f64)>,
    /// The cells that it is in; empty where it is in all.
    cells: Vec<usize>,
}

impl Beyond {
    pub(crate) fn has(&self, wanted: &dyn Fn(u32) -> bool) -> bool {
        self.rates.iter().any(|it| wanted(it.0))
    }
}

/// Which of the time of such trouble is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// Since a change began beside it.
    Since,
}

impl Site {
    /// Notes until when a case went on, or that it goes on.
    pub(crate) fn beside_ends(&mut self, case: usize, over: Option<Micros>) {
        self.beside.iter_mut().filter(|it| it.case == case).for_each(|it| it.to = over.unwrap_or(Micros::MAX));
    }

    /// Adds what goes on beside and is nobody's, but for a case's own, to what is expected. `weighed` is the exposure as rates are to be
    /// multiplied with.
    pub(crate) fn add_beside(
        &self,
        expected: &mut [f64],
        frame: &Frame,
        weighed: &[f64],
        wanted: &dyn Fn(u32) -> bool,
        (part, own): (Part, Option<usize>),
    ) {
        for it in self.beside.iter().filter(|it| Some(it.case) != own) {
            let rate: f64 = it.rates.iter().filter(|rate| wanted(rate.0)).map(|rate| rate.1).sum();
            let from = if part == Part::Whole { it.from } else { it.since };
            if rate <= 0.0 {
                continue;
            }
            for (at, (expected, weighed)) in expected.iter_mut().zip(weighed).enumerate() {
                let (start, end) = frame.blocks[at / frame.width()];
                let inside = (end.min(it.to) - start.max(from)).max(0) as f64 / (end - start) as f64;
                if it.cells.is_empty() || it.cells.contains(&frame.population(at % frame.width()).1) {
                    *expected += inside * rate * weighed;
                }
            }
        }
    }
}

impl Judge {
    /// Parts trouble that nobody is blamed for from what comes after a change began beside it, for as long as that moves.
    pub(crate) fn part_trouble(&mut self, room: usize, now: Micros) {
        // What is asked reaches no further back.
        self.rooms[room].site.beside.retain(|it| it.to > now.saturating_sub(48 * HOUR));
        for number in 0..self.cases.len() {
            let case = &self.cases[number];
            if case.room != room || case.number == 0 || !case.is_watched() {
                continue;
            }
            let goes_on = case.blamed().is_none() && case.quiet.is_none();
            if !goes_on && case.parted_at.is_none() {
                continue;
            }
            let beside = self.changes.candidates(&self.rooms[room].site, now, now);
            let later = beside.iter().filter(|it| it.first > case.alarm && it.is_moving(now)).map(|it| it.first).min();
            match (case.parted_at, later.filter(|_| goes_on)) {
                (None, Some(first)) => self.part(number, Some(first)),
                (Some(_), None) if !self.is_shared(number) => self.part(number, None),
                _ => {}
            }
        }
    }

    /// Whether a case is about crashes that somebody else's trouble beside it brings too.
    pub(crate) fn is_beside(&self, number: usize) -> bool {
        let case = &self.cases[number];
        let beside = &self.rooms[case.room].site.beside;
        beside.iter().any(|it| it.case != number && it.has(&|signature| case.wants(signature)))
    }

    /// Whether other trouble, said since it was parted from what comes, accounts for all of its crashes and so hides how it goes on.
    pub(crate) fn is_hidden(&self, number: usize) -> bool {
        let own = &self.cases[number].signatures;
        let hides = |it: &Case| it.signatures.is_empty() || !own.is_empty() && own.iter().all(|own| it.wants(*own));
        self.said_beside(number).any(|it| it.is_watched() && hides(it))
    }

    /// Whether other trouble of the same crashes was said since it was parted from what comes.
    fn is_shared(&self, number: usize) -> bool {
        let case = &self.cases[number];
        let all = |it: &Case| it.signatures.is_empty() || case.signatures.is_empty();
        self.said_beside(number).any(|it| all(it) || it.signatures.iter().any(|it| case.wants(*it)))
    }

    /// What was said of the same service since a case was parted from what comes.
    fn said_beside(&self, number: usize) -> impl Iterator<Item = &Case> {
        let case = &self.cases[number];
        let since = case.parted_at.unwrap_or(Micros::MAX);
        let beside = move |it: &&Case| it.number > 0 && it.room == case.room && it.alarm >= since;
        self.cases.iter().filter(beside).filter(|it| it.withdrawn.is_none())
    }

    /// Sets since when a case explains no more than it brought until then.
    pub(crate) fn part(&mut self, number: usize, at: Option<Micros>) {
        self.cases[number].parted_at = at;
        let room = self.cases[number].room;
        let brought = at.map(|at| self.brought(number, at));
        let site = &mut self.rooms[room].site;
        site.beside.retain(|it| it.case != number);
        site.beside.extend(brought);
        self.explain(number);
        self.rooms[room].watch.forget();
    }

    /// What a case brought until an instant, of which more is to be expected.
    fn brought(&self, number: usize, until: Micros) -> Beyond {
        let case = &self.cases[number];
        let Room { site, normal, .. } = &self.rooms[case.room];
        let from = case.onset.at.max(until - LOOKED_BACK).min(until - 1);
        let pushes = self.changes.pushes_of(&site.service, &site.environment);
        let frame = Frame::new(site, &pushes, from, until, 72);
        let inside = |cell: usize| case.cells.is_empty() || case.cells.contains(&cell);
        let mut of_release = vec![0.0; frame.releases.len()];
        for (at, weighed) in normal.weighed(&frame).iter().enumerate() {
            let place = at % frame.width();
            of_release[place / frame.cells] += if inside(place % frame.cells) { *weighed } else { 0.0 };
        }
        let ran: f64 = of_release.iter().sum();
        let mut found = vec![0.0; site.signatures.len()];
        let own = |signature: u32, at: Micros| case.wants(signature) && at < until;
        for event in frame.events(site, |it| it.counts && own(it.signature, it.at) && !self.is_of_another(number, it)) {
            if inside(usize::from(event.cell)) {
                found[event.signature as usize] += f64::from(event.times);
            }
        }
        let expected = |signature: usize| -> f64 {
            let rate = |release: &u16| normal.rate_of(*release, &|it| it as usize == signature);
            frame.releases.iter().zip(&of_release).map(|(release, ran)| rate(release) * ran).sum()
        };
        let known =
            (0..found.len()).filter(|it| case.wants(*it as u32) && (found[*it] > 0.0 || normal.knows(*it as u32)));
        let excess: Vec<(u32, f64)> = known.map(|it| (it as u32, found[it] - expected(it))).collect();
        let all: f64 = excess.iter().map(|it| it.1).sum();
        // Trouble of the whole service is in each of its signatures as usual; that of some is where it was found. Taken one by one only
        // what is above the usual would count, and that is more than there is of all together.
        let weight = |it: &(u32, f64)| {
            if case.signatures.is_empty() { expected(it.0 as usize) } else { it.1.max(0.0) }
        };
        let weights: f64 = excess.iter().map(weight).sum();
        let each = if weights > 0.0 && ran > 0.0 { all.max(0.0) / weights / ran } else { 0.0 };
        let rates = excess.iter().map(|it| (it.0, weight(it) * each)).filter(|it| it.1 > 0.0).collect();
        let to = case.over().unwrap_or(Micros::MAX);
        Beyond { case: number, from: case.onset.at, since: until, to, rates, cells: case.cells.clone() }
    }
}
