//! Is each acknowledged event in the vault exactly once, whichever of the three processes is killed, and whenever?
//!
//! Sixteen connections send beacons and write down which were answered `202 accepted`, while SIGKILL hits the collector, the
//! vault's engine and the stats engine, alone and together, also while they recover. Each event has a page of its own, so
//! that it can be found at rest, where no id of it is. One that was not acknowledged may be there, once: the answer got lost.
//! `TAMGA_CRASH_ROUNDS` asks for more rounds than ten, `TAMGA_CRASH_SEED` for other moments.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;

use crate::row_accounting::Scrapes;
use crate::support::collector::AGENT;
use crate::support::engine::library;
use crate::support::product::{Ports, Product, gone};
use crate::support::programs;
use crate::support::random::Random;

const CONNECTIONS: usize = 16;
const ORIGIN: &str = "http://crash.localhost";
/// An address of the fixtures' GeoIP files, so that each event also has a row among the attributes.
const ADDRESS: &str = "198.18.0.77";

/// What a round kills.
const KILLS: [&[&str]; 10] = [
    &["vault"],
    &["collector"],
    &["stats"],
    &["collector", "vault"],
    &["vault", "stats"],
    &["collector"],
    &["vault"],
    &["collector", "stats"],
    &["vault"],
    &["collector", "vault", "stats"],
];

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_survive_kills_of_every_process_exactly_once() {
    let variable = |name, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let (rounds, seed) = (variable("TAMGA_CRASH_ROUNDS", 10), variable("TAMGA_CRASH_SEED", 1));
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports::free();
    let config = configure(&folder, ports);
    let mut product = Product::serve(&folder, &config, ports);
    product.takes_beacons().await;
    let load = Load::begin(ports.collector);
    let scrapes = Scrapes::begin(ports.collector + 1);
    let mut times: HashMap<&str, Vec<Duration>> = HashMap::new();
    ready(&mut product).await;

    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(200 + random.below(400))).await;
        let kills = KILLS[round as usize % KILLS.len()];
        let old: HashMap<_, _> = ["vault", "stats"].map(|name| (name, product.engine(name))).into();
        // Where it is most delicate: rows are on their way to the vault, or have just landed and the spool does not know.
        match random.below(5) {
            0 => {}
            1 | 2 => {
                inserts(&product, true).await;
                std::thread::sleep(Duration::from_millis(random.below(80)));
            }
            _ => {
                inserts(&product, true).await;
                inserts(&product, false).await;
                std::thread::sleep(Duration::from_micros(random.below(3_000)));
            }
        }
        let since = Instant::now();
        for pid in kills.iter().filter_map(|name| *old.get(name)?) {
            // It may have been killed in the round before, and be gone this moment.
            let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
        }
        if kills.contains(&"collector") {
            product.kill();
            product.start_again();
            product.takes_beacons().await;
            times.entry("collector").or_default().push(since.elapsed());
            let engines: Vec<_> = old.values().flatten().copied().collect();
            assert!(gone(&engines, Duration::from_secs(20)), "engines outlive their collector");
        }
        // Every third round goes on while the engines recover.
        if round % 3 != 2 {
            ready(&mut product).await;
            let what = if kills.contains(&"collector") { "all with the collector" } else { "an engine" };
            times.entry(what).or_default().push(since.elapsed());
        }
    }

    let journal = load.end().await;
    let (scrapes, found) = scrapes.end().await;
    println!("the accounting balanced in {scrapes} scrapes; a restarted collector found up to {found} rows");
    assert!(scrapes > 10 * rounds && found > 0, "{scrapes} scrapes, {found} rows found");
    let since = Instant::now();
    let stored = all_that_was_received(&mut product).await;
    println!("the lease said so {:.1} s after the load", since.elapsed().as_secs_f64());
    let acknowledged = journal.values().filter(|acknowledged| **acknowledged).count();
    let lost = journal.iter().filter(|(path, acknowledged)| **acknowledged && !stored.contains_key(*path)).count();
    let twice = stored.values().filter(|count| **count > 1).count();
    let unexpected = stored.keys().filter(|path| !journal.contains_key(*path)).count();
    let unanswered = stored.keys().filter(|path| journal.get(*path) == Some(&false)).count();
    println!(
        "{rounds} rounds (seed {seed}): {} sent, {acknowledged} acknowledged, {} stored, {unanswered} of them without an \
         answer; {lost} lost, {twice} duplicated",
        journal.len(),
        stored.len(),
    );
    for (what, times) in &times {
        let mut times: Vec<_> = times.iter().map(Duration::as_millis).collect();
        times.sort_unstable();
        println!("{what} back after {times:?} ms");
    }
    assert!(acknowledged as u64 > 200 * rounds, "there was a load: {acknowledged}");
    assert_eq!((lost, twice, unexpected), (0, 0, 0), "{}", product.log_end());

    let attributes: u64 = count(&product, "SELECT toUInt32(count()) AS count FROM attributes").await;
    // Each has a provider, a place, a client, a device and an hour.
    assert_eq!(attributes, 5 * stored.values().sum::<u64>(), "the other table that each event has rows in");
    assert!(!product.data.join("dead-letters").read_dir().is_ok_and(|mut letters| letters.next().is_some()));
    let (status, took) = product.terminate();
    assert!(status.success(), "{status}:\n{}", product.log_end());
    println!("stopped within {} ms", took.as_millis());
    let verified = Command::new(programs::tamga()).args(["audit", "verify", "--config"]).arg(&config).output();
    assert!(verified.unwrap().status.success(), "the audit log is unbroken");
    assert!(!product.log().contains("panicked"), "{}", product.log_end());
}

fn configure(folder: &TempDir, ports: Ports) -> PathBuf {
    let path = folder.path().join("tamga.toml");
    let geo = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo");
    let text = format!(
        "[server]\nlisten = '127.0.0.1:{}'\nadmin_listen = '127.0.0.1:{}'\ntrusted_proxies = ['127.0.0.0/8']\n\
         [limits]\nnetwork_per_s = 0\n[vault]\nlinger_s = 1\nuntil_window_end = false\n[data]\ndir = '{data}'\n[keys]\ndir = '{keys}'\n[geo]\nprovider = ['{asn}']\n\
         [engine]\nvault_listen = '127.0.0.1:{}'\nstats_listen = '127.0.0.1:{}'\nlibrary = '{library}'\n\
         [[site]]\ndomain = 'crash.localhost'\npublic_url = 'http://t.crash.localhost'\norigins = ['{ORIGIN}']\n\
         time_zone = 'Asia/Almaty'\nprofile = 'jetpay'\npaths = ['/e/*']\n",
        ports.collector,
        ports.collector + 1,
        ports.engine,
        ports.engine + 1,
        data = folder.path().join("data").display(),
        keys = ports.keys().display(),
        asn = geo.join("asn.mmdb").display(),
        library = library().display(),
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Waits until both engines answer.
async fn ready(product: &mut Product) {
    product
        .until("both engines answer", Duration::from_secs(60), async |product| {
            product.vault::<serde_json::Value>("SELECT 1").await?;
            product.stats::<serde_json::Value>("SELECT 1").await?;
            Some(())
        })
        .await;
}

/// Returns as soon as the vault is busy with an insert, or no longer is; after a second in any case.
async fn inserts(product: &Product, wanted: bool) {
    let since = Instant::now();
    let sql = "SELECT toUInt32(count()) AS count FROM system.processes WHERE query_kind = 'Insert'";
    while since.elapsed() < Duration::from_secs(1) {
        let running: Option<Vec<serde_json::Value>> = product.vault(sql).await;
        if running.is_some_and(|rows| (rows[0]["count"] != 0) == wanted) {
            return;
        }
    }
}

/// The vault's pages with how often each is there, once the lease says that everything received is.
async fn all_that_was_received(product: &mut Product) -> HashMap<String, u64> {
    #[derive(Deserialize)]
    struct Stored {
        path: String,
        count: u64,
    }
    let now = tamga::clock::Clock::machine().now_ms();
    product
        .until("everything received is in the vault", Duration::from_secs(120), async |product| {
            let sql =
                format!("SELECT toUInt8(max(complete_until) > fromUnixTimestamp64Milli({now})) AS count FROM leases");
            let rows: Vec<serde_json::Value> = product.vault(&sql).await?;
            (rows[0]["count"] == 1).then_some(())
        })
        .await;
    let sql = "SELECT path, toUInt32(count()) AS count FROM events GROUP BY path";
    let rows: Vec<Stored> = product.vault(sql).await.expect("the vault answers");
    rows.into_iter().map(|stored| (stored.path, stored.count)).collect()
}

async fn count(product: &Product, sql: &str) -> u64 {
    let rows: Vec<serde_json::Value> = product.vault(sql).await.expect("the vault answers");
    rows[0]["count"].as_u64().unwrap()
}

// ---------------------------------------------------------------------------------------------------------------------
// The load

/// Connections that send beacons until the test stops them.
struct Load {
    stop: Arc<AtomicBool>,
    connections: Vec<tokio::task::JoinHandle<Vec<(String, bool)>>>,
}

impl Load {
    fn begin(port: u16) -> Self {
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let connections =
            (0..CONNECTIONS).map(|_| tokio::spawn(send_beacons(port, Arc::clone(&stop), Arc::clone(&next)))).collect();
        Self { stop, connections }
    }

    /// Every page that was sent, and whether it was acknowledged.
    async fn end(self) -> HashMap<String, bool> {
        self.stop.store(true, Ordering::Relaxed);
        let mut journal = HashMap::new();
        for connection in self.connections {
            journal.extend(connection.await.unwrap());
        }
        journal
    }
}

async fn send_beacons(port: u16, stop: Arc<AtomicBool>, next: Arc<AtomicU32>) -> Vec<(String, bool)> {
    let client: HttpClient<_, Full<Bytes>> = HttpClient::builder(TokioExecutor::new()).build_http();
    let mut journal = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let path = page(next.fetch_add(1, Ordering::Relaxed));
        let mut view = [0; 16];
        getrandom::fill(&mut view).unwrap();
        let body = serde_json::json!({
            "v": 1, "site": "crash.localhost", "view": URL_SAFE_NO_PAD.encode(view), "seq": 0,
            "events": [{ "type": "view", "at": 0, "url": format!("{ORIGIN}{path}") }],
        });
        let request = Request::post(format!("http://127.0.0.1:{port}/v1/beacon"))
            .header("origin", ORIGIN)
            .header("content-type", "text/plain")
            .header("user-agent", AGENT)
            .header("accept-language", "kk")
            .header("sec-fetch-site", "same-site")
            .header("x-forwarded-for", ADDRESS);
        let acknowledged = tokio::time::timeout(Duration::from_secs(10), async {
            let answer = client.request(request.body(Full::from(body.to_string())).unwrap()).await.ok()?;
            let (head, body) = answer.into_parts();
            body.collect().await.ok()?;
            let accepted = head.status == StatusCode::ACCEPTED && head.headers["tamga-outcome"] == "accepted";
            assert!(accepted || head.status == StatusCode::SERVICE_UNAVAILABLE, "{head:?}");
            accepted.then_some(())
        })
        .await
        .is_ok_and(|answer| answer.is_some());
        journal.push((path, acknowledged));
        // Some thousands a second when all is well, a few hundred while nobody answers.
        tokio::time::sleep(Duration::from_millis(if acknowledged { 1 } else { 50 })).await;
    }
    journal
}

/// A page of its own for each number, in letters, since digits could name someone and would be folded.
fn page(number: u32) -> String {
    let letter = |at: u32| char::from(b'a' + (number / 26_u32.pow(at) % 26) as u8);
    format!("/e/{}{}{}-{}{}", letter(4), letter(3), letter(2), letter(1), letter(0))
}
