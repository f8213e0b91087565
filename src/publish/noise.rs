//! Threshold and noise: whether a crowd is large enough to be published (k-anonymity), and which amount is added to a number.
//!
//! Both come from one random offset per cell. The offset is derived from the secret seed of the window with a keyed hash, so
//! computing a plan again gives the same offsets. [`super::rules`] says how the rules use them.

use super::crowd::Crowd;

/// The k of k-anonymity: nothing is published about fewer confirmed visitors.
pub const K_MIN: u32 = 10;
/// How many values the random offset of a cell has. All three widths are odd multiples of [`STEP`], so that rounding is fair.
pub const CELL_NOISE: u32 = 55;
/// How many values the additional offset of a cell's other numbers has.
pub const EXTRA_NOISE: u32 = 65;
/// How many values the offset of a site's total has, and that of a count without visitors.
pub const TOTAL_NOISE: u32 = 25;
/// The smallest count of events that is published, where the events belong to no visitor.
pub const EVENTS_MIN: u64 = 50;
/// Published numbers are multiples of this.
pub const STEP: u64 = 5;

/// A random offset: one value of a range, each equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    pub(super) offset: u32,
    /// The largest possible offset; always even.
    pub(super) max_offset: u32,
}

impl Noise {
    /// The sum of two offsets.
    pub(super) fn and(self, other: Self) -> Self {
        Self { offset: self.offset + other.offset, max_offset: self.max_offset + other.max_offset }
    }

    /// The largest distance between a published number and the exact one, for offsets with so many values.
    pub const fn max_error(widths: &[u32]) -> u64 {
        let (mut at, mut error) = (0, STEP / 2);
        while at < widths.len() {
            error += (widths[at] as u64 - 1) / 2;
            at += 1;
        }
        error
    }
}

/// Derives the offsets of one window of one site, and applies threshold and noise.
pub struct NoiseSource {
    key: [u8; 32],
    /// Under how many pseudonyms one visitor may appear.
    multiple: u32,
    /// How many visitors of one network class count.
    cap: u8,
}

impl NoiseSource {
    /// From the window's seed, which belongs to one site and one window.
    pub fn new(seed: &[u8], cap: u8) -> Self {
        Self { key: blake3::derive_key("tamga 2026-11-25 publishing rules v2", seed), multiple: 1, cap }
    }

    /// For a window in which day keys were lost. Each lost key gives a visitor one more pseudonym, so threshold and noise are
    /// multiplied by the number of pseudonyms.
    #[must_use]
    pub fn keys_lost(mut self, lost: u64) -> Self {
        self.multiple = u32::try_from(lost).unwrap_or(u32::MAX).saturating_add(1);
        self
    }

    /// The offset of a cell: it decides whether the cell is published, and is added to the number of its visitors.
    pub fn cell_noise<'a>(&self, table: &'a str, place: impl IntoIterator<Item = &'a str>) -> Noise {
        self.noise(CELL_NOISE, ["cell", table].into_iter().chain(place))
    }

    /// The offset of a crowd that must meet the threshold although its size is not published, such as the rest of a cell.
    pub(super) fn check_noise<'a>(
        &self,
        what: &'a str,
        table: &'a str,
        place: impl IntoIterator<Item = &'a str>,
    ) -> Noise {
        self.noise(CELL_NOISE, ["aside", what, table].into_iter().chain(place))
    }

    /// The additional offset of a number that does not count the visitors of its cell.
    pub(super) fn extra_noise<'a>(
        &self,
        table: &'a str,
        measure: &'a str,
        place: impl IntoIterator<Item = &'a str>,
    ) -> Noise {
        self.noise(EXTRA_NOISE, ["further", table, measure].into_iter().chain(place))
    }

    /// The offset of a number of the whole site, or of a count without visitors.
    pub(super) fn total_noise<'a>(&self, name: impl IntoIterator<Item = &'a str>) -> Noise {
        self.noise(TOTAL_NOISE, ["narrow"].into_iter().chain(name))
    }

    /// Whether a crowd meets the threshold with this offset. Such a crowd has at least [`K_MIN`] visitors.
    pub fn meets_threshold(&self, crowd: &Crowd, noise: Noise) -> bool {
        self.count_meets(crowd.weight(self.cap).into(), noise, K_MIN.into())
    }

    /// Whether a count meets a threshold with this offset. Such a count is at least `least`.
    pub(super) fn count_meets(&self, count: u64, noise: Noise, least: u64) -> bool {
        let multiple = u64::from(self.multiple);
        count.saturating_add(multiple * u64::from(noise.offset)) >= multiple * (least + u64::from(noise.max_offset))
    }

    /// The published form of a number: the number with its noise, rounded to a multiple of [`STEP`].
    pub fn round(&self, number: u64, noise: Noise) -> u64 {
        let multiple = u64::from(self.multiple);
        let up = number.saturating_add(multiple * u64::from(noise.offset) + STEP / 2);
        up.saturating_sub(multiple * u64::from(noise.max_offset / 2)) / STEP * STEP
    }

    fn noise<'a>(&self, values: u32, parts: impl IntoIterator<Item = &'a str>) -> Noise {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        // The remainder favours low values, but with 2^64 values the difference is too small to measure.
        Noise { offset: (u64::from_le_bytes(first) % u64::from(values)) as u32, max_offset: values - 1 }
    }
}
