//! What is refused, and how much of one service is taken in a minute.

use crate::domain::{Time, time};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many reports of each service came in the minute that is under way.
#[derive(Debug, Default)]
pub struct Quota {
    most: Option<u32>,
    taken: Mutex<HashMap<String, (i64, u32)>>,
}

impl Quota {
    /// At most so many reports of one service a minute; none for no limit.
    pub fn new(most: Option<u32>) -> Quota {
        Quota { most, taken: Mutex::default() }
    }

    /// Takes so many reports of a service.
    ///
    /// # Errors
    /// The seconds until the next minute begins, where the service has had its share.
    pub fn take(&self, service: &str, reports: u32, now: Time) -> Result<(), u64> {
        let Some(most) = self.most else { return Ok(()) };
        let minute = time::micros(time::minute(now));
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, count) = match taken.get_mut(service) {
            Some(it) => it,
            None => taken.entry(service.to_owned()).or_insert((minute, 0)),
        };
        if *of != minute {
            (*of, *count) = (minute, 0);
        }
        if *count >= most {
            let left = 60 - (time::micros(now) - minute) / 1_000_000;
            return Err(u64::try_from(left).unwrap_or(60).clamp(1, 60));
        }
        *count = count.saturating_add(reports);
        Ok(())
    }
}

/// What was refused, by service, door and reason.
pub type Refusals = BTreeMap<(String, &'static str, &'static str), i64>;

/// Requests that were refused and are not written down yet. Counting one costs no place in the queue.
#[derive(Debug, Default)]
pub struct Refused(Mutex<Refusals>);

impl Refused {
    /// Counts one more; whether it is the first that waits.
    pub fn count(&self, service: &str, door: &'static str, reason: &'static str) -> bool {
        let mut waiting = self.lock();
        let first = waiting.is_empty();
        *waiting.entry((service.to_owned(), door, reason)).or_insert(0) += 1;
        first
    }

    /// Everything that waits.
    pub fn drain(&self) -> Refusals {
        std::mem::take(&mut *self.lock())
    }

    /// Takes back what could not be written down; it waits again.
    pub fn put_back(&self, refusals: Refusals) {
        let mut waiting = self.lock();
        for (what, count) in refusals {
            *waiting.entry(what).or_insert(0) += count;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Refusals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_share_of_each_minute_and_takes_nothing_from_others() {
        let quota = Quota::new(Some(3));
        let now = time::parse("2026-03-03T01:14:20Z").expect("valid");
        assert_eq!(quota.take("relay", 2, now), Ok(()));
        // What came in one request is taken whole.
        assert_eq!(quota.take("relay", 2, now), Ok(()));
        assert_eq!(quota.take("relay", 1, now), Err(40));
        assert_eq!(quota.take("web", 1, now), Ok(()));
        assert_eq!(quota.take("relay", 1, now + time::seconds(40)), Ok(()));
        assert_eq!(Quota::new(None).take("relay", u32::MAX, now), Ok(()));
        // A clock that was put back begins another minute, too.
        assert_eq!(quota.take("web", 9, now - time::minutes(60)), Ok(()));
    }

    #[test]
    fn refusals_wait_and_are_taken_together() {
        let refused = Refused::default();
        assert!(refused.count("relay", "envelope", "refused too_large"));
        assert!(!refused.count("relay", "envelope", "refused too_large"));
        assert!(!refused.count("relay", "store", "refused malformed"));
        assert_eq!(refused.drain().values().copied().collect::<Vec<_>>(), [2, 1]);
        refused.put_back([(("relay".to_owned(), "store", "refused malformed"), 4)].into());
        assert!(!refused.count("relay", "store", "refused malformed"));
        assert_eq!(refused.drain().values().copied().collect::<Vec<_>>(), [5]);
        assert!(refused.drain().is_empty() && refused.count("relay", "store", "refused malformed"));
    }
}
