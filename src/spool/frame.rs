//! Frames: rows of one stream, or a tombstone. What is appended is a list of them.
//!
//! A payload has per row its length (4 bytes, little-endian), then its bytes. The payload of a tombstone is the consumer's.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The largest append, all frames together. A beacon is at most 64 KiB; this leaves two orders of magnitude.
pub const MAX_APPEND_BYTES: usize = 8 << 20;

/// The most frames one commit may hold: `position` is 16 bits wide.
pub(super) const MAX_COMMIT_FRAMES: usize = u16::MAX as usize;

/// The digest of a stream's name.
pub(super) type Digest = [u8; 8];

/// The name of a stream, as the caller spells it, and its digest. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(Arc<(Box<str>, Digest)>);

impl StreamKey {
    /// A name of 1 to 255 bytes; `None` otherwise.
    pub fn new(name: &str) -> Option<Self> {
        let digest = || *blake3::hash(name.as_bytes()).as_bytes().first_chunk().expect("a hash has 32 bytes");
        (1..=usize::from(u8::MAX)).contains(&name.len()).then(|| Self(Arc::new((name.into(), digest()))))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    /// A hash of the name, for places where the name would be too long.
    pub(super) fn digest(&self) -> &Digest {
        &self.0.1
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The keys of the streams that were met: each is made once.
#[derive(Default)]
pub(super) struct Streams(HashMap<Box<str>, StreamKey>);

/// A segment has frames of some hundred streams.
const STREAMS_MAX: usize = 4096;

impl Streams {
    /// The key of a name.
    pub(super) fn key(&mut self, name: &str) -> Option<StreamKey> {
        if let Some(known) = self.0.get(name) {
            return Some(known.clone());
        }
        if self.0.len() >= STREAMS_MAX {
            self.0.clear();
        }
        let key = StreamKey::new(name)?;
        self.0.insert(name.into(), key.clone());
        Some(key)
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
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
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

    /// The stream of its rows.
    pub fn stream(&self) -> &StreamKey {
        &self.stream
    }

    /// How many rows it holds.
    pub fn rows(&self) -> u32 {
        self.rows
    }
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
    use super::*;

    #[test]
    fn a_stream_is_bounded() {
        assert!(StreamKey::new("").is_none());
        assert!(StreamKey::new(&"x".repeat(255)).is_some());
        assert!(StreamKey::new(&"x".repeat(256)).is_none());
    }

    #[test]
    fn the_memory_of_streams_is_bounded() {
        let mut streams = Streams::default();
        for number in 0..3 * STREAMS_MAX {
            let name = number.to_string();
            assert_eq!(streams.key(&name).unwrap(), streams.key(&name).unwrap());
            assert!(streams.0.len() <= STREAMS_MAX);
        }
    }
}
