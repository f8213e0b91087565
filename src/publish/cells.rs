//! Cells and tables: the bounded counts that the publishing rules read, and the rows that they return.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use super::crowd::Crowd;

/// The name of everything that has no name of its own.
pub const OTHER: &str = "(other)";

/// The separator between the values of a dimension that fills several columns. No value contains it.
pub(super) const SEPARATOR: char = '\x1f';

/// How many times wider the noise of a value of the first dimension is than that of its cells: who is in a cell is in both.
pub(super) const PARENT_WIDE: u32 = 3;

/// What `(other)` of a whole table has of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The rest of a total of the site.
    Of(&'static str),
    /// The rest of a total of visits that is published once, whichever tables it is the total of.
    OwnOfVisits,
    /// The rest of the measure's own total, whose noise is so many times wider.
    Own(u32),
    /// Nothing, because a visitor may be in several cells.
    Unpublished,
}

/// A number of every cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The column.
    pub name: String,
    /// What is counted, for the noise: equal definitions have equal keys, whatever their names.
    pub key: String,
    pub rest: Rest,
    /// By how much one visitor-day changes the number of a cell at most.
    pub bound: u32,
    /// How many times wider than usual its noise is.
    pub wide: u32,
}

impl Measure {
    /// With the usual noise. Visitors of cells that share visitors have twice that: a page that somebody opens is a look for its
    /// name, its views and its visitors.
    pub(super) fn new(name: &str, rest: Rest, bound: u32) -> Self {
        let wide = if rest == Rest::Unpublished { 2 } else { 1 };
        Self { name: name.to_owned(), key: name.to_owned(), rest, bound, wide }
    }

    pub(super) fn wide(self, wide: u32) -> Self {
        Self { wide, ..self }
    }
}

/// The shape of one table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name. The noise of its cells is derived from it.
    pub name: String,
    /// The names of its dimensions, two at most; values of the second lie within one value of the first. Without any it is a total.
    pub dimensions: Vec<String>,
    /// Its measures, in the order of [`Cell::amounts`].
    pub measures: Vec<Measure>,
    /// Whether one visitor may be in several cells.
    pub overlapping: bool,
    /// How many cells a visitor-day enters at most.
    pub cells: u32,
    /// How many times wider the noise of a value of the first dimension is, if a visitor-day may enter several of its cells.
    pub parent_wide: u32,
}

impl Table {
    /// One whose cells share visitors, and whose parents have the usual noise.
    pub(super) fn new<S: ToString>(name: &str, dimensions: &[S], measures: Vec<Measure>, cells: u32) -> Self {
        let dimensions = dimensions.iter().map(S::to_string).collect();
        Self { name: name.to_owned(), dimensions, measures, overlapping: true, cells, parent_wide: PARENT_WIDE }
    }
}

/// The bounded counts of one cell. They never leave the publisher's memory.
#[derive(Clone, Debug, Deserialize)]
pub struct Cell {
    /// One value per dimension.
    pub dimensions: Vec<String>,
    /// The confirmed visitors by network class.
    pub crowd: Crowd,
    pub amounts: Vec<u64>,
    /// What the bounds cut from it; counted within bounds, too.
    #[serde(default)]
    pub cut: u64,
}

/// The cells of a source by their dimensions.
#[derive(Default)]
pub(super) struct CellsByPlace(BTreeMap<Vec<String>, Cell>);

/// One row that may be published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct PublishedRow {
    /// One value per dimension.
    pub dimensions: Vec<String>,
    /// The measures, with noise; `None` where `(other)` has none.
    pub measures: Vec<Option<i64>>,
}

impl PublishedRow {
    /// Whether it is the rest of a table, or of a value of its first dimension.
    pub(super) fn is_other(&self) -> bool {
        self.dimensions.last().is_some_and(|name| name == OTHER)
    }
}

impl Cell {
    /// Adds another cell to this one. Cells of a table in which a visitor may be in several ones share visitors.
    pub(super) fn merge(&mut self, other: &Self, overlapping: bool) {
        if overlapping {
            self.crowd.cover(&other.crowd)
        } else {
            self.crowd.add(&other.crowd)
        }
        self.cut = self.cut.saturating_add(other.cut);
        for (own, other) in self.amounts.iter_mut().zip(&other.amounts) {
            *own = own.saturating_add(*other);
        }
    }

    /// The cell with these of its measures. A cell of the wrong shape stays as it is; the rules leave it out.
    pub(super) fn with(&self, measures: &[usize]) -> Self {
        if measures.iter().any(|measure| *measure >= self.amounts.len()) {
            return self.clone();
        }
        Self { amounts: measures.iter().map(|&at| self.amounts[at]).collect(), ..self.clone() }
    }

    /// The cell with one more measure.
    pub(super) fn and(mut self, amount: u64) -> Self {
        self.amounts.push(amount);
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
            Entry::Occupied(mut entry) => entry.get_mut().merge(&cell, false),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cell> {
        self.0.values()
    }

    pub(super) fn into_cells(self) -> impl Iterator<Item = Cell> {
        self.0.into_values()
    }
}
