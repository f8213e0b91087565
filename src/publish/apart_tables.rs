//! The tables that are counted from one attribute of visits, each under a key domain of its own: places, clients, devices, hours,
//! searches.

use super::cells::{Cell, CellsByPlace, MeasureKind, Table};
use super::model::Row;
use super::noise::NoiseSource;
use super::queries;
use super::rules;
use super::separate_tables::to_rows;
use crate::items::Items;

/// A table that is counted from one attribute.
pub(super) struct ApartTable {
    /// The stats table of its rows.
    pub(super) into: &'static str,
    /// The attribute that its cells are counted from.
    attribute: &'static str,
    /// The cells of a pseudonym, as SQL: an array of first dimension, second dimension, step.
    places: &'static str,
    columns: &'static [&'static str],
    overlapping: bool,
    /// The measures, each with its place among the query's: visitors, rows, visits that began.
    measures: &'static [(&'static str, MeasureKind, usize)],
    /// Whether a site's policy lists it.
    pub(super) listed: fn(&Items) -> bool,
}

// The query's measures.
const VISITORS: usize = 0;
const TIMES: usize = 1;
const BEGUN: usize = 2;

/// The one value of a visitor: that of the visit that began, if there are two.
const ONE: &str = "[((argMax((toString(value), toString(detail)), (value != '', step)) AS best).1, best.2, max(step))]";
/// A property of which each visitor has one value.
const TRAIT: &[(&str, MeasureKind, usize)] =
    &[("visitors", MeasureKind::Whole, VISITORS), ("visits", MeasureKind::Part { of: None }, BEGUN)];

pub(super) const APART_TABLES: [ApartTable; 5] = [
    ApartTable {
        into: "hours",
        attribute: "hour",
        places: "groupArrayIf(200)((toString(value), '', step), step > 0)",
        columns: &["hour"],
        overlapping: true,
        measures: &[("views", MeasureKind::Whole, TIMES), ("visits", MeasureKind::Part { of: Some(0) }, BEGUN)],
        listed: |items| items.pages,
    },
    ApartTable {
        into: "places",
        attribute: "place",
        places: ONE,
        columns: &["country", "region"],
        overlapping: false,
        measures: TRAIT,
        listed: |items| items.country || items.region,
    },
    ApartTable {
        into: "clients",
        attribute: "client",
        places: ONE,
        columns: &["browser", "major"],
        overlapping: false,
        measures: TRAIT,
        listed: |items| items.browser,
    },
    ApartTable {
        into: "devices",
        attribute: "device",
        places: ONE,
        columns: &["device", "os"],
        overlapping: false,
        measures: TRAIT,
        listed: |items| items.browser || items.os,
    },
    ApartTable {
        into: "searches",
        attribute: "search",
        places: "groupArrayIf(200)((if(value IN (SELECT value FROM attributes WHERE {within} AND attribute = 'search' \
                 GROUP BY value HAVING count() >= 10 ORDER BY count() DESC, value LIMIT 3000), toString(value), '(other)'), \
                 '', step), value != '')",
        columns: &["term"],
        overlapping: true,
        measures: &[("count", MeasureKind::Whole, TIMES), ("visitors", MeasureKind::Audience, VISITORS)],
        listed: |items| items.search,
    },
];

impl ApartTable {
    /// The query for its cells, which is run per slice.
    pub(super) fn cells_query(&self) -> String {
        let sql = include_str!("sql/apart.sql").replace("{places}", self.places);
        queries::complete(&sql.replace("{attribute}", self.attribute))
    }

    /// The query for the number of its rows in the vault.
    pub(super) fn count_query(&self) -> String {
        let sql =
            format!("SELECT count() AS count FROM attributes WHERE {{within}} AND attribute = '{}'", self.attribute);
        sql.replace("{within}", queries::WITHIN.trim())
    }

    /// Its rows. `visitors` is the number of the site's confirmed visitors; `opening` has the columns of every row.
    pub(super) fn rows(
        &self,
        noise_source: &NoiseSource,
        visitors: u64,
        cells: CellsByPlace,
        views_of_hour: impl Fn(&str) -> u64,
        opening: &Row,
    ) -> Vec<Row> {
        let measures = self.measures.iter().map(|(name, kind, _)| ((*name).to_owned(), *kind)).collect();
        let levels = self.columns.len();
        let table = Table { name: self.into.to_owned(), levels, measures, overlapping: self.overlapping };
        let takes: Vec<usize> = self.measures.iter().map(|(.., take)| *take).collect();
        let cell = |cell: Cell| {
            let mut cell = cell.with(&takes).at(levels);
            if self.into == "hours" {
                // A row stands for a visit and not for a view.
                cell.amounts[0] = views_of_hour(&cell.dimensions[0]);
            }
            cell
        };
        let cells = cells.into_cells().map(cell).collect();
        to_rows(self.columns, &table, rules::publishable(&table, noise_source, visitors, cells), opening)
    }
}
