//! The few distributions that the judge needs, as closed forms. What they are used for is elsewhere.

use statrs::function::gamma::gamma_lr;

/// Two-sided 95 % of a standard normal.
pub(crate) const Z95: f64 = 1.959_963_984_540_054;

/// Logarithm of the factor by which `count` crashes, where `expected` were expected, multiply the evidence that the rate is
/// `ratio` rather than at most `tolerance` times the expectation, with overdispersion `phi` (variance = m + phi m²).
///
/// Negative binomial likelihood ratio; for phi towards 0 it is Poisson's. An e-value for every true ratio up to `tolerance`.
pub(crate) fn ln_factor(count: f64, expected: f64, ratio: f64, tolerance: f64, phi: f64) -> f64 {
    let mean = expected * tolerance;
    if mean <= 0.0 {
        return 0.0;
    }
    let rise = ratio / tolerance;
    let k = 1.0 / phi;
    let r = rise * (k + mean) / (k + rise * mean);
    count * r.ln() - k * ((k + rise * mean) / (k + mean)).ln()
}

/// Logarithm of the likelihood of one block of counts under a common factor u ~ Gamma(kappa, kappa) for all its populations,
/// with u integrated out and terms that no hypothesis changes left out: `sum_y_ln_m` is Σ y ln m, `count` Σ y, `mean` Σ m.
///
/// A common drift of the whole block costs little; a contrast between its populations costs in full.
pub(crate) fn ln_block(sum_y_ln_m: f64, count: f64, mean: f64, kappa: f64) -> f64 {
    sum_y_ln_m - (kappa + count) * ((kappa + mean) / kappa).ln()
}

/// ln Σ exp, for weights that may be far apart.
pub(crate) fn ln_sum(values: &[f64]) -> f64 {
    let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + values.iter().map(|value| (value - top).exp()).sum::<f64>().ln()
}

/// The value below which a Gamma(shape, rate 1) variable lies with probability `p`.
///
/// Wilson and Hilferty's cube (1931) as a start, then bisection on the regularised incomplete gamma function.
pub(crate) fn gamma_quantile(shape: f64, p: f64) -> f64 {
    if shape <= 0.0 {
        return 0.0;
    }
    let z = if p > 0.5 { Z95 } else { -Z95 };
    let cube = (1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt())).max(0.0);
    let guess = shape * cube * cube * cube;
    if shape > 200.0 {
        return guess;
    }
    let (mut low, mut high) = (0.0, (guess + 1.0) * 4.0 + 10.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if middle > 0.0 && gamma_lr(shape, middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// Garwood's exact 95 % interval of a Poisson mean (1936) after `count` events.
pub(crate) fn poisson_interval(count: f64) -> (f64, f64) {
    (if count > 0.0 { gamma_quantile(count, 0.025) } else { 0.0 }, gamma_quantile(count + 1.0, 0.975))
}

/// P(at least `count` events) where `expected` are expected.
pub(crate) fn poisson_tail(count: f64, expected: f64) -> f64 {
    if count <= 0.0 {
        1.0
    } else if expected <= 0.0 {
        0.0
    } else {
        gamma_lr(count, expected)
    }
}

/// Logarithm of the evidence that a rate is at most its old level, after `count` crashes where `elevated` were expected if it
/// were still `ratio` times that level: a likelihood ratio, so an e-value against "it is still as high".
pub(crate) fn ln_recovery(count: f64, elevated: f64, ratio: f64) -> f64 {
    elevated * (1.0 - 1.0 / ratio) - count * ratio.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_published_poisson_limits() {
        // Garwood's table: 0 -> (0, 3.689), 5 -> (1.623, 11.668), 20 -> (12.217, 30.888).
        for (count, low, high) in [(0.0, 0.0, 3.689), (5.0, 1.623, 11.668), (20.0, 12.217, 30.888)] {
            let (found_low, found_high) = poisson_interval(count);
            assert!((found_low - low).abs() < 0.002, "{count}: {found_low}");
            assert!((found_high - high).abs() < 0.002, "{count}: {found_high}");
        }
    }

    #[test]
    fn the_factor_of_one_bucket_has_mean_one_at_the_tolerance_and_less_below() {
        // Sum over the negative binomial's whole support, computed by its recurrence.
        let mean_of_factor = |truth: f64, phi: f64| {
            let k = 1.0 / phi;
            let p = truth / (k + truth);
            let (mut weight, mut sum) = ((1.0 - p).powf(k), 0.0);
            for y in 0..200 {
                sum += weight * ln_factor(f64::from(y), 1.0, 4.0, 1.25, phi).exp();
                weight *= (f64::from(y) + k) / (f64::from(y) + 1.0) * p;
            }
            sum
        };
        assert!((mean_of_factor(1.25, 0.02) - 1.0).abs() < 1e-6);
        assert!(mean_of_factor(1.0, 0.02) < 1.0);
        assert!(mean_of_factor(2.0, 0.02) > 1.5);
    }

    #[test]
    fn with_no_crashes_at_all_three_expected_ones_make_a_recovery() {
        assert!(ln_recovery(0.0, 3.2, 20.0) > 20_f64.ln());
        assert!(ln_recovery(0.0, 2.0, 20.0) < 20_f64.ln());
    }
}
