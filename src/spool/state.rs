//! The persisted state: the cursor, and the boundaries of the open delivery batch.
//!
//! The last durable sequence is evidence: what is missing up to there was acknowledged, so it is damage and not a torn
//! commit.
//!
//! Two files, `state-0` and `state-1`, are overwritten in turn, each write with a higher generation; the highest that
//! is whole counts. A power cut in the middle of a write leaves the one before it. Their blocks are reserved at the
//! start, so that a full disk can still be drained, which a temporary file and a rename would not allow. `copy/` has the same
//! two files again.
//!
//! ```text
//!  0  8  magic "TAMGASTA"       32  8  watermark, milliseconds
//!  8  4  format version         40  8  position behind the cursor, in rows (accounting.rs)
//! 12  4  length, CRC included
//! 16  8  generation             48  8  last sequence that was durable
//! 24  8  cursor                 56  8  position behind it
//! 64  8  last sequence of the crowd that leaves (crowd.rs)    72  8  its random number
//! 80  4  number of its parts, 0 without a crowd               84  4  the part that leaves
//! 88  8  rows of the parts that have left                     96  1  1 if a delivery batch is open, and then:
//!                               first 8 · last 8 · position behind it 8 · schema version 4 · batches 4, and per batch:
//!                                 stream length 1 · stream · value 8 · rows 8 · first 8 · last 8
//!                                …  4  CRC32C of all before it
//! ```

use std::io;
use std::path::{Path, PathBuf};

use super::crowd::Crowd;
use super::frame::StreamKey;
use super::io::{File, Io, is_damage, read_or_zero};

const MAGIC: &[u8; 8] = b"TAMGASTA";
const FORMAT_VERSION: u32 = 1;
const FIXED_BYTES: usize = 97;
/// The folder of the copies.
pub(super) const COPIES: &str = "copy";
/// Reserved per file: some 200 batches. More is allowed, but needs free space on the disk at that moment.
const RESERVED_BYTES: u64 = 64 << 10;
/// A delivery batch has at most this many batches, so that reading a state is bounded too.
pub(super) const MAX_BATCHES: usize = 4096;
const MAX_BYTES: usize = FIXED_BYTES + 36 + MAX_BATCHES * (256 + 32);

/// What survives a restart besides the frames themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// All frames up to this sequence are settled.
    pub(super) cursor: u64,
    /// The latest watermark that was handed out before this was written.
    pub(super) watermark: i64,
    /// The position behind the cursor: rows ever made durable up to there.
    pub(super) rows: u64,
    /// A sequence that was durable when this was written, and all before it were.
    pub(super) durable: u64,
    /// The position behind `durable`.
    pub(super) durable_rows: u64,
    /// The crowd that leaves in parts.
    pub(super) crowd: Option<Crowd>,
    /// The delivery batch that is being worked on.
    pub(super) open: Option<OpenDelivery>,
}

impl State {
    /// The rows that have not left, up to this position.
    pub(super) fn rows_behind(&self, rows_end: u64) -> u64 {
        let taken = self.crowd.map_or(0, |crowd| crowd.taken);
        rows_end.saturating_sub(self.rows).saturating_sub(taken)
    }
}

/// The boundaries of a delivery batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenDelivery {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The position behind `last`.
    pub(super) rows_end: u64,
    pub(super) schema_version: u32,
    pub(super) batches: Vec<Boundary>,
}

/// The boundaries of a batch: the rows frames of `stream` from `first` to `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boundary {
    pub(super) stream: StreamKey,
    pub(super) value: u64,
    pub(super) rows: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

fn encode(state: &State, generation: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(&state.cursor.to_le_bytes());
    out.extend_from_slice(&state.watermark.to_le_bytes());
    out.extend_from_slice(&state.rows.to_le_bytes());
    out.extend_from_slice(&state.durable.to_le_bytes());
    out.extend_from_slice(&state.durable_rows.to_le_bytes());
    let crowd = state.crowd.unwrap_or(Crowd { last: 0, seed: 0, parts: 0, part: 0, taken: 0 });
    out.extend_from_slice(&crowd.last.to_le_bytes());
    out.extend_from_slice(&crowd.seed.to_le_bytes());
    out.extend_from_slice(&crowd.parts.to_le_bytes());
    out.extend_from_slice(&crowd.part.to_le_bytes());
    out.extend_from_slice(&crowd.taken.to_le_bytes());
    out.push(u8::from(state.open.is_some()));
    if let Some(open) = &state.open {
        out.extend_from_slice(&open.first.to_le_bytes());
        out.extend_from_slice(&open.last.to_le_bytes());
        out.extend_from_slice(&open.rows_end.to_le_bytes());
        out.extend_from_slice(&open.schema_version.to_le_bytes());
        out.extend_from_slice(&u32::try_from(open.batches.len()).expect("at most MAX_BATCHES").to_le_bytes());
        for batch in &open.batches {
            let stream = batch.stream.as_str().as_bytes();
            out.push(u8::try_from(stream.len()).expect("a stream has at most 255 bytes"));
            out.extend_from_slice(stream);
            for number in [batch.value, batch.rows, batch.first, batch.last] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
    let length = u32::try_from(out.len() + 4).expect("at most MAX_BYTES");
    out[12..16].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32c::crc32c(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<(State, u64)> {
    let length = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?) as usize;
    let (body, checksum) = bytes.get(..length)?.split_last_chunk::<4>()?;
    if !body.starts_with(MAGIC) || crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut rest = &body[8..];
    if take(&mut rest).map(u32::from_le_bytes)? != FORMAT_VERSION {
        return None;
    }
    take::<4>(&mut rest)?;
    let long = |rest: &mut &[u8]| take(rest).map(u64::from_le_bytes);
    let generation = long(&mut rest)?;
    let cursor = long(&mut rest)?;
    let watermark = take(&mut rest).map(i64::from_le_bytes)?;
    let (rows, durable, durable_rows) = (long(&mut rest)?, long(&mut rest)?, long(&mut rest)?);
    let (last, seed) = (long(&mut rest)?, long(&mut rest)?);
    let (parts, part) = (take(&mut rest).map(u32::from_le_bytes)?, take(&mut rest).map(u32::from_le_bytes)?);
    let crowd = Crowd { last, seed, parts, part, taken: long(&mut rest)? };
    let crowd = (parts > 0).then_some(crowd);
    let open = match take::<1>(&mut rest)? {
        [0] => None,
        _ => {
            let (first, last, rows_end) = (long(&mut rest)?, long(&mut rest)?, long(&mut rest)?);
            let schema_version = take(&mut rest).map(u32::from_le_bytes)?;
            let count = take(&mut rest).map(u32::from_le_bytes)?;
            let mut batches = Vec::new();
            for _ in 0..count {
                let [stream_length] = take::<1>(&mut rest)?;
                let (stream, behind) = rest.split_at_checked(usize::from(stream_length))?;
                rest = behind;
                batches.push(Boundary {
                    stream: StreamKey::new(std::str::from_utf8(stream).ok()?)?,
                    value: long(&mut rest)?,
                    rows: long(&mut rest)?,
                    first: long(&mut rest)?,
                    last: long(&mut rest)?,
                });
            }
            Some(OpenDelivery { first, last, rows_end, schema_version, batches })
        }
    };
    rest.is_empty().then_some((State { cursor, watermark, rows, durable, durable_rows, crowd, open }, generation))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

/// The files of the state: two in the spool's folder, and copies of them in a folder of their own.
///
/// A state is on the disk in both folders before it counts. So one file that is damaged, or a folder whose files are
/// gone, takes nothing back: an open delivery batch comes again under its own values.
pub(super) struct Slots {
    own: Pair,
    copies: Pair,
    generation: u64,
    /// The last attempt to write a copy failed, and this was logged.
    failing: bool,
}

/// What was found.
pub(super) struct Loaded {
    pub(super) state: State,
    /// Only a copy had the newest state.
    pub(super) from_copy: bool,
}

impl Slots {
    /// Reads the newest state that is whole. What the disk cannot deliver counts as damaged.
    pub(super) fn load(dir: &Path, io: &dyn Io) -> io::Result<(Self, Option<Loaded>)> {
        let (own, found) = Pair::load(dir.to_owned(), io)?;
        let (copies, copy) = Pair::load(dir.join(COPIES), io)?;
        let generation = |found: &Option<(State, u64)>| found.as_ref().map_or(0, |(_, generation)| *generation);
        let from_copy = generation(&copy) > generation(&found);
        let best = if from_copy { copy } else { found };
        let slots = Self { own, copies, generation: generation(&best), failing: false };
        Ok((slots, best.map(|(state, _)| Loaded { state, from_copy })))
    }

    /// Makes `state` the one that a restart finds. After an error it may be either the old one or this one.
    pub(super) fn save(&mut self, state: &State, io: &dyn Io) -> io::Result<()> {
        let generation = self.generation + 1;
        let bytes = encode(state, generation);
        self.own.save(&bytes, io)?;
        self.generation = generation;
        match self.copies.save(&bytes, io) {
            Ok(()) => self.failing = false,
            Err(error) => {
                // Delivery must go on, on a full disk too. An old copy would be believed if the files were lost.
                self.copies.forget(io);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "the copy of the spool's state cannot be written");
                }
            }
        }
        Ok(())
    }

    /// Whether all files are there to be overwritten.
    pub(super) fn complete(&self) -> bool {
        [&self.own, &self.copies].iter().all(|pair| pair.files.iter().all(Option::is_some))
    }
}

/// Two files that are overwritten in turn.
struct Pair {
    dir: PathBuf,
    files: [Option<Box<dyn File>>; 2],
    /// The file to overwrite next: not the one with the newest whole state.
    next: usize,
}

impl Pair {
    /// Reads the newest state of the two, and its generation.
    ///
    /// What is read may be in the page cache only: its process may have been killed before its sync, or after one that
    /// had failed, and then a further one would say yes and write nothing. So the newest state is written once more
    /// before the other file, which is older but on the disk, may be overwritten. The bytes are the same: torn or not,
    /// they do no harm.
    fn load(dir: PathBuf, io: &dyn Io) -> io::Result<(Self, Option<(State, u64)>)> {
        let mut pair = Self { dir, files: [None, None], next: 1 };
        let mut best: Option<(State, u64)> = None;
        for index in 0..2 {
            let file = match io.open(&pair.path(index)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or(MAX_BYTES).min(MAX_BYTES)];
            match read_or_zero(file.as_ref(), &mut bytes, 0) {
                Err(error) if is_damage(&error) => continue,
                other => other?,
            }
            pair.files[index] = Some(file);
            if let Some(found) = decode(&bytes)
                && best.as_ref().is_none_or(|best| best.1 < found.1)
            {
                (best, pair.next) = (Some(found), 1 - index);
            }
        }
        if let Some((state, generation)) = &best {
            let newest = 1 - pair.next;
            let again = pair.files[newest]
                .as_ref()
                .map(|file| file.write_all_at(&encode(state, *generation), 0).and_then(|()| file.sync_data()));
            if !matches!(again, Some(Ok(()))) {
                // Nobody knows whether it is on the disk: the next state takes its place, and not that of the other
                // one.
                pair.files[newest] = None;
                pair.next = newest;
            }
        }
        Ok((pair, best))
    }

    /// Writes an encoded state. After an error the other file is what it was.
    fn save(&mut self, bytes: &[u8], io: &dyn Io) -> io::Result<()> {
        let file = match self.files[self.next].take() {
            Some(file) => {
                file.write_all_at(bytes, 0)?;
                file.sync_data()?;
                file
            }
            None => self.replace(bytes, io)?,
        };
        // Only now: a file whose sync failed was dropped above, and is replaced by a new one at the next attempt.
        self.files[self.next] = Some(file);
        self.next = 1 - self.next;
        Ok(())
    }

    /// Removes both files.
    fn forget(&mut self, io: &dyn Io) {
        self.files = [None, None];
        (0..2).for_each(|index| drop(io.remove(&self.path(index))));
    }

    /// Puts a new file in the place of one that is missing or not trusted, which stays what it is until the rename.
    fn replace(&self, bytes: &[u8], io: &dyn Io) -> io::Result<Box<dyn File>> {
        let path = self.path(self.next);
        let new = path.with_extension("new");
        match io.remove(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = io.create(&new)?;
        // Without the reservation everything works, until the disk is full.
        let _ = file.allocate(RESERVED_BYTES);
        let written = file.write_all_at(bytes, 0).and_then(|()| file.sync_data()).and_then(|()| io.rename(&new, &path));
        if written.is_err() {
            let _ = io.remove(&new); // It may hold the last free blocks.
        }
        written?;
        io.sync_dir(&self.dir)?;
        Ok(file)
    }

    fn path(&self, index: usize) -> PathBuf {
        self.dir.join(format!("state-{index}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::io::Disk;
    use super::*;

    fn sample(cursor: u64) -> State {
        let boundary = |stream: &str, value| Boundary {
            stream: StreamKey::new(stream).unwrap(),
            value,
            rows: 3,
            first: 5,
            last: 9,
        };
        let batches = vec![boundary("events", 1), boundary("errors", 2)];
        let open = OpenDelivery { first: 5, last: 9, rows_end: 20, schema_version: 2, batches };
        let crowd = Some(Crowd { last: 9, seed: 77, parts: 5, part: 3, taken: 4 });
        State { cursor, watermark: -7, rows: 14, durable: 11, durable_rows: 23, crowd, open: Some(open) }
    }

    #[test]
    fn the_format_is_these_bytes() {
        let crowd = Some(Crowd { last: 8, seed: 9, parts: 3, part: 1, taken: 2 });
        let state = State { cursor: 4, watermark: -2, rows: 6, durable: 5, durable_rows: 7, crowd, open: None };
        let golden: &[&[u8]] = &[
            b"TAMGASTA",
            &[1, 0, 0, 0],
            &[101, 0, 0, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[4, 0, 0, 0, 0, 0, 0, 0],
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[6, 0, 0, 0, 0, 0, 0, 0],
            &[5, 0, 0, 0, 0, 0, 0, 0],
            &[7, 0, 0, 0, 0, 0, 0, 0],
            &[8, 0, 0, 0, 0, 0, 0, 0],
            &[9, 0, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0],
            &[1, 0, 0, 0],
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[0],
            &[0xee, 0x03, 0xe9, 0xa3],
        ];
        assert_eq!(encode(&state, 3), golden.concat());
    }

    #[test]
    fn any_damage_is_noticed() {
        let bytes = encode(&sample(4), 1);
        assert_eq!(decode(&bytes), Some((sample(4), 1)));
        for at in 0..bytes.len() {
            assert_eq!(decode(&bytes[..at]), None);
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(decode(&damaged), None, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn the_newest_whole_state_counts_also_from_a_copy() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(COPIES)).unwrap();
        let load = || Slots::load(root.path(), &Disk).unwrap();
        let found = || load().1.map(|loaded| (loaded.state.cursor, loaded.from_copy));
        let damage = |name: &str| std::fs::write(root.path().join(name), b"noise").unwrap();
        let mut slots = load().0;
        assert!(found().is_none());
        for cursor in 1..=5 {
            slots.save(&sample(cursor), &Disk).unwrap();
            assert_eq!(found(), Some((cursor, false)));
        }
        // The fifth lies in the files of odd numbers.
        damage("state-1");
        assert_eq!(found(), Some((5, true)), "its copy counts");
        damage("copy/state-1");
        assert_eq!(found(), Some((4, false)), "without it the fourth counts");
        let mut slots = load().0;
        slots.save(&sample(6), &Disk).unwrap();
        assert_eq!(found(), Some((6, false)));
        damage("state-0");
        damage("state-1");
        assert_eq!(found(), Some((6, true)));
        damage("copy/state-0");
        damage("copy/state-1");
        assert_eq!(found(), None);
    }

    /// An old copy would be believed if the newer files were lost.
    #[test]
    fn a_copy_that_cannot_be_written_is_not_kept() {
        let root = tempfile::tempdir().unwrap();
        let copies = root.path().join(COPIES);
        std::fs::create_dir(&copies).unwrap();
        let mut slots = Slots::load(root.path(), &Disk).unwrap().0;
        slots.save(&sample(1), &Disk).unwrap();
        std::fs::create_dir(copies.join("state-0")).unwrap();
        slots.save(&sample(2), &Disk).unwrap();
        assert!(!copies.join("state-1").exists());
        std::fs::remove_dir(copies.join("state-0")).unwrap();
        slots.save(&sample(3), &Disk).unwrap();
        std::fs::write(root.path().join("state-0"), b"").unwrap();
        std::fs::write(root.path().join("state-1"), b"").unwrap();
        assert_eq!(Slots::load(root.path(), &Disk).unwrap().1.unwrap().state, sample(3));
    }
}
