//! What one person more changes, by calculation: everything that is published of a cell, over all draws, with the one and
//! without. `docs/publishing.md` tells the distances found here.

use std::collections::BTreeMap;

use super::rules::{Blur, FURTHER, K_MIN, NARROW, Secrets, WIDTH};

/// What may be seen, and how likely each is.
type Looks = BTreeMap<Vec<u64>, f64>;

fn secrets() -> Secrets {
    Secrets::new(b"", u8::MAX)
}

/// Every draw of so many values.
pub(super) fn draws(values: u32) -> impl Iterator<Item = Blur> {
    (0..values).map(move |drawn| Blur { drawn, highest: values - 1 })
}

/// What is seen over every draw of so many values, each as likely.
fn over(values: u32, seen: impl Fn(Blur) -> Looks) -> Looks {
    let mut looks = Looks::new();
    for (look, likely) in draws(values).flat_map(seen) {
        *looks.entry(look).or_default() += likely / f64::from(values);
    }
    looks
}

fn certain(look: &[u64]) -> Looks {
    Looks::from([(look.to_vec(), 1.0)])
}

/// Two that are drawn apart, seen together.
fn and(one: &Looks, other: &Looks) -> Looks {
    let mut both = Looks::new();
    for (first, likely) in one {
        for (second, also) in other {
            // A mark between them, so that what is hidden of one is not taken for the other's.
            *both.entry([first.as_slice(), &[u64::MAX], second].concat()).or_default() += likely * also;
        }
    }
    both
}

/// A cell of so many people, each on a network of their own, with other numbers beside.
fn cell(people: u64, others: &[u64]) -> Looks {
    let secrets = secrets();
    over(WIDTH, |own| {
        if !secrets.reaches(people, own, K_MIN.into()) {
            return certain(&[]);
        }
        let told = |other: &u64| over(FURTHER, |further| certain(&[secrets.round(*other, own.and(further))]));
        others.iter().fold(certain(&[secrets.round(people, own)]), |look, other| and(&look, &told(other)))
    })
}

/// Total variation of two that are each certain in all: what the likelihood ratio gets right beyond chance.
pub(super) fn apart<Look: Ord>(one: &BTreeMap<Look, f64>, other: &BTreeMap<Look, f64>) -> f64 {
    one.iter().map(|(look, likely)| (likely - other.get(look).unwrap_or(&0.0)).max(0.0)).sum()
}

/// The most that a cell tells, wherever its numbers stand between multiples of five, and whether it surely shows or not.
fn most(looks: impl Fn(u64, u64) -> [Looks; 2]) -> f64 {
    let places = [20, 100]
        .into_iter()
        .flat_map(|people| (0..5).flat_map(move |at| (0..5).map(move |by| (people + at, 200 + by))));
    places.map(|(people, other)| looks(people, other)).map(|[one, two]| apart(&one, &two)).fold(0.0, f64::max)
}

#[test]
fn the_documentation_tells_what_the_rules_do() {
    let with = |others: &'static [u64]| {
        // Each of the other numbers grows by so many with the one more.
        most(move |people, other| {
            let grown: Vec<_> = others.iter().map(|more| other + more).collect();
            [cell(people, &vec![other; others.len()]), cell(people + 1, &grown)]
        })
    };
    let cells = |many: usize| {
        most(|people, _| {
            [people, people + 1].map(|people| (1..many).fold(cell(people, &[]), |all, _| and(&all, &cell(people, &[]))))
        })
    };
    let total = most(|_, number| {
        [number, number + 1].map(|number| over(NARROW, |narrow| certain(&[secrets().round(number, narrow)])))
    });
    let text = std::fs::read_to_string("docs/publishing.md").unwrap();
    for (row, figures) in [
        ("| does once whatever the cell counts", vec![with(&[]).max(with(&[1, 1]))]),
        ("| is not in a subset that", vec![with(&[0])]),
        ("| is not in two such subsets", vec![with(&[0, 0])]),
        ("| views the page twice", vec![with(&[2]), with(&[3]), with(&[5])]),
        ("| stands in two cells", vec![cells(2), cells(3)]),
    ] {
        let told = text.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no row {row}"));
        let figures: Vec<_> = figures.iter().map(|figure| format!("{figure:.3}")).collect();
        assert!(told.ends_with(&format!("| {} |", figures.join(", "))), "{figures:?}: {told}");
    }
    assert!(text.contains(&format!("up to {total:.2} for each number")), "{total}");
}
