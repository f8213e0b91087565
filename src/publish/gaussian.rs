//! The discrete Gaussian distribution: integers, each with a probability in proportion to exp(-x² / 2σ²).
//!
//! An exact sampler by integer arithmetic: C. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for Differential Privacy"
//! (NeurIPS 2020), algorithms 1 to 3. Samplers with floating-point numbers have gaps in their output that reveal the number
//! below the noise; this one has none. The random bits come from BLAKE3 under a secret key, so the same key and name give the
//! same number.
//!
//! Not promised: constant time. Who can measure the publisher's time to the microsecond is on the machine, beside the vault.

/// Random bits that a key and a name determine: the extended output of a keyed BLAKE3.
pub struct Bits(blake3::OutputReader);

impl Bits {
    /// The bits of a name, which is a list of parts. Parts are distinguished by their lengths.
    pub fn new<'a>(key: &[u8; 32], name: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        for part in name {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        Self(hasher.finalize_xof())
    }

    /// A number below `bound`, each equally likely. `bound` is not 0.
    pub(super) fn below(&mut self, bound: u128) -> u128 {
        // Of the largest multiple of `bound` on, a remainder would favour low numbers.
        let fair = u128::MAX - u128::MAX % bound;
        loop {
            let mut bytes = [0; 16];
            self.0.fill(&mut bytes);
            let number = u128::from_le_bytes(bytes);
            if number < fair {
                return number % bound;
            }
        }
    }

    /// True with probability `of / all`.
    fn chance(&mut self, of: u128, all: u128) -> bool {
        self.below(all) < of
    }

    /// True with probability exp(-`of / all`), for a fraction of 1 at most (algorithm 1).
    fn chance_exp_of_fraction(&mut self, of: u128, all: u128) -> bool {
        let mut k = 1;
        while self.chance(of, all * k) {
            k += 1;
        }
        k % 2 == 1
    }

    /// True with probability exp(-`of / all`).
    fn chance_exp(&mut self, of: u128, all: u128) -> bool {
        (0..of / all).all(|_| self.chance_exp_of_fraction(1, 1)) && self.chance_exp_of_fraction(of % all, all)
    }

    /// A discrete Laplace number with this scale: a probability in proportion to exp(-|x| / scale) (algorithm 2).
    fn laplace(&mut self, scale: u64) -> i64 {
        loop {
            let low = self.below(scale.into());
            if !self.chance_exp(low, scale.into()) {
                continue;
            }
            let mut high = 0;
            while self.chance_exp_of_fraction(1, 1) {
                high += 1;
            }
            let size =
                i64::try_from(low).unwrap_or(i64::MAX).saturating_add(i64::from(high).saturating_mul(scale as i64));
            let is_negative = self.chance(1, 2);
            // Else 0 would be counted twice.
            if !(is_negative && size == 0) {
                return if is_negative { -size } else { size };
            }
        }
    }

    /// A discrete Gaussian number (algorithm 3). Its variance is below σ² by less than one part in a million from σ = 2 on.
    pub fn gaussian(&mut self, sigma: u32) -> i64 {
        if sigma == 0 {
            return 0;
        }
        let (variance, scale) = (u128::from(sigma) * u128::from(sigma), u64::from(sigma) + 1);
        loop {
            let candidate = self.laplace(scale);
            // (|x| - σ² / t)² / 2σ², as a fraction.
            let distance = (u128::from(candidate.unsigned_abs()) * u128::from(scale)).abs_diff(variance);
            let all = 2 * variance * u128::from(scale) * u128::from(scale);
            if self.chance_exp(distance * distance, all) {
                return candidate;
            }
        }
    }

    /// A discrete Gaussian number of `-cut` to `cut`: others are sampled again.
    pub fn truncated_gaussian(&mut self, sigma: u32, cut: u32) -> i64 {
        loop {
            let number = self.gaussian(sigma);
            if number.unsigned_abs() <= cut.into() {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn bits(name: &str) -> Bits {
        Bits::new(&[7; 32], [name])
    }

    /// Pearson's statistic of samples against weights, with its degrees of freedom. Rare numbers are taken together.
    fn chi_square(samples: &[i64], weight: impl Fn(i64) -> f64, reach: i64) -> (f64, f64) {
        let all: f64 = (-reach..=reach).map(&weight).sum();
        let mut seen: BTreeMap<i64, f64> = BTreeMap::new();
        samples.iter().for_each(|sample| *seen.entry(*sample).or_default() += 1.0);
        let (mut statistic, mut groups, mut rare) = (0.0, -1.0, (0.0, 0.0));
        let mut add = |seen: f64, expected: f64| {
            statistic += (seen - expected) * (seen - expected) / expected;
            groups += 1.0;
        };
        for number in -reach..=reach {
            let expected = weight(number) / all * samples.len() as f64;
            let seen = seen.remove(&number).unwrap_or_default();
            if expected < 10.0 { rare = (rare.0 + seen, rare.1 + expected) } else { add(seen, expected) }
        }
        assert!(seen.is_empty(), "out of reach: {seen:?}");
        if rare.1 > 0.5 {
            add(rare.0, rare.1);
        }
        (statistic, groups)
    }

    /// The statistic is within five standard deviations of its mean. The seeds are fixed, so the test passes always or never.
    fn assert_fits(samples: &[i64], weight: impl Fn(i64) -> f64, reach: i64, what: &str) {
        let (statistic, freedom) = chi_square(samples, weight, reach);
        assert!(statistic < freedom + 5.0 * (2.0 * freedom).sqrt(), "{what}: {statistic} of {freedom}");
    }

    #[test]
    fn samples_have_exactly_the_probabilities_of_the_distribution() {
        for (sigma, cut) in [(1, 3), (6, 17), (9, 22), (12, 27), (90, 220)] {
            let weight = |x: i64| (-(x * x) as f64 / (2.0 * f64::from(sigma * sigma))).exp();
            let mut source = bits("free");
            let samples: Vec<i64> = (0..200_000).map(|_| source.gaussian(sigma)).collect();
            assert_fits(&samples, weight, 12 * i64::from(sigma), &format!("sigma {sigma}"));
            let mean = samples.iter().sum::<i64>() as f64 / samples.len() as f64;
            assert!(mean.abs() < 5.0 * f64::from(sigma) / (samples.len() as f64).sqrt(), "sigma {sigma}: {mean}");
            let mut source = bits("cut");
            let samples: Vec<i64> = (0..200_000).map(|_| source.truncated_gaussian(sigma, cut)).collect();
            assert_fits(&samples, weight, cut.into(), &format!("sigma {sigma}, cut {cut}"));
        }
    }

    #[test]
    fn the_test_of_the_distribution_notices_a_wrong_one() {
        let mut source = bits("free");
        let samples: Vec<i64> = (0..200_000).map(|_| source.gaussian(9)).collect();
        let (statistic, freedom) = chi_square(&samples, |x| (-(x * x) as f64 / (2.0 * 9.2 * 9.2)).exp(), 108);
        assert!(statistic > freedom + 5.0 * (2.0 * freedom).sqrt(), "{statistic} of {freedom}");
    }

    #[test]
    fn the_same_key_and_name_give_the_same_number_and_others_do_not() {
        let sample = |key: u8, name: &[&str]| Bits::new(&[key; 32], name.iter().copied()).gaussian(1_000);
        assert_eq!(sample(1, &["ab", "c"]), sample(1, &["ab", "c"]));
        let others =
            [sample(1, &["a", "bc"]), sample(1, &["abc"]), sample(1, &["ab", "c", ""]), sample(2, &["ab", "c"])];
        assert!(others.iter().all(|other| *other != sample(1, &["ab", "c"])), "{others:?}");
        assert_eq!(Bits::new(&[0; 32], ["x"]).gaussian(0), 0);
    }

    #[test]
    fn the_sampler_has_no_floating_point_number() {
        let own = include_str!("gaussian.rs");
        let (sampler, _) = own.split_once("#[cfg(test)]").expect("the tests follow");
        assert!(!sampler.contains("f32") && !sampler.contains("f64") && !sampler.contains("exp()"));
    }
}
