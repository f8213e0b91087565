//! What the reader hands out: delivery batches, made of one batch per stream.

use std::collections::HashMap;
use std::sync::Arc;

use super::frame::{Kind, Rows, StreamKey};
use super::segment::Scanned;
use super::state::{Boundary, MAX_BATCHES, OpenDelivery};

/// How large a delivery batch may become. A single frame beyond a limit still makes a delivery batch of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// Rows per batch.
    pub max_rows: u64,
    /// Bytes of all frames together; what a delivery batch takes in memory.
    pub max_bytes: u64,
    /// Batches; at most 4096.
    pub max_batches: usize,
}

impl DeliveryLimits {
    /// How many streams a delivery batch may have.
    pub(super) fn streams(&self) -> usize {
        self.max_batches.clamp(1, MAX_BATCHES)
    }
}

impl Default for DeliveryLimits {
    /// Inserts short enough that what shares a machine with the store is not held up for long, and delivery batches
    /// large enough that the inserts of many streams are not tiny.
    fn default() -> Self {
        Self { max_rows: 25_000, max_bytes: 32 << 20, max_batches: 2048 }
    }
}

/// Consecutive frames, to be settled together. It has no `Debug`: what it holds is not for logs.
pub struct DeliveryBatch {
    /// Whether these boundaries were handed out before, by this process or a former one. Then any of the batches may be
    /// in the store already, and its rows must be counted there before it is sent.
    pub resumed: bool,
    /// The first sequence.
    pub first_sequence: u64,
    /// The last; the delivery batch covers everything in between.
    pub last_sequence: u64,
    /// What the rows' columns are.
    pub schema_version: u32,
    /// One batch per stream that has rows, in the order in which the streams first appear.
    pub batches: Vec<StreamBatch>,
    /// Erasures, in order. They follow all rows of this delivery batch: nothing in it was appended after the first of
    /// them.
    pub tombstones: Vec<Tombstone>,
    /// In a part of a crowd, all tombstones of the crowd. They are carried out with its last part, and a row that one of them erases need
    /// not be delivered before.
    pub of_crowd: Arc<[Tombstone]>,
}

/// The rows of one stream in one delivery batch.
pub struct StreamBatch {
    /// The stream of the rows.
    pub stream: StreamKey,
    /// A random number, not zero, persisted with the boundary: the column by which the store's rows are counted.
    pub value: u64,
    /// The deduplication token: a hash over the boundary and the value.
    pub token: String,
    /// How many rows the boundary comprises.
    pub rows: u64,
    /// How many of them are damaged and therefore not here. Only a resumed delivery batch can have any.
    pub lost_rows: u64,
    payload: Vec<u8>,
}

impl StreamBatch {
    /// The rows, in the order in which they were appended.
    pub fn iter(&self) -> Rows<'_> {
        Rows(&self.payload)
    }

    /// What the rows take, a length of four bytes each included.
    pub fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// A batch with the rows of a boundary all lost.
    #[cfg(test)]
    pub(crate) fn without_rows(stream: &str, rows: u64) -> Self {
        let stream = StreamKey::new(stream).expect("a stream's label");
        Self::new(&Boundary { stream, value: 1, rows, first: 1, last: 1 })
    }

    /// A batch with these rows.
    #[cfg(test)]
    pub(crate) fn with_rows(stream: &str, rows: &[&[u8]]) -> Self {
        let framed = rows.iter().flat_map(|row| [&(row.len() as u32).to_le_bytes()[..], row].concat());
        let batch = Self::without_rows(stream, rows.len() as u64);
        Self { lost_rows: 0, payload: framed.collect(), ..batch }
    }

    fn new(boundary: &Boundary) -> Self {
        Self {
            stream: boundary.stream.clone(),
            value: boundary.value,
            token: token(boundary),
            rows: boundary.rows,
            lost_rows: boundary.rows,
            payload: Vec::new(),
        }
    }
}

/// A tombstone: an erasure that the consumer carries out.
#[derive(Clone)]
pub struct Tombstone {
    /// Its sequence.
    pub sequence: u64,
    /// The stream of the rows to erase.
    pub stream: StreamKey,
    /// The payload, in the consumer's format.
    pub payload: Vec<u8>,
}

/// Two spools may have equal sequences and streams; the random value keeps their tokens apart.
pub(super) fn token(boundary: &Boundary) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("tamga spool 1: deduplication token of a batch");
    for number in [boundary.value, boundary.rows, boundary.first, boundary.last] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(boundary.stream.as_str().as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Builds a delivery batch: frames are added, then the boundaries get their random values.
#[derive(Default)]
pub(super) struct DeliveryBatchBuilder {
    streams: HashMap<StreamKey, usize>,
    batches: Vec<(Boundary, Vec<u8>)>,
    tombstones: Vec<Tombstone>,
    of_crowd: Arc<[Tombstone]>,
    bytes: u64,
    span: Option<(u64, u64, u32)>,
}

impl DeliveryBatchBuilder {
    /// Whether the frame may join.
    pub(super) fn admits(&self, frame: &Scanned, limits: &DeliveryLimits) -> bool {
        let Some((_, _, schema_version)) = self.span else { return true };
        let stream = self.streams.get(&frame.stream).map(|index| &self.batches[*index].0);
        let rows = stream.map_or(0, |batch| batch.rows);
        schema_version == frame.schema_version
            && self.bytes + frame.payload.len() as u64 <= limits.max_bytes
            && match frame.kind {
                Kind::Rows => {
                    self.tombstones.is_empty()
                        && (rows == 0 || rows + u64::from(frame.rows) <= limits.max_rows)
                        && (stream.is_some() || self.batches.len() < limits.streams())
                }
                Kind::Tombstone | Kind::Void => true,
            }
    }

    /// Adds a frame.
    pub(super) fn add(&mut self, mut frame: Scanned) {
        let first = self.span.map_or(frame.sequence, |(first, ..)| first);
        self.span = Some((first, frame.sequence, frame.schema_version));
        self.bytes += frame.payload.len() as u64;
        match frame.kind {
            Kind::Rows if frame.rows > 0 => {
                let index = *self.streams.entry(frame.stream.clone()).or_insert(self.batches.len());
                if index == self.batches.len() {
                    let (stream, first, last) = (frame.stream, frame.sequence, frame.sequence);
                    self.batches.push((Boundary { stream, value: 0, rows: 0, first, last }, Vec::new()));
                }
                let (boundary, payload) = &mut self.batches[index];
                boundary.rows += u64::from(frame.rows);
                boundary.last = frame.sequence;
                payload.append(&mut frame.payload);
            }
            Kind::Tombstone => {
                let Scanned { sequence, stream, payload, .. } = frame;
                self.tombstones.push(Tombstone { sequence, stream, payload });
            }
            Kind::Rows | Kind::Void => {}
        }
    }

    /// Notes all tombstones of its crowd.
    pub(super) fn is_of_crowd(&mut self, tombstones: &Arc<[Tombstone]>) {
        self.of_crowd = Arc::clone(tombstones);
    }

    /// Draws the boundaries of a new delivery batch; `None` when there is nothing to deliver. The delivery batch covers
    /// everything up to `passed`, at the position `rows_end`, so that what was lost behind its last frame is settled
    /// with it. `value` gives random numbers.
    pub(super) fn boundaries<E>(
        &mut self,
        passed: u64,
        rows_end: u64,
        value: impl Fn() -> Result<u64, E>,
    ) -> Result<Option<OpenDelivery>, E> {
        let Some((first, last, schema_version)) = self.span else { return Ok(None) };
        for (boundary, _) in &mut self.batches {
            boundary.value = value()?.max(1);
        }
        let batches: Vec<_> = self.batches.iter().map(|(boundary, _)| boundary.clone()).collect();
        let empty = batches.is_empty() && self.tombstones.is_empty();
        Ok((!empty).then_some(OpenDelivery { first, last: last.max(passed), rows_end, schema_version, batches }))
    }

    /// The delivery batch, exactly as the boundaries say. What damage took since they were drawn shows as lost rows.
    pub(super) fn into_delivery(self, open: &OpenDelivery, resumed: bool) -> DeliveryBatch {
        let mut batches: Vec<_> = open.batches.iter().map(StreamBatch::new).collect();
        for (boundary, payload) in self.batches {
            if let Some(batch) = batches.iter_mut().find(|batch| batch.stream == boundary.stream) {
                batch.lost_rows = batch.rows.saturating_sub(boundary.rows);
                batch.payload = payload;
            }
        }
        DeliveryBatch {
            resumed,
            first_sequence: open.first,
            last_sequence: open.last,
            schema_version: open.schema_version,
            batches,
            tombstones: self.tombstones,
            of_crowd: self.of_crowd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_from_the_boundary_alone() {
        let stream = StreamKey::new("events/jetpay.kz/2026-03-01").unwrap();
        let boundary = Boundary { stream, value: 7, rows: 3, first: 10, last: 12 };
        assert_eq!(token(&boundary), "872967278638b5347a2f712cb009bc13");
        for other in [
            Boundary { value: 8, ..boundary.clone() },
            Boundary { rows: 4, ..boundary.clone() },
            Boundary { first: 9, ..boundary.clone() },
            Boundary { last: 13, ..boundary.clone() },
            Boundary { stream: StreamKey::new("errors").unwrap(), ..boundary.clone() },
        ] {
            assert_ne!(token(&other), token(&boundary));
        }
    }
}
