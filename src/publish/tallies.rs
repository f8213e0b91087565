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
use crate::items::Items;
use crate::record::KEY_LOST;
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
    into: &'static str,
    prefix: &'static str,
    /// The column for the rest of the reason, and what is put before it.
    column: &'static str,
    keep: &'static str,
    /// A column that is empty, and one that is NULL, since nobody is counted.
    blank: Option<&'static str>,
    null: Option<&'static str>,
    /// By how much one sender changes a count at most, where that is bounded on arrival. Its names are a fixed list, so what is too
    /// small is left out, and not added to `(other)`.
    bound: Option<u32>,
    /// Whether a site's policy lists it.
    listed: fn(&Items) -> bool,
}

/// Verdicts of one sender that count in a day: `collect` takes no more.
pub(super) const VERDICTS_MAX: u32 = 3;
/// Numbers that a verdict enters: its level, and up to eight reasons.
#[cfg(test)]
pub(super) const VERDICT_CELLS: u32 = 9;

const OUTCOMES: TallyTable = TallyTable {
    into: "quality",
    prefix: "outcome:",
    column: "outcome",
    keep: "",
    blank: None,
    null: None,
    bound: None,
    listed: |_| true,
};
const VERDICTS: TallyTable = TallyTable {
    into: "protection",
    prefix: "verdict:",
    column: "level",
    blank: Some("reason"),
    bound: Some(VERDICTS_MAX),
    listed: |items| items.protection,
    ..OUTCOMES
};
const TABLES: [TallyTable; 4] = [
    OUTCOMES,
    TallyTable {
        into: "automation",
        prefix: "bot:",
        column: "reason",
        keep: "bot:",
        null: Some("visitors"),
        listed: |items| items.automation,
        ..OUTCOMES
    },
    // Nothing ties the reasons of a verdict to its level.
    VERDICTS,
    TallyTable { prefix: "verdict_reason:", column: "reason", blank: Some("level"), ..VERDICTS },
];

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
        self.0.keys().filter(|reason| reason.starts_with(KEY_LOST)).count() as u64
    }

    /// The rows that are made of tallies: outcomes of events, declared bots, and verdicts.
    pub(super) fn rows(
        &self,
        noise_source: &NoiseSource,
        site: &PublishedSite,
        window: &Window,
    ) -> Vec<(&'static str, Vec<Row>)> {
        let opening = site.row(window);
        let listed = TABLES.iter().filter(|table| (table.listed)(&site.items));
        listed.map(|table| (table.into, self.rows_of(table, noise_source, &opening))).collect()
    }

    /// Counts that are too small alone are added to `(other)`, which is published if it is large enough.
    fn rows_of(&self, table: &TallyTable, noise_source: &NoiseSource, opening: &Row) -> Vec<Row> {
        let row = |name: &str, count: i64| {
            let mut row = opening.clone();
            row.insert(table.column.to_owned(), format!("{}{name}", table.keep).into());
            row.insert("count".to_owned(), count.into());
            row.extend(table.blank.map(|column| (column.to_owned(), "".into())));
            row.extend(table.null.map(|column| (column.to_owned(), Value::Null)));
            row
        };
        let (mut rows, mut rest) = (Vec::new(), 0);
        for (reason, count) in &self.0 {
            let Some(name) = reason.strip_prefix(table.prefix) else { continue };
            match noise_source.bounded_events(reason, *count, table.bound.unwrap_or(1)) {
                Some(published) => rows.push(row(name, published)),
                None => rest += count,
            }
        }
        if table.bound.is_some() {
            return rows;
        }
        let other = noise_source.events(&format!("{}{OTHER}", table.prefix), rest);
        rows.extend(other.map(|published| row(OTHER, published)));
        rows
    }
}
