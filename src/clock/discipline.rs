//! When the machine's clock is believed: pure arithmetic on two readings, without I/O.
//!
//! The wall clock can be set to any time by anybody: by NTP, by a hypervisor, by hand. The boot clock (CLOCK_BOOTTIME) only
//! goes forward and counts suspended time too. So the time is a wall time that was believed, plus what the boot clock says has
//! passed since. While both agree to within [`TOLERANCE`], the time follows the wall clock slowly and never goes back.
//! Otherwise the wall clock is *disputed*, and the time goes on by the boot clock. A dispute ends when the clocks agree again,
//! when a small difference has lasted for [`PATIENCE`], or when somebody accepts the wall clock.
//!
//! After a reboot the boot clock says nothing about the time before. Then a wall clock is believed unless it is before the time
//! that was saved, or more than [`ABSENCE`] after it. Until then the time is *unknown*, and no beacon can be given a day.
//!
//! All times are in microseconds.

use serde::{Deserialize, Serialize};

const SECOND: i64 = 1_000_000;
/// Differences up to this are followed: NTP corrects so much without a step, or with one at its start.
const TOLERANCE_S: i64 = 5;
pub(super) const TOLERANCE: i64 = TOLERANCE_S * SECOND;
/// The time runs faster or slower by one part in so many while it follows the wall clock.
const SLEW: i64 = 20;
/// How often the rate is set anew.
const INTERVAL: i64 = SECOND / 10;
/// How long a difference lasts before it is taken for the truth. A wrong clock that is noticed is set right within an hour; twice
/// that leaves a margin. Keys and rows end again after this time, so a dispute delays them by no more.
const PATIENCE_H: i64 = 2;
pub(super) const PATIENCE: i64 = PATIENCE_H * 3600 * SECOND;
/// A lasting step of this size or more is never taken over without a person: it moves rows to other days.
const LARGE_STEP: i64 = 24 * 3600 * SECOND;
/// For so long a machine may have been off. A wall clock further ahead is more probably wrong.
const ABSENCE_DAYS: i64 = 40;
const ABSENCE: i64 = ABSENCE_DAYS * 24 * 3600 * SECOND;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock: microseconds since 1970.
    pub wall: i64,
    /// The boot clock: microseconds since the machine started.
    pub boot: i64,
}

/// What survives a restart of the process.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Saved {
    /// Which start of the machine the boot clock counts from.
    pub(super) boot_id: String,
    boot: i64,
    time: i64,
    dispute: Option<Dispute>,
}

/// A difference between wall clock and time.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Dispute {
    offset: i64,
    since_boot: i64,
}

/// Whether the wall clock is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belief {
    /// It agrees with the boot clock.
    Agreed,
    /// It does not. `lasting`: for longer than [`PATIENCE`].
    Disputed { lasting: bool },
    /// The machine was restarted, and the wall clock shows an impossible time.
    Unknown,
}

/// The time by both clocks.
#[derive(Debug)]
pub(super) struct Discipline {
    /// The time at a moment of the boot clock, and how far the wall clock was ahead of it then.
    time: i64,
    boot: i64,
    ahead: i64,
    /// How far the wall clock is ahead of the time now.
    offset: i64,
    dispute: Option<Dispute>,
    is_unknown: bool,
    /// By how far a lasting step of the wall clock was taken over, until somebody asks.
    taken_over: Option<i64>,
}

impl Discipline {
    /// Begins with what an earlier process of this node saved, if there was one.
    pub(super) fn new(saved: Option<&Saved>, boot_id: &str, now: Reading) -> Self {
        let mut begun = Self {
            time: now.wall,
            boot: now.boot,
            ahead: 0,
            offset: 0,
            dispute: None,
            is_unknown: false,
            taken_over: None,
        };
        let Some(saved) = saved else { return begun };
        begun.time = saved.time;
        if saved.boot_id == boot_id && saved.boot <= now.boot {
            (begun.boot, begun.dispute) = (saved.boot, saved.dispute);
        } else {
            begun.is_unknown = true;
        }
        begun.read(now);
        begun
    }

    /// The time at this reading. Readings come in the order of the boot clock.
    pub(super) fn read(&mut self, now: Reading) -> i64 {
        if self.is_unknown {
            if (self.time - TOLERANCE..=self.time + ABSENCE).contains(&now.wall) {
                self.is_unknown = false;
                self.set(self.time.max(now.wall), now);
            }
            self.offset = now.wall.saturating_sub(self.time);
            return self.time;
        }
        let boot = now.boot.max(self.boot);
        let time = self.at(boot);
        self.offset = now.wall.saturating_sub(time);
        if self.offset.saturating_abs() <= TOLERANCE {
            if self.dispute.take().is_some() || boot - self.boot >= INTERVAL {
                (self.time, self.boot, self.ahead) = (time, boot, self.offset);
            }
            return time;
        }
        match self.dispute {
            Some(dispute) if dispute.offset.abs_diff(self.offset) <= TOLERANCE.unsigned_abs() => {
                if boot - dispute.since_boot >= PATIENCE && self.offset.saturating_abs() < LARGE_STEP {
                    self.taken_over = Some(self.offset);
                    self.set(now.wall, now);
                    return now.wall;
                }
            }
            // It is new, or another one: its patience begins now.
            _ => {
                self.dispute = Some(Dispute { offset: self.offset, since_boot: boot });
                (self.time, self.boot, self.ahead) = (time, boot, 0);
            }
        }
        time
    }

    /// The time at a moment of the boot clock that is not before the last one.
    fn at(&self, boot: i64) -> i64 {
        let elapsed = boot - self.boot;
        let followed = (elapsed / SLEW).min(self.ahead.abs());
        self.time + elapsed + followed * self.ahead.signum()
    }

    /// Believes this time from now on.
    fn set(&mut self, time: i64, now: Reading) {
        (self.time, self.boot, self.ahead, self.offset, self.dispute) = (time, now.boot, 0, 0, None);
    }

    /// Believes the wall clock, because a person says so.
    pub(super) fn accept(&mut self, now: Reading) {
        self.is_unknown = false;
        self.set(now.wall, now);
    }

    /// Whether the wall clock was believed at the last reading.
    pub(super) fn belief(&self, now: Reading) -> Belief {
        match self.dispute {
            _ if self.is_unknown => Belief::Unknown,
            Some(dispute) => Belief::Disputed { lasting: now.boot - dispute.since_boot >= PATIENCE },
            None => Belief::Agreed,
        }
    }

    /// How far the wall clock was ahead of the time at the last reading.
    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    /// By how far a lasting step of the wall clock has been taken over since the last call.
    pub(super) fn taken_over(&mut self) -> Option<i64> {
        self.taken_over.take()
    }

    /// What the next process is to know; nothing while the time is unknown.
    pub(super) fn save(&self, boot_id: &str) -> Option<Saved> {
        let Self { time, boot, dispute, .. } = *self;
        (!self.is_unknown).then(|| Saved { boot_id: boot_id.to_owned(), boot, time, dispute })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3600 * SECOND;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    /// The true time when the boot clock shows 0.
    const BEGAN: i64 = 20_000 * DAY;

    /// The clocks when so much time has passed and the wall clock is wrong by `error`.
    fn at(passed: i64, error: i64) -> Reading {
        Reading { wall: BEGAN + passed + error, boot: passed }
    }

    fn begun() -> Discipline {
        Discipline::new(None, "a", at(0, 0))
    }

    #[test]
    fn a_small_difference_is_followed_slowly_and_the_time_never_goes_back() {
        let mut clock = begun();
        let (mut last, mut passed) = (BEGAN, 0);
        for error in [4 * SECOND, 0, -4 * SECOND, 0] {
            for _ in 0..30_000 {
                passed += 7_000;
                let time = clock.read(at(passed, error));
                assert!((6_000..8_000).contains(&(time - last)), "{}", time - last);
                last = time;
            }
            assert!((last - BEGAN - passed - error).abs() < SECOND / 100, "it gets there");
            assert_eq!(clock.belief(at(passed, error)), Belief::Agreed);
        }
    }

    #[test]
    fn a_reading_after_a_long_pause_follows_no_further_than_the_difference() {
        let mut clock = begun();
        clock.read(at(SECOND, 2 * SECOND));
        assert_eq!(clock.read(at(10 * HOUR, 2 * SECOND)), BEGAN + 10 * HOUR + 2 * SECOND);
    }

    #[test]
    fn a_lasting_step_of_less_than_a_day_is_taken_over_after_two_hours_and_a_larger_one_never() {
        for (error, taken) in [(3 * HOUR, true), (-3 * HOUR, true), (-DAY, false), (2 * DAY, false), (10 * YEAR, false)]
        {
            let mut clock = begun();
            for minute in 1..=120 {
                assert_eq!(clock.read(at(minute * 60 * SECOND, error)), BEGAN + minute * 60 * SECOND);
                assert_eq!(clock.belief(at(minute * 60 * SECOND, error)), Belief::Disputed { lasting: false });
            }
            let time = clock.read(at(121 * 60 * SECOND, error));
            assert_eq!(time == BEGAN + 121 * 60 * SECOND + error, taken);
            let belief = if taken { Belief::Agreed } else { Belief::Disputed { lasting: true } };
            assert_eq!(clock.belief(at(121 * 60 * SECOND, error)), belief);
            assert_eq!(clock.taken_over(), taken.then_some(error));
            clock.accept(at(122 * 60 * SECOND, error));
            assert_eq!(clock.read(at(123 * 60 * SECOND, error)), BEGAN + 123 * 60 * SECOND + error);
        }
    }

    #[test]
    fn a_clock_that_jumps_again_and_again_is_not_taken_for_right() {
        let mut clock = begun();
        for minute in 1..600 {
            let error = if minute % 50 < 25 { 5 * HOUR } else { 6 * HOUR };
            assert_eq!(clock.read(at(minute * 60 * SECOND, error)), BEGAN + minute * 60 * SECOND);
        }
    }

    #[test]
    fn a_restart_of_the_process_changes_nothing() {
        let mut clock = begun();
        clock.read(at(HOUR, 0));
        let saved = clock.save("a").expect("known");
        let mut next = Discipline::new(Some(&saved), "a", at(HOUR + SECOND, 2 * DAY));
        assert_eq!(next.belief(at(HOUR + SECOND, 2 * DAY)), Belief::Disputed { lasting: false });
        assert_eq!(next.read(at(2 * HOUR, 2 * DAY)), BEGAN + 2 * HOUR);
        // The patience goes on over restarts.
        let saved = next.save("a").expect("known");
        let next = Discipline::new(Some(&saved), "a", at(4 * HOUR, 2 * DAY));
        assert_eq!(next.belief(at(4 * HOUR, 2 * DAY)), Belief::Disputed { lasting: true });
    }

    #[test]
    fn after_a_reboot_only_a_possible_time_is_believed() {
        let saved = begun().save("a").expect("known");
        let reboot = |wall| Discipline::new(Some(&saved), "b", Reading { wall, boot: 5 });
        for (wall, belief) in [
            (0, Belief::Unknown),
            (BEGAN - DAY, Belief::Unknown),
            (BEGAN, Belief::Agreed),
            (BEGAN + 30 * DAY, Belief::Agreed),
            (BEGAN + 10 * YEAR, Belief::Unknown),
        ] {
            let mut clock = reboot(wall);
            assert_eq!(clock.belief(Reading { wall, boot: 5 }), belief, "{wall}");
            assert_eq!(clock.save("b").is_some(), belief == Belief::Agreed);
            // Then NTP sets the clock right.
            let right = Reading { wall: BEGAN + 31 * DAY, boot: 6 * SECOND };
            if belief == Belief::Unknown {
                assert_eq!(clock.read(right), right.wall);
                assert_eq!(clock.belief(right), Belief::Agreed);
            }
        }
        // The same name of a start with a boot clock that is behind: another namespace, or a forged file.
        assert_eq!(Discipline::new(Some(&saved), "a", Reading { wall: 0, boot: -1 }).belief(at(0, 0)), Belief::Unknown);
    }

    proptest! {
        /// The time is within the tolerance of the truth, and never goes back, whatever the wall clock shows for up to an hour.
        #[test]
        fn jumps_of_up_to_an_hour_do_not_move_the_time(
            jumps in prop::collection::vec((0..4 * HOUR, -10 * YEAR..10 * YEAR, 5 * SECOND..HOUR, 1..200_i64), 1..12),
        ) {
            let mut clock = begun();
            let (mut passed, mut last) = (0, BEGAN);
            for (pause, error, lasts, reads) in jumps {
                let begins = passed + pause;
                for step in 0..=reads {
                    let moment = begins + lasts * step / reads;
                    let error = if step == reads { 0 } else { error };
                    let time = clock.read(at(moment, error));
                    prop_assert!(time >= last);
                    prop_assert!(time.abs_diff(BEGAN + moment) <= TOLERANCE.unsigned_abs());
                    last = time;
                }
                passed = begins + lasts;
                prop_assert_eq!(clock.belief(at(passed, 0)), Belief::Agreed);
            }
        }
    }
}
