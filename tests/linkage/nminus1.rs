//! The sender of fake visitors: n of its own open a page that hardly anybody knows, and the published page tells whether one
//! more did. Half of the pages are opened by one more person; the attacker does not know which.

use std::collections::HashMap;

use crate::collector::{Beacon, Collector};
use crate::judge::Rate;
use crate::world::{Agent, Dice, beacon};

/// Sites, each with thresholds and rounding of its own: what one window would tell by luck, others do not.
const SITES: usize = 12;
/// Pages of each kind of attack on a site. On the first the sender plays the one more visitor too, to learn how the window
/// rounds; the others are in earnest.
const PAGES: usize = 12;
const OWN_PAGES: usize = 4;

/// How many fakes, and on how many networks.
pub(crate) const KINDS: [(usize, usize); 6] = [(9, 1), (22, 1), (9, 9), (13, 13), (20, 20), (22, 22)];

pub(crate) struct Trap {
    /// Of each site, kind and page, whether one more was there.
    truth: Vec<(usize, usize, usize, bool)>,
}

/// What came out for one kind of attack: the advantage and half of its interval.
pub(crate) struct Told {
    pub(crate) fakes: usize,
    pub(crate) networks: usize,
    pub(crate) advantage: (f64, f64),
}

fn site(number: usize) -> String {
    format!("trap{number}.kz")
}

impl Trap {
    pub(crate) fn new() -> Self {
        let mut dice = Dice(0x7472_6170);
        let mut truth = Vec::new();
        for site in 0..SITES {
            for kind in 0..KINDS.len() {
                for page in 0..PAGES {
                    let is_there = if page < OWN_PAGES { page % 2 == 0 } else { dice.chance(0.5) };
                    truth.push((site, kind, page, is_there));
                }
            }
        }
        Self { truth }
    }

    pub(crate) fn sites() -> Vec<String> {
        (0..SITES).map(site).collect()
    }

    /// Fakes are confirmed first: each shows its cookie once before it goes to work.
    pub(crate) fn beacons(&self) -> Vec<Beacon> {
        let agent = Agent { browser: "Chrome", major: 150, os: "Windows" }.text();
        let mut out = Vec::new();
        let mut view = 1u64 << 60;
        let mut send = |at: i64, of: usize, browser: usize, address: u32, path: String| {
            view += 1;
            let (site, agent) = (site(of), agent.clone());
            let body = beacon(&site, view, &path, "", None);
            let browser = (1 << 62) | ((of as u64) << 32) | browser as u64;
            out.push(Beacon { at, browser, site, address, agent, body, refuses: false });
        };
        // 198.18.0.0/22 and its neighbours are in the fixture; every /24 is a network.
        let network = |number: usize| 0xc612_0001 + 256 * number as u32;
        for of in 0..SITES {
            for (kind, (fakes, networks)) in KINDS.into_iter().enumerate() {
                for fake in 0..fakes {
                    let (browser, address) = (kind * 100 + fake, network(fake % networks));
                    for ten in [0, 1] {
                        send(ten * 600_000, of, browser, address, "/".to_owned());
                    }
                    for page in 0..PAGES {
                        send((2 + page as i64) * 600_000, of, browser, address, format!("/trap/{kind}-{page}"));
                    }
                }
            }
        }
        for (number, (of, kind, page, _)) in self.truth.iter().enumerate().filter(|(_, (.., is_there))| *is_there) {
            let (browser, address) = (10_000 + number, network(40 + number % 60));
            for ten in [20, 21] {
                send(ten * 600_000, *of, browser, address, "/".to_owned());
            }
            send(22 * 600_000, *of, browser, address, format!("/trap/{kind}-{page}"));
        }
        out
    }

    pub(crate) async fn judge(&self, collector: &Collector) -> anyhow::Result<Vec<Told>> {
        #[derive(serde::Deserialize)]
        struct Row {
            site: String,
            path: String,
            views: f64,
            visitors: Option<f64>,
        }
        let sql = "SELECT site, path, toFloat64(views) AS views, toFloat64(visitors) AS visitors FROM pages \
                   WHERE startsWith(site, 'trap')";
        let rows: Vec<Row> = collector.analyst(sql).await?;
        let shown: HashMap<_, _> = rows.iter().map(|row| ((row.site.clone(), row.path.clone()), row)).collect();
        // What can be seen of a page: nothing, or its two numbers.
        let look = |of: usize, kind: usize, page: usize| {
            let row = shown.get(&(site(of), format!("/trap/{kind}-{page}")))?;
            Some((row.views as i64, row.visitors.map(|visitors| visitors as i64)))
        };
        let mut told = Vec::new();
        for (kind, (fakes, networks)) in KINDS.into_iter().enumerate() {
            let (mut yes, mut no) = (Rate::default(), Rate::default());
            for (of, _, page, is_there) in
                self.truth.iter().filter(|(_, of, page, _)| *of == kind && *page >= OWN_PAGES)
            {
                let seen = look(*of, kind, *page);
                let own = |with: bool| {
                    (0..OWN_PAGES).filter(move |page| (page % 2 == 0) == with).map(|page| look(*of, kind, page))
                };
                // Numbers that the sender has seen with one more and not without, or the other way round, decide; else it is
                // whether the page shows at all.
                let guess = match (own(true).any(|own| own == seen), own(false).any(|own| own == seen)) {
                    (true, false) => true,
                    (false, true) => false,
                    _ => seen.is_some(),
                };
                let rate = if *is_there { &mut yes } else { &mut no };
                *rate = rate.and(Rate::of([guess]));
            }
            let variance = |rate: Rate| rate.share() * (1.0 - rate.share()) / rate.of.max(1.0);
            let half = 1.96 * (variance(yes) + variance(no)).sqrt();
            told.push(Told { fakes, networks, advantage: (yes.share() - no.share(), half) });
        }
        Ok(told)
    }
}
