//! Noise: what is added to a number, and whether a name is published (a threshold with noise).
//!
//! All of it is discrete Gaussian noise ([`super::gaussian`]), derived from the secret seed of the window and from what is counted:
//! the table, the values of its dimensions, the measure. So the same thing counted twice, or computed again after a kill, has the
//! same noise, and two different counts have independent noise.

use super::crowd::Crowd;
use super::gaussian::Bits;
use crate::config::Protection;

/// The k of k-anonymity: no name is published of fewer confirmed visitors.
pub const K_MIN: u32 = 10;
/// The smallest count of events that is published under a name, where the events belong to no visitor.
pub const EVENTS_MIN: u32 = 50;
/// How many times wider the noise of counts without visitors is: nobody knows how many of them one person made.
pub const EVENTS_WIDE: u32 = 3;

impl Protection {
    /// All levels.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Standard, Self::Internal];

    /// The standard deviation of a number's noise.
    pub const fn sigma(self) -> u32 {
        match self {
            Self::Strict => 12,
            Self::Standard => 9,
            Self::Internal => 6,
        }
    }

    /// The standard deviation and the largest noise of the threshold of a name. A name is surely published from `K_MIN` and twice the
    /// largest noise. The noise is wider than a number's, since thirty looks at a row are as many at its name and at its parent's.
    pub const fn threshold(self) -> (u32, u32) {
        Self::truncated(self.sigma() * 4 / 3)
    }

    /// The same for a week or a month. A name may be judged three times, for the day, the week and the month, and all of it is one look.
    pub const fn longer(self) -> (u32, u32) {
        Self::truncated(self.sigma() * 5 / 3)
    }

    /// How rarely the largest noise is reached says how much it reveals that a name shows for the first time.
    const fn truncated(sigma: u32) -> (u32, u32) {
        (sigma, sigma * 5 / 2)
    }
}

/// What is counted: the values of a table's dimensions, each with the name of its dimension. The order does not matter.
pub type Place<'a> = [(&'a str, &'a str)];

/// Derives the noise of one window of one site.
#[derive(Clone)]
pub struct NoiseSource {
    key: [u8; 32],
    level: Protection,
    /// The variance of a number with usual noise.
    variance: u64,
    /// The standard deviation and the largest noise of a threshold, for one pseudonym a visitor.
    threshold: (u32, u32),
    /// Under how many pseudonyms one visitor may appear.
    multiple: u32,
    /// How many visitors of one network class count.
    cap: u8,
}

impl NoiseSource {
    /// From the window's seed, which belongs to one site and one window.
    pub fn new(seed: &[u8], level: Protection, cap: u8) -> Self {
        let key = blake3::derive_key("tamga 2026-11-29 publishing rules v3", seed);
        let (variance, threshold) = (u64::from(level.sigma()).pow(2), level.threshold());
        Self { key, level, variance, threshold, multiple: 1, cap }
    }

    /// For a window in which day keys were lost. Each lost key gives a visitor one more pseudonym, so threshold and noise are
    /// multiplied by the number of pseudonyms.
    #[must_use]
    pub fn keys_lost(mut self, lost: u64) -> Self {
        self.multiple = u32::try_from(lost).unwrap_or(u32::MAX).saturating_add(1).min(1_000);
        self.variance = u64::from(self.level.sigma() * self.multiple).pow(2);
        self
    }

    /// For numbers of several windows together, with noise of this variance. It is independent of the noise of the windows. A crowd has
    /// been divided by the keys lost ([`Self::first_of`]), so the threshold is that of windows in which none was.
    pub fn longer(&self, period: &str, variance: u64) -> Self {
        let key = *blake3::keyed_hash(&self.key, period.as_bytes()).as_bytes();
        Self { key, variance, threshold: self.level.longer(), multiple: 1, ..self.clone() }
    }

    /// The standard deviation of a number with usual noise.
    pub fn sigma(&self) -> u32 {
        let root = self.variance.isqrt();
        u32::try_from(root + u64::from(root.pow(2) < self.variance)).unwrap_or(u32::MAX)
    }

    /// The variance of a number with usual noise.
    pub fn variance(&self) -> u64 {
        self.variance
    }

    /// What a window adds to the crowd of a longer period: its visitors with this bit, one of each network class.
    pub fn first_of(&self, crowd: &Crowd, bit: u16) -> u64 {
        crowd.first_of(bit) / u64::from(self.multiple)
    }

    /// A number as it is published: with noise of `wide` times the usual standard deviation. It may be negative.
    pub fn noisy(&self, number: u64, table: &str, place: &Place<'_>, measure: &str, wide: u32) -> i64 {
        let noise = self.bits("number", table, place, measure).gaussian(self.sigma() * wide);
        i64::try_from(number).unwrap_or(i64::MAX).saturating_add(noise)
    }

    /// Whether a name is published: its crowd and truncated noise reach the threshold. Such a crowd has at least [`K_MIN`].
    pub fn is_named(&self, crowd: &Crowd, table: &str, place: &Place<'_>) -> bool {
        self.is_named_by(crowd.weight(self.cap).into(), table, place)
    }

    /// The same for a crowd that was added up over windows.
    pub fn is_named_by(&self, crowd: u64, table: &str, place: &Place<'_>) -> bool {
        self.reaches(crowd, K_MIN, 1, self.bits("name", table, place, ""))
    }

    /// The names that may have a cell, by the hash of each and the number of networks in its crowd: all, or those `most` that are first by crowd and
    /// noise, never by the crowd alone.
    pub fn candidates(&self, dimension: &str, names: impl Iterator<Item = (u32, u64)>, most: usize) -> Vec<u32> {
        let mut all: Vec<_> = names.collect();
        if all.len() > most {
            let with_noise = |&(hash, crowd): &(u32, u64)| {
                let noise =
                    self.bits("candidate", dimension, &[("hash", &hash.to_string())], "").gaussian(self.sigma());
                std::cmp::Reverse((crowd.saturating_add_signed(noise), hash))
            };
            all.sort_by_cached_key(with_noise);
            all.truncate(most);
        }
        all.into_iter().map(|(hash, _)| hash).collect()
    }

    /// Those of many hashes that many visitors have. Each is decided like a name.
    pub fn shared(&self, what: &str, hashes: impl Iterator<Item = (u32, u64)>) -> Vec<u32> {
        let is_shared = |&(hash, crowd): &(u32, u64)| {
            self.reaches(crowd, K_MIN, 1, self.bits("shared", what, &[("hash", &hash.to_string())], ""))
        };
        hashes.filter(is_shared).map(|(hash, _)| hash).collect()
    }

    /// A count of events that belong to no visitor; `None` below the threshold.
    pub fn events(&self, name: &str, count: u64) -> Option<i64> {
        self.bounded_events(name, count, 1)
    }

    /// The same where each sender adds `most` at most, with a threshold whose noise is as much wider.
    pub fn bounded_events(&self, name: &str, count: u64, most: u32) -> Option<i64> {
        let is_shown = self.reaches(count, EVENTS_MIN, most, self.bits("events", name, &[], ""));
        is_shown.then(|| self.noisy(count, "events", &[("name", name)], "", EVENTS_WIDE))
    }

    /// Whether count and truncated noise, so many times wider, together reach the threshold: `least` and the largest noise.
    fn reaches(&self, count: u64, least: u32, wide: u32, mut bits: Bits) -> bool {
        let (sigma, cut) = (self.threshold.0 * self.multiple * wide, self.threshold.1 * self.multiple * wide);
        let sum = count.saturating_add_signed(bits.truncated_gaussian(sigma, cut));
        sum >= u64::from(least * self.multiple + cut)
    }

    fn bits(&self, kind: &str, table: &str, place: &Place<'_>, measure: &str) -> Bits {
        let mut place = place.to_vec();
        place.sort_unstable();
        let place = place.iter().flat_map(|(dimension, value)| [*dimension, *value]);
        Bits::new(&self.key, [kind, table, measure].into_iter().chain(place))
    }
}
