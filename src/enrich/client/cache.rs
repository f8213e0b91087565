//! A bounded memory of what agents turned out to be, so that the common ones are read once and not per beacon.
//!
//! The key is a hash of 8 bytes (SipHash) under a key that this process drew at its start and keeps to itself: no agent
//! can be read back from here, and nobody can make two that hash alike. Each shard keeps two generations of
//! at most [`GENERATION`] entries; a full younger one becomes the older, which is forgotten. What is in use survives,
//! and a flood of made-up agents costs the forgetting of the others, never memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::secret::AsItIs;

const SHARDS: usize = 8;

/// Entries of one generation of one shard: 8 × 2 × 1,024 entries of about 100 bytes are the most that is held.
const GENERATION: usize = 1_024;

type Key = u64;

type Known<V> = HashMap<Key, V, AsItIs>;

/// See the module.
pub(super) struct Cache<V> {
    hasher: RandomState,
    shards: [Mutex<Generations<V>>; SHARDS],
}

struct Generations<V> {
    young: Known<V>,
    old: Known<V>,
}

impl<V: Copy> Cache<V> {
    pub(super) fn new() -> Self {
        let empty = || Mutex::new(Generations { young: Known::default(), old: Known::default() });
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| empty()) }
    }

    /// What was remembered for `parts`, else what `make` says, which is then remembered.
    pub(super) fn get_or_make(&self, parts: &[&[u8]], make: impl FnOnce() -> V) -> V {
        let key = self.hash(parts);
        let shard = &self.shards[(key >> 32) as usize % SHARDS];
        // A panic while the lock was held cannot leave a half-written map: inserting is the last act.
        let lock = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        let found = {
            let generations = lock();
            if let Some(value) = generations.young.get(&key) {
                return *value;
            }
            generations.old.get(&key).copied()
        };
        // Made outside the lock, so that a slow agent holds up nobody.
        let value = found.unwrap_or_else(make);
        let mut generations = lock();
        if generations.young.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, value);
        value
    }

    /// Slices are hashed with their lengths, so that none can borrow bytes from its neighbour.
    fn hash(&self, parts: &[&[u8]]) -> Key {
        self.hasher.hash_one(parts)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let count = |shard: &Mutex<Generations<V>>| {
            let generations = shard.lock().expect("no test panics under the lock");
            generations.young.len() + generations.old.len()
        };
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
