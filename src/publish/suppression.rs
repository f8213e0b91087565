//! Suppression: where a measure that counts part of a cell must not be published.

use super::cells::{Cell, MeasureKind, Table};
use super::crowd::Crowd;
use super::noise::{K_MIN, NoiseSource};

/// For each cell, which of its measures are suppressed.
pub(super) fn suppressed(table: &Table, noise_source: &NoiseSource, visitors: u64, cells: &[Cell]) -> Vec<Vec<bool>> {
    let mut suppressed = vec![vec![false; table.measures.len()]; cells.len()];
    for (index, (_, kind)) in table.measures.iter().enumerate() {
        let column = match kind {
            MeasureKind::Whole => continue,
            MeasureKind::Audience => audience(table, noise_source, visitors, index, cells),
            MeasureKind::Part { of } => part(table, noise_source, index, *of, cells),
        };
        for (row, is_suppressed) in suppressed.iter_mut().zip(column) {
            row[index] = is_suppressed;
        }
    }
    suppressed
}

/// Folded cells may share visitors, so their number is unknown. The site's visitors minus those of a cell are the visitors
/// outside of it: they must meet the threshold too.
fn audience(table: &Table, noise_source: &NoiseSource, visitors: u64, index: usize, cells: &[Cell]) -> Vec<bool> {
    let few = |cell: &Cell| {
        let noise = noise_source.check_noise("without", &table.name, cell.place());
        !noise_source.count_meets(visitors.saturating_sub(cell.amounts[index]), noise, K_MIN.into())
    };
    cells.iter().map(|cell| cell.folded > 0 || few(cell)).collect()
}

/// Suppresses a part where it or its rest is small. The sum over all cells is known, so more cells are suppressed, the smallest
/// first, until the suppressed ones together meet the threshold. A part has the noise of its number; its rest has its own.
fn part(table: &Table, noise_source: &NoiseSource, index: usize, of: Option<usize>, cells: &[Cell]) -> Vec<bool> {
    let name = table.measures[index].0.as_str();
    let is_publishable = |cell: &Cell| {
        let rest = noise_source.check_noise("rest", &table.name, [name].into_iter().chain(cell.place()));
        noise_source.meets_threshold(&cell.parts[index], table.noise(noise_source, cell, index))
            && (of.is_none() || noise_source.meets_threshold(&cell.rests[index], rest))
    };
    let mut suppressed: Vec<bool> = cells.iter().map(|cell| !is_publishable(cell)).collect();
    // By the published number, the smallest last.
    let mut published: Vec<usize> = (0..cells.len()).filter(|&row| !suppressed[row]).collect();
    published.sort_by_cached_key(|&row| {
        let number = noise_source.round(cells[row].amounts[index], table.noise(noise_source, &cells[row], index));
        std::cmp::Reverse((number, &cells[row].dimensions))
    });
    let [of_parts, of_rests] =
        ["absent", "rest of absent"].map(|what| noise_source.check_noise(what, &table.name, [name]));
    while suppressed.contains(&true) {
        let (mut in_part, mut in_rest) = (Crowd::default(), Crowd::default());
        for (cell, _) in cells.iter().zip(&suppressed).filter(|(_, suppressed)| **suppressed) {
            let join = if table.overlapping { Crowd::cover } else { Crowd::add };
            join(&mut in_part, &cell.parts[index]);
            join(&mut in_rest, &cell.rests[index]);
        }
        let is_enough = noise_source.meets_threshold(&in_part, of_parts)
            && (of.is_none() || noise_source.meets_threshold(&in_rest, of_rests));
        let Some(next) = (if is_enough { None } else { published.pop() }) else { break };
        suppressed[next] = true;
    }
    suppressed
}
