//! One frame: rows of one stream, or a tombstone, with the fields that find it again and verify it.
//!
//! ```text
//!  0  4  length      of the whole frame, this header included
//!  4  4  CRC32C      of the segment's random id, then of the frame without this field
//!  8  8  sequence    one more than the frame before it
//! 16  4  rows        (of a void: sequences that it stands for)
//! 20  2  position    within the commit that wrote it: 0 begins a commit
//! 22  1  kind        1 rows · 2 tombstone · 3 void
//! 23  1  stream length
//! 24  4  rows before  in this segment: a whole frame says how many rows the damaged frames before it had
//! 28  n  stream        UTF-8
//!  …     payload     rows: per row its length (4 bytes), then its bytes; encrypted (cipher.rs)
//!  … 16  tag         of the payload and of what lies before it, but for the checksum; a void has none
//! ```
//!
//! All numbers are little-endian. The id in the checksum means that bytes of another segment, or bytes that a visitor
//! sent in the shape of a frame, do not validate: the id never leaves the machine. A void replaces a torn
//! commit that was never acknowledged. Only recovery writes it.

use std::fmt;
use std::sync::Arc;

use super::cipher::{Cipher, KeyCheck, Keys, SegmentId, TAG};

/// Bytes before the stream.
pub(super) const HEADER: usize = 28;

/// The largest append, all frames together. A beacon is at most 64 KiB; this leaves two orders of magnitude.
pub const MAX_APPEND_BYTES: usize = 8 << 20;

/// The most frames one commit may hold: `position` is 16 bits wide.
pub(super) const MAX_COMMIT_FRAMES: usize = u16::MAX as usize;

/// The name of a stream, as the caller spells it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(Arc<str>);

impl StreamKey {
    /// A name of 1 to 255 bytes; `None` otherwise.
    pub fn new(name: &str) -> Option<Self> {
        (1..=usize::from(u8::MAX)).contains(&name.len()).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Length-prefixed rows.
    Rows = 1,
    /// An erasure, carried out in order; the payload is the consumer's.
    Tombstone = 2,
    /// The remains of a commit that was never acknowledged.
    Void = 3,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Rows, Self::Tombstone, Self::Void].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A frame to append. It has no `Debug`: what it holds is not for logs.
pub struct Frame {
    pub(super) stream: StreamKey,
    pub(super) kind: Kind,
    pub(super) rows: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// A frame for rows; add them with [`Frame::push`].
    pub fn new(stream: StreamKey) -> Self {
        Self { stream, kind: Kind::Rows, rows: 0, payload: Vec::new() }
    }

    /// A tombstone. The consumer gets it after everything that was appended before it.
    pub fn tombstone(stream: StreamKey, payload: Vec<u8>) -> Self {
        Self { stream, kind: Kind::Tombstone, rows: 0, payload }
    }

    /// Adds one row to a frame made by [`Frame::new`].
    pub fn push(&mut self, row: &[u8]) {
        debug_assert!(self.kind == Kind::Rows, "a tombstone has no rows");
        self.payload.reserve(size_of::<u32>() + row.len());
        // A row beyond 4 GiB would be cut here, but a frame that large is refused by `append`.
        self.payload.extend_from_slice(&u32::try_from(row.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.payload.extend_from_slice(row);
        self.rows = self.rows.saturating_add(1);
    }

    /// How many rows it holds.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// What it takes in the spool.
    pub fn encoded_len(&self) -> usize {
        HEADER + self.stream.0.len() + self.payload.len() + TAG
    }

    /// Writes it behind what `out` holds. The caller has checked [`MAX_APPEND_BYTES`].
    pub(super) fn encode(&self, cipher: &Cipher, id: &SegmentId, place: Place, out: &mut Vec<u8>) {
        let start = out.len();
        let length = u32::try_from(self.encoded_len()).expect("append refuses what is larger than MAX_APPEND_BYTES");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&place.sequence.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&place.position.to_le_bytes());
        out.push(self.kind as u8);
        out.push(u8::try_from(self.stream.0.len()).expect("a stream has at most 255 bytes"));
        out.extend_from_slice(&place.rows_before.to_le_bytes());
        out.extend_from_slice(self.stream.0.as_bytes());
        let payload = out.len();
        out.extend_from_slice(&self.payload);
        let (head, payload) = out[start..].split_at_mut(payload - start);
        let tag = cipher.seal(place.sequence, head, payload);
        out.extend_from_slice(&tag);
        let checksum = checksum(id, &out[start..]);
        out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Writes the frames of one segment.
pub struct Encoder {
    pub(super) id: SegmentId,
    pub(super) cipher: Cipher,
}

impl Encoder {
    /// Of the segment with this id, and what its header says of the key.
    pub fn new(keys: &Keys, id: SegmentId) -> (Self, KeyCheck) {
        let (cipher, check) = keys.begin(&id);
        (Self { id, cipher }, check)
    }

    /// Writes a commit behind what `out` holds. Its first frame has the sequence `first`, and `rows_before` rows of the segment are
    /// before it. Returns the sequence after it, and its rows.
    pub fn commit<'a>(
        &self,
        frames: impl IntoIterator<Item = &'a Frame>,
        first: u64,
        rows_before: u64,
        out: &mut Vec<u8>,
    ) -> (u64, u64) {
        let (mut sequence, mut position, mut rows) = (first, 0, 0);
        for frame in frames {
            let rows_before = u32::try_from(rows_before + rows).unwrap_or(u32::MAX);
            frame.encode(&self.cipher, &self.id, Place { sequence, position, rows_before }, out);
            (sequence, position, rows) = (sequence + 1, position + 1, rows + u64::from(frame.rows()));
        }
        (sequence, rows)
    }
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

fn checksum(id: &SegmentId, frame: &[u8]) -> u32 {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(id), &frame[..4]);
    crc32c::crc32c_append(checksum, &frame[8..])
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    /// Within its commit.
    pub(super) position: u16,
    /// Rows before it in its segment.
    pub(super) rows_before: u32,
}

/// The fixed part of what may be a frame: enough to decide whether a closer look is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) sequence: u64,
    pub(super) rows: u32,
    pub(super) position: u16,
    pub(super) kind: Kind,
    /// Rows before it in its segment. A void does not know them.
    pub(super) rows_before: u32,
    stream_length: usize,
}

impl Head {
    /// Reads a header; `None` when no frame can begin so.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let length = word(0)? as usize;
        let sequence = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
        let rows = word(16)?;
        let position = u16::from_le_bytes(bytes.get(20..22)?.try_into().ok()?);
        let kind = Kind::from_byte(*bytes.get(22)?)?;
        let stream_length = usize::from(*bytes.get(23)?);
        let rows_before = word(24)?;
        let tag = if kind == Kind::Void { 0 } else { TAG };
        let plausible = length >= HEADER + stream_length + tag
            && length <= HEADER + MAX_APPEND_BYTES
            && (stream_length == 0) == (kind == Kind::Void)
            && (kind == Kind::Void) <= (rows > 0);
        plausible.then_some(Self { length, sequence, rows, position, kind, rows_before, stream_length })
    }
}

/// A frame that was read and found whole. Its payload is encrypted.
pub(super) struct Decoded<'a> {
    pub(super) head: Head,
    pub(super) stream: &'a str,
    bytes: &'a [u8],
}

impl Decoded<'_> {
    /// Decrypts the payload; `None` if it was not encrypted so, or has not the rows that the header says.
    pub(super) fn open(&self, cipher: &Cipher) -> Option<Vec<u8>> {
        let (head, sealed) = self.bytes.split_at(HEADER + self.head.stream_length);
        let mut head = head.to_vec();
        head[4..8].fill(0);
        let payload = cipher.open(self.head.sequence, &head, sealed.to_vec())?;
        (self.head.kind != Kind::Rows || count_rows(&payload) == Some(self.head.rows)).then_some(payload)
    }
}

/// Reads the frame at the start of `bytes`; `None` unless every byte of it is as it was written to this segment.
pub(super) fn decode<'a>(id: &SegmentId, bytes: &'a [u8]) -> Option<Decoded<'a>> {
    let head = Head::parse(bytes)?;
    let whole = bytes.get(..head.length)?;
    if checksum(id, whole).to_le_bytes() != whole[4..8] {
        return None;
    }
    let stream = std::str::from_utf8(&whole[HEADER..HEADER + head.stream_length]).ok()?;
    Some(Decoded { head, stream, bytes: whole })
}

/// The number of rows, if their lengths cover the payload exactly.
fn count_rows(payload: &[u8]) -> Option<u32> {
    let mut rows = Rows(payload);
    let count = u32::try_from(rows.by_ref().count()).ok()?;
    rows.0.is_empty().then_some(count)
}

/// The rows of a payload, in order. Over damaged bytes it ends early; it never panics.
#[derive(Clone)]
pub struct Rows<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Rows<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (row, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Secret;

    const ID: SegmentId = *b"0123456789abcdef";
    const FIRST: Place = Place { sequence: 1, position: 0, rows_before: 0 };

    fn cipher() -> Cipher {
        Keys::new(Secret::new([7; 32]), []).begin(&ID).0
    }

    fn rows(stream: &str, rows: &[Vec<u8>]) -> Frame {
        let mut frame = Frame::new(StreamKey::new(stream).unwrap());
        rows.iter().for_each(|row| frame.push(row));
        frame
    }

    /// So a release can always read the frames of the release before it.
    #[test]
    fn the_format_is_these_bytes() {
        let mut bytes = Vec::new();
        rows("events", &[b"ab".to_vec(), vec![]]).encode(
            &cipher(),
            &ID,
            Place { sequence: 0x0102, position: 3, rows_before: 5 },
            &mut bytes,
        );
        let golden: &[&[u8]] = &[
            &[60, 0, 0, 0],
            &[32, 38, 163, 119],
            &[2, 1, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0],
            &[3, 0, 1, 6],
            &[5, 0, 0, 0],
            b"events",
            &[137, 160, 201, 218, 173, 167, 61, 74, 187, 132],
            &[147, 41, 114, 238, 97, 115, 127, 141, 152, 199, 30, 198, 200, 163, 127, 227],
        ];
        assert_eq!(bytes, golden.concat());
    }

    #[test]
    fn a_stream_is_bounded() {
        assert!(StreamKey::new("").is_none());
        assert!(StreamKey::new(&"x".repeat(255)).is_some());
        assert!(StreamKey::new(&"x".repeat(256)).is_none());
    }

    #[test]
    fn a_frame_of_another_segment_does_not_validate() {
        let mut bytes = Vec::new();
        rows("a", &[b"row".to_vec()]).encode(&cipher(), &ID, FIRST, &mut bytes);
        assert!(decode(&ID, &bytes).is_some());
        assert!(decode(b"another segment!", &bytes).is_none());
    }

    #[test]
    fn a_void_stands_for_whatever_lies_there() {
        let mut bytes = (0..100).collect::<Vec<u8>>();
        let header = void_header(&ID, &bytes, 7, 3, 2);
        bytes[..HEADER].copy_from_slice(&header);
        let decoded = decode(&ID, &bytes).unwrap();
        assert_eq!(
            (decoded.head.kind, decoded.head.sequence, decoded.head.rows, decoded.head.length),
            (Kind::Void, 7, 3, 100)
        );
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            stream in "[a-z/.0-9]{1,40}",
            data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
            sequence: u64, position: u16, rows_before: u32, behind in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let mut bytes = Vec::new();
            let frame = rows(&stream, &data);
            frame.encode(&cipher(), &ID, Place { sequence, position, rows_before }, &mut bytes);
            prop_assert_eq!(bytes.len(), frame.encoded_len());
            bytes.extend(behind);
            let decoded = decode(&ID, &bytes).unwrap();
            prop_assert_eq!(decoded.head.sequence, sequence);
            prop_assert_eq!(decoded.head.position, position);
            prop_assert_eq!(decoded.head.rows_before, rows_before);
            prop_assert_eq!(decoded.stream, stream);
            prop_assert_eq!(Rows(&decoded.open(&cipher()).unwrap()).map(<[u8]>::to_vec).collect::<Vec<_>>(), data);
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
            rows("events", &[vec![7; 26]]).encode(&cipher(), &ID, FIRST, &mut bytes);
            bytes[at] ^= change;
            prop_assert!(decode(&ID, &bytes).is_none());
        }
    }
}
