//! Opens a spool after a crash, a power cut, a disk error, or files that an operator moved.
//!
//! Only the newest segment is read to its end. Older segments were sealed or were examined by an earlier recovery;
//! damage in them is found when they are read. The newest segment may end in a commit that was never acknowledged.
//! Missing parts of that commit are cut off or voided. Missing bytes before it are damage: the reader steps over them
//! and reports them. No file makes the opening fail: a file that is not understood goes to quarantine.

use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;
use super::block::{HEADER, MIN_FRAME, void_header};
use super::cipher::Keys;
use super::io::{Io, is_damage, read_or_zero};
use super::quarantine::{copy_aside, set_aside};
use super::segment::{BLOCKS_AT, Found, Header, Scan, parse_file_name};
use super::shared::Segment;
use super::state::{Slots, State};

/// The report of an opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that hold frames to deliver.
    pub segments: u64,
    /// Frames to deliver, those of an open delivery batch included.
    pub pending_frames: u64,
    /// Rows in them, as far as damage lets them be counted.
    pub pending_rows: u64,
    /// Bytes of a commit that was never acknowledged, cut off or voided.
    pub torn_bytes: u64,
    /// Frames known to have been in them; those at the very end cannot be counted.
    pub torn_frames: u64,
    /// Files moved to quarantine, or parts copied there.
    pub quarantined: u64,
    /// No state file nor copy was whole, though segments exist: delivery begins again with the oldest segment. What had
    /// been delivered from it before comes a second time, under new boundaries, so that counting cannot tell.
    pub state_lost: bool,
    /// The state files were damaged; a copy stood for them.
    pub state_from_copy: bool,
    /// Frames in the newest segment that had been acknowledged and are damaged or gone. They are counted as lost when
    /// delivery comes to them.
    pub damaged_frames: u64,
    /// The rows in them.
    pub damaged_rows: u64,
    /// The first delivery batch is one that a former process had begun.
    pub resumes_delivery: bool,
    /// Segments with frames to deliver that are encrypted under a key that is not there.
    pub locked_segments: u64,
    /// The newest segment could not be synced: until its frames are delivered, a power cut may take them.
    pub unsynced: bool,
}

/// What [`recover`] hands to `open`.
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) slots: Slots,
    pub(super) segments: Vec<Segment>,
    /// The last sequence that counts as acknowledged.
    pub(super) last: u64,
    /// The last sequence that a power cut cannot take any more.
    pub(super) synced: u64,
    /// The position behind the last row that counts as acknowledged.
    pub(super) rows_end: u64,
    pub(super) next_sequence: u64,
    pub(super) report: Recovery,
}

/// A segment file whose header is whole: the header, the path, the length in bytes.
type SegmentFile = (Header, PathBuf, u64);

/// Names the spool in an error of the system.
fn attempt(dir: &Path, what: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { what, dir: dir.to_owned(), source }
}

/// Reads the state and the segments, and repairs the end of the newest segment. The caller holds the lock. `noted` are the
/// sequences of a commit of which the retries are known; if it is the last one, it stays as a whole or not at all.
pub(super) fn recover(dir: &Path, io: &dyn Io, keys: &Keys, noted: Option<(u64, u64)>) -> Result<Recovered, OpenError> {
    let mut report = Recovery::default();
    // A former process may have died between creating a file and syncing its name.
    io.sync_dir(dir).map_err(attempt(dir, "sync"))?;
    let (mut slots, loaded) = Slots::load(dir, io).map_err(attempt(dir, "read the state of"))?;
    let (files, mut next_sequence) = segment_files(dir, io, &mut report)?;
    report.state_from_copy = loaded.as_ref().is_some_and(|loaded| loaded.from_copy);
    let mut state = loaded.map(|loaded| loaded.state).unwrap_or_else(|| {
        report.state_lost = !files.is_empty();
        let cursor = files.first().map_or(0, |(header, ..)| header.first - 1);
        let rows = files.first().map_or(0, |(header, ..)| header.rows_before);
        // A watermark of 1970: a lease can say it.
        State { cursor, rows, ..State::default() }
    });
    report.resumes_delivery = state.open.is_some();
    let known = Known::of(&state);

    let mut segments = Vec::with_capacity(files.len());
    let (mut last, mut rows_end) = (known.durable, known.rows);
    let mut last_commit = None;
    let mut files = files.into_iter().peekable();
    while let Some((header, path, bytes)) = files.next() {
        let (before, rows) = (header.first - 1, header.rows_before);
        let locked = keys.find(&header.id, header.key_check).is_none();
        let mut segment =
            Segment { path, header, last: before, rows_end: rows, bytes, sealed: true, keep: false, locked };
        if let Some((next, ..)) = files.peek() {
            segment.last = next.acknowledged_before.max(segment.last);
            segment.rows_end = next.rows_before;
        } else {
            let commit = repair_end(&mut segment, &known, noted, io, dir, &mut report)
                .map_err(attempt(dir, "examine the newest segment of"))?;
            last_commit = Some(commit).filter(|first| *first > 0 && report.unsynced);
        }
        // In a segment without frames only the header says what was acknowledged.
        last = last.max(if segment.last < header.first { header.acknowledged_before } else { segment.last });
        rows_end = rows_end.max(segment.rows_end);
        next_sequence = next_sequence.max(header.first + 1);
        segments.push(segment);
    }
    if segments.is_empty() {
        report.damaged_frames = known.durable - known.finished.0;
        report.damaged_rows = known.rows.saturating_sub(known.finished.1);
    }
    next_sequence = next_sequence.max(last + 1);
    if !report.unsynced {
        (state.durable, state.durable_rows) = (last, rows_end);
    }
    // The state that was read may have been in the page cache only, and segments are unlinked because of it. So it is
    // written again. A second attempt uses a new file.
    slots.save(&state, io).or_else(|_| slots.save(&state, io)).map_err(attempt(dir, "write the state of"))?;
    if !slots.complete() {
        // Both files are needed before the disk is full. If it is full already, the next save tries the other one
        // again.
        let _ = slots.save(&state, io);
    }
    let synced = last_commit.map_or(last, |first| last.min(first - 1));
    Ok(Recovered { state, slots, segments, last, synced, rows_end, next_sequence, report })
}

/// The segments of the directory by first sequence, and the lowest sequence that surely was never used by a file that
/// is not understood. Such files and copies go to quarantine. Files that were never used are removed.
fn segment_files(dir: &Path, io: &dyn Io, report: &mut Recovery) -> Result<(Vec<SegmentFile>, u64), OpenError> {
    let mut next_sequence = 1;
    let mut found = Vec::new();
    for entry in io.list(dir).map_err(attempt(dir, "list"))? {
        let Some(named) = parse_file_name(&entry.name) else { continue };
        let path = dir.join(&entry.name);
        match read_header(io, &path).map_err(attempt(dir, "read a segment of"))? {
            Some(header) => found.push((header, path, entry.bytes)),
            None if is_blank(io, &path, entry.bytes) => {
                io.remove(&path).map_err(attempt(dir, "remove an empty segment of"))?;
            }
            None => {
                // The number of sequences in the file is unknown. This is the most it can hold.
                next_sequence = next_sequence.max(named.saturating_add(entry.bytes / MIN_FRAME));
                report.quarantined += 1;
                set_aside(io, dir, &path).map_err(attempt(dir, "move a damaged segment of"))?;
            }
        }
    }
    found.sort_by(|a, b| (a.0.first, &a.1).cmp(&(b.0.first, &b.1)));
    let mut unique: Vec<SegmentFile> = Vec::new();
    for (header, path, bytes) in found {
        match unique.last() {
            // A copy under a second name.
            Some((before, ..)) if before.first == header.first => {
                report.quarantined += 1;
                set_aside(io, dir, &path).map_err(attempt(dir, "move a duplicate segment of"))?;
            }
            _ => unique.push((header, path, bytes)),
        }
    }
    Ok((unique, next_sequence))
}

/// The facts that the state file gives about the frames.
struct Known {
    /// Frames up to this sequence were durable, so they may have been acknowledged. Rows behind it are counted by
    /// reading.
    durable: u64,
    /// The position of that sequence, in rows.
    rows: u64,
    /// The cursor, and its position.
    finished: (u64, u64),
}

impl Known {
    fn of(state: &State) -> Self {
        let open = state.open.as_ref().map_or((0, 0), |open| (open.last, open.rows_end));
        let (durable, rows) = open.max((state.cursor, state.rows)).max((state.durable, state.durable_rows));
        Self { durable, rows, finished: (state.cursor, state.rows) }
    }
}

/// Bytes between two whole blocks that are no block, and the sequences that are missing there.
struct Gap {
    offset: u64,
    bytes: u64,
    first: u64,
    last: u64,
    /// The position, within its commit, of the first frame behind the gap.
    next_position: u16,
    /// The rows in it that the state does not count.
    rows: u64,
    /// The rows in it that were not delivered.
    waiting: u64,
}

/// The result of reading the newest segment to its end.
struct End {
    gaps: Vec<Gap>,
    /// The first sequence of the last commit, and the offset at which the commit begins.
    last_commit: u64,
    commit_at: u64,
    /// The position before the last commit, in rows.
    rows_before: u64,
    /// The rows of the segment up to the last whole block, as far as known.
    rows: u64,
    /// How many bytes that are not zero lie behind the last whole block.
    tail: u64,
}

/// Finds the end of the newest segment, cuts off the bytes behind it, and voids other torn parts of the last commit.
/// Returns the first sequence of the last commit.
fn repair_end(
    segment: &mut Segment,
    known: &Known,
    noted: Option<(u64, u64)>,
    io: &dyn Io,
    dir: &Path,
    report: &mut Recovery,
) -> io::Result<u64> {
    let file = io.open(&segment.path)?;
    let size = file.size()?;
    let mut scan = Scan::new(file, segment.header, size);
    scan.salvage = true;
    let mut found = find_end(&mut scan, segment, known)?;
    if let Some(noted) = noted {
        cut_torn(noted, &mut scan, segment, &mut found, known.durable, report);
    }
    let end = scan.offset;
    if found.tail > 0 && known.durable > segment.last {
        // Frames here were durable: this is damage, not a torn write.
        let bytes = scan.raw(end, usize::try_from(found.tail).unwrap_or(usize::MAX));
        report.quarantined += u64::from(copy_aside(io, dir, &segment.path, end, &bytes)?);
    } else {
        report.torn_bytes += found.tail;
    }
    void_torn(&mut scan, segment, &mut found, known.durable, report)?;
    report_damage(segment, &found, known, report);
    // After `kill -9` the frames may be in the page cache only, and a power cut could take frames that were delivered.
    // If the former process's sync had failed, a further sync would succeed and write nothing. So the last commit is
    // written again. The commits before it were synced, or this file would have no later commit.
    let mut again = vec![0; usize::try_from(end - found.commit_at).unwrap_or(0)];
    if !found.gaps.is_empty() || read_or_zero(scan.file(), &mut again, found.commit_at).is_err() {
        again.clear(); // Bytes that cannot be read must not be written.
    }
    let written = scan.file().set_len(end).and_then(|()| scan.file().write_all_at(&again, found.commit_at));
    let synced = written.and_then(|()| scan.file().sync_data());
    report.unsynced = synced.is_err();
    segment.bytes = if synced.is_ok() { end } else { size };
    Ok(found.last_commit)
}

/// Reads the segment to its end, and sets its last sequence and its position.
fn find_end(scan: &mut Scan, segment: &mut Segment, known: &Known) -> io::Result<End> {
    if known.durable >= segment.header.first {
        segment.rows_end = known.rows;
    }
    let mut end =
        End { gaps: Vec::new(), last_commit: 0, commit_at: BLOCKS_AT, rows_before: segment.rows_end, rows: 0, tail: 0 };
    let (mut whole_until, mut rows_until) = (BLOCKS_AT, segment.rows_end);
    // The rows up to here as the blocks say them; unknown behind a void.
    let mut behind = Some(0);
    loop {
        match scan.next()? {
            Found::Block(block) => {
                segment.last = block.next_sequence() - 1;
                let commit = block.sequence.saturating_sub(u64::from(block.position));
                if commit != end.last_commit {
                    (end.last_commit, end.commit_at, end.rows_before) = (commit, whole_until, rows_until);
                }
                let rows_behind = u64::from(block.rows_before) + u64::from(block.rows);
                if block.sequence > known.durable {
                    segment.rows_end += u64::from(block.rows);
                } else if segment.last > known.durable {
                    // A delivery batch ends within this block, and the state knows no later place.
                    segment.rows_end = segment.header.rows_before + rows_behind;
                }
                behind = Some(rows_behind);
                (whole_until, rows_until) = (scan.offset, segment.rows_end);
            }
            Found::Frame(_) => unreachable!("nothing is decrypted without a cipher"),
            Found::Void => {
                (segment.last, whole_until, behind) = (scan.expected - 1, scan.offset, None);
            }
            Found::Gap { offset, bytes, first, last, next_position, next_rows_before } => {
                // A place whose position the state knows may lie in the gap.
                let rows_behind = |(sequence, rows): (u64, u64)| {
                    let known = Some(rows.saturating_sub(segment.header.rows_before)).filter(|_| first <= sequence);
                    let both = known.or(behind).zip(next_rows_before).filter(|_| last > sequence);
                    both.map_or(0, |(from, next)| u64::from(next).saturating_sub(from))
                };
                let (rows, waiting) = (rows_behind((known.durable, known.rows)), rows_behind(known.finished));
                segment.rows_end += rows;
                end.gaps.push(Gap { offset, bytes, first, last, next_position, rows, waiting });
            }
            Found::End { bytes } => {
                (end.tail, end.rows) = (bytes, behind.unwrap_or(0));
                return Ok(end);
            }
        }
    }
}

/// Leaves out the last commit if a part of it is missing, so that each of its requests may be taken when it comes again.
/// A commit that was durable had been whole: what is missing there is damage.
fn cut_torn(
    (first, last): (u64, u64),
    scan: &mut Scan,
    segment: &mut Segment,
    end: &mut End,
    durable: u64,
    report: &mut Recovery,
) {
    let has_gap = end.gaps.iter().any(|gap| gap.last >= first);
    if end.last_commit != first || first <= durable || (segment.last >= last && !has_gap) {
        return;
    }
    report.torn_frames += (segment.last + 1).saturating_sub(first);
    end.tail += scan.offset - end.commit_at;
    scan.offset = end.commit_at;
    end.gaps.retain(|gap| gap.last < first);
    (segment.last, segment.rows_end) = (first - 1, end.rows_before);
}

/// Turns gaps in the last commit into voids, if the commit was never acknowledged.
fn void_torn(
    scan: &mut Scan,
    segment: &mut Segment,
    end: &mut End,
    durable: u64,
    report: &mut Recovery,
) -> io::Result<()> {
    let mut damaged = Vec::new();
    for gap in end.gaps.drain(..) {
        let sequences = (gap.last + 1).saturating_sub(gap.first);
        let (Ok(count), Ok(length)) = (u32::try_from(sequences), usize::try_from(gap.bytes)) else {
            damaged.push(gap);
            continue;
        };
        let never_acknowledged = gap.first >= end.last_commit && gap.first > durable && count > 0 && length > HEADER;
        if never_acknowledged {
            let position = gap.next_position.saturating_sub(u16::try_from(count).unwrap_or(u16::MAX));
            let header = void_header(&segment.header.id, &scan.raw(gap.offset, length), gap.first, count, position);
            scan.file().write_all_at(&header, gap.offset)?;
            report.torn_frames += sequences;
            report.torn_bytes += gap.bytes;
            segment.rows_end = segment.rows_end.saturating_sub(gap.rows);
        } else {
            damaged.push(gap);
        }
    }
    end.gaps = damaged;
    Ok(())
}

/// Counts what was durable and is not whole. Delivery comes to it, and counts it as lost.
fn report_damage(segment: &mut Segment, end: &End, known: &Known, report: &mut Recovery) {
    let (finished, finished_rows) = known.finished;
    for gap in &end.gaps {
        report.damaged_frames += (gap.last + 1).saturating_sub(gap.first.max(finished + 1));
        report.damaged_rows += gap.waiting;
    }
    if known.durable > segment.last && known.durable >= segment.header.first {
        let rows = segment.header.rows_before + end.rows;
        report.damaged_frames += known.durable - segment.last.max(finished);
        report.damaged_rows += known.rows.saturating_sub(rows.max(finished_rows));
        segment.last = known.durable;
    }
}

fn read_header(io: &dyn Io, path: &Path) -> io::Result<Option<Header>> {
    let mut block = vec![0; BLOCKS_AT as usize];
    match io.open(path).and_then(|file| read_or_zero(file.as_ref(), &mut block, 0)) {
        Err(error) if is_damage(&error) => Ok(None),
        Err(error) => Err(error),
        Ok(()) => Ok(Header::decode(&block)),
    }
}

/// Whether a file holds nothing but zeros: a segment whose header never reached the disk.
fn is_blank(io: &dyn Io, path: &Path, bytes: u64) -> bool {
    let Ok(file) = io.open(path) else { return false };
    let mut chunk = vec![0; 64 << 10];
    (0..bytes)
        .step_by(chunk.len())
        .all(|offset| read_or_zero(file.as_ref(), &mut chunk, offset).is_ok() && chunk.iter().all(|byte| *byte == 0))
}
