//! A regression as a page may tell it: as it stands, or as it had been told by an instant.

use crate::{
    domain::{
        Time,
        finding::{Continuation, Regression, SuspectKind},
        sentence::{self, Blamed},
    },
    flows::Error,
    judge::Evidence,
    store::{
        Read,
        findings::{RiskClosed, Sighting, StoredRegression},
    },
    web::href::part,
};

/// A regression with everything that was told of it.
#[derive(Debug, Clone)]
pub struct Told {
    /// What is said of it.
    pub regression: Regression,
    /// The steps that went on.
    pub continuations: Vec<Continuation>,
    /// The evidence, where it can be read.
    pub evidence: Option<Evidence>,
    /// Who minds the open risk.
    pub risk_owner: Option<String>,
    /// How the open risk was closed.
    pub risk_closed: Option<RiskClosed>,
    /// The changes named, most probable first.
    pub suspects: Vec<Named>,
    /// The change that is blamed.
    pub blamed: Option<Blamed>,
    /// Who looked.
    pub sightings: Vec<Sighting>,
}

/// A suspect with its name for people.
#[derive(Debug, Clone)]
pub struct Named {
    /// `push` or `flag`.
    pub kind: &'static str,
    /// The push's id, or the flag's name.
    pub name: String,
    /// Its page.
    pub href: String,
    /// How probable it is that it brought the harm.
    pub probability: f64,
    /// The evidence in one sentence.
    pub why: String,
}

impl Named {
    /// The probability as it is printed.
    pub fn chance(&self) -> String {
        chance(self.probability)
    }
}

/// A probability as it is printed: two decimals, and never a certainty.
pub fn chance(probability: f64) -> String {
    match probability {
        p if p > 0.995 => "> 0.99".into(),
        p if p < 0.005 => "< 0.01".into(),
        p => format!("{p:.2}"),
    }
}

impl Told {
    /// What had been told by `known_at`, or what is told now; none where nothing had been told by then.
    pub fn load(
        read: &mut Read<'_>,
        stored: StoredRegression,
        continuations: Vec<Continuation>,
        known_at: Option<Time>,
    ) -> Result<Option<Told>, Error> {
        let id = stored.finding.id.clone();
        let sightings = read.sightings(&id)?.into_iter().filter(|it| known_at.is_none_or(|at| it.first_at <= at));
        let sightings = sightings.collect();
        let told = match known_at {
            None => Told {
                evidence: serde_json::from_str(&stored.evidence).ok(),
                regression: stored.finding,
                continuations,
                risk_owner: stored.risk_owner,
                risk_closed: stored.risk_closed,
                suspects: Vec::new(),
                blamed: None,
                sightings,
            },
            Some(at) => {
                let Some((_, saying)) = read.said_by(&id, at)? else { return Ok(None) };
                Told {
                    evidence: serde_json::from_value(saying.evidence).ok(),
                    regression: saying.regression,
                    continuations: saying.continuations,
                    // Nobody keeps when an owner was named, so that it is left out of what was known then.
                    risk_owner: None,
                    risk_closed: stored.risk_closed.filter(|closed| closed.at <= at),
                    suspects: Vec::new(),
                    blamed: None,
                    sightings,
                }
            }
        };
        told.with_names(read).map(Some)
    }

    fn with_names(mut self, read: &mut Read<'_>) -> Result<Told, Error> {
        let blamed = self.regression.blamed().map(|suspect| suspect.id.clone());
        for suspect in &self.regression.suspects {
            let is_blamed = blamed.as_ref() == Some(&suspect.id);
            let (kind, name, href) = match suspect.kind {
                SuspectKind::Push => {
                    if let Some(push) = read.push(&suspect.id)?.filter(|_| is_blamed) {
                        self.blamed =
                            Some(Blamed::Push { service: push.started.service, release: push.started.release });
                    }
                    ("push", suspect.id.clone(), format!("/pushes/{}", part(&suspect.id)))
                }
                SuspectKind::FlagChange => match read.flag_change(&suspect.id)? {
                    Some(change) => {
                        if is_blamed {
                            self.blamed = Some(Blamed::Flag { flag: change.flag.clone() });
                        }
                        let href = format!("/flags/{}/{}", part(&change.service), part(&change.flag));
                        ("flag", change.flag, href)
                    }
                    None => ("flag change", suspect.id.clone(), "/flags".to_owned()),
                },
            };
            let (probability, why) = (suspect.probability, suspect.why.clone());
            self.suspects.push(Named { kind, name, href, probability, why });
        }
        Ok(self)
    }

    /// The regression in one or two sentences.
    pub fn sentence(&self, when: &dyn Fn(Time) -> String) -> String {
        sentence::sentence(&self.regression, self.blamed.as_ref(), when)
    }

    /// Its page.
    pub fn href(&self) -> String {
        format!("/regressions/{}", part(&self.regression.id))
    }

    /// Whether it still has to be minded.
    pub fn is_open(&self) -> bool {
        self.regression.is_open() && self.risk_closed.is_none()
    }

    /// Whether it goes on.
    pub fn goes_on(&self) -> bool {
        self.regression.withdrawn.is_none() && self.regression.ended_at.is_none()
    }

    /// What is missing to one: the probability that none of the changes named brought it.
    pub fn none_of_these(&self) -> f64 {
        let named: f64 = self.regression.suspects.iter().map(|suspect| suspect.probability).sum();
        (1.0 - named).clamp(0.0, 1.0)
    }

    /// How much it matters here, for choosing which one is told first: more is first.
    pub fn weight(&self) -> (u8, Time) {
        let rank = match (self.regression.withdrawn.is_some(), self.goes_on(), self.is_open()) {
            (true, _, _) => 0,
            (false, true, _) => 3,
            (false, false, true) => 2,
            (false, false, false) => 1,
        };
        (rank, self.regression.detected_at)
    }

    /// Where it stands, in a few words.
    pub fn standing(&self) -> String {
        if self.regression.withdrawn.is_some() {
            return "withdrawn".into();
        }
        match (self.regression.ended_because, self.is_open(), &self.risk_closed) {
            (None, _, _) => "under way".into(),
            (Some(because), _, Some(_)) => format!("{}; risk closed", because.says()),
            (Some(because), true, None) => format!("{}; open risk", because.says()),
            (Some(because), false, None) => because.says().into(),
        }
    }
}
