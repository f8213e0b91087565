//! Parts of cells: where a measure that counts some of a cell must be absent.

use super::crowd::Crowd;
use super::rules::{Cell, K_MIN, K_RANGE, Kind, Secrets, Table};

/// For each cell, which of its measures are absent.
pub(super) fn absent(table: &Table, secrets: &Secrets, visitors: u64, cells: &[Cell]) -> Vec<Vec<bool>> {
    let mut absent = vec![vec![false; table.measures.len()]; cells.len()];
    for (index, (name, kind)) in table.measures.iter().enumerate() {
        let column = match kind {
            Kind::Whole => continue,
            Kind::Audience => audience(visitors, index, cells),
            Kind::Part { of } => part(table, secrets, name, index, *of, cells),
        };
        for (row, is_absent) in absent.iter_mut().zip(column) {
            row[index] = is_absent;
        }
    }
    absent
}

/// Folded cells may share people, so their number is not known; and the site's visitors less a cell's are the people who
/// are not in it, who are to be none or many.
fn audience(visitors: u64, index: usize, cells: &[Cell]) -> Vec<bool> {
    let k = u64::from(K_MIN + K_RANGE - 1);
    let few = |cell: &Cell| (1..k).contains(&visitors.saturating_sub(cell.amounts[index]));
    cells.iter().map(|cell| cell.folded > 0 || few(cell)).collect()
}

/// Absent where the part or the rest is small; and, as the sum over all cells is known, in so many more cells that what
/// is absent is not small together.
fn part(table: &Table, secrets: &Secrets, name: &str, index: usize, of: Option<usize>, cells: &[Cell]) -> Vec<bool> {
    let rest_of = |cell: &Cell| of.map_or(0, |whole| cell.amounts[whole].saturating_sub(cell.amounts[index]));
    let mut absent: Vec<bool> = cells
        .iter()
        .map(|cell| {
            let k = secrets.k(&table.name, cell.place());
            !(secrets.may_tell(cell.amounts[index], &cell.parts[index], k)
                && secrets.may_tell(rest_of(cell), &cell.rests[index], k))
        })
        .collect();
    let k = secrets.k(&table.name, [name]);
    // The smallest last; cells without any part would hide nothing.
    let mut shown: Vec<usize> =
        (0..cells.len()).filter(|&row| !absent[row] && cells[row].amounts[index] + rest_of(&cells[row]) > 0).collect();
    shown.sort_by(|&a, &b| {
        let order = |row: usize| (cells[row].amounts[index], &cells[row].dimensions);
        order(b).cmp(&order(a))
    });
    loop {
        let (mut amount, mut rest) = (0u64, 0u64);
        let (mut in_part, mut in_rest) = (Crowd::default(), Crowd::default());
        for (cell, _) in cells.iter().zip(&absent).filter(|(_, absent)| **absent) {
            let join = if table.overlapping { Crowd::cover } else { Crowd::add };
            amount += cell.amounts[index];
            rest += rest_of(cell);
            join(&mut in_part, &cell.parts[index]);
            join(&mut in_rest, &cell.rests[index]);
        }
        if secrets.may_tell(amount, &in_part, k) && secrets.may_tell(rest, &in_rest, k) {
            return absent;
        }
        let Some(next) = shown.pop() else { return absent };
        absent[next] = true;
    }
}
