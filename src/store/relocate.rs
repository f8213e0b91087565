//! Moves published numbers from one stats store to another, as when a ClickHouse server takes the embedded engine's place.
//!
//! It copies and never deletes. Numbers are copied in pieces of one table, site and month, small enough to be stored whole
//! or not at all. A piece that exists is compared and not changed, so an interrupted move can be repeated. The ledger comes
//! last: all windows in it are complete. At the end the sums of both stores are compared. Nobody may publish meanwhile.

use serde::Deserialize;

use super::client::Store;
use super::error::StoreError;

/// Rows of one insert, well below what is sure to be one block.
const PIECE_ROWS: u64 = 200_000;

/// The result of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Tables of published numbers, and the rows of each.
    pub tables: Vec<(String, u64)>,
    /// Rows that were not there before.
    pub copied: u64,
}

/// Why numbers were not moved.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Both stores have numbers of the same windows, and the numbers differ.
    #[error(
        "{place} has other numbers of {site} in `{table}` between {first} and {last} than are to be moved: somebody publishes \
         to it already. Stop that, delete these rows there, and move again"
    )]
    Differs {
        /// Where to.
        place: String,
        /// Which table.
        table: String,
        /// Which site.
        site: String,
        /// Start of the first window.
        first: String,
        /// Start of the last.
        last: String,
    },
}

#[derive(Deserialize)]
struct Column {
    table: String,
    columns: Vec<String>,
}

#[derive(Deserialize)]
struct Window {
    site: String,
    month: u32,
    start: String,
    count: u64,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
struct Sum {
    count: u64,
    sum: u64,
}

/// Windows of one site and month, in a row.
struct Piece {
    site: String,
    month: u32,
    first: String,
    last: String,
    count: u64,
}

/// Copies every published number that is not there yet. Both schemas must be this program's.
pub async fn relocate(from: &Store, to: &Store) -> Result<Moved, RelocateError> {
    let sql = "SELECT table, groupArray(name) AS columns FROM (SELECT table, name FROM system.columns \
               WHERE database = currentDatabase() ORDER BY table, position) GROUP BY table \
               HAVING has(columns, 'window_end') ORDER BY table = 'publications', table";
    let mut moved = Moved { tables: Vec::new(), copied: 0 };
    for Column { table, columns } in from.rows(sql, &[]).await? {
        let mut total = 0;
        for piece in pieces(from, &table).await? {
            total += piece.count;
            moved.copied += copy(from, to, &table, &columns, &piece).await?;
        }
        moved.tables.push((table, total));
    }
    Ok(moved)
}

async fn pieces(from: &Store, table: &str) -> Result<Vec<Piece>, StoreError> {
    let sql = format!(
        "SELECT site, toYYYYMM(window_start) AS month, toString(window_start) AS start, count() AS count FROM `{table}` \
         GROUP BY site, window_start ORDER BY site, window_start"
    );
    let mut pieces: Vec<Piece> = Vec::new();
    for Window { site, month, start, count } in from.rows(&sql, &[]).await? {
        match pieces.last_mut() {
            Some(last) if last.site == site && last.month == month && last.count + count <= PIECE_ROWS => {
                (last.last, last.count) = (start, last.count + count);
            }
            _ => pieces.push(Piece { site, month, first: start.clone(), last: start, count }),
        }
    }
    Ok(pieces)
}

/// Returns how many rows were copied: all of the piece, or none because they were there.
async fn copy(from: &Store, to: &Store, table: &str, columns: &[String], piece: &Piece) -> Result<u64, RelocateError> {
    let list: Vec<_> = columns.iter().map(|column| format!("`{column}`")).collect();
    let list = list.join(", ");
    let which = "site = {site:String} AND window_start >= toDateTime({first:String}, 'UTC') \
                 AND window_start <= toDateTime({last:String}, 'UTC')";
    let sum = format!(
        "SELECT count() AS count, sum(cityHash64(toString(tuple({list})))) AS sum FROM `{table}` WHERE {which}"
    );
    let params = [("site", piece.site.clone()), ("first", piece.first.clone()), ("last", piece.last.clone())];
    let sum_of = async |store: &Store| -> Result<Sum, StoreError> {
        let sums: Vec<Sum> = store.rows(&sum, &params).await?;
        Ok(sums.into_iter().next().unwrap_or(Sum { count: 0, sum: 0 }))
    };
    let expected = sum_of(from).await?;
    let mut there = sum_of(to).await?;
    let missing = there.count == 0 && expected.count > 0;
    if missing {
        let select = format!("SELECT {list} FROM `{table}` WHERE {which}");
        let rows = from.bytes(&select, &params, "RowBinary").await?;
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        // Random, so that a piece which was deleted there and is moved again does not count as a duplicate.
        let token =
            format!("move-{:x}", getrandom::u64().map_err(|_| StoreError::setup("no random numbers".to_owned()))?);
        to.insert_bytes(table, &names, "RowBinary", rows, &token).await?;
        there = sum_of(to).await?;
    }
    if there != expected {
        return Err(RelocateError::Differs {
            place: to.place().to_owned(),
            table: table.to_owned(),
            site: piece.site.clone(),
            first: piece.first.clone(),
            last: piece.last.clone(),
        });
    }
    Ok(if missing { expected.count } else { 0 })
}
