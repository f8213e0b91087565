//! What the shipper reports: rows by outcome, and what it waits for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::store::{Class, StoreError};

/// Counts of rows and requests since the start. A delivery batch that is repeated after a crash or a stop counts again, and
/// an unfinished one counts already. The counts that balance are the spool's row accounting ([`RowAccounting`]).
///
/// [`RowAccounting`]: crate::spool::RowAccounting
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
    /// Erasures that were carried out.
    pub erasures: AtomicU64,
    /// Delivery batches that were finished.
    pub deliveries: AtomicU64,
}

impl ShipCounts {
    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Why no rows are delivered.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// When it began.
    pub since: Instant,
    /// Whether it passes by itself.
    pub class: Class,
    /// A short stable name: ClickHouse's for its error, or a name of the shipper.
    pub name: &'static str,
    /// What happened, where, and what to do. It contains no data of visitors.
    pub message: String,
}

/// A failure that the shipper reports and waits for.
#[derive(Debug)]
pub(in crate::store) struct Cause {
    /// Whether it passes by itself.
    pub(super) class: Class,
    /// A short stable name.
    pub(super) name: &'static str,
    /// What happened, where, and what to do.
    pub(super) message: String,
}

impl Cause {
    /// A failure that somebody must repair.
    pub(super) fn needs_operator(name: &'static str, message: String) -> Self {
        Self { class: Class::NeedsOperator, name, message }
    }
}

impl From<StoreError> for Cause {
    fn from(StoreError { class, name, message, code: _ }: StoreError) -> Self {
        Self { class, name, message }
    }
}

/// The part of the work that a trouble stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Topic {
    /// Reading and understanding the spool.
    Spool,
    /// The insert batch whose first row has this batch value.
    Batch(u64),
    /// The erasure of this sequence number.
    Erasure(u64),
    /// The lease.
    Lease,
    /// What the vault knows of the spool.
    Claim,
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
    /// What the shipper waits for; `None` when it waits for nothing. Troubles that need an operator come first, the oldest of
    /// them before the others.
    pub fn trouble(&self) -> Option<Trouble> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.values().min_by_key(|trouble| (trouble.class == Class::Transient, trouble.since)).cloned()
    }

    /// Notes a failure, and logs it if no other trouble has the same name. `since` is kept while the trouble lasts.
    pub(in crate::store) fn report(&self, topic: Topic, cause: Cause) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if !troubles.values().any(|known| known.name == cause.name) {
            match cause.class {
                Class::Transient => tracing::info!(error = cause.name, "waiting: {}", cause.message),
                Class::NeedsOperator | Class::Rejected => tracing::warn!(error = cause.name, "held: {}", cause.message),
            }
        }
        let since = troubles.get(&topic).map_or_else(Instant::now, |known| known.since);
        let Cause { class, name, message } = cause;
        let trouble = Trouble { since, class, name, message };
        troubles.insert(topic, trouble);
    }

    /// Notes that the work on this topic goes on.
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

    fn cause(class: Class, name: &'static str) -> Cause {
        Cause { class, name, message: name.to_owned() }
    }

    #[test]
    fn a_trouble_that_passes_does_not_hide_one_that_needs_an_operator() {
        let status = ShipStatus::default();
        status.report(Topic::Batch(1), cause(Class::Transient, "timeout"));
        status.report(Topic::Batch(2), cause(Class::NeedsOperator, "UNKNOWN_TABLE"));
        status.report(Topic::Lease, cause(Class::Transient, "network"));
        status.clear(Topic::Batch(3));
        assert_eq!(status.trouble().map(|trouble| trouble.name), Some("UNKNOWN_TABLE"));
        let since = status.trouble().map(|trouble| trouble.since);
        status.report(Topic::Batch(2), cause(Class::NeedsOperator, "READONLY"));
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
