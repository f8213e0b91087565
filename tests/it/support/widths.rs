//! How wide the noise of published numbers is, by `schema/noise.json`, which is made of the tables that the publisher reads.

use serde_json::Value;
use tamga::config::Protection;

/// How many times as wide as σ the noise of a number is: of a row, and of all rows of a value of the first dimension, if these have the number.
/// So many goals are declared.
pub(crate) fn widths(table: &str, column: &str, goals: usize) -> [Option<u32>; 2] {
    let all: Value = serde_json::from_str(include_str!("../../../schema/noise.json")).expect("JSON");
    ["row", "parent"].map(|level| {
        let wide = &all[table][column][level];
        let wide = wide.as_array().map_or(wide, |list| &list[goals - 1]);
        wide.as_u64().and_then(|wide| wide.try_into().ok())
    })
}

/// The largest noise of a number of a row, and of all rows of a value of the first dimension, at `standard`. Noise has no bound. One that is
/// wrong once in a hundred thousand million numbers is a bound for an attacker.
pub(crate) fn noise_max(table: &str, column: &str) -> [u64; 2] {
    let [row, parent] = widths(table, column, 1);
    let row = row.unwrap_or_else(|| panic!("schema/noise.json has no {table}.{column}"));
    [row, parent.unwrap_or(row)].map(|wide| 7 * u64::from(Protection::Standard.sigma() * wide))
}
