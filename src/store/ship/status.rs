//! What the shipper shows of itself: rows by outcome, and what it is waiting for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::store::{Class, StoreError};

/// What happens to rows, as it happens; since the start. A round that comes again after a crash or a stop counts again,
/// and one that is not finished counts already: the books of rows, which balance, are the spool's ([`Books`]).
///
/// [`Books`]: crate::spool::Books
#[derive(Debug, Default)]
pub struct ShipCounts {
    /// Rows known to be in the vault.
    pub stored: AtomicU64,
    /// Rows too old to keep, never sent.
    pub expired: AtomicU64,
    /// Rows that the vault refuses, now in a dead-letter file.
    pub dead_lettered: AtomicU64,
    /// Rows whose bytes the spool's disk had lost.
    pub lost: AtomicU64,
    /// Inserts that were tried again.
    pub retries: AtomicU64,
    /// Orders to erase that were obeyed.
    pub erasures: AtomicU64,
    /// Rounds that were finished.
    pub rounds: AtomicU64,
}

impl ShipCounts {
    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Why nothing moves.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Since when.
    pub since: Instant,
    /// Whose turn it is.
    pub class: Class,
    /// A short stable name: ClickHouse's for its error, or one of our own.
    pub name: &'static str,
    /// What happened, where, what to do. Free of data.
    pub message: String,
}

/// What a trouble is about. Each passes by itself; the order is that of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Topic {
    /// Reading the spool, or understanding what it holds.
    Spool,
    /// The batch of this value.
    Batch(u64),
    /// The order to erase of this sequence.
    Erasure(u64),
    /// The lease.
    Lease,
}

/// The shipper's state, shared with metrics and readiness.
#[derive(Debug, Default)]
pub struct ShipStatus {
    /// Rows by outcome.
    pub counts: ShipCounts,
    /// At most one per batch under way, and a few.
    troubles: Mutex<BTreeMap<Topic, Trouble>>,
}

impl ShipStatus {
    /// What the shipper is waiting for, the oldest first among what needs somebody; `None` while all is well.
    pub fn trouble(&self) -> Option<Trouble> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.values().min_by_key(|trouble| (trouble.class == Class::Theirs, trouble.since)).cloned()
    }

    /// Notes a failure, and says so when its like is not known already. `since` is kept while the trouble lasts.
    pub(in crate::store) fn report(&self, topic: Topic, error: &StoreError) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if !troubles.values().any(|known| known.name == error.name) {
            match error.class {
                Class::Theirs => tracing::info!(error = error.name, "waiting: {}", error.message),
                Class::Ours | Class::Final => tracing::warn!(error = error.name, "held: {}", error.message),
            }
        }
        let since = troubles.get(&topic).map_or_else(Instant::now, |known| known.since);
        let trouble = Trouble { since, class: error.class, name: error.name, message: error.message.clone() };
        troubles.insert(topic, trouble);
    }

    /// Notes that it goes on.
    pub(in crate::store) fn clear(&self, topic: Topic) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(was) = troubles.remove(&topic)
            && troubles.is_empty()
        {
            tracing::info!(error = was.name, waited_s = was.since.elapsed().as_secs(), "shipping goes on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class, name: &'static str) -> StoreError {
        StoreError { class, code: None, name, message: name.to_owned() }
    }

    #[test]
    fn what_goes_on_does_not_hide_what_is_held() {
        let status = ShipStatus::default();
        status.report(Topic::Batch(1), &error(Class::Theirs, "timeout"));
        status.report(Topic::Batch(2), &error(Class::Ours, "UNKNOWN_TABLE"));
        status.report(Topic::Lease, &error(Class::Theirs, "network"));
        status.clear(Topic::Batch(3));
        assert_eq!(status.trouble().map(|trouble| trouble.name), Some("UNKNOWN_TABLE"));
        let since = status.trouble().map(|trouble| trouble.since);
        status.report(Topic::Batch(2), &error(Class::Ours, "READONLY"));
        assert_eq!(
            status.trouble().map(|trouble| (trouble.name, trouble.since)),
            since.map(|since| ("READONLY", since))
        );
        status.clear(Topic::Batch(2));
        assert_eq!(status.trouble().map(|trouble| trouble.name), Some("timeout"));
        status.clear(Topic::Batch(1));
        status.clear(Topic::Lease);
        assert!(status.trouble().is_none());
    }
}
