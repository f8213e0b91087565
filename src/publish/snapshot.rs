//! Whether the rows of a window stayed the same while they were counted, and how many there are of each kind.
//!
//! A plan is made from many queries, and rows may arrive or be erased between two of them. So the publisher compares
//! fingerprints from before and after: if they are equal, all queries have read one state of the vault. Rows are only ever
//! inserted, under a random batch number of each insert, and deleted, so two states with equal fingerprints are equal, but for
//! a chance of 1 in 2^64. Their numbers say how large slices are, and of what nothing needs to be asked.

use serde::Deserialize;

use crate::record::Table;

/// What identifies a state of a window's rows, in all tables: in the order of their kinds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) Vec<Kind>);

/// The rows of a kind.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Kind {
    of: String,
    /// An attribute, or the separate table that is counted from them.
    kind: String,
    /// Rows of the window and of its first day before it, and those of the window alone.
    rows: u64,
    here: u64,
    /// A sum over the rows.
    batches: u64,
}

impl Fingerprint {
    /// The events that queries read: those of the window and those of its first day before the window.
    pub(super) fn events(&self) -> u64 {
        self.0.iter().filter(|kind| kind.of == Table::Events.name()).map(|kind| kind.rows).sum()
    }

    /// How many rows of the window a table has, of these kinds.
    pub(super) fn rows(&self, table: Table, is: impl Fn(&str) -> bool) -> u64 {
        self.0.iter().filter(|kind| kind.of == table.name() && is(&kind.kind)).map(|kind| kind.here).sum()
    }
}
