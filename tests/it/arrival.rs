//! Can somebody who watches the vault pair the rows of one beacon by when and in which order they arrive? And how long do
//! rows wait for that?

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tamga::record::{Partition, SCHEMA_VERSION, Stream, Table};
use tamga::secret::Secret;
use tamga::spool::{self, DeliveryLimits, Frame, Options, Reader, StreamKey, Windows, Writer};
use tamga::store::{DeadLetters, Shipper, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::ship::{self, Ship, clock, today};
use crate::support::vault::{EngineFixture, number};

const VISITS: u8 = 12;

/// Windows that have always ended: what waits leaves as one crowd, and at once.
struct Ended;

impl Windows for Ended {
    fn now_ms(&self) -> i64 {
        clock().now_ms()
    }

    fn around(&self, at_ms: i64) -> (i64, i64) {
        (0, at_ms)
    }
}

fn open(folder: &Path, linger: Duration, crowds: bool) -> (Writer, Reader) {
    let keys = spool::Keys::new(Secret::new([7; 32]), []);
    let windows = crowds.then(|| Arc::new(Ended) as Arc<dyn Windows>);
    let options = Options { linger, windows, ..Options::new(16 << 30, SCHEMA_VERSION, keys) };
    let (writer, reader, _) = spool::open(&folder.join("spool"), options, Arc::new(spool::Disk)).unwrap();
    (writer, reader)
}

/// The bytes of the row that the tests of `src/record` have for a table.
fn sample(table: Table) -> Vec<u8> {
    let text = std::fs::read_to_string(format!("tests/fixtures/rows/{}.hex", table.name())).unwrap();
    let line = text.split_whitespace().next().unwrap();
    (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
}

/// A frame with a row of this pseudonym, at a site with a name of nine bytes.
fn frame(table: Table, attribute: &str, site: &str, visitor: [u8; 16], sample: &[u8]) -> Frame {
    let mut row = sample.to_vec();
    assert_eq!((row[0], site.len()), (9, 9), "the sample's site is as long");
    row[1..10].copy_from_slice(site.as_bytes());
    let mark = if table == Table::Events { [0x11; 16] } else { [0x33; 16] };
    let at = row.windows(16).position(|bytes| bytes == mark).expect("the sample's pseudonym");
    row[at..at + 16].copy_from_slice(&visitor);
    let partition = Partition { table, day: today(), until: today() };
    let label = Stream { partition, attribute: attribute.to_owned() }.label();
    let mut frame = Frame::new(StreamKey::new(&label).unwrap());
    frame.push(&row);
    frame
}

/// A pseudonym in a key domain. Only this test knows to which visit it belongs.
fn pseudonym(domain: &str, visit: u8) -> [u8; 16] {
    let hash = blake3::derive_key(domain, &[visit]);
    hash[..16].try_into().unwrap()
}

/// What somebody sees who reads two tables again and again: pseudonyms, in groups of those that appeared together.
#[derive(Default)]
struct Watcher {
    groups: [Vec<Vec<String>>; 2],
    seen: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
}

impl Watcher {
    async fn look(&mut self, vault: &Store) {
        for (groups, table) in self.groups.iter_mut().zip(["events", "attributes"]) {
            let sql = format!("SELECT hex(visitor) AS id FROM {table} ORDER BY _part, _part_offset");
            let rows: Vec<Row> = vault.rows(&sql, &[]).await.unwrap();
            let new: Vec<String> =
                rows.into_iter().map(|row| row.id).filter(|id| self.seen.insert(id.clone())).collect();
            groups.extend((!new.is_empty()).then_some(new));
        }
    }

    async fn until(&mut self, vault: &Store, visits: usize) {
        while self.seen.len() < 2 * visits {
            self.look(vault).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many visits are put together rightly: the groups of the two tables in their order, and so the rows of two groups.
    fn right(&self) -> usize {
        let hex = |bytes: [u8; 16]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        let visits: BTreeMap<String, String> =
            (0..VISITS).map(|visit| (hex(pseudonym("what was done", visit)), hex(pseudonym("place", visit)))).collect();
        let pairs = self.groups[0].iter().zip(&self.groups[1]).flat_map(|(one, other)| one.iter().zip(other));
        pairs.filter(|(done, place)| visits[*done] == **place).count()
    }
}

/// How many of the visits somebody pairs rightly.
async fn paired(linger: Duration, one_by_one: bool) -> usize {
    let fixture = EngineFixture::start().await;
    let vault = fixture.vault().await;
    let folder = tempfile::tempdir().unwrap();
    let (writer, reader) = open(folder.path(), linger, false);
    let ship = Ship::start_with(vault.clone(), folder.path(), reader);
    let (events, attributes) = (sample(Table::Events), sample(Table::Attributes));
    let mut watcher = Watcher::default();
    for visit in 0..VISITS {
        let beacon = vec![
            frame(Table::Events, "", "jetpay.kz", pseudonym("what was done", visit), &events),
            frame(Table::Attributes, "place", "jetpay.kz", pseudonym("place", visit), &attributes),
        ];
        writer.enter(0).append(beacon).await.unwrap();
        if one_by_one {
            watcher.until(&vault, usize::from(visit) + 1).await;
        }
    }
    watcher.until(&vault, VISITS.into()).await;
    ship.stop().await;
    fixture.stop().await;
    watcher.right()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_beacon_cannot_be_paired_by_when_they_arrive() {
    // The control: rows that do not wait are all paired, if no two beacons come at once.
    assert_eq!(paired(Duration::ZERO, true).await, usize::from(VISITS));
    // In a random order one is right on average, and nine or more once in 900,000 times.
    let right = paired(Duration::from_secs(12), false).await;
    println!("{right} of {VISITS} pairs right");
    assert!(right < 9, "{right} of {VISITS}");
}

const NUMBERS: u32 = 400;

/// Brings rows that arrived one by one to the vault, in inserts of some 25. Returns how much the order of arrival has to do with
/// where they lie there, as correlations: by block and place in it; by place among the rows of one insert; by the insert's own number; and
/// by its size.
async fn order_in_the_vault(crowds: bool) -> [f64; 4] {
    #[derive(Deserialize)]
    struct Row {
        number: u32,
        batch: u64,
    }
    let fixture = EngineFixture::start().await;
    let vault = fixture.vault().await;
    let folder = tempfile::tempdir().unwrap();
    let (writer, reader) = open(folder.path(), Duration::ZERO, crowds);
    for number in 0..NUMBERS {
        // They differ in nothing that a table is sorted by, so they lie as they were inserted.
        ship::append(&writer, today(), "count_only", number..number + 1).await;
    }
    let limits = DeliveryLimits { max_rows: if crowds { 50 } else { 25 }, ..DeliveryLimits::default() };
    let (stop, task) = ship(&vault, folder.path(), reader, limits);
    while writer.usage().accounting.settled.stored < NUMBERS.into() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    task.await.unwrap();
    let sql = "SELECT count AS number, batch FROM tallies ORDER BY toUInt64(splitByChar('_', _part)[-3]), _part_offset";
    let rows: Vec<Row> = vault.rows(sql, &[]).await.unwrap();
    fixture.stop().await;
    assert_eq!(rows.len(), NUMBERS as usize);
    let mut batches: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    rows.iter().for_each(|row| batches.entry(row.batch).or_default().push(row.number.into()));
    assert!(batches.len() >= 10, "{} inserts", batches.len());
    let place = rows.iter().enumerate().map(|(place, row)| (place as f64, f64::from(row.number)));
    let within = batches.values().flat_map(|numbers| {
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let middle = (numbers.len() - 1) as f64 / 2.0;
        numbers.iter().enumerate().map(move |(place, number)| (place as f64 - middle, number - mean))
    });
    let by_number = batches.values().enumerate();
    let by_number = by_number.flat_map(|(place, of)| of.iter().map(move |number| (place as f64, *number)));
    let by_size = batches.values().flat_map(|of| of.iter().map(move |number| (of.len() as f64, *number)));
    [place.collect::<Vec<_>>(), within.collect(), by_number.collect(), by_size.collect()]
        .map(|pairs| correlation(&pairs))
}

/// Pearson's correlation; of places and numbers without gaps it is Spearman's. 0 if nothing varies.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let of = |value: fn(&(f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / pairs.len() as f64;
    let (x, y) = (of(|pair| pair.0), of(|pair| pair.1));
    let sum = |value: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|pair| value(pair.0 - x, pair.1 - y)).sum::<f64>();
    let spread = (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
    if spread > 0.0 { sum(&|x, y| x * y) / spread } else { 0.0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_row_of_a_crowd_lies_in_the_vault_says_nothing_of_when_it_came() {
    // The control: without a crowd inserts follow the order of arrival.
    let control = order_in_the_vault(false).await;
    assert!(control[0] > 0.9, "{control:?}");
    let crowd = order_in_the_vault(true).await;
    println!("correlations of a crowd {crowd:.2?}, without one {control:.2?}");
    // Of 400 rows in no order a correlation is within 0.35 but for once in 10¹¹ times; by size, of some 16 inserts, within 0.35 too, as
    // a mean of 25 rows varies a fifth as much as a row.
    assert!(crowd.iter().all(|found| found.abs() < 0.35), "{crowd:?}");
}

/// Many sites, the rows of whose beacons go through the spool to a real vault. A figure to look at, not a bar.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it with --nocapture; TAMGA_RATE gives the beacons a second, TAMGA_SECONDS for how long"]
async fn measure_a_thousand_sites() {
    let given = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (rate, seconds) = (given("TAMGA_RATE", 1_000), given("TAMGA_SECONDS", 600));
    let fixture = EngineFixture::start().await;
    let vault = fixture.vault().await;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (writer, reader) = open(folder.path(), Duration::from_secs(30), false);
    let (stop, task) = ship(&vault, folder.path(), reader, DeliveryLimits::default());
    let parts = "SELECT count() AS number FROM system.parts WHERE active AND database = 'tamga_vault'";
    let (begun, sent) = (Instant::now(), AtomicU64::new(0));
    let (mut most_parts, mut longest, mut looked) = (0, 0, 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        send(&writer, &sent, rate * begun.elapsed().as_millis() as u64 / 1000, begun).await;
        if looked < begun.elapsed().as_secs() {
            looked = begun.elapsed().as_secs();
            most_parts = most_parts.max(number(&vault, parts).await);
            let now = arrival(begun);
            longest = longest.max(now - writer.watermark(now));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let usage = writer.usage();
    println!(
        "{} beacons, {} rows in {seconds} s: waited at most {longest} ms, {most_parts} parts, {} rows in the spool",
        sent.load(Ordering::Relaxed),
        usage.accounting.accepted,
        usage.accounting.spooled
    );
    stop.cancel();
    task.await.unwrap();
    drop(writer);
    fixture.stop().await;
}

/// What waited until the window of a thousand sites ended, or an outage, goes to a real vault. Figures to look at; the bar of speed is a
/// matter of the machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it optimised and with --nocapture; TAMGA_ROWS gives how many rows wait"]
async fn measure_the_drain_of_a_window() {
    let rows = std::env::var("TAMGA_ROWS").map_or(5_000_000, |text| text.parse().unwrap());
    for (crowds, what) in [(true, "as one crowd"), (false, "in the order of arrival")] {
        let fixture = EngineFixture::start().await;
        let vault = fixture.vault().await;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (writer, reader) = open(folder.path(), Duration::ZERO, crowds);
        let (begun, sent) = (Instant::now(), AtomicU64::new(0));
        while writer.usage().accounting.spooled < rows {
            send(&writer, &sent, sent.load(Ordering::Relaxed) + 200, begun).await;
        }
        let (bytes, waiting) = (writer.usage().bytes, writer.usage().accounting.spooled);
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let (since, mut most_parts) = (Instant::now(), 0);
        let (stop, task) = ship(&vault, folder.path(), reader, DeliveryLimits::default());
        while writer.usage().accounting.spooled > 0 {
            let parts = "SELECT count() AS number FROM system.parts WHERE active AND database = 'tamga_vault'";
            most_parts = most_parts.max(number(&vault, parts).await);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let took = since.elapsed().as_secs_f64();
        stop.cancel();
        task.await.unwrap();
        let [own, engine] = peaks_mib();
        println!(
            "{waiting} rows of {} beacons, {} bytes a row, {what}: {:.0} rows a second, {took:.0} s; {most_parts} parts; at most \
             {own} MiB here with what filled the spool, {engine} MiB in the engine",
            sent.load(Ordering::Relaxed),
            bytes / waiting,
            waiting as f64 / took,
        );
        assert!(most_parts < 1_000, "{most_parts} parts");
        assert_eq!(writer.usage().accounting.settled.stored, waiting);
        fixture.stop().await;
    }
}

/// The most memory of this process since its peak was forgotten, and of the largest process that it started, in MiB.
fn peaks_mib() -> [u64; 2] {
    let of = |process: &str| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
        };
        (field("PPid:"), field("VmHWM:") / 1024)
    };
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let own = u64::from(std::process::id());
    let children = processes.map(|name| of(&name.to_string_lossy())).filter(|(parent, _)| *parent == own);
    [of("self").1, children.map(|(_, peak)| peak).max().unwrap_or_default()]
}

/// The time by the shipper's clock, which stands still, as if it went on.
fn arrival(begun: Instant) -> i64 {
    clock().now_ms() + begun.elapsed().as_millis() as i64
}

fn ship(
    vault: &Store,
    folder: &Path,
    reader: Reader,
    limits: DeliveryLimits,
) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let (stop, (_silent, wake)) = (CancellationToken::new(), watch::channel(0));
    let dead_letters = DeadLetters::new(&folder.join("dead-letters"), reader.keys());
    let shipper = Shipper::new(vault.clone(), "node", clock(), dead_letters, wake, stop.clone());
    (stop, tokio::spawn(shipper.with_limits(limits).run(reader)))
}

/// Sends beacons until so many are sent, of a thousand sites: seven rows each, and sixty more with a device part, as one in
/// five has.
async fn send(writer: &Writer, sent: &AtomicU64, wanted: u64, begun: Instant) {
    let (events, attributes) = (sample(Table::Events), sample(Table::Attributes));
    let mut appends = tokio::task::JoinSet::new();
    while sent.load(Ordering::Relaxed) < wanted {
        let beacon = sent.fetch_add(1, Ordering::Relaxed);
        let site = format!("s{:05}.kz", beacon % 1000);
        let mut random = [0; 16];
        getrandom::fill(&mut random).unwrap();
        let mut frames = vec![frame(Table::Events, "", &site, random, &events)];
        for number in 0..if beacon.is_multiple_of(5) { 66 } else { 6 } {
            random[0] ^= number;
            frames.push(frame(Table::Attributes, &format!("a{number}"), &site, random, &attributes));
        }
        appends.spawn(writer.enter(arrival(begun)).append(frames));
        // The spool refuses more than wait for it.
        if appends.len() >= 1_000 {
            appends.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(answer) = appends.join_next().await {
        answer.unwrap().unwrap();
    }
}
