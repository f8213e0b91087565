//! A request's body. It is decompressed if needed, and each chunk has a deadline.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::lz4_frame::FrameDecoder;
use crate::native_block::Decoder;

/// The time that a client may take for the next chunk.
const PIECE_DEADLINE: Duration = Duration::from_secs(30);

/// How much of a body is read and dropped, and for how long, so that its sender sees the answer.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_DEADLINE: Duration = Duration::from_secs(5);

/// The longest statement. The engine itself stops at `max_query_size`, 256 KiB unless set.
pub(crate) const MAX_TEXT_BYTES: usize = 1 << 20;

/// The compression of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    /// In ClickHouse's compressed blocks.
    Blocks,
    /// In LZ4 frames.
    Frames,
}

enum Unpacker {
    Blocks(Decoder),
    Frames(FrameDecoder),
}

impl Unpacker {
    fn push(&mut self, piece: &[u8]) {
        match self {
            Self::Blocks(decoder) => decoder.push(piece),
            Self::Frames(decoder) => decoder.push(piece),
        }
    }

    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Blocks(decoder) => decoder.next(),
            Self::Frames(decoder) => decoder.next(),
        }
    }

    fn finish(&self) -> Result<(), Failure> {
        match self {
            Self::Blocks(decoder) => decoder.finish(),
            Self::Frames(decoder) => decoder.finish(),
        }
    }
}

/// Reads a body chunk by chunk.
pub(crate) struct BodyReader {
    /// `None` when everything was read.
    incoming: Option<Incoming>,
    decoder: Option<Unpacker>,
}

impl BodyReader {
    pub(crate) fn new(incoming: Incoming, packing: Packing) -> Self {
        let decoder = match packing {
            Packing::Plain => None,
            Packing::Blocks => Some(Unpacker::Blocks(Decoder::default())),
            Packing::Frames => Some(Unpacker::Frames(FrameDecoder::default())),
        };
        Self { incoming: Some(incoming), decoder }
    }

    /// A body that was read already.
    pub(crate) fn ended() -> Self {
        Self { incoming: None, decoder: None }
    }

    /// The next chunk, or `None` after the last. After an error the body must not be taken for complete.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(decoder) = &mut self.decoder
                && let Some(block) = decoder.next()?
            {
                return Ok(Some(block));
            }
            let Some(incoming) = &mut self.incoming else { return Ok(None) };
            let frame = timeout(PIECE_DEADLINE, incoming.frame()).await.map_err(|_| {
                let sentence = format!("The body stopped for {} seconds.", PIECE_DEADLINE.as_secs());
                Failure::new(209, "SOCKET_TIMEOUT", &sentence).with_status(StatusCode::REQUEST_TIMEOUT)
            })?;
            let Some(frame) = frame else {
                self.incoming = None;
                return self.decoder.as_ref().map_or(Ok(()), Unpacker::finish).map(|()| None);
            };
            let frame = frame.map_err(|_| {
                Failure::new(210, "NETWORK_ERROR", "The body broke off.").with_status(StatusCode::BAD_REQUEST)
            })?;
            match (frame.into_data(), &mut self.decoder) {
                (Ok(data), Some(decoder)) => decoder.push(&data),
                (Ok(data), None) if !data.is_empty() => return Ok(Some(data)),
                // Trailers are not used.
                _ => {}
            }
        }
    }

    /// Reads some of the rest and drops it.
    pub(crate) async fn discard(&mut self) {
        let mut bytes = 0;
        let all = async {
            while bytes < DISCARD_BYTES
                && let Ok(Some(piece)) = self.next().await
            {
                bytes += piece.len();
            }
        };
        // The answer is the engine's reason, even if the body fails here.
        let _ = timeout(DISCARD_DEADLINE, all).await;
    }

    /// Reads the rest. Together with `text` it must fit into the longest statement.
    pub(crate) async fn read_text(&mut self, text: &mut BytesMut) -> Result<(), Failure> {
        while let Some(piece) = self.next().await? {
            text.extend_from_slice(&piece);
            if text.len() > MAX_TEXT_BYTES {
                return Err(too_long());
            }
        }
        Ok(())
    }
}

pub(crate) fn too_long() -> Failure {
    Failure::too_large(&format!("A statement may have {MAX_TEXT_BYTES} bytes; this one is longer."))
}
