//! The plan of a window: everything that will be published of it. It is computed once from the vault and kept in a file until
//! it is published, so that a publisher that was killed continues with the same numbers.
//!
//! The rows of a plan may be published. The file also holds exact numbers of events, for [`Counted`], and only this account
//! can read it. Computing a plan writes to neither store.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::carry::{CARRIED, Carried};
use super::cells::{Cell, PublishedRow, Rest};
use super::counted::Counted;
use super::crowd::{NETWORK_CAP, NETWORK_CAP_WEEK};
use super::error::PublishError;
use super::hours::{self, Hours};
use super::model::{PublishedSite, Row};
use super::noise::NoiseSource;
use super::rules::{self, Totals};
use super::seen::Seen;
use super::separate_tables::{ATTRIBUTES, known_of};
use super::snapshot::Fingerprint;
use super::tables::Tables;
use super::target::{Filled, Target};
use super::total::{self, FIRST_VISIT_FLAGS, Periods, Total};
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
    /// The names that have a row, by table.
    #[serde(skip)]
    pub names: Names,
    /// Declarations that no window before had.
    pub first_declared: Vec<String>,
    /// The window, by site and start, under whose name its rows and those of others are written together.
    #[serde(default)]
    pub written_with: Option<String>,
}

/// By table, the names that have a row: what is fixed in it, and its dimensions.
pub type Names = BTreeMap<&'static str, BTreeSet<Vec<String>>>;

/// What is published of one number of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The sum of all rows with a name, how many they are, and of how many windows they are together.
    pub named: i64,
    pub rows: u64,
    pub windows: u64,
    /// The sum of all rows, if `(other)` has the number too.
    pub all: Option<i64>,
    /// How many times wider than usual its noise is.
    pub wide: u32,
}

impl Shown {
    /// A number of the whole site.
    fn total(number: Option<i64>, wide: u32) -> Self {
        Self { named: number.unwrap_or(0), rows: 1, windows: 1, all: number, wide }
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        *self = Self {
            named: self.named + other.named,
            rows: self.rows + other.rows,
            windows: self.windows + other.windows,
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
}

/// Computes the plan of a window from the vault.
pub(super) async fn compute<V: Tables>(
    reader: &WindowReader<'_, V>,
    rows: &Fingerprint,
    input: &PlanInput<'_>,
) -> Result<Plan, PublishError> {
    let WindowReader { site, window, .. } = *reader;
    let mut seen = Seen::of_total(reader, input.counted, rows).await?;
    let noise_source = noise_source(site, &seen, input.seed);
    if site.identity != Identification::None && total_of(&noise_source, site, window, &seen).is_some() {
        seen.read_tables(reader, &noise_source, rows).await?;
    }
    Ok(of_seen(&seen, site, window, input))
}

/// The noise of a window's numbers.
pub(super) fn noise_source(site: &PublishedSite, seen: &Seen, seed: &[u8]) -> NoiseSource {
    let cap = if site.schedule.is_weekly() { NETWORK_CAP_WEEK } else { NETWORK_CAP };
    NoiseSource::new(seed, site.protection, cap).keys_lost(seen.tallies.keys_lost())
}

/// Makes the plan of a window of what the vault has of it.
pub(super) fn of_seen(seen: &Seen, site: &PublishedSite, window: &Window, input: &PlanInput<'_>) -> Plan {
    let noise_source = noise_source(site, seen, input.seed);
    let of_all = |at: usize| total::sum(&seen.patterns, |pattern| pattern.amounts[at]);
    let mut counted = seen.events.counted.clone();
    let declarations: BTreeSet<String> = site.declarations().collect();
    let first_declared: Vec<String> = declarations.difference(&counted.declarations).cloned().collect();
    counted.declarations.extend(declarations);

    let total = total_of(&noise_source, site, window, seen);
    let mut writer = Writer::new(&noise_source, site, window, input);
    if let Some(total) = &total {
        let mut row = total_row(site.row(window), total);
        if site.identity != Identification::None {
            for (at, name) in ["views", "visits"].into_iter().enumerate() {
                writer.note_cut(name, total::sum(&seen.patterns, |pattern| pattern.cuts[at]), of_all(at));
            }
            writer.tables(&seen.tables, total, &mut row);
        }
        writer.tables.insert(0, ("site".to_owned(), vec![row]));
        for (table, rows) in seen.tallies.rows(&noise_source, site, window) {
            writer.add(table, rows);
        }
    }
    writer.tables.append(&mut writer.longer);
    let carried = writer.carried.take().map(|mut carried| {
        carried.end(window, &noise_source);
        carried
    });

    let here = noise_source.noisy(of_all(2), "ledger", &[], "events", total::EVENTS_WIDE);
    let is_without_pages = seen.events.here == 0 || !site.items.pages;
    let ledger = Ledger {
        complete: input.complete,
        events: if total.is_some() { here } else { 0 },
        folded_share: writer.folded_share.unwrap_or(if is_without_pages { 0.0 } else { 1.0 }),
        late: noise_source.events("late", seen.events.late).unwrap_or(0),
        sigma: noise_source.sigma(),
        cut_share: writer.cut_shares(),
        first_declared: first_declared.clone(),
    };
    let ledger = ledger.row(site, window);
    let Writer { tables, shown, names, .. } = writer;
    Plan { tables, ledger, counted, carried, shown, names, first_declared, written_with: None }
}

/// What the ledger says of a window, beside what every row begins with.
#[derive(Default, Serialize)]
struct Ledger {
    complete: bool,
    events: i64,
    folded_share: f64,
    late: i64,
    sigma: u32,
    cut_share: BTreeMap<&'static str, f64>,
    first_declared: Vec<String>,
}

impl Ledger {
    fn row(&self, site: &PublishedSite, window: &Window) -> Row {
        let mut row = site.row(window);
        row.extend(json!(self).as_object().cloned().unwrap_or_default());
        row
    }
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
    names: Names,
}

impl<'a> Writer<'a> {
    fn new(noise_source: &'a NoiseSource, site: &'a PublishedSite, window: &'a Window, input: &PlanInput<'a>) -> Self {
        let (carried, hours) = (input.carried.before(site, window), input.hours);
        let (tables, longer, totals, cuts, folded_share, shown, names) = Default::default();
        Self { noise_source, site, window, carried, hours, tables, longer, totals, cuts, folded_share, shown, names }
    }

    /// Adds the rows of all tables of a site that distinguishes its visitors, and completes that of its total.
    fn tables(&mut self, tables: &[Filled], total: &Total, of_site: &mut Row) {
        for (name, noisy) in [("views", total.views), ("visits", total.visits), ("visitors", Some(total.visitors))] {
            let Some(noisy) = noisy else { continue };
            self.totals.insert(name, noisy);
            self.note_shown("site", name, Shown::total(Some(noisy), total::WIDE));
        }
        if let Some(carried) = &mut self.carried {
            carried.begin(self.window, self.noise_source);
        }
        let (attributes, others): (Vec<_>, Vec<_>) = tables.iter().partition(|of| of.target.into == ATTRIBUTES);
        for filled in others {
            let Filled { target, cells, steps } = filled;
            if target.table.dimensions.is_empty() {
                let numbers = rules::totals_of(&target.table, self.noise_source, &mut self.totals, cells);
                for (measure, number) in target.table.measures.iter().zip(&numbers.measures) {
                    self.note_shown("site", &measure.name, Shown::total(*number, measure.wide));
                }
                *of_site = target.row(std::mem::take(of_site), numbers);
            } else if !steps.is_empty() {
                self.add(target.into, filled.rows_of_steps(self.noise_source, &self.site.row(self.window)));
            } else if target.into == hours::TABLE {
                let is_left = |cell: &&Cell| !self.hours.has(&cell.dimensions[0]);
                let left: Vec<Cell> = cells.iter().filter(is_left).cloned().collect();
                self.publish(target, &left);
            } else {
                self.publish(target, cells);
            }
        }
        self.attributes(&attributes);
    }

    /// Adds the rows of the attributes. Each row says of how many visitors the attribute is known.
    fn attributes(&mut self, attributes: &[&Filled]) {
        let (mut all, mut sums) = (Vec::new(), Vec::new());
        for Filled { target, cells, .. } in attributes {
            let rows = self.publishable(target, cells);
            sums.push((target, rows.iter().filter_map(|row| row.measures.first().copied().flatten()).sum()));
            all.push(rows);
        }
        let known = known_of(&sums);
        for ((target, _), rows) in sums.iter().zip(all) {
            let mut opening = self.site.row(self.window);
            opening.insert("devices".to_owned(), known.get(target.table.name.as_str()).copied().flatten().into());
            self.add(ATTRIBUTES, target.rows(&opening, rows));
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
                let days = longer.first_day.until(longer.last_day).map_or(0, |span| span.get_days()) + 1;
                self.note_rows(target, &rows, days.unsigned_abs());
                let rows = target.rows(&opening(&longer, longer.last_day), rows);
                self.longer.extend((!rows.is_empty()).then(|| (target.into.to_owned(), rows)));
            }
        }
        self.add(target.into, target.rows(&opening(window, window.first_day), rows));
    }

    fn publishable(&mut self, target: &Target, cells: &[Cell]) -> Vec<PublishedRow> {
        let Target { into, table, .. } = target;
        let cut = cells.iter().map(|cell| cell.cut).sum();
        self.note_cut(into, cut, cells.iter().filter_map(|cell| cell.amounts.first()).sum());
        let mut rows = rules::publishable(table, self.noise_source, &mut self.totals, cells);
        if *into == hours::TABLE {
            self.hours.take_from(&mut rows);
        }
        if *into == "pages" {
            self.folded_share = Some(share_of_other(&rows));
        }
        self.note_rows(target, &rows, 1);
        rows
    }

    /// Notes for the preview what rows of so many windows show. Rows of several windows add nothing to all rows together.
    fn note_rows(&mut self, Target { into, table, fixed, .. }: &Target, rows: &[PublishedRow], windows: u32) {
        let named: Vec<_> = rows.iter().filter(|row| !row.is_other()).collect();
        let fixed: Vec<String> = fixed.iter().map(|(_, value)| value.to_string()).collect();
        let name = |row: &&PublishedRow| [&fixed[..], &row.dimensions[..]].concat();
        self.names.entry(into).or_default().extend(named.iter().map(name));
        for (at, measure) in table.measures.iter().enumerate() {
            let shown = Shown {
                named: named.iter().filter_map(|row| row.measures[at]).sum(),
                rows: named.len() as u64,
                windows: named.len() as u64 * u64::from(windows),
                all: (measure.rest != Rest::Unpublished).then(|| rows.iter().filter_map(|row| row.measures[at]).sum()),
                wide: measure.wide,
            };
            self.note_shown(into, &measure.name, shown);
        }
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
fn total_of(noise_source: &NoiseSource, site: &PublishedSite, window: &Window, seen: &Seen) -> Option<Total> {
    let (patterns, count_only) = (&seen.patterns, seen.tallies.of("count_only"));
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
    let ledger = Ledger { sigma: site.protection.sigma(), ..Ledger::default() }.row(site, window);
    Plan { ledger, counted: counted.clone(), ..Plan::default() }
}

/// The share of views in `(other)`, computed from the published numbers, to two digits.
fn share_of_other(rows: &[PublishedRow]) -> f64 {
    let views = |row: &PublishedRow| row.measures.first().copied().flatten().unwrap_or(0).max(0);
    let all: i64 = rows.iter().map(views).sum();
    let other: i64 = rows.iter().filter(|row| row.is_other()).map(views).sum();
    if all == 0 { 1.0 } else { (other as f64 / all as f64 * 100.0).round() / 100.0 }
}
