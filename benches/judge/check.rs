//! Whether the benchmark itself holds: what a generator claims of its histories is held against the records.

use crate::{
    history::{History, draw},
    spec::{Effect, Fault, Scenario},
};
use pushback::domain::Record;
use sha2::{Digest, Sha256};

/// Everything that is wrong with a family at one level and seed, in sentences.
pub fn check(scenario: &Scenario, seed: u64, replicate: usize, crashes_a_day: f64) -> Vec<String> {
    let history = draw(scenario, seed, replicate, crashes_a_day);
    let again = draw(scenario, seed, replicate, crashes_a_day);
    let mut wrong = Vec::new();
    if digest(&history) != digest(&again) {
        wrong.push("the same seed gave two histories".to_owned());
    }
    let arrivals: Vec<_> = history.records.iter().map(Record::received_at).collect();
    if arrivals.windows(2).any(|pair| pair[0] > pair[1]) {
        wrong.push("records are not in order of arrival".to_owned());
    }
    if let Some(record) = history.records.iter().step_by(97).find(|it| Record::parse(&it.to_line()).as_ref() != Ok(it))
    {
        wrong.push(format!("a record does not survive its own line: {}", record.to_line()));
    }
    let heavy = scenario.effects.iter().any(|effect: &Effect| effect.heavy.is_some());
    for (number, harm) in history.truth.harms.iter().enumerate() {
        let expected: f64 = harm.by_minute.iter().sum();
        let found = harm.crashes.len() as f64;
        // Five deviations; sums of Pareto variables are not held to that.
        if !heavy && (found - expected).abs() > 5.0 * expected.sqrt() + 3.0 {
            wrong.push(format!("harm {number}: {found} crashes where {expected:.1} were to be expected"));
        }
        if harm.crashes.first().is_some_and(|first| first.at < harm.onset) {
            wrong.push(format!("harm {number}: a crash before the onset"));
        }
        if harm.continuations.iter().any(|step| step.1 <= harm.onset) {
            wrong.push(format!("harm {number}: a continuation before the onset"));
        }
        if harm.change.as_deref().is_some_and(|id| history.truth.changes.iter().all(|it| it.0 != id)) {
            wrong.push(format!("harm {number}: the guilty change does not exist"));
        }
    }
    if scenario.harms.len() > scenario.effects.iter().map(|it| it.harm + 1).max().unwrap_or(0) {
        wrong.push("a harm without an effect".to_owned());
    }
    wrong.extend(rate(scenario, &history, crashes_a_day));
    wrong
}

/// The past must show about as many crashes as the level says.
fn rate(scenario: &Scenario, history: &History, crashes_a_day: f64) -> Option<String> {
    let spoilt = scenario.faults.iter().any(|it| matches!(it, Fault::Repeats(_) | Fault::Backfill { .. }));
    let world = &scenario.world;
    if spoilt || world.bursts > 0.0 || world.odd_cell != 1.0 || world.restart_crashes > 0.0 {
        return None;
    }
    let past = |record: &&Record| match record {
        Record::Crash(it) => it.service == "relay" && it.at.timestamp_micros() < history.truth.start,
        _ => false,
    };
    let found = history.records.iter().filter(past).count() as f64;
    let expected = crashes_a_day * world.rate * world.history_days;
    // Drift, cells and clumps make it wider than chance.
    let room = 0.35 * expected + 8.0 * expected.sqrt() + 5.0;
    ((found - expected).abs() > room).then(|| format!("{found} crashes in the past where {expected:.0} were meant"))
}

fn digest(history: &History) -> [u8; 32] {
    let mut sum = Sha256::new();
    for record in &history.records {
        sum.update(record.to_line());
    }
    sum.update(history.truth.to_json().to_string());
    sum.finalize().into()
}
