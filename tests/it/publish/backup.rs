//! The commands of the operator's guide that copy the stats store and put it back: are the numbers there again, and is no window
//! published a second time?

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tamga::clock::Clock;
use tamga::publish::Schedule;
use tamga::serve::Running;

use super::outage::{Ground, send};
use super::{ZONE, number};
use crate::support::wait;

/// The longest time that a busy machine may take for one step.
const PATIENCE: Duration = Duration::from_secs(180);

/// The block of commands of the guide that begins with these words.
fn commands(beginning: &str) -> String {
    let text = std::fs::read_to_string("deploy/README.md").unwrap();
    let mut blocks = text.split("```sh ").skip(1).filter_map(|block| block.split_once('\n')?.1.split("```").next());
    let found = blocks.find(|block| block.starts_with(beginning));
    found.unwrap_or_else(|| panic!("the guide has a block that begins with {beginning:?}")).to_owned()
}

/// Runs commands of the guide in the folders of a test; the service is stopped and started by the test.
fn run(ground: &Ground, block: &str) {
    let lines: Vec<_> = block.lines().filter(|line| !line.starts_with("systemctl ")).collect();
    let script = lines.join("\n").replace("/var/lib/tamga/data", &ground.folder().join("data").display().to_string());
    let script = script.replace("/srv/backup", &ground.folder().join("backup").display().to_string());
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether the publisher has put its plans away. Until then it would write the same numbers again, which is no second look.
fn is_at_rest(ground: &Ground) -> bool {
    let names =
        std::fs::read_dir(ground.folder().join("data/publish")).unwrap().map(|entry| entry.unwrap().file_name());
    let kept = [".counted.json", ".carried.json", ".hours.json"];
    names.map(|name| name.into_string().unwrap()).all(|name| kept.iter().any(|end| name.ends_with(end)))
}

/// Sends beacons, ends their window, and waits until it is published. Returns the starts of all published windows.
async fn day_of(ground: &Ground, running: &mut Running, clock: &Clock, first: u64, end: Timestamp) -> BTreeSet<i64> {
    send(running, first, 2).await;
    clock.advance_to(end + SignedDuration::from_mins(1));
    let stores = running.stores().await.unwrap();
    let published = async || {
        let rows: Vec<Value> = stores
            .stats
            .rows(
                "SELECT toUnixTimestamp(window_start) AS start, toUnixTimestamp(window_end) AS end FROM publications",
                &[],
            )
            .await
            .ok()?;
        let starts: Vec<_> = rows.iter().map(|row| number(row, "start")).collect();
        let all: BTreeSet<_> = starts.iter().copied().collect();
        assert_eq!(starts.len(), all.len(), "a window is published once");
        let is_there = rows.iter().any(|row| number(row, "end") == end.as_second());
        (is_there && is_at_rest(ground)).then_some(all)
    };
    wait::until(PATIENCE, published, || "the window is not published".to_owned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_stats_store_that_is_put_back_has_its_windows_and_none_is_published_again() {
    let ground = Ground::new();
    let midnight = Schedule::new(ZONE, 24 * 60).unwrap().containing(Clock::machine().now()).start;
    let clock = Clock::simulated(midnight - SignedDuration::from_hours(1));
    let after = |hours: i64| midnight + SignedDuration::from_hours(hours);
    let serve = async || {
        let site = "identity = 'none'\npublish_every = '6h'\n";
        ground.serve_with(&clock, "until_window_end = false\n", site).await
    };
    let mut running = serve().await;
    let first = day_of(&ground, &mut running, &clock, 0, midnight).await;
    running.stop().await.unwrap();
    run(&ground, &commands("systemctl stop tamga\nmkdir "));

    let mut running = serve().await;
    let both = day_of(&ground, &mut running, &clock, 10, after(6)).await;
    assert!(both.len() == first.len() + 1 && both.is_superset(&first));
    running.stop().await.unwrap();
    run(&ground, &commands("systemctl stop tamga\nrm "));

    let mut running = serve().await;
    let all = day_of(&ground, &mut running, &clock, 20, after(12)).await;
    let lost = midnight.as_second();
    assert!(all.is_superset(&first) && all.contains(&after(6).as_second()), "{all:?}");
    assert!(both.contains(&lost) && !all.contains(&lost), "what was published is never published again: {all:?}");
    running.stop().await.unwrap();
}
