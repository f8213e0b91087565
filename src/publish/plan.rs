//! A window's plan: what will be published of it, computed once from the vault and kept in a file until it is, so that a
//! publisher that was killed goes on with the very same numbers.
//!
//! The rows of a plan are fit to publish; beside them the file holds exact numbers of events, for [`Counted`], and it is
//! readable by this account only. Computing a plan writes nothing, to either store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::Identification;
use crate::items::Items;

use super::PublishError;
use super::asking::{Asking, Tallies};
use super::crowd::{NETWORK_CAP, NETWORK_CAP_WEEK};
use super::rollups::Rollups;
use super::rules::{self, OTHER, Secrets, Shown};
use super::site::{self, MARKS, Pattern, Periods, Total};
use super::tables::Tables;
use super::window::{Schedule, Window};
use super::{funnel, queries};

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
    /// What its operator declared: goals by name.
    pub goals: BTreeMap<String, String>,
    /// Likewise: the steps of funnels.
    pub funnels: BTreeMap<String, Vec<String>>,
    /// Likewise: names of events that bear variants.
    pub experiments: Vec<String>,
    /// Likewise: dimensions that are published together.
    pub pairs: Vec<[String; 2]>,
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
    /// Views, visits and confirmed visitors, exactly, for whoever compares; they stay in memory.
    #[serde(skip)]
    pub truth: [u64; 3],
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
    let is_weekly = site.schedule.is_weekly();
    let tallies = Tallies::read(vault, site, window).await?;
    let cap = if is_weekly { NETWORK_CAP_WEEK } else { NETWORK_CAP };
    let secrets = Secrets::new(given.seed, cap).keys_lost(tallies.keys_lost());

    let events = count_events(vault, site, window, given.counted).await?;
    let asking = Asking { vault, site, window, finer: given.finer };
    let mut patterns: Vec<Pattern> = Vec::new();
    asking.sliced(&queries::SITE, events.scanned, |pattern| patterns.push(pattern)).await?;

    let of_all = |at: usize| patterns.iter().map(|pattern| pattern.amounts[at]).sum();
    let truth = [of_all(0), of_all(1), site::visitors(&patterns)];
    let mut plan = Plan { counted: events.counted, truth, ..Plan::default() };
    let mut folded_share = if events.here > 0 && site.items.pages { 1.0 } else { 0.0 };
    let count_only = tallies.of("count_only");
    let total = match site.identity {
        Identification::None => site::views_alone(&secrets, &patterns, count_only),
        identity => total(&secrets, site, window, &patterns, count_only).map(|mut total| {
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
        plan.add("site", vec![row]);
    }
    if total.is_some() && site.identity != Identification::None {
        let visitors = site::visitors(&patterns);
        let rollups = Rollups::of(site);
        let sources = asking.cells(&rollups, events.scanned).await?;
        for rollup in &rollups.tables {
            let cells = rollup.cells(sources.get(&rollup.source));
            let rows = if rollup.steps.is_empty() {
                let shown = rules::publishable(&rollup.table, &secrets, visitors, cells);
                if rollup.into == "pages" {
                    folded_share = share_of_other(&shown);
                }
                shown.into_iter().map(|shown| rollup.row(opening(site, window), shown)).collect()
            } else {
                let reached = funnel::reached(&rollup.table, &secrets, rollup.steps.len(), &cells);
                reached.into_iter().map(|reached| rollup.step(opening(site, window), reached)).collect()
            };
            plan.add(rollup.into, rows);
        }
        for (table, rows) in asking.things(&secrets, visitors).await? {
            plan.add(table, rows);
        }
    }
    if total.is_some() {
        for (table, rows) in tallies.rows(&secrets, site, window) {
            plan.add(table, rows);
        }
    }

    plan.ledger = opening(site, window);
    plan.ledger.insert("complete".into(), given.complete.into());
    let told = if total.is_some() { secrets.round(events.here, secrets.narrow(["ledger", "events"])) } else { 0 };
    plan.ledger.insert("events".into(), told.into());
    plan.ledger.insert("folded_share".into(), folded_share.into());
    plan.ledger.insert("late".into(), site::events(&secrets, "late", events.late).unwrap_or(0).into());
    Ok(plan)
}

/// The site's total where visitors are told apart.
fn total(
    secrets: &Secrets,
    site: &PublishedSite,
    window: &Window,
    patterns: &[Pattern],
    count_only: u64,
) -> Option<Total> {
    let begins_day = window.start == site.schedule.day_start(window.first_day);
    let periods = Periods::of(&site.schedule, window);
    site::publishable(secrets, patterns, count_only, periods, begins_day)
}

impl Plan {
    /// Rows of a table, which may come from several places but are written at once.
    fn add(&mut self, table: &str, rows: Vec<Row>) {
        if rows.is_empty() {
            return;
        }
        match self.tables.iter_mut().find(|(name, _)| name == table) {
            Some((_, all)) => all.extend(rows),
            None => self.tables.push((table.to_owned(), rows)),
        }
    }
}

/// The plan of a window whose rows the vault has dropped: the ledger says that it is over, and incomplete.
pub fn too_old(site: &PublishedSite, window: &Window, counted: &Counted) -> Plan {
    let mut ledger = opening(site, window);
    for (name, value) in [("events", 0.into()), ("folded_share", 0.0.into()), ("late", 0.into())] {
        ledger.insert(name.to_owned(), value);
    }
    ledger.insert("complete".into(), false.into());
    Plan { ledger, counted: counted.clone(), ..Plan::default() }
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

/// The share of views in `(other)`, from the numbers that are shown, to two digits.
fn share_of_other(shown: &[Shown]) -> f64 {
    let views = |row: &Shown| row.measures.first().copied().flatten().unwrap_or(0);
    let all: u64 = shown.iter().map(views).sum();
    let other: u64 = shown.iter().filter(|row| row.dimensions == [OTHER]).map(views).sum();
    if all == 0 { 1.0 } else { (other as f64 / all as f64 * 100.0).round() / 100.0 }
}

/// The columns that every row begins with. Times are seconds since 1970, which the engine reads as such.
pub(super) fn opening(site: &PublishedSite, window: &Window) -> Row {
    Row::from_iter([
        ("site".to_owned(), site.domain.clone().into()),
        ("window_start".to_owned(), window.start.as_second().into()),
        ("window_end".to_owned(), window.end.as_second().into()),
    ])
}
