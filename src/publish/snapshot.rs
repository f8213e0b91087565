//! Whether the rows of a window stayed the same while they were counted.
//!
//! A plan is made from many queries, and rows may arrive or be erased between two of them. So the publisher compares
//! fingerprints from before and after: if they are equal, all queries have read one state of the vault. Rows are only ever
//! inserted, under a random batch number of each insert, and deleted, so two states with equal fingerprints are equal, but for
//! a chance of 1 in 2^64.

use serde::Deserialize;

use super::error::PublishError;
use super::queries;
use super::tables::Tables;
use super::window_reader::WindowReader;
use crate::record::Table;

/// What identifies a state of a window's rows, in all tables.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Fingerprint {
    rows: u64,
    /// A sum over the rows.
    batches: u64,
}

/// The query for the fingerprint. Like the queries of the total, it reads from the start of the window's first day. Rows that
/// arrived after the window's end are no part of it, so that it stands still while the next window fills.
pub(super) fn query() -> String {
    let of_table = |table: Table| {
        let name = table.name();
        format!("SELECT count() AS rows, sum(cityHash64('{name}', batch)) AS batches FROM {name} WHERE {{of_day}}")
    };
    let all = Table::ALL.map(of_table).join(" UNION ALL ");
    // The names of the sums differ from those inside, so that they are not taken for them.
    queries::complete(&format!("SELECT sum(t.rows) AS rows, sum(t.batches) AS batches FROM ({all}) AS t "))
}

impl Fingerprint {
    /// The fingerprint of a window now.
    pub(super) async fn read<V: Tables>(reader: &WindowReader<'_, V>) -> Result<Self, PublishError> {
        Ok(reader.query(&query(), &[]).await?.into_iter().next().unwrap_or_default())
    }
}
