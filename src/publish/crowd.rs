//! How many people stand behind a number, as far as the publishing rules care: confirmed visitors by network class.
//!
//! A class is one byte of the hashed network; in windows of 7 days, the byte and the day. Each class counts up to a cap, so
//! that whoever has one network cannot fill a cell alone. A crowd may hold fewer visitors than there are (the query names two
//! hundred per slice at most, far more than have to be there): its weight is a lower bound, never too high.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Visitors of one network class that count, in windows of up to 24 hours.
pub const NETWORK_CAP: u8 = 3;
/// Visitors of one network class and day that count, in windows of 7 days.
pub const NETWORK_CAP_WEEK: u8 = 1;

/// Visitors by network class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<u16>")]
pub struct Crowd(BTreeMap<u16, u8>);

impl From<Vec<(u16, u8)>> for Crowd {
    fn from(classes: Vec<(u16, u8)>) -> Self {
        Self(classes.into_iter().collect())
    }
}

/// From a list of visitors, each by its class.
impl From<Vec<u16>> for Crowd {
    fn from(visitors: Vec<u16>) -> Self {
        let mut crowd = Self::default();
        for class in visitors {
            let count = crowd.0.entry(class).or_default();
            *count = count.saturating_add(1);
        }
        crowd
    }
}

impl Crowd {
    /// How many visitors count when a class counts `cap` at most.
    pub fn weight(&self, cap: u8) -> u32 {
        self.0.values().map(|&visitors| u32::from(visitors.min(cap))).sum()
    }

    /// How many classes its visitors are of.
    pub fn classes(&self) -> u64 {
        self.0.len() as u64
    }

    /// Takes in a crowd that shares no visitor with this one.
    pub fn add(&mut self, other: &Self) {
        for (class, visitors) in &other.0 {
            let mine = self.0.entry(*class).or_default();
            *mine = mine.saturating_add(*visitors);
        }
    }

    /// Takes in a crowd that may hold the same visitors: of each class at least the larger of the two is there. This is
    /// sound because a visitor is in one class.
    pub fn cover(&mut self, other: &Self) {
        for (class, visitors) in &other.0 {
            let mine = self.0.entry(*class).or_default();
            *mine = (*mine).max(*visitors);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_counts_up_to_its_cap() {
        let crowd = Crowd::from(vec![(1, 9), (2, 2), (3, 1)]);
        assert_eq!(crowd.weight(NETWORK_CAP), 6);
        assert_eq!(crowd.weight(NETWORK_CAP_WEEK), 3);
    }

    #[test]
    fn disjoint_crowds_add_up_and_overlapping_ones_only_cover() {
        let other = Crowd::from(vec![(1, 1), (2, 1)]);
        let mut sum = other.clone();
        sum.add(&other);
        assert_eq!(sum.weight(NETWORK_CAP), 4);
        let mut cover = other.clone();
        cover.cover(&other);
        assert_eq!(cover.weight(NETWORK_CAP), 2);
    }
}
