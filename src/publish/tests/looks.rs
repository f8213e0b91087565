//! One look, by calculation: how much better than chance does somebody who knows everybody else decide whether one more visitor is
//! there, by everything that a row of a table shows? The one more does everything once that the row counts, and stays for as long as counts.
//!
//! Many looks are added up exactly, names included: a crowd near the threshold reveals by whether its name shows, a large one by all numbers.
//! A row is a name, its numbers, its parent's name and numbers, and the table's own totals. What the tables are is read from those
//! that the publisher reads. The crowd is the one for which the look reveals most.

use std::collections::BTreeMap;

use super::super::carry::{CARRIED, WINDOWS_LEAST};
use super::super::cells::{Measure, Rest, Table};
use super::super::noise::K_MIN;
use super::super::rollup_list::SECONDS_COLUMNS;
use super::super::target::step_wide;
use super::super::total;
use super::*;

/// What one look, and thirty, may decide better than chance at `standard`.
const LOOK_MAX: f64 = 0.07;
const LOOKS_MAX: f64 = 0.3;

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

/// What a look may show: how likely it does without the visitor and with it, and by how many standard deviations its numbers differ.
type Outcome = ([f64; 2], f64);

impl Shown {
    /// How much better than chance one look decides.
    pub(super) fn look(&self, level: Protection) -> f64 {
        let mut most = 0f64;
        self.each(level, |_, outcomes| {
            most = most.max(outcomes.iter().map(|(chances, apart)| gain(*chances, *apart)).sum());
        });
        most
    }

    /// The same of so many looks, if the visitor does all of it anew for each, and the crowd is the same each time.
    pub(super) fn looks(&self, level: Protection, times: u32) -> f64 {
        // By crowd, what an estimate says is the worst; the worst of these are added up exactly.
        let mut worst: Vec<(f64, Vec<Outcome>)> = Vec::new();
        self.each(level, |crowd, outcomes| {
            worst.resize(worst.len().max(crowd + 1), (0.0, Vec::new()));
            let about = about(outcomes, times);
            if about > worst[crowd].0 {
                worst[crowd] = (about, outcomes.to_vec());
            }
        });
        worst.sort_by(|one, other| other.0.total_cmp(&one.0));
        let exact = |(_, outcomes): &(f64, Vec<Outcome>)| Losses::of(outcomes).times(times).advantage();
        worst.iter().step_by(3).take(4).map(exact).fold(0.0, f64::max)
    }

    /// Calls a function with the outcomes of a look, for every crowd of the row and of its parent.
    fn each(&self, level: Protection, mut see: impl FnMut(usize, &[Outcome])) {
        let apart = |squares: f64| squares.sqrt() / f64::from(level.sigma());
        let all = apart(self.own + self.parent + self.whole);
        let sure = K_MIN + 2 * level.threshold().1 + 1;
        let both = |crowd: u32| [named(level.threshold(), crowd), named(level.threshold(), crowd + 1)];
        let later = self.later(level);
        let mut outcomes = Vec::new();
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
                    outcomes.clear();
                    outcomes.push((name, all));
                    self.without_name(level, &mut outcomes, (alone, self.parent + self.whole), later);
                    self.without_name(level, &mut outcomes, (nothing, self.whole), later);
                    see(crowd as usize, &outcomes);
                }
            }
        }
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

    /// The outcomes of a look where the day has no name, but other numbers with these squares.
    fn without_name(
        &self,
        level: Protection,
        outcomes: &mut Vec<Outcome>,
        (chances, squares): ([f64; 2], f64),
        later: &[[f64; 2]],
    ) {
        let apart = |squares: f64| squares.sqrt() / f64::from(level.sigma());
        let mut left = chances;
        for (days, named) in WINDOWS_LEAST.map(f64::from).into_iter().zip(later) {
            outcomes.push(([0, 1].map(|with| left[with] * named[with]), apart(squares + self.own / days)));
            left = [0, 1].map(|with| left[with] * (1.0 - named[with]));
        }
        outcomes.push((left, apart(squares)));
    }
}

/// What so many looks decide, by an estimate: what is rare and says much is a proof, and the rest is normal.
fn about(outcomes: &[Outcome], times: u32) -> f64 {
    let (mut rare, mut squares) = (0.0, 0.0);
    for ([without, with], apart) in outcomes {
        let ratio = (with / without).ln();
        if *with < 0.01 && ratio > 1.0 {
            rare += with - without;
        } else if ratio.is_finite() {
            squares += with * ((ratio.max(-1.0) + apart * apart / 2.0).powi(2) + apart * apart);
        }
    }
    let normal = gain([1.0; 2], (f64::from(times) * squares).sqrt());
    1.0 - (1.0 - rare).powf(times.into()) * (1.0 - normal)
}

/// How a look's evidence is distributed if the visitor is there: the logarithm of how much likelier it is then than otherwise, in steps.
/// The evidence of several looks adds up.
#[derive(Clone)]
struct Losses {
    /// The step of the first share.
    from: i64,
    shares: Vec<f64>,
    /// How likely the evidence is a proof.
    proof: f64,
}

const STEP: f64 = 0.02;

impl Losses {
    fn of(outcomes: &[Outcome]) -> Self {
        const RANGE: i64 = 250;
        let mut losses = Self { from: -RANGE, shares: vec![0.0; 2 * RANGE as usize + 1], proof: 0.0 };
        for ([without, with], apart) in outcomes.iter().filter(|(chances, _)| chances[1] > 0.0) {
            if *without <= 0.0 {
                losses.proof += with;
                continue;
            }
            let middle = (with / without).ln() + apart * apart / 2.0;
            for (at, share) in (-RANGE..).zip(&mut losses.shares) {
                let [low, high] = [-0.5, 0.5].map(|half| (at as f64 + half) * STEP - middle);
                *share += with
                    * match *apart > 0.0 {
                        true => below(high / apart) - below(low / apart),
                        false => f64::from(u8::from(low <= 0.0 && high > 0.0)),
                    };
            }
        }
        losses.trimmed()
    }

    fn and(&self, other: &Self) -> Self {
        let mut shares = vec![0.0; self.shares.len() + other.shares.len() - 1];
        for (at, own) in self.shares.iter().enumerate() {
            shares[at..].iter_mut().zip(&other.shares).for_each(|(sum, share)| *sum += own * share);
        }
        let proof = 1.0 - (1.0 - self.proof) * (1.0 - other.proof);
        Self { from: self.from + other.from, shares, proof }.trimmed()
    }

    /// Without what is less likely than one in a thousand million.
    fn trimmed(mut self) -> Self {
        let is_seen = |share: &f64| *share > 1e-9;
        let first = self.shares.iter().position(is_seen).unwrap_or(0);
        let last = self.shares.iter().rposition(is_seen).unwrap_or(0);
        self.shares = self.shares[first..=last].to_vec();
        self.from += first as i64;
        self
    }

    fn times(&self, times: u32) -> Self {
        match times {
            ..=1 => self.clone(),
            _ if times % 2 == 1 => self.times(times - 1).and(self),
            _ => {
                let half = self.times(times / 2);
                half.and(&half)
            }
        }
    }

    /// True less false positives of who decides by the evidence.
    fn advantage(&self) -> f64 {
        let over = |(at, share): (i64, &f64)| share * (1.0 - (-STEP * at as f64).exp()).max(0.0);
        self.proof + (self.from..).zip(&self.shares).map(over).sum::<f64>()
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

/// What a row of each table shows, with as many goals as reveal most.
pub(super) fn rows() -> BTreeMap<String, Shown> {
    let squares = |shown: &Shown| shown.own + shown.parent + shown.whole;
    let mut rows: BTreeMap<String, Shown> = BTreeMap::new();
    for (name, shown) in (1..=GOALS).flat_map(rows_with) {
        let most = rows.entry(name).or_insert(shown);
        if squares(&shown) > squares(most) {
            *most = shown;
        }
    }
    rows
}

fn rows_with(goals: usize) -> BTreeMap<String, Shown> {
    // Several tables may show one row: those of the site, and an experiment's by goal. What is equal has one number.
    let mut measures: BTreeMap<String, (Table, BTreeMap<String, Measure>)> = BTreeMap::new();
    for Target { table, .. } in targets(goals) {
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
        let looks = shown.looks(Protection::Standard, 30);
        println!("{name}: {look:.4}, thirty looks {looks:.4}, {shown:?}");
        assert!(look <= LOOK_MAX && looks <= LOOKS_MAX, "{name}: {look}, {looks}, {shown:?}");
        assert!(shown.look(Protection::Strict) < look);
    }
}

/// What is added up in steps is what is known of normal numbers, and of a name that proves something once in a hundred looks.
#[test]
fn looks_add_up_rightly() {
    let number = Shown { own: 1.0, ..Shown::default() };
    for times in [1, 2, 7, 30, 84] {
        let exact = gain([1.0; 2], f64::from(times).sqrt() / 9.0);
        let looks = number.looks(Protection::Standard, times);
        assert!((looks - exact).abs() < 1e-3, "{times}: {looks}, not {exact}");
    }
    let proofs = Losses::of(&[([0.0, 0.01], 0.0), ([1.0, 0.99], 0.0)]).times(30);
    assert!((proofs.advantage() - (1.0 - 0.99f64.powi(30))).abs() < 5e-3, "{}", proofs.advantage());
}

/// The calculation counts what it should: without noise of their own, the numbers of a row would give the visitor away.
#[test]
fn a_look_at_numbers_with_little_noise_reveals_all() {
    let row = |own: f64| Shown { own, names: 2, ..Shown::default() }.look(Protection::Standard);
    assert!(row(1e6) > 0.97 && row(6.0) > 0.1 && row(0.0) < 0.06, "{} {} {}", row(1e6), row(6.0), row(0.0));
}
