//! What cells are published as: a stats table, the cells' shape for the rules, and how a published row becomes a row of the table.

use serde_json::Value;

use super::cells::{Cell, Measure, OTHER, PublishedRow, SEPARATOR, Table};
use super::model::Row;
use super::noise::NoiseSource;

/// The columns that each dimension fills.
pub(super) type Columns = &'static [&'static [&'static str]];

/// How many times wider the noise of a step of a funnel is, by its number from 1. It is the same in every funnel, so that what begins alike shows one number.
pub(super) const fn step_wide(step: usize) -> u32 {
    if step <= 4 { 2 } else { 4 }
}

/// What cells are published as. Several may be of one stats table.
pub(super) struct Target {
    /// The stats table.
    pub(super) into: &'static str,
    /// The shape, for the rules.
    pub(super) table: Table,
    pub(super) columns: Columns,
    /// Columns with the same value in each row.
    pub(super) fixed: Vec<(&'static str, Value)>,
    /// Whether a row has the declared goals.
    pub(super) has_goals: bool,
}

impl Target {
    /// Without fixed columns and goals. The dimensions are named for their columns.
    pub(super) fn new(into: &'static str, columns: Columns, measures: Vec<Measure>, cells: u32) -> Self {
        let dimensions: Vec<_> = columns.iter().map(|columns| columns.join(" and ")).collect();
        let table = Table::new(into, &dimensions, measures, cells);
        Self { into, table, columns, fixed: Vec::new(), has_goals: false }
    }

    /// A row with the fixed columns.
    pub(super) fn open(&self, mut row: Row) -> Row {
        row.extend(self.fixed.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        row
    }

    /// Published rows as rows of the stats table. `opening` has the columns of every row.
    pub(super) fn rows(&self, opening: &Row, published: Vec<PublishedRow>) -> Vec<Row> {
        published.into_iter().map(|published| self.row(opening.clone(), published)).collect()
    }

    /// A published row as a row of the stats table.
    pub(super) fn row(&self, opening: Row, published: PublishedRow) -> Row {
        let mut row = self.open(opening);
        for (columns, value) in self.columns.iter().zip(&published.dimensions) {
            let mut parts = value.split(SEPARATOR);
            for column in *columns {
                // `(other)` fills every column of its dimension.
                let part = if value == OTHER { OTHER } else { parts.next().unwrap_or_default() };
                row.insert((*column).to_owned(), part.into());
            }
        }
        let mut goals = Row::new();
        for (measure, number) in self.table.measures.iter().zip(published.measures) {
            match measure.name.strip_prefix("goal ") {
                Some(goal) => goals.insert(goal.to_owned(), number.into()),
                None => row.insert(measure.name.clone(), number.into()),
            };
        }
        if self.has_goals {
            row.insert("goals".to_owned(), Value::Object(goals));
        }
        row
    }
}

/// Cells, and what they are published as.
pub(super) struct Filled {
    pub(super) target: Target,
    pub(super) cells: Vec<Cell>,
    /// The steps of a funnel, whose cells say how many steps visits took. Empty for all other tables.
    pub(super) steps: Vec<String>,
}

impl Filled {
    pub(super) fn new(target: Target, cells: Vec<Cell>) -> Self {
        Self { target, cells, steps: Vec::new() }
    }

    /// A row for each step of a funnel. Its steps are declared, so their names say nothing of visitors, and every step is published. A
    /// step has the noise of the steps up to it, so that two funnels that begin alike show one number.
    pub(super) fn rows_of_steps(&self, noise_source: &NoiseSource, opening: &Row) -> Vec<Row> {
        let row = |(at, name): (usize, &String)| {
            let number = format!("{:02}", at + 1);
            // A visit took the steps up to that of its cell; three visits of a visitor are in all cells together.
            let visits =
                self.cells.iter().filter(|cell| cell.dimensions[0] >= number).map(|cell| cell.amounts[0]).sum();
            let taken: Vec<_> = self.steps[..=at].iter().enumerate().map(|(at, step)| (at.to_string(), step)).collect();
            let place: Vec<_> = taken.iter().map(|(at, step)| (at.as_str(), step.as_str())).collect();
            let noisy = noise_source.noisy(visits, &self.target.table.name, &place, "visits", step_wide(at + 1));
            let mut row = self.target.open(opening.clone());
            row.extend([("step".into(), (at + 1).into()), ("name".into(), name.clone().into())]);
            row.insert("visits".to_owned(), noisy.into());
            row
        };
        self.steps.iter().enumerate().map(row).collect()
    }
}
