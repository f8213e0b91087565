//! The contents of the stores, and what is beside them: databases, tables, columns, values, and their age.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use super::catalog;
use super::findings::Findings;
use super::subject::{Lists, Subject, Target};
use crate::store::{STATS, StoreError, VAULT};

/// The TTL of the vault's tables, in days.
const VAULT_DAYS: u64 = 9;
/// Three years in days: the longest retention of published numbers that a configuration may have.
const STATS_DAYS: u64 = 3 * 366;
/// How many days a partition may be late: a day begins and ends by the site's time zone.
const SLACK_DAYS: i64 = 1;
/// How many rows of a table are sampled for their texts.
const SAMPLE_ROWS: u32 = 20_000;

/// The patterns of identifiers, as RE2, each with a name for the evidence. Digits may have separators between them.
const LOOKS: [(&str, &str); 6] = [
    ("an e-mail address", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}"),
    ("an IPv4 address", r"(^|[^0-9.])(\d{1,3}\.){3}\d{1,3}($|[^0-9.])"),
    ("eleven digits or more", r"\d([ ()-]?\d){10,}"),
    ("an IBAN", r"\b[A-Z]{2}\d{2}[A-Z0-9]{12,30}\b"),
    ("a UUID", r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"),
    ("a long token", r"\b[A-Za-z0-9+/_-]*\d[A-Za-z0-9+/_-]{30,}\b"),
];

/// Forbidden names of columns, as a whole or as a part between underscores.
const IDENTIFIERS: &str = "^(.*_)?(e?mail|phone|tel|ip|ipv4|ipv6|address|addr|iin|bin|passport|login|username|user|user_id|\
    userid|account|customer|client_id|card|pan|iban|surname|firstname|lastname|fullname|birth|birthday|cookie|token|session_id|\
    user_agent|ua|url|referer|fingerprint)(_.*)?$";

#[derive(Deserialize)]
struct Column {
    database: String,
    table: String,
    name: String,
    kind: String,
}

#[derive(Deserialize)]
struct Made {
    database: String,
    name: String,
    create: String,
}

#[derive(Deserialize)]
struct Partition {
    database: String,
    table: String,
    partition: String,
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { database, table, partition } = self;
        write!(f, "{database}.{table}: partition {partition}")
    }
}

#[derive(Deserialize)]
struct Seen {
    column: String,
    look: String,
    rows: u64,
}

/// Rules about what is beside the stores, each with a query whose rows are evidence. `{tables}` and the like are system tables;
/// `own`, `identified` and `others` are lists of databases.
const BESIDE: [(&str, &str); 6] = [
    (
        "apart-databases",
        "SELECT concat('database ', name) AS evidence FROM {databases} WHERE name NOT IN splitByChar(',', {own:String}) \
         AND name NOT IN splitByChar(',', {identified:String}) AND name NOT IN splitByChar(',', {others:String}) \
         AND name NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA', 'tamga_engine') \
         AND NOT (name = 'default' AND 0 = (SELECT count() FROM {tables} WHERE database = 'default'))",
    ),
    (
        "foreign-engines",
        "SELECT concat(database, '.', name, ' lives in ', engine) AS evidence FROM {tables} \
         WHERE database IN splitByChar(',', {own:String}) AND NOT match(engine, '^(Replicated|Shared)?[A-Za-z]*MergeTree$') \
         AND engine NOT IN ('Distributed', 'View', 'MaterializedView', 'Dictionary') \
         AND NOT (engine = 'Memory' AND name = 'erasures')",
    ),
    (
        "dictionaries",
        "SELECT concat('dictionary ', database, '.', name) AS evidence FROM {dictionaries} \
         WHERE database NOT IN splitByChar(',', {others:String}) OR positionCaseInsensitive(source, 'tamga_') > 0",
    ),
    ("named-collections", "SELECT concat('named collection ', name) AS evidence FROM {named_collections}"),
    (
        "views",
        "SELECT concat(database, '.', name, ', a ', engine) AS evidence FROM {tables} \
         WHERE (match(engine, 'View$') OR engine IN ('Merge', 'Buffer', 'Dictionary', 'Distributed')) \
         AND (database IN splitByChar(',', {own:String}) OR match(create_table_query, 'tamga_(vault|stats)')) \
         AND NOT (engine = 'Distributed' AND database IN splitByChar(',', {own:String}))",
    ),
    (
        "copies",
        "SELECT concat(database, '.', table, ' has ', arrayStringConcat(arraySort(groupArray(name)), ', ')) AS evidence \
         FROM {columns} WHERE database NOT IN splitByChar(',', {own:String}) AND database != 'system' \
         AND name IN ('visitor', 'visit', 'view', 'new_ever', 'new_week', 'previous_path', 'entry_source', 'engaged_s', \
         'visit_number') GROUP BY database, table HAVING count() > 1",
    ),
];

pub(super) async fn examine(target: &Target, lists: &Lists, subject: &Subject<'_>, findings: &mut Findings) {
    for (rule, sql) in BESIDE {
        let tables = ["databases", "tables", "dictionaries", "named_collections", "columns"];
        let sql = tables
            .into_iter()
            .fold(sql.to_owned(), |sql, table| sql.replace(&format!("{{{table}}}"), &target.system(table)));
        findings.take(rule, target.evidence(lists, &sql).await);
    }
    findings.take("apart-stores", apart(target, lists, subject).await);
    match columns(target, lists).await {
        Ok(mut columns) => {
            judge_columns(target, &columns, findings);
            // Tables behind other tables are read through them.
            columns.retain(|column| column.database == target.store.database());
            findings.take("values", values(target, &columns).await);
        }
        Err(error) => ["tables-listed", "columns-listed", "columns-named", "values"]
            .iter()
            .for_each(|rule| findings.unknown(rule, error.message.clone())),
    }
    findings.take("ttl", ttl(target, lists).await);
    let rule = if target.is_vault() { "overdue-vault" } else { "overdue-stats" };
    let now = subject.clock.now();
    findings.take(rule, overdue(target, lists, now.to_zoned(TimeZone::UTC).date()).await);
    findings.take("rows-ahead", ahead(target, lists, last_day_begun(now)).await);
}

/// Each store is where it should be: an engine has only its own database, and a server has the other one only if it is
/// configured for both.
async fn apart(target: &Target, lists: &Lists, subject: &Subject<'_>) -> Result<Vec<String>, StoreError> {
    let other = if target.is_vault() { STATS } else { VAULT };
    let [vault, stats] = &subject.targets;
    if vault.url.is_some() && vault.url == stats.url {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT concat(database, '.', name, ' is beside {}') AS evidence FROM {} WHERE database = '{other}'",
        target.store.database(),
        target.system("tables")
    );
    target.evidence(lists, &sql).await
}

/// Runs a query of a system table for the databases of a store.
async fn about<T: serde::de::DeserializeOwned + Send>(
    target: &Target,
    lists: &Lists,
    sql: &str,
) -> Result<Vec<T>, StoreError> {
    let sql = sql.replace("{its own}", "database IN splitByChar(',', {databases:String})");
    target.store.rows(&sql, &[("databases", target.databases(lists).join(","))]).await
}

async fn columns(target: &Target, lists: &Lists) -> Result<Vec<Column>, StoreError> {
    let system = target.system("columns");
    let sql = format!("SELECT database, table, name, type AS kind FROM {system} WHERE {{its own}} ORDER BY ALL");
    about(target, lists, &sql).await
}

fn judge_columns(target: &Target, columns: &[Column], findings: &mut Findings) {
    let identifier = regex::Regex::new(IDENTIFIERS).expect("a constant pattern");
    let known = catalog::tables(target.store.database());
    for rule in ["tables-listed", "columns-listed", "columns-named"] {
        findings.add(rule, []);
    }
    for Column { database, table, name, kind } in columns {
        let listed = known.get(table);
        match listed {
            None => findings.add("tables-listed", [format!("{database}.{table}")]),
            Some(listed) => match listed.columns.iter().find(|(known, _)| known == name) {
                None => findings.add("columns-listed", [format!("{database}.{table}.{name}")]),
                Some((_, wanted)) if wanted != kind => {
                    findings.add("columns-listed", [format!("{database}.{table}.{name} is {kind}, not {wanted}")]);
                }
                Some(_) => (),
            },
        }
        let is_listed = listed.is_some_and(|listed| listed.columns.iter().any(|(known, _)| known == name));
        if !is_listed && identifier.is_match(&name.to_ascii_lowercase()) {
            findings.add("columns-named", [format!("{database}.{table}.{name}")]);
        }
    }
}

/// Columns whose sampled texts look like an identifier, with the number of rows; never the text.
async fn values(target: &Target, columns: &[Column]) -> Result<Vec<String>, StoreError> {
    let mut evidence = Vec::new();
    let mut tables: Vec<&str> = columns.iter().map(|column| column.table.as_str()).collect();
    tables.dedup();
    for table in tables.into_iter().filter(|table| *table != "schema_migrations") {
        let texts = columns.iter().filter(|column| column.table == table && is_text(&column.kind));
        // The name of a node comes from the operator, not from a visitor.
        let texts = texts.filter(|column| column.name != "node");
        let quoted: Vec<_> = texts.map(|column| format!("`{}`", column.name)).collect();
        let pairs: Vec<_> =
            quoted.iter().map(|name| format!("('{}', toString({name}))", name.trim_matches('`'))).collect();
        if pairs.is_empty() {
            continue;
        }
        let looks =
            LOOKS.map(|(look, pattern)| format!("('{look}', match(pair.2, '{}'))", pattern.replace('\\', "\\\\")));
        let sql = format!(
            "SELECT pair.1 AS column, arrayJoin(arrayFilter(look -> look.2, [{}])).1 AS look, count() AS rows FROM \
             (SELECT arrayJoin([{}]) AS pair FROM (SELECT {} FROM `{table}` LIMIT {SAMPLE_ROWS})) GROUP BY column, look",
            looks.join(", "),
            pairs.join(", "),
            quoted.join(", "),
        );
        let seen: Vec<Seen> = target.store.rows(&sql, &[]).await?;
        let database = target.store.database();
        evidence.extend(
            seen.into_iter().map(|Seen { column, look, rows }| {
                format!("{database}.{table}.{column}: {rows} rows look like {look}")
            }),
        );
    }
    Ok(evidence)
}

fn is_text(kind: &str) -> bool {
    kind.contains("String") && !kind.contains("FixedString")
}

/// In a cluster the rows are in the table behind the distributed one.
async fn ttl(target: &Target, lists: &Lists) -> Result<Vec<String>, StoreError> {
    let system = target.system("tables");
    let sql =
        format!("SELECT database, name, create_table_query AS create FROM {system} WHERE {{its own}} ORDER BY ALL");
    let made: Vec<Made> = about(target, lists, &sql).await?;
    let most = if target.is_vault() { VAULT_DAYS } else { STATS_DAYS };
    let mut evidence = Vec::new();
    for (name, _) in catalog::tables(target.store.database()).iter().filter(|(_, table)| table.has_ttl) {
        let keeps_rows = |made: &&Made| made.name == *name && !made.create.contains("ENGINE = Distributed");
        for Made { database, name, create } in made.iter().filter(keeps_rows) {
            match catalog::ttl_days(create) {
                None => evidence.push(format!("{database}.{name} has no TTL")),
                Some(days) if days > most => {
                    evidence.push(format!("{database}.{name} keeps {days} days, {most} at most"))
                }
                Some(_) => (),
            }
        }
    }
    Ok(evidence)
}

async fn partitions(target: &Target, lists: &Lists) -> Result<Vec<Partition>, StoreError> {
    let system = target.system("parts");
    let sql = format!(
        "SELECT DISTINCT database, table, partition FROM {system} WHERE active AND rows > 0 AND {{its own}} ORDER BY ALL"
    );
    about(target, lists, &sql).await
}

/// The last day that has begun somewhere on earth.
pub(crate) fn last_day_begun(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::fixed(jiff::tz::offset(14))).date()
}

/// Partitions that begin after today, the day that has begun somewhere on earth.
async fn ahead(target: &Target, lists: &Lists, today: Date) -> Result<Vec<String>, StoreError> {
    let partitions = partitions(target, lists).await?;
    let is_ahead = |partition: &&Partition| first_day(&partition.partition).is_some_and(|day| day > today);
    Ok(partitions.iter().filter(is_ahead).map(ToString::to_string).collect())
}

async fn overdue(target: &Target, lists: &Lists, today: Date) -> Result<Vec<String>, StoreError> {
    let partitions = partitions(target, lists).await?;
    let keep = if target.is_vault() { VAULT_DAYS } else { STATS_DAYS };
    let known = catalog::tables(target.store.database());
    let evidence = |held: &Partition| match last_day(&held.partition) {
        Some(day) => is_over(day, keep, today).then(|| held.to_string()),
        // Nobody knows how old its rows are.
        None => {
            let by_day = known.get(&held.table).is_some_and(|table| table.is_cut_by_day);
            by_day.then(|| format!("{held}, of which no day is known"))
        }
    };
    Ok(partitions.iter().filter_map(evidence).collect())
}

/// The first day of a partition, as [`last_day`].
fn first_day(partition: &str) -> Option<Date> {
    let last = last_day(partition)?;
    Some(if partition.starts_with('(') { last } else { last.first_of_month() })
}

/// The last day of a partition: `('2026-11-20','2026-11-21')` of the vault, a day and when its windows end; `202611` of the
/// stats store.
fn last_day(partition: &str) -> Option<Date> {
    if let Some(days) = partition.strip_prefix("('").and_then(|rest| rest.strip_suffix("')")) {
        let (day, until) = days.split_once("','")?;
        return until.parse::<Date>().and(day.parse()).ok();
    }
    let month: u32 = partition.parse().ok()?;
    let (year, month) = (i16::try_from(month / 100).ok()?, i8::try_from(month % 100).ok()?);
    Some(Date::new(year, month, 1).ok()?.last_of_month())
}

fn is_over(day: Date, keep_days: u64, today: Date) -> bool {
    let kept = i64::try_from(keep_days).unwrap_or(i64::MAX).saturating_add(SLACK_DAYS);
    day.checked_add(kept.days()).is_ok_and(|end| end < today)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_partition_is_over_when_its_last_day_is() {
        assert_eq!(last_day("('2026-11-20','2026-11-26')"), Some(date(2026, 11, 20)));
        assert_eq!(last_day("('a.kz','2026-11-20')"), None);
        assert_eq!(last_day("202602"), Some(date(2026, 2, 28)));
        assert_eq!(last_day("tuple()"), None);
        assert_eq!(first_day("202602"), Some(date(2026, 2, 1)));
        assert_eq!(first_day("('2026-11-20','2026-11-26')"), Some(date(2026, 11, 20)));
        assert!(!is_over(date(2026, 11, 20), 9, date(2026, 11, 30)));
        assert!(is_over(date(2026, 11, 20), 9, date(2026, 12, 1)));
    }

    #[test]
    fn identifiers_are_recognised_by_the_name_of_their_column() {
        let pattern = regex::Regex::new(IDENTIFIERS).unwrap();
        for name in ["email", "user_email", "phone", "client_ip", "iin", "user_id", "card_pan", "cookie"] {
            assert!(pattern.is_match(name), "{name}");
        }
        for name in ["visitor", "region", "value", "path", "zip_step", "os", "device", "cardinality", "clients"] {
            assert!(!pattern.is_match(name), "{name}");
        }
    }
}
