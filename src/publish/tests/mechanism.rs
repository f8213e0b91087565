//! Attacks on the rules, and what they promise to an analyst: numbers are right on average whatever the truth is, a name has ten
//! visitors, and what is equal shows one number. The attackers here know the rules and everything but one visitor.

use super::super::cells::{Cell, Measure, OTHER, PublishedRow, Rest, Table};
use super::super::crowd::{Crowd, NETWORK_CAP};
use super::super::noise::{K_MIN, NoiseSource};
use super::super::rollups::Rollup;
use super::super::rules::{Totals, publishable};
use super::super::target::Filled;
use super::*;

fn source(seed: u64, level: Protection) -> NoiseSource {
    NoiseSource::new(&seed.to_le_bytes(), level, NETWORK_CAP)
}

/// Visitors on a network each.
fn people(count: u64) -> Crowd {
    (0..count.min(200) as u16).collect::<Vec<_>>().into()
}

fn cell(dimensions: &[&str], visitors: u64, amounts: &[u64]) -> Cell {
    let dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
    Cell { dimensions, crowd: people(visitors), amounts: amounts.to_vec(), cut: 0 }
}

fn table(name: &str, dimensions: &[&str]) -> Table {
    let measures = vec![
        Measure::new("visits", Rest::Of("visits"), 3),
        Measure::new("visitors", Rest::Unpublished, 1),
        Measure::new("bounces", Rest::OwnOfVisits, 3),
    ];
    let dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
    Table { name: name.to_owned(), dimensions, measures, overlapping: true, cells: 3, parent_wide: 1 }
}

fn rows(seed: u64, level: Protection, table: &Table, visits: i64, cells: &[Cell]) -> Vec<PublishedRow> {
    let mut totals = Totals::default();
    totals.insert("visits", visits);
    publishable(table, &source(seed, level), &mut totals, cells)
}

fn find<'a>(rows: &'a [PublishedRow], name: &[&str]) -> Option<&'a PublishedRow> {
    rows.iter().find(|row| row.dimensions == name)
}

#[test]
fn numbers_are_right_on_average_whatever_the_truth_is() {
    let windows = 10_000;
    let table = table("entries", &["channel", "source"]);
    for truth in [0, 9, 500] {
        // The name is that of so many visitors that it always shows, whatever the part is.
        let cells =
            [cell(&["search", "a.kz"], 200, &[truth, truth, truth]), cell(&["search", "b.kz"], 3, &[truth, 3, 0])];
        let mut sums = [0; 4];
        for seed in 0..windows {
            let rows = rows(seed, Protection::Standard, &table, 1_000, &cells);
            let shown = find(&rows, &["search", "a.kz"]).expect("200 visitors always show");
            let rest = find(&rows, &["search", OTHER]).expect("its parent has a rest");
            assert_eq!(rest.measures[1], None, "visitors of several cells are not added up");
            for (sum, noisy) in
                sums.iter_mut().zip([shown.measures[0], shown.measures[1], shown.measures[2], rest.measures[0]])
            {
                *sum += noisy.expect("each is published, also 0");
            }
        }
        for sum in sums {
            let error = sum as f64 / windows as f64 - truth as f64;
            assert!(error.abs() < 0.5, "{truth}: {error}");
        }
    }
}

/// The noise of a number does not depend on the number, whatever it is; and it is 0 on average, whatever its width.
#[test]
fn every_number_of_every_table_is_right_on_average() {
    let mut widths = BTreeSet::new();
    for Target { table, .. } in targets(GOALS) {
        let place: Vec<_> = table.dimensions.iter().map(|_| "a.kz").collect();
        let errors = |truth: u64| -> Vec<Option<i64>> {
            let amounts = vec![truth; table.measures.len()];
            let rows = rows(7, Protection::Standard, &table, 1_000, &[cell(&place, 200, &amounts)]);
            let shown = find(&rows, &place).expect("200 visitors always show");
            let error = |(noisy, truth): (&Option<i64>, &u64)| noisy.map(|noisy| noisy - *truth as i64);
            shown.measures.iter().zip(&amounts).map(error).collect()
        };
        if place.is_empty() {
            continue;
        }
        let first = errors(0);
        assert!(first.iter().all(Option::is_some), "every number of a named row is published, also 0");
        assert!((1..=500).all(|truth| errors(truth) == first), "{}", table.name);
        let of_parent =
            |measure: &Measure| measure.wide * if table.dimensions.len() == 2 { table.parent_wide } else { 1 };
        widths.extend(table.measures.iter().flat_map(|measure| [measure.wide, of_parent(measure)]));
    }
    let windows = 10_000;
    for wide in widths {
        let noise =
            |seed| source(seed, Protection::Standard).noisy(100, "pages", &[("path", "/a")], "views", wide) - 100;
        let mean = (0..windows).map(noise).sum::<i64>() as f64 / windows as f64;
        assert!(mean.abs() < 0.5 * f64::from(wide), "{wide} times as wide: {mean}");
    }
}

/// The account and the errors of all questions are made of these widths.
#[test]
fn every_number_has_noise_as_wide_as_its_table_says() {
    const SEEDS: u64 = 300;
    for Target { table, .. } in targets(2).into_iter().filter(|target| !target.table.dimensions.is_empty()) {
        let (name, parent): (Vec<_>, _) =
            (table.dimensions.iter().map(|_| "a.kz").collect(), table.dimensions.len() == 2);
        let cells = [cell(&name, 200, &vec![100; table.measures.len()])];
        let mut squares = vec![[0.0; 2]; table.measures.len()];
        for seed in 0..SEEDS {
            let rows = rows(seed, Protection::Standard, &table, 1_000, &cells);
            let shown = find(&rows, &name).expect("200 visitors always show");
            let rest = find(&rows, &["a.kz", OTHER]);
            for (at, [own, whole]) in squares.iter_mut().enumerate() {
                let number = shown.measures[at].expect("each is published");
                *own += ((number - 100) as f64).powi(2);
                let of_rest = rest.and_then(|rest| rest.measures[at]).unwrap_or(0);
                *whole += ((number + of_rest - 100) as f64).powi(2);
            }
        }
        for (measure, [own, whole]) in table.measures.iter().zip(squares) {
            let is_as_wide = |squares: f64, wide: u32| {
                let found = (squares / SEEDS as f64).sqrt() / f64::from(Protection::Standard.sigma() * wide);
                assert!((0.8..1.2).contains(&found), "{}.{}: {found} times as wide", table.name, measure.name);
            };
            is_as_wide(own, measure.wide);
            if parent && measure.rest != Rest::Unpublished {
                is_as_wide(whole, measure.wide * table.parent_wide);
            }
        }
    }
}

/// Two funnels that begin alike show one number for each step that they have in common, and different ones from there on.
#[test]
fn funnels_that_begin_alike_show_one_number() {
    let mut site = site();
    for (name, last) in [("buy", "/paid"), ("ask", "/asked")] {
        site.funnels.insert(name.to_owned(), ["/a", "/b", last].map(str::to_owned).to_vec());
    }
    let numbers: Vec<Vec<i64>> = Rollups::of(&site)
        .tables
        .into_iter()
        .filter(|rollup| !rollup.steps.is_empty())
        .map(|Rollup { target, steps, .. }| {
            let cells = vec![cell(&["03"], 200, &[100])];
            let rows =
                Filled { target, cells, steps }.rows_of_steps(&source(7, Protection::Strict), &Default::default());
            rows.iter().map(|row| row["visits"].as_i64().expect("a number")).collect()
        })
        .collect();
    let [one, other] = &numbers[..] else { panic!("two funnels: {numbers:?}") };
    assert!(one[..2] == other[..2] && one[2] != other[2] && one[0] != one[1], "{numbers:?}");
}

#[test]
fn rows_add_up_to_the_total_that_is_published() {
    let table = table("entries", &["channel", "source"]);
    let cells: Vec<_> = (0..40u64)
        .map(|at| cell(&[&format!("c{}", at % 5), &format!("s{at}")], at * 3, &[at * 4, at * 3, at]))
        .chain([cell(&[OTHER, OTHER], 150, &[700, 150, 0])])
        .collect();
    for seed in 0..200 {
        let rows = rows(seed, Protection::Standard, &table, 4_321, &cells);
        assert_eq!(rows.iter().filter_map(|row| row.measures[0]).sum::<i64>(), 4_321);
        assert!(
            rows.windows(2).all(|pair| pair[0].dimensions < pair[1].dimensions),
            "each row is there once: {rows:?}"
        );
    }
}

#[test]
fn a_name_never_has_fewer_than_ten_visitors_and_surely_shows_from_the_threshold_and_its_largest_noise() {
    for level in Protection::ALL {
        let sure = u64::from(K_MIN + 2 * level.threshold().1);
        let named = |visitors: u64| -> usize {
            let cells = [cell(&["/a"], visitors, &[900, visitors, 900])];
            let is_named =
                |seed: &u64| find(&rows(*seed, level, &table("pages", &["path"]), 0, &cells), &["/a"]).is_some();
            (0..2_000).filter(is_named).count()
        };
        assert_eq!([named(0), named(9), named(sure), named(sure + 100)], [0, 0, 2_000, 2_000], "{level:?}");
        // In the middle, half.
        assert!(named(u64::from(K_MIN + level.threshold().1)).abs_diff(1_000) < 150, "{level:?}");
    }
}

/// Nine fakes and one visitor, or nine alone: as rarely distinguished as by one look.
#[test]
fn nine_fakes_do_not_show_the_tenth_visitor() {
    for level in Protection::ALL {
        let shows = |visitors: u64, salt: u64| {
            let cells = [cell(&["/secret"], visitors, &[visitors, visitors, 0])];
            let is_there =
                |seed: &u64| find(&rows(*seed, level, &table("pages", &["path"]), 0, &cells), &["/secret"]).is_some();
            (0..20_000).map(|seed| seed + salt).filter(is_there).count()
        };
        let (without, with) = (shows(9, 0), shows(10, 1 << 32));
        assert_eq!(without, 0);
        assert!(with < 200, "{level:?}: {with} of 20,000 reveal the visitor");
    }
}

/// As many invented names as may have a cell, with twenty fakes each: the name that shows does not depend on what one visitor searched for.
#[test]
fn invented_names_are_no_oracle_for_a_crowd() {
    const MOST: usize = 300;
    let crowds = |victim: u64| (0..MOST as u32).map(|name| (name, 20)).chain([(u32::MAX, victim)]);
    let chosen = |victim: u64, seed: u64| {
        source(seed, Protection::Standard).candidates("searches", crowds(victim), MOST).contains(&u32::MAX)
    };
    // One name of 301 is left out, and mostly by its noise: one more visitor behind it changes little.
    let share = |victim: u64, salt: u64| (0..300).filter(|seed| chosen(victim, seed + salt)).count() as f64 / 300.0;
    for crowd in [10, 19, 20, 21] {
        let (one, other) = (share(crowd, 0), share(crowd + 1, 1 << 32));
        assert!((one - other).abs() < 0.07, "{crowd}: {one} and {other}");
    }
    // Without noise the one more visitor would decide.
    let by_crowd = |victim: u64| {
        let mut names: Vec<_> = crowds(victim).map(|(name, crowd)| (std::cmp::Reverse(crowd), name)).collect();
        names.sort_unstable();
        names[..MOST].iter().any(|(_, name)| *name == u32::MAX)
    };
    assert!(!by_crowd(20) && by_crowd(21));
    // Fewer names are all candidates, so nothing is decided by their crowds.
    let few = source(1, Protection::Standard).candidates("searches", (0..200).map(|name| (name, 5)), MOST);
    assert_eq!(few.len(), 200);
}

#[test]
fn views_without_cookies_fold_no_source_of_people() {
    let cells = [cell(&["referral", "spam.kz"], 0, &[1_500, 0, 1_500]), cell(&["referral", "real.kz"], 150, &[150; 3])];
    let table = table("entries", &["channel", "source"]);
    for level in Protection::ALL {
        for seed in 0..500 {
            let rows = rows(seed, level, &table, 1_650, &cells);
            let real = find(&rows, &["referral", "real.kz"]).expect("150 visitors show");
            let off = [150, 1_500].map(|truth| real.measures[0].unwrap_or(0).abs_diff(truth));
            assert!(off[0] < off[1] && find(&rows, &["referral", "spam.kz"]).is_none(), "{level:?}: {rows:?}");
        }
    }
}

#[test]
fn one_network_makes_no_name_however_many_visitors_it_has() {
    let mut cell = cell(&["/a"], 0, &[8_000, 8_000, 0]);
    cell.crowd = vec![(1, 200), (2, 200), (3, 200)].into();
    for seed in 0..2_000 {
        assert_eq!(
            find(&rows(seed, Protection::Internal, &table("pages", &["path"]), 0, &[cell.clone()]), &["/a"]),
            None
        );
    }
    // As many visitors of many networks make one.
    cell.crowd = (0..200).map(|network| (network, 3)).collect::<Vec<_>>().into();
    let rows = rows(0, Protection::Internal, &table("pages", &["path"]), 0, &[cell]);
    assert!(find(&rows, &["/a"]).is_some());
}

#[test]
fn what_is_equal_shows_one_number_and_different_ones_do_not() {
    let number = |table: &Table, dimensions: &[&str]| {
        let rows = rows(7, Protection::Strict, table, 0, &[cell(dimensions, 200, &[100, 100, 100])]);
        find(&rows, dimensions).expect("it shows").measures.clone()
    };
    // A pair and its mirror image.
    let pair = table("pairs", &["country", "device"]);
    let mirrored = table("pairs", &["device", "country"]);
    assert_eq!(number(&pair, &["KZ", "phone"]), number(&mirrored, &["phone", "KZ"]));
    // A goal under two names.
    let goal = |name: &str, what: &str| {
        let mut table = table("entries", &["channel"]);
        table.measures[2] = Measure { key: format!("goal {what}"), ..Measure::new(name, Rest::OwnOfVisits, 3) };
        number(&table, &["search"])[2]
    };
    assert_eq!(goal("goal order", "paid"), goal("goal sale", "paid"));
    let others = [goal("goal order", "/paid"), number(&table("entries", &["channel"]), &["search"])[2]];
    let more = [number(&table("pairs", &["country", "os"]), &["KZ", "phone"])[0], number(&pair, &["phone", "KZ"])[0]];
    assert!(others.iter().all(|other| *other != goal("goal order", "paid")), "{others:?}");
    assert!(more.iter().all(|other| *other != number(&pair, &["KZ", "phone"])[0]), "{more:?}");
}

#[test]
fn each_number_of_a_row_has_noise_of_its_own() {
    let cells = [cell(&["/a"], 200, &[100, 100, 100])];
    let mut equal = 0;
    for seed in 0..1_000 {
        let rows = rows(seed, Protection::Standard, &table("pages", &["path"]), 0, &cells);
        let noisy = &find(&rows, &["/a"]).expect("it shows").measures;
        equal += usize::from(noisy[0] == noisy[1]) + usize::from(noisy[1] == noisy[2]);
    }
    // Two independent numbers are equal once in 2σ√π.
    assert!(equal.abs_diff(2_000 / 32) < 40, "{equal}");
}
