//! The attackers. Each is given what its role has, and the payment log; none is given the truth.
//!
//! On a row store an attacker names a row. On published counts there is no row to name, so what is asked is the same for
//! both: the facts of the visit that the payment log does not have ([`Secret`]), all of them. Chance is what the same attacker gets
//! right of payers who refused, of whom no telemetry exists.

use std::collections::{BTreeMap, HashMap};

use crate::world::{Agent, DAY_MS, Payment, Secret, World};

/// A row as a naive collector keeps it.
pub(crate) struct Row<'a> {
    second: i64,
    agent: Agent,
    region: &'a str,
    pub(crate) visit: usize,
}

/// The naive store: one row per payment page, to the second, with region and browser. The positive control.
pub(crate) fn naive_rows(world: &World) -> Vec<Row<'_>> {
    let rows = world.visits.iter().enumerate().filter_map(|(visit, truth)| {
        let device = &world.devices[truth.device];
        let paid = truth.paid.filter(|_| !device.refuses)?;
        Some(Row { second: paid.div_euclid(1000), agent: device.agent, region: &device.region, visit })
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| row.second);
    rows
}

/// How much a field's agreement says, learnt from payments of which the attacker knows the row (a training population).
struct Weights {
    fields: [(f64, f64); 4],
    shift: f64,
}

fn agreements(payment: &Payment, row: &Row<'_>) -> [bool; 4] {
    [
        payment.agent.browser == row.agent.browser,
        payment.agent.major == row.agent.major,
        payment.agent.os == row.agent.os,
        payment.region == row.region,
    ]
}

/// Rows within so many seconds of a payment.
fn near<'a, 'w>(rows: &'a [Row<'w>], second: i64, within: i64) -> &'a [Row<'w>] {
    let from = rows.partition_point(|row| row.second < second - within);
    let to = rows.partition_point(|row| row.second <= second + within);
    &rows[from..to]
}

impl Weights {
    fn learn(world: &World, rows: &[Row<'_>], training: &[&Payment]) -> Self {
        let (mut agree, mut of, mut others, mut of_others) = ([1.0; 4], 2.0, [1.0; 4], 2.0);
        let mut shifts = Vec::new();
        for payment in training {
            for row in near(rows, payment.second, 10) {
                let counts =
                    if row.visit == payment.visit { (&mut agree, &mut of) } else { (&mut others, &mut of_others) };
                *counts.1 += 1.0;
                agreements(payment, row).iter().zip(counts.0).for_each(|(is, sum)| *sum += f64::from(u8::from(*is)));
                if row.visit == payment.visit {
                    shifts.push((payment.second - row.second) as f64);
                }
            }
        }
        // Where rows are far apart nobody else is near: what others agree upon by chance is then taken from the whole log.
        if of_others < 50.0 {
            for pair in world.payments.windows(2) {
                of_others += 1.0;
                let (one, two) = (&pair[0], &pair[1]);
                let same = [
                    one.agent.browser == two.agent.browser,
                    one.agent.major == two.agent.major,
                    one.agent.os == two.agent.os,
                    one.region == two.region,
                ];
                same.iter().zip(&mut others).for_each(|(is, sum)| *sum += f64::from(u8::from(*is)));
            }
        }
        let fields = std::array::from_fn(|at| {
            let (m, u) = (agree[at] / of, others[at] / of_others);
            ((m / u).ln(), ((1.0 - m).max(1e-4) / (1.0 - u).max(1e-4)).ln())
        });
        let shift = shifts.iter().sum::<f64>() / shifts.len().max(1) as f64;
        Self { fields, shift }
    }

    fn score(&self, payment: &Payment, row: &Row<'_>) -> f64 {
        let fields: f64 = agreements(payment, row)
            .iter()
            .zip(self.fields)
            .map(|(is, (agrees, differs))| if *is { agrees } else { differs })
            .sum();
        let off = (payment.second - row.second) as f64 - self.shift;
        fields - off * off
    }
}

/// Which visit each payment is thought to be, on rows: nearest in time, weighed, and weighed with each row used once.
pub(crate) fn on_rows(
    world: &World,
    rows: &[Row<'_>],
    training: &[&Payment],
    targets: &[&Payment],
) -> Vec<(&'static str, Vec<Option<usize>>)> {
    let weights = Weights::learn(world, rows, training);
    let nearest = |payment: &&Payment| {
        near(rows, payment.second, 60).iter().min_by_key(|row| (payment.second - row.second).abs()).map(|row| row.visit)
    };
    let weighed = |payment: &&Payment| {
        let best = near(rows, payment.second, 10)
            .iter()
            .map(|row| (weights.score(payment, row), row.visit))
            .max_by(|one, two| one.0.total_cmp(&two.0));
        best.map(|(_, visit)| visit)
    };
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (at, payment) in targets.iter().enumerate() {
        pairs.extend(near(rows, payment.second, 10).iter().map(|row| (weights.score(payment, row), at, row.visit)));
    }
    pairs.sort_by(|one, two| two.0.total_cmp(&one.0));
    let (mut assigned, mut used) = (vec![None; targets.len()], std::collections::HashSet::new());
    for (_, at, visit) in pairs {
        if assigned[at].is_none() && used.insert(visit) {
            assigned[at] = Some(visit);
        }
    }
    vec![
        ("nearest in time", targets.iter().map(nearest).collect()),
        ("weights learnt", targets.iter().map(weighed).collect()),
        ("one to one", assigned),
    ]
}

/// What is published of one field: by day, the count of each value.
pub(crate) type Published = Vec<HashMap<String, f64>>;

/// The published counts of the secret facts, by field.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) fields: BTreeMap<&'static str, Published>,
}

/// The facts, each of a published table: `entries`, `pages`, `visits`, `exits`, `transitions`, `recency`, `landings`.
pub(crate) const FIELDS: [&str; 7] =
    ["source", "landing", "pages", "out", "second page", "absence", "source and landing"];
/// Those that make up the record that is to be linked; the others follow from them, or are of the visitor.
const RECORD: usize = 4;

fn value(secret: &Secret, field: &str) -> String {
    match field {
        "source" => secret.source.to_owned(),
        "landing" => secret.landing.clone(),
        "pages" => secret.pages.to_string(),
        "out" => secret.out.to_owned(),
        "second page" => secret.second.clone(),
        "absence" => secret.absence.to_owned(),
        _ => format!("{} {}", secret.source, secret.landing),
    }
}

/// How an attacker on counts guesses a value.
#[derive(Clone, Copy)]
pub(crate) enum Guess {
    /// The most frequent of the day: the likeliest record given the margins.
    Likeliest,
    /// The one that stands out on the days on which this payer paid (same address and browser), against other days.
    StandsOut,
    /// Values dealt out to the day's payers as often as they are published.
    Dealt,
}

pub(crate) const GUESSES: [(&str, Guess); 3] = [
    ("likeliest record", Guess::Likeliest),
    ("trajectory over days", Guess::StandsOut),
    ("one to one over counts", Guess::Dealt),
];

/// For each target and field, the guess.
pub(crate) fn on_counts(counts: &Counts, targets: &[&Payment], guess: Guess) -> Vec<BTreeMap<&'static str, String>> {
    let day_of = |payment: &Payment| (payment.second.max(0) * 1000 / DAY_MS) as usize;
    let mut days: HashMap<(u32, Agent), Vec<usize>> = HashMap::new();
    for target in targets {
        days.entry((target.address, target.agent)).or_default().push(day_of(target));
    }
    let mut dealt: HashMap<(&str, usize), Vec<String>> = HashMap::new();
    if let Guess::Dealt = guess {
        for (field, published) in &counts.fields {
            for (day, values) in published.iter().enumerate() {
                let payers = targets.iter().filter(|target| day_of(target) == day).count();
                let all: f64 = values.values().sum();
                let mut sorted: Vec<_> = values.iter().collect();
                sorted.sort_by(|one, two| two.1.total_cmp(one.1).then(one.0.cmp(two.0)));
                let mut hand = Vec::new();
                for (value, count) in sorted {
                    let share = (count / all.max(1.0) * payers as f64).round() as usize;
                    hand.extend(std::iter::repeat_n(value.clone(), share));
                }
                // Spread over the day's payers as they come.
                let spread = (0..hand.len()).map(|at| hand[(at * 7919) % hand.len()].clone()).collect();
                dealt.insert((*field, day), spread);
            }
        }
    }
    let mut next: HashMap<(&str, usize), usize> = HashMap::new();
    targets
        .iter()
        .map(|target| {
            let own = &days[&(target.address, target.agent)];
            let guessed = counts.fields.iter().map(|(field, published)| {
                let day = day_of(target).min(published.len().saturating_sub(1));
                let today = published.get(day);
                let likeliest = || best(today, |_, count| count);
                let value = match guess {
                    Guess::Likeliest => likeliest(),
                    Guess::StandsOut if published.len() > 1 => best(today, |value, _| {
                        let mean = |is_own: bool| {
                            let of: Vec<f64> = published
                                .iter()
                                .enumerate()
                                .filter(|(day, _)| own.contains(day) == is_own)
                                .map(|(_, values)| values.get(value).copied().unwrap_or(0.0))
                                .collect();
                            of.iter().sum::<f64>() / of.len().max(1) as f64
                        };
                        mean(true) - mean(false)
                    }),
                    Guess::StandsOut => likeliest(),
                    Guess::Dealt => {
                        let at = next.entry((*field, day)).or_default();
                        *at += 1;
                        dealt.get(&(*field, day)).and_then(|hand| hand.get(*at - 1).cloned()).unwrap_or_else(likeliest)
                    }
                };
                (*field, value)
            });
            guessed.collect()
        })
        .collect()
}

fn best(values: Option<&HashMap<String, f64>>, worth: impl Fn(&str, f64) -> f64) -> String {
    let mut sorted: Vec<_> = values.into_iter().flatten().filter(|(value, _)| !value.contains("(other)")).collect();
    sorted.sort_by_key(|(value, _)| (*value).clone());
    let found = sorted.into_iter().max_by(|one, two| worth(one.0, *one.1).total_cmp(&worth(two.0, *two.1)));
    found.map(|(value, _)| value.clone()).unwrap_or_default()
}

/// Whether one field is right, and whether all of the published are; a field that no table shows is left out of both.
pub(crate) fn is_right(secret: &Secret, guess: &BTreeMap<&'static str, String>, field: Option<&str>) -> bool {
    match field {
        Some(field) => guess.get(field).is_some_and(|guessed| *guessed == value(secret, field)),
        None => {
            FIELDS[..RECORD].iter().all(|field| guess.get(field).is_none_or(|guessed| *guessed == value(secret, field)))
        }
    }
}
