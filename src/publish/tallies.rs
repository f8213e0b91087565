//! Tallies: what was counted in a window without a pseudonym, and the rows that are made from it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::cells::OTHER;
use super::error::PublishError;
use super::model::{PublishedSite, Row};
use super::noise::NoiseSource;
use super::queries;
use super::tables::Tables;
use super::window_reader::WindowReader;
use crate::window::Window;

/// The tallies of a window, by reason.
pub(super) struct Tallies(BTreeMap<String, u64>);

#[derive(Deserialize)]
struct Tally {
    reason: String,
    count: u64,
}

/// How tallies with one prefix become rows of a table.
struct TallyTable {
    prefix: &'static str,
    /// The column for the rest of the reason.
    column: &'static str,
    /// What is put before the rest of the reason.
    keep: &'static str,
    /// Whether the table has a column `visitors`, which is NULL here.
    has_visitors: bool,
}

const OUTCOMES: TallyTable = TallyTable { prefix: "outcome:", column: "outcome", keep: "", has_visitors: false };
const DECLARED_BOTS: TallyTable = TallyTable { prefix: "bot:", column: "reason", keep: "bot:", has_visitors: true };

impl Tallies {
    pub(super) async fn read<V: Tables>(reader: &WindowReader<'_, V>) -> Result<Self, PublishError> {
        let rows: Vec<Tally> = reader.query(queries::TALLIES, &[]).await?;
        Ok(Self(rows.into_iter().map(|row| (row.reason, row.count)).collect()))
    }

    pub(super) fn of(&self, reason: &str) -> u64 {
        self.0.get(reason).copied().unwrap_or(0)
    }

    /// How many keys were lost. Each gives a visitor of that day one more pseudonym.
    pub(super) fn keys_lost(&self) -> u64 {
        self.0.keys().filter(|reason| reason.starts_with("key_lost:")).count() as u64
    }

    /// The rows that are made of tallies: outcomes of events, and declared bots.
    pub(super) fn rows(
        &self,
        noise_source: &NoiseSource,
        site: &PublishedSite,
        window: &Window,
    ) -> Vec<(&'static str, Vec<Row>)> {
        let opening = site.row(window);
        let mut all = vec![("quality", self.rows_of(&OUTCOMES, noise_source, &opening))];
        if site.items.automation {
            all.push(("automation", self.rows_of(&DECLARED_BOTS, noise_source, &opening)));
        }
        all
    }

    /// Counts that are too small alone are added to `(other)`, which is published if it is large enough.
    fn rows_of(&self, table: &TallyTable, noise_source: &NoiseSource, opening: &Row) -> Vec<Row> {
        let row = |name: &str, count: i64| {
            let mut row = opening.clone();
            row.insert(table.column.to_owned(), format!("{}{name}", table.keep).into());
            row.insert("count".to_owned(), count.into());
            if table.has_visitors {
                row.insert("visitors".to_owned(), Value::Null);
            }
            row
        };
        let (mut rows, mut rest) = (Vec::new(), 0);
        for (reason, count) in &self.0 {
            let Some(name) = reason.strip_prefix(table.prefix) else { continue };
            match noise_source.events(reason, *count) {
                Some(published) => rows.push(row(name, published)),
                None => rest += count,
            }
        }
        let other = noise_source.events(&format!("{}{OTHER}", table.prefix), rest);
        rows.extend(other.map(|published| row(OTHER, published)));
        rows
    }
}
