//! What is said of a case: suspects with their reasons, what it came to, continuations, evidence; and when to say it again.

use super::{
    HOUR, Judge, MINUTE, Micros, Room,
    attribution::{Attribution, Explanation},
    candidate::Change,
    case::{View, ends_by_itself},
    cost::{Cost, Scope, round},
    evidence::{CellEvidence, Evidence, Fit, Said},
    onset::Began,
    paths::Fork,
    site::{Basis, Event},
    stats::poisson_tail,
};
use crate::domain::{
    finding::{BLAME, Continuation, Ending, Kind, Known, Suspect, SuspectKind},
    time,
};

/// Suspects less probable than this are not worth naming.
const WORTH_NAMING: f64 = 0.01;

impl Judge {
    /// Takes a view over into what is said.
    pub(crate) fn take(&mut self, number: usize, view: &View) {
        let suspects = view
            .changes
            .iter()
            .filter(|it| it.1 >= WORTH_NAMING)
            .map(|(change, probability)| Suspect {
                kind: match change {
                    Change::Push(_) => SuspectKind::Push,
                    Change::Flag(_) => SuspectKind::FlagChange,
                },
                id: self.changes.id(*change).to_owned(),
                probability: (probability * 1000.0).floor() / 1000.0,
                why: self.why(view, *change, number),
            })
            .collect();
        let case = &mut self.cases[number];
        // A blame that comes later than the regression was said, or takes the place of another, has to be sure.
        let leader = view.changes.first().copied();
        let stays = case.blamed().is_some_and(|said| leader.is_some_and(|it| it.0 == said));
        let enough = if stays { BLAME } else { self.settings.sure };
        let wavers = case.kind_said && leader.is_some_and(|it| (BLAME..enough).contains(&it.1));
        let blamed = case.blamed();
        if !wavers {
            case.suspects = suspects;
            case.kind = view.kind;
            case.blames = leader.map(|it| it.0);
        }
        if case.blamed() != blamed {
            case.blamed_at = case.reviewed;
        }
        case.kind_said = case.number > 0;
        let limit = case.detected;
        let cap = |at: Micros| at.min(limit);
        case.onset =
            Began { at: cap(view.onset.at), earliest: cap(view.onset.earliest), latest: cap(view.onset.latest) };
        case.cells = cells_of(view);
        if case.victims.is_empty() || case.ended.is_none() {
            case.victims = view.victims.clone();
        }
    }

    /// The evidence against a change in one sentence.
    fn why(&self, view: &View, change: Change, number: usize) -> String {
        let Some(best) = view.it.best(Some(change)) else { return String::new() };
        let site = &self.rooms[self.cases[number].room].site;
        let names = |releases: &[u16]| {
            releases.iter().map(|it| site.releases.name(usize::from(*it))).collect::<Vec<_>>().join(", ")
        };
        let harmed = victims(&view.it, best);
        let (followed, cells) = cells_that_follow(&view.it, best);
        let pushed = match change {
            Change::Push(push) => self.changes.pushes[push].begun.as_ref().map_or("", |begun| begun.release.as_str()),
            Change::Flag(flag) => self.changes.flags[flag].flag.as_str(),
        };
        let count = if cells == 1 { String::new() } else { format!(" in {followed} of {cells} cells") };
        match best.kind {
            Kind::Collateral => format!("{}’s crash rate follows {pushed}’s share{count}", names(&harmed)),
            Kind::Itself => format!("{pushed} crashes more than its past, and others beside it do not{count}"),
            Kind::Mixed => format!("{pushed} crashes more than its past, and so do others by its share{count}"),
            Kind::Flag => format!("The crash rate follows the share of {pushed}{count}"),
            Kind::Rollback => format!("The crash rate follows the rollback{count}"),
            Kind::Ambient => String::new(),
        }
    }

    /// Counts what it came to, and what came after each later step.
    pub(crate) fn count(&mut self, number: usize, view: &View, now: Micros) {
        let case = &self.cases[number];
        let Room { site, normal, .. } = &self.rooms[case.room];
        let until = case.ended.map_or(site.known_until(now), |ended| ended.0).max(case.onset.at + 1);
        let wanted = |signature: u32| case.wants(signature);
        let other = |event: &Event| self.is_of_another(number, event);
        let scope = Scope { case: number, victims: &case.victims, wanted: &wanted, other: &other };
        let cost = Cost::new(site, &self.changes, normal, &scope, case.onset.at, until);
        let continuations = self.continuations(number, &cost);
        let evidence = self.show(number, view, &cost, now);
        let grown = continuations.len() != case.continuations.len();
        let fork = Fork {
            site,
            changes: &self.changes,
            it: &view.it,
            explanation: &view.top,
            excess: cost.excess(case.onset.at).estimate,
            clients_each: cost.clients_each(),
            at: now,
        };
        let paths = fork.paths().filter(|_| case.paths.last().is_none_or(|it| grown || time::micros(it.at) < now));
        let case = &mut self.cases[number];
        case.ratio = cost.ratio;
        case.excess = cost.excess(case.onset.at);
        case.parted = (cost.excess_before(case.detected), cost.excess(case.detected));
        case.clients = cost.clients(case.onset.at);
        case.continuations = continuations;
        case.evidence = Some(evidence);
        case.paths.extend(paths);
    }

    /// Every later step that raised exposure to the blamed change before the harm ended.
    fn continuations(&self, number: usize, cost: &Cost) -> Vec<Continuation> {
        let case = &self.cases[number];
        let end = case.ended.map_or(Micros::MAX, |ended| ended.0);
        let mut found = Vec::new();
        let mut add =
            |at: Micros, push: Option<&str>, change: Option<&str>, actor: &str, action: &str, share: Option<f64>| {
                if at > case.onset.at && at < end {
                    found.push(Continuation {
                        regression: case.id(),
                        push: push.map(str::to_owned),
                        change: change.map(str::to_owned),
                        step_at: time::from_micros(at),
                        actor: actor.to_owned(),
                        action: action.to_owned(),
                        percent: share.map(|share| round(share * 100.0)),
                        known: if at < case.detected { Known::Undetected } else { Known::Detected },
                        excess_crashes: cost.excess(at),
                        clients_dropped: cost.clients(at),
                    });
                }
            };
        match case.blamed() {
            Some(Change::Push(number)) => {
                let push = &self.changes.pushes[number];
                for step in (0..push.steps.len()).filter(|index| push.raised(*index)).map(|index| &push.steps[index]) {
                    add(step.at, Some(&push.id), None, &step.actor, step.action.word(), Some(step.share));
                }
            }
            Some(Change::Flag(number)) => {
                let (line, place) = self.changes.flag_line(number);
                for flag in line[place + 1..].iter().filter(|flag| flag.widened() == line[place].widened()) {
                    add(flag.at, None, Some(&flag.id), &flag.actor, "flag_changed", flag.after);
                }
            }
            None => {}
        }
        found
    }

    /// A step or flag change came: where it continues a regression, that is said at once.
    pub(crate) fn tell_continuations(&mut self, change: Change) {
        for number in 0..self.cases.len() {
            let case = &self.cases[number];
            let same_flag = match (case.blamed(), change) {
                (Some(Change::Flag(one)), Change::Flag(other)) => {
                    let (one, other) = (&self.changes.flags[one], &self.changes.flags[other]);
                    one.flag == other.flag && one.service == other.service && one.environment == other.environment
                }
                (blamed, change) => blamed == Some(change),
            };
            if case.number == 0 || case.withdrawn.is_some() || !same_flag {
                continue;
            }
            let before = case.continuations.len();
            let now = self.now;
            if case.is_watched() {
                self.review(number, now);
            }
            let case = &self.cases[number];
            if case.continuations.len() > before && case.told != now {
                self.tell(number, now, true);
            }
        }
    }

    /// Keeps what belongs to this case out of what is normal.
    pub(crate) fn explain(&mut self, number: usize) {
        let case = &self.cases[number];
        let room = &mut self.rooms[case.room];
        let known = case.known;
        // Stragglers of a harm whose end is certain are still its own.
        let last = |ended: (Micros, Ending)| ended.0 + if ends_by_itself(ended.1) { 0 } else { HOUR / 2 };
        let end = case.ended.map(last).or(case.quiet).or(case.parted_at);
        let (from, to) = (case.onset.earliest, end.unwrap_or(Micros::MAX));
        let watched = case.awaits_alarm();
        let mut moved = false;
        for it in room.site.explained.iter_mut().filter(|it| it.case == number) {
            moved |= it.to != to || it.watched != watched;
            (it.from, it.to, it.known, it.watched) = (from, to, known, watched);
            it.signatures.clone_from(&case.signatures);
        }
        room.site.beside_ends(number, case.over());
        if moved {
            room.watch.forget();
        }
    }

    fn show(&self, number: usize, view: &View, cost: &Cost, now: Micros) -> Evidence {
        let case = &self.cases[number];
        let Room { site, normal, .. } = &self.rooms[case.room];
        let frame = &view.it.frame;
        let blamed = case.blamed().and_then(|change| view.it.candidates.iter().find(|it| it.change == change));
        let doses = blamed.map(|candidate| self.changes.doses(candidate, site, frame));
        let mut cells = Vec::new();
        for cell in 0..frame.cells {
            let mut row = CellEvidence {
                cell: site.cells.name(cell).to_owned(),
                crashes: 0.0,
                expected: 0.0,
                exposure: 0.0,
                dose: None,
            };
            let (mut dose, mut blocks) = (0.0, 0.0);
            for block in (0..frame.blocks.len()).filter(|block| frame.blocks[*block].1 > case.onset.at) {
                for release in &case.victims {
                    let Some(at) = frame.at(block, *release, cell as u16) else { continue };
                    row.crashes += view.it.counts[at];
                    row.expected += view.it.expected[at];
                    row.exposure += frame.ran[at];
                }
                dose += doses.as_ref().map_or(0.0, |doses| doses[block * frame.cells + cell]);
                blocks += 1.0;
            }
            row.dose = doses.as_ref().map(|_| round(dose / f64::max(blocks, 1.0)));
            (row.expected, row.exposure) = (round(row.expected), round(row.exposure));
            cells.push(row);
        }
        let (found, expected) = (cost.found(case.onset.at), cost.expected(case.onset.at));
        let fit = |it: &Explanation| Fit {
            suspect: it.change.map(|change| self.changes.id(change).to_owned()),
            kind: it.kind,
            shape: it.shape.says().to_owned(),
            ln_likelihood: round(it.ln_likelihood),
            prior: round(it.prior),
            probability: (it.probability * 1e6).round() / 1e6,
            size: round(it.size),
        };
        Evidence {
            at: time::from_micros(now),
            basis: match site.basis() {
                Basis::Instances => "instance-hours",
                Basis::Sessions => "thousand sessions",
                Basis::Shares => "fleet-hours by share",
            }
            .to_owned(),
            crashes: found as u64,
            expected: round(expected),
            exposure: round(cost.exposure),
            expected_rate: round(expected / cost.exposure.max(1e-9)),
            found_rate: round(found / cost.exposure.max(1e-9)),
            repeats: cost.repeats,
            e_value: round(case.e_value),
            short_of_alarm: case.alarmed.is_none(),
            threshold: round(case.threshold),
            smallest_ratio: smallest_ratio(expected, case.threshold).filter(|_| normal.exposure() > 0.0).map(round),
            cells,
            fits: view.it.explanations.iter().map(fit).collect(),
            burst_doubted: view.it.burst_doubted,
        }
    }

    /// Says a case as it stands, where something about it changed, or five minutes went by while it grew.
    pub(crate) fn tell(&mut self, number: usize, now: Micros, must: bool) {
        let case = &self.cases[number];
        let Some(evidence) = case.evidence.clone() else { return };
        let blamed = case.blamed().map(|change| self.changes.id(change).to_owned());
        let regression = case.regression(self);
        let last = self.said_last.get(&case.key);
        // An alarm over what was said short of one is news too.
        let alarmed = case.told == Micros::MIN;
        let changed = last.is_none_or(|last| {
            last.kind != regression.kind
                || last.onset != regression.onset
                || last.ended_because != regression.ended_because
                || last.withdrawn != regression.withdrawn
                || last.signatures != regression.signatures
                || last.victims != regression.victims
                || last.suspects.first().map(|it| &it.id) != regression.suspects.first().map(|it| &it.id)
        });
        let grown = last.is_some_and(|last| last.excess_crashes != regression.excess_crashes);
        if !(must || changed || alarmed || (grown && now - case.told >= 5 * MINUTE)) {
            return;
        }
        let said = Said {
            at: time::from_micros(now),
            key: case.key.clone(),
            regression: regression.clone(),
            continuations: case.continuations.clone(),
            gates: self.gates.iter().filter(|gate| Some(&gate.push) == blamed.as_ref()).cloned().collect(),
            evidence,
        };
        self.said_last.insert(case.key.clone(), regression);
        self.cases[number].told = now;
        self.said.push(said);
    }
}

/// The cells that harm is expected in; none where that is all of them.
fn cells_of(view: &View) -> Vec<usize> {
    let frame = &view.it.frame;
    let mut cells: Vec<usize> = (0..frame.cells).collect();
    let harmed = |cell: usize| {
        let at = |it: &(usize, &f64)| it.0 % frame.width() % frame.cells == cell && *it.1 > 0.0;
        view.top.pattern.iter().enumerate().any(|it| at(&it))
    };
    cells.retain(|cell| harmed(*cell));
    if cells.len() < frame.cells { cells } else { Vec::new() }
}

/// The releases that carry the harm: where it is expected, and crashes beyond the usual were found.
pub(crate) fn victims(it: &Attribution, top: &Explanation) -> Vec<u16> {
    let width = it.frame.width();
    let mut found = Vec::new();
    let mut most: Option<(f64, u16)> = None;
    for (number, release) in it.frame.releases.iter().enumerate() {
        let (mut count, mut expected) = (0.0, 0.0);
        for block in 0..it.frame.blocks.len() {
            for cell in 0..it.frame.cells {
                let at = block * width + number * it.frame.cells + cell;
                if top.pattern[at] > 0.0 {
                    count += it.counts[at];
                    expected += it.expected[at];
                }
            }
        }
        if count > expected && most.is_none_or(|most| count - expected > most.0) {
            most = Some((count - expected, *release));
        }
        if count > 0.0 && count > 1.2 * expected && poisson_tail(count, expected) < 0.05 {
            found.push(*release);
        }
    }
    if found.is_empty() {
        found.extend(most.map(|most| most.1));
    }
    found
}

/// In how many of the cells where harm is expected more crashed than usual.
fn cells_that_follow(it: &Attribution, top: &Explanation) -> (usize, usize) {
    let mut sums = vec![(0.0, 0.0, false); it.frame.cells];
    for (at, pattern) in top.pattern.iter().enumerate().filter(|it| *it.1 > 0.0) {
        let (_, cell) = it.frame.population(at % it.frame.width());
        sums[cell].0 += it.counts[at];
        sums[cell].1 += it.expected[at];
        sums[cell].2 |= *pattern > 0.0 && it.frame.ran[at] > 0.0;
    }
    let there = sums.iter().filter(|it| it.2);
    (there.clone().filter(|it| it.0 > it.1).count(), there.count())
}

/// The smallest ratio that so many expected crashes could have shown: M (r ln(r/t) - r + t) = ln of the threshold and of the
/// price of not knowing when and how much, with tolerance t.
pub(crate) fn smallest_ratio(expected: f64, threshold: f64) -> Option<f64> {
    const TOLERANCE: f64 = 1.25;
    let needed = threshold.max(1.0).ln() + 6.0;
    let gain = |ratio: f64| expected * (ratio * (ratio / TOLERANCE).ln() - ratio + TOLERANCE);
    let (mut low, mut high) = (TOLERANCE, 1e6);
    if expected <= 0.0 || gain(high) < needed {
        return None;
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if gain(middle) < needed { low = middle } else { high = middle }
    }
    Some(high)
}
