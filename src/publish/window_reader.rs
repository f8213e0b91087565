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
use super::separate_tables::kind_of;
use super::snapshot::Fingerprint;
use super::tables::{Tables, ask};
use crate::record::Table;
use crate::window::Window;

/// A query has bounded memory, and that of a slice one thread of the engine. So two run at a time, of all sites together.
static QUERIES: Semaphore = Semaphore::const_new(2);

/// A window of a site, and the vault that has its rows.
pub(super) struct WindowReader<'a, V> {
    pub(super) vault: &'a V,
    pub(super) site: &'a PublishedSite,
    pub(super) window: &'a Window,
    /// How much smaller than usual the slices are, as a power of two.
    pub(super) split_shift: u32,
}

#[derive(Deserialize)]
struct SourceCell<S> {
    source: S,
    #[serde(flatten)]
    cell: Cell,
}

/// The query for the fingerprint. Like the queries of the total, it reads from the start of the window's first day. Rows that
/// arrived after the window's end are no part of it, so that it stands still while the next window fills.
pub(super) fn fingerprint_query() -> String {
    let of_table = |table: Table| {
        let (name, kind) = (table.name(), kind_of(table));
        format!(
            "SELECT '{name}' AS of, {kind} AS kind, count() AS rows, countIf(window_end > toDateTime({{start:UInt32}}, 'UTC')) AS here, \
             sum(cityHash64('{name}', batch)) AS batches FROM {name} WHERE {{of_day}} GROUP BY kind"
        )
    };
    queries::complete(&(Table::ALL.map(of_table).join(" UNION ALL ") + " "))
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
        let _turn = QUERIES.acquire().await;
        ask(self.vault, "reading the vault", sql, &parameters).await
    }

    /// Runs a query for every slice of so many rows, two at a time. Of no rows there is nothing to ask.
    pub(super) async fn query_slices<T: DeserializeOwned + Send>(
        &self,
        sql: &str,
        rows: u64,
        mut take: impl FnMut(T),
    ) -> Result<(), PublishError> {
        let all = if rows == 0 { Vec::new() } else { queries::slices(rows, self.split_shift) };
        for slices in all.chunks(2) {
            let run = async |at: usize| match slices.get(at) {
                Some(slice) => self.query(sql, slice).await,
                None => Ok(Vec::new()),
            };
            let (first, second) = tokio::try_join!(run(0), run(1))?;
            first.into_iter().chain(second).for_each(&mut take);
        }
        Ok(())
    }

    /// The fingerprint of the window now.
    pub(super) async fn fingerprint(&self) -> Result<Fingerprint, PublishError> {
        let mut kinds = self.query(&fingerprint_query(), &[]).await?;
        kinds.sort();
        Ok(Fingerprint(kinds))
    }

    /// The names of unbounded dimensions that may have a cell.
    pub(super) async fn candidates(
        &self,
        noise_source: &NoiseSource,
        rows: &Fingerprint,
    ) -> Result<Candidates, PublishError> {
        let mut all = Candidates::default();
        let is_unbounded = |kind: &str| !queries::OF_FEW_VALUES.contains(&kind);
        for (_, sql) in queries::CANDIDATES.iter().filter(|(table, _)| rows.rows(*table, is_unbounded) > 0) {
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

    /// The cells of several sources that one query has, which is run per slice of so many rows.
    pub(super) async fn cells<S: DeserializeOwned + Ord + Send>(
        &self,
        rows: u64,
        sql: &str,
    ) -> Result<BTreeMap<S, CellsByPlace>, PublishError> {
        let mut sources: BTreeMap<S, CellsByPlace> = BTreeMap::new();
        self.query_slices(sql, rows, |row: SourceCell<S>| sources.entry(row.source).or_default().add(row.cell)).await?;
        Ok(sources)
    }

    /// The cells of a query of one source.
    pub(super) async fn cells_of(&self, rows: u64, sql: &str) -> Result<CellsByPlace, PublishError> {
        let mut found = CellsByPlace::default();
        self.query_slices(sql, rows, |cell| found.add(cell)).await?;
        Ok(found)
    }
}
