//! The sender of fake visitors: n of its own open a page that hardly anybody knows, and what is published tells whether one
//! more did. Half of the pages are opened by one more person; the attacker does not know which.
//!
//! The attacker knows the publishing rules, every view but the one, and all that is published. Two attacks are made. One
//! weighs how likely everything that shows of a page is with and without the one more (in `pages` with all its numbers, and
//! on the way to it in `transitions`), which is the best test there is for what is drawn cell by cell. The other learns from
//! pages of its own on the same sites, where it plays the one more too, how each look came about.

use std::collections::HashMap;

use tamga::publish::noise;

use crate::collector::{Beacon, Collector};
use crate::judge::Rate;
use crate::world::{Agent, Dice, beacon};

/// Sites, each with draws of its own: what one window would tell by luck, others do not.
const SITES: usize = 60;
/// Pages of each kind of attack on a site. On the first the sender plays the one more visitor too; the others are in earnest.
const PAGES: usize = 24;
const OWN_PAGES: usize = 4;
/// Ten minutes.
const SLOT_MS: i64 = 600_000;

/// A kind of attack: how many fakes, on how many networks, and how many of them enter the site by the page.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) fakes: usize,
    pub(crate) networks: usize,
    pub(crate) entering: usize,
    pages: usize,
}

const fn kind(fakes: usize, networks: usize, entering: usize, pages: usize) -> Kind {
    Kind { fakes, networks, entering, pages }
}

/// Where a page never shows, where its showing depends on the draw, where it always shows, and where a subset shows too.
const KINDS: [Kind; 7] = [
    kind(9, 1, 0, PAGES),
    kind(22, 1, 0, PAGES),
    kind(9, 9, 0, PAGES),
    kind(22, 22, 0, PAGES),
    kind(40, 40, 0, PAGES),
    kind(70, 70, 0, PAGES),
    kind(200, 200, 100, 10),
];

pub(crate) struct Trap {
    /// Of each site, kind and page, whether one more was there.
    truth: Vec<(usize, usize, usize, bool)>,
}

/// What came out for one kind of attack: the advantage and half of its interval, by weighing and by learning.
pub(crate) struct TrapResult {
    pub(crate) kind: Kind,
    pub(crate) tries: usize,
    pub(crate) weighed: (f64, f64),
    pub(crate) weighed_both: (f64, f64),
    pub(crate) learnt: (f64, f64),
}

/// What shows of a page: its visitors, views and entries, each if it is told; and the visits on the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Look {
    page: Option<[Option<i64>; 3]>,
    way: Option<i64>,
}

fn site(number: usize) -> String {
    format!("trap{number}.kz")
}

impl Trap {
    pub(crate) fn new() -> Self {
        let mut dice = Dice(0x7472_6170);
        let mut truth = Vec::new();
        for site in 0..SITES {
            for (number, kind) in KINDS.iter().enumerate() {
                for page in 0..kind.pages {
                    let is_there = if page < OWN_PAGES { page % 2 == 0 } else { dice.chance(0.5) };
                    truth.push((site, number, page, is_there));
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
        let mut send = |slot: i64, of: usize, browser: usize, network: usize, path: String, inside: bool| {
            view += 1;
            let (site, agent) = (site(of), agent.clone());
            let body = beacon(&site, view, &path, if inside { &site } else { "" }, None);
            let browser = (1 << 62) | ((of as u64) << 32) | browser as u64;
            // 198.18.0.0/15 is in the fixture; every /24 is a network.
            let address = 0xc612_0001 + 256 * network as u32;
            out.push(Beacon { at: slot * SLOT_MS, browser, site, address, agent, body, refuses: false });
        };
        for of in 0..SITES {
            for (number, kind) in KINDS.into_iter().enumerate() {
                for fake in 0..kind.fakes {
                    let (browser, network) = (number * 1_000 + fake, fake % kind.networks);
                    for slot in [0, 1] {
                        send(slot, of, browser, network, "/".to_owned(), false);
                    }
                    for page in 0..kind.pages {
                        let path = format!("/trap/{number}-{page}");
                        if kind.entering == 0 {
                            send(2 + page as i64, of, browser, network, path, true);
                        } else {
                            // Half an hour and more apart, so that each is a visit by itself.
                            let slot = 6 + 5 * page as i64;
                            if fake >= kind.entering {
                                send(slot - 1, of, browser, network, "/".to_owned(), false);
                            }
                            send(slot, of, browser, network, path, fake >= kind.entering);
                        }
                    }
                }
            }
        }
        for (number, (of, kind, page, _)) in self.truth.iter().enumerate().filter(|(_, (.., is_there))| *is_there) {
            let (browser, network) = (100_000 + number, 210 + number % 200);
            for slot in [60, 61] {
                send(slot, *of, browser, network, "/".to_owned(), false);
            }
            send(62, *of, browser, network, format!("/trap/{kind}-{page}"), true);
        }
        out
    }

    pub(crate) async fn judge(&self, collector: &Collector) -> anyhow::Result<Vec<TrapResult>> {
        #[derive(serde::Deserialize)]
        struct Row {
            site: String,
            path: String,
            numbers: Vec<Option<i64>>,
        }
        let ask = async |sql: &str| -> anyhow::Result<HashMap<(String, String), Vec<Option<i64>>>> {
            let rows: Vec<Row> = collector.analyst(sql).await?;
            Ok(rows.into_iter().map(|row| ((row.site, row.path), row.numbers)).collect())
        };
        let pages =
            ask("SELECT site, path, [toInt64(visitors), toInt64(views), toInt64(entries)] AS numbers FROM pages \
                         WHERE startsWith(site, 'trap')");
        let ways = ask("SELECT site, to_path AS path, [toNullable(toInt64(visits))] AS numbers FROM transitions \
                        WHERE startsWith(site, 'trap') AND from_path = '/'");
        let (pages, ways) = (pages.await?, ways.await?);
        let look = |of: usize, kind: usize, page: usize| {
            let key = (site(of), format!("/trap/{kind}-{page}"));
            let way = ways.get(&key).and_then(|numbers| numbers[0]);
            Look { page: pages.get(&key).map(|numbers| [numbers[0], numbers[1], numbers[2]]), way }
        };
        let mut told = Vec::new();
        for (number, kind) in KINDS.into_iter().enumerate() {
            let of_kind = || self.truth.iter().filter(|(_, of, ..)| *of == number);
            let mut learnt: HashMap<Look, [u32; 2]> = HashMap::new();
            for (of, _, page, with) in of_kind().filter(|(_, _, page, _)| *page < OWN_PAGES) {
                learnt.entry(look(*of, number, *page)).or_default()[usize::from(*with)] += 1;
            }
            let mut rates = [[Rate::default(); 2]; 3];
            let mut tries = 0;
            for (of, _, page, is_there) in of_kind().filter(|(_, _, page, _)| *page >= OWN_PAGES) {
                let seen = look(*of, number, *page);
                let [page_without, page_with] = [0, 1].map(|more| chance_of_page(kind, more, seen.page));
                let [way_without, way_with] = [0, 1].map(|more| chance_of_way(kind, more, seen.way));
                let [without, with] = learnt.get(&seen).copied().unwrap_or_default();
                let guesses =
                    [page_with > page_without, page_with * way_with > page_without * way_without, with > without];
                for (rates, guess) in rates.iter_mut().zip(guesses) {
                    let rate = &mut rates[usize::from(*is_there)];
                    *rate = rate.and(Rate::of([guess]));
                }
                tries += 1;
            }
            let [weighed, weighed_both, learnt] = rates.map(advantage);
            told.push(TrapResult { kind, tries, weighed, weighed_both, learnt });
        }
        Ok(told)
    }
}

/// True positives less false positives, whichever way round is more.
fn advantage([no, yes]: [Rate; 2]) -> (f64, f64) {
    // One try more, of which half is a success, so that no rate is thought to be certain.
    let variance = |rate: Rate| {
        let share = (rate.hits + 0.5) / (rate.of + 1.0);
        share * (1.0 - share) / rate.of.max(1.0)
    };
    (yes.share() - no.share(), 1.96 * (variance(yes) + variance(no)).sqrt())
}

// What the attacker knows of the rules: how many values a draw has, and with how many people and draw a cell shows.
const OWN: i64 = noise::CELL_NOISE as i64;
const FURTHER: i64 = noise::EXTRA_NOISE as i64;
const SHOWS: i64 = (noise::K_MIN + noise::CELL_NOISE) as i64 - 1;

fn nearest_five(number: i64) -> i64 {
    (number + 2).div_euclid(5) * 5
}

/// Of people on so many networks, three of each count.
fn weight(people: i64, kind: Kind, more: i64) -> i64 {
    people.min(3 * kind.networks as i64) + more
}

/// How likely a page looks so.
fn chance_of_page(kind: Kind, more: i64, seen: Option<[Option<i64>; 3]>) -> f64 {
    let people = kind.fakes as i64 + more;
    let counts = weight(kind.fakes as i64, kind, more);
    let draws = (0..OWN).map(|draw| {
        let shows = counts + draw >= SHOWS;
        let Some([visitors, views, entries]) = seen else { return f64::from(u8::from(!shows)) };
        if !shows || visitors.is_some_and(|told| told != nearest_five(people + draw - OWN / 2)) {
            return 0.0;
        }
        // The one more does not enter by it; that entries show is next to certain or next to impossible, and is not weighed.
        let of_views = views.map_or(1.0, |told| blurred(people, draw, told.max(10)));
        of_views * entries.map_or(1.0, |told| blurred(kind.entering as i64, draw, told))
    });
    draws.sum::<f64>() / OWN as f64
}

/// How likely a number with a draw of its own is told as this, given the cell's draw.
fn blurred(truth: i64, draw: i64, told: i64) -> f64 {
    let fits = |further: &i64| nearest_five(truth + draw - OWN / 2 + further - FURTHER / 2).max(10) == told;
    (0..FURTHER).filter(fits).count() as f64 / FURTHER as f64
}

/// How likely the way to it, from the home page, looks so.
fn chance_of_way(kind: Kind, more: i64, seen: Option<i64>) -> f64 {
    let fakes = (kind.fakes - kind.entering) as i64;
    let counts = weight(fakes, kind, more);
    let fits = |draw: &i64| {
        let told = (counts + draw >= SHOWS).then(|| nearest_five(fakes + more + draw - OWN / 2));
        told == seen
    };
    (0..OWN).filter(fits).count() as f64 / OWN as f64
}
