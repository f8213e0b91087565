//! Beacons that were seen before: a retry whose first try arrived is answered, and counted, as a duplicate.
//!
//! A beacon is known by (site, view, seq) for 30 minutes on this node, as a hash under a key that only this process has, so
//! that no value which the client chose is held. Memory is bounded: two generations of entries, the older of which is
//! forgotten as a whole, earlier than after 30 minutes if a generation is full.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::secret::Secret;

const REMEMBERED_MS: i64 = 30 * 60 * 1000;
/// Entries of a generation: about 50 MiB for both.
const GENERATION_MAX: usize = 1_000_000;

/// The beacons that were seen.
pub(super) struct Duplicates {
    key: Secret,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    young: HashMap<u128, State>,
    old: HashMap<u128, State>,
    turned_at_ms: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Writing,
    Durable,
}

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
    hash: u128,
    durable: bool,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self { key: Secret::random(), seen: Mutex::default() }
    }
}

impl Duplicates {
    /// Looks a beacon up and claims it if it is new.
    pub(super) fn see(self: &Arc<Self>, site: &str, view: &[u8; 16], seq: u16, now_ms: i64) -> Seeing {
        let mut hasher = blake3::Hasher::new_keyed(self.key.expose());
        hasher.update(view).update(&seq.to_le_bytes()).update(site.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let hash = u128::from_le_bytes(half);

        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms - seen.turned_at_ms >= REMEMBERED_MS || seen.young.len() >= GENERATION_MAX {
            seen.old = std::mem::take(&mut seen.young);
            seen.turned_at_ms = now_ms;
        }
        match seen.young.get(&hash).or_else(|| seen.old.get(&hash)) {
            Some(State::Durable) => Seeing::Again,
            Some(State::Writing) => Seeing::InFlight,
            None => {
                seen.young.insert(hash, State::Writing);
                Seeing::First(Claim { of: self.clone(), hash, durable: false })
            }
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
        seen.old.remove(&self.hash);
        seen.young.remove(&self.hash);
        if self.durable {
            seen.young.insert(self.hash, State::Durable);
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
