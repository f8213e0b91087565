//! The watermark: every row that arrived before it is settled. The node's lease publishes it.
//!
//! An arrival counts from [`Arrivals::enter`] until its append has failed or is in a finished delivery batch. Arrival
//! times are in memory only: on the disk they would show when a row arrived. So after a restart the watermark stays at
//! its old value until all rows that were found on the disk are settled.

use std::collections::{BTreeMap, VecDeque};

/// How many commits are distinguished. Beyond that, commits that arrived close together share the earliest arrival: six
/// hours of outage at a grain of some five seconds. The memory stays flat and the watermark errs on the early side.
const MAX_PENDING: usize = 4096;

/// A watermark may be ahead of the clock by so many milliseconds: a request may wait between its look at the clock and
/// [`Arrivals::enter`]. One that is further ahead was handed out by a clock that was wrong.
const MAX_LEAD_MS: i64 = 60_000;

/// Arrivals that are not settled.
pub(super) struct Arrivals {
    in_flight: BTreeMap<i64, u32>,
    /// The last sequence of a commit and its earliest arrival, by sequence.
    pending: VecDeque<(u64, i64)>,
    /// Neighbours that arrived within this many milliseconds of each other are one entry.
    grain_ms: u64,
    /// The latest watermark handed out; no arrival is counted as earlier.
    handed_out: i64,
    finished: u64,
    /// What recovery found goes up to this sequence.
    recovered: u64,
}

impl Arrivals {
    /// Begins where the process before this one stopped.
    pub(super) fn new(handed_out: i64, finished: u64, recovered: u64) -> Self {
        Self { in_flight: BTreeMap::new(), pending: VecDeque::new(), grain_ms: 0, handed_out, finished, recovered }
    }

    /// Counts an arrival; returns the time it is counted under.
    pub(super) fn enter(&mut self, arrived_ms: i64) -> i64 {
        self.bound_lead(arrived_ms);
        let counted = arrived_ms.max(self.handed_out);
        *self.in_flight.entry(counted).or_default() += 1;
        counted
    }

    /// The request has ended.
    pub(super) fn leave(&mut self, counted_ms: i64) {
        if let Some(count) = self.in_flight.get_mut(&counted_ms) {
            *count -= 1;
            if *count == 0 {
                self.in_flight.remove(&counted_ms);
            }
        }
    }

    /// A commit is durable up to this sequence, and the earliest of its appends arrived then. Commits become durable in the
    /// order of their sequences.
    pub(super) fn durable(&mut self, last_sequence: u64, counted_ms: i64) {
        self.push(last_sequence, counted_ms);
        while self.pending.len() > MAX_PENDING {
            self.grain_ms = self.grain_ms.saturating_mul(2).max(1);
            for (last, arrived) in std::mem::take(&mut self.pending) {
                self.push(last, arrived);
            }
        }
    }

    fn push(&mut self, last_sequence: u64, counted_ms: i64) {
        match self.pending.back_mut() {
            Some((last, arrived)) if arrived.abs_diff(counted_ms) < self.grain_ms => {
                (*last, *arrived) = (last_sequence, (*arrived).min(counted_ms));
            }
            _ => self.pending.push_back((last_sequence, counted_ms)),
        }
    }

    /// Everything up to this sequence is settled.
    pub(super) fn finish(&mut self, sequence: u64) {
        self.finished = self.finished.max(sequence);
        while self.pending.front().is_some_and(|(last, _)| *last <= sequence) {
            self.pending.pop_front();
        }
        if self.pending.is_empty() {
            self.grain_ms = 0;
        }
    }

    /// The greatest time, not after `now_ms`, before which every arrival is settled. It goes back only if it was more than a
    /// minute ahead of `now_ms`.
    pub(super) fn watermark(&mut self, now_ms: i64) -> i64 {
        self.bound_lead(now_ms);
        if self.finished >= self.recovered {
            let in_flight = self.in_flight.first_key_value().map_or(i64::MAX, |(arrived, _)| *arrived);
            let pending = self.pending.iter().map(|(_, arrived)| *arrived).fold(i64::MAX, i64::min);
            self.handed_out = self.handed_out.max(now_ms.min(in_flight).min(pending));
        }
        self.handed_out
    }

    /// Takes back a watermark that a wrong clock set: otherwise each later arrival would be counted as of that time, on another
    /// day. What is settled is computed anew.
    fn bound_lead(&mut self, now_ms: i64) {
        if self.handed_out.saturating_sub(now_ms) > MAX_LEAD_MS {
            tracing::warn!("the spool's watermark was ahead of the clock and is taken back; a wrong clock had set it");
            self.handed_out = 0;
        }
    }

    /// The latest that was handed out.
    pub(super) fn handed_out(&self) -> i64 {
        self.handed_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_passes_neither_what_is_under_way_nor_what_is_pending() {
        let mut arrivals = Arrivals::new(0, 0, 0);
        let (slow, fast) = (arrivals.enter(10), arrivals.enter(20));
        assert_eq!(arrivals.watermark(30), 10);
        arrivals.durable(1, fast);
        arrivals.leave(fast);
        arrivals.leave(slow);
        assert_eq!(arrivals.watermark(30), 20);
        arrivals.finish(1);
        assert_eq!(arrivals.watermark(30), 30);
        assert_eq!(arrivals.watermark(5), 30, "a clock that steps back takes nothing back");
        assert_eq!(arrivals.enter(25), 30, "what comes late is counted as of now");
    }

    #[test]
    fn what_a_wrong_clock_handed_out_moves_no_arrival_and_promises_nothing() {
        let (now, two_days) = (1_000_000_000, 2 * 86_400_000);
        let mut arrivals = Arrivals::new(0, 0, 0);
        assert_eq!(arrivals.watermark(now + two_days), now + two_days);
        assert_eq!(arrivals.enter(now), now);
        assert_eq!(arrivals.watermark(now + 5), now);
        // The same after a restart that finds rows whose arrival nobody knows.
        let mut arrivals = Arrivals::new(now + two_days, 3, 5);
        assert_eq!(arrivals.watermark(now), 0);
        assert_eq!(arrivals.enter(now + 1), now + 1);
        arrivals.finish(5);
        assert_eq!(arrivals.watermark(now + 2), now + 1);
        // A request that waited a little is counted as of the watermark.
        let mut arrivals = Arrivals::new(now, 0, 0);
        assert_eq!(arrivals.enter(now - MAX_LEAD_MS), now);
    }

    #[test]
    fn it_stands_still_until_what_was_found_is_settled() {
        let mut arrivals = Arrivals::new(7, 3, 5);
        assert_eq!(arrivals.watermark(100), 7);
        arrivals.finish(4);
        assert_eq!(arrivals.watermark(100), 7);
        arrivals.finish(5);
        assert_eq!(arrivals.watermark(100), 100);
    }

    #[test]
    fn memory_stays_flat_and_the_watermark_errs_early() {
        let mut arrivals = Arrivals::new(0, 0, 0);
        for sequence in 1..=100_000_u64 {
            arrivals.durable(sequence, 1_000_000 + sequence as i64);
            assert!(arrivals.pending.len() <= MAX_PENDING);
        }
        arrivals.finish(50_000);
        let watermark = arrivals.watermark(i64::MAX);
        assert!((1_049_900..=1_050_001).contains(&watermark), "{watermark}");
        arrivals.finish(100_000);
        assert_eq!(arrivals.watermark(2_000_000), 2_000_000);
    }
}
