//! A window's plan: what will be published of it, computed once from the vault and kept in a file until it is, so that a
//! publisher that was killed goes on with the very same numbers.
//!
//! The rows of a plan are fit to publish; beside them the file holds exact numbers of events, for [`Counted`], and it is
//! readable by this account only. Computing a plan writes nothing, to either store.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::Identification;
use crate::items::Items;

use super::PublishError;
use super::crowd::{NETWORK_CAP, NETWORK_CAP_WEEK};
use super::queries::{self, PAGES, ROLLUPS};
use super::rules::{self, Cell, OTHER, Secrets, Shown};
use super::site::{self, MARKS, Pattern};
use super::tables::Tables;
use super::window::{Schedule, Window};

/// What the publisher knows of a site.
#[derive(Clone, Debug)]
pub struct PublishedSite {
    /// Its name in every row.
    pub domain: String,
    /// IANA name of its zone.
    pub time_zone: String,
    /// Its windows.
    pub schedule: Schedule,
    /// What its policy lists.
    pub items: Items,
    /// How its visitors are told apart.
    pub identity: Identification,
}

/// A row of a stats table.
pub type Row = Map<String, Value>;

/// What is published of a window.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Plan {
    /// Rows by table, in the order of writing; the ledger's comes after them.
    pub tables: Vec<(String, Vec<Row>)>,
    /// The ledger's row, but for the time of publication.
    pub ledger: Row,
    /// What is remembered of the site's windows once this one is published.
    pub counted: Counted,
}

/// How many events published windows had, so that those which come later can be told. Kept in a file, exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Counted {
    /// Start, end and events of windows whose rows may still be in the vault.
    pub windows: Vec<(i64, i64, u64)>,
}

/// Days after which a row is gone from the vault in any case; also in the vault's DDL.
pub const VAULT_DAYS: i64 = 9;

#[derive(Deserialize)]
struct HourCount {
    hour: i64,
    count: u64,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

/// What a plan depends on beside the vault's rows.
pub struct Given<'a> {
    /// The window's seed.
    pub seed: &'a [u8],
    /// Whether all nodes had emptied their spools.
    pub complete: bool,
    /// What published windows had.
    pub counted: &'a Counted,
    /// How much finer than usual the passes are sliced, as a power of two: for a vault that ran out of memory.
    pub finer: u32,
}

/// Computes the plan of a window from the vault.
pub async fn compute<V: Tables>(
    vault: &V,
    site: &PublishedSite,
    window: &Window,
    given: &Given<'_>,
) -> Result<Plan, PublishError> {
    let failed = |source| PublishError::store("reading the vault", source);
    let is_weekly = site.schedule.is_weekly();
    let parameters = queries::parameters(&site.domain, &site.time_zone, window, is_weekly);
    let lost: Vec<Count> = vault.rows(queries::KEYS_LOST, &parameters).await.map_err(failed)?;
    let lost = lost.first().map_or(0, |row| row.count);
    let secrets = Secrets::new(given.seed, if is_weekly { NETWORK_CAP_WEEK } else { NETWORK_CAP }).keys_lost(lost);

    let events = count_events(vault, site, window, given.counted).await?;
    let slices = queries::slices(events.scanned, given.finer);
    let mut patterns: Vec<Pattern> = Vec::new();
    for slice in &slices {
        patterns.extend(vault.rows(&queries::SITE, &with(&parameters, slice)).await.map_err(failed)?);
    }
    let count_only: Vec<Count> = vault.rows(queries::COUNT_ONLY, &parameters).await.map_err(failed)?;
    let count_only = count_only.first().map_or(0, |row| row.count);

    let mut plan = Plan { counted: events.counted, ..Plan::default() };
    let mut folded_share = if events.here > 0 && site.items.pages { 1.0 } else { 0.0 };
    let total = match site.identity {
        Identification::None => site::views_alone(&secrets, &patterns, count_only),
        identity => site::publishable(&secrets, &patterns, count_only).map(|mut total| {
            if identity == Identification::DailyAddress {
                // Nobody knows a visitor's first day of a week without a cookie: absent, not 0.
                total.marks[1..].fill(None);
            }
            total
        }),
    };
    if let Some(total) = &total {
        let mut row = opening(site, window);
        row.extend([("views".into(), total.views.into()), ("visits".into(), total.visits.into())]);
        row.insert("visitors".into(), total.visitors.into());
        row.extend(MARKS.iter().zip(total.marks).map(|(name, amount)| ((*name).to_owned(), amount.into())));
        row.insert("count_only_views".into(), total.count_only.into());
        plan.tables.push(("site".into(), vec![row]));
    }
    if total.is_some() && site.identity != Identification::None {
        for rollup in ROLLUPS.iter().filter(|rollup| (rollup.listed)(&site.items)) {
            let mut cells = BTreeMap::new();
            for slice in &slices {
                let rows: Vec<Cell> = vault.rows(&rollup.sql, &with(&parameters, slice)).await.map_err(failed)?;
                for cell in rows {
                    gather(&mut cells, take(cell, rollup.takes));
                }
            }
            let cells = cells.into_values().collect();
            let shown = rules::publishable(rollup.table, &secrets, site::visitors(&patterns), cells);
            if rollup.table.name == PAGES.name {
                folded_share = share_of_other(&shown);
            }
            plan.tables.push((rollup.table.name.to_owned(), rows(site, window, rollup.table, shown)));
        }
    }
    plan.tables.retain(|(_, rows)| !rows.is_empty());

    plan.ledger = opening(site, window);
    plan.ledger.insert("complete".into(), given.complete.into());
    let told = if total.is_some() { secrets.round(events.here) } else { 0 };
    plan.ledger.insert("events".into(), told.into());
    plan.ledger.insert("folded_share".into(), folded_share.into());
    plan.ledger.insert("late".into(), site::events(&secrets, events.late).unwrap_or(0).into());
    Ok(plan)
}

/// The plan of a window whose rows the vault has dropped: the ledger says that it is over, and incomplete.
pub fn too_old(site: &PublishedSite, window: &Window, counted: &Counted) -> Plan {
    let mut ledger = opening(site, window);
    for (name, value) in [("events", 0.into()), ("folded_share", 0.0.into()), ("late", 0.into())] {
        ledger.insert(name.to_owned(), value);
    }
    ledger.insert("complete".into(), false.into());
    Plan { tables: Vec::new(), ledger, counted: counted.clone() }
}

fn with<'a>(parameters: &[(&'a str, String)], slice: &[(&'a str, String)]) -> Vec<(&'a str, String)> {
    parameters.iter().chain(slice).cloned().collect()
}

/// Puts a slice's cell to what other slices have of it; they share no visitor.
fn gather(cells: &mut BTreeMap<Vec<String>, Cell>, cell: Cell) {
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

/// What was counted for a window.
struct Events {
    /// Events of the window.
    here: u64,
    /// Rows that the queries look at: those, and those of the day before the window begins.
    scanned: u64,
    /// Events of published windows that came since they were counted.
    late: u64,
    /// The new counts.
    counted: Counted,
}

async fn count_events<V: Tables>(
    vault: &V,
    site: &PublishedSite,
    window: &Window,
    counted: &Counted,
) -> Result<Events, PublishError> {
    let (start, end) = (window.start.as_second(), window.end.as_second());
    let keeps = |&(_, past_end, _): &(i64, i64, u64)| past_end > end - VAULT_DAYS * 86_400 && past_end <= start;
    let mut windows: Vec<_> = counted.windows.iter().copied().filter(keeps).collect();
    let day_start = site.schedule.day_start(window.first_day).as_second();
    let since = windows.iter().map(|window| window.0).min().unwrap_or(start).min(day_start);
    let hours: Vec<HourCount> = vault
        .rows(queries::EVENTS_BY_HOUR, &[("site", site.domain.clone()), ("start", since.to_string())])
        .await
        .map_err(|source| PublishError::store("counting events in the vault", source))?;
    let between = |start: i64, end: i64| -> u64 {
        hours.iter().filter(|row| (start..end).contains(&row.hour)).map(|row| row.count).sum()
    };
    let mut late = 0;
    for (start, end, events) in &mut windows {
        // Fewer than before: the day was dropped, or a visitor had their rows erased.
        let now = between(*start, *end);
        late += now.saturating_sub(*events);
        *events = (*events).max(now);
    }
    let here = between(start, end);
    windows.push((start, end, here));
    Ok(Events { here, scanned: between(day_start, end), late, counted: Counted { windows } })
}

fn take(cell: Cell, measures: &[usize]) -> Cell {
    let pick = |crowds: &[super::crowd::Crowd]| measures.iter().map(|&i| crowds[i].clone()).collect();
    if cell.parts.len() != cell.amounts.len() || cell.rests.len() != cell.amounts.len() {
        // The rules leave out a cell whose shape is wrong.
        return cell;
    }
    Cell {
        amounts: measures.iter().map(|&i| cell.amounts[i]).collect(),
        parts: pick(&cell.parts),
        rests: pick(&cell.rests),
        ..cell
    }
}

/// The share of views in `(other)`, from the numbers that are shown, to two digits.
fn share_of_other(shown: &[Shown]) -> f64 {
    let views = |row: &Shown| row.measures.first().copied().flatten().unwrap_or(0);
    let all: u64 = shown.iter().map(views).sum();
    let other: u64 = shown.iter().filter(|row| row.dimensions == [OTHER]).map(views).sum();
    if all == 0 { 1.0 } else { (other as f64 / all as f64 * 100.0).round() / 100.0 }
}

fn rows(site: &PublishedSite, window: &Window, table: &rules::Table, shown: Vec<Shown>) -> Vec<Row> {
    shown
        .into_iter()
        .map(|shown| {
            let mut row = opening(site, window);
            row.extend(table.dimensions.iter().zip(shown.dimensions).map(|(name, v)| ((*name).to_owned(), v.into())));
            row.extend(table.measures.iter().zip(shown.measures).map(|((name, _), v)| ((*name).to_owned(), v.into())));
            row
        })
        .collect()
}

/// The columns that every row begins with. Times are seconds since 1970, which the engine reads as such.
fn opening(site: &PublishedSite, window: &Window) -> Row {
    Row::from_iter([
        ("site".to_owned(), site.domain.clone().into()),
        ("window_start".to_owned(), window.start.as_second().into()),
        ("window_end".to_owned(), window.end.as_second().into()),
    ])
}

/// The files of a publisher: plans that are under way, and what was counted. Every write is whole or not at all.
#[derive(Clone, Debug)]
pub struct Files(PathBuf);

impl Files {
    /// In a folder, which is made if it is not there.
    pub fn open(folder: PathBuf) -> Result<Self, PublishError> {
        std::fs::create_dir_all(&folder).map_err(|source| PublishError::file(&folder, source))?;
        Ok(Self(folder))
    }

    /// The file of a window's plan.
    pub fn plan(&self, site: &str, start: i64) -> PathBuf {
        self.0.join(format!("{site}-{start}.json"))
    }

    /// The file of what was counted.
    pub fn counted(&self, site: &str) -> PathBuf {
        self.0.join(format!("{site}.counted.json"))
    }

    /// What a file holds; `None` if there is none. One that cannot be read as such is reported and taken for none.
    pub fn read<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, PublishError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(PublishError::file(path, source)),
        };
        let read = serde_json::from_slice(&bytes).ok();
        if read.is_none() {
            tracing::warn!(path = %path.display(), "a file of the publisher is damaged and is made anew");
        }
        Ok(read)
    }

    /// Writes a file so that it survives a power cut, or leaves the old one.
    pub fn write<T: Serialize>(&self, path: &Path, content: &T) -> Result<(), PublishError> {
        let bytes = serde_json::to_vec(content).expect("maps with string keys can be written as JSON");
        let temporary = path.with_extension("new");
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)?;
            std::fs::File::open(&self.0)?.sync_all()
        };
        write().map_err(|source| PublishError::file(path, source))
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, path: &Path) -> Result<(), PublishError> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PublishError::file(path, error)),
            _ => Ok(()),
        }
    }

    /// The windows of a site, by their start, for which a plan is there.
    pub fn plans(&self, site: &str) -> Result<Vec<i64>, PublishError> {
        let mut starts = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(|source| PublishError::file(&self.0, source))? {
            let entry = entry.map_err(|source| PublishError::file(&self.0, source))?;
            let name = entry.file_name();
            let start =
                name.to_str().and_then(|name| name.strip_prefix(site)?.strip_prefix('-')?.strip_suffix(".json"));
            starts.extend(start.and_then(|start| start.parse::<i64>().ok()));
        }
        Ok(starts)
    }
}
