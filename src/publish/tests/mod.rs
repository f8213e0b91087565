//! The publisher with stores in memory: it waits, publishes once, survives a kill at any call, and cleans up.

mod accounting;
mod at_once;
mod carry;
mod clocks;
mod failover;
mod kept;
mod lists;
mod looks;
mod mechanism;
mod memory_store;
mod month;
mod outages;
mod preview;
mod restored;
mod today;
mod widths;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use memory_store::{MemoryStore, State};

use super::apart_tables::ApartTable;
use super::leases::LEASES;
use super::queries::{EARLIEST, EVENTS_BY_WINDOW, TALLIES};
use super::retention::{PARTITIONS, SITES_OF_DAY};
use super::rollups::Rollups;
use super::separate_tables::{attribute, automation, errors};
use super::target::Target;
use super::{Progress, PublishedSite, Publisher, RetentionWorker, Schedule};
use crate::clock::Clock;
use crate::config::Protection;
use crate::items::Items;

const NODE: &str = "a";
const DAY_S: i64 = 86_400;
/// Seven standard deviations: noise is larger once in a hundred thousand million numbers.
const NOISE_MAX: u64 = 7 * Protection::Standard.sigma() as u64;
/// A Wednesday.
const START: i64 = 1_795_564_800;

fn crowd(people: u64) -> Value {
    (0..people.min(150)).collect()
}

/// One page and one place, with so many visitors, and late events if there are more than a hundred.
fn fill(store: &MemoryStore, people: u64) {
    let mut state = store.state();
    arrived(&mut state, people, "");
    let mut set = |name: &str, rows: Value| {
        state.answers.insert(name.to_owned(), serde_json::from_value(rows).expect("a list"));
    };
    set(EARLIEST, json!([{ "end": START + DAY_S, "count": 1 }]));
    set(EVENTS_BY_WINDOW, json!([{ "end": START + DAY_S, "count": people * 3 }]));
    set(LEASES, json!([{ "node": NODE, "complete_until": START + 30 * DAY_S, "written_at": START }]));
}

/// The rows of so many visitors, as the vault's queries answer; of all windows, or of that whose start is the end of the name.
fn arrived(state: &mut State, people: u64, of: &str) {
    let mut set = |name: &str, rows: Value| {
        state.answers.insert(format!("{name}{of}"), serde_json::from_value(rows).expect("a list"));
    };
    let all = crowd(people);
    set(
        "site",
        json!([{ "flags": 15, "visitors": people, "crowd": all, "amounts": [people, people, people * 3], "cuts": [0, 0] }]),
    );
    set(
        "cells",
        json!([
            {
                "source": 0, "dimensions": ["/", "/"], "crowd": all, "amounts": [people, people, people, people, people], "cut": 0,
            },
        ]),
    );
    set(
        "places",
        json!([{
            "source": "place", "dimensions": ["KZ", "Almaty"], "crowd": all, "amounts": [people, people, people],
        }]),
    );
}

fn lease(store: &MemoryStore, until: i64) {
    let row = json!({ "node": NODE, "complete_until": until * 1000, "written_at": START * 1000 });
    store.state().answers.insert(LEASES.to_owned(), vec![row]);
}

fn site() -> PublishedSite {
    let items = ["pages", "country", "region"].map(str::to_owned);
    PublishedSite {
        domain: "a.kz".to_owned(),
        time_zone: "UTC".to_owned(),
        schedule: Schedule::new("UTC", 24 * 60).expect("known"),
        items: Items::of(None, Some(&items)).expect("known"),
        protection: Protection::Standard,
        identity: Default::default(),
        goals: Default::default(),
        funnels: Default::default(),
        experiments: Vec::new(),
        pairs: Vec::new(),
    }
}

/// The most steps of a funnel, and the most goals, that can be declared.
const STEPS: usize = 12;
const GOALS: usize = 8;

/// What is published of a site that declares as much as it can, and so many goals; but for the numbers of `site` that stand in every row.
fn targets(goals: usize) -> Vec<Target> {
    let mut site = site();
    let all: Vec<_> = Items::KEYS.iter().map(|key| (*key).to_owned()).collect();
    site.items = Items::of(None, Some(&all)).expect("known");
    site.goals = (0..goals).map(|at| (format!("goal{at}"), format!("/{at}"))).collect();
    site.experiments = vec!["button".to_owned()];
    site.pairs = vec![["landing", "channel"].map(str::to_owned), ["country", "device"].map(str::to_owned)];
    let rollups = Rollups::of(&site).tables.into_iter().map(|rollup| rollup.target);
    let apart = ApartTable::all(&site).into_iter().map(|apart| apart.target);
    rollups.chain(apart).chain([errors(), automation(), attribute("time_zone"), attribute("languages")]).collect()
}

fn publisher(store: &MemoryStore, clock: &Clock, folder: &Path) -> Publisher<MemoryStore, MemoryStore> {
    let node_timeout = Duration::from_secs(900);
    Publisher::new(store.clone(), store.clone(), clock.clone(), vec![site()], folder, NODE, node_timeout)
        .expect("a folder")
}

fn ready(people: u64) -> (MemoryStore, Clock, tempfile::TempDir) {
    let (store, clock) = (MemoryStore::default(), Clock::simulated(moment(START + DAY_S)));
    fill(&store, people);
    lease(&store, START + 2 * DAY_S);
    (store, clock, tempfile::tempdir().expect("a folder"))
}

#[tokio::test]
async fn a_window_waits_for_its_end_and_for_the_nodes() {
    let (store, _, folder) = ready(100);
    let clock = Clock::simulated(moment(START + DAY_S - 1));
    let publisher = publisher(&store, &clock, folder.path());
    assert_eq!(publisher.advance(0).await.expect("ok"), Progress::UpToDate);
    clock.advance_to(moment(START + DAY_S));
    lease(&store, START + DAY_S - 1);
    assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Waiting(_)));
    lease(&store, START + DAY_S);
    assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Published(_)));
    assert_eq!(publisher.advance(0).await.expect("ok"), Progress::UpToDate);
    let state = store.state();
    let ledger = &state.tables["publications"][0];
    assert_eq!((&ledger["complete"], &ledger["sigma"]), (&json!(true), &json!(9)));
    let paths: Vec<_> = state.tables["pages"].iter().map(|row| &row["path"]).collect();
    assert_eq!(paths, ["(other)", "(other)", "/"]);
    assert!(!state.tables.contains_key("seeds"));
    assert_eq!(std::fs::read_dir(folder.path().join("publish")).expect("a folder").count(), 2);
}

#[tokio::test]
async fn after_a_kill_at_any_call_a_window_is_published_once_and_as_planned() {
    let mut outcomes = BTreeSet::new();
    for takes_effect in [false, true] {
        for calls in 0.. {
            let (store, clock, folder) = ready(100);
            store.state().fails_after = Some((calls, takes_effect));
            let failed = publisher(&store, &clock, folder.path()).advance(0).await.is_err();
            store.state().fails_after = None;
            // Rows that arrive between kill and restart may change the numbers only if no plan was written.
            fill(&store, 2_000);
            lease(&store, START + 2 * DAY_S);
            publisher(&store, &clock, folder.path()).pass().await;
            let state = store.state();
            let views: Vec<i64> = [("site", 1), ("pages", 3)]
                .map(|(table, rows)| {
                    assert_eq!(state.tables[table].len(), rows, "{table} after {calls} calls");
                    column(&state.tables[table][rows - 1], "views")
                })
                .into();
            // Each number has its own noise; both numbers are of the same day.
            assert!(views[0].abs_diff(views[1]) <= 2 * NOISE_MAX, "after {calls} calls");
            assert_eq!(state.tables["publications"].len(), 1);
            assert!(!state.tables.contains_key("seeds"), "after {calls} calls");
            outcomes.insert(if views[0] < 1_000 { "as planned before" } else { "anew" });
            drop(state);
            let left: Vec<_> = std::fs::read_dir(folder.path().join("publish")).expect("a folder").collect();
            assert_eq!(left.len(), 2, "the counts and what is carried remain after {calls} calls");
            if !failed {
                assert!(calls > 15, "the test kills at every call");
                break;
            }
        }
    }
    assert_eq!(outcomes.len(), 2, "it dies before and after the plan is made");
}

fn column(row: &Value, name: &str) -> i64 {
    row[name].as_i64().expect("an integer")
}

#[tokio::test]
async fn no_window_is_published_again_when_an_older_copy_of_the_stats_store_is_put_back() {
    let (store, clock, folder) = ready(100);
    lease(&store, START + 40 * DAY_S);
    clock.advance_to(moment(START + 3 * DAY_S));
    publisher(&store, &clock, folder.path()).pass().await;
    assert_eq!(store.state().tables["publications"].len(), 3);
    for rows_kept in [1, 0] {
        for rows in store.state().tables.values_mut() {
            rows.truncate(rows_kept);
        }
        let before = store.state().tables.clone();
        publisher(&store, &clock, folder.path()).pass().await;
        assert_eq!(store.state().tables, before, "nothing of the three windows, also without a ledger");
    }
    clock.advance_to(moment(START + 4 * DAY_S));
    publisher(&store, &clock, folder.path()).pass().await;
    let state = store.state();
    let [row] = &state.tables["publications"][..] else { panic!("one window: {:?}", state.tables) };
    assert_eq!(column(row, "window_start"), START + 3 * DAY_S);
}

#[tokio::test]
async fn the_first_use_of_a_declaration_is_in_the_ledger_and_reported_once() {
    let (store, clock, folder) = ready(100);
    clock.advance_to(moment(START + 2 * DAY_S));
    let mut site = site();
    site.funnels.insert("buy".to_owned(), ["/a", "/b"].map(str::to_owned).to_vec());
    let reported: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let listener = reported.clone();
    let node_timeout = Duration::from_secs(900);
    let (vault, stats) = (store.clone(), store.clone());
    Publisher::new(vault, stats, clock, vec![site], folder.path(), NODE, node_timeout)
        .expect("a folder")
        .on_publication(move |_, _, declared| listener.lock().expect("no panic").push(declared.to_vec()))
        .pass()
        .await;
    assert_eq!(*reported.lock().expect("no panic"), [vec!["funnel buy: /a, /b".to_owned()], Vec::new()]);
    let state = store.state();
    let in_ledger: Vec<_> = state.tables["publications"].iter().map(|row| &row["first_declared"]).collect();
    assert_eq!(in_ledger, [&json!(["funnel buy: /a, /b"]), &json!([])]);
    // Every step is published, also that which nobody took.
    let steps: Vec<_> = state.tables["funnels"].iter().map(|row| column(row, "step")).collect();
    assert_eq!(steps, [1, 2, 1, 2]);
}

#[tokio::test]
async fn events_that_come_after_publication_are_counted_as_late() {
    let (store, clock, folder) = ready(100);
    let mut publisher = publisher(&store, &clock, folder.path());
    publisher.pass().await;
    // 200 more events of the first window arrived; the second window has none.
    store.state().answers.insert(EVENTS_BY_WINDOW.to_owned(), vec![json!({ "end": START + DAY_S, "count": 500 })]);
    clock.advance_to(moment(START + 2 * DAY_S));
    publisher.pass().await;
    clock.advance_to(moment(START + 3 * DAY_S));
    lease(&store, START + 3 * DAY_S);
    publisher.pass().await;
    let state = store.state();
    let late: Vec<i64> = state.tables["publications"].iter().map(|row| column(row, "late")).collect();
    assert_eq!((late[0], late[2]), (0, 0), "late events are reported once");
    assert!(late[1].abs_diff(200) <= 3 * NOISE_MAX, "{late:?}");
}

#[tokio::test]
async fn a_window_with_few_visitors_has_a_row_in_the_ledger_and_no_other() {
    let (store, clock, folder) = ready(8);
    publisher(&store, &clock, folder.path()).pass().await;
    let state = store.state();
    assert_eq!(state.tables.keys().collect::<Vec<_>>(), ["publications"]);
    assert_eq!(state.tables["publications"][0]["events"], 0);
}

#[tokio::test]
async fn a_lost_key_doubles_the_threshold_of_its_window() {
    // A site's total is always published from 70 visitors, and never below ten.
    for (lost, people, is_published) in [(0, 70, true), (0, 9, false), (1, 19, false), (1, 140, true), (2, 29, false)] {
        let (store, clock, folder) = ready(people);
        store.state().answers.insert(
            TALLIES.to_owned(),
            (0..lost).map(|key| json!({ "reason": format!("key_lost:{key}"), "count": 1 })).collect(),
        );
        publisher(&store, &clock, folder.path()).advance(0).await.expect("publishes");
        let state = store.state();
        assert_eq!(state.tables.contains_key("site"), is_published, "{lost} lost, {people} visitors");
        assert_eq!(column(&state.tables["publications"][0], "sigma"), 9 * (lost + 1), "the ledger says so");
    }
}

#[tokio::test]
async fn after_a_long_pause_each_window_has_its_row_and_too_old_ones_are_incomplete() {
    let (store, clock, folder) = ready(100);
    lease(&store, START + 40 * DAY_S);
    clock.advance_to(moment(START + 12 * DAY_S + 60));
    publisher(&store, &clock, folder.path()).pass().await;
    let state = store.state();
    let ledger = &state.tables["publications"];
    let ends: Vec<i64> = ledger.iter().map(|row| (column(row, "window_end") - START) / DAY_S).collect();
    assert_eq!(ends, (1..=12).collect::<Vec<_>>());
    let complete: Vec<bool> = ledger.iter().map(|row| row["complete"] == true).collect();
    assert_eq!(complete, [[false; 4].as_slice(), &[true; 8]].concat());
}

#[tokio::test]
async fn days_are_dropped_a_day_after_publication_or_when_they_are_too_old() {
    let (store, clock, folder) = ready(100);
    let hold = |partitions: &[(&str, &str, &str)]| {
        let row = |(table, day, until): &(&str, &str, &str)| json!({ "table": table, "partition": format!("('{day}','{until}')") });
        store.state().answers.insert(PARTITIONS.to_owned(), partitions.iter().map(row).collect());
    };
    // The windows of the day end on the same date: the site's midnight is 19:00 by UTC.
    let sites = |rows: &[(&str, &str, i64)]| {
        let row = |(site, until, end): &(&str, &str, i64)| json!({ "site": site, "until": until, "end": end });
        store.state().answers.insert(SITES_OF_DAY.to_owned(), rows.iter().map(row).collect());
    };
    let done = || -> Vec<String> {
        let done = std::mem::take(&mut store.state().done);
        done.into_iter().filter(|sql| sql.starts_with("ALTER TABLE events D")).collect()
    };
    lease(&store, START + 30 * DAY_S);
    publisher(&store, &clock, folder.path()).pass().await;
    let retention_worker =
        RetentionWorker::new(store.clone(), store.clone(), clock.clone(), vec![site()], Default::default());
    let pass = async || retention_worker.pass().await.expect("ok");
    done();

    hold(&[("events", "2026-11-10", "2026-11-10")]);
    sites(&[("a.kz", "2026-11-10", START - 15 * DAY_S), ("gone.kz", "2026-11-10", START - 15 * DAY_S)]);
    assert_eq!(pass().await, 1);
    assert_eq!(done(), ["ALTER TABLE events DROP PARTITION ('2026-11-10', '2026-11-10')"]);

    hold(&[("events", "2026-11-25", "2026-11-25"), ("events", "2026-11-25", "2026-11-28")]);
    sites(&[("a.kz", "2026-11-25", START + DAY_S), ("gone.kz", "2026-11-25", START + DAY_S)]);
    clock.advance_to(moment(START + 2 * DAY_S - 1));
    pass().await;
    assert_eq!(done(), [""; 0], "it was published a day ago, but for a second");
    clock.advance_to(moment(START + 2 * DAY_S + 60));
    // Rows of a window that is not published yet, since windows were longer before, hold their day.
    let longer = [("a.kz", "2026-11-25", START + DAY_S), ("a.kz", "2026-11-28", START + 4 * DAY_S)];
    sites(&longer);
    pass().await;
    assert_eq!(done(), [""; 0]);
    // Another site's rows stay, in the same partition and in another one.
    sites(&[
        ("a.kz", "2026-11-25", START + DAY_S),
        ("gone.kz", "2026-11-25", START + DAY_S),
        ("gone.kz", "2026-11-28", 0),
    ]);
    assert_eq!(pass().await, 1);
    let deleted = done();
    assert!(deleted.len() == 1 && deleted[0].contains(" DELETE IN PARTITION ('2026-11-25', '2026-11-25') WHERE "));
    sites(&longer[..1]);
    pass().await;
    assert!(done().contains(&"ALTER TABLE events DROP PARTITION ('2026-11-25', '2026-11-25')".to_owned()));
}

#[tokio::test]
async fn a_partition_of_unknown_form_is_an_error_and_holds_nothing_else_up() {
    let (store, clock, _folder) = ready(100);
    let partition = |partition: &str| json!({ "table": "events", "partition": partition });
    let held = vec![partition("('2026-11-10','2026-11-10')"), partition("('a.kz','2026-11-10')")];
    store.state().answers.insert(PARTITIONS.to_owned(), held);
    let retention_worker =
        RetentionWorker::new(store.clone(), store.clone(), clock.clone(), vec![site()], Default::default());
    let error = retention_worker.pass().await.expect_err("loud").to_string();
    assert!(error.contains("('a.kz','2026-11-10')") && error.contains("`events`"), "{error}");
    let dropped = "ALTER TABLE events DROP PARTITION ('2026-11-10', '2026-11-10')".to_owned();
    assert!(store.state().done.contains(&dropped), "{:?}", store.state().done);
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}
