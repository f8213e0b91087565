//! Fold: small cells become `(other)` of their parent, and small parents become `(other)` of the table.
//!
//! If `(other)` is still too small, it takes the next smallest row. Of a parent, that is the parent's `(other)` before any of
//! its cells. So a cell is in its own row, or in its parent's `(other)`, or in the table's.

use std::collections::BTreeMap;

use super::cells::{Cell, OTHER, Table};
use super::noise::NoiseSource;

/// One value of a dimension: the rows that it would publish, and all of them as one cell.
struct Branch {
    /// The row that is folded next is the last.
    rows: Vec<Cell>,
    whole: Cell,
    /// Its cells do not meet the threshold even together.
    too_small: bool,
}

/// The cells that are published, `(other)` among them. Each meets the threshold. None is left if all together do not.
pub(super) fn fold(table: &Table, noise_source: &NoiseSource, cells: Vec<Cell>) -> Vec<Cell> {
    let leaf = |cell: Cell| Branch { rows: vec![cell.clone()], whole: cell, too_small: false };
    let branches = if table.levels < 2 {
        cells.into_iter().map(leaf).collect()
    } else {
        let mut parents: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
        for cell in cells {
            parents.entry(cell.dimensions[0].clone()).or_default().push(cell);
        }
        parents
            .into_iter()
            .filter_map(|(name, cells)| {
                let whole = merge_all(table, &[name.as_str(), OTHER], cells.iter().cloned())?;
                let children = cells.into_iter().map(leaf).collect();
                let rows = fold_level(table, noise_source, &[name.as_str(), OTHER], children);
                Some(Branch { too_small: rows.is_empty(), rows, whole })
            })
            .collect()
    };
    fold_level(table, noise_source, &vec![OTHER; table.levels], branches)
}

/// Folds the small branches of one level into `other`, and then the next smallest rows until `other` meets the threshold.
/// Empty if all together do not meet it.
fn fold_level(table: &Table, noise_source: &NoiseSource, other: &[&str], branches: Vec<Branch>) -> Vec<Cell> {
    let level = other.iter().position(|name| *name == OTHER).unwrap_or(0);
    let of_other = noise_source.cell_noise(&table.name, other.iter().copied());
    let (small, mut kept): (Vec<_>, Vec<_>) = branches.into_iter().partition(|branch| {
        let place = &branch.whole.dimensions[..=level];
        let noise = noise_source.cell_noise(&table.name, place.iter().map(String::as_str));
        branch.too_small || place[level] == OTHER || !noise_source.meets_threshold(&branch.whole.crowd, noise)
    });
    // By the published size, the smallest last. Names break ties, so that the same cells always fold in the same way.
    let size = |cell: &Cell, levels: usize| {
        let place = cell.dimensions[..levels].iter().map(String::as_str);
        noise_source.round(cell.visitors, noise_source.cell_noise(&table.name, place))
    };
    let whole = |branch: &Branch| (size(&branch.whole, level + 1), branch.whole.dimensions.clone());
    kept.sort_by_cached_key(|branch| std::cmp::Reverse(whole(branch)));
    let Some(mut folded) = merge_all(table, other, small.into_iter().map(|branch| branch.whole)) else {
        return kept.into_iter().flat_map(|branch| branch.rows).collect();
    };
    while !noise_source.meets_threshold(&folded.crowd, of_other) {
        let last =
            |branch: &&mut Branch| branch.rows.last().map(|row| (size(row, table.levels), row.dimensions.clone()));
        let next = kept.iter_mut().filter(|branch| !branch.rows.is_empty()).min_by_key(last);
        let Some(row) = next.and_then(|branch| branch.rows.pop()) else { return Vec::new() };
        folded.merge(row, table.overlapping);
    }
    kept.into_iter().flat_map(|branch| branch.rows).chain([folded]).collect()
}

/// One cell out of several; `None` out of none. A single cell is only renamed.
fn merge_all(table: &Table, place: &[&str], cells: impl Iterator<Item = Cell>) -> Option<Cell> {
    let merged = cells.reduce(|mut all, cell| {
        all.merge(cell, table.overlapping);
        all
    })?;
    Some(Cell { dimensions: place.iter().map(|name| (*name).to_owned()).collect(), ..merged })
}
