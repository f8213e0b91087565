//! The queries of the vault. One query per slice counts all tables that come from events; a table with pseudonyms of its own
//! has one query per slice. Only cells leave the vault, never rows.
//!
//! Lists of hashes are written as arrays. The engine reads an array as one value, and a tuple as a thousand values, which costs
//! 0.3 s of processor time per query.
//!
//! A slice is a range of pseudonyms, and rows are sorted by pseudonym. So the slice bounds the memory, not the traffic; and no
//! visitor is in two slices, so their cells can be added up. Dimensions with values that anyone can invent are bounded before
//! ([`CANDIDATES`]).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::crowd::{FIRST_OF_MONTH, FIRST_OF_WEEK};
use super::rollup_list::{By, Contribution, SECONDS, TIMES_MAX, contribution};
use super::rollups::Rollups;
use crate::record::Table;
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

/// The same for a query that groups rows in the order in which they are stored: one pseudonym after the other. Each part of a table has a
/// block of groups in memory, and a day of millions of events has dozens of parts, so blocks are small.
const IN_ORDER: &str =
    ", optimize_aggregation_in_order = 1, aggregation_in_order_max_block_bytes = 1000000, max_block_size = 2048";

/// The condition for the rows of a window. After a change from windows of seven days, rows of the days before can be in one.
pub(super) const WITHIN: &str = include_str!("sql/within.sql");
/// The condition for the rows of a window, and of its first day before it.
const OF_DAY: &str = include_str!("sql/of_day.sql");

/// The site's total.
pub(super) static TOTAL: LazyLock<String> = LazyLock::new(|| complete(include_str!("sql/total.sql")));

/// How many names of a dimension may have a cell.
pub(super) const CANDIDATES_MAX: usize = 3_000;

/// Attributes whose values are none of [`CANDIDATES`].
pub(super) const OF_FEW_VALUES: [&str; 4] = ["place", "client", "device", "hour"];

/// The queries for the candidates of unbounded dimensions. The dimensions of attributes are their names; of a pair, with ` 1` and
/// ` 2` for its two values.
pub(super) static CANDIDATES: LazyLock<[(Table, String); 4]> = LazyLock::new(|| {
    let query = |from: Table, by: &str, only: &str, names: &str, networks: &str| {
        let sql = include_str!("sql/candidates.sql").replace("{from}", from.name()).replace("{by}", by);
        let sql = sql.replace("{only}", only).replace("{networks}", networks);
        (from, complete(&sql.replace("{names}", &with_hashes(names))) + IN_ORDER)
    };
    // Of a name it is enough to know whether they are many; the number of a digest's decides whether it is shared.
    let (up_to_many, all) = ("uniqUpTo(40)", "uniqExact");
    [
        query(
            Table::Events,
            "site",
            "suspect = ''",
            "multiIf(type = 'view', arrayConcat([('paths', #(path)), ('sections', toUInt32(cityHash64({section of path})))], \
             if(step = 1, [('origins', #(entry_channel, entry_source)), ('landings', #(entry_channel, entry_source, path))], []), \
             if(previous_path != '', [('moves', #(previous_path, path))], [])), type = 'exit', [('exits', #(exit_domain))], [])",
            up_to_many,
        ),
        query(
            Table::Attributes,
            "site, attribute",
            &format!("attribute NOT IN ('{}')", OF_FEW_VALUES.join("', '")),
            "if(startsWith(attribute, 'pair '), [(concat(attribute, ' 1'), #(value)), (concat(attribute, ' 2'), #(detail))], \
             [(toString(attribute), #(value))])",
            up_to_many,
        ),
        query(Table::Errors, "site, template", "true", "[('errors', #(template))]", up_to_many),
        query(Table::Signals, "site, signal", "signal = 'canvas'", "[('digests', toUInt32(cityHash64(digest)))]", all),
    ]
});

/// Writes `#(a, b)` as the hash of two columns, as the query for cells has it.
fn with_hashes(names: &str) -> String {
    let mut sql = String::new();
    for (at, part) in names.split("#(").enumerate() {
        let (columns, rest) = if at == 0 { ("", part) } else { part.split_once(')').unwrap_or((part, "")) };
        let texts: Vec<_> = columns.split(", ").map(|column| format!("toString({column})")).collect();
        sql += &match (at, &texts[..]) {
            (0, _) => String::new(),
            (_, [one]) => format!("toUInt32(cityHash64({one}))"),
            _ => format!("toUInt32(cityHash64(concat({})))", texts.join(", '\\x1f', ")),
        };
        sql += rest;
    }
    sql
}

/// A row of [`CANDIDATES`].
#[derive(Deserialize)]
pub(super) struct NamesOf {
    pub(super) dimension: String,
    pub(super) hashes: Vec<u32>,
    pub(super) crowds: Vec<u64>,
}

impl NamesOf {
    /// The list of hashes that its names are in. All attributes of devices share one.
    pub(super) fn list(&self) -> &str {
        let has_own = |name: &str| {
            ["origins", "landings", "paths", "sections", "moves", "exits", "errors", "digests", "search"]
                .contains(&name)
                || name.starts_with("pair ")
        };
        if has_own(&self.dimension) { &self.dimension } else { "devices" }
    }
}

/// The candidates of every dimension, as hashes. All other names are folded.
#[derive(Default)]
pub(super) struct Candidates(pub(super) BTreeMap<String, Vec<u32>>);

impl Candidates {
    /// Fills in the hashes of each dimension that the query names as `{hashes of DIMENSION}`.
    pub(super) fn fill_in(&self, sql: String) -> String {
        // A list is never empty, because its type would be unknown.
        let hashes = |dimension: &str| -> String {
            let hashes = self.0.get(dimension).into_iter().flatten().map(|hash| format!(",{hash}"));
            format!("0{}", hashes.collect::<String>())
        };
        of_each(sql, "{hashes of ", hashes)
    }
}

/// The query for the cells of all sources.
pub(super) fn cells(rollups: &Rollups, candidates: &Candidates) -> String {
    let measures = 4 + rollups.goals.len();
    let join = |sql: &dyn Fn(usize) -> String| (0..measures).map(sql).collect::<Vec<_>>().join(", ");
    // Seconds are bounded by the table that they are of.
    let seconds: Vec<_> = (0..rollups.sources.len()).map(|source| rollups.seconds_of(source).to_string()).collect();
    let of_source = format!("[{}][part.1 + 1]", seconds.join(", "));
    let most = |at: usize| if at + 1 == SECONDS { of_source.clone() } else { TIMES_MAX.to_string() };
    let declared: String = rollups.declared.iter().map(|sql| format!(",\n            {sql}")).collect();
    let sql = include_str!("sql/cells.sql")
        .replace("{by_visit}", &contributions(rollups, &[By::Goals, By::Visit]))
        .replace("{by_views}", &contributions(rollups, &[By::Views]))
        .replace("{by_visitor}", &contributions(rollups, &[By::Visitor]))
        .replace("{declared}", &declared)
        .replace("{sums}", &join(&|at| format!("least(sum(part.{}), {}) AS m{at}", at + 4, most(at))))
        .replace("{amounts}", &join(&|at| format!("sum(m{at})")));
    complete(&candidates.fill_in(sql))
}

/// The contributions of visits, views or visitors to all sources, as SQL.
fn contributions(rollups: &Rollups, wanted: &[By]) -> String {
    let mut all = Vec::new();
    for (source, contributed) in rollups.sources.iter().enumerate() {
        for (contribution, place) in contributed.iter().filter(|(contribution, _)| wanted.contains(&contribution.by)) {
            all.push(contribution.each.replace("{}", &tuple(source, contribution, place, rollups.goals.len())));
        }
    }
    if all.is_empty() {
        // An empty list that has the type of the others.
        let none = contribution(By::Visit, "", ["", ""], ["", "", "", ""]);
        let place = [String::new(), String::new()];
        return format!("arrayPopBack([{}])", tuple(0, &none, &place, rollups.goals.len()));
    }
    all.join(",\n                ")
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

/// The end of the earliest window of a site in the vault, if it has any.
pub(super) const EARLIEST: &str = "SELECT min(earliest) AS end, count() AS count FROM (\
     SELECT toUnixTimestamp(min(window_end)) AS earliest FROM events WHERE site = {site:String} HAVING count() > 0 UNION ALL \
     SELECT toUnixTimestamp(min(window_end)) AS earliest FROM tallies WHERE site = {site:String} HAVING count() > 0)";

/// The network class of a visitor, from its rows or its visits; in windows of 7 days it includes the day. Two bits say whether the day
/// is the visitor's first of its week and of its month.
fn class(day: &str, network: &str, week: &str, month: &str) -> String {
    format!(
        "toUInt16(if({{week:Bool}}, toUInt16(dateDiff('day', {{first_day:Date}}, min({day}))) * 256, 0) + min({network}) \
         + {FIRST_OF_WEEK} * max({week}) + {FIRST_OF_MONTH} * max({month}))"
    )
}

/// A query with the pieces that it shares with others, and its limits, filled in.
pub(super) fn complete(sql: &str) -> String {
    let settings = if sql.contains("{slice}") { OF_SLICE } else { OF_WINDOW };
    let pieces = [
        ("{within}", WITHIN.trim()),
        ("{of_day}", OF_DAY.trim()),
        ("{slice}", include_str!("sql/slice.sql").trim()),
        ("{class}", &class("day", "network", "new_week", "new_month")),
        ("{class_of_visits}", &class("visits.first_day", "first_network", "is_new", "is_new_month")),
    ];
    let sql = pieces.iter().fold(sql.to_owned(), |sql, (name, piece)| sql.replace(name, piece)) + settings;
    // The section of a path: its first segment, where something is beneath it.
    let section = |path: &str| {
        let path = format!("toString({path})");
        format!("if(position({path}, '/', 2) = 0, '/', substringIndex({path}, '/', 2))")
    };
    of_each(of_each(sql, "{section of ", section), "{middle of ", middle)
}

/// Replaces what begins so and ends with `}` by what is said of the text between.
fn of_each(mut sql: String, opens: &str, of: impl Fn(&str) -> String) -> String {
    while let Some((before, after)) = sql.split_once(opens) {
        let (inner, after) = after.split_once('}').unwrap_or((after, ""));
        sql = format!("{before}{}{after}", of(inner));
    }
    sql
}

/// The buckets of seconds in the vault: the lower bound of each, and its middle, where the mean is if twice the time is half as likely.
const MIDDLES: [(u16, u16); 9] =
    [(0, 2), (5, 7), (10, 18), (30, 43), (60, 109), (180, 349), (600, 1_092), (1_800, 2_597), (3_600, 3_600)];

/// The middle of a bucket, by its lower bound.
fn middle(bound: &str) -> String {
    let list =
        |of: fn(&(u16, u16)) -> u16| MIDDLES.iter().map(|bucket| of(bucket).to_string()).collect::<Vec<_>>().join(", ");
    format!("toUInt16(transform({bound}, [{}], [{}], 0))", list(|bucket| bucket.0), list(|bucket| bucket.1))
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
    use crate::privacy::DURATION_BUCKETS_S;

    #[test]
    fn seconds_are_the_middle_of_the_bucket_that_the_vault_has() {
        assert_eq!(MIDDLES.map(|(bound, _)| bound), DURATION_BUCKETS_S);
        for bucket in MIDDLES.windows(2) {
            let (from, to) = (f64::from(bucket[0].0.max(1)), f64::from(bucket[1].0));
            assert_eq!(f64::from(bucket[0].1), ((to - from) / (to / from).ln()).round());
        }
    }

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
