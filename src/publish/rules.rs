//! The publishing rules: cells in, cells out that are fit for anyone to see. Pure.
//!
//! 1. A cell shows when k confirmed visitors stand behind it ([`Crowd`]), k being secret, from 10 to 14, drawn per cell and
//!    window. Others fold into `(other)` of the same parent, with the next smallest cells until that has k ([`super::fold`]).
//!    So what is missing from a sum is always k visitors or more, and whoever subtracts finds no fewer.
//! 2. A measure that counts part of a cell (entries of a page's views, bounces of visits) is shown where both the part and
//!    the rest are 0 or have k; elsewhere it is absent, not 0. Because its sum is known from another table, all cells in
//!    which it is absent must together have k as well ([`super::hide`]).
//! 3. Every number is a multiple of 5. Which of the two next to it depends on the window's seed and the number alone: the
//!    same number looks the same wherever it stands, so asking twice says nothing, and no one who adds visits of their own
//!    can steer the rest to where one more would surely tip it. The error is below 5 and is 0 on average. Cells are rounded
//!    each by itself, so n of them differ from their rounded total by less than 5 (n + 1). That is wanted: with additive
//!    rounding the last cell could be had by subtraction, and the true ones would be bound more tightly.
//!
//! What is not hidden: that a visible cell exists, that an absent measure is not 0, and what follows from the large numbers
//! by themselves. Measures count all views and visits, of unconfirmed browsers too; only confirmed visitors make k.

use serde::{Deserialize, Serialize};

use super::crowd::Crowd;
use super::{fold, hide};

/// The name of what is folded.
pub const OTHER: &str = "(other)";

/// The smallest of the secret thresholds.
pub const K_MIN: u32 = 10;
/// How many thresholds there are: 10 to 14.
pub const K_RANGE: u32 = 5;
/// From how many events a cell shows that has no visitors by nature.
pub const EVENTS_MIN: u64 = 50;
/// Published numbers are multiples of this.
pub const STEP: u64 = 5;

/// How a measure relates to its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counts what everyone in the cell did.
    Whole,
    /// Counts what some in the cell did, who form a crowd of their own.
    Part {
        /// The measure that it is part of in the same unit, so that a reader can subtract; `None` when nobody can.
        of: Option<usize>,
    },
    /// Counts people who may be in several cells: absent where cells are folded, and where all but a few are in the cell.
    Audience,
}

/// One table's shape.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name, by which thresholds are drawn.
    pub name: String,
    /// How many dimensions it has, one or two, the second within the first.
    pub levels: usize,
    /// Its measures, in the order of [`Cell::amounts`].
    pub measures: Vec<(String, Kind)>,
    /// Whether a visitor may be in several cells.
    pub overlapping: bool,
}

/// One cell, exact. It never leaves the publisher's memory.
#[derive(Clone, Debug, Deserialize)]
pub struct Cell {
    /// Its place in the table, one value per dimension.
    pub dimensions: Vec<String>,
    /// Confirmed visitors; cells are ordered by it.
    pub visitors: u64,
    /// The visitors that count.
    pub crowd: Crowd,
    /// The measures.
    pub amounts: Vec<u64>,
    /// Of measures that are parts: who is in the part.
    pub parts: Vec<Crowd>,
    /// Likewise: who is in the rest.
    pub rests: Vec<Crowd>,
    /// How many cells were folded into this one.
    #[serde(skip)]
    pub folded: u32,
}

/// One row fit to publish.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Shown {
    /// Its place in the table.
    pub dimensions: Vec<String>,
    /// The measures, rounded; `None` is absent.
    pub measures: Vec<Option<u64>>,
}

/// What is secret about a window, and how its networks count.
pub struct Secrets {
    key: [u8; 32],
    /// What thresholds are multiplied by.
    times: u32,
    /// Visitors per network class that count.
    pub cap: u8,
}

impl Secrets {
    /// From the window's seed.
    pub fn new(seed: &[u8], cap: u8) -> Self {
        Self { key: blake3::derive_key("tamga 2026 publishing rules v1", seed), times: 1, cap }
    }

    /// Thresholds for a window within which day keys were lost: a visitor is there once more for every lost key, so every
    /// threshold is its double, or the according multiple.
    #[must_use]
    pub fn keys_lost(mut self, lost: u64) -> Self {
        self.times = u32::try_from(lost).unwrap_or(u32::MAX).saturating_add(1);
        self
    }

    /// The threshold of a cell, 10 to 14, or a multiple of it when keys were lost.
    pub fn k<'a>(&self, table: &'a str, place: impl IntoIterator<Item = &'a str>) -> u32 {
        let parts = ["k", table].into_iter().chain(place);
        (K_MIN + (self.draw(parts) % u64::from(K_RANGE)) as u32).saturating_mul(self.times)
    }

    /// The multiple of 5 that stands for a number in this window.
    pub fn round(&self, number: u64) -> u64 {
        let offset = self.draw(["round", number.to_string().as_str()]) % STEP;
        number.saturating_add(offset) / STEP * STEP
    }

    /// Whether a count may be told: nobody stands behind it, or enough do.
    pub(super) fn may_tell(&self, amount: u64, crowd: &Crowd, k: u32) -> bool {
        amount == 0 || crowd.weight(self.cap) >= k
    }

    fn draw<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

impl Cell {
    /// Takes in another cell.
    pub(super) fn merge(&mut self, other: Self, overlapping: bool) {
        let join = |mine: &mut Crowd, theirs: &Crowd| if overlapping { mine.cover(theirs) } else { mine.add(theirs) };
        join(&mut self.crowd, &other.crowd);
        self.visitors = self.visitors.saturating_add(other.visitors);
        self.folded = self.folded.saturating_add(other.folded).saturating_add(1);
        for (mine, theirs) in self.amounts.iter_mut().zip(other.amounts) {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in self.parts.iter_mut().zip(&other.parts) {
            join(mine, theirs);
        }
        for (mine, theirs) in self.rests.iter_mut().zip(&other.rests) {
            join(mine, theirs);
        }
    }

    pub(super) fn place(&self) -> impl Iterator<Item = &str> {
        self.dimensions.iter().map(String::as_str)
    }
}

/// What of a table's cells may be shown. `visitors` is the site's confirmed visitors in this window.
///
/// Cells whose number of dimensions or measures is not the table's are a programming error and are left out.
pub fn publishable(table: &Table, secrets: &Secrets, visitors: u64, cells: Vec<Cell>) -> Vec<Shown> {
    let width = table.measures.len();
    let well_formed = cells.into_iter().filter(|cell| {
        cell.dimensions.len() == table.levels && [cell.amounts.len(), cell.parts.len(), cell.rests.len()] == [width; 3]
    });
    let cells = fold::fold(table, secrets, well_formed.collect());
    let absent = hide::absent(table, secrets, visitors, &cells);
    let mut shown: Vec<_> = cells
        .into_iter()
        .zip(absent)
        .map(|(cell, absent)| Shown {
            measures: cell
                .amounts
                .iter()
                .zip(absent)
                .map(|(&amount, absent)| (!absent).then(|| secrets.round(amount)))
                .collect(),
            dimensions: cell.dimensions,
        })
        .collect();
    shown.sort_by(|a, b| a.dimensions.cmp(&b.dimensions));
    shown
}
