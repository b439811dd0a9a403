//! Taking in telemetry: one transaction for as many deliveries as came together. What a door made of a request's bytes is
//! a [`Delivery`]; each is answered after the commit that holds it.

use super::{Error, record_change::know_service};
use crate::{
    domain::{
        Time,
        crash::{Crash, ReportKind},
        exposure::Exposure,
    },
    store::{Actor, Store, StoreError, Tx, changes::Kept, outcomes::Outcome},
};
use std::collections::BTreeMap;

/// What one request brought.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The service, as far as the door knows it.
    pub service: String,
    /// The door that it came through: `envelope`, `store`, `api`.
    pub door: &'static str,
    /// Crash reports, handled errors and messages, each with what else was said, as JSON.
    pub reports: Vec<(Crash, ReportKind, Option<String>)>,
    /// Windows of exposure.
    pub exposures: Vec<Exposure>,
    /// What was skipped or thrown away, with how often.
    pub left_out: Vec<(String, i64)>,
    /// When it reached us.
    pub received_at: Option<Time>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Reports and windows that are kept now.
    pub new: usize,
    /// Those that were kept already.
    pub repeats: usize,
    /// Reports whose id is taken by one with other content; the first one stays.
    pub different: usize,
}

/// Commits deliveries together. If the whole fails by one of them, each is tried alone, so that one bad row costs only itself.
pub fn take_telemetry(store: &Store, deliveries: &[Delivery], now: Time) -> Vec<Result<Taken, StoreError>> {
    let together =
        store.take(|tx| deliveries.iter().map(|it| keep(tx, it, now)).collect::<Result<Vec<_>, StoreError>>());
    match together {
        Ok(taken) => taken.into_iter().map(Ok).collect(),
        Err(StoreError::Full) => deliveries.iter().map(|_| Err(StoreError::Full)).collect(),
        Err(_) if deliveries.len() > 1 => deliveries.iter().map(|it| store.take(|tx| keep(tx, it, now))).collect(),
        Err(error) => deliveries.iter().map(|_| Err(error.clone())).collect(),
    }
}

fn keep(tx: &mut Tx<'_>, it: &Delivery, now: Time) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let mut outcomes: BTreeMap<String, i64> = it.left_out.iter().cloned().collect();
    let mut note = |kept: Kept, new: &str| {
        let word = match kept {
            Kept::New => {
                taken.new += 1;
                new
            }
            Kept::Repeat => {
                taken.repeats += 1;
                "repeat"
            }
            Kept::Different => {
                taken.different += 1;
                "id taken"
            }
        };
        *outcomes.entry(word.to_owned()).or_insert(0) += 1;
    };
    for service in it.reports.iter().map(|(crash, ..)| &crash.service).chain(it.exposures.iter().map(|it| &it.service))
    {
        match know_service(tx, &Actor::system(), service, now) {
            Ok(()) => {}
            Err(Error::Store(error)) => return Err(error),
            Err(other) => return Err(StoreError::Other(other.to_string())),
        }
    }
    for (crash, kind, detail) in &it.reports {
        note(tx.keep_crash(crash, *kind, detail.as_deref())?, kind.word());
    }
    for exposure in &it.exposures {
        note(tx.keep_exposure(exposure)?, "exposure");
    }
    for (reason, reports) in outcomes {
        let outcome = Outcome { service: it.service.clone(), door: it.door.to_owned(), reason, reports };
        tx.count_outcome(&outcome, now)?;
    }
    Ok(taken)
}
