//! Is an hour of today published when it has ended, although its rows wait in the spool, once, and after a restart as well?

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tamga::clock::Clock;
use tamga::publish::Schedule;
use tamga::serve::{Running, Stores};

use super::outage::Ground;
use super::{ZONE, number};
use crate::support::collector::{ORIGIN, SITE, beacon_to};
use crate::support::http::Answer;
use crate::support::wait;

/// Enough for a name, whatever the noise; each from a network of its own.
const VISITORS: u64 = 90;
const PATIENCE: Duration = Duration::from_secs(180);

async fn view(running: &Running, visitor: u64, view: u64, cookie: Option<&str>) -> Answer {
    let id = format!("{:021}A", visitor * 10 + view);
    let seen = format!(r#"{{"type":"view","at":0,"url":"{ORIGIN}/"}}"#);
    let body = format!(r#"{{"v":1,"site":"{SITE}","view":"{id}","seq":0,"events":[{seen}]}}"#);
    let call = beacon_to(running.address.unwrap(), body).header("X-Forwarded-For", &format!("198.18.{visitor}.9"));
    let answer = call.cookies(cookie).send().await;
    assert_eq!(answer.outcome(), "accepted", "{visitor}");
    answer
}

/// Two views of each of these visitors.
async fn visit(running: &Running, visitors: std::ops::Range<u64>) {
    for visitor in visitors {
        let cookie = view(running, visitor, 0, None).await.cookie().unwrap();
        view(running, visitor, 1, Some(&cookie)).await;
    }
}

async fn rows(store: &tamga::store::Store, sql: &str) -> Option<Vec<Value>> {
    store.rows(sql, &[]).await.ok()
}

/// The hours that are published, in order: name, views, visits.
async fn hours(stores: &Stores) -> Vec<(String, i64, i64)> {
    let sql = "SELECT hour, views, visits FROM hours ORDER BY hour";
    let of = |row: Value| (row["hour"].as_str().unwrap().to_owned(), number(&row, "views"), number(&row, "visits"));
    rows(&stores.stats, sql).await.unwrap_or_default().into_iter().map(of).collect()
}

/// What the vault was reported of the hours, but for those in which nothing was.
async fn reported(stores: &Stores) -> Option<Vec<Value>> {
    let sql = "SELECT formatDateTime(hour_end, '%H', 'Asia/Almaty') AS until, views, visits, crowd, complete \
               FROM hour_counts WHERE views > 0 ORDER BY until";
    rows(&stores.vault, sql).await.filter(|rows| !rows.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_is_published_when_it_has_ended_and_its_rows_still_wait() {
    let ground = Ground::new();
    let today = Schedule::new(ZONE, 24 * 60).unwrap().containing(Clock::machine().now()).start;
    let day = today - SignedDuration::from_hours(24);
    let at = |minute: i64| day + SignedDuration::from_mins(minute);
    let clock = Clock::simulated(at(9 * 60 + 10));

    // The collector is stopped in the middle of the hour, with rows in its spool.
    let running = ground.serve_with(&clock, "", "").await;
    visit(&running, 0..VISITORS - 20).await;
    running.stop().await.unwrap();
    clock.advance_to(at(9 * 60 + 40));
    let mut running = ground.serve_with(&clock, "", "").await;
    let stores = running.stores().await.unwrap();
    visit(&running, VISITORS - 20..VISITORS).await;
    assert_eq!(hours(&stores).await, []);
    clock.advance_to(at(10 * 60 + 2));
    let published = wait::until(
        PATIENCE,
        async || Some(hours(&stores).await).filter(|hours| !hours.is_empty()),
        || "no hour was published".to_owned(),
    )
    .await;
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].0, "09");
    let counted = reported(&stores).await.unwrap();
    let [row] = &counted[..] else { panic!("{counted:?}") };
    assert_eq!((&row["until"], number(row, "views"), number(row, "visits")), (&"10".into(), 180, 90));
    assert!(number(row, "crowd") >= 80 && row["complete"] == true, "{row}");
    for sql in ["SELECT count() AS number FROM attributes", "SELECT count() AS number FROM tallies"] {
        assert_eq!(number(&rows(&stores.vault, sql).await.unwrap()[0], "number"), 0, "rows wait: {sql}");
    }

    // Another restart reports and publishes nothing anew, also of the hour that runs.
    running.stop().await.unwrap();
    let mut running = ground.serve_with(&clock, "", "").await;
    let stores = running.stores().await.unwrap();
    visit(&running, 100..110).await;
    clock.advance_to(at(11 * 60 + 2));
    let both = async || reported(&stores).await.filter(|reported| reported.len() == 2);
    let counted = wait::until(PATIENCE, both, || "the second hour was not reported".to_owned()).await;
    assert_eq!((number(&counted[1], "views"), number(&counted[1], "visits")), (20, 10));
    let sql = "SELECT count() AS number FROM hour_counts";
    assert_eq!(number(&rows(&stores.vault, sql).await.unwrap()[0], "number"), 11, "each hour once");

    clock.advance_to(today + SignedDuration::from_mins(5));
    // The ledger's row is the last.
    let ledger = async || rows(&stores.stats, "SELECT site FROM publications").await?.into_iter().next();
    wait::until(PATIENCE, ledger, || "the day was not published".to_owned()).await;
    let total = rows(&stores.stats, "SELECT views, visits FROM site").await.unwrap().remove(0);
    let all = hours(&stores).await;
    assert!(all.contains(&published[0]), "{published:?} {all:?}");
    let sum = all.iter().fold((0, 0), |sum, hour| (sum.0 + hour.1, sum.1 + hour.2));
    assert_eq!(sum, (number(&total, "views"), number(&total, "visits")));
    running.stop().await.unwrap();
}
