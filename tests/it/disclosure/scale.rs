//! The long run: thirty days of four sites, days of up to ten million events, and the midnight of a thousand sites. Prints the figures of
//! `docs/publishing.md`, and writes `docs/publish-growth.md`.
//!
//! `TAMGA_SCALE_DAYS` (30), `TAMGA_SCALE_EVENTS` (10,000,000) and `TAMGA_SCALE_SITES` (1,000) make it shorter.

#[path = "../../../benches/figures.rs"]
#[allow(dead_code, reason = "a benchmark takes the middle of rounds")]
mod figures;
#[path = "../../../benches/machine.rs"]
#[allow(dead_code, reason = "a benchmark looks for what holds up a machine")]
mod machine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tamga::publish::preview;

use super::*;

/// How long a table of a day is attacked.
const ATTACKED: Duration = Duration::from_secs(20);
const SITES: [(&str, u32); 4] = [("s500.kz", 500), ("s2k.kz", 2_000), ("s20k.kz", 20_000), ("s200k.kz", 200_000)];
/// Sites of the same sizes that publish by the week.
const WEEKLY: [(&str, u32); 3] = [("w500.kz", 500), ("w2k.kz", 2_000), ("w20k.kz", 20_000)];
/// Events of the largest day.
const EVENTS: u64 = 10_000_000;
const FLAGS: [&str; 4] = ["new_day", "new_week", "new_month", "new_ever"];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[derive(Deserialize)]
struct Totals {
    events: u64,
    views: u64,
    visits: u64,
    visitors: u64,
    flags: [u64; 4],
}

async fn totals(world: &World, site: &str, day: &Window) -> Totals {
    let confirmed = "SELECT visitor FROM events WHERE site = {site:String} AND day = {day:Date} AND confirmed";
    let flags = FLAGS.map(|flag| format!("uniqExactIf(visitor, {flag} AND visitor IN ({confirmed}))")).join(", ");
    let sql = format!(
        "SELECT count() AS events, countIf(type = 'view') AS views, uniqExact(visit) AS visits,
            uniqExactIf(visitor, visitor IN ({confirmed})) AS visitors, [{flags}] AS flags
         FROM events WHERE site = {{site:String}} AND day = {{day:Date}}"
    );
    let parameters = [("site", site.to_owned()), ("day", day.first_day.to_string())];
    world.vault.rows::<Totals>(&sql, &parameters).await.unwrap().remove(0)
}

/// Bytes on disk and rows of a store, or of one of its tables, completely merged.
async fn bytes(store: &Store, table: Option<&str>) -> (u64, u64) {
    #[derive(Deserialize)]
    struct Size {
        bytes: u64,
        rows: u64,
    }
    if let Some(table) = table {
        store.execute(&format!("OPTIMIZE TABLE {table} FINAL"), &[]).await.unwrap();
    }
    let sql = "SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS rows FROM system.parts
               WHERE active AND database = currentDatabase() AND table != 'schema_migrations'
                   AND {table:String} IN ('', table)";
    let parameters = [("table", table.unwrap_or_default().to_owned())];
    let size = store.rows::<Size>(sql, &parameters).await.unwrap().remove(0);
    (size.bytes, size.rows)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes: make scale"]
async fn thirty_days_of_four_sites() {
    let days = setting("TAMGA_SCALE_DAYS", 30);
    let world = World::new().await;
    let sites =
        SITES.iter().map(|(name, _)| site(name, 24 * 60)).chain(WEEKLY.iter().map(|(name, _)| site(name, 7 * 24 * 60)));
    let mut publisher = world.publisher(sites.collect());
    let mut sums: BTreeMap<&str, ([i64; 4], [i64; 4])> = BTreeMap::new();
    let mut events = 0;
    let mut found: BTreeMap<&str, Found> = BTreeMap::new();
    let mut publishing = Duration::ZERO;
    for number in 0..days {
        let day = world.day();
        for (name, visits) in SITES {
            traffic::day(&world.vault, name, &day, day.end, visits).await;
        }
        let week = Schedule::new(ZONE, 7 * 24 * 60).unwrap().containing(day.start);
        for (name, visits) in WEEKLY {
            traffic::day(&world.vault, name, &day, week.end, visits).await;
        }
        world.end(&day).await;
        let began = Instant::now();
        publisher.pass().await;
        publishing += began.elapsed();
        for (name, _) in SITES {
            let exact = totals(&world, name, &day).await;
            events += exact.events;
            let rows = world.published("site", name, day.start).await;
            let [row] = &rows[..] else { panic!("{name} of {} is published once: {rows:?}", day.first_day) };
            for (column, exact) in [("views", exact.views), ("visits", exact.visits), ("visitors", exact.visitors)] {
                let noisy = row[column].as_i64().unwrap();
                assert!(
                    noisy.abs_diff(exact as i64) <= noise_max("site", column)[0],
                    "{name} {column}: {row} but {exact}"
                );
            }
            let sums = sums.entry(name).or_default();
            for (at, flag) in FLAGS.iter().enumerate() {
                sums.0[at] += row[*flag].as_i64().unwrap();
                sums.1[at] += exact.flags[at] as i64;
            }
            // The attack is slow: it runs on every day of the small sites and on some days of the large ones.
            let (every, most) = if *name == *"s200k.kz" {
                (15, 10)
            } else if *name == *"s20k.kz" {
                (5, 20)
            } else {
                (1, 30)
            };
            let today = look(&world, name, &day, if number % every == 0 { most } else { 0 }, ATTACKED).await;
            let all = found.entry(name).or_default();
            all.rows += today.rows;
            all.small_rows += today.small_rows;
            all.attacked += today.attacked;
            all.found += today.found;
        }
        if number == 1 {
            previews(&world).await;
        }
        println!("day {number}: {events} events so far, {} s of publishing; {found:?}", publishing.as_secs());
    }
    for (name, (published, exact)) in &sums {
        println!("FIGURES {name}: sums of {FLAGS:?} are {published:?}, {exact:?} in exact");
        for at in 0..4 {
            assert!(
                published[at].abs_diff(exact[at]) <= noise_max("site", FLAGS[at])[0] * (days.isqrt() + 1),
                "{name}: {} {published:?} but {exact:?}",
                FLAGS[at]
            );
        }
    }
    weekly(&world).await;
    let stats_bytes = bytes(&world.stats, None).await;
    println!(
        "FIGURES {events} events of {days} days; stats {} bytes in {} rows: {:.2} bytes an event",
        stats_bytes.0,
        stats_bytes.1,
        stats_bytes.0 as f64 / events as f64
    );
    println!("FIGURES {} s of publishing", publishing.as_secs());
    for (name, found) in &found {
        println!("FIGURES {name}: {found:?}");
        assert_eq!((found.small_rows, found.found), (0, 0), "{name}");
    }
}

/// What a day takes in the vault. Its visits have a row of `attributes` for place, client, device and hour each.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: make scale"]
async fn a_day_of_two_hundred_thousand_visits_in_the_vault() {
    let world = World::new().await;
    let (day, (name, visits)) = (world.day(), SITES[3]);
    traffic::day(&world.vault, name, &day, day.end, visits).await;
    let events = totals(&world, name, &day).await.events as f64;
    let (mut all_bytes, mut all_rows) = (0, 0);
    for table in ["events", "attributes", "tallies"] {
        let (bytes, rows) = bytes(&world.vault, Some(table)).await;
        let a_visit = |amount: u64| amount as f64 / f64::from(visits);
        println!(
            "FIGURES {table}: {rows} rows, {:.1} bytes a row, {:.1} rows and {:.0} bytes a visit",
            bytes as f64 / rows.max(1) as f64,
            a_visit(rows),
            a_visit(bytes)
        );
        (all_bytes, all_rows) = (all_bytes + bytes, all_rows + rows);
    }
    println!(
        "FIGURES {events} events of {visits} visits: {:.1} bytes and {:.2} rows an event",
        all_bytes as f64 / events,
        all_rows as f64 / events
    );
}

/// What each choice of `publish_every` would publish of a day, by size of site.
async fn previews(world: &World) {
    for (name, _) in &SITES[..3] {
        let choices = preview::of_yesterday(&world.vault, &site(name, 24 * 60), world.clock.now()).await.unwrap();
        for line in preview::describe(name, &choices).lines() {
            println!("FIGURES {line}");
        }
        let day = choices.iter().find(|choice| choice.name == "24h").unwrap();
        if *name == "s20k.kz" {
            for (table, column) in [("pages", "views"), ("hours", "views"), ("retention", "visitors")] {
                for level in &day.levels {
                    let percent = level.percent(table, column);
                    assert!(percent >= Some(90), "{table}: {percent:?}");
                }
            }
        }
    }
}

/// What the sites with windows of 7 days publish.
async fn weekly(world: &World) {
    for (name, _) in WEEKLY {
        #[derive(Deserialize)]
        struct Share {
            named: i64,
            every: i64,
        }
        let sql = "SELECT sumIf(views, path != '(other)') AS named, sum(views) AS every FROM pages WHERE site = {site:String}";
        let share: Vec<Share> = world.stats.rows(sql, &[("site", name.to_owned())]).await.unwrap();
        println!("FIGURES {name}, 7d: {} of {} views in pages by name", share[0].named, share[0].every);
    }
}

/// Waits until parts are merged as if the day had arrived within a day and not within a minute.
async fn merged(store: &Store) {
    #[derive(Deserialize)]
    struct Merges {
        count: u64,
    }
    while store.rows::<Merges>("SELECT count() AS count FROM system.merges", &[]).await.unwrap()[0].count > 0 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What the publication of a day took.
struct Published {
    events: u64,
    rows: u64,
    seconds: f64,
    processor_seconds: f64,
    engine_mib: u64,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make scale"]
async fn days_of_growing_size_are_published_while_more_come() {
    let most = setting("TAMGA_SCALE_EVENTS", EVENTS);
    let mut published = Vec::new();
    for part in [100, 10, 3, 1] {
        let day = one_day(u32::try_from(most / part * 100 / 471).unwrap()).await;
        println!(
            "FIGURES {} events in {} rows published in {:.1} s, {:.1} s of processor; engine {} MiB at most; load {}",
            day.events,
            day.rows,
            day.seconds,
            day.processor_seconds,
            day.engine_mib,
            load(),
        );
        published.push(day);
    }
    if most == EVENTS {
        write(&published);
    }
}

/// Publishes a day of so many visits in an engine of its own. Meanwhile a batch of a hundred visits of the next day arrives every half
/// second.
async fn one_day(visits: u32) -> Published {
    let world = World::new().await;
    let day = world.day();
    traffic::day(&world.vault, "big.kz", &day, day.end, visits).await;
    merged(&world.vault).await;
    let (_, rows) = bytes(&world.vault, None).await;
    let totals = totals(&world, "big.kz", &day).await;
    world.end(&day).await;
    let stop = Arc::new(AtomicBool::new(false));
    let coming = tokio::spawn({
        let (vault, stop, next) = (world.vault.clone(), stop.clone(), world.day());
        async move {
            while !stop.load(Ordering::Relaxed) {
                traffic::day(&vault, "big.kz", &next, next.end, 100).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    });
    let publisher = world.publisher(vec![site("big.kz", 24 * 60)]);
    world.engine.forget_peak();
    let (began, cpu) = (Instant::now(), processor(&world));
    // A slice that needs too much memory is tried again with smaller ones.
    let mut tries = 1;
    while let Err(error) = publisher.advance(0).await {
        println!("after {:.1} s: {error}", began.elapsed().as_secs_f64());
        tries += 1;
        assert!(tries < 8, "{error}");
    }
    let (took, processor_seconds) = (began.elapsed(), processor(&world) - cpu);
    stop.store(true, Ordering::Relaxed);
    coming.await.unwrap();
    assert_eq!(world.published("site", "big.kz", day.start).await.len(), 1);
    let engine_mib = world.engine.resident_mib().1;
    Published { events: totals.events, rows, seconds: took.as_secs_f64(), processor_seconds, engine_mib }
}

/// Writes `docs/publish-growth.md` and its picture.
fn write(days: &[Published]) {
    let mut page = format!(
        "# How long the publication of a day takes\n\n<!-- Written by `make scale`. -->\n\n\
         One site with everything that can be declared, published by the day, on an embedded engine; a day of so many events is in \
         the vault, and meanwhile a hundred visits of the next one arrive every half second. One run each, in an engine of its own.\n\n\
         ![Seconds and memory](publish-growth.svg)\n\nMachine: {}.\n\n\
         | events of the day | rows in the vault | seconds | of processor | engine, MiB at most |\n|--:|--:|--:|--:|--:|\n",
        machine::description(),
    );
    for Published { events, rows, seconds, processor_seconds, engine_mib } in days {
        page += &format!("| {events} | {rows} | {seconds:.1} | {processor_seconds:.1} | {engine_mib} |\n");
    }
    let points = days.iter().map(|day| {
        let millions = format!("{:.1} million", day.events as f64 / 1e6);
        (millions, [day.seconds, day.engine_mib as f64])
    });
    let curve = figures::Curve { name: "events of a day".to_owned(), points: points.collect() };
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::write(docs.join("publish-growth.md"), page).unwrap();
    let title = "Seconds until a day is published (green), and MiB of the engine at most (sand)";
    std::fs::write(docs.join("publish-growth.svg"), figures::curves(title, &[curve])).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make scale"]
async fn a_thousand_sites_publish_their_midnight() {
    let world = World::new().await;
    let day = world.day();
    let names: Vec<_> = (0..setting("TAMGA_SCALE_SITES", 1_000)).map(|at| format!("t{at}.kz")).collect();
    for name in &names {
        traffic::day(&world.vault, name, &day, day.end, 2_000).await;
    }
    merged(&world.vault).await;
    world.end(&day).await;
    let mut publisher = world.publisher(names.iter().map(|name| site(name, 24 * 60)).collect());
    let (began, cpu, asked) = (Instant::now(), processor(&world), statements(&world).await);
    publisher.pass().await;
    let (took, asked) = (began.elapsed(), statements(&world).await - asked);
    #[derive(Deserialize)]
    struct Count {
        count: usize,
    }
    let published: Vec<Count> = world.stats.rows("SELECT count() AS count FROM publications", &[]).await.unwrap();
    assert_eq!(published[0].count, names.len(), "each site has published its day");
    println!(
        "FIGURES {} sites of 2,000 visits published their day in {:.1} s, {:.1} s of processor, {} statements each; engine \
         {:?} MiB; load {}",
        names.len(),
        took.as_secs_f64(),
        processor(&world) - cpu,
        asked / names.len() as u64,
        world.engine.resident_mib(),
        load(),
    );
}

/// How many statements the engine has carried out since its start.
async fn statements(world: &World) -> u64 {
    #[derive(Deserialize)]
    struct Value {
        value: u64,
    }
    let sql = "SELECT value FROM system.events WHERE event = 'Query'";
    world.stats.rows::<Value>(sql, &[]).await.unwrap()[0].value
}

/// The processes that wanted a processor in the last minute: what else went on on this machine.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').next().unwrap().to_owned()
}

/// Processor time of the engine and of this process, in seconds.
fn processor(world: &World) -> f64 {
    machine::cpu_seconds(&[world.engine.pid(), std::process::id()])
}
