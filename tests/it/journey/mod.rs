//! Does a click in a real browser arrive in the vault, and do the demo's published numbers say what was played?
//!
//! One product answers all questions: `tamga-demo` with few visitors and few days. The demo's world is a function of its
//! seed, so the rows of yesterday are known: the vault must have exactly them, and the stats store only what may be published.
mod device;
mod live;
mod past;
mod pasted;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use tamga::clock::Clock;

use crate::support::product::{Ports, Product, children};
use crate::support::programs;

const VISITORS: u32 = 600;
/// Enough for a whole week before yesterday's, whatever day of the week it is.
const DAYS: u32 = 15;
/// Noise of nine times its standard deviation at the usual level of protection does not happen.
const NOISE_MAX: u64 = 9 * tamga::config::Protection::Standard.sigma() as u64;
/// The shop in beacons and rows, and the time zone of its days.
const SITE: &str = "demo.localhost";
const TIME_ZONE: &str = "Asia/Almaty";

#[tokio::test(flavor = "multi_thread")]
async fn a_click_in_a_browser_arrives_in_the_vault_and_what_was_played_is_published() {
    let folder = tempfile::tempdir().unwrap();
    stay_clear_of_midnight(Duration::from_secs(120)).await;
    let since = Instant::now();
    let day = Clock::machine().now().in_tz(TIME_ZONE).unwrap().date().yesterday().unwrap();
    let mut demo = Product::demo(&folder, VISITORS, DAYS);
    demo.until("the demo is served", Duration::from_secs(600), async |demo| {
        (demo.log().contains("Ctrl-C ends it") && demo.is_drained().await).then_some(())
    })
    .await;
    println!("{VISITORS} visitors a day were played and published within {:.1} s", since.elapsed().as_secs_f64());

    published_numbers_are_those_that_were_played(&demo, day).await;
    past::is_published_day_by_day(&demo, day).await;
    pasted::query_is_answered(&demo);
    a_visit_arrives_whole(&mut demo).await;
    device::arrives_as_its_browser_knows_it(&mut demo).await;
    who_asks_not_to_be_measured_is_counted_only(&mut demo).await;

    live::shows_the_own_click_at_once(&demo).await;
    another_demo_does_not_take_the_folder_away(&demo);
    the_wall_is_whole_while_it_plays_and_afterwards(&demo);

    println!("memory of collector and engines in MiB: {}", memory(&demo));
    assert_eq!(children(demo.pid()).len(), 2, "two engines, and nothing left over");
    let (status, took) = demo.terminate();
    assert!(status.success(), "{status}:\n{}", demo.log());
    println!("it stopped within {} ms", took.as_millis());
    assert!(!demo.log().contains("WARN") && !demo.log().contains("panicked"), "{}", demo.log());
}

/// The collector examines the wall by itself soon after its start, in the middle of the playing; the verb does now.
fn the_wall_is_whole_while_it_plays_and_afterwards(demo: &Product) {
    let run = |arguments: &[&str]| {
        let config = demo.data.join("demo.toml");
        Command::new(programs::tamga()).args(arguments).arg("--config").arg(config).output().unwrap()
    };
    let verified = run(&["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let entries = run(&["audit", "show", "--action", "verify"]);
    let entries = String::from_utf8_lossy(&entries.stdout).into_owned();
    assert!(entries.contains("by=collector") && entries.contains("by=verb"), "{entries}");
    assert!(entries.lines().all(|entry| entry.contains("broken=[]") && entry.contains("not_seen=0")), "{entries}");
}

/// One with other settings would begin anew, and empty the folder first.
fn another_demo_does_not_take_the_folder_away(demo: &Product) {
    let ports = Ports::free();
    let other = Command::new(programs::demo())
        .arg(format!("--data={}", demo.data.display()))
        .arg(format!("--port={}", ports.collector))
        .arg(format!("--engine-port={}", ports.engine))
        .output()
        .unwrap();
    let sentence = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && sentence.contains("in use by another tamga"), "{sentence}");
    assert!(demo.data.join("played.json").exists() && demo.engines().len() == 2);
}

// ---------------------------------------------------------------------------------------------------------------------
// What was played

/// What was played of yesterday, as it should be counted.
#[derive(Debug, Default)]
struct Truth {
    events: u64,
    views: u64,
    visits: u64,
    visitors: u64,
    count_only: u64,
    by_path: BTreeMap<String, u64>,
}

impl Truth {
    fn of_yesterday(port: u16) -> Self {
        let shop = format!("http://{}", shop_host(port));
        let mut truth = Self::default();
        let (mut beacons, mut objected) = (HashMap::new(), HashSet::new());
        for step in steps(port) {
            let body = &step.beacon;
            let events = body["events"].as_array().unwrap();
            let views = events.iter().filter(|event| event["type"] == "view");
            match &*step.kind {
                "person" | "objector" => {}
                "count_only" => {
                    truth.count_only += views.count() as u64;
                    continue;
                }
                "declared_bot" | "suspect" => continue,
                other => panic!("{other} is no kind of sender"),
            }
            if objected.contains(&step.browser) {
                continue;
            }
            if events.iter().any(|event| event["type"] == "object") {
                if step.keeps_cookies {
                    objected.insert(step.browser);
                }
                continue;
            }
            // Failures of scripts have a table of their own, which knows no visits.
            let counted = events.iter().filter(|event| event["type"] != "error").count() as u64;
            truth.events += counted;
            let browser = (step.browser, step.keeps_cookies, step.was_here);
            *beacons.entry(browser).or_insert(0) += u64::from(counted > 0);
            for view in views {
                truth.views += 1;
                // A browser without cookies is a new visitor on every page.
                let referrer = view["referrer"].as_str().unwrap_or_default();
                truth.visits += u64::from(!step.keeps_cookies || !referrer.starts_with(&shop));
                let path = view["url"].as_str().unwrap().strip_prefix(&shop).unwrap();
                let path = path.split('?').next().unwrap();
                let path = if path.starts_with("/pay/") { "/pay/:order" } else { path };
                *truth.by_path.entry(path.to_owned()).or_default() += 1;
            }
        }
        // One cookie at least has come back. Who was here before shows it at once.
        let confirmed = |((_, keeps_cookies, was_here), beacons): &(&(usize, bool, bool), &u64)| {
            *keeps_cookies && **beacons > u64::from(!was_here)
        };
        truth.visitors = beacons.iter().filter(confirmed).count() as u64;
        truth
    }
}

/// A beacon that the demo plays, and who sends it.
#[derive(Deserialize)]
struct Step {
    browser: usize,
    kind: String,
    keeps_cookies: bool,
    was_here: bool,
    beacon: Value,
}

/// Yesterday's beacons, as the demo lists them.
fn steps(port: u16) -> Vec<Step> {
    let options = [format!("--port={port}"), format!("--visitors={VISITORS}"), "--list-beacons".to_owned()];
    let output = Command::new(programs::demo()).args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The host under which browsers reach the shop.
fn shop_host(port: u16) -> String {
    format!("shop.{SITE}:{port}")
}

async fn published_numbers_are_those_that_were_played(demo: &Product, day: jiff::civil::Date) {
    let truth = Truth::of_yesterday(demo.ports.collector);
    let of_the_vault: Vec<Value> = demo
        .vault(&format!(
            "SELECT toUInt32(count()) AS events, toUInt32(countIf(type = 'view')) AS views,
                toUInt32(uniqExactIf(visit, type = 'view' AND step = 1)) AS visits,
                toUInt32(uniqExactIf(visitor, confirmed)) AS visitors,
                toUInt32((SELECT sum(count) FROM tallies WHERE day = '{day}' AND reason = 'count_only')) AS count_only
            FROM events WHERE day = '{day}' AND suspect = ''"
        ))
        .await
        .unwrap();
    let Truth { events, views, visits, visitors, count_only, .. } = truth;
    let played = serde_json::json!({
        "events": events, "views": views, "visits": visits, "visitors": visitors, "count_only": count_only,
    });
    assert_eq!(of_the_vault, [played], "the vault holds yesterday as it was played");

    let tables = [
        "site",
        "hours",
        "pages",
        "transitions",
        "entries",
        "landings",
        "campaigns",
        "places",
        "clients",
        "devices",
        "visits",
        "recency",
        "retention",
        "events",
        "funnels",
        "pairs",
        "attributes",
        "quality",
        "publications",
    ];
    let mut published = HashMap::new();
    for table in tables {
        let mut rows: Vec<Value> = demo.stats(&format!("SELECT * FROM {table} WHERE day = '{day}'")).await.unwrap();
        rows.retain(|row| row.get("carried_to").is_none_or(|last| *last == row["day"]));
        assert!(!rows.is_empty(), "{table} is empty");
        for row in &rows {
            assert_eq!(row["site"], SITE);
        }
        published.insert(table, rows);
    }

    let [site] = published["site"].as_slice() else { panic!("one window: {:?}", published["site"]) };
    for (column, truth) in
        [("views", views), ("visits", visits), ("visitors", visitors), ("count_only_views", count_only)]
    {
        let Some(shown) = site[column].as_i64() else { continue };
        // Views of a visitor beyond thirty and visits beyond three are not counted.
        assert!(shown.abs_diff(truth as i64) <= 3 * NOISE_MAX, "{column}: {shown} is published, {truth} were played");
    }
    assert!(site["views"].is_i64() && site["visitors"].is_i64(), "{site}");
    for (table, column, truth) in [
        ("hours", "views", views),
        ("pages", "views", views),
        ("entries", "visits", visits),
        ("places", "visitors", visitors),
        ("clients", "visitors", visitors),
        ("devices", "visitors", visitors),
        ("recency", "visitors", visitors),
        ("retention", "visitors", visitors),
        ("landings", "visits", visits),
        ("campaigns", "visits", visits),
        ("visits", "visits", visits),
    ] {
        let sum: i64 = published[table].iter().filter_map(|row| row[column].as_i64()).sum();
        assert!(sum.abs_diff(truth as i64) <= 3 * NOISE_MAX, "{table}.{column}: the sum is {sum}, not {truth}");
    }
    for row in &published["pages"] {
        let path = row["path"].as_str().unwrap();
        if path != "(other)" {
            let shown = row["views"].as_i64().unwrap();
            let truth = truth.by_path.get(path).copied().unwrap_or_else(|| panic!("{path} was not played"));
            // Of one visitor three views of a page are counted.
            let range = truth as i64 * 3 / 4 - 2 * NOISE_MAX as i64..=(truth + 2 * NOISE_MAX) as i64;
            assert!(range.contains(&shown), "{path}: {shown} views are published, {truth} were played");
        }
    }
    println!(
        "yesterday, played and in the vault: {events} events, {views} views, {visits} visits, {visitors} visitors"
    );
}

// ---------------------------------------------------------------------------------------------------------------------
// A real browser

#[derive(Clone, Debug, Deserialize)]
struct Row {
    visitor: String,
    visit: String,
    confirmed: bool,
    #[serde(rename = "type")]
    kind: String,
    path: String,
    previous_path: String,
    step: u8,
    engaged_s: u16,
    entry_channel: String,
    exit_domain: String,
}

/// A request of the browser to the collector, and when its answer was known.
struct Exchange {
    line: Value,
    at: Instant,
}

impl Exchange {
    fn events(&self) -> impl Iterator<Item = &str> {
        self.line["events"].as_array().unwrap().iter().map(|event| event.as_str().unwrap())
    }
}

async fn a_visit_arrives_whole(demo: &mut Product) {
    stay_clear_of_midnight(Duration::from_secs(60)).await;
    let before = visitors(demo).await;
    let shop = format!("http://{}", shop_host(demo.ports.collector));
    let walk = tokio::task::spawn_blocking(move || browse(&["--dwell", "0.3", "--linger", "6", &shop]));
    // Rows are looked for while the browser still walks, to know how soon they come.
    let mut arrived = Vec::new();
    while !walk.is_finished() {
        arrived.push((Instant::now(), rows_of_new_visitors(demo, &before).await.len()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let exchanges = walk.await.unwrap();
    assert!(exchanges.iter().all(|exchange| exchange.line["outcome"] == "accepted"), "every beacon is kept");
    let sent: usize = exchanges.iter().map(|exchange| exchange.events().count()).sum();
    let last = exchanges.iter().map(|exchange| exchange.at).max().unwrap();
    let rows = demo
        .until("all rows of the visit are in the vault", Duration::from_secs(5), async |demo| {
            let rows = rows_of_new_visitors(demo, &before).await;
            (rows.len() >= sent).then_some(rows)
        })
        .await;
    let whole = arrived.iter().find(|(_, rows)| *rows >= sent).map_or_else(Instant::now, |(at, _)| *at);
    let lag = whole.saturating_duration_since(last);
    println!("{} beacons with {sent} events; the last was in the vault after {} ms", exchanges.len(), lag.as_millis());
    assert!(lag < Duration::from_secs(5), "{lag:?}");

    assert_eq!(rows.len(), sent, "each event is there once: {rows:#?}");
    let distinct = |of: fn(&Row) -> &str| rows.iter().map(of).collect::<HashSet<_>>().len();
    assert_eq!((distinct(|row| &row.visitor), distinct(|row| &row.visit)), (1, 1), "one visitor, one visit");
    for row in &rows {
        assert_eq!(row.entry_channel, if row.kind == "view" && row.step == 1 { "direct" } else { "" }, "{row:?}");
    }
    let mut views: Vec<_> = rows.iter().filter(|row| row.kind == "view").collect();
    views.sort_by_key(|row| row.step);
    let product = views[3].path.clone();
    assert!(product.starts_with("/product/"), "{product}");
    let walked = ["/", "/catalog", "/catalog/tea", &product, "/cart", "/checkout", "/pay/:order"];
    assert_eq!(views.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(), walked);
    assert_eq!(views.iter().map(|row| row.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(views[0].previous_path, "");
    for (view, previous) in views[1..].iter().zip(walked) {
        assert_eq!(view.previous_path, previous, "{view:?}");
    }
    // The first beacon alone had no cookie.
    let unconfirmed: Vec<_> = rows.iter().filter(|row| !row.confirmed).collect();
    assert_eq!(unconfirmed.iter().map(|row| (row.kind.as_str(), row.step)).collect::<Vec<_>>(), [("view", 1)]);
    let engaged =
        rows.iter().filter(|row| row.kind == "engage").map(|row| (row.step, row.engaged_s)).max_by_key(|e| e.1);
    assert_eq!(engaged, Some((1, 5)), "six seconds on the first page are in the bucket from five");
    let exits: Vec<_> = rows.iter().filter(|row| row.kind == "exit").map(|row| row.exit_domain.as_str()).collect();
    assert_eq!(exits, ["kaspi.kz"]);
}

async fn who_asks_not_to_be_measured_is_counted_only(demo: &mut Product) {
    let before = (visitors(demo).await, count_only(demo).await);
    let shop = format!("http://{}", shop_host(demo.ports.collector));
    let exchanges = tokio::task::spawn_blocking(move || browse(&["--dwell", "0.2", "--gpc", &shop])).await.unwrap();
    assert!(exchanges.iter().all(|exchange| exchange.line["outcome"] == "dropped"));
    let views = exchanges.iter().flat_map(Exchange::events).filter(|event| *event == "view").count() as u64;
    assert_eq!(views, 7);
    demo.until("the tally is in the vault", Duration::from_secs(5), async |demo| {
        (count_only(demo).await >= before.1 + views).then_some(())
    })
    .await;
    assert_eq!(count_only(demo).await, before.1 + views);
    assert_eq!(visitors(demo).await, before.0, "no row has a pseudonym of it");
}

/// Walks through the shop with a real Chromium; every beacon with its answer.
fn browse(arguments: &[&str]) -> Vec<Exchange> {
    let lines = walk(arguments).into_iter();
    lines.filter(|exchange| exchange.line["kind"] == "beacon").collect()
}

/// The same with whatever else the walk prints.
fn walk(arguments: &[&str]) -> Vec<Exchange> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("collector-js");
    assert!(
        folder.join("node_modules/playwright-core").exists(),
        "the packages that drive the browser are missing: scripts/prepare snippet browser"
    );
    let spawned = Command::new("node")
        .current_dir(folder)
        .arg("test/browse.mjs")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut node = spawned.unwrap_or_else(|error| panic!("cannot run node ({error}): scripts/prepare snippet browser"));
    let lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let exchanges =
        lines.map(|line| Exchange { line: serde_json::from_str(&line.unwrap()).unwrap(), at: Instant::now() });
    let exchanges = exchanges.collect();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "the walk failed: {}", String::from_utf8_lossy(&output.stderr));
    exchanges
}

/// The visitors of today and yesterday.
async fn visitors(demo: &Product) -> HashSet<String> {
    let rows: Vec<Value> = demo.vault("SELECT DISTINCT hex(visitor) AS visitor FROM events").await.unwrap();
    rows.iter().map(|row| row["visitor"].as_str().unwrap().to_owned()).collect()
}

/// The rows of visitors who were not there before.
async fn rows_of_new_visitors(demo: &Product, before: &HashSet<String>) -> Vec<Row> {
    let sql =
        "SELECT hex(visitor) AS visitor, hex(visit) AS visit, confirmed, type, path, previous_path, step, engaged_s,
            entry_channel, exit_domain
        FROM events WHERE window_end = (SELECT max(window_end) FROM events)";
    let rows: Vec<Row> = demo.vault(sql).await.unwrap();
    rows.into_iter().filter(|row| !before.contains(&row.visitor)).collect()
}

async fn count_only(demo: &Product) -> u64 {
    let sql = "SELECT toUInt32(sum(count)) AS count FROM tallies WHERE reason = 'count_only'";
    let rows: Vec<Value> = demo.vault(sql).await.unwrap();
    rows[0]["count"].as_u64().unwrap()
}

/// A visit that a midnight of the shop cuts in two is two visits, rightly.
async fn stay_clear_of_midnight(needed: Duration) {
    let now = Clock::machine().now().in_tz(TIME_ZONE).unwrap();
    let left = now.tomorrow().unwrap().start_of_day().unwrap().timestamp().as_second() - now.timestamp().as_second();
    if let Ok(left) = u64::try_from(left)
        && left < needed.as_secs()
    {
        tokio::time::sleep(Duration::from_secs(left + 2)).await;
    }
}

fn memory(demo: &Product) -> String {
    let mib = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        (field.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024).to_string()
    };
    let mut pids = vec![demo.pid()];
    pids.extend(demo.engines());
    pids.iter().map(mib).collect::<Vec<_>>().join(", ")
}
