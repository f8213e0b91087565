//! What the clocks of node and store have to do with each other.
//!
//! A server has a clock of its own, and its `now()` and the node's time are compared: if they differ, nobody knows which is
//! wrong, so nothing is published and nothing destroyed until they agree ([`Clock::note_store`]). A store that lies can cause
//! a pause, and never an early end.
//!
//! An embedded engine follows the machine's clock, and deletes what is past its time to live by that clock. So it begins with
//! such deletions stopped, and they run only while the machine's clock is believed. Between a jump of the clock and the stop
//! lies a quarter of a second and the way of one statement.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, ClockStatus};
use crate::store::Store;

/// How often an engine hears of it when the status of the clock has changed, in real time.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often a server is asked for its time, in real time.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// Asks a server for its time until `shutdown`. A question without an answer says nothing about its clock.
pub(super) async fn compare(store: &Store, whose: &'static str, clock: &Clock, shutdown: &CancellationToken) {
    let comparing = async {
        loop {
            let answer = store.scalar::<i64>("SELECT toInt32(toUnixTimestamp(now())) AS value", &[]).await;
            if let Ok(Some(its_now_s)) = answer {
                clock.note_store(whose, its_now_s);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => (),
        () = comparing => (),
    }
}

/// Lets an engine delete what is past its time to live while the clock is believed, until `shutdown`. `starts` counts the
/// engine's starts.
pub(super) async fn permit_deletions(
    engine: &Store,
    starts: watch::Receiver<u64>,
    clock: &Clock,
    shutdown: &CancellationToken,
) {
    let ordering = async {
        let mut ordered = None;
        loop {
            let permitted = clock.status() == ClockStatus::Agreed;
            let wanted = (*starts.borrow(), permitted);
            let statement = if permitted { "SYSTEM START TTL MERGES" } else { "SYSTEM STOP TTL MERGES" };
            if ordered != Some(wanted) && engine.execute(statement, &[]).await.is_ok() {
                ordered = Some(wanted);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => (),
        () = ordering => (),
    }
}
