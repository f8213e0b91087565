//! Contributions: of one named event, a visitor's first three of a day are kept. So what one visitor adds to a published number is
//! bounded where it enters, and a page cannot mark somebody by repeating an event.
//!
//! The counts are in memory, under hashes that only this process can make. Memory is bounded, so a flood of visitors makes old
//! counts be forgotten. A restart forgets all, and other nodes do not know them: then three more are kept. Events that could not be
//! stored are given back, so that they may be sent again.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::generations::Generations;

/// Events of one name that a visitor adds in a day.
pub const EVENTS_OF_A_NAME: u8 = 3;
/// Counts of one generation: some 10 MiB.
const GENERATION_MAX: usize = (1 << 18) / 8 * 7;

/// How many events of each name the visitors have sent today.
pub(super) struct Contributions {
    hasher: RandomState,
    counts: Mutex<Generations<u8>>,
}

/// Events that are about to be stored. Dropped without [`Reserved::durable`], they are given back.
pub(super) struct Reserved {
    contributions: Arc<Contributions>,
    keys: Vec<u64>,
}

impl Default for Contributions {
    fn default() -> Self {
        Self { hasher: RandomState::new(), counts: Mutex::new(Generations::new(GENERATION_MAX)) }
    }
}

impl Contributions {
    /// Nothing yet.
    pub(super) fn reserve(self: &Arc<Self>) -> Reserved {
        Reserved { contributions: self.clone(), keys: Vec::new() }
    }

    fn change(&self, key: u64, change: impl FnOnce(u8) -> Option<u8>) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(counts.get(key).unwrap_or(0));
        if let Some(count) = changed {
            counts.insert(key, count);
        }
        changed.is_some()
    }
}

impl Reserved {
    /// Whether one more event of this name may be kept. What names the visitor is of one day.
    pub(super) fn admit(&mut self, visitor: impl Hash, name: &str) -> bool {
        let key = self.contributions.hasher.hash_one((visitor, name));
        let is_admitted = self.contributions.change(key, |count| (count < EVENTS_OF_A_NAME).then(|| count + 1));
        if is_admitted {
            self.keys.push(key);
        }
        is_admitted
    }

    /// The events are stored.
    pub(super) fn durable(mut self) {
        self.keys.clear();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            self.contributions.change(key, |count| Some(count.saturating_sub(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::pseudonymous::Pseudonym;

    fn admitted(contributions: &Arc<Contributions>, visitor: u8, name: &str, many: u32, is_durable: bool) -> u32 {
        let mut reserved = contributions.reserve();
        let admitted = (0..many).map(|_| u32::from(reserved.admit(Pseudonym::made_up([visitor; 16]), name))).sum();
        if is_durable {
            reserved.durable();
        }
        admitted
    }

    #[test]
    fn three_of_a_name_are_kept_and_what_could_not_be_stored_does_not_count() {
        let contributions = Arc::<Contributions>::default();
        assert_eq!(admitted(&contributions, 1, "paid", 9, false), 3);
        assert_eq!(admitted(&contributions, 1, "paid", 2, true), 2);
        assert_eq!(admitted(&contributions, 1, "paid", 9, false), 1);
        assert_eq!(admitted(&contributions, 1, "paid", 9, true), 1);
        assert_eq!(admitted(&contributions, 1, "paid", 9, true), 0);
        assert_eq!(admitted(&contributions, 1, "cart", 9, true), 3, "another name");
        assert_eq!(admitted(&contributions, 2, "paid", 9, true), 3, "another visitor");
    }

    #[test]
    fn two_requests_at_once_share_the_bound() {
        let contributions = Arc::<Contributions>::default();
        let visitor = Pseudonym::made_up([1; 16]);
        let (mut one, mut other) = (contributions.reserve(), contributions.reserve());
        let admitted = (0..5).map(|_| u32::from(one.admit(visitor, "paid")) + u32::from(other.admit(visitor, "paid")));
        assert_eq!(admitted.sum::<u32>(), 3);
    }
}
