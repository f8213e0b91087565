//! `tamga clock repair`: removes what a wrong clock left in the future.
//!
//! A clock that was ahead from the first start on, or after a reboot, is believed. Once it is right, what it wrote lies ahead
//! of the time: rows of days that have not begun, numbers and ledger lines of windows that have not begun, leases, and keys
//! of days. All of that would be kept for as long as the clock was ahead, and a window in the ledger would not be published
//! when it comes. Nobody knows the true day of such a row, so it is deleted, and its number is said.
//!
//! The running window stays, also if the wrong clock has published it early: to publish it again would be a second look at
//! the same visitors. The spool needs no repair. Its watermark leads by a minute at most.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;

use super::{audit, keys, reach};
use crate::clock::{Clock, ClockStatus};
use crate::config::Config;
use crate::privacy::keys::{KeyRing, KeyStatus};
use crate::publish::NODES_DIFFER_MS;
use crate::store::Store;
use crate::verify::{key_is_ahead, last_day_begun};

/// The tables of a store that have one of these columns, and which rows of them lie ahead. A day has begun nowhere that comes
/// after `today`. A lease may be ahead by as much as the clocks of two nodes may differ.
const AHEAD: [(&str, &str); 3] = [
    ("day", "day > toDate({today:String})"),
    ("window_start", "window_start > toDateTime({now:UInt32}, 'UTC')"),
    ("written_at", "written_at > fromUnixTimestamp64Milli({latest:Int64})"),
];
const TABLES: &str = "SELECT table FROM system.columns WHERE database = currentDatabase() AND name = {column:String} \
     ORDER BY table";

#[derive(Deserialize)]
struct Named {
    table: String,
}

/// Rows of a table that lie ahead.
struct Rows {
    table: String,
    condition: &'static str,
    rows: u64,
}

/// Says what lies ahead of the time; with `yes`, removes it.
pub async fn repair(config: &Config, yes: bool) -> Result<String> {
    let clock = Clock::kept_in(&config.data.dir);
    if clock.status() != ClockStatus::Agreed {
        bail!("the wall clock is disputed, so nobody knows what lies ahead: set it right first (`tamga clock status`)");
    }
    let ring = KeyRing::open(&keys::keys_dir(config))?;
    let zones = config.time_zones();
    let now_s = clock.now().as_second();
    let mut ahead_keys = ring.status(&zones).context("cannot list the keys")?;
    ahead_keys.retain(|key| key_is_ahead(key, now_s, &zones));
    let reached = reach::reach(config).await?;
    let stores = [("vault", reached.stores.vault.clone()), ("stats store", reached.stores.stats.clone())];
    let repaired = async {
        let mut found = Vec::new();
        for (name, store) in &stores {
            found.extend(rows_ahead(store, &clock).await?.into_iter().map(|rows| (*name, store, rows)));
        }
        if found.is_empty() && ahead_keys.is_empty() {
            return Ok("Nothing lies ahead of the time.\n".to_owned());
        }
        let mut said = String::new();
        for (name, _, Rows { table, rows, .. }) in &found {
            writeln!(said, "{rows} rows of the table {table} of the {name}")?;
        }
        for KeyStatus { site, day, .. } in &ahead_keys {
            writeln!(said, "the key of {site} for {day}")?;
        }
        if !yes {
            return Ok(format!("These lie ahead of the time:\n{said}Add --yes to remove them.\n"));
        }
        let log = audit::open(config, clock.clone()).context("nothing was removed")?;
        for (name, store, rows) in &found {
            log.record("clock repair", &json!({ "store": name, "table": rows.table, "rows": rows.rows }))?;
            remove(store, rows, &clock).await?;
        }
        for KeyStatus { site, day, .. } in &ahead_keys {
            log.record("destroy key", &json!({ "site": site, "day": day.to_string(), "by": "clock repair" }))?;
            if config.peers.is_some() {
                ring.refuse(site, *day)?;
            }
            ring.destroy(site, *day)?;
        }
        Ok(format!(
            "Removed:\n{said}It is in the audit log. Rows that still wait in the spool come later: if `tamga verify` finds some, \
             run this again.\n"
        ))
    }
    .await;
    reached.release().await;
    repaired
}

fn parameters(clock: &Clock) -> [(&'static str, String); 3] {
    let now = clock.now();
    let latest_ms = now.as_millisecond() + NODES_DIFFER_MS;
    [
        ("today", last_day_begun(now).to_string()),
        ("now", now.as_second().to_string()),
        ("latest", latest_ms.to_string()),
    ]
}

async fn rows_ahead(store: &Store, clock: &Clock) -> Result<Vec<Rows>> {
    let mut found = Vec::new();
    for (column, condition) in AHEAD {
        for Named { table } in store.rows(TABLES, &[("column", column.to_owned())]).await? {
            let sql = format!("SELECT count() AS value FROM `{table}` WHERE {condition}");
            let rows = store.scalar(&sql, &parameters(clock)).await?.unwrap_or(0);
            if rows > 0 {
                found.push(Rows { table, condition, rows });
            }
        }
    }
    Ok(found)
}

async fn remove(store: &Store, Rows { table, condition, .. }: &Rows, clock: &Clock) -> Result<()> {
    let sql = format!("ALTER TABLE `{table}` DELETE WHERE {condition} SETTINGS mutations_sync = 2");
    store.execute(&sql, &parameters(clock)).await.with_context(|| format!("{table}: not all was removed; run it again"))
}
