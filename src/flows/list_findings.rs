//! Everything that was found, as it stands in the database: the public form that a replay prints, with the ids that stay.

use super::{Error, ask_gate::name_kept};
use crate::{
    domain::finding::Findings,
    judge::Judge,
    store::{Store, findings::ContinuationFilter},
};

/// Regressions in order of detection, continuations in order of their steps, and what a gate asked at each step would have
/// answered. What it answered when it really was asked is kept with the push.
pub fn list_findings(store: &Store, judge: &Judge) -> Result<Findings, Error> {
    let (mut regressions, continuations, ids) = store.read::<_, Error>(|read| {
        let regressions = read.regressions(i64::from(i32::MAX))?;
        let continuations = read.continuations(&ContinuationFilter::default())?;
        Ok((regressions, continuations, read.regression_keys()?))
    })?;
    regressions.reverse();
    let mut gates = judge.findings().gates;
    gates.iter_mut().for_each(|answer| name_kept(judge, &ids, answer));
    Ok(Findings {
        regressions: regressions.into_iter().map(|it| it.finding).collect(),
        continuations: continuations.into_iter().map(|it| it.finding).collect(),
        gates,
    })
}
