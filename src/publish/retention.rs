//! The retention worker: deletes on time. A site's rows of a day go from the vault some hours after the last window that has
//! them was published, and at the latest when they are nine days old, published or not. A partition has the rows of all sites:
//! those whose time has come are deleted from it, and when no others can be in it, it is dropped. Published numbers are deleted after the
//! configured number of months, and never later than three years. The TTL of the tables is the second safeguard; it follows the
//! engine's clock and its merges.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::clock::Clock;
use crate::config::Retention;
use crate::record::Table;

use super::counted::VAULT_DAYS;
use super::error::PublishError;
use super::model::PublishedSite;
use super::tables::{Count, Tables, ask};

/// How often the worker checks: expired rows must be gone within a minute. A simulated clock runs through days in seconds.
const POLL: Duration = Duration::from_secs(30);
const POLL_SIMULATED: Duration = Duration::from_secs(1);

pub(super) const PARTITIONS: &str = "SELECT DISTINCT table, partition FROM system.parts \
     WHERE active AND database = currentDatabase() AND table IN splitByChar(',', {tables:String}) ORDER BY partition";
pub(super) const PUBLISHED: &str = "SELECT site, toUnixTimestamp(window_end) AS end, toUnixTimestamp(published_at) AS at \
     FROM publications WHERE window_end > toDateTime({since:UInt32}, 'UTC') ORDER BY end";
/// The sites that have rows of a day, by the date on which the windows of these rows end, and the last of these ends. After a
/// change of `publish_every` a site's rows of a day have windows of two lengths.
pub(super) const SITES_OF_DAY: &str = "SELECT site, toString(toDate(window_end)) AS until, toUnixTimestamp(max(window_end)) \
     AS end FROM {table:Identifier} WHERE day = {day:Date} GROUP BY site, until ORDER BY site, until";
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
    site: String,
    end: i64,
    at: i64,
}

/// When the windows of each site ended and were published, in the order of their ends.
type Ledger = HashMap<String, Vec<(i64, i64)>>;

#[derive(Deserialize)]
struct Aged {
    table: String,
}

#[derive(Deserialize)]
struct SiteOfDay {
    site: String,
    until: String,
    end: i64,
}

/// The partitions of a day in a table, by the dates on which their windows end.
type Held = BTreeMap<(Date, &'static str), BTreeSet<Date>>;

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

    /// Drops and deletes what has expired now. Returns from how many partitions of the vault and from how many stats tables rows
    /// were deleted. Nothing is deleted while the clock is disputed.
    pub async fn pass(&self) -> Result<u32, PublishError> {
        let Some(now) = self.clock.now_to_destroy() else { return Ok(0) };
        Ok(self.days(now.as_second()).await? + self.numbers(now.as_second()).await?)
    }

    /// Partitions of unknown form are left alone, and the rest of the work is done; then they are an error.
    async fn days(&self, now: i64) -> Result<u32, PublishError> {
        let (held, unknown) = self.partitions().await?;
        let ledger = if held.is_empty() { Ledger::new() } else { self.ledger(now).await? };
        let mut dropped = 0;
        for ((day, table), untils) in held {
            let may_go = self.sites.iter().any(|site| self.is_over(&ledger, &site.domain, day, 0, now));
            // Sites that are no longer configured are only too old.
            if may_go || self.is_over(&ledger, "", day, 0, now) {
                dropped += self.clear_day(table, day, &untils, &ledger, now).await?;
            }
        }
        match unknown {
            Some((table, partition)) => Err(PublishError::UnknownPartition { table, partition }),
            None => Ok(dropped),
        }
    }

    /// The partitions of the tables of rows, by day and table, and one whose form is not known.
    async fn partitions(&self) -> Result<(Held, Option<(String, String)>), PublishError> {
        let tables = Table::ALL.map(Table::name);
        let partitions: Vec<Partition> =
            ask(&self.vault, "listing the vault's days", PARTITIONS, &[("tables", tables.join(","))]).await?;
        let (mut held, mut unknown) = (Held::new(), None);
        for Partition { table, partition } in partitions {
            match (tables.into_iter().find(|name| *name == table), parse(&partition)) {
                (Some(name), Some((day, until))) => _ = held.entry((day, name)).or_default().insert(until),
                _ => unknown = Some((table, partition)),
            }
        }
        Ok((held, unknown))
    }

    async fn ledger(&self, now: i64) -> Result<Ledger, PublishError> {
        let since = (now - 3 * VAULT_DAYS * 86_400).max(0);
        let published: Vec<Published> =
            ask(&self.stats, "reading the ledger", PUBLISHED, &[("since", since.to_string())]).await?;
        let mut ledger = Ledger::new();
        for Published { site, end, at } in published {
            ledger.entry(site).or_default().push((end, at));
        }
        Ok(ledger)
    }

    /// Whether the time of a site's rows of a day is over, the last of whose windows ends at `last`.
    fn is_over(&self, ledger: &Ledger, site: &str, day: Date, last: i64, now: i64) -> bool {
        let Some(PublishedSite { schedule, .. }) = self.sites.iter().find(|known| known.domain == site) else {
            // It is no longer configured. Its time zone is unknown, so the day may have begun a day later.
            return utc_start(day) + (VAULT_DAYS + 1) * 86_400 <= now;
        };
        let last = last.max(schedule.day_end(day).as_second());
        let kept_s = i64::from(self.retention.vault_hours) * 3600;
        let published = ledger.get(site).and_then(|windows| windows.iter().find(|(end, _)| *end >= last));
        schedule.day_start(day).as_second() + VAULT_DAYS * 86_400 <= now
            || published.is_some_and(|(_, at)| at + kept_s <= now)
    }

    /// Whether a site may still get rows that must stay, of this day and with a window that ends on this date. A partition is
    /// dropped as a whole only if none may, since rows can arrive until the moment of the drop.
    fn may_get_rows(&self, ledger: &Ledger, site: &PublishedSite, day: Date, until: Date, now: i64) -> bool {
        let (start, end) = (site.schedule.day_start(day), site.schedule.day_end(day));
        let first = site.schedule.containing(start).end;
        let last = site.schedule.containing(end - jiff::SignedDuration::from_nanos(1)).end;
        let date = |moment: jiff::Timestamp| moment.to_zoned(TimeZone::UTC).date();
        (date(first)..=date(last)).contains(&until) && !self.is_over(ledger, &site.domain, day, last.as_second(), now)
    }

    /// Deletes the rows of a day whose time is over from a table. Returns from how many partitions.
    async fn clear_day(
        &self,
        table: &str,
        day: Date,
        untils: &BTreeSet<Date>,
        ledger: &Ledger,
        now: i64,
    ) -> Result<u32, PublishError> {
        let params = [("table", table.to_owned()), ("day", day.to_string())];
        let rows: Vec<SiteOfDay> = ask(&self.vault, "looking for the sites of a day", SITES_OF_DAY, &params).await?;
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for row in &rows {
            last.entry(&row.site).and_modify(|end| *end = row.end.max(*end)).or_insert(row.end);
        }
        let is_over = |site: &str| self.is_over(ledger, site, day, last[site], now);
        let mut cleared = 0;
        for until in untils {
            let date = until.to_string();
            let (over, stay): (Vec<&str>, Vec<&str>) = rows
                .iter()
                .filter(|row| row.until == date)
                .map(|row| row.site.as_str())
                .partition(|site| is_over(site));
            // No form of a date could end the literal, which cannot be a parameter.
            let partition = format!("PARTITION ('{day}', '{until}')");
            let may_come = || self.sites.iter().any(|site| self.may_get_rows(ledger, site, day, *until, now));
            let (sql, params) = match (over.is_empty(), stay.is_empty() && !may_come()) {
                (_, true) => (format!("ALTER TABLE {table} DROP {partition}"), Vec::new()),
                (true, false) => continue,
                (false, false) => (
                    format!(
                        "ALTER TABLE {table} DELETE IN {partition} WHERE has(splitByChar(',', {{sites:String}}), site) \
                         SETTINGS mutations_sync = 2"
                    ),
                    vec![("sites", over.join(","))],
                ),
            };
            self.vault
                .execute(&sql, &params)
                .await
                .map_err(|source| PublishError::store("deleting a day from the vault", source))?;
            tracing::info!(%day, %until, table, sites = over.len(), "deleted a day of sites from the vault");
            cleared += 1;
        }
        Ok(cleared)
    }

    /// Published numbers of all sites, also of sites that are no longer configured.
    async fn numbers(&self, now: i64) -> Result<u32, PublishError> {
        let doing = "deleting published numbers that are too old";
        let params = [("months", self.retention.stats_months().to_string()), ("now", now.to_string())];
        let mut deleted = 0;
        for Aged { table } in ask(&self.stats, doing, AGED, &params).await? {
            let sql = format!("SELECT count() AS count FROM `{table}` WHERE {EXPIRED}");
            let expired: Vec<Count> = ask(&self.stats, doing, &sql, &params).await?;
            if expired.first().is_some_and(|row| row.count > 0) {
                // A mutation removes the rows instead of masking them; a part without rows is removed as a whole.
                let sql = format!("ALTER TABLE `{table}` DELETE WHERE {EXPIRED} SETTINGS mutations_sync = 2");
                self.stats.execute(&sql, &params).await.map_err(|source| PublishError::store(doing, source))?;
                tracing::info!(table, "deleted published numbers that were too old");
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

/// The first moment of a day, by UTC, in seconds since 1970.
fn utc_start(day: Date) -> i64 {
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map_or(0, |start| start.as_second())
}

/// `('2026-11-20','2026-11-21')` as the engine writes it: a day, and the date on which its windows end. Anything else is not a
/// partition of the product.
fn parse(partition: &str) -> Option<(Date, Date)> {
    let (day, until) = partition.strip_prefix("('")?.strip_suffix("')")?.split_once("','")?;
    Some((day.parse().ok()?, until.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn only_partitions_of_the_product_are_parsed() {
        assert_eq!(parse("('2026-11-20','2026-11-21')"), Some((date(2026, 11, 20), date(2026, 11, 21))));
        for odd in ["tuple()", "('2026-11-20')", "('a.kz','2026-11-20')", "('2026-11-20','2026-13-20')", "2026-11-20"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
