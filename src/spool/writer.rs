//! The writer's side: tickets, backpressure, and the wait for the group commit.
//!
//! A request takes a [`Ticket`] when it arrives and exchanges it for a durable append. The bytes go through a bounded
//! queue to one thread (`commit.rs`). That thread writes and syncs them for all requests that wait.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::frame::{Frame, MAX_APPEND_BYTES, MAX_COMMIT_FRAMES};
use super::reply::{AppendError, Appended, Reply};
use super::shared::{Request, Shared, lock};
use super::{Health, Usage};

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

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Says that a request which arrived at `arrived_ms` is under way. Until its append is in a finished delivery
    /// batch, has failed, or the ticket is dropped, the watermark does not pass that time.
    #[must_use]
    pub fn enter(&self, arrived_ms: i64) -> Ticket {
        let counted_ms = lock(&self.0.shared.arrivals).enter(arrived_ms);
        Ticket { shared: Arc::clone(&self.0.shared), counted_ms, handed_over: false }
    }

    /// Whether an append of this size would be taken now; a cheap look before the work. It reserves nothing.
    pub fn has_space(&self, bytes: usize) -> bool {
        let shared = &self.0.shared;
        let is_healthy = matches!(lock(&shared.inventory).health, Health::Healthy);
        is_healthy && lock(&shared.queue).admit(&shared.options, bytes).is_ok()
    }

    /// The figures of this moment.
    pub fn usage(&self) -> Usage {
        self.0.shared.usage()
    }

    /// The hashes of requests that a former process has made durable within the last hour, of the last half hour all.
    /// The first call returns them, oldest first.
    pub fn take_remembered(&self) -> Vec<u64> {
        std::mem::take(&mut lock(&self.0.shared.remembered))
    }

    /// The greatest time, not after `now_ms`, such that every append that arrived before it is in a finished delivery
    /// batch.
    ///
    /// Exact, except that after a backlog of more than a few thousand appends it may be earlier by the grain in which
    /// they are remembered, and that after a restart it stands still until all that was found is settled. It never goes
    /// back: an arrival that a backward step of the clock puts before it is counted as of the watermark
    /// ([`Ticket::arrived_ms`]).
    pub fn watermark(&self, now_ms: i64) -> i64 {
        lock(&self.0.shared.arrivals).watermark(now_ms)
    }

    /// Takes no more appends, commits those that wait, and returns when the writer's thread has ended. Blocks for at
    /// most the commits that are queued. The reader then says that there are no more delivery batches.
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
    /// The frames lie among those of their commit, in a random order. They wait from now on, not from the future's first poll; dropping it takes
    /// nothing back.
    pub fn append(self, frames: Vec<Frame>) -> impl Future<Output = Result<Appended, AppendError>> + Send + use<> {
        self.append_as(None, frames)
    }

    /// The same for a request that may come again: its hash is remembered over restarts as long as
    /// [`RetryFiles`](super::RetryFiles) says. It must be made under a key, and so that equal hashes mean equal requests.
    pub fn append_as(
        self,
        hash: Option<u64>,
        frames: Vec<Frame>,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send + use<> {
        let queued = self.queue(hash, frames);
        async move {
            let (answer, signal) = queued?;
            if let Some(signal) = signal {
                signal.collect_group().await;
                drop(signal);
            }
            // Dropping the reply sends the other answers of the group.
            answer.await.map_or(Err(AppendError::Closed), |reply| reply.answer)
        }
    }

    /// Puts frames into the queue. Returns the receiver of the answer, and for the first request of a group the flush
    /// signal.
    fn queue(
        mut self,
        hash: Option<u64>,
        frames: Vec<Frame>,
    ) -> Result<(oneshot::Receiver<Reply>, Option<FlushSignal>), AppendError> {
        if frames.is_empty() {
            return Err(AppendError::Empty);
        }
        let bytes = frames.iter().map(Frame::encoded_len).fold(0, usize::saturating_add);
        if bytes > MAX_APPEND_BYTES || frames.len() > MAX_COMMIT_FRAMES {
            return Err(AppendError::TooLarge);
        }
        let (reply, answer) = oneshot::channel();
        let is_first = {
            let mut queue = lock(&self.shared.queue);
            if queue.closing || queue.stopped {
                return Err(AppendError::Closed);
            }
            queue.admit(&self.shared.options, bytes)?;
            queue.unanswered += bytes;
            queue.waiting.push_back(Request { frames, bytes, hash, counted_ms: self.counted_ms, reply });
            let has_signal = queue.flush_pending || queue.flush_requested;
            queue.flush_pending |= !has_signal;
            if queue.rests_until.is_some_and(|enough| queue.waiting.len() >= enough) {
                queue.rests_until = None;
                self.shared.work.notify_one();
            }
            !has_signal
        };
        self.handed_over = true;
        Ok((answer, is_first.then(|| FlushSignal(Arc::clone(&self.shared)))))
    }
}

/// Asks the writer's thread to commit what waits. It does so when it is dropped, also when the request is cancelled.
struct FlushSignal(Arc<Shared>);

/// This many requests are worth a sync. Waiting for more would leave the disk idle.
const GROUP_SIZE_MAX: usize = 64;
/// The longest wait for further requests.
const GROUP_WAIT_MAX: Duration = Duration::from_millis(1);

impl FlushSignal {
    /// Lets other tasks that are ready join the group commit. It yields to the runtime as long as each yield adds
    /// requests.
    async fn collect_group(&self) {
        let (since, mut known) = (Instant::now(), 1);
        loop {
            tokio::task::yield_now().await;
            let waiting = lock(&self.0.queue).waiting.len();
            if waiting <= known || waiting >= GROUP_SIZE_MAX || since.elapsed() >= GROUP_WAIT_MAX {
                return;
            }
            known = waiting;
        }
    }
}

impl Drop for FlushSignal {
    fn drop(&mut self) {
        self.0.request_flush();
    }
}
