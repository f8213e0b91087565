//! Can a reader of all tables find a small group in them? Days of traffic are published as the product does it. Then no row may
//! count only a few visitors, and neither a difference of rows nor all bounds together may prove that somebody is in a small cell.
//!
//! The long run has thirty million events: `make scale`.

mod attack;
#[path = "../../linkage/published.rs"]
mod published;
mod repeated;
mod scale;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tamga::clock::Clock;
use tamga::config::Protection;
use tamga::items::Items;
use tamga::publish::{PublishedSite, Publisher, Schedule, Window};
use tamga::store::{self, Limits, STATS, Store, VAULT};

use self::attack::{Bounds, Exact, FEW, exact_cells};
use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::traffic;
use crate::support::widths::noise_max;

const ZONE: &str = "Asia/Almaty";
/// A site of the runs, with everything that can be declared.
fn site(domain: &str, minutes: u32) -> PublishedSite {
    let text = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    PublishedSite {
        domain: domain.to_owned(),
        time_zone: ZONE.to_owned(),
        schedule: Schedule::new(ZONE, minutes).unwrap(),
        items: Items::of(Some("jetpay"), None).unwrap(),
        protection: Protection::Standard,
        identity: Default::default(),
        goals: [("order", "paid"), ("home", "/page/0")].map(|(name, what)| (name.to_owned(), what.to_owned())).into(),
        funnels: [("buy".to_owned(), text(&["/page/0", "cart", "paid"]))].into(),
        experiments: text(&["button"]),
        pairs: vec![["country", "channel"].map(str::to_owned)],
    }
}

/// An engine with both stores, and a clock at the end of today in the sites' zone.
struct World {
    engine: Engine,
    vault: Store,
    stats: Store,
    clock: Clock,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let engine = Engine::start();
        let limits = Limits { query: Duration::from_secs(600), ..Limits::default() };
        let store = |name| Store::new(&engine.url(), USER, PASSWORD, name, limits).unwrap();
        let (vault, stats) = (store(VAULT), store(STATS));
        for store in [&vault, &stats] {
            store::apply(store, store::migrations_of(store), &Clock::machine()).await.unwrap();
        }
        let today = Schedule::new(ZONE, 24 * 60).unwrap().containing(Clock::machine().now());
        let clock = Clock::simulated(today.start);
        Self { engine, vault, stats, clock, folder: tempfile::tempdir().unwrap() }
    }

    /// The day that begins now.
    fn day(&self) -> Window {
        Schedule::new(ZONE, 24 * 60).unwrap().containing(self.clock.now())
    }

    fn publisher(&self, sites: Vec<PublishedSite>) -> Publisher<Store, Store> {
        let node_timeout = Duration::from_secs(900);
        let (vault, stats) = (self.vault.clone(), self.stats.clone());
        Publisher::new(vault, stats, self.clock.clone(), sites, self.folder.path(), "a", node_timeout).unwrap()
    }

    /// Ends the day, all of whose rows are in the vault.
    async fn end(&self, day: &Window) {
        let until = day.end.as_second().to_string();
        let lease = serde_json::json!({ "node": "a", "complete_until": until, "written_at": until });
        self.vault.insert_json("leases", &["node", "complete_until", "written_at"], &[lease], None).await.unwrap();
        self.clock.advance_to(day.end);
    }

    async fn published(&self, table: &str, site: &str, start: Timestamp) -> Vec<Value> {
        let sql = format!(
            "SELECT * FROM {table} WHERE site = {{site:String}} AND window_start = toDateTime({{start:UInt32}}, 'UTC')"
        );
        let parameters = [("site", site.to_owned()), ("start", start.as_second().to_string())];
        self.stats.rows(&sql, &parameters).await.unwrap()
    }

    async fn cells(&self, site: &str, day: &Window, exact: Exact) -> Vec<attack::Cell> {
        exact_cells(&self.vault, site, &day.first_day.to_string(), exact).await
    }
}

const fn of_events(keys: &'static str, count: &'static str, only: &'static str) -> Exact {
    Exact { keys, count, from: "events", only }
}

const fn of_visits(keys: &'static str, only: &'static str) -> Exact {
    Exact { keys, count: "uniqExactIf(visitor, confirmed)", from: "attributes", only }
}

/// All views of a site, of which thirty of a visitor count.
const VIEWS: Exact = Exact {
    keys: "site",
    count: "count()",
    from: "(SELECT site, day, visitor, confirmed FROM events WHERE type = 'view' LIMIT 30 BY site, day, visitor) AS rows",
    only: "true",
};
/// Three views of a page by a visitor count.
const PAGES: Exact = Exact {
    keys: "path",
    count: "count()",
    from: "(SELECT site, day, path, visitor, confirmed FROM events WHERE type = 'view' LIMIT 3 BY site, day, visitor, path) AS rows",
    only: "true",
};
const PLACES: Exact = of_visits("value, detail", "attribute = 'place'");
const CLIENTS: Exact = of_visits("value, detail", "attribute = 'client'");
const DEVICES: Exact = of_visits("value, detail", "attribute = 'device'");
const HOURS: Exact = Exact {
    keys: "value",
    count: "any(views)",
    from: "(SELECT *, toString(value) AS of_hour FROM attributes WHERE attribute = 'hour') AS rows INNER JOIN \
           (SELECT substring(reason, 7) AS of_hour, sum(count) AS views FROM tallies WHERE site = {site:String} AND day = {day:Date} \
           AND reason LIKE 'views:%' GROUP BY of_hour) AS tallied USING of_hour",
    only: "step > 0",
};

/// Tables, their columns, and their exact cells.
const TABLES: [(&str, &[&str], Exact); 10] = [
    ("pages", &["path"], PAGES),
    ("hours", &["hour"], HOURS),
    (
        "transitions",
        &["from_path", "to_path"],
        of_events("previous_path, path", "uniqExact(visit)", "previous_path != ''"),
    ),
    (
        "entries",
        &["channel", "source"],
        of_events("entry_channel, entry_source", "count()", "type = 'view' AND step = 1"),
    ),
    (
        "landings",
        &["channel", "source", "path"],
        of_events("entry_channel, entry_source, path", "count()", "type = 'view' AND step = 1"),
    ),
    ("exits", &["domain"], of_events("exit_domain", "count()", "type = 'exit'")),
    ("events", &["name"], of_events("name", "count()", "type = 'event'")),
    ("places", &["country", "region"], PLACES),
    ("clients", &["browser", "major"], CLIENTS),
    ("devices", &["device", "os"], DEVICES),
];

/// The result for one published day of a site.
#[derive(Debug, Default)]
struct Found {
    rows: usize,
    /// Rows that count only a few visitors.
    small_rows: usize,
    /// Cells that were attacked; those that were found.
    attacked: usize,
    found: usize,
}

/// Compares a published day with the vault, and attacks it.
async fn look(world: &World, site: &str, day: &Window, most: usize, within: Duration) -> Found {
    let mut found = Found::default();
    let mut landings = Vec::new();
    for (table, columns, exact) in TABLES {
        let cells = world.cells(site, day, exact).await;
        let rows = world.published(table, site, day.start).await;
        found.rows += rows.len();
        for row in rows.iter().filter(|row| columns.iter().all(|column| row[*column] != "(other)")) {
            let people: u64 = cells
                .iter()
                .filter(|cell| columns.iter().zip(&cell.place).all(|(column, value)| row[*column] == value.as_str()))
                .map(|cell| cell.people)
                .sum();
            found.small_rows += usize::from(people < FEW);
        }
        if table == "landings" {
            landings = cells;
        }
    }
    // Visits by source and page: three tables and a total are sums of the same cells.
    let site_row = world.published("site", site, day.start).await;
    let Some(total) = site_row.first() else { return found };
    let mut bounds = Bounds::of(landings);
    let table = |name: &'static str| world.published(name, site, day.start);
    for (name, columns, at, measure) in attack::OF_VISITS {
        bounds.add_table(&table(name).await, columns, at, measure, noise_max(name, measure));
    }
    bounds.total(&total["visits"], noise_max("site", "visits")[0]);
    bounds.check();
    let (attacked, proved) = bounds.attack(most, within);
    found.attacked += attacked;
    found.found += proved;
    // Without noise the same attack finds what it looks for.
    bounds.add_truth();
    let (control, proved) = bounds.attack(most.min(5), within);
    assert_eq!(control, proved, "{site}");
    // Views and visitors: each table by itself, with the total.
    for (table_name, columns, exact, measure, whole) in [
        ("pages", &["path"][..], PAGES, "views", "views"),
        ("hours", &["hour"], HOURS, "views", "views"),
        ("places", &["country", "region"], PLACES, "visitors", "visitors"),
        ("clients", &["browser", "major"], CLIENTS, "visitors", "visitors"),
        ("devices", &["device", "os"], DEVICES, "visitors", "visitors"),
    ] {
        let cells = world.cells(site, day, exact).await;
        let sum = |cells: &[attack::Cell]| cells.iter().map(|cell| cell.count as i64).sum::<i64>();
        // What counts for the site and for no page. The attacker is given it.
        let cut = if table_name == "pages" { sum(&world.cells(site, day, VIEWS).await) - sum(&cells) } else { 0 };
        let mut bounds = Bounds::of(cells);
        let at: Vec<usize> = (0..columns.len()).collect();
        bounds.add_table(&table(table_name).await, columns, &at, measure, noise_max(table_name, measure));
        let of_cells = total[whole].as_i64().map(|published| published - cut);
        bounds.total(&of_cells.into(), noise_max("site", whole)[0]);
        bounds.check();
        let (attacked, proved) = bounds.attack(most, within);
        found.attacked += attacked;
        found.found += proved;
    }
    found
}

#[tokio::test]
async fn nobody_finds_a_small_group_in_what_is_published_of_a_day() {
    let world = World::new().await;
    let day = world.day();
    // The last figure is the minimum of published rows; the smallest site had 29 to 36.
    let sites = [("a.kz", 500, 20), ("b.kz", 1_000, 30), ("c.kz", 4_000, 30)];
    for (domain, visits, _) in sites {
        traffic::day(&world.vault, domain, &day, day.end, visits).await;
    }
    world.end(&day).await;
    world.publisher(sites.map(|(domain, ..)| site(domain, 24 * 60)).into()).pass().await;
    for (domain, _, rows) in sites {
        let found = look(&world, domain, &day, 20, Duration::MAX).await;
        println!("{domain}: {found:?}");
        assert!(found.rows > rows && found.attacked > 40, "{domain}: {found:?}");
        assert_eq!((found.small_rows, found.found), (0, 0), "{domain}: {found:?}");
    }
}

/// The attacks of `make linkage` that multiply looks, on two sites. The seeds are fixed, so they always find the same.
#[tokio::test]
async fn what_an_attacker_multiplies_reveals_no_more_than_one_look() {
    let found = repeated::attack(2).await;
    for (name, advantage) in &found.advantages {
        println!("{name}: {:.3} ± {:.3} of {}", advantage.share(), 2.0 * advantage.deviation(), advantage.tries());
        // By chance it is larger than it is in truth by four deviations once in thirty thousand.
        let bar = if *name == "control" { 1.0 } else { 0.07 };
        assert!(advantage.share() <= bar + 4.0 * advantage.deviation(), "{name}: {advantage:?}");
    }
    assert!(found.advantages["control"].share() > 0.97);
    let bits = found.bits_of_a_visitor();
    println!("{:?} marks are read rightly, which is {bits:.2} of {} bits of a visitor", found.bits, repeated::BITS);
    // By chance half of them are right.
    let beyond_chance = repeated::BITS as f64 * (found.bits[0] / found.bits[1] - 0.5);
    assert!(bits <= 1.0 && beyond_chance <= 1.0 && found.bits[1] == 4_000.0, "{:?}", found.bits);
    assert_eq!(found.exact_bits, found.bits[1], "without bounds and noise every mark is read");
    assert_eq!((found.clones_named, found.unequal), (0, 0));
    // Beside more names than may have a row, a large crowd is left out by noise once in thousands.
    assert!(found.blanked <= 3, "{} large crowds have no name", found.blanked);
}

/// What the analyst of `make linkage` asks has an answer, also beside rows of a week and a month that began before.
#[tokio::test]
async fn an_analyst_is_answered_about_each_fact_of_each_day() {
    let world = World::new().await;
    let mut publisher = world.publisher(vec![site("linked.kz", 24 * 60)]);
    let (begin, days) = (world.clock.now().as_second(), 8);
    for _ in 0..days {
        let day = world.day();
        traffic::day(&world.vault, "linked.kz", &day, day.end, 500).await;
        world.end(&day).await;
        publisher.pass().await;
    }
    let facts = published::of_facts("linked.kz", begin).into_iter();
    for (fact, sql) in facts.chain([("region", published::of_regions("linked.kz", begin))]) {
        let rows: Vec<published::OfDay> = world.stats.rows(&sql, &[]).await.unwrap();
        let of_days: std::collections::BTreeSet<_> = rows.iter().map(|row| row.number).collect();
        assert!(of_days.len() > 2 && of_days.last() < Some(&days), "{fact}: {of_days:?}");
        let is_answer = |row: &published::OfDay| row.count.is_finite() && !row.value.is_empty();
        assert!(rows.iter().any(is_answer), "{fact}");
    }
}
