//! Which nodes a window waits for. Every node writes leases into the vault: how far it has emptied its spool.
//!
//! This process's own node is always waited for: it is not silent, its rows are on their way. Another node is left behind once
//! it was silent for the node timeout. Silence is what this process has heard itself, on a monotonic clock, and only while the
//! vault takes leases: it is counted from one renewal of the own node's lease to the next. So an outage of the vault, a time in
//! which this process did not run, and a wrong clock are not silence. When a request for the leases fails, all silence is
//! counted anew.
//!
//! Not promised: that a node which is gone for good is waited for. Windows without its rows are marked incomplete.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;

/// The last lease of each node; times in milliseconds since 1970. A lease that was written after `until`, or promises more,
/// comes from a node whose clock was wrong: it counts as a lease of 1970.
pub(crate) const LEASES: &str = "SELECT node, toUnixTimestamp64Milli(maxIf(complete_until, believed)) AS complete_until, \
     toUnixTimestamp64Milli(maxIf(written_at, believed)) AS written_at \
     FROM (SELECT *, greatest(complete_until, written_at) <= fromUnixTimestamp64Milli({until:Int64}) AS believed FROM leases) \
     GROUP BY node ORDER BY node";
/// The clocks of two nodes may differ by so many milliseconds.
pub(crate) const NODES_DIFFER_MS: i64 = 60_000;

/// Between two renewals of the own lease that are further apart, silence is not counted: for some of that time nobody could
/// write leases, or nobody read them. A lease is renewed every ten seconds.
const GAP_MAX: Duration = Duration::from_secs(60);

/// A node's lease; times in milliseconds since 1970.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Lease {
    pub(crate) node: String,
    pub(crate) complete_until: i64,
    pub(crate) written_at: i64,
}

/// The nodes that have leases, as the publisher hears them. Its own node is among those that are heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStates {
    /// How many have renewed their lease within a minute.
    pub heard: u32,
    /// How many are silent, and waited for.
    pub silent: u32,
    /// Those that are silent for longer than the node timeout: windows are published without their rows.
    pub left_behind: Vec<String>,
}

impl Lease {
    /// Both times. They differ between two leases of a node, unless a simulated clock stands still.
    fn times(&self) -> (i64, i64) {
        (self.complete_until, self.written_at)
    }
}

/// Whether a window may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// A node that is not left behind still has rows of it.
    Waiting,
    /// All rows are in the vault.
    Complete,
    /// A node was silent for longer than the node timeout, so its rows are missing.
    Incomplete,
}

/// What was heard of another node.
struct Heard {
    times: (i64, i64),
    /// How long this process has heard nothing new.
    silent: Duration,
}

/// Remembers what was heard of each node.
pub(super) struct Nodes {
    own: String,
    node_timeout: Duration,
    others: BTreeMap<String, Heard>,
    /// The times of the own lease, and when they were first read.
    renewed: Option<((i64, i64), Instant)>,
    /// By node: the lease for which the silence of this node was last logged.
    reported: BTreeMap<String, (i64, i64)>,
}

impl Nodes {
    /// `own` is the name of the node that this process is.
    pub(super) fn new(own: &str, node_timeout: Duration) -> Self {
        let (others, reported) = (BTreeMap::new(), BTreeMap::new());
        Self { own: own.to_owned(), node_timeout, others, renewed: None, reported }
    }

    /// The leases could not be read: perhaps nobody could write any.
    pub(super) fn vault_was_away(&mut self) {
        self.others.clear();
        self.renewed = None;
    }

    /// The state of each node, given all leases as they are at `now`.
    pub(super) fn states(&mut self, leases: &[Lease], now: Instant) -> NodeStates {
        self.hear(leases, now);
        let mut states = NodeStates::default();
        for lease in leases {
            match self.others.get(&lease.node) {
                Some(heard) if self.is_silent(heard) => states.left_behind.push(lease.node.clone()),
                Some(heard) if heard.silent > GAP_MAX => states.silent += 1,
                _ => states.heard += 1,
            }
        }
        states
    }

    /// Whether a window with this end may be published, given all leases as they are at `now`.
    pub(super) fn readiness(&mut self, end: Timestamp, leases: &[Lease], now: Instant) -> Readiness {
        let end_ms = end.as_millisecond();
        let Some(behind) = self.behind(|lease| lease.complete_until >= end_ms, leases, now) else {
            return Readiness::Waiting;
        };
        for lease in &behind {
            if self.reported.insert(lease.node.clone(), lease.times()) != Some(lease.times()) {
                tracing::warn!(
                    node = lease.node,
                    last_lease = %Timestamp::from_millisecond(lease.written_at).unwrap_or_default(),
                    "a node has been silent for longer than the node timeout: windows are published without the rows in its spool, which will be late"
                );
            }
        }
        if behind.is_empty() { Readiness::Complete } else { Readiness::Incomplete }
    }

    /// Whether an hour waits for a node, given which have reported what they counted in it.
    pub(super) fn hour_waits(&mut self, reported: impl Fn(&str) -> bool, leases: &[Lease], now: Instant) -> bool {
        self.behind(|lease| reported(&lease.node), leases, now).is_none()
    }

    /// The nodes that are not done, all of them silent; `None` while one of them is waited for.
    fn behind<'a>(
        &mut self,
        is_done: impl Fn(&Lease) -> bool,
        leases: &'a [Lease],
        now: Instant,
    ) -> Option<Vec<&'a Lease>> {
        self.hear(leases, now);
        if !leases.iter().any(|lease| lease.node == self.own && is_done(lease)) {
            return None;
        }
        let behind: Vec<_> = leases.iter().filter(|lease| !is_done(lease)).collect();
        let is_waited_for = |lease: &&Lease| self.others.get(&lease.node).is_none_or(|heard| !self.is_silent(heard));
        (!behind.iter().any(is_waited_for)).then_some(behind)
    }

    fn is_silent(&self, heard: &Heard) -> bool {
        heard.silent > self.node_timeout
    }

    fn hear(&mut self, leases: &[Lease], now: Instant) {
        let mut step = Duration::ZERO;
        if let Some(own) = leases.iter().find(|lease| lease.node == self.own)
            && self.renewed.is_none_or(|(times, _)| times != own.times())
        {
            let since = self.renewed.map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(at));
            step = if since <= GAP_MAX { since } else { Duration::ZERO };
            self.renewed = Some((own.times(), now));
        }
        // A node that was retired and comes back is heard anew.
        self.others.retain(|node, _| leases.iter().any(|lease| lease.node == *node));
        for lease in leases.iter().filter(|lease| lease.node != self.own) {
            let unheard = Heard { times: lease.times(), silent: Duration::ZERO };
            match self.others.get_mut(&lease.node) {
                Some(heard) if heard.times == lease.times() => heard.silent += step,
                Some(heard) => *heard = unheard,
                None => _ = self.others.insert(lease.node.clone(), unheard),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: i64 = 100_000;
    const TIMEOUT_S: u64 = 900;

    fn lease(node: &str, complete_until: i64, written_at: i64) -> Lease {
        Lease { node: node.to_owned(), complete_until, written_at }
    }

    /// A publisher that reads the leases of node `a`, which is its own, and of node `b`, second by second.
    struct Listener {
        nodes: Nodes,
        now: Instant,
        own_written_at: i64,
    }

    impl Listener {
        fn new() -> Self {
            let nodes = Nodes::new("a", Duration::from_secs(TIMEOUT_S));
            Self { nodes, now: Instant::now(), own_written_at: 0 }
        }

        /// So many seconds later, `a` has renewed its lease, which covers the window.
        fn after(&mut self, seconds: u64, b: &Lease) -> Readiness {
            self.own_written_at += 1;
            self.read(seconds, &[lease("a", END, self.own_written_at), b.clone()])
        }

        fn read(&mut self, seconds: u64, leases: &[Lease]) -> Readiness {
            self.now += Duration::from_secs(seconds);
            self.nodes.readiness(Timestamp::from_millisecond(END).expect("in range"), leases, self.now)
        }

        /// How many seconds until `b`, which has this lease, is left behind.
        fn left_behind_after(&mut self, b: &Lease) -> u64 {
            (0u64..).find(|_| self.after(10, b) == Readiness::Incomplete).expect("some day") * 10
        }
    }

    #[test]
    fn the_own_node_is_waited_for_however_old_its_lease_is() {
        let mut listener = Listener::new();
        for own in [lease("a", END - 1, 0), lease("a", 0, END), lease("another", END, END)] {
            for _ in 0..1_000 {
                assert_eq!(listener.read(3_600, std::slice::from_ref(&own)), Readiness::Waiting);
            }
        }
        assert_eq!(listener.read(3_600, &[]), Readiness::Waiting);
        assert_eq!(listener.read(1, &[lease("a", END, 0)]), Readiness::Complete);
    }

    #[test]
    fn another_node_is_left_behind_when_it_says_nothing_new_for_the_node_timeout() {
        let mut listener = Listener::new();
        assert_eq!(listener.after(0, &lease("b", END, 0)), Readiness::Complete, "a node that is gone, but was done");
        let behind = lease("b", END - 1, 0);
        assert!(listener.left_behind_after(&behind).abs_diff(TIMEOUT_S) <= 20);
        // It comes back, and is heard of until it is done.
        for written_at in 1..500 {
            assert_eq!(listener.after(10, &lease("b", END - 1, written_at)), Readiness::Waiting);
        }
        assert_eq!(listener.after(10, &lease("b", END, 500)), Readiness::Complete);
    }

    #[test]
    fn a_silent_node_is_named_once_it_is_left_behind_and_no_more_once_it_is_retired() {
        let mut listener = Listener::new();
        let mut states = |seconds: u64, others: &[Lease]| {
            listener.now += Duration::from_secs(seconds);
            listener.own_written_at += 1;
            let own = lease("a", END, listener.own_written_at);
            let leases: Vec<_> = std::iter::once(own).chain(others.iter().cloned()).collect();
            listener.nodes.states(&leases, listener.now)
        };
        let of = |heard, silent, left_behind: &[&str]| NodeStates {
            heard,
            silent,
            left_behind: left_behind.iter().map(|node| (*node).to_owned()).collect(),
        };
        let gone = [lease("b", END, 7)];
        assert_eq!(states(0, &gone), of(2, 0, &[]));
        let seen: Vec<_> = (0..TIMEOUT_S / 10 + 1).map(|_| states(10, &gone)).collect();
        assert_eq!((&seen[0], &seen[6], seen.last()), (&of(2, 0, &[]), &of(1, 1, &[]), Some(&of(1, 0, &["b"]))));
        assert_eq!(states(10, &[]), of(1, 0, &[]), "its lease was removed");
        assert_eq!(states(10, &[lease("b", END, 8)]), of(2, 0, &[]), "it was started again");
    }

    #[test]
    fn the_time_in_its_lease_does_not_make_a_node_silent_or_alive() {
        for written_at in [i64::MIN / 2, 0, i64::MAX / 2] {
            let seconds = Listener::new().left_behind_after(&lease("b", END - 1, written_at));
            assert!(seconds.abs_diff(TIMEOUT_S) <= 20, "{seconds} s");
        }
    }

    #[test]
    fn an_outage_of_the_vault_is_not_silence() {
        let behind = lease("b", END - 1, 7);
        let mut listener = Listener::new();
        for _ in 0..TIMEOUT_S / 10 {
            assert_eq!(listener.after(10, &behind), Readiness::Waiting);
        }
        // Reading fails for a while.
        listener.nodes.vault_was_away();
        listener.now += Duration::from_secs(3 * 86_400);
        assert!(listener.left_behind_after(&behind).abs_diff(TIMEOUT_S) <= 20, "the wait begins anew");

        // It answers, but takes no leases, neither those of this node.
        let mut listener = Listener::new();
        let own = lease("a", END, 7);
        for _ in 0..1_000 {
            assert_eq!(listener.read(10, &[own.clone(), behind.clone()]), Readiness::Waiting);
        }
    }

    #[test]
    fn a_pause_of_this_process_is_not_silence() {
        let mut listener = Listener::new();
        let behind = lease("b", END - 1, 7);
        for _ in 0..100 {
            assert_eq!(listener.after(3_600, &behind), Readiness::Waiting);
        }
        assert!(listener.left_behind_after(&behind).abs_diff(TIMEOUT_S) <= 20);
    }
}
