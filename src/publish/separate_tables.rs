//! The tables that are not counted from visits: attributes of devices, signals and errors, which have a pseudonym per key domain,
//! and the suspects among the events.

use std::collections::BTreeMap;

use super::cells::{Cell, CellsByPlace, MeasureKind, OTHER, PublishedRow, Table};
use super::model::Row;
use super::noise::{K_MIN, NoiseSource};
use super::{queries, rules};
use crate::items::Items;

/// Attributes of which a visitor may have several values. Each value is a row with a pseudonym of its own.
const LISTS: [&str; 5] = ["languages", "fonts", "plugins", "media_devices", "screen"];
/// The attribute that comes with each visit. All others come with the device part, which fewer visitors send.
const OF_VIEWS: &str = "provider";

/// The attributes of devices and connections. Those of visits have tables of their own.
const OF_DEVICES: &str =
    "attribute NOT IN ('place', 'client', 'device', 'hour', 'search') AND NOT startsWith(attribute, 'pair ')";

/// A table with pseudonyms of its own.
pub(super) struct SeparateTable {
    /// The stats table of its rows.
    pub(super) into: &'static str,
    /// The vault table of its cells.
    from: &'static str,
    place: &'static str,
    by: &'static str,
    only: &'static str,
    /// Whether a site's policy lists it.
    pub(super) listed: fn(&Items) -> bool,
}

pub(super) const SEPARATE_TABLES: [SeparateTable; 5] = [
    SeparateTable {
        into: "attributes",
        from: "attributes",
        place: "attribute AS first, max(if((attribute, value) IN (SELECT attribute, value FROM attributes WHERE {within} \
                AND {of_devices} \
                GROUP BY attribute, value HAVING count() >= 10 ORDER BY count() DESC LIMIT 5000), toString(value), \
                '(other)')) AS second",
        by: "site, attribute",
        only: "{of_devices}",
        listed: |_| true,
    },
    SeparateTable {
        into: "attributes",
        from: "signals",
        place: "'canvas' AS first, max(if(state = 'normal' AND digest IN (SELECT digest FROM signals WHERE {within} \
                AND signal = 'canvas' GROUP BY digest HAVING uniqExact(visitor) >= 10), 'reused', toString(state))) AS second",
        by: "site, signal",
        only: "signal = 'canvas'",
        listed: |items| items.canvas,
    },
    SeparateTable {
        into: "errors",
        from: "errors",
        place: "if(template IN (SELECT template FROM errors WHERE {within} GROUP BY template HAVING count() >= 10 \
                ORDER BY count() DESC LIMIT 1000), toString(template), '(other)') AS first, toString(browser) AS second",
        by: "first, second",
        only: "true",
        listed: |items| items.errors,
    },
    SeparateTable {
        into: "automation",
        from: "events",
        place: "toString(suspect) AS first, '' AS second",
        by: "first",
        only: "suspect != ''",
        listed: |items| items.automation,
    },
    SeparateTable {
        into: "automation",
        from: "signals",
        place: "concat('detector:', state) AS first, '' AS second",
        by: "first",
        only: "signal = 'automation' AND state NOT IN ('', 'none', 'unsupported', 'blocked', 'timeout', 'error')",
        listed: |items| items.automation,
    },
];

impl SeparateTable {
    /// The query for its cells, which is run per slice.
    pub(super) fn cells_query(&self) -> String {
        let sql = include_str!("sql/separate.sql").replace("{place}", self.place).replace("{table}", self.from);
        let sql = sql.replace("{by}", self.by).replace("{only}", self.only).replace("{of_devices}", OF_DEVICES);
        queries::complete(&sql)
    }

    /// The query for the number of its rows in the vault.
    pub(super) fn count_query(&self) -> String {
        let sql = format!("SELECT count() AS count FROM {} WHERE {{within}} AND {}", self.from, self.only);
        sql.replace("{of_devices}", OF_DEVICES).replace("{within}", queries::WITHIN.trim())
    }

    /// Its rows. `visitors` is the number of the site's confirmed visitors; `opening` has the columns of every row.
    pub(super) fn rows(
        &self,
        noise_source: &NoiseSource,
        visitors: u64,
        cells: CellsByPlace,
        opening: &Row,
    ) -> Vec<Row> {
        let cells = cells.into_cells();
        match self.into {
            "attributes" => attributes(noise_source, cells, opening),
            "errors" => errors(noise_source, visitors, cells, opening),
            _ => automation(noise_source, cells, opening),
        }
    }
}

fn errors(noise_source: &NoiseSource, visitors: u64, cells: impl Iterator<Item = Cell>, opening: &Row) -> Vec<Row> {
    let audience = MeasureKind::Audience;
    let table = table("errors", 2, &[("count", MeasureKind::Whole), ("visitors", audience), ("networks", audience)]);
    let cells = cells.map(|cell| {
        let networks = cell.crowd.classes();
        cell.with(&[1, 0]).and(networks)
    });
    let mut rows = rules::publishable(&table, noise_source, visitors, cells.collect());
    // A few networks are suppressed like a few visitors, although networks do not count for the threshold.
    for networks in rows.iter_mut().filter_map(|row| row.measures.last_mut()) {
        *networks = networks.filter(|number| *number >= u64::from(K_MIN));
    }
    to_rows(&["template", "browser"], &table, rows, opening)
}

fn automation(noise_source: &NoiseSource, cells: impl Iterator<Item = Cell>, opening: &Row) -> Vec<Row> {
    let table = table("automation", 1, &[("count", MeasureKind::Whole), ("visitors", MeasureKind::Audience)]);
    // Suspects are in no total, so nobody can subtract them from one.
    let cells = cells.map(|cell| cell.with(&[1, 0]).at(1)).collect();
    to_rows(&["reason"], &table, rules::publishable(&table, noise_source, u64::MAX, cells), opening)
}

/// Each attribute is a table by itself. Of a list, the visitors without a value can be computed from other attributes, so they
/// must be none or meet the threshold. Values of a list share visitors, so small values are left out instead of folded.
fn attributes(noise_source: &NoiseSource, cells: impl Iterator<Item = Cell>, opening: &Row) -> Vec<Row> {
    let mut by_name: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
    for cell in cells {
        let mut dimensions = cell.dimensions.clone().into_iter();
        let (name, value) = (dimensions.next().unwrap_or_default(), dimensions.next().unwrap_or_default());
        by_name.entry(name).or_default().push(Cell { dimensions: vec![value], ..cell.with(&[0]) });
    }
    let of_devices = by_name.iter().filter(|(name, _)| !LISTS.contains(&name.as_str()) && *name != OF_VIEWS);
    let devices = of_devices.map(|(_, cells)| cells.iter().map(|cell| cell.visitors).sum()).max().unwrap_or(u64::MAX);
    let mut all = Vec::new();
    for (name, cells) in by_name {
        let is_list = LISTS.contains(&name.as_str());
        let kind = if is_list { MeasureKind::Audience } else { MeasureKind::Whole };
        let mut table = table(&format!("attributes {name}"), 1, &[("visitors", kind)]);
        table.overlapping = is_list;
        let rows = rules::publishable(&table, noise_source, devices, cells);
        let rows = rows.into_iter().filter(|row| !is_list || row.dimensions != [OTHER]).collect();
        for mut row in to_rows(&["value"], &table, rows, opening) {
            row.insert("attribute".to_owned(), name.clone().into());
            all.push(row);
        }
    }
    all
}

pub(super) fn to_rows(columns: &[&str], table: &Table, rows: Vec<PublishedRow>, opening: &Row) -> Vec<Row> {
    let to_row = |published: PublishedRow| {
        let mut row = opening.clone();
        row.extend(columns.iter().zip(published.dimensions).map(|(name, value)| ((*name).to_owned(), value.into())));
        let measures = table.measures.iter().zip(published.measures);
        row.extend(measures.map(|((name, _), number)| (name.clone(), number.into())));
        row
    };
    rows.into_iter().map(to_row).collect()
}

fn table(name: &str, levels: usize, measures: &[(&str, MeasureKind)]) -> Table {
    let measures = measures.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    Table { name: name.to_owned(), levels, measures, overlapping: true }
}
