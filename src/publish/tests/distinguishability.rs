//! How well one additional visitor can be distinguished, by calculation: the distribution of everything that is published of a
//! cell, over all random offsets, with that visitor and without. `docs/publishing.md` has the figures.

use std::collections::BTreeMap;

use super::super::noise::{CELL_NOISE, EXTRA_NOISE, K_MIN, Noise, NoiseSource, TOTAL_NOISE};

/// Each possible output with its probability.
type Distribution = BTreeMap<Vec<u64>, f64>;

fn noise_source() -> NoiseSource {
    NoiseSource::new(b"", u8::MAX)
}

/// All offsets with so many values.
pub(super) fn offsets(values: u32) -> impl Iterator<Item = Noise> {
    (0..values).map(move |offset| Noise { offset, max_offset: values - 1 })
}

/// The distribution over all offsets with so many values, each equally likely.
fn over(values: u32, output: impl Fn(Noise) -> Distribution) -> Distribution {
    let mut all = Distribution::new();
    for (output, probability) in offsets(values).flat_map(output) {
        *all.entry(output).or_default() += probability / f64::from(values);
    }
    all
}

fn certain(output: &[u64]) -> Distribution {
    Distribution::from([(output.to_vec(), 1.0)])
}

/// The joint distribution of two independent outputs.
fn and(one: &Distribution, other: &Distribution) -> Distribution {
    let mut both = Distribution::new();
    for (first, probability) in one {
        for (second, other_probability) in other {
            // A separator, so that a suppressed number of one is not taken for a number of the other.
            *both.entry([first.as_slice(), &[u64::MAX], second].concat()).or_default() +=
                probability * other_probability;
        }
    }
    both
}

/// A cell with so many visitors, each on another network, and with other numbers.
fn cell(people: u64, others: &[u64]) -> Distribution {
    let noise_source = noise_source();
    over(CELL_NOISE, |own| {
        if !noise_source.count_meets(people, own, K_MIN.into()) {
            return certain(&[]);
        }
        let number = |other: &u64| over(EXTRA_NOISE, |extra| certain(&[noise_source.round(*other, own.and(extra))]));
        others.iter().fold(certain(&[noise_source.round(people, own)]), |output, other| and(&output, &number(other)))
    })
}

/// The total variation distance of two distributions: how much better than chance the likelihood ratio decides between them.
pub(super) fn distance<Output: Ord>(one: &BTreeMap<Output, f64>, other: &BTreeMap<Output, f64>) -> f64 {
    one.iter().map(|(output, probability)| (probability - other.get(output).unwrap_or(&0.0)).max(0.0)).sum()
}

/// The largest distance over all positions of the numbers between multiples of five, for small cells and large ones.
fn largest(outputs: impl Fn(u64, u64) -> [Distribution; 2]) -> f64 {
    let places = [20, 100]
        .into_iter()
        .flat_map(|people| (0..5).flat_map(move |at| (0..5).map(move |by| (people + at, 200 + by))));
    places.map(|(people, other)| outputs(people, other)).map(|[one, two]| distance(&one, &two)).fold(0.0, f64::max)
}

#[test]
fn the_documentation_has_the_figures_of_the_rules() {
    let with = |others: &'static [u64]| {
        // With one more visitor, each of the other numbers grows by the given amount.
        largest(move |people, other| {
            let grown: Vec<_> = others.iter().map(|more| other + more).collect();
            [cell(people, &vec![other; others.len()]), cell(people + 1, &grown)]
        })
    };
    let cells = |many: usize| {
        largest(|people, _| {
            [people, people + 1].map(|people| (1..many).fold(cell(people, &[]), |all, _| and(&all, &cell(people, &[]))))
        })
    };
    let total = largest(|_, number| {
        [number, number + 1].map(|number| over(TOTAL_NOISE, |noise| certain(&[noise_source().round(number, noise)])))
    });
    let text = std::fs::read_to_string("docs/publishing.md").unwrap();
    for (row, figures) in [
        ("| does once whatever the cell counts", vec![with(&[]).max(with(&[1, 1]))]),
        ("| is not in a subset that", vec![with(&[0])]),
        ("| is not in two such subsets", vec![with(&[0, 0])]),
        ("| views the page twice", vec![with(&[2]), with(&[3]), with(&[5])]),
        ("| stands in two cells", vec![cells(2), cells(3)]),
    ] {
        let line = text.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no row {row}"));
        let figures: Vec<_> = figures.iter().map(|figure| format!("{figure:.3}")).collect();
        assert!(line.ends_with(&format!("| {} |", figures.join(", "))), "{figures:?}: {line}");
    }
    assert!(text.contains(&format!("up to {total:.2} for each number")), "{total}");
}
