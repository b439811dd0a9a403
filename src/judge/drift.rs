//! The weather: how crashes of a whole service wander for hours without any cause that we could name. Every explanation is weighed
//! with it, so that a slow common rise is no evidence against a change, while a contrast between populations is.
//!
//! The logarithm of the common factor follows an autoregression; a block's count given the factor is negative binomial. The factor is
//! integrated out block by block: its posterior is kept as a normal distribution found by Newton steps (Laplace's method), as in
//! the extended Kalman filter for counts (Fahrmeir 1992).

use super::{HOUR, Micros};

/// How long the weather remembers.
const MEMORY: Micros = 3 * HOUR;
/// What a single block varies beyond Poisson on its own: a Gamma with this shape, about 18 %.
pub(crate) const KAPPA: f64 = 30.0;

/// The weather of some signatures in blocks of one length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drift {
    /// What is kept of the factor from one block to the next.
    keep: f64,
    /// The variance of the factor's logarithm.
    spread: f64,
}

/// What is believed of the factor after some blocks, and how likely these were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Belief {
    mean: f64,
    variance: f64,
    pub(crate) ln_likelihood: f64,
}

impl Drift {
    /// `wander` is the deviation that the past shows, `count` the crashes that the expectation rests on: a level that rests on few
    /// may be wrong for as long as one looks.
    pub(crate) fn new(wander: f64, count: f64, block: Micros) -> Drift {
        let (weather, level) = (wander * wander, 1.0 / (count + 1.0));
        let memory = MEMORY as f64 * (1.0 + level / weather);
        Drift { keep: (-(block as f64) / memory).exp(), spread: weather + level }
    }

    /// What is believed before anything was seen.
    pub(crate) fn beginning(&self) -> Belief {
        Belief { mean: 0.0, variance: self.spread, ln_likelihood: 0.0 }
    }

    /// Takes a block in: so many crashes where `mean` were expected at factor one. Terms that no explanation changes are left
    /// out of the likelihood.
    pub(crate) fn step(&self, belief: Belief, count: f64, mean: f64) -> Belief {
        let a = self.keep * belief.mean;
        let p = self.keep * self.keep * belief.variance + self.spread * (1.0 - self.keep * self.keep);
        if mean <= 0.0 {
            return Belief { mean: a, variance: p, ..belief };
        }
        let share = |x: f64| {
            let scaled = x.exp() * mean;
            scaled / (KAPPA + scaled)
        };
        let (mut x, mut curve) = (a, 1.0 / p);
        for _ in 0..8 {
            let q = share(x);
            let slope = count - (KAPPA + count) * q - (x - a) / p;
            curve = (KAPPA + count) * q * (1.0 - q) + 1.0 / p;
            let step = (slope / curve).clamp(-1.5, 1.5);
            x += step;
            if step.abs() < 1e-3 {
                break;
            }
        }
        let inside = count * x - (KAPPA + count) * (x.exp() * mean / KAPPA).ln_1p();
        let ln = inside - (x - a) * (x - a) / (2.0 * p) - 0.5 * (p * curve).ln();
        Belief { mean: x, variance: 1.0 / curve, ln_likelihood: belief.ln_likelihood + ln }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::MINUTE;

    fn of(drift: &Drift, blocks: &[(f64, f64)], factor: f64) -> f64 {
        let last = blocks.iter().fold(drift.beginning(), |belief, it| drift.step(belief, it.0, it.1 * factor));
        // The moved part of the likelihood: every crash is by `factor` less surprising.
        last.ln_likelihood + blocks.iter().map(|it| it.0 * factor.ln()).sum::<f64>()
    }

    #[test]
    fn a_slow_common_rise_of_a_quarter_is_no_evidence_and_a_fourfold_one_is() {
        let drift = Drift::new(0.15, 2000.0, 15 * MINUTE);
        let blocks = |factor: f64| vec![(20.0 * factor, 20.0); 40];
        let gain = |rise: f64| of(&drift, &blocks(rise), rise) - of(&drift, &blocks(rise), 1.0);
        assert!(gain(1.25) < 4.0, "{}", gain(1.25));
        assert!(gain(4.0) > 25.0, "{}", gain(4.0));
    }

    #[test]
    fn laplace_agrees_with_the_integral_over_a_grid() {
        let drift = Drift::new(0.3, 1e9, 3 * HOUR);
        for (count, mean) in [(0.0, 0.3), (2.0, 0.5), (9.0, 5.0), (60.0, 40.0)] {
            let found = drift.step(drift.beginning(), count, mean).ln_likelihood;
            let spread = drift.spread;
            let density = |x: f64| {
                (count * x - (KAPPA + count) * (x.exp() * mean / KAPPA).ln_1p() - x * x / (2.0 * spread)).exp()
                    / (std::f64::consts::TAU * spread).sqrt()
            };
            let sum: f64 = (-4000..4000).map(|step| density(f64::from(step) * 0.001) * 0.001).sum();
            assert!((found - sum.ln()).abs() < 0.02, "{count} of {mean}: {found} and {}", sum.ln());
        }
    }
}
