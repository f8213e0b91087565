//! ClickHouse's own compression framing (`decompress=1`, `compress=1`), LZ4 only.
//!
//! A frame is 16 bytes of CityHash128 (of the 1.0.2 variant), then one byte for the method, the compressed length
//! (these nine bytes included) and the decompressed length, both little-endian, then the data. The hash covers
//! everything after itself. Both lengths are bounded before anything is allocated.

use bytes::{Buf, Bytes, BytesMut};

use crate::failure::Failure;

const CHECKSUM: usize = 16;
const HEADER: usize = 9;
const METHOD_LZ4: u8 = 0x82;
const METHOD_NONE: u8 = 0x02;
const METHOD_ZSTD: u8 = 0x90;

/// The longest block, compressed or not. ClickHouse cuts at 1 MiB, the Rust client at 256 KiB. One wide row may be
/// longer.
pub(crate) const MAX_BLOCK_BYTES: usize = 8 << 20;

/// Decompresses a stream of frames that arrives in chunks of any size.
#[derive(Default)]
pub(crate) struct Decoder {
    pending: BytesMut,
}

impl Decoder {
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
    }

    /// The next whole block, or `None` if it needs more bytes.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(frame) = self.pending.get(CHECKSUM..CHECKSUM + HEADER) else { return Ok(None) };
        let (method, compressed, expanded) = (frame[0], length(&frame[1..5]), length(&frame[5..9]));
        if method == METHOD_ZSTD {
            return Err(Failure::not_implemented("Blocks compressed with ZSTD are not read here; use LZ4 or none."));
        }
        if !(HEADER..=MAX_BLOCK_BYTES).contains(&compressed) || expanded > MAX_BLOCK_BYTES {
            return Err(Failure::new(
                271,
                "CANNOT_DECOMPRESS",
                &format!(
                    "A compressed block announces an impossible length; at most {MAX_BLOCK_BYTES} bytes are read."
                ),
            ));
        }
        let end = CHECKSUM + compressed;
        if self.pending.len() < end {
            return Ok(None);
        }
        let frame = self.pending.split_to(end).freeze();
        if checksum(&frame[CHECKSUM..]) != frame[..CHECKSUM] {
            return Err(Failure::new(
                40,
                "CHECKSUM_DOESNT_MATCH",
                "The checksum of a compressed block does not match its data.",
            ));
        }
        let data = frame.slice(CHECKSUM + HEADER..);
        match method {
            METHOD_LZ4 => lz4_flex::block::decompress(&data, expanded)
                .ok()
                .filter(|block| block.len() == expanded)
                .map(|block| Some(Bytes::from(block)))
                .ok_or_else(|| Failure::new(271, "CANNOT_DECOMPRESS", "A compressed block is not valid LZ4.")),
            METHOD_NONE if data.len() == expanded => Ok(Some(data)),
            _ => Err(Failure::new(
                89,
                "UNKNOWN_COMPRESSION_METHOD",
                "A block names an unknown compression method; use LZ4.",
            )),
        }
    }

    /// Checks that the stream ended between two frames.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        if self.pending.has_remaining() {
            return Err(Failure::new(271, "CANNOT_DECOMPRESS", "The data ends in the middle of a compressed block."));
        }
        Ok(())
    }
}

/// Frames `data`, in blocks of at most 1 MiB.
pub(crate) fn encode(data: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    for block in data.chunks(1 << 20) {
        let compressed = lz4_flex::block::compress(block);
        let mut frame = Vec::with_capacity(HEADER + compressed.len());
        frame.push(METHOD_LZ4);
        for length in [compressed.len() + HEADER, block.len()] {
            frame.extend_from_slice(&u32::try_from(length).expect("a block of 1 MiB").to_le_bytes());
        }
        frame.extend_from_slice(&compressed);
        out.extend_from_slice(&checksum(&frame));
        out.extend_from_slice(&frame);
    }
    out.freeze()
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    cityhash_rs::cityhash_102_128(bytes).rotate_right(64).to_le_bytes()
}

fn length(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<u8>, Failure> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for piece in pieces {
            decoder.push(&piece);
            while let Some(block) = decoder.next()? {
                out.extend_from_slice(&block);
            }
        }
        decoder.finish().map(|()| out)
    }

    #[test]
    fn a_block_of_another_implementation_is_understood() {
        // "abc" as the official client frames it (no match in LZ4: one literal run).
        let frame = encode(b"abc");
        assert_eq!(frame[16..], [0x82, 13, 0, 0, 0, 3, 0, 0, 0, 0x30, b'a', b'b', b'c']);
        assert_eq!(decode([frame.to_vec()]).unwrap(), b"abc");
    }

    #[test]
    fn impossible_lengths_and_methods_are_refused_before_anything_is_allocated() {
        let frame = |method: u8, compressed: u32, expanded: u32| {
            let mut bytes = vec![0; CHECKSUM];
            bytes.push(method);
            bytes.extend_from_slice(&compressed.to_le_bytes());
            bytes.extend_from_slice(&expanded.to_le_bytes());
            bytes
        };
        assert_eq!(decode([frame(METHOD_LZ4, u32::MAX, 1)]).unwrap_err().code, 271);
        assert_eq!(decode([frame(METHOD_LZ4, 20, u32::MAX)]).unwrap_err().code, 271);
        assert_eq!(decode([frame(METHOD_LZ4, 0, 1)]).unwrap_err().code, 271);
        assert_eq!(decode([frame(METHOD_ZSTD, 20, 1)]).unwrap_err().code, 48);
        assert_eq!(decode([frame(METHOD_LZ4, 9, 0)]).unwrap_err().code, 40);
    }

    proptest! {
        #[test]
        fn what_was_framed_comes_back_however_it_is_cut(
            data in proptest::collection::vec(0_u8..4, 0..5000), size in 1_usize..700,
        ) {
            let pieces: Vec<Vec<u8>> = encode(&data).chunks(size).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(decode(pieces).unwrap(), data);
        }

        #[test]
        fn one_changed_byte_never_passes(data in proptest::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, change in 1_u8..) {
            let mut frame = encode(&data).to_vec();
            let at = at.index(frame.len());
            frame[at] ^= change;
            prop_assert!(decode([frame]).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode([bytes]);
        }
    }
}
