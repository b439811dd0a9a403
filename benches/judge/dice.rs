//! Chance for the fleets: one stable sequence per seed. What it is used for is elsewhere.

/// SplitMix64 (Steele, Lea, Flood 2014) with the distributions that a fleet needs.
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice whose throws follow from the seed alone.
    pub fn new(seed: u64) -> Dice {
        let mut dice = Dice { state: seed };
        // Neighbouring seeds must not give neighbouring first throws.
        dice.state = dice.bits() ^ 0xa076_1d64_78bd_642f;
        dice
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1, one excluded.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from 0 up to, not including, `end`; zero where `end` is zero.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Normal with mean 0 and deviation 1 (Box, Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Exponential with this mean.
    pub fn waiting(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    /// Pareto from 1 up, with this exponent: the smaller, the heavier the tail.
    pub fn pareto(&mut self, exponent: f64) -> f64 {
        (1.0 - self.unit()).powf(-1.0 / exponent)
    }

    /// A count with this mean: Knuth's product, cut into pieces where the mean is large.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let (mut left, mut count) = (mean.max(0.0), 0);
        while left > 0.0 {
            let piece = left.min(20.0);
            left -= piece;
            let limit = (-piece).exp();
            let mut product = self.unit();
            while product > limit {
                product *= self.unit();
                count += 1;
            }
        }
        count
    }
}
