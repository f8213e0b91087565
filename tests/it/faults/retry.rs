//! Is a beacon that a client sends again after a restart stored once?

use std::time::{Duration, Instant};

use super::kill::below;
use super::laboratory::{Laboratory, Stores};
use super::load::Load;
use super::{figures, times};

/// Clients send each beacon until it is acknowledged, while the collector is killed and stopped in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sent_again_after_restarts() {
    let (begun, restarts) = (Instant::now(), times(6, 40));
    let wanted = times(3_000, 1_000_000) as usize;
    let mut laboratory = Laboratory::new(&Stores::Vault);
    laboratory.vault.start(None);
    let load = Load::retrying(laboratory.port, 64, &laboratory.journal);
    let mut collector = laboratory.collector(None);
    for restart in 1..=restarts {
        laboratory.taking(&mut collector).await;
        while laboratory.journal.acknowledged() < wanted * restart as usize / restarts as usize {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(below(300))).await;
        if restart % 2 == 0 {
            collector.kill();
        } else {
            tokio::task::block_in_place(|| collector.terminate());
        }
        collector = laboratory.collector(None);
    }
    load.stop().await;
    let stored = laboratory.settle_and_compare(collector).await;
    let (acknowledged, again) = (laboratory.journal.acknowledged(), laboratory.journal.sent_again());
    figures(
        begun,
        format!(
            "{restarts} restarts, every second a kill, under 64 connections that send again: {acknowledged} acknowledged, \
             {again} sent again, {stored} stored; 0 lost, 0 twice"
        ),
    );
}
