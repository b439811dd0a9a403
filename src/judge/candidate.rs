//! The changes that may be behind what a service shows, and how far each reached every cell at every time.

use super::{
    HOUR, MOVES, Micros,
    change::{Flag, Push, flag_dose},
    frame::Frame,
    site::Site,
};
use crate::domain::{push::PushStarted, step::Action};
use std::collections::{BTreeMap, BTreeSet};

/// How long after its last step a push or flag change is still a candidate.
const REACH: Micros = 24 * HOUR;

/// A push or a flag change, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    Push(usize),
    Flag(usize),
}

/// A change on trial at one service.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) change: Change,
    /// Whether it changes the service that crashes, or one that it talks to.
    pub(crate) own: bool,
    /// The release that an own push brings.
    pub(crate) release: Option<u16>,
    pub(crate) rollback: bool,
    /// When it first exposed anybody.
    pub(crate) first: Micros,
    /// Every instant at which it moved.
    pub(crate) moves: Vec<Micros>,
}

impl Candidate {
    /// Whether it is in flight: it moved not long ago.
    pub(crate) fn is_moving(&self, now: Micros) -> bool {
        self.moves.iter().any(|at| now - at < MOVES)
    }
}

/// A change and how far it reached.
#[derive(Debug)]
pub(crate) struct Dosed {
    pub(crate) candidate: Candidate,
    /// By block and cell, 0 to 1.
    pub(crate) doses: Vec<f64>,
    /// Of everything, by block, 0 to 1.
    pub(crate) of_all: Vec<f64>,
}

/// Everything known of changes, and who talks to whom.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) pushes: Vec<Push>,
    pub(crate) flags: Vec<Flag>,
    push_numbers: BTreeMap<String, usize>,
    flag_numbers: BTreeSet<String>,
    /// Pushes and flag changes by the service that they change.
    of_service: BTreeMap<String, Vec<Change>>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Changes {
    /// The push with this id, made where it is new.
    pub(crate) fn push(&mut self, id: &str) -> &mut Push {
        let next = self.pushes.len();
        let number = *self.push_numbers.entry(id.to_owned()).or_insert(next);
        if number == next {
            self.pushes.push(Push { id: id.to_owned(), ..Push::default() });
        }
        &mut self.pushes[number]
    }

    /// Takes the first line of a push in.
    pub(crate) fn begin(&mut self, line: &PushStarted) {
        let push = self.push(&line.push);
        if push.begun.is_some() {
            return;
        }
        push.begin(line);
        let number = self.push_numbers[&line.push];
        self.of_service.entry(line.service.clone()).or_default().push(Change::Push(number));
    }

    fn of(&self, service: &str) -> impl Iterator<Item = Change> {
        self.of_service.get(service).into_iter().flatten().copied()
    }

    /// The number of a push.
    pub(crate) fn find_push(&self, id: &str) -> Option<usize> {
        self.push_numbers.get(id).copied()
    }

    /// Takes a flag change in; false where it was there already.
    pub(crate) fn flag(&mut self, flag: Flag) -> bool {
        let new = self.flag_numbers.insert(flag.id.clone());
        if new {
            self.of_service.entry(flag.service.clone()).or_default().push(Change::Flag(self.flags.len()));
            self.flags.push(flag);
        }
        new
    }

    /// Notes that two services talk to each other.
    pub(crate) fn connect(&mut self, one: &str, other: &str) {
        self.edges.entry(one.to_owned()).or_default().insert(other.to_owned());
        self.edges.entry(other.to_owned()).or_default().insert(one.to_owned());
    }

    /// The services whose changes can be behind crashes of this one.
    pub(crate) fn around(&self, service: &str) -> Vec<String> {
        let edges = self.edges.get(service).into_iter().flatten().cloned();
        std::iter::once(service.to_owned()).chain(edges).collect()
    }

    /// The pushes of one service and environment, in order of their first exposure.
    pub(crate) fn pushes_of<'a>(&'a self, service: &str, environment: &str) -> Vec<&'a Push> {
        let of = |change: Change| match change {
            Change::Push(number) => {
                let push = &self.pushes[number];
                let here = push.begun.as_ref().is_some_and(|it| it.environment == environment);
                (here && push.first_exposed().is_some()).then_some(push)
            }
            Change::Flag(_) => None,
        };
        let mut pushes: Vec<&Push> = self.of(service).filter_map(of).collect();
        pushes.sort_by(|a, b| (a.first_exposed(), &a.id).cmp(&(b.first_exposed(), &b.id)));
        pushes
    }

    /// All changes of the flag that the change belongs to, in order of their times, and the change's place among them.
    pub(crate) fn flag_line(&self, number: usize) -> (Vec<&Flag>, usize) {
        let flag = &self.flags[number];
        let same =
            |it: &&Flag| it.flag == flag.flag && it.service == flag.service && it.environment == flag.environment;
        let mut line: Vec<&Flag> = self.flags.iter().filter(same).collect();
        line.sort_by_key(|it| (it.at, it.id.clone()));
        let place = line.iter().position(|it| it.id == flag.id).unwrap_or(0);
        (line, place)
    }

    /// How much of everything a change is meant to reach at an instant, 0 to 1; a rule without shares counts as all.
    pub(crate) fn reached(&self, change: Change, at: Micros) -> f64 {
        match change {
            Change::Push(number) => self.pushes[number].share(at),
            Change::Flag(number) => self.flags[number].after.unwrap_or(1.0),
        }
    }

    /// The name of a change.
    pub(crate) fn id(&self, change: Change) -> &str {
        match change {
            Change::Push(number) => &self.pushes[number].id,
            Change::Flag(number) => &self.flags[number].id,
        }
    }

    /// Every change that exposed somebody near this service before `until`, and moved at most a day before `from`.
    pub(crate) fn candidates(&self, site: &Site, from: Micros, until: Micros) -> Vec<Candidate> {
        let around = self.around(&site.service);
        let changes = around.iter().flat_map(|service| self.of(service));
        let mut found: Vec<Candidate> =
            changes.filter_map(|change| self.candidate(change, site, from, until)).collect();
        found.sort_by_key(|it| it.change);
        found
    }

    fn candidate(&self, change: Change, site: &Site, from: Micros, until: Micros) -> Option<Candidate> {
        match change {
            Change::Push(number) => {
                let push = &self.pushes[number];
                let (begun, first) = (push.begun.as_ref()?, push.first_exposed()?);
                let moved = push.last_moved().is_some_and(|moved| moved >= from - REACH);
                if begun.environment != site.environment || first >= until || !moved {
                    return None;
                }
                let own = begun.service == site.service;
                Some(Candidate {
                    change,
                    own,
                    release: site.releases.find(&begun.release).filter(|_| own).map(|it| it as u16),
                    rollback: begun.rollback,
                    first,
                    moves: push.steps.iter().map(|step| step.at).collect(),
                })
            }
            Change::Flag(number) => {
                let flag = &self.flags[number];
                if flag.environment != site.environment || flag.at < from - REACH || flag.at >= until {
                    return None;
                }
                let (line, place) = self.flag_line(number);
                Some(Candidate {
                    change,
                    own: flag.service == site.service,
                    release: None,
                    rollback: false,
                    first: flag.at,
                    moves: line[place..].iter().map(|it| it.at).collect(),
                })
            }
        }
    }

    /// Where the past ends that is held against the present: at the first exposure of the earliest change on trial, so that what is
    /// normal never learns from harm. Where that would leave too little of a past, later changes' beginnings are taken.
    pub(crate) fn past_ends(&self, site: &Site, now: Micros) -> Micros {
        const ON_TRIAL: Micros = 12 * HOUR;
        const ENOUGH: Micros = 6 * HOUR;
        let latest = now - HOUR;
        let begins = site.buckets.keys().next().map_or(now, |bucket| bucket * super::site::BUCKET);
        let mut firsts: Vec<Micros> = self.candidates(site, now, now).iter().map(|it| it.first).collect();
        firsts.retain(|first| now - first < ON_TRIAL);
        firsts.sort_unstable();
        let enough = ENOUGH.max((now - begins) / 4);
        let ends = firsts.iter().copied().find(|first| first - begins >= enough).or(firsts.last().copied());
        ends.map_or(latest, |ends| ends.min(latest))
    }

    /// The other pushes of the same service and environment.
    fn siblings(&self, number: usize) -> impl Iterator<Item = &Push> {
        let begun = self.pushes[number].begun.as_ref();
        let same = move |it: &&Push| {
            let (one, other) = (begun, it.begun.as_ref());
            one.zip(other).is_some_and(|(one, it)| one.service == it.service && one.environment == it.environment)
        };
        let all = begun.into_iter().flat_map(|begun| self.of(&begun.service));
        all.filter_map(move |change| match change {
            Change::Push(other) if other != number => Some(&self.pushes[other]),
            Change::Push(_) | Change::Flag(_) => None,
        })
        .filter(same)
    }

    /// How long a stage of this service's other pushes lasted: the median between one advance and the next.
    pub(crate) fn usual_pace(&self, number: usize) -> Option<Micros> {
        let mut gaps = Vec::new();
        for push in self.siblings(number) {
            let advanced: Vec<Micros> =
                push.steps.iter().filter(|step| step.action == Action::Advance).map(|step| step.at).collect();
            gaps.extend(advanced.windows(2).map(|pair| pair[1] - pair[0]));
        }
        median(gaps)
    }

    /// How long taking back lasted in this service's other pushes: the median from the step to the last that was heard of the
    /// release. None where nothing of the kind was measured.
    pub(crate) fn usual_way_back(&self, site: &Site, number: usize) -> Option<Micros> {
        let lasted = |push: &Push| {
            let back = push.taken_back()?;
            let release = site.releases.find(&push.begun.as_ref()?.release)?;
            let gone = site.lives.get(release)?.1;
            (gone > back && gone - back < 12 * HOUR).then(|| gone - back)
        };
        median(self.siblings(number).filter_map(lasted).collect())
    }

    /// How far a change reached each cell in each block, 0 to 1, by block and cell.
    pub(crate) fn doses(&self, candidate: &Candidate, site: &Site, frame: &Frame) -> Vec<f64> {
        let mut doses = Vec::with_capacity(frame.blocks.len() * frame.cells);
        let line = match candidate.change {
            Change::Flag(number) => Some(self.flag_line(number)),
            Change::Push(_) => None,
        };
        for (block, (start, end)) in frame.blocks.iter().enumerate() {
            for cell in 0..frame.cells {
                let name = site.cells.name(cell);
                doses.push(match (candidate.change, candidate.release, &line) {
                    (Change::Push(_), Some(release), _) => frame.share(block, release, cell),
                    (Change::Push(number), None, _) => {
                        mean_over((*start, *end), |at| self.pushes[number].share_in(name, at))
                    }
                    (Change::Flag(_), _, Some((line, place))) => {
                        mean_over((*start, *end), |at| flag_dose(line, *place, name, at))
                    }
                    (Change::Flag(_), _, None) => 0.0,
                });
            }
        }
        doses
    }

    /// How far a change reached each cell, and how much of everything, in each block.
    pub(crate) fn dosed(&self, candidate: Candidate, site: &Site, frame: &Frame) -> Dosed {
        let doses = self.doses(&candidate, site, frame);
        let of_all = self.of_all(&candidate, frame, &doses);
        Dosed { candidate, doses, of_all }
    }

    /// How much of everything a change reached in each block, 0 to 1. Another service's push has a fleet and cells of its own: its share of
    /// them is what its steps say.
    pub(crate) fn of_all(&self, candidate: &Candidate, frame: &Frame, doses: &[f64]) -> Vec<f64> {
        let all = |block: usize| {
            let cells = 0..frame.cells;
            let ran: f64 = cells.clone().map(|cell| frame.in_cell(block, cell)).sum();
            let dosed: f64 = cells.map(|cell| frame.in_cell(block, cell) * doses[block * frame.cells + cell]).sum();
            if ran > 0.0 { dosed / ran } else { 0.0 }
        };
        let mut of_all: Vec<f64> = (0..frame.blocks.len()).map(all).collect();
        if let (Change::Push(number), None) = (candidate.change, candidate.release) {
            let push = &self.pushes[number];
            for (share, block) in of_all.iter_mut().zip(&frame.blocks) {
                let said = mean_over(*block, |at| push.share(at));
                *share = if said > 0.0 { said } else { *share };
            }
        }
        of_all
    }
}

/// The mean of a share over a block, at four instants: it holds from its step on.
pub(crate) fn mean_over((start, end): (Micros, Micros), share: impl Fn(Micros) -> f64) -> f64 {
    (0..4).map(|part| share(start + (end - start) * (2 * part + 1) / 8)).sum::<f64>() / 4.0
}

fn median(mut values: Vec<Micros>) -> Option<Micros> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
