//! Does a disk that fails make the collector refuse, never acknowledge, and go on when it works again?
//!
//! The calls of the real program fail, by preloading; what each of them does to the spool is tried on a simulated disk
//! in `src/spool/tests/faults.rs`.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::laboratory::{Laboratory, Stores};
use super::load::Load;
use super::orders::{Call, Mode, Orders};
use super::{figures, in_time, times};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledgement_after_a_call_has_failed() {
    let (begun, rounds) = (Instant::now(), times(1, 10));
    let mut laboratory = Laboratory::new(&Stores::Vault);
    laboratory.vault.start(None);
    laboratory.vault.ready().await;
    let orders = Orders::new(laboratory.folder(), "collector");
    let mut collector = laboratory.collector(Some(&orders));
    laboratory.taking(&mut collector).await;
    let journal = laboratory.journal.clone();
    let load = Load::start(laboratory.port, 16, &journal);
    let (mut failed, mut slowest) = (0, Duration::ZERO);
    for errno in (0..rounds).flat_map(|_| [Errno::IO, Errno::NOSPC]).map(Errno::raw_os_error) {
        // Once: the segment is given up, its requests get an error, and the next beacon is accepted.
        for call in [Call::SegmentWrite, Call::SegmentSync, Call::StateWrite] {
            let refused = journal.refused();
            orders.give(call, Mode::FailOnce, 0, errno);
            met(&orders, call).await;
            failed += 1;
            if call != Call::StateWrite {
                let refused_by = Instant::now() + Duration::from_secs(5);
                while journal.refused() == refused {
                    assert!(Instant::now() < refused_by, "{call:?} failed and no request got an error");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            slowest = slowest.max(taken(&journal).await);
        }
        // For a while: nothing is acknowledged meanwhile.
        for call in [Call::SegmentWrite, Call::SegmentSync, Call::FolderSync] {
            orders.give(call, Mode::Fail, 0, errno);
            // A folder is synced when a segment begins, which a failed write brings about.
            if call == Call::FolderSync {
                orders.give(Call::SegmentWrite, Mode::FailOnce, 0, errno);
            }
            met(&orders, call).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let before = journal.acknowledged();
            tokio::time::sleep(Duration::from_millis(800)).await;
            assert_eq!(journal.acknowledged(), before, "acknowledged while {call:?} fails");
            failed += orders.done(call);
            orders.lift(call);
            let again = taken(&journal).await;
            assert!(in_time(again, Duration::from_secs(2)), "{call:?}: {again:?}");
            slowest = slowest.max(again);
        }
        // What cannot be unlinked waits, and nobody else does.
        orders.give(Call::SegmentUnlink, Mode::Fail, 0, errno);
        orders.give(Call::SegmentWrite, Mode::FailOnce, 0, errno);
        met(&orders, Call::SegmentUnlink).await;
        slowest = slowest.max(taken(&journal).await);
        failed += orders.done(Call::SegmentUnlink);
        orders.lift(Call::SegmentUnlink);
    }
    load.stop().await;
    let acknowledged = journal.acknowledged();
    let stored = laboratory.settle_and_compare(collector).await;
    figures(
        begun,
        format!(
            "{failed} calls failed (write, fdatasync, unlink, fsync of a folder, write of the state; EIO and ENOSPC): \
             {acknowledged} acknowledged, {stored} stored; 0 acknowledged while they failed, 0 lost, 0 twice; \
             taking beacons {slowest:?} after the disk at most"
        ),
    );
}

/// Waits until the order was carried out.
async fn met(orders: &Orders, call: Call) {
    let begun = Instant::now();
    while orders.done(call) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{call:?} is never called");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits for the next acknowledgement. How long that took.
async fn taken(journal: &super::load::Journal) -> Duration {
    let (before, begun) = (journal.acknowledged(), Instant::now());
    while journal.acknowledged() == before {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not recover");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    begun.elapsed()
}
