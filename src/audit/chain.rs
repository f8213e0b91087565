//! One line of the audit log: how it is written, read, and chained to the line before. Also the names of full logs.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The end of a chain: its last line's hash, and the number of lines up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) next: u64,
    pub(super) hash: blake3::Hash,
}

impl Head {
    /// Before the first line.
    pub(super) fn genesis() -> Self {
        Self { next: 0, hash: blake3::hash(b"tamga audit log v1") }
    }

    /// A line of the file of heads: the line's number, its hash.
    pub(super) fn write(&self) -> String {
        format!("{} {}\n", self.next.saturating_sub(1), self.hash.to_hex())
    }

    /// Reads such a line, without its end. `None` if a byte differs from what [`Head::write`] makes.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let (seq, hash) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        let head = Self { next: seq.parse::<u64>().ok()?.checked_add(1)?, hash: blake3::Hash::from_hex(hash).ok()? };
        (head.write().as_bytes().strip_suffix(b"\n") == Some(line)).then_some(head)
    }
}

/// A line that has the right shape.
pub(super) struct Line<'a> {
    pub(super) seq: u64,
    pub(super) previous: blake3::Hash,
    pub(super) hash: blake3::Hash,
    body: &'a str,
}

#[derive(Deserialize)]
struct Parsed<'a> {
    seq: u64,
    #[serde(borrow)]
    #[expect(dead_code, reason = "a line without them is not an entry")]
    detail: &'a RawValue,
    #[expect(dead_code, reason = "likewise")]
    at: &'a str,
    #[expect(dead_code, reason = "likewise; an action may have been written with escapes")]
    action: std::borrow::Cow<'a, str>,
    previous: &'a str,
    hash: &'a str,
}

impl<'a> Line<'a> {
    /// Reads a line with its end.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let parsed: Parsed<'a> = serde_json::from_str(text).ok()?;
        let hash = blake3::Hash::from_hex(parsed.hash).ok()?;
        let body = text.strip_suffix(&format!(",\"hash\":\"{}\"}}", hash.to_hex()))?;
        Some(Self { seq: parsed.seq, previous: blake3::Hash::from_hex(parsed.previous).ok()?, hash, body })
    }

    /// Whether it is the line after `head`.
    pub(super) fn follows(&self, head: &Head) -> bool {
        self.seq == head.next && self.previous == head.hash && self.hash == hash(&head.hash, self.body)
    }

    /// The chain's end when this is its last line.
    pub(super) fn head(&self) -> Head {
        Head { next: self.seq.saturating_add(1), hash: self.hash }
    }
}

/// A line after `head`, its end included. Action and detail are JSON.
pub(super) fn write(head: &Head, at: &str, action: &str, detail: &str) -> (String, Head) {
    let Head { next, hash: previous } = head;
    let previous_hex = previous.to_hex();
    let body = format!(r#"{{"seq":{next},"at":"{at}","action":{action},"detail":{detail},"previous":"{previous_hex}""#);
    let hash = hash(previous, &body);
    (format!("{body},\"hash\":\"{}\"}}\n", hash.to_hex()), Head { next: next + 1, hash })
}

fn hash(previous: &blake3::Hash, body: &str) -> blake3::Hash {
    blake3::Hasher::new().update(previous.as_bytes()).update(body.as_bytes()).finalize()
}

/// The chain's end after a log's text; `None` if no line of it is an entry.
pub(super) fn last_head(text: &[u8]) -> Option<Head> {
    text.split_inclusive(|byte| *byte == b'\n').rev().find_map(|line| Line::read(line).map(|line| line.head()))
}

/// The number of a log's first line.
pub(super) fn first_seq(text: &[u8]) -> Option<u64> {
    text.split_inclusive(|byte| *byte == b'\n').find_map(|line| Line::read(line).map(|line| line.seq))
}

/// The new name of a full log.
pub(super) fn archive_name(log: &Path, first: u64) -> PathBuf {
    log.with_file_name(format!("audit-{first:012}.jsonl"))
}

/// The full logs beside a log, the oldest first.
pub(super) fn archives(log: &Path) -> io::Result<Vec<PathBuf>> {
    archives_in(log.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// The full logs of a folder, the oldest first.
pub(super) fn archives_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let first = name.strip_prefix("audit-").and_then(|rest| rest.strip_suffix(".jsonl"));
        if first.is_some_and(|first| first.len() >= 12 && first.bytes().all(|byte| byte.is_ascii_digit())) {
            found.push(path);
        }
    }
    // The numbers are padded, so they sort like the names.
    found.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_owned));
    Ok(found)
}
