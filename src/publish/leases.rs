//! Whom a window waits for: every node says in the vault how far it has emptied its spool.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;

use crate::clock::Clock;

/// Asks for the leases; times in milliseconds since 1970.
pub(super) const LEASES: &str = "SELECT node, toUnixTimestamp64Milli(max(complete_until)) AS complete_until, \
     toUnixTimestamp64Milli(max(written_at)) AS written_at FROM leases GROUP BY node ORDER BY node";

/// A node's word.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Lease {
    node: String,
    complete_until: i64,
    written_at: i64,
}

/// Whether a window may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// A node that is alive still has rows of it.
    Waiting,
    /// All rows are in the vault.
    Complete,
    /// A node is silent, and is no longer waited for.
    Incomplete,
}

/// Remembers when each node was last heard.
pub(super) struct Nodes {
    clock: Clock,
    leave_behind_after: Duration,
    /// What a node said last and when that was first seen, on a clock that only goes forward.
    heard: BTreeMap<String, (i64, Instant)>,
    began: Instant,
    reported: BTreeMap<String, i64>,
}

impl Nodes {
    pub(super) fn new(clock: Clock, leave_behind_after: Duration) -> Self {
        let (heard, reported) = (BTreeMap::new(), BTreeMap::new());
        Self { clock, leave_behind_after, heard, began: Instant::now(), reported }
    }

    /// Whether a window that ends then may be published, given all leases.
    pub(super) fn readiness(&mut self, end: Timestamp, leases: &[Lease]) -> Readiness {
        let now = Instant::now();
        for lease in leases {
            let heard = self.heard.entry(lease.node.clone()).or_insert((lease.written_at, now));
            if heard.0 != lease.written_at {
                *heard = (lease.written_at, now);
            }
        }
        if leases.is_empty() {
            // Nobody has ever spoken: a collector that has just begun will soon.
            let silent = self.silence(end.as_millisecond(), self.began) > self.leave_behind_after;
            return if silent { Readiness::Incomplete } else { Readiness::Waiting };
        }
        let mut readiness = Readiness::Complete;
        for lease in leases.iter().filter(|lease| lease.complete_until < end.as_millisecond()) {
            let since = self.heard.get(&lease.node).map_or(now, |heard| heard.1);
            if self.silence(lease.written_at, since) <= self.leave_behind_after {
                return Readiness::Waiting;
            }
            readiness = Readiness::Incomplete;
            if self.reported.insert(lease.node.clone(), lease.written_at) != Some(lease.written_at) {
                tracing::warn!(
                    node = lease.node,
                    last_heard = %Timestamp::from_millisecond(lease.written_at).unwrap_or_default(),
                    "a node is silent and is left behind: windows are published without what is in its spool, which will be late"
                );
            }
        }
        readiness
    }

    /// How long nothing was heard. A simulated clock leaps, which is no silence: there, real time counts.
    fn silence(&self, written_at: i64, since: Instant) -> Duration {
        if self.clock.is_simulated() {
            return since.elapsed();
        }
        Duration::from_millis(u64::try_from(self.clock.now_ms() - written_at).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(node: &str, complete_until: i64, written_at: i64) -> Lease {
        Lease { node: node.to_owned(), complete_until, written_at }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).expect("in range")
    }

    #[test]
    fn a_window_waits_for_every_node_that_speaks() {
        let clock = Clock::machine();
        let now = clock.now_ms();
        let mut nodes = Nodes::new(clock, Duration::from_secs(60));
        let end = at(now - 10_000);
        let (done, behind) = (lease("a", now, now), lease("b", now - 20_000, now - 1_000));
        assert_eq!(nodes.readiness(end, &[done.clone(), behind]), Readiness::Waiting);
        assert_eq!(nodes.readiness(end, std::slice::from_ref(&done)), Readiness::Complete);
        let silent = lease("b", now - 90_000, now - 80_000);
        assert_eq!(nodes.readiness(end, &[done.clone(), silent]), Readiness::Incomplete);
        let silent_but_emptied = lease("b", now - 5_000, now - 80_000);
        assert_eq!(nodes.readiness(end, &[done, silent_but_emptied]), Readiness::Complete);
        assert_eq!(nodes.readiness(end, &[]), Readiness::Waiting);
        assert_eq!(nodes.readiness(at(now - 61_000), &[]), Readiness::Incomplete);
    }

    #[test]
    fn a_leap_of_a_simulated_clock_is_no_silence() {
        let clock = Clock::simulated(at(0));
        let mut nodes = Nodes::new(clock.clone(), Duration::from_millis(30));
        clock.advance_to(at(86_400_000));
        let behind = [lease("a", 0, 0)];
        assert_eq!(nodes.readiness(at(3_600_000), &behind), Readiness::Waiting);
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(nodes.readiness(at(3_600_000), &behind), Readiness::Incomplete);
    }
}
