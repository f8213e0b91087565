//! The state that writer and reader share: the queue of appends, the inventory of segments, the arrivals.
//!
//! Each has a lock. No lock is held across I/O, and no two are held at once.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{oneshot, watch};

use super::accounting::{Outcomes, RowAccounting};
use super::delivery::Tombstone;
use super::frame::{Frame, Kind};
use super::hold::Hold;
use super::io::{Io, Lock};
use super::quarantine::{purge, set_aside};
use super::reply::{AppendError, Reply};
use super::segment::{BLOCKS_AT, Header};
use super::watermark::Arrivals;
use super::{Health, Options, Usage};

/// One append, waiting for its commit.
pub(super) struct Request {
    pub(super) frames: Vec<Frame>,
    pub(super) bytes: usize,
    /// What makes a retry of the request the same request.
    pub(super) hash: Option<u64>,
    /// The time its ticket is counted under; the request owns that count until it is answered.
    pub(super) counted_ms: i64,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// Appends that wait, and the bytes that are used.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Request>,
    /// A request holds the flush signal: it will ask for a commit soon.
    pub(super) flush_pending: bool,
    /// The requests that wait are to be committed now.
    pub(super) flush_requested: bool,
    /// The writer's thread sleeps.
    pub(super) asleep: bool,
    /// The writer's thread rests after a commit, until so many requests wait.
    pub(super) rests_until: Option<usize>,
    /// Bytes of requests that are not answered yet, the commit that is under way included.
    pub(super) unanswered: usize,
    /// Bytes of all segments.
    pub(super) used: u64,
    pub(super) closing: bool,
    /// The writer's thread has ended: an append would get no answer.
    pub(super) stopped: bool,
}

impl Queue {
    /// Nothing waits, and the segments take what they take.
    pub(super) fn beside(inventory: &Inventory) -> Self {
        Self { used: inventory.segments.iter().map(|segment| segment.bytes).sum(), ..Self::default() }
    }

    /// Backpressure: refuses an append of this size when the quota or the queue has no space for it.
    pub(super) fn admit(&self, options: &Options, bytes: usize) -> Result<(), AppendError> {
        let unanswered = self.unanswered + bytes;
        // It may begin a segment.
        if self.used.saturating_add(unanswered as u64 + BLOCKS_AT) > options.quota_bytes {
            return Err(AppendError::Full);
        }
        if self.unanswered > 0 && unanswered > options.queue_bytes {
            return Err(AppendError::Overloaded);
        }
        Ok(())
    }
}

/// A segment that exists.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    /// The last sequence that is durable in it; one less than the first when there is none.
    pub(super) last: u64,
    /// The position (`accounting.rs`) behind the last row that is durable in it.
    pub(super) rows_end: u64,
    /// Up to where it may be read.
    pub(super) bytes: u64,
    /// Nothing is appended any more.
    pub(super) sealed: bool,
    /// Its damage could not be copied, so the file itself goes to quarantine in the end.
    pub(super) keep: bool,
    /// Its key is not there, so it cannot be read. Known from the opening on; what this process begins it can read.
    pub(super) locked: bool,
}

/// The segments, oldest first, and counts for the operator.
pub(super) struct Inventory {
    pub(super) segments: VecDeque<Segment>,
    /// Segments that could not be unlinked yet.
    pub(super) leftovers: Vec<Segment>,
    pub(super) finished: u64,
    pub(super) last: u64,
    /// The position behind the last durable row.
    pub(super) rows_end: u64,
    pub(super) accounting: RowAccounting,
    pub(super) health: Health,
    pub(super) lost_frames: u64,
    pub(super) damaged_bytes: u64,
    pub(super) quarantined_files: u64,
    pub(super) quarantined_bytes: u64,
    pub(super) commits: u64,
    pub(super) failed_commits: u64,
    /// What recovery found goes up to this sequence and this position, in files or lost.
    pub(super) recovered: (u64, u64),
    /// What recovery could not sync ends at this sequence; 0 if it could.
    pub(super) unsynced: u64,
    pub(super) state_lost: bool,
}

impl Inventory {
    /// The last sequence that a power cut cannot take, and its position; `None` if that is not known.
    pub(super) fn durable(&self) -> Option<(u64, u64)> {
        (self.last > self.unsynced).then_some((self.last, self.rows_end))
    }
}

/// What the reader is woken with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Durable {
    pub(super) last: u64,
    pub(super) closed: bool,
}

/// This many tombstones are carried out early: a visitor's erasure has some dozens, of some hundred bytes each.
const EARLY_MAX: usize = 20_000;

/// One spool.
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) queue: Mutex<Queue>,
    pub(super) work: Condvar,
    pub(super) inventory: Mutex<Inventory>,
    pub(super) arrivals: Mutex<Arrivals>,
    pub(super) hold: Mutex<Hold>,
    /// The hashes of requests that were durable when the spool was opened, until somebody takes them.
    pub(super) remembered: Mutex<Vec<u64>>,
    /// Tombstones that were appended and wait behind rows that wait for the end of a window.
    pub(super) early: Mutex<Vec<Tombstone>>,
    pub(super) durable: watch::Sender<Durable>,
    /// The number of this spool.
    pub(super) identity: AtomicU64,
    pub(super) io: Arc<dyn Io>,
    /// Declared last, so that it is released after everything else.
    pub(super) _lock: Lock,
}

/// Takes a lock. What these locks guard is consistent at every point where a holder could panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// When the window begins and ends in which frames arrived at this time. Without windows nobody knows, and nothing waits
    /// for an end.
    pub(super) fn window_of(&self, arrived_ms: i64) -> (i64, i64) {
        self.options.windows.as_ref().map_or((i64::MIN, i64::MIN), |windows| windows.around(arrived_ms))
    }

    /// Asks the writer's thread to commit the requests that wait.
    pub(super) fn request_flush(&self) {
        let wake = {
            let mut queue = lock(&self.queue);
            (queue.flush_pending, queue.flush_requested) = (false, true);
            std::mem::take(&mut queue.asleep)
        };
        // A wake costs a system call. A thread that is awake looks at the queue by itself.
        if wake {
            self.work.notify_one();
        }
    }

    /// Notes the tombstones among frames that became durable behind this sequence, if they come to wait. What is too much waits for its turn.
    pub(super) fn note_tombstones(&self, frames: &[&Frame], first: u64) {
        if self.options.windows.is_none() {
            return;
        }
        let tombstones = (first..).zip(frames).filter(|(_, frame)| frame.kind == Kind::Tombstone);
        let mut early = lock(&self.early);
        let space = EARLY_MAX.saturating_sub(early.len());
        early.extend(tombstones.take(space).map(|(sequence, frame)| Tombstone {
            sequence,
            stream: frame.stream.clone(),
            payload: frame.payload.clone(),
        }));
    }

    /// The cursor has been synced past this sequence, which moved it by so many rows.
    pub(super) fn finish(&self, sequence: u64, progress: u64, outcomes: &Outcomes, erased_in_store: u64) {
        {
            let mut inventory = lock(&self.inventory);
            inventory.finished = sequence;
            inventory.accounting.settle(progress, outcomes, erased_in_store);
        }
        lock(&self.arrivals).finish(sequence);
        self.reclaim();
    }

    /// Removes sealed segments that lie wholly behind the cursor, which has been synced. What cannot be removed is
    /// tried again next time, and goes on counting towards the quota.
    pub(super) fn reclaim(&self) {
        let mut doomed = {
            let mut inventory = lock(&self.inventory);
            let mut doomed = std::mem::take(&mut inventory.leftovers);
            while let Some(front) = inventory.segments.front() {
                if !front.sealed || front.last > inventory.finished {
                    break;
                }
                doomed.extend(inventory.segments.pop_front());
            }
            doomed
        };
        let mut freed = 0;
        let mut kept = (0, 0);
        doomed.retain(|segment| {
            let removed = match segment.keep {
                true => set_aside(self.io.as_ref(), &self.dir, &segment.path),
                false => self.io.remove(&segment.path),
            };
            let gone = removed.map_or_else(|error| error.kind() == std::io::ErrorKind::NotFound, |()| true);
            if gone {
                freed += segment.bytes;
                if segment.keep {
                    kept = (kept.0 + 1, kept.1 + segment.bytes);
                }
            }
            !gone
        });
        {
            let mut inventory = lock(&self.inventory);
            inventory.leftovers.extend(doomed);
            inventory.quarantined_files += kept.0;
            inventory.quarantined_bytes += kept.1;
        }
        let mut queue = lock(&self.queue);
        queue.used = queue.used.saturating_sub(freed);
    }

    /// Deletes what has been in quarantine for too long. Returns how many files.
    pub(super) fn purge_quarantine(&self, before_ms: i64) -> std::io::Result<u64> {
        let (files, bytes) = purge(self.io.as_ref(), &self.dir, before_ms)?;
        let mut inventory = lock(&self.inventory);
        inventory.quarantined_files = inventory.quarantined_files.saturating_sub(files);
        inventory.quarantined_bytes = inventory.quarantined_bytes.saturating_sub(bytes);
        Ok(files)
    }

    /// The figures of this moment.
    pub(super) fn usage(&self) -> Usage {
        let (bytes, queued_bytes) = {
            let queue = lock(&self.queue);
            (queue.used, queue.unanswered as u64)
        };
        let (late, oldest) = {
            let (now, windows, finished) =
                (Instant::now(), self.options.windows.as_deref(), lock(&self.inventory).finished);
            let mut hold = lock(&self.hold);
            // Nobody asks while there is no vault.
            hold.release(now, windows);
            (hold.late(finished, now), hold.oldest(now))
        };
        let inventory = lock(&self.inventory);
        let pending = |segment: &Segment| segment.last.saturating_sub(inventory.finished.max(segment.header.first - 1));
        Usage {
            bytes,
            queued_bytes,
            quota_bytes: self.options.quota_bytes,
            segments: inventory.segments.len() as u64,
            pending_frames: inventory.segments.iter().map(pending).sum(),
            late,
            oldest,
            accounting: inventory.accounting,
            last_sequence: inventory.last,
            finished_sequence: inventory.finished,
            commits: inventory.commits,
            failed_commits: inventory.failed_commits,
            lost_frames: inventory.lost_frames,
            damaged_bytes: inventory.damaged_bytes,
            quarantined_files: inventory.quarantined_files,
            quarantined_bytes: inventory.quarantined_bytes,
            locked_segments: inventory.segments.iter().filter(|segment| segment.locked && pending(segment) > 0).count()
                as u64,
            unsynced: inventory.finished < inventory.unsynced,
            state_lost: inventory.state_lost,
            health: inventory.health.clone(),
        }
    }
}
