//! The plan of a window: everything that will be published of it. It is computed once from the vault and kept in a file until
//! it is published, so that a publisher that was killed continues with the same numbers.
//!
//! The rows of a plan may be published. The file also holds exact numbers of events, for [`Counted`], and only this account
//! can read it. Computing a plan writes to neither store.

use serde::{Deserialize, Serialize};

use super::cells::{Cell, OTHER, PublishedRow};
use super::crowd::{NETWORK_CAP, NETWORK_CAP_WEEK};
use super::error::PublishError;
use super::model::{PublishedSite, Row};
use super::noise::NoiseSource;
use super::rollups::{Rollup, Rollups};
use super::tables::Tables;
use super::tallies::Tallies;
use super::total::{self, FIRST_VISIT_FLAGS, FlagPattern, Periods, Total};
use super::window_reader::WindowReader;
use super::{funnel, queries, rules};
use crate::config::Identification;
use crate::window::Window;

/// What is published of a window.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Plan {
    /// Rows by table, in the order of writing; the ledger's row is written after them.
    pub tables: Vec<(String, Vec<Row>)>,
    /// The ledger's row, without the time of publication.
    pub ledger: Row,
    /// The event counts to keep once this window is published.
    pub counted: Counted,
    /// The exact views, visits and confirmed visitors, for comparison only; they stay in memory.
    #[serde(skip)]
    pub exact_totals: [u64; 3],
}

/// How many events the published windows had, so that events that arrive later are noticed. Exact, in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Counted {
    /// Start, end and events of windows whose rows may still be in the vault.
    pub windows: Vec<(i64, i64, u64)>,
}

/// Days after which the vault has no row any more; the vault's DDL has the same number.
pub const VAULT_DAYS: i64 = 9;

#[derive(Deserialize)]
struct WindowCount {
    end: i64,
    count: u64,
}

/// The input of a plan, beside the vault's rows.
pub struct PlanInput<'a> {
    /// The window's random seed.
    pub seed: &'a [u8],
    /// Whether all nodes had emptied their spools.
    pub complete: bool,
    /// The event counts of published windows.
    pub counted: &'a Counted,
    /// How much smaller than usual the slices are, as a power of two: for a vault that ran out of memory.
    pub split_shift: u32,
}

/// Computes the plan of a window from the vault.
pub async fn compute<V: Tables>(
    vault: &V,
    site: &PublishedSite,
    window: &Window,
    input: &PlanInput<'_>,
) -> Result<Plan, PublishError> {
    let reader = WindowReader { vault, site, window, split_shift: input.split_shift };
    let tallies = Tallies::read(&reader).await?;
    let cap = if site.schedule.is_weekly() { NETWORK_CAP_WEEK } else { NETWORK_CAP };
    let noise_source = NoiseSource::new(input.seed, cap).keys_lost(tallies.keys_lost());

    let events = count_events(vault, site, window, input.counted).await?;
    let mut patterns: Vec<FlagPattern> = Vec::new();
    reader.query_slices(&queries::TOTAL, events.scanned, |pattern| patterns.push(pattern)).await?;

    let of_all = |at: usize| patterns.iter().map(|pattern| pattern.amounts[at]).sum();
    let visitors = total::visitors(&patterns);
    let exact_totals = [of_all(0), of_all(1), visitors];
    let mut plan = Plan { counted: events.counted, exact_totals, ..Plan::default() };
    let mut folded_share = if events.here > 0 && site.items.pages { 1.0 } else { 0.0 };
    let total = total_of(&noise_source, site, window, &patterns, tallies.of("count_only"));
    if let Some(total) = &total {
        plan.add("site", vec![total_row(site.row(window), total)]);
        if site.identity != Identification::None {
            let rollups = Rollups::of(site);
            let sources = reader.cells(&rollups, events.scanned).await?;
            for rollup in &rollups.tables {
                let cells = rollup.cells(sources.get(&rollup.source));
                if rollup.steps.is_empty() {
                    let rows = rules::publishable(&rollup.table, &noise_source, visitors, cells);
                    if rollup.into == "pages" {
                        folded_share = share_of_other(&rows);
                    }
                    plan.add(rollup.into, rows.into_iter().map(|row| rollup.row(site.row(window), row)).collect());
                } else {
                    plan.add(rollup.into, funnel_rows(&noise_source, rollup, &site.row(window), &cells));
                }
            }
            let views_of_hour = |hour: &str| tallies.of(&format!("views:{hour}"));
            for (table, rows) in reader.apart_tables(&noise_source, visitors, views_of_hour).await? {
                plan.add(table, rows);
            }
            for (table, rows) in reader.separate_tables(&noise_source, visitors).await? {
                plan.add(table, rows);
            }
        }
        for (table, rows) in tallies.rows(&noise_source, site, window) {
            plan.add(table, rows);
        }
    }

    let here = noise_source.round(events.here, noise_source.total_noise(["ledger", "events"]));
    let late = total::events(&noise_source, "late", events.late).unwrap_or(0);
    plan.ledger = site.row(window);
    plan.ledger.insert("complete".into(), input.complete.into());
    plan.ledger.insert("events".into(), if total.is_some() { here } else { 0 }.into());
    plan.ledger.insert("folded_share".into(), folded_share.into());
    plan.ledger.insert("late".into(), late.into());
    Ok(plan)
}

fn funnel_rows(noise_source: &NoiseSource, rollup: &Rollup, opening: &Row, cells: &[Cell]) -> Vec<Row> {
    let steps = funnel::publishable_steps(&rollup.table, noise_source, rollup.steps.len(), cells);
    steps.into_iter().map(|step| rollup.step(opening.clone(), step)).collect()
}

/// What is published of the site's total; `None` if nothing of the window is published.
fn total_of(
    noise_source: &NoiseSource,
    site: &PublishedSite,
    window: &Window,
    patterns: &[FlagPattern],
    count_only: u64,
) -> Option<Total> {
    if site.identity == Identification::None {
        return total::views_alone(noise_source, patterns, count_only);
    }
    let begins_day = window.start == site.schedule.day_start(window.first_day);
    let periods = Periods::of(&site.schedule, window);
    let mut total = total::publishable(noise_source, patterns, count_only, periods, begins_day)?;
    if site.identity == Identification::DailyAddress {
        // Without a cookie the first day of a visitor's week is unknown: the number is NULL, not 0.
        total.flags[1..].fill(None);
    }
    Some(total)
}

fn total_row(mut row: Row, total: &Total) -> Row {
    row.extend([("views".into(), total.views.into()), ("visits".into(), total.visits.into())]);
    row.insert("visitors".into(), total.visitors.into());
    row.extend(FIRST_VISIT_FLAGS.iter().zip(total.flags).map(|(name, amount)| ((*name).to_owned(), amount.into())));
    row.insert("count_only_views".into(), total.count_only.into());
    row
}

impl Plan {
    /// Adds rows to a table. They may come from several places, but they are written in one insert.
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

/// The plan of a window whose rows the vault has dropped: the ledger says that it is over and incomplete.
pub fn too_old(site: &PublishedSite, window: &Window, counted: &Counted) -> Plan {
    let mut ledger = site.row(window);
    for (name, value) in [("events", 0.into()), ("folded_share", 0.0.into()), ("late", 0.into())] {
        ledger.insert(name.to_owned(), value);
    }
    ledger.insert("complete".into(), false.into());
    Plan { ledger, counted: counted.clone(), ..Plan::default() }
}

/// The event counts of a window.
struct Events {
    /// Events of the window.
    here: u64,
    /// Rows that the queries read: those of the window and those of its first day before the window.
    scanned: u64,
    /// Events of published windows that arrived after they were counted.
    late: u64,
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
    let windows_of_rows: Vec<WindowCount> = vault
        .rows(queries::EVENTS_BY_WINDOW, &[("site", site.domain.clone()), ("start", since.to_string())])
        .await
        .map_err(|source| PublishError::store("counting events in the vault", source))?;
    let between = |start: i64, end: i64| -> u64 {
        windows_of_rows.iter().filter(|row| start < row.end && row.end <= end).map(|row| row.count).sum()
    };
    let mut late = 0;
    for (start, end, events) in &mut windows {
        // There may be fewer than before: the day was dropped, or rows of a visitor were erased.
        let now = between(*start, *end);
        late += now.saturating_sub(*events);
        *events = (*events).max(now);
    }
    let here = between(start, end);
    windows.push((start, end, here));
    Ok(Events { here, scanned: between(day_start, end), late, counted: Counted { windows } })
}

/// The share of views in `(other)`, computed from the published numbers, to two digits.
fn share_of_other(rows: &[PublishedRow]) -> f64 {
    let views = |row: &PublishedRow| row.measures.first().copied().flatten().unwrap_or(0);
    let all: u64 = rows.iter().map(views).sum();
    let other: u64 = rows.iter().filter(|row| row.dimensions == [OTHER]).map(views).sum();
    if all == 0 { 1.0 } else { (other as f64 / all as f64 * 100.0).round() / 100.0 }
}
