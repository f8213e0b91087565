//! The queries of the vault. One query per slice counts all tables that come from events; a table with pseudonyms of its own
//! has one query per slice. Only cells leave the vault, never rows.
//!
//! Lists of hashes are written as arrays. The engine reads an array as one value, and a tuple as a thousand values, which costs
//! 0.3 s of processor time per query.
//!
//! A slice is a range of pseudonyms, and rows are sorted by pseudonym. So the slice bounds the memory, not the traffic; and no
//! visitor is in two slices, so their cells can be added up. Dimensions with values that anyone can invent are bounded before
//! ([`FREQUENT_VALUES`]).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::cells::MeasureKind;
use super::rollup_list::{By, Contribution};
use super::rollups::Rollups;
use crate::window::Window;

/// How many rows a slice has at most. Pseudonyms are spread evenly, so slices are equal. About 250 MB in the engine.
pub(super) const SLICE_ROWS: u64 = 200_000;
/// How many slices a window has at most.
const SLICES_MAX: u64 = 4_096;

/// Limits of memory, threads and time for a query of a slice. Two run at a time, each with one thread. Nothing spills to disk,
/// which would cost a third of the time: a slice that needs too much memory fails, and the next try has smaller slices.
const OF_SLICE: &str = "SETTINGS max_threads = 1, max_memory_usage = 400000000, max_execution_time = 600";
/// The same for a query of all rows of a window. Groups that need too much memory spill to disk.
const OF_WINDOW: &str = "SETTINGS max_threads = 2, max_bytes_before_external_group_by = 200000000, \
     max_bytes_before_external_sort = 200000000, max_memory_usage = 400000000, max_execution_time = 600";

/// The condition for the rows of a window. After a change from windows of seven days, rows of the days before can be in one.
pub(super) const WITHIN: &str = include_str!("sql/within.sql");
/// The condition for the rows of a window, and of its first day before it.
const OF_DAY: &str = include_str!("sql/of_day.sql");

/// The site's total.
pub(super) static TOTAL: LazyLock<String> = LazyLock::new(|| complete(include_str!("sql/total.sql")));

/// The frequent values of unbounded dimensions, as hashes. All other values are folded.
pub(super) static FREQUENT_VALUES: LazyLock<String> =
    LazyLock::new(|| complete(include_str!("sql/frequent_values.sql")));

/// A row of [`FREQUENT_VALUES`].
#[derive(Deserialize)]
pub(super) struct FrequentValues {
    dimension: String,
    hashes: Vec<u32>,
}

/// The query for the cells of all sources.
pub(super) fn cells(rollups: &Rollups, frequent: &[FrequentValues]) -> String {
    let measures = 3 + rollups.goals.len();
    let join = |sql: &dyn Fn(usize) -> String| (0..measures).map(sql).collect::<Vec<_>>().join(", ");
    let is_part = |kind| matches!(kind, MeasureKind::Part { .. });
    let has_rest = |kind| matches!(kind, MeasureKind::Part { of: Some(_) });
    let parts = join(&|at| crowd(rollups, at, is_part, &format!("m{at} > 0")));
    let rests = join(&|at| crowd(rollups, at, has_rest, &format!("m0 > m{at}")));
    let declared: String = rollups.declared.iter().map(|sql| format!(",\n            {sql}")).collect();
    let sql = include_str!("sql/cells.sql")
        .replace("{by_visit}", &contributions(rollups, |by| by != By::Visitor))
        .replace("{by_visitor}", &contributions(rollups, |by| by == By::Visitor))
        .replace("{declared}", &declared)
        .replace("{sums}", &join(&|at| format!("sum(part.{}) AS m{at}", at + 4)))
        .replace("{amounts}", &join(&|at| format!("sum(m{at})")))
        .replace("{parts}", &parts)
        .replace("{rests}", &rests);
    complete(&with_hashes(sql, frequent))
}

/// The contributions of visits or of visitors to all sources, as SQL.
fn contributions(rollups: &Rollups, is_wanted: impl Fn(By) -> bool) -> String {
    let mut all = Vec::new();
    for (source, contributed) in rollups.sources.iter().enumerate() {
        for (contribution, place) in contributed.iter().filter(|(contribution, _)| is_wanted(contribution.by)) {
            all.push(contribution.each.replace("{}", &tuple(source, contribution, place, rollups.goals.len())));
        }
    }
    if all.is_empty() { "[]".to_owned() } else { all.join(",\n                ") }
}

/// A contribution as a tuple: source, dimensions, measures, goals.
fn tuple(source: usize, contribution: &Contribution, place: &[String; 2], goals: usize) -> String {
    let or = |sql: &str, default: &str| if sql.is_empty() { default.to_owned() } else { sql.to_owned() };
    let adds = contribution.adds.iter().map(|sql| or(sql, "0"));
    let goals =
        (0..goals).map(|goal| if contribution.by == By::Goals { format!("goal_{goal}") } else { "0".to_owned() });
    let place = place.iter().map(|sql| or(sql, "''"));
    let values: Vec<_> = [source.to_string()].into_iter().chain(place).chain(adds).chain(goals).collect();
    format!("({})", values.join(", "))
}

/// The crowd of a measure's part or rest, as SQL. It is counted for those sources alone whose tables need it.
fn crowd(rollups: &Rollups, measure: usize, needs: impl Fn(MeasureKind) -> bool, condition: &str) -> String {
    let needed_by = rollups.tables.iter().filter(|rollup| {
        let mut measures = rollup.takes.iter().zip(&rollup.table.measures);
        measures.any(|(take, (_, kind))| *take == measure + 1 && needs(*kind))
    });
    let sources: Vec<_> = needed_by.map(|rollup| rollup.source.to_string()).collect();
    if sources.is_empty() {
        return "[]".to_owned();
    }
    format!("groupArrayIf(200)(class, counts AND {condition} AND source IN ({}))", sources.join(", "))
}

fn with_hashes(sql: String, frequent: &[FrequentValues]) -> String {
    let mut hashes: BTreeMap<&str, Vec<u32>> =
        ["origins", "landings", "paths", "moves", "exits"].map(|name| (name, vec![0])).into();
    for row in frequent {
        hashes.entry(&row.dimension).or_default().extend(&row.hashes);
    }
    hashes.iter().fold(sql, |sql, (name, hashes)| {
        sql.replace(&format!("{{{name}}}"), &hashes.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
    })
}

/// The tallies of a window.
pub(super) const TALLIES: &str = "SELECT reason, sum(count) AS count FROM tallies \
     WHERE site = {site:String} AND day BETWEEN {first_day:Date} - 6 AND {last_day:Date} \
     AND window_end > toDateTime({start:UInt32}, 'UTC') AND window_end <= toDateTime({end:UInt32}, 'UTC') \
     GROUP BY reason ORDER BY reason LIMIT 1000";

/// All events of a site by the end of their window, since a time. A search is no row of `events`, or one for several.
pub(super) const EVENTS_BY_WINDOW: &str = "SELECT toUnixTimestamp(window_end) AS end, count() AS count FROM (\
     SELECT window_end FROM events WHERE site = {site:String} AND window_end > toDateTime({start:UInt32}, 'UTC') \
     AND type != 'search' UNION ALL SELECT window_end FROM attributes WHERE site = {site:String} \
     AND window_end > toDateTime({start:UInt32}, 'UTC') AND attribute = 'search' AND value != '') GROUP BY end ORDER BY end";

/// The end of the earliest window of a site in the vault; 0 if there is none.
pub(super) const EARLIEST: &str = "SELECT min(earliest) AS end FROM (\
     SELECT toUnixTimestamp(min(window_end)) AS earliest FROM events WHERE site = {site:String} HAVING count() > 0 UNION ALL \
     SELECT toUnixTimestamp(min(window_end)) AS earliest FROM tallies WHERE site = {site:String} HAVING count() > 0)";

/// The network class of a visitor, from its rows or its visits; in windows of 7 days it includes the day.
fn class(day: &str, network: &str) -> String {
    format!("if({{week:Bool}}, toUInt16(dateDiff('day', {{first_day:Date}}, min({day}))) * 256, 0) + min({network})")
}

/// A query with the pieces that it shares with others, and its limits, filled in.
pub(super) fn complete(sql: &str) -> String {
    let settings = if sql.contains("{slice}") { OF_SLICE } else { OF_WINDOW };
    let pieces = [
        ("{within}", WITHIN.trim()),
        ("{of_day}", OF_DAY.trim()),
        ("{slice}", include_str!("sql/slice.sql").trim()),
        ("{whole_cells}", include_str!("sql/whole_cells.sql").trim()),
        ("{class}", &class("day", "network")),
        ("{class_of_visits}", &class("visits.first_day", "first_network")),
    ];
    pieces.iter().fold(sql.to_owned(), |sql, (name, piece)| sql.replace(name, piece)) + settings
}

/// The parameters of a window's queries.
pub(super) fn parameters(site: &str, window: &Window, is_weekly: bool) -> Vec<(&'static str, String)> {
    vec![
        ("site", site.to_owned()),
        ("first_day", window.first_day.to_string()),
        ("last_day", window.last_day.to_string()),
        ("start", window.start.as_second().to_string()),
        ("end", window.end.as_second().to_string()),
        ("week", is_weekly.to_string()),
    ]
}

/// The slices of a window with so many rows, as first and last pseudonym in hexadecimal. `split_shift` doubles their number so
/// many times.
pub(super) fn slices(rows: u64, split_shift: u32) -> Vec<[(&'static str, String); 2]> {
    let count = rows.div_ceil(SLICE_ROWS).max(1).saturating_mul(1 << split_shift.min(12)).min(SLICES_MAX);
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
    fn every_pseudonym_is_in_exactly_one_slice() {
        for (rows, split_shift, count) in [(0, 0, 1), (200_001, 0, 2), (10_000_000, 2, 200), (u64::MAX, 40, 4_096)] {
            let slices = slices(rows, split_shift);
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
