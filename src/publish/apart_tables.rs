//! The tables that are counted from one attribute of visits, each under a key domain of its own: places, clients, devices, hours,
//! searches, and the declared pairs whose dimensions lie in different key domains.

use serde_json::Value;

use super::cells::{Cell, CellsByPlace, MeasureKind, Table};
use super::model::{PublishedSite, Row};
use super::noise::NoiseSource;
use super::queries;
use super::rollups::{PAIR_COLUMNS, pair};
use super::rules;
use super::separate_tables::to_rows;
use crate::items::Items;

/// A table that is counted from one attribute.
pub(super) struct ApartTable {
    /// The stats table of its rows.
    pub(super) into: &'static str,
    /// The attribute that its cells are counted from.
    attribute: String,
    /// The query for its cells, without conditions.
    sql: String,
    columns: &'static [&'static str],
    /// Columns with the same value in each row.
    fixed: Vec<(&'static str, Value)>,
    /// Its shape, for the rules.
    table: Table,
    /// Its measures' places among those of the query.
    takes: Vec<usize>,
}

/// A table that every site has whose policy lists it.
struct Entry {
    into: &'static str,
    attribute: &'static str,
    /// The cells of a pseudonym, as SQL: an array of first dimension, second dimension, step.
    places: &'static str,
    columns: &'static [&'static str],
    overlapping: bool,
    measures: &'static [(&'static str, MeasureKind, usize)],
    listed: fn(&Items) -> bool,
}

// The query's measures.
const VISITORS: usize = 0;
const TIMES: usize = 1;
const BEGUN: usize = 2;

/// A table of a property of which each visitor has one value: that of the visit that began, if there are two.
const fn of_visitor(
    into: &'static str,
    attribute: &'static str,
    columns: &'static [&'static str],
    listed: fn(&Items) -> bool,
) -> Entry {
    Entry {
        into,
        attribute,
        places: "[((argMax((toString(value), toString(detail)), (value != '', step)) AS best).1, best.2, max(step))]",
        columns,
        overlapping: false,
        measures: &[("visitors", MeasureKind::Whole, VISITORS), ("visits", MeasureKind::Part { of: None }, BEGUN)],
        listed,
    }
}

const TABLES: [Entry; 5] = [
    Entry {
        into: "hours",
        attribute: "hour",
        places: "groupArrayIf(200)((toString(value), '', step), step > 0)",
        columns: &["hour"],
        overlapping: true,
        measures: &[("views", MeasureKind::Whole, TIMES), ("visits", MeasureKind::Part { of: Some(0) }, BEGUN)],
        listed: |items| items.pages,
    },
    of_visitor("places", "place", &["country", "region"], |items| items.country || items.region),
    of_visitor("clients", "client", &["browser", "major"], |items| items.browser),
    of_visitor("devices", "device", &["device", "os"], |items| items.browser || items.os),
    Entry {
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

/// The dimensions of pairs that lie outside of `events`. A pair with one of them has rows of its own.
pub(super) const OUTSIDE: [&str; 5] = ["country", "region", "browser", "os", "device"];
/// The dimensions whose values anyone can invent.
const INVENTED: [&str; 3] = ["source", "campaign", "landing"];
/// The dimensions whose values grow with a visit. Each value begins with its least number.
const GROWING: [&str; 2] = ["pages", "duration"];

impl ApartTable {
    /// The tables that a site's policy lists, and those that its configuration declares.
    pub(super) fn all(site: &PublishedSite) -> Vec<Self> {
        let listed = TABLES.iter().filter(|entry| (entry.listed)(&site.items)).map(Self::listed);
        let is_outside = |pair: &&[String; 2]| pair.iter().any(|name| OUTSIDE.contains(&name.as_str()));
        listed.chain(site.pairs.iter().filter(is_outside).map(Self::pair)).collect()
    }

    fn listed(entry: &Entry) -> Self {
        let measures = entry.measures.iter().map(|(name, kind, _)| ((*name).to_owned(), *kind)).collect();
        Self {
            into: entry.into,
            attribute: entry.attribute.to_owned(),
            sql: include_str!("sql/apart.sql").replace("{places}", entry.places),
            columns: entry.columns,
            fixed: Vec::new(),
            table: Table {
                name: entry.into.to_owned(),
                levels: entry.columns.len(),
                measures,
                overlapping: entry.overlapping,
            },
            takes: entry.measures.iter().map(|(.., take)| *take).collect(),
        }
    }

    fn pair([first, second]: &[String; 2]) -> Self {
        let value = |dimension: &str, column: &str| {
            if !INVENTED.contains(&dimension) {
                return format!("toString({column})");
            }
            format!(
                "if({column} IN (SELECT {column} FROM attributes WHERE {{within}} AND attribute = '{{attribute}}' GROUP BY {column} \
                 HAVING count() >= 10 ORDER BY count() DESC, {column} LIMIT 3000), toString({column}), '(other)')"
            )
        };
        let grows =
            [(first, "value"), (second, "detail")].into_iter().find(|(name, _)| GROWING.contains(&name.as_str()));
        let rank = grows.map_or("0".to_owned(), |(_, column)| format!("toUInt16OrZero(extract({column}, '^[0-9]+'))"));
        let (table, fixed) = pair(first, second);
        Self {
            into: "pairs",
            attribute: format!("pair {first} {second}"),
            sql: include_str!("sql/pairs.sql")
                .replace("{first}", &value(first, "value"))
                .replace("{second}", &value(second, "detail"))
                .replace("{rank}", &rank),
            columns: &PAIR_COLUMNS,
            fixed,
            table,
            takes: vec![TIMES, VISITORS],
        }
    }

    /// The query for its cells, which is run per slice.
    pub(super) fn cells_query(&self) -> String {
        queries::complete(&self.sql.replace("{attribute}", &self.attribute))
    }

    /// The query for the number of its rows in the vault.
    pub(super) fn count_query(&self) -> String {
        let of = &self.attribute;
        let sql = format!("SELECT count() AS count FROM attributes WHERE {{within}} AND attribute = '{of}'");
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
        let cell = |cell: Cell| {
            let mut cell = cell.with(&self.takes).at(self.table.levels);
            if self.into == "hours" {
                // The rows say how many visits there were. The views of an hour are in a tally.
                cell.amounts[0] = views_of_hour(&cell.dimensions[0]);
            }
            cell
        };
        let cells = cells.into_cells().map(cell).collect();
        let mut opening = opening.clone();
        opening.extend(self.fixed.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        to_rows(self.columns, &self.table, rules::publishable(&self.table, noise_source, visitors, cells), &opening)
    }
}
