//! The retention worker: deletes on time. A day of the vault is dropped some hours after the last window with its rows was
//! published, and at the latest when its rows are nine days old, published or not. Published numbers are deleted after the
//! configured number of months, and never later than three years. The TTL of the tables is the second safeguard; it follows the
//! engine's clock and its merges.

use std::time::Duration;

use jiff::civil::Date;
use serde::Deserialize;

use crate::clock::Clock;
use crate::config::Retention;
use crate::record::Table;

use super::error::PublishError;
use super::model::PublishedSite;
use super::plan::VAULT_DAYS;
use super::tables::Tables;

/// How often the worker checks: expired rows must be gone within a minute. A simulated clock runs through days in seconds.
const POLL: Duration = Duration::from_secs(30);
const POLL_SIMULATED: Duration = Duration::from_secs(1);

pub(super) const PARTITIONS: &str = "SELECT DISTINCT table, partition FROM system.parts \
     WHERE active AND database = currentDatabase() AND table IN splitByChar(',', {tables:String}) ORDER BY partition";
pub(super) const PUBLISHED: &str = "SELECT toUnixTimestamp(window_end) AS end, toUnixTimestamp(published_at) AS at \
     FROM publications WHERE site = {site:String} AND window_end > toDateTime({since:UInt32}, 'UTC') ORDER BY end";
/// The end of the last window that has rows of a day. After a change of `publish_every` it may be later than the day's.
pub(super) const LAST_WINDOW: &str = "SELECT toUnixTimestamp(max(window_end)) AS end FROM {table:Identifier} \
     WHERE site = {site:String} AND day = {day:Date}";
/// Stats tables with a part that may have expired rows. A part knows the earliest start of its windows.
pub(super) const AGED: &str = "SELECT DISTINCT table FROM system.parts WHERE active AND database = currentDatabase() \
     AND table IN (SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'window_end') \
     AND min_time + toIntervalMonth({months:UInt8}) <= toDateTime({now:UInt32}, 'UTC') ORDER BY table";
const EXPIRED: &str = "window_end + toIntervalMonth({months:UInt8}) <= toDateTime({now:UInt32}, 'UTC')";

#[derive(Deserialize)]
struct Partition {
    table: String,
    partition: String,
}

#[derive(Deserialize)]
struct Published {
    end: i64,
    at: i64,
}

#[derive(Deserialize)]
struct Aged {
    table: String,
}

#[derive(Deserialize)]
struct LastWindow {
    end: i64,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

/// Drops expired days and deletes expired numbers. One process per pair of stores, beside the publisher.
pub struct RetentionWorker<V, S> {
    vault: V,
    stats: S,
    clock: Clock,
    sites: Vec<PublishedSite>,
    retention: Retention,
}

impl<V: Tables, S: Tables> RetentionWorker<V, S> {
    /// A worker with the configured retention.
    pub fn new(vault: V, stats: S, clock: Clock, sites: Vec<PublishedSite>, retention: Retention) -> Self {
        Self { vault, stats, clock, sites, retention }
    }

    /// Runs until `shutdown` resolves. It may be stopped at any point: the next run continues.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let pause = if self.clock.is_simulated() { POLL_SIMULATED } else { POLL };
        let mut last_failure: Option<String> = None;
        let work = async {
            loop {
                let failure = self.pass().await.err().map(|error| error.to_string());
                // An outage is logged once, not at every try.
                if let Some(error) = failure.as_ref().filter(|failure| last_failure.as_ref() != Some(failure)) {
                    tracing::warn!(%error, "expired rows are still in the stores; it is tried again");
                }
                last_failure = failure;
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown => {}
            () = work => {}
        }
    }

    /// Drops and deletes what has expired now. Returns how many days of vault tables were dropped and from how many stats tables
    /// rows were deleted. Nothing is deleted while the clock is disputed.
    pub async fn pass(&self) -> Result<u32, PublishError> {
        let Some(now) = self.clock.now_to_destroy() else { return Ok(0) };
        Ok(self.days(now.as_second()).await? + self.numbers(now.as_second()).await?)
    }

    async fn days(&self, now: i64) -> Result<u32, PublishError> {
        let tables = Table::ALL.map(Table::name);
        let partitions: Vec<Partition> = self
            .vault
            .rows(PARTITIONS, &[("tables", tables.join(","))])
            .await
            .map_err(|source| PublishError::store("listing the vault's days", source))?;
        let mut held: Vec<(String, Date, &str)> = Vec::new();
        for row in &partitions {
            let table = tables.into_iter().find(|name| *name == row.table);
            if let (Some(table), Some((site, day))) = (table, parse(&row.partition)) {
                held.push((site.to_owned(), day, table));
            }
        }
        let mut dropped = 0;
        for site in &self.sites {
            let since = (now - 3 * VAULT_DAYS * 86_400).max(0);
            let published: Vec<Published> = self
                .stats
                .rows(PUBLISHED, &[("site", site.domain.clone()), ("since", since.to_string())])
                .await
                .map_err(|source| PublishError::store("reading the ledger", source))?;
            for (_, day, table) in held.iter().filter(|(domain, ..)| *domain == site.domain) {
                let kept_s = i64::from(self.retention.vault_hours) * 3600;
                let is_done =
                    |end| published.iter().find(|row| row.end >= end).is_some_and(|row| row.at + kept_s <= now);
                let is_old = site.schedule.day_start(*day).as_second() + VAULT_DAYS * 86_400 <= now;
                let day_end = site.schedule.day_end(*day).as_second();
                if is_old
                    || is_done(day_end) && is_done(self.last_window(table, &site.domain, *day).await?.max(day_end))
                {
                    self.drop_day(table, &site.domain, *day).await?;
                    dropped += 1;
                }
            }
        }
        // Days of sites that are no longer configured are dropped when they are old. Their time zone is unknown, so they may be
        // a day older.
        for (site, day, table) in
            held.iter().filter(|(domain, ..)| self.sites.iter().all(|site| site.domain != *domain))
        {
            let start = jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map_or(0, |start| start.as_second());
            if start + (VAULT_DAYS + 1) * 86_400 <= now {
                self.drop_day(table, site, *day).await?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    async fn last_window(&self, table: &str, site: &str, day: Date) -> Result<i64, PublishError> {
        let params = [("table", table.to_owned()), ("site", site.to_owned()), ("day", day.to_string())];
        let last: Vec<LastWindow> = self
            .vault
            .rows(LAST_WINDOW, &params)
            .await
            .map_err(|source| PublishError::store("looking for the last window of a day", source))?;
        Ok(last.first().map_or(0, |row| row.end))
    }

    async fn drop_day(&self, table: &str, site: &str, day: Date) -> Result<(), PublishError> {
        // A partition cannot be a parameter; `parse` accepts no character that could end the literal.
        let sql = format!("ALTER TABLE {table} DROP PARTITION ('{site}', '{day}')");
        self.vault
            .execute(&sql, &[])
            .await
            .map_err(|source| PublishError::store("dropping a day of the vault", source))?;
        tracing::info!(site, %day, table, "dropped a day of the vault");
        Ok(())
    }

    /// Published numbers of all sites, also of sites that are no longer configured.
    async fn numbers(&self, now: i64) -> Result<u32, PublishError> {
        let failed = |source| PublishError::store("deleting published numbers that are too old", source);
        let params = [("months", self.retention.stats_months().to_string()), ("now", now.to_string())];
        let mut deleted = 0;
        for Aged { table } in self.stats.rows(AGED, &params).await.map_err(failed)? {
            let sql = format!("SELECT count() AS count FROM `{table}` WHERE {EXPIRED}");
            let expired: Vec<Count> = self.stats.rows(&sql, &params).await.map_err(failed)?;
            if expired.first().is_some_and(|row| row.count > 0) {
                // A mutation removes the rows instead of masking them; a part without rows is removed as a whole.
                let sql = format!("ALTER TABLE `{table}` DELETE WHERE {EXPIRED} SETTINGS mutations_sync = 2");
                self.stats.execute(&sql, &params).await.map_err(failed)?;
                tracing::info!(table, "deleted published numbers that were too old");
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

/// `('a.kz','2026-11-20')` as the engine writes it. Anything else is not a partition of the product.
fn parse(partition: &str) -> Option<(&str, Date)> {
    let (site, day) = partition.strip_prefix("('")?.strip_suffix("')")?.split_once("','")?;
    let is_domain = site.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    is_domain.then_some((site, day.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn only_partitions_of_the_product_are_parsed() {
        assert_eq!(parse("('a-b.kz','2026-11-20')"), Some(("a-b.kz", date(2026, 11, 20))));
        for odd in ["tuple()", "('a.kz')", "('a.kz','2026-13-20')", "('a\\'.kz','2026-11-20')", "('a.kz', 1)"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
