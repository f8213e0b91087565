//! The demo's world: who visits the shop when, as a list of timed beacons. Pure: the same settings give the same list.
//!
//! A day has a rhythm, and browsers come back on the same day and on the next. Some of the first day's visitors were here before
//! the world begins, if it says so. Beacons are as the snippet sends them:
//! the view at once, engaged time at the snippet's intervals and when the page is left. The wire version is one. The
//! world has no visits in several tabs at once, no single-page applications, and no browsers that lose their cookies.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::beacon::{Beacon, Event};
use crate::browser::{Browser, DECLARED_BOTS, Kind};
use crate::places::Network;
use crate::random::Random;
use crate::returning::RETURNING;
use crate::site::{NOTE, SITE, VARIANTS, shop_host};
use crate::walk::{self, Stay};

/// What the world depends on.
pub(crate) struct Settings {
    /// Another seed, another world.
    pub(crate) seed: u64,
    /// When it begins; a site-local midnight.
    pub(crate) start: Timestamp,
    /// When it ends; nothing happens at or after it.
    pub(crate) end: Timestamp,
    /// The shop's time zone, which its rhythm follows.
    pub(crate) time_zone: TimeZone,
    /// Visitors in a whole day.
    pub(crate) visitors_per_day: u32,
    /// There were days before the first one.
    pub(crate) has_past: bool,
    /// The port of shop and collector, which stands in the pages' addresses.
    pub(crate) port: u16,
}

/// Who visits, and what they send.
pub(crate) struct World {
    /// Browsers and programs; steps name them by index.
    pub(crate) browsers: Vec<Browser>,
    /// The beacons in the order of time; those of one browser have distinct times.
    pub(crate) steps: Vec<Step>,
    pub(crate) end: Timestamp,
}

/// One beacon.
pub(crate) struct Step {
    /// When it is sent.
    pub(crate) at: Timestamp,
    /// Index of the sender.
    pub(crate) browser: usize,
    /// Where the sender is at the time.
    pub(crate) address: IpAddr,
    /// How many events it holds; a device part is one.
    pub(crate) events: u32,
    pub(crate) body: String,
}

/// Visits by the hour of the day: few at night, most in the evening.
const RHYTHM: [(u32, u32); 24] = {
    let weights = [14, 8, 5, 3, 3, 5, 10, 20, 32, 42, 48, 52, 56, 54, 52, 51, 53, 58, 66, 78, 90, 92, 70, 36];
    let mut hours = [(0, 0); 24];
    let mut hour = 0;
    while hour < 24 {
        hours[hour] = (hour as u32, weights[hour]);
        hour += 1;
    }
    hours
};

/// Engaged seconds at which the snippet reports before the page is left; the last value repeats.
const BEATS_S: [f64; 5] = [10.0, 30.0, 60.0, 120.0, 300.0];
/// The share of visits whose device answers: fewer than in life, where a day is longer than a minute. Each answer is
/// thirty rows that go thirty ways.
const DEVICES: f64 = 0.2;
/// Milliseconds between two visits of a browser: longer than the idle time that ends a session.
const BETWEEN_VISITS_MS: i64 = 35 * 60_000;

impl World {
    /// Computes the world.
    ///
    /// # Panics
    /// When there is no network: [`crate::places::parse`] refuses such a list.
    pub(crate) fn new(settings: &Settings, networks: &[Network]) -> Self {
        let mut builder = Builder {
            settings,
            shop: format!("http://{}", shop_host(settings.port)),
            networks,
            random: Random::new(settings.seed),
            browsers: Vec::new(),
            steps: Vec::new(),
            known: Vec::new(),
        };
        let mut midnight = settings.start.to_zoned(settings.time_zone.clone());
        while midnight.timestamp() < settings.end {
            builder.day(midnight.timestamp().as_millisecond());
            midnight = midnight.saturating_add(jiff::Span::new().days(1));
        }
        let Builder { browsers, mut steps, .. } = builder;
        steps.retain(|step| step.at < settings.end);
        steps.sort_by_key(|step| (step.at, step.browser));
        Self { browsers, steps, end: settings.end }
    }
}

/// The world while it is drawn.
struct Builder<'a> {
    settings: &'a Settings,
    /// The origin of the shop's pages.
    shop: String,
    networks: &'a [Network],
    random: Random,
    browsers: Vec<Browser>,
    steps: Vec<Step>,
    /// People of earlier days and when each was last seen, who may come back.
    known: Vec<(usize, i64)>,
}

impl Builder<'_> {
    fn day(&mut self, midnight_ms: i64) {
        let mut seen = Vec::new();
        for _ in 0..self.settings.visitors_per_day {
            let returns = self.random.chance(RETURNING);
            let (browser, last_ms) = if returns && !self.known.is_empty() {
                let index = self.random.below(self.known.len() as u64) as usize;
                self.known.swap_remove(index)
            } else {
                (self.person(returns && self.settings.has_past), i64::MIN)
            };
            let returns = last_ms > i64::MIN || self.browsers[browser].was_here;
            seen.push((browser, self.visits(browser, returns, last_ms, midnight_ms)));
        }
        self.known.extend(seen);
        self.programs(midnight_ms);
    }

    /// `was_here`: before the first day. Who objects then is not seen again.
    fn person(&mut self, was_here: bool) -> usize {
        let kind = match self.random.below(1000) {
            0..6 => Kind::Objector,
            6..26 => Kind::CountOnly,
            _ => Kind::Person,
        };
        let home = self.random.weighted(self.networks, |network| network.weight);
        let away = self.random.weighted(self.networks, |network| network.weight);
        let addresses = [home.address(&mut self.random), away.address(&mut self.random)];
        let browser = Browser::of_person(kind, addresses, home.country == "KZ", &mut self.random);
        self.browsers.push(Browser { was_here: was_here && kind == Kind::Person, ..browser });
        self.browsers.len() - 1
    }

    /// A browser's visits of one day; returns when the last one ended.
    fn visits(&mut self, browser: usize, returning: bool, last_ms: i64, midnight_ms: i64) -> i64 {
        let count = self.random.weighted(&[(1, 78), (2, 16), (3, 6)], |(_, weight)| *weight).0;
        let mut starts: Vec<_> = (0..count).map(|_| self.moment(midnight_ms)).collect();
        starts.sort_unstable();
        let mut free_ms = last_ms.saturating_add(BETWEEN_VISITS_MS);
        let mut ended_ms = last_ms;
        for (index, start) in starts.into_iter().enumerate() {
            if start < free_ms {
                continue;
            }
            ended_ms = self.visit(browser, returning || index > 0, start);
            free_ms = ended_ms + BETWEEN_VISITS_MS;
        }
        ended_ms
    }

    fn moment(&mut self, midnight_ms: i64) -> i64 {
        let hour = self.random.weighted(&RHYTHM, |(_, weight)| *weight).0;
        midnight_ms + i64::from(hour) * 3_600_000 + self.random.below(3_600_000) as i64
    }

    /// One visit; returns when it ended.
    fn visit(&mut self, browser: usize, returning: bool, start_ms: i64) -> i64 {
        let source = walk::source(returning, &mut self.random);
        let mut stays = walk::walk(source, &mut self.random);
        // The note in the cart helps a little.
        let buys = stays.iter().any(|stay| stay.event == "order-paid");
        let variant = VARIANTS[usize::from(self.random.chance(if buys { 0.6 } else { 0.48 }))];
        let objector = self.browsers[browser].kind == Kind::Objector;
        if objector && returning {
            // The snippet stops at the first answer, which reports the objection.
            stays.truncate(1);
        }
        let address = self.browsers[browser].addresses[usize::from(self.random.chance(0.25))];
        let mut referrer = source.referrer.to_owned();
        let mut at_ms = start_ms;
        for (index, stay) in stays.iter().enumerate() {
            let page = format!("{}{}", self.shop, stay.path);
            let query =
                if index == 0 && !source.query.is_empty() { format!("?{}", source.query) } else { String::new() };
            let objects = objector && !returning && index + 1 == stays.len();
            let mut view = View { browser, address, start_ms: at_ms, id: self.id(), seq: 0 };
            self.send(
                &mut view,
                0,
                &[Event::View { at: 0, url: format!("{page}{query}"), referrer: referrer.clone() }],
            );
            if !(objector && returning) {
                if index == 0 {
                    self.device(&mut view, (stay.seconds * 1000.0) as u32);
                }
                self.stay(&mut view, stay, variant, objects);
            }
            at_ms += (stay.seconds * 1000.0) as i64 + 300 + self.random.below(1_200) as i64;
            referrer = page;
        }
        at_ms
    }

    /// The device part, which the answer to a visit's first view asks for, once the page has nothing better to do.
    /// A visitor who has left by then does not send it, nor does a browser that blocks scripts of other hosts.
    fn device(&mut self, view: &mut View, longest_ms: u32) {
        let after_ms = 700 + self.random.below(900) as u32;
        let browser = &self.browsers[view.browser];
        if browser.sends_device_part() && after_ms < longest_ms && self.random.chance(DEVICES) {
            let device = browser.machine.clone();
            self.send_with(view, after_ms, &[], Some(&device));
        }
    }

    /// What a page sends after its view: engaged time at the beats, and what happened at its end. `variant` is that of the cart.
    fn stay(&mut self, view: &mut View, stay: &Stay, variant: &'static str, objects: bool) {
        // A tab is not always in front: phones are looked at nearly all the time, others less.
        let attention = 0.55 + 0.45 * self.random.unit();
        let longest_ms = (stay.seconds * 1000.0) as u32;
        let mut beat = 0;
        if stay.path == "/cart" {
            self.send(view, 1, &[Event::Named { at: 1, name: NOTE, variant }]);
        }
        if stay.path.starts_with("/catalog") && longest_ms > 3_000 && self.random.chance(0.12) {
            let query = self.random.weighted(walk::SEARCHES, |(_, weight)| *weight).0;
            self.send(view, 2_500, &[Event::Search { at: 2_500, query }]);
        }
        if longest_ms > 3_000 && self.random.chance(0.02) {
            let message = self.random.weighted(walk::ERRORS, |(_, weight)| *weight).0;
            // Of one mistake each visitor has a message of its own: with an order, an address, a time.
            let message = message.replace("{}", &self.random.below(1_000_000).to_string());
            self.send(view, 2_700, &[Event::Error { at: 2_700, message }]);
        }
        while let Some(engaged_s) = beat_s(beat) {
            let at = (engaged_s / attention * 1000.0) as u32;
            if at >= longest_ms {
                break;
            }
            self.send(view, at, &[Event::Engage { at, engaged_ms: (engaged_s * 1000.0) as u32 }]);
            beat += 1;
        }
        let mut events = Vec::new();
        if !stay.event.is_empty() {
            events.push(Event::Named { at: longest_ms, name: stay.event, variant: "" });
        }
        if !stay.leaves_to.is_empty() {
            events.push(Event::Exit { at: longest_ms, url: stay.leaves_to });
        }
        if objects {
            events.push(Event::Object { at: longest_ms });
        } else if !self.random.chance(0.06) {
            // Some browsers end without a word.
            let engaged_ms = (f64::from(longest_ms) * attention) as u32;
            events.push(Event::Engage { at: longest_ms, engaged_ms });
        }
        if !events.is_empty() {
            self.send(view, longest_ms, &events);
        }
    }

    fn programs(&mut self, midnight_ms: i64) {
        for (user_agent, views) in DECLARED_BOTS {
            let address = self.address();
            self.browsers.push(Browser::of_declared_bot(user_agent, address));
            for turn in 0..*views {
                let at_ms =
                    midnight_ms + i64::from(turn) * 86_400_000 / i64::from(*views) + self.random.below(30_000) as i64;
                self.program_view(at_ms);
            }
        }
        // Twenty automated browsers. Each loads some pages quickly, at one time of the day or the night.
        for _ in 0..self.settings.visitors_per_day / 250 {
            let address = self.address();
            self.browsers.push(Browser::of_suspect(address, &mut self.random));
            let mut at_ms = midnight_ms + self.random.below(85_000_000) as i64;
            for _ in 0..8 + self.random.below(16) {
                self.program_view(at_ms);
                at_ms += 400 + self.random.below(2_000) as i64;
            }
        }
    }

    /// A page view of the program that was added last. An automated browser also sends the device part.
    fn program_view(&mut self, at_ms: i64) {
        let browser = self.browsers.len() - 1;
        let paths: Vec<_> = walk::paths().filter(|path| *path != walk::PAYMENT).collect();
        let url = format!("{}{}", self.shop, self.random.pick(&paths));
        let address = self.browsers[browser].addresses[0];
        let mut view = View { browser, address, start_ms: at_ms, id: self.id(), seq: 0 };
        self.send(&mut view, 0, &[Event::View { at: 0, url, referrer: String::new() }]);
        if self.browsers[browser].kind == Kind::Suspect && self.random.chance(0.2) {
            let device = self.browsers[browser].machine.clone();
            self.send_with(&mut view, 300, &[], Some(&device));
        }
    }

    fn address(&mut self) -> IpAddr {
        self.random.weighted(self.networks, |network| network.weight).address(&mut self.random)
    }

    fn id(&mut self) -> String {
        URL_SAFE_NO_PAD.encode(self.random.bytes())
    }

    fn send(&mut self, view: &mut View, after_ms: u32, events: &[Event]) {
        self.send_with(view, after_ms, events, None);
    }

    fn send_with(&mut self, view: &mut View, after_ms: u32, events: &[Event], device: Option<&serde_json::Value>) {
        let beacon = Beacon { v: 1, site: SITE, view: &view.id, seq: view.seq, events, device };
        self.steps.push(Step {
            at: Timestamp::from_millisecond(view.start_ms + i64::from(after_ms)).expect("within the world's days"),
            browser: view.browser,
            address: view.address,
            events: events.len() as u32 + u32::from(device.is_some()),
            body: serde_json::to_string(&beacon).expect("strings and numbers are always JSON"),
        });
        view.seq += 1;
    }
}

/// The engaged seconds of a beat.
fn beat_s(index: usize) -> Option<f64> {
    let last = BEATS_S.len() - 1;
    BEATS_S.get(index).copied().or_else(|| Some(BEATS_S[last] * (index - last + 1) as f64)).filter(|s| *s <= 1_500.0)
}

/// A page view under way.
struct View {
    browser: usize,
    address: IpAddr,
    start_ms: i64,
    id: String,
    seq: u16,
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
