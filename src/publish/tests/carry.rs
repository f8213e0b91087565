//! Names that are too small for a day: they are published for the week or the month, each contribution once, with the noise of the
//! days together, and never twice from an older copy.

use jiff::civil::{Date, date};

use super::super::carry::{CARRIED, Carried};
use super::super::cells::{Cell, Measure, OTHER, PublishedRow, Rest, Table};
use super::super::crowd::{FIRST_OF_MONTH, FIRST_OF_WEEK, NETWORK_CAP};
use super::super::noise::NoiseSource;
use super::super::rules::{Totals, publishable};
use super::*;
use crate::config::Identification;

/// A Monday, the first of a month of four weeks.
pub(super) const MONTH: Date = date(2027, 2, 1);

/// A row, with its day and the day that it is carried to.
pub(super) type Row = (Date, Date, PublishedRow);

/// The publisher's rules and state over days.
pub(super) struct Days {
    pub(super) level: Protection,
    pub(super) seed: u64,
    pub(super) state: Carried,
    pub(super) rows: BTreeMap<String, Vec<Row>>,
}

impl Days {
    pub(super) fn new(level: Protection, seed: u64) -> Self {
        Self { level, seed, state: Carried::default(), rows: BTreeMap::new() }
    }

    /// Publishes the cells of a day. All tables have the same total of visits.
    pub(super) fn publish(&mut self, day: Date, total: i64, tables: &[(Table, Vec<Cell>)]) {
        let site = site();
        let window = site.schedule.containing(site.schedule.day_start(day));
        let seed = format!("{} {day}", self.seed);
        let noise_source = NoiseSource::new(seed.as_bytes(), self.level, NETWORK_CAP);
        let mut state = self.state.before(&site, &window).expect("days are carried");
        if !tables.is_empty() {
            state.begin(&window, &noise_source);
        }
        for (table, cells) in tables {
            let mut totals = Totals::default();
            ["visits", "views", "visitors"].iter().for_each(|name| totals.insert(name, total));
            let rows = publishable(table, &noise_source, &mut totals, cells);
            state.add(table, &noise_source, &rows, cells);
            let all = self.rows.entry(table.name.clone()).or_default();
            for (longer, rows) in state.close(&site, &window, &noise_source, table) {
                all.extend(rows.into_iter().map(|row| (longer.first_day, longer.last_day, row)));
            }
            all.extend(rows.into_iter().map(|row| (day, day, row)));
        }
        state.end(&window, &noise_source);
        self.state = state;
    }

    fn of(&self, name: &[&str]) -> Vec<&(Date, Date, PublishedRow)> {
        self.rows.values().flatten().filter(|row| row.2.dimensions == name).collect()
    }
}

pub(super) fn days(count: i32) -> impl Iterator<Item = Date> {
    (0..count).map(|at| MONTH.checked_add(jiff::Span::new().days(at)).expect("a day"))
}

fn table() -> Table {
    Table {
        name: "entries".to_owned(),
        dimensions: vec!["channel".to_owned(), "source".to_owned()],
        measures: vec![Measure::new("visits", Rest::Of("visits"), 3), Measure::new("visitors", Rest::Unpublished, 1)],
        overlapping: true,
        cells: 3,
        parent_wide: 1,
    }
}

/// A cell with so many visitors, each on a network of its own; of some of them the day is the first.
fn cell(name: [&str; 2], visitors: u16, new: u16, visits: u64) -> Cell {
    let bits = |at: u16| if at < new { FIRST_OF_WEEK | FIRST_OF_MONTH } else { 0 };
    Cell {
        dimensions: name.map(str::to_owned).to_vec(),
        crowd: (0..visitors).map(|at| at | bits(at)).collect::<Vec<_>>().into(),
        amounts: vec![visits, visitors.into()],
        cut: 0,
    }
}

#[test]
fn days_weeks_and_months_add_up_to_what_is_published_and_a_name_is_there_once_a_day() {
    let mut named = BTreeSet::new();
    for seed in 0..30 {
        let mut of = Days::new(Protection::Standard, seed);
        for (at, day) in days(28).enumerate() {
            // `search` has a name on some days only.
            let big = if at % 3 == 0 { 2 } else { 90 };
            let cells = vec![
                cell(["search", "a.kz"], big, big / 2, 100),
                cell(["search", "b.kz"], 9, 9, 10),
                cell(["search", "c.kz"], 2, 2, 3),
                cell(["social", "d.kz"], 1, 1, 1),
                cell([OTHER, OTHER], 8, 8, 20),
            ];
            of.publish(day, 1_000, &[(table(), cells)]);
        }
        let rows = &of.rows["entries"];
        let sum: i64 = rows.iter().filter_map(|row| row.2.measures[0]).sum();
        assert_eq!(sum, 28 * 1_000, "each day's total, in rows of days, weeks and months");
        for name in [["search", "a.kz"], ["search", "b.kz"], ["search", "c.kz"], ["social", "d.kz"]] {
            let of_name = of.of(&name);
            named.extend(of_name.iter().map(|(from, to, _)| (name[1], to.since(*from).expect("days").get_days())));
            let mut keys: Vec<_> = of_name.iter().map(|(from, to, _)| (from, to)).collect();
            keys.dedup();
            assert_eq!(keys.len(), of_name.len(), "{name:?}");
        }
        let week: Vec<_> = rows.iter().filter(|row| row.0 == MONTH && row.1 == date(2027, 2, 7)).collect();
        for (_, _, row) in &week {
            assert_eq!(row.measures[1].is_none(), row.is_other(), "visitors of (other) are published nowhere");
        }
    }
    // Some weeks and months have a name that no day has; a name that is too small for all is in none.
    let has = |name: &str, length: i32| named.contains(&(name, length));
    assert!(has("a.kz", 0) && has("b.kz", 6) && has("c.kz", 27), "{named:?}");
    assert!(!has("c.kz", 0) && !has("d.kz", 0) && !has("d.kz", 6), "{named:?}");
}

/// Who comes every day is one visitor of a week and of a month, and a network counts once a day.
#[test]
fn a_crowd_of_days_counts_each_visitor_on_its_first_day() {
    for seed in 0..200 {
        let mut of = Days::new(Protection::Internal, seed);
        for (at, day) in days(28).enumerate() {
            let new = if at % 7 == 0 { 2 } else { 0 };
            let regulars = cell(["search", "a.kz"], 9, new, 30);
            let mut fakes = cell(["search", "b.kz"], 0, 0, 30);
            fakes.crowd = vec![7 | FIRST_OF_WEEK; 200].into();
            of.publish(day, 100, &[(table(), vec![regulars, fakes])]);
        }
        // Two new visitors a week are eight of a month, and one network is seven of a week.
        assert!(of.of(&["search", "a.kz"]).is_empty() && of.of(&["search", "b.kz"]).is_empty());
    }
}

/// The attacker knows all but one visitor, who comes every day.
#[test]
fn a_regular_is_no_better_known_by_a_carried_cell_than_by_daily_numbers() {
    let seeds = 400;
    let shown = |visitors: u16, regular: u64, salt: u64| -> Vec<i64> {
        let sum = |seed: u64| {
            let mut of = Days::new(Protection::Standard, seed + salt);
            for day in days(28) {
                let visits = u64::from(visitors) + 3 * regular;
                let mut other = cell(["search", "z.kz"], 120, 120, 200);
                other.amounts = vec![0, 0];
                of.publish(day, 0, &[(table(), vec![cell(["search", "a.kz"], visitors, visitors, visits), other])]);
            }
            let rows = of.of(&["search", "a.kz"]);
            (rows.len(), rows.iter().filter_map(|row| row.2.measures[0]).sum::<i64>())
        };
        let shown: Vec<_> = (0..seeds).map(sum).collect();
        // Those that were named in one way, as most are.
        let rows = if visitors > 54 { 28 } else { 1 };
        shown.iter().filter(|(count, _)| *count == rows).map(|(_, sum)| *sum).collect()
    };
    // How far the regular moves the sum, in standard deviations: by days, and by a month. Two visitors a day are too few for a week.
    let [by_days, by_month] = [90, 2].map(|visitors| {
        let (without, with) = (shown(visitors, 0, 0), shown(visitors, 1, 1 << 32));
        let mean = |of: &[i64]| of.iter().sum::<i64>() as f64 / of.len() as f64;
        let deviation = |of: &[i64]| {
            let mean = mean(of);
            (of.iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>() / of.len() as f64).sqrt()
        };
        assert!(without.len() > 200 && with.len() > 200, "{visitors}: {} and {}", without.len(), with.len());
        let [one, other] = [&without, &with].map(|of| deviation(of));
        (mean(&with) - mean(&without)) / ((one + other) / 2.0)
    });
    let expected = 84.0 / (9.0 * 28f64.sqrt());
    assert!((by_days - expected).abs() < 0.25 && by_month < by_days + 0.35, "{by_days} and {by_month}");
}

#[test]
fn an_older_copy_a_gap_and_other_measures_count_nothing_twice() {
    let small = || vec![cell(["search", "b.kz"], 9, 9, 10)];
    let play = |of: &mut Days, days: &[Date]| {
        for day in days {
            of.publish(*day, 100, &[(table(), small())]);
        }
    };
    let all: Vec<_> = days(14).collect();
    let is_empty = |state: &Carried| !serde_json::to_string(state).expect("JSON").contains("b.kz");
    let mut of = Days::new(Protection::Standard, 1);
    play(&mut of, &all[..5]);
    let older = of.state.clone();
    let site = site();
    let of_day = |day: Date| site.schedule.containing(site.schedule.day_start(day));
    let before = |state: &Carried, day: Date| state.before(&site, &of_day(day)).expect("days are carried");
    assert!(!is_empty(&older));
    // The same window again, the next one, one of the same week after a gap, one of the next week, one of another month.
    for (day, drops) in [(4, true), (5, false), (6, false), (7, true), (35, true)] {
        let day = MONTH.checked_add(jiff::Span::new().days(day)).expect("a day");
        assert_eq!(is_empty(&before(&older, day)), drops, "{day}");
    }
    let other = PublishedSite { identity: Identification::DailyAddress, ..site.clone() };
    assert_eq!(older.before(&other, &of_day(all[5])), None);
    let weekly = Schedule::new("UTC", 7 * 24 * 60).expect("known");
    let other = PublishedSite { schedule: weekly, ..site.clone() };
    assert_eq!(older.before(&other, &of_day(all[5])), None);
    // A new goal is another measure: what was carried before is not shown under its name.
    let mut changed = table();
    changed.measures[1] = Measure::new("goal", Rest::OwnOfVisits, 3);
    of.publish(all[5], 100, &[(changed, small())]);
    let text = serde_json::to_string(&of.state).expect("JSON");
    assert!(text.contains("\"amounts\":[[],[10,9]]"), "one day of ten visits: {text}");
}

/// A page that invents a name for each visit fills no memory, and the names of more visitors stay.
#[test]
fn of_too_many_carried_names_those_of_more_visitors_stay() {
    let mut of = Days::new(Protection::Standard, 1);
    let names = (0..20_100).map(|at| format!("s{at}")).collect::<Vec<_>>();
    let alone = names.iter().map(|name| cell(["search", name], 1, 1, 1));
    let cells = alone.chain([cell(["search", "real.kz"], 24, 24, 24)]).collect();
    of.publish(MONTH, 100_000, &[(table(), cells)]);
    let text = serde_json::to_string(&of.state).expect("JSON");
    assert_eq!(text.matches("search\\u001e").count(), 20_000);
    assert!(text.contains("real.kz"));
}

#[test]
fn the_tables_with_rows_of_longer_periods_are_those_that_are_carried() {
    let sql = [
        include_str!("../../../schema/migrations/stats/0001_begin.sql"),
        include_str!("../../../schema/migrations/stats/0002_rollups.sql"),
    ]
    .concat();
    let tables = sql.split("CREATE TABLE IF NOT EXISTS ").filter(|table| table.contains("\n    carried_to Date"));
    let tables: BTreeSet<_> = tables.filter_map(|table| table.split_whitespace().next()).collect();
    assert_eq!(tables, CARRIED.into());
}

/// A day on which nothing is published adds nothing, and one day alone is shown by itself.
#[test]
fn only_what_is_in_a_published_total_is_carried() {
    for seed in 0..50 {
        let mut of = Days::new(Protection::Standard, seed);
        let small = || (table(), vec![cell(["search", "b.kz"], 31, 31, 40)]);
        for (at, day) in days(28).enumerate() {
            let tables = if at == 2 { vec![small()] } else { Vec::new() };
            of.publish(day, 100, &tables);
        }
        let sum: i64 = of.rows["entries"].iter().filter_map(|row| row.2.measures[0]).sum();
        assert_eq!(sum, 100);
        assert!(of.of(&["search", "b.kz"]).iter().all(|(from, to, _)| from == to));
    }
}

/// Windows of the publisher itself: killed at any call of the day on which a week ends, and with an older file put back.
#[tokio::test]
async fn a_week_is_published_once_after_a_kill_at_any_call() {
    // START is a Wednesday, the 25th; the second Monday after it begins a whole week.
    let (monday, sunday) = (START + 12 * DAY_S, START + 18 * DAY_S);
    // With little noise, nine visitors have a name on no day, and 63 surely for the week.
    let publisher = |store: &MemoryStore, clock: &Clock, folder: &Path| {
        let site = PublishedSite { protection: Protection::Internal, ..site() };
        let (vault, stats) = (store.clone(), store.clone());
        Publisher::new(vault, stats, clock.clone(), vec![site], folder, NODE, Duration::from_secs(900))
            .expect("a folder")
    };
    for takes_effect in [false, true] {
        for calls in 0.. {
            let (store, clock, folder) = ready(100);
            lease(&store, START + 40 * DAY_S);
            store.state().answers.insert(EARLIEST.to_owned(), vec![json!({ "end": monday + DAY_S, "count": 1 })]);
            let few: Vec<u16> = (0..9).map(|class| class | FIRST_OF_WEEK).collect();
            let page =
                json!({ "source": 0, "dimensions": ["/", "/few"], "crowd": few, "amounts": [9, 9, 0, 0, 0], "cut": 0 });
            store.state().answers.get_mut("cells").expect("cells").push(page);
            clock.advance_to(moment(sunday));
            publisher(&store, &clock, folder.path()).pass().await;
            let file = folder.path().join("publish/a.kz.carried.json");
            let saturday = std::fs::read(&file).expect("a state");
            clock.advance_to(moment(sunday + DAY_S));
            store.state().fails_after = Some((calls, takes_effect));
            let failed = publisher(&store, &clock, folder.path()).advance(0).await.is_err();
            store.state().fails_after = None;
            publisher(&store, &clock, folder.path()).pass().await;
            let of_week = || -> Vec<Value> {
                let state = store.state();
                let is_longer = |row: &&Value| row["carried_to"] != row["day"];
                state.tables["pages"].iter().filter(is_longer).cloned().collect()
            };
            let rows = of_week();
            assert_eq!(rows.iter().filter(|row| row["path"] == "/few").count(), 1, "after {calls} calls: {rows:?}");
            assert_eq!(rows.iter().map(|row| column(row, "views")).sum::<i64>(), 0, "what is named leaves (other)");
            assert!(rows.iter().all(|row| row["day"] == "2026-12-07" && row["carried_to"] == "2026-12-13"), "{rows:?}");
            // An older copy of the state: the week is over, and is not shown again.
            std::fs::write(&file, &saturday).expect("written");
            clock.advance_to(moment(sunday + 3 * DAY_S));
            publisher(&store, &clock, folder.path()).pass().await;
            assert_eq!(of_week(), rows, "after {calls} calls");
            if !failed {
                assert!(calls > 15, "the test kills at every call");
                break;
            }
        }
    }
}

#[test]
fn the_numbers_of_a_day_a_week_and_a_month_have_noise_of_their_own() {
    let place = [("path", "/")];
    let mut equal = [0; 3];
    for seed in 0..1_000u64 {
        let day = NoiseSource::new(&seed.to_le_bytes(), Protection::Standard, NETWORK_CAP);
        let noise = |source: &NoiseSource| source.noisy(0, "pages", &place, "views", 1);
        // Equal variances, so that equal keys would give equal noise.
        let longer = ["week", "week in parent", "month"].map(|period| noise(&day.longer(period, day.variance())));
        let pairs = [(noise(&day), longer[0]), (longer[0], longer[1]), (longer[0], longer[2])];
        equal.iter_mut().zip(pairs).for_each(|(equal, (one, other))| *equal += usize::from(one == other));
        assert_eq!(longer[0], noise(&day.longer("week", day.variance())), "again the same");
        assert_eq!(day.longer("week", 7 * day.variance()).sigma(), 24, "9√7, rounded up");
    }
    // Two independent numbers are equal once in 2σ√π.
    assert!(equal.iter().all(|equal| equal.abs_diff(1_000 / 32) < 25), "{equal:?}");
}
