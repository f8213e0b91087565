//! Does what was acknowledged survive `kill -9` of the collector, and is it back at once?

use std::sync::Arc;
use std::time::{Duration, Instant};

use tamga::record::SCHEMA_VERSION;
use tamga::spool::{self, Frame, StreamKey};

use super::laboratory::{Laboratory, Stores};
use super::load::Load;
use super::{figures, in_time, long, times};

/// A number below the bound.
pub(super) fn below(bound: u64) -> u64 {
    getrandom::u64().unwrap() % bound
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_while_the_vault_comes_and_goes() {
    let (begun, rounds) = (Instant::now(), times(6, 200));
    let mut laboratory = Laboratory::new(&Stores::Vault);
    laboratory.vault.start(None);
    let load = Load::start(laboratory.port, 64, &laboratory.journal);
    let (mut slowest, mut vault_killed) = (Duration::ZERO, 0);
    for round in 0..rounds {
        let mut collector = laboratory.collector(None);
        slowest = slowest.max(laboratory.taking(&mut collector).await);
        tokio::time::sleep(Duration::from_millis(below(700))).await;
        if laboratory.vault.is_up() && (round == 1 || below(3) == 0) {
            laboratory.vault.kill();
            vault_killed += 1;
        } else if below(3) > 0 {
            laboratory.vault.start(None);
        }
        tokio::time::sleep(Duration::from_millis(below(700))).await;
        collector.kill();
    }
    load.stop().await;
    let collector = laboratory.collector(None);
    let stored = laboratory.settle_and_compare(collector).await;
    let acknowledged = laboratory.journal.acknowledged();
    figures(
        begun,
        format!(
            "{rounds} kills under 64 connections, {vault_killed} of the vault: {acknowledged} acknowledged, {stored} stored \
             (the rest had been under way); 0 lost, 0 twice, 0 altered; taking beacons again after {slowest:?} at most"
        ),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_spool_does_not_delay_the_first_beacon() {
    let (begun, bytes) = (Instant::now(), if long() { 1 << 30 } else { 128 << 20 });
    let laboratory = Laboratory::new(&Stores::Vault);
    fill(&laboratory, bytes).await;
    let mut slowest = Duration::ZERO;
    let starts = times(1, 5);
    for _ in 0..starts {
        // The first start of a program reads it from the disk; that is not what is asked.
        let mut collector = laboratory.collector(None);
        slowest = slowest.max(laboratory.taking(&mut collector).await);
        collector.kill();
    }
    assert!(in_time(slowest, Duration::from_secs(1)), "{slowest:?}");
    let left = laboratory.look_into_spool();
    assert!(left.pending_frames >= bytes / ROW && left.quarantined == 0, "{left:?}");
    figures(
        begun,
        format!("first 202 at most {slowest:?} after the start, {starts} starts, {} MiB in the spool", bytes >> 20),
    );
}

const ROW: u64 = 324;

/// Fills the spool with this much, in frames of the size of a beacon's.
async fn fill(laboratory: &Laboratory, bytes: u64) {
    let options = spool::Options::new(4 << 30, SCHEMA_VERSION, laboratory.spool_keys());
    let (writer, _reader, _) = spool::open(&laboratory.data.join("spool"), options, Arc::new(spool::Disk)).unwrap();
    let stream = StreamKey::new("events/shop.kz/2026-11-22").unwrap();
    let row = vec![b'x'; (ROW - 44 - 4) as usize - stream.as_str().len()];
    let batch = || {
        let frames = (0..2000).map(|_| {
            let mut frame = Frame::new(stream.clone());
            frame.push(&row);
            frame
        });
        frames.collect()
    };
    // Only the newest segment is read at a start: it is to be nearly as large as it gets.
    let (mut segments, mut begun_at) = (0, 0);
    loop {
        let usage = writer.usage();
        if usage.segments > segments {
            (segments, begun_at) = (usage.segments, usage.bytes);
        }
        if usage.bytes >= bytes && usage.bytes - begun_at >= 56 << 20 {
            break;
        }
        writer.enter(0).append(batch()).await.unwrap();
    }
    writer.close();
}
