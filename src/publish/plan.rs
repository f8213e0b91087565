//! The plan of a window: everything that will be published of it. It is computed once from the vault and kept in a file until
//! it is published, so that a publisher that was killed continues with the same numbers.
//!
//! The rows of a plan may be published. The file also holds exact numbers of events, for [`Counted`], and only this account
//! can read it. Computing a plan writes to neither store.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::apart_tables::ApartTable;
use super::carry::{CARRIED, Carried};
use super::cells::{Cell, PublishedRow, Rest};
use super::counted::{Counted, count_events};
use super::crowd::{NETWORK_CAP, NETWORK_CAP_WEEK};
use super::error::PublishError;
use super::hours::{self, Hours};
use super::model::{PublishedSite, Row};
use super::noise::NoiseSource;
use super::queries;
use super::rollups::Rollups;
use super::rules::{self, Totals};
use super::separate_tables::{SEPARATE_TABLES, Separate, known_of};
use super::tables::Tables;
use super::tallies::Tallies;
use super::target::Target;
use super::total::{self, FIRST_VISIT_FLAGS, FlagPattern, Periods, Total};
use super::window_reader::WindowReader;
use crate::config::Identification;
use crate::window::Window;

/// Tables in which a visitor-day adds to many cells: for them the ledger says which share the bounds cut off.
pub(super) const CUT_TABLES: [&str; 7] =
    ["pages", "transitions", "exits", "events", "searches", "errors", "automation"];
/// How many times wider the noise of what is cut off is: it may be much of one visitor-day.
pub(super) const CUT_WIDE: u32 = 10;

/// What is published of a window.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Plan {
    /// Rows by table, in the order of writing; the ledger's row is written after them.
    pub tables: Vec<(String, Vec<Row>)>,
    /// The ledger's row, without the time of publication.
    pub ledger: Row,
    /// The event counts to keep once this window is published.
    pub counted: Counted,
    /// What the site carries to longer periods once this window is published.
    pub carried: Option<Carried>,
    /// What is published of each number, by table and column, for the preview.
    #[serde(skip)]
    pub shown: BTreeMap<(&'static str, String), Shown>,
    /// Declarations that no window before had.
    pub first_declared: Vec<String>,
}

/// What is published of one number of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The sum of all rows with a name, and how many they are.
    pub named: i64,
    pub rows: u64,
    /// The sum of all rows, if `(other)` has the number too.
    pub all: Option<i64>,
    /// How many times wider than usual its noise is.
    pub wide: u32,
}

impl Shown {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        *self = Self {
            named: self.named + other.named,
            rows: self.rows + other.rows,
            all: self.all.into_iter().chain(other.all).reduce(|one, other| one + other),
            wide: self.wide.max(other.wide),
        };
    }
}

/// The input of a plan, beside the vault's rows.
pub struct PlanInput<'a> {
    /// The window's random seed.
    pub seed: &'a [u8],
    /// Whether all nodes had emptied their spools.
    pub complete: bool,
    /// The event counts of published windows.
    pub counted: &'a Counted,
    /// What the windows before have left without a name.
    pub carried: &'a Carried,
    /// What of its hours is published.
    pub hours: &'a Hours,
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
    let noise_source = NoiseSource::new(input.seed, site.protection, cap).keys_lost(tallies.keys_lost());

    let events = count_events(vault, site, window, input.counted).await?;
    let mut patterns: Vec<FlagPattern> = Vec::new();
    reader.query_slices(&queries::TOTAL, events.scanned, |pattern| patterns.push(pattern)).await?;
    let of_all = |at: usize| total::sum(&patterns, |pattern| pattern.amounts[at]);

    let mut counted = events.counted;
    let declarations: BTreeSet<String> = site.declarations().collect();
    let first_declared: Vec<String> = declarations.difference(&counted.declarations).cloned().collect();
    counted.declarations.extend(declarations);

    let total = total_of(&noise_source, site, window, &patterns, tallies.of("count_only"));
    let mut writer = Writer::new(&noise_source, site, window, input);
    if let Some(total) = &total {
        let mut row = total_row(site.row(window), total);
        if site.identity != Identification::None {
            for (at, name) in ["views", "visits"].into_iter().enumerate() {
                writer.note_cut(name, total::sum(&patterns, |pattern| pattern.cuts[at]), of_all(at));
            }
            writer.tables(&reader, total, &mut row, &tallies, events.scanned).await?;
        }
        writer.tables.insert(0, ("site".to_owned(), vec![row]));
        for (table, rows) in tallies.rows(&noise_source, site, window) {
            writer.add(table, rows);
        }
    }
    writer.tables.append(&mut writer.longer);
    let carried = writer.carried.take().map(|mut carried| {
        carried.end(window, &noise_source);
        carried
    });

    let here = noise_source.noisy(of_all(2), "ledger", &[], "events", total::EVENTS_WIDE);
    let is_shared = total.is_some();
    let mut ledger = site.row(window);
    ledger.extend([
        ("complete".to_owned(), input.complete.into()),
        ("events".to_owned(), if is_shared { here } else { 0 }.into()),
        (
            "folded_share".to_owned(),
            writer.folded_share.unwrap_or(if events.here > 0 && site.items.pages { 1.0 } else { 0.0 }).into(),
        ),
        ("late".to_owned(), noise_source.events("late", events.late).unwrap_or(0).into()),
        ("sigma".to_owned(), noise_source.sigma().into()),
        ("cut_share".to_owned(), json!(writer.cut_shares())),
        ("first_declared".to_owned(), json!(first_declared)),
    ]);
    Ok(Plan { tables: writer.tables, ledger, counted, carried, shown: writer.shown, first_declared })
}

/// Collects the rows of a window.
struct Writer<'a> {
    noise_source: &'a NoiseSource,
    site: &'a PublishedSite,
    window: &'a Window,
    carried: Option<Carried>,
    hours: &'a Hours,
    tables: Vec<(String, Vec<Row>)>,
    /// Rows of longer periods. Those of one table and period are written in one insert.
    longer: Vec<(String, Vec<Row>)>,
    totals: Totals,
    /// By what is counted: what the bounds cut off, and what they left.
    cuts: BTreeMap<&'static str, (u64, u64)>,
    folded_share: Option<f64>,
    shown: BTreeMap<(&'static str, String), Shown>,
}

impl<'a> Writer<'a> {
    fn new(noise_source: &'a NoiseSource, site: &'a PublishedSite, window: &'a Window, input: &PlanInput<'a>) -> Self {
        let (carried, hours) = (input.carried.before(site, window), input.hours);
        let (tables, longer, totals, cuts, shown) = Default::default();
        Self { noise_source, site, window, carried, hours, tables, longer, totals, cuts, folded_share: None, shown }
    }

    /// Adds the rows of all tables of a site that distinguishes its visitors, and completes that of its total. `scanned` is the number of rows of events.
    async fn tables<V: Tables>(
        &mut self,
        reader: &WindowReader<'_, V>,
        total: &Total,
        of_site: &mut Row,
        tallies: &Tallies,
        scanned: u64,
    ) -> Result<(), PublishError> {
        for (name, noisy) in [("views", total.views), ("visits", total.visits), ("visitors", Some(total.visitors))] {
            let Some(noisy) = noisy else { continue };
            self.totals.insert(name, noisy);
            self.note_shown("site", name, Shown { named: noisy, rows: 1, all: Some(noisy), wide: total::WIDE });
        }
        if let Some(carried) = &mut self.carried {
            carried.begin(self.window, self.noise_source);
        }
        let candidates = reader.candidates(self.noise_source).await?;
        let rollups = Rollups::of(self.site);
        let sources = reader.cells(&rollups, &candidates, scanned).await?;
        for rollup in &rollups.tables {
            let (target, cells) = (&rollup.target, rollup.cells(sources.get(&rollup.source)));
            if target.table.dimensions.is_empty() {
                let numbers = rules::totals_of(&target.table, self.noise_source, &mut self.totals, &cells);
                for (measure, number) in target.table.measures.iter().zip(&numbers.measures) {
                    let (named, wide) = (number.unwrap_or(0), measure.wide);
                    self.note_shown("site", &measure.name, Shown { named, rows: 1, all: *number, wide });
                }
                *of_site = target.row(std::mem::take(of_site), numbers);
            } else if rollup.steps.is_empty() {
                self.publish(target, &cells);
            } else {
                self.add(target.into, rollup.steps(self.noise_source, &self.site.row(self.window), &cells));
            }
        }
        let apart = ApartTable::all(self.site);
        let listed: Vec<_> = SEPARATE_TABLES.iter().filter(|table| (table.listed)(&self.site.items)).collect();
        let of_apart = apart.iter().map(ApartTable::rows);
        let rows: Vec<_> = of_apart.chain(listed.iter().map(|table| table.rows())).collect();
        let mut counts = reader.counts(&rows).await?.into_iter();
        for (apart, rows) in apart.iter().zip(&mut counts) {
            let cells = reader.cells_of(rows, &apart.cells_query(&candidates)).await?;
            let mut cells = apart.cells(cells, |hour| tallies.of(&format!("views:{hour}")));
            if apart.target.into == hours::TABLE {
                cells.retain(|cell| !self.hours.has(&cell.dimensions[0]));
            }
            self.publish(&apart.target, &cells);
        }
        let mut separate: Vec<Separate> = Vec::new();
        for (table, rows) in listed.iter().zip(counts) {
            let cells = reader.cells_of(rows, &table.cells_query(&candidates)).await?;
            for of in table.tables(cells) {
                // Suspects and detectors are one table with one `(other)`.
                match separate.iter_mut().find(|known| known.target.table.name == of.target.table.name) {
                    Some(known) => known.cells.extend(of.cells),
                    None => separate.push(of),
                }
            }
        }
        let (attributes, separate): (Vec<_>, Vec<_>) =
            separate.into_iter().partition(|of| of.target.into == "attributes");
        separate.iter().for_each(|Separate { target, cells }| self.publish(target, cells));
        self.attributes(&attributes);
        Ok(())
    }

    /// Adds the rows of the attributes. Each row says of how many visitors the attribute is known.
    fn attributes(&mut self, attributes: &[Separate]) {
        let (mut all, mut sums) = (Vec::new(), Vec::new());
        for Separate { target, cells } in attributes {
            let rows = self.publishable(target, cells);
            sums.push((target, rows.iter().filter_map(|row| row.measures.first().copied().flatten()).sum()));
            all.push(rows);
        }
        let known = known_of(&sums);
        for ((target, _), rows) in sums.iter().zip(all) {
            let mut opening = self.site.row(self.window);
            opening.insert("devices".to_owned(), known.get(target.table.name.as_str()).copied().flatten().into());
            self.add("attributes", target.rows(&opening, rows));
        }
    }

    /// Adds the rows of a table, and those of the longer periods that end with the window.
    fn publish(&mut self, target: &Target, cells: &[Cell]) {
        let rows = self.publishable(target, cells);
        let (site, window) = (self.site, self.window);
        let is_carried = CARRIED.contains(&target.into);
        let opening = |window: &Window, carried_to: Date| {
            let mut row = site.row(window);
            if is_carried {
                row.insert("carried_to".to_owned(), carried_to.to_string().into());
            }
            row
        };
        if let Some(carried) = self.carried.as_mut().filter(|_| is_carried) {
            carried.add(&target.table, self.noise_source, &rows, cells);
            for (longer, rows) in carried.close(site, window, self.noise_source, &target.table) {
                let rows = target.rows(&opening(&longer, longer.last_day), rows);
                self.longer.extend((!rows.is_empty()).then(|| (target.into.to_owned(), rows)));
            }
        }
        self.add(target.into, target.rows(&opening(window, window.first_day), rows));
    }

    fn publishable(&mut self, Target { into, table, .. }: &Target, cells: &[Cell]) -> Vec<PublishedRow> {
        let cut = cells.iter().map(|cell| cell.cut).sum();
        self.note_cut(into, cut, cells.iter().filter_map(|cell| cell.amounts.first()).sum());
        let mut rows = rules::publishable(table, self.noise_source, &mut self.totals, cells);
        if *into == hours::TABLE {
            self.hours.take_from(&mut rows);
        }
        if *into == "pages" {
            self.folded_share = Some(share_of_other(&rows));
        }
        for (at, measure) in table.measures.iter().enumerate() {
            let sum = |of: &dyn Fn(&PublishedRow) -> bool| {
                rows.iter().filter(|row| of(row)).filter_map(|row| row.measures[at]).sum()
            };
            let is_named = |row: &PublishedRow| !row.is_other();
            let rows = rows.iter().filter(|row| is_named(row)).count() as u64;
            let all = (measure.rest != Rest::Unpublished).then(|| sum(&|_| true));
            self.note_shown(into, &measure.name, Shown { named: sum(&is_named), rows, all, wide: measure.wide });
        }
        rows
    }

    fn note_shown(&mut self, table: &'static str, column: &str, shown: Shown) {
        self.shown.entry((table, column.to_owned())).or_default().add(&shown);
    }

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

    fn note_cut(&mut self, of: &'static str, cut: u64, left: u64) {
        let sums = self.cuts.entry(of).or_default();
        *sums = (sums.0 + cut, sums.1 + left);
    }

    /// The share that the bounds cut off, with noise, to two digits.
    fn cut_shares(&self) -> BTreeMap<&'static str, f64> {
        let is_published = |of: &&str| ["views", "visits"].contains(of) || CUT_TABLES.contains(of);
        let share = |(of, (cut, left)): (&&'static str, &(u64, u64))| {
            let [cut, left] = [(*cut, "cut"), (*left, "left")]
                .map(|(number, what)| self.noise_source.noisy(number, "cut", &[("of", of)], what, CUT_WIDE).max(0));
            (*of, if cut + left == 0 { 0.0 } else { (cut as f64 / (cut + left) as f64 * 100.0).round() / 100.0 })
        };
        self.cuts.iter().filter(|(of, _)| is_published(of)).map(share).collect()
    }
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

/// The plan of a window whose rows the vault has dropped: the ledger says that it is over and incomplete.
pub fn too_old(site: &PublishedSite, window: &Window, counted: &Counted) -> Plan {
    let mut ledger = site.row(window);
    for (name, value) in [
        ("events", 0.into()),
        ("folded_share", 0.0.into()),
        ("late", 0.into()),
        ("sigma", site.protection.sigma().into()),
        ("cut_share", json!({})),
        ("first_declared", json!([])),
    ] {
        ledger.insert(name.to_owned(), value);
    }
    ledger.insert("complete".into(), false.into());
    Plan { ledger, counted: counted.clone(), ..Plan::default() }
}

/// The share of views in `(other)`, computed from the published numbers, to two digits.
fn share_of_other(rows: &[PublishedRow]) -> f64 {
    let views = |row: &PublishedRow| row.measures.first().copied().flatten().unwrap_or(0).max(0);
    let all: i64 = rows.iter().map(views).sum();
    let other: i64 = rows.iter().filter(|row| row.is_other()).map(views).sum();
    if all == 0 { 1.0 } else { (other as f64 / all as f64 * 100.0).round() / 100.0 }
}
