//! What cells are published as: a stats table, the cells' shape for the rules, and how a published row becomes a row of the table.

use serde_json::Value;

use super::cells::{OTHER, PublishedRow, SEPARATOR, Table};
use super::model::Row;

/// The columns that each dimension fills.
pub(super) type Columns = &'static [&'static [&'static str]];

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
    /// Without fixed columns and goals.
    pub(super) fn new(into: &'static str, table: Table, columns: Columns) -> Self {
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
