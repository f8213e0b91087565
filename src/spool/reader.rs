//! The consumer's side: delivery batches.
//!
//! There is one consumer. It takes a delivery batch, settles every batch and carries out every tombstone, finishes the
//! delivery batch, takes the next. The boundaries of a delivery batch are on the disk before it is handed out; until it
//! is finished, the same delivery batch comes again.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout_at;

use super::accounting::{Outcomes, RowAccounting};
use super::cipher::Keys;
use super::cursor::{Cursor, NoKey};
use super::delivery::{DeliveryBatch, DeliveryBatchBuilder, DeliveryLimits, token};
use super::io::{Io, Lock};
use super::segment::Scanned;
use super::shared::{Durable, Shared, lock};
use super::state::{Slots, State};

/// Why a delivery batch could not be handed out or finished. Nothing is lost: call again, after a while.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The frames cannot be read. What stays unreadable is stepped over after a few attempts, and counted.
    #[error("cannot read the spool: look at its disk")]
    Read(#[source] io::Error),
    /// Rows are encrypted under another key. They wait, and what comes later waits behind them.
    #[error(
        "rows in the spool are encrypted under a key that is not in the spool's key file: append the former key to it and restart"
    )]
    Key,
    /// The boundaries or the cursor cannot be persisted.
    #[error("cannot write the spool's state: look at its disk, and at the free space on it")]
    State(#[source] io::Error),
    /// The delivery batch to finish is not the one that was handed out last.
    #[error("this delivery is not open: finish the one that was handed out last, once")]
    NotOpen,
}

/// The consumer. Work on the disk is done on tokio's blocking threads.
pub struct Reader {
    core: Arc<Mutex<Core>>,
    durable: watch::Receiver<Durable>,
    /// A delivery batch that is being read. It outlives a dropped future: reading may take longer than a caller waits.
    reading: Option<JoinHandle<Result<Option<DeliveryBatch>, ReadError>>>,
}

/// The state that survives a dropped future.
struct Core {
    shared: Arc<Shared>,
    state: State,
    slots: Slots,
    cursor: Cursor,
    /// A frame that did not fit into the delivery batch before it.
    lookahead: Option<Scanned>,
    /// Everything up to this sequence has been read.
    seen: u64,
    /// More may leave than the last delivery batch took.
    more: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, state: State, slots: Slots) -> Self {
        let durable = shared.durable.subscribe();
        let (cursor, seen) = (Cursor::new(Arc::clone(&shared), state.cursor, state.rows), state.cursor);
        let core = Core { shared, state, slots, cursor, lookahead: None, seen, more: false };
        Self { core: Arc::new(Mutex::new(core)), durable, reading: None }
    }

    /// The next delivery batch; `None` once the spool is closed.
    ///
    /// A delivery batch that was handed out and not finished, by this process or a former one, comes again exactly as
    /// it was. A new one is formed once frames are old enough ([`Options::linger`](super::Options::linger)), and its
    /// boundaries are synced before this returns. Dropping the future loses nothing.
    pub async fn next_delivery(&mut self, limits: &DeliveryLimits) -> Result<Option<DeliveryBatch>, ReadError> {
        loop {
            let now = *self.durable.borrow_and_update();
            if now.closed {
                return Ok(None);
            }
            if let Some(reading) = &mut self.reading {
                let read = reading.await;
                self.reading = None;
                if let Some(delivery) = joined(read)? {
                    return Ok(Some(delivery));
                }
                continue;
            }
            let (released, due) = self.released();
            if lock(&self.core).may_deliver(released) {
                let (core, limits) = (Arc::clone(&self.core), *limits);
                let read = move || lock(&core).delivery(&limits, released);
                self.reading = Some(tokio::task::spawn_blocking(read));
                continue;
            }
            let changed = self.durable.changed();
            let open = match due {
                Some(due) => timeout_at(due.into(), changed).await.unwrap_or(Ok(())),
                None => changed.await,
            };
            if open.is_err() {
                return Ok(None);
            }
        }
    }

    /// Everything in the delivery batch is settled: syncs the cursor past it, then unlinks the segments that lie behind
    /// it.
    ///
    /// The row accounting says that its rows were stored; [`Reader::settle`] says otherwise. After an error the
    /// delivery batch is still open; finishing it again is right.
    pub async fn finish(&mut self, delivery: &DeliveryBatch) -> Result<(), ReadError> {
        let lost = delivery.batches.iter().map(|batch| batch.lost_rows).sum();
        let rows = delivery.batches.iter().map(|batch| batch.rows).sum::<u64>();
        self.settle(delivery, Outcomes { stored: rows - lost, lost, ..Outcomes::default() }, 0).await
    }

    /// The same, with what became of the rows of its batches. Rows that `outcomes` leaves out are lost rows.
    /// `erased_in_store` are rows that its tombstones erased in the store, whichever delivery batch had brought them
    /// there.
    pub async fn settle(
        &mut self,
        delivery: &DeliveryBatch,
        outcomes: Outcomes,
        erased_in_store: u64,
    ) -> Result<(), ReadError> {
        let (core, span) = (Arc::clone(&self.core), (delivery.first_sequence, delivery.last_sequence));
        blocking(move || lock(&core).finish(span, &outcomes, erased_in_store)).await
    }

    /// The keys of the spool, for rows that go elsewhere in the data folder.
    pub fn keys(&self) -> Keys {
        lock(&self.core).shared.options.keys.clone()
    }

    /// See [`Writer::watermark`](super::Writer::watermark).
    pub fn watermark(&self, now_ms: i64) -> i64 {
        let shared = Arc::clone(&lock(&self.core).shared);
        lock(&shared.arrivals).watermark(now_ms)
    }

    /// From now on frames need not be old to be delivered. For the end of the program: what rests is delivered at once.
    pub fn release_all(&self) {
        let shared = Arc::clone(&lock(&self.core).shared);
        lock(&shared.hold).end();
    }

    /// The last sequence that may be delivered, and when it is more.
    fn released(&self) -> (u64, Option<Instant>) {
        let shared = Arc::clone(&lock(&self.core).shared);
        lock(&shared.hold).release(Instant::now())
    }

    /// Whether everything that is durable is in finished delivery batches.
    pub fn is_drained(&self) -> bool {
        let shared = Arc::clone(&lock(&self.core).shared);
        let inventory = lock(&shared.inventory);
        inventory.finished >= inventory.last
    }

    /// The row accounting of this moment.
    pub fn accounting(&self) -> RowAccounting {
        let shared = Arc::clone(&lock(&self.core).shared);
        lock(&shared.inventory).accounting
    }

    /// The tokens of the batches of the delivery batch that is not finished; none when there is no such delivery batch.
    pub fn open_tokens(&self) -> Vec<String> {
        tokens(&lock(&self.core).state)
    }

    /// So many rows of dead letters have been stored after all, and so many have become too old.
    pub fn replayed(&self, stored: u64, expired: u64) {
        let shared = Arc::clone(&lock(&self.core).shared);
        lock(&shared.inventory).accounting.revive(stored, expired);
    }

    /// A handle on what lies in quarantine.
    pub fn quarantine(&self) -> Quarantine {
        Quarantine(Arc::clone(&lock(&self.core).shared))
    }
}

fn tokens(state: &State) -> Vec<String> {
    state.open.iter().flat_map(|open| &open.batches).map(token).collect()
}

/// A spool that no process has open. Holding it keeps other processes from opening it.
pub struct Idle {
    /// The tokens of the batches of the delivery batch that is not finished.
    pub open_tokens: Vec<String>,
    _held: Lock,
}

/// Holds a spool without opening it; `None` when a process works on it. A folder without a spool is made.
pub fn hold(dir: &Path, io: &dyn Io) -> io::Result<Option<Idle>> {
    io.create_dir_all(dir)?;
    let Some(held) = io.lock(&dir.join("lock"))? else { return Ok(None) };
    let (_, state) = Slots::load(dir, io)?;
    let open_tokens = state.map(|loaded| tokens(&loaded.state)).unwrap_or_default();
    Ok(Some(Idle { open_tokens, _held: held }))
}

/// What lies in quarantine; cheap to clone. It keeps the spool's lock.
#[derive(Clone)]
pub struct Quarantine(Arc<Shared>);

impl Quarantine {
    /// Deletes what was last written before this time, by the machine's clock. Returns how many files. Blocks.
    pub fn purge(&self, before_ms: i64) -> io::Result<u64> {
        self.0.purge_quarantine(before_ms)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    joined(tokio::task::spawn_blocking(work).await)
}

fn joined<T>(done: Result<Result<T, ReadError>, JoinError>) -> Result<T, ReadError> {
    done.unwrap_or_else(|error| Err(ReadError::Read(io::Error::other(error))))
}

impl Core {
    /// Whether there may be something to hand out.
    fn may_deliver(&self, released: u64) -> bool {
        self.state.open.is_some() || self.more || released > self.seen
    }

    fn delivery(&mut self, limits: &DeliveryLimits, released: u64) -> Result<Option<DeliveryBatch>, ReadError> {
        let result = if self.state.open.is_some() { self.resume().map(Some) } else { self.form(limits, released) };
        if result.is_err() {
            self.rewind(); // Frames that were taken for this delivery batch come again.
        }
        result
    }

    /// The open delivery batch once more, from its boundaries.
    fn resume(&mut self) -> Result<DeliveryBatch, ReadError> {
        self.rewind();
        let open = self.state.open.clone().expect("the caller has looked");
        let mut builder = DeliveryBatchBuilder::default();
        while let Some(frame) = self.next_frame()? {
            if frame.sequence > open.last {
                // Damage since then may hide rows of the delivery batch, but not how many they were.
                self.cursor.at_least(open.rows_end + u64::from(frame.rows));
                self.lookahead = Some(frame);
                break;
            }
            builder.add(frame);
        }
        self.cursor.at_least(open.rows_end);
        Ok(builder.into_delivery(&open, true))
    }

    fn form(&mut self, limits: &DeliveryLimits, released: u64) -> Result<Option<DeliveryBatch>, ReadError> {
        let mut builder = DeliveryBatchBuilder::default();
        self.more = false;
        loop {
            match self.next_frame()? {
                Some(frame) if frame.sequence <= released && builder.admits(&frame, limits) => builder.add(frame),
                other => {
                    self.more = other.as_ref().is_some_and(|frame| frame.sequence <= released);
                    self.lookahead = other;
                    break;
                }
            }
        }
        if !self.more {
            self.seen = released;
        }
        let (passed, rows) = match &self.lookahead {
            Some(frame) => (frame.sequence - 1, self.cursor.rows() - u64::from(frame.rows)),
            None => (self.cursor.passed(), self.cursor.rows()),
        };
        let open = builder
            .boundaries(passed, rows, getrandom::u64)
            .map_err(|error| ReadError::State(io::Error::other(error)))?;
        match open {
            Some(open) => {
                self.save(State { open: Some(open.clone()), ..self.state.clone() })?;
                Ok(Some(builder.into_delivery(&open, false)))
            }
            // Nothing but frames without rows, or damage: it is settled as it is.
            None => {
                if passed > self.state.cursor {
                    let progress = rows.saturating_sub(self.state.rows);
                    self.save(State { cursor: passed, rows, ..self.state.clone() })?;
                    self.shared.finish(passed, progress, &Outcomes::default(), 0);
                }
                Ok(None)
            }
        }
    }

    fn finish(&mut self, span: (u64, u64), outcomes: &Outcomes, erased_in_store: u64) -> Result<(), ReadError> {
        let open = self.state.open.as_ref().filter(|open| (open.first, open.last) == span);
        let rows = open.ok_or(ReadError::NotOpen)?.rows_end;
        let progress = rows.saturating_sub(self.state.rows);
        self.save(State { cursor: span.1, rows, open: None, ..self.state.clone() })?;
        self.shared.finish(span.1, progress, outcomes, erased_in_store);
        Ok(())
    }

    fn save(&mut self, mut state: State) -> Result<(), ReadError> {
        state.watermark = lock(&self.shared.arrivals).handed_out();
        if let Some(durable) = lock(&self.shared.inventory).durable() {
            (state.durable, state.durable_rows) = durable;
        }
        self.slots.save(&state, self.shared.io.as_ref()).map_err(ReadError::State)?;
        self.state = state;
        Ok(())
    }

    fn next_frame(&mut self) -> Result<Option<Scanned>, ReadError> {
        match self.lookahead.take() {
            Some(frame) => Ok(Some(frame)),
            None => self.cursor.next().map_err(|error| match error.get_ref() {
                Some(cause) if cause.is::<NoKey>() => ReadError::Key,
                _ => ReadError::Read(error),
            }),
        }
    }

    fn rewind(&mut self) {
        self.lookahead = None;
        self.more = true;
        self.cursor.rewind(self.state.cursor, self.state.rows);
    }
}
