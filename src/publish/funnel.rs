//! Funnels: how many visits took each step, told where nobody can subtract two steps and be left with a few.

use super::crowd::Crowd;
use super::rules::{Cell, Secrets, Table};

/// How many visits took a step, and which; rounded.
pub(super) struct Reached {
    /// The step's number, from 1.
    pub(super) step: usize,
    /// Visits that took it and those before it.
    pub(super) visits: u64,
}

/// The steps that show, out of cells that say how many steps visits took: their one dimension is that number.
///
/// What a step has more than the next one that shows, and what all visits have more than the first, are many: a step that
/// would leave a few between it and the next is left out, and the lowest ones are, while a few stay below them.
pub(super) fn reached(table: &Table, secrets: &Secrets, steps: usize, cells: &[Cell]) -> Vec<Reached> {
    let mut taken: Vec<(u64, Crowd)> = vec![Default::default(); steps + 1];
    for cell in cells {
        let number = cell.dimensions.first().and_then(|text| text.parse::<usize>().ok());
        if let Some(group) = number.and_then(|number| taken.get_mut(number)) {
            join(group, &(cell.amounts.first().copied().unwrap_or(0), cell.crowd.clone()));
        }
    }
    let blur = |step: usize| secrets.cell(&table.name, [step.to_string().as_str()]);
    let tells = |group: &(u64, Crowd), step: usize| secrets.are_many(&group.1, blur(step));
    // From the last step to the first: the steps that show, each with those between it and the one shown before.
    let mut shown: Vec<(usize, (u64, Crowd))> = Vec::new();
    let mut between = <(u64, Crowd)>::default();
    for step in (1..=steps).rev() {
        join(&mut between, &taken[step]);
        if tells(&between, step) {
            shown.push((step, std::mem::take(&mut between)));
        }
    }
    join(&mut between, &taken[0]);
    while !tells(&between, 0) {
        let Some((_, group)) = shown.pop() else { return Vec::new() };
        join(&mut between, &group);
    }
    let mut visits = 0;
    let mut rows: Vec<Reached> = shown
        .into_iter()
        .map(|(step, group)| {
            visits += group.0;
            Reached { step, visits: secrets.round(visits, blur(step)) }
        })
        .collect();
    rows.reverse();
    rows
}

/// Visits of one visitor may have gone differently far, hence crowds cover one another and do not add up.
fn join(group: &mut (u64, Crowd), other: &(u64, Crowd)) {
    group.0 = group.0.saturating_add(other.0);
    group.1.cover(&other.1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rules::{Blur, K_MIN, Kind, WIDTH};
    use super::*;

    fn table() -> Table {
        let measures = vec![("visits".to_owned(), Kind::Whole)];
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
    fn a_step_that_few_leave_at_is_left_out() {
        for seed in 0u8..50 {
            let rows = reached(&table(), &Secrets::new(&[seed], 3), 3, &cells(&[120, 80, 3, 70]));
            let steps: Vec<_> = rows.iter().map(|row| row.step).collect();
            // Between the second and the third lie three visits.
            assert_eq!(steps, [1, 3]);
            let worst = Blur::worst(&[WIDTH]);
            assert!(rows[0].visits.abs_diff(153) <= worst && rows[1].visits.abs_diff(70) <= worst);
        }
    }

    #[test]
    fn a_funnel_that_few_begin_or_few_pass_by_shows_nothing() {
        let secrets = Secrets::new(b"s", 3);
        assert!(reached(&table(), &secrets, 2, &cells(&[100, 3, 4])).is_empty());
        assert!(reached(&table(), &secrets, 2, &cells(&[4, 5, 3])).is_empty());
        assert!(reached(&table(), &secrets, 2, &cells(&[4, 90, 90])).len() < 2);
    }

    proptest! {
        #[test]
        fn no_two_numbers_of_a_funnel_differ_by_a_few(visits in prop::collection::vec(0u16..80, 3..8), seed: u64) {
            let secrets = Secrets::new(&seed.to_le_bytes(), 3);
            let steps = visits.len() - 1;
            let rows = reached(&table(), &secrets, steps, &cells(&visits));
            // With the truth of those that show, and all visits below them.
            let from = |step: usize| visits[step..].iter().map(|&count| u32::from(count)).sum::<u32>();
            let mut bounds: Vec<u32> = rows.iter().map(|row| from(row.step)).collect();
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
