//! One regression from its alarm to its end: what is said of it, and when that changes. The tests and fits are elsewhere.

use super::{
    HOUR, Judge, MINUTE, Micros, Room,
    attribution::{Attribution, Explanation, Question, Shape},
    candidate::Change,
    cost::{Cost, Scope, round},
    ending::Inquest,
    evidence::{CellEvidence, Evidence, Fit, Paths, Said},
    onset::{Began, began},
    paths::Fork,
    site::{Basis, Event, Explained},
    stats::poisson_tail,
    watch::Level,
};
use crate::domain::{
    finding::{
        BLAME, Continuation, Ending, Estimate, Kind, Known, Onset, Regression, Suspect, SuspectKind, Victim, Withdrawn,
    },
    time,
};

/// After this long the question who is to blame is closed; what it costs and when it ends is not.
const CLOSED: Micros = 12 * HOUR;

/// How much later than the crashes alone tell the harm may have begun: a chance crash just before it misleads.
const DOUBT: Micros = 15 * MINUTE;

/// The probability of a suspect from which it is worth saying before it is sure.
const LIKELY: f64 = 0.75;

/// Suspects less probable than this are not worth naming.
const WORTH_NAMING: f64 = 0.01;

/// A regression, said or about to be.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) room: usize,
    pub(crate) key: String,
    /// Its place in order of detection, from 1; zero until it is said.
    pub(crate) number: usize,
    /// Its signatures; empty where it is all that were known at the alarm.
    pub(crate) signatures: Vec<u32>,
    known: u32,
    pub(crate) alarm: Micros,
    e_value: f64,
    threshold: f64,
    pub(crate) detected: Micros,
    pub(crate) kind: Kind,
    /// Whether kind and suspects were said.
    kind_said: bool,
    pub(crate) suspects: Vec<Suspect>,
    blames: Option<Change>,
    onset: Began,
    victims: Vec<u16>,
    ratio: Estimate,
    excess: Estimate,
    clients: Estimate,
    pub(crate) ended: Option<(Micros, Ending)>,
    pub(crate) withdrawn: Option<Withdrawn>,
    pub(crate) continuations: Vec<Continuation>,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) paths: Vec<Paths>,
    /// What the last looks agreed on, and how many of them.
    streak: (Option<Change>, u32),
    reviewed: Micros,
    told: Micros,
    /// The last time that the watch was in alarm over it.
    loud: Micros,
    /// Given up before it was said, since it went away.
    pub(crate) dropped: bool,
}

impl Case {
    /// Whether it is still looked after.
    pub(crate) fn is_watched(&self) -> bool {
        !self.dropped && self.ended.is_none() && self.withdrawn.is_none()
    }

    /// Its short name.
    pub(crate) fn id(&self) -> String {
        format!("r{}", self.number)
    }

    /// The change that is blamed.
    pub(crate) fn blamed(&self) -> Option<Change> {
        self.blames.filter(|_| self.suspects.first().is_some_and(|it| it.probability >= BLAME))
    }

    fn wants(&self, signature: u32) -> bool {
        if self.signatures.is_empty() { signature < self.known } else { self.signatures.contains(&signature) }
    }

    /// The public form.
    pub(crate) fn regression(&self, judge: &Judge) -> Regression {
        let site = &judge.rooms[self.room].site;
        let names = |numbers: &[u32]| numbers.iter().map(|it| site.signatures.name(*it as usize).to_owned()).collect();
        Regression {
            id: self.id(),
            service: site.service.clone(),
            environment: site.environment.clone(),
            signatures: if self.signatures.is_empty() { self.loud(judge) } else { names(&self.signatures) },
            victims: self
                .victims
                .iter()
                .map(|it| Victim { release: site.releases.name(usize::from(*it)).to_owned() })
                .collect(),
            kind: self.kind,
            onset: Onset {
                at: time::from_micros(self.onset.at),
                earliest: time::from_micros(self.onset.earliest),
                latest: time::from_micros(self.onset.latest),
            },
            detected_at: time::from_micros(self.detected),
            suspects: self.suspects.clone(),
            rate_ratio: self.ratio,
            excess_crashes: self.excess,
            clients_dropped: self.clients,
            ended_at: self.ended.map(|ended| time::from_micros(ended.0)),
            ended_because: self.ended.map(|ended| ended.1),
            withdrawn: self.withdrawn.clone(),
        }
    }

    /// The signatures of a regression of the whole service: those that crash more than half as much again as usual.
    fn loud(&self, judge: &Judge) -> Vec<String> {
        let Room { site, normal, .. } = &judge.rooms[self.room];
        let until = self.ended.map_or(site.known_until(self.reviewed), |ended| ended.0);
        let mut counts = vec![0.0; self.known as usize];
        let from = self.onset.at.div_euclid(super::site::BUCKET);
        for (_, bucket) in site.buckets.range(from..=until.div_euclid(super::site::BUCKET)) {
            for event in bucket.events.iter().filter(|event| event.at >= self.onset.at && event.at < until) {
                if let Some(count) = counts.get_mut(event.signature as usize) {
                    *count += 1.0;
                }
            }
        }
        let all: f64 = counts.iter().sum();
        let usual = normal.count(|_| true).max(1.0);
        let mut loud: Vec<(f64, String)> = Vec::new();
        for (number, count) in counts.iter().enumerate().filter(|it| *it.1 >= 1.0) {
            let part = (normal.count(|it| it as usize == number) + 0.5) / usual;
            let expected = part * all / self.ratio.estimate.max(1.0);
            if *count >= 1.5 * expected {
                loud.push((*count, site.signatures.name(number).to_owned()));
            }
        }
        loud.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        loud.into_iter().take(20).map(|it| it.1).collect()
    }
}

/// What one look at a case found.
struct View {
    it: Attribution,
    top: Explanation,
    changes: Vec<(Change, f64)>,
    kind: Kind,
    onset: Began,
    victims: Vec<u16>,
}

impl Judge {
    /// Opens a case for every level that is in alarm and belongs to none yet.
    pub(crate) fn open_cases(&mut self, number: usize, now: Micros) {
        let room = &self.rooms[number];
        let mut loud: Vec<_> = room.readings.iter().filter(|it| it.evidence >= it.threshold).copied().collect();
        if loud.is_empty() {
            return;
        }
        // A signature says more than the sum of all; the sum counts where no signature does.
        if loud.iter().any(|it| it.level != Level::All) {
            loud.retain(|it| it.level != Level::All);
        }
        let mut signatures: Vec<u32> = loud
            .iter()
            .filter_map(|it| match it.level {
                Level::Signature(signature) => Some(signature),
                Level::All => None,
            })
            .collect();
        signatures.sort_unstable();
        let known = room.site.signatures.len() as u32;
        let all_known = signatures.len() >= 3 && signatures.iter().all(|it| room.normal.knows(*it));
        let usual = room.normal.count(|it| signatures.contains(&it)) / room.normal.count(|_| true).max(1.0);
        if all_known && usual > 0.6 {
            // Most of what usually crashes crashes more: it is the service, not its signatures.
            signatures.clear();
        }
        let top = loud.iter().max_by(|a, b| (a.evidence / a.threshold).total_cmp(&(b.evidence / b.threshold)));
        let (e_value, threshold) = top.map_or((0.0, 0.0), |it| (it.evidence, it.threshold));
        let new = |them: &[u32]| !them.is_empty() && them.iter().all(|it| !room.normal.knows(*it));
        let unsaid = self.cases.iter().position(|case| {
            case.room == number && case.number == 0 && case.is_watched() && new(&case.signatures) == new(&signatures)
        });
        if let Some(unsaid) = unsaid {
            // It is not said yet: what joins it now is the same alarm.
            let case = &mut self.cases[unsaid];
            if signatures.is_empty() || case.signatures.is_empty() {
                case.signatures.clear();
            } else {
                case.signatures.extend(signatures);
                case.signatures.sort_unstable();
                case.signatures.dedup();
            }
            case.known = known;
            case.loud = now;
            if e_value / threshold > case.e_value / case.threshold {
                (case.e_value, case.threshold) = (e_value, threshold);
            }
            return;
        }
        let alike = |case: &Case| {
            let shared = signatures.iter().any(|it| case.wants(*it));
            shared || (signatures.is_empty() && (case.signatures.is_empty() || !new(&case.signatures)))
        };
        let lately = self.cases.iter().rposition(|case| {
            let by_itself = case.ended.is_some_and(|ended| now - ended.0 < 2 * HOUR && ends_by_itself(ended.1));
            case.room == number && case.number > 0 && case.withdrawn.is_none() && by_itself && alike(case)
        });
        if let Some(lately) = lately {
            // What comes back so soon had not ended.
            self.cases[lately].ended = None;
            self.explain(lately);
            self.review(lately, now);
            return;
        }
        let site = &room.site;
        let twin = self.cases.iter().filter(|case| case.room == number && case.alarm == now).count();
        let suffix = if twin > 0 { format!("/{}", twin + 1) } else { String::new() };
        let key = format!("{}/{}/{}{suffix}", site.service, site.environment, time::text(time::from_micros(now)));
        let onset = Began { at: now, earliest: now - 2 * HOUR, latest: now };
        self.cases.push(Case {
            room: number,
            key,
            number: 0,
            signatures,
            known,
            loud: now,
            alarm: now,
            e_value,
            threshold,
            detected: now,
            kind: Kind::Ambient,
            kind_said: false,
            suspects: Vec::new(),
            blames: None,
            onset,
            victims: Vec::new(),
            ratio: Estimate::default(),
            excess: Estimate::default(),
            clients: Estimate::default(),
            ended: None,
            withdrawn: None,
            continuations: Vec::new(),
            evidence: None,
            paths: Vec::new(),
            streak: (None, 0),
            reviewed: Micros::MIN,
            told: Micros::MIN,
            dropped: false,
        });
    }

    /// Goes over the open cases of one service.
    pub(crate) fn review_cases(&mut self, room: usize, now: Micros) {
        for number in 0..self.cases.len() {
            let case = &self.cases[number];
            if case.room != room || !case.is_watched() || case.reviewed == now {
                continue;
            }
            let age = now - case.alarm;
            let due = case.reviewed == Micros::MIN || now - case.reviewed >= (5 * MINUTE).max(age / 24);
            let unsaid = case.number == 0;
            let stepped = self.now == now && now % MINUTE != 0;
            if due || unsaid || stepped {
                self.review(number, now);
            }
        }
    }

    fn review(&mut self, number: usize, now: Micros) {
        self.cases[number].reviewed = now;
        let Some(view) = self.view(number, now) else { return };
        if self.cases[number].number == 0 {
            if !self.decide(number, &view, now) {
                return;
            }
        } else if self.overturned(number, &view, now) {
            return;
        }
        if now - self.cases[number].alarm <= CLOSED {
            self.take(number, &view);
        }
        let until = self.rooms[self.cases[number].room].site.known_until(now);
        let case = &self.cases[number];
        let inquest = Inquest {
            site: &self.rooms[case.room].site,
            changes: &self.changes,
            it: &view.it,
            explanation: &view.top,
            victims: &case.victims,
            onset: case.onset.at,
            until,
        };
        let ended = inquest.ending();
        self.cases[number].ended = ended;
        self.count(number, &view, now);
        self.explain(number);
        self.tell(number, now, false);
    }

    /// Weighs the explanations of a case as of now.
    fn view(&self, number: usize, now: Micros) -> Option<View> {
        let case = &self.cases[number];
        let Room { site, normal, .. } = &self.rooms[case.room];
        let until = site.known_until(now);
        let wanted = |signature: u32| case.wants(signature);
        let mut question = Question {
            site,
            changes: &self.changes,
            normal,
            wanted: &wanted,
            other: &|event| self.is_of_another(number, event),
            from: case.onset.earliest.min(case.alarm - HOUR),
            latest_start: case.alarm,
            until,
        };
        let mut it = question.answer();
        let alarm = case.alarm.min(until);
        // When it began as far as the crashes alone can tell: a change that came later is no suspect.
        if let Some(blind) = it.best(None).cloned() {
            let blind = began(site, &it, &blind, None, &wanted, alarm);
            let latest = blind.latest + DOUBT;
            if it.candidates.iter().any(|candidate| candidate.first > latest) {
                question.latest_start = latest;
                it = question.answer();
            }
        }
        let changes = it.changes();
        let leader = changes.first().filter(|top| top.1 >= BLAME).map(|top| top.0);
        let top = it.best(leader).cloned()?;
        let first = leader.and_then(|change| {
            let candidate = it.candidates.iter().find(|it| it.change == change)?;
            match (top.shape, change) {
                (Shape::Returning, Change::Push(push)) => self.changes.pushes[push].taken_back(),
                _ => Some(candidate.first),
            }
        });
        let onset = began(site, &it, &top, first, &wanted, alarm);
        let victims = victims(&it, &top);
        // Changes may be behind it though none of them stands out: then it is of the kind that is most probable.
        let kind = match changes.first() {
            Some(first) if it.ambient() + it.chance() < BLAME => {
                it.best(Some(first.0)).map_or(Kind::Ambient, |it| it.kind)
            }
            _ => Kind::Ambient,
        };
        Some(View { it, top, changes, kind, onset, victims })
    }

    fn is_of_another(&self, number: usize, event: &Event) -> bool {
        let explained = &self.rooms[self.cases[number].room].site.explained;
        explained.iter().any(|it| it.case != number && it.covers(event.signature, event.at))
    }

    /// Whether a case that was not said yet is to be said now. One that chance explains is dropped.
    fn decide(&mut self, number: usize, view: &View, now: Micros) -> bool {
        let leader = view.changes.first().copied();
        let nothing = view.it.ambient();
        let sure = self.settings.sure;
        let agreed = match leader {
            Some((change, probability)) if probability >= sure => Some(Some(change)),
            _ if nothing >= sure => Some(None),
            _ => None,
        };
        // A suspect that is likely but not sure gets some more time, and one that is hardly likely a good deal.
        let likely = leader.is_some_and(|leader| leader.1 >= BLAME);
        let patience = match leader {
            Some((_, probability)) if probability >= LIKELY => self.settings.patience * 3 / 2,
            Some((_, probability)) if probability >= BLAME => self.settings.patience * 3,
            _ => self.settings.patience,
        };
        let moved_only = view.top.shape == Shape::Release && self.may_be_renamed(number, view);
        let case = &mut self.cases[number];
        let waited = now - case.alarm >= patience;
        match agreed {
            Some(what) if case.streak.1 > 0 && case.streak.0 == what => case.streak.1 += 1,
            Some(what) => case.streak = (what, 1),
            None => case.streak = (None, 0),
        }
        if (case.streak.1 < 2 && !waited) || moved_only {
            return false;
        }
        // What nobody can explain, and went quiet again before it could be said, was chance.
        let receded = case.streak.1 < 2 && !likely && now - case.loud > 5 * MINUTE;
        if view.it.chance() >= BLAME || receded {
            self.drop_case(number);
            return false;
        }
        self.detected += 1;
        let case = &mut self.cases[number];
        case.number = self.detected;
        case.detected = now;
        self.take(number, view);
        if let Some(other) = self.same_as(number) {
            self.merge(number, other, now);
            return false;
        }
        let case = &self.cases[number];
        let explained = Explained {
            case: number,
            signatures: case.signatures.clone(),
            known: case.known,
            from: case.onset.earliest,
            to: Micros::MAX,
        };
        let room = &mut self.rooms[case.room];
        room.site.explained.push(explained);
        room.watch.forget();
        true
    }

    /// Whether a signature that only the new release shows may be an old one under a new name: the release as a whole does not
    /// crash more than its past, by a likelihood ratio of three. Moved is not worse.
    fn may_be_renamed(&self, number: usize, view: &View) -> bool {
        let case = &self.cases[number];
        let Room { site, normal, .. } = &self.rooms[case.room];
        let release = view.it.candidates.iter().find(|it| Some(it.change) == view.top.change).and_then(|it| it.release);
        let (Some(release), false) = (release, case.signatures.is_empty()) else { return false };
        if case.signatures.iter().any(|signature| normal.knows(*signature)) {
            return false;
        }
        let mut frame = view.it.frame.clone();
        let counts = frame.counts(site, |event| event.counts && !self.is_of_another(number, event));
        let expected = normal.expected(&frame, &|_| true);
        let (mut found, mut usual) = (0.0, 0.0);
        for at in (0..counts.len()).filter(|at| frame.population(at % frame.width()).0 == release) {
            found += counts[at];
            usual += expected[at];
        }
        let ratio = f64::max(found / f64::max(usual, 1e-9), 1.0);
        found * ratio.ln() - (ratio - 1.0) * usual < 3_f64.ln()
    }

    fn drop_case(&mut self, number: usize) {
        self.cases[number].dropped = true;
    }

    /// A regression of the same service with the same blame that goes on.
    fn same_as(&self, number: usize) -> Option<usize> {
        let case = &self.cases[number];
        (0..self.cases.len()).find(|other| {
            let it = &self.cases[*other];
            *other != number
                && it.room == case.room
                && it.number > 0
                && it.withdrawn.is_none()
                && it.ended.is_none_or(|ended| ends_by_itself(ended.1) && case.onset.at - ended.0 < HOUR / 2)
                && it.blamed() == case.blamed()
        })
    }

    /// Adds the signatures of a case to another that is the same harm.
    fn merge(&mut self, number: usize, into: usize, now: Micros) {
        self.detected -= 1;
        self.cases[number].number = 0;
        self.cases[number].dropped = true;
        let signatures = self.cases[number].signatures.clone();
        let room = self.cases[number].room;
        if self.cases[into].signatures.is_empty() || signatures.is_empty() {
            let known = self.cases[number].known;
            self.cases[into].signatures.clear();
            self.cases[into].known = self.cases[into].known.max(known);
        } else {
            self.cases[into].signatures.extend(signatures);
            self.cases[into].signatures.sort_unstable();
            self.cases[into].signatures.dedup();
        }
        self.cases[into].ended = None;
        self.explain(into);
        self.rooms[room].watch.forget();
        self.review(into, now);
    }

    /// What was said and is now as surely something else is withdrawn, and the new verdict gets a case of its own.
    fn overturned(&mut self, number: usize, view: &View, now: Micros) -> bool {
        if now - self.cases[number].alarm > CLOSED {
            return false;
        }
        let said = self.cases[number].blamed();
        let surer = 1.0 - (1.0 - self.settings.sure) / 3.0;
        let leader = view.changes.first().filter(|it| it.1 >= surer).map(|it| it.0);
        let other = match said {
            Some(said) => leader.is_some_and(|leader| leader != said) || view.it.ambient() >= surer,
            None => false,
        };
        if !other {
            self.cases[number].streak = (said, 0);
            return false;
        }
        self.cases[number].streak.1 += 1;
        if self.cases[number].streak.1 < 3 {
            return true;
        }
        let what = leader.map_or("no change".to_owned(), |leader| self.changes.id(leader).to_owned());
        let was = self.cases[number].suspects.first().map_or(String::new(), |it| it.id.clone());
        let mut next = self.cases[number].clone();
        self.cases[number].withdrawn = Some(Withdrawn {
            at: time::from_micros(now),
            why: format!("Further crashes follow {what} and not {was}."),
        });
        self.tell(number, now, true);
        self.detected += 1;
        next.number = self.detected;
        next.key = format!("{}/after", next.key);
        next.detected = now;
        next.continuations.clear();
        next.paths.clear();
        next.streak = (None, 0);
        next.suspects.clear();
        next.kind_said = false;
        next.blames = None;
        self.cases.push(next);
        let last = self.cases.len() - 1;
        for it in self.rooms[self.cases[number].room].site.explained.iter_mut().filter(|it| it.case == number) {
            it.case = last;
        }
        self.review(last, now);
        true
    }

    /// Takes a view over into what is said.
    fn take(&mut self, number: usize, view: &View) {
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
        // A blame that comes later than the regression was said has to be likelier than one that comes with it.
        let leader = view.changes.first().copied();
        let wavers =
            case.kind_said && case.blamed().is_none() && leader.is_some_and(|it| (BLAME..LIKELY).contains(&it.1));
        if !wavers {
            case.suspects = suspects;
            case.kind = view.kind;
            case.blames = leader.map(|it| it.0);
        }
        case.kind_said = case.number > 0;
        let limit = case.detected;
        let cap = |at: Micros| at.min(limit);
        case.onset =
            Began { at: cap(view.onset.at), earliest: cap(view.onset.earliest), latest: cap(view.onset.latest) };
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
            Kind::Collateral => format!("{}'s crash rate follows {pushed}'s share{count}", names(&harmed)),
            Kind::Itself => format!("{pushed} crashes more than its past, and others beside it do not{count}"),
            Kind::Mixed => format!("{pushed} crashes more than its past, and so do others by its share{count}"),
            Kind::Flag => format!("The crash rate follows the share of {pushed}{count}"),
            Kind::Rollback => format!("The crash rate follows the rollback{count}"),
            Kind::Ambient => String::new(),
        }
    }

    /// Counts what it came to, and what came after each later step.
    fn count(&mut self, number: usize, view: &View, now: Micros) {
        let case = &self.cases[number];
        let Room { site, normal, .. } = &self.rooms[case.room];
        let until = case.ended.map_or(site.known_until(now), |ended| ended.0).max(case.onset.at + 1);
        let wanted = |signature: u32| case.wants(signature);
        let other = |event: &Event| self.is_of_another(number, event);
        let scope = Scope { victims: &case.victims, wanted: &wanted, other: &other };
        let cost = Cost::new(site, &self.changes, normal, &scope, case.onset.at, until);
        let continuations = self.continuations(number, &cost);
        let evidence = self.show(number, view, &cost, now);
        let grown = continuations.len() != case.continuations.len();
        let fork = Fork {
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
                for (index, step) in push.steps.iter().enumerate().filter(|it| push.raised(it.0)) {
                    debug_assert!(index < push.steps.len());
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
    fn explain(&mut self, number: usize) {
        let case = &self.cases[number];
        let room = &mut self.rooms[case.room];
        let known = case.known;
        let (from, to) = (case.onset.earliest, case.ended.map_or(Micros::MAX, |ended| ended.0));
        let mut moved = false;
        for it in room.site.explained.iter_mut().filter(|it| it.case == number) {
            moved |= it.to != to;
            (it.from, it.to, it.known) = (from, to, known);
            it.signatures.clone_from(&case.signatures);
        }
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
            for (block, (_, end)) in frame.blocks.iter().enumerate().filter(|it| it.1.1 > case.onset.at) {
                debug_assert!(*end > case.onset.at);
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
            probability: round(it.probability),
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
            threshold: round(case.threshold),
            smallest_ratio: smallest_ratio(expected, case.threshold).filter(|_| normal.exposure() > 0.0).map(round),
            cells,
            fits: view.it.explanations.iter().map(fit).collect(),
        }
    }

    /// Says a case as it stands, where something about it changed, or five minutes went by while it grew.
    fn tell(&mut self, number: usize, now: Micros, must: bool) {
        let case = &self.cases[number];
        let Some(evidence) = case.evidence.clone() else { return };
        let blamed = case.blamed().map(|change| self.changes.id(change).to_owned());
        let regression = case.regression(self);
        let last = self.said_last.get(&case.key);
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
        if !(must || changed || (grown && now - case.told >= 5 * MINUTE)) {
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

/// Whether an ending was read from the rate alone, so that a rise soon after shows that it was none.
fn ends_by_itself(ending: Ending) -> bool {
    match ending {
        Ending::Fixed | Ending::Subsided | Ending::Stopped => true,
        Ending::RolledBack | Ending::FlagReverted | Ending::VictimsGone => false,
    }
}

/// The releases that carry the harm: where it is expected, and crashes beyond the usual were found.
fn victims(it: &Attribution, top: &Explanation) -> Vec<u16> {
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
fn smallest_ratio(expected: f64, threshold: f64) -> Option<f64> {
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
