//! Running visits: what the newest cookies say that this node has set, for at least ten minutes.
//!
//! Two pages of a browser can be answered in any order: the one that is left and the next one, or two tabs. Then the cookie
//! that comes back may be the older one. This memory makes the next view count on from the newest, and no answer sets a cookie
//! that is older than one that was set before.
//!
//! Identities are known by a hash under a key that only this process has. Memory is bounded: a flood of visitors makes old
//! visits be forgotten. A restart forgets all, and other nodes do not know them: then the cookie is all there is.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::generations::Generations;
use crate::privacy::cookie::{Cookie, Visit};

/// The older generation is forgotten this often.
const AGE_EVERY_MS: i64 = 10 * 60 * 1000;
/// Visits of one generation: some 4 MiB.
const GENERATION_MAX: usize = (1 << 18) / 8 * 7;

/// See the module.
pub(super) struct RunningVisits {
    hasher: RandomState,
    visits: Mutex<Generations<Visit>>,
}

impl RunningVisits {
    /// Nothing yet.
    pub(super) fn new(now_ms: i64) -> Self {
        Self { hasher: RandomState::new(), visits: Mutex::new(Generations::aging(GENERATION_MAX, now_ms)) }
    }

    /// The visit of today that an identity has, as far as this node knows.
    pub(super) fn of(&self, identity: &[u8; 16], now_ms: i64) -> Option<Visit> {
        let key = self.hasher.hash_one(identity);
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.age_every(AGE_EVERY_MS, now_ms);
        visits.get(key)
    }

    /// Remembers the visit of a cookie that is about to be set, and brings the cookie up to what others have set meanwhile.
    pub(super) fn settle(&self, cookie: &mut Cookie) {
        let (identity, visit) = cookie.visit();
        let key = self.hasher.hash_one(identity);
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = visits.get(key).map_or(visit, |known| visit.newest(known));
        visits.insert(key, newest);
        drop(visits);
        cookie.catch_up(newest);
    }
}
