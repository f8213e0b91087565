//! Beacons that were seen before: a retry whose first try arrived is answered, and counted, as a duplicate.
//!
//! A beacon is known by (site, view, seq) for 30 minutes on this node, as a hash under a key that only this process has, so
//! that no value which the client chose is held. Memory is bounded: two generations of hashes, the older of which is
//! forgotten as a whole, earlier than after 30 minutes if a generation is full. That two beacons have one hash, and the second
//! is taken for a retry, happens once in ten million million.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::secret::AsItIs;

const REMEMBERED_MS: i64 = 30 * 60 * 1000;
/// Hashes of a generation: what a table of a million places holds, 9 MiB.
const GENERATION_MAX: usize = (1 << 20) / 8 * 7;

/// The beacons that were seen.
#[derive(Default)]
pub(super) struct Duplicates {
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Being written right now.
    writing: Hashes,
    young: Hashes,
    old: Hashes,
    turned_at_ms: i64,
}

type Hashes = HashSet<u64, AsItIs>;

/// What is known of a beacon.
pub(super) enum Seeing {
    /// It is new. Its outcome is told through the guard.
    First(Claim),
    /// It is durable already.
    Again,
    /// It is being written right now.
    InFlight,
}

/// The claim on a new beacon. Dropped without [`Claim::durable`], the beacon is as if never seen.
pub(super) struct Claim {
    of: Arc<Duplicates>,
    hash: u64,
    durable: bool,
}

impl Duplicates {
    /// Looks a beacon up and claims it if it is new.
    pub(super) fn see(self: &Arc<Self>, site: &str, view: &[u8; 16], seq: u16, now_ms: i64) -> Seeing {
        let hash = self.hasher.hash_one((view, seq, site));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms - seen.turned_at_ms >= REMEMBERED_MS || seen.young.len() >= GENERATION_MAX {
            seen.old = std::mem::take(&mut seen.young);
            seen.turned_at_ms = now_ms;
        }
        if seen.young.contains(&hash) || seen.old.contains(&hash) {
            Seeing::Again
        } else if seen.writing.insert(hash) {
            Seeing::First(Claim { of: self.clone(), hash, durable: false })
        } else {
            Seeing::InFlight
        }
    }
}

impl Claim {
    /// The beacon is durable.
    pub(super) fn durable(mut self) {
        self.durable = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut seen = self.of.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.writing.remove(&self.hash);
        if self.durable {
            seen.young.insert(self.hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_is_a_duplicate_once_it_is_durable_and_for_half_an_hour() {
        let seen = Arc::new(Duplicates::default());
        let see = |seq, minute: i64| seen.see("a.kz", &[1; 16], seq, minute * 60_000);
        let Seeing::First(claim) = see(0, 0) else { panic!("new") };
        assert!(matches!(see(0, 0), Seeing::InFlight));
        assert!(matches!(seen.see("b.kz", &[1; 16], 0, 0), Seeing::First(_)));
        claim.durable();
        assert!(matches!(see(0, 29), Seeing::Again));
        let Seeing::First(failed) = see(1, 29) else { panic!("new") };
        drop(failed);
        assert!(matches!(see(1, 29), Seeing::First(_)), "a failed write leaves nothing");
        assert!(matches!(see(0, 100), Seeing::Again), "the generation turns once");
        assert!(matches!(see(0, 200), Seeing::First(_)));
    }
}
