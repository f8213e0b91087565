//! What the vault has of a window: cells, and no row of anybody. It is read once, and any number of plans can be made of it without the vault.

use super::apart_tables::{ApartTable, shared_query};
use super::counted::{Counted, Events, count_events};
use super::error::PublishError;
use super::noise::NoiseSource;
use super::queries;
use super::rollups::Rollups;
use super::separate_tables::SEPARATE_TABLES;
use super::snapshot::Fingerprint;
use super::tables::Tables;
use super::tallies::Tallies;
use super::target::Filled;
use super::total::FlagPattern;
use super::window_reader::WindowReader;

/// What the vault has of a window.
pub(super) struct Seen {
    pub(super) tallies: Tallies,
    pub(super) events: Events,
    /// The visitors of the site's total.
    pub(super) patterns: Vec<FlagPattern>,
    /// Each with its cells, in the order of writing. None until they are read.
    pub(super) tables: Vec<Filled>,
}

impl Seen {
    /// Reads what the site's total is made of.
    pub(super) async fn of_total<V: Tables>(
        reader: &WindowReader<'_, V>,
        counted: &Counted,
        rows: &Fingerprint,
    ) -> Result<Self, PublishError> {
        let tallies = Tallies::read(reader).await?;
        let events = count_events(reader.vault, reader.site, reader.window, counted).await?;
        let mut patterns = Vec::new();
        reader.query_slices(&queries::TOTAL, rows.events(), |pattern| patterns.push(pattern)).await?;
        Ok(Self { tallies, events, patterns, tables: Vec::new() })
    }

    /// Reads the cells of all tables of a site that distinguishes its visitors. The noise decides among too many names.
    pub(super) async fn read_tables<V: Tables>(
        &mut self,
        reader: &WindowReader<'_, V>,
        noise_source: &NoiseSource,
        rows: &Fingerprint,
    ) -> Result<(), PublishError> {
        let candidates = reader.candidates(noise_source, rows).await?;
        let rollups = Rollups::of(reader.site);
        let sources = reader.cells::<usize>(rows.events(), &queries::cells(&rollups, &candidates)).await?;
        for rollup in rollups.tables {
            let cells = rollup.cells(sources.get(&rollup.source));
            self.tables.push(Filled { target: rollup.target, cells, steps: rollup.steps });
        }
        drop(sources);
        let apart = ApartTable::all(reader.site);
        let rows_shared = apart.iter().filter(|table| table.own.is_none()).map(|table| table.rows(rows)).sum();
        let mut shared = reader.cells::<String>(rows_shared, &shared_query(&apart, &candidates)).await?;
        for apart in apart {
            let cells = match apart.own_query(&candidates) {
                Some(sql) => reader.cells_of(apart.rows(rows), &sql).await?,
                None => shared.remove(&apart.attribute).unwrap_or_default(),
            };
            let cells = apart.cells(cells, |hour| self.tallies.of(&format!("views:{hour}")));
            self.tables.push(Filled::new(apart.target, cells));
        }
        for table in SEPARATE_TABLES.iter().filter(|table| (table.listed)(&reader.site.items)) {
            let cells = reader.cells_of(table.rows(rows), &table.cells_query(&candidates)).await?;
            for of in table.tables(cells) {
                // Suspects and detectors are one table with one `(other)`.
                match self.tables.iter_mut().find(|known| known.target.table.name == of.target.table.name) {
                    Some(known) => known.cells.extend(of.cells),
                    None => self.tables.push(of),
                }
            }
        }
        Ok(())
    }
}
