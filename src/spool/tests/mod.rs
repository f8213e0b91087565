//! What the spool promises, tried on a disk that breaks.

mod accounting;
mod behaviour;
mod damage;
mod faults;
mod power_cut;
mod retries;
mod secrecy;
mod sim;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sim::Sim;

use super::*;
use crate::secret::Secret;

const DIR: &str = "/spool";

fn options() -> Options {
    Options { segment_bytes: 4096, ..Options::new(1 << 20, 1, keys()) }
}

fn keys() -> Keys {
    Keys::new(Secret::new([7; 32]), [])
}

fn open_sim(sim: &Sim) -> (Writer, Reader, Recovery) {
    open(Path::new(DIR), options(), Arc::new(sim.clone())).expect("a healthy disk opens")
}

fn limits() -> DeliveryLimits {
    DeliveryLimits { max_rows: 100, max_bytes: 1 << 20, max_batches: 16, linger: Duration::ZERO }
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
