//! One segment file: a header, then blocks of frames, then perhaps zeros that were reserved and never written.
//!
//! ```text
//!    0  72  header         512  72  the same header again: a lost sector costs one copy, not the segment
//! 1024   …  blocks
//!
//! header:  0  8  magic "TAMGASPL"        24  8  last sequence acknowledged before this segment
//!          8  4  format version          32 16  random id
//!         12  4  schema version          48  8  rows acknowledged before this segment, ever
//!         16  8  first sequence          56  4  under which key it is encrypted (cipher.rs)
//!                                        60  8  when the window began in which its frames arrived (hold.rs)
//!                                        68  4  CRC32C of the 68 bytes before it
//! ```
//!
//! Within a segment sequences have no holes. Between two segments there is one when a commit failed: the newer header
//! says what had been acknowledged, so whatever of the failed commit reached the older file is known to be nobody's.

use std::collections::VecDeque;
use std::io;

use super::block::{self, HEADER, Head, MIN_FRAME, Opened};
use super::cipher::{Cipher, KeyCheck, SegmentId};
use super::crowd::Crowd;
use super::frame::{Kind, StreamKey, Streams};
use super::io::{File, is_damage, read_or_zero};

/// Where the blocks begin.
pub(super) const BLOCKS_AT: u64 = 1024;

const MAGIC: &[u8; 8] = b"TAMGASPL";
const FORMAT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 72;
const SECOND_COPY_AT: usize = 512;
const SUFFIX: &str = ".seg";

/// How much is read at once. A block that is larger is read whole.
const CHUNK: usize = 256 << 10;
/// The unit in which a file that gives read errors is salvaged, and in which runs of zeros are passed over.
const PAGE: usize = 4096;

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) schema_version: u32,
    pub(super) first: u64,
    pub(super) acknowledged_before: u64,
    pub(super) id: SegmentId,
    pub(super) rows_before: u64,
    pub(super) key_check: KeyCheck,
    /// When the window began in which all of its frames arrived, in milliseconds since 1970; the lowest number if nobody knows.
    pub(super) window_ms: i64,
}

impl Header {
    /// The bytes before the first frame.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(HEADER_BYTES);
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        copy.extend_from_slice(&self.schema_version.to_le_bytes());
        copy.extend_from_slice(&self.first.to_le_bytes());
        copy.extend_from_slice(&self.acknowledged_before.to_le_bytes());
        copy.extend_from_slice(&self.id);
        copy.extend_from_slice(&self.rows_before.to_le_bytes());
        copy.extend_from_slice(&self.key_check);
        copy.extend_from_slice(&self.window_ms.to_le_bytes());
        copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
        let mut block = vec![0; BLOCKS_AT as usize];
        block[..HEADER_BYTES].copy_from_slice(&copy);
        block[SECOND_COPY_AT..SECOND_COPY_AT + HEADER_BYTES].copy_from_slice(&copy);
        block
    }

    /// Reads either copy; `None` when neither is whole.
    pub(super) fn decode(block: &[u8]) -> Option<Self> {
        [0, SECOND_COPY_AT].into_iter().find_map(|at| Self::decode_copy(block.get(at..at + HEADER_BYTES)?))
    }

    fn decode_copy(copy: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(copy.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(copy.get(at..at + 8)?.try_into().ok()?));
        let whole = copy.starts_with(MAGIC) && word(8)? == FORMAT_VERSION && crc32c::crc32c(&copy[..68]) == word(68)?;
        let header = Self {
            schema_version: word(12)?,
            first: long(16)?,
            acknowledged_before: long(24)?,
            id: copy[32..48].try_into().ok()?,
            rows_before: long(48)?,
            key_check: copy[56..60].try_into().ok()?,
            window_ms: i64::from_le_bytes(copy[60..68].try_into().ok()?),
        };
        (whole && header.acknowledged_before < header.first).then_some(header)
    }
}

/// The file name of the segment that begins with this sequence; names sort as sequences do.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The first sequence according to a file's name; `None` when it is no segment's.
pub(super) fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

/// A frame that was read from its file.
pub(super) struct Scanned {
    pub(super) sequence: u64,
    pub(super) schema_version: u32,
    pub(super) kind: Kind,
    pub(super) rows: u32,
    pub(super) stream: StreamKey,
    /// What it takes in its file, but for its share of what a block has once.
    pub(super) bytes: u64,
    pub(super) payload: Vec<u8>,
}

/// The next part of a segment.
pub(super) enum Found {
    /// A frame.
    Frame(Scanned),
    /// A block, instead of its frames, for who has no key.
    Block(Head),
    /// Sequences that were never acknowledged: nothing is missing.
    Void,
    /// Bytes that are no block, before a block that is whole: the sequences `first..=last` are damaged.
    Gap {
        /// Where the bytes begin.
        offset: u64,
        /// How many they are.
        bytes: u64,
        /// The first damaged sequence.
        first: u64,
        /// The last.
        last: u64,
        /// The position, within its commit, of the first frame behind the gap.
        next_position: u16,
        /// The rows before that frame in this segment; `None` if it is a void, which does not know them.
        next_rows_before: Option<u32>,
    },
    /// No whole block from here on. `bytes` is what lies here up to the last byte that is not zero.
    End {
        /// How many bytes that are not merely reserved.
        bytes: u64,
    },
}

/// Which rows are read with their payload.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    All,
    /// So many parts of a crowd, from the one that leaves now.
    Parts(Crowd, u32),
    None,
}

impl Wanted {
    fn has(self, sequence: u64) -> bool {
        match self {
            Self::All => true,
            Self::Parts(crowd, parts) => crowd.parts_until(sequence).is_some_and(|until| until < parts),
            Self::None => false,
        }
    }
}

/// Walks through a segment's frames; over damage it goes on at the next block that is whole.
pub(super) struct Scan {
    file: Box<dyn File>,
    header: Header,
    /// Bytes at and behind this are not looked at. It may grow; what lies before it no longer changes.
    pub(super) end: u64,
    /// Where the next block should be.
    pub(super) offset: u64,
    /// What the sequence of the next frame should be.
    pub(super) expected: u64,
    /// Reads unreadable blocks as zeros instead of failing.
    pub(super) salvage: bool,
    /// Decrypts frames; without it only blocks are found.
    pub(super) cipher: Option<Cipher>,
    /// Payloads of rows that are not wanted are left out.
    pub(super) wanted: Wanted,
    /// The frames of the block before `offset` that come next.
    opened: VecDeque<Scanned>,
    streams: Streams,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Scan {
    /// Begins with the first block.
    pub(super) fn new(file: Box<dyn File>, header: Header, end: u64) -> Self {
        let (offset, expected) = (BLOCKS_AT, header.first);
        let (cipher, wanted, opened, streams) = (None, Wanted::All, VecDeque::new(), Streams::default());
        let (salvage, buffer, buffer_at) = (false, Vec::new(), 0);
        Self { file, header, end, offset, expected, salvage, cipher, wanted, opened, streams, buffer, buffer_at }
    }

    /// The file being walked through.
    pub(super) fn file(&self) -> &dyn File {
        self.file.as_ref()
    }

    /// The next thing. After [`Found::End`] it says so again until `end` grows.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        if let Some(frame) = self.opened.pop_front() {
            self.expected = frame.sequence.saturating_add(1);
            return Ok(Found::Frame(frame));
        }
        if let Some(found) = self.block_here()? {
            return Ok(found);
        }
        let (start, expected) = (self.offset, self.expected);
        let mut last_written = start;
        let mut at = start;
        while at < self.end {
            if self.zeros_at(at)? {
                at += PAGE as u64 - 3; // A length is never zero, so no block begins before these last three bytes.
                continue;
            }
            if at > start {
                // Each damaged frame took at least MIN_FRAME bytes, so the sequence cannot have run further ahead.
                let furthest = expected.saturating_add((at - start) / MIN_FRAME);
                if let Some(head) = self.head_at(at, expected..=furthest)? {
                    (self.offset, self.expected) = (at, head.sequence);
                    let (bytes, last) = (at - start, head.sequence.saturating_sub(1));
                    return Ok(Found::Gap {
                        offset: start,
                        bytes,
                        first: expected,
                        last,
                        next_position: head.position,
                        next_rows_before: (head.kind != Kind::Void).then_some(head.rows_before),
                    });
                }
            }
            if self.bytes(at, 1)?.is_some_and(|bytes| bytes[0] != 0) {
                last_written = at + 1;
            }
            at += 1;
        }
        Ok(Found::End { bytes: last_written - start })
    }

    /// Gives up on the rest: the next block, if any, is at `end` and has this sequence.
    pub(super) fn skip_to_end(&mut self, expected: u64) {
        (self.offset, self.expected) = (self.end, expected);
    }

    /// The raw bytes of a range, zeros where they cannot be read.
    pub(super) fn raw(&mut self, offset: u64, bytes: usize) -> Vec<u8> {
        let mut raw = vec![0; bytes];
        for (index, block) in raw.chunks_mut(PAGE).enumerate() {
            if read_or_zero(self.file.as_ref(), block, offset + (index * PAGE) as u64).is_err() {
                block.fill(0);
            }
        }
        raw
    }

    /// The block at `offset`, if it is whole and has the expected sequence; steps over it. With a cipher, its first frame.
    fn block_here(&mut self) -> io::Result<Option<Found>> {
        let (at, expected, header) = (self.offset, self.expected, self.header);
        let head = self.bytes(at, HEADER)?.and_then(Head::parse).filter(|head| head.sequence == expected);
        let Some(head) = head else { return Ok(None) };
        if self.bytes(at, head.length)?.is_none() {
            return Ok(None);
        }
        let (cipher, mut streams, wanted) = (self.cipher.take(), std::mem::take(&mut self.streams), self.wanted);
        let wanted = |sequence| head.kind == Kind::Tombstone || wanted.has(sequence);
        let decoded = block::decode(&header.id, self.bytes(at, head.length)?.expect("they were there"));
        let has_key = cipher.is_some() && head.kind != Kind::Void;
        let opened =
            decoded.map(|decoded| cipher.as_ref().and_then(|cipher| decoded.open(cipher, &mut streams, wanted)));
        (self.cipher, self.streams) = (cipher, streams);
        let found = match opened {
            None => return Ok(None),
            // Somebody has written it who has not the key.
            Some(None) if has_key => return Ok(None),
            Some(_) if head.kind == Kind::Void => Found::Void,
            Some(None) => Found::Block(head),
            Some(Some(frames)) => {
                self.opened = frames.into_iter().map(|frame| self.scanned(head.kind, frame)).collect();
                self.offset += head.length as u64;
                return self.next().map(Some);
            }
        };
        self.offset += head.length as u64;
        self.expected = head.next_sequence();
        Ok(Some(found))
    }

    fn scanned(&self, kind: Kind, frame: Opened) -> Scanned {
        let Opened { sequence, stream, rows, bytes, payload } = frame;
        Scanned { sequence, schema_version: self.header.schema_version, kind, rows, stream, bytes, payload }
    }

    /// The head of the block at `at`, if one lies there that is whole and has a sequence in this range.
    fn head_at(&mut self, at: u64, sequences: std::ops::RangeInclusive<u64>) -> io::Result<Option<Head>> {
        let Some(head) = self.bytes(at, HEADER)?.and_then(Head::parse) else { return Ok(None) };
        if !sequences.contains(&head.sequence) {
            return Ok(None);
        }
        let id = self.header.id;
        Ok(self.bytes(at, head.length)?.and_then(|bytes| block::decode(&id, bytes)).map(|decoded| decoded.head))
    }

    /// Whether a whole page of zeros begins here.
    fn zeros_at(&mut self, at: u64) -> io::Result<bool> {
        Ok(self.bytes(at, 1)?.is_some_and(|bytes| bytes[0] == 0)
            && self.bytes(at, PAGE)?.is_some_and(|bytes| bytes == [0; PAGE]))
    }

    /// A range of the file; `None` when it goes beyond `end`.
    fn bytes(&mut self, at: u64, length: usize) -> io::Result<Option<&[u8]>> {
        if at.checked_add(length as u64).is_none_or(|behind| behind > self.end) {
            return Ok(None);
        }
        let buffered = at >= self.buffer_at && at + length as u64 <= self.buffer_at + self.buffer.len() as u64;
        if !buffered {
            let rest = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(length.max(CHUNK.min(rest)), 0);
            match read_or_zero(self.file.as_ref(), &mut buffer, at) {
                Err(error) if self.salvage && is_damage(&error) => buffer = self.raw(at, buffer.len()),
                other => other?,
            }
            (self.buffer, self.buffer_at) = (buffer, at);
        }
        let from = usize::try_from(at - self.buffer_at).expect("the buffer is in memory");
        Ok(Some(&self.buffer[from..from + length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        schema_version: 7,
        first: 5,
        acknowledged_before: 4,
        id: *b"0123456789abcdef",
        rows_before: 9,
        key_check: [1, 2, 3, 4],
        window_ms: 6,
    };

    #[test]
    fn the_header_is_these_bytes_twice() {
        let block = HEADER.encode();
        let golden: &[&[u8]] = &[
            b"TAMGASPL",
            &[1, 0, 0, 0],
            &[7, 0, 0, 0],
            &[5, 0, 0, 0, 0, 0, 0, 0],
            &[4, 0, 0, 0, 0, 0, 0, 0],
            b"0123456789abcdef",
            &[9, 0, 0, 0, 0, 0, 0, 0],
            &[1, 2, 3, 4],
            &[6, 0, 0, 0, 0, 0, 0, 0],
            &[82, 203, 183, 113],
        ];
        assert_eq!(block.len(), 1024);
        assert_eq!(block[..72], golden.concat());
        assert_eq!(block[512..584], golden.concat());
        assert!(block[72..512].iter().chain(&block[584..]).all(|byte| *byte == 0));
    }

    #[test]
    fn either_copy_of_the_header_suffices() {
        for lost in [0..512, 512..1024] {
            let mut block = HEADER.encode();
            block[lost].fill(0xff);
            assert_eq!(Header::decode(&block), Some(HEADER));
        }
        assert_eq!(Header::decode(&[0; 1024]), None);
        assert_eq!(Header::decode(&HEADER.encode()[..40]), None);
    }

    #[test]
    fn names_sort_as_sequences_do() {
        assert!(file_name(9) < file_name(10));
        assert_eq!(parse_file_name(&file_name(u64::MAX)), Some(u64::MAX));
        for other in ["state-0", "1.seg", "lock", "000000000000000000x1.seg"] {
            assert_eq!(parse_file_name(other), None);
        }
    }
}
