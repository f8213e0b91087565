//! Midnight at the site: each record is under the key of its own day, although there are many connections and the
//! collector's process is replaced in the middle. Today's key does not open yesterday's records.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use jiff::{Timestamp, ToSpan as _};
use tamga::clock::Clock;
use tamga::collect::{self, Collector, Parts};
use tamga::config::Config;
use tamga::enrich::{GeoIp, Lookups};
use tamga::metrics::Metrics;
use tamga::privacy::cookie::Browser;
use tamga::privacy::keys::KeyRing;
use tamga::privacy::seal::CookieSeal;
use tamga::record::SCHEMA_VERSION;
use tamga::secret::Secret;
use tamga::spool::{self, DeliveryLimits, Options, Reader, Writer};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::{key_files, pseudonym};
use crate::support::rows::{EventRow, Rows};

const SITE: &str = "jetpay.kz";
const ORIGIN: &str = "https://jetpay.kz";
/// Midnight between 22 and 23 November in Almaty.
const MIDNIGHT: &str = "2026-11-22T19:00:00Z";
const CONNECTIONS: usize = 64;

/// The parts of a collector that outlive its process.
struct Machine {
    folder: TempDir,
    keys: TempDir,
    clock: Clock,
    cookie_key: [u8; 32],
}

/// A collector's process.
struct Process {
    router: axum::Router,
    keys: Arc<KeyRing>,
    writer: Writer,
    reader: Reader,
}

impl Machine {
    fn new(now: Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = tempfile::tempdir_in("/dev/shm").unwrap();
        Self { folder, keys, clock: Clock::simulated(now), cookie_key: *Secret::random().expose() }
    }

    fn start(&self) -> Process {
        // All that send here are of one network.
        let no_limit = ("TAMGA__LIMITS__NETWORK_PER_S".to_owned(), "0".to_owned());
        let config = Config::parse(Config::example(), Path::new("tamga.toml"), std::iter::once(no_limit)).unwrap();
        let options = Options::new(1 << 30, SCHEMA_VERSION, spool::Keys::new(Secret::new(self.cookie_key), []));
        let (writer, reader, _) =
            spool::open(&self.folder.path().join("spool"), options, Arc::new(spool::Disk)).unwrap();
        let ring = KeyRing::open(self.keys.path()).unwrap();
        let keys = Arc::new(ring.remembering(&self.folder.path().join("keys-seen.json")).unwrap());
        let parts = Parts {
            lookups: Lookups::new(GeoIp::open(&[], &[]).unwrap()),
            seal: CookieSeal::new(&Secret::new(self.cookie_key)),
            keys: keys.clone(),
            retry_key: Secret::new(self.cookie_key),
            spool: writer.clone(),
            metrics: Arc::new(Metrics::default()),
            scripts: collect::Scripts::current(),
            clock: self.clock.clone(),
        };
        Process { router: collect::router(Collector::new(&config, parts)), keys, writer, reader }
    }
}

impl Process {
    /// Stops without a word, as far as a process within this one can: nothing is flushed, nothing is reported.
    async fn crash(self) {
        drop(self.router);
        let writer = self.writer;
        tokio::task::spawn_blocking(move || writer.close()).await.unwrap();
    }

    async fn rows(&mut self) -> Rows {
        let mut rows = Rows::default();
        let limits = DeliveryLimits::default();
        while self.writer.usage().pending_frames > 0 {
            let delivery = self.reader.next_delivery(&limits).await.unwrap().unwrap();
            rows.add(&delivery);
            self.reader.finish(&delivery).await.unwrap();
        }
        rows
    }
}

fn view_of(number: u32) -> [u8; 16] {
    let mut view = [0; 16];
    view[..4].copy_from_slice(&number.to_le_bytes());
    view
}

/// One first view; whether it was accepted, and the cookie that came back.
async fn send(router: axum::Router, number: u32, cookie: Option<&str>) -> Option<String> {
    use base64::Engine as _;
    let view = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(view_of(number));
    let body = format!(
        r#"{{"v":1,"site":"{SITE}","view":"{view}","seq":0,"events":[{{"type":"view","at":0,"url":"{ORIGIN}/"}}]}}"#
    );
    let mut request = Request::post("/v1/beacon")
        .header("origin", ORIGIN)
        .header("content-type", "text/plain")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0")
        .header("accept-language", "kk");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let answer = router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let cookie = answer.headers().get("set-cookie")?.to_str().unwrap().split(';').next()?.to_owned();
    (answer.headers()["tamga-outcome"] == "accepted").then_some(cookie)
}

/// Many connections send first views while the clock runs; the numbers of those that were acknowledged.
async fn storm(process: &Process, clock: &Clock, from: Timestamp, until: Timestamp, first: u32) -> HashSet<u32> {
    let tasks: Vec<_> = (0..CONNECTIONS as u32)
        .map(|connection| {
            let (router, clock) = (process.router.clone(), clock.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                let mut number = first + connection * 10_000;
                while clock.now() < until {
                    if send(router.clone(), number, None).await.is_some() {
                        acknowledged.push(number);
                    }
                    number += 1;
                    // A refusal would be ready at once, and the clock stand still for want of a thread.
                    tokio::task::yield_now().await;
                }
                acknowledged
            })
        })
        .collect();
    let mut now = from;
    while now < until {
        now = now.saturating_add(1.millisecond()).unwrap();
        clock.advance_to(now);
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    let mut all = HashSet::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_record_at_midnight_is_under_the_one_key_of_its_day() {
    let midnight: Timestamp = MIDNIGHT.parse().unwrap();
    let machine = Machine::new(midnight.saturating_add(-400.milliseconds()).unwrap());
    let at = |milliseconds: i64| midnight.saturating_add(milliseconds.milliseconds()).unwrap();
    let mut process = machine.start();
    let mut acknowledged = storm(&process, &machine.clock, at(-400), at(50), 0).await;
    let mut rows = process.rows().await;
    process.crash().await;
    let mut process = machine.start();
    acknowledged.extend(storm(&process, &machine.clock, at(50), at(400), 5_000).await);
    let after = process.rows().await;
    rows.events.extend(after.events);
    assert!(rows.tallies.is_empty() && after.tallies.is_empty(), "no key was lost");

    let keys: HashMap<String, [u8; 32]> = key_files(machine.keys.path()).into_iter().collect();
    assert_eq!(keys.len(), 2, "one key a day");
    let days = [(20_779, "jetpay.kz.2026-11-22.key"), (20_780, "jetpay.kz.2026-11-23.key")];
    let expected = |number: u32, material: &[u8; 32]| {
        let mut view = pseudonym(material, "view", &[&view_of(number)]);
        view[8..].fill(0); // Of views, half is kept.
        view
    };
    let found: HashMap<[u8; 16], &EventRow> = rows.events.iter().map(|row| (row.view, row)).collect();
    assert_eq!(found.len(), rows.events.len(), "nothing twice");
    let mut by_day = [0; 2];
    for number in &acknowledged {
        let under: Vec<_> = days
            .iter()
            .enumerate()
            .filter_map(|(index, (day, name))| Some((index, *day, found.get(&expected(*number, &keys[*name]))?)))
            .collect();
        assert_eq!(under.len(), 1, "each record is hashed once, under one key");
        let (index, day, row) = under[0];
        assert_eq!((row.day, row.window_end), (day, 1_795_374_000 + 86_400 * index as u32));
        by_day[index] += 1;
    }
    assert_eq!(acknowledged.len(), rows.events.len());
    assert!(by_day[0] > 100 && by_day[1] > 100, "{by_day:?}");
    println!("{} records before midnight, {} after it, each under one key", by_day[0], by_day[1]);
}

#[tokio::test]
async fn a_visit_ends_with_the_day() {
    let midnight: Timestamp = MIDNIGHT.parse().unwrap();
    let machine = Machine::new(midnight.saturating_add(-90.seconds()).unwrap());
    let mut process = machine.start();
    let cookie = send(process.router.clone(), 1, None).await;
    machine.clock.advance_to(midnight.saturating_add(-1.milliseconds()).unwrap());
    let cookie = send(process.router.clone(), 2, cookie.as_deref()).await;
    machine.clock.advance_to(midnight);
    let cookie = send(process.router.clone(), 3, cookie.as_deref()).await;
    send(process.router.clone(), 4, cookie.as_deref()).await;
    let mut rows = process.rows().await.events;
    rows.sort_by_key(|row| (row.day, row.step));
    let [first, second, third, fourth] = &rows[..] else { panic!("{rows:?}") };
    assert!(first.visitor == second.visitor && first.visit == second.visit && third.visitor == fourth.visitor);
    assert!(second.visitor != third.visitor && second.visit != third.visit && third.visit == fourth.visit);
    assert_eq!(rows.iter().map(|row| row.step).collect::<Vec<_>>(), [1, 2, 1, 2]);
    assert_eq!(rows.iter().map(|row| row.visit_number.as_str()).collect::<Vec<_>>(), ["1", "1", "2", "2"]);
    // A Monday begins at this midnight, and no month.
    assert_eq!((first.first_visit, third.first_visit), ([true; 4], [true, true, false, false]));
    assert!(third.confirmed, "the cookie came back");
}

#[tokio::test]
async fn todays_key_says_nothing_of_yesterday() {
    const BROWSERS: u32 = 500;
    let midnight: Timestamp = MIDNIGHT.parse().unwrap();
    let machine = Machine::new(midnight.saturating_add(-1.hour()).unwrap());
    let mut process = machine.start();
    let mut cookies = Vec::new();
    for number in 0..BROWSERS {
        cookies.push(send(process.router.clone(), number, None).await);
    }
    let yesterday: HashSet<[u8; 16]> = process.rows().await.events.iter().map(|row| row.visitor).collect();
    let material = key_files(machine.keys.path())[0].1;
    let zones = HashMap::from([(Arc::from(SITE), jiff::tz::TimeZone::get("Asia/Almaty").unwrap())]);
    machine.clock.advance_to(midnight.saturating_add(30.minutes()).unwrap());
    for (number, cookie) in cookies.iter().enumerate() {
        send(process.router.clone(), BROWSERS + number as u32, cookie.as_deref()).await;
    }
    assert_eq!(process.keys.sweep(machine.clock.now(), &zones).unwrap().destroyed.len(), 1);
    let today: HashSet<[u8; 16]> = process.rows().await.events.iter().map(|row| row.visitor).collect();

    // The attacker has today's key, every cookie of yesterday, every view id, and all the time there is.
    let keys = key_files(machine.keys.path());
    assert_eq!(keys.len(), 1, "the other is gone");
    let old_ids: Vec<[u8; 16]> =
        cookies.iter().map(|cookie| identity_in(cookie.as_deref().unwrap(), &machine, &process)).collect();
    let guesses = |material: &[u8; 32]| -> HashSet<[u8; 16]> {
        let mut guesses = HashSet::new();
        for (number, old) in old_ids.iter().enumerate() {
            let of_view = pseudonym(material, "identity", &[b"view", SITE.as_bytes(), &view_of(number as u32)]);
            let of_cookie = pseudonym(material, "identity", &[b"cookie", old]);
            guesses.extend([of_view, of_cookie, *old].map(|id| pseudonym(material, "visitor", &[&id])));
        }
        guesses
    };
    let with_todays = guesses(&keys[0].1);
    let recomputed = yesterday.intersection(&with_todays).count();
    let (todays, control) =
        (today.intersection(&with_todays).count(), yesterday.intersection(&guesses(&material)).count());
    println!("recomputed of yesterday {recomputed}, of today {todays}, with yesterday's key {control}, of {BROWSERS}");
    assert_eq!(recomputed, 0);
    // The attack is a real one: today's key opens today, as the closed one would open yesterday.
    assert_eq!([todays, control], [BROWSERS as usize; 2]);
}

/// The identifier in a cookie of the day that ends at [`MIDNIGHT`]. The attacker has the cookies' key, too.
fn identity_in(cookie: &str, machine: &Machine, process: &Process) -> [u8; 16] {
    let (_, value) = cookie.split_once('=').unwrap();
    let day = jiff::civil::date(2026, 11, 22);
    let opened = CookieSeal::new(&Secret::new(machine.cookie_key)).open(SITE, value, day).unwrap();
    let key = process.keys.day_key(&SITE.into(), jiff::civil::date(2026, 11, 23)).unwrap();
    *Browser::known(opened, &key, day).id()
}
