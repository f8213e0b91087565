//! How fast a backlog is delivered while beacons go on arriving: a few times faster than they arrive, and no faster.
//!
//! At full speed the vault takes nearly twenty times what its collector receives, and the processors and the disk with
//! it, on which the answer to each beacon waits too. So behind a delivery batch that left a backlog there is a rest.
//! When nothing arrives there is nobody to disturb, and no rest; when rows arrive nearly as fast as the vault takes
//! them, there is no time for one.

use std::time::Duration;

use crate::spool::RowAccounting;

/// So many times as fast as rows arrive: an outage is made up for in a third of its time.
const SPEED: f64 = 4.0;

/// A rest is at most so many times as long as the delivery batch before it: however little arrives, a quarter of the
/// full speed.
const MOST: u32 = 3;

/// The longest rest, for a delivery batch that was slow because the vault was in trouble.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to rest after a delivery batch that took so long, to read and to bring, from the row accounting before and
/// after.
pub(super) fn rest(before: &RowAccounting, after: &RowAccounting, took: Duration) -> Duration {
    let arrived = after.accepted.saturating_sub(before.accepted);
    // Usually the rows that a delivery batch leaves behind arrived while it was delivered.
    if arrived == 0 || after.spooled <= arrived {
        return Duration::ZERO;
    }
    let delivered = (before.spooled + arrived).saturating_sub(after.spooled);
    let due = took.mul_f64(delivered as f64 / (SPEED * arrived as f64));
    due.saturating_sub(took).min(took * MOST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest after a delivery batch of a second that delivered so many rows of so many, while so many arrived.
    fn rest_of(spooled: u64, delivered: u64, arrived: u64) -> Duration {
        let before = RowAccounting { accepted: 7, spooled, ..RowAccounting::default() };
        let after =
            RowAccounting { accepted: 7 + arrived, spooled: spooled + arrived - delivered, ..RowAccounting::default() };
        rest(&before, &after, Duration::from_secs(1))
    }

    #[test]
    fn a_backlog_is_brought_four_times_as_fast_as_rows_arrive() {
        assert_eq!(rest_of(1_000_000, 80_000, 10_000), Duration::from_secs(1));
        assert_eq!(rest_of(1_000_000, 120_000, 10_000), Duration::from_secs(2));
    }

    #[test]
    fn nothing_is_slowed_down_that_disturbs_nobody_or_cannot_wait() {
        assert_eq!(rest_of(10_000, 10_000, 10_000), Duration::ZERO, "no backlog");
        assert_eq!(rest_of(1_000_000, 100_000, 0), Duration::ZERO, "nothing arrives");
        assert_eq!(rest_of(1_000_000, 100_000, 25_000), Duration::ZERO, "it arrives as fast as it may be delivered");
        assert_eq!(rest_of(1_000_000, 100_000, 200_000), Duration::ZERO, "it arrives faster than it is delivered");
    }

    #[test]
    fn a_trickle_does_not_stop_the_stream() {
        assert_eq!(rest_of(1_000_000, 100_000, 1), Duration::from_secs(3));
        let (before, after) = (
            RowAccounting { spooled: 1_000, ..RowAccounting::default() },
            RowAccounting { accepted: 1, spooled: 500, ..RowAccounting::default() },
        );
        assert_eq!(rest(&before, &after, Duration::from_secs(60)), LONGEST);
    }
}
