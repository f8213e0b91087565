//! Hours of a running window: each is published once, when all nodes have reported what they counted, and its window has the rest.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const HOUR_S: i64 = 3_600;

/// What a node reports of the hour that begins so many hours after midnight.
fn reported(node: &str, crowd: u64) -> Value {
    json!({ "node": node, "crowd": crowd, "views": 900, "visits": 400, "keys_lost": 0, "complete": 1 })
}

fn report(store: &MemoryStore, hour: i64, by: Vec<Value>) {
    store.state().answers.insert(format!("reported {}", START + (hour + 1) * HOUR_S), by);
}

/// A day of 4,000 visitors, of which two hours have passed and were reported.
fn two_hours() -> (MemoryStore, Clock, tempfile::TempDir) {
    let (store, clock) = (MemoryStore::default(), Clock::simulated(moment(START + 2 * HOUR_S)));
    fill(&store, 4_000);
    report(&store, 0, vec![reported(NODE, 300)]);
    report(&store, 1, vec![reported(NODE, 300)]);
    (store, clock, tempfile::tempdir().expect("a folder"))
}

/// The rows of `hours`: name, views and visits.
fn hours(store: &MemoryStore) -> Vec<(String, i64, i64)> {
    let state = store.state();
    let rows = state.tables.get("hours").map_or(&[][..], Vec::as_slice);
    let of = |row: &Value| {
        assert_eq!((column(row, "window_start"), column(row, "window_end")), (START, START + DAY_S));
        (row["hour"].as_str().expect("a text").to_owned(), column(row, "views"), column(row, "visits"))
    };
    rows.iter().map(of).collect()
}

fn names(store: &MemoryStore) -> Vec<String> {
    hours(store).into_iter().map(|(name, ..)| name).collect()
}

/// Ends the window, and compares the sum of its hours with its total.
async fn end(store: &MemoryStore, clock: &Clock, folder: &Path) {
    lease(store, START + DAY_S);
    clock.advance_to(moment(START + DAY_S));
    publisher(store, clock, folder).pass().await;
    let total = store.state().tables["site"][0].clone();
    let (views, visits) = hours(store).iter().fold((0, 0), |sum, hour| (sum.0 + hour.1, sum.1 + hour.2));
    assert_eq!((views, visits), (column(&total, "views"), column(&total, "visits")));
}

#[tokio::test]
async fn hours_are_published_as_they_end_and_once_after_a_kill_at_any_call() {
    let mut differ = 0;
    for takes_effect in [false, true] {
        for calls in 0.. {
            let (store, clock, folder) = two_hours();
            store.state().fails_after = Some((calls, takes_effect));
            let failed = publisher(&store, &clock, folder.path()).advance(0).await.is_err();
            store.state().fails_after = None;
            let before = hours(&store);
            publisher(&store, &clock, folder.path()).pass().await;
            let published = hours(&store);
            assert!(published.starts_with(&before), "after {calls} calls");
            assert_eq!(names(&store), ["00", "01"], "after {calls} calls");
            differ += u32::from(published[0].1 != published[1].1);
            end(&store, &clock, folder.path()).await;
            assert_eq!(hours(&store)[..2], published, "after {calls} calls");
            assert_eq!(names(&store), ["00", "01", "(other)"], "after {calls} calls");
            assert_eq!(std::fs::read_dir(folder.path().join("publish")).expect("a folder").count(), 2);
            if !failed {
                assert!(calls > 10, "the test kills at every call");
                break;
            }
        }
    }
    assert!(differ > 10, "each hour has noise of its own");
}

#[tokio::test]
async fn an_hour_waits_until_every_node_has_reported_it_and_a_visitor_of_two_nodes_is_in_no_crowd_twice() {
    let (store, clock, folder) = two_hours();
    let leases =
        ["a", "b"].map(|node| json!({ "node": node, "complete_until": START * 1000, "written_at": START * 1000 }));
    store.state().answers.insert(LEASES.to_owned(), leases.to_vec());
    let mut publisher = publisher(&store, &clock, folder.path());
    publisher.pass().await;
    assert_eq!(names(&store), [""; 0], "the other node is waited for");
    report(&store, 0, vec![reported(NODE, 300), reported("b", 200)]);
    publisher.pass().await;
    let [(_, views, visits)] = hours(&store)[..] else { panic!("one hour: {:?}", names(&store)) };
    assert!(views.abs_diff(1_800) < 3 * NOISE_MAX && visits.abs_diff(800) < NOISE_MAX, "{views} {visits}");
    // Thirty are too few; were they added up, they would be enough.
    report(&store, 1, vec![reported(NODE, 9), reported("b", 9)]);
    let many: Vec<_> = (0..20).map(|number| reported(&format!("c{number}"), 9)).collect();
    report(&store, 1, [vec![reported(NODE, 9), reported("b", 9)], many].concat());
    publisher.pass().await;
    assert_eq!(names(&store), ["00"]);
}

#[tokio::test]
async fn an_hour_that_was_too_small_is_not_judged_again_with_its_window_and_one_that_was_not_counted_is() {
    let (store, clock, folder) = two_hours();
    report(&store, 0, vec![reported(NODE, 9)]);
    let partly = json!({ "node": NODE, "crowd": 300, "views": 900, "visits": 400, "keys_lost": 0, "complete": 0 });
    report(&store, 1, vec![partly]);
    publisher(&store, &clock, folder.path()).pass().await;
    assert_eq!(names(&store), [""; 0]);
    // Both are large by the rows of the vault: rows of the first came late.
    let cell = |hour: &str| json!({ "source": "hour", "dimensions": [hour, ""], "crowd": crowd(150), "amounts": [150, 450, 400] });
    store.state().answers.insert("of hours".to_owned(), ["00", "01", "02"].map(cell).to_vec());
    end(&store, &clock, folder.path()).await;
    assert_eq!(names(&store), ["(other)", "01", "02"]);
}

#[tokio::test]
async fn whatever_is_put_back_an_hour_that_was_published_has_no_second_numbers() {
    for (stats, seed, files) in [(true, false, false), (false, true, false), (false, false, true), (false, true, true)]
    {
        let (store, clock, folder) = two_hours();
        publisher(&store, &clock, folder.path()).pass().await;
        let published = hours(&store);
        assert_eq!(published.len(), 2);
        if stats {
            store.state().tables.remove("hours");
        }
        if seed {
            store.state().tables.remove("seeds");
        }
        if files {
            std::fs::remove_file(folder.path().join("publish/a.kz.hours.json")).expect("a file");
        }
        publisher(&store, &clock, folder.path()).pass().await;
        let left = if stats { &[][..] } else { &published };
        assert_eq!(hours(&store), left, "{stats} {seed} {files}");
        if !stats {
            end(&store, &clock, folder.path()).await;
            assert_eq!(hours(&store)[..2], published, "{seed} {files}");
        }
    }
}

#[tokio::test]
async fn hours_of_a_sites_first_day_are_published_though_the_vault_has_no_row_yet() {
    let (store, clock, folder) = two_hours();
    let earliest = store.state().answers.remove(EARLIEST).expect("an answer");
    let mut publisher = publisher(&store, &clock, folder.path());
    publisher.pass().await;
    assert_eq!(names(&store), ["00", "01"]);
    // The day has ended when its first row comes.
    lease(&store, START + DAY_S);
    clock.advance_to(moment(START + DAY_S));
    publisher.pass().await;
    store.state().answers.insert(EARLIEST.to_owned(), earliest);
    publisher.pass().await;
    assert_eq!(store.state().tables["publications"].len(), 1);
}

#[tokio::test]
async fn nothing_is_asked_for_a_site_until_nodes_may_report_its_next_hour_and_its_window_is_published_as_it_ends() {
    const MINUTE_S: i64 = 60;
    let (store, clock, folder) = two_hours();
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    store.state().meanwhile = Some(Box::new(move |_| _ = count.fetch_add(1, Ordering::Relaxed)));
    let mut publisher = publisher(&store, &clock, folder.path());
    publisher.pass().await;
    assert_eq!(names(&store), ["00", "01"]);
    let mut asked = Vec::new();
    for minute in 1..60 {
        clock.advance_to(moment(START + 2 * HOUR_S + minute * MINUTE_S));
        calls.store(0, Ordering::Relaxed);
        publisher.pass().await;
        asked.extend((calls.load(Ordering::Relaxed) > 0).then_some(minute));
    }
    // Hours of some time zones end at the quarters.
    assert_eq!(asked, [1, 16, 31, 46]);
    // A clock that was ahead is put right.
    let (right, ahead) = (moment(START + 2 * HOUR_S + MINUTE_S), publisher.clock.clone());
    publisher.clock = Clock::simulated(right);
    calls.store(0, Ordering::Relaxed);
    publisher.pass().await;
    assert!(calls.load(Ordering::Relaxed) > 0);
    publisher.clock = ahead;
    report(&store, 2, vec![reported(NODE, 300)]);
    clock.advance_to(moment(START + 3 * HOUR_S + MINUTE_S));
    publisher.pass().await;
    assert_eq!(names(&store), ["00", "01", "02"]);
    // The hours in between were not reported, so the window has them, and it is published at its end.
    lease(&store, START + DAY_S);
    clock.advance_to(moment(START + DAY_S));
    publisher.pass().await;
    assert_eq!(store.state().tables["publications"].len(), 1);
}
