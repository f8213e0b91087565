//! Deduplication: a retry of a beacon that was already accepted is answered, and counted, as a duplicate.
//!
//! This node remembers a beacon's (site, view, seq) for 30 minutes. It stores only a hash under a lasting key that lies
//! beside the day keys, and no value that the client chose. Nobody without the key can make two beacons collide. Memory
//! is bounded by two generations of hashes. The older generation is dropped as a whole after 30 minutes, or earlier if
//! the younger one is full. A hash collision would make a new beacon a duplicate; the chance is about one in 10¹³.
//!
//! The spool remembers the hashes over restarts (`Ticket::append_as`). A beacon without rows is not among them: it
//! would be without rows again. Nodes under one key say to each other what they take. What another node was writing when it got
//! out of reach may be durable there or not: a retry of it is in flight until that node says so, or for 30 seconds.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::generations::Generations;
use crate::secret::{AsItIs, Secret};

const REMEMBERED_MS: i64 = 30 * 60 * 1000;
/// Hashes of one generation: what a table of a million slots holds, 9 MiB.
const GENERATION_MAX: usize = (1 << 20) / 8 * 7;
/// How long it is waited for a node to say what became of a beacon. Then it is taken, and may count twice.
const UNDECIDED: Duration = Duration::from_secs(30);

/// The beacons that were accepted, or are being written.
pub struct Duplicates {
    key: Secret,
    hashes: Mutex<Hashes>,
}

struct Hashes {
    /// Beacons that are being written now.
    writing: HashSet<u64, AsItIs>,
    durable: Generations<()>,
    elsewhere: Vec<Elsewhere>,
}

/// What another node is writing now, a group commit at most.
#[derive(Default)]
struct Elsewhere {
    writing: HashSet<u64, AsItIs>,
    /// Since when the node is out of reach.
    lost: Option<Instant>,
}

/// The result of [`Duplicates::check`].
pub(super) enum Dedup {
    /// The beacon is new. The claim decides whether it is remembered.
    New(Claim),
    /// The beacon is durable already.
    Duplicate,
    /// Another request is writing the same beacon now, or another node may have it.
    InFlight,
}

/// The right to store a new beacon. If it is dropped without [`Claim::durable`], the beacon is forgotten.
pub(super) struct Claim {
    duplicates: Arc<Duplicates>,
    hash: u64,
    durable: bool,
}

impl Duplicates {
    /// Begins with hashes that a former process made under the same key, oldest first.
    pub(super) fn new(key: Secret, remembered: Vec<u64>, now_ms: i64) -> Self {
        let mut durable = Generations::aging(GENERATION_MAX, now_ms);
        remembered.into_iter().for_each(|hash| durable.insert(hash, ()));
        durable.age();
        let hashes = Hashes { writing: HashSet::default(), durable, elsewhere: Vec::new() };
        Self { key, hashes: Mutex::new(hashes) }
    }

    fn lock(&self) -> MutexGuard<'_, Hashes> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another node has these. A beacon that is being written here as well counts twice.
    pub fn kept_elsewhere(&self, hashes: &[u64]) {
        let mut own = self.lock();
        hashes.iter().for_each(|hash| own.durable.insert(*hash, ()));
    }

    /// A node is writing these.
    pub fn writing_elsewhere(&self, node: usize, hashes: &[u64]) {
        self.lock().elsewhere(node).writing.extend(hashes);
    }

    /// What a node was writing is durable there, or not.
    pub fn written_elsewhere(&self, node: usize, is_durable: bool) {
        let mut own = self.lock();
        let hashes = std::mem::take(&mut own.elsewhere(node).writing);
        if is_durable {
            hashes.into_iter().for_each(|hash| own.durable.insert(hash, ()));
        }
    }

    /// A node has said all that it has, and is writing nothing.
    pub fn in_step(&self, node: usize) {
        *self.lock().elsewhere(node) = Elsewhere::default();
    }

    /// A node is out of reach.
    pub fn lost(&self, node: usize) {
        self.lock().elsewhere(node).lost.get_or_insert_with(Instant::now);
    }

    /// Looks a beacon up, and claims it if it is new.
    pub(super) fn check(self: &Arc<Self>, site: &str, view: &[u8; 16], seq: u16, now_ms: i64) -> Dedup {
        let hash = self.hash(site, view, seq);
        let mut hashes = self.lock();
        hashes.durable.age_every(REMEMBERED_MS, now_ms);
        if hashes.durable.get(hash).is_some() {
            Dedup::Duplicate
        } else if hashes.is_undecided(hash) {
            Dedup::InFlight
        } else if hashes.writing.insert(hash) {
            Dedup::New(Claim { duplicates: self.clone(), hash, durable: false })
        } else {
            Dedup::InFlight
        }
    }

    fn hash(&self, site: &str, view: &[u8; 16], seq: u16) -> u64 {
        let hash = blake3::keyed_hash(self.key.expose(), &[&view[..], &seq.to_le_bytes(), site.as_bytes()].concat());
        u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }
}

impl Hashes {
    fn elsewhere(&mut self, node: usize) -> &mut Elsewhere {
        if self.elsewhere.len() <= node {
            self.elsewhere.resize_with(node + 1, Elsewhere::default);
        }
        &mut self.elsewhere[node]
    }

    /// Whether another node is writing it, or may have.
    fn is_undecided(&self, hash: u64) -> bool {
        let may_come = |lost: Option<Instant>| lost.is_none_or(|lost| lost.elapsed() < UNDECIDED);
        self.elsewhere.iter().any(|node| node.writing.contains(&hash) && may_come(node.lost))
    }
}

impl Claim {
    /// What the spool is to remember of the beacon.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Remembers the beacon: its rows are durable.
    pub(super) fn durable(mut self) {
        self.durable = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut hashes = self.duplicates.lock();
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
        let duplicates = Arc::new(Duplicates::new(Secret::new([7; 32]), Vec::new(), 0));
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

    #[test]
    fn what_a_former_process_made_durable_is_a_duplicate_for_half_an_hour_under_the_same_key_only() {
        let before = Arc::new(Duplicates::new(Secret::new([7; 32]), Vec::new(), 0));
        let claim = |site, view, seq| match before.check(site, &[view; 16], seq, 0) {
            Dedup::New(claim) => claim.hash(),
            _ => panic!("new"),
        };
        let hashes = vec![claim("a.kz", 1, 0), claim("a.kz", 1, 1), claim("b.kz", 2, 0)];
        let restarted = |key| Arc::new(Duplicates::new(Secret::new(key), hashes.clone(), 0));
        let after = restarted([7; 32]);
        let is_known = |site, view: u8, seq, minute: i64| {
            matches!(after.check(site, &[view; 16], seq, minute * 60_000), Dedup::Duplicate)
        };
        assert!(is_known("a.kz", 1, 0, 0) && is_known("a.kz", 1, 1, 29) && is_known("b.kz", 2, 0, 29));
        assert!(!is_known("b.kz", 1, 0, 29), "another site");
        assert!(!is_known("a.kz", 1, 2, 29), "another beacon");
        assert!(!is_known("a.kz", 1, 0, 30), "too old");
        assert!(
            matches!(restarted([8; 32]).check("a.kz", &[1; 16], 0, 0), Dedup::New(_)),
            "another start of the machine"
        );
    }

    #[test]
    fn what_another_node_writes_is_in_flight_until_it_says_what_became_of_it_or_is_lost_for_long() {
        let duplicates = Arc::new(Duplicates::new(Secret::new([7; 32]), Vec::new(), 0));
        let hashes: Vec<_> = (0..4).map(|seq| duplicates.hash("a.kz", &[1; 16], seq)).collect();
        let check = |seq| duplicates.check("a.kz", &[1; 16], seq, 0);
        duplicates.kept_elsewhere(&hashes[..1]);
        assert!(matches!(check(0), Dedup::Duplicate));
        duplicates.writing_elsewhere(1, &hashes[1..2]);
        duplicates.writing_elsewhere(1, &hashes[2..3]);
        duplicates.writing_elsewhere(0, &hashes[3..]);
        assert!((1..4).all(|seq| matches!(check(seq), Dedup::InFlight)));
        duplicates.written_elsewhere(1, true);
        assert!(matches!(check(1), Dedup::Duplicate) && matches!(check(2), Dedup::Duplicate));
        duplicates.written_elsewhere(0, false);
        assert!(matches!(check(3), Dedup::New(_)), "it is not there");
        duplicates.writing_elsewhere(0, &hashes[3..]);
        duplicates.lost(0);
        duplicates.lost(0);
        assert!(matches!(check(3), Dedup::InFlight), "nobody knows");
        duplicates.lock().elsewhere(0).lost = Instant::now().checked_sub(UNDECIDED);
        duplicates.lost(0);
        assert!(matches!(check(3), Dedup::New(_)), "nobody will know");
        duplicates.in_step(0);
        duplicates.writing_elsewhere(0, &hashes[3..]);
        assert!(matches!(check(3), Dedup::InFlight), "it is there again");
        duplicates.in_step(0);
        assert!(matches!(check(3), Dedup::New(_)), "it was not there");
    }

    #[test]
    fn a_clock_that_is_ordered_back_keeps_nothing_longer() {
        let duplicates = Arc::new(Duplicates::new(Secret::new([7; 32]), Vec::new(), 1_000 * REMEMBERED_MS));
        let check = |now_ms| duplicates.check("a.kz", &[1; 16], 0, now_ms);
        let Dedup::New(claim) = check(0) else { panic!("new") };
        claim.durable();
        assert!(matches!(check(REMEMBERED_MS - 1), Dedup::Duplicate));
        assert!(matches!(check(2 * REMEMBERED_MS), Dedup::Duplicate), "the older generation");
        assert!(matches!(check(3 * REMEMBERED_MS), Dedup::New(_)));
    }
}
