//! The publishing rules: cells in, cells out that are fit for anyone to see. Pure.
//!
//! 1. Every cell has one secret draw of 55 in its window. It shows when its confirmed visitors ([`Crowd`]) and the draw
//!    together are 64 or more: surely from 64 visitors, never below ten. Others fold into `(other)` of the same parent, with
//!    the next smallest cells until that shows ([`super::fold`]). So what is missing from a sum is always ten visitors or more.
//! 2. A measure that counts part of a cell (entries of a page's views, bounces of visits) is shown where both the part and
//!    the rest are many by such draws; elsewhere it is absent, also where it is 0: a 0 that shows would tell of the one who
//!    makes it 1. Because its sum is known from another table, all cells in which it is absent must together be many as
//!    well ([`super::hide`]).
//! 3. The number that counts a cell's people is told with the same draw added, about its middle, as a multiple of 5; every
//!    other number with that draw and one of 65 of its own. So it is right on average, and never further off than
//!    [`Blur::worst`].
//!
//! Why one draw for both: a cell with one visitor more, who does everything once, looks in every respect as it does with the
//! next draw. All that is published of it is then told apart from the cell without that visitor by 1 in 55 at most, whatever
//! the others do, and as no other cell has this draw, nothing is learnt about it elsewhere. `docs/publishing.md` says what
//! more visitors, or a visitor who does things twice or stands in several tables, add to that.
//!
//! What is not hidden: that a visible cell exists, and what follows from the large numbers by themselves. Measures count
//! all views and visits, of unconfirmed browsers too; only confirmed visitors make a cell show.

use serde::{Deserialize, Serialize};

use super::crowd::Crowd;
use super::{fold, hide};

/// The name of what is folded.
pub const OTHER: &str = "(other)";

/// Of fewer confirmed visitors nothing is shown.
pub const K_MIN: u32 = 10;
/// How many values the draw of a cell has. Like the other two an odd multiple of [`STEP`], so that rounding is fair.
pub const WIDTH: u32 = 55;
/// How many values the further draw of a further number has.
pub const FURTHER: u32 = 65;
/// How many values the draw of a site's total has, or of what has no visitors.
pub const NARROW: u32 = 25;
/// Of fewer events nothing is shown that has no visitors by nature.
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
    /// Its name, by which cells have their draws.
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Shown {
    /// Its place in the table.
    pub dimensions: Vec<String>,
    /// The measures, rounded; `None` is absent.
    pub measures: Vec<Option<u64>>,
}

/// What was drawn for a cell or a number: one of so many values, each as likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blur {
    pub(super) drawn: u32,
    /// The highest that could be drawn; even.
    pub(super) highest: u32,
}

impl Blur {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { drawn: self.drawn + other.drawn, highest: self.highest + other.highest }
    }

    /// How far a told number is from the true one at most, of draws with so many values.
    pub const fn worst(widths: &[u32]) -> u64 {
        let (mut at, mut off) = (0, STEP / 2);
        while at < widths.len() {
            off += (widths[at] as u64 - 1) / 2;
            at += 1;
        }
        off
    }
}

/// What is secret about a window, and how its networks count.
pub struct Secrets {
    key: [u8; 32],
    /// How often one person may be there.
    times: u32,
    /// Visitors per network class that count.
    pub cap: u8,
}

impl Secrets {
    /// From the window's seed, which is drawn for one site and window.
    pub fn new(seed: &[u8], cap: u8) -> Self {
        Self { key: blake3::derive_key("tamga 2026-11-25 publishing rules v2", seed), times: 1, cap }
    }

    /// For a window within which day keys were lost: a visitor is there once more for every lost key, so thresholds and what
    /// is drawn are doubled, or the according multiple.
    #[must_use]
    pub fn keys_lost(mut self, lost: u64) -> Self {
        self.times = u32::try_from(lost).unwrap_or(u32::MAX).saturating_add(1);
        self
    }

    /// The draw of a cell.
    pub fn cell<'a>(&self, table: &'a str, place: impl IntoIterator<Item = &'a str>) -> Blur {
        self.draw(WIDTH, ["cell", table].into_iter().chain(place))
    }

    /// The draw of something else about a cell, or about a table, that is to be many.
    pub(super) fn aside<'a>(&self, what: &'a str, table: &'a str, place: impl IntoIterator<Item = &'a str>) -> Blur {
        self.draw(WIDTH, ["aside", what, table].into_iter().chain(place))
    }

    /// The further draw of a number that does not count its cell's people.
    pub(super) fn further<'a>(
        &self,
        table: &'a str,
        measure: &'a str,
        place: impl IntoIterator<Item = &'a str>,
    ) -> Blur {
        self.draw(FURTHER, ["further", table, measure].into_iter().chain(place))
    }

    /// The draw of a number of the whole site, or of one that has no visitors by nature.
    pub(super) fn narrow<'a>(&self, name: impl IntoIterator<Item = &'a str>) -> Blur {
        self.draw(NARROW, ["narrow"].into_iter().chain(name))
    }

    /// Whether a crowd is enough by this draw: then it is [`K_MIN`] at least.
    pub fn are_many(&self, crowd: &Crowd, blur: Blur) -> bool {
        self.reaches(crowd.weight(self.cap).into(), blur, K_MIN.into())
    }

    /// Whether a count is enough by this draw: then it is `least` at least.
    pub(super) fn reaches(&self, count: u64, blur: Blur, least: u64) -> bool {
        let times = u64::from(self.times);
        count.saturating_add(times * u64::from(blur.drawn)) >= times * (least + u64::from(blur.highest))
    }

    /// The multiple of 5 that stands for a number, by its draw.
    pub fn round(&self, number: u64, blur: Blur) -> u64 {
        let times = u64::from(self.times);
        let up = number.saturating_add(times * u64::from(blur.drawn) + STEP / 2);
        up.saturating_sub(times * u64::from(blur.highest / 2)) / STEP * STEP
    }

    fn draw<'a>(&self, values: u32, parts: impl IntoIterator<Item = &'a str>) -> Blur {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        // Of 2^64 values so few more fall on the lower ones that nobody can tell.
        Blur { drawn: (u64::from_le_bytes(first) % u64::from(values)) as u32, highest: values - 1 }
    }
}

impl Table {
    /// The number that is told with the cell's own draw: that of its visitors if they are counted, else its first.
    fn people(&self) -> usize {
        let counts = |(name, kind): &(String, Kind)| name == "visitors" && !matches!(kind, Kind::Part { .. });
        self.measures.iter().position(counts).unwrap_or(0)
    }

    /// What was drawn for a number of a cell.
    pub(super) fn blur(&self, secrets: &Secrets, cell: &Cell, measure: usize) -> Blur {
        let blur = secrets.cell(&self.name, cell.place());
        if measure == self.people() {
            return blur;
        }
        blur.and(secrets.further(&self.name, &self.measures[measure].0, cell.place()))
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
            measures: (0..width)
                .zip(absent)
                .map(|(at, absent)| (!absent).then(|| told(table, secrets, &cell, at)))
                .collect(),
            dimensions: cell.dimensions,
        })
        .collect();
    shown.sort_by(|a, b| a.dimensions.cmp(&b.dimensions));
    shown
}

/// A number of a cell that shows. Whoever makes the cell show does each of the things that are counted of everyone in it, so
/// such a number is not below them, and is not told as if it were.
fn told(table: &Table, secrets: &Secrets, cell: &Cell, measure: usize) -> u64 {
    let told = secrets.round(cell.amounts[measure], table.blur(secrets, cell, measure));
    if table.measures[measure].1 == Kind::Whole { told.max(K_MIN.into()) } else { told }
}
