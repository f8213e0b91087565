//! How many people stand behind a number, as far as the publishing rules care: confirmed visitors by network class.
//!
//! A class is one byte of the hashed network; in windows of 7 days, the byte and the day. Each class counts up to a cap, so
//! that whoever has one network cannot fill a cell alone. A crowd may hold fewer visitors than there are (the query names two
//! hundred per slice at most, far more than have to be there): its weight is a lower bound, never too high.

use serde::Deserialize;

/// Visitors of one network class that count, in windows of up to 24 hours.
pub const NETWORK_CAP: u8 = 3;
/// Visitors of one network class and day that count, in windows of 7 days.
pub const NETWORK_CAP_WEEK: u8 = 1;

/// Visitors by network class: the classes in order, which is several times cheaper to add up than a tree, and a day of ten
/// million events has forty million to add.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<u16>")]
pub struct Crowd(Vec<(u16, u8)>);

/// From a list of visitors, each by its class.
impl From<Vec<u16>> for Crowd {
    fn from(mut visitors: Vec<u16>) -> Self {
        visitors.sort_unstable();
        let of_class = |alike: &[u16]| (alike[0], u8::try_from(alike.len()).unwrap_or(u8::MAX));
        Self(visitors.chunk_by(PartialEq::eq).map(of_class).collect())
    }
}

impl Crowd {
    /// How many visitors count when a class counts `cap` at most.
    pub fn weight(&self, cap: u8) -> u32 {
        self.0.iter().map(|&(_, visitors)| u32::from(visitors.min(cap))).sum()
    }

    /// How many classes its visitors are of.
    pub fn classes(&self) -> u64 {
        self.0.len() as u64
    }

    /// Takes in a crowd that shares no visitor with this one.
    pub fn add(&mut self, other: &Self) {
        self.join(other, u8::saturating_add);
    }

    /// Takes in a crowd that may hold the same visitors: of each class at least the larger of the two is there. This is
    /// sound because a visitor is in one class.
    pub fn cover(&mut self, other: &Self) {
        self.join(other, u8::max);
    }

    fn join(&mut self, other: &Self, both: impl Fn(u8, u8) -> u8) {
        if other.0.is_empty() {
            return;
        }
        let mine = std::mem::take(&mut self.0);
        self.0.reserve(mine.len().max(other.0.len()));
        let (mut mine, mut theirs) = (mine.into_iter().peekable(), other.0.iter().copied().peekable());
        while let (Some(&(my_class, my_visitors)), Some(&(their_class, their_visitors))) = (mine.peek(), theirs.peek())
        {
            self.0.push(if my_class < their_class {
                (my_class, my_visitors)
            } else if my_class > their_class {
                (their_class, their_visitors)
            } else {
                (my_class, both(my_visitors, their_visitors))
            });
            mine.next_if(|_| my_class <= their_class);
            theirs.next_if(|_| their_class <= my_class);
        }
        self.0.extend(mine.chain(theirs));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Classes and how many visitors each has, for tests.
    impl From<Vec<(u16, u8)>> for Crowd {
        fn from(classes: Vec<(u16, u8)>) -> Self {
            Self(classes.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())
        }
    }

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

    proptest! {
        #[test]
        fn joining_is_what_joining_class_by_class_is(
            mine in prop::collection::vec(0u16..60, 0..80), theirs in prop::collection::vec(0u16..60, 0..80),
        ) {
            let count = |visitors: &[u16], class: u16| visitors.iter().filter(|of| **of == class).count();
            let (mut sum, mut cover) = (Crowd::from(mine.clone()), Crowd::from(mine.clone()));
            sum.add(&Crowd::from(theirs.clone()));
            cover.cover(&Crowd::from(theirs.clone()));
            let by = |joined: &dyn Fn(usize, usize) -> usize| -> Vec<(u16, u8)> {
                let classes = (0..60).map(|class| (class, joined(count(&mine, class), count(&theirs, class)) as u8));
                classes.filter(|(_, visitors)| *visitors > 0).collect()
            };
            prop_assert_eq!(sum.0, by(&|one, other| one + other));
            prop_assert_eq!(cover.0, by(&|one, other| one.max(other)));
        }
    }
}
