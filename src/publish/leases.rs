//! Which nodes a window waits for. Every node writes leases into the vault: how far it has emptied its spool.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;

use crate::clock::Clock;

/// The last lease of each node; times in milliseconds since 1970.
pub(super) const LEASES: &str = "SELECT node, toUnixTimestamp64Milli(max(complete_until)) AS complete_until, \
     toUnixTimestamp64Milli(max(written_at)) AS written_at FROM leases GROUP BY node ORDER BY node";

/// A node's lease.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Lease {
    node: String,
    complete_until: i64,
    written_at: i64,
}

/// Whether a window may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// A node that is not silent still has rows of it.
    Waiting,
    /// All rows are in the vault.
    Complete,
    /// A node is silent for longer than the node timeout, so its rows are missing.
    Incomplete,
}

/// Remembers when each node last wrote a lease.
pub(super) struct Nodes {
    clock: Clock,
    node_timeout: Duration,
    /// By node: the time in its last lease, and when this process first read that lease, on a monotonic clock.
    last_leases: BTreeMap<String, (i64, Instant)>,
    began: Instant,
    reported: BTreeMap<String, i64>,
}

impl Nodes {
    pub(super) fn new(clock: Clock, node_timeout: Duration) -> Self {
        let (last_leases, reported) = (BTreeMap::new(), BTreeMap::new());
        Self { clock, node_timeout, last_leases, began: Instant::now(), reported }
    }

    /// Whether a window with this end may be published, given all leases.
    pub(super) fn readiness(&mut self, end: Timestamp, leases: &[Lease]) -> Readiness {
        let now = Instant::now();
        for lease in leases {
            let last = self.last_leases.entry(lease.node.clone()).or_insert((lease.written_at, now));
            if last.0 != lease.written_at {
                *last = (lease.written_at, now);
            }
        }
        if leases.is_empty() {
            // No node has written a lease yet. A collector that has just started will do so soon.
            let silent = self.silence(end.as_millisecond(), self.began) > self.node_timeout;
            return if silent { Readiness::Incomplete } else { Readiness::Waiting };
        }
        let mut readiness = Readiness::Complete;
        for lease in leases.iter().filter(|lease| lease.complete_until < end.as_millisecond()) {
            let since = self.last_leases.get(&lease.node).map_or(now, |last| last.1);
            if self.silence(lease.written_at, since) <= self.node_timeout {
                return Readiness::Waiting;
            }
            readiness = Readiness::Incomplete;
            if self.reported.insert(lease.node.clone(), lease.written_at) != Some(lease.written_at) {
                tracing::warn!(
                    node = lease.node,
                    last_lease = %Timestamp::from_millisecond(lease.written_at).unwrap_or_default(),
                    "a node has been silent for longer than the node timeout: windows are published without the rows in its spool, which will be late"
                );
            }
        }
        readiness
    }

    /// How long a node has been silent. A simulated clock jumps, and a jump is not silence: with it, real time counts.
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
    fn a_window_waits_for_every_node_that_is_not_silent() {
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
    fn a_jump_of_a_simulated_clock_is_not_silence() {
        let clock = Clock::simulated(at(0));
        let mut nodes = Nodes::new(clock.clone(), Duration::from_millis(30));
        clock.advance_to(at(86_400_000));
        let behind = [lease("a", 0, 0)];
        assert_eq!(nodes.readiness(at(3_600_000), &behind), Readiness::Waiting);
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(nodes.readiness(at(3_600_000), &behind), Readiness::Incomplete);
    }
}
