//! A differencing attack by linear programming: everything that is published of a window gives linear bounds on the exact cells,
//! and the attack computes the smallest and the largest value that the bounds allow a small cell.
//!
//! The attacker knows more than any reader: the names of all cells, also of folded ones, and the maximum error of a number.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome};
use serde::Deserialize;
use serde_json::Value;
use tamga::store::Store;

/// Nobody may find a group of fewer visitors than this.
pub(crate) const FEW: u64 = 10;

/// Tables that are sums of visits by channel, source and page: their columns, which of these they have, and their number.
pub(crate) const OF_VISITS: [(&str, &[&str], &[usize], &str); 3] = [
    ("landings", &["channel", "source", "path"], &[0, 1, 2], "visits"),
    ("entries", &["channel", "source"], &[0, 1], "visits"),
    ("pages", &["path"], &[2], "entries"),
];

/// An exact cell: its dimensions, its count, and its confirmed visitors.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Cell {
    pub(crate) place: Vec<String>,
    pub(crate) count: u64,
    pub(crate) people: u64,
}

/// Where the exact cells of a table are: keys, count, source and condition.
#[derive(Clone, Copy)]
pub(crate) struct Exact {
    pub(crate) keys: &'static str,
    pub(crate) count: &'static str,
    pub(crate) from: &'static str,
    pub(crate) only: &'static str,
}

/// Visitors of these rows of a site's day, for whom any row says that they are confirmed.
pub(crate) async fn exact_cells(vault: &Store, site: &str, day: &str, exact: Exact) -> Vec<Cell> {
    let Exact { keys, count, from, only } = exact;
    let within = "site = {site:String} AND day = {day:Date}";
    let sql = format!(
        "SELECT arrayMap(key -> toString(key), [{keys}]) AS place, {count} AS count,
            uniqExactIf(visitor, visitor IN (SELECT visitor FROM {from} WHERE {within} AND confirmed AND {only})) AS people
         FROM {from} WHERE {within} AND {only} GROUP BY place"
    );
    vault.rows(&sql, &[("site", site.to_owned()), ("day", day.to_owned())]).await.unwrap()
}

/// One system of bounds: the exact cells of a table, and bounds on sums of them.
pub(crate) struct Bounds {
    cells: Vec<Cell>,
    /// Cells, with the lower and the upper bound of their sum.
    sums: Vec<(Vec<usize>, f64, f64)>,
}

impl Bounds {
    pub(crate) fn of(cells: Vec<Cell>) -> Self {
        Self { cells, sums: Vec::new() }
    }

    /// Adds a published table: each row is the sum of its cells, and so are all rows of a parent together. What `(other)` says
    /// by itself follows from these. `at` has the index of each table column in the dimensions of a cell. The largest errors are those of a row
    /// and of a parent.
    pub(crate) fn add_table(
        &mut self,
        rows: &[Value],
        columns: &[&str],
        at: &[usize],
        measure: &str,
        [of_row, of_parent]: [u64; 2],
    ) {
        let place = |row: &Value| -> Vec<String> {
            let values = columns.iter().map(|column| row[*column].as_str().unwrap_or_default().to_owned());
            values.take_while(|value| value != "(other)").collect()
        };
        let mut sums: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for row in rows {
            let Some(published) = row[measure].as_i64() else { continue };
            let own = place(row);
            let has_rest =
                |kept: &usize| rows.iter().any(|other| place(other) == own[..*kept] && *kept < columns.len());
            let parents: Vec<usize> = (1..own.len()).filter(has_rest).collect();
            for kept in parents.into_iter().chain((!own.is_empty()).then_some(own.len())) {
                *sums.entry(own[..kept].to_vec()).or_default() += published;
            }
        }
        for (place, published) in sums {
            let max_error = if place.len() < columns.len() { of_parent } else { of_row } as f64;
            let fits = |cell: &usize| place.iter().zip(at).all(|(value, &at)| self.cells[*cell].place[at] == *value);
            let cells = (0..self.cells.len()).filter(fits).collect();
            let published = published as f64;
            self.sums.push((cells, (published - max_error).max(0.0), (published + max_error).max(0.0)));
        }
    }

    /// Adds what the exact cells are, for an attack that must succeed.
    pub(crate) fn add_truth(&mut self) {
        let exact = |(at, cell): (usize, &Cell)| (vec![at], cell.count as f64, cell.count as f64);
        self.sums.extend(self.cells.iter().enumerate().map(exact));
    }

    /// Adds a published total.
    pub(crate) fn total(&mut self, published: &Value, max_error: u64) {
        if let Some(published) = published.as_i64() {
            let (published, max_error) = (published as f64, max_error as f64);
            self.sums.push(((0..self.cells.len()).collect(), (published - max_error).max(0.0), published + max_error));
        }
    }

    /// The exact cells must keep the bounds; otherwise the attack would prove nothing.
    pub(crate) fn check(&self) {
        for (cells, from, to) in &self.sums {
            let exact_sum = cells.iter().map(|&cell| self.cells[cell].count).sum::<u64>() as f64;
            assert!((from - 1e-9..=to + 1e-9).contains(&exact_sum), "{exact_sum} is not between {from} and {to}");
        }
    }

    /// Attacks up to so many of the cells with few visitors, and begins none after this time: on a site of thousands of cells the
    /// bounds of one take seconds to minutes. Returns how many, and for how many the bounds prove that somebody is in the cell and fewer
    /// than ten are.
    pub(crate) fn attack(&self, most: usize, within: Duration) -> (usize, usize) {
        let few = |cell: &Cell| cell.people < FEW && cell.count > 0 && cell.count < FEW;
        let small: Vec<usize> = (0..self.cells.len()).filter(|&at| few(&self.cells[at])).collect();
        if most == 0 {
            return (0, 0);
        }
        let every = small.len().div_ceil(most).max(1);
        let (mut attacked, mut found, began) = (0, 0, Instant::now());
        for &target in small.iter().step_by(every).take_while(|_| began.elapsed() < within) {
            attacked += 1;
            let least = self.bound(target, OptimizationDirection::Minimize);
            if least >= 1.0 - 1e-6 && self.bound(target, OptimizationDirection::Maximize) < FEW as f64 {
                found += 1;
            }
        }
        (attacked, found)
    }

    fn bound(&self, target: usize, direction: OptimizationDirection) -> f64 {
        // Cells that are in the same sums and are not the target are combined into one variable.
        let mut member: Vec<Vec<usize>> = vec![Vec::new(); self.cells.len()];
        for (number, (cells, ..)) in self.sums.iter().enumerate() {
            cells.iter().for_each(|&cell| member[cell].push(number));
        }
        let mut problem = Problem::new(direction);
        let mut classes = BTreeMap::new();
        for (cell, sums) in member.into_iter().enumerate() {
            let is_target = cell == target;
            classes
                .entry((is_target, sums))
                .or_insert_with(|| problem.add_var(if is_target { 1.0 } else { 0.0 }, (0.0, f64::INFINITY)));
        }
        for (number, (_, from, to)) in self.sums.iter().enumerate() {
            let in_it = || classes.iter().filter(|((_, sums), _)| sums.contains(&number)).map(|(_, var)| (*var, 1.0));
            problem.add_constraint(in_it(), ComparisonOp::Ge, *from);
            problem.add_constraint(in_it(), ComparisonOp::Le, *to);
        }
        match problem.solve() {
            Ok(SolveOutcome::Solution(solution)) => solution.objective(),
            Ok(SolveOutcome::Interrupted(_)) => panic!("no limit was set"),
            // Without a largest value there is no upper bound.
            Err(microlp::Error::Unbounded) => f64::INFINITY,
            Err(error) => panic!("the exact cells keep the bounds, so there is a solution: {error}"),
        }
    }
}
