//! Frames leave the spool some time after they were appended, and together with those of their neighbours in time.
//!
//! Otherwise somebody who watches the store sees the rows of one beacon appear in several tables at one moment, and knows
//! that they belong together. Frames that become durable within one period form a group. A group is released at once, when
//! its last frame is as old as [`Hold::linger`]. A period is half of that, so each frame waits for one to one and a half
//! times as long.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Groups that are not released. They are as many as fit into one and a half times `linger`, and one more.
pub(super) struct Hold {
    linger: Duration,
    /// When a group began, and its last sequence so far.
    groups: VecDeque<(Instant, u64)>,
    released: u64,
}

impl Hold {
    /// Begins with frames that a former process has appended. Nobody knows when: they wait as if it had been now.
    pub(super) fn new(linger: Duration, finished: u64, last: u64, now: Instant) -> Self {
        let groups = (last > finished).then_some((now, last)).into_iter().collect();
        Self { linger, groups, released: finished }
    }

    fn period(&self) -> Duration {
        self.linger / 2
    }

    /// Frames up to this sequence are durable.
    pub(super) fn durable(&mut self, last: u64, now: Instant) {
        self.release(now);
        let period = self.period();
        match self.groups.back_mut() {
            Some((begun, behind)) if now.saturating_duration_since(*begun) < period => *behind = last,
            _ => self.groups.push_back((now, last)),
        }
    }

    /// The last sequence that may leave now, and when the next group may.
    pub(super) fn release(&mut self, now: Instant) -> (u64, Option<Instant>) {
        let held = self.linger + self.period();
        while let Some((_, last)) = self.groups.pop_front_if(|(begun, _)| *begun + held <= now) {
            self.released = last;
        }
        (self.released, self.groups.front().map(|(begun, _)| *begun + held))
    }

    /// Nothing is held any longer: the spool is emptied for a stop.
    pub(super) fn end(&mut self) {
        self.linger = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_period_leave_together_and_none_before_its_time() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut hold = Hold::new(Duration::from_secs(30), 0, 0, begin);
        assert_eq!(hold.release(at(5)), (0, None));
        for (second, last) in [(10, 1), (12, 2), (24, 3), (25, 4), (26, 5)] {
            hold.durable(last, at(second));
        }
        assert_eq!(hold.release(at(54)), (0, Some(at(55))));
        assert_eq!(hold.release(at(55)), (3, Some(at(70))), "the three within 15 seconds, of which the last is 31 old");
        assert_eq!(hold.release(at(69)), (3, Some(at(70))));
        assert_eq!(hold.release(at(70)), (5, None));
    }

    #[test]
    fn what_a_former_process_left_waits_too() {
        let begin = Instant::now();
        let mut hold = Hold::new(Duration::from_secs(2), 3, 7, begin);
        assert_eq!(hold.release(begin), (3, Some(begin + Duration::from_secs(3))));
        hold.end();
        assert_eq!(hold.release(begin), (7, None));
    }

    #[test]
    fn memory_stays_flat_however_long_nobody_takes_anything() {
        let begin = Instant::now();
        let mut hold = Hold::new(Duration::from_secs(30), 0, 0, begin);
        for second in 0..100_000 {
            hold.durable(second + 1, begin + Duration::from_secs(second));
            assert!(hold.groups.len() <= 4);
        }
    }
}
