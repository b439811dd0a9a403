//! Everything that was found, as it stands in the database: the public form that a replay prints, with the ids that stay.

use super::Error;
use crate::{
    domain::finding::{Findings, GateAnswer},
    store::{Store, findings::ContinuationFilter},
};

/// Regressions in order of detection, continuations in order of their steps, and what the gate answered when it was asked.
pub fn list_findings(store: &Store) -> Result<Findings, Error> {
    store.read(|read| {
        let mut regressions: Vec<_> = read.regressions(i64::from(i32::MAX))?.into_iter().map(|it| it.finding).collect();
        regressions.reverse();
        let continuations = read.continuations(&ContinuationFilter::default())?;
        let answer = |it: crate::store::changes::GateAsked| GateAnswer {
            push: it.push,
            at: it.at,
            decision: it.decision,
            reasons: it.reasons,
        };
        Ok(Findings {
            regressions,
            continuations: continuations.into_iter().map(|it| it.finding).collect(),
            gates: read.all_gate_answers()?.into_iter().map(answer).collect(),
        })
    })
}
