//! The account of `docs/publishing.md`: which numbers a visitor-day enters, how much it changes them, and what that adds up to. It
//! reads the tables that the publisher reads. `UPDATE_EXPECT=1 cargo test --lib publish::tests::accounting` writes it anew.
//!
//! In the terms of zero-concentrated differential privacy (Bun, Steinke 2016): numbers that change by the vector Δ, with
//! noise σ, cost ρ = |Δ|² / 2σ²; costs add up; and ρ is ε = ρ + 2√(ρ ln(1/δ)) with the probability δ of failure.

use std::fmt::Write as _;
use std::path::Path;

use super::super::carry::CARRIED;
use super::super::cells::{Rest, Table};
use super::super::noise::EVENTS_WIDE;
use super::super::plan::{CUT_TABLES, CUT_WIDE};
use super::super::rollup_list::VISITS_MAX;
use super::super::tallies::{VERDICT_CELLS, VERDICTS_MAX};
use super::super::target::step_wide;
use super::super::total;
use super::looks::{self, Shown};
use super::*;
use crate::collect::contributions::EVENTS_OF_A_NAME;

const DELTA: f64 = 1e-6;
/// Items of the device and entries of its lists that a visitor has rows of: those that `collector-js` may send.
const ATTRIBUTES: u32 = 120;

/// What a visitor-day does to the numbers of one name, for σ = 1: the squares of its changes, divided by the squares of how wide
/// the noise is.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// By a visitor-day that does whatever the bounds allow.
    most: f64,
    /// By one visit of three pages.
    usual: f64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.most += other.most;
        self.usual += other.usual;
    }
}

struct Line {
    table: String,
    what: String,
    cells: u32,
    bound: u32,
    wide: u32,
    cost: Cost,
}

fn line(table: &str, what: &str, [cells, bound, wide]: [u32; 3], [most, usual]: [f64; 2]) -> Line {
    let wide_squared = f64::from(wide * wide);
    let cost = Cost { most: most / wide_squared, usual: usual / wide_squared };
    Line { table: table.to_owned(), what: what.to_owned(), cells, bound, wide, cost }
}

/// Σ of the squares of the changes: `cells` numbers by `bound` each; of visits, three in all.
fn squares(cells: u32, bound: u32) -> f64 {
    let alone = f64::from(bound * bound);
    if cells <= VISITS_MAX + 1 { alone } else { f64::from(cells) * alone }
}

/// What a name costs, whose threshold has noise of another deviation than a number.
fn part_of((sigma, _): (u32, u32)) -> f64 {
    (f64::from(Protection::Standard.sigma()) / f64::from(sigma)).powi(2)
}

/// The lines of a table that every visitor-day enters. `usual`: cells of a usual day.
fn lines_of(name: &str, table: &Table, usual: f64, shared: &mut BTreeSet<String>) -> Vec<Line> {
    let (cells, levels) = (table.cells, table.dimensions.len());
    let part = part_of(Protection::Standard.threshold());
    let mut lines: Vec<_> = ["name, with 4/3 of the noise", "name of its parent, with 4/3"]
        .into_iter()
        .take(levels)
        .map(|what| line(name, what, [cells, 1, 1], [f64::from(cells) * part, usual * part]))
        .collect();
    if CARRIED.contains(&name) {
        // A number is that of a day, a week or a month; a name is judged for each.
        let part = part_of(Protection::Standard.longer());
        let squares = [f64::from(2 * cells) * part, 2.0 * usual * part];
        lines.insert(1, line(name, "name, by week and month, with 5/3 of the noise", [2 * cells, 1, 1], squares));
    }
    for measure in &table.measures {
        let (key, bound, wide) = (&measure.key, measure.bound, measure.wide);
        let is_once = ["entries", "last_pages", "bounces"].contains(&key.as_str());
        let usual = match key.as_str() {
            // Of a usual visit, entries and last pages are one page each, and no goal is reached.
            _ if is_once => usual.min(1.0),
            // It lasts two minutes, and reads for one: twenty seconds a page.
            "duration_s" => 120.0,
            "engaged_s" if levels == 0 => 60.0,
            "engaged_s" => 3.0 * 400.0,
            _ => usual,
        };
        if levels > 0 {
            lines.push(line(name, key, [cells, bound, wide], [squares(cells, bound), usual]));
        }
        if levels == 2 && measure.rest != Rest::Unpublished {
            // All pages of a visitor-day may be in one section.
            let squares = match name {
                "pages" => [f64::from(cells * bound).powi(2), usual * usual],
                _ => [squares(cells, bound), usual],
            };
            lines.push(line(name, &format!("{key} of its parent"), [cells, bound, wide * table.parent_wide], squares));
        }
        // What is bounded by visits is bounded in all of their cells together.
        let is_of_visits = cells <= VISITS_MAX + 1 && !matches!(measure.rest, Rest::Own(_));
        let all = if is_of_visits { bound } else { (cells + further(name)) * bound };
        let of_all = match measure.rest {
            Rest::Own(wider) => Some(wide * wider),
            Rest::OwnOfVisits => shared.insert(key.clone()).then_some(wide),
            Rest::Of(_) | Rest::Unpublished => None,
        };
        if let Some(wide) = of_all {
            let what = if levels == 0 { key.clone() } else { format!("all {key}") };
            lines.push(line(name, &what, [1, all, wide], [f64::from(all * all), usual * usual]));
        }
    }
    lines
}

/// Of searches a visitor-day's further terms are in `(other)`: one cell more.
fn further(table: &str) -> u32 {
    u32::from(table == "searches")
}

fn everything(site: &mut PublishedSite) {
    let all: Vec<_> = Items::KEYS.iter().map(|key| (*key).to_owned()).collect();
    site.items = Items::of(None, Some(&all)).expect("known");
}

fn of_the_site() -> Vec<Line> {
    let [views, visits, events] = total::BOUNDS;
    let square = |number: u32| f64::from(number * number);
    let of_name = part_of(Protection::Standard.threshold());
    let mut lines = vec![
        line("site", "whether anything is published, with 4/3 of the noise", [1, 1, 1], [of_name, of_name]),
        line("site", "views", [1, views, total::WIDE], [square(views), 9.0]),
        line("site", "visits", [1, visits, total::WIDE], [square(visits), 1.0]),
        line("site", "visitors, new_day", [1, 1, total::WIDE], [1.0, 1.0]),
        line("site", "new_week, new_month, new_ever", [3, 1, total::FLAGS_WIDE], [3.0, 3.0]),
        line("publications", "events", [1, events, total::EVENTS_WIDE], [square(events), 81.0]),
        line("publications", "views cut off, and left", [2, views, CUT_WIDE], [2.0 * square(views), 9.0]),
        line("publications", "visits cut off, and left", [2, visits, CUT_WIDE], [2.0 * square(visits), 1.0]),
    ];
    for name in CUT_TABLES {
        let (cells, bound) = match name {
            "pages" | "transitions" | "exits" | "events" => (30, 3),
            "automation" => (automation().table.cells, automation().table.measures[0].bound),
            _ => (10 + further(name), 3),
        };
        let all = cells * bound;
        let usual = if name == "pages" { 9.0 } else { 1.0 };
        let what = format!("cut off from {name}, and left");
        lines.push(line("publications", &what, [2, all, CUT_WIDE], [2.0 * square(all), usual]));
    }
    lines
}

/// Every line of a site that declares nothing.
fn account() -> Vec<Line> {
    let mut site = site();
    everything(&mut site);
    let (mut lines, mut shared) = (of_the_site(), BTreeSet::new());
    let rollups = Rollups::of(&site).tables.into_iter().map(|rollup| rollup.target);
    let mut targets: Vec<_> = rollups.chain(ApartTable::all(&site).into_iter().map(|apart| apart.target)).collect();
    targets.sort_by_key(|target| target.into != "site");
    for Target { into, table, .. } in targets {
        let usual = match into {
            "pages" => 3.0,
            "transitions" => 2.0,
            "exits" | "events" | "searches" => 0.0,
            _ => 1.0,
        };
        lines.extend(lines_of(into, &table, usual, &mut shared));
    }
    for target in [errors(), automation()] {
        lines.extend(lines_of(target.into, &target.table, 0.0, &mut shared));
    }
    lines.extend(of_verdicts());
    for mut of in lines_of("attributes", &attribute("time_zone").table, 1.0, &mut shared) {
        of.cells = ATTRIBUTES;
        of.cost = Cost { most: of.cost.most * f64::from(ATTRIBUTES), usual: of.cost.usual * 40.0 };
        lines.push(of);
    }
    lines
}

/// Of a sender who signs in: verdicts are counted without visitors.
fn of_verdicts() -> [Line; 2] {
    let shape = [VERDICT_CELLS, VERDICTS_MAX, EVENTS_WIDE];
    let most = f64::from(VERDICT_CELLS * VERDICTS_MAX * VERDICTS_MAX);
    let of_name = part_of(Protection::Standard.threshold());
    assert_eq!(VERDICTS_MAX, u32::from(EVENTS_OF_A_NAME), "what is taken of a sender");
    assert_eq!(EVENTS_WIDE, VERDICTS_MAX, "number and threshold have the same width");
    [
        line("protection", "whether a count is shown, with 4/3 of the noise", shape, [most * of_name, of_name]),
        line("protection", "count of a level, and of each reason", shape, [most, 1.0]),
    ]
}

fn sum<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Cost {
    let mut all = Cost::default();
    lines.into_iter().for_each(|line| all += line.cost);
    all
}

/// What declarations add, of each kind: the lines that are there with it and not without it.
fn declared(change: impl Fn(&mut PublishedSite)) -> Cost {
    let of = |change: &dyn Fn(&mut PublishedSite)| {
        let (mut site, mut shared) = (site(), BTreeSet::new());
        everything(&mut site);
        change(&mut site);
        let tables = Rollups::of(&site).tables;
        let lines = tables.iter().flat_map(|rollup| match rollup.steps.len() {
            0 => lines_of(rollup.target.into, &rollup.target.table, 1.0, &mut shared),
            steps => (1..=steps).map(|step| line("funnels", "visits", [1, 3, step_wide(step)], [9.0, 1.0])).collect(),
        });
        sum(&lines.collect::<Vec<_>>())
    };
    let (with, without) = (of(&change), of(&|_| ()));
    Cost { most: with.most - without.most, usual: with.usual - without.usual }
}

fn epsilon(rho: f64) -> f64 {
    rho + 2.0 * (rho * (1.0 / DELTA).ln()).sqrt()
}

fn levels_table() -> String {
    let all = sum(&account());
    let mut text = "| level | σ | largest noise of a threshold | a name shows surely from | one look at a number | at a row | 30 looks at a number | at a row | \
         a usual visit: ρ, ε a day | a month | a year | whatever the bounds allow: ρ, ε a day |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for level in Protection::ALL {
        let (number, row) = (Shown { own: 1.0, ..Shown::default() }, looks::worst(level));
        let variance = 2.0 * f64::from(level.sigma().pow(2));
        let [usual, most] = [all.usual, all.most].map(|cost| cost / variance);
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {:.3} | {:.3} | {:.2} | {:.2} | {usual:.2}, {:.1} | {:.1}, {:.0} | {:.0}, {:.0} | {most:.0}, {:.0} |",
            format!("{level:?}").to_lowercase(),
            level.sigma(),
            level.threshold().1,
            10 + 2 * level.threshold().1,
            number.looks(level, 1),
            row.look(level),
            number.looks(level, 30),
            row.looks(level, 30),
            epsilon(usual),
            30.0 * usual,
            epsilon(30.0 * usual),
            365.0 * usual,
            epsilon(365.0 * usual),
            epsilon(most),
        )
        .expect("a text grows");
    }
    text
}

fn budget_table() -> String {
    let variance = 2.0 * f64::from(Protection::Standard.sigma().pow(2));
    let mut text = "| table | number | cells of a visitor-day | changes each by | noise is wider by | ρ of a usual visit | ρ at most |\n\
         |---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut add = |[table, what]: [&str; 2], [cells, bound, wide]: [String; 3], cost: Cost| {
        let [usual, most] = [cost.usual, cost.most].map(|cost| cost / variance);
        writeln!(text, "| {table} | {what} | {cells} | {bound} | {wide} | {usual:.3} | {most:.3} |")
            .expect("a text grows");
    };
    for Line { table, what, cells, bound, wide, cost } in account() {
        add([&format!("`{table}`"), &what], [cells, bound, wide].map(|number| number.to_string()), cost);
    }
    let two = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
    for (what, cost) in [
        ("each goal", declared(|site| _ = site.goals.insert("order".into(), "paid".into()))),
        (
            "a funnel of four steps",
            declared(|site| _ = site.funnels.insert("buy".into(), [two("a", "b"), two("c", "d")].concat())),
        ),
        (
            "an experiment with one goal",
            declared(|site| {
                site.goals.insert("order".into(), "paid".into());
                site.experiments.push("button".into());
            }),
        ),
        ("each pair", declared(|site| site.pairs.push(two("landing", "channel")))),
    ] {
        add(["declared", what], ["", "", ""].map(str::to_owned), cost);
    }
    text
}

#[test]
fn the_documentation_has_the_account_of_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/publishing.md");
    let mut text = std::fs::read_to_string(&path).expect("the document is there");
    for (name, list) in [("levels", levels_table()), ("budget", budget_table())] {
        let begin = format!("<!-- written: {name} -->\n");
        let (before, rest) = text.split_once(&begin).expect("the list begins");
        let (_, after) = rest.split_once("<!-- end -->").expect("the list ends");
        text = format!("{before}{begin}\n{list}\n<!-- end -->{after}");
    }
    expect_test::expect_file![path].assert_eq(&text);
}

/// The sum in the documents is that of what is published: every column of every table that holds a number is in the account.
#[test]
fn every_number_of_the_stats_store_is_in_the_account() {
    let lines = account();
    let no_visitors =
        ["quality.count", "site.count_only_views", "publications.late", "funnels.visits", "experiments.visits"];
    let declared = [
        "pairs.visits",
        "pairs.visitors",
        "experiments.converted",
        "entries.goals",
        "landings.goals",
        "campaigns.goals",
        "site.goals",
    ];
    // A sum of numbers that are published.
    let sums = ["attributes.devices"];
    let mut table = String::new();
    let mut missing = Vec::new();
    let sql = [
        include_str!("../../../schema/migrations/stats/0001_begin.sql"),
        include_str!("../../../schema/migrations/stats/0002_rollups.sql"),
    ];
    for text in sql.iter().flat_map(|text| text.lines()) {
        if let Some(name) = text.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
            name.clone_into(&mut table);
        }
        let Some(column) = text.trim().split(' ').next().filter(|_| text.contains("Int64")) else { continue };
        let place = format!("{table}.{column}");
        let is_counted = lines.iter().any(|line| line.table == table && line.what.contains(column));
        if column != "ADD" && !is_counted && ![&no_visitors[..], &declared, &sums].concat().contains(&place.as_str()) {
            missing.push(place);
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(EVENTS_WIDE, 3, "docs/publishing.md says so of what belongs to no visitor");
}
