//! Does a graceful stop under load lose nothing, and end in time?

use std::time::{Duration, Instant};

use super::kill::below;
use super::laboratory::{Laboratory, Stores};
use super::load::Load;
use super::{figures, in_time, long, times};

/// With the engines that the collector starts itself, as most run it: they are stopped, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_in_order_under_load() {
    let (begun, rounds) = (Instant::now(), times(3, 50));
    let mut laboratory = Laboratory::new(&Stores::Embedded);
    let load = Load::start(laboratory.port, 64, &laboratory.journal);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let mut collector = laboratory.collector(None);
        laboratory.taking(&mut collector).await;
        // While the engines start, and while rows are on their way.
        tokio::time::sleep(Duration::from_millis(if round == 0 {
            2000
        } else {
            below(if long() { 3000 } else { 700 })
        }))
        .await;
        slowest = slowest.max(tokio::task::block_in_place(|| collector.terminate()));
        assert!(in_time(slowest, Duration::from_secs(5)), "{slowest:?} in round {round}");
    }
    load.stop().await;
    // The rest is brought to the vault, which is then looked at without a collector.
    let acknowledged = laboratory.journal.acknowledged();
    let mut pause = Duration::from_millis(2500);
    loop {
        let collector = laboratory.collector(None);
        tokio::time::sleep(pause).await;
        // Where the machine is busy, the engines need longer than that to start.
        pause *= 2;
        tokio::task::block_in_place(|| collector.terminate());
        let left = laboratory.look_into_spool();
        assert!(left.quarantined == 0 && left.torn_frames == 0, "an orderly end leaves nothing torn: {left:?}");
        if left.pending_frames == 0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(600), "rows do not arrive: {left:?}");
    }
    laboratory.vault.start(None);
    laboratory.vault.ready().await;
    let stored = laboratory.journal.compare(&laboratory.vault.store()).await;
    figures(
        begun,
        format!(
            "{rounds} stops under 64 connections: {acknowledged} acknowledged, {stored} stored; 0 lost, 0 twice; slowest stop {slowest:?}"
        ),
    );
}
