//! Is each row in the vault exactly once, whatever happens between the spool and it?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tamga::clock::Clock;
use tamga::event::{PseudonymousBeacon, Tally};
use tamga::record::{self, SCHEMA_VERSION};
use tamga::spool::{self, Frame, Lane, Options, Reader, RoundLimits, Writer};
use tamga::store::{Class, Limits, ShipStatus, Shipper, Store, VAULT};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::fake_vault::{FAULTS, FakeVault, Fault};

const NOW: &str = "2026-11-22T12:00:00Z";

fn clock() -> Clock {
    Clock::simulated(NOW.parse().unwrap())
}

fn today() -> Date {
    "2026-11-22".parse().unwrap()
}

fn open(folder: &Path) -> (Writer, Reader) {
    let options = Options { segment_bytes: 64 << 10, ..Options::new(64 << 20, SCHEMA_VERSION) };
    let begun = Instant::now();
    loop {
        // A thread of the spool that was killed may hold the lock for a moment.
        match spool::open(&folder.join("spool"), options.clone(), Arc::new(spool::Disk)) {
            Ok((writer, reader, _)) => return (writer, reader),
            Err(spool::OpenError::Locked(_)) if begun.elapsed() < Duration::from_secs(5) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Appends one tally per number, in the day's lane.
async fn append(writer: &Writer, day: Date, reason: &str, numbers: std::ops::Range<u32>) {
    let tallies = numbers
        .map(|count| Tally { site: "a.kz".into(), day, hour: 1_763_800_000, reason: reason.to_owned(), count })
        .collect();
    let beacon = PseudonymousBeacon { tallies, ..Default::default() };
    let frames = record::encode(&beacon)
        .into_iter()
        .map(|(lane, rows)| {
            let mut frame = Frame::new(Lane::new(&lane.label()).unwrap());
            rows.iter().for_each(|row| frame.push(row));
            frame
        })
        .collect();
    writer.enter(0).append(frames).await.unwrap();
}

/// A shipper at work.
struct Ship {
    status: Arc<ShipStatus>,
    task: JoinHandle<()>,
    /// Tells the shipper all the time that the vault may be back, so that a test does not sit through its waits.
    waker: JoinHandle<()>,
}

impl Ship {
    fn start(vault: &FakeVault, folder: &Path, reader: Reader) -> Self {
        let limit = Duration::from_millis(300);
        let limits = Limits { connect: limit, query: limit, insert: limit };
        let store = Store::new(&vault.url(), "tamga", "secret", VAULT, limits).unwrap();
        let (wake, news) = watch::channel(0);
        let waker = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                wake.send_modify(|generation| *generation += 1);
            }
        });
        let (_, stop) = watch::channel(false);
        let limits = RoundLimits { linger: Duration::from_millis(5), max_rows: 40, ..RoundLimits::default() };
        let shipper =
            Shipper::new(store, "node", clock(), &folder.join("dead-letters"), news, stop).with_limits(limits);
        Self { status: shipper.status(), task: tokio::spawn(shipper.run(reader)), waker }
    }

    /// Waits until everything in the spool is settled.
    async fn settled(&self, writer: &Writer) {
        let begun = Instant::now();
        while writer.usage().finished_sequence < writer.usage().last_sequence {
            assert!(begun.elapsed() < Duration::from_secs(60), "stalled: {:?}", self.status.trouble());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it at once, as a crash would.
    async fn kill(self) {
        self.waker.abort();
        self.task.abort();
        let _ = self.task.await;
    }

    fn stored(&self) -> u64 {
        self.status.counts.stored.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_alone_and_in_pairs_stores_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    let mut next = 0;
    for first in FAULTS {
        for second in FAULTS {
            vault.plan([first, second].into_iter().filter(|fault| *fault != Fault::None));
            append(&writer, today(), "count_only", next..next + 3).await;
            next += 3;
            ship.settled(&writer).await;
            assert_eq!(vault.counts(), (0..next).collect::<Vec<_>>(), "after {first:?}, {second:?}");
        }
    }
    assert_eq!(ship.stored(), u64::from(next));
    assert!(ship.status.trouble().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_dies_at_any_moment_stores_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    for round in 0..25_u32 {
        let (writer, reader) = open(folder.path());
        vault.plan((0..4).map(|index| FAULTS[((round * 7 + index * 3) % 8) as usize]));
        let ship = Ship::start(&vault, folder.path(), reader);
        append(&writer, today(), "count_only", round * 100..round * 100 + 100).await;
        tokio::time::sleep(Duration::from_millis(u64::from(round % 9) * 13)).await;
        ship.kill().await;
        drop(writer);
    }
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(vault.counts(), (0..2_500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_go_to_a_dead_letter_and_the_others_land() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "good", 0..17).await;
    append(&writer, today(), "poison", 17..19).await;
    append(&writer, today(), "good", 19..30).await;
    // Dies in the middle of cutting, a few times.
    let ship = Ship::start(&vault, folder.path(), reader);
    tokio::time::sleep(Duration::from_millis(30)).await;
    ship.kill().await;
    drop(writer);
    let (writer, reader) = open(folder.path());
    vault.plan([Fault::StoreThenBreak, Fault::Hang, Fault::Burn]);
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(vault.counts(), (0..17).chain(19..30).collect::<Vec<_>>());
    let files: Vec<_> =
        folder.path().join("dead-letters").read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert_eq!(text.matches("\"row\":").count(), 2, "{text}");
    assert!(!text.contains("near"), "the store's own words stay out: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_row_is_refused_the_rest_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "poison", 0..40).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    let begun = Instant::now();
    while ship.status.trouble().is_none_or(|trouble| trouble.class != Class::Ours) {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ship.status.counts.dead_lettered.load(Ordering::Relaxed), 32);
    // Somebody repairs the schema.
    vault.refuse(None);
    ship.settled(&writer).await;
    assert_eq!(vault.counts(), (32..40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_too_old_to_keep_are_never_sent() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    let (writer, reader) = open(folder.path());
    append(&writer, "2026-11-14".parse().unwrap(), "count_only", 0..5).await;
    append(&writer, "2026-11-15".parse().unwrap(), "count_only", 5..8).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(vault.counts(), [5, 6, 7]);
    assert_eq!(ship.status.counts.expired.load(Ordering::Relaxed), 5);
    assert_eq!(vault.inserts(), 1);
}
