//! One block: frames of one commit that are encrypted together, with the fields that find it again and verify it.
//!
//! ```text
//!  0  4  length       of the whole block, this header included
//!  4  4  CRC32C       of the segment's random id, then of the block without this field
//!  8  8  sequence     of its first frame: one more than the frame before it
//! 16  4  rows         of all its frames; of a void, how many sequences it replaces
//! 20  2  position     of its first frame within the commit that wrote it: 0 begins a commit
//! 22  1  kind         of all its frames: 1 rows · 2 tombstones · 3 a void
//! 23  1  frames       a void has none
//! 24  4  rows before  in this segment: a whole block says how many rows the damaged blocks before it had
//! 28  …  streams      per frame: length 1 · UTF-8
//!  …     encrypted    (cipher.rs): bytes 16 to 27 once more, then per frame: digest of its stream 8 · length 4 · payload
//!  … 16  tag          of what is encrypted; a void has none
//! ```
//!
//! All numbers are little-endian. The id in the checksum means that bytes of another segment, or bytes that a visitor
//! sent in the shape of a block, do not validate: the id never leaves the machine. A void replaces a torn
//! commit that was never acknowledged. Only recovery writes it.
//!
//! What is readable is there once more among what is encrypted, so who has not the key can change none of it. As associated
//! data of the cipher it would take twice the instructions.
//!
//! Frames share a block because a cipher's beginning and end cost more than the bytes of a frame. So damage of one byte takes
//! all frames of its block: at most [`BLOCK_BYTES`] of rows, as much as a sector of a disk holds.

use std::borrow::Borrow;

use super::cipher::{Cipher, KeyCheck, Keys, SegmentId, TAG};
use super::frame::{Digest, Frame, Kind, MAX_APPEND_BYTES, Rows, StreamKey, Streams};

/// Bytes before the streams.
pub(super) const HEADER: usize = 28;
/// From here on the header is repeated among what is encrypted. What lies before it is the length, which the tag holds, the
/// checksum, and the nonce.
const REPEATED_FROM: usize = 16;
const REPEATED: usize = HEADER - REPEATED_FROM;
/// What a frame takes in a block, besides its stream's name and its payload.
const PER_FRAME: usize = 1 + size_of::<Digest>() + size_of::<u32>();
/// The least that a frame takes: a stream of one byte, no payload.
pub(super) const MIN_FRAME: u64 = PER_FRAME as u64 + 1;
/// Payloads of a block, together; a frame that is larger has a block of its own.
pub(super) const BLOCK_BYTES: usize = 4096;
/// The number of frames is one byte.
const MAX_FRAMES: usize = u8::MAX as usize;

impl Frame {
    /// What it takes in the spool at most: in a block of its own.
    pub fn encoded_len(&self) -> usize {
        HEADER + REPEATED + PER_FRAME + self.stream.as_str().len() + self.payload.len() + TAG
    }
}

/// Writes the blocks of one segment.
pub struct Encoder {
    pub(super) id: SegmentId,
    pub(super) cipher: Cipher,
}

impl Encoder {
    /// What a block has besides the names of its streams and what is encrypted.
    pub const READABLE: usize = HEADER + TAG;

    /// Of the segment with this id, and what its header says of the key.
    pub fn new(keys: &Keys, id: SegmentId) -> (Self, KeyCheck) {
        let (cipher, check) = keys.begin(&id);
        (Self { id, cipher }, check)
    }

    /// Writes a commit behind what `out` holds. Its first frame has the sequence `first`, and `rows_before` rows of the segment are
    /// before it. Returns the sequence after it, and its rows. The caller has checked [`MAX_APPEND_BYTES`] and the number of frames.
    pub fn commit(&self, frames: &[impl Borrow<Frame>], first: u64, rows_before: u64, out: &mut Vec<u8>) -> (u64, u64) {
        let (mut left, mut sequence, mut rows) = (frames, first, 0);
        while !left.is_empty() {
            let (block, behind) = left.split_at(of_first_block(left));
            let position = u16::try_from(sequence - first).expect("a commit has at most MAX_COMMIT_FRAMES");
            let rows_before = u32::try_from(rows_before + rows).unwrap_or(u32::MAX);
            rows += u64::from(self.block(block, Place { sequence, position, rows_before }, out));
            (left, sequence) = (behind, sequence + block.len() as u64);
        }
        (sequence, rows)
    }

    /// Encrypts a block in place, whose first frame has this sequence; returns the tag.
    pub fn encrypt(&self, sequence: u64, bytes: &mut [u8]) -> [u8; TAG] {
        self.cipher.seal(sequence, &[], bytes)
    }

    /// Writes these frames, and returns their rows.
    pub(super) fn block(&self, frames: &[impl Borrow<Frame>], place: Place, out: &mut Vec<u8>) -> u32 {
        let start = out.len();
        let rows = frames.iter().fold(0_u32, |rows, frame| rows.saturating_add(frame.borrow().rows));
        let mut head = [0; HEADER];
        head[8..16].copy_from_slice(&place.sequence.to_le_bytes());
        head[16..20].copy_from_slice(&rows.to_le_bytes());
        head[20..22].copy_from_slice(&place.position.to_le_bytes());
        head[22] = frames.first().map_or(Kind::Void, |frame| frame.borrow().kind) as u8;
        head[23] = u8::try_from(frames.len()).expect("a block has at most MAX_FRAMES");
        head[24..28].copy_from_slice(&place.rows_before.to_le_bytes());
        out.extend_from_slice(&head);
        for frame in frames {
            let name = frame.borrow().stream.as_str().as_bytes();
            out.push(u8::try_from(name.len()).expect("a stream has at most 255 bytes"));
            out.extend_from_slice(name);
        }
        let encrypted = out.len();
        out.extend_from_slice(&head[REPEATED_FROM..]);
        for frame in frames {
            let Frame { stream, payload, .. } = frame.borrow();
            let length = u32::try_from(payload.len()).expect("append refuses what is larger than MAX_APPEND_BYTES");
            out.extend_from_slice(stream.digest());
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(payload);
        }
        let tag = self.encrypt(place.sequence, &mut out[encrypted..]);
        out.extend_from_slice(&tag);
        let length = u32::try_from(out.len() - start).expect("append refuses what is larger than MAX_APPEND_BYTES");
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum(&self.id, &out[start..]);
        out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
        rows
    }
}

/// How many of these frames make a block: of one kind, and not too large.
fn of_first_block(frames: &[impl Borrow<Frame>]) -> usize {
    let kind = frames.first().map(|frame| frame.borrow().kind);
    let mut bytes = 0;
    let fits = |frame: &&_| {
        let frame: &Frame = Borrow::borrow(*frame);
        bytes += frame.payload.len();
        Some(frame.kind) == kind && bytes <= BLOCK_BYTES
    };
    frames.iter().take(MAX_FRAMES).take_while(fits).count().max(1)
}

/// The header that turns `bytes`, the remains of `sequences` frames, into a void. `bytes` has at least [`HEADER`].
pub(super) fn void_header(id: &SegmentId, bytes: &[u8], first: u64, sequences: u32, position: u16) -> [u8; HEADER] {
    let length = u32::try_from(bytes.len()).expect("a commit is far below 4 GiB");
    let mut whole = bytes.to_vec();
    whole[0..4].copy_from_slice(&length.to_le_bytes());
    whole[8..16].copy_from_slice(&first.to_le_bytes());
    whole[16..20].copy_from_slice(&sequences.to_le_bytes());
    whole[20..22].copy_from_slice(&position.to_le_bytes());
    whole[22] = Kind::Void as u8;
    whole[23] = 0;
    let checksum = checksum(id, &whole);
    whole[4..8].copy_from_slice(&checksum.to_le_bytes());
    whole[..HEADER].try_into().expect("the slice has that length")
}

fn checksum(id: &SegmentId, block: &[u8]) -> u32 {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(id), &block[..4]);
    crc32c::crc32c_append(checksum, &block[8..])
}

/// Where the first frame of a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    /// Within its commit.
    pub(super) position: u16,
    /// Rows before it in its segment.
    pub(super) rows_before: u32,
}

/// The fixed part of what may be a block: enough to decide whether a closer look is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    /// Of its first frame.
    pub(super) sequence: u64,
    pub(super) rows: u32,
    pub(super) position: u16,
    pub(super) kind: Kind,
    /// Rows before it in its segment. A void does not know them.
    pub(super) rows_before: u32,
    frames: u8,
}

impl Head {
    /// Reads a header; `None` when no block can begin so.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let length = word(0)? as usize;
        let sequence = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
        let rows = word(16)?;
        let position = u16::from_le_bytes(bytes.get(20..22)?.try_into().ok()?);
        let kind = Kind::from_byte(*bytes.get(22)?)?;
        let frames = *bytes.get(23)?;
        let rows_before = word(24)?;
        let least = if kind == Kind::Void { 0 } else { REPEATED + TAG } + usize::from(frames) * MIN_FRAME as usize;
        let plausible = length >= HEADER + least
            && length <= HEADER + MAX_APPEND_BYTES
            && (frames == 0) == (kind == Kind::Void)
            && (kind == Kind::Void) <= (rows > 0);
        plausible.then_some(Self { length, sequence, rows, position, kind, rows_before, frames })
    }

    /// The sequence behind it.
    pub(super) fn next_sequence(&self) -> u64 {
        let sequences = if self.kind == Kind::Void { self.rows } else { u32::from(self.frames) };
        self.sequence.saturating_add(u64::from(sequences))
    }
}

/// A block that was read and found whole. Its frames are encrypted.
pub(super) struct Decoded<'a> {
    pub(super) head: Head,
    bytes: &'a [u8],
}

/// A frame that was decrypted.
pub(super) struct Opened {
    pub(super) sequence: u64,
    pub(super) stream: StreamKey,
    pub(super) rows: u32,
    /// What it takes in its block.
    pub(super) bytes: u64,
    pub(super) payload: Vec<u8>,
}

impl Decoded<'_> {
    /// Decrypts the frames; `None` if they were not encrypted so, or are not what the header says. The payloads of frames
    /// that are not `wanted`, by sequence, are left out.
    pub(super) fn open(
        &self,
        cipher: &Cipher,
        streams: &mut Streams,
        wanted: impl Fn(u64) -> bool,
    ) -> Option<Vec<Opened>> {
        let (mut names, mut encrypted) = (Vec::with_capacity(self.head.frames.into()), &self.bytes[HEADER..]);
        for _ in 0..self.head.frames {
            let (length, rest) = encrypted.split_first()?;
            let (name, rest) = rest.split_at_checked(usize::from(*length))?;
            names.push(streams.key(std::str::from_utf8(name).ok()?)?);
            encrypted = rest;
        }
        let opened = cipher.open(self.head.sequence, &[], encrypted.to_vec())?;
        let mut rest = opened.strip_prefix(&self.bytes[REPEATED_FROM..HEADER])?;
        let (mut frames, mut rows_left) = (Vec::with_capacity(names.len()), self.head.rows);
        for (sequence, stream) in (self.head.sequence..).zip(names) {
            rest = rest.strip_prefix(stream.digest())?;
            let (length, behind) = rest.split_first_chunk()?;
            let (payload, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            let rows = if self.head.kind == Kind::Rows { count_rows(payload)? } else { 0 };
            let bytes = (PER_FRAME + stream.as_str().len() + payload.len()) as u64;
            let payload = if wanted(sequence) { payload.to_vec() } else { Vec::new() };
            frames.push(Opened { sequence, stream, rows, bytes, payload });
            (rest, rows_left) = (behind, rows_left.checked_sub(rows)?);
        }
        (rest.is_empty() && rows_left == 0).then_some(frames)
    }
}

/// Reads the block at the start of `bytes`; `None` unless every byte of it is as it was written to this segment.
pub(super) fn decode<'a>(id: &SegmentId, bytes: &'a [u8]) -> Option<Decoded<'a>> {
    let head = Head::parse(bytes)?;
    let whole = bytes.get(..head.length)?;
    (checksum(id, whole).to_le_bytes() == whole[4..8]).then_some(Decoded { head, bytes: whole })
}

/// The number of rows, if their lengths cover the payload exactly.
fn count_rows(payload: &[u8]) -> Option<u32> {
    let mut rows = Rows(payload);
    let count = u32::try_from(rows.by_ref().count()).ok()?;
    rows.0.is_empty().then_some(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Secret;

    const ID: SegmentId = *b"0123456789abcdef";
    const FIRST: Place = Place { sequence: 1, position: 0, rows_before: 0 };

    fn encoder() -> Encoder {
        Encoder::new(&Keys::new(Secret::new([7; 32]), []), ID).0
    }

    fn rows(stream: &str, rows: &[Vec<u8>]) -> Frame {
        let mut frame = Frame::new(StreamKey::new(stream).unwrap());
        rows.iter().for_each(|row| frame.push(row));
        frame
    }

    /// The streams and rows of a block; `None` if it does not open.
    fn opened(bytes: &[u8]) -> Option<Vec<(String, Vec<Vec<u8>>)>> {
        let frames = decode(&ID, bytes)?.open(&encoder().cipher, &mut Streams::default(), |_| true)?;
        let rows = |frame: &Opened| Rows(&frame.payload).map(<[u8]>::to_vec).collect();
        Some(frames.iter().map(|frame| (frame.stream.as_str().to_owned(), rows(frame))).collect())
    }

    /// So a release can always read the blocks of the release before it.
    #[test]
    fn the_format_is_these_bytes() {
        let mut bytes = Vec::new();
        let frames = [rows("events", &[b"ab".to_vec(), vec![]]), rows("errors", &[b"c".to_vec()])];
        encoder().block(&frames, Place { sequence: 0x0102, position: 3, rows_before: 5 }, &mut bytes);
        let golden: &[&[u8]] = &[
            &[109, 0, 0, 0],
            &[136, 77, 74, 174],
            &[2, 1, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0],
            &[3, 0, 1, 2],
            &[5, 0, 0, 0],
            b"\x06events\x06errors",
            &[
                136, 160, 201, 218, 207, 197, 60, 72, 190, 132, 34, 36, 116, 194, 170, 236, 209, 192, 197, 117, 238,
                171, 73, 150, 64, 158, 141, 128, 59, 233, 116, 183, 70, 195, 180, 207, 196, 66, 255, 204, 201, 77, 183,
                121, 149, 52, 234, 155, 52, 211, 116,
            ],
            &[197, 205, 161, 7, 27, 5, 20, 176, 234, 28, 80, 128, 55, 151, 4, 147],
        ];
        assert_eq!(bytes, golden.concat());
    }

    #[test]
    fn a_block_of_another_segment_does_not_validate() {
        let mut bytes = Vec::new();
        encoder().block(&[rows("a", &[b"row".to_vec()])], FIRST, &mut bytes);
        assert!(decode(&ID, &bytes).is_some());
        assert!(decode(b"another segment!", &bytes).is_none());
    }

    /// Who has not the key can make any checksum right.
    #[test]
    fn a_block_of_which_anything_readable_was_changed_does_not_open() {
        let mut bytes = Vec::new();
        let frames = ["events", "errors"].map(|stream| rows(stream, &[b"row".to_vec()]));
        encoder().block(&frames, FIRST, &mut bytes);
        assert!(opened(&bytes).is_some());
        for at in 8..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let checksum = checksum(&ID, &changed);
                changed[4..8].copy_from_slice(&checksum.to_le_bytes());
                assert!(opened(&changed).is_none(), "byte {at}, bit {bit}");
            }
        }
        let mut longer = [&bytes[..], &[0]].concat();
        longer[0] += 1;
        let checksum = checksum(&ID, &longer);
        longer[4..8].copy_from_slice(&checksum.to_le_bytes());
        assert!(decode(&ID, &longer).is_some() && opened(&longer).is_none());
    }

    #[test]
    fn a_commit_is_written_in_blocks_of_one_kind_and_a_bounded_size() {
        let stone = || Frame::tombstone(StreamKey::new("!").unwrap(), vec![1]);
        let small = || rows("a", &[vec![0; 900]]);
        let blocks = |frames: &[Frame]| {
            let (mut out, mut found) = (Vec::new(), Vec::new());
            let (behind, _) = encoder().commit(frames, 1, 0, &mut out);
            assert_eq!(behind, 1 + frames.len() as u64);
            let mut left = &out[..];
            while let Some(decoded) = decode(&ID, left) {
                found.push(decoded.head.frames);
                left = &left[decoded.head.length..];
            }
            assert!(left.is_empty());
            assert!(
                out.len() <= frames.iter().map(Frame::encoded_len).sum::<usize>(),
                "an append was admitted with what it takes"
            );
            found
        };
        assert_eq!(blocks(&[small(), stone(), stone(), small()]), [1, 2, 1]);
        assert_eq!(blocks(&[small(), small(), small(), small(), small()]), [4, 1]);
        assert_eq!(blocks(&[small(), rows("a", &[vec![0; 9_000]]), small()]), [1, 1, 1]);
        let empty: Vec<Frame> = (0..300).map(|_| rows("a", &[])).collect();
        assert_eq!(blocks(&empty), [255, 45]);
    }

    #[test]
    fn a_void_stands_for_whatever_lies_there() {
        let mut bytes = (0..100).collect::<Vec<u8>>();
        let header = void_header(&ID, &bytes, 7, 3, 2);
        bytes[..HEADER].copy_from_slice(&header);
        let head = decode(&ID, &bytes).unwrap().head;
        assert_eq!((head.kind, head.sequence, head.next_sequence(), head.length), (Kind::Void, 7, 10, 100));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            frames in prop::collection::vec(
                ("[a-z/.0-9]{1,40}", prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8)), 1..9),
            sequence in 0..u64::MAX - 9, position: u16, rows_before: u32, behind in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let mut bytes = Vec::new();
            let made: Vec<Frame> = frames.iter().map(|(stream, data)| rows(stream, data)).collect();
            encoder().block(&made, Place { sequence, position, rows_before }, &mut bytes);
            prop_assert!(made.len() > 1 || bytes.len() == made[0].encoded_len());
            bytes.extend(behind);
            let head = decode(&ID, &bytes).unwrap().head;
            prop_assert_eq!(head.sequence, sequence);
            prop_assert_eq!(head.next_sequence(), sequence + made.len() as u64);
            prop_assert_eq!(head.position, position);
            prop_assert_eq!(head.rows_before, rows_before);
            prop_assert_eq!(opened(&bytes), Some(frames));
        }

        #[test]
        fn arbitrary_bytes_never_panic_nor_pass(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decode(&ID, &bytes).is_none());
            let _ = Rows(&bytes).count();
        }

        /// When the header is plausible, only the checksum keeps noise out of the store.
        #[test]
        fn a_changed_byte_is_noticed(at in 0_usize..60, change in 1_u8..) {
            let mut bytes = Vec::new();
            encoder().block(&[rows("events", &[vec![7; 26]])], FIRST, &mut bytes);
            bytes[at] ^= change;
            prop_assert!(decode(&ID, &bytes).is_none());
        }
    }
}
