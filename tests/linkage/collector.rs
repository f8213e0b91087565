//! The real collector on a simulated clock, and the ways to it: beacons over HTTP from where a proxy would be, questions to
//! the stats store with the analyst's account, and a look at the vault as its administrator has it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tamga::clock::Clock;
use tamga::config::Config;
use tamga::serve::{self, Running};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::programs;

/// Browsers that send at once.
const AT_ONCE: usize = 256;
/// The clock stands within a slice of this length: what is kept is cut to the hour, of which this is a part.
const SLICE_MS: i64 = 600_000;

/// A beacon to send.
pub(crate) struct Beacon {
    /// Milliseconds since the beginning.
    pub(crate) at: i64,
    /// Whose cookies go with it.
    pub(crate) browser: u64,
    pub(crate) site: String,
    pub(crate) address: u32,
    pub(crate) agent: String,
    pub(crate) body: String,
    pub(crate) refuses: bool,
}

pub(crate) struct Collector {
    running: Running,
    clock: Clock,
    begin: Timestamp,
    client: Client<HttpConnector, Full<Bytes>>,
    ports: [u16; 3],
    keys: PathBuf,
    pub(crate) data: PathBuf,
    _folders: [TempDir; 2],
}

fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

impl Collector {
    /// Rows stay in the spool for so many seconds of the machine's own time, and perhaps until their window ends.
    pub(crate) async fn start(sites: &[String], linger_s: u32, until_window_end: bool) -> anyhow::Result<Self> {
        // All in memory: what is measured here is not durability.
        let folders = [tempfile::tempdir_in("/dev/shm")?, tempfile::tempdir_in("/dev/shm")?];
        let (data, keys) = (folders[0].path().join("data"), folders[1].path().join("keys"));
        let ports = free_ports();
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/demo/geo");
        let mut text = format!(
            "[server]\nlisten = '127.0.0.1:0'\nadmin_listen = '127.0.0.1:{}'\ntrusted_proxies = ['127.0.0.0/8']\n\
             [limits]\nnetwork_per_s = 0\nvisitor_events_per_h = 0\n\
             [data]\ndir = '{}'\n[keys]\ndir = '{}'\n[geo]\nplace = ['{fixture}/city-ipv4.mmdb']\nprovider = ['{fixture}/asn.mmdb']\n\
             [engine]\nvault_listen = '127.0.0.1:{}'\nstats_listen = '127.0.0.1:{}'\nprogram = '{}'\n[vault]\nlinger_s = {linger_s}\nuntil_window_end = {until_window_end}\n[wall]\nverify_every_h = 0\n",
            ports[0],
            data.display(),
            keys.display(),
            ports[1],
            ports[2],
            programs::engine().display(),
        );
        for site in sites {
            text += &format!(
                "[[site]]\ndomain = '{site}'\npublic_url = 'https://t.{site}'\norigins = ['https://{site}']\n\
                 time_zone = 'Asia/Almaty'\nprofile = 'jetpay'\npaths = ['/', '/pay/:order', '/docs/*', '/trap/*']\nevents = ['paid']\n"
            );
        }
        let config = Config::parse(&text, &folders[0].path().join("tamga.toml"), std::iter::empty())?;
        // The next midnight in Almaty: the engines' own deadlines follow the machine's clock.
        let zone = jiff::tz::TimeZone::get("Asia/Almaty")?;
        let begin = Clock::machine().now().to_zoned(zone.clone()).date().tomorrow()?.to_zoned(zone)?.timestamp();
        let clock = Clock::simulated(begin);
        let mut running = serve::start(config, clock.clone()).await?;
        running.stores().await?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(AT_ONCE).build(connector);
        Ok(Self { running, clock, begin, client, ports, keys, data, _folders: folders })
    }

    /// The date of a day since the beginning.
    pub(crate) fn date(&self, day: usize) -> String {
        let zone = jiff::tz::TimeZone::get("Asia/Almaty").expect("bundled");
        self.at(day as i64 * super::world::DAY_MS).to_zoned(zone).date().to_string()
    }

    /// The day's key of a site, as a thief takes it who reads the memory-backed folder at that day's end.
    pub(crate) fn stolen_key(&self, site: &str) -> Option<[u8; 32]> {
        let mut found: Vec<_> =
            std::fs::read_dir(&self.keys).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        let is_of_site = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{site}.")))
        };
        found.retain(is_of_site);
        found.sort();
        std::fs::read(found.last()?).ok()?.try_into().ok()
    }

    /// Waits until the vault has all rows that were accepted.
    pub(crate) async fn stored(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let metrics = self.metrics().await?;
            let figure =
                |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
            let (accepted, stored) = (figure("tamga_rows_accepted_total "), figure("tamga_rows_stored "));
            if accepted.is_some_and(|rows| rows > 0) && accepted == stored {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(600) {
                let of_rows: Vec<_> = metrics.lines().filter(|line| line.starts_with("tamga_rows_")).collect();
                anyhow::bail!("not all rows are stored:\n{}", of_rows.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    pub(crate) fn begin_second(&self) -> i64 {
        self.begin.as_second()
    }

    /// Sends beacons, which are in the order of time. Returns how many were accepted.
    pub(crate) async fn play(&self, beacons: Vec<Beacon>, jars: &mut HashMap<u64, String>) -> u64 {
        let mut accepted = 0;
        let (all, mut said) = (beacons.len(), Instant::now());
        let mut beacons = beacons.into_iter().peekable();
        while let Some(at) = beacons.peek().map(|first| first.at) {
            if said.elapsed() > Duration::from_secs(30) {
                said = Instant::now();
                println!("  {} of {all} beacons are still to be sent", beacons.len());
            }
            let slice = at / SLICE_MS;
            self.clock.advance_to(self.at(at));
            // Of one browser one after the other; of many at once.
            let mut by_browser: HashMap<u64, Vec<Beacon>> = HashMap::new();
            while let Some(beacon) = beacons.next_if(|beacon| beacon.at / SLICE_MS == slice) {
                by_browser.entry(beacon.browser).or_default().push(beacon);
            }
            let mut sending = JoinSet::new();
            for (browser, beacons) in by_browser {
                if sending.len() >= AT_ONCE {
                    accepted += take(&mut sending, jars).await;
                }
                let (client, address, jar) =
                    (self.client.clone(), self.running.address.expect("a port"), jars.remove(&browser));
                sending.spawn(async move { send_all(client, address, browser, beacons, jar).await });
            }
            while !sending.is_empty() {
                accepted += take(&mut sending, jars).await;
            }
        }
        accepted
    }

    fn at(&self, ms: i64) -> Timestamp {
        Timestamp::from_millisecond(self.begin.as_millisecond() + ms).expect("in range")
    }

    /// Moves the clock past the end of so many days, and waits until that day of every site is published, of those too that
    /// had no visitor: the clock must not run ahead of the publisher.
    pub(crate) async fn publish(&self, days: usize, sites: usize) -> anyhow::Result<()> {
        self.clock.advance_to(self.at(days as i64 * super::world::DAY_MS + 120_000));
        let end = self.begin_second() + days as i64 * 86_400;
        let began = Instant::now();
        loop {
            #[derive(serde::Deserialize)]
            struct Count {
                count: u64,
            }
            let sql = format!("SELECT count() AS count FROM publications WHERE toUnixTimestamp(window_end) = {end}");
            let found: Vec<Count> = self.analyst(&sql).await?;
            if found.first().is_some_and(|row| row.count >= sites as u64) {
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < Duration::from_secs(600), "day {days} is not published");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// A question of the analyst's, with the analyst's account and nothing more.
    pub(crate) async fn analyst<T: DeserializeOwned>(&self, sql: &str) -> anyhow::Result<Vec<T>> {
        let password = std::fs::read_to_string(self.data.join("engine/analyst.password"))?;
        self.ask(self.ports[2], "analyst", password.trim(), "tamga_stats", sql).await
    }

    /// What an administrator reads who copies the vault.
    pub(crate) async fn administrator<T: DeserializeOwned>(&self, sql: &str) -> anyhow::Result<Vec<T>> {
        let password = std::fs::read_to_string(self.data.join("engine/service.password"))?;
        self.ask(self.ports[1], "tamga", password.trim(), "tamga_vault", sql).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        port: u16,
        user: &str,
        password: &str,
        database: &str,
        sql: &str,
    ) -> anyhow::Result<Vec<T>> {
        let url = format!("http://127.0.0.1:{port}/?database={database}&output_format_json_quote_64bit_integers=0");
        let request = Request::post(url)
            .header("X-ClickHouse-User", user)
            .header("X-ClickHouse-Key", password)
            .body(Full::from(format!("{sql} FORMAT JSONEachRow")))?;
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = std::str::from_utf8(&body)?;
        anyhow::ensure!(head.status.is_success(), "{sql}: {text}");
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// What operations see, and who colludes with them.
    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        let request = Request::get(format!("http://127.0.0.1:{}/metrics", self.ports[0])).body(Full::default())?;
        let body = self.client.request(request).await?.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(body.to_vec())?)
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.running.stop().await
    }
}

type Sent = (u64, Option<String>, u64);

async fn take(sending: &mut JoinSet<Sent>, jars: &mut HashMap<u64, String>) -> u64 {
    let Some(Ok((browser, jar, accepted))) = sending.join_next().await else { return 0 };
    if let Some(jar) = jar {
        jars.insert(browser, jar);
    }
    accepted
}

async fn send_all(
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    browser: u64,
    beacons: Vec<Beacon>,
    mut jar: Option<String>,
) -> Sent {
    let mut accepted = 0;
    for beacon in beacons {
        let mut request = Request::post(format!("http://{address}/v1/beacon"))
            .header(header::HOST, format!("t.{}", beacon.site))
            .header(header::ORIGIN, format!("https://{}", beacon.site))
            .header("x-forwarded-for", Ipv4Addr::from(beacon.address).to_string())
            .header(header::USER_AGENT, beacon.agent)
            .header(header::CONTENT_TYPE, "text/plain;charset=UTF-8")
            .header(header::ACCEPT, "*/*")
            .header(header::ACCEPT_LANGUAGE, "ru-KZ,ru;q=0.9")
            .header(header::ACCEPT_ENCODING, "gzip, deflate, br")
            .header("sec-fetch-site", "same-site")
            .header("sec-fetch-mode", "cors");
        if beacon.refuses {
            request = request.header("sec-gpc", "1");
        }
        if let Some(jar) = &jar {
            request = request.header(header::COOKIE, jar);
        }
        let Ok(request) = request.body(Full::from(beacon.body)) else { continue };
        let Ok(answer) = client.request(request).await else { continue };
        let (head, body) = answer.into_parts();
        let _ = body.collect().await;
        accepted += u64::from(head.headers.get("tamga-outcome").is_some_and(|outcome| outcome == "accepted"));
        let set = head.headers.get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        if let Some(pair) = set.and_then(|cookie| cookie.split(';').next()) {
            jar = Some(pair.to_owned());
        }
    }
    (browser, jar, accepted)
}
