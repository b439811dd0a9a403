//! One regression as the judge keeps it, and its public form. When it is opened, looked at and said is elsewhere.

use super::{
    Judge, Micros, Room,
    attribution::{Attribution, Explanation},
    candidate::Change,
    evidence::{Evidence, Paths},
    onset::Began,
};
use crate::domain::{
    finding::{BLAME, Continuation, Ending, Estimate, Kind, Onset, Regression, Suspect, Victim, Withdrawn},
    time,
};

/// A regression, said or about to be.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) room: usize,
    pub(crate) key: String,
    /// Its place in order of detection, from 1; zero until it is said.
    pub(crate) number: usize,
    /// Its signatures; empty where it is all that were known at the alarm.
    pub(crate) signatures: Vec<u32>,
    pub(crate) known: u32,
    pub(crate) alarm: Micros,
    pub(crate) e_value: f64,
    pub(crate) threshold: f64,
    pub(crate) detected: Micros,
    pub(crate) kind: Kind,
    /// Whether kind and suspects were said.
    pub(crate) kind_said: bool,
    pub(crate) suspects: Vec<Suspect>,
    pub(crate) blames: Option<Change>,
    /// Since when it is blamed on that.
    pub(crate) blamed_at: Micros,
    pub(crate) onset: Began,
    pub(crate) victims: Vec<u16>,
    pub(crate) ratio: Estimate,
    pub(crate) excess: Estimate,
    pub(crate) clients: Estimate,
    /// Crashes beyond expectation before it could be known here, and from then on.
    pub(crate) parted: (Estimate, Estimate),
    pub(crate) ended: Option<(Micros, Ending)>,
    /// Since when it has been quiet where that is not yet called an end: a push goes on that may come to be behind it.
    pub(crate) quiet: Option<Micros>,
    /// Since when it explains no more than it brought until then: nobody is blamed for it, and a change began beside it.
    pub(crate) parted_at: Option<Micros>,
    /// The cells that it is in; empty where it is in all.
    pub(crate) cells: Vec<usize>,
    /// How often it went on again after it had been taken for over.
    pub(crate) returns: usize,
    pub(crate) withdrawn: Option<Withdrawn>,
    pub(crate) continuations: Vec<Continuation>,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) paths: Vec<Paths>,
    /// What the last looks agreed on, and how many of them; once it is said, how many in a row spoke against what was said.
    pub(crate) streak: (Option<Change>, u32),
    /// Whether crashes like these were usual here before.
    pub(crate) usual: bool,
    pub(crate) reviewed: Micros,
    pub(crate) told: Micros,
    /// The last time that the watch was in alarm over it.
    pub(crate) loud: Micros,
    /// When the watch was in alarm over it first. None while it is short of that: then it is said only where a change explains it nearly for
    /// certain, and stops nothing.
    pub(crate) alarmed: Option<Micros>,
    /// Given up before it was said, since it went away.
    pub(crate) dropped: bool,
}

impl Default for Case {
    fn default() -> Case {
        Case {
            room: 0,
            key: String::new(),
            number: 0,
            signatures: Vec::new(),
            known: 0,
            alarm: Micros::MIN,
            e_value: 0.0,
            threshold: 0.0,
            detected: Micros::MIN,
            kind: Kind::Ambient,
            kind_said: false,
            suspects: Vec::new(),
            blames: None,
            blamed_at: 0,
            onset: Began { at: Micros::MIN, earliest: Micros::MIN, latest: Micros::MIN },
            victims: Vec::new(),
            ratio: Estimate::default(),
            excess: Estimate::default(),
            clients: Estimate::default(),
            parted: (Estimate::default(), Estimate::default()),
            ended: None,
            quiet: None,
            parted_at: None,
            cells: Vec::new(),
            returns: 0,
            withdrawn: None,
            continuations: Vec::new(),
            evidence: None,
            paths: Vec::new(),
            streak: (None, 0),
            usual: false,
            reviewed: Micros::MIN,
            told: Micros::MIN,
            loud: Micros::MIN,
            alarmed: None,
            dropped: false,
        }
    }
}

impl Case {
    /// Whether it is still looked after.
    pub(crate) fn is_watched(&self) -> bool {
        !self.dropped && self.ended.is_none() && self.withdrawn.is_none()
    }

    /// Since when it has been over or quiet.
    pub(crate) fn over(&self) -> Option<Micros> {
        self.ended.map(|ended| ended.0).or(self.quiet)
    }

    /// Whether it is short of an alarm and was not said.
    pub(crate) fn is_early(&self) -> bool {
        self.alarmed.is_none() && self.number == 0 && self.is_watched()
    }

    /// Whether it was said, goes on, and is short of an alarm.
    pub(crate) fn awaits_alarm(&self) -> bool {
        self.alarmed.is_none() && self.number > 0 && self.is_watched() && self.quiet.is_none()
    }

    /// Its short name.
    pub(crate) fn id(&self) -> String {
        format!("r{}", self.number)
    }

    /// The change that is blamed.
    pub(crate) fn blamed(&self) -> Option<Change> {
        self.blames.filter(|_| self.suspects.first().is_some_and(|it| it.probability >= BLAME))
    }

    /// Whether a signature belongs to it.
    pub(crate) fn wants(&self, signature: u32) -> bool {
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
                    *count += f64::from(event.times);
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
pub(crate) struct View {
    pub(crate) it: Attribution,
    pub(crate) top: Explanation,
    pub(crate) changes: Vec<(Change, f64)>,
    pub(crate) kind: Kind,
    pub(crate) onset: Began,
    pub(crate) victims: Vec<u16>,
    /// Whether a change would be blamed for certain if it had not begun, as it seems, too late for the first of the crashes.
    pub(crate) disputed: bool,
}

/// Whether an ending was read from the rate alone, so that a rise soon after shows that it was none.
pub(crate) fn ends_by_itself(ending: Ending) -> bool {
    match ending {
        Ending::Fixed | Ending::Subsided | Ending::Stopped => true,
        Ending::RolledBack | Ending::FlagReverted | Ending::VictimsGone => false,
    }
}
