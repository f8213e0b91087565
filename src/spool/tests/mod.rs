//! What the spool promises, tried on a disk that breaks.

mod accounting;
mod announce;
mod behaviour;
mod blocks;
mod damage;
mod faults;
mod power_cut;
mod retries;
mod secrecy;
mod sim;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sim::Sim;

use super::*;
use crate::secret::Secret;

const DIR: &str = "/spool";

fn options() -> Options {
    Options { segment_bytes: 4096, ..Options::new(1 << 20, 1, keys()) }
}

/// Windows that have always ended: frames leave in crowds, and at once.
struct Ended;

/// The time of all spools: it never stands still.
static TIME_MS: AtomicI64 = AtomicI64::new(1_000_000);

impl Windows for Ended {
    fn now_ms(&self) -> i64 {
        TIME_MS.fetch_add(1, Ordering::Relaxed)
    }

    fn around(&self, at_ms: i64) -> (i64, i64) {
        (0, at_ms + 1)
    }
}

fn options_of(crowds: bool) -> Options {
    let windows = crowds.then(|| Arc::new(Ended) as Arc<dyn Windows>);
    Options { windows, ..options() }
}

fn keys() -> Keys {
    Keys::new(Secret::new([7; 32]), [])
}

fn open_sim(sim: &Sim) -> (Writer, Reader, Recovery) {
    open(Path::new(DIR), options(), Arc::new(sim.clone())).expect("a healthy disk opens")
}

fn limits() -> DeliveryLimits {
    DeliveryLimits { max_rows: 100, max_bytes: 1 << 20, max_batches: 16 }
}

fn frame(stream: &str, rows: &[&str]) -> Frame {
    let mut frame = Frame::new(StreamKey::new(stream).unwrap());
    rows.iter().for_each(|row| frame.push(row.as_bytes()));
    frame
}

async fn append(writer: &Writer, stream: &str, row: &str) -> Result<Appended, AppendError> {
    writer.enter(0).append(vec![frame(stream, &[row])]).await
}

fn rows(delivery: &DeliveryBatch) -> Vec<String> {
    let rows = delivery.batches.iter().flat_map(StreamBatch::iter);
    rows.map(|row| String::from_utf8(row.to_vec()).unwrap()).collect()
}

async fn next(reader: &mut Reader, limits: &DeliveryLimits) -> DeliveryBatch {
    let delivery = tokio::time::timeout(Duration::from_secs(20), reader.next_delivery(limits)).await;
    delivery.expect("a delivery was due").unwrap().expect("the spool is open")
}

/// Takes and finishes delivery batches until nothing is pending.
async fn drain(writer: &Writer, reader: &mut Reader) -> Vec<String> {
    let mut all = Vec::new();
    while writer.usage().pending_frames > 0 {
        let Ok(delivery) = tokio::time::timeout(Duration::from_millis(300), reader.next_delivery(&limits())).await
        else {
            continue; // What was pending was damaged, and is settled by now.
        };
        let delivery = delivery.unwrap().unwrap();
        all.extend(rows(&delivery));
        reader.finish(&delivery).await.unwrap();
    }
    all
}

fn segments(sim: &Sim) -> Vec<PathBuf> {
    sim.names(Path::new(DIR)).into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).collect()
}

/// Lives one life a seed, shared among the cores; returns the seconds that it took. A life that fails says its seed.
fn live<F: Future<Output = ()>>(seeds: std::ops::Range<u64>, one_life: impl Fn(u64) -> F + Sync) -> f64 {
    let (next, begun) = (AtomicU64::new(seeds.start), Instant::now());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let life = std::panic::AssertUnwindSafe(|| runtime.block_on(one_life(seed)));
                    assert!(std::panic::catch_unwind(life).is_ok(), "seed {seed} failed, see above");
                }
            });
        }
    });
    begun.elapsed().as_secs_f64()
}
