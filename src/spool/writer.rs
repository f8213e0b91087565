//! The writer's side: tickets, room, and the wait for the commit.
//!
//! A request takes a [`Ticket`] when it arrives and trades it for a durable append. The bytes travel through a bounded
//! queue to one thread (`commit.rs`), which writes and syncs them for all that wait.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::frame::{Frame, MAX_APPEND_BYTES, MAX_COMMIT_FRAMES};
use super::ledger::{Request, Shared, lock};
use super::{Health, Usage};

/// Sequences that an append was given. They are in order and have no hole between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of its first frame.
    pub first_sequence: u64,
    /// Of its last frame.
    pub last_sequence: u64,
}

/// Why an append was not acknowledged. Nothing of it counts; after a power cut some of it may still be delivered, once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The quota or the disk has no room.
    #[error("the spool is full: it takes appends again once the store has caught up or the disk has room")]
    Full,
    /// More waits for the disk than may wait.
    #[error("the spool's disk is slower than what arrives: try again")]
    Overloaded,
    /// No append can be so large.
    #[error("an append of more than {MAX_APPEND_BYTES} bytes or {MAX_COMMIT_FRAMES} frames: send less at once")]
    TooLarge,
    /// There was nothing to append.
    #[error("an append without frames")]
    Empty,
    /// The disk failed. The spool tries a new segment twice a second.
    #[error(
        "the spool cannot write ({0}): look at the disk; appends work again as soon as a new segment can be written"
    )]
    Broken(Arc<str>),
    /// The spool is shutting down.
    #[error("the spool is closed")]
    Closed,
}

/// The handle of every request. Cheap to clone. When the last one is dropped the spool closes.
#[derive(Clone)]
pub struct Writer(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

impl Handle {
    fn close(&self) {
        lock(&self.shared.queue).closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic has already failed every waiter through its dropped reply.
            let _ = thread.join();
        }
        self.shared.durable.send_modify(|durable| durable.closed = true);
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, thread: JoinHandle<()>) -> Self {
        Self(Arc::new(Handle { shared, thread: std::sync::Mutex::new(Some(thread)) }))
    }

    /// Says that a request which arrived at `arrived_ms` is under way. Until its append is in a finished round, has
    /// failed, or the ticket is dropped, the watermark does not pass that time.
    #[must_use]
    pub fn enter(&self, arrived_ms: i64) -> Ticket {
        let counted_ms = lock(&self.0.shared.arrivals).enter(arrived_ms);
        Ticket { shared: Arc::clone(&self.0.shared), counted_ms, handed_over: false }
    }

    /// Whether an append of this size would be taken now; a cheap look before the work. It reserves nothing.
    pub fn has_room(&self, bytes: usize) -> bool {
        matches!(lock(&self.0.shared.ledger).health, Health::Healthy) && admit(&self.0.shared, bytes).is_ok()
    }

    /// The figures of this moment.
    pub fn usage(&self) -> Usage {
        self.0.shared.usage()
    }

    /// The greatest time, not after `now_ms`, such that every append that arrived before it is in a finished round.
    ///
    /// Exact, except that after a backlog of more than a few thousand appends it may be earlier by the grain in which
    /// they are remembered, and that after a restart it stands still until all that was found is settled. It never goes
    /// back: an arrival that a backward step of the clock puts before it is counted as of the watermark
    /// ([`Ticket::arrived_ms`]).
    pub fn watermark(&self, now_ms: i64) -> i64 {
        lock(&self.0.shared.arrivals).watermark(now_ms)
    }

    /// Takes no more appends, commits those that wait, and returns when the writer's thread has ended. Blocks for at
    /// most the commits that are queued. The reader then says that there are no more rounds.
    pub fn close(&self) {
        self.0.close();
    }
}

/// A request that is under way.
pub struct Ticket {
    shared: Arc<Shared>,
    counted_ms: i64,
    handed_over: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.handed_over {
            lock(&self.shared.arrivals).leave(self.counted_ms);
        }
    }
}

impl Ticket {
    /// The time under which the request is counted: its arrival, unless a watermark at a later time was handed out
    /// between the caller's look at the clock and [`Writer::enter`]; then that time. Use it as the time of arrival.
    pub fn arrived_ms(&self) -> i64 {
        self.counted_ms
    }

    /// Resolves once the frames are on the disk: `Ok` says that they survive `kill -9` and a power cut.
    ///
    /// The frames get consecutive sequences. When the returned future is dropped before it resolves, the append happens
    /// or not; if it happens it is delivered once like any other.
    pub async fn append(mut self, frames: Vec<Frame>) -> Result<Appended, AppendError> {
        if frames.is_empty() {
            return Err(AppendError::Empty);
        }
        let bytes = frames.iter().map(Frame::encoded_len).fold(0, usize::saturating_add);
        if bytes > MAX_APPEND_BYTES || frames.len() > MAX_COMMIT_FRAMES {
            return Err(AppendError::TooLarge);
        }
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = lock(&self.shared.queue);
            if queue.closing || queue.stopped {
                return Err(AppendError::Closed);
            }
            admit_to(&self.shared, &queue, bytes)?;
            queue.unanswered += bytes;
            queue.waiting.push_back(Request { frames, bytes, counted_ms: self.counted_ms, reply });
        }
        self.handed_over = true;
        self.shared.work.notify_one();
        answer.await.unwrap_or(Err(AppendError::Closed))
    }
}

fn admit(shared: &Shared, bytes: usize) -> Result<(), AppendError> {
    admit_to(shared, &lock(&shared.queue), bytes)
}

fn admit_to(shared: &Shared, queue: &super::ledger::Queue, bytes: usize) -> Result<(), AppendError> {
    let unanswered = queue.unanswered + bytes;
    if queue.used.saturating_add(unanswered as u64) > shared.options.quota_bytes {
        return Err(AppendError::Full);
    }
    if queue.unanswered > 0 && unanswered > shared.options.queue_bytes {
        return Err(AppendError::Overloaded);
    }
    Ok(())
}
