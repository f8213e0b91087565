//! Names that are too small for a day are carried to the ISO week, and from there to the month.
//!
//! What no row of a day names is in `(other)`. Its cells are added up here over the days of an ISO week. When the week ends, each name
//! is judged again: its crowd are the visitors of these days for whom the day was the first of their week. What the week does not name
//! either waits for the end of the month, where visitors count on their first day of the month. So does what is left of a week that is not
//! whole: that lies in two months, or on one of whose days nothing was published.
//! So each contribution is in the row of one day, of one week or of one month, or it stays in `(other)`.
//!
//! A row of a week has the noise that the sum of its days would have: somebody who comes every day is no better known by it than by
//! daily rows. Beside it a row of `(other)` takes the same numbers away, once from the rest of its parent (of the days on which the parent
//! had a name) and once from the rest of the table (of all other days). So days and week add up to the total that is published.
//!
//! The state holds exact sums of small cells, but no visitor. It is kept in a file until the month ends. Not promised: that a state
//! is used to its end. It is dropped where it could count twice: an older copy, a gap over the end of a week, other measures than before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use super::cells::{Cell, OTHER, PublishedRow, Rest, Table};
use super::crowd::{FIRST_OF_MONTH, FIRST_OF_WEEK};
use super::model::PublishedSite;
use super::noise::NoiseSource;
use crate::config::Identification;
use crate::window::{Window, monday};

/// The tables whose names are carried. Their rows have the column `carried_to`.
pub(super) const CARRIED: [&str; 12] = [
    "pages",
    "transitions",
    "entries",
    "landings",
    "campaigns",
    "exits",
    "events",
    "places",
    "clients",
    "devices",
    "searches",
    "errors",
];
/// A week has all its days, and a month two weeks of days at least: their noise is that of so many.
pub(super) const WINDOWS_LEAST: [u32; 2] = [7, 14];
/// How many names of a table are kept at most.
const NAMES_MAX: usize = 20_000;
/// Between the values of a cell's dimensions. No value contains it.
const SEPARATOR: &str = "\x1e";

/// What the days of a week and a month have left without a name, for one site.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Carried {
    /// The end of the last window that is in it.
    until: i64,
    /// The days of the week, and those of the month before the week.
    week: Period,
    month: Period,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
struct Period {
    /// The start of its first window, and how many windows it has.
    start: i64,
    windows: u32,
    /// The variance of a number with usual noise, added up over its windows.
    variance: u64,
    tables: BTreeMap<String, Left>,
}

/// What is left of a table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
struct Left {
    measures: Vec<String>,
    /// The variance of the windows in which a value of the first dimension had a name.
    parents: BTreeMap<String, u64>,
    cells: BTreeMap<String, Small>,
}

/// A cell without a name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
struct Small {
    /// Its visitors on their first day of the week, and of the month.
    crowds: [u64; 2],
    /// What of it is in the rest of its parent, and in the rest of the table.
    amounts: [Vec<u64>; 2],
}

/// The two longer periods, in the order of [`Small::crowds`].
const LONGER: [&str; 2] = ["week", "month"];
const WEEK: usize = 0;
const MONTH: usize = 1;

/// Whether a week and a month end with a window.
fn ends(window: &Window) -> (bool, bool) {
    let day = window.last_day;
    let month = day == day.last_of_month();
    (month || day.weekday() == Weekday::Sunday, month)
}

/// The days that are one period: the Monday of a day's week, and the first of its month.
fn periods(day: Date) -> (Date, Date) {
    (monday(day), day.first_of_month())
}

impl Carried {
    /// The state to which a window is added; `None` if the site carries nothing: its windows are not days, or no cookie says which
    /// day is the first of a visitor's week.
    pub(super) fn before(&self, site: &PublishedSite, window: &Window) -> Option<Self> {
        let is_day = site.schedule.is_daily() && window.first_day == window.last_day;
        if !is_day || site.identity != Identification::Cookie {
            return None;
        }
        let mut state = self.clone();
        if state.until > window.start.as_second() {
            return Some(Self::default());
        }
        let last = Timestamp::from_second(state.until - 1).unwrap_or(window.start);
        let (of_last, of_this) = (periods(site.schedule.containing(last).first_day), periods(window.first_day));
        if of_last != of_this {
            state.week = Period::default();
        }
        if of_last.1 != of_this.1 {
            state.month = Period::default();
        }
        Some(state)
    }

    /// Begins a window of which something is published.
    pub(super) fn begin(&mut self, window: &Window, noise_source: &NoiseSource) {
        if self.week.windows == 0 {
            self.week.start = window.start.as_second();
        }
        self.week.windows += 1;
        self.week.variance += noise_source.variance();
    }

    /// Adds the cells that no row of the window names.
    pub(super) fn add(&mut self, table: &Table, noise_source: &NoiseSource, rows: &[PublishedRow], cells: &[Cell]) {
        let left = self.week.left(table);
        let named: BTreeSet<&[String]> = rows.iter().map(|row| &row.dimensions[..]).collect();
        let mut parents = BTreeSet::new();
        for row in rows {
            if let [parent, rest] = &row.dimensions[..]
                && rest == OTHER
                && parent != OTHER
            {
                *left.parents.entry(parent.clone()).or_default() += noise_source.variance();
                parents.insert(parent);
            }
        }
        let has_name = |cell: &&Cell| cell.dimensions.iter().all(|name| name != OTHER);
        for cell in cells.iter().filter(has_name).filter(|cell| !named.contains(&cell.dimensions[..])) {
            let small = left.cells.entry(cell.dimensions.join(SEPARATOR)).or_default();
            let of_cell = Small {
                crowds: [FIRST_OF_WEEK, FIRST_OF_MONTH].map(|bit| noise_source.first_of(&cell.crowd, bit)),
                amounts: match parents.contains(&cell.dimensions[0]) {
                    true => [cell.amounts.clone(), Vec::new()],
                    false => [Vec::new(), cell.amounts.clone()],
                },
            };
            small.add(of_cell);
        }
    }

    /// The rows of the periods that end with a window, each with its period as a window. Call it after [`Self::add`].
    pub(super) fn close(
        &mut self,
        site: &PublishedSite,
        window: &Window,
        noise_source: &NoiseSource,
        table: &Table,
    ) -> Vec<(Window, Vec<PublishedRow>)> {
        let (week_ends, month_ends) = ends(window);
        let mut all = Vec::new();
        if !week_ends {
            return all;
        }
        let since = |start: i64| {
            let start = Timestamp::from_second(start).unwrap_or(window.start);
            Window { start, first_day: site.schedule.containing(start).first_day, ..*window }
        };
        let mut left = self.week.tables.remove(&table.name).unwrap_or_default();
        if self.week.windows >= WINDOWS_LEAST[WEEK] {
            all.push((since(self.week.start), left.named(table, noise_source, self.week.variance, WEEK)));
        }
        self.month.left(table).join(left);
        if month_ends && self.month.windows + self.week.windows >= WINDOWS_LEAST[MONTH] {
            let variance = self.month.variance + self.week.variance;
            let mut left = self.month.tables.remove(&table.name).unwrap_or_default();
            all.push((since(self.month.start), left.named(table, noise_source, variance, MONTH)));
        }
        all
    }

    /// Ends a window: what its week has left waits for the month, and what its month has left stays in `(other)`.
    pub(super) fn end(&mut self, window: &Window, noise_source: &NoiseSource) {
        self.until = window.end.as_second();
        let (week_ends, month_ends) = ends(window);
        if week_ends {
            let week = std::mem::take(&mut self.week);
            if self.month.windows == 0 {
                self.month.start = week.start;
            }
            self.month.windows += week.windows;
            self.month.variance += week.variance;
            for (table, left) in week.tables {
                self.month.tables.entry(table).or_default().join(left);
            }
        }
        if month_ends {
            self.month = Period::default();
        }
        for (table, left) in self.week.tables.iter_mut().chain(&mut self.month.tables) {
            left.bound(table, noise_source);
        }
    }
}

impl Period {
    /// What is left of a table; nothing if its measures were others.
    fn left(&mut self, table: &Table) -> &mut Left {
        let left = self.tables.entry(table.name.clone()).or_default();
        let is_same = left.measures.iter().eq(table.measures.iter().map(|measure| &measure.key));
        if !is_same {
            *left = Left::default();
            left.measures = table.measures.iter().map(|measure| measure.key.clone()).collect();
        }
        left
    }
}

impl Left {
    /// Adds what is left of other days. If their measures differ, only the later days stay.
    fn join(&mut self, later: Self) {
        if self.measures != later.measures {
            *self = later;
            return;
        }
        for (parent, variance) in later.parents {
            *self.parents.entry(parent).or_default() += variance;
        }
        for (name, small) in later.cells {
            self.cells.entry(name).or_default().add(small);
        }
    }

    /// The rows of the names whose crowd is large enough, and the rows of `(other)` that take their numbers away. These names are
    /// no longer left.
    fn named(&mut self, table: &Table, noise_source: &NoiseSource, all: u64, at: usize) -> Vec<PublishedRow> {
        let name = LONGER[at];
        let judge = noise_source.longer(name, all);
        let mut rows: BTreeMap<Vec<String>, Vec<Option<i64>>> = BTreeMap::new();
        let Self { parents, cells, .. } = self;
        cells.retain(|key, small| {
            let dimensions: Vec<String> = key.split(SEPARATOR).map(str::to_owned).collect();
            let place: Vec<_> =
                table.dimensions.iter().map(String::as_str).zip(dimensions.iter().map(String::as_str)).collect();
            if dimensions.len() != table.dimensions.len() || !judge.is_named_by(small.crowds[at], &table.name, &place) {
                return true;
            }
            // Whether a parent had a name on a day is published, and so is of which days the numbers are.
            let known = parents.get(&dimensions[0]).copied().unwrap_or(0).min(all);
            let mut rests = vec![vec![OTHER.to_owned(); dimensions.len()]];
            rests.insert(0, [&dimensions[..1], &[OTHER.to_owned()]].concat());
            for ((amounts, variance), rest) in small.amounts.iter().zip([known, all - known]).zip(rests) {
                if variance == 0 {
                    continue;
                }
                let of = if rest[0] == OTHER { name.to_owned() } else { format!("{name} in parent") };
                let source = noise_source.longer(&of, variance);
                for (at, measure) in table.measures.iter().enumerate() {
                    let amount = amounts.get(at).copied().unwrap_or(0);
                    let noisy = source.noisy(amount, &table.name, &place, &measure.key, measure.wide);
                    let mut add = |dimensions: &Vec<String>, noisy: Option<i64>| {
                        let none = || table.measures.iter().map(|_| None).collect();
                        let sum = &mut rows.entry(dimensions.clone()).or_insert_with(none)[at];
                        *sum = noisy.map_or(*sum, |noisy| Some(sum.unwrap_or(0) + noisy));
                    };
                    add(&dimensions, Some(noisy));
                    add(&rest, (measure.rest != Rest::Unpublished).then_some(-noisy));
                }
            }
            false
        });
        rows.into_iter().map(|(dimensions, measures)| PublishedRow { dimensions, measures }).collect()
    }

    /// Keeps the names that are first by crowd and noise, if they are too many.
    fn bound(&mut self, table: &str, noise_source: &NoiseSource) {
        if self.cells.len() <= NAMES_MAX {
            return;
        }
        let crowds = (0..).zip(self.cells.values().map(|small| small.crowds[MONTH].max(small.crowds[WEEK])));
        let kept: BTreeSet<u32> =
            noise_source.candidates(&format!("carried {table}"), crowds, NAMES_MAX).into_iter().collect();
        let mut number = 0..;
        self.cells.retain(|_, _| number.next().is_some_and(|number| kept.contains(&number)));
    }
}

impl Small {
    fn add(&mut self, other: Self) {
        for (own, other) in self.crowds.iter_mut().zip(other.crowds) {
            *own += other;
        }
        for (own, other) in self.amounts.iter_mut().zip(other.amounts) {
            own.resize(own.len().max(other.len()), 0);
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }
}
