//! The edge alone, without engines: the real router and accept loop on a free port, a spool on a disk that the test
//! controls, a clock that the test moves, and the rows read back from the spool.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamga::clock::Clock;
use tamga::collect::{self, Collector, Parts, server};
use tamga::config::Config;
use tamga::enrich::{GeoIp, Lookups};
use tamga::metrics::{Metrics, RowCounts};
use tamga::privacy::keys::KeyRing;
use tamga::privacy::seal::CookieSeal;
use tamga::protect::{self, Keys};
use tamga::record::SCHEMA_VERSION;
use tamga::secret::Secret;
use tamga::spool::{self, DeliveryLimits, Options, Reader, Writer};
use tamga::store::{DeadLetters, OwnRows};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::disk::ControlledDisk;
use super::http::{Answer, Call};
use super::rows::Rows;

pub(crate) const SITE: &str = "jetpay.kz";
pub(crate) const ORIGIN: &str = "https://jetpay.kz";
/// 11:20:30 in Almaty, a Sunday.
pub(crate) const NOW: &str = "2026-11-22T06:20:30Z";
/// A current Chrome on Android.
pub(crate) const AGENT: &str =
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36";

const CONFIG: &str = r#"
[server]
trusted_proxies = ["127.0.0.0/8"]
body_deadline_s = 1

[[site]]
domain = "jetpay.kz"
public_url = "https://t.jetpay.kz"
origins = ["https://jetpay.kz", "https://www.jetpay.kz"]
time_zone = "Asia/Almaty"
profile = "jetpay"
paths = ["/", "/tariffs", "/pay/:order", "/docs/*"]
ignored_referrers = ["bank.kz"]
events = ["pay.started", "pay.done"]
variants = ["b"]
[site.protect]
audience = "https://jetpay.kz"
ports = true

[[site]]
domain = "aitu.kz"
public_url = "https://t.aitu.kz"
origins = ["https://aitu.kz"]
time_zone = "Asia/Almaty"
profile = "aitu"
"#;

/// How a test configures its collector.
pub(crate) struct Setup {
    pub(crate) limits: server::Limits,
    pub(crate) spool_quota_bytes: u64,
    pub(crate) trusts_proxies: bool,
    /// Whether connections begin with a PROXY header.
    pub(crate) proxy_protocol: bool,
    /// More sites, appended to the configuration.
    pub(crate) sites: &'static str,
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Default for Setup {
    fn default() -> Self {
        let limits = server::Limits {
            connections: 512,
            head_deadline: Duration::from_secs(1),
            stop_grace: Duration::from_secs(5),
        };
        Self { limits, spool_quota_bytes: 256 << 20, trusts_proxies: true, proxy_protocol: false, sites: "", tls: None }
    }
}

/// A request to a collector, with the headers that a browser on a page of the site sends.
fn call_to(address: SocketAddr, method: &str, target: &str) -> Call {
    Call::new(address, method, target)
        .header("Host", "t.jetpay.kz")
        .header("User-Agent", AGENT)
        .header("Accept-Language", "kk")
        .header("Sec-Fetch-Site", "same-site")
        .header("X-Forwarded-For", "198.18.0.9")
}

/// A beacon to a collector, from the site's own page.
pub(crate) fn beacon_to(address: SocketAddr, body: impl Into<Vec<u8>>) -> Call {
    call_to(address, "POST", "/v1/beacon").header("Origin", ORIGIN).header("Content-Type", "text/plain").body(body)
}

/// A running edge.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) disk: ControlledDisk,
    pub(crate) keys: TempDir,
    metrics: Arc<Metrics>,
    writer: Writer,
    reader: tokio::sync::Mutex<Reader>,
    shutdown: CancellationToken,
    serving: std::sync::Mutex<Option<JoinHandle<()>>>,
    _folder: TempDir,
}

impl Edge {
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub(crate) async fn start_with(setup: Setup) -> Self {
        let text = if setup.trusts_proxies { CONFIG.to_owned() } else { CONFIG.replace("\"127.0.0.0/8\"", "") };
        let text = text + setup.sites;
        let mut config = Config::parse(&text, Path::new("tamga.toml"), std::iter::empty()).unwrap();
        config.server.proxy_protocol = setup.proxy_protocol;
        let (folder, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        let disk = ControlledDisk::default();
        let spool_keys = spool::Keys::new(Secret::new([7; 32]), []);
        let options =
            Options { segment_bytes: 1 << 20, ..Options::new(setup.spool_quota_bytes, SCHEMA_VERSION, spool_keys) };
        let (writer, reader, _) = spool::open(&folder.path().join("spool"), options, Arc::new(disk.clone())).unwrap();
        let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo").join(name);
        let geo = GeoIp::open(&[fixture("city-ipv4.mmdb"), fixture("city-ipv6.mmdb")], &[fixture("asn.mmdb")]).unwrap();
        let (clock, metrics) = (Clock::simulated(NOW.parse().unwrap()), Arc::new(Metrics::default()));
        let parts = Parts {
            lookups: Lookups::new(geo),
            seal: CookieSeal::new(&Secret::random()),
            keys: Arc::new(KeyRing::open(keys.path()).unwrap()),
            retry_key: Secret::random(),
            spool: writer.clone(),
            metrics: metrics.clone(),
            scripts: collect::Scripts::current(),
            clock: clock.clone(),
        };
        let collector = Collector::new(&config, parts);
        let refused = DeadLetters::new(&folder.path().join("dead-letters"), reader.keys());
        let own_rows = OwnRows::new(writer.clone(), tokio::sync::watch::channel(None).1, refused);
        let verdict_keys = folder.path().join("verdict-keys");
        let verdict_keys = Arc::new(Keys::open(&verdict_keys, folder.path(), clock.now()).unwrap());
        let verdicts = protect::router(&config, collector.clone(), metrics.clone(), verdict_keys);
        let edge = collect::Edge::new(collector.clone())
            .beside(tamga::rights::router(&config, collector, own_rows))
            .beside_without_credentials(verdicts);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let endpoint = server::Endpoint::public(listener, setup.tls, &config.server);
        let serving = tokio::spawn(server::serve(endpoint, edge, setup.limits, shutdown.clone()));
        Self {
            address,
            clock,
            disk,
            keys,
            metrics,
            writer,
            reader: reader.into(),
            shutdown,
            serving: Some(serving).into(),
            _folder: folder,
        }
    }

    /// A request to this edge, with the headers that a browser on a page of the site sends.
    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        call_to(self.address, method, target)
    }

    /// A beacon from the site's own page.
    pub(crate) fn beacon(&self, body: impl Into<Vec<u8>>) -> Call {
        beacon_to(self.address, body)
    }

    /// Sends a beacon with one view.
    pub(crate) async fn view(&self, view: u8, seq: u32, cookie: Option<&str>) -> Answer {
        self.beacon(view_of(view, seq, "/tariffs")).cookies(cookie).send().await
    }

    /// Moves the clock.
    pub(crate) fn wait_minutes(&self, minutes: i64) {
        self.clock.advance_to(self.clock.now() + jiff::SignedDuration::from_mins(minutes));
    }

    /// All rows that became durable since the last call.
    pub(crate) async fn rows(&self) -> Rows {
        self.rows_and_orders().await.0
    }

    /// The same, with the orders to erase: their streams and pseudonyms.
    pub(crate) async fn rows_and_orders(&self) -> (Rows, Vec<(String, Vec<[u8; 16]>)>) {
        let (mut rows, mut orders) = (Rows::default(), Vec::new());
        let mut reader = self.reader.lock().await;
        while self.writer.usage().pending_frames > 0 {
            let delivery = reader.next_delivery(&DeliveryLimits::default()).await.unwrap().unwrap();
            rows.add(&delivery);
            orders.extend(delivery.tombstones.iter().map(|order| {
                let (_, pseudonyms) = tamga::record::parse_erasure(&order.payload).unwrap();
                (order.stream.as_str().to_owned(), pseudonyms.to_vec())
            }));
            reader.finish(&delivery).await.unwrap();
        }
        (rows, orders)
    }

    /// One figure of the metrics, summed over its labels.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let text = self.metrics.encode(&RowCounts::default());
        let lines =
            text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// How many events were dropped or rejected for a reason.
    pub(crate) fn reason(&self, what: &str, reason: &str) -> u64 {
        self.labelled(&format!("tamga_events_{what}_total"), "reason", reason)
    }

    /// One figure of the metrics.
    pub(crate) fn labelled(&self, name: &str, label: &str, value: &str) -> u64 {
        let start = format!("{name}{{{label}=\"{value}\"}} ");
        let text = self.metrics.encode(&RowCounts::default());
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {start}")).parse().unwrap()
    }

    /// Received, accepted, dropped and rejected events. Checks that each event has one outcome.
    pub(crate) fn counts(&self) -> [u64; 4] {
        let counts = ["received", "accepted", "dropped", "rejected"]
            .map(|name| self.figure(&format!("tamga_events_{name}_total")));
        assert_eq!(counts[0], counts[1] + counts[2] + counts[3], "each event has one outcome");
        counts
    }

    /// What the spool's files take.
    pub(crate) fn spool_bytes(&self) -> u64 {
        self.writer.usage().bytes
    }

    pub(crate) fn rows_accepted(&self) -> u64 {
        self.writer.usage().accounting.accepted
    }

    /// Stops it in order. Returns how long that took.
    pub(crate) async fn stop(&self) -> Duration {
        let begun = Instant::now();
        self.shutdown.cancel();
        let serving = self.serving.lock().unwrap().take().unwrap();
        serving.await.unwrap();
        begun.elapsed()
    }
}

/// The view id of a number. Its bytes differ, so that no column of equal bytes looks like it.
pub(crate) fn view_bytes(view: u8) -> [u8; 16] {
    std::array::from_fn(|at| view ^ [0x5c_u8, 0xa3, 0x19, 0xe6][at % 4].wrapping_add(at as u8))
}

/// The view id of a number.
pub(crate) fn view_id(view: u8) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(view_bytes(view))
}

/// A beacon with these events.
pub(crate) fn beacon_of(view: u8, seq: u32, events: &str) -> String {
    format!(r#"{{"v":1,"site":"{SITE}","view":"{}","seq":{seq},"events":[{events}]}}"#, view_id(view))
}

/// A beacon with one view of a page.
pub(crate) fn view_of(view: u8, seq: u32, path: &str) -> String {
    beacon_of(view, seq, &format!(r#"{{"type":"view","at":0,"url":"https://jetpay.kz{path}"}}"#))
}
