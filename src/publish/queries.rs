//! What is asked of the vault. All tables that are counted from events come from one pass over the window's rows, those with
//! pseudonyms of their own from a pass each; only cells come over.
//!
//! Lists of hashes are arrays, which the engine reads as one value; a tuple is a thousand (0.3 s of processor a query).
//!
//! A pass is made in slices by pseudonym, which is how the rows are ordered: memory is bounded by the slice, not by the
//! traffic, and no visitor is in two slices, so that their cells add up. Dimensions whose values anyone could make up are
//! bounded beforehand ([`SHOWN`]).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::rollups::{By, Rollups};
use super::rules::Kind;
use super::window::Window;
use crate::items::Items;

/// Rows that a slice has at most, were pseudonyms evenly spread, which they are; 250 MB or so in the engine.
pub(super) const SLICE_ROWS: u64 = 200_000;
/// Slices that a window is cut into at most.
const SLICES_MAX: u64 = 4_096;

/// Bounds of memory, threads and time for a question about a slice. Two are asked at once, each of one thread. Nothing goes
/// to disk, which would cost a third of the time: a slice that does not fit fails, and the next try has finer ones.
const OF_SLICE: &str = "SETTINGS max_threads = 1, max_memory_usage = 400000000, max_execution_time = 600";
/// The same for a question about all rows of a window; groups that do not fit go to disk.
const OF_WINDOW: &str = "SETTINGS max_threads = 2, max_bytes_before_external_group_by = 200000000, \
     max_bytes_before_external_sort = 200000000, max_memory_usage = 400000000, max_execution_time = 600";

/// The site's total.
pub(super) static SITE: LazyLock<String> = LazyLock::new(|| complete(include_str!("sql/site.sql")));

/// Which values of unbounded dimensions can show at all, as hashes.
pub(super) static SHOWN: LazyLock<String> = LazyLock::new(|| complete(include_str!("sql/shown.sql")));

/// What [`SHOWN`] answers.
#[derive(Deserialize)]
pub(super) struct Shown {
    dimension: String,
    hashes: Vec<u32>,
}

/// The query for the cells of all sources.
pub(super) fn cells(rollups: &Rollups, shown: &[Shown]) -> String {
    let parts = |visitors: bool| {
        let mut parts = Vec::new();
        for (source, of) in rollups.sources.iter().enumerate() {
            for (contribution, place) in &of.contributions {
                if visitors != (contribution.by == By::Visitor) {
                    continue;
                }
                let adds = contribution.adds.iter().map(|sql| if sql.is_empty() { "0" } else { sql }.to_owned());
                let goals = (0..rollups.goals.len())
                    .map(|goal| if contribution.by == By::Goals { format!("goal_{goal}") } else { "0".to_owned() });
                let text = |sql: &str| if sql.is_empty() { "''".to_owned() } else { sql.to_owned() };
                let tuple = [source.to_string(), text(&place[0]), text(&place[1])].into_iter().chain(adds).chain(goals);
                let tuple = format!("({})", tuple.collect::<Vec<_>>().join(", "));
                parts.push(contribution.each.replace("{}", &tuple));
            }
        }
        if parts.is_empty() { "[]".to_owned() } else { parts.join(",\n                ") }
    };
    let measures: Vec<String> = (0..3 + rollups.goals.len()).map(|at| format!("m{at}")).collect();
    let join = |sql: &dyn Fn(usize, &str) -> String| {
        measures.iter().enumerate().map(|(at, name)| sql(at, name)).collect::<Vec<_>>().join(", ")
    };
    // The crowds of parts and rests are had for the sources alone whose tables need them.
    let crowd = |at: usize, needs: &dyn Fn(Kind) -> bool, condition: String| {
        let of = rollups.tables.iter().filter(|rollup| {
            let mut measures = rollup.takes.iter().zip(&rollup.table.measures);
            measures.any(|(take, (_, kind))| *take == at + 1 && needs(*kind))
        });
        let sources: Vec<_> = of.map(|rollup| rollup.source.to_string()).collect();
        if sources.is_empty() {
            return "[]".to_owned();
        }
        format!("groupArrayIf(200)(class, counts AND {condition} AND source IN ({}))", sources.join(", "))
    };
    let sql = include_str!("sql/cells.sql")
        .replace("{by_visit}", &parts(false))
        .replace("{by_visitor}", &parts(true))
        .replace("{declared}", &rollups.declared.iter().map(|sql| format!(",\n            {sql}")).collect::<String>())
        .replace("{sums}", &join(&|at, name| format!("sum(part.{}) AS {name}", at + 4)))
        .replace("{amounts}", &join(&|_, name| format!("sum({name})")))
        .replace(
            "{parts}",
            &join(&|at, name| crowd(at, &|kind| matches!(kind, Kind::Part { .. }), format!("{name} > 0"))),
        )
        .replace(
            "{rests}",
            &join(&|at, name| crowd(at, &|kind| matches!(kind, Kind::Part { of: Some(_) }), format!("m0 > {name}"))),
        );
    let mut hashes: BTreeMap<&str, Vec<u32>> =
        ["origins", "landings", "paths", "moves", "exits", "terms"].map(|name| (name, vec![0])).into();
    for row in shown {
        hashes.entry(&row.dimension).or_default().extend(&row.hashes);
    }
    let hashes = hashes.iter().map(|(name, hashes)| (format!("{{{name}}}"), hashes));
    let sql = hashes.fold(sql, |sql, (name, hashes)| {
        sql.replace(&name, &hashes.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
    });
    complete(&sql)
}

/// A table whose pseudonyms are its own.
pub(super) struct Things {
    /// Where its cells go.
    pub(super) into: &'static str,
    /// Where they come from.
    table: &'static str,
    place: &'static str,
    by: &'static str,
    only: &'static str,
    /// Whether a site's policy lists it.
    pub(super) listed: fn(&Items) -> bool,
}

/// The tables that are counted from other rows than those of people's events.
pub(super) const THINGS: [Things; 5] = [
    Things {
        into: "attributes",
        table: "attributes",
        place: "attribute AS first, argMin(if((attribute, value) IN (SELECT attribute, value FROM attributes WHERE {within} \
                GROUP BY attribute, value HAVING count() >= 10 ORDER BY count() DESC LIMIT 5000), toString(value), \
                '(other)') AS known, (hour, known)) AS second",
        by: "site, attribute",
        only: "true",
        listed: |_| true,
    },
    Things {
        into: "attributes",
        table: "signals",
        place: "'canvas' AS first, argMin(if(state = 'normal' AND digest IN (SELECT digest FROM signals WHERE {within} \
                AND signal = 'canvas' GROUP BY digest HAVING uniqExact(visitor) >= 10), 'reused', toString(state)) \
                AS known, (hour, known)) AS second",
        by: "site, signal",
        only: "signal = 'canvas'",
        listed: |items| items.canvas,
    },
    Things {
        into: "errors",
        table: "errors",
        place: "if(template IN (SELECT template FROM errors WHERE {within} GROUP BY template HAVING count() >= 10 \
                ORDER BY count() DESC LIMIT 1000), toString(template), '(other)') AS first, toString(browser) AS second",
        by: "first, second",
        only: "true",
        listed: |items| items.errors,
    },
    Things {
        into: "automation",
        table: "events",
        place: "toString(suspect) AS first, '' AS second",
        by: "first",
        only: "suspect != ''",
        listed: |items| items.automation,
    },
    Things {
        into: "automation",
        table: "signals",
        place: "concat('detector:', state) AS first, '' AS second",
        by: "first",
        only: "signal = 'automation' AND state NOT IN ('', 'none', 'unsupported', 'blocked', 'timeout', 'error')",
        listed: |items| items.automation,
    },
];

impl Things {
    /// The query for its cells.
    pub(super) fn cells(&self) -> String {
        let sql = include_str!("sql/things.sql").replace("{place}", self.place).replace("{table}", self.table);
        complete(&sql.replace("{by}", self.by).replace("{only}", self.only))
    }

    /// The query for the number of its rows.
    pub(super) fn rows(&self) -> String {
        let sql = format!("SELECT count() AS count FROM {} WHERE {{within}} AND {}", self.table, self.only);
        sql.replace("{within}", include_str!("sql/within.sql").trim())
    }
}

/// What was counted without a pseudonym.
pub(super) const TALLIES: &str = "SELECT reason, sum(count) AS count FROM tallies \
     WHERE site = {site:String} AND day BETWEEN {first_day:Date} AND {last_day:Date} \
     AND hour >= toDateTime({start:UInt32}, 'UTC') AND hour < toDateTime({end:UInt32}, 'UTC') \
     GROUP BY reason ORDER BY reason LIMIT 1000";

/// All events of a site by hour, since a moment.
pub(super) const EVENTS_BY_HOUR: &str = "SELECT toUnixTimestamp(hour) AS hour, count() AS count FROM events \
     WHERE site = {site:String} AND hour >= toDateTime({start:UInt32}, 'UTC') GROUP BY hour ORDER BY hour";

/// The earliest hour of a site in the vault; 0 if there is none.
pub(super) const EARLIEST: &str = "SELECT min(earliest) AS start FROM (\
     SELECT toUnixTimestamp(min(hour)) AS earliest FROM events WHERE site = {site:String} HAVING count() > 0 UNION ALL \
     SELECT toUnixTimestamp(min(hour)) AS earliest FROM tallies WHERE site = {site:String} HAVING count() > 0)";

fn complete(sql: &str) -> String {
    let within = include_str!("sql/within.sql").trim();
    let slice = include_str!("sql/slice.sql").trim();
    let settings = if sql.contains("{slice}") { OF_SLICE } else { OF_WINDOW };
    format!("{}{settings}", sql.replace("{within}", within).replace("{slice}", slice))
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
        for (rows, finer, count) in [(0, 0, 1), (200_001, 0, 2), (10_000_000, 2, 200), (u64::MAX, 40, 4_096)] {
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
