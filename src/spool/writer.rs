//! The writer's side: tickets, room, and the wait for the commit.
//!
//! A request takes a [`Ticket`] when it arrives and trades it for a durable append. The bytes travel through a bounded
//! queue to one thread (`commit.rs`), which writes and syncs them for all that wait.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
    /// The frames get consecutive sequences. They wait from now on, not from the future's first poll; dropping it takes
    /// nothing back.
    pub fn append(self, frames: Vec<Frame>) -> impl Future<Output = Result<Appended, AppendError>> + Send + use<> {
        let queued = self.queue(frames);
        async move {
            let (answer, call) = queued?;
            if let Some(call) = call {
                call.gather().await;
                drop(call);
            }
            // The other answers of the commit go out as this one is taken apart.
            answer.await.map_or(Err(AppendError::Closed), |reply| reply.answer)
        }
    }

    /// Puts frames into the queue: where the answer comes, and for the first who waits the call that is its to make.
    fn queue(mut self, frames: Vec<Frame>) -> Result<(oneshot::Receiver<Reply>, Option<Call>), AppendError> {
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
            admit_to(&self.shared, &queue, bytes)?;
            queue.unanswered += bytes;
            queue.waiting.push_back(Request { frames, bytes, counted_ms: self.counted_ms, reply });
            let is_called = queue.called || queue.due;
            queue.called |= !is_called;
            !is_called
        };
        self.handed_over = true;
        Ok((answer, is_first.then(|| Call(Arc::clone(&self.shared)))))
    }
}

type Answer = Result<Appended, AppendError>;

/// The answer to one append, and those that are to be handed on.
///
/// The writer's thread wakes one of those who wait, who wakes the others: each waking of one's own is a call of the system,
/// and on a core that both share the one who wakes would lose it each time.
pub(super) struct Reply {
    answer: Answer,
    others: Others,
}

/// Answers on their way. However they go, each comes to whoever waits for it, if anybody still does.
#[derive(Default)]
pub(super) struct Others(Vec<(oneshot::Sender<Reply>, Answer)>);

impl Others {
    pub(super) fn new(answers: impl Iterator<Item = (oneshot::Sender<Reply>, Answer)>) -> Self {
        Self(answers.collect())
    }

    /// Gives all of them to the last who waits still.
    pub(super) fn answer_one(mut self) {
        while let Some((reply, answer)) = self.0.pop() {
            let others = Self(std::mem::take(&mut self.0));
            let Err(mut returned) = reply.send(Reply { answer, others }) else { return };
            // Whoever asked has gone; the frames are there all the same.
            self.0 = std::mem::take(&mut returned.others.0);
        }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for (reply, answer) in self.0.drain(..) {
            let _ = reply.send(Reply { answer, others: Self::default() });
        }
    }
}

/// The duty to call the writer, which is done when it is dropped, even by somebody who goes away.
struct Call(Arc<Shared>);

/// Enough for a commit to be worth its sync: a call that waits for more would leave the disk idle.
const GATHERED: usize = 32;
/// How long a call waits for others at most.
const GATHERING: Duration = Duration::from_millis(1);

impl Call {
    /// Lets those that are ready come along, turn by turn of the runtime, as long as each turn brings some.
    async fn gather(&self) {
        let (since, mut known) = (Instant::now(), 1);
        loop {
            tokio::task::yield_now().await;
            let waiting = lock(&self.0.queue).waiting.len();
            if waiting <= known || waiting >= GATHERED || since.elapsed() >= GATHERING {
                return;
            }
            known = waiting;
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.call_writer();
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
