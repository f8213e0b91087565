//! A bounded memory of classified agents, so that a common agent is read once and not for each beacon.
//!
//! The key is a hash of 8 bytes (SipHash) under a key that this process made at its start: no agent can be read back from
//! here, and nobody can make two that hash alike.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::generations::Generations;

const SHARDS: usize = 8;

/// Entries of one generation of one shard: 8 × 2 × 1,024 entries of about 100 bytes are the most that is held.
const GENERATION: usize = 1_024;

/// See the module.
pub(super) struct Cache<V> {
    hasher: RandomState,
    shards: [Mutex<Generations<V>>; SHARDS],
}

impl<V: Copy> Cache<V> {
    pub(super) fn new() -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Generations::new(GENERATION)));
        Self { hasher: RandomState::new(), shards }
    }

    /// What was remembered for `parts`, else what `make` says, which is then remembered.
    pub(super) fn get_or_make(&self, parts: &[&[u8]], make: impl FnOnce() -> V) -> V {
        let key = self.hash(parts);
        let shard = &self.shards[(key >> 32) as usize % SHARDS];
        // A panic while the lock was held cannot leave a half-written map: inserting is the last act.
        let lock = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = lock().young(key) {
            return value;
        }
        let found = lock().get(key);
        // Made outside of the lock, so that a slow agent delays nobody.
        let value = found.unwrap_or_else(make);
        lock().insert(key, value);
        value
    }

    /// Slices are hashed with their lengths, so that none can borrow bytes from its neighbour.
    fn hash(&self, parts: &[&[u8]]) -> u64 {
        self.hasher.hash_one(parts)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let count = |shard: &Mutex<Generations<V>>| shard.lock().expect("no test panics under the lock").len();
        self.shards.iter().map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_value_is_made_once_and_parts_do_not_run_together() {
        let cache = Cache::new();
        let made = Cell::new(0);
        let ask = |parts: &[&[u8]]| {
            cache.get_or_make(parts, || {
                made.set(made.get() + 1);
                made.get()
            })
        };
        assert_eq!((ask(&[b"ab", b"c"]), ask(&[b"ab", b"c"])), (1, 1));
        assert_eq!(ask(&[b"a", b"bc"]), 2);
        assert_eq!(ask(&[b"abc"]), 3);
    }

    #[test]
    fn a_flood_costs_no_memory_and_what_is_in_use_survives_it() {
        let cache = Cache::new();
        for number in 0..40_000u32 {
            assert_eq!(cache.get_or_make(&[&number.to_le_bytes()], || number), number);
            assert_eq!(cache.get_or_make(&[b"in use"], || number), 0, "forgotten after {number}");
        }
        assert!(cache.len() <= SHARDS * 2 * GENERATION, "{}", cache.len());
    }
}
