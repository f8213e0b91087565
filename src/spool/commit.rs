//! Group commit: one thread writes all requests that wait in one write and one `fdatasync`, then answers them all.
//!
//! While one commit is synced the next group collects in the queue. The first request of a group lets other ready requests
//! join before it signals the flush (`writer.rs`). The next commit begins a little after the one before
//! ([`Pace`](super::Pace)). So an idle spool answers after one sync, and a busy spool shares each sync. A failed write or sync
//! is never repeated on its file: the segment is sealed at its last durable byte and a new segment begins. The header of the
//! new one says so, and the requests of the group get an error.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Health;
use super::block::Encoder;
use super::cipher::SegmentId;
use super::frame::{MAX_APPEND_BYTES, MAX_COMMIT_FRAMES};
use super::io::{File, is_full};
use super::mix::mixed;
use super::reply::{AppendError, Appended, ReplyFanout};
use super::retries::Retries;
use super::segment::{BLOCKS_AT, Header, file_name};
use super::shared::{Request, Segment, Shared, lock};

/// A commit that has this much takes no further request: what comes later shares the next sync.
const COMMIT_BYTES: usize = 4 << 20;

/// Zeros are written ahead up to the next multiple of this.
const ZEROED: u64 = 1 << 20;

/// How often a broken spool tries to begin a new segment.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// The state of the thread.
pub(super) struct Committer {
    shared: Arc<Shared>,
    active: Option<Active>,
    next_sequence: u64,
    /// When the window began in which the frames of the last commit arrived.
    window_ms: i64,
    buffer: Vec<u8>,
    retries: Option<Retries>,
    /// Since when the disk takes nothing, and what to say meanwhile.
    broken: Option<(Instant, AppendError)>,
}

/// The segment that is being written.
struct Active {
    file: Box<dyn File>,
    encoder: Encoder,
    /// Up to here everything is durable.
    bytes: u64,
    /// The durable rows in it.
    rows: u64,
    /// Up to here blocks have been written, and up to there they are reserved.
    written: u64,
    reserved: u64,
    since: Instant,
    window_ms: i64,
}

enum Work {
    Commit(Vec<Request>),
    Tick,
    Stop,
}

impl Committer {
    /// The thread's state on a spool that was just opened. The first append begins a segment.
    pub(super) fn new(shared: Arc<Shared>, next_sequence: u64, retries: Option<Retries>) -> Self {
        let window_ms = i64::MIN;
        Self { shared, active: None, next_sequence, window_ms, buffer: Vec::new(), retries, broken: None }
    }

    /// Works until the spool is closed and nothing waits.
    pub(super) fn run(mut self) {
        let _stopped = SayStopped(Arc::clone(&self.shared));
        loop {
            match self.wait() {
                Work::Commit(requests) => {
                    let begun = Instant::now();
                    self.commit(requests);
                    self.rest(begun);
                }
                Work::Tick => self.tick(),
                Work::Stop => break,
            }
        }
        self.seal();
    }

    /// Waits until the next commit may begin. What comes meanwhile shares its sync, and wakes nobody.
    fn rest(&self, begun: Instant) {
        let Some(pace) = &self.shared.options.pace else { return };
        let mut queue = lock(&self.shared.queue);
        loop {
            let rested = begun.elapsed();
            let (until, enough) = pace.rest(rested);
            if rested >= until || queue.closing || queue.waiting.len() >= enough {
                break;
            }
            queue.rests_until = Some(enough);
            let waited = self.shared.work.wait_timeout(queue, until - rested);
            queue = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        queue.rests_until = None;
    }

    fn wait(&self) -> Work {
        let mut queue = lock(&self.shared.queue);
        loop {
            if (queue.flush_requested || queue.closing)
                && let Some(first) = queue.waiting.pop_front()
            {
                let (mut bytes, mut frames) = (first.bytes, first.frames.len());
                let mut requests = vec![first];
                while let Some(next) = queue.waiting.front() {
                    (bytes, frames) = (bytes + next.bytes, frames + next.frames.len());
                    if bytes > COMMIT_BYTES || frames > MAX_COMMIT_FRAMES {
                        break;
                    }
                    requests.extend(queue.waiting.pop_front());
                }
                queue.flush_requested = !queue.waiting.is_empty();
                return Work::Commit(requests);
            }
            if queue.closing {
                return Work::Stop;
            }
            let due = match (&self.broken, &self.active) {
                (Some((since, _)), _) => Some(*since + PROBE_EVERY),
                (None, Some(active)) => Some(active.since + self.shared.options.segment_age),
                (None, None) => None,
            };
            let due = due.into_iter().chain(self.retries.as_ref().map(Retries::due)).min();
            queue.asleep = true;
            queue = match due.map(|due| due.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Work::Tick,
                Some(left) => {
                    self.shared.work.wait_timeout(queue, left).unwrap_or_else(std::sync::PoisonError::into_inner).0
                }
                None => self.shared.work.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner),
            };
            queue.asleep = false;
        }
    }

    /// Time has passed: try again if the disk was broken, close a segment that has been open for long, and forget old
    /// retries.
    fn tick(&mut self) {
        self.retries.iter_mut().for_each(Retries::look);
        if let Some((since, _)) = &self.broken {
            if since.elapsed() >= PROBE_EVERY {
                let _ = self.begin_segment();
            }
        } else if self.active.as_ref().is_some_and(|active| active.since.elapsed() >= self.shared.options.segment_age) {
            self.seal();
        }
    }

    fn commit(&mut self, requests: Vec<Request>) {
        let bytes = requests.iter().map(|request| request.bytes).sum::<usize>();
        let announce = self.shared.options.announce.clone();
        if let Some(announce) = &announce {
            let hashes: Vec<u64> = requests.iter().filter_map(|request| request.hash).collect();
            announce.writing(&hashes);
        }
        let written = self.write(&requests, bytes as u64);
        announce.iter().for_each(|announce| announce.written(written.is_ok()));
        let answers: Vec<_> = match written {
            Ok(appended) => vec![Ok(appended); requests.len()],
            Err(error) => {
                lock(&self.shared.inventory).failed_commits += 1;
                let mut arrivals = lock(&self.shared.arrivals);
                requests.iter().for_each(|request| arrivals.leave(request.counted_ms));
                vec![Err(error); requests.len()]
            }
        };
        lock(&self.shared.queue).unanswered -= bytes;
        ReplyFanout::new(requests.into_iter().map(|request| request.reply).zip(answers)).wake_one();
        if self.buffer.capacity() > COMMIT_BYTES + MAX_APPEND_BYTES {
            self.buffer = Vec::new();
        }
    }

    /// Makes the requests durable and visible to the reader. Their frames are mixed, and take at most so many bytes.
    fn write(&mut self, requests: &[Request], bytes_max: u64) -> Result<Appended, AppendError> {
        let frames = mixed(requests.iter().flat_map(|request| &request.frames)).map_err(no_random_bytes)?;
        let arrived_ms = requests.iter().map(|request| request.counted_ms).min().unwrap_or(i64::MAX);
        let (window_ms, leaves_ms) = self.shared.window_of(arrived_ms);
        self.window_ms = window_ms;
        self.make_space(bytes_max)?;
        let active = self.active.as_ref().expect("make_space leaves an active segment");
        self.buffer.clear();
        let first_sequence = self.next_sequence;
        let (sequence, rows) = active.encoder.commit(&frames, first_sequence, active.rows, &mut self.buffer);
        let bytes = self.buffer.len() as u64;
        // Over zeros that were written before, a sync has no block to enter into the file system's journal.
        let end = active.bytes + bytes;
        let zeroed =
            if end <= active.written { end } else { end.max(active.reserved.min(end.next_multiple_of(ZEROED))) };
        if let Some(retries) = &mut self.retries {
            retries.note(first_sequence, sequence - 1, requests.iter().filter_map(|request| request.hash));
        }
        let result = active.file.write_all_at(&self.buffer, active.bytes);
        let result =
            result.and_then(|()| write_zeros(active.file.as_ref(), end, zeroed)).and_then(|()| active.file.sync_data());
        // Whether it worked or not: what may have reached the disk keeps its sequences for itself.
        self.next_sequence = sequence;
        if let Err(error) = result {
            self.seal();
            let failure = failure("write to a segment", &error);
            // The new header makes it durable that these frames were not acknowledged, before anybody hears of it.
            let _ = self.begin_segment();
            return Err(failure);
        }
        self.retries.iter_mut().for_each(Retries::keep);
        let last = sequence - 1;
        let active = self.active.as_mut().expect("nothing has closed it");
        (active.bytes, active.written, active.rows) = (end, active.written.max(zeroed), active.rows + rows);
        {
            let mut arrivals = lock(&self.shared.arrivals);
            arrivals.durable(last, arrived_ms, leaves_ms);
            requests.iter().for_each(|request| arrivals.leave(request.counted_ms));
        }
        {
            let mut inventory = lock(&self.shared.inventory);
            (inventory.last, inventory.commits) = (last, inventory.commits + 1);
            inventory.rows_end += rows;
            inventory.accounting.accept(rows);
            let rows_end = inventory.rows_end;
            let segment =
                inventory.segments.back_mut().expect("the active segment is in the inventory until it is sealed");
            (segment.last, segment.rows_end, segment.bytes) = (last, rows_end, active.bytes);
        }
        lock(&self.shared.queue).used += bytes;
        self.shared.note_tombstones(&frames, first_sequence);
        lock(&self.shared.hold).durable(last, bytes, leaves_ms, Instant::now());
        self.shared.durable.send_modify(|durable| durable.last = last);
        Ok(Appended { first_sequence, last_sequence: last })
    }

    /// Leaves an active segment into which this much fits. Only an empty one may grow beyond its size. A segment has frames of
    /// one window only: so after a restart it is known which ones wait, and for what.
    fn make_space(&mut self, bytes: u64) -> Result<(), AppendError> {
        if let Some((since, error)) = &self.broken
            && since.elapsed() < PROBE_EVERY
        {
            return Err(error.clone());
        }
        match &self.active {
            // The name of an empty one is not used again.
            Some(active) if active.window_ms != self.window_ms => {
                self.next_sequence += u64::from(active.bytes == BLOCKS_AT)
            }
            Some(active) if active.bytes == BLOCKS_AT => return Ok(()),
            Some(active) if active.bytes + bytes <= self.shared.options.segment_bytes => return Ok(()),
            _ => {}
        }
        self.seal();
        self.begin_segment()
    }

    /// Appends nothing more to the active segment, and gives back what was reserved for it.
    fn seal(&mut self) {
        let Some(active) = self.active.take() else { return };
        // If this fails the file stays larger than it needs to be; what lies behind its durable end is never read.
        let _ = active.file.set_len(active.bytes);
        if let Some(segment) = lock(&self.shared.inventory).segments.back_mut() {
            segment.sealed = true;
        }
        self.shared.reclaim();
    }

    fn begin_segment(&mut self) -> Result<(), AppendError> {
        let result = self.try_begin_segment();
        let health = match &result {
            Ok(()) => {
                self.broken = None;
                Health::Healthy
            }
            Err(error) => {
                // The name and the sequence in it are not used again, so a remnant is never mistaken for a segment.
                self.next_sequence += 1;
                self.broken = Some((Instant::now(), error.clone()));
                match error {
                    AppendError::Broken(reason) => Health::Broken(Arc::clone(reason)),
                    _ => Health::DiskFull,
                }
            }
        };
        lock(&self.shared.inventory).health = health;
        result
    }

    fn try_begin_segment(&mut self) -> Result<(), AppendError> {
        let io = &self.shared.io;
        let mut id = SegmentId::default();
        getrandom::fill(&mut id).map_err(no_random_bytes)?;
        let (acknowledged_before, rows_before) = {
            let inventory = lock(&self.shared.inventory);
            (inventory.last, inventory.rows_end)
        };
        let schema_version = self.shared.options.schema_version;
        let (encoder, key_check) = Encoder::new(&self.shared.options.keys, id);
        let first = self.next_sequence;
        let window_ms = self.window_ms;
        let header = Header { schema_version, first, acknowledged_before, id, rows_before, key_check, window_ms };
        let path = self.shared.dir.join(file_name(header.first));
        let file = io.create(&path).map_err(|error| failure("create a segment", &error))?;
        // Reserved blocks halve the time of a sync. A disk without space for them may still have space for frames.
        let segment_bytes = self.shared.options.segment_bytes;
        let reserved = file.allocate(segment_bytes).map_or(0, |()| segment_bytes);
        let durable = file.write_all_at(&header.encode(), 0).and_then(|()| file.sync_data());
        if let Err(error) = durable.and_then(|()| io.sync_dir(&self.shared.dir)) {
            let _ = io.remove(&path);
            return Err(failure("begin a segment", &error));
        }
        self.retries.iter_mut().for_each(Retries::withdraw);
        lock(&self.shared.inventory).segments.push_back(Segment {
            path,
            header,
            last: header.first - 1,
            rows_end: rows_before,
            bytes: BLOCKS_AT,
            sealed: false,
            keep: false,
            locked: false,
        });
        lock(&self.shared.queue).used += BLOCKS_AT;
        let (bytes, written, since) = (BLOCKS_AT, BLOCKS_AT, Instant::now());
        self.active = Some(Active { file, encoder, bytes, rows: 0, written, reserved, since, window_ms });
        Ok(())
    }
}

/// Writes zeros between two places, from a piece that stays in the processor's cache.
fn write_zeros(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    const ZEROS: &[u8] = &[0; 64 << 10];
    (from..to).step_by(ZEROS.len()).try_for_each(|at| {
        let piece = (to - at).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..piece as usize], at)
    })
}

fn no_random_bytes(error: getrandom::Error) -> AppendError {
    failure("ask the system for random bytes", &io::Error::other(error))
}

fn failure(what: &str, error: &io::Error) -> AppendError {
    match is_full(error) {
        true => AppendError::DiskFull,
        false => AppendError::Broken(format!("{what}: {error}").into()),
    }
}

/// However the thread ends, nobody waits for it any longer.
struct SayStopped(Arc<Shared>);

impl Drop for SayStopped {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.stopped = true;
        queue.waiting.clear();
    }
}
