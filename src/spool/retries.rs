//! The memory of retries over restarts: which requests are durable, as hashes that the caller made under a key of its
//! own.
//!
//! The files lie beside that key, on memory-backed storage. They survive the end of the process, however it ends, and
//! go with the key when the machine stops. So nothing is synced, no hash ever rests on a disk, and a copy of the
//! spool says nothing about requests.
//!
//! # Order
//!
//! The record of a group commit has the commit's sequences and is written before its frames. So after a kill
//!
//! - a torn record is ignored: its frames were never written;
//! - a whole record whose frames are not all there goes, and recovery cuts off the commit as a whole: rows without
//!   their hashes would be stored twice, hashes without their rows would make a retry lost;
//! - a whole record with all of its frames counts, whether the request was answered or not.
//!
//! The record of a commit that failed is withdrawn once a newer header says that the commit does not count.
//!
//! # Bounds
//!
//! A file takes hashes for half an hour by the boot clock, which no setting of a wall clock moves, or until it is full.
//! It is removed half an hour later. At most two files are kept. A file that cannot be written is no reason to refuse a
//! request: it is said once, and these requests are forgotten at the next restart.
//!
//! ```text
//! retries-<spool>-<start>     16 hexadecimal digits each: whose it is, the boot clock in milliseconds at its begin
//!  0  8  first sequence of the commit      16  4  hashes
//!  8  8  last sequence                     20  4  CRC32C of the record without this field
//! 24  8n hashes, sorted, so that their order ties none to its row
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::io::{File, Io, read_or_zero};

const PREFIX: &str = "retries-";
/// How long a file takes hashes, and how long it is kept afterwards.
const WINDOW_MS: u64 = 30 * 60 * 1000;
/// How often files that are too old are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const RECORD: usize = 24;
const HASH: usize = 8;

/// Where retries are remembered. There is one owner to a spool.
#[derive(Clone)]
pub struct RetryFiles {
    /// A folder on memory-backed storage. Other spools may use it as well.
    pub folder: PathBuf,
    /// A number that no other spool of this folder has.
    pub owner: u64,
    /// The most that one of two files may take.
    pub bytes_max: u64,
    /// The time since the start of the machine.
    pub boot_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// Removes the files of all spools from a folder. A spool that is open begins new ones within a minute.
pub fn forget_retries(folder: &Path, io: &dyn Io) -> io::Result<()> {
    let entries = io.list(folder)?;
    entries.iter().filter(|entry| parse_name(&entry.name).is_some()).try_for_each(|entry| {
        let removed = io.remove(&folder.join(&entry.name));
        removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
    })
}

/// What was read at the start.
pub(super) struct Loaded {
    retries: Retries,
    /// By file, oldest first.
    records: Vec<(Kept, Vec<Record>)>,
}

/// The hashes of one group commit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    first: u64,
    last: u64,
    hashes: Vec<u64>,
}

/// A file that takes no more hashes, by its begin.
type Kept = u64;

/// The file that takes hashes.
struct Young {
    file: Box<dyn File>,
    started_ms: u64,
    /// The end of the records whose commits succeeded.
    end: u64,
    /// The length of the record whose commit is under way or has failed; 0 if there is none.
    under_way: u64,
}

/// The files of one spool.
pub(super) struct Retries {
    files: RetryFiles,
    io: Arc<dyn Io>,
    old: Vec<Kept>,
    young: Option<Young>,
    looked: Instant,
    /// The last record could not be written, and this was logged.
    failing: bool,
    hashes: Vec<u64>,
    buffer: Vec<u8>,
}

impl Retries {
    /// Reads what a former process has left. What cannot be read is forgotten.
    pub(super) fn load(files: RetryFiles, io: Arc<dyn Io>) -> Loaded {
        let retries = Self {
            files,
            io,
            old: Vec::new(),
            young: None,
            looked: Instant::now(),
            failing: false,
            hashes: Vec::new(),
            buffer: Vec::new(),
        };
        let mut own = retries.sweep();
        let surplus = own.len().saturating_sub(2);
        own.drain(..surplus).for_each(|started_ms| retries.remove(started_ms));
        let records = own.into_iter().map(|started_ms| (started_ms, retries.read(started_ms))).collect();
        Loaded { retries, records }
    }

    /// Removes the files that are too old, also those of others. Returns the own ones that stay, oldest first.
    fn sweep(&self) -> Vec<Kept> {
        let now_ms = (self.files.boot_ms)();
        let mut own = Vec::new();
        for entry in self.io.list(&self.files.folder).unwrap_or_default() {
            let Some((owner, started_ms)) = parse_name(&entry.name) else { continue };
            // One of the far future is of no start of this machine.
            if now_ms.abs_diff(started_ms) >= 2 * WINDOW_MS {
                let _ = self.io.remove(&self.files.folder.join(&entry.name));
            } else if owner == self.files.owner {
                own.push(started_ms);
            }
        }
        own.sort_unstable();
        own
    }

    fn path(&self, started_ms: u64) -> PathBuf {
        self.files.folder.join(file_name(self.files.owner, started_ms))
    }

    fn remove(&self, started_ms: u64) {
        let _ = self.io.remove(&self.path(started_ms));
    }

    fn read(&self, started_ms: u64) -> Vec<Record> {
        let read = || {
            let file = self.io.open(&self.path(started_ms))?;
            // A file of another process may be larger; nothing of ours is.
            let bytes = file.size()?.min(2 * self.files.bytes_max);
            let mut content = vec![0; usize::try_from(bytes).unwrap_or(0)];
            read_or_zero(file.as_ref(), &mut content, 0)?;
            io::Result::Ok(parse(&content))
        };
        read().unwrap_or_default()
    }

    /// Before the frames of a commit are written: notes its hashes.
    pub(super) fn note(&mut self, first: u64, last: u64, hashes: impl Iterator<Item = u64>) {
        self.look();
        self.hashes.clear();
        self.hashes.extend(hashes);
        if self.hashes.is_empty() {
            return;
        }
        self.hashes.sort_unstable();
        self.buffer.clear();
        encode(first, last, &self.hashes, &mut self.buffer);
        match self.write() {
            Ok(()) => self.failing = false,
            Err(error) if !std::mem::replace(&mut self.failing, true) => {
                tracing::warn!(%error, "retries cannot be remembered beside the keys: a restart now makes some events count twice");
            }
            Err(_) => {}
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let bytes = self.buffer.len() as u64;
        let now_ms = (self.files.boot_ms)();
        let ends = |young: &Young| {
            now_ms.saturating_sub(young.started_ms) >= WINDOW_MS || young.end + bytes > self.files.bytes_max
        };
        if self.young.as_ref().is_none_or(ends) {
            self.begin_file(now_ms)?;
        }
        let young = self.young.as_mut().filter(|_| bytes <= self.files.bytes_max).ok_or(io::ErrorKind::FileTooLarge)?;
        young.file.write_all_at(&self.buffer, young.end)?;
        young.under_way = bytes;
        Ok(())
    }

    fn begin_file(&mut self, now_ms: u64) -> io::Result<()> {
        self.old.extend(self.young.take().map(|young| young.started_ms));
        // The older of two goes first: its space may be needed.
        let surplus = self.old.len().saturating_sub(1);
        let surplus: Vec<_> = self.old.drain(..surplus).collect();
        surplus.into_iter().for_each(|started_ms| self.remove(started_ms));
        let started_ms = now_ms.max(self.old.last().map_or(0, |started_ms| started_ms + 1));
        let file = self.io.create(&self.path(started_ms))?;
        self.young = Some(Young { file, started_ms, end: 0, under_way: 0 });
        Ok(())
    }

    /// The commit has succeeded: its hashes count.
    pub(super) fn keep(&mut self) {
        if let Some(young) = &mut self.young {
            young.end += std::mem::take(&mut young.under_way);
        }
    }

    /// The commit has failed, and this is durable: its hashes do not count, and would not after a restart.
    pub(super) fn withdraw(&mut self) {
        let Some(young) = self.young.as_mut().filter(|young| young.under_way > 0) else { return };
        young.under_way = 0;
        if young.file.set_len(young.end).is_err() {
            let started_ms = young.started_ms;
            self.young = None;
            self.remove(started_ms);
        }
    }

    /// When [`Retries::look`] has something to do.
    pub(super) fn due(&self) -> Instant {
        self.looked + LOOK_EVERY
    }

    /// Now and then removes what is too old.
    pub(super) fn look(&mut self) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        let own = self.sweep();
        self.old.retain(|started_ms| own.contains(started_ms));
        if self.young.as_ref().is_some_and(|young| young.under_way == 0 && !own.contains(&young.started_ms)) {
            self.young = None;
        }
    }
}

impl Loaded {
    /// The sequences of the newest commit that has a record.
    pub(super) fn newest(&self) -> Option<(u64, u64)> {
        let newest = self.records.iter().rev().find_map(|(_, records)| records.last())?;
        Some((newest.first, newest.last))
    }

    /// Forgets the commits that are not durable up to this sequence. Returns the hashes of the others.
    pub(super) fn up_to(self, last: u64) -> (Retries, Vec<u64>) {
        let Self { mut retries, records } = self;
        let mut hashes = Vec::new();
        for (started_ms, records) in records {
            let counts = |record: &&Record| record.last <= last;
            let kept: Vec<_> = records.iter().take_while(counts).collect();
            let end = kept.iter().map(|record| record.bytes()).sum();
            let file = retries.io.open(&retries.path(started_ms));
            match file.and_then(|file| file.set_len(end).map(|()| file)) {
                Ok(file) => {
                    retries.old.extend(retries.young.take().map(|young| young.started_ms));
                    retries.young = Some(Young { file, started_ms, end, under_way: 0 });
                    kept.iter().for_each(|record| hashes.extend(&record.hashes));
                }
                // What does not count must not be there when its sequences are used again.
                Err(_) => retries.remove(started_ms),
            }
        }
        (retries, hashes)
    }
}

impl Record {
    fn bytes(&self) -> u64 {
        (RECORD + HASH * self.hashes.len()) as u64
    }
}

fn file_name(owner: u64, started_ms: u64) -> String {
    format!("{PREFIX}{owner:016x}-{started_ms:016x}")
}

fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (owner, started_ms) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let number = |digits: &str| u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16);
    Some((number(owner)?, number(started_ms)?))
}

fn encode(first: u64, last: u64, hashes: &[u64], out: &mut Vec<u8>) {
    let count = u32::try_from(hashes.len()).expect("a commit has at most 65,535 frames");
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
    let checksum = checksum(out);
    out[20..RECORD].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..20]), &record[RECORD..])
}

/// The records up to the first that is not whole, or not behind the one before it.
fn parse(mut bytes: &[u8]) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    while let Some(record) = parse_record(bytes)
        && records.last().is_none_or(|before| before.last < record.first)
    {
        bytes = &bytes[usize::try_from(record.bytes()).expect("it is in memory")..];
        records.push(record);
    }
    records
}

fn parse_record(bytes: &[u8]) -> Option<Record> {
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (first, last, count) = (long(0)?, long(8)?, word(16)? as usize);
    let whole = bytes.get(..RECORD.checked_add(count.checked_mul(HASH)?)?)?;
    let is_sound = first <= last && count > 0 && word(20)? == checksum(whole);
    let (hashes, _) = whole[RECORD..].as_chunks::<HASH>();
    is_sound.then(|| Record { first, last, hashes: hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// So a release can always read what the release before it has left.
    #[test]
    fn the_format_is_these_bytes() {
        let mut bytes = Vec::new();
        encode(5, 7, &[1, 0x0203], &mut bytes);
        let golden: &[&[u8]] = &[
            &[5, 0, 0, 0, 0, 0, 0, 0],
            &[7, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0],
            &[0x7c, 0x65, 0x4d, 0xf1],
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &[3, 2, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(bytes, golden.concat());
    }

    #[test]
    fn names_are_read_back_and_others_are_not_ours() {
        assert_eq!(parse_name(&file_name(u64::MAX, 7)), Some((u64::MAX, 7)));
        for other in ["retries.key", "retries-1-2", "a.kz.2026-11-22.key", "retries-0000000000000001", "x"] {
            assert_eq!(parse_name(other), None);
        }
    }

    /// Commits one behind the other, and their bytes.
    fn records() -> impl Strategy<Value = (Vec<Record>, Vec<u8>)> {
        let commit = (1_u64..9, prop::collection::vec(any::<u64>(), 1..9));
        prop::collection::vec(commit, 0..9).prop_map(|commits| {
            let (mut records, mut bytes, mut next) = (Vec::new(), Vec::new(), 1);
            for (frames, hashes) in commits {
                let mut record = Vec::new();
                encode(next, next + frames - 1, &hashes, &mut record);
                bytes.extend(record);
                records.push(Record { first: next, last: next + frames - 1, hashes });
                next += frames;
            }
            (records, bytes)
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_parsed_up_to_any_cut((records, bytes) in records(), cut: prop::sample::Index) {
            prop_assert_eq!(&parse(&bytes), &records);
            let cut = cut.index(bytes.len() + 1);
            let found = parse(&bytes[..cut]);
            prop_assert!(records.starts_with(&found));
            let taken: u64 = found.iter().map(Record::bytes).sum();
            let next = records.get(found.len()).map_or(u64::MAX, Record::bytes);
            prop_assert!(taken <= cut as u64 && (cut as u64) < taken.saturating_add(next), "no whole record is left out");
        }

        #[test]
        fn a_changed_byte_ends_it_there((records, mut bytes) in records(), at: prop::sample::Index, change in 1_u8..) {
            prop_assume!(!bytes.is_empty());
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            let found = parse(&bytes);
            prop_assert!(found.len() < records.len() && records.starts_with(&found));
        }

        #[test]
        fn arbitrary_bytes_never_panic_nor_pass(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse(&bytes).is_empty());
        }
    }
}
