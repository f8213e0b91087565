//! The watcher: who asks the vault again and again while it works, and so sees when a row arrives, and links payments by time.
//!
//! How long a row is under way is measured on a collector at one beacon a second, with the time that rows wait in the spool as it
//! is shipped, and with the shortest. Rows of a world then
//! arrive as much later than they were sent, and the watcher names the row whose arrival is nearest to the payment, by a
//! shift that it learns from payments of which it knows the row. The watcher uses time alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::collector::{Beacon, Collector};
use super::insider::view_pseudonym;
use super::judge::Rate;
use super::world::{Agent, Dice, Payment, World, beacon};

const SITE: &str = "watched.kz";
const BEACONS: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(300);

/// For how many seconds rows wait in the spool at least, by default.
pub(crate) const SHIPPED: u32 = 30;

/// For how long rows are under way until a watcher sees them in the vault, in seconds.
pub(crate) async fn delays(linger_s: u32) -> anyhow::Result<Vec<f64>> {
    let collector = Arc::new(Collector::start(&[SITE.to_owned()], linger_s).await?);
    let watcher = tokio::spawn(watch(collector.clone()));
    let (mut dice, mut jars, mut sent) = (Dice(0x70617274), HashMap::new(), Vec::new());
    for view in 0..BEACONS {
        let agent = Agent { browser: "Chrome", major: 150, os: "Windows" }.text();
        let address = 0xc612_0001 + 256 * view as u32;
        let body = beacon(SITE, view, "/pay/4711", "", None);
        let one = Beacon { at: 0, browser: view, site: SITE.to_owned(), address, agent, body, refuses: false };
        sent.push(Instant::now());
        collector.play(vec![one], &mut jars).await;
        tokio::time::sleep(Duration::from_millis(500 + dice.below(1000) as u64)).await;
    }
    let seen = watcher.await??;
    let key = collector.stolen_key(SITE).ok_or_else(|| anyhow::anyhow!("{SITE} has no key"))?;
    let under_way = sent.iter().enumerate().filter_map(|(view, sent)| {
        let seen = seen.get(&view_pseudonym(&key, view as u64))?;
        Some(seen.saturating_duration_since(*sent).as_secs_f64())
    });
    let mut delays: Vec<f64> = under_way.collect();
    delays.sort_by(f64::total_cmp);
    anyhow::ensure!(delays.len() as u64 == BEACONS, "{} of {BEACONS} rows were seen", delays.len());
    if let Ok(collector) = Arc::try_unwrap(collector) {
        collector.stop().await?;
    }
    Ok(delays)
}

/// Asks again and again which rows are there, until all are. This is more than a poller of `system.parts` sees.
async fn watch(collector: Arc<Collector>) -> anyhow::Result<HashMap<String, Instant>> {
    #[derive(serde::Deserialize)]
    struct Row {
        view: String,
    }
    let (began, mut seen) = (Instant::now(), HashMap::new());
    while (seen.len() as u64) < BEACONS && began.elapsed() < PATIENCE {
        let sql = format!("SELECT hex(view) AS view FROM events WHERE site = '{SITE}'");
        for row in collector.administrator::<Row>(&sql).await? {
            seen.entry(row.view).or_insert_with(Instant::now);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(seen)
}

/// How many payments are linked by the time at which rows arrive; the first fifth is known to the watcher.
pub(crate) fn link(world: &World, delays: &[f64]) -> Rate {
    let refuses = |payment: &&Payment| world.devices[world.visits[payment.visit].device].refuses;
    let payments: Vec<&Payment> = world.payments.iter().filter(|payment| !refuses(payment)).collect();
    let mut dice = Dice(world.visits_per_day as u64);
    let arrives = |payment: &&Payment| {
        let paid = world.visits[payment.visit].paid.unwrap_or_default() as f64 / 1000.0;
        (paid + delays[dice.below(delays.len())], payment.visit)
    };
    let mut rows: Vec<(f64, usize)> = payments.iter().map(arrives).collect();
    let (known, targets) = payments.split_at(payments.len() / 5);
    let arrived: HashMap<usize, f64> = rows.iter().map(|(at, visit)| (*visit, *at)).collect();
    let mut shifts: Vec<f64> = known.iter().map(|payment| arrived[&payment.visit] - payment.second as f64).collect();
    shifts.sort_by(f64::total_cmp);
    let shift = shifts.get(shifts.len() / 2).copied().unwrap_or_default();
    rows.sort_by(|one, two| one.0.total_cmp(&two.0));
    Rate::of(targets.iter().map(|payment| {
        let expected = payment.second as f64 + shift;
        let at = rows.partition_point(|(arrived, _)| *arrived < expected);
        let nearest = rows[at.saturating_sub(1)..rows.len().min(at + 1)]
            .iter()
            .min_by(|one, two| (one.0 - expected).abs().total_cmp(&(two.0 - expected).abs()));
        nearest.is_some_and(|(_, visit)| *visit == payment.visit)
    }))
}
