//! Deduplication: a retry of a beacon that was already accepted is answered, and counted, as a duplicate.
//!
//! This node remembers a beacon's (site, view, seq) for 30 minutes. It stores only a hash under a key that this process
//! alone has, and no value that the client chose. Memory is bounded by two generations of hashes. The older generation
//! is dropped as a whole after 30 minutes, or earlier if the younger one is full. A hash collision would make a new
//! beacon a duplicate; the chance is about one in 10¹³.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::generations::Generations;
use crate::secret::AsItIs;

const REMEMBERED_MS: i64 = 30 * 60 * 1000;
/// Hashes of one generation: what a table of a million slots holds, 9 MiB.
const GENERATION_MAX: usize = (1 << 20) / 8 * 7;

/// The beacons that were accepted, or are being written.
#[derive(Default)]
pub(super) struct Duplicates {
    hasher: RandomState,
    hashes: Mutex<Hashes>,
}

struct Hashes {
    /// Beacons that are being written now.
    writing: HashSet<u64, AsItIs>,
    durable: Generations<()>,
    /// When the younger generation was started, in milliseconds since 1970.
    started_at_ms: i64,
}

impl Default for Hashes {
    fn default() -> Self {
        Self { writing: HashSet::default(), durable: Generations::new(GENERATION_MAX), started_at_ms: 0 }
    }
}

/// The result of [`Duplicates::check`].
pub(super) enum Dedup {
    /// The beacon is new. The claim decides whether it is remembered.
    New(Claim),
    /// The beacon is durable already.
    Duplicate,
    /// Another request is writing the same beacon now.
    InFlight,
}

/// The right to store a new beacon. If it is dropped without [`Claim::durable`], the beacon is forgotten.
pub(super) struct Claim {
    duplicates: Arc<Duplicates>,
    hash: u64,
    durable: bool,
}

impl Duplicates {
    /// Looks a beacon up, and claims it if it is new.
    pub(super) fn check(self: &Arc<Self>, site: &str, view: &[u8; 16], seq: u16, now_ms: i64) -> Dedup {
        let hash = self.hasher.hash_one((view, seq, site));
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms - hashes.started_at_ms >= REMEMBERED_MS {
            hashes.durable.age();
            hashes.started_at_ms = now_ms;
        }
        if hashes.durable.get(hash).is_some() {
            Dedup::Duplicate
        } else if hashes.writing.insert(hash) {
            Dedup::New(Claim { duplicates: self.clone(), hash, durable: false })
        } else {
            Dedup::InFlight
        }
    }
}

impl Claim {
    /// Remembers the beacon: its rows are durable.
    pub(super) fn durable(mut self) {
        self.durable = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut hashes = self.duplicates.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.writing.remove(&self.hash);
        if self.durable {
            hashes.durable.insert(self.hash, ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_is_a_duplicate_once_it_is_durable_and_for_half_an_hour() {
        let duplicates = Arc::new(Duplicates::default());
        let check = |seq, minute: i64| duplicates.check("a.kz", &[1; 16], seq, minute * 60_000);
        let Dedup::New(claim) = check(0, 0) else { panic!("new") };
        assert!(matches!(check(0, 0), Dedup::InFlight));
        assert!(matches!(duplicates.check("b.kz", &[1; 16], 0, 0), Dedup::New(_)));
        claim.durable();
        assert!(matches!(check(0, 29), Dedup::Duplicate));
        let Dedup::New(failed) = check(1, 29) else { panic!("new") };
        drop(failed);
        assert!(matches!(check(1, 29), Dedup::New(_)), "a failed write is forgotten");
        assert!(matches!(check(0, 100), Dedup::Duplicate), "the beacon is in the old generation");
        assert!(matches!(check(0, 200), Dedup::New(_)));
    }
}
