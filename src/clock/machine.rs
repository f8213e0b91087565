//! The machine's two clocks, read together, and the file in which the believed time survives a restart.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::discipline::{Belief, Discipline, Reading, Saved, TOLERANCE};
use crate::files;

/// Readings of both clocks that lie this close together, in microseconds, are of one moment.
const AT_ONCE: i64 = 20_000;
/// How often that is tried. A machine that is too busy for it gets the last one.
const ATTEMPTS: u32 = 20;

/// The kernel's random name of this start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const SAVED: &str = "clock.json";
const ACCEPTED: &str = "clock-accept.json";

/// Reads both clocks.
pub(super) type Read = dyn Fn() -> Reading + Send + Sync;

/// A disciplined clock and where it is kept.
pub(super) struct Machine {
    read: Box<Read>,
    boot_id: String,
    folder: Option<PathBuf>,
    state: Mutex<Discipline>,
}

/// That a person accepts a wall clock: how far it is ahead of the boot clock of a start of the machine.
#[derive(Deserialize, Serialize)]
struct Acceptance {
    boot_id: String,
    ahead: i64,
}

impl Machine {
    pub(super) fn new(read: Box<Read>, boot_id: String, folder: Option<&Path>) -> Self {
        let saved = folder.and_then(|folder| load::<Saved>(&folder.join(SAVED)));
        let state = Mutex::new(Discipline::new(saved.as_ref(), &boot_id, read()));
        Self { read, boot_id, folder: folder.map(Path::to_owned), state }
    }

    /// Both clocks of this machine.
    pub(super) fn real(folder: Option<&Path>) -> Self {
        let boot_id = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        Self::new(Box::new(read_both), boot_id, folder)
    }

    /// Reads both clocks under the lock, so that readings come in their order.
    fn look(&self) -> (MutexGuard<'_, Discipline>, Reading, i64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.read)();
        let time = state.read(now);
        (state, now, time)
    }

    /// The time in microseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.look().2
    }

    /// The time in microseconds since 1970, unless it is unknown.
    pub(super) fn known(&self) -> Option<i64> {
        let (state, now, time) = self.look();
        (state.belief(now) != Belief::Unknown).then_some(time)
    }

    /// Whether the wall clock is believed, and by how many microseconds it is ahead of the time.
    pub(super) fn belief(&self) -> (Belief, i64) {
        let (state, now, _) = self.look();
        (state.belief(now), state.offset())
    }

    /// By how many microseconds the time has changed because a step of the wall clock has lasted; said once.
    pub(super) fn taken_over(&self) -> Option<i64> {
        self.look().0.taken_over()
    }

    /// Writes the file, whole or not at all.
    pub(super) fn save(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let saved = self.look().0.save(&self.boot_id);
        saved.map_or(Ok(()), |saved| write(&folder.join(SAVED), &saved))
    }

    /// Leaves the order to believe the wall clock as it is now.
    pub(super) fn order_acceptance(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let now = (self.read)();
        let order = Acceptance { boot_id: self.boot_id.clone(), ahead: now.wall - now.boot };
        write(&folder.join(ACCEPTED), &order)
    }

    /// Carries out an order to believe the wall clock, if there is one that means the clock as it is now. Returns by how many
    /// microseconds the time has changed.
    pub(super) fn take_acceptance(&self) -> io::Result<Option<i64>> {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(ACCEPTED)) else { return Ok(None) };
        if !path.exists() {
            return Ok(None);
        }
        let order = load::<Acceptance>(&path);
        fs::remove_file(&path)?;
        let (mut state, now, _) = self.look();
        let means_it = order.is_some_and(|order| {
            order.boot_id == self.boot_id && order.ahead.abs_diff(now.wall - now.boot) <= TOLERANCE.unsigned_abs()
        });
        let step = state.offset();
        if means_it {
            state.accept(now);
        }
        Ok(means_it.then_some(step))
    }
}

/// The boot clock in microseconds.
pub(super) fn boot_us() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

/// Reads the wall clock between two readings of the boot clock, so that a pause in between is no difference.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
fn read_both() -> Reading {
    let mut reading = Reading { wall: 0, boot: 0 };
    for _ in 0..ATTEMPTS {
        let before = boot_us();
        reading = Reading { wall: jiff::Timestamp::now().as_microsecond(), boot: boot_us() };
        if reading.boot - before < AT_ONCE {
            break;
        }
    }
    reading
}

/// A file that is not there or not whole says nothing.
fn load<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Any account may read the file: the verb that leaves an order may be another account's than the collector.
fn write(path: &Path, content: &impl Serialize) -> io::Result<()> {
    files::replace(path, &serde_json::to_vec(content)?, 0o644)
}
