//! A batch of the spool, ready for the wire, and its pieces when the vault refuses a row of it.
//!
//! A piece is a range of the batch's rows. What identifies it in the vault (the value of its column `batch` and its token)
//! follows from the batch and the range alone, so that a restarted program cuts and counts the very same pieces.

use std::ops::Range;

use bytes::Bytes;
use jiff::civil::Date;

use super::dead_letters::Letter;
use super::status::Topic;
use crate::record::{self, Lane, Table};
use crate::spool::Batch;

/// Bytes of the column `batch`.
const VALUE_BYTES: usize = 8;

/// A batch with its rows in RowBinary, the column `batch` first.
pub(super) struct Parcel {
    pub(super) table: Table,
    pub(super) site: String,
    pub(super) day: Date,
    pub(super) schema_version: u32,
    /// `batch`, then the columns of the table.
    pub(super) columns: Vec<&'static str>,
    /// Rows that the boundary comprises; more than are here when the spool's disk lost some.
    pub(super) announced: u64,
    /// Its round erases from its lane: what a former attempt has stored may be there in part.
    pub(super) thinned: bool,
    token: String,
    value: u64,
    body: Bytes,
    /// Where each row ends in `body`.
    ends: Vec<usize>,
}

/// How a piece is known in the vault.
pub(super) struct Identity {
    pub(super) value: u64,
    pub(super) token: String,
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
    pub(super) fn new(batch: &Batch, schema_version: u32, thinned: bool) -> Result<Self, Unfit> {
        let lane = Lane::parse(batch.lane.as_str()).ok_or(Unfit::Lane)?;
        let known = record::columns(lane.table, schema_version).ok_or(Unfit::Version)?;
        let columns = std::iter::once("batch").chain(known.iter().copied()).collect();
        // A row's length of four bytes in the spool makes room for half of its value here.
        let mut body = Vec::with_capacity(batch.bytes() + batch.bytes() / 8);
        let mut ends = Vec::new();
        for row in batch.iter() {
            body.extend_from_slice(&batch.value.to_le_bytes());
            body.extend_from_slice(row);
            ends.push(body.len());
        }
        Ok(Self {
            table: lane.table,
            site: lane.site,
            day: lane.day,
            schema_version,
            columns,
            announced: batch.rows,
            thinned,
            token: batch.token.clone(),
            value: batch.value,
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
        let mut value = [0; VALUE_BYTES];
        value.copy_from_slice(&hash.as_bytes()[24..]);
        let value = u64::from_le_bytes(value).max(1);
        let (mut body, mut ends) = (Vec::new(), Vec::new());
        for row in &letter.rows {
            body.extend_from_slice(&value.to_le_bytes());
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
            value,
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
        Topic::Batch(self.value)
    }

    /// The batch's own token.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// One row as it came from the spool.
    pub(super) fn row(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.body[start + VALUE_BYTES..self.ends[index]]
    }

    /// How a piece is known in the vault: the whole batch by its own value and token, a part by a hash of both and its range.
    pub(super) fn identity(&self, piece: &Range<usize>) -> Identity {
        if *piece == self.all() {
            return Identity { value: self.value, token: self.token.clone() };
        }
        let mut hasher = blake3::Hasher::new_derive_key("tamga store 1: a piece of a batch");
        for number in [self.value, piece.start as u64, piece.end as u64] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(self.token.as_bytes());
        let hash = hasher.finalize();
        let mut value = [0; VALUE_BYTES];
        value.copy_from_slice(&hash.as_bytes()[24..]);
        Identity { value: u64::from_le_bytes(value).max(1), token: hash.to_hex()[..32].to_owned() }
    }

    /// The bytes that are sent for a piece.
    pub(super) fn body(&self, piece: &Range<usize>) -> Bytes {
        if *piece == self.all() {
            return self.body.clone();
        }
        let value = self.identity(piece).value.to_le_bytes();
        let mut body = Vec::new();
        for index in piece.clone() {
            body.extend_from_slice(&value);
            body.extend_from_slice(self.row(index));
        }
        body.into()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A parcel of tallies with these rows.
    pub(in crate::store::ship) fn parcel(rows: &[&[u8]]) -> Parcel {
        let mut body = Vec::new();
        let mut ends = Vec::new();
        for row in rows {
            body.extend_from_slice(&7u64.to_le_bytes());
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
            value: 7,
            body: body.into(),
            ends,
        }
    }

    #[test]
    fn a_piece_bears_its_own_value_before_each_of_its_rows() {
        let parcel = parcel(&[b"a", b"bc", b"", b"d"]);
        assert_eq!(parcel.row(1), b"bc");
        assert_eq!(parcel.row(2), b"");
        let value = parcel.identity(&(1..3)).value.to_le_bytes();
        let mut expected = value.to_vec();
        expected.extend_from_slice(b"bc");
        expected.extend_from_slice(&value);
        assert_eq!(parcel.body(&(1..3)), expected);
        assert_eq!(parcel.body(&(0..4)).len(), 4 * 8 + 4);
    }

    #[test]
    fn pieces_are_known_by_their_range_and_nothing_else() {
        let parcel = parcel(&[b"a", b"b", b"c"]);
        assert_eq!(parcel.identity(&(0..3)).token, parcel.token());
        let tokens: std::collections::BTreeSet<_> =
            [0..3, 0..2, 0..1, 1..2, 1..3].map(|piece| parcel.identity(&piece).token).into();
        assert_eq!(tokens.len(), 5);
        assert_eq!(parcel.identity(&(0..1)).value, parcel.identity(&(0..1)).value);
        assert_eq!(parcel.identity(&(0..1)).token, "7999567e79ae9f4a794a1c0614ee4f44");
    }
}
