//! Parts of cells: where a measure that counts some of a cell must be absent.

use super::crowd::Crowd;
use super::rules::{Cell, K_MIN, Kind, Secrets, Table};

/// For each cell, which of its measures are absent.
pub(super) fn absent(table: &Table, secrets: &Secrets, visitors: u64, cells: &[Cell]) -> Vec<Vec<bool>> {
    let mut absent = vec![vec![false; table.measures.len()]; cells.len()];
    for (index, (_, kind)) in table.measures.iter().enumerate() {
        let column = match kind {
            Kind::Whole => continue,
            Kind::Audience => audience(table, secrets, visitors, index, cells),
            Kind::Part { of } => part(table, secrets, index, *of, cells),
        };
        for (row, is_absent) in absent.iter_mut().zip(column) {
            row[index] = is_absent;
        }
    }
    absent
}

/// Folded cells may share people, so their number is not known; and the site's visitors less a cell's are the people who
/// are not in it, who are to be many.
fn audience(table: &Table, secrets: &Secrets, visitors: u64, index: usize, cells: &[Cell]) -> Vec<bool> {
    let few = |cell: &Cell| {
        let blur = secrets.aside("without", &table.name, cell.place());
        !secrets.reaches(visitors.saturating_sub(cell.amounts[index]), blur, K_MIN.into())
    };
    cells.iter().map(|cell| cell.folded > 0 || few(cell)).collect()
}

/// Absent where the part or the rest is small; and, as the sum over all cells is known, in so many more cells that what
/// is absent is not small together. A part that can be told has the draws of its number; its rest has draws of its own.
fn part(table: &Table, secrets: &Secrets, index: usize, of: Option<usize>, cells: &[Cell]) -> Vec<bool> {
    let name = table.measures[index].0.as_str();
    let tells = |cell: &Cell| {
        let rest = secrets.aside("rest", &table.name, [name].into_iter().chain(cell.place()));
        secrets.are_many(&cell.parts[index], table.blur(secrets, cell, index))
            && (of.is_none() || secrets.are_many(&cell.rests[index], rest))
    };
    let mut absent: Vec<bool> = cells.iter().map(|cell| !tells(cell)).collect();
    // The smallest last, as it would be told.
    let mut shown: Vec<usize> = (0..cells.len()).filter(|&row| !absent[row]).collect();
    shown.sort_by_cached_key(|&row| {
        let told = secrets.round(cells[row].amounts[index], table.blur(secrets, &cells[row], index));
        std::cmp::Reverse((told, &cells[row].dimensions))
    });
    let [of_parts, of_rests] = ["absent", "rest of absent"].map(|what| secrets.aside(what, &table.name, [name]));
    while absent.contains(&true) {
        let (mut in_part, mut in_rest) = (Crowd::default(), Crowd::default());
        for (cell, _) in cells.iter().zip(&absent).filter(|(_, absent)| **absent) {
            let join = if table.overlapping { Crowd::cover } else { Crowd::add };
            join(&mut in_part, &cell.parts[index]);
            join(&mut in_rest, &cell.rests[index]);
        }
        let is_enough = secrets.are_many(&in_part, of_parts) && (of.is_none() || secrets.are_many(&in_rest, of_rests));
        let Some(next) = (if is_enough { None } else { shown.pop() }) else { break };
        absent[next] = true;
    }
    absent
}
