//! A crowd: frames that leave together, in an order that does not show when they came.
//!
//! What waited until its window ended is often more than a delivery batch holds. Taken in the order in which it was appended,
//! the first delivery batch would have the rows of the morning and the last those of the evening. So each delivery batch of a crowd is
//! a random part of the whole. Which part a frame is in follows from its sequence and a random number, so a restart goes on
//! with the same parts. The cursor moves when the last part is finished.
//!
//! Tombstones come with the last part, when all rows that were appended before them are settled. A row of the same crowd that was
//! appended after one may be erased by it.

/// A crowd, and how much of it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowd {
    /// Its last sequence. It begins behind the cursor.
    pub(super) last: u64,
    /// The random number.
    pub(super) seed: u64,
    /// The number of its parts; at least one.
    pub(super) parts: u32,
    /// The part that leaves now, or next.
    pub(super) part: u32,
    /// Rows of the parts that have left.
    pub(super) taken: u64,
}

impl Crowd {
    /// How many parts leave before that of a frame, from the one that leaves now; `None` when its part has left.
    pub(super) fn parts_until(&self, sequence: u64) -> Option<u32> {
        let part = (u128::from(mixed(sequence ^ self.seed)) * u128::from(self.parts)) >> 64;
        u32::try_from(part).unwrap_or(u32::MAX).checked_sub(self.part)
    }

    /// How many parts have not left. There is always one.
    pub(super) fn parts_left(&self) -> u32 {
        self.parts.saturating_sub(self.part).max(1)
    }

    /// The next part, after one with so many rows has left; `None` when that was the last.
    pub(super) fn after(&self, rows: u64) -> Option<Self> {
        (self.parts_left() > 1).then(|| Self { part: self.part + 1, taken: self.taken + rows, ..*self })
    }
}

/// A number that differs from its neighbours' in every bit with equal chances (the finaliser of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_is_in_one_part_and_each_part_is_spread_over_all() {
        let crowd = Crowd { last: 10_000, seed: 7, parts: 10, part: 0, taken: 0 };
        let parts: Vec<Crowd> = std::iter::successors(Some(crowd), |crowd| crowd.after(1)).collect();
        assert_eq!((parts.len(), parts[9].taken), (10, 9));
        for sequence in 1..=10_000 {
            assert_eq!(parts.iter().filter(|part| part.parts_until(sequence) == Some(0)).count(), 1);
        }
        for part in parts {
            let takes = |sequence: u64| part.parts_until(sequence) == Some(0);
            for tenth in 0..10 {
                let taken = (1..=1_000).filter(|number| takes(tenth * 1_000 + number)).count();
                // Six standard deviations.
                assert!((43..=157).contains(&taken), "{taken} of 1,000");
            }
        }
        let other = Crowd { seed: 8, ..crowd };
        let differs = |sequence: u64| crowd.parts_until(sequence) != other.parts_until(sequence);
        assert!((1..100).any(differs), "the random number decides");
    }
}
