//! What the shipper shows of itself: rows by outcome, and what it is waiting for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::store::{Class, StoreError};

/// Rows by outcome since the start, for metrics. `stored + expired + dead_lettered + lost` are all that left the spool.
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

/// The shipper's state, shared with metrics and readiness.
#[derive(Debug, Default)]
pub struct ShipStatus {
    /// Rows by outcome.
    pub counts: ShipCounts,
    trouble: Mutex<Option<Trouble>>,
}

impl ShipStatus {
    /// What the shipper is waiting for; `None` while all is well.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Notes a failure, and says so when it is a new one. `since` is kept while the trouble lasts.
    pub(in crate::store) fn report(&self, error: &StoreError) {
        let mut trouble = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = trouble.as_ref().is_some_and(|known| known.name == error.name);
        if !known {
            match error.class {
                Class::Theirs => tracing::info!(error = error.name, "waiting: {}", error.message),
                Class::Ours | Class::Final => tracing::warn!(error = error.name, "held: {}", error.message),
            }
        }
        let since = trouble.as_ref().map_or_else(Instant::now, |known| known.since);
        *trouble = Some(Trouble { since, class: error.class, name: error.name, message: error.message.clone() });
    }

    /// Notes that something got through.
    pub(in crate::store) fn clear(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(was) = trouble.take() {
            tracing::info!(error = was.name, waited_s = was.since.elapsed().as_secs(), "the vault takes rows again");
        }
    }
}
