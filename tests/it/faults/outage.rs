//! Does the collector's memory stay flat while the vault is away for hours, and does the backlog drain while beacons go
//! on?
//!
//! Hours are given in rows: 36 million are one hour of 10,000 a second. They are sent as fast as they are taken,
//! because no memory of the collector depends on how long a row has waited, except the watermark's (bounded, see
//! `spool/watermark.rs`). What remembers beacons for 30 minutes is filled first: it is bounded too, by two million, and
//! would pass for a slope. So would what remembers new visitors, hour by hour (`collect/hours.rs`): the site of the long run distinguishes
//! nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::laboratory::{Laboratory, Stores};
use super::load::{Connection, view};
use super::{figures, long};

const ARRIVAL: u64 = 10_000;
const HOUR: u64 = ARRIVAL * 3600;
const CONNECTIONS: u64 = 32;

/// Beacons with views that nobody else has, and what was acknowledged of them.
struct Source {
    port: u16,
    next: AtomicU64,
    beacons: AtomicU64,
    rows: AtomicU64,
}

impl Source {
    /// A beacon of a view and, beside it, events that are rows too.
    fn body(&self, events: u64) -> String {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let engage = ",{\"type\":\"engage\",\"at\":7,\"engaged_ms\":5000}".repeat(events as usize - 1);
        let seen = "{\"type\":\"view\",\"at\":0,\"url\":\"https://shop.kz/e/x\"}";
        format!("{{\"v\":1,\"site\":\"shop.kz\",\"view\":\"{}\",\"seq\":0,\"events\":[{seen}{engage}]}}", view(id))
    }

    fn acknowledged(&self, events: u64) {
        self.beacons.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(events, Ordering::Relaxed);
    }

    /// Sends this many rows, as fast as they are taken.
    async fn pour(self: &Arc<Self>, rows: u64) {
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let source = Arc::clone(self);
            tasks.spawn(async move {
                let mut connection = Connection::open(source.port).await.unwrap();
                for _ in 0..rows.div_ceil(100 * CONNECTIONS) {
                    assert_eq!(connection.send(&source.body(100)).await.unwrap(), 202);
                    source.acknowledged(100);
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// Sends [`ARRIVAL`] events a second, ten in a beacon, until `stop`. The times from when each was due to its
    /// answer.
    fn trickle(self: &Arc<Self>, stop: &Arc<AtomicBool>) -> JoinSet<Vec<Duration>> {
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS {
            let (source, stop) = (Arc::clone(self), Arc::clone(stop));
            tasks.spawn(async move {
                let mut connection = Connection::open(source.port).await.unwrap();
                let every = Duration::from_secs(1) * CONNECTIONS as u32 / (ARRIVAL as u32 / 10);
                let mut due = tokio::time::Instant::now() + every * number as u32 / CONNECTIONS as u32;
                let mut took = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    tokio::time::sleep_until(due).await;
                    assert_eq!(connection.send(&source.body(10)).await.unwrap(), 202);
                    source.acknowledged(10);
                    took.push(due.elapsed());
                    due += every;
                }
                took
            });
        }
        tasks
    }

    /// Beacons that are remembered and leave no row.
    async fn fill_the_memory_of_beacons(self: &Arc<Self>, beacons: u64) {
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let source = Arc::clone(self);
            tasks.spawn(async move {
                let mut connection = Connection::open(source.port).await.unwrap();
                for _ in 0..beacons / CONNECTIONS {
                    let id = source.next.fetch_add(1, Ordering::Relaxed);
                    let nothing = "{\"type\":\"of-tomorrow\",\"at\":0}";
                    let body = format!(
                        "{{\"v\":1,\"site\":\"shop.kz\",\"view\":\"{}\",\"seq\":0,\"events\":[{nothing}]}}",
                        view(id)
                    );
                    assert_eq!(connection.send_unheeded(&body).await.unwrap(), 202);
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Stops the tasks, and sorts the times of all of them.
async fn took(mut tasks: JoinSet<Vec<Duration>>, stop: &AtomicBool) -> Vec<Duration> {
    stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    while let Some(took) = tasks.join_next().await {
        all.extend(took.unwrap());
    }
    stop.store(false, Ordering::Relaxed);
    all.sort_unstable();
    all
}

/// Milliseconds that so many of a hundred answers took at most.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[sorted.len() * percent / 100].as_secs_f64() * 1e3
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_for_hours_and_back() {
    let begun = Instant::now();
    let asked = std::env::var("TAMGA_FAULTS_HOURS").ok().and_then(|hours| hours.parse().ok());
    let hours: f64 = asked.unwrap_or(if long() { 1.0 } else { 0.004 });
    let rows = (HOUR as f64 * hours) as u64;
    let normal = Duration::from_secs(if long() { 20 } else { 2 });
    let mut laboratory = Laboratory::new(&Stores::Vault);
    if long() {
        let config = laboratory.folder().join("tamga.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace("[[site]]\n", "[[site]]\nidentity = \"none\"\n")).unwrap();
    }
    laboratory.vault.start(None);
    let mut collector = laboratory.collector(None);
    laboratory.taking(&mut collector).await;
    while laboratory.vault.number("SELECT count() AS number FROM events").await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let first = 1; // The beacon by which the start was noticed.
    let zero = AtomicU64::new(0);
    let source = Arc::new(Source {
        port: laboratory.port,
        next: AtomicU64::new(1 << 32),
        beacons: zero,
        rows: AtomicU64::new(0),
    });
    if long() {
        source.fill_the_memory_of_beacons(2_050_000).await;
    }

    let stop = Arc::new(AtomicBool::new(false));
    let trickle = source.trickle(&stop);
    tokio::time::sleep(normal).await;
    let mut usual = took(trickle, &stop).await;

    laboratory.vault.kill();
    source.pour(rows / 2).await; // Buffers and the watermark's arrivals find their size.
    let (before, resident) = (collector.peak_kib(), collector.resident_kib());
    let poured = Instant::now();
    source.pour(rows).await;
    let speed = rows as f64 / poured.elapsed().as_secs_f64();
    let (grown, resident_now) = (collector.peak_kib() - before, collector.resident_kib());
    let slope = grown as f64 / 1024.0 * HOUR as f64 / rows as f64;
    assert!(!long() || slope < 1.0, "{slope} MiB an hour; {resident} KiB resident before, {resident_now} after");

    let trickle = source.trickle(&stop);
    laboratory.vault.start(None);
    laboratory.vault.ready().await;
    let count = "SELECT count() AS number FROM events";
    let (at_return, returned) = (laboratory.vault.number(count).await, Instant::now());
    let backlog = loop {
        let stored = laboratory.vault.number(count).await;
        // What has arrived within the last seconds is no backlog.
        if stored + 4 * ARRIVAL >= source.rows.load(Ordering::Relaxed) {
            break stored - at_return;
        }
        // It takes a third of the outage.
        let patience = Duration::from_secs_f64(120.0 + 3600.0 * hours);
        assert!(returned.elapsed() < patience, "it does not drain\n{}", collector.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let drain = backlog as f64 / returned.elapsed().as_secs_f64();
    let meanwhile = took(trickle, &stop).await;
    // Once more without a backlog: what else this machine is busy with changes.
    let trickle = source.trickle(&stop);
    tokio::time::sleep(normal).await;
    usual.extend(took(trickle, &stop).await);
    usual.sort_unstable();

    let expected = source.rows.load(Ordering::Relaxed) + first;
    let waited = Instant::now();
    while laboratory.vault.number(count).await < expected {
        assert!(waited.elapsed() < Duration::from_secs(60), "rows do not arrive\n{}", collector.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let views = laboratory.vault.number("SELECT uniqExact(view) AS number FROM events").await;
    assert_eq!(laboratory.vault.number(count).await, expected, "lost or twice");
    assert_eq!(views, source.beacons.load(Ordering::Relaxed) + first);
    tokio::task::block_in_place(|| collector.terminate());
    assert_eq!(laboratory.look_into_spool().pending_frames, 0);
    // What one does not fill is no slope.
    let slope = if long() { format!("{slope:.2} MiB per hour") } else { "too short for a slope".to_owned() };
    figures(
        begun,
        format!(
            "{:.3} h of {ARRIVAL} rows/s held ({speed:.0} rows/s taken): peak memory +{grown} KiB of {} MiB, {slope}; \
             drained at {:.1} times the arrival ({drain:.0} rows/s beside it); p50, p90, p99 of an answer: \
             {}; {expected} rows, 0 lost, 0 twice",
            rows as f64 / HOUR as f64,
            before / 1024,
            drain / ARRIVAL as f64,
            [50, 90, 99]
                .map(|percent| (percentile(&usual, percent), percentile(&meanwhile, percent)))
                .map(|(usual, meanwhile)| format!("{meanwhile:.1} ms ({usual:.1} before and after)"))
                .join(", "),
        ),
    );
}
