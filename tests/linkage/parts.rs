//! The watcher: who asks the vault again and again while it works, and so sees when a row arrives, and links payments by that.
//!
//! As shipped, rows wait until their window ends. The watcher then sees the rows of a whole day arrive in some minutes, and tries the order in
//! which they come ([`watch_a_day`]): a world's day goes through a collector on a simulated clock.
//!
//! The control are rows that wait for half a minute. How long one is under way is measured on a collector at one beacon a second
//! ([`delays`]). Rows of a world then arrive as much later than they were sent, and the watcher names the row whose arrival is nearest to the
//! payment, by a shift that it learns from payments of which it knows the row ([`link`]).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::collector::{Beacon, Collector};
use super::insider::view_pseudonym;
use super::judge::Rate;
use super::world::{Agent, Dice, Payment, World, beacon, view_number};

pub(crate) const SITE: &str = "watched.kz";
const BEACONS: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(300);

/// For how many seconds rows wait in the spool at least, by default.
pub(crate) const LINGER: u32 = 30;

/// For how long rows are under way until a watcher sees them in the vault, in seconds.
pub(crate) async fn delays(linger_s: u32) -> anyhow::Result<Vec<f64>> {
    let collector = Arc::new(Collector::start(&[SITE.to_owned()], linger_s, false).await?);
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

/// Plays a day of a world, and looks at the rows of its payment page as they arrive. Returns how many payments are linked by the order
/// in which these rows came, and chance.
pub(crate) async fn watch_a_day(world: &World) -> anyhow::Result<[Rate; 2]> {
    let collector = Arc::new(Collector::start(&[world.site.clone()], 1, true).await?);
    let (ended, arrived) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let watcher = tokio::spawn(see_arrive(collector.clone(), ended.clone(), arrived.clone()));
    collector.play(world.beacons(0), &mut HashMap::new()).await;
    let key = collector.stolen_key(SITE).ok_or_else(|| anyhow::anyhow!("{SITE} has no key"))?;
    let early = arrived.lock().expect("no panic").len();
    collector.publish(1, 1).await?;
    ended.store(true, Ordering::Relaxed);
    watcher.await??;
    let arrived = std::mem::take(&mut *arrived.lock().expect("no panic"));
    println!("{} visits a day: {early} of {} rows arrived within the window", world.visits_per_day, arrived.len());
    if let Ok(collector) = Arc::try_unwrap(collector) {
        collector.stop().await?;
    }
    let place: HashMap<&str, usize> = arrived.iter().enumerate().map(|(at, view)| (view.as_str(), at)).collect();
    let mut payments: Vec<(i64, usize)> = Vec::new();
    for payment in world.payments.iter().filter(|payment| !world.devices[world.visits[payment.visit].device].refuses) {
        let last = world.visits[payment.visit].views.len() - 1;
        let view = view_pseudonym(&key, view_number(0, payment.visit, last));
        payments.extend(place.get(view.as_str()).map(|at| (payment.second, *at)));
    }
    anyhow::ensure!(payments.len() * 10 > arrived.len() * 8, "{} of {} rows are known", payments.len(), arrived.len());
    payments.sort_unstable();
    Ok([
        by_order(&payments, arrived.len()),
        Rate::sum(payments.iter().skip(1).step_by(2).map(|_| 1.0 / arrived.len() as f64)),
    ])
}

/// The watcher knows the row of every other payment, and guesses the place of each other between those of its neighbours in time; or that all
/// comes in the order of time.
fn by_order(payments: &[(i64, usize)], rows: usize) -> Rate {
    let (count, mut rates) = (payments.len(), Vec::new());
    let between = |at: usize| {
        let after = payments.get(at + 1).map_or(payments[at - 1].1, |payment| payment.1);
        usize::midpoint(payments[at - 1].1, after)
    };
    for guess in [&between as &dyn Fn(usize) -> usize, &|at| at * rows / count, &|at| (count - 1 - at) * rows / count] {
        rates.push(Rate::of((1..count).step_by(2).map(|at| guess(at) == payments[at].1)));
    }
    rates.into_iter().max_by(|one, two| one.share().total_cmp(&two.share())).unwrap_or_default()
}

/// Notes the views of the payment page in the order in which they arrive: by time, and of one moment as they lie in their part.
async fn see_arrive(
    collector: Arc<Collector>,
    ended: Arc<AtomicBool>,
    arrived: Arc<Mutex<Vec<String>>>,
) -> anyhow::Result<()> {
    #[derive(serde::Deserialize)]
    struct Row {
        view: String,
    }
    let mut seen = HashSet::new();
    loop {
        let is_last = ended.load(Ordering::Relaxed);
        let sql = format!(
            "SELECT hex(view) AS view FROM events WHERE site = '{SITE}' AND type = 'view' AND path = '/pay/:order' \
             ORDER BY _part, _part_offset"
        );
        let rows = collector.administrator::<Row>(&sql).await?.into_iter().map(|row| row.view);
        let new: Vec<String> = rows.filter(|view| seen.insert(view.clone())).collect();
        arrived.lock().expect("no panic").extend(new);
        if is_last {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
