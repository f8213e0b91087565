//! Batches of the spool that go into the vault by one insert, ready for the wire, and their pieces when the vault refuses a row.
//!
//! Batches of one table, site and day share an insert ([`together`]), since a device's attributes come in dozens of lanes and an
//! insert costs milliseconds. Each row keeps the value of its own batch in the column `batch`, so that no column ties
//! together what came together; the insert is counted by the set of values, and its token is that of its first batch.
//!
//! A piece is a range of the rows. What identifies it in the vault (the values of the column `batch` and its token) follows from
//! the batches and the range alone, so that a restarted program cuts and counts the very same pieces.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use jiff::civil::Date;

use super::dead_letters::Letter;
use super::status::Topic;
use crate::record::{self, Lane, Table};
use crate::spool::Batch;

/// Bytes of the column `batch`.
const VALUE_BYTES: usize = 8;

/// Rows that an insert of several batches has at most; a single batch may have more.
const TOGETHER_ROWS: u64 = 25_000;

/// Rows in RowBinary, the column `batch` first.
pub(super) struct Parcel {
    pub(super) table: Table,
    pub(super) site: String,
    pub(super) day: Date,
    pub(super) schema_version: u32,
    /// `batch`, then the columns of the table.
    pub(super) columns: Vec<&'static str>,
    /// Rows that the boundaries comprise; more than are here when the spool's disk lost some.
    pub(super) announced: u64,
    /// The round erases from one of its lanes: what a former attempt has stored may be there in part.
    pub(super) thinned: bool,
    token: String,
    body: Bytes,
    /// Where each row ends in `body`.
    ends: Vec<usize>,
}

/// How a piece is known in the vault.
pub(super) struct Identity {
    /// What its rows bear in the column `batch`, in ascending order.
    pub(super) values: Vec<u64>,
    pub(super) token: String,
}

/// The batches of a round by insert, in the order of their first. Follows from the boundaries alone.
pub(super) fn together(batches: &[Batch]) -> Vec<Vec<&Batch>> {
    let mut inserts: Vec<(Option<Lane>, u64, Vec<&Batch>)> = Vec::new();
    for batch in batches {
        // A lane that is not understood stays alone, and is waited with.
        let lane = Lane::parse(batch.lane.as_str()).map(|lane| Lane { attribute: String::new(), ..lane });
        let fits = |(known, rows, _): &&mut (Option<Lane>, u64, Vec<&Batch>)| {
            lane.is_some() && *known == lane && *rows + batch.rows <= TOGETHER_ROWS
        };
        match inserts.iter_mut().find(fits) {
            Some((_, rows, batches)) => {
                *rows += batch.rows;
                batches.push(batch);
            }
            None => inserts.push((lane, batch.rows, vec![batch])),
        }
    }
    inserts.into_iter().map(|(.., batches)| batches).collect()
}

/// Why a batch cannot be made ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The lane's label is none of ours.
    Lane,
    /// The columns of this schema version are not known.
    Version,
}

impl Parcel {
    /// Of batches that go [`together`].
    pub(super) fn new(batches: &[&Batch], schema_version: u32, thinned: bool) -> Result<Self, Unfit> {
        let first = batches.first().ok_or(Unfit::Lane)?;
        let lane = Lane::parse(first.lane.as_str()).ok_or(Unfit::Lane)?;
        let known = record::columns(lane.table, schema_version).ok_or(Unfit::Version)?;
        let columns = std::iter::once("batch").chain(known.iter().copied()).collect();
        // A row's length of four bytes in the spool makes room for half of its value here.
        let bytes: usize = batches.iter().map(|batch| batch.bytes()).sum();
        let mut body = Vec::with_capacity(bytes + bytes / 8);
        let mut ends = Vec::new();
        for batch in batches {
            for row in batch.iter() {
                body.extend_from_slice(&batch.value.to_le_bytes());
                body.extend_from_slice(row);
                ends.push(body.len());
            }
        }
        Ok(Self {
            table: lane.table,
            site: lane.site,
            day: lane.day,
            schema_version,
            columns,
            announced: batches.iter().map(|batch| batch.rows).sum(),
            thinned,
            token: first.token.clone(),
            body: body.into(),
            ends,
        })
    }

    /// The rows of a dead letter, as a batch of their own; `None` when this program does not know their columns.
    pub(super) fn again(letter: &Letter) -> Option<Self> {
        let table = Table::ALL.into_iter().find(|table| table.name() == letter.table)?;
        let known = record::columns(table, letter.schema_version).filter(|known| letter.columns == **known)?;
        let mut hasher = blake3::Hasher::new_derive_key("tamga store 1: a dead letter once more");
        hasher.update(letter.token.as_bytes());
        for row in &letter.rows {
            hasher.update(&(row.index as u64).to_le_bytes()).update(&(row.bytes.len() as u64).to_le_bytes());
            hasher.update(&row.bytes);
        }
        let hash = hasher.finalize();
        let (mut body, mut ends) = (Vec::new(), Vec::new());
        for row in &letter.rows {
            // A letter does not say which of its rows came by one lane, so each has a value of its own.
            body.extend_from_slice(&value(&hash, row.index as u64).to_le_bytes());
            body.extend_from_slice(&row.bytes);
            ends.push(body.len());
        }
        Some(Self {
            table,
            site: letter.site.clone(),
            day: letter.day,
            schema_version: letter.schema_version,
            columns: std::iter::once("batch").chain(known.iter().copied()).collect(),
            announced: letter.rows.len() as u64,
            thinned: false,
            token: hash.to_hex()[..32].to_owned(),
            body: body.into(),
            ends,
        })
    }

    /// All rows.
    pub(super) fn all(&self) -> Range<usize> {
        0..self.ends.len()
    }

    /// What trouble with this batch is about.
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

    /// The value of a row's batch.
    fn value(&self, index: usize) -> u64 {
        let start = self.start(index);
        u64::from_le_bytes(self.body[start..start + VALUE_BYTES].try_into().expect("each row begins with its value"))
    }

    /// How a piece is known in the vault: the whole by the values and the token it has, a part by hashes of these and its range.
    pub(super) fn identity(&self, piece: &Range<usize>) -> Identity {
        let own: BTreeSet<u64> = piece.clone().map(|index| self.value(index)).collect();
        let Some(hash) = self.piece_hash(piece) else {
            return Identity { values: own.into_iter().collect(), token: self.token.clone() };
        };
        let values: BTreeSet<u64> = own.into_iter().map(|own| value(&hash, own)).collect();
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
            body.extend_from_slice(&value(&hash, self.value(index)).to_le_bytes());
            body.extend_from_slice(self.row(index));
        }
        body.into()
    }
}

/// A value of the column `batch` that follows from a secret hash and a number; never zero.
fn value(hash: &blake3::Hash, number: u64) -> u64 {
    let keyed = blake3::keyed_hash(hash.as_bytes(), &number.to_le_bytes());
    let (first, _) = keyed.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*first).max(1)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A parcel of tallies with these rows, the first of one batch and the others of another.
    pub(in crate::store::ship) fn parcel(rows: &[&[u8]]) -> Parcel {
        let mut body = Vec::new();
        let mut ends = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            body.extend_from_slice(&if index == 0 { 7u64 } else { 9 }.to_le_bytes());
            body.extend_from_slice(row);
            ends.push(body.len());
        }
        Parcel {
            table: Table::Tallies,
            site: "a.kz".into(),
            day: jiff::civil::date(2026, 11, 22),
            schema_version: 1,
            columns: vec!["batch", "site"],
            announced: rows.len() as u64,
            thinned: false,
            token: "0123456789abcdef0123456789abcdef".into(),
            body: body.into(),
            ends,
        }
    }

    #[test]
    fn a_piece_bears_values_of_its_own_one_for_each_batch() {
        let parcel = parcel(&[b"a", b"bc", b"", b"d"]);
        assert_eq!(parcel.row(1), b"bc");
        assert_eq!(parcel.row(2), b"");
        assert_eq!(parcel.identity(&(0..4)).values, [7, 9]);
        assert_eq!(parcel.body(&(0..4)).len(), 4 * 8 + 4);
        let values = parcel.identity(&(1..3)).values;
        assert!(values.len() == 1 && values != parcel.identity(&(2..4)).values);
        let mut expected = values[0].to_le_bytes().to_vec();
        expected.extend_from_slice(b"bc");
        expected.extend_from_slice(&values[0].to_le_bytes());
        assert_eq!(parcel.body(&(1..3)), expected);
        assert_eq!(parcel.identity(&(0..2)).values.len(), 2, "what came by two lanes is not tied together");
    }

    #[test]
    fn pieces_are_known_by_their_range_and_nothing_else() {
        let parcel = parcel(&[b"a", b"b", b"c"]);
        assert_eq!(parcel.identity(&(0..3)).token, parcel.token());
        let tokens: BTreeSet<_> = [0..3, 0..2, 0..1, 1..2, 1..3].map(|piece| parcel.identity(&piece).token).into();
        assert_eq!(tokens.len(), 5);
        assert_eq!(parcel.identity(&(0..1)).values, parcel.identity(&(0..1)).values);
        assert_eq!(parcel.identity(&(0..1)).token, "9003926eb5197d0e789918fa527b502a");
    }

    #[test]
    fn lanes_of_one_table_and_day_go_together_up_to_a_size() {
        let batch = |lane: &str, rows| Batch::without_rows(lane, rows);
        let batches = [
            batch("attributes|a.kz|2026-11-22|fonts:1", 3),
            batch("events|a.kz|2026-11-22|", 9),
            batch("attributes|a.kz|2026-11-22|fonts:2", 4),
            batch("attributes|a.kz|2026-11-23|fonts:2", 1),
            batch("attributes|b.kz|2026-11-22|cpu", TOGETHER_ROWS),
            batch("attributes|b.kz|2026-11-22|gpu", 1),
            batch("of a newer program", 1),
            batch("of a newer program, too", 1),
        ];
        let rows: Vec<Vec<u64>> =
            together(&batches).iter().map(|insert| insert.iter().map(|batch| batch.rows).collect()).collect();
        assert_eq!(rows, [vec![3, 4], vec![9], vec![1], vec![TOGETHER_ROWS], vec![1], vec![1], vec![1]]);
    }
}
