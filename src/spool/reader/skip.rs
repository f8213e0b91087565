//! How far the spool has come, and the skipping of what a store had of it already.
//!
//! A spool that is older than what a store had of it is a copy that was put back: the same rows would leave again under other values,
//! which no count recognises. What was here when it was opened, up to where its other life had come, is skipped instead.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::accounting::Outcomes;
use super::super::delivery::Tombstone;
use super::super::identity::{self, Progress};
use super::super::segment::Wanted;
use super::super::shared::lock;
use super::super::state::State;
use super::{Core, ReadError, Reader, blocking};

/// What was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Rows that had left in its other life, and their crowd with them. They count as stored.
    pub stored: u64,
    /// Rows that had begun to leave then. They may be stored or not, and count as lost.
    pub lost: u64,
}

impl Reader {
    /// How far the spool has come.
    pub fn progress(&self) -> Progress {
        lock(&self.core).progress()
    }

    /// How far the spool had come if all that was found at the opening had begun to leave.
    pub fn progress_of_found(&self) -> Progress {
        let core = lock(&self.core);
        let (last, begun) = lock(&core.shared.inventory).recovered;
        Progress { last, begun, ..core.progress() }
    }

    /// The tombstones of a former process up to this sequence that are in no finished delivery batch.
    pub async fn tombstones_until(&self, last: u64) -> Result<Vec<Tombstone>, ReadError> {
        let core = Arc::clone(&self.core);
        let waiting = move || lock(&core).shared.waiting_tombstones().map_err(ReadError::Read);
        Ok(blocking(waiting).await?.into_iter().filter(|tombstone| tombstone.sequence <= last).collect())
    }

    /// Skips what was found at the opening, as far as `known` says that it has begun to leave. The spool is another one then. After an
    /// error it is to be called again. If the process ends in the middle of it, the next one may skip what came since, too.
    pub async fn skip(&mut self, known: Progress) -> Result<Skipped, ReadError> {
        let core = Arc::clone(&self.core);
        blocking(move || lock(&core).skip(known)).await
    }
}

impl Core {
    fn progress(&self) -> Progress {
        let State { cursor, rows, crowd, open, .. } = &self.state;
        let begun = match (open, crowd) {
            (None, _) => self.left(),
            (Some(open), None) => open.rows_end,
            (Some(open), Some(_)) => self.left() + open.batches.iter().map(|batch| batch.rows).sum::<u64>(),
        };
        let last = open.as_ref().map_or(*cursor, |open| open.last).max(crowd.map_or(0, |crowd| crowd.last));
        Progress { spool: self.shared.identity.load(Ordering::Relaxed), begun, settled: *rows, last }
    }

    /// The position behind all rows that have left. Those of a crowd are not the first of it.
    fn left(&self) -> u64 {
        self.state.rows + self.state.crowd.map_or(0, |crowd| crowd.taken)
    }

    fn skip(&mut self, known: Progress) -> Result<Skipped, ReadError> {
        let until = known.last.min(lock(&self.shared.inventory).recovered.0);
        let left = self.left();
        self.rewind_for(Wanted::None);
        while let Some(frame) = self.next_frame()? {
            if frame.sequence > until {
                self.lookahead = Some(frame);
                break;
            }
        }
        let (cursor, rows) = self.passed();
        let moved = rows.saturating_sub(left);
        let stored = known.settled.saturating_sub(left).min(moved);
        self.save(State { cursor, rows, crowd: None, open: None, ..self.state.clone() })?;
        self.shared.finish(cursor, moved, &Outcomes { stored, ..Outcomes::default() }, 0);
        self.rewind();
        // After the state: an end between the two must not let all leave again.
        let number = getrandom::u64().map_err(|error| ReadError::State(std::io::Error::other(error)))?;
        identity::write(&self.shared.dir, self.shared.io.as_ref(), number).map_err(ReadError::State)?;
        self.shared.identity.store(number, Ordering::Relaxed);
        Ok(Skipped { stored, lost: moved - stored })
    }
}
