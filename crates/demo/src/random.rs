//! Random numbers that a seed repeats: SplitMix64, and the few distributions that a population needs.
//!
//! The same seed gives the same numbers on every machine, as long as this file does not change. Do not use them for
//! secrets: keys come from [`tamga::secret::Secret::random`].

/// A stream of random numbers.
pub(crate) struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits (Steele, Lea, Flood 2014: SplitMix64).
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 128 random bits.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        (u128::from(self.bits()) << 64 | u128::from(self.bits())).to_be_bytes()
    }

    /// A number below `limit`; 0 when the limit is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // The high half of the product: biased by at most limit / 2^64, which a demo does not notice.
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// A number from 0 up to, not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// One of the items, each as likely as the others.
    ///
    /// # Panics
    /// When there is nothing to pick.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// One of the items by its weight.
    ///
    /// # Panics
    /// When there is nothing to pick.
    pub(crate) fn weighted<'a, T>(&mut self, items: &'a [T], weight: impl Fn(&T) -> u32) -> &'a T {
        let total = items.iter().map(|item| u64::from(weight(item))).sum();
        let mut left = self.below(total);
        for item in items {
            let weight = u64::from(weight(item));
            if left < weight {
                return item;
            }
            left -= weight;
        }
        items.last().expect("a list of choices is not empty")
    }

    /// A positive number around `median`: log-normal, which is how long people stay on pages.
    pub(crate) fn around(&mut self, median: f64, spread: f64) -> f64 {
        // The sum of twelve uniform numbers minus six is nearly normal (Irwin-Hall), and never beyond six deviations.
        let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        median * (spread * normal).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        let mut random = Random::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| random.bits());
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_keep_to_their_bounds_and_weights() {
        let mut random = Random::new(1);
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| random.below(7) < 7));
        let heavy = (0..10_000).filter(|_| *random.weighted(&[1_u32, 3], |weight| *weight) == 3).count();
        assert!((7_200..7_800).contains(&heavy), "{heavy}");
        let mut stays: Vec<_> = (0..999).map(|_| random.around(20.0, 0.8)).collect();
        stays.sort_by(f64::total_cmp);
        assert!(stays[0] > 0.0 && (17.0..23.0).contains(&stays[499]), "{}", stays[499]);
    }
}
