//! Ends this process when a statement of an analyst keeps neither its deadline nor its memory.
//!
//! The engine's own limits are asked by its code now and then. Some functions never ask, and some memory is not counted.
//! So a thread watches from outside while statements of analysts run. When nothing else helps, it ends the process, which
//! is like a crash: the parent starts the engine again, and no acknowledged row is lost. Other statements that run at that
//! moment fail too. Analysts whose answers have not begun get the reason first ([`Watchdog::ending`]).
//!
//! [`bound_memory`] is the limit that the system keeps. One huge allocation fails at once, and only its statement fails.
//! A sum of small ones would leave nothing for the threads of others, so the watchdog acts before.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getpid, getrlimit, kill_process, setrlimit};
use tokio::sync::watch;

use crate::failure::Failure;

/// How long after its deadline a statement may still run.
const GRACE: Duration = Duration::from_secs(4);
/// The time in which answers to analysts leave before the process ends.
const FAREWELL: Duration = Duration::from_millis(500);
/// Time between two looks. Memory grows by a few MiB meanwhile.
const INTERVAL: Duration = Duration::from_millis(10);
/// How much more than its limit the engine may have in memory. It has 210 MiB at rest, half of it the library itself.
/// Six busy statements reach 360 MiB more before the system refuses to allocate.
const MORE_RESIDENT_MIB: u64 = 300;
/// How much more than its limit it may allocate. The stacks of busy threads are 400 MiB of it, which are hardly used.
const MORE_ALLOCATED_MIB: u64 = 800;

/// What the system lets this process allocate. Call it before other threads start.
pub(crate) fn bound_memory(memory_limit_mib: u32) -> rustix::io::Result<()> {
    let wanted = (u64::from(memory_limit_mib) + MORE_ALLOCATED_MIB) << 20;
    let before = getrlimit(Resource::Data);
    let most = before.maximum.map_or(wanted, |most| most.min(wanted));
    setrlimit(Resource::Data, Rlimit { current: Some(most), maximum: before.maximum })
}

/// Watches the statements of analysts.
pub(crate) struct Watchdog {
    running: Mutex<Running>,
    one_more: Condvar,
    /// How long a statement may run.
    deadline: Duration,
    /// Why the process is about to end.
    ending: watch::Sender<Option<Reason>>,
}

/// Why a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Time,
    Memory,
}

#[derive(Default)]
struct Running {
    started: BTreeMap<u64, Instant>,
    next: u64,
}

/// A statement that is watched until this is dropped.
pub(crate) struct Watched<'watchdog> {
    watchdog: &'watchdog Watchdog,
    number: u64,
}

impl Watchdog {
    /// Starts to watch. Statements should end within `deadline` by themselves. `status` is `/proc/self/status`, which cannot
    /// be opened within the sandbox.
    pub(crate) fn start(deadline: Duration, memory_limit_mib: u32, status: File) -> io::Result<Arc<Self>> {
        let watchdog = Arc::new(Self {
            running: Mutex::new(Running::default()),
            one_more: Condvar::new(),
            deadline,
            ending: watch::Sender::new(None),
        });
        let most = (u64::from(memory_limit_mib) + MORE_RESIDENT_MIB) << 20;
        let watching = Arc::clone(&watchdog);
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || watching.run(most, &status))?;
        Ok(watchdog)
    }

    /// Watches a statement that starts now.
    pub(crate) fn watch(&self) -> Watched<'_> {
        let mut running = self.running();
        let number = running.next;
        running.next += 1;
        running.started.insert(number, Instant::now());
        drop(running);
        self.one_more.notify_one();
        Watched { watchdog: self, number }
    }

    /// Waits until the process is about to end, and says why.
    pub(crate) async fn ending(&self) -> Failure {
        let mut ending = self.ending.subscribe();
        let reason = ending.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        match reason {
            Some(reason) => reason.failure(),
            None => std::future::pending().await,
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, most: u64, status: &File) {
        loop {
            let running = self.running();
            let running = self
                .one_more
                .wait_while(running, |running| running.started.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let overdue = running.overdue(self.deadline + GRACE);
            drop(running);
            if overdue {
                self.end(Reason::Time);
            }
            if resident(status).is_some_and(|bytes| bytes > most) {
                self.end(Reason::Memory);
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// Ends the process without running anything of it: its own way out may wait for the statement that does not end.
    fn end(&self, reason: Reason) {
        tracing::error!("{}; the engine ends and is started again", reason.sentence());
        self.ending.send_replace(Some(reason));
        std::thread::sleep(FAREWELL);
        let _ = kill_process(getpid(), Signal::KILL);
        std::process::abort();
    }
}

impl Reason {
    fn sentence(self) -> &'static str {
        match self {
            Self::Time => "a statement of an analyst did not end at its deadline",
            Self::Memory => "a statement of an analyst took more memory than it may",
        }
    }

    fn failure(self) -> Failure {
        let (code, name) = match self {
            Self::Time => (159, "TIMEOUT_EXCEEDED"),
            Self::Memory => (241, "MEMORY_LIMIT_EXCEEDED"),
        };
        let sentence = format!(
            "The engine is started again, since {}. If it was yours, ask for less. Else ask again.",
            self.sentence()
        );
        Failure::new(code, name, &sentence)
    }
}

impl Running {
    fn overdue(&self, after: Duration) -> bool {
        self.started.values().any(|started| started.elapsed() > after)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.watchdog.running().started.remove(&self.number);
    }
}

/// Bytes of this process in memory.
fn resident(status: &File) -> Option<u64> {
    let mut text = [0; 4096];
    let length = status.read_at(&mut text, 0).ok()?;
    let line = std::str::from_utf8(&text[..length]).ok()?.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_overdue_only_while_it_runs() {
        let status = File::open("/proc/self/status").unwrap();
        assert!(resident(&status).unwrap() > 1 << 20);
        let watchdog = Watchdog::start(Duration::from_secs(3600), 1 << 20, status).unwrap();
        assert!(!watchdog.running().overdue(Duration::ZERO));
        let first = watchdog.watch();
        let second = watchdog.watch();
        std::thread::sleep(Duration::from_millis(1));
        drop(first);
        assert!(watchdog.running().overdue(Duration::ZERO));
        assert!(!watchdog.running().overdue(Duration::from_secs(3600)));
        drop(second);
        assert!(!watchdog.running().overdue(Duration::ZERO));
    }
}
