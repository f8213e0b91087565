//! Row accounting: how many rows there are, and the outcome of those that left the spool.
//!
//! ```text
//! found + accepted = spooled + stored + dead_lettered + erased + expired + lost
//! ```
//!
//! `found` are the rows that were in the spool when it was opened. All other counts start from then. The counts are
//! under the inventory's lock and change in two places only. A commit adds its rows to `accepted` and to `spooled` at
//! once. A finished delivery batch moves its rows from `spooled` to their outcomes at once. So a reader never finds a
//! row in no state or in two states. Rows of an unfinished delivery batch are `spooled`, whatever the consumer has done
//! with them, and a process that takes over finds them so.
//!
//! The rows of a delivery batch are known twice: as the sum of its stream batches, and as the distance between two
//! positions. A position is the number of rows that were ever made durable up to a sequence. It is persisted with the
//! cursor, with an open delivery batch, and in the header of each segment. If damage hides how many rows a frame had,
//! the two differ, and the difference is `lost`.

/// Rows that left the spool, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// In the store, and not erased by a tombstone of this spool.
    pub stored: u64,
    /// Refused by the store and kept in a dead-letter file.
    pub dead_lettered: u64,
    /// Erased by a tombstone: stored before, or never sent.
    pub erased: u64,
    /// Too old to keep, never sent.
    pub expired: u64,
    /// Lost by the disk.
    pub lost: u64,
}

impl Outcomes {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.stored + self.dead_lettered + self.erased + self.expired + self.lost
    }

    /// Adds others to these.
    pub fn add(&mut self, others: &Self) {
        self.stored += others.stored;
        self.dead_lettered += others.dead_lettered;
        self.erased += others.erased;
        self.expired += others.expired;
        self.lost += others.lost;
    }
}

/// Rows by state, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowAccounting {
    /// In the spool when it was opened.
    pub found: u64,
    /// Made durable since.
    pub accepted: u64,
    /// In the spool now: durable, and not in a finished delivery batch.
    pub spooled: u64,
    /// Left since, by outcome.
    pub settled: Outcomes,
    /// Erased by an order that came through here, though stored before the spool was opened or by another node. Beside
    /// the equation, since those rows are in other row accounting.
    pub erased_elsewhere: u64,
}

impl RowAccounting {
    /// Whether every row is in exactly one state.
    pub fn is_balanced(&self) -> bool {
        self.found + self.accepted == self.spooled + self.settled.total()
    }

    /// A commit has made so many rows durable.
    pub(super) fn accept(&mut self, rows: u64) {
        self.accepted += rows;
        self.spooled += rows;
    }

    /// A delivery batch is finished. It moved `progress` positions; of its rows these became known; and so many rows of
    /// this delivery batch or of earlier ones were erased in the store.
    pub(super) fn settle(&mut self, progress: u64, outcomes: &Outcomes, erased_in_store: u64) {
        // Rows that opening could not read and a later attempt could were there all the same.
        self.found += outcomes.total().saturating_sub(progress) + progress.saturating_sub(self.spooled);
        self.spooled = self.spooled.saturating_sub(progress);
        self.settled.add(outcomes);
        self.settled.lost += progress.saturating_sub(outcomes.total());
        let moved = erased_in_store.min(self.settled.stored);
        self.settled.stored -= moved;
        self.settled.erased += moved;
        self.erased_elsewhere += erased_in_store - moved;
    }

    /// Rows that were dead-lettered have been stored after all, or have become too old. Those that an earlier process
    /// had dead-lettered are in its row accounting.
    pub(super) fn revive(&mut self, stored: u64, expired: u64) {
        let stored = stored.min(self.settled.dead_lettered);
        let expired = expired.min(self.settled.dead_lettered - stored);
        self.settled.dead_lettered -= stored + expired;
        self.settled.stored += stored;
        self.settled.expired += expired;
    }
}
