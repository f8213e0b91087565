//! The watermark: every row that arrived before it is settled. The node's lease publishes it.
//!
//! An arrival counts from [`Arrivals::enter`] until its append has failed or is in a finished delivery batch. Arrival
//! times are in memory only: on the disk they would show when a row arrived. Of rows that were found on the disk after a
//! restart, the begin of their window is known at most. The watermark does not pass it until they are settled.

use std::collections::{BTreeMap, VecDeque};

/// How many commits are distinguished. Beyond that, commits that arrived close together share the earliest arrival: six
/// hours of outage at a grain of some five seconds. The memory stays flat and the watermark errs on the early side.
const MAX_PENDING: usize = 4096;

/// A watermark may be ahead of the clock by so many milliseconds: a request may wait between its look at the clock and
/// [`Arrivals::enter`]. One that is further ahead was handed out by a clock that was wrong.
const MAX_LEAD_MS: i64 = 60_000;

/// Commits that share an entry only if their grain is longer than this wait for the ends of different windows.
const LONGEST_WINDOW_MS: u64 = 48 * 3_600_000;

/// Commits that are durable and not settled.
struct Pending {
    /// The last sequence.
    last: u64,
    /// The earliest arrival.
    arrived_ms: i64,
    /// The end of the window for which they wait (hold.rs).
    leaves_ms: i64,
}

/// Arrivals that are not settled.
pub(super) struct Arrivals {
    in_flight: BTreeMap<i64, u32>,
    /// By sequence.
    pending: VecDeque<Pending>,
    /// Neighbours that arrived within this many milliseconds of each other are one entry.
    grain_ms: u64,
    /// The latest watermark handed out; no arrival is counted as earlier.
    handed_out: i64,
    finished: u64,
    /// What recovery found and is not settled: up to a sequence, nothing arrived before a time.
    found: Vec<(u64, i64)>,
}

impl Arrivals {
    /// Begins where the process before this one stopped.
    pub(super) fn new(handed_out: i64, finished: u64, found: Vec<(u64, i64)>) -> Self {
        Self { in_flight: BTreeMap::new(), pending: VecDeque::new(), grain_ms: 0, handed_out, finished, found }
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

    /// A commit is durable up to this sequence, and the earliest of its appends arrived then. It waits for this end of a window.
    /// Commits become durable in the order of their sequences.
    pub(super) fn durable(&mut self, last: u64, arrived_ms: i64, leaves_ms: i64) {
        self.push(Pending { last, arrived_ms, leaves_ms });
        while self.pending.len() > MAX_PENDING {
            self.grain_ms = self.grain_ms.saturating_mul(2).max(1);
            for pending in std::mem::take(&mut self.pending) {
                self.push(pending);
            }
        }
    }

    /// Commits of two windows do not share an entry: the watermark must pass the end of the first, for which its rows waited,
    /// while those of the second wait.
    fn push(&mut self, new: Pending) {
        match self.pending.back_mut() {
            Some(pending)
                if pending.arrived_ms.abs_diff(new.arrived_ms) < self.grain_ms
                    && (pending.leaves_ms == new.leaves_ms || self.grain_ms > LONGEST_WINDOW_MS) =>
            {
                (pending.last, pending.arrived_ms) = (new.last, pending.arrived_ms.min(new.arrived_ms));
                pending.leaves_ms = new.leaves_ms;
            }
            _ => self.pending.push_back(new),
        }
    }

    /// Everything up to this sequence is settled.
    pub(super) fn finish(&mut self, sequence: u64) {
        self.finished = self.finished.max(sequence);
        self.found.retain(|(last, _)| *last > sequence);
        while self.pending.front().is_some_and(|pending| pending.last <= sequence) {
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
        let in_flight = self.in_flight.first_key_value().map_or(i64::MAX, |(arrived, _)| *arrived);
        let pending = self.pending.iter().map(|pending| pending.arrived_ms).fold(i64::MAX, i64::min);
        let found = self.found.iter().map(|(_, begin)| *begin).fold(i64::MAX, i64::min);
        self.handed_out = self.handed_out.max(now_ms.min(in_flight).min(pending).min(found));
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
        let mut arrivals = Arrivals::new(0, 0, Vec::new());
        let (slow, fast) = (arrivals.enter(10), arrivals.enter(20));
        assert_eq!(arrivals.watermark(30), 10);
        arrivals.durable(1, fast, 0);
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
        let mut arrivals = Arrivals::new(0, 0, Vec::new());
        assert_eq!(arrivals.watermark(now + two_days), now + two_days);
        assert_eq!(arrivals.enter(now), now);
        assert_eq!(arrivals.watermark(now + 5), now);
        // The same after a restart that finds rows whose arrival nobody knows.
        let mut arrivals = Arrivals::new(now + two_days, 3, vec![(5, i64::MIN)]);
        assert_eq!(arrivals.watermark(now), 0);
        assert_eq!(arrivals.enter(now + 1), now + 1);
        arrivals.finish(5);
        assert_eq!(arrivals.watermark(now + 2), now + 1);
        // A request that waited a little is counted as of the watermark.
        let mut arrivals = Arrivals::new(now, 0, Vec::new());
        assert_eq!(arrivals.enter(now - MAX_LEAD_MS), now);
    }

    #[test]
    fn it_stands_still_until_what_was_found_is_settled() {
        let mut arrivals = Arrivals::new(7, 3, vec![(5, i64::MIN)]);
        assert_eq!(arrivals.watermark(100), 7);
        arrivals.finish(4);
        assert_eq!(arrivals.watermark(100), 7);
        arrivals.finish(5);
        assert_eq!(arrivals.watermark(100), 100);
    }

    #[test]
    fn memory_stays_flat_and_the_watermark_errs_early() {
        let mut arrivals = Arrivals::new(0, 0, Vec::new());
        for sequence in 1..=100_000_u64 {
            arrivals.durable(sequence, 1_000_000 + sequence as i64, 0);
            assert!(arrivals.pending.len() <= MAX_PENDING);
        }
        arrivals.finish(50_000);
        let watermark = arrivals.watermark(i64::MAX);
        assert!((1_049_900..=1_050_001).contains(&watermark), "{watermark}");
        arrivals.finish(100_000);
        assert_eq!(arrivals.watermark(2_000_000), 2_000_000);
    }
    /// The first rows of a day are not in one entry with the last ones of the day before, however many commits there were.
    #[test]
    fn rows_that_wait_for_another_window_do_not_keep_it_from_passing_the_end_of_this_one() {
        let (second, midnight) = (1_000, 1_000 * 86_400_000);
        let mut arrivals = Arrivals::new(0, 0, Vec::new());
        for sequence in 1..=90_000_u64 {
            // Ten thousand seconds after midnight, and all the seconds of eighty thousand before.
            let arrived = midnight + (sequence as i64 - 80_000) * second - 1;
            arrivals.durable(sequence, arrived, if arrived < midnight { midnight } else { 2 * midnight });
            assert!(arrivals.pending.len() <= MAX_PENDING);
        }
        let now = midnight + 10_001 * second;
        assert!(arrivals.watermark(now) < midnight);
        arrivals.finish(80_000);
        assert!((midnight..midnight + second).contains(&arrivals.watermark(now)));
        // However the windows change, it comes to an end.
        for sequence in 90_001..=110_000_u64 {
            arrivals.durable(sequence, now, sequence as i64);
            assert!(arrivals.pending.len() <= MAX_PENDING);
        }
    }

    #[test]
    fn what_was_found_keeps_it_before_the_begin_of_its_window_only() {
        let mut arrivals = Arrivals::new(10, 3, vec![(5, 100), (9, 200)]);
        assert_eq!(arrivals.watermark(1_000), 100);
        arrivals.finish(5);
        assert_eq!(arrivals.watermark(1_000), 200, "what is left arrived later");
        arrivals.finish(9);
        assert_eq!(arrivals.watermark(1_000), 1_000);
        let mut arrivals = Arrivals::new(10, 0, vec![(5, 100)]);
        assert_eq!(arrivals.watermark(50), 50);
    }
}
