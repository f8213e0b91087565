//! Funnels: how many visits took each step. A step is published only where the difference of two steps is not a few visits.

use super::cells::{Cell, Table};
use super::crowd::Crowd;
use super::noise::NoiseSource;

/// A published step of a funnel.
pub(super) struct FunnelStep {
    /// The step's number, from 1.
    pub(super) number: usize,
    /// Visits that took this step and all before it, with noise and rounded.
    pub(super) visits: u64,
}

/// The steps that are published. The one dimension of the cells is the number of steps that visits took.
///
/// Two crowds must meet the threshold: the visits that end between a published step and the next one, and those that end before
/// the first. A step with too few visits up to the next one is left out. So are the first steps, while too few end before them.
pub(super) fn publishable_steps(
    table: &Table,
    noise_source: &NoiseSource,
    steps: usize,
    cells: &[Cell],
) -> Vec<FunnelStep> {
    let mut taken: Vec<(u64, Crowd)> = vec![Default::default(); steps + 1];
    for cell in cells {
        let number = cell.dimensions.first().and_then(|text| text.parse::<usize>().ok());
        if let Some(group) = number.and_then(|number| taken.get_mut(number)) {
            join(group, &(cell.amounts.first().copied().unwrap_or(0), cell.crowd.clone()));
        }
    }
    let noise = |step: usize| noise_source.cell_noise(&table.name, [step.to_string().as_str()]);
    let is_publishable = |group: &(u64, Crowd), step: usize| noise_source.meets_threshold(&group.1, noise(step));
    // From the last step to the first: the published steps, each with the visits that end between it and the next one.
    let mut published: Vec<(usize, (u64, Crowd))> = Vec::new();
    let mut between = <(u64, Crowd)>::default();
    for step in (1..=steps).rev() {
        join(&mut between, &taken[step]);
        if is_publishable(&between, step) {
            published.push((step, std::mem::take(&mut between)));
        }
    }
    join(&mut between, &taken[0]);
    while !is_publishable(&between, 0) {
        let Some((_, group)) = published.pop() else { return Vec::new() };
        join(&mut between, &group);
    }
    let mut visits = 0;
    let mut rows: Vec<FunnelStep> = published
        .into_iter()
        .map(|(step, group)| {
            visits += group.0;
            FunnelStep { number: step, visits: noise_source.round(visits, noise(step)) }
        })
        .collect();
    rows.reverse();
    rows
}

/// Visits of one visitor may end at different steps, so the crowds may share visitors and are not added up.
fn join(group: &mut (u64, Crowd), other: &(u64, Crowd)) {
    group.0 = group.0.saturating_add(other.0);
    group.1.cover(&other.1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cells::MeasureKind;
    use super::super::noise::{CELL_NOISE, K_MIN, Noise};
    use super::*;

    fn table() -> Table {
        let measures = vec![("visits".to_owned(), MeasureKind::Whole)];
        Table { name: "funnels buy".to_owned(), levels: 1, measures, overlapping: true }
    }

    fn cells(visits: &[u16]) -> Vec<Cell> {
        let mut first = 0;
        let mut cell = |(step, &count): (usize, &u16)| {
            let classes: Vec<u16> = (first..first + count).collect();
            first += count;
            Cell {
                dimensions: vec![format!("{step:02}")],
                visitors: count.into(),
                crowd: classes.into(),
                amounts: vec![count.into()],
                parts: vec![Crowd::default()],
                rests: vec![Crowd::default()],
                folded: 0,
            }
        };
        visits.iter().enumerate().map(&mut cell).collect()
    }

    #[test]
    fn a_step_at_which_few_visits_end_is_left_out() {
        for seed in 0u8..50 {
            let rows = publishable_steps(&table(), &NoiseSource::new(&[seed], 3), 3, &cells(&[120, 80, 3, 70]));
            let steps: Vec<_> = rows.iter().map(|row| row.number).collect();
            // Three visits end between the second step and the third.
            assert_eq!(steps, [1, 3]);
            let max_error = Noise::max_error(&[CELL_NOISE]);
            assert!(rows[0].visits.abs_diff(153) <= max_error && rows[1].visits.abs_diff(70) <= max_error);
        }
    }

    #[test]
    fn nothing_is_published_of_a_funnel_that_few_visits_begin_or_few_do_not() {
        let noise_source = NoiseSource::new(b"s", 3);
        assert!(publishable_steps(&table(), &noise_source, 2, &cells(&[100, 3, 4])).is_empty());
        assert!(publishable_steps(&table(), &noise_source, 2, &cells(&[4, 5, 3])).is_empty());
        assert!(publishable_steps(&table(), &noise_source, 2, &cells(&[4, 90, 90])).len() < 2);
    }

    proptest! {
        #[test]
        fn no_two_published_steps_differ_by_a_few_visits(visits in prop::collection::vec(0u16..80, 3..8), seed: u64) {
            let noise_source = NoiseSource::new(&seed.to_le_bytes(), 3);
            let steps = visits.len() - 1;
            let rows = publishable_steps(&table(), &noise_source, steps, &cells(&visits));
            // The exact counts of the published steps, and of all visits.
            let from = |step: usize| visits[step..].iter().map(|&count| u32::from(count)).sum::<u32>();
            let mut bounds: Vec<u32> = rows.iter().map(|row| from(row.number)).collect();
            if !bounds.is_empty() {
                bounds.insert(0, from(0));
                bounds.push(0);
            }
            for pair in bounds.windows(2) {
                let between = pair[0] - pair[1];
                prop_assert!(between >= K_MIN || between == 0 && pair[1] == 0, "{visits:?}: {bounds:?}");
            }
        }
    }
}
