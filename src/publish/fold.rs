//! Folding: small cells become `(other)` of their parent, small parents `(other)` of the table.
//!
//! Should what is folded still be small, it takes in the next smallest row. Of a parent, that is its own `(other)` before any
//! cell of it: so a cell is in its own row, else in its parent's `(other)`, else in the table's.

use std::collections::BTreeMap;

use super::rules::{Cell, OTHER, Secrets, Table};

/// A value of the level at hand: the rows that it shows, and all of it as one.
struct Branch {
    /// The next to be folded last.
    rows: Vec<Cell>,
    whole: Cell,
    /// Its parts are not even together many.
    too_small: bool,
}

/// The cells that show, `(other)` among them. Each is many by its draw; if all together are not, none shows.
pub(super) fn fold(table: &Table, secrets: &Secrets, cells: Vec<Cell>) -> Vec<Cell> {
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
                let rows = fold_level(table, secrets, &[name.as_str(), OTHER], children);
                Some(Branch { too_small: rows.is_empty(), rows, whole })
            })
            .collect()
    };
    fold_level(table, secrets, &vec![OTHER; table.levels], branches)
}

/// Folds the small of one level into `other`, then the next smallest until that is many. Empty if all together are not.
fn fold_level(table: &Table, secrets: &Secrets, other: &[&str], branches: Vec<Branch>) -> Vec<Cell> {
    let level = other.iter().position(|name| *name == OTHER).unwrap_or(0);
    let of_other = secrets.cell(&table.name, other.iter().copied());
    let (small, mut kept): (Vec<_>, Vec<_>) = branches.into_iter().partition(|branch| {
        let place = &branch.whole.dimensions[..=level];
        let blur = secrets.cell(&table.name, place.iter().map(String::as_str));
        branch.too_small || place[level] == OTHER || !secrets.are_many(&branch.whole.crowd, blur)
    });
    // The smallest last, as it would be told. Ties are broken by name, so that the same cells always fold alike.
    let size = |cell: &Cell, levels: usize| {
        let place = cell.dimensions[..levels].iter().map(String::as_str);
        secrets.round(cell.visitors, secrets.cell(&table.name, place))
    };
    let whole = |branch: &Branch| (size(&branch.whole, level + 1), branch.whole.dimensions.clone());
    kept.sort_by_cached_key(|branch| std::cmp::Reverse(whole(branch)));
    let Some(mut folded) = merge_all(table, other, small.into_iter().map(|branch| branch.whole)) else {
        return kept.into_iter().flat_map(|branch| branch.rows).collect();
    };
    while !secrets.are_many(&folded.crowd, of_other) {
        let last =
            |branch: &&mut Branch| branch.rows.last().map(|row| (size(row, table.levels), row.dimensions.clone()));
        let next = kept.iter_mut().filter(|branch| !branch.rows.is_empty()).min_by_key(last);
        let Some(row) = next.and_then(|branch| branch.rows.pop()) else { return Vec::new() };
        folded.merge(row, table.overlapping);
    }
    kept.into_iter().flat_map(|branch| branch.rows).chain([folded]).collect()
}

/// One cell out of several; `None` out of none. Out of one, it is that cell under another name.
fn merge_all(table: &Table, place: &[&str], cells: impl Iterator<Item = Cell>) -> Option<Cell> {
    let merged = cells.reduce(|mut all, cell| {
        all.merge(cell, table.overlapping);
        all
    })?;
    Some(Cell { dimensions: place.iter().map(|name| (*name).to_owned()).collect(), ..merged })
}
