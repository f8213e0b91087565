//! Cells and tables: the exact counts that the publishing rules read, and the rows that they return.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use super::crowd::Crowd;
use super::noise::{Noise, NoiseSource};

/// The name of folded cells.
pub(super) const OTHER: &str = "(other)";

/// How a measure relates to its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureKind {
    /// Counts what all visitors of the cell did.
    Whole,
    /// Counts what some visitors of the cell did. They are a crowd by themselves.
    Part {
        /// The measure, in the same unit, from which a reader can subtract this one; `None` if there is none.
        of: Option<usize>,
    },
    /// Counts visitors who may be in several cells. It is suppressed in folded cells, and where nearly everybody is in the cell.
    Audience,
}

/// The shape of one table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name. The offsets of its cells are derived from it.
    pub name: String,
    /// How many dimensions it has, one or two; values of the second lie within one value of the first.
    pub levels: usize,
    /// Its measures, in the order of [`Cell::amounts`].
    pub measures: Vec<(String, MeasureKind)>,
    /// Whether one visitor may be in several cells.
    pub overlapping: bool,
}

/// The exact counts of one cell. They never leave the publisher's memory.
#[derive(Clone, Debug, Deserialize)]
pub struct Cell {
    /// One value per dimension.
    pub dimensions: Vec<String>,
    /// Confirmed visitors; cells are ordered by it.
    pub visitors: u64,
    /// The confirmed visitors by network class.
    pub crowd: Crowd,
    pub amounts: Vec<u64>,
    /// For each measure that is a part: the visitors in the part.
    pub parts: Vec<Crowd>,
    /// For each measure that is a part: the visitors in the rest.
    pub rests: Vec<Crowd>,
    /// How many other cells were folded into this one.
    #[serde(skip)]
    pub folded: u32,
}

/// The cells of a source by their dimensions.
#[derive(Default)]
pub(super) struct CellsByPlace(BTreeMap<Vec<String>, Cell>);

/// One row that may be published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct PublishedRow {
    /// One value per dimension.
    pub dimensions: Vec<String>,
    /// The measures, with noise and rounded; `None` if suppressed.
    pub measures: Vec<Option<u64>>,
}

impl Table {
    /// The measure that has the cell's own offset alone: the number of its visitors, or else the first measure.
    fn people(&self) -> usize {
        let counts =
            |(name, kind): &(String, MeasureKind)| name == "visitors" && !matches!(kind, MeasureKind::Part { .. });
        self.measures.iter().position(counts).unwrap_or(0)
    }

    /// The noise of one measure of a cell.
    pub(super) fn noise(&self, noise_source: &NoiseSource, cell: &Cell, measure: usize) -> Noise {
        let noise = noise_source.cell_noise(&self.name, cell.place());
        if measure == self.people() {
            return noise;
        }
        noise.and(noise_source.extra_noise(&self.name, &self.measures[measure].0, cell.place()))
    }
}

impl Cell {
    /// Adds another cell to this one.
    pub(super) fn merge(&mut self, other: Self, overlapping: bool) {
        let join = |own: &mut Crowd, other: &Crowd| if overlapping { own.cover(other) } else { own.add(other) };
        join(&mut self.crowd, &other.crowd);
        self.visitors = self.visitors.saturating_add(other.visitors);
        self.folded = self.folded.saturating_add(other.folded).saturating_add(1);
        for (own, other) in self.amounts.iter_mut().zip(other.amounts) {
            *own = own.saturating_add(other);
        }
        for (own, other) in self.parts.iter_mut().zip(&other.parts) {
            join(own, other);
        }
        for (own, other) in self.rests.iter_mut().zip(&other.rests) {
            join(own, other);
        }
    }

    pub(super) fn place(&self) -> impl Iterator<Item = &str> {
        self.dimensions.iter().map(String::as_str)
    }

    /// The cell with these of its measures. A cell of the wrong shape stays as it is; the rules leave it out.
    pub(super) fn with(&self, measures: &[usize]) -> Self {
        let well_formed = [self.parts.len(), self.rests.len()] == [self.amounts.len(); 2]
            && measures.iter().all(|measure| *measure < self.amounts.len());
        if !well_formed {
            return self.clone();
        }
        Self {
            amounts: measures.iter().map(|&at| self.amounts[at]).collect(),
            parts: measures.iter().map(|&at| self.parts[at].clone()).collect(),
            rests: measures.iter().map(|&at| self.rests[at].clone()).collect(),
            dimensions: self.dimensions.clone(),
            crowd: self.crowd.clone(),
            ..*self
        }
    }

    /// The cell with one more measure.
    pub(super) fn and(mut self, amount: u64) -> Self {
        self.amounts.push(amount);
        self.parts.push(Default::default());
        self.rests.push(Default::default());
        self
    }

    /// The cell with its first dimensions, so many of them.
    pub(super) fn at(mut self, levels: usize) -> Self {
        self.dimensions.truncate(levels);
        self
    }
}

impl CellsByPlace {
    /// Adds a slice's cell to the same cell of other slices. Slices share no visitor.
    pub(super) fn add(&mut self, cell: Cell) {
        match self.0.entry(cell.dimensions.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(cell);
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().merge(cell, false);
                entry.get_mut().folded = 0;
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cell> {
        self.0.values()
    }

    pub(super) fn into_cells(self) -> impl Iterator<Item = Cell> {
        self.0.into_values()
    }
}
