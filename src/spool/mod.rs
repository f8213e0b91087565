//! The spool: durable, ordered, bounded bytes between the HTTP edge and the store. It does not know what an event is.
//!
//! # Constraints
//!
//! - One process per directory (a lock holds that), any number of writers, one reader.
//! - Memory is flat however long the store is away: appends wait in a bounded queue, the reader holds one delivery
//!   batch, and everything else is on the disk, up to a quota.
//! - Rows are encrypted on the disk, under keys that lie elsewhere (cipher.rs).
//! - No time of arrival rests on the disk, and finished segments are unlinked, so that nothing outlives its purpose
//!   here.
//! - Every call that touches the disk goes through [`Io`].
//!
//! # What lies on the disk
//!
//! ```text
//! lock                          held while the spool is open
//! state-0  state-1              cursor and open delivery batch, written in turn (state.rs)
//! copy/                         the same two files again
//! 00000000000000000001.seg      named for the first sequence in it
//!   │ header │ header │ block │ block │ …  │ zeros, reserved            (segment.rs)
//!                       └ length · CRC32C · sequence · rows · position · kind · rows before · streams · frames, encrypted   (block.rs)
//! quarantine/                   copies of damaged bytes, files that were not understood (quarantine.rs)
//! ```
//!
//! The bytes of block, header and state are held by tests. Sequences rise by one per frame and are never used twice.
//!
//! # What `Ok` promises, and what it does not
//!
//! [`Ticket::append`] returns `Ok` after `fdatasync` of the frames and, before that, of the segment's header and of its
//! name in the directory. The frames then survive `kill -9` and a power cut, are delivered in order, and come again
//! until the delivery batch that holds them is finished. It does not promise to survive the loss of the disk, or a disk
//! that lies about `fdatasync`. An error promises that nothing is counted, not that nothing is there: after a crash,
//! frames of a failed or unanswered append may be delivered, once.
//!
//! A write or sync that fails is never repeated on that file. The segment is sealed at its last durable point and a new
//! one is begun, whose header says what had been acknowledged; when that fails too, appends are refused until it works.
//!
//! # Retries
//!
//! An append may carry a hash by which a retry of it is known ([`Ticket::append_as`]). The hashes of durable appends
//! survive the end of the process, on memory-backed storage and not here ([`RetryFiles`]). [`Announce`] gets them as well. An append whose hash is there
//! after a restart is there as well, as a whole, and one that got an error leaves no hash.
//!
//! # Order and time
//!
//! The frames of a commit lie in a random order (mix.rs). They leave at least [`Options::linger`] after they were appended,
//! together with those of their neighbours in time (hold.rs). So neither shows which frames came with one request. Frames
//! that a tombstone separates keep their order, and so do commits.
//!
//! With [`Options::windows`] they also wait until their window has ended, and then leave as a crowd, in an order that is
//! random over all of the window (crowd.rs). What waits longest is then up to half of the quota; beyond that all that is old enough leaves.
//!
//! # Delivery batches
//!
//! The reader hands out consecutive frames as a [`DeliveryBatch`]: one batch per stream, with boundaries, a random
//! value and a deduplication token that are on the disk before the consumer sees them. After a crash the same delivery
//! batch comes again, bytes and all, and says that it is `resumed`: the consumer counts before it believes or sends.
//! That is how "delivered at least once" here becomes "stored exactly once" there.
//!
//! # Recovery
//!
//! A torn commit at the end of the newest segment was never acknowledged and is cut off. What is missing before a whole
//! commit, or up to what the state or a newer header says was durable, is damage: it is copied to quarantine, counted
//! with its rows, and stepped over. A file that cannot be understood is moved to quarantine. None of this keeps the spool
//! from opening ([`Recovery`]). Damage of the very last commit alone cannot be distinguished from a torn one if no state was
//! written since.
//!
//! A state file that is damaged has a copy. With all four gone, delivery begins again at the oldest segment; what that
//! segment had already delivered comes a second time, and [`Usage::state_lost`] says so.
//!
//! # Rows
//!
//! Rows are counted through all of this ([`RowAccounting`]): `found + accepted` is at every moment the sum of what is
//! spooled and what has left, by outcome.
//!
//! # Tombstones
//!
//! An erasure is appended like rows ([`Frame::tombstone`]) and is as durable. A delivery batch ends with its
//! tombstones: all rows in it are older than they are, and everything appended after them comes in a later delivery
//! batch. The consumer carries the erasures out before it finishes the delivery batch.
//!
//! In a crowd all tombstones come with the last part, and each part says which they are ([`DeliveryBatch::of_crowd`]): an erasure does not split
//! the crowd. What the store already has, the consumer
//! can erase at once ([`Reader::take_early_tombstones`]).

mod accounting;
mod announce;
mod block;
mod cipher;
mod commit;
mod crowd;
mod cursor;
mod delivery;
mod frame;
mod hold;
mod identity;
mod idle;
mod io;
mod look;
mod measured;
mod mix;
mod pace;
mod quarantine;
mod reader;
mod recovery;
mod reply;
mod retries;
mod segment;
mod shared;
mod state;
mod watermark;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub use accounting::{Outcomes, RowAccounting};
pub use announce::Announce;
pub use block::Encoder;
pub use cipher::{Keys, Unopened};
pub use delivery::{DeliveryBatch, DeliveryLimits, StreamBatch, Tombstone};
pub use frame::{Frame, MAX_APPEND_BYTES, Rows, StreamKey};
pub use hold::Windows;
pub use identity::Progress;
pub use idle::{Idle, hold};
pub use io::{Disk, Entry, File, Io, Lock};
pub use look::Found;
pub use mix::shuffle;
pub use pace::Pace;
pub use reader::{Quarantine, ReadError, Reader, Skipped};
pub use recovery::Recovery;
pub use reply::{AppendError, Appended};
pub use retries::{RetryFiles, forget_retries};
pub use writer::{Ticket, Writer};

use hold::Hold;
use retries::{Loaded, Retries};
use shared::{Durable, Inventory, Queue, Shared};
use watermark::Arrivals;

/// The directory for what is damaged.
const QUARANTINE: &str = "quarantine";

/// A crowd is read once for each 64 MiB of it, so the time that it takes grows with its square. At this size it leaves about half as fast as
/// without an order.
const LARGEST_CROWD_BYTES: u64 = 4 << 30;

/// Limits of the spool.
#[derive(Clone)]
pub struct Options {
    /// A segment that has reached this is sealed. At most a quarter of the quota, so that space is freed in steps.
    pub segment_bytes: u64,
    /// All segments together; appends beyond are refused. Reserved blocks may exceed it by one segment.
    pub quota_bytes: u64,
    /// What may wait in memory for the disk.
    pub queue_bytes: usize,
    /// A segment is sealed after this time even if it is small, so that what is delivered does not linger in it.
    pub segment_age: Duration,
    /// How far apart commits begin; by default as soon as one waits.
    pub pace: Option<Pace>,
    /// How old frames are at least when they are delivered (hold.rs). By default they need not wait.
    pub linger: Duration,
    /// Frames also wait until the window ends in which they arrived, unless they come to take more than half of the
    /// quota (hold.rs). By default they do not.
    pub windows: Option<Arc<dyn Windows>>,
    /// What leaves as one crowd at most.
    pub largest_crowd_bytes: u64,
    /// What the columns of the rows are from now on; older segments keep theirs.
    pub schema_version: u32,
    /// What encrypts the rows.
    pub keys: Keys,
    /// How long a lock of another process is waited for: a predecessor on its way out, a verb.
    pub lock_patience: Duration,
    /// Where retries are remembered over restarts; nowhere by default.
    pub retries: Option<RetryFiles>,
    /// Who else is to know of retries; nobody by default.
    pub announce: Option<Arc<dyn Announce>>,
}

impl Options {
    /// How much may wait for the end of its window.
    pub(crate) fn crowd_bytes(&self) -> u64 {
        self.quota_bytes / 2
    }

    /// Segments of 64 MiB, a queue of 16 MiB, a new segment at least every minute.
    pub fn new(quota_bytes: u64, schema_version: u32, keys: Keys) -> Self {
        Self {
            segment_bytes: 64 << 20,
            quota_bytes,
            queue_bytes: 16 << 20,
            segment_age: Duration::from_secs(60),
            pace: None,
            linger: Duration::ZERO,
            windows: None,
            largest_crowd_bytes: LARGEST_CROWD_BYTES,
            schema_version,
            keys,
            lock_patience: Duration::from_secs(30),
            retries: None,
            announce: None,
        }
    }
}

/// How the spool does, for metrics and readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Of all segments, without reserved blocks.
    pub bytes: u64,
    /// Waiting for their commit.
    pub queued_bytes: u64,
    /// What `bytes` and `queued_bytes` together may reach.
    pub quota_bytes: u64,
    /// Files.
    pub segments: u64,
    /// Durable, and not in a finished delivery batch.
    pub pending_frames: u64,
    /// How long frames have been waiting that may leave: since they were old enough, or their window ended.
    pub late: Duration,
    /// How long the oldest frame has been here that is not delivered; at most since the opening.
    pub oldest: Duration,
    /// Rows by what became of them.
    pub accounting: RowAccounting,
    /// The last durable sequence.
    pub last_sequence: u64,
    /// Everything up to this sequence is in finished delivery batches.
    pub finished_sequence: u64,
    /// Commits that succeeded since the start.
    pub commits: u64,
    /// Commits that failed since the start. Their requests got an error.
    pub failed_commits: u64,
    /// Acknowledged frames found damaged or missing since the start. Not zero means that the disk lost something.
    pub lost_frames: u64,
    /// Bytes found damaged since the start.
    pub damaged_bytes: u64,
    /// Files in quarantine.
    pub quarantined_files: u64,
    /// Their bytes.
    pub quarantined_bytes: u64,
    /// Segments with rows to deliver that are encrypted under a key that is not there.
    pub locked_segments: u64,
    /// Opening could not sync what was there, and it is not delivered yet: a power cut may take it.
    pub unsynced: bool,
    /// No state was whole at the opening: rows may come a second time.
    pub state_lost: bool,
    /// Whether appends can succeed.
    pub health: Health,
}

/// Whether appends can succeed, the quota aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As far as is known.
    Healthy,
    /// The disk is full. The spool tries again twice a second.
    DiskFull,
    /// The disk fails; the text says how. The spool tries again twice a second.
    Broken(Arc<str>),
}

/// Why a spool could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the spool {} is in use by another tamga: stop that one, or give this one its own [data] dir", .0.display())]
    Locked(PathBuf),
    /// Options that cannot work.
    #[error("a spool quota of {0} bytes is too small: at least {min} are needed", min = MIN_QUOTA_BYTES)]
    Quota(u64),
    /// The directory itself does not work. Damaged files are no reason.
    #[error("cannot {what} the spool {}: check that its directory is writable and its disk works", .dir.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The writer's thread could not be started.
    #[error("cannot start the spool's thread")]
    Thread(#[source] std::io::Error),
}

/// The smallest quota: four segments of the smallest useful size.
const MIN_QUOTA_BYTES: u64 = 64 << 10;

/// How often a lock that another process holds is tried.
const LOCK_EVERY: Duration = Duration::from_millis(50);

/// Takes the spool's lock. Blocks while another process holds it, for at most `patience`.
fn wait_for_lock(dir: &Path, patience: Duration, io: &dyn Io) -> Result<Lock, OpenError> {
    let since = Instant::now();
    let path = dir.join("lock");
    loop {
        let held = io.lock(&path).map_err(|source| OpenError::Io { what: "lock", dir: dir.to_owned(), source })?;
        if let Some(held) = held {
            return Ok(held);
        }
        if since.elapsed() >= patience {
            return Err(OpenError::Locked(dir.to_owned()));
        }
        std::thread::sleep(LOCK_EVERY);
    }
}

/// What a former process left waits anew.
fn hold_of_found(options: &Options, inventory: &Inventory) -> Hold {
    let waiting = inventory.segments.iter().map(|segment| {
        let end = options.windows.as_ref().map(|windows| windows.around(segment.header.window_ms).1);
        (segment.last, segment.bytes, end.unwrap_or(i64::MIN))
    });
    // What no segment has is lost, and nothing waits for it.
    let covered = inventory.segments.back().map_or(0, |segment| segment.last);
    let waiting = waiting.chain((covered < inventory.last).then_some((inventory.last, 0, i64::MIN)));
    Hold::new(options.linger, options.crowd_bytes(), inventory.finished, waiting, Instant::now())
}

/// What a former process left, with the begin of the window in which it arrived: of what no segment has, nobody knows it.
fn arrivals_of_found(inventory: &Inventory) -> Vec<(u64, i64)> {
    let found = inventory.segments.iter().map(|segment| (segment.last, segment.header.window_ms));
    let covered = inventory.segments.back().map_or(0, |segment| segment.last);
    found.chain((covered < inventory.last).then_some((inventory.last, i64::MIN))).collect()
}

/// Opens a spool, creating its directory, and recovers what is in it. Blocks while it waits for the lock and reads the
/// newest segment.
pub fn open(dir: &Path, mut options: Options, io: Arc<dyn Io>) -> Result<(Writer, Reader, Recovery), OpenError> {
    if options.quota_bytes < MIN_QUOTA_BYTES {
        return Err(OpenError::Quota(options.quota_bytes));
    }
    options.segment_bytes = options.segment_bytes.clamp(2 * segment::BLOCKS_AT, options.quota_bytes / 4);
    let attempt = |what: &'static str| move |source| OpenError::Io { what, dir: dir.to_owned(), source };
    io.create_dir_all(dir).map_err(attempt("create"))?;
    let held = wait_for_lock(dir, options.lock_patience, io.as_ref())?;
    io.create_dir_all(&dir.join(QUARANTINE)).map_err(attempt("create the quarantine of"))?;
    io.create_dir_all(&dir.join(state::COPIES)).map_err(attempt("create the copies of the state of"))?;

    let retries = options.retries.take().map(|files| Retries::load(files, Arc::clone(&io)));
    let recovered = recovery::recover(dir, io.as_ref(), &options.keys, retries.as_ref().and_then(Loaded::newest))?;
    let retries = retries.map(|loaded| loaded.up_to(recovered.synced));
    let (retries, remembered) = retries.map_or((None, Vec::new()), |(retries, hashes)| (Some(retries), hashes));
    options.announce.iter().for_each(|announce| announce.found(&remembered));
    let quarantined = io.list(&dir.join(QUARANTINE)).map_err(attempt("list the quarantine of"))?;
    let (finished, pending_rows) = (recovered.state.cursor, recovered.state.rows_behind(recovered.rows_end));
    let inventory = Inventory {
        leftovers: Vec::new(),
        finished,
        last: recovered.last,
        rows_end: recovered.rows_end,
        accounting: RowAccounting { found: pending_rows, spooled: pending_rows, ..RowAccounting::default() },
        health: Health::Healthy,
        lost_frames: 0,
        damaged_bytes: 0,
        quarantined_files: quarantined.len() as u64,
        quarantined_bytes: quarantined.iter().map(|entry| entry.bytes).sum(),
        commits: 0,
        failed_commits: 0,
        recovered: (recovered.last, recovered.rows_end),
        unsynced: if recovered.report.unsynced { recovered.last } else { 0 },
        state_lost: recovered.report.state_lost,
        segments: recovered.segments.into(),
    };
    let (hold, watermark) = (hold_of_found(&options, &inventory), recovered.state.watermark);
    let shared = Arc::new(Shared {
        dir: dir.to_owned(),
        options,
        queue: Mutex::new(Queue::beside(&inventory)),
        work: Condvar::new(),
        arrivals: Mutex::new(Arrivals::new(watermark, finished, arrivals_of_found(&inventory))),
        inventory: Mutex::new(inventory),
        hold: Mutex::new(hold),
        early: Mutex::default(),
        remembered: Mutex::new(remembered),
        durable: tokio::sync::watch::Sender::new(Durable { last: recovered.last, closed: false }),
        identity: identity::load(dir, io.as_ref(), recovered.report.state_lost).into(),
        io,
        _lock: held,
    });
    shared.reclaim();
    let usage = shared.usage();
    let report = Recovery {
        segments: usage.segments,
        pending_frames: usage.pending_frames,
        pending_rows,
        locked_segments: usage.locked_segments,
        ..recovered.report
    };

    let committer = commit::Committer::new(Arc::clone(&shared), recovered.next_sequence, retries);
    let thread = std::thread::Builder::new()
        .name("spool-writer".into())
        .spawn(move || committer.run())
        .map_err(OpenError::Thread)?;
    let reader = Reader::new(Arc::clone(&shared), recovered.state, recovered.slots);
    Ok((Writer::new(shared, thread), reader, report))
}
