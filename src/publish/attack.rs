//! Attacks on the rules: small random sites, everything that a reader can subtract, and who stands behind the difference.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::apart::{apart, draws};
use super::crowd::{Crowd, NETWORK_CAP};
use super::rules::{Blur, Cell, FURTHER, K_MIN, Kind, OTHER, STEP, Secrets, Shown, Table, WIDTH, publishable};

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

/// The confirmed among browsers, as the query counts them.
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
                prop_assert!(told.is_multiple_of(STEP) && told.abs_diff(truth) <= Blur::worst(&[WIDTH, FURTHER]));
                prop_assert!(told >= u64::from(K_MIN));
            }
        }
        for (row, told) in rows.iter().enumerate().filter_map(|(row, shown)| Some((row, shown.measures[1]?))) {
            let here: BTreeSet<_> = views.iter().filter(|view| row_of(view) == row).map(|view| view.browser).collect();
            let people = here.iter().filter(|&&browser| site[browser].confirmed).count() as u64;
            prop_assert!(told.abs_diff(people) <= Blur::worst(&[WIDTH]));
            prop_assert!(visitors - people >= u64::from(K_MIN));
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
                || told.abs_diff(truth) <= Blur::worst(&[WIDTH, FURTHER]) * rows.len() as u64);
        }
    }

    /// The heart of it: one visitor more, who does what is counted once, and the same draw give what the next draw gives
    /// without that visitor. So of 55 draws at most one tells.
    #[test]
    fn one_more_is_what_the_next_draw_is(others in 0u64..200, apart in 0u64..500, drawn in 0..WIDTH - 1, further in 0..FURTHER) {
        let secrets = secrets(0);
        let own = |drawn| Blur { drawn, highest: WIDTH - 1 };
        let with = |drawn| own(drawn).and(Blur { drawn: further, highest: FURTHER - 1 });
        let look = |people: u64, number: u64, drawn: u32| {
            let shows = secrets.reaches(people, own(drawn), K_MIN.into());
            (shows, secrets.round(people, own(drawn)), secrets.round(number, with(drawn)), secrets.reaches(number, with(drawn), K_MIN.into()))
        };
        prop_assert_eq!(look(others + 1, apart + 1, drawn), look(others, apart, drawn + 1));
    }

    #[test]
    fn a_number_is_told_as_a_multiple_of_five_and_never_further_off_than_said(number in 100u64..1_000_000, seed: u64) {
        let secrets = secrets(seed);
        let blur = secrets.cell("pages", ["/"]);
        let told = secrets.round(number, blur);
        prop_assert!(told.is_multiple_of(STEP) && told.abs_diff(number) <= Blur::worst(&[WIDTH]));
        let further = blur.and(secrets.further("pages", "views", ["/"]));
        prop_assert!(secrets.round(number, further).abs_diff(number) <= Blur::worst(&[WIDTH, FURTHER]));
        prop_assert_eq!(told, self::secrets(seed).round(number, blur));
    }
}

#[test]
fn numbers_are_right_on_average() {
    for number in [100u64, 101, 102, 103, 104] {
        let mut sums = [0u64; 3];
        let secrets = secrets(0);
        for own in draws(WIDTH) {
            sums[0] += secrets.round(number, own);
            for further in draws(FURTHER) {
                sums[1] += secrets.round(number, own.and(further));
                sums[2] += number;
            }
        }
        assert_eq!(sums[0], number * u64::from(WIDTH));
        assert_eq!(sums[1], sums[2]);
    }
}

#[test]
fn a_cell_shows_surely_from_64_never_below_10_and_by_its_draw_between() {
    let shows = |people: u16| {
        let crowd: Crowd = (0..people).map(|class| (class, 1)).collect::<Vec<_>>().into();
        (0..5_500).filter(|&seed| secrets(seed).are_many(&crowd, secrets(seed).cell("pages", ["/"]))).count()
    };
    assert_eq!((shows(9), shows(64)), (0, 5_500));
    for people in [10u16, 37, 63] {
        let expected = i64::from(people - 9) * 100;
        assert!((shows(people) as i64 - expected).abs() < 150, "{people}: {}", shows(people));
    }
}

#[test]
fn draws_differ_by_site_window_table_and_cell_and_are_the_same_for_whoever_tries_again() {
    let draws: BTreeSet<u32> = (0..2_000).map(|seed| secrets(seed).cell("pages", ["/"]).drawn).collect();
    assert_eq!(draws, (0..WIDTH).collect());
    let secrets = secrets(1);
    let of = |table: &str, path: &str| secrets.cell(table, [path]).drawn;
    let cells: Vec<String> = (0..1_000).map(|number| format!("/{number}")).collect();
    assert_eq!(cells.iter().map(|path| of("pages", path)).collect::<BTreeSet<_>>().len(), WIDTH as usize);
    let alike = |one: &str, other: &str| cells.iter().filter(|path| of(one, path) == of(other, path)).count();
    assert_eq!(alike("pages", "pages"), 1_000);
    assert!(alike("pages", "exits") < 45);
    // Parts are told apart by their lengths, not by where they are cut.
    assert!(
        (0..50).any(|seed| self::secrets(seed).cell("t", ["ab", "c"]) != self::secrets(seed).cell("t", ["a", "bc"]))
    );
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
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let rows = names(&publishable(&places(), &secrets(seed), 215, cells()));
        // Turkistan is too small alone and takes Astana with it, or Almaty where Astana is told as the larger; two countries
        // fold, and are too small together, so that what is folded or shown of another folds with them.
        assert!(rows.iter().all(|row| !row.contains("Turkistan") && !row.starts_with("UZ") && !row.starts_with("KG")));
        assert!(rows.contains(&"(other) › (other)".to_owned()));
        seen.insert(rows);
    }
    let usual = ["(other) › (other)", "KZ › (other)", "KZ › Almaty"].map(str::to_owned).to_vec();
    assert!(seen.contains(&usual), "{seen:?}");
}

#[test]
fn one_network_counts_three_visitors() {
    let mut cell = people(&["KZ", "Almaty"], 0, 40);
    cell.crowd = vec![(1, 40), (2, 40), (3, 40)].into();
    for seed in 0..100 {
        assert_eq!(publishable(&places(), &secrets(seed), 120, vec![cell.clone()]), []);
    }
}

#[test]
fn nothing_shows_where_all_together_are_few() {
    for seed in 0..100 {
        let cells = vec![people(&["KZ", "Almaty"], 0, 4), people(&["RU", "Omsk"], 4, 5)];
        assert_eq!(publishable(&places(), &secrets(seed), 9, cells), []);
    }
}

/// All that is published of a site with a page of the attacker's, over many windows: with one more visitor and without. The
/// attacker knows every other view. Told apart is what the likelihood ratio of everything that shows gets right beyond chance.
#[test]
fn one_more_on_a_page_of_fakes_is_told_apart_as_seldom_as_said() {
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
        // Twice without and once with: what two samples of one and the same world differ by is chance.
        let [one, same, more] = [(0, false), (1, false), (2, true)].map(|(sample, more)| {
            let site = site(more);
            let views = views(&site);
            let cells = page_cells(&site, &views);
            let visitors = site.len() as u64;
            let mut looks: BTreeMap<Option<Shown>, f64> = BTreeMap::new();
            for seed in 0..windows {
                // As if everybody else's numbers were known exactly: only the page itself is looked at.
                let rows = publishable(&pages(), &secrets(seed * 3 + sample), visitors, cells.clone());
                let page = rows.into_iter().find(|row| row.dimensions == ["/1"]);
                *looks.entry(page).or_default() += 1.0 / windows as f64;
            }
            looks
        });
        let (told, chance) = (f64::midpoint(apart(&one, &more), apart(&same, &more)), apart(&one, &same));
        println!("{fakes} fakes, {entering} entering: {told:.4}, of which chance {chance:.4}");
        assert!(told - chance < 0.05, "{fakes} fakes: {told:.4}, of which chance {chance:.4}");
    }
}
