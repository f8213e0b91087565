//! The only source of wall-clock time. Everything that needs "now" is given a [`Clock`]; `clippy.toml` bans the other ways.
//!
//! A clock is either the machine's own or a simulated one. The machine's clock is *disciplined* ([`discipline`]): its time is a
//! wall time that was believed plus what the boot clock says has passed. So a wall clock that is set to another year, for a
//! second or for an hour, moves no arrival to another day. While the wall clock is disputed, nothing is done that cannot be taken
//! back: [`Clock::now_to_destroy`] and [`Clock::now_to_publish`] give no time.
//!
//! A simulated clock stands still until it is moved, only goes forward, and is never disputed.
//!
//! Not promised: that a wall clock is right that was wrong from the first start on, or that changed while the machine was off.

mod discipline;
mod machine;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use discipline::Belief;
pub use discipline::Reading;
use machine::Machine;

/// What messages call the machine's own clock.
const WALL: &str = "the wall clock";
/// A store's clock may differ by this much, in seconds: the answer travels, and the store's clock follows NTP by itself.
const STORE_TOLERANCE_S: i64 = 60;

/// The time since the machine was started, in milliseconds; the time that it slept included. No setting of a clock moves it.
pub fn boot_ms() -> u64 {
    u64::try_from(machine::boot_us() / 1000).unwrap_or(0)
}

/// A cheap handle on time; clones show the same time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Machine(Arc<Disciplined>),
    Simulated(Arc<Simulated>),
}

struct Disciplined {
    machine: Machine,
    /// By store: how many seconds its clock is ahead, and since when it has been too many, by our time in microseconds.
    stores: Mutex<BTreeMap<&'static str, (i64, i64)>>,
}

struct Simulated {
    /// Milliseconds since 1970.
    shown_ms: AtomicI64,
    /// Whether the machine's time goes on from there.
    live: AtomicBool,
    machine: Machine,
}

/// Whether the machine's wall clock is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockStatus {
    /// All clocks agree.
    Agreed,
    /// Another clock disagrees: the wall clock, or that of a store.
    Disputed {
        /// Whose clock: `the wall clock`, or that of a store's server.
        whose: &'static str,
        /// By how many seconds it is ahead of the time.
        offset_s: i64,
        /// Whether this has lasted for more than two hours. Then keys and rows end again.
        lasting: bool,
    },
    /// The machine was restarted, and its wall clock shows an impossible time, by so many seconds. Nobody knows the day.
    Unknown {
        /// How far the wall clock is ahead of the last time that was known, in seconds.
        offset_s: i64,
    },
}

impl Clock {
    /// The machine's clock, for this process alone: the wall clock is believed at the start.
    pub fn machine() -> Self {
        Self::disciplined(Machine::real(None))
    }

    /// The machine's clock as the collector of this data folder knows it, also over restarts.
    pub fn kept_in(data: &Path) -> Self {
        Self::disciplined(Machine::real(Some(data)))
    }

    /// A disciplined clock with other sources than the machine's.
    pub fn with_readings(
        read: impl Fn() -> Reading + Send + Sync + 'static,
        boot_id: &str,
        data: Option<&Path>,
    ) -> Self {
        Self::disciplined(Machine::new(Box::new(read), boot_id.to_owned(), data))
    }

    fn disciplined(machine: Machine) -> Self {
        Self(Source::Machine(Arc::new(Disciplined { machine, stores: Mutex::default() })))
    }

    /// A clock that shows `start` until [`Clock::advance_to`] moves it.
    pub fn simulated(start: Timestamp) -> Self {
        let shown_ms = AtomicI64::new(start.as_millisecond());
        Self(Source::Simulated(Arc::new(Simulated { shown_ms, live: false.into(), machine: Machine::real(None) })))
    }

    /// The time now, to the millisecond.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).expect("a clock shows a year between -9999 and 9999")
    }

    /// The time now in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::Machine(clock) => clock.machine.now() / 1000,
            Source::Simulated(clock) => {
                let shown = clock.shown_ms.load(Ordering::Acquire);
                if clock.live.load(Ordering::Acquire) { shown.max(clock.machine.now() / 1000) } else { shown }
            }
        }
    }

    /// The time up to which keys and rows may be destroyed; nothing while that could be too early.
    pub fn now_to_destroy(&self) -> Option<Timestamp> {
        let may = matches!(self.status(), ClockStatus::Agreed | ClockStatus::Disputed { lasting: true, .. });
        may.then(|| self.now())
    }

    /// The time up to which windows may be published; nothing while any clock is disputed.
    pub fn now_to_publish(&self) -> Option<Timestamp> {
        (self.status() == ClockStatus::Agreed).then(|| self.now())
    }

    /// Whether the clocks agree.
    pub fn status(&self) -> ClockStatus {
        let Source::Machine(clock) = &self.0 else { return ClockStatus::Agreed };
        let (belief, offset) = clock.machine.belief();
        let offset_s = offset / 1_000_000;
        match belief {
            Belief::Unknown => ClockStatus::Unknown { offset_s },
            Belief::Disputed { lasting } => ClockStatus::Disputed { whose: WALL, offset_s, lasting },
            Belief::Agreed => clock.store_disputed().unwrap_or(ClockStatus::Agreed),
        }
    }

    /// The time now in milliseconds since 1970; nothing while nobody knows which day it is, so that a beacon cannot be given one.
    pub fn known_ms(&self) -> Option<i64> {
        match &self.0 {
            Source::Machine(clock) => clock.machine.known().map(|time| time / 1000),
            Source::Simulated(_) => Some(self.now_ms()),
        }
    }

    /// Whether nobody knows which day it is.
    pub fn is_unknown(&self) -> bool {
        self.known_ms().is_none()
    }

    /// How many seconds the wall clock is ahead of the time.
    pub fn wall_offset_s(&self) -> i64 {
        match &self.0 {
            Source::Machine(clock) => clock.machine.belief().1 / 1_000_000,
            Source::Simulated(_) => 0,
        }
    }

    /// What a store on another machine says the time is, in seconds since 1970.
    pub fn note_store(&self, store: &'static str, its_now_s: i64) {
        let Source::Machine(clock) = &self.0 else { return };
        let now = clock.machine.now();
        let offset_s = its_now_s.saturating_sub(now / 1_000_000);
        let mut stores = clock.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if offset_s.abs() <= STORE_TOLERANCE_S {
            stores.remove(store);
        } else {
            stores.entry(store).or_insert((0, now)).0 = offset_s;
        }
    }

    /// Makes the time survive a restart of the process.
    pub fn save(&self) -> io::Result<()> {
        match &self.0 {
            Source::Machine(clock) => clock.machine.save(),
            Source::Simulated(_) => Ok(()),
        }
    }

    /// Orders the running or the next collector to believe the wall clock as it is now.
    pub fn order_acceptance(&self) -> io::Result<()> {
        match &self.0 {
            Source::Machine(clock) => clock.machine.order_acceptance(),
            Source::Simulated(_) => Ok(()),
        }
    }

    /// Carries out such an order. Returns by how many seconds the time has changed, if it has.
    pub fn take_acceptance(&self) -> io::Result<Option<i64>> {
        match &self.0 {
            Source::Machine(clock) => Ok(clock.machine.take_acceptance()?.map(|step| step / 1_000_000)),
            Source::Simulated(_) => Ok(None),
        }
    }

    /// By how many seconds the time has changed because a small step of the wall clock has lasted for hours; said once.
    pub fn taken_over(&self) -> Option<i64> {
        match &self.0 {
            Source::Machine(clock) => clock.machine.taken_over().map(|step| step / 1_000_000),
            Source::Simulated(_) => None,
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

impl ClockStatus {
    /// The sentence for an operator; nothing if the clocks agree.
    pub fn sentence(&self) -> Option<String> {
        const OR_ACCEPT: &str = "Set the clock right; if it is right, run `tamga clock accept --yes`";
        let remedy = |whose: &str| if whose == WALL { OR_ACCEPT } else { "Set the clocks of both machines right" };
        let by = |offset_s: i64| {
            format!("{} s {}", offset_s.unsigned_abs(), if offset_s < 0 { "behind" } else { "ahead of" })
        };
        match self {
            Self::Agreed => None,
            Self::Disputed { whose, offset_s, lasting: false } => Some(format!(
                "{whose} is {} the time that this node has kept: no key is destroyed, no row deleted, nothing published \
                 until they agree. {}",
                by(*offset_s),
                remedy(whose)
            )),
            Self::Disputed { whose, offset_s, lasting: true } => Some(format!(
                "{whose} has been {} the time that this node has kept, for more than two hours: keys and rows end by that time, \
                 and nothing is published. {}",
                by(*offset_s),
                remedy(whose)
            )),
            Self::Unknown { offset_s } => Some(format!(
                "the machine was restarted and its clock is {} the last time that this node has saved: beacons are refused, since \
                 nobody knows their day. {OR_ACCEPT}",
                by(*offset_s)
            )),
        }
    }
}

impl Disciplined {
    /// The store whose clock has been wrong for the longest time.
    fn store_disputed(&self) -> Option<ClockStatus> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let (whose, (offset_s, since)) = stores.iter().min_by_key(|(_, (_, since))| *since)?;
        let lasting = self.machine.now() - since >= discipline::PATIENCE;
        Some(ClockStatus::Disputed { whose, offset_s: *offset_s, lasting })
    }
}

#[cfg(test)]
mod tests;
