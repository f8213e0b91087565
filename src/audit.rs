//! The audit log: every administrative act, one JSON object a line, chained by hashes.
//!
//! ```text
//! {"seq":3,"at":"2026-11-22T00:00:00Z","act":"publish","detail":{"site":"jetpay.kz"},"previous":"<hex>","hash":"<hex>"}
//! hash = BLAKE3(previous's 32 bytes ‖ the line's bytes before `,"hash"`)
//! ```
//!
//! A line that is changed, removed, inserted or moved breaks the chain; cutting off the end does not, so heads should be
//! kept elsewhere too ([`Audit::head`]). Each line is on disk before the act is reported as done. A line torn by a crash is
//! cut off at the next start, since its act was never reported. Details name sites, tables, days and counts: never a
//! value that a visitor's browser sent.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Clock;

/// An open log. One process writes it.
pub struct Audit {
    path: PathBuf,
    clock: Clock,
    tail: Mutex<Tail>,
}

struct Tail {
    file: File,
    next: u64,
    head: blake3::Hash,
}

#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    previous: &'a str,
    hash: &'a str,
    #[serde(borrow)]
    #[expect(dead_code, reason = "a line without a detail is not one of ours")]
    detail: &'a RawValue,
}

/// What verification found.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// Lines of the unbroken chain.
    pub lines: u64,
    /// The last line's hash, in hexadecimal.
    pub head: String,
    /// The number, from 1, of the first line that does not fit.
    pub broken_at: Option<u64>,
}

impl Audit {
    /// Opens or begins a log. A broken chain does not keep it from going on: the break stays where it is, for
    /// [`verify`] to show.
    pub fn open(path: &Path, clock: Clock) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            io::Error::new(
                io::ErrorKind::ResourceBusy,
                "it is in use by another tamga; stop that one, or give this one its own [data] dir",
            )
        })?;
        let (mut next, mut head, mut whole) = (0, genesis(), 0);
        for line in BufReader::new(&file).split(b'\n') {
            let line = line?;
            let end = whole + line.len() as u64 + 1;
            if end > file.metadata()?.len() {
                break;
            }
            whole = end;
            next += 1;
            if let Some((_, hash)) = std::str::from_utf8(&line).ok().and_then(read) {
                head = hash;
            }
        }
        file.set_len(whole)?;
        file.seek(io::SeekFrom::End(0))?;
        Ok(Self { path: path.to_owned(), clock, tail: Mutex::new(Tail { file, next, head }) })
    }

    /// Writes one act. Returns once it is on disk.
    pub fn record(&self, act: &str, detail: &impl Serialize) -> io::Result<()> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let detail = serde_json::to_string(detail)?;
        let mut line = format!(
            r#"{{"seq":{},"at":"{}","act":{},"detail":{detail},"previous":"{}""#,
            tail.next,
            self.clock.now(),
            serde_json::to_string(act)?,
            tail.head.to_hex()
        );
        let hash = chain(&tail.head, &line);
        line.push_str(&format!(",\"hash\":\"{}\"}}\n", hash.to_hex()));
        tail.file.write_all(line.as_bytes())?;
        tail.file.sync_data()?;
        tail.next += 1;
        tail.head = hash;
        Ok(())
    }

    /// Writes one act; a failure to do so is logged, for acts that have happened already.
    pub fn note(&self, act: &str, detail: &impl Serialize) {
        if let Err(error) = self.record(act, detail) {
            tracing::error!(act, %error, path = %self.path.display(), "cannot write the audit log; free its disk");
        }
    }

    /// The hash of the last line, in hexadecimal.
    pub fn head(&self) -> String {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).head.to_hex().to_string()
    }
}

/// Reads a whole log and follows its chain.
pub fn verify(path: &Path) -> io::Result<Verified> {
    let (mut lines, mut head) = (0, genesis());
    let mut broken_at = None;
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        let intact = match read(&line) {
            Some((parsed, hash)) => {
                let body = line.rfind(",\"hash\"").map_or("", |end| &line[..end]);
                let fits = parsed.seq == lines
                    && parsed.hash == hash.to_hex().as_str()
                    && parsed.previous == head.to_hex().as_str()
                    && hash == chain(&head, body)
                    && line.len() == body.len() + ",\"hash\":\"\"}".len() + 64;
                fits.then_some(hash)
            }
            None => None,
        };
        let Some(hash) = intact else {
            broken_at = Some(lines + 1);
            break;
        };
        head = hash;
        lines += 1;
    }
    Ok(Verified { lines, head: head.to_hex().to_string(), broken_at })
}

fn read(line: &str) -> Option<(Line<'_>, blake3::Hash)> {
    let parsed: Line<'_> = serde_json::from_str(line).ok()?;
    let hash = blake3::Hash::from_hex(parsed.hash).ok()?;
    Some((parsed, hash))
}

fn chain(previous: &blake3::Hash, body: &str) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes()).update(body.as_bytes());
    hasher.finalize()
}

fn genesis() -> blake3::Hash {
    blake3::hash(b"tamga audit log v1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn log(lines: usize) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("audit.jsonl");
        let audit = Audit::open(&path, Clock::machine()).expect("opens");
        for number in 0..lines {
            audit.record("test", &json!({ "number": number, "text": "a,\"hash\":\"b\"" })).expect("writes");
        }
        (dir, path)
    }

    #[test]
    fn a_log_goes_on_after_a_restart_and_after_a_torn_line() {
        let (_dir, path) = log(3);
        OpenOptions::new().append(true).open(&path).expect("opens").write_all(b"{\"seq\":3,\"at").expect("writes");
        let audit = Audit::open(&path, Clock::machine()).expect("opens");
        audit.record("again", &json!({})).expect("writes");
        let verified = verify(&path).expect("reads");
        assert_eq!(verified, Verified { lines: 4, head: audit.head(), broken_at: None });
        assert!(Audit::open(&path, Clock::machine()).is_err(), "one process at a time");
    }

    #[test]
    fn any_flipped_bit_and_any_moved_line_breaks_the_chain() {
        let (_dir, path) = log(4);
        let bytes = std::fs::read(&path).expect("reads");
        for bit in (0..bytes.len() * 8).step_by(3) {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &forged).expect("writes");
            // A byte that is no longer text is an error, which is found as well.
            assert!(verify(&path).map_or(true, |verified| verified.broken_at.is_some()), "bit {bit}");
        }
        let text = String::from_utf8(bytes).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        for order in [vec![0, 2, 1, 3], vec![0, 2, 3], vec![1, 2, 3], vec![0, 1, 1, 2, 3]] {
            let moved: String = order.iter().map(|at| format!("{}\n", lines[*at])).collect();
            std::fs::write(&path, moved).expect("writes");
            assert!(verify(&path).expect("reads").broken_at.is_some(), "{order:?}");
        }
    }
}
