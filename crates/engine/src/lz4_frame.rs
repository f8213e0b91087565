//! LZ4 frames (`Content-Encoding: lz4`): the Python client sends its inserts in them.
//!
//! The library's frame decoder needs a blocking reader, but bodies arrive in chunks. So this module reads the framing,
//! and the library decompresses each block. A block may refer to the 64 KiB before it. The frame's header bounds the
//! size of a block and cannot announce more than 4 MiB. The optional checksums are skipped, since the data never leaves
//! this machine.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::failure::Failure;

const MAGIC: u32 = 0x184d_2204;
/// How far back a block may refer.
const WINDOW: usize = 64 << 10;

/// Decompresses frames that arrive in chunks of any size.
#[derive(Default)]
pub(crate) struct FrameDecoder {
    pending: BytesMut,
    frame: Option<Frame>,
    window: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Frame {
    largest_block: usize,
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
}

impl FrameDecoder {
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
    }

    /// The next block, or `None` if it needs more bytes.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Some(frame) = self.frame else {
                if !self.begin()? {
                    return Ok(None);
                }
                continue;
            };
            let Some(size) = self.pending.get(..4).map(number) else { return Ok(None) };
            if size == 0 {
                let end = if frame.content_checksum { 8 } else { 4 };
                if self.pending.len() < end {
                    return Ok(None);
                }
                self.pending.advance(end);
                (self.frame, self.window) = (None, Vec::new());
                continue;
            }
            let length = (size & 0x7fff_ffff) as usize;
            if length > frame.largest_block {
                return Err(broken());
            }
            let end = 4 + length + if frame.block_checksums { 4 } else { 0 };
            if self.pending.len() < end {
                return Ok(None);
            }
            let whole = self.pending.split_to(end);
            let data = &whole[4..4 + length];
            let block = if size == length as u32 {
                lz4_flex::block::decompress_with_dict(data, frame.largest_block, &self.window).map_err(|_| broken())?
            } else {
                data.to_vec()
            };
            if frame.linked {
                self.window.extend_from_slice(&block);
                self.window.drain(..self.window.len().saturating_sub(WINDOW));
            }
            return Ok(Some(block.into()));
        }
    }

    /// Reads a frame's header. Returns false while it is incomplete.
    fn begin(&mut self) -> Result<bool, Failure> {
        let [m0, m1, m2, m3, flags, sizes, ..] = self.pending[..] else { return Ok(false) };
        if number(&[m0, m1, m2, m3]) != MAGIC || flags >> 6 != 1 || flags & 1 != 0 {
            return Err(broken());
        }
        let largest_block = match (sizes >> 4) & 7 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(broken()),
        };
        // Six bytes, the content's size if it is given, and the header's checksum.
        let end = 7 + if flags & 8 != 0 { 8 } else { 0 };
        if self.pending.len() < end {
            return Ok(false);
        }
        self.pending.advance(end);
        let (linked, block_checksums, content_checksum) = (flags & 0x20 == 0, flags & 0x10 != 0, flags & 4 != 0);
        self.frame = Some(Frame { largest_block, linked, block_checksums, content_checksum });
        Ok(true)
    }

    /// Checks that the stream ended between two frames.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        if self.frame.is_some() || self.pending.has_remaining() { Err(broken()) } else { Ok(()) }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn broken() -> Failure {
    Failure::new(271, "CANNOT_DECOMPRESS", "The body is not a whole sequence of LZ4 frames.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoded: &[u8], cut: usize) -> Result<Vec<u8>, Failure> {
        let mut decoder = FrameDecoder::default();
        let mut out = Vec::new();
        for piece in encoded.chunks(cut) {
            decoder.push(piece);
            while let Some(block) = decoder.next()? {
                out.extend_from_slice(&block);
            }
        }
        decoder.finish().map(|()| out)
    }

    /// A frame as the standard tools write it: linked blocks of at most 64 KiB, the second of which refers to the
    /// first.
    fn frame(blocks: &[&[u8]]) -> Vec<u8> {
        let mut out = vec![0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0];
        let mut before = Vec::new();
        for block in blocks {
            let data = lz4_flex::block::compress_with_dict(block, &before);
            out.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
            out.extend_from_slice(&data);
            before.extend_from_slice(block);
        }
        out.extend_from_slice(&[0; 4]);
        out
    }

    #[test]
    fn linked_blocks_are_expanded_however_they_are_cut() {
        let (first, second) = ("tamga ".repeat(5000), "tamga ".repeat(3000) + "end");
        let encoded = frame(&[first.as_bytes(), second.as_bytes()]);
        for cut in [1, 7, 1000, 1 << 20] {
            assert_eq!(decode(&encoded, cut).unwrap(), (first.clone() + &second).into_bytes());
        }
        assert!(decode(&encoded[..encoded.len() - 1], 100).is_err(), "an unfinished frame is not believed");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, 9);
            bytes.splice(0..0, [0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0]);
            let _ = decode(&bytes, 9);
        }
    }
}
