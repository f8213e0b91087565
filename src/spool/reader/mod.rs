//! The consumer's side: delivery batches.
//!
//! There is one consumer. It takes a delivery batch, settles every batch and carries out every tombstone, finishes the
//! delivery batch, takes the next. The boundaries of a delivery batch are on the disk before it is handed out; until it
//! is finished, the same delivery batch comes again.

mod of_crowd;
mod skip;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout_at;

use super::accounting::{Outcomes, RowAccounting};
use super::cipher::Keys;
use super::cursor::{Cursor, NoKey};
use super::delivery::{DeliveryBatch, DeliveryBatchBuilder, DeliveryLimits, Tombstone};
use super::idle::tokens;
use super::segment::{Scanned, Wanted};
use super::shared::{Durable, Shared, lock};
use super::state::{Slots, State};
use of_crowd::Part;
pub use skip::Skipped;

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

/// How often the consumer looks at what is new, where it lingers.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The consumer. Work on the disk is done on tokio's blocking threads.
pub struct Reader {
    core: Arc<Mutex<Core>>,
    durable: watch::Receiver<Durable>,
    linger: Duration,
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
    /// The next parts of the crowd that leaves.
    ahead: VecDeque<Part>,
    /// The tombstones that a former process left were looked for.
    looked_back: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, state: State, slots: Slots) -> Self {
        let (durable, linger) = (shared.durable.subscribe(), shared.options.linger);
        let (cursor, seen) = (Cursor::new(Arc::clone(&shared), state.cursor, state.rows), state.cursor);
        let core = Core {
            shared,
            state,
            slots,
            cursor,
            lookahead: None,
            seen,
            more: false,
            ahead: VecDeque::new(),
            looked_back: false,
        };
        Self { core: Arc::new(Mutex::new(core)), durable, linger, reading: None }
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
            // What is new lingers. So there is no need to look at every commit.
            let pause = LOOK_EVERY.min(self.linger);
            let durable = &mut self.durable;
            let changed = async {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                durable.changed().await
            };
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

    /// From now on frames need not be old to be delivered. For the end of the program. What waits for the end of a window goes on
    /// waiting: a stop must not show when it came.
    pub fn release_all(&self) {
        let shared = Arc::clone(&lock(&self.core).shared);
        lock(&shared.hold).end();
    }

    /// The last sequence that may be delivered, and when it is more.
    fn released(&self) -> (u64, Option<Instant>) {
        let shared = Arc::clone(&lock(&self.core).shared);
        let windows = shared.options.windows.as_deref();
        lock(&shared.hold).release(Instant::now(), windows)
    }

    /// Whether everything that may leave is in finished delivery batches.
    pub fn is_drained(&self) -> bool {
        let released = self.released().0;
        let shared = Arc::clone(&lock(&self.core).shared);
        lock(&shared.inventory).finished >= released
    }

    /// Tombstones that were appended, each once, long before a delivery batch brings it: what waits for the end of a window need not be
    /// delivered for an erasure of what was stored before. While a crowd leaves there are none, as its rows are on their way.
    /// After a restart they come once more.
    pub async fn take_early_tombstones(&self) -> Vec<Tombstone> {
        let core = Arc::clone(&self.core);
        blocking(move || Ok(lock(&core).early_tombstones())).await.unwrap_or_default()
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

    /// An early tombstone has erased so many rows in the store.
    pub fn erased_early(&self, rows: u64) {
        let shared = Arc::clone(&lock(&self.core).shared);
        lock(&shared.inventory).accounting.settle(0, &Outcomes::default(), rows);
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
        self.state.open.is_some() || self.state.crowd.is_some() || self.more || released > self.seen
    }

    fn early_tombstones(&mut self) -> Vec<Tombstone> {
        if self.state.crowd.is_some() || self.state.open.is_some() || self.shared.options.windows.is_none() {
            return Vec::new();
        }
        let mut early = std::mem::take(&mut *lock(&self.shared.early));
        if !self.looked_back {
            // What this process has noted is found as well. What cannot be read now is looked for the next time.
            match self.shared.waiting_tombstones() {
                Ok(waiting) => (early, self.looked_back) = (waiting, true),
                Err(_) => lock(&self.shared.early).append(&mut early),
            }
        }
        early
    }

    fn delivery(&mut self, limits: &DeliveryLimits, released: u64) -> Result<Option<DeliveryBatch>, ReadError> {
        let result = if self.state.open.is_some() {
            self.resume().map(Some)
        } else if self.state.crowd.is_some() || self.shared.options.windows.is_some() {
            self.form_of_crowd(limits, released)
        } else {
            self.form(limits, released)
        };
        if result.is_err() {
            self.rewind(); // Frames that were taken for this delivery batch come again.
        }
        result
    }

    /// The open delivery batch once more, from its boundaries.
    fn resume(&mut self) -> Result<DeliveryBatch, ReadError> {
        self.rewind();
        let open = self.state.open.clone().expect("the caller has looked");
        let builder = self.read_up_to(open.last, 1)?.pop().expect("it reads as many parts");
        if let Some(frame) = &self.lookahead {
            // Damage since then may hide rows of the delivery batch, but not how many they were.
            self.cursor.at_least(open.rows_end + u64::from(frame.rows));
        }
        self.cursor.at_least(open.rows_end);
        Ok(builder.into_delivery(&open, true))
    }

    /// Up to where everything was read or stepped over, and the position behind it.
    fn passed(&self) -> (u64, u64) {
        match &self.lookahead {
            Some(frame) => (frame.sequence - 1, self.cursor.rows() - u64::from(frame.rows)),
            None => (self.cursor.passed(), self.cursor.rows()),
        }
    }

    /// A part of the crowd has left, with so many rows; behind the last part the cursor moves to this place.
    fn finish_part(
        &mut self,
        (sequence, rows_end): (u64, u64),
        rows: u64,
        outcomes: &Outcomes,
        erased_in_store: u64,
    ) -> Result<(), ReadError> {
        let state = State { open: None, ..self.state.clone() };
        let crowd = self.state.crowd.as_ref();
        let (state, progress) = match crowd.and_then(|crowd| crowd.after(rows)) {
            Some(next) => (State { crowd: Some(next), ..state }, rows),
            None => {
                let moved = rows_end.saturating_sub(self.state.rows);
                let progress = moved.saturating_sub(crowd.map_or(0, |crowd| crowd.taken));
                (State { cursor: sequence, rows: rows_end, crowd: None, ..state }, progress)
            }
        };
        let is_crowd_gone = crowd.is_some() && state.crowd.is_none();
        self.save(state)?;
        self.shared.finish(self.state.cursor, progress, outcomes, erased_in_store);
        if is_crowd_gone {
            self.rewind();
        }
        Ok(())
    }

    /// As much as a delivery batch holds, in the order in which it was appended.
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
        let (passed, rows) = self.passed();
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
                    self.finish_part((passed, rows), 0, &Outcomes::default(), 0)?;
                }
                Ok(None)
            }
        }
    }

    fn finish(&mut self, span: (u64, u64), outcomes: &Outcomes, erased_in_store: u64) -> Result<(), ReadError> {
        let open = self.state.open.as_ref().filter(|open| (open.first, open.last) == span);
        let open = open.ok_or(ReadError::NotOpen)?;
        let (rows_end, rows) = (open.rows_end, open.batches.iter().map(|batch| batch.rows).sum());
        self.finish_part((span.1, rows_end), rows, outcomes, erased_in_store)
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
        self.rewind_for(self.state.crowd.map_or(Wanted::All, |crowd| Wanted::Parts(crowd, 1)));
    }

    fn rewind_for(&mut self, wanted: Wanted) {
        self.lookahead = None;
        self.ahead.clear();
        self.more = true;
        self.cursor.rewind(self.state.cursor, self.state.rows, wanted);
    }
}
