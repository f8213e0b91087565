//! People, their devices, visits and payments: a world of its own, which shares no code with the product.
//!
//! A person lives in a region, behind an address that others share, and comes back after days. What a payment service knows
//! of a payment (its log) and what truly happened are kept apart: attackers get the first, the judge has both.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::collector::Beacon;

/// A stream of numbers (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An index that falls off as 1/(n+1): few are frequent, many are rare.
    pub(crate) fn zipf(&mut self, limit: usize) -> usize {
        let top = ((limit + 1) as f64).ln();
        ((self.unit() * top).exp() - 1.0).floor().min(limit as f64 - 1.0) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [(u32, T)]) -> &'a T {
        let all: u32 = of.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(all as usize) as u32;
        for (weight, value) in of {
            if at < *weight {
                return value;
            }
            at -= weight;
        }
        &of[0].1
    }
}

/// A network of the GeoIP fixture.
#[derive(Clone)]
pub(crate) struct Network {
    base: u32,
    region: String,
}

/// The networks of Kazakhstan in the fixture.
pub(crate) fn networks(csv: &str) -> Vec<(u32, Network)> {
    let network = |line: &str| {
        let mut fields = line.split(',');
        let (prefix, country, region) = (fields.next()?, fields.next()?, fields.next()?);
        let weight = line.rsplit(',').next()?.trim().parse().ok()?;
        let base = prefix.split('/').next()?.parse::<std::net::Ipv4Addr>().ok()?;
        (country == "KZ").then(|| (weight, Network { base: base.into(), region: region.to_owned() }))
    };
    csv.lines().skip(1).filter_map(network).collect()
}

/// What the user agent says; a payment service sees the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Agent {
    pub(crate) browser: &'static str,
    pub(crate) major: u16,
    pub(crate) os: &'static str,
}

impl Agent {
    pub(crate) fn text(&self) -> String {
        let Agent { browser, major, os } = *self;
        let platform = match os {
            "Android" if browser == "Firefox" => "Android 14; Mobile",
            "Windows" => "Windows NT 10.0; Win64; x64",
            "macOS" => "Macintosh; Intel Mac OS X 10_15_7",
            "Android" => "Linux; Android 10; K",
            _ => "iPhone; CPU iPhone OS 18_5 like Mac OS X",
        };
        let mobile = if os == "Android" { " Mobile" } else { "" };
        match browser {
            "Firefox" => format!("Mozilla/5.0 ({platform}; rv:{major}.0) Gecko/20100101 Firefox/{major}.0"),
            "Safari" => format!(
                "Mozilla/5.0 ({platform}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{major}.0 Mobile/15E148 Safari/604.1"
            ),
            _ => {
                let tail = match browser {
                    "Edge" => format!(" Edg/{major}.0.0.0"),
                    "Opera" => format!(" OPR/{major}.0.0.0"),
                    _ => String::new(),
                };
                let major = if browser == "Opera" { major + 16 } else { major };
                format!(
                    "Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0{mobile} Safari/537.36{tail}"
                )
            }
        }
    }
}

/// One browser of one person.
pub(crate) struct Device {
    pub(crate) agent: Agent,
    pub(crate) address: u32,
    pub(crate) region: String,
    pub(crate) refuses: bool,
}

/// What nobody but the telemetry knows of a visit: this is what an attacker wants to have tied to a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Secret {
    pub(crate) source: &'static str,
    pub(crate) landing: String,
    pub(crate) pages: u8,
    pub(crate) out: &'static str,
    /// The page after the first; empty if there was none.
    pub(crate) second: String,
    /// How many days before the browser was there last, as it is published.
    pub(crate) absence: &'static str,
}

/// A visit as it truly was.
pub(crate) struct Visit {
    pub(crate) device: usize,
    /// Each with its time, in milliseconds since the world began, and its path.
    pub(crate) views: Vec<(i64, String)>,
    pub(crate) secret: Secret,
    /// When the payment page was opened, if it was.
    pub(crate) paid: Option<i64>,
}

/// A line of the payment log: what an attacker knows, and of which visit the judge knows it is.
pub(crate) struct Payment {
    pub(crate) second: i64,
    pub(crate) agent: Agent,
    pub(crate) region: String,
    pub(crate) address: u32,
    pub(crate) visit: usize,
}

/// One site for some days.
pub(crate) struct World {
    pub(crate) site: String,
    pub(crate) visits_per_day: usize,
    pub(crate) days: usize,
    pub(crate) devices: Vec<Device>,
    pub(crate) visits: Vec<Visit>,
    pub(crate) payments: Vec<Payment>,
}

pub(crate) const DAY_MS: i64 = 86_400_000;
/// Share of visits that pay.
const PAY: f64 = 0.15;
/// Share of devices whose visitors refuse: the control group, of whom no telemetry is sent.
const REFUSE: f64 = 0.25;
pub(crate) const PATHS: usize = 300;

const SOURCES: [(u32, &str); 7] = [
    (38, ""),
    (30, "google.com"),
    (9, "yandex.kz"),
    (8, "instagram.com"),
    (7, "krisha.kz"),
    (5, "nur.kz"),
    (3, "tengrinews.kz"),
];
const OUT: [(u32, &str); 5] = [(80, ""), (8, "kaspi.kz"), (6, "egov.kz"), (4, "halykbank.kz"), (2, "2gis.kz")];

impl World {
    pub(crate) fn new(
        seed: u64,
        site: String,
        visits_per_day: usize,
        days: usize,
        networks: &[(u32, Network)],
    ) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ visits_per_day as u64);
        // About one visit in three days each, on one or two devices.
        let people = visits_per_day * 3;
        let mut devices = Vec::new();
        let mut of_person = Vec::new();
        for _ in 0..people {
            let network = dice.pick(networks).clone();
            // An operator's gateway: a handful of addresses for all of a /22.
            let address = network.base + 1 + 256 * (dice.below(4) as u32) + dice.below(12) as u32;
            let count = if dice.chance(0.3) { 2 } else { 1 };
            of_person.push((devices.len(), count));
            for number in 0..count {
                let agent = agent(&mut dice, number == 0);
                let refuses = dice.chance(REFUSE);
                devices.push(Device { agent, address, region: network.region.clone(), refuses });
            }
        }
        let (mut visits, mut payments) = (Vec::new(), Vec::new());
        let skew = dice.below(2000) as i64 - 1000;
        for day in 0..days {
            for _ in 0..visits_per_day {
                let (first, count) = of_person[dice.below(people)];
                let device = first + dice.below(count);
                // Evenings are busier: the larger of two draws, within the day.
                let at = dice.below(DAY_MS as usize - 3_600_000).max(dice.below(DAY_MS as usize - 3_600_000)) as i64;
                let at = day as i64 * DAY_MS + at;
                let visit = visit(&mut dice, device, at);
                if let Some(paid) = visit.paid {
                    let Device { agent, region, address, .. } = &devices[device];
                    let jitter = dice.below(3000) as i64 - 1500;
                    let second = (paid + skew + jitter).div_euclid(1000);
                    let payment = Payment {
                        second,
                        agent: *agent,
                        region: region.clone(),
                        address: *address,
                        visit: visits.len(),
                    };
                    payments.push(payment);
                }
                visits.push(visit);
            }
        }
        absences(&mut visits, devices.len());
        Self { site, visits_per_day, days, devices, visits, payments }
    }
}

impl World {
    /// What is sent, of the world of this number.
    pub(crate) fn beacons(&self, number: usize) -> Vec<Beacon> {
        let mut out = Vec::new();
        for (visit, truth) in self.visits.iter().enumerate() {
            let device = &self.devices[truth.device];
            let last = truth.views.len() - 1;
            for (at, (when, path)) in truth.views.iter().enumerate() {
                let referrer = if at == 0 { truth.secret.source } else { self.site.as_str() };
                let leaves = (at == last && !truth.secret.out.is_empty()).then_some(truth.secret.out);
                out.push(Beacon {
                    at: *when,
                    browser: ((number as u64) << 40) | truth.device as u64,
                    site: self.site.clone(),
                    address: device.address,
                    agent: device.agent.text(),
                    body: beacon(&self.site, view_number(number, visit, at), path, referrer, leaves),
                    refuses: device.refuses,
                });
            }
        }
        out.sort_by_key(|beacon| beacon.at);
        out
    }
}

/// Visits come day by day.
fn absences(visits: &mut [Visit], devices: usize) {
    let mut last: Vec<Option<(i64, &'static str)>> = vec![None; devices];
    for visit in visits {
        let day = visit.views[0].0 / DAY_MS;
        let absence = match last[visit.device] {
            None => "never",
            Some((before, absence)) if before == day => absence,
            Some((before, _)) => match day - before {
                1 => "1",
                2..=3 => "2-3",
                4..=7 => "4-7",
                _ => "8-14",
            },
        };
        last[visit.device] = Some((day, absence));
        visit.secret.absence = absence;
    }
}

fn agent(dice: &mut Dice, phone: bool) -> Agent {
    let os =
        if phone { *dice.pick(&[(70, "Android"), (30, "iOS")]) } else { *dice.pick(&[(85, "Windows"), (15, "macOS")]) };
    let browser = match os {
        "iOS" => "Safari",
        "Android" => *dice.pick(&[(88, "Chrome"), (7, "Opera"), (5, "Firefox")]),
        _ => *dice.pick(&[(70, "Chrome"), (18, "Edge"), (8, "Firefox"), (4, "Opera")]),
    };
    let newest = match browser {
        "Safari" => 26,
        "Opera" => 134,
        _ => 150,
    };
    Agent { browser, major: newest - dice.zipf(6) as u16, os }
}

fn visit(dice: &mut Dice, device: usize, at: i64) -> Visit {
    let source = *dice.pick(&SOURCES);
    let landing = path(dice.zipf(PATHS));
    let pays = dice.chance(PAY);
    let more = dice.zipf(4);
    let mut views = vec![(at, landing.clone())];
    let mut now = at;
    for _ in 0..more {
        now += 5_000 + dice.below(60_000) as i64;
        views.push((now, path(dice.zipf(PATHS))));
    }
    let mut paid = None;
    if pays {
        now += 10_000 + dice.below(90_000) as i64;
        views.push((now, format!("/pay/{}", 100_000 + dice.below(900_000))));
        paid = Some(now);
    }
    let out = *dice.pick(&OUT);
    let second = views.get(1).map_or("", |(_, path)| if path.starts_with("/pay/") { "/pay/:order" } else { path });
    let (second, pages) = (second.to_owned(), views.len() as u8);
    Visit { device, secret: Secret { source, landing, pages, out, second, absence: "never" }, views, paid }
}

pub(crate) fn path(number: usize) -> String {
    format!("/docs/p{number}")
}

/// The number of a view, for its identifier: of a world, a visit in it, and a view of that.
pub(crate) fn view_number(world: usize, visit: usize, view: usize) -> u64 {
    ((world as u64) << 48) ^ ((visit as u64) << 8) ^ view as u64
}

/// The identifier of a view: sixteen random bytes, as the snippet makes them.
pub(crate) fn view_id(view: u64) -> [u8; 16] {
    let mut dice = Dice(view);
    std::array::from_fn(|_| dice.below(256) as u8)
}

/// The beacon of a view; the first of a visit says where it came from.
pub(crate) fn beacon(site: &str, view: u64, path: &str, referrer: &str, out: Option<&str>) -> String {
    let id = URL_SAFE_NO_PAD.encode(view_id(view));
    let referrer = if referrer.is_empty() { String::new() } else { format!(r#","referrer":"https://{referrer}/""#) };
    let mut events = format!(r#"{{"type":"view","at":0,"url":"https://{site}{path}"{referrer}}}"#);
    if let Some(out) = out {
        let _ = write!(events, r#",{{"type":"exit","at":2000,"url":"https://{out}/x"}}"#);
    }
    format!(r#"{{"v":1,"site":"{site}","view":"{id}","seq":0,"events":[{events}]}}"#)
}
