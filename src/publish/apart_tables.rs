//! The tables that are counted from one attribute of visits, each under a key domain of its own: places, clients, devices, hours,
//! searches, and the declared pairs whose dimensions lie in different key domains.

use super::cells::{Cell, CellsByPlace, Measure, Rest};
use super::hours;
use super::model::PublishedSite;
use super::noise::EVENTS_WIDE;
use super::queries::{self, Candidates};
use super::rollup_list::{OF_VISITS, REPEATED_WIDE, TIMES_MAX};
use super::rollups::pair;
use super::snapshot::Fingerprint;
use super::target::{Columns, Target};
use crate::items::Items;
use crate::record;

/// A table that is counted from one attribute.
pub(super) struct ApartTable {
    pub(super) target: Target,
    /// The attribute that its cells are counted from.
    pub(super) attribute: String,
    /// A pair has a query of its own, without candidates.
    pub(super) own: Option<String>,
    /// Its measures' places among those of the query.
    takes: Vec<usize>,
}

/// A table that every site has whose policy lists it.
struct Entry {
    into: &'static str,
    attribute: &'static str,
    /// The column of each dimension.
    columns: Columns,
    overlapping: bool,
    cells: u32,
    measures: fn() -> [(Measure, usize); 2],
    listed: fn(&Items) -> bool,
}

// The query's measures.
const VISITORS: usize = 0;
const TIMES: usize = 1;
const BEGUN: usize = 2;

/// Visits of one visitor that are counted with one value. A later visit has a pseudonym of its own, so nothing enforces this.
const LATER_VISITS: u32 = 3;

/// A table of a property of which each visitor has one value: that of the visit that began, if there are two.
const fn of_visitor(
    into: &'static str,
    attribute: &'static str,
    columns: Columns,
    listed: fn(&Items) -> bool,
) -> Entry {
    Entry {
        into,
        attribute,
        columns,
        overlapping: false,
        cells: 1,
        measures: || {
            [
                (Measure::new("visitors", Rest::Of("visitors"), 1), VISITORS),
                (Measure::new("visits", OF_VISITS, LATER_VISITS).wide(2), BEGUN),
            ]
        },
        listed,
    }
}

const HOURS: Entry = Entry {
    into: hours::TABLE,
    attribute: "hour",
    columns: &[&["hour"]],
    overlapping: true,
    cells: 24,
    // The views come from a tally, in which nobody knows how many are of one visitor.
    measures: || {
        [
            (Measure::new("views", Rest::Of("views"), TIMES_MAX).wide(EVENTS_WIDE), TIMES),
            (Measure::new("visits", OF_VISITS, 1), BEGUN),
        ]
    },
    listed: |items| items.pages,
};

const TABLES: [Entry; 5] = [
    HOURS,
    of_visitor("places", "place", &[&["country"], &["region"]], |items| items.country || items.region),
    of_visitor("clients", "client", &[&["browser"], &["major"]], |items| items.browser),
    of_visitor("devices", "device", &[&["device"], &["os"]], |items| items.browser || items.os),
    Entry {
        into: "searches",
        attribute: "search",
        columns: &[&["term"]],
        overlapping: true,
        cells: 10,
        measures: || {
            [
                (Measure::new("count", Rest::Own(2), TIMES_MAX).wide(REPEATED_WIDE), TIMES),
                (Measure::new("visitors", Rest::Unpublished, 1).wide(1), VISITORS),
            ]
        },
        listed: |items| items.search,
    },
];

/// The dimensions of pairs that lie outside of `events`. A pair with one of them has rows of its own.
pub(super) const OUTSIDE: [&str; 5] = ["country", "region", "browser", "os", "device"];
/// The dimensions whose values anyone can invent.
const INVENTED: [&str; 3] = ["source", "campaign", "landing"];
/// The dimensions whose values grow with a visit. Each value begins with its least number.
const GROWING: [&str; 2] = ["pages", "duration"];

/// The query for the cells of all tables without one of their own; their attribute is the source. It is run per slice.
pub(super) fn shared_query(tables: &[ApartTable], candidates: &Candidates) -> String {
    let shared = tables.iter().filter(|table| table.own.is_none());
    let attributes: Vec<_> = shared.map(|table| format!("'{}'", table.attribute)).collect();
    let sql = include_str!("sql/apart.sql").replace("{attributes}", &attributes.join(", "));
    queries::complete(&candidates.fill_in(sql))
}

impl ApartTable {
    /// The tables that a site's policy lists, and those that its configuration declares.
    pub(super) fn all(site: &PublishedSite) -> Vec<Self> {
        let listed = TABLES.iter().filter(|entry| (entry.listed)(&site.items)).map(Self::listed);
        let is_outside = |pair: &&[String; 2]| pair.iter().any(|name| OUTSIDE.contains(&name.as_str()));
        listed.chain(site.pairs.iter().filter(is_outside).map(Self::pair)).collect()
    }

    /// What an hour is published as.
    pub(super) fn hours() -> Target {
        Self::listed(&HOURS).target
    }

    fn listed(entry: &Entry) -> Self {
        let (measures, takes): (Vec<_>, Vec<_>) = (entry.measures)().into_iter().unzip();
        let mut target = Target::new(entry.into, entry.columns, measures, entry.cells);
        target.table.overlapping = entry.overlapping;
        Self { target, attribute: entry.attribute.to_owned(), own: None, takes }
    }

    fn pair([first, second]: &[String; 2]) -> Self {
        let attribute = format!("pair {first} {second}");
        let value = |dimension: &str, column: &str, at: u8| {
            if !INVENTED.contains(&dimension) {
                return format!("toString({column})");
            }
            let hashes = format!("{{hashes of {attribute} {at}}}");
            format!("if(toUInt32(cityHash64(toString({column}))) IN [{hashes}], toString({column}), '(other)')")
        };
        let grows =
            [(first, "value"), (second, "detail")].into_iter().find(|(name, _)| GROWING.contains(&name.as_str()));
        let rank = grows.map_or("0".to_owned(), |(_, column)| format!("toUInt16OrZero(extract({column}, '^[0-9]+'))"));
        let sql = include_str!("sql/pairs.sql")
            .replace("{whole_cells}", include_str!("sql/whole_cells.sql").trim())
            .replace("{first}", &value(first, "value", 1))
            .replace("{second}", &value(second, "detail", 2))
            .replace("{rank}", &rank)
            .replace("{most}", &TIMES_MAX.to_string())
            .replace("{attribute}", &attribute);
        Self { target: pair(first, second), own: Some(sql), attribute, takes: vec![TIMES, VISITORS] }
    }

    /// The query for its cells; `None` if they are among those of [`shared_query`].
    pub(super) fn own_query(&self, candidates: &Candidates) -> Option<String> {
        self.own.as_ref().map(|sql| queries::complete(&candidates.fill_in(sql.clone())))
    }

    /// How many rows of a window it is counted from.
    pub(super) fn rows(&self, fingerprint: &Fingerprint) -> u64 {
        fingerprint.rows(record::Table::Attributes, |kind| kind == self.attribute)
    }

    /// Its cells, as the rules read them.
    pub(super) fn cells(&self, cells: CellsByPlace, views_of_hour: impl Fn(&str) -> u64) -> Vec<Cell> {
        let cell = |cell: Cell| {
            let mut cell = cell.with(&self.takes).at(self.target.table.dimensions.len());
            if self.target.into == hours::TABLE {
                // The rows say how many visits there were. The views of an hour are in a tally.
                (cell.amounts[0], cell.cut) = (views_of_hour(&cell.dimensions[0]), 0);
            }
            cell
        };
        cells.into_cells().map(cell).collect()
    }
}
