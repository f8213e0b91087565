//! The publishing rules: exact cells in, rows out that anyone may see. Pure.
//!
//! 1. **Threshold** (k-anonymity). Each cell has one secret random offset of 55 values in its window. A cell is published when
//!    its confirmed visitors ([`super::crowd`]) plus the offset are 64 or more: always from 64 visitors, never below ten.
//! 2. **Fold** ([`super::fold`]). A smaller cell is added to `(other)` of the same parent, and then the next smallest cells,
//!    until `(other)` meets the threshold. So at least ten visitors are behind every number that is missing from a sum.
//! 3. **Suppression** ([`super::suppression`]). A measure that counts part of a cell (entries of a page's views, bounces of
//!    visits) is published where both the part and the rest meet such a threshold. Elsewhere it is NULL, also where it is 0:
//!    if zeros were shown, a change from 0 to NULL would reveal one person. Another table gives the sum of the measure, so all
//!    cells in which it is suppressed must together meet the threshold as well.
//! 4. **Noise** ([`super::noise`]). The number that counts a cell's visitors gets the same offset, minus its middle, and is
//!    rounded to a multiple of 5. Every other number gets that offset and one of 65 values for itself. So numbers are right on
//!    average, and never further off than [`super::noise::Noise::max_error`].
//!
//! Why threshold and noise share one offset: adding one visitor, who does everything once, has the same effect as taking the
//! next offset. So the rows with that visitor and the rows without are distinguished with probability 1 in 55 at most,
//! whatever the other visitors do. No other cell uses this offset, so nothing is learnt about it elsewhere.
//! `docs/publishing.md` says what more visitors add, or a visitor who is counted twice or in several tables.
//!
//! Not hidden: that a published cell exists, and what follows from large numbers alone. Measures count all views and visits,
//! also those of unconfirmed browsers; only confirmed visitors count for the threshold.

use super::cells::{Cell, MeasureKind, PublishedRow, Table};
use super::noise::{K_MIN, NoiseSource};
use super::{fold, suppression};

/// The rows of a table that may be published. `visitors` is the number of the site's confirmed visitors in this window.
///
/// A cell whose number of dimensions or measures is not the table's is a programming error; it is left out.
pub fn publishable(table: &Table, noise_source: &NoiseSource, visitors: u64, cells: Vec<Cell>) -> Vec<PublishedRow> {
    let width = table.measures.len();
    let well_formed = cells.into_iter().filter(|cell| {
        cell.dimensions.len() == table.levels && [cell.amounts.len(), cell.parts.len(), cell.rests.len()] == [width; 3]
    });
    let cells = fold::fold(table, noise_source, well_formed.collect());
    let suppressed = suppression::suppressed(table, noise_source, visitors, &cells);
    let mut rows: Vec<_> = cells
        .into_iter()
        .zip(suppressed)
        .map(|(cell, suppressed)| PublishedRow {
            measures: (0..width)
                .zip(suppressed)
                .map(|(at, suppressed)| (!suppressed).then(|| published_number(table, noise_source, &cell, at)))
                .collect(),
            dimensions: cell.dimensions,
        })
        .collect();
    rows.sort_by(|a, b| a.dimensions.cmp(&b.dimensions));
    rows
}

/// A number of a published cell. At least [`K_MIN`] visitors are in the cell and each did what a whole measure counts, so such
/// a measure is not smaller than that and is not published as smaller.
fn published_number(table: &Table, noise_source: &NoiseSource, cell: &Cell, measure: usize) -> u64 {
    let number = noise_source.round(cell.amounts[measure], table.noise(noise_source, cell, measure));
    if table.measures[measure].1 == MeasureKind::Whole { number.max(K_MIN.into()) } else { number }
}
