//! A bounded memory: two generations of entries, of which the older is forgotten as a whole.
//!
//! Keys are hashes of 8 bytes, made under a key that only this process has. What is asked for again moves to the younger
//! generation, so it survives. A flood of new keys makes older entries be forgotten sooner; it never takes more memory.

use std::collections::HashMap;

use crate::secret::AsItIs;

/// At most twice `max` entries.
pub(crate) struct Generations<V> {
    max: usize,
    young: HashMap<u64, V, AsItIs>,
    old: HashMap<u64, V, AsItIs>,
    /// When [`Generations::age_every`] last let it age, in milliseconds.
    aged_at_ms: i64,
}

impl<V: Copy> Generations<V> {
    /// Nothing yet; a generation that has `max` entries becomes the older one.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, young: HashMap::default(), old: HashMap::default(), aged_at_ms: 0 }
    }

    /// The same for a memory that also ages by time, from `now_ms` on.
    pub(crate) fn aging(max: usize, now_ms: i64) -> Self {
        Self { aged_at_ms: now_ms, ..Self::new(max) }
    }

    /// Ages if that was last done so long ago; also when somebody has ordered the clock back by more than that.
    pub(crate) fn age_every(&mut self, every_ms: i64, now_ms: i64) {
        if (now_ms - self.aged_at_ms).abs() >= every_ms {
            self.age();
            self.aged_at_ms = now_ms;
        }
    }

    /// The value, if it is in the younger generation: then it need not be inserted again to survive.
    pub(crate) fn young(&self, key: u64) -> Option<V> {
        self.young.get(&key).copied()
    }

    /// The value of either generation.
    pub(crate) fn get(&self, key: u64) -> Option<V> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    /// Remembers a value in the younger generation.
    pub(crate) fn insert(&mut self, key: u64, value: V) {
        if self.young.len() >= self.max {
            self.age();
        }
        self.young.insert(key, value);
    }

    /// Forgets the older generation; the younger one takes its place.
    pub(crate) fn age(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_what_is_inserted_again_survives() {
        let mut known = Generations::new(10);
        for key in 0..1_000 {
            known.insert(key, key);
            known.insert(u64::MAX, 0);
            assert!(known.len() <= 20);
            assert_eq!((known.get(key), known.get(u64::MAX)), (Some(key), Some(0)));
        }
        assert_eq!(known.get(0), None);
        known.age();
        assert_eq!(known.get(999), Some(999));
        known.age();
        assert_eq!(known.len(), 0);
    }
}
