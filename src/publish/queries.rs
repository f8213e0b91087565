//! What is asked of the vault: one pass over the window's rows per table, of which only cells come over.
//!
//! A pass is made in slices by pseudonym, which is how the rows are ordered: memory is bounded by the slice, not by the
//! traffic, and no visitor is in two slices, so that their cells add up.

use std::sync::LazyLock;

use crate::items::Items;

use super::rules::{Kind, Table};
use super::window::Window;

/// One table and how its cells are had.
pub(super) struct Rollup {
    /// Its shape.
    pub(super) table: &'static Table,
    /// The query.
    pub(super) sql: String,
    /// Which of the query's measures the table has, in its order.
    pub(super) takes: &'static [usize],
    /// Whether a site's policy lists what the table shows.
    pub(super) listed: fn(&Items) -> bool,
}

/// Cells that a query sends at most, the most frequent; others come as `(other)`, folded by the engine.
const CELLS_MAX: u32 = 5_000;

/// Rows that a slice has at most, were pseudonyms evenly spread, which they are; 250 MB or so in the engine.
pub(super) const SLICE_ROWS: u64 = 500_000;
/// Slices that a window is cut into at most.
const SLICES_MAX: u64 = 4_096;

/// Bounds of memory, threads and time for the passes over a window; groups that do not fit go to disk.
const SETTINGS: &str = "SETTINGS optimize_aggregation_in_order = 1, max_threads = 2, \
     max_bytes_before_external_group_by = 200000000, max_bytes_before_external_sort = 200000000, \
     max_memory_usage = 400000000, max_execution_time = 600";

const HOURS: Table = Table {
    name: "hours",
    dimensions: &["hour"],
    measures: &[("views", Kind::Whole), ("visits", Kind::Part { of: Some(0) })],
    overlapping: true,
};
/// Pages; the share of views in its `(other)` goes into the ledger.
pub(super) const PAGES: Table = Table {
    name: "pages",
    dimensions: &["path"],
    measures: &[
        ("views", Kind::Whole),
        ("visitors", Kind::Audience),
        ("entries", Kind::Part { of: Some(0) }),
        ("last_pages", Kind::Part { of: Some(0) }),
    ],
    overlapping: true,
};
const ENTRIES: Table = Table {
    name: "entries",
    dimensions: &["channel", "source"],
    measures: &[
        ("visits", Kind::Whole),
        ("visitors", Kind::Part { of: None }),
        ("bounces", Kind::Part { of: Some(0) }),
    ],
    overlapping: true,
};
const PLACES: Table = Table {
    name: "places",
    dimensions: &["country", "region"],
    measures: &[("visitors", Kind::Whole), ("visits", Kind::Part { of: None })],
    overlapping: false,
};
const CLIENTS: Table = Table { name: "clients", dimensions: &["browser", "major"], ..PLACES };

/// The tables beside the site's total.
pub(super) static ROLLUPS: LazyLock<[Rollup; 5]> = LazyLock::new(|| {
    let views = |key| complete(include_str!("sql/views.sql").replace("{key}", key));
    let traits = |key, columns, second| {
        let sql = include_str!("sql/traits.sql").replace("{key}", key).replace("{columns}", columns);
        complete(sql.replace("{second}", second))
    };
    [
        Rollup {
            table: &HOURS,
            sql: views("formatDateTime(view.2, '%H', {time_zone:String})"),
            takes: &[0, 2],
            listed: |items| items.pages,
        },
        Rollup {
            table: &PAGES,
            sql: views("if(view.1 IN shown, view.1, '(other)')"),
            takes: &[0, 1, 2, 3],
            listed: |items| items.pages,
        },
        Rollup {
            table: &ENTRIES,
            sql: complete(include_str!("sql/entries.sql").to_owned()),
            takes: &[0, 1, 2],
            listed: |items| items.entry,
        },
        Rollup {
            table: &PLACES,
            sql: traits("place", "country, region", "place.2"),
            takes: &[0, 1],
            listed: |items| items.country || items.region,
        },
        Rollup {
            table: &CLIENTS,
            sql: traits("client", "browser, browser_major", "if(client.2 = 0, '', toString(client.2))"),
            takes: &[0, 1],
            listed: |items| items.browser,
        },
    ]
});

/// The site's total.
pub(super) static SITE: LazyLock<String> = LazyLock::new(|| complete(include_str!("sql/site.sql").to_owned()));

/// Views that were counted and nothing else.
pub(super) const COUNT_ONLY: &str = "SELECT sum(count) AS count FROM tallies \
     WHERE site = {site:String} AND day BETWEEN {first_day:Date} AND {last_day:Date} AND reason = 'count_only' \
     AND hour >= toDateTime({start:UInt32}, 'UTC') AND hour < toDateTime({end:UInt32}, 'UTC')";

/// How often a key was lost within the window: a visitor of that day may then be under so many pseudonyms more.
pub(super) const KEYS_LOST: &str = "SELECT uniqExact(reason) AS count FROM tallies \
     WHERE site = {site:String} AND day BETWEEN {first_day:Date} AND {last_day:Date} AND startsWith(reason, 'key_lost:') \
     AND hour >= toDateTime({start:UInt32}, 'UTC') AND hour < toDateTime({end:UInt32}, 'UTC')";

/// All events of a site by hour, since a moment.
pub(super) const EVENTS_BY_HOUR: &str = "SELECT toUnixTimestamp(hour) AS hour, count() AS count FROM events \
     WHERE site = {site:String} AND hour >= toDateTime({start:UInt32}, 'UTC') GROUP BY hour ORDER BY hour";

/// The earliest hour of a site in the vault; 0 if there is none.
pub(super) const EARLIEST: &str = "SELECT min(earliest) AS start FROM (\
     SELECT toUnixTimestamp(min(hour)) AS earliest FROM events WHERE site = {site:String} HAVING count() > 0 UNION ALL \
     SELECT toUnixTimestamp(min(hour)) AS earliest FROM tallies WHERE site = {site:String} HAVING count() > 0)";

fn complete(sql: String) -> String {
    let within = include_str!("sql/within.sql").trim();
    let slice = include_str!("sql/slice.sql").trim();
    let sql = sql.replace("{visitors}", include_str!("sql/visitors.sql"));
    let sql = sql.replace("{within}", within).replace("{slice}", slice);
    format!("{sql}{SETTINGS}")
}

/// The parameters of a window's queries.
pub(super) fn parameters(site: &str, time_zone: &str, window: &Window, is_weekly: bool) -> Vec<(&'static str, String)> {
    vec![
        ("site", site.to_owned()),
        ("time_zone", time_zone.to_owned()),
        ("first_day", window.first_day.to_string()),
        ("last_day", window.last_day.to_string()),
        ("start", window.start.as_second().to_string()),
        ("end", window.end.as_second().to_string()),
        ("week", is_weekly.to_string()),
        ("cells", CELLS_MAX.to_string()),
    ]
}

/// The slices of a window with so many rows, as first and last pseudonym in hexadecimal; finer by a power of two.
pub(super) fn slices(rows: u64, finer: u32) -> Vec<[(&'static str, String); 2]> {
    let count = rows.div_ceil(SLICE_ROWS).max(1).saturating_mul(1 << finer.min(12)).min(SLICES_MAX);
    let edge = |slice: u64| slice * 65_536 / count;
    let slice = |slice| {
        let (from, to) = (edge(slice), edge(slice + 1) - 1);
        [("from", format!("{from:04x}{}", "0".repeat(28))), ("to", format!("{to:04x}{}", "f".repeat(28)))]
    };
    (0..count).map(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_leave_no_pseudonym_out_and_none_twice() {
        for (rows, finer, count) in [(0, 0, 1), (500_001, 0, 2), (10_000_000, 2, 80), (u64::MAX, 40, 4_096)] {
            let slices = slices(rows, finer);
            assert_eq!(slices.len(), count);
            let mut next = 0u128;
            for [(_, from), (_, to)] in &slices {
                assert_eq!(u128::from_str_radix(from, 16), Ok(next));
                next = u128::from_str_radix(to, 16).expect("hexadecimal").wrapping_add(1);
            }
            assert_eq!(next, 0, "the last slice ends with the last pseudonym");
        }
    }
}
