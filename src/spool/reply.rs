//! The answer to an append, and how the answers of one group commit reach the requests that wait for them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::frame::{MAX_APPEND_BYTES, MAX_COMMIT_FRAMES};

/// The sequences of the commit that made an append durable: its frames are among them, in no order. They have no hole
/// between them.
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
    /// The quota is full.
    #[error("the spool is at its quota: it takes appends again once the store has caught up")]
    Full,
    /// The disk is full.
    #[error("the spool's disk is full: the spool takes appends again once the disk has space")]
    DiskFull,
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

/// The result of one append.
pub(super) type Answer = Result<Appended, AppendError>;

/// The answer to one append, and the answers that its receiver passes on.
///
/// The writer's thread wakes one waiting task, and that task wakes the others. One wake per task would cost the thread
/// a system call each, and on a core that both share the thread would be interrupted each time.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) others: ReplyFanout,
}

/// Answers that are not delivered yet. Dropping it sends each answer to its task, if the task still waits.
#[derive(Default)]
pub(super) struct ReplyFanout(Vec<(oneshot::Sender<Reply>, Answer)>);

impl ReplyFanout {
    pub(super) fn new(answers: impl Iterator<Item = (oneshot::Sender<Reply>, Answer)>) -> Self {
        Self(answers.collect())
    }

    /// Gives all answers to the last task that still waits.
    pub(super) fn wake_one(mut self) {
        while let Some((reply, answer)) = self.0.pop() {
            let others = Self(std::mem::take(&mut self.0));
            let Err(mut returned) = reply.send(Reply { answer, others }) else { return };
            // This task no longer waits. Its frames are durable all the same.
            self.0 = std::mem::take(&mut returned.others.0);
        }
    }
}

impl Drop for ReplyFanout {
    fn drop(&mut self) {
        for (reply, answer) in self.0.drain(..) {
            let _ = reply.send(Reply { answer, others: Self::default() });
        }
    }
}
