//! The publisher against stores in memory: it waits, publishes once, survives being killed at any call, and cleans up.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fake::Fake;
use super::leases::LEASES;
use super::queries::{EARLIEST, EVENTS_BY_HOUR, TALLIES};
use super::retire::PARTITIONS;
use super::rules::{Blur, NARROW};
use super::{Progress, PublishedSite, Publisher, Retirer, Schedule};
use crate::clock::Clock;
use crate::items::Items;

const DAY_S: i64 = 86_400;
/// A Wednesday.
const START: i64 = 1_795_564_800;

fn crowd(people: u64) -> Value {
    (0..people.min(100)).collect()
}

/// One page and one place, with so many visitors, and late events if there are more than a hundred.
fn fill(fake: &Fake, people: u64) {
    let mut state = fake.state();
    let mut set = |name: &str, rows: Value| {
        state.answers.insert(name.to_owned(), serde_json::from_value(rows).expect("a list"));
    };
    set(EARLIEST, json!([{ "start": START + 7_200 }]));
    set(EVENTS_BY_HOUR, json!([{ "hour": START + 7_200, "count": people * 3 }]));
    let all = crowd(people);
    set(
        "site",
        json!([{ "marks": 15, "visitors": people, "crowd": all, "amounts": [people, people], "parts": [all, all] }]),
    );
    set(
        "cells",
        json!([
            {
                "source": 1, "dimensions": ["/", ""], "visitors": people, "crowd": all,
                "amounts": [people, people, people, people],
                "parts": [[], all, all, all], "rests": [[], [], [], []],
            },
            {
                "source": 2, "dimensions": ["KZ", "Almaty"], "visitors": people, "crowd": all,
                "amounts": [people, people, 0, 0], "parts": [[], all, [], []], "rests": [[], [], [], []],
            },
        ]),
    );
    set(LEASES, json!([{ "node": "a", "complete_until": START + 30 * DAY_S, "written_at": START }]));
}

fn lease(fake: &Fake, until: i64) {
    let row = json!({ "node": "a", "complete_until": until * 1000, "written_at": START * 1000 });
    fake.state().answers.insert(LEASES.to_owned(), vec![row]);
}

fn site() -> PublishedSite {
    let own = ["pages", "country", "region"].map(str::to_owned);
    PublishedSite {
        domain: "a.kz".to_owned(),
        time_zone: "UTC".to_owned(),
        schedule: Schedule::new("UTC", 24 * 60).expect("known"),
        items: Items::of(None, Some(&own)).expect("known"),
        identity: Default::default(),
        goals: Default::default(),
        funnels: Default::default(),
        experiments: Vec::new(),
        pairs: Vec::new(),
    }
}

fn publisher(fake: &Fake, clock: &Clock, folder: &Path) -> Publisher<Fake, Fake> {
    let leave_behind_after = Duration::from_secs(900);
    Publisher::new(fake.clone(), fake.clone(), clock.clone(), vec![site()], folder, leave_behind_after)
        .expect("a folder")
}

fn ready(people: u64) -> (Fake, Clock, tempfile::TempDir) {
    let (fake, clock) = (Fake::default(), Clock::simulated(moment(START + DAY_S)));
    fill(&fake, people);
    lease(&fake, START + 2 * DAY_S);
    (fake, clock, tempfile::tempdir().expect("a folder"))
}

#[tokio::test]
async fn a_window_waits_for_its_end_and_for_the_nodes() {
    let (fake, _, folder) = ready(100);
    let clock = Clock::simulated(moment(START + DAY_S - 1));
    let mut publisher = publisher(&fake, &clock, folder.path());
    assert_eq!(publisher.advance(0).await.expect("ok"), Progress::UpToDate);
    clock.advance_to(moment(START + DAY_S));
    lease(&fake, START + DAY_S - 1);
    assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Waiting(_)));
    lease(&fake, START + DAY_S);
    assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Published(_)));
    assert_eq!(publisher.advance(0).await.expect("ok"), Progress::UpToDate);
    let state = fake.state();
    let ledger = &state.tables["publications"][0];
    assert_eq!((&ledger["complete"], &ledger["folded_share"]), (&json!(true), &json!(0.0)));
    assert_eq!(state.tables["pages"].len(), 1);
    assert!(!state.tables.contains_key("seeds"));
    assert_eq!(std::fs::read_dir(folder.path().join("publish")).expect("a folder").count(), 1);
}

#[tokio::test]
async fn killed_at_any_call_a_window_is_published_once_and_as_planned() {
    let mut seen = BTreeSet::new();
    for takes_effect in [false, true] {
        for calls in 0.. {
            let (fake, clock, folder) = ready(100);
            fake.state().dies = Some((calls, takes_effect));
            let died = publisher(&fake, &clock, folder.path()).advance(0).await.is_err();
            fake.state().dies = None;
            // What comes between death and rebirth may change the numbers only if nothing was planned.
            fill(&fake, 2_000);
            lease(&fake, START + 2 * DAY_S);
            publisher(&fake, &clock, folder.path()).pass().await;
            let state = fake.state();
            let views: Vec<i64> = ["site", "pages"]
                .map(|table| {
                    assert_eq!(state.tables[table].len(), 1, "{table} after {calls} calls");
                    column(&state.tables[table][0], "views")
                })
                .into();
            // Each number has draws of its own; both are of the same day.
            assert!(views[0].abs_diff(views[1]) <= 100, "after {calls} calls");
            assert_eq!(state.tables["publications"].len(), 1);
            assert!(!state.tables.contains_key("seeds"), "after {calls} calls");
            seen.insert(if views[0] < 200 { "as planned before" } else { "anew" });
            drop(state);
            let left: Vec<_> = std::fs::read_dir(folder.path().join("publish")).expect("a folder").collect();
            assert_eq!(left.len(), 1, "only the counts remain after {calls} calls");
            if !died {
                assert!(calls > 15, "the test kills at every call");
                break;
            }
        }
    }
    assert_eq!(seen.len(), 2, "it dies before and after the plan is made");
}

fn column(row: &Value, name: &str) -> i64 {
    row[name].as_i64().expect("an integer")
}

#[tokio::test]
async fn events_that_come_after_publication_are_counted_as_late() {
    let (fake, clock, folder) = ready(100);
    let mut publisher = publisher(&fake, &clock, folder.path());
    publisher.pass().await;
    // Of the first window 200 more events came; the second has none.
    fake.state().answers.insert(EVENTS_BY_HOUR.to_owned(), vec![json!({ "hour": START + 7_200, "count": 500 })]);
    clock.advance_to(moment(START + 2 * DAY_S));
    publisher.pass().await;
    clock.advance_to(moment(START + 3 * DAY_S));
    lease(&fake, START + 3 * DAY_S);
    publisher.pass().await;
    let state = fake.state();
    let late: Vec<i64> = state.tables["publications"].iter().map(|row| column(row, "late")).collect();
    assert_eq!((late[0], late[2]), (0, 0), "late events are told once");
    assert!(late[1].abs_diff(200) <= Blur::worst(&[NARROW]), "{late:?}");
}

#[tokio::test]
async fn a_window_with_few_visitors_has_its_row_in_the_ledger_and_no_other() {
    let (fake, clock, folder) = ready(8);
    publisher(&fake, &clock, folder.path()).pass().await;
    let state = fake.state();
    assert_eq!(state.tables.keys().collect::<Vec<_>>(), ["publications"]);
    assert_eq!(state.tables["publications"][0]["events"], 0);
}

#[tokio::test]
async fn a_lost_key_doubles_the_thresholds_of_its_window() {
    // From 34 a site's total shows whatever is drawn, below ten never.
    for (lost, people, shows) in [(0, 34, true), (0, 9, false), (1, 19, false), (1, 68, true), (2, 29, false)] {
        let (fake, clock, folder) = ready(people);
        fake.state().answers.insert(
            TALLIES.to_owned(),
            (0..lost).map(|key| json!({ "reason": format!("key_lost:{key}"), "count": 1 })).collect(),
        );
        publisher(&fake, &clock, folder.path()).advance(0).await.expect("publishes");
        assert_eq!(fake.state().tables.contains_key("site"), shows, "{lost} lost, {people} visitors");
    }
}

#[tokio::test]
async fn after_a_long_absence_each_window_has_its_row_and_those_too_old_are_incomplete() {
    let (fake, clock, folder) = ready(100);
    lease(&fake, START + 40 * DAY_S);
    clock.advance_to(moment(START + 12 * DAY_S + 60));
    publisher(&fake, &clock, folder.path()).pass().await;
    let state = fake.state();
    let ledger = &state.tables["publications"];
    let ends: Vec<i64> = ledger.iter().map(|row| (column(row, "window_end") - START) / DAY_S).collect();
    assert_eq!(ends, (1..=12).collect::<Vec<_>>());
    let complete: Vec<bool> = ledger.iter().map(|row| row["complete"] == true).collect();
    assert_eq!(complete, [[false; 4].as_slice(), &[true; 8]].concat());
}

#[tokio::test]
async fn days_are_dropped_a_day_after_publication_or_when_they_are_old() {
    let (fake, clock, folder) = ready(100);
    let partition = |table: &str, partition: &str| json!({ "table": table, "partition": partition });
    fake.state().answers.insert(
        PARTITIONS.to_owned(),
        vec![
            partition("events", "('a.kz','2026-11-25')"),
            partition("tallies", "('a.kz','2026-11-26')"),
            partition("events", "('a.kz','2026-11-10')"),
            partition("events", "('gone.kz','2026-11-10')"),
        ],
    );
    lease(&fake, START + 30 * DAY_S);
    let dropped = |fake: &Fake| -> Vec<String> {
        fake.state().done.iter().filter(|sql| sql.starts_with("ALTER TABLE events DROP")).cloned().collect()
    };
    publisher(&fake, &clock, folder.path()).pass().await;
    let retirer = Retirer::new(fake.clone(), fake.clone(), clock.clone(), vec![site()], Default::default());
    assert_eq!(retirer.pass().await.expect("ok"), 2);
    assert_eq!(dropped(&fake).len(), 2, "{:?}", dropped(&fake));
    assert!(dropped(&fake).iter().all(|sql| sql.contains("2026-11-10")));
    clock.advance_to(moment(START + 2 * DAY_S - 1));
    retirer.pass().await.expect("ok");
    assert!(dropped(&fake).iter().all(|sql| sql.contains("2026-11-10")));
    clock.advance_to(moment(START + 2 * DAY_S + 60));
    retirer.pass().await.expect("ok");
    assert!(dropped(&fake).contains(&"ALTER TABLE events DROP PARTITION ('a.kz', '2026-11-25')".to_owned()));
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}
