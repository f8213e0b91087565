//! One look, by calculation: how much better than chance does somebody who knows everybody else decide whether one more visitor is
//! there, by everything that a row of a table shows? The one more does everything once that the row counts, and stays for as long as counts.
//!
//! A row is a name, its numbers, its parent's name and numbers, and the table's own totals. What the tables are is read from those
//! that the publisher reads. The crowd is the one for which the look reveals most.

use std::collections::BTreeMap;

use super::super::apart_tables::ApartTable;
use super::super::carry::{CARRIED, WINDOWS_LEAST};
use super::super::cells::{Measure, Rest, Table};
use super::super::noise::K_MIN;
use super::super::rollup_list::{SECONDS_COLUMNS, step_wide};
use super::super::rollups::Rollups;
use super::super::separate_tables::{attribute, automation, errors};
use super::super::total;
use super::*;

/// The most steps of a funnel, and the most goals, that can be declared.
const STEPS: usize = 12;
const GOALS: usize = 8;

/// What one visitor changes in what a row shows: the sums of the squares of the changes, each divided by how wide the noise is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// Numbers of the row, of its parent, and of the whole table.
    pub(super) own: f64,
    pub(super) parent: f64,
    pub(super) whole: f64,
    /// How many names it has: its own and its parent's.
    pub(super) names: usize,
    /// Whether a name that is too small for the day is judged again for a week and a month.
    pub(super) is_carried: bool,
}

/// The chance that a normal number is below `x` (Abramowitz and Stegun 26.2.17, right to seven digits).
fn below(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_53];
    let sum = series.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    let tail = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum;
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// How likely a name with this crowd is published.
fn named((sigma, cut): (u32, u32), crowd: u32) -> f64 {
    let (sigma, cut) = (f64::from(sigma), i64::from(cut));
    let density = |noise: i64| (-(noise * noise) as f64 / (2.0 * sigma * sigma)).exp();
    let least = i64::from(K_MIN) + cut - i64::from(crowd);
    (least.max(-cut)..=cut).map(density).sum::<f64>() / (-cut..=cut).map(density).sum::<f64>()
}

/// What one outcome adds to true less false positives: it has these chances without and with the visitor, and its numbers are as many
/// standard deviations apart as `apart`.
fn gain([without, with]: [f64; 2], apart: f64) -> f64 {
    if with <= 0.0 || without <= 0.0 || apart == 0.0 {
        return (with - without).max(0.0);
    }
    let from = apart / 2.0 - (with / without).ln() / apart;
    with * below(apart - from) - without * below(-from)
}

impl Shown {
    /// How much better than chance one look decides.
    pub(super) fn look(&self, level: Protection) -> f64 {
        let apart = |squares: f64| squares.sqrt() / f64::from(level.sigma());
        let all = apart(self.own + self.parent + self.whole);
        let sure = K_MIN + 2 * level.cut() + 1;
        let of_day = (level.sigma(), level.cut());
        let both = |crowd: u32| [named(of_day, crowd), named(of_day, crowd + 1)];
        let later = self.later(level);
        let mut most = 0f64;
        for crowd in 0..=sure {
            let name = if self.names == 0 { [1.0; 2] } else { both(crowd) };
            let no_name = name.map(|chance| 1.0 - chance);
            // A parent shows surely if another of its names shows.
            let mut parents = vec![[1.0; 2]];
            if self.names == 2 {
                parents.extend((crowd..=sure).step_by(if self.is_carried { 3 } else { 1 }).map(both));
            }
            for parent in parents {
                let alone = [0, 1].map(|with| no_name[with] * parent[with]);
                let nothing = [0, 1].map(|with| no_name[with] * (1.0 - parent[with]));
                for later in &later {
                    let rest = |chances, squares| self.without_name(level, chances, squares, later);
                    let hidden = rest(alone, self.parent + self.whole) + rest(nothing, self.whole);
                    most = most.max(gain(name, all) + hidden);
                }
            }
        }
        most
    }

    /// What the week and the month may add to a look: how likely each has the name, without and with the visitor. Their crowds are others
    /// than the day's.
    fn later(&self, level: Protection) -> Vec<Vec<[f64; 2]>> {
        if !self.is_carried {
            return vec![Vec::new()];
        }
        let middle = K_MIN + level.longer().1;
        let chances = [0, 8, 14, 20, middle - 8, middle, middle + 8]
            .map(|crowd| [crowd, crowd + 1].map(|crowd| named(level.longer(), crowd)));
        chances.iter().flat_map(|week| chances.iter().map(|month| vec![*week, *month])).collect()
    }

    /// What a look decides where the day has no name, but other numbers with these squares.
    fn without_name(&self, level: Protection, chances: [f64; 2], squares: f64, later: &[[f64; 2]]) -> f64 {
        let apart = |squares: f64| squares.sqrt() / f64::from(level.sigma());
        let (mut left, mut sum) = (chances, 0.0);
        for (days, named) in WINDOWS_LEAST.map(f64::from).into_iter().zip(later) {
            sum += gain([0, 1].map(|with| left[with] * named[with]), apart(squares + self.own / days));
            left = [0, 1].map(|with| left[with] * (1.0 - named[with]));
        }
        sum + gain(left, apart(squares))
    }

    /// The same of so many looks at a row that is surely named, if the visitor comes anew for each.
    pub(super) fn looks(&self, level: Protection, times: u32) -> f64 {
        let squares = f64::from(times) * (self.own + self.parent + self.whole);
        gain([1.0; 2], squares.sqrt() / f64::from(level.sigma()))
    }
}

/// The square of what one visitor changes in a number, in units of its noise.
fn square(measure: &Measure, wider: u32) -> f64 {
    let changes = if SECONDS_COLUMNS.contains(&measure.name.as_str()) { measure.bound } else { 1 };
    (f64::from(changes) / f64::from(measure.wide * wider)).powi(2)
}

/// What a row of a table shows. A total that the site's row has is a look at that row.
fn row_of(table: &Table, measures: &BTreeMap<String, Measure>) -> Shown {
    let sum = |of: &dyn Fn(&Measure) -> f64| measures.values().map(of).sum::<f64>();
    let of_parent = |measure: &Measure| match measure.rest {
        Rest::Unpublished => 0.0,
        _ => square(measure, table.parent_wide),
    };
    let of_whole = |measure: &Measure| match measure.rest {
        Rest::Own(wider) => square(measure, wider),
        Rest::OwnOfVisits if measure.name == "visitors" => square(measure, 1),
        _ => 0.0,
    };
    Shown {
        own: sum(&|measure| square(measure, 1)),
        parent: if table.dimensions.len() == 2 { sum(&of_parent) } else { 0.0 },
        whole: sum(&of_whole),
        names: table.dimensions.len(),
        is_carried: CARRIED.contains(&table.name.as_str()),
    }
}

/// All tables of a site that declares as much as it can.
pub(super) fn tables() -> Vec<Table> {
    let mut site = site();
    let all: Vec<_> = Items::KEYS.iter().map(|key| (*key).to_owned()).collect();
    site.items = Items::of(None, Some(&all)).expect("known");
    site.goals = (0..GOALS).map(|at| (format!("goal{at}"), format!("/{at}"))).collect();
    site.experiments = vec!["button".to_owned()];
    site.pairs = vec![["landing", "channel"].map(str::to_owned), ["country", "device"].map(str::to_owned)];
    let mut tables: Vec<Table> = Rollups::of(&site).tables.into_iter().map(|rollup| rollup.table).collect();
    tables.extend(ApartTable::all(&site).into_iter().map(|apart| apart.table));
    tables.extend([errors(), automation(), attribute("time_zone"), attribute("languages")]);
    tables
}

/// What a row of each table shows.
pub(super) fn rows() -> BTreeMap<String, Shown> {
    // Several tables may show one row: those of the site, and an experiment's by goal. What is equal has one number.
    let mut measures: BTreeMap<String, (Table, BTreeMap<String, Measure>)> = BTreeMap::new();
    for table in tables() {
        let name = format!("{} {}", table.name, table.dimensions.join(", "));
        let of = measures.entry(name.trim().to_owned()).or_insert_with(|| (table.clone(), BTreeMap::new()));
        of.1.extend(table.measures.into_iter().map(|measure| (measure.key.clone(), measure)));
    }
    let mut rows: BTreeMap<_, _> =
        measures.iter().map(|(name, (table, measures))| (name.clone(), row_of(table, measures))).collect();
    let of_site = rows.get_mut("site").expect("a site has totals");
    let squares = |number: u32, wide: u32| f64::from(number) / f64::from(wide * wide);
    *of_site = Shown {
        own: of_site.own + squares(3, total::WIDE) + squares(3, total::FLAGS_WIDE),
        names: 1,
        ..Shown::default()
    };
    let steps = (1..=STEPS).map(|step| squares(1, step_wide(step))).sum();
    rows.insert("funnels".to_owned(), Shown { own: steps, ..Shown::default() });
    rows
}

/// The row that reveals most in one look.
pub(super) fn worst(level: Protection) -> Shown {
    let by_look = |one: &Shown, other: &Shown| one.look(level).total_cmp(&other.look(level));
    rows().into_values().max_by(by_look).expect("there are tables")
}

#[test]
fn a_look_at_any_row_reveals_little() {
    for (name, shown) in rows() {
        let look = shown.look(Protection::Standard);
        println!("{name}: {look:.4}, thirty looks {:.3}, {shown:?}", shown.looks(Protection::Standard, 30));
        assert!(look <= 0.07, "{name}: {look}, {shown:?}");
        assert!(shown.look(Protection::Strict) < look);
    }
    let number = Shown { own: 1.0, ..Shown::default() };
    assert!(number.looks(Protection::Standard, 30) <= 0.3);
}

/// The calculation counts what it should: without noise of their own, the numbers of a row would give the visitor away.
#[test]
fn a_look_at_numbers_with_little_noise_reveals_all() {
    let row = |own: f64| Shown { own, names: 2, ..Shown::default() }.look(Protection::Standard);
    assert!(row(1e6) > 0.97 && row(6.0) > 0.1 && row(0.0) < 0.06, "{} {} {}", row(1e6), row(6.0), row(0.0));
}
