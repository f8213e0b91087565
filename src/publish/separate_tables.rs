//! The tables that are not counted from visits: attributes of devices, signals and errors, which have a pseudonym per key domain,
//! and the suspects among the events.

use std::collections::BTreeMap;

use super::cells::{Cell, CellsByPlace, Measure, Rest, Table};
use super::queries::{self, Candidates};
use super::rollup_list::{REPEATED_WIDE, TIMES_MAX};
use super::snapshot::Fingerprint;
use super::target::{Filled, Target};
use crate::items::Items;
use crate::record;

/// The stats table of all attributes.
pub(super) const ATTRIBUTES: &str = "attributes";
/// Attributes of which a visitor may have several values. Each value is a row with a pseudonym of its own.
const LISTS: [&str; 4] = ["languages", "fonts", "plugins", "media_devices"];
/// Attributes of the device part of which a visitor has one value: their totals say how many devices answered.
const OF_EVERY_DEVICE: [&str; 4] = ["time_zone", "cpu", "active_x", "webgl"];
/// The numbers of attributes have wider noise, since a visitor enters one for each item of its device.
const ATTRIBUTES_WIDE: u32 = 2;
/// Events of a suspect that count: most are programs, whose share of the traffic is to be published.
const AUTOMATED_MAX: u32 = 100;
const AUTOMATED_WIDE: u32 = 10;
/// How many errors of a visitor-day have a cell, and how many signs of automation.
const ERRORS_MAX: u32 = 10;
const SIGNS_MAX: u32 = 2;

/// The attributes of devices and connections. Those of visits have tables of their own.
const OF_DEVICES: &str =
    "attribute NOT IN ('place', 'client', 'device', 'hour', 'search') AND NOT startsWith(attribute, 'pair ')";

/// A table with pseudonyms of its own.
pub(super) struct SeparateTable {
    /// The stats table of its rows.
    into: &'static str,
    /// The vault table of its cells, and what its rows there are called.
    from: record::Table,
    kind: &'static str,
    place: &'static str,
    by: &'static str,
    only: &'static str,
    /// How many cells a pseudonym enters at most.
    cells: u32,
    /// By how much a pseudonym changes the number of a cell at most.
    most: u32,
    /// Whether a site's policy lists it.
    pub(super) listed: fn(&Items) -> bool,
}

/// Signs of automation.
const AUTOMATION: SeparateTable = SeparateTable {
    into: "automation",
    from: record::Table::Events,
    kind: "suspects",
    place: "toString(suspect) AS first, '' AS second",
    by: "first",
    only: "suspect != ''",
    cells: SIGNS_MAX,
    most: AUTOMATED_MAX,
    listed: |items| items.automation,
};

pub(super) const SEPARATE_TABLES: [SeparateTable; 5] = [
    SeparateTable {
        into: ATTRIBUTES,
        from: record::Table::Attributes,
        kind: "devices",
        place: "attribute AS first, max(if(toUInt32(cityHash64(toString(value))) IN [{hashes of devices}], toString(value), \
                '(other)')) AS second",
        by: "site, attribute",
        only: "{of_devices}",
        cells: 1,
        most: 1,
        listed: |_| true,
    },
    SeparateTable {
        into: ATTRIBUTES,
        from: record::Table::Signals,
        kind: "canvas",
        // Whether a digest is that of many devices is decided as for a name.
        place: "'canvas' AS first, max(if(state = 'normal' AND toUInt32(cityHash64(digest)) IN [{hashes of digests}], 'reused', \
                toString(state))) AS second",
        by: "site, signal",
        only: "signal = 'canvas'",
        cells: 1,
        most: 1,
        listed: |items| items.canvas,
    },
    SeparateTable {
        into: "errors",
        from: record::Table::Errors,
        kind: "errors",
        place: "if(toUInt32(cityHash64(toString(template))) IN [{hashes of errors}], toString(template), '(other)') AS first, \
                concat(toString(browser), '\x1f', toString(major), '\x1f', toString(os)) AS second",
        by: "first, second",
        only: "true",
        cells: ERRORS_MAX,
        most: TIMES_MAX,
        listed: |items| items.errors,
    },
    AUTOMATION,
    SeparateTable {
        from: record::Table::Signals,
        kind: "detectors",
        place: "concat('detector:', state) AS first, '' AS second",
        only: "signal = 'automation' AND state NOT IN ('', 'none', 'unsupported', 'blocked', 'timeout', 'error')",
        ..AUTOMATION
    },
];

/// Of which kind a row of a vault table is, as SQL: that of the separate table that is counted from it, else its attribute.
pub(super) fn kind_of(table: record::Table) -> String {
    let own = SEPARATE_TABLES.iter().filter(|own| own.from == table);
    let own: String = own.map(|own| format!("{}, '{}', ", own.only, own.kind)).collect();
    let attribute = if table == record::Table::Attributes { "toString(attribute)" } else { "''" };
    format!("multiIf({own}false, '', {attribute})").replace("{of_devices}", OF_DEVICES)
}

impl SeparateTable {
    /// The query for its cells, which is run per slice.
    pub(super) fn cells_query(&self, candidates: &Candidates) -> String {
        let sql = include_str!("sql/separate.sql").replace("{whole_cells}", include_str!("sql/whole_cells.sql").trim());
        let sql = sql.replace("{place}", self.place).replace("{table}", self.from.name()).replace("{by}", self.by);
        let sql = sql.replace("{only}", self.only).replace("{of_devices}", OF_DEVICES);
        // The pseudonyms of attributes are of one cell each.
        let sql = if self.cells == 1 { sql.replace("LIMIT {cells} BY visitor", "") } else { sql };
        let sql = sql.replace("{cells}", &self.cells.to_string()).replace("{most}", &self.most.to_string());
        queries::complete(&candidates.fill_in(sql))
    }

    /// How many rows of a window it is counted from.
    pub(super) fn rows(&self, fingerprint: &Fingerprint) -> u64 {
        fingerprint.rows(self.from, |kind| kind == self.kind)
    }

    /// What its cells are published as. Each attribute is a table by itself.
    pub(super) fn tables(&self, cells: CellsByPlace) -> Vec<Filled> {
        let cells = cells.into_cells();
        match self.into {
            ATTRIBUTES => {
                let mut by_name: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
                for cell in cells {
                    let mut dimensions = cell.dimensions.clone().into_iter();
                    let (name, value) = (dimensions.next().unwrap_or_default(), dimensions.next().unwrap_or_default());
                    let name = if name == "screen" { screen_property(&value).to_owned() } else { name };
                    by_name.entry(name).or_default().push(Cell { dimensions: vec![value], ..cell.with(&[0]) });
                }
                by_name.into_iter().map(|(name, cells)| Filled::new(attribute(&name), cells)).collect()
            }
            "errors" => {
                let with_networks = |cell: Cell| {
                    let networks = cell.crowd.classes();
                    cell.with(&[1, 0]).and(networks)
                };
                vec![Filled::new(errors(), cells.map(with_networks).collect())]
            }
            _ => {
                vec![Filled::new(automation(), cells.map(|cell| cell.with(&[1, 0]).at(1)).collect())]
            }
        }
    }
}

/// The property of a screen that a value is of. Why there is none stands with the sizes.
fn screen_property(value: &str) -> &'static str {
    let known = [("depth ", "screen_depth"), ("ratio ", "screen_ratio"), ("window ", "screen_window")];
    known.iter().find(|(begins, _)| value.starts_with(begins)).map_or("screen_size", |(_, name)| *name)
}

/// Of how many visitors each attribute is known, by the name of its table: the published sum of its rows; of a list, how many devices answered.
pub(super) fn known_of<'a>(attributes: &[(&'a Target, i64)]) -> BTreeMap<&'a str, Option<i64>> {
    let whole = |table: &Table| table.measures.iter().all(|measure| measure.rest != Rest::Unpublished);
    let sum_of = |name: &&str| attributes.iter().find(|(of, _)| of.table.name == name_of(name)).map(|(_, sum)| *sum);
    let answered = OF_EVERY_DEVICE.iter().find_map(sum_of);
    let known =
        |(of, sum): &(&'a Target, i64)| (of.table.name.as_str(), if whole(&of.table) { Some(*sum) } else { answered });
    attributes.iter().map(known).collect()
}

/// The name of an attribute's table.
fn name_of(attribute: &str) -> String {
    format!("attributes {attribute}")
}

/// What an attribute is published as. Values of a list share visitors, so they have no rest.
pub(super) fn attribute(name: &str) -> Target {
    let is_list = LISTS.contains(&name) || name.starts_with("screen");
    let rest = if is_list { Rest::Unpublished } else { Rest::Own(1) };
    let measures = vec![Measure::new("visitors", rest, 1).wide(ATTRIBUTES_WIDE)];
    let mut target = Target::new(ATTRIBUTES, &[&["value"]], measures, 1);
    target.table.name = name_of(name);
    Target { fixed: vec![("attribute", name.into())], ..target }
}

pub(super) fn errors() -> Target {
    let measures = vec![
        Measure::new("count", Rest::Own(2), TIMES_MAX).wide(REPEATED_WIDE),
        Measure::new("visitors", Rest::Unpublished, 1),
        Measure::new("networks", Rest::Unpublished, 1),
    ];
    Target::new("errors", &[&["template"], &["browser", "major", "os"]], measures, ERRORS_MAX)
}

pub(super) fn automation() -> Target {
    let measures = vec![
        Measure::new("count", Rest::Own(SIGNS_MAX), AUTOMATED_MAX).wide(AUTOMATED_WIDE),
        Measure::new("visitors", Rest::Unpublished, 1),
    ];
    Target::new("automation", &[&["reason"]], measures, SIGNS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_a_screen_stand_apart_and_their_base_is_the_devices_that_answered() {
        let of = ["1440x900", "depth 24", "ratio 2", "window full", "timeout"].map(screen_property);
        assert_eq!(of, ["screen_size", "screen_depth", "screen_ratio", "screen_window", "screen_size"]);
        let published = ["cpu", "screen_ratio", "time_zone", "provider"].map(attribute);
        let known = known_of(&published.iter().zip([80, 300, 100, 500]).collect::<Vec<_>>());
        let [zone, ratio, provider] = ["time_zone", "screen_ratio", "provider"].map(|name| known[&name_of(name)[..]]);
        assert_eq!([zone, ratio, provider], [Some(100), Some(100), Some(500)]);
    }
}
