//! Cells out of the vault: the queries asked slice by slice, their answers put together, and what becomes rows from them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserialize;
use serde_json::Value;

use super::PublishError;
use super::funnel::Reached;
use super::plan::{PublishedSite, Row, opening};
use super::queries::{self, THINGS, Things};
use super::rollups::{JOINED, Rollup, Rollups};
use super::rules::{self, Cell, Kind, OTHER, Secrets, Shown, Table};
use super::site;
use super::tables::Tables;
use super::window::Window;

/// Attributes of which a visitor may have several values; each is a row under a pseudonym of its own.
const LISTS: [&str; 5] = ["languages", "fonts", "plugins", "media_devices", "screen"];
/// Attributes that come with each view; all others come with the device part, of fewer visitors.
const OF_VIEWS: &str = "provider";

/// A window of a site, and the vault that is asked about it.
pub(super) struct Asking<'a, V> {
    pub(super) vault: &'a V,
    pub(super) site: &'a PublishedSite,
    pub(super) window: &'a Window,
    /// How much finer than usual the passes are sliced, as a power of two.
    pub(super) finer: u32,
}

/// The cells of a source by their place.
type Cells = BTreeMap<Vec<String>, Cell>;

#[derive(Deserialize)]
struct OfSource {
    source: usize,
    #[serde(flatten)]
    cell: Cell,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

impl<V: Tables> Asking<'_, V> {
    /// Asks about the window, with more parameters.
    pub(super) async fn ask<T: serde::de::DeserializeOwned + Send>(
        &self,
        sql: &str,
        more: &[(&'static str, String)],
    ) -> Result<Vec<T>, PublishError> {
        let site = self.site;
        let mut parameters = queries::parameters(&site.domain, &site.time_zone, self.window, site.schedule.is_weekly());
        parameters.extend_from_slice(more);
        self.vault.rows(sql, &parameters).await.map_err(|source| PublishError::store("reading the vault", source))
    }

    /// Asks about every slice of so many rows. The engine works on a slice with one thread, hence two at a time.
    pub(super) async fn sliced<T: serde::de::DeserializeOwned + Send>(
        &self,
        sql: &str,
        rows: u64,
        mut take: impl FnMut(T),
    ) -> Result<(), PublishError> {
        for slices in queries::slices(rows, self.finer).chunks(2) {
            let ask = async |at: usize| match slices.get(at) {
                Some(slice) => self.ask(sql, slice).await,
                None => Ok(Vec::new()),
            };
            let (first, second) = tokio::try_join!(ask(0), ask(1))?;
            first.into_iter().chain(second).for_each(&mut take);
        }
        Ok(())
    }

    /// The cells of all sources that are counted from events.
    pub(super) async fn cells(&self, rollups: &Rollups, rows: u64) -> Result<BTreeMap<usize, Cells>, PublishError> {
        let shown = self.ask(&queries::SHOWN, &[]).await?;
        let sql = queries::cells(rollups, &shown);
        let mut sources: BTreeMap<usize, Cells> = BTreeMap::new();
        self.sliced(&sql, rows, |row: OfSource| gather(sources.entry(row.source).or_default(), row.cell)).await?;
        Ok(sources)
    }

    /// The rows of the tables whose pseudonyms are their own.
    pub(super) async fn things(
        &self,
        secrets: &Secrets,
        visitors: u64,
    ) -> Result<Vec<(&'static str, Vec<Row>)>, PublishError> {
        let mut rows = Vec::new();
        for things in THINGS.iter().filter(|things| (things.listed)(&self.site.items)) {
            let count: Vec<Count> = self.ask(&things.rows(), &[]).await?;
            let count = count.first().map_or(0, |row| row.count);
            let mut cells = Cells::new();
            if count > 0 {
                self.sliced(&things.cells(), count, |cell| gather(&mut cells, cell)).await?;
            }
            rows.push((things.into, self.rows_of(things, secrets, visitors, cells)));
        }
        Ok(rows)
    }

    fn rows_of(&self, things: &Things, secrets: &Secrets, visitors: u64, cells: Cells) -> Vec<Row> {
        let cells = cells.into_values();
        match things.into {
            "attributes" => self.attributes(secrets, cells),
            "errors" => {
                let table = table(
                    "errors",
                    2,
                    &[("count", Kind::Whole), ("visitors", Kind::Audience), ("networks", Kind::Audience)],
                );
                let cells = cells.map(|cell| {
                    let networks = cell.crowd.classes();
                    cell.with(&[1, 0]).and(networks)
                });
                let mut shown = rules::publishable(&table, secrets, visitors, cells.collect());
                // Networks make no crowd; a few of them are not told, as a few people are not.
                for networks in shown.iter_mut().filter_map(|row| row.measures.last_mut()) {
                    *networks = networks.filter(|told| *told >= u64::from(rules::K_MIN));
                }
                self.plain(&["template", "browser"], &table, shown)
            }
            _ => {
                let table = table("automation", 1, &[("count", Kind::Whole), ("visitors", Kind::Audience)]);
                // Suspects are in no total, so that nobody can subtract them from one.
                let cells = cells.map(|cell| cell.with(&[1, 0]).at(1)).collect();
                let shown = rules::publishable(&table, secrets, u64::MAX, cells);
                self.plain(&["reason"], &table, shown)
            }
        }
    }

    /// Each attribute is a table by itself. Of a list, the people who lack a value can be told by those of other
    /// attributes, so that they are to be none or many as well; and as values share people, small ones are left out.
    fn attributes(&self, secrets: &Secrets, cells: impl Iterator<Item = Cell>) -> Vec<Row> {
        let mut by_name: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
        for cell in cells {
            let mut dimensions = cell.dimensions.clone().into_iter();
            let (name, value) = (dimensions.next().unwrap_or_default(), dimensions.next().unwrap_or_default());
            by_name.entry(name).or_default().push(Cell { dimensions: vec![value], ..cell.with(&[0]) });
        }
        let asked = by_name.iter().filter(|(name, _)| !LISTS.contains(&name.as_str()) && *name != OF_VIEWS);
        let asked = asked.map(|(_, cells)| cells.iter().map(|cell| cell.visitors).sum()).max().unwrap_or(u64::MAX);
        let mut rows = Vec::new();
        for (name, cells) in by_name {
            let is_list = LISTS.contains(&name.as_str());
            let kind = if is_list { Kind::Audience } else { Kind::Whole };
            let mut table = table(&format!("attributes {name}"), 1, &[("visitors", kind)]);
            table.overlapping = is_list;
            let shown = rules::publishable(&table, secrets, asked, cells);
            let shown = shown.into_iter().filter(|row| !is_list || row.dimensions != [OTHER]).collect();
            for mut row in self.plain(&["value"], &table, shown) {
                row.insert("attribute".to_owned(), name.clone().into());
                rows.push(row);
            }
        }
        rows
    }

    fn plain(&self, columns: &[&str], table: &Table, shown: Vec<Shown>) -> Vec<Row> {
        let row = |shown: Shown| {
            let mut row = opening(self.site, self.window);
            row.extend(columns.iter().zip(shown.dimensions).map(|(name, value)| ((*name).to_owned(), value.into())));
            row.extend(table.measures.iter().zip(shown.measures).map(|((name, _), told)| (name.clone(), told.into())));
            row
        };
        shown.into_iter().map(row).collect()
    }
}

fn table(name: &str, levels: usize, measures: &[(&str, Kind)]) -> Table {
    let measures = measures.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    Table { name: name.to_owned(), levels, measures, overlapping: true }
}

/// Puts a slice's cell to what other slices have of it; they share no visitor.
fn gather(cells: &mut Cells, cell: Cell) {
    match cells.entry(cell.dimensions.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(cell);
        }
        Entry::Occupied(mut entry) => {
            entry.get_mut().merge(cell, false);
            entry.get_mut().folded = 0;
        }
    }
}

impl Cell {
    /// The cell with these of its measures. One whose shape is wrong stays as it is, and the rules leave it out.
    fn with(&self, measures: &[usize]) -> Self {
        let well_formed = [self.parts.len(), self.rests.len()] == [self.amounts.len(); 2]
            && measures.iter().all(|measure| *measure < self.amounts.len());
        if !well_formed {
            return self.clone();
        }
        Self {
            amounts: measures.iter().map(|&at| self.amounts[at]).collect(),
            parts: measures.iter().map(|&at| self.parts[at].clone()).collect(),
            rests: measures.iter().map(|&at| self.rests[at].clone()).collect(),
            dimensions: self.dimensions.clone(),
            crowd: self.crowd.clone(),
            ..*self
        }
    }

    /// The cell with one measure more.
    fn and(mut self, amount: u64) -> Self {
        self.amounts.push(amount);
        self.parts.push(Default::default());
        self.rests.push(Default::default());
        self
    }

    /// The cell by so many of its dimensions.
    fn at(mut self, levels: usize) -> Self {
        self.dimensions.truncate(levels);
        self
    }
}

impl Rollup {
    /// Its cells out of those of its source.
    pub(super) fn cells(&self, source: Option<&Cells>) -> Vec<Cell> {
        let cells = source.into_iter().flat_map(BTreeMap::values);
        cells.map(|cell| cell.with(&self.takes).at(self.table.levels)).collect()
    }

    /// The row of a cell that shows.
    pub(super) fn row(&self, mut row: Row, shown: Shown) -> Row {
        row.extend(self.fixed.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let mut columns = self.columns.iter();
        for (level, value) in shown.dimensions.iter().enumerate() {
            // What is folded is so in every column that its dimension fills.
            let fills = if level + 1 == shown.dimensions.len() {
                columns.len()
            } else {
                columns.len() - (shown.dimensions.len() - 1 - level)
            };
            let mut parts = value.split(JOINED);
            for column in columns.by_ref().take(fills) {
                let part = if value == OTHER { OTHER } else { parts.next().unwrap_or_default() };
                row.insert((*column).to_owned(), part.into());
            }
        }
        let mut goals = Row::new();
        for ((name, _), told) in self.table.measures.iter().zip(shown.measures) {
            match name.strip_prefix("goal ") {
                Some(goal) => goals.insert(goal.to_owned(), told.into()),
                None => row.insert(name.clone(), told.into()),
            };
        }
        if ["entries", "landings", "campaigns"].contains(&self.into) {
            row.insert("goals".to_owned(), Value::Object(goals));
        }
        row
    }

    /// The row of a funnel's step.
    pub(super) fn step(&self, mut row: Row, reached: Reached) -> Row {
        row.extend(self.fixed.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        row.insert("step".to_owned(), reached.step.into());
        let name = self.steps.get(reached.step - 1).cloned().unwrap_or_default();
        row.insert("name".to_owned(), name.into());
        row.insert("visits".to_owned(), reached.visits.into());
        row
    }
}

/// What was counted in a window without a pseudonym, by reason.
pub(super) struct Tallies(BTreeMap<String, u64>);

#[derive(Deserialize)]
struct Tally {
    reason: String,
    count: u64,
}

impl Tallies {
    pub(super) async fn read<V: Tables>(
        vault: &V,
        site: &PublishedSite,
        window: &Window,
    ) -> Result<Self, PublishError> {
        let rows: Vec<Tally> = Asking { vault, site, window, finer: 0 }.ask(queries::TALLIES, &[]).await?;
        Ok(Self(rows.into_iter().map(|row| (row.reason, row.count)).collect()))
    }

    pub(super) fn of(&self, reason: &str) -> u64 {
        self.0.get(reason).copied().unwrap_or(0)
    }

    /// How often a key was lost: a visitor of that day may then be under so many pseudonyms more.
    pub(super) fn keys_lost(&self) -> u64 {
        self.0.keys().filter(|reason| reason.starts_with("key_lost:")).count() as u64
    }

    /// The rows that are made of them: declared bots, and what became of events. What is too little by itself is told
    /// together, if that is enough.
    pub(super) fn rows(
        &self,
        secrets: &Secrets,
        site: &PublishedSite,
        window: &Window,
    ) -> Vec<(&'static str, Vec<Row>)> {
        let of = |prefix: &str, column: &str, keep: &str, with_visitors: bool| {
            let (mut rows, mut rest) = (Vec::new(), 0);
            let mut row = |name: String, told: u64| {
                let mut row = opening(site, window);
                row.insert(column.to_owned(), name.into());
                row.insert("count".to_owned(), told.into());
                if with_visitors {
                    row.insert("visitors".to_owned(), Value::Null);
                }
                rows.push(row);
            };
            for (reason, count) in &self.0 {
                match (reason.strip_prefix(prefix), site::events(secrets, reason, *count)) {
                    (Some(name), Some(told)) => row(format!("{keep}{name}"), told),
                    (Some(_), None) => rest += count,
                    (None, _) => {}
                }
            }
            if let Some(told) = site::events(secrets, &format!("{prefix}{OTHER}"), rest) {
                row(format!("{keep}{OTHER}"), told);
            }
            rows
        };
        let mut all = vec![("quality", of("outcome:", "outcome", "", false))];
        if site.items.automation {
            all.push(("automation", of("bot:", "reason", "bot:", true)));
        }
        all
    }
}
