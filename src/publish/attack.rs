//! Attacks on the rules: small random sites, everything that a reader can subtract, and who stands behind the difference.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::crowd::{Crowd, NETWORK_CAP};
use super::rules::{Cell, K_MIN, Kind, OTHER, STEP, Secrets, Shown, Table, publishable};

fn table(name: &str, levels: usize, overlapping: bool, measures: &[(&str, Kind)]) -> Table {
    let measures = measures.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    Table { name: name.to_owned(), levels, measures, overlapping }
}

fn pages() -> Table {
    let part = Kind::Part { of: Some(0) };
    let measures = [("views", Kind::Whole), ("visitors", Kind::Audience), ("entries", part), ("last_pages", part)];
    table("pages", 1, true, &measures)
}

fn places() -> Table {
    table("places", 2, false, &[("visitors", Kind::Whole), ("visits", Kind::Part { of: None })])
}

/// One browser: its network, whether it is confirmed, where it is, and the pages of its one visit.
#[derive(Clone, Debug)]
struct Browser {
    network: u16,
    confirmed: bool,
    place: (u8, u8),
    pages: Vec<u8>,
}

/// A view: whose, of what, and whether it began or ended the visit.
struct View {
    browser: usize,
    path: String,
    entry: bool,
    last: bool,
}

fn sites() -> impl Strategy<Value = Vec<Browser>> {
    // Few pages and places, of very different sizes, so that all ways of folding come up.
    let skewed = |values: u8| (0.0f64..1.0).prop_map(move |x| (x * x * x * f64::from(values)) as u8);
    let browser =
        (0u16..60, prop::bool::weighted(0.85), (skewed(4), skewed(5)), prop::collection::vec(skewed(7), 1..4))
            .prop_map(|(network, confirmed, place, pages)| Browser { network, confirmed, place, pages });
    prop::collection::vec(browser, 0..140)
}

fn views(site: &[Browser]) -> Vec<View> {
    let pages = |(index, browser): (usize, &Browser)| {
        let last = browser.pages.len() - 1;
        let view = |(at, page): (usize, &u8)| View {
            browser: index,
            path: format!("/{page}"),
            entry: at == 0,
            last: at == last,
        };
        browser.pages.iter().enumerate().map(view).collect::<Vec<_>>()
    };
    site.iter().enumerate().flat_map(pages).collect()
}

/// The confirmed among browsers, as the query counts them.
fn crowd(site: &[Browser], browsers: impl Iterator<Item = usize>) -> Crowd {
    let mut classes: BTreeMap<u16, u8> = BTreeMap::new();
    for browser in browsers.collect::<BTreeSet<_>>() {
        if site[browser].confirmed {
            let class = classes.entry(site[browser].network).or_default();
            *class = (*class + 1).min(NETWORK_CAP);
        }
    }
    classes.into_iter().take(32).collect::<Vec<_>>().into()
}

fn weight(site: &[Browser], browsers: impl Iterator<Item = usize>) -> u32 {
    crowd(site, browsers).weight(NETWORK_CAP)
}

fn page_cells(site: &[Browser], views: &[View]) -> Vec<Cell> {
    let paths: BTreeSet<_> = views.iter().map(|view| view.path.clone()).collect();
    let cell = |path: String| {
        let of = |fits: &dyn Fn(&View) -> bool| {
            crowd(site, views.iter().filter(|view| view.path == path && fits(view)).map(|view| view.browser))
        };
        let count =
            |fits: &dyn Fn(&View) -> bool| views.iter().filter(|view| view.path == path && fits(view)).count() as u64;
        let people: BTreeSet<_> = views.iter().filter(|view| view.path == path).map(|view| view.browser).collect();
        let visitors = people.iter().filter(|&&browser| site[browser].confirmed).count() as u64;
        Cell {
            visitors,
            crowd: of(&|_| true),
            amounts: vec![count(&|_| true), visitors, count(&|view| view.entry), count(&|view| view.last)],
            parts: vec![Crowd::default(), Crowd::default(), of(&|view| view.entry), of(&|view| view.last)],
            rests: vec![Crowd::default(), Crowd::default(), of(&|view| !view.entry), of(&|view| !view.last)],
            dimensions: vec![path.clone()],
            folded: 0,
        }
    };
    paths.into_iter().map(cell).collect()
}

fn place_cells(site: &[Browser]) -> Vec<Cell> {
    let places: BTreeSet<_> = site.iter().map(|browser| browser.place).collect();
    let cell = |place: (u8, u8)| {
        let here = || site.iter().enumerate().filter(move |(_, browser)| browser.place == place);
        let crowd = crowd(site, here().map(|(index, _)| index));
        let visitors = here().filter(|(_, browser)| browser.confirmed).count() as u64;
        Cell {
            dimensions: vec![format!("c{}", place.0), format!("r{}", place.1)],
            visitors,
            amounts: vec![visitors, here().count() as u64],
            parts: vec![Crowd::default(), crowd.clone()],
            rests: vec![Crowd::default(), Crowd::default()],
            crowd,
            folded: 0,
        }
    };
    places.into_iter().map(cell).collect()
}

/// Which row a cell is in.
fn row_of(rows: &[Shown], place: &[String]) -> Option<usize> {
    let other = OTHER.to_owned();
    let mut names = vec![place.to_vec()];
    if place.len() == 2 {
        names.push(vec![place[0].clone(), other.clone()]);
    }
    names.push(vec![other; place.len()]);
    names.iter().find_map(|name| rows.iter().position(|row| row.dimensions == *name))
}

fn secrets(seed: u64) -> Secrets {
    Secrets::new(&seed.to_le_bytes(), NETWORK_CAP)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pages_and_what_is_left_when_they_are_subtracted_are_many_or_none(site in sites(), seed: u64) {
        let (secrets, views) = (secrets(seed), views(&site));
        let visitors = site.iter().filter(|browser| browser.confirmed).count() as u64;
        let rows = publishable(&pages(), &secrets, visitors, page_cells(&site, &views));
        prop_assert_eq!(&rows, &publishable(&pages(), &secrets, visitors, page_cells(&site, &views)));
        if rows.is_empty() {
            return Ok(());
        }
        let row_of = |view: &View| row_of(&rows, std::slice::from_ref(&view.path)).expect("every cell is in a row");
        type Fits<'a> = &'a dyn Fn(&View) -> bool;
        let columns: [(usize, Fits, Fits); 3] = [
            (0, &|_| true, &|_| false),
            (2, &|view| view.entry, &|view| !view.entry),
            (3, &|view| view.last, &|view| !view.last),
        ];
        for (column, in_part, in_rest) in columns {
            let shown: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].measures[column].is_some()).collect();
            // Every set of shown rows against the total: what is left, of the part and of the rest. A column that is absent
            // as a whole adds nothing to the totals, which other tables tell.
            for set in u32::from(shown.is_empty())..1 << shown.len() {
                let taken: BTreeSet<_> = (0..shown.len()).filter(|i| set >> i & 1 == 1).map(|i| shown[i]).collect();
                for fits in [in_part, in_rest] {
                    let left = || views.iter().filter(|view| fits(view) && !taken.contains(&row_of(view)));
                    let behind = weight(&site, left().map(|view| view.browser));
                    prop_assert!(left().count() == 0 || behind >= K_MIN, "column {column}, set {set:b}: {behind}");
                }
            }
            for &row in &shown {
                let here = || views.iter().filter(|view| row_of(view) == row);
                for fits in [in_part, in_rest] {
                    let part = || here().filter(|view| fits(view));
                    let behind = weight(&site, part().map(|view| view.browser));
                    prop_assert!(part().count() == 0 || behind >= K_MIN, "column {column}, row {row}: {behind}");
                }
                let told = rows[row].measures[column].expect("it is shown");
                let truth = here().filter(|view| in_part(view)).count() as u64;
                prop_assert!(told.is_multiple_of(STEP) && told.abs_diff(truth) < STEP);
            }
        }
        for (row, told) in rows.iter().enumerate().filter_map(|(row, shown)| Some((row, shown.measures[1]?))) {
            let here: BTreeSet<_> = views.iter().filter(|view| row_of(view) == row).map(|view| view.browser).collect();
            let people = here.iter().filter(|&&browser| site[browser].confirmed).count() as u64;
            prop_assert!(told.abs_diff(people) < STEP);
            prop_assert!(people == visitors || visitors - people >= u64::from(K_MIN));
        }
    }

    #[test]
    fn places_and_what_is_left_when_they_are_subtracted_are_many_or_none(site in sites(), seed: u64) {
        let secrets = secrets(seed);
        let rows = publishable(&places(), &secrets, 0, place_cells(&site));
        if rows.is_empty() {
            return Ok(());
        }
        let row_of = |browser: &Browser| {
            let place = [format!("c{}", browser.place.0), format!("r{}", browser.place.1)];
            row_of(&rows, &place).expect("every cell is in a row")
        };
        for set in 0..(1u32 << rows.len()) - 1 {
            let left = site.iter().enumerate().filter(|(_, browser)| set >> row_of(browser) & 1 == 0);
            let behind = weight(&site, left.map(|(index, _)| index));
            prop_assert!(behind >= K_MIN, "set {set:b}: {behind}");
        }
        for (column, confirmed_only) in [(0, true), (1, false)] {
            let truth = site.iter().filter(|browser| browser.confirmed || !confirmed_only).count() as u64;
            let told: u64 = rows.iter().filter_map(|row| row.measures[column]).sum();
            prop_assert!(rows.iter().any(|row| row.measures[column].is_none())
                || told.abs_diff(truth) < STEP * rows.len() as u64);
        }
    }

    #[test]
    fn a_number_is_rounded_by_less_than_a_step_and_alike_everywhere(number in 0u64..1_000_000, seed: u64) {
        let told = secrets(seed).round(number);
        prop_assert!(told.is_multiple_of(STEP) && told.abs_diff(number) < STEP);
        prop_assert_eq!(told, secrets(seed).round(number));
    }
}

#[test]
fn rounding_is_right_on_average_and_never_makes_something_of_nothing() {
    for number in [0u64, 11, 12, 13, 14, 15] {
        let told: u64 = (0..20_000).map(|seed| secrets(seed).round(number)).sum();
        assert!((told as f64 / 20_000.0 - number as f64).abs() < 0.1, "{number}: {told}");
    }
}

#[test]
fn thresholds_are_from_10_to_14_and_differ_by_cell_and_window() {
    let drawn: BTreeSet<u32> = (0..200).map(|seed| secrets(seed).k("pages", ["/"])).collect();
    assert_eq!(drawn, (10..15).collect());
    let secrets = secrets(1);
    let by_cell: BTreeSet<u32> =
        ["/a", "/b", "/c", "/d", "/e", "/f", "/g"].map(|path| secrets.k("pages", [path])).into();
    assert!(by_cell.len() > 1);
    // Parts are told apart by their lengths, not by where they are cut.
    assert!((0..50).any(|seed| self::secrets(seed).k("t", ["ab", "c"]) != self::secrets(seed).k("t", ["a", "bc"])));
}

fn people(dimensions: &[&str], first: u16, count: u16) -> Cell {
    let crowd: Crowd = (first..first + count).map(|class| (class, 1)).collect::<Vec<_>>().into();
    Cell {
        dimensions: dimensions.iter().map(|name| (*name).to_owned()).collect(),
        visitors: count.into(),
        amounts: vec![count.into(), count.into()],
        parts: vec![Crowd::default(), crowd.clone()],
        rests: vec![Crowd::default(), Crowd::default()],
        crowd,
        folded: 0,
    }
}

fn names(rows: &[Shown]) -> Vec<String> {
    rows.iter().map(|row| row.dimensions.join(" › ")).collect()
}

#[test]
fn small_regions_fold_within_their_country_and_small_countries_within_the_table() {
    let cells = vec![
        people(&["KZ", "Almaty"], 0, 40),
        people(&["KZ", "Astana"], 40, 20),
        people(&["KZ", "Turkistan"], 60, 3),
        people(&["RU", "Omsk"], 63, 7),
        people(&["RU", "Tomsk"], 70, 8),
        people(&["UZ", "Tashkent"], 78, 6),
        people(&["KG", "Bishkek"], 84, 9),
    ];
    let rows = publishable(&places(), &secrets(5), 93, cells);
    // Turkistan is too small alone and takes Astana with it; Omsk and Tomsk show as their country; two countries fold.
    assert_eq!(names(&rows), ["(other) › (other)", "KZ › (other)", "KZ › Almaty", "RU › (other)"]);
}

#[test]
fn one_network_counts_three_visitors() {
    let mut cell = people(&["KZ", "Almaty"], 0, 40);
    cell.crowd = vec![(1, 40), (2, 40), (3, 40)].into();
    assert_eq!(publishable(&places(), &secrets(1), 120, vec![cell]), []);
}

#[test]
fn nothing_shows_where_all_together_are_few() {
    let cells = vec![people(&["KZ", "Almaty"], 0, 4), people(&["RU", "Omsk"], 4, 5)];
    assert_eq!(publishable(&places(), &secrets(1), 9, cells), []);
}
