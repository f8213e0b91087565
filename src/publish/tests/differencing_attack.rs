//! Differencing attacks on the rules: small random sites, every subtraction that a reader can make, and the crowd behind each
//! difference.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::cells::{Cell, MeasureKind, OTHER, PublishedRow, Table};
use super::super::crowd::{Crowd, NETWORK_CAP};
use super::super::noise::{CELL_NOISE, EXTRA_NOISE, K_MIN, Noise, NoiseSource, STEP};
use super::super::rules::publishable;
use super::distinguishability::{distance, offsets};

fn table(name: &str, levels: usize, overlapping: bool, measures: &[(&str, MeasureKind)]) -> Table {
    let measures = measures.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    Table { name: name.to_owned(), levels, measures, overlapping }
}

fn pages() -> Table {
    let part = MeasureKind::Part { of: Some(0) };
    let measures =
        [("views", MeasureKind::Whole), ("visitors", MeasureKind::Audience), ("entries", part), ("last_pages", part)];
    table("pages", 1, true, &measures)
}

fn places() -> Table {
    table("places", 2, false, &[("visitors", MeasureKind::Whole), ("visits", MeasureKind::Part { of: None })])
}

/// One browser: its network, whether it is confirmed, where it is, and the pages of its one visit.
#[derive(Clone, Debug)]
struct Browser {
    network: u16,
    confirmed: bool,
    place: (u8, u8),
    pages: Vec<u8>,
}

/// A view: its browser, its page, and whether it began or ended the visit.
struct View {
    browser: usize,
    path: String,
    entry: bool,
    last: bool,
}

fn sites() -> impl Strategy<Value = Vec<Browser>> {
    // Few pages and places, of very different sizes, so that all ways of folding occur.
    let skewed = |values: u8| (0.0f64..1.0).prop_map(move |x| (x * x * x * f64::from(values)) as u8);
    let browser =
        (0u16..200, prop::bool::weighted(0.85), (skewed(4), skewed(5)), prop::collection::vec(skewed(7), 1..4))
            .prop_map(|(network, confirmed, place, pages)| Browser { network, confirmed, place, pages });
    prop::collection::vec(browser, 0..400)
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

/// The confirmed browsers as the query counts them.
fn crowd(site: &[Browser], browsers: impl Iterator<Item = usize>) -> Crowd {
    let mut classes: BTreeMap<u16, u8> = BTreeMap::new();
    for browser in browsers.collect::<BTreeSet<_>>() {
        if site[browser].confirmed {
            let class = classes.entry(site[browser].network).or_default();
            *class = (*class + 1).min(NETWORK_CAP);
        }
    }
    classes.into_iter().take(120).collect::<Vec<_>>().into()
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

/// The row that a cell is in.
fn row_of(rows: &[PublishedRow], place: &[String]) -> Option<usize> {
    let other = OTHER.to_owned();
    let mut names = vec![place.to_vec()];
    if place.len() == 2 {
        names.push(vec![place[0].clone(), other.clone()]);
    }
    names.push(vec![other; place.len()]);
    names.iter().find_map(|name| rows.iter().position(|row| row.dimensions == *name))
}

fn noise_source(seed: u64) -> NoiseSource {
    NoiseSource::new(&seed.to_le_bytes(), NETWORK_CAP)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pages_and_their_differences_meet_the_threshold_or_are_empty(site in sites(), seed: u64) {
        let (noise_source, views) = (noise_source(seed), views(&site));
        let visitors = site.iter().filter(|browser| browser.confirmed).count() as u64;
        let rows = publishable(&pages(), &noise_source, visitors, page_cells(&site, &views));
        prop_assert_eq!(&rows, &publishable(&pages(), &noise_source, visitors, page_cells(&site, &views)));
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
            // The total minus every set of published rows, for the part and for the rest. A column without a published number
            // adds nothing: other tables have its total.
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
                let published = rows[row].measures[column].expect("it is shown");
                let exact = here().filter(|view| in_part(view)).count() as u64;
                prop_assert!(published.is_multiple_of(STEP) && published.abs_diff(exact) <= Noise::max_error(&[CELL_NOISE, EXTRA_NOISE]));
                prop_assert!(published >= u64::from(K_MIN));
            }
        }
        for (row, published) in rows.iter().enumerate().filter_map(|(row, shown)| Some((row, shown.measures[1]?))) {
            let here: BTreeSet<_> = views.iter().filter(|view| row_of(view) == row).map(|view| view.browser).collect();
            let people = here.iter().filter(|&&browser| site[browser].confirmed).count() as u64;
            prop_assert!(published.abs_diff(people) <= Noise::max_error(&[CELL_NOISE]));
            prop_assert!(visitors - people >= u64::from(K_MIN));
        }
    }

    #[test]
    fn places_and_their_differences_meet_the_threshold_or_are_empty(site in sites(), seed: u64) {
        let noise_source = noise_source(seed);
        let rows = publishable(&places(), &noise_source, 0, place_cells(&site));
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
            let exact = site.iter().filter(|browser| browser.confirmed || !confirmed_only).count() as u64;
            let published: u64 = rows.iter().filter_map(|row| row.measures[column]).sum();
            prop_assert!(rows.iter().any(|row| row.measures[column].is_none())
                || published.abs_diff(exact) <= Noise::max_error(&[CELL_NOISE, EXTRA_NOISE]) * rows.len() as u64);
        }
    }

    /// The main property: adding one visitor, who does everything once, has the same effect as taking the next offset. So at
    /// most one of 55 offsets reveals the visitor.
    #[test]
    fn one_more_visitor_has_the_effect_of_the_next_offset(others in 0u64..200, other in 0u64..500, offset in 0..CELL_NOISE - 1, extra_noise in 0..EXTRA_NOISE) {
        let noise_source = noise_source(0);
        let own = |offset| Noise { offset, max_offset: CELL_NOISE - 1 };
        let with = |offset| own(offset).and(Noise { offset: extra_noise, max_offset: EXTRA_NOISE - 1 });
        let output = |people: u64, number: u64, offset: u32| {
            let is_published = noise_source.count_meets(people, own(offset), K_MIN.into());
            (is_published, noise_source.round(people, own(offset)), noise_source.round(number, with(offset)), noise_source.count_meets(number, with(offset), K_MIN.into()))
        };
        prop_assert_eq!(output(others + 1, other + 1, offset), output(others, other, offset + 1));
    }

    #[test]
    fn a_number_is_published_as_a_multiple_of_five_within_the_maximum_error(number in 100u64..1_000_000, seed: u64) {
        let noise_source = noise_source(seed);
        let noise = noise_source.cell_noise("pages", ["/"]);
        let published = noise_source.round(number, noise);
        prop_assert!(published.is_multiple_of(STEP) && published.abs_diff(number) <= Noise::max_error(&[CELL_NOISE]));
        let extra_noise = noise.and(noise_source.extra_noise("pages", "views", ["/"]));
        prop_assert!(noise_source.round(number, extra_noise).abs_diff(number) <= Noise::max_error(&[CELL_NOISE, EXTRA_NOISE]));
        prop_assert_eq!(published, self::noise_source(seed).round(number, noise));
    }
}

#[test]
fn numbers_are_right_on_average() {
    for number in [100u64, 101, 102, 103, 104] {
        let mut sums = [0u64; 3];
        let noise_source = noise_source(0);
        for own in offsets(CELL_NOISE) {
            sums[0] += noise_source.round(number, own);
            for extra_noise in offsets(EXTRA_NOISE) {
                sums[1] += noise_source.round(number, own.and(extra_noise));
                sums[2] += number;
            }
        }
        assert_eq!(sums[0], number * u64::from(CELL_NOISE));
        assert_eq!(sums[1], sums[2]);
    }
}

#[test]
fn a_cell_is_always_published_from_64_never_below_10_and_by_its_offset_between() {
    let published = |people: u16| {
        let crowd: Crowd = (0..people).map(|class| (class, 1)).collect::<Vec<_>>().into();
        (0..5_500)
            .filter(|&seed| noise_source(seed).meets_threshold(&crowd, noise_source(seed).cell_noise("pages", ["/"])))
            .count()
    };
    assert_eq!((published(9), published(64)), (0, 5_500));
    for people in [10u16, 37, 63] {
        let expected = i64::from(people - 9) * 100;
        assert!((published(people) as i64 - expected).abs() < 150, "{people}: {}", published(people));
    }
}

#[test]
fn offsets_differ_by_window_table_and_cell_and_are_the_same_at_the_next_try() {
    let offsets: BTreeSet<u32> = (0..2_000).map(|seed| noise_source(seed).cell_noise("pages", ["/"]).offset).collect();
    assert_eq!(offsets, (0..CELL_NOISE).collect());
    let noise_source = noise_source(1);
    let of = |table: &str, path: &str| noise_source.cell_noise(table, [path]).offset;
    let cells: Vec<String> = (0..1_000).map(|number| format!("/{number}")).collect();
    assert_eq!(cells.iter().map(|path| of("pages", path)).collect::<BTreeSet<_>>().len(), CELL_NOISE as usize);
    let alike = |one: &str, other: &str| cells.iter().filter(|path| of(one, path) == of(other, path)).count();
    assert_eq!(alike("pages", "pages"), 1_000);
    assert!(alike("pages", "exits") < 45);
    // Parts are distinguished by their lengths.
    assert!((0..50).any(|seed| self::noise_source(seed).cell_noise("t", ["ab", "c"])
        != self::noise_source(seed).cell_noise("t", ["a", "bc"])));
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

fn names(rows: &[PublishedRow]) -> Vec<String> {
    rows.iter().map(|row| row.dimensions.join(" › ")).collect()
}

#[test]
fn small_regions_fold_in_their_country_and_small_countries_in_the_table() {
    let cells = || {
        vec![
            people(&["KZ", "Almaty"], 0, 90),
            people(&["KZ", "Astana"], 90, 60),
            people(&["KZ", "Turkistan"], 150, 3),
            people(&["RU", "Omsk"], 153, 7),
            people(&["RU", "Tomsk"], 160, 40),
            people(&["UZ", "Tashkent"], 200, 6),
            people(&["KG", "Bishkek"], 206, 9),
        ]
    };
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let rows = names(&publishable(&places(), &noise_source(seed), 215, cells()));
        // Turkistan is too small alone and Astana folds with it, or Almaty where Astana has the larger published number. Two
        // countries fold and are too small together, so rows of another country fold with them.
        assert!(rows.iter().all(|row| !row.contains("Turkistan") && !row.starts_with("UZ") && !row.starts_with("KG")));
        assert!(rows.contains(&"(other) › (other)".to_owned()));
        outcomes.insert(rows);
    }
    let usual = ["(other) › (other)", "KZ › (other)", "KZ › Almaty"].map(str::to_owned).to_vec();
    assert!(outcomes.contains(&usual), "{outcomes:?}");
}

#[test]
fn one_network_counts_as_three_visitors() {
    let mut cell = people(&["KZ", "Almaty"], 0, 40);
    cell.crowd = vec![(1, 40), (2, 40), (3, 40)].into();
    for seed in 0..100 {
        assert_eq!(publishable(&places(), &noise_source(seed), 120, vec![cell.clone()]), []);
    }
}

#[test]
fn nothing_is_published_where_all_visitors_together_are_few() {
    for seed in 0..100 {
        let cells = vec![people(&["KZ", "Almaty"], 0, 4), people(&["RU", "Omsk"], 4, 5)];
        assert_eq!(publishable(&places(), &noise_source(seed), 9, cells), []);
    }
}

/// Everything that is published of a site with a page of the attacker, over many windows: with one more visitor and without. The
/// attacker knows every other view. The measure is how much better than chance the likelihood ratio of the output decides.
#[test]
fn one_more_visitor_on_a_page_of_fakes_is_distinguished_as_rarely_as_documented() {
    let windows = 5_000;
    for (fakes, entering) in [(37, 0), (63, 30), (200, 100)] {
        let site = |more: bool| {
            let fake = |network: usize| Browser {
                network: network as u16,
                confirmed: true,
                place: (0, 0),
                pages: if network < entering { vec![1, 0] } else { vec![0, 1] },
            };
            let real = |network: u16| Browser { network, confirmed: true, place: (0, 0), pages: vec![0, 2] };
            let mut all: Vec<Browser> = (0..fakes).map(fake).chain((200..400).map(real)).collect();
            all.extend(more.then(|| Browser { pages: vec![0, 1, 2], ..real(500) }));
            all
        };
        // Twice without and once with: two samples of the same world differ by chance.
        let [one, same, more] = [(0, false), (1, false), (2, true)].map(|(sample, more)| {
            let site = site(more);
            let views = views(&site);
            let cells = page_cells(&site, &views);
            let visitors = site.len() as u64;
            let mut outputs: BTreeMap<Option<PublishedRow>, f64> = BTreeMap::new();
            for seed in 0..windows {
                // The attacker knows all other numbers exactly, so only the page itself is compared.
                let rows = publishable(&pages(), &noise_source(seed * 3 + sample), visitors, cells.clone());
                let page = rows.into_iter().find(|row| row.dimensions == ["/1"]);
                *outputs.entry(page).or_default() += 1.0 / windows as f64;
            }
            outputs
        });
        let (published, chance) = (f64::midpoint(distance(&one, &more), distance(&same, &more)), distance(&one, &same));
        println!("{fakes} fakes, {entering} entering: {published:.4}, of which chance {chance:.4}");
        assert!(published - chance < 0.05, "{fakes} fakes: {published:.4}, of which chance {chance:.4}");
    }
}
