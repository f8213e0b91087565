//! Frames leave the spool some time after they were appended, and together with others.
//!
//! Otherwise somebody who watches the store sees the rows of one beacon appear in several tables at one moment, and knows
//! that they belong together. And who knows the moment of a beacon knows its rows, if few others came then. So frames wait
//! in two ways.
//!
//! - Frames that become durable within one period form a group. A group leaves at once, when its last frame is as old
//!   as `linger`. A period is half of that, so each frame waits for one to one and a half times as long.
//! - With [`Windows`] a group waits until the window ends in which it arrived. All groups of that window leave as
//!   one crowd (crowd.rs), when the last of them is old enough. Where the windows of sites end at different times, the first
//!   end counts.
//!
//! Groups leave in order. If a group may leave, those before it leave as well: requests that were under way when a window ended lie
//! among the first of the next one. When more waits than the spool has space for, all groups that are old enough leave.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the spool must know of windows. Times are milliseconds since 1970.
pub trait Windows: Send + Sync {
    /// The time.
    fn now_ms(&self) -> i64;
    /// The last end of a window that is not after this time, and the first one that is.
    fn around(&self, at_ms: i64) -> (i64, i64);
}

/// Frames that became durable together, more or less.
#[derive(Clone, Copy)]
struct Group {
    /// When its oldest frame became durable, or was found.
    since: Instant,
    begun: Instant,
    last: u64,
    bytes: u64,
    /// When its window ends.
    leaves_ms: i64,
}

/// Groups that have not left.
pub(super) struct Hold {
    linger: Duration,
    /// When more bytes wait, those that are old enough need not wait for the end of their window.
    bytes_max: u64,
    groups: VecDeque<Group>,
    released: u64,
    /// What may leave and is not known to have left.
    leaving: VecDeque<Leaving>,
}

/// A release that is not known to have left.
struct Leaving {
    last: u64,
    /// When it was released.
    released: Instant,
    /// When its oldest frame became durable.
    since: Instant,
}

/// So many releases are distinguished. Beyond that a later one counts as of an earlier one.
const LEAVING_MAX: usize = 64;

/// How often to look whether a window has ended. Its clock is not the machine's.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Hold {
    /// Begins with frames that a former process has appended: runs with their last sequence, bytes, and the end of their window.
    /// Nobody knows how old they are: they wait as if it had been now.
    pub(super) fn new(
        linger: Duration,
        bytes_max: u64,
        finished: u64,
        found: impl Iterator<Item = (u64, u64, i64)>,
        now: Instant,
    ) -> Self {
        let groups = found.filter(|(last, ..)| *last > finished);
        let groups =
            groups.map(|(last, bytes, leaves_ms)| Group { since: now, begun: now, last, bytes, leaves_ms }).collect();
        Self { linger, bytes_max, groups, released: finished, leaving: VecDeque::new() }
    }

    fn period(&self) -> Duration {
        self.linger / 2
    }

    /// How long a group waits from its beginning.
    fn waits(&self) -> Duration {
        self.linger + self.period()
    }

    /// Frames up to this sequence are durable; so many bytes are new, and their window ends then.
    pub(super) fn durable(&mut self, last: u64, bytes: u64, leaves_ms: i64, now: Instant) {
        self.unite(now);
        let period = self.period();
        match self.groups.back_mut() {
            Some(group) if now.saturating_duration_since(group.begun) < period && group.leaves_ms == leaves_ms => {
                (group.last, group.bytes) = (last, group.bytes + bytes);
            }
            _ => self.groups.push_back(Group { since: now, begun: now, last, bytes, leaves_ms }),
        }
    }

    /// Makes one group of neighbours that are old enough and wait for the same end: the memory stays flat.
    fn unite(&mut self, now: Instant) {
        let (waits, groups) = (self.waits(), &mut self.groups);
        let mut at = 1;
        while at < groups.len() && groups[at].begun + waits <= now {
            if groups[at - 1].leaves_ms == groups[at].leaves_ms {
                groups[at].bytes += groups[at - 1].bytes;
                groups[at].since = groups[at - 1].since;
                groups.remove(at - 1);
            } else {
                at += 1;
            }
        }
    }

    /// The last sequence that may leave now, and when to look again.
    pub(super) fn release(&mut self, now: Instant, windows: Option<&dyn Windows>) -> (u64, Option<Instant>) {
        let waits = self.waits();
        let now_ms = windows.map_or(i64::MAX, Windows::now_ms);
        if let Some((_, end_ms)) = windows.map(|windows| windows.around(now_ms)) {
            // A wrong clock may have set an end that never comes.
            self.groups.iter_mut().for_each(|group| group.leaves_ms = group.leaves_ms.min(end_ms));
        }
        let is_full = self.groups.iter().map(|group| group.bytes).sum::<u64>() > self.bytes_max;
        let is_old = |group: &Group| group.begun + waits <= now;
        let leaving = match windows.is_none() || is_full {
            true => self.groups.iter().rposition(is_old),
            // One crowd: what came in the last moments of a window does not leave by itself.
            false => {
                let last = self.groups.iter().rposition(|group| group.leaves_ms <= now_ms);
                last.filter(|last| is_old(&self.groups[*last]))
            }
        };
        let leaving = leaving.map_or(0, |last| last + 1);
        let since = self.groups.front().map_or(now, |group| group.since);
        if let Some(group) = self.groups.drain(..leaving).next_back() {
            self.released = group.last;
            let before = (self.leaving.len() >= LEAVING_MAX).then(|| self.leaving.pop_back()).flatten();
            let (released, since) = before.map_or((now, since), |before| (before.released, before.since));
            self.leaving.push_back(Leaving { last: group.last, released, since });
        }
        let due = |group: &Group| if windows.is_some() { now + LOOK_EVERY } else { group.begun + waits };
        (self.released, self.groups.front().map(due))
    }

    /// How long frames have been waiting that may leave, when all up to `finished` have left.
    pub(super) fn late(&mut self, finished: u64, now: Instant) -> Duration {
        while self.leaving.pop_front_if(|leaving| leaving.last <= finished).is_some() {}
        self.leaving.front().map_or(Duration::ZERO, |leaving| now.saturating_duration_since(leaving.released))
    }

    /// How long the oldest frame has been here that is not known to have left. What was found counts from then.
    pub(super) fn oldest(&self, now: Instant) -> Duration {
        let leaving = self.leaving.front().map(|leaving| leaving.since);
        let since = leaving.or_else(|| self.groups.front().map(|group| group.since));
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Nothing waits for its age any longer: the program stops.
    pub(super) fn end(&mut self) {
        self.linger = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    const ALWAYS: i64 = i64::MIN;

    /// Windows of a hundred seconds.
    struct Hundreds(AtomicI64);

    impl Hundreds {
        fn at(now_ms: i64) -> Self {
            Self(now_ms.into())
        }
    }

    impl Windows for Hundreds {
        fn now_ms(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        fn around(&self, at_ms: i64) -> (i64, i64) {
            let begin = at_ms / 100_000 * 100_000;
            (begin, begin + 100_000)
        }
    }

    fn new(linger_s: u64, now: Instant) -> Hold {
        Hold::new(Duration::from_secs(linger_s), 1_000_000, 0, std::iter::empty(), now)
    }

    #[test]
    fn frames_of_a_period_leave_together_and_none_before_its_time() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut hold = new(30, begin);
        assert_eq!(hold.release(at(5), None), (0, None));
        for (second, last) in [(10, 1), (12, 2), (24, 3), (25, 4), (26, 5)] {
            hold.durable(last, 1, ALWAYS, at(second));
        }
        assert_eq!(hold.release(at(54), None), (0, Some(at(55))));
        assert_eq!(
            hold.release(at(55), None),
            (3, Some(at(70))),
            "the three within 15 seconds, of which the last is 31 old"
        );
        assert_eq!(hold.release(at(69), None), (3, Some(at(70))));
        assert_eq!(hold.release(at(70), None), (5, None));
    }

    #[test]
    fn the_oldest_frame_is_known_through_groups_and_releases_until_it_has_left() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let (mut hold, windows) = (new(2, begin), Hundreds::at(50_000));
        assert_eq!(hold.oldest(at(9)), Duration::ZERO);
        for second in 10..90 {
            hold.durable(second, 1, 100_000, at(second));
        }
        hold.release(at(95), Some(&windows));
        assert_eq!(hold.oldest(at(95)), Duration::from_secs(85), "it waits for the end of its window");
        windows.0.store(101_000, Ordering::Relaxed);
        hold.release(at(101), Some(&windows));
        hold.durable(90, 1, 200_000, at(101));
        assert_eq!(hold.late(88, at(103)), Duration::from_secs(2));
        assert_eq!(hold.oldest(at(103)), Duration::from_secs(93));
        assert_eq!(hold.late(89, at(104)), Duration::ZERO);
        assert_eq!(hold.oldest(at(104)), Duration::from_secs(3));
    }

    #[test]
    fn what_a_former_process_left_waits_too() {
        let begin = Instant::now();
        let found = [(2, 9, ALWAYS), (7, 9, ALWAYS)].into_iter();
        let mut hold = Hold::new(Duration::from_secs(2), 1_000, 3, found, begin);
        assert_eq!(hold.release(begin, None), (3, Some(begin + Duration::from_secs(3))));
        hold.end();
        assert_eq!(hold.release(begin, None), (7, None));
    }

    #[test]
    fn frames_leave_with_all_others_of_their_window_and_after_its_end() {
        let (begin, clock) = (Instant::now(), Hundreds::at(10_000));
        let later = begin + Duration::from_secs(60);
        let mut hold = new(30, begin);
        hold.durable(1, 1, 100_000, begin);
        hold.durable(2, 1, 100_000, begin + Duration::from_secs(20));
        assert_eq!(hold.release(later, Some(&clock)).0, 0, "it is old enough, and its window runs");
        clock.0.store(100_000, Ordering::Relaxed);
        // The last of the window come between the first of the next.
        hold.durable(3, 1, 200_000, later);
        hold.durable(4, 1, 100_000, later);
        hold.durable(5, 1, 200_000, later);
        assert_eq!(hold.release(later + Duration::from_secs(44), Some(&clock)).0, 0, "the last ones are too young");
        assert_eq!(hold.release(later + Duration::from_secs(45), Some(&clock)).0, 4);
        assert_eq!(hold.release(later + Duration::from_secs(9_999), Some(&clock)).0, 4);
        hold.end();
        assert_eq!(hold.release(later + Duration::from_secs(9_999), Some(&clock)).0, 4, "a stop flushes no window");
    }

    #[test]
    fn without_space_all_leave_that_are_old_enough() {
        let (begin, clock) = (Instant::now(), Hundreds::at(10_000));
        let mut hold = Hold::new(Duration::from_secs(30), 10, 0, std::iter::empty(), begin);
        hold.durable(1, 10, 100_000, begin);
        let later = begin + Duration::from_secs(60);
        assert_eq!(hold.release(later, Some(&clock)).0, 0, "as much as may wait");
        hold.durable(2, 1, 100_000, later);
        assert_eq!(hold.release(later, Some(&clock)).0, 1);
        assert_eq!(hold.release(later + Duration::from_secs(60), Some(&clock)).0, 1, "what is left has space");
    }

    #[test]
    fn an_end_that_a_wrong_clock_set_is_not_waited_for() {
        let (begin, clock) = (Instant::now(), Hundreds::at(10_000));
        let later = begin + Duration::from_secs(60);
        let mut hold = new(30, begin);
        hold.durable(1, 1, 9_900_000, begin);
        assert_eq!(hold.release(later, Some(&clock)).0, 0);
        clock.0.store(100_000, Ordering::Relaxed);
        assert_eq!(hold.release(later, Some(&clock)).0, 1);
    }

    #[test]
    fn frames_that_wait_for_their_window_are_not_late_and_those_that_may_leave_are() {
        let (begin, clock) = (Instant::now(), Hundreds::at(10_000));
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut hold = new(30, begin);
        hold.durable(1, 1, 100_000, begin);
        hold.release(at(86_000), Some(&clock));
        assert_eq!(hold.late(0, at(86_000)), Duration::ZERO, "a day is not late");
        clock.0.store(100_000, Ordering::Relaxed);
        hold.durable(2, 1, 200_000, at(86_001));
        assert_eq!(hold.release(at(86_100), Some(&clock)).0, 1);
        assert_eq!(hold.late(0, at(86_160)), Duration::from_secs(60));
        clock.0.store(200_000, Ordering::Relaxed);
        assert_eq!(hold.release(at(86_170), Some(&clock)).0, 2);
        assert_eq!(hold.late(0, at(86_180)), Duration::from_secs(80), "the first one counts");
        assert_eq!(hold.late(1, at(86_180)), Duration::from_secs(10), "which has left");
        assert_eq!(hold.late(2, at(86_180)), Duration::ZERO);
    }

    #[test]
    fn memory_stays_flat_however_long_nobody_takes_anything() {
        let begin = Instant::now();
        let mut hold = new(30, begin);
        for second in 0..100_000 {
            hold.durable(second + 1, 1, ALWAYS, begin + Duration::from_secs(second));
            assert!(hold.groups.len() <= 5, "{}", hold.groups.len());
            if second % 30 == 0 {
                hold.release(begin + Duration::from_secs(second), None);
            }
            assert!(hold.leaving.len() <= LEAVING_MAX);
        }
        let last = begin + Duration::from_secs(100_000);
        assert_eq!(hold.late(0, last), Duration::from_secs(99_940), "since the first that was old enough");
        let released = hold.released;
        assert_eq!(hold.late(released, last), Duration::ZERO);
    }
}
