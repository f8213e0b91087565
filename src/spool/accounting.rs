//! The row accounting: how many rows there are, and what became of those that left.
//!
//! ```text
//! found + accepted = spooled + stored + dead_lettered + erased + expired + lost
//! ```
//!
//! `found` are the rows that lay here when the spool was opened; everything else counts from then on. The row
//! accounting lives under the inventory's lock and changes in two places only: a commit adds its rows to `accepted` and
//! `spooled` at once, and a finished delivery batch takes its rows out of `spooled` and into their outcomes at once. So
//! no reader of the row accounting sees a row in no state, or in two. What a consumer has done with a delivery batch
//! that it has not finished is not in the row accounting: those rows are `spooled`, and a process that takes over finds
//! them so.
//!
//! How many rows a delivery batch moves is known twice: as the sum of its batches, and as the distance between two
//! positions. A position is the number of rows that were ever made durable up to a sequence. It is persisted with the
//! cursor, with an open delivery batch and in the header of each segment; so rows whose frames are damaged beyond
//! counting show as the difference between the two, and are `lost`.

/// What became of rows that left the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// In the store, and not erased by an order that came through here.
    pub stored: u64,
    /// Refused by the store and kept in a dead-letter file.
    pub dead_lettered: u64,
    /// Stored, then erased by an order.
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
    /// Left since, by what became of them.
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
