//! What an attacker can multiply: looks at everything that a row shows, looks at one number over many windows, fakes up to the
//! threshold, clones, marks that a page repeats, names that are invented, windows by a clock that steps. The publisher's own rows are read by somebody who knows the rules, every other visitor, and
//! how many there are, and wants to know whether one more visitor was there. `make test` tries it on a few sites, `make linkage` on many.
//!
//! On every site there are thousands of places, each a channel, a source and a page of its own. So many visitors come to each, and in half of
//! them one more. All do everything once: the only page of their visit is the first and the last, they bounce, and reach the goal.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tamga::clock::{Clock, Reading};
use tamga::config::Protection;
use tamga::items::Items;
use tamga::publish::{Progress, PublishedSite, Publisher, Schedule, Window, noise};
use tamga::store::{self, Limits, STATS, Store, VAULT};

use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::widths::widths;

/// Places of a site; 3,000 names of a dimension may have a row.
const PLACES: usize = 2_800;
/// Visitors of a place beside the one more, by its number. The last are thirty on one network.
const CROWDS: [u64; 8] = [9, 28, 36, 40, 46, 70, 84, 30];
const CLONES: usize = 7;
/// Visitors whose pages send marks, each of so many bits, by an event of its own that is sent so many times or not at all.
const MARKED: usize = 100;
pub(crate) const BITS: usize = 20;
/// The attack that adds up windows.
pub(crate) const OVER_WINDOWS: &str = "one number of every window";
const REPEATED: u32 = 9;
/// Names that a sender invents, as many as may have a row: each has many rows, from nine visitors on three networks.
const INVENTED: usize = 3_000;
/// What the first two sites are beside: the wall clock of the first shows the next day for a while, before its day is over and
/// afterwards; the second has invented names.
const BESIDE: [&str; 2] = ["a clock that steps over midnight", "thousands of invented names"];
const HOUR_S: i64 = 3_600;
/// Visitors who send each mark once, so that its name shows.
const SENDERS: u64 = 60;

const SIGMA: f64 = Protection::Standard.sigma() as f64;
/// The noise of the threshold of a name: its deviation, and the largest.
const THRESHOLD: (u32, u32) = Protection::Standard.threshold();

/// True less false positives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Advantage {
    /// By whether the visitor was there: guesses that it was, and all.
    of: [[f64; 2]; 2],
}

impl Advantage {
    fn add(&mut self, is_there: bool, score: f64) {
        let [guesses, all] = &mut self.of[usize::from(is_there)];
        *guesses += f64::from(u8::from(score > 0.0));
        *all += 1.0;
    }

    fn shares(&self) -> [f64; 2] {
        self.of.map(|[guesses, all]| guesses / all.max(1.0))
    }

    pub(crate) fn share(&self) -> f64 {
        let [without, with] = self.shares();
        with - without
    }

    /// Its standard deviation, with one more try that is half a success, so that no share counts as certain.
    pub(crate) fn deviation(&self) -> f64 {
        let variance = |[guesses, all]: [f64; 2]| {
            let share = (guesses + 0.5) / (all + 1.0);
            share * (1.0 - share) / all.max(1.0)
        };
        (variance(self.of[0]) + variance(self.of[1])).sqrt()
    }

    pub(crate) fn tries(&self) -> f64 {
        self.of[0][1] + self.of[1][1]
    }
}

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) advantages: BTreeMap<&'static str, Advantage>,
    /// Bits of marks that were read rightly, and all; and those that are read rightly where nothing is bounded or has noise.
    pub(crate) bits: [f64; 2],
    pub(crate) exact_bits: f64,
    /// Places of large crowds that have no row, beside thousands of invented names too.
    pub(crate) blanked: usize,
    /// Rows of places whose visitors all have one network.
    pub(crate) clones_named: usize,
    /// Goals that are declared twice and show two numbers.
    pub(crate) unequal: usize,
}

/// A probability in proportion to that of noise so many times wider.
fn density(noise: f64, wide: f64) -> f64 {
    (-(noise * noise) / (2.0 * (SIGMA * wide).powi(2))).exp()
}

/// How likely a name with this crowd shows.
fn named(crowd: u64) -> f64 {
    let (sigma, cut) = (f64::from(THRESHOLD.0), i64::from(THRESHOLD.1));
    let least = i64::from(noise::K_MIN) + cut - crowd as i64;
    let density = |noise: i64| (-((noise * noise) as f64) / (2.0 * sigma.powi(2))).exp();
    let [all, enough] = [-cut, least].map(|from| (from.max(-cut)..=cut).map(density).sum::<f64>());
    enough / all
}

/// Numbers that are published of one visitor more or less: the number, and how wide its noise is.
type Numbers = Vec<(f64, f64)>;

/// How much likelier these are with one more visitor than with this crowd, as a logarithm.
fn weigh(numbers: &[(f64, f64)], crowd: u64) -> f64 {
    let of = |(number, wide): &(f64, f64), truth: u64| density(number - truth as f64, *wide).max(1e-300).ln();
    numbers.iter().map(|number| of(number, crowd + 1) - of(number, crowd)).sum()
}

/// The same of a row and of its parent, if they have names, or of nothing.
fn weigh_row(row: Option<&Numbers>, parent: Option<&Numbers>, crowd: u64) -> f64 {
    let [without, with] = [named(crowd), named(crowd + 1)].map(|chance| chance.clamp(1e-300, 1.0));
    let no_name = ((1.0 - with).max(1e-300) / (1.0 - without).max(1e-300)).ln();
    let parents = |parent: &Numbers| weigh(parent, crowd);
    match (row, parent) {
        (Some(row), parent) => (with / without).ln() + weigh(row, crowd) + parent.map_or(0.0, parents),
        (None, Some(parent)) => no_name + (with / without).ln() + parents(parent),
        (None, None) => 2.0 * no_name,
    }
}

struct World {
    _engine: Engine,
    vault: Store,
    stats: Store,
    clock: Clock,
    day: Window,
    folder: tempfile::TempDir,
}

fn site(number: usize) -> PublishedSite {
    let items: Vec<_> = Items::KEYS.iter().map(|key| (*key).to_owned()).collect();
    PublishedSite {
        domain: format!("look{number}.kz"),
        time_zone: "UTC".to_owned(),
        schedule: Schedule::new("UTC", 24 * 60).unwrap(),
        items: Items::of(None, Some(&items)).unwrap(),
        protection: Protection::Standard,
        identity: Default::default(),
        // One goal under two names: `config check` refuses it, and it shows no more than one.
        goals: ["order", "sale"].map(|name| (name.to_owned(), "paid".to_owned())).into(),
        funnels: BTreeMap::new(),
        experiments: Vec::new(),
        pairs: Vec::new(),
    }
}

/// Visitors of the places: number and crowd of the place, and the number of the visitor in it. Whether one more is there depends on the
/// place alone, so that it comes on every site again, as on thirty days.
const VISITORS: &str = "(SELECT p, crowd, arrayJoin(range(crowd + cityHash64(p, 'coin') % 2)) AS j
    FROM (SELECT number AS p, {crowds:Array(UInt32)}[number % 8 + 1] AS crowd FROM numbers({places:UInt32})))";

impl World {
    async fn new() -> Self {
        let engine = Engine::start();
        let limits = Limits { query: Duration::from_secs(600), ..Limits::default() };
        let store = |name| Store::new(&engine.url(), USER, PASSWORD, name, limits).unwrap();
        let (vault, stats) = (store(VAULT), store(STATS));
        for store in [&vault, &stats] {
            store::apply(store, store::migrations_of(store), &Clock::machine()).await.unwrap();
        }
        let days = Schedule::new("UTC", 24 * 60).unwrap();
        let today = days.containing(Clock::machine().now());
        let day = days.containing(Timestamp::from_second(today.start.as_second() - 1).unwrap());
        let clock = Clock::simulated(today.start);
        Self { _engine: engine, vault, stats, clock, day, folder: tempfile::tempdir().unwrap() }
    }

    /// The rows of a site, and a seed that is always the same, so that the attack always finds the same.
    async fn fill(&self, site: &str, with_invented: bool) {
        let parameters = [
            ("site", site.to_owned()),
            ("day", self.day.first_day.to_string()),
            ("start", self.day.start.as_second().to_string()),
            ("end", self.day.end.as_second().to_string()),
            ("places", PLACES.to_string()),
            ("crowds", json!(CROWDS).to_string()),
            ("marked", MARKED.to_string()),
            ("bits", BITS.to_string()),
            ("senders", SENDERS.to_string()),
            ("repeated", REPEATED.to_string()),
            ("invented", INVENTED.to_string()),
        ];
        let head = "INSERT INTO events (batch, site, day, window_end, visitor, visit, view, confirmed, network, new_day, type, path, step, \
                    entry_channel, entry_source, name)
            SELECT 1, {site:String}, {day:Date}, toDateTime({end:UInt32}, 'UTC'), toFixedString(unhex(hex(sipHash128(who))), 16),
                toFixedString(unhex(hex(sipHash128(who, 'visit'))), 16), toFixedString(unhex(hex(sipHash128(who, 'view'))), 16), 1, network, 1, what, ";
        // Clones have one network, all others many.
        let places = format!(
            "{head} if(what = 'view', concat('/d', toString(p), '/p'), ''), 1, if(what = 'view', concat('c', toString(p)), ''),
                if(what = 'view', concat('s', toString(p)), ''), if(what = 'event', 'paid', '')
            FROM (SELECT *, concat('v ', toString(p), ' ', toString(j)) AS who, if(p % 8 = {CLONES}, 7, (p + j) % 250) AS network,
                arrayJoin(['view', 'event']) AS what FROM {VISITORS})"
        );
        self.vault.execute(&places, &parameters).await.unwrap();
        // A marked visitor sends each mark whose bit is set, many times; others send each once.
        let marks = format!(
            "{head} if(what = 'view', '/marked', ''), 1, if(what = 'view', 'direct', ''), '', if(what = 'event', concat('m', toString(m), ' ', toString(bit)), '')
            FROM (SELECT m, bit, concat('m ', toString(m), ' ', toString(j)) AS who, j AS network,
                arrayJoin(if(bit = 0, ['view', 'event'], ['event'])) AS what
                FROM (SELECT number AS m, arrayJoin(range({{bits:UInt32}})) AS bit, arrayJoin(range({{senders:UInt32}})) AS j
                    FROM numbers({{marked:UInt32}}))
              UNION ALL SELECT m, bit, concat('marked ', toString(m)) AS who, 200 AS network, 'event' AS what
                FROM (SELECT number AS m, arrayJoin(range({{bits:UInt32}})) AS bit, arrayJoin(range({{repeated:UInt32}})) AS again
                    FROM numbers({{marked:UInt32}})) WHERE cityHash64(m, bit, 'bit') % 2 = 1)"
        );
        self.vault.execute(&marks, &parameters).await.unwrap();
        if with_invented {
            let invented = format!(
                "{head} concat('/i', toString(n), '/p'), 2, '', '', ''
                FROM (SELECT n, concat('i ', toString(n), ' ', toString(j)) AS who, j % 3 AS network, 'view' AS what, arrayJoin(range(8)) AS again
                    FROM (SELECT number AS n, arrayJoin(range(9)) AS j FROM numbers({{invented:UInt32}})))"
            );
            self.vault.execute(&invented, &parameters).await.unwrap();
        }
        let seed = "INSERT INTO seeds SELECT {site:String}, toDateTime({start:UInt32}, 'UTC'), substring(hex(sipHash128({site:String})), 1, 32), now64(3)";
        self.vault.execute(seed, &parameters).await.unwrap();
    }

    async fn publish(&self, number: usize) {
        let until = self.clock.now_ms() as f64 / 1000.0;
        let lease = json!({ "node": "a", "complete_until": until.to_string(), "written_at": until.to_string() });
        self.vault.insert_json("leases", &["node", "complete_until", "written_at"], &[lease], None).await.unwrap();
        let timeout = Duration::from_secs(900);
        let (vault, stats) = (self.vault.clone(), self.stats.clone());
        let (passed_s, error_s) = (Arc::new(AtomicI64::new(-8 * HOUR_S)), Arc::new(AtomicI64::new(0)));
        let (end_s, passed, error) = (self.day.end.as_second(), passed_s.clone(), error_s.clone());
        let read = move || {
            let passed_s = passed.load(Ordering::Relaxed);
            let wall_s = end_s + passed_s + error.load(Ordering::Relaxed);
            Reading { wall: wall_s * 1_000_000, boot: (24 * HOUR_S + passed_s) * 1_000_000 }
        };
        let clock = Clock::with_readings(read, "a", None);
        let publisher =
            Publisher::new(vault, stats, clock.clone(), vec![site(number)], self.folder.path(), "a", timeout).unwrap();
        let is_agreed = || clock.status() == tamga::clock::ClockStatus::Agreed;
        assert!(is_agreed(), "a clock is believed at the start");
        let steps = number == 0;
        for (at_s, step_s) in [(-7 * HOUR_S, 9 * HOUR_S), (HOUR_S, 0), (2 * HOUR_S, 48 * HOUR_S)] {
            passed_s.store(at_s, Ordering::Relaxed);
            error_s.store(if steps { step_s } else { 0 }, Ordering::Relaxed);
            assert_eq!(is_agreed(), step_s == 0 || !steps);
            let progress = publisher.advance(0).await.unwrap();
            // Once, when its day is over, whatever the wall clock showed.
            let is_published = matches!(progress, Progress::Published(window) if window == self.day);
            assert_eq!(is_published, at_s == HOUR_S, "{progress:?}");
            let windows = self.published("publications", &site(number).domain).await.len();
            assert_eq!(windows, usize::from(at_s >= HOUR_S), "{windows} windows are published");
        }
    }

    async fn published(&self, table: &str, site: &str) -> Vec<Value> {
        let sql = format!("SELECT * FROM {table} WHERE site = {{site:String}}");
        self.stats.rows(&sql, &[("site", site.to_owned())]).await.unwrap()
    }
}

/// A table as the attacker reads it: the columns of its first dimension and of its second, and its numbers.
struct Read {
    table: &'static str,
    parent: &'static str,
    child: &'static str,
    numbers: [&'static str; 4],
}

const OF_VISITS: [&str; 4] = ["visits", "visitors", "bounces", "goals"];
const OF_PAGES: [&str; 4] = ["views", "visitors", "entries", "last_pages"];
const TABLES: [Read; 3] = [
    Read { table: "entries", parent: "channel", child: "source", numbers: OF_VISITS },
    Read { table: "landings", parent: "channel", child: "path", numbers: OF_VISITS },
    Read { table: "pages", parent: "section", child: "path", numbers: OF_PAGES },
];

impl Read {
    fn number(row: &Value, column: &str) -> Option<f64> {
        if column == "goals" { row["goals"]["order"].as_f64() } else { row[column].as_f64() }
    }

    /// By place: what is published of its row, and of its parent.
    fn places(&self, rows: &[Value]) -> HashMap<usize, [Option<Numbers>; 2]> {
        let mut places: HashMap<usize, [Option<Numbers>; 2]> = HashMap::new();
        // Two goals are declared, which are one.
        let widths = self.numbers.map(|column| (column, widths(self.table, column, 2)));
        for row in rows {
            let name = row[self.parent].as_str().unwrap_or_default();
            let digits: String = name.chars().filter(char::is_ascii_digit).collect();
            let Ok(place) = digits.parse() else { continue };
            let is_rest = row[self.child] == "(other)";
            let of = places.entry(place).or_default();
            let numbers = |level: usize| -> Numbers {
                let of = widths.iter().filter_map(|(column, wide)| Some((column, wide[level]?)));
                of.filter_map(|(column, wide)| Some((Self::number(row, column)?, wide.into()))).collect()
            };
            if !is_rest {
                of[0] = Some(numbers(0));
            }
            // The parent is the sum of its rows: the rest and the one that may have a name.
            let part = numbers(1);
            of[1] = Some(match of[1].take() {
                None => part,
                Some(sum) => sum.iter().zip(&part).map(|(one, other)| (one.0 + other.0, one.1)).collect(),
            });
        }
        places
    }
}

#[derive(Deserialize)]
struct Truth {
    place: usize,
    people: u64,
}

/// Tries everything on so many sites, which are also so many windows.
pub(crate) async fn attack(sites: usize) -> Found {
    let world = World::new().await;
    let mut found = Found::default();
    let mut truth: HashMap<usize, u64> = HashMap::new();
    // By place: the evidence of one number, added up over all windows.
    let mut evidence = vec![0.0; PLACES];
    for number in 0..sites {
        let name = site(number).domain;
        world.fill(&name, number == 1).await;
        if truth.is_empty() {
            let sql = "SELECT toUInt32(extract(path, '[0-9]+')) AS place, uniqExact(visitor) AS people FROM events
                WHERE type = 'view' AND path LIKE '/d%' GROUP BY place";
            let rows: Vec<Truth> = world.vault.rows(sql, &[]).await.unwrap();
            truth = rows.into_iter().map(|row| (row.place, row.people)).collect();
        }
        world.publish(number).await;
        let is_there = |place: usize| truth[&place] > CROWDS[place % CROWDS.len()];
        for read in &TABLES {
            let rows = world.published(read.table, &name).await;
            found.unequal += rows
                .iter()
                .filter(|row| read.table != "pages" && row["goals"]["order"] != row["goals"]["sale"])
                .count();
            let seen = read.places(&rows);
            for place in 0..PLACES {
                let crowd = CROWDS[place % CROWDS.len()];
                let [row, parent] = seen.get(&place).cloned().unwrap_or_default();
                if place % CROWDS.len() == CLONES {
                    found.clones_named += usize::from(row.is_some() || parent.is_some());
                    continue;
                }
                found.blanked += usize::from(crowd >= u64::from(noise::K_MIN + 2 * THRESHOLD.1) && row.is_none());
                let score = weigh_row(row.as_ref(), parent.as_ref(), crowd);
                found.advantages.entry(read.table).or_default().add(is_there(place), score);
                if let Some(beside) = BESIDE.get(number) {
                    found.advantages.entry(beside).or_default().add(is_there(place), score);
                }
                let of_crowd = match crowd {
                    9 => "fakes up to the threshold",
                    _ => "a larger crowd",
                };
                found.advantages.entry(of_crowd).or_default().add(is_there(place), score);
                if read.table == "entries"
                    && let Some(row) = &row
                {
                    evidence[place] += weigh(&row[..1], crowd);
                }
                // Without noise.
                let exact: Numbers = vec![(truth[&place] as f64, 0.01)];
                found.advantages.entry("control").or_default().add(is_there(place), weigh(&exact, crowd));
            }
        }
        read_marks(&world, &name, &mut found).await;
    }
    for (place, evidence) in evidence.into_iter().enumerate().filter(|(_, evidence)| *evidence != 0.0) {
        let is_there = truth[&place] > CROWDS[place % CROWDS.len()];
        found.advantages.entry(OVER_WINDOWS).or_default().add(is_there, evidence);
    }
    found
}

/// A page may send a mark as often as it likes: it counts three times. The sender knows how many others sent it once.
async fn read_marks(world: &World, site: &str, found: &mut Found) {
    let sql = "SELECT name, max(visitor = unhex(hex(sipHash128(concat('marked ', extract(name, '[0-9]+')))))) AS set, count() AS sent FROM events
        WHERE site = {site:String} AND name LIKE 'm%' GROUP BY name";
    #[derive(Deserialize)]
    struct Mark {
        name: String,
        set: u8,
        sent: u64,
    }
    let marks: Vec<Mark> = world.vault.rows(sql, &[("site", site.to_owned())]).await.unwrap();
    assert_eq!(marks.len(), MARKED * BITS);
    let published = world.published("events", site).await;
    let counts: HashMap<&str, [f64; 2]> = published
        .iter()
        .filter_map(|row| Some((row["name"].as_str()?, [row["count"].as_f64()?, row["visitors"].as_f64()?])))
        .collect();
    let wide = ["count", "visitors"].map(|column| widths("events", column, 1)[0].map_or(1.0, f64::from));
    for Mark { name, set, sent } in marks {
        let guess = counts.get(name.as_str()).is_some_and(|[count, visitors]| {
            let log = |number: f64, truth: f64, wide: f64| density(number - truth, wide).max(1e-300).ln();
            let senders = SENDERS as f64;
            let with = log(*count, senders + 3.0, wide[0]) + log(*visitors, senders + 1.0, wide[1]);
            with > log(*count, senders, wide[0]) + log(*visitors, senders, wide[1])
        });
        found.bits[0] += f64::from(u8::from(guess == (set == 1)));
        found.bits[1] += 1.0;
        found.exact_bits += f64::from(u8::from((sent > SENDERS) == (set == 1)));
    }
}

impl Found {
    /// How many bits of a marked visitor the marks say: the information of a channel that is right so often.
    pub(crate) fn bits_of_a_visitor(&self) -> f64 {
        let right = self.bits[0] / self.bits[1].max(1.0);
        let entropy = |share: f64| if share <= 0.0 || share >= 1.0 { 0.0 } else { -share * share.log2() };
        BITS as f64 * (1.0 - entropy(right) - entropy(1.0 - right))
    }
}
