//! Reads the cells of one window from the vault: runs the queries slice by slice and adds up the answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::cells::{Cell, CellsByPlace};
use super::error::PublishError;
use super::model::PublishedSite;
use super::noise::NoiseSource;
use super::queries::{self, Candidates, NamesOf};
use super::rollups::Rollups;
use super::tables::{Tables, ask};
use crate::window::Window;

/// The engine uses one thread for a slice, and bounded memory. So two run at a time, of all sites together.
static SLICES: Semaphore = Semaphore::const_new(2);

/// A window of a site, and the vault that has its rows.
pub(super) struct WindowReader<'a, V> {
    pub(super) vault: &'a V,
    pub(super) site: &'a PublishedSite,
    pub(super) window: &'a Window,
    /// How much smaller than usual the slices are, as a power of two.
    pub(super) split_shift: u32,
}

#[derive(Deserialize)]
struct SourceCell {
    source: usize,
    #[serde(flatten)]
    cell: Cell,
}

/// Begins the statement that counts rows.
pub(super) const COUNTS: &str = "-- How many rows?\n";

#[derive(Deserialize)]
struct Count {
    number: usize,
    count: u64,
}

impl<V: Tables> WindowReader<'_, V> {
    /// Runs a query with the window's parameters and some more.
    pub(super) async fn query<T: DeserializeOwned + Send>(
        &self,
        sql: &str,
        more: &[(&'static str, String)],
    ) -> Result<Vec<T>, PublishError> {
        let site = self.site;
        let mut parameters = queries::parameters(&site.domain, self.window, site.schedule.is_weekly());
        parameters.extend_from_slice(more);
        ask(self.vault, "reading the vault", sql, &parameters).await
    }

    /// Runs a query for every slice of a table with so many rows, two at a time.
    pub(super) async fn query_slices<T: DeserializeOwned + Send>(
        &self,
        sql: &str,
        rows: u64,
        mut take: impl FnMut(T),
    ) -> Result<(), PublishError> {
        for slices in queries::slices(rows, self.split_shift).chunks(2) {
            let run = async |at: usize| match slices.get(at) {
                Some(slice) => {
                    let _turn = SLICES.acquire().await;
                    self.query(sql, slice).await
                }
                None => Ok(Vec::new()),
            };
            let (first, second) = tokio::try_join!(run(0), run(1))?;
            first.into_iter().chain(second).for_each(&mut take);
        }
        Ok(())
    }

    /// The names of unbounded dimensions that may have a cell.
    pub(super) async fn candidates(&self, noise_source: &NoiseSource) -> Result<Candidates, PublishError> {
        let mut all = Candidates::default();
        for sql in queries::CANDIDATES.iter() {
            for of in self.query::<NamesOf>(sql, &[]).await? {
                let names = of.hashes.iter().copied().zip(of.crowds.iter().copied());
                // A digest is no name: it decides whether a canvas counts as that of many devices.
                let chosen = match of.list() {
                    "digests" => noise_source.shared("digests", names),
                    _ => noise_source.candidates(&of.dimension, names, queries::CANDIDATES_MAX),
                };
                all.0.entry(of.list().to_owned()).or_default().extend(chosen);
            }
        }
        Ok(all)
    }

    /// The cells of all sources that are counted from events.
    pub(super) async fn cells(
        &self,
        rollups: &Rollups,
        candidates: &Candidates,
        rows: u64,
    ) -> Result<BTreeMap<usize, CellsByPlace>, PublishError> {
        let sql = queries::cells(rollups, candidates);
        let mut sources: BTreeMap<usize, CellsByPlace> = BTreeMap::new();
        self.query_slices(&sql, rows, |row: SourceCell| sources.entry(row.source).or_default().add(row.cell)).await?;
        Ok(sources)
    }

    /// How many of these rows the window has, each given as SQL. All are counted by one statement.
    pub(super) async fn counts(&self, rows: &[String]) -> Result<Vec<u64>, PublishError> {
        let count = |(number, rows): (usize, &String)| {
            format!("SELECT toUInt32({number}) AS number, count() AS count FROM {rows}")
        };
        let sql: Vec<_> = rows.iter().enumerate().map(count).collect();
        let mut counts = vec![0; rows.len()];
        for Count { number, count } in self.query(&format!("{COUNTS}{}", sql.join(" UNION ALL ")), &[]).await? {
            if let Some(of) = counts.get_mut(number) {
                *of = count;
            }
        }
        Ok(counts)
    }

    /// The cells of a query that is run per slice, of so many rows.
    pub(super) async fn cells_of(&self, rows: u64, sql: &str) -> Result<CellsByPlace, PublishError> {
        let mut found = CellsByPlace::default();
        if rows > 0 {
            self.query_slices(sql, rows, |cell| found.add(cell)).await?;
        }
        Ok(found)
    }
}
