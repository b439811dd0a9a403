//! Chance that is the same on every machine: a small seeded generator in whole numbers.
//!
//! No floating point, so that the story never depends on a platform's mathematics; not for secrets.

/// Sebastiano Vigna's SplitMix64.
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice whose throws follow from the seed alone.
    pub fn new(seed: u64) -> Dice {
        Dice { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number from 0 up to, not including, `end` (zero where `end` is zero); biased by less than `end` in 2^64.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A whole number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as u64) as i64
    }

    /// About normally distributed: a sum of twelve even throws, rounded, with this mean and standard deviation.
    pub fn around(&mut self, mean: i64, deviation: i64) -> i64 {
        let sum: i64 = (0..12).map(|_| self.between(0, 1000)).sum();
        mean + ((sum - 6000) * deviation).div_euclid(1000)
    }

    /// Whether something happens within one second that happens `rate_per_million_hours` times in a million hours.
    ///
    /// A Poisson process cut into seconds: at the rates of this story two in one second are rarer than one in a
    /// thousand of those that happen.
    pub fn happens_in_a_second(&mut self, rate_per_million_hours: u64) -> bool {
        self.below(3_600_000_000) < rate_per_million_hours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_throws_are_those_of_splitmix64() {
        let mut dice = Dice::new(1_234_567);
        let expected: [u64; 3] = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([dice.bits(), dice.bits(), dice.bits()], expected);
    }

    #[test]
    fn an_hour_of_seconds_holds_about_as_many_events_as_the_rate_says() {
        let mut dice = Dice::new(1);
        let hours = 2000;
        let count = (0..hours * 3600).filter(|_| dice.happens_in_a_second(800_000)).count();
        // 1,600 expected, a standard deviation of 40.
        assert!((1440..1760).contains(&count), "{count}");
    }

    #[test]
    fn a_throw_around_a_mean_has_that_mean_and_spread() {
        let mut dice = Dice::new(2);
        let throws: Vec<i64> = (0..20_000).map(|_| dice.around(52, 11)).collect();
        let mean = throws.iter().sum::<i64>() as f64 / throws.len() as f64;
        let variance = throws.iter().map(|throw| (*throw as f64 - mean).powi(2)).sum::<f64>() / throws.len() as f64;
        assert!((51.0..52.5).contains(&mean), "{mean}");
        assert!((10.5..11.5).contains(&variance.sqrt()), "{variance}");
    }
}
