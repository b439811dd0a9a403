//! Slows down who guesses passwords: per address and per network, without ever locking anybody out for good.

use crate::domain::{Time, time};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Failures that cost nothing.
const FREE: u32 = 5;
/// The longest wait, seconds.
const LONGEST: i64 = 300;
/// When the table is swept, entries.
const SWEEP: usize = 10_000;

/// Failed tries to sign in, by account or network.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<String, (u32, Time)>>);

impl Throttle {
    /// Seconds that this name must still wait; zero where it may try.
    pub fn wait(&self, name: &str, now: Time) -> u64 {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((failures, last)) = table.get_mut(name) else { return 0 };
        // A clock that was set back must not make anybody wait for it to catch up.
        *last = (*last).min(now);
        u64::try_from((*last + pause(*failures) - now).num_seconds()).unwrap_or(0)
    }

    /// Counts a failure.
    pub fn failed(&self, name: &str, now: Time) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() > SWEEP {
            table.retain(|_, (_, last)| now - *last < time::seconds(2 * LONGEST));
        }
        let entry = table.entry(name.to_owned()).or_insert((0, now));
        *entry = (entry.0.saturating_add(1), now);
    }

    /// Forgets the failures of a name.
    pub fn succeeded(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

fn pause(failures: u32) -> chrono::TimeDelta {
    let doublings = failures.saturating_sub(FREE).min(10);
    time::seconds(if doublings == 0 { 0 } else { (2_i64 << doublings).min(LONGEST) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_slips_cost_nothing_and_guessing_gets_slower_but_never_endless() {
        let (throttle, now) = (Throttle::default(), time::from_micros(0));
        for _ in 0..FREE {
            throttle.failed("dana", now);
        }
        assert_eq!(throttle.wait("dana", now), 0);
        for _ in 0..50 {
            throttle.failed("dana", now);
        }
        assert_eq!(throttle.wait("dana", now), LONGEST as u64);
        assert_eq!(throttle.wait("dana", now + time::seconds(LONGEST)), 0);
        let set_back = now - time::minutes(60);
        assert_eq!(throttle.wait("dana", set_back), LONGEST as u64);
        assert_eq!(throttle.wait("dana", set_back + time::seconds(LONGEST)), 0);
        throttle.succeeded("dana");
        assert_eq!(throttle.wait("dana", now), 0);
    }
}
