//! Do the row accounting of rows balance at every scrape, through faults, kills and erasures, and say what the vault
//! says?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tamga::record::{self, Partition, SCHEMA_VERSION, Table};
use tamga::spool::{Frame, RowAccounting, StreamKey, Writer};

use crate::support::fake_vault::{FAULTS, FakeVault};
use crate::support::product::get;
use crate::support::ship::{Ship, append, open, today};
use crate::support::vault::{EngineFixture, number};

/// Looks at the row accounting all the time, until it is ended.
struct Watch {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<RowAccounting>,
}

impl Watch {
    fn begin(writer: &Writer) -> Self {
        let (stop, looks) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (writer, stopped, looked) = (writer.clone(), Arc::clone(&stop), Arc::clone(&looks));
        let thread = std::thread::spawn(move || {
            loop {
                let stopping = stopped.load(Ordering::Relaxed);
                let accounting = writer.usage().accounting;
                assert!(accounting.is_balanced(), "{accounting:?}");
                looked.fetch_add(1, Ordering::Relaxed);
                if stopping {
                    return accounting;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        Self { stop, looks, thread }
    }

    /// Waits until a look has begun and ended since: of the next two the first may be under way already.
    async fn look(&self) {
        let enough = self.looks.load(Ordering::Relaxed) + 2;
        while self.looks.load(Ordering::Relaxed) < enough && !self.thread.is_finished() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }

    /// The last look.
    fn end(self) -> RowAccounting {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_scrape_finds_a_row_in_no_state_or_in_two() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (mut next, mut left) = (0, 0);
    for life in 0..12_u32 {
        let (writer, reader) = open(folder.path());
        assert_eq!(writer.usage().accounting.found, left, "what the process before had not settled");
        let watch = Watch::begin(&writer);
        vault.plan((0..6).map(|index| FAULTS[((life * 5 + index * 3) % 8) as usize]));
        let ship = Ship::start(&vault, folder.path(), reader);
        for burst in 0..8 {
            let reason = if (burst + life) % 6 == 0 { "poison" } else { "good" };
            append(&writer, today(), reason, next..next + 7).await;
            append(&writer, "2026-11-10".parse().unwrap(), "old", 0..2).await;
            next += 7;
            tokio::time::sleep(Duration::from_millis(u64::from(life % 4) * 5)).await;
        }
        watch.look().await;
        if life == 11 {
            ship.settled(&writer).await;
        }
        ship.kill().await;
        let accounting = watch.end();
        assert_eq!(accounting.accepted, 8 * 9);
        left = accounting.spooled;
    }
    assert_eq!(left, 0);
    let landed = vault.counts();
    assert!(landed.len() < next as usize && landed.windows(2).all(|pair| pair[0] < pair[1]), "each once");
}

/// Scrapes a collector's metrics all the time, through kills and restarts, and does the sum each time.
pub(crate) struct Scrapes {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(u64, u64)>,
}

impl Scrapes {
    pub(crate) fn begin(admin: u16) -> Self {
        let stop: Arc<AtomicBool> = Arc::default();
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let (mut scrapes, mut most_found) = (0, 0);
            while !stopped.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(20)).await;
                // A collector that was killed does not answer.
                let Some((_, text)) = get(admin, "/metrics").await else { continue };
                let value = |name: &str| -> u64 {
                    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
                    line.rsplit(' ').next().unwrap().parse().unwrap()
                };
                let states: u64 = ["spooled", "stored", "dead_lettered", "erased_total", "expired_total", "lost_total"]
                    .iter()
                    .map(|state| value(&format!("tamga_rows_{state} ")))
                    .sum();
                let found = value("tamga_rows_found ");
                assert_eq!(found + value("tamga_rows_accepted_total "), states, "{text}");
                (scrapes, most_found) = (scrapes + 1, found.max(most_found));
            }
            (scrapes, most_found)
        });
        Self { stop, task }
    }

    /// How many scrapes there were, and the most rows that a restarted collector found.
    pub(crate) async fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// A row of `events` of this visitor.
pub(crate) fn event(visitor: [u8; 16]) -> Vec<u8> {
    let text = std::fs::read_to_string("tests/fixtures/rows/events.hex").unwrap();
    let line = text.split_whitespace().next().unwrap();
    let mut row: Vec<u8> =
        (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect();
    let at = row.windows(16).position(|window| window == [0x11; 16]).unwrap();
    row[at..at + 16].copy_from_slice(&visitor);
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_erases_is_counted_once_and_a_crash_behind_it_does_not_stall() {
    let fixture = EngineFixture::start().await;
    let vault = fixture.vault().await;
    let folder = tempfile::tempdir().unwrap();
    let partition = Partition { table: Table::Events, day: today(), until: today() };
    let stream = record::Stream { partition, attribute: String::new() };
    let stream = StreamKey::new(&stream.label()).unwrap();
    let frame = |visitors: &[u8]| {
        let mut frame = Frame::new(stream.clone());
        visitors.iter().for_each(|visitor| frame.push(&event([*visitor; 16])));
        frame
    };
    let erase = |visitor: u8| Frame::tombstone(stream.clone(), record::erasure("jetpay.kz", &[[visitor; 16]]));

    let (writer, reader) = open(folder.path());
    let ship = Ship::start_with(vault.clone(), folder.path(), reader);
    writer.enter(0).append(vec![frame(&[1, 2, 1])]).await.unwrap();
    ship.settled(&writer).await;
    writer.enter(0).append(vec![frame(&[1, 3]), erase(1)]).await.unwrap();
    ship.settled(&writer).await;
    let accounting = writer.usage().accounting;
    assert_eq!(
        (accounting.settled.stored, accounting.settled.erased, accounting.accepted),
        (2, 3, 5),
        "{accounting:?}"
    );
    assert_eq!(number(&vault, "SELECT count() AS number FROM events").await, 2);

    // Stored and erased by a process that dies before its delivery batch is finished.
    ship.stop().await;
    drop(writer);
    let (writer, mut reader) = open(folder.path());
    writer.enter(0).append(vec![frame(&[3, 4, 4]), erase(3)]).await.unwrap();
    let delivery = reader.next_delivery(&tamga::spool::DeliveryLimits::default()).await.unwrap().unwrap();
    let batch = &delivery.batches[0];
    let mut body = Vec::new();
    for row in batch.iter() {
        body.extend_from_slice(&batch.value.to_le_bytes());
        body.extend_from_slice(row);
    }
    let columns = record::columns(Table::Events, SCHEMA_VERSION).unwrap();
    let columns: Vec<_> = std::iter::once("batch").chain(columns.iter().copied()).collect();
    vault.insert_rows("events", &columns, body.into(), Some(&batch.token)).await.unwrap();
    let gone = "ALTER TABLE events DELETE WHERE visitor = unhex('03030303030303030303030303030303') SETTINGS mutations_sync = 2";
    vault.execute(gone, &[]).await.unwrap();
    drop((writer, reader));

    let (writer, reader) = open(folder.path());
    let ship = Ship::start_with(vault.clone(), folder.path(), reader);
    ship.settled(&writer).await;
    let accounting = writer.usage().accounting;
    assert!(accounting.is_balanced());
    assert_eq!((accounting.found, accounting.settled.stored, accounting.settled.erased), (3, 2, 1), "{accounting:?}");
    assert_eq!(number(&vault, "SELECT count() AS number FROM events").await, 3);
    ship.stop().await;
    fixture.stop().await;
}
