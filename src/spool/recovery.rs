//! Opening a spool that may have seen a crash, a power cut, a failing disk or an operator with `mv`.
//!
//! Only the newest segment is read through: the ones before it were sealed, or examined by an earlier recovery, and
//! what is damaged in them is found when it is read. The newest may end in a commit that nobody was told of. What is
//! missing of that commit was never acknowledged and is cut off or voided; what is missing before it is damage, and is
//! left for the reader to step over and to report. No file makes the opening fail: one that is not understood is moved
//! to quarantine.

use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;
use super::frame::{HEADER, void_header};
use super::io::{Io, is_damage, read_or_zero};
use super::quarantine::{copy_aside, set_aside};
use super::segment::{FRAMES_AT, Found, Header, Scan, parse_file_name};
use super::shared::Segment;
use super::state::{Slots, State};

/// What was found on opening.
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
    /// Neither state file was whole, though segments exist: delivery begins again with the oldest segment. What had
    /// been delivered from it before comes a second time, under new boundaries, so that counting cannot tell.
    pub state_lost: bool,
    /// The first delivery batch is one that a former process had begun.
    pub resumes_delivery: bool,
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
    /// The position behind the last row that counts as acknowledged.
    pub(super) rows_end: u64,
    pub(super) next_sequence: u64,
    pub(super) report: Recovery,
}

/// Reads what is there and repairs the end. The caller holds the lock.
pub(super) fn recover(dir: &Path, io: &dyn Io) -> Result<Recovered, OpenError> {
    let attempt = |what: &'static str| move |source| OpenError::Io { what, dir: dir.to_owned(), source };
    let mut report = Recovery::default();
    // A former process may have died between creating a file and syncing its name.
    io.sync_dir(dir).map_err(attempt("sync"))?;
    let (mut slots, loaded) = Slots::load(dir, io).map_err(attempt("read the state of"))?;
    let mut next_sequence = 1;
    let mut found = Vec::new();
    for entry in io.list(dir).map_err(attempt("list"))? {
        let Some(named) = parse_file_name(&entry.name) else { continue };
        let path = dir.join(&entry.name);
        match read_header(io, &path).map_err(attempt("read a segment of"))? {
            Some(header) => found.push((header, path, entry.bytes)),
            None if is_blank(io, &path, entry.bytes) => {
                io.remove(&path).map_err(attempt("remove an empty segment of"))?; // It was never used.
            }
            None => {
                // How many sequences it used is unknown; this many at most.
                next_sequence = next_sequence.max(named.saturating_add(entry.bytes / HEADER as u64));
                report.quarantined += 1;
                set_aside(io, dir, &path).map_err(attempt("move a damaged segment of"))?;
            }
        }
    }
    found.sort_by(|a, b| (a.0.first, &a.1).cmp(&(b.0.first, &b.1)));
    // A copy under a second name.
    let mut unique: Vec<(Header, PathBuf, u64)> = Vec::new();
    for (header, path, bytes) in found {
        match unique.last() {
            Some((before, ..)) if before.first == header.first => {
                report.quarantined += 1;
                set_aside(io, dir, &path).map_err(attempt("move a duplicate segment of"))?;
            }
            _ => unique.push((header, path, bytes)),
        }
    }
    let state = loaded.unwrap_or_else(|| {
        report.state_lost = !unique.is_empty();
        let cursor = unique.first().map_or(0, |(header, ..)| header.first - 1);
        let rows = unique.first().map_or(0, |(header, ..)| header.rows_before);
        State { cursor, watermark: i64::MIN, rows, open: None }
    });
    report.resumes_delivery = state.open.is_some();
    let delivered = state.open.as_ref().map_or(state.cursor, |open| open.last.max(state.cursor));
    // Where the rows were counted last; from there on they are counted by reading.
    let known = state.open.as_ref().map_or((state.cursor, state.rows), |open| (open.last, open.rows_end));

    let mut segments = Vec::with_capacity(unique.len());
    let (mut last, mut rows_end) = (delivered, known.1);
    let count = unique.len();
    let next: Vec<Header> = unique.iter().skip(1).map(|(header, ..)| *header).collect();
    for (index, (header, path, bytes)) in unique.into_iter().enumerate() {
        let (last_before, rows_before) = (header.first - 1, header.rows_before);
        let mut segment =
            Segment { path, header, last: last_before, rows_end: rows_before, bytes, sealed: true, keep: false };
        if index + 1 < count {
            segment.last = next[index].acknowledged_before.max(segment.last);
            segment.rows_end = next[index].rows_before;
        } else {
            repair_end(&mut segment, delivered, known, io, dir, &mut report)
                .map_err(attempt("examine the newest segment of"))?;
        }
        // A segment without frames says nothing of what was acknowledged but what its header says.
        last = last.max(if segment.last < header.first { header.acknowledged_before } else { segment.last });
        rows_end = rows_end.max(segment.rows_end);
        next_sequence = next_sequence.max(header.first + 1);
        segments.push(segment);
    }
    next_sequence = next_sequence.max(last + 1);
    // What was read may have been in the page cache only, and segments are unlinked on the strength of it. A second
    // attempt takes a new file.
    slots.save(&state, io).or_else(|_| slots.save(&state, io)).map_err(attempt("write the state of"))?;
    if !slots.complete() {
        // Both are needed before the disk is full. If it already is, the other one is tried again when its turn comes.
        let _ = slots.save(&state, io);
    }
    Ok(Recovered { state, slots, segments, last, rows_end, next_sequence, report })
}

/// Finds the end of the newest segment, cuts off what is behind it, and voids what else of the last commit is torn.
/// `known` is the last sequence whose position is known, and that position.
fn repair_end(
    segment: &mut Segment,
    delivered: u64,
    known: (u64, u64),
    io: &dyn Io,
    dir: &Path,
    report: &mut Recovery,
) -> io::Result<()> {
    let file = io.open(&segment.path)?;
    let size = file.size()?;
    let mut scan = Scan::new(file, segment.header, size);
    scan.salvage = true;
    if known.0 >= segment.header.first {
        segment.rows_end = known.1;
    }
    let mut gaps = Vec::new();
    let (mut last_commit, mut commit_at, mut whole_until) = (0, FRAMES_AT, FRAMES_AT);
    let tail = loop {
        match scan.next()? {
            Found::Frame(frame, position) => {
                segment.last = frame.sequence;
                if frame.sequence > known.0 {
                    segment.rows_end += u64::from(frame.rows);
                }
                let commit = frame.sequence.saturating_sub(u64::from(position));
                if commit != last_commit {
                    (last_commit, commit_at) = (commit, whole_until);
                }
                whole_until = scan.offset;
            }
            Found::Void => (segment.last, whole_until) = (scan.expected - 1, scan.offset),
            Found::Gap { offset, bytes, first, last, next_position } => {
                gaps.push((offset, bytes, first, last, next_position));
            }
            Found::End { bytes } => break bytes,
        }
    };
    let end = scan.offset;
    if tail > 0 && delivered > segment.last {
        // The reader had met frames here, so they were acknowledged: this is damage, not a torn write.
        let bytes = scan.raw(end, usize::try_from(tail).unwrap_or(usize::MAX));
        report.quarantined += u64::from(copy_aside(io, dir, &segment.path, end, &bytes)?);
    } else {
        report.torn_bytes += tail;
    }
    let damaged = !gaps.is_empty();
    for (offset, bytes, first, last, next_position) in gaps {
        let sequences = (last + 1).saturating_sub(first);
        let (Ok(count), Ok(length)) = (u32::try_from(sequences), usize::try_from(bytes)) else { continue };
        let never_acknowledged = first >= last_commit && first > delivered && count > 0 && length > HEADER;
        if never_acknowledged {
            let position = next_position.saturating_sub(u16::try_from(count).unwrap_or(u16::MAX));
            let header = void_header(&segment.header.id, &scan.raw(offset, length), first, count, position);
            scan.file().write_all_at(&header, offset)?;
            report.torn_frames += sequences;
            report.torn_bytes += bytes;
        }
    }
    // After `kill -9` the frames may be in the page cache only; nothing may be delivered that a power cut could take.
    // If the former process's sync had failed, a further one would say yes and write nothing, so the last commit is
    // written again; the ones before it were synced, or there would be no later one in this file.
    let mut again = vec![0; usize::try_from(end - commit_at).unwrap_or(0)];
    if damaged || read_or_zero(scan.file(), &mut again, commit_at).is_err() {
        again.clear(); // What cannot be read must not be written.
    }
    let written = scan.file().set_len(end).and_then(|()| scan.file().write_all_at(&again, commit_at));
    let synced = written.and_then(|()| scan.file().sync_data());
    report.unsynced = synced.is_err();
    segment.bytes = if synced.is_ok() { end } else { size };
    Ok(())
}

fn read_header(io: &dyn Io, path: &Path) -> io::Result<Option<Header>> {
    let mut block = vec![0; FRAMES_AT as usize];
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
