//! Are expired rows gone on time, for queries and on the disk, and does an erasure leave no trace of the person?

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use tamga::clock::Clock;
use tamga::config::Retention;
use tamga::items::Items;
use tamga::publish::{PublishedSite, RetentionWorker, Schedule};
use tamga::record::{self, Partition, Table};
use tamga::spool::{Frame, StreamKey};
use tamga::store::{self, STATS, STATS_MIGRATIONS, Store};

use crate::row_accounting::event;
use crate::support::ship::{Ship, open, today};
use crate::support::vault::{EngineFixture, number};

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn site() -> PublishedSite {
    site_of("shop.kz", "Asia/Almaty", 24 * 60)
}

fn site_of(domain: &str, zone: &str, minutes: u32) -> PublishedSite {
    PublishedSite {
        domain: domain.to_owned(),
        time_zone: zone.to_owned(),
        schedule: Schedule::new(zone, minutes).unwrap(),
        items: Items::of(Some("jetpay"), None).unwrap(),
        protection: Default::default(),
        identity: Default::default(),
        goals: Default::default(),
        funnels: Default::default(),
        experiments: Vec::new(),
        pairs: Vec::new(),
    }
}

async fn stats(fixture: &EngineFixture) -> Store {
    let stats = fixture.store(STATS).await;
    store::apply(&stats, STATS_MIGRATIONS, &Clock::machine()).await.unwrap();
    stats
}

/// Rows of a table of published numbers that are older, by their windows' ends, than so many months before a moment.
async fn too_old(stats: &Store, table: &str, months: u32, at: Timestamp) -> u64 {
    let sql = format!(
        "SELECT count() AS number FROM {table} WHERE window_end + toIntervalMonth({months}) <= toDateTime({})",
        at.as_second()
    );
    number(stats, &sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn published_numbers_are_unreadable_a_minute_after_their_deadline() {
    let fixture = EngineFixture::start().await;
    let (vault, stats) = (fixture.vault().await, stats(&fixture).await);
    let tables = ["site", "pages", "publications"];
    // Two years of days, the last of which is over now, by the machine's clock: what is older the engine takes itself.
    let now = Timestamp::from_second(Clock::machine().now().as_second() / 86_400 * 86_400).unwrap();
    for (table, more, values) in [
        ("site", "visitors", "15"),
        ("pages", "path, views", "'/', 15"),
        ("publications", "published_at, complete, events", "window_end, true, 15"),
    ] {
        let sql = format!(
            "INSERT INTO {table} (site, window_start, window_end, {more}) SELECT 'shop.kz', toDateTime({end}) \
             - toIntervalDay(number + 1) AS start, toDateTime({end}) - toIntervalDay(number) AS window_end, {values} \
             FROM numbers(700)",
            end = now.as_second()
        );
        stats.execute(&sql, &[]).await.unwrap();
    }
    let clock = Clock::simulated(now);
    let keep = |stats_months| {
        let retention = Retention { stats_months, ..Retention::default() };
        RetentionWorker::new(vault.clone(), stats.clone(), clock.clone(), vec![site()], retention)
    };
    assert_eq!(keep(25).pass().await.unwrap(), 0, "nothing has expired yet");

    // The oldest window ended 699 days ago. A second before its 25 months are over, and a minute after that.
    let first_due = Timestamp::from_second(
        number(&stats, "SELECT toUnixTimestamp(min(window_end) + toIntervalMonth(25)) AS number FROM site").await
            as i64,
    )
    .unwrap();
    clock.advance_to(first_due - 1.second());
    assert_eq!(keep(25).pass().await.unwrap(), 0);
    clock.advance_to(first_due + 60.seconds());
    assert_eq!(keep(25).pass().await.unwrap(), 3, "one in each table");
    for table in tables {
        assert_eq!(too_old(&stats, table, 25, clock.now()).await, 0);
        assert_eq!(number(&stats, &format!("SELECT count() AS number FROM {table}")).await, 699, "{table}");
    }
    // A shorter time takes effect at once; a longer one than three years is three years.
    keep(12).pass().await.unwrap();
    assert_eq!(too_old(&stats, "pages", 12, clock.now()).await, 0);
    assert!(number(&stats, "SELECT count() AS number FROM pages").await > 300);
    clock.advance_to(now + (36 * 31 * 24).hours());
    keep(600).pass().await.unwrap();
    for table in tables {
        assert_eq!(number(&stats, &format!("SELECT count() AS number FROM {table}")).await, 0, "{table}");
    }
    let parts =
        "SELECT sum(rows) AS number FROM system.parts WHERE active AND database = 'tamga_stats' AND table = 'pages'";
    assert_eq!(number(&stats, parts).await, 0);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_gives_the_tables_the_configured_time_to_live_and_never_more_than_three_years() {
    let fixture = EngineFixture::start().await;
    let stats = stats(&fixture).await;
    let tables = number(
        &stats,
        "SELECT count() AS number FROM system.columns WHERE database = 'tamga_stats' AND name = 'window_end'",
    )
    .await;
    for (configured, applied, changed) in [(25, 25, 0), (13, 13, tables), (13, 13, 0), (400, 36, tables)] {
        let retention = Retention { stats_months: configured, ..Retention::default() };
        assert_eq!(u64::from(store::retain(&stats, retention).await.unwrap()), changed, "{configured}");
        let sql = format!(
            "SELECT count() AS number FROM system.tables WHERE database = 'tamga_stats' \
             AND position(create_table_query, 'TTL window_end + toIntervalMonth({applied})') > 0"
        );
        assert_eq!(number(&stats, &sql).await, tables, "{configured}");
    }
    // A part knows when its last row expires.
    let sql =
        "INSERT INTO site (site, window_start, window_end, visitors) VALUES ('shop.kz', today() - 1, today(), 15)";
    stats.execute(sql, &[]).await.unwrap();
    let last = "SELECT count() AS number FROM system.parts WHERE active AND table = 'site' \
                AND delete_ttl_info_max = toDateTime(today()) + toIntervalMonth(36)";
    assert_eq!(number(&stats, last).await, 1);
    fixture.stop().await;
}

/// Files under a folder that hold any of the needles, the spool's left out.
fn holding(folder: &Path, needles: &[&[u8]]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, needles));
        } else if let Ok(bytes) = std::fs::read(&path)
            && needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == *needle))
        {
            found.push(path);
        }
    }
    found
}

/// How long the engine may take to remove the files of what is gone; ten minutes are promised.
const FILES_GONE: Duration = Duration::from_secs(600);

async fn gone_from(folder: &Path, needles: &[&[u8]]) {
    let since = Instant::now();
    loop {
        let left = holding(folder, needles);
        if left.is_empty() {
            break;
        }
        assert!(since.elapsed() < FILES_GONE, "{left:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("gone from the folder after {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_pseudonym_is_in_no_file_of_the_vault_and_in_no_statement() {
    let fixture = EngineFixture::start().await;
    let vault = fixture.vault().await;
    let folder = tempfile::tempdir().unwrap();
    let canary: [u8; 16] = *b"canary of erase!";
    let text: String = canary.iter().map(|byte| format!("{byte:02x}")).collect();
    let partition = Partition { table: Table::Events, day: today(), until: today() };
    let stream = record::Stream { partition, attribute: String::new() };
    let stream = StreamKey::new(&stream.label()).unwrap();
    let (writer, reader) = open(folder.path());
    let ship = Ship::start_with(vault.clone(), folder.path(), reader);
    let mut frame = Frame::new(stream.clone());
    for visitor in [canary, [2; 16], canary] {
        frame.push(&event(visitor));
    }
    writer.enter(0).append(vec![frame]).await.unwrap();
    ship.settled(&writer).await;
    let data = fixture.folder.path().join("vault");
    let needles: [&[u8]; 3] = [&canary, text.as_bytes(), text.to_uppercase().leak().as_bytes()];
    assert!(!holding(&data, &needles).is_empty(), "the search finds what is there");

    // Of several pseudonyms, of which the vault has one.
    let pseudonyms = record::erasure("jetpay.kz", &[canary, [3; 16], [4; 16]]);
    writer.enter(0).append(vec![Frame::tombstone(stream, pseudonyms)]).await.unwrap();
    ship.settled(&writer).await;
    assert_eq!(number(&vault, "SELECT count() AS number FROM events").await, 1);
    assert_eq!(number(&vault, "SELECT count() AS number FROM erasures").await, 0);
    let mutations = "SELECT count() AS number FROM system.mutations WHERE database = 'tamga_vault' AND is_done";
    assert!(number(&vault, mutations).await > 0, "it was a mutation, whose file is searched too");
    gone_from(&data, &needles).await;
    assert!(!holding(&data, &[b"SELECT visitor FROM tamga_vault.erasures"]).is_empty(), "the mutation's file is there");
    ship.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_dropped_is_gone_from_the_disk() {
    let fixture = EngineFixture::start().await;
    let (vault, stats) = (fixture.vault().await, stats(&fixture).await);
    let canary: [u8; 16] = *b"canary of a day!";
    let day = "2026-11-22";
    let sql = format!(
        "INSERT INTO events (site, day, window_end, visitor) VALUES ('shop.kz', '{day}', '{day} 04:00:00', 'canary of a day!')"
    );
    vault.execute(&sql, &[]).await.unwrap();
    let data = fixture.folder.path().join("vault");
    assert!(!holding(&data, &[&canary]).is_empty());
    let start = moment("2026-11-21T19:00:00Z");
    let clock = Clock::simulated(start + (9 * 24 * 3600 - 1).seconds());
    let retention_worker =
        RetentionWorker::new(vault.clone(), stats, clock.clone(), vec![site()], Retention::default());
    assert_eq!(retention_worker.pass().await.unwrap(), 0, "nine days are not over");
    clock.advance_to(start + (9 * 24 * 3600 + 60).seconds());
    assert_eq!(retention_worker.pass().await.unwrap(), 1);
    assert_eq!(number(&vault, "SELECT count() AS number FROM events").await, 0);
    let parts =
        "SELECT count() AS number FROM system.parts WHERE active AND database = 'tamga_vault' AND table = 'events'";
    assert_eq!(number(&vault, parts).await, 0);
    gone_from(&data, &[&canary]).await;
    fixture.stop().await;
}

/// A day of three sites: two share a partition and midnight comes to one four hours earlier; the third publishes by the week.
#[tokio::test(flavor = "multi_thread")]
async fn sites_of_one_partition_go_each_at_its_own_time() {
    let fixture = EngineFixture::start().await;
    let (vault, stats) = (fixture.vault().await, stats(&fixture).await);
    let sites = [
        ("shop.kz", "Asia/Almaty", 24 * 60, "2026-11-20 19:00:00"),
        ("shop.de", "Europe/Berlin", 24 * 60, "2026-11-20 23:00:00"),
        ("week.kz", "Asia/Almaty", 7 * 24 * 60, "2026-11-22 19:00:00"),
    ];
    for (site, _, _, end) in sites {
        for (table, column) in [("events", ", visitor"), ("tallies", "")] {
            let value = if column.is_empty() { "" } else { ", unhex('11111111111111111111111111111111')" };
            let rows = format!(
                "INSERT INTO {table} (site, day, window_end{column}) SELECT '{site}', '2026-11-20', '{end}'{value} FROM numbers(3)"
            );
            vault.execute(&rows, &[]).await.unwrap();
        }
        let published = format!(
            "INSERT INTO publications (site, window_start, window_end, published_at, complete, events) \
             SELECT '{site}', toDateTime('{end}', 'UTC') - 3600 AS start, toDateTime('{end}', 'UTC') AS end, end + 60, true, 3"
        );
        stats.execute(&published, &[]).await.unwrap();
    }
    let known = sites.map(|(site, zone, minutes, _)| site_of(site, zone, minutes));
    let clock = Clock::simulated(moment("2026-11-20T20:00:00Z"));
    let worker =
        RetentionWorker::new(vault.clone(), stats.clone(), clock.clone(), known.to_vec(), Retention::default());
    let left = async |site: &str| {
        let rows = |table: &str| format!("SELECT count() AS number FROM {table} WHERE site = '{site}'");
        number(&vault, &rows("events")).await + number(&vault, &rows("tallies")).await
    };
    let left = async || [left("shop.kz").await, left("shop.de").await, left("week.kz").await];
    let partitions = "SELECT uniqExact(table, partition) AS number FROM system.parts \
                      WHERE active AND rows > 0 AND database = 'tamga_vault' AND table IN ('events', 'tallies')";
    assert_eq!(number(&vault, partitions).await, 4, "two of each table, for three sites");
    for (at, rows, held) in [
        ("2026-11-21T19:00:59Z", [6, 6, 6], 4),
        ("2026-11-21T19:01:00Z", [0, 6, 6], 4),
        ("2026-11-21T23:00:59Z", [0, 6, 6], 4),
        ("2026-11-21T23:01:00Z", [0, 0, 6], 2),
        ("2026-11-23T19:00:59Z", [0, 0, 6], 2),
        ("2026-11-23T19:01:00Z", [0, 0, 0], 0),
    ] {
        clock.advance_to(moment(at));
        worker.pass().await.unwrap();
        assert_eq!((left().await, number(&vault, partitions).await), (rows, held), "{at}");
    }
    fixture.stop().await;
}
