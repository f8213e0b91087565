//! Reports to the vault what this node has counted in each hour, so that the publisher can publish it.
//!
//! An hour is reported a minute after it has ended: requests that were under way have become durable. One that becomes durable later is in the window's
//! `(other)`. What the vault has is not reported again, also after a restart. An hour that began before this process is reported as complete
//! only if the spool still had all rows of the window; else it is published with the window.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::collect::{Collector, Hours};
use crate::publish::crowd::{Crowd, NETWORK_CAP};
use crate::publish::{HOUR_GRACE, Hour, PublishedSite};
use crate::spool;
use crate::store::{Store, StoreError};

/// How often to look whether an hour has ended. A simulated clock runs through days in seconds.
const POLL: Duration = Duration::from_secs(5);
const POLL_SIMULATED: Duration = Duration::from_millis(200);
/// How long the vault keeps what was reported; its DDL has the same number.
const KEPT_DAYS: i64 = 2;

const COLUMNS: [&str; 9] = ["node", "site", "day", "hour_end", "crowd", "views", "visits", "keys_lost", "complete"];
const REPORTED: &str = "SELECT site, toUnixTimestamp(hour_end) AS end FROM hour_counts WHERE node = {node:String} \
     AND hour_end > toDateTime({since:UInt32}, 'UTC')";
/// Sites of which rows of a running window have left the spools: because it was full, or they need not wait.
const EARLY: &str = "SELECT DISTINCT site FROM tallies WHERE window_end > toDateTime({now:UInt32}, 'UTC') \
     AND startsWith(reason, 'views:')";

#[derive(Deserialize)]
struct Reported {
    site: String,
    end: i64,
}

#[derive(Deserialize)]
struct Early {
    site: String,
}

/// What the vault knows.
struct Known {
    reported: HashSet<(String, i64)>,
    early: HashSet<String>,
}

/// See the module.
pub(super) struct Reporter {
    hours: Arc<Hours>,
    sites: Vec<PublishedSite>,
    node: String,
    clock: Clock,
    /// When this process began to count.
    began: Timestamp,
    found: Option<JoinHandle<bool>>,
    /// Whether all could be read that a former process has left in the spool.
    found_all: bool,
    known: Option<Known>,
    failing: bool,
}

/// Counts what a former process has left in the spool. Whether all of it could be read.
fn count_found(hours: Arc<Hours>, spool: spool::Writer) -> JoinHandle<bool> {
    tokio::task::spawn_blocking(move || {
        let looked = spool.look_at_found(|label, found| hours.found(label, &found));
        looked.unwrap_or_else(|error| {
            tracing::warn!(%error, "what waits in the spool cannot be read: hours so far are published with their window");
            false
        })
    })
}

impl Reporter {
    /// For these sites. Begins to count what a former process has left in the spool; nothing has been appended since.
    pub(super) fn new(
        collector: &Collector,
        spool: &spool::Writer,
        sites: &[PublishedSite],
        node: String,
        clock: &Clock,
    ) -> Self {
        let (hours, began, sites, clock) = (collector.hours(), clock.now(), sites.to_vec(), clock.clone());
        let found = Some(count_found(hours.clone(), spool.clone()));
        Self { hours, sites, node, clock, began, found, found_all: false, known: None, failing: false }
    }

    /// Reports every hour that has ended, until it is time to stop.
    pub(super) async fn run(mut self, mut vault: watch::Receiver<Option<Store>>, shutdown: CancellationToken) {
        let reporting = async {
            if let Some(found) = self.found.take() {
                self.found_all = found.await.unwrap_or(false);
            }
            let Some(vault) = vault.wait_for(Option::is_some).await.ok().and_then(|vault| vault.clone()) else {
                return;
            };
            let pause = if self.clock.is_simulated() { POLL_SIMULATED } else { POLL };
            loop {
                let reported = self.report(&vault).await;
                if let Err(error) = &reported
                    && !self.failing
                {
                    tracing::warn!(error = error.name, "the counts of an hour cannot be written; it is tried again");
                }
                self.failing = reported.is_err();
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = reporting => {}
        }
    }

    async fn report(&mut self, vault: &Store) -> Result<(), StoreError> {
        let Some(now) = self.clock.now_to_publish() else { return Ok(()) };
        let ended = now - HOUR_GRACE;
        let all: Vec<(&PublishedSite, Hour)> = self
            .sites
            .iter()
            .flat_map(|site| site.hours_until(ended).into_iter().map(move |hour| (site, hour)))
            .collect();
        for site in &self.sites {
            self.hours.forget_before(&site.domain, site.schedule.containing(ended).first_day);
        }
        let end = |hour: &Hour| hour.window.end.as_second();
        let is_reported = |known: &Known, site: &PublishedSite, hour: &Hour| {
            known.reported.contains(&(site.domain.clone(), end(hour)))
        };
        if self.known.as_ref().is_some_and(|known| all.iter().all(|(site, hour)| is_reported(known, site, hour))) {
            return Ok(());
        }
        // Whether an insert that failed has succeeded is not known either.
        let mut known = match self.known.take() {
            Some(known) => known,
            None => self.ask(vault, now).await?,
        };
        let due: Vec<_> = all.iter().filter(|(site, hour)| !is_reported(&known, site, hour)).collect();
        let rows: Vec<_> = due.iter().map(|(site, hour)| self.row(site, hour, &known)).collect();
        if !rows.is_empty() {
            vault.insert_json("hour_counts", &COLUMNS, &rows, None).await?;
        }
        for (site, hour) in due {
            self.hours.forget(&site.domain, hour.window.first_day, &hour.name);
            known.reported.insert((site.domain.clone(), end(hour)));
        }
        let since = (now - SignedDuration::from_hours(24 * KEPT_DAYS)).as_second();
        known.reported.retain(|(_, end)| *end > since);
        self.known = Some(known);
        Ok(())
    }

    async fn ask(&self, vault: &Store, now: Timestamp) -> Result<Known, StoreError> {
        let since = (now - SignedDuration::from_hours(24 * KEPT_DAYS)).as_second().to_string();
        let reported: Vec<Reported> = vault.rows(REPORTED, &[("node", self.node.clone()), ("since", since)]).await?;
        let early: Vec<Early> = vault.rows(EARLY, &[("now", now.as_second().to_string())]).await?;
        Ok(Known {
            reported: reported.into_iter().map(|row| (row.site, row.end)).collect(),
            early: early.into_iter().map(|row| row.site).collect(),
        })
    }

    fn row(&self, site: &PublishedSite, hour: &Hour, known: &Known) -> serde_json::Value {
        let counts = self.hours.counts(&site.domain, hour.window.first_day, &hour.name);
        let saw_all = hour.window.start >= self.began || self.found_all && !known.early.contains(&site.domain);
        json!({
            "node": self.node,
            "site": site.domain,
            "day": hour.window.first_day.to_string(),
            "hour_end": hour.window.end.as_second(),
            "crowd": Crowd::from(counts.networks).weight(NETWORK_CAP),
            "views": counts.views,
            "visits": counts.visits,
            "keys_lost": counts.keys_lost,
            "complete": saw_all && !counts.is_cut,
        })
    }
}
