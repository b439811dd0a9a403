//! What is shown beside a verdict: counts, fits, rates and paths, as plain values. How they are worked out is elsewhere.

use crate::domain::{
    finding::{Continuation, Estimate, GateAnswer, Kind, Regression},
    time::{Time, as_text},
};
use serde::{Deserialize, Serialize};

/// One thing said: a regression as it stood when something about it changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The instant of arrival at which this could be said.
    #[serde(with = "as_text")]
    pub at: Time,
    /// The regression's lasting name: it depends on its service and the time of its detection only.
    pub key: String,
    /// The regression.
    pub regression: Regression,
    /// Every continuation of it so far.
    pub continuations: Vec<Continuation>,
    /// What gates answered for the blamed push so far.
    pub gates: Vec<GateAnswer>,
    /// The evidence behind it.
    pub evidence: Evidence,
}

/// Everything behind a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The instant of arrival up to which this counts.
    #[serde(with = "as_text")]
    pub at: Time,
    /// What rates are rates of: `instance-hours`, `thousand sessions` or `fleet-hours by share`.
    pub basis: String,
    /// Crash reports of the victims with these signatures since the onset.
    pub crashes: u64,
    /// How many were to be expected.
    pub expected: f64,
    /// What the victims ran since the onset, in the basis.
    pub exposure: f64,
    /// Expected crashes of the victims by unit of exposure, these signatures.
    pub expected_rate: f64,
    /// Found crashes by unit of exposure.
    pub found_rate: f64,
    /// Crashes that were left out of the test: further ones of one host within ten minutes, or of a host that crashes alone.
    pub repeats: u64,
    /// The sequential test's e-value at the alarm, or, short of one, when it was first looked into: how much better harm explains the crashes
    /// than chance does.
    pub e_value: f64,
    /// The e-value of an alarm, or, short of one, that from which it was looked into: a tenth of an alarm's or more, where a change in flight
    /// explained it nearly for certain.
    pub threshold: f64,
    /// Whether there has been no alarm over it yet: then it holds a push, and does not stop it.
    #[serde(default)]
    pub short_of_alarm: bool,
    /// The smallest ratio of rates that the exposure so far could have shown; none where there is no past to hold it against.
    pub smallest_ratio: Option<f64>,
    /// The victims cell by cell.
    pub cells: Vec<CellEvidence>,
    /// Every explanation that was weighed, most probable first.
    pub fits: Vec<Fit>,
    /// Whether changes have a smaller probability than their fits give, since without the largest burst they have no more: the
    /// signature came in bursts before and no change was behind them.
    #[serde(default)]
    pub burst_doubted: bool,
}

/// The victims in one cell since the onset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellEvidence {
    /// The cell.
    pub cell: String,
    /// Crashes of the victims.
    pub crashes: f64,
    /// How many were to be expected.
    pub expected: f64,
    /// What the victims ran, in the basis.
    pub exposure: f64,
    /// The mean share of the suspect in the cell, 0 to 1; none without a suspect.
    pub dose: Option<f64>,
}

/// One explanation that was weighed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The push or flag change that it blames; none for "no change".
    pub suspect: Option<String>,
    /// What kind of harm it would be.
    pub kind: Kind,
    /// How harm would follow the change, in words.
    pub shape: String,
    /// Logarithm of the likelihood against chance, averaged over sizes of harm; it counts divided by `TEMPER`.
    pub ln_likelihood: f64,
    /// The probability before the crashes were looked at; not normalised.
    pub prior: f64,
    /// The probability after.
    pub probability: f64,
    /// The most likely size of harm where it is full, in units of the service's own crash rate.
    pub size: f64,
}

/// A release's own past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The release.
    pub release: String,
    /// Crashes by instance-hour (or by the service's basis where instances are not known).
    pub rate: f64,
    /// Crashes that it rests on, those of regressions left out.
    pub count: f64,
    /// Exposure that it rests on, in instance-hours or the service's basis.
    pub hours: f64,
}

/// What further harm each way on would bring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// The instant for which this was worked out, from what had arrived by then.
    #[serde(with = "as_text")]
    pub at: Time,
    /// The share of the blamed push or flag then, 0 to 1.
    pub share: f64,
    /// Going on as planned, or at the pace so far.
    pub going_on: PathCost,
    /// Staying where it is for eight hours.
    pub freezing: PathCost,
    /// Taking it back.
    pub rolling_back: PathCost,
    /// Turning it off by flag, where it can be.
    pub flag_off: Option<PathCost>,
    /// Whether harm is expected to end where it is taken back.
    pub way_back: WayBack,
    /// The share from which on going on costs no more than taking it back, 0 to 1; none where there is none.
    pub no_return: Option<f64>,
    /// What was assumed, in sentences.
    pub assumptions: Vec<String>,
}

/// What taking a change back would do to its harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    /// It ends the harm.
    Ends,
    /// Harm may outlive the change; nothing that was seen tells the two apart.
    NotKnown,
    /// Harm most probably outlives the change: what comes back meets what was left behind.
    NotSafe,
}

/// Expected further harm on one path.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PathCost {
    /// Crashes beyond expectation.
    pub crashes: Estimate,
    /// Clients dropped beyond expectation.
    pub clients: Estimate,
}
