//! Reads a whole audit log, full ones included, and follows its chain and its heads.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::Place;
use super::chain::{Head, Line, archives, archives_in};

/// What verification found.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// Lines of the unbroken chain.
    pub lines: u64,
    /// The last line's hash, in hexadecimal.
    pub head: String,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

/// What is wrong with a log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line does not follow from the one before.
    #[error(
        "line {line} of {file} does not follow from the one before: it was changed, or lines were removed, inserted or moved"
    )]
    Chain {
        /// Which file, by its name.
        file: String,
        /// Which of its lines, from 1.
        line: u64,
    },
    /// The last line has no end.
    #[error(
        "the last line of {file} is not whole: a crash tore it, or it was cut; the next start repairs the log and adds an entry about it"
    )]
    Torn {
        /// Which file.
        file: String,
    },
    /// A head is known and its line is not there.
    #[error("line {seq} is missing: its head is known, so the log was cut off")]
    Short {
        /// Its number, from 0.
        seq: u64,
    },
    /// A line is not the one whose head is known.
    #[error("line {seq} is not the one whose head is known: the log was written anew")]
    Replaced {
        /// Its number, from 0.
        seq: u64,
    },
    /// Lines whose heads nobody wrote.
    #[error("{count} lines at the end have no head: they were added, or the file of heads was cut off")]
    Headless {
        /// How many.
        count: u64,
    },
    /// The file of heads is not one.
    #[error("line {line} of {file} is not a head, or out of order: the file of heads was changed")]
    Heads {
        /// Which file.
        file: String,
        /// Which of its lines, from 1.
        line: u64,
    },
}

/// Follows the chain of a log. `moved` is a folder to which full logs were moved away; `copies` are files of heads that were
/// kept elsewhere.
pub fn verify(place: &Place, moved: Option<&Path>, copies: &[&Path]) -> io::Result<Verified> {
    let log = File::open(&place.log)?;
    // Not while a line is half written.
    flock(&log, FlockOperation::LockShared)?;
    let files = all(place, moved)?;
    let heads = fs::read(&place.heads).or_else(|error| match error.kind() {
        // Without the file every line is headless, which is reported.
        io::ErrorKind::NotFound => Ok(Vec::new()),
        _ => Err(error),
    })?;
    let copies = copies.iter().map(|path| Ok((name(path), fs::read(path)?))).collect::<io::Result<Vec<_>>>()?;
    Ok(follow(&files, (&name(&place.heads), &heads), &copies))
}

/// The lines of a log, the oldest first, as they are.
pub fn lines(place: &Place, moved: Option<&Path>) -> io::Result<Vec<String>> {
    let files = all(place, moved)?;
    Ok(files
        .iter()
        .flat_map(|(_, text)| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect())
}

fn all(place: &Place, moved: Option<&Path>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = moved.map(archives_in).transpose()?.unwrap_or_default();
    files.extend(archives(&place.log)?);
    files.sort_by_key(|path| name(path));
    files.dedup_by_key(|path| name(path));
    files.push(place.log.clone());
    files.iter().map(|path| Ok((name(path), fs::read(path)?))).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The pure part: files in order, each with its name.
pub(super) fn follow(files: &[(String, Vec<u8>)], heads: (&str, &[u8]), copies: &[(String, Vec<u8>)]) -> Verified {
    let (chain, mut fault) = chain(files);
    let found = chain.last().copied().unwrap_or_else(Head::genesis);
    let mut known = 0;
    let own = std::iter::once((heads.0, heads.1, true));
    let kept = copies.iter().map(|(name, text)| (name.as_str(), text.as_slice(), false));
    for (name, text, is_own) in own.chain(kept) {
        match compare(&chain, name, text, is_own, fault.is_some()) {
            Ok(next) if is_own => known = next,
            Ok(_) => (),
            Err(other) => fault = fault.or(Some(other)),
        }
    }
    // The last line's head may be missing after a crash; the next writer writes it.
    if fault.is_none() && found.next > known + 1 {
        fault = Some(Fault::Headless { count: found.next - known });
    }
    Verified { lines: found.next, head: found.hash.to_hex().to_string(), fault }
}

/// The heads of the lines, up to the first one that does not follow.
fn chain(files: &[(String, Vec<u8>)]) -> (Vec<Head>, Option<Fault>) {
    let (mut chain, mut head) = (Vec::new(), Head::genesis());
    for (file, text) in files {
        for (number, line) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
            if !line.ends_with(b"\n") {
                return (chain, Some(Fault::Torn { file: file.clone() }));
            }
            match Line::read(line) {
                Some(line) if line.follows(&head) => head = line.head(),
                _ => return (chain, Some(Fault::Chain { file: file.clone(), line: number })),
            }
            chain.push(head);
        }
    }
    (chain, None)
}

/// Whether every head of a file is that of a line; up to which line they go. The log's own file has every head, a copy
/// perhaps only some.
fn compare(chain: &[Head], file: &str, text: &[u8], is_own: bool, is_cut: bool) -> Result<u64, Fault> {
    let mut next = 0;
    for (number, line) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        let is_in_order = |head: &Head| head.next == next + 1 || !is_own && head.next > next;
        let head = line.strip_suffix(b"\n").and_then(Head::read).filter(is_in_order);
        let Some(head) = head else { return Err(Fault::Heads { file: file.to_owned(), line: number }) };
        next = head.next;
        let seq = next - 1;
        match chain.get(usize::try_from(seq).unwrap_or(usize::MAX)) {
            Some(found) if *found == head => (),
            Some(_) => return Err(Fault::Replaced { seq }),
            // Behind a break nothing is known.
            None if is_cut => return Ok(next),
            None => return Err(Fault::Short { seq }),
        }
    }
    Ok(next)
}
