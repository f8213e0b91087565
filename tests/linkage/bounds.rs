//! Differencing by linear programming: everything that is published of a day gives bounds on its exact cells. Do the bounds prove
//! that somebody is in a cell and fewer than ten are?
//!
//! The attacker knows the names of all cells and the maximum error of a published number. Cells are visits by channel, source and
//! landing page; three tables and the total are different sums of them.

use serde_json::Value;

use crate::collector::Collector;
use crate::widths::noise_max;
use crate::world::World;

/// The linear programs themselves are those of the publisher's own tests.
#[allow(dead_code, reason = "what needs the product's store is not used here")]
#[path = "../it/disclosure/attack.rs"]
mod programs;

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
    for (name, columns, at, measure) in programs::OF_VISITS {
        bounds.add_table(&table(name).await?, columns, at, measure, noise_max(name, measure));
    }
    bounds.total(&total["visits"], noise_max("site", "visits")[0]);
    bounds.check();
    Ok(bounds.attack(CELLS, std::time::Duration::MAX))
}
