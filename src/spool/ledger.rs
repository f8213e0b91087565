//! What writer and reader share: the segments that exist, the room that is left, and who waits for what.
//!
//! Three locks, never held across I/O, and never two at once: the queue of appends, the ledger of segments, the arrivals.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use super::arrivals::Arrivals;
use super::books::{Books, Outcomes};
use super::frame::Frame;
use super::io::{Io, Lock};
use super::quarantine::{purge, set_aside};
use super::segment::Header;
use super::writer::Reply;
use super::{Health, Options, Usage};

/// One append, waiting for its commit.
pub(super) struct Request {
    pub(super) frames: Vec<Frame>,
    pub(super) bytes: usize,
    /// The time its ticket is counted under; the request owns that count until it is answered.
    pub(super) counted_ms: i64,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// Appends that wait, and the room that is taken.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Request>,
    /// Somebody who waits will say soon that a commit is due.
    pub(super) called: bool,
    /// What waits is to be committed.
    pub(super) due: bool,
    /// The writer's thread sleeps.
    pub(super) asleep: bool,
    /// Bytes of requests that are not answered yet, the commit that is under way included.
    pub(super) unanswered: usize,
    /// Bytes of all segments.
    pub(super) used: u64,
    pub(super) closing: bool,
    /// The writer's thread has ended: nobody would answer.
    pub(super) stopped: bool,
}

/// A segment that exists.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    /// The last sequence that is durable in it; one less than the first when there is none.
    pub(super) last: u64,
    /// The position (`books.rs`) behind the last row that is durable in it.
    pub(super) rows_end: u64,
    /// Up to where it may be read.
    pub(super) bytes: u64,
    /// Nothing is appended any more.
    pub(super) sealed: bool,
    /// Its damage could not be copied, so the file itself goes to quarantine in the end.
    pub(super) keep: bool,
}

/// The segments, oldest first, and counts for the operator.
pub(super) struct Ledger {
    pub(super) segments: VecDeque<Segment>,
    /// Segments that could not be unlinked yet.
    pub(super) leftovers: Vec<Segment>,
    pub(super) finished: u64,
    pub(super) last: u64,
    /// The position behind the last durable row.
    pub(super) rows_end: u64,
    pub(super) books: Books,
    pub(super) health: Health,
    pub(super) lost_frames: u64,
    pub(super) damaged_bytes: u64,
    pub(super) quarantined_files: u64,
    pub(super) quarantined_bytes: u64,
    pub(super) commits: u64,
    pub(super) failed_commits: u64,
}

/// What the reader is woken with. Rows and bytes count from the start of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Durable {
    pub(super) last: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) closed: bool,
}

/// One spool.
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) queue: Mutex<Queue>,
    pub(super) work: Condvar,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) arrivals: Mutex<Arrivals>,
    pub(super) durable: watch::Sender<Durable>,
    pub(super) io: Arc<dyn Io>,
    /// Declared last, so that it is released after everything else.
    pub(super) _lock: Lock,
}

/// Takes a lock. What these locks guard is consistent at every point where a holder could panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Has what waits committed.
    pub(super) fn call_writer(&self) {
        let wake = {
            let mut queue = lock(&self.queue);
            (queue.called, queue.due) = (false, true);
            std::mem::take(&mut queue.asleep)
        };
        // To wake is a call of the system, and a thread that works looks by itself.
        if wake {
            self.work.notify_one();
        }
    }

    /// The cursor has been synced past this sequence, which moved it by so many rows.
    pub(super) fn finish(&self, sequence: u64, progress: u64, outcomes: &Outcomes, erased_in_store: u64) {
        {
            let mut ledger = lock(&self.ledger);
            ledger.finished = sequence;
            ledger.books.settle(progress, outcomes, erased_in_store);
        }
        lock(&self.arrivals).finish(sequence);
        self.reclaim();
    }

    /// Removes sealed segments that lie wholly behind the cursor, which has been synced. What cannot be removed is tried
    /// again next time, and goes on counting towards the quota.
    pub(super) fn reclaim(&self) {
        let mut doomed = {
            let mut ledger = lock(&self.ledger);
            let mut doomed = std::mem::take(&mut ledger.leftovers);
            while let Some(front) = ledger.segments.front() {
                if !front.sealed || front.last > ledger.finished {
                    break;
                }
                doomed.extend(ledger.segments.pop_front());
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
            let mut ledger = lock(&self.ledger);
            ledger.leftovers.extend(doomed);
            ledger.quarantined_files += kept.0;
            ledger.quarantined_bytes += kept.1;
        }
        let mut queue = lock(&self.queue);
        queue.used = queue.used.saturating_sub(freed);
    }

    /// Deletes what has been in quarantine for too long. Returns how many files.
    pub(super) fn purge_quarantine(&self, before_ms: i64) -> std::io::Result<u64> {
        let (files, bytes) = purge(self.io.as_ref(), &self.dir, before_ms)?;
        let mut ledger = lock(&self.ledger);
        ledger.quarantined_files = ledger.quarantined_files.saturating_sub(files);
        ledger.quarantined_bytes = ledger.quarantined_bytes.saturating_sub(bytes);
        Ok(files)
    }

    /// The figures of this moment.
    pub(super) fn usage(&self) -> Usage {
        let (bytes, queued_bytes) = {
            let queue = lock(&self.queue);
            (queue.used, queue.unanswered as u64)
        };
        let ledger = lock(&self.ledger);
        let pending = |segment: &Segment| segment.last.saturating_sub(ledger.finished.max(segment.header.first - 1));
        Usage {
            bytes,
            queued_bytes,
            quota_bytes: self.options.quota_bytes,
            segments: ledger.segments.len() as u64,
            pending_frames: ledger.segments.iter().map(pending).sum(),
            books: ledger.books,
            last_sequence: ledger.last,
            finished_sequence: ledger.finished,
            commits: ledger.commits,
            failed_commits: ledger.failed_commits,
            lost_frames: ledger.lost_frames,
            damaged_bytes: ledger.damaged_bytes,
            quarantined_files: ledger.quarantined_files,
            quarantined_bytes: ledger.quarantined_bytes,
            health: ledger.health.clone(),
        }
    }
}
