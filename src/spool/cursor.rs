//! Reads the frames behind the cursor, segment by segment, and steps over damage.
//!
//! The walk reads from the disk, one segment at a time; it holds one frame and a read buffer. What it steps over is
//! copied to quarantine and counted once per process, however often it walks the same way.

use std::io;
use std::sync::Arc;

use super::io::is_damage;
use super::quarantine::copy_aside;
use super::segment::{Found, Scan, Scanned, Wanted};
use super::shared::{Segment, Shared, lock};

/// After this many failures in a row the reader gives up a sector.
const PATIENCE: u32 = 5;

/// A segment is encrypted under a key that is not there.
#[derive(Debug, thiserror::Error)]
#[error("the key of a segment is not there")]
pub(super) struct NoKey;

/// A place in the spool.
pub(super) struct Cursor {
    shared: Arc<Shared>,
    /// Frames up to this sequence are passed over silently.
    after: u64,
    /// The sequence that should come next.
    expected: u64,
    /// The position behind the frames that were yielded or stepped over. Rows of damaged frames are unknown until the
    /// end of their segment, whose position is known; there it catches up.
    rows: u64,
    /// The first sequence of the segment that is being read or was read last; 0 before the first.
    segment: u64,
    scan: Option<Scan>,
    /// The segment that is being read, as it was when it was looked up.
    known: Option<Arc<Segment>>,
    wanted: Wanted,
    /// Losses up to this sequence have been counted.
    counted: u64,
    failures: u32,
}

impl Cursor {
    /// Begins behind this sequence, which is at this position.
    pub(super) fn new(shared: Arc<Shared>, after: u64, rows: u64) -> Self {
        let (segment, scan, wanted, counted) = (0, None, Wanted::All, after);
        Self { shared, after, expected: after + 1, rows, segment, scan, known: None, wanted, counted, failures: 0 }
    }

    /// Goes back, or on, to just behind this sequence, which is at this position. From now on these rows are read with their
    /// payload.
    pub(super) fn rewind(&mut self, after: u64, rows: u64, wanted: Wanted) {
        self.wanted = wanted;
        (self.after, self.expected, self.segment, self.scan, self.known) = (after, after + 1, 0, None, None);
        self.rows = rows;
    }

    /// Everything up to this sequence has been yielded or stepped over.
    pub(super) fn passed(&self) -> u64 {
        self.expected - 1
    }

    /// The position that goes with [`Cursor::passed`].
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The position is known to be at least this.
    pub(super) fn at_least(&mut self, rows: u64) {
        self.rows = self.rows.max(rows);
    }

    /// The next durable frame; `None` when there is none yet. After an error, [`Cursor::rewind`].
    pub(super) fn next(&mut self) -> io::Result<Option<Scanned>> {
        let found = self.walk();
        match &found {
            Ok(_) => self.failures = 0,
            Err(error) if is_damage(error) => self.failures += 1,
            Err(_) => {}
        }
        found
    }

    fn walk(&mut self) -> io::Result<Option<Scanned>> {
        loop {
            if self.scan.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let expected = self.scan.as_ref().map_or(0, |scan| scan.expected);
            let is_known = |known: &Arc<Segment>| known.header.first == self.segment && expected <= known.last;
            if !self.known.as_ref().is_some_and(is_known) {
                self.known = self.current().map(Arc::new);
            }
            let Some(segment) = self.known.clone() else {
                self.scan = None; // Reclaimed: it was finished.
                continue;
            };
            let scan = self.scan.as_mut().expect("open_next has opened one");
            scan.end = segment.bytes;
            scan.salvage = self.failures >= PATIENCE;
            if scan.expected > segment.last {
                self.rows = self.rows.max(segment.rows_end);
                if !segment.sealed {
                    return Ok(None);
                }
                self.scan = None;
                continue;
            }
            match scan.next()? {
                // What was written but not acknowledged before a newer segment was begun.
                Found::Frame(frame) if frame.sequence > segment.last => {}
                Found::Frame(frame) => {
                    self.expected = frame.sequence + 1;
                    if frame.sequence > self.after {
                        self.rows += u64::from(frame.rows);
                        return Ok(Some(frame));
                    }
                }
                Found::Block(_) | Found::Void => self.expected = scan.expected,
                Found::Gap { offset, bytes, first, last, .. } => {
                    let last = last.min(segment.last);
                    if last > self.after {
                        self.step_over(&segment, offset, bytes, first, last);
                    }
                    self.expected = last + 1;
                }
                Found::End { bytes } => {
                    let (offset, first) = (scan.offset, scan.expected);
                    scan.skip_to_end(segment.last + 1);
                    if segment.last > self.after {
                        self.step_over(&segment, offset, bytes, first, segment.last);
                    }
                    self.expected = segment.last + 1;
                }
            }
        }
    }

    /// Opens the segment behind the last one; `false` when there is none.
    fn open_next(&mut self) -> io::Result<bool> {
        loop {
            let next = {
                let inventory = lock(&self.shared.inventory);
                inventory.segments.iter().find(|segment| segment.header.first > self.segment).cloned()
            };
            let Some(segment) = next else {
                // What recovery knows of and no file has, and nothing was appended since.
                let (last, rows) = lock(&self.shared.inventory).recovered;
                self.count_lost(self.expected, last);
                (self.expected, self.rows) = (self.expected.max(last + 1), self.rows.max(rows));
                return Ok(false);
            };
            // Acknowledged once, and in no file that is here.
            self.count_lost(self.expected, segment.header.acknowledged_before);
            self.expected = self.expected.max(segment.header.first);
            self.rows = self.rows.max(segment.header.rows_before);
            match self.shared.io.open(&segment.path) {
                Ok(file) => {
                    let keys = &self.shared.options.keys;
                    let cipher = keys.find(&segment.header.id, segment.header.key_check);
                    let mut scan = Scan::new(file, segment.header, segment.bytes);
                    scan.cipher = Some(cipher.ok_or_else(|| io::Error::other(NoKey))?);
                    scan.wanted = self.wanted;
                    (self.segment, self.scan) = (segment.header.first, Some(scan));
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.segment = segment.header.first;
                    self.count_lost(self.expected, segment.last);
                    self.expected = self.expected.max(segment.last + 1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn current(&self) -> Option<Segment> {
        let inventory = lock(&self.shared.inventory);
        let at = inventory.segments.partition_point(|segment| segment.header.first < self.segment);
        inventory.segments.get(at).filter(|segment| segment.header.first == self.segment).cloned()
    }

    /// Keeps a copy of damaged bytes and counts the frames that were in them.
    fn step_over(&mut self, segment: &Segment, offset: u64, bytes: u64, first: u64, last: u64) {
        if last <= self.counted {
            return;
        }
        self.count_lost(first, last);
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        let Some(scan) = self.scan.as_mut().filter(|_| length > 0) else { return };
        let raw = scan.raw(offset, length);
        let copied = copy_aside(self.shared.io.as_ref(), &self.shared.dir, &segment.path, offset, &raw);
        let mut inventory = lock(&self.shared.inventory);
        inventory.damaged_bytes += bytes;
        match copied {
            Ok(new) => {
                inventory.quarantined_files += u64::from(new);
                inventory.quarantined_bytes += if new { bytes } else { 0 };
            }
            // The disk may be full, and delivery must go on: then the file itself is kept in the end.
            Err(_) => {
                let damaged = inventory.segments.iter_mut().find(|kept| kept.header.first == segment.header.first);
                damaged.into_iter().for_each(|segment| segment.keep = true);
            }
        }
    }

    fn count_lost(&mut self, first: u64, last: u64) {
        let first = first.max(self.counted + 1).max(self.after + 1);
        if last >= first {
            self.counted = last;
            let frames = last - first + 1;
            tracing::error!(
                frames,
                "durable frames of the spool are damaged or gone: look at its disk, and at its quarantine folder"
            );
            lock(&self.shared.inventory).lost_frames += frames;
        }
    }
}
