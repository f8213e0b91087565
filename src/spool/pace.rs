//! When the next commit begins: commits that begin a little apart share syncs, and the waking around them.

use std::sync::Arc;
use std::time::Duration;

/// How far apart commits begin while few requests wait. At 500 beacons a second five share a sync, and the waking around it, where each had
/// its own: with a thread for each core a beacon takes half of the processor (`make bench`, docs/benchmarks.md). No page waits for the answer.
const APART: Duration = Duration::from_millis(10);
/// How far apart they begin while enough requests wait. Without it a full core would have a commit for each 16.
const BUSY_APART: Duration = Duration::from_millis(2);
/// This many requests are worth a commit.
const ENOUGH: usize = 16;

/// How many requests can wait at a time.
type Callers = Arc<dyn Fn() -> usize + Send + Sync>;

/// The pace of commits.
#[derive(Clone)]
pub struct Pace {
    /// The time between the beginnings of two commits while requests come one by one, until enough wait.
    pub apart: Duration,
    /// The same while enough requests wait.
    pub busy_apart: Duration,
    /// If so many requests wait, nothing more can come, and the next commit begins.
    pub callers: Callers,
}

impl Pace {
    /// That of a server, of which so many connections are open.
    pub fn of_server(callers: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self { apart: APART, busy_apart: BUSY_APART, callers: Arc::new(callers) }
    }

    /// Until when a spool rests whose last commit has begun `rested` ago: the time since that beginning, and how many waiting requests end
    /// the rest before.
    pub(super) fn rest(&self, rested: Duration) -> (Duration, usize) {
        let callers = (self.callers)().max(1);
        match rested < self.busy_apart {
            true => (self.busy_apart, callers),
            false => (self.apart, callers.min(ENOUGH)),
        }
    }
}
