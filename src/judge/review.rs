//! From alarm to verdict: when a case is opened, said, joined with another, taken back or ended. Tests and fits are elsewhere.

use super::{
    HOUR, Judge, MINUTE, Micros, Room, SOON,
    attribution::Question,
    candidate::Change,
    case::{Case, View},
    ending::Inquest,
    onset::{Began, began},
    precedents::HABIT,
    report::victims,
    shape::Shape,
    site::{BUCKET, Event, Explained, STALE},
    watch::Level,
};
use crate::domain::{
    finding::{BLAME, Ending, Kind, Withdrawn},
    time,
};

/// After this long the question who is to blame is closed; what it costs and when it ends is not.
pub(crate) const CLOSED: Micros = 12 * HOUR;

/// How much later than the crashes alone tell the harm may have begun: a chance crash just before it misleads.
const DOUBT: Micros = 15 * MINUTE;

/// The probability of a suspect from which "nobody did it" is not said while it moves, of crashes that never were before.
const POSSIBLE: f64 = 0.1;

/// The probability of a suspect from which it is worth saying before it is sure.
pub(crate) const LIKELY: f64 = 0.75;

impl Room {
    /// Whether a regression that ran out of victims has new ones: releases that it harmed run again, and crash with its signatures.
    fn victims_are_back(&self, case: &Case, now: Micros) -> bool {
        let Some((ended, Ending::VictimsGone)) = case.ended else { return false };
        let runs = case.victims.iter().any(|it| self.site.lives.get(usize::from(*it)).is_some_and(|it| it.1 > ended));
        let from = ended.max(now - 2 * HOUR).div_euclid(BUCKET);
        let lately = self.site.buckets.range(from..).flat_map(|(_, bucket)| &bucket.events);
        let mut ours = lately.filter(|event| event.at > ended && case.wants(event.signature)).peekable();
        runs && ours.peek().is_some() && {
            let (back, all) = ours.fold((0, 0), |(back, all), event| {
                let again = if case.victims.contains(&event.release) { event.times } else { 0 };
                (back + u64::from(again), all + u64::from(event.times))
            });
            2 * back >= all
        }
    }
}

impl Judge {
    /// Opens a case for every level that is in alarm and belongs to none yet.
    pub(crate) fn open_cases(&mut self, number: usize, now: Micros) {
        self.reach_alarm(number, now);
        let room = &self.rooms[number];
        let mut loud: Vec<_> = room.readings.iter().filter(|it| it.evidence >= it.threshold).copied().collect();
        if loud.is_empty() {
            self.open_early(number, now);
            return;
        }
        // What was only suspected is an alarm now, and is looked at afresh.
        for case in self.cases.iter_mut().filter(|case| case.room == number && case.is_early()) {
            case.dropped = true;
        }
        let room = &self.rooms[number];
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
        let candidates = self.changes.candidates(&room.site, now, now);
        let last_moved = candidates.iter().flat_map(|it| it.moves.iter().copied()).max().unwrap_or(Micros::MIN);
        let lately = self.cases.iter().rposition(|case| {
            let just_now = case.over().is_some_and(|over| now - over < 2 * HOUR);
            let here = case.room == number && case.number > 0 && case.withdrawn.is_none() && alike(case);
            // Where nothing was behind it, and a change has moved since, this may be another harm: that is to be judged on its own.
            let other = case.blamed().is_none() && last_moved > case.onset.at;
            here && !other && (just_now || room.victims_are_back(case, now))
        });
        if let Some(lately) = lately {
            // What comes back so soon had not ended.
            self.reopen(lately);
            self.explain(lately);
            self.review(lately, now);
            return;
        }
        self.open(Case {
            alarm: now,
            alarmed: Some(now),
            room: number,
            signatures,
            known,
            e_value,
            threshold,
            ..Case::default()
        });
    }

    /// Gives a case its name.
    pub(crate) fn open(&mut self, case: Case) {
        let site = &self.rooms[case.room].site;
        let twin = self.cases.iter().filter(|it| it.room == case.room && it.alarm == case.alarm).count();
        let suffix = if twin > 0 { format!("/{}", twin + 1) } else { String::new() };
        let at = time::text(time::from_micros(case.alarm));
        let key = format!("{}/{}/{at}{suffix}", site.service, site.environment);
        let onset = Began { at: case.alarm, earliest: case.alarm - 2 * HOUR, latest: case.alarm };
        self.cases.push(Case { key, onset, loud: case.alarm, detected: case.alarm, ..case });
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
            // What is not said yet is looked at with every crash; what waits for long, by the minute.
            let unsaid = case.number == 0 && (age < 15 * MINUTE || now % MINUTE == 0);
            let stepped = self.now == now && now % MINUTE != 0;
            if due || unsaid || stepped {
                self.review(number, now);
            }
        }
    }

    pub(crate) fn review(&mut self, number: usize, now: Micros) {
        self.cases[number].reviewed = now;
        if self.is_hidden(number) {
            return;
        }
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
        // Crashes that never were before and that nobody is blamed for have not subsided while a push goes on.
        let waits = !case.usual && case.blamed().is_none() && inquest.is_pushed();
        let quiet = ended.filter(|ended| waits && ended.1 == Ending::Subsided).map(|ended| ended.0);
        let case = &mut self.cases[number];
        (case.ended, case.quiet) = (ended.filter(|_| quiet.is_none()), quiet);
        self.take_back_quiet(number, now);
        self.count(number, &view, now);
        self.explain(number);
        self.tell(number, now, false);
    }

    /// Weighs the explanations of a case as of now.
    pub(crate) fn view(&self, number: usize, now: Micros) -> Option<View> {
        let case = &self.cases[number];
        let Room { site, normal, .. } = &self.rooms[case.room];
        let until = site.known_until(now);
        let wanted = |signature: u32| case.wants(signature);
        let spells = self.spells_beside(number, until);
        let mut question = Question {
            case: number,
            site,
            changes: &self.changes,
            normal,
            wanted: &wanted,
            other: &|event| self.is_of_another(number, event),
            from: case.onset.earliest.min(case.alarm - HOUR),
            latest_start: case.alarm,
            known_spells: &spells,
            precedents: self.precedents(number),
            spared: 0,
            until,
        };
        let mut it = question.answer();
        let alarm = case.alarm.min(until);
        let mut disputed = false;
        // When it began as far as the crashes alone can tell: a change that came later is no suspect.
        if let Some(blind) = it.best(None).cloned() {
            let blind = began(site, &it, &blind, None, &wanted, alarm);
            let latest = blind.latest + DOUBT;
            if it.candidates.iter().any(|candidate| candidate.first > latest) {
                let all = it.changes().first().copied();
                question.latest_start = latest;
                it = question.answer();
                let all = all.filter(|top| top.1 >= self.settings.sure);
                disputed = all.is_some_and(|top| it.candidates.iter().all(|it| it.change != top.0));
            }
        }
        // A signature that came in bursts before, and went without a change behind it, blames none by a single burst, nor by two
        // where it did so more often.
        if question.precedents >= HABIT && it.changes().first().is_some_and(|top| top.1 >= BLAME) {
            question.spared = (question.precedents / HABIT).min(2);
            it.doubt_burst(&question.answer());
        }
        let changes = it.changes();
        let leader = changes.first().filter(|top| top.1 >= BLAME).map(|top| top.0);
        let top = it.best(leader).cloned()?;
        let first = leader.and_then(|change| {
            let candidate = it.candidates.iter().find(|it| it.change == change)?;
            match (top.shape, change) {
                (Shape::Returning, Change::Push(push)) => self.changes.pushes[push].taken_back(),
                (Shape::ReleaseAged(hours), _) => Some(candidate.first + Micros::from(hours) * HOUR),
                (shape, _) if shape.is_later() => None,
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
        Some(View { it, top, changes, kind, onset, victims, disputed })
    }

    /// Whether a crash belongs to another regression.
    pub(crate) fn is_of_another(&self, number: usize, event: &Event) -> bool {
        let explained = &self.rooms[self.cases[number].room].site.explained;
        explained.iter().any(|it| {
            it.case != number && self.cases[it.case].parted_at.is_none() && it.covers(event.signature, event.at)
        })
    }

    /// Whether a case that was not said yet is to be said now. One that chance explains is dropped.
    fn decide(&mut self, number: usize, view: &View, now: Micros) -> bool {
        let leader = view.changes.first().copied();
        let nothing = view.it.ambient();
        let in_flight = view.it.candidates.iter().filter(|it| it.is_moving(now)).count();
        // Between whole minutes only what is beyond doubt is said: looks so close to each other agree too easily.
        let between = now % MINUTE != 0 && now % SOON == 0;
        let mut doubt = 1.0 - self.settings.sure;
        let early = self.cases[number].alarmed.is_none();
        let can_spare = self.can_spare(&view.it.candidates, now);
        if between || early {
            doubt /= if early && can_spare { 4.0 } else { 10.0 };
        }
        // Crashes that are usual here also rise with traffic and weather, and then several kinds of them together; only what never was
        // is quick to be held against a change; and trouble that goes on is no steady rain.
        let usual = self.is_usual(number);
        let broad = usual && !matches!(self.cases[number].signatures.len(), 1 | 2) || self.is_beside(number);
        let none = 1.0 - if in_flight > 1 { doubt / 3.0 } else { doubt };
        let sure = 1.0 - if broad { doubt / 3.0 } else { doubt };
        // Where several changes are moving at once, the wrong one is soon likely: less doubt between them is left then.
        let rivals: f64 = view.changes.iter().skip(1).map(|it| it.1).sum();
        let torn = in_flight > 1 && rivals > doubt / 3.0;
        let long = self.settings.patience * 12;
        // A burst fits "nobody did it" as well as the first blow of a change that has only begun to move; so do a few of one signature.
        let few = if self.cases[number].signatures.len() == 1 { 3 } else { 1 };
        // A chance crash or two before a push make it look too late to be behind what it does: some more of them tell.
        let since = now - self.cases[number].alarm;
        let disputed = view.disputed && since < self.settings.patience * 4;
        let waits = disputed || in_flight > 0 && since < long && view.it.is_of_bursts(few);
        let agreed = match leader {
            Some((change, probability)) if probability >= sure && !torn => Some(Some(change)),
            _ if nothing >= none && !early && !waits => Some(None),
            _ => None,
        };
        if early && agreed.is_none() {
            let case = &mut self.cases[number];
            case.streak = (None, 0);
            case.dropped = now - case.loud > 10 * MINUTE;
            return false;
        }
        // A suspect that is likely but not sure gets some more time, and one that is hardly likely a good deal.
        let likely = leader.is_some_and(|leader| leader.1 >= BLAME);
        let possible = if usual { 1.5 * POSSIBLE } else { POSSIBLE };
        let patience = match leader {
            Some((_, probability)) if probability >= LIKELY && usual && !broad && can_spare => {
                self.settings.patience / 2
            }
            Some((_, probability)) if probability >= LIKELY && !broad => self.settings.patience * 3 / 2,
            Some((_, probability)) if probability >= BLAME => long,
            // A change is moving that may be behind it: more of it will tell, and gates hold meanwhile.
            Some((_, probability)) if probability >= possible && in_flight > 0 => long,
            _ if waits => long,
            // One of several changes did it: which one shows as they move on.
            Some(_) if nothing + view.it.chance() < 1.0 - sure => self.settings.patience * 5,
            _ => self.settings.patience,
        };
        let case = &mut self.cases[number];
        if between && agreed.is_none() {
            return false;
        }
        let waited = now - case.alarm >= patience;
        match agreed {
            Some(what) if case.streak.1 > 0 && case.streak.0 == what => case.streak.1 += 1,
            Some(what) => case.streak = (what, 1),
            None => case.streak = (None, 0),
        }
        // A rise of everybody may be traffic: how busy it was is known once exposure for the time of the alarm has come.
        let site = &self.rooms[case.room].site;
        let needed = case.alarm.max(view.onset.latest + BUCKET);
        let measured = site.frontier.is_none_or(|frontier| frontier >= needed || now - frontier > STALE);
        let common = !likely;
        if (case.streak.1 < 2 && !waited) || (common && !measured) {
            return false;
        }
        // What nobody can explain, and went quiet again before it could be said, was chance.
        let receded = case.streak.1 < 2 && !likely && now - case.loud > 5 * MINUTE;
        if view.it.chance() >= BLAME || receded {
            self.cases[number].dropped = true;
            return false;
        }
        self.detected += 1;
        let case = &mut self.cases[number];
        case.number = self.detected;
        case.detected = now;
        case.usual = usual;
        case.streak.1 = 0;
        self.take(number, view);
        if let Some(other) = self.same_as(number)
            && !self.blames_only_together(number, other, now)
        {
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
            watched: case.alarmed.is_none(),
        };
        let room = &mut self.rooms[case.room];
        room.site.explained.push(explained);
        room.watch.forget();
        true
    }

    /// Whether crashes like those of a case were usual before.
    pub(crate) fn is_usual(&self, number: usize) -> bool {
        let case = &self.cases[number];
        self.is_beside(number) || self.rooms[case.room].normal.count(|signature| case.wants(signature)) > 0.0
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
}
