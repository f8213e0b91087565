//! The n − 1 attack: n fake visitors open a page that hardly anybody knows, and the attacker uses the published numbers to decide
//! whether one more visitor did. Half of the pages are opened by one more visitor; the attacker does not know which.
//!
//! The attacker knows the publishing rules, every other view, and everything that is published. There are two attacks. One
//! compares the likelihood of all published numbers of a page with and without the one more visitor (in `pages`, and the
//! transition to it in `transitions`). This is the best test for noise that is independent per cell. The other learns the
//! possible outputs from its own pages on the same sites, where it also plays the one more visitor.

use std::collections::HashMap;
use std::fmt::Write as _;

use tamga::config::Protection;
use tamga::publish::noise;

use crate::collector::{Beacon, Collector};
use crate::judge::Rate;
use crate::world::{Agent, Dice, beacon};

/// Sites, each with its own noise, so that luck in one window does not decide.
const SITES: usize = 60;
/// Pages of each kind of attack on a site. On the first ones the sender also plays the one more visitor, to learn.
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

/// A page that is never published, one that depends on its noise, one that is always published, and one with a subset.
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
    /// Site, kind, page, and whether the one more visitor was there.
    truth: Vec<(usize, usize, usize, bool)>,
}

/// The result of one kind of attack: the advantage and half of its interval, by weighing and by learning.
pub(crate) struct TrapResult {
    pub(crate) kind: Kind,
    pub(crate) tries: usize,
    pub(crate) weighed: (f64, f64),
    pub(crate) weighed_both: (f64, f64),
    pub(crate) learnt: (f64, f64),
}

/// The published numbers of a page: its visitors, views and entries; and the visits of the transition to it.
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

    /// Fakes are confirmed first: each sends its cookie back once before the attack.
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
                            // At least half an hour apart, so that each is a separate visit.
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
        type Numbers = HashMap<(String, String), Vec<Option<i64>>>;
        let ask = async |sql: &str| -> anyhow::Result<Numbers> {
            let rows: Vec<Row> = collector.analyst(sql).await?;
            Ok(rows.into_iter().map(|row| ((row.site, row.path), row.numbers)).collect())
        };
        let pages =
            ask("SELECT site, path, [toInt64(visitors), toInt64(views), toInt64(entries)] AS numbers FROM pages \
                         WHERE startsWith(site, 'trap') AND carried_to = day");
        let ways = ask("SELECT site, to_path AS path, [toNullable(toInt64(visits))] AS numbers FROM transitions \
                        WHERE startsWith(site, 'trap') AND carried_to = day AND from_path = '/'");
        let (pages, ways) = (pages.await?, ways.await?);
        let look = |of: usize, kind: usize, page: usize| {
            let key = (site(of), format!("/trap/{kind}-{page}"));
            let way = ways.get(&key).and_then(|numbers| numbers[0]);
            Look { page: pages.get(&key).map(|numbers| [numbers[0], numbers[1], numbers[2]]), way }
        };
        let mut results = Vec::new();
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
            results.push(TrapResult { kind, tries, weighed, weighed_both, learnt });
        }
        Ok(results)
    }
}

/// True positives minus false positives.
fn advantage([no, yes]: [Rate; 2]) -> (f64, f64) {
    // One more try that is half a success, so that no rate counts as certain.
    let variance = |rate: Rate| {
        let share = (rate.hits + 0.5) / (rate.of + 1.0);
        share * (1.0 - share) / rate.of.max(1.0)
    };
    (yes.share() - no.share(), 1.96 * (variance(yes) + variance(no)).sqrt())
}

// The attacker knows the rules: the distribution of the noise, and from which sum of crowd and noise a name is published.
const SIGMA: f64 = Protection::Standard.sigma() as f64;
const NAME: (u32, u32) = Protection::Standard.threshold();
const CUT: i64 = NAME.1 as i64;
const THRESHOLD: i64 = noise::K_MIN as i64 + CUT;

/// How many times wider the noise of a page's numbers and of a way's visits is.
const WIDE: f64 = 2.0;

/// A probability in proportion to that of noise of this deviation.
fn density_of(noise: i64, sigma: f64) -> f64 {
    (-(noise * noise) as f64 / (2.0 * sigma.powi(2))).exp()
}

/// The same of a number's noise.
fn density(noise: i64) -> f64 {
    density_of(noise, SIGMA * WIDE)
}

/// How probable it is that a name with this crowd is published.
fn named(crowd: i64) -> f64 {
    let [all, enough] = [-CUT, THRESHOLD - crowd]
        .map(|from| (from.max(-CUT)..=CUT).map(|noise| density_of(noise, NAME.0.into())).sum::<f64>());
    enough / all
}

/// Three visitors of each network count.
fn weight(people: i64, kind: Kind, more: i64) -> i64 {
    people.min(3 * kind.networks as i64) + more
}

/// The likelihood of a page's published numbers. The one more visitor does not enter by this page.
fn chance_of_page(kind: Kind, more: i64, seen: Option<[Option<i64>; 3]>) -> f64 {
    let people = kind.fakes as i64 + more;
    let is_named = named(weight(kind.fakes as i64, kind, more));
    let Some(noisy) = seen else { return 1.0 - is_named };
    let truths = [people, people, kind.entering as i64];
    let chance = |noisy: &Option<i64>, truth| noisy.map_or(1.0, |noisy| density(noisy - truth));
    noisy.iter().zip(truths).fold(is_named, |all, (noisy, truth)| all * chance(noisy, truth))
}

/// The likelihood of the published transition from the home page.
fn chance_of_way(kind: Kind, more: i64, seen: Option<i64>) -> f64 {
    let fakes = (kind.fakes - kind.entering) as i64;
    let is_named = named(weight(fakes, kind, more));
    seen.map_or(1.0 - is_named, |noisy| is_named * density(noisy - fakes - more))
}

pub(crate) const HEADING: &str = "\n## n − 1: fake visitors against one more\n";
const N_MINUS_1: &str = "On one network any number of fakes counts as three, and nothing is to be had. On many networks the sender sees\n\
    name, views and visitors of the page, and the way to it, each with noise of its own. A page and the way to it are two rows. What one look is\n\
    by calculation, and what all looks of a day are together, stands in [publishing.md](publishing.md#levels). It costs the sender the\n\
    forging of every other visitor of the page.\n";

/// The section of the page.
pub(crate) fn traps(traps: &[TrapResult], out: &mut String) {
    *out += "\n## n − 1: fake visitors against one more\n\n\
            The sender knows everybody on a page but one, and looks whether that one was there. Advantage is true less false positives:\n\
            *weighed* by the likelihood of everything that shows of the page under the published rules, with and without the one more;\n\
            *with the way* also by that of the way to the page in `transitions`, of which the sender knows all else too; *learnt* from pages on\n\
            which the sender plays the one more too.\n\n\
            | fakes | on networks | tries | weighed (bar 0.07) | with the way (bar 0.1) | learnt (bar 0.1) |\n|---|---|---|---|---|---|\n";
    for TrapResult { kind, tries, weighed, weighed_both, learnt } in traps {
        let [weighed, both, learnt] =
            [weighed, weighed_both, learnt].map(|(gain, half)| format!("{gain:.3} ± {half:.3}"));
        let entering =
            if kind.entering > 0 { format!(", {} of them enter by it", kind.entering) } else { String::new() };
        let _ =
            writeln!(out, "| {}{entering} | {} | {tries} | {weighed} | {both} | {learnt} |", kind.fakes, kind.networks);
    }
    let _ = writeln!(out, "\n{N_MINUS_1}");
}
