//! First identities: what a browser without a cookie is called until its cookie comes back. Each is random.
//!
//! A first identity is remembered for ten minutes under (site, day, view id, network, agent), so the retries of a first
//! beacon, and other beacons that the page sends before it has the cookie, have the same one. A page chooses the view
//! id, so the view id alone gives nobody an identity: who repeats it from another network or with another agent is
//! somebody else. Who shares both can be given the same identity within the ten minutes.
//!
//! Memory holds hashes under a key that only this process has, and is bounded. A flood of views makes older ones be
//! forgotten. A restart forgets all, and other nodes do not know them. Then a retry is another browser, and the first is
//! never confirmed, so it is not counted.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;

use crate::event::Sender;
use crate::generations::Generations;
use crate::privacy::network_prefix;

const KEPT_MS: i64 = 10 * 60 * 1000;
/// Identities of one generation: some 10 MiB.
const GENERATION_MAX: usize = (1 << 18) / 8 * 7;

/// See the module.
pub(super) struct FirstIdentities {
    hasher: RandomState,
    /// Each with the time at which it was made.
    identities: Mutex<Generations<([u8; 16], i64)>>,
}

/// A beacon of a browser without a cookie.
pub(super) struct FirstBeacon<'a> {
    pub(super) site: &'a str,
    pub(super) day: Date,
    pub(super) view: &'a [u8; 16],
    pub(super) sender: &'a Sender,
}

impl Default for FirstIdentities {
    fn default() -> Self {
        Self { hasher: RandomState::new(), identities: Mutex::new(Generations::new(GENERATION_MAX)) }
    }
}

impl FirstIdentities {
    /// The identity of the browser that sends this; `None` without a source of random bytes.
    pub(super) fn of(&self, beacon: &FirstBeacon<'_>, now_ms: i64) -> Option<[u8; 16]> {
        let FirstBeacon { site, day, view, sender } = beacon;
        let network = network_prefix(*sender.address.expose());
        let key = self.hasher.hash_one((site, day, view, network, sender.user_agent.expose()));
        let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        // Also when somebody has ordered the clock back by more than that.
        let is_fresh = |(_, made_ms): &([u8; 16], i64)| (now_ms - made_ms).abs() < KEPT_MS;
        if let Some((identity, _)) = identities.get(key).filter(is_fresh) {
            return Some(identity);
        }
        let identity = random()?;
        identities.insert(key, (identity, now_ms));
        Some(identity)
    }
}

/// 128 random bits; `None` without a source of them.
pub(super) fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}
