//! The stages of the journey in one process: nanoseconds of each, and the instructions that `scripts/instructions`
//! counts.
//!
//! `cargo run --release --example stages` prints times. With `--count` each stage is run [`COUNTED`] times and nothing is
//! printed. Under callgrind the functions `stage_…` then show the cost of one run, which other programs on the machine do not
//! change. Caches are warm, because every stage has run once before.
#![allow(missing_docs, clippy::print_stdout, reason = "a program that measures and prints")]

#[path = "../corpus.rs"]
mod corpus;

use std::hint::black_box;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use tamga::collect::client_address::TrustedProxies;
use tamga::collect::stages;
use tamga::config::Config;
use tamga::decode::beacon::parse;
use tamga::enrich::{self, GeoIp, Lookups};
use tamga::event::Sender;
use tamga::pipeline::{self, Presented, Processed, SiteStages};
use tamga::privacy::cookie::{Browser, advance};
use tamga::privacy::pseudonym::DayKey;
use tamga::privacy::seal::CookieSeal;
use tamga::record;
use tamga::secret::{Personal, Secret};
use tamga::spool::{Encoder, Frame, Keys, StreamKey};

/// Runs of each stage under callgrind.
const COUNTED: u64 = 200;
/// Different beacons.
const BEACONS: u64 = 512;

/// What each stage gets without making it.
static COOKIES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..corpus::VISITORS).map(|visitor| corpus::cookie(visitor, corpus::SITE)).collect());

fn cookie(number: u64) -> &'static str {
    &COOKIES[(number % corpus::VISITORS) as usize]
}

struct World {
    bodies: [Vec<String>; 3],
    site: SiteStages,
    lookups: Lookups,
    key: DayKey,
    seal: CookieSeal,
    proxies: TrustedProxies,
    headers: http::HeaderMap,
    now: jiff::Timestamp,
    /// A cookie of a visit that runs.
    running: String,
    encoder: Encoder,
    /// The rows of beacons with one event, at the begin of a visit and within one.
    frames: [Vec<Vec<Frame>>; 2],
    /// How many bytes of the block that these frames make are encrypted.
    encrypted: [Vec<usize>; 2],
}

fn world() -> World {
    let config = Config::parse(&corpus::config(1), Path::new("tamga.toml"), std::iter::empty()).expect("it is sound");
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo").join(name);
    let geo = GeoIp::open(&[fixture("city-ipv4.mmdb"), fixture("city-ipv6.mmdb")], &[fixture("asn.mmdb")]);
    let mut headers = http::HeaderMap::new();
    headers.append("x-forwarded-for", http::HeaderValue::from_static("203.0.113.7, 198.18.0.1"));
    let world = World {
        bodies: [1, 5, 20]
            .map(|events| (0..BEACONS).map(|number| corpus::body(number, events, corpus::SITE, 0)).collect()),
        site: stages(&config.sites[0]),
        lookups: Lookups::new(geo.expect("fixtures")),
        key: DayKey::new(Secret::new([7; 32])),
        seal: CookieSeal::new(&Secret::new(corpus::COOKIE_KEY)),
        proxies: TrustedProxies::new(&config.server.trusted_proxies, &config.server.client_address_header),
        headers,
        now: jiff::Timestamp::from_second(1_795_327_200).expect("in range"),
        running: String::new(),
        encoder: Encoder::new(&Keys::new(Secret::new([7; 32]), []), [7; 16]).0,
        frames: Default::default(),
        encrypted: Default::default(),
    };
    let world = World { running: world.running(), ..world };
    let frames = |within: bool| (0..BEACONS).map(|number| world.frames(number, within)).collect();
    let world = World { frames: [false, true].map(frames), ..world };
    let encrypted = |within: bool| (0..BEACONS).map(|number| world.encrypted(number, within)).collect();
    World { encrypted: [false, true].map(encrypted), ..world }
}

impl World {
    fn sender(&self, number: u64) -> Sender {
        let personal = |text: &str| Personal::new(text.to_owned());
        Sender {
            arrived_at: self.now,
            address: Personal::new(corpus::address(number).into()),
            user_agent: personal(corpus::agent(number)),
            brands: personal(""),
            platform: personal(""),
            mobile: false,
            has_language: true,
            has_fetch_metadata: true,
        }
    }

    fn body(&self, size: usize, number: u64) -> &[u8] {
        self.bodies[size][(number % BEACONS) as usize].as_bytes()
    }

    /// The cookie of a visit that runs, after two views.
    fn running(&self) -> String {
        let (site, now) = (&self.site.rules.site, self.site.rules.time(self.now).local);
        let mut browser = Browser::new([1; 16]);
        for views in [1, 1] {
            let (_, mut next) = advance(browser, now, views);
            next.mark_counted();
            browser = Browser::known(next, &self.key, now.day);
        }
        let (_, mut next) = advance(browser, now, 0);
        next.mark_counted();
        self.seal.seal(site, &next)
    }

    fn process(&self, size: usize, number: u64, cookie: &str) -> Option<Processed> {
        let beacon = pipeline::objection(parse(self.body(size, number)).expect("a beacon")).ok()?;
        let today = self.site.rules.time(self.now).local.day;
        let cookie = self.seal.open(&self.site.rules.site, cookie, today);
        let sender = self.sender(number);
        let browser = cookie.map_or(Browser::new([1; 16]), |cookie| Browser::known(cookie, &self.key, today));
        let presented = Presented::Cookie(browser);
        Some(pipeline::process(
            beacon,
            &sender,
            presented,
            &self.site,
            self.site.rules.time(self.now),
            &self.key,
            &self.lookups,
        ))
    }

    /// Bytes to rows, as they go to the spool.
    fn journey(&self, size: usize, number: u64, cookie: &str) -> usize {
        let Some(processed) = self.process(size, number, cookie) else { return 0 };
        let sealed = processed.cookie.as_ref().map_or(0, |next| self.seal.seal(&self.site.rules.site, next).len());
        let mut bytes = sealed;
        record::rows(&processed.kept, |_, row| bytes += row.len());
        bytes
    }

    fn frames(&self, number: u64, within: bool) -> Vec<Frame> {
        let cookie = if within { &self.running } else { cookie(number) };
        let Some(processed) = self.process(0, number, cookie) else { return Vec::new() };
        let key = |label: &str| StreamKey::new(label).expect("it is short");
        let frames = record::by_stream(&processed.kept, |of| Frame::new(key(&of.stream().label())), Frame::push);
        frames.into_iter().map(|(_, frame)| frame).collect()
    }

    /// The bytes of the block between the names of its streams and the tag.
    fn encrypted(&self, number: u64, within: bool) -> usize {
        let frames = &self.frames[usize::from(within)][(number % BEACONS) as usize];
        let names: usize = frames.iter().map(|frame| 1 + frame.stream().as_str().len()).sum();
        self.commit(number, within) - Encoder::READABLE - names
    }

    /// The cipher's part of that: as many bytes of the beacon's block.
    fn encrypt(&self, number: u64, within: bool) -> u8 {
        let mut bytes = [0; 1024];
        let length = self.encrypted[usize::from(within)][(number % BEACONS) as usize];
        self.encoder.encrypt(number, &mut bytes[..length])[0]
    }

    /// Rows to the bytes of a segment.
    fn commit(&self, number: u64, within: bool) -> usize {
        let (mut out, frames) = (Vec::with_capacity(4096), &self.frames[usize::from(within)]);
        self.encoder.commit(&frames[(number % BEACONS) as usize], number, 0, &mut out);
        out.len()
    }
}

#[inline(never)]
fn stage_decode_5(world: &World, number: u64) -> usize {
    parse(world.body(1, number)).map_or(0, |addressed| addressed.beacon.events.len())
}

#[inline(never)]
fn stage_enrich_5(world: &World, number: u64) -> usize {
    let addressed = parse(world.body(1, number)).expect("a beacon");
    enrich::beacon(addressed.beacon, &world.sender(number), &world.lookups, &world.site.enrich).beacon.events.len()
}

#[inline(never)]
fn stage_address(world: &World, _: u64) -> usize {
    world.proxies.client([127, 0, 0, 1].into(), &world.headers).expose().is_ipv4().into()
}

#[inline(never)]
fn stage_cookie(world: &World, number: u64) -> usize {
    let today = world.site.rules.time(world.now).local.day;
    usize::from(world.seal.open(&world.site.rules.site, cookie(number), today).is_some())
}

#[inline(never)]
fn stage_journey_1(world: &World, number: u64) -> usize {
    world.journey(0, number, cookie(number))
}

#[inline(never)]
fn stage_journey_5(world: &World, number: u64) -> usize {
    world.journey(1, number, cookie(number))
}

#[inline(never)]
fn stage_journey_20(world: &World, number: u64) -> usize {
    world.journey(2, number, cookie(number))
}

/// A view within a visit: the rows that a visit has once were made before.
#[inline(never)]
fn stage_within_visit_1(world: &World, number: u64) -> usize {
    world.journey(0, number, &world.running)
}

#[inline(never)]
fn stage_commit_1(world: &World, number: u64) -> usize {
    world.commit(number, false)
}

#[inline(never)]
fn stage_commit_within_visit_1(world: &World, number: u64) -> usize {
    world.commit(number, true)
}

#[inline(never)]
fn stage_encrypt_1(world: &World, number: u64) -> usize {
    world.encrypt(number, false).into()
}

#[inline(never)]
fn stage_encrypt_within_visit_1(world: &World, number: u64) -> usize {
    world.encrypt(number, true).into()
}

type Stage = (&'static str, u64, fn(&World, u64) -> usize);

const STAGES: [Stage; 12] = [
    ("client address", 1, stage_address),
    ("cookie, opened", 1, stage_cookie),
    ("decode, 5 events", 5, stage_decode_5),
    ("decode and enrich, 5 events", 5, stage_enrich_5),
    ("bytes to rows, 1 event", 1, stage_journey_1),
    ("the same within a visit", 1, stage_within_visit_1),
    ("rows to the spool, 1 event", 1, stage_commit_1),
    ("the same within a visit", 1, stage_commit_within_visit_1),
    ("of that the cipher, 1 event", 1, stage_encrypt_1),
    ("the same within a visit", 1, stage_encrypt_within_visit_1),
    ("bytes to rows, 5 events", 5, stage_journey_5),
    ("bytes to rows, 20 events", 20, stage_journey_20),
];

fn main() {
    let world = world();
    (0..BEACONS).for_each(|number| _ = black_box(world.journey(2, number, cookie(number))));
    if std::env::args().any(|argument| argument == "--count") {
        for (_, _, stage) in STAGES {
            (0..COUNTED).for_each(|number| _ = black_box(stage(&world, number)));
        }
        return;
    }
    let runs = 40_000;
    println!("{:<28} {:>10} {:>14}", "stage", "ns", "ns per event");
    for (name, events, stage) in STAGES {
        // The best of five: a disturbance only makes a run slower.
        let best = (0..5)
            .map(|_| {
                let since = Instant::now();
                (0..runs).for_each(|number| _ = black_box(stage(&world, number)));
                since.elapsed().as_nanos() / u128::from(runs)
            })
            .min()
            .unwrap_or(0);
        println!("{name:<28} {best:>10} {:>14}", best / u128::from(events));
    }
}
