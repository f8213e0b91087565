//! The collector stops before midnight, with thousands of rows in its spool, and starts long after it: is the window complete?

use std::time::Duration;

use serde_json::Value;
use tamga::clock::Clock;
use tamga::config::Config;
use tamga::publish::Schedule;
use tamga::serve::{self, Running};
use tempfile::TempDir;

use super::{NOISE_MAX, ZONE, error, number};
use crate::support::collector::{ORIGIN, SITE, beacon_to};
use crate::support::engine::library;
use crate::support::{programs, wait};

/// Beacons that are delivered before the outage, and those that wait in the spool.
const BEFORE: u64 = 4;
const WAITING: u64 = 120;
/// Each beacon is a view and many other events.
const EVENTS: u64 = 100;

/// Folders and a configuration. The node timeout is as short as it can be.
pub(super) struct Ground {
    folder: TempDir,
    keys: TempDir,
}

impl Ground {
    pub(super) fn new() -> Self {
        let ground = Self { folder: tempfile::tempdir().unwrap(), keys: tempfile::tempdir_in("/dev/shm").unwrap() };
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(ground.keys.path(), closed).unwrap();
        std::fs::write(ground.folder.path().join("password"), "x").unwrap();
        ground
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    async fn serve(&self, clock: &Clock, vault_is_away: bool) -> Running {
        let vault = if vault_is_away {
            let password = self.folder.path().join("password");
            format!("url = 'http://127.0.0.1:1'\nuser = 'tamga'\npassword_file = '{}'\n", password.display())
        } else {
            String::new()
        };
        self.serve_with(clock, &format!("until_window_end = false\n{vault}"), "identity = 'none'\n").await
    }

    /// With more lines of `[vault]`, and of the site.
    pub(super) async fn serve_with(&self, clock: &Clock, vault: &str, site: &str) -> Running {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\nadmin_listen = '127.0.0.1:0'\ntrusted_proxies = ['127.0.0.0/8']\n\
             [limits]\nnetwork_per_s = 0\nvisitor_events_per_h = 0\n[publish]\nnode_timeout_s = 0\n[wall]\nverify_every_h = 0\n[vault]\nlinger_s = 1\n{vault}\
             [data]\ndir = '{}'\n[keys]\ndir = '{}'\n\
             [engine]\nvault_listen = '127.0.0.1:0'\nstats_listen = '127.0.0.1:0'\nprogram = '{}'\nlibrary = '{}'\n\
             [[site]]\ndomain = '{SITE}'\npublic_url = 'https://t.{SITE}'\norigins = ['{ORIGIN}']\n\
             time_zone = '{ZONE}'\nprofile = 'jetpay'\npaths = ['/']\n{site}",
            path("data"),
            self.keys.path().display(),
            programs::engine().display(),
            library().display(),
        );
        let config = Config::parse(&text, &self.folder.path().join("tamga.toml"), std::iter::empty()).unwrap();
        serve::start(config, clock.clone()).await.unwrap()
    }

    /// The exact number of events that the publisher counted, by the start of the window.
    fn counted(&self, start: i64) -> u64 {
        let file = self.folder.path().join(format!("data/publish/{SITE}.counted.json"));
        let counted: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let windows = counted["windows"].as_array().unwrap();
        windows.iter().find(|window| window[0] == start).unwrap()[2].as_u64().unwrap()
    }
}

/// Sends beacons with views of this number and the following ones.
pub(super) async fn send(running: &Running, first: u64, beacons: u64) {
    for view in first..first + beacons {
        let engage = ",{\"type\":\"engage\",\"at\":7,\"engaged_ms\":5000}".repeat(EVENTS as usize - 1);
        let id = format!("{view:021}A");
        let seen = format!("{{\"type\":\"view\",\"at\":0,\"url\":\"{ORIGIN}/\"}}");
        let body = format!(r#"{{"v":1,"site":"{SITE}","view":"{id}","seq":0,"events":[{seen}{engage}]}}"#);
        let answer = beacon_to(running.address.unwrap(), body).send().await;
        assert_eq!(answer.status, 202, "{view}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_complete_although_the_collector_was_away_over_midnight_with_rows_in_its_spool() {
    let ground = Ground::new();
    let midnight = Schedule::new(ZONE, 24 * 60).unwrap().containing(Clock::machine().now()).start;
    let day_start = midnight - jiff::SignedDuration::from_hours(24);
    let clock = Clock::simulated(midnight - jiff::SignedDuration::from_hours(2));

    let mut running = ground.serve(&clock, false).await;
    let stores = running.stores().await.unwrap();
    send(&running, 0, BEFORE).await;
    let leases = "SELECT count() AS number FROM leases";
    let events = "SELECT count() AS number FROM events";
    for (sql, least) in [(events, BEFORE * EVENTS), (leases, 1)] {
        let there = async || {
            let rows: Vec<Value> = stores.vault.rows(sql, &[]).await.ok()?;
            (number(&rows[0], "number") >= least as i64).then_some(())
        };
        wait::until(Duration::from_secs(120), there, || format!("{sql}: fewer than {least}")).await;
    }
    // The vault takes no more events until the test says so.
    let parts = "ALTER TABLE events MODIFY SETTING parts_to_delay_insert = {n}, parts_to_throw_insert = {n}";
    stores.vault.execute(&parts.replace("{n}", "1"), &[]).await.unwrap();
    drop(stores);
    running.stop().await.unwrap();

    let running = ground.serve(&clock, true).await;
    send(&running, BEFORE, WAITING).await;
    running.stop().await.unwrap();

    clock.advance_to(midnight + jiff::SignedDuration::from_hours(5));
    let mut running = ground.serve(&clock, false).await;
    let stores = running.stores().await.unwrap();
    // Time for a few passes of the publisher.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rows: Vec<Value> = stores.stats.rows("SELECT * FROM publications", &[]).await.unwrap();
    assert!(rows.is_empty(), "published while rows wait in the own spool: {rows:?}");
    stores.vault.execute(&parts.replace("{n}", "1000"), &[]).await.unwrap();
    let published = async || {
        let rows: Vec<Value> = stores.stats.rows("SELECT * FROM publications", &[]).await.ok()?;
        rows.into_iter().next()
    };
    let ledger = wait::until(Duration::from_secs(120), published, || "nothing is published".to_owned()).await;
    let (beacons, rows) = (BEFORE + WAITING, (BEFORE + WAITING) * EVENTS);
    assert_eq!(ledger["complete"], true, "{ledger}");
    assert_eq!(ground.counted(day_start.as_second()), rows, "{ledger}");
    assert!(error(&ledger, "events", rows) <= 10 * NOISE_MAX, "{ledger}");
    let site: Vec<Value> = stores.stats.rows("SELECT * FROM site", &[]).await.unwrap();
    assert!(error(&site[0], "views", beacons) <= 3 * NOISE_MAX, "{site:?}");
    drop(stores);
    running.stop().await.unwrap();
}
