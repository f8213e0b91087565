//! The only source of wall-clock time. Everything that needs "now" is given a [`Clock`]; `clippy.toml` bans the other ways.
//!
//! A clock is either the machine's own or a simulated one, which stands still until it is moved. Simulated time only goes
//! forward, so that what is proved with it (key death, windows, retention) holds for a machine whose clock is kept by NTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// A cheap handle on time; clones of a simulated clock show the same time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Machine,
    /// Milliseconds since 1970 that the clock shows, and what it adds: with `live` the machine's time goes on from there.
    Simulated(Arc<Simulated>),
}

struct Simulated {
    shown_ms: AtomicI64,
    live: std::sync::atomic::AtomicBool,
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        Self(Source::Machine)
    }

    /// A clock that shows `start` until [`Clock::advance_to`] moves it.
    pub fn simulated(start: Timestamp) -> Self {
        Self(Source::Simulated(Arc::new(Simulated {
            shown_ms: AtomicI64::new(start.as_millisecond()),
            live: false.into(),
        })))
    }

    /// The time now, to the millisecond.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).expect("a clock shows a year between -9999 and 9999")
    }

    /// The time now in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::Machine => machine_ms(),
            Source::Simulated(clock) => {
                let shown = clock.shown_ms.load(Ordering::Acquire);
                if clock.live.load(Ordering::Acquire) { shown.max(machine_ms()) } else { shown }
            }
        }
    }

    /// Moves a simulated clock forward to `time`; an earlier time, or the machine's clock, is left as it is.
    pub fn advance_to(&self, time: Timestamp) {
        if let Source::Simulated(clock) = &self.0 {
            clock.shown_ms.fetch_max(time.as_millisecond(), Ordering::AcqRel);
        }
    }

    /// Lets a simulated clock go on with the machine's time from the moment the two meet.
    pub fn follow_machine(&self) {
        if let Source::Simulated(clock) = &self.0 {
            clock.live.store(true, Ordering::Release);
        }
    }

    /// Whether the clock is a simulated one.
    pub fn is_simulated(&self) -> bool {
        matches!(self.0, Source::Simulated(_))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
fn machine_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_time_stands_until_moved_and_never_goes_back() {
        let start = Timestamp::from_second(1_000_000).expect("in range");
        let clock = Clock::simulated(start);
        let other = clock.clone();
        assert_eq!(other.now(), start);
        let later = Timestamp::from_second(1_000_060).expect("in range");
        clock.advance_to(later);
        clock.advance_to(start);
        assert_eq!(other.now(), later);
    }

    #[test]
    fn a_clock_that_follows_the_machine_shows_the_machine_s_time() {
        let clock = Clock::simulated(Timestamp::from_second(0).expect("in range"));
        clock.follow_machine();
        assert!(clock.now_ms().abs_diff(Clock::machine().now_ms()) < 5_000);
    }
}
