//! A spool with rows, and a shipper that delivers them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tamga::clock::Clock;
use tamga::event::Tally;
use tamga::privacy::pseudonymous::PseudonymousBeacon;
use tamga::record::{self, SCHEMA_VERSION};
use tamga::secret::Secret;
use tamga::spool::{self, DeliveryLimits, Frame, Options, Reader, StreamKey, Windows, Writer};
use tamga::store::{DeadLetters, Limits, ShipStatus, Shipper, Store, VAULT};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::fake_vault::FakeVault;
use super::wait;

const NOW: &str = "2026-11-22T12:00:00Z";

pub(crate) fn clock() -> Clock {
    Clock::simulated(NOW.parse().unwrap())
}

pub(crate) fn today() -> Date {
    "2026-11-22".parse().unwrap()
}

/// The key of the spool.
pub(crate) const KEY: [u8; 32] = [7; 32];

pub(crate) fn keys() -> spool::Keys {
    spool::Keys::new(Secret::new(KEY), [])
}

pub(crate) fn open(folder: &Path) -> (Writer, Reader) {
    open_with(folder, None)
}

/// The same, where frames also wait for windows.
pub(crate) fn open_with(folder: &Path, windows: Option<Arc<dyn Windows>>) -> (Writer, Reader) {
    let options = Options { segment_bytes: 64 << 10, windows, ..Options::new(64 << 20, SCHEMA_VERSION, keys()) };
    let begun = Instant::now();
    loop {
        // A thread of a killed spool may hold the lock for a moment.
        match spool::open(&folder.join("spool"), options.clone(), Arc::new(spool::Disk)) {
            Ok((writer, reader, _)) => return (writer, reader),
            Err(spool::OpenError::Locked(_)) if begun.elapsed() < Duration::from_secs(5) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Appends one tally per number, in the day's stream.
pub(crate) async fn append(writer: &Writer, day: Date, reason: &str, numbers: Range<u32>) {
    let tallies = numbers
        .map(|count| Tally {
            site: "a.kz".into(),
            day,
            window_end: 1_763_800_000,
            reason: reason.to_owned().into(),
            count,
        })
        .collect();
    let beacon = PseudonymousBeacon { tallies, ..Default::default() };
    let frames = record::encode(&beacon)
        .into_iter()
        .map(|(stream, rows)| {
            let mut frame = Frame::new(StreamKey::new(&stream.label()).unwrap());
            rows.iter().for_each(|row| frame.push(row));
            frame
        })
        .collect();
    writer.enter(0).append(frames).await.unwrap();
}

/// A running shipper.
pub(crate) struct Ship {
    pub(crate) status: Arc<ShipStatus>,
    task: JoinHandle<()>,
    stop: CancellationToken,
    /// The shipper's runtime, which ends with it.
    runtime: Option<Runtime>,
}

impl Drop for Ship {
    fn drop(&mut self) {
        // A test that fails drops this within another runtime, where waiting for a runtime is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Ship {
    /// With short time limits, for the fake vault.
    pub(crate) fn start(vault: &FakeVault, folder: &Path, reader: Reader) -> Self {
        Self::start_with_limit(vault, folder, reader, Duration::from_millis(300))
    }

    /// With this time limit for every request.
    pub(crate) fn start_with_limit(vault: &FakeVault, folder: &Path, reader: Reader, limit: Duration) -> Self {
        let limits = Limits { connect: limit, query: limit, insert: limit };
        Self::start_with(Store::new(&vault.url(), "tamga", "secret", VAULT, limits).unwrap(), folder, reader)
    }

    pub(crate) fn start_with(store: Store, folder: &Path, reader: Reader) -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (wake, news) = watch::channel(0);
        // The shipper is woken all the time, as if the vault were back, so that a test does not wait for its pauses.
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                wake.send_modify(|generation| *generation += 1);
            }
        });
        let stop = CancellationToken::new();
        let limits = DeliveryLimits { max_rows: 40, ..DeliveryLimits::default() };
        let dead_letters = DeadLetters::new(&folder.join("dead-letters"), reader.keys());
        let shipper = Shipper::new(store, "node", clock(), dead_letters, news, stop.clone()).with_limits(limits);
        Self { status: shipper.status(), task: runtime.spawn(shipper.run(reader)), stop, runtime: Some(runtime) }
    }

    /// Waits until everything in the spool is delivered.
    pub(crate) async fn settled(&self, writer: &Writer) {
        let is_delivered = async || (writer.usage().finished_sequence >= writer.usage().last_sequence).then_some(());
        wait::until(Duration::from_secs(60), is_delivered, || format!("stalled: {:?}", self.status.trouble())).await;
    }

    /// Stops it as the program does at its end. Returns how long that took.
    pub(crate) async fn stop(mut self) -> Duration {
        let begun = Instant::now();
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(30), &mut self.task).await.unwrap().unwrap();
        begun.elapsed()
    }

    /// Ends it at once, as a crash would. A write in progress is finished. When this returns, none of its tasks runs.
    pub(crate) async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        let end = || runtime.shutdown_timeout(Duration::from_secs(60));
        tokio::task::spawn_blocking(end).await.unwrap();
    }

    pub(crate) fn stored(&self) -> u64 {
        self.status.counts.stored.load(Ordering::Relaxed)
    }
}
