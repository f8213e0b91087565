//! Writes into the vault how far this node has delivered its spool, so that the publisher knows when a window is complete.
//!
//! A lease is true when it is written and stays true: everything that the node received before `complete_until` is in the
//! vault. It is renewed every ten seconds, and at once when it passes a half hour, since windows end there.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::client::Store;
use super::error::StoreError;
use crate::clock::Clock;

/// Real time between two renewals without news.
const EVERY: Duration = Duration::from_secs(10);

/// Site-local hours begin at whole half hours of UTC (or quarters, in three zones, which then wait up to ten seconds).
const BOUNDARY_MS: i64 = 30 * 60 * 1000;

/// This node's lease.
pub struct Lease {
    store: Store,
    node: String,
    clock: Clock,
    last: Option<(i64, Instant)>,
}

#[derive(Serialize)]
struct Row<'a> {
    node: &'a str,
    complete_until: String,
    written_at: String,
}

impl Lease {
    /// The lease of the node of this name; nothing is written yet.
    pub fn new(store: Store, node: &str, clock: Clock) -> Self {
        Self { store, node: node.to_owned(), clock, last: None }
    }

    /// Writes `complete_until` (milliseconds since 1970) if it is time to. Returns whether it did.
    pub async fn renew(&mut self, complete_until: i64) -> Result<bool, StoreError> {
        if !self.last.is_none_or(|(value, written)| needs_renewal(value, complete_until, written.elapsed())) {
            return Ok(false);
        }
        self.write(complete_until).await.map(|()| true)
    }

    /// Writes it at once.
    pub async fn write(&mut self, complete_until: i64) -> Result<(), StoreError> {
        let row =
            Row { node: &self.node, complete_until: decimal(complete_until), written_at: decimal(self.clock.now_ms()) };
        self.store.insert_json("leases", &["node", "complete_until", "written_at"], &[row], None).await?;
        self.last = Some((complete_until, Instant::now()));
        Ok(())
    }
}

fn needs_renewal(last: i64, now: i64, since: Duration) -> bool {
    since >= EVERY || now.div_euclid(BOUNDARY_MS) > last.div_euclid(BOUNDARY_MS)
}

/// Milliseconds as ClickHouse reads them into a `DateTime64(3)`: seconds with three decimals.
pub(super) fn decimal(ms: i64) -> String {
    let ms = ms.max(0);
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_needs_renewal_after_ten_seconds_or_when_it_passes_a_half_hour() {
        let second = Duration::from_secs(1);
        assert!(!needs_renewal(0, BOUNDARY_MS - 1, second));
        assert!(needs_renewal(0, BOUNDARY_MS - 1, EVERY));
        assert!(needs_renewal(BOUNDARY_MS - 1, BOUNDARY_MS, second));
        assert!(needs_renewal(-1, 0, second));
        assert!(!needs_renewal(BOUNDARY_MS, BOUNDARY_MS - 1, second));
    }

    #[test]
    fn times_keep_their_milliseconds() {
        assert_eq!(decimal(1_763_784_000_007), "1763784000.007");
        assert_eq!(decimal(-5), "0.000");
    }
}
