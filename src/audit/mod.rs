//! The audit log: every administrative action is an entry, one JSON object a line, chained by hashes.
//!
//! ```text
//! {"seq":3,"at":"2026-11-22T00:00:00Z","action":"publish","detail":{"site":"jetpay.kz"},"previous":"<hex>","hash":"<hex>"}
//! hash = BLAKE3(previous's 32 bytes ‖ the line's bytes before `,"hash"`)
//! ```
//!
//! A line that is changed, removed, inserted or moved breaks the chain ([`verify`]). Cutting off the end, or writing a new
//! log, does not. So each line's hash, its *head*, is also kept in a second file, which may lie on another volume.
//! Somebody who can write both files can forge both: a copy of the heads, kept elsewhere, shows the forgery.
//!
//! Promised: a line is on disk before its action is reported as done. A crash can tear the last line: the next writer cuts
//! it off and adds an entry that says so. Space is reserved for a full disk. When that is used up, entries wait in memory
//! and are written, with their original time, when there is space again. Several processes of one machine may write one
//! log: each line is appended under a lock. A log of 4 MiB is renamed to `audit-<first seq>.jsonl` and a new one begins.
//!
//! Details name sites, tables, days, counts and operators' reasons: never a value that a visitor's browser sent.

mod chain;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use serde::Serialize;
use serde_json::json;

use crate::clock::Clock;
use crate::files::sync_name;
use chain::{Head, Line};

pub use verify::{Fault, Verified, lines, verify};

/// A log of this size is renamed and a new one begins: some 12,000 entries, which an editor still opens.
const ROTATE_BYTES: u64 = 4 << 20;
/// Bytes that are reserved behind the end, so that a full disk stops the actions and not their entries: some 200 entries.
const RESERVE_BYTES: u64 = 64 << 10;
/// The maximum of entries that wait in memory while the disk accepts nothing.
const WAITING_MAX: usize = 1000;

/// Where a log and its heads are.
#[derive(Clone, Debug)]
pub struct Place {
    /// The log that is written now; full logs lie beside it.
    pub log: PathBuf,
    /// The file of heads.
    pub heads: PathBuf,
}

impl Place {
    /// `audit.jsonl` in the data folder, and its heads beside it unless `heads` names another place.
    pub fn new(data: &Path, heads: Option<&Path>) -> Self {
        let heads = heads.map_or_else(|| data.join("audit.heads"), Path::to_owned);
        Self { log: data.join("audit.jsonl"), heads }
    }
}

/// An open log.
pub struct Audit {
    place: Place,
    clock: Clock,
    rotate_bytes: u64,
    tail: Mutex<Tail>,
}

struct Tail {
    log: File,
    /// None while the file cannot be opened: its volume may come back.
    heads: Option<File>,
    /// Up to where this process has read or written the log.
    len: u64,
    /// The last line.
    head: Head,
    /// Heads that are not in their file yet.
    headless: Vec<Head>,
    /// Entries that are not in the log yet.
    waiting: VecDeque<Entry>,
    /// How many entries were dropped because too many waited.
    forgotten: u64,
}

struct Entry {
    at: String,
    action: String,
    detail: String,
}

impl Audit {
    /// Opens or begins a log. A log with a broken chain goes on: the break stays in it, and [`verify`] shows it.
    pub fn open(place: &Place, clock: Clock) -> io::Result<Self> {
        Self::open_with(place, clock, ROTATE_BYTES)
    }

    fn open_with(place: &Place, clock: Clock, rotate_bytes: u64) -> io::Result<Self> {
        let log = open(&place.log)?;
        let heads = open(&place.heads).inspect_err(|error| heads_failed(place, error)).ok();
        let tail = Tail {
            log,
            heads,
            // No log has this length, so the first append reads the file.
            len: u64::MAX,
            head: Head::genesis(),
            headless: Vec::new(),
            waiting: VecDeque::new(),
            forgotten: 0,
        };
        let audit = Self { place: place.clone(), clock, rotate_bytes, tail: Mutex::new(tail) };
        audit.repair()?;
        Ok(audit)
    }

    /// Reads the log and repairs what a crash left.
    fn repair(&self) -> io::Result<()> {
        let mut tail = self.tail();
        self.locked(&mut tail, |_| Ok(()))
    }

    /// Writes an entry before its action is done. Returns once the entry is on disk. After an error the entry is not in the
    /// log, and the action must not be done.
    pub fn record(&self, action: &str, detail: &impl Serialize) -> io::Result<()> {
        let entry = self.entry(action, detail)?;
        let mut tail = self.tail();
        self.locked(&mut tail, |tail| {
            self.write_waiting(tail)?;
            self.append(tail, &entry)
        })
    }

    /// Writes an entry after its action was done. While the disk accepts nothing, the entry waits in memory, and that is
    /// logged.
    pub fn note(&self, action: &str, detail: &impl Serialize) {
        let Ok(entry) = self.entry(action, detail) else { return };
        let mut tail = self.tail();
        if tail.waiting.len() < WAITING_MAX {
            tail.waiting.push_back(entry);
        } else {
            tail.forgotten += 1;
        }
        if let Err(error) = self.locked(&mut tail, |tail| self.write_waiting(tail)) {
            let path = self.place.log.display();
            tracing::error!(action, %error, %path, "cannot write the audit log; free its disk. The entry waits in memory");
        }
    }

    /// Tries again to write the entries that wait. Returns how many still wait.
    pub fn flush(&self) -> usize {
        let mut tail = self.tail();
        if !tail.waiting.is_empty() || tail.forgotten > 0 || !tail.headless.is_empty() {
            // It was logged when it began to wait.
            let _ = self.locked(&mut tail, |tail| self.write_waiting(tail));
        }
        tail.waiting.len() + usize::try_from(tail.forgotten).unwrap_or(usize::MAX)
    }

    /// The hash of the last line, in hexadecimal, and the number of lines.
    pub fn head(&self) -> (u64, String) {
        let head = self.tail().head;
        (head.next, head.hash.to_hex().to_string())
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, action: &str, detail: &impl Serialize) -> io::Result<Entry> {
        let (action, detail) = (serde_json::to_string(action)?, serde_json::to_string(detail)?);
        Ok(Entry { at: self.clock.now().to_string(), action, detail })
    }

    /// Does `work` while no other process writes. The log's end is known then.
    fn locked(&self, tail: &mut Tail, work: impl FnOnce(&mut Tail) -> io::Result<()>) -> io::Result<()> {
        loop {
            flock(&tail.log, FlockOperation::LockExclusive)?;
            if is_at(&tail.log, &self.place.log)? {
                break;
            }
            // Another process has renamed it, or somebody has removed it.
            let next = open(&self.place.log)?;
            tail.log = next;
            tail.len = u64::MAX;
        }
        if tail.heads.is_none()
            && let Ok(heads) = open(&self.place.heads)
        {
            // What it lacks is seen when the log is read again.
            (tail.heads, tail.len) = (Some(heads), u64::MAX);
        }
        let outcome = self.catch_up(tail).and_then(|()| work(tail));
        let unlocked = flock(&tail.log, FlockOperation::Unlock);
        outcome.and(unlocked.map_err(Into::into))
    }

    /// Reads the lines that other processes wrote.
    fn catch_up(&self, tail: &mut Tail) -> io::Result<()> {
        if tail.log.metadata()?.len() == tail.len {
            return Ok(());
        }
        let text = fs::read(&self.place.log)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut head = match chain::archives(&self.place.log)?.last() {
            Some(archive) => chain::last_head(&fs::read(archive)?).unwrap_or_else(Head::genesis),
            None => Head::genesis(),
        };
        let known = self.known_heads(tail)?;
        tail.headless.clear();
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            // A line that is not an entry is counted, so that the lines after it keep their numbers.
            head = Line::read(line).map_or(Head { next: head.next + 1, ..head }, |line| line.head());
            if head.next > known {
                tail.headless.push(head);
            }
        }
        (tail.head, tail.len) = (head, whole as u64);
        let torn = text.len() - whole;
        if torn > 0 {
            tail.log.set_len(tail.len)?;
            let entry = self.entry("repair audit log", &json!({ "torn_bytes": torn }))?;
            self.append(tail, &entry)?;
        }
        Ok(())
    }

    /// The number of lines whose heads are in their file. A torn head is cut off.
    fn known_heads(&self, tail: &Tail) -> io::Result<u64> {
        let Some(heads) = &tail.heads else { return Ok(0) };
        let text = fs::read(&self.place.heads)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            heads.set_len(whole as u64)?;
        }
        let last = text[..whole].split(|byte| *byte == b'\n').rev().find(|line| !line.is_empty());
        Ok(last.and_then(Head::read).map_or(0, |head| head.next))
    }

    fn write_waiting(&self, tail: &mut Tail) -> io::Result<()> {
        if tail.forgotten > 0 {
            let entry = self.entry("entries not written", &json!({ "count": tail.forgotten }))?;
            self.append(tail, &entry)?;
            tail.forgotten = 0;
        }
        while let Some(entry) = tail.waiting.pop_front() {
            if let Err(error) = self.append(tail, &entry) {
                tail.waiting.push_front(entry);
                return Err(error);
            }
        }
        write_heads(tail)
    }

    fn append(&self, tail: &mut Tail, entry: &Entry) -> io::Result<()> {
        if tail.len >= self.rotate_bytes {
            self.rotate(tail)?;
        }
        let (line, head) = chain::write(&tail.head, &entry.at, &entry.action, &entry.detail);
        reserve(&tail.log, tail.len);
        if let Err(error) = tail.log.write_all_at(line.as_bytes(), tail.len).and_then(|()| tail.log.sync_data()) {
            // Cut off the part that was written, so that the next line begins at a line's start.
            let _ = tail.log.set_len(tail.len);
            return Err(error);
        }
        tail.len += line.len() as u64;
        tail.head = head;
        tail.headless.push(head);
        // The entry is in the log. A head that cannot be written now is written with the next one.
        if let Err(error) = write_heads(tail) {
            heads_failed(&self.place, &error);
        }
        Ok(())
    }

    /// Renames the log and begins another. The chain goes on.
    fn rotate(&self, tail: &mut Tail) -> io::Result<()> {
        let first = chain::first_seq(&fs::read(&self.place.log)?).unwrap_or(tail.head.next);
        fs::rename(&self.place.log, chain::archive_name(&self.place.log, first))?;
        let next = open(&self.place.log)?;
        // Lock the new file before the old file and its lock are dropped, so that no other process writes to it first.
        flock(&next, FlockOperation::LockExclusive)?;
        tail.log = next;
        tail.len = 0;
        sync_name(&self.place.log)
    }
}

fn heads_failed(place: &Place, error: &io::Error) {
    let path = place.heads.display();
    tracing::error!(%error, %path, "cannot write the audit log's heads; free or mount their disk. They are written later");
}

fn write_heads(tail: &mut Tail) -> io::Result<()> {
    if tail.headless.is_empty() {
        return Ok(());
    }
    // Reported when it could not be opened.
    let Some(heads) = &tail.heads else { return Ok(()) };
    let text: String = tail.headless.iter().map(Head::write).collect();
    let end = heads.metadata()?.len();
    reserve(heads, end);
    if let Err(error) = heads.write_all_at(text.as_bytes(), end).and_then(|()| heads.sync_data()) {
        let _ = heads.set_len(end);
        return Err(error);
    }
    tail.headless.clear();
    Ok(())
}

/// Reserves space behind the file's end. If the file system cannot do that, or is full, only the reserve is missing.
fn reserve(file: &File, end: u64) {
    let allocated = file.metadata().map_or(u64::MAX, |data| data.blocks() * 512);
    if allocated < end + RESERVE_BYTES / 2 {
        let _ = fallocate(file, FallocateFlags::KEEP_SIZE, end, RESERVE_BYTES);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if is_new {
        sync_name(path)?;
    }
    Ok(file)
}

/// Whether the path still names the open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
