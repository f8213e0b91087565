//! The rows of one insert, ready to be sent, and its pieces when the vault refuses a row.
//!
//! Batches of one partition share an insert ([`group_by_insert`]): the attributes of a device come in dozens of
//! streams, and an insert costs milliseconds. Each row keeps the value of its own batch in the column `batch`, so that no
//! column links rows that came together. The insert is counted by its set of batch values. Its token is that of its first
//! batch.
//!
//! A piece is a range of the rows. Its identity in the vault (its batch values and its token) follows from the batches and
//! the range alone. So a restarted program cuts and counts the same pieces.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;

use super::orders::Orders;
use super::status::Topic;
use crate::record::{self, Partition, Stream};
use crate::spool::{StreamBatch, shuffle};

/// Bytes of the column `batch`.
const VALUE_BYTES: usize = 8;

/// The most rows of an insert of several batches. A single batch may have more.
const GROUP_ROWS_MAX: u64 = 25_000;

/// Rows in RowBinary. The column `batch` comes first.
pub(super) struct InsertBatch {
    pub(super) partition: Partition,
    pub(super) schema_version: u32,
    /// `batch`, then the columns of the table.
    pub(super) columns: Vec<&'static str>,
    /// Rows within the boundaries, without `dropped`. There are more than in `body` if the spool's disk lost some.
    pub(super) announced: u64,
    /// Rows that an order of the delivery batch erases. They are not in `body`, and are never sent.
    pub(super) dropped: u64,
    token: String,
    body: Bytes,
    /// Where each row ends in `body`.
    ends: Vec<usize>,
}

/// By what a piece is found in the vault.
pub(super) struct Identity {
    /// The values of the column `batch`, in ascending order.
    pub(super) values: Vec<u64>,
    pub(super) token: String,
}

/// The batches of a delivery batch by insert, in the order of the first of each. It follows from the boundaries alone.
pub(super) fn group_by_insert(batches: &[StreamBatch]) -> Vec<Vec<&StreamBatch>> {
    let mut inserts: Vec<(Option<Partition>, u64, Vec<&StreamBatch>)> = Vec::new();
    for batch in batches {
        // A stream that this program does not know stays alone; the shipper waits with it.
        let partition = Stream::parse(batch.stream.as_str()).map(|stream| stream.partition);
        let fits = |(known, rows, _): &&mut (Option<Partition>, u64, Vec<&StreamBatch>)| {
            partition.is_some() && *known == partition && *rows + batch.rows <= GROUP_ROWS_MAX
        };
        match inserts.iter_mut().find(fits) {
            Some((_, rows, batches)) => {
                *rows += batch.rows;
                batches.push(batch);
            }
            None => inserts.push((partition, batch.rows, vec![batch])),
        }
    }
    inserts.into_iter().map(|(.., batches)| batches).collect()
}

/// Why an insert batch cannot be prepared.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PrepareError {
    /// This program does not know the stream's label.
    Stream,
    /// This program does not know the columns of this schema version.
    Schema,
}

impl InsertBatch {
    /// The rows of batches of one group, without those that an order erases. The same orders leave out the same rows.
    pub(super) fn new(batches: &[&StreamBatch], schema_version: u32, orders: &Orders) -> Result<Self, PrepareError> {
        let first = batches.first().ok_or(PrepareError::Stream)?;
        let stream = Stream::parse(first.stream.as_str()).ok_or(PrepareError::Stream)?;
        let columns = record::columns(stream.partition.table, schema_version).ok_or(PrepareError::Schema)?;
        // The spool keeps four bytes for the length of a row. They pay for half of its batch value here.
        let bytes: usize = batches.iter().map(|batch| batch.bytes()).sum();
        let (mut rows, mut dropped) = (Vec::new(), 0);
        for batch in batches {
            let erased = orders.of(&batch.stream);
            let before = rows.len();
            rows.extend(batch.iter().filter(|row| !erased.has(columns, row)).map(|row| (batch.value, row)));
            dropped += batch.iter().count() as u64 - (rows.len() - before) as u64;
        }
        mix(&mut rows, &first.token);
        let rows = rows.into_iter();
        let target = (stream.partition, schema_version);
        let prepared =
            Self::of_rows(target, first.token.clone(), bytes + bytes / 8, rows).ok_or(PrepareError::Schema)?;
        let announced = batches.iter().map(|batch| batch.rows).sum::<u64>() - dropped;
        Ok(Self { announced, dropped, ..prepared })
    }

    /// Rows with their batch values, for a partition and schema version. `None` when the columns are not known.
    pub(super) fn of_rows<'a>(
        (partition, schema_version): (Partition, u32),
        token: String,
        capacity: usize,
        rows: impl Iterator<Item = (u64, &'a [u8])>,
    ) -> Option<Self> {
        let known = record::columns(partition.table, schema_version)?;
        let (mut body, mut ends) = (Vec::with_capacity(capacity), Vec::new());
        for (value, row) in rows {
            body.extend_from_slice(&value.to_le_bytes());
            body.extend_from_slice(row);
            ends.push(body.len());
        }
        Some(Self {
            partition,
            schema_version,
            columns: std::iter::once("batch").chain(known.iter().copied()).collect(),
            announced: ends.len() as u64,
            dropped: 0,
            token,
            body: body.into(),
            ends,
        })
    }

    /// All rows.
    pub(super) fn all(&self) -> Range<usize> {
        0..self.ends.len()
    }

    /// The topic of troubles with this batch.
    pub(super) fn topic(&self) -> Topic {
        Topic::Batch(self.ends.first().map_or(0, |_| self.value(0)))
    }

    /// The token of the whole.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Where a row begins in `body`.
    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// One row as it came from the spool.
    pub(super) fn row(&self, index: usize) -> &[u8] {
        let start = self.start(index);
        &self.body[start + VALUE_BYTES..self.ends[index]]
    }

    /// The batch value of a row.
    fn value(&self, index: usize) -> u64 {
        let start = self.start(index);
        u64::from_le_bytes(self.body[start..start + VALUE_BYTES].try_into().expect("each row begins with its value"))
    }

    /// By what a piece is found in the vault: the whole by its own values and token, a part by hashes of these and its range.
    pub(super) fn identity(&self, piece: &Range<usize>) -> Identity {
        let own: BTreeSet<u64> = piece.clone().map(|index| self.value(index)).collect();
        let Some(hash) = self.piece_hash(piece) else {
            return Identity { values: own.into_iter().collect(), token: self.token.clone() };
        };
        let values: BTreeSet<u64> = own.into_iter().map(|own| batch_value(&hash, own)).collect();
        Identity { values: values.into_iter().collect(), token: hash.to_hex()[..32].to_owned() }
    }

    /// `None` for the whole.
    fn piece_hash(&self, piece: &Range<usize>) -> Option<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_derive_key("tamga store 1: a piece of a batch");
        for number in [piece.start as u64, piece.end as u64] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(self.token.as_bytes());
        (*piece != self.all()).then(|| hasher.finalize())
    }

    /// The bytes that are sent for a piece.
    pub(super) fn body(&self, piece: &Range<usize>) -> Bytes {
        let Some(hash) = self.piece_hash(piece) else { return self.body.clone() };
        let mut body = Vec::new();
        for index in piece.clone() {
            body.extend_from_slice(&batch_value(&hash, self.value(index)).to_le_bytes());
            body.extend_from_slice(self.row(index));
        }
        body.into()
    }
}

/// Puts rows into an order that follows from the token alone. So a restarted program sends the same pieces, and the rows
/// of one beacon lie at unrelated places of their inserts.
fn mix<T>(rows: &mut [T], token: &str) {
    let mut hasher = blake3::Hasher::new_derive_key("tamga store 1: the order of the rows of an insert");
    let mut numbers = hasher.update(token.as_bytes()).finalize_xof();
    shuffle(rows, || {
        let mut bytes = [0; 8];
        numbers.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    });
}

/// A value of the column `batch` that follows from a secret hash and a number. It is never zero.
pub(super) fn batch_value(hash: &blake3::Hash, number: u64) -> u64 {
    let keyed = blake3::keyed_hash(hash.as_bytes(), &number.to_le_bytes());
    let (first, _) = keyed.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*first).max(1)
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::record::Table;
    use crate::spool::{StreamKey, Tombstone};

    /// An insert batch of tallies. The first row is of one batch, the others of another.
    pub(in crate::store::ship) fn insert_batch(rows: &[&[u8]]) -> InsertBatch {
        let mut body = Vec::new();
        let mut ends = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            body.extend_from_slice(&if index == 0 { 7u64 } else { 9 }.to_le_bytes());
            body.extend_from_slice(row);
            ends.push(body.len());
        }
        InsertBatch {
            partition: Partition { table: Table::Tallies, day: date(2026, 11, 22), until: date(2026, 11, 23) },
            schema_version: 1,
            columns: vec!["batch", "site"],
            announced: rows.len() as u64,
            dropped: 0,
            token: "0123456789abcdef0123456789abcdef".into(),
            body: body.into(),
            ends,
        }
    }

    #[test]
    fn a_row_that_an_order_of_its_delivery_batch_erases_is_never_sent() {
        let row = record::tests::golden_rows(Table::Events).swap_remove(0);
        let columns = record::columns(Table::Events, record::SCHEMA_VERSION).unwrap();
        let (site, visitor) = record::site_and_visitor(columns, &row).unwrap();
        let (site, visitor): (&str, [u8; 16]) = (std::str::from_utf8(site).unwrap(), visitor.try_into().unwrap());
        let place = row.windows(16).position(|bytes| bytes == visitor).unwrap();
        let mut others = row.clone();
        others[place] ^= 1;
        let stream = "events|2026-11-22|2026-11-23|";
        let batch = StreamBatch::with_rows(stream, &[&row, &others, &row]);
        let sent = |stream: &str, site: &str| {
            let (stream, payload) = (StreamKey::new(stream).unwrap(), record::erasure(site, &[[7; 16], visitor]));
            let orders = Orders::new(&[Tombstone { sequence: 9, stream, payload }]);
            let insert = InsertBatch::new(&[&batch], record::SCHEMA_VERSION, &orders).unwrap();
            (insert.ends.len(), insert.dropped, insert.announced)
        };
        // In all partitions of the day, and of this site alone.
        assert_eq!(sent("events|2026-11-22|2026-11-22|", site), (1, 2, 1));
        for (stream, site) in
            [(stream, "aitu.kz"), ("events|2026-11-23|2026-11-23|", site), ("errors|2026-11-22|2026-11-22|", site)]
        {
            assert_eq!(sent(stream, site), (3, 0, 3), "{stream} {site}");
        }
    }

    #[test]
    fn a_piece_has_its_own_values_one_for_each_batch() {
        let batch = insert_batch(&[b"a", b"bc", b"", b"d"]);
        assert_eq!(batch.row(1), b"bc");
        assert_eq!(batch.row(2), b"");
        assert_eq!(batch.identity(&(0..4)).values, [7, 9]);
        assert_eq!(batch.body(&(0..4)).len(), 4 * 8 + 4);
        let values = batch.identity(&(1..3)).values;
        assert!(values.len() == 1 && values != batch.identity(&(2..4)).values);
        let mut expected = values[0].to_le_bytes().to_vec();
        expected.extend_from_slice(b"bc");
        expected.extend_from_slice(&values[0].to_le_bytes());
        assert_eq!(batch.body(&(1..3)), expected);
        assert_eq!(batch.identity(&(0..2)).values.len(), 2, "rows of two streams are not linked");
    }

    #[test]
    fn rows_lie_in_an_order_that_only_the_token_decides() {
        let order = |token: &str| {
            let mut rows: Vec<u32> = (0..100).collect();
            mix(&mut rows, token);
            rows
        };
        let mut all = order("a");
        assert_eq!(all, order("a"));
        let same_place = all.iter().zip(order("b")).filter(|(one, other)| **one == *other).count();
        assert!(same_place < 15, "{same_place} of 100 rows lie at the same place of two inserts");
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn pieces_are_found_by_their_range_alone() {
        let batch = insert_batch(&[b"a", b"b", b"c"]);
        assert_eq!(batch.identity(&(0..3)).token, batch.token());
        let tokens: BTreeSet<_> = [0..3, 0..2, 0..1, 1..2, 1..3].map(|piece| batch.identity(&piece).token).into();
        assert_eq!(tokens.len(), 5);
        assert_eq!(batch.identity(&(0..1)).values, batch.identity(&(0..1)).values);
        assert_eq!(batch.identity(&(0..1)).token, "9003926eb5197d0e789918fa527b502a");
    }

    #[test]
    fn streams_of_one_partition_share_an_insert_up_to_a_size() {
        let batch = |stream: &str, rows| StreamBatch::without_rows(stream, rows);
        let batches = [
            batch("attributes|2026-11-22|2026-11-22|fonts:1", 3),
            batch("events|2026-11-22|2026-11-22|", 9),
            batch("attributes|2026-11-22|2026-11-22|fonts:2", 4),
            batch("attributes|2026-11-23|2026-11-23|fonts:2", 1),
            batch("attributes|2026-11-22|2026-11-29|cpu", GROUP_ROWS_MAX),
            batch("attributes|2026-11-22|2026-11-29|gpu", 1),
            batch("of a newer program", 1),
            batch("of a newer program, too", 1),
        ];
        let rows: Vec<Vec<u64>> =
            group_by_insert(&batches).iter().map(|insert| insert.iter().map(|batch| batch.rows).collect()).collect();
        assert_eq!(rows, [vec![3, 4], vec![9], vec![1], vec![GROUP_ROWS_MAX], vec![1], vec![1], vec![1]]);
    }
}
