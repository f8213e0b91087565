//! The watcher: who asks the vault again and again while it works, and so sees when a row arrives, and links payments by that.
//!
//! As shipped, rows wait until their window ends. The watcher then sees the rows of a whole day arrive in some minutes, and tries every
//! order in which they can be put, in several ways ([`Watched`]): days of worlds go through a collector on a simulated clock. Each way is
//! judged by itself, as an attacker must choose one before.
//!
//! The control are rows that wait for some seconds only. How long one is under way is measured on a collector at one beacon a second
//! ([`delays`]). Rows of a world then arrive as much later than they were sent, and the watcher names the row whose arrival is nearest to the
//! payment, by a shift that it learns from payments of which it knows the row ([`link`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::collector::{Beacon, Collector};
use super::insider::view_pseudonym;
use super::judge::Rate;
use super::world::{Agent, Dice, Network, Payment, World, beacon, networks, view_number};

const SITE: &str = "watched.kz";
const BEACONS: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(300);

/// For how many seconds the rows of the controls wait in the spool at least: hardly, and as by default if they do not wait for the end of
/// their window.
pub(crate) const LINGERS: [u32; 2] = [1, 30];

/// The orders in which the rows of a day can be put.
pub(crate) const ORDERS: [&str; 4] =
    ["as they arrive", "by insert, and place in it", "by the insert's number", "by pseudonym"];

/// What an order is tried with. The watcher knows the rows of every fifth payment.
pub(crate) const WAYS: [&str; 4] =
    ["between its known neighbours", "as many rows behind a known one", "in step with time", "against time"];

/// One number of visits a day.
pub(crate) struct Watched {
    pub(crate) visits: usize,
    pub(crate) worlds: usize,
    /// Events that were there before their window had ended.
    pub(crate) early: usize,
    /// By order and way.
    pub(crate) linked: BTreeMap<(usize, usize), Rate>,
    pub(crate) chance: Rate,
    /// By order: the correlation of time and place, as a mean of worlds that are weighed by their payments; and four standard
    /// deviations of it, if there is none.
    pub(crate) correlation: Vec<(f64, f64)>,
    /// If rows wait for so many seconds only ([`LINGERS`]).
    pub(crate) control: Vec<Rate>,
}

impl Watched {
    /// What is over the bar, or correlates. Where chance is near the bar there are enough worlds for an interval that is narrower than what
    /// lies between.
    pub(crate) fn over(&self, bar: f64) -> Vec<String> {
        let visits = self.visits;
        let over = self.linked.iter().filter(|(_, rate)| rate.share() > bar).map(|(&(order, way), rate)| {
            format!("{visits} visits a day: the watcher links {} ({}, {})", rate.shown(), ORDERS[order], WAYS[way])
        });
        let correlates = ORDERS.iter().zip(&self.correlation).filter(|(_, (found, most))| found.abs() > *most);
        let correlates =
            correlates.map(|(order, (found, _))| format!("{visits} visits a day: {order}: correlation {found:.3}"));
        over.chain(correlates).collect()
    }
}

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

/// A row of a payment page, as the watcher saw it first.
#[derive(serde::Deserialize)]
struct Row {
    site: String,
    view: String,
    visitor: String,
    block: u64,
    place: u64,
    batch: u64,
}

#[derive(serde::Deserialize)]
struct Count {
    rows: usize,
}

/// Plays a day of worlds on one collector, and looks at the rows of their payment pages as they arrive.
pub(crate) async fn watch_a_day(visits: usize, worlds: usize, delays: &[Vec<f64>]) -> anyhow::Result<Watched> {
    let networks: Vec<(u32, Network)> = networks(include_str!("../../crates/demo/geo/networks.csv"));
    let world = |number: usize| World::new(100 + number as u64, format!("w{number}.kz"), visits, 1, &networks);
    let worlds: Vec<World> = (0..worlds).map(world).collect();
    let sites: Vec<String> = worlds.iter().map(|world| world.site.clone()).collect();
    let collector = Arc::new(Collector::start(&sites, 1, true).await?);
    let ended = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn(see_arrive(collector.clone(), ended.clone()));
    let mut beacons: Vec<Beacon> =
        worlds.iter().enumerate().flat_map(|(number, world)| world.beacons(number)).collect();
    beacons.sort_by_key(|beacon| beacon.at);
    println!("{visits} visits a day on {} sites, {} beacons", sites.len(), beacons.len());
    collector.play(beacons, &mut HashMap::new()).await;
    let key = |world: &World| collector.stolen_key(&world.site).ok_or_else(|| anyhow::anyhow!("a site has no key"));
    let keys = worlds.iter().map(key).collect::<anyhow::Result<Vec<_>>>()?;
    let early = collector.administrator::<Count>("SELECT count() AS rows FROM events").await?;
    let early = early.first().map_or(0, |count| count.rows);
    collector.publish(1, sites.len()).await?;
    ended.store(true, Ordering::Relaxed);
    let arrived = watcher.await??;
    if let Ok(collector) = Arc::try_unwrap(collector) {
        collector.stop().await?;
    }
    let mut by_site: HashMap<&str, Vec<&Row>> = HashMap::new();
    arrived.iter().for_each(|row| by_site.entry(&row.site).or_default().push(row));
    let (linked, chance, control) = (BTreeMap::new(), Rate::default(), vec![Rate::default(); LINGERS.len()]);
    let correlation = vec![(0.0, 0.0); ORDERS.len()];
    let mut watched = Watched { visits, worlds: worlds.len(), early, linked, chance, correlation, control };
    for (number, (world, key)) in worlds.iter().zip(&keys).enumerate() {
        watched.judge(number, world, key, by_site.get(world.site.as_str()).map(Vec::as_slice).unwrap_or_default())?;
        for (rate, delays) in watched.control.iter_mut().zip(delays) {
            *rate = rate.and(link(world, delays));
        }
    }
    let all = watched.chance.of * 5.0 / 4.0;
    watched.correlation.iter_mut().for_each(|(sum, most)| (*sum, *most) = (*sum / all, 4.0 / all.sqrt()));
    Ok(watched)
}

impl Watched {
    /// Tries all ways on one world, of which these rows were seen.
    fn judge(&mut self, number: usize, world: &World, key: &[u8; 32], seen: &[&Row]) -> anyhow::Result<()> {
        let tracked = |payment: &&Payment| !world.devices[world.visits[payment.visit].device].refuses;
        let view = |payment: &Payment| {
            let last = world.visits[payment.visit].views.len() - 1;
            view_pseudonym(key, view_number(number, payment.visit, last))
        };
        let mut payments: Vec<(i64, String)> =
            world.payments.iter().filter(tracked).map(|payment| (payment.second, view(payment))).collect();
        payments.sort_unstable();
        for order in 0..ORDERS.len() {
            let mut rows: Vec<&Row> = seen.to_vec();
            match order {
                0 => {}
                1 => rows.sort_by_key(|row| (row.block, row.place)),
                2 => rows.sort_by_key(|row| row.batch),
                _ => rows.sort_by(|one, two| one.visitor.cmp(&two.visitor)),
            }
            let at: HashMap<&str, usize> = rows.iter().enumerate().map(|(at, row)| (row.view.as_str(), at)).collect();
            let places: Vec<usize> = payments.iter().filter_map(|(_, view)| at.get(view.as_str()).copied()).collect();
            anyhow::ensure!(places.len() * 10 > seen.len() * 8, "{} of {} rows are known", places.len(), seen.len());
            for way in 0..WAYS.len() {
                let rate = self.linked.entry((order, way)).or_default();
                *rate = rate.and(linked_by(&places, rows.len(), way));
            }
            self.correlation[order].0 += correlation(&places) * places.len() as f64;
        }
        let targets = (0..payments.len()).filter(|at| at % 5 != 0);
        self.chance = self.chance.and(Rate::sum(targets.map(|_| 1.0 / seen.len() as f64)));
        Ok(())
    }
}

/// How many payments are linked, whose rows lie at these places of an order, by time. Every fifth is known.
fn linked_by(places: &[usize], rows: usize, way: usize) -> Rate {
    let count = places.len();
    let guess = |at: usize| {
        let (known, next) = (at / 5 * 5, at / 5 * 5 + 5);
        match way {
            0 if next < count => (places[known] * (next - at) + places[next] * (at - known)) / 5,
            0 | 1 => places[known] + at - known,
            2 => at * rows / count,
            _ => (count - 1 - at) * rows / count,
        }
    };
    Rate::of((0..count).filter(|at| at % 5 != 0).map(|at| guess(at) == places[at]))
}

/// Pearson's correlation of what comes by time with its place.
fn correlation(places: &[usize]) -> f64 {
    let (count, middle) = (places.len() as f64, (places.len() as f64 - 1.0) / 2.0);
    let mean = places.iter().sum::<usize>() as f64 / count;
    let [mut both, mut time, mut place] = [0.0; 3];
    for (at, of) in places.iter().enumerate() {
        let (one, two) = (at as f64 - middle, *of as f64 - mean);
        (both, time, place) = (both + one * two, time + one * one, place + two * two);
    }
    if time * place > 0.0 { both / (time * place).sqrt() } else { 0.0 }
}

/// The rows of the payment pages in the order in which they arrive: by time, and of one moment as they lie in their part.
async fn see_arrive(collector: Arc<Collector>, ended: Arc<AtomicBool>) -> anyhow::Result<Vec<Row>> {
    let (mut seen, mut arrived) = (HashSet::new(), Vec::new());
    loop {
        let is_last = ended.load(Ordering::Relaxed);
        let sql = "SELECT site, hex(view) AS view, hex(visitor) AS visitor, toUInt64(splitByChar('_', _part)[-3]) AS block, \
                   _part_offset AS place, batch FROM events WHERE type = 'view' AND path = '/pay/:order' ORDER BY block, place";
        let rows = collector.administrator::<Row>(sql).await?.into_iter();
        arrived.extend(rows.filter(|row| seen.insert((row.site.clone(), row.view.clone()))));
        if is_last {
            return Ok(arrived);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How many payments are linked by the time at which rows arrive; the first fifth is known to the watcher.
fn link(world: &World, delays: &[f64]) -> Rate {
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

/// What the watcher gets, as a section of the page.
pub(crate) fn section(watched: &[Watched], bar: impl Fn(usize) -> f64) -> String {
    let mut out = format!("{HEADING}{BEFORE}");
    let mut line = |name: &str, cell: &dyn Fn(&Watched) -> String| {
        let cells: Vec<String> = watched.iter().map(cell).collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    };
    line("visits a day", &|of| of.visits.to_string());
    line("---", &|_| "---".to_owned());
    line("days, each of another world", &|of| of.worlds.to_string());
    line("payments", &|of| of.chance.of.to_string());
    line("events that arrived before the window's end", &|of| of.early.to_string());
    line("control: rows wait for 1 s", &|of| of.control[0].shown());
    line("control: rows wait for 30 s", &|of| of.control[1].shown());
    for (order, name) in ORDERS.iter().enumerate() {
        for (way, how) in WAYS.iter().enumerate() {
            let linked = |of: &Watched| of.linked.get(&(order, way)).copied().unwrap_or_default().shown();
            line(&format!("{name}: {how}"), &linked);
        }
    }
    line("chance", &|of| format!("{:.2} %", of.chance.share() * 100.0));
    line("bar", &|of| format!("{:.1} %", bar(of.visits) * 100.0));
    for (order, name) in ORDERS.iter().enumerate() {
        let correlation = |of: &Watched| {
            of.correlation
                .get(order)
                .map_or(String::new(), |(found, most)| format!("{found:.3} (at most {most:.3} by chance)"))
        };
        line(&format!("correlation with time: {name}"), &correlation);
    }
    out += BEHIND;
    out
}

pub(crate) const HEADING: &str = "\n## Who watches rows arrive\n";
const BEFORE: &str = "\n\
    The watcher has the payment log, and asks the running vault many times a second which rows are there, all day long. As rows wait until\n\
    their window ends, it sees all of a day's rows arrive after midnight. It knows the rows of a fifth of the payments, and names the rows of the\n\
    others by time, in each order and each way below. Each is judged by itself, as the watcher must choose one before. Chance and bar\n\
    are those of the insider. The controls are rows that do not wait for the end of their window (`[vault] until_window_end = false`).\n\n";

const BEHIND: &str = "\n\
    The watcher must be root on the machine of the vault, or its administrator, while visitors are there. If rows do not wait for the end of\n\
    their window, time alone is enough on a quiet site: nobody else pays within the seconds that a row is under way. A copy of the vault that is taken later has not these times: rows have no\n\
    time but their window, and are sorted by pseudonym. What an engine has not yet merged is an exception: its parts on the disk\n\
    have the time at which they were written. Of a row that the vault refuses, the file of dead letters has the time. Such a row is\n\
    encrypted there, and is not in the vault.\n";
