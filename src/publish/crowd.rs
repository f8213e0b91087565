//! The crowd of a cell: its confirmed visitors by network class. Its weight is compared with the threshold (k-anonymity).
//!
//! A network class is one byte of the hashed network; in windows of 7 days, the byte and the day. Each class counts up to a cap,
//! so that one network cannot fill a cell alone. Two bits beside the class say whether the day is the visitor's first of its week and
//! of its month, for crowds that grow over days ([`super::carry`]). A crowd may hold fewer visitors than there are, since the query returns at most
//! two hundred per slice, which is far more than the threshold. So its weight is a lower bound and never too high.

use serde::Deserialize;

/// Visitors of one network class that count, in windows of up to 24 hours.
pub const NETWORK_CAP: u8 = 3;
/// Visitors of one network class and day that count, in windows of 7 days.
pub const NETWORK_CAP_WEEK: u8 = 1;

/// The bit of a visitor whose day is the first of its ISO week; `queries::class` has the same numbers.
pub const FIRST_OF_WEEK: u16 = 1 << 14;
/// The bit of a visitor whose day is the first of its month.
pub const FIRST_OF_MONTH: u16 = 1 << 15;

/// Visitors by network class and bits, the classes in order: the bits come last. A sorted list is added up several times faster than a
/// tree, and a day of ten million events needs forty million additions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<u16>")]
pub struct Crowd(Vec<(u16, u8)>);

/// From a list with the class of each visitor, and its bits.
impl From<Vec<u16>> for Crowd {
    fn from(mut visitors: Vec<u16>) -> Self {
        visitors.iter_mut().for_each(|class| *class = class.rotate_left(2));
        visitors.sort_unstable();
        let of_class = |alike: &[u16]| (alike[0], u8::try_from(alike.len()).unwrap_or(u8::MAX));
        Self(visitors.chunk_by(PartialEq::eq).map(of_class).collect())
    }
}

impl Crowd {
    /// How many visitors count, if each class counts up to `cap`.
    pub fn weight(&self, cap: u8) -> u32 {
        let of_class = |alike: &[(u16, u8)]| alike.iter().map(|of| u32::from(of.1)).sum::<u32>().min(cap.into());
        self.by_class().map(of_class).sum()
    }

    /// How many network classes its visitors have.
    pub fn classes(&self) -> u64 {
        self.by_class().count() as u64
    }

    /// How many network classes have a visitor with this bit.
    pub fn first_of(&self, bit: u16) -> u64 {
        let bit = bit.rotate_left(2);
        self.by_class().filter(|alike| alike.iter().any(|of| of.0 & bit != 0)).count() as u64
    }

    /// Decides anew for each visitor whether the day is the first of its week, and of its month.
    pub(super) fn with_first_days(&mut self, mut is_first: impl FnMut() -> [bool; 2]) {
        let visitors =
            self.0.iter().flat_map(|(class, visitors)| std::iter::repeat_n(class.rotate_right(2), (*visitors).into()));
        let decided = visitors.map(|visitor| {
            let [week, month] = is_first().map(u16::from);
            (visitor & !(FIRST_OF_WEEK | FIRST_OF_MONTH)) | (FIRST_OF_WEEK * week) | (FIRST_OF_MONTH * month)
        });
        *self = decided.collect::<Vec<_>>().into();
    }

    fn by_class(&self) -> impl Iterator<Item = &[(u16, u8)]> {
        self.0.chunk_by(|one, other| one.0 >> 2 == other.0 >> 2)
    }

    /// Adds a crowd that shares no visitor with this one.
    pub fn add(&mut self, other: &Self) {
        self.join(other, u8::saturating_add);
    }

    /// Adds a crowd that may have the same visitors: each class has at least the larger of the two numbers. This is correct
    /// because a visitor is in one class.
    pub fn cover(&mut self, other: &Self) {
        self.join(other, u8::max);
    }

    fn join(&mut self, other: &Self, both: impl Fn(u8, u8) -> u8) {
        if other.0.is_empty() {
            return;
        }
        let own = std::mem::take(&mut self.0);
        self.0.reserve(own.len().max(other.0.len()));
        let (mut own, mut other) = (own.into_iter().peekable(), other.0.iter().copied().peekable());
        while let (Some(&(own_class, own_visitors)), Some(&(other_class, other_visitors))) = (own.peek(), other.peek())
        {
            self.0.push(if own_class < other_class {
                (own_class, own_visitors)
            } else if own_class > other_class {
                (other_class, other_visitors)
            } else {
                (own_class, both(own_visitors, other_visitors))
            });
            own.next_if(|_| own_class <= other_class);
            other.next_if(|_| other_class <= own_class);
        }
        self.0.extend(own.chain(other));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// From pairs of a class and its number of visitors, for tests.
    impl From<Vec<(u16, u8)>> for Crowd {
        fn from(classes: Vec<(u16, u8)>) -> Self {
            let classes: BTreeMap<_, _> = classes.into_iter().map(|(class, of)| (class << 2, of)).collect();
            Self(classes.into_iter().collect())
        }
    }

    #[test]
    fn a_class_counts_once_whatever_the_bits_of_its_visitors_are() {
        let crowd = Crowd::from(vec![5, 5 | FIRST_OF_WEEK, 5 | FIRST_OF_WEEK | FIRST_OF_MONTH, 6, 7 | FIRST_OF_WEEK]);
        assert_eq!((crowd.weight(NETWORK_CAP), crowd.weight(NETWORK_CAP_WEEK), crowd.classes()), (5, 3, 3));
        assert_eq!((crowd.first_of(FIRST_OF_WEEK), crowd.first_of(FIRST_OF_MONTH)), (2, 1));
    }

    #[test]
    fn a_class_counts_up_to_its_cap() {
        let crowd = Crowd::from(vec![(1, 9), (2, 2), (3, 1)]);
        assert_eq!(crowd.weight(NETWORK_CAP), 6);
        assert_eq!(crowd.weight(NETWORK_CAP_WEEK), 3);
    }

    #[test]
    fn disjoint_crowds_are_added_and_overlapping_ones_keep_the_larger_number() {
        let other = Crowd::from(vec![(1, 1), (2, 1)]);
        let mut sum = other.clone();
        sum.add(&other);
        assert_eq!(sum.weight(NETWORK_CAP), 4);
        let mut cover = other.clone();
        cover.cover(&other);
        assert_eq!(cover.weight(NETWORK_CAP), 2);
    }

    proptest! {
        #[test]
        fn two_crowds_are_joined_class_by_class(
            own in prop::collection::vec(0u16..60, 0..80), other in prop::collection::vec(0u16..60, 0..80),
        ) {
            let count = |visitors: &[u16], class: u16| visitors.iter().filter(|of| **of == class).count();
            let (mut sum, mut cover) = (Crowd::from(own.clone()), Crowd::from(own.clone()));
            sum.add(&Crowd::from(other.clone()));
            cover.cover(&Crowd::from(other.clone()));
            let by = |joined: &dyn Fn(usize, usize) -> usize| -> Vec<(u16, u8)> {
                let classes = (0..60).map(|class| (class << 2, joined(count(&own, class), count(&other, class)) as u8));
                classes.filter(|(_, visitors)| *visitors > 0).collect()
            };
            prop_assert_eq!(sum.0, by(&|one, other| one + other));
            prop_assert_eq!(cover.0, by(&|one, other| one.max(other)));
        }
    }
}
