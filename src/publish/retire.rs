//! The end of rows: a day's partition is dropped 24 hours after the last window that holds its rows was published, and at
//! the latest when its rows are nine days old, published or not. The tables' own time to live is the net below.

use jiff::civil::Date;
use serde::Deserialize;

use crate::clock::Clock;
use crate::record::Table;

use super::PublishError;
use super::plan::{PublishedSite, VAULT_DAYS};
use super::tables::Tables;

/// How long a published day stays, for objections and for comparing.
const KEPT_AFTER_PUBLICATION_S: i64 = 24 * 3600;

pub(super) const PARTITIONS: &str = "SELECT DISTINCT table, partition FROM system.parts \
     WHERE active AND database = currentDatabase() AND table IN splitByChar(',', {tables:String}) ORDER BY partition";
pub(super) const PUBLISHED: &str = "SELECT toUnixTimestamp(window_end) AS end, toUnixTimestamp(published_at) AS at \
     FROM publications WHERE site = {site:String} AND window_end > toDateTime({since:UInt32}, 'UTC') ORDER BY end";

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

/// Drops what is due; returns how many partitions.
pub(super) async fn retire<V: Tables, S: Tables>(
    vault: &V,
    stats: &S,
    clock: &Clock,
    sites: &[PublishedSite],
) -> Result<u32, PublishError> {
    let now = clock.now().as_second();
    let tables = Table::ALL.map(Table::name);
    let partitions: Vec<Partition> = vault
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
    for site in sites {
        let since = (now - 3 * VAULT_DAYS * 86_400).max(0);
        let published: Vec<Published> = stats
            .rows(PUBLISHED, &[("site", site.domain.clone()), ("since", since.to_string())])
            .await
            .map_err(|source| PublishError::store("reading the ledger", source))?;
        for (_, day, table) in held.iter().filter(|(domain, ..)| *domain == site.domain) {
            let day_end = site.schedule.day_end(*day).as_second();
            let last = published.iter().find(|row| row.end >= day_end);
            let is_done = last.is_some_and(|row| row.at + KEPT_AFTER_PUBLICATION_S <= now);
            let is_old = site.schedule.day_start(*day).as_second() + VAULT_DAYS * 86_400 <= now;
            if is_done || is_old {
                drop_day(vault, table, &site.domain, *day).await?;
                dropped += 1;
            }
        }
    }
    // Days of sites that are no longer configured go when they are old; their zone is not known, a day more is allowed.
    for (site, day, table) in held.iter().filter(|(domain, ..)| sites.iter().all(|site| site.domain != *domain)) {
        let start = jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map_or(0, |start| start.as_second());
        if start + (VAULT_DAYS + 1) * 86_400 <= now {
            drop_day(vault, table, site, *day).await?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

async fn drop_day<V: Tables>(vault: &V, table: &str, site: &str, day: Date) -> Result<(), PublishError> {
    // A partition's value takes no parameters; `parse` lets no character through that could end the literal.
    let sql = format!("ALTER TABLE {table} DROP PARTITION ('{site}', '{day}')");
    vault.execute(&sql, &[]).await.map_err(|source| PublishError::store("dropping a day of the vault", source))?;
    tracing::info!(site, %day, table, "dropped a day of the vault");
    Ok(())
}

/// `('a.kz','2026-11-20')` as the engine writes it. Anything else is no partition of ours.
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
    fn only_partitions_of_ours_are_understood() {
        assert_eq!(parse("('a-b.kz','2026-11-20')"), Some(("a-b.kz", date(2026, 11, 20))));
        for odd in ["tuple()", "('a.kz')", "('a.kz','2026-13-20')", "('a\\'.kz','2026-11-20')", "('a.kz', 1)"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
