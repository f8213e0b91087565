//! The publishing rules: bounded counts in, rows out that anyone may see. Pure. This is differential privacy with a floor of ten.
//!
//! The unit of protection is a visitor-day: a browser's day on a site, since more cannot be distinguished in the vault.
//!
//! 1. **Bounds.** The queries let a visitor-day change each number by a few at most, and enter a few cells of a table
//!    (`super::rollup_list`, `super::apart_tables`, `super::separate_tables`). What is cut off is counted (`cut_share`).
//! 2. **Names.** A cell has a row of its own where its confirmed visitors ([`super::crowd`]) and a secret noise reach a threshold.
//!    The noise is truncated, so fewer than ten visitors never have one.
//! 3. **Numbers.** Every number of a row is published with noise of its own, also 0. It is right on average, whatever the truth is.
//!    So a reader cannot tell 0 from 9, and a difference of two numbers has the noise of both.
//! 4. **`(other)`** is the published total minus the published rows. It needs no further look at the visitors, and rows add up to the total.
//!
//! `docs/publishing.md` adds up what a visitor-day reveals by all numbers that it enters. Not hidden: that a row exists, and what
//! follows from many windows: each is another look.

use std::collections::BTreeMap;

use super::cells::{Cell, Measure, OTHER, PublishedRow, Rest, Table};
use super::noise::{NoiseSource, Place};

/// The totals that are published of a window, by what they count. Each is published once, whatever tables it is the total of.
#[derive(Default)]
pub struct Totals(BTreeMap<String, i64>);

impl Totals {
    /// Notes a total that is published.
    pub fn insert(&mut self, name: &str, noisy: i64) {
        self.0.insert(name.to_owned(), noisy);
    }
}

/// The rows of a table. A cell whose number of dimensions or measures is not the table's is a programming error; it is left out.
pub fn publishable(
    table: &Table,
    noise_source: &NoiseSource,
    totals: &mut Totals,
    cells: &[Cell],
) -> Vec<PublishedRow> {
    let shape = (table.dimensions.len(), table.measures.len());
    let cells = cells.iter().filter(|cell| (cell.dimensions.len(), cell.amounts.len()) == shape);
    let mut parents: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        parents.entry(&cell.dimensions[0]).or_default().push(cell);
    }
    let mut rows = Vec::new();
    let (mut named, mut all) = (vec![0i64; table.measures.len()], vec![0u64; table.measures.len()]);
    for (parent, cells) in parents {
        cells.iter().for_each(|cell| add(&mut all, &cell.amounts));
        let Some((noisy, of_parent)) = rows_of(table, noise_source, parent, &cells) else { continue };
        add(&mut named, &noisy);
        rows.extend(of_parent);
    }
    let mut rest = Vec::new();
    for (at, noisy) in named.iter().enumerate() {
        rest.push(total(table, noise_source, totals, at, all[at]).map(|total| total - noisy));
    }
    if rest.iter().any(Option::is_some) {
        rows.push(PublishedRow { dimensions: vec![OTHER.to_owned(); table.dimensions.len()], measures: rest });
    }
    rows.sort_by(|a, b| a.dimensions.cmp(&b.dimensions));
    rows
}

/// The row of a cell in a table of one dimension, if a crowd of this weight gives it a name.
pub fn of_weight(table: &Table, noise_source: &NoiseSource, cell: &Cell, crowd: u64) -> Option<PublishedRow> {
    let place = [(table.dimensions.first()?.as_str(), cell.dimensions.first()?.as_str())];
    noise_source.is_named_by(crowd, &table.name, &place).then(|| row(table, noise_source, cell, &place, 1))
}

/// The numbers of a table that has no names: its totals.
pub fn totals_of(table: &Table, noise_source: &NoiseSource, totals: &mut Totals, cells: &[Cell]) -> PublishedRow {
    let mut all = vec![0u64; table.measures.len()];
    cells.iter().for_each(|cell| add(&mut all, &cell.amounts));
    let measures = (0..all.len()).map(|at| total(table, noise_source, totals, at, all[at])).collect();
    PublishedRow { dimensions: Vec::new(), measures }
}

/// The rows of one value of the first dimension, and their sum; `None` if that value has no name.
fn rows_of(
    table: &Table,
    noise_source: &NoiseSource,
    parent: &str,
    cells: &[&Cell],
) -> Option<(Vec<i64>, Vec<PublishedRow>)> {
    if parent == OTHER {
        return None;
    }
    let first = table.dimensions[0].as_str();
    let Some(second) = table.dimensions.get(1) else {
        let place = [(first, parent)];
        let cell = cells.first().filter(|cell| noise_source.is_named(&cell.crowd, &table.name, &place))?;
        let row = row(table, noise_source, cell, &place, 1);
        return Some((row.measures.iter().map(|noisy| noisy.unwrap_or(0)).collect(), vec![row]));
    };
    let is_named = |cell: &&&Cell| {
        cell.dimensions[1] != OTHER
            && noise_source.is_named(&cell.crowd, &table.name, &[(first, parent), (second, &cell.dimensions[1])])
    };
    let named: Vec<_> = cells.iter().filter(is_named).collect();
    let (first_cell, others) = cells.split_first()?;
    let mut whole = (*first_cell).clone();
    others.iter().for_each(|cell| whole.merge(cell, table.overlapping));
    // A dimension without a value is distinguished from one with an empty value.
    let place = [(first, parent), (second, "*")];
    if named.is_empty() && !noise_source.is_named(&whole.crowd, &table.name, &place) {
        return None;
    }
    let mut rows: Vec<_> = named
        .into_iter()
        .map(|cell| row(table, noise_source, cell, &[(first, parent), (second, &cell.dimensions[1])], 1))
        .collect();
    let whole = row(table, noise_source, &whole, &place, table.parent_wide).measures;
    let rest = |(at, whole): (usize, &Option<i64>)| {
        let noisy: i64 = rows.iter().filter_map(|row| row.measures[at]).sum();
        whole.filter(|_| table.measures[at].rest != Rest::Unpublished).map(|whole| whole - noisy)
    };
    let rest = whole.iter().enumerate().map(rest).collect();
    rows.push(PublishedRow { dimensions: vec![parent.to_owned(), OTHER.to_owned()], measures: rest });
    Some((whole.into_iter().map(|noisy| noisy.unwrap_or(0)).collect(), rows))
}

fn row(table: &Table, noise_source: &NoiseSource, cell: &Cell, place: &Place<'_>, wider: u32) -> PublishedRow {
    let noisy = |(measure, amount): (&Measure, &u64)| {
        Some(noise_source.noisy(*amount, &table.name, place, &measure.key, measure.wide * wider))
    };
    PublishedRow {
        dimensions: cell.dimensions.clone(),
        measures: table.measures.iter().zip(&cell.amounts).map(noisy).collect(),
    }
}

/// The published total of a measure.
fn total(table: &Table, noise_source: &NoiseSource, totals: &mut Totals, at: usize, all: u64) -> Option<i64> {
    let measure = &table.measures[at];
    match measure.rest {
        Rest::Unpublished => None,
        Rest::Of(total) => totals.0.get(total).copied(),
        Rest::Own(wide) => Some(noise_source.noisy(all, &table.name, &[], &measure.key, measure.wide * wide)),
        Rest::OwnOfVisits => {
            let noisy = || noise_source.noisy(all, "visits", &[], &measure.key, measure.wide);
            Some(*totals.0.entry(format!("visits {}", measure.key)).or_insert_with(noisy))
        }
    }
}

fn add<T: Copy + std::ops::AddAssign>(sums: &mut [T], more: &[T]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += *more);
}
