//! Differencing by linear programming: everything that is published of a day gives bounds on its exact cells. Do the bounds prove
//! that somebody is in a cell and fewer than ten are?
//!
//! The attacker knows the names of all cells and the maximum error of a published number. Cells are visits by channel, source and
//! landing page; three tables and the total are different sums of them.

use serde_json::Value;
use tamga::publish::noise::{CELL_NOISE, EXTRA_NOISE, Noise, TOTAL_NOISE};

use crate::collector::Collector;
use crate::world::World;

/// The linear programs themselves are those of the publisher's own tests.
#[allow(dead_code, reason = "what needs the product's store is not used here")]
#[path = "../it/disclosure/attack.rs"]
mod programs;

/// The maximum errors of published numbers.
const OF_TOTALS: u64 = Noise::max_error(&[TOTAL_NOISE]);
const OF_PEOPLE: u64 = Noise::max_error(&[CELL_NOISE]);
const OF_OTHERS: u64 = Noise::max_error(&[CELL_NOISE, EXTRA_NOISE]);
/// Small cells that are attacked in a world.
const CELLS: usize = 40;

/// How many small cells were attacked on the first day of a world, and found.
pub(crate) async fn attack(collector: &Collector, world: &World) -> anyhow::Result<(usize, usize)> {
    let site = &world.site;
    let sql = format!(
        "SELECT [toString(entry_channel), toString(entry_source), toString(path)] AS place, count() AS count, \
         uniqExactIf(visitor, visitor IN (SELECT visitor FROM events WHERE site = '{site}' AND confirmed)) AS people \
         FROM events WHERE site = '{site}' AND suspect = '' AND type = 'view' AND step = 1 GROUP BY place"
    );
    let cells = collector.administrator(&sql).await?;
    let table = async |name: &str| -> anyhow::Result<Vec<Value>> {
        collector.analyst(&format!("SELECT * FROM {name} WHERE site = '{site}'")).await
    };
    let total = table("site").await?;
    let Some(total) = total.first() else { return Ok((0, 0)) };
    let mut bounds = programs::Bounds::of(cells);
    bounds.add_table(&table("landings").await?, &["channel", "source", "path"], &[0, 1, 2], "visits", OF_PEOPLE);
    bounds.add_table(&table("entries").await?, &["channel", "source"], &[0, 1], "visits", OF_PEOPLE);
    bounds.add_table(&table("pages").await?, &["path"], &[2], "entries", OF_OTHERS);
    bounds.total(&total["visits"], OF_TOTALS);
    bounds.check();
    Ok(bounds.attack(CELLS))
}
