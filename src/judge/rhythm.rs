//! The rhythm of a service: how much more or less crashes at which hour of the day and however busy it is, and how far its
//! crashes wander from that by themselves. Learned from the past, hour by hour; rates are elsewhere.

use super::{HOUR, Micros};
use std::collections::BTreeMap;

/// However busy each instance is, no more crashes are excused.
const MOST_EXCUSED: f64 = 6.0;
/// Bounds on how far the weather is taken to wander.
const LEAST_WANDER: f64 = 0.08;
const MOST_WANDER: f64 = 0.5;
/// Crashes that an hour of the day is drawn towards the mean with.
const SHAPE_WEIGHT: f64 = 30.0;

/// One hour of the past.
#[derive(Debug, Clone, Default)]
struct Hour {
    /// Exposure by release.
    ran: Vec<(u16, f64)>,
    /// Sessions, and the instance-hours that carried them.
    sessions: f64,
    carried_by: f64,
    /// Episodes by signature, and all of them.
    counts: Vec<(u32, f64)>,
    all: f64,
}

impl Hour {
    fn exposure(&self) -> f64 {
        self.ran.iter().map(|it| it.1).sum()
    }

    /// Sessions by instance-hour, where both are known.
    fn load(&self) -> Option<f64> {
        (self.carried_by > 0.0 && self.sessions > 0.0).then(|| self.sessions / self.carried_by)
    }
}

/// What is known of one hour of the day.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Crashes against the mean, at the usual load of the hour.
    factor: f64,
    /// The usual load: sessions by instance-hour.
    load: f64,
    /// Crashes that were to be expected in it.
    known: f64,
}

impl Default for Slot {
    fn default() -> Slot {
        Slot { factor: 1.0, load: 0.0, known: 0.0 }
    }
}

/// The rhythm of a service, as its past shows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rhythm {
    hours: BTreeMap<i64, Hour>,
    slots: [Slot; 24],
    /// How crashes follow the load where there is less of it than usual: not at all (0) to in proportion (1).
    follows: f64,
    /// Crashes by exposure at the mean hour.
    rate: f64,
}

impl Rhythm {
    /// Notes exposure of a release at an instant.
    pub(crate) fn ran(&mut self, at: Micros, release: u16, amount: f64) {
        let ran = &mut self.hours.entry(at.div_euclid(HOUR)).or_default().ran;
        match ran.iter_mut().find(|it| it.0 == release) {
            Some(it) => it.1 += amount,
            None => ran.push((release, amount)),
        }
    }

    /// Notes sessions and the instance-hours that carried them.
    pub(crate) fn carried(&mut self, at: Micros, sessions: f64, hours: f64) {
        let hour = self.hours.entry(at.div_euclid(HOUR)).or_default();
        hour.sessions += sessions;
        hour.carried_by += hours;
    }

    /// Notes episodes.
    pub(crate) fn crashed(&mut self, at: Micros, signature: u32, times: f64) {
        let hour = self.hours.entry(at.div_euclid(HOUR)).or_default();
        hour.all += times;
        match hour.counts.iter_mut().find(|it| it.0 == signature) {
            Some(it) => it.1 += times,
            None => hour.counts.push((signature, times)),
        }
    }

    /// Works the rhythm out anew, and gives back the exposure of all and of each release, each hour weighed by its rhythm and load:
    /// what rates are rates of.
    pub(crate) fn settle(&mut self, releases: usize) -> (f64, Vec<f64>) {
        let exposure: f64 = self.hours.values().map(Hour::exposure).sum();
        let all: f64 = self.hours.values().map(|hour| hour.all).sum();
        if exposure <= 0.0 {
            return (0.0, vec![0.0; releases]);
        }
        let (sessions, carried_by) =
            self.hours.values().fold((0.0, 0.0), |sum, hour| (sum.0 + hour.sessions, sum.1 + hour.carried_by));
        let usual = if carried_by > 0.0 { sessions / carried_by } else { 0.0 };
        self.rate = (all + 0.5) / exposure;
        self.follows = self.how_it_follows(usual);
        // An hour of the day that was never seen is taken to be as busy as the mean one.
        let drawn = 0.5 * carried_by / self.hours.len() as f64;
        let mut of_slot = [(usual * drawn, drawn); 24];
        for (hour, it) in &self.hours {
            let slot = &mut of_slot[hour.rem_euclid(24) as usize];
            *slot = (slot.0 + it.sessions, slot.1 + it.carried_by);
        }
        for (slot, (sessions, hours)) in self.slots.iter_mut().zip(of_slot) {
            *slot = Slot { load: if hours > 0.0 { sessions / hours } else { 0.0 }, ..Slot::default() };
        }
        let mut weighed = (0.0, vec![0.0; releases]);
        for _ in 0..3 {
            weighed = self.weigh(releases);
            self.rate = (all + 0.5) / weighed.0.max(1e-12);
            let mut of_slot = [(0.0, 0.0); 24];
            for (hour, it) in &self.hours {
                let slot = &mut of_slot[hour.rem_euclid(24) as usize];
                *slot = (slot.0 + it.all, slot.1 + self.rate * it.exposure() * self.excuse(*hour, it.load()));
            }
            for (slot, (found, expected)) in self.slots.iter_mut().zip(of_slot) {
                slot.factor = (found + SHAPE_WEIGHT) / (expected + SHAPE_WEIGHT);
                slot.known = expected;
            }
        }
        weighed
    }

    fn weigh(&self, releases: usize) -> (f64, Vec<f64>) {
        let (mut all, mut of_release) = (0.0, vec![0.0; releases]);
        for (hour, it) in &self.hours {
            let factor = self.slots[hour.rem_euclid(24) as usize].factor * self.excuse(*hour, it.load());
            for (release, amount) in &it.ran {
                all += amount * factor;
                if let Some(sum) = of_release.get_mut(usize::from(*release)) {
                    *sum += amount * factor;
                }
            }
        }
        (all, of_release)
    }

    /// How much more or less is to be expected at an instant than at the mean hour, at a load of so many sessions by
    /// instance-hour.
    pub(crate) fn factor(&self, at: Micros, load: Option<f64>) -> f64 {
        let hour = at.div_euclid(HOUR);
        self.slots[hour.rem_euclid(24) as usize].factor * self.excuse(hour, load)
    }

    /// By how much more or fewer crashes are to be expected than at the usual load of the hour. More sessions excuse as many more
    /// crashes; fewer let fewer be expected as far as the past shows that crashes follow.
    fn excuse(&self, hour: i64, load: Option<f64>) -> f64 {
        let usual = self.slots[hour.rem_euclid(24) as usize].load;
        match load {
            Some(load) if usual > 0.0 => {
                let busy = load / usual;
                if busy >= 1.0 { busy.min(MOST_EXCUSED) } else { busy.max(0.1).powf(self.follows) }
            }
            _ => 1.0,
        }
    }

    /// How crashes follow the load, from the hours of the past: least squares on logarithms, weighted by what was to be expected, drawn
    /// towards the square root.
    fn how_it_follows(&self, usual: f64) -> f64 {
        const USUAL: f64 = 0.5;
        const WEIGHT: f64 = 6.0;
        let (mut both, mut squares) = (USUAL * WEIGHT, WEIGHT);
        for hour in self.hours.values() {
            let expected = self.rate * hour.exposure();
            let Some(load) = hour.load().filter(|_| usual > 0.0 && expected > 0.0) else { continue };
            let x = (load / usual).ln().clamp(-1.5, 1.5);
            both += expected * x * ((hour.all + 0.5) / (expected + 0.5)).ln();
            squares += expected * x * x;
        }
        (both / squares).clamp(0.0, 1.0)
    }

    /// How far crashes with these signatures wander from what is expected of an hour, by nothing but the weather: the standard
    /// deviation of the logarithm, as the past shows it. A past that says little is drawn towards 12 %. `rate` is theirs.
    ///
    /// Moment estimate: what the hours' counts vary beyond Poisson's own variation.
    fn wander(&self, rate: f64, wanted: &dyn Fn(u32) -> bool) -> f64 {
        const USUAL: f64 = 0.0144;
        const WEIGHT: f64 = 4000.0;
        let (mut beyond, mut squares) = (USUAL * WEIGHT, WEIGHT);
        for (hour, past) in &self.hours {
            let expected = rate * past.exposure() * self.factor(hour * HOUR, past.load());
            let found: f64 = past.counts.iter().filter(|it| wanted(it.0)).map(|it| it.1).sum();
            // One burst is a burst and not a climate.
            let far = (found - expected).abs().min(4.0 * expected.max(1.0).sqrt() + expected);
            beyond += far * far - expected;
            squares += expected * expected;
        }
        (beyond / squares).max(0.0).sqrt().clamp(LEAST_WANDER, MOST_WANDER)
    }

    /// How wrong an expectation may be for hours: the weather, and what is not yet known of hours and days that the past saw little
    /// of. The standard deviation of the logarithm. `rate` is that of the signatures meant.
    pub(crate) fn doubt(&self, rate: f64, wanted: &dyn Fn(u32) -> bool, at: Micros) -> f64 {
        /// How far the hours of a day of which nothing is known differ: more where it is not known how busy they are.
        const SHAPE: f64 = 0.35;
        const SHAPE_UNHEARD: f64 = 0.6;
        /// How far a weekend differs from other days where none was seen, and the other way round.
        const WEEKEND: f64 = 0.25;
        let heard = self.hours.values().any(|hour| hour.load().is_some());
        let differ = if heard { SHAPE } else { SHAPE_UNHEARD };
        let unknown = |slot: &Slot| differ * SHAPE_WEIGHT / (slot.known + SHAPE_WEIGHT);
        let shape: f64 = self.slots.iter().map(|slot| unknown(slot).powi(2)).sum::<f64>() / 24.0;
        let now = is_weekend(at.div_euclid(HOUR));
        let alike = self.hours.iter().filter(|it| is_weekend(*it.0) == now).map(|it| it.1.exposure()).sum::<f64>();
        let days = WEEKEND * 8.0 * SHAPE_WEIGHT / (self.rate * alike + 8.0 * SHAPE_WEIGHT);
        let wander = self.wander(rate, wanted);
        (wander * wander + shape + days * days).sqrt()
    }
}

/// Whether an hour since 1970 lies on a Saturday or Sunday, UTC. 1 January 1970 was a Thursday.
fn is_weekend(hour: i64) -> bool {
    (hour.div_euclid(24) + 3).rem_euclid(7) >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of a fleet of 100 instances whose crashes follow the sessions, which swing over the day.
    fn swinging(days: i64, crashes: f64) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for hour in 0..days * 24 {
            let load = 1.0 + 0.6 * ((hour as f64) / 24.0 * std::f64::consts::TAU).sin();
            rhythm.ran(hour * HOUR, 0, 100.0);
            rhythm.carried(hour * HOUR, 1000.0 * load, 100.0);
            (0..(crashes * load) as usize).for_each(|_| rhythm.crashed(hour * HOUR, 0, 1.0));
        }
        rhythm.settle(1);
        rhythm
    }

    #[test]
    fn the_usual_load_of_an_hour_is_no_excuse_and_more_than_it_is() {
        let rhythm = swinging(7, 200.0);
        for hour in [3, 6, 12, 18, 21] {
            let load = 10.0 * (1.0 + 0.6 * (f64::from(hour) / 24.0 * std::f64::consts::TAU).sin());
            let at = i64::from(hour) * HOUR;
            let usual = rhythm.factor(at, Some(load));
            assert!((usual - load / 10.0).abs() < 0.08, "hour {hour}: {usual} at a load of {load}");
            assert!((rhythm.factor(at, Some(2.0 * load)) / usual - 2.0).abs() < 0.05, "hour {hour}");
        }
    }

    #[test]
    fn a_short_past_doubts_more_than_a_long_one_and_a_first_weekend_more_than_a_weekday() {
        let all = |_: u32| true;
        let doubt = |rhythm: &Rhythm, day: i64| rhythm.doubt(2.0, &all, day * 24 * HOUR);
        let mut half = Rhythm::default();
        for hour in 0..12 {
            half.ran(hour * HOUR, 0, 100.0);
            half.carried(hour * HOUR, 1000.0, 100.0);
            (0..200).for_each(|_| half.crashed(hour * HOUR, 0, 1.0));
        }
        half.settle(1);
        assert!(doubt(&half, 1) > 2.0 * doubt(&swinging(14, 200.0), 15));
        // Thursday and Friday are known, Saturday is not.
        let two_days = swinging(2, 200.0);
        assert!(doubt(&two_days, 2) > 1.3 * doubt(&two_days, 4), "{} {}", doubt(&two_days, 2), doubt(&two_days, 4));
    }
}
